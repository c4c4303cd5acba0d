package advisorydb_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/version"
)

// TestConversionsAreNoSecondOpinion: what OSV converts from a publisher's own database
// is left out where the publisher speaks, and only there.
func TestConversionsAreNoSecondOpinion(t *testing.T) {
	in := func(ecosystem, pkg string) []advisory.Affected {
		return []advisory.Affected{{Ecosystem: ecosystem, Package: pkg, Ranges: []version.Interval{{Fixed: "2"}}}}
	}
	b := advisorydb.NewBuilder()
	for _, a := range []advisory.Advisory{
		{Source: "debian-tracker", ID: "CVE-2024-1", Affected: in("Debian:12", "a")},
		{Source: "osv-debian", ID: "DEBIAN-CVE-2024-1", Aliases: []string{"CVE-2024-1"}, Affected: append(in("Debian:12", "a"), in("Debian:10", "a")...)},
		{Source: "osv-debian", ID: "CVE-2024-2", Affected: in("Debian:12", "a")},
		{Source: "osv-debian", ID: "DSA-1-1", Related: []string{"CVE-2024-1"}, Affected: in("Debian:12", "a")},
		{Source: "redhat-csaf-advisories", ID: "RHSA-2024:1", Related: []string{"CVE-2024-1"}, Affected: in("Red Hat:9", "a")},
		{Source: "osv-red-hat", ID: "RHSA-2024:1", Related: []string{"CVE-2024-1"}, Affected: append(in("Red Hat:9", "a"), in("Red Hat:8", "a")...)},
		{Source: "osv-red-hat", ID: "RHSA-2024:2", Related: []string{"CVE-2024-1"}, Affected: in("Red Hat:9", "a")},
		{Source: "suse-csaf", ID: "SUSE-SU-2024:1-1", Related: []string{"CVE-2024-1"}, Affected: in("SUSE:x", "a")},
		{Source: "osv-suse", ID: "SUSE-SU-2024:1-1", Related: []string{"CVE-2024-1"}, Affected: in("SUSE:x", "a")},
		{Source: "osv-npm", ID: "GHSA-1", Aliases: []string{"CVE-2024-1"}, Affected: in("Debian:12", "a")},
	} {
		if err := b.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	if _, err := b.Write(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	db, err := advisorydb.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for ecosystem, want := range map[string][]string{
		"Debian:12": {"debian-tracker CVE-2024-1", "osv-debian CVE-2024-2", "osv-debian DSA-1-1", "osv-npm GHSA-1"},
		"Red Hat:9": {"osv-red-hat RHSA-2024:2", "redhat-csaf-advisories RHSA-2024:1"},
		"Red Hat:8": {"osv-red-hat RHSA-2024:1"},
		"SUSE:x":    {"suse-csaf SUSE-SU-2024:1-1"},
		"Debian:10": {"osv-debian DEBIAN-CVE-2024-1"},
	} {
		var got []string
		for a, err := range db.Lookup(t.Context(), ecosystem, "a") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, a.Source+" "+a.ID)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", ecosystem, d)
		}
	}
}
