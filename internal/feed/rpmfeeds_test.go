package feed

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

const updateinfo = `<?xml version="1.0"?><updates>
<update type="security"><id>ALAS2023-2023-001</id><title>Important update for x</title>
 <issued date="2023-02-17 20:41:00"/><updated date="2023-02-22 23:22"/><severity>Important</severity>
 <references><reference id="CVE-2023-2000" type="cve"/><reference id="CVE-2023-1000" type="cve"/><reference id="12" type="bugzilla"/></references>
 <pkglist><collection>
  <package name="x" version="1.2" release="3.amzn" epoch="0" arch="x86_64"/>
  <package name="x" version="1.2" release="3.amzn" epoch="0" arch="aarch64"/>
  <package name="x-libs" version="1.2" release="3.amzn" epoch="2" arch="i686"/>
  <package name="bad" version="1 2" release="3" epoch="0" arch="i686"/>
 </collection></pkglist></update>
<update><id>ALAS2023-2023-002</id></update>
<update><id></id></update>
</updates>`

func TestUpdateinfo(t *testing.T) {
	var log sinkLog
	if err := readUpdateinfo(strings.NewReader(updateinfo), "2023", "", log.sink()); err != nil {
		t.Fatal(err)
	}
	want := []advisory.Advisory{{
		ID: "ALAS2023-2023-001", Summary: "Important update for x", Severity: advisory.SeverityHigh,
		Related:   []string{"CVE-2023-1000", "CVE-2023-2000"},
		Published: time.Date(2023, 2, 17, 20, 41, 0, 0, time.UTC), Modified: time.Date(2023, 2, 22, 23, 22, 0, 0, time.UTC),
		URL: "https://alas.aws.amazon.com/AL2023/ALAS-2023-001.html",
		Affected: []advisory.Affected{
			{Ecosystem: "Amazon Linux:2023", Package: "x", Ranges: fixedIn("1.2-3.amzn")},
			{Ecosystem: "Amazon Linux:2023", Package: "x-libs", Ranges: fixedIn("2:1.2-3.amzn")},
		},
	}}
	if d := cmp.Diff(want, log.advisories); d != "" {
		t.Error(d)
	}
	if !slices.Equal(log.quarantined, []string{"ALAS2023-2023-001", ""}) || !slices.Equal(log.skipped, []string{"ALAS2023-2023-002: affects nothing"}) {
		t.Errorf("quarantined %q, skipped %q", log.quarantined, log.skipped)
	}
	for _, doc := range []string{"", "<html></html>", "<updates><update><id>x</id>"} {
		if err := readUpdateinfo(strings.NewReader(doc), "2", "", log.sink()); err == nil {
			t.Errorf("%q was taken", doc)
		}
	}
}

func TestAmazonFeed(t *testing.T) {
	cdn := "cdn.amazonlinux.com/"
	repo := func(files map[string]string, base string) {
		files[base+"/repodata/repomd.xml"] = `<repomd><data type="primary"><location href="p"/></data><data type="updateinfo"><location href="repodata/updateinfo.xml.gz"/></data></repomd>`
		files[base+"/repodata/updateinfo.xml.gz"] = gzipped(t, updateinfo)
	}
	files := map[string]string{
		cdn + "2/core/latest/x86_64/mirror.list":          "http://cdn.amazonlinux.com/2/core/guid/\nhttp://other.example/",
		cdn + "2/extras/docker/latest/x86_64/mirror.list": "https://cdn.amazonlinux.com/2/docker/guid",
	}
	repo(files, cdn+"2/core/guid")
	repo(files, cdn+"2/docker/guid")
	r := run(t.Context(), folder(t, files), feedNamed(t, "amazon-linux-2"), Sink{})
	if r.Err != nil || r.Records != 2 || !slices.Equal(r.Ecosystems, []string{"Amazon Linux:2", "Amazon Linux:2:docker"}) {
		t.Errorf("%+v", r)
	}
	delete(files, cdn+"2/core/guid/repodata/updateinfo.xml.gz")
	if r := run(t.Context(), folder(t, files), feedNamed(t, "amazon-linux-2"), Sink{}); r.Err == nil || r.Missing {
		t.Errorf("without its updates: %+v", r)
	}
	delete(files, cdn+"2/core/latest/x86_64/mirror.list")
	if r := run(t.Context(), folder(t, files), feedNamed(t, "amazon-linux-2"), Sink{}); r.Err != nil || !r.Missing {
		t.Errorf("without its core repository: %+v", r)
	}
	files[cdn+"2/core/latest/x86_64/mirror.list"] = "https://evil.example/amazonlinux.com"
	if r := run(t.Context(), folder(t, files), feedNamed(t, "amazon-linux-2"), Sink{}); r.Err == nil || r.Missing {
		t.Errorf("led to another server: %+v", r)
	}
}

