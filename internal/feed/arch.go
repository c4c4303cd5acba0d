package feed

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// maxArch bounds Arch Linux's list, in bytes.
const maxArch = 64 << 20

// archFeed reads Arch Linux's security tracker (security.archlinux.org): groups ("AVG")
// of flaws that are in the same versions of the same packages.
func archFeed() Feed {
	return Feed{
		Name:  "arch-linux",
		Home:  "https://security.archlinux.org/",
		Doc:   "Arch Linux's security tracker, one JSON list of groups of flaws",
		Every: 12 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			b, err := o.Open(ctx, "https://security.archlinux.org/all.json")
			if err != nil {
				return err
			}
			defer b.Close()
			out.Dated(b.Modified) // the list bears no dates
			return readArch(b, out)
		},
	}
}

type archGroup struct {
	Name     string      `json:"name"`
	Packages []string    `json:"packages"`
	Status   looseString `json:"status"`
	Severity looseString `json:"severity"`
	Type     looseString `json:"type"`
	Fixed    looseString `json:"fixed"`
	Issues   []string    `json:"issues"`
}

func readArch(r io.Reader, out Sink) error {
	data, err := readAll(r, maxArch)
	if err != nil {
		return fmt.Errorf("reading the list of groups: %w", err)
	}
	var groups []rawJSON
	if err := decodeJSON(data, &groups); err != nil || groups == nil {
		return fmt.Errorf("reading the list of groups: it is no list: %v", err)
	}
	for i, raw := range groups {
		var g archGroup
		if err := decodeJSON([]byte(raw), &g); err != nil || !isFlawName(g.Name) {
			out.Quarantine(fmt.Sprintf("group %d %.60s", i+1, g.Name), fmt.Errorf("not a group of flaws: %v", err))
			continue
		}
		a, err := g.advisory()
		if err != nil {
			out.Quarantine(g.Name, err)
		}
		switch {
		case len(a.Affected) > 0:
			if err := out.Advisory(a); err != nil {
				return err
			}
		case err == nil:
			out.Skip(g.Name, "affects nothing")
		}
	}
	return nil
}

// advisory turns a group into an errata record on its flaws.
//
// A group's "affected" is the version that somebody looked at, and no beginning: what is
// older is affected too. A fix that is still being tested counts, as it says which
// version is the first without the flaw.
func (g *archGroup) advisory() (advisory.Advisory, error) {
	a := advisory.Advisory{ID: g.Name, Severity: severityOf(string(g.Severity)), URL: "https://security.archlinux.org/" + g.Name}
	if len(g.Packages) > maxUpdatePackages || len(g.Issues) > maxAliases {
		return a, fmt.Errorf("it has %d packages and %d flaws, over the limits of %d and %d", len(g.Packages), len(g.Issues), maxUpdatePackages, maxAliases)
	}
	for _, id := range g.Issues {
		if cve := cveOf(id); cve != "" {
			a.Related = append(a.Related, cve)
		}
	}
	a.Related = sortedUnique(a.Related)
	if len(g.Packages) > 0 {
		a.Summary = oneLine(g.Packages[0] + ": " + string(g.Type))
	}
	like := advisory.Affected{Ecosystem: "Arch Linux"}
	open := version.Interval{Introduced: "0"}
	switch g.Status {
	case "Not affected":
		like.State = advisory.StateNotAffected
	case "Unknown":
		like.State = advisory.StateUndetermined
	case "Vulnerable", "Fixed", "Testing":
		open.Fixed = string(g.Fixed)
		switch {
		case open.Fixed == "" && g.Status != "Fixed":
		case version.Pacman.Valid(open.Fixed) != nil:
			return a, fmt.Errorf("it is fixed in %.60q, which is no version", open.Fixed)
		}
		like.Ranges = []version.Interval{open}
	default:
		return a, fmt.Errorf("its status %.40q is not known", g.Status)
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(g.Packages))) {
		if !isName(name) || strings.Contains(name, " ") {
			return a, fmt.Errorf("its package %.60q is not one", name)
		}
		af := like
		af.Package = name
		af.Ranges = slices.Clone(like.Ranges)
		a.Affected = append(a.Affected, af)
	}
	return a, nil
}
