package advisorydb

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// hashSize is the bytes kept of the hash of all that is said of a package. Two that
// differ have equal ones by chance once in 10¹² times.
const hashSize = 5

// groupSum is the bytes of the sum that a record has within a package.
const groupSum = 3

// keysSum is the bytes of the sum of all keys, which goes before those of the packages.
const keysSum = 8

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
		if want(*db.slots[i].info) {
			get(&db.slots[i]).from = &db.slots[i]
		}
	}
	for i := range other.slots {
		if want(*other.slots[i].info) {
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
	fail := func(err error) bool {
		yield(RecordChange{}, err)
		return false
	}
	a, err := from.shardOf(ctx, p.from)
	if err != nil {
		return fail(err)
	}
	b, err := to.shardOf(ctx, p.to)
	if err != nil {
		return fail(err)
	}
	for name, err := range changedKeys(ctx, from, to, p) {
		if err != nil {
			return fail(err)
		}
		changes, err := diffPackage(a, b, name)
		if err != nil {
			return fail(fmt.Errorf("comparing advisory shards %s: %w", p.any().info.Name, err))
		}
		for _, c := range changes {
			c.Ecosystem, c.Package = ecosystem, name
			if !yield(c, nil) {
				return false
			}
		}
	}
	return true
}

// shardOf opens the shard of a slot; nil if there is none: an ecosystem that is in one
// snapshot only is all new, or all gone.
func (db *DB) shardOf(ctx context.Context, slot *shardSlot) (*shard, error) {
	if slot == nil {
		return nil, nil
	}
	return db.get(ctx, slot)
}

// diffPackage compares what two shards say of a package. Records whose sums are equal are
// passed over; of the others only the names are read.
func diffPackage(a, b *shard, name string) (out []RecordChange, err error) {
	err = guard(func() error {
		x, err := a.groups(name)
		if err != nil {
			return err
		}
		y, err := b.groups(name)
		if err != nil {
			return err
		}
		for x.on || y.on {
			if x.on && y.on && x.sum == y.sum {
				if err := errors.Join(x.next(), y.next()); err != nil {
					return err
				}
				continue
			}
			order := 0
			switch {
			case !y.on:
				order = -1
			case !x.on:
				order = 1
			}
			if x.on {
				if err := x.named(); err != nil {
					return err
				}
			}
			if y.on {
				if err := y.named(); err != nil {
					return err
				}
			}
			if x.on && y.on {
				order = cmp.Or(strings.Compare(x.source, y.source), strings.Compare(x.id, y.id))
			}
			c := RecordChange{Source: x.source, ID: x.id, Change: Changed}
			switch {
			case order < 0:
				c.Change = Removed
			case order > 0:
				c.Source, c.ID, c.Change = y.source, y.id, Added
			}
			out = append(out, c)
			if order <= 0 {
				if err := x.next(); err != nil {
					return err
				}
			}
			if order >= 0 {
				if err := y.next(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return out, err
}

// groups goes through the records that speak of a package, without reading what they say.
type groups struct {
	s          *shard
	c          cursor
	left       int
	record     uint64
	head       byte
	on         bool   // there is one
	sum        uint64 // of all that it says of the package
	known      bool   // source and id are those of this one
	source, id string
}

func (s *shard) groups(name string) (*groups, error) {
	g := &groups{s: s, head: usualForm}
	if s == nil {
		return g, nil
	}
	body, ok, err := s.find(name)
	if err != nil || !ok {
		return g, s.wrap(err)
	}
	g.c = cursor{b: body}
	g.left = g.c.count()
	return g, g.next()
}

func (g *groups) next() error {
	g.known = false
	if g.on = g.left > 0; !g.on {
		if g.c.bad {
			return g.s.wrap(damaged("a package's statements are cut short"))
		}
		return nil
	}
	g.left--
	c := &g.c
	group := c.uvarint()
	g.record += uint64(unzigzag(group >> 2))
	n := 1
	if group&2 != 0 {
		n = c.count()
	}
	if b := c.take(groupSum); b != nil {
		g.sum = get3(b)
	}
	for range n {
		if group&1 == 0 {
			g.head = c.byte()
			if g.head&sameContext == 0 {
				c.uvarint()
			}
		}
		skip := func(form byte) {
			for _, there := range [...]bool{form&3 == startString, form&endFixed != 0, form&endLast != 0} {
				if there {
					c.uvarint()
				}
			}
		}
		switch {
		case g.head&oneRange != 0:
			skip(g.head)
		case g.head&manyRanges != 0:
			for range c.count() {
				skip(c.byte())
			}
		}
		if g.head&hasVersions != 0 {
			for range c.count() {
				c.uvarint()
			}
		}
		g.head |= sameContext
		if c.bad {
			return g.s.wrap(damaged("a statement is cut short"))
		}
	}
	return nil
}

// named reads which record it is.
func (g *groups) named() error {
	if g.known {
		return nil
	}
	r := readers.Get().(*reader)
	defer r.release()
	r.s = g.s
	if err := r.readRecord(&r.a, g.record); err != nil {
		return g.s.wrap(err)
	}
	r.cut()
	g.source, g.id, g.known = r.a.Source, r.a.ID, true
	return g.s.wrap(r.err)
}

// changedKeys walks two tables, which are sorted, side by side, and gives the keys whose
// sums differ or that are in one only.
func changedKeys(ctx context.Context, from, to *DB, p pair) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		a, err := from.walk(ctx, p.from)
		if err == nil {
			var b *walker
			if b, err = to.walk(ctx, p.to); err == nil {
				emit := func(k string) bool { return yield(k, nil) }
				err = guard(func() error {
					same, err := sameKeys(a, b)
					if err != nil {
						return err
					}
					if same {
						return differing(ctx, a.s, b.s, emit)
					}
					return mergeWalk(ctx, a, b, emit)
				})
			}
		}
		if err != nil {
			yield("", fmt.Errorf("comparing advisory shards %s: %w", p.any().info.Name, err))
		}
	}
}

// sameKeys tells whether two shards of packages hold the same ones, by the sums of all
// their names.
func sameKeys(a, b *walker) (bool, error) {
	if a.s == nil || b.s == nil || a.s.info.Kind != KindPackages || a.s.table.numKeys != b.s.table.numKeys {
		return false, nil
	}
	x, err := a.s.within(a.s.secs[secHashes], 0, keysSum)
	if err != nil {
		return false, a.s.wrap(err)
	}
	y, err := b.s.within(b.s.secs[secHashes], 0, keysSum)
	if err != nil {
		return false, b.s.wrap(err)
	}
	return string(x) == string(y), nil
}

// differing gives the keys whose sums differ in two shards that hold the same ones: only
// the blocks of the table that such a key is in are read.
func differing(ctx context.Context, a, b *shard, emit func(string) bool) error {
	x, err := a.within(a.secs[secHashes], keysSum, a.secs[secHashes].size)
	if err != nil {
		return a.wrap(err)
	}
	y, err := b.within(b.secs[secHashes], keysSum, b.secs[secHashes].size)
	if err != nil {
		return b.wrap(err)
	}
	var at []uint64
	for i := 0; i+hashSize <= len(x); i += hashSize {
		if string(x[i:i+hashSize]) != string(y[i:i+hashSize]) {
			at = append(at, uint64(i/hashSize))
		}
	}
	var key []byte
	n := uint64(0)
	for block := uint64(0); block < a.table.blocks && len(at) > 0; block++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, _, err := a.block(block)
		if err != nil {
			return a.wrap(err)
		}
		entries := uint64(0)
		for c := (cursor{b: b}); c.at < len(c.b); entries++ {
			_, size := c.front()
			c.take(size)
			c.body()
			if c.bad {
				return a.wrap(damaged("a block of the table is cut short"))
			}
		}
		key = key[:0]
		for c := (cursor{b: b}); len(at) > 0 && at[0] < n+entries; {
			for i := n; ; i++ {
				keep, size := c.front()
				enc := c.take(size)
				c.body()
				if c.bad || keep > uint64(len(key)) {
					return a.wrap(damaged("a block of the table is cut short"))
				}
				var ok bool
				if key, ok = expand(key[:keep], a.symbols, enc, math.MaxInt); !ok || len(key) > maxString {
					return a.wrap(damaged("a key of the table is damaged"))
				}
				if n, entries = i+1, entries-1; i == at[0] {
					break
				}
			}
			if !emit(string(key)) {
				return nil
			}
			at = at[1:]
		}
		n += entries
	}
	return nil
}

func mergeWalk(ctx context.Context, a, b *walker, emit func(string) bool) error {
	for n := 0; !a.done || !b.done; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var order int
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
	if w.key, ok = expand(w.key[:keep], w.s.symbols, enc, math.MaxInt); !ok || len(w.key) > maxString {
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
		if w.sum, err = w.s.within(w.s.secs[secHashes], keysSum+hashSize*w.n, keysSum+hashSize*(w.n+1)); err != nil {
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

// hash is of what the record itself says, but for when it was changed; its statements
// are added to it.
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

// hashes gives the sum of the keys and those of the packages, in the order of the table.
func (w *shardWriter) hashes(keys []string) []byte {
	all := newHash
	for _, k := range keys {
		all.string(k)
	}
	return append(binary.LittleEndian.AppendUint64(nil, mix(uint64(all))), w.sums...)
}

func mix(h uint64) uint64 {
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>32
}
