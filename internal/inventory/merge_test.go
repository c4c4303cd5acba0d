package inventory_test

import (
	"archive/tar"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// view stacks layers of plain files; "p>target" is a symbolic link.
func view(t *testing.T, layers ...string) inventory.View {
	t.Helper()
	var changes []*rootfs.Changes
	for _, l := range layers {
		var es []imagetest.Entry
		for _, s := range strings.Fields(l) {
			e := imagetest.Entry{Path: s, Body: "x"}
			if p, to, ok := strings.Cut(s, ">"); ok {
				e = imagetest.Entry{Path: p, Link: to, Kind: tar.TypeSymlink}
			}
			es = append(es, e)
		}
		b := imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{imagetest.Layer(es...)}})
		c, err := rootfs.NewReader(rootfs.DefaultLimits()).Layer(t.Context(), b.Image.Layers[0])
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, c)
	}
	return rootfs.NewView(changes)
}

func deb(name, version string) inventory.Package {
	return inventory.Package{Name: name, Version: version, Type: "deb"}
}

// show writes packages as "type/name version layer:path… [owner]".
func show(inv *inventory.Inventory) []string {
	var out []string
	for _, p := range inv.Packages {
		s := p.Type + "/" + p.FullName() + " " + p.Version
		for _, l := range p.Locations {
			s += fmt.Sprintf(" %d:%s", l.Layer, l.Path)
		}
		if p.OwnedBy != "" {
			s += " [" + p.OwnedBy + "]"
		}
		out = append(out, s)
	}
	return out
}

const status = "var/lib/dpkg/status"

