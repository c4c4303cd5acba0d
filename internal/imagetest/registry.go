package imagetest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/plimsoll/plimsoll/internal/image"
)

// RegistryOptions says how a registry for tests is set up.
type RegistryOptions struct {
	// User and Password, if set, are asked for with HTTP Basic authentication.
	User, Password string
	// TLS has it speak HTTPS with a certificate by a CA of its own.
	TLS bool
}

// RegistryServer is a running registry on the loopback interface.
type RegistryServer struct {
	// Addr is 127.0.0.1:port.
	Addr string
	// CAFile holds the certificate of the CA, in PEM, in a folder by itself as skopeo
	// wants it; empty without TLS.
	CAFile string
	opts   RegistryOptions
	client *http.Client
}

// Registry starts the real registry of the distribution project (Debian package
// docker-registry), empty, and ends it with the test. Without the program the test is
// skipped by name.
func Registry(t testing.TB, o RegistryOptions) *RegistryServer {
	t.Helper()
	program := Tool(t, "docker-registry")
	dir := t.TempDir()
	s := &RegistryServer{opts: o, client: http.DefaultClient}
	var conf bytes.Buffer
	// The port is free when it is chosen; should another process take it before the
	// registry does, another is chosen.
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.Addr = l.Addr().String()
		l.Close()
		conf.Reset()
		fmt.Fprintf(&conf, "version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: %q}\nhttp:\n  addr: %s\n", filepath.Join(dir, "data"), s.Addr)
		if o.TLS {
			ca, cert, key := certificates(t)
			s.CAFile = ca
			s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool(t, ca)}}}
			t.Cleanup(s.client.CloseIdleConnections)
			fmt.Fprintf(&conf, "  tls: {certificate: %q, key: %q}\n", cert, key)
		}
		if o.User != "" {
			hash, err := bcrypt.GenerateFromPassword([]byte(o.Password), bcrypt.MinCost)
			if err != nil {
				t.Fatal(err)
			}
			htpasswd := filepath.Join(dir, "htpasswd")
			write(t, htpasswd, fmt.Appendf(nil, "%s:%s\n", o.User, hash))
			fmt.Fprintf(&conf, "auth:\n  htpasswd: {realm: test, path: %q}\n", htpasswd)
		}
		file := filepath.Join(dir, "config.yml")
		write(t, file, conf.Bytes())
		if s.start(t, program, file) {
			return s
		}
	}
	t.Fatal("docker-registry did not start on any of five ports")
	return nil
}

// start runs the registry until it answers; false means that it ended before.
func (s *RegistryServer) start(t testing.TB, program, file string) bool {
	t.Helper()
	cmd := exec.Command(program, "serve", file)
	// Variables such as REGISTRY_AUTH_FILE, which clients know too, would change the
	// configuration.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "REGISTRY_") })
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting docker-registry: %v", err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if resp, err := s.client.Get(s.url("/v2/")); err == nil {
			resp.Body.Close()
			select {
			case <-ended: // it was another process that answered
				return false
			default:
			}
			t.Cleanup(func() { cmd.Process.Kill(); <-ended })
			return true
		}
		select {
		case <-ended:
			t.Logf("docker-registry ended: %s", out.String())
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	cmd.Process.Kill()
	<-ended
	t.Fatalf("docker-registry did not answer within 30 s: %s", out.String())
	return false
}

func (s *RegistryServer) url(path string) string {
	if s.opts.TLS {
		return "https://" + s.Addr + path
	}
	return "http://" + s.Addr + path
}

// Push stores b under repository:tag, with requests of its own: also what other
// clients refuse to push. It gives the digest of the manifest or index.
func (s *RegistryServer) Push(t testing.TB, repository, tag string, b *Built) image.Digest {
	t.Helper()
	return push(t, s.client, s.url(""), s.opts.User, s.opts.Password, repository, tag, b)
}

