package advisorydb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/registry"
)

// Remote is where snapshots are fetched from.
type Remote interface {
	// Manifest reads the manifest in force there, with its signatures.
	Manifest(ctx context.Context) (manifest, signatures []byte, err error)
	// Shard opens one file of it. Its bytes are checked by the caller.
	Shard(ctx context.Context, s Shard) (io.ReadCloser, error)
	// String is the address, as [NewRemote] takes it.
	String() string
}

// The types of what is stored at registries; the config of the artifact is the manifest
// itself, so that the digest of the config is that of the snapshot.
const (
	shardType = "application/vnd.plimsoll.advisories.shard.v2"
	// signaturesKey is the annotation of the OCI manifest that holds the signatures.
	signaturesKey = "dev.plimsoll.advisories.signatures"
	titleKey      = "org.opencontainers.image.title"
	createdKey    = "org.opencontainers.image.created"
)

// NewRemote gives the remote at an address: https://HOST/PATH (or http) is a folder of
// snapshots behind a web server, a folder's path that folder, and all else the name of
// an artifact at a registry, which may begin with "oci://". Nothing is asked yet.
func NewRemote(address string, o registry.Options) (Remote, error) {
	if scheme, _, ok := strings.Cut(address, "://"); ok && (scheme == "http" || scheme == "https") {
		u, err := url.Parse(address)
		if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Host == "" {
			return nil, fmt.Errorf("the address of a snapshot is of the form https://host/path, without credentials or query")
		}
		rt, err := registry.NewTransport(o)
		if err != nil {
			return nil, err
		}
		u.Path = strings.TrimSuffix(u.Path, "/")
		return &webRemote{base: u, client: &http.Client{Transport: rt, CheckRedirect: sameSecurity}}, nil
	}
	if st, err := os.Stat(address); err == nil && st.IsDir() {
		return folderRemote(address), nil
	}
	ref, err := image.ParseRef(address)
	if err != nil {
		return nil, fmt.Errorf("%s is neither a folder nor the name of an artifact at a registry: %w", address, err)
	}
	c, err := registry.New(o)
	if err != nil {
		return nil, err
	}
	return &registryRemote{client: c, ref: ref}, nil
}

// sameSecurity keeps redirects from leading away from encryption.
func sameSecurity(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("more than 5 redirects")
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("a redirect to plain HTTP is not followed")
	}
	return nil
}

// webRemote is a folder of snapshots behind a web server.
type webRemote struct {
	base   *url.URL
	client *http.Client
}

func (w *webRemote) String() string { return w.base.String() }

func (w *webRemote) Manifest(ctx context.Context) (manifest, signatures []byte, err error) {
	if manifest, err = w.small(ctx, manifestName, maxManifest); err != nil {
		return nil, nil, err
	}
	m, err := ParseManifest(manifest)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the manifest at %s: %w", w, err)
	}
	signatures, err = w.small(ctx, snapshotsDir+"/"+snapshotName(m.Created, digestOf(manifest))+".sig", maxSignatureFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return manifest, signatures, err
}

func (w *webRemote) Shard(ctx context.Context, s Shard) (io.ReadCloser, error) {
	return w.get(ctx, shardPath(s.Digest))
}

func (w *webRemote) small(ctx context.Context, path string, limit int64) ([]byte, error) {
	rc, err := w.get(ctx, path)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	b, err := io.ReadAll(io.LimitReader(rc, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("more than the %d bytes allowed", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s from %s: %w", path, w, err)
	}
	return b, nil
}

func (w *webRemote) get(ctx context.Context, path string) (io.ReadCloser, error) {
	u := *w.base
	u.Path += "/" + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	res, err := w.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, fmt.Errorf("asking for %s: %w", &u, err)
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	res.Body.Close()
	if res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone {
		return nil, fmt.Errorf("asking for %s: %w", &u, fs.ErrNotExist)
	}
	return nil, fmt.Errorf("asking for %s: the server answers %s", &u, res.Status)
}

// folderRemote is a folder of snapshots on disk.
type folderRemote string

func (f folderRemote) String() string { return string(f) }

func (f folderRemote) Manifest(context.Context) (manifest, signatures []byte, err error) {
	if manifest, err = readSmall(filepath.Join(string(f), manifestName), maxManifest); err != nil {
		return nil, nil, err
	}
	m, err := ParseManifest(manifest)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the manifest in %s: %w", f, err)
	}
	signatures, err = readSmall(filepath.Join(string(f), snapshotsDir, snapshotName(m.Created, digestOf(manifest))+".sig"), maxSignatureFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return manifest, signatures, err
}

func (f folderRemote) Shard(_ context.Context, s Shard) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(f), filepath.FromSlash(shardPath(s.Digest))))
}

