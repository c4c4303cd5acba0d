package feed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// osvDoc gives a record with the given affected entries, or with more before them.
func osvDoc(id, affected string, more ...string) string {
	return fmt.Sprintf(`{"id":%q,%s"affected":[%s]}`, id, strings.Join(more, ""), affected)
}

// entry gives an affected entry with one range of type ECOSYSTEM.
func entry(ecosystem, name, events string, more ...string) string {
	return fmt.Sprintf(`{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"ECOSYSTEM","events":[%s]}]%s}`, ecosystem, name, events, strings.Join(more, ""))
}

const fixed2 = `{"introduced":"0"},{"fixed":"2"}`

func fixedIn(v string) []version.Interval { return []version.Interval{{Introduced: "0", Fixed: v}} }

func TestOSVAffected(t *testing.T) {
	sap := "SUSE:Linux Enterprise Server for SAP Applications 12 SP3"
	for _, c := range []struct {
		name, speaks, doc string
		want              []advisory.Affected
		skip              string
		bad               bool
	}{
		{
			name: "one span", speaks: "npm", doc: osvDoc("GHSA-1", entry("npm", "x", fixed2)),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x", Ranges: fixedIn("2")}},
		},
		{
			name: "events in any order", speaks: "npm",
			doc:  osvDoc("GHSA-1", entry("npm", "x", `{"fixed":"3.1.0"},{"introduced":"3.0.0"},{"last_affected":"1.5.0"},{"introduced":"1.0.0"}`)),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x", Ranges: []version.Interval{{Introduced: "1.0.0", LastAffected: "1.5.0"}, {Introduced: "3.0.0", Fixed: "3.1.0"}}}},
		},
		{
			name: "limit", speaks: "npm", doc: osvDoc("GHSA-1", entry("npm", "x", `{"introduced":"1.0.0"},{"limit":"2.0.0"}`)),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x", Ranges: []version.Interval{{Introduced: "1.0.0", Fixed: "2.0.0"}}}},
		},
		{
			name: "ranges that overlap are one", speaks: "npm",
			doc: osvDoc("GHSA-1", `{"package":{"ecosystem":"npm","name":"x"},"ranges":[
				{"type":"SEMVER","events":[{"introduced":"1.2.0"},{"fixed":"2.0.0"}]},
				{"type":"GIT","events":[{"introduced":"0"},{"fixed":"abc"}]},
				{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.5.0"}]},
				{"type":"SEMVER","events":[{"introduced":"3.0.0"},{"last_affected":"3.1.0"}]}]}`),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x", Ranges: []version.Interval{{Introduced: "0", Fixed: "2.0.0"}, {Introduced: "3.0.0", LastAffected: "3.1.0"}}}},
		},
		{
			name: "versions that the range holds are dropped", speaks: "npm",
			doc:  osvDoc("GHSA-1", entry("npm", "x", fixed2, `,"versions":["1.0.0","1.9.9"]`)),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x", Ranges: fixedIn("2")}},
		},
		{
			name: "versions outside are kept", speaks: "npm",
			doc: osvDoc("GHSA-1", entry("npm", "x", `{"introduced":"1.0.0"},{"fixed":"1.1.0"},{"introduced":"2.0.0"},{"fixed":"2.1.0"}`,
				`,"versions":["0.9.0","1.0.5","1.1.0","2.0.0","2.1.0","so \u0022odd\u0022"]`)),
			want: []advisory.Affected{{
				Ecosystem: "npm", Package: "x", Versions: []string{"0.9.0", "1.1.0", "2.1.0", `so "odd"`},
				Ranges: []version.Interval{{Introduced: "1.0.0", Fixed: "1.1.0"}, {Introduced: "2.0.0", Fixed: "2.1.0"}},
			}},
		},
		{
			name: "versions alone", speaks: "npm", doc: osvDoc("GHSA-1", `{"package":{"ecosystem":"npm","name":"x"},"versions":["1.0.0"]}`),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x", Versions: []string{"1.0.0"}}},
		},
		{
			name: "neither range nor version is every version", speaks: "npm", doc: osvDoc("GHSA-1", `{"package":{"ecosystem":"npm","name":"x"}}`),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x"}},
		},
		{
			name: "a range without versions in it is not every version", speaks: "npm", skip: "affects no version",
			doc: osvDoc("GHSA-1", entry("npm", "x", `{"introduced":"2.0.0"},{"fixed":"2.0.0"}`)),
		},
		{
			name: "last known version, inclusive", speaks: "npm",
			doc:  osvDoc("GHSA-1", entry("npm", "x", `{"introduced":"0"}`, `,"database_specific":{"last_known_affected_version_range":"<= 1.2.0"}`)),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x", Ranges: []version.Interval{{Introduced: "0", LastAffected: "1.2.0"}}}},
		},
		{
			name: "last known version, exclusive", speaks: "npm",
			doc:  osvDoc("GHSA-1", entry("npm", "x", `{"introduced":"1.0.0"}`, `,"database_specific":{"last_known_affected_version_range":"< 1.2.0"}`)),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x", Ranges: []version.Interval{{Introduced: "1.0.0", Fixed: "1.2.0"}}}},
		},
		{
			name: "last known version before the first is not believed", speaks: "npm",
			doc:  osvDoc("GHSA-1", entry("npm", "x", `{"introduced":"1.0.0"}`, `,"database_specific":{"last_known_affected_version_range":"< 1.0.0"}`)),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x", Ranges: []version.Interval{{Introduced: "1.0.0"}}}},
		},
		{
			name: "a fix counts more than the last known version", speaks: "npm",
			doc:  osvDoc("GHSA-1", entry("npm", "x", fixed2, `,"database_specific":{"last_known_affected_version_range":"<= 1.2.0"}`)),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x", Ranges: fixedIn("2")}},
		},
		{
			name: "another ecosystem and commits are dropped", speaks: "Debian",
			doc:  osvDoc("CVE-2024-1000", entry("Alpine:v3.10", "x", fixed2)+","+entry("Debian:12", "x", fixed2)+`,{"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]}`),
			want: []advisory.Affected{{Ecosystem: "Debian:12", Package: "x", Ranges: fixedIn("2")}},
		},
		{name: "a vendor who names Alpine", speaks: "CleanStart", doc: osvDoc("X-1", entry("Alpine", "x", fixed2)), skip: "another ecosystem"},
		{name: "an ecosystem that begins alike", speaks: "Go", doc: osvDoc("X-1", entry("Google", "x", fixed2)), skip: "another ecosystem"},
		{name: "commits only", speaks: "npm", doc: osvDoc("X-1", `{"package":{"ecosystem":"npm","name":"x"},"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]}`), skip: "commits only"},
		{name: "withdrawn", speaks: "npm", doc: osvDoc("X-1", entry("npm", "x", fixed2), `"withdrawn":"2024-01-01T00:00:00Z",`), skip: "withdrawn"},
		{name: "no flaw", speaks: "AlmaLinux", doc: osvDoc("ALBA-1", entry("AlmaLinux:8", "x", fixed2)), skip: "names no flaw"},
		{name: "nothing affected", speaks: "npm", doc: `{"id":"X-1"}`, skip: "affects nothing"},
		{
			name: "a bug fix that fixes a flaw", speaks: "AlmaLinux", doc: osvDoc("ALBA-1", entry("AlmaLinux:8", "x", fixed2), `"related":["CVE-2024-1000"],`),
			want: []advisory.Affected{{Ecosystem: "AlmaLinux:8", Package: "x", Ranges: fixedIn("2")}},
		},
		{
			name: "one bad range does not cost the others", speaks: "npm", bad: true,
			doc:  osvDoc("GHSA-1", entry("npm", "x", `{"introduced":"0"},{"fixed":"not a version"}`)+","+entry("npm", "y", fixed2)),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "y", Ranges: fixedIn("2")}},
		},
		{
			name: "a list beside a bad range", speaks: "npm", bad: true,
			doc:  osvDoc("GHSA-1", entry("npm", "x", `{"introduced":"0"},{"fixed":"not a version"}`, `,"versions":["1.0.0"]`)),
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x", Versions: []string{"1.0.0"}}},
		},
		{name: "a range without beginning", speaks: "npm", bad: true, doc: osvDoc("GHSA-1", entry("npm", "x", `{"fixed":"1.0.0"}`))},
		{name: "a name that steers the terminal", speaks: "npm", bad: true, doc: osvDoc("GHSA-1", `{"package":{"ecosystem":"npm","name":"\u001b[2J"}}`)},
		{name: "an ID that steers the terminal", speaks: "npm", bad: true, doc: `{"id":"\u001b[2J"}`},
		{name: "no ID", speaks: "npm", bad: true, doc: `{}`},
		{name: "no JSON", speaks: "npm", bad: true, doc: `<html>`},
		{name: "another type", speaks: "npm", bad: true, doc: `[]`},
		{
			name: "odd types where publishers are free", speaks: "npm",
			doc: `{"id":"GHSA-1","summary":null,"modified":"yesterday","withdrawn":null,"database_specific":{"severity":["HIGH"]},"affected":[
				{"package":{"ecosystem":"npm","name":"x"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],"versions":null,
				 "ecosystem_specific":{"urgency":3,"binaries":{}},"database_specific":{"severity":{}}}],"id":"GHSA-1"}`,
			want: []advisory.Affected{{Ecosystem: "npm", Package: "x", Ranges: []version.Interval{{Introduced: "0"}}}},
		},
		{
			name: "Python names", speaks: "PyPI", doc: osvDoc("GHSA-1", entry("PyPI", "Zope.Interface__X", fixed2)),
			want: []advisory.Affected{{Ecosystem: "PyPI", Package: "zope-interface-x", Ranges: fixedIn("2")}},
		},
		{
			name: "an ecosystem without an order", speaks: "Unheard",
			doc:  osvDoc("X-1", entry("Unheard", "x", `{"introduced":"a"},{"fixed":"b"},{"introduced":"c"}`, `,"versions":["a"]`)),
			want: []advisory.Affected{{Ecosystem: "Unheard", Package: "x", Ranges: []version.Interval{{Introduced: "a", Fixed: "b"}, {Introduced: "c"}}, Versions: []string{"a"}}},
		},
		{
			name: "Debian's unimportant and end-of-life", speaks: "Debian",
			doc: osvDoc("CVE-2024-1000", entry("Debian:12", "x", fixed2, `,"ecosystem_specific":{"urgency":"unimportant"}`)+","+
				entry("Debian:11", "x", `{"introduced":"0"}`, `,"ecosystem_specific":{"urgency":"end-of-life"}`)+","+
				entry("Debian:10", "x", fixed2, `,"ecosystem_specific":{"urgency":"end-of-life"}`)+","+
				entry("Debian:13", "x", fixed2, `,"ecosystem_specific":{"urgency":"high"}`)),
			want: []advisory.Affected{
				{Ecosystem: "Debian:12", Package: "x", Ranges: fixedIn("2"), State: advisory.StateUnimportant, Severity: advisory.SeverityNegligible},
				{Ecosystem: "Debian:11", Package: "x", Ranges: []version.Interval{{Introduced: "0"}}, State: advisory.StateEndOfLife},
				{Ecosystem: "Debian:10", Package: "x", Ranges: fixedIn("2")},
				{Ecosystem: "Debian:13", Package: "x", Ranges: fixedIn("2")},
			},
		},
		{
			name: "Red Hat's products", speaks: "Red Hat",
			doc: osvDoc("RHSA-2024:1", entry("Red Hat:enterprise_linux:7::server", "x", fixed2)+","+entry("Red Hat:enterprise_linux:7::client", "x", fixed2)+","+
				entry("Red Hat:enterprise_linux:7::server", "x", fixed2)+","+entry("Red Hat:rhel_eus:8.6::baseos", "x", fixed2)),
			want: []advisory.Affected{
				{Ecosystem: "Red Hat:7", Package: "x", Ranges: fixedIn("2"), Stream: "enterprise_linux:7::client,server"},
				{Ecosystem: "Red Hat:rhel_eus:8.6", Package: "x", Ranges: fixedIn("2"), Stream: "rhel_eus:8.6::baseos"},
			},
		},
		{
			name: "module builds of one package stay apart", speaks: "AlmaLinux",
			doc: osvDoc("ALSA-1", entry("AlmaLinux:8", "x", `{"introduced":"0"},{"fixed":"1-1.module_el8.3.0+1"}`)+","+
				entry("AlmaLinux:8", "x", `{"introduced":"0"},{"fixed":"1-1.module_el8.5.0+2"}`)),
			want: []advisory.Affected{
				{Ecosystem: "AlmaLinux:8", Package: "x", Ranges: fixedIn("1-1.module_el8.3.0+1")},
				{Ecosystem: "AlmaLinux:8", Package: "x", Ranges: fixedIn("1-1.module_el8.5.0+2")},
			},
		},
		{
			name: "SUSE's binary packages", speaks: "SUSE openSUSE",
			doc: osvDoc("SUSE-SU-1", entry(sap, "src", fixed2, `,"ecosystem_specific":{"binaries":[{"lib":"2.1-1","tool":"2-1"}]}`)+","+
				entry(sap, "src-base", fixed2, `,"ecosystem_specific":{"binaries":[{"lib":"2.1-1","tool":"2-1"}]}`)+","+
				entry("openSUSE:Leap 15.6", "src", fixed2, `,"ecosystem_specific":{"binaries":[{"lib":"2.1-1"}]}`)+","+
				entry("openSUSE:Tumbleweed", "src", fixed2)),
			want: []advisory.Affected{
				{Ecosystem: sap, Package: "lib", Ranges: fixedIn("2.1-1")},
				{Ecosystem: sap, Package: "tool", Ranges: fixedIn("2-1")},
				{Ecosystem: "openSUSE:Leap 15.6", Package: "lib", Ranges: fixedIn("2.1-1")},
				{Ecosystem: "openSUSE:Tumbleweed", Package: "src", Ranges: fixedIn("2")},
			},
		},
		{
			name: "Go releases that are no Go versions", speaks: "Go",
			doc: osvDoc("GO-1", entry("Go", "x", `{"introduced":"0"}`,
				`,"ecosystem_specific":{"custom_ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"4.2.0"},{"fixed":"8.5.15"},{"introduced":"9.0.0"},{"fixed":"9.2.4"}]}]}`)),
			want: []advisory.Affected{{Ecosystem: "Go", Package: "x", Ranges: []version.Interval{{Introduced: "0", Fixed: "8.5.15"}, {Introduced: "9.0.0", Fixed: "9.2.4"}}}},
		},
		{
			name: "Go releases whose branches are not told", speaks: "Go",
			doc: osvDoc("GO-1", entry("Go", "x", `{"introduced":"0"}`,
				`,"ecosystem_specific":{"custom_ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"4.12.0"},{"fixed":"5.0.7"},{"fixed":"6.8.0"}]}]}`)),
			want: []advisory.Affected{{Ecosystem: "Go", Package: "x", Ranges: []version.Interval{{Introduced: "0"}}}},
		},
		{
			name: "Go versions count more than custom ones", speaks: "Go",
			doc: osvDoc("GO-1", entry("Go", "x", `{"introduced":"0"},{"fixed":"0.17.7"}`,
				`,"ecosystem_specific":{"custom_ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"17.0.7"}]}]}`)),
			want: []advisory.Affected{{Ecosystem: "Go", Package: "x", Ranges: fixedIn("0.17.7")}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			speaks := strings.Fields(c.speaks)
			if c.speaks == "Red Hat" {
				speaks = []string{c.speaks}
			}
			got := osvReader{speaks: speaks}.parse("dir/X-1.json", []byte(c.doc), nil)
			var affected []advisory.Affected
			if got.adv != nil {
				affected = got.adv.Affected
			}
			if d := cmp.Diff(c.want, affected, cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
			if got.skip != c.skip || got.bad != nil != c.bad || got.name != "X-1" {
				t.Errorf("name %q, skip %q, bad %v", got.name, got.skip, got.bad)
			}
		})
	}
}

