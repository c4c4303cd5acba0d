package advisorydb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
)

// shard is one open file. Its bytes are untrusted: every read goes through
// bytes, which keeps to the file and checks the sums.
type shard struct {
	info  Shard
	unmap func() error
	body  []byte
	sums  []byte
	// checked has a bit for each page whose sum was found right.
	checked []atomic.Uint32
	secs    [numSections]section
	symbols [][]byte
	strings group
	shapes  group
	origins group
	context group
	records group
	table   table
	// pivots are the first versions that a search among the ranked ones meets, as a heap
	// from 1 on, once they were met and are valid.
	pivots []atomic.Pointer[string]
}

// maxPivots is for seven halvings, after which a search meets what others do not.
const maxPivots = 1 << 7

// group is a section of things found by number, so many to an offset.
type group struct {
	count uint64
	per   uint64
	offs  uint64 // of the offsets
	data  section
}

type table struct {
	blocks  uint64
	offs    uint64
	seps    section
	data    section
	bloom   section
	numKeys uint64
}

// openShard maps a shard of the snapshot in dir and checks what concerns the whole of it.
func openShard(dir string, info Shard) (*shard, error) {
	s := &shard{info: info}
	path := filepath.Join(dir, filepath.FromSlash(shardPath(info.Digest)))
	data, unmap, err := mapFile(path, info.Size)
	var has wrongSize
	switch {
	case errors.Is(err, errNotRegular):
		return nil, s.errorf("is not a regular file")
	case errors.As(err, &has):
		return nil, s.errorf("has %d bytes, but the manifest says %d: it is truncated or was changed", has, info.Size)
	case err != nil:
		return nil, s.errorf("cannot be opened: %v", plainPathError(err))
	}
	s.unmap = unmap
	if err := guard(func() error { return s.parse(data) }); err != nil {
		_ = unmap() // the first error is the one to tell
		return nil, s.wrap(err)
	}
	return s, nil
}

// What a shard's file is not.
var errNotRegular = errors.New("it is not a regular file")

type wrongSize int64

func (n wrongSize) Error() string { return fmt.Sprintf("it has %d bytes", int64(n)) }

