package rootfs

import (
	"context"
	"errors"
	"io"
)

// bounded is a file's body as visitors read it. A sparse file's body is longer than
// what the tar holds of it, so it has bounds of its own.
type bounded struct {
	w    *walk
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.w.stop != nil {
		return 0, b.w.stop
	}
	n, err := b.r.Read(p)
	b.w.given += int64(n)
	b.left -= int64(n)
	if err == io.EOF && b.left > 0 {
		err = io.ErrUnexpectedEOF // a file of a folder, cut short meanwhile
	}
	if b.w.stop = b.w.may(b.w.given); b.w.stop != nil {
		return n, b.w.stop
	}
	return n, err
}

// visit hands one regular file to those who want it.
func (w *walk) visit(e Entry, body io.Reader) error {
	err := w.handOver(e, &bounded{w, body, e.Size})
	if w.stop != nil {
		return w.stop
	}
	return err
}

func (w *walk) handOver(e Entry, body io.Reader) error {
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
