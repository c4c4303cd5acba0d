package rootfs

import (
	"encoding/binary"
	"iter"
	"strings"
	"unsafe"
)

// Entries is the list of a layer's entries in order of path (see [ComparePaths]),
// each path once. It is kept compact and searched in place: a path is written as
// what it shares with the one before, and every blockSize-th in full. The zero
// Entries is empty. It is never changed once made and may be used by several
// goroutines.
//
// One entry is
//
//	uvarint  bytes shared with the path before; 0 for the first of a block
//	uvarint  length of the rest, and the rest
//	byte     Kind
//	uvarint  Mode, UID, GID
//	Regular: uvarint Size
//	Symlink: uvarint length of Link, and Link
//	Hardlink: as Symlink, then uvarint LinkAt and Size
type Entries struct {
	n      int
	lower  int // hard links to layers below
	data   string
	blocks string // the offset in data of each block, 32 bits little endian
	at     []uint32
}

const blockSize = 16

// Len is the number of entries.
func (es *Entries) Len() int { return es.n }

// All gives the entries in order.
func (es *Entries) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for c := es.from(0); c.next(); {
			if !yield(c.entry()) {
				return
			}
		}
	}
}

// Lower gives the hard links to files of lower layers: those whose LinkAt is 0.
func (es *Entries) Lower() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		if es.lower == 0 {
			return
		}
		for c := es.from(0); c.next(); {
			if c.kind == Hardlink && c.linkAt == 0 && !yield(c.entry()) {
				return
			}
		}
	}
}

// Find gives the entry with a clean path.
func (es *Entries) Find(p string) (Entry, bool) {
	c := es.seek(p)
	if !c.ok || string(c.path) != p {
		return Entry{}, false
	}
	return c.entry(), true
}

// seek goes to the first entry whose path is not less than p.
func (es *Entries) seek(p string) cursor {
	lo, hi := 0, len(es.blocks)/4 // the last block whose first path is ≤ p
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if ComparePaths(es.first(mid), p) <= 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	c := es.from(max(lo-1, 0))
	for c.next() {
		if ComparePaths(bytesString(c.path), p) >= 0 {
			break
		}
	}
	return c
}

// holds reports whether an entry is at p or below it, and its kind if it is at p.
func (es *Entries) holds(p string) (kind Kind, at, any bool) {
	c := es.seek(p)
	if !c.ok || len(c.path) < len(p) || string(c.path[:len(p)]) != p {
		return 0, false, false
	}
	if len(c.path) == len(p) {
		return c.kind, true, true
	}
	return 0, false, c.path[len(p)] == '/' || p == ""
}

func (es *Entries) offset(block int) int {
	s := es.blocks[block*4 : block*4+4]
	return int(uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24)
}

// first gives the path of the first entry of a block.
func (es *Entries) first(block int) string {
	s := es.data[min(es.offset(block), len(es.data)):]
	_, s = uvarint(s)
	n, s := uvarint(s)
	return s[:min(n, uint64(len(s)))]
}

func (es *Entries) from(block int) cursor {
	c := cursor{es: es, i: block*blockSize - 1}
	if block*4 < len(es.blocks) {
		c.rest = es.data[min(es.offset(block), len(es.data)):]
	}
	return c
}

// cursor goes through entries. Its fields are those of the entry it stands on; path is
// overwritten by next.
type cursor struct {
	es       *Entries
	rest     string
	i        int
	ok       bool
	path     []byte
	kind     Kind
	mode     uint64
	uid, gid uint64
	size     uint64
	link     string
	linkAt   uint64
}

// next goes on by one; false at the end, or where the data make no sense.
func (c *cursor) next() bool {
	c.i++
	s := c.rest
	c.ok = false
	if s == "" || c.i >= c.es.n {
		return false
	}
	shared, s := uvarint(s)
	n, s := uvarint(s)
	if shared > uint64(len(c.path)) || n >= uint64(len(s)) {
		return false
	}
	c.path = append(c.path[:shared], s[:n]...)
	c.rest, c.ok = c.attributes(s[n:]), true
	return true
}

// attributes reads all but the path from the beginning of s, which is not empty.
func (c *cursor) attributes(s string) (rest string) {
	c.kind, s = Kind(s[0]), s[1:]
	c.mode, s = uvarint(s)
	c.uid, s = uvarint(s)
	c.gid, s = uvarint(s)
	c.size, c.link, c.linkAt = 0, "", 0
	switch c.kind {
	case Regular:
		c.size, s = uvarint(s)
	case Symlink, Hardlink:
		var n uint64
		n, s = uvarint(s)
		n = min(n, uint64(len(s)))
		c.link, s = s[:n], s[n:]
		if c.kind == Hardlink {
			c.linkAt, s = uvarint(s)
			c.size, s = uvarint(s)
		}
	}
	return s
}

