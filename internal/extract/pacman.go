package extract

import (
	"context"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// pacmanDesc reads the package database of Arch Linux: a folder NAME-VERSION-RELEASE
// for each package, in it desc with fields as %NAME%, their values in the lines
// after it (alpm-db-desc(5)).
var pacmanDesc = Extractor{
	Name: "pacman", Doc: "pacman local database", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return e.Kind == rootfs.Regular && strings.HasPrefix(e.Path, "var/lib/pacman/local/") && strings.HasSuffix(e.Path, "/desc")
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		body, err := f.Bytes()
		if err != nil {
			return nil, fmt.Errorf("reading a package description: %w", err)
		}
		d := newOSDraft(f.Path, false)
		p := inventory.Package{Type: "alpm"}
		pacmanFields(string(body), func(field, value string) {
			switch field {
			case "%NAME%":
				p.Name = value
			case "%VERSION%":
				p.Version = value
			case "%BASE%":
				p.Source.Name = value
			case "%ARCH%":
				p.Arch = value
			case "%PACKAGER%":
				p.Vendor = value
			case "%LICENSE%":
				if len(p.Licenses) < 100 {
					p.Licenses = append(p.Licenses, value)
				}
			}
		})
		if p.Name == "" || p.Version == "" {
			return nil, fmt.Errorf("the package description has name %.100q and version %.100q", p.Name, p.Version)
		}
		if p.Source.Name == "" {
			p.Source.Name = p.Name
		}
		p.Source.Version = p.Version
		d.add(p)
		return d.fragment(), nil
	},
}

// pacmanFiles reads the list of files beside it.
var pacmanFiles = Extractor{
	Name: "pacman-files", Doc: "lists of the files of pacman packages", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return e.Kind == rootfs.Regular && strings.HasPrefix(e.Path, "var/lib/pacman/local/") && strings.HasSuffix(e.Path, "/files")
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		body, err := f.Bytes()
		if err != nil {
			return nil, fmt.Errorf("reading a list of files: %w", err)
		}
		folder := strings.TrimPrefix(f.Dir(), "var/lib/pacman/local/")
		name := folder
		for range 2 { // version and release
			if i := strings.LastIndexByte(name, '-'); i > 0 {
				name = name[:i]
			}
		}
		d := newOSDraft(f.Path, false)
		var paths []string
		pacmanFields(string(body), func(field, value string) {
			if field == "%FILES%" {
				paths = d.pathOf(paths, value) // a folder ends in a slash, so has no name
			}
		})
		d.own(name, paths)
		return d.fragment(), nil
	},
}

// pacmanFields gives each value with the field it stands under.
func pacmanFields(s string, fn func(field, value string)) {
	field := ""
	for s != "" {
		var line string
		line, s = osLine(s)
		switch {
		case line == "":
			field = ""
		case field == "" && len(line) > 2 && line[0] == '%' && line[len(line)-1] == '%':
			field = line
		case field != "":
			fn(field, line)
		}
	}
}
