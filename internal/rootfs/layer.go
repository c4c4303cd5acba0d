package rootfs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"

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
	w := newWalk(ctx, r, vs)
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
	w.may = out.may
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
	if lerr := m.over(m.n); lerr != nil {
		return n, lerr
	}
	if err != nil && err != io.EOF && m.in.ctx.Err() != nil {
		err = context.Cause(m.in.ctx)
	}
	return n, err
}

func (m *meter) over(n int64) error {
	if m.lim.Total > 0 && n > m.lim.Total {
		return exceeded("", "the layer is larger than %d bytes uncompressed", m.lim.Total)
	}
	if m.lim.Ratio > 0 && n > m.lim.RatioAfter && n/max(m.in.n, 1) > m.lim.Ratio {
		return exceeded("", "the layer expands to more than %d times its size", m.lim.Ratio)
	}
	return nil
}

// may holds what visitors were given against the limits, if it is more than the tar.
func (m *meter) may(given int64) error {
	if given <= m.n {
		return nil
	}
	if m.in.ctx.Err() != nil {
		return context.Cause(m.in.ctx)
	}
	return m.over(given)
}
