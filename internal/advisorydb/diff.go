package advisorydb

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// hashSize is the bytes kept of the hash of all that is said of a package. Two that
// differ have equal ones by chance once in 10¹² times.
const hashSize = 5

// Change is what became of a record, or of all that is said of a package.
type Change string

// The changes.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Changed Change = "changed"
)

// RecordChange is a record that is not the same in two snapshots, for one package.
type RecordChange struct {
	Ecosystem string `json:"ecosystem"`
	Package   string `json:"package"`
	Source    string `json:"source"`
	ID        string `json:"id"`
	Change    Change `json:"change"`
}

// FlawChange is a flaw of which other things are known in two snapshots, apart from any
// package: its severity, ratings, exploitation. Predictions (EPSS), which differ for
// every flaw on every day, and text do not count.
type FlawChange struct {
	ID     string `json:"id"`
	Change Change `json:"change"`
}

// Diff gives what differs from one snapshot to another, package by package in the order
// of ecosystem and name; within a package by source and ID. A record that was merely
// touched, with nothing said anew, is no change. Shards that are equal are not opened,
// and of others only the packages whose sums differ are read.
func Diff(ctx context.Context, from, to *DB) iter.Seq2[RecordChange, error] {
	return func(yield func(RecordChange, error) bool) {
		for _, d := range from.against(to, func(s Shard) bool { return s.Kind == KindPackages }) {
			if !diffShard(ctx, from, to, d, yield) {
				return
			}
		}
	}
}

// pair is a shard of each of two snapshots, one of which may be nil.
type pair struct{ from, to *shardSlot }

// against pairs the shards that are not the same in both, by name in order.
func (db *DB) against(other *DB, want func(Shard) bool) []pair {
	at := map[string]*pair{}
	var names []string
	get := func(s *shardSlot) *pair {
		p := at[s.info.Name]
		if p == nil {
			p = &pair{}
			at[s.info.Name] = p
			names = append(names, s.info.Name)
		}
		return p
	}
	for i := range db.slots {
		if want(db.slots[i].info) {
			get(&db.slots[i]).from = &db.slots[i]
		}
	}
	for i := range other.slots {
		if want(other.slots[i].info) {
			get(&other.slots[i]).to = &other.slots[i]
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := at[a].any(), at[b].any()
		return compareShards(x.info, y.info)
	})
	var out []pair
	for _, n := range names {
		if p := at[n]; p.from == nil || p.to == nil || p.from.info.Digest != p.to.info.Digest {
			out = append(out, *p)
		}
	}
	return out
}

func (p pair) any() *shardSlot {
	if p.from != nil {
		return p.from
	}
	return p.to
}

func diffShard(ctx context.Context, from, to *DB, p pair, yield func(RecordChange, error) bool) bool {
	ecosystem := p.any().info.Ecosystem
	// An ecosystem that is in one of them only is all new, or all gone.
	records := func(db *DB, slot *shardSlot, name string) ([]advisory.Advisory, error) {
		if slot == nil {
			return nil, nil
		}
		var out []advisory.Advisory
		for a, err := range db.lookup(ctx, slot, ecosystem, name) {
			if err != nil {
				return nil, err
			}
			out = append(out, a)
		}
		return out, nil
	}
	for name, err := range changedKeys(ctx, from, to, p) {
		if err != nil {
			yield(RecordChange{}, err)
			return false
		}
		was, err := records(from, p.from, name)
		if err != nil {
			yield(RecordChange{}, err)
			return false
		}
		is, err := records(to, p.to, name)
		if err != nil {
			yield(RecordChange{}, err)
			return false
		}
		for len(was) > 0 || len(is) > 0 {
			c := RecordChange{Ecosystem: ecosystem, Package: name}
			switch order := compareRecords(was, is); {
			case order < 0:
				c.Source, c.ID, c.Change = was[0].Source, was[0].ID, Removed
				was = was[1:]
			case order > 0:
				c.Source, c.ID, c.Change = is[0].Source, is[0].ID, Added
				is = is[1:]
			default:
				c.Source, c.ID, c.Change = is[0].Source, is[0].ID, Changed
				same := contentHash(&was[0]) == contentHash(&is[0])
				was, is = was[1:], is[1:]
				if same {
					continue
				}
			}
			if !yield(c, nil) {
				return false
			}
		}
	}
	return true
}

