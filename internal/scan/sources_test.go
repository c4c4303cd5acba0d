package scan

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
)

// drawLayers makes the layers of an image that looks like one: databases that grow,
// JavaScript packages that come and go, links, whiteouts and names used twice.
func drawLayers(rt *rapid.T) []imagetest.LayerSpec {
	names := rapid.SampledFrom([]string{"alpha", "beta", "gamma", "delta"})
	version := rapid.SampledFrom([]string{"1.0.0", "1.2.0", "2.0.0"})
	node := rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"app", "srv/www"}).Draw(t, "root") + "/node_modules/" + names.Draw(t, "package") + "/package.json"
	})
	entry := rapid.Custom(func(t *rapid.T) imagetest.Entry {
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			return file("lib/apk/db/installed", "P:musl\nV:"+version.Draw(t, "musl")+"-r0\nA:x86_64\n\nP:zlib\nV:"+version.Draw(t, "zlib")+"-r1\nA:x86_64\n\n")
		case 1:
			n := names.Draw(t, "deb")
			return file("var/lib/dpkg/status", "Package: "+n+"\nStatus: install ok installed\nArchitecture: amd64\nVersion: "+version.Draw(t, "v")+"-1\n\n")
		case 2:
			return file("etc/os-release", "ID="+rapid.SampledFrom([]string{"alpine", "debian"}).Draw(t, "id")+"\nVERSION_ID=12\n")
		case 3:
			p := node.Draw(t, "gone")
			return file(filepath.Dir(p)+"/.wh.package.json", "")
		case 4:
			return file("app/node_modules/.wh..wh..opq", "")
		case 5: // a link to where a package may be, under a name that is wanted too
			return hard(node.Draw(t, "link"), node.Draw(t, "target"))
		case 6:
			return imagetest.Entry{Path: rapid.SampledFrom([]string{"app", "www", "srv/www"}).Draw(t, "name"), Link: "srv/elsewhere"}
		case 7:
			return file(node.Draw(t, "bad"), `{"name":`)
		default:
			p := node.Draw(t, "path")
			return file(p, fmt.Sprintf(`{"name":%q,"version":%q}`, filepath.Base(filepath.Dir(p)), version.Draw(t, "v")))
		}
	})
	compression := rapid.SampledFrom([]imagetest.Compression{imagetest.None, imagetest.Gzip, imagetest.Zstd})
	layers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) imagetest.LayerSpec {
		return imagetest.Layer(rapid.SliceOfN(entry, 0, 6).Draw(t, "entries")...).With(compression.Draw(t, "compression"))
	}), 0, 5).Draw(rt, "layers")
	if len(layers) > 1 && rapid.Bool().Draw(rt, "repeat") {
		layers = append(layers, layers[rapid.IntRange(0, len(layers)-1).Draw(rt, "which")])
	}
	return layers
}

// What an image holds does not depend on how it was saved, in which order its layers
// were read, by how many, or whether they were read at all.
func TestSourcesAgree(t *testing.T) {
	caches := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		b := imagetest.Build(t, imagetest.Spec{Name: "example/app:1", Layers: drawLayers(rt)})
		one := full(nil)
		one.Workers = 1
		want := inspect(t, one, b.Image).Inventory
		got := map[string]*inventory.Inventory{}
		many := full(newCache(t, filepath.Join(caches, fmt.Sprint(n)), one))
		many.Workers = 8
		got["eight workers"] = inspect(t, many, b.Image).Inventory
		got["from memory"] = inspect(t, many, b.Image).Inventory
		got["from the cache"] = inspect(t, full(many.Cache), b.Image).Inventory
		for what, archive := range map[string][]byte{
			"docker": imagetest.DockerArchive(t, b), "oci": imagetest.OCIArchive(t, b),
			"old docker": imagetest.OldDockerArchive(t, b), "packed docker": imagetest.Compress(t, imagetest.DockerArchive(t, b), imagetest.Gzip),
		} {
			set, err := image.OpenArchive(t.Context(), imagetest.File(t, "a.tar", archive), image.Select{})
			if err != nil {
				rt.Fatal(err)
			}
			got[what] = inspect(t, full(nil), set.Images[0]).Inventory
			got[what+", cached"] = inspect(t, full(many.Cache), set.Images[0]).Inventory
			got[what+", streamed"] = streamed(t, full(nil), archive)[0].Inventory
		}
		set, err := image.OpenLayout(t.Context(), imagetest.Layout(t, b), image.Select{})
		if err != nil {
			rt.Fatal(err)
		}
		got["layout"] = inspect(t, full(nil), set.Images[0]).Inventory
		for what, inv := range got {
			inv.Layers = want.Layers // the older layout knows other digests
			same(rt, what, want, inv)
		}
	})
}

