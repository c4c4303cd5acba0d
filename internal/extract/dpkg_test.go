package extract

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// osRun gives what x reads of a file with this path and body.
func osRun(t testing.TB, x Extractor, path, body string) (*inventory.Fragment, error) {
	t.Helper()
	e := rootfs.Entry{Path: path, Mode: 0o644, Size: int64(len(body))}
	if !x.Want(e) {
		t.Fatalf("%s does not want %s", x.Name, path)
	}
	return x.Extract(t.Context(), rootfs.NewFile(t.Context(), e, []byte(body)))
}

// osMust is osRun without an error.
func osMust(t testing.TB, x Extractor, path, body string) *inventory.Fragment {
	t.Helper()
	f, err := osRun(t, x, path, body)
	if err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
	return f
}

func TestDpkgStates(t *testing.T) {
	got := osMust(t, dpkgStatus, "var/lib/dpkg/status", `Package: bash
Status: install ok installed
Maintainer: Matthias Klose <doko@debian.org>
Architecture: amd64
Source: bash-source (5.2-1)
Version: 5.2-1+b7
Description: shell
 Version: 9 is not a field here
 .
 Package: neither

Package: removed
Status: deinstall ok config-files
Version: 1

Package: never
Status: purge ok not-installed

Package: leaving
Status: deinstall ok installed
Version: 1:2.0-1
Source: other

Package: half
Status: install reinstreq half-installed
Version: 3~rc1

Package: open
Status: install ok unpacked
Version: 3

Package: configured
Status: install ok half-configured
Version: 3

Package: waiting
Status: hold ok triggers-awaited
Version: 4
Source: src (2:5-1)


Package: odd
Status: install ok dreaming
Version: 1

Package: stateless
Version: 1

Package: last
Status: install ok triggers-pending
Version: 7`)
	want := &inventory.Fragment{Database: true, Packages: []inventory.Package{
		{Name: "bash", Version: "5.2-1+b7", Type: "deb", Arch: "amd64", Vendor: "Matthias Klose <doko@debian.org>",
			Source: inventory.Source{Name: "bash-source", Version: "5.2-1"}},
		{Name: "leaving", Version: "1:2.0-1", Type: "deb", Source: inventory.Source{Name: "other", Version: "1:2.0-1"}},
		{Name: "half", Version: "3~rc1", Type: "deb", Source: inventory.Source{Name: "half", Version: "3~rc1"}, Broken: "half-installed"},
		{Name: "open", Version: "3", Type: "deb", Source: inventory.Source{Name: "open", Version: "3"}, Broken: "unpacked"},
		{Name: "configured", Version: "3", Type: "deb", Source: inventory.Source{Name: "configured", Version: "3"}, Broken: "half-configured"},
		{Name: "waiting", Version: "4", Type: "deb", Source: inventory.Source{Name: "src", Version: "2:5-1"}},
		{Name: "last", Version: "7", Type: "deb", Source: inventory.Source{Name: "last", Version: "7"}},
	}, Unknowns: []inventory.Unknown{
		{Reason: inventory.AnalysisPartial, Subject: "var/lib/dpkg/status", Detail: `reading a paragraph: package "odd" has the unknown state "install ok dreaming"`},
		{Reason: inventory.AnalysisPartial, Subject: "var/lib/dpkg/status", Detail: `reading a paragraph: package "stateless" has no status`},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDpkgDistroless(t *testing.T) {
	got := osMust(t, dpkgStatus, "var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12.4+deb12u5\nArchitecture: amd64\n")
	want := &inventory.Fragment{Packages: []inventory.Package{{Name: "base-files", Version: "12.4+deb12u5", Type: "deb", Arch: "amd64",
		Source: inventory.Source{Name: "base-files", Version: "12.4+deb12u5"}}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	sums := "var/lib/dpkg/status.d/libssl3.md5sums"
	if dpkgStatus.Want(rootfs.Entry{Path: sums, Size: 9}) {
		t.Error("the list of checksums is taken for a package")
	}
	got = osMust(t, dpkgFiles, sums, "0123456789abcdef0123456789abcdef  usr/lib/x86_64-linux-gnu/libssl.so.3\n"+
		"0123456789abcdef0123456789abcdef  usr/share/doc/libssl3/copyright\n")
	want = &inventory.Fragment{Owns: []inventory.Owner{{Package: "libssl3", Paths: []string{"usr/lib/x86_64-linux-gnu/libssl.so.3"}}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got = osMust(t, dpkgStatus, "var/lib/dpkg/status.d/junk", "nothing\n"); len(got.Unknowns) != 1 {
		t.Errorf("a file without a package gives %+v", got)
	}
}

func TestDpkgOpkg(t *testing.T) {
	got := osMust(t, dpkgStatus, "usr/lib/opkg/status", "Package: dropbear\r\nVersion: 2022.82-2\r\nStatus: install user installed\r\nArchitecture: x86_64\r\n\r\n")
	want := &inventory.Fragment{Database: true, Packages: []inventory.Package{{Name: "dropbear", Version: "2022.82-2", Type: "opkg", Arch: "x86_64",
		Source: inventory.Source{Name: "dropbear", Version: "2022.82-2"}}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDpkgFiles(t *testing.T) {
	got := osMust(t, dpkgFiles, "var/lib/dpkg/info/python3-six:amd64.list", strings.Join([]string{"/.", "/usr", "/usr/bin", "/usr/bin/sixer",
		"/usr/lib", "/usr/lib/python3", "/usr/lib/python3/dist-packages", "/usr/lib/python3/dist-packages/six-1.egg-info",
		"/usr/lib/python3/dist-packages/six-1.egg-info/PKG-INFO", "/usr/lib/python3/dist-packages/six.py", "/usr/share/doc/x", ""}, "\n"))
	want := &inventory.Fragment{Owns: []inventory.Owner{{Package: "python3-six",
		Paths: []string{"usr/bin/sixer", "usr/lib/python3/dist-packages/six-1.egg-info/PKG-INFO"}}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := osMust(t, dpkgFiles, "var/lib/dpkg/info/doc.list", "/.\n/usr\n/usr/share\n/usr/share/doc\n"); got != nil {
		t.Errorf("a package without interesting files gives %+v", got)
	}
	for _, p := range []string{"var/lib/dpkg/info/a/b.list", "var/lib/dpkg/info/bash.md5sums", "var/lib/dpkg/info/.list", "info/bash.list"} {
		if dpkgFiles.Want(rootfs.Entry{Path: p, Size: 1}) {
			t.Errorf("%s is taken for a list", p)
		}
	}
}

func TestDpkgUpdates(t *testing.T) {
	if got := osMust(t, dpkgUpdates, "var/lib/dpkg/updates/0001", "Package: x\n"); len(got.Unknowns) != 1 {
		t.Errorf("an interrupted dpkg gives %+v", got)
	}
	if dpkgUpdates.Want(rootfs.Entry{Path: "var/lib/dpkg/updates/tmp.i", Size: 1}) {
		t.Error("dpkg's scratch file is wanted")
	}
}

func TestOSBounds(t *testing.T) {
	var b strings.Builder
	for range 100 {
		b.WriteString("Package: x\n\n")
	}
	b.WriteString("Package: " + strings.Repeat("n", 1<<20) + "\nStatus: install ok installed\nVersion: 1\n\n")
	b.WriteString("Package: good\nStatus: install ok installed\nVersion: 1\n\n")
	got := osMust(t, dpkgStatus, "var/lib/dpkg/status", b.String())
	if len(got.Unknowns) != maxOSNotes+1 {
		t.Errorf("%d unknowns from 100 broken paragraphs", len(got.Unknowns))
	}
	if len(got.Packages) != 1 || got.Packages[0].Name != "good" {
		t.Errorf("%d packages", len(got.Packages))
	}
	many := strings.Repeat("Package: x\nVersion: 1\nStatus: a b installed\n\n", maxOSPackages+2)
	got = osMust(t, dpkgStatus, "var/lib/dpkg/status", many)
	if len(got.Packages) != maxOSPackages || len(got.Unknowns) != 1 || got.Unknowns[0].Reason != inventory.LimitExceeded {
		t.Errorf("%d packages and the unknowns %v", len(got.Packages), got.Unknowns)
	}
}

func TestOSEmptied(t *testing.T) {
	for _, c := range []struct {
		x          Extractor
		path, body string
	}{
		{dpkgStatus, "var/lib/dpkg/status", ""},
		{dpkgStatus, "var/lib/dpkg/status", "Package: x\nStatus: purge ok not-installed\n"},
		{apkInstalled, "lib/apk/db/installed", ""},
		{rpmDatabase, "var/lib/rpm/Packages.db", string(rpmMakeNdb(rpmSimple("gpg-pubkey")))},
	} {
		if got := osMust(t, c.x, c.path, c.body); got == nil || len(got.Unknowns) != 1 {
			t.Errorf("%s: %q gives %+v", c.x.Name, c.body, got)
		}
	}
}

// A list may name a long folder once and many files in it; what is kept of it must
// not outgrow the list without bound.
func TestOSPathBounds(t *testing.T) {
	long := strings.Repeat("d/", maxOSPath/2-50)
	got := osMust(t, apkInstalled, "lib/apk/db/installed", "P:a\nV:1\nF:"+long+"bin\n"+strings.Repeat("R:x\n", 100_000)+"\nP:b\nV:1\nF:bin\nR:b\n")
	total := 0
	for _, o := range got.Owns {
		for _, p := range o.Paths {
			total += len(p)
		}
	}
	if total > maxOSPaths || total < maxOSPaths/2 || len(got.Packages) != 2 {
		t.Errorf("%d packages with %d bytes of paths", len(got.Packages), total)
	}
	if len(got.Unknowns) != 1 || got.Unknowns[0].Reason != inventory.LimitExceeded {
		t.Errorf("unknowns %v", got.Unknowns)
	}
	got = osMust(t, apkInstalled, "lib/apk/db/installed", "P:a\nV:1\nF:bin\nR:"+strings.Repeat("x", maxOSPath)+"\nR:y\n")
	if len(got.Owns) != 1 || len(got.Owns[0].Paths) != 1 {
		t.Errorf("an overlong path is kept")
	}
}

// dpkgQuery lists what dpkg-query finds installed in a folder with a status file.
func dpkgQuery(t *testing.T, admin string) []string {
	t.Helper()
	out, err := exec.Command(imagetest.Tool(t, "dpkg-query"), "--admindir="+admin, "-W",
		"-f=${db:Status-Status}|${Package}|${Version}|${Architecture}|${source:Package}|${source:Version}\n").Output()
	if err != nil {
		t.Fatalf("running dpkg-query: %v", err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		state, rest, _ := strings.Cut(strings.TrimSpace(line), "|")
		if state != "not-installed" && state != "config-files" {
			lines = append(lines, rest)
		}
	}
	slices.Sort(lines)
	return lines
}

func TestDpkgQueryAgrees(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(imagetest.Corpus(t), "fixtures/dpkg/*.status"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no status files: %v", err)
	}
	counts := map[string]int{"bookworm-12.15-minbase.status": 88, "bookworm-12.0-SYNTHETIC.status": 88}
	for _, file := range files {
		name := filepath.Base(file)
		if name == "vcpkg.status" {
			continue // not dpkg's, and not to its rules
		}
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			admin := t.TempDir()
			if err := os.WriteFile(filepath.Join(admin, "status"), body, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(admin, "info"), 0o700); err != nil {
				t.Fatal(err)
			}
			got := osMust(t, dpkgStatus, "var/lib/dpkg/status", string(body))
			if len(got.Unknowns) > 0 {
				t.Errorf("unknowns: %v", got.Unknowns)
			}
			var lines []string
			for _, p := range got.Packages {
				lines = append(lines, strings.Join([]string{p.Name, p.Version, p.Arch, p.Source.Name, p.Source.Version}, "|"))
			}
			slices.Sort(lines)
			if d := cmp.Diff(dpkgQuery(t, admin), lines); d != "" {
				t.Errorf("dpkg-query (-) against ours (+):\n%s", d)
			}
			if n, ok := counts[name]; ok && n != len(lines) {
				t.Errorf("%d packages, want %d", len(lines), n)
			}
		})
	}
}

func TestDpkgRealLists(t *testing.T) {
	file, err := os.Open(filepath.Join(imagetest.Corpus(t), "fixtures/dpkg/bookworm-12.15-minbase-dpkgdb.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lists, all, kept := 0, 0, map[string]string{}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		path := rootfs.Clean(h.Name)
		if !dpkgFiles.Want(rootfs.Entry{Path: path, Size: h.Size}) || h.Typeflag != tar.TypeReg {
			continue
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		lists++
		all += strings.Count(string(body), "\n")
		if got := osMust(t, dpkgFiles, path, string(body)); got != nil {
			for _, o := range got.Owns {
				for _, p := range o.Paths {
					kept[p] = o.Package
				}
			}
		}
	}
	if lists != 88 {
		t.Errorf("%d lists, want 88", lists)
	}
	if kept["bin/bash"] != "bash" || kept["usr/lib/x86_64-linux-gnu/libzstd.so.1.5.4"] != "libzstd1" {
		t.Errorf("bash and libzstd belong to %q and %q", kept["bin/bash"], kept["usr/lib/x86_64-linux-gnu/libzstd.so.1.5.4"])
	}
	if len(kept)*4 > all {
		t.Errorf("%d of %d paths kept: that is no reduction", len(kept), all)
	}
	t.Logf("%d lists, %d of %d paths kept", lists, len(kept), all)
}

func BenchmarkDpkgStatus(b *testing.B) {
	body, err := os.ReadFile(filepath.Join(imagetest.Corpus(b), "fixtures/dpkg/ubuntu-18.04-texlive.status"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		f := rootfs.NewFile(b.Context(), rootfs.Entry{Path: "var/lib/dpkg/status"}, body)
		if _, err := dpkgStatus.Extract(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
}
