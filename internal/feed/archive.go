package feed

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Bounds on a zip archive of records.
const (
	maxEntries  = 4 << 20
	maxEntry    = 64 << 20 // bytes of one entry, unpacked
	maxUnpacked = 64 << 30 // bytes of all entries together, unpacked
	entryBatch  = 64       // entries that one goroutine takes at a time
)

// eachEntry parses the entries of a zip archive whose names want accepts, on all
// processors, and hands the results to emit one after the other in the order of the
// entries' names. parse may not keep data, which is nil when err says why the entry
// cannot be read. The first error of emit ends it.
func eachEntry[T any](ctx context.Context, r ReaderAtCloser, want func(name string) bool,
	parse func(name string, data []byte, err error) T, emit func(T) error) error {
	z, err := zip.NewReader(r, r.Size())
	if err != nil {
		return fmt.Errorf("reading the archive's directory: %v", err)
	}
	var files []*zip.File
	var total uint64
	for _, f := range z.File {
		if !want(f.Name) {
			continue
		}
		files = append(files, f)
		total += min(f.UncompressedSize64, maxEntry+1)
	}
	if len(files) > maxEntries || total > maxUnpacked {
		return fmt.Errorf("the archive unpacks to %d files of %d bytes, over the limits of %d and %d", len(files), total, maxEntries, int64(maxUnpacked))
	}
	slices.SortStableFunc(files, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })

	type batch struct {
		files []*zip.File
		done  chan []T
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	workers := runtime.NumCPU()
	work := make(chan batch)
	order := make(chan batch, 4*workers) // bounds what is parsed and not yet handed on
	wg.Go(func() {
		defer close(order)
		defer close(work)
		for part := range slices.Chunk(files, entryBatch) {
			b := batch{part, make(chan []T, 1)}
			select {
			case order <- b:
			case <-ctx.Done():
				return
			}
			select {
			case work <- b:
			case <-ctx.Done():
				return
			}
		}
	})
	for range workers {
		wg.Go(func() {
			var buf bytes.Buffer
			for b := range work {
				out := make([]T, 0, len(b.files))
				for _, f := range b.files {
					if ctx.Err() != nil {
						break
					}
					if err := readEntry(&buf, f); err != nil {
						out = append(out, parse(f.Name, nil, err))
					} else {
						out = append(out, parse(f.Name, buf.Bytes(), nil))
					}
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
	return ctx.Err()
}

// readEntry unpacks an entry, whose size is claimed by the archive and not trusted.
func readEntry(buf *bytes.Buffer, f *zip.File) error {
	buf.Reset()
	if f.UncompressedSize64 > maxEntry {
		return fmt.Errorf("the entry has %d bytes, over the limit of %d", f.UncompressedSize64, maxEntry)
	}
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("opening the entry: %v", err)
	}
	defer r.Close()
	n, err := buf.ReadFrom(io.LimitReader(r, maxEntry+1))
	switch {
	case err != nil:
		return fmt.Errorf("reading the entry: %v", err)
	case n > maxEntry:
		return fmt.Errorf("the entry has over %d bytes", maxEntry)
	}
	return nil
}
