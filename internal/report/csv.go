package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// csvHeader are the columns of the CSV form (RFC 4180).
var csvHeader = []string{
	"image", "digest", "platform", "package", "version", "type", "purl", "vulnerability", "aliases", "severity", "severity_source", "state",
	"fixed_version", "path", "layer", "cvss_score", "cvss_vector", "epss", "exploited_since", "source", "title", "url", "suppressed_by",
}

// writeCSV writes a line for each finding, and one for each that a VEX statement suppresses.
func writeCSV(w io.Writer, d Document, _ Style) error {
	c := csv.NewWriter(w)
	if err := c.Write(csvHeader); err != nil {
		return err
	}
	for _, r := range d.Reports() {
		for _, list := range [...][]Finding{r.Findings, r.Suppressed} {
			for i := range list {
				if err := c.Write(csvLine(r, &list[i])); err != nil {
					return err
				}
			}
		}
	}
	c.Flush()
	return c.Error()
}

func csvLine(r *Report, f *Finding) []string {
	var p Package
	if f.Package != nil {
		p = *f.Package
	}
	score, vector, epss, since, by := "", "", "", "", ""
	if len(f.CVSS) > 0 {
		score, vector = strconv.FormatFloat(f.CVSS[0].Score, 'f', 1, 64), f.CVSS[0].Vector
	}
	if f.EPSS != nil {
		epss = strconv.FormatFloat(f.EPSS.Score, 'f', -1, 64)
	}
	if f.Exploited != nil {
		since = f.Exploited.Added
	}
	if f.VEX != nil {
		by = f.VEX.Source
	}
	line := []string{
		r.Image.Name, string(r.Image.Digest), r.Image.Platform, p.Name, p.Version, p.Type, p.PURL, f.ID, strings.Join(f.Aliases, " "),
		f.Severity, f.SeveritySource, f.State, f.FixedVersion, f.Location.Path, string(f.Location.Layer), score, vector, epss, since,
		f.Source, f.Title, f.URL, by,
	}
	for i, s := range line {
		line[i] = cell(s)
	}
	return line
}

// cell keeps a spreadsheet from taking a name from an image for a formula
// (owasp.org/www-community/attacks/CSV_Injection).
func cell(s string) string {
	s = Printable(s)
	if s != "" && strings.ContainsRune("=+-@\t", rune(s[0])) {
		return "'" + s
	}
	return s
}
