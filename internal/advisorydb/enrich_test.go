package advisorydb

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

const (
	critical31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
	medium31   = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"
	high40     = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N"
	medium20   = "AV:N/AC:L/Au:N/C:P/I:N/A:N"
)

func TestEnrich(t *testing.T) {
	b := NewBuilder()
	for _, a := range []advisory.Advisory{
		{ID: "GHSA-2345-6789-cfgh", Source: "osv-npm", Aliases: []string{"CVE-2024-1"}, Summary: "A \x1b[31mtitle\n of  it\u202e", Severity: advisory.SeverityMedium,
			CVSS: []advisory.CVSS{{Vector: high40}, {Vector: "CVSS:3.1/nonsense"}}, Published: date(2024, 2, 1)},
		{ID: "CVE-2024-1", Source: "osv-debian", Summary: "a long description", Severity: advisory.SeverityLow, Published: date(2024, 1, 1)},
		{ID: "DSA-1-1", Source: "osv-debian", Related: []string{"CVE-2024-1", "CVE-2024-2"}, Severity: advisory.SeverityCritical, Summary: "update for it",
			CVSS: []advisory.CVSS{{Vector: medium31}}, Published: date(2024, 1, 1)},
		{ID: "CVE-2024-3", Source: "odd", CVSS: []advisory.CVSS{{Vector: medium20}}},
	} {
		if err := b.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	for id, e := range map[string]advisory.Enrichment{
		"CVE-2024-1": {CVSS: []advisory.CVSS{{Vector: critical31, Source: "nvd"}, {Vector: medium31, Source: "nvd", Score: 1}},
			Exploited: &advisory.Exploited{Added: "2024-03-01", Due: "2024-03-20", Ransomware: true},
			SSVC:      &advisory.SSVC{Exploitation: "poc", Automatable: true, TechnicalImpact: "total", Date: "2024-05-03"}},
		"CVE-2024-4": {EPSS: &advisory.EPSS{Score: 0.97354, Percentile: 0.99912, Date: "2024-05-01"}},
		"CVE-2024-5": {EPSS: &advisory.EPSS{Score: 1. / 3, Percentile: 1, Date: ""}, Summary: strings.Repeat("é", 400)},
		"CVE-2024-6": {SSVC: &advisory.SSVC{Exploitation: "none", TechnicalImpact: "partial"}},
	} {
		if err := b.Enrich(id, e); err != nil {
			t.Fatal(err)
		}
	}
	db := open(t, b, t.TempDir())
	ratings := []advisory.CVSS{{Vector: high40, Score: 8.7, Source: "osv-npm"}, {Vector: critical31, Score: 9.8, Source: "nvd"}, {Vector: medium31, Score: 5.3, Source: "nvd"}}
	for id, want := range map[string]advisory.Enrichment{
		"CVE-2024-1": {Summary: "A [31mtitle of it", Published: date(2024, 1, 1), Severity: advisory.SeverityMedium, SeveritySource: "osv-npm",
			CVSS: ratings, Exploited: &advisory.Exploited{Added: "2024-03-01", Due: "2024-03-20", Ransomware: true},
			SSVC: &advisory.SSVC{Exploitation: "poc", Automatable: true, TechnicalImpact: "total", Date: "2024-05-03"}},
		"GHSA-2345-6789-cfgh": {Summary: "A [31mtitle of it", Published: date(2024, 2, 1), Severity: advisory.SeverityMedium, SeveritySource: "osv-npm", CVSS: ratings[:1]},
		"DSA-1-1":             {Summary: "update for it", Severity: advisory.SeverityMedium, SeveritySource: "osv-debian", CVSS: []advisory.CVSS{{Vector: medium31, Score: 5.3, Source: "osv-debian"}}},
		"CVE-2024-3":          {Severity: advisory.SeverityMedium, SeveritySource: "odd", CVSS: []advisory.CVSS{{Vector: medium20, Score: 5, Source: "odd"}}},
		"CVE-2024-4":          {EPSS: &advisory.EPSS{Score: 0.97354, Percentile: 0.99912, Date: "2024-05-01"}},
		"CVE-2024-5":          {EPSS: &advisory.EPSS{Score: 1. / 3, Percentile: 1}, Summary: strings.Repeat("é", 148) + "…"},
		"CVE-2024-6":          {SSVC: &advisory.SSVC{Exploitation: "none", TechnicalImpact: "partial"}},
	} {
		got, ok, err := db.Enrich(t.Context(), id)
		if err != nil || !ok {
			t.Errorf("%s: %v, %v", id, ok, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", id, d)
		}
	}
	// An errata says nothing of the flaws it fixes.
	if e, ok, err := db.Enrich(t.Context(), "CVE-2024-2"); ok || err != nil {
		t.Errorf("CVE-2024-2 has %+v, %v", e, err)
	}
}

func TestSeverityOrder(t *testing.T) {
	for _, tt := range []struct {
		name string
		all  []advisory.Enrichment
		want advisory.Severity
		by   string
	}{
		{"a source's word before its vector", []advisory.Enrichment{
			{SeveritySource: "nvd", Severity: advisory.SeverityLow, CVSS: []advisory.CVSS{{Vector: critical31}}}}, advisory.SeverityLow, "nvd"},
		{"newer CVSS first", []advisory.Enrichment{
			{SeveritySource: "nvd", CVSS: []advisory.CVSS{{Vector: critical31}, {Vector: high40}, {Vector: medium20}}}}, advisory.SeverityHigh, "nvd"},
		{"the ecosystem's own database before the national one", []advisory.Enrichment{
			{SeveritySource: "nvd", Severity: advisory.SeverityCritical}, {SeveritySource: "osv-pypi", Severity: advisory.SeverityLow}}, advisory.SeverityLow, "osv-pypi"},
		{"who assigned the CVE before the national one", []advisory.Enrichment{
			{SeveritySource: "nvd", Severity: advisory.SeverityCritical}, {SeveritySource: "cna", CVSS: []advisory.CVSS{{Vector: medium31}}}}, advisory.SeverityMedium, "cna"},
		{"the national one before CISA", []advisory.Enrichment{
			{SeveritySource: "nvd", CVSS: []advisory.CVSS{{Vector: medium31}}}, {SeveritySource: "cna", CVSS: []advisory.CVSS{{Vector: critical31, Source: "cisa-adp"}}}}, advisory.SeverityMedium, "nvd"},
		{"the national one before a distribution", []advisory.Enrichment{
			{SeveritySource: "debian-tracker", Severity: advisory.SeverityCritical}, {SeveritySource: "nvd", CVSS: []advisory.CVSS{{Vector: medium31}}}}, advisory.SeverityMedium, "nvd"},
		{"a listed source before another", []advisory.Enrichment{
			{SeveritySource: "aaa", Severity: advisory.SeverityCritical}, {SeveritySource: "debian-tracker", Severity: advisory.SeverityLow}}, advisory.SeverityLow, "debian-tracker"},
		{"the worse of one source's words", []advisory.Enrichment{
			{SeveritySource: "nvd", Severity: advisory.SeverityLow}, {SeveritySource: "nvd", Severity: advisory.SeverityHigh}}, advisory.SeverityHigh, "nvd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBuilder()
			for _, e := range tt.all {
				if err := b.Enrich("CVE-2024-1", e); err != nil {
					t.Fatal(err)
				}
			}
			e, _, err := open(t, b, t.TempDir()).Enrich(t.Context(), "CVE-2024-1")
			if err != nil || e.Severity != tt.want || e.SeveritySource != tt.by {
				t.Errorf("got %v by %s (%v), want %v by %s", e.Severity, e.SeveritySource, err, tt.want, tt.by)
			}
		})
	}
}

func TestScore(t *testing.T) {
	for vector, want := range map[string]struct {
		tenths uint8
		sev    advisory.Severity
	}{
		critical31:                     {98, advisory.SeverityCritical},
		medium31:                       {53, advisory.SeverityMedium},
		high40:                         {87, advisory.SeverityHigh},
		medium20:                       {50, advisory.SeverityMedium},
		"(AV:N/AC:L/Au:N/C:C/I:C/A:C)": {100, advisory.SeverityHigh},
		"CVSS:3.0/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N":     {16, advisory.SeverityLow},
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N":     {0, advisory.SeverityUnknown},
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:P": {98, advisory.SeverityCritical}, // the base score
	} {
		got, ok := score(vector)
		if !ok || got != want.tenths || scoreSeverity(vector, got) != want.sev {
			t.Errorf("%s: %d %v (%v), want %d %v", vector, got, scoreSeverity(vector, got), ok, want.tenths, want.sev)
		}
	}
	for _, vector := range []string{"", "x", "CVSS:3.1/", "CVSS:5.0/AV:N", critical31 + "/AV:N", strings.Repeat("(", 300), "7.5"} {
		if got, ok := score(vector); ok {
			t.Errorf("%q has the score %d", vector, got)
		}
	}
}

func TestCleanSummary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		s = strings.Repeat(s, rapid.IntRange(1, 50).Draw(t, "times"))
		got := cleanSummary(s)
		if len(got) > maxSummary || !utf8.ValidString(got) || !printable(got) {
			t.Fatalf("%q became %q", s, got)
		}
		if again := cleanSummary(got); again != got {
			t.Fatalf("%q became %q, then %q", s, got, again)
		}
	})
}

