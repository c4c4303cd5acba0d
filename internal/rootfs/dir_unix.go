//go:build unix

package rootfs

import (
	"io/fs"
	"os"
	"syscall"
)

const nonblock = syscall.O_NONBLOCK

// owner gives who owns the file and the device it is on.
func owner(info fs.FileInfo) (uid, gid int, dev uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid), uint64(st.Dev) //nolint:unconvert // it is 32 bits wide elsewhere
	}
	return 0, 0, 0
}

// device gives the device that a folder is on.
func device(root *os.Root) uint64 {
	info, err := root.Stat(".")
	if err != nil {
		return 0
	}
	_, _, dev := owner(info)
	return dev
}
