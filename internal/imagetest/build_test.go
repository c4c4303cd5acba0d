package imagetest_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

func TestBuildIsRepeatable(t *testing.T) {
	build := func() *imagetest.Built {
		return imagetest.Build(t, imagetest.Spec{
			Name:   "x:1",
			Config: image.Config{User: "nobody", Env: []string{"A=b"}, Labels: map[string]string{"a": "1", "b": "2"}, ExposedPorts: []string{"80/tcp", "81/tcp"}, HasHealth: true},
			Layers: []imagetest.LayerSpec{
				imagetest.Layer(imagetest.Entry{Path: "a", Body: "a"}).By("COPY a"),
				imagetest.Layer(imagetest.Entry{Path: "b"}).With(imagetest.Zstd),
			},
		})
	}
	a, b := build(), build()
	if !bytes.Equal(imagetest.DockerArchive(t, a), imagetest.DockerArchive(t, b)) || !bytes.Equal(imagetest.OldDockerArchive(t, a), imagetest.OldDockerArchive(t, b)) {
		t.Error("the same Spec gave other bytes")
	}
	if c := a.Image.Config; c.User != "nobody" || len(c.ExposedPorts) != 2 || !c.HasHealth || c.Labels["b"] != "2" || a.Image.Layers[0].CreatedBy != "COPY a" || a.Image.Layers[1].CreatedBy != "RUN layer 2" {
		t.Errorf("image is %+v", a.Image)
	}
}

func TestTar(t *testing.T) {
	b := imagetest.Tar(t,
		imagetest.Entry{Path: "d/"},
		imagetest.Entry{Path: "d/f", Body: "body", Mode: 0o4755, UID: 7},
		imagetest.Entry{Path: "d/s", Link: "f"},
		imagetest.Entry{Path: "d/h", Kind: tar.TypeLink, Link: "d/f"},
		imagetest.Entry{Path: "d/long" + string(bytes.Repeat([]byte("g"), 300)), Body: string(make([]byte, 600))},
	)
	var got []string
	tr := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%c %.6s %o %d %s %d", h.Typeflag, h.Name, h.Mode, h.Uid, h.Linkname, len(body)))
	}
	want := []string{"5 d/ 755 0  0", "0 d/f 4755 7  4", "2 d/s 644 0 f 0", "1 d/h 644 0 d/f 0", "0 d/long 644 0  600"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("entries (-want +got):\n%s", d)
	}
}
