package feed

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// friendsOfPHPFeed reads the database of PHP packages that the FriendsOfPHP keep
// (github.com/FriendsOfPHP/security-advisories, README): YAML, in folders by package.
func friendsOfPHPFeed() Feed {
	return Feed{
		Name:  "friendsofphp",
		Home:  "https://github.com/FriendsOfPHP/security-advisories",
		Doc:   "FriendsOfPHP's database of Composer packages, a tar archive of YAML",
		Every: 12 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			// ROOT/vendor/package/file.yaml
			records := func(name string) bool {
				return path.Ext(name) == ".yaml" && strings.Count(strings.TrimPrefix(name, "./"), "/") == 3 && !strings.Contains(name, "/.")
			}
			return fetchRecords(ctx, o, "https://github.com/FriendsOfPHP/security-advisories/archive/refs/heads/master.tar.gz", records,
				parseFriendsOfPHP, out)
		},
	}
}

type phpAdvisory struct {
	Title     looseString `json:"title"`
	Link      looseString `json:"link"`
	CVE       looseString `json:"cve"`
	Reference looseString `json:"reference"`
	Branches  map[string]struct {
		Time     looseString `json:"time"`
		Versions []string    `json:"versions"`
	} `json:"branches"`
}

// parseFriendsOfPHP reads one record. It never panics, whatever the bytes. A version is
// affected if it meets all conditions of a branch. A record without CVE goes by its
// path: "vendor/package/2021-01-01".
func parseFriendsOfPHP(name string, data []byte, err error) osvParsed {
	dir := path.Dir(name)
	p := osvParsed{name: path.Base(path.Dir(dir)) + "/" + path.Base(dir) + "/" + baseName(name)}
	var rec phpAdvisory
	if err == nil {
		if data, err = yamlJSON(data); err == nil {
			err = decodeJSON(data, &rec)
		}
	}
	if err != nil {
		p.bad = fmt.Errorf("reading the record: %v", err)
		return p
	}
	pkg, ok := strings.CutPrefix(string(rec.Reference), "composer://")
	if !ok || !isName(pkg) || strings.Count(pkg, "/") != 1 {
		p.bad = fmt.Errorf("its package %.80q is not one", rec.Reference)
		return p
	}
	a := advisory.Advisory{ID: cmp.Or(cveOf(string(rec.CVE)), p.name), Summary: oneLine(string(rec.Title)), URL: webPage(string(rec.Link))}
	if !isName(a.ID) {
		p.bad = fmt.Errorf("it has no ID")
		return p
	}
	if a.URL == "" {
		a.URL = "https://github.com/FriendsOfPHP/security-advisories"
	}
	affected := rangeSet{scheme: composerSyntax.scheme}
	for _, branch := range slices.Sorted(maps.Keys(rec.Branches)) {
		b := rec.Branches[branch]
		// Of the dates of the fixes the first is when the flaw was made known.
		if t := parseTime(string(b.Time)); !t.IsZero() {
			if a.Published.IsZero() || t.Before(a.Published) {
				a.Published = t
			}
			if t.After(a.Modified) {
				a.Modified = t
			}
		}
		set, err := composerSyntax.set(strings.Join(b.Versions, ","))
		if err == nil {
			affected, err = affected.union(set.spans...)
		}
		if err != nil {
			p.bad = fmt.Errorf("branch %.40q: %v", branch, err)
		}
	}
	af := advisory.Affected{Ecosystem: "Packagist", Package: pkg, Ranges: affected.intervals()}
	switch {
	case len(af.Ranges) > 0:
		a.Affected = []advisory.Affected{af}
		p.adv = &a
	case p.bad == nil:
		p.skip = "affects no version"
	}
	return p
}
