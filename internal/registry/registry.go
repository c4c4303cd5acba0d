package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/plimsoll/plimsoll/internal/image"
)

// maxRedirects is how many redirects one request may take.
const maxRedirects = 10

// Options says how to reach registries. The zero Options is right for most.
type Options struct {
	// Insecure allows plain HTTP and does not check certificates. Without it plain
	// HTTP is spoken only to this machine (localhost, 127.0.0.0/8, ::1), as Docker does.
	Insecure bool
	// CAFile names a PEM file with certificates to trust beside the system's.
	CAFile string
	// ConfigDir is the folder with Docker's config.json. When it is set nothing else is
	// looked at; otherwise credentials are looked for in DOCKER_AUTH_CONFIG,
	// $REGISTRY_AUTH_FILE, $DOCKER_CONFIG or ~/.docker, and containers/auth.json in
	// $XDG_RUNTIME_DIR and $XDG_CONFIG_HOME, until one knows the registry.
	ConfigDir string
	// Username and Password, or Token (a bearer token), are used for every registry
	// that the client reads from, instead of any config: make one client for each
	// registry when giving them.
	Username, Password string
	Token              string
	// UserAgent is sent with each request; "plimsoll" if empty.
	UserAgent string
	// Stall is how long a registry may send nothing before the connection is given up;
	// 30 s if zero. The whole is bounded by the context alone.
	Stall time.Duration
	// Tries is how often a request is made that fails in a way that may pass, and how
	// often in a row a broken transfer is taken up; 5 if zero. Backoff is the first
	// pause between two, 300 ms if zero; MaxWait bounds the pauses of one request
	// together, also those that the registry asks for; 2 min if zero.
	Tries            int
	Backoff, MaxWait time.Duration
	// Transport replaces the network, for tests; CAFile then has no effect.
	Transport http.RoundTripper
}

// Client reads images from registries. It may be used by many goroutines at once and
// keeps nothing but idle connections.
type Client struct {
	line *line
	keys *keyring
}

// New checks o and makes a client; it reaches for no network.
func New(o Options) (*Client, error) {
	keys, err := newKeyring(o)
	if err != nil {
		return nil, err
	}
	l, err := newLine(o)
	if err != nil {
		return nil, err
	}
	return &Client{line: l, keys: keys}, nil
}

// newLine fills in what o leaves open.
func newLine(o Options) (*line, error) {
	l := &line{
		inner: o.Transport, insecure: o.Insecure, agent: o.UserAgent, stall: o.Stall,
		tries: o.Tries, backoff: o.Backoff, maxWait: o.MaxWait,
	}
	if l.inner == nil {
		var err error
		if l.inner, err = newTransport(o); err != nil {
			return nil, err
		}
	}
	if l.agent == "" {
		l.agent = "plimsoll"
	}
	if l.stall <= 0 {
		l.stall = 30 * time.Second
	}
	if l.tries <= 0 {
		l.tries = 5
	}
	if l.backoff <= 0 {
		l.backoff = 300 * time.Millisecond
	}
	if l.maxWait <= 0 {
		l.maxWait = 2 * time.Minute
	}
	return l, nil
}

// Images reads what ref leads to: one image, the one that sel chooses from an index,
// or each of them. The tag is asked for once; all that follows is read by digest, and
// of a reference with tag and digest the digest counts. Layers are read when opened,
// over as many connections as it takes.
//
// Errors wrap a sentinel of the image room (ErrAuth, ErrNotFound, ErrNotImage,
// ErrPlatform, ErrUnsupported, ErrCorrupt, ErrDigestMismatch), [ErrTemporary], or the
// context's error; those of Layer.Open and of its reader likewise.
func (c *Client) Images(ctx context.Context, ref image.Ref, sel image.Select) (*image.Set, error) {
	r, err := c.repo(ctx, ref, pullScope)
	if err != nil {
		return nil, err
	}
	doc, mediaType, digest, err := r.manifest(ctx, ref.Tag, ref.Digest)
	if err != nil {
		return nil, err
	}
	root := image.Descriptor{Digest: digest, Size: int64(len(doc))}
	// The document's own word on what it is goes first: its digest covers that, and
	// not the header.
	if image.Kind("", doc) == image.UnknownDocument {
		root.MediaType = mediaType
	}
	set, err := image.Resolve(ctx, root, sel, image.Blobs{
		Fetch: func(ctx context.Context, d image.Descriptor) ([]byte, error) {
			if d.Digest == digest {
				return doc, nil
			}
			return r.fetch(ctx, d)
		},
		Open: func(d image.Descriptor) func(context.Context) (io.ReadCloser, error) {
			return func(ctx context.Context) (io.ReadCloser, error) { return r.open(ctx, d.Digest, d.Size) }
		},
	})
	if err != nil {
		return nil, r.fail("reading "+ref.String(), err)
	}
	set.Source = ref.String()
	pinned := ref
	pinned.Digest = digest
	for _, img := range set.Images {
		img.Name, img.Ref = set.Source, pinned
	}
	return set, nil
}

// repo is one repository with its way of proving who we are.
type repo struct {
	c    *Client
	name string // as people write it: host/path
	host string
	base string // URL of the repository, ending in a slash
	cred credential
	http *http.Client
}

// What is asked of a registry's token server.
const (
	pullScope = transport.PullScope
	pushScope = transport.PushScope // which has pull in it
)

