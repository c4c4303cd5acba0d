package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/match"
	"github.com/plimsoll/plimsoll/internal/report"
)

// showDocument is what advisories show says, in JSON.
type showDocument struct {
	ID             string              `json:"id"`
	Title          string              `json:"title,omitempty"`
	Published      string              `json:"published,omitempty"`
	Severity       string              `json:"severity"`
	SeveritySource string              `json:"severity_source,omitempty"`
	CVSS           []advisory.CVSS     `json:"cvss"`
	EPSS           *advisory.EPSS      `json:"epss,omitempty"`
	Exploited      *advisory.Exploited `json:"exploited,omitempty"`
	Packages       []showPackage       `json:"packages"`
	// NotHere counts the parts of the snapshot that were not looked at.
	NotHere int `json:"parts_not_here"`
}

// showPackage is all that is said of the flaw in one package; the first statement wins.
type showPackage struct {
	Ecosystem  string          `json:"ecosystem"`
	Package    string          `json:"package"`
	Because    string          `json:"chosen_because"`
	Statements []showStatement `json:"statements"`
}

type showStatement struct {
	Source   string   `json:"source"`
	Advisory string   `json:"advisory"`
	State    string   `json:"state"`
	Severity string   `json:"severity"`
	Affected []string `json:"affected"`
	Arch     string   `json:"arch,omitempty"`
	Module   string   `json:"module,omitempty"`
	Stream   string   `json:"stream,omitempty"`
	URL      string   `json:"url,omitempty"`
	rank     int
	why      string
}

func newShow(env Env) *cobra.Command {
	var dir, format, asOf string
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Print what every source says of a flaw, which word counts for each package, and why",
		Example: `  plimsoll advisories show CVE-2021-36159
  plimsoll advisories show GHSA-jfh8-c2jp-5v3q -f json`,
		Args: one("flaw", "plimsoll advisories show CVE-2021-36159"),
		RunE: func(c *cobra.Command, args []string) error {
			if format != "table" && format != "json" {
				return usage("--format %s: want table or json", format)
			}
			o := advisorydb.Options{}
			if asOf != "" {
				at, err := parseAsOf(asOf)
				if err != nil {
					return err
				}
				o.AsOf = endOf(asOf, at)
			}
			db, err := o.Open(snapshotDir(env, dir))
			if err != nil {
				return err
			}
			defer db.Close()
			id := strings.TrimSpace(args[0])
			all, err := db.About(c.Context(), id)
			if err != nil {
				return err
			}
			e, known, err := db.Enrich(c.Context(), id)
			if err != nil && len(all) == 0 {
				return err
			}
			doc := show(id, e, all)
			for _, s := range db.Manifest().Shards {
				if !db.Has(s) {
					doc.NotHere++
				}
			}
			if !known && len(all) == 0 {
				more := ""
				if doc.NotHere > 0 {
					more = fmt.Sprintf("; %d of its parts are not here: plimsoll advisories pull --all brings them", doc.NotHere)
				}
				return &exit{code: exitNotFound, msg: fmt.Sprintf("the snapshot knows nothing of %s%s", id, more)}
			}
			if format == "json" {
				return writeJSON(env.Stdout, doc)
			}
			writeShow(env.Stdout, doc)
			return nil
		},
	}
	dirFlag(c, &dir, "dir", "folder of the snapshot")
	c.Flags().StringVarP(&format, "format", "f", "table", "table or json")
	c.Flags().StringVar(&asOf, "as-of", "", "ask the snapshot that was in force on a day")
	return c
}

