package extract

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// binScanBytes runs the extractor over an executable in memory.
func binScanBytes(t testing.TB, name string, body []byte) *inventory.Fragment {
	t.Helper()
	f := rootfs.NewFile(t.Context(), rootfs.Entry{Path: name, Mode: 0o755}, body)
	out, err := binaryExtractor.Extract(t.Context(), f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// binNames gives "type namespace/name version" of each package, sorted.
func binNames(f *inventory.Fragment) []string {
	var out []string
	if f != nil {
		for _, p := range f.Packages {
			name := p.Name
			if p.Namespace != "" {
				name = p.Namespace + "/" + name
			}
			out = append(out, strings.TrimSpace(p.Type+" "+name+" "+p.Version))
		}
	}
	slices.Sort(out)
	return out
}

// binOracle says what the standard library reads from the same file.
func binOracle(t testing.TB, body []byte) []string {
	t.Helper()
	bi, err := buildinfo.Read(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("debug/buildinfo: %v", err)
	}
	v, _ := binGoSemver(bi.GoVersion)
	out := []string{"golang stdlib " + v}
	add := func(path, version string) {
		if version == "(devel)" {
			version = ""
		}
		out = append(out, strings.TrimSpace("golang "+path+" "+version))
	}
	if bi.Main.Path != "" {
		add(bi.Main.Path, bi.Main.Version)
	}
	for _, d := range bi.Deps {
		switch {
		case d.Replace == nil:
			add(d.Path, d.Version)
		case strings.HasPrefix(d.Replace.Path, "./"):
			add(d.Path, "")
		default:
			add(d.Replace.Path, d.Replace.Version)
		}
	}
	slices.Sort(out)
	return out
}

// binProgram writes a Go program with modules of every kind, vendored so that nothing
// is fetched, and gives its folder.
func binProgram(t testing.TB) string {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/app/v2\n\ngo 1.21\n\nrequire (\n\texample.com/plain v1.2.3\n\texample.com/old v1.0.0\n\texample.com/here v0.1.0\n" +
			"\texample.com/big v4.0.0+incompatible\n)\n\nreplace example.com/old => example.com/fork/old v1.1.0\n\nreplace example.com/here => ./here\n",
		"main.go": "package main\n\nimport (\n\t_ \"example.com/big\"\n\t_ \"example.com/here\"\n\t_ \"example.com/old\"\n\t_ \"example.com/plain\"\n)\n\nfunc main() { println(1) }\n",
		"vendor/modules.txt": "# example.com/big v4.0.0+incompatible\n## explicit\nexample.com/big\n# example.com/here v0.1.0 => ./here\n## explicit; go 1.21\nexample.com/here\n" +
			"# example.com/old v1.0.0 => example.com/fork/old v1.1.0\n## explicit; go 1.21\nexample.com/old\n# example.com/plain v1.2.3\n## explicit; go 1.21\nexample.com/plain\n" +
			"# example.com/old => example.com/fork/old v1.1.0\n# example.com/here => ./here\n",
		"vendor/example.com/plain/p.go": "package plain\n",
		"vendor/example.com/old/p.go":   "package old\n",
		"vendor/example.com/here/p.go":  "package here\n",
		"vendor/example.com/big/p.go":   "package big\n",
		"here/go.mod":                   "module example.com/here\n\ngo 1.21\n",
		"here/p.go":                     "package here\n",
	} {
		binWrite(t, filepath.Join(dir, name), []byte(text))
	}
	return dir
}

func binWrite(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// binBuild builds the Go program in dir and gives the executable.
func binBuild(t testing.TB, dir, env string, args ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-buildvcs=false", "-o", out}, args...), ".")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), append([]string{"CGO_ENABLED=0", "GOFLAGS=-mod=vendor", "GOWORK=off", "GOPROXY=off", "GOTOOLCHAIN=local"}, strings.Fields(env)...)...)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building a Go program: %v\n%s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoPrograms(t *testing.T) {
	dir := binProgram(t)
	want := []string{
		"golang example.com/app/v2", "golang example.com/big v4.0.0+incompatible", "golang example.com/fork/old v1.1.0",
		"golang example.com/here", "golang example.com/plain v1.2.3",
	}
	for _, c := range []struct {
		env  string
		args []string
	}{
		{"", nil},
		{"", []string{"-ldflags=-s -w"}},
		{"", []string{"-ldflags=-s -w -buildid= -X main.version=v9.9.9"}},
		{"", []string{"-buildmode=pie"}},
		{"GOOS=windows", []string{"-ldflags=-s -w"}},
		{"GOOS=darwin GOARCH=arm64", []string{"-ldflags=-s -w"}},
	} {
		t.Run(strings.TrimSpace(c.env+" "+strings.Join(c.args, " ")), func(t *testing.T) {
			body := binBuild(t, dir, c.env, c.args...)
			got := binScanBytes(t, "app", body)
			if d := cmp.Diff(binOracle(t, body), binNames(got)); d != "" {
				t.Errorf("not what debug/buildinfo reads (-want +got):\n%s", d)
			}
			if d := cmp.Diff(want, slices.DeleteFunc(binNames(got), func(s string) bool { return strings.HasPrefix(s, "golang stdlib 1.") })); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if len(got.Unknowns) > 0 {
				t.Errorf("unknowns: %v", got.Unknowns)
			}
			for _, p := range got.Packages {
				if p.Main != (p.FullName() == "example.com/app/v2") {
					t.Errorf("%s is the program: %v", p.FullName(), p.Main)
				}
			}
		})
	}
}

// A program that carries another one is not that other one.
func TestGoEmbedded(t *testing.T) {
	inner := binBuild(t, binProgram(t), "", "-ldflags=-s -w")
	dir := t.TempDir()
	binWrite(t, filepath.Join(dir, "go.mod"), []byte("module example.com/outer\n\ngo 1.21\n"))
	// Whatever way the constant is aligned: every second byte more moves it on.
	binWrite(t, filepath.Join(dir, "main.go"), []byte("package main\n\nimport _ \"embed\"\n\n//go:embed inner\nvar inner string\n\nfunc main() { println(inner) }\n"))
	for pad := range 3 {
		binWrite(t, filepath.Join(dir, "inner"), append(make([]byte, pad*5), inner...))
		body := binBuild(t, dir, "GOFLAGS=-mod=mod", "-ldflags=-s -w")
		want := binOracle(t, body)
		if d := cmp.Diff(want, binNames(binScanBytes(t, "outer", body))); d != "" {
			t.Errorf("pad %d: -want +got:\n%s", pad, d)
		}
	}
}

func TestGoFat(t *testing.T) {
	dir := binProgram(t)
	arm := binBuild(t, dir, "GOOS=darwin GOARCH=arm64", "-ldflags=-s -w")
	fat := make([]byte, 16<<10)
	copy(fat, "\xca\xfe\xba\xbe")
	binary.BigEndian.PutUint32(fat[4:], 2)
	for i, slice := range [][]byte{arm, arm} {
		at := 8 + i*20
		binary.BigEndian.PutUint32(fat[at:], []uint32{0x0100000c, 0x01000007}[i])
		binary.BigEndian.PutUint32(fat[at+8:], uint32(len(fat)))
		binary.BigEndian.PutUint32(fat[at+12:], uint32(len(slice)))
		binary.BigEndian.PutUint32(fat[at+16:], 14)
		fat = append(fat, slice...)
		fat = append(fat, make([]byte, -len(fat)&(16<<10-1))...)
	}
	if d := cmp.Diff(binOracle(t, fat), binNames(binScanBytes(t, "fat", fat))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// binELF makes a 64-bit ELF file of a read-only and a writable segment, and sections.
type binELF struct {
	rodata, data []byte
	sections     []binELFSection
	stripped     bool // without section table
}

type binELFSection struct {
	name string
	off  int // in rodata
	size int
}

const (
	binELFRodata = 0x1000
	binELFBase   = 0x400000
)

func (e *binELF) dataOffset() int { return binELFRodata + (len(e.rodata)+0xfff)&^0xfff }

func (e *binELF) bytes() []byte {
	le := binary.LittleEndian
	out := make([]byte, e.dataOffset())
	copy(out, "\x7fELF\x02\x01\x01")
	le.PutUint16(out[16:], 2)
	le.PutUint16(out[18:], 62)
	le.PutUint32(out[20:], 1)
	le.PutUint64(out[32:], 64)
	le.PutUint16(out[52:], 64)
	le.PutUint16(out[54:], 56)
	le.PutUint16(out[56:], 3)
	le.PutUint16(out[58:], 64)
	for i, p := range [][3]int{{4, 0, binELFRodata}, {4, binELFRodata, len(e.rodata)}, {6, e.dataOffset(), len(e.data)}} {
		h := out[64+i*56:]
		le.PutUint32(h, 1)
		le.PutUint32(h[4:], uint32(p[0]))
		le.PutUint64(h[8:], uint64(p[1]))
		le.PutUint64(h[16:], uint64(binELFBase+p[1]))
		le.PutUint64(h[24:], uint64(binELFBase+p[1]))
		le.PutUint64(h[32:], uint64(p[2]))
		le.PutUint64(h[40:], uint64(p[2]))
	}
	copy(out[binELFRodata:], e.rodata)
	out = append(out, e.data...)
	if e.stripped {
		return out
	}
	names := "\x00.shstrtab\x00"
	table := make([]byte, 64) // the null section
	for _, s := range e.sections {
		h := make([]byte, 64)
		le.PutUint32(h, uint32(len(names)))
		le.PutUint32(h[4:], 1)
		le.PutUint64(h[16:], uint64(binELFBase+binELFRodata+s.off))
		le.PutUint64(h[24:], uint64(binELFRodata+s.off))
		le.PutUint64(h[32:], uint64(s.size))
		table = append(table, h...)
		names += s.name + "\x00"
	}
	h := make([]byte, 64)
	le.PutUint32(h, 1)
	le.PutUint32(h[4:], 3)
	le.PutUint64(h[24:], uint64(len(out)))
	le.PutUint64(h[32:], uint64(len(names)))
	table = append(table, h...)
	out = append(out, names...)
	le.PutUint64(out[40:], uint64(len(out)))
	le.PutUint16(out[60:], uint16(len(table)/64))
	le.PutUint16(out[62:], uint16(len(table)/64-1))
	return append(out, table...)
}

// binOldGo makes what the linker wrote before Go 1.18: pointers to Go strings.
func binOldGo(version, list string, pad int) *binELF {
	e := &binELF{}
	e.rodata = append(e.rodata, "\x04\x00\x00\x00\x04\x00\x00\x00\x04\x00\x00\x00Go\x00\x00abcd"...)
	e.rodata = append(e.rodata, bytes.Repeat([]byte("go1.x x\x92"), pad/8)...)
	versionAt := len(e.rodata) + 3
	e.rodata = append(e.rodata, "abc"+version+"gopanic"...)
	listAt := len(e.rodata)
	framed := binGoListStart + list + binGoListEnd
	if list == "" {
		framed = ""
	}
	e.rodata = append(e.rodata, framed+"tail"...)
	le := binary.LittleEndian
	e.data = make([]byte, 128)
	copy(e.data, binGoMagic)
	e.data[14] = 8
	base := uint64(binELFBase + e.dataOffset())
	le.PutUint64(e.data[16:], base+64)
	le.PutUint64(e.data[24:], base+80)
	le.PutUint64(e.data[64:], uint64(binELFBase+binELFRodata+versionAt))
	le.PutUint64(e.data[72:], uint64(len(version)))
	le.PutUint64(e.data[80:], uint64(binELFBase+binELFRodata+listAt))
	le.PutUint64(e.data[88:], uint64(len(framed)))
	return e
}

const binOldList = "path\texample.com/old\nmod\texample.com/old\t(devel)\t\ndep\tgithub.com/a/b\tv1.2.3\th1:x=\ndep\tgithub.com/c/d\tv1.0.0\n=>\tgithub.com/e/d\tv1.0.1\th1:y=\n"

func TestGoPointers(t *testing.T) {
	for _, pad := range []int{0, 300_000, 2 << 20, 3<<20 + 7} {
		for _, version := range []string{"go1.17.13", "go1.16.15", "go1.9", "go1.17 X:regabi"} {
			body := binOldGo(version, binOldList, min(pad, 60_000)).bytes()
			if pad > 60_000 {
				e := binOldGo(version, binOldList, 60_000)
				e.rodata = append(e.rodata, make([]byte, pad)...)
				// The pointers into data moved with the longer constants.
				moved := binOldGo(version, binOldList, 60_000)
				delta := uint64(e.dataOffset() - moved.dataOffset())
				for _, at := range []int{16, 24} {
					binary.LittleEndian.PutUint64(e.data[at:], binary.LittleEndian.Uint64(e.data[at:])+delta)
				}
				body = e.bytes()
			}
			got := binScanBytes(t, "old", body)
			if d := cmp.Diff(binOracle(t, body), binNames(got)); d != "" {
				t.Errorf("pad %d, %s: -want +got:\n%s", pad, version, d)
			}
			if len(got.Unknowns) > 0 {
				t.Errorf("pad %d, %s: unknowns %v", pad, version, got.Unknowns)
			}
		}
	}
	if got := binScanBytes(t, "old", binOldGo("go1.12.1", "", 100).bytes()); !slices.Equal(binNames(got), []string{"golang stdlib 1.12.1"}) {
		t.Errorf("without modules: %v", binNames(got))
	}
}

// binNewGo makes what the linker writes since Go 1.18.
func binNewGo(version, list string) []byte {
	b := append([]byte(binGoMagic), 8, 2)
	b = append(b, make([]byte, 16)...)
	b = binary.AppendUvarint(b, uint64(len(version)))
	b = append(b, version...)
	if list != "" {
		list = binGoListStart + list + binGoListEnd
	}
	b = binary.AppendUvarint(b, uint64(len(list)))
	return append(b, list...)
}

func TestGoVersions(t *testing.T) {
	for in, want := range map[string]string{
		"go1.21.5": "1.21.5", "go1.21": "1.21.0", "go1.21rc2": "1.21.0-rc.2", "go1.18beta1": "1.18.0-beta.1",
		"go1.21.5 X:boringcrypto": "1.21.5", "go1.20.12-X:strictfipsruntime": "1.20.12", "go1.20.12 (Red Hat 1.20.12-1.el8)": "1.20.12",
		"go1.17.13b7": "1.17.13", "go1.24.2+fips": "1.24.2", "go1.9": "1.9.0",
		"devel go1.22-abcdef0 Mon Jan 1": "", "devel +abc": "", "go1.21x": "", "go": "", "": "", "go1.": "", "go1.99999999": "", "1.21": "",
	} {
		got, ok := binGoSemver(in)
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", in, got, ok, want)
		}
	}
	got := binScanBytes(t, "x", (&binELF{data: binNewGo("devel go1.22-abcdef", binOldList)}).bytes())
	if !slices.Contains(binNames(got), "golang stdlib") || len(got.Unknowns) != 1 || got.Unknowns[0].Reason != inventory.AnalysisPartial {
		t.Errorf("a development toolchain: %v %v", binNames(got), got.Unknowns)
	}
}

func TestGoMainVersions(t *testing.T) {
	for _, v := range []string{"v0.0.0-20240101000000-abcdef012345", "v1.2.3+dirty", "v1.2.4-0.20240101000000-abcdef012345+dirty", "v2.0.0+incompatible", "v1.5.0"} {
		body := (&binELF{data: binNewGo("go1.24.1", "path\texample.com/m\nmod\texample.com/m\t"+v+"\t\n")}).bytes()
		if got := binNames(binScanBytes(t, "x", body)); !slices.Contains(got, "golang example.com/m "+v) {
			t.Errorf("%s: %v", v, got)
		}
	}
}

func TestGoHostile(t *testing.T) {
	broken := binNewGo("go1.21.0", "path\tx\nmod\ty\n")
	huge := append([]byte(binGoMagic), 8, 2)
	huge = append(huge, make([]byte, 16)...)
	huge = append(huge, 4)
	huge = append(huge, "go1."...)
	huge = binary.AppendUvarint(huge, 1<<62)
	for name, c := range map[string]struct {
		data    []byte
		unknown int
	}{
		"broken list":    {broken, 1},
		"huge list":      {append(huge, make([]byte, 64)...), 0},
		"bad pointers":   {append([]byte(binGoMagic), append([]byte{8, 0}, bytes.Repeat([]byte{0xff}, 48)...)...), 0},
		"pointer size":   {append([]byte(binGoMagic), append([]byte{3, 0}, make([]byte, 48)...)...), 0},
		"magic at end":   {[]byte(binGoMagic), 0},
		"many magics":    {bytes.Repeat(append([]byte(binGoMagic), 8, 0), 5000), 0},
		"other toolname": {binNewGo("rust", ""), 0},
	} {
		got := binScanBytes(t, "x", (&binELF{rodata: make([]byte, 300), data: c.data}).bytes())
		n := 0
		if got != nil {
			n = len(got.Unknowns)
		}
		if n != c.unknown {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestBinaryPacked(t *testing.T) {
	e := &binELF{stripped: true, rodata: make([]byte, 4000)}
	body := e.bytes()
	copy(body[64+3*56+4:], "UPX!")
	got := binScanBytes(t, "packed", body)
	if got == nil || len(got.Unknowns) != 1 || !strings.Contains(got.Unknowns[0].Detail, "packed executable") {
		t.Fatalf("UPX: %+v", got)
	}
	// The word alone does not make a file packed.
	e.rodata = append(e.rodata, "UPX!"...)
	if got := binScanBytes(t, "unpacker", e.bytes()); got != nil {
		t.Errorf("not packed: %+v", got)
	}
}

func TestBinaryWant(t *testing.T) {
	for _, c := range []struct {
		path string
		mode uint32
		size int64
		want bool
	}{
		{"usr/bin/app", 0o755, 1 << 20, true}, {"usr/bin/app", 0o644, 1 << 20, false}, {"app", 0o755, 10, false},
		{"lib/libx.so", 0o644, 5000, true}, {"lib/libx.so.1.2", 0o644, 5000, true}, {"etc/x.source", 0o644, 5000, false},
		{"app.exe", 0o644, 5000, true}, {"x.dll", 0o644, 5000, true}, {"usr/share/doc/readme", 0o644, 5000, false},
	} {
		if got := binWant(rootfs.Entry{Path: c.path, Mode: c.mode, Size: c.size}); got != c.want {
			t.Errorf("%s %o %d: %v", c.path, c.mode, c.size, got)
		}
	}
	if binWant(rootfs.Entry{Path: "x", Kind: rootfs.Symlink, Mode: 0o777, Size: 1000}) {
		t.Error("a symbolic link is wanted")
	}
	if got := binScanBytes(t, "script", bytes.Repeat([]byte("#!/bin/sh\n"), 200_000)); got != nil {
		t.Errorf("a script: %+v", got)
	}
	if got := binScanBytes(t, "X.class", append([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x34"), make([]byte, 500)...)); got != nil {
		t.Errorf("a Java class: %+v", got)
	}
}

// slowReader gives a few bytes at a time, so that finds lie across every boundary.
type slowReader struct {
	b []byte
	n int
}

func (r *slowReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.n)], r.b)
	r.b = r.b[n:]
	return n, nil
}

// Wherever the window's end falls, the same is found.
func TestBinaryWindows(t *testing.T) {
	list := binOldList + "dep\t" + strings.Repeat("x", 200_000) + "\tv1.0.0\n"
	for _, at := range []int{0, 16, binWindow - binELFRodata - 0x1000 - 256, binWindow - 0x1010, binWindow - 0x1020, binWindow - 0x1600, binWindow + 16, 3*binWindow - 0x1000 - 528} {
		e := &binELF{rodata: make([]byte, 100), data: append(make([]byte, at&^15), binNewGo("go1.22.3", list)...)}
		e.data = append(e.data, make([]byte, 500_000)...)
		body := e.bytes()
		s := &binScan{path: "x", size: int64(len(body)), r: &slowReader{body, 777}, buf: make([]byte, 0, binWindow)}
		if err := s.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := binNames(s.fragment()); len(got) != 5 {
			t.Errorf("at %d: %d packages", at, len(got))
		}
		if cap(s.buf) > binCapture+2*binWindow {
			t.Errorf("the window grew to %d", cap(s.buf))
		}
	}
}

func TestBinaryTruncated(t *testing.T) {
	body := (&binELF{rodata: make([]byte, 2<<20), data: binNewGo("go1.22.3", binOldList)}).bytes()
	s := &binScan{path: "x", size: int64(len(body)), r: &slowReader{body[:len(body)-1000], 64 << 10}, buf: make([]byte, 0, binWindow)}
	if err := s.run(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that ends early: %v", err)
	}
}

func TestBinaryCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	body := (&binELF{rodata: make([]byte, 2<<20)}).bytes()
	if _, err := binaryExtractor.Extract(ctx, rootfs.NewFile(ctx, rootfs.Entry{Path: "x"}, body)); !errors.Is(err, context.Canceled) {
		t.Logf("error: %v", err)
		t.Error("went on after the context ended")
	}
}

func FuzzGoBuildInfo(f *testing.F) {
	f.Add((&binELF{rodata: make([]byte, 300), data: binNewGo("go1.22.3", binOldList)}).bytes())
	f.Add(binOldGo("go1.17.13", binOldList, 100).bytes())
	f.Add([]byte("MZ" + strings.Repeat("\x00", 58) + "\x40\x00\x00\x00PE\x00\x00" + strings.Repeat("\x01", 300)))
	f.Add([]byte("\xcf\xfa\xed\xfe" + strings.Repeat("\x01\x00\x00\x00", 100)))
	f.Add([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x02" + strings.Repeat("\x01\x00\x00\x00", 100)))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, err := binaryExtractor.Extract(t.Context(), rootfs.NewFile(t.Context(), rootfs.Entry{Path: "x", Mode: 0o755}, b))
		if err != nil {
			t.Fatalf("bytes in memory cannot fail to be read: %v", err)
		}
		if !binMagic(b) {
			return
		}
		// Read through a window it says the same.
		s := &binScan{path: "x", size: int64(len(b)), r: &slowReader{b, 100}, buf: make([]byte, 0, binWindow)}
		if err := s.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(whole, s.fragment()); d != "" {
			t.Errorf("-whole +streamed:\n%s", d)
		}
	})
}

// The cost of reading executables that hold nothing of interest, beside what inflating
// them costs (about 4 ns a byte).
func BenchmarkBinary(b *testing.B) {
	code := make([]byte, 64<<20)
	// Machine code is neither random nor zero: a repeated mixture of a real program.
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; n < len(code); {
		n += copy(code[n:], self[len(self)/8:len(self)/2])
	}
	for i := 0; i+16 <= len(code); i += 16 {
		if string(code[i:i+8]) == binGoMagic[:8] {
			code[i] = 0
		}
	}
	for name, e := range map[string]*binELF{
		"constants": {rodata: code},
		"data":      {data: code},
	} {
		body := e.bytes()
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				f := rootfs.NewFile(b.Context(), rootfs.Entry{Path: "usr/bin/x", Mode: 0o755}, body)
				if _, err := binaryExtractor.Extract(b.Context(), f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("go", func(b *testing.B) {
		b.SetBytes(int64(len(self)))
		for b.Loop() {
			f := rootfs.NewFile(b.Context(), rootfs.Entry{Path: "usr/bin/x", Mode: 0o755}, self)
			if out, err := binaryExtractor.Extract(b.Context(), f); err != nil || len(out.Packages) == 0 {
				b.Fatal(fmt.Sprint(out, err))
			}
		}
	})
}
