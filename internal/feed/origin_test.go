package feed

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mirror gives an origin of a server on loopback, and the waits it has made.
func mirror(t *testing.T, h http.HandlerFunc) (*Origin, *[]time.Duration) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	o, err := NewOrigin(srv.URL + "/base")
	if err != nil {
		t.Fatal(err)
	}
	return o, noSleep(o)
}

// noSleep makes o's waits end at once and notes them.
func noSleep(o *Origin) *[]time.Duration {
	waits := new([]time.Duration)
	o.sleep = func(ctx context.Context, d time.Duration) error {
		*waits = append(*waits, d)
		return ctx.Err()
	}
	return waits
}

func read(t *testing.T, o *Origin, address string) (string, error) {
	t.Helper()
	b, err := o.Open(t.Context(), address)
	if err != nil {
		return "", err
	}
	defer b.Close()
	data, err := io.ReadAll(b)
	return string(data), err
}

func TestOriginHTTP(t *testing.T) {
	o, _ := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Authorization", "Cookie", "Referer"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s was sent", name)
			}
		}
		w.Header().Set("Last-Modified", "Wed, 12 Feb 2025 10:00:00 GMT")
		io.WriteString(w, r.URL.EscapedPath())
	})
	got, err := read(t, o, "https://osv.example/Red%20Hat/all.zip")
	if err != nil || got != "/base/osv.example/Red%20Hat/all.zip" {
		t.Errorf("got %q, %v", got, err)
	}
	b, err := o.Open(t.Context(), "https://osv.example/x")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if want := time.Date(2025, 2, 12, 10, 0, 0, 0, time.UTC); !b.Modified.Equal(want) {
		t.Errorf("modified %v, want %v", b.Modified, want)
	}
}

// TestOriginPages: a page of a list is a query at its publisher and a file on a mirror.
func TestOriginPages(t *testing.T) {
	const address = "https://a.example/api/list/?size=100&page=12"
	publisher, err := NewOrigin("")
	if err != nil {
		t.Fatal(err)
	}
	host, path, err := locate(address)
	if got := publisher.remote(host, path).String(); err != nil || got != address {
		t.Errorf("at its publisher it is %s, %v", got, err)
	}
	o, _ := mirror(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.String()) })
	if got, err := read(t, o, address); err != nil || got != "/base/a.example/api/list/page12.json" {
		t.Errorf("on a mirror it is %s, %v", got, err)
	}
	if got, err := read(t, folder(t, map[string]string{"a.example/api/list/page12.json": "twelve"}), address); err != nil || got != "twelve" {
		t.Errorf("in a folder it is %s, %v", got, err)
	}
	for query, want := range map[string]string{
		"resultsPerPage=10&startIndex=0":                                       "startIndex0.json",
		"lastModStartDate=2026-01-01T00%3A00%3A00.000%2B00%3A00&startIndex=20": "lastMod-startIndex20.json",
	} {
		host, path, err := locate("https://a.example/api/?" + query)
		if err != nil || keptName(host, path) != "a.example/api/"+want || publisher.remote(host, path).String() != "https://a.example/api/?"+query {
			t.Errorf("%s: %s, %v", query, path, err)
		}
	}
}

func TestOriginNotThere(t *testing.T) {
	asked := 0
	o, waits := mirror(t, func(w http.ResponseWriter, r *http.Request) { asked++; http.NotFound(w, r) })
	if _, err := read(t, o, "https://a.example/x"); !errors.Is(err, ErrNotThere) || asked != 1 || len(*waits) != 0 {
		t.Errorf("got %v after %d requests and waits %v", err, asked, *waits)
	}
	if _, err := o.OpenAt(t.Context(), "https://a.example/x"); !errors.Is(err, ErrNotThere) {
		t.Errorf("got %v", err)
	}
}

func TestOriginFolderIndex(t *testing.T) {
	o, _ := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/index.html") {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, r.URL.Path)
	})
	if got, err := read(t, o, "https://a.example/"); err != nil || got != "/base/a.example/index.html" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestOriginRetryAfter(t *testing.T) {
	asked := 0
	o, waits := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		io.WriteString(w, "ok")
	})
	if got, err := read(t, o, "https://a.example/x"); err != nil || got != "ok" || len(*waits) != 1 || (*waits)[0] != 7*time.Second {
		t.Errorf("got %q, %v with waits %v", got, err, *waits)
	}
}

func TestOriginRetryAfterTooLong(t *testing.T) {
	asked := 0
	o, waits := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	if _, err := read(t, o, "https://a.example/x"); err == nil || asked != 1 || len(*waits) != 0 || !strings.Contains(err.Error(), "24h") {
		t.Errorf("got %v after %d requests and waits %v", err, asked, *waits)
	}
}

