// Package report holds the published documents, their schemas and encoders: Facts
// (what an image holds), Report (Facts and what is known against it) and the verdict
// on it.
//
// Documents are structs with the field order of their JSON form; encoding one is
// deterministic byte for byte. A Report is made by [New] from what the other rooms
// computed and is never changed afterwards.
package report

import (
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/finding"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/policy"
)

// Schema names the report's JSON form; its schema is report.schema.json in this folder.
const Schema = "plimsoll.report/v1"

// Report is the document of one scanned image.
type Report struct {
	Schema   string    `json:"schema"`
	Image    Image     `json:"image"`
	Verdict  Verdict   `json:"verdict"`
	AsOf     string    `json:"as_of"`
	Snapshot *Snapshot `json:"advisories,omitempty"`
	Summary  Summary   `json:"summary"`
	Packages []Package `json:"packages"`
	Findings []Finding `json:"findings"`
	// Suppressed findings do not count, each by the VEX statement on it.
	Suppressed []Finding `json:"suppressed"`
	// VEX says what became of the documents that were named.
	VEX *VEX `json:"vex,omitempty"`
	// Unknowns is what could not be read, recognised or matched; with any, the verdict
	// is never a pass.
	Unknowns []inventory.Unknown `json:"unknowns"`
	Coverage []Coverage          `json:"coverage"`
	Analyser string              `json:"analyser"`
	Timing   *Timing             `json:"timing,omitempty"`
}

// List is the document of several images: all platforms of an index, or an archive
// with several images. Its verdict is the worst of theirs.
type List struct {
	Schema  string    `json:"schema"`
	Source  string    `json:"source"`
	Index   string    `json:"index,omitempty"`
	Verdict Verdict   `json:"verdict"`
	Reports []*Report `json:"reports"`
	Skipped []Skipped `json:"skipped"`
}

// ListSchema names the list's JSON form.
const ListSchema = "plimsoll.reports/v1"

// Skipped is an entry of an index that is no image.
type Skipped struct {
	Digest   image.Digest `json:"digest,omitempty"`
	Platform string       `json:"platform,omitempty"`
	Why      string       `json:"why"`
}

// Image says which image it is.
type Image struct {
	Name      string            `json:"name"`
	Reference string            `json:"reference,omitempty"`
	Digest    image.Digest      `json:"digest,omitempty"`
	ID        image.Digest      `json:"id,omitempty"`
	Index     image.Digest      `json:"index,omitempty"`
	Platform  string            `json:"platform,omitempty"`
	Created   string            `json:"created,omitempty"`
	OS        *inventory.Distro `json:"os,omitempty"`
	EOL       string            `json:"os_end_of_life,omitempty"`
	Layers    []Layer           `json:"layers"`
	Skipped   []Skipped         `json:"skipped,omitempty"`
}

// Layer of the image, the base first. Other parts of the document name a layer by Digest.
type Layer struct {
	Digest image.Digest `json:"digest"`
	DiffID image.Digest `json:"diff_id,omitempty"`
	Size   int64        `json:"size"`
}

// Verdict in the document.
type Verdict struct {
	Value   policy.Value    `json:"value"`
	Policy  string          `json:"policy,omitempty"`
	Reasons []policy.Reason `json:"reasons"`
}

// Snapshot says what data was used.
type Snapshot struct {
	Digest  string   `json:"digest"`
	Sources []Source `json:"sources"`
}

// Source is one publisher's data in the snapshot that this report relies on.
type Source struct {
	Name   string `json:"name"`
	Newest string `json:"newest,omitempty"`
	// AgeDays from Newest to the report's as-of day.
	AgeDays int `json:"age_days"`
}

// Summary counts findings by severity and packages by type.
type Summary struct {
	Packages int            `json:"packages"`
	Findings map[string]int `json:"findings"`
	Fixable  int            `json:"fixable"`
}

// Package in the document.
type Package struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	PURL      string            `json:"purl"`
	Type      string            `json:"type"`
	Arch      string            `json:"arch,omitempty"`
	Source    *inventory.Source `json:"source,omitempty"`
	Module    string            `json:"module,omitempty"`
	Licenses  []string          `json:"licenses,omitempty"`
	Evidence  string            `json:"evidence"`
	Dev       bool              `json:"dev,omitempty"`
	OwnedBy   string            `json:"owned_by,omitempty"`
	SHA1      string            `json:"sha1,omitempty"`
	State     string            `json:"state,omitempty"`
	EOL       string            `json:"end_of_life,omitempty"`
	Locations []Location        `json:"locations"`
}