func (c *cursor) entry() Entry {
	e := Entry{
		Path: string(c.path), Kind: c.kind, Mode: uint32(c.mode), UID: int(int64(c.uid)), GID: int(int64(c.gid)),
		Size: int64(c.size), Link: c.link, LinkAt: uint32(c.linkAt),
	}
	if c.es != nil && c.i < len(c.es.at) {
		e.At = c.es.at[c.i]
	}
	return e
}

// tail encodes all of e but its path.
func tail(b []byte, e *Entry) []byte {
	b = append(b, byte(e.Kind))
	b = binary.AppendUvarint(b, uint64(e.Mode))
	b = binary.AppendUvarint(b, uint64(e.UID))
	b = binary.AppendUvarint(b, uint64(e.GID))
	switch e.Kind {
	case Regular:
		b = binary.AppendUvarint(b, uint64(e.Size))
	case Symlink, Hardlink:
		b = binary.AppendUvarint(b, uint64(len(e.Link)))
		b = append(b, e.Link...)
		if e.Kind == Hardlink {
			b = binary.AppendUvarint(b, uint64(e.LinkAt))
			b = binary.AppendUvarint(b, uint64(e.Size))
		}
	}
	return b
}

// entriesBuilder makes Entries from entries that come in order.
type entriesBuilder struct {
	data, blocks []byte
	at           []uint32
	last         string
	lower        int
}

func (b *entriesBuilder) add(path string, at uint32, tail []byte) {
	shared := 0
	if len(b.at)%blockSize == 0 {
		b.blocks = binary.LittleEndian.AppendUint32(b.blocks, uint32(len(b.data)))
	} else {
		for shared < len(path) && shared < len(b.last) && path[shared] == b.last[shared] {
			shared++
		}
	}
	b.data = binary.AppendUvarint(b.data, uint64(shared))
	b.data = binary.AppendUvarint(b.data, uint64(len(path)-shared))
	b.data = append(b.data, path[shared:]...)
	b.data = append(b.data, tail...)
	b.at = append(b.at, at)
	b.last = path
}

func (b *entriesBuilder) entries() Entries {
	return Entries{n: len(b.at), lower: b.lower, data: bytesString(b.data), blocks: bytesString(b.blocks), at: b.at}
}

// AppendBinary appends a form that ReadEntries reads. At is not part of it.
func (es *Entries) AppendBinary(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(es.n))
	b = binary.AppendUvarint(b, uint64(es.lower))
	b = binary.AppendUvarint(b, uint64(len(es.data)))
	b = append(b, es.data...)
	return append(b, es.blocks...)
}

// ReadEntries takes Entries off the beginning of s and gives what follows. The memory
// of s is shared. Data that make no sense give false here, or entries that end
// early; they are meant to be protected by a checksum.
func ReadEntries(s string) (es Entries, rest string, ok bool) {
	n, s := uvarint(s)
	lower, s := uvarint(s)
	size, s := uvarint(s)
	blocks := (n + blockSize - 1) / blockSize * 4
	if n > uint64(len(s)) || lower > n || size > uint64(len(s)) || blocks > uint64(len(s))-size {
		return Entries{}, "", false
	}
	return Entries{n: int(n), lower: int(lower), data: s[:size], blocks: s[size : size+blocks]}, s[size+blocks:], true
}

// uvarint reads as binary.Uvarint does; what cannot be read is 0 and ends s.
func uvarint(s string) (uint64, string) {
	if len(s) > 0 && s[0] < 0x80 {
		return uint64(s[0]), s[1:]
	}
	var n uint64
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		c := s[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return n, s[i+1:]
		}
	}
	return 0, ""
}

// ComparePaths orders clean paths so that what lies in a folder follows it at once:
// as strings, but with the slash before any other byte.
func ComparePaths(a, b string) int {
	n := min(len(a), len(b))
	for i := 0; i < n; i++ {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		switch {
		case x == '/':
			return -1
		case y == '/':
			return 1
		case x < y:
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// below reports whether p lies in dir, at any depth.
func below(p, dir string) bool {
	return len(p) > len(dir) && (dir == "" || p[len(dir)] == '/' && strings.HasPrefix(p, dir))
}

// bytesString gives b as a string without a copy; b must not be changed while it is used.
func bytesString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
