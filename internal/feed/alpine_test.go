package feed

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

func TestSecdbIDs(t *testing.T) {
	for text, want := range map[string][2]string{
		"CVE-2019-1000":                               {"CVE-2019-1000"},
		"CVE-2016-9932 XSA-200":                       {"CVE-2016-9932"},
		"CVE-2018-3639   XSA-263":                     {"CVE-2018-3639"},
		"CVE-2020-11740 CVE-2020-11741 XSA-313":       {"CVE-2020-11740 CVE-2020-11741"},
		"CVE-2020-11501 GNUTLS-SA-1 CVE-2020-11501":   {"CVE-2020-11501"},
		"GNUTLS-SA-2020-06-03 CVE-2020-13777":         {"CVE-2020-13777"},
		"XSA-207":                                     {"XSA-207"},
		"CVE-????-????? XSA-312":                      {"XSA-312"},
		"CVE N/A ZBX-11023":                           {"ZBX-11023"},
		"GHSA-fhpf-pp6p-55qc":                         {"GHSA-fhpf-pp6p-55qc"},
		"CVE-2024-22195 GHSA-h5c8-rqwp-cp95":          {"CVE-2024-22195", "GHSA-h5c8-rqwp-cp95"},
		"CVE-2024-1000 CVE-2024-2000 GHSA-h5c8-a-1":   {"CVE-2024-1000 CVE-2024-2000"},
		"ALPINE-13661":                                {"ALPINE-13661"},
		"wnpa-sec-2017-18":                            {"wnpa-sec-2017-18"},
		"RUSTSEC-2020-0146":                           {"RUSTSEC-2020-0146"},
		"CVE_2019-2426":                               {"CVE-2019-2426"},
		"CVE-2021-35940.patch":                        {"CVE-2021-35940"},
		"CVE-2017-17434-1":                            {"CVE-2017-17434"},
		"CVE-2018-16451 (SMB)":                        {"CVE-2018-16451"},
		"CVE-2017-2616 (+ regression fix, see XSA-1)": {"CVE-2017-2616"},
		"CVE-2017-2616,CVE-2017-2617; CVE-2017-2618":  {"CVE-2017-2616 CVE-2017-2617 CVE-2017-2618"},
		"CVE-46838":                                   {},
		"CVE-2019-1":                                  {},
		"":                                            {},
		"see the change log":                          {},
		"\x1b[31m-1":                                  {},
		strings.Repeat("CVE-2019-1000 ", 100):         {},
	} {
		ids, aliases := secdbIDs(text)
		if !slices.Equal(ids, strings.Fields(want[0])) || !slices.Equal(aliases, strings.Fields(want[1])) {
			t.Errorf("%q: %q and %q, want %q", text, ids, aliases, want)
		}
	}
}

func TestSecdbReleases(t *testing.T) {
	page := `<a href="../">../</a><a href="edge/">e</a><a href="v3.9/"></a><a href="v3.10/"></a><a href="v3.10/"></a>
		<a href="last-update">x</a><a href="v3/"></a><a href="v3.x/"></a><a href="/etc/"></a><a href="v..%2f/"></a><a href="v3.11`
	if got := secdbReleases(page); !slices.Equal(got, []string{"edge", "v3.10", "v3.9"}) {
		t.Errorf("got %q", got)
	}
}

