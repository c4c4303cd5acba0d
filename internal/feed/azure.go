package feed

import (
	"context"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

const azureURL = "https://raw.githubusercontent.com/microsoft/AzureLinuxVulnerabilityData/main/"

// azureReleases gives the document of each release and the ecosystem it is for.
var azureReleases = []struct{ name, file, ecosystem string }{
	{"mariner-1.0", "cbl-mariner-1.0-oval.xml", "Mariner:1.0"},
	{"mariner-2.0", "cbl-mariner-2.0-oval.xml", "Mariner:2.0"},
	{"azure-linux-3", "azurelinux-3.0-oval.xml", "Azure Linux:3"},
}

// azureFeeds reads Microsoft's OVAL definitions (oval.mitre.org, 5.11) for Azure Linux
// and its forerunner CBL-Mariner, a feed for each release. They name source packages.
func azureFeeds() []Feed {
	feeds := make([]Feed, len(azureReleases))
	for i, r := range azureReleases {
		feeds[i] = Feed{
			Name:  r.name,
			Home:  "https://github.com/microsoft/AzureLinuxVulnerabilityData",
			Doc:   "flaws in " + r.ecosystem + ", one OVAL document",
			Every: 24 * time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				return fetchOVAL(ctx, o, azureDialect(r.ecosystem), out, azureURL+r.file)
			},
		}
	}
	return feeds
}

// azureDialect: each definition is one flaw in one package of one release, which no
// test asks for.
func azureDialect(ecosystem string) *ovalDialect {
	return &ovalDialect{
		about: ecosystem, keepEpoch: true, rates: true,
		identify: func(d *ovalDefinition) (advisory.Advisory, error) {
			return d.flaw("https://nvd.nist.gov/vuln/detail/")
		},
		places: func(*ovalDefinition, []string) []ovalPlace { return []ovalPlace{{ecosystem: ecosystem}} },
	}
}
