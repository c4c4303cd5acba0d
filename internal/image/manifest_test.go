package image_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

const descJSON = `{"digest":"` + someDigest + `","size":3}`

func TestKind(t *testing.T) {
	for _, tc := range []struct {
		mediaType, body string
		want            image.Document
	}{
		{image.MediaIndex, "", image.IndexDocument},
		{image.MediaDockerList, "{}", image.IndexDocument},
		{image.MediaManifest + "; charset=utf-8", "", image.ManifestDocument},
		{image.MediaDockerManifest, "", image.ManifestDocument},
		{"application/vnd.docker.distribution.manifest.v1+prettyjws", "", image.Schema1Document},
		{"application/vnd.oci.artifact.manifest.v1+json", "", image.ArtifactManifest},
		{"", `{"mediaType":"` + image.MediaManifest + `"}`, image.ManifestDocument},
		{"application/json", `{"schemaVersion":2,"manifests":[]}`, image.IndexDocument},
		{"text/plain", `{"schemaVersion":2,"config":{},"layers":[]}`, image.ManifestDocument},
		{"", `{"schemaVersion":1,"fsLayers":[]}`, image.Schema1Document},
		{"", `{"config":{},"layers":[],"manifests":[]}`, image.UnknownDocument},
		{"", `{"os":"linux"}`, image.UnknownDocument},
		{"text/html", `<html>`, image.UnknownDocument},
		{"", ``, image.UnknownDocument},
	} {
		if got := image.Kind(tc.mediaType, []byte(tc.body)); got != tc.want {
			t.Errorf("Kind(%q, %s) = %d, want %d", tc.mediaType, tc.body, got, tc.want)
		}
	}
}

