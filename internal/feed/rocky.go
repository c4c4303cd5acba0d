package feed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

const rockyURL = "https://apollo.build.resf.org/api/v3/advisories/"

// Bounds on Apollo's list: bytes of a page, and pages.
const (
	maxRockyPage  = 128 << 20
	maxRockyPages = 1 << 14
)

// rockyFeed reads Rocky Linux's errata from the pages of its errata service, Apollo
// (apollo.build.resf.org/docs).
func rockyFeed() Feed {
	return Feed{
		Name:  "rocky-apollo",
		Home:  "https://errata.rockylinux.org/",
		Doc:   "Rocky Linux's errata, the pages of its errata service",
		Every: 12 * time.Hour,
		Fetch: fetchRocky,
	}
}

// fetchRocky reads page after page until one says that it is the last. Errata that
// move to the next page because one was added meanwhile count once.
func fetchRocky(ctx context.Context, o *Origin, out Sink) error {
	read := map[string]struct{}{}
	for n := 1; n <= maxRockyPages; n++ {
		b, err := o.Open(ctx, rockyURL+"?size=100&page="+strconv.Itoa(n))
		if errors.Is(err, ErrNotThere) && n > 1 {
			return fmt.Errorf("reading Rocky Linux's errata: page %d is announced, but not there", n)
		}
		if err != nil {
			return err
		}
		data, err := readAll(b, maxRockyPage)
		b.Close()
		if err != nil {
			return fmt.Errorf("reading page %d of Rocky Linux's errata: %w", n, err)
		}
		more, err := readRocky(data, n, read, out)
		if err != nil || !more {
			return err
		}
	}
	return fmt.Errorf("reading Rocky Linux's errata: there are more than %d pages", maxRockyPages)
}

type rockyErrata struct {
	ID        string      `json:"name"`
	Published looseTime   `json:"published_at"`
	Updated   looseTime   `json:"updated_at"`
	Synopsis  looseString `json:"synopsis"`
	Severity  looseString `json:"severity"`
	CVEs      []struct {
		ID     looseString `json:"cve"`
		Vector looseString `json:"cvss3_scoring_vector"`
	} `json:"cves"`
	Packages []struct {
		NEVRA   string      `json:"nevra"`
		Module  looseString `json:"module_name"`
		Stream  looseString `json:"module_stream"`
		Product string      `json:"product_name"`
	} `json:"packages"`
}

// readRocky reads a page and reports whether another follows.
func readRocky(data []byte, n int, read map[string]struct{}, out Sink) (more bool, err error) {
	var page struct {
		List    []rawJSON `json:"advisories"`
		Updated looseTime `json:"last_updated_at"`
		Links   struct {
			Next looseString `json:"next"`
		} `json:"links"`
	}
	if err := decodeJSON(data, &page); err != nil || page.List == nil {
		return false, fmt.Errorf("reading page %d of Rocky Linux's errata: it has no list of them: %v", n, err)
	}
	more = page.Links.Next != ""
	if more && len(page.List) == 0 {
		return false, fmt.Errorf("reading page %d of Rocky Linux's errata: it is empty, but not the last", n)
	}
	out.Dated(page.Updated.Time)
	for i, raw := range page.List {
		var e rockyErrata
		if err := decodeJSON([]byte(raw), &e); err != nil || !isErrata(e.ID) || !isName(e.ID) {
			out.Quarantine(fmt.Sprintf("page %d errata %d %.60s", n, i+1, e.ID), fmt.Errorf("not an errata record: %v", err))
			continue
		}
		if _, twice := read[e.ID]; twice {
			continue
		}
		read[e.ID] = struct{}{}
		a, foreign, err := e.advisory()
		if err != nil {
			out.Quarantine(e.ID, err)
		}
		switch {
		case len(a.Related) == 0 && isMaintenance(e.ID):
			out.Skip(e.ID, "names no flaw")
		case len(a.Affected) > 0:
			if err := out.Advisory(a); err != nil {
				return false, err
			}
		case err != nil:
		case foreign:
			out.Skip(e.ID, "another product")
		default:
			out.Skip(e.ID, "affects nothing")
		}
	}
	return more, nil
}

