package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// errPlain is the refusal to speak unencrypted HTTP to another machine.
var errPlain = errors.New("plain HTTP is used only when asked for")

// line is the RoundTripper under everything that this room sends, token requests and
// redirects included: it refuses unwanted plain HTTP, gives up on silence, and tries
// again what may succeed a moment later.
type line struct {
	inner    http.RoundTripper
	insecure bool
	agent    string
	stall    time.Duration
	tries    int
	backoff  time.Duration
	maxWait  time.Duration
}

// NewTransport gives the room's way over the network, for content that lies beside
// registries: plain HTTP to this machine alone unless o allows it, limits on silence,
// and another try where one may help. It carries no credentials.
func NewTransport(o Options) (http.RoundTripper, error) { return newLine(o) }

// newTransport is the real network.
func newTransport(o Options) (http.RoundTripper, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.Insecure}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading CA file: %v", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA file %s holds no PEM certificate", o.CAFile)
		}
		conf.RootCAs = pool
	}
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       conf,
		TLSHandshakeTimeout:   20 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		// A blob must arrive as it is stored, so that its digest can hold.
		DisableCompression: true,
		// A header is not a place to put megabytes.
		MaxResponseHeaderBytes: 256 << 10,
	}, nil
}

// RoundTrip sends req, and again while the answer says that this may help: 429 and
// 503 after the time in Retry-After, other server faults and broken connections
// after a growing pause. When tries or waiting time run out the last answer is given.
func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" && !l.insecure && !isLoopback(req.URL.Hostname()) {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, fmt.Errorf("%s: %w", req.URL.Host, errPlain)
	}
	budget := l.maxWait
	for try := 1; ; try++ {
		resp, err := l.once(req)
		pause := l.pause(resp, err, try)
		if pause < 0 || pause > budget || try >= l.tries || req.Context().Err() != nil {
			return resp, err
		}
		var body io.ReadCloser
		if req.Body != nil && req.Body != http.NoBody {
			var berr error
			if req.GetBody == nil {
				return resp, err
			}
			if body, berr = req.GetBody(); berr != nil {
				return resp, err
			}
		}
		if resp != nil {
			drain(resp.Body)
		}
		budget -= pause
		if err := sleep(req.Context(), pause); err != nil {
			if body != nil {
				body.Close()
			}
			return nil, err
		}
		if body != nil {
			req = req.Clone(req.Context())
			req.Body = body
		}
	}
}

// pause says how long to wait before trying again, or that trying again is no use (-1).
func (l *line) pause(resp *http.Response, err error, try int) time.Duration {
	if err != nil {
		stalled := errors.Is(err, os.ErrDeadlineExceeded)
		if stalled && try > 1 || !stalled && !brokenConnection(err) {
			return -1
		}
		return l.grow(try)
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if d, ok := retryAfter(resp.Header, time.Now()); ok {
			return max(d, l.backoff)
		}
		return l.grow(try)
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return l.grow(try)
	}
	return -1
}

// grow doubles the pause with each try up to 32 times, spread by a quarter either way
// so that many clients do not come back in step.
func (l *line) grow(try int) time.Duration {
	d := l.backoff << min(try-1, 5)
	if d <= 0 {
		return 0
	}
	return d*3/4 + rand.N(d/2+1)
}

// once sends req a single time, with a limit on silence that also covers the body.
func (l *line) once(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	w := &watched{limit: l.stall, cancel: cancel}
	w.timer = time.AfterFunc(l.stall, func() {
		w.stalled.Store(true)
		cancel()
	})
	out := req.Clone(ctx)
	out.Header.Set("User-Agent", l.agent)
	resp, err := l.inner.RoundTrip(out)
	w.timer.Stop()
	if err != nil {
		cancel()
		return nil, w.explain(err)
	}
	w.body = resp.Body
	resp.Body = w
	// The caller's request, not the clone: http.Client compares and reports it.
	resp.Request = req
	return resp, nil
}

// watched is a response body whose Read fails when no byte comes for too long. The
// time that the reader of the body takes between two reads does not count.
type watched struct {
	body    io.ReadCloser
	limit   time.Duration
	timer   *time.Timer
	stalled atomic.Bool
	cancel  context.CancelFunc
}

func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(w.limit)
	n, err := w.body.Read(p)
	w.timer.Stop()
	if err != nil && err != io.EOF {
		err = w.explain(err)
	}
	return n, err
}

func (w *watched) explain(err error) error {
	if w.stalled.Load() {
		return fmt.Errorf("no answer for %s: %w", w.limit, os.ErrDeadlineExceeded)
	}
	return err
}

func (w *watched) Close() error {
	w.timer.Stop()
	err := w.body.Close()
	w.cancel()
	return err
}

// brokenConnection tells a connection that was cut, where another may hold, from
// one that cannot be made.
func brokenConnection(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED)
}

// retryAfter reads the header of that name: seconds or a date (RFC 9110, 10.2.3).
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(s) * time.Second, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0), true
	}
	return 0, false
}

// followRedirect bounds the redirects of one request. The page that led to a signed
// URL is not told to the next host.
func followRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	if req.URL.Scheme != "https" && req.URL.Scheme != "http" {
		return fmt.Errorf("redirect to scheme %q is not followed", (&url.URL{Scheme: req.URL.Scheme}).Scheme)
	}
	req.Header.Del("Referer")
	return nil
}

// drain lets the connection be used again if little is left in the body.
func drain(body io.ReadCloser) {
	io.CopyN(io.Discard, body, 64<<10)
	body.Close()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// isLoopback reports whether host, without port, is this machine.
func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
