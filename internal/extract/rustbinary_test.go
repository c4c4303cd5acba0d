package extract

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

func binZlibbed(level int, text string) []byte {
	var b bytes.Buffer
	z, _ := zlib.NewWriterLevel(&b, level)
	z.Write([]byte(text))
	z.Close()
	return b.Bytes()
}

const binCrates = `{"packages":[{"name":"adler","version":"1.0.2","source":"registry"},{"name":"app","version":"0.1.0","source":"local","dependencies":[0,2],"root":true},` +
	`{"name":"cc","version":"1.0.79","source":"crates.io","kind":"build"},{"name":"flate2","version":"1.0.24","source":"crates.io","kind":"runtime","features":["x"]}]}`

var binCratesWant = []string{"cargo adler 1.0.2", "cargo app 0.1.0", "cargo flate2 1.0.24"}

// binRustELF puts doc into a section of that name at off in the constants.
func binRustELF(section string, off, size int, doc []byte) *binELF {
	e := &binELF{rodata: append(make([]byte, off), doc...), data: make([]byte, 64), sections: []binELFSection{{section, off, size}}}
	e.rodata = append(e.rodata, make([]byte, 100)...)
	return e
}

func TestRustELF(t *testing.T) {
	for _, level := range []int{1, 6, 9, 0} {
		for _, off := range []int{1, 77, binWindow - 0x1000 - 3, binWindow - 0x1000 - binAhead - 1, 5 * binWindow} {
			doc := binZlibbed(level, binCrates)
			got := binScanBytes(t, "app", binRustELF(".dep-v0", off, len(doc), doc).bytes())
			if d := cmp.Diff(binCratesWant, binNames(got)); d != "" {
				t.Errorf("level %d at %d: -want +got:\n%s", level, off, d)
			}
		}
	}
}

func TestRustELFNot(t *testing.T) {
	doc := binZlibbed(6, binCrates)
	// The same bytes as data of the program are not what it is made of.
	if got := binScanBytes(t, "scanner", binRustELF(".testdata", 78, len(doc)+7, append([]byte("xyz"), doc...)).bytes()); got != nil {
		t.Errorf("carried data: %v", binNames(got))
	}
	e := binRustELF(".dep-v0", 77, len(doc), doc)
	e.stripped = true
	if got := binScanBytes(t, "app", e.bytes()); got != nil {
		t.Errorf("without a section table: %v", binNames(got))
	}
	broken := slices.Clone(doc)
	broken[len(broken)-1] ^= 1 // the checksum
	for name, c := range map[string][]byte{
		"checksum": broken, "no JSON": binZlibbed(6, `{"packages":[{]`), "no zlib": []byte("nothing of the kind"),
		"too large": binZlibbed(9, `{"packages":[`+strings.Repeat(" ", binRustMaxJSON+10)),
	} {
		got := binScanBytes(t, "app", binRustELF(".dep-v0", 77, len(c), c).bytes())
		if got == nil || len(got.Unknowns) != 1 || len(got.Packages) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRustPE(t *testing.T) {
	doc := binZlibbed(6, binCrates)
	b := make([]byte, 0x1000)
	le := binary.LittleEndian
	copy(b, "MZ")
	le.PutUint32(b[60:], 0x80)
	copy(b[0x80:], "PE\x00\x00\x64\x86")
	le.PutUint16(b[0x86:], 1)
	le.PutUint16(b[0x94:], 240)
	le.PutUint16(b[0x98:], 0x20b)
	s := b[0x98+240:]
	copy(s, ".dep-v0")
	le.PutUint32(s[16:], uint32(len(doc)))
	le.PutUint32(s[20:], 0x1000)
	le.PutUint32(s[36:], 0x40000040)
	b = append(b, doc...)
	for _, pad := range []int{0, 3 << 20} {
		body := append(slices.Clone(b), make([]byte, pad)...)
		if d := cmp.Diff(binCratesWant, binNames(binScanBytes(t, "app.exe", body))); d != "" {
			t.Errorf("pad %d: -want +got:\n%s", pad, d)
		}
	}
}

func TestRustMachO(t *testing.T) {
	doc := binZlibbed(6, binCrates)
	b := make([]byte, 0x1000)
	le := binary.LittleEndian
	copy(b, "\xcf\xfa\xed\xfe")
	le.PutUint32(b[16:], 1)
	c := b[32:]
	le.PutUint32(c, 0x19)
	le.PutUint32(c[4:], 72+80)
	copy(c[8:], "__DATA")
	le.PutUint64(c[40:], 0x1000)
	le.PutUint64(c[48:], uint64(len(doc)))
	le.PutUint32(c[60:], 3)
	le.PutUint32(c[64:], 1)
	copy(c[72:], ".dep-v0")
	le.PutUint64(c[72+40:], uint64(len(doc)))
	le.PutUint32(c[72+48:], 0x1000)
	b = append(b, doc...)
	if d := cmp.Diff(binCratesWant, binNames(binScanBytes(t, "app", b))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// Constants full of beginnings of zlib streams must not be tried for ever.
func TestRustHostile(t *testing.T) {
	doc := binZlibbed(6, binCrates)
	e := &binELF{rodata: bytes.Repeat(doc[:40], 200_000)}
	if got := binScanBytes(t, "x", e.bytes()); got != nil {
		t.Errorf("%+v", got)
	}
	e = &binELF{rodata: bytes.Repeat([]byte("x\x9c\x03\x00"), 1<<20)}
	if got := binScanBytes(t, "x", e.bytes()); got != nil {
		t.Errorf("%+v", got)
	}
}

func FuzzRustAudit(f *testing.F) {
	f.Add([]byte(binCrates), 6, 100, true)
	f.Add([]byte(`{"packages":[{"name":"a","version":1}]}`), 1, 0, false)
	f.Add([]byte("{}"), 0, 70000, true)
	f.Fuzz(func(t *testing.T, text []byte, level, off int, packed bool) {
		if packed {
			text = binZlibbed(level&7, string(text))
		}
		body := binRustELF(".dep-v0", off&0xfffff, len(text), text).bytes()
		got, err := binaryExtractor.Extract(t.Context(), rootfs.NewFile(t.Context(), rootfs.Entry{Path: "x", Mode: 0o755}, body))
		if err != nil {
			t.Fatal(err)
		}
		if got != nil {
			for _, p := range got.Packages {
				if p.Type == "cargo" && (p.Name == "" || p.Evidence != inventory.Binary) {
					t.Errorf("%+v", p)
				}
			}
		}
	})
}
