package advisorydb

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// maxAbout bounds the statements that [DB.About] gathers, and the names of one flaw.
const (
	maxAbout      = 1 << 17
	maxAboutNames = 64
)

// About gives every statement on a flaw, by any of its IDs, in the shards that are here:
// each advisory with one entry in Affected, sorted by ecosystem, package, source and ID.
// Aliases are followed, so that a CVE finds the records that only its other names have. It
// reads all shards and is for people who ask about one flaw, not for matching.
func (db *DB) About(ctx context.Context, id string) ([]advisory.Advisory, error) {
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leave()
	names := map[string]bool{id: true}
	for {
		found, err := db.about(ctx, names)
		if err != nil {
			return nil, err
		}
		before := len(names)
		for i := range found {
			a := &found[i]
			if len(a.Related) > 0 && !names[a.ID] {
				continue // an erratum on several flaws does not join them
			}
			for _, n := range append([]string{a.ID}, a.Aliases...) {
				if len(names) < maxAboutNames {
					names[n] = true
				}
			}
		}
		if len(names) == before {
			slices.SortStableFunc(found, func(x, y advisory.Advisory) int {
				if c := strings.Compare(x.Affected[0].Ecosystem, y.Affected[0].Ecosystem); c != 0 {
					return c
				}
				if c := strings.Compare(x.Affected[0].Package, y.Affected[0].Package); c != 0 {
					return c
				}
				return cmp.Or(strings.Compare(x.Source, y.Source), strings.Compare(x.ID, y.ID))
			})
			return found, nil
		}
	}
}

func (db *DB) about(ctx context.Context, names map[string]bool) ([]advisory.Advisory, error) {
	var mu sync.Mutex
	var out []advisory.Advisory
	err := parallel(ctx, len(db.slots), func(i int) error {
		info := *db.slots[i].info
		if info.Kind != KindPackages || !db.Has(info) {
			return nil
		}
		var here []advisory.Advisory
		w, err := db.walk(ctx, &db.slots[i])
		if err != nil {
			return err
		}
		err = guard(func() error {
			for !w.done && len(here) < maxAbout {
				if err := ctx.Err(); err != nil {
					return err
				}
				r, err := newReader(w.s, w.body)
				if err != nil {
					return w.s.wrap(err)
				}
				for r.left > 0 {
					if err := r.next(info.Ecosystem, string(w.key)); err != nil {
						return w.s.wrap(err)
					}
					if isAbout(&r.a, names) {
						for _, f := range r.a.Affected {
							a := r.a
							a.Affected = []advisory.Affected{f}
							here = append(here, a)
						}
					}
				}
				if err := w.next(); err != nil {
					return err
				}
			}
			return nil
		})
		mu.Lock()
		defer mu.Unlock()
		if len(out)+len(here) <= maxAbout {
			out = append(out, here...)
		}
		return err
	})
	return out, err
}

func isAbout(a *advisory.Advisory, names map[string]bool) bool {
	has := func(s string) bool { return names[s] }
	return names[a.ID] || slices.ContainsFunc(a.Aliases, has) || slices.ContainsFunc(a.Related, has)
}
