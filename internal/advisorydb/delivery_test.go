package advisorydb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/registry"
	"github.com/plimsoll/plimsoll/internal/version"
)

// release writes a snapshot of day n: each ecosystem has a flaw, and Debian's fix is
// that of the day.
func release(t testing.TB, dir string, n int, signers ...Signer) Manifest {
	t.Helper()
	b := NewBuilder()
	b.Date(date(2026, 1, n))
	for _, e := range []string{"Debian:12", "Debian:13", "npm", "PyPI", "Go"} {
		fixed := "2.0"
		if e == "Debian:12" {
			fixed = fmt.Sprintf("2.0-%d", n)
		}
		if err := b.Add(advisory.Advisory{ID: "CVE-2026-0001", Source: "feed", Severity: advisory.SeverityHigh, Summary: "a flaw",
			Affected: []advisory.Affected{{Ecosystem: e, Package: "pkg", Ranges: []version.Interval{{Introduced: "0", Fixed: fixed}}}}}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := b.Write(t.Context(), dir, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fixed asks a folder for the version that fixes Debian 12's package.
func fixed(t testing.TB, dir string, o Options) string {
	t.Helper()
	db, err := o.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got := mustLookup(t, db, "Debian:12", "pkg")
	return got[0].Affected[0].Ranges[0].Fixed
}

func signer(t testing.TB) Signer {
	t.Helper()
	s, err := NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSignature(t *testing.T) {
	good, other := signer(t), signer(t)
	m := []byte("a manifest")
	sig := append(good.Sign(m), other.Sign(m)...)
	if k, err := Verify(m, sig, []Key{good.Key()}); err != nil || k != good.Key() {
		t.Errorf("signed by two, one trusted: %v %v", k, err)
	}
	for name, c := range map[string]struct {
		m, sig []byte
		keys   []Key
		says   string
	}{
		"changed":      {[]byte("b manifest"), sig, []Key{good.Key()}, "does not fit"},
		"wrong key":    {m, other.Sign(m), []Key{good.Key()}, "signed by key " + other.Key().ID()},
		"none":         {m, nil, []Key{good.Key()}, "not signed"},
		"nobody":       {m, sig, nil, "trusted is none"},
		"garbage":      {m, []byte("ed25519 zz zz\n\x00\xff"), []Key{good.Key()}, "signed by key none"},
		"renamed line": {m, []byte(strings.Replace(string(other.Sign(m)), other.Key().ID(), good.Key().ID(), 1)), []Key{good.Key()}, "does not fit"},
		"cut":          {m, good.Sign(m)[:60], []Key{good.Key()}, "no valid signature"},
	} {
		if _, err := Verify(c.m, c.sig, c.keys); !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Keys come back from their files; those of other kinds are refused.
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if err := os.WriteFile(path, good.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := ReadSigner(path); err != nil || s.Key() != good.Key() {
		t.Errorf("a key read back: %v", err)
	}
	if _, err := ReadKeys(path); err == nil || !strings.Contains(err.Error(), "PRIVATE KEY") {
		t.Errorf("a private key as a public one: %v", err)
	}
	if openssl := imagetest.Tool(t, "openssl"); openssl != "" {
		run := func(args ...string) { imagetestRun(t, openssl, args...) }
		run("genpkey", "-algorithm", "ed25519", "-out", path)
		run("pkey", "-in", path, "-pubout", "-out", path+".pub")
		s, err := ReadSigner(path)
		if err != nil {
			t.Fatal(err)
		}
		if k, err := ReadKeys(path + ".pub"); err != nil || k[0] != s.Key() {
			t.Errorf("openssl's key: %v", err)
		}
		run("genpkey", "-algorithm", "X25519", "-out", path)
		if _, err := ReadSigner(path); err == nil || !strings.Contains(err.Error(), "no Ed25519") {
			t.Errorf("a key of another kind: %v", err)
		}
	}
}

func TestOpenChecksSignature(t *testing.T) {
	dir, good := t.TempDir(), signer(t)
	release(t, dir, 1)
	if _, err := (Options{Keys: []Key{good.Key()}}).Open(dir); !errors.Is(err, ErrSignature) {
		t.Errorf("not signed: %v", err)
	}
	release(t, dir, 2, good)
	if err := Trust(dir, []Key{good.Key()}); err != nil {
		t.Fatal(err)
	}
	if got := fixed(t, dir, Options{}); got != "2.0-2" {
		t.Errorf("signed: %s", got)
	}
	// From now on nothing else will do.
	release(t, dir, 3, signer(t))
	if _, err := Open(dir); !errors.Is(err, ErrSignature) {
		t.Errorf("signed by another: %v", err)
	}
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	release(t, dir, 4, good)
	if err := os.WriteFile(filepath.Join(dir, manifestName), b, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrSignature) {
		t.Errorf("replaced by hand: %v", err)
	}
}

func TestHistory(t *testing.T) {
	dir := t.TempDir()
	var digests []string
	for n := 1; n <= 3; n++ {
		m := release(t, dir, n)
		digests = append(digests, digestOf(m.Bytes()))
	}
	shards, err := os.ReadDir(filepath.Join(dir, "shards"))
	if err != nil {
		t.Fatal(err)
	}
	if len(shards) != 9 {
		t.Errorf("%d shards, want 7 of the first day and 2 that changed later", len(shards))
	}
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"in force":            {Options{}, "2.0-3"},
		"at its making":       {Options{AsOf: date(2026, 1, 2)}, "2.0-2"},
		"between":             {Options{AsOf: date(2026, 1, 2).Add(time.Hour)}, "2.0-2"},
		"later":               {Options{AsOf: date(2027, 1, 1)}, "2.0-3"},
		"before the first":    {Options{AsOf: date(2020, 1, 1)}, "2.0-1"},
		"by digest":           {Options{Digest: digests[1]}, "2.0-2"},
		"by part of a digest": {Options{Digest: digests[0][:len("sha256:")+12]}, "2.0-1"},
	} {
		if got := fixed(t, dir, c.o); got != c.want {
			t.Errorf("%s: fixed in %s, want %s", name, got, c.want)
		}
	}
	if _, err := (Options{Digest: "sha256:" + strings.Repeat("0", 64)}).Open(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such digest: %v", err)
	}

	// An older manifest put in the place of the newest is told, unless that was meant.
	old, err := os.ReadFile(filepath.Join(dir, snapshotsDir, snapshotName(date(2026, 1, 1), digests[0])+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, manifestName), old, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrRollback) {
		t.Errorf("rolled back by hand: %v", err)
	}
	release(t, dir, 1)
	if got := fixed(t, dir, Options{}); got != "2.0-1" {
		t.Errorf("built anew with older knowledge: %s", got)
	}

	// Pruning keeps what is in force and what others need.
	past := time.Now().Add(-2 * settled)
	for _, s := range shards {
		if err := os.Chtimes(filepath.Join(dir, "shards", s.Name()), past, past); err != nil {
			t.Fatal(err)
		}
	}
	snapshots, gone, _, err := Prune(t.Context(), dir, date(2026, 1, 3))
	if err != nil || snapshots != 1 || gone != 1 {
		t.Errorf("pruned %d snapshots and %d shards: %v; want the second day's", snapshots, gone, err)
	}
	if got := fixed(t, dir, Options{}); got != "2.0-1" {
		t.Errorf("after pruning: %s", got)
	}
	if got := fixed(t, dir, Options{AsOf: date(2026, 1, 4)}); got != "2.0-3" {
		t.Errorf("after pruning, the newest: %s", got)
	}
}

// faults is a web server of a folder that counts bytes and does harm when told to.
type faults struct {
	dir   string
	bytes atomic.Int64
	harm  atomic.Value // func(w, r, body) bool
}

func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := os.ReadFile(filepath.Join(f.dir, filepath.FromSlash(r.URL.Path)))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if h, _ := f.harm.Load().(func(http.ResponseWriter, *http.Request, []byte) bool); h != nil && h(w, r, b) {
		return
	}
	f.bytes.Add(int64(len(b)))
	w.Write(b)
}

func serve(t testing.TB, dir string) (*faults, Remote) {
	t.Helper()
	f := &faults{dir: dir}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	r, err := NewRemote(s.URL+"/", registry.Options{Tries: 2, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return f, r
}

func TestPullOverHTTP(t *testing.T) {
	at, dir, key := t.TempDir(), t.TempDir(), signer(t)
	m := release(t, at, 1, key)
	web, from := serve(t, at)
	if _, err := Pull(t.Context(), dir, from, PullOptions{}); !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), key.Key().ID()) {
		t.Errorf("without a key: %v", err)
	}
	if _, err := Pull(t.Context(), dir, from, PullOptions{Keys: []Key{signer(t).Key()}}); !errors.Is(err, ErrSignature) {
		t.Errorf("with the wrong key: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, manifestName)); err == nil {
		t.Error("what was refused is in force")
	}
	p, err := Pull(t.Context(), dir, from, PullOptions{Keys: []Key{key.Key()}})
	if err != nil || !p.New || p.Fetched != 0 || p.Left != len(m.Shards) {
		t.Fatalf("first pull: %+v %v", p, err)
	}
	// A look-up brings what it needs and no more.
	if got := fixed(t, dir, Options{Remote: from}); got != "2.0-1" {
		t.Errorf("fixed in %s", got)
	}
	here, err := os.ReadDir(filepath.Join(dir, "shards"))
	if err != nil || len(here) != 1 {
		t.Errorf("%d shards are here after asking one: %v", len(here), err)
	}
	// An update moves what changed of what is used.
	release(t, at, 2, key)
	web.bytes.Store(0)
	p, err = Pull(t.Context(), dir, from, PullOptions{})
	if err != nil || p.Fetched != 1 || !p.New {
		t.Errorf("update: %+v %v", p, err)
	}
	if got := fixed(t, dir, Options{}); got != "2.0-2" {
		t.Errorf("after the update, without a network: %s", got)
	}
	if p, err = Pull(t.Context(), dir, from, PullOptions{}); err != nil || p.New || p.Fetched != 0 || p.Kept != 1 {
		t.Errorf("nothing new: %+v %v", p, err)
	}
	// Going back is refused, and done when asked for.
	release(t, at, 1, key)
	if _, err := Pull(t.Context(), dir, from, PullOptions{}); !errors.Is(err, ErrRollback) {
		t.Errorf("an older one: %v", err)
	}
	if _, err := Pull(t.Context(), dir, from, PullOptions{Digest: "sha256:" + strings.Repeat("0", 64), Older: true}); err == nil {
		t.Error("another digest than asked for was accepted")
	}
	if got := fixed(t, dir, Options{}); got != "2.0-2" {
		t.Errorf("after the refusal: %s", got)
	}
	if _, err := Pull(t.Context(), dir, from, PullOptions{Older: true, All: true}); err != nil {
		t.Error(err)
	}
	if got := fixed(t, dir, Options{}); got != "2.0-1" {
		t.Errorf("gone back on purpose: %s", got)
	}
}

func TestPullFaults(t *testing.T) {
	key := signer(t)
	shard := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/shards/") }
	for name, c := range map[string]struct {
		harm func(http.ResponseWriter, *http.Request, []byte) bool
		is   error
	}{
		"corrupt": {func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			if shard(r) {
				b[len(b)/2] ^= 1
				w.Write(b)
			}
			return shard(r)
		}, image.ErrDigestMismatch},
		"cut": {func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			if shard(r) {
				w.Header().Set("Content-Length", fmt.Sprint(len(b)))
				w.Write(b[:len(b)/2])
			}
			return shard(r)
		}, io.ErrUnexpectedEOF},
		"longer": {func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			if shard(r) {
				w.Write(append(b, "more"...))
			}
			return shard(r)
		}, image.ErrDigestMismatch},
		"web page": {func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!doctype html><title>sign in</title>")
			return true
		}, nil},
		"manifest changed": {func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			if r.URL.Path == "/"+manifestName {
				fmt.Fprint(w, strings.Replace(string(b), `"records":1`, `"records":2`, 1))
				return true
			}
			return false
		}, ErrSignature},
		"server fault": {func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			http.Error(w, "no", http.StatusBadGateway)
			return true
		}, nil},
		"gone": {func(w http.ResponseWriter, r *http.Request, b []byte) bool {
			http.NotFound(w, r)
			return true
		}, fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			at, dir := t.TempDir(), t.TempDir()
			release(t, at, 1, key)
			web, from := serve(t, at)
			if _, err := Pull(t.Context(), dir, from, PullOptions{Keys: []Key{key.Key()}, All: true}); err != nil {
				t.Fatal(err)
			}
			release(t, at, 2, key)
			web.harm.Store(c.harm)
			if _, err := Pull(t.Context(), dir, from, PullOptions{}); err == nil || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v", err)
			}
			if got := fixed(t, dir, Options{}); got != "2.0-1" {
				t.Errorf("after the failure: %s", got)
			}
			// What came whole is not asked for again.
			web.harm.Store(func(http.ResponseWriter, *http.Request, []byte) bool { return false })
			if _, err := Pull(t.Context(), dir, from, PullOptions{}); err != nil {
				t.Error(err)
			}
			if got := fixed(t, dir, Options{}); got != "2.0-2" {
				t.Errorf("after trying again: %s", got)
			}
		})
	}
}

