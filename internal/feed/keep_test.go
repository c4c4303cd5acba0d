package feed

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// publisher is a server whose files and manners a test may change.
type publisher struct {
	mu    sync.Mutex
	files map[string]string // by HOST/PATH
	when  map[string]time.Time
	// manners
	untagged bool // no validators
	noRange  bool // a Range is not heeded
	status   int  // answered to everything, if not 0
	cut      map[string]int
	page     bool // everything is a web page, with status 200
	// what went on
	asked []string // "STATUS HOST/PATH"
	sent  int      // bytes of bodies
	url   string
}

func newPublisher(t *testing.T, files map[string]string) *publisher {
	t.Helper()
	p := &publisher{files: files, when: map[string]time.Time{}, cut: map[string]int{}}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	p.url = srv.URL
	return p
}

// counted counts what is sent, and cuts it.
type counted struct {
	http.ResponseWriter
	p      *publisher
	status int
	left   int // bytes until the cut; negative for none
}

func (c *counted) WriteHeader(status int) { c.status = status; c.ResponseWriter.WriteHeader(status) }

func (c *counted) Write(b []byte) (int, error) {
	if c.left >= 0 && len(b) > c.left {
		b = b[:c.left]
	}
	n, err := c.ResponseWriter.Write(b)
	c.p.mu.Lock()
	c.p.sent += n
	c.p.mu.Unlock()
	if c.left >= 0 {
		if c.left -= n; c.left == 0 {
			c.ResponseWriter.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	return n, err
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	p.mu.Lock()
	data, ok := p.files[name]
	when, status, untagged, noRange, page := p.when[name], p.status, p.untagged, p.noRange, p.page
	c := &counted{ResponseWriter: w, p: p, status: 200, left: -1}
	if n, cut := p.cut[name]; cut {
		c.left = n
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked = append(p.asked, fmt.Sprintf("%d %s", c.status, name))
	}()
	switch {
	case status != 0:
		c.WriteHeader(status)
		return
	case page:
		io.WriteString(c, "\ufeff\n<!-- sorry --><!DOCTYPE HTML><title>Sorry</title>")
		return
	case !ok:
		http.NotFound(w, r)
		c.status = 404
		return
	}
	if !untagged {
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(data)))[:18]+`"`)
	}
	if noRange {
		r.Header.Del("Range")
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(c, r, "", when, strings.NewReader(data))
}

// since gives what was asked since the last call, sorted, and the bytes sent.
func (p *publisher) since() ([]string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, sent := slices.Sorted(slices.Values(p.asked)), p.sent
	p.asked, p.sent = nil, 0
	return asked, sent
}

func (p *publisher) set(f func(p *publisher)) { p.mu.Lock(); defer p.mu.Unlock(); f(p) }

// keeping gives an origin of the publisher that keeps in dir.
func (p *publisher) keeping(t *testing.T, dir string) *Origin {
	t.Helper()
	o, err := NewOrigin(p.url)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Keep(dir); err != nil {
		t.Fatal(err)
	}
	noSleep(o)
	return o
}

// bulk gives n bytes that nothing can compress.
func bulk(n int) string {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return string(b)
}

func readAt(t *testing.T, o *Origin, address string) (string, error) {
	t.Helper()
	f, err := o.OpenAt(t.Context(), address)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	return string(data), err
}

