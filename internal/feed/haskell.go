package feed

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// haskellFeed reads the database of Haskell's Security Response Team
// (github.com/haskell/security-advisories, CONTRIBUTING.md): Markdown that begins with
// TOML. What is reserved there is not yet published.
func haskellFeed() Feed {
	return Feed{
		Name:  "haskell-hsec",
		Home:  "https://haskell.github.io/security-advisories/",
		Doc:   "Haskell's database of packages, a tar archive of Markdown with TOML",
		Every: 24 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			published := func(name string) bool {
				return inFolder(name, "advisories") && strings.Contains(name, "/published/") &&
					strings.HasPrefix(path.Base(name), "HSEC-") && path.Ext(name) == ".md"
			}
			return fetchRecords(ctx, o, "https://github.com/haskell/security-advisories/archive/refs/heads/main.tar.gz", published,
				parseHaskell, out)
		},
	}
}

type haskellAdvisory struct {
	Advisory struct {
		ID      string   `toml:"id"`
		Date    any      `toml:"date"`
		Aliases []string `toml:"aliases"`
	} `toml:"advisory"`
	Affected []struct {
		Package   string `toml:"package"`
		Component string `toml:"ghc-component"`
		CVSS      string `toml:"cvss"`
		Versions  []struct {
			Introduced string `toml:"introduced"`
			Fixed      string `toml:"fixed"`
		} `toml:"versions"`
	} `toml:"affected"`
}

// parseHaskell reads one record. It never panics, whatever the bytes.
func parseHaskell(name string, data []byte, err error) osvParsed {
	p := osvParsed{name: baseName(name)}
	var front []byte
	var title string
	var rec haskellAdvisory
	if err == nil {
		front, title, err = frontMatter(data)
	}
	if err == nil {
		err = decodeTOML(front, &rec)
	}
	id := rec.Advisory.ID
	if err == nil && (!isName(id) || !strings.HasPrefix(id, "HSEC-")) {
		err = fmt.Errorf("its ID %.60q is not one", id)
	}
	if err != nil {
		p.bad = err
		return p
	}
	a := advisory.Advisory{
		ID: id, Summary: title, URL: "https://osv.dev/vulnerability/" + id, Published: parseTime(fmt.Sprint(rec.Advisory.Date)),
		Aliases: aliasesOf(id, rec.Advisory.Aliases),
	}
	a.Modified = a.Published
	for _, part := range rec.Affected {
		af := advisory.Affected{Ecosystem: "Hackage", Package: part.Package}
		if part.Component != "" {
			af.Ecosystem, af.Package = "GHC", part.Component
		}
		if !isName(af.Package) {
			p.bad = fmt.Errorf("a package %.60q is not one", af.Package)
			continue
		}
		var events []osvEvent
		for _, v := range part.Versions {
			events = append(events, osvEvent{Introduced: v.Introduced})
			if v.Fixed != "" {
				events = append(events, osvEvent{Fixed: v.Fixed})
			}
		}
		scheme, _ := version.For(af.Ecosystem)
		ranges, err := intervals(scheme, true, events)
		if err != nil {
			p.bad = fmt.Errorf("package %.80q: %v", af.Package, err)
			continue
		}
		_, a.CVSS = ratings(a.CVSS, []osvSeverity{{Type: "CVSS_V3", Score: looseString(part.CVSS)}})
		if len(ranges) > 0 {
			af.Ranges = ranges
			a.Affected = append(a.Affected, af)
		}
	}
	switch {
	case len(a.Affected) > 0:
		p.adv = &a
	case p.bad == nil:
		p.skip = "affects nothing"
	}
	return p
}
