package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// maxMarkdown is how many findings a table in Markdown has: comments and summaries of jobs
// are bounded.
const maxMarkdown = 100

// writeMarkdown writes a section for each image: the verdict and why, then a table of
// findings, the worst first (GitHub Flavored Markdown).
func writeMarkdown(w io.Writer, d Document, _ Style) error {
	b := bufio.NewWriter(w)
	for i, r := range d.Reports() {
		if i > 0 {
			b.WriteByte('\n')
		}
		markdown(b, r)
	}
	if d.Many != nil {
		fmt.Fprintf(b, "\n**%s** for %s of %s\n", d.Many.Verdict.Value, count(len(d.Many.Reports), "image"), code(d.Many.Source))
	}
	return b.Flush()
}

func markdown(b *bufio.Writer, r *Report) {
	fmt.Fprintf(b, "## %s: %s\n\n%s\n", code(r.Image.Name), r.Verdict.Value, text(total(r)))
	if len(r.Verdict.Reasons) > 0 {
		b.WriteByte('\n')
	}
	for _, why := range r.Verdict.Reasons {
		fmt.Fprintf(b, "- **%s** %s: %s\n", why.Action, code(why.Rule), text(why.Detail))
	}
	if len(r.Findings) == 0 {
		return
	}
	b.WriteString("\n| severity | vulnerability | package | installed | fixed in |\n|---|---|---|---|---|\n")
	for i := range r.Findings {
		if i == maxMarkdown {
			fmt.Fprintf(b, "\nand %d more findings\n", len(r.Findings)-i)
			break
		}
		f := &r.Findings[i]
		id := text(f.ID)
		if isWebAddress(f.URL) && !strings.ContainsAny(f.URL, "()") {
			id = "[" + id + "](" + f.URL + ")"
		}
		name, version, fixed := "", "", f.FixedVersion
		if p := f.Package; p != nil {
			name, version = p.Name, p.Version
		}
		if fixed == "" {
			fixed = unfixed(f)
		} else {
			fixed = code(fixed)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", f.Severity, id, code(name), code(version), fixed)
	}
}

// text escapes what Markdown or HTML would act upon.
func text(s string) string {
	var b strings.Builder
	for _, c := range Printable(s) {
		if strings.ContainsRune("\\`*_{}[]()#+!|<>&~@", c) {
			fmt.Fprintf(&b, "&#%d;", c)
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

// code sets s in a span of code, in which only backticks and the bars of tables mean
// something.
func code(s string) string {
	s = strings.NewReplacer("`", "'", "|", "\\|").Replace(Printable(s))
	if strings.TrimSpace(s) == "" {
		return ""
	}
	return "`" + s + "`"
}
