package feed

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

const kevURL = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"

// maxKEV bounds the catalogue, in bytes; it has about 1.3 million.
const maxKEV = 256 << 20

// kevFeed reads CISA's catalogue of known exploited vulnerabilities
// (known_exploited_vulnerabilities_schema.json beside it).
func kevFeed() Feed {
	return Feed{
		Name:  "cisa-kev",
		Home:  "https://www.cisa.gov/known-exploited-vulnerabilities-catalog",
		Doc:   "CISA's catalogue of flaws that are known to be exploited, one JSON document",
		Every: 24 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			body, err := o.Open(ctx, kevURL)
			if err != nil {
				return err
			}
			defer body.Close()
			return readKEV(body, out)
		},
	}
}

type kevEntry struct {
	ID         string      `json:"cveID"`
	Added      looseString `json:"dateAdded"`
	Due        looseString `json:"dueDate"`
	Ransomware looseString `json:"knownRansomwareCampaignUse"`
}

func readKEV(r io.Reader, out Sink) error {
	data, err := readAll(r, maxKEV)
	if err != nil {
		return fmt.Errorf("reading the catalogue: %w", err)
	}
	var doc struct {
		Released looseTime `json:"dateReleased"`
		Entries  []rawJSON `json:"vulnerabilities"`
	}
	if err := decodeJSON(data, &doc); err != nil {
		return fmt.Errorf("reading the catalogue: %v", err)
	}
	if doc.Entries == nil {
		return fmt.Errorf("reading the catalogue: it has no list of flaws")
	}
	if !doc.Released.IsZero() {
		out.Dated(doc.Released.Time)
	}
	for i, raw := range doc.Entries {
		var e kevEntry
		err := decodeJSON([]byte(raw), &e)
		switch {
		case err != nil:
			err = fmt.Errorf("reading the entry: %v", err)
		case cveOf(e.ID) != e.ID || e.ID == "":
			err = fmt.Errorf("%.60q is not a CVE", e.ID)
		case parseTime(string(e.Added)).IsZero():
			err = fmt.Errorf("%.60q is not the date it was added", e.Added)
		}
		if err != nil {
			out.Quarantine(fmt.Sprintf("entry %d", i+1), err)
			continue
		}
		x := advisory.Exploited{Added: string(e.Added), Ransomware: e.Ransomware == "Known"}
		if !parseTime(string(e.Due)).IsZero() {
			x.Due = string(e.Due)
		}
		if err := out.Enrichment(e.ID, advisory.Enrichment{Exploited: &x}); err != nil {
			return err
		}
	}
	return nil
}

// readAll reads r, which may hold at most limit bytes.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it has over %d bytes", limit)
	}
	return data, err
}
