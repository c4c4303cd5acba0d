package scan

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisorydb"
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

// Assess holds Facts against a snapshot, which may be nil. No image is read. An error
// means that the snapshot is broken or ctx ended.
func Assess(ctx context.Context, f *report.Facts, db *advisorydb.DB) (*Assessment, error) {
	start := time.Now()
	a := &Assessment{Facts: f}
	if db == nil {
		a.Unknowns = append(a.Unknowns, inventory.Unknown{Reason: inventory.FeedMissing, Subject: "advisories",
			Detail: "there is no advisory snapshot: build one with plimsoll advisories build, or name one with --advisories"})
		return a, nil
	}
	res, err := match.Match(ctx, f.Inventory, db)
	if err != nil {
		return nil, err
	}
	a.Result = *res
	a.Snapshot = db.Digest()
	for _, s := range db.Manifest().Sources {
		if slices.ContainsFunc(s.Ecosystems, func(e string) bool { return slices.Contains(res.Ecosystems, e) }) {
			a.feeds = append(a.feeds, s)
		}
	}
	a.took = time.Since(start)
	return a, nil
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
	in := report.Input{Facts: f, Findings: a.Findings, EOL: a.EOL, AsOf: j.AsOf, Analyser: j.Analyser,
		Unknowns: slices.Concat(f.Inventory.Unknowns, a.Unknowns)}
	s := policy.Subject{Findings: a.Findings, AsOf: j.AsOf, EOL: a.EOL}
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
