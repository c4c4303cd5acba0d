//go:build !unix

package image_test

import "os"

// mkfifo makes a folder, which may not be taken for a file either.
func mkfifo(path string) error { return os.Mkdir(path, 0o755) }
