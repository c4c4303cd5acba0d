package version

// checkGem follows Gem::Version::VERSION_PATTERN.
func checkGem(v string) string {
	n := digits(v)
	if n == 0 {
		return "it does not begin with a number"
	}
	hyphen := false
	for i := n; i < len(v); i++ {
		switch c := v[i]; {
		case isAlnum(c) && (hyphen || i > n):
		case c == '-' && !hyphen:
			hyphen = true
			if i+1 == len(v) {
				return "it ends in a hyphen"
			}
		case c == '-':
		case c == '.':
			if i+1 == len(v) || !isAlnum(v[i+1]) && !(hyphen && v[i+1] == '-') {
				return "a segment of it is empty"
			}
		default:
			return "it is not numbers and words apart by dots"
		}
	}
	return ""
}

// gemReader gives the segments of a version: numbers and words, where a hyphen is
// the word "pre". Zeros at the end of the numbers before the first word are left
// out; zeros at the very end need not be, as a missing segment is 0.
type gemReader struct {
	rest  string
	word  bool // a word has been read
	zeros int  // zeros known to count
}

// gemSegment is digits or, if word, a word; the end of a version is no digits.
type gemSegment struct {
	text string
	word bool
}

// next gives the next segment, and zeros for ever after the end.
func (r *gemReader) next() gemSegment {
	if r.zeros > 0 {
		r.zeros--
		return gemSegment{}
	}
	s := r.raw()
	if r.word || s.text == "" || trimZeros(s.text) != "" {
		return s
	}
	// A run of zeros among the first numbers: it counts if a number follows.
	zeros := 1
	for {
		after := *r
		s = r.raw()
		switch {
		case s.word:
			return s
		case s.text == "":
			return gemSegment{}
		case trimZeros(s.text) != "":
			*r = after
			r.zeros = zeros - 1
			return gemSegment{}
		}
		zeros++
	}
}

// raw gives the next segment; its text is empty at the end.
func (r *gemReader) raw() gemSegment {
	for r.rest != "" && r.rest[0] == '.' {
		r.rest = r.rest[1:]
	}
	s := r.rest
	switch {
	case s == "":
		return gemSegment{}
	case s[0] == '-':
		r.rest, r.word = s[1:], true
		return gemSegment{"pre", true}
	case isDigit(s[0]):
		n := digits(s)
		r.rest = s[n:]
		return gemSegment{s[:n], false}
	}
	n := letters(s)
	r.rest, r.word = s[n:], true
	return gemSegment{s[:n], true}
}

func compareGem(a, b string) int {
	x, y := gemReader{rest: a}, gemReader{rest: b}
	for x.more() || y.more() {
		s, t := x.next(), y.next()
		switch {
		case s.word != t.word:
			return less(s.word)
		case s.word && s.text != t.text:
			return less(s.text < t.text)
		case !s.word:
			if c := compareNumbers(s.text, t.text); c != 0 {
				return c
			}
		}
	}
	return 0
}

func (r *gemReader) more() bool { return r.rest != "" || r.zeros > 0 }
