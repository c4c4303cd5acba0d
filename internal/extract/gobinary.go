package extract

import (
	"bytes"
	"encoding/binary"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// What the Go linker leaves in a program, as cmd/link/internal/ld (buildinfo) writes
// it and debug/buildinfo describes it: a header aligned to 16 bytes that begins with
// a magic; since Go 1.18 the toolchain's version and the list of modules follow it,
// before that it holds pointers to two Go strings. The list of modules stands between
// two marks of 16 bytes (cmd/go/internal/modload).

const (
	binGoMagic     = "\xff Go buildinf:"
	binGoHeader    = 32
	binGoListStart = "\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6"
	binGoListEnd   = "\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2"
	binGoVersion   = "go1."

	binGoMaxVersion = 256     // bytes of a version string
	binGoMaxFinds   = 8       // headers in one file
	binGoMaxNoted   = 1 << 13 // places where a version may stand
)

// binGoInfo is one header that was found and makes sense.
type binGoInfo struct {
	off      int64
	version  string
	list     string // with its marks; empty if not built from modules
	tooLarge bool   // the list is longer than may be held
	// pointers is set for the format before Go 1.18, until they are resolved.
	pointers bool
	versPtr  uint64
	wide     bool
	order    binary.ByteOrder
}

// binGo is the state of looking for Go's data.
type binGo struct {
	smell bool // the Go linker made the file
	infos []binGoInfo
	// For the older format: constants pass before the header that points to them, so
	// whatever may be the list or the version is kept.
	list  string
	noted []binGoNoted
	// want is the place of the version's string header.
	want    int64
	wantLen int
	got     []byte
}

type binGoNoted struct {
	off  int64
	text [24]byte
}

// binGoSmell looks for the build ID, which the Go linker puts at the beginning.
func binGoSmell(head []byte) bool {
	head = head[:min(len(head), 32<<10)]
	return bytes.Contains(head, []byte("\x04\x00\x00\x00Go\x00\x00")) || bytes.Contains(head, []byte("\xff Go build ID: \""))
}

// findGo looks for headers that begin at window index [from, to).
func (s *binScan) findGo(from, to int) error {
	g := &s.golang
	want := binary.LittleEndian.Uint64([]byte(binGoMagic))
	// Sections are aligned in the file as they are in memory.
	i := from + int(-(s.base+int64(from))&15)
	for b := s.buf; i < to && i+16 <= len(b); i += 16 {
		if binary.LittleEndian.Uint64(b[i:]) == want {
			if err := s.goHeader(i); err != nil {
				return err
			}
			b = s.buf // it may have moved
		}
	}
	if g.want != 0 && g.got == nil {
		if at := g.want - s.base; at >= 0 && at+int64(g.wantLen) <= int64(len(s.buf)) {
			g.got = bytes.Clone(s.buf[at : at+int64(g.wantLen)])
		}
	}
	if g.list == "" {
		if err := s.ranges(s.layout.rodata, from, to, s.goList); err != nil {
			return err
		}
	}
	if g.smell && len(g.noted) < binGoMaxNoted {
		return s.ranges(s.layout.rodata, from, to, s.goVersions)
	}
	return nil
}

// goHeader reads the header at window index i, if it is one.
func (s *binScan) goHeader(i int) error {
	g := &s.golang
	if len(g.infos) >= binGoMaxFinds {
		return nil
	}
	b, err := s.take(i, binGoHeader+binary.MaxVarintLen64+binGoMaxVersion+binary.MaxVarintLen64)
	if err != nil || len(b) < binGoHeader || string(b[:len(binGoMagic)]) != binGoMagic {
		return err
	}
	info := binGoInfo{off: s.base + int64(i), order: binary.LittleEndian}
	const bigEndian, inline = 1, 2
	if flags := b[15]; flags&inline == 0 {
		if flags&bigEndian != 0 {
			info.order = binary.BigEndian
		}
		switch b[14] {
		case 4:
			info.versPtr = uint64(info.order.Uint32(b[16:]))
		case 8:
			info.versPtr, info.wide = info.order.Uint64(b[16:]), true
		default:
			return nil
		}
		info.pointers = true
		if off, ok := s.layout.offset(info.versPtr); ok && (g.want == 0 || s.layout.writable(info.off)) {
			g.want, g.wantLen = off, 8
			if info.wide {
				g.wantLen = 16
			}
		}
		g.infos = append(g.infos, info)
		return nil
	}
	rest := b[binGoHeader:]
	n, k := binary.Uvarint(rest)
	if k <= 0 || n == 0 || n > binGoMaxVersion || uint64(len(rest)-k) < n {
		return nil
	}
	info.version = string(rest[k : k+int(n)])
	rest = rest[k+int(n):]
	if !strings.HasPrefix(info.version, "go") && !strings.HasPrefix(info.version, "devel") {
		return nil
	}
	n, k = binary.Uvarint(rest)
	if k <= 0 {
		return nil
	}
	at := i + len(b) - len(rest) + k
	if n > uint64(s.size) {
		return nil
	}
	if n > binCapture {
		info.tooLarge = true
	} else if list, err := s.take(at, int(n)); err != nil {
		return err
	} else if uint64(len(list)) == n {
		info.list = string(list)
	}
	g.infos = append(g.infos, info)
	return nil
}

// goList keeps the list of modules that begins at window index [from, to).
func (s *binScan) goList(from, to int) error {
	const rare, at = 0x92, 4 // the fifth byte, seldom found in constants
	for i := from; i < to; {
		j := bytes.IndexByte(s.buf[min(i+at, len(s.buf)):min(to+at, len(s.buf))], rare)
		if j < 0 {
			return nil
		}
		i += j
		if i+16 <= len(s.buf) && string(s.buf[i:i+16]) == binGoListStart {
			b, err := s.take(i, 64<<10)
			if err != nil {
				return err
			}
			end := bytes.Index(b, []byte(binGoListEnd))
			if end < 0 {
				if b, err = s.take(i, binCapture); err != nil {
					return err
				}
				end = bytes.Index(b, []byte(binGoListEnd))
			}
			if end > 0 {
				s.golang.list = string(b[:end+16])
				return nil
			}
		}
		i++
	}
	return nil
}

// goVersions notes where versions may stand in window [from, to).
func (s *binScan) goVersions(from, to int) error {
	g := &s.golang
	for i := from; i < to && len(g.noted) < binGoMaxNoted; {
		j := bytes.Index(s.buf[i:min(to+len(binGoVersion)-1, len(s.buf))], []byte(binGoVersion))
		if j < 0 {
			return nil
		}
		i += j
		n := binGoNoted{off: s.base + int64(i)}
		copy(n.text[:], s.buf[i:])
		g.noted = append(g.noted, n)
		i += len(binGoVersion)
	}
	return nil
}

// resolve follows the pointers of the older format.
func (g *binGo) resolve(s *binScan, info *binGoInfo) {
	info.list = g.list
	if off, ok := s.layout.offset(info.versPtr); !ok || off != g.want || len(g.got) == 0 {
		return
	}
	var addr, n uint64
	if info.wide {
		addr, n = info.order.Uint64(g.got), info.order.Uint64(g.got[8:])
	} else {
		addr, n = uint64(info.order.Uint32(g.got)), uint64(info.order.Uint32(g.got[4:]))
	}
	off, ok := s.layout.offset(addr)
	for _, v := range g.noted {
		if ok && v.off == off && n <= uint64(len(v.text)) {
			info.version = string(v.text[:n])
		}
	}
}

// report adds what was found to out.
func (g *binGo) report(s *binScan, out *inventory.Fragment) {
	if len(g.infos) == 0 {
		return
	}
	// A program may carry another one, or the magic alone, in its constants; its own
	// data is writable. Of a file with several programs each is reported.
	own := []binGoInfo{g.infos[0]}
	for _, info := range g.infos {
		if s.layout.writable(info.off) {
			own[0] = info
			break
		}
	}
	if s.layout.fat {
		own = g.infos
	}
	seen := map[string]bool{}
	for i := range own {
		if own[i].pointers {
			g.resolve(s, &own[i])
		}
		g.reportOne(s, &own[i], out, seen)
	}
}

func (g *binGo) reportOne(s *binScan, info *binGoInfo, out *inventory.Fragment, seen map[string]bool) {
	unknown := func(reason inventory.Reason, detail string) {
		out.Unknowns = append(out.Unknowns, inventory.Unknown{Reason: reason, Subject: s.path, Detail: detail})
	}
	if info.pointers && info.version == "" && info.list == "" {
		return // the magic alone, without anything it points to
	}
	version, ok := binGoSemver(info.version)
	if !ok {
		unknown(inventory.AnalysisPartial, "the version of its Go standard library is not known: it says "+strconv.Quote(info.version))
	}
	binAddGo(out, seen, "stdlib", version, false)
	if info.tooLarge {
		unknown(inventory.LimitExceeded, "its list of Go modules is longer than may be held")
		return
	}
	list := info.list
	if len(list) < 33 || list[len(list)-17] != '\n' {
		return // not built from modules
	}
	mods, err := debug.ParseBuildInfo(list[16 : len(list)-16])
	if err != nil {
		unknown(inventory.AnalysisPartial, "reading its list of Go modules: "+err.Error())
		return
	}
	if mods.Main.Path != "" {
		binAddModule(out, seen, &mods.Main, true)
	}
	for _, d := range mods.Deps {
		binAddModule(out, seen, d, false)
	}
}

// binAddModule adds a module: under the path and version that replace it, if some do. A
// module replaced by a folder keeps its path and has no version, as it may have been
// changed in any way.
func binAddModule(out *inventory.Fragment, seen map[string]bool, m *debug.Module, main bool) {
	path, version := m.Path, m.Version
	if r := m.Replace; r != nil {
		if r.Version == "" || strings.HasPrefix(r.Path, "./") || strings.HasPrefix(r.Path, "../") || strings.HasPrefix(r.Path, "/") {
			version = ""
		} else {
			path, version = r.Path, r.Version
		}
	}
	if version == "(devel)" {
		version = "" // built in its working tree: no version is stated
	}
	binAddGo(out, seen, path, version, main)
}

func binAddGo(out *inventory.Fragment, seen map[string]bool, path, version string, main bool) {
	p := inventory.Package{Type: "golang", Name: path, Version: version, Evidence: inventory.Binary, Main: main}
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		p.Namespace, p.Name = path[:i], path[i+1:]
	}
	if p.Name == "" || seen[path+"@"+version] {
		return
	}
	seen[path+"@"+version] = true
	out.Packages = append(out.Packages, p)
}

