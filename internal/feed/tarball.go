package feed

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"
)

// Bounds on a tar archive of records. What may be unpacked and the number of entries
// are as in a zip archive.
const (
	maxTarEntry   = 32 << 20 // bytes of one entry
	tarBatch      = 1 << 20  // bytes of the entries that one goroutine takes at a time
	maxTarWorkers = 8        // bounds what is in memory: each has some six batches under way
	maxXZDict     = 64 << 20 // what "xz -9" asks of who unpacks
	maxZstdWindow = 128 << 20
	maxPlainTail  = 1 << 20 // bytes after the end of the entries
)

// readTarball reads a tar archive, packed by gzip, xz, bzip2 or zstd or not at all, of
// which its beginning tells. Entries that are regular files and whose names want
// accepts are parsed on several processors, and the results handed to emit one after
// the other in the order of the archive. data, which parse may keep, is nil when err says why the
// entry cannot be read.
//
// An archive that is cut short or damaged, or that goes beyond a bound, ends in an
// error after what was read before; so does the first error of emit. newest is the
// latest change of an entry, by the archive's word: the publication of an archive that
// is made of a repository.
func readTarball[T any](ctx context.Context, r io.Reader, want func(name string) bool,
	parse func(name string, data []byte, err error) T, emit func(T) error) (newest time.Time, err error) {
	plain, done, err := unpacked(r)
	if err != nil {
		return newest, err
	}
	// done waits for the reader of the archive, which inOrder awaits before it returns.
	defer done()
	err = inOrder(ctx, min(runtime.NumCPU(), maxTarWorkers),
		func(put func([]tarEntry) bool) (err error) {
			newest, err = tarEntries(plain, want, put)
			return err
		},
		func(ctx context.Context) func([]tarEntry) []T {
			return func(part []tarEntry) []T {
				out := make([]T, 0, len(part))
				for _, e := range part {
					if ctx.Err() != nil {
						break
					}
					out = append(out, parse(e.name, e.data, e.err))
				}
				return out
			}
		}, emit)
	return newest, err
}

// eachFile is readTarball for who takes the files one after the other.
func eachFile(ctx context.Context, r io.Reader, want func(name string) bool, visit func(name string, data []byte, err error) error) error {
	_, err := readTarball(ctx, r, want,
		func(name string, data []byte, err error) tarEntry { return tarEntry{name, data, err} },
		func(e tarEntry) error { return visit(e.name, e.data, e.err) })
	return err
}

// fetchRecords hands on what parse makes of the entries of the publisher's tar archive at
// address, each name once.
func fetchRecords(ctx context.Context, o *Origin, address string, want func(name string) bool,
	parse func(name string, data []byte, err error) osvParsed, out Sink) error {
	// The whole file is fetched first: a body that breaks off can be asked for again, and
	// the publisher's server does not wait for the parser.
	f, err := o.OpenAt(ctx, address)
	if err != nil {
		return err
	}
	defer f.Close()
	newest, err := readTarball(ctx, io.NewSectionReader(f, 0, f.Size()), want, parse, handOn(map[string]struct{}{}, out))
	if err != nil {
		return fmt.Errorf("reading %s: %w", address, err)
	}
	if !newest.IsZero() {
		out.Dated(newest)
	}
	return nil
}

// tarEntry is a file of an archive.
type tarEntry struct {
	name string
	data []byte
	err  error
}

