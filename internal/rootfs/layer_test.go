package rootfs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// layerOf makes a layer whose stream is blob, verified as every source does.
func layerOf(blob []byte, diffID image.Digest) image.Layer {
	d := image.Sum(blob)
	return image.Layer{Digest: d, DiffID: diffID, Size: int64(len(blob)), Open: func(context.Context) (io.ReadCloser, error) {
		return image.Verify(io.NopCloser(bytes.NewReader(blob)), d, int64(len(blob))), nil
	}}
}

// bodies is a visitor that keeps what it is handed.
func bodies(got map[string]string, want func(rootfs.Entry) bool) rootfs.Visitor {
	return rootfs.Visitor{Want: want, Visit: func(_ context.Context, f *rootfs.File) error {
		b, err := io.ReadAll(f)
		got[f.Path] = string(b)
		return err
	}}
}

func all(rootfs.Entry) bool { return true }

func TestLayerHandsOverWantedFiles(t *testing.T) {
	plain := imagetest.Tar(t,
		imagetest.Entry{Path: "./etc/"},
		imagetest.Entry{Path: "./etc/passwd", Body: "root"},
		imagetest.Entry{Path: "/usr//bin/../lib/x", Body: "x"},
		imagetest.Entry{Path: "big", Body: strings.Repeat("b", 3<<20)},
		imagetest.Entry{Path: "not-wanted", Body: "n"},
	)
	for _, c := range []imagetest.Compression{imagetest.None, imagetest.Gzip, imagetest.Zstd} {
		t.Run("compression "+string(c), func(t *testing.T) {
			got := map[string]string{}
			l := layerOf(imagetest.Compress(t, plain, c), image.Sum(plain))
			ch, err := rootfs.NewReader(rootfs.DefaultLimits()).Layer(t.Context(), l,
				bodies(got, func(e rootfs.Entry) bool { return e.Path != "not-wanted" }))
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"etc/passwd": "root", "usr/lib/x": "x", "big": strings.Repeat("b", 3<<20)}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d[:min(len(d), 400)])
			}
			if ch.DiffID != image.Sum(plain) || ch.Size != int64(len(plain)) {
				t.Errorf("diffID %s size %d", ch.DiffID, ch.Size)
			}
		})
	}
}

// TestConcatenatedGzip: members one after the other are one stream, as for gunzip.
func TestConcatenatedGzip(t *testing.T) {
	plain := imagetest.Tar(t, imagetest.Entry{Path: "a", Body: strings.Repeat("a", 4000)})
	blob := append(imagetest.Compress(t, plain[:2000], imagetest.Gzip), imagetest.Compress(t, plain[2000:], imagetest.Gzip)...)
	got := map[string]string{}
	if _, err := rootfs.NewReader(rootfs.DefaultLimits()).Layer(t.Context(), layerOf(blob, image.Sum(plain)), bodies(got, all)); err != nil {
		t.Fatal(err)
	}
	if len(got["a"]) != 4000 {
		t.Errorf("read %d bytes of a", len(got["a"]))
	}
}

func TestSeveralVisitorsShareOneFile(t *testing.T) {
	for _, size := range []int{10, 2 << 20, 9 << 20} { // in the walk's buffer, in the pool, streamed to both
		lim := rootfs.DefaultLimits()
		lim.File = 4 << 20
		body := strings.Repeat("0123456789", size/10)
		blob := imagetest.Tar(t, imagetest.Entry{Path: "f", Body: body}, imagetest.Entry{Path: "after", Body: "z"})
		a, b := map[string]string{}, map[string]string{}
		early := rootfs.Visitor{Want: all, Visit: func(_ context.Context, f *rootfs.File) error {
			_, err := io.ReadFull(f, make([]byte, 1)) // leaves early
			return err
		}}
		if _, err := rootfs.NewReader(lim).Layer(t.Context(), layerOf(blob, ""), bodies(a, all), early, bodies(b, all)); err != nil {
			t.Fatal(err)
		}
		if a["f"] != body || b["f"] != body || a["after"] != "z" {
			t.Errorf("%d bytes: visitors read %d and %d", size, len(a["f"]), len(b["f"]))
		}
	}
}

func TestFileTooLargeForMemory(t *testing.T) {
	lim := rootfs.DefaultLimits()
	lim.File = 1 << 20
	blob := imagetest.Tar(t, imagetest.Entry{Path: "f", Body: strings.Repeat("x", 2<<20)})
	var got error
	_, err := rootfs.NewReader(lim).Layer(t.Context(), layerOf(blob, ""), rootfs.Visitor{Want: all, Visit: func(_ context.Context, f *rootfs.File) error {
		_, got = f.Bytes()
		return nil
	}})
	if err != nil || !errors.Is(got, rootfs.ErrTooLarge) {
		t.Errorf("Bytes: %v, layer: %v", got, err)
	}
}