func ovalDoc(defs, tests, objects, states string) string {
	return `<oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5" xmlns:oval="o" xmlns:linux-def="l">
	<generator><oval:timestamp>2024-10-10T12:04:24.575063301Z</oval:timestamp></generator>
	<definitions>` + defs + `</definitions><tests>` + tests + `</tests><objects>` + objects + `</objects><states>` + states + `</states></oval_definitions>`
}

func TestOVAL(t *testing.T) {
	def := func(id, cve, test, severity string) string {
		return `<definition class="vulnerability" id="` + id + `"><metadata><title>t</title><reference ref_id="` + cve + `" source="CVE"/>
		<advisory_date>2024-07-23T22:05:39Z</advisory_date><severity>` + severity + `</severity></metadata>
		<criteria operator="AND"><criterion test_ref="` + test + `"/></criteria></definition>`
	}
	test := func(id, obj, ste string) string {
		return `<linux-def:rpminfo_test id="` + id + `"><linux-def:object object_ref="` + obj + `"/><linux-def:state state_ref="` + ste + `"/></linux-def:rpminfo_test>`
	}
	state := func(id, op, evr string) string {
		return `<linux-def:rpminfo_state id="` + id + `"><linux-def:evr datatype="evr_string" operation="` + op + `">` + evr + `</linux-def:evr></linux-def:rpminfo_state>`
	}
	doc := ovalDoc(
		def("d1", "CVE-2024-1000", "t1", "High")+def("d2", "CVE-2024-1000", "t2", "Low")+def("d3", "x", "t1", "")+
			def("d4", "CVE-2024-2000", "none", "")+def("d5", "CVE-2024-2000", "t5", "")+def("d6", "CVE-2024-2000", "t6", ""),
		test("t1", "o1", "s1")+test("t2", "o2", "s2")+test("t5", "o1", "s5")+test("t6", "o1", "s6"),
		`<linux-def:rpminfo_object id="o1"><linux-def:name>curl</linux-def:name></linux-def:rpminfo_object><linux-def:rpminfo_object id="o2"><linux-def:name>wget</linux-def:name></linux-def:rpminfo_object>`,
		state("s1", "less than", "0:1.2-3.azl3")+state("s2", "less than or equal", "0: 2-1.azl3")+state("s5", "greater than", "1-1")+state("s6", "less than", "1 2"),
	)
	var log sinkLog
	if err := readOVAL(t.Context(), strings.NewReader(doc), azureDialect("Azure Linux:3"), log.sink()); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2024, 7, 23, 22, 5, 39, 0, time.UTC)
	want := []advisory.Advisory{{
		ID: "CVE-2024-1000", URL: "https://nvd.nist.gov/vuln/detail/CVE-2024-1000", Published: day, Modified: day,
		Affected: []advisory.Affected{
			{Ecosystem: "Azure Linux:3", Package: "curl", Severity: advisory.SeverityHigh, Ranges: fixedIn("0:1.2-3.azl3")},
			{Ecosystem: "Azure Linux:3", Package: "wget", Severity: advisory.SeverityLow, Ranges: []version.Interval{{Introduced: "0", LastAffected: "0:2-1.azl3"}}},
		},
	}}
	if d := cmp.Diff(want, log.advisories); d != "" {
		t.Error(d)
	}
	if want := []string{"d3", "d4", "d5", "d6"}; !slices.Equal(log.quarantined, want) {
		t.Errorf("quarantined %q", log.quarantined)
	}
	if len(log.dated) != 1 || log.dated[0].Year() != 2024 {
		t.Errorf("dated %v", log.dated)
	}
	for _, doc := range []string{"", "<html></html>", "<oval_definitions><definitions>"} {
		if err := readOVAL(t.Context(), strings.NewReader(doc), azureDialect("Azure Linux:3"), log.sink()); err == nil {
			t.Errorf("%q was taken", doc)
		}
	}
}
