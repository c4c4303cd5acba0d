package feed

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// sinkLog notes what a feed says.
type sinkLog struct {
	advisories  []advisory.Advisory
	enriched    map[string]advisory.Enrichment
	lives       map[string]advisory.Lifecycle
	quarantined []string
	skipped     []string
	said        []advisory.Statement
	dated       []time.Time
}

func (l *sinkLog) sink() Sink {
	return Sink{
		Advisory: func(a advisory.Advisory) error { l.advisories = append(l.advisories, a); return nil },
		Enrichment: func(id string, e advisory.Enrichment) error {
			if l.enriched == nil {
				l.enriched = map[string]advisory.Enrichment{}
			}
			l.enriched[id] = e
			return nil
		},
		Lifecycle: func(key string, e advisory.Lifecycle) error {
			if l.lives == nil {
				l.lives = map[string]advisory.Lifecycle{}
			}
			l.lives[key] = e
			return nil
		},
		Statement:  func(s advisory.Statement) error { l.said = append(l.said, s); return nil },
		Quarantine: func(record string, err error) { l.quarantined = append(l.quarantined, record) },
		Skip:       func(record, why string) { l.skipped = append(l.skipped, record+": "+why) },
		Dated:      func(t time.Time) { l.dated = append(l.dated, t) },
	}
}

// folder gives a mirror on disk with the given files.
func folder(t *testing.T, files map[string]string) *Origin {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o, err := NewOrigin(dir)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// archive gives a zip archive of files.
func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(files))) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func feedNamed(t *testing.T, name string) Feed {
	t.Helper()
	for _, f := range All() {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no feed %s", name)
	return Feed{}
}

func TestAll(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range All() {
		if seen[f.Name] || f.Name == "" || strings.ContainsAny(f.Name, " /:") || strings.ToLower(f.Name) != f.Name {
			t.Errorf("%q is no name for a feed, or there are two", f.Name)
		}
		seen[f.Name] = true
		if !strings.HasPrefix(f.Home, "https://") || f.Doc == "" || f.Every <= 0 || f.Fetch == nil {
			t.Errorf("%s is not complete: %+v", f.Name, f)
		}
	}
}

func TestRun(t *testing.T) {
	boom := errors.New("boom")
	say := func(id, eco string, modified time.Time) advisory.Advisory {
		return advisory.Advisory{ID: id, Modified: modified, CVSS: []advisory.CVSS{{Vector: "v"}}, Affected: []advisory.Affected{{Ecosystem: eco}}}
	}
	day := func(d int) time.Time { return time.Date(2025, 1, d, 0, 0, 0, 0, time.UTC) }
	feeds := []Feed{
		{Name: "good", Home: "https://good", Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			out.Dated(day(1))
			out.Skip("x", "withdrawn")
			out.Quarantine("a\x1b\nb", boom)
			for i, e := range []string{"b", "a", "b"} {
				if err := out.Advisory(say(fmt.Sprint(i), e, day(3-i))); err != nil {
					return err
				}
			}
			return out.Enrichment("CVE", advisory.Enrichment{})
		}},
		{Name: "missing", Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			_, err := o.Open(ctx, "https://a.example/none")
			return err
		}},
		{Name: "half", Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			if err := out.Advisory(say("1", "a", day(1))); err != nil {
				return err
			}
			return fmt.Errorf("opening the rest: %w", ErrNotThere)
		}},
		{Name: "refused", Fetch: func(ctx context.Context, o *Origin, out Sink) error { return out.Advisory(say("refuse", "a", day(1))) }},
	}
	var got []advisory.Advisory
	var bad []string
	res := Run(t.Context(), folder(t, nil), feeds, func(f Feed) Sink {
		if f.Name == "refused" {
			return Sink{Advisory: func(advisory.Advisory) error { return boom }}
		}
		if f.Name != "good" {
			return Sink{}
		}
		return Sink{
			Advisory:   func(a advisory.Advisory) error { got = append(got, a); return nil },
			Quarantine: func(record string, err error) { bad = append(bad, record) },
		}
	})
	if len(res) != 4 {
		t.Fatalf("%d results", len(res))
	}
	r := res[0]
	if r.Name != "good" || r.Home != "https://good" || r.Records != 3 || r.Enrichments != 1 || r.Quarantined != 1 || r.Skipped != 1 ||
		!r.Newest.Equal(day(3)) || !slices.Equal(r.Ecosystems, []string{"a", "b"}) || r.Missing || r.Err != nil {
		t.Errorf("good: %+v", r)
	}
	if len(got) != 3 || got[0].Source != "good" || got[0].CVSS[0].Source != "good" || !slices.Equal(bad, []string{"a b"}) {
		t.Errorf("good: %+v, quarantined %q", got, bad)
	}
	if r := res[1]; !r.Missing || r.Err != nil {
		t.Errorf("missing: %+v", r)
	}
	if r := res[2]; r.Missing || !errors.Is(r.Err, ErrNotThere) || r.Records != 1 || !strings.Contains(r.Err.Error(), "half") {
		t.Errorf("half: %+v", r)
	}
	if r := res[3]; !errors.Is(r.Err, boom) {
		t.Errorf("refused: %+v", r)
	}
}

