//go:build !unix

package advisorydb

import (
	"io"
	"os"
)

// mapFile reads a file of size bytes whole, where no memory map is to be had.
func mapFile(path string, size int64) (data []byte, unmap func() error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	data = make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), data); err != nil {
		return nil, nil, err
	}
	return data, func() error { return nil }, nil
}
