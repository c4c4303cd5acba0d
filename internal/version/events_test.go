package version

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFromEvents(t *testing.T) {
	intro := func(v string) Event { return Event{Introduced: v} }
	fixed := func(v string) Event { return Event{Fixed: v} }
	last := func(v string) Event { return Event{LastAffected: v} }
	limit := func(v string) Event { return Event{Limit: v} }
	tests := []struct {
		name   string
		s      Scheme
		events []Event
		want   []Interval
	}{
		{"from the start", SemVer, []Event{intro("0"), fixed("1.0.0")}, []Interval{{Introduced: "0", Fixed: "1.0.0"}}},
		{"all", SemVer, []Event{intro("0")}, []Interval{{Introduced: "0"}}},
		{"never fixed", Deb, []Event{intro("1.0-1")}, []Interval{{Introduced: "1.0-1"}}},
		{"one object", SemVer, []Event{{Introduced: "1.0.0", Fixed: "1.2.0"}}, []Interval{{Introduced: "1.0.0", Fixed: "1.2.0"}}},
		{"unsorted, by value and not by text", SemVer, []Event{fixed("10.0.0"), intro("9.0.0"), fixed("2.0.0"), intro("1.0.0")},
			[]Interval{{Introduced: "1.0.0", Fixed: "2.0.0"}, {Introduced: "9.0.0", Fixed: "10.0.0"}}},
		{"zero is before what sorts before 0", Deb, []Event{fixed("1.0"), intro("0~~")}, []Interval{{Introduced: "0~~", Fixed: "1.0"}}},
		{"zero is the start", Deb, []Event{fixed("0~~"), intro("0")}, []Interval{{Introduced: "0", Fixed: "0~~"}}},
		{"last affected", PEP440, []Event{intro("0"), last("1.5")}, []Interval{{Introduced: "0", LastAffected: "1.5"}}},
		{"one version", PEP440, []Event{intro("1.5"), last("1.5.0")}, []Interval{{Introduced: "1.5", LastAffected: "1.5.0"}}},
		{"last affected, then again", SemVer, []Event{intro("0"), last("1.0.0"), intro("2.0.0")}, []Interval{{Introduced: "0", LastAffected: "1.0.0"}, {Introduced: "2.0.0"}}},
		{"introduced twice", SemVer, []Event{intro("0"), intro("1.0.0"), fixed("2.0.0")}, []Interval{{Introduced: "0", Fixed: "2.0.0"}}},
		{"fixed twice", SemVer, []Event{intro("0"), fixed("1.0.0"), fixed("2.0.0")}, []Interval{{Introduced: "0", Fixed: "1.0.0"}}},
		{"fixed before introduced", SemVer, []Event{fixed("1.0.0"), intro("2.0.0")}, []Interval{{Introduced: "2.0.0"}}},
		{"fixed and introduced at one version", SemVer, []Event{intro("0"), fixed("1.0.0"), intro("1.0.0"), fixed("2.0.0")}, []Interval{{Introduced: "0", Fixed: "2.0.0"}}},
		{"introduced where fixed", SemVer, []Event{intro("1.0.0"), fixed("1.0.0")}, nil},
		{"limit", SemVer, []Event{intro("0"), limit("2.0.0")}, []Interval{{Introduced: "0", Fixed: "2.0.0"}}},
		{"limit after the fix", SemVer, []Event{intro("0"), fixed("1.0.0"), limit("2.0.0")}, []Interval{{Introduced: "0", Fixed: "1.0.0"}}},
		{"limit before the fix", SemVer, []Event{intro("0"), fixed("3.0.0"), limit("2.0.0"), intro("4.0.0")}, []Interval{{Introduced: "0", Fixed: "2.0.0"}}},
		{"limit at the last affected", SemVer, []Event{intro("0"), last("2.0.0"), limit("2.0.0")}, []Interval{{Introduced: "0", Fixed: "2.0.0"}}},
		{"limit at the introduction", SemVer, []Event{intro("2.0.0"), limit("2.0.0")}, nil},
		{"the last of limits counts", SemVer, []Event{intro("0"), limit("2.0.0"), limit("3.0.0"), limit("1.0.0")}, []Interval{{Introduced: "0", Fixed: "3.0.0"}}},
		{"no limit", SemVer, []Event{intro("0"), limit("*"), limit("1.0.0")}, []Interval{{Introduced: "0"}}},
		{"epochs", RPM, []Event{fixed("1:1.0-1"), intro("2.0-1"), fixed("0:3.0-1"), intro("1:0.5-1")},
			[]Interval{{Introduced: "2.0-1", Fixed: "0:3.0-1"}, {Introduced: "1:0.5-1", Fixed: "1:1.0-1"}}},
		{"release on one side", RPM, []Event{fixed("1.0-5"), intro("1.0")}, []Interval{{Introduced: "1.0", Fixed: "1.0-5"}}},
	}
	for _, test := range tests {
		got, err := FromEvents(test.s, test.events)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestFromEventsRefuses(t *testing.T) {
	for name, events := range map[string][]Event{
		"no events":    nil,
		"no beginning": {{Fixed: "1.0.0"}},
		"empty event":  {{}},
		"only a limit": {{Limit: "*"}},
		"too many":     make([]Event, MaxEvents+1),
	} {
		if got, err := FromEvents(SemVer, events); err == nil {
			t.Errorf("%s: %v without an error", name, got)
		}
	}
	for _, e := range []Event{{Introduced: "x"}, {Fixed: "x"}, {LastAffected: "x"}, {Limit: "x"}, {Fixed: "*"}} {
		if got, err := FromEvents(SemVer, []Event{{Introduced: "0"}, e}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v, %v, want ErrInvalid", e, got, err)
		}
	}
	if _, err := FromEvents(0, []Event{{Introduced: "0"}, {Fixed: "1"}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("without a scheme: %v", err)
	}
}

// evaluate is the evaluation algorithm as the OSV schema writes it, for a version
// and events without two at one version.
func evaluate(s Scheme, v string, events []Event) bool {
	order := func(a, b string) int { c, _ := s.Compare(a, b); return c }
	limited, before := false, false
	for _, e := range events {
		if e.Limit != "" {
			limited = true
			before = before || e.Limit == "*" || order(v, e.Limit) < 0
		}
	}
	if limited && !before {
		return false
	}
	// Of the events at or before v, the last one decides.
	in, at := false, ""
	for _, e := range events {
		switch {
		case e.Introduced == "0":
			if at == "" {
				in = true
			}
		case e.Introduced != "" && order(v, e.Introduced) >= 0 && (at == "" || order(e.Introduced, at) > 0):
			in, at = true, e.Introduced
		case e.Fixed != "" && order(v, e.Fixed) >= 0 && (at == "" || order(e.Fixed, at) > 0):
			in, at = false, e.Fixed
		case e.LastAffected != "" && order(v, e.LastAffected) > 0 && (at == "" || order(e.LastAffected, at) > 0):
			in, at = false, e.LastAffected
		}
	}
	return in
}

func TestFromEventsAgainstTheSchema(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Distinct versions 1, 3, 5, …; those between are probed too.
		var events []Event
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 12), 0, 8, rapid.ID[int]).Draw(t, "versions") {
			v := strconv.Itoa(2*n + 1)
			events = append(events, rapid.SampledFrom([]Event{{Introduced: v}, {Fixed: v}, {LastAffected: v}, {Limit: v}}).Draw(t, "event"))
		}
		at := rapid.IntRange(0, len(events)).Draw(t, "place")
		events = append(events[:at:at], append([]Event{{Introduced: "0"}}, events[at:]...)...)
		intervals, err := FromEvents(SemVer, events)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 28 {
			v := strconv.Itoa(n)
			in := false
			for _, iv := range intervals {
				x, err := SemVer.Contains(v, iv)
				if err != nil {
					t.Fatal(err)
				}
				if x && in {
					t.Fatalf("%s is in two of %+v", v, intervals)
				}
				in = in || x
			}
			if want := evaluate(SemVer, v, events); in != want {
				t.Fatalf("%s in %+v is %t, but by the schema %t: %+v", v, intervals, in, want, events)
			}
		}
	})
}

