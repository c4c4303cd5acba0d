package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// proxy stands before the registry at base and lets act decide about each request.
func proxy(t *testing.T, base string, act func(w http.ResponseWriter, r *http.Request, next http.Handler)) *httptest.Server {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	next := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }, ErrorLog: quiet()}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { act(w, r, next) }))
	s.Config.ErrorLog = quiet()
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// after passes n bytes of an answer on and then acts in place of the rest.
type after struct {
	http.ResponseWriter
	n   int
	act func()
}

func (a *after) Write(p []byte) (int, error) {
	if len(p) < a.n {
		a.n -= len(p)
		return a.ResponseWriter.Write(p)
	}
	a.ResponseWriter.Write(p[:a.n])
	http.NewResponseController(a.ResponseWriter).Flush()
	a.act()
	panic(http.ErrAbortHandler)
}

// flip changes the byte at n.
type flip struct {
	http.ResponseWriter
	n int
}

func (f *flip) Write(p []byte) (int, error) {
	if f.n >= 0 && f.n < len(p) {
		p = append([]byte{}, p...)
		p[f.n] ^= 1
	}
	f.n -= len(p)
	return f.ResponseWriter.Write(p)
}

// shorten passes n bytes on under a length that says that this is all.
type shorten struct {
	http.ResponseWriter
	n int
}

func (s *shorten) WriteHeader(code int) {
	s.Header().Set("Content-Length", strconv.Itoa(s.n))
	s.ResponseWriter.WriteHeader(code)
}

func (s *shorten) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p[:min(s.n, len(p))])
	s.n -= n
	return len(p), err
}

// TestFaults reads a layer of 3 MB through a proxy that misbehaves, from the real
// registry: the layer arrives whole, or an error says why not.
func TestFaults(t *testing.T) {
	srv := imagetest.Registry(t, imagetest.RegistryOptions{})
	b := sample(t, image.HostPlatform())
	srv.Push(t, "web", "1", b)
	big := b.Layers[1]
	none := func() {}
	type act = func(n int, w http.ResponseWriter, r *http.Request, next http.Handler)
	for _, test := range []struct {
		name string
		// act sees the n-th request for the large layer, from 1.
		act     act
		want    error // nil: all is well
		say     string
		maxAsks int
	}{
		{name: "cut twice, taken up", act: func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n > 1 && r.Header.Get("Range") == "" {
				t.Errorf("request %d has no Range", n)
			}
			if n < 3 {
				w = &after{w, 900_000, none}
			}
			next.ServeHTTP(w, r)
		}, maxAsks: 3},
		{name: "cut every 1.2 MB, no ranges", act: func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del("Range")
			if n < 3 {
				w = &after{w, n * 1_200_000, none}
			}
			next.ServeHTTP(w, r)
		}, maxAsks: 3},
		{name: "range answered from elsewhere", act: func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			switch r.Header.Get("Range") {
			case "":
				if n == 1 {
					w = &after{w, 1_000_000, none}
				}
			default:
				r.Header.Set("Range", "bytes=10-")
			}
			next.ServeHTTP(w, r)
		}, maxAsks: 3},
		{name: "cut at the same byte for ever", act: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Header.Get("Range") != "" {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(&after{w, 500_000, none}, r)
		}, want: ErrTemporary, say: "at byte 500000 of", maxAsks: 40},
		{name: "one byte at a time", act: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&after{w, 1, none}, r)
		}, want: io.ErrUnexpectedEOF, maxAsks: 6},
		{name: "shorter than announced", act: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del("Range")
			next.ServeHTTP(&shorten{w, 1_000_000}, r)
		}, want: io.ErrUnexpectedEOF, maxAsks: 6},
		{name: "corrupt", act: func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&flip{w, 1_500_000}, r)
		}, want: image.ErrDigestMismatch, maxAsks: 1},
		{name: "corrupt where taken up", act: func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n == 1 {
				w = &after{w, 1_000_000, none}
			} else {
				w = &flip{w, 10}
			}
			next.ServeHTTP(w, r)
		}, want: image.ErrDigestMismatch, maxAsks: 2},
		{name: "longer than announced", act: func(_ int, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Write(big)
			w.Write(big)
		}, want: image.ErrDigestMismatch, maxAsks: 1},
		{name: "429 with Retry-After, then well", act: func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n < 3 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			next.ServeHTTP(w, r)
		}, maxAsks: 3},
		{name: "503 with a date, then well", act: func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n == 1 {
				w.Header().Set("Retry-After", time.Now().UTC().Format(http.TimeFormat))
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		}, maxAsks: 2},
		{name: "429 for an hour", act: func(_ int, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
			io.WriteString(w, `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`)
		}, want: ErrTemporary, say: "slow down: its rate limit is reached; it asks to wait, Retry-After: 3600", maxAsks: 1},
		{name: "500 twice, then well", act: func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n < 3 {
				http.Error(w, "oh", http.StatusInternalServerError)
				return
			}
			next.ServeHTTP(w, r)
		}, maxAsks: 3},
		{name: "502 for ever", act: func(_ int, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Error(w, "oh", http.StatusBadGateway)
		}, want: ErrTemporary, say: "502", maxAsks: 5},
		{name: "400", act: func(_ int, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Error(w, "no", http.StatusBadRequest)
		}, say: "400", want: errAny, maxAsks: 1},
		{name: "gone in the middle", act: func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n > 1 {
				http.NotFound(w, r)
				return
			}
			next.ServeHTTP(&after{w, 1_000_000, none}, r)
		}, want: image.ErrNotFound, maxAsks: 2},
		{name: "dropped before the answer, then well", act: func(n int, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n < 3 {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		}, maxAsks: 6},
		{name: "web page", act: func(_ int, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>sign in</html>")
		}, want: image.ErrCorrupt, say: "web page", maxAsks: 1},
		{name: "redirects for ever", act: func(_ int, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		}, want: errAny, say: "stopped after 10 redirects", maxAsks: 11},
	} {
		t.Run(test.name, func(t *testing.T) {
			var asks atomic.Int32
			p := proxy(t, "http://"+srv.Addr, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if !strings.HasSuffix(r.URL.Path, string(image.Sum(big))) {
					next.ServeHTTP(w, r)
					return
				}
				test.act(int(asks.Add(1)), w, r, next)
			})
			set, err := client(t, quick(t)).Images(t.Context(), ref(t, addr(p)+"/web:1"), image.Select{})
			img := one(t, set, err)
			got, err := readLayer(t.Context(), img.Layers[1])
			switch {
			case test.want == nil && err != nil:
				t.Fatal(err)
			case test.want == nil && string(got) != string(big):
				t.Errorf("%d bytes, which are not those pushed", len(got))
			case test.want == errAny && err == nil, test.want != nil && test.want != errAny && !errors.Is(err, test.want):
				t.Errorf("error %v, want one wrapping %v", err, test.want)
			case err != nil && !strings.Contains(err.Error(), test.say):
				t.Errorf("error %q does not say %q", err, test.say)
			}
			if int(asks.Load()) > test.maxAsks {
				t.Errorf("asked %d times, at most %d wanted", asks.Load(), test.maxAsks)
			}
		})
	}
}

