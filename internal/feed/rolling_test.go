package feed

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

func TestSecdbFeeds(t *testing.T) {
	const doc = `{"apkurl":"x","archs":["x86_64"],"reponame":"os","packages":[
		{"pkg":{"name":"app","secfixes":{"1.2.3-r0":["CVE-2024-1000","GHSA-aaaa-2222-bbbb"],"0":["CVE-2024-2000"]}}},
		{"pkg":{"name":"lib","secfixes":{"4-r1":["CVE-2024-1000"],"not a version":["CVE-2024-3000"]}}}]}`
	for _, c := range []struct{ name, file, ecosystem string }{
		{"wolfi-secdb", "packages.wolfi.dev/os/security.json", "Wolfi"},
		{"chainguard-secdb", "packages.cgr.dev/chainguard/security.json", "Chainguard"},
		{"minimos-secdb", "packages.mini.dev/advisories/secdb/security.json", "MinimOS"},
	} {
		var log sinkLog
		r := run(t.Context(), folder(t, map[string]string{c.file: doc}), feedNamed(t, c.name), log.sink())
		if r.Err != nil || r.Missing || r.Newest.IsZero() || !slices.Equal(log.quarantined, []string{c.ecosystem + " lib"}) {
			t.Errorf("%s: %+v, quarantined %q", c.name, r, log.quarantined)
		}
		app := advisory.Affected{Ecosystem: c.ecosystem, Package: "app", Ranges: fixedIn("1.2.3-r0")}
		want := []advisory.Advisory{
			{ID: "CVE-2024-1000", Source: c.name, Affected: []advisory.Affected{app, {Ecosystem: c.ecosystem, Package: "lib", Ranges: fixedIn("4-r1")}}},
			{ID: "CVE-2024-2000", Source: c.name, Affected: []advisory.Affected{{Ecosystem: c.ecosystem, Package: "app", State: advisory.StateNotAffected}}},
			{ID: "GHSA-aaaa-2222-bbbb", Source: c.name, Affected: []advisory.Affected{app}},
		}
		if d := cmp.Diff(want, log.advisories); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		for _, bad := range []string{"", "<html></html>", "{}", "[]", doc[:len(doc)-4]} {
			if r := run(t.Context(), folder(t, map[string]string{c.file: bad}), feedNamed(t, c.name), Sink{}); r.Err == nil || r.Missing {
				t.Errorf("%s took %.30q: %+v", c.name, bad, r)
			}
		}
	}
}

const archDoc = `[
{"name":"AVG-10","packages":["b","a","b"],"status":"Fixed","severity":"High","type":"code execution","affected":"1-1","fixed":"1:1.2-3","issues":["CVE-2024-2000","CVE-2024-1000"]},
{"name":"AVG-11","packages":["a"],"status":"Vulnerable","severity":"Unknown","type":"x","fixed":null,"issues":["CVE-2024-3000"]},
{"name":"AVG-12","packages":["a"],"status":"Testing","fixed":"2-1","issues":[]},
{"name":"AVG-13","packages":["a"],"status":"Not affected","issues":["CVE-2024-3000"]},
{"name":"AVG-14","packages":["a"],"status":"Unknown","issues":["CVE-2024-3000"]},
{"name":"AVG-15","packages":[],"status":"Fixed","fixed":"1-1"},
{"name":"AVG-16","packages":["a"],"status":"Fixed","fixed":null},
{"name":"AVG-17","packages":["a"],"status":"Fixed","fixed":"1 2"},
{"name":"AVG-18","packages":["a"],"status":"Perhaps"},
{"name":"AVG-19","packages":["a b"],"status":"Vulnerable"},
{"name":"\u001b[1m"},{"name":5},"x"]`

