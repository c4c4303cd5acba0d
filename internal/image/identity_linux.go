package image

import (
	"fmt"
	"io/fs"
	"syscall"
)

// identity tells a file as it is now from every other, and from what it was before
// anybody wrote to it.
func identity(path string, fi fs.FileInfo) string {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("dev=%d ino=%d size=%d mtime=%d.%09d ctime=%d.%09d",
			st.Dev, st.Ino, st.Size, st.Mtim.Sec, st.Mtim.Nsec, st.Ctim.Sec, st.Ctim.Nsec)
	}
	return plainIdentity(path, fi)
}
