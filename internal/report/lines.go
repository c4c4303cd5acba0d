package report

import (
	"bufio"
	"slices"
	"strings"
	"unicode"

	"charm.land/lipgloss/v2"

	"github.com/plimsoll/plimsoll/internal/policy"
)

// Printable replaces what a terminal might act upon, or what would deceive a reader,
// in a name from an image: control characters, escapes, line ends, marks that reverse
// text, and characters that look like nothing.
func Printable(s string) string {
	if !strings.ContainsFunc(s, deceives) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if deceives(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func deceives(r rune) bool {
	if r < unicode.MaxASCII {
		return r < ' '
	}
	switch r {
	case unicode.MaxASCII, unicode.ReplacementChar, '\u034f', '\u115f', '\u1160', '\u17b4', '\u17b5', '\u2800', '\u3164', '\uffa0':
		return true // DEL, invalid UTF-8, and letters and marks without a shape
	}
	return !unicode.IsPrint(r)
}

// table writes the lines of a table for people.
type table struct {
	w *bufio.Writer
	Style
}

const indent = "  "

// line writes parts that are not empty, two spaces between them, cut to the width.
func (t *table) line(parts ...string) {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	if len(parts) > 0 {
		s := strings.TrimRight(indent+strings.Join(parts, "  "), " ")
		if t.Width > 0 && lipgloss.Width(s) > t.Width {
			s = lipgloss.NewStyle().MaxWidth(t.Width-1).Render(s) + "…"
		}
		t.w.WriteString(s)
	}
	t.w.WriteByte('\n')
}

// maxText is the longest line that is written where there is no terminal to fill.
const maxText = 100

// room gives the columns that a text has beside a label of the given width.
func (t *table) room(label int) int {
	if t.Width > 0 {
		return t.Width - len(indent) - label
	}
	return max(maxText-label, maxText/2)
}

// labelled writes a sentence beside a label, over several lines if needed. plain is
// the label without colour; it fills at least width columns. Where too little room is
// left beside the label the sentence stands below it.
func (t *table) labelled(label, plain string, width int, text string) {
	const least = 30
	width = max(width, lipgloss.Width(plain)) + 2
	if t.room(width) < least {
		t.line(label)
		label, plain, width = "", "", 4
	}
	for i, line := range wrap(text, max(t.room(width), 1)) {
		if i > 0 {
			label, plain = "", ""
		}
		t.line(label + pad(plain, width) + line)
	}
}

// fits tells whether parts, two spaces between those that are not empty, fit into a line.
func (t *table) fits(parts ...string) bool {
	n := -2
	for _, s := range parts {
		if s != "" {
			n += 2 + lipgloss.Width(s)
		}
	}
	return t.Width <= 0 || n <= t.room(0)
}

// below writes a text below the last line, indented further, over several lines if
// needed. An empty text is no line.
func (t *table) below(further int, text string, style func(string) string) {
	if text == "" {
		return
	}
	for _, line := range wrap(text, max(t.room(further), 1)) {
		if style != nil {
			line = style(line)
		}
		t.line(strings.Repeat(" ", further) + line)
	}
}

// list writes items with a dot between them, over several lines if needed.
func (t *table) list(items []string) {
	line := ""
	for _, s := range items {
		longer := s
		if line != "" {
			longer = line + " · " + s
		}
		if line != "" && t.Width > 0 && lipgloss.Width(longer) > t.room(0) {
			t.line(t.faint(line))
			longer = s
		}
		line = longer
	}
	if line != "" {
		t.line(t.faint(line))
	}
}

// wrap breaks text into lines of at most width columns: between words, or within one
// that is longer than a line, such as a path.
func wrap(text string, width int) []string {
	var lines []string
	var b strings.Builder
	n := 0
	flush := func() {
		lines = append(lines, b.String())
		b.Reset()
		n = 0
	}
	for word := range strings.FieldsSeq(text) {
		l := lipgloss.Width(word)
		if n > 0 && n+1+l > width {
			flush()
		}
		if n > 0 {
			b.WriteByte(' ')
			n++
		}
		if n+l <= width {
			b.WriteString(word)
			n += l
			continue
		}
		for _, r := range word {
			w := lipgloss.Width(string(r))
			if n > 0 && n+w > width {
				flush()
			}
			b.WriteRune(r)
			n += w
		}
	}
	if n > 0 || len(lines) == 0 {
		flush()
	}
	return lines
}

// pad gives the spaces that fill s up to width columns.
func pad(s string, width int) string {
	return strings.Repeat(" ", max(0, width-lipgloss.Width(s)))
}

func (t *table) paint(s, color string, bold bool) string {
	if !t.Color {
		return s
	}
	return lipgloss.NewStyle().Foreground(lipgloss.Color(color)).Bold(bold).Render(s)
}

func (t *table) bold(s string) string {
	if !t.Color || s == "" {
		return s
	}
	return lipgloss.NewStyle().Bold(true).Render(s)
}

func (t *table) faint(s string) string {
	if s == "" {
		return s
	}
	return t.paint(s, "8", false)
}

// alarm marks what must not be overlooked.
func (t *table) alarm(s string) string {
	if s == "" {
		return s
	}
	return t.paint(s, "1", true)
}

func (t *table) severity(s string) string {
	switch s {
	case "critical":
		return t.paint(s, "1", true)
	case "high":
		return t.paint(s, "1", false)
	case "medium":
		return t.paint(s, "3", false)
	case "low":
		return t.paint(s, "6", false)
	}
	return t.faint(s)
}

func verdictColor(v policy.Value) string {
	return map[policy.Value]string{policy.Pass: "2", policy.Warn: "3", policy.Unknown: "5", policy.Fail: "1"}[v]
}

func (t *table) verdict(v policy.Value) string {
	s := strings.ToUpper(string(v))
	if !t.Color {
		return s
	}
	return lipgloss.NewStyle().Bold(true).Reverse(true).Foreground(lipgloss.Color(verdictColor(v))).Render(" " + s + " ")
}
