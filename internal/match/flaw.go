package match

import (
	"cmp"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/finding"
)

// The ranks of what is said: of several records that speak of one flaw in one package the
// one of the lowest rank counts.
const (
	rankPublisher = iota
	rankEcosystem
	rankFlaw
	rankErrata
	rankUnfixed
	rankLists
	rankProducts
)

// rules says in words why a record won, by rank.
var rules = [...]string{
	rankPublisher: "the publisher's own database",
	rankEcosystem: "the ecosystem's own database",
	rankFlaw:      "the record on this flaw",
	rankErrata:    "an errata record that fixes this flaw",
	rankUnfixed:   "the publisher's list of what is not fixed",
	rankLists:     "the only record on this flaw",
	rankProducts:  "the only record on this flaw, by product",
}

// publishers are the feeds in which a distribution or project speaks of each flaw in its
// own packages: it knows its releases. A name that ends in a hyphen stands for all that
// begin so.
var publishers = []string{
	"alpine-secdb", "arch-linux", "chainguard-secdb", "debian-tracker", "echo", "go-vulndb", "minimos-secdb", "opensuse-oval",
	"photon-cve", "redhat-csaf-vex", "suse-csaf-vex", "suse-oval", "ubuntu-oval-", "ubuntu-tracker", "wolfi-secdb",
}

// ecosystems are the feeds of databases that an ecosystem keeps for itself.
var ecosystems = []string{"haskell-hsec", "ocaml-osec", "rconsortium", "rubysec", "rustsec"}

// Precedence gives the rank of a record among those that speak of one flaw in one
// package of an ecosystem, and the reason in words. Errata, which name many flaws at
// once, fill what records on a single flaw leave; of those by Python's own database many
// are only lists of versions, so that reviewed ones go before; and products, which is
// what the National Vulnerability Database knows, are not packages.
func Precedence(ecosystem string, rec *advisory.Advisory) (rank int, why string) {
	single := len(rec.Related) == 0
	switch {
	case ecosystem == advisory.EcosystemNVD:
		rank = rankProducts
	case single && slices.ContainsFunc(publishers, func(p string) bool {
		return p == rec.Source || p[len(p)-1] == '-' && strings.HasPrefix(rec.Source, p)
	}):
		rank = rankPublisher
	case single && strings.HasPrefix(rec.Source, "red-hat-oval-"):
		// That a package is not affected outweighs an erratum that names the flaw; that it
		// is not fixed does not.
		rank = rankPublisher
		if slices.ContainsFunc(rec.Affected, func(a advisory.Affected) bool { return a.State != advisory.StateNotAffected }) {
			rank = rankUnfixed
		}
	case slices.Contains(ecosystems, rec.Source), ecosystem == "Go" && strings.HasPrefix(rec.ID, "GO-"):
		rank = rankEcosystem
	case strings.HasPrefix(rec.ID, "PYSEC-"):
		rank = rankLists
	case !single:
		rank = rankErrata
	default:
		rank = rankFlaw
	}
	return rank, rules[rank]
}

// relevant reorders stmts and gives those on flaws that some statement says affect the
// version: most records are on flaws fixed long ago.
func relevant(stmts []statement) []statement {
	ids := map[string]bool{}
	n := 0
	take := func(i int) {
		ids[stmts[i].flaw] = true
		for _, a := range stmts[i].alias {
			ids[a] = true
		}
		stmts[i], stmts[n] = stmts[n], stmts[i]
		n++
	}
	for i := range stmts {
		if stmts[i].Affects {
			take(i)
		}
	}
	// Aliases may lead on from record to record.
	for before := -1; before != n && n > 0; {
		before = n
		for i := n; i < len(stmts); i++ {
			if ids[stmts[i].flaw] || slices.ContainsFunc(stmts[i].alias, func(a string) bool { return ids[a] }) {
				take(i)
			}
		}
	}
	return stmts[:n]
}

// group joins statements on the same flaw: those whose IDs or aliases meet.
func group(stmts []statement) [][]statement {
	parent := make([]int, len(stmts))
	first := make(map[string]int, 2*len(stmts))
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	for i := range stmts {
		parent[i] = i
		meet := func(id string) {
			if j, ok := first[id]; ok {
				parent[root(i)] = root(j)
			} else {
				first[id] = i
			}
		}
		meet(stmts[i].flaw)
		for _, a := range stmts[i].alias {
			meet(a)
		}
	}
	at := map[int]int{}
	var out [][]statement
	for i, s := range stmts {
		r := root(i)
		j, ok := at[r]
		if !ok {
			j = len(out)
			at[r] = j
			out = append(out, nil)
		}
		out[j] = append(out[j], s)
	}
	return out
}

