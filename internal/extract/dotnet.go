package extract

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// dotnetDeps reads NAME.deps.json, which lies beside every published .NET application
// and in each shared runtime (dotnet/sdk documentation, runtime-configuration-file.md).
// "libraries" names all as NAME/VERSION with a type:
//
//   - package: given as it is.
//   - runtimepack: the runtime inside a self-contained application, given without its
//     prefix, under the name that advisories use (Microsoft.NETCore.App.Runtime.linux-x64).
//   - project, reference and others: the application's own, left out.
//
// A shared runtime's file lies in shared/NAME/VERSION/; if it lists no runtime package
// the folder names it. Which of several runtimes an application rolls forward to is
// decided when it starts; each one found is given.
var dotnetDeps = Extractor{
	Name: "dotnet", Doc: "deps.json of .NET applications and runtimes", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return strings.HasSuffix(e.Path, ".deps.json") && e.Kind == rootfs.Regular
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		b, err := langBytes(f, langMaxFile)
		if err != nil {
			return nil, err
		}
		if c := newLangJSON(b).peek(); c != '{' && c != 0 {
			return nil, nil // another program's file of this name
		}
		l := langList{typ: "nuget", evidence: inventory.Installed}
		known := false
		err = langJSONObject(b, false, func(r *langJSON, key []byte) error {
			known = known || string(key) == "runtimeTarget" || string(key) == "targets"
			if string(key) != "libraries" {
				return nil
			}
			known = true
			return dotnetLibraries(r, &l)
		})
		if err == nil && !known {
			return nil, nil
		}
		if name, version, ok := dotnetShared(f.Path); ok {
			found := false
			for _, p := range l.packages {
				found = found || strings.HasPrefix(p.Name, name)
			}
			if !found {
				l.add("", name, version, false)
			}
		}
		return l.fragment(f.Path), langFailed("deps.json", err)
	},
}

// dotnetShared takes name and version from …/shared/NAME/VERSION/NAME.deps.json.
func dotnetShared(path string) (name, version string, ok bool) {
	parts := strings.Split("/"+path, "/")
	if len(parts) < 5 {
		return "", "", false
	}
	parts = parts[len(parts)-4:]
	return parts[1], parts[2], parts[0] == "shared" && parts[3] == parts[1]+".deps.json"
}

func dotnetLibraries(r *langJSON, l *langList) error {
	return r.object(func(key []byte) error {
		name, version, ok := strings.Cut(string(key), "/")
		kind := ""
		err := r.object(func(key []byte) (err error) {
			if string(key) == "type" {
				kind, _, err = r.str()
			}
			return err
		})
		if err != nil {
			return err
		}
		if !ok && kind != "package" && kind != "runtimepack" {
			return nil
		}
		switch kind {
		case "package":
			l.add("", name, version, false)
		case "runtimepack":
			l.add("", strings.TrimPrefix(name, "runtimepack."), version, false)
		}
		return nil
	})
}

// dotnetPackagesLock reads packages.lock.json (NuGet): packages by target framework.
func dotnetPackagesLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "nuget", evidence: inventory.Locked}
	known := false
	err := langJSONObject(b, false, func(r *langJSON, key []byte) error {
		if string(key) != "dependencies" {
			return nil
		}
		known = true
		return r.object(func([]byte) error {
			return r.object(func(name []byte) error {
				n, version, kind := string(name), "", ""
				err := r.object(func(key []byte) (err error) {
					switch string(key) {
					case "resolved":
						version, _, err = r.str()
					case "type":
						kind, _, err = r.str()
					}
					return err
				})
				if err == nil && !strings.EqualFold(kind, "Project") {
					l.add("", n, version, false)
				}
				return err
			})
		})
	})
	if err == nil && !known {
		err = fmt.Errorf("it has no dependencies")
	}
	return l.fragment(path), langFailed("packages.lock.json", err)
}

// dotnetAssets reads obj/project.assets.json, which a build leaves behind.
func dotnetAssets(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "nuget", evidence: inventory.Locked}
	err := langJSONObject(b, false, func(r *langJSON, key []byte) error {
		if string(key) == "libraries" {
			return dotnetLibraries(r, &l)
		}
		return nil
	})
	return l.fragment(path), langFailed("project.assets.json", err)
}

// dotnetPackagesConfig reads packages.config of .NET Framework projects.
func dotnetPackagesConfig(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "nuget", evidence: inventory.Locked}
	d := langXML(b)
	depth, known := 0, false
	for {
		t, err := d.RawToken()
		if err == io.EOF && known && depth == 0 {
			return l.fragment(path), nil
		}
		if err == io.EOF {
			err = fmt.Errorf("its <packages> is missing or does not end")
		}
		if err != nil {
			return l.fragment(path), langFailed("packages.config", err)
		}
		e, ok := t.(xml.StartElement)
		if ok {
			depth++
			known = known || e.Name.Local == "packages"
		} else if _, end := t.(xml.EndElement); end {
			depth--
		}
		if ok && e.Name.Local == "package" {
			var p inventory.Package
			p.Type = "nuget"
			for _, a := range e.Attr {
				switch a.Name.Local {
				case "id":
					p.Name = a.Value
				case "version":
					p.Version = a.Value
				case "developmentDependency":
					p.Dev = a.Value == "true"
				}
			}
			l.addPackage(p)
		}
	}
}

// dotnetPaketLock reads paket.lock: below NUGET, lines indented by four spaces.
func dotnetPaketLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "nuget", evidence: inventory.Locked}
	section := ""
	langEachLine(b, func(_ int, line []byte) bool {
		text := bytes.TrimLeft(line, " ")
		switch indent := len(line) - len(text); {
		case len(text) > 0 && indent == 0:
			section = string(text)
		case indent == 4 && section == "NUGET":
			name, rest, ok := strings.Cut(string(text), " (")
			if version, _, closed := strings.Cut(rest, ")"); ok && closed {
				l.add("", name, version, false)
			}
		}
		return true
	})
	return l.fragment(path), nil
}
