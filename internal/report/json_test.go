package report

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/inventory"
)

// TestPackagesByHand holds what is written by hand to what the library writes.
func TestPackagesByHand(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	strs := []string{"", "a", "left-pad", "@scope/x", `quote " back \ slash`, "new\nline\ttab\x00\x1b[31m", "bad \xff\xfe utf", "ünïcode \u2028 \u202e", "<b>&'"}
	str := func() string { return strs[r.IntN(len(strs))] }
	for range 300 {
		rep := &Report{Schema: Schema, Findings: []Finding{}, Unknowns: []inventory.Unknown{}, Coverage: []Coverage{}}
		for range r.IntN(4) {
			p := Package{Name: str(), Version: str(), PURL: str(), Type: str(), Arch: str(), Module: str(), Evidence: str(), Dev: r.IntN(2) == 0,
				OwnedBy: str(), SHA1: str(), State: str(), EOL: str(), Locations: []Location{}}
			if r.IntN(2) == 0 {
				p.Source = &inventory.Source{Name: str(), Version: str()}
			}
			for range r.IntN(3) {
				p.Licenses = append(p.Licenses, str())
			}
			for range r.IntN(3) {
				p.Locations = append(p.Locations, Location{Path: str(), Layer: image.Digest(str()), Line: r.IntN(3)})
			}
			rep.Packages = append(rep.Packages, p)
		}
		var want, got bytes.Buffer
		if err := marshal(&want, rep); err != nil {
			t.Fatal(err)
		}
		want.WriteByte('\n')
		if err := JSON(&got, rep); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want.String(), got.String()); d != "" {
			t.Fatalf("(-library +by hand):\n%s", d)
		}
	}
}
