package scan

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/extract"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/report"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// toy reads files named *.pkg: a line "name version" is a package, "panic", "error",
// "part" and "large" are what goes wrong, anything else holds nothing of interest.
var toy = extract.Extractor{
	Name: "toy", Doc: "test packages", Version: 1,
	Want: func(e rootfs.Entry) bool { return e.Kind == rootfs.Regular && strings.HasSuffix(e.Path, ".pkg") },
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		b, err := f.Bytes()
		if err != nil {
			return nil, err
		}
		words := strings.Fields(string(b))
		if len(words) == 0 {
			return nil, nil
		}
		var frag *inventory.Fragment
		if len(words) >= 2 {
			frag = &inventory.Fragment{Packages: []inventory.Package{{Type: "generic", Name: words[0], Version: words[1],
				Locations: []inventory.Location{{Path: f.Path + "!/inner"}}}}}
		}
		switch words[len(words)-1] {
		case "panic":
			panic("index out of range")
		case "error":
			return nil, fmt.Errorf("not a package")
		case "part":
			return frag, fmt.Errorf("the rest is damaged")
		case "note":
			frag.Unknowns = []inventory.Unknown{{Reason: inventory.AnalysisPartial, Subject: f.Path, Detail: "as far as it goes"}}
		}
		return frag, nil
	},
}

// namer wants executables and takes what is in them for the package that their name says.
var namer = extract.Extractor{
	Name: "namer", Doc: "test programs", Version: 1,
	Want:  func(e rootfs.Entry) bool { return e.Executable() },
	Named: func(e rootfs.Entry) bool { return e.Base() == "tool" },
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		b, err := f.Bytes()
		if f.Base() != "tool" || err != nil {
			return nil, err
		}
		return &inventory.Fragment{Packages: []inventory.Package{{Type: "generic", Name: "tool", Version: strings.TrimSpace(string(b))}}}, nil
	},
}

func toys(cache *Cache) *Scanner {
	return &Scanner{Reader: rootfs.NewReader(rootfs.DefaultLimits()), Extractors: []extract.Extractor{toy, namer}, Cache: cache}
}

func full(cache *Cache) *Scanner { return New(rootfs.DefaultLimits(), cache) }

func newCache(t testing.TB, dir string, s *Scanner) *Cache {
	t.Helper()
	c, err := OpenCache(dir, extract.SetVersion(s.Extractors))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func build(t testing.TB, layers ...[]imagetest.Entry) *imagetest.Built {
	t.Helper()
	specs := make([]imagetest.LayerSpec, len(layers))
	for i, es := range layers {
		specs[i] = imagetest.Layer(es...)
	}
	return imagetest.Build(t, imagetest.Spec{Name: "example/app:1", Layers: specs})
}

func hard(path, target string) imagetest.Entry {
	return imagetest.Entry{Path: path, Kind: tar.TypeLink, Link: target}
}

func file(path, body string) imagetest.Entry { return imagetest.Entry{Path: path, Body: body} }

func inspect(t testing.TB, s *Scanner, img *image.Image) *report.Facts {
	t.Helper()
	f, err := s.Inspect(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// listed writes an inventory as lines: packages with where they were found, then
// unknowns.
func listed(inv *inventory.Inventory) (out []string) {
	for _, p := range inv.Packages {
		var at []string
		for _, l := range p.Locations {
			at = append(at, fmt.Sprintf("%s:%d", l.Path, l.Layer))
		}
		out = append(out, fmt.Sprintf("%s@%s %s", p.Name, p.Version, strings.Join(at, " ")))
	}
	for _, u := range inv.Unknowns {
		out = append(out, fmt.Sprintf("? %s %s: %s", u.Reason, u.Subject, u.Detail))
	}
	return out
}

// check compares lines with what is wanted; a wanted line that ends in … needs to be
// the beginning only.
func check(t testing.TB, inv *inventory.Inventory, want ...string) {
	t.Helper()
	got := listed(inv)
	for i := range got {
		if i < len(want) {
			if head, ok := strings.CutSuffix(want[i], "…"); ok && strings.HasPrefix(got[i], head) {
				got[i] = want[i]
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("inventory (-want +got):\n%s", d)
	}
}

func same(t interface{ Errorf(string, ...any) }, what string, want, got *inventory.Inventory) {
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func streamed(t testing.TB, s *Scanner, archive []byte) []*report.Facts {
	t.Helper()
	_, fs, err := s.Stream(t.Context(), onlyReader{bytes.NewReader(archive)}, image.Select{})
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

type onlyReader struct{ io.Reader }

func hasReason(inv *inventory.Inventory, r inventory.Reason) bool {
	return slices.ContainsFunc(inv.Unknowns, func(u inventory.Unknown) bool { return u.Reason == r })
}
