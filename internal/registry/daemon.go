package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/image"
)

// Daemon asks a container engine for an image that it holds, and gives the archive
// that it streams: a docker-archive, or an OCI layout in a tar from newer Docker. kind
// is "docker" or "podman"; ref is a name or ID as the engine knows it. Nothing is
// pulled. The caller closes the archive; ctx bounds the reading of it too, for an
// engine may pack an image for minutes before the first byte comes.
//
// The engine is found as its own command line finds it: DOCKER_HOST with
// DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or CONTAINER_HOST; else the usual sockets.
//
// Errors wrap image.ErrNotFound if the engine has no such image, image.ErrAuth if its
// socket may not be opened, image.ErrUnsupported for an address of another sort.
// (Docker Engine API 1.24 and later; Podman's own API from 2.0.)
func Daemon(ctx context.Context, kind, ref string) (io.ReadCloser, error) {
	if why := badName(ref); why != "" {
		return nil, fmt.Errorf("image %q: %s", clean(ref, 200), why)
	}
	e, err := findEngine(kind)
	if err != nil {
		return nil, err
	}
	if err := e.ping(ctx); err != nil {
		return nil, err
	}
	doing := fmt.Sprintf("asking the %s daemon at %s for image %s", kind, e.addr, clean(ref, 300))
	// Some engines answer 500 to the request for the archive of an image that they do
	// not have; the question after its description is answered 404 by all of them.
	about, err := e.get(ctx, e.imagePath(ref)+"/json", "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	drain(about.Body)
	var resp *http.Response
	if e.libpod {
		resp, err = e.get(ctx, e.imagePath(ref)+"/get", "format=docker-archive")
	} else {
		resp, err = e.get(ctx, e.prefix+"/images/get", url.Values{"names": {ref}}.Encode())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return resp.Body, nil
}

// engine is a daemon that can be spoken to.
type engine struct {
	kind   string
	addr   string // for messages
	base   url.URL
	prefix string // API version, as part of the path
	libpod bool   // speaks Podman's own API, in which short names mean local images
	http   *http.Client
}

func badName(ref string) string {
	switch {
	case ref == "":
		return "the name is empty"
	case len(ref) > 1024:
		return "the name is longer than 1024 characters"
	case strings.ContainsFunc(ref, func(c rune) bool { return c <= ' ' || c == 0x7f || strings.ContainsRune(`?#%\`, c) }):
		return "the name has a character that no image name has"
	}
	for _, part := range strings.Split(ref, "/") {
		if part == "" || part == "." || part == ".." {
			return "the name has an empty component, '.' or '..'"
		}
	}
	return ""
}

// findEngine decides by the environment where to connect to.
func findEngine(kind string) (*engine, error) {
	var env string
	var sockets []string
	run := os.Getenv("XDG_RUNTIME_DIR")
	home, _ := os.UserHomeDir()
	switch kind {
	case "docker":
		env = "DOCKER_HOST"
		sockets = []string{"/var/run/docker.sock"}
		if run != "" {
			sockets = append(sockets, filepath.Join(run, "docker.sock"))
		}
		if home != "" {
			sockets = append(sockets, filepath.Join(home, ".docker", "run", "docker.sock"))
		}
	case "podman":
		env = "CONTAINER_HOST"
		if run != "" {
			sockets = []string{filepath.Join(run, "podman", "podman.sock")}
		}
		sockets = append(sockets, "/run/podman/podman.sock")
	default:
		return nil, fmt.Errorf("container engine %q: want docker or podman", kind)
	}
	if host := os.Getenv(env); host != "" {
		e, err := engineAt(kind, host)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", env, err)
		}
		return e, nil
	}
	for _, s := range sockets {
		if _, err := os.Stat(s); err == nil {
			return engineAt(kind, "unix://"+s)
		}
	}
	return nil, fmt.Errorf("no %s daemon was found: there is no socket at %s; start it (%s) or set %s",
		kind, strings.Join(sockets, " or "), startHint(kind), env)
}

func startHint(kind string) string {
	if kind == "podman" {
		return "`systemctl --user start podman.socket` or `podman system service`"
	}
	return "`systemctl start docker`"
}

// engineAt makes a client for an address in the form of DOCKER_HOST.
func engineAt(kind, host string) (*engine, error) {
	scheme, rest, ok := strings.Cut(host, "://")
	if !ok || rest == "" {
		return nil, fmt.Errorf("%q: want unix:///path or tcp://host:port", redact(host))
	}
	// One connection for each of the three requests, and none is left open.
	tr := &http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 256 << 10, TLSHandshakeTimeout: 20 * time.Second}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	e := &engine{kind: kind, addr: redact(host), http: &http.Client{
		Transport: tr,
		// An engine does not redirect; what does is something else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	switch scheme {
	case "unix":
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", rest)
		}
		e.base = url.URL{Scheme: "http", Host: "localhost"}
	case "tcp", "http", "https":
		u, err := url.Parse("http://" + rest)
		if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return nil, fmt.Errorf("%q: want tcp://host:port", redact(host))
		}
		e.base = url.URL{Scheme: "http", Host: u.Host}
		tr.DialContext = dialer.DialContext
		tr.Proxy = http.ProxyFromEnvironment
		verify, certs := os.Getenv("DOCKER_TLS_VERIFY") != "", os.Getenv("DOCKER_CERT_PATH")
		if verify && certs == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return nil, fmt.Errorf("DOCKER_TLS_VERIFY is set but DOCKER_CERT_PATH is not: %v", err)
			}
			certs = filepath.Join(home, ".docker")
		}
		if certs != "" {
			if tr.TLSClientConfig, err = engineTLS(certs, verify); err != nil {
				return nil, err
			}
		}
		if certs != "" || scheme == "https" {
			e.base.Scheme = "https"
		}
	default:
		return nil, fmt.Errorf("%q: only unix:// and tcp:// addresses are spoken to; save the image to a file and scan docker-archive:FILE instead: %w",
			redact(host), image.ErrUnsupported)
	}
	return e, nil
}

// engineTLS reads ca.pem, cert.pem and key.pem as the Docker client does: without
// verify the server is not checked.
func engineTLS(dir string, verify bool) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !verify}
	if verify {
		pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
		if err != nil {
			return nil, fmt.Errorf("reading the CA of the Docker daemon: %v", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no PEM certificate", filepath.Join(dir, "ca.pem"))
		}
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, fmt.Errorf("reading the client certificate for the Docker daemon: %v", err)
	}
	conf.Certificates = []tls.Certificate{cert}
	return conf, nil
}

// ping finds out whether anything answers, and which version of which API it speaks:
// an engine always serves the version that it announces.
func (e *engine) ping(ctx context.Context) error {
	resp, err := e.get(ctx, "/_ping", "")
	if err != nil {
		doing := fmt.Sprintf("connecting to the %s daemon at %s", e.kind, e.addr)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", doing, ctx.Err())
		case errors.Is(err, fs.ErrPermission):
			return fmt.Errorf("%s: %w: permission denied; use an account that may open the socket (for Docker a member of group docker)",
				doing, image.ErrAuth)
		}
		return fmt.Errorf("%s: %w; is it running? Start it with %s", doing, err, startHint(e.kind))
	}
	drain(resp.Body)
	if v := resp.Header.Get("Libpod-Api-Version"); e.kind == "podman" && isVersion(v) {
		e.libpod, e.prefix = true, "/v"+v+"/libpod"
		return nil
	}
	if v := resp.Header.Get("Api-Version"); isVersion(v) {
		e.prefix = "/v" + v
	}
	return nil
}

func isVersion(v string) bool {
	return v != "" && len(v) < 20 && strings.Trim(v, "0123456789.") == ""
}

func (e *engine) imagePath(ref string) string { return e.prefix + "/images/" + ref }

// get makes a GET request and gives an answer with status 200, or an error.
func (e *engine) get(ctx context.Context, path, query string) (*http.Response, error) {
	u := e.base
	u.Path, u.RawQuery = path, query
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "plimsoll")
	resp, err := e.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the rest is an address that was never written by anybody
		}
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var said struct {
		Message string `json:"message"`
	}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	msg := fmt.Sprintf("it answered %d", resp.StatusCode)
	if json.Unmarshal(b, &said) == nil && said.Message != "" {
		msg += ": " + clean(said.Message, 300)
	}
	switch resp.StatusCode {
	case http.StatusNotFound:
		return nil, fmt.Errorf("%s: %w", msg, image.ErrNotFound)
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("%s: %w", msg, image.ErrAuth)
	}
	return nil, errors.New(msg)
}
