package scan

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

// tick is longer than the clock of any file system stands still, so that a change is
// seen in a file's times.
const tick = 50 * time.Millisecond

// alter changes the file in place as an attacker would: the same size, the same times.
func alter(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	time.Sleep(tick)
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := change(bytes.Clone(b))
	if bytes.Equal(b, c) || len(b) != len(c) {
		t.Fatalf("the change is none, or one of size: %d bytes, %d before", len(c), len(b))
	}
	if err := os.WriteFile(path, c, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, fi.ModTime(), fi.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// source is an image kept in files, with what an attacker does to them.
type source struct {
	path  string
	open  func() (*image.Set, error)
	alter func(t *testing.T)
}

// localSources gives the image in each form that local files have. In each the package
// "good 1.0" can be turned into "evil 1.0" without any size changing.
func localSources(t *testing.T) map[string]source {
	t.Helper()
	out := map[string]source{}
	swap := func(b []byte) []byte { return bytes.Replace(b, []byte("good 1.0"), []byte("evil 1.0"), 1) }
	spec := func(c imagetest.Compression, name string) *imagetest.Built {
		return imagetest.Build(t, imagetest.Spec{Name: "example/app:1", Layers: []imagetest.LayerSpec{
			imagetest.Layer(file("base.pkg", "base 1")).With(c), imagetest.Layer(file("a.pkg", name)).With(c)}})
	}
	plain, packed, evil := spec(imagetest.None, "good 1.0"), spec(imagetest.Gzip, "good 1.0"), spec(imagetest.Gzip, "evil 1.0")
	if len(packed.Layers[1]) != len(evil.Layers[1]) {
		t.Fatalf("the packed layers have %d and %d bytes", len(packed.Layers[1]), len(evil.Layers[1]))
	}
	swapPacked := func(b []byte) []byte { return bytes.Replace(b, packed.Layers[1], evil.Layers[1], 1) }
	archive := func(what string, b []byte, change func([]byte) []byte) {
		p := imagetest.File(t, "a.tar", b)
		out[what] = source{p, func() (*image.Set, error) { return image.OpenArchive(t.Context(), p, image.Select{}) },
			func(t *testing.T) { alter(t, p, change) }}
	}
	archive("docker archive", imagetest.DockerArchive(t, plain), swap)
	archive("docker archive, packed layers", imagetest.DockerArchive(t, packed), swapPacked)
	archive("old docker archive", imagetest.OldDockerArchive(t, plain), swap)
	// The older layout with packed layers: no digest but the diffID is known of them.
	files := imagetest.OldDockerFiles(t, packed)
	for i := range files {
		for j, tar := range packed.Tars {
			if files[i].Body == string(tar) {
				files[i].Body = string(packed.Layers[j])
			}
		}
	}
	archive("old docker archive, packed layers", imagetest.Tar(t, files...), swapPacked)
	archive("OCI archive", imagetest.OCIArchive(t, plain), swap)
	archive("OCI archive, packed layers", imagetest.OCIArchive(t, packed), swapPacked)
	for what, b := range map[string]*imagetest.Built{"OCI layout": plain, "OCI layout, packed layers": packed} {
		dir := imagetest.Layout(t, b)
		blob := filepath.Join(dir, "blobs", "sha256", image.Sum(b.Layers[1]).Hex())
		change := swap
		if b == packed {
			change = swapPacked
		}
		out[what] = source{dir, func() (*image.Set, error) { return image.OpenLayout(t.Context(), dir, image.Select{}) },
			func(t *testing.T) { alter(t, blob, change) }}
	}
	return out
}

func (src source) inspect(t *testing.T, s *Scanner) ([]string, int, error) {
	t.Helper()
	set, err := src.open()
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Inspect(t.Context(), set.Images[0])
	if err != nil {
		return nil, 0, err
	}
	return listed(f.Inventory), f.Timing.LayersRead, nil
}

// A local image that is changed after the first scan is a hard failure in the second,
// as it would have been in the first.
func TestLocalChanged(t *testing.T) {
	for name, src := range localSources(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := toys(nil)
			s.Cache = newCache(t, dir, s)
			for i := range 2 {
				if got, read, err := src.inspect(t, s); err != nil || len(got) != 2 || (i > 0) != (read == 0) {
					t.Fatalf("%q, %d layers read, %v", got, read, err)
				}
			}
			src.alter(t)
			for what, s := range map[string]*Scanner{"warm": toys(s.Cache), "cold": toys(nil), "same scanner": s, "without a cache": func() *Scanner {
				s := toys(nil)
				s.memory = map[image.Digest]*layerFacts{}
				return s
			}()} {
				if got, _, err := src.inspect(t, s); !errors.Is(err, image.ErrDigestMismatch) {
					t.Errorf("%s: %q, %v", what, got, err)
				}
			}
		})
	}
}

// The facts of a layer are known from elsewhere, under its digest: that says nothing of
// the bytes in this file.
func TestLocalNeverVerified(t *testing.T) {
	for name, src := range localSources(t) {
		t.Run(name, func(t *testing.T) {
			s := toys(nil)
			s.Cache = newCache(t, t.TempDir(), s)
			for _, img := range localSources(t) {
				if img.path != src.path {
					img.inspect(t, s)
				}
			}
			src.alter(t)
			for what, s := range map[string]*Scanner{"from the cache": toys(s.Cache), "from memory": s} {
				if got, _, err := src.inspect(t, s); !errors.Is(err, image.ErrDigestMismatch) {
					t.Errorf("%s: %q, %v", what, got, err)
				}
			}
		})
	}
}

// A file that was only touched, or copied, is verified again and not read as new.
func TestLocalTouched(t *testing.T) {
	for name, src := range localSources(t) {
		t.Run(name, func(t *testing.T) {
			s := toys(nil)
			s.Cache = newCache(t, t.TempDir(), s)
			want, _, err := src.inspect(t, s)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(tick)
			err = filepath.Walk(src.path, func(p string, _ os.FileInfo, err error) error {
				if err != nil {
					return err
				}
				return os.Chtimes(p, time.Unix(1e9, 0), time.Unix(1e9, 0))
			})
			if err != nil {
				t.Fatal(err)
			}
			got, read, err := src.inspect(t, toys(s.Cache))
			if err != nil || len(got) != len(want) {
				t.Errorf("%q, %v", got, err)
			}
			if packed := name == "old docker archive, packed layers"; (read > 0) != packed {
				t.Errorf("%d layers were read", read)
			}
			if _, read, err := src.inspect(t, toys(s.Cache)); err != nil || read != 0 {
				t.Errorf("the next time: %d layers read, %v", read, err)
			}
		})
	}
}

// A blob that vanished after the layout was opened is one that cannot be read, not a
// failure of everything.
func TestLocalVanished(t *testing.T) {
	b := build(t, []imagetest.Entry{file("a.pkg", "a 1")}, []imagetest.Entry{file("b.pkg", "b 1")})
	s := toys(nil)
	s.Cache = newCache(t, t.TempDir(), s)
	inspect(t, s, b.Image)
	dir := imagetest.Layout(t, b)
	set, err := image.OpenLayout(t.Context(), dir, image.Select{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "blobs", "sha256", b.Image.Layers[0].Digest.Hex())); err != nil {
		t.Fatal(err)
	}
	check(t, inspect(t, toys(s.Cache), set.Images[0]).Inventory, "b@1 b.pkg!/inner:1", "? layer_unreadable sha256:…")
}