// PushTo does the same on any registry that asks for no credentials; base is
// http://host:port.
func PushTo(t testing.TB, base, repository, tag string, b *Built) image.Digest {
	t.Helper()
	return push(t, http.DefaultClient, base, "", "", repository, tag, b)
}

func push(t testing.TB, c *http.Client, base, user, password, repository, tag string, b *Built) image.Digest {
	t.Helper()
	do := func(method, u, mediaType string, body []byte) *http.Response {
		req, err := http.NewRequest(method, u, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		req.Header.Set("Content-Type", mediaType)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatalf("pushing: %v", err)
		}
		said, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode >= 300 {
			t.Fatalf("pushing: %s %s: %s: %s", method, u, resp.Status, said)
		}
		return resp
	}
	manifests := map[image.Digest]bool{}
	var order []image.Digest // what refers to others comes after them
	var visit func(d image.Digest)
	visit = func(d image.Digest) {
		if manifests[d] || image.Kind("", b.Blobs[d]) == image.UnknownDocument {
			return
		}
		manifests[d] = true
		if x, err := image.ParseIndex(b.Blobs[d]); err == nil {
			for _, m := range x.Manifests {
				visit(m.Digest)
			}
		}
		order = append(order, d)
	}
	visit(b.Desc.Digest)
	for d, blob := range b.Blobs {
		if manifests[d] {
			continue
		}
		at := do("POST", base+"/v2/"+repository+"/blobs/uploads/", "application/octet-stream", nil).Header.Get("Location")
		u, err := url.Parse(base)
		if err == nil {
			u, err = u.Parse(at)
		}
		if err != nil {
			t.Fatalf("pushing: upload location %q: %v", at, err)
		}
		q := u.Query()
		q.Set("digest", string(d))
		u.RawQuery = q.Encode()
		do("PUT", u.String(), "application/octet-stream", blob)
	}
	for _, d := range order {
		name := string(d)
		if d == b.Desc.Digest && tag != "" {
			name = tag
		}
		mt := image.MediaManifest
		if _, err := image.ParseIndex(b.Blobs[d]); err == nil {
			mt = image.MediaIndex
		}
		do("PUT", base+"/v2/"+repository+"/manifests/"+name, mt, b.Blobs[d])
	}
	return b.Desc.Digest
}

// Skopeo copies an OCI layout with all that its one name leads to into
// repository:tag, by the skopeo program; args are added to its command.
func (s *RegistryServer) Skopeo(t testing.TB, layout, repository, tag string, args ...string) {
	t.Helper()
	cmd := []string{"copy", "--insecure-policy", "--all", "--preserve-digests", "--quiet"}
	if s.opts.User != "" {
		cmd = append(cmd, "--dest-creds", s.opts.User+":"+s.opts.Password)
	}
	if s.opts.TLS {
		cmd = append(cmd, "--dest-cert-dir", filepath.Dir(s.CAFile))
	} else {
		cmd = append(cmd, "--dest-tls-verify=false")
	}
	cmd = slices.Concat(cmd, args, []string{"oci:" + layout, "docker://" + s.Addr + "/" + repository + ":" + tag})
	if out, err := exec.Command(Tool(t, "skopeo"), cmd...).CombinedOutput(); err != nil {
		t.Fatalf("skopeo: %v: %s", err, out)
	}
}

// certificates makes a CA and by it a certificate for 127.0.0.1 and localhost, and
// gives the names of the files.
func certificates(t testing.TB) (ca, cert, key string) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatalf("making certificates: %v", err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, caKey.Public(), caKey)
	must(err)
	srvKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "registry of a test"},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, srvKey.Public(), caKey)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(srvKey)
	must(err)
	ca = filepath.Join(t.TempDir(), "ca.crt")
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	write(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}))
	write(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER}))
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return ca, cert, key
}

func pool(t testing.TB, file string) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(file)
	p := x509.NewCertPool()
	if err != nil || !p.AppendCertsFromPEM(b) {
		t.Fatalf("reading %s: %v", file, err)
	}
	return p
}

func write(t testing.TB, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