func TestDigestsAreAlwaysChecked(t *testing.T) {
	plain := imagetest.Tar(t, imagetest.Entry{Path: "a", Body: "a"})
	blob := imagetest.Compress(t, plain, imagetest.Gzip)
	r := rootfs.NewReader(rootfs.DefaultLimits())
	if _, err := r.Layer(t.Context(), layerOf(blob, image.Sum([]byte("other")))); !errors.Is(err, image.ErrDigestMismatch) {
		t.Errorf("wrong diffID: %v", err)
	}
	l := layerOf(blob, image.Sum(plain))
	l.Open = func(context.Context) (io.ReadCloser, error) {
		other := imagetest.Compress(t, imagetest.Tar(t, imagetest.Entry{Path: "evil", Body: "b"}), imagetest.Gzip)
		return image.Verify(io.NopCloser(bytes.NewReader(other)), l.Digest, int64(len(other))), nil
	}
	if _, err := r.Layer(t.Context(), l); !errors.Is(err, image.ErrDigestMismatch) {
		t.Errorf("wrong blob: %v", err)
	}
	// Bytes after the end of the tar belong to the content: changing them is seen too.
	l = layerOf(append(blob[:len(blob):len(blob)], "trailing"...), image.Sum(plain))
	if _, err := r.Layer(t.Context(), l); err == nil {
		t.Error("garbage after the gzip stream is not noticed")
	}
	for n := 1; n < len(blob); n += 7 {
		l := layerOf(blob, image.Sum(plain))
		l.Open = func(context.Context) (io.ReadCloser, error) {
			return image.Verify(io.NopCloser(bytes.NewReader(blob[:n])), l.Digest, l.Size), nil
		}
		if c, err := r.Layer(t.Context(), l); err == nil {
			t.Fatalf("cut after %d bytes of %d: no error, %d entries", n, len(blob), c.Entries.Len())
		}
	}
}

// endless is a stream that never ends and is gone through at memory speed.
type endless struct{ b byte }

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.b
	}
	return len(p), nil
}

