package advisorydb

import (
	"encoding/binary"
	"math/bits"
)

// cursor reads fields from untrusted bytes. After the first field that is not there
// bad is set and every further read gives zero, so that callers check once. It moves
// by a number and not by cutting b, because writing pointers is dear while the
// garbage collector runs.
type cursor struct {
	b   []byte
	at  int
	bad bool
}

func (c *cursor) uvarint() uint64 {
	// Nearly all numbers have one or two bytes.
	if b := c.b; c.at < len(b) && b[c.at] < 0x80 {
		c.at++
		return uint64(b[c.at-1])
	} else if c.at+1 < len(b) && b[c.at+1] < 0x80 {
		c.at += 2
		return uint64(b[c.at-2]&0x7f) | uint64(b[c.at-1])<<7
	}
	v, n := binary.Uvarint(c.b[c.at:])
	if n <= 0 {
		c.fail()
		return 0
	}
	c.at += n
	return v
}

func (c *cursor) byte() byte {
	if c.at == len(c.b) {
		c.fail()
		return 0
	}
	c.at++
	return c.b[c.at-1]
}

// take gives the next n bytes, or nil.
func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.b)-c.at) {
		c.fail()
		return nil
	}
	v := c.b[c.at : c.at+int(n) : c.at+int(n)]
	c.at += int(n)
	return v
}

// rest gives what was not read yet.
func (c *cursor) rest() []byte { return c.b[c.at:] }

// count reads a number of things that take at least one byte each, so that nothing
// is allocated for more than can be there.
func (c *cursor) count() int {
	n := c.uvarint()
	if n > uint64(len(c.b)-c.at) {
		c.fail()
		return 0
	}
	return int(n)
}

func (c *cursor) fail() {
	c.at, c.bad = len(c.b), true
}

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// appendFront writes how much a string has in common with the one before it and how
// many bytes of its own follow: in one byte where both are under 15.
func appendFront(dst []byte, keep, size int) []byte {
	dst = append(dst, byte(min(keep, 15)<<4|min(size, 15)))
	if keep >= 15 {
		dst = binary.AppendUvarint(dst, uint64(keep-15))
	}
	if size >= 15 {
		dst = binary.AppendUvarint(dst, uint64(size-15))
	}
	return dst
}

// front is the reverse of appendFront.
func (c *cursor) front() (keep, size uint64) {
	b := c.byte()
	keep, size = uint64(b>>4), uint64(b&15)
	if keep == 15 {
		keep += c.uvarint()
	}
	if size == 15 {
		size += c.uvarint()
	}
	return keep, size
}

// shared gives the length of the common prefix.
func shared[A, B ~string | ~[]byte](a A, b B) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// keyHash is FNV-1a over 64 bits with a final mix; it is part of the format.
func keyHash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

// The bloom filter spends six bits a key on four probes: 6 % of misses read a block
// all the same.
const (
	bloomBits   = 6
	bloomProbes = 4
)

// bloomProbe gives the i-th bit of a key in a filter of n bits.
func bloomProbe(h uint64, i int, n uint64) uint64 {
	x := uint32(h) + uint32(i)*(uint32(h>>32)|1)
	hi, _ := bits.Mul64(uint64(x)<<32, n)
	return hi
}

func bloomOf(keys []string) []byte {
	b := make([]byte, (len(keys)*bloomBits+7)/8)
	for _, k := range keys {
		h := keyHash(k)
		for i := range bloomProbes {
			bit := bloomProbe(h, i, uint64(len(b))*8)
			b[bit/8] |= 1 << (bit % 8)
		}
	}
	return b
}
