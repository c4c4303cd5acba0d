package report

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestHostileDocument: a saved report is a file like any other. Whatever its strings are, the
// formats for people and for other programs stay what they are.
func TestHostileDocument(t *testing.T) {
	const evil = "a\x1b[2J\n<script>`x`|::error::\u202e,]]>"
	var doc any
	if err := json.Unmarshal([]byte(written(t, "json", Document{One: full()})), &doc); err != nil {
		t.Fatal(err)
	}
	// What has a fixed set of values would be refused.
	keep := map[string]bool{"severity": true, "state": true, "kind": true, "as_of": true, "published": true, "schema": true, "value": true, "action": true, "status": true, "justification": true}
	var spoil func(v any, key string) any
	spoil = func(v any, key string) any {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				if _, isString := v[k].(string); keep[k] && isString {
					continue
				}
				v[k] = spoil(v[k], k)
			}
			return v
		case []any:
			for i := range v {
				v[i] = spoil(v[i], key)
			}
			return v
		case string:
			return evil
		}
		return v
	}
	spoiled, err := json.Marshal(spoil(doc, ""))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Read(strings.NewReader(string(spoiled)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Formats() {
		out := written(t, f.Name, d)
		if !utf8.ValidString(out) || strings.ContainsFunc(out, func(r rune) bool { return r < ' ' && r != '\n' || f.Name != "json" && r == '\u202e' }) {
			t.Errorf("%s has a character that acts", f.Name)
		}
		switch f.Name {
		case "html", "junit":
			if strings.Contains(out, "<script") {
				t.Errorf("%s has an element from a name", f.Name)
			}
		case "markdown":
			if plain := codeSpan.ReplaceAllString(out, ""); strings.ContainsAny(plain, "<`") {
				t.Errorf("markdown has an element from a name:\n%.600s", plain)
			}
		case "github":
			for line := range strings.Lines(out) {
				if !strings.HasPrefix(line, "::") {
					t.Errorf("a line is no command: %q", line)
				}
			}
		}
	}
}
