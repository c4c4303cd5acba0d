package extract

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// pythonPackage reads the metadata of installed Python distributions (packaging.python.org,
// core metadata and "recording installed projects"): NAME.dist-info/METADATA,
// NAME.egg-info as folder or single file, NAME.egg as folder or zip, and the list of
// what pip and setuptools carry inside themselves (pip/_vendor/vendor.txt).
//
// Names are normalised as PEP 503 says. An editable installation is found by its
// dist-info or egg-info like any other. Folders beginning with "~", which pip leaves
// behind when it cannot delete, are no packages to pip nor here.
var pythonPackage = Extractor{
	Name: "python", Doc: "dist-info, egg-info, eggs and pip's vendored packages", Version: 1,
	Want: func(e rootfs.Entry) bool {
		p := e.Path
		if len(p) < 5 || e.Kind != rootfs.Regular {
			return false
		}
		switch p[len(p)-1] {
		case 'A':
			return strings.HasSuffix(p, ".dist-info/METADATA")
		case 'O':
			return strings.HasSuffix(p, ".egg-info/PKG-INFO") || strings.HasSuffix(p, ".egg/EGG-INFO/PKG-INFO")
		case 'o':
			return strings.HasSuffix(p, ".egg-info")
		case 'g':
			return strings.HasSuffix(p, ".egg")
		case 't':
			return strings.HasSuffix(p, "/_vendor/vendor.txt") || strings.HasSuffix(p, "/_vendor/vendored.txt")
		}
		return false
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		switch {
		case strings.HasSuffix(f.Path, ".txt"):
			b, err := langBytes(f, pythonMaxMetadata)
			if err != nil {
				return nil, err
			}
			l := langList{typ: "pypi", evidence: inventory.Installed}
			pythonPins(b, &l, false)
			return l.fragment(f.Path), nil
		case strings.HasSuffix(f.Path, ".egg"):
			return pythonEgg(f)
		}
		b, err := langBytes(f, pythonMaxMetadata)
		if err != nil {
			return nil, err
		}
		return pythonMetadata(f.Path, b)
	},
}

// pythonMaxMetadata bounds a metadata file, which may hold a whole README.
const pythonMaxMetadata = 8 << 20

// pythonMetadata reads the headers of a metadata file. A name or version that is not
// there is taken from the folder, as pip does.
func pythonMetadata(path string, b []byte) (*inventory.Fragment, error) {
	folder := pythonFolder(path)
	if strings.HasPrefix(folder, "~") {
		return nil, nil
	}
	p := inventory.Package{Type: "pypi", Evidence: inventory.Installed}
	expression, metadata := false, false
	langEachLine(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), func(_ int, line []byte) bool {
		if len(line) == 0 {
			return false // the description follows
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || line[0] == ' ' || line[0] == '\t' || len(name) > 20 {
			return true
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Metadata-Version")):
			metadata = true
		case p.Name == "" && bytes.EqualFold(name, []byte("Name")):
			p.Name = string(value)
		case p.Version == "" && bytes.EqualFold(name, []byte("Version")):
			p.Version = string(value)
		case !expression && bytes.EqualFold(name, []byte("License")) && !bytes.EqualFold(value, []byte("UNKNOWN")):
			p.Licenses = langLicense(p.Licenses, string(value))
		case bytes.EqualFold(name, []byte("License-Expression")):
			p.Licenses, expression = langLicense(nil, string(value)), true
		}
		return true
	})
	if p.Name == "" && !metadata && strings.HasSuffix(path, ".egg-info") {
		return nil, nil // Chicken Scheme has files of that name too
	}
	if p.Name == "" || p.Version == "" {
		name, rest, _ := strings.Cut(folder, "-")
		version, _, _ := strings.Cut(rest, "-")
		if name == "" || version == "" {
			return nil, fmt.Errorf("reading Python metadata: it has no name and version")
		}
		p.Name, p.Version = name, version
	}
	p.Name = pythonName(p.Name)
	return langOne(path, p), nil
}

// pythonFolder is the name of the dist-info, egg-info or egg that path belongs to,
// without its ending: "requests-2.31.0".
func pythonFolder(path string) string {
	for _, end := range []string{".dist-info", ".egg-info", ".egg"} {
		if before, after, ok := langCutLast(path, end); ok && (after == "" || after[0] == '/') {
			return before[strings.LastIndexByte(before, '/')+1:]
		}
	}
	return ""
}

// pythonEgg reads the metadata in a zipped egg.
func pythonEgg(f *rootfs.File) (*inventory.Fragment, error) {
	b, err := f.Bytes()
	if err != nil {
		return nil, err
	}
	var meta []byte
	found := false
	err = jarDirectory(b, func(e *jarEntry) error {
		if found || string(e.name) != "EGG-INFO/PKG-INFO" {
			return nil
		}
		found = true
		if e.data == nil && e.size != 0 || e.encrypted {
			return fmt.Errorf("PKG-INFO cannot be unpacked")
		}
		var r io.Reader = bytes.NewReader(e.data)
		switch e.method {
		case jarMethodNone:
		case jarMethodZip:
			r = flate.NewReader(r)
		default:
			return fmt.Errorf("PKG-INFO is packed by method %d, which is not supported", e.method)
		}
		// Its headers stand at the beginning; what is behind the bound is a description.
		meta, err = io.ReadAll(io.LimitReader(r, pythonMaxMetadata))
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("it has no EGG-INFO/PKG-INFO")
	}
	if err != nil {
		return nil, langFailed("a Python egg", err)
	}
	return pythonMetadata(f.Path, meta)
}

// pythonName normalises a project name (PEP 503): lower case, and every run of "-",
// "_" and "." one "-".
func pythonName(s string) string {
	s = strings.TrimSpace(s)
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		c := s[i]
		clean = c != '_' && c != '.' && (c < 'A' || c > 'Z') && !(c == '-' && i > 0 && s[i-1] == '-')
	}
	if clean {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '-' || c == '_' || c == '.':
			if n := len(out); n == 0 || out[n-1] != '-' {
				out = append(out, '-')
			}
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// condaPackage reads conda's record of each installed package,
// ENVIRONMENT/conda-meta/NAME-VERSION-BUILD.json.
var condaPackage = Extractor{
	Name: "conda", Doc: "conda-meta records", Version: 1,
	Want: func(e rootfs.Entry) bool {
		if e.Kind != rootfs.Regular || !strings.HasSuffix(e.Path, ".json") {
			return false
		}
		dir := e.Dir()
		return strings.HasSuffix(dir, "conda-meta") && (len(dir) == len("conda-meta") || dir[len(dir)-len("/conda-meta")] == '/')
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		b, err := langBytes(f, langMaxFile)
		if err != nil {
			return nil, err
		}
		p := inventory.Package{Type: "conda", Evidence: inventory.Installed}
		err = langJSONObject(b, false, func(r *langJSON, key []byte) (err error) {
			switch string(key) {
			case "name":
				p.Name, _, err = r.str()
			case "version":
				p.Version, _, err = r.str()
			case "license":
				var s string
				s, _, err = r.str()
				p.Licenses = langLicense(p.Licenses, s)
			}
			return err
		})
		if err != nil {
			return nil, langFailed("a conda record", err)
		}
		if p.Name == "" && p.Version == "" {
			return nil, nil // other state of conda's
		}
		return langOne(f.Path, p), nil
	},
}