// judge turns the statements on one flaw into a finding, without package and place;
// false if the winner says that the version is not affected.
func (m *finder) judge(g []statement) (finding.Finding, bool, error) {
	slices.SortStableFunc(g, func(a, b statement) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), affectsFirst(a, b), strings.Compare(a.Source, b.Source), strings.Compare(a.Advisory, b.Advisory))
	})
	win := &g[0]
	if !win.Affects {
		return finding.Finding{}, false, nil
	}
	f := finding.Finding{
		Kind: finding.Vulnerability, State: win.State, FixedVersion: win.Fixed,
		Source: win.Source, Advisory: win.Advisory, Rule: rules[win.rank],
		Severity: win.Severity, SeveritySource: win.Source,
		Published: win.rec.Published, URL: win.rec.URL,
	}
	ids := map[string]bool{}
	for _, s := range g {
		ids[s.flaw] = true
		for _, a := range s.alias {
			ids[a] = true
		}
		if len(s.rec.Related) > 0 {
			ids[s.rec.ID] = true
		}
		f.Statements = append(f.Statements, s.Statement)
		if f.Severity == advisory.SeverityUnknown && s.Severity != advisory.SeverityUnknown {
			f.Severity, f.SeveritySource = s.Severity, s.Source
		}
	}
	f.ID, f.Aliases = name(win, ids)
	if err := m.describe(&f); err != nil {
		return f, false, err
	}
	if f.Severity == advisory.SeverityUnknown {
		f.SeveritySource = ""
	}
	if f.URL == "" {
		f.URL = page(f.ID)
	}
	return f, true, nil
}

func affectsFirst(a, b statement) int {
	switch {
	case a.Affects == b.Affects:
		return 0
	case a.Affects:
		return -1
	}
	return 1
}

// name picks the ID that people know a flaw by: the winner's own if it is a CVE, else
// the smallest CVE among the names, else the winner's.
func name(win *statement, ids map[string]bool) (string, []string) {
	id := win.flaw
	if !isCVE(id) {
		best := ""
		for x := range ids {
			if isCVE(x) && (best == "" || x < best) {
				best = x
			}
		}
		if best != "" {
			id = best
		}
	}
	delete(ids, id)
	out := make([]string, 0, len(ids))
	for x := range ids {
		out = append(out, x)
	}
	slices.Sort(out)
	return id, out
}

func isCVE(id string) bool { return strings.HasPrefix(id, "CVE-") }

// page is where people read about a flaw.
func page(id string) string {
	switch {
	case isCVE(id):
		return "https://nvd.nist.gov/vuln/detail/" + id
	case strings.HasPrefix(id, "GHSA-"):
		return "https://github.com/advisories/" + id
	case strings.HasPrefix(id, "GO-"):
		return "https://pkg.go.dev/vuln/" + id
	}
	return "https://osv.dev/vulnerability/" + id
}

// describe adds what is known of the flaw apart from the package.
func (m *finder) describe(f *finding.Finding) error {
	for _, id := range append([]string{f.ID}, f.Aliases...) {
		e, err := m.enrich(id)
		if err != nil {
			return err
		}
		if !e.ok {
			continue
		}
		if f.Title == "" {
			f.Title = e.Summary
		}
		if f.Published.IsZero() {
			f.Published = e.Published
		}
		if len(f.CVSS) == 0 {
			f.CVSS = e.CVSS
		}
		if f.Severity == advisory.SeverityUnknown && e.Severity != advisory.SeverityUnknown {
			f.Severity, f.SeveritySource = e.Severity, e.SeveritySource
		}
		if f.EPSS == nil {
			f.EPSS = e.EPSS
		}
		if f.Exploited == nil {
			f.Exploited = e.Exploited
		}
		if f.SSVC == nil {
			f.SSVC = e.SSVC
		}
		// Exploitation is known by CVE. Other names are asked for what is still missing.
		if isCVE(id) && f.Title != "" && len(f.CVSS) > 0 && f.Severity != advisory.SeverityUnknown && !f.Published.IsZero() {
			break
		}
	}
	return nil
}
