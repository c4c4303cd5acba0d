package extract

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Berkeley DB, as rpm used it up to 4.15: one hash table, from package number to
// header ("db_page.h" of Berkeley DB, where the form is defined). Words are in the
// byte order of the machine that made the file; the magic number tells which.
const (
	bdbHashMagic  = 0x061561
	bdbBtreeMagic = 0x053162

	bdbPageInvalid      = 0
	bdbPageHashUnsorted = 2
	bdbPageOverflow     = 7
	bdbPageHashMeta     = 8
	bdbPageHash         = 13

	bdbItemKeyData = 1
	bdbItemOffPage = 3

	bdbPageHead    = 26 // before the offsets of the items
	bdbOffPageSize = 12
)

// bdbFile is a Berkeley DB in memory. Each page is read once.
type bdbFile struct {
	db    []byte
	order binary.ByteOrder
	page  int
	used  []bool
	spill []byte
}

// rpmBdb gives the header of each package of a Berkeley DB database.
func rpmBdb(db []byte, fn func([]byte) error) error {
	if len(db) < 512 {
		return errors.New("not an rpm database")
	}
	f := &bdbFile{db: db, order: binary.LittleEndian}
	if magic := f.order.Uint32(db[12:]); magic != bdbHashMagic {
		f.order = binary.BigEndian
		switch f.order.Uint32(db[12:]) {
		case bdbHashMagic:
		case bdbBtreeMagic, bits.ReverseBytes32(bdbBtreeMagic):
			return errors.New("the Berkeley DB is a tree, not a hash table")
		default:
			return errors.New("not an rpm database: neither SQLite, NDB nor Berkeley DB")
		}
	}
	size := f.order.Uint32(db[20:])
	switch {
	case size < 512 || size > 65536 || size&(size-1) != 0:
		return fmt.Errorf("the Berkeley DB has pages of %d bytes", size)
	case db[24] != 0:
		return errors.New("the Berkeley DB is encrypted")
	case db[25] != bdbPageHashMeta:
		return fmt.Errorf("the Berkeley DB begins with a page of type %d", db[25])
	case db[26]&1 != 0:
		return errors.New("the Berkeley DB has checksums in its pages, which rpm never wrote")
	}
	f.page = int(size)
	f.used = make([]bool, len(db)/f.page+1)
	return f.walk(fn)
}

// walk reads bucket after bucket: a page each, and those chained to it. Buckets were
// allocated in groups that double; spares holds where each group begins.
func (f *bdbFile) walk(fn func([]byte) error) error {
	buckets := uint64(f.order.Uint32(f.db[72:])) + 1
	if buckets > uint64(len(f.db)/f.page) {
		return fmt.Errorf("the Berkeley DB claims %d buckets: the file is cut off", buckets)
	}
	for b := range uint32(buckets) {
		spare := f.order.Uint32(f.db[96+4*bits.Len32(b):])
		for next := b + spare; next != 0; {
			page, err := f.take(next)
			if err != nil {
				return err
			}
			if err := f.items(page, fn); err != nil {
				return fmt.Errorf("page %d: %w", next, err)
			}
			next = f.order.Uint32(page[16:])
		}
	}
	return nil
}

// take gives page n, once. Page 0 describes the file.
func (f *bdbFile) take(n uint32) ([]byte, error) {
	if n == 0 || (uint64(n)+1)*uint64(f.page) > uint64(len(f.db)) {
		return nil, fmt.Errorf("page %d lies outside of the Berkeley DB: the file is cut off", n)
	}
	if f.used[n] {
		return nil, fmt.Errorf("page %d of the Berkeley DB is used twice", n)
	}
	f.used[n] = true
	return f.db[int(n)*f.page:][:f.page], nil
}

// items gives the values on a page of the hash table. Items grow from the end of the
// page downwards, key and value in turn; each ends where the one before begins.
func (f *bdbFile) items(page []byte, fn func([]byte) error) error {
	switch page[25] {
	case bdbPageHash, bdbPageHashUnsorted:
	case bdbPageInvalid:
		return nil // reserved, never used
	default:
		return fmt.Errorf("a bucket of the Berkeley DB holds a page of type %d", page[25])
	}
	count := int(f.order.Uint16(page[20:]))
	if bdbPageHead+2*count > len(page) || count%2 != 0 {
		return fmt.Errorf("a page of the Berkeley DB claims %d items", count)
	}
	end := len(page)
	var key []byte
	for i := range count {
		at := int(f.order.Uint16(page[bdbPageHead+2*i:]))
		if at >= end || at < bdbPageHead+2*count {
			return errors.New("the items on a page of the Berkeley DB overlap")
		}
		item := page[at:end]
		end = at
		if i%2 == 0 {
			key = item
			continue
		}
		// Number 0 holds the next free number, not a package.
		if len(key) != 5 || key[0] != bdbItemKeyData {
			return errors.New("a key of the Berkeley DB is not a package number")
		}
		if f.order.Uint32(key[1:]) == 0 {
			continue
		}
		var err error
		switch {
		case item[0] == bdbItemKeyData:
			item = item[1:]
		case item[0] == bdbItemOffPage && len(item) == bdbOffPageSize:
			item, err = f.overflow(f.order.Uint32(item[4:]), f.order.Uint32(item[8:]))
		default:
			err = fmt.Errorf("an item of the Berkeley DB has type %d and %d bytes", item[0], len(item))
		}
		if err != nil {
			return err
		}
		if err := fn(item); err != nil {
			return err
		}
	}
	return nil
}

// overflow puts a value of size bytes together from its chain of pages. The result
// is valid until the next call.
func (f *bdbFile) overflow(n, size uint32) ([]byte, error) {
	if uint64(size) > uint64(len(f.db)) {
		return nil, fmt.Errorf("a value of the Berkeley DB claims %d bytes", size)
	}
	buf := f.spill[:0]
	for n != 0 {
		page, err := f.take(n)
		if err != nil {
			return nil, err
		}
		used := int(f.order.Uint16(page[22:]))
		if page[25] != bdbPageOverflow || used > len(page)-bdbPageHead || len(buf)+used > int(size) {
			return nil, fmt.Errorf("page %d of the Berkeley DB is not the overflow page it should be", n)
		}
		buf = append(buf, page[bdbPageHead:][:used]...)
		n = f.order.Uint32(page[16:])
	}
	f.spill = buf
	if len(buf) != int(size) {
		return nil, errors.New("a value of the Berkeley DB is cut off")
	}
	return buf, nil
}
