package extract

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

const apkPath = "lib/apk/db/installed"

func TestApk(t *testing.T) {
	got := osMust(t, apkInstalled, apkPath, `C:Q1v4QhLje3kWlC8DJj+ZfJTjlJRSU=
P:libcrypto3
V:3.1.4-r5
A:x86_64
T:Crypto library: P:not a name
L:Apache-2.0
o:openssl
m:Ariadne Conill <ariadne@dereferenced.org>
F:etc
R:passwd
F:
R:server
F:lib
R:libcrypto.so.3
a:0:0:755
Z:Q1
F:usr/lib/python3.11/site-packages/six-1.dist-info
R:METADATA
R:RECORD

P:half
V:1.0_rc1-r0
f:fs

P:scripted
V:2-r1
A:noarch
o:scripted
f:s

V:3-r0

C:only a checksum`)
	want := &inventory.Fragment{Database: true, Packages: []inventory.Package{
		{Name: "libcrypto3", Version: "3.1.4-r5", Type: "apk", Arch: "x86_64", Vendor: "Ariadne Conill <ariadne@dereferenced.org>",
			Licenses: []string{"Apache-2.0"}, Source: inventory.Source{Name: "openssl", Version: "3.1.4-r5"}},
		{Name: "half", Version: "1.0_rc1-r0", Type: "apk", Source: inventory.Source{Name: "half", Version: "1.0_rc1-r0"}, Broken: "broken-files"},
		{Name: "scripted", Version: "2-r1", Type: "apk", Arch: "noarch", Source: inventory.Source{Name: "scripted", Version: "2-r1"}},
	}, Owns: []inventory.Owner{{Package: "libcrypto3", Paths: []string{"server", "lib/libcrypto.so.3", "usr/lib/python3.11/site-packages/six-1.dist-info/METADATA"}}},
		Unknowns: []inventory.Unknown{
			{Reason: inventory.AnalysisPartial, Subject: apkPath, Detail: `package "" with version "3-r0" is not complete`},
			{Reason: inventory.AnalysisPartial, Subject: apkPath, Detail: `package "" with version "" is not complete`},
		}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestApkPaths(t *testing.T) {
	for p, want := range map[string]bool{apkPath: true, "usr/lib/apk/db/installed": true, "lib/apk/db/scripts.tar": false, "srv/lib/apk/db/installed": false} {
		if got := apkInstalled.Want(rootfs.Entry{Path: p}); got != want {
			t.Errorf("%s: wanted %v", p, got)
		}
	}
	if apkInstalled.Want(rootfs.Entry{Path: apkPath, Kind: rootfs.Symlink}) {
		t.Error("a link is wanted")
	}
}

func TestApkUnreadable(t *testing.T) {
	for name, body := range map[string]string{"zero": strings.Repeat("\x00", 4096), "text": "this is no database\n", "long": strings.Repeat("P", 1<<20)} {
		if f, err := osRun(t, apkInstalled, apkPath, body); err == nil {
			t.Errorf("%s: read as %+v", name, f)
		}
	}
}

func TestApkReal(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(imagetest.Corpus(t), "fixtures/apk/*/lib/apk/db/installed"))
	if len(files) == 0 {
		t.Fatal("no apk databases in the corpus")
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := osMust(t, apkInstalled, apkPath, string(body))
		if n := strings.Count("\n"+string(body), "\nP:"); len(got.Packages) != n || n == 0 || len(got.Unknowns) > 0 {
			t.Errorf("%s: %d packages of %d, unknowns %v", file, len(got.Packages), n, got.Unknowns)
		}
		for _, p := range got.Packages {
			if p.Version == "" || p.Source.Name == "" || p.Arch == "" || len(p.Licenses) == 0 {
				t.Errorf("%s: package %+v lacks something", file, p)
			}
		}
	}
}
