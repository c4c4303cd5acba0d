package version

import "strings"

// composer is a Composer version taken apart.
type composer struct {
	numbers   string // apart by dots, hyphens or colons; an x counts as 9999999
	stability int
	patch     string // numbers after the stability, apart by dots or hyphens
	dev       bool
}

// The stabilities around the release itself.
const (
	composerDev = iota - 4
	composerAlpha
	composerBeta
	composerRC
	composerStable
	composerPatch
)

// composerWords are the modifiers of VersionParser, longer ones first.
var composerWords = []string{"stable", "alpha", "beta", "patch", "rc", "pl", "a", "b", "p"}

var composerStability = [...]int{
	composerStable, composerAlpha, composerBeta, composerPatch, composerRC,
	composerPatch, composerAlpha, composerBeta, composerPatch,
}

// parseComposer follows VersionParser::normalize for versions: v, one to four
// numbers or a date, a modifier with numbers, dev; build metadata is cut off.
func parseComposer(v string) (p composer, ok bool) {
	v, _, _ = strings.Cut(v, "+")
	if v != "" && lower(v[0]) == 'v' {
		v = v[1:]
	}
	n := digits(v)
	if n == 0 {
		return p, false
	}
	date := n >= 4
	for n+1 < len(v) {
		c := v[n]
		switch d := digits(v[n+1:]); {
		case d > 0 && (c == '.' || date && (c == '-' || c == ':')):
			n += 1 + d
		case c == '.' && (lower(v[n+1]) == 'x' || v[n+1] == '*'):
			n += 2
		default:
			p.numbers = v[:n]
			v = v[n:]
			n = -1
		}
		if n < 0 {
			break
		}
	}
	if n >= 0 {
		p.numbers, v = v[:n], v[n:]
	}
	rest, i := pepWord(afterSeparator(v), composerWords)
	if i >= 0 {
		p.stability = composerStability[i]
		n := 0
		for {
			m := n
			if m < len(rest) && (rest[m] == '.' || rest[m] == '-') {
				m++
			}
			d := digits(rest[m:])
			if d == 0 {
				break
			}
			n = m + d
		}
		p.patch, v = rest[:n], rest[n:]
		if p.patch != "" && !isDigit(p.patch[0]) {
			p.patch = p.patch[1:]
		}
	}
	if rest, j := pepWord(afterSeparator(v), pepDev); j >= 0 {
		p.dev, v = true, rest
		if i < 0 {
			p.stability = composerDev
		}
	}
	return p, v == ""
}

// afterSeparator cuts one of the separators that may stand before a modifier.
func afterSeparator(s string) string {
	if s != "" && pepSeparator(s[0]) {
		return s[1:]
	}
	return s
}

func checkPackagist(v string) string {
	p, ok := parseComposer(v)
	if !ok || digits(p.numbers) < 4 && strings.Count(p.numbers, ".") > 3 {
		return "it is not a version that Composer can normalise"
	}
	return ""
}

func comparePackagist(a, b string) int {
	x, _ := parseComposer(a)
	y, _ := parseComposer(b)
	for i, j := x.numbers, y.numbers; i != "" || j != ""; {
		var s, t string
		s, i = composerNumber(i)
		t, j = composerNumber(j)
		if c := compareNumbers(s, t); c != 0 {
			return c
		}
	}
	if x.stability != y.stability {
		return sign(x.stability - y.stability)
	}
	// Of two lists that begin alike, the longer is greater, but dev is before the end.
	for i, j := x.patch, y.patch; i != "" || j != ""; {
		if i == "" || j == "" {
			return less(i == "")
		}
		n, m := digits(i), digits(j)
		if c := compareNumbers(i[:n], j[:m]); c != 0 {
			return c
		}
		i, j = skipSeparator(i[n:]), skipSeparator(j[m:])
	}
	if x.dev != y.dev {
		return less(x.dev)
	}
	return 0
}

// composerNumber reads one number; an x is what Composer puts for it.
func composerNumber(s string) (number, rest string) {
	n := digits(s)
	if n == 0 && s != "" {
		return "9999999", skipSeparator(s[1:])
	}
	return s[:n], skipSeparator(s[n:])
}
