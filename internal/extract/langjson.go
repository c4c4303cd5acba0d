package extract

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// langJSON walks a JSON text (RFC 8259) in memory, once, front to back, and builds
// nothing: the caller takes the values it knows and the rest is skipped. Nesting is
// bounded and skipping does not recurse. With lax set, comments and commas before a
// closing bracket are allowed (JSONC, as in bun.lock).
//
// It is lenient where that cannot hide anything: numbers and literals are not
// checked in detail, and of equal keys each is given.
type langJSON struct {
	b     []byte
	i     int
	lax   bool
	depth int
	stack []byte // of skip, kept for reuse
}

// langMaxDepth bounds nesting. npm's first lock format nests as deep as a dependency
// tree; known ones stay below 30.
const langMaxDepth = 500

func newLangJSON(b []byte) *langJSON {
	return &langJSON{b: bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))}
}

func (r *langJSON) fail(format string, args ...any) error {
	at := min(r.i, len(r.b))
	return fmt.Errorf("line %d: %s", 1+bytes.Count(r.b[:at], []byte{'\n'}), fmt.Sprintf(format, args...))
}

// peek gives the first byte of the next value or mark, 0 at the end.
func (r *langJSON) peek() byte {
	for r.i < len(r.b) {
		switch c := r.b[r.i]; {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			r.i++
		case c == '/' && r.lax && r.comment():
		default:
			return c
		}
	}
	return 0
}

// comment steps over // and /* comments.
func (r *langJSON) comment() bool {
	rest := r.b[r.i:]
	if len(rest) < 2 {
		return false
	}
	switch rest[1] {
	case '/':
		if n := bytes.IndexByte(rest, '\n'); n >= 0 {
			r.i += n + 1
		} else {
			r.i = len(r.b)
		}
		return true
	case '*':
		if n := bytes.Index(rest[2:], []byte("*/")); n >= 0 {
			r.i += n + 4
			return true
		}
	}
	return false
}

// object reads an object and calls fn for each key, which may read the value once;
// a value not read is skipped. The key is valid until fn returns.
func (r *langJSON) object(fn func(key []byte) error) error {
	return r.each('{', '}', fn)
}

// array reads an array and calls fn for each element, as object does.
func (r *langJSON) array(fn func() error) error {
	return r.each('[', ']', func([]byte) error { return fn() })
}

func (r *langJSON) each(open, end byte, fn func(key []byte) error) error {
	if c := r.peek(); c != open {
		return r.unexpected(c, string(open))
	}
	if r.depth++; r.depth > langMaxDepth {
		return r.fail("nested deeper than %d", langMaxDepth)
	}
	r.i++
	for first := true; ; first = false {
		c := r.peek()
		if c == end && (first || r.lax) {
			break
		}
		var key []byte
		if open == '{' {
			if c != '"' {
				return r.unexpected(c, "a key")
			}
			var err error
			if key, err = r.text(); err != nil {
				return err
			}
			if c := r.peek(); c != ':' {
				return r.unexpected(c, "':'")
			}
			r.i++
			r.peek()
		} else if c == 0 || c == ',' || c == end {
			return r.unexpected(c, "a value")
		}
		start := r.i
		if err := fn(key); err != nil {
			return err
		}
		if r.i == start {
			if err := r.skip(); err != nil {
				return err
			}
		}
		switch c := r.peek(); c {
		case ',':
			r.i++
			continue
		case end:
		default:
			return r.unexpected(c, "',' or '"+string(end)+"'")
		}
		break
	}
	r.i++
	r.depth--
	return nil
}

func (r *langJSON) unexpected(c byte, want string) error {
	if c == 0 && r.i >= len(r.b) {
		return r.fail("the text ends where %s should be", want)
	}
	return r.fail("%q where %s should be", c, want)
}

// str reads a string; any other value is skipped and gives false.
func (r *langJSON) str() (string, bool, error) {
	if r.peek() != '"' {
		return "", false, r.skip()
	}
	b, err := r.text()
	return string(b), err == nil, err
}

// boolean reads true; any other value is skipped and gives false.
func (r *langJSON) boolean() (bool, error) {
	r.peek()
	yes := bytes.HasPrefix(r.b[r.i:], []byte("true"))
	return yes, r.skip()
}

