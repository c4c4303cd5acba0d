package registry

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

const (
	user     = "carla"
	password = "correct-horse"
)

func basic(u, p string) string { return base64.StdEncoding.EncodeToString([]byte(u + ":" + p)) }

// put writes a file, and its folders, and gives the folder it is in.
func put(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(path)
}

// noConfig takes every place where credentials are looked for away from the test.
func noConfig(t *testing.T) (home string) {
	t.Helper()
	home = t.TempDir()
	t.Setenv("HOME", home)
	for _, v := range []string{"DOCKER_CONFIG", "DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"} {
		t.Setenv(v, "")
	}
	return home
}

// helper puts a credential helper into PATH that answers as a real one does.
func helper(t *testing.T, name, script string) {
	t.Helper()
	dir := put(t, filepath.Join(t.TempDir(), "docker-credential-"+name), "#!/bin/sh\n"+script)
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// TestCredentials reads from a real registry that asks for a password.
func TestCredentials(t *testing.T) {
	srv := imagetest.Registry(t, imagetest.RegistryOptions{User: user, Password: password})
	b := imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{imagetest.Layer(imagetest.Entry{Path: "a", Body: "1"})}})
	srv.Skopeo(t, imagetest.Layout(t, b), "team/web", "1")
	good := `{"auths":{"` + srv.Addr + `":{"auth":"` + basic(user, password) + `"}}}`
	answer := `read server; [ "$1 $server" = "get ` + srv.Addr + `" ] || { echo "credentials not found in native keychain"; exit 1; }
echo '{"ServerURL":"x","Username":"` + user + `","Secret":"` + password + `"}'`

	for _, test := range []struct {
		name  string
		setup func(t *testing.T, home string) Options
		say   []string // of the refusal; nil: it is read
	}{
		{name: "given", setup: func(t *testing.T, _ string) Options { return Options{Username: user, Password: password} }},
		{name: "config folder given", setup: func(t *testing.T, _ string) Options {
			return Options{ConfigDir: put(t, t.TempDir()+"/config.json", good)}
		}},
		{name: "home", setup: func(t *testing.T, home string) Options { put(t, home+"/.docker/config.json", good); return Options{} }},
		{name: "DOCKER_CONFIG", setup: func(t *testing.T, home string) Options {
			t.Setenv("DOCKER_CONFIG", put(t, home+"/elsewhere/config.json", good))
			return Options{}
		}},
		{name: "DOCKER_AUTH_CONFIG", setup: func(t *testing.T, _ string) Options { t.Setenv("DOCKER_AUTH_CONFIG", good); return Options{} }},
		{name: "REGISTRY_AUTH_FILE", setup: func(t *testing.T, home string) Options {
			put(t, home+"/auth.json", good)
			t.Setenv("REGISTRY_AUTH_FILE", home+"/auth.json")
			return Options{}
		}},
		{name: "Podman's auth.json, after a Docker config without the registry", setup: func(t *testing.T, home string) Options {
			put(t, home+"/.docker/config.json", `{"auths":{"other.example":{"auth":"`+basic("a", "b")+`"}}}`)
			put(t, home+"/run/containers/auth.json", good)
			t.Setenv("XDG_RUNTIME_DIR", home+"/run")
			return Options{}
		}},
		{name: "credHelpers", setup: func(t *testing.T, home string) Options {
			helper(t, "test-one", answer)
			put(t, home+"/.docker/config.json", `{"credHelpers":{"`+srv.Addr+`":"test-one"},"credsStore":"not-there"}`)
			return Options{}
		}},
		{name: "credsStore", setup: func(t *testing.T, home string) Options {
			helper(t, "test-all", answer)
			put(t, home+"/.docker/config.json", `{"auths":{"`+srv.Addr+`":{}},"credsStore":"test-all"}`)
			return Options{}
		}},
		{name: "none", setup: func(t *testing.T, _ string) Options { return Options{} },
			say: []string{"401", "no credentials for " + srv.Addr, "docker login " + srv.Addr, "does not exist"}},
		{name: "wrong password", setup: func(t *testing.T, home string) Options {
			put(t, home+"/.docker/config.json", strings.Replace(good, basic(user, password), basic(user, "wrong-battery"), 1))
			return Options{}
		}, say: []string{"401", "credentials from ", "/.docker/config.json", "docker login " + srv.Addr, "team/web"}},
		{name: "helper that is not installed", setup: func(t *testing.T, home string) Options {
			put(t, home+"/.docker/config.json", `{"credsStore":"not-there"}`)
			return Options{}
		}, say: []string{"no credentials", "docker-credential-not-there is not installed"}},
		{name: "helper that fails", setup: func(t *testing.T, home string) Options {
			helper(t, "test-bad", `echo "secret: s3cr3t-in-output"; echo "s3cr3t-in-errors" >&2; exit 3`)
			put(t, home+"/.docker/config.json", `{"credsStore":"test-bad"}`)
			return Options{}
		}, say: []string{"no credentials", "docker-credential-test-bad failed", "exit status 3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := test.setup(t, noConfig(t))
			set, err := client(t, o).Images(t.Context(), ref(t, srv.Addr+"/team/web:1"), image.Select{})
			if test.say == nil {
				checkImage(t, one(t, set, err), b)
				return
			}
			if !errors.Is(err, image.ErrAuth) {
				t.Fatalf("error %v, want ErrAuth", err)
			}
			for _, s := range test.say {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error %q does not say %q", err, s)
				}
			}
			for _, s := range []string{"battery", "horse", "s3cr3t", basic(user, "wrong-battery")} {
				if strings.Contains(err.Error(), s) {
					t.Errorf("error %q gives a secret away", err)
				}
			}
		})
	}
}

