package extract

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// rubyGem reads the specification that RubyGems writes for each installed gem:
// specifications/NAME-VERSION[-PLATFORM].gemspec, below specifications/default for the
// gems that come with Ruby. Those files are written by RubyGems in one form
// (Gem::Specification#to_ruby), so a line reader does; Ruby is never evaluated. Gem
// sources have gemspecs too, with code in them, and are not asked.
//
// The platform is not part of the version: advisories do not tell them apart.
var rubyGem = Extractor{
	Name: "ruby", Doc: "specifications of installed gems", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return strings.HasSuffix(e.Path, ".gemspec") && e.Kind == rootfs.Regular && rubySpecification(e.Dir())
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		b, err := langBytes(f, 4<<20)
		if err != nil {
			return nil, err
		}
		p, ok := rubyGemspec(b)
		if !ok {
			p.Name, p.Version, ok = rubyFileName(strings.TrimSuffix(f.Base(), ".gemspec"))
		}
		if !ok {
			return nil, fmt.Errorf("reading a gem specification: neither its text nor its name tells name and version")
		}
		return langOne(f.Path, p), nil
	},
}

func rubySpecification(dir string) bool {
	dir = strings.TrimSuffix(dir, "/default")
	return dir == "specifications" || strings.HasSuffix(dir, "/specifications")
}

// rubyGemspec takes name, version and licences. The first line that states each
// counts; "# stub: NAME VERSION PLATFORM PATHS" stands in for missing ones.
func rubyGemspec(b []byte) (inventory.Package, bool) {
	p := inventory.Package{Type: "gem", Evidence: inventory.Installed}
	stubName, stubVersion := "", ""
	langEachLine(b, func(_ int, raw []byte) bool {
		line := bytes.TrimSpace(raw)
		if rest, ok := bytes.CutPrefix(line, []byte("# stub: ")); ok && stubName == "" {
			if words := strings.SplitN(string(rest), " ", 4); len(words) > 2 {
				stubName, stubVersion = words[0], words[1]
			}
			return true
		}
		field, value, ok := rubyAssignment(line)
		if !ok {
			return true
		}
		switch field {
		case "name":
			if p.Name == "" {
				p.Name, _, _ = rubyString(value)
			}
		case "version":
			if p.Version == "" {
				value = bytes.TrimPrefix(value, []byte("Gem::Version.new("))
				p.Version, _, _ = rubyString(value)
			}
		case "license", "licenses":
			if len(p.Licenses) > 0 {
				break
			}
			for rest := bytes.TrimLeft(value, "["); ; {
				s, after, ok := rubyString(rest)
				if !ok {
					break
				}
				p.Licenses = langLicense(p.Licenses, s)
				after = bytes.TrimPrefix(after, []byte(".freeze"))
				rest = bytes.TrimLeft(after, ", ")
			}
		}
		return true
	})
	if p.Name == "" || p.Version == "" {
		p.Name, p.Version = stubName, stubVersion
	}
	return p, p.Name != "" && p.Version != ""
}

// rubyFileName splits NAME-VERSION[-PLATFORM]: the version is the first part that
// begins with a digit and has a dot or ends the name.
func rubyFileName(s string) (name, version string, ok bool) {
	for i := 1; i+1 < len(s); i++ {
		if s[i] == '-' && s[i+1] >= '0' && s[i+1] <= '9' {
			v, rest, _ := strings.Cut(s[i+1:], "-")
			if strings.Contains(v, ".") || rest == "" {
				return s[:i], v, true
			}
		}
	}
	return "", "", false
}

// rubyAssignment splits "s.name = …".
func rubyAssignment(line []byte) (field string, value []byte, ok bool) {
	left, right, ok := bytes.Cut(line, []byte{'='})
	if !ok || len(left) > 40 {
		return "", nil, false
	}
	_, name, ok := bytes.Cut(bytes.TrimSpace(left), []byte{'.'})
	return string(name), bytes.TrimSpace(right), ok
}

// rubyString reads a plain string literal at the start of b. A string with
// interpolation is none.
func rubyString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != '"' && b[0] != '\'' {
		return "", b, false
	}
	for i := 1; i < len(b); i++ {
		switch {
		case b[i] == '\\':
			i++
		case b[i] == '#' && b[0] == '"' && i+1 < len(b) && b[i+1] == '{':
			return "", b, false
		case b[i] == b[0]:
			in := b[1:i]
			if bytes.IndexByte(in, '\\') >= 0 {
				in = langUnescape(in)
			}
			return string(in), b[i+1:], true
		}
	}
	return "", b, false
}

// rubyGemfileLock reads Gemfile.lock and gems.locked (bundler.io): below GEM and GIT,
// lines indented by four spaces name a gem and its version; deeper ones only what it
// needs. PATH is the application's own.
func rubyGemfileLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "gem", evidence: inventory.Locked}
	section, known := "", false
	langEachLine(b, func(_ int, line []byte) bool {
		text := bytes.TrimLeft(line, " ")
		switch indent := len(line) - len(text); {
		case len(text) == 0:
		case indent == 0:
			section = string(text)
			known = known || section == "GEM" || section == "DEPENDENCIES" || section == "PLATFORMS"
		case indent == 4 && (section == "GEM" || section == "GIT" || section == "PLUGIN SOURCE"):
			name, rest, ok := strings.Cut(string(text), " (")
			version, _, closed := strings.Cut(rest, ")")
			if ok && closed {
				version, _, _ = strings.Cut(version, "-") // the platform; a gem's own version has no "-"
				l.add("", name, version, false)
			}
		}
		return true
	})
	if !known {
		return l.fragment(path), fmt.Errorf("reading a bundler lock file: it has none of bundler's sections")
	}
	return l.fragment(path), nil
}