// TestFromEventsIsOrderFree shuffles events that may meet at one version.
func TestFromEventsIsOrderFree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := []Event{{Introduced: "0"}}
		for _, n := range rapid.SliceOfN(rapid.IntRange(1, 6), 0, 10).Draw(t, "versions") {
			v := strconv.Itoa(n) + rapid.SampledFrom([]string{"", ".0", "+b"}).Draw(t, "spelling")
			events = append(events, rapid.SampledFrom([]Event{{Introduced: v}, {Fixed: v}, {LastAffected: v}, {Limit: v}, {Limit: "*"}}).Draw(t, "event"))
		}
		want, err := FromEvents(SemVer, events)
		if err != nil {
			t.Fatal(err)
		}
		got, err := FromEvents(SemVer, rapid.Permutation(events).Draw(t, "shuffled"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("another order of events, another range:\n%s", diff)
		}
		inOrder(t, SemVer, got)
	})
}

// inOrder fails unless intervals are sorted and do not overlap.
func inOrder(t interface{ Fatalf(string, ...any) }, s Scheme, ivs []Interval) {
	for i, iv := range ivs {
		if iv.Introduced == "" || iv.Fixed != "" && iv.LastAffected != "" {
			t.Fatalf("interval %+v has the wrong ends", iv)
		}
		if i == 0 {
			continue
		}
		prev := ivs[i-1]
		switch {
		case prev.Fixed != "" && s.order(prev.Fixed, iv.Introduced) > 0,
			prev.LastAffected != "" && s.order(prev.LastAffected, iv.Introduced) >= 0,
			prev.Fixed == "" && prev.LastAffected == "", iv.Introduced == "0":
			t.Fatalf("%+v is not before %+v", prev, iv)
		}
	}
}

