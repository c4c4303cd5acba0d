package rootfs

import (
	"path"
	"strings"

	"github.com/plimsoll/plimsoll/internal/image"
)

// Changes is what one layer does to the file system below it. It is never changed
// once made.
type Changes struct {
	// DiffID is the digest of the uncompressed tar as computed; empty if the layer was
	// not read to its end.
	DiffID image.Digest
	// Size of the uncompressed tar in bytes.
	Size int64
	// Entries are what the layer brings: where it names a path twice the last one
	// counts, and what it brings and then replaces itself is gone. Whiteouts are not
	// among them.
	Entries Entries
	// Whiteouts are paths that the layer removes from those below, sorted.
	Whiteouts []string
	// Opaque are folders whose content in layers below is hidden, sorted.
	Opaque []string
	// Problems are limits that were reached: the layer was not read as a whole.
	Problems []Problem
}

// Find gives the entry with a clean path.
func (c *Changes) Find(p string) (Entry, bool) { return c.Entries.Find(p) }

// Clean makes a path out of an archive safe: rooted at the image, without ".",
// "..", doubled or trailing slashes, and without a leading one. Names are bytes:
// nothing is decoded.
func Clean(name string) string {
	if isClean(name) {
		return name
	}
	return path.Clean("/" + name)[1:]
}

// isClean spares path.Clean's work for the many names that need none.
func isClean(s string) bool {
	if s == "" {
		return true
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '/' {
			continue
		}
		switch part := s[start:i]; part {
		case "", ".", "..":
			return false
		}
		start = i + 1
	}
	return true
}

func join(dir, name string) string {
	if dir == "" {
		return Clean(name)
	}
	return Clean(dir + "/" + name)
}

// parent is the folder of a clean path, "" for the root.
func parent(p string) string { return p[:max(strings.LastIndexByte(p, '/'), 0)] }
