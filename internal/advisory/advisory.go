// Package advisory holds the words for what is known against software: advisories
// with the versions they affect, as publishers state them, and statements (VEX)
// that limit them. The model follows OSV 1.7 (ossf.github.io/osv-schema), reduced
// to what matching and explaining need, and extended by the states that Linux
// distributions give.
//
// Nothing here fetches, stores or matches; see feed, advisorydb and match.
package advisory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/version"
)

// Advisory is one record of one publisher. Feeds give it whole; a lookup gives it
// with Affected reduced to the ecosystem and package asked for.
type Advisory struct {
	// ID as the publisher writes it: "CVE-2024-1", "GHSA-…", "DSA-5417-1", "ALSA-2024:1".
	ID string
	// Source is the name of the feed it came from: "alpine-secdb", "debian-tracker", "osv-npm".
	Source string
	// Aliases name the same flaw elsewhere. A record that fixes several flaws at once
	// (an errata) lists them in Related instead, and each is a finding of its own.
	Aliases []string
	// Related lists the flaws (CVE IDs) that an errata record fixes.
	Related []string
	// Summary is one line for people, without markup.
	Summary   string
	Severity  Severity
	CVSS      []CVSS
	Published time.Time
	Modified  time.Time
	// Withdrawn is set when the publisher took the record back; feeds leave such
	// records out of the current snapshot.
	Withdrawn time.Time
	// URL is the record's page at its publisher.
	URL      string
	Affected []Affected
}

// Affected says in which versions of one package the flaw is.
type Affected struct {
	// Ecosystem in OSV's spelling, with the release: "Debian:12", "Alpine:v3.10", "npm".
	Ecosystem string
	// Package is the name the ecosystem's matching uses: for Debian and Alpine the
	// source package, for Maven group:artifact, for Go the module path.
	Package string
	// State says how the publisher stands to it; the zero State is StateAffected.
	State State
	// Severity if the publisher rates this package apart from the record.
	Severity Severity
	// Ranges are sorted and do not overlap. With neither Ranges nor Versions every
	// version is affected.
	Ranges []version.Interval
	// Versions are affected besides those in Ranges.
	Versions []string
	// Arch limits the statement to one architecture, where a publisher does so;
	// [ArchSource] says that Package is a source package, whose binary packages it is
	// about.
	Arch string
	// Module is the modularity stream ("nodejs:18") the statement is limited to.
	Module string
	// Stream is the product or repository within the release the statement is for
	// (Red Hat "enterprise_linux:9::appstream"); empty for the release as a whole.
	Stream string
}

// ArchSource is the Arch of statements on a source package, in ecosystems whose others
// are on binary ones.
const ArchSource = "src"

// Severity as a publisher rates it; larger is worse.
type Severity uint8

// The severities, from not rated to worst. Negligible is Debian's "unimportant"
// and Ubuntu's word.
const (
	SeverityUnknown Severity = iota
	SeverityNegligible
	SeverityLow
	SeverityMedium
	SeverityHigh
	SeverityCritical
)

var severityNames = [...]string{"unknown", "negligible", "low", "medium", "high", "critical"}

// String gives the lower-case name.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return "unknown"
}

// MarshalText writes the lower-case name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the lower-case name.
func (s *Severity) UnmarshalText(b []byte) error {
	i := slices.Index(severityNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("severity %q is none of %s", b, strings.Join(severityNames[:], ", "))
	}
	*s = Severity(i)
	return nil
}

// State is how a publisher stands to a flaw in a package.
type State uint8

// The states. Only StateAffected and those marked (no fix) are findings that stand
// against an image; StateNotAffected never is.
const (
	// StateAffected, and no better word given; a fixed version may exist.
	StateAffected State = iota
	// StateNotAffected: the flawed code is not there or cannot be reached.
	StateNotAffected
	// StateUnimportant: Debian's word for flaws without security consequence in practice. (no fix planned)
	StateUnimportant
	// StateWillNotFix: known and left as it is. (no fix)
	StateWillNotFix
	// StateDeferred: postponed or no advisory planned (Debian no-dsa, postponed). (no fix yet)
	StateDeferred
	// StateUndetermined: the publisher does not know yet.
	StateUndetermined
	// StateEndOfLife: the release or package is no longer supported. (no fix)
	StateEndOfLife
)

var stateNames = [...]string{"affected", "not_affected", "unimportant", "will_not_fix", "deferred", "undetermined", "end_of_life"}

// String gives the name used in reports.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "affected"
}

// MarshalText writes the name used in reports.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name used in reports.
func (s *State) UnmarshalText(b []byte) error {
	i := slices.Index(stateNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("state %q is none of %s", b, strings.Join(stateNames[:], ", "))
	}
	*s = State(i)
	return nil
}

// CVSS is one rating by one party.
type CVSS struct {
	// Vector as published: "CVSS:3.1/AV:N/…".
	Vector string `json:"vector"`
	// Score is the base score computed from Vector (first.org), 0 to 10.
	Score float64 `json:"score"`
	// Source is the feed that carried it, or, where a feed carries the ratings of several
	// parties, who rated: "nvd", "cna" for who assigned the CVE, "cisa-adp", and "adp:"
	// with a name for others that add to records of the CVE programme.
	Source string `json:"source"`
}

// Enrichment is what is known about a flaw apart from any package.
type Enrichment struct {
	Summary   string
	Published time.Time
	CVSS      []CVSS
	Severity  Severity
	// SeveritySource names the feed or party that Severity is from, as CVSS.Source does.
	SeveritySource string
	// Exploited is set for flaws in CISA's catalogue of known exploited vulnerabilities.
	Exploited *Exploited
	// EPSS is the Exploit Prediction Scoring System's estimate; nil if it has none.
	EPSS *EPSS
	// SSVC is CISA's assessment; nil if there is none.
	SSVC *SSVC
}

// Exploited is an entry of the known exploited vulnerabilities catalogue.
type Exploited struct {
	Added      string `json:"added"`
	Due        string `json:"due,omitempty"`
	Ransomware bool   `json:"ransomware,omitempty"`
}

// EPSS is a probability of exploitation within 30 days (first.org/epss).
type EPSS struct {
	Score      float64 `json:"score"`
	Percentile float64 `json:"percentile"`
	Date       string  `json:"date,omitempty"`
}

// SSVC is what an assessor answered to the questions by which it is decided how soon a
// flaw is dealt with: Stakeholder-Specific Vulnerability Categorization
// (certcc.github.io/SSVC), as CISA publishes it.
type SSVC struct {
	// Exploitation is "none", "poc" if there is public code or method, or "active".
	Exploitation string `json:"exploitation"`
	// Automatable tells whether every step of an attack can be.
	Automatable bool `json:"automatable"`
	// TechnicalImpact is "partial" or, if an attacker gains control, "total".
	TechnicalImpact string `json:"technical_impact"`
	// Date of the assessment.
	Date string `json:"date,omitempty"`
}

// Valid tells whether the answers are among those there are.
func (s SSVC) Valid() bool {
	return slices.Contains(ssvcExploitation[:], s.Exploitation) && slices.Contains(ssvcImpact[:], s.TechnicalImpact)
}

var (
	ssvcExploitation = [...]string{"none", "poc", "active"}
	ssvcImpact       = [...]string{"partial", "total"}
)

// Lifecycle says until when a release of a distribution or runtime gets security fixes.
type Lifecycle struct {
	// End is the last day of fixes that are free for all ("2028-06-30"); empty if it is
	// known that no end is set.
	End string
	// Extended is the last day of fixes for those who pay, where there are such.
	Extended string
}
