package feed

import (
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

const ubuntuFileText = `Candidate: CVE-2024-1000
PublicDate: 2024-02-03 04:05:06 UTC
References:
 https://example.org/upstream_widget: not a state
Description:
 A flaw in
 widget.
Notes:
 someone> focal_widget: needed
Priority: low
 it is hard to reach
Priority_gadget: high
Priority_gadget_xenial: negligible
CVSS:
 nvd: CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N [7.5 HIGH]
Tags_widget: universe-binary
Patches_widget:
 upstream: https://example.org/commit
upstream_widget: released (2.0)
trusty_widget: ignored (out of standard support)
trusty/esm_widget: released (1.0-1ubuntu1+esm2)
xenial_widget: not-affected (1.0-1)
esm-infra/xenial_widget: not-affected
bionic_widget: released (1.2-3ubuntu4.1)
fips-updates/bionic_widget: needed
focal_widget: needs-triage
jammy_widget: deferred (2024-03-01)
realtime/jammy_widget: pending (1:2.3-4)
noble_widget: DNE
eoan_widget: not-affected
disco_widget: released (1.9-1)
devel_widget: needed
product_widget: needed
dapper_widget: needed
vivid/ubuntu-core_widget: needed
xenial_gadget: needed (reached end-of-life)
bionic_gadget: ignored (code-not-compiled)
focal_gadget: ignored
`

func TestUbuntuTracker(t *testing.T) {
	p := new(ubuntuPlaces).parseFile("t/active/CVE-2024-1000", []byte(ubuntuFileText), nil)
	want := "CVE-2024-1000 | Ubuntu:14.04:LTS widget end_of_life | Ubuntu:14.04:LTS widget (esm) [0 1.0-1ubuntu1+esm2)" +
		" | Ubuntu:16.04:LTS widget not_affected | Ubuntu:16.04:LTS widget (esm) not_affected | Ubuntu:18.04:LTS widget [0 1.2-3ubuntu4.1)" +
		" | Ubuntu:18.04:LTS widget (fips-updates) | Ubuntu:20.04:LTS widget undetermined | Ubuntu:22.04:LTS widget deferred" +
		" | Ubuntu:22.04:LTS widget (realtime) | Ubuntu:19.04 widget [0 1.9-1) | Ubuntu:16.04:LTS gadget end_of_life | Ubuntu:18.04:LTS gadget not_affected | Ubuntu:20.04:LTS gadget will_not_fix"
	if d := cmp.Diff(strings.Split(want, " | "), strings.Split(brief(p), " | ")); d != "" || p.bad != nil {
		t.Errorf("%v %s", p.bad, d)
	}
	a := p.adv
	if a.Severity != advisory.SeverityLow || a.Summary != "A flaw in widget." || len(a.CVSS) != 1 || a.CVSS[0].Vector != "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N" ||
		!a.Published.Equal(time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)) || a.URL != "https://ubuntu.com/security/CVE-2024-1000" {
		t.Errorf("%+v", a)
	}
	for i, want := range map[int]advisory.Severity{0: advisory.SeverityUnknown, 10: advisory.SeverityNegligible, 11: advisory.SeverityHigh} {
		if got := a.Affected[i].Severity; got != want {
			t.Errorf("%d is %s, want %s", i, got, want)
		}
	}
	const head = "Candidate: CVE-2024-1000\n"
	for _, tt := range []struct{ text, want string }{
		{head + "focal_a: released (1-1\nfocal_b: released [1:2-1]\n", "CVE-2024-1000 | Ubuntu:20.04:LTS a [0 1-1) | Ubuntu:20.04:LTS b [0 1:2-1)"},
		{head + "focal_a: released\nfocal_b: needed\n", "CVE-2024-1000 | Ubuntu:20.04:LTS b | and is bad"},
		{head + "focal_a: perhaps\n", "bad"},
		{head + "focal_a: DNE\n", "skip: affects nothing"},
		{head, "skip: affects nothing"},
		{"Candidate: CVE-2009-NNN1\nfocal_a: needed\n", "skip: has no CVE yet"},
		{"Candidate: X-1\nfocal_a: needed\n", "bad"},
		{"", "bad"},
		{"<html>\n<body>focal_a: needed</body>", "bad"},
		{head + strings.Repeat("\n", maxTrackerLines), "bad"},
	} {
		if got := brief(new(ubuntuPlaces).parseFile("x", []byte(tt.text), nil)); got != tt.want {
			t.Errorf("%.80q: %s, want %s", tt.text, got, tt.want)
		}
	}
	for name, want := range map[string]bool{
		"t/active/CVE-2024-1": true, "t/retired/CVE-2024-1": true, "t/ignored/CVE-2024-1": true, "t/active/00boilerplate.x": false,
		"t/scripts/CVE-2024-1": false, "t/active/subprojects/CVE-2024-1": false,
	} {
		if isTrackerFile(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// TestUbuntuCodenames: a release that has no number here is told of once.
func TestUbuntuCodenames(t *testing.T) {
	const head = "Candidate: CVE-2024-1000\n"
	archive := tarGz(t, tarFile{"t/active/CVE-2024-1000", head + "zebra_a: needed\nfocal_a: needed\n"}, tarFile{"t/active/CVE-2024-2000", "Candidate: CVE-2024-2000\nzebra_a: needed\n"})
	var log sinkLog
	files := map[string]string{strings.TrimPrefix(ubuntuTrackerURL, "https://"): archive}
	r := run(t.Context(), folder(t, files), feedNamed(t, "ubuntu-tracker"), log.sink())
	if r.Err != nil || r.Records != 1 || !slices.Equal(log.quarantined, []string{"release zebra"}) {
		t.Errorf("%+v, quarantined %q", r, log.quarantined)
	}
}

func TestUbuntuPocket(t *testing.T) {
	for in, want := range map[string][2]string{
		"Ubuntu:22.04:LTS":                  {"Ubuntu:22.04:LTS", ""},
		"Ubuntu:24.10":                      {"Ubuntu:24.10", ""},
		"Ubuntu":                            {"Ubuntu", ""},
		"Ubuntu:Pro":                        {"Ubuntu:Pro", ""},
		"Ubuntu:Pro:16.04:LTS":              {"Ubuntu:16.04:LTS", "esm"},
		"Ubuntu:Pro:FIPS:18.04:LTS":         {"Ubuntu:18.04:LTS", "fips"},
		"Ubuntu:Pro:FIPS-updates:20.04:LTS": {"Ubuntu:20.04:LTS", "fips-updates"},
		"Ubuntu:Pro:Realtime:22.04:LTS":     {"Ubuntu:22.04:LTS", "realtime"},
		"Ubuntu:Nvidia-BlueField:22.04:LTS": {"Ubuntu:22.04:LTS", "nvidia-bluefield"},
	} {
		if eco, stream := ubuntuPocket(in); eco != want[0] || stream != want[1] {
			t.Errorf("%s: %s, %s", in, eco, stream)
		}
	}
}

func TestUbuntuOSV(t *testing.T) {
	rec := `{"id":"UBUNTU-CVE-2024-1000","upstream":["CVE-2024-1000"],"affected":[
	 {"package":{"ecosystem":"Ubuntu:Pro:16.04:LTS","name":"widget"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1-1+esm1"}]}],"ecosystem_specific":{"ubuntu_priority":"medium"}},
	 {"package":{"ecosystem":"Ubuntu:22.04:LTS","name":"widget"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}`
	r := osvReader{speaks: []string{"Ubuntu"}}
	p := r.parseAny("osv/cve/2024/UBUNTU-CVE-2024-1000.json", []byte(rec), nil)
	if got, want := brief(p), "UBUNTU-CVE-2024-1000=CVE-2024-1000 | Ubuntu:16.04:LTS widget (esm) [0 1-1+esm1) | Ubuntu:22.04:LTS widget [0 *)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if p.adv.Affected[0].Severity != advisory.SeverityMedium {
		t.Errorf("%+v", p.adv)
	}
	if p := r.parse("LSN-1-1.json", []byte(strings.Replace(rec, "UBUNTU-CVE-2024-1000", "LSN-1-1", 1)), nil); p.skip == "" {
		t.Errorf("a live patch: %s", brief(p))
	}
}

func vexDoc(statements string) string {
	return `{"metadata":{"@id":"x","timestamp":"2025-02-06T16:37:20.173026"},"statements":[` + statements + `]}`
}

func vexStatement(cve, status, action string, products ...string) string {
	for i, p := range products {
		products[i] = `{"@id":"` + p + `"}`
	}
	return `{"vulnerability":{"name":"` + cve + `","description":"A flaw."},"timestamp":"2025-02-05","status":"` + status + `","action_statement":"` + action + `","products":[` + strings.Join(products, ",") + `]}`
}

func TestUbuntuVEX(t *testing.T) {
	const deb = "pkg:deb/ubuntu/"
	for _, tt := range []struct{ name, doc, want string }{
		{"states", vexDoc(vexStatement("CVE-2024-1000", "not_affected", "", deb+"widget@1-1+esm1?arch=source&distro=esm-infra-legacy/trusty", deb+"widget@1-1?arch=amd64") + "," +
			vexStatement("CVE-2024-1000", "affected", "This package (for the given release) is vulnerable to the CVE and needs fixing.", deb+"widget@1:2-1?arch=source&distro=jammy", deb+"widget@1:2-1?arch=source&distro=jammy") + "," +
			vexStatement("CVE-2024-1000", "affected", "This package (for the given release) is no longer supported. Please upgrade your system.", deb+"widget@1-1?arch=source&distro=xenial") + "," +
			vexStatement("CVE-2024-1000", "affected", "the Ubuntu Security Team decided to not fix it", deb+"widget%2Bx@1-1?arch=source&distro=focal") + "," +
			vexStatement("CVE-2024-1000", "under_investigation", "", deb+"widget@1-1?arch=source&distro=fips-updates/focal") + "," +
			vexStatement("CVE-2024-1000", "fixed", "", deb+"widget@1-1?arch=source&distro=noble", "pkg:npm/x@1?arch=source")),
			"CVE-2024-1000 | Ubuntu:14.04:LTS widget (esm) not_affected | Ubuntu:22.04:LTS widget | Ubuntu:16.04:LTS widget end_of_life | Ubuntu:20.04:LTS widget+x will_not_fix | Ubuntu:20.04:LTS widget (fips-updates) undetermined"},
		{"fixed alone", vexDoc(vexStatement("CVE-2024-1000", "fixed", "", deb+"widget@1-1?arch=source&distro=noble")), "skip: fixed, which the tracker dates"},
		{"nothing", vexDoc(""), "skip: affects nothing"},
		{"a release that is not kept", vexDoc(vexStatement("CVE-2024-1000", "affected", "", deb+"widget@1-1?arch=source&distro=snap")), "skip: affects nothing"},
		{"another document", `{"a":1}`, "bad"},
		{"no JSON", "<html>", "bad"},
		{"no CVE", vexDoc(vexStatement("USN-1-1", "affected", "", deb+"widget@1-1?arch=source&distro=noble")), "bad"},
		{"two flaws", vexDoc(vexStatement("CVE-2024-1000", "affected", "", deb+"a@1?arch=source&distro=noble") + "," + vexStatement("CVE-2024-2000", "affected", "", deb+"b@1?arch=source&distro=noble")), "CVE-2024-1000 | Ubuntu:24.04:LTS a | and is bad"},
		{"an unknown state", vexDoc(vexStatement("CVE-2024-1000", "unclear", "", deb+"widget@1-1?arch=source&distro=noble")), "bad"},
		{"a product nobody can read", vexDoc(vexStatement("CVE-2024-1000", "affected", "", deb+"@1-1?arch=source&distro=noble")), "bad"},
	} {
		if got := brief(new(ubuntuPlaces).parseVEX("x.json", []byte(tt.doc), nil)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestUbuntuVEXSamples reads the whole documents of the corpus.
func TestUbuntuVEXSamples(t *testing.T) {
	o := corpus(t)
	for path, want := range map[string][]string{
		"2023/CVE-2023-38545": {
			"Ubuntu:16.04:LTS curl end_of_life", "Ubuntu:14.04:LTS curl (esm) not_affected", "Ubuntu:16.04:LTS curl (esm) not_affected",
			"Ubuntu:18.04:LTS curl (esm) not_affected", "Ubuntu:20.04:LTS curl (esm) not_affected",
		},
		"2016/CVE-2016-20013": {"Ubuntu:22.04:LTS glibc will_not_fix", "Ubuntu:18.04:LTS glibc (esm) will_not_fix", "Ubuntu:24.04:LTS zabbix not_affected"},
	} {
		b, err := o.Open(t.Context(), "https://security-metadata.canonical.com/vex/cve/"+path+".json")
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(b)
		b.Close()
		if err != nil {
			t.Fatal(err)
		}
		got := brief(new(ubuntuPlaces).parseVEX(path+".json", data, nil))
		if !strings.HasPrefix(got, filepath.Base(path)+" | ") {
			t.Errorf("%s: %.200s", path, got)
		}
		for _, w := range want {
			if !slices.Contains(strings.Split(got, " | "), w) {
				t.Errorf("%s does not say %s: %s", path, w, got)
			}
		}
	}
}

func TestUSN(t *testing.T) {
	const doc = `{
	"100-1":{"id":"100-1","title":"widget vulnerabilities","timestamp":1706932800.5,"cves":["CVE-2024-2000","https://launchpad.net/bugs/1","CVE-2024-1000"],"releases":{
	  "jammy":{"sources":{"widget":{"version":"1:2-1ubuntu0.1"}},"binaries":{"libwidget":{"pocket":"security","version":"1:2-1ubuntu0.1"}}},
	  "focal":{"sources":{"widget":{"version":"1-1"},"gadget":{"version":"3-1"}},"allbinaries":{"libwidget":{"pocket":"esm-infra","source":"widget"},"gadget":{"pocket":"security","source":"gadget"}}},
	  "bionic":{"sources":{"widget":{"version":"1-1ubuntu2"}},"binaries":{"libwidget":{"pocket":"esm-apps"}}},
	  "xenial":{"sources":{"widget":{"version":"1-1+esm1"},"bad":{"version":"no version"}}},
	  "dapper":{"sources":{"widget":{"version":"0-1"}}}}},
	"101-1":{"title":"widget regression","cves":[],"releases":{"jammy":{"sources":{"widget":{"version":"1"}}}}},
	"102-1":{"cves":["CVE-2024-1000"],"releases":{}},
	"103-1":{"cves":"CVE-2024-1000"},
	"x":{"cves":["CVE-2024-1000"]},
	"104-1":{"cves":["CVE-2024-1000"],"releases":{"zebra":{"sources":{"widget":{"version":"1"}}}}}}`
	var log sinkLog
	if err := readUSN(t.Context(), strings.NewReader(doc), log.sink()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range log.advisories {
		got = append(got, strings.Split(brief(osvParsed{adv: &log.advisories[i]}), " | ")...)
	}
	want := []string{
		"USN-100-1 fixes CVE-2024-1000,CVE-2024-2000", "Ubuntu:18.04:LTS widget (esm) [0 1-1ubuntu2)", "Ubuntu:20.04:LTS gadget [0 3-1)",
		"Ubuntu:20.04:LTS widget (esm) [0 1-1)", "Ubuntu:22.04:LTS widget [0 1:2-1ubuntu0.1)", "Ubuntu:16.04:LTS widget (esm) [0 1-1+esm1)",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !slices.Equal(log.quarantined, []string{"100-1", "103-1", "x", "104-1"}) || !slices.Equal(log.skipped, []string{"101-1: names no flaw", "102-1: affects nothing"}) {
		t.Errorf("quarantined %q, skipped %q", log.quarantined, log.skipped)
	}
	if !log.advisories[0].Published.Equal(time.Date(2024, 2, 3, 4, 0, 0, 0, time.UTC)) {
		t.Errorf("%v", log.advisories[0].Published)
	}
	for _, doc := range []string{"", "[]", "<html></html>", `{"1-1":{}`, `{"1-1":{}}{}`, `{"1-1":{"cves":[`} {
		if err := readUSN(t.Context(), strings.NewReader(doc), log.sink()); err == nil {
			t.Errorf("%q was taken", doc)
		}
	}
	endless := io.MultiReader(strings.NewReader(`{"1-1":{"title":"`), &zeros{})
	if err := readUSN(t.Context(), endless, log.sink()); err == nil {
		t.Error("a notice without end was taken")
	}
}

// zeros reads as the digit zero without end.
type zeros struct{}

func (*zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func FuzzUbuntuTracker(f *testing.F) {
	f.Add([]byte(ubuntuFileText))
	f.Fuzz(func(t *testing.T, data []byte) { checkParsed(t, new(ubuntuPlaces).parseFile("t/active/x", data, nil)) })
}

func FuzzUbuntuVEX(f *testing.F) {
	f.Add([]byte(vexDoc(vexStatement("CVE-2024-1000", "affected", "x", "pkg:deb/ubuntu/widget@1:2-1?arch=source&distro=esm-apps/jammy"))))
	f.Fuzz(func(t *testing.T, data []byte) { checkParsed(t, new(ubuntuPlaces).parseVEX("x.json", data, nil)) })
}

func FuzzUSN(f *testing.F) {
	f.Add([]byte(`{"100-1":{"title":"x","timestamp":1.5,"cves":["CVE-2024-2000"],"releases":{"jammy":{"sources":{"widget":{"version":"1:2-1"}},"binaries":{"x":{"pocket":"esm-infra","source":"widget"}}}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var log sinkLog
		_ = readUSN(t.Context(), bytes.NewReader(data), log.sink())
		for i := range log.advisories {
			checkParsed(t, osvParsed{adv: &log.advisories[i]})
		}
	})
}
