package extract

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// Bounds on what one file of a language may hold. Lock files of the largest known
// monorepos stay below 15 MB and 30,000 packages.
const (
	langMaxFile     = 32 << 20
	langMaxPackages = 200_000
	langMaxWord     = 512 // a name, namespace, version or licence, in bytes
	langMaxLicenses = 16
)

// langBytes gives the whole body of a file of at most limit bytes. The error wraps
// rootfs.ErrTooLarge for a larger one.
func langBytes(f *rootfs.File, limit int64) ([]byte, error) {
	if f.Size > limit {
		return nil, fmt.Errorf("%s: %d bytes: %w (%d)", f.Path, f.Size, rootfs.ErrTooLarge, limit)
	}
	return f.Bytes()
}

// langList gathers the packages of one file, each once.
type langList struct {
	typ      string
	evidence inventory.Evidence
	packages []inventory.Package
	at       map[langID]int
	unusable int
	sample   string
	full     bool
}

type langID struct{ typ, namespace, name, version string }

// add takes a package of the list's own type. An unusable name or version is counted
// and becomes an Unknown of the file. A package named twice is for development only
// if it is so both times.
func (l *langList) add(namespace, name, version string, dev bool) {
	l.addPackage(inventory.Package{Type: l.typ, Namespace: namespace, Name: name, Version: version, Dev: dev})
}

// addPackage is add for a package with more fields; its Evidence is the list's.
func (l *langList) addPackage(p inventory.Package) {
	if !langWord(p.Name) || !langWord(p.Version) || p.Namespace != "" && !langWord(p.Namespace) {
		if l.unusable++; l.unusable == 1 {
			l.sample = fmt.Sprintf("%.80q version %.80q", p.Name, p.Version)
		}
		return
	}
	id := langID{p.Type, p.Namespace, p.Name, p.Version}
	if i, ok := l.at[id]; ok {
		l.packages[i].Dev = l.packages[i].Dev && p.Dev
		return
	}
	if len(l.packages) >= langMaxPackages {
		l.full = true
		return
	}
	if l.at == nil {
		l.at = map[langID]int{}
	}
	l.at[id] = len(l.packages)
	p.Evidence = l.evidence
	l.packages = append(l.packages, p)
}

// fragment gives what was gathered; nil if there is nothing to say.
func (l *langList) fragment(path string) *inventory.Fragment {
	if len(l.packages) == 0 && l.unusable == 0 {
		return nil
	}
	out := &inventory.Fragment{Packages: l.packages}
	if l.unusable > 0 {
		out.Unknowns = append(out.Unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: path,
			Detail: fmt.Sprintf("%d entries have no usable name and version: the first is %s", l.unusable, l.sample)})
	}
	if l.full {
		out.Unknowns = append(out.Unknowns, inventory.Unknown{Reason: inventory.LimitExceeded, Subject: path,
			Detail: fmt.Sprintf("the file names more than %d packages; the rest were not read", langMaxPackages)})
	}
	return out
}

// langOne is the fragment of a file about one package.
func langOne(path string, p inventory.Package) *inventory.Fragment {
	if langWord(p.Name) && langWord(p.Version) && (p.Namespace == "" || langWord(p.Namespace)) {
		return &inventory.Fragment{Packages: []inventory.Package{p}}
	}
	return langUnknown(path, "the package has no usable name and version: %.80q version %.80q", p.Name, p.Version)
}

// langUnknown is a fragment that only says that something could not be read.
func langUnknown(path, format string, args ...any) *inventory.Fragment {
	return &inventory.Fragment{Unknowns: []inventory.Unknown{{
		Reason: inventory.AnalysisPartial, Subject: path, Detail: fmt.Sprintf(format, args...)}}}
}

// langWord reports whether s can be a name or version: not empty, of bounded length,
// valid UTF-8, without control characters and spaces at its ends.
func langWord(s string) bool {
	if s == "" || len(s) > langMaxWord || s[0] == ' ' || s[len(s)-1] == ' ' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == 0x7f {
			return false
		} else if c >= utf8.RuneSelf {
			return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 })
		}
	}
	return true
}

// langLicense adds a licence as stated, if it is short enough to be a name or an
// expression rather than a text.
func langLicense(list []string, s string) []string {
	if s = strings.TrimSpace(s); langWord(s) && len(list) < langMaxLicenses {
		list = append(list, s)
	}
	return list
}

// langEachLine calls fn with each line, numbered from 1 and without its end, until
// fn returns false. It does not allocate.
func langEachLine(b []byte, fn func(n int, line []byte) bool) {
	for n := 1; len(b) > 0; n++ {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if k := len(line); k > 0 && line[k-1] == '\r' {
			line = line[:k-1]
		}
		if !fn(n, line) {
			return
		}
	}
}

// langFailed says what was being read when err came; nil stays nil.
func langFailed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("reading %s: %v", what, err)
}

// langCutLast cuts s around the last sep.
func langCutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// langXML reads XML of any declared encoding as if it were UTF-8: what is taken from
// it is ASCII. Elements come as raw tokens, so nesting costs nothing.
func langXML(b []byte) *xml.Decoder {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	return d
}
