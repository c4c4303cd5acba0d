package feed

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// One Retry-After is heard by everybody who asks that host.
func TestHostRetryAfter(t *testing.T) {
	var mu sync.Mutex
	var refused time.Time
	early, asked := 0, 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked == 1 {
			refused = time.Now()
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		if time.Since(refused) < time.Second {
			early++
		}
		io.WriteString(w, "ok")
	}))
	defer srv.Close()
	o, err := NewOrigin(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Keep(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{}) // the first feed has heard it; the others begin
	var once sync.Once
	o.sleep = func(ctx context.Context, d time.Duration) error {
		once.Do(func() { close(heard) })
		return sleep(ctx, d)
	}
	get := func(ctx context.Context, name string) error {
		b, err := o.Open(ctx, "https://a.example/"+name)
		if err == nil {
			b.Close()
		}
		return err
	}
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		wg.Go(func() {
			if name != "a" {
				<-heard
			}
			for _, file := range []string{"1", "2"} {
				if err := get(t.Context(), name+file); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if early != 0 || asked != 13 {
		t.Errorf("%d requests came within the second, of %d", early, asked)
	}
}

func TestHostRetryAfterTooLong(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer srv.Close()
	o, err := NewOrigin(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	noSleep(o)
	for range 3 {
		if _, err := read(t, o, "https://a.example/x"); err == nil || !strings.Contains(err.Error(), "24h") {
			t.Errorf("got %v", err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestHostAtOnce(t *testing.T) {
	var now, most atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		w.(http.Flusher).Flush()
		time.Sleep(10 * time.Millisecond)
		io.WriteString(w, "ok")
		now.Add(-1)
	}))
	defer srv.Close()
	o, err := NewOrigin(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Keep(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if got, err := read(t, o, "https://a.example/"+string(rune('a'+i))); err != nil || got != "ok" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if n := most.Load(); n != maxAtOnce {
		t.Errorf("%d requests at once", n)
	}
}

// A server that fails with every file is left alone after a few.
func TestHostFails(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer srv.Close()
	o, err := NewOrigin(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	noSleep(o)
	for range 10 {
		if _, err := read(t, o, "https://a.example/x"); err == nil || !strings.Contains(err.Error(), "502") {
			t.Errorf("got %v", err)
		}
	}
	if n := int(asked.Load()); n != maxFailing*o.tries {
		t.Errorf("asked %d times", n)
	}
}

// refusing is a network on which nobody listens.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
}
