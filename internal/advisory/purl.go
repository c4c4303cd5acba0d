package advisory

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// PURL is a package URL taken apart (package-url/purl-spec, ECMA-427). Type and
// the keys of qualifiers are in lower case, the other parts unescaped and as they are.
type PURL struct {
	Type, Namespace, Name, Version, Subpath string
	// Qualifiers with a value, sorted by key, each key once.
	Qualifiers []Qualifier
}

// Qualifier is one of a package URL.
type Qualifier struct{ Key, Value string }

// The bounds of a package URL.
const (
	maxPURL       = 4096
	maxQualifiers = 64
)

// ParsePURL reads a package URL. One with characters that cannot be printed is refused.
//
// Two ways of writing one thing are made one: the epoch of an rpm stands in its
// qualifier and not before the version, and there is no epoch 0; the architecture of a
// source package is "source"; versions of Go modules have no leading "v".
func ParsePURL(s string) (PURL, error) {
	var p PURL
	bad := func(why string) (PURL, error) { return PURL{}, fmt.Errorf("package URL %.80q: %s", s, why) }
	if len(s) > maxPURL {
		return bad("it is too long")
	}
	rest, ok := strings.CutPrefix(s, "pkg:")
	if !ok {
		return bad("it does not begin with pkg:")
	}
	rest, subpath, _ := strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	rest = strings.TrimLeft(rest, "/")
	typ, rest, ok := strings.Cut(rest, "/")
	if !ok || !isType(typ) {
		return bad("it has no type")
	}
	p.Type = strings.ToLower(typ)
	// An npm scope begins with @ too, so the version is after the last one of the name.
	if at := strings.LastIndexByte(rest, '@'); at > strings.LastIndexByte(rest, '/')+1 || at > 0 && rest[at-1] != '/' {
		p.Version, ok = unescape(rest[at+1:])
		if !ok {
			return bad("its version cannot be read")
		}
		rest = rest[:at]
	}
	var parts []string
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" {
			continue
		}
		part, ok := unescape(part)
		if !ok || part == "" {
			return bad("its name cannot be read")
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return bad("it has no name")
	}
	p.Namespace, p.Name = strings.Join(parts[:len(parts)-1], "/"), parts[len(parts)-1]
	if p.Subpath, ok = unescape(strings.Trim(subpath, "/")); !ok {
		return bad("its subpath cannot be read")
	}
	if strings.Count(query, "&") >= maxQualifiers {
		return bad("it has too many qualifiers")
	}
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		value, ok := unescape(value)
		if !ok {
			return bad("a qualifier cannot be read")
		}
		p.set(strings.ToLower(key), value)
	}
	p.normalise()
	return p, nil
}

func isType(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && !strings.ContainsRune(".+-", rune(s[i])) {
			return false
		}
	}
	return s != ""
}

// unescape undoes percent-encoding; false if it is not right or gives what cannot be printed.
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '%') >= 0 {
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			if s[i] != '%' {
				b.WriteByte(s[i])
				continue
			}
			if i+2 >= len(s) {
				return "", false
			}
			hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2])
			if hi < 0 || lo < 0 {
				return "", false
			}
			b.WriteByte(byte(hi<<4 | lo))
			i += 2
		}
		s = b.String()
	}
	return s, strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) < 0
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// set gives a qualifier a value; an empty one takes it away.
func (p *PURL) set(key, value string) {
	i, have := slices.BinarySearchFunc(p.Qualifiers, key, func(q Qualifier, key string) int { return strings.Compare(q.Key, key) })
	switch {
	case key == "":
	case value == "" && have:
		p.Qualifiers = slices.Delete(p.Qualifiers, i, i+1)
	case value == "":
	case have:
		p.Qualifiers[i].Value = value
	default:
		p.Qualifiers = slices.Insert(p.Qualifiers, i, Qualifier{key, value})
	}
}

