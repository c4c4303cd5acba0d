package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

var none = image.Select{}

// seen is what a test compares of an image.
type seen struct {
	Name    string
	ID      image.Digest
	DiffIDs []image.Digest // of what the layers really hold
	By      []string
}

// look reads every layer of a set, decompresses it and hashes what is in it.
func look(t *testing.T, set *image.Set) (out []seen) {
	t.Helper()
	for _, img := range set.Images {
		s := seen{Name: img.Name, ID: img.ID}
		for i, l := range img.Layers {
			b, err := readLayer(l)
			if err != nil {
				t.Fatalf("%s: layer %d: %v", img.Name, i, err)
			}
			if l.Size != int64(len(b)) {
				t.Errorf("%s: layer %d has %d bytes, Size says %d", img.Name, i, len(b), l.Size)
			}
			if l.Local == "" {
				t.Errorf("%s: layer %d is on this machine but Local is empty", img.Name, i)
			}
			d := image.Sum(unpack(t, b))
			if d != l.DiffID || d != img.Config.DiffIDs[i] {
				t.Errorf("%s: layer %d holds %s, DiffID is %s, the config says %s", img.Name, i, d, l.DiffID, img.Config.DiffIDs[i])
			}
			s.DiffIDs, s.By = append(s.DiffIDs, d), append(s.By, l.CreatedBy)
		}
		out = append(out, s)
	}
	return out
}

func unpack(t *testing.T, b []byte) []byte {
	t.Helper()
	var r io.Reader
	var err error
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		r, err = gzip.NewReader(bytes.NewReader(b))
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		r, err = zstd.NewReader(bytes.NewReader(b))
	default:
		return b
	}
	if err == nil {
		b, err = io.ReadAll(r)
	}
	if err != nil {
		t.Fatalf("decompressing: %v", err)
	}
	return b
}

// readStream is ReadStream with a visitor that hashes what is in every body and puts
// that into the layers, so that look can compare.
func readStream(t *testing.T, archive []byte, sel image.Select) (*image.Set, error) {
	t.Helper()
	bodies := map[string][]byte{}
	set, err := image.ReadStream(t.Context(), onlyReader{bytes.NewReader(archive)}, sel, func(name string, size int64, body io.Reader) error {
		b, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		if int64(len(b)) != size {
			t.Errorf("%s: %d bytes of %d", name, len(b), size)
		}
		bodies[name] = b
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, img := range set.Images {
		for i := range img.Layers {
			l := &img.Layers[i]
			if _, err := l.Open(t.Context()); !errors.Is(err, image.ErrUnsupported) {
				t.Errorf("%s: opening a layer that went by gives %v", img.Name, err)
			}
			b, ok := bodies[l.Local]
			if !ok {
				t.Errorf("%s: layer %d was not visited: Local is %q", img.Name, i, l.Local)
			}
			l.Open = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
		}
	}
	return set, nil
}

type onlyReader struct{ io.Reader }

func twoImages(t *testing.T) (a, b *imagetest.Built) {
	t.Helper()
	base := imagetest.Layer(imagetest.Entry{Path: "etc/"}, imagetest.Entry{Path: "etc/os-release", Body: "ID=test\n"}).By("ADD base")
	a = imagetest.Build(t, imagetest.Spec{Name: "example/a:1", Layers: []imagetest.LayerSpec{
		base, imagetest.Layer(imagetest.Entry{Path: "a", Body: strings.Repeat("a", 5000)}).With(imagetest.Zstd).By("COPY a"),
	}})
	b = imagetest.Build(t, imagetest.Spec{Name: "example/b:2", Layers: []imagetest.LayerSpec{
		base, imagetest.Layer().By("RUN true"), imagetest.Layer(imagetest.Entry{Path: "b", Body: "b"}).With(imagetest.None).By("COPY b"),
	}})
	return a, b
}

// The same images give the same answer in whatever way they were saved.
func TestArchiveFormats(t *testing.T) {
	a, b := twoImages(t)
	want := []seen{
		{"example/a:1", a.Image.ID, a.Image.Config.DiffIDs, []string{"ADD base", "COPY a"}},
		{"example/b:2", b.Image.ID, b.Image.Config.DiffIDs, []string{"ADD base", "RUN true", "COPY b"}},
	}
	for name, plain := range map[string][]byte{
		"docker": imagetest.DockerArchive(t, a, b), "old-docker": imagetest.OldDockerArchive(t, a, b), "oci": imagetest.OCIArchive(t, a, b),
	} {
		for _, c := range []imagetest.Compression{imagetest.None, imagetest.Gzip, imagetest.Zstd} {
			t.Run(name+" "+string(c), func(t *testing.T) {
				archive := imagetest.Compress(t, plain, c)
				path := imagetest.File(t, "images.tar", archive)
				set, err := image.OpenArchive(t.Context(), path, none)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, look(t, set)); d != "" {
					t.Errorf("images (-want +got):\n%s", d)
				}
				if set.Source != path {
					t.Errorf("source is %q", set.Source)
				}
				if hasManifest := name != "old-docker"; hasManifest != (set.Images[0].Digest == a.Desc.Digest) {
					t.Errorf("manifest digest is %q", set.Images[0].Digest)
				}
				streamed, err := readStream(t, archive, none)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, look(t, streamed)); d != "" {
					t.Errorf("from a stream (-want +got):\n%s", d)
				}
				for forced, open := range map[string]func(context.Context, string, image.Select) (*image.Set, error){"docker": image.OpenDockerArchive, "oci": image.OpenOCIArchive} {
					set, err := open(t.Context(), path, none)
					if fits := name == "docker" || strings.HasSuffix(name, forced); !fits {
						if !errors.Is(err, image.ErrNotImage) {
							t.Errorf("forced to %s: %v", forced, err)
						}
					} else if err != nil {
						t.Errorf("forced to %s: %v", forced, err)
					} else if d := cmp.Diff(want, look(t, set)); d != "" {
						t.Errorf("forced to %s (-want +got):\n%s", forced, d)
					}
				}
			})
		}
	}
	dir := imagetest.Layout(t, a, b)
	set, err := image.OpenLayout(t.Context(), dir, none)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, look(t, set)); d != "" {
		t.Errorf("layout (-want +got):\n%s", d)
	}
}

