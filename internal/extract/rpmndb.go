package extract

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
)

// The NDB form, rpm's own ("lib/backend/ndb/rpmpkg.c" of rpm, where it is defined):
// little-endian words; a header of 32 bytes; slots of 16 bytes that fill the pages
// the header counts, each with a package number and where its blob lies, in blocks
// of 16 bytes; the blobs, each between a head and a tail.
const (
	ndbMagic     = "RpmP"
	ndbSlotMagic = 'S' | 'l'<<8 | 'o'<<16 | 't'<<24
	ndbHeadMagic = 'B' | 'l'<<8 | 'b'<<16 | 'S'<<24
	ndbTailMagic = 'B' | 'l'<<8 | 'b'<<16 | 'E'<<24
	ndbPage      = 4096
	ndbSlot      = 16
	ndbBlock     = 16
	ndbHeader    = 32
	ndbHeadSize  = 16
	ndbTailSize  = 12
)

// rpmNdb gives the blob of each package in an NDB database. Damaged blobs are an
// error, after all the others were given.
func rpmNdb(db []byte, fn func([]byte) error) error {
	if len(db) < ndbHeader || string(db[:4]) != ndbMagic {
		return errors.New("not an NDB database")
	}
	if v := binary.LittleEndian.Uint32(db[4:]); v != 0 {
		return fmt.Errorf("the NDB database has the unknown version %d", v)
	}
	pages := uint64(binary.LittleEndian.Uint32(db[12:]))
	if pages == 0 || pages*ndbPage > uint64(len(db)) {
		return fmt.Errorf("the NDB database claims %d pages of slots in %d bytes", pages, len(db))
	}
	// Blobs do not overlap: all of them are no longer than the file.
	left := uint64(len(db))
	var bad error
	for slots := db[ndbHeader : pages*ndbPage]; len(slots) >= ndbSlot; slots = slots[ndbSlot:] {
		if m := binary.LittleEndian.Uint32(slots); m != ndbSlotMagic {
			return errors.New("a slot of the NDB database is damaged")
		}
		number := binary.LittleEndian.Uint32(slots[4:])
		if number == 0 {
			continue // free
		}
		offset := uint64(binary.LittleEndian.Uint32(slots[8:])) * ndbBlock
		size := uint64(binary.LittleEndian.Uint32(slots[12:])) * ndbBlock
		if offset < pages*ndbPage || offset+size > uint64(len(db)) || size > left {
			bad = fmt.Errorf("package %d of the NDB database lies outside of the file", number)
			continue
		}
		left -= size
		blob, err := ndbBlob(db[offset:offset+size], number)
		if err != nil {
			bad = err
			continue
		}
		if err := fn(blob); err != nil {
			return err
		}
	}
	return bad
}

// ndbBlob unwraps a blob and tests it against its checksum.
func ndbBlob(b []byte, number uint32) ([]byte, error) {
	if len(b) < ndbHeadSize+ndbTailSize || binary.LittleEndian.Uint32(b) != ndbHeadMagic ||
		binary.LittleEndian.Uint32(b[4:]) != number {
		return nil, fmt.Errorf("package %d of the NDB database has no head", number)
	}
	size := uint64(binary.LittleEndian.Uint32(b[12:]))
	tail := b[len(b)-ndbTailSize:]
	if size > uint64(len(b)-ndbHeadSize-ndbTailSize) || binary.LittleEndian.Uint32(tail[8:]) != ndbTailMagic ||
		uint64(binary.LittleEndian.Uint32(tail[4:])) != size {
		return nil, fmt.Errorf("package %d of the NDB database has no tail", number)
	}
	if adler32.Checksum(b[:len(b)-ndbTailSize]) != binary.LittleEndian.Uint32(tail) {
		return nil, fmt.Errorf("package %d of the NDB database does not match its checksum", number)
	}
	return b[ndbHeadSize:][:size], nil
}
