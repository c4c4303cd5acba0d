package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/finding"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/policy"
)

func vuln(s advisory.Severity, fixed string) finding.Finding {
	return finding.Finding{Kind: finding.Vulnerability, ID: "CVE-1", Severity: s, FixedVersion: fixed}
}

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

func must(p policy.Policy, err error) policy.Policy {
	if err != nil {
		panic(err)
	}
	return p
}

func TestEvaluate(t *testing.T) {
	partial := []inventory.Unknown{{Reason: inventory.AnalysisPartial, Subject: "x", Detail: "y"}}
	tests := []struct {
		name string
		p    policy.Policy
		s    policy.Subject
		want policy.Value
	}{
		{"nothing", policy.Default(), policy.Subject{}, policy.Pass},
		{"critical", policy.Default(), policy.Subject{Findings: []finding.Finding{vuln(advisory.SeverityCritical, "")}}, policy.Fail},
		{"high with a fix", policy.Default(), policy.Subject{Findings: []finding.Finding{vuln(advisory.SeverityHigh, "2")}}, policy.Fail},
		{"high without", policy.Default(), policy.Subject{Findings: []finding.Finding{vuln(advisory.SeverityHigh, "")}}, policy.Warn},
		{"medium", policy.Default(), policy.Subject{Findings: []finding.Finding{vuln(advisory.SeverityMedium, "2")}}, policy.Pass},
		{"unknown outweighs warn", policy.Default(), policy.Subject{Findings: []finding.Finding{vuln(advisory.SeverityHigh, "")}, Unknowns: partial}, policy.Unknown},
		{"fail outweighs unknown", policy.Default(), policy.Subject{Findings: []finding.Finding{vuln(advisory.SeverityCritical, "")}, Unknowns: partial}, policy.Fail},
		{"fail-on medium", must(policy.FailOn("medium")), policy.Subject{Findings: []finding.Finding{vuln(advisory.SeverityMedium, "")}}, policy.Fail},
		{"fail-on medium,fixable without fix", must(policy.FailOn("medium,fixable")), policy.Subject{Findings: []finding.Finding{vuln(advisory.SeverityCritical, "")}}, policy.Pass},
		{"fail-on medium,fixable with fix", must(policy.FailOn("medium,fixable")), policy.Subject{Findings: []finding.Finding{vuln(advisory.SeverityMedium, "2")}}, policy.Fail},
		{"fail-on none", must(policy.FailOn("none")), policy.Subject{Findings: []finding.Finding{vuln(advisory.SeverityCritical, "2")}}, policy.Pass},
		{"fail-on none leaves unknown", must(policy.FailOn("none")), policy.Subject{Unknowns: partial}, policy.Unknown},
		{"end of life", policy.Default(), policy.Subject{EOL: "2021-05-01", AsOf: day("2021-05-02")}, policy.Unknown},
		{"last day of life", policy.Default(), policy.Subject{EOL: "2021-05-01", AsOf: day("2021-05-01")}, policy.Pass},
		{"runtime past its end", must(policy.FailOn("none")), policy.Subject{Runtimes: []policy.Runtime{{Name: "node 16.20.2", End: "2023-09-11"}}, AsOf: day("2023-09-12")}, policy.Warn},
		{"runtime on its last day", policy.Default(), policy.Subject{Runtimes: []policy.Runtime{{Name: "node 16.20.2", End: "2023-09-11"}}, AsOf: day("2023-09-11")}, policy.Pass},
		{"stale feed", policy.Default(), policy.Subject{AsOf: day("2026-01-10"), Feeds: []policy.Feed{{Name: "f", MaxAge: 5 * 24 * time.Hour, Newest: day("2026-01-04")}}}, policy.Unknown},
		{"feed as old as allowed", policy.Default(), policy.Subject{AsOf: day("2026-01-10"), Feeds: []policy.Feed{{Name: "f", MaxAge: 5 * 24 * time.Hour, Newest: day("2026-01-05")}}}, policy.Pass},
		{"any age", policy.Default(), policy.Subject{AsOf: day("2026-01-10"), Feeds: []policy.Feed{{Name: "f", Newest: day("2001-01-05")}}}, policy.Pass},
	}
	for _, tt := range tests {
		v := tt.p.Evaluate(tt.s)
		if v.Value != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, v.Value, tt.want)
		}
		if v.Value != policy.Pass && len(v.Reasons) == 0 {
			t.Errorf("%s: %s without a reason", tt.name, v.Value)
		}
	}
}

func TestFailOnRefuses(t *testing.T) {
	for _, s := range []string{"", "severe", "high,", "high,patched", "unknown", "none,fixable", "high,fixable,x"} {
		if p, err := policy.FailOn(s); err == nil {
			t.Errorf("FailOn(%q) gives %+v", s, p)
		}
	}
}

// TestEvaluateProperties: the same subject gives the same verdict; the order of
// findings does not matter; one more finding never makes it better.
func TestEvaluateProperties(t *testing.T) {
	order := map[policy.Value]int{policy.Pass: 0, policy.Warn: 1, policy.Unknown: 2, policy.Fail: 3}
	gen := rapid.Custom(func(t *rapid.T) finding.Finding {
		return vuln(advisory.Severity(rapid.IntRange(0, 5).Draw(t, "severity")), rapid.SampledFrom([]string{"", "2"}).Draw(t, "fixed"))
	})
	rapid.Check(t, func(t *rapid.T) {
		fs := rapid.SliceOf(gen).Draw(t, "findings")
		p := policy.Default()
		a := p.Evaluate(policy.Subject{Findings: fs})
		if d := cmp.Diff(a, p.Evaluate(policy.Subject{Findings: rapid.Permutation(fs).Draw(t, "permuted")})); d != "" {
			t.Fatal(d)
		}
		more := p.Evaluate(policy.Subject{Findings: append(fs[:len(fs):len(fs)], gen.Draw(t, "more"))})
		if order[more.Value] < order[a.Value] {
			t.Fatalf("one more finding turned %s into %s", a.Value, more.Value)
		}
	})
}
