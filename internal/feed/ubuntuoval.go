package feed

import (
	"context"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

const ubuntuOVALURL = "https://security-metadata.canonical.com/oval/"

// ubuntuOVALReleases gives the codename, by which documents are named, of each release
// that has one.
var ubuntuOVALReleases = []struct{ codename, release string }{
	{"trusty", "14.04"}, {"xenial", "16.04"}, {"bionic", "18.04"}, {"focal", "20.04"}, {"jammy", "22.04"}, {"noble", "24.04"},
	{"oracular", "24.10"}, {"plucky", "25.04"}, {"questing", "25.10"},
}

// ubuntuOVALFeeds reads what Canonical says of each flaw in each source package, a feed
// for each release (ubuntu.com/security/oval). Those of notices (USN) name binary
// packages alone and are not read. The form for images, which asks a list of packages
// instead of dpkg, says the same and serves where the other is not there.
func ubuntuOVALFeeds() []Feed {
	feeds := make([]Feed, len(ubuntuOVALReleases))
	for i, r := range ubuntuOVALReleases {
		feeds[i] = Feed{
			Name:  "ubuntu-oval-" + r.release,
			Home:  "https://ubuntu.com/security/oval",
			Doc:   "flaws in Ubuntu " + r.release + ", one OVAL document",
			Every: 12 * time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				file := "com.ubuntu." + r.codename + ".cve.oval.xml.bz2"
				return fetchOVAL(ctx, o, ubuntuDialect(r.release), out, ubuntuOVALURL+file, ubuntuOVALURL+"oci."+file)
			},
		}
	}
	return feeds
}

func ubuntuDialect(release string) *ovalDialect {
	eco := "Ubuntu:" + release
	if strings.HasSuffix(release, ".04") && (release[1]-'0')%2 == 0 {
		eco += ":LTS"
	}
	return &ovalDialect{
		about: "Ubuntu " + release, bySource: true,
		identify: func(d *ovalDefinition) (advisory.Advisory, error) { return d.flaw("https://ubuntu.com/security/") },
		places: onPlatform(func(platform string) string { // "Ubuntu 22.04 LTS (jammy)"
			if rest, ok := strings.CutPrefix(platform, "Ubuntu "+release); ok && (rest == "" || rest[0] == ' ') {
				return eco
			}
			return ""
		}),
		state: ubuntuState,
	}
}

// ubuntuState reads the words that Canonical's generator has for each status of its
// tracker. Those of a package that is not affected go with a test that cannot hold on
// a system that has it.
func ubuntuState(_ *ovalDefinition, c *ovalClause) advisory.State {
	says := func(s string) bool { return strings.Contains(c.comment, s) }
	switch {
	case says("is related to the CVE in some way and has been fixed"), says("is not affected"):
		c.claim = claimUnaffected
		return advisory.StateNotAffected
	case says("a decision has been made to ignore this issue"):
		return advisory.StateWillNotFix
	case says("a decision has been made to defer addressing it"):
		return advisory.StateDeferred
	case says("is affected and may need fixing"), says("but no release version available"):
		return advisory.StateUndetermined
	}
	return advisory.StateAffected
}
