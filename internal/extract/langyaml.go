package extract

import (
	"bytes"
	"strings"
)

// yamlLine is a line of block style YAML: a key with or without a value, or an item
// of a list.
type yamlLine struct {
	// depth counts the enclosing keys and items, from 0.
	depth int
	// item is set for "- …"; then Key may be empty and value is the item itself.
	item  bool
	key   string
	value string
}

// langYAML reads the lines of lock files in block style, as pnpm, yarn, pub,
// CocoaPods and stack write them. It is no YAML reader: flow values stay text, and
// anchors, aliases, tags and block texts give an empty value. So there is nothing to
// expand, and the work is linear in the size of the file.
func langYAML(b []byte, fn func(l yamlLine) error) error {
	var indents []int
	var failed error
	langEachLine(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), func(_ int, raw []byte) bool {
		text := bytes.TrimLeft(raw, " ")
		if len(text) == 0 || text[0] == '#' || bytes.HasPrefix(text, []byte("---")) {
			return true
		}
		indent := len(raw) - len(text)
		for len(indents) > 0 && indents[len(indents)-1] >= indent {
			indents = indents[:len(indents)-1]
		}
		l := yamlLine{depth: len(indents)}
		indents = append(indents, indent)
		if rest, ok := bytes.CutPrefix(text, []byte("- ")); ok {
			l.item = true
			text = rest
		} else if rest, ok := bytes.CutPrefix(text, []byte("? ")); ok {
			// A long key; its value stands on lines of its own.
			text = append(bytes.Clone(bytes.TrimRight(rest, " ")), ':')
		} else if text[0] == ':' && len(text) > 1 && text[1] == ' ' {
			text = bytes.TrimLeft(text[1:], " ")
		}
		l.key, l.value = yamlPair(text)
		failed = fn(l)
		return failed == nil
	})
	return failed
}

// yamlPair splits "key: value". Without a colon all is the value.
func yamlPair(text []byte) (key, value string) {
	if len(text) > 0 && (text[0] == '"' || text[0] == '\'') {
		if end := yamlQuoted(text); end > 0 {
			after := bytes.TrimLeft(text[end:], " ")
			if len(after) == 0 || after[0] != ':' {
				return "", yamlScalar(text)
			}
			return yamlScalar(text[:end]), yamlScalar(bytes.TrimSpace(after[1:]))
		}
	}
	for i, c := range text {
		if c == ':' && (i+1 == len(text) || text[i+1] == ' ') {
			return string(bytes.TrimSpace(text[:i])), yamlScalar(bytes.TrimSpace(text[i+1:]))
		}
	}
	return "", yamlScalar(bytes.TrimSpace(text))
}

// yamlQuoted gives the length of the quoted text at the start of s; 0 if it does not end.
func yamlQuoted(s []byte) int {
	q := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && q == '"':
			i++
		case s[i] == q && q == '\'' && i+1 < len(s) && s[i+1] == q:
			i++
		case s[i] == q:
			return i + 1
		}
	}
	return 0
}

// yamlScalar takes quotes and a comment away.
func yamlScalar(s []byte) string {
	if len(s) == 0 {
		return ""
	}
	switch s[0] {
	case '"', '\'':
		end := yamlQuoted(s)
		if end == 0 {
			return ""
		}
		in := s[1 : end-1]
		if s[0] == '\'' {
			return strings.ReplaceAll(string(in), "''", "'")
		}
		if bytes.IndexByte(in, '\\') >= 0 {
			in = langUnescape(in)
		}
		return string(in)
	case '&', '*', '!', '|', '>', '#':
		return ""
	}
	if i := bytes.Index(s, []byte(" #")); i >= 0 {
		s = s[:i]
	}
	return string(bytes.TrimSpace(s))
}

// yamlFlow gives the value of a key in a one-line flow mapping: "{a: 1, b: 2}".
func yamlFlow(s, key string) (string, bool) {
	for rest := strings.Trim(s, "{} "); rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, ",")
		if k, v, ok := strings.Cut(pair, ":"); ok && strings.TrimSpace(k) == key {
			return strings.Trim(strings.TrimSpace(v), `'"`), true
		}
	}
	return "", false
}
