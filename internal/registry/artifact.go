package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/plimsoll/plimsoll/internal/image"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	// maxArtifactBlobs bounds the blobs of one artifact.
	maxArtifactBlobs = 1 << 16
	// pushWorkers is how many blobs are sent to a registry at a time.
	pushWorkers = 4
)

// Artifact is what an OCI image manifest describes that is no image (image-spec
// manifest.md, "Guidelines for Artifact Usage"): a config and layers of one type.
type Artifact struct {
	// Type is the artifactType, and the media type of the config: registries that do
	// not know the former tell artifacts by the latter.
	Type        string
	Config      []byte
	Layers      []Blob
	Annotations map[string]string
	// Digest of the manifest; set by what reads or writes one.
	Digest image.Digest
}

// Blob is one layer of an artifact.
type Blob struct {
	MediaType   string
	Digest      image.Digest
	Size        int64
	Annotations map[string]string
	// Open gives the bytes to push. It may be called more than once; unused in reading.
	Open func() (io.ReadCloser, error)
}

// Pushed says what a push sent.
type Pushed struct {
	Digest image.Digest
	// Sent blobs and their bytes; Known were at the registry already.
	Sent, Known int
	Bytes       int64
}

type ociDescriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      image.Digest      `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type ociManifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        ociDescriptor     `json:"config"`
	Layers        []ociDescriptor   `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Push writes a to ref, which has a tag: blobs that the registry lacks, then the