func show(id string, e advisory.Enrichment, all []advisory.Advisory) showDocument {
	doc := showDocument{ID: id, Title: e.Summary, Severity: e.Severity.String(), SeveritySource: e.SeveritySource,
		CVSS: e.CVSS, EPSS: e.EPSS, Exploited: e.Exploited, Packages: []showPackage{}}
	if doc.CVSS == nil {
		doc.CVSS = []advisory.CVSS{}
	}
	if !e.Published.IsZero() {
		doc.Published = e.Published.UTC().Format(time.DateOnly)
	}
	for i := range all {
		a, f := &all[i], &all[i].Affected[0]
		n := len(doc.Packages)
		if n == 0 || doc.Packages[n-1].Ecosystem != f.Ecosystem || doc.Packages[n-1].Package != f.Package {
			doc.Packages = append(doc.Packages, showPackage{Ecosystem: f.Ecosystem, Package: f.Package})
			n++
		}
		s := showStatement{Source: a.Source, Advisory: a.ID, State: f.State.String(), Severity: cmp.Or(f.Severity, a.Severity).String(),
			Affected: ranges(f), Arch: f.Arch, Module: f.Module, Stream: f.Stream, URL: a.URL}
		s.rank, s.why = match.Precedence(f.Ecosystem, a)
		p := &doc.Packages[n-1]
		p.Statements = append(p.Statements, s)
	}
	for i := range doc.Packages {
		p := &doc.Packages[i]
		slices.SortStableFunc(p.Statements, func(x, y showStatement) int { return cmp.Compare(x.rank, y.rank) })
		p.Because = p.Statements[0].why
	}
	return doc
}

// ranges says in words which versions are affected.
func ranges(f *advisory.Affected) []string {
	out := []string{}
	if f.State == advisory.StateNotAffected {
		return append(out, "none")
	}
	for _, r := range f.Ranges {
		var s string
		if r.Introduced != "" && r.Introduced != "0" {
			s = ">= " + r.Introduced
		}
		switch {
		case r.Fixed != "":
			s = strings.TrimSpace(s + " < " + r.Fixed)
		case r.LastAffected != "":
			s = strings.TrimSpace(s + " <= " + r.LastAffected)
		case s == "":
			s = "all"
		}
		out = append(out, s)
	}
	const most = 8
	for i, v := range f.Versions {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(f.Versions)-i))
			break
		}
		out = append(out, "= "+v)
	}
	if len(out) == 0 {
		out = append(out, "all")
	}
	return out
}

func writeShow(w io.Writer, doc showDocument) {
	p := report.Printable
	fmt.Fprintf(w, "%s  %s", p(doc.ID), doc.Severity)
	if doc.SeveritySource != "" {
		fmt.Fprintf(w, " (%s)", p(doc.SeveritySource))
	}
	if doc.Published != "" {
		fmt.Fprintf(w, ", published %s", doc.Published)
	}
	fmt.Fprintln(w)
	if doc.Title != "" {
		fmt.Fprintf(w, "  %s\n", p(doc.Title))
	}
	for _, v := range doc.CVSS {
		fmt.Fprintf(w, "  %.1f %s (%s)\n", v.Score, p(v.Vector), p(v.Source))
	}
	if x := doc.Exploited; x != nil {
		fmt.Fprintf(w, "  known to be exploited since %s\n", p(x.Added))
	}
	if x := doc.EPSS; x != nil {
		fmt.Fprintf(w, "  EPSS %.1f %%, percentile %.0f\n", 100*x.Score, 100*x.Percentile)
	}
	ecosystem := ""
	for _, pkg := range doc.Packages {
		if pkg.Ecosystem != ecosystem {
			ecosystem = pkg.Ecosystem
			fmt.Fprintf(w, "\n%s\n", p(ecosystem))
		}
		fmt.Fprintf(w, "  %s  %s counts: %s\n", p(pkg.Package), p(pkg.Statements[0].Source), pkg.Because)
		for _, s := range pkg.Statements {
			fmt.Fprintf(w, "    %s %s  %s  %s", p(s.Source), p(s.Advisory), s.State, p(strings.Join(s.Affected, ", ")))
			for _, limit := range []struct{ what, v string }{{"arch", s.Arch}, {"module", s.Module}, {"stream", s.Stream}} {
				if limit.v != "" {
					fmt.Fprintf(w, "  %s %s", limit.what, p(limit.v))
				}
			}
			fmt.Fprintln(w)
		}
	}
	if doc.NotHere > 0 {
		fmt.Fprintf(w, "\n%d parts of the snapshot are not here and were not looked at: plimsoll advisories pull --all brings them\n", doc.NotHere)
	}
}
