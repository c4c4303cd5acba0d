// Package policy decides: findings and unknowns in, a verdict out. Evaluate is pure;
// it reads no clock, file or network, and equal inputs give equal verdicts.
package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/finding"
	"github.com/plimsoll/plimsoll/internal/inventory"
)

// Value of a verdict. When several apply the highest of pass < warn < unknown < fail
// wins.
type Value string

// The values.
const (
	Pass    Value = "pass"
	Warn    Value = "warn"
	Unknown Value = "unknown"
	Fail    Value = "fail"
)

func (v Value) order() int { return strings.Index("pass warn unknown fail", string(v)) }

// Worse gives the higher of two values.
func Worse(a, b Value) Value {
	if b.order() > a.order() {
		return b
	}
	return a
}

// Rule matches vulnerabilities of at least a severity.
type Rule struct {
	ID       string
	Severity advisory.Severity
	// Fixable limits the rule to flaws with a fixed version.
	Fixable bool
	Action  Value // Fail or Warn
}

// Policy is an ordered list of rules; each finding counts for the first that matches.
type Policy struct {
	Name  string
	Rules []Rule
}

// Default fails on critical flaws and on high ones that have a fix, and warns of
// other high ones.
func Default() Policy {
	return Policy{Name: "default", Rules: []Rule{
		{ID: "critical", Severity: advisory.SeverityCritical, Action: Fail},
		{ID: "high-fixable", Severity: advisory.SeverityHigh, Fixable: true, Action: Fail},
		{ID: "high", Severity: advisory.SeverityHigh, Action: Warn},
	}}
}

// FailOn makes the policy of --fail-on: "high" fails on high and worse, "high,fixable"
// only if there is a fix, "none" never.
func FailOn(spec string) (Policy, error) {
	p := Policy{Name: "fail-on " + spec}
	word, rest, more := strings.Cut(strings.ToLower(strings.TrimSpace(spec)), ",")
	r := Rule{ID: strings.ToLower(strings.ReplaceAll(spec, ",", "-")), Action: Fail}
	if more {
		if strings.TrimSpace(rest) != "fixable" {
			return Policy{}, fmt.Errorf("--fail-on %s: after the comma only \"fixable\" is known", spec)
		}
		r.Fixable = true
	}
	if word == "none" && !more {
		return p, nil
	}
	sev, ok := ParseSeverity(word)
	if !ok || sev == advisory.SeverityUnknown {
		return Policy{}, fmt.Errorf("--fail-on %s: want critical, high, medium, low, negligible or none, and perhaps \",fixable\"", spec)
	}
	r.Severity = sev
	p.Rules = []Rule{r}
	return p, nil
}

// ParseSeverity reads a severity's name.
func ParseSeverity(s string) (advisory.Severity, bool) {
	var v advisory.Severity
	return v, v.UnmarshalText([]byte(s)) == nil
}

// Subject is all that a verdict depends on besides the policy.
type Subject struct {
	Findings []finding.Finding
	Unknowns []inventory.Unknown
	// AsOf is the day against which ages are computed.
	AsOf time.Time
	// Distro and EOL say which release it is and when its support ends ("2028-06-30");
	// EOL is empty if that is not known.
	Distro, EOL string
	// Runtimes are those whose end of support is known.
	Runtimes []Runtime
	// Feeds are the sources that were used.
	Feeds []Feed
}

// Runtime is one with its version, and the last day on which its project supports it.
type Runtime struct{ Name, End string }

// Feed is one source, how new it is, and how old it may be; zero means any age.
type Feed struct {
	Name   string
	Newest time.Time
	MaxAge time.Duration
}

// Reason is one cause of a verdict.
type Reason struct {
	// Rule that matched, or the unknown's reason.
	Rule   string `json:"rule"`
	Action Value  `json:"action"`
	// Detail in words.
	Detail string `json:"detail"`
	// Findings that matched, as package and ID, at most as many as are named; Count is of all.
	Count int `json:"count,omitempty"`
}

