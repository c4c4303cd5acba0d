package image_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

func TestOpenLayoutBad(t *testing.T) {
	a, _ := twoImages(t)
	if _, err := image.OpenLayout(t.Context(), filepath.Join(t.TempDir(), "nowhere"), none); !errors.Is(err, image.ErrNotFound) {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := image.OpenLayout(t.Context(), t.TempDir(), none); !errors.Is(err, image.ErrNotImage) {
		t.Errorf("empty folder: %v", err)
	}
	if _, err := image.OpenLayout(t.Context(), imagetest.File(t, "x", []byte("x")), none); !errors.Is(err, image.ErrNotImage) {
		t.Errorf("a file: %v", err)
	}
	blob := func(dir string, d image.Digest) string { return filepath.Join(dir, "blobs", "sha256", d.Hex()) }
	layer, manifest := a.Image.Layers[0].Digest, a.Desc.Digest
	for _, tc := range []struct {
		name        string
		spoil       func(dir string) error
		want, layer error
	}{
		{"right", func(string) error { return nil }, nil, nil},
		{"layer missing", func(dir string) error { return os.Remove(blob(dir, layer)) }, nil, image.ErrNotFound},
		{"layer forged", func(dir string) error { return os.WriteFile(blob(dir, layer), []byte("forged"), 0o644) }, nil, image.ErrDigestMismatch},
		{"manifest missing", func(dir string) error { return os.Remove(blob(dir, manifest)) }, image.ErrNotFound, nil},
		{"manifest forged", func(dir string) error {
			return os.WriteFile(blob(dir, manifest), []byte(strings.Repeat(" ", len(a.Manifest))), 0o644)
		}, image.ErrDigestMismatch, nil},
		{"index.json a folder", func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "index.json")), os.Mkdir(filepath.Join(dir, "index.json"), 0o755))
		}, image.ErrCorrupt, nil},
		{"layer a symlink within", func(dir string) error {
			return errors.Join(os.Rename(blob(dir, layer), filepath.Join(dir, "elsewhere")), os.Symlink("../../elsewhere", blob(dir, layer)))
		}, nil, nil},
		{"layer a symlink to the outside", func(dir string) error {
			outside := filepath.Join(t.TempDir(), "outside")
			return errors.Join(os.Rename(blob(dir, layer), outside), os.Symlink(outside, blob(dir, layer)))
		}, nil, image.ErrCorrupt},
		{"blobs a symlink to the outside", func(dir string) error {
			outside := filepath.Join(t.TempDir(), "outside")
			return errors.Join(os.Rename(filepath.Join(dir, "blobs"), outside), os.Symlink(outside, filepath.Join(dir, "blobs")))
		}, image.ErrCorrupt, nil},
		{"layer a FIFO", func(dir string) error {
			return errors.Join(os.Remove(blob(dir, layer)), mkfifo(blob(dir, layer)))
		}, nil, image.ErrCorrupt},
		{"version 2", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"2.0.0"}`), 0o644)
		}, image.ErrUnsupported, nil},
	} {
		dir := imagetest.Layout(t, a)
		if err := tc.spoil(dir); err != nil {
			t.Fatal(err)
		}
		set, err := image.OpenLayout(t.Context(), dir, none)
		judge(t, tc.name, set, err, tc.want, tc.layer, "")
	}
	if runtime.GOOS == "linux" {
		set, err := image.OpenLayout(t.Context(), imagetest.Layout(t, a), none)
		if err != nil || !strings.HasPrefix(set.Images[0].Layers[0].Local, "dev=") {
			t.Errorf("%v, %v", set, err)
		}
	}
}

func TestDetect(t *testing.T) {
	a, _ := twoImages(t)
	folder := func(names ...string) string {
		dir := t.TempDir()
		for _, n := range names {
			p := filepath.Join(dir, n)
			err := os.MkdirAll(filepath.Dir(p), 0o755)
			if strings.HasSuffix(n, "/") {
				err = os.MkdirAll(p, 0o755)
			} else if err == nil {
				err = os.WriteFile(p, nil, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	archive := imagetest.OldDockerArchive(t, a)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := mkfifo(fifo); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path string
		want       image.Place
		err        error
	}{
		{"archive", imagetest.File(t, "x.tar", archive), image.Archive, nil},
		{"gzip", imagetest.File(t, "x", imagetest.Compress(t, archive, imagetest.Gzip)), image.PackedArchive, nil},
		{"zstd", imagetest.File(t, "x", imagetest.Compress(t, archive, imagetest.Zstd)), image.PackedArchive, nil},
		{"text", imagetest.File(t, "nginx", []byte("FROM x")), "", image.ErrNotImage},
		{"empty", imagetest.File(t, "nginx", nil), "", image.ErrNotImage},
		{"FIFO", fifo, "", image.ErrNotImage},
		{"nothing", filepath.Join(t.TempDir(), "nothing"), "", image.ErrNotFound},
		{"layout", imagetest.Layout(t, a), image.LayoutFolder, nil},
		{"layout without oci-layout", folder("index.json", "blobs/"), image.LayoutFolder, nil},
		{"os-release", folder("etc/os-release"), image.RootFolder, nil},
		{"distroless", folder("usr/lib/os-release"), image.RootFolder, nil},
		{"no os-release", folder("etc/", "usr/"), image.RootFolder, nil},
		{"skopeo's dir:", folder("manifest.json", "version"), "", image.ErrUnsupported},
		{"source code", folder("README", "lib/"), "", image.ErrNotImage},
		{"empty folder", folder(), "", image.ErrNotImage},
	} {
		if got, err := image.Detect(tc.path); got != tc.want || !errors.Is(err, tc.err) || tc.err == nil && err != nil {
			t.Errorf("%s: %q, %v; want %q, %v", tc.name, got, err, tc.want, tc.err)
		}
	}
	if _, err := image.OpenArchive(t.Context(), fifo, none); !errors.Is(err, image.ErrNotImage) || !strings.Contains(err.Error(), "with -") {
		t.Errorf("a FIFO as an archive: %v", err)
	}
}
