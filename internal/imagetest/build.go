package imagetest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll/internal/image"
)

// Entry is one entry of a tar. The zero values stand for what is usual.
type Entry struct {
	// Path as written into the header, not cleaned. A final slash makes a folder.
	Path string
	Body string
	// Mode; 0 stands for 0644, or 0755 for a folder.
	Mode int64
	// Kind is a type flag of archive/tar; 0 stands for a folder if Path ends with a
	// slash, a symlink if Link is set, else a regular file.
	Kind byte
	// Link is the target of a symlink or hard link.
	Link     string
	UID, GID int
	// Header, if set, changes the header last of all: sizes that lie, PAX records, names
	// that are none. If the size is changed, Body is written as it is nevertheless.
	Header func(*tar.Header)
	// Raw, if set, is written in place of header and body, rounded up to whole blocks.
	Raw []byte
}

// Compression of a layer.
type Compression string

// The compressions. None is the zero value.
const (
	None Compression = ""
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// LayerSpec describes one layer. Make it with Layer and change what differs.
type LayerSpec struct {
	Entries     []Entry
	Compression Compression
	// CreatedBy is its entry in the history.
	CreatedBy string
	// Tar, if set, is used in place of Entries.
	Tar []byte
	// Blob, if set, is stored as it is, whatever Tar and Compression say.
	Blob []byte
	// MediaType overrides the one that goes with Compression.
	MediaType string
	// Absent leaves the blob out of everything written.
	Absent bool
}

// Layer describes a layer of these entries, compressed with gzip.
func Layer(entries ...Entry) LayerSpec { return LayerSpec{Entries: entries, Compression: Gzip} }

// With gives the layer compressed in another way.
func (l LayerSpec) With(c Compression) LayerSpec { l.Compression = c; return l }

// By gives the layer with createdBy in the history.
func (l LayerSpec) By(createdBy string) LayerSpec { l.CreatedBy = createdBy; return l }

// Spec describes an image.
type Spec struct {
	// Name becomes RepoTag and reference name: "example/app:1". It may be empty.
	Name string
	// Platform; zero stands for linux on this machine's architecture.
	Platform image.Platform
	// Config is written into the config blob, but for Platform and DiffIDs, which are
	// computed. Without History each layer gets an entry.
	Config image.Config
	Layers []LayerSpec
	// Annotations of the manifest.
	Annotations map[string]string
	// EditConfig and EditManifest, if set, change the JSON before it is written.
	EditConfig, EditManifest func(map[string]any)
}

// Built is an image, artefact or index as blobs. Nothing of it is changed by the
// functions of this package.
type Built struct {
	// Image as Assemble makes it, with layers that open from memory; nil for an index
	// or artefact, or if the image was made wrong on purpose.
	Image *image.Image
	// Desc is the descriptor of the manifest or index, with the platform; the name, if
	// any, is in its annotations.
	Desc image.Descriptor
	Name string
	// Blobs holds every blob by its digest: manifests, configs and layers.
	Blobs map[image.Digest][]byte
	// Manifest and Config are the documents as stored; nil for an index.
	Manifest, Config []byte
	// Layers are the blobs from the base upwards, Tars the same uncompressed.
	Layers, Tars [][]byte
	configID     image.Digest
}

// Build makes an image. The same Spec always gives the same bytes.
func Build(t testing.TB, s Spec) *Built {
	t.Helper()
	if s.Platform == (image.Platform{}) {
		s.Platform = image.HostPlatform()
	}
	b := &Built{Name: s.Name, Blobs: map[image.Digest][]byte{}}
	diffIDs := []image.Digest{}
	layers := []map[string]any{}
	for _, l := range s.Layers {
		plain := l.Tar
		if plain == nil {
			plain = Tar(t, l.Entries...)
		}
		blob, mt := l.Blob, l.MediaType
		if blob == nil {
			blob = Compress(t, plain, l.Compression)
		}
		if mt == "" {
			mt = map[Compression]string{None: image.MediaLayer, Gzip: image.MediaLayerGzip, Zstd: image.MediaLayerZstd}[l.Compression]
		}
		b.Layers, b.Tars = append(b.Layers, blob), append(b.Tars, plain)
		diffIDs = append(diffIDs, image.Sum(plain))
		layers = append(layers, descriptorJSON(mt, blob))
		if !l.Absent {
			b.Blobs[image.Sum(blob)] = blob
		}
	}
	b.Config = marshal(t, configJSON(s, diffIDs), s.EditConfig)
	b.configID = image.Sum(b.Config)
	b.Blobs[b.configID] = b.Config
	m := map[string]any{
		"schemaVersion": 2, "mediaType": image.MediaManifest,
		"config": descriptorJSON(image.MediaConfig, b.Config), "layers": layers,
	}
	if s.Annotations != nil {
		m["annotations"] = s.Annotations
	}
	b.manifest(t, m, s.EditManifest)
	p := s.Platform
	b.Desc.Platform = &p
	if man, err := image.ParseManifest(b.Manifest); err == nil {
		if img, err := image.Assemble(man, b.Config, b.open); err == nil {
			img.Name = s.Name
			b.Image = img
		}
	}
	return b
}

func (b *Built) manifest(t testing.TB, m map[string]any, edit func(map[string]any)) {
	t.Helper()
	b.Manifest = marshal(t, m, edit)
	b.Blobs[image.Sum(b.Manifest)] = b.Manifest
	b.Desc = image.Descriptor{MediaType: image.MediaManifest, Digest: image.Sum(b.Manifest), Size: int64(len(b.Manifest))}
	if b.Name != "" {
		b.Desc.Annotations = map[string]string{"org.opencontainers.image.ref.name": b.Name}
	}
}

func (b *Built) open(d image.Descriptor) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) {
		if blob, ok := b.Blobs[d.Digest]; ok {
			return io.NopCloser(bytes.NewReader(blob)), nil
		}
		return nil, fmt.Errorf("blob %s: %w", d.Digest, image.ErrNotFound)
	}
}

