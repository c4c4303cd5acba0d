package advisorydb

import "strings"

// severityOrder says whose rating of a flaw counts, apart from any package: the first
// row that names the source wins; a name ending in * stands for all that begin so.
// Sources in no row come after all, by name. Within a source its word goes before its
// vectors, and vectors go by cvssOrder.
//
// What a vendor says of its own package never comes here: match takes the word of the
// record that wins for the package first, and this one only where no record on the
// package has any. So distributions, whose ratings are about their own builds, are
// last here, for packages that are not theirs.
var severityOrder = []string{
	// Who keeps the advisories of the flaw's own ecosystem.
	"ghsa*",
	"osv-npm", "osv-pypi", "osv-maven", "osv-nuget", "osv-packagist", "osv-rubygems",
	"osv-crates*", "osv-go", "osv-hex", "osv-pub", "osv-swift*", "osv-github*",
	"go-*", "govulndb", "rustsec", "pypa*", "rubysec", "friendsofphp*",
	// The party that assigned the CVE, most often the project or maker itself.
	"cna", "cve5*", "cvelist*", "cve-*",
	// The National Vulnerability Database.
	"nvd*",
	// CISA, which rates what the CNA left without, and others that add to CVE records.
	"cisa-adp*", "cisa-vulnrichment", "vulnrichment",
	"adp:*",
	// Who packs the software of others.
	"osv-bitnami", "bitnami*",
	"redhat*", "osv-redhat", "osv-red-hat",
	"ubuntu*", "osv-ubuntu",
	"suse*", "osv-suse",
	"debian*", "osv-debian",
	"osv-almalinux", "osv-rocky*", "amazon*", "azure*", "alpine*",
}

// cvssOrder says which version of CVSS counts where one source gives several.
var cvssOrder = []int{40, 31, 30, 20}

// summaryOrder says whose summary of a flaw is shown, in the manner of severityOrder: titles
// before descriptions, and a distribution's "update for …" last.
var summaryOrder = []string{
	"ghsa*",
	"osv-npm", "osv-pypi", "osv-maven", "osv-nuget", "osv-packagist", "osv-rubygems",
	"osv-crates*", "osv-hex", "osv-pub", "osv-swift*", "osv-github*",
	"osv-go", "go-*", "govulndb", "rustsec", "pypa*", "rubysec", "friendsofphp*",
	"cna", "cve5*", "cvelist*", "cve-*",
	"nvd*",
	"debian*", "osv-debian",
	"osv-bitnami", "bitnami*",
	"ubuntu*", "osv-ubuntu",
}

// rank gives a source's place in an order; smaller is better.
func rank(order []string, source string) int {
	for i, name := range order {
		if prefix, any := strings.CutSuffix(name, "*"); source == name || any && strings.HasPrefix(source, prefix) {
			return i
		}
	}
	return len(order)
}
