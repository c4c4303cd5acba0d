package scan

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// text has what is in names and what is not: nothing in a layer has to be UTF-8.
var text = rapid.OneOf(rapid.SampledFrom([]string{"", "a", "a/b", "a/b/c.json", "usr/lib/x", "\xff\xfe", "é\x00"}), rapid.StringN(0, 12, 200))

func texts(t *rapid.T, what string) []string { return rapid.SliceOfN(text, 0, 3).Draw(t, what) }

func drawFragment(t *rapid.T) inventory.Fragment {
	draw := func(s string) string { return text.Draw(t, s) }
	f := inventory.Fragment{Extractor: draw("extractor"), Path: draw("path"), Database: rapid.Bool().Draw(t, "database")}
	for range rapid.IntRange(0, 3).Draw(t, "packages") {
		p := inventory.Package{Name: draw("name"), Version: draw("version"), Type: draw("type"), Namespace: draw("ns"),
			Source: inventory.Source{Name: draw("source"), Version: draw("source version")}, Arch: draw("arch"), Module: draw("module"),
			Vendor: draw("vendor"), Licenses: texts(t, "licenses"), Evidence: inventory.Evidence(rapid.IntRange(0, 2).Draw(t, "evidence")),
			Dev: rapid.Bool().Draw(t, "dev"), Main: rapid.Bool().Draw(t, "main"), SHA1: draw("sha1"), Broken: draw("broken")}
		for _, s := range texts(t, "locations") {
			p.Locations = append(p.Locations, inventory.Location{Path: s})
		}
		f.Packages = append(f.Packages, p)
	}
	if rapid.Bool().Draw(t, "distro") {
		f.Distro = &inventory.Distro{ID: draw("id"), VersionID: draw("v"), Name: draw("n"), Codename: draw("c"), CPE: draw("cpe"), IDLike: texts(t, "like")}
	}
	f.Repositories = texts(t, "repositories")
	for range rapid.IntRange(0, 2).Draw(t, "owners") {
		f.Owns = append(f.Owns, inventory.Owner{Package: draw("owner"), Paths: texts(t, "paths")})
	}
	f.Unknowns = drawUnknowns(t)
	return f
}

func drawUnknowns(t *rapid.T) (out []inventory.Unknown) {
	for range rapid.IntRange(0, 2).Draw(t, "unknowns") {
		out = append(out, inventory.Unknown{Reason: inventory.Reason(text.Draw(t, "reason")), Subject: text.Draw(t, "subject"), Detail: text.Draw(t, "detail")})
	}
	return out
}

// drawChanges reads a layer of drawn entries, since only a Reader makes Changes.
func drawChanges(t testing.TB, rt *rapid.T) (*rootfs.Changes, []string) {
	var es []imagetest.Entry
	var paths []string
	path := rapid.StringMatching(`[a-c](/[a-c.é-]{1,3}){0,4}`)
	for range rapid.IntRange(0, 40).Draw(rt, "entries") {
		p := path.Draw(rt, "path")
		e := imagetest.Entry{Path: p, Mode: int64(rapid.IntRange(1, 0o7777).Draw(rt, "mode")), UID: rapid.SampledFrom([]int{0, 1000, math.MaxInt32}).Draw(rt, "uid"), GID: rapid.IntRange(0, 70000).Draw(rt, "gid")}
		switch rapid.IntRange(0, 5).Draw(rt, "kind") {
		case 0:
			e.Path += "/"
		case 1:
			e.Link = "../" + path.Draw(rt, "link")
		case 2:
			e = hard(p, path.Draw(rt, "target"))
		case 3:
			e.Path = p + "/.wh." + rapid.SampledFrom([]string{"x", "y", ".wh..opq"}).Draw(rt, "whiteout")
		default:
			e.Body = string(make([]byte, rapid.IntRange(0, 2000).Draw(rt, "size")))
		}
		paths = append(paths, p)
		es = append(es, e)
	}
	img := imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{imagetest.Layer(es...)}}).Image
	c, err := rootfs.NewReader(rootfs.DefaultLimits()).Layer(t.Context(), img.Layers[0])
	if err != nil {
		rt.Fatal(err)
	}
	return c, paths
}

func TestWireRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := &layerFacts{unknowns: drawUnknowns(rt)}
		var paths []string
		in.changes, paths = drawChanges(t, rt)
		for range rapid.IntRange(0, 4).Draw(rt, "fragments") {
			in.fragments = append(in.fragments, drawFragment(rt))
		}
		b := encodeLayer(in)
		out, err := decodeLayer(string(b))
		if err != nil {
			rt.Fatal(err)
		}
		if again := encodeLayer(out); !bytes.Equal(again, b) {
			rt.Errorf("encoded again it has %d bytes, not %d, or others", len(again), len(b))
		}
		empty := cmpopts.EquateEmpty()
		if d := cmp.Diff(in.fragments, out.fragments, empty); d != "" {
			rt.Errorf("fragments (-in +out):\n%s", d)
		}
		if d := cmp.Diff(in.unknowns, out.unknowns, empty); d != "" {
			rt.Errorf("unknowns (-in +out):\n%s", d)
		}
		x, y := in.changes, out.changes
		if x.DiffID != y.DiffID || x.Size != y.Size || cmp.Diff(x.Whiteouts, y.Whiteouts, empty) != "" || cmp.Diff(x.Opaque, y.Opaque, empty) != "" {
			rt.Errorf("changes are %+v, were %+v", y, x)
		}
		for _, p := range paths {
			e, ok := x.Find(p)
			f, ok2 := y.Find(p)
			// Where in the tar an entry stood need not be kept.
			where := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".At" }, cmp.Ignore())
			if d := cmp.Diff(e, f, where); ok != ok2 || d != "" {
				rt.Errorf("%q: %v, %v (-in +out):\n%s", p, ok, ok2, d)
			}
		}
		// Cut anywhere, or with anything behind it, it is no entry.
		if n := rapid.IntRange(0, len(b)-1).Draw(rt, "cut"); true {
			if _, err := decodeLayer(string(b[:n])); err == nil {
				rt.Errorf("the first %d of %d bytes are accepted", n, len(b))
			}
		}
		if _, err := decodeLayer(string(b) + "\x00"); err == nil {
			rt.Error("a byte too many is accepted")
		}
	})
}

// FuzzWire: a damaged entry that passes the checksum is an error or some facts, not a
// panic, and costs memory in proportion to its size.
func FuzzWire(f *testing.F) {
	for _, es := range [][]imagetest.Entry{
		{file("a/b/c.pkg", "x"), file("a/b/d", "y"), hard("e", "a/b/d"), file("a/.wh.x", ""), {Path: "l", Link: "a"}, {Path: "z/"}}, nil,
	} {
		b := build(f, es)
		c, err := rootfs.NewReader(rootfs.DefaultLimits()).Layer(f.Context(), b.Image.Layers[0])
		if err != nil {
			f.Fatal(err)
		}
		in := &layerFacts{changes: c, unknowns: []inventory.Unknown{{Reason: "r", Subject: "s", Detail: "d"}}}
		for i := range len(es) {
			in.fragments = append(in.fragments, inventory.Fragment{Extractor: "toy", Path: fmt.Sprintf("a/b/%d", i), Database: i == 0,
				Packages: []inventory.Package{{Name: "a", Version: "1", Type: "npm", Licenses: []string{"MIT"}, Locations: []inventory.Location{{Path: "p"}}}},
				Distro:   &inventory.Distro{ID: "x", IDLike: []string{"y"}}, Owns: []inventory.Owner{{Package: "a", Paths: []string{"x/y", "x/z"}}}})
		}
		f.Add(encodeLayer(in))
	}
	f.Add([]byte("\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add(bytes.Repeat([]byte{0xff}, 300))
	f.Add(append([]byte("\x00\x00\x00"), bytes.Repeat([]byte{0}, 5000)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		facts, err := decodeLayer(string(b))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+1024*uint64(len(b)) {
			t.Errorf("%d bytes took %d bytes of memory", len(b), used)
		}
		if err != nil {
			return
		}
		encodeLayer(facts)
		facts.changes.Find("a/b/c.pkg")
		rootfs.NewView([]*rootfs.Changes{facts.changes, facts.changes}).Layer("a/b/c.pkg")
	})
}

// Many short paths that share a long beginning must not unfold to more than memory holds.
func TestWireUnfolding(t *testing.T) {
	in := &layerFacts{changes: &rootfs.Changes{}}
	long := string(bytes.Repeat([]byte("x"), 1<<20))
	for range 2000 {
		in.changes.Whiteouts = append(in.changes.Whiteouts, long)
	}
	b := encodeLayer(in)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decodeLayer(string(b))
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 512<<20 {
		t.Errorf("%d bytes took %d bytes of memory (error %v)", len(b), used, err)
	}
}
