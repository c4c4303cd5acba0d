package registry

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/plimsoll/plimsoll/internal/image"
)

// ErrTemporary is wrapped by errors after which the same request may well succeed
// later: a rate limit, a fault of the server, a connection that broke or fell silent.
// Silence also wraps [os.ErrDeadlineExceeded].
var ErrTemporary = errors.New("temporary failure")

// failure is an error whose text was made here. What caused it is not reachable
// through it, since the errors of HTTP clients carry URLs and headers; only the
// sentinels in is are.
type failure struct {
	msg string
	is  []error
}

func (f *failure) Error() string   { return f.msg }
func (f *failure) Unwrap() []error { return f.is }

// status is an answer other than success.
type status struct {
	code  int
	says  string // what the registry said in its error body
	after string // Retry-After
}

func (s *status) Error() string {
	msg := fmt.Sprintf("the registry answered %d", s.code)
	if text := http.StatusText(s.code); text != "" {
		msg += " " + text
	}
	if s.says != "" {
		msg += ": " + s.says
	}
	return msg
}

// readStatus makes an error of an answer and closes its body. The shape of the body
// is that of the distribution specification, "Error Codes".
func readStatus(resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	resp.Body.Close()
	s := &status{code: resp.StatusCode, after: resp.Header.Get("Retry-After")}
	var doc transport.Error
	if json.Unmarshal(b, &doc) == nil {
		s.says = sayings(doc.Errors)
	}
	return s
}

func sayings(ds []transport.Diagnostic) string {
	var parts []string
	for i, d := range ds {
		if i == 3 {
			break
		}
		p := string(d.Code)
		if d.Message != "" {
			p += " " + d.Message
		}
		parts = append(parts, clean(p, 200))
	}
	return strings.Join(parts, "; ")
}

// fail turns err into the error that leaves the room. doing says what was being done
// to what: "reading manifest 1.25 of ghcr.io/a/b".
func (r *repo) fail(doing string, err error) error {
	var done *failure
	if errors.As(err, &done) {
		return err
	}
	if isOurs(err) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	f := &failure{}
	st := statusOf(err)
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		// On this machine plain HTTP was tried as well, and got an answer that says less.
		st = nil
	}
	var op *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		f.is = []error{context.Canceled}
		f.msg = "cancelled"
	case errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &op):
		f.is = []error{context.DeadlineExceeded}
		f.msg = "the time allowed ran out"
	case st != nil:
		f.msg, f.is = r.explainStatus(st)
	default:
		f.msg, f.is = r.explainNetwork(err)
	}
	f.msg = r.scrub(doing+": "+f.msg, err)
	return f
}

// isOurs reports whether err came from the image room, which puts no secret in it.
func isOurs(err error) bool {
	for _, s := range []error{image.ErrNotFound, image.ErrAuth, image.ErrNotImage, image.ErrPlatform,
		image.ErrUnsupported, image.ErrCorrupt, image.ErrDigestMismatch} {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

// statusOf finds an answer in err, ours or that of the handshake.
func statusOf(err error) *status {
	var s *status
	if errors.As(err, &s) {
		return s
	}
	var te *transport.Error
	if errors.As(err, &te) {
		return &status{code: te.StatusCode, says: sayings(te.Errors)}
	}
	return nil
}

func (r *repo) explainStatus(s *status) (string, []error) {
	switch {
	case s.code == http.StatusUnauthorized || s.code == http.StatusForbidden:
		return s.Error() + ": " + r.loginAdvice(), []error{image.ErrAuth}
	case s.code == http.StatusNotFound:
		return s.Error() + ": " + image.ErrNotFound.Error(), []error{image.ErrNotFound}
	case s.code == http.StatusTooManyRequests:
		msg := s.Error() + ": its rate limit is reached"
		if s.after != "" {
			msg += "; it asks to wait, Retry-After: " + clean(s.after, 40)
		}
		if !r.cred.known() {
			msg += "; `docker login " + r.host + "` may raise the limit"
		}
		return msg, []error{ErrTemporary}
	case s.code >= 500 || s.code == http.StatusRequestTimeout:
		return s.Error(), []error{ErrTemporary}
	}
	return s.Error(), nil
}

// loginAdvice says what to do about 401 and 403.
func (r *repo) loginAdvice() string {
	var msg string
	if r.cred.known() {
		msg = fmt.Sprintf("%s, using %s; log in again with `docker login %s`, or use an account that may pull %s",
			image.ErrAuth, r.cred.source, r.host, r.name)
	} else {
		msg = fmt.Sprintf("%s, no credentials for %s were found; run `docker login %s` if the repository is private",
			image.ErrAuth, r.host, r.host)
	}
	if r.cred.note != "" {
		msg += " (" + r.cred.note + ")"
	}
	return msg + "; some registries answer so for a repository that does not exist, so check its name too"
}

func (r *repo) explainNetwork(err error) (string, []error) {
	msg := plainText(err)
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &op) && op.Timeout():
		return msg, []error{ErrTemporary, os.ErrDeadlineExceeded}
	case strings.Contains(msg, "x509:"):
		return msg + "; if " + r.host + " is to be trusted, name the file with its CA certificate", nil
	case strings.Contains(msg, "server gave HTTP response to HTTPS client"), errors.Is(err, errPlain):
		return msg + "; unencrypted HTTP must be asked for as insecure, except on this machine", nil
	case errors.Is(err, errHTML):
		return msg, []error{image.ErrCorrupt}
	case errors.As(err, &dns) && dns.IsNotFound:
		return msg + "; check the name of the registry", nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended too early", []error{ErrTemporary, io.ErrUnexpectedEOF}
	case errors.Is(err, io.EOF):
		return "the connection was closed without an answer", []error{ErrTemporary}
	case errors.As(err, &dns), errors.As(err, &op), brokenConnection(err):
		return msg, []error{ErrTemporary}
	}
	return msg, nil
}

// plainText is the text of err without the wrapping of HTTP clients, which repeat
// method and URL, and without anything after the first line, which may be a body.
func plainText(err error) string {
	var ue *url.Error
	for errors.As(err, &ue) {
		err = ue.Err
	}
	msg, _, _ := strings.Cut(err.Error(), "\n")
	return clean(redact(msg), 600)
}

var anyURL = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>\\]+`)

// redact removes userinfo, query and fragment from each URL in s.
func redact(s string) string {
	return anyURL.ReplaceAllStringFunc(s, func(raw string) string {
		u, err := url.Parse(raw)
		if err != nil {
			scheme, _, _ := strings.Cut(raw, "://")
			return scheme + "://…"
		}
		cut := u.User != nil || u.RawQuery != "" || u.Fragment != ""
		u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
		if cut {
			return u.String() + "?…"
		}
		return u.String()
	})
}

// scrub removes what was sent as credentials, should a server have echoed it.
func (r *repo) scrub(msg string, err error) string {
	secrets := r.cred.secrets()
	var te *transport.Error
	if errors.As(err, &te) && te.Request != nil {
		if _, v, ok := strings.Cut(te.Request.Header.Get("Authorization"), " "); ok {
			secrets = append(secrets, v)
		}
	}
	for _, s := range secrets {
		if len(s) >= 4 {
			msg = strings.ReplaceAll(msg, s, "…")
		}
	}
	return msg
}

// clean makes text from elsewhere fit for a message: one line, bounded, no control
// or unprintable characters.
func clean(s string, limit int) string {
	var b strings.Builder
	for _, c := range s {
		if b.Len() >= limit {
			b.WriteString("…")
			break
		}
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
			c = ' '
		}
		b.WriteRune(c)
	}
	return strings.TrimSpace(b.String())
}
