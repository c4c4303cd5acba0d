package extract

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/flate"
)

// Zip as Java archives use it (PKWARE APPNOTE.TXT 6.3). An archive in memory is read
// by its central directory, which is what the Java runtime goes by; one that streams
// past by its local headers.

const (
	jarMaxEntries = 100_000   // of one archive
	jarMaxPrefix  = 1 << 20   // a shell script before an archive that starts itself
	jarMaxName    = 4096      // bytes of an entry's name
	jarMethodNone = 0         // stored
	jarMethodZip  = 8         // deflated
	jarUnknown    = int64(-1) // a size that only a data descriptor tells
)

// errJarLimit says that a bound of the whole file was reached and reading it ends.
var errJarLimit = errors.New("a limit was reached")

// errNotZip says that a file is no zip archive at all.
var errNotZip = errors.New("not a zip archive")

// jarEntry is one file in an archive.
type jarEntry struct {
	name      []byte // valid during the call only
	method    uint16
	encrypted bool
	size      int64     // packed; jarUnknown if only the end of the data tells
	full      int64     // as claimed; jarUnknown likewise
	data      []byte    // packed, if in memory
	r         io.Reader // packed otherwise
}

// content gives the entry's content as it unpacks, counted against the budget.
func (j *jarScan) content(e *jarEntry) (io.Reader, error) {
	if e.encrypted {
		return nil, errors.New("it is encrypted")
	}
	src := e.r
	if src == nil {
		src = bytes.NewReader(e.data)
	}
	switch e.method {
	case jarMethodNone:
		return &jarMeter{scan: j, r: src}, nil
	case jarMethodZip:
		return &jarMeter{scan: j, r: j.inflater(src)}, nil
	}
	return nil, fmt.Errorf("it is packed by method %d, which is not supported", e.method)
}

// jarMeter counts what is unpacked.
type jarMeter struct {
	scan *jarScan
	r    io.Reader
	n    int64
}

func (m *jarMeter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if m.scan.left -= int64(n); m.scan.left < 0 {
		return n, m.scan.limit("its archives unpack to more than %d bytes", m.scan.most)
	}
	if m.scan.ctx.Err() != nil {
		return n, m.scan.ctx.Err()
	}
	return n, err
}

// inflater gives a reader of deflated data; src is read exactly to the data's end if
// it is an io.ByteReader.
func (j *jarScan) inflater(src io.Reader) io.Reader {
	if n := len(j.spare); n > 0 {
		z := j.spare[n-1]
		j.spare = j.spare[:n-1]
		if z.(flate.Resetter).Reset(src, nil) == nil {
			return &jarInflater{scan: j, z: z}
		}
	}
	return &jarInflater{scan: j, z: flate.NewReader(src)}
}

// jarInflater gives its decompressor back for reuse at the end of the data.
type jarInflater struct {
	scan *jarScan
	z    io.ReadCloser
}

func (i *jarInflater) Read(p []byte) (int, error) {
	if i.z == nil {
		return 0, io.EOF
	}
	n, err := i.z.Read(p)
	if err == io.EOF {
		i.scan.spare, i.z = append(i.scan.spare, i.z), nil
	}
	return n, err
}

// jarDirectory walks the central directory of the archive in b. What is behind a
// broken part of it cannot be found and the error says so.
func jarDirectory(b []byte, fn func(*jarEntry) error) error {
	start, end, base, err := jarFindDirectory(b)
	if err != nil {
		return err
	}
	var e jarEntry
	for n, at := 0, start; at < end; n++ {
		if n >= jarMaxEntries {
			return fmt.Errorf("it has more than %d entries: %w", jarMaxEntries, errJarLimit)
		}
		if at+46 > end || string(b[at:at+4]) != "PK\x01\x02" {
			return fmt.Errorf("its directory is broken after %d entries", n)
		}
		h := b[at : at+46]
		nameLen, extraLen, commentLen := int(jarU16(h, 28)), int(jarU16(h, 30)), int(jarU16(h, 32))
		if at+46+nameLen+extraLen+commentLen > end {
			return fmt.Errorf("its directory is broken after %d entries", n)
		}
		e = jarEntry{
			name: b[at+46 : at+46+nameLen], method: jarU16(h, 10), encrypted: jarU16(h, 8)&1 != 0,
			size: int64(jarU32(h, 20)), full: int64(jarU32(h, 24)),
		}
		local := int64(jarU32(h, 42))
		extra := b[at+46+nameLen : at+46+nameLen+extraLen]
		jarZip64(extra, &e.full, &e.size, &local)
		at += 46 + nameLen + extraLen + commentLen
		e.data = jarLocal(b, base, local, e.size)
		if err := fn(&e); err != nil {
			return err
		}
	}
	return nil
}

