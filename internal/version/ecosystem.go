package version

import "strings"

// ecosystems names the scheme of each ecosystem by the name the OSV schema gives it
// (ossf.github.io/osv-schema, "Defined ecosystems"), or that this program gives it
// where OSV has none.
var ecosystems = map[string]Scheme{
	"Debian": Deb,
	"Ubuntu": Deb,
	"Echo":   Deb,

	"AlmaLinux":    RPM,
	"Amazon Linux": RPM,
	"Azure Linux":  RPM,
	"CBL-Mariner":  RPM,
	"CentOS":       RPM,
	"Fedora":       RPM,
	"Mageia":       RPM,
	"Mariner":      RPM,
	"openEuler":    RPM,
	"openSUSE":     RPM,
	"Oracle Linux": RPM,
	"Photon OS":    RPM,
	"Red Hat":      RPM,
	"Rocky Linux":  RPM,
	"SUSE":         RPM,

	"Alpaquita":                    APK,
	"Alpine":                       APK,
	"BellSoft Hardened Containers": APK,
	"Chainguard":                   APK,
	"CleanStart":                   APK,
	"MinimOS":                      APK,
	"Wolfi":                        APK,

	"Arch Linux": Pacman,

	"crates.io":      SemVer,
	"GitHub Actions": SemVer,
	"Hex":            SemVer,
	"Kubernetes":     SemVer,
	"npm":            SemVer,
	"SwiftURL":       SemVer,
	"VSCode":         SemVer,

	"Julia": SemVerBuild,
	"Pub":   SemVerBuild,

	"Go":           Go,
	"PyPI":         PEP440,
	"Maven":        Maven,
	"RubyGems":     Gem,
	"NuGet":        NuGet,
	"Packagist":    Packagist,
	"CRAN":         CRAN,
	"Bioconductor": CRAN,
	"Hackage":      Hackage,
	"GHC":          Hackage,
	"opam":         Opam,
	"Conda":        Conda,
	"conda":        Conda,

	"Bitnami":     Bitnami,
	"ConanCenter": Generic,
	"generic":     Generic,
	"NVD":         Generic,
	"Upstream":    Generic,
}

// For gives the scheme for an ecosystem as OSV spells it, with or without a suffix
// (":12", ":v3.10", ":https://…"); case counts. It is false for an ecosystem whose
// order is not known: its versions cannot be compared. "generic", "NVD" and
// "Upstream" are this program's words for software that no package manager brought.
func For(ecosystem string) (Scheme, bool) {
	name, _, _ := strings.Cut(ecosystem, ":")
	s, ok := ecosystems[name]
	return s, ok
}
