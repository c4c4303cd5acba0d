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

	return inOrder(ctx, runtime.NumCPU(),
		func(put func([]*zip.File) bool) error {
			for part := range slices.Chunk(files, entryBatch) {
				if !put(part) {
					break
				}
			}
			return nil
		},
		func(ctx context.Context) func([]*zip.File) []T {
			var buf bytes.Buffer
			return func(part []*zip.File) []T {
				out := make([]T, 0, len(part))
				for _, f := range part {
					if ctx.Err() != nil {
						break
					}
					if err := readEntry(&buf, f); err != nil {
						out = append(out, parse(f.Name, nil, err))
					} else {
						out = append(out, parse(f.Name, buf.Bytes(), nil))
					}
				}
				return out
			}
		}, emit)
}

// inOrder works off the batches that produce puts, by that many workers at once, and
// hands the results to emit one after the other in the order of the batches. At most
// some six batches for each worker are under way. put is false when there is no use in
// more. worker is called once for each worker; what it gives is called from one
// goroutine. The first error of emit or produce ends it, that of produce after the
// results of what was put before.
func inOrder[B, T any](ctx context.Context, workers int, produce func(put func(B) bool) error,
	worker func(context.Context) func(B) []T, emit func(T) error) error {
	type job struct {
		batch B
		done  chan []T
	}
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	work := make(chan job)
	order := make(chan job, 4*workers) // bounds what is parsed and not yet handed on
	var failed error                   // of produce; to be read once order is closed
	wg.Go(func() {
		defer close(order)
		defer close(work)
		failed = produce(func(b B) bool {
			j := job{b, make(chan []T, 1)}
			for _, to := range [...]chan job{order, work} {
				select {
				case to <- j:
				case <-ctx.Done():
					return false
				}
			}
			return true
		})
	})
	for range workers {
		wg.Go(func() {
			do := worker(ctx)
			for j := range work {
				j.done <- do(j.batch)
			}
		})
	}
	for j := range order {
		select {
		case out := <-j.done:
			for i := range out {
				if err := emit(out[i]); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := outer.Err(); err != nil {
		return err
	}
	return failed
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
