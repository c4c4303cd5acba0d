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

const almaDoc = `{"schema_version":"1.0","data":[
{"id":"ALSA-2024:1","issued_date":1700000000,"updated_date":1700086400,"severity":"Important","title":"Important: web:1 update",
 "references":[{"id":"CVE-2024-2000","type":"cve"},{"id":"CVE-2024-1000","type":"cve"},{"id":"RHSA-2024:1","type":"rhsa"},
  {"id":"ALSA-2024:1","type":"self","href":"https://errata.almalinux.org/8/ALSA-2024-1.html"}],
 "packages":[
  {"name":"web","epoch":"1","version":"1.2","release":"3.module_el8.6.0+1+a.alma.1","arch":"x86_64","module":"web:1:80:c1:x86_64"},
  {"name":"web","epoch":"1","version":"1.2","release":"3.module_el8.6.0+1+a.alma.1","arch":"aarch64","module":"web:1:80:c1:aarch64"},
  {"name":"web","epoch":"1","version":"1.2","release":"3.module_el8.6.0+2+b","arch":"s390x","module":"web-devel:1:80:c2:s390x"},
  {"name":"web","epoch":"1","version":"2.0","release":"1.module_el8.6.0+3+c","arch":"x86_64","module":"web:2:80:c3:x86_64"},
  {"name":"lib","epoch":"0","version":"4","release":"5.el8_9.alma.2","arch":"x86_64"},
  {"name":"lib","epoch":"0","version":"4","release":"5.el8_9.alma.2","arch":"i686"},
  {"name":"lib","epoch":"0","version":"4","release":"5.el8_9.alma.2","arch":"src"},
  {"name":"bad","epoch":"0","version":"4 5","release":"1","arch":"x86_64"}]},
{"id":"ALSA-2024:2","issued_date":"soon","packages":[],"references":[{"id":"CVE-2024-3000","type":"cve"}]},
{"id":"ALBA-2024:3","packages":[{"name":"lib","epoch":null,"version":"4","release":"6","arch":"x86_64"}]},
{"id":"ALBA-2024:4","severity":"None","references":[{"id":"CVE-2024-4000"},{"type":"self","href":"https://errata.almalinux.org/7/ALBA-2024-4.html"}],
 "packages":[{"name":"lib","version":"4","release":"7","arch":"noarch"}]},
{"id":"CVE-2024-1"},{"id":7},"x",null],"tail":{}}`

func TestAlma(t *testing.T) {
	var log sinkLog
	if err := readAlma(t.Context(), strings.NewReader(almaDoc), "9", log.sink()); err != nil {
		t.Fatal(err)
	}
	web := func(module, arch, fixed string) advisory.Affected {
		return advisory.Affected{Ecosystem: "AlmaLinux:8", Package: "web", Module: module, Arch: arch, Ranges: fixedIn(fixed)}
	}
	want := []advisory.Advisory{
		{
			ID: "ALSA-2024:1", Summary: "Important: web:1 update", Severity: advisory.SeverityHigh,
			Related:   []string{"CVE-2024-1000", "CVE-2024-2000"},
			Published: time.Unix(1700000000, 0).UTC(), Modified: time.Unix(1700086400, 0).UTC(),
			URL: "https://errata.almalinux.org/8/ALSA-2024-1.html",
			Affected: []advisory.Affected{
				{Ecosystem: "AlmaLinux:8", Package: "lib", Ranges: fixedIn("4-5.el8_9.alma.2")},
				web("web:1", "aarch64", "1:1.2-3.module_el8.6.0+1+a.alma.1"),
				web("web:1", "x86_64", "1:1.2-3.module_el8.6.0+1+a.alma.1"),
				web("web:1", "s390x", "1:1.2-3.module_el8.6.0+2+b"),
				web("web:2", "", "1:2.0-1.module_el8.6.0+3+c"),
			},
		},
		{
			ID: "ALBA-2024:4", Related: []string{"CVE-2024-4000"}, URL: "https://errata.almalinux.org/9/ALBA-2024-4.html",
			Affected: []advisory.Affected{{Ecosystem: "AlmaLinux:9", Package: "lib", Ranges: fixedIn("4-7")}},
		},
	}
	if d := cmp.Diff(want, log.advisories); d != "" {
		t.Error(d)
	}
	if want := []string{
		"ALSA-2024:1", "release 9 errata 5 CVE-2024-1", "release 9 errata 6 ", "release 9 errata 7 ", "release 9 errata 8 ",
	}; !slices.Equal(log.quarantined, want) {
		t.Errorf("quarantined %q", log.quarantined)
	}
	if want := []string{"ALSA-2024:2: affects nothing", "ALBA-2024:3: names no flaw"}; !slices.Equal(log.skipped, want) {
		t.Errorf("skipped %q", log.skipped)
	}
	for _, doc := range []string{
		"", "<html></html>", "[]", "{}", `{"data":{}}`, `{"data":[]`, almaDoc[:len(almaDoc)-40], almaDoc + "x", strings.Repeat(`{"data":[`, 20000),
	} {
		if err := readAlma(t.Context(), strings.NewReader(doc), "9", Sink{
			Advisory: log.sink().Advisory, Quarantine: log.sink().Quarantine, Skip: log.sink().Skip,
		}); err == nil {
			t.Errorf("%.60q was taken", doc)
		}
	}
}

