package version

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/imagetest"
)

func TestFor(t *testing.T) {
	tests := map[string]Scheme{
		"Debian": Deb, "Debian:12": Deb, "Ubuntu:22.04:LTS": Deb, "Ubuntu:Pro:18.04:LTS": Deb,
		"Alpine": APK, "Alpine:v3.10": APK, "Wolfi": APK, "Chainguard": APK, "MinimOS": APK,
		"AlmaLinux:9": RPM, "Rocky Linux:9": RPM, "Red Hat:enterprise_linux:9::appstream": RPM, "Oracle Linux:8": RPM,
		"SUSE:Linux Enterprise Server 15 SP5": RPM, "openSUSE:Leap 15.5": RPM, "Amazon Linux:2023": RPM,
		"Azure Linux:3": RPM, "Mariner:2.0": RPM, "Photon OS:5.0": RPM, "openEuler:24.03-LTS": RPM, "Mageia:9": RPM,
		"npm": SemVer, "crates.io": SemVer, "Hex": SemVer, "SwiftURL": SemVer, "Pub": SemVerBuild, "Julia": SemVerBuild,
		"PyPI": PEP440, "Maven": Maven, "Maven:https://repo1.example/maven2": Maven, "Go": Go, "RubyGems": Gem, "NuGet": NuGet,
		"Packagist": Packagist, "Packagist:https://packages.drupal.org/8": Packagist,
		"CRAN": CRAN, "Bioconductor": CRAN, "Hackage": Hackage, "GHC": Hackage, "opam": Opam, "Conda": Conda,
		"ConanCenter": Generic, "Bitnami": Bitnami, "generic": Generic, "NVD": Generic, "Arch Linux": Pacman,
	}
	for ecosystem, want := range tests {
		if got, ok := For(ecosystem); got != want || !ok {
			t.Errorf("For(%q) = %v, %t, want %v", ecosystem, got, ok, want)
		}
	}
	for _, ecosystem := range []string{"", ":12", "debian", "NPM", "OSS-Fuzz", "Android", "GIT", "Debian 12"} {
		if got, ok := For(ecosystem); ok || got != 0 {
			t.Errorf("For(%q) = %v, %t, want none", ecosystem, got, ok)
		}
	}
}

func TestSchemesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range schemes() {
		if name := s.String(); name == "" || seen[name] {
			t.Errorf("scheme %d has the name %q", s, name)
		} else {
			seen[name] = true
		}
	}
}

func TestEveryPublishedEcosystemIsKnown(t *testing.T) {
	list, err := os.ReadFile(filepath.Join(imagetest.Corpus(t), "feeds/osv-vulnerabilities.storage.googleapis.com/ecosystems.txt"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for name := range strings.Lines(string(list)) {
		name = strings.TrimSpace(name)
		if _, ok := For(name); !ok {
			t.Errorf("no order for the ecosystem %q", name)
		}
		n++
	}
	if n < 10 {
		t.Errorf("the list of ecosystems has %d lines", n)
	}
}
