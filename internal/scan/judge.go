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

// Judge holds Facts against advisories and a policy. Its result depends on its fields
// and the Facts alone.
type Judge struct {
	// Snapshot of advisories; nil for none: then nothing is known and every verdict is
	// unknown.
	Snapshot *advisorydb.DB
	Policy   policy.Policy
	// AsOf is the day against which ages are computed.
	AsOf time.Time
	// MaxFeedAge for each source that the image needs; zero for any.
	MaxFeedAge time.Duration
	// Analyser is the version of this program, for the report.
	Analyser string
	// Timing tells whether the report says how long things took.
	Timing bool
}

// Report assesses and judges f. An error means that the snapshot is broken or ctx ended.
func (j Judge) Report(ctx context.Context, f *report.Facts) (*report.Report, error) {
	start := time.Now()
	in := report.Input{Facts: f, AsOf: j.AsOf, Analyser: j.Analyser, Unknowns: slices.Clone(f.Inventory.Unknowns)}
	s := policy.Subject{AsOf: j.AsOf, MaxFeedAge: j.MaxFeedAge}
	if d := f.Inventory.Distro; d != nil {
		s.Distro = strings.TrimSpace(d.ID + " " + d.VersionID)
	}
	if j.Snapshot == nil {
		in.Unknowns = append(in.Unknowns, inventory.Unknown{Reason: inventory.FeedMissing, Subject: "advisories",
			Detail: "there is no advisory snapshot: build one with plimsoll advisories build, or name one with --advisories"})
	} else {
		res, err := match.Match(ctx, f.Inventory, j.Snapshot)
		if err != nil {
			return nil, err
		}
		in.Findings, in.EOL = res.Findings, res.EOL
		in.Unknowns = append(in.Unknowns, res.Unknowns...)
		for _, c := range res.Coverage {
			in.Coverage = append(in.Coverage, report.Coverage(c))
		}
		in.Snapshot, s.Feeds = j.sources(res.Ecosystems)
	}
	s.Findings, s.Unknowns, s.EOL = in.Findings, in.Unknowns, in.EOL
	inventory.SortUnknowns(s.Unknowns)
	in.Verdict = j.Policy.Evaluate(s)
	if j.Timing && f.Timing.StartedAt != "" {
		t := f.Timing
		t.Seconds += time.Since(start).Seconds()
		in.Timing = &t
	}
	return report.New(in), nil
}

// sources lists the publishers whose data the ecosystems come from.
func (j Judge) sources(ecosystems []string) (*report.Snapshot, []policy.Feed) {
	snap := &report.Snapshot{Digest: j.Snapshot.Digest(), Sources: []report.Source{}}
	var feeds []policy.Feed
	for _, s := range j.Snapshot.Manifest().Sources {
		if !slices.ContainsFunc(s.Ecosystems, func(e string) bool { return slices.Contains(ecosystems, e) }) {
			continue
		}
		// A source that was asked lately is fresh even if nothing new was published.
		at := cmp.Or(s.Fetched, s.Newest)
		src := report.Source{Name: s.Name}
		if !at.IsZero() {
			src.Newest = at.UTC().Format(time.DateOnly)
			src.AgeDays = max(0, int(j.AsOf.Sub(at).Hours()/24))
		}
		snap.Sources = append(snap.Sources, src)
		feeds = append(feeds, policy.Feed{Name: s.Name, Newest: at})
	}
	return snap, feeds
}
