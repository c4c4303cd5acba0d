package extract

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// sqliteMagic begins every SQLite database.
const sqliteMagic = "SQLite format 3\x00"

// sqliteDB reads tables of a SQLite database in memory (sqlite.org/fileformat2.html).
// A database uses each page for one thing only and no byte twice; both are held
// against the file, so a walk costs no more than the file is long.
type sqliteDB struct {
	db     []byte
	page   int // bytes in a page
	usable int // without the reserved bytes at its end
	used   []bool
	left   int    // bytes of payload that may still be read
	spill  []byte // for payloads on overflow pages, reused
}

// rpmSqlite gives the blob of each row in the table Packages of an rpm database.
func rpmSqlite(db []byte, fn func([]byte) error) error {
	s, err := sqliteOpen(db)
	if err != nil {
		return err
	}
	root := uint32(0)
	err = s.walk(1, 0, func(rec []byte) error {
		var col [4]sqliteValue
		n, err := sqliteRecord(rec, col[:])
		if err != nil || n < 4 {
			return errors.Join(err, errors.New("reading the schema of the database"))
		}
		if string(col[0].data) == "table" && string(col[1].data) == "Packages" {
			root = uint32(col[3].integer())
		}
		return nil
	})
	if err != nil {
		return err
	}
	if root == 0 {
		return errors.New("the database has no table Packages")
	}
	return s.walk(root, 0, func(rec []byte) error {
		var col [2]sqliteValue
		n, err := sqliteRecord(rec, col[:])
		if err != nil || n < 2 || !col[1].blob {
			return errors.Join(errors.New("a row of the table Packages holds no header"), err)
		}
		return fn(col[1].data)
	})
}

func sqliteOpen(db []byte) (*sqliteDB, error) {
	if len(db) < 512 || string(db[:16]) != sqliteMagic {
		return nil, errors.New("not a SQLite database")
	}
	s := &sqliteDB{db: db, page: int(binary.BigEndian.Uint16(db[16:])), left: len(db)}
	if s.page == 1 {
		s.page = 65536
	}
	s.usable = s.page - int(db[20])
	switch {
	case s.page < 512 || s.page&(s.page-1) != 0 || s.usable < 480:
		return nil, fmt.Errorf("the SQLite database has pages of %d bytes, %d usable", s.page, s.usable)
	case db[19] > 2:
		return nil, fmt.Errorf("the SQLite database has the unknown format %d", db[19])
	case binary.BigEndian.Uint32(db[56:]) > 1:
		return nil, errors.New("the SQLite database is not in UTF-8")
	}
	s.used = make([]bool, (len(db)+s.page-1)/s.page+1)
	return s, nil
}

// take gives page n, once.
func (s *sqliteDB) take(n uint32) ([]byte, error) {
	if n == 0 || uint64(n)*uint64(s.page) > uint64(len(s.db)) {
		return nil, fmt.Errorf("page %d lies outside of the SQLite database: the file is cut off", n)
	}
	if s.used[n] {
		return nil, fmt.Errorf("page %d of the SQLite database is used twice", n)
	}
	s.used[n] = true
	return s.db[int(n-1)*s.page:][:s.usable], nil
}

// sqliteMaxDepth is more than a tree of a million million rows needs.
const sqliteMaxDepth = 24

// walk gives the payload of every row of the table whose tree has its root on page n.
// A payload is valid only during the call.
func (s *sqliteDB) walk(n uint32, depth int, fn func([]byte) error) error {
	page, err := s.take(n)
	if err != nil {
		return err
	}
	if depth > sqliteMaxDepth {
		return errors.New("the tree of the SQLite table is too deep")
	}
	h := page
	if n == 1 {
		h = page[100:]
	}
	cells, interior, ptrs := int(binary.BigEndian.Uint16(h[3:])), h[0] == 5, 8
	switch h[0] {
	case 13:
	case 5:
		ptrs = 12
	default:
		return fmt.Errorf("page %d of the SQLite database is no page of a table (type %d)", n, h[0])
	}
	if cells > (len(h)-ptrs)/2 {
		return fmt.Errorf("page %d of the SQLite database claims %d cells", n, cells)
	}
	for i := range cells {
		at := int(binary.BigEndian.Uint16(h[ptrs+2*i:]))
		if at >= len(page) {
			return fmt.Errorf("a cell on page %d of the SQLite database lies outside of it", n)
		}
		cell := page[at:]
		if interior {
			if len(cell) < 4 {
				return fmt.Errorf("a cell on page %d of the SQLite database is cut off", n)
			}
			err = s.walk(binary.BigEndian.Uint32(cell), depth+1, fn)
		} else {
			var payload []byte
			if payload, err = s.payload(cell); err == nil {
				err = fn(payload)
			}
		}
		if err != nil {
			return err
		}
	}
	if interior {
		return s.walk(binary.BigEndian.Uint32(h[8:]), depth+1, fn)
	}
	return nil
}

