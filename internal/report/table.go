package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"charm.land/lipgloss/v2"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/policy"
)

// Style says how a table is drawn.
type Style struct {
	// Width in columns; 0 means that lines are not cut.
	Width int
	Color bool
}

// Table writes r for people: findings grouped by package, the worst first, then what
// is unknown, what was used, and the verdict last, where a terminal's reader looks.
// Every name from the image is made printable.
func Table(w io.Writer, r *Report, s Style) error {
	t := &table{w: bufio.NewWriter(w), Style: s}
	t.head(r)
	t.findings(r)
	t.unknowns(r)
	t.foot(r)
	return t.w.Flush()
}

// TableList writes each report of l and their common verdict.
func TableList(w io.Writer, l *List, s Style) error {
	for _, r := range l.Reports {
		if err := Table(w, r, s); err != nil {
			return err
		}
	}
	t := &table{w: bufio.NewWriter(w), Style: s}
	t.skipped(l.Skipped)
	t.line("", t.verdict(l.Verdict.Value), t.bold(fmt.Sprintf("%s: %d images", Printable(l.Source), len(l.Reports))))
	t.line("")
	return t.w.Flush()
}

// Printable replaces what a terminal might act upon, or what would deceive a reader,
// in a name from an image: control characters, escapes, and marks that reverse or
// hide text.
func Printable(s string) string {
	ok := true
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			ok = false
			break
		}
	}
	if ok {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

type table struct {
	w *bufio.Writer
	Style
}

const indent = "  "

// line writes parts that are not empty, two spaces between them, cut to the width.
func (t *table) line(parts ...string) {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	s := strings.Join(parts, "  ")
	if s != "" {
		s = indent + s
	}
	if t.Width > 0 && lipgloss.Width(s) > t.Width {
		s = lipgloss.NewStyle().MaxWidth(t.Width-1).Render(s) + "…"
	}
	t.w.WriteString(s)
	t.w.WriteByte('\n')
}

// wrapped writes a long sentence over several lines, indented below its label.
func (t *table) wrapped(label string, width int, text string) {
	room := 100
	if t.Width > 0 {
		room = max(t.Width-len(indent)-width-2, 20)
	}
	first := true
	for line := range strings.Lines(wrap(text, room)) {
		if first {
			t.line(label + pad(label, width) + "  " + strings.TrimRight(line, "\n"))
		} else {
			t.line(strings.Repeat(" ", width) + "  " + strings.TrimRight(line, "\n"))
		}
		first = false
	}
}

func wrap(text string, width int) string {
	var b strings.Builder
	n := 0
	for i, word := range strings.Fields(text) {
		l := lipgloss.Width(word)
		switch {
		case i == 0:
		case n+1+l > width:
			b.WriteByte('\n')
			n = 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += l
	}
	return b.String()
}

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
	if !t.Color {
		return s
	}
	return lipgloss.NewStyle().Bold(true).Render(s)
}

func (t *table) faint(s string) string { return t.paint(s, "8", false) }

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

func (t *table) verdict(v policy.Value) string {
	s := strings.ToUpper(string(v))
	color := map[policy.Value]string{policy.Pass: "2", policy.Warn: "3", policy.Unknown: "5", policy.Fail: "1"}[v]
	if !t.Color {
		return s
	}
	return lipgloss.NewStyle().Bold(true).Reverse(true).Foreground(lipgloss.Color(color)).Render(" " + s + " ")
}

func (t *table) head(r *Report) {
	t.line("")
	t.line(t.bold(Printable(r.Image.Name)), t.faint(Printable(differs(r.Image.Reference, r.Image.Name))))
	var facts []string
	add := func(s string) {
		if s != "" {
			facts = append(facts, Printable(s))
		}
	}
	if os := r.Image.OS; os != nil {
		name := os.Name
		if name == "" {
			name = os.ID
		}
		add(strings.TrimSpace(name + " " + missingIn(os.VersionID, name)))
	}
	add(r.Image.Platform)
	add(count(len(r.Packages), "package"))
	if n := len(r.Image.Layers); n > 0 {
		add(count(n, "layer"))
	}
	if d := r.Image.Digest; d != "" {
		add(d.Algorithm() + ":" + d.Short())
	} else if d := r.Image.ID; d != "" {
		add("config " + d.Algorithm() + ":" + d.Short())
	}
	t.line(t.faint(strings.Join(facts, " · ")))
	t.line("")
}

func differs(s, other string) string {
	if s == other {
		return ""
	}
	return s
}

// missingIn gives v unless name says it already.
func missingIn(v, name string) string {
	if strings.Contains(name, v) {
		return ""
	}
	return v
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// findings writes a block for each package, in the order of its worst finding.
func (t *table) findings(r *Report) {
	if len(r.Findings) == 0 {
		return
	}
	blocks := map[*Package][]*Finding{}
	var order []*Package
	id, fixed := 0, 0
	for i := range r.Findings {
		f := &r.Findings[i]
		if blocks[f.Package] == nil {
			order = append(order, f.Package)
		}
		blocks[f.Package] = append(blocks[f.Package], f)
		id = max(id, lipgloss.Width(Printable(f.ID)))
		fixed = max(fixed, lipgloss.Width(fix(f)))
	}
	fixed = min(fixed, 30)
	for _, p := range order {
		if p != nil {
			t.line(t.bold(Printable(p.Name)), Printable(p.Version), t.faint(Printable(t.where(r, p))))
		}
		for _, f := range blocks[p] {
			sev := t.severity(f.Severity)
			flaw := Printable(f.ID)
			how := fix(f)
			if f.FixedVersion == "" {
				how = t.faint(how)
			}
			mark := ""
			if f.Exploited != nil {
				mark = t.paint("exploited", "1", true)
			}
			t.line("  "+sev+pad(f.Severity, 10)+"  "+flaw+pad(flaw, id)+"  "+how+pad(how, fixed), mark, Printable(f.Title))
		}
		t.line("")
	}
}

// fix says what to do about a finding.
func fix(f *Finding) string {
	if f.FixedVersion != "" {
		return "→ " + Printable(f.FixedVersion)
	}
	if f.State == advisory.StateAffected.String() {
		return "no fix"
	}
	return strings.ReplaceAll(f.State, "_", " ")
}

// where names the package's kind, its layer counted from the base, and its place.
func (t *table) where(r *Report, p *Package) string {
	s := p.Type
	if p.Source != nil && p.Source.Name != p.Name {
		s += " of " + p.Source.Name
	}
	if len(p.Locations) == 0 {
		return s
	}
	at := p.Locations[0]
	for i, l := range r.Image.Layers {
		if l.Digest == at.Layer {
			s += fmt.Sprintf(", layer %d of %d", i+1, len(r.Image.Layers))
			break
		}
	}
	s += ", " + at.Path
	if n := len(p.Locations) - 1; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	return s
}

func (t *table) unknowns(r *Report) {
	if len(r.Unknowns) > 0 {
		t.line(t.bold("Unknown"), t.faint("what could not be read or matched does not count as clean"))
		for i, u := range r.Unknowns {
			if i == maxLines {
				t.line("  " + t.faint(fmt.Sprintf("and %d more: see -f json", len(r.Unknowns)-i)))
				break
			}
			t.wrapped("  "+t.paint(string(u.Reason), "5", false), 2+len(u.Reason), Printable(u.Subject+": "+u.Detail))
		}
		t.line("")
	}
	t.skipped(r.Image.Skipped)
}

// maxLines bounds lists that are explained in full by the JSON document.
const maxLines = 20

func (t *table) skipped(skipped []Skipped) {
	for i, s := range skipped {
		if i == maxLines {
			t.line(t.faint(fmt.Sprintf("and %d more entries that are no images", len(skipped)-i)))
			break
		}
		t.line(t.faint("skipped"), s.Digest.Short(), Printable(s.Platform), Printable(s.Why))
	}
	if len(skipped) > 0 {
		t.line("")
	}
}

func (t *table) foot(r *Report) {
	for _, c := range r.Coverage {
		if c.Matched == c.Packages && c.Note == "" {
			continue
		}
		t.wrapped(t.faint("coverage"), 10, Printable(fmt.Sprintf("%s: %d of %d packages matched: %s", c.Type, c.Matched, c.Packages, c.Note)))
	}
	if r.Snapshot != nil && len(r.Snapshot.Sources) > 0 {
		var names []string
		for _, s := range r.Snapshot.Sources {
			name := s.Name
			if s.Newest != "" {
				name += fmt.Sprintf(" of %s (%s old)", s.Newest, count(s.AgeDays, "day"))
			}
			names = append(names, name)
		}
		t.wrapped(t.faint("advisories"), 10, strings.Join(names, ", "))
	}
	if r.Timing != nil {
		t.line(t.faint("read")+pad("read", 10)+"  "+fmt.Sprintf("%.2fs", r.Timing.Seconds), t.faint(layersSaid(r.Timing)))
	}
	t.line("")
	t.line(t.verdict(r.Verdict.Value), t.bold(total(r)))
	for _, why := range r.Verdict.Reasons {
		t.wrapped("  "+t.faint(why.Rule), 2+len(why.Rule), Printable(why.Detail))
	}
	t.line("")
}

func layersSaid(m *Timing) string {
	switch {
	case m.LayersRead+m.LayersCached == 0:
		return ""
	case m.LayersCached == 0:
		return count(m.LayersRead, "layer") + " read"
	}
	return fmt.Sprintf("%s read, %d known from before", count(m.LayersRead, "layer"), m.LayersCached)
}

// total counts findings by severity, the worst first.
func total(r *Report) string {
	if len(r.Findings) == 0 {
		return "no findings"
	}
	var parts []string
	for s := advisory.SeverityCritical; ; s-- {
		if n := r.Summary.Findings[s.String()]; n > 0 {
			word := s.String()
			if s == advisory.SeverityUnknown {
				word = "not rated"
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, word))
		}
		if s == advisory.SeverityUnknown {
			break
		}
	}
	return strings.Join(parts, " · ") + fmt.Sprintf(" — %d with a fix", r.Summary.Fixable)
}
