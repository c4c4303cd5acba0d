package advisorydb

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

func imagetestRun(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func TestDiff(t *testing.T) {
	flaw := func(id, eco, name, fixed string, change ...func(*advisory.Advisory)) advisory.Advisory {
		a := advisory.Advisory{ID: id, Source: "feed", Modified: date(2024, 1, 1), Aliases: []string{"x-" + id},
			CVSS:     []advisory.CVSS{{Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N", Source: "feed"}},
			Affected: []advisory.Affected{{Ecosystem: eco, Package: name, Ranges: []version.Interval{{Introduced: "0", Fixed: fixed}}}}}
		for _, f := range change {
			f(&a)
		}
		return a
	}
	var before, after []advisory.Advisory
	for i := range 500 { // so that numbers of strings and records are others
		a := flaw(fmt.Sprintf("CVE-2020-%04d", i), "Debian:12", fmt.Sprintf("same%03d", i%97), fmt.Sprintf("1.%d", i))
		before, after = append(before, a), append(after, a)
	}
	before = append(before,
		flaw("CVE-2024-0001", "Debian:12", "fixed-later", "1.0"),
		flaw("CVE-2024-0002", "Debian:12", "gone", "1.0"),
		flaw("CVE-2024-0003", "Debian:12", "touched", "1.0"),
		flaw("CVE-2024-0004", "Debian:12", "worse", "1.0"),
		flaw("CVE-2024-0005", "npm", "dropped", "1.0"),
		flaw("CVE-2024-0006", "PyPI", "both", "1.0"),
		flaw("CVE-2024-0007", "PyPI", "both", "2.0"),
	)
	after = append(after,
		flaw("CVE-2024-0000", "Debian:12", "aaa-new", "0.9"),
		flaw("CVE-2024-0001", "Debian:12", "fixed-later", "1.1"),
		flaw("CVE-2024-0003", "Debian:12", "touched", "1.0", func(a *advisory.Advisory) { a.Modified = date(2025, 1, 1); a.Summary = "other words" }),
		flaw("CVE-2024-0004", "Debian:12", "worse", "1.0", func(a *advisory.Advisory) { a.Severity = advisory.SeverityCritical }),
		flaw("CVE-2024-0006", "PyPI", "both", "1.0"),
		flaw("CVE-2024-0007", "PyPI", "both", "2.0", func(a *advisory.Advisory) { a.Affected[0].State = advisory.StateWillNotFix }),
		flaw("CVE-2024-0008", "Go", "mod", "2.0"),
	)
	a, b := build(t, before...), build(t, after...)
	var got []RecordChange
	for r, err := range Diff(t.Context(), a, b) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	want := []RecordChange{
		{"Debian:12", "aaa-new", "feed", "CVE-2024-0000", Added},
		{"Debian:12", "fixed-later", "feed", "CVE-2024-0001", Changed},
		{"Debian:12", "gone", "feed", "CVE-2024-0002", Removed},
		{"Debian:12", "worse", "feed", "CVE-2024-0004", Changed},
		{"Go", "mod", "feed", "CVE-2024-0008", Added},
		{"PyPI", "both", "feed", "CVE-2024-0007", Changed},
		{"npm", "dropped", "feed", "CVE-2024-0005", Removed},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	var flaws []string
	for f, err := range DiffFlaws(t.Context(), a, b) {
		if err != nil {
			t.Fatal(err)
		}
		flaws = append(flaws, string(f.Change)+" "+f.ID)
	}
	// Under each of its names.
	wantFlaws := []string{
		"added CVE-2024-0000", "removed CVE-2024-0002", "changed CVE-2024-0004", "removed CVE-2024-0005", "added CVE-2024-0008",
		"added x-CVE-2024-0000", "removed x-CVE-2024-0002", "changed x-CVE-2024-0004", "removed x-CVE-2024-0005", "added x-CVE-2024-0008",
	}
	if d := cmp.Diff(wantFlaws, flaws); d != "" {
		t.Errorf("flaws (-want +got):\n%s", d)
	}
	for r, err := range Diff(t.Context(), a, a) {
		t.Errorf("a snapshot differs from itself: %v %v", r, err)
	}
}

// TestContentHash holds the writer's sums to be those of what a lookup gives: were they
// not, all or nothing would seem to change.
func TestContentHash(t *testing.T) {
	b := small(t)
	if err := b.Add(advisory.Advisory{ID: "CVE-2024-9999", Source: "osv-debian", Published: date(2024, 1, 1).Add(13 * time.Hour), Withdrawn: date(2025, 1, 1).Add(time.Hour),
		Affected: []advisory.Affected{{Ecosystem: "Debian:12", Package: "p0"}}}); err != nil {
		t.Fatal(err)
	}
	db := open(t, b, t.TempDir())
	for i := range db.slots {
		slot := &db.slots[i]
		if slot.info.Kind != KindPackages {
			continue
		}
		w, err := db.walk(t.Context(), slot)
		if err != nil {
			t.Fatal(err)
		}
		for !w.done {
			var sum uint64
			for _, a := range mustLookup(t, db, slot.info.Ecosystem, string(w.key)) {
				sum += mix(contentHash(&a))
			}
			sum = mix(sum)
			for j, c := range w.sum {
				if c != byte(sum>>(8*j)) {
					t.Fatalf("%s %s: byte %d of its sum is %x, want %x", slot.info.Ecosystem, w.key, j, c, byte(sum>>(8*j)))
				}
			}
			if err := w.next(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAbout(t *testing.T) {
	db := build(t,
		advisory.Advisory{ID: "GHSA-aaaa", Source: "osv-npm", Aliases: []string{"CVE-2024-1"}, Affected: []advisory.Affected{{Ecosystem: "npm", Package: "p"}, {Ecosystem: "npm", Package: "q"}}},
		advisory.Advisory{ID: "GO-1", Source: "go-vulndb", Aliases: []string{"GHSA-aaaa"}, Affected: []advisory.Affected{{Ecosystem: "Go", Package: "m"}}},
		advisory.Advisory{ID: "DSA-1", Source: "lists", Related: []string{"CVE-2024-1", "CVE-2024-2"}, Affected: []advisory.Affected{{Ecosystem: "Debian:12", Package: "s"}}},
		advisory.Advisory{ID: "CVE-2024-2", Source: "debian-tracker", Affected: []advisory.Affected{{Ecosystem: "Debian:12", Package: "s"}}},
	)
	for id, want := range map[string][]string{
		"CVE-2024-1": {"Debian:12 s DSA-1", "Go m GO-1", "npm p GHSA-aaaa", "npm q GHSA-aaaa"},
		"GO-1":       {"Debian:12 s DSA-1", "Go m GO-1", "npm p GHSA-aaaa", "npm q GHSA-aaaa"},
		"DSA-1":      {"Debian:12 s DSA-1"},
		"CVE-2024-9": nil,
	} {
		all, err := db.About(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range all {
			got = append(got, a.Affected[0].Ecosystem+" "+a.Affected[0].Package+" "+a.ID)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", id, d)
		}
	}
}

// TestDiffSameKeys compares shards that hold the same packages, where keys are found by
// their numbers.
func TestDiffSameKeys(t *testing.T) {
	var before, after []advisory.Advisory
	var want []string
	for i := range 400 {
		a := advisory.Advisory{ID: fmt.Sprintf("CVE-2020-%04d", i), Source: "feed",
			Affected: []advisory.Affected{{Ecosystem: "npm", Package: fmt.Sprintf("a-long-name-of-a-package-%03d", i), Ranges: []version.Interval{{Introduced: "0", Fixed: "1.0.0"}}}}}
		before = append(before, a)
		if i%7 == 3 || i == 399 {
			a.Affected = []advisory.Affected{a.Affected[0]}
			a.Affected[0].Ranges = []version.Interval{{Introduced: "0", Fixed: fmt.Sprintf("2.0.%d", i)}}
			want = append(want, a.Affected[0].Package)
		}
		after = append(after, a)
	}
	var got []string
	for r, err := range Diff(t.Context(), build(t, before...), build(t, after...)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Package)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("packages (-want +got):\n%s", d)
	}
}

// contentHash is what the writer computes from interned strings, of what a lookup gives.
func contentHash(a *advisory.Advisory) uint64 {
	h := newHash
	h.string(a.Source)
	h.string(a.ID)
	h.string(a.URL)
	h.number(uint64(a.Severity))
	h.day(a.Published)
	h.day(a.Withdrawn)
	for _, list := range [...][]string{a.Aliases, a.Related} {
		h.number(uint64(len(list)))
		for _, s := range list {
			h.string(s)
		}
	}
	h.number(uint64(len(a.CVSS)))
	for _, v := range a.CVSS {
		h.string(v.Vector)
		h.string(v.Source)
	}
	for i := range a.Affected {
		f := &a.Affected[i]
		h.number(uint64(f.State))
		h.number(uint64(f.Severity))
		h.string(f.Arch)
		h.string(f.Module)
		h.string(f.Stream)
		h.number(uint64(len(f.Ranges)))
		for _, r := range f.Ranges {
			h.string(r.Introduced)
			h.string(r.Fixed)
			h.string(r.LastAffected)
		}
		h.number(uint64(len(f.Versions)))
		for _, v := range f.Versions {
			h.string(v)
		}
	}
	return uint64(h)
}