func TestEmptyImages(t *testing.T) {
	for name, b := range map[string]*imagetest.Built{
		"no layers":     imagetest.Build(t, imagetest.Spec{Name: "example/scratch:1"}),
		"empty layers":  build(t, nil, nil),
		"no package":    build(t, []imagetest.Entry{file("motd", "hello")}),
		"all taken out": build(t, []imagetest.Entry{file("a.pkg", "a 1")}, []imagetest.Entry{file(".wh.a.pkg", "")}),
	} {
		t.Run(name, func(t *testing.T) {
			want := []string{"? no_packages_identified image: nothing was found that could be judged; this does not mean that nothing is there"}
			check(t, inspect(t, toys(nil), b.Image).Inventory, want...)
			check(t, streamed(t, toys(nil), imagetest.OldDockerArchive(t, b))[0].Inventory, want...)
		})
	}
}

// A package that one layer brings three times over belongs where it is seen.
func TestRepeatedLayers(t *testing.T) {
	same := []imagetest.Entry{file("a.pkg", "a 1")}
	b := build(t, same, same, []imagetest.Entry{file("b.pkg", "b 1")}, same)
	f := inspect(t, toys(nil), b.Image)
	check(t, f.Inventory, "a@1 a.pkg!/inner:3", "b@1 b.pkg!/inner:2")
	if f.Timing.LayersRead != 2 || f.Timing.LayersCached != 2 {
		t.Errorf("%d layers read, %d known", f.Timing.LayersRead, f.Timing.LayersCached)
	}
}

func TestMissingLayer(t *testing.T) {
	b := imagetest.Build(t, imagetest.Spec{Name: "example/app:1", Layers: []imagetest.LayerSpec{
		imagetest.Layer(file("a.pkg", "a 1")), imagetest.Layer(file("b.pkg", "b 1")), imagetest.Layer(file("c.pkg", "c 1"))}})
	gone := b.Image.Layers[1].Digest
	delete(b.Blobs, gone)
	want := []string{"a@1 a.pkg!/inner:0", "c@1 c.pkg!/inner:2", "? layer_unreadable " + string(gone) + ": …"}
	for what, archive := range map[string][]byte{"docker": imagetest.DockerArchive(t, b), "oci": imagetest.OCIArchive(t, b)} {
		t.Run(what, func(t *testing.T) {
			set, err := image.OpenArchive(t.Context(), imagetest.File(t, "a.tar", archive), image.Select{})
			if err != nil {
				t.Fatal(err)
			}
			check(t, inspect(t, toys(nil), set.Images[0]).Inventory, want...)
			check(t, streamed(t, toys(nil), archive)[0].Inventory, want...)
		})
	}
}

