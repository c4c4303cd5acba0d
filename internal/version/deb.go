package version

import "strings"

// splitDeb cuts [epoch:]upstream[-revision] at the first colon and the last hyphen
// (deb-version(7)).
func splitDeb(v string) (epoch, upstream, revision string) {
	if i := strings.IndexByte(v, ':'); i >= 0 {
		epoch, v = v[:i], v[i+1:]
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return epoch, v[:i], v[i+1:]
	}
	return epoch, v, ""
}

// checkDeb refuses what dpkg refuses, and characters outside deb-version(7), for
// which dpkg only warns: placeholders such as "<unfixed>" must not be compared.
func checkDeb(v string) string {
	if v[len(v)-1] == '-' {
		return "its revision is empty"
	}
	if i := strings.IndexByte(v, ':'); i >= 0 {
		switch {
		case i == 0 || digits(v) != i:
			return "its epoch is not a number"
		case len(trimZeros(v[:i])) > 10 || compareNumbers(v[:i], "2147483647") > 0:
			return "its epoch is too large"
		}
		v = v[i+1:]
	}
	if v == "" || v[0] == '-' {
		return "it has no upstream version"
	}
	if !only(v, ".+-~:") {
		return "it has a character that Debian versions cannot have"
	}
	return ""
}

func compareDeb(a, b string) int {
	ae, au, ar := splitDeb(a)
	be, bu, br := splitDeb(b)
	if c := compareNumbers(ae, be); c != 0 {
		return c
	}
	if c := compareDebPart(au, bu); c != 0 {
		return c
	}
	return compareDebPart(ar, br)
}

// debWeight is the place of the character at s[0] within a run of non-digits: ~
// before the end of the run, then letters, then all else.
func debWeight(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case isAlpha(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}

// compareDebPart orders an upstream version or a revision: runs of non-digits and
// of digits in turn.
func compareDebPart(a, b string) int {
	for a != "" || b != "" {
		for (a != "" && !isDigit(a[0])) || (b != "" && !isDigit(b[0])) {
			if x, y := debWeight(a), debWeight(b); x != y {
				return sign(x - y)
			}
			// Equal weights that are not 0 are equal characters, so neither is at its end.
			a, b = a[1:], b[1:]
		}
		i, j := digits(a), digits(b)
		if c := compareNumbers(a[:i], b[:j]); c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
	return 0
}

// checkOpam follows opam's manual: letters, digits and -_+.~.
func checkOpam(v string) string {
	if !only(v, "-_+.~") {
		return "it has a character that opam versions cannot have"
	}
	return ""
}

// compareOpam orders as dpkg does but for epochs, cutting at the last hyphen.
func compareOpam(a, b string) int {
	au, ar := splitLast(a)
	bu, br := splitLast(b)
	if c := compareDebPart(au, bu); c != 0 {
		return c
	}
	return compareDebPart(ar, br)
}

func splitLast(v string) (head, tail string) {
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return v[:i], v[i+1:]
	}
	return v, ""
}