// repo finds credentials and goes through the registry's challenge.
func (c *Client) repo(ctx context.Context, ref image.Ref, scope string) (*repo, error) {
	r := &repo{c: c, name: ref.Name(), host: ref.Registry}
	var err error
	if r.cred, err = c.keys.find(ctx, ref.Registry, ref.Repository); err != nil {
		return nil, err
	}
	var opts []name.Option
	host := ref.Registry
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if c.line.insecure || isLoopback(strings.Trim(host, "[]")) {
		opts = append(opts, name.Insecure)
	}
	reg, err := name.NewRegistry(ref.Registry, opts...)
	if err != nil {
		return nil, fmt.Errorf("registry %q: %v", ref.Registry, err)
	}
	// FromConfig also for no credentials at all: the handshake may later replace the
	// authenticator from several goroutines, which is sound only within one type.
	auth := authn.FromConfig(r.cred.AuthConfig)
	scopes := []string{"repository:" + ref.Repository + ":" + scope}
	rt, err := transport.NewWithContext(ctx, reg, auth, c.line, scopes)
	if err != nil {
		return nil, r.fail("reaching registry "+r.host+" for "+r.name, err)
	}
	// The transport puts plain HTTP here if that is what the registry was found to speak.
	r.base = "https://" + reg.RegistryStr() + "/v2/" + ref.Repository + "/"
	r.http = &http.Client{Transport: rt, CheckRedirect: followRedirect}
	return r, nil
}

// get makes a GET request below the repository.
func (r *repo) get(ctx context.Context, path string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path, nil)
	if err != nil {
		return nil, err
	}
	// Nothing between here and the store may compress what has a digest.
	req.Header.Set("Accept-Encoding", "identity")
	return req, nil
}

// accept lists what a manifest may be. Schema 1 is asked for last, so that an image
// which exists only in that form is refused by name instead of called missing.
var accept = strings.Join([]string{
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json",
	"application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.1",
}, ", ")

// manifest reads the manifest that a tag or digest names, and gives its bytes, its
// media type as the registry states it, and its digest. Under a digest it must have
// that one; under a tag the one that the registry announces, if it does.
func (r *repo) manifest(ctx context.Context, tag string, want image.Digest) ([]byte, string, image.Digest, error) {
	if want != "" {
		tag = string(want)
	}
	doing := "reading manifest " + tag + " of " + r.name
	fail := func(err error) ([]byte, string, image.Digest, error) { return nil, "", "", r.fail(doing, err) }
	req, err := r.get(ctx, "manifests/"+tag)
	if err != nil {
		return fail(err)
	}
	req.Header.Set("Accept", accept)
	body, header, err := r.document(req)
	if err != nil {
		return fail(err)
	}
	if want == "" {
		if d, err := image.ParseDigest(header.Get("Docker-Content-Digest")); err == nil {
			want = d
		}
	}
	h := want.Hash()
	h.Write(body)
	got := image.FromHash(h)
	if want != "" && got != want {
		return fail(fmt.Errorf("content has digest %s, not %s: %w", got, want, image.ErrDigestMismatch))
	}
	if !json.Valid(body) {
		return fail(fmt.Errorf("it is not JSON: %w", image.ErrCorrupt))
	}
	mt, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return body, mt, got, nil
}

// document sends req and reads the answer whole, within bounds. A connection that
// breaks in mid-answer is tried again from the beginning.
func (r *repo) document(req *http.Request) ([]byte, http.Header, error) {
	for try := 1; ; try++ {
		resp, err := r.http.Do(req)
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, nil, readStatus(resp)
		}
		if err := notHTML(resp); err != nil {
			resp.Body.Close()
			return nil, nil, err
		}
		b, err := io.ReadAll(io.LimitReader(resp.Body, image.MaxDocument+1))
		resp.Body.Close()
		switch {
		case err == nil && len(b) > image.MaxDocument:
			return nil, nil, fmt.Errorf("more than %d bytes: %w", image.MaxDocument, image.ErrCorrupt)
		case err == nil:
			return b, resp.Header, nil
		case try >= r.c.line.tries:
			return nil, nil, err
		}
		if err := sleep(req.Context(), r.c.line.grow(try)); err != nil {
			return nil, nil, err
		}
	}
}

// fetch gives a manifest, index or config by its descriptor, for image.Resolve, which
// checks it. A descriptor of no stated type may point to either.
func (r *repo) fetch(ctx context.Context, d image.Descriptor) ([]byte, error) {
	if d.MediaType == "" || image.Kind(d.MediaType, nil) != image.UnknownDocument {
		b, _, _, err := r.manifest(ctx, "", d.Digest)
		if err == nil || d.MediaType != "" || !errors.Is(err, image.ErrNotFound) {
			return b, err
		}
	}
	rc, err := r.open(ctx, d.Digest, d.Size)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	// One byte more than allowed is enough for the check to fail.
	return io.ReadAll(io.LimitReader(rc, min(d.Size, image.MaxDocument)+1))
}

// errHTML: the answer is a web page, as from a sign-in portal or a proxy.
var errHTML = errors.New("the answer is a web page, not registry content; is this a registry, and is a sign-in page or proxy in between?")

// notHTML recognises a web page sent with status 200.
func notHTML(resp *http.Response) error {
	if mt, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mt == "text/html" {
		return errHTML
	}
	return nil
}
