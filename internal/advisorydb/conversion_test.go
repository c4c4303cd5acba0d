package advisorydb_test

import (
	"strings"
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
		{Source: "debian-tracker", ID: "CVE-2024-3", Affected: in("Debian:12", "b")},
		{Source: "osv-debian", ID: "CVE-2024-3", Aliases: []string{"CVE-2024-1"}, Affected: in("Debian:12", "b")},
		{Source: "osv-debian", ID: "CVE-2024-2", Affected: in("Debian:12", "a")},
		{Source: "osv-debian", ID: "DSA-1-1", Related: []string{"CVE-2024-1"}, Affected: in("Debian:12", "a")},
		{Source: "redhat-csaf-advisories", ID: "RHSA-2024:1", Related: []string{"CVE-2024-1"}, Affected: in("Red Hat:9", "a")},
		{Source: "osv-red-hat", ID: "RHSA-2024:1", Related: []string{"CVE-2024-1"}, Affected: append(in("Red Hat:9", "a"), in("Red Hat:8", "a")...)},
		{Source: "osv-red-hat", ID: "RHSA-2024:2", Related: []string{"CVE-2024-1"}, Affected: in("Red Hat:9", "a")},
		{Source: "suse-csaf", ID: "SUSE-SU-2024:1-1", Related: []string{"CVE-2024-1"}, Affected: in("SUSE:x", "a")},
		{Source: "osv-suse", ID: "SUSE-SU-2024:1-1", Related: []string{"CVE-2024-1"}, Affected: in("SUSE:x", "a")},
		{Source: "osv-npm", ID: "GHSA-1", Aliases: []string{"CVE-2024-1"}, Affected: in("Debian:12", "a")},
		{Source: "rocky-apollo", ID: "RLSA-1", Related: []string{"CVE-2024-1"}, Affected: in("Rocky Linux:9", "a")},
		{Source: "osv-rocky-linux", ID: "RLSA-1", Related: []string{"CVE-2024-1"}, Affected: append(in("Rocky Linux:9", "a"), in("Rocky Linux:8", "a")...)},
		{Source: "osv-rocky-linux", ID: "RLSA-2", Aliases: []string{"RLSA-1"}, Related: []string{"CVE-2024-1"}, Affected: in("Rocky Linux:9", "a")},
		{Source: "wolfi-secdb", ID: "CVE-2024-1", Affected: in("Wolfi", "a")},
		{Source: "wolfi-secdb", ID: "GHSA-1", Affected: in("Wolfi", "a")},
		{Source: "wolfi-secdb", ID: "GHSA-2", Affected: in("Wolfi", "a")},
		{Source: "osv-wolfi", ID: "CGA-1", Aliases: []string{"CVE-2024-1", "GHSA-1", "GHSA-3"}, Affected: in("Wolfi", "a")},
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
		"Red Hat:9":     {"osv-red-hat RHSA-2024:2", "redhat-csaf-advisories RHSA-2024:1"},
		"Red Hat:8":     {"osv-red-hat RHSA-2024:1"},
		"SUSE:x":        {"suse-csaf SUSE-SU-2024:1-1"},
		"Debian:10":     {"osv-debian DEBIAN-CVE-2024-1 =CVE-2024-1"},
		"Rocky Linux:9": {"osv-rocky-linux RLSA-2 =RLSA-1", "rocky-apollo RLSA-1"},
		"Rocky Linux:8": {"osv-rocky-linux RLSA-1"},
		"Wolfi":         {"wolfi-secdb CVE-2024-1 =GHSA-1", "wolfi-secdb GHSA-1 =CVE-2024-1", "wolfi-secdb GHSA-2"},
	} {
		var got []string
		for a, err := range db.Lookup(t.Context(), ecosystem, "a") {
			if err != nil {
				t.Fatal(err)
			}
			said := a.Source + " " + a.ID
			if len(a.Aliases) > 0 {
				said += " =" + strings.Join(a.Aliases, "=")
			}
			got = append(got, said)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", ecosystem, d)
		}
	}
}

// TestConversionsByRecord: of an archive that mixes records, those alone are left out
// that the publisher's own feed has under the same name, on the same stream.
func TestConversionsByRecord(t *testing.T) {
	in := func(ecosystem, stream string) []advisory.Affected {
		return []advisory.Affected{{Ecosystem: ecosystem, Package: "a", Stream: stream, Ranges: []version.Interval{{Fixed: "2"}}}}
	}
	cves := []string{"CVE-2024-1", "CVE-2024-2"}
	b := advisorydb.NewBuilder()
	for _, a := range []advisory.Advisory{
		{Source: "rustsec", ID: "RUSTSEC-2024-1", Aliases: []string{"CVE-2024-1"}, Affected: in("crates.io", "")},
		{Source: "osv-crates.io", ID: "RUSTSEC-2024-1", Affected: in("crates.io", "")},
		{Source: "osv-crates.io", ID: "RUSTSEC-2024-2", Affected: in("crates.io", "")},
		{Source: "osv-crates.io", ID: "GHSA-1", Aliases: []string{"RUSTSEC-2024-1"}, Affected: in("crates.io", "")},
		{Source: "ubuntu-usn", ID: "USN-1-1", Related: cves, Affected: in("Ubuntu:22.04:LTS", "")},
		{Source: "ubuntu-osv", ID: "USN-1-1", Related: cves, Affected: append(in("Ubuntu:22.04:LTS", ""), in("Ubuntu:22.04:LTS", "esm")...)},
		{Source: "osv-ubuntu", ID: "USN-1-1", Related: cves, Affected: in("Ubuntu:22.04:LTS", "esm")},
		{Source: "osv-ubuntu", ID: "USN-2-1", Related: cves, Affected: in("Ubuntu:22.04:LTS", "")},
		{Source: "ubuntu-tracker", ID: "CVE-2024-1", Affected: in("Ubuntu:20.04:LTS", "")},
		{Source: "ubuntu-osv", ID: "UBUNTU-CVE-2024-1", Aliases: []string{"CVE-2024-1"}, Affected: in("Ubuntu:20.04:LTS", "")},
		{Source: "osv-ubuntu", ID: "UBUNTU-CVE-2024-1", Aliases: []string{"CVE-2024-1"}, Affected: in("Ubuntu:20.04:LTS", "")},
		{Source: "debian-advisories", ID: "DSA-1-1", Related: cves, Affected: in("Debian:12", "")},
		{Source: "osv-debian", ID: "DSA-1-1", Related: cves, Affected: in("Debian:12", "")},
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
		"crates.io":        {"osv-crates.io GHSA-1", "osv-crates.io RUSTSEC-2024-2", "rustsec RUSTSEC-2024-1"},
		"Ubuntu:22.04:LTS": {"osv-ubuntu USN-2-1", "ubuntu-osv USN-1-1 esm", "ubuntu-usn USN-1-1"},
		"Ubuntu:20.04:LTS": {"ubuntu-tracker CVE-2024-1"},
		"Debian:12":        {"debian-advisories DSA-1-1"},
	} {
		var got []string
		for a, err := range db.Lookup(t.Context(), ecosystem, "a") {
			if err != nil {
				t.Fatal(err)
			}
			line := a.Source + " " + a.ID
			for _, af := range a.Affected {
				if af.Stream != "" {
					line += " " + af.Stream
				}
			}
			got = append(got, line)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", ecosystem, d)
		}
	}
}