func TestSecdbFile(t *testing.T) {
	db := newSecdb("Alpine", "https://security.alpinelinux.org/vuln/")
	var log sinkLog
	files := []struct{ release, doc string }{
		{"v3.10", `{"distroversion":"v3.10","packages":[
			{"pkg":{"name":"xen","secfixes":{"4.9.0-r1":["CVE-2017-1000 XSA-1"],"0":["CVE-2017-2000","CVE-2017-3000"],"4.12.0-r0":["CVE-2017-3000"]}}},
			{"pkg":{"name":"fw","secfixes":{"20190514a-r0":["CVE-2018-1000"],"20191112-r0":["CVE-2018-1000"],"20190618-r0":["CVE-2018-1000"]}}},
			{"pkg":{"name":"py","secfixes":{"10.0-r0":["CVE-2018-2000"],"9.0-r0":["CVE-2018-2000 GHSA-aaaa-bbbb-1"]}}},
			{"pkg":{"name":"odd","secfixes":{"1.2-3":["CVE-2018-3000"],"1.2-r3":["nothing"],"2-r0":null}}},
			{"pkg":{"name":"broken","secfixes":["CVE-2018-4000"]}},
			{"pkg":{"secfixes":{}}},
			{"pkg":{"name":"last","secfixes":{"1-r0":["CVE-2018-5000"]}}}]}`},
		{"edge", `{"packages":[{"pkg":{"name":"xen","secfixes":{"4.9.0-r1":["CVE-2017-1000"]}}}]}`},
		{"v3.11", `{"distroversion":"v3.12","packages":[{"pkg":{"name":"xen","secfixes":{"1-r0":["CVE-2017-1000"]}}}]}`},
	}
	for _, f := range files {
		if err := db.file(strings.NewReader(f.doc), f.release, "main", log.sink()); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.emit(log.sink()); err != nil {
		t.Fatal(err)
	}
	not := advisory.StateNotAffected
	want := []advisory.Advisory{
		{ID: "CVE-2017-1000", Affected: []advisory.Affected{
			{Ecosystem: "Alpine:edge", Package: "xen", Ranges: fixedIn("4.9.0-r1")},
			{Ecosystem: "Alpine:v3.10", Package: "xen", Ranges: fixedIn("4.9.0-r1")},
		}},
		{ID: "CVE-2017-2000", Affected: []advisory.Affected{{Ecosystem: "Alpine:v3.10", Package: "xen", State: not}}},
		{ID: "CVE-2017-3000", Affected: []advisory.Affected{{Ecosystem: "Alpine:v3.10", Package: "xen", Ranges: fixedIn("4.12.0-r0")}}},
		{ID: "CVE-2018-1000", Affected: []advisory.Affected{{Ecosystem: "Alpine:v3.10", Package: "fw", Ranges: fixedIn("20191112-r0")}}},
		{ID: "CVE-2018-2000", Aliases: []string{"GHSA-aaaa-bbbb-1"}, Affected: []advisory.Affected{{Ecosystem: "Alpine:v3.10", Package: "py", Ranges: fixedIn("10.0-r0")}}},
		{ID: "CVE-2018-5000", Affected: []advisory.Affected{{Ecosystem: "Alpine:v3.10", Package: "last", Ranges: fixedIn("1-r0")}}},
	}
	for i := range want {
		want[i].URL = "https://security.alpinelinux.org/vuln/" + want[i].ID
	}
	if d := cmp.Diff(want, log.advisories); d != "" {
		t.Error(d)
	}
	wantBad := []string{"v3.10/main odd", "v3.10/main odd", "v3.10/main package 5", "v3.10/main package 6", "v3.11/main"}
	if !slices.Equal(log.quarantined, wantBad) {
		t.Errorf("quarantined %q, want %q", log.quarantined, wantBad)
	}
	if db.entries != 13 {
		t.Errorf("%d entries, want 13", db.entries)
	}
	for _, doc := range []string{"", "<html>", `{"packages":`, `[]`} {
		if err := db.file(strings.NewReader(doc), "v3.10", "main", log.sink()); err == nil {
			t.Errorf("%q was taken", doc)
		}
	}
}

func TestFetchSecdb(t *testing.T) {
	pkg := func(release string) string {
		return `{"distroversion":"` + release + `","packages":[{"pkg":{"name":"x","secfixes":{"1-r0":["CVE-2018-1000"]}}}]}`
	}
	files := map[string]string{
		"secdb.alpinelinux.org/index.html":       `<a href="v3.2/">x</a><a href="edge/">x</a><a href="v3.99/">x</a>`,
		"secdb.alpinelinux.org/last-update":      "2025-01-04T00:00:00Z\n",
		"secdb.alpinelinux.org/v3.2/main.json":   pkg("v3.2"),
		"secdb.alpinelinux.org/edge/main.json":   pkg("edge"),
		"secdb.alpinelinux.org/v3.9/main.json":   pkg("v3.9"), // not listed
		"secdb.alpinelinux.org/v3.2/others.json": "",
	}
	var log sinkLog
	res := run(t.Context(), folder(t, files), alpineFeed(), log.sink())
	if res.Err != nil || res.Missing || res.Records != 1 || res.Quarantined != 1 || !slices.Equal(log.quarantined, []string{"v3.99"}) {
		t.Errorf("got %+v, quarantined %q", res, log.quarantined)
	}
	if !slices.Equal(res.Ecosystems, []string{"Alpine:edge", "Alpine:v3.2"}) || res.Newest.Format("2006-01-02") != "2025-01-04" {
		t.Errorf("got %+v", res)
	}
	files["secdb.alpinelinux.org/index.html"] = "<html>welcome</html>"
	if res := run(t.Context(), folder(t, files), alpineFeed(), Sink{}); res.Err == nil || res.Missing {
		t.Errorf("a list without releases: %+v", res)
	}
	delete(files, "secdb.alpinelinux.org/index.html")
	if res := run(t.Context(), folder(t, files), alpineFeed(), Sink{}); res.Err != nil || !res.Missing {
		t.Errorf("no list: %+v", res)
	}
}
