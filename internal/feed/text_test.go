package feed

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/plimsoll/plimsoll/internal/version"
)

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		" a\r\n\tb  ":           "a b",
		"a\x1b]0;x\x07\u202eb":  "a]0;xb",
		"bad \xff utf-8":        "bad utf-8",
		strings.Repeat("é", 30): strings.Repeat("é", 30),
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	long := oneLine(strings.Repeat("words and ", 100))
	if len(long) > maxSummary || !strings.HasSuffix(long, " words…") && !strings.HasSuffix(long, " and…") {
		t.Errorf("a long text became %q (%d bytes)", long, len(long))
	}
	if got := oneLine(strings.Repeat("é", 1000)); len(got) > maxSummary || !utf8.ValidString(got) {
		t.Errorf("a long word became %d bytes", len(got))
	}
}

func TestFirstLine(t *testing.T) {
	for in, want := range map[string]string{
		"## Impact\n\nIt is\nbad.\n\nVery.": "It is bad.",
		"One.":                              "One.",
		"# A\n# B":                          "",
		"":                                  "",
	} {
		if got := firstLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	for _, unit := range []string{"a", "é", `\\`, `\"`, `\u00e9`, `\ud83d\ude00`, `x\\y`} {
		for shift := range 14 {
			var doc struct {
				Details excerpt `json:"details"`
			}
			text := strings.Repeat("-", shift) + strings.Repeat(unit, 1000)
			if err := decodeJSON([]byte(`{"details":"`+text+`"}`), &doc); err != nil {
				t.Fatal(err)
			}
			if len(doc.Details) < 150 || len(doc.Details) > 1300 || !utf8.ValidString(string(doc.Details)) || strings.ContainsRune(string(doc.Details), utf8.RuneError) {
				t.Fatalf("%q shifted by %d: %d bytes: %q", unit, shift, len(doc.Details), doc.Details[max(0, len(doc.Details)-20):])
			}
		}
	}
}

func TestRawStrings(t *testing.T) {
	for in, want := range map[string][]string{
		``: nil, `null`: nil, `{"a":"b"}`: nil, `[]`: nil, `"a"`: nil,
		`["a", "b\"c", "\\", "\u00e9]"]`: {"a", `b"c`, `\`, "é]"},
		`[1, ["a"], {"b":"c]"}, "d"]`:    {"d"},
	} {
		var got []string
		rawJSON(in).strings(func(s string) bool { got = append(got, s); return true })
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestUnite(t *testing.T) {
	iv := func(s string) (out []version.Interval) {
		for f := range strings.FieldsSeq(s) {
			from, to, _ := strings.Cut(f, "-")
			x := version.Interval{Introduced: from, Fixed: to}
			if last, ok := strings.CutPrefix(to, "="); ok {
				x.Fixed, x.LastAffected = "", last
			}
			out = append(out, x)
		}
		return out
	}
	for in, want := range map[string]string{
		"1-2 0-1":         "0-2",
		"3-4 1-2":         "1-2 3-4",
		"1-5 2-3":         "1-5",
		"1-2 2-3":         "1-3",
		"1-2 1-=2":        "1-=2",
		"1-=2 1-2":        "1-=2",
		"1- 5-6":          "1-",
		"5-6 0-":          "0-",
		"0-1 0-2 10-11":   "0-2 10-11",
		"1-=2 2-3 4-=5":   "1-3 4-=5",
		"2.0-3 1.10-2.5 ": "1.10-3",
	} {
		if got := unite(version.Deb, iv(in)); !slices.Equal(got, iv(want)) {
			t.Errorf("%s: %v, want %s", in, got, want)
		}
	}
}
