package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// keepUnpacked is how much of a compressed archive is kept in memory, so that small
// ones need not be decompressed again for each layer.
const keepUnpacked = 32 << 20

// layoutKind says which of an archive's tables of contents is asked for.
type layoutKind uint8

const (
	anyLayout layoutKind = iota
	dockerLayout
	ociLayout
)

// OpenArchive opens a file that holds images: what docker save, podman save, skopeo,
// BuildKit and others write, or an OCI layout as a tar (OCI image spec,
// image-layout.md). Which it is is told by what it holds. The file may be compressed
// as a whole with gzip or zstd.
//
// All images in it are read, or those that sel.Name picks: by tag, by reference name
// or by the digest of index, manifest or config. From an index sel chooses. Set.Source
// is path.
//
// A plain tar is indexed by seeking over its files; Layer.Open then reads a section
// of it, without a copy. A compressed one is decompressed once to index it and, where
// it is larger than 32 MiB, once more up to the layer for each Layer.Open: who reads
// every layer of a large one once uses [ReadStream] instead. Each Open opens path
// anew and refuses a file that has changed since; the Set holds no resources.
//
// Layer.Local names device, inode, size, times and offset. In the older docker
// layout a layer has no digest but that of its uncompressed tar: Layer.Digest is
// DiffID then, and if the layer is stored compressed, as MediaType tells, Open cannot
// verify more than the size; who reads it must check DiffID, as rootfs always does.
//
// Errors wrap ErrNotFound (no such file, or no image of that name), ErrNotImage,
// ErrPlatform, ErrUnsupported, ErrCorrupt or ErrDigestMismatch. A layer that is not
// in the archive is an error of its Open alone.
func OpenArchive(ctx context.Context, path string, sel Select) (*Set, error) {
	return openArchive(ctx, path, sel, anyLayout)
}

// OpenDockerArchive is OpenArchive for a file that must be a docker archive, of the
// older layout or of the one since Docker 25, which is an OCI layout too.
func OpenDockerArchive(ctx context.Context, path string, sel Select) (*Set, error) {
	return openArchive(ctx, path, sel, dockerLayout)
}

// OpenOCIArchive is OpenArchive for a file that must be an OCI layout in a tar.
func OpenOCIArchive(ctx context.Context, path string, sel Select) (*Set, error) {
	return openArchive(ctx, path, sel, ociLayout)
}

func openArchive(ctx context.Context, path string, sel Select, kind layoutKind) (*Set, error) {
	a := &archive{path: path}
	if err := a.load(ctx); err != nil {
		return nil, fmt.Errorf("archive %s: %w", path, err)
	}
	set, err := archiveSet(ctx, a, a.index, path, sel, kind)
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", path, err)
	}
	return set, nil
}

// archiveSet makes a Set of an indexed archive. f reads the files that x lists.
func archiveSet(ctx context.Context, f files, x *tarIndex, source string, sel Select, kind layoutKind) (*Set, error) {
	has := func(name string) bool { _, ok := x.entries[name]; return ok }
	docker, oci := has("manifest.json"), has("index.json") && (has("oci-layout") || x.blobs)
	switch {
	case docker && (kind != ociLayout), oci && kind != dockerLayout:
	case kind == ociLayout && docker:
		return nil, fmt.Errorf("it is a docker archive without an OCI layout: it has manifest.json but no index.json: %w", ErrNotImage)
	case kind == dockerLayout && oci:
		return nil, fmt.Errorf("it is an OCI layout without manifest.json, not a docker archive: %w", ErrNotImage)
	case has("repositories"):
		return nil, fmt.Errorf("it is of the layout that docker save wrote before version 1.10, with repositories but no manifest.json: %w", ErrUnsupported)
	case len(x.entries) == 0:
		return nil, fmt.Errorf("it is empty: %w", ErrNotImage)
	case x.rooty:
		return nil, fmt.Errorf("it has neither manifest.json nor index.json but looks like a root file system; unpack it and name the folder as rootfs:DIR: %w", ErrNotImage)
	default:
		return nil, fmt.Errorf("it has neither manifest.json (docker archive) nor index.json (OCI layout): %w", ErrNotImage)
	}
	var entries []dockerEntry
	var err error
	if docker && kind != ociLayout {
		if entries, err = readDockerManifest(ctx, f); err != nil {
			return nil, err
		}
	}
	l := &layout{ctx: ctx, files: f}
	var cands []candidate
	if oci {
		if cands, entries, err = l.candidates(entries, sel); err != nil {
			return nil, err
		}
	}
	for _, e := range entries {
		cands = append(cands, e.candidate(ctx, f))
	}
	return pick(cands, source, sel)
}

// archive is a file that holds images.
type archive struct {
	path     string
	identity string
	form     form // formGzip or formZstd if compressed as a whole
	index    *tarIndex
}