func TestOriginServerError(t *testing.T) {
	asked, until := 0, 100
	o, waits := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked <= until {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		io.WriteString(w, "ok")
	})
	if _, err := read(t, o, "https://a.example/x"); err == nil || errors.Is(err, ErrNotThere) || asked != 4 || len(*waits) != 3 {
		t.Errorf("got %v after %d requests and waits %v", err, asked, *waits)
	}
	asked, until = 0, 2
	if got, err := read(t, o, "https://a.example/x"); err != nil || got != "ok" {
		t.Errorf("got %q, %v", got, err)
	}
	o.sleep = func(context.Context, time.Duration) error { return context.Canceled }
	asked, until = 0, 2
	if _, err := read(t, o, "https://a.example/x"); !errors.Is(err, context.Canceled) || asked != 1 {
		t.Errorf("cancelled while waiting: %v after %d requests", err, asked)
	}
}

func TestOriginForbidden(t *testing.T) {
	asked := 0
	o, _ := mirror(t, func(w http.ResponseWriter, r *http.Request) { asked++; w.WriteHeader(http.StatusForbidden) })
	if _, err := read(t, o, "https://a.example/x"); err == nil || errors.Is(err, ErrNotThere) || asked != 1 {
		t.Errorf("got %v after %d requests", err, asked)
	}
}

func TestOriginCut(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	asked := 0
	o, waits := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		if asked++; asked < 3 {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "0123456789")
	})
	if got, err := read(t, o, "https://a.example/x"); !errors.Is(err, errCut) {
		t.Errorf("a cut stream gave %q, %v", got, err)
	}
	asked = 0
	f, err := o.OpenAt(t.Context(), "https://a.example/x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Size() != 10 || asked != 3 || len(*waits) != 2 {
		t.Errorf("got %d bytes after %d requests and waits %v", f.Size(), asked, *waits)
	}
	asked = -100
	if _, err := o.OpenAt(t.Context(), "https://a.example/x"); !errors.Is(err, errCut) || asked != -96 {
		t.Errorf("got %v after %d requests", err, asked+100)
	}
}

func TestOriginTemporaryFiles(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	o, _ := mirror(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "0123456789") })
	f, err := o.OpenAt(t.Context(), "https://a.example/x")
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 3)
	if _, err := f.ReadAt(p, 4); err != nil || string(p) != "456" || f.Size() != 10 {
		t.Errorf("read %q of %d, %v", p, f.Size(), err)
	}
	f.Close()
	o.maxArchive = 5
	if _, err := o.OpenAt(t.Context(), "https://a.example/x"); err == nil {
		t.Error("an archive over the bound was taken")
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("%d temporary files are left", len(left))
	}
}

func TestOriginOversize(t *testing.T) {
	declared := true
	o, waits := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		if !declared {
			w.(http.Flusher).Flush() // no Content-Length
		}
		io.WriteString(w, strings.Repeat("x", 11))
	})
	o.maxBody = 10
	if _, err := read(t, o, "https://a.example/x"); err == nil || !strings.Contains(err.Error(), "allowed") {
		t.Errorf("declared: %v", err)
	}
	declared = false
	if got, err := read(t, o, "https://a.example/x"); err == nil || !strings.Contains(err.Error(), "allowed") || len(got) > 10 {
		t.Errorf("not declared: %q, %v", got, err)
	}
	o.maxBody = 11
	if got, err := read(t, o, "https://a.example/x"); err != nil || len(got) != 11 {
		t.Errorf("at the bound: %q, %v", got, err)
	}
	if len(*waits) != 0 {
		t.Error("what is too large was asked for again")
	}
}

func TestOriginStall(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	o, _ := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
	o.stall = 50 * time.Millisecond
	if got, err := read(t, o, "https://a.example/x"); err == nil || !strings.Contains(err.Error(), "no data for") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestOriginRedirect(t *testing.T) {
	var to string
	redirect := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/there") {
			io.WriteString(w, "there")
			return
		}
		http.Redirect(w, r, to, http.StatusFound)
	}
	plain := httptest.NewServer(http.HandlerFunc(redirect))
	defer plain.Close()
	other := httptest.NewServer(http.HandlerFunc(redirect))
	defer other.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(redirect))
	defer secure.Close()
	secure2 := httptest.NewTLSServer(http.HandlerFunc(redirect))
	defer secure2.Close()
	for _, c := range []struct {
		name, from, to string
		ok             bool
	}{
		{"http to the same host", plain.URL, plain.URL + "/there", true},
		{"http to another host", plain.URL, strings.Replace(other.URL, "127.0.0.1", "localhost", 1) + "/there", false},
		{"http to another port", plain.URL, other.URL + "/there", false},
		{"http to https on the same host", plain.URL, secure.URL + "/there", true},
		{"https to https elsewhere", secure.URL, secure2.URL + "/there", true},
		{"https to http", secure.URL, plain.URL + "/there", false},
		{"to a name and password", secure.URL, strings.Replace(secure2.URL, "://", "://u:p@", 1) + "/there", false},
		{"to a file", plain.URL, "file:///etc/passwd", false},
		{"in a circle", plain.URL, plain.URL + "/again", false},
	} {
		o, err := NewOrigin(c.from)
		if err != nil {
			t.Fatal(err)
		}
		waits := noSleep(o)
		o.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		to = c.to
		got, err := read(t, o, "https://a.example/x")
		if c.ok != (err == nil) || c.ok != (got == "there") {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if len(*waits) != 0 {
			t.Errorf("%s: was tried again", c.name)
		}
	}
}

