package version

import "strings"

// checkPacman refuses what makepkg refuses in pkgver (PKGBUILD(5)), and a part that
// ends in a separator: for those alpm's order has circles.
func checkPacman(v string) string {
	if !printable(v) {
		return "it has a character that pacman versions cannot have"
	}
	if why := checkEVR(v); why != "" {
		return why
	}
	_, version, release, _ := splitEVR(v)
	if !isAlnum(version[len(version)-1]) || release != "" && !isAlnum(release[len(release)-1]) {
		return "a part of it ends in a separator"
	}
	return ""
}

func comparePacman(a, b string) int {
	ae, av, ar, ahas := splitEVR(a)
	be, bv, br, bhas := splitEVR(b)
	if c := compareNumbers(ae, be); c != 0 {
		return c
	}
	if c := alpmvercmp(av, bv); c != 0 || !ahas || !bhas {
		return c
	}
	return alpmvercmp(ar, br)
}

// totalPacman puts a missing release before any.
func totalPacman(a, b string) int {
	if c := comparePacman(a, b); c != 0 {
		return c
	}
	return compareHasRelease(a, b)
}

// alpmvercmp is an older rpmvercmp that knows neither ~ nor ^, in which the number
// of separators counts and letters at the end come before none: 1.0rc < 1.0 < 1.0.rc.
func alpmvercmp(a, b string) int {
	for a != "" && b != "" {
		i, j := separators(a), separators(b)
		if i == len(a) || j == len(b) {
			a, b = a[i:], b[j:]
			break
		}
		if i != j {
			return sign(i - j)
		}
		a, b = a[i:], b[j:]
		if isDigit(a[0]) != isDigit(b[0]) {
			if isDigit(a[0]) {
				return 1
			}
			return -1
		}
		var c int
		if isDigit(a[0]) {
			i, j = digits(a), digits(b)
			c = compareNumbers(a[:i], b[:j])
		} else {
			i, j = letters(a), letters(b)
			c = strings.Compare(a[:i], b[:j])
		}
		if c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
	switch {
	case a == "" && b == "":
		return 0
	case a == "":
		return -alpmRest(b)
	}
	return alpmRest(a)
}

// alpmRest orders what is left of one version against the end of the other.
func alpmRest(s string) int {
	if isAlpha(s[0]) {
		return -1
	}
	return 1
}

// separators gives the length of the run that is neither letters nor digits.
func separators(s string) int {
	n := 0
	for n < len(s) && !isAlnum(s[n]) {
		n++
	}
	return n
}
