package advisorydb

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// The versions of a shard are prepared for comparison: each has a rank, its place in
// the order of the ecosystem, where equal ones have the same. A version from outside is
// placed among them once, by halving, and then only numbers are compared.
//
//	ranks    number of ranked strings, the strings by rank, the rank of each string

// rankSize is the bytes of a rank and of a string's number.
const rankSize = 3

const maxRanked = 1<<(8*rankSize) - 2

// rankStrings encodes the ranks of the version strings among sorted, which are all strings of
// the shard; nothing if the order is not known.
func rankStrings(ecosystem string, sorted []string, versions map[string]bool) []byte {
	scheme, ok := version.For(ecosystem)
	if !ok || len(sorted) > maxRanked {
		return nil
	}
	type ranked struct {
		key []byte // of those schemes that have keys
		v   string
		at  int
	}
	var all []ranked
	for i, s := range sorted {
		if versions[s] && scheme.Ranked(s) {
			key, _ := scheme.Key(s)
			all = append(all, ranked{key, s, i})
		}
	}
	if len(all) == 0 {
		return nil
	}
	compare := func(a, b ranked) int {
		if a.key != nil && b.key != nil {
			return bytes.Compare(a.key, b.key)
		}
		c, _ := scheme.Compare(a.v, b.v) // both are valid
		return c
	}
	slices.SortStableFunc(all, compare)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(all)))
	places := make([]byte, rankSize*len(sorted))
	first := 0
	for i, r := range all {
		if compare(all[first], r) != 0 {
			first = i
		}
		b = append(b, byte(r.at), byte(r.at>>8), byte(r.at>>16))
		put3(places[rankSize*r.at:], first+1)
	}
	return append(b, places...)
}

func put3(b []byte, n int) { b[0], b[1], b[2] = byte(n), byte(n>>8), byte(n>>16) }

func get3(b []byte) uint64 { return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 }

// ranking is a version's place among those of a shard, by halves: a ranked string is at
// twice its rank, and what is between two strings at the odd number between.
type ranking struct {
	s     *shard
	n     uint64
	order section
	of    section
}

