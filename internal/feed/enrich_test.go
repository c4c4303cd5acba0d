package feed

import (
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestKEV(t *testing.T) {
	doc := `{"title":"x","dateReleased":"2025-08-25T17:04:19.9796Z","count":6,"vulnerabilities":[
		{"cveID":"CVE-2025-1000","dateAdded":"2025-08-25","dueDate":"2025-09-15","knownRansomwareCampaignUse":"Unknown"},
		{"cveID":"CVE-2025-2000","dateAdded":"2025-08-24","dueDate":"","knownRansomwareCampaignUse":"Known"},
		{"cveID":"GHSA-1","dateAdded":"2025-08-25"}, {"cveID":"CVE-2025-3000","dateAdded":"soon"}, {"cveID":7}, "x"]}`
	var log sinkLog
	if err := readKEV(strings.NewReader(doc), log.sink()); err != nil {
		t.Fatal(err)
	}
	want := map[string]advisory.Enrichment{
		"CVE-2025-1000": {Exploited: &advisory.Exploited{Added: "2025-08-25", Due: "2025-09-15"}},
		"CVE-2025-2000": {Exploited: &advisory.Exploited{Added: "2025-08-24", Ransomware: true}},
	}
	if d := cmp.Diff(want, log.enriched); d != "" {
		t.Error(d)
	}
	if want := []string{"entry 3", "entry 4", "entry 5", "entry 6"}; !slices.Equal(log.quarantined, want) {
		t.Errorf("quarantined %q", log.quarantined)
	}
	if len(log.dated) != 1 || !log.dated[0].Equal(time.Date(2025, 8, 25, 17, 4, 19, 0, time.UTC)) {
		t.Errorf("dated %v", log.dated)
	}
	for _, doc := range []string{"", "<html>", "{}", `{"vulnerabilities":`} {
		if err := readKEV(strings.NewReader(doc), log.sink()); err == nil {
			t.Errorf("%q was taken", doc)
		}
	}
}

func TestEPSS(t *testing.T) {
	rows := "#model_version:v2025.03.14,score_date:2025-08-25T12:55:00Z\ncve,epss,percentile\r\nCVE-1999-0001,0.0123,0.45\n" +
		"CVE-1999-0002,2,0.45\nCVE-1999-0003,0.1\nx,0.1,0.1\nCVE-1999-0004,NaN,0.1\nCVE-1999-0005,1,0.99999\r\n"
	var log sinkLog
	if err := readEPSS(strings.NewReader(rows), log.sink()); err != nil {
		t.Fatal(err)
	}
	want := map[string]advisory.Enrichment{
		"CVE-1999-0001": {EPSS: &advisory.EPSS{Score: 0.0123, Percentile: 0.45, Date: "2025-08-25"}},
		"CVE-1999-0005": {EPSS: &advisory.EPSS{Score: 1, Percentile: 0.99999, Date: "2025-08-25"}},
	}
	if d := cmp.Diff(want, log.enriched); d != "" {
		t.Error(d)
	}
	if want := []string{"row 4", "row 5", "row 6", "row 7"}; !slices.Equal(log.quarantined, want) {
		t.Errorf("quarantined %q", log.quarantined)
	}
	for _, rows := range []string{"", "<html>", "#x\n", "cve,epss\n", "cve,epss,percentile\n" + strings.Repeat("x", 2*maxEPSSRow)} {
		if err := readEPSS(strings.NewReader(rows), log.sink()); err == nil {
			t.Errorf("%.20q was taken", rows)
		}
	}
	name := "epss.cyentia.com/epss_scores-current.csv.gz"
	whole := gzipped(t, rows)
	if r := run(t.Context(), folder(t, map[string]string{name: whole}), epssFeed(), Sink{}); r.Err != nil || r.Enrichments != 2 || r.Newest.IsZero() {
		t.Errorf("%+v", r)
	}
	if r := run(t.Context(), folder(t, map[string]string{"epss.empiricalsecurity.com/epss_scores-current.csv.gz": whole}), epssFeed(), Sink{}); r.Err != nil || r.Enrichments != 2 {
		t.Errorf("where it is now: %+v", r)
	}
	for _, data := range []string{"<html>", whole[:len(whole)-9]} {
		if r := run(t.Context(), folder(t, map[string]string{name: data}), epssFeed(), Sink{}); r.Err == nil || r.Missing {
			t.Errorf("%.10q: %+v", data, r)
		}
	}
}

// TestCorpusEPSS: the file of a day has the shape of the current one.
func TestCorpusEPSS(t *testing.T) {
	o := corpus(t)
	for day, want := range map[string]int{"current": 29, "2023-03-07": 2} {
		body, err := o.Open(t.Context(), "https://epss.cyentia.com/epss_scores-"+day+".csv.gz")
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		var log sinkLog
		if err := readEPSS(z, log.sink()); err != nil || len(log.enriched) != want || len(log.quarantined) > 0 {
			t.Errorf("%s: %d scores, %q, %v", day, len(log.enriched), log.quarantined, err)
		}
		for id, e := range log.enriched {
			if day != "current" && e.EPSS.Date != day || e.EPSS.Date == "" {
				t.Errorf("%s: %s is of %q", day, id, e.EPSS.Date)
			}
		}
		body.Close()
	}
}
