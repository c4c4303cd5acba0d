package match_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/match"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// vex makes a statement: "FLAW[=ALIAS…] STATUS [@DAY] PRODUCT[>PART…]…", where what begins with
// cpe: or sha is no package URL and a name in brackets has no identifier.
func vex(s string) advisory.Statement {
	f := strings.Fields(s)
	ids := strings.Split(f[0], "=")
	out := advisory.Statement{Flaw: ids[0], Aliases: ids[1:], Source: "user.json", Document: "doc", Author: "A", Timestamp: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	if err := out.Status.UnmarshalText([]byte(f[1])); err != nil {
		panic(err)
	}
	if out.Status == advisory.StatusNotAffected {
		out.Justification = advisory.CodeNotPresent
	}
	component := func(s string) advisory.Component {
		switch {
		case strings.HasPrefix(s, "cpe:"):
			return advisory.Component{CPE: s}
		case strings.HasPrefix(s, "sha"):
			return advisory.Component{Hashes: []string{s}}
		case strings.HasPrefix(s, "["):
			return advisory.Component{Name: s}
		}
		return advisory.Component{PURL: "pkg:" + s}
	}
	for _, x := range f[2:] {
		if day, ok := strings.CutPrefix(x, "@"); ok {
			out.Timestamp, _ = time.Parse(time.DateOnly, day)
			continue
		}
		parts := strings.Split(x, ">")
		p := advisory.Product{Component: component(parts[0])}
		for _, c := range parts[1:] {
			p.Subcomponents = append(p.Subcomponents, component(c))
		}
		out.Products = append(out.Products, p)
	}
	return out
}

func found(path string, main bool) func(*inventory.Package) {
	return func(p *inventory.Package) {
		l := inventory.Location{Path: path, Main: main}
		if p.Locations[0].Path == "db" {
			p.Locations = nil
		}
		p.Locations = append(p.Locations, l)
	}
}

// image is what the tests' statements may know the image by.
var image = match.Image{Repository: "a.example/team/web", Tag: "1", Digests: []string{digest}, Arch: "amd64"}

// apply matches packages with one flaw in each and applies statements. The hub's begin with
// "hub ".
func apply(t *testing.T, inv *inventory.Inventory, advisories []string, statements ...string) *match.Result {
	t.Helper()
	b := advisorydb.NewBuilder()
	for _, s := range advisories {
		if err := b.Add(adv(s)); err != nil {
			t.Fatal(err)
		}
	}
	var stated []advisory.Statement
	for _, s := range statements {
		if rest, ok := strings.CutPrefix(s, "hub "); ok {
			st := vex(rest)
			st.Source = "vex-hub-x"
			if err := b.Statement(st); err != nil {
				t.Fatal(err)
			}
			continue
		}
		stated = append(stated, vex(s))
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
	res, err := match.Match(t.Context(), inv, db)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Apply(t.Context(), inv, image, db, stated); err != nil {
		t.Fatal(err)
	}
	return res
}

// TestVEX: each case gives what is left to stand as "ID" or "ID (STATUS by SOURCE)", and
// what is suppressed as "-ID STATUS by SOURCE". The inventory is always the same.
func TestVEX(t *testing.T) {
	inv := func() *inventory.Inventory {
		return &inventory.Inventory{
			Distro: &inventory.Distro{ID: "debian", VersionID: "12", Codename: "bookworm", CPE: "cpe:/o:debian:debian_linux:12"},
			Packages: []inventory.Package{
				pkg("deb", "libssl3", "3.0.9-1", source("openssl", "3.0.9-1"), func(p *inventory.Package) { p.Namespace, p.Arch = "debian", "amd64" }),
				pkg("golang", "web", "v1.0.0", func(p *inventory.Package) { p.Namespace = "a.example" }, found("bin/web", true), found("bin/tool", false)),
				pkg("golang", "tool", "", func(p *inventory.Package) { p.Namespace = "a.example" }, found("bin/tool", true)),
				pkg("golang", "stdlib", "1.20.3", found("bin/web", false)),
				pkg("golang", "text", "v0.3.0", func(p *inventory.Package) { p.Namespace = "golang.org/x" }, found("bin/web", false), found("bin/tool", false)),
				pkg("npm", "app", "2.0.0", found("srv/package.json", false)),
				pkg("npm", "left", "1.0.0", found("srv/node_modules/left/package.json", false)),
				pkg("maven", "org.a:outer", "1", found("app.war", false)),
				pkg("maven", "org.a:inner", "2", found("app.war!/WEB-INF/lib/inner.jar", false), func(p *inventory.Package) { p.SHA1 = "ab" }),
			},
		}
	}
	advisories := []string{
		"debian-tracker CVE-1 Debian:12|openssl <3.0.11-1",
		"go-vulndb GO-2=CVE-2 Go|stdlib 0<1.20.4",
		"go-vulndb GO-3=CVE-3 Go|golang.org/x/text 0<0.4.0",
		"osv-npm GHSA-4=CVE-4 npm|left 0<2.0.0",
		"osv-maven GHSA-5=CVE-5 Maven|org.a:inner 0<3",
		"go-vulndb GO-6=CVE-6 Go|a.example/web 0<2.0.0",
	}
	stands := []string{"CVE-1", "CVE-2", "CVE-3", "CVE-4", "CVE-5", "CVE-6"}
	tests := []struct {
		name string
		said []string
		want string // what differs from all standing
	}{
		{"nothing is said", nil, ""},
		{"the package, all versions", []string{"CVE-4 not_affected npm/left"}, "-CVE-4 not_affected by user.json"},
		{"the package, this version", []string{"CVE-4 fixed npm/left@1.0.0"}, "-CVE-4 fixed by user.json"},
		{"the package, another version", []string{"CVE-4 not_affected npm/left@1.0.1"}, ""},
		{"another package", []string{"CVE-4 not_affected npm/right"}, ""},
		{"another flaw", []string{"CVE-5 not_affected npm/left"}, ""},
		{"by alias", []string{"ghsa-4 not_affected npm/left"}, "-CVE-4 not_affected by user.json"},
		{"by the statement's alias", []string{"X-1=CVE-4 not_affected npm/left"}, "-CVE-4 not_affected by user.json"},
		{"another CVE with a name in common", []string{"CVE-99=GHSA-4 not_affected npm/left"}, ""},
		{"affected", []string{"CVE-4 affected npm/left"}, "CVE-4 (affected by user.json)"},
		{"under investigation", []string{"CVE-4 under_investigation npm/left"}, "CVE-4 (under_investigation by user.json)"},

		{"binary package", []string{"CVE-1 not_affected deb/debian/libssl3"}, "-CVE-1 not_affected by user.json"},
		{"its release", []string{"CVE-1 not_affected deb/debian/libssl3?distro=debian-12&arch=amd64"}, "-CVE-1 not_affected by user.json"},
		{"its release by codename", []string{"CVE-1 not_affected deb/debian/libssl3?distro=bookworm"}, "-CVE-1 not_affected by user.json"},
		{"another release", []string{"CVE-1 not_affected deb/debian/libssl3?distro=bullseye"}, ""},
		{"another architecture", []string{"CVE-1 not_affected deb/debian/libssl3?arch=arm64"}, ""},
		{"source package, not called one", []string{"CVE-1 not_affected deb/debian/openssl"}, ""},
		{"source package", []string{"CVE-1 not_affected deb/debian/openssl@3.0.9-1?arch=source"}, "-CVE-1 not_affected by user.json"},
		{"source package, another version", []string{"CVE-1 not_affected deb/debian/openssl@3.0.9-2?arch=source"}, ""},
		{"the system, its package", []string{"CVE-1 not_affected cpe:/o:debian:debian_linux:12>deb/debian/libssl3"}, "-CVE-1 not_affected by user.json"},
		{"the system as a whole", []string{"CVE-1 not_affected cpe:/o:debian:debian_linux:12"}, "-CVE-1 not_affected by user.json"},
		{"another system", []string{"CVE-1 not_affected cpe:/o:debian:debian_linux:11>deb/debian/libssl3"}, ""},
		{"the system says nothing of others' packages", []string{"CVE-4 not_affected cpe:/o:debian:debian_linux:12"}, ""},

		{"the image by repository", []string{"CVE-4 not_affected oci/web?repository_url=a.example/team/web"}, "-CVE-4 not_affected by user.json"},
		{"the image by repository without its name", []string{"CVE-4 not_affected oci/web?repository_url=a.example/team"}, "-CVE-4 not_affected by user.json"},
		{"another repository", []string{"CVE-4 not_affected oci/web?repository_url=b.example/team/web"}, ""},
		{"the image by name", []string{"CVE-4 not_affected oci/web"}, "-CVE-4 not_affected by user.json"},
		{"the image by tag", []string{"CVE-4 not_affected oci/web?tag=1&arch=amd64"}, "-CVE-4 not_affected by user.json"},
		{"another tag", []string{"CVE-4 not_affected oci/web?tag=2"}, ""},
		{"the image by digest, from wherever", []string{"CVE-4 not_affected oci/mirror@" + digest + "?repository_url=b.example/mirror"}, "-CVE-4 not_affected by user.json"},
		{"another digest", []string{"CVE-4 not_affected oci/web@sha256:ff?repository_url=a.example/team/web"}, ""},
		{"the image by hash", []string{"CVE-4 not_affected " + digest}, "-CVE-4 not_affected by user.json"},
		{"a part of the image", []string{"CVE-4 not_affected oci/web>npm/right>npm/left@1.0.0"}, "-CVE-4 not_affected by user.json"},
		{"another part of the image", []string{"CVE-4 not_affected oci/web>npm/right"}, ""},
		{"a part that cannot be identified", []string{"CVE-4 not_affected oci/web>[thing]"}, ""},
		{"a product that cannot be identified", []string{"CVE-4 not_affected [web]"}, ""},
		{"one product of several", []string{"CVE-4 not_affected npm/right oci/web>npm/left npm/x"}, "-CVE-4 not_affected by user.json"},

		{"a part of a program", []string{"CVE-2 not_affected golang/a.example/web>golang/stdlib@v1.20.3"}, "-CVE-2 not_affected by user.json"},
		{"a program as a whole", []string{"CVE-2 not_affected golang/a.example/web@v1.0.0"}, "-CVE-2 not_affected by user.json"},
		{"a part of another version of it", []string{"CVE-2 not_affected golang/a.example/web@v1.0.1>golang/stdlib"}, ""},
		{"a module that is only a part too", []string{"CVE-2 not_affected golang/golang.org/x/text>golang/stdlib"}, ""},
		{"the program itself, of which a part is named", []string{"CVE-6 not_affected golang/a.example/web>golang/stdlib"}, ""},
		{"in one program of two", []string{"CVE-3 not_affected golang/a.example/web>golang/golang.org/x/text"}, ""},
		{"in both programs", []string{"CVE-3 not_affected golang/a.example/web>golang/golang.org/x/text", "CVE-3 fixed golang/a.example/tool"}, "-CVE-3 not_affected by user.json"},
		{"in one, and affected in the other", []string{"CVE-3 not_affected golang/a.example/web>golang/golang.org/x/text", "CVE-3 affected golang/a.example/tool"}, "CVE-3 (affected by user.json)"},
		{"in a package's node_modules", []string{"CVE-4 not_affected npm/app@2.0.0>npm/left"}, "-CVE-4 not_affected by user.json"},
		{"in an archive", []string{"CVE-5 not_affected maven/org.a/outer>maven/org.a/inner"}, "-CVE-5 not_affected by user.json"},
		{"by hash of the archive", []string{"CVE-5 not_affected sha1:ab"}, "-CVE-5 not_affected by user.json"},

		{"a hub", []string{"hub CVE-2 not_affected golang/a.example/web>golang/stdlib@1.20.3"}, "-CVE-2 not_affected by vex-hub-x"},
		{"a hub on the image", []string{"hub CVE-1 not_affected oci/web?repository_url=a.example/team/web>deb/debian/libssl3"}, "-CVE-1 not_affected by vex-hub-x"},
		{"a hub on a digest", []string{"hub CVE-1 not_affected oci/other@" + digest}, "-CVE-1 not_affected by vex-hub-x"},
		{"a hub on a source", []string{"hub CVE-1 not_affected deb/debian/openssl?arch=source"}, "-CVE-1 not_affected by vex-hub-x"},
		{"a hub on the system", []string{"hub CVE-1 not_affected cpe:/o:debian:debian_linux:12>deb/debian/libssl3"}, "-CVE-1 not_affected by vex-hub-x"},
		{"a hub on a hash", []string{"hub CVE-5 fixed sha1:ab"}, "-CVE-5 fixed by vex-hub-x"},
		{"a hub on another version", []string{"hub CVE-2 not_affected golang/a.example/web@v2>golang/stdlib@1.20.3"}, ""},

		{"the later counts", []string{"CVE-4 not_affected npm/left", "CVE-4 affected @2024-02-01 npm/left"}, "CVE-4 (affected by user.json)"},
		{"the later counts, the other way", []string{"CVE-4 affected npm/left", "CVE-4 fixed @2024-02-01 npm/left"}, "-CVE-4 fixed by user.json"},
		{"at the same time what stands", []string{"CVE-4 not_affected npm/left", "CVE-4 affected npm/left"}, "CVE-4 (affected by user.json)"},
		{"at the same time the user's", []string{"CVE-4 not_affected npm/left", "hub CVE-4 affected npm/left"}, "-CVE-4 not_affected by user.json"},
		{"a later hub", []string{"CVE-4 not_affected npm/left", "hub CVE-4 affected @2024-02-01 npm/left"}, "CVE-4 (affected by vex-hub-x)"},
		{"an earlier hub", []string{"CVE-4 affected npm/left", "hub CVE-4 not_affected @2023-02-01 npm/left"}, "CVE-4 (affected by user.json)"},
		{"a later one on another product", []string{"CVE-4 not_affected npm/left", "CVE-4 affected @2024-02-01 npm/left@9"}, "-CVE-4 not_affected by user.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := slices.Clone(stands)
			if tt.want != "" {
				id, _, _ := strings.Cut(strings.TrimPrefix(tt.want, "-"), " ")
				want = slices.DeleteFunc(want, func(s string) bool { return s == id })
				want = append(want, tt.want)
			}
			slices.Sort(want)
			for _, turned := range []bool{false, true} {
				said := slices.Clone(tt.said)
				if turned {
					slices.Reverse(said)
				}
				res := apply(t, inv(), advisories, said...)
				var got []string
				for _, f := range res.Findings {
					s := f.ID
					if f.VEX != nil {
						s += fmt.Sprintf(" (%s by %s)", f.VEX.Status, f.VEX.Source)
					}
					got = append(got, s)
				}
				for _, f := range res.Suppressed {
					got = append(got, fmt.Sprintf("-%s %s by %s", f.ID, f.VEX.Status, f.VEX.Source))
				}
				slices.Sort(got)
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("turned %v: %s", turned, d)
				}
			}
		})
	}
}

