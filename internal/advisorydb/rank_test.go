package advisorydb

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// affectsAny is what MayAffect stands for, by reading all.
func affectsAny(t *testing.T, db *DB, ecosystem, name, v string) bool {
	t.Helper()
	scheme, _ := version.For(ecosystem)
	for _, a := range mustLookup(t, db, ecosystem, name) {
		for _, f := range a.Affected {
			if f.State == advisory.StateNotAffected {
				continue
			}
			if len(f.Ranges) == 0 && len(f.Versions) == 0 {
				return true
			}
			for _, iv := range f.Ranges {
				if in, err := scheme.Contains(v, iv); in || err != nil {
					return true
				}
			}
			for _, w := range f.Versions {
				if c, err := scheme.Compare(v, w); c == 0 || err != nil {
					return true
				}
			}
		}
	}
	return false
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
			a := advisory.Advisory{ID: fmt.Sprintf("X-%d", n), Source: "s"}
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
	yes, no, saved := 0, 0, 0
	for e, list := range vs {
		scheme, known := version.For(e)
		for i := range 21 {
			name := fmt.Sprintf("p%d", i)
			for _, v := range append(list, "1.5-1", "0.0.0-0", "3") {
				may, err := db.MayAffect(t.Context(), e, name, v)
				if err != nil {
					t.Fatal(err)
				}
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
	if yes == 0 || saved < no/2 {
		t.Errorf("%d affected, %d not, %d of these told by ranks", yes, no, saved)
	}
}