func TestSlug(t *testing.T) {
	for ecosystem, want := range map[string]string{
		"npm": "npm", "PyPI": "pypi", "crates.io": "crates.io", "Debian:12": "debian-12", "Alpine:v3.10": "alpine-v3.10", "Rocky Linux:9": "rocky-linux-9",
	} {
		if got := slug(ecosystem); got != want {
			t.Errorf("slug(%q) = %q, want %q", ecosystem, got, want)
		}
	}
	seen := map[string]string{}
	all := append([]string{"NPM", "debian-12", "Debian-12", "Debian:12:", "Debian: 12", "Debian:V12", "Debian:12:1", "Debian:12-1", "/", "//", "..", "ü", ":", "Go", "go",
		"SUSE:Linux Enterprise Server 15 SP3", "SUSE:Linux Enterprise Server 15-SP3", "Debian:12", "Debian:"}, plainEcosystems...)
	for _, e := range all {
		s := slug(e)
		if s == "" || len(s) > 80 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.HasPrefix(s, ".") || strings.HasPrefix(s, "-") {
			t.Errorf("slug(%q) = %q is not fit for a name", e, s)
		}
		if other, twice := seen[s]; twice && other != e {
			t.Errorf("%q and %q are both %s", e, other, s)
		}
		seen[s] = e
	}
}