// registryRemote is an artifact at a registry.
type registryRemote struct {
	client *registry.Client
	ref    image.Ref
	open   atomic.Pointer[func(context.Context, image.Digest, int64) (io.ReadCloser, error)]
}

func (r *registryRemote) String() string { return r.ref.String() }

func (r *registryRemote) Manifest(ctx context.Context) (manifest, signatures []byte, err error) {
	a, err := r.client.Artifact(ctx, r.ref, manifestType)
	if err != nil {
		return nil, nil, err
	}
	return a.Config, []byte(a.Annotations[signaturesKey]), nil
}

func (r *registryRemote) Shard(ctx context.Context, s Shard) (io.ReadCloser, error) {
	open := r.open.Load()
	if open == nil {
		f, err := r.client.Blobs(ctx, r.ref)
		if err != nil {
			return nil, err
		}
		open = &f
		r.open.Store(open)
	}
	return (*open)(ctx, image.Digest(s.Digest), s.Size)
}

// fetchShard brings a shard into dir unless it is there. It gives the bytes that were
// transferred.
func fetchShard(ctx context.Context, from Remote, dir string, s Shard) (int64, error) {
	if hasShard(dir, s) {
		return 0, nil
	}
	rc, err := from.Shard(ctx, s)
	if err != nil {
		return 0, fmt.Errorf("fetching advisory shard %s from %s: %w", s.Name, from, err)
	}
	defer rc.Close()
	n, err := keepShard(dir, s, rc)
	if err != nil {
		return 0, fmt.Errorf("fetching advisory shard %s from %s: %w", s.Name, from, err)
	}
	return n, nil
}

func hasShard(dir string, s Shard) bool {
	st, err := os.Stat(filepath.Join(dir, filepath.FromSlash(shardPath(s.Digest))))
	return err == nil && st.Mode().IsRegular() && st.Size() == s.Size
}

// keepShard writes a shard into dir unless it is there, checked against its digest on
// the way. It gives the bytes that were written.
func keepShard(dir string, s Shard, r io.Reader) (int64, error) {
	if hasShard(dir, s) {
		return 0, nil
	}
	path := filepath.Join(dir, filepath.FromSlash(shardPath(s.Digest)))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return 0, err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(r, s.Size+1))
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); err == nil && (n != s.Size || got != s.Digest) {
		err = fmt.Errorf("%d bytes of digest %s came instead of %d of %s: %w", n, got, s.Size, s.Digest, image.ErrDigestMismatch)
	}
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return 0, errors.Join(err, ignoreMissing(os.Remove(f.Name())))
	}
	return n, nil
}