func TestParseManifestBad(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     error
	}{
		{"nothing", ``, image.ErrCorrupt},
		{"HTML", `<html>`, image.ErrCorrupt},
		{"no config", `{"layers":[]}`, image.ErrCorrupt},
		{"null config", `{"config":null,"layers":[]}`, image.ErrCorrupt},
		{"schema 1", `{"schemaVersion":1,"name":"x","fsLayers":[{"blobSum":"` + someDigest + `"}]}`, image.ErrUnsupported},
		{"schema 1 by type", `{"mediaType":"application/vnd.docker.distribution.manifest.v1+json"}`, image.ErrUnsupported},
		{"artefact manifest", `{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","blobs":[]}`, image.ErrNotImage},
		{"two readings", `{"config":` + descJSON + `,"layers":[],"manifests":[]}`, image.ErrCorrupt},
		{"bad digest", `{"config":` + descJSON + `,"layers":[{"digest":"sha256:../../x","size":1}]}`, image.ErrCorrupt},
		{"no digest", `{"config":` + descJSON + `,"layers":[{"size":1}]}`, image.ErrCorrupt},
		{"negative size", `{"config":` + descJSON + `,"layers":[{"digest":"` + someDigest + `","size":-1}]}`, image.ErrCorrupt},
		{"huge size", `{"config":` + descJSON + `,"layers":[{"digest":"` + someDigest + `","size":99999999999999999999}]}`, image.ErrCorrupt},
		{"many layers", `{"config":` + descJSON + `,"layers":[` + strings.Repeat(descJSON+",", 5000) + descJSON + `]}`, image.ErrCorrupt},
		{"huge", `{"x":"` + strings.Repeat("x", image.MaxDocument) + `"}`, image.ErrCorrupt},
	} {
		if _, err := image.ParseManifest([]byte(tc.in)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	m, err := image.ParseManifest([]byte(`{"schemaVersion":2,"config":` + descJSON + `,"layers":[` + descJSON + `]}`))
	if err != nil || len(m.Layers) != 1 || m.Config.Size != 3 || m.Digest == "" {
		t.Errorf("a manifest without media types gives %+v, %v", m, err)
	}
}

func TestParseIndex(t *testing.T) {
	b := []byte(`{"manifests":[{"digest":"` + someDigest + `","size":3,"platform":{"os":"Linux","architecture":"aarch64","variant":"v8"}}]}`)
	x, err := image.ParseIndex(b)
	if err != nil || len(x.Manifests) != 1 || x.Digest != image.Sum(b) {
		t.Fatalf("an index without media types gives %+v, %v", x, err)
	}
	if d := cmp.Diff(image.Platform{OS: "linux", Arch: "arm64"}, *x.Manifests[0].Platform); d != "" {
		t.Errorf("platform (-want +got):\n%s", d)
	}
	if x, err := image.ParseIndex([]byte(`{"manifests":null}`)); err != nil || len(x.Manifests) != 0 {
		t.Errorf("a list that is null gives %+v, %v", x, err)
	}
	for name, in := range map[string]string{
		"nothing":       ``,
		"no list":       `{}`,
		"two readings":  `{"manifests":[],"layers":[]}`,
		"config":        `{"manifests":[],"config":{}}`,
		"bad digest":    `{"manifests":[{"digest":"x","size":1}]}`,
		"negative size": `{"manifests":[{"digest":"` + someDigest + `","size":-1}]}`,
		"many":          `{"manifests":[` + strings.Repeat(descJSON+",", 9000) + descJSON + `]}`,
	} {
		if _, err := image.ParseIndex([]byte(in)); !errors.Is(err, image.ErrCorrupt) {
			t.Errorf("%s: %v, want %v", name, err, image.ErrCorrupt)
		}
	}
}

func TestArtifact(t *testing.T) {
	for _, tc := range []struct {
		artifactType, config string
		layers               []string
		want                 string // "" stands for an image
	}{
		{"", image.MediaConfig, []string{image.MediaLayerGzip}, ""},
		{"", image.MediaDockerConfig, []string{image.MediaDockerLayer + ".gzip"}, ""},
		{"", "", nil, ""},
		{"", image.MediaConfig, nil, ""}, // scratch
		{"", image.MediaConfig, []string{"application/octet-stream"}, ""},
		{"", image.MediaConfig, []string{image.MediaLayerGzip, "application/vnd.unheard.of"}, ""},
		{"application/x", image.MediaConfig, []string{image.MediaLayer}, ""},
		{"", image.MediaConfig, []string{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"}, ""},
		{"", "application/vnd.cncf.helm.config.v1+json", []string{"application/vnd.cncf.helm.chart.content.v1.tar+gzip"}, "Helm chart"},
		{"", image.MediaConfig, []string{"application/vnd.dev.cosign.simplesigning.v1+json"}, "signature"},
		{"", image.MediaConfig, []string{"application/vnd.in-toto+json"}, "attestation"},
		{"", "application/vnd.wasm.config.v0+json", []string{"application/wasm"}, "WebAssembly"},
		{"", image.MediaConfig, []string{"application/vnd.wasm.content.layer.v1+wasm"}, "WebAssembly"},
		{"application/vnd.example.sbom", "application/vnd.oci.empty.v1+json", []string{"application/spdx+json"}, "OCI artefact application/vnd.example.sbom"},
		{"application/spdx+json", "application/vnd.oci.empty.v1+json", []string{"application/vnd.oci.empty.v1+json"}, "SBOM"},
		{"application/vnd.example", image.MediaConfig, nil, "OCI artefact application/vnd.example"},
		{"", "application/vnd.docker.plugin.v1+json", []string{image.MediaLayerGzip}, "Docker plugin"},
		{"\x1b[2J", "application/x", nil, "OCI artefact ?[2J"},
	} {
		m := image.Manifest{ArtifactType: tc.artifactType, Config: image.Descriptor{MediaType: tc.config}}
		for _, l := range tc.layers {
			m.Layers = append(m.Layers, image.Descriptor{MediaType: l})
		}
		if got := m.Artifact(); (got == "") != (tc.want == "") || !strings.HasPrefix(got, tc.want) {
			t.Errorf("%q, %q, %v is %q, want %q", tc.artifactType, tc.config, tc.layers, got, tc.want)
		}
	}
}

func TestAssemble(t *testing.T) {
	good := imagetest.Build(t, imagetest.Spec{
		Layers: []imagetest.LayerSpec{
			imagetest.Layer(imagetest.Entry{Path: "a"}).By("ADD a"),
			imagetest.Layer(imagetest.Entry{Path: "b"}).With(imagetest.Zstd).By("ADD b"),
		},
		Annotations: map[string]string{"k": "v"},
	})
	parse := func(b *imagetest.Built) image.Manifest {
		m, err := image.ParseManifest(b.Manifest)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	open := func(d image.Descriptor) func(context.Context) (io.ReadCloser, error) {
		return func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(good.Blobs[d.Digest])), nil
		}
	}
	img, err := image.Assemble(parse(good), good.Config, open)
	if err != nil {
		t.Fatal(err)
	}
	if img.ID != image.Sum(good.Config) || img.Digest != good.Desc.Digest || img.Annotations["k"] != "v" || img.Platform != image.HostPlatform() {
		t.Errorf("image is %+v", img)
	}
	for i, l := range img.Layers {
		if l.Digest != image.Sum(good.Layers[i]) || l.DiffID != image.Sum(good.Tars[i]) || l.Size != int64(len(good.Layers[i])) || l.CreatedBy != []string{"ADD a", "ADD b"}[i] {
			t.Errorf("layer %d is %+v", i, l)
		}
		if got, err := readLayer(l); err != nil || !bytes.Equal(got, good.Layers[i]) {
			t.Errorf("layer %d: %d bytes, %v", i, len(got), err)
		}
	}

	edited := func(config, manifest func(map[string]any)) *imagetest.Built {
		return imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{imagetest.Layer(imagetest.Entry{Path: "a"})}, EditConfig: config, EditManifest: manifest})
	}
	other := edited(func(m map[string]any) { m["author"] = "somebody else" }, nil)
	for _, tc := range []struct {
		name   string
		b      *imagetest.Built
		config []byte
		want   error
	}{
		{"another config", good, other.Config, image.ErrDigestMismatch},
		{"fewer diffIDs", edited(func(m map[string]any) { m["rootfs"] = map[string]any{"diff_ids": []string{}} }, nil), nil, image.ErrCorrupt},
		{"more diffIDs", edited(func(m map[string]any) { m["rootfs"] = map[string]any{"diff_ids": []string{someDigest, someDigest}} }, nil), nil, image.ErrCorrupt},
		{"no rootfs", edited(func(m map[string]any) { delete(m, "rootfs") }, nil), nil, image.ErrNotImage},
		{"artefact", imagetest.Artifact(t, "", "application/vnd.cncf.helm.config.v1+json", "x", "chart"), nil, image.ErrNotImage},
	} {
		config := tc.config
		if config == nil {
			config = tc.b.Config
		}
		if img, err := image.Assemble(parse(tc.b), config, open); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, %v; want %v", tc.name, img, err, tc.want)
		}
	}
}

