package version

import "strings"

// splitEVR cuts [epoch:]version[-release] as rpm and pacman do: an epoch is digits
// before the first colon, a release is what follows the last hyphen.
func splitEVR(v string) (epoch, version, release string, hasRelease bool) {
	if n := digits(v); n < len(v) && v[n] == ':' {
		epoch, v = v[:n], v[n+1:]
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return epoch, v[:i], v[i+1:], true
	}
	return epoch, v, "", false
}

// checkRPM refuses what rpm could not have built: nothing else is known of how
// such a string would be meant.
func checkRPM(v string) string {
	if !printable(v) {
		return "it has a character that rpm versions cannot have"
	}
	return checkEVR(v)
}

func checkEVR(v string) string {
	_, version, release, has := splitEVR(v)
	switch {
	case version == "":
		return "it has no version before the release"
	case has && release == "":
		return "its release is empty"
	case strings.IndexByte("<>=(){}[]", version[0]) >= 0:
		return "it does not begin like a version"
	}
	return ""
}

func compareRPM(a, b string) int {
	ae, av, ar, ahas := splitEVR(a)
	be, bv, br, bhas := splitEVR(b)
	if c := compareNumbers(ae, be); c != 0 {
		return c
	}
	if c := rpmvercmp(av, bv); c != 0 || !ahas || !bhas {
		return c
	}
	return rpmvercmp(ar, br)
}

// totalRPM puts a missing release before any, as rpm's own sort of packages does.
func totalRPM(a, b string) int {
	if c := compareRPM(a, b); c != 0 {
		return c
	}
	return compareHasRelease(a, b)
}

func compareHasRelease(a, b string) int {
	_, _, _, ahas := splitEVR(a)
	_, _, _, bhas := splitEVR(b)
	switch {
	case ahas == bhas:
		return 0
	case bhas:
		return -1
	}
	return 1
}

// rpmvercmp orders by segments of letters or digits; what is neither only
// separates. ~ comes before the end, ^ after the end and before all else, and a
// number after any letters.
func rpmvercmp(a, b string) int {
	for {
		a, b = rpmSegments(a), rpmSegments(b)
		x, y := rpmClass(a), rpmClass(b)
		if x != y {
			return sign(x - y)
		}
		switch x {
		case rpmEnd:
			return 0
		case rpmTilde, rpmCaret:
			a, b = a[1:], b[1:]
		case rpmLetters:
			i, j := letters(a), letters(b)
			if c := strings.Compare(a[:i], b[:j]); c != 0 {
				return c
			}
			a, b = a[i:], b[j:]
		case rpmNumber:
			i, j := digits(a), digits(b)
			if c := compareNumbers(a[:i], b[:j]); c != 0 {
				return c
			}
			a, b = a[i:], b[j:]
		}
	}
}

// The kinds of segment, in order.
const (
	rpmTilde = iota
	rpmEnd
	rpmCaret
	rpmLetters
	rpmNumber
)

// rpmSegments skips separators.
func rpmSegments(s string) string {
	for s != "" && !isAlnum(s[0]) && s[0] != '~' && s[0] != '^' {
		s = s[1:]
	}
	return s
}

// rpmClass is the kind of the segment that s begins with.
func rpmClass(s string) int {
	switch {
	case s == "":
		return rpmEnd
	case s[0] == '~':
		return rpmTilde
	case s[0] == '^':
		return rpmCaret
	case isDigit(s[0]):
		return rpmNumber
	}
	return rpmLetters
}