func TestModuleStream(t *testing.T) {
	for label, want := range map[string]string{
		"nodejs:18:8060:ad00:x86_64": "nodejs:18", "nodejs-devel:18": "nodejs:18", "perl:5.30:": "perl:5.30",
		"": "", "nodejs": "", ":18": "", "nodejs:": "", "a\x1b:1": "",
	} {
		if got := almaModule(label); got != want {
			t.Errorf("%q is %q, want %q", label, got, want)
		}
	}
}

func TestAlmaFeed(t *testing.T) {
	files := map[string]string{"errata.almalinux.org/9/errata.full.json": almaDoc}
	var log sinkLog
	r := run(t.Context(), folder(t, files), almaFeed(), log.sink())
	if r.Err != nil || r.Missing || r.Records != 2 || !slices.Equal(r.Ecosystems, []string{"AlmaLinux:8", "AlmaLinux:9"}) ||
		!slices.Contains(log.quarantined, "release 8") || !slices.Contains(log.quarantined, "release 10") {
		t.Errorf("%+v, quarantined %q", r, log.quarantined)
	}
	files["errata.almalinux.org/8/errata.full.json"] = "<html>welcome</html>"
	if r := run(t.Context(), folder(t, files), almaFeed(), Sink{}); r.Err == nil || r.Missing {
		t.Errorf("with a page instead of errata: %+v", r)
	}
}

func TestSplitNEVRA(t *testing.T) {
	for s, want := range map[string][3]string{
		"delve-0:1.25.2-1.el10_1.src.rpm":        {"delve", "1.25.2-1.el10_1", "src"},
		"bind-libs-32:9.16-1.el9.x86_64.rpm":     {"bind-libs", "32:9.16-1.el9", "x86_64"},
		"x-1-2.noarch":                           {"x", "1-2", "noarch"},
		"go-1:1.0-1.module+el8.4.0+1+a.i686.rpm": {"go", "1:1.0-1.module+el8.4.0+1+a", "i686"},
		"":                                       {}, ".rpm": {}, "x.rpm": {}, "x-1.src.rpm": {}, "-1-2.src.rpm": {}, "x-1 2-3.src.rpm": {},
	} {
		name, evr, arch, ok := splitNEVRA(s)
		if got := [3]string{name, evr, arch}; ok != (want[0] != "") || ok && got != want {
			t.Errorf("%q is %q, %v", s, got, ok)
		}
	}
}

