package match_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/match"
	"github.com/plimsoll/plimsoll/internal/version"
)

// adv makes an advisory: "SOURCE ID[=ALIAS…][+RELATED…] ECOSYSTEM|PACKAGE [STATE] [<FIXED] [FROM<FIXED] [=VERSION]".
func adv(s string) advisory.Advisory {
	f := strings.Fields(s)
	a := advisory.Advisory{Source: f[0]}
	ids := strings.FieldsFunc(strings.ReplaceAll(strings.ReplaceAll(f[1], "=", " ="), "+", " +"), func(r rune) bool { return r == ' ' })
	a.ID = ids[0]
	for _, x := range ids[1:] {
		if x[0] == '=' {
			a.Aliases = append(a.Aliases, x[1:])
		} else {
			a.Related = append(a.Related, x[1:])
		}
	}
	eco, pkg, _ := strings.Cut(f[2], "|")
	aff := advisory.Affected{Ecosystem: strings.ReplaceAll(eco, "_", " "), Package: pkg}
	for _, x := range f[3:] {
		switch {
		case strings.HasPrefix(x, "="):
			aff.Versions = append(aff.Versions, x[1:])
		case strings.Contains(x, "<"):
			from, fixed, _ := strings.Cut(x, "<")
			aff.Ranges = append(aff.Ranges, version.Interval{Introduced: from, Fixed: fixed})
		case strings.HasPrefix(x, "sev:"):
			for v := advisory.SeverityUnknown; v <= advisory.SeverityCritical; v++ {
				if v.String() == x[4:] {
					aff.Severity = v
				}
			}
		case strings.HasPrefix(x, "arch:"):
			aff.Arch = x[5:]
		case strings.HasPrefix(x, "stream:"):
			aff.Stream = x[7:]
		case strings.HasPrefix(x, "module:"):
			aff.Module = x[7:]
		default:
			for st := advisory.StateAffected; st <= advisory.StateEndOfLife; st++ {
				if st.String() == x {
					aff.State = st
				}
			}
		}
	}
	a.Affected = []advisory.Affected{aff}
	return a
}

