package scan

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
)

// Real archives give the same read from a file, from a stream and from the cache. Only
// hard links whose target went by may be missing from a stream, and it says so.
func TestCorpusSourcesAgree(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(imagetest.Corpus(t), "fixtures", "images", "*.tar*"))
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d images, %v", len(paths), err)
	}
	read, partial := 0, 0
	for _, path := range paths {
		set, err := image.OpenArchive(t.Context(), path, image.Select{All: true})
		if err != nil {
			continue // no image: internal/image tests what is said of it
		}
		cache := newCache(t, t.TempDir(), full(nil))
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		_, fs, err := full(nil).Stream(t.Context(), f, image.Select{All: true})
		f.Close()
		if err != nil || len(fs) != len(set.Images) {
			t.Errorf("%s: %d images from the stream, %d from the file, %v", filepath.Base(path), len(fs), len(set.Images), err)
			continue
		}
		for i, img := range set.Images {
			read++
			want := inspect(t, full(cache), img).Inventory
			same(t, filepath.Base(path)+" from the cache", want, inspect(t, full(cache), img).Inventory)
			got := fs[i].Inventory
			missed := len(got.Unknowns)
			got.Unknowns = slices.DeleteFunc(got.Unknowns, func(u inventory.Unknown) bool {
				return strings.Contains(u.Detail, "had gone by in the stream")
			})
			if missed -= len(got.Unknowns); missed > 0 {
				partial++
				t.Logf("%s: %d hard links could not be read from the stream", filepath.Base(path), missed)
				continue
			}
			if len(got.Unknowns) == 0 {
				got.Unknowns = want.Unknowns[:0:0]
				if want.Unknowns == nil {
					got.Unknowns = nil
				}
			}
			same(t, filepath.Base(path)+" from a stream", want, got)
		}
	}
	t.Logf("%d images, %d with links that a stream cannot read", read, partial)
	if read < 15 {
		t.Errorf("only %d images were read", read)
	}
}
