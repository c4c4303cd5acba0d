package rootfs

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll/internal/image"
)

// Visitor is handed files while a layer streams by.
type Visitor struct {
	// Want decides by the entry alone. It is asked for every regular file and, with
	// Kind Regular and the entry's own path, for every hard link.
	Want func(Entry) bool
	// Visit reads one file. An error stops the layer; what merely could not be
	// understood is the visitor's own to note.
	Visit func(context.Context, *File) error
}

// Changes is what one layer does to the file system below it. It is never changed
// once made.
type Changes struct {
	// DiffID is the digest of the uncompressed tar as computed; empty if the layer was
	// not read to its end.
	DiffID image.Digest
	// Size of the uncompressed tar in bytes.
	Size int64
	// Entries in order of path, each path once: where a layer names a path twice the
	// last one counts. Whiteouts are not among them.
	Entries []Entry
	// Whiteouts are paths that the layer removes from those below, sorted.
	Whiteouts []string
	// Opaque are folders whose content in layers below is hidden, sorted.
	Opaque []string
	// Problems are limits that were reached: the layer was not read as a whole.
	Problems []Problem
}

// Reader reads layers within Limits. The memory bound holds over all layers that
// one Reader reads at the same time.
type Reader struct {
	lim  Limits
	pool *pool
}

// NewReader makes a Reader. It holds no resources.
func NewReader(lim Limits) *Reader { return &Reader{lim: lim, pool: newPool(lim.Memory)} }

// Layer reads l once: verifies its digest and, if the config gave one, its diffID,
// decompresses (gzip, zstd or plain, told by content), walks the tar and hands
// wanted files to the visitors. It returns what it has so far along with any error;
// an error wrapping image.ErrDigestMismatch means nothing of it may be used.
// A limit that is reached is no error but a Problem in Changes.
func (r *Reader) Layer(ctx context.Context, l image.Layer, vs ...Visitor) (*Changes, error) {
	if r.lim.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.lim.Time,
			exceeded("", "reading the layer took longer than %v", r.lim.Time))
		defer cancel()
	}
	rc, err := l.Open(ctx)
	if err != nil {
		return &Changes{}, fmt.Errorf("opening layer %s: %w", l.Digest.Short(), err)
	}
	defer rc.Close()
	c, err := r.read(ctx, rc, l, vs)
	var lim *limitError
	if errors.As(err, &lim) || errors.As(context.Cause(ctx), &lim) && err != nil {
		c.Problems = append(c.Problems, lim.Problem)
		c.DiffID = ""
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("reading layer %s: %w", l.Digest.Short(), err)
	}
	return c, nil
}

func (r *Reader) read(ctx context.Context, blob io.Reader, l image.Layer, vs []Visitor) (*Changes, error) {
	w := &walk{ctx: ctx, lim: r.lim, pool: r.pool, visitors: vs, seen: map[string]int{}}
	in := &counter{ctx: ctx, r: blob}
	plain, stored, closer, err := decompress(bufio.NewReaderSize(in, 256<<10))
	if err != nil {
		return w.changes(), err
	}
	defer closer()
	out := &meter{r: plain, in: in, lim: r.lim}
	if !stored || l.Digest == "" || l.Digest != l.DiffID {
		out.h = l.DiffID.Hash()
	} // else the blob is the tar, and Open verifies it
	if err := w.tar(out); err != nil {
		return w.changes(), err
	}
	// The tar has ended; what follows still counts for both digests.
	if _, err := io.CopyBuffer(io.Discard, onlyReader{out}, w.scratch(64<<10)); err != nil {
		return w.changes(), err
	}
	if _, err := io.CopyBuffer(io.Discard, onlyReader{in}, w.scratch(64<<10)); err != nil {
		return w.changes(), err
	}
	got := l.DiffID
	if out.h != nil {
		got = image.FromHash(out.h)
	}
	if l.DiffID != "" && got != l.DiffID {
		return w.changes(), fmt.Errorf("its uncompressed content has digest %s, the config says %s: %w", got, l.DiffID, image.ErrDigestMismatch)
	}
	c := w.changes()
	c.DiffID, c.Size = got, out.n
	return c, nil
}

type onlyReader struct{ io.Reader }

