package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

// quick is Options for tests: no config of whoever runs them, and no long pauses.
func quick(t *testing.T) Options {
	t.Helper()
	return Options{ConfigDir: t.TempDir(), Backoff: time.Millisecond, Stall: 20 * time.Second}
}

func client(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ref(t *testing.T, s string) image.Ref {
	t.Helper()
	r, err := image.ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sample is an image with two layers, the second large enough to be cut in transfer.
func sample(t *testing.T, p image.Platform) *imagetest.Built {
	t.Helper()
	var noise strings.Builder
	x := uint32(2463534242)
	for noise.Len() < 3<<20 {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		noise.WriteByte(byte(x))
	}
	return imagetest.Build(t, imagetest.Spec{
		Platform: p,
		Config:   image.Config{Env: []string{"PATH=/bin"}, Labels: map[string]string{"arch": p.String()}},
		Layers: []imagetest.LayerSpec{
			imagetest.Layer(imagetest.Entry{Path: "etc/os-release", Body: "ID=debian\n"}).By("ADD base"),
			imagetest.Layer(imagetest.Entry{Path: "noise", Body: noise.String()}).By("RUN noise"),
		},
	})
}

// checkImage compares what was read with what was built, layers and all.
func checkImage(t *testing.T, got *image.Image, want *imagetest.Built) {
	t.Helper()
	if got.Digest != want.Desc.Digest {
		t.Errorf("digest %s, want %s", got.Digest, want.Desc.Digest)
	}
	if diff := cmp.Diff(want.Image.Config, got.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if len(got.Layers) != len(want.Layers) {
		t.Fatalf("%d layers, want %d", len(got.Layers), len(want.Layers))
	}
	for i, l := range got.Layers {
		for range 2 { // it may be opened again
			b, err := readLayer(t.Context(), l)
			if err != nil {
				t.Fatalf("layer %d: %v", i, err)
			}
			if string(b) != string(want.Layers[i]) {
				t.Errorf("layer %d: %d bytes that are not the %d pushed", i, len(b), len(want.Layers[i]))
			}
		}
		if l.Size != int64(len(want.Layers[i])) || l.DiffID != want.Image.Layers[i].DiffID || l.CreatedBy == "" {
			t.Errorf("layer %d is described as %+v", i, l)
		}
	}
}

func readLayer(ctx context.Context, l image.Layer) ([]byte, error) {
	rc, err := l.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

func one(t *testing.T, set *image.Set, err error) *image.Image {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Images) != 1 {
		t.Fatalf("%d images, want 1", len(set.Images))
	}
	return set.Images[0]
}

// memory starts the registry of go-containerregistry in this process.
func memory(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.Logger(quiet())))
	t.Cleanup(s.Close)
	return s
}

func addr(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

func TestReadFromRealRegistry(t *testing.T) {
	srv := imagetest.Registry(t, imagetest.RegistryOptions{})
	want := sample(t, image.HostPlatform())
	srv.Skopeo(t, imagetest.Layout(t, want), "team/web", "1.0")
	c := client(t, quick(t))

	byTag := ref(t, srv.Addr+"/team/web:1.0")
	set, err := c.Images(t.Context(), byTag, image.Select{})
	img := one(t, set, err)
	checkImage(t, img, want)
	pinned := byTag
	pinned.Digest = want.Desc.Digest
	if img.Ref != pinned || img.Name != byTag.String() || set.Source != byTag.String() || set.Index != "" {
		t.Errorf("ref %s, name %s, source %s, index %q", img.Ref, img.Name, set.Source, set.Index)
	}

	byDigest := ref(t, srv.Addr+"/team/web@"+string(want.Desc.Digest))
	set, err = c.Images(t.Context(), byDigest, image.Select{})
	checkImage(t, one(t, set, err), want)

	// Of tag and digest the digest counts: the tag need not even exist.
	both := ref(t, srv.Addr+"/team/web:gone@"+string(want.Desc.Digest))
	set, err = c.Images(t.Context(), both, image.Select{})
	checkImage(t, one(t, set, err), want)
}

// The tag moves between the reading of the manifest and that of the layers.
func TestTagMovesWhileReading(t *testing.T) {
	srv := memory(t)
	first := imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{imagetest.Layer(imagetest.Entry{Path: "a", Body: "1"})}})
	second := imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{imagetest.Layer(imagetest.Entry{Path: "a", Body: "2"})}})
	imagetest.PushTo(t, srv.URL, "web", "latest", first)
	set, err := client(t, quick(t)).Images(t.Context(), ref(t, addr(srv)+"/web"), image.Select{})
	img := one(t, set, err)
	imagetest.PushTo(t, srv.URL, "web", "latest", second)
	checkImage(t, img, first)
}

