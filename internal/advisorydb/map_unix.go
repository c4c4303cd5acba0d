//go:build unix

package advisorydb

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps a file of size bytes for reading. The bytes are the file's until unmap.
func mapFile(path string, size int64) (data []byte, unmap func() error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if st.Size() != size {
		return nil, nil, fmt.Errorf("it has %d bytes now, not %d", st.Size(), size)
	}
	data, err = unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return data, func() error { return unix.Munmap(data) }, nil
}
