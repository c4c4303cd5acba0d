package advisorydb

import (
	"math"
	"strings"

	gocvss20 "github.com/pandatix/go-cvss/20"
	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// maxVector bounds a CVSS vector, in bytes; a full one of version 4 has about 200.
const maxVector = 256

// maxRatings bounds the ratings of one record or flaw; more are left out.
const maxRatings = 16

// cvssVersion tells which version of CVSS (first.org/cvss) a vector is of: 40, 31, 30 or
// 20; version 2 has no label, and is sometimes put in brackets.
func cvssVersion(vector string) int {
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		return 40
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		return 31
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		return 30
	}
	return 20
}

// score computes a vector's base score in tenths, and reports false if it is not valid.
func score(vector string) (tenths uint8, ok bool) {
	if len(vector) > maxVector {
		return 0, false
	}
	var f float64
	switch cvssVersion(vector) {
	case 40:
		v, err := gocvss40.ParseVector(vector)
		if err != nil {
			return 0, false
		}
		f = v.Score()
	case 31:
		v, err := gocvss31.ParseVector(vector)
		if err != nil {
			return 0, false
		}
		f = v.BaseScore()
	case 30:
		v, err := gocvss30.ParseVector(vector)
		if err != nil {
			return 0, false
		}
		f = v.BaseScore()
	default:
		v, err := gocvss20.ParseVector(strings.Trim(vector, "()"))
		if err != nil {
			return 0, false
		}
		f = v.BaseScore()
	}
	if !(f >= 0 && f <= 10) {
		return 0, false
	}
	return uint8(math.Round(f * 10)), true
}

// scoreSeverity puts a score into words as its version does: version 2 by the bands
// of the United States' national database, 3 and 4 by their specifications. A score of
// nought says there is no impact, which has no word here.
func scoreSeverity(vector string, tenths uint8) advisory.Severity {
	switch {
	case cvssVersion(vector) == 20 && tenths >= 70:
		return advisory.SeverityHigh
	case tenths >= 90:
		return advisory.SeverityCritical
	case tenths >= 70:
		return advisory.SeverityHigh
	case tenths >= 40:
		return advisory.SeverityMedium
	case tenths > 0:
		return advisory.SeverityLow
	}
	return advisory.SeverityUnknown
}

// severityOrder says whose rating of a flaw counts, apart from any package: the first
// row that names the source wins; a name ending in * stands for all that begin so. Those
// who rate the flaw in its own ecosystem come first, then the national database and the
// parties of the CVE programme, then distributions, whose ratings are about their own
// packages. Sources in no row come after all, by name.
//
// Within a source its word goes before its vectors, and vectors go by cvssOrder.
var severityOrder = []string{
	"ghsa*",
	"osv-npm", "osv-pypi", "osv-maven", "osv-nuget", "osv-packagist", "osv-rubygems",
	"osv-crates*", "osv-go", "osv-hex", "osv-pub", "osv-swift*", "osv-github*",
	"go-*", "govulndb", "rustsec", "pypa*", "rubysec", "friendsofphp*",
	"nvd*",
	"cve5*", "cvelist*", "cve-*",
	"cisa-adp*", "cisa-vulnrichment", "vulnrichment",
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
	"cve5*", "cvelist*", "cve-*",
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
