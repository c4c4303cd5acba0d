package feed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// Feed is one publisher, or one archive of a publisher. It is data; Fetch may be
// called more than once and from several goroutines.
type Feed struct {
	// Name is the Source of its records: "alpine-secdb", "osv-npm".
	Name string
	// Home is the address that people read about the feed at.
	Home string
	// Doc says in one line what it holds and in which format.
	Doc string
	// Every is how often the publisher brings out something new.
	Every time.Duration
	// Fetch reads all of it from o into out. It wraps ErrNotThere if o has none of its
	// files. What went into out before any other error is not the whole feed and must
	// not be taken for it.
	Fetch func(ctx context.Context, o *Origin, out Sink) error
}

// Sink takes what one feed says. A feed calls it from one goroutine at a time; what it
// is handed belongs to it. An error from any but Quarantine, Skip and Dated ends the feed
// with that error. A nil field drops what it would be given.
type Sink struct {
	Advisory   func(advisory.Advisory) error
	Enrichment func(id string, e advisory.Enrichment) error
	// Lifecycle is told until when a release is supported: "debian 12", "python 3.12". It
	// counts among the enrichments.
	Lifecycle func(key string, e advisory.Lifecycle) error
	// Repository takes what a publisher says of one of its package repositories: the
	// CPEs of the products whose packages it holds.
	Repository func(id string, cpes []string) error
	// Statement is given what VEX hubs say.
	Statement func(advisory.Statement) error
	// Quarantine is told of a record, or a part of one, that cannot be understood.
	Quarantine func(record string, err error)
	// Skip is told of a well-formed record that is left out, and why in a few constant
	// words: "withdrawn", "another ecosystem".
	Skip func(record, why string)
	// Dated is told when the publisher brought out what is being read, where it says so
	// apart from its records.
	Dated func(time.Time)
}

// Result is what came of one feed in one run.
type Result struct {
	Name, Home string
	// Records, Enrichments (with ends of support and repositories) and Statements were
	// handed on; Quarantined could not be understood, in
	// whole or in part; Skipped were left out on purpose.
	Records, Enrichments, Statements, Quarantined, Skipped int
	// Newest is the latest date on anything read: of a record or of the publication.
	// Dates in the future do not count.
	Newest time.Time
	// Ecosystems that the records speak for, sorted.
	Ecosystems []string
	// Fetched is when the publisher's servers last confirmed what was read: the oldest
	// such time of all its files. It is zero for a mirror on disk.
	Fetched time.Time
	// Stale says why the feed could not be fetched, in whole or in part, and was read as
	// it was kept from an earlier run.
	Stale error
	// Missing is set if the origin has none of the feed's files. It is no error.
	Missing bool
	// Err says why the feed could not be read to its end; what it handed on is then
	// not to be used.
	Err error
}

// All gives every feed, always in the same order.
func All() []Feed {
	feeds := []Feed{alpineFeed(), debianFeed(), goFeed(), kevFeed(), epssFeed()}
	feeds = append(feeds, osvFeeds()...)
	feeds = append(feeds, amazonFeeds()...)
	feeds = append(feeds, azureFeeds()...)
	feeds = append(feeds, redHatOVALFeeds()...)
	feeds = append(feeds, oracleFeeds()...)
	feeds = append(feeds, suseOVALFeeds()...)
	feeds = append(feeds, almaOVALFeeds()...)
	feeds = append(feeds, photonFeeds()...)
	feeds = append(feeds, ubuntuOVALFeeds()...)
	feeds = append(feeds, debianOVALFeeds()...)
	feeds = append(feeds, nvdFeed())
	feeds = append(feeds, cveFeeds()...)
	feeds = append(feeds, endOfLifeFeed())
	feeds = append(feeds, redHatFeeds()...)
	feeds = append(feeds, suseFeeds()...)
	feeds = append(feeds, vexHubFeeds()...)
	feeds = append(feeds, osvTarFeeds()...)
	feeds = append(feeds, ubuntuTrackerFeed(), ubuntuVEXFeed(), ubuntuUSNFeed())
	feeds = append(feeds, debianListsFeed())
	feeds = append(feeds, rustSecFeed(), rubySecFeed(), friendsOfPHPFeed(), haskellFeed(), ocamlFeed(), elixirFeed(), nodeCoreFeed())
	feeds = append(feeds, secdbFeeds()...)
	feeds = append(feeds, almaFeed(), rockyFeed(), photonFeed(), archFeed(), echoFeed())
	return feeds
}

