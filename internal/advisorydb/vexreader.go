package advisorydb

import (
	"slices"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// vexReader decodes the statements under one key. Lists and flaws are decoded once.
type vexReader struct {
	s       *shard
	c       cursor
	key     string
	left    int
	ctx     uint64
	when    int64
	parts   uint64
	product uint64
	lists   map[uint64][]advisory.Component
	flaws   map[uint64][]string
	said    map[uint64]advisory.Statement
	spent   int
}

// maxVEXSpent bounds the components that one look-up puts together.
const maxVEXSpent = 16 << 20

func newVEXReader(s *shard, key string, body []byte) (*vexReader, error) {
	r := &vexReader{s: s, c: cursor{b: body}, key: key, lists: map[uint64][]advisory.Component{}, flaws: map[uint64][]string{}, said: map[uint64]advisory.Statement{}}
	r.left = r.c.count()
	if r.c.bad {
		return nil, damaged("a list of statements is cut short")
	}
	return r, nil
}

// next gives the statements of the next entry, which differ in their flaw alone.
func (r *vexReader) next() ([]advisory.Statement, error) {
	r.left--
	near := func(to *uint64) uint64 {
		*to += uint64(unzigzag(r.c.uvarint()))
		return *to
	}
	ctx := near(&r.ctx)
	r.when += unzigzag(r.c.uvarint())
	partsAt, productsAt := near(&r.parts), near(&r.product)
	flaws := make([]uint64, r.c.count())
	at := uint64(0)
	for i := range flaws {
		flaws[i] = near(&at)
	}
	if r.c.bad {
		return nil, damaged("a statement is cut short")
	}
	s, err := r.context(ctx)
	if err != nil {
		return nil, err
	}
	if r.when != 0 {
		s.Timestamp = time.Unix(r.when, 0).UTC()
	}
	parts, err := r.components(partsAt, "")
	if err != nil {
		return nil, err
	}
	products, err := r.components(productsAt, r.key)
	if err != nil {
		return nil, err
	}
	if r.spent += len(products) + len(flaws); r.spent > maxVEXSpent {
		return nil, damaged("its statements are over the limit")
	}
	s.Products = make([]advisory.Product, len(products))
	for i, p := range products {
		s.Products[i] = advisory.Product{Component: p, Subcomponents: parts}
	}
	out := make([]advisory.Statement, len(flaws))
	for i, f := range flaws {
		ids, err := r.flaw(f)
		if err != nil {
			return nil, err
		}
		out[i] = s
		out[i].Flaw, out[i].Aliases = ids[0], ids[1:]
	}
	return out, nil
}

func (r *vexReader) context(i uint64) (advisory.Statement, error) {
	if s, ok := r.said[i]; ok {
		return s, nil
	}
	c, err := r.s.item(&r.s.context, i)
	if err != nil {
		return advisory.Statement{}, err
	}
	s := advisory.Statement{Status: advisory.Status(c.byte()), Justification: advisory.Justification(c.byte())}
	for _, to := range []*string{&s.Source, &s.Document, &s.Author, &s.Impact, &s.Action} {
		ref := c.uvarint()
		if c.bad {
			return s, damaged("who made a statement is cut short")
		}
		if *to, err = r.s.string(ref); err != nil {
			return s, err
		}
	}
	r.said[i] = s
	return s, nil
}

// components decodes a list; an empty one is nil.
func (r *vexReader) components(i uint64, key string) ([]advisory.Component, error) {
	// The same list has another meaning with a key, for what it leaves out.
	at := i << 1
	if key != "" {
		at |= 1
	}
	if l, ok := r.lists[at]; ok {
		return l, nil
	}
	c, err := r.s.item(&r.s.origins, i)
	if err != nil {
		return nil, err
	}
	n := c.count()
	if r.spent += n; r.spent > maxVEXSpent {
		return nil, damaged("its statements are over the limit")
	}
	var out []advisory.Component
	ref := uint64(0)
	for range n {
		ref += c.uvarint()
		if c.bad {
			return nil, damaged("a list of products is cut short")
		}
		s, err := r.s.string(ref)
		if err != nil {
			return nil, err
		}
		out = append(out, unpackComponent(s, key))
	}
	r.lists[at] = out
	return out, nil
}

// flaw decodes a flaw's names, its own first.
func (r *vexReader) flaw(i uint64) ([]string, error) {
	if ids, ok := r.flaws[i]; ok {
		return ids, nil
	}
	c, err := r.s.item(&r.s.origins, i)
	if err != nil {
		return nil, err
	}
	out := make([]string, c.count())
	var ch idChain
	for i := range out {
		ch.read(&c)
		if c.bad {
			return nil, damaged("a flaw's names are cut short")
		}
		if ch.shape == 0 {
			if out[i], err = r.s.string(ch.num); err != nil {
				return nil, err
			}
			continue
		}
		f, err := r.s.item(&r.s.shapes, ch.shape-1)
		if err != nil {
			return nil, err
		}
		style := f.byte()
		prefix := f.take(f.uvarint())
		if f.bad {
			return nil, damaged("the shape of an identifier is cut short")
		}
		out[i] = string(append(appendNumber(slices.Clone(prefix), style, ch.num), f.rest()...))
	}
	if len(out) == 0 {
		return nil, damaged("a flaw has no name")
	}
	r.flaws[i] = out
	return out, nil
}
