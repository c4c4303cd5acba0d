package feed

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// indexed is a feed whose index names the files with its records, one a line.
var indexed = Feed{Name: "indexed", Home: "https://a.example", Fetch: func(ctx context.Context, o *Origin, out Sink) error {
	index, err := fetchSmall(ctx, o, "https://a.example/index.txt")
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(index)) {
		data, err := fetchSmall(ctx, o, "https://a.example/"+name)
		if errors.Is(err, ErrNotThere) {
			continue
		}
		if err != nil {
			return err
		}
		if strings.Contains(string(data), "broken") {
			return errors.New("broken data")
		}
		if err := out.Advisory(advisory.Advisory{ID: string(data)}); err != nil {
			return err
		}
	}
	return nil
}}

func visited(t *testing.T, o *Origin) ([]string, Result) {
	t.Helper()
	var log sinkLog
	r := run(t.Context(), o, indexed, log.sink())
	var ids []string
	for _, a := range log.advisories {
		ids = append(ids, a.ID)
	}
	return ids, r
}

func TestVisitStale(t *testing.T) {
	dir := t.TempDir()
	p := newPublisher(t, map[string]string{"a.example/index.txt": "a b none", "a.example/a": "A", "a.example/b": "B"})
	ids, first := visited(t, p.keeping(t, dir))
	if !slices.Equal(ids, []string{"A", "B"}) || first.Err != nil || first.Stale != nil || first.Fetched.IsZero() {
		t.Fatalf("%q, %+v", ids, first)
	}
	for manner, set := range map[string]func(*publisher){
		"fails":        func(p *publisher) { p.status = 500 },
		"refuses":      func(p *publisher) { p.status = 403 },
		"sends a page": func(p *publisher) { p.page = true },
	} {
		p.set(func(p *publisher) { p.status, p.page = 0, false; set(p) })
		ids, r := visited(t, p.keeping(t, dir))
		if !slices.Equal(ids, []string{"A", "B"}) || r.Err != nil || r.Stale == nil || !r.Fetched.Equal(first.Fetched) {
			t.Errorf("%s: %q, %+v; first %v", manner, ids, r, first.Fetched)
		}
	}
	// Nobody listens: the same server that cannot be reached at all.
	p.set(func(p *publisher) { p.status, p.page = 0, false })
	o := p.keeping(t, dir)
	o.client.Transport = refusing{}
	if ids, r := visited(t, o); !slices.Equal(ids, []string{"A", "B"}) || r.Stale == nil || !r.Fetched.Equal(first.Fetched) {
		t.Errorf("%q, %+v", ids, r)
	}
	// Back again.
	ids, r := visited(t, p.keeping(t, dir))
	if !slices.Equal(ids, []string{"A", "B"}) || r.Stale != nil || !r.Fetched.After(first.Fetched) {
		t.Errorf("%q, %+v", ids, r)
	}
	// Another server's files are not taken for this one's.
	q := newPublisher(t, nil)
	q.status = 500
	if ids, r := visited(t, q.keeping(t, dir)); r.Err == nil || len(ids) != 0 {
		t.Errorf("%q, %+v", ids, r)
	}
}

func TestVisitPartlyStale(t *testing.T) {
	dir := t.TempDir()
	p := newPublisher(t, map[string]string{"a.example/index.txt": "a b c", "a.example/a": "A", "a.example/b": "B", "a.example/c": "C"})
	_, first := visited(t, p.keeping(t, dir))
	p.set(func(p *publisher) {
		p.files = map[string]string{"a.example/index.txt": "a b c", "a.example/a": "A2", "a.example/b": strings.Repeat("B2", 50), "a.example/c": "C2"}
		p.cut["a.example/b"] = 10
	})
	// What comes after the failure is as it was kept, as is the file that failed.
	ids, r := visited(t, p.keeping(t, dir))
	if !slices.Equal(ids, []string{"A2", "B", "C"}) || r.Err != nil || !errors.Is(r.Stale, errCut) || r.Fetched.After(first.Fetched.Add(1e9)) || r.Fetched.IsZero() {
		t.Errorf("%q, %+v", ids, r)
	}
}

