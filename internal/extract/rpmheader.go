package extract

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// The header of an rpm as its database stores it (rpm.org, "RPM V4 header format"):
// two big-endian counts, of index entries and of data bytes; the entries, 16 bytes
// each, with tag, type, offset into the data and count; the data.
const (
	rpmEntrySize = 16
	// rpmMaxEntries and rpmMaxData are rpm's own bounds (hdrchkTags, hdrchkData).
	rpmMaxEntries = 0xffff
	rpmMaxData    = 256 << 20
)

// Tags and types that are read (rpmtag.h).
const (
	rpmTagName       = 1000
	rpmTagVersion    = 1001
	rpmTagRelease    = 1002
	rpmTagEpoch      = 1003
	rpmTagVendor     = 1011
	rpmTagLicense    = 1014
	rpmTagArch       = 1022
	rpmTagFileModes  = 1030
	rpmTagSourceRPM  = 1044
	rpmTagDirIndexes = 1116
	rpmTagBasenames  = 1117
	rpmTagDirNames   = 1118
	rpmTagModularity = 5096

	rpmInt16       = 3
	rpmInt32       = 4
	rpmString      = 6
	rpmStringArray = 8
	rpmI18NString  = 9
)

// rpmHeader holds what is read of a header. The strings are copies; the rest are
// slices of the blob.
type rpmHeader struct {
	name, version, release, epoch, arch string
	source, license, vendor, module     string
	bases, dirs                         rpmArray
	dirIndex, modes                     []byte
}

// rpmArray is a string array: count strings, each ended by a zero byte.
type rpmArray struct {
	data  []byte
	count int
}

func (a *rpmArray) next() ([]byte, bool) {
	if a.count == 0 {
		return nil, false
	}
	i := bytes.IndexByte(a.data, 0)
	if i < 0 {
		a.count = 0
		return nil, false
	}
	s := a.data[:i]
	a.data = a.data[i+1:]
	a.count--
	return s, true
}

// rpmParse reads a header. Entries later in the index take the place of earlier
// ones: rpm appends what it changes.
func rpmParse(blob []byte) (*rpmHeader, error) {
	if len(blob) < 8 {
		return nil, fmt.Errorf("only %d bytes", len(blob))
	}
	entries, size := binary.BigEndian.Uint32(blob), binary.BigEndian.Uint32(blob[4:])
	if entries == 0 || entries > rpmMaxEntries || size > rpmMaxData {
		return nil, fmt.Errorf("%d entries and %d bytes of data are out of bounds", entries, size)
	}
	if uint64(len(blob)) < 8+uint64(entries)*rpmEntrySize+uint64(size) {
		return nil, fmt.Errorf("%d entries and %d bytes of data do not fit into %d bytes", entries, size, len(blob))
	}
	index := blob[8 : 8+entries*rpmEntrySize]
	data := blob[8+entries*rpmEntrySize:][:size]
	var found [len(rpmTags)][]byte // the last entry of each tag
	for ; len(index) > 0; index = index[rpmEntrySize:] {
		if i := slices.Index(rpmTags[:], binary.BigEndian.Uint32(index)); i >= 0 {
			found[i] = index[:rpmEntrySize]
		}
	}
	h := &rpmHeader{}
	for i, e := range found {
		if e == nil {
			continue
		}
		tag := rpmTags[i]
		typ, offset, count := binary.BigEndian.Uint32(e[4:]), binary.BigEndian.Uint32(e[8:]), binary.BigEndian.Uint32(e[12:])
		if offset > size || count == 0 || count > size {
			return nil, fmt.Errorf("tag %d lies outside of the data", tag)
		}
		if err := h.set(tag, typ, int(count), data[offset:]); err != nil {
			return nil, err
		}
	}
	if h.name == "" {
		return nil, errors.New("no name: the header is stripped")
	}
	return h, nil
}

// rpmTags are all tags that are read.
var rpmTags = [...]uint32{rpmTagName, rpmTagVersion, rpmTagRelease, rpmTagEpoch, rpmTagVendor, rpmTagLicense, rpmTagArch,
	rpmTagFileModes, rpmTagSourceRPM, rpmTagDirIndexes, rpmTagBasenames, rpmTagDirNames, rpmTagModularity}

// text gives where the text of a tag is kept; nil if the tag holds none.
func (h *rpmHeader) text(tag uint32) *string {
	switch tag {
	case rpmTagName:
		return &h.name
	case rpmTagVersion:
		return &h.version
	case rpmTagRelease:
		return &h.release
	case rpmTagArch:
		return &h.arch
	case rpmTagSourceRPM:
		return &h.source
	case rpmTagVendor:
		return &h.vendor
	case rpmTagLicense:
		return &h.license
	case rpmTagModularity:
		return &h.module
	}
	return nil
}

