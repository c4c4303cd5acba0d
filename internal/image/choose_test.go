package image_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

func TestChoose(t *testing.T) {
	entry := func(p string) image.Descriptor {
		d := image.Descriptor{MediaType: image.MediaManifest, Digest: image.Sum([]byte(p)), Size: 1, Annotations: map[string]string{"is": p}}
		if p == "attestation" {
			d.Annotations["vnd.docker.reference.type"] = "attestation-manifest"
			p = "unknown/unknown"
		}
		if p == "chart" {
			d.MediaType, p = "application/vnd.cncf.helm.config.v1+json", ""
		}
		if p != "" {
			os, rest, _ := strings.Cut(p, "/")
			arch, variant, _ := strings.Cut(rest, "/")
			d.Platform = &image.Platform{OS: os, Arch: arch, Variant: variant}
		}
		return d
	}
	host := image.HostPlatform().String()
	for _, tc := range []struct {
		index   string
		want    string // platform asked for; "all"; or nothing
		chosen  string
		skipped int
		err     error
		says    string
	}{
		{host + " linux/s390x", "", host, 0, nil, ""},
		{"linux/s390x " + host, "", host, 0, nil, ""},
		{"linux/s390x", "", "linux/s390x", 0, nil, ""}, // the only one: no fuss
		{"linux/s390x attestation", "", "linux/s390x", 1, nil, ""},
		{"linux/s390x", "linux/s390x", "linux/s390x", 0, nil, ""},
		{"linux/s390x", "linux/ppc64le", "", 0, image.ErrPlatform, "linux/ppc64le; there are linux/s390x"},
		{"linux/s390x linux/mips windows/amd64 attestation", "", "", 1, image.ErrPlatform, "linux/s390x, linux/mips, windows/amd64"},
		{"linux/s390x linux/mips attestation", "all", "linux/s390x linux/mips", 1, nil, ""},
		{"linux/arm/v6 linux/arm/v7 linux/arm64/v8", "linux/arm/v7", "linux/arm/v7", 0, nil, ""},
		{"linux/arm/v6 linux/arm/v7 linux/arm64/v8", "linux/arm", "linux/arm/v7", 0, nil, ""},
		{"linux/arm/v5 linux/arm/v6", "linux/arm", "linux/arm/v5", 0, nil, ""},
		{"linux/arm/v5 linux/arm", "linux/arm/v7", "linux/arm", 0, nil, ""},
		{"linux/arm/v5 linux/arm/v6", "linux/arm/v7", "", 0, image.ErrPlatform, "linux/arm/v5"},
		{"linux/arm linux/arm/v7", "linux/arm/v7", "linux/arm/v7", 0, nil, ""},
		{"linux/amd64/v3 linux/amd64", "linux/amd64", "linux/amd64", 0, nil, ""},
		{"linux/amd64/v3 linux/arm64", "linux/amd64", "linux/amd64/v3", 0, nil, ""},
		{"windows/amd64 linux/amd64", "amd64", "linux/amd64", 0, nil, ""},
		{"linux/s390x linux/s390x", "linux/s390x", "linux/s390x", 0, nil, ""}, // the first counts
		{"attestation", "", "", 1, image.ErrNotImage, "attestation manifest"},
		{"chart attestation", "all", "", 2, image.ErrNotImage, "Helm chart"},
		{"unknown/unknown", "", "", 1, image.ErrNotImage, "unknown/unknown"},
		{"", "", "", 0, image.ErrNotImage, "empty"},
	} {
		t.Run(tc.index+" for "+tc.want, func(t *testing.T) {
			var idx image.Index
			for _, p := range strings.Fields(tc.index) {
				idx.Manifests = append(idx.Manifests, entry(p))
			}
			sel := image.Select{All: tc.want == "all"}
			if tc.want != "all" && tc.want != "" {
				var err error
				if sel.Platform, err = image.ParsePlatform(tc.want); err != nil {
					t.Fatal(err)
				}
			}
			chosen, skipped, err := image.Choose(idx, sel)
			var got []string
			for _, d := range chosen {
				got = append(got, d.Annotations["is"])
			}
			if strings.Join(got, " ") != tc.chosen || len(skipped) != tc.skipped {
				t.Errorf("chosen %v, skipped %v; want %q and %d", got, skipped, tc.chosen, tc.skipped)
			}
			if !errors.Is(err, tc.err) || tc.err == nil && err != nil || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v, want %v saying %q", err, tc.err, tc.says)
			}
		})
	}
}