func TestRegistryDelivery(t *testing.T) {
	s := imagetest.Registry(t, imagetest.RegistryOptions{TLS: true})
	at, dir, key := t.TempDir(), t.TempDir(), signer(t)
	o := registry.Options{CAFile: s.CAFile}
	ref, err := image.ParseRef(s.Addr + "/plimsoll/advisories:latest")
	if err != nil {
		t.Fatal(err)
	}
	c, err := registry.New(o)
	if err != nil {
		t.Fatal(err)
	}
	m := release(t, at, 1, key)
	p, err := Push(t.Context(), at, ref, c)
	if err != nil || p.Sent != len(m.Shards)+1 {
		t.Fatalf("push: %+v %v", p, err)
	}
	from, err := NewRemote("oci://"+ref.String(), o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Pull(t.Context(), dir, from, PullOptions{Keys: []Key{key.Key()}, All: true})
	if err != nil || got.Fetched != len(m.Shards) || got.Digest != digestOf(m.Bytes()) {
		t.Fatalf("pull: %+v %v", got, err)
	}
	release(t, at, 2, key)
	if p, err = Push(t.Context(), at, ref, c); err != nil || p.Sent != 2 {
		t.Errorf("second push: %+v %v; want the manifest and one shard", p, err)
	}
	if got, err = Pull(t.Context(), dir, from, PullOptions{}); err != nil || got.Fetched != 1 {
		t.Errorf("update: %+v %v", got, err)
	}
	if got := fixed(t, dir, Options{}); got != "2.0-2" {
		t.Errorf("after the update: %s", got)
	}
	// What is no snapshot is named as what it is.
	img := ref
	img.Repository, img.Tag = "some/chart", "1"
	if _, err := c.Push(t.Context(), img, registry.Artifact{Type: "application/vnd.cncf.helm.config.v1+json", Config: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	chart, err := NewRemote(img.String(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Pull(t.Context(), dir, chart, PullOptions{}); !errors.Is(err, image.ErrUnsupported) || !strings.Contains(err.Error(), "helm") {
		t.Errorf("a chart: %v", err)
	}
	img.Tag = "none"
	none, err := NewRemote(img.String(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Pull(t.Context(), dir, none, PullOptions{}); !errors.Is(err, image.ErrNotFound) {
		t.Errorf("nothing there: %v", err)
	}
}

func TestBundle(t *testing.T) {
	at, dir, key := t.TempDir(), t.TempDir(), signer(t)
	m := release(t, at, 1, key)
	for _, name := range []string{"a.tar", "a.tar.zst"} {
		file := filepath.Join(t.TempDir(), name)
		n, size, err := Export(t.Context(), at, file, nil)
		if err != nil || n != len(m.Shards) || size == 0 {
			t.Fatalf("%s: %d parts, %d bytes: %v", name, n, size, err)
		}
		dir := t.TempDir()
		if _, err := Import(t.Context(), dir, file, PullOptions{}); !errors.Is(err, ErrSignature) {
			t.Errorf("%s without a key: %v", name, err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: what was refused left %v", name, left)
		}
		p, err := Import(t.Context(), dir, file, PullOptions{Keys: []Key{key.Key()}})
		if err != nil || p.Fetched != n || p.Digest != digestOf(m.Bytes()) {
			t.Fatalf("%s: %+v %v", name, p, err)
		}
		if got := fixed(t, dir, Options{}); got != "2.0-1" {
			t.Errorf("%s: %s", name, got)
		}
		again := filepath.Join(t.TempDir(), name)
		if _, _, err := Export(t.Context(), dir, again, nil); err != nil {
			t.Fatal(err)
		}
		a, _ := os.ReadFile(file)
		b, _ := os.ReadFile(again)
		if string(a) != string(b) {
			t.Errorf("%s: two exports of one snapshot differ", name)
		}
		// Cut anywhere, it changes nothing.
		for _, at := range []int{0, 1, 100, len(a) / 2, len(a) * 9 / 10} {
			cut := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(cut, a[:max(at, 0)], 0o644); err != nil {
				t.Fatal(err)
			}
			clean := t.TempDir()
			if _, err := Import(t.Context(), clean, cut, PullOptions{Unsigned: true}); err == nil {
				t.Errorf("%s cut to %d of %d bytes was imported", name, at, len(a))
			}
			if _, err := Open(clean); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s cut to %d bytes: %v is in force", name, at, err)
			}
		}
	}
	// A part is enough for who needs no more; the rest is missing and says so.
	file := filepath.Join(t.TempDir(), "debian.tar")
	if _, _, err := Export(t.Context(), at, file, []string{"Debian:12"}); err != nil {
		t.Fatal(err)
	}
	p, err := Import(t.Context(), dir, file, PullOptions{Unsigned: true})
	if err != nil || p.Left != 4 {
		t.Fatalf("%+v %v", p, err)
	}
	if got := fixed(t, dir, Options{}); got != "2.0-1" {
		t.Error(got)
	}
	db, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := lookup(db, "npm", "pkg"); err == nil || !strings.Contains(err.Error(), "shards/") {
		t.Errorf("what is not here: %v", err)
	}
	if _, _, err := Export(t.Context(), at, file, []string{"Debian:99"}); err == nil || !strings.Contains(err.Error(), "Debian:99") {
		t.Errorf("an ecosystem that is not covered: %v", err)
	}
}

// TestReadersDuringUpdates opens and asks from many goroutines, each as a process would,
// while another builds and pulls without pause. Each answer is that of a whole snapshot.
func TestReadersDuringUpdates(t *testing.T) {
	at, dir := t.TempDir(), t.TempDir()
	release(t, at, 1)
	from, err := NewRemote(at, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := PullOptions{Unsigned: true, All: true}
	if _, err := Pull(t.Context(), dir, from, o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for ctx.Err() == nil {
				db, err := Open(dir)
				if err != nil {
					t.Error(err)
					return
				}
				want := fmt.Sprintf("2.0-%d", db.Manifest().Created.Day())
				got, err := lookup(db, "Debian:12", "pkg")
				if err != nil || len(got) != 1 || got[0].Affected[0].Ranges[0].Fixed != want {
					t.Errorf("%v %v, want %s", got, err, want)
				}
				db.Close()
			}
		})
	}
	for n := 2; n <= 28; n++ {
		release(t, at, n)
		if _, err := Pull(t.Context(), dir, from, o); err != nil {
			t.Error(err)
		}
	}
	stop()
	wg.Wait()
}