// advisory turns an errata record into statements on source packages, as the OSV
// records do that are made of it; the binary packages beside them have the same
// versions. A record without source packages is taken by its binary ones. foreign
// tells that packages of other products were left out: what special interest groups
// build replaces the release's own packages only where somebody enables it.
func (e *rockyErrata) advisory() (a advisory.Advisory, foreign bool, err error) {
	a = advisory.Advisory{
		ID: e.ID, Summary: oneLine(string(e.Synopsis)), Severity: severityOf(string(e.Severity)),
		Published: e.Published.Time, Modified: e.Updated.Time, URL: "https://errata.rockylinux.org/" + e.ID,
	}
	if len(e.Packages) > maxUpdatePackages || len(e.CVEs) > maxAliases {
		return a, false, fmt.Errorf("it has %d packages and %d flaws, over the limits of %d and %d", len(e.Packages), len(e.CVEs), maxUpdatePackages, maxAliases)
	}
	for _, c := range e.CVEs {
		if cve := cveOf(string(c.ID)); cve != "" {
			a.Related = append(a.Related, cve)
		}
	}
	a.Related = sortedUnique(a.Related)
	if len(e.CVEs) == 1 { // of several flaws no rating is that of the record
		_, a.CVSS = ratings(nil, []osvSeverity{{Type: "CVSS_V3", Score: e.CVEs[0].Vector}})
	}
	sources, binaries := map[string]rpmBuilds{}, map[string]rpmBuilds{}
	for i := range e.Packages {
		p := &e.Packages[i]
		name, evr, arch, ok := splitNEVRA(p.NEVRA)
		if !ok {
			err = fmt.Errorf("its package %.80q has no name and version that can be read", p.NEVRA)
			continue
		}
		release := rockyRelease(p.Product)
		if release == "" {
			foreign = true
			continue
		}
		module := ""
		if p.Module != "" {
			module = almaModule(string(p.Module) + ":" + string(p.Stream))
		}
		into := binaries
		if arch == "src" {
			into = sources
		}
		if into[release] == nil {
			into[release] = rpmBuilds{}
		}
		into[release].add(name, module, evr, "")
	}
	if len(sources) == 0 {
		sources = binaries
	}
	for _, release := range slices.Sorted(maps.Keys(sources)) {
		a.Affected = append(a.Affected, sources[release].statements("Rocky Linux:"+release)...)
	}
	return a, foreign, err
}

// rockyRelease gives the release of a product's name, "Rocky Linux 8.6 x86_64 (Legacy)",
// without the minor one; empty for other products, "Rocky Linux SIG Cloud 8".
func rockyRelease(product string) string {
	rest, ok := strings.CutPrefix(product, "Rocky Linux ")
	release, _, _ := strings.Cut(rest, " ")
	major, _, _ := strings.Cut(release, ".")
	if !ok || !isDigits(major) || len(major) > 3 {
		return ""
	}
	return major
}

// splitNEVRA takes "NAME-EPOCH:VERSION-RELEASE.ARCH.rpm" apart. An epoch of nought is
// left out.
func splitNEVRA(s string) (name, evr, arch string, ok bool) {
	s = strings.TrimSuffix(s, ".rpm")
	dot := strings.LastIndexByte(s, '.')
	if dot <= 0 {
		return "", "", "", false
	}
	s, arch = s[:dot], s[dot+1:]
	rel := strings.LastIndexByte(s, '-')
	if rel <= 0 {
		return "", "", "", false
	}
	ver := strings.LastIndexByte(s[:rel], '-')
	if ver <= 0 {
		return "", "", "", false
	}
	name, evr = s[:ver], strings.TrimPrefix(s[ver+1:], "0:")
	return name, evr, arch, isName(name) && version.RPM.Valid(evr) == nil
}
