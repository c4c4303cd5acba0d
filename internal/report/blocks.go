package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/policy"
)

// block is a package and what is held against it; packages of one source package
// with the very same findings share one.
type block struct {
	packages []*Package // empty for findings that are not about a package
	findings []*Finding
}

// blocks groups findings by package, in the order of each group's worst. Of findings
// with one severity those that are exploited come first.
func blocks(r *Report) []*block {
	all := make([]*Finding, len(r.Findings))
	for i := range r.Findings {
		all[i] = &r.Findings[i]
	}
	slices.SortStableFunc(all, func(a, b *Finding) int {
		return cmp.Or(cmp.Compare(severityOf(b), severityOf(a)), cmp.Compare(exploited(b), exploited(a)))
	})
	var order []*block
	of := map[*Package]*block{}
	for _, f := range all {
		b := of[f.Package]
		if b == nil {
			b = &block{}
			if f.Package != nil {
				b.packages = []*Package{f.Package}
			}
			of[f.Package] = b
			order = append(order, b)
		}
		b.findings = append(b.findings, f)
	}
	var out []*block
	same := map[string]*block{}
	for _, b := range order {
		if len(b.packages) == 1 && b.packages[0].Source != nil {
			k := b.key()
			if first := same[k]; first != nil {
				first.packages = append(first.packages, b.packages...)
				continue
			}
			same[k] = b
		}
		out = append(out, b)
	}
	return out
}

// key is equal for packages that can share a block.
func (b *block) key() string {
	p := b.packages[0]
	var k strings.Builder
	write := func(parts ...string) {
		for _, s := range parts {
			fmt.Fprintf(&k, "%d:%s", len(s), s)
		}
	}
	write(p.Type, p.Source.Name, p.Source.Version, p.Version, p.Module)
	if len(p.Locations) > 0 {
		write(string(p.Locations[0].Layer))
	}
	for _, f := range b.findings {
		write(f.ID, f.Severity, f.State, f.FixedVersion)
	}
	return k.String()
}

func severityOf(f *Finding) advisory.Severity {
	s, _ := policy.ParseSeverity(f.Severity)
	return s
}

func exploited(f *Finding) int {
	if f.Exploited != nil {
		return 1
	}
	return 0
}

// columns are the widths of the columns of findings, the same in all blocks.
type columns struct{ severity, id, fix int }

// maxColumn bounds a column, so that one odd value does not push the others away.
const maxColumn = 30

func (t *table) findings(r *Report) {
	var c columns
	for i := range r.Findings {
		f := &r.Findings[i]
		c.severity = max(c.severity, len(f.Severity))
		c.id = min(max(c.id, lipgloss.Width(Printable(f.ID))), maxColumn)
		c.fix = min(max(c.fix, lipgloss.Width(fix(f))), maxColumn)
	}
	for _, b := range blocks(r) {
		if len(b.packages) > 0 {
			t.packages(r, b.packages)
		}
		for _, f := range b.findings {
			t.finding(f, c)
		}
		t.line()
	}
}

// packages writes the head of a block.
func (t *table) packages(r *Report, ps []*Package) {
	v, where := Printable(ps[0].Version), Printable(where(r, ps[0]))
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = Printable(p.Name)
	}
	if t.Width > 0 {
		names = fitting(names, t.room(2+lipgloss.Width(v)))
	}
	name := strings.Join(names, ", ")
	switch {
	case t.fits(name, v, where):
		t.line(t.bold(name), v, t.faint(where))
		return
	case t.fits(name, v):
		t.line(t.bold(name), v)
	default:
		for _, line := range wrap(name, t.room(0)) {
			t.line(t.bold(line))
		}
		t.below(2, v, nil)
	}
	t.below(2, where, t.faint)
}

// fitting shortens a list of names to what fits into width columns, at least one.
func fitting(names []string, width int) []string {
	for n := len(names); n > 1; n-- {
		out := names[:n:n]
		if n < len(names) {
			out = append(out, fmt.Sprintf("%d more", len(names)-n))
		}
		if lipgloss.Width(strings.Join(out, ", ")) <= width {
			return out
		}
	}
	if len(names) < 2 {
		return names
	}
	return []string{names[0], fmt.Sprintf("%d more", len(names)-1)}
}

// leastTitle is how many columns of a title are worth showing.
const leastTitle = 16

func (t *table) finding(f *Finding, c columns) {
	id, how := Printable(f.ID), fix(f)
	row := "  " + t.severity(f.Severity) + pad(f.Severity, c.severity) + "  " + id + pad(id, c.id)
	mark, title := "", Printable(f.Title)
	if f.Exploited != nil {
		mark = "exploited"
	}
	// What to do, and that it is urgent, is worth a line of its own before it is cut away.
	if !t.fits(row, how, mark) {
		t.line(row)
		t.below(4, how, nil)
		t.below(4, mark, t.alarm)
		return
	}
	shown := how
	if f.FixedVersion == "" {
		shown = t.faint(how)
	}
	if mark != "" && title != "" {
		mark += ": "
	}
	whole := row + "  " + how + pad(how, c.fix)
	switch room := t.room(lipgloss.Width(whole) + 2 + len(mark)); {
	case title != "" && (t.Width <= 0 || room >= min(leastTitle, lipgloss.Width(title))):
		t.line(row, shown+pad(how, c.fix), t.alarm(mark)+title)
	default:
		t.line(row, shown, t.alarm(strings.TrimSuffix(mark, ": ")))
	}
}

// fix says what to do about a finding.
func fix(f *Finding) string {
	if f.FixedVersion != "" {
		return "→ " + Printable(f.FixedVersion)
	}
	return unfixed(f)
}

// unfixed says how it stands with a flaw that has no fix.
func unfixed(f *Finding) string {
	if f.State == advisory.StateAffected.String() {
		return "no fix"
	}
	return strings.ReplaceAll(f.State, "_", " ")
}

// where names the package's kind, its layer counted from the base, and its place; the
// place of a distribution's package is its database, which goes without saying.
func where(r *Report, p *Package) string {
	parts := []string{p.Type}
	if p.Source != nil && p.Source.Name != p.Name {
		parts[0] += " from " + p.Source.Name
	}
	if len(p.Locations) == 0 {
		return parts[0]
	}
	at := p.Locations[0]
	for i, l := range r.Image.Layers {
		if l.Digest == at.Layer && len(r.Image.Layers) > 1 {
			parts = append(parts, fmt.Sprintf("layer %d of %d", i+1, len(r.Image.Layers)))
			break
		}
	}
	if p.Source == nil {
		place := at.Path
		if p.Evidence == "lockfile" {
			place = "named in " + place
		}
		if n := len(p.Locations) - 1; n > 0 {
			place += fmt.Sprintf(" and %d more", n)
		}
		parts = append(parts, place)
	}
	return strings.Join(parts, " · ")
}
