package rootfs

import "strings"

// Kind of a file system entry.
type Kind uint8

// The kinds. Device covers character and block devices and FIFOs: nothing to read.
const (
	Regular Kind = iota
	Dir
	Symlink
	Hardlink
	Device
)

// Entry is one header of a layer, cleaned.
type Entry struct {
	// Path is clean, slash-separated, relative to the image's root and never
	// leaves it: "usr/lib/os-release". The root folder itself is "".
	Path string
	Kind Kind
	// Mode holds the permission bits and setuid, setgid, sticky as in tar (07777).
	Mode     uint32
	UID, GID int
	// Size of a regular file's content in bytes.
	Size int64
	// Link is the target: as written for a symlink, a clean path for a hard link.
	Link string
}

// Base is the last element of the path.
func (e Entry) Base() string { return e.Path[strings.LastIndexByte(e.Path, '/')+1:] }

// Dir is the path of the folder the entry lies in, "" for the root.
func (e Entry) Dir() string {
	if i := strings.LastIndexByte(e.Path, '/'); i >= 0 {
		return e.Path[:i]
	}
	return ""
}

// Executable reports whether anybody may execute the regular file.
func (e Entry) Executable() bool { return e.Kind == Regular && e.Mode&0o111 != 0 }