// A feed that breaks off leaves what it was read from last: a new index that names
// what cannot be had does not replace the old one.
func TestVisitBroken(t *testing.T) {
	for manner, set := range map[string]func(*publisher){
		"not to be had": func(p *publisher) { p.cut["a.example/c"] = 0 },
		"no sense":      func(p *publisher) { p.files["a.example/c"] = "broken" },
	} {
		t.Run(manner, func(t *testing.T) {
			dir := t.TempDir()
			p := newPublisher(t, map[string]string{"a.example/index.txt": "a b none", "a.example/a": "A", "a.example/b": "B"})
			_, first := visited(t, p.keeping(t, dir))
			p.set(func(p *publisher) {
				p.files = map[string]string{"a.example/index.txt": "a c", "a.example/a": "A2", "a.example/c": "C2"}
				set(p)
			})
			o := p.keeping(t, dir)
			if _, r := visited(t, o); r.Err == nil {
				t.Fatalf("%+v", r)
			}
			p.since()
			ids, r := visited(t, o.Kept())
			if asked, _ := p.since(); len(asked) != 0 {
				t.Errorf("asked %q", asked)
			}
			if !slices.Equal(ids, []string{"A", "B"}) || r.Err != nil || !r.Fetched.Equal(first.Fetched) {
				t.Errorf("%q, %+v; first %v", ids, r, first.Fetched)
			}
			if got := mirrored(t, dir); got["a.example/a"] != "A" {
				t.Errorf("kept %q", got)
			}
			// What came is not asked for again when the rest can be had.
			p.set(func(p *publisher) { p.cut = map[string]int{}; p.files["a.example/c"] = "C3" })
			ids, r = visited(t, p.keeping(t, dir))
			asked, _ := p.since()
			if !slices.Equal(ids, []string{"A2", "C3"}) || r.Err != nil || r.Stale != nil ||
				!slices.Equal(asked, []string{"200 a.example/c", "304 a.example/a", "304 a.example/index.txt"}) {
				t.Errorf("%q, %+v, asked %q", ids, r, asked)
			}
			if got := mirrored(t, dir); got["a.example/a"] != "A2" || got["a.example/c"] != "C3" {
				t.Errorf("kept %q", got)
			}
		})
	}
}

func TestVisitNeverFetched(t *testing.T) {
	p := newPublisher(t, map[string]string{"a.example/index.txt": "a"})
	p.status = 500
	o := p.keeping(t, t.TempDir())
	if _, r := visited(t, o); r.Err == nil || r.Missing || r.Stale != nil {
		t.Errorf("%+v", r)
	}
	// What was never fetched is not missing at the publisher.
	if _, r := visited(t, o.Kept()); r.Err == nil || r.Missing {
		t.Errorf("%+v", r)
	}
}

// A file that is gone at its publisher is gone from the mirror.
func TestVisitGone(t *testing.T) {
	dir := t.TempDir()
	p := newPublisher(t, map[string]string{"a.example/index.txt": "a b", "a.example/a": "A", "a.example/b": "B"})
	visited(t, p.keeping(t, dir))
	p.set(func(p *publisher) { delete(p.files, "a.example/b") })
	o := p.keeping(t, dir)
	ids, r := visited(t, o)
	if !slices.Equal(ids, []string{"A"}) || r.Err != nil || r.Stale != nil {
		t.Errorf("%q, %+v", ids, r)
	}
	if _, ok := mirrored(t, dir)["a.example/b"]; ok {
		t.Error("it is still kept")
	}
	if ids, r := visited(t, o.Kept()); !slices.Equal(ids, []string{"A"}) || r.Err != nil {
		t.Errorf("as kept: %q, %+v", ids, r)
	}
	p.set(func(p *publisher) { p.files["a.example/b"] = "B again" })
	if ids, _ := visited(t, p.keeping(t, dir)); !slices.Equal(ids, []string{"A", "B again"}) {
		t.Errorf("%q", ids)
	}
}

func TestVisitFetched(t *testing.T) {
	p := newPublisher(t, map[string]string{"a.example/index.txt": ""})
	o, err := NewOrigin(p.url)
	if err != nil {
		t.Fatal(err)
	}
	if _, r := visited(t, o); r.Fetched.IsZero() {
		t.Error("what is fetched and not kept has no time")
	}
	if _, r := visited(t, folder(t, map[string]string{"a.example/index.txt": ""})); !r.Fetched.IsZero() {
		t.Error("a mirror on disk has a time")
	}
}

func TestVisitFullDisk(t *testing.T) {
	// A folder that cannot be written to stands for the disk that is full.
	dir := t.TempDir()
	p := newPublisher(t, map[string]string{"a.example/index.txt": "a", "a.example/a": "A"})
	visited(t, p.keeping(t, dir))
	o := p.keeping(t, dir)
	p.set(func(p *publisher) { p.files["a.example/a"] = "A2" })
	if err := o.keep.root.RemoveAll(strings.TrimSuffix(keepPart, "/")); err != nil {
		t.Fatal(err)
	}
	ids, r := visited(t, o)
	if r.Err == nil && (r.Stale == nil || !slices.Equal(ids, []string{"A"})) {
		t.Errorf("%q, %+v", ids, r)
	}
	if got := mirrored(t, dir); got["a.example/a"] != "A" {
		t.Errorf("kept %q", got)
	}
	if _, r := visited(t, p.keeping(t, dir)); r.Err != nil || r.Stale != nil {
		t.Errorf("with room again: %+v", r)
	}
}
