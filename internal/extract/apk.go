package extract

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// apkInstalled reads the package database of Alpine, Wolfi and their kin: one field
// in each line, a letter before the colon, an empty line after each package
// (apk-package(5), "installed database v2" of apk-tools). Folders stand in F lines,
// the files in them in the R lines that follow.
var apkInstalled = Extractor{
	Name: "apk", Doc: "apk installed database", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return e.Kind == rootfs.Regular && (e.Path == "lib/apk/db/installed" || e.Path == "usr/lib/apk/db/installed")
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		body, err := f.Bytes()
		if err != nil {
			return nil, fmt.Errorf("reading the package database: %w", err)
		}
		d := newOSDraft(f.Path, true)
		s := string(body)
		for s != "" && !d.full {
			var r apkRecord
			r, s = apkNext(d, s)
			r.addTo(d)
		}
		if len(d.Packages) == 0 && len(d.Unknowns) > 0 {
			return nil, errors.New("the apk database holds no readable package")
		}
		return d.fragment(), nil
	},
}

// apkRecord is one package of the database. Its strings are slices of the file.
type apkRecord struct {
	name, version, arch, origin, license, maintainer, broken string
	some                                                     bool
	paths                                                    []string
}

// apkNext reads the first record of s and gives what follows it.
func apkNext(d *osDraft, s string) (r apkRecord, rest string) {
	dir := ""
	class := ownableDir(dir)
	for s != "" {
		var line string
		line, s = osLine(s)
		if line == "" {
			if r.some {
				return r, s
			}
			continue
		}
		r.some = true
		if len(line) < 2 || line[1] != ':' {
			continue
		}
		value := line[2:]
		switch line[0] {
		case 'P':
			r.name = value
		case 'V':
			r.version = value
		case 'A':
			r.arch = value
		case 'o':
			r.origin = value
		case 'L':
			r.license = value
		case 'm':
			r.maintainer = value
		case 'f':
			r.broken = value
		case 'F':
			class = ownableDir(value)
			if dir = value; dir != "" {
				dir += "/"
			}
		case 'R':
			r.paths = d.path(r.paths, class, dir, value)
		}
	}
	return r, ""
}

func (r *apkRecord) addTo(d *osDraft) {
	if !r.some {
		return
	}
	if r.name == "" || r.version == "" {
		d.note("package %.100q with version %.100q is not complete", r.name, r.version)
		return
	}
	p := inventory.Package{Name: strings.Clone(r.name), Version: strings.Clone(r.version), Type: "apk",
		Arch: strings.Clone(r.arch), Vendor: strings.Clone(r.maintainer)}
	p.Source = inventory.Source{Name: p.Name, Version: p.Version}
	if r.origin != "" && r.origin != r.name {
		p.Source.Name = strings.Clone(r.origin)
	}
	if r.license != "" {
		p.Licenses = []string{strings.Clone(r.license)}
	}
	// f is written when unpacking failed: f for files, s for scripts, x for attributes.
	// A failed script leaves the files in place, as in most containers.
	if strings.Contains(r.broken, "f") {
		p.Broken = "broken-files"
	}
	if d.add(p) {
		d.own(p.Name, r.paths)
	}
}
