package feed

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// spans sets the Ranges and Versions of af to what part says. It gives -1 if part
// speaks of commits alone, 0 if by its ranges no version is affected, and more if
// some are; with an error, these are only what could be understood.
//
// Versions that the ranges cover are dropped. Where the ranges have no upper end, the
// "last known affected version" of GitHub's records gives one. Where the order of an
// ecosystem is not known, spans are kept that are stated as pairs.
func spans(af *advisory.Affected, part *osvAffected) (int, error) {
	scheme, ordered := version.For(af.Ecosystem)
	ranges, commits := 0, 0
	var all []version.Interval
	for i := range part.Ranges {
		if part.Ranges[i].Type == "GIT" {
			commits++
			continue
		}
		ranges++
		got, err := intervals(scheme, ordered, part.Ranges[i].Events)
		if err != nil {
			// A list of versions beside a range that cannot be read still counts.
			if len(part.Versions) > 2 && ranges == 1 && len(part.Ranges) == 1 {
				af.Versions = slices.Collect(part.Versions.strings)
				return len(af.Versions), err
			}
			return 0, err
		}
		all = append(all, got...)
	}
	if ranges > 1 && ordered {
		all = unite(scheme, all)
	}
	if af.Ecosystem == "Go" && len(part.EcosystemSpecific.CustomRanges) > 0 {
		all = customRanges(scheme, all, part.EcosystemSpecific.CustomRanges)
	}
	if known := string(part.DatabaseSpecific.LastKnown); known != "" && len(all) == 1 && all[0].Fixed == "" && all[0].LastAffected == "" {
		all[0] = lastKnown(scheme, all[0], known)
	}
	af.Ranges = all
	if ordered && len(all) > 0 {
		af.Versions = outside(scheme, all, part.Versions)
	} else {
		af.Versions = slices.Collect(part.Versions.strings)
	}
	switch {
	case len(all) > 0 || len(af.Versions) > 0:
		return 1, nil
	case ranges == 0 && commits > 0:
		return -1, nil
	case ranges == 0 && len(part.Ranges) == 0:
		return 1, nil // no range and no list: every version
	}
	return 0, nil
}

// intervals evaluates the events of one range.
func intervals(scheme version.Scheme, ordered bool, events []osvEvent) ([]version.Interval, error) {
	// Most ranges are one span from the beginning, which needs no sorting.
	if ordered && len(events) <= 2 && len(events) > 0 && (events[0] == osvEvent{Introduced: "0"}) {
		if len(events) == 1 {
			return []version.Interval{{Introduced: "0"}}, nil
		}
		if e := events[1]; e.Fixed != "" && e == (osvEvent{Fixed: e.Fixed}) {
			return []version.Interval{{Introduced: "0", Fixed: e.Fixed}}, scheme.Valid(e.Fixed)
		}
	}
	if ordered {
		evs := make([]version.Event, len(events))
		for i, e := range events {
			evs[i] = e.event()
		}
		return version.FromEvents(scheme, evs)
	}
	var out []version.Interval
	for _, e := range events {
		switch last := len(out) - 1; {
		case e.Introduced != "":
			out = append(out, version.Interval{Introduced: e.Introduced})
		case last < 0 || out[last].Fixed != "" || out[last].LastAffected != "":
		case e.Fixed != "":
			out[last].Fixed = e.Fixed
		case e.LastAffected != "":
			out[last].LastAffected = e.LastAffected
		}
	}
	return out, nil
}

