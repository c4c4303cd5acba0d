package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

const almaURL = "https://errata.almalinux.org/"

// almaReleases are those that have errata.
var almaReleases = []string{"8", "9", "10"}

// almaFeed reads AlmaLinux's errata (errata.almalinux.org), one document for each
// release. Unlike the OSV records made of them they say which build is for which
// processor and of which module stream.
func almaFeed() Feed {
	return Feed{
		Name:  "almalinux-errata",
		Home:  "https://errata.almalinux.org/",
		Doc:   "AlmaLinux's errata, one JSON document for each release",
		Every: 12 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			var missing []string
			for _, release := range almaReleases {
				b, err := o.Open(ctx, almaURL+release+"/errata.full.json")
				if errors.Is(err, ErrNotThere) {
					missing = append(missing, release)
					continue
				}
				if err != nil {
					return err
				}
				err = readAlma(ctx, b, release, out)
				b.Close()
				if err != nil {
					return err
				}
			}
			if len(missing) == len(almaReleases) {
				return fmt.Errorf("opening %s: %w", almaURL, ErrNotThere)
			}
			for _, release := range missing {
				out.Quarantine("release "+release, errors.New("its errata are not there"))
			}
			return nil
		},
	}
}

type almaErrata struct {
	ID         string      `json:"id"`
	Issued     looseSecond `json:"issued_date"`
	Updated    looseSecond `json:"updated_date"`
	Severity   looseString `json:"severity"`
	Title      looseString `json:"title"`
	References []struct {
		ID   looseString `json:"id"`
		Type looseString `json:"type"`
		Href looseString `json:"href"`
	} `json:"references"`
	Packages []struct {
		Name    string      `json:"name"`
		Epoch   looseString `json:"epoch"`
		Version string      `json:"version"`
		Release string      `json:"release"`
		Arch    looseString `json:"arch"`
		Module  looseString `json:"module"`
	} `json:"packages"`
}

// looseSecond is a number of seconds since 1970, or zero if the document has something
// else in its place.
type looseSecond struct{ time.Time }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *looseSecond) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	var s int64
	if decodeJSON(v, &s) == nil && s > 0 && s < 1<<36 {
		t.Time = time.Unix(s, 0).UTC()
	}
	return nil
}

func readAlma(ctx context.Context, r io.Reader, release string, out Sink) error {
	n := 0
	err := eachListed(r, "data", func(raw []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		n++
		var e almaErrata
		if err := decodeJSON(raw, &e); err != nil || !isErrata(e.ID) || !isName(e.ID) {
			out.Quarantine(fmt.Sprintf("release %s errata %d %.60s", release, n, e.ID), fmt.Errorf("not an errata record: %v", err))
			return nil
		}
		a, err := e.advisory(release)
		if err != nil {
			out.Quarantine(e.ID, err)
		}
		switch {
		case len(a.Related) == 0 && isMaintenance(e.ID):
			out.Skip(e.ID, "names no flaw")
		case len(a.Affected) > 0:
			return out.Advisory(a)
		case err == nil:
			out.Skip(e.ID, "affects nothing")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the errata of AlmaLinux %s: %w", release, err)
	}
	return nil
}

// advisory turns an errata record into statements on binary packages. A record is for
// the release that its own page is of; the folder it lies in counts if it has none.
func (e *almaErrata) advisory(release string) (advisory.Advisory, error) {
	a := advisory.Advisory{
		ID: e.ID, Summary: oneLine(string(e.Title)), Severity: severityOf(string(e.Severity)),
		Published: e.Issued.Time, Modified: e.Updated.Time,
	}
	for _, ref := range e.References {
		switch {
		case ref.Type == "self":
			of, page, _ := strings.Cut(strings.TrimPrefix(string(ref.Href), almaURL), "/")
			if slices.Contains(almaReleases, of) && page == strings.ReplaceAll(e.ID, ":", "-")+".html" {
				release = of
			}
		case cveOf(string(ref.ID)) != "" && len(a.Related) < maxAliases:
			a.Related = append(a.Related, cveOf(string(ref.ID)))
		}
	}
	a.Related = sortedUnique(a.Related)
	a.URL = almaURL + release + "/" + strings.ReplaceAll(e.ID, ":", "-") + ".html"
	if len(e.Packages) > maxUpdatePackages {
		return a, fmt.Errorf("it has %d packages, over the limit of %d", len(e.Packages), maxUpdatePackages)
	}
	builds := rpmBuilds{}
	var bad error
	for i := range e.Packages {
		p := &e.Packages[i]
		evr := p.Version + "-" + p.Release
		if p.Epoch != "" && p.Epoch != "0" {
			evr = string(p.Epoch) + ":" + evr
		}
		if !isName(p.Name) || p.Version == "" || p.Release == "" || version.RPM.Valid(evr) != nil || len(p.Arch) > 32 {
			bad = fmt.Errorf("package %.60q has no version that can be read: %.60q", p.Name, evr)
			continue
		}
		if p.Arch != "src" {
			builds.add(p.Name, almaModule(string(p.Module)), evr, string(p.Arch))
		}
	}
	a.Affected = builds.statements("AlmaLinux:" + release)
	return a, bad
}

// almaModule cuts "nodejs:18:8060020220523160029:ad008a3a:x86_64" to "nodejs:18", as
// packages bear it. What a module keeps from ordinary users is published as a module
// of its own, "nodejs-devel", but built as part of the first and labelled so.
func almaModule(label string) string {
	name, rest, ok := strings.Cut(label, ":")
	stream, _, _ := strings.Cut(rest, ":")
	if !ok || !isName(name) || !isName(stream) {
		return ""
	}
	return strings.TrimSuffix(name, "-devel") + ":" + stream
}

// rpmBuilds gathers the builds of one errata record: by package and module the
// versions, and by version the processors.
type rpmBuilds map[[2]string]map[string][]string

func (b rpmBuilds) add(name, module, evr, arch string) {
	key := [2]string{name, module}
	if b[key] == nil {
		b[key] = map[string][]string{}
	}
	if arches := b[key][evr]; !slices.Contains(arches, arch) {
		b[key][evr] = append(arches, arch)
	}
}

// statements gives one statement for each package and version. Where processors have
// different versions, each has a statement of its own; else it holds for all.
func (b rpmBuilds) statements(ecosystem string) []advisory.Affected {
	var out []advisory.Affected
	for key, versions := range b {
		arches := map[string]struct{}{}
		for _, of := range versions {
			for _, arch := range of {
				arches[arch] = struct{}{}
			}
		}
		for evr, of := range versions {
			af := advisory.Affected{Ecosystem: ecosystem, Package: key[0], Module: key[1]}
			if len(of) == len(arches) {
				of = []string{""}
			}
			for _, arch := range of {
				af.Arch = arch
				af.Ranges = []version.Interval{{Introduced: "0", Fixed: evr}}
				out = append(out, af)
			}
		}
	}
	slices.SortFunc(out, func(x, y advisory.Affected) int {
		for _, c := range [...]int{
			strings.Compare(x.Package, y.Package), strings.Compare(x.Module, y.Module),
			strings.Compare(x.Ranges[0].Fixed, y.Ranges[0].Fixed), strings.Compare(x.Arch, y.Arch),
		} {
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return out
}