// compareRecords compares the first of two lists, which end in the greatest.
func compareRecords(a, b []advisory.Advisory) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	if c := strings.Compare(a[0].Source, b[0].Source); c != 0 {
		return c
	}
	return strings.Compare(a[0].ID, b[0].ID)
}

// changedKeys walks two tables, which are sorted, side by side, and gives the keys whose
// sums differ or that are in one only.
func changedKeys(ctx context.Context, from, to *DB, p pair) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		a, err := from.walk(ctx, p.from)
		if err == nil {
			var b *walker
			if b, err = to.walk(ctx, p.to); err == nil {
				err = guard(func() error { return mergeWalk(ctx, a, b, func(k string) bool { return yield(k, nil) }) })
			}
		}
		if err != nil {
			yield("", fmt.Errorf("comparing advisory shards %s: %w", p.any().info.Name, err))
		}
	}
}

func mergeWalk(ctx context.Context, a, b *walker, emit func(string) bool) error {
	for n := 0; !a.done || !b.done; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		order := 0
		switch {
		case a.done:
			order = 1
		case b.done:
			order = -1
		default:
			order = strings.Compare(string(a.key), string(b.key))
		}
		if order != 0 || string(a.sum) != string(b.sum) {
			key := a.key
			if order > 0 {
				key = b.key
			}
			if !emit(string(key)) {
				return nil
			}
		}
		if order <= 0 {
			if err := a.next(); err != nil {
				return err
			}
		}
		if order >= 0 {
			if err := b.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

// walker goes through the keys of a table in order, with the sum of each.
type walker struct {
	s     *shard
	block uint64 // the next one
	from  uint64 // where the present one begins in the table's data
	c     cursor
	n     uint64
	key   []byte
	body  []byte
	sum   []byte // of a shard of packages; the body elsewhere
	done  bool
}

// walk begins at the first key; there is none in a shard that is not there.
func (db *DB) walk(ctx context.Context, slot *shardSlot) (*walker, error) {
	if slot == nil {
		return &walker{done: true}, nil
	}
	s, err := db.get(ctx, slot)
	if err != nil {
		return nil, err
	}
	w := &walker{s: s}
	return w, guard(w.next)
}

func (w *walker) next() error {
	if w.done {
		return nil
	}
	for w.c.at == len(w.c.b) {
		if w.block == w.s.table.blocks {
			w.done = true
			if w.n != w.s.table.numKeys {
				return w.s.wrap(damaged("its keys are not as many as it says"))
			}
			return nil
		}
		b, from, err := w.s.block(w.block)
		if err != nil {
			return w.s.wrap(err)
		}
		w.c, w.from, w.block, w.key = cursor{b: b}, from, w.block+1, w.key[:0]
	}
	keep, size := w.c.front()
	enc := w.c.take(size)
	at := uint64(w.c.at)
	body, back := w.c.body()
	if w.c.bad || keep > uint64(len(w.key)) {
		return w.s.wrap(damaged("a block of the table is cut short"))
	}
	var ok bool
	if w.key, ok = expand(w.key[:keep], w.s.symbols, enc); !ok || len(w.key) > maxString {
		return w.s.wrap(damaged("a key of the table is damaged"))
	}
	if back > 0 {
		var err error
		if body, err = w.s.bodyAt(w.from+at, back); err != nil {
			return w.s.wrap(err)
		}
	}
	w.body, w.sum = body, body
	if w.s.info.Kind == KindPackages {
		var err error
		if w.sum, err = w.s.within(w.s.secs[secHashes], hashSize*w.n, hashSize*(w.n+1)); err != nil {
			return w.s.wrap(err)
		}
	}
	w.n++
	return nil
}

// DiffFlaws gives the flaws of which other things are known, in the order of their IDs
// within each part of the shards.
func DiffFlaws(ctx context.Context, from, to *DB) iter.Seq2[FlawChange, error] {
	return func(yield func(FlawChange, error) bool) {
		know := func(db *DB, slot *shardSlot, id string) (string, error) {
			if slot == nil {
				return "", nil
			}
			s, err := db.get(ctx, slot)
			if err != nil {
				return "", err
			}
			var e advisory.Enrichment
			found := false
			err = guard(func() error {
				body, ok, err := s.find(id)
				if found = ok; err != nil || !ok {
					return err
				}
				return s.enrich(body, &e)
			})
			if err != nil || !found {
				return "", s.wrap(err)
			}
			x := advisory.Exploited{}
			if e.Exploited != nil {
				x = *e.Exploited
			}
			return fmt.Sprint(e.Severity, e.SeveritySource, e.CVSS, x, e.Published.Unix()), nil
		}
		for _, p := range from.against(to, func(s Shard) bool { return s.Kind == KindFlaws }) {
			// Bodies name strings by number, so that they differ more often than what they say.
			for id, err := range changedKeys(ctx, from, to, p) {
				var was, is string
				if err == nil {
					if was, err = know(from, p.from, id); err == nil {
						is, err = know(to, p.to, id)
					}
				}
				if err != nil {
					yield(FlawChange{}, err)
					return
				}
				c := FlawChange{ID: id, Change: Changed}
				switch {
				case was == is:
					continue
				case was == "":
					c.Change = Added
				case is == "":
					c.Change = Removed
				}
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}

// hasher is FNV-1a over 64 bits with lengths between the strings; it is part of the format.
type hasher uint64

const newHash = hasher(14695981039346656037)

func (h *hasher) byte(b byte) { *h = (*h ^ hasher(b)) * 1099511628211 }

func (h *hasher) number(n uint64) {
	for ; n >= 0x80; n >>= 7 {
		h.byte(byte(n) | 0x80)
	}
	h.byte(byte(n))
}

func (h *hasher) day(t time.Time) { h.number(uint64(t.Unix() / (24 * 60 * 60))) }

func (h *hasher) string(s string) {
	h.number(uint64(len(s)))
	for i := range len(s) {
		h.byte(s[i])
	}
}

// contentHash is of all that a record says of one package, but for when it was changed.
// The writer computes the same from interned strings.
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

// hash is what the record itself adds to contentHash, before its statements.
func (w *shardWriter) hash(r *record) hasher {
	list := w.in.list
	h := newHash
	h.string(list[r.source])
	h.string(list[r.id])
	h.string(list[r.url])
	h.number(uint64(r.severity))
	h.day(r.published)
	withdrawn := r.withdrawn
	if r.standing {
		withdrawn = time.Time{}
	}
	h.day(withdrawn)
	for _, set := range [...][]uint32{r.aliases.list, r.related.list} {
		h.number(uint64(len(set)))
		for _, n := range set {
			h.string(list[n])
		}
	}
	h.number(uint64(len(r.cvss)))
	for _, v := range r.cvss {
		h.string(list[v.vector])
		h.string(list[v.source])
	}
	return h
}

func (w *shardWriter) hashStatement(h *hasher, s *statement) {
	list := w.in.list
	h.number(uint64(s.state))
	h.number(uint64(s.severity))
	h.string(list[s.arch])
	h.string(list[s.module])
	h.string(list[s.stream])
	h.number(uint64(len(s.ranges())))
	for _, r := range s.ranges() {
		h.string(list[r.introduced])
		h.string(list[r.fixed])
		h.string(list[r.last])
	}
	h.number(uint64(len(s.versions())))
	for _, v := range s.versions() {
		h.string(list[v])
	}
}

// hashes gives the sums of the packages, in the order of the table.
func (w *shardWriter) hashes() []byte {
	of := make([]hasher, len(w.records))
	for i, r := range w.records {
		of[i] = w.hash(r)
	}
	var out []byte
	for rest := w.entries; len(rest) > 0; {
		n := 0
		// The order of records within a package differs with what else is in the shard.
		var sum uint64
		for n < len(rest) && rest[n].name == rest[0].name {
			at := rest[n].record
			h := of[at]
			for n < len(rest) && rest[n].name == rest[0].name && rest[n].record == at {
				w.hashStatement(&h, rest[n].statement)
				n++
			}
			sum += mix(uint64(h))
		}
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], mix(sum))
		out = append(out, b[:hashSize]...)
		rest = rest[n:]
	}
	return out
}

func mix(h uint64) uint64 {
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>32
}