func TestOriginCertificate(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	o, err := NewOrigin(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	waits := noSleep(o)
	if _, err := read(t, o, "https://a.example/x"); err == nil || errors.Is(err, ErrNotThere) || len(*waits) != 0 {
		t.Errorf("a server with an unknown certificate: %v, waits %v", err, *waits)
	}
}

func TestOriginFolder(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "mirror")
	write := func(name, data string) {
		t.Helper()
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("mirror/a.example/Red Hat/all.zip", "zip")
	write("mirror/a.example/index.html", "index")
	write("outside.example/secret", "secret")
	for link, to := range map[string]string{"out": "../../outside.example/secret", "up": "../.."} {
		if err := os.Symlink(to, filepath.Join(dir, "a.example", link)); err != nil {
			t.Fatal(err)
		}
	}
	o, err := NewOrigin(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ address, want string }{
		{"https://a.example/Red%20Hat/all.zip", "zip"},
		{"https://a.example/", "index"},
		{"https://a.example", "index"},
	} {
		if got, err := read(t, o, c.address); err != nil || got != c.want {
			t.Errorf("%s: %q, %v", c.address, got, err)
		}
	}
	if f, err := o.OpenAt(t.Context(), "https://a.example/Red%20Hat/all.zip"); err != nil || f.Size() != 3 {
		t.Errorf("OpenAt: %v", err)
	} else {
		f.Close()
		if _, err := os.Stat(filepath.Join(dir, "a.example/Red Hat/all.zip")); err != nil {
			t.Errorf("closing removed the mirror's file: %v", err)
		}
	}
	for _, address := range []string{"https://a.example/none", "https://b.example/x"} {
		if _, err := read(t, o, address); !errors.Is(err, ErrNotThere) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{
		"https://a.example/../../outside.example/secret", "https://a.example/%2e%2e/%2e%2e/outside.example/secret",
		"https://../outside.example/secret", "https://a.example/x/%2e%2e/index.html", `https://a.example/..\x`,
		"https://a.example//index.html", "https://a.example/out", "https://a.example/up/outside.example/secret",
		"http://a.example/index.html", "file:///etc/passwd", "https://a.example:80/index.html", "https://u:p@a.example/x",
		"https://a.example/x?y", "https://a.example/x?page=1", "https://a.example/?page=0", "https://a.example/?page=1&x=2",
		"https://a.example/?x=../&page=1", "https://a.example/?page=%2e", "https://a.example/x#y", "https://a.example/a%00b", "https:///etc/passwd", "",
		"https://a.example/Red%20Hat",
	} {
		if got, err := read(t, o, address); err == nil || errors.Is(err, ErrNotThere) {
			t.Errorf("%q: %q, %v", address, got, err)
		}
	}
	o.maxBody, o.maxArchive = 2, 2
	if _, err := read(t, o, "https://a.example/Red%20Hat/all.zip"); err == nil {
		t.Error("a file over the bound was opened")
	}
	if _, err := o.OpenAt(t.Context(), "https://a.example/Red%20Hat/all.zip"); err == nil {
		t.Error("an archive over the bound was opened")
	}
}

func TestNewOrigin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{file, filepath.Join(file, "none"), "ftp://a.example/", "https://u:secret@a.example/", "https://", "https://a.example/?q", "https://a b/"} {
		if _, err := NewOrigin(from); err == nil {
			t.Errorf("%q was taken", from)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", from, err)
		}
	}
	for from, want := range map[string]string{"": "the publishers", "https://a.example/m": "https://a.example/m"} {
		if o, err := NewOrigin(from); err != nil || o.String() != want {
			t.Errorf("%q: %v, %v", from, o, err)
		}
	}
	o, err := NewOrigin("")
	if err != nil {
		t.Fatal(err)
	}
	if got := o.remote("a.example", "Red Hat/all.zip").String(); got != "https://a.example/Red%20Hat/all.zip" {
		t.Errorf("got %s", got)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2025, 2, 12, 10, 0, 0, 0, time.UTC)
	for h, want := range map[string]time.Duration{
		"": 0, "soon": 0, "0": 0, "-5": 0, "30": 30 * time.Second, "99999999999999999999": 0,
		"Wed, 12 Feb 2025 10:01:00 GMT": time.Minute, "Wed, 12 Feb 2025 09:00:00 GMT": 0,
	} {
		if got := retryAfter(h, now); got != want {
			t.Errorf("%q: %v, want %v", h, got, want)
		}
	}
}
