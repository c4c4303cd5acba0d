package advisorydb

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The layout of a shard file; doc.go has the plan.
const (
	magic       = "PLIMSADV"
	formatMajor = 3
	headerSize  = 112
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
	secRanks
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
// groups. In a group each string is what it shares with the one before and the rest,
// in symbols.
func appendStrings(dst []byte, sorted []string, y *symbols) []byte {
	var data, enc []byte
	offs := make([]uint32, 0, len(sorted)/stringGroup+1)
	for i, s := range sorted {
		if i%stringGroup == 0 {
			offs = append(offs, uint32(len(data)))
		}
		n := stringKeep(sorted, i)
		enc = y.append(enc[:0], s[n:])
		data = appendFront(data, n, len(enc))
		data = append(data, enc...)
	}
	return appendGroups(dst, len(sorted), offs, data)
}

// stringKeep tells how much string i shares with the one before it in its group.
func stringKeep(sorted []string, i int) int {
	if i%stringGroup == 0 {
		return 0
	}
	return shared(sorted[i-1], sorted[i])
}

// shardSymbols chooses the symbols for a shard's strings and keys by what is left of
// them beside what they share with the one before.
func shardSymbols(sorted, keys []string) *symbols {
	rests := make([]string, 0, len(sorted)+len(keys))
	for i, s := range sorted {
		rests = append(rests, s[stringKeep(sorted, i):])
	}
	for i, k := range keys {
		n := 0
		if i > 0 {
			n = shared(keys[i-1], k)
		}
		rests = append(rests, k[n:])
	}
	return learnSymbols(rests)
}

// appendList lays out items that are found by number, each by its offset.
func appendList(dst []byte, items [][]byte) []byte {
	var data []byte
	offs := make([]uint32, len(items))
	for i, it := range items {
		offs[i] = uint32(len(data))
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
//
// Before a body goes twice its length. One that stood before, as binary packages of one
// source often say the same, is left out; then there goes twice the distance back to
// it and 1.
func appendTable(dst []byte, keys []string, bodies [][]byte, y *symbols) []byte {
	var index, seps, data, enc []byte
	blocks, start := 0, 0
	places := make(map[string]int)
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
		enc = y.append(enc[:0], k[n:])
		data = appendFront(data, n, len(enc))
		data = append(data, enc...)
		body := bodies[i]
		if at, ok := places[string(body)]; ok && len(body) > 3 {
			data = binary.AppendUvarint(data, uint64(len(data)-at)<<1|1)
			continue
		}
		places[string(body)] = len(data)
		data = binary.AppendUvarint(data, uint64(len(body))<<1)
		data = append(data, body...)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(blocks))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(keys)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(seps)))
	dst = append(dst, index...)
	dst = append(dst, seps...)
	return append(dst, data...)
}

// appendRecords lays out records in groups: each is an identifier in a chain over its
// group, the place of its origin, and what else it has. Twice the place goes before
// one that has nothing else; else that and 1, and the length of the rest.
func appendRecords(dst []byte, heads [][]byte, origins []uint64, rests [][]byte) []byte {
	var data []byte
	offs := make([]uint32, 0, len(heads)/recordGroup+1)
	for i := range heads {
		if i%recordGroup == 0 {
			offs = append(offs, uint32(len(data)))
		}
		data = append(data, heads[i]...)
		if len(rests[i]) == 0 {
			data = binary.AppendUvarint(data, origins[i]<<1)
			continue
		}
		data = binary.AppendUvarint(data, origins[i]<<1|1)
		data = binary.AppendUvarint(data, uint64(len(rests[i])))
		data = append(data, rests[i]...)
	}
	return appendGroups(dst, len(heads), offs, data)
}
