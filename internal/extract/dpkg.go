package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// dpkgStatus reads the package database of Debian and its kin: var/lib/dpkg/status
// with every package, and distroless images' var/lib/dpkg/status.d/NAME with one
// each (deb-control(5), dpkg-query(1) for the states). opkg of OpenWrt and Yocto
// writes the same form.
var dpkgStatus = Extractor{
	Name: "dpkg", Doc: "dpkg and opkg status, and status.d", Version: 2,
	Want: func(e rootfs.Entry) bool {
		if e.Kind != rootfs.Regular {
			return false
		}
		switch e.Path {
		case "var/lib/dpkg/status", "usr/lib/opkg/status", "var/lib/opkg/status":
			return true
		}
		name, ok := strings.CutPrefix(e.Path, "var/lib/dpkg/status.d/")
		return ok && !strings.Contains(name, "/") && !strings.HasSuffix(name, ".md5sums")
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		body, err := f.Bytes()
		if err != nil {
			return nil, fmt.Errorf("reading the package database: %w", err)
		}
		single := strings.HasPrefix(f.Path, "var/lib/dpkg/status.d/")
		typ := "deb"
		if strings.Contains(f.Path, "lib/opkg/") {
			typ = "opkg"
		}
		d := newOSDraft(f.Path, !single)
		for len(body) > 0 && !d.full {
			var p dpkgParagraph
			p, body = dpkgNext(body)
			pkg, ok, err := p.pkg(single)
			if err != nil {
				d.note("reading a paragraph: %v", err)
			} else if ok {
				pkg.Type = typ
				d.add(pkg)
			}
		}
		if single && len(d.Packages) == 0 && len(d.Unknowns) == 0 && f.Size > 0 {
			d.note("no package is described here")
		}
		return d.fragment(), nil
	},
}

// dpkgUpdates notices a dpkg that was stopped half way: what it had not yet merged
// into the status file lies in numbered files beside it.
var dpkgUpdates = Extractor{
	Name: "dpkg-updates", Doc: "changes that dpkg had not merged into its status", Version: 1,
	Want: func(e rootfs.Entry) bool {
		name, ok := strings.CutPrefix(e.Path, "var/lib/dpkg/updates/")
		return ok && e.Kind == rootfs.Regular && e.Size > 0 && name != "" && strings.Trim(name, "0123456789") == ""
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		return &inventory.Fragment{Unknowns: []inventory.Unknown{{Reason: inventory.AnalysisPartial, Subject: f.Path,
			Detail: "dpkg was interrupted: this change was not merged into its status file, and is not read"}}}, nil
	},
}

// dpkgParagraph holds the fields of a control paragraph that are kept, as slices of
// the file. All else is skipped.
type dpkgParagraph struct {
	name, version, status, source, arch, maintainer []byte
}

// dpkgNext reads the first paragraph of b and gives what follows it.
func dpkgNext(b []byte) (p dpkgParagraph, rest []byte) {
	some := false
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if len(bytes.TrimSpace(line)) == 0 {
			if some {
				return p, b
			}
			continue
		}
		some = true
		if line[0] == ' ' || line[0] == '\t' || line[0] == '#' {
			continue // goes on with the field above, or a comment
		}
		i := bytes.IndexByte(line, ':')
		if i < 0 {
			continue
		}
		var to *[]byte
		switch string(line[:i]) {
		case "Package":
			to = &p.name
		case "Version":
			to = &p.version
		case "Status":
			to = &p.status
		case "Source":
			to = &p.source
		case "Architecture":
			to = &p.arch
		case "Maintainer":
			to = &p.maintainer
		default:
			continue
		}
		*to = bytes.TrimSpace(line[i+1:])
	}
	return p, nil
}

