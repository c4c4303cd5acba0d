package feed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds on one request.
const (
	maxRedirects  = 5
	maxRetryAfter = 2 * time.Minute
)

// errCut is wrapped by the errors of a body that ended before its time.
var errCut = errors.New("the body was cut short")

// newClient gives a client that carries no credentials, obeys the proxy variables of
// the environment and gives up on servers that do not answer.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
			TLSHandshakeTimeout:    15 * time.Second,
			ResponseHeaderTimeout:  time.Minute,
			IdleConnTimeout:        time.Minute,
			MaxIdleConnsPerHost:    4,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: checkRedirect,
	}
}

// checkRedirect follows from https to https, and otherwise only on the same host and
// never from https to http.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	from, to := via[len(via)-1].URL, req.URL
	req.Header.Del("Referer")
	switch {
	case to.User != nil:
	case from.Scheme == "https" && to.Scheme == "https":
		return nil
	case from.Scheme == "http" && to.Scheme == "http" && strings.EqualFold(from.Host, to.Host):
		return nil
	case from.Scheme == "http" && to.Scheme == "https" && strings.EqualFold(from.Hostname(), to.Hostname()):
		return nil
	}
	return fmt.Errorf("refusing to be redirected to %s://%s", to.Scheme, to.Host)
}

// ask is one request for a file.
type ask struct {
	at *url.URL
	// encoded allows the server to compress on the way.
	encoded bool
	// when holds conditions and a range; then 206, 304 and 416 are answers too.
	when http.Header
	// limit bounds the body.
	limit int64
	// whole counts the request as under way until its body is closed, not only until
	// it begins. The caller may then not ask for another file before that.
	whole bool
}

// answer is what a server said to an ask: 200 or 206 with a body, 304 or 416 without.
type answer struct {
	status int
	header http.Header
	body   io.ReadCloser
	// unpacked is set if the body was compressed on the way.
	unpacked bool
}

// modified is when the file last changed, by the server's word.
func (a *answer) modified() time.Time {
	t, err := http.ParseTime(a.header.Get("Last-Modified"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// get asks until the server answers or the tries are used up, waiting as long as the
// server asks, in turn with others who ask the same host.
func (o *Origin) get(ctx context.Context, q ask) (*answer, error) {
	h := o.hosts.named(q.at.Host)
	var waited time.Time
	for try := 1; ; try++ {
		if err := h.enter(ctx, o.sleep, waited); err != nil {
			return nil, fmt.Errorf("asking for %s: %w", q.at, err)
		}
		a, wait, err := o.once(ctx, q, h.leave)
		if err == nil || wait < 0 {
			h.answers()
			return a, err
		}
		if wait > 0 {
			waited = h.pause(wait)
		}
		if try >= o.tries {
			h.fails(err)
			return nil, err
		}
		if wait == 0 {
			wait = backoff(try)
		}
		if wait > maxRetryAfter {
			return nil, fmt.Errorf("%v; it asks to come back in %v", err, wait)
		}
		if serr := o.sleep(ctx, wait); serr != nil {
			return nil, fmt.Errorf("%v; gave up waiting: %w", err, serr)
		}
	}
}

// once asks once. wait is how long to wait before the next try, 0 for as long as is
// usual, negative if another try is of no use. It calls leave when the request is
// done with.
func (o *Origin) once(ctx context.Context, q ask, leave func()) (_ *answer, wait time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			cancel(err)
		}
		if err != nil || !q.whole {
			leave()
		}
	}()
	u := q.at
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, -1, fmt.Errorf("asking for %s: %v", u, err)
	}
	for name, values := range q.when {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", "plimsoll")
	if !q.encoded {
		req.Header.Set("Accept-Encoding", "identity")
	}
	res, err := o.client.Do(req)
	if err != nil {
		var refused *url.Error
		if ctx.Err() != nil {
			return nil, -1, fmt.Errorf("asking for %s: %w", u, ctx.Err())
		}
		if errors.As(err, &refused) {
			err = refused.Err
		}
		var name *net.DNSError
		var cert *tls.CertificateVerificationError
		if res != nil || errors.As(err, &name) && name.IsNotFound || errors.As(err, &cert) {
			wait = -1 // a redirect that is not followed, or what does not mend itself in seconds
		}
		return nil, wait, fmt.Errorf("asking for %s: %v", u, err)
	}
	a := &answer{status: res.StatusCode, header: res.Header, unpacked: res.Uncompressed}
	body := a.status == http.StatusOK || a.status == http.StatusPartialContent && q.when != nil
	if body && res.ContentLength <= q.limit {
		w := newWatched(ctx, cancel, res.Body, o.stall, q.limit, u.String())
		if q.whole {
			w.leave = leave
		}
		a.body = w
		return a, 0, nil
	}
	io.CopyN(io.Discard, res.Body, 4<<10) // lets the connection be used again
	res.Body.Close()
	if body {
		return nil, -1, fmt.Errorf("asking for %s: %d bytes are more than the %d allowed", u, res.ContentLength, q.limit)
	}
	switch a.status {
	case http.StatusNotModified, http.StatusRequestedRangeNotSatisfiable:
		if q.when != nil {
			cancel(nil)
			if q.whole {
				leave()
			}
			return a, 0, nil
		}
	case http.StatusNotFound, http.StatusGone:
		return nil, -1, fmt.Errorf("asking for %s: %w", u, ErrNotThere)
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return nil, retryAfter(res.Header.Get("Retry-After"), time.Now()), fmt.Errorf("asking for %s: the server answers %s", u, res.Status)
	}
	return nil, -1, fmt.Errorf("asking for %s: the server answers %s", u, res.Status)
}

// retryAfter reads the header of that name (RFC 9110 §10.2.3); 0 if it says nothing.
func retryAfter(h string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(h, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(h); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}

// backoff is the usual wait after a failed try: 1, 2, 4 … seconds.
func backoff(try int) time.Duration { return time.Second << min(try-1, 6) }

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

// watched is a response body that ends in an error if it stalls, is cut short or
// grows beyond its bound. It has one reader.
type watched struct {
	body   io.ReadCloser
	ctx    context.Context // of the request, for the reason it ended
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
	left   int64
	limit  int64
	name   string
	leave  func() // called once when it is closed, if set
}

func newWatched(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser, stall time.Duration, limit int64, name string) *watched {
	return &watched{
		body: body, ctx: ctx, cancel: cancel, stall: stall, left: limit, limit: limit, name: name,
		timer: time.AfterFunc(stall, func() { cancel(fmt.Errorf("no data for %v", stall)) }),
	}
}

func (w *watched) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > w.left+1 {
		p = p[:w.left+1]
	}
	// The clock runs only while the server is waited for: a slow reader is no fault of it.
	w.timer.Reset(w.stall)
	n, err := w.body.Read(p)
	w.timer.Stop()
	if w.left -= int64(n); w.left < 0 {
		return 0, fmt.Errorf("reading %s: more than the %d bytes allowed", w.name, w.limit)
	}
	if err != nil && err != io.EOF {
		if why := context.Cause(w.ctx); why != nil {
			err = why
		}
		err = fmt.Errorf("reading %s: %w: %v", w.name, errCut, err)
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	err := w.body.Close()
	w.cancel(nil)
	if w.leave != nil {
		w.leave()
		w.leave = nil
	}
	return err
}
