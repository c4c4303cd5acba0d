package rootfs

import "strings"

// Kind of a file system entry.
type Kind uint8

// The kinds. Device covers character and block devices, FIFOs and sockets: nothing
// to read. Their numbers are part of what is cached.
const (
	Regular Kind = iota
	Dir
	Symlink
	Hardlink
	Device
)

// Entry is one header of a layer, cleaned: as it is once the layer was applied, so a
// name that leads through a symbolic link of the same layer is the place it leads to,
// and a hard link to a symbolic link is one itself.
type Entry struct {
	// Path is clean, slash-separated, relative to the image's root and never
	// leaves it: "usr/lib/os-release". The root folder itself is "".
	Path string
	Kind Kind
	// Mode holds the permission bits and setuid, setgid, sticky as in tar (07777).
	Mode     uint32
	UID, GID int
	// Size of a regular file's content in bytes; also of a hard link's, if its target
	// is in the same layer.
	Size int64
	// Link is the target: as written for a symlink, a clean path for a hard link.
	Link string
	// At counts the headers of the layer's tar, from 1, and so tells bodies under the
	// same name apart; 0 if the entry was read before and comes from a cache.
	At uint32
	// LinkAt is the At of the regular file that a hard link is another name of; 0 if it
	// has to be looked for in the layers below.
	LinkAt uint32
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
