package advisorydb

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// entry is one statement on its way into a shard.
type entry struct {
	name   uint32
	record uint32 // among those of the shard
	*statement
}

// shardWriter encodes the statements of one ecosystem. The builder's strings must be in order.
type shardWriter struct {
	in      *interner
	records []*record
	entries []entry // sorted by name, record's source and ID, and statement

	refs     map[string]uint64 // places in the strings
	shapes   map[idShape]uint64
	origins  map[string]uint64
	contexts map[string]uint64
	recSums  []hasher // of what each record says, by its place
	sums     []byte   // of the packages, in the order of the table
}

// packagesShard encodes the shard of an ecosystem and returns how many packages are in
// it. Records come sorted by source and ID, entries by the record they name.
func packagesShard(in *interner, ecosystem string, records []*record, entries []entry) (file []byte, packages int, err error) {
	// Within a record statements are in order already.
	slices.SortStableFunc(entries, func(x, y entry) int {
		return cmp.Or(cmp.Compare(x.name, y.name), cmp.Compare(x.record, y.record))
	})
	records = byFirstUse(records, entries)
	w := shardWriter{in: in, records: records, entries: entries}
	w.collect()
	heads, rests := make([][]byte, len(records)), make([][]byte, len(records))
	places := make([]uint64, len(records))
	var own idChain
	for i, r := range records {
		if i%recordGroup == 0 {
			own = idChain{}
		}
		heads[i] = w.appendID(nil, &own, r.id)
		origin, flags := w.origin(r)
		places[i], rests[i] = w.origins[origin], w.record(r, flags)
		w.recSums = append(w.recSums, w.hash(r))
	}
	var keys []string
	var bodies [][]byte
	for rest := w.entries; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].name == rest[0].name {
			n++
		}
		keys = append(keys, in.list[rest[0].name])
		bodies = append(bodies, w.body(rest[:n]))
		rest = rest[n:]
	}
	var parts [numSections][]byte
	strs := slices.Sorted(maps.Keys(w.refs))
	y := shardSymbols(strs, keys)
	parts[secMeta] = appendMeta(ecosystem, len(keys), len(records), y)
	parts[secStrings] = appendStrings(nil, strs, y)
	parts[secShapes] = appendList(nil, inOrder(w.shapes, func(s idShape) []byte { return s.append(nil) }))
	parts[secOrigins] = appendList(nil, inOrder(w.origins, func(s string) []byte { return []byte(s) }))
	parts[secContexts] = appendList(nil, inOrder(w.contexts, func(s string) []byte { return []byte(s) }))
	parts[secRecords] = appendRecords(nil, heads, places, rests)
	parts[secTable] = appendTable(nil, keys, bodies, y)
	parts[secBloom] = bloomOf(keys)
	parts[secHashes] = w.hashes(keys)
	parts[secRanks] = rankStrings(ecosystem, strs, w.versionStrings())
	file, err = seal(KindPackages, parts)
	return file, len(keys), err
}

// byFirstUse orders records as the entries name them, and changes the entries to match, so
// that the records of one package lie side by side.
func byFirstUse(records []*record, entries []entry) []*record {
	place := make([]uint32, len(records))
	out := make([]*record, 0, len(records))
	for i := range entries {
		e := &entries[i]
		if place[e.record] == 0 {
			out = append(out, records[e.record])
			place[e.record] = uint32(len(out))
		}
		e.record = place[e.record] - 1
	}
	return out
}

func appendMeta(ecosystem string, keys, records int, y *symbols) []byte {
	b := appendString(nil, ecosystem)
	b = binary.AppendUvarint(b, uint64(keys))
	b = binary.AppendUvarint(b, uint64(records))
	for _, s := range y.list {
		b = appendString(b, s)
	}
	return b
}