func TestOSVRecord(t *testing.T) {
	doc := `{"id":"BIT-x-2024-1","summary":"A \u001b[31mred\n line","published":"2024-01-02T03:04:05.678Z","modified":"2024-02-03T04:05:06Z",
		"aliases":["CVE-2024-1000"],"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/A"}],"database_specific":{"severity":"Medium"},
		"affected":[{"package":{"ecosystem":"Bitnami","name":"x"},"severity":[{"type":"CVSS_V4","score":"CVSS:4.0/B"},{"type":"CVSS_V3","score":"CVSS:3.1/A"}],
		"database_specific":{"severity":"HIGH"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`
	got := osvReader{speaks: []string{"Bitnami"}}.parse("x.json", []byte(doc), nil)
	want := &advisory.Advisory{
		ID: "BIT-x-2024-1", Aliases: []string{"CVE-2024-1000"}, Summary: "A [31mred line", Severity: advisory.SeverityMedium,
		CVSS:      []advisory.CVSS{{Vector: "CVSS:3.1/A"}, {Vector: "CVSS:4.0/B"}},
		Published: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), Modified: time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC),
		URL:      "https://osv.dev/vulnerability/BIT-x-2024-1",
		Affected: []advisory.Affected{{Ecosystem: "Bitnami", Package: "x", Severity: advisory.SeverityHigh, Ranges: []version.Interval{{Introduced: "0"}}}},
	}
	if d := cmp.Diff(want, got.adv); d != "" {
		t.Error(d)
	}
}

