package advisorydb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// small is a builder whose shards use every part of the format.
func small(t testing.TB) *Builder {
	b := NewBuilder()
	for i := range 40 {
		a := advisory.Advisory{
			ID: fmt.Sprintf("CVE-2024-%d", i*37), Source: "osv-debian", Aliases: []string{"GHSA-2345-6789-cfgh", "x"},
			Related: []string{"CVE-2020-1", "CVE-2020-2"}, Summary: fmt.Sprint("flaw ", i), Severity: advisory.SeverityLow,
			CVSS:      []advisory.CVSS{{Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Source: "nvd"}},
			Published: date(2024, 1, 1+i%28), Modified: date(2024, 2, 1), URL: "https://example.org/",
			Affected: []advisory.Affected{
				{Ecosystem: "Debian:12", Package: fmt.Sprint("p", i/4), Arch: "amd64", Versions: []string{"1.0", "1.1"}},
				{Ecosystem: "Debian:12", Package: fmt.Sprint("q", i/4), Arch: "amd64", Versions: []string{"1.0", "1.1"}},
				{Ecosystem: "Debian:12", Package: "shared", Ranges: []version.Interval{{Introduced: "1", Fixed: fmt.Sprint(i)}, {Introduced: "2", LastAffected: "3"}}},
			},
		}
		if err := b.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Enrich("CVE-2024-37", advisory.Enrichment{EPSS: &advisory.EPSS{Score: .00043, Percentile: 1. / 3, Date: "2024-05-01"},
		Exploited: &advisory.Exploited{Added: "2024-01-01", Due: "2024-02-01", Ransomware: true},
		SSVC:      &advisory.SSVC{Exploitation: "poc", TechnicalImpact: "total", Date: "2024-05-03"}}); err != nil {
		t.Fatal(err)
	}
	for _, s := range smallStatements() {
		if err := b.Statement(s); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// readAll asks a snapshot for everything and returns the first error.
func readAll(db *DB) error {
	for _, e := range db.Ecosystems() {
		for _, name := range []string{"p0", "p3", "p9", "q3", "q9", "shared", "none", "", "zz"} {
			if _, err := lookup(db, e, name); err != nil {
				return err
			}
		}
	}
	for _, id := range []string{"CVE-2024-37", "CVE-2024-0", "GHSA-2345-6789-cfgh", "none"} {
		if _, _, err := db.Enrich(context.Background(), id); err != nil {
			return err
		}
	}
	for _, key := range []string{"pkg:golang/a.example/web", "pkg:oci/web", "none"} {
		for _, err := range db.Statements(context.Background(), key) {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// every shard of a snapshot, by name.
func shardFiles(t testing.TB, dir string, m Manifest) map[string]string {
	files := map[string]string{}
	for _, s := range m.Shards {
		files[s.Name] = filepath.Join(dir, filepath.FromSlash(shardPath(s.Digest)))
	}
	return files
}

// A byte changed anywhere either is not looked at by any lookup, and found by Verify, or
// ends in an error that names the file. It never makes an answer differ.
func TestDamageEverywhere(t *testing.T) {
	b := small(t)
	dir := t.TempDir()
	m, err := b.Write(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() (string, error) {
		db, err := Open(dir)
		if err != nil {
			return "", err
		}
		defer db.Close()
		var s strings.Builder
		for _, name := range []string{"p0", "p9", "q0", "q9", "shared", "none"} {
			got, err := lookup(db, "Debian:12", name)
			if err != nil {
				return "", err
			}
			may, err := db.MayAffect(t.Context(), "Debian:12", name, "1.5")
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&s, "%+v %v\n", got, may)
			for a, err := range db.LookupVersion(t.Context(), "Debian:12", name, "1.5") {
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&s, "%+v\n", a)
			}
		}
		for _, id := range []string{"CVE-2024-37", "CVE-2024-0", "GHSA-2345-6789-cfgh", "x", "none"} {
			e, ok, err := db.Enrich(t.Context(), id)
			if err != nil {
				return "", err
			}
			fmt.Fprint(&s, e.Severity, e.Summary, e.CVSS, e.Published, ok)
			if e.EPSS != nil {
				fmt.Fprint(&s, *e.EPSS, *e.Exploited, *e.SSVC)
			}
		}
		for _, key := range []string{"pkg:golang/a.example/web", "pkg:oci/web", "sha256:ab", "cpe:acme:web", "none"} {
			for st, err := range db.Statements(context.Background(), key) {
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&s, "%+v\n", st)
			}
		}
		return s.String(), nil
	}
	want, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	for name, path := range shardFiles(t, dir, m) {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		caught := 0
		for i := range good {
			bad := append([]byte(nil), good...)
			bad[i] ^= 1 << (i % 8)
			if err := os.WriteFile(path, bad, 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := ask()
			switch {
			case err == nil && got != want:
				t.Fatalf("%s: byte %d changed makes another answer", name, i)
			case err != nil && !strings.Contains(err.Error(), filepath.Base(path)):
				t.Fatalf("%s: byte %d changed: the error does not name the file: %v", name, i, err)
			case err != nil:
				caught++
			}
			if i%97 == 0 {
				db, err := Open(dir)
				if err != nil {
					t.Fatal(err)
				}
				if err := db.Verify(context.Background()); err == nil || !strings.Contains(err.Error(), filepath.Base(path)) {
					t.Fatalf("%s: byte %d changed: Verify says %v", name, i, err)
				}
				db.Close()
			}
		}
		if caught < len(good)*9/10 {
			t.Errorf("%s: %d of %d changes were caught", name, caught, len(good))
		}
		for _, size := range []int{0, 1, headerSize - 1, headerSize, len(good) / 2, len(good) - 1} {
			if err := os.WriteFile(path, good[:size], 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := ask(); err == nil || !strings.Contains(err.Error(), "truncated") || !strings.Contains(err.Error(), filepath.Base(path)) {
				t.Errorf("%s cut to %d bytes gives %v", name, size, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := ask(); err == nil || !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("%s missing gives %v", name, err)
		}
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := ask(); err == nil || !strings.Contains(err.Error(), "regular") {
			t.Errorf("%s being a folder gives %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		// Writing again repairs.
		if _, err := b.Write(context.Background(), dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append([]byte("x"), good[1:]...), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Write(context.Background(), dir); err != nil {
			t.Fatal(err)
		}
		if got, err := ask(); err != nil || got != want {
			t.Errorf("%s was not repaired: %v", name, err)
		}
	}
}

// Shards of one ecosystem may not stand in for another's.
func TestShardOfAnotherEcosystem(t *testing.T) {
	dir := t.TempDir()
	b := NewBuilder()
	for _, e := range []string{"Debian:11", "Debian:12"} {
		if err := b.Add(advisory.Advisory{ID: "CVE-2024-1", Source: "s", Affected: []advisory.Affected{{Ecosystem: e, Package: "p"}}}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := b.Write(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	m.Shards[0].Digest, m.Shards[1].Digest = m.Shards[1].Digest, m.Shards[0].Digest
	if err := os.WriteFile(filepath.Join(dir, manifestName), m.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	db, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := lookup(db, "Debian:12", "p"); err == nil {
		t.Error("the shard of Debian 11 answers for Debian 12")
	}
}

// A file cut short while it is mapped must not end the program.
func TestCutWhileOpen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what happens to a map of a file cut short is known for Linux only")
	}
	dir := t.TempDir()
	b := NewBuilder()
	names := generated(t, b, "Debian:12", 5000)
	db := open(t, b, dir)
	mustLookup(t, db, "Debian:12", names[0])
	path := shardFiles(t, dir, db.Manifest())["debian-12"]
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := lookup(db, "Debian:12", names[1]); err == nil || !strings.Contains(err.Error(), filepath.Base(path)) {
		t.Errorf("a file cut short while open gives %v", err)
	}
}

func TestGuardLetsOtherPanicsThrough(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("guard swallowed a panic")
		}
	}()
	var none []int
	_ = guard(func() error { _ = none[len(os.Args)]; return nil })
}

func TestReadersWhileWriting(t *testing.T) {
	dir := t.TempDir()
	b := small(t)
	if _, err := b.Write(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	old, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				db, err := Open(dir)
				if err != nil {
					t.Error(err)
					return
				}
				for _, db := range []*DB{old, db} {
					if err := readAll(db); err != nil {
						t.Error(err)
					}
				}
				if n := len(mustLookup(t, old, "Debian:12", "shared")); n != 40 {
					t.Errorf("the old snapshot has %d advisories now, want 40", n)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 10 {
		if err := b.Add(advisory.Advisory{ID: fmt.Sprint("CVE-2030-", i), Source: "s", Affected: []advisory.Affected{{Ecosystem: "Debian:12", Package: "shared"}}}); err != nil {
			t.Error(err)
		}
		if _, err := b.Write(context.Background(), dir); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

func TestOpenRefuses(t *testing.T) {
	b := small(t)
	dir := t.TempDir()
	m, err := b.Write(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	good := string(m.Bytes())
	path := filepath.Join(dir, manifestName)
	try := func(s string) error {
		if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
		db, err := Open(dir)
		if err == nil {
			db.Close()
		}
		return err
	}
	if err := try(good); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{
		strings.Replace(good, `"schema":2`, `"schema":3`, 1),
		`{"schema":1,"shards":[],"sources":[]}` + "\n",
		`{"form":"unheard of","schema":9}`,
	} {
		if err := try(other); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "reads version 2") {
			t.Errorf("another schema gives %v", err)
		}
	}
	for name, s := range map[string]string{
		"empty":             "",
		"html":              "<!DOCTYPE html>",
		"truncated":         good[:len(good)/2],
		"bytes after":       good + " ",
		"blank":             strings.Replace(good, `,"shards"`, `, "shards"`, 1),
		"unknown key":       strings.Replace(good, `"kind":`, `"kin":`, 1),
		"unknown kind":      strings.Replace(good, `"kind":"packages"`, `"kind":"package"`, 1),
		"path in digest":    strings.Replace(good, `"digest":"sha256:`, `"digest":"sha256:../`, 1),
		"negative size":     strings.Replace(good, `"size":`, `"size":-`, 1),
		"zero before":       strings.Replace(good, `"size":`, `"size":0`, 1),
		"huge size":         strings.Replace(good, `"size":`, `"size":9999999999999999999`, 1),
		"no such source":    strings.Replace(good, `"sources":[0]`, `"sources":[7]`, 1),
		"huge source":       strings.Replace(good, `"sources":[0]`, `"sources":[4294967296]`, 1),
		"escape":            strings.Replace(good, `"Debian`, "\"\x1b[31mDebian", 1),
		"needless escape":   strings.Replace(good, `"Debian`, `"\u0044ebian`, 1),
		"no time":           good[:1] + good[strings.Index(good, `"schema"`):],
		"another bucket":    strings.Replace(good, `"name":"text-cve-2024"`, `"name":"text-../cve"`, 1),
		"shared with owner": strings.Replace(good, `"kind":"text"`, `"ecosystem":"npm","kind":"text"`, 1),
	} {
		if s == good {
			t.Fatalf("%s: nothing was changed", name)
		}
		if err := try(s); err == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder without manifest gives %v", err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxManifest+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a manifest over the limit was accepted")
	}
}

// FuzzShard reads shards of any bytes, once as they are and once with their sums made
// right, so that what lies behind the sums is reached.
func FuzzShard(f *testing.F) {
	dir := f.TempDir()
	m, err := small(f).Write(context.Background(), dir)
	if err != nil {
		f.Fatal(err)
	}
	for kind, path := range map[byte]string{0: "debian-12", 1: "flaws-cve-2024", 2: "epss", 3: "text-cve-2024"} {
		b, err := os.ReadFile(shardFiles(f, dir, m)[path])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, kind, uint16(len(b)/2), byte(0xff))
		f.Add(b[:headerSize], kind, uint16(20), byte(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, kind byte, at uint16, change byte) {
		if len(b) < headerSize {
			return
		}
		b = append([]byte(nil), b...)
		b[int(at)%len(b)] ^= change
		info := m.Shards[int(kind)%len(m.Shards)]
		read := func() {
			s := &shard{info: info}
			if err := s.parse(b); err != nil {
				return
			}
			for _, key := range []string{"p0", "p3", "q0", "q3", "shared", "", "CVE-2024-37", "GHSA-2345-6789-cfgh", "none", "pkg:golang/a.example/web", "pkg:oci/web"} {
				body, ok, err := s.find(key)
				if err != nil || !ok {
					continue
				}
				if info.Kind == KindVEX {
					r, err := newVEXReader(s, key, body)
					for err == nil && r.left > 0 {
						_, err = r.next()
					}
					continue
				}
				if info.Kind != KindPackages {
					var e advisory.Enrichment
					_ = s.enrich(body, &e)
					continue
				}
				for _, only := range []bool{false, true} {
					r, err := newReader(s, body)
					if err == nil && only {
						err = r.only(info.Ecosystem, "1.5")
					}
					for err == nil && r.left > 0 {
						err = r.next(info.Ecosystem, key)
					}
				}
			}
		}
		read()
		pages := (len(b) - headerSize + pageSize + 3) / (pageSize + 4)
		if body := len(b) - headerSize - 4*pages; body >= 0 && body > (pages-1)*pageSize {
			copy(b, magic)
			b[8], b[9], b[10], b[11] = formatMajor, 0, kindNumbers[info.Kind], numSections
			for i := range 8 {
				b[16+i] = byte(uint64(len(b)) >> (8 * i))
			}
			reseal(b)
			read()
		}
	})
}

func FuzzManifest(f *testing.F) {
	m, err := small(f).Write(context.Background(), f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	m.Sources[0].Fetched, m.Sources[0].Home = date(2024, 1, 1), `https://example.org/"\`
	f.Add(m.Bytes())
	f.Add([]byte(`{"created":"2024-01-01T00:00:00Z","schema":2,"shards":[],"sources":[]}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(b)
		if err != nil {
			return
		}
		if got := m.Bytes(); string(got) != string(b) {
			t.Errorf("two forms of one manifest are accepted:\n%s\n%s", b, got)
		}
	})
}
