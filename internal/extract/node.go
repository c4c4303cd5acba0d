package extract

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// nodePackage reads package.json files (docs.npmjs.com/cli/configuring-npm/package-json)
// of installed JavaScript packages.
//
// What counts is the file's own name, so that a folder made by an npm: alias is the
// package it really holds. The following are packages:
//
//   - node_modules/NAME and node_modules/@SCOPE/NAME, wherever node_modules is: also
//     npm's own, pnpm's store (.pnpm/x@1/node_modules/x) and what a package bundles.
//   - a folder deeper inside a package that has both a name and a version, since
//     packages carry compiled copies of others; except below test and example
//     folders. Most such files are only stubs ({"type": "module"}) and say nothing.
//   - outside node_modules: an application or a tool unpacked by hand (yarn in
//     opt/yarn-v1.22.19), unless "private" marks it as never published, or the file
//     says that it belongs to Visual Studio Code or Unity, which use the same name for
//     packages of their own.
//
// Packages merged into one minified file cannot be seen, nor can packages inside the
// zip files of yarn's plug and play, which come from yarn.lock.
var nodePackage = Extractor{
	Name: "node", Doc: "package.json of installed JavaScript packages", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return len(e.Path) >= len("package.json") && e.Path[len(e.Path)-1] == 'n' && e.Kind == rootfs.Regular &&
			strings.HasSuffix(e.Path, "package.json") && (len(e.Path) == len("package.json") || e.Path[len(e.Path)-len("/package.json")] == '/')
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		place := nodePlaceOf(f.Path)
		if place == nodeFixture {
			return nil, nil
		}
		b, err := langBytes(f, nodeMaxPackage)
		if err != nil {
			return nil, err
		}
		p, err := nodeRead(b)
		if err != nil {
			if place == nodeInner {
				return nil, nil // no package manager reads it
			}
			return nil, fmt.Errorf("reading package.json: %v", err)
		}
		if p.name == "" || place != nodeRoot && (p.private || p.version == "") || place == nodeApp && p.foreign {
			return nil, nil
		}
		if p.version == "" {
			if p.odd {
				return langUnknown(f.Path, "package %.80q has a version that is not a string", p.name), nil
			}
			return nil, nil
		}
		ns, name := nodeName(p.name)
		return langOne(f.Path, inventory.Package{Type: "npm", Namespace: ns, Name: name,
			Version: nodeVersion(p.version), Licenses: p.licenses}), nil
	},
}

// nodeMaxPackage bounds a package.json; the registry's longest are below 300 kB.
const nodeMaxPackage = 1 << 20

type nodePlace uint8

const (
	nodeApp     nodePlace = iota // outside node_modules
	nodeRoot                     // a package's own folder
	nodeInner                    // deeper in a package
	nodeFixture                  // below a folder for tests and examples of a package
)

func nodePlaceOf(path string) nodePlace {
	const dir = "node_modules/"
	i := strings.LastIndex(path, dir)
	if i < 0 || i > 0 && path[i-1] != '/' {
		return nodeApp
	}
	rest := strings.TrimSuffix(path[i+len(dir):], "package.json")
	slashes := strings.Count(rest, "/")
	if slashes == 0 {
		return nodeFixture // node_modules/package.json belongs to nothing
	}
	if slashes == 1 || slashes == 2 && rest[0] == '@' {
		return nodeRoot
	}
	_, rest, _ = strings.Cut(rest, "/")
	for part := range strings.SplitSeq(rest, "/") {
		switch part {
		case "test", "tests", "__tests__", "__mocks__", "fixtures", "__fixtures__", "fixture", "testdata", "example", "examples":
			return nodeFixture
		}
	}
	return nodeInner
}

type nodeManifest struct {
	name, version string
	licenses      []string
	private       bool
	foreign       bool // made for another system than npm's
	odd           bool // the version is there, but is no string
}

// nodeRead takes the few keys that are needed from the top level.
func nodeRead(b []byte) (nodeManifest, error) {
	var m nodeManifest
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	r := langJSON{b: b}
	err := r.object(func(key []byte) (err error) {
		switch string(key) {
		case "name":
			m.name, _, err = r.str()
		case "version":
			var ok bool
			m.version, ok, err = r.str()
			m.odd = !ok
		case "private":
			m.private, err = r.boolean()
		case "unity":
			m.foreign = true
		case "engines":
			if r.isObject() {
				err = r.object(func(key []byte) error {
					m.foreign = m.foreign || string(key) == "vscode"
					return nil
				})
			}
		case "license", "licenses":
			m.licenses, err = nodeLicenses(&r, m.licenses)
		}
		return err
	})
	if err == nil {
		err = r.end()
	}
	return m, err
}

// nodeLicenses reads "MIT", {"type": "MIT"} or a list of either.
func nodeLicenses(r *langJSON, list []string) ([]string, error) {
	switch r.peek() {
	case '"':
		s, _, err := r.str()
		return langLicense(list, s), err
	case '{':
		err := r.object(func(key []byte) error {
			if string(key) != "type" && string(key) != "name" {
				return nil
			}
			s, _, err := r.str()
			list = langLicense(list, s)
			return err
		})
		return list, err
	case '[':
		err := r.array(func() (err error) {
			if r.isArray() {
				return nil
			}
			list, err = nodeLicenses(r, list)
			return err
		})
		return list, err
	}
	return list, r.skip()
}

// nodeName splits off the scope: "@angular/core" is "@angular" and "core".
func nodeName(s string) (namespace, name string) {
	if strings.HasPrefix(s, "@") {
		if scope, name, ok := strings.Cut(s, "/"); ok {
			return scope, name
		}
	}
	return "", s
}

// nodeVersion cleans a version as npm does when it installs.
func nodeVersion(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(strings.TrimLeft(s, "=v"))
}
