package scan

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/finding"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/match"
	"github.com/plimsoll/plimsoll/internal/policy"
	"github.com/plimsoll/plimsoll/internal/report"
)

// Assessment is Facts and what a snapshot of advisories says of them. It may be judged
// any number of times.
type Assessment struct {
	Facts *report.Facts
	match.Result
	// Snapshot is the digest of the one used; empty if there was none: then nothing is
	// known, and that is among the Unknowns.
	Snapshot string
	feeds    []advisorydb.Source
	took     time.Duration
}

// Assess holds Facts against a snapshot, which may be nil, and VEX statements that the user
// named against what is found. No image is read. An error means that the snapshot is
// broken or ctx ended.
func Assess(ctx context.Context, f *report.Facts, db *advisorydb.DB, vex ...advisory.Statement) (*Assessment, error) {
	start := time.Now()
	a := &Assessment{Facts: f}
	if db == nil {
		if err := a.Apply(ctx, f.Inventory, vexImage(&f.Image), nil, vex); err != nil {
			return nil, err
		}
		a.Unknowns = append(a.Unknowns, inventory.Unknown{Reason: inventory.FeedMissing, Subject: "advisories",
			Detail: "there is no advisory snapshot: build one with plimsoll advisories build, or name one with --advisories"})
		return a, nil
	}
	res, err := match.Match(ctx, f.Inventory, db)
	if err != nil {
		return nil, err
	}
	if err := res.Apply(ctx, f.Inventory, vexImage(&f.Image), db, vex); err != nil {
		return nil, err
	}
	a.Result = *res
	a.Snapshot = db.Digest()
	for _, s := range db.Manifest().Sources {
		// A hub counts if the result relies on it.
		by := func(x finding.Finding) bool { return x.VEX != nil && x.VEX.Source == s.Name }
		if slices.ContainsFunc(res.Suppressed, by) || slices.ContainsFunc(s.Ecosystems, func(e string) bool { return slices.Contains(res.Ecosystems, e) }) {
			a.feeds = append(a.feeds, s)
		}
	}
	a.took = time.Since(start)
	return a, nil
}

// vexImage gives what statements may know the image by.
func vexImage(m *report.Image) match.Image {
	var out match.Image
	for _, d := range []image.Digest{m.Digest, m.Index, m.ID} {
		if d != "" {
			out.Digests = append(out.Digests, string(d))
		}
	}
	// The reference is by digest; the tag stands in the name. An archive has only the name
	// that it gives the image, which has a tag, other than a file's name.
	for _, name := range []string{m.Reference, m.Name} {
		if name == m.Name && !strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":") && out.Repository == "" {
			continue
		}
		r, err := image.ParseRef(name)
		if err != nil {
			continue
		}
		if at := r.Registry + "/" + r.Repository; out.Repository == "" || out.Repository == at {
			out.Repository, out.Tag = at, cmp.Or(out.Tag, r.Tag)
		}
	}
	if p, err := image.ParsePlatform(m.Platform); err == nil && m.Platform != "" {
		out.Arch = p.Arch
	}
	return out
}

// Judge is what is allowed, and as of when. Its answer depends on its fields and the
// assessment alone.
type Judge struct {
	Policy policy.Policy
	// AsOf is the day against which ages are computed.
	AsOf time.Time
	// MaxFeedAge for each source that the image needs; zero for what the snapshot allows
	// each. With AnyFeedAge none is too old.
	MaxFeedAge time.Duration
	AnyFeedAge bool
	// Analyser is the version of this program, for the report.
	Analyser string
	// Timing tells whether the report says how long things took.
	Timing bool
}

// Report judges a.
func (j Judge) Report(a *Assessment) *report.Report {
	f := a.Facts
	in := report.Input{Facts: f, Findings: a.Findings, Suppressed: a.Suppressed, VEX: vexUse(&a.Result), EOL: a.EOL, Ends: a.Ends, AsOf: j.AsOf, Analyser: j.Analyser,
		Unknowns: slices.Concat(f.Inventory.Unknowns, a.Unknowns)}
	s := policy.Subject{Findings: a.Findings, AsOf: j.AsOf, EOL: a.EOL}
	for p, end := range a.Ends {
		s.Runtimes = append(s.Runtimes, policy.Runtime{Name: p.Name + " " + p.Version, End: end})
	}
	if d := f.Inventory.Distro; d != nil {
		s.Distro = strings.TrimSpace(d.ID + " " + d.VersionID)
	}
	for _, c := range a.Coverage {
		in.Coverage = append(in.Coverage, report.Coverage(c))
	}
	if a.Snapshot != "" {
		in.Snapshot = &report.Snapshot{Digest: a.Snapshot}
		in.Snapshot.Sources, s.Feeds = j.sources(a.feeds)
	}
	inventory.SortUnknowns(in.Unknowns)
	s.Unknowns = in.Unknowns
	in.Verdict = j.Policy.Evaluate(s)
	if j.Timing && f.Timing.StartedAt != "" { // what was never begun has no time
		t := f.Timing
		t.Seconds += a.took.Seconds()
		in.Timing = &t
	}
	return report.New(in)
}

// vexUse says which documents were named and what of them was about nothing; nil if there
// was none.
func vexUse(r *match.Result) *report.VEX {
	if len(r.Documents) == 0 {
		return nil
	}
	out := &report.VEX{Documents: []report.VEXDocument{}, Unmatched: []report.VEXUnmatched{}}
	for _, d := range r.Documents {
		out.Documents = append(out.Documents, report.VEXDocument(d))
	}
	for _, u := range r.Unmatched {
		if len(out.Unmatched) == maxUnmatched {
			break
		}
		x := report.VEXUnmatched{Vulnerability: u.Flaw, Status: u.Status.String(), Source: u.Source, Document: u.Document, Why: u.Why, Products: []string{}}
		for _, p := range u.Products[:min(len(u.Products), maxProducts)] {
			x.Products = append(x.Products, p.String())
		}
		out.Unmatched = append(out.Unmatched, x)
	}
	return out
}

// Bounds on what is listed of statements that were about nothing: documents may be about
// everything somebody makes. Their number is told with the document.
const (
	maxUnmatched = 1000
	maxProducts  = 20
)

// sources says how old each publisher's data is.
func (j Judge) sources(feeds []advisorydb.Source) ([]report.Source, []policy.Feed) {
	out, ages := []report.Source{}, []policy.Feed{}
	for _, s := range feeds {
		// A source that was asked lately is fresh even if nothing new was published.
		at := cmp.Or(s.Fetched, s.Newest)
		src := report.Source{Name: s.Name}
		if !at.IsZero() {
			src.Newest = at.UTC().Format(time.DateOnly)
			src.AgeDays = max(0, int(j.AsOf.Sub(at).Hours()/24))
		}
		out = append(out, src)
		f := policy.Feed{Name: s.Name, Newest: at}
		if !j.AnyFeedAge {
			f.MaxAge = cmp.Or(j.MaxFeedAge, s.MaxAge)
		}
		ages = append(ages, f)
	}
	return out, ages
}
