package extract

import (
	"context"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// osRelease reads what os-release(5) defines. Which of several files counts is for
// inventory.Merge to say.
var osRelease = Extractor{
	Name: "os-release", Doc: "os-release", Version: 1,
	Want: func(e rootfs.Entry) bool {
		if e.Kind != rootfs.Regular || e.Size == 0 {
			return false
		}
		switch e.Path {
		case "etc/os-release", "usr/lib/os-release":
			return true
		}
		// Where distributions point those two as symbolic links.
		return strings.HasPrefix(e.Path, "usr/lib/os.release.d/") || strings.HasPrefix(e.Path, "etc/os.release.d/") ||
			strings.HasSuffix(e.Path, "-os-release") && strings.HasPrefix(e.Path, "nix/store/")
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		return osReleaseRead(f, func(d *osDraft, body string) *inventory.Distro {
			v := osReleaseVars(d, body)
			name := v["PRETTY_NAME"]
			if name == "" {
				name = v["NAME"]
			}
			out := &inventory.Distro{ID: strings.ToLower(v["ID"]), VersionID: v["VERSION_ID"], Name: name,
				Codename: v["VERSION_CODENAME"], CPE: v["CPE_NAME"]}
			if like := v["ID_LIKE"]; like != "" {
				out.IDLike = strings.Fields(strings.ToLower(like))
			}
			return out
		})
	},
}

// osReleaseFallback reads the files that name a distribution where os-release is
// missing: older ones, or what was left when it was deleted. They are ranked below
// os-release by inventory.Merge.
var osReleaseFallback = Extractor{
	Name: "os-release-fallback", Doc: "lsb-release, alpine-release, redhat-release, debian_version, apk repositories", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return e.Kind == rootfs.Regular && e.Size > 0 && osReleaseReader(e.Path) != nil
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		return osReleaseRead(f, osReleaseReader(f.Path))
	},
}

type osReleaseFunc func(d *osDraft, body string) *inventory.Distro

func osReleaseReader(path string) osReleaseFunc {
	switch path {
	case "etc/lsb-release":
		return osReleaseLSB
	case "etc/alpine-release":
		return func(_ *osDraft, body string) *inventory.Distro {
			return &inventory.Distro{ID: "alpine", VersionID: osReleaseWord(body), Name: "Alpine Linux"}
		}
	case "etc/debian_version":
		return osReleaseDebian
	case "etc/system-release", "etc/redhat-release", "etc/centos-release":
		return osReleaseRedHat
	case "etc/apk/repositories":
		return osReleaseAPK
	}
	return nil
}

// Bounds on such a file and on one value in it.
const (
	maxOSRelease = 64 << 10
	maxOSValue   = 256
)

// osReleaseRead reads a file with fn and makes the fragment of it, nil if it does
// not name a distribution.
func osReleaseRead(f *rootfs.File, fn osReleaseFunc) (*inventory.Fragment, error) {
	if fn == nil {
		return nil, nil
	}
	if f.Size > maxOSRelease {
		return nil, fmt.Errorf("reading the distribution: %d bytes, more than %d", f.Size, maxOSRelease)
	}
	body, err := f.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the distribution: %w", err)
	}
	d := newOSDraft(f.Path, false)
	distro := fn(d, string(body))
	if distro == nil || distro.ID == "" {
		return d.fragment(), nil
	}
	for _, s := range append([]string{distro.ID, distro.VersionID, distro.Name, distro.Codename, distro.CPE}, distro.IDLike...) {
		if !osReleasePlain(s) {
			d.note("a value is too long or holds control characters: %.40q", s)
			return d.fragment(), nil
		}
	}
	d.Distro = distro
	return d.fragment(), nil
}

// osReleasePlain reports whether s is short and free of control characters.
func osReleasePlain(s string) bool {
	return len(s) <= maxOSValue && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) < 0
}

// osReleaseVars reads assignments as os-release(5) defines them. The last one of a
// name counts, as in a shell.
func osReleaseVars(d *osDraft, body string) map[string]string {
	vars := map[string]string{}
	for body != "" {
		var line string
		line, body = osLine(body)
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		switch {
		case !ok:
			continue
		case strings.HasPrefix(name, "DISTRIB_"):
		default:
			switch name {
			case "ID", "VERSION_ID", "NAME", "PRETTY_NAME", "VERSION_CODENAME", "ID_LIKE", "CPE_NAME":
			default:
				continue
			}
		}
		value, ok = osReleaseUnquote(value)
		if !ok || !osReleasePlain(value) {
			d.note("the value of %.40s is no valid one: %.40q", name, value)
			continue
		}
		vars[name] = value
	}
	return vars
}

// osReleaseUnquote takes the quotes off a value: single quotes keep all, in double
// quotes a backslash keeps one of $ " \ ` and outside of quotes any character. False
// if a quote is not closed.
func osReleaseUnquote(s string) (string, bool) {
	if !strings.ContainsAny(s, "'\"\\ \t#") {
		return s, true
	}
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == '\'' && c != '\'', quote == '"' && c != '"' && c != '\\':
			b.WriteByte(c)
		case c == '\\':
			if i++; i == len(s) {
				return b.String(), false
			}
			if quote == '"' && strings.IndexByte("$\"\\`", s[i]) < 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
		case quote != 0:
			quote = 0
		case c == '\'' || c == '"':
			quote = c
		case c == ' ' || c == '\t':
			// What follows a space is a comment, or by a shell's lights a command.
			return b.String(), true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), quote == 0
}

