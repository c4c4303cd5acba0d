package feed

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

const (
	high31     = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
	critical31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
	high40     = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N"
	medium2    = "AV:N/AC:L/Au:N/C:P/I:N/A:N"
)

// nvdDoc is a document of the given date with records.
func nvdDoc(stamp string, flaws ...string) string {
	for i, f := range flaws {
		flaws[i] = `{"cve":` + f + `}`
	}
	return fmt.Sprintf(`{"resultsPerPage":%d,"startIndex":0,"totalResults":%[1]d,"format":"NVD_CVE","version":"2.0","timestamp":%q,"vulnerabilities":[%s]}`,
		len(flaws), stamp, strings.Join(flaws, ","))
}

func nvdRec(id string, more ...string) string {
	return `{"id":"` + id + `","sourceIdentifier":"cna@example.org","published":"2024-05-01T10:15:09.123","lastModified":"2024-05-02T00:00:00.000"` + strings.Join(more, "") + `}`
}

func nvdConfigs(configs string) string { return `,"configurations":[` + configs + `]` }

// one configuration of one node of these matches.
func nvdNodeOf(matches ...string) string {
	return `{"operator":"OR","negate":false,"cpeMatch":[` + strings.Join(matches, ",") + `]}`
}

// cpe is a match of "vendor:product:version:update" on a target, with its bounds.
func cpe(name, target, bounds string) string {
	if bounds != "" {
		bounds = "," + bounds
	}
	return `{"vulnerable":true,"criteria":"cpe:2.3:a:` + name + `:*:*:*:` + target + `:*:*"` + bounds + `}`
}

func TestNVD(t *testing.T) {
	metrics := `,"descriptions":[{"lang":"es","value":"No."},{"lang":"en","value":"A flaw\nin it."}],"metrics":{
		"cvssMetricV40":[{"source":"cna@example.org","type":"Secondary","cvssData":{"vectorString":"` + high40 + `/E:X/CR:X","baseSeverity":"HIGH"}}],
		"cvssMetricV31":[{"source":"nvd@nist.gov","type":"Primary","cvssData":{"vectorString":"` + critical31 + `","baseSeverity":"CRITICAL"}},
			{"source":"134c704f-9b21-4f2e-91b3-4a467353bcc0","type":"Secondary","cvssData":{"vectorString":"` + high31 + `"}},
			{"source":"Other@example.com","cvssData":{"vectorString":"` + high31 + `"}}, {"source":7,"cvssData":{"vectorString":9}}],
		"cvssMetricV2":[{"source":"nvd@nist.gov","type":"Primary","cvssData":{"vectorString":"` + medium2 + `"},"baseSeverity":"MEDIUM"}],
		"ssvcV203":[{"source":"134c704f-9b21-4f2e-91b3-4a467353bcc0","ssvcData":{"timestamp":"2025-02-04T14:25:34.4Z","options":[{"exploitation":"PoC"},{"automatable":"no"},{"technicalImpact":"total"}]}}]}`
	doc := nvdDoc("2025-03-01T00:00:00.123",
		nvdRec("CVE-2024-1000", metrics),
		nvdRec("CVE-2024-2000", `,"vulnStatus":"Rejected"`),
		nvdRec("CVE-2024-3000", `,"vulnStatus":"Received","descriptions":[],"metrics":{}`),
		nvdRec("GHSA-1"), `"no record"`, nvdRec("CVE-2024-4000", nvdConfigs(`7`)),
		nvdRec("CVE-2024-5000", nvdConfigs(`{"nodes":[`+nvdNodeOf(cpe("redis:redis:*:*", "*", `"versionEndExcluding":"7.0.1"`))+`]}`)))
	var log sinkLog
	r := nvdReader{seen: map[string]struct{}{}, years: true}
	if err := r.document(t.Context(), strings.NewReader(doc), "doc", log.sink()); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, 5, 1, 10, 15, 9, 0, time.UTC)
	plain := advisory.Enrichment{Published: at, SeveritySource: "nvd"}
	want := map[string]advisory.Enrichment{
		"CVE-2024-1000": {
			Summary: "A flaw in it.", Published: at, Severity: advisory.SeverityCritical, SeveritySource: "nvd",
			CVSS: []advisory.CVSS{{Vector: high40, Source: "cna"}, {Vector: critical31, Source: "nvd"}, {Vector: high31, Source: "cisa-adp"},
				{Vector: high31, Source: "adp:other@example.com"}, {Vector: medium2, Source: "nvd"}},
			SSVC: &advisory.SSVC{Exploitation: "poc", TechnicalImpact: "total", Date: "2025-02-04"},
		},
		"CVE-2024-3000": plain, "CVE-2024-4000": plain, "CVE-2024-5000": plain,
	}
	if d := cmp.Diff(want, log.enriched); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]advisory.Advisory{{
		ID: "CVE-2024-5000", Published: at, Modified: time.Date(2024, 5, 2, 0, 0, 0, 0, time.UTC), URL: "https://nvd.nist.gov/vuln/detail/CVE-2024-5000",
		Affected: []advisory.Affected{{Ecosystem: "NVD", Package: "redis:redis", Ranges: fixedIn("7.0.1")}},
	}}, log.advisories); d != "" {
		t.Error(d)
	}
	if want := []string{"doc, record 4", "doc, record 5", "CVE-2024-4000"}; !slices.Equal(log.quarantined, want) {
		t.Errorf("quarantined %q", log.quarantined)
	}
	if want := []string{"CVE-2024-2000: withdrawn"}; !slices.Equal(log.skipped, want) {
		t.Errorf("skipped %q", log.skipped)
	}
	for _, doc := range []string{"", "<html>", "{}", "[]", doc[:len(doc)-3], doc + "{}", `{"vulnerabilities":{}}`, `{"vulnerabilities":[`} {
		if err := r.document(t.Context(), strings.NewReader(doc), "doc", Sink{Skip: func(string, string) {}, Quarantine: func(string, error) {},
			Dated: func(time.Time) {}, Enrichment: func(string, advisory.Enrichment) error { return nil }, Advisory: func(advisory.Advisory) error { return nil }}); err == nil {
			t.Errorf("%.40q was taken", doc)
		}
	}
}