// ranking frames the section; false if the shard has no ranks.
func (s *shard) ranking() (r ranking, ok bool, err error) {
	sec := s.secs[secRanks]
	if sec.size == 0 {
		return r, false, nil
	}
	b, err := s.bytes(sec.off, min(sec.size, 4))
	if err != nil {
		return r, false, err
	}
	if len(b) < 4 {
		return r, false, damaged("the ranks are cut short")
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	if sec.size != 4+rankSize*(n+s.strings.count) || n == 0 {
		return r, false, damaged("the ranks are not as many as the strings")
	}
	return ranking{s, n, section{sec.off + 4, rankSize * n}, section{sec.off + 4 + rankSize*n, rankSize * s.strings.count}}, true, nil
}

// place finds where v is.
func (r ranking) place(scheme version.Scheme, v string) (uint64, error) {
	lo, hi := uint64(0), r.n // the first that is not below v
	var room [64]byte
	for lo < hi {
		mid := (lo + hi) / 2
		b, err := r.s.within(r.order, rankSize*mid, rankSize*(mid+1))
		if err != nil {
			return 0, err
		}
		text, err := r.s.appendString(room[:0], get3(b))
		if err != nil {
			return 0, err
		}
		c, err := scheme.Compare(string(text), v)
		if err != nil {
			return 0, damaged("a ranked string is no version")
		}
		if c == 0 {
			rank, ok, err := r.rank(get3(b))
			if err == nil && !ok {
				err = damaged("a ranked string has no rank")
			}
			return rank, err
		}
		if c < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return 2*(lo+1) - 1, nil
}

// rank gives the place of a string; false if it has none.
func (r ranking) rank(i uint64) (uint64, bool, error) {
	b, err := r.s.within(r.of, rankSize*i, rankSize*(i+1))
	if err != nil {
		return 0, false, err
	}
	n := get3(b)
	return 2 * n, n > 0, nil
}

// MayAffect tells whether anything that is held against a package may affect a version of
// it: false means that no statement does, so that there is nothing to look up. It is
// true where that cannot be told without reading all. Errors are those of [DB.Lookup].
func (db *DB) MayAffect(ctx context.Context, ecosystem, name, v string) (bool, error) {
	i, covered := db.places[ecosystem]
	if !covered {
		return true, nil
	}
	if err := db.enter(); err != nil {
		return false, err
	}
	defer db.leave()
	s, err := db.get(ctx, &db.slots[i])
	if err != nil {
		return false, err
	}
	may := true
	err = guard(func() error {
		body, found, err := s.find(advisory.Name(ecosystem, name))
		if err != nil {
			return err
		}
		if may = found; !found {
			return nil
		}
		scheme, ok := version.For(ecosystem)
		if !ok || !scheme.Ranked(v) {
			return nil
		}
		r, ranked, err := s.ranking()
		if err != nil || !ranked {
			return err
		}
		at, err := r.place(scheme, v)
		if err != nil {
			return err
		}
		may, err = r.mayAffect(body, at)
		return err
	})
	if err != nil {
		return false, s.wrap(err)
	}
	return may, nil
}

// mayAffect goes through the statements of a package as reader does, but for all that
// does not say which versions are affected.
func (r ranking) mayAffect(body []byte, at uint64) (bool, error) {
	c := cursor{b: body}
	var str, ctx uint64
	var contexts listItem
	head := usualForm
	near := func() (rank uint64, ranked bool, err error) {
		str += uint64(unzigzag(c.uvarint()))
		if c.bad {
			return 0, false, damaged("a statement is cut short")
		}
		return r.rank(str)
	}
	// in tells whether at is in a range, or may be.
	in := func(form byte) (bool, error) {
		yes := true
		if form&3 == startString {
			rank, ok, err := near()
			if err != nil {
				return false, err
			}
			yes = !ok || at >= rank
		}
		if form&endFixed != 0 {
			rank, ok, err := near()
			if err != nil {
				return false, err
			}
			yes = yes && (!ok || at < rank)
		}
		if form&endLast != 0 {
			rank, ok, err := near()
			if err != nil {
				return false, err
			}
			if form&endFixed == 0 { // a fixed version counts before
				yes = yes && (!ok || at <= rank)
			}
		}
		return yes, nil
	}
	for left := c.count(); left > 0; left-- {
		group := c.uvarint()
		n := 1
		if group&2 != 0 {
			n = c.count()
		}
		c.take(groupSum)
		for range n {
			if group&1 == 0 {
				head = c.byte()
				if head&sameContext == 0 {
					ctx = c.uvarint()
				}
			}
			affected := head&(oneRange|manyRanges|hasVersions) == 0
			switch {
			case head&oneRange != 0:
				yes, err := in(head)
				if err != nil {
					return false, err
				}
				affected = affected || yes
			case head&manyRanges != 0:
				for range c.count() {
					yes, err := in(c.byte())
					if err != nil {
						return false, err
					}
					affected = affected || yes
				}
			}
			if head&hasVersions != 0 {
				for range c.count() {
					rank, ok, err := near()
					if err != nil {
						return false, err
					}
					affected = affected || !ok || rank == at
				}
			}
			head |= sameContext
			if c.bad {
				return false, damaged("a statement is cut short")
			}
			if !affected {
				continue
			}
			item, err := contexts.get(r.s, &r.s.context, ctx)
			if err != nil {
				return false, err
			}
			if advisory.State(item.byte()) != advisory.StateNotAffected {
				return true, nil
			}
		}
	}
	if c.bad {
		return false, damaged("a package's statements are cut short")
	}
	return false, nil
}

// versionStrings are the strings of a shard that stand for versions.
func (w *shardWriter) versionStrings() map[string]bool {
	out := map[string]bool{}
	add := func(n uint32) {
		if n != 0 {
			out[w.in.list[n]] = true
		}
	}
	for _, e := range w.entries {
		for _, v := range e.ranges() {
			add(v.introduced)
			add(v.fixed)
			add(v.last)
		}
		for _, v := range e.versions() {
			add(v)
		}
	}
	return out
}