// decompress tells the compression by its magic bytes, since media types are often
// wrong; stored is set if there is none.
func decompress(br *bufio.Reader) (plain io.Reader, stored bool, closer func(), err error) {
	magic, err := br.Peek(4)
	if err != nil && err != io.EOF {
		return nil, false, nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, false, nil, fmt.Errorf("gzip header: %w", err)
		}
		return z, false, func() { z.Close() }, nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		len(magic) == 4 && magic[0]&0xf0 == 0x50 && magic[1] == 0x2a && magic[2] == 0x4d && magic[3] == 0x18: // skippable frame
		z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, false, nil, fmt.Errorf("zstd: %w", err)
		}
		return z, false, z.Close, nil
	case bytes.HasPrefix(magic, []byte("BZh")), bytes.HasPrefix(magic, []byte{0xfd, '7', 'z', 'X'}):
		return nil, false, nil, fmt.Errorf("compressed with bzip2 or xz, which image layers may not be: %w", image.ErrUnsupported)
	}
	return br, true, func() {}, nil
}

// counter counts compressed bytes and notices cancellation.
type counter struct {
	ctx context.Context
	r   io.Reader
	n   int64
}

func (c *counter) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// meter hashes and counts uncompressed bytes and holds them against the limits.
type meter struct {
	r   io.Reader
	in  *counter
	lim Limits
	h   hash.Hash // nil if the digest is verified elsewhere
	n   int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.h != nil {
		m.h.Write(p[:n])
	}
	m.n += int64(n)
	if m.lim.Total > 0 && m.n > m.lim.Total {
		return n, exceeded("", "the layer is larger than %d bytes uncompressed", m.lim.Total)
	}
	if m.lim.Ratio > 0 && m.n > m.lim.RatioAfter && m.n/max(m.in.n, 1) > m.lim.Ratio {
		return n, exceeded("", "the layer expands to more than %d times its size", m.lim.Ratio)
	}
	if err != nil && err != io.EOF && m.in.ctx.Err() != nil {
		err = context.Cause(m.in.ctx)
	}
	return n, err
}

// walk goes through one tar.
type walk struct {
	ctx      context.Context
	lim      Limits
	pool     *pool
	visitors []Visitor
	entries  []Entry
	seen     map[string]int // path → index in entries; -1 once overwritten by a later kind
	dropped  bool           // some entry lies below a path that a later one turned into a file
	white    []string
	opaque   []string
	problems []Problem
	n        int
	buf      []byte
}

func (w *walk) scratch(n int) []byte {
	if cap(w.buf) < n {
		w.buf = make([]byte, max(n, 64<<10))
	}
	return w.buf[:n]
}

func (w *walk) tar(r io.Reader) error {
	tr := tar.NewReader(bufio.NewReaderSize(r, 128<<10))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("tar header %d: %w", w.n+1, err)
		}
		if w.n++; w.lim.Entries > 0 && w.n > w.lim.Entries {
			return exceeded("", "the layer has more than %d entries", w.lim.Entries)
		}
		e, ok := w.entry(h)
		if !ok {
			continue
		}
		w.add(e)
		if e.Kind != Regular {
			continue
		}
		if err := w.visit(e, tr); err != nil {
			return err
		}
	}
}

// entry cleans one header; false for those that are no files: whiteouts, which are
// noted, and entries over a limit, which are noted too.
func (w *walk) entry(h *tar.Header) (Entry, bool) {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return Entry{}, false
	}
	if w.lim.Path > 0 && (len(h.Name) > w.lim.Path || len(h.Linkname) > w.lim.Path) {
		w.over(h.Name[:min(len(h.Name), 200)]+"…", fmt.Sprintf("a path is longer than %d bytes", w.lim.Path))
		return Entry{}, false
	}
	p := Clean(h.Name)
	if w.lim.Depth > 0 && strings.Count(p, "/") >= w.lim.Depth {
		w.over(p, fmt.Sprintf("a path is deeper than %d folders", w.lim.Depth))
		return Entry{}, false
	}
	dir, base := path.Split(p)
	if strings.HasPrefix(base, ".wh.") && base != ".wh." {
		dir = strings.TrimSuffix(dir, "/")
		switch name := base[len(".wh."):]; {
		case base == ".wh..wh..opq":
			w.opaque = append(w.opaque, dir)
		case strings.HasPrefix(name, ".wh."): // metadata of the aufs driver
		default:
			w.white = append(w.white, join(dir, name))
		}
		return Entry{}, false
	}
	e := Entry{Path: p, Mode: uint32(h.Mode) & 0o7777, UID: h.Uid, GID: h.Gid}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		e.Kind, e.Size = Regular, h.Size
		if strings.HasSuffix(h.Name, "/") { // V7 tar writes folders so
			e.Kind, e.Size = Dir, 0
		}
	case tar.TypeDir:
		e.Kind = Dir
	case tar.TypeSymlink:
		e.Kind, e.Link = Symlink, h.Linkname
	case tar.TypeLink:
		e.Kind, e.Link = Hardlink, Clean(h.Linkname)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		e.Kind = Device
	default:
		return Entry{}, false
	}
	return e, true
}

