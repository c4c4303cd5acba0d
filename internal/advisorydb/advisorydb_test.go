package advisorydb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

func date(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

// build writes a snapshot of the advisories and opens it.
func build(t testing.TB, all ...advisory.Advisory) *DB {
	t.Helper()
	b := NewBuilder()
	for _, a := range all {
		if err := b.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	return open(t, b, t.TempDir())
}

func open(t testing.TB, b *Builder, dir string) *DB {
	t.Helper()
	if _, err := b.Write(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	db, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func lookup(db *DB, ecosystem, name string) ([]advisory.Advisory, error) {
	var out []advisory.Advisory
	for a, err := range db.Lookup(context.Background(), ecosystem, name) {
		if err != nil {
			return out, err
		}
		out = append(out, a)
	}
	return out, nil
}

func mustLookup(t testing.TB, db *DB, ecosystem, name string) []advisory.Advisory {
	t.Helper()
	out, err := lookup(db, ecosystem, name)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLookup(t *testing.T) {
	full := advisory.Advisory{
		ID: "GHSA-2345-cfgh-wxrv", Source: "osv-npm",
		Aliases: []string{"CVE-2024-0007", "CVE-2024-12345", "SNYK-x"},
		Related: []string{"CVE-2023-1", "odd one"},
		Summary: "left pad pads right", Severity: advisory.SeverityHigh,
		CVSS: []advisory.CVSS{
			{Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Score: 9.8, Source: "osv-npm"},
			{Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N", Score: 5.3, Source: "nvd"},
		},
		Published: date(2024, 2, 29), Modified: time.Date(2024, 3, 1, 12, 30, 15, 0, time.UTC),
		URL: "https://example.org/advisories/GHSA-2345-cfgh-wxrv?full",
		Affected: []advisory.Affected{
			{Ecosystem: "npm", Package: "left-pad", Ranges: []version.Interval{
				{Introduced: "0", Fixed: "1.2.3"}, {Introduced: "2.0.0", LastAffected: "2.1.0"}, {Introduced: "3.0.0"}},
				Versions: []string{"1.9.0-beta", "1.9.0-rc"}},
			{Ecosystem: "npm", Package: "left-pad", State: advisory.StateNotAffected, Severity: advisory.SeverityLow,
				Arch: "x86_64", Module: "nodejs:18", Stream: "enterprise_linux:9::appstream"},
			{Ecosystem: "npm", Package: "right-pad"},
			{Ecosystem: "Debian:12", Package: "node-left-pad", Ranges: []version.Interval{{Fixed: "1.2.3-1"}}},
		},
	}
	dsa := advisory.Advisory{ID: "DSA-5417-1", Source: "debian-tracker", Related: []string{"CVE-2024-12345"},
		URL:      "https://example.org/unrelated",
		Affected: []advisory.Affected{{Ecosystem: "Debian:12", Package: "node-left-pad", State: advisory.StateUnimportant}}}
	db := build(t, full, dsa)

	want := full
	want.Summary = ""
	want.Modified = onDay(full.Modified)
	want.Affected = []advisory.Affected{full.Affected[0], full.Affected[1]}
	byStream := cmpopts.SortSlices(func(a, b advisory.Affected) bool { return a.Stream < b.Stream })
	if d := cmp.Diff([]advisory.Advisory{want}, mustLookup(t, db, "npm", "left-pad"),
		byStream, cmpopts.SortSlices(func(a, b advisory.CVSS) bool { return a.Source < b.Source })); d != "" {
		t.Errorf("left-pad (-want +got):\n%s", d)
	}
	var ids []string
	for _, a := range mustLookup(t, db, "Debian:12", "node-left-pad") {
		ids = append(ids, a.Source+" "+a.ID)
	}
	if d := cmp.Diff([]string{"debian-tracker DSA-5417-1", "osv-npm GHSA-2345-cfgh-wxrv"}, ids); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
	for _, name := range []string{"left-pa", "left-padd", "", "z", "a", "LEFT-PAD"} {
		if got := mustLookup(t, db, "npm", name); len(got) != 0 {
			t.Errorf("%q has %d advisories, want none", name, len(got))
		}
	}
	if d := cmp.Diff([]string{"Debian:12", "npm"}, db.Ecosystems()); d != "" {
		t.Errorf("ecosystems (-want +got):\n%s", d)
	}
	if db.Covers("Debian:13") || !db.Covers("Debian:12") {
		t.Error("Covers is wrong about Debian:12 or Debian:13")
	}
	if _, err := lookup(db, "Debian:13", "node-left-pad"); !errors.Is(err, ErrNotCovered) {
		t.Errorf("a release without shard gives %v, want ErrNotCovered", err)
	}
	if err := db.Verify(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestLookupEndsWithContext(t *testing.T) {
	db := build(t, advisory.Advisory{ID: "CVE-2024-1", Source: "s", Affected: []advisory.Affected{{Ecosystem: "npm", Package: "p"}}})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range db.Lookup(ctx, "npm", "p") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}
	if err := db.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify gives %v, want context.Canceled", err)
	}
}

func TestClose(t *testing.T) {
	db := build(t, advisory.Advisory{ID: "CVE-2024-1", Source: "s", Affected: []advisory.Affected{{Ecosystem: "npm", Package: "p"}}},
		advisory.Advisory{ID: "CVE-2024-2", Source: "s", Affected: []advisory.Affected{{Ecosystem: "npm", Package: "p"}}})
	n := 0
	for a, err := range db.Lookup(context.Background(), "npm", "p") {
		if err != nil || a.ID == "" {
			t.Fatalf("a lookup under way ended at Close: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("got %d advisories, want 2", n)
	}
	if _, err := lookup(db, "npm", "p"); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed snapshot gives %v, want ErrClosed", err)
	}
	if _, _, err := db.Enrich(t.Context(), "CVE-2024-1"); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed snapshot gives %v, want ErrClosed", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestAddMerges(t *testing.T) {
	first := advisory.Advisory{ID: "CVE-2024-1", Source: "alpine-secdb", Modified: date(2024, 1, 2), Published: date(2024, 1, 2),
		Aliases: []string{"B", "A"}, Summary: "older", Severity: advisory.SeverityLow, Withdrawn: date(2024, 1, 3), URL: "u2",
		Affected: []advisory.Affected{{Ecosystem: "Alpine:v3.10", Package: "a", Ranges: []version.Interval{{Fixed: "1"}}}}}
	second := advisory.Advisory{ID: "CVE-2024-1", Source: "alpine-secdb", Modified: date(2024, 2, 2), Published: date(2024, 1, 1),
		Aliases: []string{"C", "A"}, Summary: "newer", Severity: advisory.SeverityHigh, URL: "u1",
		Affected: []advisory.Affected{first.Affected[0], {Ecosystem: "Alpine:v3.10", Package: "a", Ranges: []version.Interval{{Fixed: "2"}}}}}
	want := []advisory.Advisory{{ID: "CVE-2024-1", Source: "alpine-secdb", Modified: date(2024, 2, 2), Published: date(2024, 1, 1),
		Aliases: []string{"A", "B", "C"}, Severity: advisory.SeverityHigh, URL: "u1",
		Affected: []advisory.Affected{second.Affected[0], second.Affected[1]}}}
	for _, order := range [][]advisory.Advisory{{first, second}, {second, first}, {first, second, first, second}} {
		db := build(t, order...)
		if d := cmp.Diff(want, mustLookup(t, db, "Alpine:v3.10", "a")); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if e, _, err := db.Enrich(t.Context(), "CVE-2024-1"); err != nil || e.Summary != "newer" {
			t.Errorf("summary is %q (%v), want the newer", e.Summary, err)
		}
		if m := db.Manifest(); m.Shards[0].Records != 1 || m.Sources[0].Records != 1 {
			t.Errorf("records are counted twice: %+v", m)
		}
	}
	withdrawn := build(t, first)
	if got := mustLookup(t, withdrawn, "Alpine:v3.10", "a"); !got[0].Withdrawn.Equal(first.Withdrawn) {
		t.Errorf("withdrawn is %v, want %v", got[0].Withdrawn, first.Withdrawn)
	}
}

func TestAddRefuses(t *testing.T) {
	long := strings.Repeat("x", 10<<10)
	ok := advisory.Advisory{ID: "i", Source: "s", Affected: []advisory.Affected{{Ecosystem: "npm", Package: "p"}}}
	for name, spoil := range map[string]func(a *advisory.Advisory){
		"no id":               func(a *advisory.Advisory) { a.ID = "" },
		"no source":           func(a *advisory.Advisory) { a.Source = "" },
		"source with newline": func(a *advisory.Advisory) { a.Source = "a\nb" },
		"long id":             func(a *advisory.Advisory) { a.ID = long },
		"long package":        func(a *advisory.Advisory) { a.Affected[0].Package = long },
		"long version":        func(a *advisory.Advisory) { a.Affected[0].Versions = []string{long} },
		"long range":          func(a *advisory.Advisory) { a.Affected[0].Ranges = []version.Interval{{Fixed: long}} },
		"long alias":          func(a *advisory.Advisory) { a.Aliases = []string{long} },
		"no ecosystem":        func(a *advisory.Advisory) { a.Affected[0].Ecosystem = "" },
		"long ecosystem":      func(a *advisory.Advisory) { a.Affected[0].Ecosystem = long[:257] },
		"ecosystem with NUL":  func(a *advisory.Advisory) { a.Affected[0].Ecosystem = "a\x00" },
		"ecosystem not UTF-8": func(a *advisory.Advisory) { a.Affected[0].Ecosystem = "a\xff" },
		"too many aliases":    func(a *advisory.Advisory) { a.Aliases = make([]string, maxIDs+1) },
		"too many versions":   func(a *advisory.Advisory) { a.Affected[0].Versions = make([]string, maxSpans+1) },
		"year 20000":          func(a *advisory.Advisory) { a.Published = date(20000, 1, 1) },
	} {
		a := ok
		a.Affected = slices.Clone(ok.Affected)
		spoil(&a)
		b := NewBuilder()
		if err := b.Add(a); err == nil {
			t.Errorf("%s: was accepted", name)
		}
		if len(b.records) != 0 {
			t.Errorf("%s: was refused but left something behind", name)
		}
	}
	b := NewBuilder()
	for name, err := range map[string]error{
		"enrich without id":    b.Enrich("", advisory.Enrichment{}),
		"epss over 1":          b.Enrich("CVE-2024-1", advisory.Enrichment{EPSS: &advisory.EPSS{Score: 1.5}}),
		"source without name":  b.Source(Source{}),
		"source with escape":   b.Source(Source{Name: "a\x1b[31m"}),
		"source below nothing": b.Source(Source{Name: "a", Records: -1}),
		"source of nowhere":    b.Source(Source{Name: "a", Ecosystems: []string{""}}),
	} {
		if err == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
	if err := b.Add(ok); err != nil {
		t.Error(err)
	}
}

// What the generator makes is in the form in which a lookup gives it, and hence must
// come back as it is.
func anyAdvisory(t *rapid.T) advisory.Advisory {
	name := rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "ab", "abc", "b", "openssl", "\x00", "ü", "@scope/name", "a\xff", strings.Repeat("n", 4096), strings.Repeat("n", 4095) + "m"}),
		rapid.String())
	id := rapid.OneOf(
		rapid.SampledFrom([]string{"CVE-2024-1", "CVE-2024-0001", "CVE-2024-2010", "GHSA-2222-2222-2223", "GHSA-aaaa-2222-2222", "DSA-1-1", "x",
			"0", "00", "2024", "RHSA-2024:0001", "a99999999999999999999b", "19", "1999-2000", "-", "CVE-2024-1\x00", "é7é"}),
		rapid.StringMatching(`[A-Z]{1,4}-[0-9]{1,20}(-[0-9]{1,5})?`), rapid.StringN(1, 20, 100))
	ver := rapid.OneOf(rapid.SampledFrom([]string{"", "0", "1", "1.2.3-r0", "1:2~rc1", strings.Repeat("9", 4000)}), rapid.String())
	when := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "day") {
			return time.Unix(rapid.Int64Range(-40000, 40000).Draw(t, "days")*day, 0).UTC()
		}
		return time.Unix(rapid.Int64Range(-1<<35, 1<<35).Draw(t, "seconds"), 0).UTC()
	})
	set := func(label string, g *rapid.Generator[string]) []string {
		s := rapid.SliceOfNDistinct(g, 0, 5, rapid.ID[string]).Draw(t, label)
		slices.Sort(s)
		if len(s) == 0 {
			return nil
		}
		return s
	}
	a := advisory.Advisory{
		ID:       id.Draw(t, "id"),
		Source:   rapid.SampledFrom([]string{"alpine-secdb", "nvd", "osv-npm"}).Draw(t, "source"),
		Aliases:  set("aliases", id),
		Related:  set("related", id),
		Severity: advisory.Severity(rapid.IntRange(0, 5).Draw(t, "severity")),
	}
	if rapid.Bool().Draw(t, "dated") {
		a.Published, a.Modified = when.Draw(t, "published"), when.Draw(t, "modified")
		if a.Published.IsZero() || a.Modified.IsZero() {
			t.Skip()
		}
	}
	switch rapid.IntRange(0, 3).Draw(t, "url") {
	case 1:
		a.URL = "https://example.org/" + a.ID + rapid.SampledFrom([]string{"", ".html"}).Draw(t, "end")
	case 2:
		a.URL = rapid.StringN(0, 10, 40).Draw(t, "raw url")
	}
	if rapid.Bool().Draw(t, "rated") {
		a.CVSS = []advisory.CVSS{{Vector: "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Score: 9.8, Source: rapid.SampledFrom([]string{a.Source, "x"}).Draw(t, "rater")}}
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "affected") {
		f := advisory.Affected{
			Ecosystem: rapid.SampledFrom([]string{"npm", "Debian:12", "Red Hat:enterprise_linux:9::appstream"}).Draw(t, "ecosystem"),
			Package:   name.Draw(t, "package"),
			State:     advisory.State(rapid.IntRange(0, 6).Draw(t, "state")),
			Severity:  advisory.Severity(rapid.IntRange(0, 5).Draw(t, "severity")),
			Versions:  set("versions", ver),
			Arch:      rapid.SampledFrom([]string{"", "", "amd64"}).Draw(t, "arch"),
			Module:    rapid.SampledFrom([]string{"", "", "nodejs:18"}).Draw(t, "module"),
			Stream:    fmt.Sprint(i), // tells statements apart and fixes their order
		}
		for range rapid.IntRange(0, 3).Draw(t, "ranges") {
			f.Ranges = append(f.Ranges, version.Interval{Introduced: ver.Draw(t, "introduced"), Fixed: ver.Draw(t, "fixed"), LastAffected: ver.Draw(t, "last")})
		}
		a.Affected = append(a.Affected, f)
	}
	return a
}

// onDay gives the midnight before a time, as lookups give times.
func onDay(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	y, m, d := t.UTC().Date()
	return date(y, m, d)
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfNDistinct(rapid.Custom(anyAdvisory), 1, 40, func(a advisory.Advisory) string { return a.Source + " " + a.ID }).Draw(t, "advisories")
		b := NewBuilder()
		type place struct{ ecosystem, name string }
		want := map[place][]advisory.Advisory{}
		for _, a := range all {
			if err := b.Add(a); err != nil {
				t.Fatal(err)
			}
			parts := map[place][]advisory.Affected{}
			for _, f := range a.Affected {
				p := place{f.Ecosystem, f.Package}
				parts[p] = append(parts[p], f)
			}
			for p, part := range parts {
				c := a
				c.Affected = part
				c.Published, c.Modified = onDay(c.Published), onDay(c.Modified)
				want[p] = append(want[p], c)
			}
		}
		if _, err := b.Write(context.Background(), dir); err != nil {
			t.Fatal(err)
		}
		db, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for p, w := range want {
			slices.SortFunc(w, func(a, b advisory.Advisory) int { return strings.Compare(a.Source+"\x00"+a.ID, b.Source+"\x00"+b.ID) })
			got, err := lookup(db, p.ecosystem, p.name)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(w, got); d != "" {
				t.Fatalf("%q in %s (-added +looked up):\n%s", p.name, p.ecosystem, d)
			}
		}
		for _, name := range []string{"", "a", "abcd", "zz", "\x01", "op", rapid.String().Draw(t, "other")} {
			for _, e := range db.Ecosystems() {
				if got, err := lookup(db, e, name); err != nil || len(got) != len(want[place{e, name}]) {
					t.Fatalf("%q in %s has %d advisories (%v), want %d", name, e, len(got), err, len(want[place{e, name}]))
				}
			}
		}
	})
}

func TestSameBytesInAnyOrder(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(anyAdvisory), 1, 20).Draw(t, "advisories")
		all = append(all, all[0])
		steps := []func(b *Builder) error{
			func(b *Builder) error {
				return b.Source(Source{Name: "nvd", Home: "b", Records: 1, Ecosystems: []string{"npm", "Go"}})
			},
			func(b *Builder) error {
				return b.Source(Source{Name: "nvd", Home: "a", Records: 2, Fetched: date(2024, 1, 1)})
			},
			func(b *Builder) error {
				return b.Enrich(all[0].ID, advisory.Enrichment{Summary: "one", SeveritySource: "nvd", Severity: advisory.SeverityLow, EPSS: &advisory.EPSS{Score: .5}})
			},
			func(b *Builder) error {
				return b.Enrich(all[0].ID, advisory.Enrichment{Summary: "two", SeveritySource: "nvd", Severity: advisory.SeverityHigh, Exploited: &advisory.Exploited{Added: "2024-01-01"}})
			},
		}
		for i, a := range all {
			a.Summary = fmt.Sprint("summary ", i%3)
			steps = append(steps, func(b *Builder) error { return b.Add(a) })
		}
		var manifests [2]string
		for i, dir := range dirs {
			b := NewBuilder()
			for _, step := range steps {
				if err := step(b); err != nil {
					t.Fatal(err)
				}
			}
			m, err := b.Write(context.Background(), dir)
			if err != nil {
				t.Fatal(err)
			}
			manifests[i] = string(m.Bytes())
			steps = rapid.Permutation(steps).Draw(t, "order")
		}
		if d := cmp.Diff(manifests[0], manifests[1]); d != "" {
			t.Fatalf("the order of adding shows (-first +permuted):\n%s", d)
		}
	})
}