// collect finds what the shard's lists hold: the most used gets the smallest number.
func (w *shardWriter) collect() {
	strs := map[string]bool{}
	shapes, origins, contexts := map[idShape]int{}, map[string]int{}, map[string]int{}
	id := func(n uint32) {
		if shape, _, ok := splitID(w.in.list[n]); ok {
			shapes[shape]++
		} else {
			strs[w.in.list[n]] = true
		}
	}
	for _, r := range w.records {
		id(r.id)
		for _, n := range r.aliases.list {
			id(n)
		}
		for _, n := range r.related.list {
			id(n)
		}
		for _, v := range r.cvss {
			strs[w.in.list[v.vector]] = true
			if v.source != r.source {
				strs[w.in.list[v.source]] = true
			}
		}
		origin, flags := w.origin(r)
		origins[origin]++
		if flags&recURL != 0 {
			strs[w.in.list[r.url]] = true
		}
	}
	for _, e := range w.entries {
		contexts[w.context(e.statement)]++
		for _, v := range e.ranges() {
			if s := w.in.list[v.introduced]; s != "" && s != "0" {
				strs[s] = true
			}
			if v.fixed != 0 {
				strs[w.in.list[v.fixed]] = true
			}
			if v.last != 0 {
				strs[w.in.list[v.last]] = true
			}
		}
		for _, v := range e.versions() {
			strs[w.in.list[v]] = true
		}
	}
	w.refs = make(map[string]uint64, len(strs))
	for i, s := range slices.Sorted(maps.Keys(strs)) {
		w.refs[s] = uint64(i)
	}
	w.shapes = byUse(shapes, func(a, b idShape) int {
		return cmp.Or(cmp.Compare(a.prefix, b.prefix), cmp.Compare(a.suffix, b.suffix), cmp.Compare(a.style, b.style))
	})
	w.origins = byUse(origins, strings.Compare)
	w.contexts = byUse(contexts, strings.Compare)
}

// byUse numbers things from the most to the least used.
func byUse[K comparable, N int | uint64](uses map[K]N, compare func(a, b K) int) map[K]uint64 {
	keys := slices.SortedFunc(maps.Keys(uses), func(a, b K) int {
		return cmp.Or(cmp.Compare(uses[b], uses[a]), compare(a, b))
	})
	out := make(map[K]uint64, len(keys))
	for i, k := range keys {
		out[k] = uint64(i)
	}
	return out
}

// inOrder lays out numbered things by their numbers.
func inOrder[K comparable](numbers map[K]uint64, encode func(K) []byte) [][]byte {
	out := make([][]byte, len(numbers))
	for k, n := range numbers {
		out[n] = encode(k)
	}
	return out
}

// origin encodes what a record has in common with others, and gives its flags.
func (w *shardWriter) origin(r *record) (enc string, flags byte) {
	set := func(bit byte, on bool) {
		if on {
			flags |= bit
		}
	}
	before, after, framed := strings.Cut(w.in.list[r.url], w.in.list[r.id])
	framed = framed && r.url != 0
	set(recPublished, !r.published.IsZero())
	set(recModified, !r.modified.IsZero())
	set(recWithdrawn, !r.withdrawn.IsZero() && !r.standing)
	set(recAliases, len(r.aliases.list) > 0)
	set(recRelated, len(r.related.list) > 0)
	set(recCVSS, len(r.cvss) > 0)
	set(recURL, r.url != 0 && !framed)
	set(recFramed, framed)
	b := appendString([]byte{byte(r.severity), flags}, w.in.list[r.source])
	if framed {
		b = appendString(b, before)
		b = append(b, after...)
	}
	return string(b), flags
}

func (w *shardWriter) context(s *statement) string {
	b := []byte{byte(s.state), byte(s.severity)}
	b = appendString(b, w.in.list[s.arch])
	b = appendString(b, w.in.list[s.module])
	return string(append(b, w.in.list[s.stream]...))
}

func (w *shardWriter) appendID(dst []byte, ch *idChain, id uint32) []byte {
	s := w.in.list[id]
	if shape, num, ok := splitID(s); ok {
		return ch.appendTo(dst, w.shapes[shape]+1, num)
	}
	return ch.appendTo(dst, 0, w.refs[s])
}

func (w *shardWriter) appendIDs(dst []byte, ids []uint32) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ids)))
	var ch idChain
	for _, id := range ids {
		dst = w.appendID(dst, &ch, id)
	}
	return dst
}

// record encodes what a record says apart from its identifier, what it has in common
// with others, and its statements.
func (w *shardWriter) record(r *record, flags byte) (b []byte) {
	from := int64(0)
	if flags&recPublished != 0 {
		from = dayOf(r.published)
		b = appendDay(b, from)
	}
	if flags&recModified != 0 {
		if flags&recPublished != 0 {
			b = binary.AppendUvarint(b, zigzag(dayOf(r.modified)-from))
		} else {
			b = appendDay(b, dayOf(r.modified))
		}
	}
	if flags&recWithdrawn != 0 {
		b = appendDay(b, dayOf(r.withdrawn))
	}
	if flags&recAliases != 0 {
		b = w.appendIDs(b, r.aliases.list)
	}
	if flags&recRelated != 0 {
		b = w.appendIDs(b, r.related.list)
	}
	if flags&recCVSS != 0 {
		b = binary.AppendUvarint(b, uint64(len(r.cvss)))
		for _, v := range r.cvss {
			ref := w.refs[w.in.list[v.vector]] << 1
			if v.source != r.source {
				ref |= 1
			}
			b = binary.AppendUvarint(b, ref)
			b = append(b, v.tenths)
			if v.source != r.source {
				b = binary.AppendUvarint(b, w.refs[w.in.list[v.source]])
			}
		}
	}
	if flags&recURL != 0 {
		b = binary.AppendUvarint(b, w.refs[w.in.list[r.url]])
	}
	return b
}