func TestMerge(t *testing.T) {
	dpkg := func(layer int, ps ...inventory.Package) inventory.Fragment {
		return inventory.Fragment{Extractor: "dpkg", Path: status, Layer: layer, Database: true, Packages: ps}
	}
	py := func(layer int, path string) inventory.Fragment {
		return inventory.Fragment{Extractor: "python", Path: path, Layer: layer,
			Packages: []inventory.Package{{Name: "idna", Version: "3.3", Type: "pypi"}}}
	}
	list := func(layer int, pkg string, paths ...string) inventory.Fragment {
		return inventory.Fragment{Extractor: "dpkg-files", Path: "var/lib/dpkg/info/" + pkg + ".list", Layer: layer,
			Owns: []inventory.Owner{{Package: pkg, Paths: paths}}}
	}
	const idna = "usr/lib/python3/dist-packages/idna-3.3.egg-info/PKG-INFO"
	tests := []struct {
		name      string
		layers    []string
		fragments []inventory.Fragment
		want      []string
		unknowns  int
	}{
		{"a package belongs to the layer that brought its version", []string{status, status, status},
			[]inventory.Fragment{
				dpkg(0, deb("a", "1"), deb("b", "1")),
				dpkg(1, deb("a", "1"), deb("b", "2"), deb("c", "1")),
				dpkg(2, deb("a", "1"), deb("b", "2")),
			},
			[]string{"deb/a 1 0:" + status, "deb/b 2 1:" + status}, 0},
		{"removed and installed again counts anew", []string{status, status, status},
			[]inventory.Fragment{dpkg(0, deb("a", "1")), dpkg(1), dpkg(2, deb("a", "1"))},
			[]string{"deb/a 1 2:" + status}, 0},
		{"database deleted", []string{status, "var/lib/dpkg/.wh.status"},
			[]inventory.Fragment{dpkg(0, deb("a", "1"))}, nil, 1},
		{"an empty database deleted is nothing", []string{status, "var/lib/dpkg/.wh.status"},
			[]inventory.Fragment{dpkg(0)}, nil, 0},
		{"two names of one database through a link", []string{"usr/lib/apk/db/installed lib>usr/lib", "lib/apk/db/installed"},
			[]inventory.Fragment{
				{Extractor: "apk", Path: "usr/lib/apk/db/installed", Layer: 0, Database: true, Packages: []inventory.Package{{Name: "a", Version: "1", Type: "apk"}}},
				{Extractor: "apk", Path: "lib/apk/db/installed", Layer: 1, Database: true, Packages: []inventory.Package{{Name: "a", Version: "1", Type: "apk"}, {Name: "b", Version: "1", Type: "apk"}}},
			},
			[]string{"apk/a 1 0:lib/apk/db/installed", "apk/b 1 1:lib/apk/db/installed"}, 0},
		{"owned by an OS package", []string{status + " " + idna + " var/lib/dpkg/info/python3-idna.list"},
			[]inventory.Fragment{dpkg(0, deb("python3-idna", "3.3-1")), list(0, "python3-idna", idna), py(0, idna)},
			[]string{"deb/python3-idna 3.3-1 0:" + status, "pypi/idna 3.3 0:" + idna + " [python3-idna]"}, 0},
		{"overwritten by a later layer is owned no more", []string{idna + " var/lib/dpkg/info/python3-idna.list", idna},
			[]inventory.Fragment{list(0, "python3-idna", idna), py(0, idna), py(1, idna)},
			[]string{"pypi/idna 3.3 1:" + idna}, 0},
		{"owner upgraded later owns again", []string{idna, idna + " var/lib/dpkg/info/python3-idna.list"},
			[]inventory.Fragment{list(1, "python3-idna", idna), py(1, idna)},
			[]string{"pypi/idna 3.3 1:" + idna + " [python3-idna]"}, 0},
		{"owned through merged usr", []string{"usr/lib/x/idna.dist-info/METADATA lib>usr/lib var/lib/dpkg/info/p.list"},
			[]inventory.Fragment{list(0, "p", "lib/x/idna.dist-info/METADATA"), py(0, "usr/lib/x/idna.dist-info/METADATA")},
			[]string{"pypi/idna 3.3 0:usr/lib/x/idna.dist-info/METADATA [p]"}, 0},
		{"one copy owned, another not", []string{idna + " opt/idna/METADATA var/lib/dpkg/info/p.list"},
			[]inventory.Fragment{list(0, "p", idna), py(0, idna), py(0, "opt/idna/METADATA")},
			[]string{"pypi/idna 3.3 0:opt/idna/METADATA", "pypi/idna 3.3 0:" + idna + " [p]"}, 0},
		{"equal packages are one", []string{"b/METADATA", "a/METADATA"},
			[]inventory.Fragment{py(0, "b/METADATA"), py(1, "a/METADATA")},
			[]string{"pypi/idna 3.3 0:b/METADATA 1:a/METADATA"}, 0},
		{"hidden files do not count", []string{"a/METADATA", ".wh.a"},
			[]inventory.Fragment{py(0, "a/METADATA")}, nil, 0},
		{"unknowns of hidden files do not count", []string{"a", ".wh.a b"},
			[]inventory.Fragment{
				{Path: "a", Layer: 0, Unknowns: []inventory.Unknown{{Reason: inventory.AnalysisPartial, Subject: "a"}}},
				{Path: "b", Layer: 1, Unknowns: []inventory.Unknown{{Reason: inventory.AnalysisPartial, Subject: "b"}}},
			}, nil, 1},
		{"nested archive owned by its outer file", []string{"usr/share/java/x.war var/lib/dpkg/info/p.list"},
			[]inventory.Fragment{list(0, "p", "usr/share/java/x.war"), {Path: "usr/share/java/x.war", Packages: []inventory.Package{
				{Name: "g", Namespace: "o", Version: "1", Type: "maven", Locations: []inventory.Location{{Path: "usr/share/java/x.war!/WEB-INF/lib/g.jar"}}}}}},
			[]string{"maven/o:g 1 0:usr/share/java/x.war!/WEB-INF/lib/g.jar [p]"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := view(t, tt.layers...)
			inv := inventory.Merge(v, tt.fragments)
			if d := cmp.Diff(tt.want, show(inv)); d != "" {
				t.Error(d)
			}
			if len(inv.Unknowns) != tt.unknowns {
				t.Errorf("unknowns %+v", inv.Unknowns)
			}
			// The order of fragments does not matter.
			shuffled := append([]inventory.Fragment(nil), tt.fragments...)
			for range 5 {
				rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				if d := cmp.Diff(inv, inventory.Merge(v, shuffled)); d != "" {
					t.Errorf("merging in another order differs: %s", d)
				}
			}
		})
	}
}