// Artifact makes an OCI artefact that is no image: a manifest whose config has
// configType and whose one layer, body, has layerType. An empty artifactType is left
// out. For a Helm chart configType is application/vnd.cncf.helm.config.v1+json.
func Artifact(t testing.TB, artifactType, configType, layerType, body string) *Built {
	t.Helper()
	b := &Built{Blobs: map[image.Digest][]byte{}, Config: []byte("{}"), Layers: [][]byte{[]byte(body)}}
	b.configID = image.Sum(b.Config)
	b.Blobs[b.configID], b.Blobs[image.Sum([]byte(body))] = b.Config, []byte(body)
	b.manifest(t, map[string]any{
		"schemaVersion": 2, "mediaType": image.MediaManifest,
		"config": descriptorJSON(configType, b.Config), "layers": []any{descriptorJSON(layerType, []byte(body))},
	}, func(m map[string]any) {
		if artifactType != "" {
			m["artifactType"] = artifactType
		}
	})
	return b
}

// Attestation makes what BuildKit puts beside an image in an index: a manifest for
// unknown/unknown with an in-toto statement about of.
func Attestation(t testing.TB, of *Built) *Built {
	t.Helper()
	b := Artifact(t, "", image.MediaConfig, "application/vnd.in-toto+json", `{"_type":"https://in-toto.io/Statement/v0.1"}`)
	b.Desc.Platform = &image.Platform{OS: "unknown", Arch: "unknown"}
	b.Desc.Annotations = map[string]string{
		"vnd.docker.reference.type":   "attestation-manifest",
		"vnd.docker.reference.digest": string(of.Desc.Digest),
	}
	return b
}

// Index makes an image index of images, artefacts, attestations and indexes.
func Index(t testing.TB, name string, entries ...*Built) *Built {
	t.Helper()
	b := &Built{Name: name, Blobs: map[image.Digest][]byte{}}
	list := []image.Descriptor{}
	for _, e := range entries {
		list = append(list, e.Desc)
		for d, blob := range e.Blobs {
			b.Blobs[d] = blob
		}
	}
	doc := marshal(t, map[string]any{"schemaVersion": 2, "mediaType": image.MediaIndex, "manifests": list}, nil)
	b.Blobs[image.Sum(doc)] = doc
	b.Desc = image.Descriptor{MediaType: image.MediaIndex, Digest: image.Sum(doc), Size: int64(len(doc))}
	if name != "" {
		b.Desc.Annotations = map[string]string{"org.opencontainers.image.ref.name": name}
	}
	return b
}

