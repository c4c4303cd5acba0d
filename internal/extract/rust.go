package extract

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// rustCargoLock reads Cargo.lock (doc.rust-lang.org/cargo). Crates without a source are
// the workspace's own and left out. What was built into an executable is known only
// if it carries an audit section, which is read elsewhere.
func rustCargoLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "cargo", evidence: inventory.Locked}
	var name, version, source string
	done := func() {
		if source != "" {
			l.add("", name, version, false)
		}
		name, version, source = "", "", ""
	}
	known := false
	err := langTOML(b, func(table, key string, v tomlValue) error {
		known = known || table == "package" || table == "" && key == "version"
		switch {
		case key == "":
			done()
		case table != "package":
		case key == "name":
			name, _ = v.str()
		case key == "version":
			version, _ = v.str()
		case key == "source":
			source, _ = v.str()
		}
		return nil
	})
	done()
	if err == nil && !known {
		err = fmt.Errorf("it lists no packages and does not say its version")
	}
	return l.fragment(path), langFailed("Cargo.lock", err)
}

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