// Verdict is the answer.
type Verdict struct {
	Value   Value    `json:"value"`
	Policy  string   `json:"policy"`
	Reasons []Reason `json:"reasons"`
	// Unknowns that only judging found: age of feeds, end of life.
	Unknowns []inventory.Unknown `json:"-"`
}

// Evaluate judges s.
func (p Policy) Evaluate(s Subject) Verdict {
	v := Verdict{Value: Pass, Policy: p.Name, Reasons: []Reason{}}
	counts := make([]int, len(p.Rules))
	for i := range s.Findings {
		for j, r := range p.Rules {
			if r.matches(&s.Findings[i]) {
				counts[j]++
				break
			}
		}
	}
	for j, r := range p.Rules {
		if n := counts[j]; n > 0 {
			v.Value = Worse(v.Value, r.Action)
			v.Reasons = append(v.Reasons, Reason{Rule: r.ID, Action: r.Action, Count: n, Detail: r.describe(n)})
		}
	}
	if ended := ended(s.Runtimes, s.AsOf); len(ended) > 0 {
		v.Value = Worse(v.Value, Warn)
		v.Reasons = append(v.Reasons, Reason{Rule: RuntimeEOL, Action: Warn, Count: len(ended), Detail: "no longer supported: " + strings.Join(ended, ", ")})
	}
	if s.EOL != "" && s.AsOf.Format(time.DateOnly) > s.EOL {
		v.Unknowns = append(v.Unknowns, inventory.Unknown{Reason: inventory.DistroEOL, Subject: s.Distro,
			Detail: "support ended on " + s.EOL + "; flaws found since then are not recorded for it"})
	}
	for _, f := range s.Feeds {
		if f.MaxAge > 0 && !f.Newest.IsZero() && s.AsOf.Sub(f.Newest) > f.MaxAge {
			v.Unknowns = append(v.Unknowns, inventory.Unknown{Reason: inventory.FeedStale, Subject: f.Name,
				Detail: fmt.Sprintf("its newest data is %d days old, more than the %d days allowed: run plimsoll advisories build or pull, or name the snapshot with --advisories to use it whatever its age",
					int(s.AsOf.Sub(f.Newest).Hours()/24), int(f.MaxAge.Hours()/24))})
		}
	}
	seen := map[inventory.Reason]int{}
	for _, u := range append(s.Unknowns[:len(s.Unknowns):len(s.Unknowns)], v.Unknowns...) {
		v.Value = Worse(v.Value, Unknown)
		if at, ok := seen[u.Reason]; ok {
			v.Reasons[at].Count++
			continue
		}
		seen[u.Reason] = len(v.Reasons)
		v.Reasons = append(v.Reasons, Reason{Rule: string(u.Reason), Action: Unknown, Count: 1, Detail: u.String()})
	}
	return v
}

// RuntimeEOL is the rule that warns, under every policy, of runtimes that get no fixes
// any more.
const RuntimeEOL = "runtime_eol"

// ended lists the runtimes whose support has ended, sorted, each once.
func ended(all []Runtime, asOf time.Time) []string {
	var out []string
	for _, r := range all {
		if r.End < asOf.Format(time.DateOnly) {
			out = append(out, r.Name+" since "+r.End)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (r Rule) matches(f *finding.Finding) bool {
	return f.Kind == finding.Vulnerability && f.Severity >= r.Severity && (!r.Fixable || f.FixedVersion != "")
}

func (r Rule) describe(n int) string {
	what := "vulnerabilities"
	if n == 1 {
		what = "vulnerability"
	}
	what = fmt.Sprintf("%d %s of severity %s", n, what, r.Severity)
	if r.Severity < advisory.SeverityCritical {
		what += " or worse"
	}
	if r.Fixable {
		what += ", with a fix"
	}
	return what
}
