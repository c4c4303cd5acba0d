package feed

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
)

// eachFile hands the regular files of a gzipped tar archive whose names want accepts to
// visit, in the order of the archive. data is valid until visit returns, and nil when
// err says why the file is left out. A damaged or truncated archive is an error; the
// first error of visit ends it.
func eachFile(ctx context.Context, r io.Reader, want func(name string) bool, visit func(name string, data []byte, err error) error) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("unpacking the archive: %w", err)
	}
	all := &io.LimitedReader{R: z, N: maxUnpacked}
	t := tar.NewReader(all)
	var buf []byte
	var total int64 // by the files' own sizes: those with holes take less in the archive
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		switch {
		case err != nil:
			return fmt.Errorf("reading the archive: %w", err)
		case n > maxEntries:
			return fmt.Errorf("reading the archive: more than %d files", maxEntries)
		case h.Typeflag != tar.TypeReg || !want(h.Name):
			continue
		case h.Size > maxEntry:
			if err := visit(h.Name, nil, fmt.Errorf("the file has %d bytes, over the limit of %d", h.Size, maxEntry)); err != nil {
				return err
			}
			continue
		}
		if total += h.Size; total > maxUnpacked {
			return fmt.Errorf("reading the archive: it unpacks to over %d bytes", int64(maxUnpacked))
		}
		if int64(cap(buf)) < h.Size {
			buf = make([]byte, h.Size)
		}
		buf = buf[:h.Size]
		if _, err := io.ReadFull(t, buf); err != nil {
			return fmt.Errorf("reading %.200q from the archive: %w", h.Name, err)
		}
		if err := visit(h.Name, buf, nil); err != nil {
			return err
		}
	}
	// What is left is padding; reading it checks the sum of what was unpacked.
	if _, err := io.Copy(io.Discard, all); err != nil {
		return fmt.Errorf("reading the archive: %w", err)
	}
	if all.N <= 0 {
		return errors.New("reading the archive: it unpacks to too many bytes")
	}
	return nil
}
