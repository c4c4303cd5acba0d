package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/feed"
	"github.com/plimsoll/plimsoll/internal/registry"
	"github.com/plimsoll/plimsoll/internal/version"
)

// snapshots measures the snapshot of all feeds of a mirror: building, size, looking up in
// a fresh process, comparing with another, and what an update moves.
func snapshots(ctx context.Context, mirror, out, self, bin string, runs int) error {
	first := filepath.Join(out, "first")
	var builds []usage
	for range runs {
		os.RemoveAll(first)
		u, err := measure(ctx, []string{bin, "advisories", "build", "-q", "--from", mirror, "--out", first})
		if err != nil {
			return fmt.Errorf("building: %w", err)
		}
		builds = append(builds, u)
	}
	build := median(builds)
	a, err := advisorydb.Open(first)
	if err != nil {
		return err
	}
	defer a.Close()
	kinds := map[advisorydb.Kind]int64{}
	var size int64
	for _, s := range a.Manifest().Shards {
		kinds[s.Kind] += s.Size
		size += s.Size
	}
	fmt.Printf("\nsnapshot of %d sources, %d shards: %.1f MB, of which text %.1f MB; without it %.1f MB\n", len(a.Manifest().Sources), len(a.Manifest().Shards),
		float64(size)/1e6, float64(kinds[advisorydb.KindText])/1e6, float64(size-kinds[advisorydb.KindText])/1e6)
	fmt.Printf("built in %.1f s, %.1f s of CPU, peak memory %.0f MB\n", build.wall.Seconds(), build.cpu.Seconds(), float64(build.peak)/1e6)

	// The same a month later: one record in four hundred has another fix; then the same
	// for one distribution alone, which has new flaws besides.
	all, one := filepath.Join(out, "later"), filepath.Join(out, "debian")
	for _, dir := range []string{all, one} {
		os.RemoveAll(dir)
		if _, err := measure(ctx, []string{self, "later", mirror, dir}); err != nil {
			return fmt.Errorf("building a later one: %w", err)
		}
	}
	names := []string{}
	none, err := empty(ctx, out)
	if err != nil {
		return err
	}
	defer none.Close()
	for r, err := range advisorydb.Diff(ctx, none, a) {
		if err != nil {
			return err
		}
		if r.Ecosystem == "Debian:12" && (len(names) == 0 || names[len(names)-1] != r.Package) {
			names = append(names, r.Package)
		}
	}
	var bare, versions []string
	for i := range 300 {
		name := names[i*len(names)/300]
		v, err := installed(ctx, a, name)
		if err != nil {
			return err
		}
		bare, versions = append(bare, name), append(versions, name+"="+v)
	}
	for what, args := range map[string][]string{"all that is held against 300 Debian packages": bare, "what matters to a version of each of 300 Debian packages": versions} {
		if err := freshLookups(ctx, self, first, what, args, max(runs, 11)); err != nil {
			return err
		}
	}

	b, err := advisorydb.Open(all)
	if err != nil {
		return err
	}
	defer b.Close()
	var took []time.Duration
	records, flaws := 0, 0
	for range 11 {
		records, flaws = 0, 0
		begin := time.Now()
		for _, err := range advisorydb.Diff(ctx, a, b) {
			if err != nil {
				return err
			}
			records++
		}
		for _, err := range advisorydb.DiffFlaws(ctx, a, b) {
			if err != nil {
				return err
			}
			flaws++
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	fmt.Printf("compared with one a month later: %d changes of a record in a package, %d of flaws, in %.1f ms\n", records, flaws, ms(took[len(took)/2]))

	here := filepath.Join(out, "here")
	os.RemoveAll(here)
	from, err := advisorydb.NewRemote(first, registry.Options{})
	if err != nil {
		return err
	}
	o := advisorydb.PullOptions{Unsigned: true, All: true, Older: true}
	whole, err := advisorydb.Pull(ctx, here, from, o)
	if err != nil {
		return err
	}
	if from, err = advisorydb.NewRemote(one, registry.Options{}); err != nil {
		return err
	}
	update, err := advisorydb.Pull(ctx, here, from, o)
	if err != nil {
		return err
	}
	fmt.Printf("an update of Debian 12 moves %d of %d parts, %.2f of %.1f MB: %.2f %%\n", update.Fetched, whole.Fetched,
		float64(update.Bytes)/1e6, float64(whole.Bytes)/1e6, 100*float64(update.Bytes)/float64(whole.Bytes))
	return nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

func median(all []usage) usage {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b usage) int { return int(a.wall - b.wall) })
	return all[len(all)/2]
}

func empty(ctx context.Context, out string) (*advisorydb.DB, error) {
	dir := filepath.Join(out, "none")
	os.RemoveAll(dir)
	if _, err := advisorydb.NewBuilder().Write(ctx, dir); err != nil {
		return nil, err
	}
	return advisorydb.Open(dir)
}

// later builds a snapshot of mirror as it might be a month on: if dir is called "debian"
// Debian 12's part alone is another.
func later(ctx context.Context, mirror, dir string) error {
	debug.SetMemoryLimit(768 << 20)
	defer debug.SetMemoryLimit(math.MaxInt64)
	o, err := feed.NewOrigin(mirror)
	if err != nil {
		return err
	}
	debian := filepath.Base(dir) == "debian"
	b := advisorydb.NewBuilder()
	for _, r := range feed.Run(ctx, o, feed.All(), func(f feed.Feed) feed.Sink {
		n := 0
		return feed.Sink{
			Advisory: func(a advisory.Advisory) error {
				n++
				if debian && f.Name == "debian-tracker" && n%100 == 0 || !debian && n%400 == 0 {
					change(&a, debian)
				}
				_ = b.Add(a)
				return nil
			},
			Enrichment: func(id string, e advisory.Enrichment) error { _ = b.Enrich(id, e); return nil },
			Lifecycle:  func(key string, e advisory.Lifecycle) error { _ = b.EndOfLife(key, e); return nil },
			Repository: func(id string, cpes []string) error { _ = b.Repository(id, cpes); return nil },
			Statement:  func(s advisory.Statement) error { _ = b.Statement(s); return nil },
		}
	}) {
		if r.Err != nil {
			return r.Err
		}
		if r.Missing {
			continue
		}
		if err := b.Source(advisorydb.Source{Name: r.Name, Home: r.Home, Newest: r.Newest, Records: r.Records, Ecosystems: r.Ecosystems}); err != nil {
			return err
		}
	}
	if debian {
		for i := range 200 {
			if err := b.Add(advisory.Advisory{ID: fmt.Sprintf("CVE-2025-%d", 90000+i), Source: "debian-tracker", Summary: fmt.Sprintf("flaw %d of this month, found in a library that many programs use", i),
				Affected: []advisory.Affected{{Ecosystem: "Debian:12", Package: "openssl", State: advisory.StateDeferred}}}); err != nil {
				return err
			}
		}
	}
	b.Trim()
	_, err = b.Write(ctx, dir)
	return err
}

// change gives a record another fix in each statement, or in those on Debian 12.
func change(a *advisory.Advisory, debian bool) {
	for i := range a.Affected {
		f := &a.Affected[i]
		if debian && f.Ecosystem != "Debian:12" {
			continue
		}
		for j := range f.Ranges {
			if r := &f.Ranges[j]; r.Fixed != "" {
				r.Fixed = strings.TrimRight(r.Fixed, "0123456789") + "999"
			}
		}
	}
}

// installed gives a version of a Debian package as it might be installed: the last one
// that fixed something.
func installed(ctx context.Context, db *advisorydb.DB, name string) (string, error) {
	v := "1"
	for rec, err := range db.Lookup(ctx, "Debian:12", name) {
		if err != nil {
			return "", err
		}
		for _, af := range rec.Affected {
			for _, r := range af.Ranges {
				if c, err := version.Deb.Compare(v, r.Fixed); r.Fixed != "" && err == nil && c < 0 {
					v = r.Fixed
				}
			}
		}
	}
	return v, nil
}

// freshLookups measures look-ups in fresh processes, by the clock of each from the first
// statement of its main function to the last.
func freshLookups(ctx context.Context, self, dir, what string, args []string, runs int) error {
	var opens, looks []float64
	records := ""
	for range runs {
		out, err := exec.CommandContext(ctx, self, append([]string{"lookups", dir}, args...)...).Output()
		if err != nil {
			return err
		}
		f := strings.Fields(string(out))
		open, oerr := strconv.ParseFloat(f[0], 64)
		look, lerr := strconv.ParseFloat(f[1], 64)
		if oerr != nil || lerr != nil {
			return fmt.Errorf("the process says %q", out)
		}
		opens, looks, records = append(opens, open), append(looks, look), f[2]
	}
	slices.Sort(opens)
	slices.Sort(looks)
	fmt.Printf("a fresh process looks up %s: %.2f ms to open it and %.2f to look up, %s records (medians of %d)\n", what, opens[runs/2], looks[runs/2], records, runs)
	return nil
}

// lookups is a fresh process that opens a snapshot and looks names up, or versions of
// them: "NAME=VERSION".
func lookups(ctx context.Context, dir string, names []string) error {
	debug.SetGCPercent(scanGC)
	begin := time.Now()
	db, err := advisorydb.Open(dir)
	if err != nil {
		return err
	}
	opened := time.Since(begin)
	n := 0
	for _, name := range names {
		records := db.Lookup(ctx, "Debian:12", name)
		if name, v, ok := strings.Cut(name, "="); ok {
			records = db.LookupVersion(ctx, "Debian:12", name, v)
		}
		for _, err := range records {
			if err != nil {
				return err
			}
			n++
		}
	}
	fmt.Printf("%.3f %.3f %d\n", ms(opened), ms(time.Since(begin)-opened), n)
	return nil
}