// binGoSemver turns the version of a Go toolchain into the form in which the Go
// vulnerability database orders the standard library: "go1.21rc2" is 1.21.0-rc.2 and
// "go1.21.5 X:boringcrypto" 1.21.5. What follows the version proper (experiments,
// the distributor's mark) does not change its order. False if no version is stated,
// as for a toolchain built from a working tree.
func binGoSemver(s string) (string, bool) {
	s, ok := strings.CutPrefix(s, "go")
	if !ok {
		return "", false
	}
	number := func() (string, bool) {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		if n == 0 || n > 6 {
			return "", false
		}
		d := s[:n]
		s = s[n:]
		return d, true
	}
	major, ok := number()
	if !ok {
		return "", false
	}
	parts := [2]string{"0", "0"}
	for i := 0; i < 2 && strings.HasPrefix(s, "."); i++ {
		s = s[1:]
		if parts[i], ok = number(); !ok {
			return "", false
		}
	}
	out := major + "." + parts[0] + "." + parts[1]
	for _, pre := range [...]string{"rc", "beta"} {
		if rest, has := strings.CutPrefix(s, pre); has {
			s = rest
			n, ok := number()
			if !ok {
				return "", false
			}
			out += "-" + pre + "." + n
		}
	}
	if rest, has := strings.CutPrefix(s, "b"); has { // go1.17.13b7, the branch with BoringCrypto
		s = rest
		if _, ok := number(); !ok {
			return "", false
		}
	}
	if s != "" && s[0] != ' ' && s[0] != '-' && s[0] != '+' {
		return "", false
	}
	return out, true
}
