package image_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

func TestReadStreamVisits(t *testing.T) {
	plain := imagetest.Tar(t, imagetest.Entry{Path: "{looks like JSON", Body: "x"})
	empty := imagetest.Tar(t)
	packed := imagetest.Compress(t, plain, imagetest.Gzip)
	file := func(name string, body []byte) imagetest.Entry { return imagetest.Entry{Path: name, Body: string(body)} }
	config := `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["` +
		string(image.Sum(plain)) + `","` + string(image.Sum(empty)) + `","` + string(image.Sum(plain)) + `","` + string(image.Sum(plain)) + `"]}}`
	archive := imagetest.Tar(t,
		file("./1/layer.tar", plain),
		file("1/VERSION", []byte("1.0")),
		file("1/json", []byte("{}")),
		file("2/layer.tar", empty),
		imagetest.Entry{Path: "3/layer.tar", Link: "../1/layer.tar"},
		file("packed", packed),
		file("large.json", bytes.Repeat([]byte("["), image.MaxDocument+1)),
		file("notes.txt", bytes.Repeat([]byte("text "), 500)),
		file("5/layer.tar", []byte("no tar at all")),
		file("c.json", []byte(config)),
		file("manifest.json", []byte(`[{"Config":"c.json","Layers":["1/layer.tar","2/layer.tar","3/layer.tar","packed"]}]`)),
	)
	var visited []string
	set, err := image.ReadStream(t.Context(), bytes.NewReader(archive), none, func(name string, size int64, body io.Reader) error {
		visited = append(visited, name)
		if name == "1/layer.tar" {
			return nil // not read: the rest of the archive is none the worse
		}
		n, err := io.Copy(io.Discard, body)
		if n != size {
			t.Errorf("%s: %d bytes of %d", name, n, size)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"1/layer.tar", "2/layer.tar", "packed", "5/layer.tar"}, visited); d != "" {
		t.Errorf("visited (-want +got):\n%s", d)
	}
	var locals []string
	for _, l := range set.Images[0].Layers {
		locals = append(locals, l.Local)
	}
	if d := cmp.Diff([]string{"1/layer.tar", "2/layer.tar", "1/layer.tar", "packed"}, locals); d != "" {
		t.Errorf("Local (-want +got):\n%s", d)
	}
	if set.Source != "-" || set.Images[0].Name != "-" {
		t.Errorf("source %q, name %q", set.Source, set.Images[0].Name)
	}
}

func TestReadStreamErrors(t *testing.T) {
	a, _ := twoImages(t)
	archive := imagetest.OCIArchive(t, a)
	mine := errors.New("the visitor's own")
	_, err := image.ReadStream(t.Context(), bytes.NewReader(archive), none, func(string, int64, io.Reader) error { return mine })
	if !errors.Is(err, mine) {
		t.Errorf("the visitor's error became %v", err)
	}
	// A visitor that hides that the archive is cut off does not hide it.
	cut := archive[:bytes.Index(archive, a.Layers[1])+20]
	_, err = image.ReadStream(t.Context(), bytes.NewReader(cut), none, func(_ string, _ int64, body io.Reader) error {
		io.Copy(io.Discard, body)
		return nil
	})
	if !errors.Is(err, image.ErrCorrupt) || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("cut off: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err = image.ReadStream(ctx, bytes.NewReader(imagetest.Compress(t, archive, imagetest.Gzip)), none, func(string, int64, io.Reader) error {
		cancel(mine)
		return nil
	})
	if !errors.Is(err, mine) {
		t.Errorf("cancelled: %v", err)
	}
	dead := errors.New("the line is dead")
	_, err = image.ReadStream(t.Context(), io.MultiReader(bytes.NewReader(archive[:1000]), failing{dead}), none, nil)
	if err == nil || !strings.Contains(err.Error(), dead.Error()) {
		t.Errorf("a reader that fails: %v", err)
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// A stream may hold much JSON that is not needed; what is needed and was not kept is
// an error, not a shorter image.
func TestReadStreamMuchJSON(t *testing.T) {
	a, _ := twoImages(t)
	var files []imagetest.Entry
	for i := range 10 {
		files = append(files, imagetest.Entry{Path: string(rune('a' + i)), Body: `["` + strings.Repeat("x", 7<<20-4) + `"]`})
	}
	late := append(slices.Clone(files), imagetest.OCIFiles(t, a)...)
	small := int64(0)
	for _, e := range imagetest.OCIFiles(t, a) {
		small += int64(len(e.Body))
	}
	discard := func(_ string, _ int64, body io.Reader) error { _, err := io.Copy(io.Discard, body); return err }
	if small > 1<<20 {
		t.Fatal("the image is too large for this test")
	}
	set, err := image.ReadStream(t.Context(), bytes.NewReader(imagetest.Tar(t, late...)), none, discard)
	if err != nil || len(set.Images) != 1 {
		t.Errorf("with 63 MiB of other JSON before it: %v, %v", set, err)
	}
	filler := imagetest.Entry{Path: "filler", Body: `["` + strings.Repeat("x", 1<<20-4) + `"]`} // up to 64 MiB exactly
	late = append(append(slices.Clone(files[:9]), filler), imagetest.OCIFiles(t, a)...)
	_, err = image.ReadStream(t.Context(), bytes.NewReader(imagetest.Tar(t, late...)), none, discard)
	if !errors.Is(err, image.ErrCorrupt) || !strings.Contains(err.Error(), "64 MiB of JSON") {
		t.Errorf("with 64 MiB of other JSON before it: %v", err)
	}
}