// blobs serves what is in memory.
func blobs(all map[image.Digest][]byte) image.Blobs {
	return image.Blobs{
		Fetch: func(_ context.Context, d image.Descriptor) ([]byte, error) {
			if b, ok := all[d.Digest]; ok {
				return b, nil
			}
			return nil, fmt.Errorf("%s: %w", d.Digest, image.ErrNotFound)
		},
		Open: func(d image.Descriptor) func(context.Context) (io.ReadCloser, error) {
			return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(all[d.Digest])), nil }
		},
	}
}

func platformImage(t *testing.T, platform string) *imagetest.Built {
	t.Helper()
	p, err := image.ParsePlatform(platform)
	if err != nil {
		t.Fatal(err)
	}
	return imagetest.Build(t, imagetest.Spec{Platform: p, Layers: []imagetest.LayerSpec{imagetest.Layer(imagetest.Entry{Path: "for", Body: platform})}})
}

func TestResolve(t *testing.T) {
	arm, s390, mips := platformImage(t, "linux/arm/v7"), platformImage(t, "linux/s390x"), platformImage(t, "linux/mips")
	chart := imagetest.Artifact(t, "", "application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "x")
	sbom := imagetest.Artifact(t, "application/spdx+json", "application/vnd.oci.empty.v1+json", "application/spdx+json", "{}")
	unstated := platformImage(t, "linux/ppc64le")
	unstated.Desc.Platform = nil
	index := imagetest.Index(t, "",
		imagetest.Index(t, "", arm, imagetest.Attestation(t, arm)),
		imagetest.Index(t, "", imagetest.Index(t, "", s390)), mips, chart, unstated)
	ids := func(set *image.Set) (out []string) {
		for _, img := range set.Images {
			out = append(out, img.Platform.String())
			if img.Index != set.Index {
				t.Errorf("image has index %q, the set %q", img.Index, set.Index)
			}
		}
		return out
	}
	for _, tc := range []struct {
		name    string
		root    *imagetest.Built
		sel     image.Select
		want    []string
		skipped int
		err     error
	}{
		{"manifest", arm, image.Select{}, []string{"linux/arm/v7"}, 0, nil},
		{"manifest for that platform", arm, image.Select{Platform: image.Platform{OS: "linux", Arch: "arm"}}, []string{"linux/arm/v7"}, 0, nil},
		{"manifest for another platform", arm, image.Select{Platform: image.Platform{OS: "linux", Arch: "mips"}}, nil, 0, image.ErrPlatform},
		{"chart", chart, image.Select{}, nil, 0, image.ErrNotImage},
		{"nested", index, image.Select{Platform: image.Platform{OS: "linux", Arch: "s390x"}}, []string{"linux/s390x"}, 2, nil},
		{"platform from the config", index, image.Select{Platform: image.Platform{OS: "linux", Arch: "ppc64le"}}, []string{"linux/ppc64le"}, 2, nil},
		{"all", index, image.Select{All: true}, []string{"linux/arm/v7", "linux/s390x", "linux/mips", "linux/ppc64le"}, 2, nil},
		{"no such platform", index, image.Select{Platform: image.Platform{OS: "plan9", Arch: "386"}}, nil, 2, image.ErrPlatform},
		{"artefacts only", imagetest.Index(t, "", chart, sbom), image.Select{}, nil, 2, image.ErrNotImage},
		{"artefacts only, all", imagetest.Index(t, "", chart, sbom), image.Select{All: true}, nil, 2, image.ErrNotImage},
		{"one index deep", imagetest.Index(t, "", imagetest.Index(t, "", imagetest.Index(t, "", imagetest.Index(t, "", imagetest.Index(t, "", arm))))), image.Select{}, nil, 0, image.ErrCorrupt},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set, err := image.Resolve(t.Context(), tc.root.Desc, tc.sel, blobs(tc.root.Blobs))
			if !errors.Is(err, tc.err) || tc.err == nil && err != nil {
				t.Fatalf("%v, want %v", err, tc.err)
			}
			if err != nil {
				return
			}
			if d := cmp.Diff(tc.want, ids(set)); d != "" {
				t.Errorf("platforms (-want +got):\n%s", d)
			}
			if len(set.Skipped) != tc.skipped {
				t.Errorf("skipped %v, want %d", set.Skipped, tc.skipped)
			}
			if isIndex := tc.root.Manifest == nil; isIndex != (set.Index == tc.root.Desc.Digest) {
				t.Errorf("index is %q", set.Index)
			}
		})
	}
}

