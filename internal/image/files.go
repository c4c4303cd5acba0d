package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// files is a place where an image lies as files: an archive or a folder. Names are
// slash-separated and never lead out of it.
type files interface {
	// stat gives what is known of a file, links followed; ErrNotFound if it is not there.
	stat(name string) (stored, error)
	// open gives the content, unverified.
	open(ctx context.Context, name string) (io.ReadCloser, error)
}

// stored describes a file of such a place.
type stored struct {
	size  int64
	form  form
	local string // Layer.Local
}

// readDocument gives a file as a whole, if it is small enough to be a document.
func readDocument(ctx context.Context, f files, name string) ([]byte, error) {
	st, err := f.stat(name)
	if err != nil {
		return nil, err
	}
	if st.size > MaxDocument {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read: %w", word(name), st.size, MaxDocument, ErrCorrupt)
	}
	rc, err := f.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	b := make([]byte, st.size)
	if _, err := io.ReadFull(rc, b); err != nil {
		return nil, fmt.Errorf("%s: %v: %w", word(name), err, ErrCorrupt)
	}
	return b, nil
}

// folder is a layout in a folder. Nothing outside is opened: os.Root refuses names
// and symlinks that lead out.
type folder struct{ dir string }

func (d folder) in(name string, do func(*os.Root, string) error) error {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return fileError(d.dir, err)
	}
	defer root.Close()
	if err := do(root, filepath.FromSlash(name)); err != nil {
		return fileError(name, err)
	}
	return nil
}

func (d folder) stat(name string) (st stored, err error) {
	err = d.in(name, func(root *os.Root, name string) error {
		fi, err := root.Stat(name)
		if err != nil {
			return err
		}
		if !fi.Mode().IsRegular() {
			return fmt.Errorf("not a regular file: %w", ErrCorrupt)
		}
		st = stored{size: fi.Size(), local: identity(filepath.Join(d.dir, name), fi)}
		return nil
	})
	return st, err
}

func (d folder) open(_ context.Context, name string) (rc io.ReadCloser, err error) {
	if _, err := d.stat(name); err != nil { // opening a FIFO would wait for a writer
		return nil, err
	}
	err = d.in(name, func(root *os.Root, name string) error {
		f, err := root.Open(name)
		rc = f
		return err
	})
	if err != nil {
		return nil, err
	}
	return rc, nil
}

// fileError gives an error of the file system one of our sentinels.
func fileError(name string, err error) error {
	switch {
	case isSentinel(err):
		return fmt.Errorf("%s: %w", name, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: no such file: %w", name, ErrNotFound)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s: %v: %w", name, err, ErrCorrupt)
}