// Qualifier gives the value of a qualifier; empty if it is not there.
func (p PURL) Qualifier(key string) string {
	for _, q := range p.Qualifiers {
		if q.Key == key {
			return q.Value
		}
	}
	return ""
}

// Without gives p without a qualifier.
func (p PURL) Without(key string) PURL {
	p.Qualifiers = slices.Clone(p.Qualifiers)
	p.set(key, "")
	return p
}

func (p *PURL) normalise() {
	switch p.Type {
	case "rpm":
		if epoch, v, ok := strings.Cut(p.Version, ":"); ok {
			p.Version = v
			p.set("epoch", epoch)
		}
		if p.Qualifier("epoch") == "0" {
			p.set("epoch", "")
		}
		if p.Qualifier("arch") == "src" {
			p.set("arch", "source")
		}
	case "deb":
		if p.Qualifier("arch") == "src" {
			p.set("arch", "source")
		}
	case "golang":
		p.Version = strings.TrimPrefix(p.Version, "v")
	}
}

// Base is p without version, qualifiers and subpath, in the one spelling that is
// compared: what a type's rules hold to be equal is equal.
func (p PURL) Base() string {
	ns, name := p.Namespace, p.Name
	switch p.Type {
	case "pypi":
		name = pep503(name)
	case "golang", "composer", "nuget", "hex", "pub", "github", "bitbucket", "gitlab", "oci", "docker", "deb", "apk", "alpm", "rpm":
		ns = strings.ToLower(ns)
		if p.Type != "rpm" {
			name = strings.ToLower(name)
		}
	}
	if ns != "" {
		ns += "/"
	}
	return "pkg:" + p.Type + "/" + ns + name
}

// Speaks tells whether what is said of p holds for other: they are one package; the
// version is the same or p has none, and so speaks for all; each qualifier that p has
// is the same in other; a subpath likewise.
func (p PURL) Speaks(other PURL) bool {
	if p.Version != "" && p.Version != other.Version || p.Subpath != "" && p.Subpath != other.Subpath {
		return false
	}
	for _, q := range p.Qualifiers {
		if other.Qualifier(q.Key) != q.Value {
			return false
		}
	}
	return p.Base() == other.Base()
}

// IsImage tells whether p names a container image.
func (p PURL) IsImage() bool { return p.Type == "oci" || p.Type == "docker" }

// ImageDigest gives the digest in the version of an image's package URL, if there is one.
func (p PURL) ImageDigest() string {
	if p.IsImage() && strings.Contains(p.Version, ":") {
		return strings.ToLower(p.Version)
	}
	return ""
}

// ImageRepository gives the repository an image's package URL names, with its registry:
// "docker.io/library/nginx"; empty if it leaves that open.
//
// Writers differ on whether repository_url ends in the name or only leads to it, so
// both are to be tried: bare is the other reading, empty if there is none.
func (p PURL) ImageRepository() (repository, bare string) {
	url := p.Qualifier("repository_url")
	for _, scheme := range []string{"https://", "http://", "oci://", "docker://"} {
		url = strings.TrimPrefix(url, scheme)
	}
	url = strings.ToLower(strings.Trim(url, "/"))
	name := strings.ToLower(p.Name)
	if p.Type == "docker" {
		if p.Namespace == "" {
			p.Namespace = "library"
		}
		if url == "" {
			url = "docker.io"
		}
		return hub(url) + "/" + strings.ToLower(p.Namespace) + "/" + name, ""
	}
	if url == "" {
		return "", ""
	}
	if strings.HasSuffix(url, "/"+name) {
		return hub(url), hub(url) + "/" + name
	}
	return hub(url) + "/" + name, ""
}

// hub gives Docker's registry the one name it goes by.
func hub(url string) string {
	host, path, ok := strings.Cut(url, "/")
	switch host {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com":
		host = "docker.io"
	}
	if !ok {
		return host
	}
	return host + "/" + path
}
