package image

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// MaxDocument is the most bytes that an index, manifest or config may have. Real
// ones have a few kilobytes; registries refuse manifests over 4 MiB.
const MaxDocument = 8 << 20

const (
	maxLayers    = 4096 // of one image
	maxManifests = 8192 // of one index, nested ones counted in
)

// Media types (OCI image spec 1.1 media-types.md; Docker image manifest v2, schema 2).
const (
	MediaIndex          = "application/vnd.oci.image.index.v1+json"
	MediaManifest       = "application/vnd.oci.image.manifest.v1+json"
	MediaConfig         = "application/vnd.oci.image.config.v1+json"
	MediaLayer          = "application/vnd.oci.image.layer.v1.tar"
	MediaLayerGzip      = "application/vnd.oci.image.layer.v1.tar+gzip"
	MediaLayerZstd      = "application/vnd.oci.image.layer.v1.tar+zstd"
	MediaDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	MediaDockerConfig   = "application/vnd.docker.container.image.v1+json"
	MediaDockerLayer    = "application/vnd.docker.image.rootfs.diff.tar"

	mediaDockerSchema1       = "application/vnd.docker.distribution.manifest.v1+json"
	mediaDockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
	mediaArtifactManifest    = "application/vnd.oci.artifact.manifest.v1+json"
)

// Document is the sort of JSON that a reference or descriptor leads to.
type Document uint8

// The documents. Schema1 is Docker's manifest version 1, which is refused.
// ArtifactManifest is the OCI 1.1 release candidate's manifest without a config;
// it never holds an image.
const (
	UnknownDocument Document = iota
	IndexDocument
	ManifestDocument
	Schema1Document
	ArtifactManifest
)

// Descriptor points to content (OCI image spec, descriptor.md).
type Descriptor struct {
	MediaType    string            `json:"mediaType,omitempty"`
	Digest       Digest            `json:"digest"`
	Size         int64             `json:"size"`
	URLs         []string          `json:"urls,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Platform     *Platform         `json:"platform,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
	// Data is the content itself, if the writer put it inline.
	Data []byte `json:"data,omitempty"`
}

