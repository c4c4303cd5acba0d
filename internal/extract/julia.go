package extract

import (
	"bytes"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// juliaManifest reads Julia's Manifest.toml (pkgdocs.julialang.org): [[deps.NAME]] in
// format 2, [[NAME]] in format 1, which is known by its first line. Parts of the
// standard library have no version.
func juliaManifest(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "julia", evidence: inventory.Locked}
	first, _, _ := bytes.Cut(b, []byte{'\n'})
	second, julia := false, bytes.HasPrefix(first, []byte("# This file is machine-generated"))
	err := langTOML(b, func(table, key string, v tomlValue) error {
		switch {
		case table == "":
			second = second || key == "manifest_format"
			julia = julia || second || key == "julia_version"
		case key == "version" && julia:
			name, nested := strings.CutPrefix(table, "deps.")
			if s, ok := v.str(); ok && nested == second && !strings.Contains(name, ".") {
				l.add("", name, s, false)
			}
		}
		return nil
	})
	if !julia {
		return nil, nil // another program's Manifest.toml
	}
	return l.fragment(path), langFailed("Julia's Manifest.toml", err)
}