const rockyPages = `{"advisories":[
{"name":"RLSA-2024:1","published_at":"2024-05-01T10:00:00.5+00:00","updated_at":"2024-05-02T10:00:00+00:00","synopsis":"Moderate: ruby:3.1 update","severity":"Moderate",
 "cves":[{"cve":"CVE-2024-1000","cvss3_scoring_vector":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],
 "packages":[
  {"nevra":"ruby-0:3.1.2-1.module+el9+1+a.src.rpm","module_name":"ruby","module_stream":"3.1","product_name":"Rocky Linux 9 x86_64"},
  {"nevra":"ruby-0:3.1.2-1.module+el9+1+a.src.rpm","module_name":"ruby","module_stream":"3.1","product_name":"Rocky Linux 9.2 aarch64 (Legacy)"},
  {"nevra":"ruby-libs-0:3.1.2-1.module+el9+1+a.x86_64.rpm","module_name":"ruby","module_stream":"3.1","product_name":"Rocky Linux 9 x86_64"},
  {"nevra":"conmon-2:2.1-1.el8.src.rpm","module_name":null,"product_name":"Rocky Linux 8 x86_64"},
  {"nevra":"kernel-0:6-1.src.rpm","product_name":"Rocky Linux SIG Cloud 8"},
  {"nevra":"broken","product_name":"Rocky Linux 8 x86_64"}]},
{"name":"RLSA-2024:2","cves":[{"cve":"CVE-2024-1000"},{"cve":"CVE-2024-2000"}],"packages":[{"nevra":"old-0:1-1.x86_64.rpm","product_name":"Rocky Linux 8 x86_64"}]},
{"name":"RLBA-2024:3","cves":[],"packages":[{"nevra":"x-0:1-1.src.rpm","product_name":"Rocky Linux 8"}]},
{"name":"RXSA-2024:4","cves":[{"cve":"CVE-2024-1000"}],"packages":[{"nevra":"kernel-0:6-1.src.rpm","product_name":"Rocky Linux SIG Cloud 8"}]},
{"name":"RLSA-2024:5","packages":[]},{"name":"x"},5],
"last_updated_at":"2024-05-03T00:00:00Z","links":{"next":NEXT}}`

func TestRocky(t *testing.T) {
	var log sinkLog
	more, err := readRocky([]byte(strings.Replace(rockyPages, "NEXT", `"/api/v3/advisories/?page=2"`, 1)), 1, map[string]struct{}{}, log.sink())
	if err != nil || !more {
		t.Fatal(more, err)
	}
	want := []advisory.Advisory{
		{
			ID: "RLSA-2024:1", Summary: "Moderate: ruby:3.1 update", Severity: advisory.SeverityMedium, Related: []string{"CVE-2024-1000"},
			CVSS:      []advisory.CVSS{{Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}},
			Published: time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC), Modified: time.Date(2024, 5, 2, 10, 0, 0, 0, time.UTC),
			URL: "https://errata.rockylinux.org/RLSA-2024:1",
			Affected: []advisory.Affected{
				{Ecosystem: "Rocky Linux:8", Package: "conmon", Ranges: fixedIn("2:2.1-1.el8")},
				{Ecosystem: "Rocky Linux:9", Package: "ruby", Module: "ruby:3.1", Ranges: fixedIn("3.1.2-1.module+el9+1+a")},
			},
		},
		{
			ID: "RLSA-2024:2", Related: []string{"CVE-2024-1000", "CVE-2024-2000"}, URL: "https://errata.rockylinux.org/RLSA-2024:2",
			Affected: []advisory.Affected{{Ecosystem: "Rocky Linux:8", Package: "old", Ranges: fixedIn("1-1")}},
		},
	}
	if d := cmp.Diff(want, log.advisories); d != "" {
		t.Error(d)
	}
	if want := []string{"RLSA-2024:1", "page 1 errata 6 x", "page 1 errata 7 "}; !slices.Equal(log.quarantined, want) {
		t.Errorf("quarantined %q", log.quarantined)
	}
	if want := []string{"RLBA-2024:3: names no flaw", "RXSA-2024:4: another product", "RLSA-2024:5: affects nothing"}; !slices.Equal(log.skipped, want) {
		t.Errorf("skipped %q", log.skipped)
	}
	for _, doc := range []string{"", "<html></html>", "[]", "{}", `{"advisories":{}}`, `{"advisories":[],"links":{"next":"x"}}`, rockyPages} {
		if _, err := readRocky([]byte(doc), 1, map[string]struct{}{}, log.sink()); err == nil {
			t.Errorf("%.60q was taken", doc)
		}
	}
}

