package image_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

// corpusImages says how many layers each image of each archive has, or why there is
// none. Checked against tar's listings and skopeo.
var corpusImages = map[string]struct {
	layers []int
	err    error
	scheme string // skopeo's, or empty if it cannot open the file
}{
	"alpine-310.tar.gz":                    {[]int{1}, nil, "docker-archive"},
	"alpine-311.tar.gz":                    {[]int{1}, nil, "docker-archive"},
	"dive-test-docker-image.tar":           {[]int{14}, nil, "docker-archive"},
	"dive-test-estargz-image.tar":          {nil, image.ErrNotImage, ""}, // a file system with a README
	"dive-test-gzip-image.tar":             {nil, image.ErrNotImage, ""},
	"dive-test-uncompressed-image.tar":     {nil, image.ErrNotImage, ""},
	"dive-test-zstd-image.tar":             {nil, image.ErrNotImage, ""},
	"dive-test-oci-estargz-image.tar":      {[]int{1}, nil, "oci-archive"},
	"dive-test-oci-gzip-image.tar":         {[]int{1}, nil, "oci-archive"},
	"dive-test-oci-uncompressed-image.tar": {[]int{1}, nil, "oci-archive"},
	"dive-test-oci-zstd-image.tar":         {[]int{1}, nil, "oci-archive"},
	"dockle-scratch.tar":                   {[]int{1}, nil, "docker-archive"},
	"dockle-symbolic.tar":                  {[]int{9}, nil, "docker-archive"},
	"ggcr-hello-world-v25.tar":             {[]int{1}, nil, "docker-archive"}, // index.json is empty
	"ggcr-mutate-overwritten_file.tar":     {[]int{3}, nil, "docker-archive"},
	"ggcr-mutate-source_image.tar":         {[]int{1}, nil, "docker-archive"},
	"ggcr-mutate-whiteout_dir.tar":         {[]int{4}, nil, "docker-archive"}, // layers packed
	"ggcr-no_manifest.tar":                 {nil, image.ErrUnsupported, ""},
	"ggcr-test_bundle.tar":                 {[]int{1, 1}, nil, "docker-archive"},
	"ggcr-test_image_1.tar":                {[]int{1}, nil, "docker-archive"},
	"ggcr-test_image_2.tar":                {[]int{1}, nil, "docker-archive"},
	"ggcr-test_link.tar":                   {[]int{1, 2}, nil, "docker-archive"}, // a shared layer as a symlink
	"ggcr-test_load_manifest.tar":          {[]int{1}, nil, "docker-archive"},
	"harbor-busybox.tar":                   {[]int{1}, nil, "docker-archive"},
	"oras-hello-world-oci.tar":             {[]int{1}, nil, "docker-archive"}, // one platform of many is kept
	"scalibr-basic.tar":                    {[]int{2}, nil, "docker-archive"},
	"scalibr-empty.tar":                    {nil, image.ErrNotImage, ""},
	"scalibr-multiple-files.tar":           {[]int{2}, nil, "docker-archive"},
	"scalibr-single-file.tar":              {[]int{1}, nil, "docker-archive"},
	"scalibr-symlink-attack.tar":           {[]int{1}, nil, "docker-archive"},
	"scalibr-symlink-basic.tar":            {[]int{1}, nil, "docker-archive"},
	"scalibr-symlink-cycle.tar":            {[]int{1}, nil, "docker-archive"},
	"scalibr-symlink-dangling.tar":         {[]int{2}, nil, "docker-archive"},
	"scalibr-two-files.tar":                {[]int{2}, nil, "docker-archive"},
	"stereoscope-valid-oci.tar":            {[]int{1}, nil, "oci-archive"},
}

func corpusFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(imagetest.Corpus(t), "fixtures", "images", "*.tar*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no images in the corpus: %v", err)
	}
	return files
}

func TestCorpus(t *testing.T) {
	for _, path := range corpusFiles(t) {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			want, ok := corpusImages[name]
			if !ok {
				t.Fatal("nothing is said of this file")
			}
			set, err := image.OpenArchive(t.Context(), path, none)
			if !errors.Is(err, want.err) || want.err == nil && err != nil {
				t.Fatalf("%v, want %v", err, want.err)
			}
			archive, rerr := os.ReadFile(path)
			if rerr != nil {
				t.Fatal(rerr)
			}
			streamed, serr := readStream(t, archive, none)
			if !errors.Is(serr, want.err) || want.err == nil && serr != nil {
				t.Fatalf("from a stream: %v, want %v", serr, want.err)
			}
			if err != nil {
				return
			}
			var layers []int
			images := look(t, set)
			for _, s := range images {
				layers = append(layers, len(s.DiffIDs))
			}
			if d := cmp.Diff(want.layers, layers); d != "" {
				t.Errorf("layers (-want +got):\n%s", d)
			}
			fromStream := look(t, streamed)
			for i := range fromStream { // those without a name are called by their place
				fromStream[i].Name = images[i].Name
			}
			if d := cmp.Diff(images, fromStream); d != "" {
				t.Errorf("file and stream differ (-file +stream):\n%s", d)
			}
		})
	}
}