// A transfer that makes progress may break more often than Tries.
func TestProgressCounts(t *testing.T) {
	srv := memory(t)
	b := sample(t, image.HostPlatform())
	imagetest.PushTo(t, srv.URL, "web", "1", b)
	p := proxy(t, srv.URL, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !strings.HasSuffix(r.URL.Path, string(image.Sum(b.Layers[1]))) {
			next.ServeHTTP(w, r)
			return
		}
		// The registry in this process does not know ranges without an end.
		http.ServeContent(&after{w, freshBytes + 1000, func() {}}, r, "", time.Time{}, bytes.NewReader(b.Layers[1]))
	})
	o := quick(t)
	o.Tries = 2
	set, err := client(t, o).Images(t.Context(), ref(t, addr(p)+"/web:1"), image.Select{})
	got, err := readLayer(t.Context(), one(t, set, err).Layers[1])
	if err != nil || string(got) != string(b.Layers[1]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// errAny stands for any error.
var errAny = errors.New("any error")

// Silence, before the answer or in the middle of it, ends in a timeout.
func TestStall(t *testing.T) {
	srv := memory(t)
	b := sample(t, image.HostPlatform())
	imagetest.PushTo(t, srv.URL, "web", "1", b)
	for _, where := range []string{"before the answer", "in the middle", "once in the middle"} {
		t.Run(where, func(t *testing.T) {
			var once sync.Once
			p := proxy(t, srv.URL, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				hang := func() { <-r.Context().Done() }
				switch {
				case !strings.HasSuffix(r.URL.Path, string(image.Sum(b.Layers[1]))):
				case where == "before the answer":
					hang()
				case where == "in the middle":
					w = &after{w, 100_000, hang}
				default:
					once.Do(func() { w = &after{w, 100_000, hang} })
				}
				next.ServeHTTP(w, r)
			})
			o := quick(t)
			o.Stall, o.Tries = time.Second, 2
			set, err := client(t, o).Images(t.Context(), ref(t, addr(p)+"/web:1"), image.Select{})
			img := one(t, set, err)
			_, err = readLayer(t.Context(), img.Layers[1])
			if where == "once in the middle" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, ErrTemporary) {
				t.Errorf("error %v, want a timeout", err)
			}
		})
	}
}

// A reader that takes its time is no silence of the registry.
func TestSlowReaderIsNoStall(t *testing.T) {
	srv := memory(t)
	b := sample(t, image.HostPlatform())
	imagetest.PushTo(t, srv.URL, "web", "1", b)
	o := quick(t)
	o.Stall, o.Tries = time.Second, 1
	set, err := client(t, o).Images(t.Context(), ref(t, addr(srv)+"/web:1"), image.Select{})
	rc, err := one(t, set, err).Layers[1].Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if _, err := io.CopyN(io.Discard, rc, 1000); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	if _, err := io.Copy(io.Discard, rc); err != nil {
		t.Error(err)
	}
}

// The context ends waiting and reading at once, and says so.
func TestCancel(t *testing.T) {
	srv := memory(t)
	b := sample(t, image.HostPlatform())
	imagetest.PushTo(t, srv.URL, "web", "1", b)
	var limited atomic.Bool
	p := proxy(t, srv.URL, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if limited.Load() {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
	o := quick(t)
	o.MaxWait = time.Hour
	c := client(t, o)
	set, err := c.Images(t.Context(), ref(t, addr(p)+"/web:1"), image.Select{})
	img := one(t, set, err)

	ctx, cancel := context.WithCancel(t.Context())
	rc, err := img.Layers[1].Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, rc); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled in the middle: %v", err)
	}
	rc.Close()
	if _, err := rc.Read(make([]byte, 1)); err == nil {
		t.Error("a closed layer can be read")
	}

	limited.Store(true)
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Images(ctx, ref(t, addr(p)+"/web:1"), image.Select{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deadline while told to wait: %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"7": 7 * time.Second, " 0 ": 0, "Wed, 01 May 2024 12:01:00 GMT": time.Minute, "Wed, 01 May 2024 11:00:00 GMT": 0,
		"": -1, "-5": -1, "soon": -1, "99999999999999999999": -1,
	} {
		got, ok := retryAfter(http.Header{"Retry-After": {v}}, now)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("Retry-After %q: %v, want %v", v, got, want)
		}
	}
}
