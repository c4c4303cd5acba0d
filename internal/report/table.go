package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/policy"
)

// Style says how a table is drawn.
type Style struct {
	// Width in columns; 0 means that lines are not cut.
	Width int
	Color bool
	// ShowSuppressed lists the findings that do not count, too.
	ShowSuppressed bool
}

// Table writes r for people: findings grouped by package, the worst first, then what
// is unknown, what was used, and the verdict last, where a terminal's reader looks.
// Every name from the image is made printable.
func Table(w io.Writer, r *Report, s Style) error {
	t := &table{w: bufio.NewWriter(w), Style: s}
	t.head(r)
	t.findings(r)
	t.suppressed(r)
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
	t.line(t.verdict(l.Verdict.Value), t.bold(Printable(l.Source)+": "+count(len(l.Reports), "image")))
	t.line("")
	return t.w.Flush()
}

func (t *table) head(r *Report) {
	t.line()
	t.line(t.bold(Printable(r.Image.Name)), t.faint(Printable(differs(r.Image.Reference, r.Image.Name))))
	facts := facts(r)
	if d := r.Image.Digest; d != "" {
		facts = append(facts, Printable(d.Algorithm()+":"+d.Short()))
	} else if d := r.Image.ID; d != "" {
		facts = append(facts, Printable("config "+d.Algorithm()+":"+d.Short()))
	}
	t.list(facts)
	t.line()
}

// facts says, but for its name and digest, which image it is: what runs in it, the platform,
// and how much there is. It is empty if nothing is known.
func facts(r *Report) []string {
	var out []string
	add := func(s string) {
		if s != "" {
			out = append(out, Printable(s))
		}
	}
	if os := r.Image.OS; os != nil {
		add(distro(os))
	}
	add(r.Image.Platform)
	if n := len(r.Image.Layers); n > 0 {
		add(count(n, "layer"))
	}
	if len(out) > 0 || len(r.Packages) > 0 {
		add(count(len(r.Packages), "package"))
	}
	return out
}

func differs(s, other string) string {
	if s == other {
		return ""
	}
	return s
}

// distro names the distribution with its release: "Debian GNU/Linux 12 (bookworm)",
// "Alpine Linux v3.22 (3.22.0)", "Wolfi 20230201".
func distro(d *inventory.Distro) string {
	name := d.Name
	if name == "" {
		name = d.ID
	}
	switch {
	case d.VersionID == "" || names(name, d.VersionID):
		return name
	case strings.ContainsAny(name, "0123456789"):
		return name + " (" + d.VersionID + ")"
	}
	return name + " " + d.VersionID
}

// names tells whether name holds the release v as a number of its own or as the
// beginning of one: "Ubuntu 24.04.1 LTS" names 24.04, "CentOS 17" does not name 7.
func names(name, v string) bool {
	for word := range strings.FieldsSeq(name) {
		word = strings.TrimPrefix(strings.Trim(word, "()"), "v")
		if rest, ok := strings.CutPrefix(word, v); ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// unknowns lists what is unknown, unless the verdict's reasons name each of them.
func (t *table) unknowns(r *Report) {
	said := 0
	for _, why := range r.Verdict.Reasons {
		if why.Action == policy.Unknown {
			said++
		}
	}
	if len(r.Unknowns) > said {
		t.line(t.bold("Unknown"), t.faint("what could not be read or matched does not count as clean"))
		for i, u := range r.Unknowns {
			if i == maxLines {
				t.line("  " + t.faint(fmt.Sprintf("and %d more: see -f json", len(r.Unknowns)-i)))
				break
			}
			reason := Printable(string(u.Reason))
			t.labelled("  "+t.paint(reason, "5", false), "  "+reason, 0, Printable(u.String()))
		}
		t.line()
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
		t.line(t.faint("skipped"), Printable(s.Digest.Short()), Printable(s.Platform), Printable(s.Why))
	}
	if len(skipped) > 0 {
		t.line()
	}
}

// footLabel is the width of the labels below the findings.
const footLabel = len("advisories")

func (t *table) foot(r *Report) {
	said := false
	say := func(label, text string) {
		t.labelled(t.faint(label), label, footLabel, Printable(text))
		said = true
	}
	for _, c := range r.Coverage {
		if c.Matched == c.Packages && c.Note == "" {
			continue
		}
		text := fmt.Sprintf("%s: %d of %s matched", c.Type, c.Matched, count(c.Packages, "package"))
		if c.Note != "" {
			text += ": " + c.Note
		}
		say("coverage", text)
	}
	for _, line := range vexLines(r, t.ShowSuppressed) {
		say("vex", line)
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
		say("advisories", strings.Join(names, ", "))
	}
	if r.Timing != nil && (len(r.Image.Layers) > 0 || len(r.Packages) > 0) {
		say("time", duration(r.Timing))
	}
	if said {
		t.line()
	}
	v, sum := t.verdict(r.Verdict.Value), total(r)
	if t.fits(v, sum) {
		t.line(v, t.bold(sum))
	} else {
		t.line(v)
		t.below(2, sum, t.bold)
	}
	t.reasons(r.Verdict.Reasons)
	t.line()
}

// reasons lists what made the verdict, in columns: what it leads to, which rule, why.
func (t *table) reasons(reasons []policy.Reason) {
	action, rule := 0, 0
	for _, why := range reasons {
		action, rule = max(action, len(why.Action)), max(rule, len(why.Rule))
	}
	for _, why := range reasons {
		plain := "  " + string(why.Action) + strings.Repeat(" ", action-len(why.Action)) + "  " + Printable(why.Rule)
		text := Printable(why.Detail)
		if why.Action == policy.Unknown && why.Count > 1 {
			text += fmt.Sprintf(" (and %d more above)", why.Count-1)
		}
		t.labelled(strings.Replace(plain, string(why.Action), t.paint(string(why.Action), verdictColor(why.Action), false), 1), plain, 2+action+2+rule, text)
	}
}

func duration(m *Timing) string {
	took := fmt.Sprintf("%.2f s", m.Seconds)
	switch {
	case m.LayersRead+m.LayersCached == 0:
		return took
	case m.LayersCached == 0:
		return took + ", " + count(m.LayersRead, "layer") + " read"
	case m.LayersRead == 0:
		return took + ", " + count(m.LayersCached, "layer") + " known from before"
	}
	return fmt.Sprintf("%s, %s read, %d known from before", took, count(m.LayersRead, "layer"), m.LayersCached)
}

// total counts findings by severity, the worst first. Without any it says what that
// means, so that nothing unread looks like nothing wrong.
func total(r *Report) string {
	switch {
	case len(r.Findings) > 0:
	case len(r.Packages) == 0:
		return "nothing was found that can be judged"
	case r.Snapshot == nil:
		return count(len(r.Packages), "package") + ", held against nothing"
	default:
		matched := 0
		for _, c := range r.Coverage {
			matched += c.Matched
		}
		left := ""
		if n := len(r.Suppressed); n > 0 {
			left = fmt.Sprintf(" besides %d suppressed", n)
		}
		if matched < len(r.Packages) {
			return fmt.Sprintf("no findings%s, but only %d of %s matched", left, matched, count(len(r.Packages), "package"))
		}
		return "no findings" + left + " in " + count(len(r.Packages), "package")
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
	fixes := fmt.Sprintf("%d with a fix", r.Summary.Fixable)
	if r.Summary.Fixable == 0 {
		fixes = "none with a fix"
	}
	return strings.Join(parts, " · ") + " — " + fixes
}
