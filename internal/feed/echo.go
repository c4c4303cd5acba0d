package feed

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// maxEcho bounds Echo's file, in bytes.
const maxEcho = 128 << 20

// echoFeed reads the advisories of Echo (echohq.com), which rebuilds Debian's packages
// with fixes of its own. Its images call themselves Echo and not Debian, so Debian's
// tracker does not speak for them, and this file is all that does.
func echoFeed() Feed {
	return Feed{
		Name:  "echo",
		Home:  "https://advisory.echohq.com/",
		Doc:   "Echo's flaws by source package, one JSON document",
		Every: 12 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			b, err := o.Open(ctx, "https://advisory.echohq.com/data.json")
			if err != nil {
				return err
			}
			defer b.Close()
			out.Dated(b.Modified) // the file bears no dates
			return readEcho(b, out)
		},
	}
}

// readEcho reads a list of source packages, each with its flaws: one with the version
// that fixed it, with version "0" if the package never had it, or with none if it is
// not fixed.
func readEcho(r io.Reader, out Sink) error {
	data, err := readAll(r, maxEcho)
	if err != nil {
		return fmt.Errorf("reading the packages: %w", err)
	}
	var packages map[string]rawJSON
	if err := decodeJSON(data, &packages); err != nil || packages == nil {
		return fmt.Errorf("reading the packages: they are no JSON object: %v", err)
	}
	flaws := map[string]*advisory.Advisory{}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		var of map[string]rawJSON
		if err := decodeJSON([]byte(packages[name]), &of); err != nil || !isName(name) {
			out.Quarantine(name, fmt.Errorf("not a package with its flaws: %v", err))
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(of)) {
			var flaw struct {
				Fixed string `json:"fixed_version"`
			}
			if err := decodeJSON([]byte(of[id]), &flaw); err != nil || cveOf(id) != id && !isFlawName(id) || id == "" {
				out.Quarantine(name+" "+id, fmt.Errorf("not a flaw with its fix: %v", err))
				continue
			}
			af := advisory.Affected{Ecosystem: "Echo", Package: name}
			switch {
			case flaw.Fixed == "0":
				af.State = advisory.StateNotAffected
			case flaw.Fixed == "":
				af.Ranges = []version.Interval{{Introduced: "0"}}
			case version.Deb.Valid(flaw.Fixed) != nil:
				out.Quarantine(name+" "+id, fmt.Errorf("it is fixed in %.60q, which is no version", flaw.Fixed))
				continue
			default:
				af.Ranges = []version.Interval{{Introduced: "0", Fixed: flaw.Fixed}}
			}
			if flaws[id] == nil {
				flaws[id] = &advisory.Advisory{ID: id}
			}
			flaws[id].Affected = append(flaws[id].Affected, af)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(flaws)) {
		if err := out.Advisory(*flaws[id]); err != nil {
			return err
		}
	}
	return nil
}
