package feed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// The names by which ratings go: of NVD's own analysts, of the party that assigned the
// CVE (the CNA), of CISA as authorised data publisher of the CVE programme, and of
// others that publish in it, whose name follows the colon.
const (
	ratedByNVD   = "nvd"
	ratedByCNA   = "cna"
	ratedByCISA  = "cisa-adp"
	ratedByOther = "adp:"
)

// nvdParties are parties by the identifiers that NVD gives them.
var nvdParties = map[string]string{
	"nvd@nist.gov":                         ratedByNVD,
	"134c704f-9b21-4f2e-91b3-4a467353bcc0": ratedByCISA,
}

// nvdFlaw is a record of NVD.
type nvdFlaw struct {
	ID             string      `json:"id"`
	Source         looseString `json:"sourceIdentifier"`
	Published      looseTime   `json:"published"`
	Modified       looseTime   `json:"lastModified"`
	Status         looseString `json:"vulnStatus"`
	Descriptions   []cveText   `json:"descriptions"`
	Metrics        nvdMetrics  `json:"metrics"`
	Configurations rawJSON     `json:"configurations"`
}

// cveText is a text in some language, in NVD's records and those of the CVE list.
type cveText struct {
	Language looseString `json:"lang"`
	Value    excerpt     `json:"value"`
}

// english gives the first text in English.
func english(all []cveText) string {
	for _, t := range all {
		if lang := strings.ToLower(string(t.Language)); lang == "en" || strings.HasPrefix(lang, "en-") || strings.HasPrefix(lang, "en_") {
			return string(t.Value)
		}
	}
	return ""
}

type nvdMetrics struct {
	V40  []nvdMetric `json:"cvssMetricV40"`
	V31  []nvdMetric `json:"cvssMetricV31"`
	V30  []nvdMetric `json:"cvssMetricV30"`
	V2   []nvdMetric `json:"cvssMetricV2"`
	SSVC []struct {
		Source looseString `json:"source"`
		Data   ssvcData    `json:"ssvcData"`
	} `json:"ssvcV203"`
}

type nvdMetric struct {
	Source looseString `json:"source"`
	Data   struct {
		Vector   looseString `json:"vectorString"`
		Severity looseString `json:"baseSeverity"`
	} `json:"cvssData"`
	Severity looseString `json:"baseSeverity"` // of version 2
}

// flaw hands on what a record says. Rejected flaws are none.
func (r *nvdReader) flaw(f *nvdFlaw, record string, out Sink) error {
	if f.ID == "" || cveOf(f.ID) != f.ID {
		out.Quarantine(record, fmt.Errorf("%.60q is not a CVE", f.ID))
		return nil
	}
	if _, twice := r.seen[f.ID]; twice {
		out.Skip(f.ID, "a newer copy was read")
		return nil
	}
	if !r.years {
		r.seen[f.ID] = struct{}{}
	}
	if f.Status == "Rejected" {
		out.Skip(f.ID, "withdrawn")
		return nil
	}
	e := advisory.Enrichment{Summary: firstLine(english(f.Descriptions)), Published: f.Published.Time, SeveritySource: ratedByNVD}
	for _, all := range [...][]nvdMetric{f.Metrics.V40, f.Metrics.V31, f.Metrics.V30, f.Metrics.V2} {
		for _, m := range all {
			by := nvdParty(string(m.Source), string(f.Source))
			e.CVSS = addRating(e.CVSS, string(m.Data.Vector), by)
			if by == ratedByNVD && e.Severity == advisory.SeverityUnknown {
				e.Severity = max(severityOf(string(m.Data.Severity)), severityOf(string(m.Severity)))
			}
		}
	}
	for _, s := range f.Metrics.SSVC {
		if nvdParty(string(s.Source), "") == ratedByCISA {
			e.SSVC = s.Data.decision()
		}
	}
	if err := out.Enrichment(f.ID, e); err != nil {
		return err
	}
	affected, aside, err := nvdAffected(f.Configurations)
	if err != nil {
		out.Quarantine(f.ID, err)
	}
	for _, why := range aside {
		out.Skip(f.ID, why)
	}
	if len(affected) == 0 {
		return nil
	}
	return out.Advisory(advisory.Advisory{
		ID: f.ID, Published: f.Published.Time, Modified: f.Modified.Time,
		URL: "https://nvd.nist.gov/vuln/detail/" + f.ID, Affected: affected,
	})
}

// nvdParty names who rated: a source is an address or a UUID, and assigner is that of
// the CNA.
func nvdParty(source, assigner string) string {
	switch by, known := nvdParties[source]; {
	case known:
		return by
	case source == assigner || source == "":
		return ratedByCNA
	}
	return otherParty(source)
}

// otherParty names a party that is neither NVD, the CNA nor CISA.
func otherParty(name string) string {
	name = strings.ToLower(name)
	if !isName(name) || len(name) > 80 {
		name = "unknown"
	}
	return ratedByOther + name
}

// addRating adds a vector, without the metrics that are not defined: with or without
// those it is the same rating.
func addRating(to []advisory.CVSS, vector, by string) []advisory.CVSS {
	const most = 16
	if !isName(vector) || len(to) >= most {
		return to
	}
	parts := strings.Split(vector, "/")
	parts = slices.DeleteFunc(parts, func(p string) bool { return strings.HasSuffix(p, ":X") || strings.HasSuffix(p, ":ND") })
	c := advisory.CVSS{Vector: strings.Join(parts, "/"), Source: by}
	if c.Vector == "" || len(c.Vector) > 256 || slices.Contains(to, c) {
		return to
	}
	return append(to, c)
}

// ssvcData is an assessment in the form of SSVC's decision point values, which name a
// question and its answer in several spellings: "Technical Impact", "technicalImpact".
type ssvcData struct {
	Time    looseTime                `json:"timestamp"`
	Options []map[string]looseString `json:"options"`
}

// decision gives the answers; nil if not all three are there and known.
func (s ssvcData) decision() *advisory.SSVC {
	answers := map[string]string{}
	for _, o := range s.Options {
		for question, answer := range o {
			answers[strings.ToLower(strings.ReplaceAll(question, " ", ""))] = strings.ToLower(string(answer))
		}
	}
	d := advisory.SSVC{Exploitation: answers["exploitation"], Automatable: answers["automatable"] == "yes", TechnicalImpact: answers["technicalimpact"]}
	if !d.Valid() || !d.Automatable && answers["automatable"] != "no" {
		return nil
	}
	if !s.Time.IsZero() {
		d.Date = s.Time.Format("2006-01-02")
	}
	return &d
}
