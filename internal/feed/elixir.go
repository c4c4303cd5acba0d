package feed

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// elixirFeed reads the database of Hex packages that Mirego keeps for mix_audit
// (github.com/mirego/elixir-security-advisories): YAML made of GitHub's records.
func elixirFeed() Feed {
	return Feed{
		Name:  "elixir-advisories",
		Home:  "https://github.com/mirego/elixir-security-advisories",
		Doc:   "Mirego's database of Hex packages, a tar archive of YAML",
		Every: 24 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			records := func(name string) bool { return inFolder(name, "packages") && path.Ext(name) == ".yml" }
			return fetchRecords(ctx, o, "https://github.com/mirego/elixir-security-advisories/archive/refs/heads/main.tar.gz", records,
				parseElixir, out)
		},
	}
}

// parseElixir reads one record. It never panics, whatever the bytes. The conditions of
// one range must all be met.
func parseElixir(name string, data []byte, err error) osvParsed {
	p := osvParsed{name: path.Base(path.Dir(name)) + "/" + baseName(name)}
	var rec struct {
		ID         string      `json:"id"`
		Package    string      `json:"package"`
		Title      looseString `json:"title"`
		Severity   looseString `json:"severity"`
		Date       looseString `json:"disclosure_date"`
		CVE        looseString `json:"cve"`
		Vulnerable []string    `json:"vulnerable_version_ranges"`
	}
	if err == nil {
		if data, err = yamlJSON(data); err == nil {
			err = decodeJSON(data, &rec)
		}
	}
	switch {
	case err != nil:
		err = fmt.Errorf("reading the record: %v", err)
	case !isName(rec.ID):
		err = fmt.Errorf("its ID %.60q is not one", rec.ID)
	case !isName(rec.Package):
		err = fmt.Errorf("its package %.60q is not one", rec.Package)
	case len(rec.Vulnerable) == 0:
		err = fmt.Errorf("it has no range")
	}
	if err != nil {
		p.bad = err
		return p
	}
	a := advisory.Advisory{
		ID: rec.ID, Summary: oneLine(string(rec.Title)), Severity: severityOf(string(rec.Severity)), URL: recordURL(rec.ID),
		Published: parseTime(string(rec.Date)), Aliases: aliasesOf(rec.ID, strings.Fields(string(rec.CVE))),
	}
	a.Modified = a.Published
	affected, err := hexSyntax.sets(rec.Vulnerable)
	if err != nil {
		p.bad = err
		return p
	}
	af := advisory.Affected{Ecosystem: "Hex", Package: rec.Package, Ranges: affected.intervals()}
	if len(af.Ranges) == 0 {
		p.skip = "affects no version"
		return p
	}
	a.Affected = []advisory.Affected{af}
	p.adv = &a
	return p
}