func TestArch(t *testing.T) {
	var log sinkLog
	if err := readArch(strings.NewReader(archDoc), log.sink()); err != nil {
		t.Fatal(err)
	}
	on := func(name string, state advisory.State, ranges []version.Interval) advisory.Affected {
		return advisory.Affected{Ecosystem: "Arch Linux", Package: name, State: state, Ranges: ranges}
	}
	const home = "https://security.archlinux.org/"
	cve := []string{"CVE-2024-3000"}
	want := []advisory.Advisory{
		{
			ID: "AVG-10", Summary: "b: code execution", Severity: advisory.SeverityHigh, Related: []string{"CVE-2024-1000", "CVE-2024-2000"}, URL: home + "AVG-10",
			Affected: []advisory.Affected{on("a", 0, fixedIn("1:1.2-3")), on("b", 0, fixedIn("1:1.2-3"))},
		},
		{ID: "AVG-11", Summary: "a: x", Related: cve, URL: home + "AVG-11", Affected: []advisory.Affected{on("a", 0, []version.Interval{{Introduced: "0"}})}},
		{ID: "AVG-12", Summary: "a:", URL: home + "AVG-12", Affected: []advisory.Affected{on("a", 0, fixedIn("2-1"))}},
		{ID: "AVG-13", Summary: "a:", Related: cve, URL: home + "AVG-13", Affected: []advisory.Affected{on("a", advisory.StateNotAffected, nil)}},
		{ID: "AVG-14", Summary: "a:", Related: cve, URL: home + "AVG-14", Affected: []advisory.Affected{on("a", advisory.StateUndetermined, nil)}},
	}
	if d := cmp.Diff(want, log.advisories); d != "" {
		t.Error(d)
	}
	if want := []string{"AVG-16", "AVG-17", "AVG-18", "AVG-19", "group 11 \x1b[1m", "group 12 ", "group 13 "}; !slices.Equal(log.quarantined, want) {
		t.Errorf("quarantined %q", log.quarantined)
	}
	if want := []string{"AVG-15: affects nothing"}; !slices.Equal(log.skipped, want) {
		t.Errorf("skipped %q", log.skipped)
	}
	for _, doc := range []string{"", "<html></html>", "{}", "null", archDoc[:len(archDoc)-2]} {
		if err := readArch(strings.NewReader(doc), log.sink()); err == nil {
			t.Errorf("%.30q was taken", doc)
		}
	}
}

func TestEcho(t *testing.T) {
	const doc = `{"curl":{"CVE-2024-1000":{"fixed_version":"1:8-1"},"CVE-2024-2000":{"fixed_version":"0"},"TEMP-0000000-F7A20F":{},
		"CVE-2024-3000":{"fixed_version":"no version"},"note":{},"CVE-2024-4000":{"fixed_version":5}},
		"bash":{"CVE-2024-1000":{}},"empty":{},"list":[],"\u001b":{}}`
	var log sinkLog
	if err := readEcho(strings.NewReader(doc), log.sink()); err != nil {
		t.Fatal(err)
	}
	all := []version.Interval{{Introduced: "0"}}
	want := []advisory.Advisory{
		{ID: "CVE-2024-1000", Affected: []advisory.Affected{
			{Ecosystem: "Echo", Package: "bash", Ranges: all}, {Ecosystem: "Echo", Package: "curl", Ranges: fixedIn("1:8-1")},
		}},
		{ID: "CVE-2024-2000", Affected: []advisory.Affected{{Ecosystem: "Echo", Package: "curl", State: advisory.StateNotAffected}}},
		{ID: "TEMP-0000000-F7A20F", Affected: []advisory.Affected{{Ecosystem: "Echo", Package: "curl", Ranges: all}}},
	}
	if d := cmp.Diff(want, log.advisories); d != "" {
		t.Error(d)
	}
	if want := []string{"\x1b", "curl CVE-2024-3000", "curl CVE-2024-4000", "curl note", "list"}; !slices.Equal(log.quarantined, want) {
		t.Errorf("quarantined %q", log.quarantined)
	}
	for _, bad := range []string{"", "<html></html>", "[]", "null", doc[:len(doc)-1]} {
		if err := readEcho(strings.NewReader(bad), log.sink()); err == nil {
			t.Errorf("%.30q was taken", bad)
		}
	}
}

