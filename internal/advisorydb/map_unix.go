//go:build unix

package advisorydb

import (
	"errors"

	"golang.org/x/sys/unix"
)

// mapFile maps a regular file of size bytes for reading. The bytes are the file's until
// unmap. Its error is [errNotRegular] or a wrongSize if it is not such a file.
//
// A scan maps some sixty shards, and an os.File would take twice as many system calls.
func mapFile(path string, size int64) (data []byte, unmap func() error, err error) {
	f, err := openFile(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = unix.Close(f) }() // it was only read
	var st unix.Stat_t
	switch err := unix.Fstat(f, &st); {
	case err != nil:
		return nil, nil, err
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, nil, errNotRegular
	case st.Size != size:
		return nil, nil, wrongSize(st.Size)
	}
	if data, err = unix.Mmap(f, 0, int(size), unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return nil, nil, err
	}
	return data, func() error { return unix.Munmap(data) }, nil
}

// openFile does not wait for a writer if the file is a fifo.
func openFile(path string) (int, error) {
	for {
		f, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if !errors.Is(err, unix.EINTR) {
			return f, err
		}
	}
}
