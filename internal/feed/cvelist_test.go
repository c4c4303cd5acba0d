package feed

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// cveArchive gives a gzipped tar archive of files, in the order of their names.
func cveArchive(t *testing.T, files map[string]string) string {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return gzipped(t, buf.String())
}

func cveRec(id, state, containers string) string {
	return `{"dataType":"CVE_RECORD","dataVersion":"5.1","cveMetadata":{"cveId":"` + id + `","state":"` + state + `","datePublished":"2024-05-01T10:00:00.000Z","dateUpdated":"2024-06-01T00:00:00.000Z"},"containers":{` + containers + `}}`
}

const cveADP = `"adp":[
	{"providerMetadata":{"shortName":"CISA-ADP"},"metrics":[
		{"cvssV3_1":{"vectorString":"` + high31 + `"}},
		{"other":{"type":"ssvc","content":{"timestamp":"2024-05-03T01:02:03.4Z","options":[{"Exploitation":"Active"},{"Automatable":"yes"},{"Technical Impact":"partial"}]}}},
		{"other":{"type":"ssvc","content":{"timestamp":"2024-05-02T01:02:03.4Z","options":[{"Exploitation":"none"},{"Automatable":"yes"},{"Technical Impact":"partial"}]}}},
		{"other":{"type":"ssvc","content":{"timestamp":"2024-05-09T01:02:03.4Z","options":[{"Exploitation":"perhaps"},{"Automatable":"yes"},{"Technical Impact":"partial"}]}}},
		{"other":{"type":"kev","content":{"dateAdded":"2024-05-01"}}}]},
	{"providerMetadata":{"shortName":"CVE"},"metrics":[{"cvssV2_0":{"vectorString":"` + medium2 + `"}}]}]`

func TestCVEList(t *testing.T) {
	data := cveArchive(t, map[string]string{
		"x/cves/2024/1xxx/CVE-2024-1000.json": cveRec("CVE-2024-1000", "PUBLISHED", `"cna":{"title":"A title","descriptions":[{"lang":"en","value":"Text."}],"metrics":[
			{"format":"CVSS","cvssV4_0":{"vectorString":"`+high40+`/E:X"},"cvssV3_1":{"vectorString":"`+critical31+`"}},
			{"other":{"type":"Red Hat severity rating","content":{"value":"Moderate"}}}]},`+cveADP),
		"x/cves/2024/2xxx/CVE-2024-2000.json": cveRec("CVE-2024-2000", "PUBLISHED", `"cna":{"descriptions":[{"lang":"de","value":"Nein."},{"lang":"en-US","value":"Only\ntext."}],
			"metrics":[{"other":{"type":"Textual description of severity","content":{"text":"important"}}}]},"adp":[]`),
		"x/cves/2024/2xxx/CVE-2024-2001.json": cveRec("CVE-2024-2001", "PUBLISHED", `"cna":{"metrics":[{"cvssV3_1":[]}]}`),
		"x/cves/2024/3xxx/CVE-2024-3000.json": cveRec("CVE-2024-3000", "REJECTED", `"cna":{"rejectedReasons":[]}`),
		"x/cves/2024/4xxx/CVE-2024-4000.json": `{"cveMetadata":{"cveId":"CVE-2024-4"}}`,
		"x/cves/2024/5xxx/CVE-2024-5000.json": `<html>`,
		"x/cves/delta.json":                   `{"numberOfChanges":1}`,
		"x/README.md":                         `x`,
	})
	var log sinkLog
	if err := readCVEList(t.Context(), strings.NewReader(data), log.sink()); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)
	want := map[string]advisory.Enrichment{
		"CVE-2024-1000": {
			Summary: "A title", Published: at, Severity: advisory.SeverityMedium, SeveritySource: "cna",
			CVSS: []advisory.CVSS{{Vector: high40, Source: "cna"}, {Vector: critical31, Source: "cna"}, {Vector: high31, Source: "cisa-adp"}, {Vector: medium2, Source: "adp:cve"}},
			SSVC: &advisory.SSVC{Exploitation: "active", Automatable: true, TechnicalImpact: "partial", Date: "2024-05-03"},
		},
		"CVE-2024-2000": {Summary: "Only text.", Published: at, Severity: advisory.SeverityHigh, SeveritySource: "cna"},
	}
	if d := cmp.Diff(want, log.enriched); d != "" {
		t.Error(d)
	}
	// A metric of another type costs the record, which goes into quarantine whole.
	if want := []string{"CVE-2024-2001.json", "CVE-2024-4000.json", "CVE-2024-5000.json"}; !slices.Equal(log.quarantined, want) {
		t.Errorf("quarantined %q", log.quarantined)
	}
	if want := []string{"CVE-2024-3000: withdrawn"}; !slices.Equal(log.skipped, want) {
		t.Errorf("skipped %q", log.skipped)
	}
	if len(log.dated) != 1 || log.dated[0].Month() != time.June {
		t.Errorf("dated %v", log.dated)
	}
	name := "github.com/CVEProject/cvelistV5/archive/refs/heads/main.tar.gz"
	for _, bad := range []string{"<html>", data[:len(data)/2], data[:len(data)-4], gzipped(t, "<html>"), cveArchive(t, map[string]string{"x/README.md": "x"})} {
		if r := run(t.Context(), folder(t, map[string]string{name: bad}), feedNamed(t, "cve-list"), Sink{}); r.Err == nil || r.Missing {
			t.Errorf("%d bytes: %+v", len(bad), r)
		}
	}
}

func TestEachFile(t *testing.T) {
	data := cveArchive(t, map[string]string{"a.json": "1", "b.txt": "2", "c.json": ""})
	var got []string
	visit := func(name string, data []byte, err error) error { got = append(got, name+"="+string(data)); return err }
	if err := eachFile(t.Context(), strings.NewReader(data), isJSON, visit); err != nil || !slices.Equal(got, []string{"a.json=1", "c.json="}) {
		t.Errorf("%q, %v", got, err)
	}
	boom := errors.New("boom")
	if err := eachFile(t.Context(), strings.NewReader(data), isJSON, func(string, []byte, error) error { return boom }); err != boom {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := eachFile(ctx, strings.NewReader(data), isJSON, visit); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// A file that claims to be huge is told of and passed over.
	r, w := io.Pipe()
	go func() {
		w.CloseWithError(writeBomb(w))
	}()
	told := 0
	if err := eachFile(t.Context(), r, isJSON, func(name string, data []byte, err error) error {
		if data == nil && err != nil {
			told++
		}
		return nil
	}); err != nil || told != 1 {
		t.Errorf("%v, told of %d", err, told)
	}
}

// writeBomb writes an archive with one file of more than is read.
func writeBomb(to io.Writer) error {
	z := gzip.NewWriter(to)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "bomb.json", Size: maxEntry + 1, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	if _, err := io.CopyN(w, nothing{}, maxEntry+1); err != nil {
		return err
	}
	return errors.Join(w.Close(), z.Close())
}

type nothing struct{}

func (nothing) Read(p []byte) (int, error) { clear(p); return len(p), nil }
