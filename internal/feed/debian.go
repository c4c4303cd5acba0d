package feed

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

const trackerURL = "https://security-tracker.debian.org/tracker/data/json"

// maxTracker bounds the statements of the tracker; it has about 200,000.
const maxTracker = 16 << 20

// debianReleases gives the release of each codename the tracker uses
// (wiki.debian.org/DebianReleases). Unstable has no number and goes by its codename.
var debianReleases = map[string]string{
	"lenny": "5", "squeeze": "6", "wheezy": "7", "jessie": "8", "stretch": "9", "buster": "10", "bullseye": "11",
	"bookworm": "12", "trixie": "13", "forky": "14", "duke": "15", "sid": "sid",
}

// debianFeed reads the JSON of Debian's security tracker
// (security-team.debian.org/security_tracker.html): package, flaw, release.
func debianFeed() Feed {
	return Feed{
		Name:  "debian-tracker",
		Home:  "https://security-tracker.debian.org/tracker/",
		Doc:   "Debian's security tracker, which states each flaw for each release; one JSON document",
		Every: 6 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			body, err := o.Open(ctx, trackerURL)
			if err != nil {
				return err
			}
			defer body.Close()
			// The document bears no date of its own.
			if !body.Modified.IsZero() {
				out.Dated(body.Modified)
			}
			return readTracker(ctx, body, out)
		},
	}
}

// trackerFlaw is what the tracker says of one flaw in one source package.
type trackerFlaw struct {
	Description excerpt                 `json:"description"`
	Releases    map[string]trackerState `json:"releases"`
}

type trackerState struct {
	Status  looseString `json:"status"`
	Fixed   looseString `json:"fixed_version"`
	Urgency looseString `json:"urgency"`
	// NoDSA is the reason why no advisory is planned; its presence counts.
	NoDSA  *rawJSON    `json:"nodsa"`
	Reason looseString `json:"nodsa_reason"`
}

// readTracker streams the document package by package and hands on one advisory for
// each flaw, with its statements on all packages and releases.
func readTracker(ctx context.Context, r io.Reader, out Sink) error {
	d := jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if k := d.PeekKind(); k != '{' {
		return fmt.Errorf("reading the tracker: it does not begin with an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return fmt.Errorf("reading the tracker: %w", err)
	}
	flaws := map[string]*advisory.Advisory{}
	strange := map[string]struct{}{} // codenames that are not known
	total := 0
	for d.PeekKind() == '"' {
		if err := ctx.Err(); err != nil {
			return err
		}
		t, err := d.ReadToken()
		if err != nil {
			return fmt.Errorf("reading the tracker: %w", err)
		}
		pkg := t.String()
		raw, err := d.ReadValue()
		if err != nil {
			return fmt.Errorf("reading the tracker, package %.80q: %w", pkg, err)
		}
		var of map[string]rawJSON
		if err := decodeJSON(raw, &of); err != nil || !isName(pkg) {
			out.Quarantine(pkg, fmt.Errorf("not a package with its flaws: %v", err))
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(of)) {
			var f trackerFlaw
			if err := decodeJSON([]byte(of[id]), &f); err != nil || !isName(id) {
				out.Quarantine(pkg+" "+id, fmt.Errorf("not a flaw with its releases: %v", err))
				continue
			}
			a := flaws[id]
			if a == nil {
				a = &advisory.Advisory{ID: id, Summary: firstLine(string(f.Description)), URL: "https://security-tracker.debian.org/tracker/" + id}
				flaws[id] = a
			}
			for _, codename := range slices.Sorted(maps.Keys(f.Releases)) {
				release, ok := debianReleases[codename]
				if !ok {
					if _, twice := strange[codename]; !twice && len(strange) < 100 {
						strange[codename] = struct{}{}
						out.Quarantine("release "+codename, fmt.Errorf("there is no number for the codename %.40q", codename))
					}
					continue
				}
				af, err := trackerStatement(pkg, release, f.Releases[codename])
				if err != nil {
					out.Quarantine(pkg+" "+id+" "+codename, err)
					continue
				}
				a.Affected = append(a.Affected, af)
				if total++; total > maxTracker {
					return fmt.Errorf("reading the tracker: more than %d statements", maxTracker)
				}
			}
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return fmt.Errorf("reading the tracker: %w", err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return fmt.Errorf("reading the tracker: there is more after its end")
	}
	for _, id := range slices.Sorted(maps.Keys(flaws)) {
		if len(flaws[id].Affected) == 0 {
			out.Skip(id, "affects nothing")
			continue
		}
		if err := out.Advisory(*flaws[id]); err != nil {
			return err
		}
	}
	return nil
}

// trackerStatement reads what the tracker says of a flaw in a package of one release.
//
// "resolved" with the fixed version "0" says that the package never had the flaw. An
// open flaw is left as it is ("ignored"), postponed, or to be dealt with without an
// advisory; an unsupported release is told by an urgency. The other urgencies are for
// those who do the work and say nothing on how severe a flaw is.
func trackerStatement(pkg, release string, s trackerState) (advisory.Affected, error) {
	af := advisory.Affected{Ecosystem: "Debian:" + release, Package: pkg}
	switch s.Status {
	case "resolved":
		switch {
		case s.Fixed == "0":
			af.State = advisory.StateNotAffected
			return af, nil
		case version.Deb.Valid(string(s.Fixed)) != nil:
			return af, fmt.Errorf("it is resolved in %.60q, which is no version", s.Fixed)
		}
		af.Ranges = []version.Interval{{Introduced: "0", Fixed: string(s.Fixed)}}
	case "undetermined":
		af.State = advisory.StateUndetermined
	case "open":
		switch {
		case s.NoDSA == nil && s.Reason == "":
		case s.Reason == "ignored":
			af.State = advisory.StateWillNotFix
		default:
			af.State = advisory.StateDeferred
		}
	default:
		return af, fmt.Errorf("its status %.40q is not known", s.Status)
	}
	debianUrgency(&af, string(s.Urgency))
	return af, nil
}

// debianUrgency applies the urgencies that say more than how soon Debian's people
// mean to act. A release that got a fix had support for it.
func debianUrgency(af *advisory.Affected, urgency string) {
	switch urgency = strings.TrimRight(urgency, "*"); {
	case urgency == "unimportant":
		af.State, af.Severity = advisory.StateUnimportant, advisory.SeverityNegligible
	case urgency == "end-of-life" && !slices.ContainsFunc(af.Ranges, func(iv version.Interval) bool { return iv.Fixed != "" }):
		af.State = advisory.StateEndOfLife
	}
}
