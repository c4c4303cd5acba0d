package rootfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// File is a regular file's entry and body, handed to a visitor. It is valid only
// until the visitor's Visit returns and is used by one goroutine.
type File struct {
	Entry
	ctx  context.Context
	r    io.Reader // what has not been read yet
	body []byte    // the whole, if it is in memory
	max  int64     // how much Bytes may hold
	// alloc gives the memory that Bytes reads into; it lives until Visit returns.
	alloc func(ctx context.Context, n int64) ([]byte, error)
}

// NewFile makes a File from bytes in memory, for tests and for files inside archives.
// e.Size is set to the length of body; body must not be changed while File is used.
func NewFile(ctx context.Context, e Entry, body []byte) *File {
	e.Size = int64(len(body))
	return &File{Entry: e, ctx: ctx, r: bytes.NewReader(body), body: body, max: e.Size}
}

// ErrTooLarge is wrapped by Bytes when a file is larger than Limits allows to hold
// in memory. Visitors that can stream do so instead; others return it, and the
// result says that the file was not read.
var ErrTooLarge = errors.New("larger than may be held in memory")

// Read streams the body from where the last Read left off.
func (f *File) Read(p []byte) (int, error) { return f.r.Read(p) }

// Bytes gives the whole body. It must be called before the first Read. The slice is
// shared: do not change it, and copy what is kept after Visit returns.
func (f *File) Bytes() ([]byte, error) {
	if f.body != nil || f.Size == 0 {
		return f.body, nil
	}
	if f.max > 0 && f.Size > f.max {
		return nil, fmt.Errorf("%s: %d bytes: %w (%d bytes)", f.Path, f.Size, ErrTooLarge, f.max)
	}
	buf, err := f.alloc(f.ctx, f.Size)
	if err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(f.r, buf); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	f.body, f.r = buf, bytes.NewReader(buf)
	return buf, nil
}

// ReaderAt gives random access to the body, held in memory as by Bytes.
func (f *File) ReaderAt() (io.ReaderAt, error) {
	b, err := f.Bytes()
	if err != nil {
		return nil, err
	}
	return bytes.NewReader(b), nil
}