// tarEntries puts the entries that want accepts, some at a time, until put is false.
func tarEntries(plain io.Reader, want func(string) bool, put func([]tarEntry) bool) (newest time.Time, err error) {
	var part []tarEntry
	size, entries := 0, 0
	ended := &endMark{r: io.LimitReader(plain, maxUnpacked)}
	t := tar.NewReader(ended)
	// What was read before a fault is handed on.
	flush := func(err error) (time.Time, error) {
		if len(part) > 0 {
			put(part)
		}
		return newest, err
	}
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return flush(fmt.Errorf("the archive breaks off or is damaged: %w", err))
		}
		if entries++; entries > maxEntries {
			return flush(fmt.Errorf("the archive has over %d entries", maxEntries))
		}
		if h.Typeflag != tar.TypeReg || !want(h.Name) {
			continue
		}
		if h.ModTime.After(newest) && h.ModTime.Unix() > 0 {
			newest = h.ModTime.UTC()
		}
		e := tarEntry{name: h.Name}
		switch data, err := readSized(t, h.Size); {
		case err != nil && !errors.Is(err, errTooLarge):
			return flush(fmt.Errorf("the archive breaks off or is damaged in %.200q: %w", h.Name, err))
		case err != nil:
			e.err = err
		default:
			e.data = data
		}
		part = append(part, e)
		if size += len(e.data); size >= tarBatch || len(part) >= entryBatch {
			if !put(part) {
				return newest, nil
			}
			part, size = nil, 0
		}
	}
	if err := ended.drain(); err != nil {
		return flush(err)
	}
	return flush(nil)
}

// errTooLarge is wrapped by the error of an entry that is not read for its size.
var errTooLarge = errors.New("the entry is too large")

// readSized reads an entry of a size that is claimed and not trusted.
func readSized(r io.Reader, size int64) ([]byte, error) {
	if size < 0 || size > maxTarEntry {
		return nil, fmt.Errorf("%w: it has %d bytes, over the limit of %d", errTooLarge, size, maxTarEntry)
	}
	var buf bytes.Buffer
	buf.Grow(int(min(size, 64<<10)) + bytes.MinRead)
	n, err := buf.ReadFrom(io.LimitReader(r, maxTarEntry+1))
	if err == nil && n > maxTarEntry {
		err = fmt.Errorf("%w: it has over %d bytes", errTooLarge, maxTarEntry)
	}
	return buf.Bytes(), err
}

// endMark notes how many zeros were read last. An archive ends in two blocks of them; one
// that merely stops at a border between entries was cut short, which package tar lets
// pass.
type endMark struct {
	r     io.Reader
	zeros int
}

// Read implements io.Reader.
func (m *endMark) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	at := n
	for at > 0 && p[at-1] == 0 {
		at--
	}
	if at > 0 {
		m.zeros = 0
	}
	m.zeros = min(m.zeros+n-at, 1<<20)
	return n, err
}

// drain checks the end of the archive and reads what is left behind it, so that the
// checksum at the end of the packed stream is checked too.
func (m *endMark) drain() error {
	if m.zeros < 512 {
		return fmt.Errorf("the archive breaks off: %w", io.ErrUnexpectedEOF)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(m.r, maxPlainTail+1))
	switch {
	case err != nil:
		return fmt.Errorf("the archive breaks off or is damaged: %w", err)
	case n > maxPlainTail:
		return fmt.Errorf("the archive has over %d bytes after its end", maxPlainTail)
	}
	return nil
}

// unpacked tells by its beginning how r is packed and gives what is in it.
func unpacked(r io.Reader) (plain io.Reader, done func(), err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(262)
	if err != nil && err != io.EOF {
		return nil, nil, fmt.Errorf("reading the archive: %w", err)
	}
	err = nil // it may be short
	nothing := func() {}
	switch begin := string(head); {
	case strings.HasPrefix(begin, "\x1f\x8b"):
		plain, err = gzip.NewReader(b)
	case strings.HasPrefix(begin, "\xfd7zXZ\x00"):
		plain, err = xz.NewReader(b, maxXZDict)
	case strings.HasPrefix(begin, "BZh"):
		plain = bzip2.NewReader(b)
	case strings.HasPrefix(begin, "\x28\xb5\x2f\xfd"):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow)); err == nil {
			plain, nothing = z, z.Close
		}
	case len(begin) == 262 && begin[257:] == "ustar":
		return b, nothing, nil // unpacked on its way here
	default:
		return nil, nil, fmt.Errorf("this is no archive: it begins with %.40q", begin)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("unpacking the archive: %w", err)
	}
	return plain, nothing, nil
}