// jarLocal gives the packed bytes of the entry whose local header is at offset local;
// nil if that is not within the archive.
func jarLocal(b []byte, base, local, size int64) []byte {
	if local < 0 || base+local < 0 || base+local > int64(len(b))-30 {
		return nil
	}
	h := b[base+local:]
	if string(h[:4]) != "PK\x03\x04" {
		return nil
	}
	start := 30 + int64(jarU16(h, 26)) + int64(jarU16(h, 28))
	if size < 0 || start > int64(len(h)) || size > int64(len(h))-start {
		return nil
	}
	return h[start : start+size : start+size]
}

// jarFindDirectory gives where the central directory begins and ends and what must be
// added to the offsets in it, which is not 0 where something stands before the archive.
func jarFindDirectory(b []byte) (start, end int, base int64, err error) {
	const eocd = 22
	tail := max(0, len(b)-eocd-1<<16)
	at := len(b)
	for {
		at = bytes.LastIndex(b[tail:at], []byte("PK\x05\x06"))
		if at < 0 {
			if bytes.HasPrefix(b, []byte("PK\x03\x04")) {
				return 0, 0, 0, errors.New("it is cut off: its directory is missing")
			}
			return 0, 0, 0, errNotZip
		}
		at += tail
		if len(b)-at >= eocd && at+eocd+int(jarU16(b[at:], 20)) <= len(b) {
			break
		}
	}
	h := b[at:]
	size, offset, last := int64(jarU32(h, 12)), int64(jarU32(h, 16)), int64(at)
	if size == 0xffffffff || offset == 0xffffffff || jarU16(h, 10) == 0xffff {
		if at >= 20 && string(b[at-20:at-16]) == "PK\x06\x07" {
			rec := int64(binary.LittleEndian.Uint64(b[at-12:]))
			// The record stands before its locator; the offset in that may lack a prefix.
			for _, p := range [...]int64{rec, int64(at) - 20 - 56} {
				if p >= 0 && p+56 <= int64(at) && string(b[p:p+4]) == "PK\x06\x06" {
					size, offset, last = int64(binary.LittleEndian.Uint64(b[p+40:])), int64(binary.LittleEndian.Uint64(b[p+48:])), p
					break
				}
			}
		}
	}
	if size < 0 || offset < 0 || size > last {
		return 0, 0, 0, errors.New("its directory is larger than the archive")
	}
	for _, s := range [...]int64{last - size, offset} {
		if s >= 0 && s+size <= last && (size == 0 || size >= 46 && string(b[s:s+4]) == "PK\x01\x02") {
			return int(s), int(s + size), s - offset, nil
		}
	}
	return 0, 0, 0, errors.New("its directory is not where it says")
}

// jarZip64 replaces sizes that do not fit into 32 bits by those of the extra field.
func jarZip64(extra []byte, fields ...*int64) {
	for len(extra) >= 4 {
		id, n := jarU16(extra, 0), int(jarU16(extra, 2))
		if n > len(extra)-4 {
			return
		}
		if id == 1 {
			v := extra[4 : 4+n]
			for _, f := range fields {
				if *f == 0xffffffff && len(v) >= 8 {
					*f = int64(binary.LittleEndian.Uint64(v))
					v = v[8:]
				}
			}
			return
		}
		extra = extra[4+n:]
	}
}

