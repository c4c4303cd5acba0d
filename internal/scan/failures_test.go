package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// One file that cannot be read is unknown; the rest is there.
func TestBadFiles(t *testing.T) {
	b := build(t, []imagetest.Entry{
		file("a.pkg", "a 1"),
		file("e.pkg", "e 1 error"),
		file("panic.pkg", "p 1 panic"),
		file("part.pkg", "part 1 part"),
		file("large.pkg", "large 1"+strings.Repeat(" ", 2<<10)),
		file("z.pkg", "z 1"),
	}, []imagetest.Entry{file("above.pkg", "above 1")})
	s := toys(nil)
	lim := rootfs.DefaultLimits()
	lim.File = 1 << 10
	s.Reader = rootfs.NewReader(lim)
	inv := inspect(t, s, b.Image).Inventory
	check(t, inv,
		"a@1 a.pkg!/inner:0", "above@1 above.pkg!/inner:1", "part@1 part.pkg!/inner:0", "z@1 z.pkg!/inner:0",
		"? analysis_partial e.pkg: toy: not a package",
		"? analysis_partial panic.pkg: toy: the reader failed: index out of range",
		"? analysis_partial part.pkg: toy: the rest is damaged",
		"? limit_exceeded large.pkg: toy: large.pkg: 2055 bytes: larger than may be held in memory (1024 bytes)",
	)
}

func TestReplacedFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		layers [][]imagetest.Entry
		want   []string
	}{
		"by a file that is no package, above": {[][]imagetest.Entry{{file("a.pkg", "a 1"), file("b.pkg", "b 1")}, {file("a.pkg", "")}},
			[]string{"b@1 b.pkg!/inner:0"}},
		"by a file that is no package, in one tar": {[][]imagetest.Entry{{file("a.pkg", "a 1"), file("b.pkg", "b 1"), file("a.pkg", "")}},
			[]string{"b@1 b.pkg!/inner:0"}},
		"by a newer package, in one tar": {[][]imagetest.Entry{{file("a.pkg", "a 1"), file("./a.pkg", "a 2")}},
			[]string{"a@2 a.pkg!/inner:0"}},
		"by a broken one, in one tar": {[][]imagetest.Entry{{file("a.pkg", "a 1"), file("b.pkg", "b 1"), file("a.pkg", "error")}},
			[]string{"b@1 b.pkg!/inner:0", "? analysis_partial a.pkg: toy: not a package"}},
		"a broken one by a good one, in one tar": {[][]imagetest.Entry{{file("a.pkg", "error"), file("a.pkg", "a 1")}},
			[]string{"a@1 a.pkg!/inner:0"}},
		"by a symlink, in one tar": {[][]imagetest.Entry{{file("a.pkg", "a 1"), file("b.pkg", "b 1"), {Path: "a.pkg", Link: "b.pkg"}}},
			[]string{"b@1 b.pkg!/inner:0"}},
		"by a folder, above": {[][]imagetest.Entry{{file("a.pkg", "a 1"), file("b.pkg", "b 1")}, {{Path: "a.pkg/"}}},
			[]string{"b@1 b.pkg!/inner:0"}},
		"its folder by a file, in one tar": {[][]imagetest.Entry{{{Path: "d/"}, file("d/a.pkg", "a 1"), file("b.pkg", "b 1"), file("d", "")}},
			[]string{"b@1 b.pkg!/inner:0"}},
		"by one that is not wanted, in one tar": {[][]imagetest.Entry{{prog("bin/tool", "1"), file("b.pkg", "b 1"), file("bin/tool", "2")}},
			[]string{"b@1 b.pkg!/inner:0"}},
		"by a hard link to nothing of interest, in one tar": {[][]imagetest.Entry{{file("n.pkg", ""), file("a.pkg", "a 1"), file("b.pkg", "b 1"), hard("a.pkg", "n.pkg")}},
			[]string{"b@1 b.pkg!/inner:0"}},
		"by a hard link to another, in one tar": {[][]imagetest.Entry{{file("a.pkg", "a 1"), file("b.pkg", "b 1"), hard("a.pkg", "b.pkg")}},
			[]string{"b@1 a.pkg!/inner:0 b.pkg!/inner:0"}},
		"and put back": {[][]imagetest.Entry{{file("a.pkg", "a 1")}, {file(".wh.a.pkg", "")}, {file("a.pkg", "a 1")}},
			[]string{"a@1 a.pkg!/inner:2"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := build(t, tc.layers...)
			check(t, inspect(t, toys(nil), b.Image).Inventory, tc.want...)
			check(t, streamed(t, toys(nil), imagetest.DockerArchive(t, b))[0].Inventory, tc.want...)
		})
	}
}

// damaged gives b's image with layer i opening as body, verified.
func damaged(b *imagetest.Built, i int, body []byte) *image.Image {
	img := *b.Image
	img.Layers = append([]image.Layer(nil), img.Layers...)
	l := &img.Layers[i]
	d, size := l.Digest, l.Size
	l.Open = func(context.Context) (io.ReadCloser, error) {
		return image.Verify(io.NopCloser(bytes.NewReader(body)), d, size), nil
	}
	return &img
}

var errLine = errors.New("the line is dead")