// manifest, so that whoever reads the tag finds the whole of it. It may be repeated
// after a failure and then sends what is missing.
func (c *Client) Push(ctx context.Context, ref image.Ref, a Artifact) (Pushed, error) {
	var done Pushed
	if ref.Tag == "" || ref.Digest != "" {
		return done, fmt.Errorf("pushing to %s: a name with a tag is needed, as in %s:latest", ref, ref.Name())
	}
	if len(a.Layers) > maxArtifactBlobs {
		return done, fmt.Errorf("pushing to %s: %d layers are over the limit of %d", ref, len(a.Layers), maxArtifactBlobs)
	}
	r, err := c.repo(ctx, ref, pushScope)
	if err != nil {
		return done, err
	}
	config := Blob{MediaType: a.Type, Digest: image.Sum(a.Config), Size: int64(len(a.Config)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(a.Config)), nil }}
	m := ociManifest{SchemaVersion: 2, MediaType: manifestType, ArtifactType: a.Type, Config: config.descriptor(),
		Layers: []ociDescriptor{}, Annotations: a.Annotations}
	for _, l := range a.Layers {
		m.Layers = append(m.Layers, l.descriptor())
	}
	doc, err := json.Marshal(m)
	if err != nil {
		return done, fmt.Errorf("pushing to %s: %v", ref, err)
	}
	if len(doc) > image.MaxDocument {
		return done, fmt.Errorf("pushing to %s: a manifest of %d bytes is over the limit of %d", ref, len(doc), image.MaxDocument)
	}
	blobs := append([]Blob{config}, a.Layers...)
	sent := make([]bool, len(blobs))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(pushWorkers)
	for i := range blobs {
		g.Go(func() (err error) {
			sent[i], err = r.put(gctx, &blobs[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return done, err
	}
	for i, s := range sent {
		if s {
			done.Sent++
			done.Bytes += blobs[i].Size
		} else {
			done.Known++
		}
	}
	done.Digest = image.Sum(doc)
	return done, r.putManifest(ctx, ref.Tag, doc)
}

func (b *Blob) descriptor() ociDescriptor {
	return ociDescriptor{MediaType: b.MediaType, Digest: b.Digest, Size: b.Size, Annotations: b.Annotations}
}

// put sends a blob unless the registry has it (distribution specification, "Pushing
// blobs": POST, then PUT of the whole).
func (r *repo) put(ctx context.Context, b *Blob) (sent bool, err error) {
	doing := "pushing blob " + string(b.Digest) + " to " + r.name
	fail := func(err error) (bool, error) { return false, r.fail(doing, err) }
	resp, err := r.send(ctx, http.MethodHead, r.base+"blobs/"+string(b.Digest), "", nil, 0)
	if err != nil {
		return fail(err)
	}
	there := resp.StatusCode
	resp.Body.Close() // the answer to HEAD has none
	switch there {
	case http.StatusOK:
		return false, nil
	case http.StatusNotFound:
	default:
		return fail(&status{code: there})
	}
	resp, err = r.send(ctx, http.MethodPost, r.base+"blobs/uploads/", "", nil, 0)
	if err != nil {
		return fail(err)
	}
	if resp.StatusCode != http.StatusAccepted {
		return fail(readStatus(resp))
	}
	drain(resp.Body)
	to, err := r.uploadURL(resp.Header.Get("Location"), b.Digest)
	if err != nil {
		return fail(err)
	}
	resp, err = r.send(ctx, http.MethodPut, to, "application/octet-stream", b.Open, b.Size)
	if err != nil {
		return fail(err)
	}
	if resp.StatusCode != http.StatusCreated {
		return fail(readStatus(resp))
	}
	drain(resp.Body)
	return true, nil
}

// uploadURL is where the registry wants the bytes. It may not be on another host: the
// content is not for anybody else.
func (r *repo) uploadURL(location string, d image.Digest) (string, error) {
	base, err := url.Parse(r.base)
	if err != nil {
		return "", err
	}
	u, err := base.Parse(location)
	if err != nil || location == "" {
		return "", errors.New("the registry does not say where to send the content")
	}
	// Behind a proxy that ends TLS a registry may believe that it speaks plain HTTP.
	if u.Scheme == "http" && base.Scheme == "https" && u.Host == base.Host {
		u.Scheme = "https"
	}
	if u.Scheme != base.Scheme || !strings.EqualFold(u.Host, base.Host) {
		return "", errors.New("the registry wants the content sent to another host, which is refused")
	}
	q := u.Query()
	q.Set("digest", string(d))
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func (r *repo) putManifest(ctx context.Context, tag string, doc []byte) error {
	doing := "pushing manifest " + tag + " of " + r.name
	resp, err := r.send(ctx, http.MethodPut, r.base+"manifests/"+tag, manifestType,
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(doc)), nil }, int64(len(doc)))
	if err != nil {
		return r.fail(doing, err)
	}
	if resp.StatusCode != http.StatusCreated {
		return r.fail(doing, readStatus(resp))
	}
	drain(resp.Body)
	return nil
}

// send makes a request whose body can be sent again.
func (r *repo) send(ctx context.Context, method, to, contentType string, open func() (io.ReadCloser, error), size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, nil)
	if err != nil {
		return nil, err
	}
	if open != nil {
		if req.Body, err = open(); err != nil {
			return nil, err
		}
		req.GetBody, req.ContentLength = open, size
		req.Header.Set("Content-Type", contentType)
	}
	return r.http.Do(req)
}

// Artifact reads the manifest and config of what ref leads to, which must be an artifact
// of the type. Its layers are read with [Client.Blobs].
func (c *Client) Artifact(ctx context.Context, ref image.Ref, artifactType string) (*Artifact, error) {
	r, err := c.repo(ctx, ref, pullScope)
	if err != nil {
		return nil, err
	}
	doc, _, digest, err := r.manifest(ctx, ref.Tag, ref.Digest)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Artifact, error) { return nil, r.fail("reading "+ref.String(), err) }
	var m ociManifest
	if err := json.Unmarshal(doc, &m); err != nil {
		return fail(fmt.Errorf("its manifest cannot be read: %w", image.ErrCorrupt))
	}
	if m.ArtifactType != artifactType && m.Config.MediaType != artifactType {
		what := m.ArtifactType
		if what == "" {
			what = m.Config.MediaType
		}
		return fail(fmt.Errorf("it is %q, not %s: %w", clean(what, 100), artifactType, image.ErrUnsupported))
	}
	if len(m.Layers) > maxArtifactBlobs || m.Config.Size > image.MaxDocument || m.Config.Size < 0 {
		return fail(fmt.Errorf("its manifest names more than is allowed: %w", image.ErrCorrupt))
	}
	a := &Artifact{Type: artifactType, Annotations: m.Annotations, Digest: digest}
	for _, d := range append([]ociDescriptor{m.Config}, m.Layers...) {
		if err := d.Digest.Validate(); err != nil || d.Size < 0 {
			return fail(fmt.Errorf("its manifest has a descriptor that is none: %w", image.ErrCorrupt))
		}
	}
	for _, d := range m.Layers {
		a.Layers = append(a.Layers, Blob{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Annotations: d.Annotations})
	}
	rc, err := r.open(ctx, m.Config.Digest, m.Config.Size)
	if err != nil {
		return nil, err
	}
	v := image.Verify(rc, m.Config.Digest, m.Config.Size)
	defer v.Close()
	if a.Config, err = io.ReadAll(io.LimitReader(v, image.MaxDocument+1)); err != nil {
		return fail(err)
	}
	return a, nil
}

// Blobs goes through the sign-in of the repository that ref names once, and gives a
// function that opens its blobs. A reader ends in an error that wraps
// image.ErrDigestMismatch if the bytes are not those of the digest. It may be called
// from several goroutines at once.
func (c *Client) Blobs(ctx context.Context, ref image.Ref) (func(context.Context, image.Digest, int64) (io.ReadCloser, error), error) {
	r, err := c.repo(ctx, ref, pullScope)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, d image.Digest, size int64) (io.ReadCloser, error) {
		rc, err := r.open(ctx, d, size)
		if err != nil {
			return nil, err
		}
		return image.Verify(rc, d, size), nil
	}, nil
}
