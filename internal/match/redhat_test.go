package match_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/match"
)

// redHatRepositories are some of Red Hat's, with the products they belong to.
var redHatRepositories = map[string][]string{
	"rhel-8-for-x86_64-baseos-rpms":        {"cpe:/o:redhat:enterprise_linux:8::baseos", "cpe:/o:redhat:rhel:8.3::baseos"},
	"rhel-8-for-x86_64-appstream-rpms":     {"cpe:/a:redhat:enterprise_linux:8::appstream"},
	"rhel-8-for-x86_64-baseos-eus-rpms":    {"cpe:/o:redhat:rhel_eus:8.4::baseos", "cpe:/o:redhat:rhel_eus:8.6::baseos"},
	"rhel-8-for-x86_64-appstream-eus-rpms": {"cpe:/a:redhat:rhel_eus:8.4::appstream", "cpe:/a:redhat:rhel_eus:8.6::appstream"},
	"rhocp-4.12-for-rhel-8-x86_64-rpms":    {"cpe:/a:redhat:openshift:4.12::el8"},
}

func module(name string) func(*inventory.Package) {
	return func(p *inventory.Package) { p.Module = name }
}

// TestRedHat: what is heard depends on where an image's packages came from.
func TestRedHat(t *testing.T) {
	const (
		vex   = "redhat-csaf-vex "
		plain = " stream:enterprise_linux:8"
		base  = " stream:enterprise_linux:8::baseos"
		app   = " stream:enterprise_linux:8::appstream"
		eus   = "Red_Hat:rhel_eus:8.6|"
		eus86 = " stream:rhel_eus:8.6::baseos"
	)
	ubi := []string{"rhel-8-for-x86_64-baseos-rpms", "rhel-8-for-x86_64-appstream-rpms"}
	held := []string{"rhel-8-for-x86_64-baseos-eus-rpms", "rhel-8-for-x86_64-appstream-eus-rpms__8_DOT_6"}
	curl := pkg("rpm", "libcurl", "7.61.1-22.el8_6.3", source("curl", "7.61.1-22.el8_6.3"))
	tests := []struct {
		name         string
		release      string
		repositories []string
		packages     []inventory.Package
		advisories   []string
		want         []string
		note         string // in the coverage
	}{
		{"plain repositories", "8.9", ubi, []inventory.Package{curl},
			[]string{vex + "CVE-1 Red_Hat:8|libcurl <7.61.1-30.el8" + base, vex + "CVE-2 " + eus + "libcurl <7.61.1-22.el8_6.9" + eus86},
			[]string{"libcurl CVE-1 affected 7.61.1-30.el8"}, ""},
		{"no content sets is a guess", "8.9", nil, []inventory.Package{curl},
			[]string{vex + "CVE-1 Red_Hat:8|libcurl <7.61.1-30.el8" + base, vex + "CVE-2 " + eus + "libcurl <7.61.1-22.el8_6.9" + eus86},
			[]string{"libcurl CVE-1 affected 7.61.1-30.el8"}, "assumed: the default repositories of the release"},
		{"unknown content sets are a guess", "8.9", []string{"something"}, []inventory.Package{curl},
			[]string{vex + "CVE-1 Red_Hat:8|libcurl <7.61.1-30.el8" + base}, []string{"libcurl CVE-1 affected 7.61.1-30.el8"},
			"assumed: the default repositories of the release; 1 of the image's content sets are not known"},
		{"extended support has its own fixes", "8.6", held, []inventory.Package{curl},
			[]string{vex + "CVE-1 Red_Hat:8|libcurl <7.61.1-30.el8_9" + base, vex + "CVE-2 " + eus + "libcurl <7.61.1-22.el8_6.9" + eus86},
			[]string{"libcurl CVE-2 affected 7.61.1-22.el8_6.9"}, ""},
		{"another minor release of extended support", "8.4", held, []inventory.Package{curl},
			[]string{vex + "CVE-2 " + eus + "libcurl <7.61.1-22.el8_6.9" + eus86, vex + "CVE-3 Red_Hat:rhel_eus:8.4|libcurl <7.61.1-22.el8_6.4 stream:rhel_eus:8.4::baseos"},
			[]string{"libcurl CVE-3 affected 7.61.1-22.el8_6.4"}, ""},
		{"extended support: fixes from before it began, and states of the whole product", "8.6", held, []inventory.Package{curl},
			[]string{vex + "CVE-1 Red_Hat:8|libcurl <7.61.1-22.el8_6.4" + base, vex + "CVE-2 Red_Hat:8|curl arch:src will_not_fix" + plain,
				vex + "CVE-3 Red_Hat:8|curl arch:src affected" + plain, vex + "CVE-3 " + eus + "libcurl <7.61.1-22.el8_6.1" + eus86},
			[]string{"libcurl CVE-1 affected 7.61.1-22.el8_6.4", "libcurl CVE-2 will_not_fix"}, ""},
		{"a product in the labels", "8.6", []string{"cpe:/a:redhat:rhel_eus:8.6::appstream"}, []inventory.Package{curl},
			[]string{vex + "CVE-1 Red_Hat:8|libcurl <7.61.1-30.el8_9" + base, vex + "CVE-2 " + eus + "libcurl <7.61.1-22.el8_6.9" + eus86},
			[]string{"libcurl CVE-2 affected 7.61.1-22.el8_6.9"}, "assumed: the default repositories of the release"},
		{"layered products", "8.9", append([]string{"rhocp-4.12-for-rhel-8-x86_64-rpms"}, ubi...),
			[]inventory.Package{pkg("rpm", "cri-o", "1.25.1-1.rhaos4.12.el8"), pkg("rpm", "zlib", "1.2.11-20.el8")},
			[]string{vex + "CVE-1 Red_Hat:openshift:4.12|cri-o <1.25.5-1.rhaos4.12.el8 stream:openshift:4.12::el8",
				vex + "CVE-1 Red_Hat:openshift:4.13|cri-o <1.26.5-1.rhaos4.13.el8 stream:openshift:4.13::el8", vex + "CVE-2 Red_Hat:8|zlib <1.2.11-21.el8" + base},
			[]string{"cri-o CVE-1 affected 1.25.5-1.rhaos4.12.el8", "zlib CVE-2 affected 1.2.11-21.el8"}, ""},
		{"another repository of the product only where its own is not named", "8.9", ubi,
			[]inventory.Package{pkg("rpm", "a", "1-1.el8"), pkg("rpm", "b", "1-1.el8")},
			[]string{vex + "CVE-1 Red_Hat:8|a <1-2.el8 stream:enterprise_linux:8::crb", vex + "CVE-1 Red_Hat:8|b <1-1.el8" + app, vex + "CVE-1 Red_Hat:8|b <1-3.el8 stream:enterprise_linux:8::nfv"},
			[]string{"a CVE-1 affected 1-2.el8"}, ""},
		{"states", "8.9", ubi, []inventory.Package{curl},
			[]string{vex + "CVE-1 Red_Hat:8|curl arch:src will_not_fix" + plain, vex + "CVE-2 Red_Hat:8|curl arch:src deferred" + plain,
				vex + "CVE-3 Red_Hat:8|curl arch:src end_of_life" + plain, vex + "CVE-4 Red_Hat:8|curl arch:src undetermined" + plain,
				vex + "CVE-5 Red_Hat:8|curl arch:src affected" + plain, vex + "CVE-6 Red_Hat:8|curl arch:src not_affected" + plain},
			[]string{"libcurl CVE-1 will_not_fix", "libcurl CVE-2 deferred", "libcurl CVE-3 end_of_life", "libcurl CVE-4 undetermined", "libcurl CVE-5 affected"}, ""},
		{"a binary's word outweighs its source's", "8.9", ubi, []inventory.Package{curl, pkg("rpm", "curl", "7.61.1-22.el8_6.3")},
			[]string{vex + "CVE-1 Red_Hat:8|curl arch:src affected" + plain, vex + "CVE-1 Red_Hat:8|libcurl not_affected" + plain},
			[]string{"curl CVE-1 affected"}, ""},
		{"not affected beats an errata's range, and Red Hat's word the conversion's", "8.9", ubi, []inventory.Package{curl},
			[]string{vex + "CVE-1 Red_Hat:8|libcurl not_affected" + plain, "osv-red-hat RHSA-1+CVE-1+CVE-2 Red_Hat:8|libcurl <9-1.el8" + base},
			[]string{"libcurl CVE-2 affected 9-1.el8"}, ""},
		{"each minor release has a fix of its own", "8.9", ubi,
			[]inventory.Package{pkg("rpm", "a", "7-23.el8_8.4"), pkg("rpm", "b", "7-26.el8"), pkg("rpm", "c", "7-23.el8_8.3"), pkg("rpm", "d", "7-20.el8")},
			func() (all []string) {
				for _, p := range []string{"a", "b", "c", "d"} {
					all = append(all, vex+"CVE-1 Red_Hat:8|"+p+" <7-23.el8_8.4"+base, vex+"CVE-1 Red_Hat:8|"+p+" <7-26.el8_9.2"+base)
				}
				return all
			}(),
			[]string{"b CVE-1 affected 7-26.el8_9.2", "c CVE-1 affected 7-23.el8_8.4", "d CVE-1 affected 7-23.el8_8.4"}, ""},
		{"modules", "8.9", ubi,
			[]inventory.Package{
				pkg("rpm", "nodejs", "1:18.9.0-1.module+el8.7.0+1+a", module("nodejs:18")),
				pkg("rpm", "npm", "1:8.19.0-1.18.9.0.1.module+el8.7.0+1+a", module("nodejs:18"), source("nodejs", "1:18.9.0-1.module+el8.7.0+1+a")),
				pkg("rpm", "ruby", "2.5.1-1.el8"),
			},
			[]string{
				vex + "CVE-1 Red_Hat:8|nodejs <1:18.19.0-1.module+el8.9.0+1+b module:nodejs:18" + app, vex + "CVE-1 Red_Hat:8|nodejs <1:20.1.0-1.module+el8.9.0+1+b module:nodejs:20" + app,
				vex + "CVE-2 Red_Hat:8|nodejs <1:20.1.0-1.module+el8.9.0+1+b module:nodejs:20" + app,
				vex + "CVE-3 Red_Hat:8|nodejs arch:src module:nodejs:18 will_not_fix" + plain, vex + "CVE-3 Red_Hat:8|nodejs arch:src module:nodejs:16 affected" + plain,
				vex + "CVE-4 Red_Hat:8|nodejs arch:src not_affected" + plain, vex + "CVE-4 Red_Hat:8|nodejs arch:src module:nodejs:18 affected" + plain,
				vex + "CVE-5 Red_Hat:8|ruby <2.7.8-1.module+el8.8.0+1+b module:ruby:2.7" + app,
			},
			[]string{"nodejs CVE-1 affected 1:18.19.0-1.module+el8.9.0+1+b", "nodejs CVE-3 will_not_fix", "nodejs CVE-4 affected", "npm CVE-3 will_not_fix", "npm CVE-4 affected"}, ""},
		{"CentOS has no content sets", "8", ubi[:0], []inventory.Package{curl},
			[]string{vex + "CVE-1 Red_Hat:8|libcurl <7.61.1-30.el8" + base, vex + "CVE-2 " + eus + "libcurl <7.61.1-22.el8_6.9" + eus86},
			[]string{"libcurl CVE-1 affected 7.61.1-30.el8"}, "assumed: Red Hat's advisories of the same release"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := advisorydb.NewBuilder()
			for _, s := range tt.advisories {
				a := adv(s)
				a.Affected[0].Ecosystem = strings.ReplaceAll(a.Affected[0].Ecosystem, "rhel eus", "rhel_eus")
				if err := b.Add(a); err != nil {
					t.Fatal(err)
				}
			}
			for id, cpes := range redHatRepositories {
				if err := b.Repository(id, cpes); err != nil {
					t.Fatal(err)
				}
			}
			// The ecosystem is there even where nothing is said in it.
			if err := b.Source(advisorydb.Source{Name: "redhat-csaf-vex", Ecosystems: []string{"Red Hat:8"}}); err != nil {
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
			id := "rhel"
			if strings.HasPrefix(tt.name, "CentOS") {
				id = "centos"
			}
			inv := &inventory.Inventory{Distro: distro(id, tt.release), Packages: tt.packages, Repositories: tt.repositories}
			res, err := match.Match(t.Context(), inv, db)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range res.Findings {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", f.Package.Name, f.ID, f.State, f.FixedVersion)))
			}
			slices.Sort(got)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if note := res.Coverage[0].Note; note != tt.note {
				t.Errorf("note %q, want %q", note, tt.note)
			}
			if len(res.Unknowns) > 0 {
				t.Errorf("unknown: %v", res.Unknowns)
			}
		})
	}
}

// TestRedHatExtendedNotCovered: without data on an extended release the plain one's is
// no answer.
func TestRedHatExtendedNotCovered(t *testing.T) {
	db := snapshot(t, "redhat-csaf-vex CVE-1 Red_Hat:8|libcurl <9-1.el8 stream:enterprise_linux:8::baseos")
	inv := &inventory.Inventory{Distro: distro("rhel", "8.6"), Packages: []inventory.Package{pkg("rpm", "libcurl", "1-1.el8")},
		Repositories: []string{"cpe:/o:redhat:rhel_eus:8.6::baseos"}}
	res, err := match.Match(t.Context(), inv, db)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Findings) > 0 || len(res.Unknowns) != 1 || res.Unknowns[0].Reason != inventory.FeedMissing {
		t.Errorf("%+v, %+v", res.Findings, res.Unknowns)
	}
}