// maxProblems bounds what is noted of one layer; the first are enough to say why.
const maxProblems = 100

func (w *walk) problem(p, what string) { w.note(Problem{Path: p, What: what}) }
func (w *walk) over(p, what string)    { w.note(Problem{Path: p, What: what, Limit: true}) }

func (w *walk) note(p Problem) {
	if len(w.problems) < maxProblems {
		w.problems = append(w.problems, p)
	}
}

func (w *walk) add(e Entry) {
	if i, ok := w.seen[e.Path]; ok {
		if w.entries[i].Kind == Dir && e.Kind != Dir {
			w.dropped = true
		}
		w.entries[i] = e
		return
	}
	w.seen[e.Path] = len(w.entries)
	w.entries = append(w.entries, e)
}

// visit hands one regular file to those who want it.
func (w *walk) visit(e Entry, body io.Reader) error {
	var one *Visitor
	var all []*Visitor
	for i := range w.visitors {
		if v := &w.visitors[i]; v.Want(e) {
			if one == nil {
				one = v
			} else {
				all = append(all, v)
			}
		}
	}
	if one == nil {
		return nil
	}
	m := memory{walk: w}
	defer m.release()
	f := &File{Entry: e, ctx: w.ctx, r: body, max: w.lim.File, alloc: m.get}
	if all == nil {
		return one.Visit(w.ctx, f)
	}
	all = append([]*Visitor{one}, all...)
	if w.lim.File > 0 && e.Size > w.lim.File {
		return w.fanOut(e, body, all)
	}
	b, err := f.Bytes()
	if err != nil {
		return err
	}
	for _, v := range all {
		if err := v.Visit(w.ctx, NewFile(w.ctx, e, b)); err != nil {
			return err
		}
	}
	return nil
}

// memory gives one file's body a place: the walk's own buffer for small ones, which
// is used again, or a share of the pool.
type memory struct {
	walk *walk
	held int64
}

const smallFile = 1 << 20

func (m *memory) get(ctx context.Context, n int64) ([]byte, error) {
	if n <= smallFile {
		return m.walk.scratch(int(n)), nil
	}
	b, err := m.walk.pool.get(ctx, n)
	if err == nil {
		m.held = n
	}
	return b, err
}

func (m *memory) release() {
	if m.held > 0 {
		m.walk.pool.put(m.held)
	}
}

// fanOut streams a file too large for memory to several visitors at once: each gets
// the same chunk, and the next is read when all are done with it.
func (w *walk) fanOut(e Entry, body io.Reader, vs []*Visitor) error {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	pipes := make([]*io.PipeWriter, len(vs))
	errs := make(chan error, len(vs))
	for i, v := range vs {
		pr, pw := io.Pipe()
		pipes[i] = pw
		go func() {
			err := v.Visit(ctx, &File{Entry: e, ctx: ctx, r: pr, max: w.lim.File, alloc: tooLarge})
			pr.CloseWithError(io.ErrClosedPipe) // the rest is not wanted
			errs <- err
		}()
	}
	buf := w.scratch(256 << 10)
	var rerr error
	for rerr == nil {
		var n int
		n, rerr = body.Read(buf)
		for _, p := range pipes {
			p.Write(buf[:n]) // fails only for a visitor that is done
		}
	}
	for _, p := range pipes {
		p.CloseWithError(rerr)
	}
	var err error
	for range vs {
		err = errors.Join(err, <-errs)
	}
	if rerr != io.EOF {
		return errors.Join(rerr, err)
	}
	return err
}

func tooLarge(context.Context, int64) ([]byte, error) { return nil, ErrTooLarge }