func TestTLS(t *testing.T) {
	srv := imagetest.Registry(t, imagetest.RegistryOptions{TLS: true, User: user, Password: password})
	b := sample(t, image.HostPlatform())
	srv.Skopeo(t, imagetest.Layout(t, b), "web", "1")
	r := ref(t, srv.Addr+"/web:1")
	o := quick(t)
	o.Username, o.Password = user, password

	_, err := client(t, o).Images(t.Context(), r, image.Select{})
	if err == nil || !strings.Contains(err.Error(), "x509") || !strings.Contains(err.Error(), "CA certificate") {
		t.Errorf("unknown CA: %v", err)
	}
	withCA := o
	withCA.CAFile = srv.CAFile
	set, err := client(t, withCA).Images(t.Context(), r, image.Select{})
	checkImage(t, one(t, set, err), b)
	insecure := o
	insecure.Insecure = true
	set, err = client(t, insecure).Images(t.Context(), r, image.Select{})
	checkImage(t, one(t, set, err), b)

	for _, file := range []string{filepath.Join(t.TempDir(), "none"), imagetest.File(t, "ca", []byte("not PEM"))} {
		bad := o
		bad.CAFile = file
		if _, err := New(bad); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("CA file %s: %v", file, err)
		}
	}
}

func TestOptionsThatContradict(t *testing.T) {
	for _, o := range []Options{{Username: "a"}, {Password: "a"}, {Username: "a", Password: "b", Token: "c"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// TestKeyring is about which entry counts.
func TestKeyring(t *testing.T) {
	a := func(name string) string { return `{"auth":"` + basic(name, "pw-"+name) + `"}` }
	for _, test := range []struct {
		name, config, host, repository string
		want                           authn.AuthConfig
		err                            string
	}{
		{name: "by host", config: `{"auths":{"r.example":` + a("one") + `,"s.example":` + a("two") + `}}`, host: "s.example",
			want: authn.AuthConfig{Username: "two", Password: "pw-two"}},
		{name: "the port counts", config: `{"auths":{"r.example":` + a("one") + `}}`, host: "r.example:5000"},
		{name: "by namespace", config: `{"auths":{"r.example":` + a("one") + `,"r.example/team":` + a("two") + `,"r.example/te":` + a("three") + `}}`,
			host: "r.example", repository: "team/web", want: authn.AuthConfig{Username: "two", Password: "pw-two"}},
		{name: "by repository", config: `{"auths":{"r.example/team":` + a("one") + `,"r.example/team/web":` + a("two") + `}}`,
			host: "r.example", repository: "team/web", want: authn.AuthConfig{Username: "two", Password: "pw-two"}},
		{name: "as a URL", config: `{"auths":{"https://r.example/v2/":` + a("two") + `,"https://r.example/v1/x":` + a("one") + `,"https://r.example.evil/":` + a("evil") + `}}`,
			host: "r.example", want: authn.AuthConfig{Username: "two", Password: "pw-two"}},
		{name: "Docker Hub", config: `{"auths":{"https://index.docker.io/v1/":` + a("one") + `}}`, host: "docker.io", repository: "library/a",
			want: authn.AuthConfig{Username: "one", Password: "pw-one"}},
		{name: "identity token", config: `{"auths":{"r.example":{"auth":"` + basic("00000000-0000-0000-0000-000000000000", "") + `","identitytoken":"tok"}}}`,
			host: "r.example", want: authn.AuthConfig{IdentityToken: "tok"}},
		{name: "user and password apart", config: `{"auths":{"r.example":{"username":"u","password":"p"}}}`, host: "r.example",
			want: authn.AuthConfig{Username: "u", Password: "p"}},
		{name: "without padding, with colons", config: `{"auths":{"r.example":{"auth":"` + strings.TrimRight(basic("u", "p:q:"), "=") + `"}}}`, host: "r.example",
			want: authn.AuthConfig{Username: "u", Password: "p:q:"}},
		{name: "broken entry of another", config: `{"auths":{"r.example":` + a("one") + `,"s.example":{"auth":"%%%"}}}`, host: "r.example",
			want: authn.AuthConfig{Username: "one", Password: "pw-one"}},
		{name: "broken entry", config: `{"auths":{"r.example":{"auth":"%%hush"}}}`, host: "r.example", err: "not base64"},
		{name: "entry that is no pair", config: `{"auths":{"r.example":{"auth":"aHVzaA"}}}`, host: "r.example", err: "user:password"},
		{name: "broken file", config: `{"auths":hush`, host: "r.example", err: "not valid JSON"},
		{name: "empty", config: `{}`, host: "r.example"},
		{name: "helper with a path", config: `{"credsStore":"../../bin/evil"}`, host: "r.example"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, err := newKeyring(Options{ConfigDir: put(t, t.TempDir()+"/config.json", test.config)})
			if err != nil {
				t.Fatal(err)
			}
			got, err := k.find(t.Context(), test.host, test.repository)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "hush") {
					t.Errorf("error %v, want one that says %q and no content", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.AuthConfig); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHelperIsAskedForTheRightServer(t *testing.T) {
	helper(t, "test-echo", `read server; echo "{\"Username\":\"<token>\",\"Secret\":\"$server\"}"`)
	k, err := newKeyring(Options{ConfigDir: put(t, t.TempDir()+"/config.json", `{"credHelpers":{"docker.io":"test-echo","r.example":"test-echo"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"docker.io": "https://index.docker.io/v1/", "r.example": "r.example", "s.example": ""} {
		if c, err := k.find(t.Context(), host, "a"); err != nil || c.IdentityToken != want {
			t.Errorf("%s: %q, %v; want %q", host, c.IdentityToken, err, want)
		}
	}
}

func TestHelperOutputIsBounded(t *testing.T) {
	helper(t, "test-flood", `head -c 100000 /dev/zero | tr '\0' ' '; echo '{"Username":"u","Secret":"hush"}'`)
	c, err := runHelper(t.Context(), "test-flood", "r.example")
	if err == nil || c.known() || strings.Contains(err.Error(), "hush") {
		t.Errorf("%+v, %v", c, err)
	}
}

// tokens is a registry with token authentication (distribution specification, "Token
// Authentication") around another handler. Realm and registry are one server.
type tokens struct {
	next http.Handler
	// want is the Authorization that the realm asks for; empty for anyone.
	want string
	// refresh is the identity token that a POST to the realm must bring.
	refresh string
	// life is how many requests a token is good for; 0 for any number.
	life int

	mu    sync.Mutex
	left  int
	given int
	asked []string // scopes
}

const issued = "eyJ.issued-token.sig"

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refuse := func() {
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="test",scope="repository:team/web:pull"`)
		w.WriteHeader(http.StatusUnauthorized)
		// An echo of what was sent, as a careless server may give.
		json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{
			"code": "UNAUTHORIZED", "message": "not with " + r.Header.Get("Authorization")}}})
	}
	if r.URL.Path == "/token" {
		r.ParseForm()
		switch {
		case s.refresh != "" && r.Method == http.MethodPost && r.PostForm.Get("refresh_token") == s.refresh:
		case s.refresh == "" && (s.want == "" || r.Header.Get("Authorization") == s.want):
		default:
			refuse()
			return
		}
		s.asked = append(s.asked, r.Form["scope"]...)
		s.left = s.life
		s.given++
		json.NewEncoder(w).Encode(map[string]any{"token": issued, "expires_in": 60})
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+issued || s.life > 0 && s.left == 0 {
		refuse()
		return
	}
	s.left--
	s.next.ServeHTTP(w, r)
}

// tokenRegistry puts tokens before a registry that holds b as team/web:1.
func tokenRegistry(t *testing.T, b *imagetest.Built, s *tokens) *httptest.Server {
	t.Helper()
	mem := memory(t)
	imagetest.PushTo(t, mem.URL, "team/web", "1", b)
	if s.next == nil {
		s.next = mem.Config.Handler
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return srv
}

func TestBearer(t *testing.T) {
	b := sample(t, image.HostPlatform())
	for _, test := range []struct {
		name   string
		tokens *tokens
		opts   func(host string) Options
		refuse bool
	}{
		{name: "anonymous", tokens: &tokens{}, opts: func(string) Options { return quick(t) }},
		{name: "password", tokens: &tokens{want: "Basic " + basic(user, password)},
			opts: func(string) Options { return Options{Username: user, Password: password} }},
		{name: "wrong password", tokens: &tokens{want: "Basic " + basic(user, password)},
			opts: func(string) Options { return Options{Username: user, Password: "wrong-battery"} }, refuse: true},
		{name: "identity token", tokens: &tokens{refresh: "identity-hush"}, opts: func(host string) Options {
			return Options{ConfigDir: put(t, t.TempDir()+"/config.json", `{"auths":{"`+host+`":{"identitytoken":"identity-hush"}}}`)}
		}},
		{name: "token given", tokens: &tokens{}, opts: func(string) Options { return Options{Token: issued} }},
		{name: "token given is stale", tokens: &tokens{}, opts: func(string) Options { return Options{Token: "eyJ.stale-hush.sig"} }, refuse: true},
		{name: "tokens that expire", tokens: &tokens{life: 2}, opts: func(string) Options { return quick(t) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv := tokenRegistry(t, b, test.tokens)
			set, err := client(t, test.opts(addr(srv))).Images(t.Context(), ref(t, addr(srv)+"/team/web:1"), image.Select{})
			if !test.refuse {
				checkImage(t, one(t, set, err), b)
				if len(test.tokens.asked) > 0 && test.tokens.asked[0] != "repository:team/web:pull" {
					t.Errorf("scopes %q", test.tokens.asked)
				}
				return
			}
			if !errors.Is(err, image.ErrAuth) {
				t.Errorf("error %v, want ErrAuth", err)
			}
			for _, s := range []string{"battery", "hush", basic(user, "wrong-battery")} {
				if strings.Contains(err.Error(), s) {
					t.Errorf("error %q gives a secret away", err)
				}
			}
		})
	}
}

// Blobs are commonly redirected to a store on another host under a signed URL. It
// gets neither credentials nor the address of what led to it, and the signature does
// not come to light when the store refuses.
func TestRedirectToAnotherHost(t *testing.T) {
	b := sample(t, image.HostPlatform())
	const signature = "X-Signature=hush-signature"
	for _, scheme := range []string{"bearer", "basic"} {
		for _, refuse := range []bool{false, true} {
			var seen []http.Header
			store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, r.Header.Clone())
				blob, ok := b.Blobs[image.Digest(strings.TrimPrefix(r.URL.Path, "/"))]
				if !ok || refuse || r.URL.RawQuery != signature {
					w.WriteHeader(http.StatusForbidden)
					io.WriteString(w, "<Error>no "+r.URL.String()+"</Error>")
					return
				}
				w.Write(blob)
			}))
			defer store.Close()
			mem := memory(t)
			imagetest.PushTo(t, mem.URL, "team/web", "1", b)
			redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, digest, ok := strings.Cut(r.URL.Path, "/blobs/"); ok {
					http.Redirect(w, r, store.URL+"/"+digest+"?"+signature, http.StatusTemporaryRedirect)
					return
				}
				mem.Config.Handler.ServeHTTP(w, r)
			})
			var front http.Handler = &tokens{next: redirect, want: "Basic " + basic(user, password)}
			if scheme == "basic" {
				front = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") != "Basic "+basic(user, password) {
						w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					redirect(w, r)
				})
			}
			srv := httptest.NewServer(front)
			defer srv.Close()
			set, err := client(t, Options{Username: user, Password: password}).
				Images(t.Context(), ref(t, addr(srv)+"/team/web:1"), image.Select{})
			if refuse {
				if err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "horse") {
					t.Errorf("%s: refused by the store: %v", scheme, err)
				}
			} else {
				checkImage(t, one(t, set, err), b)
			}
			if len(seen) == 0 {
				t.Errorf("%s: the store was not asked", scheme)
			}
			for _, h := range seen {
				if h.Get("Authorization") != "" || h.Get("Referer") != "" || h.Get("Cookie") != "" {
					t.Errorf("%s: the store was told %v", scheme, h)
				}
			}
		}
	}
}

