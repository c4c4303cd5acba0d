package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/feed"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/report"
)

func newAdvisories(env Env) *cobra.Command {
	c := &cobra.Command{
		Use: "advisories", Short: "The snapshot of what is known against software: build, deliver, look into it",
		Args: subcommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBuild(env), newPull(env), newPush(env), newExport(env), newImport(env), newStatus(env), newDiff(env),
		newShow(env), newPrune(env), newKeygen(env))
	return c
}

type buildOptions struct {
	from, out string
	mirror    string
	noMirror  bool
	only      []string
	signKeys  []string
	date      string
	quiet     bool
}

func newBuild(env Env) *cobra.Command {
	var o buildOptions
	c := &cobra.Command{
		Use:   "build",
		Short: "Fetch the publishers, or a mirror of them, and write a snapshot",
		Long: `Build fetches each publisher's advisories in its own format, brings them into one
form and writes an immutable snapshot: a manifest and one file per ecosystem and
release, each named by its digest.

A mirror is a folder or URL laid out by server name: what the publishers serve at
https://HOST/PATH stands at FROM/HOST/PATH. Publishers that a mirror does not have
are named and left out; a record that cannot be read is counted and left out.

What is fetched from a network is kept, as a mirror of its own, so that next time
only what has changed is fetched. A publisher that cannot be reached is then read as
it was last, and named.`,
		Example: `  plimsoll advisories build
  plimsoll advisories build --from /srv/mirror --out ./advisories`,
		Args: none,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.out == "" {
				o.out = filepath.Join(cacheDir(env), "advisories")
			}
			if o.mirror != "" && o.noMirror {
				return usage("--mirror and --no-mirror exclude each other")
			}
			return runBuild(c.Context(), env, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.from, "from", "", "folder or URL of a mirror (default: the publishers themselves)")
	f.StringVar(&o.out, "out", "", "folder to write the snapshot to (default: in the cache folder)")
	f.StringVar(&o.mirror, "mirror", "", "folder to keep what is fetched from a network in (default: in the cache folder)")
	f.BoolVar(&o.noMirror, "no-mirror", false, "keep nothing of what is fetched")
	f.StringSliceVar(&o.only, "only", nil, "names of the feeds to fetch, separated by commas (default: all)")
	f.StringSliceVar(&o.signKeys, "sign-key", nil, "PEM file with an Ed25519 key to sign the snapshot with; may be repeated")
	f.StringVar(&o.date, "date", "", "the day or time whose knowledge the snapshot holds (default: now, or for a mirror that of its newest record)")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing")
	return c
}

// buildMemory is what a build of all feeds keeps to as long as it can, in bytes.
const buildMemory = 768 << 20

func runBuild(ctx context.Context, env Env, o buildOptions) error {
	feeds, err := chooseFeeds(o.only)
	if err != nil {
		return err
	}
	var signers []advisorydb.Signer
	var own []advisorydb.Key
	for _, path := range o.signKeys {
		s, err := advisorydb.ReadSigner(path)
		if err != nil {
			return usage("%v", err)
		}
		signers, own = append(signers, s), append(own, s.Key())
	}
	var date time.Time
	if o.date != "" {
		var err error
		if date, err = parseAsOf(o.date); err != nil {
			return usage("--date %s: want a day such as 2027-01-15, or an RFC 3339 time", o.date)
		}
	} else if o.fetchedNow() {
		date = time.Now()
	}
	origin, err := feed.NewOrigin(o.from)
	if err != nil {
		if _, serr := os.Stat(o.from); errors.Is(serr, fs.ErrNotExist) && !strings.Contains(o.from, "://") {
			return &exit{code: exitNotFound, msg: err.Error()}
		}
		return usage("--from: %v", err)
	}
	// Feeds make much garbage beside what is kept; collecting it sooner costs less than
	// the room. Whoever sets GOMEMLIMIT decides for himself.
	if before := debug.SetMemoryLimit(-1); before == math.MaxInt64 {
		debug.SetMemoryLimit(buildMemory)
		defer debug.SetMemoryLimit(before)
	}
	note := func(format string, args ...any) {
		if !o.quiet {
			say(env, fmt.Sprintf(format, args...))
		}
	}
	if err := keepFetched(env, origin, o, note); err != nil {
		return err
	}
	bar := newProgress(env, o.quiet)
	got, err := readFeeds(ctx, origin, feeds, advisorydb.NewBuilder, bar)
	if err != nil {
		return err
	}
	for _, q := range got.quarantined {
		note("left out a record that cannot be read: %s", q)
	}
	b := got.b
	b.Date(date)
	var failed, missing []string
	read := 0
	for _, r := range got.results {
		switch {
		case r.Missing:
			missing = append(missing, r.Name)
			continue
		case r.Err != nil:
			failed = append(failed, fmt.Sprintf("%s: %v", r.Name, r.Err))
			continue
		case r.Stale != nil:
			note("%s is read as it was kept on %s, because it cannot be fetched: %v", r.Name, r.Fetched.UTC().Format("2006-01-02 15:04 MST"), r.Stale)
		}
		read++
		refused := got.refused[r.Name]
		src := advisorydb.Source{Name: r.Name, Home: r.Home, Newest: r.Newest, MaxAge: maxFeedAge,
			Records: r.Records + r.Enrichments + r.Statements - refused, Skipped: r.Skipped, Quarantined: r.Quarantined + refused, Ecosystems: r.Ecosystems}
		if o.fetchedNow() {
			src.Fetched = r.Fetched
		}
		if err := b.Source(src); err != nil {
			return err
		}
	}
	// A feed that broke off has put a part of itself into the builder, and a part
	// would read as "nothing else is known".
	if len(failed) > 0 {
		return &exit{exitUnknown, "no snapshot was written, because not all feeds could be read; those that work can be named with --only", failed}
	}
	if read == 0 {
		return &exit{code: exitNotFound, msg: fmt.Sprintf("no publisher's files were found at %s: a mirror is laid out by server name, FROM/HOST/PATH", origin)}
	}
	if len(missing) > 0 {
		what := fmt.Sprintf("%s does not have %d of %d feeds: %s", origin, len(missing), len(feeds), someOf(missing))
		if len(o.only) > 0 {
			return &exit{code: exitNotFound, msg: "no snapshot was written, because " + what}
		}
		note("%s", what)
	}
	bar.start("writing the snapshot")
	b.Trim()
	m, err := b.Write(ctx, o.out, signers...)
	bar.stop()
	if err != nil {
		return err
	}
	if err := advisorydb.Trust(o.out, own); err != nil {
		return err
	}
	if !o.quiet {
		writeSnapshot(env.Stdout, o.out, m)
	}
	return nil
}

// maxFeedAge is how old a source may be before verdicts cannot rest on it, unless its
// feed says otherwise.
const maxFeedAge = 5 * 24 * time.Hour

// keepFetched makes origin keep what it fetches, if that was not declined. Where the
// usual folder cannot be written to, nothing is kept.
func keepFetched(env Env, origin *feed.Origin, o buildOptions, note func(string, ...any)) error {
	switch {
	case origin.OnDisk() && o.mirror == "", o.noMirror:
		return nil
	case o.mirror != "":
		if err := origin.Keep(o.mirror); err != nil {
			return usage("--mirror: %v", err)
		}
		return nil
	}
	if err := origin.Keep(filepath.Join(cacheDir(env), "mirror")); err != nil {
		note("nothing is kept of what is fetched: %v", err)
	}
	return nil
}

// reading is what came of reading feeds.
type reading struct {
	b           *advisorydb.Builder
	results     []feed.Result
	quarantined []string       // the first that were left out
	refused     map[string]int // records that the builder did not take, by feed
}

// readFeeds reads the feeds from origin. A feed that breaks off has put a part of
// itself into the builder; if it can be read to its end as it was kept, all are read
// again, as they are kept, into another builder.
func readFeeds(ctx context.Context, origin *feed.Origin, feeds []feed.Feed, newBuilder func() *advisorydb.Builder, bar *progress) (*reading, error) {
	got := readOnce(ctx, origin, feeds, newBuilder(), bar)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	kept := origin.Kept()
	var there, broken []feed.Feed
	for i, r := range got.results {
		if r.Err != nil {
			broken = append(broken, feeds[i])
		}
		if !r.Missing {
			there = append(there, feeds[i])
		}
	}
	if kept == nil || len(broken) == 0 {
		return got, nil
	}
	bar.start("reading what is kept")
	for _, r := range feed.Run(ctx, kept, broken, func(feed.Feed) feed.Sink { return feed.Sink{} }) {
		if r.Err != nil || r.Missing {
			bar.stop()
			return got, ctx.Err()
		}
	}
	bar.stop()
	got.b = nil
	again := readOnce(ctx, kept, there, newBuilder(), bar)
	by := map[string]feed.Result{}
	for _, r := range again.results {
		by[r.Name] = r
	}
	again.results = slices.Clone(got.results)
	for i, was := range got.results {
		if r, ok := by[was.Name]; ok {
			if r.Stale = was.Stale; was.Err != nil {
				r.Stale = was.Err
			}
			again.results[i] = r
		}
	}
	return again, ctx.Err()
}

func readOnce(ctx context.Context, origin *feed.Origin, feeds []feed.Feed, b *advisorydb.Builder, bar *progress) *reading {
	bar.start("fetching advisories")
	defer bar.stop()
	got := &reading{b: b, refused: map[string]int{}}
	var mu sync.Mutex // feeds run at the same time
	var done int
	got.results = feed.Run(ctx, origin, feeds, func(f feed.Feed) feed.Sink {
		mu.Lock()
		defer mu.Unlock()
		done++
		bar.say(fmt.Sprintf("fetching advisories: %s, %d of %d", f.Name, done, len(feeds)))
		quarantine := func(record string, err error) {
			mu.Lock()
			defer mu.Unlock()
			if len(got.quarantined) < maxNamed {
				got.quarantined = append(got.quarantined, fmt.Sprintf("%s: %s: %v", f.Name, record, err))
			}
		}
		// What the snapshot refuses is one record's fault and not its feed's.
		refuse := func(record string, err error) error {
			if err != nil {
				quarantine(record, err)
				mu.Lock()
				defer mu.Unlock()
				got.refused[f.Name]++
			}
			return nil
		}
		return feed.Sink{
			Advisory:   func(a advisory.Advisory) error { return refuse(a.ID, b.Add(a)) },
			Enrichment: func(id string, e advisory.Enrichment) error { return refuse(id, b.Enrich(id, e)) },
			Lifecycle:  func(key string, e advisory.Lifecycle) error { return refuse(key, b.EndOfLife(key, e)) },
			Repository: func(id string, cpes []string) error { return refuse(id, b.Repository(id, cpes)) },
			Statement:  func(s advisory.Statement) error { return refuse(s.Document+" "+s.Flaw, b.Statement(s)) },
			Quarantine: quarantine,
		}
	})
	return got
}

// maxNamed bounds what is named one by one.
const maxNamed = 10

func someOf(names []string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
}

// fetchedNow tells whether the sources are as fresh as their fetching: what a
// mirror holds may have lain there for long, so its age is that of its newest record,
// and a snapshot of it has the same bytes whenever it is built.
func (o buildOptions) fetchedNow() bool { return o.from == "" }

func writeSnapshot(w io.Writer, dir string, m advisorydb.Manifest) {
	var size int64
	records := 0
	for _, s := range m.Shards {
		size += s.Size
		records += s.Records
	}
	fmt.Fprintf(w, "%s\n", report.Printable(dir))
	fmt.Fprintf(w, "  %d advisories in %d shards, %s\n", records, len(m.Shards), bytesSaid(size))
	name := 0
	for _, s := range m.Sources {
		name = max(name, len(s.Name))
	}
	for _, s := range m.Sources {
		word := "records"
		if s.Records == 1 {
			word = "record"
		}
		fmt.Fprintf(w, "  %-*s  %8d %s", name, s.Name, s.Records, word)
		if !s.Newest.IsZero() {
			fmt.Fprintf(w, ", newest %s", s.Newest.Format(time.DateOnly))
		}
		if s.Quarantined > 0 {
			fmt.Fprintf(w, ", %d unreadable", s.Quarantined)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "  snapshot %s\n", image.Sum(m.Bytes()))
}

func bytesSaid(n int64) string {
	switch {
	case n < 1e3:
		return fmt.Sprintf("%d bytes", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// chooseFeeds gives the feeds named, or all.
func chooseFeeds(only []string) ([]feed.Feed, error) {
	all := feed.All()
	if len(only) == 0 {
		return all, nil
	}
	var out []feed.Feed
	for _, name := range only {
		i := slices.IndexFunc(all, func(f feed.Feed) bool { return f.Name == name })
		if i < 0 {
			var names []string
			for _, f := range all {
				names = append(names, f.Name)
			}
			return nil, usage("--only %s: there is no such feed; there are %s", name, strings.Join(names, ", "))
		}
		out = append(out, all[i])
	}
	return out, nil
}