// admit checks whether a snapshot may come into dir, before anything of it is written.
func admit(dir string, m Manifest, raw, signatures []byte, o PullOptions) (*Pulled, error) {
	p := &Pulled{Manifest: m, Digest: digestOf(raw)}
	if o.Digest != "" && p.Digest != o.Digest {
		return nil, fmt.Errorf("the snapshot there is %s, not %s", p.Digest, o.Digest)
	}
	trusted, err := ReadKeys(filepath.Join(dir, trustedName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	keys := append(o.Keys[:len(o.Keys):len(o.Keys)], trusted...)
	if len(keys) > 0 {
		if p.Key, err = Verify(raw, signatures, keys); err != nil {
			return nil, err
		}
	} else if !o.Unsigned {
		return nil, fmt.Errorf("%w: no key is trusted yet; it says it is signed by key %s", ErrSignature, orNone(SignedBy(signatures)))
	}
	list, err := history(dir)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 && m.Created.Before(list[len(list)-1].Created) && !o.Older {
		return nil, fmt.Errorf("%w: it is of %s, and there was one of %s here", ErrRollback, m.Created.Format(dateTime), list[len(list)-1].Created.Format(dateTime))
	}
	p.New = !inForce(dir, p.Digest)
	return p, nil
}

func inForce(dir, digest string) bool {
	b, err := readSmall(filepath.Join(dir, manifestName), maxManifest)
	return err == nil && digestOf(b) == digest
}

// PullOptions say what is pulled and what it must prove.
type PullOptions struct {
	// Keys that are trusted; they are kept in the folder. Without any here or there,
	// Unsigned must be set.
	Keys     []Key
	Unsigned bool
	// All shards, not only those that the folder has an older version of.
	All bool
	// Digest is that of the snapshot that must be there; "" for whichever is in force.
	Digest string
	// Older allows a snapshot older than what was in force in the folder.
	Older bool
}

// Pulled says what a pull did.
type Pulled struct {
	Manifest Manifest
	Digest   string
	// New is false if the snapshot was in force already.
	New bool
	// Key signed it; zero if nobody was asked to have.
	Key Key
	// Fetched shards and their bytes; Kept were there; Left come when first asked for.
	Fetched, Kept, Left int
	Bytes               int64
}

// pullWorkers is how many shards are fetched at a time.
const pullWorkers = 4

// Pull brings the snapshot in force at from into dir, with those of its shards that dir has an
// earlier version of, and makes it the one in force there. The other shards are
// fetched when a look-up first asks for them. An interrupted pull leaves what was in
// force in force, and goes on where it stopped when it is repeated.
func Pull(ctx context.Context, dir string, from Remote, o PullOptions) (*Pulled, error) {
	fail := func(err error) (*Pulled, error) {
		return nil, fmt.Errorf("pulling advisories from %s: %w", from, err)
	}
	raw, signatures, err := from.Manifest(ctx)
	if err != nil {
		return fail(err)
	}
	m, err := ParseManifest(raw)
	if err != nil {
		return fail(err)
	}
	p, err := admit(dir, m, raw, signatures, o)
	if err != nil {
		return fail(err)
	}
	had := map[string]bool{} // what was used here before
	if b, err := readSmall(filepath.Join(dir, manifestName), maxManifest); err == nil {
		if old, err := ParseManifest(b); err == nil {
			for _, s := range old.Shards {
				had[s.Name] = hasShard(dir, s)
			}
		}
	}
	var fetched, kept, bytes atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(pullWorkers)
	for _, s := range m.Shards {
		if !o.All && !had[s.Name] {
			p.Left++
			continue
		}
		g.Go(func() error {
			n, err := fetchShard(gctx, from, dir, s)
			if n > 0 {
				fetched.Add(1)
				bytes.Add(n)
			} else if err == nil {
				kept.Add(1)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fail(err)
	}
	p.Fetched, p.Kept, p.Bytes = int(fetched.Load()), int(kept.Load()), bytes.Load()
	if err := install(dir, raw, signatures, o.Older); err != nil {
		return fail(err)
	}
	if err := Trust(dir, o.Keys); err != nil {
		return fail(err)
	}
	if err := replaceFile(filepath.Join(dir, remoteName), []byte(from.String()+"\n")); err != nil {
		return fail(err)
	}
	return p, nil
}

const dateTime = "2006-01-02 15:04"

// RemoteOf gives the address that a folder's snapshot was pulled from, or "".
func RemoteOf(dir string) string {
	b, err := readSmall(filepath.Join(dir, remoteName), 4096)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Trust adds keys to those by one of which every snapshot in dir must be signed.
func Trust(dir string, keys []Key) error {
	path := filepath.Join(dir, trustedName)
	have, err := ReadKeys(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	known, added := map[string]bool{}, false
	var pem []byte
	for i, k := range append(have, keys...) {
		if known[k.ID()] {
			continue
		}
		known[k.ID()] = true
		pem = append(pem, k.PEM()...)
		added = added || i >= len(have)
	}
	if !added {
		return nil
	}
	return replaceFile(path, pem)
}

// Push writes the snapshot in force in dir, with all its shards, to the artifact ref at a
// registry. Shards that the registry has are not sent again.
func Push(ctx context.Context, dir string, ref image.Ref, c *registry.Client) (registry.Pushed, error) {
	raw, signatures, err := folderRemote(dir).Manifest(ctx)
	if err != nil {
		return registry.Pushed{}, fmt.Errorf("pushing advisories: %w", err)
	}
	m, err := ParseManifest(raw)
	if err != nil {
		return registry.Pushed{}, err
	}
	a := registry.Artifact{Type: manifestType, Config: raw, Annotations: map[string]string{createdKey: m.Created.Format("2006-01-02T15:04:05Z")}}
	if len(signatures) > 0 {
		a.Annotations[signaturesKey] = string(signatures)
	}
	sent := map[string]bool{} // two shards may have the same bytes
	for _, s := range m.Shards {
		path := filepath.Join(dir, filepath.FromSlash(shardPath(s.Digest)))
		if st, err := os.Stat(path); err != nil || st.Size() != s.Size {
			return registry.Pushed{}, fmt.Errorf("pushing advisories: shard %s is not here whole: pull with --all first", s.Name)
		}
		if sent[s.Digest] {
			continue
		}
		sent[s.Digest] = true
		a.Layers = append(a.Layers, registry.Blob{MediaType: shardType, Digest: image.Digest(s.Digest), Size: s.Size,
			Annotations: map[string]string{titleKey: s.Name},
			Open:        func() (io.ReadCloser, error) { return os.Open(path) }})
	}
	return c.Push(ctx, ref, a)
}
