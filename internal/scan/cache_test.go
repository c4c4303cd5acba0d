package scan

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/extract"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/report"
)

// cacheImage has packages of several kinds, an unknown and a layer that comes twice.
func cacheImage(t testing.TB) *imagetest.Built {
	t.Helper()
	twice := []imagetest.Entry{file("srv/app/node_modules/z/package.json", `{"name":"z","version":"9.0.0"}`)}
	return build(t, []imagetest.Entry{
		file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\n"),
		file("lib/apk/db/installed", "P:musl\nV:1.2.5-r0\nA:x86_64\n\nP:busybox\nV:1.36.1-r29\nA:x86_64\nF:bin\nR:busybox\n\n"),
	}, twice, []imagetest.Entry{
		file("srv/app/node_modules/x/package.json", `{"name":"x","version":"1.0.0","license":"MIT"}`),
		file("srv/app/node_modules/y/package.json", `{"name":`),
		hard("srv/b/node_modules/x/package.json", "srv/app/node_modules/x/package.json"),
	}, twice)
}

// files lists what is in the cache, by kind.
func files(t testing.TB, dir string) (entries, marks, others []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		switch base := filepath.Base(p); {
		case err != nil || e.IsDir():
		case strings.Contains(p, "/layers/") && strings.HasPrefix(base, "sha256-"):
			entries = append(entries, p)
		case strings.Contains(p, "/seen/") && len(base) == 32:
			marks = append(marks, p)
		default:
			others = append(others, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries, marks, others
}

func TestCacheSecondScan(t *testing.T) {
	b := cacheImage(t)
	dir := t.TempDir()
	s := full(nil)
	s.Cache = newCache(t, dir, s)
	s.Workers = 1
	cold := inspect(t, s, b.Image)
	if tm := cold.Timing; tm.LayersRead != 3 || tm.LayersCached != 1 {
		t.Errorf("the first time %d read, %d known; of four layers two are the same", tm.LayersRead, tm.LayersCached)
	}
	if len(cold.Inventory.Packages) != 4 || len(cold.Inventory.Unknowns) != 1 {
		t.Errorf("%q", listed(cold.Inventory))
	}
	for what, s := range map[string]*Scanner{"same scanner": s, "another scanner": full(s.Cache), "another process's": full(newCache(t, dir, s))} {
		warm := inspect(t, s, b.Image)
		if tm := warm.Timing; tm.LayersRead != 0 || tm.LayersCached != 4 || tm.BytesRead != 0 {
			t.Errorf("%s: %d read, %d cached, %d bytes", what, tm.LayersRead, tm.LayersCached, tm.BytesRead)
		}
		same(t, what, cold.Inventory, warm.Inventory)
		if d := cmp.Diff(cold.Image, warm.Image); d != "" {
			t.Errorf("%s: image (-cold +warm):\n%s", what, d)
		}
	}
	// The same set of extractors but for one's version.
	changed := full(nil)
	changed.Extractors[3].Version++
	changed.Cache = newCache(t, dir, changed)
	if tm := inspect(t, changed, b.Image).Timing; tm.LayersRead == 0 {
		t.Error("facts of an older extractor were used")
	}
	if entries, marks, others := files(t, dir); len(entries) != 12 || len(marks) != 0 || len(others) != 0 {
		t.Errorf("the cache holds %q, %q, %q", entries, marks, others)
	}
}

func TestCacheDamagedEntries(t *testing.T) {
	b := cacheImage(t)
	s := full(nil)
	cold := inspect(t, s, b.Image)
	dir := t.TempDir()
	l := b.Image.Layers[2]
	entry := func(c *Cache) []byte {
		body, err := os.ReadFile(c.file(l.Digest))
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	s.Cache = newCache(t, dir, s)
	s = full(s.Cache)
	inspect(t, s, b.Image)
	good := entry(s.Cache)
	foreign, err := os.ReadFile(s.Cache.file(b.Image.Layers[0].Digest))
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) []byte { c := bytes.Clone(good); c[i] ^= 0x40; return c }
	for what, bad := range map[string][]byte{
		"empty": {}, "cut in the sum": good[:5], "cut": good[:len(good)-1], "half": good[:len(good)/2], "longer": append(bytes.Clone(good), 0),
		"another layer's": foreign, "not ours": []byte(strings.Repeat("#!/bin/sh\n", 100)),
		"bit in the sum": flip(0), "bit in the middle": flip(len(good) / 2), "last bit": flip(len(good) - 1),
	} {
		t.Run(what, func(t *testing.T) {
			if err := os.WriteFile(s.Cache.file(l.Digest), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			f := inspect(t, full(s.Cache), b.Image)
			if f.Timing.LayersRead != 1 {
				t.Errorf("%d layers were read", f.Timing.LayersRead)
			}
			same(t, what, cold.Inventory, f.Inventory)
			if !bytes.Equal(entry(s.Cache), good) {
				t.Error("the entry was not written anew")
			}
		})
	}
	if _, _, others := files(t, dir); len(others) != 0 {
		t.Errorf("left behind: %q", others)
	}
}

// A cache that cannot be used costs time and nothing else.
func TestCacheUnusable(t *testing.T) {
	b := cacheImage(t)
	want := inspect(t, full(nil), b.Image).Inventory
	set := extract.SetVersion(extract.All())
	if _, err := OpenCache(filepath.Join(imagetest.File(t, "file", nil), "cache"), set); err == nil {
		t.Error("a file was taken for a folder")
	}
	t.Run("gone", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "cache")
		c := newCache(t, dir, full(nil))
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		same(t, "without a cache", want, inspect(t, full(c), b.Image).Inventory)
	})
	t.Run("folders in place of entries", func(t *testing.T) {
		c := newCache(t, t.TempDir(), full(nil))
		for _, l := range b.Image.Layers {
			if err := os.MkdirAll(filepath.Join(c.file(l.Digest), "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		same(t, "without entries", want, inspect(t, full(c), b.Image).Inventory)
		if m, err := filepath.Glob(filepath.Join(c.dir, ".new-*")); err != nil || len(m) > 0 {
			t.Errorf("left behind: %q, %v", m, err)
		}
	})
	t.Run("read-only", func(t *testing.T) {
		dir := t.TempDir()
		c := newCache(t, dir, full(nil))
		for _, d := range []string{c.dir, c.seen} {
			if err := os.Chmod(d, 0o500); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Chmod(d, 0o700) })
		}
		same(t, "read-only", want, inspect(t, full(c), b.Image).Inventory)
	})
}

// shared makes one layout that all the concurrent scans read, and what they must find.
func shared(t *testing.T) (layout string, want []string) {
	t.Helper()
	layout = imagetest.Layout(t, cacheImage(t))
	return layout, scanLayout(t, layout, full(nil))
}

func scanLayout(t testing.TB, layout string, s *Scanner) []string {
	t.Helper()
	set, err := image.OpenLayout(t.Context(), layout, image.Select{})
	if err != nil {
		t.Error(err)
		return nil
	}
	var f *report.Facts
	if f, err = s.Inspect(t.Context(), set.Images[0]); err != nil {
		t.Error(err)
		return nil
	}
	return listed(f.Inventory)
}

func TestCacheSharedByScanners(t *testing.T) {
	layout, want := shared(t)
	dir := t.TempDir()
	one := full(nil)
	one.Cache = newCache(t, dir, one)
	var wg sync.WaitGroup
	for i := range 64 {
		s := one // half of them share a scanner too
		if i%2 == 0 {
			s = full(newCache(t, dir, one))
		}
		wg.Go(func() {
			if d := cmp.Diff(want, scanLayout(t, layout, s)); d != "" {
				t.Errorf("inventory (-want +got):\n%s", d)
			}
		})
	}
	wg.Wait()
	if entries, marks, others := files(t, dir); len(entries) != 6 || len(marks) != 3 || len(others) != 0 {
		t.Errorf("the cache holds %q, %q, %q", entries, marks, others)
	}
}

const childLayout, childCache = "PLIMSOLL_TEST_LAYOUT", "PLIMSOLL_TEST_CACHE"

func TestCacheSharedByProcesses(t *testing.T) {
	if layout := os.Getenv(childLayout); layout != "" { // one of the processes
		for range 10 {
			s := full(nil)
			s.Cache = newCache(t, os.Getenv(childCache), s)
			fmt.Printf("=%q\n", scanLayout(t, layout, s))
		}
		return
	}
	layout, want := shared(t)
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c := exec.CommandContext(t.Context(), exe, "-test.run=^TestCacheSharedByProcesses$")
			c.Env = append(os.Environ(), childLayout+"="+layout, childCache+"="+dir)
			out, err := c.CombinedOutput()
			if line := fmt.Sprintf("=%q\n", want); err != nil || strings.Count(string(out), line) != 10 {
				t.Errorf("want ten times %s, got %v:\n%s", line, err, out)
			}
		})
	}
	wg.Wait()
	if entries, marks, others := files(t, dir); len(entries) != 6 || len(marks) != 3 || len(others) != 0 {
		t.Errorf("the cache holds %q, %q, %q", entries, marks, others)
	}
}