// Location of a package or finding.
type Location struct {
	Path  string       `json:"path"`
	Layer image.Digest `json:"layer,omitempty"`
	Line  int          `json:"line,omitempty"`
}

// Finding in the document.
type Finding struct {
	Kind           finding.Kind        `json:"kind"`
	ID             string              `json:"id"`
	Aliases        []string            `json:"aliases"`
	Title          string              `json:"title,omitempty"`
	URL            string              `json:"url,omitempty"`
	Severity       string              `json:"severity"`
	SeveritySource string              `json:"severity_source,omitempty"`
	State          string              `json:"state"`
	Package        *Package            `json:"package,omitempty"`
	FixedVersion   string              `json:"fixed_version,omitempty"`
	Location       Location            `json:"location"`
	Source         string              `json:"source,omitempty"`
	Advisory       string              `json:"advisory,omitempty"`
	Rule           string              `json:"chosen_because,omitempty"`
	Statements     []finding.Statement `json:"statements,omitempty"`
	CVSS           []advisory.CVSS     `json:"cvss,omitempty"`
	EPSS           *advisory.EPSS      `json:"epss,omitempty"`
	Exploited      *advisory.Exploited `json:"exploited,omitempty"`
	SSVC           *advisory.SSVC      `json:"ssvc,omitempty"`
	Published      string              `json:"published,omitempty"`
	VEX            *finding.VEX        `json:"vex,omitempty"`
}

// VEX is what became of the VEX documents that were named.
type VEX struct {
	Documents []VEXDocument `json:"documents"`
	// Unmatched statements were about nothing found, at most as many as are listed; the
	// documents tell how many there are.
	Unmatched []VEXUnmatched `json:"unmatched"`
}

// VEXDocument is one document and how many of its statements were about something.
type VEXDocument struct {
	Source     string `json:"source"`
	ID         string `json:"document,omitempty"`
	Author     string `json:"author,omitempty"`
	Statements int    `json:"statements"`
	Matched    int    `json:"matched"`
}

// VEXUnmatched is a statement that was about nothing found.
type VEXUnmatched struct {
	Vulnerability string   `json:"vulnerability"`
	Status        string   `json:"status"`
	Products      []string `json:"products"`
	Source        string   `json:"source"`
	Document      string   `json:"document,omitempty"`
	Why           string   `json:"why"`
}

// Coverage says for one package type what it was held against.
type Coverage struct {
	Type      string `json:"type"`
	Ecosystem string `json:"ecosystem,omitempty"`
	Packages  int    `json:"packages"`
	Matched   int    `json:"matched"`
	Note      string `json:"note,omitempty"`
}

// Timing is the only part of a document that differs between equal runs.
type Timing struct {
	StartedAt    string  `json:"started_at"`
	Seconds      float64 `json:"seconds"`
	LayersRead   int     `json:"layers_read"`
	LayersCached int     `json:"layers_cached"`
	BytesRead    int64   `json:"bytes_read"`
}

// Facts is what reading an image gave: all that later steps need. It is in memory
// what the first half of a Report is in JSON.
type Facts struct {
	Image     Image
	Inventory *inventory.Inventory
	Timing    Timing
}

func (f *Facts) layer(i int) image.Digest {
	if i < 0 || i >= len(f.Image.Layers) {
		return ""
	}
	return f.Image.Layers[i].Digest
}

// Input is everything a Report is made from.
type Input struct {
	Facts    *Facts
	Findings []finding.Finding
	// Suppressed findings have the statement that suppresses them; VEX may be nil.
	Suppressed []finding.Finding
	VEX        *VEX
	Unknowns   []inventory.Unknown
	Coverage   []Coverage
	EOL        string
	// Ends are the last days of support of packages that are runtimes, where known.
	Ends     map[*inventory.Package]string
	Verdict  policy.Verdict
	Snapshot *Snapshot
	AsOf     time.Time
	Analyser string
	// Timing is left out of the document if nil.
	Timing *Timing
}