// snapshot builds a real one of these advisories.
func snapshot(t *testing.T, advisories ...string) *advisorydb.DB {
	t.Helper()
	b := advisorydb.NewBuilder()
	for _, s := range advisories {
		if err := b.Add(adv(s)); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return written(t, b)
}

func pkg(typ, name, ver string, with ...func(*inventory.Package)) inventory.Package {
	p := inventory.Package{Type: typ, Name: name, Version: ver, Locations: []inventory.Location{{Path: "db"}}}
	if ns, n, ok := strings.Cut(name, ":"); ok {
		p.Namespace, p.Name = ns, n
	}
	if typ == "deb" || typ == "apk" || typ == "rpm" {
		p.Source = inventory.Source{Name: name, Version: ver}
	}
	for _, w := range with {
		w(&p)
	}
	return p
}

func source(name, ver string) func(*inventory.Package) {
	return func(p *inventory.Package) { p.Source = inventory.Source{Name: name, Version: ver} }
}

func ownedBy(name string) func(*inventory.Package) {
	return func(p *inventory.Package) { p.OwnedBy = name }
}

func distro(id, ver string) *inventory.Distro { return &inventory.Distro{ID: id, VersionID: ver} }

// TestMatch: each case names what is found as "package ID state [fixed]".
func TestMatch(t *testing.T) {
	tests := []struct {
		name       string
		distro     *inventory.Distro
		packages   []inventory.Package
		advisories []string
		want       []string
	}{
		{"source package and source version", distro("debian", "12"),
			[]inventory.Package{pkg("deb", "libssl3", "3.0.9-1+b2", source("openssl", "3.0.9-1"))},
			[]string{"debian-tracker CVE-1 Debian:12|openssl <3.0.11-1", "debian-tracker CVE-2 Debian:12|libssl3 <9"},
			[]string{"libssl3 CVE-1 affected 3.0.11-1"}},
		{"binNMU is not above the source's fix", distro("debian", "12"),
			[]inventory.Package{pkg("deb", "a", "1-1+b9", source("a", "1-1"))},
			[]string{"debian-tracker CVE-1 Debian:12|a <1-1"}, nil},
		{"two binary packages of one source are two findings", distro("alpine", "3.10.9"),
			[]inventory.Package{pkg("apk", "libcrypto1.1", "1.1.1g-r0", source("openssl", "1.1.1g-r0")), pkg("apk", "libssl1.1", "1.1.1g-r0", source("openssl", "1.1.1g-r0"))},
			[]string{"alpine-secdb CVE-1 Alpine:v3.10|openssl <1.1.1i-r0"},
			[]string{"libcrypto1.1 CVE-1 affected 1.1.1i-r0", "libssl1.1 CVE-1 affected 1.1.1i-r0"}},
		{"tracker wins over OSV", distro("debian", "12"),
			[]inventory.Package{pkg("deb", "a", "1")},
			[]string{"osv-debian DEBIAN-CVE-1=CVE-1 Debian:12|a <2", "debian-tracker CVE-1 Debian:12|a unimportant sev:negligible"},
			[]string{"a CVE-1 unimportant"}},
		{"not affected says so", distro("debian", "12"),
			[]inventory.Package{pkg("deb", "a", "1")},
			[]string{"osv-debian DSA-1+CVE-1 Debian:12|a <2", "debian-tracker CVE-1 Debian:12|a not_affected"}, nil},
		{"errata cover several flaws", distro("almalinux", "9.2"),
			[]inventory.Package{pkg("rpm", "vim", "2:8-1")},
			[]string{"osv-almalinux ALSA-1+CVE-1+CVE-2 AlmaLinux:9|vim <2:8-2"},
			[]string{"vim CVE-1 affected 2:8-2", "vim CVE-2 affected 2:8-2"}},
		{"errata of a modular build are for modular builds", distro("almalinux", "8.4"),
			[]inventory.Package{pkg("rpm", "nodejs", "1:10.1-1.el8"), pkg("rpm", "npm", "1:6-1.module_el8+1")},
			[]string{"osv-almalinux ALSA-1+CVE-1 AlmaLinux:8|nodejs <1:12-1.module_el8+5", "osv-almalinux ALSA-2+CVE-2 AlmaLinux:8|npm <1:7-1.module_el8+5"},
			[]string{"npm CVE-2 affected 1:7-1.module_el8+5"}},
		{"Oracle's builds for Ksplice and FIPS are their own", distro("ol", "8.9"),
			[]inventory.Package{pkg("rpm", "glibc", "2.28-151.el8"), pkg("rpm", "gnutls", "3.6.16-4.el8"), pkg("rpm", "openssl", "2:1.1.1k-4.ksplice1.el8"), pkg("rpm", "libgcrypt", "10:1.8.5-6.el8_fips")},
			[]string{
				"oracle-linux-oval ELSA-1+CVE-1 Oracle_Linux:8|glibc <2:2.28-151.ksplice1.el8", "oracle-linux-oval ELSA-2+CVE-2 Oracle_Linux:8|gnutls <10:3.6.16-8.el8_fips",
				"oracle-linux-oval ELSA-3+CVE-3 Oracle_Linux:8|glibc <2.28-164.el8", "oracle-linux-oval ELSA-4+CVE-4 Oracle_Linux:8|openssl <2:1.1.1k-5.ksplice1.el8",
				"oracle-linux-oval ELSA-5+CVE-5 Oracle_Linux:8|libgcrypt <10:1.8.5-7.el8_fips", "oracle-linux-oval ELSA-6+CVE-5 Oracle_Linux:8|libgcrypt <1.8.5-7.el8",
			},
			[]string{"glibc CVE-3 affected 2.28-164.el8", "libgcrypt CVE-5 affected 10:1.8.5-7.el8_fips", "openssl CVE-4 affected 2:1.1.1k-5.ksplice1.el8"}},
		{"a fix for Ubuntu's subscribers is none for others", distro("ubuntu", "22.04"),
			[]inventory.Package{pkg("deb", "a", "1-1"), pkg("deb", "b", "2-2"), pkg("deb", "c", "1-1")},
			[]string{"ubuntu-oval-22.04 CVE-1 Ubuntu:22.04:LTS|a <1-1ubuntu0.1~esm1", "ubuntu-oval-22.04 CVE-2 Ubuntu:22.04:LTS|b <1-1ubuntu0.1~esm1",
				"ubuntu-oval-22.04 CVE-3 Ubuntu:22.04:LTS|c deferred <1-1ubuntu0.1+esm1"},
			[]string{"a CVE-1 will_not_fix", "c CVE-3 deferred"}},
		{"but for subscribers", distro("ubuntu", "22.04"),
			[]inventory.Package{pkg("deb", "a", "1-1"), pkg("deb", "b", "1-1ubuntu0.1~esm2")},
			[]string{"ubuntu-oval-22.04 CVE-1 Ubuntu:22.04:LTS|a <1-1ubuntu0.1~esm1", "ubuntu-oval-22.04 CVE-2 Ubuntu:22.04:LTS|b <1-1ubuntu0.1~esm1",
				"osv-ubuntu UBUNTU-CVE-2=CVE-2 Ubuntu:22.04:LTS|b"},
			[]string{"a CVE-1 affected 1-1ubuntu0.1~esm1"}},
		{"Ubuntu's builds for FIPS", distro("ubuntu", "20.04"),
			[]inventory.Package{pkg("deb", "openssl", "1.1.1f-1ubuntu2.16"), pkg("deb", "openssh", "1:8.2p1-4ubuntu0.fips.0.1"), pkg("deb", "libgcrypt20", "1.8.5-5ubuntu1+Fips1")},
			[]string{"ubuntu-oval-20.04 CVE-1 Ubuntu:20.04:LTS|openssl <1.1.1f-1ubuntu2.fips.7.1", "ubuntu-oval-20.04 CVE-2 Ubuntu:20.04:LTS|openssh <1:8.2p1-4ubuntu0.fips.0.2",
				"ubuntu-oval-20.04 CVE-3 Ubuntu:20.04:LTS|openssh <2:9", "ubuntu-oval-20.04 CVE-4 Ubuntu:20.04:LTS|libgcrypt20 <1.8.5-5ubuntu1.1"},
			[]string{"libgcrypt20 CVE-4 affected 1.8.5-5ubuntu1.1", "openssh CVE-2 affected 1:8.2p1-4ubuntu0.fips.0.2"}},
		{"Red Hat's unfixed and unaffected packages beside its errata", distro("rhel", "9.4"),
			[]inventory.Package{pkg("rpm", "a", "1-1"), pkg("rpm", "b", "2-1"), pkg("rpm", "c", "1-1")},
			[]string{"osv-red-hat RHSA-1+CVE-1+CVE-2 Red_Hat:9|a <2-1", "osv-red-hat RHSA-1+CVE-1+CVE-2 Red_Hat:9|b <2-1",
				"red-hat-oval-9 CVE-1 Red_Hat:9|a not_affected", "red-hat-oval-9 CVE-2 Red_Hat:9|b will_not_fix", "red-hat-oval-9 CVE-3 Red_Hat:9|c will_not_fix"},
			[]string{"a CVE-2 affected 2-1", "c CVE-3 will_not_fix"}},
		{"SUSE's own definitions", distro("sles", "15.6"),
			[]inventory.Package{pkg("rpm", "a", "1-1"), pkg("rpm", "b", "1-1")},
			[]string{"osv-suse SUSE-SU-1+CVE-1+CVE-2 SUSE:Linux_Enterprise_Module_for_Basesystem_15_SP6|a <2-1", "suse-oval CVE-2 SUSE:Linux_Enterprise_Module_for_Basesystem_15_SP6|a not_affected",
				"suse-oval CVE-3 SUSE:Linux_Enterprise_Server_15_SP6|b"},
			[]string{"a CVE-1 affected 2-1", "b CVE-3 affected"}},
		{"SUSE 16 has no modules", distro("sles", "16.0"),
			[]inventory.Package{pkg("rpm", "a", "1-1")},
			[]string{"suse-oval CVE-1 SUSE:Linux_Enterprise_Server_16.0|a <2-1"}, []string{"a CVE-1 affected 2-1"}},
		{"another architecture", distro("amzn", "2023"),
			[]inventory.Package{pkg("rpm", "a", "1-1", func(p *inventory.Package) { p.Arch = "x86_64" })},
			[]string{"amazon ALAS-1+CVE-1 Amazon_Linux:2023|a <2 arch:aarch64", "amazon ALAS-2+CVE-2 Amazon_Linux:2023|a <2 arch:x86_64"},
			[]string{"a CVE-2 affected 2"}},
		{"AlmaLinux by binary package and module stream", distro("almalinux", "8.9"),
			[]inventory.Package{pkg("rpm", "ruby", "2.7-1.module_el8+1", func(p *inventory.Package) { p.Module = "ruby:2.7" })},
			[]string{
				"almalinux-errata ALSA-1+CVE-1 AlmaLinux:8|ruby <2.7-2.module_el8+9 module:ruby:2.7",
				"almalinux-errata ALSA-2+CVE-2 AlmaLinux:8|ruby <3.1-1.module_el8+9 module:ruby:3.1",
				"osv-almalinux ALSA-1+CVE-1 AlmaLinux:8|ruby <3.1-1.module_el8+9",
			},
			[]string{"ruby CVE-1 affected 2.7-2.module_el8+9"}},
		{"Rocky Linux by source package", distro("rocky", "9.3"),
			[]inventory.Package{pkg("rpm", "bind-libs", "32:9.16-1.el9", source("bind", "32:9.16-1.el9"))},
			[]string{"rocky-apollo RLSA-1+CVE-1 Rocky_Linux:9|bind <32:9.16-2.el9", "rocky-apollo RLSA-2+CVE-2 Rocky_Linux:9|bind-libs <99"},
			[]string{"bind-libs CVE-1 affected 32:9.16-2.el9"}},
		{"Photon by binary package", distro("photon", "5.0"),
			[]inventory.Package{pkg("rpm", "curl-libs", "8.1-1.ph5", source("curl", "8.1-1.ph5"))},
			[]string{"photon-cve CVE-1 Photon_OS:5.0|curl-libs <8.1-2.ph5", "photon-cve CVE-2 Photon_OS:5.0|curl <9", "photon-cve CVE-3 Photon_OS:4.0|curl-libs <9"},
			[]string{"curl-libs CVE-1 affected 8.1-2.ph5"}},
		{"Arch by package, whatever a group beside it says", distro("arch", ""),
			[]inventory.Package{pkg("alpm", "lib32-curl", "8.1-1", source("curl", "8.1-1"))},
			[]string{
				"arch-linux AVG-1+CVE-1 Arch_Linux|lib32-curl <8.1-2", "arch-linux AVG-2+CVE-2+CVE-3 Arch_Linux|lib32-curl <8.1-1",
				"arch-linux AVG-3+CVE-3 Arch_Linux|lib32-curl not_affected", "arch-linux AVG-4+CVE-4 Arch_Linux|lib32-curl undetermined", "arch-linux AVG-5+CVE-5 Arch_Linux|curl <9",
			},
			[]string{"lib32-curl CVE-1 affected 8.1-2", "lib32-curl CVE-4 undetermined"}},
		{"Wolfi by origin, and its database goes before OSV's records", distro("wolfi", "20230201"),
			[]inventory.Package{pkg("apk", "libssl3", "3.1.0-r0", source("openssl", "3.1.0-r0"))},
			[]string{
				"wolfi-secdb CVE-1 Wolfi|openssl <3.1.0-r1", "wolfi-secdb GHSA-1 Wolfi|openssl <3.1.0-r1", "wolfi-secdb CVE-2 Wolfi|openssl not_affected",
				"osv-wolfi CGA-1=CVE-1=GHSA-1 Wolfi|openssl <3.2.0-r0", "osv-wolfi CGA-2=CVE-2 Wolfi|openssl 0<9", "wolfi-secdb CVE-3 Wolfi|libssl3 <9",
			},
			[]string{"libssl3 CVE-1 affected 3.1.0-r1"}},
		{"Chainguard", distro("chainguard", "20230214"),
			[]inventory.Package{pkg("apk", "app", "1-r0")},
			[]string{"chainguard-secdb CVE-1 Chainguard|app <1-r1", "wolfi-secdb CVE-2 Wolfi|app <1-r1"},
			[]string{"app CVE-1 affected 1-r1"}},
		{"MinimOS", distro("minimos", "20250101"),
			[]inventory.Package{pkg("apk", "app", "1-r0")}, []string{"minimos-secdb CVE-1 MinimOS|app <1-r1"}, []string{"app CVE-1 affected 1-r1"}},
		{"Echo by source package, and not by Debian's word", distro("echo", "12"),
			[]inventory.Package{pkg("deb", "libcurl4", "8-1", source("curl", "8-1"))},
			[]string{"echo CVE-1 Echo|curl <8-1+e1", "debian-tracker CVE-2 Debian:12|curl <9", "echo CVE-3 Echo|curl <8-1"},
			[]string{"libcurl4 CVE-1 affected 8-1+e1"}},
		{"names of the SUSE products", distro("sles", "15.6"),
			[]inventory.Package{pkg("rpm", "zlib", "1-1")},
			[]string{"osv-suse SUSE-1+CVE-1 SUSE:Linux_Enterprise_Module_for_Basesystem_15_SP6|zlib <2-1", "osv-suse SUSE-2+CVE-2 SUSE:Linux_Enterprise_Server_15_SP5-LTSS|zlib <2-1"},
			[]string{"zlib CVE-1 affected 2-1"}},
		{"an ecosystem only called Alpine", distro("alpine", "3.10"),
			[]inventory.Package{pkg("apk", "a", "1-r0")},
			[]string{"alpine-secdb CVE-9 Alpine:v3.10|z <2-r0", "osv-vendor X-1=CVE-1 Alpine|a <2-r0"}, nil},
		{"aliases are one finding", nil,
			[]inventory.Package{pkg("pypi", "jinja2", "2.0")},
			[]string{"osv-pypi GHSA-1=CVE-1 PyPI|jinja2 <2.1", "osv-pypi PYSEC-1=CVE-1=GHSA-1 PyPI|Jinja2 <2.2"},
			[]string{"jinja2 CVE-1 affected 2.1"}},
		{"aliases that meet only through a third", nil,
			[]inventory.Package{pkg("golang", "example.com:m", "v1.0.0")},
			[]string{"osv-go GHSA-1=CVE-1 Go|example.com/m <1.2.0", "go-vulndb GO-1=CVE-1=GHSA-2 Go|example.com/m <1.3.0", "osv-go GHSA-2 Go|example.com/m <1.2.0"},
			[]string{"example.com/m CVE-1 affected 1.3.0"}},
		{"the narrower range of the better source", nil,
			[]inventory.Package{pkg("golang", "example.com:m", "v1.2.0")},
			[]string{"osv-go GHSA-1=CVE-1 Go|example.com/m <2.0.0", "go-vulndb GO-1=CVE-1 Go|example.com/m <1.1.0"}, nil},
		{"go versions", nil,
			[]inventory.Package{pkg("golang", "stdlib", "1.20.1"), pkg("golang", "e.com:main", "(devel)"), pkg("golang", "e.com:inc", "v2.0.0+incompatible")},
			[]string{"go-vulndb GO-1=CVE-1 Go|stdlib <1.19.9 1.20.0<1.20.4", "go-vulndb GO-2=CVE-2 Go|e.com/main <9.0.0", "go-vulndb GO-3=CVE-3 Go|e.com/inc <2.0.1"},
			[]string{"e.com/inc CVE-3 affected 2.0.1", "stdlib CVE-1 affected 1.20.4"}},
		{"versions listed one by one", nil,
			[]inventory.Package{pkg("npm", "x", "1.0.0"), pkg("npm", "y", "1.0.1")},
			[]string{"osv-npm GHSA-1 npm|x =1.0.0", "osv-npm GHSA-2 npm|y =1.0.0"},
			[]string{"x GHSA-1 affected"}},
		{"maven needs the group", nil,
			[]inventory.Package{pkg("maven", "org.a:x", "1.0"), pkg("maven", "x", "1.0")},
			[]string{"osv-maven GHSA-1=CVE-1 Maven|org.a:x <1.1"},
			[]string{"org.a:x CVE-1 affected 1.1"}},
		{"runtimes by signature", nil,
			[]inventory.Package{pkg("generic", "node", "20.1.0")},
			[]string{"osv-bitnami BIT-node-1=CVE-1 Bitnami|node 20.0.0<20.2.0"},
			[]string{"node CVE-1 affected 20.2.0"}},
		{"runtimes by their project's own list too", nil,
			[]inventory.Package{pkg("generic", "node", "20.1.0")},
			[]string{"osv-bitnami BIT-node-1=CVE-1 Bitnami|node 20.0.0<20.2.0", "nodejs-core NODEJS-CORE-1=CVE-1 generic|node 20<20.2.0", "nodejs-core NODEJS-CORE-2=CVE-2 generic|node 20<20.1.1"},
			[]string{"node CVE-1 affected 20.2.0", "node CVE-2 affected 20.1.1"}},
		{"owned by the distribution", distro("debian", "12"),
			[]inventory.Package{pkg("deb", "python3-idna", "3.3-1"), pkg("pypi", "idna", "3.3", ownedBy("python3-idna"))},
			[]string{"osv-pypi GHSA-1=CVE-1 PyPI|idna <3.7", "debian-tracker CVE-1 Debian:12|python3-idna <3.3-2"},
			[]string{"python3-idna CVE-1 affected 3.3-2"}},
		{"owned, in an ecosystem without data", distro("debian", "12"),
			[]inventory.Package{pkg("deb", "node", "18-1"), pkg("generic", "node", "18.1", ownedBy("node"))},
			[]string{"debian-tracker CVE-1 Debian:12|node <18-2"},
			[]string{"node CVE-1 affected 18-2"}},
		{"owned by a third party's build is matched by itself", distro("debian", "12"),
			[]inventory.Package{pkg("deb", "nodejs", "20.1.0-1nodesource1"), pkg("generic", "node", "20.1.0", ownedBy("nodejs"))},
			[]string{"debian-tracker CVE-1 Debian:12|nodejs <99", "osv-bitnami BIT-1=CVE-2 Bitnami|node <20.2.0"},
			[]string{"node CVE-2 affected 20.2.0"}},
		{"kernel headers are no kernel", distro("debian", "12"),
			[]inventory.Package{pkg("deb", "linux-libc-dev", "6.1-1", source("linux", "6.1-1")), pkg("deb", "linux-pam", "1")},
			[]string{"debian-tracker CVE-1 Debian:12|linux <6.2-1", "debian-tracker CVE-2 Debian:12|linux-pam <2"},
			[]string{"linux-pam CVE-2 affected 2"}},
		{"every version", distro("debian", "12"),
			[]inventory.Package{pkg("deb", "a", "1")},
			[]string{"debian-tracker CVE-1 Debian:12|a", "debian-tracker CVE-2 Debian:12|a end_of_life", "debian-tracker CVE-3 Debian:12|a deferred"},
			[]string{"a CVE-1 affected", "a CVE-2 end_of_life", "a CVE-3 deferred"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inv := &inventory.Inventory{Distro: tt.distro, Packages: tt.packages}
			res, err := match.Match(t.Context(), inv, snapshot(t, tt.advisories...))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range res.Findings {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", f.Package.FullName(), f.ID, f.State, f.FixedVersion)))
			}
			slices.Sort(got)
			if len(res.Unknowns) > 0 {
				t.Errorf("unknowns %+v", res.Unknowns)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestUnmatchedIsNeverSilent: what cannot be matched leaves an unknown or a note.
func TestUnmatchedIsNeverSilent(t *testing.T) {
	db := []string{"debian-tracker CVE-1 Debian:12|a <2", "osv-npm GHSA-1 npm|x <2.0.0", "osv-bitnami BIT-1 Bitnami|node <2.0.0"}
	tests := []struct {
		name   string
		distro *inventory.Distro
		pkg    inventory.Package
		reason inventory.Reason
	}{
		{"no os-release", nil, pkg("deb", "a", "1"), inventory.DistroUnsupported},
		{"a distribution nobody reads for", distro("fancyos", "1"), pkg("rpm", "a", "1"), inventory.DistroUnsupported},
		{"CentOS Stream is not Red Hat's release", &inventory.Distro{ID: "centos", VersionID: "9", Name: "CentOS Stream"}, pkg("rpm", "a", "1"), inventory.DistroUnsupported},
		{"a release without data", distro("debian", "11"), pkg("deb", "a", "1"), inventory.FeedMissing},
		{"a distribution without data", distro("alpine", "3.20.1"), pkg("apk", "a", "1-r0"), inventory.FeedMissing},
		{"a language without data", nil, pkg("pypi", "a", "1"), inventory.AnalysisPartial},
		{"a version nobody can order", distro("debian", "12"), pkg("deb", "a", "not a version!"), inventory.AnalysisPartial},
		{"a type without advisories", nil, pkg("luarocks", "a", "1"), inventory.NoPackagesIdentified},
		{"a program nobody watches", nil, pkg("generic", "busybox", "1.33.0"), inventory.NoPackagesIdentified},
		{"a main module without version", nil, pkg("npm", "x", ""), inventory.NoPackagesIdentified},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inv := &inventory.Inventory{Distro: tt.distro, Packages: []inventory.Package{tt.pkg}}
			res, err := match.Match(t.Context(), inv, snapshot(t, db...))
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Findings) != 0 {
				t.Errorf("findings %+v", res.Findings)
			}
			var reasons []inventory.Reason
			for _, u := range res.Unknowns {
				reasons = append(reasons, u.Reason)
			}
			if !slices.Contains(reasons, tt.reason) {
				t.Errorf("unknowns %v, want %s", reasons, tt.reason)
			}
			if tt.reason == inventory.NoPackagesIdentified && (len(res.Coverage) != 1 || res.Coverage[0].Note == "") {
				t.Errorf("coverage %+v says nothing", res.Coverage)
			}
		})
	}
}

// TestSeverityNamesItsSource: the vendor's word first, else what the flaw is rated elsewhere.
func TestSeverityNamesItsSource(t *testing.T) {
	b := advisorydb.NewBuilder()
	for _, a := range []advisory.Advisory{
		adv("alpine-secdb CVE-1 Alpine:v3.10|a <2-r0"),
		adv("alpine-secdb CVE-2 Alpine:v3.10|a <2-r0 sev:low"),
		{ID: "GHSA-1", Aliases: []string{"CVE-1"}, Source: "osv-npm", Severity: advisory.SeverityHigh, Summary: "bad thing"},
		{ID: "GHSA-2", Aliases: []string{"CVE-2"}, Source: "osv-npm", Severity: advisory.SeverityCritical},
	} {
		if len(a.Affected) == 0 {
			a.Affected = []advisory.Affected{{Ecosystem: "npm", Package: "x"}}
		}
		if err := b.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Enrich("CVE-1", advisory.Enrichment{Exploited: &advisory.Exploited{Added: "2024-01-01"}, EPSS: &advisory.EPSS{Score: 0.5, Percentile: 0.9}}); err != nil {
		t.Fatal(err)
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
	res, err := match.Match(t.Context(), &inventory.Inventory{Distro: distro("alpine", "3.10.9"), Packages: []inventory.Package{pkg("apk", "a", "1-r0")}}, db)
	if err != nil || len(res.Findings) != 2 {
		t.Fatalf("%v, %d findings", err, len(res.Findings))
	}
	one, two := res.Findings[0], res.Findings[1]
	if one.ID != "CVE-1" || one.Severity != advisory.SeverityHigh || one.SeveritySource != "osv-npm" || one.Title != "bad thing" || one.Exploited == nil || one.EPSS == nil {
		t.Errorf("%+v", one)
	}
	if two.ID != "CVE-2" || two.Severity != advisory.SeverityLow || two.SeveritySource != "alpine-secdb" {
		t.Errorf("%+v", two)
	}
}

// plain hides what a Lookup can do besides.
type plain struct{ db match.Lookup }

func (p plain) Covers(ecosystem string) bool { return p.db.Covers(ecosystem) }
func (p plain) Lookup(ctx context.Context, ecosystem, name string) iter.Seq2[advisory.Advisory, error] {
	return p.db.Lookup(ctx, ecosystem, name)
}
func (p plain) Enrich(ctx context.Context, id string) (advisory.Enrichment, bool, error) {
	return p.db.Enrich(ctx, id)
}

// TestVersionLookup: leaving out what does not matter to a version changes nothing of what
// is found.
func TestVersionLookup(t *testing.T) {
	versions := []string{"1", "1.1", "2", "2~rc1", "3-1", "10"}
	id := rapid.SampledFrom([]string{"CVE-2024-1", "CVE-2024-2", "CVE-2024-3", "GHSA-2345-6789-cfgh", "DSA-1", "X"})
	rapid.Check(t, func(rt *rapid.T) {
		one := func(what string) string { return rapid.SampledFrom(versions).Draw(rt, what) }
		b := advisorydb.NewBuilder()
		for range rapid.IntRange(1, 12).Draw(rt, "records") {
			a := advisory.Advisory{ID: id.Draw(rt, "ID"), Source: rapid.SampledFrom([]string{"debian-tracker", "osv-debian", "other"}).Draw(rt, "source"),
				Aliases: rapid.SliceOfN(id, 0, 2).Draw(rt, "aliases")}
			if rapid.IntRange(0, 3).Draw(rt, "errata") == 0 {
				a.Related = rapid.SliceOfN(id, 1, 2).Draw(rt, "related")
			}
			f := advisory.Affected{Ecosystem: "Debian:12", Package: "p", State: rapid.SampledFrom([]advisory.State{advisory.StateAffected, advisory.StateNotAffected, advisory.StateWillNotFix}).Draw(rt, "state")}
			for range rapid.IntRange(0, 2).Draw(rt, "ranges") {
				f.Ranges = append(f.Ranges, version.Interval{Introduced: rapid.SampledFrom([]string{"0", one("from")}).Draw(rt, "introduced"), Fixed: one("fixed")})
			}
			a.Affected = []advisory.Affected{f}
			if err := b.Add(a); err != nil {
				rt.Fatal(err)
			}
		}
		db := written(t, b)
		inv := &inventory.Inventory{Distro: distro("debian", "12"), Packages: []inventory.Package{pkg("deb", "p", one("installed"))}}
		want, err := match.Match(t.Context(), inv, plain{db})
		if err != nil {
			rt.Fatal(err)
		}
		got, err := match.Match(t.Context(), inv, db)
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatal(d)
		}
	})
}
