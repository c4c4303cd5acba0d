package advisorydb

import (
	"bytes"
	"context"
	"encoding/binary"
	"iter"
	"slices"
	"unsafe"

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

// place finds where the valid version v is.
func (r ranking) place(scheme version.Scheme, v string) (uint64, error) {
	lo, hi := uint64(0), r.n // the first that is not below v
	var room [64]byte
	node := uint64(1)
	for lo < hi {
		mid := (lo + hi) / 2
		b, err := r.s.within(r.order, rankSize*mid, rankSize*(mid+1))
		if err != nil {
			return 0, err
		}
		other, err := r.met(scheme, node, get3(b), room[:0])
		if err != nil {
			return 0, err
		}
		c := scheme.CompareValid(other, v)
		if c == 0 {
			rank, ok, err := r.rank(get3(b))
			if err == nil && !ok {
				err = damaged("a ranked string has no rank")
			}
			return rank, err
		}
		if node *= 2; c < 0 {
			lo, node = mid+1, node+1
		} else {
			hi = mid
		}
	}
	return 2*(lo+1) - 1, nil
}

// met gives the version that is string i, which a search meets at a node of its tree. It
// may be in room.
func (r ranking) met(scheme version.Scheme, node, i uint64, room []byte) (string, error) {
	kept := node < uint64(len(r.s.pivots))
	if kept {
		if p := r.s.pivots[node].Load(); p != nil {
			return *p, nil
		}
		room = nil // to be kept
	}
	text, err := r.s.appendString(room, i)
	if err != nil {
		return "", err
	}
	v := unsafe.String(unsafe.SliceData(text), len(text)) // text is not changed while v is in use
	if scheme.Valid(v) != nil {
		return "", damaged("a ranked string is no version")
	}
	if kept {
		p := v // here, or each v would be one of the heap
		r.s.pivots[node].Store(&p)
	}
	return v, nil
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
	slot := db.packages(ecosystem)
	if slot == nil {
		return true, nil
	}
	if err := db.enter(); err != nil {
		return false, err
	}
	defer db.leave()
	s, err := db.get(ctx, slot)
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
		known, err := s.perRecord(ecosystem, v, body, func(r recordAt) bool {
			may = r.affects
			return !may
		})
		may = may || !known
		return err
	})
	if err != nil {
		return false, s.wrap(err)
	}
	return may, nil
}

// LookupVersion is Lookup without the records that do not matter to a version of the
// package: those of which no statement may affect it and that are not, by any of their
// names or by way of others, on the same flaw as one that does.
func (db *DB) LookupVersion(ctx context.Context, ecosystem, name, v string) iter.Seq2[advisory.Advisory, error] {
	return db.lookup(ctx, ecosystem, name, func(r *reader) error { return r.only(ecosystem, v) })
}

// recordAt is where a record of a package begins, with what its parts are counted from.
type recordAt struct {
	at               int
	record, str, ctx uint64
	head             byte
	number           uint64 // of the record itself
	affects          bool   // a statement in it may affect the version
}

// versionScratch is the room in which only works.
type versionScratch struct {
	all   []recordAt
	names []recordName
	met   map[idChain]bool
}

// recordName is a name of a record, by the record's place in all.
type recordName struct {
	id  idChain
	rec int
}

// only has r give the records that matter to a version alone.
func (r *reader) only(ecosystem, v string) error {
	all := r.versions.all[:0]
	affects := false
	known, err := r.s.perRecord(ecosystem, v, r.c.b, func(at recordAt) bool {
		all = append(all, at)
		affects = affects || at.affects
		return true
	})
	r.versions.all = all
	if err != nil || !known {
		return err
	}
	r.picks, r.left = all[:0], 0
	if !affects {
		return nil
	}
	// Names lead from record to record, until no new one is met.
	names := r.versions.names[:0]
	for i := range all {
		if err := r.names(all[i].number, func(id idChain) { names = append(names, recordName{id, i}) }); err != nil {
			return err
		}
	}
	r.versions.names = names
	if r.versions.met == nil {
		r.versions.met = map[idChain]bool{}
	}
	met := r.versions.met
	for again := true; again; {
		again = false
		for _, n := range names {
			if all[n.rec].affects && !met[n.id] {
				met[n.id], again = true, true
			}
		}
		if !again {
			break
		}
		for _, n := range names {
			if met[n.id] {
				all[n.rec].affects = true
			}
		}
	}
	for _, at := range all {
		if at.affects {
			r.picks = append(r.picks, at) // in place of those before it
		}
	}
	r.left = len(r.picks)
	return nil
}

// perRecord goes through the records of a package with whether a statement in each may
// affect a version, until each says no. It reports false, and does not call each, if
// that cannot be told.
func (s *shard) perRecord(ecosystem, v string, body []byte, each func(recordAt) bool) (known bool, err error) {
	scheme, ok := version.For(ecosystem)
	if !ok || !scheme.Ranked(v) {
		return false, nil
	}
	r, ranked, err := s.ranking()
	if err != nil || !ranked {
		return false, err
	}
	at, err := r.place(scheme, v)
	if err != nil {
		return false, err
	}
	return true, r.perRecord(body, at, each)
}

// perRecord goes through statements as reader does, but for all that does not say which
// versions are affected.
func (r ranking) perRecord(body []byte, at uint64, each func(recordAt) bool) error {
	c := cursor{b: body}
	rec := recordAt{head: usualForm}
	var contexts listItem
	near := func() (rank uint64, ranked bool, err error) {
		rec.str += uint64(unzigzag(c.uvarint()))
		if c.bad {
			return 0, false, damaged("a statement is cut short")
		}
		return r.rank(rec.str)
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
	statement := func() (affected bool, err error) {
		affected = rec.head&(oneRange|manyRanges|hasVersions) == 0
		switch {
		case rec.head&oneRange != 0:
			yes, err := in(rec.head)
			if err != nil {
				return false, err
			}
			affected = affected || yes
		case rec.head&manyRanges != 0:
			for range c.count() {
				yes, err := in(c.byte())
				if err != nil {
					return false, err
				}
				affected = affected || yes
			}
		}
		if rec.head&hasVersions != 0 {
			for range c.count() {
				rank, ok, err := near()
				if err != nil {
					return false, err
				}
				affected = affected || !ok || rank == at
			}
		}
		return affected, nil
	}
	for left := c.count(); left > 0; left-- {
		begin := rec
		begin.at = c.at
		group := c.uvarint()
		rec.record += uint64(unzigzag(group >> 2))
		begin.number = rec.record
		n := 1
		if group&2 != 0 {
			n = c.count()
		}
		c.take(groupSum)
		for range n {
			if group&1 == 0 {
				rec.head = c.byte()
				if rec.head&sameContext == 0 {
					rec.ctx = c.uvarint()
				}
			}
			affected, err := statement()
			if err != nil {
				return err
			}
			rec.head |= sameContext
			if c.bad {
				return damaged("a statement is cut short")
			}
			if !affected || begin.affects {
				continue
			}
			item, err := contexts.get(r.s, &r.s.context, rec.ctx)
			if err != nil {
				return err
			}
			begin.affects = advisory.State(item.byte()) != advisory.StateNotAffected
		}
		if c.bad {
			break
		}
		if !each(begin) {
			return nil
		}
	}
	if c.bad {
		return damaged("a package's statements are cut short")
	}
	return nil
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