// New makes the document.
func New(in Input) *Report {
	f := in.Facts
	r := &Report{
		Schema: Schema, Image: f.Image, AsOf: in.AsOf.UTC().Format(time.DateOnly), Snapshot: in.Snapshot,
		Verdict:  Verdict{Value: in.Verdict.Value, Policy: in.Verdict.Policy, Reasons: in.Verdict.Reasons},
		Packages: make([]Package, len(f.Inventory.Packages)), Findings: make([]Finding, len(in.Findings)),
		Suppressed: make([]Finding, len(in.Suppressed)), VEX: in.VEX,
		Unknowns: []inventory.Unknown{}, Coverage: []Coverage{},
		Analyser: in.Analyser, Timing: in.Timing,
		Summary: Summary{Packages: len(f.Inventory.Packages), Findings: map[string]int{}},
	}
	r.Image.OS, r.Image.EOL = f.Inventory.Distro, in.EOL
	if r.Image.Layers == nil {
		r.Image.Layers = []Layer{}
	}
	r.Unknowns = append(r.Unknowns, in.Unknowns...)
	r.Unknowns = append(r.Unknowns, in.Verdict.Unknowns...)
	inventory.SortUnknowns(r.Unknowns)
	r.Coverage = append(r.Coverage, in.Coverage...)
	at := map[*inventory.Package]*Package{} // those that findings are on
	for _, list := range [...][]finding.Finding{in.Findings, in.Suppressed} {
		for i := range list {
			at[list[i].Package] = nil
		}
	}
	for i := range f.Inventory.Packages {
		p := &f.Inventory.Packages[i]
		r.Packages[i] = f.pkg(p)
		r.Packages[i].EOL = in.Ends[p]
		if _, on := at[p]; on {
			at[p] = &r.Packages[i]
		}
	}
	for s := advisory.SeverityUnknown; s <= advisory.SeverityCritical; s++ {
		r.Summary.Findings[s.String()] = 0
	}
	for i := range in.Findings {
		x := &in.Findings[i]
		r.Findings[i] = f.finding(x)
		if x.Package != nil {
			r.Findings[i].Package = at[x.Package]
		}
		r.Summary.Findings[x.Severity.String()]++
		if x.FixedVersion != "" {
			r.Summary.Fixable++
		}
	}
	for i := range in.Suppressed {
		r.Suppressed[i] = f.finding(&in.Suppressed[i])
		r.Suppressed[i].Package = at[in.Suppressed[i].Package]
	}
	return r
}

func (f *Facts) pkg(p *inventory.Package) Package {
	out := Package{
		Name: p.FullName(), Version: p.Version, Type: p.Type, Arch: p.Arch, Module: p.Module,
		PURL: p.PURL(f.Inventory.Distro), Licenses: p.Licenses, Evidence: p.Evidence.String(), Dev: p.Dev,
		OwnedBy: p.OwnedBy, SHA1: p.SHA1, State: p.Broken,
		Locations: make([]Location, len(p.Locations)),
	}
	if p.Source.Name != "" {
		out.Source = &p.Source
	}
	for i, l := range p.Locations {
		out.Locations[i] = Location{Path: l.Path, Layer: f.layer(l.Layer)}
	}
	return out
}

func (f *Facts) finding(x *finding.Finding) Finding {
	out := Finding{
		Kind: x.Kind, ID: x.ID, Aliases: x.Aliases, Title: x.Title, URL: x.URL,
		Severity: x.Severity.String(), SeveritySource: x.SeveritySource, State: x.State.String(),
		FixedVersion: x.FixedVersion, Source: x.Source, Advisory: x.Advisory, Rule: x.Rule,
		Location:   Location{Path: x.Location.Path, Layer: f.layer(x.Location.Layer), Line: x.Location.Line},
		Statements: x.Statements, CVSS: x.CVSS, EPSS: x.EPSS, Exploited: x.Exploited, SSVC: x.SSVC, VEX: x.VEX,
	}
	if out.Aliases == nil {
		out.Aliases = []string{}
	}
	if !x.Published.IsZero() {
		out.Published = x.Published.UTC().Format(time.DateOnly)
	}
	return out
}
