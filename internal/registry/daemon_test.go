package registry

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

// startEngine runs a daemon until its socket answers, and ends it with the test.
func startEngine(t *testing.T, socket, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(5 * time.Minute):
			cmd.Process.Kill()
			<-ended
		}
	})
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return
		}
		select {
		case <-ended:
			imagetest.Skip(t, program+" does not start here: "+lastLine(out.String()))
		default:
		}
	}
	t.Fatalf("%s did not open its socket within a minute", program)
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// post sends an archive to the engine, to load or import.
func post(t *testing.T, socket, path string, body []byte) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	resp, err := c.Post("http://localhost"+path, "application/x-tar", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if said, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || bytes.Contains(said, []byte("errorDetail")) {
		t.Fatalf("%s: %s: %s", path, resp.Status, said)
	}
}

// socketDir is a folder whose path is short enough for a socket.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "plimsoll")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// checkSaved looks for the layer of web in the archive that the daemon gave.
func checkSaved(t *testing.T, kind, name string) {
	t.Helper()
	rc, err := Daemon(t.Context(), kind, name)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer rc.Close()
	b, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"manifest.json", "hello from the layer"} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s: the archive of %d bytes does not hold %q", name, len(b), want)
		}
	}
}

func checkMissing(t *testing.T, kind string) {
	t.Helper()
	_, err := Daemon(t.Context(), kind, "nothing.example/here:1")
	if !errors.Is(err, image.ErrNotFound) || !strings.Contains(err.Error(), "nothing.example/here:1") {
		t.Errorf("unknown image: %v", err)
	}
}

func hello(t *testing.T, name string) []byte {
	t.Helper()
	return imagetest.OldDockerArchive(t, imagetest.Build(t, imagetest.Spec{
		Name:   name,
		Layers: []imagetest.LayerSpec{imagetest.Layer(imagetest.Entry{Path: "greeting", Body: "hello from the layer"})},
	}))
}

// TestDocker asks a real Docker daemon (Debian package docker.io), which needs root.
func TestDocker(t *testing.T) {
	program := imagetest.Tool(t, "dockerd")
	if os.Getuid() != 0 {
		imagetest.Skip(t, "dockerd needs root")
	}
	dir := socketDir(t)
	sock := filepath.Join(dir, "d.sock")
	startEngine(t, sock, program, "--storage-driver", "vfs", "--iptables=false", "--bridge=none", "--ip-forward=false",
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "-p", filepath.Join(dir, "pid"), "-H", "unix://"+sock)
	post(t, sock, "/images/load?quiet=1", hello(t, "team/web:1"))
	t.Setenv("DOCKER_HOST", "unix://"+sock)
	checkSaved(t, "docker", "team/web:1")
	checkSaved(t, "docker", "docker.io/team/web:1")
	checkMissing(t, "docker")
}

// TestPodman asks a real Podman service (Debian package podman), which needs root here.
func TestPodman(t *testing.T) {
	program := imagetest.Tool(t, "podman")
	if os.Getuid() != 0 {
		imagetest.Skip(t, "podman is run as root here")
	}
	dir := socketDir(t)
	sock := filepath.Join(dir, "p.sock")
	startEngine(t, sock, program, "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs",
		"--cgroup-manager=cgroupfs", "--events-backend=file", "system", "service", "--time=0", "unix://"+sock)
	post(t, sock, "/v4.0.0/libpod/images/load", hello(t, "localhost/team/web:1"))
	t.Setenv("CONTAINER_HOST", "unix://"+sock)
	checkSaved(t, "podman", "localhost/team/web:1")
	checkSaved(t, "podman", "team/web:1") // short names mean local images
	checkMissing(t, "podman")
	// Its imitation of Docker's API is spoken when it is called docker.
	t.Setenv("DOCKER_HOST", "unix://"+sock)
	checkSaved(t, "docker", "localhost/team/web:1")
	checkMissing(t, "docker")
}

// fakeEngine answers on a socket as an engine does. It is no real daemon: it is for
// what a real one cannot be made to do.
func fakeEngine(t *testing.T, h http.HandlerFunc) {
	t.Helper()
	sock := filepath.Join(socketDir(t), "e.sock")
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Config.ErrorLog = quiet()
	s.Start()
	t.Cleanup(s.Close)
	t.Setenv("DOCKER_HOST", "unix://"+sock)
}

