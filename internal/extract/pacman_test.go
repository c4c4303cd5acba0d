package extract

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

func TestPacman(t *testing.T) {
	dir := "var/lib/pacman/local/python-six-1:1.16.0-9/"
	got := osMust(t, pacmanDesc, dir+"desc", "%NAME%\npython-six\n\n%VERSION%\n1:1.16.0-9\n\n%BASE%\nsix\n\n%DESC%\n%NAME%\n\n%ARCH%\nany\n\n"+
		"%PACKAGER%\nAn Arch Developer <x@archlinux.org>\n\n%LICENSE%\nMIT\nBSD\n\n%DEPENDS%\npython\n")
	want := &inventory.Fragment{Packages: []inventory.Package{{Name: "python-six", Version: "1:1.16.0-9", Type: "alpm", Arch: "any",
		Source: inventory.Source{Name: "six", Version: "1:1.16.0-9"}, Vendor: "An Arch Developer <x@archlinux.org>", Licenses: []string{"MIT", "BSD"}}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got = osMust(t, pacmanFiles, dir+"files", "%FILES%\nusr/\nusr/bin/\nusr/bin/six\nusr/lib/python3.11/site-packages/six-1.dist-info/\n"+
		"usr/lib/python3.11/site-packages/six-1.dist-info/METADATA\nusr/lib/python3.11/site-packages/six.py\n\n%BACKUP%\nusr/bin/conf\n")
	want = &inventory.Fragment{Owns: []inventory.Owner{{Package: "python-six",
		Paths: []string{"usr/bin/six", "usr/lib/python3.11/site-packages/six-1.dist-info/METADATA"}}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if f, err := osRun(t, pacmanDesc, dir+"desc", "%NAME%\nx\n"); err == nil {
		t.Errorf("a package without version is read as %+v", f)
	}
}

func TestPortage(t *testing.T) {
	got := osMust(t, portageContents, "var/db/pkg/dev-python/six-py-1.16.0-r1/CONTENTS", "dir /usr\nobj /usr/bin/a b 0123456789abcdef 1600000000\n"+
		"sym /usr/bin/c -> a 1600000000\nobj /usr/share/doc/x 0123456789abcdef 1600000000\nobj /broken\n")
	want := &inventory.Fragment{Packages: []inventory.Package{{Name: "six-py", Version: "1.16.0-r1", Type: "ebuild", Namespace: "dev-python",
		Source: inventory.Source{Name: "six-py", Version: "1.16.0-r1"}}}, Owns: []inventory.Owner{{Package: "six-py", Paths: []string{"usr/bin/a b"}}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for pf, v := range map[string][2]string{"gcc-13.2.1_p20240210": {"gcc", "13.2.1_p20240210"}, "font-adobe-100dpi-1.0.4": {"font-adobe-100dpi", "1.0.4"},
		"a-1-r2": {"a", "1-r2"}, "noversion": {}, "x-r2": {}, "-1": {}, "a-b": {}} {
		if n, ver := portageSplit(pf); n != v[0] || ver != v[1] {
			t.Errorf("%s: got %q and %q", pf, n, ver)
		}
	}
	for _, p := range []string{"var/db/pkg/CONTENTS", "var/db/pkg/a/CONTENTS", "var/db/pkg/a/b/CONTENTS", "var/db/pkg/a/b-1/c/CONTENTS"} {
		if f, err := osRun(t, portageContents, p, ""); err == nil {
			t.Errorf("%s: read as %+v", p, f)
		}
	}
}