func TestLimits(t *testing.T) {
	many := func(n int, path func(int) string) []byte {
		var es []imagetest.Entry
		for i := range n {
			es = append(es, imagetest.Entry{Path: path(i), Body: "x"})
		}
		return imagetest.Tar(t, es...)
	}
	bomb := imagetest.Compress(t, imagetest.Tar(t, imagetest.Entry{Path: "zero", Body: strings.Repeat("\x00", 8<<20)}), imagetest.Gzip)
	tests := []struct {
		name string
		blob []byte
		set  func(*rootfs.Limits)
		say  string
		on   string
	}{
		{"entries", many(20, func(i int) string { return fmt.Sprint(i) }), func(l *rootfs.Limits) { l.Entries = 10 }, "more than 10 entries", ""},
		{"path", many(2, func(i int) string { return strings.Repeat("a/", 300) + fmt.Sprint(i) }), func(l *rootfs.Limits) { l.Path = 100 }, "longer than 100 bytes", "a/"},
		{"depth", many(2, func(i int) string { return strings.Repeat("a/", 30) + fmt.Sprint(i) }), func(l *rootfs.Limits) { l.Depth = 10 }, "deeper than 10", "a/"},
		{"total", bomb, func(l *rootfs.Limits) { l.Total = 1 << 20 }, "larger than 1048576 bytes", ""},
		{"ratio", bomb, func(l *rootfs.Limits) { l.Ratio, l.RatioAfter = 100, 1<<20 }, "more than 100 times", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lim := rootfs.DefaultLimits()
			tt.set(&lim)
			c, err := rootfs.NewReader(lim).Layer(t.Context(), layerOf(tt.blob, ""), bodies(map[string]string{}, all))
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Problems) == 0 || !strings.Contains(c.Problems[0].What, tt.say) || !c.Problems[0].Limit || !strings.HasPrefix(c.Problems[0].Path, tt.on) {
				t.Errorf("problems %+v", c.Problems)
			}
		})
	}
	t.Run("time", func(t *testing.T) {
		lim := rootfs.DefaultLimits()
		lim.Time, lim.Total, lim.Ratio = 20*time.Millisecond, 0, 0
		var head bytes.Buffer
		w := tar.NewWriter(&head)
		w.WriteHeader(&tar.Header{Name: "endless", Size: 1 << 60, Mode: 0o644})
		l := image.Layer{Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(&head, endless{'x'})), nil
		}}
		c, err := rootfs.NewReader(lim).Layer(t.Context(), l)
		if err != nil || len(c.Problems) != 1 || !strings.Contains(c.Problems[0].What, "longer than 20ms") {
			t.Errorf("%v %+v", err, c.Problems)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := rootfs.NewReader(rootfs.DefaultLimits()).Layer(ctx, layerOf(bomb, "")); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestHostileNamesStayInside(t *testing.T) {
	blob := imagetest.Tar(t,
		imagetest.Entry{Path: "../../../etc/shadow", Body: "a"},
		imagetest.Entry{Path: "/abs", Body: "b"},
		imagetest.Entry{Path: "x/../../y", Body: "c"},
		imagetest.Entry{Path: "lat\xff\xfein", Body: "d"},
		imagetest.Entry{Path: "dev/null", Kind: tar.TypeChar},
		imagetest.Entry{Path: "pipe", Kind: tar.TypeFifo},
		imagetest.Entry{Path: "hard", Kind: tar.TypeLink, Link: "../../etc/passwd"},
	)
	c, err := rootfs.NewReader(rootfs.DefaultLimits()).Layer(t.Context(), layerOf(blob, ""))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for e := range c.Entries.All() {
		got = append(got, fmt.Sprintf("%s %d %s", e.Path, e.Kind, e.Link))
	}
	want := []string{"abs 0 ", "dev/null 4 ", "etc/shadow 0 ", "hard 3 etc/passwd", "lat\xff\xfein 0 ", "pipe 4 ", "y 0 "}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestWhiteoutNames(t *testing.T) {
	blob := imagetest.Tar(t,
		imagetest.Entry{Path: "a/.wh.gone"},
		imagetest.Entry{Path: "b/.wh..wh..opq"},
		imagetest.Entry{Path: ".wh..wh.plnk/1.2"}, // aufs metadata folder's content is an ordinary path
		imagetest.Entry{Path: ".wh..wh.aufs"},
		imagetest.Entry{Path: "c/not.wh.me", Body: "x"},
		imagetest.Entry{Path: "c/.wh.", Body: "x"},
		imagetest.Entry{Path: "a/gone", Body: "again"}, // re-added in the same layer
	)
	got := map[string]string{}
	c, err := rootfs.NewReader(rootfs.DefaultLimits()).Layer(t.Context(), layerOf(blob, ""), bodies(got, all))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a/gone"}, c.Whiteouts); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"b"}, c.Opaque); d != "" {
		t.Error(d)
	}
	for _, p := range []string{"c/not.wh.me", "c/.wh.", "a/gone"} {
		if _, ok := got[p]; !ok {
			t.Errorf("%s was taken for a whiteout", p)
		}
	}
}

func TestDuplicateEntries(t *testing.T) {
	blob := imagetest.Tar(t,
		imagetest.Entry{Path: "d/", Kind: tar.TypeDir},
		imagetest.Entry{Path: "d/f", Body: "below"},
		imagetest.Entry{Path: "x", Body: "first"},
		imagetest.Entry{Path: "./x", Body: "second, the longer"},
		imagetest.Entry{Path: "d", Body: "now a file"},
	)
	c, err := rootfs.NewReader(rootfs.DefaultLimits()).Layer(t.Context(), layerOf(blob, ""))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for e := range c.Entries.All() {
		got = append(got, fmt.Sprintf("%s %d", e.Path, e.Size))
	}
	if d := cmp.Diff([]string{"d 10", "x 18"}, got); d != "" {
		t.Error(d)
	}
}

func FuzzLayer(f *testing.F) {
	f.Add([]byte("garbage"))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "a/.wh.b", Size: 1, Mode: 0o644})
	w.Write([]byte("x"))
	w.WriteHeader(&tar.Header{Name: "l", Linkname: "a", Typeflag: tar.TypeSymlink})
	w.Close()
	f.Add(b.Bytes())
	lim := rootfs.DefaultLimits()
	lim.Total, lim.File, lim.Memory, lim.Time = 64<<20, 1<<20, 1<<20, 5*time.Second
	f.Fuzz(func(t *testing.T, blob []byte) {
		c, err := rootfs.NewReader(lim).Layer(t.Context(), layerOf(blob, ""), bodies(map[string]string{}, all))
		if err != nil {
			return
		}
		for e := range c.Entries.All() {
			if e.Path != rootfs.Clean(e.Path) || strings.HasPrefix(e.Path, "/") || strings.HasPrefix(e.Path, "../") {
				t.Errorf("path %q leads out", e.Path)
			}
		}
		v := rootfs.NewView([]*rootfs.Changes{c, c})
		for e := range c.Entries.All() {
			v.Visible(1, e.Path)
			v.Resolve(e.Path)
		}
	})
}
