package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

const photonURL = "https://packages.broadcom.com/photon/photon_cve_metadata/"

// Bounds on Photon's files: bytes of one, and releases.
const (
	maxPhoton         = 128 << 20
	maxPhotonReleases = 64
)

// photonFeed reads the CVE metadata of Photon OS (packages.broadcom.com): a list of
// releases, and for each a list of flaws in binary packages.
func photonFeed() Feed {
	return Feed{
		Name:  "photon-cve",
		Home:  "https://github.com/vmware/photon/wiki/Security-Advisories",
		Doc:   "Photon OS's CVE metadata, one JSON list for each release",
		Every: 12 * time.Hour,
		Fetch: fetchPhoton,
	}
}

func fetchPhoton(ctx context.Context, o *Origin, out Sink) error {
	list, err := fetchSmall(ctx, o, photonURL+"photon_versions.json")
	if err != nil {
		return err
	}
	var versions struct {
		Branches []string `json:"branches"`
	}
	if err := decodeJSON(list, &versions); err != nil || len(versions.Branches) == 0 || len(versions.Branches) > maxPhotonReleases {
		return fmt.Errorf("reading the list of releases: it names %d releases: %v", len(versions.Branches), err)
	}
	flaws := map[string]*advisory.Advisory{}
	found := false
	for _, release := range sortedUnique(versions.Branches) {
		major, minor, ok := strings.Cut(release, ".")
		if !ok || !isDigits(major) || !isDigits(minor) || len(release) > 16 {
			out.Quarantine("release "+release, errors.New("the list of releases names it, but it is none"))
			continue
		}
		b, err := o.Open(ctx, photonURL+"cve_data_photon"+release+".json")
		if errors.Is(err, ErrNotThere) {
			out.Quarantine("release "+release, errors.New("the release is listed, but its file is not there"))
			continue
		}
		if err != nil {
			return err
		}
		found = true
		out.Dated(b.Modified) // the lists bear no dates
		err = readPhoton(b, release, flaws, out)
		b.Close()
		if err != nil {
			return err
		}
	}
	if !found {
		return errors.New("reading the releases: none of their files is there")
	}
	for _, id := range slices.Sorted(maps.Keys(flaws)) {
		if err := out.Advisory(*flaws[id]); err != nil {
			return err
		}
	}
	return nil
}

// photonRow is what a release's list says of one flaw in one package.
type photonRow struct {
	ID     string      `json:"cve_id"`
	Name   string      `json:"pkg"`
	Score  rawJSON     `json:"cve_score"`
	Range  looseString `json:"aff_ver"`
	Fixed  looseString `json:"res_ver"`
	Status looseString `json:"status"`
}

// readPhoton adds what a release's list says to flaws.
func readPhoton(r io.Reader, release string, flaws map[string]*advisory.Advisory, out Sink) error {
	data, err := readAll(r, maxPhoton)
	if err != nil {
		return fmt.Errorf("reading Photon OS %s: %w", release, err)
	}
	var rows []rawJSON
	if err := decodeJSON(data, &rows); err != nil || rows == nil {
		return fmt.Errorf("reading Photon OS %s: it is no list: %v", release, err)
	}
	type said struct{ id, name, fixed string }
	seen := map[said]struct{}{}
	for i, raw := range rows {
		var row photonRow
		err := decodeJSON([]byte(raw), &row)
		if err == nil && cveOf(row.ID) != row.ID && !isFlawName(row.ID) || row.ID == "" {
			err = errors.New("its ID names no flaw")
		}
		var af advisory.Affected
		if err == nil {
			af, err = row.statement(release)
		}
		if err != nil {
			out.Quarantine(fmt.Sprintf("%s row %d %.60s %.60s", release, i+1, row.ID, row.Name), err)
			continue
		}
		key := said{row.ID, row.Name, string(row.Fixed)}
		if _, twice := seen[key]; twice {
			continue
		}
		seen[key] = struct{}{}
		a := flaws[row.ID]
		if a == nil {
			a = &advisory.Advisory{ID: row.ID}
			flaws[row.ID] = a
		}
		a.Affected = append(a.Affected, af)
		a.Severity = max(a.Severity, row.severity())
	}
	return nil
}

// statement reads what a row says of its package. What is not fixed has "NA" for its
// version.
func (row *photonRow) statement(release string) (advisory.Affected, error) {
	af := advisory.Affected{Ecosystem: "Photon OS:" + release, Package: row.Name}
	fixed := strings.TrimSpace(string(row.Fixed))
	has := fixed != "" && fixed != "NA"
	switch {
	case !isName(row.Name):
		return af, fmt.Errorf("its package %.60q is not one", row.Name)
	case strings.EqualFold(string(row.Status), "Not Affected"):
		af.State = advisory.StateNotAffected
	case has && version.RPM.Valid(fixed) != nil:
		return af, fmt.Errorf("it is fixed in %.60q, which is no version", fixed)
	case has:
		af.Ranges = []version.Interval{{Introduced: "0", Fixed: fixed}}
	case row.Status == "Fixed" || !strings.HasPrefix(string(row.Range), "all versions"):
		return af, fmt.Errorf("it is %.40q in %.60q, and no version is fixed", row.Status, row.Range)
	default:
		af.Ranges = []version.Interval{{Introduced: "0"}}
	}
	return af, nil
}

// severity puts the score into words by the bands of CVSS 3; the lists have no vectors.
func (row *photonRow) severity() advisory.Severity {
	var score float64
	row.Score.decode(&score)
	switch {
	case !(score > 0 && score <= 10):
		return advisory.SeverityUnknown
	case score >= 9:
		return advisory.SeverityCritical
	case score >= 7:
		return advisory.SeverityHigh
	case score >= 4:
		return advisory.SeverityMedium
	}
	return advisory.SeverityLow
}