// Layers that are not simply a blob: their Open tells, and does no harm to the rest.
func TestOddLayers(t *testing.T) {
	layer := imagetest.Layer(imagetest.Entry{Path: "a", Body: "x"})
	build := func(edit func(layer map[string]any)) image.Layer {
		t.Helper()
		l := layer
		l.Absent = true
		b := imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{l}, EditManifest: func(m map[string]any) {
			edit(m["layers"].([]map[string]any)[0])
		}})
		if b.Image == nil {
			t.Fatal("no image")
		}
		return b.Image.Layers[0]
	}
	blob := imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{layer}}).Layers[0]
	for _, tc := range []struct {
		name string
		edit func(map[string]any)
		want error
		says string
	}{
		{"absent", func(m map[string]any) {}, image.ErrNotFound, "blob sha256"},
		{"foreign", func(m map[string]any) {
			m["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
			m["urls"] = []string{"https://example.com/layer?signature=s3cret"}
		}, image.ErrNotFound, "foreign one, kept at example.com and"}, // no more: a URL may carry a signature
		{"foreign, at no URL", func(m map[string]any) {
			m["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
			m["urls"] = []string{"https://example.com/\x1b[2Jlayer"}
		}, image.ErrNotFound, "foreign one, kept elsewhere and"},
		{"encrypted", func(m map[string]any) { m["mediaType"] = image.MediaLayerGzip + "+encrypted" }, image.ErrUnsupported, "encrypted"},
		{"inline", func(m map[string]any) { m["data"] = blob }, nil, ""},
		{"inline, wrong", func(m map[string]any) { m["data"] = append([]byte{1}, blob[1:]...) }, image.ErrDigestMismatch, "content has digest"},
		{"inline, cut off", func(m map[string]any) { m["data"] = blob[1:] }, image.ErrDigestMismatch, "announced"},
	} {
		l := build(tc.edit)
		got, err := readLayer(l)
		switch {
		case tc.want == nil:
			if err != nil || !bytes.Equal(got, blob) {
				t.Errorf("%s: %d bytes, %v", tc.name, len(got), err)
			}
		case !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says):
			t.Errorf("%s: %v; want %v saying %q", tc.name, err, tc.want, tc.says)
		}
	}
}