// pkg turns the paragraph into a package; false if it is not installed.
func (p *dpkgParagraph) pkg(single bool) (inventory.Package, bool, error) {
	none := inventory.Package{}
	if len(p.name) == 0 && len(p.version) == 0 && len(p.status) == 0 {
		return none, false, nil
	}
	broken := ""
	if len(p.status) > 0 {
		// want, error flag, state: "deinstall ok config-files".
		switch state := p.status[bytes.LastIndexAny(p.status, " \t")+1:]; string(state) {
		case "installed", "triggers-awaited", "triggers-pending", "triggers-awaiting":
		case "not-installed", "config-files":
			return none, false, nil
		case "half-installed", "unpacked", "half-configured":
			broken = string(state)
		default:
			return none, false, fmt.Errorf("package %.100q has the unknown state %.100q", p.name, p.status)
		}
	} else if !single {
		return none, false, fmt.Errorf("package %.100q has no status", p.name)
	}
	if len(p.name) == 0 || len(p.version) == 0 {
		return none, false, fmt.Errorf("package %.100q with version %.100q is not complete", p.name, p.version)
	}
	pkg := inventory.Package{Name: string(p.name), Version: string(p.version),
		Arch: string(p.arch), Vendor: string(p.maintainer), Broken: broken}
	pkg.Source = inventory.Source{Name: pkg.Name, Version: pkg.Version}
	if len(p.source) > 0 {
		name, version, ok := bytes.Cut(p.source, []byte("("))
		if name = bytes.TrimSpace(name); len(name) > 0 && string(name) != pkg.Name {
			pkg.Source.Name = string(name)
		}
		version = bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(version), []byte(")")))
		if ok && len(version) > 0 {
			pkg.Source.Version = string(version)
		}
	}
	return pkg, true, nil
}

// dpkgFiles reads which files a package brought: info/NAME.list of dpkg and opkg,
// one absolute path in each line, and NAME.md5sums of distroless images, with a
// checksum before each path. With Multi-Arch the name ends in :ARCH.
var dpkgFiles = Extractor{
	Name: "dpkg-files", Doc: "lists of the files of dpkg and opkg packages", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return e.Kind == rootfs.Regular && e.Size > 0 && dpkgListName(e.Path) != ""
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		name := dpkgListName(f.Path)
		if name == "" {
			return nil, errors.New("the name of the list does not name a package")
		}
		body, err := f.Bytes()
		if err != nil {
			return nil, fmt.Errorf("reading a list of files: %w", err)
		}
		d := newOSDraft(f.Path, false)
		d.own(name, dpkgPaths(d, string(body), strings.HasSuffix(f.Path, ".md5sums")))
		return d.fragment(), nil
	},
}

// dpkgListName gives the package whose files the list at path names; "" if it is
// not such a list.
func dpkgListName(path string) string {
	var name string
	var ok bool
	if rest, below := strings.CutPrefix(path, "var/lib/dpkg/status.d/"); below {
		name, ok = strings.CutSuffix(rest, ".md5sums")
	} else if rest, below := strings.CutPrefix(path, "var/lib/dpkg/info/"); below {
		name, ok = strings.CutSuffix(rest, ".list")
	} else if rest, below := strings.CutPrefix(path, "usr/lib/opkg/info/"); below {
		name, ok = strings.CutSuffix(rest, ".list")
	} else if rest, below := strings.CutPrefix(path, "var/lib/opkg/info/"); below {
		name, ok = strings.CutSuffix(rest, ".list")
	}
	if !ok || strings.Contains(name, "/") {
		return ""
	}
	name, _, _ = strings.Cut(name, ":")
	return name
}

// dpkgPaths gives the ownable files of a list. The strings are copies.
func dpkgPaths(d *osDraft, s string, sums bool) []string {
	var kept []string
	for s != "" {
		var line string
		line, s = osLine(s)
		if sums {
			_, line, _ = strings.Cut(line, " ")
			line = strings.TrimLeft(line, " *")
		}
		// A folder stands right before what lies in it.
		if len(s) > len(line) && s[len(line)] == '/' && strings.HasPrefix(s, line) {
			continue
		}
		kept = d.pathOf(kept, strings.TrimPrefix(strings.TrimPrefix(line, "."), "/"))
	}
	return kept
}
