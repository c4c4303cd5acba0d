package image

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Place is the sort of thing that a path on this machine leads to.
type Place string

// The places. An Archive is opened by OpenArchive, which tells docker from OCI; a
// PackedArchive is one that is compressed as a whole, which ReadStream reads faster.
const (
	LayoutFolder  Place = "oci"
	RootFolder    Place = "rootfs"
	Archive       Place = "archive"
	PackedArchive Place = "packed-archive"
)

// Detect tells what path leads to, for a source that was given without a scheme. It
// looks at the first bytes of a file or the names in a folder, not at more, so what
// is opened afterwards may still turn out to be no image. Errors wrap ErrNotFound if
// nothing is there, ErrNotImage or ErrUnsupported if it is something else.
func Detect(path string) (Place, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, pathError(err))
	}
	if fi.IsDir() {
		return detectFolder(path)
	}
	if !fi.Mode().IsRegular() {
		return "", fmt.Errorf("%s is neither a file nor a folder; what comes from a pipe is read with - as the source: %w", path, ErrNotImage)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, pathError(err))
	}
	defer f.Close()
	head := make([]byte, headSize)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", fmt.Errorf("%s: %w", path, pathError(err))
	}
	switch sniff(head[:n]) {
	case formTar:
		return Archive, nil
	case formGzip, formZstd:
		return PackedArchive, nil
	}
	return "", fmt.Errorf("%s is not an archive of images: %w", path, ErrNotImage)
}

func detectFolder(dir string) (Place, error) {
	there := func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name)))
		return err == nil
	}
	switch {
	case there("oci-layout"), there("index.json") && there("blobs"):
		return LayoutFolder, nil
	case there("etc/os-release"), there("usr/lib/os-release"):
		return RootFolder, nil
	case there("manifest.json") && there("version"):
		return "", fmt.Errorf("%s is a folder that skopeo wrote as dir:, which holds no standard layout; copy it to oci: first: %w", dir, ErrUnsupported)
	}
	n := 0
	for _, name := range []string{"bin", "etc", "lib", "sbin", "usr", "var"} {
		if there(name) {
			n++
		}
	}
	if n >= 2 {
		return RootFolder, nil
	}
	return "", fmt.Errorf("%s is neither an OCI layout nor a root file system; name it as rootfs:%s to read it as one: %w", dir, dir, ErrNotImage)
}