// unite sorts intervals and joins those that touch. Their ends are valid versions.
func unite(scheme version.Scheme, all []version.Interval) []version.Interval {
	if len(all) < 2 {
		return all
	}
	order := func(a, b string) int {
		switch aStart, bStart := a == "" || a == "0", b == "" || b == "0"; {
		case aStart || bStart:
			return cmp.Compare(btoi(bStart), btoi(aStart))
		}
		c, _ := scheme.Compare(a, b)
		return c
	}
	slices.SortStableFunc(all, func(a, b version.Interval) int { return order(a.Introduced, b.Introduced) })
	out := all[:1]
	for _, next := range all[1:] {
		last := &out[len(out)-1]
		end := cmp.Or(last.Fixed, last.LastAffected)
		if end == "" {
			break // nothing comes after an open end
		}
		if order(next.Introduced, end) > 0 {
			out = append(out, next)
			continue
		}
		nextEnd := cmp.Or(next.Fixed, next.LastAffected)
		longer := nextEnd == ""
		if !longer {
			c, _ := scheme.Compare(nextEnd, end)
			longer = c > 0 || c == 0 && next.Fixed == ""
		}
		if longer {
			last.Fixed, last.LastAffected = next.Fixed, next.LastAffected
		}
	}
	return out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// lastKnown closes an open interval at a bound of the form "<= 1.2" or "< 1.2"; a
// bound of another form leaves it open.
func lastKnown(scheme version.Scheme, iv version.Interval, bound string) version.Interval {
	if v, ok := strings.CutPrefix(bound, "<="); ok {
		if v = strings.TrimSpace(v); scheme.Valid(v) == nil {
			iv.LastAffected = v
		}
	} else if v, ok := strings.CutPrefix(bound, "<"); ok {
		if v = strings.TrimSpace(v); scheme.Valid(v) == nil {
			iv.Fixed = v
		}
	}
	if iv.Introduced != "" && iv.Introduced != "0" {
		if c, err := scheme.Compare(iv.Introduced, cmp.Or(iv.LastAffected, iv.Fixed)); err != nil || c > 0 || c == 0 && iv.Fixed != "" {
			return version.Interval{Introduced: iv.Introduced}
		}
	}
	return iv
}

// customRanges narrows a statement of the Go database on a module whose releases are
// tagged in a way that the go command does not take for versions of it. The database
// then says that every version is affected, and gives the releases in custom_ranges.
// Their upper ends are used; the lowest end is not, since builds of any release may
// carry a pseudo-version that sorts low. Where more fixes are given than beginnings it
// cannot be told which releases lie between, and every version stays affected.
func customRanges(scheme version.Scheme, all []version.Interval, custom []osvRange) []version.Interval {
	if len(all) != 1 || all[0] != (version.Interval{Introduced: "0"}) {
		return all
	}
	var own []version.Interval
	for _, r := range custom {
		begun := 0
		for _, e := range r.Events {
			if e.Introduced != "" {
				begun++
			}
			if e.Fixed != "" || e.LastAffected != "" {
				begun--
			}
		}
		if begun < 0 {
			return all
		}
		got, err := intervals(scheme, true, r.Events)
		if err != nil {
			return all
		}
		own = append(own, got...)
	}
	if own = unite(scheme, own); len(own) == 0 {
		return all
	}
	own[0].Introduced = "0"
	return own
}

// outside lists the versions of a JSON array that none of the intervals, which are in
// order, holds. A version that cannot be compared is outside.
func outside(scheme version.Scheme, all []version.Interval, versions rawJSON) []string {
	if len(all) == 1 && all[0] == (version.Interval{Introduced: "0"}) {
		return nil
	}
	var out []string
	for v := range versions.strings {
		if scheme.Valid(v) != nil {
			out = append(out, v)
			continue
		}
		at := 0
		if len(all) > 1 {
			at = sort.Search(len(all), func(i int) bool {
				if all[i].Introduced == "" || all[i].Introduced == "0" {
					return false
				}
				c, err := scheme.Compare(all[i].Introduced, v)
				return err == nil && c > 0
			}) - 1
		}
		if at >= 0 {
			if in, err := scheme.Contains(v, all[at]); err == nil && in {
				continue
			}
		}
		out = append(out, v)
	}
	return out
}

// stringPairs is a JSON object of strings, in the order of the document.
type stringPairs [][2]string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *stringPairs) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '{' {
		return d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		pair := [2]string{name.String()}
		var value looseString
		if err := value.UnmarshalJSONFrom(d); err != nil {
			return err
		}
		pair[1] = string(value)
		*p = append(*p, pair)
	}
	_, err := d.ReadToken()
	return err
}
