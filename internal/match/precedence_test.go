package match_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/match"
)

// TestPrecedence: what a distribution or an ecosystem says of its package wins over what
// NVD and GHSA say of the same flaw, in version, state and severity. Each case is in a
// snapshot where both hold the installed version to be affected critically, NVD as a
// product of the package's name.
func TestPrecedence(t *testing.T) {
	const (
		nvd  = "nvd CVE-2024-1 NVD|openssl:openssl 0<99"
		ghsa = "osv-npm GHSA-1=CVE-2024-1 npm|openssl 0<99 sev:critical"
	)
	osPkg := func(typ, ver string) inventory.Package { return pkg(typ, "openssl", ver) }
	tests := []struct {
		name       string
		distro     *inventory.Distro
		pkg        inventory.Package
		advisories []string
		// want is "SOURCE FIXED STATE SEVERITY by SOURCE", or "" for no finding.
		want string
	}{
		{"Debian", distro("debian", "12"), osPkg("deb", "3.0.9-1"),
			[]string{"debian-tracker CVE-2024-1 Debian:12|openssl <3.0.11-1 sev:low", "osv-debian DEBIAN-CVE-2024-1=CVE-2024-1 Debian:12|openssl <4 sev:high"},
			"debian-tracker 3.0.11-1 affected low by debian-tracker"},
		{"Debian: not affected", distro("debian", "12"), osPkg("deb", "3.0.9-1"),
			[]string{"debian-tracker CVE-2024-1 Debian:12|openssl not_affected", "osv-debian DSA-1-1+CVE-2024-1 Debian:12|openssl <4"}, ""},
		{"Debian: unimportant", distro("debian", "12"), osPkg("deb", "3.0.9-1"),
			[]string{"debian-tracker CVE-2024-1 Debian:12|openssl unimportant sev:negligible"}, "debian-tracker  unimportant negligible by debian-tracker"},
		{"Alpine", distro("alpine", "3.20.1"), osPkg("apk", "3.3.0-r0"),
			[]string{"alpine-secdb CVE-2024-1 Alpine:v3.20|openssl <3.3.1-r0 sev:low", "osv-alpine ALPINE-1=CVE-2024-1 Alpine:v3.20|openssl <9-r0"},
			"alpine-secdb 3.3.1-r0 affected low by alpine-secdb"},
		{"Alpine: fixed", distro("alpine", "3.20.1"), osPkg("apk", "3.3.1-r0"), []string{"alpine-secdb CVE-2024-1 Alpine:v3.20|openssl <3.3.1-r0"}, ""},
		{"Amazon Linux", distro("amzn", "2023"), osPkg("rpm", "3.0.8-1.amzn2023"),
			[]string{"amazon-linux-2023 ALAS2023-2024-1+CVE-2024-1 Amazon_Linux:2023|openssl <3.0.8-2.amzn2023 sev:medium"},
			"amazon-linux-2023 3.0.8-2.amzn2023 affected medium by amazon-linux-2023"},
		{"Red Hat", distro("rhel", "9.4"), osPkg("rpm", "3.0.7-1.el9"),
			[]string{"osv-red-hat RHSA-2024:1+CVE-2024-1 Red_Hat:9|openssl <3.0.7-2.el9 sev:low"}, "osv-red-hat 3.0.7-2.el9 affected low by osv-red-hat"},
		{"SUSE", distro("sles", "15.5"), osPkg("rpm", "3.0.8-150500.1"),
			[]string{"osv-suse SUSE-SU-2024:1-1+CVE-2024-1 SUSE:Linux_Enterprise_Module_for_Basesystem_15_SP5|openssl <3.0.8-150500.2 sev:medium"},
			"osv-suse 3.0.8-150500.2 affected medium by osv-suse"},
		{"AlmaLinux", distro("almalinux", "9.4"), osPkg("rpm", "3.0.7-1.el9"),
			[]string{"osv-almalinux ALSA-2024:1+CVE-2024-1 AlmaLinux:9|openssl <3.0.7-2.el9 sev:low"}, "osv-almalinux 3.0.7-2.el9 affected low by osv-almalinux"},
		{"Rocky Linux", distro("rocky", "9.4"), osPkg("rpm", "3.0.7-1.el9"),
			[]string{"osv-rocky-linux RLSA-2024:1+CVE-2024-1 Rocky_Linux:9|openssl <3.0.7-2.el9 sev:low"}, "osv-rocky-linux 3.0.7-2.el9 affected low by osv-rocky-linux"},
		{"Mariner", distro("mariner", "2.0.20240101"), osPkg("rpm", "1.1.1k-1.cm2"),
			[]string{"mariner-2.0 CVE-2024-1 Mariner:2.0|openssl <1.1.1k-2.cm2 sev:high"}, "mariner-2.0 1.1.1k-2.cm2 affected high by mariner-2.0"},
		{"Go", nil, pkg("golang", "example.org/openssl", "v1.0.0"),
			[]string{"go-vulndb GO-2024-1=CVE-2024-1=GHSA-1 Go|example.org/openssl 0<1.2.0 sev:low", "osv-go GHSA-1=CVE-2024-1 Go|example.org/openssl 0<9.0.0 sev:high"},
			"go-vulndb 1.2.0 affected low by go-vulndb"},
		{"Go: not affected", nil, pkg("golang", "example.org/openssl", "v1.0.0"),
			[]string{"go-vulndb GO-2024-1=CVE-2024-1=GHSA-1 Go|example.org/openssl 0<0.9.0", "osv-go GHSA-1=CVE-2024-1 Go|example.org/openssl 0<9.0.0 sev:high"}, ""},
		{"npm", nil, pkg("npm", "other", "1.0.0"), []string{"osv-npm GHSA-2=CVE-2024-1 npm|other 0<1.0.1 sev:low"}, "osv-npm 1.0.1 affected low by osv-npm"},
		{"a runtime in Bitnami", nil, pkg("generic", "openssl", "3.0.9"),
			[]string{"osv-bitnami BIT-openssl-2024-1=CVE-2024-1 Bitnami|openssl 0<3.0.10 sev:low"}, "osv-bitnami 3.0.10 affected low by osv-bitnami"},
		{"a runtime in Bitnami: not affected", nil, pkg("generic", "openssl", "3.0.9"),
			[]string{"osv-bitnami BIT-openssl-2024-1=CVE-2024-1 Bitnami|openssl 0<3.0.8"}, ""},
		{"a runtime that only NVD knows", nil, pkg("generic", "openssl", "3.0.9"),
			[]string{"osv-bitnami BIT-openssl-2024-2=CVE-2024-2 Bitnami|openssl 0<3.0.8"}, "nvd 99 affected critical by nvd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db := enrichedSnapshot(t, append(tt.advisories, nvd, ghsa))
			res, err := match.Match(t.Context(), &inventory.Inventory{Distro: tt.distro, Packages: []inventory.Package{tt.pkg}}, db)
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Unknowns) > 0 {
				t.Errorf("unknowns %+v", res.Unknowns)
			}
			got := ""
			if len(res.Findings) > 0 {
				f := res.Findings[0]
				got = fmt.Sprintf("%s %s %s %s by %s", f.Source, f.FixedVersion, f.State, f.Severity, f.SeveritySource)
				if f.ID != "CVE-2024-1" || f.Rule == "" || f.SSVC == nil || f.SSVC.Exploitation != "poc" || len(f.CVSS) == 0 {
					t.Errorf("%+v", f)
				}
			}
			if got != tt.want || len(res.Findings) > 1 {
				t.Errorf("%d findings, the first %q, want %q", len(res.Findings), got, tt.want)
			}
		})
	}
}

