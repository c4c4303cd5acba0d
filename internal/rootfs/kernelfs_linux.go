package rootfs

import (
	"os"
	"syscall"
)

// kernelFS are the file systems that show state of the kernel instead of files, by
// their number in statfs(2) and linux/magic.h.
var kernelFS = map[uint32]bool{
	0x9fa0:     true, // proc
	0x62656572: true, // sysfs
	0x27e0eb:   true, // cgroup
	0x63677270: true, // cgroup2
	0x64626720: true, // debugfs
	0x74726163: true, // tracefs
	0x73636673: true, // securityfs
	0xcafe4a11: true, // bpf
	0x6165676c: true, // pstore
	0x62656570: true, // configfs
	0x65735543: true, // fusectl
	0x42494e4d: true, // binfmt_misc
	0xde5e81e4: true, // efivarfs
	0xf97cff8c: true, // selinuxfs
	0x43415d53: true, // smackfs
	0x1cd1:     true, // devpts
	0x19800202: true, // mqueue
	0x6e736673: true, // nsfs
	0x67596969: true, // rpc_pipefs
	0x0187:     true, // autofs: entering it would mount what is below
}

// ofKernel reports whether the folder is on such a file system.
func ofKernel(root *os.Root) bool {
	f, err := root.Open(".")
	if err != nil {
		return false
	}
	defer f.Close()
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &st); err != nil {
		return false
	}
	return kernelFS[uint32(st.Type)]
}
