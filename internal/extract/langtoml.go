package extract

import (
	"bytes"
	"fmt"
	"strings"
)

// langTOML reads the statements of a TOML 1.0 document one after another, in one
// pass and without recursion. It serves lock files, which are written by programs:
// dates and numbers are not checked, redefinitions not refused. Keys are bounded,
// and so is the nesting of inline values.
//
// fn gets each table header with key "", and each assignment with the table that it
// stands in. Dotted names are joined with ".".
func langTOML(b []byte, fn func(table, key string, v tomlValue) error) error {
	p := tomlParser{b: bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))}
	table := ""
	for {
		p.blank()
		if p.i >= len(p.b) {
			return nil
		}
		var key string
		var v tomlValue
		var err error
		if p.b[p.i] == '[' {
			table, err = p.header()
		} else {
			if key, err = p.key(); err == nil {
				v, err = p.assigned()
			}
		}
		if err == nil {
			err = p.lineEnd()
		}
		if err != nil {
			return fmt.Errorf("line %d: %v", 1+bytes.Count(p.b[:min(p.i, len(p.b))], []byte{'\n'}), err)
		}
		if err := fn(table, key, v); err != nil {
			return err
		}
	}
}

// tomlValue is the text of a value.
type tomlValue []byte

// str gives the value of a string; false for every other kind.
func (v tomlValue) str() (string, bool) {
	if len(v) < 2 || v[0] != '"' && v[0] != '\'' {
		return "", false
	}
	q := v[0]
	long := []byte{q, q, q}
	s := []byte(v)
	if len(s) >= 6 && bytes.HasPrefix(s, long) {
		s = s[3 : len(s)-3]
		s = bytes.TrimPrefix(bytes.TrimPrefix(s, []byte("\r")), []byte("\n"))
	} else {
		s = s[1 : len(s)-1]
	}
	if q == '"' && bytes.IndexByte(s, '\\') >= 0 {
		s = langUnescape(s)
	}
	return string(s), true
}

// isTable reports whether v is an inline table.
func (v tomlValue) isTable() bool { return len(v) > 0 && v[0] == '{' }

// table calls fn for each pair of an inline table; for other values it does nothing.
func (v tomlValue) table(fn func(key string, v tomlValue)) {
	if !v.isTable() {
		return
	}
	p := tomlParser{b: v, i: 1}
	for {
		p.separators()
		if p.i >= len(p.b)-1 {
			return
		}
		key, err := p.key()
		if err != nil {
			return
		}
		val, err := p.assigned()
		if err != nil {
			return
		}
		fn(key, val)
	}
}

// list calls fn for each element of an array; for other values it does nothing.
func (v tomlValue) list(fn func(v tomlValue)) {
	if len(v) == 0 || v[0] != '[' {
		return
	}
	p := tomlParser{b: v, i: 1}
	for {
		p.separators()
		if p.i >= len(p.b)-1 {
			return
		}
		e, err := p.value()
		if err != nil || len(e) == 0 {
			return
		}
		fn(e)
	}
}

type tomlParser struct {
	b []byte
	i int
}

// blank steps over space, line ends and comments.
func (p *tomlParser) blank() {
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case ' ', '\t', '\r', '\n':
			p.i++
		case '#':
			p.comment()
		default:
			return
		}
	}
}

// separators steps over what stands between elements of inline values.
func (p *tomlParser) separators() {
	for p.blank(); p.i < len(p.b) && p.b[p.i] == ','; p.blank() {
		p.i++
	}
}

func (p *tomlParser) comment() {
	if n := bytes.IndexByte(p.b[p.i:], '\n'); n >= 0 {
		p.i += n
	} else {
		p.i = len(p.b)
	}
}

func (p *tomlParser) spaces() {
	for p.i < len(p.b) && (p.b[p.i] == ' ' || p.b[p.i] == '\t') {
		p.i++
	}
}

func (p *tomlParser) lineEnd() error {
	p.spaces()
	if p.i < len(p.b) && p.b[p.i] == '\r' {
		p.i++
	}
	if p.i >= len(p.b) || p.b[p.i] == '\n' || p.b[p.i] == '#' {
		return nil
	}
	return fmt.Errorf("%q after the end of a statement", p.b[p.i])
}

