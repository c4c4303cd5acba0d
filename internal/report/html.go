package report

import (
	"bufio"
	_ "embed"
	"html/template"
	"io"
	"strings"
	"sync"

	"github.com/plimsoll/plimsoll/internal/policy"
)

//go:embed report.html.tmpl
var pageText string

// pageTemplate is the page. It escapes by where a value stands; names are made printable
// besides. No script runs in it, by its own policy.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("report").Funcs(template.FuncMap{
		"name": Printable, "facts": facts, "total": total,
		"state": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
	}).Parse(pageText))
})

// writeHTML writes one page that needs nothing else: no script, no other file.
func writeHTML(w io.Writer, d Document, _ Style) error {
	b := bufio.NewWriter(w)
	page := struct {
		Source  string
		Verdict policy.Value
		Reports []*Report
	}{Printable(d.Source()), d.Verdict().Value, d.Reports()}
	if err := pageTemplate().Execute(b, page); err != nil {
		return err
	}
	b.WriteByte('\n')
	return b.Flush()
}

// facts says in a line which image it is.
func facts(r *Report) string {
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
	add(count(len(r.Packages), "package"))
	add(string(r.Image.Digest))
	return strings.Join(out, " · ")
}
