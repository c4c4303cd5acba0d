//go:build !unix

package advisorydb

import (
	"io"
	"os"
)

// mapFile reads a regular file of size bytes whole, where no memory map is to be had. Its
// error is [errNotRegular] or a wrongSize if it is not such a file.
func mapFile(path string, size int64) (data []byte, unmap func() error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	switch st, err := f.Stat(); {
	case err != nil:
		return nil, nil, err
	case !st.Mode().IsRegular():
		return nil, nil, errNotRegular
	case st.Size() != size:
		return nil, nil, wrongSize(st.Size())
	}
	data = make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, nil, err
	}
	return data, func() error { return nil }, nil
}