// A record that never ends is an error, not memory.
func TestNVDEndless(t *testing.T) {
	in := &unending{head: `{"vulnerabilities":[{"cve":{"id":"`}
	r := nvdReader{seen: map[string]struct{}{}}
	var log sinkLog
	if err := r.document(t.Context(), in, "doc", log.sink()); err == nil || in.given > maxNVDRecord+1<<20 {
		t.Errorf("%v after %d bytes", err, in.given)
	}
}

// unending gives head and then the letter x for ever.
type unending struct {
	head  string
	given int
}

func (e *unending) Read(p []byte) (int, error) {
	n := copy(p, e.head)
	e.head = e.head[n:]
	for i := n; i < len(p); i++ {
		p[i] = 'x'
	}
	e.given += len(p)
	return len(p), nil
}

func TestNVDFeed(t *testing.T) {
	host := "nvd.nist.gov/feeds/json/cve/2.0/nvdcve-2.0-"
	text := func(s string) string { return `,"descriptions":[{"lang":"en","value":"` + s + `"}]` }
	old := nvdDoc("2024-03-01T00:00:00", nvdRec("CVE-2002-1000", text("old")), nvdRec("CVE-1999-1000", text("old")), nvdRec("CVE-2002-2000", text("old")))
	files := map[string]string{
		host + "2002.json.gz":     gzipped(t, old),
		host + "2002.meta":        fmt.Sprintf("lastModifiedDate:2024-03-01T00:00:00-05:00\r\nsize:9\r\nsha256:%X\r\n", sha256.Sum256([]byte(old))),
		host + "2004.json.gz":     gzipped(t, nvdDoc("2006-01-01T00:00:00")),
		host + "2004.meta":        "sha256:" + strings.Repeat("0", 64),
		host + "modified.json.gz": gzipped(t, nvdDoc("2006-02-01T00:00:00", nvdRec("CVE-2002-1000", text("new")), nvdRec("CVE-2002-2000", `,"vulnStatus":"Rejected"`))),
	}
	// The newest document decides which years there must be.
	files[host+"2002.json.gz"] = gzipped(t, strings.Replace(old, "2024-03-01", "2005-03-01", 1))
	files[host+"2002.meta"] = fmt.Sprintf("sha256:%X\r\n", sha256.Sum256([]byte(strings.Replace(old, "2024-03-01", "2005-03-01", 1))))
	var log sinkLog
	r := run(t.Context(), folder(t, files), nvdFeed(), log.sink())
	if r.Err != nil || r.Enrichments != 2 || log.enriched["CVE-2002-1000"].Summary != "new" || log.enriched["CVE-1999-1000"].Summary != "old" {
		t.Errorf("%+v, %+v", r, log.enriched)
	}
	if want := []string{"nvdcve-2.0-2004.json.gz", "nvdcve-2.0-2003.json.gz", "nvdcve-2.0-2005.json.gz"}; !slices.Equal(log.quarantined, want) {
		t.Errorf("quarantined %q", log.quarantined)
	}
	if want := []string{"CVE-2002-2000: withdrawn", "CVE-2002-1000: a newer copy was read", "CVE-2002-2000: a newer copy was read"}; !slices.Equal(log.skipped, want) {
		t.Errorf("skipped %q", log.skipped)
	}
	whole := files[host+"2002.json.gz"]
	for _, data := range []string{"<html>", whole[:len(whole)-9], gzipped(t, "<html>")} {
		if r := run(t.Context(), folder(t, map[string]string{host + "2002.json.gz": data}), nvdFeed(), Sink{}); r.Err == nil || r.Missing {
			t.Errorf("%.10q: %+v", data, r)
		}
	}
}

