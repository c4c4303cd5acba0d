package version

import "strings"

// The kinds of token in an apk version, in apk-tools' order: of two versions that
// are alike up to here, the one with the later kind is less, but for the suffixes
// that mark prereleases.
type apkKind uint8

const (
	apkFirst    apkKind = iota // the number at the beginning
	apkNumber                  // a number after a dot
	apkLetter                  // one letter after the numbers
	apkLetterNo                // the number after a letter
	apkSuffix                  // _word
	apkSuffixNo                // the number after a suffix
	apkHash                    // ~commit
	apkRevision                // -rN
	apkEnd
	apkInvalid
)

// apkNone is the place among the suffixes of having none.
const apkNone = 5

// apkToken is one token; value is without its mark, rank is the place of a suffix.
type apkToken struct {
	kind  apkKind
	rank  uint8
	value string
}

// apkSuffixRank gives the place of a suffix, 0 for an unknown one.
func apkSuffixRank(word string) uint8 {
	switch word {
	case "alpha":
		return 1
	case "beta":
		return 2
	case "pre":
		return 3
	case "rc":
		return 4
	case "cvs":
		return 6
	case "svn":
		return 7
	case "git":
		return 8
	case "hg":
		return 9
	case "p":
		return 10
	}
	return 0
}

// apkNext reads the token after one of kind last, and gives what follows it.
func apkNext(last apkKind, s string) (apkToken, string) {
	if s == "" {
		return apkToken{kind: apkEnd}, ""
	}
	number := func(kind apkKind, s string) (apkToken, string) {
		n := digits(s)
		if n == 0 {
			return apkToken{kind: apkInvalid}, ""
		}
		return apkToken{kind: kind, value: s[:n]}, s[n:]
	}
	switch c := s[0]; {
	case isLower(c) && last <= apkNumber:
		return apkToken{kind: apkLetter, value: s[:1]}, s[1:]
	case c == '.' && last <= apkNumber:
		return number(apkNumber, s[1:])
	case isDigit(c) && last == apkSuffix:
		return number(apkSuffixNo, s)
	case isDigit(c) && last == apkLetter:
		// apk-tools 3 refuses this, but apk-tools 2 did not, and packages of its time
		// have it ("1.9.5p2-r0").
		return number(apkLetterNo, s)
	case c == '_' && last <= apkSuffixNo:
		n := 1
		for n < len(s) && isLower(s[n]) {
			n++
		}
		if rank := apkSuffixRank(s[1:n]); rank != 0 {
			return apkToken{kind: apkSuffix, rank: rank, value: s[1:n]}, s[n:]
		}
	case c == '~' && last < apkHash:
		n := 1
		for n < len(s) && (isDigit(s[n]) || 'a' <= s[n] && s[n] <= 'f') {
			n++
		}
		if n > 1 {
			return apkToken{kind: apkHash, value: s[1:n]}, s[n:]
		}
	case strings.HasPrefix(s, "-r") && last < apkRevision:
		return number(apkRevision, s[2:])
	}
	return apkToken{kind: apkInvalid}, ""
}

// apkStart reads the number that every version begins with.
func apkStart(s string) (apkToken, string) {
	n := digits(s)
	if n == 0 {
		return apkToken{kind: apkInvalid}, ""
	}
	return apkToken{kind: apkFirst, value: s[:n]}, s[n:]
}

func checkAPK(v string) string {
	t, rest := apkStart(v)
	for t.kind < apkEnd {
		t, rest = apkNext(t.kind, rest)
	}
	if t.kind == apkInvalid {
		return "it is not of the form 1.2.3a_rc4-r5"
	}
	return ""
}

func compareAPK(a, b string) int {
	x, a := apkStart(a)
	y, b := apkStart(b)
	for x.kind == y.kind && x.kind < apkEnd {
		if c := compareAPKToken(x, y); c != 0 {
			return c
		}
		x, a = apkNext(x.kind, a)
		y, b = apkNext(y.kind, b)
	}
	switch {
	case x.kind == y.kind:
		return 0
	case x.kind == apkSuffix && x.rank < apkNone:
		return -1
	case y.kind == apkSuffix && y.rank < apkNone:
		return 1
	case x.kind > y.kind:
		return -1
	}
	return 1
}

// compareAPKToken orders two tokens of one kind. A number after a dot with a zero
// in front is a fraction, and then both are compared as text.
func compareAPKToken(x, y apkToken) int {
	switch x.kind {
	case apkNumber:
		if x.value[0] == '0' || y.value[0] == '0' {
			return strings.Compare(x.value, y.value)
		}
		return compareNumbers(x.value, y.value)
	case apkFirst, apkLetterNo, apkSuffixNo, apkRevision:
		return compareNumbers(x.value, y.value)
	case apkSuffix:
		return sign(int(x.rank) - int(y.rank))
	}
	return strings.Compare(x.value, y.value)
}