// plainPathError leaves out the path, which the message has already.
func plainPathError(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// damaged is what is wrong inside a file; wrap adds which file.
type damaged string

func (d damaged) Error() string { return string(d) }

func (s *shard) errorf(format string, args ...any) error {
	of := s.info.Ecosystem
	if of == "" {
		of = s.info.Name
	}
	return fmt.Errorf("advisory shard %s (%s) "+format, append([]any{shardPath(s.info.Digest), of}, args...)...)
}

func (s *shard) wrap(err error) error {
	if err == nil {
		return nil
	}
	return s.errorf("cannot be read: %v", err)
}

// parse checks header, sums of sums, and the frames of all sections.
func (s *shard) parse(b []byte) error {
	if len(b) < headerSize || string(b[:8]) != magic {
		return damaged("it is not an advisory shard")
	}
	if crc32.Checksum(b[:headerSize-4], castagnoli) != binary.LittleEndian.Uint32(b[headerSize-4:]) {
		return damaged("its header is damaged")
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != formatMajor {
		return damaged(fmt.Sprintf("its format is %d, this program reads %d", v, formatMajor))
	}
	if b[10] != kindNumbers[s.info.Kind] || b[11] != numSections {
		return damaged("it is of another kind than the manifest says")
	}
	if binary.LittleEndian.Uint64(b[16:]) != uint64(len(b)) {
		return damaged("it is truncated")
	}
	pages := (len(b) - headerSize + pageSize + 3) / (pageSize + 4)
	if headerSize+4*pages > len(b) {
		return damaged("it is truncated")
	}
	s.sums = b[headerSize : headerSize+4*pages]
	s.body = b[headerSize+4*pages:]
	if len(s.body) > pages*pageSize || crc32.Checksum(s.sums, castagnoli) != binary.LittleEndian.Uint32(b[headerSize-8:]) {
		return damaged("its sums are damaged")
	}
	s.checked = make([]atomic.Uint32, (pages+31)/32)
	for i := range s.secs {
		off := uint64(binary.LittleEndian.Uint32(b[24+8*i:]))
		size := uint64(binary.LittleEndian.Uint32(b[28+8*i:]))
		if off+size > uint64(len(s.body)) {
			return damaged("a section lies outside")
		}
		s.secs[i] = section{off, size}
	}
	return s.frames()
}

func (s *shard) frames() error {
	meta, err := s.bytes(s.secs[secMeta].off, s.secs[secMeta].size)
	if err != nil {
		return err
	}
	c := cursor{b: meta}
	ecosystem := string(c.take(c.uvarint()))
	packages, records := c.uvarint(), c.uvarint()
	if c.bad || ecosystem != s.info.Ecosystem || packages != uint64(s.info.Packages) || records != uint64(s.info.Records) {
		return damaged("its ecosystem or its counts are not those of the manifest")
	}
	for c.at < len(c.b) {
		symbol := c.take(c.uvarint())
		if c.bad || len(symbol) > maxSymbol || len(s.symbols) == maxSymbols {
			return damaged("its symbols are cut short")
		}
		s.symbols = append(s.symbols, symbol)
	}
	for _, g := range []struct {
		into *group
		sec  int
		per  uint64
	}{
		{&s.strings, secStrings, stringGroup},
		{&s.shapes, secShapes, 1},
		{&s.origins, secOrigins, 1},
		{&s.context, secContexts, 1},
		{&s.records, secRecords, recordGroup},
	} {
		if *g.into, err = s.group(s.secs[g.sec], g.per); err != nil {
			return err
		}
	}
	if s.records.count != records {
		return damaged("its records are not as many as it says")
	}
	if s.secs[secRanks].size > 0 {
		s.pivots = make([]atomic.Pointer[string], maxPivots)
	}
	s.table, err = s.frameTable(s.secs[secTable], s.secs[secBloom])
	if err == nil && s.table.numKeys != packages {
		return damaged("its keys are not as many as it says")
	}
	if err == nil && s.info.Kind == KindPackages && s.secs[secHashes].size != keysSum+hashSize*packages {
		return damaged("its sums of packages are not as many as it says")
	}
	return err
}

func (s *shard) group(sec section, per uint64) (group, error) {
	if sec.size == 0 {
		return group{per: per}, nil
	}
	b, err := s.bytes(sec.off, min(sec.size, 4))
	if err != nil || len(b) < 4 {
		return group{}, errors.Join(damaged("a section is cut short"), err)
	}
	g := group{count: uint64(binary.LittleEndian.Uint32(b)), per: per, offs: sec.off + 4}
	head := 4 + 4*((g.count+per-1)/per)
	if head > sec.size {
		return group{}, damaged("a section is shorter than its count")
	}
	g.data = section{sec.off + head, sec.size - head}
	return g, nil
}

func (s *shard) frameTable(sec, bloom section) (table, error) {
	b, err := s.bytes(sec.off, min(sec.size, 12))
	if err != nil || len(b) < 12 {
		return table{}, errors.Join(damaged("the table is cut short"), err)
	}
	t := table{
		blocks:  uint64(binary.LittleEndian.Uint32(b)),
		numKeys: uint64(binary.LittleEndian.Uint32(b[4:])),
		offs:    sec.off + 12,
		bloom:   bloom,
	}
	seps := uint64(binary.LittleEndian.Uint32(b[8:]))
	head := 12 + 8*t.blocks
	if head+seps > sec.size || (t.numKeys > 0) != (t.blocks > 0) || (t.numKeys > 0) != (bloom.size > 0) {
		return table{}, damaged("the table is shorter than its counts")
	}
	t.seps = section{sec.off + head, seps}
	t.data = section{sec.off + head + seps, sec.size - head - seps}
	return t, nil
}

// bytes gives part of the body, its sums checked. The bytes are the file's: they must
// not be changed, nor kept after the shard is closed.
func (s *shard) bytes(off, n uint64) ([]byte, error) {
	if off > uint64(len(s.body)) || n > uint64(len(s.body))-off {
		return nil, damaged("an offset points outside")
	}
	if n == 0 {
		return nil, nil
	}
	for page := off / pageSize; page <= (off+n-1)/pageSize; page++ {
		if s.checked[page/32].Load()&(1<<(page%32)) == 0 {
			if err := s.checkPage(page); err != nil {
				return nil, err
			}
		}
	}
	return s.body[off : off+n : off+n], nil
}

func (s *shard) checkPage(page uint64) error {
	b := s.body[page*pageSize : min((page+1)*pageSize, uint64(len(s.body)))]
	if crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(s.sums[4*page:]) {
		return damaged(fmt.Sprintf("the 4 KiB at byte %d do not match their sum", headerSize+len(s.sums)+int(page)*pageSize))
	}
	s.checked[page/32].Or(1 << (page % 32))
	return nil
}

// within gives the bytes of a section from one offset to the next.
func (s *shard) within(sec section, from, to uint64) ([]byte, error) {
	if from > to || to > sec.size {
		return nil, damaged("an offset points outside its section")
	}
	return s.bytes(sec.off+from, to-from)
}

// members gives the bytes of the group that holds item i, and i's place in it.
func (s *shard) members(g *group, i uint64) ([]byte, uint64, error) {
	if i >= g.count {
		return nil, 0, damaged("a reference to something that is not there")
	}
	k := i / g.per
	last := (k+1)*g.per >= g.count
	n := uint64(8)
	if last {
		n = 4
	}
	b, err := s.bytes(g.offs+4*k, n)
	if err != nil {
		return nil, 0, err
	}
	to := g.data.size
	if !last {
		to = uint64(binary.LittleEndian.Uint32(b[4:]))
	}
	b, err = s.within(g.data, uint64(binary.LittleEndian.Uint32(b)), to)
	return b, i % g.per, err
}

// item gives item i of a list whose groups have one member.
func (s *shard) item(g *group, i uint64) (cursor, error) {
	b, _, err := s.members(g, i)
	if err != nil {
		return cursor{}, err
	}
	c := cursor{b: b}
	v := c.take(c.uvarint())
	if c.bad {
		return cursor{}, damaged("a list item is cut short")
	}
	return cursor{b: v}, nil
}

// appendString appends string i to dst.
func (s *shard) appendString(dst []byte, i uint64) ([]byte, error) {
	b, n, err := s.members(&s.strings, i)
	if err != nil {
		return dst, err
	}
	c := cursor{b: b}
	var keep, need [stringGroup]uint64
	var rest [stringGroup][]byte
	for j := range n + 1 {
		var size uint64
		keep[j], size = c.front()
		rest[j] = c.take(size)
		if size > 2*maxString {
			c.fail()
		}
	}
	if c.bad {
		return dst, damaged("a string is cut short")
	}
	// Of those before it no more is put together than what is left of them in string i.
	need[n] = maxString + 1
	for j := n; j > 0; j-- {
		need[j-1] = min(need[j], keep[j])
	}
	start := uint64(len(dst))
	for j := range n + 1 {
		if need[j] <= keep[j] {
			continue
		}
		var ok bool
		if keep[j] > uint64(len(dst))-start {
			return dst[:start], damaged("a string is cut short")
		}
		if dst, ok = expand(dst[:start+keep[j]], s.symbols, rest[j], int(start+need[j])); !ok {
			return dst[:start], damaged("a string is cut short")
		}
	}
	if uint64(len(dst))-start > maxString {
		return dst[:start], damaged("a string is cut short")
	}
	return dst, nil
}

// string gives string i.
func (s *shard) string(i uint64) (string, error) {
	b, err := s.appendString(nil, i)
	return string(b), err
}

// find gives the body under key in the table.
func (s *shard) find(key string) (body []byte, ok bool, err error) {
	t := &s.table
	if t.blocks == 0 {
		return nil, false, nil
	}
	h, n := keyHash(key), t.bloom.size*8
	for i := range bloomProbes {
		bit := bloomProbe(h, i, n)
		b, err := s.bytes(t.bloom.off+bit/8, 1)
		if err != nil {
			return nil, false, err
		}
		if b[0]&(1<<(bit%8)) == 0 {
			return nil, false, nil
		}
	}
	// The last block whose separator is not over key.
	lo, hi := uint64(0), t.blocks
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		sep, err := s.separator(mid)
		if err != nil {
			return nil, false, err
		}
		if string(sep) <= key {
			lo = mid
		} else {
			hi = mid
		}
	}
	block, from, err := s.block(lo)
	if err != nil {
		return nil, false, err
	}
	// Keys ascend and each tells what it shares with the one before, so that no key
	// need be put together: same is what key shares with the last one below it.
	c := cursor{b: block}
	same := uint64(0)
	var room [128]byte
	for first := true; c.at < len(c.b); first = false {
		keep, size := c.front()
		enc := c.take(size)
		at := c.at
		body, back := c.body()
		if c.bad || first && keep != 0 {
			return nil, false, damaged("a block of the table is cut short")
		}
		if keep > same {
			continue
		}
		if keep < same {
			return nil, false, nil
		}
		rest, ok := expand(room[:0], s.symbols, enc, math.MaxInt)
		if !ok {
			return nil, false, damaged("a key of the table is damaged")
		}
		n := uint64(shared(rest, key[same:]))
		same += n
		switch {
		case n == uint64(len(rest)) && same == uint64(len(key)):
			if back > 0 {
				body, err = s.bodyAt(from+uint64(at), back)
			}
			return body, err == nil, err
		case n < uint64(len(rest)) && (same == uint64(len(key)) || rest[n] > key[same]):
			return nil, false, nil
		}
	}
	return nil, false, nil
}

// body reads a body of the table, or how far back it is.
func (c *cursor) body() (body []byte, back uint64) {
	v := c.uvarint()
	if v&1 != 0 {
		return nil, v >> 1
	}
	return c.take(v >> 1), 0
}

// bodyAt reads the body that stands back bytes before at in the table.
func (s *shard) bodyAt(at, back uint64) ([]byte, error) {
	if back > at {
		return nil, damaged("a body of the table lies outside")
	}
	from := at - back
	b, err := s.within(s.table.data, from, min(from+binary.MaxVarintLen64, at))
	if err != nil {
		return nil, err
	}
	c := cursor{b: b}
	v := c.uvarint()
	from += uint64(c.at)
	if c.bad || v&1 != 0 || v>>1 > at-from {
		return nil, damaged("a body of the table is cut short")
	}
	return s.within(s.table.data, from, from+v>>1)
}

func (s *shard) separator(i uint64) ([]byte, error) {
	from, to, err := s.indexPair(i, 4, s.table.seps.size)
	if err != nil {
		return nil, err
	}
	return s.within(s.table.seps, from, to)
}

// block gives a block of the table and where in its data it begins.
func (s *shard) block(i uint64) (b []byte, from uint64, err error) {
	from, to, err := s.indexPair(i, 0, s.table.data.size)
	if err != nil {
		return nil, 0, err
	}
	b, err = s.within(s.table.data, from, to)
	return b, from, err
}

// indexPair reads one of the two offsets of block i and the same of the next.
func (s *shard) indexPair(i, field, end uint64) (from, to uint64, err error) {
	n := uint64(16)
	if i+1 >= s.table.blocks {
		n, to = 8, end
	}
	b, err := s.bytes(s.table.offs+8*i, n)
	if err != nil {
		return 0, 0, err
	}
	if n == 16 {
		to = uint64(binary.LittleEndian.Uint32(b[8+field:]))
	}
	return uint64(binary.LittleEndian.Uint32(b[field:])), to, nil
}