const photonDoc = `[
{"cve_id":"CVE-2024-1000","pkg":"curl","cve_score":9.8,"aff_ver":"all versions before 8-1.ph5 are vulnerable","res_ver":"8-1.ph5","status":"Fixed"},
{"cve_id":"CVE-2024-1000","pkg":"curl","cve_score":9.8,"aff_ver":"all versions before 8-1.ph5 are vulnerable","res_ver":"8-1.ph5","status":"Fixed"},
{"cve_id":"CVE-2024-1000","pkg":"curl-libs","cve_score":5.5,"aff_ver":"all versions are vulnerable","res_ver":"NA","status":"Not Fixed"},
{"cve_id":"UNK-1","pkg":"curl","cve_score":"NA","aff_ver":"NA","res_ver":"NA","status":"Not Affected"},
{"cve_id":"CVE-2024-2000","pkg":"curl","cve_score":3,"aff_ver":"NA","res_ver":"NA","status":"Fixed"},
{"cve_id":"CVE-2024-2000","pkg":"curl","cve_score":3,"res_ver":"1 2","status":"Fixed"},
{"cve_id":"CVE-2024-2000","pkg":"","res_ver":"1","status":"Fixed"},
{"cve_id":"Re","pkg":"linux","cve_score":5.0,"res_ver":"NA","status":"Not Affected"},{"cve_id":5},{},"x"]`

func TestPhoton(t *testing.T) {
	const dir = "packages.broadcom.com/photon/photon_cve_metadata/"
	files := map[string]string{
		dir + "photon_versions.json":     `{"branches":["5.0","4.0","../x","3.0"]}`,
		dir + "cve_data_photon5.0.json":  photonDoc,
		dir + "cve_data_photon4.0.json":  `[{"cve_id":"CVE-2024-1000","pkg":"curl","cve_score":7.5,"res_ver":"8-1.ph4","status":"Fixed"}]`,
		dir + "cve_data_photon../x.json": "[]",
	}
	var log sinkLog
	r := run(t.Context(), folder(t, files), photonFeed(), log.sink())
	if r.Err != nil || r.Newest.IsZero() {
		t.Fatalf("%+v", r)
	}
	want := []advisory.Advisory{
		{ID: "CVE-2024-1000", Source: "photon-cve", Severity: advisory.SeverityCritical, Affected: []advisory.Affected{
			{Ecosystem: "Photon OS:4.0", Package: "curl", Ranges: fixedIn("8-1.ph4")},
			{Ecosystem: "Photon OS:5.0", Package: "curl", Ranges: fixedIn("8-1.ph5")},
			{Ecosystem: "Photon OS:5.0", Package: "curl-libs", Ranges: []version.Interval{{Introduced: "0"}}},
		}},
		{ID: "UNK-1", Source: "photon-cve", Affected: []advisory.Affected{{Ecosystem: "Photon OS:5.0", Package: "curl", State: advisory.StateNotAffected}}},
	}
	if d := cmp.Diff(want, log.advisories); d != "" {
		t.Error(d)
	}
	if want := []string{
		"release ../x", "release 3.0", "5.0 row 5 CVE-2024-2000 curl", "5.0 row 6 CVE-2024-2000 curl", "5.0 row 7 CVE-2024-2000",
		"5.0 row 8 Re linux", "5.0 row 9", "5.0 row 10", "5.0 row 11",
	}; !slices.Equal(log.quarantined, want) {
		t.Errorf("quarantined %q", log.quarantined)
	}
	for _, bad := range []string{"", "<html></html>", "{}", "null", photonDoc[:len(photonDoc)-1]} {
		files[dir+"cve_data_photon4.0.json"] = bad
		if r := run(t.Context(), folder(t, files), photonFeed(), Sink{}); r.Err == nil || r.Missing {
			t.Errorf("%.30q was taken: %+v", bad, r)
		}
	}
	for _, bad := range []string{"", "<html></html>", `{"branches":[]}`, `{"branches":["9.0"]}`} {
		files[dir+"photon_versions.json"] = bad
		if r := run(t.Context(), folder(t, files), photonFeed(), Sink{}); r.Err == nil || r.Missing {
			t.Errorf("the releases %q: %+v", bad, r)
		}
	}
}
