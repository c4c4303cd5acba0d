package match

import (
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/inventory"
)

// language says how packages of one type are matched.
type language struct {
	ecosystem string
	// name and version of a package as the ecosystem's advisories write them.
	name    func(*inventory.Package) string
	version func(*inventory.Package) string
}

// languages maps package URL types to OSV ecosystems. A type that is not here has no
// public advisories that Plimsoll reads; its packages are listed and called unmatched.
var languages = map[string]language{
	"npm":      {"npm", fullName, plain},
	"pypi":     {"PyPI", justName, plain},
	"golang":   {"Go", fullName, goVersion},
	"maven":    {"Maven", maven, plain},
	"gem":      {"RubyGems", justName, plain},
	"composer": {"Packagist", fullName, func(p *inventory.Package) string { return strings.TrimPrefix(p.Version, "v") }},
	"nuget":    {"NuGet", justName, plain},
	"cargo":    {"crates.io", justName, plain},
	"pub":      {"Pub", justName, plain},
	"hex":      {"Hex", justName, plain},
	"cran":     {"CRAN", justName, plain},
	"hackage":  {"Hackage", justName, plain},
	"conan":    {"ConanCenter", justName, plain},
	"swift":    {"SwiftURL", fullName, plain},
	"julia":    {"Julia", justName, plain},
	"bitnami":  {"Bitnami", justName, plain},
	// Runtimes recognised by signature: Bitnami's advisories follow upstream versions.
	// nvdPlaces gives where else they are looked up.
	"generic": {"Bitnami", bitnami, plain},
}

func plain(p *inventory.Package) string    { return p.Version }
func justName(p *inventory.Package) string { return p.Name }

func fullName(p *inventory.Package) string { return p.FullName() }

// maven needs the group: an artifact name alone names many things.
func maven(p *inventory.Package) string {
	if p.Namespace == "" {
		return ""
	}
	return p.FullName()
}

// goVersion gives the form of the Go database, without "v" and "+incompatible"; a
// main module built from a working copy has none.
func goVersion(p *inventory.Package) string {
	v := strings.TrimPrefix(p.Version, "v")
	if v == "(devel)" || strings.HasPrefix(v, "0.0.0-00010101000000-") {
		return ""
	}
	v, _, _ = strings.Cut(v, "+")
	return v
}

// bitnami gives the name of a runtime in Bitnami's advisories.
func bitnami(p *inventory.Package) string {
	switch p.Name {
	case "httpd":
		return "apache"
	case "openjdk", "jre", "jdk":
		return "java"
	case "postgres":
		return "postgresql"
	case "redis-server":
		return "redis"
	}
	return p.Name
}

// nvdPlaces gives the names of a runtime in the National Vulnerability Database.
func nvdPlaces(p *inventory.Package) []place {
	var out []place
	for _, product := range advisory.NVDProducts(bitnami(p)) {
		out = append(out, place{advisory.EcosystemNVD, product})
	}
	return out
}
