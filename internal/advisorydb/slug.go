package advisorydb

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxEcosystem bounds the name of an ecosystem, in bytes.
const maxEcosystem = 256

// plainEcosystems are those of OSV's list (ossf.github.io/osv-schema, "affected[].package")
// whose shard is named by their lower-case letters alone. No two may come to the same.
var plainEcosystems = []string{
	"AlmaLinux", "Alpaquita", "Alpine", "Amazon Linux", "Azure Linux", "BellSoft Hardened Containers",
	"Bioconductor", "Bitnami", "Chainguard", "ConanCenter", "CRAN", "crates.io", "Debian", "Echo",
	"FreeBSD", "GHC", "GitHub Actions", "Go", "Hackage", "Hex", "Julia", "Kubernetes", "Linux",
	"Mageia", "Mariner", "Maven", "MinimOS", "npm", "NuGet", "NVD", "opam", "openEuler", "openSUSE",
	"Oracle Linux", "OSS-Fuzz", "Packagist", "Photon OS", "Pub", "PyPI", "Red Hat", "Rocky Linux",
	"RubyGems", "SUSE", "SwiftURL", "Ubuntu", "VSCode", "Wolfi",
}

// slug gives the short name of an ecosystem's shard, fit for file names and
// annotations: "Debian:12" is debian-12, "Alpine:v3.10" alpine-v3.10. Whatever is not
// a known ecosystem with a release of lower-case letters, digits and dots ends in
// part of its hash, so that no two ecosystems share a name.
func slug(ecosystem string) string {
	base, release, ok := strings.Cut(ecosystem, ":")
	s := lowered(ecosystem)
	if slices.Contains(plainEcosystems, base) && (!ok || plainRelease(release)) {
		return s
	}
	sum := sha256.Sum256([]byte(ecosystem))
	if len(s) > 48 {
		s = strings.TrimRight(s[:48], "-.")
	}
	return strings.TrimLeft(s+"-"+hex.EncodeToString(sum[:6]), "-")
}

func plainRelease(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= 32 && s[0] != '.'
}

// lowered keeps lower-case letters, digits and dots and puts one hyphen for all else.
func lowered(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.' && b.Len() > 0:
			b.WriteByte(c)
		case c >= 'A' && c <= 'Z':
			b.WriteByte(c + 'a' - 'A')
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.TrimRight(b.String(), "-.")
}

// checkEcosystem refuses names that the manifest could not show.
func checkEcosystem(s string) error {
	if s == "" || len(s) > maxEcosystem {
		return fmt.Errorf("an ecosystem's name has 1 to %d bytes, not %d", maxEcosystem, len(s))
	}
	if !printable(s) {
		return fmt.Errorf("the ecosystem's name %q has characters that cannot be printed", s)
	}
	return nil
}

func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf {
			return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
		} else if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