func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ran := 0
	feeds := []Feed{{Name: "a", Fetch: func(context.Context, *Origin, Sink) error { ran++; return nil }}}
	cancel()
	if res := Run(ctx, folder(t, nil), feeds, func(Feed) Sink { return Sink{} }); !errors.Is(res[0].Err, context.Canceled) || ran != 0 {
		t.Errorf("got %+v, ran %d times", res[0], ran)
	}
}

func TestRunEverythingMissing(t *testing.T) {
	for _, r := range Run(t.Context(), folder(t, nil), All(), func(Feed) Sink { return Sink{} }) {
		if !r.Missing || r.Err != nil {
			t.Errorf("%s: missing %v, %v", r.Name, r.Missing, r.Err)
		}
	}
}

// opened is a file in memory.
type opened struct{ *bytes.Reader }

func (opened) Close() error { return nil }

func open(data string) ReaderAtCloser { return opened{bytes.NewReader([]byte(data))} }

func TestEachEntry(t *testing.T) {
	files := map[string]string{"skip.txt": "x"}
	var want []string
	for i := range 1000 {
		files[fmt.Sprintf("%04d.json", i)] = fmt.Sprint(i)
		want = append(want, fmt.Sprint(i))
	}
	data := archive(t, files)
	parse := func(name string, data []byte, err error) string {
		if err != nil {
			return name + ": " + err.Error()
		}
		return string(data)
	}
	var got []string
	if err := eachEntry(t.Context(), open(data), isJSON, parse, func(s string) error { got = append(got, s); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d entries, not in the order of their names", len(got))
	}
	boom := errors.New("boom")
	n := 0
	err := eachEntry(t.Context(), open(data), isJSON, parse, func(string) error {
		if n++; n == 10 {
			return boom
		}
		return nil
	})
	if err != boom || n != 10 {
		t.Errorf("%v after %d", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var parsed atomic.Int32
	err = eachEntry(ctx, open(data), isJSON, func(string, []byte, error) int { parsed.Add(1); cancel(); return 0 }, func(int) error { return nil })
	if !errors.Is(err, context.Canceled) || parsed.Load() > 100 {
		t.Errorf("%v after %d", err, parsed.Load())
	}
	for _, bad := range []string{"", "<html>", data[:len(data)/2]} {
		if err := eachEntry(t.Context(), open(bad), isJSON, parse, func(string) error { return nil }); err == nil {
			t.Errorf("%d bytes that are no archive were taken", len(bad))
		}
	}
	// Damage to one entry is told and leaves the others.
	damaged := strings.Replace(archive(t, map[string]string{"a.json": strings.Repeat("damage", 99), "b.json": "whole"}), "\x4a", "\x4b", 1)
	i := strings.Index(damaged, "a.json") + len("a.json")
	damaged = damaged[:i] + "\xff\xff\xff\xff" + damaged[i+4:]
	got = nil
	if err := eachEntry(t.Context(), open(damaged), isJSON, parse, func(s string) error { got = append(got, s); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !strings.HasPrefix(got[0], "a.json: ") || got[1] != "whole" {
		t.Errorf("got %q", got)
	}
}

func TestEachEntryBomb(t *testing.T) {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	w, err := z.Create("bomb.json")
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range maxEntry>>20 + 1 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	told := 0
	err = eachEntry(t.Context(), open(buf.String()), isJSON, func(name string, data []byte, err error) bool { return data == nil && err != nil },
		func(bad bool) error {
			if bad {
				told++
			}
			return nil
		})
	if err != nil || told != 1 {
		t.Errorf("%v, told of %d", err, told)
	}
}

func TestOSVFeed(t *testing.T) {
	host := "osv-vulnerabilities.storage.googleapis.com/"
	suse := osvDoc("SUSE-SU-1", entry("SUSE:x", "a", fixed2)+","+entry("openSUSE:y", "a", fixed2), `"modified":"2025-01-02T00:00:00Z",`)
	o := folder(t, map[string]string{
		host + "Red Hat/all.zip":  archive(t, map[string]string{"RHSA-1.json": osvDoc("RHSA-1", entry("Red Hat:enterprise_linux:8::a", "a", fixed2)), "x.txt": ""}),
		host + "SUSE/all.zip":     archive(t, map[string]string{"SUSE-SU-1.json": suse}),
		host + "openSUSE/all.zip": archive(t, map[string]string{"SUSE-SU-1.json": suse, "openSUSE-SU-2.json": osvDoc("openSUSE-SU-2", entry("openSUSE:y", "a", fixed2)), "bad.json": "{"}),
		host + "npm/all.zip":      "<html>not found</html>",
	})
	for _, c := range []struct {
		name        string
		records     int
		quarantined int
		ecosystems  []string
	}{
		{"osv-red-hat", 1, 0, []string{"Red Hat:8"}},
		{"osv-suse", 2, 1, []string{"SUSE:x", "openSUSE:y"}},
	} {
		r := run(t.Context(), o, feedNamed(t, c.name), Sink{})
		if r.Err != nil || r.Records != c.records || r.Quarantined != c.quarantined || !slices.Equal(r.Ecosystems, c.ecosystems) {
			t.Errorf("%+v", r)
		}
	}
	if r := run(t.Context(), o, feedNamed(t, "osv-npm"), Sink{}); r.Err == nil || r.Missing {
		t.Errorf("%+v", r)
	}
}

func TestGoFeed(t *testing.T) {
	o := folder(t, map[string]string{"vuln.go.dev/vulndb.zip": archive(t, map[string]string{
		"index/modules.json":   "[]",
		"ID/GO-2024-1000.json": osvDoc("GO-2024-1000", entry("Go", "stdlib", `{"introduced":"0"},{"fixed":"1.21.9"},{"introduced":"1.22.0-0"},{"fixed":"1.22.2"}`), `"aliases":["CVE-2024-1000"],`),
		"ID/GO-2024-2000.json": osvDoc("GO-2024-2000", entry("Go", "x", fixed2), `"withdrawn":"2024-01-01T00:00:00Z",`),
	})})
	var log sinkLog
	r := run(t.Context(), o, feedNamed(t, "go-vulndb"), log.sink())
	if r.Err != nil || r.Records != 1 || !slices.Equal(log.skipped, []string{"GO-2024-2000: withdrawn"}) {
		t.Fatalf("%+v, skipped %q", r, log.skipped)
	}
	if a := log.advisories[0]; a.URL != "https://pkg.go.dev/vuln/GO-2024-1000" || a.Affected[0].Package != "stdlib" || len(a.Affected[0].Ranges) != 2 {
		t.Errorf("%+v", a)
	}
}

// TestFutureDates: a feed does not look fresh by a date that has not come.
func TestFutureDates(t *testing.T) {
	was := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)
	f := Feed{Name: "f", Fetch: func(_ context.Context, _ *Origin, out Sink) error {
		out.Dated(was)
		out.Dated(time.Now().AddDate(1, 0, 0))
		return out.Advisory(advisory.Advisory{ID: "X-1", Modified: time.Now().AddDate(70, 0, 0)})
	}}
	r := Run(t.Context(), folder(t, nil), []Feed{f}, func(Feed) Sink { return Sink{} })[0]
	if r.Err != nil || !r.Newest.Equal(was) {
		t.Errorf("newest %v, %v; want %v", r.Newest, r.Err, was)
	}
}
