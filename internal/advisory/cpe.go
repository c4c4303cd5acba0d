package advisory

import (
	"fmt"
	"strings"
)

// CPE is a name of the Common Platform Enumeration as far as it is compared (NIST IR
// 7695): lower case, a part that is left open is empty.
type CPE struct {
	Part                             string // "a", "o" or "h"
	Vendor, Product, Version, Update string
}

// ParseCPE reads a name in its 2.2 form, "cpe:/o:vendor:product:version", or in its 2.3
// form, "cpe:2.3:o:vendor:product:version:…".
func ParseCPE(s string) (CPE, error) {
	if len(s) > maxPURL {
		return CPE{}, fmt.Errorf("CPE %.80q is too long", s)
	}
	low := strings.ToLower(s)
	rest, ok := strings.CutPrefix(low, "cpe:2.3:")
	if !ok {
		if rest, ok = strings.CutPrefix(low, "cpe:/"); !ok {
			return CPE{}, fmt.Errorf("CPE %.80q begins neither with cpe:/ nor with cpe:2.3:", s)
		}
	}
	var c CPE
	fields := splitCPE(rest)
	for i, to := range []*string{&c.Part, &c.Vendor, &c.Product, &c.Version, &c.Update} {
		if i < len(fields) && fields[i] != "*" {
			*to = fields[i]
		}
	}
	if len(c.Part) != 1 || !strings.Contains("aoh", c.Part) || c.Vendor == "" || c.Product == "" {
		return CPE{}, fmt.Errorf("CPE %.80q names no product of a vendor", s)
	}
	return c, nil
}

// splitCPE parts at colons that no backslash precedes, and undoes both ways of escaping.
func splitCPE(s string) []string {
	var out []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '%' && i+2 < len(s) && hexDigit(s[i+1]) >= 0 && hexDigit(s[i+2]) >= 0:
			b.WriteByte(byte(hexDigit(s[i+1])<<4 | hexDigit(s[i+2])))
			i += 2
		case c == ':':
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return append(out, b.String())
}

// Base is vendor and product: what names that can speak for each other share.
func (c CPE) Base() string { return "cpe:" + c.Vendor + ":" + c.Product }

// Speaks tells whether what is said of c holds for other: vendor, product and, where c
// states them, version and update are the same. What comes after, such as the
// repository in Red Hat's names, is not compared, nor whether a system is called an
// application ("a") or an operating system ("o").
func (c CPE) Speaks(other CPE) bool {
	return c.Base() == other.Base() && (c.Part == "h") == (other.Part == "h") &&
		(c.Version == "" || c.Version == other.Version) && (c.Update == "" || c.Update == other.Update)
}