// wire answers requests without a network and notes them.
type wire struct {
	asked  []string
	answer func(*http.Request) *http.Response
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.asked = append(w.asked, r.URL.Scheme+"://"+r.URL.Host)
	if w.answer == nil {
		return nil, errors.New("http: server gave HTTP response to HTTPS client")
	}
	return w.answer(r), nil
}

// Plain HTTP goes to another machine only when asked for, also if its address is
// private or a redirect leads there.
func TestPlainHTTP(t *testing.T) {
	for _, host := range []string{"registry.example", "10.1.2.3:5000", "192.168.0.9"} {
		for _, insecure := range []bool{false, true} {
			w := &wire{}
			o := quick(t)
			o.Transport, o.Insecure = w, insecure
			_, err := client(t, o).Images(t.Context(), ref(t, host+"/a:1"), image.Select{})
			if err == nil || !insecure && !strings.Contains(err.Error(), "insecure") {
				t.Errorf("%s: %v", host, err)
			}
			plain := strings.Contains(strings.Join(w.asked, " "), "http://")
			if plain != insecure {
				t.Errorf("%s, insecure %v: asked %q", host, insecure, w.asked)
			}
		}
	}

	w := &wire{answer: func(r *http.Request) *http.Response {
		rec := httptest.NewRecorder()
		if r.URL.Path != "/v2/" {
			rec.Header().Set("Location", "http://other.example/?sig=hush")
			rec.WriteHeader(http.StatusFound)
		}
		return rec.Result()
	}}
	o := quick(t)
	o.Transport = w
	_, err := client(t, o).Images(t.Context(), ref(t, "registry.example/a:1"), image.Select{})
	if err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(strings.Join(w.asked, " "), "http://") {
		t.Errorf("redirect to plain HTTP: %v, asked %q", err, w.asked)
	}
}

