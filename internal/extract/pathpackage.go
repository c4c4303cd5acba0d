package extract

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// pathPackage reads the records of managers that keep one folder per installed package,
// whose path says which:
//
//   - LuaRocks: …/luarocks/rocks-5.1/NAME/VERSION/NAME-VERSION.rockspec
//   - opam: …/.opam-switch/packages/NAME.VERSION/opam
//   - cpanm: ….meta/DISTRIBUTION-VERSION/MYMETA.json, where the file says it
var pathPackage = Extractor{
	Name: "path-package", Doc: "packages of LuaRocks, opam and cpanm", Version: 1,
	Want: func(e rootfs.Entry) bool {
		p := e.Path
		if len(p) < 5 || e.Kind != rootfs.Regular {
			return false
		}
		switch p[len(p)-1] {
		case 'c':
			return strings.HasSuffix(p, ".rockspec") && strings.Contains(p, "/rocks-")
		case 'm':
			return strings.HasSuffix(p, "/opam") && strings.Contains(p, ".opam-switch/packages/")
		case 'n':
			return strings.HasSuffix(p, "/MYMETA.json") && strings.Contains(p, ".meta/")
		}
		return false
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		parts := strings.Split(f.Path, "/")
		if len(parts) < 3 {
			return nil, nil
		}
		p := inventory.Package{Evidence: inventory.Installed}
		switch base := parts[len(parts)-1]; base {
		case "opam":
			p.Type = "opam"
			p.Name, p.Version, _ = strings.Cut(parts[len(parts)-2], ".")
		case "MYMETA.json":
			return pathPerl(f)
		default:
			p.Type = "luarocks"
			p.Name, p.Version = parts[len(parts)-3], parts[len(parts)-2]
			if base != p.Name+"-"+p.Version+".rockspec" {
				return nil, nil // a rockspec that the rock's author put among its documents
			}
		}
		return langOne(f.Path, p), nil
	},
}

// pathPerl reads the metadata of a distribution from CPAN.
func pathPerl(f *rootfs.File) (*inventory.Fragment, error) {
	b, err := langBytes(f, 8<<20)
	if err != nil {
		return nil, err
	}
	p := inventory.Package{Type: "cpan", Evidence: inventory.Installed}
	err = langJSONObject(bytes.TrimSpace(b), false, func(r *langJSON, key []byte) (err error) {
		switch string(key) {
		case "name":
			p.Name, _, err = r.str()
		case "version":
			p.Version, _, err = r.str()
		case "license":
			p.Licenses, err = nodeLicenses(r, nil)
		}
		return err
	})
	if err == nil && (p.Name == "" || p.Version == "") {
		err = fmt.Errorf("it has no name and version")
	}
	if err != nil {
		return nil, langFailed("a CPAN distribution's metadata", err)
	}
	return langOne(f.Path, p), nil
}
