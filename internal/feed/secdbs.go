package feed

import (
	"context"
	"time"
)

// secdbFeeds reads the databases of distributions that roll and write them as Alpine
// does (see alpineFeed), in one file without releases.
//
// They name a flaw by each of its names, a CVE and GitHub's beside it, as fixes of their
// own; which of them are one flaw they do not say, and it is not guessed here.
func secdbFeeds() []Feed {
	var feeds []Feed
	for _, d := range [...]struct{ name, ecosystem, home, address string }{
		{"wolfi-secdb", "Wolfi", "https://images.chainguard.dev/security", "https://packages.wolfi.dev/os/security.json"},
		{"chainguard-secdb", "Chainguard", "https://images.chainguard.dev/security", "https://packages.cgr.dev/chainguard/security.json"},
		{"minimos-secdb", "MinimOS", "https://packages.mini.dev/", "https://packages.mini.dev/advisories/secdb/security.json"},
	} {
		feeds = append(feeds, Feed{
			Name:  d.name,
			Home:  d.home,
			Doc:   d.ecosystem + "'s security database, one JSON document in Alpine's form",
			Every: 6 * time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				b, err := o.Open(ctx, d.address)
				if err != nil {
					return err
				}
				defer b.Close()
				out.Dated(b.Modified)
				db := newSecdb(d.ecosystem, "")
				if err := db.file(b, "", d.ecosystem, out); err != nil {
					return err
				}
				return db.emit(out)
			},
		})
	}
	return feeds
}
