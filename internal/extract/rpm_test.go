package extract

import (
	"bytes"
	"encoding/binary"
	"hash/adler32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// rpmFixture is a real database.
type rpmFixture struct {
	name, file string
	body       []byte
}

func rpmFixtures(t testing.TB) []rpmFixture {
	t.Helper()
	var out []rpmFixture
	files, _ := filepath.Glob(filepath.Join(imagetest.Corpus(t), "fixtures/rpmdb/*/*"))
	for _, file := range files {
		base := filepath.Base(file)
		if base != "rpmdb.sqlite" && base != "Packages.db" && base != "Packages" {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rpmFixture{filepath.Base(filepath.Dir(file)) + "/" + base, file, body})
	}
	if len(out) == 0 {
		t.Fatal("no rpm databases in the corpus")
	}
	return out
}

// rpmHeadersOf reads all headers of a database, and the blobs they come from, each
// with the magic number before it that rpm itself puts there outside of databases.
func rpmHeadersOf(t testing.TB, db []byte) (hs []*rpmHeader, list []byte) {
	t.Helper()
	err := rpmBlobs(db, func(blob []byte) error {
		h, err := rpmParse(bytes.Clone(blob))
		if err != nil {
			t.Errorf("reading a header: %v", err)
			return nil
		}
		hs = append(hs, h)
		list = append(append(list, 0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0), blob...)
		return nil
	})
	if err != nil {
		t.Fatalf("reading the database: %v", err)
	}
	return hs, list
}

func rpmLine(name, epoch, version, release, arch, source, module, files string) string {
	return strings.Join([]string{name, epoch, version, release, arch, source, module, files}, "|")
}

// rpmLines lists what was read of headers as rpmQuery does.
func rpmLines(hs []*rpmHeader) []string {
	var out []string
	for _, h := range hs {
		f := []string{h.name, h.epoch, h.version, h.release, h.arch, h.source, h.module}
		for i, s := range f {
			if s == "" {
				f[i] = "(none)"
			}
		}
		n := 0
		for bases := h.bases; ; n++ {
			if _, ok := bases.next(); !ok {
				break
			}
		}
		out = append(out, rpmLine(f[0], f[1], f[2], f[3], f[4], f[5], f[6], strconv.Itoa(n)))
	}
	slices.Sort(out)
	return out
}

// rpmQuery lists what rpm finds in a folder with a database.
func rpmQuery(t *testing.T, dir, backend string) []string {
	t.Helper()
	cmd := exec.Command(imagetest.Tool(t, "rpm"), "-qa", "--dbpath", dir, "--define", "_db_backend "+backend, "--qf",
		"%{NAME}|%{EPOCH}|%{VERSION}|%{RELEASE}|%{ARCH}|%{SOURCERPM}|%{MODULARITYLABEL}|[%{BASENAMES}\t]\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running rpm: %v", err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		i := strings.LastIndexByte(line, '|')
		lines = append(lines, line[:i+1]+strconv.Itoa(strings.Count(line[i:], "\t")))
	}
	slices.Sort(lines)
	return lines
}

// rpmImport makes a SQLite database of headers with rpm's own tools.
func rpmImport(t *testing.T, list []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.Command(imagetest.Tool(t, "rpmdb"), "--importdb", "--dbpath", dir, "--define", "_db_backend sqlite")
	cmd.Stdin = bytes.NewReader(list)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("running rpmdb: %v\n%s", err, out)
	}
	return dir
}

// Every package of every database must be as rpm itself says. Debian's rpm cannot
// read NDB; there the headers we found go through a database that rpm makes.
func TestRPMAgrees(t *testing.T) {
	want := map[string]int{"amazonlinux2023-plain/rpmdb.sqlite": 103, "cbl-mariner-2.0/rpmdb.sqlite": 129,
		"libuuid/Packages": 1, "sle15-bci/Packages.db": 35}
	for _, fix := range rpmFixtures(t) {
		t.Run(fix.name, func(t *testing.T) {
			if fix.name == "sle15-bci/rpmdb.sqlite" {
				if _, err := osRun(t, rpmDatabase, "usr/lib/sysimage/rpm/rpmdb.sqlite", string(fix.body)); err == nil || !strings.Contains(err.Error(), "no packages") {
					t.Errorf("a database without packages gives the error %v", err)
				}
				return
			}
			hs, list := rpmHeadersOf(t, fix.body)
			if n, ok := want[fix.name]; ok && len(hs) != n {
				t.Errorf("%d headers, want %d", len(hs), n)
			}
			var theirs []string
			switch base := filepath.Base(fix.file); base {
			case "Packages.db":
				theirs = rpmQuery(t, rpmImport(t, list), "sqlite")
			default:
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, base), fix.body, 0o600); err != nil {
					t.Fatal(err)
				}
				theirs = rpmQuery(t, dir, map[string]string{"Packages": "bdb_ro", "rpmdb.sqlite": "sqlite"}[base])
			}
			if d := cmp.Diff(theirs, rpmLines(hs)); d != "" {
				t.Errorf("rpm (-) against ours (+):\n%s", d)
			}
		})
	}
}

