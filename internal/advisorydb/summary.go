package advisorydb

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSummary bounds a stored summary, in bytes.
const maxSummary = 300

// cleanSummary makes one line for people: blanks joined, control and format characters
// (which could steer a terminal or turn the direction of writing) left out, cut at a whole word.
func cleanSummary(s string) string {
	var b strings.Builder
	blank := false
	for _, r := range s {
		if b.Len() > maxSummary+utf8.UTFMax {
			break
		}
		switch {
		case unicode.IsSpace(r):
			blank = b.Len() > 0
			continue
		case !unicode.IsPrint(r):
			continue
		}
		if blank {
			b.WriteByte(' ')
			blank = false
		}
		b.WriteRune(r)
	}
	out := b.String()
	if len(out) <= maxSummary {
		return strings.Clone(out)
	}
	const more = "…"
	cut := maxSummary - len(more)
	for cut > 0 && !utf8.RuneStart(out[cut]) {
		cut--
	}
	if i := strings.LastIndexByte(out[:cut], ' '); i > cut-40 {
		cut = i
	}
	return out[:cut] + more
}