func readLayer(l image.Layer) ([]byte, error) {
	rc, err := l.Open(context.Background())
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":`+descJSON+`,"layers":[`+descJSON+`]}`), []byte(`{"rootfs":{}}`))
	f.Add([]byte(`{"manifests":[{"digest":"`+someDigest+`","size":1,"platform":{"os":"linux","architecture":"arm"}},`+descJSON+`]}`), []byte{})
	config := []byte(`{"os":"linux","rootfs":{"type":"layers"}}`)
	f.Add(fmt.Appendf(nil, `{"config":{"digest":"%s","size":%d},"layers":[]}`, image.Sum(config), len(config)), config)
	f.Fuzz(func(t *testing.T, doc, config []byte) {
		image.Kind("", doc)
		if x, err := image.ParseIndex(doc); err == nil {
			chosen, _, err := image.Choose(x, image.Select{})
			if (err == nil) != (len(chosen) == 1) {
				t.Fatalf("chosen %d, %v", len(chosen), err)
			}
		}
		if m, err := image.ParseManifest(doc); err == nil {
			m.Artifact()
			if img, err := image.Assemble(m, config, func(image.Descriptor) func(context.Context) (io.ReadCloser, error) { return nil }); err == nil && img.ID != image.Sum(config) && img.ID.Algorithm() == "sha256" {
				t.Fatal("config is not what the manifest names")
			}
		}
		fetch := func(_ context.Context, d image.Descriptor) ([]byte, error) {
			for _, b := range [][]byte{doc, config} {
				if image.Sum(b) == d.Digest {
					return b, nil
				}
			}
			return nil, image.ErrNotFound
		}
		root := image.Descriptor{Digest: image.Sum(doc), Size: int64(len(doc))}
		set, err := image.Resolve(t.Context(), root, image.Select{All: true}, image.Blobs{Fetch: fetch, Open: func(image.Descriptor) func(context.Context) (io.ReadCloser, error) { return nil }})
		if err == nil && len(set.Images) == 0 {
			t.Fatal("neither image nor error")
		}
		if err != nil && !hasSentinel(err) {
			t.Fatalf("error without a sentinel: %v", err)
		}
	})
}

func hasSentinel(err error) bool {
	for _, s := range []error{image.ErrNotFound, image.ErrNotImage, image.ErrPlatform, image.ErrUnsupported, image.ErrCorrupt, image.ErrDigestMismatch} {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

// marshalIndex gives an index of these descriptors, with its own descriptor.
func marshalIndex(t *testing.T, list ...image.Descriptor) ([]byte, image.Descriptor) {
	t.Helper()
	b, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": image.MediaIndex, "manifests": list})
	if err != nil {
		t.Fatal(err)
	}
	return b, image.Descriptor{MediaType: image.MediaIndex, Digest: image.Sum(b), Size: int64(len(b))}
}