func TestNVDPages(t *testing.T) {
	host := "services.nvd.nist.gov/rest/json/cves/2.0/"
	page := func(total int, id string) string {
		return strings.Replace(nvdDoc("2024-03-01T00:00:00", nvdRec(id)), `"totalResults":1`, fmt.Sprintf(`"totalResults":%d`, total), 1)
	}
	files := map[string]string{
		host + "index.html": `<a href="../">up</a><a href="0.json">0</a><a href="1.json">1</a><a href="/x.json">x</a><a href="a.txt">`,
		host + "0.json":     page(2, "CVE-2024-1000"), host + "1.json": page(2, "CVE-2024-2000"),
	}
	if r := run(t.Context(), folder(t, files), nvdFeed(), Sink{}); r.Err != nil || r.Enrichments != 2 {
		t.Errorf("%+v", r)
	}
	files[host+"1.json"] = page(3, "CVE-2024-2000")
	if r := run(t.Context(), folder(t, files), nvdFeed(), Sink{}); r.Err == nil || !strings.Contains(r.Err.Error(), "2 of 3") {
		t.Errorf("with a page less: %v", r.Err)
	}
	delete(files, host+"1.json")
	if r := run(t.Context(), folder(t, files), nvdFeed(), Sink{}); r.Err == nil || r.Missing {
		t.Errorf("without a page that is listed: %+v", r)
	}
	files[host+"0.json"], files[host+"1.json"] = nvdDoc("2024-03-01T00:00:00"), nvdDoc("2024-03-01T00:00:00")
	if r := run(t.Context(), folder(t, files), nvdFeed(), Sink{}); r.Err == nil || r.Missing {
		t.Errorf("with empty pages: %+v", r)
	}
	files[host+"index.html"] = "<html>"
	if r := run(t.Context(), folder(t, files), nvdFeed(), Sink{}); r.Err == nil || r.Missing {
		t.Errorf("without a list: %+v", r)
	}
}

