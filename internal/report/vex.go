package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// suppressed lists what does not count, each with who says so and why.
func (t *table) suppressed(r *Report) {
	if !t.ShowSuppressed || len(r.Suppressed) == 0 {
		return
	}
	t.line(t.bold("Suppressed"), t.faint("by a VEX statement on each of these it does not count"))
	severity, id := 0, 0
	for i := range r.Suppressed {
		severity, id = max(severity, len(r.Suppressed[i].Severity)), max(id, min(len(r.Suppressed[i].ID), maxColumn))
	}
	for i := range r.Suppressed {
		f := &r.Suppressed[i]
		of := ""
		if f.Package != nil {
			of = f.Package.Name + " " + f.Package.Version
		}
		name := Printable(f.ID)
		plain := "  " + f.Severity + pad(f.Severity, severity) + "  " + name + pad(name, id)
		t.labelled(strings.Replace(plain, f.Severity, t.severity(f.Severity), 1), plain, 0, Printable(of+": "+why(f)))
	}
	t.line()
}

// why gives a statement in words: "not affected, vulnerable code not present: Not built in. (Acme, in web.json)".
func why(f *Finding) string {
	v := f.VEX
	if v == nil {
		return ""
	}
	s := strings.ReplaceAll(v.Status.String(), "_", " ")
	if j := v.Justification.String(); j != "" {
		s += ", " + strings.ReplaceAll(j, "_", " ")
	}
	if v.Impact != "" {
		s += ": " + v.Impact
	}
	by := v.Source
	if v.Author != "" {
		by = v.Author + ", in " + v.Source
	}
	return s + " (" + by + ")"
}

// vexLines gives the lines on VEX below the findings: how many are suppressed, by whom,
// and which documents had statements on nothing.
func vexLines(r *Report, shown bool) []string {
	var out []string
	if n := len(r.Suppressed); n > 0 {
		by := map[string]int{}
		for i := range r.Suppressed {
			if v := r.Suppressed[i].VEX; v != nil {
				by[v.Source]++
			}
		}
		line := fmt.Sprintf("%d suppressed by VEX: ", n)
		sources := make([]string, 0, len(by))
		for s := range by {
			sources = append(sources, s)
		}
		slices.SortFunc(sources, func(a, b string) int { return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b)) })
		for i, s := range sources {
			if i > 0 {
				line += ", "
			}
			if i == maxLines {
				line += fmt.Sprintf("and %d more", len(sources)-i)
				break
			}
			line += fmt.Sprintf("%d by %s", by[s], s)
		}
		if !shown {
			line += "; --show-suppressed lists them"
		}
		out = append(out, line)
	}
	if r.VEX == nil {
		return out
	}
	type sum struct{ said, idle int }
	of := map[string]*sum{}
	var order []string
	for _, d := range r.VEX.Documents {
		if of[d.Source] == nil {
			of[d.Source] = &sum{}
			order = append(order, d.Source)
		}
		of[d.Source].said += d.Statements
		of[d.Source].idle += d.Statements - d.Matched
	}
	idle := 0
	for _, s := range order {
		if n := of[s].idle; n > 0 {
			if idle++; idle > maxLines {
				continue
			}
			out = append(out, fmt.Sprintf("%d of %s in %s matched nothing", n, count(of[s].said, "statement"), s))
		}
	}
	if idle > maxLines {
		out = append(out, fmt.Sprintf("and so in %d more documents: see -f json", idle-maxLines))
	}
	return out
}