func TestSelectName(t *testing.T) {
	a, b := twoImages(t)
	s390, mips := platformImage(t, "linux/s390x"), platformImage(t, "linux/mips")
	multi := imagetest.Index(t, "example/multi:3", s390, mips)
	bare := imagetest.Build(t, imagetest.Spec{Name: "latest"})
	for _, tc := range []struct {
		want string
		id   []image.Digest
	}{
		{"example/a:1", []image.Digest{a.Image.ID}},
		{"docker.io/example/b:2", []image.Digest{b.Image.ID}},
		{"latest", []image.Digest{bare.Image.ID}},
		{string(b.Image.ID), []image.Digest{b.Image.ID}},
		{b.Image.ID.Short(), []image.Digest{b.Image.ID}},
		{string(a.Desc.Digest), []image.Digest{a.Image.ID}},
		{string(mips.Desc.Digest), []image.Digest{mips.Image.ID}},
		{string(s390.Image.ID), []image.Digest{s390.Image.ID}},
		{"example/c:1", nil},
		{"example/a", nil},
		{"ample/a:1", nil},
	} {
		for name, archive := range map[string][]byte{"docker": imagetest.DockerArchive(t, a, b, bare, multi), "oci": imagetest.OCIArchive(t, a, b, bare, multi)} {
			set, err := image.OpenArchive(t.Context(), imagetest.File(t, "x.tar", archive), image.Select{Name: tc.want})
			if tc.id == nil {
				if !errors.Is(err, image.ErrNotFound) || !strings.Contains(err.Error(), "example/a:1, example/b:2, latest, example/multi:3") {
					t.Errorf("%s: %s: %v", name, tc.want, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %s: %v", name, tc.want, err)
				continue
			}
			var got []image.Digest
			for _, img := range set.Images {
				got = append(got, img.ID)
			}
			if !slices.Equal(got, tc.id) {
				t.Errorf("%s: %s gives %v, want %v", name, tc.want, got, tc.id)
			}
		}
	}
	// By the name of a multi-platform image the platform still matters.
	set, err := image.OpenArchive(t.Context(), imagetest.File(t, "x.tar", imagetest.OCIArchive(t, a, multi)), image.Select{Name: "example/multi:3", Platform: mips.Image.Platform})
	if err != nil || len(set.Images) != 1 || set.Images[0].ID != mips.Image.ID || set.Index != multi.Desc.Digest || set.Images[0].Name != "example/multi:3" {
		t.Errorf("%+v, %v", set, err)
	}
	old := imagetest.File(t, "old.tar", imagetest.OldDockerArchive(t, a, b))
	for _, want := range []string{"example/b:2", string(b.Image.ID), b.Image.ID.Short()} {
		if set, err := image.OpenArchive(t.Context(), old, image.Select{Name: want}); err != nil || len(set.Images) != 1 || set.Images[0].ID != b.Image.ID {
			t.Errorf("%s: %v, %v", want, set, err)
		}
	}
	if _, err := image.OpenArchive(t.Context(), old, image.Select{Name: "c"}); !errors.Is(err, image.ErrNotFound) || !strings.Contains(err.Error(), "example/a:1, example/b:2") {
		t.Errorf("%v", err)
	}
}

// A bare tag as skopeo writes it is shown with the file that it is in.
func TestImageNames(t *testing.T) {
	for name, want := range map[string]string{"": "PATH", "latest": "PATH:latest", "app:1": "app:1", "example.com/app": "example.com/app"} {
		path := imagetest.File(t, "x.tar", imagetest.OCIArchive(t, imagetest.Build(t, imagetest.Spec{Name: name})))
		set, err := image.OpenArchive(t.Context(), path, none)
		if err != nil || set.Images[0].Name != strings.Replace(want, "PATH", path, 1) {
			t.Errorf("%q: %v, %v", name, set, err)
		}
	}
}

func TestArchivePlatforms(t *testing.T) {
	s390, mips := platformImage(t, "linux/s390x"), platformImage(t, "linux/mips")
	helm := imagetest.Artifact(t, "", "application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "x")
	index := imagetest.Index(t, "multi:1", s390, imagetest.Attestation(t, s390), mips)
	partial := imagetest.Index(t, "part:1", s390, mips)
	for d := range mips.Blobs {
		if d != s390.Image.Layers[0].Digest {
			delete(partial.Blobs, d)
		}
	}
	none := imagetest.Index(t, "none:1", mips)
	none.Blobs = map[image.Digest][]byte{none.Desc.Digest: none.Blobs[none.Desc.Digest]}
	want := func(p string) image.Select {
		pl, _ := image.ParsePlatform(p)
		return image.Select{Platform: pl}
	}
	for _, tc := range []struct {
		name    string
		in      []*imagetest.Built
		sel     image.Select
		ids     []image.Digest
		skipped int
		err     error
	}{
		{"one, not ours", []*imagetest.Built{mips}, image.Select{}, []image.Digest{mips.Image.ID}, 0, nil},
		{"one, another asked for", []*imagetest.Built{mips}, want("linux/s390x"), nil, 0, image.ErrPlatform},
		{"index", []*imagetest.Built{index}, want("linux/mips"), []image.Digest{mips.Image.ID}, 1, nil},
		{"index, all", []*imagetest.Built{index}, image.Select{All: true}, []image.Digest{s390.Image.ID, mips.Image.ID}, 1, nil},
		{"index, none fits", []*imagetest.Built{index}, image.Select{}, nil, 1, image.ErrPlatform},
		{"side by side, choose", []*imagetest.Built{s390, mips}, want("linux/mips"), []image.Digest{mips.Image.ID}, 0, nil},
		{"side by side, none fits", []*imagetest.Built{s390, mips}, image.Select{}, nil, 0, image.ErrPlatform},
		{"side by side, all", []*imagetest.Built{s390, mips}, image.Select{All: true}, []image.Digest{s390.Image.ID, mips.Image.ID}, 0, nil},
		{"kept in part", []*imagetest.Built{partial}, image.Select{}, []image.Digest{s390.Image.ID}, 1, nil},
		{"not kept", []*imagetest.Built{none}, image.Select{}, nil, 1, image.ErrNotFound},
		{"image and chart", []*imagetest.Built{helm, s390}, image.Select{}, []image.Digest{s390.Image.ID}, 1, nil},
		{"chart", []*imagetest.Built{helm}, image.Select{}, nil, 0, image.ErrNotImage},
		{"attestation", []*imagetest.Built{imagetest.Attestation(t, s390)}, image.Select{}, nil, 0, image.ErrNotImage},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for name, archive := range map[string][]byte{"oci": imagetest.OCIArchive(t, tc.in...), "docker": imagetest.DockerArchive(t, tc.in...)} {
				if name == "docker" && slices.Contains(tc.in, helm) {
					continue // docker saves no charts
				}
				if name == "docker" && tc.in[0].Manifest == nil { // nor lists what is an index
					archive = imagetest.Tar(t, append(imagetest.OCIFiles(t, tc.in...), imagetest.Entry{Path: "./x"})...)
				}
				if name == "docker" && strings.Contains(tc.name, "attestation") {
					continue
				}
				set, err := image.OpenArchive(t.Context(), imagetest.File(t, "x.tar", archive), tc.sel)
				if !errors.Is(err, tc.err) || tc.err == nil && err != nil {
					t.Fatalf("%s: %v, want %v", name, err, tc.err)
				}
				if err != nil {
					continue
				}
				var ids []image.Digest
				for _, s := range look(t, set) {
					ids = append(ids, s.ID)
				}
				if d := cmp.Diff(tc.ids, ids); d != "" || len(set.Skipped) != tc.skipped {
					t.Errorf("%s: skipped %v; images (-want +got):\n%s", name, set.Skipped, d)
				}
			}
		})
	}
}

// docker save of an ID leaves index.json empty: such images are found all the same,
// and an archive whose two tables name different images hides neither.
func TestDockerTablesDisagree(t *testing.T) {
	a, b := twoImages(t)
	files := imagetest.OCIFiles(t, a, b)
	for i := range files {
		if files[i].Path == "index.json" {
			files[i].Body = strings.Replace(string(indexOf(t, a)), `"schemaVersion"`, `"x"`, 1)
		}
	}
	saved := imagetest.DockerArchive(t, b)
	files = append(files, imagetest.Entry{Path: "manifest.json", Body: string(tarFile(t, saved, "manifest.json"))})
	set, err := image.OpenArchive(t.Context(), imagetest.File(t, "x.tar", imagetest.Tar(t, files...)), none)
	if err != nil {
		t.Fatal(err)
	}
	got := look(t, set)
	if len(got) != 2 || got[0].ID != a.Image.ID || got[1].ID != b.Image.ID || got[1].Name != "example/b:2" {
		t.Errorf("images are %+v", got)
	}
	for i := range files {
		if files[i].Path == "index.json" {
			files[i].Body = `{"schemaVersion":2,"manifests":null}`
		}
	}
	set, err = image.OpenArchive(t.Context(), imagetest.File(t, "x.tar", imagetest.Tar(t, files...)), none)
	if err != nil || len(set.Images) != 1 || set.Images[0].ID != b.Image.ID {
		t.Errorf("without an entry in index.json: %v, %v", set, err)
	}
}

func indexOf(t *testing.T, b *imagetest.Built) []byte {
	t.Helper()
	doc, _ := marshalIndex(t, b.Desc)
	return doc
}

func tarFile(t *testing.T, archive []byte, name string) []byte {
	t.Helper()
	tr := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := tr.Next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if h.Name == name {
			b, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
}

// In the older layout a layer may be packed without anybody saying so.
func TestPackedLayerInOldLayout(t *testing.T) {
	a, _ := twoImages(t)
	files := imagetest.OldDockerFiles(t, a)
	for _, c := range []imagetest.Compression{imagetest.Gzip, imagetest.Zstd} {
		var mixed []imagetest.Entry
		for _, e := range files {
			if strings.HasSuffix(e.Path, "layer.tar") {
				e.Body = string(imagetest.Compress(t, []byte(e.Body), c))
			}
			mixed = append(mixed, e)
		}
		archive := imagetest.Tar(t, mixed...)
		set, err := image.OpenArchive(t.Context(), imagetest.File(t, "x.tar", archive), none)
		if err != nil {
			t.Fatal(err)
		}
		if got := look(t, set); !slices.Equal(got[0].DiffIDs, a.Image.Config.DiffIDs) {
			t.Errorf("%s: %v", c, got)
		}
		if l := set.Images[0].Layers[0]; l.Digest != l.DiffID || !strings.HasSuffix(l.MediaType, "tar."+string(c)) {
			t.Errorf("%s: layer is %+v", c, l)
		}
		streamed, err := readStream(t, archive, none)
		if err != nil {
			t.Fatal(err)
		}
		look(t, streamed)
	}
}

// Local changes when the file does, and only then; an Open after a change is refused.
func TestLocal(t *testing.T) {
	a, b := twoImages(t)
	path := imagetest.File(t, "x.tar", imagetest.OldDockerArchive(t, a, b))
	locals := func() (out []string, set *image.Set) {
		set, err := image.OpenArchive(t.Context(), path, none)
		if err != nil {
			t.Fatal(err)
		}
		for _, img := range set.Images {
			for _, l := range img.Layers {
				out = append(out, l.Local)
			}
		}
		return out, set
	}
	first, set := locals()
	again, _ := locals()
	if !slices.Equal(first, again) {
		t.Errorf("Local changed without a reason:\n%q\n%q", first, again)
	}
	if first[0] != first[2] { // the base, once as a link to the other
		t.Errorf("a shared layer has two names: %q and %q", first[0], first[2])
	}
	if slices.Sort(again); len(slices.Compact(again)) != 4 {
		t.Errorf("4 different layers have %q", again)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+"2", content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"2", path); err != nil {
		t.Fatal(err)
	}
	if replaced, _ := locals(); replaced[0] == first[0] {
		t.Errorf("another file has the same identity %q", first[0])
	}
	if _, err := set.Images[0].Layers[0].Open(t.Context()); !errors.Is(err, image.ErrCorrupt) {
		t.Errorf("opening a layer of a file that was replaced: %v", err)
	}
}

func TestOpenConcurrently(t *testing.T) {
	a, b := twoImages(t)
	for _, c := range []imagetest.Compression{imagetest.None, imagetest.Gzip} {
		set, err := image.OpenArchive(t.Context(), imagetest.File(t, "x.tar", imagetest.Compress(t, imagetest.OldDockerArchive(t, a, b), c)), none)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 8 {
			for _, img := range set.Images {
				for _, l := range img.Layers {
					wg.Go(func() {
						if _, err := readLayer(l); err != nil {
							t.Errorf("layer %s: %v", l.Digest, err)
						}
					})
				}
			}
		}
		wg.Wait()
	}
}

// A compressed archive that is too large to keep is decompressed again for each layer.
func TestLargeCompressedArchive(t *testing.T) {
	big := imagetest.Layer(imagetest.Entry{Path: "big", Body: strings.Repeat("0123456789abcdef", 3<<20)}).With(imagetest.None)
	small := imagetest.Layer(imagetest.Entry{Path: "small", Body: "x"}).With(imagetest.None)
	b := imagetest.Build(t, imagetest.Spec{Name: "big:1", Layers: []imagetest.LayerSpec{small, big, small}})
	path := imagetest.File(t, "x.tar.zst", imagetest.Compress(t, imagetest.OldDockerArchive(t, b), imagetest.Zstd))
	set, err := image.OpenArchive(t.Context(), path, none)
	if err != nil {
		t.Fatal(err)
	}
	if got := look(t, set); !slices.Equal(got[0].DiffIDs, b.Image.Config.DiffIDs) {
		t.Errorf("%v", got)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped")
	cancel(stop)
	if _, err := image.OpenArchive(ctx, path, none); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzArchive(f *testing.F) {
	a := imagetest.Build(f, imagetest.Spec{Name: "a:1", Layers: []imagetest.LayerSpec{imagetest.Layer(imagetest.Entry{Path: "a"}).With(imagetest.None)}})
	f.Add(imagetest.DockerArchive(f, a))
	f.Add(imagetest.OldDockerArchive(f, a, a))
	f.Add(imagetest.OCIArchive(f, imagetest.Index(f, "", a, imagetest.Attestation(f, a))))
	f.Add(imagetest.Compress(f, imagetest.OCIArchive(f, a), imagetest.Zstd))
	path := f.TempDir() + "/x.tar"
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, sel := range []image.Select{{}, {All: true, Name: "a:1"}} {
			set, err := image.OpenArchive(t.Context(), path, sel)
			check(t, set, err)
			if err == nil {
				for _, img := range set.Images {
					for _, l := range img.Layers {
						readLayer(l)
					}
				}
			}
			streamed, serr := image.ReadStream(t.Context(), bytes.NewReader(b), sel, func(_ string, _ int64, body io.Reader) error {
				io.Copy(io.Discard, body)
				return nil
			})
			check(t, streamed, serr)
			if err == nil && serr == nil && len(set.Images) != len(streamed.Images) {
				t.Fatalf("%d images in the file, %d in the stream", len(set.Images), len(streamed.Images))
			}
		}
	})
}

func check(t *testing.T, set *image.Set, err error) {
	t.Helper()
	switch {
	case err != nil && !hasSentinel(err):
		t.Fatalf("error without a sentinel: %v", err)
	case err == nil && len(set.Images) == 0:
		t.Fatal("neither image nor error")
	}
}