// Where a token server redirects to is named in the error, without what may be
// secret in it.
func TestErrorsHoldNoSecretOfURLs(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			http.Redirect(w, r, "http://me:hush@10.1.1.1/inner?key=hush", http.StatusFound)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer srv.Close()
	_, err := client(t, quick(t)).Images(t.Context(), ref(t, addr(srv)+"/a:1"), image.Select{})
	if err == nil || !strings.Contains(err.Error(), "10.1.1.1/inner") || strings.Contains(err.Error(), "hush") {
		t.Errorf("error %v", err)
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"no URL here": "no URL here",
		`Get "https://u:hush@h/p?sig=hush#f": no`: `Get "https://h/p?…": no`,
		"https://h/p and http://i/q?a=hush":       "https://h/p and http://i/q?…",
		"https://h:99999999/%zz?hush":             "https://…",
	} {
		if got := redact(in); got != want {
			t.Errorf("redact(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("https://user:", "@host/path", "?sig=")
	f.Add("see HTTP://a", " b", "#")
	f.Fuzz(func(t *testing.T, before, middle, after string) {
		// Whatever surrounds it, the query of a well-formed URL goes.
		s := before + " https://registry.example/blob?sig=hush " + middle + after
		if got := redact(s); strings.Contains(got, "sig=hush") && !strings.Contains(before+middle+after, "sig=hush") {
			t.Errorf("redact(%q) = %q", s, got)
		}
		if got := clean(s, 100); len(got) > 110 || strings.ContainsAny(got, "\n\x1b") {
			t.Errorf("clean gave %q", got)
		}
	})
}

func FuzzDockerConfig(f *testing.F) {
	f.Add([]byte(`{"auths":{"r.example":{"auth":"dTpw"}}}`))
	f.Add([]byte(`{"auths":{"https://r.example/v1/":{"auth":"dTpw","identitytoken":"x"}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d dockerConfig
		if json.Unmarshal(b, &d) != nil {
			return
		}
		d.CredsStore, d.CredHelpers = "", nil // no programs are run here
		c, err := d.find(t.Context(), "r.example", "a/b")
		if err != nil && c.known() {
			t.Error("credentials beside an error")
		}
	})
}
