package version

import "strings"

// splitConda cuts [epoch!]version[+local].
func splitConda(v string) (epoch, version, local string) {
	if i := strings.IndexByte(v, '!'); i >= 0 {
		epoch, v = v[:i], v[i+1:]
	}
	version, local, _ = strings.Cut(v, "+")
	return epoch, version, local
}

// checkConda refuses what VersionOrder refuses.
func checkConda(v string) string {
	epoch, version, local := splitConda(v)
	switch {
	case strings.IndexByte(v, '!') >= 0 && (epoch == "" || digits(epoch) != len(epoch)):
		return "its epoch is not a number"
	case strings.IndexByte(v, '+') >= 0 && local == "":
		return "its local version is empty"
	case !only(version, "._*-") || !only(local, "._*-"):
		return "it has a character that conda versions cannot have"
	case strings.IndexByte(version, '-') >= 0 && strings.IndexByte(version, '_') >= 0:
		return "it has both hyphens and underscores"
	}
	for rest := condaTrim(version); ; {
		part, more, ok := condaCut(rest)
		if part == "" {
			return "a part of it is empty"
		}
		if rest = more; !ok {
			break
		}
	}
	for rest := condaTrim(local); local != ""; {
		part, more, ok := condaCut(rest)
		if part == "" {
			return "a part of its local version is empty"
		}
		if rest = more; !ok {
			break
		}
	}
	return ""
}

// condaTrim leaves out an underscore at the end, which is not a separator but a
// token of the last part ("1.0.1_", before 1.0.1a).
func condaTrim(v string) string {
	if v != "" && v[len(v)-1] == '_' {
		return v[:len(v)-1]
	}
	return v
}

// condaCut gives the first part, up to a separator.
func condaCut(v string) (part, rest string, more bool) {
	if i := strings.IndexAny(v, "._-"); i >= 0 {
		return v[:i], v[i+1:], true
	}
	return v, "", false
}

func compareConda(a, b string) int {
	ae, av, al := splitConda(a)
	be, bv, bl := splitConda(b)
	if c := compareNumbers(ae, be); c != 0 {
		return c
	}
	if c := compareCondaVersion(av, bv); c != 0 {
		return c
	}
	return compareCondaVersion(al, bl)
}

// compareCondaVersion orders part by part; a missing part is 0.
func compareCondaVersion(a, b string) int {
	at, bt := condaTrim(a), condaTrim(b)
	aTail, bTail := len(at) < len(a), len(bt) < len(b)
	for at != "" || bt != "" {
		x, i, aMore := condaCut(at)
		y, j, bMore := condaCut(bt)
		if c := compareCondaPart(x, y, aTail && !aMore && at != "", bTail && !bMore && bt != ""); c != 0 {
			return c
		}
		at, bt = i, j
	}
	return 0
}

// The classes of tokens in a part, in order; a missing token is the number 0.
const (
	condaWord = iota
	condaNumber
	condaPost
)

// condaToken reads a token; tail tells that an underscore is to come at the end.
func condaToken(s string, tail bool) (class int, text, rest string, stillTail bool) {
	switch {
	case s == "" && tail:
		return condaWord, "_", "", false
	case s == "":
		return condaNumber, "", "", false
	}
	n := digits(s)
	if n > 0 {
		return condaNumber, s[:n], s[n:], tail
	}
	star := s[0] == '*'
	for n < len(s) && !isDigit(s[n]) && (s[n] == '*') == star {
		n++
	}
	if tail && n == len(s) && !star {
		// The underscore joins the letters before it into one word.
		return condaWord, s, "", true
	}
	if equalFold(s[:n], "post") {
		return condaPost, "", s[n:], tail
	}
	return condaWord, s[:n], s[n:], tail
}

// compareCondaPart orders the tokens of two parts. One that begins with a letter
// has a 0 before it.
func compareCondaPart(a, b string, aTail, bTail bool) int {
	aZero, bZero := a != "" && !isDigit(a[0]), b != "" && !isDigit(b[0])
	for a != "" || b != "" || aTail || bTail {
		var x, y int
		var s, t string
		if aZero {
			x, s, aZero = condaNumber, "", false
		} else {
			x, s, a, aTail = condaToken(a, aTail)
		}
		if bZero {
			y, t, bZero = condaNumber, "", false
		} else {
			y, t, b, bTail = condaToken(b, bTail)
		}
		switch {
		case x != y:
			return sign(x - y)
		case x == condaNumber:
			if c := compareNumbers(s, t); c != 0 {
				return c
			}
		case x == condaWord:
			if c := compareCondaWord(s, t); c != 0 {
				return c
			}
		}
	}
	return 0
}

// compareCondaWord orders words as text in lower case, but "dev" before all but stars.
func compareCondaWord(a, b string) int {
	return compareFold(condaDev(a), condaDev(b))
}

// condaDev gives "dev" a spelling that sorts first among words of letters.
func condaDev(s string) string {
	if equalFold(s, "dev") {
		return "@"
	}
	return s
}
