package extract

import (
	"bytes"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// osFuzz reads body with x at path and tests what must hold for any input: no
// panic, nothing but complete packages, paths within the image.
func osFuzz(t *testing.T, x Extractor, path string, body []byte) {
	f, err := x.Extract(t.Context(), rootfs.NewFile(t.Context(), rootfs.Entry{Path: path}, body))
	if f == nil {
		return
	}
	if err == nil && f.Database && len(f.Packages) == 0 && len(f.Unknowns) == 0 {
		t.Error("a database without packages and without a word about it")
	}
	for _, p := range f.Packages {
		if p.Name == "" || p.Version == "" || p.Type == "" || p.Source.Name == "" || p.Source.Version == "" {
			t.Errorf("incomplete package %+v", p)
		}
		if len(p.Name) > maxOSName || len(p.Version) > maxOSName {
			t.Errorf("package with %d and %d bytes", len(p.Name), len(p.Version))
		}
	}
	for _, o := range f.Owns {
		if o.Package == "" || len(o.Paths) == 0 {
			t.Errorf("incomplete owner %+v", o)
		}
		for _, p := range o.Paths {
			if p == "" || !ownable(p) {
				t.Errorf("%q is owned but not ownable", p)
			}
		}
	}
	for _, u := range f.Unknowns {
		if u.Reason != inventory.AnalysisPartial && u.Reason != inventory.LimitExceeded || u.Subject == "" || len(u.Detail) > 4096 {
			t.Errorf("odd unknown %+v", u)
		}
	}
	if len(f.Unknowns) > maxOSNotes+2 {
		t.Errorf("%d unknowns", len(f.Unknowns))
	}
}

func FuzzDpkg(f *testing.F) {
	f.Add([]byte("Package: a\nStatus: install ok installed\nVersion: 1:2-3+b1\nSource: b (1:2-3)\n\nPackage: c\n"))
	f.Add([]byte("/.\n/usr\n/usr/bin\n/usr/bin/a\n"))
	f.Add([]byte("0123  usr/bin/a\n"))
	f.Add([]byte("Source: ( )\nPackage:\nVersion: \nStatus:  \n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		osFuzz(t, dpkgStatus, "var/lib/dpkg/status", b)
		osFuzz(t, dpkgStatus, "var/lib/dpkg/status.d/a", b)
		osFuzz(t, dpkgFiles, "var/lib/dpkg/info/a.list", b)
		osFuzz(t, dpkgFiles, "var/lib/dpkg/status.d/a.md5sums", b)
	})
}

func FuzzChisel(f *testing.F) {
	f.Add([]byte(chiselPack(f, `{"jsonwall":"1.0","schema":"1.0"}`+"\n"+`{"kind":"package","name":"a","version":"1"}`+"\n"+`{"kind":"path","path":"/bin/a","slices":["a_b"]}`)))
	f.Fuzz(func(t *testing.T, b []byte) { osFuzz(t, chiselManifest, chiselPath, b) })
}

func FuzzApk(f *testing.F) {
	f.Add([]byte("P:a\nV:1-r0\nA:x\no:b\nL:MIT\nf:f\nF:usr/bin\nR:a\nF:\nR:b\nR:/\n\nP:c\nV:2\n"))
	f.Fuzz(func(t *testing.T, b []byte) { osFuzz(t, apkInstalled, apkPath, b) })
}

func FuzzPacman(f *testing.F) {
	f.Add([]byte("%NAME%\na\n\n%VERSION%\n1-1\n\n%FILES%\nusr/bin/a\n"))
	f.Add([]byte("obj /usr/bin/a 00 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		osFuzz(t, pacmanDesc, "var/lib/pacman/local/a-1-1/desc", b)
		osFuzz(t, pacmanFiles, "var/lib/pacman/local/a-1-1/files", b)
		osFuzz(t, portageContents, "var/db/pkg/a/b-1/CONTENTS", b)
	})
}

// rpmSmallSqlite is a database of one page of schema and one of packages, by hand.
func rpmSmallSqlite(blob []byte) []byte {
	db := make([]byte, 1024)
	copy(db, sqliteMagic)
	copy(db[16:], []byte{2, 0, 1, 1, 0, 64, 32, 32})
	db[59] = 1
	put := func(page []byte, head int, cell []byte) {
		at := 512 - len(cell)
		copy(page[at:], cell)
		copy(page[head:], []byte{13, 0, 0, 0, 1, byte(at >> 8), byte(at), 0, byte(at >> 8), byte(at)})
	}
	row := "tablePackagesPackages\x02"
	put(db[:512], 100, append([]byte{byte(6 + len(row)), 1, 6, 23, 29, 29, 1, 12}, row...))
	rec := append([]byte{0, 0, 0, 0}, blob...)
	size := 12 + 2*len(blob)
	copy(rec, []byte{4, 0, byte(size>>7) | 0x80, byte(size & 0x7f)})
	cell := append([]byte{byte(len(rec)>>7) | 0x80, byte(len(rec) & 0x7f), 1}, rec...)
	put(db[512:], 0, cell)
	return db
}

// rpmSmallBdb is a database of one bucket with one package on an overflow page, by hand.
func rpmSmallBdb(blob []byte, big bool) []byte {
	f := bdbFile{page: 512}
	db := make([]byte, 4*f.page)
	put16, put32 := func(at, v int) { db[at], db[at+1] = byte(v), byte(v>>8) }, func(at, v int) {
		db[at], db[at+1], db[at+2], db[at+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	}
	if big {
		put16 = func(at, v int) { db[at], db[at+1] = byte(v>>8), byte(v) }
		put32 = func(at, v int) { db[at], db[at+1], db[at+2], db[at+3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v) }
	}
	put32(12, bdbHashMagic)
	put32(20, f.page)
	db[25] = bdbPageHashMeta
	put32(96, 1)
	p := f.page // the bucket
	put32(p+8, 1)
	put16(p+20, 2)
	db[p+25] = bdbPageHash
	key, item := f.page-5, f.page-5-bdbOffPageSize
	put16(p+bdbPageHead, key)
	put16(p+bdbPageHead+2, item)
	db[p+key] = bdbItemKeyData
	put32(p+key+1, 1)
	db[p+item] = bdbItemOffPage
	put32(p+item+4, 2)
	put32(p+item+8, len(blob))
	first := min(len(blob), f.page-bdbPageHead)
	for i, part := range [][]byte{blob[:first], blob[first:]} {
		p = (2 + i) * f.page
		db[p+25] = bdbPageOverflow
		put16(p+22, len(part))
		copy(db[p+bdbPageHead:], part)
		if i == 0 && len(part) < len(blob) {
			put32(p+16, 3)
		}
	}
	return db
}

var rpmSmall = rpmSimple("a", rpmTagTexts(rpmTagBasenames, "a", "b.so"), rpmTagTexts(rpmTagDirNames, "/usr/bin/", "/usr/lib/"),
	rpmTagInts(rpmTagDirIndexes, rpmInt32, 0, 1), rpmTagInts(rpmTagFileModes, rpmInt16, 0o100755, 0o100644), rpmTagInts(rpmTagEpoch, rpmInt32, 1))

func TestRPMSmall(t *testing.T) {
	for name, db := range map[string][]byte{"sqlite": rpmSmallSqlite(rpmSmall), "bdb": rpmSmallBdb(rpmSmall, false),
		"bdb, big-endian": rpmSmallBdb(rpmSmall, true), "ndb": rpmMakeNdb(rpmSmall)} {
		got := osMust(t, rpmDatabase, "var/lib/rpm/Packages", string(db))
		if len(got.Packages) != 1 || got.Packages[0].Version != "1:1.0-2.el9" || len(got.Owns) != 1 || strings.Join(got.Owns[0].Paths, " ") != "usr/bin/a usr/lib/b.so" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// All cells of a page are one and the same: the work must stay bounded by the file.
func TestRPMSqliteOverlap(t *testing.T) {
	db := rpmSmallSqlite(rpmSmall)
	page := db[512:]
	const cells = 60
	page[4] = cells
	for i := range cells {
		copy(page[8+2*i:], page[5:7])
	}
	if got, err := rpmCollect(db); err == nil || len(got) > 4 {
		t.Errorf("%d packages, error %v", len(got), err)
	}
}

func FuzzRpmSqlite(f *testing.F) {
	f.Add(rpmSmallSqlite(rpmSmall))
	f.Fuzz(func(t *testing.T, b []byte) {
		if b = bytes.Clone(b); len(b) >= 16 {
			copy(b, sqliteMagic)
		}
		osFuzz(t, rpmDatabase, "var/lib/rpm/rpmdb.sqlite", b)
	})
}

func FuzzRpmNdb(f *testing.F) {
	f.Add(rpmMakeNdb(rpmSmall))
	f.Fuzz(func(t *testing.T, b []byte) { osFuzz(t, rpmDatabase, "var/lib/rpm/Packages.db", b) })
}

func FuzzRpmBdb(f *testing.F) {
	f.Add(rpmSmallBdb(rpmSmall, false))
	f.Add(rpmSmallBdb(rpmSmall, true))
	f.Fuzz(func(t *testing.T, b []byte) { osFuzz(t, rpmDatabase, "var/lib/rpm/Packages", b) })
}

func FuzzRpmHeader(f *testing.F) {
	f.Add(rpmSmall)
	f.Add(rpmSimple("b", rpmTagTexts(rpmTagBasenames, "a", "/"), rpmTagTexts(rpmTagDirNames, "usr/bin", "a//../"), rpmTagInts(rpmTagDirIndexes, rpmInt32, 0, 1)))
	f.Fuzz(func(t *testing.T, b []byte) { osFuzz(t, rpmDatabase, "var/lib/rpm/Packages.db", rpmMakeNdb(b)) })
}

func FuzzRpmManifest(f *testing.F) {
	f.Add([]byte("a\t1-2\t1\t1\tv\t(none)\t3\tnoarch\t0\ta-1-2.src.rpm\n"))
	f.Fuzz(func(t *testing.T, b []byte) { osFuzz(t, rpmManifest, "var/lib/rpmmanifest/container-manifest-2", b) })
}

func FuzzOSRelease(f *testing.F) {
	f.Add([]byte("ID=debian\nVERSION_ID=\"12\"\nNAME='a b'\nID_LIKE=\"\\$\\\"x y\"\n"))
	f.Add([]byte("DISTRIB_ID=Ubuntu\n"))
	f.Add([]byte("CentOS release 6.10 (Final)\n"))
	f.Add([]byte("http://x/alpine/v3.10/main\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		osFuzz(t, osRelease, "etc/os-release", b)
		for _, p := range []string{"etc/lsb-release", "etc/alpine-release", "etc/debian_version", "etc/redhat-release", "etc/apk/repositories"} {
			osFuzz(t, osReleaseFallback, p, b)
		}
	})
}
