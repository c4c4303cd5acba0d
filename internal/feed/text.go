package feed

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxSummary bounds a summary, in bytes.
const maxSummary = 240

// oneLine makes one line for people of s: blanks joined, characters left out that
// could steer a terminal, cut at a word to at most maxSummary bytes.
func oneLine(s string) string {
	const more = "…"
	var b strings.Builder
	blank := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			blank = b.Len() > 0
			continue
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			continue
		}
		if blank {
			b.WriteByte(' ')
			blank = false
		}
		if b.WriteRune(r); b.Len() > maxSummary {
			break
		}
	}
	out := b.String()
	if len(out) <= maxSummary {
		return out
	}
	at := maxSummary - len(more)
	for !utf8.RuneStart(out[at]) {
		at--
	}
	if i := strings.LastIndexByte(out[:at], ' '); i > at-40 {
		at = i
	}
	return strings.TrimRight(out[:at], " ,;:.") + more
}

// firstLine is oneLine of the first paragraph of a text in Markdown that is not a
// heading.
func firstLine(s string) string {
	for s != "" {
		var par string
		par, s, _ = strings.Cut(s, "\n")
		par = strings.TrimSpace(par)
		if par == "" || par[0] == '#' || strings.HasPrefix(par, "---") || strings.HasPrefix(par, "```") {
			continue
		}
		// Lines up to the next blank one belong to the same paragraph.
		if rest, _, _ := strings.Cut(s, "\n\n"); len(par) < maxSummary {
			par += " " + rest
		}
		return oneLine(par)
	}
	return ""
}

// excerpt is the beginning of a long text, enough for a line.
type excerpt string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (e *excerpt) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	const enough = 1200
	v, err := d.ReadValue()
	if err != nil || v.Kind() != '"' {
		return err
	}
	if len(v) > enough+2 {
		// Cut between characters, and not within a pair of \uXXXX that is one.
		at := 1
		for i := 1; i < enough; {
			step := 1
			switch {
			case v[i] != '\\':
			case v[i+1] != 'u':
				step = 2
			case v[i+2]|0x20 == 'd' && v[i+3] >= '8':
				step = 12
			default:
				step = 6
			}
			if i += step; i < len(v) && utf8.RuneStart(v[i]) {
				at = i
			}
		}
		v = append(v[:at:at], '"')
	}
	// A text that cannot be read is no loss.
	b, _ := jsontext.AppendUnquote(nil, []byte(v))
	*e = excerpt(b)
	return nil
}