func TestOSVBadEntry(t *testing.T) {
	got := osvReader{}.parse("x.json", nil, errors.New("cut"))
	if got.adv != nil || got.bad == nil || got.skip != "" {
		t.Errorf("got %+v", got)
	}
}

func TestOSVSeverity(t *testing.T) {
	for _, c := range []struct {
		id, more string
		want     advisory.Severity
	}{
		{"GHSA-1", `"database_specific":{"severity":"MODERATE"},`, advisory.SeverityMedium},
		{"GHSA-1", `"database_specific":{"severity":"CRITICAL"},`, advisory.SeverityCritical},
		{"GHSA-1", `"summary":"Important: x",`, advisory.SeverityUnknown},
		{"ALSA-1", `"summary":"Important: x",`, advisory.SeverityHigh},
		{"RLSA-1", `"summary":"Low: x",`, advisory.SeverityLow},
		{"RHSA-1", `"references":[{"url":"https://access.redhat.com/security/updates/classification/#important"}],`, advisory.SeverityHigh},
		{"RHSA-1", `"references":[{"url":3},{"url":"https://x/classification/#low"},{"url":"https://x/classification/#Critical/"}],`, advisory.SeverityCritical},
		{"RHSA-1", `"references":{},`, advisory.SeverityUnknown},
		{"UBUNTU-CVE-2024-1000", `"severity":[{"type":"Ubuntu","score":"negligible"},{"type":"CVSS_V3","score":"CVSS:3.1/A"}],`, advisory.SeverityNegligible},
		{"DEBIAN-CVE-2024-1000", `"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/A"}],`, advisory.SeverityUnknown},
	} {
		got := osvReader{speaks: []string{"E"}}.parse("x.json", []byte(osvDoc(c.id, entry("E", "x", fixed2), c.more)), nil)
		if got.adv == nil || got.adv.Severity != c.want {
			t.Errorf("%s %s: got %v, want %v", c.id, c.more, got, c.want)
		}
	}
}