// enrichedSnapshot is a snapshot in which NVD rates CVE-2024-1 critical.
func enrichedSnapshot(t *testing.T, advisories []string) *advisorydb.DB {
	t.Helper()
	b := advisorydb.NewBuilder()
	for _, s := range advisories {
		if err := b.Add(adv(s)); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := b.Enrich("CVE-2024-1", advisory.Enrichment{
		SeveritySource: "nvd", Severity: advisory.SeverityCritical,
		CVSS: []advisory.CVSS{{Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Source: "nvd"}},
		SSVC: &advisory.SSVC{Exploitation: "poc", TechnicalImpact: "total"},
	}); err != nil {
		t.Fatal(err)
	}
	return written(t, b)
}

func written(t *testing.T, b *advisorydb.Builder) *advisorydb.DB {
	t.Helper()
	dir := t.TempDir()
	if _, err := b.Write(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	db, err := advisorydb.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// TestRuntimesInNVD: by which names and in which order runtimes are held against NVD.
func TestRuntimesInNVD(t *testing.T) {
	db := snapshot(t,
		"nvd CVE-1 NVD|openssl:openssl 1.0.2<1.0.2k", "nvd CVE-2 NVD|openssl:openssl =1.0.2j", "nvd CVE-3 NVD|openssl:openssl 1.1.0<1.1.0c",
		"nvd CVE-4 NVD|f5:nginx <1.25.3", "nvd CVE-4 NVD|nginx:nginx <1.25.3", "nvd CVE-5 NVD|nginx:nginx 1.25.0-a<1.25.2",
		"nvd CVE-6 NVD|python:python <3.12.0", "nvd CVE-7 NVD|nodejs:node.js 20.0.0<20.3.1", "nvd CVE-8 NVD|oracle:openjdk =8.0.352",
		"nvd CVE-9 NVD|acme:busybox <9", "osv-npm GHSA-1 npm|openssl <9.0.0")
	for _, tt := range []struct {
		name, version string
		want          []string
	}{
		{"openssl", "1.0.2j", []string{"CVE-1", "CVE-2"}},
		{"openssl", "1.0.2k", nil},
		{"nginx", "1.25.1", []string{"CVE-4", "CVE-5"}},
		{"nginx", "1.25.0", []string{"CVE-4"}},
		{"python", "3.12.0b4", []string{"CVE-6"}},
		{"python", "3.12.0", nil},
		{"node", "20.3.0", []string{"CVE-7"}},
		{"java", "8.0.352", []string{"CVE-8"}},
	} {
		inv := &inventory.Inventory{Packages: []inventory.Package{pkg("generic", tt.name, tt.version)}}
		res, err := match.Match(t.Context(), inv, db)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range res.Findings {
			got = append(got, f.ID)
		}
		slices.Sort(got)
		if d := cmp.Diff(tt.want, got); d != "" || len(res.Unknowns) > 0 {
			t.Errorf("%s %s: %s, unknowns %+v", tt.name, tt.version, d, res.Unknowns)
		}
		if c := res.Coverage[0]; c.Ecosystem != "NVD" || c.Matched != 1 || !slices.Equal(res.Ecosystems, []string{"NVD"}) {
			t.Errorf("%s %s: coverage %+v of %v", tt.name, tt.version, c, res.Ecosystems)
		}
	}
	// One that neither names is listed only.
	res, err := match.Match(t.Context(), &inventory.Inventory{Packages: []inventory.Package{pkg("generic", "busybox", "1.33.0")}}, db)
	if err != nil || len(res.Findings) != 0 || res.Coverage[0].Matched != 0 || res.Coverage[0].Note == "" {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestRuntimeEnds: until when runtimes are supported, but for those of OS packages.
func TestRuntimeEnds(t *testing.T) {
	b := advisorydb.NewBuilder()
	for key, e := range map[string]advisory.Lifecycle{
		"node 16": {End: "2023-09-11"}, "openssl 1.1.1": {End: "2023-09-11"}, "openssl 1": {End: "2000-01-01"}, "python 3.12": {End: "2028-10-31"},
		"go 1.21": {End: "2024-08-13"}, "sqlite 3": {}, "postgresql 9.6": {End: "2021-11-11"}, "stdlib 1": {End: "2000-01-01"},
	} {
		if err := b.EndOfLife(key, e); err != nil {
			t.Fatal(err)
		}
	}
	inv := &inventory.Inventory{Packages: []inventory.Package{
		pkg("generic", "node", "16.20.2"), pkg("generic", "openssl", "1.1.1w"), pkg("generic", "python", "3.12.4"), pkg("golang", "stdlib", "v1.21.5"),
		pkg("generic", "sqlite", "3.40.1"), pkg("generic", "postgres", "9.6.24"), pkg("generic", "python", "3.1"), pkg("npm", "node", "16.20.2"), pkg("generic", "node", ""),
		pkg("generic", "node", "16.1.0"),
	}}
	inv.Packages[9].OwnedBy = "nodejs"
	res, err := match.Match(t.Context(), inv, written(t, b))
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]string{0: "2023-09-11", 1: "2023-09-11", 2: "2028-10-31", 3: "2024-08-13", 5: "2021-11-11"}
	for i := range inv.Packages {
		if p := &inv.Packages[i]; res.Ends[p] != want[i] {
			t.Errorf("%s %s %s: %q, want %q", p.Type, p.Name, p.Version, res.Ends[p], want[i])
		}
	}
}

// TestEndOfLife: the snapshot's word goes before the built-in table's.
func TestEndOfLife(t *testing.T) {
	known := advisorydb.NewBuilder()
	for key, e := range map[string]advisory.Lifecycle{
		"debian 12": {End: "2029-01-01"}, "alpine 3.21": {}, "ubuntu 24.04": {End: "2029-05-31", Extended: "2036-05-31"},
		"sles 15.0": {End: "2019-12-31"}, "photon 5.0": {End: "2030-01-01"}, "rhel 10": {End: "2035-05-31"}, "debian sid": {End: "2000-01-01"},
		"azurelinux 3.0": {End: "2027-08-01"},
	} {
		if err := known.EndOfLife(key, e); err != nil {
			t.Fatal(err)
		}
	}
	snapshot, silent := written(t, known), written(t, advisorydb.NewBuilder())
	for _, tt := range []struct {
		distro      *inventory.Distro
		with, alone string
	}{
		{distro("debian", "12"), "2029-01-01", "2028-06-30"},
		{distro("debian", "11"), "2026-08-31", "2026-08-31"},
		{&inventory.Distro{ID: "debian", Codename: "bookworm"}, "2029-01-01", "2028-06-30"},
		{distro("alpine", "3.21.3"), "", "2026-11-01"}, // known to have no end
		{distro("alpine", "3.22_alpha20250108"), "", ""},
		{distro("ubuntu", "24.04"), "2029-05-31", "2029-05-31"},
		{distro("sles", "15"), "2019-12-31", ""},
		{distro("sled", "15.5"), "2024-12-31", "2024-12-31"},
		{distro("photon", "5.0"), "2030-01-01", ""},
		{distro("redhat", "10.1"), "2035-05-31", ""},
		{distro("rhel", "8.10"), "2029-05-31", "2029-05-31"},
		{distro("amzn", "2018.03"), "2023-12-31", "2023-12-31"},
		{distro("azurelinux", "3.0"), "2027-08-01", ""},
		{distro("wolfi", "20230201"), "", ""},
	} {
		for db, want := range map[*advisorydb.DB]string{snapshot: tt.with, silent: tt.alone} {
			res, err := match.Match(t.Context(), &inventory.Inventory{Distro: tt.distro}, db)
			if err != nil || res.EOL != want {
				t.Errorf("%s %s: %q, %v, want %q", tt.distro.ID, tt.distro.VersionID, res.EOL, err, want)
			}
		}
	}
}