// Manifest is an image manifest, OCI or Docker schema 2 (OCI image spec, manifest.md).
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        Descriptor        `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Subject       *Descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
	// Digest of the bytes that were parsed, as ParseManifest computed it. A caller that
	// knows the manifest under a sha512 digest, and checked it, may put that here.
	Digest Digest `json:"-"`
}

// Index is an image index or Docker manifest list (OCI image spec, image-index.md).
type Index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Manifests     []Descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
	// Digest of the bytes that were parsed.
	Digest Digest `json:"-"`
}

// Kind tells what document b is: by its media type if that is a known one (a
// parameter such as charset is ignored), else by the media type that it states
// itself, else by its fields. mediaType may be empty; b may be empty if mediaType
// is known.
func Kind(mediaType string, b []byte) Document {
	if k := mediaKind(mediaType); k != UnknownDocument {
		return k
	}
	var s struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     string          `json:"mediaType"`
		Manifests     json.RawMessage `json:"manifests"`
		Config        json.RawMessage `json:"config"`
		Layers        json.RawMessage `json:"layers"`
		FSLayers      json.RawMessage `json:"fsLayers"`
	}
	if len(b) > MaxDocument || json.Unmarshal(b, &s) != nil {
		return UnknownDocument
	}
	if k := mediaKind(s.MediaType); k != UnknownDocument {
		return k
	}
	switch {
	case s.SchemaVersion == 1 && s.FSLayers != nil:
		return Schema1Document
	case s.Manifests != nil && s.Layers == nil:
		return IndexDocument
	case s.Config != nil && s.Layers != nil && s.Manifests == nil:
		return ManifestDocument
	}
	return UnknownDocument
}

func mediaKind(mt string) Document {
	mt, _, _ = strings.Cut(mt, ";")
	switch strings.TrimSpace(mt) {
	case MediaIndex, MediaDockerList:
		return IndexDocument
	case MediaManifest, MediaDockerManifest:
		return ManifestDocument
	case mediaDockerSchema1, mediaDockerSchema1Signed:
		return Schema1Document
	case mediaArtifactManifest:
		return ArtifactManifest
	}
	return UnknownDocument
}

// ParseManifest reads an image manifest; it may lack a media type. Errors wrap
// ErrUnsupported for Docker schema 1, and ErrCorrupt for anything that is no
// manifest, has a malformed digest or a negative size, or could be read both as a
// manifest and as an index. It does not tell artefacts from images: see
// [Manifest.Artifact].
func ParseManifest(b []byte) (Manifest, error) {
	var raw struct {
		Manifest
		Manifests json.RawMessage `json:"manifests"`
		FSLayers  json.RawMessage `json:"fsLayers"`
	}
	if err := parseDocument(b, &raw, "manifest"); err != nil {
		return Manifest{}, err
	}
	m := raw.Manifest
	switch {
	case m.SchemaVersion == 1 && raw.FSLayers != nil, mediaKind(m.MediaType) == Schema1Document:
		return Manifest{}, fmt.Errorf("manifest is of Docker schema 1, which lists no digests of what its layers hold; push the image again with a current tool: %w", ErrUnsupported)
	case raw.Manifests != nil:
		return Manifest{}, fmt.Errorf("manifest has a list of manifests too, so that two readers could see two images in it: %w", ErrCorrupt)
	case mediaKind(m.MediaType) == ArtifactManifest:
		return Manifest{}, fmt.Errorf("OCI artefact manifest %s: %w", word(m.ArtifactType), ErrNotImage)
	case m.Config.Digest == "":
		return Manifest{}, fmt.Errorf("manifest names no config: %w", ErrCorrupt)
	case len(m.Layers) > maxLayers:
		return Manifest{}, fmt.Errorf("manifest has %d layers, at most %d are read: %w", len(m.Layers), maxLayers, ErrCorrupt)
	}
	if err := m.Config.check(); err != nil {
		return Manifest{}, fmt.Errorf("manifest: config: %w", err)
	}
	for i := range m.Layers {
		if err := m.Layers[i].check(); err != nil {
			return Manifest{}, fmt.Errorf("manifest: layer %d: %w", i+1, err)
		}
	}
	m.Digest = Sum(b)
	return m, nil
}

// ParseIndex reads an image index or manifest list; it may lack a media type.
// Errors wrap ErrCorrupt. Platforms are given in their usual spelling.
func ParseIndex(b []byte) (Index, error) {
	var raw struct {
		Index
		Config json.RawMessage `json:"config"`
		Layers json.RawMessage `json:"layers"`
	}
	if err := parseDocument(b, &raw, "index"); err != nil {
		return Index{}, err
	}
	x := raw.Index
	switch {
	case raw.Layers != nil || raw.Config != nil:
		return Index{}, fmt.Errorf("index has a config or layers too, so that two readers could see two images in it: %w", ErrCorrupt)
	case x.Manifests == nil && !hasField(b, "manifests"): // docker save of an ID writes null
		return Index{}, fmt.Errorf("index has no list of manifests: %w", ErrCorrupt)
	case len(x.Manifests) > maxManifests:
		return Index{}, fmt.Errorf("index has %d entries, at most %d are read: %w", len(x.Manifests), maxManifests, ErrCorrupt)
	}
	for i := range x.Manifests {
		d := &x.Manifests[i]
		if err := d.check(); err != nil {
			return Index{}, fmt.Errorf("index: entry %d: %w", i+1, err)
		}
		if d.Platform != nil {
			*d.Platform = d.Platform.normal()
		}
	}
	x.Digest = Sum(b)
	return x, nil
}

func hasField(b []byte, name string) bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(b, &fields) == nil && fields[name] != nil
}

func parseDocument(b []byte, into any, what string) error {
	if len(b) > MaxDocument {
		return fmt.Errorf("%s has %d bytes, at most %d are read: %w", what, len(b), MaxDocument, ErrCorrupt)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s is not readable JSON (%v): %w", what, err, ErrCorrupt)
	}
	return nil
}

func (d Descriptor) check() error {
	if err := d.Digest.Validate(); err != nil {
		return fmt.Errorf("%v: %w", err, ErrCorrupt)
	}
	if d.Size < 0 {
		return fmt.Errorf("%s has a size of %d bytes: %w", d.Digest, d.Size, ErrCorrupt)
	}
	return nil
}

// inline gives the content that the descriptor carries itself, if it carries all of
// it; what does not match the digest is an error wrapping ErrDigestMismatch.
func (d Descriptor) inline() ([]byte, bool, error) {
	if len(d.Data) == 0 {
		return nil, false, nil
	}
	if err := d.verify(d.Data); err != nil {
		return nil, false, fmt.Errorf("inline data: %w", err)
	}
	return d.Data, true, nil
}

// verify checks b against digest and size.
func (d Descriptor) verify(b []byte) error {
	if int64(len(b)) != d.Size {
		return fmt.Errorf("%s: %d bytes, %d announced: %w", d.Digest, len(b), d.Size, ErrDigestMismatch)
	}
	h := d.Digest.Hash()
	h.Write(b)
	if got := FromHash(h); got != d.Digest {
		return fmt.Errorf("%s: content has digest %s: %w", d.Digest, got, ErrDigestMismatch)
	}
	return nil
}

// IsAttestation reports whether an index entry is BuildKit's statement about another
// entry rather than an image of its own.
func (d Descriptor) IsAttestation() bool {
	return d.Annotations["vnd.docker.reference.type"] == "attestation-manifest"
}

// Artifact says in words what the manifest holds if it is no container image, and
// nothing if it is one. It goes by the config's media type and, as signatures and
// attestations are often dressed up with an image config, by those of the layers.
func (m Manifest) Artifact() string {
	switch m.Config.MediaType {
	case MediaConfig, MediaDockerConfig, "", "application/octet-stream", "application/json":
	default:
		return artifactWords(m.ArtifactType, m.Config.MediaType)
	}
	for _, l := range m.Layers {
		if isLayerType(l.MediaType) {
			return ""
		}
	}
	if len(m.Layers) == 0 {
		if m.ArtifactType != "" {
			return artifactWords(m.ArtifactType, m.Config.MediaType)
		}
		return ""
	}
	return artifactWords(m.ArtifactType, m.Layers[0].MediaType)
}

// isLayerType takes for a layer whatever is a tar by its name, or has no telling one.
func isLayerType(mt string) bool {
	switch mt {
	case "", "application/octet-stream", "application/gzip", "application/x-gzip", "application/zstd":
		return true
	}
	return strings.HasPrefix(mt, "application/vnd.oci.image.layer.") ||
		strings.HasPrefix(mt, "application/vnd.docker.image.rootfs.") ||
		strings.Contains(mt, ".tar") || strings.HasSuffix(mt, "/tar") || strings.HasSuffix(mt, "/x-tar")
}

func artifactWords(artifactType, mediaType string) string {
	t := artifactType
	if t == "" {
		t = mediaType
	}
	has := func(s string) bool { return strings.Contains(t, s) || strings.Contains(mediaType, s) }
	switch {
	case has("cncf.helm"):
		return "Helm chart (" + word(t) + ")"
	case has("cosign") || has("simplesigning") || has("cncf.notary") || has("sigstore.bundle"):
		return "signature (" + word(t) + ")"
	case has("in-toto"):
		return "attestation (" + word(t) + ")"
	case has("wasm"):
		return "WebAssembly module (" + word(t) + ")"
	case has("spdx") || has("cyclonedx"):
		return "SBOM (" + word(t) + ")"
	case has("docker.plugin"):
		return "Docker plugin (" + word(t) + ")"
	}
	return "OCI artefact " + word(t)
}

// word makes an attacker's string fit for a message: short and printable.
func word(s string) string {
	if s == "" {
		return "of no stated type"
	}
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s[:min(len(s), 120)])
	if len(s) > 120 {
		clean += "…"
	}
	return clean
}

// Assemble makes an Image of a manifest and its config blob. It checks config
// against the manifest's descriptor, aligns layers with diffIDs and history, and
// wraps what open gives so that each Layer.Open verifies digest and size.
//
// open is called once for each layer and gives the function that opens the blob as
// stored, unverified; that one may be called again and concurrently, and gives an
// error wrapping ErrNotFound if the blob is not there. Layers that carry their
// content inline are not opened through it; encrypted ones give ErrUnsupported.
//
// The caller sets Name, Ref, Index and Layer.Local as it knows them. Errors wrap
// ErrDigestMismatch, ErrNotImage or ErrCorrupt.
func Assemble(manifest Manifest, config []byte, open func(Descriptor) func(context.Context) (io.ReadCloser, error)) (*Image, error) {
	if what := manifest.Artifact(); what != "" {
		return nil, fmt.Errorf("%s: %w", what, ErrNotImage)
	}
	if err := manifest.Config.verify(config); err != nil {
		return nil, fmt.Errorf("image config: %w", err)
	}
	cfg, err := ParseConfig(config)
	if err != nil {
		return nil, err
	}
	if len(cfg.DiffIDs) != len(manifest.Layers) {
		return nil, fmt.Errorf("image config lists %d layers, the manifest %d: %w", len(cfg.DiffIDs), len(manifest.Layers), ErrCorrupt)
	}
	img := &Image{
		Digest:      manifest.Digest,
		ID:          manifest.Config.Digest,
		MediaType:   manifest.MediaType,
		Platform:    cfg.Platform,
		Config:      cfg,
		Annotations: manifest.Annotations,
		Layers:      make([]Layer, len(manifest.Layers)),
	}
	if img.MediaType == "" {
		img.MediaType = MediaManifest
	}
	history := cfg.LayerHistory(len(manifest.Layers))
	for i, d := range manifest.Layers {
		l := &img.Layers[i]
		l.Digest, l.DiffID, l.MediaType, l.Size = d.Digest, cfg.DiffIDs[i], d.MediaType, d.Size
		if history[i] != nil {
			l.CreatedBy = history[i].CreatedBy
		}
		l.Open = layerOpener(d, open)
	}
	return img, nil
}

func layerOpener(d Descriptor, open func(Descriptor) func(context.Context) (io.ReadCloser, error)) func(context.Context) (io.ReadCloser, error) {
	switch {
	case strings.HasSuffix(d.MediaType, "+encrypted"):
		return func(context.Context) (io.ReadCloser, error) {
			return nil, fmt.Errorf("layer %s is encrypted (%s): %w", d.Digest, word(d.MediaType), ErrUnsupported)
		}
	case len(d.Data) > 0:
		return func(context.Context) (io.ReadCloser, error) {
			b, _, err := d.inline()
			if err != nil {
				return nil, fmt.Errorf("layer %s: %w", d.Digest, err)
			}
			return io.NopCloser(bytes.NewReader(b)), nil
		}
	}
	raw := open(d)
	return func(ctx context.Context) (io.ReadCloser, error) {
		rc, err := raw(ctx)
		if err != nil {
			if isForeign(d.MediaType) {
				where := "elsewhere"
				// The host alone: a URL may carry a signature.
				if len(d.URLs) > 0 {
					if u, uerr := url.Parse(d.URLs[0]); uerr == nil && u.Host != "" {
						where = "at " + word(u.Host)
					}
				}
				err = fmt.Errorf("layer %s is a foreign one, kept %s and not with the image: %w", d.Digest, where, err)
			}
			return nil, err
		}
		return Verify(rc, d.Digest, d.Size), nil
	}
}

func isForeign(mt string) bool {
	return strings.Contains(mt, ".foreign.") || strings.Contains(mt, ".nondistributable.")
}