// body encodes the statements of one package. Before those of a record goes the
// distance of the record from the one before, and two bits: whether they are several,
// and whether their forms are as that of the last one before; and the sum of all that
// the record says of the package.
func (w *shardWriter) body(all []entry) []byte {
	groups := 0
	for i := range all {
		if i == 0 || all[i].record != all[i-1].record {
			groups++
		}
	}
	b := binary.AppendUvarint(nil, uint64(groups))
	var last, str, ctx uint64
	var heads []byte
	var sum uint64
	head := usualForm
	for i := 0; i < len(all); {
		n := 1
		for i+n < len(all) && all[i+n].record == all[i].record {
			n++
		}
		group := all[i : i+n]
		heads = heads[:0]
		same := uint64(1)
		for _, e := range group {
			c := w.contexts[w.context(e.statement)]
			h := w.head(e.statement)
			if c == ctx {
				h |= sameContext
			}
			ctx = c
			if h != head {
				same = 0
			}
			heads = append(heads, h)
			head = h | sameContext
		}
		step := zigzag(int64(uint64(group[0].record) - last))
		last = uint64(group[0].record)
		if n == 1 {
			b = binary.AppendUvarint(b, step<<2|same)
		} else {
			b = binary.AppendUvarint(b, step<<2|2|same)
			b = binary.AppendUvarint(b, uint64(n))
		}
		h := w.recSums[group[0].record]
		for _, e := range group {
			w.hashStatement(&h, e.statement)
		}
		said := mix(uint64(h))
		sum += said
		b = append(b, byte(said), byte(said>>8), byte(said>>16))
		for j, e := range group {
			if same == 0 {
				b = append(b, heads[j])
				if heads[j]&sameContext == 0 {
					b = binary.AppendUvarint(b, w.contexts[w.context(e.statement)])
				}
			}
			b = w.statement(b, e.statement, &str)
		}
		i += n
	}
	var all8 [8]byte
	binary.LittleEndian.PutUint64(all8[:], mix(sum))
	w.sums = append(w.sums, all8[:hashSize]...)
	return b
}

// head gives a statement's form.
func (w *shardWriter) head(s *statement) (head byte) {
	switch {
	case len(s.ranges()) == 1:
		head |= oneRange | w.form(s.ranges()[0])
	case len(s.ranges()) > 1:
		head |= manyRanges
	}
	if len(s.versions()) > 0 {
		head |= hasVersions
	}
	return head
}

func (w *shardWriter) statement(b []byte, s *statement, str *uint64) []byte {
	if len(s.ranges()) > 1 {
		b = binary.AppendUvarint(b, uint64(len(s.ranges())))
	}
	for _, v := range s.ranges() {
		form := w.form(v)
		if len(s.ranges()) > 1 {
			b = append(b, form)
		}
		if form&3 == startString {
			b = w.near(b, v.introduced, str)
		}
		if form&endFixed != 0 {
			b = w.near(b, v.fixed, str)
		}
		if form&endLast != 0 {
			b = w.near(b, v.last, str)
		}
	}
	if len(s.versions()) > 0 {
		b = binary.AppendUvarint(b, uint64(len(s.versions())))
		for _, v := range s.versions() {
			b = w.near(b, v, str)
		}
	}
	return b
}

func (w *shardWriter) form(v interval) (form byte) {
	switch w.in.list[v.introduced] {
	case "":
		form = startNone
	case "0":
		form = startZero
	default:
		form = startString
	}
	if v.fixed != 0 {
		form |= endFixed
	}
	if v.last != 0 {
		form |= endLast
	}
	return form
}

// near writes a string as its distance from the last one.
func (w *shardWriter) near(b []byte, s uint32, str *uint64) []byte {
	ref := w.refs[w.in.list[s]]
	b = binary.AppendUvarint(b, zigzag(int64(ref-*str)))
	*str = ref
	return b
}
