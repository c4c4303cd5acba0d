package advisorydb

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// affectsAny is what MayAffect stands for, by reading all.
func affectsAny(t *testing.T, db *DB, ecosystem, name, v string) bool {
	t.Helper()
	return slices.ContainsFunc(mustLookup(t, db, ecosystem, name), func(a advisory.Advisory) bool { return affects(ecosystem, &a, v) })
}

func affects(ecosystem string, a *advisory.Advisory, v string) bool {
	scheme, _ := version.For(ecosystem)
	for _, f := range a.Affected {
		if f.State == advisory.StateNotAffected {
			continue
		}
		if len(f.Ranges) == 0 && len(f.Versions) == 0 {
			return true
		}
		for _, iv := range f.Ranges {
			// One bound that is no version does not matter if the other rules v out.
			if in, err := scheme.Contains(v, iv); in || err != nil && !outside(scheme, v, iv) {
				return true
			}
		}
		for _, w := range f.Versions {
			if c, err := scheme.Compare(v, w); c == 0 || err != nil {
				return true
			}
		}
	}
	return false
}

// outside tells whether one bound of an interval alone rules v out.
func outside(scheme version.Scheme, v string, iv version.Interval) bool {
	if c, err := scheme.Compare(v, iv.Introduced); iv.Introduced != "" && iv.Introduced != "0" && err == nil && c < 0 {
		return true
	}
	if iv.Fixed != "" {
		c, err := scheme.Compare(v, iv.Fixed)
		return err == nil && c >= 0
	}
	c, err := scheme.Compare(v, iv.LastAffected)
	return iv.LastAffected != "" && err == nil && c > 0
}

// TestMayAffect holds the comparison of ranks to the comparison of versions, for
// statements of every form.
func TestMayAffect(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	vs := map[string][]string{
		"Debian:12": {"1.0-1", "1.0-1+b1", "1.0~rc1-1", "1:0.9-1", "2.0", "2.0-0", "2.00-0", "10-1", "0"},
		"Red Hat:9": {"1.0-1.el9", "1.0", "0:1.0-1.el9", "1:0.1-1", "1.0~rc1-1", "1.0^git1-1", "2-1"},
		"npm":       {"1.0.0", "1.0.0-rc.1", "1.0.0+build", "1.2.3", "0.0.1", "10.0.0", "not a version"},
		"PyPI":      {"1.0", "1.0.0", "1.0rc1", "1!0.1", "1.0.post1", "2.0+local", "strange"},
		"Maven":     {"1.0", "1.0-SNAPSHOT", "1.0-alpha", "1", "1.0.0", "2.0.RELEASE"},
		"Nowhere":   {"1", "2"},
	}
	b := NewBuilder()
	n := 0
	for e, list := range vs {
		pick := func() string { return list[r.IntN(len(list))] }
		for i := range 60 {
			a := advisory.Advisory{ID: fmt.Sprintf("X-%d", n), Source: "s", Published: time.Unix(int64(n)*1e6, 0), Modified: time.Unix(int64(r.IntN(2))*1e9, 0)}
			for range r.IntN(3) {
				a.Aliases = append(a.Aliases, fmt.Sprintf("%s-%d", []string{"CVE-2024", "Y", "X"}[r.IntN(3)], r.IntN(400)))
			}
			if r.IntN(5) == 0 {
				a.Related = []string{fmt.Sprintf("CVE-2024-%d", r.IntN(400)), "no number"}[:1+r.IntN(2)]
			}
			n++
			for range 1 + r.IntN(3) {
				f := advisory.Affected{Ecosystem: e, Package: fmt.Sprintf("p%d", i%20), State: advisory.State(r.IntN(3))}
				for range r.IntN(3) {
					iv := version.Interval{Introduced: []string{"0", "", pick()}[r.IntN(3)]}
					switch r.IntN(4) {
					case 0:
						iv.Fixed = pick()
					case 1:
						iv.LastAffected = pick()
					case 2:
						iv.Fixed, iv.LastAffected = pick(), pick()
					}
					f.Ranges = append(f.Ranges, iv)
				}
				for range r.IntN(2) * r.IntN(4) {
					f.Versions = append(f.Versions, pick())
				}
				a.Affected = append(a.Affected, f)
			}
			if err := b.Add(a); err != nil {
				t.Fatal(err)
			}
		}
	}
	db := open(t, b, t.TempDir())
	yes, no, saved, all, left := 0, 0, 0, 0, 0
	for e, list := range vs {
		scheme, known := version.For(e)
		for i := range 21 {
			name := fmt.Sprintf("p%d", i)
			for _, v := range append(list, "1.5-1", "0.0.0-0", "3") {
				may, err := db.MayAffect(t.Context(), e, name, v)
				if err != nil {
					t.Fatal(err)
				}
				n, m := holdVersion(t, db, e, name, v)
				all, left = all+n, left+m
				want := len(mustLookup(t, db, e, name)) > 0 && (!known || scheme.Valid(v) != nil || affectsAny(t, db, e, name, v))
				if want && !may {
					t.Errorf("%s %s %s: is affected, and may not be", e, name, v)
				}
				if want {
					yes++
				} else if no++; !may {
					saved++
				}
			}
		}
	}
	// What cannot be ranked (versions of rpm without a release, what is no version) is read.
	if yes == 0 || saved < no/2 || left < all/10 {
		t.Errorf("%d affected, %d not, %d of these told by ranks; of %d records %d were left out", yes, no, saved, all, left)
	}
}

// holdVersion holds LookupVersion to Lookup: what is left out affects the version nowhere and
// shares no name with what is not. It gives the number of records and of those left out.
func holdVersion(t *testing.T, db *DB, ecosystem, name, v string) (all, left int) {
	t.Helper()
	records := mustLookup(t, db, ecosystem, name)
	met := map[string]bool{}
	var without []advisory.Advisory
	names := func(a *advisory.Advisory) []string {
		return slices.Concat([]string{a.ID}, a.Aliases, a.Related)
	}
	for a, err := range db.LookupVersion(t.Context(), ecosystem, name, v) {
		if err != nil {
			t.Fatal(err)
		}
		for len(records) > 0 && !cmp.Equal(a, records[0]) {
			without, records = append(without, records[0]), records[1:]
		}
		if len(records) == 0 {
			t.Fatalf("%s %s %s: %s is not what Lookup gives next", ecosystem, name, v, a.ID)
		}
		records = records[1:]
		all++
		for _, id := range names(&a) {
			met[id] = true
		}
	}
	without = append(without, records...)
	for i := range without {
		a := &without[i]
		if affects(ecosystem, a, v) {
			t.Errorf("%s %s %s: %s affects it and was left out", ecosystem, name, v, a.ID)
		}
		if slices.ContainsFunc(names(a), func(id string) bool { return met[id] }) {
			t.Errorf("%s %s %s: %s is on a flaw that affects it and was left out", ecosystem, name, v, a.ID)
		}
	}
	return all + len(without), len(without)
}