// mirrored gives the files of a folder that are not the keeper's own.
func mirrored(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == ".plimsoll" {
				return fs.SkipDir
			}
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// left lists what lies in the folder of parts.
func left(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, keepPart))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestKeepUnchanged(t *testing.T) {
	for _, manner := range []string{"etag", "date", "neither"} {
		t.Run(manner, func(t *testing.T) {
			dir := t.TempDir()
			p := newPublisher(t, map[string]string{"a.example/x/y.json": "one", "a.example/index.html": "<html>list</html>"})
			p.untagged = manner != "etag"
			if manner == "date" {
				p.when["a.example/x/y.json"] = time.Date(2025, 2, 1, 2, 3, 4, 0, time.UTC)
			}
			get := func(want string) {
				t.Helper()
				o := p.keeping(t, dir)
				got, err := read(t, o, "https://a.example/x/y.json")
				at, aerr := readAt(t, o, "https://a.example/x/y.json")
				if err != nil || aerr != nil || got != want || at != want {
					t.Fatalf("got %q, %v and %q, %v", got, err, at, aerr)
				}
			}
			get("one")
			p.since()
			get("one")
			asked, sent := p.since()
			want := []string{"304 a.example/x/y.json", "304 a.example/x/y.json"}
			if manner == "neither" {
				want = []string{"200 a.example/x/y.json", "200 a.example/x/y.json"}
			}
			if !slices.Equal(asked, want) || manner != "neither" && sent != 0 {
				t.Errorf("asked %q, %d bytes sent", asked, sent)
			}
			p.set(func(p *publisher) {
				p.files["a.example/x/y.json"] = "two!"
				p.when["a.example/x/y.json"] = time.Date(2025, 2, 2, 2, 3, 4, 0, time.UTC)
			})
			get("two!")
			if got := mirrored(t, dir); len(got) != 1 || got["a.example/x/y.json"] != "two!" {
				t.Errorf("kept %q", got)
			}
			if l := left(t, dir); len(l) != 0 {
				t.Errorf("left over: %q", l)
			}
			// The folder is a mirror on disk.
			o, err := NewOrigin(dir)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := read(t, o, "https://a.example/x/y.json"); err != nil || got != "two!" {
				t.Errorf("as a mirror: %q, %v", got, err)
			}
		})
	}
}

func TestKeepFolderIndex(t *testing.T) {
	dir := t.TempDir()
	p := newPublisher(t, map[string]string{"a.example/index.html": "<html>list</html>"})
	for range 2 {
		if got, err := read(t, p.keeping(t, dir), "https://a.example/"); err != nil || got != "<html>list</html>" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if asked, _ := p.since(); !slices.Contains(asked, "304 a.example/index.html") {
		t.Errorf("asked %q", asked)
	}
	if got := mirrored(t, dir); got["a.example/index.html"] == "" {
		t.Errorf("kept %q", got)
	}
}

func TestKeepResume(t *testing.T) {
	const name, address, size, at = "a.example/all.zip", "https://a.example/all.zip", 300_000, 200_000
	for _, c := range []struct {
		name    string
		change  func(p *publisher)
		want    string // of the second run
		sent    int
		statues []string
	}{
		{"goes on", func(p *publisher) {}, bulk(size), size - at, []string{"206 " + name}},
		{"no ranges", func(p *publisher) { p.noRange = true }, bulk(size), size, []string{"200 " + name}},
		{"another file since", func(p *publisher) { p.files[name] = "new" + bulk(size) }, "new" + bulk(size), size + 3, []string{"200 " + name}},
		{"a shorter file since", func(p *publisher) { p.files[name] = "new" }, "new", 3, []string{"200 " + name}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			p := newPublisher(t, map[string]string{name: bulk(size)})
			p.cut[name] = at
			o := p.keeping(t, dir)
			o.tries = 1
			if got, err := readAt(t, o, address); !errors.Is(err, errCut) {
				t.Fatalf("a cut file gave %d bytes, %v", len(got), err)
			}
			if _, sent := p.since(); sent != at {
				t.Fatalf("%d bytes sent", sent)
			}
			p.set(func(p *publisher) { delete(p.cut, name); c.change(p) })
			got, err := readAt(t, p.keeping(t, dir), address)
			asked, sent := p.since()
			if err != nil || got != c.want || sent != c.sent || !slices.Equal(asked, c.statues) {
				t.Errorf("got %d bytes, %v; %d sent, asked %q", len(got), err, sent, asked)
			}
			if l := left(t, dir); len(l) != 0 {
				t.Errorf("left over: %q", l)
			}
		})
	}
}

func TestKeepResumeInOneRun(t *testing.T) {
	const name, size = "a.example/all.zip", 300_000
	p := newPublisher(t, map[string]string{name: bulk(size)})
	p.cut[name] = 120_000
	// Also what is read as a stream, once it was cut.
	for _, open := range []func(*testing.T, *Origin, string) (string, error){readAt, read} {
		got, err := open(t, p.keeping(t, t.TempDir()), "https://a.example/all.zip")
		asked, sent := p.since()
		if err != nil || got != bulk(size) || sent != size || !slices.Equal(asked, []string{"200 " + name, "206 " + name, "206 " + name}) {
			t.Errorf("got %d bytes, %v; %d sent, asked %q", len(got), err, sent, asked)
		}
	}
}