// Tar makes a tar of entries.
func Tar(t testing.TB, entries ...Entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	for _, e := range entries {
		if e.Raw != nil {
			buf.Write(e.Raw)
			pad(&buf, len(e.Raw))
			continue
		}
		h := &tar.Header{Name: e.Path, Linkname: e.Link, Mode: e.Mode, Uid: e.UID, Gid: e.GID, Typeflag: e.Kind, ModTime: time.Unix(0, 0)}
		switch {
		case h.Typeflag != 0:
		case strings.HasSuffix(e.Path, "/"):
			h.Typeflag = tar.TypeDir
		case e.Link != "":
			h.Typeflag = tar.TypeSymlink
		default:
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
			if h.Typeflag == tar.TypeDir {
				h.Mode = 0o755
			}
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(e.Body))
		}
		if e.Header != nil {
			e.Header(h)
		}
		// A writer of its own for each entry, so that one whose size lies can be followed
		// by others.
		var one bytes.Buffer
		if err := tar.NewWriter(&one).WriteHeader(h); err != nil {
			t.Fatalf("tar entry %q: %v", e.Path, err)
		}
		buf.Write(one.Bytes())
		buf.WriteString(e.Body)
		pad(&buf, len(e.Body))
	}
	buf.Write(make([]byte, 1024))
	return buf.Bytes()
}

func pad(buf *bytes.Buffer, n int) { buf.Write(make([]byte, (512-n%512)%512)) }

// Compress gives b compressed in the way c.
func Compress(t testing.TB, b []byte, c Compression) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	var err error
	switch c {
	case None:
		return b
	case Gzip:
		w = gzip.NewWriter(&buf)
	case Zstd:
		w, err = zstd.NewWriter(&buf, zstd.WithEncoderConcurrency(1))
	default:
		t.Fatalf("no compression %q", c)
	}
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatalf("compressing with %s: %v", c, err)
	}
	return buf.Bytes()
}

func descriptorJSON(mediaType string, b []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": image.Sum(b), "size": len(b)}
}

func marshal(t testing.TB, m map[string]any, edit func(map[string]any)) []byte {
	t.Helper()
	if edit != nil {
		edit(m)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatalf("JSON: %v", err)
	}
	return b
}

func configJSON(s Spec, diffIDs []image.Digest) map[string]any {
	c := s.Config
	run := map[string]any{}
	put := func(name string, v any, set bool) {
		if set {
			run[name] = v
		}
	}
	put("User", c.User, c.User != "")
	put("Env", c.Env, len(c.Env) > 0)
	put("Entrypoint", c.Entrypoint, len(c.Entrypoint) > 0)
	put("Cmd", c.Cmd, len(c.Cmd) > 0)
	put("WorkingDir", c.WorkingDir, c.WorkingDir != "")
	put("Labels", c.Labels, len(c.Labels) > 0)
	put("ExposedPorts", keySet(c.ExposedPorts), len(c.ExposedPorts) > 0)
	put("Volumes", keySet(c.Volumes), len(c.Volumes) > 0)
	put("StopSignal", c.StopSignal, c.StopSignal != "")
	put("OnBuild", c.OnBuild, len(c.OnBuild) > 0)
	put("Shell", c.Shell, len(c.Shell) > 0)
	put("Healthcheck", map[string]any{"Test": []string{"CMD", "true"}}, c.HasHealth)
	history := c.History
	if history == nil {
		for i, l := range s.Layers {
			by := l.CreatedBy
			if by == "" {
				by = fmt.Sprintf("RUN layer %d", i+1)
			}
			history = append(history, image.History{Created: "1970-01-01T00:00:00Z", CreatedBy: by})
		}
	}
	m := map[string]any{
		"architecture": s.Platform.Arch, "os": s.Platform.OS,
		"config": run, "history": history,
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	}
	if s.Platform.Variant != "" {
		m["variant"] = s.Platform.Variant
	}
	if c.Created != "" {
		m["created"] = c.Created
	}
	if c.Author != "" {
		m["author"] = c.Author
	}
	return m
}

func keySet(keys []string) map[string]struct{} {
	m := map[string]struct{}{}
	for _, k := range keys {
		m[k] = struct{}{}
	}
	return m
}