// Run reads the feeds from o, at most as many at once as there are processors, and
// gives their results in the order of feeds. out gives each feed its sink; sinks of
// different feeds are called at the same time. When ctx ends, feeds that have not
// finished have its error in their results.
func Run(ctx context.Context, o *Origin, feeds []Feed, out func(Feed) Sink) []Result {
	results := make([]Result, len(feeds))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.NumCPU(), len(feeds)) {
		wg.Go(func() {
			for i := range next {
				results[i] = run(ctx, o, feeds[i], out(feeds[i]))
			}
		})
	}
	for i := range feeds {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

func run(ctx context.Context, o *Origin, f Feed, to Sink) Result {
	res := Result{Name: f.Name, Home: f.Home}
	seen := map[string]struct{}{}
	// A date in the future says nothing of how old the feed is; a day is for clocks that
	// are not set alike.
	future := time.Now().Add(24 * time.Hour)
	newer := func(t time.Time) {
		if t.After(res.Newest) && t.Before(future) {
			res.Newest = t
		}
	}
	o = o.visiting()
	err := ctx.Err()
	if err == nil {
		err = f.Fetch(ctx, o, Sink{
			Advisory: func(a advisory.Advisory) error {
				a.Source = f.Name
				for i := range a.CVSS {
					a.CVSS[i].Source = f.Name
				}
				res.Records++
				newer(a.Modified)
				for i := range a.Affected {
					seen[a.Affected[i].Ecosystem] = struct{}{}
				}
				if to.Advisory == nil {
					return nil
				}
				return to.Advisory(a)
			},
			Enrichment: func(id string, e advisory.Enrichment) error {
				res.Enrichments++
				if to.Enrichment == nil {
					return nil
				}
				return to.Enrichment(id, e)
			},
			Lifecycle: func(key string, e advisory.Lifecycle) error {
				res.Enrichments++
				if to.Lifecycle == nil {
					return nil
				}
				return to.Lifecycle(key, e)
			},
			Repository: func(id string, cpes []string) error {
				res.Enrichments++
				if to.Repository == nil {
					return nil
				}
				return to.Repository(id, cpes)
			},
			Statement: func(s advisory.Statement) error {
				s.Source = f.Name
				res.Statements++
				newer(s.Timestamp)
				if to.Statement == nil {
					return nil
				}
				return to.Statement(s)
			},
			Quarantine: func(record string, err error) {
				res.Quarantined++
				if to.Quarantine != nil {
					to.Quarantine(oneLine(record), err)
				}
			},
			Skip: func(record, why string) {
				res.Skipped++
				if to.Skip != nil {
					to.Skip(oneLine(record), why)
				}
			},
			Dated: func(t time.Time) {
				newer(t)
				if to.Dated != nil {
					to.Dated(t)
				}
			},
		})
	}
	if err == nil {
		o.done()
	}
	res.Fetched, res.Stale = o.visit.result()
	switch {
	case err == nil:
	case errors.Is(err, ErrNotThere) && res.Records+res.Enrichments+res.Statements+res.Quarantined == 0:
		res.Missing = true
	default:
		res.Err = fmt.Errorf("reading feed %s: %w", f.Name, err)
	}
	res.Ecosystems = slices.Sorted(maps.Keys(seen))
	return res
}
