package feed

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// rubySecFeed reads RubySec's database of gems (github.com/rubysec/ruby-advisory-db,
// README): YAML. What is said of Ruby's interpreters is not on a gem.
func rubySecFeed() Feed {
	return Feed{
		Name:  "rubysec",
		Home:  "https://rubysec.com/advisories",
		Doc:   "RubySec's database of gems, a tar archive of YAML",
		Every: 12 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			onGems := func(name string) bool { return inFolder(name, "gems") && path.Ext(name) == ".yml" }
			return fetchRecords(ctx, o, "https://github.com/rubysec/ruby-advisory-db/archive/refs/heads/master.tar.gz", onGems,
				parseRubySec, out)
		},
	}
}

type rubyAdvisory struct {
	Gem        string      `json:"gem"`
	CVE        looseString `json:"cve"`
	GHSA       looseString `json:"ghsa"`
	OSVDB      looseString `json:"osvdb"`
	URL        looseString `json:"url"`
	Title      looseString `json:"title"`
	Date       looseString `json:"date"`
	Patched    []string    `json:"patched_versions"`
	Unaffected []string    `json:"unaffected_versions"`
	Withdrawn  looseString `json:"withdrawn"`
}

// parseRubySec reads one record. It never panics, whatever the bytes. Affected is what is
// neither patched nor unaffected. A record has no name of its own: it goes by its CVE,
// then by GitHub's name, then by that of the old OSVDB.
func parseRubySec(name string, data []byte, err error) osvParsed {
	p := osvParsed{name: path.Base(path.Dir(name)) + "/" + baseName(name)}
	var rec rubyAdvisory
	if err == nil {
		if data, err = yamlJSON(data); err == nil {
			err = decodeJSON(data, &rec)
		}
	}
	if err != nil {
		p.bad = fmt.Errorf("reading the record: %v", err)
		return p
	}
	var ids []string
	for _, id := range [...]struct {
		prefix string
		number looseString
	}{{"CVE-", rec.CVE}, {"GHSA-", rec.GHSA}, {"OSVDB-", rec.OSVDB}} {
		if id.number != "" {
			ids = append(ids, id.prefix+strings.TrimPrefix(string(id.number), id.prefix))
		}
	}
	switch {
	case len(ids) == 0 || !isName(ids[0]):
		p.bad = fmt.Errorf("it has no ID")
	case !isName(rec.Gem):
		p.bad = fmt.Errorf("its gem %.60q is not one", rec.Gem)
	case rec.Withdrawn != "":
		p.skip = "withdrawn"
	}
	if p.bad != nil || p.skip != "" {
		return p
	}
	a := advisory.Advisory{ID: ids[0], Aliases: aliasesOf(ids[0], ids), Summary: oneLine(string(rec.Title)), Published: parseTime(string(rec.Date))}
	a.Modified = a.Published
	a.URL = cmp.Or(webPage(string(rec.URL)), recordURL(a.ID))
	af := advisory.Affected{Ecosystem: "RubyGems", Package: rec.Gem}
	ok, err := rubySyntax.unfixed(&af, rec.Patched, rec.Unaffected)
	switch {
	case err != nil:
		p.bad = err
	case !ok:
		p.skip = "affects no version"
	default:
		a.Affected = []advisory.Affected{af}
		p.adv = &a
	}
	return p
}

// webPage gives an address that may be shown as a link, or nothing.
func webPage(s string) string {
	if (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) && isName(s) && !strings.ContainsAny(s, " \"<>") {
		return s
	}
	return ""
}
