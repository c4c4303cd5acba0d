package feed

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// hubArchive gives a gzip-compressed tar archive of name and content by turns.
func hubArchive(t testing.TB, files ...string) string {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for i := 0; i < len(files); i += 2 {
		h := &tar.Header{Name: "vexhub-main/" + files[i], Mode: 0o644, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

const hubPath = "github.com/aquasecurity/vexhub/archive/refs/heads/main.tar.gz"

func hubDoc(statements ...string) string {
	return `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"d","author":"A","timestamp":"2024-01-01T00:00:00Z","statements":[` + strings.Join(statements, ",") + `]}`
}

func hubSays(flaw, products string) string {
	return `{"vulnerability":{"name":"` + flaw + `"},"status":"not_affected","justification":"component_not_present","products":[` + products + `]}`
}

func TestVEXHub(t *testing.T) {
	index := `{"updated_at":"2026-01-02T00:00:00Z","packages":[
		{"id":"pkg:golang/a.example/web","location":"pkg/golang/a.example/web/x.json"},
		{"id":"pkg:golang/e2e","location":"pkg/e2e.json"},
		{"id":"pkg:oci/web?repository_url=a.example%2Fweb","location":"pkg/oci.json"},
		{"id":"pkg:npm/gone","location":"pkg/gone.json"},
		{"id":"pkg:npm/html","location":"pkg/html.json"},
		{"id":"nothing","location":"pkg/nothing.json"},{"id":"pkg:npm/nowhere"}]}`
	part := `,"subcomponents":[{"@id":"pkg:golang/stdlib@v1.20.3"}]}`
	files := []string{
		"README.md", "x",
		"pkg/golang/a.example/web/x.json", hubDoc(
			hubSays("CVE-2024-1000", `{"@id":"pkg:golang/a.example/web@v1"`+part),
			hubSays("CVE-2024-2000", `{"@id":"pkg:golang/b.example/web@v1"`+part),
			hubSays("CVE-2024-3000", `{"@id":"pkg:golang/b.example/web@v1"`+part+`,{"@id":"pkg:golang/a.example/web@v2"`+part),
			hubSays("CVE-2024-4000", `{"@id":"pkg:golang/a.example/web","subcomponents":[{"@id":"[ERROR] not mapped"}]}`),
			`{}`),
		"pkg/e2e.json", hubDoc(hubSays("CVE-2024-1000", `{"@id":"pkg:golang/e2e"`+part)),
		"pkg/oci.json", hubDoc(
			hubSays("CVE-2024-5000", `{"@id":"pkg:oci/web?repository_url=a.example/web"},{"@id":"pkg:oci/web"},{"@id":"pkg:oci/web?repository_url=b.example/web"}`)),
		"pkg/html.json", "<html></html>",
		"reports/all.json", hubDoc(hubSays("CVE-2024-6000", `{"@id":"pkg:npm/x"}`)),
		"index.json", index,
	}
	var log sinkLog
	res := run(t.Context(), folder(t, map[string]string{hubPath: hubArchive(t, files...)}), feedNamed(t, "vex-hub-aquasecurity"), log.sink())
	if res.Err != nil || res.Missing || !res.Newest.Equal(at(2026, 1, 2)) || res.Statements != 3 {
		t.Errorf("%+v", res)
	}
	say := func(flaw string, p advisory.Product) advisory.Statement {
		return advisory.Statement{Flaw: flaw, Status: advisory.StatusNotAffected, Justification: advisory.ComponentNotPresent, Author: "A", Document: "d",
			Timestamp: at(2024, 1, 1), Source: "vex-hub-aquasecurity", Products: []advisory.Product{p}}
	}
	want := []advisory.Statement{
		say("CVE-2024-1000", on(purl("pkg:golang/a.example/web@v1"), purl("pkg:golang/stdlib@v1.20.3"))),
		say("CVE-2024-3000", on(purl("pkg:golang/a.example/web@v2"), purl("pkg:golang/stdlib@v1.20.3"))),
		say("CVE-2024-5000", on(purl("pkg:oci/web?repository_url=a.example/web"))),
	}
	if d := cmp.Diff(want, clean(log.said)); d != "" {
		t.Error(d)
	}
	wantBad := []string{
		"index.json nothing", "index.json pkg:npm/nowhere", "pkg/golang/a.example/web/x.json CVE-2024-4000", "pkg/golang/a.example/web/x.json, statement 5",
		"pkg/gone.json", "pkg/html.json",
	}
	slices.Sort(log.quarantined)
	if d := cmp.Diff(wantBad, log.quarantined); d != "" {
		t.Error(d)
	}
	wantSkipped := []string{
		"pkg/golang/a.example/web/x.json CVE-2024-2000: another product", "pkg/golang/a.example/web/x.json CVE-2024-3000: another product besides",
		"pkg/e2e.json CVE-2024-1000: another product", "pkg/oci.json CVE-2024-5000: another product besides",
	}
	if d := cmp.Diff(wantSkipped, log.skipped); d != "" {
		t.Error(d)
	}

	whole := hubArchive(t, files...)
	for name, data := range map[string]string{
		"HTML": "<html></html>", "half": whole[:len(whole)/2], "without its sum": whole[:len(whole)-8], "no index": hubArchive(t, files[:4]...),
		"a bad index": hubArchive(t, "index.json", "{"), "an index of nothing": hubArchive(t, "index.json", "{}"),
	} {
		if res := run(t.Context(), folder(t, map[string]string{hubPath: data}), feedNamed(t, "vex-hub-aquasecurity"), Sink{}); res.Err == nil || res.Missing {
			t.Errorf("%s: %+v", name, res)
		}
	}
}

func FuzzVEXHub(f *testing.F) {
	f.Add([]byte(`{"updated_at":"2026-01-02T00:00:00Z","packages":[{"id":"pkg:oci/web?repository_url=a.example%2Fweb","location":"./x.json"},{"id":7}]}`), []byte(hubDoc(hubSays("CVE-2024-1", `"pkg:oci/web?repository_url=a.example/web"`))))
	f.Add([]byte(`{"packages":[{"id":"pkg:golang/a.example/x","location":"x.json"}]}`), []byte(hubDoc(hubSays("CVE-2024-1", `{"@id":"pkg:golang/a.example/x@v1","subcomponents":[{"@id":"pkg:golang/stdlib"}]}`))))
	f.Fuzz(func(t *testing.T, index, doc []byte) {
		var log sinkLog
		at, err := readHubIndex(index, log.sink())
		if err != nil {
			return
		}
		for name, ids := range at {
			if err := readHubDocument(name, doc, ids, false, log.sink()); err != nil {
				t.Fatal(err)
			}
		}
		for i := range log.said {
			if err := soundStatement(&log.said[i]); err != "" {
				t.Errorf("%s: %+v", err, log.said[i])
			}
		}
	})
}

// TestHubOfOwnBuilds: a hub that speaks for its own builds is heard on them alone.
func TestHubOfOwnBuilds(t *testing.T) {
	may := []advisory.PURL{{Type: "golang", Namespace: "example.com/a", Name: "b"}, {Type: "oci", Name: "web", Qualifiers: []advisory.Qualifier{{Key: "repository_url", Value: "example.com/web"}}}}
	for purl, want := range map[string][2]bool{
		"pkg:golang/example.com/a/b":                  {true, false},
		"pkg:golang/example.com/a/b@v1.2.3":           {true, true},
		"pkg:oci/web?repository_url=example.com/web":  {true, true},
		"pkg:golang/example.com/somebody/else@v1.2.3": {false, false},
	} {
		for i, own := range []bool{false, true} {
			if got := hubHears(may, advisory.Component{PURL: purl}, own); got != want[i] {
				t.Errorf("%s, own builds %v: heard %v", purl, own, got)
			}
		}
	}
}