// load indexes the file.
func (a *archive) load(ctx context.Context) error {
	fi, err := os.Stat(a.path)
	if err != nil {
		return pathError(err)
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("it is not a regular file; what comes from a pipe is read with - as the source: %w", ErrNotImage)
	}
	f, err := os.Open(a.path)
	if err != nil {
		return pathError(err)
	}
	defer f.Close()
	if fi, err = f.Stat(); err != nil {
		return pathError(err)
	}
	a.identity = identity(a.path, fi)
	head := make([]byte, headSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return pathError(err)
	}
	if n == 0 {
		return fmt.Errorf("the file is empty: %w", ErrNotImage)
	}
	switch a.form = sniff(head[:n]); a.form {
	case formGzip, formZstd:
		return a.loadCompressed(ctx, f)
	case formTar:
	default:
		return fmt.Errorf("not a tar archive: %w", ErrNotImage)
	}
	sr := io.NewSectionReader(f, 0, fi.Size())
	tell := func() int64 { n, _ := sr.Seek(0, io.SeekCurrent); return n }
	a.index, err = walkTar(ctx, sr, tell, fi.Size(), func(_ string, e *entry, body io.Reader) error {
		n, err := io.ReadFull(body, head[:min(e.size, headSize)])
		e.form = sniff(head[:n])
		return err
	})
	return err
}

func (a *archive) loadCompressed(ctx context.Context, f *os.File) error {
	plain, done, err := decompress(&ctxReader{ctx, f}, a.form)
	if err != nil {
		return err
	}
	defer done()
	in := &offsetReader{r: plain}
	var kept int64
	head := make([]byte, headSize)
	a.index, err = walkTar(ctx, in, in.offset, -1, func(_ string, e *entry, body io.Reader) error {
		n, err := io.ReadFull(body, head[:min(e.size, headSize)])
		if err != nil {
			return err
		}
		e.form = sniff(head[:n])
		if e.size > keepUnpacked-kept {
			return nil
		}
		kept += e.size
		e.body, e.kept, err = readBody(head[:n], body, e.size)
		return err
	})
	return err
}

// readBody gives a body of size bytes of which head has been read. Memory grows with
// what is there, not with what a header claims.
func readBody(head []byte, body io.Reader, size int64) ([]byte, bool, error) {
	var buf bytes.Buffer
	buf.Grow(int(min(size, 1<<20)))
	buf.Write(head)
	n, err := io.Copy(&buf, io.LimitReader(body, size-int64(len(head))))
	if err == nil && n+int64(len(head)) != size {
		err = io.ErrUnexpectedEOF
	}
	return buf.Bytes(), err == nil, err
}

func (a *archive) stat(name string) (stored, error) {
	e, _, err := a.index.follow(name)
	if err != nil {
		return stored{}, err
	}
	at := "at"
	if a.form != formTar {
		at = "unpacked"
	}
	return stored{size: e.size, form: e.form, local: fmt.Sprintf("%s %s=%d", a.identity, at, e.off)}, nil
}

func (a *archive) open(ctx context.Context, name string) (io.ReadCloser, error) {
	e, _, err := a.index.follow(name)
	if err != nil {
		return nil, err
	}
	if e.kept {
		return io.NopCloser(bytes.NewReader(e.body)), nil
	}
	f, err := os.Open(a.path)
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", a.path, pathError(err))
	}
	fi, err := f.Stat()
	if err != nil || identity(a.path, fi) != a.identity {
		f.Close()
		return nil, fmt.Errorf("archive %s was changed while it was being read: %w", a.path, ErrCorrupt)
	}
	if a.form == formTar {
		return section{io.NewSectionReader(f, e.off, e.size), f.Close}, nil
	}
	plain, done, err := decompress(&ctxReader{ctx, f}, a.form)
	if err == nil {
		_, err = io.CopyN(io.Discard, plain, e.off)
	}
	if err != nil {
		if done != nil {
			done()
		}
		f.Close()
		return nil, fmt.Errorf("archive %s: decompressing up to %s: %v: %w", a.path, word(name), err, ErrCorrupt)
	}
	return section{io.LimitReader(plain, e.size), func() error { done(); return f.Close() }}, nil
}

type section struct {
	io.Reader
	close func() error
}

func (s section) Close() error { return s.close() }

// decompress gives what is packed in r. done frees the decoder.
func decompress(r io.Reader, f form) (plain io.Reader, done func(), err error) {
	if f == formGzip {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, fmt.Errorf("gzip header: %v: %w", err, ErrCorrupt)
		}
		return z, func() { z.Close() }, nil
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		return nil, nil, fmt.Errorf("zstd header: %v: %w", err, ErrCorrupt)
	}
	return z, z.Close, nil
}

// ctxReader ends reading when ctx does. It lives no longer than one call or stream.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// offsetReader counts what has been read.
type offsetReader struct {
	r io.Reader
	n int64
}

func (o *offsetReader) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	o.n += int64(n)
	return n, err
}

func (o *offsetReader) offset() int64 { return o.n }

// pathError drops the path of an error of the file system, which the caller names.
func pathError(err error) error {
	var pe *os.PathError
	cause := err
	if errors.As(err, &pe) {
		cause = pe.Err
	}
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("no such file: %w", ErrNotFound)
	}
	return fmt.Errorf("%v: %w", cause, ErrCorrupt)
}