// A part is not believed if its bytes are not those that were written.
func TestKeepResumeDamaged(t *testing.T) {
	const name, address, size = "a.example/all.zip", "https://a.example/all.zip", 100_000
	for damage, do := range map[string]func(path string) error{
		"bytes":    func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 50_000)), 0o644) },
		"short":    func(path string) error { return os.Truncate(path, 10) },
		"no state": func(path string) error { return os.Remove(path + stateOf) },
		"in use by another": func(path string) error {
			data, err := os.ReadFile(path + stateOf)
			return errors.Join(err, os.WriteFile(path+stateOf, bytes.Replace(data, []byte(`"rested":true`), []byte(`"rested":false`), 1), 0o644))
		},
	} {
		t.Run(damage, func(t *testing.T) {
			dir := t.TempDir()
			p := newPublisher(t, map[string]string{name: bulk(size)})
			p.cut[name] = 50_000
			o := p.keeping(t, dir)
			o.tries = 1
			readAt(t, o, address)
			for _, n := range left(t, dir) {
				if !strings.HasSuffix(n, stateOf) {
					if err := do(filepath.Join(dir, keepPart, n)); err != nil {
						t.Fatal(err)
					}
				}
			}
			p.set(func(p *publisher) { delete(p.cut, name) })
			p.since()
			if got, err := readAt(t, p.keeping(t, dir), address); err != nil || got != bulk(size) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if _, sent := p.since(); sent != size {
				t.Errorf("%d bytes sent", sent)
			}
		})
	}
}

// A program that is killed leaves a part that another one goes on with once it is sure
// that nobody works on it, as far as was noted.
func TestKeepResumeKilled(t *testing.T) {
	const name, address, size = "a.example/all.zip", "https://a.example/all.zip", 3 * partPoint
	dir := t.TempDir()
	p := newPublisher(t, map[string]string{name: bulk(size)})
	p.cut[name] = 2*partPoint + partPoint/2
	o := p.keeping(t, dir)
	key := keyOf(name)
	part, err := o.keep.newPart(key)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(p.url + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	a := &answer{header: res.Header, body: res.Body}
	if err := part.begin(a, p.url+"/"+name, time.Now()); err != nil {
		t.Fatal(err)
	}
	io.Copy(part, res.Body) // neither rests nor is dropped
	res.Body.Close()
	p.set(func(p *publisher) { delete(p.cut, name) })
	if o.keep.claimPart(t.Context(), key, p.url+"/"+name) != nil {
		t.Error("a part that may be in use was claimed")
	}
	if err := os.Chtimes(filepath.Join(dir, part.name), time.Time{}, time.Now().Add(-2*partIdle)); err != nil {
		t.Fatal(err)
	}
	p.since()
	got, err := readAt(t, p.keeping(t, dir), address)
	if _, sent := p.since(); err != nil || got != bulk(size) || sent > size-2*partPoint || sent < partPoint/2 {
		t.Errorf("got %d bytes, %v; %d sent", len(got), err, sent)
	}
}

func TestKeepCancelled(t *testing.T) {
	const name, size = "a.example/all.zip", 1 << 20
	dir := t.TempDir()
	data := bulk(size)
	half := make(chan struct{})
	first := true
	var rest string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if first {
			first = false
			w.Header().Set("Content-Length", fmt.Sprint(size))
			io.WriteString(w, data[:size/2])
			w.(http.Flusher).Flush()
			close(half)
			<-r.Context().Done()
			return
		}
		rest = r.Header.Get("Range")
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(data))
	}))
	defer srv.Close()
	p := &publisher{url: srv.URL}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-half; time.Sleep(100 * time.Millisecond); cancel() }()
	if _, err := p.keeping(t, dir).OpenAt(ctx, "https://a.example/all.zip"); err == nil {
		t.Fatal("no error")
	}
	if got, err := readAt(t, p.keeping(t, dir), "https://a.example/all.zip"); err != nil || got != data || rest == "" || rest == "bytes=0-" {
		t.Errorf("got %d bytes, %v; asked for %q", len(got), err, rest)
	}
}