// skopeo reads the same configs out of the same files.
func TestCorpusAgainstSkopeo(t *testing.T) {
	skopeo := imagetest.Tool(t, "skopeo")
	for _, path := range corpusFiles(t) {
		want := corpusImages[filepath.Base(path)]
		if want.scheme == "" {
			continue
		}
		set, err := image.OpenArchive(t.Context(), path, none)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
			continue
		}
		for i, img := range set.Images {
			source := want.scheme + ":" + path
			if strings.HasSuffix(path, ".gz") { // skopeo wants them unpacked
				packed, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				source = want.scheme + ":" + imagetest.File(t, "x.tar", unpack(t, packed))
			}
			if len(set.Images) > 1 {
				source = fmt.Sprintf("%s:@%d", source, i)
			}
			out, err := command(t, skopeo, "inspect", "--config", "--raw", source)
			if err != nil {
				t.Errorf("%s: %v", source, err)
				continue
			}
			if got := image.Sum(out); got != img.ID {
				t.Errorf("%s: skopeo's config is %s, ours %s", source, got, img.ID)
			}
		}
	}
}

func command(t *testing.T, name string, args ...string) ([]byte, error) {
	t.Helper()
	var stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), name, args...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %v: %s", filepath.Base(name), strings.Join(args, " "), err, stderr.String())
	}
	return out, nil
}

// An image converted by skopeo stays what it was: same config, same diffIDs.
func TestSkopeoConversions(t *testing.T) {
	skopeo := imagetest.Tool(t, "skopeo")
	_, a := twoImages(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	src := "oci-archive:" + imagetest.File(t, "src.tar", imagetest.OCIArchive(t, a))
	for _, tc := range []struct {
		name, dest string
		args       []string
		open       func(path string) (*image.Set, error)
		path       string
		sameID     bool // the config keeps its bytes
	}{
		{name: "oci", dest: "oci:" + at("layout") + ":tag", path: at("layout"), sameID: true},
		{name: "oci, zstd", dest: "oci:" + at("zstd") + ":tag", path: at("zstd"), args: []string{"--dest-compress-format", "zstd", "--dest-compress"}, sameID: true},
		{name: "oci, uncompressed", dest: "oci:" + at("plain") + ":tag", path: at("plain"), args: []string{"--dest-decompress"}, sameID: true},
		{name: "oci-archive", dest: "oci-archive:" + at("oci.tar") + ":example/b:2", path: at("oci.tar"), sameID: true},
		{name: "docker-archive", dest: "docker-archive:" + at("docker.tar") + ":example/b:2", path: at("docker.tar"), sameID: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := append([]string{"copy", "--insecure-policy", "--quiet"}, tc.args...)
			if _, err := command(t, skopeo, append(args, src, tc.dest)...); err != nil {
				t.Fatal(err)
			}
			place, err := image.Detect(tc.path)
			if err != nil {
				t.Fatal(err)
			}
			open := image.OpenArchive
			if place == image.LayoutFolder {
				open = image.OpenLayout
			}
			set, err := open(t.Context(), tc.path, none)
			if err != nil {
				t.Fatal(err)
			}
			got := look(t, set)
			if len(got) != 1 || got[0].ID != a.Image.ID {
				t.Errorf("config is %+v, want %s", got, a.Image.ID)
			}
			if d := cmp.Diff(a.Image.Config.DiffIDs, got[0].DiffIDs); d != "" {
				t.Errorf("diffIDs (-want +got):\n%s", d)
			}
			if !strings.Contains(got[0].Name, "tag") && got[0].Name != "docker.io/example/b:2" && got[0].Name != "example/b:2" {
				t.Errorf("name is %q", got[0].Name)
			}
		})
	}
	// What skopeo wrote for several platforms.
	index := imagetest.Index(t, "multi:1", platformImage(t, "linux/s390x"), platformImage(t, "linux/arm/v7"))
	if _, err := command(t, skopeo, "copy", "--insecure-policy", "--quiet", "--all", "oci-archive:"+imagetest.File(t, "m.tar", imagetest.OCIArchive(t, index)), "oci:"+at("multi")); err != nil {
		t.Fatal(err)
	}
	set, err := image.OpenLayout(t.Context(), at("multi"), image.Select{All: true})
	if err != nil || len(set.Images) != 2 || set.Images[1].Platform.String() != "linux/arm/v7" {
		t.Errorf("%v, %v", set, err)
	}
	// A manifest as skopeo shows it is the one we hash.
	out, err := command(t, skopeo, "inspect", "--raw", src)
	var m image.Manifest
	if err != nil || json.Unmarshal(out, &m) != nil || image.Sum(out) != a.Desc.Digest {
		t.Errorf("%s, %v", out, err)
	}
}
