package feed

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// maxBatch is how many bytes of entries of a tar archive one goroutine takes at a time.
const maxBatch = 4 << 20

// eachTarEntry parses the files of an unpacked tar archive whose names want accepts,
// on all processors, and hands the results to emit one after the other in the order
// of the archive. parse may keep data, which is nil when err says why the entry is not
// read. The first error of emit ends it; so does an archive that is cut or damaged, once
// what came before is handed on.
func eachTarEntry[T any](ctx context.Context, r io.Reader, want func(name string) bool,
	parse func(name string, data []byte, err error) T, emit func(T) error) error {
	type entry struct {
		name string
		data []byte
		err  error
	}
	type batch struct {
		entries []entry
		done    chan []T
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	workers := runtime.NumCPU()
	work := make(chan batch)
	order := make(chan batch, workers) // bounds what is read and not yet handed on
	var broken error                   // set before order is closed
	wg.Go(func() {
		defer close(order)
		defer close(work)
		src := &tailReader{r: &boundedReader{r: r, left: maxUnpacked}}
		t := tar.NewReader(src)
		send := func(b batch) bool {
			if len(b.entries) == 0 {
				return true
			}
			b.done = make(chan []T, 1)
			select {
			case order <- b:
			case <-ctx.Done():
				return false
			}
			select {
			case work <- b:
			case <-ctx.Done():
				return false
			}
			return true
		}
		var b batch
		size := 0
		for n := 0; ; n++ {
			h, err := t.Next()
			if err == nil && n >= maxEntries {
				err = fmt.Errorf("more than %d entries", maxEntries)
			}
			if err == io.EOF {
				if err = nil; !src.ended() {
					err = io.ErrUnexpectedEOF
				}
				if send(b) {
					broken = err
				}
				return
			}
			if err != nil {
				if send(b) {
					broken = err
				}
				return
			}
			if h.Typeflag != tar.TypeReg || !want(h.Name) {
				continue
			}
			e := entry{name: h.Name}
			if h.Size > maxEntry {
				e.err = fmt.Errorf("the entry has %d bytes, over the limit of %d", h.Size, maxEntry)
			} else if e.data, err = io.ReadAll(t); err != nil {
				if send(b) {
					broken = fmt.Errorf("entry %.80q: %w", h.Name, err)
				}
				return
			}
			b.entries = append(b.entries, e)
			if size += len(e.data); size >= maxBatch || len(b.entries) >= entryBatch {
				if !send(b) {
					return
				}
				b, size = batch{}, 0
			}
		}
	})
	for range workers {
		wg.Go(func() {
			for b := range work {
				out := make([]T, 0, len(b.entries))
				for _, e := range b.entries {
					if ctx.Err() != nil {
						break
					}
					out = append(out, parse(e.name, e.data, e.err))
				}
				b.done <- out
			}
		})
	}
	for b := range order {
		select {
		case out := <-b.done:
			for i := range out {
				if err := emit(out[i]); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if broken != nil {
		return fmt.Errorf("reading the archive: %w", broken)
	}
	return nil
}

// boundedReader ends in an error, and not in io.EOF, where there is more than allowed.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errors.New("it unpacks to more than is allowed")
	}
	return n, err
}

// tailReader knows whether what it read ends as a tar archive does, in blocks of
// nothing: without them one that is cut between entries would pass for a whole one.
type tailReader struct {
	r    io.Reader
	tail []byte
}

const tarBlock = 512

func (t *tailReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if n >= tarBlock {
		t.tail = append(t.tail[:0], p[n-tarBlock:n]...)
	} else {
		t.tail = append(t.tail, p[:n]...)
		t.tail = t.tail[max(0, len(t.tail)-tarBlock):]
	}
	return n, err
}

func (t *tailReader) ended() bool {
	return len(t.tail) == tarBlock && bytes.Count(t.tail, []byte{0}) == tarBlock
}
