//go:build !unix

package rootfs

import (
	"io/fs"
	"os"
)

const nonblock = 0

func owner(fs.FileInfo) (uid, gid int, dev uint64) { return 0, 0, 0 }

func device(*os.Root) uint64 { return 0 }
