package advisorydb

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// vexShard encodes all statements; see doc.go for the form.
func (h *hub) vexShard() (Shard, []byte, error) {
	to := h.names.sort()
	for i := range h.rows {
		r := &h.rows[i]
		*r = vexRow{key: to[r.key], context: to[r.context], when: r.when, parts: to[r.parts], flaw: to[r.flaw], product: to[r.product]}
	}
	h.tidy()
	w := vexWriter{in: &h.names, refs: map[string]uint64{}, items: map[string]uint64{}, contexts: map[uint32]uint64{}, shapes: map[idShape]int{}}
	w.collect(h.rows)
	var keys []string
	var bodies [][]byte
	for rest := h.rows; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].key == rest[0].key {
			n++
		}
		keys = append(keys, h.names.list[rest[0].key])
		bodies = append(bodies, w.body(rest[:n]))
		rest = rest[n:]
	}
	var parts [numSections][]byte
	y := shardSymbols(w.strings, keys)
	parts[secMeta] = appendMeta("", len(keys), 0, y)
	parts[secStrings] = appendStrings(nil, w.strings, y)
	parts[secShapes] = appendList(nil, inOrder(w.numbers, func(s idShape) []byte { return s.append(nil) }))
	parts[secOrigins] = appendList(nil, w.list)
	parts[secContexts] = appendList(nil, w.contextList)
	parts[secTable] = appendTable(nil, keys, bodies, y)
	parts[secBloom] = bloomOf(keys)
	file, err := seal(KindVEX, parts)
	return Shard{Kind: KindVEX, Name: string(KindVEX), Packages: len(keys)}, file, err
}

// vexWriter encodes rows that are in order.
type vexWriter struct {
	in      *interner
	strings []string
	refs    map[string]uint64 // places in strings
	shapes  map[idShape]int
	numbers map[idShape]uint64
	// items are flaws and lists of components, found by what they are encoded to.
	items       map[string]uint64
	list        [][]byte
	contexts    map[uint32]uint64
	contextList [][]byte
}

// collect finds the strings and shapes.
func (w *vexWriter) collect(rows []vexRow) {
	seen := map[uint32]bool{}
	once := func(n uint32) bool {
		if seen[n] {
			return false
		}
		seen[n] = true
		return true
	}
	strs := map[string]bool{}
	// One interned string may stand for things of different kinds, so each kind is gone
	// through by itself.
	for _, r := range rows {
		if once(r.flaw) {
			for _, id := range unpackStrings(w.in.list[r.flaw]) {
				if shape, _, ok := splitID(id); ok {
					w.shapes[shape]++
				} else {
					strs[id] = true
				}
			}
		}
	}
	clear(seen)
	for _, r := range rows {
		if once(r.context) {
			for _, s := range unpackStrings(w.in.list[r.context][2:]) {
				strs[s] = true
			}
		}
	}
	clear(seen)
	for _, r := range rows {
		if once(r.parts) {
			for _, s := range unpackStrings(w.in.list[r.parts]) {
				strs[s] = true
			}
		}
	}
	for _, r := range rows {
		strs[w.in.list[r.product]] = true
	}
	for s := range strs {
		w.strings = append(w.strings, s)
	}
	slices.Sort(w.strings)
	for i, s := range w.strings {
		w.refs[s] = uint64(i)
	}
	w.numbers = byUse(w.shapes, func(a, b idShape) int {
		return cmp.Or(cmp.Compare(a.prefix, b.prefix), cmp.Compare(a.suffix, b.suffix), cmp.Compare(a.style, b.style))
	})
}

func (w *vexWriter) item(enc []byte) uint64 {
	n, ok := w.items[string(enc)]
	if !ok {
		n = uint64(len(w.list))
		w.items[string(enc)] = n
		w.list = append(w.list, enc)
	}
	return n
}

func (w *vexWriter) flaw(n uint32) uint64 {
	ids := unpackStrings(w.in.list[n])
	b := binary.AppendUvarint(nil, uint64(len(ids)))
	var ch idChain
	for _, id := range ids {
		if shape, num, ok := splitID(id); ok {
			b = ch.appendTo(b, w.numbers[shape]+1, num)
		} else {
			b = ch.appendTo(b, 0, w.refs[id])
		}
	}
	return w.item(b)
}

// components gives the place of a list of components, which are in order.
func (w *vexWriter) components(all []string) uint64 {
	b := binary.AppendUvarint(nil, uint64(len(all)))
	last := uint64(0)
	for _, s := range all {
		b = binary.AppendUvarint(b, w.refs[s]-last)
		last = w.refs[s]
	}
	return w.item(b)
}

func (w *vexWriter) context(n uint32) uint64 {
	at, ok := w.contexts[n]
	if !ok {
		s := w.in.list[n]
		b := []byte(s[:2])
		for _, f := range unpackStrings(s[2:]) {
			b = binary.AppendUvarint(b, w.refs[f])
		}
		at = uint64(len(w.contextList))
		w.contexts[n] = at
		w.contextList = append(w.contextList, b)
	}
	return at
}

// body encodes the rows of one key: flaws of which the same is said, of the same
// products and parts at the same time, are one entry.
func (w *vexWriter) body(rows []vexRow) []byte {
	type entry struct {
		row      vexRow // its context, time and parts
		products uint64
		flaws    []uint64
	}
	var entries []entry
	at := map[uint64]int{} // by products, of those with the context, time and parts at hand
	for i := 0; i < len(rows); {
		r := rows[i]
		if i > 0 && (rows[i-1].context != r.context || rows[i-1].when != r.when || rows[i-1].parts != r.parts) {
			clear(at)
		}
		var products []string
		for ; i < len(rows) && rows[i].context == r.context && rows[i].when == r.when && rows[i].parts == r.parts && rows[i].flaw == r.flaw; i++ {
			products = append(products, w.in.list[rows[i].product])
		}
		list := w.components(products)
		e, ok := at[list]
		if !ok {
			e = len(entries)
			at[list] = e
			entries = append(entries, entry{row: r, products: list})
		}
		entries[e].flaws = append(entries[e].flaws, w.flaw(r.flaw))
	}
	b := binary.AppendUvarint(nil, uint64(len(entries)))
	var ctx, last, parts uint64
	var when int64
	for _, e := range entries {
		near := func(v uint64, to *uint64) {
			b = binary.AppendUvarint(b, zigzag(int64(v-*to)))
			*to = v
		}
		near(w.context(e.row.context), &ctx)
		b = binary.AppendUvarint(b, zigzag(e.row.when-when))
		when = e.row.when
		near(w.components(unpackStrings(w.in.list[e.row.parts])), &parts)
		near(e.products, &last)
		b = binary.AppendUvarint(b, uint64(len(e.flaws)))
		flaw := uint64(0)
		for _, f := range e.flaws {
			near(f, &flaw)
		}
	}
	return b
}