func FuzzCompare(f *testing.F) {
	for _, s := range schemes() {
		for _, p := range chainPairs(s)[:min(8, len(chains[s])-1)] {
			f.Add(uint8(s), p[0], p[1])
		}
		f.Add(uint8(s), "1"+strings.Repeat(".0", 500), "")
		f.Add(uint8(s), "\x00", "~^-_.:+!é")
	}
	f.Fuzz(func(t *testing.T, scheme uint8, a, b string) {
		s := Scheme(scheme)
		x, err := s.Compare(a, b)
		y, back := s.Compare(b, a)
		valid := s.Valid(a) == nil && s.Valid(b) == nil
		if (err == nil) != valid || (back == nil) != valid || err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatalf("%s: Valid says %t, Compare says %v and %v", s, valid, err, back)
		}
		if x != -y || x < -1 || x > 1 || a == b && x != 0 {
			t.Fatalf("%s: Compare(%q, %q) is %d and the other way round %d", s, a, b, x, y)
		}
		in, err := s.Contains(a, Interval{Introduced: b, LastAffected: b})
		if (err == nil) != (valid || s.Valid(a) == nil && b == "" || s.Valid(a) == nil && b == "0" && s.Valid("0") == nil) {
			t.Fatalf("%s: Contains(%q, only %q): %v", s, a, b, err)
		}
		if valid && b != "0" && in != (x == 0) {
			t.Fatalf("%s: Contains(%q, only %q) is %t, but Compare is %d", s, a, b, in, x)
		}
		sameKeys(t, s, a, b)
	})
}

func FuzzFromEvents(f *testing.F) {
	f.Add(uint8(SemVer), "i0 f1.0.0 i2.0.0 l2.5.0")
	f.Add(uint8(Deb), "f1.0-1 i0~~ m*")
	f.Add(uint8(RPM), "i1.0 f1.0-5 i1:1 l1:2 m1:1.5")
	f.Add(uint8(Maven), "i1 f1.foo i1-alpha m1")
	f.Add(uint8(APK), "i0 f1.0-r0 f0 i1_rc1")
	f.Add(uint8(PEP440), "i1 f1 l1 i1 m1")
	f.Add(uint8(0), "i0")
	f.Fuzz(func(t *testing.T, scheme uint8, text string) {
		s := Scheme(scheme)
		var events []Event
		var versions []string
		for _, w := range strings.Fields(text) {
			v := w[1:]
			switch w[0] {
			case 'i':
				events = append(events, Event{Introduced: v})
			case 'f':
				events = append(events, Event{Fixed: v})
			case 'l':
				events = append(events, Event{LastAffected: v})
			case 'm':
				events = append(events, Event{Limit: v})
			default:
				events = append(events, Event{Introduced: v, Fixed: v, LastAffected: v, Limit: v})
			}
			versions = append(versions, v)
		}
		ivs, err := FromEvents(s, events)
		if err != nil {
			if ivs != nil {
				t.Fatalf("%+v beside the error %v", ivs, err)
			}
			return
		}
		inOrder(t, s, ivs)
		for _, v := range versions {
			for _, iv := range ivs {
				if _, err := s.Contains(v, iv); (err == nil) != (s.Valid(v) == nil) {
					t.Fatalf("Contains(%q, %+v): %v", v, iv, err)
				}
			}
		}
	})
}

func ExampleFromEvents() {
	ranges, err := FromEvents(SemVer, []Event{{Fixed: "1.4.2"}, {Introduced: "0"}, {Introduced: "2.0.0"}, {LastAffected: "2.1.0"}})
	fmt.Println(ranges, err)
	// Output: [{0 1.4.2 } {2.0.0  2.1.0}] <nil>
}
