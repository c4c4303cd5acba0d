package feed

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// nodeCoreFeed reads what the Node.js security working group keeps on Node.js itself
// (github.com/nodejs/security-wg, vuln/core): a JSON document for each flaw. The notes on
// npm's packages beside it ended in 2018 and are in GitHub's database.
//
// Node.js itself is no package of npm's. It is "node" of the ecosystem "generic", as an
// inventory names a runtime that no package manager brought.
func nodeCoreFeed() Feed {
	return Feed{
		Name:  "nodejs-core",
		Home:  "https://github.com/nodejs/security-wg",
		Doc:   "the Node.js project's list of flaws in Node.js, a tar archive of JSON",
		Every: 24 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			records := func(name string) bool {
				return inFolder(name, "vuln/core") && isJSON(name) && isDigits(baseName(name))
			}
			return fetchRecords(ctx, o, "https://github.com/nodejs/security-wg/archive/refs/heads/main.tar.gz", records,
				parseNodeCore, out)
		},
	}
}

// parseNodeCore reads one record. It never panics, whatever the bytes. Affected is what
// is vulnerable and not patched. A record goes by its number; one with several CVEs is
// an update that fixes them all.
func parseNodeCore(name string, data []byte, err error) osvParsed {
	id := "NODEJS-CORE-" + baseName(name)
	p := osvParsed{name: id}
	var rec struct {
		CVE          []string    `json:"cve"`
		Vulnerable   string      `json:"vulnerable"`
		Patched      string      `json:"patched"`
		Ref          looseString `json:"ref"`
		Description  looseString `json:"description"`
		Overview     excerpt     `json:"overview"`
		Severity     looseString `json:"severity"`
		Published    looseString `json:"publish_date"`
		Environments []string    `json:"affectedEnvironments"`
	}
	if err == nil {
		err = decodeJSON(data, &rec)
	}
	if err != nil {
		p.bad = fmt.Errorf("reading the record: %v", err)
		return p
	}
	if len(rec.Environments) > 0 && !slices.ContainsFunc(rec.Environments, func(s string) bool { return s == "all" || s == "linux" }) {
		p.skip = "another system"
		return p
	}
	a := advisory.Advisory{
		ID: id, Summary: cmp.Or(oneLine(string(rec.Description)), firstLine(string(rec.Overview))), Severity: severityOf(string(rec.Severity)),
		URL: cmp.Or(webPage(string(rec.Ref)), "https://github.com/nodejs/security-wg"), Published: parseTime(string(rec.Published)),
	}
	a.Modified = a.Published
	var cves []string
	for _, c := range rec.CVE {
		if cve := cveOf(strings.TrimSpace(c)); cve != "" && len(cves) < maxAliases {
			cves = append(cves, cve)
		}
	}
	if cves = sortedUnique(cves); len(cves) > 1 {
		a.Related = cves
	} else {
		a.Aliases = cves
	}
	affected, err := nodeSyntax.set(rec.Vulnerable)
	if err == nil && rec.Patched != "" {
		var patched rangeSet
		// A version without operator is where a line was patched: it stays so.
		fixed := nodeSyntax
		fixed.bare = "^"
		if patched, err = fixed.set(rec.Patched); err == nil {
			affected, err = affected.meet(patched.without())
		}
	}
	if err != nil {
		p.bad = err
		return p
	}
	af := advisory.Affected{Ecosystem: "generic", Package: "node", Ranges: affected.intervals()}
	if len(af.Ranges) == 0 {
		p.skip = "affects no version"
		return p
	}
	a.Affected = []advisory.Affected{af}
	p.adv = &a
	return p
}