func TestKeepDamaged(t *testing.T) {
	const name, address = "a.example/x.json", "https://a.example/x.json"
	for damage, do := range map[string]func(dir string) error{
		"bytes": func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte("{ 1}"), 0o644) },
		"size":  func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte("{"), 0o644) },
		"gone":  func(dir string) error { return os.Remove(filepath.Join(dir, name)) },
		"a folder": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, name)), os.Mkdir(filepath.Join(dir, name), 0o755))
		},
		"a link": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, name)), os.Symlink("/etc/hostname", filepath.Join(dir, name)))
		},
		"state": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, keepState, keyOf(name)), []byte("{"), 0o644)
		},
		"state of another server": func(dir string) error {
			data, err := os.ReadFile(filepath.Join(dir, keepState, keyOf(name)))
			return errors.Join(err, os.WriteFile(filepath.Join(dir, keepState, keyOf(name)), bytes.Replace(data, []byte("127.0.0.1"), []byte("127.0.0.2"), 1), 0o644))
		},
	} {
		t.Run(damage, func(t *testing.T) {
			dir := t.TempDir()
			p := newPublisher(t, map[string]string{name: "{}  "})
			if _, err := read(t, p.keeping(t, dir), address); err != nil {
				t.Fatal(err)
			}
			if err := do(dir); err != nil {
				t.Fatal(err)
			}
			p.since()
			got, err := read(t, p.keeping(t, dir), address)
			if asked, _ := p.since(); err != nil || got != "{}  " || !slices.Equal(asked, []string{"200 " + name}) {
				t.Errorf("got %q, %v; asked %q", got, err, asked)
			}
			if damage != "a folder" {
				if got := mirrored(t, dir)[name]; got != "{}  " {
					t.Errorf("kept %q", got)
				}
			}
		})
	}
}