// jarStream walks the local headers of the archive that br streams. Entries whose size
// only follows them are unpacked to find their end.
func (j *jarScan) jarStream(br *bufio.Reader, fn func(*jarEntry) error) error {
	if err := jarSkipPrefix(br); err != nil {
		return err
	}
	rest := make([]byte, 0, 512) // name and extra field of an entry
	for n := 0; ; n++ {
		sig, err := br.Peek(4)
		if err != nil {
			return jarCut(err, n)
		}
		switch string(sig) {
		case "PK\x03\x04":
		case "PK\x01\x02", "PK\x05\x06", "PK\x06\x06", "PK\x06\x08":
			return nil
		default:
			return fmt.Errorf("what follows its entry %d is no entry", n)
		}
		if n >= jarMaxEntries {
			return fmt.Errorf("it has more than %d entries: %w", jarMaxEntries, errJarLimit)
		}
		var h [30]byte
		if _, err := io.ReadFull(br, h[:]); err != nil {
			return jarCut(err, n)
		}
		nameLen, extraLen := int(jarU16(h[:], 26)), int(jarU16(h[:], 28))
		rest = slices.Grow(rest[:0], nameLen+extraLen)[:nameLen+extraLen]
		if _, err := io.ReadFull(br, rest); err != nil {
			return jarCut(err, n)
		}
		flags := jarU16(h[:], 6)
		e := jarEntry{
			name: rest[:nameLen], method: jarU16(h[:], 8), encrypted: flags&1 != 0,
			size: int64(jarU32(h[:], 18)), full: int64(jarU32(h[:], 22)),
		}
		jarZip64(rest[nameLen:], &e.full, &e.size)
		if e.size < 0 || e.full < 0 {
			return fmt.Errorf("its entry %d has a negative size", n)
		}
		if flags&8 != 0 && e.size == 0 {
			err = j.jarDescribed(br, &e, fn)
		} else {
			limited := &io.LimitedReader{R: br, N: e.size}
			e.r = limited
			if err = fn(&e); err == nil {
				if err = jarDiscard(br, limited); err != nil {
					err = jarCut(err, n)
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

// jarDiscard skips what the entry's reader left.
func jarDiscard(br *bufio.Reader, r *io.LimitedReader) error {
	for r.N > 0 {
		n, err := br.Discard(int(min(r.N, 1<<30)))
		r.N -= int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}

// jarCut says that a streamed archive ended after n entries; other reasons for which
// reading failed are kept.
func jarCut(err error, n int) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("it is cut off after %d entries", n)
	}
	return err
}

// jarDescribed reads an entry whose sizes follow it in a data descriptor.
func (j *jarScan) jarDescribed(br *bufio.Reader, e *jarEntry, fn func(*jarEntry) error) error {
	if e.method != jarMethodZip || e.encrypted {
		return fmt.Errorf("the end of entry %.100q cannot be told while reading forward", e.name)
	}
	e.size, e.full = jarUnknown, jarUnknown
	plain := &jarMeter{scan: j, r: j.inflater(br)}
	e.method, e.r = jarMethodNone, plain // fn sees content
	if err := fn(e); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, plain); err != nil {
		return fmt.Errorf("unpacking entry %.100q: %w", e.name, err)
	}
	d, _ := br.Peek(28)
	at := 0
	if len(d) >= 4 && string(d[:4]) == "PK\x07\x08" {
		at = 4
	}
	// 32-bit sizes, unless the unpacked size shows 64-bit ones.
	n := at + 12
	if len(d) >= at+20 && (jarU32(d, at+8) != uint32(plain.n) || string(d[n:n+2]) != "PK") && binary.LittleEndian.Uint64(d[at+12:]) == uint64(plain.n) {
		n = at + 20
	}
	if _, err := br.Discard(n); err != nil {
		return fmt.Errorf("reading what follows entry %.100q: %w", e.name, err)
	}
	return nil
}

// jarSkipPrefix skips what stands before the first entry.
func jarSkipPrefix(br *bufio.Reader) error {
	for skipped := 0; skipped < jarMaxPrefix; {
		b, err := br.Peek(4096)
		if i := bytes.Index(b, []byte("PK\x03\x04")); i >= 0 {
			_, err := br.Discard(i)
			return err
		}
		if err != nil {
			break
		}
		n, err := br.Discard(len(b) - 3)
		if skipped += n; err != nil {
			break
		}
	}
	return errNotZip
}

func jarU16(b []byte, at int) uint16 { return binary.LittleEndian.Uint16(b[at:]) }
func jarU32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
