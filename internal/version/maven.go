package version

// checkMaven refuses what Maven would order but nobody releases: strings without a
// number ("unspecified"), and unresolved properties ("${project.version}").
func checkMaven(v string) string {
	if !only(v, ".-_+~@!") {
		return "it has a character that Maven versions do not have"
	}
	for i := range len(v) {
		if isDigit(v[i]) {
			return ""
		}
	}
	return "it has no number"
}

// The classes of tokens, in order; the end of a version is an empty mavenWord.
const (
	mavenWord   = iota // a qualifier, with - or . before it
	mavenDashed        // a number after a hyphen or a letter
	mavenDotted        // a number after a dot, or the first
)

// mavenToken is a number (digits) or a word with its rank. The zero token is the
// end of a version, which is like the release itself.
type mavenToken struct {
	class int
	rank  int
	text  string
}

// The ranks of the words Maven knows; others come after and are ordered as text.
const (
	mavenRelease = 0
	mavenSP      = 1
	mavenOther   = 2
)

// mavenRank gives the place of a word around the release; short tells that a number
// follows at once, so that a, b and m are alpha, beta and milestone.
func mavenRank(word string, short bool) int {
	switch {
	case equalFold(word, "alpha"), short && equalFold(word, "a"):
		return -5
	case equalFold(word, "beta"), short && equalFold(word, "b"):
		return -4
	case equalFold(word, "milestone"), short && equalFold(word, "m"):
		return -3
	case equalFold(word, "rc"), equalFold(word, "cr"):
		return -2
	case equalFold(word, "snapshot"):
		return -1
	case word == "", equalFold(word, "ga"), equalFold(word, "final"), equalFold(word, "release"):
		return mavenRelease
	case equalFold(word, "sp"):
		return mavenSP
	}
	return mavenOther
}

// isNull tells whether the token counts for nothing at the end, or before a hyphen
// or a qualifier.
func (t mavenToken) isNull() bool {
	if t.class == mavenWord {
		return t.rank == mavenRelease
	}
	return trimZeros(t.text) == ""
}

// mavenReader gives the tokens of a version that count. A run of null tokens is read
// ahead, and a second time if it turns out to count; keep says how far it does.
type mavenReader struct {
	rest  string
	prev  byte // the separator before rest: '-', '.', or 0 at the start
	keep  int  // null tokens known to count
	ended bool
}

// raw reads the next token, whether it counts or not; ok is false at the end. The
// separator before it is dash if it is a hyphen or a change between letters and digits.
func (r *mavenReader) raw() (t mavenToken, dash, ok bool) {
	if r.ended {
		return mavenToken{}, false, false
	}
	first, dash := r.prev == 0, r.prev == '-'
	s := r.rest
	n := digits(s)
	if n > 0 {
		t = mavenToken{class: mavenDotted, text: s[:n]}
	} else {
		for n < len(s) && s[n] != '.' && s[n] != '-' && !isDigit(s[n]) {
			n++
		}
		// Nothing between two separators is a zero.
		t = mavenToken{class: mavenDotted}
		if n > 0 {
			t = mavenToken{class: mavenWord, text: s[:n], rank: mavenRank(s[:n], n < len(s) && isDigit(s[n]))}
		}
	}
	if t.class == mavenDotted && dash && !first {
		t.class = mavenDashed
	}
	switch s = s[n:]; {
	case s == "":
		r.ended = true
	case s[0] == '.' || s[0] == '-':
		r.prev, s = s[0], s[1:]
	default:
		r.prev = '-'
	}
	r.rest = s
	return t, dash, true
}

// next gives the next token that counts, and the zero token for ever after the end.
func (r *mavenReader) next() mavenToken {
	first := r.prev == 0
	if r.keep > 0 {
		r.keep--
		t, _, _ := r.raw()
		return t
	}
	t, _, ok := r.raw()
	if !ok || first || !t.isNull() {
		return t
	}
	// Nulls count only if what follows them is a number after a dot.
	began := *r
	nulls := 0
	for {
		u, dash, ok := r.raw()
		switch {
		case !ok:
			return mavenToken{}
		case dash || u.class == mavenWord && !u.isNull():
			// A hyphen begins anew: its token is looked at as if it stood here.
			if !u.isNull() {
				return u
			}
			began, t, nulls = *r, u, 0
		case u.isNull():
			nulls++
		default:
			*r = began
			r.keep = nulls + 1
			return t
		}
	}
}

func compareMaven(a, b string) int {
	x, y := mavenReader{rest: a}, mavenReader{rest: b}
	for {
		xt, yt := x.next(), y.next()
		if c := compareMavenToken(xt, yt); c != 0 {
			return c
		}
		if x.ended && y.ended && x.keep == 0 && y.keep == 0 {
			return 0
		}
	}
}

func compareMavenToken(x, y mavenToken) int {
	switch {
	case x.class != y.class:
		return sign(x.class - y.class)
	case x.class != mavenWord:
		return compareNumbers(x.text, y.text)
	case x.rank != y.rank || x.rank != mavenOther:
		return sign(x.rank - y.rank)
	}
	return compareFold(x.text, y.text)
}
