package version

import "strings"

// pep440 is a Python version taken apart; the numbers are digits, not yet values.
type pep440 struct {
	epoch, release, local string
	pre                   byte // a, b, c (for rc), or 0 for none
	preN                  string
	post, dev             bool
	postN, devN           string
}

// pepSeparator tells whether c may stand around the parts of a version.
func pepSeparator(c byte) bool { return c == '.' || c == '-' || c == '_' }

// pepWord gives what follows one of words, in any case, at the start of s, and the
// word's index; the first that fits is taken.
func pepWord(s string, words []string) (rest string, index int) {
	for i, w := range words {
		if len(s) >= len(w) && equalFold(s[:len(w)], w) {
			return s[len(w):], i
		}
	}
	return s, -1
}

var (
	pepPre      = []string{"alpha", "a", "beta", "b", "preview", "pre", "rc", "c"}
	pepPreKinds = [...]byte{'a', 'a', 'b', 'b', 'c', 'c', 'c', 'c'}
	pepPost     = []string{"post", "rev", "r"}
	pepDev      = []string{"dev"}
)

// pepPart reads [separator] word [separator] [number]; index is -1 if it is not there.
func pepPart(s string, words []string) (rest string, index int, number string) {
	t := s
	if t != "" && pepSeparator(t[0]) {
		t = t[1:]
	}
	t, index = pepWord(t, words)
	if index < 0 {
		return s, -1, ""
	}
	// A separator without a number is this part's if the next part cannot use it.
	if t != "" && pepSeparator(t[0]) && (len(t) == 1 || isDigit(t[1]) || pepSeparator(t[1])) {
		t = t[1:]
	}
	n := digits(t)
	return t[n:], index, t[:n]
}

// parsePEP440 follows the grammar of the specification's appendix, whose
// alternatives are the same in any case of letters.
func parsePEP440(v string) (p pep440, ok bool) {
	if lower(v[0]) == 'v' {
		v = v[1:]
	}
	v, local, hasLocal := strings.Cut(v, "+")
	if hasLocal && !pepLocal(local) {
		return p, false
	}
	p.local = local
	if n := digits(v); n > 0 && n < len(v) && v[n] == '!' {
		p.epoch, v = v[:n], v[n+1:]
	}
	n := digits(v)
	for n > 0 && n+1 < len(v) && v[n] == '.' && isDigit(v[n+1]) {
		n += 1 + digits(v[n+1:])
	}
	if n == 0 {
		return p, false
	}
	p.release, v = v[:n], v[n:]
	var i int
	if v, i, p.preN = pepPart(v, pepPre); i >= 0 {
		p.pre = pepPreKinds[i]
	}
	if len(v) > 1 && v[0] == '-' && isDigit(v[1]) {
		n := 1 + digits(v[1:])
		p.post, p.postN, v = true, v[1:n], v[n:]
	} else {
		v, i, p.postN = pepPart(v, pepPost)
		p.post = i >= 0
	}
	v, i, p.devN = pepPart(v, pepDev)
	p.dev = i >= 0
	return p, v == ""
}

func pepLocal(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && (!pepSeparator(s[i]) || i == 0 || i == len(s)-1 || pepSeparator(s[i-1])) {
			return false
		}
	}
	return s != ""
}

func checkPEP440(v string) string {
	if _, ok := parsePEP440(v); !ok {
		return "it does not follow PEP 440"
	}
	return ""
}

// preRank puts a dev release of the release itself before its prereleases, and
// those before the release.
func (p *pep440) preRank() int {
	switch {
	case p.pre != 0:
		return int(p.pre)
	case p.dev && !p.post:
		return 0
	}
	return 'z'
}

func comparePEP440(a, b string) int {
	x, _ := parsePEP440(a)
	y, _ := parsePEP440(b)
	if c := compareNumbers(x.epoch, y.epoch); c != 0 {
		return c
	}
	if c := comparePadded(x.release, y.release); c != 0 {
		return c
	}
	if c := sign(x.preRank() - y.preRank()); c != 0 {
		return c
	}
	if c := compareNumbers(x.preN, y.preN); c != 0 {
		return c
	}
	if x.post != y.post {
		return less(y.post)
	}
	if c := compareNumbers(x.postN, y.postN); c != 0 {
		return c
	}
	if x.dev != y.dev {
		return less(x.dev)
	}
	if c := compareNumbers(x.devN, y.devN); c != 0 {
		return c
	}
	return comparePEPLocal(x.local, y.local)
}

// less gives -1 if first, else 1.
func less(first bool) int {
	if first {
		return -1
	}
	return 1
}

// comparePEPLocal orders segment by segment: words by letters, then numbers by
// value, and fewer before more.
func comparePEPLocal(a, b string) int {
	for a != "" && b != "" {
		i, j := pepSegment(a), pepSegment(b)
		xn, yn := digits(a[:i]) == i, digits(b[:j]) == j
		var c int
		switch {
		case xn && yn:
			c = compareNumbers(a[:i], b[:j])
		case xn != yn:
			c = less(yn)
		default:
			c = compareFold(a[:i], b[:j])
		}
		if c != 0 {
			return c
		}
		a, b = skipSeparator(a[i:]), skipSeparator(b[j:])
	}
	return sign(len(a) - len(b))
}

func pepSegment(s string) int {
	n := 0
	for n < len(s) && isAlnum(s[n]) {
		n++
	}
	return n
}
