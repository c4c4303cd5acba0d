package feed

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

func TestTracker(t *testing.T) {
	doc := `{
	"curl":{
		"CVE-2024-1000":{"description":"A flaw.","debianbug":1,"scope":"remote","releases":{
			"bookworm":{"status":"resolved","repositories":{"bookworm":"7.88"},"fixed_version":"7.88.1-10+deb12u5","urgency":"not yet assigned"},
			"bullseye":{"status":"resolved","fixed_version":"0","urgency":"unimportant"},
			"buster":{"status":"open","urgency":"end-of-life"},
			"trixie":{"status":"open","urgency":"high**"},
			"forky":{"status":"undetermined","urgency":"not yet assigned"},
			"sid":{"status":"resolved","fixed_version":"8.7.1-1","urgency":"end-of-life"}}},
		"TEMP-0000000-ABCDEF":{"releases":{"bookworm":{"status":"open","urgency":"unimportant"},"bullseye":{"status":"resolved","fixed_version":"1-1","urgency":"unimportant"}}},
		"CVE-2024-2000":{"releases":{
			"bookworm":{"status":"open","urgency":"low","nodsa":"Minor issue","nodsa_reason":""},
			"bullseye":{"status":"open","urgency":"low","nodsa":"Minor issue","nodsa_reason":"ignored"},
			"trixie":{"status":"open","urgency":"low","nodsa":"Later","nodsa_reason":"postponed"}}},
		"CVE-2024-3000":{"releases":{}},
		"CVE-2024-4000":{"releases":{"bookworm":{"status":"resolved","fixed_version":"1 2","urgency":"low"},"trixie":{"status":"puzzled"}}},
		"CVE-2024-5000":[]
	},
	"broken":3,
	"curl-gnutls":{"CVE-2024-1000":{"description":"Again.","releases":{"bookworm":{"status":"open"},"warty":{"status":"open"},"hoary":{"status":"open"}}},
		"CVE-2024-2000":{"releases":{"warty":{"status":"open"}}}}
	}`
	var log sinkLog
	if err := readTracker(t.Context(), strings.NewReader(doc), log.sink()); err != nil {
		t.Fatal(err)
	}
	of := func(pkg, release string, s advisory.State, fixed string) advisory.Affected {
		a := advisory.Affected{Ecosystem: "Debian:" + release, Package: pkg, State: s}
		if fixed != "" {
			a.Ranges = fixedIn(fixed)
		}
		if s == advisory.StateUnimportant {
			a.Severity = advisory.SeverityNegligible
		}
		return a
	}
	page := "https://security-tracker.debian.org/tracker/"
	want := []advisory.Advisory{
		{ID: "CVE-2024-1000", URL: page + "CVE-2024-1000", Summary: "A flaw.", Affected: []advisory.Affected{
			of("curl", "12", advisory.StateAffected, "7.88.1-10+deb12u5"),
			of("curl", "11", advisory.StateNotAffected, ""),
			of("curl", "10", advisory.StateEndOfLife, ""),
			of("curl", "14", advisory.StateUndetermined, ""),
			of("curl", "sid", advisory.StateAffected, "8.7.1-1"),
			of("curl", "13", advisory.StateAffected, ""),
			of("curl-gnutls", "12", advisory.StateAffected, ""),
		}},
		{ID: "CVE-2024-2000", URL: page + "CVE-2024-2000", Affected: []advisory.Affected{
			of("curl", "12", advisory.StateDeferred, ""),
			of("curl", "11", advisory.StateWillNotFix, ""),
			of("curl", "13", advisory.StateDeferred, ""),
		}},
		{ID: "TEMP-0000000-ABCDEF", URL: page + "TEMP-0000000-ABCDEF", Affected: []advisory.Affected{
			of("curl", "12", advisory.StateUnimportant, ""),
			of("curl", "11", advisory.StateUnimportant, "1-1"),
		}},
	}
	if d := cmp.Diff(want, log.advisories); d != "" {
		t.Error(d)
	}
	wantBad := []string{"curl CVE-2024-4000 bookworm", "curl CVE-2024-4000 trixie", "curl CVE-2024-5000", "broken", "release hoary", "release warty"}
	if !slices.Equal(log.quarantined, wantBad) {
		t.Errorf("quarantined %q, want %q", log.quarantined, wantBad)
	}
	if want := []string{"CVE-2024-3000: affects nothing", "CVE-2024-4000: affects nothing"}; !slices.Equal(log.skipped, want) {
		t.Errorf("skipped %q, want %q", log.skipped, want)
	}
}

func TestTrackerBroken(t *testing.T) {
	for _, doc := range []string{"", "[]", "<html>", `{"a":{}`, `{"a":{"CVE-2024-1000":{"releases":`, `{"a":{}}x`, `{"a":{}} {}`} {
		if err := readTracker(t.Context(), strings.NewReader(doc), (&sinkLog{}).sink()); err == nil {
			t.Errorf("%q was taken", doc)
		}
	}
}

func TestDebianFeed(t *testing.T) {
	o := folder(t, map[string]string{"security-tracker.debian.org/tracker/data/json": `{"x":{"CVE-2024-1000":{"releases":{"bookworm":{"status":"open"}}}}}`})
	r := run(t.Context(), o, debianFeed(), Sink{})
	if r.Err != nil || r.Records != 1 || !slices.Equal(r.Ecosystems, []string{"Debian:12"}) || r.Newest.IsZero() {
		t.Errorf("%+v", r)
	}
}