// rpmTag is one entry of a header made by a test.
type rpmTag struct {
	tag, typ uint32
	count    int
	data     []byte
}

func rpmTagText(tag uint32, s string) rpmTag { return rpmTag{tag, rpmString, 1, []byte(s + "\x00")} }

func rpmTagTexts(tag uint32, s ...string) rpmTag {
	return rpmTag{tag, rpmStringArray, len(s), []byte(strings.Join(s, "\x00") + "\x00")}
}

func rpmTagInts(tag, typ uint32, n ...uint32) rpmTag {
	var b []byte
	for _, v := range n {
		if typ == rpmInt16 {
			b = binary.BigEndian.AppendUint16(b, uint16(v))
		} else {
			b = binary.BigEndian.AppendUint32(b, v)
		}
	}
	return rpmTag{tag, typ, len(n), b}
}

// rpmMake writes a header.
func rpmMake(tags ...rpmTag) []byte {
	var index, data []byte
	for _, g := range tags {
		for g.typ == rpmInt32 && len(data)%4 != 0 || g.typ == rpmInt16 && len(data)%2 != 0 {
			data = append(data, 0)
		}
		for _, v := range []uint32{g.tag, g.typ, uint32(len(data)), uint32(g.count)} {
			index = binary.BigEndian.AppendUint32(index, v)
		}
		data = append(data, g.data...)
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(tags)))
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	return append(append(out, index...), data...)
}

// rpmSimple is the header of a package with nothing special.
func rpmSimple(name string, more ...rpmTag) []byte {
	return rpmMake(append([]rpmTag{rpmTagText(rpmTagName, name), rpmTagText(rpmTagVersion, "1.0"), rpmTagText(rpmTagRelease, "2.el9"),
		rpmTagText(rpmTagArch, "x86_64"), rpmTagText(rpmTagSourceRPM, name+"-src-1.0-2.el9.src.rpm")}, more...)...)
}

// rpmMakeNdb writes an NDB database with free slots between the packages.
func rpmMakeNdb(blobs ...[]byte) []byte {
	le := binary.LittleEndian
	db := make([]byte, ndbPage)
	copy(db, ndbMagic)
	le.PutUint32(db[8:], 7)
	le.PutUint32(db[12:], 1)
	le.PutUint32(db[16:], uint32(len(blobs)+1))
	for i := ndbHeader; i < ndbPage; i += ndbSlot {
		le.PutUint32(db[i:], ndbSlotMagic)
	}
	for i, blob := range blobs {
		start := len(db)
		db = le.AppendUint32(db, ndbHeadMagic)
		db = le.AppendUint32(db, uint32(i+1))
		db = le.AppendUint32(db, 7)
		db = le.AppendUint32(db, uint32(len(blob)))
		db = append(db, blob...)
		for (len(db)+ndbTailSize)%ndbBlock != 0 {
			db = append(db, 0)
		}
		db = le.AppendUint32(db, adler32.Checksum(db[start:]))
		db = le.AppendUint32(db, uint32(len(blob)))
		db = le.AppendUint32(db, ndbTailMagic)
		slot := db[ndbHeader+2*i*ndbSlot:]
		le.PutUint32(slot[4:], uint32(i+1))
		le.PutUint32(slot[8:], uint32(start/ndbBlock))
		le.PutUint32(slot[12:], uint32((len(db)-start)/ndbBlock))
	}
	return db
}