func TestFlawIDs(t *testing.T) {
	for _, c := range []struct {
		rec              osvRecord
		aliases, related []string
	}{
		{osvRecord{ID: "GHSA-1", Aliases: []string{"CVE-2024-1000"}, Related: []string{"CVE-2024-2000"}}, []string{"CVE-2024-1000"}, nil},
		{osvRecord{ID: "CVE-2024-1000", Related: []string{"DSA-1-1", "CVE-2024-2000"}}, nil, nil},
		{osvRecord{ID: "DEBIAN-CVE-2024-1000", Upstream: []string{"CVE-2024-1000"}}, []string{"CVE-2024-1000"}, nil},
		{osvRecord{ID: "UBUNTU-CVE-2024-1000", Related: []string{"USN-1-1"}}, []string{"CVE-2024-1000"}, nil},
		{osvRecord{ID: "AZL-1", Upstream: []string{"CVE-2024-1000"}}, []string{"CVE-2024-1000"}, nil},
		{osvRecord{ID: "JLSEC-1", Upstream: []string{"CVE-2024-2000", "CVE-2024-1000", "GHSA-1"}}, nil, []string{"CVE-2024-1000", "CVE-2024-2000"}},
		{osvRecord{ID: "DSA-1-1", Related: []string{"CVE-2024-2000", "CVE-2024-1000", "CVE-2024-1000", "DLA-1"}}, nil, []string{"CVE-2024-1000", "CVE-2024-2000"}},
		{osvRecord{ID: "DLA-1-1", Aliases: []string{"CVE-2024-1000"}}, nil, []string{"CVE-2024-1000"}},
		{osvRecord{ID: "USN-1-1", Upstream: []string{"UBUNTU-CVE-2024-1000", "CVE-2024-1000"}}, nil, []string{"CVE-2024-1000"}},
		{osvRecord{ID: "ALSA-1", Aliases: []string{"RHSA-1"}, Related: []string{" CVE-2024-1000"}}, []string{"RHSA-1"}, []string{"CVE-2024-1000"}},
		{osvRecord{ID: "openSUSE-SU-1", Related: []string{"CVE-2024-1", "CVE-24-1000", "CVE-2024-1000x", "XCVE-2024-1000"}}, nil, nil},
		{osvRecord{ID: "GHSA-1", Aliases: []string{"GHSA-1", "", "CVE-2024-1000", "CVE-2024-1000"}}, []string{"CVE-2024-1000"}, nil},
	} {
		aliases, related := flawIDs(&c.rec)
		if !slices.Equal(aliases, c.aliases) || !slices.Equal(related, c.related) {
			t.Errorf("%s: got %q and %q, want %q and %q", c.rec.ID, aliases, related, c.aliases, c.related)
		}
	}
}

