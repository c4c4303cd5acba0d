package plimsoll_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/policy"
	"github.com/plimsoll/plimsoll/internal/report"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// credentials has the scans of this test know a registry's password by a Docker
// config, and nothing of this machine.
func credentials(t *testing.T, registry, user, password string) {
	t.Helper()
	dir := t.TempDir()
	config, err := json.Marshal(map[string]any{"auths": map[string]any{registry: map[string]string{"username": user, "password": password}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"DOCKER_CONFIG": dir, "DOCKER_AUTH_CONFIG": "", "REGISTRY_AUTH_FILE": "", "XDG_RUNTIME_DIR": dir, "XDG_CONFIG_HOME": dir} {
		t.Setenv(name, value)
	}
}

// alpine gives the archive of a real image from the corpus, pushed by skopeo to each
// registry as alpine:3.10.
func alpine(t *testing.T, to ...*imagetest.RegistryServer) string {
	t.Helper()
	packed, err := gzip.NewReader(bytes.NewReader(read(t, filepath.Join(imagetest.Corpus(t), "fixtures", "images", "alpine-310.tar.gz"))))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	archive := imagetest.File(t, "alpine.tar", plain)
	for _, s := range to {
		args := []string{"copy", "--insecure-policy", "--quiet"}
		if s.CAFile != "" {
			args = append(args, "--dest-cert-dir", filepath.Dir(s.CAFile), "--dest-creds", "ann:secret-1")
		} else {
			args = append(args, "--dest-tls-verify=false")
		}
		tool(t, "", "skopeo", append(args, "docker-archive:"+archive, "docker://"+s.Addr+"/team/alpine:3.10")...)
	}
	return archive
}

// TestRegistry scans a real image that a real registry holds behind TLS and a
// password, against real advisories.
func TestRegistry(t *testing.T) {
	reg := imagetest.Registry(t, imagetest.RegistryOptions{User: "ann", Password: "secret-1", TLS: true})
	archive := alpine(t, reg)
	credentials(t, reg.Addr, "ann", "secret-1")
	flags := []string{"--advisories", snapshot(t, "alpine-secdb"), "--as-of", "2020-01-01", "--cache-dir", t.TempDir()}
	scan := func(source string, more ...string) scanned { return scanImage(t, source, append(more, flags...)...) }

	want := scan(archive).whole(t)
	if len(want.Findings) != 20 {
		t.Fatalf("%d findings in the archive, want 20", len(want.Findings))
	}
	name := reg.Addr + "/team/alpine"
	// The cache would give what was read from the archive.
	byTag := scan(name+":3.10", "--ca-file", reg.CAFile, "--no-cache").whole(t)
	mustEqual(t, "by tag", byTag, want)
	if byTag.Image.ID != want.Image.ID || byTag.Image.Digest == "" || !strings.HasSuffix(byTag.Image.Reference, "@"+string(byTag.Image.Digest)) {
		t.Errorf("image %+v, want the ID %s and a pinned reference", byTag.Image, want.Image.ID)
	}
	byDigest := scan(name+"@"+string(byTag.Image.Digest), "--ca-file", reg.CAFile).whole(t)
	mustEqual(t, "by digest", byDigest, want)
	mustEqual(t, "certificate not checked", scan(name+":3.10", "--insecure").whole(t), want)

	refused := func(t *testing.T, s scanned, code int, reason inventory.Reason, say ...string) {
		t.Helper()
		if s.code != code || s.Verdict.Value != policy.Unknown || !s.unknown(reason) {
			t.Errorf("exit %d, verdict %s, unknowns %v; want exit %d, unknown, %s", s.code, s.Verdict.Value, s.Unknowns, code, reason)
		}
		for _, text := range append(say, "plimsoll: ") {
			if !strings.Contains(s.stderr, text) {
				t.Errorf("standard error %q does not say %q", s.stderr, text)
			}
		}
		if strings.Contains(s.stderr, "secret") {
			t.Errorf("standard error %q tells a password", s.stderr)
		}
	}
	refused(t, scan(name+":9.9", "--ca-file", reg.CAFile), 4, inventory.NotFound, "9.9", "404")
	refused(t, scan(name+"@"+string(image.Sum(nil)), "--ca-file", reg.CAFile), 4, inventory.NotFound, "404")
	refused(t, scan(reg.Addr+"/team/nothing:1", "--ca-file", reg.CAFile), 4, inventory.NotFound, "team/nothing")
	refused(t, scan(name+":3.10"), 3, inventory.LayerUnreadable, "x509", "CA certificate")
	credentials(t, reg.Addr, "ann", "secret-2")
	refused(t, scan(name+":3.10", "--ca-file", reg.CAFile), 4, inventory.AuthFailed, "401", "docker login "+reg.Addr, "config.json")
	credentials(t, "other.example", "ann", "secret-1")
	refused(t, scan(name+":3.10", "--ca-file", reg.CAFile), 4, inventory.AuthFailed, "no credentials for "+reg.Addr)
}

// TestRegistryIndex scans what a multi-platform name leads to.
func TestRegistryIndex(t *testing.T) {
	reg := imagetest.Registry(t, imagetest.RegistryOptions{})
	credentials(t, "other.example", "u", "p")
	of := func(arch string) *imagetest.Built {
		return imagetest.Build(t, imagetest.Spec{Platform: image.Platform{OS: "linux", Arch: arch}, Layers: []imagetest.LayerSpec{imagetest.Layer(
			imagetest.Entry{Path: "app/node_modules/only-" + arch + "/package.json", Body: `{"name":"only-` + arch + `","version":"1.0.0"}`})}})
	}
	amd, arm := of("amd64"), of("arm64")
	index := imagetest.Index(t, "web:1", amd, arm, imagetest.Attestation(t, amd))
	reg.Skopeo(t, imagetest.Layout(t, index), "team/web", "1")
	chart := imagetest.Artifact(t, "", "application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "chart")
	reg.Push(t, "team/chart", "1", chart)
	name := reg.Addr + "/team/web:1"

	one := scanImage(t, name, "--platform", "linux/arm64", "--no-cache")
	if got := one.places(func(report.Package) bool { return true }); len(got) != 1 || got["npm only-arm64 1.0.0"] == nil || one.Image.Digest != arm.Desc.Digest || one.Image.Index != index.Desc.Digest {
		t.Errorf("linux/arm64: %v in %+v", got, one.Image)
	}
	if s := scanImage(t, name, "--platform", "linux/s390x", "--no-cache"); s.code != 3 || !s.unknown(inventory.PlatformMissing) || !strings.Contains(s.stderr, "linux/arm64") {
		t.Errorf("linux/s390x: exit %d, %v: %s", s.code, s.Unknowns, s.stderr)
	}

	code, out, stderr := run(t, "scan", name, "--platform", "all", "-f", "json", "--no-cache")
	var list report.List
	if err := json.Unmarshal([]byte(out), &list); err != nil || list.Schema != report.ListSchema {
		t.Fatalf("exit %d, %v: %s", code, err, stderr)
	}
	if len(list.Reports) != 2 || list.Index != string(index.Desc.Digest) || len(list.Skipped) != 1 || !strings.Contains(list.Skipped[0].Why, "attestation") {
		t.Errorf("%d reports, index %s, skipped %v", len(list.Reports), list.Index, list.Skipped)
	}
	for i, arch := range []string{"amd64", "arm64"} {
		if r := list.Reports[i]; r.Image.Platform != "linux/"+arch || len(r.Packages) != 1 || r.Packages[0].Name != "only-"+arch {
			t.Errorf("report %d is of %s with %v", i, r.Image.Platform, r.Packages)
		}
	}

	s := scanImage(t, reg.Addr+"/team/chart:1", "--no-cache")
	if s.code != 3 || s.Verdict.Value != policy.Unknown || !strings.Contains(s.stderr, "Helm chart") {
		t.Errorf("a Helm chart: exit %d, verdict %s: %s", s.code, s.Verdict.Value, s.stderr)
	}
}

// TestRegistryWarm counts what a second scan asks for.
func TestRegistryWarm(t *testing.T) {
	reg := imagetest.Registry(t, imagetest.RegistryOptions{})
	alpine(t, reg)
	credentials(t, "other.example", "u", "p")
	var blobs, manifests atomic.Int32
	addr := between(t, reg.Addr, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch {
		case strings.Contains(r.URL.Path, "/blobs/"):
			blobs.Add(1)
		case strings.Contains(r.URL.Path, "/manifests/"):
			manifests.Add(1)
		}
		next.ServeHTTP(w, r)
	})
	cache := t.TempDir()
	cold := scanImage(t, addr+"/team/alpine:3.10", "--cache-dir", cache)
	if n := blobs.Load(); n != 2 || cold.Timing.LayersRead != 1 {
		t.Errorf("a cold scan asked for %d blobs and read %d layers, want config and layer", n, cold.Timing.LayersRead)
	}
	blobs.Store(0)
	manifests.Store(0)
	warm := scanImage(t, addr+"/team/alpine:3.10", "--cache-dir", cache)
	if warm.Timing.LayersCached != 1 || warm.Timing.BytesRead != 0 {
		t.Errorf("timing of the warm scan: %+v", warm.Timing)
	}
	// The config says what the layers are; it is small and is read each time.
	if b, m := blobs.Load(), manifests.Load(); b > 1 || m != 1 {
		t.Errorf("a warm scan asked for %d blobs and %d manifests, want the config at most and 1", b, m)
	}
	mustEqual(t, "warm", warm, cold)
}

// TestRegistryFaults scans through a proxy that misbehaves: the scan is whole, or it
// says why not and does not pass.
func TestRegistryFaults(t *testing.T) {
	reg := imagetest.Registry(t, imagetest.RegistryOptions{})
	archive := alpine(t, reg)
	credentials(t, "other.example", "u", "p")
	advisories := snapshot(t, "alpine-secdb")
	want := scanImage(t, archive, "--advisories", advisories, "--as-of", "2020-01-01", "--no-cache").whole(t)
	fail := func(code int, after string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			w.WriteHeader(code)
		}
	}
	const large = 100_000 // only the layer is larger
	tests := []struct {
		name string
		// act answers the n-th request for a blob or manifest, from 1; nil leaves it be.
		only   string
		act    func(n int, w http.ResponseWriter, r *http.Request, next http.Handler)
		code   int // 0: all is well
		reason inventory.Reason
		say    string
		args   []string
	}{
		{name: "429 twice", act: func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n <= 2 {
				fail(429, "1")(w)
				return
			}
			next.ServeHTTP(w, r)
		}},
		{name: "500 on every other request", act: func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n%2 == 1 {
				fail(500, "")(w)
				return
			}
			next.ServeHTTP(w, r)
		}},
		{name: "503 for ever", act: func(_ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) { fail(503, "")(w) },
			code: 3, reason: inventory.LayerUnreadable, say: "503"},
		{name: "429 for ever", act: func(_ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) { fail(429, "3600")(w) },
			code: 3, reason: inventory.LayerUnreadable, say: "Retry-After: 3600"},
		{name: "layer is gone", only: "/blobs/", act: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&sizes{ResponseWriter: w, from: large, code: 404}, r)
		}, code: 3, reason: inventory.LayerUnreadable, say: "404"},
		{name: "layer stalls", only: "/blobs/", act: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&sizes{ResponseWriter: w, from: large, at: 50_000, then: func() { <-r.Context().Done() }}, r)
		}, code: 3, reason: inventory.Timeout, say: "--timeout", args: []string{"--timeout", "2s"}},
		{name: "layer is cut twice", only: "/blobs/", act: func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n <= 3 {
				w = &sizes{ResponseWriter: w, from: large, at: 50_000, then: func() { panic(http.ErrAbortHandler) }}
			}
			next.ServeHTTP(w, r)
		}},
		{name: "layer is cut for ever", only: "/blobs/", act: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del("Range")
			next.ServeHTTP(&sizes{ResponseWriter: w, from: large, at: 50_000, then: func() { panic(http.ErrAbortHandler) }}, r)
		}, code: 3, reason: inventory.LayerUnreadable, say: "ended too early"},
		{name: "layer is shorter than it says", only: "/blobs/", act: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del("Range")
			next.ServeHTTP(&sizes{ResponseWriter: w, from: large, length: 50_000}, r)
		}, code: 3, reason: inventory.LayerUnreadable, say: "ended too early"},
		{name: "a byte of the layer is changed", only: "/blobs/", act: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&sizes{ResponseWriter: w, from: large, flip: 70_000}, r)
		}, code: 3, reason: inventory.LayerUnreadable, say: "gzip"},
		{name: "the config is changed", only: "/blobs/", act: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&sizes{ResponseWriter: w, flip: 20}, r)
		}, code: 3, reason: inventory.LayerUnreadable, say: "digest"},
		{name: "the manifest is changed", only: "/manifests/", act: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&sizes{ResponseWriter: w, flip: 20}, r)
		}, code: 3, reason: inventory.LayerUnreadable, say: "digest"},
		{name: "a sign-in page", act: func(_ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>log in")
		}, code: 3, reason: inventory.LayerUnreadable, say: "web page"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			addr := between(t, reg.Addr, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.URL.Path == "/v2/" || !strings.Contains(r.URL.Path, tt.only) {
					next.ServeHTTP(w, r)
					return
				}
				tt.act(int(asked.Add(1)), w, r, next)
			})
			args := []string{"--advisories", advisories, "--as-of", "2020-01-01", "--cache-dir", t.TempDir()}
			s := scanImage(t, addr+"/team/alpine:3.10", append(tt.args, args...)...)
			if tt.code == 0 {
				mustEqual(t, "recovered", s.whole(t), want)
				return
			}
			if s.code != tt.code || s.Verdict.Value != policy.Unknown || !s.unknown(tt.reason) {
				t.Errorf("exit %d, verdict %s, unknowns %v; want exit %d, unknown, %s", s.code, s.Verdict.Value, s.Unknowns, tt.code, tt.reason)
			}
			if said := s.stderr + fmt.Sprint(s.Unknowns); !strings.Contains(said, tt.say) {
				t.Errorf("it does not say %q: %s", tt.say, said)
			}
			// What was read in part is not in the cache.
			mustEqual(t, "afterwards", scanImage(t, reg.Addr+"/team/alpine:3.10", args...).whole(t), want)
		})
	}
}

