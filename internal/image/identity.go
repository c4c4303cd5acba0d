package image

import (
	"fmt"
	"io/fs"
	"path/filepath"
)

// plainIdentity is for systems without inodes or change times.
func plainIdentity(path string, fi fs.FileInfo) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	t := fi.ModTime()
	return fmt.Sprintf("path=%q size=%d mtime=%d.%09d", path, fi.Size(), t.Unix(), t.Nanosecond())
}
