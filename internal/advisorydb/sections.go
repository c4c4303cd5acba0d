package advisorydb

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The layout of a shard file; doc.go has the plan.
const (
	magic       = "PLIMSADV"
	formatMajor = 2
	headerSize  = 104
	pageSize    = 4096
	// stringGroup strings share one offset, recordGroup records too: reading one goes
	// through those before it in its group.
	stringGroup = 8
	recordGroup = 16
	// blockTarget is the size at which a block of the table is closed. One key and its
	// body are never parted, so that a block may be larger.
	blockTarget = 1024
	// maxString bounds every string given to the builder and found in a shard.
	maxString = 4096
)

// The sections of a shard, in the order of the header.
const (
	secMeta = iota
	secStrings
	secShapes
	secOrigins
	secContexts
	secRecords
	secTable
	secBloom
	secHashes
	numSections
)

// section says where in the body something lies.
type section struct{ off, size uint64 }

// seal puts header and sums before the sections of a shard.
func seal(kind Kind, parts [numSections][]byte) ([]byte, error) {
	body := 0
	for _, p := range parts {
		body += len(p)
	}
	pages := (body + pageSize - 1) / pageSize
	size := headerSize + 4*pages + body
	if size > maxShard {
		return nil, fmt.Errorf("shard would have %d bytes, over the limit of %d", size, maxShard)
	}
	b := make([]byte, headerSize+4*pages, size)
	copy(b, magic)
	binary.LittleEndian.PutUint16(b[8:], formatMajor)
	b[10] = kindNumbers[kind]
	b[11] = numSections
	binary.LittleEndian.PutUint64(b[16:], uint64(size))
	off := 0
	for i, p := range parts {
		binary.LittleEndian.PutUint32(b[24+8*i:], uint32(off))
		binary.LittleEndian.PutUint32(b[28+8*i:], uint32(len(p)))
		off += len(p)
		b = append(b, p...)
	}
	reseal(b)
	return b, nil
}

// reseal computes the sums of a shard whose header and body are in place.
func reseal(b []byte) {
	size := len(b) - headerSize
	pages := (size + pageSize + 3) / (pageSize + 4)
	body := b[headerSize+4*pages:]
	for i := range pages {
		page := body[i*pageSize : min((i+1)*pageSize, len(body))]
		binary.LittleEndian.PutUint32(b[headerSize+4*i:], crc32.Checksum(page, castagnoli))
	}
	binary.LittleEndian.PutUint32(b[headerSize-8:], crc32.Checksum(b[headerSize:headerSize+4*pages], castagnoli))
	binary.LittleEndian.PutUint32(b[headerSize-4:], crc32.Checksum(b[:headerSize-4], castagnoli))
}

// castagnoli is the CRC that processors compute by themselves.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendStrings lays out sorted strings: their count, the offset of each group, the
// groups. In a group each string is what it shares with the one before and the rest.
func appendStrings(dst []byte, sorted []string) []byte {
	var data []byte
	offs := make([]uint32, 0, len(sorted)/stringGroup+1)
	for i, s := range sorted {
		n := 0
		if i%stringGroup == 0 {
			offs = append(offs, uint32(len(data)))
		} else {
			n = shared(sorted[i-1], s)
		}
		data = binary.AppendUvarint(data, uint64(n))
		data = appendString(data, s[n:])
	}
	return appendGroups(dst, len(sorted), offs, data)
}

// appendList lays out items that are found by number, group of them to an offset.
func appendList(dst []byte, items [][]byte, group int) []byte {
	var data []byte
	offs := make([]uint32, 0, len(items)/group+1)
	for i, it := range items {
		if i%group == 0 {
			offs = append(offs, uint32(len(data)))
		}
		data = binary.AppendUvarint(data, uint64(len(it)))
		data = append(data, it...)
	}
	return appendGroups(dst, len(items), offs, data)
}

func appendGroups(dst []byte, count int, offs []uint32, data []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(count))
	for _, o := range offs {
		dst = binary.LittleEndian.AppendUint32(dst, o)
	}
	return append(dst, data...)
}

// appendTable lays out sorted keys with their bodies: number of blocks, of keys and of bytes
// of separators; for each block the offsets of its data and of its separator; separators;
// blocks. A block's separator is the shortest string that is over every key before it
// and not over its first.
func appendTable(dst []byte, keys []string, bodies [][]byte) []byte {
	var index, seps, data []byte
	blocks, start := 0, 0
	for i, k := range keys {
		n := 0
		if i == 0 || len(data)-start >= blockTarget {
			sep := k
			if i == 0 {
				sep = ""
			} else if n := shared(keys[i-1], k); n < len(k) {
				sep = k[:n+1]
			}
			index = binary.LittleEndian.AppendUint32(index, uint32(len(data)))
			index = binary.LittleEndian.AppendUint32(index, uint32(len(seps)))
			seps = append(seps, sep...)
			blocks++
			start = len(data)
		} else {
			n = shared(keys[i-1], k)
		}
		data = binary.AppendUvarint(data, uint64(n))
		data = appendString(data, k[n:])
		data = binary.AppendUvarint(data, uint64(len(bodies[i])))
		data = append(data, bodies[i]...)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(blocks))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(keys)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(seps)))
	dst = append(dst, index...)
	dst = append(dst, seps...)
	return append(dst, data...)
}
