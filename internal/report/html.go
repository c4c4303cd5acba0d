package report

import (
	"bufio"
	_ "embed"
	"fmt"
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
		"name": func(s any) string { return Printable(fmt.Sprint(s)) }, "total": total,
		"facts": func(r *Report) string {
			out := facts(r)
			if d := r.Image.Digest; d != "" {
				out = append(out, Printable(string(d)))
			}
			return strings.Join(out, " · ")
		},
		"unfixed": func(f Finding) string { return unfixed(&f) },
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