// TestMergeMain: one module is a program in one file and a part of another there.
func TestMergeMain(t *testing.T) {
	v := view(t, "bin/web bin/tool")
	web := inventory.Package{Name: "web", Version: "v1", Type: "golang"}
	main := web
	main.Main = true
	fragments := []inventory.Fragment{
		{Path: "bin/tool", Packages: []inventory.Package{web}},
		{Path: "bin/web", Packages: []inventory.Package{web, main}},
	}
	inv := inventory.Merge(v, fragments)
	if len(inv.Packages) != 1 || inv.Packages[0].Main {
		t.Fatalf("%+v", inv.Packages)
	}
	want := []inventory.Location{{Path: "bin/tool"}, {Path: "bin/web", Main: true}}
	if d := cmp.Diff(want, inv.Packages[0].Locations); d != "" {
		t.Error(d)
	}
}

func TestDistroIsChosenByPath(t *testing.T) {
	frag := func(path, id string) inventory.Fragment {
		return inventory.Fragment{Path: path, Distro: &inventory.Distro{ID: id}}
	}
	tests := []struct {
		layer string
		frags []inventory.Fragment
		want  string
	}{
		{"etc/os-release usr/lib/os-release", []inventory.Fragment{frag("usr/lib/os-release", "b"), frag("etc/os-release", "a")}, "a"},
		{"etc/os-release>../usr/lib/os-release usr/lib/os-release etc/alpine-release",
			[]inventory.Fragment{frag("etc/alpine-release", "alpine"), frag("usr/lib/os-release", "wolfi")}, "wolfi"},
		{"etc/debian_version etc/apk/repositories", []inventory.Fragment{frag("etc/apk/repositories", "alpine"), frag("etc/debian_version", "debian")}, "debian"},
		{"etc/os-release etc/alpine-release", []inventory.Fragment{frag("etc/os-release", ""), frag("etc/alpine-release", "alpine")}, "alpine"},
	}
	for _, tt := range tests {
		inv := inventory.Merge(view(t, tt.layer), tt.frags)
		if inv.Distro == nil || inv.Distro.ID != tt.want {
			t.Errorf("%s: %+v, want %s", tt.layer, inv.Distro, tt.want)
		}
	}
}

func TestPURL(t *testing.T) {
	debian := &inventory.Distro{ID: "debian", VersionID: "12"}
	tests := []struct {
		p    inventory.Package
		want string
	}{
		{inventory.Package{Type: "deb", Namespace: "debian", Name: "libstdc++6", Version: "1:12.2.0-14+b1", Arch: "amd64", Source: inventory.Source{Name: "gcc-12", Version: "12.2.0-14"}},
			"pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bb1?arch=amd64&distro=debian-12&upstream=gcc-12%4012.2.0-14"},
		{inventory.Package{Type: "rpm", Namespace: "redhat", Name: "bind", Version: "32:9.11-1.el8", Arch: "x86_64", Source: inventory.Source{Name: "bind", Version: "9.11-1.el8"}},
			"pkg:rpm/redhat/bind@9.11-1.el8?arch=x86_64&distro=debian-12&epoch=32"},
		{inventory.Package{Type: "npm", Namespace: "@angular", Name: "core", Version: "1.0.0"}, "pkg:npm/%40angular/core@1.0.0"},
		{inventory.Package{Type: "golang", Namespace: "github.com/BurntSushi", Name: "toml", Version: "v1.2.3"}, "pkg:golang/github.com/BurntSushi/toml@v1.2.3"},
		{inventory.Package{Type: "maven", Namespace: "org.apache", Name: "x y", Version: "1/2"}, "pkg:maven/org.apache/x%20y@1%2F2"},
		{inventory.Package{Type: "generic", Name: "node", Version: ""}, "pkg:generic/node"},
	}
	for _, tt := range tests {
		if got := tt.p.PURL(debian); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// TestRepositoriesAreJoined: each build leaves a file of its own beside its bases', and
// a deleted one says nothing.
func TestRepositoriesAreJoined(t *testing.T) {
	v := view(t, "root/base.json root/gone.json", "root/mine.json root/.wh.gone.json")
	f := func(layer int, path string, ids ...string) inventory.Fragment {
		return inventory.Fragment{Extractor: "redhat-content", Path: path, Layer: layer, Repositories: ids}
	}
	inv := inventory.Merge(v, []inventory.Fragment{f(1, "root/mine.json", "b", "c"), f(0, "root/base.json", "a", "b"), f(0, "root/gone.json", "d")})
	if d := cmp.Diff([]string{"a", "b", "c"}, inv.Repositories); d != "" {
		t.Error(d)
	}
}
