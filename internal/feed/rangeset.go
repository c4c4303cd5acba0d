package feed

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll/internal/version"
)

// maxSpans bounds the spans of one set.
const maxSpans = 1 << 12

// cut is a place between versions: before or after v, or at one of the ends of them all.
type cut struct {
	end   int8 // below zero before all versions, above zero after all
	v     string
	after bool
}

var (
	lowest  = cut{end: -1}
	highest = cut{end: 1}
)

func before(v string) cut { return cut{v: v} }
func after(v string) cut  { return cut{v: v, after: true} }

// span is the versions between two cuts.
type span struct{ from, to cut }

// rangeSet is versions in the order of a scheme, as spans in order and apart from each
// other. It does what publishers' own words for ranges need: what is not patched, and
// what meets several conditions. Versions in spans are valid in the scheme.
type rangeSet struct {
	scheme version.Scheme
	spans  []span
}

func (r rangeSet) compare(a, b cut) int {
	if c := cmp.Compare(a.end, b.end); c != 0 || a.end != 0 {
		return c
	}
	if a.v != b.v {
		if c, err := r.scheme.Compare(a.v, b.v); err == nil && c != 0 {
			return c
		}
	}
	return cmp.Compare(btoi(a.after), btoi(b.after))
}

// union adds spans, in any order and over each other.
func (r rangeSet) union(more ...span) (rangeSet, error) {
	all := slices.Concat(r.spans, more)
	if len(all) > maxSpans {
		return r, fmt.Errorf("it has over %d ranges", maxSpans)
	}
	slices.SortStableFunc(all, func(a, b span) int { return r.compare(a.from, b.from) })
	out := rangeSet{scheme: r.scheme}
	for _, s := range all {
		last := len(out.spans) - 1
		switch {
		case r.compare(s.from, s.to) >= 0: // nothing in it
		case last < 0 || r.compare(s.from, out.spans[last].to) > 0:
			out.spans = append(out.spans, s)
		case r.compare(s.to, out.spans[last].to) > 0:
			out.spans[last].to = s.to
		}
	}
	return out, nil
}

// without gives every version that is not in r.
func (r rangeSet) without() rangeSet {
	out := rangeSet{scheme: r.scheme}
	at := lowest
	for _, s := range r.spans {
		if r.compare(at, s.from) < 0 {
			out.spans = append(out.spans, span{at, s.from})
		}
		at = s.to
	}
	if r.compare(at, highest) < 0 {
		out.spans = append(out.spans, span{at, highest})
	}
	return out
}

// meet gives the versions that are in both.
func (r rangeSet) meet(o rangeSet) (rangeSet, error) {
	not, err := r.without().union(o.without().spans...)
	return not.without(), err
}

// intervals gives the set as advisories have it.
//
// An advisory's intervals begin with a version that is in them. "After 1.2" begins with
// the next version there can be, which for some schemes is only nearly so: a version
// with more numbers than anybody writes.
func (r rangeSet) intervals() []version.Interval {
	var out []version.Interval
	for _, s := range r.spans {
		iv := version.Interval{Introduced: s.from.v}
		if s.to == before("0") {
			continue // where advisories begin to count
		}
		switch {
		case s.from.end < 0:
			iv.Introduced = "0"
		case s.from.after:
			iv.Introduced = nextVersion(r.scheme, s.from.v)
		}
		switch {
		case s.to.end > 0:
		case s.to.after:
			iv.LastAffected = s.to.v
		default:
			iv.Fixed = s.to.v
		}
		if end := cmp.Or(iv.Fixed, iv.LastAffected); end != "" && s.from.after {
			if c, err := r.scheme.Compare(iv.Introduced, end); err == nil && (c > 0 || c == 0 && iv.Fixed != "") {
				continue // nothing is between them
			}
		}
		out = append(out, iv)
	}
	return out
}

// nextVersion gives the version that follows v, or v itself where none can be named.
func nextVersion(scheme version.Scheme, v string) string {
	next := v
	switch scheme {
	case version.SemVer:
		if strings.Contains(v, "-") {
			v, _, _ := strings.Cut(v, "+")
			next = v + ".0"
		} else if n, ok := numbers(v); ok {
			next = dotted(n[0], n[1], n[2]+1) + "-0"
		}
	case version.Gem, version.Generic, version.Bitnami:
		next = v + ".0.0.0.1"
	case version.Packagist:
		next = v + "-patch1"
	}
	if c, err := scheme.Compare(next, v); err != nil || c <= 0 {
		return v
	}
	return next
}

// numbers reads up to three numbers apart by dots before a hyphen or a plus sign; those
// that are not there are zero.
func numbers(v string) (n [3]uint64, ok bool) {
	if at := strings.IndexAny(v, "-+"); at >= 0 {
		v = v[:at]
	}
	parts := strings.Split(strings.TrimPrefix(v, "v"), ".")
	if len(parts) > 3 {
		return n, false
	}
	for i, p := range parts {
		x, err := strconv.ParseUint(p, 10, 62)
		if err != nil {
			return n, false
		}
		n[i] = x
	}
	return n, true
}

func dotted(n ...uint64) string {
	var b []byte
	for i, x := range n {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, x, 10)
	}
	return string(b)
}
