package version

import "strings"

// splitSemVer cuts a version into its numbers (without v), prerelease (without
// hyphen) and build metadata (without plus). hyphen tells whether the prerelease
// had its hyphen.
func splitSemVer(v string) (numbers, pre, build string, hyphen bool) {
	if v != "" && lower(v[0]) == 'v' {
		v = v[1:]
	}
	v, build, _ = strings.Cut(v, "+")
	n := 0
	for n < len(v) && (isDigit(v[n]) || v[n] == '.') {
		n++
	}
	numbers, pre = v[:n], v[n:]
	if pre != "" && pre[0] == '-' {
		return numbers, pre[1:], build, true
	}
	return numbers, pre, build, false
}

// checkSemVer accepts any count of numbers; missing ones are 0, as advisories
// write "1.2" for npm packages.
func checkSemVer(v string) string {
	numbers, pre, build, hyphen := splitSemVer(v)
	switch {
	case !dottedNumbers(numbers):
		return "it does not begin with dotted numbers"
	case (hyphen || pre != "") && !identifiers(pre, "-_~"):
		return "its prerelease is not identifiers apart by dots"
	case build == "" && v[len(v)-1] == '+' || build != "" && !identifiers(build, "-_~+"):
		return "its build metadata is not identifiers apart by dots"
	}
	return ""
}

// dottedNumbers tells whether s is one or more numbers apart by dots.
func dottedNumbers(s string) bool {
	for {
		n := digits(s)
		if n == 0 {
			return false
		}
		if s = s[n:]; s == "" {
			return true
		}
		if s[0] != '.' {
			return false
		}
		s = s[1:]
	}
}

// identifiers tells whether s is one or more non-empty words, of letters, digits
// and characters of more, apart by dots.
func identifiers(s, more string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' {
		return false
	}
	for i := range len(s) {
		if s[i] == '.' && s[i-1] == '.' || s[i] != '.' && !isAlnum(s[i]) && strings.IndexByte(more, s[i]) < 0 {
			return false
		}
	}
	return true
}

// compareDotted orders numbers apart by dots or hyphens one by one; of two that are
// alike as far as the shorter goes, the shorter is less.
func compareDotted(a, b string) int {
	for {
		switch {
		case a == "" && b == "":
			return 0
		case a == "":
			return -1
		case b == "":
			return 1
		}
		i, j := digits(a), digits(b)
		if c := compareNumbers(a[:i], b[:j]); c != 0 {
			return c
		}
		a, b = skipSeparator(a[i:]), skipSeparator(b[j:])
	}
}

func skipSeparator(s string) string {
	if s == "" {
		return s
	}
	return s[1:]
}

// comparePadded orders dotted numbers, of which missing ones are 0.
func comparePadded(a, b string) int {
	for a != "" || b != "" {
		i, j := digits(a), digits(b)
		if c := compareNumbers(a[:i], b[:j]); c != 0 {
			return c
		}
		a, b = skipSeparator(a[i:]), skipSeparator(b[j:])
	}
	return 0
}

// compareIdentifiers orders prereleases (semver.org, item 11): number by value and
// before words, words by ASCII or without regard to case, and fewer before more.
func compareIdentifiers(a, b string, fold bool) int {
	for {
		switch {
		case a == "" && b == "":
			return 0
		case a == "":
			return -1
		case b == "":
			return 1
		}
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := compareIdentifier(x, y, fold); c != 0 {
			return c
		}
	}
}

func compareIdentifier(x, y string, fold bool) int {
	xn, yn := digits(x) == len(x), digits(y) == len(y)
	switch {
	case xn && yn:
		return compareNumbers(x, y)
	case xn:
		return -1
	case yn:
		return 1
	case fold:
		return compareFold(x, y)
	}
	return strings.Compare(x, y)
}

// compareRelease orders numbers, then any prerelease before none.
func compareRelease(an, ap, bn, bp string, fold bool) int {
	if c := comparePadded(an, bn); c != 0 {
		return c
	}
	switch {
	case ap == "" && bp == "":
		return 0
	case ap == "":
		return 1
	case bp == "":
		return -1
	}
	return compareIdentifiers(ap, bp, fold)
}

func compareSemVer(a, b string) int {
	an, ap, _, _ := splitSemVer(a)
	bn, bp, _, _ := splitSemVer(b)
	return compareRelease(an, ap, bn, bp, false)
}

func compareSemVerBuild(a, b string) int {
	an, ap, ab, _ := splitSemVer(a)
	bn, bp, bb, _ := splitSemVer(b)
	if c := compareRelease(an, ap, bn, bp, false); c != 0 {
		return c
	}
	return compareIdentifiers(ab, bb, false)
}

func checkNuGet(v string) string {
	if why := checkSemVer(v); why != "" {
		return why
	}
	if numbers, _, _, _ := splitSemVer(v); strings.Count(numbers, ".") > 3 {
		return "it has more than four numbers"
	}
	return ""
}

func compareNuGet(a, b string) int {
	an, ap, _, _ := splitSemVer(a)
	bn, bp, _, _ := splitSemVer(b)
	return compareRelease(an, ap, bn, bp, true)
}