// An errata record joins flaws; a statement on one of them says nothing of the others.
func TestVEXErrata(t *testing.T) {
	inv := &inventory.Inventory{Distro: distro("almalinux", "9"), Packages: []inventory.Package{pkg("rpm", "openssl", "3-1")}}
	advisories := []string{"osv-almalinux ALSA-1+CVE-1+CVE-2 AlmaLinux:9|openssl <3-2"}
	res := apply(t, inv, advisories, "CVE-1=ALSA-1 not_affected rpm/openssl")
	if len(res.Suppressed) != 1 || res.Suppressed[0].ID != "CVE-1" || len(res.Findings) != 1 {
		t.Errorf("%+v", res)
	}
	res = apply(t, inv, advisories, "ALSA-1 fixed rpm/openssl@3-1")
	if len(res.Suppressed) != 2 {
		t.Errorf("a statement on the errata itself: %+v", res)
	}
}

func TestVEXUnmatched(t *testing.T) {
	inv := &inventory.Inventory{Packages: []inventory.Package{pkg("npm", "left", "1.0.0")}}
	advisories := []string{"osv-npm GHSA-4=CVE-4 npm|left 0<2.0.0"}
	said := []string{
		"CVE-4 not_affected npm/left@1.0.0", "CVE-4 affected @2020-01-01 npm/left", "CVE-4 fixed npm/left@2.0.0", "CVE-9 fixed npm/left", "CVE-9 fixed oci/web>npm/right",
		"CVE-4 fixed [thing]", "hub CVE-9 fixed npm/left",
	}
	res := apply(t, inv, advisories, said...)
	var got []string
	for _, u := range res.Unmatched {
		got = append(got, u.Flaw+" "+u.Products[0].String()+": "+u.Why)
	}
	want := []string{
		"CVE-4 pkg:npm/left@2.0.0: the product is not here", "CVE-9 pkg:npm/left: the flaw was not found in the product",
		"CVE-9 pkg:oci/web: the flaw was not found in the product", "CVE-4 [thing]: the product is not here",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]match.Document{{Source: "user.json", ID: "doc", Author: "A", Statements: 6, Matched: 2}}, res.Documents); d != "" {
		t.Error(d)
	}
	// Without anything said the result is as it was.
	res = apply(t, inv, advisories)
	if res.Documents != nil || res.Unmatched != nil || res.Suppressed != nil {
		t.Errorf("%+v", res)
	}
}

// brokenHub fails when it is asked.
type brokenHub struct{ *advisorydb.DB }

func (brokenHub) Statements(context.Context, string) iter.Seq2[advisory.Statement, error] {
	return func(yield func(advisory.Statement, error) bool) {
		yield(advisory.Statement{}, context.DeadlineExceeded)
	}
}

func TestVEXBrokenHub(t *testing.T) {
	inv := &inventory.Inventory{Packages: []inventory.Package{pkg("npm", "left", "1.0.0")}}
	db := snapshot(t, "osv-npm GHSA-4=CVE-4 npm|left 0<2.0.0")
	res, err := match.Match(t.Context(), inv, db)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Apply(t.Context(), inv, image, brokenHub{db}, nil); err == nil || !strings.Contains(err.Error(), "looking up VEX statements") {
		t.Error(err)
	}
}

var _ match.Hub = (*advisorydb.DB)(nil)