// set takes the value of one entry, which begins with data.
func (h *rpmHeader) set(tag, typ uint32, count int, data []byte) error {
	if to := h.text(tag); to != nil {
		i := bytes.IndexByte(data, 0)
		if typ != rpmString && typ != rpmI18NString && typ != rpmStringArray || i < 0 {
			return fmt.Errorf("tag %d, type %d, is not text", tag, typ)
		}
		if i > maxOSText {
			return fmt.Errorf("tag %d has a text of %d bytes", tag, i)
		}
		*to = string(data[:i])
		return nil
	}
	width, want := 4, uint32(rpmInt32)
	switch tag {
	case rpmTagFileModes:
		width, want = 2, rpmInt16
	case rpmTagBasenames, rpmTagDirNames:
		width, want = 1, rpmStringArray // at least a zero byte each
	}
	if typ != want || count > len(data)/width {
		return fmt.Errorf("tag %d has type %d and %d values in %d bytes", tag, typ, count, len(data))
	}
	switch tag {
	case rpmTagEpoch:
		h.epoch = strconv.FormatUint(uint64(binary.BigEndian.Uint32(data)), 10)
	case rpmTagFileModes:
		h.modes = data[:count*width]
	case rpmTagDirIndexes:
		h.dirIndex = data[:count*width]
	case rpmTagBasenames:
		h.bases = rpmArray{data, count}
	case rpmTagDirNames:
		h.dirs = rpmArray{data, count}
	}
	return nil
}

// addTo adds the package and its files, unless it is none: rpm keeps public keys as
// pseudo packages.
func (h *rpmHeader) addTo(d *osDraft) {
	if h.name == "gpg-pubkey" {
		return
	}
	if h.name == "" || h.version == "" || h.release == "" {
		d.note("package %.100q with version %.100q-%.100q is not complete", h.name, h.version, h.release)
		return
	}
	epoch := ""
	if h.epoch != "" && h.epoch != "0" {
		epoch = h.epoch + ":"
	}
	p := inventory.Package{Name: h.name, Version: epoch + h.version + "-" + h.release, Type: "rpm",
		Arch: h.arch, Module: rpmStream(h.module), Vendor: h.vendor}
	p.Source = inventory.Source{Name: p.Name, Version: p.Version}
	if name, version, ok := rpmSource(h.source); ok {
		p.Source.Name = name
		if version = epoch + version; version != p.Version {
			p.Source.Version = version
		}
	}
	if h.license != "" {
		p.Licenses = []string{h.license}
	}
	if !d.add(p) {
		return
	}
	paths, err := h.paths(d)
	if err != nil {
		d.note("reading the files of package %.100q: %v", h.name, err)
	}
	d.own(h.name, paths)
}

// rpmStream cuts a modularity label to its name and stream: "nodejs:18" from
// "nodejs:18:8060020220523160029:ad008a3a".
func rpmStream(label string) string {
	name, rest, ok := strings.Cut(label, ":")
	if !ok {
		return label
	}
	stream, _, _ := strings.Cut(rest, ":")
	return name + ":" + stream
}

// rpmSource splits a source package's file name, NAME-VERSION-RELEASE.src.rpm, into
// its name and version-release.
func rpmSource(file string) (name, version string, ok bool) {
	s, ok := strings.CutSuffix(file, ".src.rpm")
	if !ok {
		if s, ok = strings.CutSuffix(file, ".nosrc.rpm"); !ok {
			return "", "", false
		}
	}
	r := strings.LastIndexByte(s, '-')
	if r <= 0 {
		return "", "", false
	}
	v := strings.LastIndexByte(s[:r], '-')
	if v <= 0 || v+1 == r || r+1 == len(s) {
		return "", "", false
	}
	return s[:v], s[v+1:], true
}

// paths gives the ownable files of the package. Folders and links are left out: what
// a link leads to may belong to another package.
func (h *rpmHeader) paths(d *osDraft) ([]string, error) {
	if h.bases.count == 0 {
		return nil, nil
	}
	if len(h.dirIndex)/4 != h.bases.count || len(h.modes) > 0 && len(h.modes)/2 != h.bases.count {
		return nil, errors.New("the lists of names, folders and modes differ in length")
	}
	type folder struct {
		path  string
		class ownDir
	}
	dirs := make([]folder, 0, min(h.dirs.count, len(h.dirs.data)))
	for all := h.dirs; ; {
		s, ok := all.next()
		if !ok {
			break
		}
		dir := strings.TrimPrefix(string(s), "/")
		if dir != "" && !strings.HasSuffix(dir, "/") {
			dir += "/"
		}
		dirs = append(dirs, folder{dir, ownableDir(dir)})
	}
	var kept []string
	bases := h.bases
	for i := range h.bases.count {
		base, ok := bases.next()
		if !ok {
			return kept, errors.New("the list of names is cut off")
		}
		if len(h.modes) > 0 && binary.BigEndian.Uint16(h.modes[2*i:])&0o170000 != 0o100000 {
			continue
		}
		at := binary.BigEndian.Uint32(h.dirIndex[4*i:])
		if uint64(at) >= uint64(len(dirs)) {
			return kept, errors.New("a file lies in a folder that is not listed")
		}
		kept = d.path(kept, dirs[at].class, dirs[at].path, string(base))
	}
	return kept, nil
}
