package version

import "strings"

// splitGeneric cuts dotted numbers from the tail; a leading v and what follows a
// plus sign are left out.
func splitGeneric(v string) (numbers, tail string) {
	if v != "" && lower(v[0]) == 'v' {
		v = v[1:]
	}
	v, _, _ = strings.Cut(v, "+")
	n := digits(v)
	for n > 0 && n+1 < len(v) && v[n] == '.' && isDigit(v[n+1]) {
		n += 1 + digits(v[n+1:])
	}
	return v[:n], v[n:]
}

func checkGeneric(v string) string {
	numbers, tail := splitGeneric(v)
	switch {
	case numbers == "":
		return "it does not begin with a number"
	case !only(v, ".-_+~"):
		return "it has a character that is neither letter, digit nor one of .-_+~"
	case tail != "" && (tail[0] == '.' && (len(tail) == 1 || !isAlpha(tail[1]))):
		return "a part of it is empty"
	}
	return ""
}

// genericReader gives the tokens of a tail.
type genericReader struct {
	rest  string
	begun bool
}

// The classes of tokens in order; the end of a version is genericEnd.
const (
	genericPre = iota
	genericEnd
	genericWord
	genericNumber
)

// genericToken is a word or a number; rank orders words that mark prereleases.
type genericToken struct {
	class, rank int
	text        string
}

// next gives the next token, and the end for ever after.
func (r *genericReader) next() genericToken {
	for {
		joined := !r.begun
		for r.rest != "" && !isAlnum(r.rest[0]) {
			joined = false
			r.rest = r.rest[1:]
		}
		r.begun = true
		if r.rest == "" {
			return genericToken{class: genericEnd}
		}
		if n := digits(r.rest); n > 0 {
			t := genericToken{class: genericNumber, text: r.rest[:n]}
			r.rest = r.rest[n:]
			return t
		}
		n := letters(r.rest)
		word := r.rest[:n]
		r.rest = r.rest[n:]
		short := joined && r.rest != "" && isDigit(r.rest[0])
		rank, ok := genericPreRank(word, short)
		switch {
		case ok:
			return genericToken{genericPre, rank, word}
		case !genericNothing(word):
			return genericToken{genericWord, 0, word}
		}
	}
}

// genericPreRank gives the place of a word for a prerelease. A single a, b, c or m
// is one only where it joins the numbers and a number follows it: 3.12.0b4, but not
// 1.0.2b and not 8u392-b08.
func genericPreRank(word string, short bool) (int, bool) {
	if len(word) == 1 && !short {
		return 0, false
	}
	for i, w := range genericPreWords {
		if equalFold(word, w) {
			return genericPreRanks[i], true
		}
	}
	return 0, false
}

var (
	genericPreWords = [...]string{
		"dev", "snapshot", "nightly", "canary", "alpha", "a", "beta", "b",
		"milestone", "m", "ea", "preview", "pre", "rc", "c", "cr",
	}
	genericPreRanks = [...]int{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6, 6}
)

// genericNothing tells whether a word says that this is the release itself.
func genericNothing(word string) bool {
	return equalFold(word, "final") || equalFold(word, "ga") || equalFold(word, "release") ||
		equalFold(word, "stable") || equalFold(word, "lts")
}

func compareGeneric(a, b string) int {
	an, at := splitGeneric(a)
	bn, bt := splitGeneric(b)
	if c := comparePadded(an, bn); c != 0 {
		return c
	}
	x, y := genericReader{rest: at}, genericReader{rest: bt}
	for {
		s, t := x.next(), y.next()
		switch {
		case s.class != t.class:
			return sign(s.class - t.class)
		case s.class == genericEnd:
			return 0
		case s.class == genericPre && s.rank != t.rank:
			return sign(s.rank - t.rank)
		case s.class == genericWord:
			if c := compareFold(s.text, t.text); c != 0 {
				return c
			}
		case s.class == genericNumber:
			if c := compareNumbers(s.text, t.text); c != 0 {
				return c
			}
		}
	}
}

// checkBitnami is checkGeneric on the version without its revision.
func checkBitnami(v string) string { return checkGeneric(trimRevision(v)) }

func compareBitnami(a, b string) int { return compareGeneric(trimRevision(a), trimRevision(b)) }

// trimRevision cuts off a hyphen and digits at the end.
func trimRevision(v string) string {
	if i := strings.LastIndexByte(v, '-'); i > 0 && i+1 < len(v) && digits(v[i+1:]) == len(v)-i-1 {
		return v[:i]
	}
	return v
}
