package feed

import (
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// maxAliases bounds the other names of one record.
const maxAliases = 4096

// errata begin the IDs of records that are about an update, which fixes any number of
// flaws, and not about a flaw.
var errata = []string{
	"ALAS", "ALBA-", "ALEA-", "ALSA-", "DLA-", "DSA-", "DTSA-", "ELBA-", "ELEA-", "ELSA-", "LSN-", "MGASA-", "OESA-",
	"openSUSE-", "PHSA-", "RHBA-", "RHEA-", "RHSA-", "RLBA-", "RLEA-", "RLSA-", "RXSA-", "SUSE-", "USN-",
}

// maintenance begin the IDs of updates that are not about security unless they name a
// flaw: bug fixes, enhancements, and SUSE's recommended, feature and optional updates.
var maintenance = []string{
	"ALBA-", "ALEA-", "ELBA-", "ELEA-", "MGAA-", "openSUSE-FU-", "openSUSE-OU-", "openSUSE-RU-", "RHBA-", "RHEA-",
	"RLBA-", "RLEA-", "SUSE-FU-", "SUSE-OU-", "SUSE-RU-",
}

func hasAnyPrefix(s string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

func isErrata(id string) bool      { return hasAnyPrefix(id, errata) }
func isMaintenance(id string) bool { return hasAnyPrefix(id, maintenance) }

// cveOf gives the CVE that an ID is or ends in ("DEBIAN-CVE-2024-1"); empty if there
// is none.
func cveOf(id string) string {
	at := strings.LastIndex(id, "CVE-")
	if at < 0 || at > 0 && id[at-1] != '-' {
		return ""
	}
	year, number, ok := strings.Cut(id[at+len("CVE-"):], "-")
	if !ok || len(year) != 4 || len(number) < 4 || len(number) > 19 || !isDigits(year) || !isDigits(number) {
		return ""
	}
	return id[at:]
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// flawIDs tells the other names of a record's flaw from the flaws that an errata
// record fixes. Publishers put the latter under aliases, related or upstream.
//
// Elsewhere "related" means similar flaws, which the record is not about, and
// "upstream" the flaw that a distribution's record is derived from; a record with
// several of those is treated as errata.
func flawIDs(rec *osvRecord) (aliases, related []string) {
	add := func(to []string, id string) []string {
		if id == rec.ID || len(to) >= maxAliases || !isName(id) {
			return to
		}
		return append(to, id)
	}
	cves := func(lists ...[]string) (out []string) {
		for _, list := range lists {
			for _, id := range list {
				if cve := cveOf(strings.TrimSpace(id)); cve != "" {
					out = add(out, cve)
				}
			}
		}
		return sortedUnique(out)
	}
	if isErrata(rec.ID) {
		for _, id := range rec.Aliases {
			if cveOf(id) == "" {
				aliases = add(aliases, id)
			}
		}
		return sortedUnique(aliases), cves(rec.Aliases, rec.Related, rec.Upstream)
	}
	for _, id := range rec.Aliases {
		aliases = add(aliases, id)
	}
	if cve := cveOf(rec.ID); cve != "" {
		return sortedUnique(add(aliases, cve)), nil
	}
	if up := cves(rec.Upstream); len(up) == 1 {
		aliases = append(aliases, up[0])
	} else if len(cves(rec.Aliases)) == 0 {
		related = up
	}
	return sortedUnique(aliases), related
}

func sortedUnique(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}

// severityOf reads a severity word of any of the publishers; unknown if it is none.
func severityOf(word string) advisory.Severity {
	switch strings.ToLower(word) {
	case "negligible", "unimportant":
		return advisory.SeverityNegligible
	case "low", "minor":
		return advisory.SeverityLow
	case "medium", "moderate":
		return advisory.SeverityMedium
	case "high", "important":
		return advisory.SeverityHigh
	case "critical":
		return advisory.SeverityCritical
	}
	return advisory.SeverityUnknown
}

// ratings adds a record's ratings to have, and gives the publisher's own word if one
// of them is that: Ubuntu's priority. Scores are computed where ratings are stored.
func ratings(have []advisory.CVSS, all []osvSeverity) (advisory.Severity, []advisory.CVSS) {
	word := advisory.SeverityUnknown
	for _, s := range all {
		switch {
		case s.Type == "Ubuntu":
			word = max(word, severityOf(string(s.Score)))
		case !strings.HasPrefix(s.Type, "CVSS_V") || len(s.Score) > 256 || !isName(string(s.Score)):
		case len(have) < 16 && !slices.ContainsFunc(have, func(c advisory.CVSS) bool { return c.Vector == string(s.Score) }):
			have = append(have, advisory.CVSS{Vector: string(s.Score)})
		}
	}
	return word, have
}

// severityStated finds the rating of publishers who state it in words of the record:
// AlmaLinux and Rocky Linux begin the summary with it ("Important: …"), Red Hat links
// to its meaning (".../classification/#important").
func severityStated(rec *osvRecord) advisory.Severity {
	switch {
	case hasAnyPrefix(rec.ID, []string{"ALSA-", "RLSA-", "RXSA-"}):
		word, _, _ := strings.Cut(string(rec.Summary), ":")
		return severityOf(word)
	case strings.HasPrefix(rec.ID, "RH"):
		var refs []struct {
			URL looseString `json:"url"`
		}
		rec.References.decode(&refs)
		worst := advisory.SeverityUnknown
		for _, r := range refs {
			if _, word, ok := strings.Cut(string(r.URL), "/classification/#"); ok {
				worst = max(worst, severityOf(strings.Trim(word, "/")))
			}
		}
		return worst
	}
	return advisory.SeverityUnknown
}

// recordURL gives the page of a record at its publisher.
func recordURL(id string) string {
	for _, p := range [...]struct{ prefix, before, after string }{
		{"GHSA-", "https://github.com/advisories/", ""},
		{"GO-", "https://pkg.go.dev/vuln/", ""},
		{"RUSTSEC-", "https://rustsec.org/advisories/", ".html"},
		{"RHSA-", "https://access.redhat.com/errata/", ""},
		{"RHBA-", "https://access.redhat.com/errata/", ""},
		{"RHEA-", "https://access.redhat.com/errata/", ""},
		{"RLSA-", "https://errata.rockylinux.org/", ""},
		{"DSA-", "https://security-tracker.debian.org/tracker/", ""},
		{"DLA-", "https://security-tracker.debian.org/tracker/", ""},
		{"USN-", "https://ubuntu.com/security/notices/", ""},
	} {
		if strings.HasPrefix(id, p.prefix) {
			return p.before + id + p.after
		}
	}
	if cve, ok := strings.CutPrefix(id, "UBUNTU-"); ok {
		return "https://ubuntu.com/security/" + cve
	}
	return "https://osv.dev/vulnerability/" + id
}

// redHatProduct maps a product of Red Hat's OSV records, which they write as the end of
// a CPE ("Red Hat:enterprise_linux:8::appstream"), to an ecosystem and a stream.
func redHatProduct(ecosystem string) (eco, stream string) {
	if product, ok := strings.CutPrefix(ecosystem, "Red Hat:"); ok {
		if eco, stream, ok := advisory.RedHatProduct(product); ok {
			return eco, stream
		}
	}
	return ecosystem, ""
}

// joinStreams gives one name to streams of one product that say the same of a
// package: the repositories after the last colon, sorted and apart by commas
// ("enterprise_linux:7::client,server"). False if they are not of one product.
func joinStreams(have, more string) (string, bool) {
	if have == more {
		return have, true
	}
	at := strings.LastIndexByte(have, ':') + 1
	if at == 0 || !strings.HasPrefix(more, have[:at]) || strings.Contains(more[at:], ":") {
		return "", false
	}
	repos := strings.Split(have[at:], ",")
	if slices.Contains(repos, more[at:]) {
		return have, true
	}
	if len(repos) >= 64 {
		return "", false
	}
	return have[:at] + strings.Join(sortedUnique(append(repos, more[at:])), ","), true
}

// isFlaw tells a record on a flaw from the notes that RustSec's database has beside
// them, by their kind: that a crate is maintained no more is none. Unsound code is.
func isFlaw(informational string) bool { return informational == "" || informational == "unsound" }