// A stream whose layer has other content than the manifest says is refused, whatever
// else the archive holds and this scanner has seen.
func TestStreamWrongLayer(t *testing.T) {
	layers := func(c imagetest.Compression, bodies ...string) *imagetest.Built {
		var specs []imagetest.LayerSpec
		for i, s := range bodies {
			specs = append(specs, imagetest.Layer(file(fmt.Sprintf("%d.pkg", i), s)).With(c))
		}
		return imagetest.Build(t, imagetest.Spec{Name: "example/app:1", Layers: specs})
	}
	swap := func(files []imagetest.Entry, from, to []byte) []byte {
		n := 0
		for i := range files {
			if files[i].Body == string(from) {
				files[i].Body, n = string(to), n+1
			}
		}
		if n != 1 {
			t.Fatalf("%d files were changed", n)
		}
		return imagetest.Tar(t, files...)
	}
	for _, c := range []imagetest.Compression{imagetest.None, imagetest.Gzip, imagetest.Zstd} {
		b, evil := layers(c, "a 1", "b 1"), layers(c, "a 1", "evil 1")
		archives := map[string][]byte{
			"oci":               swap(imagetest.OCIFiles(t, b), b.Layers[1], evil.Layers[1]),
			"oci, the other's":  swap(imagetest.OCIFiles(t, b), b.Layers[1], b.Layers[0]),
			"old, another":      swap(imagetest.OldDockerFiles(t, b), b.Tars[1], evil.Layers[1]),
			"old, of the other": swap(imagetest.OldDockerFiles(t, b), b.Tars[1], b.Layers[0]),
		}
		for what, archive := range archives {
			t.Run(what+" "+string(c), func(t *testing.T) {
				s := toys(nil)
				inspect(t, s, b.Image) // it knows what the layers should be
				for _, s := range []*Scanner{s, toys(nil)} {
					_, fs, err := s.Stream(t.Context(), bytes.NewReader(archive), image.Select{})
					if !errors.Is(err, image.ErrDigestMismatch) {
						t.Errorf("error is %v, facts %v", err, fs)
					}
				}
			})
		}
		// The right bytes, packed in the older layout, are right.
		for i, f := range streamed(t, toys(nil), swap(imagetest.OldDockerFiles(t, b), b.Tars[1], b.Layers[1])) {
			check(t, f.Inventory, "a@1 0.pkg!/inner:0", "b@1 1.pkg!/inner:1")
			if i > 0 {
				t.Error("more than one image")
			}
		}
	}
}

func TestStreamSeveral(t *testing.T) {
	base := imagetest.Layer(file("base.pkg", "base 1"))
	a := imagetest.Build(t, imagetest.Spec{Name: "example/a:1", Layers: []imagetest.LayerSpec{base, imagetest.Layer(file("a.pkg", "a 1"))}})
	b := imagetest.Build(t, imagetest.Spec{Name: "example/b:1", Layers: []imagetest.LayerSpec{base, imagetest.Layer(file("b.pkg", "b 1")).With(imagetest.Zstd)}})
	for what, archive := range map[string][]byte{"docker": imagetest.DockerArchive(t, a, b), "old docker": imagetest.OldDockerArchive(t, a, b), "oci": imagetest.OCIArchive(t, a, b)} {
		t.Run(what, func(t *testing.T) {
			s := toys(nil)
			s.Cache = newCache(t, t.TempDir(), s)
			fs := streamed(t, s, archive)
			if len(fs) != 2 || fs[0].Image.Name != "example/a:1" || fs[1].Image.Name != "example/b:1" {
				t.Fatalf("%d images", len(fs))
			}
			check(t, fs[0].Inventory, "a@1 a.pkg!/inner:1", "base@1 base.pkg!/inner:0")
			check(t, fs[1].Inventory, "b@1 b.pkg!/inner:1", "base@1 base.pkg!/inner:0")
			// What went by is known by its digests, if they are those of the blobs.
			if tm := inspect(t, toys(s.Cache), a.Image).Timing; what != "old docker" && tm.LayersRead != 0 {
				t.Errorf("%d layers were read again", tm.LayersRead)
			}
			_, one, err := toys(nil).Stream(t.Context(), bytes.NewReader(archive), image.Select{Name: "example/b:1"})
			if err != nil || len(one) != 1 {
				t.Fatalf("%d images, %v", len(one), err)
			}
			same(t, "picked", fs[1].Inventory, one[0].Inventory)
		})
	}
}
