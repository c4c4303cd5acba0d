package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// dockerEntry is one image of a docker archive's manifest.json (moby,
// image/tarexport: "manifest.json" has one object for each image).
type dockerEntry struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func readDockerManifest(ctx context.Context, f files) ([]dockerEntry, error) {
	b, err := readDocument(ctx, f, "manifest.json")
	if err != nil {
		return nil, err
	}
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) > 0 && t[0] != '[' {
		return nil, fmt.Errorf("its manifest.json is not a docker archive's: %w", ErrNotImage)
	}
	var list []dockerEntry
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("manifest.json is not readable (%v): %w", err, ErrCorrupt)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("manifest.json lists no image: %w", ErrNotImage)
	}
	if len(list) > maxImages {
		return nil, fmt.Errorf("manifest.json lists %d images, at most %d are read: %w", len(list), maxImages, ErrCorrupt)
	}
	var out []dockerEntry
	seen := map[string]int{}
	for i, e := range list {
		switch {
		case e.Config == "":
			return nil, fmt.Errorf("manifest.json: image %d names no config: %w", i+1, ErrCorrupt)
		case len(e.Layers) > maxLayers:
			return nil, fmt.Errorf("manifest.json: image %d has %d layers, at most %d are read: %w", i+1, len(e.Layers), maxLayers, ErrCorrupt)
		}
		// One image saved under two names is one image.
		if j, ok := seen[e.Config]; ok && slices.Equal(out[j].Layers, e.Layers) {
			out[j].RepoTags = append(out[j].RepoTags, e.RepoTags...)
			continue
		}
		seen[e.Config] = len(out)
		out = append(out, e)
	}
	return out, nil
}

// configDigest gives the digest that the config's name promises, if it is named after
// one: "<hex>.json", "sha256:<hex>" and "blobs/sha256/<hex>" are in use.
func (e dockerEntry) configDigest() Digest {
	h := strings.TrimPrefix(strings.TrimSuffix(path.Base(e.Config), ".json"), "sha256:")
	if d := Digest("sha256:" + h); d.Validate() == nil {
		return d
	}
	return ""
}

// blobDigest gives the digest of a file that is stored under it as in an OCI layout.
func blobDigest(name string) Digest {
	rest, ok := strings.CutPrefix(cleanName(name), "blobs/")
	if !ok {
		return ""
	}
	algo, h, _ := strings.Cut(rest, "/")
	if d := Digest(algo + ":" + h); d.Validate() == nil {
		return d
	}
	return ""
}

func (e dockerEntry) candidate(ctx context.Context, f files) candidate {
	c := candidate{names: e.RepoTags, tagged: len(e.RepoTags) > 0}
	if d := e.configDigest(); d != "" {
		c.digests = []Digest{d}
	}
	c.read = func(sel Select) (*Set, error) {
		img, err := e.image(ctx, f)
		if err != nil {
			return nil, err
		}
		if err := serves(sel, img); err != nil {
			return nil, err
		}
		return &Set{Images: []*Image{img}}, nil
	}
	return c
}

func (e dockerEntry) image(ctx context.Context, f files) (*Image, error) {
	b, err := readDocument(ctx, f, e.Config)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("image config: %w: %w", err, ErrCorrupt)
	} else if err != nil {
		return nil, fmt.Errorf("image config: %w", err)
	}
	id := Sum(b)
	if want := e.configDigest(); want != "" && want != id {
		return nil, fmt.Errorf("image config %s: content has digest %s: %w", word(e.Config), id, ErrDigestMismatch)
	}
	cfg, err := ParseConfig(b)
	if err != nil {
		return nil, err
	}
	if len(cfg.DiffIDs) != len(e.Layers) {
		return nil, fmt.Errorf("image config lists %d layers, manifest.json %d: %w", len(cfg.DiffIDs), len(e.Layers), ErrCorrupt)
	}
	img := &Image{ID: id, Platform: cfg.Platform, Config: cfg, Layers: make([]Layer, len(e.Layers))}
	history := cfg.LayerHistory(len(e.Layers))
	for i, name := range e.Layers {
		if img.Layers[i], err = dockerLayer(f, name, cfg.DiffIDs[i]); err != nil {
			return nil, err
		}
		if history[i] != nil {
			img.Layers[i].CreatedBy = history[i].CreatedBy
		}
	}
	return img, nil
}

// dockerLayer describes a layer kept in the file name. What digest its bytes have is
// known if they are an uncompressed tar, or stored by digest.
func dockerLayer(f files, name string, diffID Digest) (Layer, error) {
	st, err := f.stat(name)
	if err != nil {
		missing := err
		// That the layer is missing is said when it is opened: the rest can be read.
		return Layer{Digest: diffID, DiffID: diffID, MediaType: MediaDockerLayer, Size: -1, //nolint:nilerr
			Open: func(context.Context) (io.ReadCloser, error) {
				return nil, fmt.Errorf("layer %s: %w", diffID, missing)
			}}, nil
	}
	l := Layer{Digest: diffID, DiffID: diffID, MediaType: MediaDockerLayer, Size: st.size, Local: st.local}
	check := diffID
	switch st.form {
	case formGzip:
		l.MediaType, check = MediaDockerLayer+".gzip", ""
	case formZstd:
		l.MediaType, check = MediaDockerLayer+".zstd", ""
	}
	if d := blobDigest(name); d != "" {
		if st.form == formTar && d != diffID && d.Algorithm() == diffID.Algorithm() {
			return Layer{}, fmt.Errorf("layer %s is stored uncompressed as blob %s, which cannot be it: %w", diffID, d, ErrDigestMismatch)
		}
		l.Digest, check = d, d
	}
	l.Open = func(ctx context.Context) (io.ReadCloser, error) {
		rc, err := f.open(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", diffID, err)
		}
		return Verify(rc, check, st.size), nil
	}
	return l, nil
}
