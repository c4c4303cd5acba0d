package report

import (
	"io"
	"slices"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/policy"
)

// Document is what a scan gave: the report of one image, or of several of one source.
// Exactly one of the two is set.
type Document struct {
	One  *Report
	Many *List
}

// Reports lists the reports in d, which must not be changed. A list without any gives one
// that has nothing but the verdict, so that no format passes over it in silence.
func (d Document) Reports() []*Report {
	switch {
	case d.One != nil:
		return []*Report{d.One}
	case len(d.Many.Reports) > 0:
		return d.Many.Reports
	}
	r := &Report{Image: Image{Name: d.Many.Source}, Verdict: d.Many.Verdict}
	for _, why := range r.Verdict.Reasons {
		if why.Action == policy.Unknown {
			r.Unknowns = append(r.Unknowns, inventory.Unknown{Reason: inventory.Reason(why.Rule), Subject: d.Many.Source, Detail: why.Detail})
		}
	}
	return []*Report{r}
}

// Verdict gives the verdict on all of d.
func (d Document) Verdict() Verdict {
	if d.One != nil {
		return d.One.Verdict
	}
	return d.Many.Verdict
}

// Source names what was scanned.
func (d Document) Source() string {
	if d.One != nil {
		return d.One.Image.Name
	}
	return d.Many.Source
}

// Format is a way to write a [Document].
type Format struct {
	// Name as in --format, and Doc on a line of help.
	Name, Doc string
	// Write writes d. Equal documents give equal bytes. Style is for people's formats.
	Write func(w io.Writer, d Document, s Style) error
}

// Formats lists the formats, in the order in which help names them.
func Formats() []Format {
	return []Format{
		{"table", "for people, in a terminal", func(w io.Writer, d Document, s Style) error {
			if d.One != nil {
				return Table(w, d.One, s)
			}
			return TableList(w, d.Many, s)
		}},
		{"json", "everything, by the published schema", func(w io.Writer, d Document, _ Style) error {
			if d.One != nil {
				return JSON(w, d.One)
			}
			return JSON(w, d.Many)
		}},
		{"sarif", "SARIF 2.1.0, for code scanning of GitHub and others", writeSARIF},
		{"junit", "JUnit XML, a test case for each rule", writeJUnit},
		{"github", "annotations of GitHub Actions; Markdown goes to the summary of the job", writeGitHub},
		{"csv", "a line for each finding, for spreadsheets", writeCSV},
		{"openvex", "OpenVEX 0.2.0: each flaw, the packages it affects, and what to do", writeOpenVEX},
		{"markdown", "for a comment or the summary of a job", writeMarkdown},
		{"html", "one page that needs nothing else", writeHTML},
	}
}

// FormatNamed finds a format.
func FormatNamed(name string) (Format, bool) {
	all := Formats()
	i := slices.IndexFunc(all, func(f Format) bool { return f.Name == name })
	if i < 0 {
		return Format{}, false
	}
	return all[i], true
}