func TestRockyFeed(t *testing.T) {
	const folderOf = "apollo.build.resf.org/api/v3/advisories/"
	first := strings.Replace(rockyPages, "NEXT", `"https://evil.example/?page=2"`, 1)
	last := strings.Replace(strings.ReplaceAll(rockyPages, "RLSA-2024:2", "RLSA-2024:9"), "NEXT", "null", 1)
	files := map[string]string{folderOf + "page1.json": first, folderOf + "page2.json": last, folderOf + "page3.json": "not read"}
	r := run(t.Context(), folder(t, files), rockyFeed(), Sink{})
	if r.Err != nil || r.Records != 3 || r.Newest.Format(time.DateOnly) != "2024-05-03" || !slices.Equal(r.Ecosystems, []string{"Rocky Linux:8", "Rocky Linux:9"}) {
		t.Errorf("%+v", r)
	}
	delete(files, folderOf+"page2.json")
	if r := run(t.Context(), folder(t, files), rockyFeed(), Sink{}); r.Err == nil || r.Missing {
		t.Errorf("without its last page: %+v", r)
	}
	delete(files, folderOf+"page1.json")
	if r := run(t.Context(), folder(t, files), rockyFeed(), Sink{}); r.Err != nil || !r.Missing {
		t.Errorf("without pages: %+v", r)
	}
}

// TestCorpusErrata states facts of real records. The sample of AlmaLinux lies in the
// folder of release 9 and has records of release 8 that do not say so.
func TestCorpusErrata(t *testing.T) {
	o := corpus(t)
	var log sinkLog
	for _, f := range []Feed{almaFeed(), rockyFeed(), photonFeed(), archFeed(), echoFeed()} {
		s := log.sink()
		s.Quarantine, s.Skip = nil, nil
		r := run(t.Context(), o, f, s)
		if r.Err != nil || r.Missing {
			t.Fatalf("%+v", r)
		}
	}
	find := func(id, ecosystem, name string) (out []advisory.Affected) {
		for _, a := range log.advisories {
			for _, af := range a.Affected {
				if a.ID == id && af.Ecosystem == ecosystem && af.Package == name {
					out = append(out, af)
				}
			}
		}
		return out
	}
	for _, c := range []struct {
		id, ecosystem, name string
		want                advisory.Affected
	}{
		{"ALSA-2019:3708", "AlmaLinux:9", "Judy", advisory.Affected{Module: "mariadb:10.5", Ranges: fixedIn("1.0.5-18.module_el8.6.0+2761+593e5e59")}},
		{"RLSA-2025:21816", "Rocky Linux:10", "delve", advisory.Affected{Ranges: fixedIn("1.25.2-1.el10_1")}},
		{"CVE-2025-9086", "Photon OS:4.0", "curl-libs", advisory.Affected{Ranges: fixedIn("8.16.0-1.ph4")}},
		{"AVG-5", "Arch Linux", "libtiff", advisory.Affected{Ranges: fixedIn("4.0.8-2")}},
		{"CVE-2025-4091", "Echo", "firefox", advisory.Affected{Ranges: []version.Interval{{Introduced: "0"}}}},
	} {
		c.want.Ecosystem, c.want.Package = c.ecosystem, c.name
		got := find(c.id, c.ecosystem, c.name)
		if !slices.ContainsFunc(got, func(a advisory.Affected) bool { return cmp.Equal(a, c.want) }) {
			t.Errorf("%s says of %s: %+v", c.id, c.name, got)
		}
	}
}
