package rootfs

import (
	"path"
	"slices"
	"strings"
)

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

// changes gives what the walk has found, in order.
func (w *walk) changes() *Changes {
	entries := w.entries
	if w.dropped {
		entries = slices.DeleteFunc(entries, func(e Entry) bool { return w.belowFile(e.Path) })
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	w.entries, w.seen = nil, nil
	slices.Sort(w.white)
	slices.Sort(w.opaque)
	return &Changes{Entries: entries, Whiteouts: slices.Compact(w.white), Opaque: slices.Compact(w.opaque), Problems: w.problems}
}

// belowFile reports whether a parent of p ended as something other than a folder.
func (w *walk) belowFile(p string) bool {
	for i := 0; i < len(p); i++ {
		if p[i] == '/' {
			if j, ok := w.seen[p[:i]]; ok && w.entries[j].Kind != Dir {
				return true
			}
		}
	}
	return false
}

// Find gives the entry with a clean path.
func (c *Changes) Find(p string) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(c.Entries, p, func(e Entry, p string) int { return strings.Compare(e.Path, p) })
	if !ok {
		return Entry{}, false
	}
	return c.Entries[i], true
}