// header reads [name] or [[name]].
func (p *tomlParser) header() (string, error) {
	brackets := 1
	if p.i++; p.i < len(p.b) && p.b[p.i] == '[' {
		brackets++
		p.i++
	}
	name, err := p.key()
	if err != nil {
		return "", err
	}
	for range brackets {
		if p.i >= len(p.b) || p.b[p.i] != ']' {
			return "", fmt.Errorf("a table header does not end")
		}
		p.i++
	}
	return name, nil
}

// key reads a bare, quoted or dotted key and the space after it.
func (p *tomlParser) key() (string, error) {
	start := p.i
	var parts []string
	for {
		p.spaces()
		if p.i >= len(p.b) {
			return "", fmt.Errorf("the text ends where a key should be")
		}
		if c := p.b[p.i]; c == '"' || c == '\'' {
			from := p.i
			if err := p.text(); err != nil {
				return "", err
			}
			s, _ := tomlValue(p.b[from:p.i]).str()
			parts = append(parts, s)
		} else {
			from := p.i
			for p.i < len(p.b) && tomlBare(p.b[p.i]) {
				p.i++
			}
			if p.i == from {
				return "", fmt.Errorf("%q where a key should be", c)
			}
			parts = append(parts, string(p.b[from:p.i]))
		}
		if p.i-start > 4*langMaxWord {
			return "", fmt.Errorf("a key is longer than %d bytes", 4*langMaxWord)
		}
		p.spaces()
		if p.i >= len(p.b) || p.b[p.i] != '.' {
			return strings.Join(parts, "."), nil
		}
		p.i++
	}
}

func tomlBare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c >= 0x80
}

func (p *tomlParser) assigned() (tomlValue, error) {
	if p.i >= len(p.b) || p.b[p.i] != '=' {
		return nil, fmt.Errorf("a key without '='")
	}
	p.i++
	p.spaces()
	v, err := p.value()
	if err == nil && len(v) == 0 {
		err = fmt.Errorf("a key without a value")
	}
	return v, err
}

// value steps over one value and gives its text.
func (p *tomlParser) value() (tomlValue, error) {
	start, depth := p.i, 0
	for ; p.i < len(p.b); p.i++ {
		switch c := p.b[p.i]; c {
		case '"', '\'':
			if err := p.text(); err != nil {
				return nil, err
			}
			if depth == 0 {
				return p.b[start:p.i], nil
			}
			p.i--
		case '[', '{':
			if depth++; depth > langMaxDepth {
				return nil, fmt.Errorf("nested deeper than %d", langMaxDepth)
			}
		case ']', '}':
			if depth--; depth == 0 {
				p.i++
			}
			if depth <= 0 {
				return bytes.TrimRight(p.b[start:p.i], " \t"), nil
			}
		case '#':
			if depth == 0 {
				return bytes.TrimRight(p.b[start:p.i], " \t"), nil
			}
			p.comment()
			p.i--
		case ',', '\n', '\r':
			if depth == 0 {
				return bytes.TrimRight(p.b[start:p.i], " \t"), nil
			}
		}
	}
	if depth > 0 {
		return nil, fmt.Errorf("a bracket is not closed")
	}
	return bytes.TrimRight(p.b[start:p.i], " \t"), nil
}

// text steps over a string of any of the four kinds.
func (p *tomlParser) text() error {
	q := p.b[p.i]
	if rest := p.b[p.i:]; len(rest) >= 3 && rest[1] == q && rest[2] == q {
		for i := p.i + 3; i < len(p.b); i++ {
			if p.b[i] == '\\' && q == '"' {
				i++
			} else if p.b[i] == q && i+2 < len(p.b) && p.b[i+1] == q && p.b[i+2] == q {
				for i += 3; i < len(p.b) && p.b[i] == q; i++ { // up to two quotes may end the text itself
				}
				p.i = i
				return nil
			}
		}
	} else {
		for i := p.i + 1; i < len(p.b) && p.b[i] != '\n'; i++ {
			if p.b[i] == '\\' && q == '"' {
				i++
			} else if p.b[i] == q {
				p.i = i + 1
				return nil
			}
		}
	}
	return fmt.Errorf("a string does not end")
}
