package feed

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// cveFeeds read records of the CVE programme in version 5 of their format
// (cveproject.github.io/cve-schema): the list of all, with what CISA adds as authorised
// data publisher, and CISA's own archive of what it added.
func cveFeeds() []Feed {
	return []Feed{
		cveFeed("cve-list", "https://github.com/CVEProject/cvelistV5", "CVEProject/cvelistV5/archive/refs/heads/main.tar.gz",
			"the list of the CVE programme: titles and ratings by who assigned each CVE, ratings and SSVC by CISA; JSON 5 in an archive"),
		cveFeed("cisa-vulnrichment", "https://github.com/cisagov/vulnrichment", "cisagov/vulnrichment/archive/refs/heads/develop.tar.gz",
			"CISA's Vulnrichment: the records of the CVE programme that CISA added to; JSON 5 in an archive"),
	}
}

func cveFeed(name, home, file, doc string) Feed {
	return Feed{
		Name: name, Home: home, Doc: doc, Every: 24 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			// The archive has some 500 MB: it is fetched whole, and again if it is cut.
			f, err := o.OpenAt(ctx, "https://github.com/"+file)
			if err != nil {
				return err
			}
			defer f.Close()
			return readCVEList(ctx, io.NewSectionReader(f, 0, f.Size()), out)
		},
	}
}

// cveRecord has the fields of a CVE record that are kept.
type cveRecord struct {
	Meta struct {
		ID        string      `json:"cveId"`
		State     looseString `json:"state"`
		Published looseTime   `json:"datePublished"`
		Updated   looseTime   `json:"dateUpdated"`
	} `json:"cveMetadata"`
	Containers struct {
		CNA cveContainer   `json:"cna"`
		ADP []cveContainer `json:"adp"`
	} `json:"containers"`
}

// cveContainer is what one party says in a record.
type cveContainer struct {
	Provider struct {
		Name looseString `json:"shortName"`
	} `json:"providerMetadata"`
	Title        looseString `json:"title"`
	Descriptions []cveText   `json:"descriptions"`
	Metrics      []cveMetric `json:"metrics"`
}

type cveMetric struct {
	V40   cveVector `json:"cvssV4_0"`
	V31   cveVector `json:"cvssV3_1"`
	V30   cveVector `json:"cvssV3_0"`
	V2    cveVector `json:"cvssV2_0"`
	Other struct {
		Type    looseString `json:"type"`
		Content rawJSON     `json:"content"`
	} `json:"other"`
}

type cveVector struct {
	Vector looseString `json:"vectorString"`
}

func (m *cveMetric) vectors() [4]string {
	return [4]string{string(m.V40.Vector), string(m.V31.Vector), string(m.V30.Vector), string(m.V2.Vector)}
}

// isCVEFile tells the records in an archive from its lists of changes.
func isCVEFile(name string) bool {
	id, ok := strings.CutSuffix(path.Base(name), ".json")
	return ok && strings.HasPrefix(id, "CVE-")
}

func readCVEList(ctx context.Context, r io.Reader, out Sink) error {
	var newest time.Time
	records := 0
	err := eachFile(ctx, r, isCVEFile, func(name string, data []byte, err error) error {
		records++
		var rec cveRecord
		if err == nil {
			rec, err = parseCVE(data)
		}
		if err != nil {
			out.Quarantine(path.Base(name), err)
			return nil
		}
		if rec.Meta.Updated.After(newest) {
			newest = rec.Meta.Updated.Time
		}
		if rec.Meta.State != "PUBLISHED" {
			out.Skip(rec.Meta.ID, "withdrawn")
			return nil
		}
		return out.Enrichment(rec.Meta.ID, rec.enrichment())
	})
	switch {
	case err != nil:
		return fmt.Errorf("reading the records: %w", err)
	case records == 0:
		return fmt.Errorf("reading the records: there are none")
	}
	out.Dated(newest)
	return nil
}

func parseCVE(data []byte) (cveRecord, error) {
	var rec cveRecord
	if err := decodeJSON(data, &rec); err != nil {
		return rec, err
	}
	if id := rec.Meta.ID; id == "" || cveOf(id) != id {
		return rec, fmt.Errorf("%.60q is not a CVE", id)
	}
	return rec, nil
}

// enrichment gives what a record says. The CNA's own word for how severe a flaw is
// stands in ratings of kinds that the format does not know (Red Hat, Apache, OpenSSL).
// CISA's mark that a flaw is exploited is left to its catalogue, which has the dates.
func (r *cveRecord) enrichment() advisory.Enrichment {
	cna := &r.Containers.CNA
	e := advisory.Enrichment{Published: r.Meta.Published.Time, SeveritySource: ratedByCNA, Summary: oneLine(string(cna.Title))}
	if e.Summary == "" {
		e.Summary = firstLine(english(cna.Descriptions))
	}
	for i := range cna.Metrics {
		m := &cna.Metrics[i]
		for _, v := range m.vectors() {
			e.CVSS = addRating(e.CVSS, v, ratedByCNA)
		}
		var word struct {
			Value looseString `json:"value"`
			Text  looseString `json:"text"`
		}
		m.Other.Content.decode(&word)
		e.Severity = max(e.Severity, severityOf(strings.TrimSpace(string(word.Value))), severityOf(strings.TrimSpace(string(word.Text))))
	}
	for i := range r.Containers.ADP {
		adp := &r.Containers.ADP[i]
		by := ratedByCISA
		if adp.Provider.Name != "CISA-ADP" {
			by = otherParty(string(adp.Provider.Name))
		}
		for j := range adp.Metrics {
			m := &adp.Metrics[j]
			for _, v := range m.vectors() {
				e.CVSS = addRating(e.CVSS, v, by)
			}
			if by == ratedByCISA && m.Other.Type == "ssvc" {
				var s ssvcData
				m.Other.Content.decode(&s)
				if d := s.decision(); d != nil && (e.SSVC == nil || d.Date > e.SSVC.Date) {
					e.SSVC = d
				}
			}
		}
	}
	return e
}