func TestRedHatProduct(t *testing.T) {
	for in, want := range map[string][2]string{
		"Red Hat:enterprise_linux:8::appstream":    {"Red Hat:8", "enterprise_linux:8::appstream"},
		"Red Hat:enterprise_linux:10.0":            {"Red Hat:10", "enterprise_linux:10.0"},
		"Red Hat:enterprise_linux:10.1::baseos":    {"Red Hat:10", "enterprise_linux:10.1::baseos"},
		"Red Hat:rhel_eus:8.6::appstream":          {"Red Hat:rhel_eus:8.6", "rhel_eus:8.6::appstream"},
		"Red Hat:rhel_aus:5.9":                     {"Red Hat:rhel_aus:5.9", "rhel_aus:5.9"},
		"Red Hat:rhel_els:7":                       {"Red Hat:rhel_els:7", "rhel_els:7"},
		"Red Hat:openshift:4.12::el8":              {"Red Hat:openshift:4.12", "openshift:4.12::el8"},
		"Red Hat:rhel_software_collections:3::el7": {"Red Hat:rhel_software_collections:3", "rhel_software_collections:3::el7"},
		"Red Hat:enterprise_linux":                 {"Red Hat:enterprise_linux", ""},
		"Red Hat:enterprise_linux_eus:8.1::x":      {"Red Hat:enterprise_linux_eus:8.1", "enterprise_linux_eus:8.1::x"},
		"Red Hat":                                  {"Red Hat", ""},
		"Red Hat:8":                                {"Red Hat:8", ""},
	} {
		if eco, stream := redHatProduct(in); eco != want[0] || stream != want[1] {
			t.Errorf("%s: %q, %q", in, eco, stream)
		}
	}
}

func TestOSVArchives(t *testing.T) {
	if !slices.IsSortedFunc(osvArchives, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }) {
		t.Error("the table is not sorted")
	}
	for _, name := range osvArchives {
		if _, ok := version.For(name); !ok {
			t.Errorf("%s has no order of versions", name)
		}
	}
}