// osReleaseWord gives the first word of the first line.
func osReleaseWord(body string) string {
	line, _ := osLine(body)
	if f := strings.Fields(line); len(f) > 0 {
		return f[0]
	}
	return ""
}

// osReleaseLSB reads /etc/lsb-release as Ubuntu, Photon and others write it.
func osReleaseLSB(d *osDraft, body string) *inventory.Distro {
	v := osReleaseVars(d, body)
	id := strings.ToLower(v["DISTRIB_ID"])
	switch {
	case strings.HasPrefix(id, "vmware photon"):
		id = "photon"
	case strings.Contains(id, " "):
		return nil // no ID that os-release would use
	}
	return &inventory.Distro{ID: id, VersionID: v["DISTRIB_RELEASE"], Name: v["DISTRIB_DESCRIPTION"], Codename: v["DISTRIB_CODENAME"]}
}

// osReleaseDebian reads /etc/debian_version: "12.5", or "trixie/sid" before a release.
func osReleaseDebian(_ *osDraft, body string) *inventory.Distro {
	out := &inventory.Distro{ID: "debian", Name: "Debian GNU/Linux"}
	word := osReleaseWord(body)
	if word == "" {
		return nil
	}
	if word[0] < '0' || word[0] > '9' {
		out.Codename, _, _ = strings.Cut(word, "/")
		return out
	}
	out.VersionID, _, _ = strings.Cut(word, ".")
	return out
}

// osReleaseRPM are the names that distributions of rpm begin their release files
// with, and their ID in os-release.
var osReleaseRPM = []struct{ name, id string }{
	{"Red Hat Enterprise Linux", "rhel"},
	{"CentOS", "centos"},
	{"Rocky Linux", "rocky"},
	{"AlmaLinux", "almalinux"},
	{"Oracle Linux", "ol"},
	{"Enterprise Linux Enterprise Linux", "ol"}, // Oracle's up to 5
	{"Amazon Linux", "amzn"},
	{"Fedora", "fedora"},
	{"Scientific Linux", "scientific"},
	{"CloudLinux", "cloudlinux"},
	{"EuroLinux", "eurolinux"},
	{"openEuler", "openeuler"},
	{"Anolis OS", "anolis"},
	{"CBL-Mariner", "mariner"},
	{"Microsoft Azure Linux", "azurelinux"},
	{"VMware Photon", "photon"},
}

// osReleaseRedHat reads "NAME release VERSION (CODENAME)".
func osReleaseRedHat(_ *osDraft, body string) *inventory.Distro {
	line, _ := osLine(body)
	line = strings.TrimSpace(line)
	out := &inventory.Distro{Name: line}
	for _, d := range osReleaseRPM {
		if strings.HasPrefix(line, d.name) {
			out.ID = d.id
			break
		}
	}
	if out.ID == "" {
		return nil
	}
	if _, rest, ok := strings.Cut(line, " release "); ok {
		out.VersionID = osReleaseWord(rest)
	}
	if out.ID == "centos" {
		out.VersionID, _, _ = strings.Cut(out.VersionID, ".") // as CentOS's own os-release
	}
	return out
}

// osReleaseAPK reads the release off the addresses that apk fetches from. Tagged
// repositories serve single packages and do not count. Of several the newest is
// taken, edge before all: that is where packages may have come from.
func osReleaseAPK(_ *osDraft, body string) *inventory.Distro {
	var out *inventory.Distro
	major, minor := -1, -1
	for body != "" {
		var line string
		line, body = osLine(body)
		line = strings.TrimRight(strings.TrimSpace(line), "/")
		switch {
		case line == "" || line[0] == '#' || line[0] == '@':
			continue
		case strings.Contains(line, "packages.wolfi.dev/"):
			return &inventory.Distro{ID: "wolfi", Name: "Wolfi"}
		case strings.Contains(line, ".cgr.dev/"):
			return &inventory.Distro{ID: "chainguard", Name: "Chainguard"}
		}
		parts := strings.Split(line, "/")
		if len(parts) < 2 {
			continue
		}
		switch parts[len(parts)-1] {
		case "main", "community", "testing":
		default:
			continue
		}
		release := parts[len(parts)-2]
		if release == "edge" {
			return &inventory.Distro{ID: "alpine", VersionID: "edge", Name: "Alpine Linux edge"}
		}
		var a, b int
		if n, err := fmt.Sscanf(release, "v%d.%d", &a, &b); n != 2 || err != nil || release != fmt.Sprintf("v%d.%d", a, b) {
			continue
		}
		if a > major || a == major && b > minor {
			major, minor = a, b
			out = &inventory.Distro{ID: "alpine", VersionID: release[1:], Name: "Alpine Linux"}
		}
	}
	return out
}