func TestKeepPage(t *testing.T) {
	dir := t.TempDir()
	p := newPublisher(t, map[string]string{"a.example/x.json": "{}", "a.example/x.zip": "PK", "a.example/x.html": "<html>"})
	for _, address := range []string{"https://a.example/x.json", "https://a.example/x.zip", "https://a.example/x.html"} {
		if _, err := read(t, p.keeping(t, dir), address); err != nil {
			t.Fatal(err)
		}
	}
	p.set(func(p *publisher) { p.page = true })
	for _, address := range []string{"https://a.example/x.json", "https://a.example/x.zip"} {
		if got, err := read(t, p.keeping(t, dir), address); err == nil || !strings.Contains(err.Error(), "web page") {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if got, err := read(t, p.keeping(t, dir), "https://a.example/x.html"); err != nil || !strings.Contains(got, "Sorry") {
		t.Errorf("got %q, %v", got, err)
	}
	if got := mirrored(t, dir); got["a.example/x.json"] != "{}" || got["a.example/x.zip"] != "PK" {
		t.Errorf("kept %q", got)
	}
	if l := left(t, dir); len(l) != 0 {
		t.Errorf("left over: %q", l)
	}
}

func TestIsPage(t *testing.T) {
	for head, want := range map[string]bool{
		"<!doctype html>": true, "<!DOCTYPE HTML PUBLIC": true, " \n<HTML lang=en>": true, "\ufeff<html": true,
		`<?xml version="1.0"?><!DOCTYPE html>`: true, "<!-- a --><!-- b -->\n<html>": true,
		`<?xml version="1.0"?><oval_definitions>`: false, "{}": false, "": false, "<": false, "<!--": false, "<?xml": false, "PK\x03\x04": false,
		"<!doctype updates>": false,
	} {
		if got := isPage([]byte(head)); got != want {
			t.Errorf("%q: %v", head, got)
		}
	}
}

func TestKeepOversize(t *testing.T) {
	dir := t.TempDir()
	p := newPublisher(t, map[string]string{"a.example/x": bulk(5000)})
	o := p.keeping(t, dir)
	o.maxArchive, o.maxBody = 4999, 4999
	for _, open := range []func(*testing.T, *Origin, string) (string, error){readAt, read} {
		if _, err := open(t, o, "https://a.example/x"); err == nil || !strings.Contains(err.Error(), "allowed") {
			t.Errorf("got %v", err)
		}
	}
	if l := left(t, dir); len(l) != 0 || len(mirrored(t, dir)) != 0 {
		t.Errorf("left over: %q", l)
	}
	o.maxArchive = 5000
	if got, err := readAt(t, o, "https://a.example/x"); err != nil || len(got) != 5000 {
		t.Errorf("at the bound: %d, %v", len(got), err)
	}
}

// Builds that keep in one folder at the same time do not disturb each other, and leave
// nothing behind that the next one is misled by.
func TestKeepTogether(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{}
	for i := range 12 {
		files[fmt.Sprintf("a.example/%d.bin", i)] = bulk(50_000 + i)
	}
	p := newPublisher(t, files)
	var wg sync.WaitGroup
	for n := range 4 {
		o := p.keeping(t, dir)
		wg.Go(func() {
			for i := range 12 {
				name := fmt.Sprintf("a.example/%d.bin", (i+3*n)%12)
				if n == 3 && i%4 == 0 { // the publisher changes a file meanwhile
					p.set(func(p *publisher) { p.files[name] = bulk(50_000+i) + "new" })
				}
				f := Feed{Name: "a", Fetch: func(ctx context.Context, o *Origin, out Sink) error {
					f, err := o.OpenAt(ctx, "https://"+name)
					if err != nil {
						return err
					}
					defer f.Close()
					data := make([]byte, f.Size())
					if _, err := f.ReadAt(data, 0); err != nil && err != io.EOF {
						return err
					}
					if s := strings.TrimSuffix(string(data), "new"); s != bulk(len(s)) {
						return errors.New("the file is a mix")
					}
					return nil
				}}
				if r := run(t.Context(), o, f, Sink{}); r.Err != nil || r.Stale != nil || r.Fetched.IsZero() {
					t.Errorf("%+v", r)
				}
			}
		})
	}
	wg.Wait()
	p.since()
	o := p.keeping(t, dir)
	for name, want := range p.files {
		if got, err := readAt(t, o, "https://"+name); err != nil || got != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	p.since()
	for name := range p.files {
		readAt(t, o, "https://"+name)
	}
	if _, sent := p.since(); sent != 0 {
		t.Errorf("%d bytes sent again", sent)
	}
	if got := mirrored(t, dir); len(got) != 12 {
		t.Errorf("%d files kept", len(got))
	}
	if l := left(t, dir); len(l) != 0 {
		t.Errorf("left over: %q", l)
	}
}

func TestKeepOnDisk(t *testing.T) {
	o, err := NewOrigin(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Keep(t.TempDir()); err == nil || o.Kept() != nil || !o.OnDisk() {
		t.Errorf("a mirror on disk keeps: %v", err)
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"url":"https://a.example/x","etag":"\"1\"","lastModified":"Wed, 12 Feb 2025 10:00:00 GMT","size":3,"sha256":"00","fetched":"2025-02-12T10:00:00Z","confirmed":"2025-02-12T10:00:00Z","dated":"Wed, 12 Feb 2025 10:01:00 GMT"}`))
	f.Add([]byte(`{"url":"u","absent":true}`))
	f.Add([]byte(`{"etag":"a\r\nX: y"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseState(data)
		if err != nil {
			return
		}
		q, err := http.NewRequest(http.MethodGet, "http://a.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("If-None-Match", s.ETag)
		q.Header.Set("If-Modified-Since", s.LastModified)
		q.Header.Set("If-Range", s.ifRange())
		var b bytes.Buffer
		if err := q.Write(&b); err != nil || bytes.Count(b.Bytes(), []byte("\r\n")) > 7 {
			t.Errorf("%v: %q", err, b.Bytes())
		}
		if s.Size < 0 {
			t.Error("a negative size")
		}
	})
}

// What is compressed on the way is kept as it is, and gone on with uncompressed.
func TestKeepCompressed(t *testing.T) {
	data := strings.Repeat("advisory ", 50_000)
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		how := "plain"
		if r.Header.Get("If-None-Match") == `W/"1"` {
			asked = append(asked, "304")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `W/"1"`)
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			how = "gzip"
			w.Header().Set("Content-Encoding", "gzip")
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			io.WriteString(z, data)
			z.Close()
			asked = append(asked, how)
			if len(asked) == 1 {
				w.Header().Set("Content-Length", fmt.Sprint(b.Len()))
				w.Write(b.Bytes()[:b.Len()/2])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
			w.Write(b.Bytes())
			return
		}
		asked = append(asked, how+r.Header.Get("Range"))
		io.WriteString(w, data)
	}))
	defer srv.Close()
	dir := t.TempDir()
	p := &publisher{url: srv.URL}
	for range 2 {
		if got, err := read(t, p.keeping(t, dir), "https://a.example/x.json"); err != nil || got != data {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
	}
	if got, err := read(t, p.keeping(t, t.TempDir()), "https://a.example/x.json"); err != nil || got != data {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if !slices.Equal(asked, []string{"gzip", "plain", "304", "gzip"}) {
		t.Errorf("asked %q", asked)
	}
	if l := left(t, dir); len(l) != 0 {
		t.Errorf("left over: %q", l)
	}
}
