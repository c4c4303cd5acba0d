package extract

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// pythonTomlLock reads the lock files that list [[package]] tables: poetry.lock,
// uv.lock, pdm.lock, and pylock.toml (PEP 751, [[packages]]). Projects that the file
// names by their folder are the application's own and left out.
func pythonTomlLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "pypi", evidence: inventory.Locked}
	var p struct {
		name, version string
		dev, local    bool
	}
	done := func() {
		// Without a version: a project with a dynamic one (uv), or from a commit (PEP 751).
		if p.name != "" && p.version != "" && !p.local {
			l.add("", pythonName(p.name), p.version, p.dev)
		}
		p.name, p.version, p.dev, p.local = "", "", false, false
	}
	known := false
	err := langTOML(b, func(table, key string, v tomlValue) error {
		kind, sub, _ := strings.Cut(table, ".")
		if key == "" && sub == "" {
			done()
		}
		if kind != "package" && kind != "packages" {
			known = known || table == "metadata" || table == "" && (key == "version" || key == "lock-version")
			return nil
		}
		known = true
		switch {
		case sub == "directory":
			p.local = true
		case sub == "source" && key == "type":
			s, _ := v.str()
			p.local = s == "directory"
		case sub != "":
		case key == "name":
			p.name, _ = v.str()
		case key == "version":
			p.version, _ = v.str()
		case key == "category": // poetry before 1.5
			s, _ := v.str()
			p.dev = s == "dev"
		case key == "groups": // poetry 2, pdm
			var groups []string
			v.list(func(g tomlValue) {
				if s, ok := g.str(); ok {
					groups = append(groups, s)
				}
			})
			p.dev = len(groups) > 0 && !slices.Contains(groups, "main") && !slices.Contains(groups, "default")
		case key == "source": // uv
			v.table(func(k string, _ tomlValue) {
				p.local = p.local || k == "virtual" || k == "editable" || k == "directory"
			})
		case key == "directory", key == "path", key == "editable":
			p.local = true
		}
		return nil
	})
	done()
	if err == nil && !known {
		err = fmt.Errorf("it lists no packages and does not say its version")
	}
	return l.fragment(path), langFailed("a Python lock file", err)
}

// pythonPipfileLock reads Pipfile.lock: groups of packages by name. "develop" is for
// development; further groups may have any name.
func pythonPipfileLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "pypi", evidence: inventory.Locked}
	known := false
	err := langJSONObject(b, false, func(r *langJSON, group []byte) error {
		dev := string(group) == "develop"
		known = known || dev || string(group) == "default"
		if string(group) == "_meta" || !r.isObject() {
			return nil
		}
		return r.object(func(name []byte) error {
			if !r.isObject() {
				return nil
			}
			n, version := string(name), ""
			err := r.object(func(key []byte) (err error) {
				if string(key) == "version" {
					version, _, err = r.str()
				}
				return err
			})
			if v, ok := strings.CutPrefix(version, "=="); ok { // others come from git or a folder
				l.add("", pythonName(n), strings.TrimPrefix(v, "="), dev)
			}
			return err
		})
	})
	if err == nil && !known {
		err = fmt.Errorf("it has neither default nor develop packages")
	}
	return l.fragment(path), langFailed("Pipfile.lock", err)
}

// pythonRequirements reads the pins of a requirements file (pip's documentation,
// "Requirements File Format").
func pythonRequirements(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "pypi", evidence: inventory.Locked}
	base := path[strings.LastIndexByte(path, '/')+1:]
	dev := strings.Contains(base, "dev") || strings.Contains(base, "test")
	pythonPins(pythonText(b), &l, dev)
	return l.fragment(path), nil
}

// pythonText turns UTF-16 with a byte order mark, as some shells write it, to UTF-8.
func pythonText(b []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	units := make([]uint16, 0, len(b)/2)
	for b = b[2:]; len(b) >= 2; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	return []byte(string(utf16.Decode(units)))
}

// pythonPins adds each requirement that names one exact version ("a==1.0"). All else
// says what may be installed, not what is, and is left out: ranges, wildcards,
// addresses, options, and other files included with -r.
func pythonPins(b []byte, l *langList, dev bool) {
	continued := false
	langEachLine(b, func(_ int, line []byte) bool {
		part := continued // the rest of a requirement: hashes and markers
		continued = bytes.HasSuffix(line, []byte(`\`))
		if part {
			return true
		}
		if name, version, ok := pythonPin(string(bytes.TrimSuffix(line, []byte(`\`)))); ok {
			l.add("", pythonName(name), version, dev)
		}
		return true
	})
}

func pythonPin(line string) (name, version string, ok bool) {
	if i := strings.Index(line, " #"); i >= 0 {
		line = line[:i]
	}
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' || line[0] == '-' {
		return "", "", false
	}
	line, _, _ = strings.Cut(line, ";")
	line, _, _ = strings.Cut(line, " -") // options of one requirement
	n := 0
	for n < len(line) && pythonNameByte(line[n]) {
		n++
	}
	name, rest := line[:n], strings.TrimSpace(line[n:])
	if extras, after, found := strings.Cut(rest, "]"); found && strings.HasPrefix(extras, "[") {
		rest = strings.TrimSpace(after)
	}
	rest = strings.TrimSuffix(strings.TrimPrefix(rest, "("), ")")
	if name == "" {
		return "", "", false
	}
	for spec := range strings.SplitSeq(rest, ",") {
		v, found := strings.CutPrefix(strings.TrimSpace(spec), "==")
		if !found {
			continue
		}
		v = strings.TrimSpace(strings.TrimPrefix(v, "="))
		for i := 0; i < len(v); i++ {
			if c := v[i]; !pythonNameByte(c) && c != '+' && c != '!' {
				return "", "", false // a wildcard, or a template's placeholder
			}
		}
		return name, v, v != ""
	}
	return "", "", false
}

func pythonNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}
