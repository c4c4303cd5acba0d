// Package finding holds one word for all that is held against an image:
// vulnerabilities now, misconfigurations and secrets as they come, each with its place.
package finding

import (
	"cmp"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/inventory"
)

// Kind of finding.
type Kind string

// The kinds.
const (
	Vulnerability    Kind = "vulnerability"
	Misconfiguration Kind = "misconfiguration"
	Secret           Kind = "secret"
)

// Finding is one thing held against one package or place. A flaw in two binary
// packages of one source is two findings.
type Finding struct {
	Kind Kind
	// ID is the flaw's CVE where it has one, else the publisher's ID.
	ID string
	// Aliases are its other names, sorted.
	Aliases []string
	Title   string
	URL     string
	// Severity and who rated it.
	Severity       advisory.Severity
	SeveritySource string
	State          advisory.State
	// Package it is in; nil for findings about a place. It points into the inventory
	// and must not be changed.
	Package *inventory.Package
	// FixedVersion is the first version without the flaw in the installed release and
	// stream; empty if there is none.
	FixedVersion string
	Location     Location
	// Source is the feed whose statement won, Advisory its record, Rule why it won.
	Source   string
	Advisory string
	Rule     string
	// Statements are all that was said on this flaw in this package, the winner first.
	Statements []Statement
	CVSS       []advisory.CVSS
	EPSS       *advisory.EPSS
	Exploited  *advisory.Exploited
	SSVC       *advisory.SSVC
	Published  time.Time
	// VEX is the statement that counts for this flaw in this place; nil if there is none.
	VEX *VEX
}

// VEX is what a VEX statement says of a finding, and who says it.
type VEX struct {
	Status        advisory.Status        `json:"status"`
	Justification advisory.Justification `json:"justification,omitzero"`
	Impact        string                 `json:"impact,omitempty"`
	Action        string                 `json:"action,omitempty"`
	// Source is the feed, or the file that the user named.
	Source   string `json:"source"`
	Document string `json:"document,omitempty"`
	Author   string `json:"author,omitempty"`
	// Timestamp of the statement as RFC 3339; empty if it has none.
	Timestamp string `json:"timestamp,omitempty"`
}

// Location is where a finding shows.
type Location struct {
	Path string
	// Layer index; -1 if unknown.
	Layer int
	// Line in the file, from 1; 0 if it is about the whole file.
	Line int
}

// Statement is what one source says of a flaw in a package.
type Statement struct {
	Source   string            `json:"source"`
	Advisory string            `json:"advisory"`
	State    advisory.State    `json:"state"`
	Severity advisory.Severity `json:"severity"`
	Fixed    string            `json:"fixed_version,omitempty"`
	// Affects tells whether this source holds the installed version to be affected.
	Affects bool `json:"affects"`
}

// Sort puts findings in their published order: the worst first, then by package,
// version, architecture and ID.
func Sort(fs []Finding) {
	inventory.SortLarge(fs, func(a, b *Finding) int {
		if c := cmp.Compare(b.Severity, a.Severity); c != 0 {
			return c
		}
		if c := comparePackages(a.Package, b.Package); c != 0 {
			return c
		}
		return cmp.Or(
			strings.Compare(a.ID, b.ID),
			strings.Compare(a.Location.Path, b.Location.Path),
			cmp.Compare(a.Location.Line, b.Location.Line),
		)
	})
}

func comparePackages(a, b *inventory.Package) int {
	switch {
	case a == b:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return cmp.Or(
		strings.Compare(a.Name, b.Name), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Type, b.Type),
		strings.Compare(a.Version, b.Version), strings.Compare(a.Arch, b.Arch))
}
