package scan

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// stacking gives a scanner whose cache in dir keeps stacks for a build of the program.
func stacking(t testing.TB, dir, program string) *Scanner {
	t.Helper()
	s := full(nil)
	s.Cache = newCache(t, dir, s)
	s.Cache.KeepStacks(program)
	return s
}

// withoutLayers takes the facts of single layers out of the cache, so that what is still
// known can only be of a stack.
func withoutLayers(t testing.TB, dir string) {
	t.Helper()
	entries, _, _ := files(t, dir)
	for _, e := range entries {
		if err := os.Remove(e); err != nil {
			t.Fatal(err)
		}
	}
}

func stacksIn(t testing.TB, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "stacks", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStackSecondScan(t *testing.T) {
	b := cacheImage(t)
	dir := t.TempDir()
	s := stacking(t, dir, "v1")
	cold := inspect(t, s, b.Image)
	if n := len(stacksIn(t, dir)); n != 1 {
		t.Fatalf("%d stacks are kept", n)
	}
	withoutLayers(t, dir)
	told := 0
	s = stacking(t, dir, "v1")
	s.Progress = func(done, total int) { told += done * total }
	warm := inspect(t, s, b.Image)
	if tm := warm.Timing; tm.LayersRead != 0 || tm.LayersCached != 4 || tm.BytesRead != 0 || told != 16 {
		t.Errorf("%+v, progress %d", tm, told)
	}
	if d := cmp.Diff(cold.Inventory, warm.Inventory); d != "" {
		t.Errorf("(-cold +warm)\n%s", d)
	}
	if d := cmp.Diff(cold.Image, warm.Image); d != "" {
		t.Errorf("image (-cold +warm)\n%s", d)
	}
	// Another build, the same layers in another order, and one layer less.
	for what, img := range map[string]*image.Image{"another build": b.Image, "another order": reordered(b.Image, 2, 1, 0, 3), "fewer": reordered(b.Image, 0, 1, 2)} {
		program := "v1"
		if what == "another build" {
			program = "v2"
		}
		if f := inspect(t, stacking(t, t.TempDir(), program), img); f.Timing.LayersRead == 0 {
			t.Errorf("%s: %+v", what, f.Timing)
		}
		if stacking(t, dir, program).known(img) != nil {
			t.Errorf("%s: taken for the same", what)
		}
	}
	// Without a name for the build nothing is kept.
	plain := full(nil)
	plain.Cache = newCache(t, t.TempDir(), plain)
	inspect(t, plain, b.Image)
	if plain.known(b.Image) != nil {
		t.Error("a stack is kept for no build")
	}
}

func reordered(img *image.Image, order ...int) *image.Image {
	out := *img
	out.Layers = nil
	for _, i := range order {
		out.Layers = append(out.Layers, img.Layers[i])
	}
	return &out
}

// TestStackDamaged: an entry that is cut or changed is put together anew.
func TestStackDamaged(t *testing.T) {
	b := cacheImage(t)
	dir := t.TempDir()
	cold := inspect(t, stacking(t, dir, "v1"), b.Image)
	name := stacksIn(t, dir)[0]
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, whole[:9], whole[:len(whole)-1], append([]byte{whole[0] ^ 1}, whole[1:]...), entry(append(whole[sumSize:len(whole):len(whole)], 0)), entry([]byte{0})} {
		if err := os.WriteFile(name, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s := stacking(t, dir, "v1")
		if s.known(b.Image) != nil {
			t.Errorf("an entry of %d bytes was taken", len(bad))
		}
		same(t, "damaged", cold.Inventory, inspect(t, s, b.Image).Inventory)
		if again, err := os.ReadFile(name); err != nil || string(again) != string(whole) {
			t.Errorf("it was not written anew: %v", err)
		}
	}
}

// TestStackIncomplete: what was not read to its end is not kept.
func TestStackIncomplete(t *testing.T) {
	b := cacheImage(t)
	dir := t.TempDir()
	s := stacking(t, dir, "v1")
	lim := rootfs.DefaultLimits()
	lim.Entries = 1
	s.Reader = rootfs.NewReader(lim)
	inspect(t, s, b.Image)
	if n := len(stacksIn(t, dir)); n != 0 {
		t.Errorf("%d stacks are kept", n)
	}
}

// TestStackOld: what builds kept that are not used any more is removed by a new one.
func TestStackOld(t *testing.T) {
	b := cacheImage(t)
	dir := t.TempDir()
	for _, program := range []string{"old", "lately"} {
		inspect(t, stacking(t, dir, program), b.Image)
	}
	old := filepath.Dir(stacking(t, dir, "old").Cache.stackFile(b.Image.Layers))
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-oldStacks-time.Hour)); err != nil {
		t.Fatal(err)
	}
	inspect(t, stacking(t, dir, "new"), b.Image)
	if n := len(stacksIn(t, dir)); n != 2 {
		t.Errorf("%d stacks are kept", n)
	}
	if stacking(t, dir, "lately").known(b.Image) == nil {
		t.Error("what was kept lately is gone")
	}
}

func TestStackWire(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := drawFragment(rt)
		inv := &inventory.Inventory{Packages: f.Packages, Distro: f.Distro, Repositories: f.Repositories, Unknowns: f.Unknowns}
		for i := range inv.Packages {
			p := &inv.Packages[i]
			p.Main, p.OwnedBy = false, text.Draw(rt, "owner")
			for j := range p.Locations {
				p.Locations[j].Layer, p.Locations[j].Main = rapid.IntRange(-1, 300).Draw(rt, "layer"), rapid.Bool().Draw(rt, "main program")
			}
		}
		st := &stack{diffIDs: []image.Digest{"sha256:a", ""}, inventory: inv}
		b := encodeStack(st)
		got, err := decodeStack(string(b))
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(st.inventory, got.inventory, cmpopts.EquateEmpty()); d != "" {
			rt.Fatal(d)
		}
		if d := cmp.Diff(st.diffIDs, got.diffIDs); d != "" {
			rt.Fatal(d)
		}
		if n := rapid.IntRange(0, len(b)-1).Draw(rt, "cut"); n < len(b) {
			if _, err := decodeStack(string(b[:n])); err == nil {
				rt.Fatalf("%d of %d bytes were taken", n, len(b))
			}
		}
	})
}

func FuzzStack(f *testing.F) {
	f.Add(encodeStack(&stack{diffIDs: []image.Digest{"sha256:a"}, inventory: &inventory.Inventory{
		Packages: []inventory.Package{{Name: "a", Locations: []inventory.Location{{Path: "x", Layer: 1}}}}}}))
	f.Fuzz(func(_ *testing.T, b []byte) {
		st, err := decodeStack(string(b))
		if err == nil {
			_ = encodeStack(st)
		}
	})
}