// payload puts a leaf cell's payload together: its beginning lies in the cell, the
// rest on a chain of overflow pages.
func (s *sqliteDB) payload(cell []byte) ([]byte, error) {
	size, n := sqliteVarint(cell)
	_, m := sqliteVarint(cell[n:])
	if n == 0 || m == 0 {
		return nil, errors.New("a cell of the SQLite database is cut off")
	}
	cell = cell[n+m:]
	if size > uint64(s.left) {
		return nil, errors.New("the rows of the SQLite database are longer than the file")
	}
	s.left -= int(size)
	// How much is kept local: fileformat2.html, "Cell Payload Overflow Pages".
	local := int(size)
	if most := s.usable - 35; local > most {
		least := (s.usable-12)*32/255 - 23
		if local = least + (int(size)-least)%(s.usable-4); local > most {
			local = least
		}
	}
	if local > len(cell) {
		return nil, errors.New("a cell of the SQLite database is cut off")
	}
	if local == int(size) {
		return cell[:local], nil
	}
	if len(cell) < local+4 {
		return nil, errors.New("a cell of the SQLite database is cut off")
	}
	next := binary.BigEndian.Uint32(cell[local:])
	if cap(s.spill) < int(size) {
		s.spill = make([]byte, 0, max(int(size), min(2*cap(s.spill), len(s.db))))
	}
	buf := append(s.spill[:0], cell[:local]...)
	for len(buf) < int(size) {
		page, err := s.take(next)
		if err != nil {
			return nil, err
		}
		next = binary.BigEndian.Uint32(page)
		buf = append(buf, page[4:4+min(len(page)-4, int(size)-len(buf))]...)
	}
	return buf, nil
}

// sqliteVarint reads a variable-length integer and gives the bytes it takes, 0 if b
// ends before it.
func sqliteVarint(b []byte) (v uint64, n int) {
	for n < 8 && n < len(b) {
		c := b[n]
		n++
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, n
		}
	}
	if n == 8 && len(b) > 8 {
		return v<<8 | uint64(b[8]), 9
	}
	return 0, 0
}

// sqliteValue is one column of a row.
type sqliteValue struct {
	data []byte
	blob bool
	num  bool
}

// integer gives the value of an integer column, 0 for any other.
func (v sqliteValue) integer() int64 {
	if !v.num || len(v.data) == 0 {
		return 0
	}
	n := int64(int8(v.data[0]))
	for _, b := range v.data[1:] {
		n = n<<8 | int64(b)
	}
	return n
}

// sqliteRecord splits a row into its first columns and gives how many of col are set.
func sqliteRecord(rec []byte, col []sqliteValue) (int, error) {
	bad := errors.New("a row of the SQLite database is damaged")
	head, n := sqliteVarint(rec)
	if n == 0 || head < uint64(n) || head > uint64(len(rec)) {
		return 0, bad
	}
	types, body := rec[n:head], rec[head:]
	i := 0
	for ; i < len(col) && len(types) > 0; i++ {
		t, n := sqliteVarint(types)
		if n == 0 {
			return i, bad
		}
		types = types[n:]
		var size uint64
		switch {
		case t == 0, t == 8, t == 9: // null, 0, 1: in the type alone
		case t <= 4:
			size = t
		case t == 5:
			size = 6
		case t == 6, t == 7:
			size = 8
		case t < 12:
			return i, bad
		default:
			size = (t - 12) / 2
		}
		if size > uint64(len(body)) {
			return i, bad
		}
		col[i] = sqliteValue{data: body[:size], blob: t >= 12 && t%2 == 0, num: t >= 1 && t <= 6}
		body = body[size:]
	}
	return i, nil
}
