package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

const (
	// maxEntries bounds an archive of images: 500 images of 60 layers have 120,000.
	maxEntries = 1 << 17
	maxName    = 4096
	maxLinks   = 16
)

// form is what a file's first bytes show it to be.
type form uint8

const (
	formOther form = iota
	formTar
	formGzip
	formZstd
	formJSON
)

// headSize is how much of a file sniff looks at: one tar header.
const headSize = 512

// sniff tells the form of a file by its first headSize bytes, or all if it has fewer.
func sniff(head []byte) form {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return formGzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		len(head) >= 4 && head[0]&0xf0 == 0x50 && head[1] == 0x2a && head[2] == 0x4d && head[3] == 0x18: // skippable frame
		return formZstd
	case isTarHeader(head):
		return formTar
	}
	if b := bytes.TrimLeft(head, " \t\r\n"); len(b) > 0 && (b[0] == '{' || b[0] == '[') {
		return formJSON
	}
	return formOther
}

// isTarHeader goes by the checksum, which every tar since the first has, and takes a
// block of zeros for the end of an empty tar.
func isTarHeader(b []byte) bool {
	if len(b) < headSize {
		return false
	}
	b = b[:headSize]
	field := strings.Trim(string(b[148:156]), " \x00")
	if field == "" {
		return len(bytes.Trim(b, "\x00")) == 0
	}
	want, err := strconv.ParseInt(field, 8, 64)
	if err != nil {
		return false
	}
	var sum, signed int64 // old writers summed signed bytes
	for i, c := range b {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int64(c)
		signed += int64(int8(c))
	}
	return want == sum || want == signed
}

// entry is one file of an archive.
type entry struct {
	off, size int64  // of the body, in the uncompressed archive
	link      string // clean name of what it links to, if it is a link
	form      form
	body      []byte // the content, if it is kept in memory
	kept      bool   // body holds all of it
	odd       string // why it cannot be read, if so
}

// tarIndex lists the files of an archive by clean name; a name given twice is the
// later one. It is not changed once made.
type tarIndex struct {
	entries map[string]*entry
	rooty   bool // it has folders as a root file system has
	blobs   bool // it has a folder blobs
}

// cleanName makes a name of an archive one that lies within it.
func cleanName(s string) string { return strings.TrimPrefix(path.Clean("/"+s), "/") }

// walkTar indexes the tar that r gives; tell tells the offset reached in it. size is
// its length, or negative. each, if not nil, may fill in form, body and kept of a
// regular file and read its body.
func walkTar(ctx context.Context, r io.Reader, tell func() int64, size int64, each func(name string, e *entry, body io.Reader) error) (*tarIndex, error) {
	x := &tarIndex{entries: map[string]*entry{}}
	tr := tar.NewReader(r)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		h, err := tr.Next()
		if err == io.EOF {
			return x, nil
		}
		if err != nil {
			return nil, tarError(ctx, n, err)
		}
		if n >= maxEntries {
			return nil, fmt.Errorf("the archive has more than %d entries, as no archive of images has: %w", maxEntries, ErrNotImage)
		}
		if h.Typeflag == tar.TypeXGlobalHeader || len(h.Name) > maxName || len(h.Linkname) > maxName {
			continue
		}
		name := cleanName(h.Name)
		e := &entry{off: tell(), size: h.Size}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeCont:
			if sparse(h) {
				e.odd = "is stored as a sparse file"
			}
		case tar.TypeGNUSparse:
			e.odd = "is stored as a sparse file"
		case tar.TypeLink:
			e.link = cleanName(h.Linkname)
		case tar.TypeSymlink:
			e.link = cleanName(path.Join("/", path.Dir(name), h.Linkname))
			if path.IsAbs(h.Linkname) {
				e.link = cleanName(h.Linkname)
			}
		default:
			x.noteFolder(name)
			continue
		}
		x.noteFolder(path.Dir(name))
		if e.odd == "" && e.link == "" {
			if size >= 0 && e.size > size-e.off {
				return nil, fmt.Errorf("the archive is cut off: %q needs %d bytes, %d are left: %w", word(name), e.size, max(size-e.off, 0), ErrCorrupt)
			}
			if each != nil {
				if err := each(name, e, tr); err != nil {
					return nil, tarError(ctx, n, err)
				}
			}
		}
		x.entries[name] = e
	}
}

func (x *tarIndex) noteFolder(name string) {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "etc", "usr", "bin", "lib", "sbin":
		x.rooty = true
	case "blobs":
		x.blobs = true
	}
}

func sparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// visitError is a visitor's own error, which is passed on as it is.
type visitError struct{ error }

func (e visitError) Unwrap() error { return e.error }

// tarError says that an archive cannot be read; the reader's own words tell why.
func tarError(ctx context.Context, n int, err error) error {
	var v visitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &v):
		return v.error
	case isSentinel(err):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the archive is cut off after %d entries: %w", n, ErrCorrupt)
	case n == 0 && errors.Is(err, tar.ErrHeader):
		return fmt.Errorf("not a tar archive: %w", ErrNotImage)
	}
	return fmt.Errorf("tar entry %d: %v: %w", n+1, err, ErrCorrupt)
}

func isSentinel(err error) bool {
	for _, s := range []error{ErrCorrupt, ErrNotImage, ErrUnsupported, ErrNotFound, ErrDigestMismatch, ErrPlatform} {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

// follow gives the file that name leads to, and its own name.
func (x *tarIndex) follow(name string) (*entry, string, error) {
	name = cleanName(name)
	asked := name
	for range maxLinks {
		e, ok := x.entries[name]
		switch {
		case !ok && name == asked:
			return nil, "", fmt.Errorf("%s is not in the archive: %w", word(asked), ErrNotFound)
		case !ok:
			return nil, "", fmt.Errorf("%s links to %s, which is not in the archive: %w", word(asked), word(name), ErrNotFound)
		case e.odd != "":
			return nil, "", fmt.Errorf("%s %s: %w", word(asked), e.odd, ErrUnsupported)
		case e.link == "":
			return e, name, nil
		}
		name = e.link
	}
	return nil, "", fmt.Errorf("%s is a link that leads to no file: %w", word(asked), ErrCorrupt)
}