func TestRPMPackage(t *testing.T) {
	db := rpmMakeNdb(
		rpmMake(rpmTagText(rpmTagName, "nodejs"), rpmTagText(rpmTagVersion, "16.14.0"), rpmTagText(rpmTagRelease, "4.module_el8"),
			rpmTagInts(rpmTagEpoch, rpmInt32, 1), rpmTagText(rpmTagArch, "aarch64"), rpmTagText(rpmTagVendor, "CentOS"),
			rpmTagText(rpmTagLicense, "MIT and ASL 2.0"), rpmTagText(rpmTagSourceRPM, "nodejs-16.14.0-4.module_el8.src.rpm"),
			rpmTagText(rpmTagModularity, "nodejs:16:8060020220523160029:ad008a3a"),
			rpmTagTexts(rpmTagBasenames, "node", "npm", "package.json", "README.md", "ghost"),
			rpmTagTexts(rpmTagDirNames, "/usr/bin/", "/usr/lib/node_modules/npm/"),
			rpmTagInts(rpmTagDirIndexes, rpmInt32, 0, 0, 1, 1, 9),
			rpmTagInts(rpmTagFileModes, rpmInt16, 0o100755, 0o120777, 0o100644, 0o100644, 0o040755)),
		rpmSimple("gpg-pubkey"),
		rpmSimple("zero", rpmTagInts(rpmTagEpoch, rpmInt32, 0)),
		rpmMake(rpmTagText(rpmTagName, "nosource"), rpmTagText(rpmTagVersion, "1"), rpmTagText(rpmTagRelease, "1"), rpmTagText(rpmTagName, "changed")),
		rpmMake(rpmTagText(rpmTagVersion, "1")),
	)
	got := osMust(t, rpmDatabase, "usr/lib/sysimage/rpm/Packages.db", string(db))
	want := &inventory.Fragment{Database: true, Packages: []inventory.Package{
		{Name: "nodejs", Version: "1:16.14.0-4.module_el8", Type: "rpm", Arch: "aarch64", Module: "nodejs:16", Vendor: "CentOS",
			Licenses: []string{"MIT and ASL 2.0"}, Source: inventory.Source{Name: "nodejs", Version: "1:16.14.0-4.module_el8"}},
		{Name: "zero", Version: "1.0-2.el9", Type: "rpm", Arch: "x86_64", Source: inventory.Source{Name: "zero-src", Version: "1.0-2.el9"}},
		{Name: "changed", Version: "1-1", Type: "rpm", Source: inventory.Source{Name: "changed", Version: "1-1"}},
	}, Owns: []inventory.Owner{{Package: "nodejs", Paths: []string{"usr/bin/node", "usr/lib/node_modules/npm/package.json"}}},
		Unknowns: []inventory.Unknown{{Reason: inventory.AnalysisPartial, Subject: "usr/lib/sysimage/rpm/Packages.db",
			Detail: "reading an rpm header: no name: the header is stripped"}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRPMSource(t *testing.T) {
	for _, c := range []struct {
		file, name, version string
		ok                  bool
	}{
		{"openssl-3.0.7-27.el9.src.rpm", "openssl", "3.0.7-27.el9", true},
		{"java-17-openjdk-17.0.9-1.nosrc.rpm", "java-17-openjdk", "17.0.9-1", true},
		{"", "", "", false}, {"(none)", "", "", false}, {"a-1.src.rpm", "", "", false}, {"-1-1.src.rpm", "", "", false}, {"a--1.src.rpm", "", "", false},
		{"a-1-.src.rpm", "", "", false},
	} {
		if name, version, ok := rpmSource(c.file); name != c.name || version != c.version || ok != c.ok {
			t.Errorf("%q: got %q, %q, %v", c.file, name, version, ok)
		}
	}
}

func TestRPMHostileHeader(t *testing.T) {
	good := rpmSimple("x")
	big := slices.Clone(good)
	binary.BigEndian.PutUint32(big, 0xffffffff)
	long := slices.Clone(good)
	binary.BigEndian.PutUint32(long[4:], 0x0fffffff)
	for name, blob := range map[string][]byte{
		"empty": nil, "entries": big, "data": long, "cut off": good[:len(good)-1],
		"offset":      rpmMake(rpmTag{rpmTagName, rpmString, 1, nil}),
		"number":      rpmMake(rpmTagInts(rpmTagName, rpmInt32, 1)),
		"count":       rpmMake(rpmTagText(rpmTagName, "x"), rpmTag{rpmTagEpoch, rpmInt32, 2, []byte{0, 0, 0, 1}}),
		"epoch":       rpmMake(rpmTagText(rpmTagName, "x"), rpmTag{rpmTagEpoch, rpmInt16, 1, []byte{0, 0, 0, 1}}),
		"no zero":     rpmMake(rpmTag{rpmTagName, rpmString, 1, []byte("abc")}),
		"endless":     rpmMake(rpmTagText(rpmTagName, strings.Repeat("x", 1<<20))),
		"empty value": rpmMake(rpmTag{rpmTagName, rpmString, 0, []byte("abc\x00")}),
	} {
		if h, err := rpmParse(blob); err == nil {
			t.Errorf("%s: read as %+v", name, h)
		}
	}
	files := []rpmTag{rpmTagTexts(rpmTagBasenames, "a.so", "b.so"), rpmTagTexts(rpmTagDirNames, "/usr/lib/"), rpmTagInts(rpmTagDirIndexes, rpmInt32, 0, 0)}
	for name, bad := range map[string]rpmTag{
		"folder": rpmTagInts(rpmTagDirIndexes, rpmInt32, 0, 5), "fewer": rpmTagInts(rpmTagDirIndexes, rpmInt32, 0),
		"modes": rpmTagInts(rpmTagFileModes, rpmInt16, 0o100644), "names": {rpmTagBasenames, rpmStringArray, 2, []byte("a.so\x00b")},
	} {
		got := osMust(t, rpmDatabase, "var/lib/rpm/Packages.db", string(rpmMakeNdb(rpmSimple("x", append(slices.Clone(files), bad)...))))
		if len(got.Packages) != 1 || len(got.Unknowns) != 1 {
			t.Errorf("%s: %d packages, unknowns %v", name, len(got.Packages), got.Unknowns)
		}
	}
}

func TestRPMPaths(t *testing.T) {
	for _, dir := range []string{"var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"} {
		for _, name := range []string{"rpmdb.sqlite", "Packages.db", "Packages"} {
			if !rpmDatabase.Want(rootfs.Entry{Path: dir + "/" + name}) {
				t.Errorf("%s/%s is not wanted", dir, name)
			}
		}
	}
	for _, p := range []string{"var/lib/rpm/Name", "var/lib/rpm/x/Packages", "Packages", "srv/var/lib/rpm/Packages"} {
		if rpmDatabase.Want(rootfs.Entry{Path: p}) {
			t.Errorf("%s is wanted", p)
		}
	}
}

func TestRPMJournal(t *testing.T) {
	if got := osMust(t, rpmJournal, "var/lib/rpm/rpmdb.sqlite-wal", "7\x7f\x06\x82frames"); len(got.Unknowns) != 1 || got.Unknowns[0].Reason != inventory.AnalysisPartial {
		t.Errorf("a write-ahead log gives %+v", got)
	}
	if rpmJournal.Want(rootfs.Entry{Path: "var/lib/rpm/rpmdb.sqlite-wal"}) {
		t.Error("an empty write-ahead log is wanted")
	}
	if got := osMust(t, rpmJournal, "var/lib/rpm/rpmdb.sqlite-journal", "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7 rest"); len(got.Unknowns) != 1 {
		t.Errorf("a hot journal gives %+v", got)
	}
	if got := osMust(t, rpmJournal, "var/lib/rpm/rpmdb.sqlite-journal", strings.Repeat("\x00", 512)); got != nil {
		t.Errorf("a finished journal gives %+v", got)
	}
}

func TestRPMManifest(t *testing.T) {
	path := "var/lib/rpmmanifest/container-manifest-2"
	got := osMust(t, rpmManifest, path, "openssl-libs\t1.1.1k-28.cm2\t1698000000\t1690000000\tMicrosoft Corporation\t(none)\t4500\tx86_64\t0\topenssl-1.1.1k-28.cm2.src.rpm\n"+
		"tdnf\t3.5-1\t1\t1\t(none)\t2\t3\tnoarch\t2\ttdnf-3.5-1.src.rpm\n\nbroken line\n")
	want := &inventory.Fragment{Database: true, Packages: []inventory.Package{
		{Name: "openssl-libs", Version: "1.1.1k-28.cm2", Type: "rpm", Arch: "x86_64", Vendor: "Microsoft Corporation",
			Source: inventory.Source{Name: "openssl", Version: "1.1.1k-28.cm2"}},
		{Name: "tdnf", Version: "2:3.5-1", Type: "rpm", Arch: "noarch", Source: inventory.Source{Name: "tdnf", Version: "2:3.5-1"}},
	}, Unknowns: []inventory.Unknown{{Reason: inventory.AnalysisPartial, Subject: path, Detail: `a line of the rpm manifest has 1 fields, not 10: "broken line"`}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRPMNotADatabase(t *testing.T) {
	for name, body := range map[string]string{"empty": "", "short": "abc", "text": strings.Repeat("text ", 1000), "zero": strings.Repeat("\x00", 8192)} {
		if f, err := osRun(t, rpmDatabase, "var/lib/rpm/Packages", body); err == nil {
			t.Errorf("%s: read as %+v", name, f)
		}
	}
}