func TestSplitID(t *testing.T) {
	for id, want := range map[string]uint64{
		"CVE-2024-12345": 12345, "CVE-2024-0007": 7, "CVE-2024-2010": 2010, "RHSA-2024:1234": 1234, "DSA-5417-1": 5417,
		"SUSE-SU-2024:0012-1": 12, "GO-2024-2345": 2345, "ALAS2-2024-123": 123, "2024": 2024,
	} {
		if _, n, ok := splitID(id); !ok || n != want {
			t.Errorf("%s: %d %v, want %d", id, n, ok, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Z]{0,3}-?[0-9]{1,25}[-:]?0*[0-9]{0,9}`), rapid.StringMatching(`GHSA-[2-9cfghjmpqrvwx]{4}-[2-9a-z]{4}-[2-9cfghjmpqrvwx]{4}`)).Draw(t, "id")
		shape, n, ok := splitID(id)
		if got := shape.prefix + string(appendNumber(nil, shape.style, n)) + shape.suffix; ok && got != id {
			t.Fatalf("%q came back as %q", id, got)
		}
	})
}

// TestSeverityOrderRows: every party that feeds name has its place.
func TestSeverityOrderRows(t *testing.T) {
	order := []string{"osv-npm", "cna", "nvd", "cisa-adp", "adp:somebody", "osv-bitnami", "redhat-csaf", "ubuntu-osv", "suse-csaf", "debian-tracker", "alpine-secdb", "unheard-of"}
	for i := 1; i < len(order); i++ {
		if a, b := rank(severityOrder, order[i-1]), rank(severityOrder, order[i]); a >= b {
			t.Errorf("%s has the place %d, and %s %d", order[i-1], a, order[i], b)
		}
	}
}

// TestSSVC: the latest assessment counts, and on one day the worse.
func TestSSVC(t *testing.T) {
	all := []advisory.SSVC{
		{Exploitation: "active", TechnicalImpact: "total", Automatable: true, Date: "2024-01-01"},
		{Exploitation: "none", TechnicalImpact: "total", Date: "2024-02-01"},
		{Exploitation: "poc", TechnicalImpact: "total", Date: "2024-02-01"},
	}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		b := NewBuilder()
		for _, i := range order {
			if err := b.Enrich("CVE-2024-1", advisory.Enrichment{SSVC: &all[i]}); err != nil {
				t.Fatal(err)
			}
		}
		if e, _, err := open(t, b, t.TempDir()).Enrich(t.Context(), "CVE-2024-1"); err != nil || e.SSVC == nil || *e.SSVC != all[2] {
			t.Errorf("%v: %+v, %v", order, e.SSVC, err)
		}
	}
	for _, exploitation := range []string{"none", "poc", "active"} {
		for _, impact := range []string{"partial", "total"} {
			for _, auto := range []bool{false, true} {
				v := advisory.SSVC{Exploitation: exploitation, Automatable: auto, TechnicalImpact: impact}
				if got := ssvcOf(ssvcByte(&v)); *got != v {
					t.Errorf("%+v came back as %+v", v, *got)
				}
			}
		}
	}
	for _, bad := range []advisory.SSVC{{}, {Exploitation: "none"}, {Exploitation: "Active", TechnicalImpact: "total"}, {Exploitation: "none", TechnicalImpact: "total", Date: strings.Repeat("1", 100)}} {
		if err := NewBuilder().Enrich("CVE-2024-1", advisory.Enrichment{SSVC: &bad}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestTrim(t *testing.T) {
	b := NewBuilder()
	for i := range 6 {
		if err := b.Enrich(fmt.Sprint("CVE-2024-", i), advisory.Enrichment{Summary: "a flaw", EPSS: &advisory.EPSS{Score: .5}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Add(advisory.Advisory{ID: "CVE-2024-1", Source: "x", Aliases: []string{"CVE-2024-2"}, Related: []string{"CVE-2024-3"}}); err != nil {
		t.Fatal(err)
	}
	b.Trim()
	db := open(t, b, t.TempDir())
	for i := range 6 {
		_, ok, err := db.Enrich(t.Context(), fmt.Sprint("CVE-2024-", i))
		if want := i >= 1 && i <= 3; ok != want || err != nil {
			t.Errorf("CVE-2024-%d: %v, %v", i, ok, err)
		}
	}
}