func TestDaemonAnswers(t *testing.T) {
	saved := hello(t, "team/web:1")
	for _, test := range []struct {
		name string
		act  func(w http.ResponseWriter, r *http.Request)
		want error
		say  string
		read error
	}{
		{name: "saved", act: func(w http.ResponseWriter, r *http.Request) { w.Write(saved) }},
		{name: "refused", act: func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, `{"message":"no\u001b[31m way"}`, http.StatusForbidden)
		},
			want: image.ErrAuth, say: "no [31m way"},
		{name: "broken", act: func(w http.ResponseWriter, r *http.Request) { http.Error(w, `{"message":"disk full"}`, 500) },
			want: errAny, say: "it answered 500: disk full"},
		{name: "redirected", act: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
			want: errAny, say: "302"},
		{name: "cut", act: func(w http.ResponseWriter, r *http.Request) {
			w.Write(saved[:1000])
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, read: io.ErrUnexpectedEOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/_ping":
					w.Header().Set("Api-Version", "1.47")
				case "/v1.47/images/team/web:1/json":
					io.WriteString(w, "{}")
				case "/v1.47/images/get":
					if r.URL.Query().Get("names") != "team/web:1" {
						t.Errorf("asked for %s", r.URL)
					}
					test.act(w, r)
				default:
					t.Errorf("asked for %s", r.URL)
				}
			})
			rc, err := Daemon(t.Context(), "docker", "team/web:1")
			if test.want != nil {
				if err == nil || test.want != errAny && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.say) {
					t.Errorf("error %v, want %v that says %q", err, test.want, test.say)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer rc.Close()
			b, err := io.ReadAll(rc)
			if !errors.Is(err, test.read) || test.read == nil && !bytes.Equal(b, saved) {
				t.Errorf("%d bytes, %v; want %v", len(b), err, test.read)
			}
		})
	}
}

func TestDaemonNotReached(t *testing.T) {
	gone := filepath.Join(socketDir(t), "gone.sock")
	for _, test := range []struct {
		kind, host, name string
		want             error
		say              []string
	}{
		{kind: "docker", host: "unix://" + gone, say: []string{gone, "is it running", "docker"}},
		{kind: "podman", host: "unix://" + gone, say: []string{gone, "podman"}},
		{kind: "docker", host: "tcp://127.0.0.1:1", say: []string{"127.0.0.1:1", "is it running"}},
		{kind: "docker", host: "ssh://me@host", want: image.ErrUnsupported, say: []string{"DOCKER_HOST", "docker-archive:"}},
		{kind: "docker", host: "tcp://u:hush@h:1", say: []string{"tcp://host:port"}},
		{kind: "docker", host: "nonsense", say: []string{"unix:///path"}},
		{kind: "containerd", say: []string{"docker or podman"}},
		{kind: "docker", name: "a b", say: []string{"character"}},
		{kind: "docker", name: "a/../b", say: []string{"'..'"}},
		{kind: "docker", name: "a?b", say: []string{"character"}},
		{kind: "docker", name: strings.Repeat("a", 2000), say: []string{"1024"}},
	} {
		t.Setenv("DOCKER_HOST", test.host)
		t.Setenv("CONTAINER_HOST", test.host)
		name := test.name
		if name == "" {
			name = "web"
		}
		_, err := Daemon(t.Context(), test.kind, name)
		if err == nil || test.want != nil && !errors.Is(err, test.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		for _, s := range test.say {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("error %q does not say %q", err, s)
			}
		}
	}

	// Nothing set, nothing there.
	t.Setenv("CONTAINER_HOST", "")
	t.Setenv("XDG_RUNTIME_DIR", filepath.Dir(gone))
	if _, err := os.Stat("/run/podman/podman.sock"); err == nil {
		return
	}
	if _, err := Daemon(t.Context(), "podman", "web"); err == nil || !strings.Contains(err.Error(), "/run/podman/podman.sock") {
		t.Errorf("no socket: %v", err)
	}
}

// A daemon behind TLS with client certificates, as DOCKER_TLS_VERIFY asks for: it is
// reached with the right CA, key and certificate.
func TestDaemonTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/images/get" {
			io.WriteString(w, "archive")
		}
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	defer s.Close()
	t.Setenv("DOCKER_HOST", "tcp://"+s.Listener.Addr().String())
	t.Setenv("DOCKER_TLS_VERIFY", "1")
	dir := t.TempDir()
	t.Setenv("DOCKER_CERT_PATH", dir)
	if _, err := Daemon(t.Context(), "docker", "web"); err == nil || !strings.Contains(err.Error(), "ca.pem") {
		t.Errorf("no CA: %v", err)
	}
	// The server's certificate is its own CA, and does as the client's too.
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	put(t, dir+"/ca.pem", cert)
	put(t, dir+"/cert.pem", cert)
	put(t, dir+"/key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	rc, err := Daemon(t.Context(), "docker", "web")
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if b, err := io.ReadAll(rc); string(b) != "archive" || err != nil {
		t.Errorf("%q, %v", b, err)
	}

	other := t.TempDir()
	for _, f := range []string{"cert.pem", "key.pem", "ca.pem"} {
		b, _ := os.ReadFile(filepath.Join(dir, f))
		put(t, filepath.Join(other, f), string(b))
	}
	put(t, other+"/ca.pem", strangerCA(t))
	t.Setenv("DOCKER_CERT_PATH", other)
	if _, err := Daemon(t.Context(), "docker", "web"); err == nil || !strings.Contains(err.Error(), "x509") {
		t.Errorf("another CA: %v", err)
	}
}

// strangerCA is a certificate that has signed nothing.
func strangerCA(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
