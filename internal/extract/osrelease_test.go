package extract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

func TestOSRelease(t *testing.T) {
	for _, c := range []struct {
		path, body string
		want       *inventory.Distro
	}{
		{"etc/os-release", `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
`, &inventory.Distro{ID: "debian", VersionID: "12", Name: "Debian GNU/Linux 12 (bookworm)", Codename: "bookworm"}},
		{"usr/lib/os-release", "NAME='Rocky Linux'\r\nID=\"rocky\"\r\nID_LIKE=\"rhel centos fedora\"\r\nVERSION_ID=\"9.3\"\r\nCPE_NAME=\"cpe:/o:rocky:rocky:9::baseos\"\r\n",
			&inventory.Distro{ID: "rocky", VersionID: "9.3", Name: "Rocky Linux", IDLike: []string{"rhel", "centos", "fedora"}, CPE: "cpe:/o:rocky:rocky:9::baseos"}},
		{"etc/os-release", "# ID=no\n\nID=alpine\nID=wolfi # comment\nVERSION_ID=3.21_alpha20240923\nBROKEN LINE\nexport X=1\nNAME=A\\ B\\\"",
			&inventory.Distro{ID: "wolfi", VersionID: "3.21_alpha20240923", Name: `A B"`}},
		{"etc/os-release", `ID=Debian` + "\n" + `NAME="a \"b\" \$c \x \\ ` + "\\`d\\`" + `"`, &inventory.Distro{ID: "debian", Name: `a "b" $c \x \ ` + "`d`"}},
		{"usr/lib/os.release.d/os-release-fedora", "ID=fedora\nVERSION_ID=39", &inventory.Distro{ID: "fedora", VersionID: "39"}},
		{"etc/alpine-release", "3.10.2\n", &inventory.Distro{ID: "alpine", VersionID: "3.10.2", Name: "Alpine Linux"}},
		{"etc/debian_version", "12.5\n", &inventory.Distro{ID: "debian", VersionID: "12", Name: "Debian GNU/Linux"}},
		{"etc/debian_version", "trixie/sid\n", &inventory.Distro{ID: "debian", Codename: "trixie", Name: "Debian GNU/Linux"}},
		{"etc/redhat-release", "CentOS Linux release 7.9.2009 (Core)\n", &inventory.Distro{ID: "centos", VersionID: "7", Name: "CentOS Linux release 7.9.2009 (Core)"}},
		{"etc/redhat-release", "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n", &inventory.Distro{ID: "rhel", VersionID: "6.10", Name: "Red Hat Enterprise Linux Server release 6.10 (Santiago)"}},
		{"etc/system-release", "Amazon Linux AMI release 2018.03\n", &inventory.Distro{ID: "amzn", VersionID: "2018.03", Name: "Amazon Linux AMI release 2018.03"}},
		{"etc/centos-release", "CentOS Stream release 9", &inventory.Distro{ID: "centos", VersionID: "9", Name: "CentOS Stream release 9"}},
		{"etc/redhat-release", "Some Other Linux release 1\n", nil},
		{"etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=18.04\nDISTRIB_CODENAME=bionic\nDISTRIB_DESCRIPTION=\"Ubuntu 18.04.6 LTS\"\n",
			&inventory.Distro{ID: "ubuntu", VersionID: "18.04", Codename: "bionic", Name: "Ubuntu 18.04.6 LTS"}},
		{"etc/lsb-release", "DISTRIB_ID=\"VMware Photon OS\"\nDISTRIB_RELEASE=\"4.0\"\n", &inventory.Distro{ID: "photon", VersionID: "4.0"}},
		{"etc/lsb-release", "LSB_VERSION=1.4\n", nil},
		{"etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/v3.9/main\n#http://x/alpine/edge/main\nhttps://mirror/alpine/v3.10/community/\n@edge http://x/alpine/edge/testing\n",
			&inventory.Distro{ID: "alpine", VersionID: "3.10", Name: "Alpine Linux"}},
		{"etc/apk/repositories", "http://x/alpine/v3.19/main\nhttp://x/alpine/edge/main\n", &inventory.Distro{ID: "alpine", VersionID: "edge", Name: "Alpine Linux edge"}},
		{"etc/apk/repositories", "https://packages.wolfi.dev/os\n", &inventory.Distro{ID: "wolfi", Name: "Wolfi"}},
		{"etc/apk/repositories", "/media/cdrom/apks\nhttp://x/alpine/v3.1x/main\n", nil},
	} {
		x := osRelease
		if !x.Want(rootfs.Entry{Path: c.path, Size: 1}) {
			x = osReleaseFallback
		}
		got := osMust(t, x, c.path, c.body)
		switch {
		case c.want == nil && got != nil:
			t.Errorf("%s %q: got %+v", c.path, c.body, got)
		case c.want != nil && got == nil:
			t.Errorf("%s %q: nothing read", c.path, c.body)
		case c.want != nil:
			if d := cmp.Diff(&inventory.Fragment{Distro: c.want}, got); d != "" {
				t.Errorf("%s %q: %s", c.path, c.body, d)
			}
		}
	}
}

func TestOSReleaseHostile(t *testing.T) {
	if f, err := osRun(t, osRelease, "etc/os-release", "ID=debian\nX="+strings.Repeat("x", 1<<20)); err == nil {
		t.Errorf("a file of 1 MB is read as %+v", f)
	}
	for name, c := range map[string]struct {
		body string
		id   string
	}{
		"NUL":       {"ID=debian\nVERSION_ID=12\x00\n", "debian"},
		"escape":    {"ID=debian\nNAME=\"\x1b[31m\"\n", "debian"},
		"not UTF-8": {"ID=debian\nNAME=\xff\n", "debian"},
		"long":      {"ID=debian\nNAME=" + strings.Repeat("x", 1000), "debian"},
		"open":      {"ID=debian\nVERSION_ID=\"12\n", "debian"},
		"no ID":     {"ID=\x00\nNAME=x\n", ""},
	} {
		got := osMust(t, osRelease, "etc/os-release", c.body)
		if got == nil || len(got.Unknowns) != 1 || (got.Distro == nil) != (c.id == "") || c.id != "" && got.Distro.ID != c.id {
			t.Errorf("%s: got %+v", name, got)
		} else if c.id != "" && (got.Distro.VersionID != "" || got.Distro.Name != "") {
			t.Errorf("%s: a bad value was kept: %+v", name, got.Distro)
		}
	}
	if got := osMust(t, osReleaseFallback, "etc/alpine-release", "3.1\x07\n"); got == nil || got.Distro != nil || len(got.Unknowns) != 1 {
		t.Errorf("a bell in a version gives %+v", got)
	}
	if got := osMust(t, osRelease, "etc/os-release", "NAME=x\n"); got != nil {
		t.Errorf("a file without ID gives %+v", got)
	}
}
