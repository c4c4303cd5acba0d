package extract

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// rPackage reads the DESCRIPTION of each installed R package: library/NAME/DESCRIPTION or
// site-library/NAME/DESCRIPTION (cran.r-project.org, "Writing R Extensions").
var rPackage = Extractor{
	Name: "r", Doc: "DESCRIPTION of installed R packages", Version: 1,
	Want: func(e rootfs.Entry) bool {
		dir, ok := strings.CutSuffix(e.Path, "/DESCRIPTION")
		if !ok || e.Kind != rootfs.Regular {
			return false
		}
		dir = dir[:max(0, strings.LastIndexByte(dir, '/'))]
		return strings.HasSuffix(dir, "library")
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		b, err := langBytes(f, 1<<20)
		if err != nil {
			return nil, err
		}
		p := inventory.Package{Type: "cran", Evidence: inventory.Installed}
		langEachLine(b, func(_ int, line []byte) bool {
			name, value, ok := bytes.Cut(line, []byte{':'})
			if !ok || line[0] == ' ' || line[0] == '\t' {
				return true
			}
			switch v := string(bytes.TrimSpace(value)); string(name) {
			case "Package":
				p.Name = v
			case "Version":
				p.Version = v
			case "License":
				p.Licenses = langLicense(nil, v)
			}
			return true
		})
		if p.Name == "" && p.Version == "" {
			return nil, nil // a description of something else
		}
		return langOne(f.Path, p), nil
	},
}

// rEnvLock reads renv.lock (rstudio.github.io/renv).
func rEnvLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "cran", evidence: inventory.Locked}
	known := false
	err := langJSONObject(b, false, func(r *langJSON, key []byte) error {
		if string(key) != "Packages" {
			return nil
		}
		known = true
		return r.object(func(name []byte) error {
			n, version, source := string(name), "", ""
			err := r.object(func(key []byte) (err error) {
				switch string(key) {
				case "Package":
					n, _, err = r.str()
				case "Version":
					version, _, err = r.str()
				case "Source":
					source, _, err = r.str()
				}
				return err
			})
			if err != nil || source == "Local" {
				return err
			}
			p := inventory.Package{Type: l.typ, Name: n, Version: version}
			if source == "Bioconductor" {
				p.Type = "bioconductor"
			}
			l.addPackage(p)
			return err
		})
	})
	if err == nil && !known {
		err = fmt.Errorf("it has no Packages")
	}
	return l.fragment(path), langFailed("renv.lock", err)
}
