package inventory

import "strings"

// PURL is the package URL of p (package-url/purl-spec), for a distribution if p is an
// OS package: pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12.
func (p *Package) PURL(d *Distro) string {
	var b strings.Builder
	b.Grow(64)
	b.WriteString("pkg:")
	b.WriteString(p.Type)
	b.WriteByte('/')
	if p.Namespace != "" {
		for i, part := range strings.Split(p.Namespace, "/") {
			if i > 0 {
				b.WriteByte('/')
			}
			escape(&b, part, false)
		}
		b.WriteByte('/')
	}
	escape(&b, p.Name, false)
	if p.Version != "" {
		b.WriteByte('@')
		escape(&b, p.versionForPURL(), true)
	}
	// Qualifiers in lexical order of their keys.
	sep := byte('?')
	qualifier := func(key, value string) {
		if value == "" {
			return
		}
		b.WriteByte(sep)
		sep = '&'
		b.WriteString(key)
		b.WriteByte('=')
		escape(&b, value, true)
	}
	if IsOS(p.Type) {
		epoch, _ := p.rpmEpoch()
		qualifier("arch", p.Arch)
		if d != nil && d.ID != "" {
			distro := d.ID
			if d.VersionID != "" {
				distro += "-" + d.VersionID
			}
			qualifier("distro", distro)
		}
		qualifier("epoch", epoch)
		qualifier("rpmmod", p.Module)
		if p.Source.Name != "" && p.Source.Name != p.Name {
			src := p.Source.Name
			if p.Source.Version != p.Version {
				src += "@" + p.Source.Version
			}
			qualifier("upstream", src)
		}
	}
	return b.String()
}

// rpmEpoch splits the epoch off an rpm version: package URLs carry it as a qualifier.
func (p *Package) rpmEpoch() (epoch, rest string) {
	if p.Type != "rpm" {
		return "", p.Version
	}
	if e, r, ok := strings.Cut(p.Version, ":"); ok {
		return e, r
	}
	return "", p.Version
}

func (p *Package) versionForPURL() string {
	_, v := p.rpmEpoch()
	return v
}

const hexDigits = "0123456789ABCDEF"

// escape percent-encodes all but unreserved characters and, in versions and
// qualifiers, the colon.
func escape(b *strings.Builder, s string, colon bool) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b.WriteByte(c)
		case c == ':' && colon:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
}