// sizes spoils answers of at least from bytes.
type sizes struct {
	http.ResponseWriter
	from   int
	code   int    // answer with this status instead
	length int    // claim that this is all
	at     int    // after so many bytes
	then   func() // do this
	flip   int    // change the byte here

	spoil bool
	off   int
}

func (s *sizes) WriteHeader(code int) {
	n, _ := strconv.Atoi(s.Header().Get("Content-Length"))
	s.spoil = n >= s.from
	if s.spoil && s.length > 0 {
		s.Header().Set("Content-Length", strconv.Itoa(s.length))
	}
	if s.spoil && s.code > 0 {
		s.Header().Del("Content-Length")
		code = s.code
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *sizes) Write(p []byte) (int, error) {
	if !s.spoil {
		return s.ResponseWriter.Write(p)
	}
	off := s.off
	s.off += len(p)
	switch {
	case s.code > 0:
		return len(p), nil
	case s.length > 0:
		s.ResponseWriter.Write(p[:max(0, min(len(p), s.length-off))])
		return len(p), nil
	case s.then != nil && s.off > s.at:
		s.ResponseWriter.Write(p[:s.at-off])
		http.NewResponseController(s.ResponseWriter).Flush()
		s.then()
		panic(http.ErrAbortHandler)
	case s.flip >= off && s.flip < s.off && s.flip > 0:
		p = append([]byte{}, p...)
		p[s.flip-off] ^= 1
	}
	return s.ResponseWriter.Write(p)
}