func TestIndexWithAttestations(t *testing.T) {
	amd := sample(t, image.Platform{OS: "linux", Arch: "amd64"})
	arm := sample(t, image.Platform{OS: "linux", Arch: "arm64"})
	v7 := sample(t, image.Platform{OS: "linux", Arch: "arm", Variant: "v7"})
	att := imagetest.Attestation(t, amd)
	idx := imagetest.Index(t, "", amd, arm, v7, att)

	real := imagetest.Registry(t, imagetest.RegistryOptions{})
	real.Skopeo(t, imagetest.Layout(t, imagetest.Index(t, "", amd, arm, v7)), "multi", "plain")
	real.Push(t, "multi", "1", idx)
	mem := memory(t)
	imagetest.PushTo(t, mem.URL, "multi", "1", idx)

	c := client(t, quick(t))
	for _, host := range []string{real.Addr, addr(mem)} {
		r := ref(t, host+"/multi:1")
		set, err := c.Images(t.Context(), r, image.Select{Platform: image.Platform{OS: "linux", Arch: "arm64"}})
		img := one(t, set, err)
		checkImage(t, img, arm)
		if set.Index != idx.Desc.Digest || img.Index != idx.Desc.Digest || img.Ref.Digest != idx.Desc.Digest {
			t.Errorf("index %s, of the image %s, ref %s; want %s", set.Index, img.Index, img.Ref, idx.Desc.Digest)
		}

		set, err = c.Images(t.Context(), r, image.Select{All: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(set.Images) != 3 {
			t.Fatalf("%d images of 3 platforms", len(set.Images))
		}
		for i, want := range []*imagetest.Built{amd, arm, v7} {
			checkImage(t, set.Images[i], want)
		}
		if len(set.Skipped) != 1 || set.Skipped[0].Digest != att.Desc.Digest || set.Skipped[0].Why == "" {
			t.Errorf("skipped: %+v, want the attestation", set.Skipped)
		}

		_, err = c.Images(t.Context(), r, image.Select{Platform: image.Platform{OS: "linux", Arch: "s390x"}})
		if !errors.Is(err, image.ErrPlatform) || !strings.Contains(err.Error(), "linux/arm/v7") {
			t.Errorf("missing platform: %v", err)
		}
		// The attestation by its digest is no image.
		_, err = c.Images(t.Context(), ref(t, host+"/multi@"+string(att.Desc.Digest)), image.Select{})
		if !errors.Is(err, image.ErrNotImage) {
			t.Errorf("attestation: %v", err)
		}
	}
	set, err := c.Images(t.Context(), ref(t, real.Addr+"/multi:plain"), image.Select{Platform: image.Platform{OS: "linux", Arch: "arm", Variant: "v7"}})
	checkImage(t, one(t, set, err), v7)
}

func TestNotFound(t *testing.T) {
	real := imagetest.Registry(t, imagetest.RegistryOptions{})
	b := sample(t, image.HostPlatform())
	real.Push(t, "web", "1", b)
	c := client(t, quick(t))
	missing := "@sha256:" + strings.Repeat("0", 64)
	for _, name := range []string{"/nothing:1", "/web:2", "/web" + missing} {
		_, err := c.Images(t.Context(), ref(t, real.Addr+name), image.Select{})
		if !errors.Is(err, image.ErrNotFound) || !strings.Contains(err.Error(), real.Addr) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMissingBlobs(t *testing.T) {
	srv := memory(t)
	layer := imagetest.Layer(imagetest.Entry{Path: "a", Body: "1"})
	layer.Absent = true
	b := imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{layer}})
	imagetest.PushTo(t, srv.URL, "web", "1", b)
	set, err := client(t, quick(t)).Images(t.Context(), ref(t, addr(srv)+"/web:1"), image.Select{})
	img := one(t, set, err)
	if _, err := img.Layers[0].Open(t.Context()); !errors.Is(err, image.ErrNotFound) {
		t.Errorf("missing layer: %v", err)
	}

	foreign := imagetest.Layer(imagetest.Entry{Path: "a", Body: "2"})
	foreign.Absent = true
	foreign.MediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	asked := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer elsewhere.Close()
	b = imagetest.Build(t, imagetest.Spec{
		Layers: []imagetest.LayerSpec{foreign},
		EditManifest: func(m map[string]any) {
			m["layers"].([]map[string]any)[0]["urls"] = []string{elsewhere.URL + "/layer"}
		},
	})
	imagetest.PushTo(t, srv.URL, "web", "2", b)
	set, err = client(t, quick(t)).Images(t.Context(), ref(t, addr(srv)+"/web:2"), image.Select{})
	img = one(t, set, err)
	_, err = img.Layers[0].Open(t.Context())
	if !errors.Is(err, image.ErrNotFound) || !strings.Contains(err.Error(), "foreign") || asked != 0 {
		t.Errorf("foreign layer: %v, its URL asked %d times", err, asked)
	}
}

// What is named but cannot be scanned is refused by what it is.
func TestRefusedByKind(t *testing.T) {
	srv := memory(t)
	imagetest.PushTo(t, srv.URL, "chart", "1", imagetest.Artifact(t, "",
		"application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "chart"))
	_, err := client(t, quick(t)).Images(t.Context(), ref(t, addr(srv)+"/chart:1"), image.Select{})
	if !errors.Is(err, image.ErrNotImage) || !strings.Contains(err.Error(), "Helm") {
		t.Errorf("Helm chart: %v", err)
	}

	for _, test := range []struct {
		name, mediaType, body string
		header                map[string]string
		want                  error
		say                   string
	}{
		{name: "schema 1", mediaType: "application/vnd.docker.distribution.manifest.v1+prettyjws",
			body: `{"schemaVersion":1,"name":"a","tag":"1","fsLayers":[],"history":[]}`, want: image.ErrUnsupported, say: "schema 1"},
		{name: "schema 1 without its type", mediaType: "application/json",
			body: `{"schemaVersion":1,"name":"a","tag":"1","fsLayers":[],"history":[]}`, want: image.ErrUnsupported, say: "schema 1"},
		{name: "web page", mediaType: "text/html; charset=utf-8", body: "<html>sign in</html>", want: image.ErrCorrupt, say: "web page"},
		{name: "not JSON", mediaType: image.MediaManifest, body: "manifest", want: image.ErrCorrupt, say: "not JSON"},
		{name: "too large", mediaType: image.MediaManifest, body: `{"a":"` + strings.Repeat("a", image.MaxDocument) + `"}`, want: image.ErrCorrupt, say: "more than"},
		{name: "some JSON", mediaType: "application/json", body: `{"errors":[]}`, want: image.ErrNotImage},
		{name: "digest announced is another", mediaType: image.MediaManifest, body: `{}`,
			header: map[string]string{"Docker-Content-Digest": "sha256:" + strings.Repeat("0", 64)}, want: image.ErrDigestMismatch},
		{name: "index and manifest at once", mediaType: image.MediaIndex,
			body: `{"schemaVersion":2,"manifests":[],"config":{},"layers":[]}`, want: image.ErrCorrupt},
	} {
		t.Run(test.name, func(t *testing.T) {
			fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v2/" {
					return
				}
				for k, v := range test.header {
					w.Header().Set(k, v)
				}
				w.Header().Set("Content-Type", test.mediaType)
				io.WriteString(w, test.body)
			}))
			defer fake.Close()
			_, err := client(t, quick(t)).Images(t.Context(), ref(t, addr(fake)+"/a:1"), image.Select{})
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.say) {
				t.Errorf("error %v, want one wrapping %v that says %q", err, test.want, test.say)
			}
		})
	}
}

