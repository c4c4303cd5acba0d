package version

import "strings"

// splitGo cuts a module version like splitSemVer. Of a toolchain version, which
// begins with "go", what package go/version ignores is cut off: a vendor's suffix
// ("-bigcorp"), experiments (" X:…", "-X:…"), a note in parentheses. loose tells
// that the prerelease is in the toolchain's form: rc2 for rc.2.
func splitGo(v string) (numbers, pre string, loose bool) {
	if rest, ok := strings.CutPrefix(v, "go"); ok {
		if i := strings.IndexAny(rest, " -+"); i >= 0 {
			rest = rest[:i]
		}
		v = rest
	}
	numbers, pre, _, hyphen := splitSemVer(v)
	return numbers, pre, !hyphen && pre != ""
}

// checkGo refuses "(devel)" and "devel …": what has no number has no place.
func checkGo(v string) string {
	if !strings.HasPrefix(v, "go") {
		return checkSemVer(v)
	}
	numbers, pre, loose := splitGo(v)
	if lower(v[min(2, len(v)-1)]) == 'v' || !dottedNumbers(numbers) || loose && letters(pre)+digits(pre[letters(pre):]) != len(pre) {
		return "it is not a Go toolchain version"
	}
	return ""
}

func compareGo(a, b string) int {
	an, ap, al := splitGo(a)
	bn, bp, bl := splitGo(b)
	if (al || bl) && ap != "" && bp != "" {
		if c := comparePadded(an, bn); c != 0 {
			return c
		}
		return compareLoose(ap, bp, al, bl)
	}
	return compareRelease(an, ap, bn, bp, false)
}

// compareLoose is compareIdentifiers where the first identifier of a loose one is
// read as two where letters turn to digits.
func compareLoose(a, b string, aLoose, bLoose bool) int {
	for a != "" && b != "" {
		var x, y string
		x, a = cutLoose(a, aLoose)
		y, b = cutLoose(b, bLoose)
		if c := compareIdentifier(x, y, false); c != 0 {
			return c
		}
	}
	return sign(len(a) - len(b))
}

func cutLoose(s string, loose bool) (identifier, rest string) {
	if n := letters(s); loose && n > 0 && n < len(s) && isDigit(s[n]) {
		return s[:n], s[n:]
	}
	identifier, rest, _ = strings.Cut(s, ".")
	return identifier, rest
}