// text reads a string that starts here. Without escapes it is a part of the text.
func (r *langJSON) text() ([]byte, error) {
	start := r.i + 1
	escaped := false
	for i := start; i < len(r.b); i++ {
		switch r.b[i] {
		case '"':
			s := r.b[start:i]
			r.i = i + 1
			if escaped {
				return langUnescape(s), nil
			}
			return s, nil
		case '\\':
			escaped = true
			i++
		}
	}
	r.i = len(r.b)
	return nil, r.fail("a string does not end")
}

// langUnescape resolves JSON's escapes, which are TOML's too; unknown ones stay.
func langUnescape(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			out = append(out, s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b', 'f', 'n', 'r', 't':
			out = append(out, "\b\f\n\r\t"[strings.IndexByte("bfnrt", c)])
		case 'u', 'U':
			digits := 4
			if c == 'U' {
				digits = 8
			}
			u, ok := langHex(s[i+1:], digits)
			if !ok {
				out = append(out, '\\', c)
				continue
			}
			i += digits
			if utf16.IsSurrogate(u) && i+2 < len(s) && s[i+1] == '\\' && s[i+2] == 'u' {
				if low, ok := langHex(s[i+3:], 4); ok {
					if both := utf16.DecodeRune(u, low); both != utf8.RuneError {
						u = both
						i += 6
					}
				}
			}
			out = utf8.AppendRune(out, u)
		default:
			out = append(out, '\\', c)
		}
	}
	return out
}

func langHex(s []byte, digits int) (rune, bool) {
	if len(s) < digits {
		return 0, false
	}
	var u uint32
	for _, c := range s[:digits] {
		switch {
		case c >= '0' && c <= '9':
			u = u<<4 | uint32(c-'0')
		case c >= 'a' && c <= 'f':
			u = u<<4 | uint32(c-'a'+10)
		case c >= 'A' && c <= 'F':
			u = u<<4 | uint32(c-'A'+10)
		default:
			return 0, false
		}
	}
	return rune(u), true
}

// skip steps over one value of any kind.
func (r *langJSON) skip() error {
	r.stack = r.stack[:0]
	for {
		switch c := r.peek(); c {
		case '{', '[':
			if len(r.stack)+r.depth >= langMaxDepth {
				return r.fail("nested deeper than %d", langMaxDepth)
			}
			r.stack = append(r.stack, c+2) // the closing bracket, in ASCII
			r.i++
		case '}', ']':
			if len(r.stack) == 0 || r.stack[len(r.stack)-1] != c {
				return r.unexpected(c, "a value")
			}
			r.stack = r.stack[:len(r.stack)-1]
			r.i++
		case ',', ':':
			if len(r.stack) == 0 {
				return r.unexpected(c, "a value")
			}
			r.i++
			continue
		case '"':
			if err := r.skipText(); err != nil {
				return err
			}
		case 0:
			if r.i < len(r.b) {
				return r.fail("a NUL byte")
			}
			return r.unexpected(c, "a value")
		default:
			if !r.literal() {
				return r.unexpected(c, "a value")
			}
		}
		if len(r.stack) == 0 {
			return nil
		}
	}
}

func (r *langJSON) skipText() error {
	for i := r.i + 1; i < len(r.b); i++ {
		switch r.b[i] {
		case '"':
			r.i = i + 1
			return nil
		case '\\':
			i++
		}
	}
	r.i = len(r.b)
	return r.fail("a string does not end")
}

// literal steps over a number, true, false or null.
func (r *langJSON) literal() bool {
	start := r.i
	for r.i < len(r.b) {
		c := r.b[r.i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E' {
			r.i++
			continue
		}
		break
	}
	return r.i > start
}

// end reports as an error anything but space after the document.
func (r *langJSON) end() error {
	if c := r.peek(); r.i < len(r.b) {
		return r.unexpected(c, "the end")
	}
	return nil
}

// langJSONObject reads a document that is one object. What was read before an error
// is the caller's to keep.
func langJSONObject(b []byte, lax bool, fn func(r *langJSON, key []byte) error) error {
	r := newLangJSON(b)
	r.lax = lax
	if err := r.object(func(k []byte) error { return fn(r, k) }); err != nil {
		return err
	}
	return r.end()
}

// isObject reports whether the next value is an object.
func (r *langJSON) isObject() bool { return r.peek() == '{' }

// isArray reports whether the next value is an array.
func (r *langJSON) isArray() bool { return r.peek() == '[' }
