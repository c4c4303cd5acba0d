//go:build unix

package rootfs

import (
	"io/fs"
	"syscall"
)

const nonblock = syscall.O_NONBLOCK

func owner(info fs.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return 0, 0
}
