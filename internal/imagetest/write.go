package imagetest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/plimsoll/plimsoll/internal/image"
)

// OCIFiles gives what an OCI layout of these images consists of, as tar entries in
// the order that writers use: blobs, index.json, oci-layout.
func OCIFiles(t testing.TB, images ...*Built) []Entry {
	t.Helper()
	blobs := map[image.Digest][]byte{}
	list := []image.Descriptor{}
	for _, b := range images {
		list = append(list, b.Desc)
		for d, blob := range b.Blobs {
			blobs[d] = blob
		}
	}
	var digests []image.Digest
	for d := range blobs {
		digests = append(digests, d)
	}
	slices.Sort(digests)
	var out []Entry
	for _, d := range digests {
		out = append(out, Entry{Path: "blobs/" + d.Algorithm() + "/" + d.Hex(), Body: string(blobs[d])})
	}
	index := marshal(t, map[string]any{"schemaVersion": 2, "mediaType": image.MediaIndex, "manifests": list}, nil)
	return append(out,
		Entry{Path: "index.json", Body: string(index)},
		Entry{Path: "oci-layout", Body: `{"imageLayoutVersion":"1.0.0"}`})
}

// Layout writes an OCI layout of these images into a new folder and gives its path.
func Layout(t testing.TB, images ...*Built) string {
	t.Helper()
	dir := t.TempDir()
	for _, e := range OCIFiles(t, images...) {
		p := filepath.Join(dir, filepath.FromSlash(e.Path))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(e.Body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// OCIArchive gives an OCI layout of these images as a tar.
func OCIArchive(t testing.TB, images ...*Built) []byte {
	t.Helper()
	return Tar(t, OCIFiles(t, images...)...)
}

// DockerArchive gives these images as docker save writes them since version 25: an
// OCI layout with a manifest.json in it. Indexes get no line in manifest.json.
func DockerArchive(t testing.TB, images ...*Built) []byte {
	t.Helper()
	var list []map[string]any
	for _, b := range images {
		if b.Manifest == nil {
			continue
		}
		layers := []string{}
		for _, l := range b.Layers {
			layers = append(layers, "blobs/sha256/"+image.Sum(l).Hex())
		}
		list = append(list, map[string]any{"Config": "blobs/sha256/" + b.configID.Hex(), "RepoTags": names(b), "Layers": layers})
	}
	return Tar(t, append(OCIFiles(t, images...), Entry{Path: "manifest.json", Body: string(marshalList(t, list))})...)
}

// OldDockerFiles gives what docker save wrote before version 25, as tar entries:
// ID/layer.tar uncompressed, a layer that two images share once and then as a
// symlink "../ID/layer.tar", ID.json, and manifest.json after them all.
func OldDockerFiles(t testing.TB, images ...*Built) []Entry {
	t.Helper()
	var out []Entry
	var list []map[string]any
	kept := map[image.Digest]string{}
	configs := map[image.Digest]bool{}
	for i, b := range images {
		layers := []string{}
		for j, plain := range b.Tars {
			id := image.Sum(fmt.Appendf(nil, "layer %d of %d", j, i)).Hex()
			e := Entry{Path: id + "/layer.tar", Body: string(plain)}
			if first, ok := kept[image.Sum(plain)]; ok {
				e = Entry{Path: id + "/layer.tar", Link: "../" + first + "/layer.tar"}
			} else {
				kept[image.Sum(plain)] = id
			}
			out = append(out, Entry{Path: id + "/"}, Entry{Path: id + "/VERSION", Body: "1.0"}, Entry{Path: id + "/json", Body: "{}"}, e)
			layers = append(layers, e.Path)
		}
		if !configs[b.configID] {
			configs[b.configID] = true
			out = append(out, Entry{Path: b.configID.Hex() + ".json", Body: string(b.Config)})
		}
		list = append(list, map[string]any{"Config": b.configID.Hex() + ".json", "RepoTags": names(b), "Layers": layers})
	}
	return append(out, Entry{Path: "manifest.json", Body: string(marshalList(t, list))}, Entry{Path: "repositories", Body: "{}"})
}

// OldDockerArchive gives OldDockerFiles as a tar.
func OldDockerArchive(t testing.TB, images ...*Built) []byte {
	t.Helper()
	return Tar(t, OldDockerFiles(t, images...)...)
}

// File writes b into a new folder under the given name and gives its path.
func File(t testing.TB, name string, b []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func names(b *Built) []string {
	if b.Name == "" {
		return nil
	}
	return []string{b.Name}
}

func marshalList(t testing.TB, list []map[string]any) []byte {
	t.Helper()
	out := []byte("[")
	for i, m := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, marshal(t, m, nil)...)
	}
	return append(out, ']')
}