func TestWriteTwice(t *testing.T) {
	b := NewBuilder()
	a := advisory.Advisory{ID: "CVE-2024-1", Source: "s", Affected: []advisory.Affected{{Ecosystem: "npm", Package: "p"}}}
	if err := b.Add(a); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	first := open(t, b, dir)
	a.ID = "CVE-2020-1"
	if err := b.Add(a); err != nil {
		t.Fatal(err)
	}
	second := open(t, b, dir)
	if n := len(mustLookup(t, first, "npm", "p")); n != 1 {
		t.Errorf("the older snapshot has %d advisories, want 1", n)
	}
	if n := len(mustLookup(t, second, "npm", "p")); n != 2 {
		t.Errorf("the newer snapshot has %d advisories, want 2", n)
	}
	fresh := NewBuilder()
	a.ID = "CVE-2024-1"
	for _, id := range []string{"CVE-2020-1", "CVE-2024-1"} {
		a.ID = id
		if err := fresh.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	if got := open(t, fresh, t.TempDir()).Digest(); got != second.Digest() {
		t.Errorf("a builder written in between gives %s, a fresh one %s", second.Digest(), got)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", ".new-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("files of other names are left: %v %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(dir, manifestName)); err != nil {
		t.Error(err)
	}
}

func TestWriteEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	if _, err := NewBuilder().Write(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("Write gives %v, want context.Canceled", err)
	}
	if _, err := Open(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a manifest was written all the same: %v", err)
	}
}

func TestEmptySourceIsCovered(t *testing.T) {
	b := NewBuilder()
	if err := b.Source(Source{Name: "alpine-secdb", Ecosystems: []string{"Alpine:v3.22"}, Quarantined: 3, Newest: date(2024, 5, 6)}); err != nil {
		t.Fatal(err)
	}
	db := open(t, b, t.TempDir())
	if !db.Covers("Alpine:v3.22") || len(mustLookup(t, db, "Alpine:v3.22", "busybox")) != 0 {
		t.Error("an ecosystem with nothing against it is not covered")
	}
	want := []Source{{Name: "alpine-secdb", Ecosystems: []string{"Alpine:v3.22"}, Quarantined: 3, Newest: date(2024, 5, 6)}}
	if d := cmp.Diff(want, db.Manifest().Sources); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if e, ok, err := db.Enrich(t.Context(), "CVE-2024-1"); ok || err != nil {
		t.Errorf("an unknown flaw gives %+v, %v, %v", e, ok, err)
	}
}

// generated makes records like Debian's: one package, one flaw, one fixed version.
func generated(t testing.TB, b *Builder, ecosystem string, n int) (names []string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	names = make([]string, max(n/12, 1))
	for i := range names {
		names[i] = fmt.Sprintf("%s%c%c-%d", []string{"lib", "python3-", "golang-github-", "ruby-", ""}[rng.IntN(5)], 'a'+rng.IntN(26), 'a'+rng.IntN(26), i)
	}
	vectors := []string{
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"}
	start := date(2015, 1, 1)
	for i := range n {
		id := fmt.Sprintf("CVE-%d-%d", 2015+rng.IntN(10), 1000+i)
		a := advisory.Advisory{
			ID: id, Source: "debian-tracker", URL: "https://security-tracker.debian.org/tracker/" + id,
			Summary:   fmt.Sprintf("In component %d a missing check of lengths allows an attacker to do %d things.", i, rng.IntN(1e6)),
			Published: start.Add(time.Duration(rng.IntN(10*365*day)) * time.Second),
			Modified:  start.Add(time.Duration(rng.IntN(10*365*day)) * time.Second),
			CVSS:      []advisory.CVSS{{Vector: vectors[rng.IntN(3)]}},
			Affected: []advisory.Affected{{
				Ecosystem: ecosystem, Package: names[rng.IntN(len(names))], Severity: advisory.Severity(rng.IntN(4)),
				Ranges: []version.Interval{{Introduced: "0", Fixed: fmt.Sprintf("%d.%d.%d-%d+deb12u%d", rng.IntN(9), rng.IntN(20), rng.IntN(40), rng.IntN(4), rng.IntN(5))}},
			}},
		}
		if err := b.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func TestSizePerRecord(t *testing.T) {
	const n = 300_000
	b := NewBuilder()
	generated(t, b, "Debian:12", n)
	m, err := b.Write(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Shards {
		t.Logf("%-10s %9d bytes, %.1f a record", s.Name, s.Size, float64(s.Size)/n)
	}
	// 300,000 records in at most 12 MB, text and enrichment apart.
	if per := float64(m.Shards[0].Size) / n; per > 40 {
		t.Errorf("%.1f bytes a record, want at most 40", per)
	}
}

// generatedDB leaves nothing of the builder behind, which would cost the benchmarks time.
func generatedDB(b *testing.B, n int) (*DB, []string) {
	bl := NewBuilder()
	names := generated(b, bl, "Debian:12", n)
	return open(b, bl, b.TempDir()), names
}

func BenchmarkLookup300(b *testing.B) {
	db, names := generatedDB(b, 300_000)
	ctx := context.Background()
	found := 0
	runtime.GC()
	b.ReportAllocs()
	for b.Loop() {
		found = 0
		for i := range 300 {
			for _, err := range db.Lookup(ctx, "Debian:12", names[i*len(names)/300]) {
				if err != nil {
					b.Fatal(err)
				}
				found++
			}
		}
	}
	b.ReportMetric(float64(found), "advisories")
}

func BenchmarkMiss300(b *testing.B) {
	db, _ := generatedDB(b, 100_000)
	ctx := context.Background()
	for b.Loop() {
		for i := range 300 {
			for range db.Lookup(ctx, "Debian:12", "none-such-"+fmt.Sprint(i)) {
				b.Fatal("there is something")
			}
		}
	}
}

func BenchmarkEnrich300(b *testing.B) {
	db, names := generatedDB(b, 100_000)
	ids := make([]string, 0, 300)
	for i := 0; len(ids) < 300; i++ {
		for _, a := range mustLookup(b, db, "Debian:12", names[i]) {
			ids = append(ids, a.ID)
		}
	}
	ids = ids[:300]
	for b.Loop() {
		for _, id := range ids {
			if _, ok, err := db.Enrich(b.Context(), id); !ok || err != nil {
				b.Fatal(id, ok, err)
			}
		}
	}
}

// BenchmarkOpen opens a snapshot of as many ecosystems as all publishers have.
func BenchmarkOpen(b *testing.B) {
	bl := NewBuilder()
	for i := range 900 {
		if err := bl.Add(advisory.Advisory{ID: fmt.Sprint("CVE-2024-", i), Source: "osv-redhat",
			Affected: []advisory.Affected{{Ecosystem: fmt.Sprintf("Red Hat:enterprise_linux:%d::appstream", i), Package: "p"}}}); err != nil {
			b.Fatal(err)
		}
	}
	dir := b.TempDir()
	if _, err := bl.Write(context.Background(), dir); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		db, err := Open(dir)
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBuild adds and writes 100,000 records.
func BenchmarkBuild(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		bl := NewBuilder()
		generated(b, bl, "Debian:12", 100_000)
		if _, err := bl.Write(context.Background(), dir); err != nil {
			b.Fatal(err)
		}
	}
}