func TestNVDAffected(t *testing.T) {
	config := func(operator string, nodes ...string) string {
		return `{"operator":"` + operator + `","nodes":[` + strings.Join(nodes, ",") + `]}`
	}
	one := func(matches ...string) string { return config("", nvdNodeOf(matches...)) }
	linux := `{"vulnerable":false,"criteria":"cpe:2.3:o:linux:linux_kernel:-:*:*:*:*:*:*:*"}`
	windows := `{"vulnerable":false,"criteria":"cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*"}`
	all := []version.Interval{{Introduced: "0"}}
	for _, tt := range []struct {
		name, configs string
		want          map[string]string // by product: ranges and versions
		aside         []string
		bad           bool
	}{
		{name: "nothing", configs: ""},
		{name: "another product", configs: one(cpe("acme:thing:*:*", "*", ""))},
		{name: "ends", configs: one(cpe("openssl:openssl:*:*", "*", `"versionStartIncluding":"1.0.2","versionEndIncluding":"1.0.2k"`),
			cpe("openssl:openssl:*:*", "*", `"versionStartIncluding":"3.0.0","versionEndExcluding":"3.0.8"`)),
			want: map[string]string{"openssl:openssl": "1.0.2..=1.0.2k 3.0.0..3.0.8"}},
		{name: "a start that is not in it", configs: one(cpe("nodejs:node.js:*:*", "*", `"versionStartExcluding":"20.0.0","versionEndExcluding":"20.3.1"`)),
			want: map[string]string{"nodejs:node.js": "20.0.0-a..20.3.1"}},
		{name: "every version", configs: one(cpe("php:php:*:*", "*", "")), want: map[string]string{"php:php": "0.."}},
		{name: "overlaps are joined, versions in them dropped", configs: one(cpe("redis:redis:*:*", "*", `"versionEndExcluding":"6.2"`),
			cpe("redis:redis:*:*", "*", `"versionStartIncluding":"6.0","versionEndIncluding":"7.0"`), cpe("redis:redis:6.1:*", "*", ""), cpe("redis:redis:8.0.0:-", "*", "")),
			want: map[string]string{"redis:redis": "0..=7.0 8.0.0"}},
		{name: "updates", configs: one(cpe("python:python:3.12.0:beta4", "*", ""), cpe("oracle:openjdk:8:update362", "*", ""), cpe("oracle:openjdk:1.7.0:update_80", "*", ""), cpe("oracle:openjdk:17.0.6:*", "*", "")),
			want: map[string]string{"python:python": "3.12.0-beta4", "oracle:openjdk": "17.0.6 7.0.80 8.0.362"}},
		{name: "escapes", configs: one(cpe(`erlang:erlang\\/otp:26.0:*`, "*", "")), want: map[string]string{"erlang:erlang/otp": "26.0"}},
		{name: "on Linux", configs: config("AND", nvdNodeOf(cpe("f5:nginx:1.2.3:*", "*", "")), nvdNodeOf(windows, linux)), want: map[string]string{"f5:nginx": "1.2.3"}},
		{name: "on Windows", configs: config("AND", nvdNodeOf(cpe("f5:nginx:1.2.3:*", "*", "")), nvdNodeOf(windows)), aside: []string{nvdTogether}},
		{name: "with a product", configs: config("AND", nvdNodeOf(cpe("f5:nginx:1.2.3:*", "*", "")), nvdNodeOf(cpe("acme:thing:*:*", "*", ""))) + "," +
			one(cpe("f5:nginx:1.2.4:*", "*", "")), want: map[string]string{"f5:nginx": "1.2.4"}, aside: []string{nvdTogether}},
		{name: "a node of AND", configs: config("", strings.Replace(nvdNodeOf(cpe("f5:nginx:1.2.3:*", "*", ""), cpe("acme:thing:*:*", "*", "")), "OR", "AND", 1)), aside: []string{nvdTogether}},
		{name: "negated", configs: config("", strings.Replace(nvdNodeOf(cpe("f5:nginx:1.2.3:*", "*", "")), "false", "true", 1)), aside: []string{nvdTogether}},
		{name: "another platform", configs: one(cpe("python:python:3.9.0:*", "windows", ""), cpe("python:python:3.8.0:*", "linux", "")),
			want: map[string]string{"python:python": "3.8.0"}, aside: []string{nvdPlatform}},
		{name: "no version", configs: one(cpe("haxx:curl:-:*", "*", "")), aside: []string{nvdNothing}},
		{name: "not vulnerable", configs: one(strings.Replace(cpe("haxx:curl:8.0:*", "*", ""), "true", "false", 1))},
		{name: "no versions", configs: one(cpe("haxx:curl:unknown:*", "*", ""), cpe("haxx:curl:*:*", "*", `"versionEndExcluding":"soon"`)), bad: true},
		{name: "the wrong way round", configs: one(cpe("haxx:curl:*:*", "*", `"versionStartIncluding":"8.1","versionEndExcluding":"8.0"`), cpe("haxx:curl:7.0:*", "*", "")),
			want: map[string]string{"haxx:curl": "7.0"}, bad: true},
		{name: "not configurations", configs: `{"nodes":7}`, bad: true},
		{name: "no CPE names", configs: one(`{"vulnerable":true,"criteria":"cpe:2.3:a:f5:nginx"}`, `{"vulnerable":true,"criteria":"cpe:/a:f5:nginx:1"}`, `{"vulnerable":true}`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			affected, aside, err := nvdAffected(rawJSON("[" + tt.configs + "]"))
			if (err != nil) != tt.bad {
				t.Errorf("error %v", err)
			}
			got := map[string]string{}
			for _, af := range affected {
				var words []string
				for _, iv := range af.Ranges {
					w := iv.Introduced + ".." + iv.Fixed
					if iv.LastAffected != "" {
						w += "=" + iv.LastAffected
					}
					words = append(words, w)
				}
				got[af.Package] = strings.Join(append(words, af.Versions...), " ")
			}
			if tt.want == nil {
				tt.want = map[string]string{}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if !slices.Equal(aside, tt.aside) {
				t.Errorf("left out: %q", aside)
			}
		})
	}
	if a, _, err := nvdAffected(rawJSON("[" + one(cpe("php:php:*:*", "*", "")) + "]")); err != nil || !cmp.Equal(a[0].Ranges, all) {
		t.Errorf("%v, %+v", err, a)
	}
	// Ranges without number are read in time.
	many := make([]string, 100_000)
	for i := range many {
		many[i] = cpe("php:php:*:*", "*", fmt.Sprintf(`"versionStartIncluding":"%d.0","versionEndExcluding":"%[1]d.1"`, i))
	}
	begun := time.Now()
	if a, _, err := nvdAffected(rawJSON("[" + one(many...) + "]")); err != nil || len(a[0].Ranges) != len(many) || time.Since(begun) > 10*time.Second {
		t.Errorf("%v, %d products in %v", err, len(a), time.Since(begun))
	}
}

// What is above a version is after it and before the next.
func TestAbove(t *testing.T) {
	for _, v := range []string{"1.0", "1.0.2k", "3.12.0-beta4", "8u392"} {
		for _, tt := range []struct {
			other string
			in    bool
		}{{v, false}, {v + "-b", true}, {v + "-1", true}, {v + ".1", true}, {"99", true}, {"0.1", false}} {
			in, err := version.Generic.Contains(tt.other, version.Interval{Introduced: above(v)})
			if err != nil || in != tt.in {
				t.Errorf("%s above %s: %v, %v", tt.other, v, in, err)
			}
		}
	}
}

func TestCorpusNVDPages(t *testing.T) {
	o := corpus(t)
	for name, want := range map[string][2]int{"page-moddate": {8, 0}, "page-ssvc_affected": {1, 0}, "page-stackrox-feed": {101, 0}, "page-vunnel-full": {38, 1}} {
		body, err := o.Open(t.Context(), nvdPagesURL+name+".json")
		if err != nil {
			t.Fatal(err)
		}
		var log sinkLog
		r := nvdReader{seen: map[string]struct{}{}, years: true}
		err = r.document(t.Context(), body, name, log.sink())
		body.Close()
		if err != nil || len(log.enriched) != want[0] || len(log.advisories) != want[1] || len(log.quarantined)+len(log.skipped) > 0 {
			t.Errorf("%s: %d enrichments, %d records, %q, %q, %v", name, len(log.enriched), len(log.advisories), log.quarantined, log.skipped, err)
		}
		if name == "page-vunnel-full" {
			want := []advisory.Affected{{Ecosystem: "NVD", Package: "oracle:mysql", Ranges: []version.Interval{{Introduced: "8.0", LastAffected: "8.0.34"}}, Versions: []string{"8.1.0"}}}
			if d := cmp.Diff(want, log.advisories[0].Affected); d != "" {
				t.Error(d)
			}
		}
	}
}
