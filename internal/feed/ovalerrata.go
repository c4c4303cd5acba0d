package feed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// These publishers write a definition for each of their updates.

// oracleFeeds reads Oracle Linux's errata, all releases in one document.
func oracleFeeds() []Feed {
	return []Feed{{
		Name:  "oracle-linux-oval",
		Home:  "https://linux.oracle.com/security/",
		Doc:   "errata of Oracle Linux, one OVAL document",
		Every: 24 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			return fetchOVAL(ctx, o, oracleDialect(), out, "https://linux.oracle.com/security/oval/com.oracle.elsa-all.xml.bz2")
		},
	}}
}

func oracleDialect() *ovalDialect {
	return &ovalDialect{
		about: "Oracle Linux",
		identify: func(d *ovalDefinition) (advisory.Advisory, error) {
			return d.erratum("elsa", "elba", "elea")
		},
		places: onPlatform(majorOf("Oracle Linux ", "Oracle Linux:", "")),
	}
}

// majorOf gives the ecosystem of a platform that is a name and a number.
func majorOf(name, ecosystem, minor string) func(platform string) string {
	return func(platform string) string {
		if n, ok := strings.CutPrefix(platform, name); ok && isDigits(n) && len(n) < 4 {
			return ecosystem + n + minor
		}
		return ""
	}
}

// almaOVALFeeds reads AlmaLinux's errata, a feed for each release.
func almaOVALFeeds() []Feed {
	feeds := make([]Feed, len(almaReleases))
	for i, release := range almaReleases {
		feeds[i] = Feed{
			Name:  "almalinux-oval-" + release,
			Home:  "https://errata.almalinux.org/",
			Doc:   "errata of AlmaLinux " + release + ", one OVAL document",
			Every: 24 * time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				return fetchOVAL(ctx, o, almaDialect(release), out, "https://security.almalinux.org/oval/org.almalinux.alsa-"+release+".xml.bz2")
			},
		}
	}
	return feeds
}

func almaDialect(release string) *ovalDialect {
	return &ovalDialect{
		about: "AlmaLinux " + release,
		identify: func(d *ovalDefinition) (advisory.Advisory, error) {
			return d.erratum("ALSA", "ALBA", "ALEA")
		},
		places: onPlatform(func(platform string) string {
			if platform != "AlmaLinux "+release {
				return ""
			}
			return "AlmaLinux:" + release
		}),
	}
}

// photonReleases are those of Photon OS, which has a document for each.
var photonReleases = []string{"1", "2", "3", "4", "5"}

// photonFeeds reads VMware's errata of Photon OS, a feed for each release: their
// numbers count the definitions of one document and are not the same in another.
func photonFeeds() []Feed {
	feeds := make([]Feed, len(photonReleases))
	for i, release := range photonReleases {
		feeds[i] = Feed{
			Name:  "photon-oval-" + release + ".0",
			Home:  "https://github.com/vmware/photon/wiki/Security-Advisories",
			Doc:   "errata of Photon OS " + release + ".0, one OVAL document",
			Every: 24 * time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				return fetchOVAL(ctx, o, photonDialect(release), out,
					"https://packages.vmware.com/photon/photon_oval_definitions/com.vmware.phsa-photon"+release+".xml.gz")
			},
		}
	}
	return feeds
}

func photonDialect(release string) *ovalDialect {
	return &ovalDialect{
		about: "Photon OS " + release + ".0",
		identify: func(d *ovalDefinition) (advisory.Advisory, error) {
			id, rest, _ := strings.Cut(strings.TrimSpace(d.Title), " ")
			if !strings.HasPrefix(id, "PHSA-") || !isName(id) {
				return advisory.Advisory{}, errors.New("its title does not begin with the name of an update")
			}
			a := advisory.Advisory{ID: id, Related: d.cves(), Summary: oneLine(rest), URL: "https://github.com/vmware/photon/wiki/Security-Advisories"}
			for _, r := range d.References {
				if r.Source == "PHSA" && strings.HasPrefix(r.URL, "https://") && isName(r.URL) {
					a.URL = r.URL
				}
			}
			return a, nil
		},
		places: onPlatform(func(platform string) string {
			if platform != "Photon OS "+release && platform != "Photon "+release {
				return ""
			}
			return "Photon OS:" + release + ".0"
		}),
	}
}

// debianOVALReleases have a document by their codename.
var debianOVALReleases = []string{"jessie", "stretch", "buster", "bullseye", "bookworm", "trixie"}

// debianOVALFeeds reads what Debian makes of its security tracker. A definition that
// asks for a version below 0 stands for a flaw that is not fixed, or that never was
// there, and says nothing.
func debianOVALFeeds() []Feed {
	return []Feed{{
		Name:  "debian-oval",
		Home:  "https://www.debian.org/security/oval/",
		Doc:   "flaws fixed in Debian and its security advisories, an OVAL document for each release",
		Every: 24 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			var missing error
			some := false
			for _, codename := range debianOVALReleases {
				err := fetchOVAL(ctx, o, debianDialect(codename), out, "https://www.debian.org/security/oval/oval-definitions-"+codename+".xml.bz2")
				switch {
				case errors.Is(err, ErrNotThere):
					missing = err // old releases are taken away
				case err != nil:
					return err
				default:
					some = true
				}
			}
			if some {
				return nil
			}
			return missing
		},
	}}
}

func debianDialect(codename string) *ovalDialect {
	release := debianReleases[codename]
	return &ovalDialect{
		about: "Debian " + release,
		identify: func(d *ovalDefinition) (advisory.Advisory, error) {
			if d.Class != "patch" {
				return d.flaw("https://security-tracker.debian.org/tracker/")
			}
			id, rest, _ := strings.Cut(strings.TrimSpace(d.Title), " ")
			if !hasAnyPrefix(id, []string{"DSA-", "DLA-", "DTSA-"}) || !isName(id) {
				return advisory.Advisory{}, fmt.Errorf("its title %.60q does not begin with the name of an advisory", d.Title)
			}
			return advisory.Advisory{ID: id, Related: d.cves(), Summary: oneLine(rest), URL: recordURL(id)}, nil
		},
		places: onPlatform(func(platform string) string {
			if platform != "Debian "+release && platform != "Debian GNU/Linux "+release {
				return ""
			}
			return "Debian:" + release
		}),
	}
}