// A registry that serves, under a digest, something else.
func TestWrongContentUnderDigest(t *testing.T) {
	srv := memory(t)
	b := sample(t, image.HostPlatform())
	imagetest.PushTo(t, srv.URL, "web", "1", b)
	for _, kind := range []string{"/manifests/sha256:", "/blobs/" + string(image.Sum(b.Config))} {
		p := proxy(t, srv.URL, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if !strings.Contains(r.URL.Path, kind) {
				next.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			body := rec.Body.Bytes()
			body[len(body)/2] ^= 1
			w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
			w.Write(body)
		})
		_, err := client(t, quick(t)).Images(t.Context(), ref(t, addr(p)+"/web@"+string(b.Desc.Digest)), image.Select{})
		if !errors.Is(err, image.ErrDigestMismatch) {
			t.Errorf("%s…: %v", kind, err)
		}
	}
}

// Inline data is used if it holds, and is an error if it does not.
func TestInlineConfig(t *testing.T) {
	for _, lie := range []bool{false, true} {
		srv := memory(t)
		b := imagetest.Build(t, imagetest.Spec{
			Layers: []imagetest.LayerSpec{imagetest.Layer(imagetest.Entry{Path: "a", Body: "1"})},
		})
		data := append([]byte{}, b.Config...)
		if lie {
			data[3] ^= 1
		}
		b = imagetest.Build(t, imagetest.Spec{
			Layers:       []imagetest.LayerSpec{imagetest.Layer(imagetest.Entry{Path: "a", Body: "1"})},
			EditManifest: func(m map[string]any) { m["config"].(map[string]any)["data"] = data },
		})
		imagetest.PushTo(t, srv.URL, "web", "1", b)
		configs := 0
		p := proxy(t, srv.URL, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasSuffix(r.URL.Path, string(image.Sum(b.Config))) {
				configs++
			}
			next.ServeHTTP(w, r)
		})
		set, err := client(t, quick(t)).Images(t.Context(), ref(t, addr(p)+"/web:1"), image.Select{})
		if configs != 0 {
			t.Errorf("lie %v: the config was asked for", lie)
		}
		switch {
		case lie && !errors.Is(err, image.ErrDigestMismatch):
			t.Errorf("false data: %v", err)
		case !lie:
			one(t, set, err)
		}
	}
}

func TestNoRegistryThere(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	notRegistry := httptest.NewServer(http.NotFoundHandler())
	defer notRegistry.Close()
	for _, test := range []struct {
		host string
		want error
	}{{addr(closed), ErrTemporary}, {addr(notRegistry), image.ErrNotFound}} {
		_, err := client(t, quick(t)).Images(t.Context(), ref(t, test.host+"/web:1"), image.Select{})
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.host) {
			t.Errorf("%v, want %v", err, test.want)
		}
	}
}