func TestBadLayers(t *testing.T) {
	b := build(t, []imagetest.Entry{file("a.pkg", "a 1")}, []imagetest.Entry{file("b.pkg", "b 1"), file("bb.pkg", "bb 1")}, []imagetest.Entry{file("c.pkg", "c 1")})
	other := imagetest.Compress(t, imagetest.Tar(t, file("evil.pkg", "evil 1")), imagetest.Gzip)
	good := b.Layers[1]
	garbage := imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{
		imagetest.Layer(file("a.pkg", "a 1")),
		{Blob: []byte("neither tar nor gzip, but what the manifest promises"), Compression: imagetest.Gzip},
	}})
	fails := func(err error) *image.Image {
		img := damaged(b, 1, nil)
		img.Layers[1].Open = func(context.Context) (io.ReadCloser, error) { return nil, err }
		return img
	}
	for name, tc := range map[string]struct {
		img  *image.Image
		hard bool
		want []string
	}{
		"other content":     {img: damaged(b, 1, other), hard: true},
		"one byte too many": {img: damaged(b, 1, append(append([]byte(nil), good...), 0)), hard: true},
		"wrong diffID": {hard: true, img: imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{
			{Tar: imagetest.Tar(t, file("a.pkg", "a 1")), Blob: other, Compression: imagetest.Gzip}}}).Image},
		"cannot be opened": {img: fails(errLine), want: []string{"a@1 a.pkg!/inner:0", "c@1 c.pkg!/inner:2", "? layer_unreadable sha256:…"}},
		"not there":        {img: fails(image.ErrNotFound), want: []string{"a@1 a.pkg!/inner:0", "c@1 c.pkg!/inner:2", "? layer_unreadable sha256:…"}},
		"no tar":           {img: garbage.Image, want: []string{"a@1 a.pkg!/inner:0", "? layer_unreadable sha256:…"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := toys(nil)
			s.Cache = newCache(t, t.TempDir(), s)
			for range 2 { // the second time nothing of it must have been kept
				f, err := s.Inspect(t.Context(), tc.img)
				if tc.hard {
					if !errors.Is(err, image.ErrDigestMismatch) {
						t.Fatalf("error is %v, inventory %v", err, f)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				check(t, f.Inventory, tc.want...)
			}
			for _, l := range tc.img.Layers {
				if l.Digest == tc.img.Layers[len(tc.img.Layers)-1].Digest && name == "no tar" || l.Digest == b.Image.Layers[1].Digest {
					if s.Cache.get(l) != nil {
						t.Errorf("layer %s was never read and verified but is in the cache", l.Digest)
					}
				}
			}
		})
	}
	// A layer cut short is unreadable or a mismatch, never merely smaller.
	for _, n := range []int{0, 5, len(good) / 2, len(good) - 1} {
		f, err := toys(nil).Inspect(t.Context(), damaged(b, 1, good[:n]))
		if err == nil && !hasReason(f.Inventory, inventory.LayerUnreadable) {
			t.Errorf("with %d of %d bytes: %q", n, len(good), listed(f.Inventory))
		}
	}
}

// A layer over a limit tells what was read of it, says so, and is read again next time.
func TestLayerOverLimit(t *testing.T) {
	var es []imagetest.Entry
	for i := range 20 {
		es = append(es, file(fmt.Sprintf("%02d.pkg", i), fmt.Sprintf("p%02d 1", i)))
	}
	b := build(t, es, []imagetest.Entry{file("above.pkg", "above 1")})
	lim := rootfs.DefaultLimits()
	lim.Entries = 10
	s := toys(nil)
	s.Reader = rootfs.NewReader(lim)
	s.Cache = newCache(t, t.TempDir(), s)
	inv := inspect(t, s, b.Image).Inventory
	if len(inv.Packages) != 11 || !hasReason(inv, inventory.LimitExceeded) {
		t.Errorf("%q", listed(inv))
	}
	// The very next scanner may have other limits.
	if f := inspect(t, toys(s.Cache), b.Image); len(f.Inventory.Packages) != 21 || len(f.Inventory.Unknowns) != 0 || f.Timing.LayersCached != 1 {
		t.Errorf("%d layers cached: %q", f.Timing.LayersCached, listed(f.Inventory))
	}
}

func TestCancelled(t *testing.T) {
	b := build(t, []imagetest.Entry{file("a.pkg", "a 1")})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f, err := toys(nil).Inspect(ctx, b.Image); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", f, err)
	}
}

// Two images share a layer; who asks first is told to stop or has no right to it. That
// is nothing to the other.
func TestSharedLayerFailsForOne(t *testing.T) {
	b := build(t, []imagetest.Entry{file("a.pkg", "a 1")})
	for _, what := range []string{"cancelled", "refused", "mismatch"} {
		t.Run(what, func(t *testing.T) {
			s := toys(nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			opened, release := make(chan bool), make(chan bool)
			first := damaged(b, 0, nil)
			first.Layers[0].Open = func(ctx context.Context) (io.ReadCloser, error) {
				close(opened)
				<-release
				switch what {
				case "cancelled":
					return nil, ctx.Err()
				case "mismatch":
					return nil, image.ErrDigestMismatch
				}
				return nil, image.ErrAuth
			}
			firstDone := make(chan error, 1)
			go func() {
				f, err := s.Inspect(ctx, first)
				if err == nil && !hasReason(f.Inventory, inventory.LayerUnreadable) {
					err = fmt.Errorf("inventory %q", listed(f.Inventory))
				} else if what == "refused" && err != nil {
					err = fmt.Errorf("a hard failure: %v", err)
				} else {
					err = nil
				}
				firstDone <- err
			}()
			<-opened
			secondDone := make(chan error, 1)
			go func() {
				f, err := s.Inspect(t.Context(), b.Image)
				if err == nil && len(f.Inventory.Packages) != 1 {
					err = fmt.Errorf("inventory %q", listed(f.Inventory))
				}
				secondDone <- err
			}()
			if what == "cancelled" {
				cancel()
			}
			close(release)
			if err := <-firstDone; err != nil {
				t.Errorf("first: %v", err)
			}
			if err := <-secondDone; err != nil {
				t.Errorf("second: %v", err)
			}
		})
	}
}