// Every document on the way is checked against the digest that led to it.
func TestResolveMismatch(t *testing.T) {
	img := platformImage(t, "linux/s390x")
	index := imagetest.Index(t, "", img)
	for name, d := range map[string]image.Digest{"index": index.Desc.Digest, "manifest": img.Desc.Digest, "config": image.Sum(img.Config)} {
		for _, sel := range []image.Select{{}, {All: true}} {
			forged := map[image.Digest][]byte{}
			for k, b := range index.Blobs {
				forged[k] = b
			}
			forged[d] = bytes.Replace(forged[d], []byte("sha256:"), []byte("SHA256:"), 1)
			if bytes.Equal(forged[d], index.Blobs[d]) {
				t.Fatal("nothing was forged")
			}
			if set, err := image.Resolve(t.Context(), index.Desc, sel, blobs(forged)); !errors.Is(err, image.ErrDigestMismatch) {
				t.Errorf("%s: %v, %v", name, set, err)
			}
		}
	}
	gone := map[image.Digest][]byte{}
	for k, b := range index.Blobs {
		gone[k] = b
	}
	delete(gone, image.Sum(img.Config))
	if _, err := image.Resolve(t.Context(), index.Desc, image.Select{}, blobs(gone)); !errors.Is(err, image.ErrCorrupt) {
		t.Errorf("missing config: %v", err)
	}
}

// An index that names others a great many times, or itself, ends.
func TestResolveManyIndexes(t *testing.T) {
	all := map[image.Digest][]byte{}
	img := platformImage(t, "linux/s390x")
	for d, b := range img.Blobs {
		all[d] = b
	}
	var wide []image.Descriptor
	for i := range 3000 {
		d := img.Desc
		d.Annotations = map[string]string{"n": fmt.Sprint(i)}
		b, desc := marshalIndex(t, d)
		all[desc.Digest] = b
		wide = append(wide, desc)
	}
	b, root := marshalIndex(t, wide...)
	all[root.Digest] = b
	if _, err := image.Resolve(t.Context(), root, image.Select{}, blobs(all)); !errors.Is(err, image.ErrCorrupt) {
		t.Errorf("3000 nested indexes: %v", err)
	}
	// The same few again and again are read once each.
	var again []image.Descriptor
	for range 8000 {
		again = append(again, wide[0], wide[1])
	}
	b, root = marshalIndex(t, again[:8000]...)
	all[root.Digest] = b
	fetched := 0
	from := blobs(all)
	fetch := from.Fetch
	from.Fetch = func(ctx context.Context, d image.Descriptor) ([]byte, error) { fetched++; return fetch(ctx, d) }
	set, err := image.Resolve(t.Context(), root, image.Select{}, from)
	if err != nil || len(set.Images) != 1 || fetched > 6 {
		t.Errorf("%v, %v, %d documents fetched", set, err, fetched)
	}
}

func TestResolveRefusesSchema1(t *testing.T) {
	b := []byte(`{"schemaVersion":1,"name":"x","fsLayers":[{"blobSum":"` + someDigest + `"}],"history":[]}`)
	root := image.Descriptor{Digest: image.Sum(b), Size: int64(len(b)), MediaType: "application/vnd.docker.distribution.manifest.v1+prettyjws"}
	_, err := image.Resolve(t.Context(), root, image.Select{}, blobs(map[image.Digest][]byte{root.Digest: b}))
	if !errors.Is(err, image.ErrUnsupported) || !strings.Contains(err.Error(), "schema 1") {
		t.Errorf("%v", err)
	}
}
