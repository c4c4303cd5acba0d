package extract

import (
	"context"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// portageContents reads Gentoo's package database: a folder CATEGORY/NAME-VERSION for
// each package, in it CONTENTS with a line "obj PATH MD5 MTIME" for each file
// (portage(5), "/var/db/pkg").
var portageContents = Extractor{
	Name: "portage", Doc: "portage database", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return e.Kind == rootfs.Regular && strings.HasPrefix(e.Path, "var/db/pkg/") && strings.HasSuffix(e.Path, "/CONTENTS")
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		category, pf, ok := strings.Cut(strings.TrimPrefix(f.Dir(), "var/db/pkg/"), "/")
		name, version := portageSplit(pf)
		if !ok || name == "" || strings.Contains(pf, "/") {
			return nil, fmt.Errorf("the folder %.100q does not name a package and version", f.Dir())
		}
		name = strings.TrimPrefix(name, "-MERGING-")
		body, err := f.Bytes()
		if err != nil {
			return nil, fmt.Errorf("reading a list of files: %w", err)
		}
		d := newOSDraft(f.Path, false)
		p := inventory.Package{Name: name, Version: version, Type: "ebuild", Namespace: category,
			Source: inventory.Source{Name: name, Version: version}}
		if strings.HasPrefix(pf, "-MERGING-") {
			p.Broken = "half-installed"
		}
		d.add(p)
		var paths []string
		for s := string(body); s != ""; {
			var line string
			line, s = osLine(s)
			path, ok := strings.CutPrefix(line, "obj /")
			if !ok {
				continue
			}
			// Paths may hold spaces; checksum and time do not.
			for range 2 {
				path = path[:max(strings.LastIndexByte(path, ' '), 0)]
			}
			paths = d.pathOf(paths, path)
		}
		d.own(name, paths)
		return d.fragment(), nil
	},
}

// portageSplit splits NAME-VERSION[-rN]: the version begins with a digit after the
// last hyphen, a revision not counted. The name is empty if there is none.
func portageSplit(pf string) (name, version string) {
	end := len(pf)
	if i := strings.LastIndex(pf, "-r"); i > 0 && i+2 < len(pf) && strings.Trim(pf[i+2:], "0123456789") == "" {
		end = i
	}
	i := strings.LastIndexByte(pf[:end], '-')
	if i <= 0 || i+1 >= end || pf[i+1] < '0' || pf[i+1] > '9' {
		return "", ""
	}
	return pf[:i], pf[i+1:]
}
