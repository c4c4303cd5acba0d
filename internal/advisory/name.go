package advisory

import "strings"

// Name gives the one spelling under which a package of an ecosystem is stored and
// looked up: PyPI's by PEP 503, NuGet's, Packagist's and Hex's in lower case, others as they
// are. Both who writes and who reads a snapshot go through it.
func Name(ecosystem, name string) string {
	base, _, _ := strings.Cut(ecosystem, ":")
	switch base {
	case "PyPI":
		return pep503(name)
	case "NuGet", "Packagist", "Hex", "Pub", "SwiftURL":
		return strings.ToLower(name)
	}
	return name
}

// pep503 lowers the name and makes one dash of each run of '-', '_' and '.'
// (packaging.python.org, name normalisation).
func pep503(s string) string {
	plain := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	run := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '-' || c == '_' || c == '.' {
			run = true
			continue
		}
		if run {
			b.WriteByte('-')
			run = false
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	if run {
		b.WriteByte('-')
	}
	return b.String()
}
