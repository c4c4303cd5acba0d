package feed

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// rustSecFeed reads RustSec's database of crates (github.com/rustsec/advisory-db,
// EXAMPLE_ADVISORY.md): Markdown that begins with TOML. What is said of the compiler and
// its tools is not on a crate.
func rustSecFeed() Feed {
	return Feed{
		Name:  "rustsec",
		Home:  "https://rustsec.org/advisories/",
		Doc:   "RustSec's database of crates, a tar archive of Markdown with TOML",
		Every: 12 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			return fetchRecords(ctx, o, "https://github.com/rustsec/advisory-db/archive/refs/heads/main.tar.gz", isCrateAdvisory,
				parseRustSec, out)
		},
	}
}

func isCrateAdvisory(name string) bool {
	return inFolder(name, "crates") && strings.HasPrefix(path.Base(name), "RUSTSEC-") && path.Ext(name) == ".md"
}

type rustAdvisory struct {
	Advisory struct {
		ID            string   `toml:"id"`
		Package       string   `toml:"package"`
		Date          any      `toml:"date"`
		Withdrawn     any      `toml:"withdrawn"`
		Informational string   `toml:"informational"`
		Aliases       []string `toml:"aliases"`
		CVSS          string   `toml:"cvss"`
	} `toml:"advisory"`
	Versions struct {
		Patched    []string `toml:"patched"`
		Unaffected []string `toml:"unaffected"`
	} `toml:"versions"`
}

// parseRustSec reads one record. It never panics, whatever the bytes. Affected is what is
// neither patched nor unaffected.
func parseRustSec(name string, data []byte, err error) osvParsed {
	p := osvParsed{name: baseName(name)}
	var front []byte
	var title string
	var rec rustAdvisory
	if err == nil {
		front, title, err = frontMatter(data)
	}
	if err == nil {
		err = decodeTOML(front, &rec)
	}
	id := rec.Advisory.ID
	switch {
	case err != nil:
	case !isName(id) || !strings.HasPrefix(id, "RUSTSEC-"):
		err = fmt.Errorf("its ID %.60q is not one", id)
	case !isName(rec.Advisory.Package):
		err = fmt.Errorf("its crate %.60q is not one", rec.Advisory.Package)
	case rec.Advisory.Withdrawn != nil:
		p.skip = "withdrawn"
		return p
	case !isFlaw(strings.TrimSpace(rec.Advisory.Informational)):
		p.skip = "tells of no flaw"
		return p
	}
	if err != nil {
		p.bad = err
		return p
	}
	a := advisory.Advisory{
		ID: id, Summary: title, URL: recordURL(id), Published: parseTime(fmt.Sprint(rec.Advisory.Date)),
		Aliases: aliasesOf(id, rec.Advisory.Aliases),
	}
	a.Modified = a.Published
	_, a.CVSS = ratings(nil, []osvSeverity{{Type: "CVSS_V3", Score: looseString(rec.Advisory.CVSS)}})
	af := advisory.Affected{Ecosystem: "crates.io", Package: rec.Advisory.Package}
	ok, err := cargoSyntax.unfixed(&af, rec.Versions.Patched, rec.Versions.Unaffected)
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

// unfixed sets the ranges of af to what none of the texts covers; false if no version is
// left.
func (x rangeSyntax) unfixed(af *advisory.Affected, patched, unaffected []string) (bool, error) {
	fine, err := x.sets(append(patched[:len(patched):len(patched)], unaffected...))
	if err != nil {
		return false, err
	}
	af.Ranges = fine.without().intervals()
	return len(af.Ranges) > 0, nil
}

// aliasesOf gives the names among ids that are not id itself, in order.
func aliasesOf(id string, ids []string) []string {
	var out []string
	for _, a := range ids {
		if a = strings.TrimSpace(a); a != id && isName(a) && len(out) < maxAliases {
			out = append(out, a)
		}
	}
	return sortedUnique(out)
}
