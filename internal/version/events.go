package version

import (
	"fmt"
	"slices"
)

// MaxEvents is the number of events that FromEvents takes.
const MaxEvents = 1 << 16

// Event is one end of a span in an OSV range of type ECOSYSTEM or SEMVER
// (ossf.github.io/osv-schema, affected[].ranges[].events[]). One field is set;
// where a publisher sets several, each counts as an event.
type Event struct {
	// Introduced is the first version of a span; "0" is before all versions.
	Introduced string
	// Fixed is the first version after a span.
	Fixed string
	// LastAffected is the last version of a span.
	LastAffected string
	// Limit is where the whole range ends, without that version; "*" is no limit.
	// Of several limits the last counts.
	Limit string
}

// pointKind is which field of an event a point comes from.
type pointKind uint8

const (
	pointFixed pointKind = iota
	pointIntroduced
	pointLast
)

// point is an event that stands for itself. A start is before all versions.
type point struct {
	kind    pointKind
	start   bool
	version string
}

// FromEvents gives the versions in a range by the evaluation algorithm of the OSV
// schema, as intervals in order that do not overlap. The events may be in any
// order. A limit shows as the Fixed of the last interval.
//
// The schema leaves open what events at one version mean. Here a fix at a version
// at which a span also begins ends the span before it and not the new one, except
// where no span is open: then the span is empty.
//
// No intervals and no error say that no version is in the range; that is not the
// same as an advisory without ranges, by which every version is affected. It is an
// error if there is no introduced event, if there are more than [MaxEvents], and,
// wrapping [ErrInvalid], if a version is not valid in s.
func FromEvents(s Scheme, events []Event) ([]Interval, error) {
	points, limit, err := points(s, events)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(points, func(a, b point) int { return comparePosition(s, a, b) })
	var out []Interval
	var open bool
	var current Interval
	for i := 0; i < len(points); {
		// All points at one version are passed together.
		end := i + 1
		for end < len(points) && comparePosition(s, points[i], points[end]) == 0 {
			end++
		}
		at := points[i:end]
		i = end
		if limit != "" && !at[0].start && s.order(at[0].version, limit) >= 0 {
			break
		}
		fixed, introduced, last := pick(at, pointFixed), pick(at, pointIntroduced), pick(at, pointLast)
		switch {
		case fixed != "" && introduced != "":
			// Open or not, it stays as it is.
		case fixed != "" && open:
			current.Fixed = fixed
			out, open = append(out, current), false
		case introduced != "" && !open:
			current, open = Interval{Introduced: introduced}, true
		}
		if open && last != "" {
			current.LastAffected = last
			out, open = append(out, current), false
		}
	}
	if open {
		current.Fixed = limit
		out = append(out, current)
	}
	return out, nil
}

// points takes events apart, checks their versions, and gives the last limit ("" for none).
func points(s Scheme, events []Event) (all []point, limit string, err error) {
	if len(events) > MaxEvents {
		return nil, "", fmt.Errorf("reading a range of %d events: more than %d", len(events), MaxEvents)
	}
	unlimited, introduced := false, false
	for _, e := range events {
		if e.Introduced == "0" {
			all = append(all, point{pointIntroduced, true, "0"})
			introduced = true
		} else if e.Introduced != "" {
			all = append(all, point{pointIntroduced, false, e.Introduced})
			introduced = true
		}
		if e.Fixed != "" {
			all = append(all, point{pointFixed, false, e.Fixed})
		}
		if e.LastAffected != "" {
			all = append(all, point{pointLast, false, e.LastAffected})
		}
		switch {
		case e.Limit == "*":
			unlimited = true
		case e.Limit != "":
			if err := s.Valid(e.Limit); err != nil {
				return nil, "", err
			}
			if limit == "" || laterLimit(s, e.Limit, limit) {
				limit = e.Limit
			}
		}
	}
	if !introduced {
		return nil, "", fmt.Errorf("reading a range of %d events: none says where it begins", len(events))
	}
	for _, p := range all {
		if p.start {
			continue
		}
		if err := s.Valid(p.version); err != nil {
			return nil, "", err
		}
	}
	if unlimited {
		limit = ""
	}
	return all, limit, nil
}

// comparePosition orders points by where they are; starts come before all versions.
func comparePosition(s Scheme, a, b point) int {
	switch {
	case a.start && b.start:
		return 0
	case a.start:
		return -1
	case b.start:
		return 1
	}
	return s.order(a.version, b.version)
}

// pick gives the version of the points of a kind, "" if there are none; of several
// spellings of one version always the same.
func pick(points []point, kind pointKind) string {
	v := ""
	for _, p := range points {
		if p.kind == kind && (v == "" || p.version < v) {
			v = p.version
		}
	}
	return v
}

// laterLimit tells whether limit a counts rather than b.
func laterLimit(s Scheme, a, b string) bool {
	c := s.order(a, b)
	return c > 0 || c == 0 && a < b
}
