package feed

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// nvdServer speaks as NVD's API does, and has none of NVD's files.
type nvdServer struct {
	t        *testing.T
	url      string
	now      time.Time
	modified map[string]time.Time // of records, by their numbers in order
	fails    map[string]int       // status for a page, by "START" or "since START"
	asked    []string
	doc      func(start, n, total int) string // in place of a page, if it gives one
}

func newNVDServer(t *testing.T, records int) *nvdServer {
	s := &nvdServer{t: t, now: time.Now().UTC().Add(-time.Hour), modified: map[string]time.Time{}, fails: map[string]int{}}
	for i := range records {
		s.modified[nvdNumber(i)] = s.now.AddDate(-1, 0, 0)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

func nvdNumber(i int) string { return fmt.Sprintf("CVE-2024-%05d", 10000+i) }

func (s *nvdServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != "services.nvd.nist.gov" || r.URL.Path != "/rest/json/cves/2.0/" {
		http.NotFound(w, r)
		return
	}
	q := r.URL.Query()
	start, err := strconv.Atoi(q.Get("startIndex"))
	if err != nil || q.Get("resultsPerPage") != "2000" {
		s.t.Errorf("asked for %s", r.URL)
	}
	call := q.Get("startIndex")
	var from, to time.Time
	if since := q.Get("lastModStartDate"); since != "" {
		call = "since " + call
		from, err = time.Parse("2006-01-02T15:04:05.000-07:00", since)
		to2, err2 := time.Parse("2006-01-02T15:04:05.000-07:00", q.Get("lastModEndDate"))
		if to = to2; err != nil || err2 != nil || to.Sub(from) > 120*24*time.Hour {
			http.NotFound(w, r)
			return
		}
	}
	s.asked = append(s.asked, call)
	if status := s.fails[call]; status != 0 {
		w.WriteHeader(status)
		return
	}
	var all []string
	for i := range len(s.modified) {
		id := nvdNumber(i)
		if at := s.modified[id]; from.IsZero() || !at.Before(from) && at.Before(to) {
			all = append(all, id)
		}
	}
	if s.doc != nil {
		if doc := s.doc(start, 2000, len(all)); doc != "" {
			fmt.Fprint(w, doc)
			return
		}
	}
	page := all[min(start, len(all)):min(start+2000, len(all))]
	recs := make([]string, len(page))
	for i, id := range page {
		recs[i] = nvdRec(id, `,"descriptions":[{"lang":"en","value":"`+s.modified[id].Format(time.DateOnly)+`"}]`)
	}
	doc := nvdDoc(s.now.Format("2006-01-02T15:04:05.000"), recs...)
	fmt.Fprint(w, strings.Replace(doc, fmt.Sprintf(`"totalResults":%d`, len(page)), fmt.Sprintf(`"totalResults":%d`, len(all)), 1))
}

func (s *nvdServer) since() []string {
	asked := s.asked
	s.asked = nil
	return asked
}

// toServer sends every request to one server, under the name that was asked for.
type toServer struct{ at string }

func (r toServer) RoundTrip(q *http.Request) (*http.Response, error) {
	u, err := url.Parse(r.at)
	if err != nil {
		return nil, err
	}
	q = q.Clone(q.Context())
	q.Host, q.URL.Scheme, q.URL.Host = q.URL.Host, u.Scheme, u.Host
	return http.DefaultTransport.RoundTrip(q)
}

// publisher gives an origin of NVD itself that keeps in dir.
func (s *nvdServer) publisher(dir string) (*Origin, *[]time.Duration) {
	s.t.Helper()
	o, err := NewOrigin("")
	if err != nil {
		s.t.Fatal(err)
	}
	o.client.Transport = toServer{s.url}
	waits := noSleep(o)
	if dir != "" {
		if err := o.Keep(dir); err != nil {
			s.t.Fatal(err)
		}
	}
	return o, waits
}

// TestNVDAPI lists all once, then what has changed; the kept pages are a mirror.
func TestNVDAPI(t *testing.T) {
	s := newNVDServer(t, 4001)
	dir := t.TempDir()
	var log sinkLog
	read := func(o *Origin) (Result, []string) {
		t.Helper()
		log = sinkLog{}
		r := run(t.Context(), o, nvdFeed(), log.sink())
		return r, s.since()
	}
	o, waits := s.publisher(dir)
	r, asked := read(o)
	if r.Err != nil || r.Enrichments != 4001 || !slices.Equal(asked, []string{"0", "2000", "4000"}) {
		t.Fatalf("%+v, asked %q", r, asked)
	}
	if !slices.Equal(*waits, []time.Duration{nvdPause, nvdPause}) {
		t.Errorf("waited %v", *waits)
	}
	s.modified[nvdNumber(3)], s.modified[nvdNumber(4001)] = s.now, s.now
	want := s.now.Format(time.DateOnly)
	check := func(r Result, from string) {
		t.Helper()
		if r.Enrichments != 4002 || log.enriched[nvdNumber(3)].Summary != want || log.enriched[nvdNumber(4001)].Summary != want || len(log.quarantined) > 0 {
			t.Errorf("%s: %+v, quarantined %q, %q", from, r, log.quarantined, log.enriched[nvdNumber(3)].Summary)
		}
	}
	for range 2 {
		o, _ = s.publisher(dir)
		r, asked = read(o)
		if r.Err != nil || !slices.Equal(asked, []string{"since 0"}) {
			t.Fatalf("%+v, asked %q", r, asked)
		}
		check(r, "changes")
	}
	// With the server down, and read from the folder by others.
	s.fails["since 0"] = http.StatusForbidden
	o, _ = s.publisher(dir)
	if r, _ = read(o); r.Err == nil && r.Stale == nil {
		t.Errorf("with the server down: %+v", r)
	}
	check(r, "with the server down")
	if r, asked = read(o.Kept()); r.Err != nil || len(asked) > 0 {
		t.Errorf("kept: %+v, asked %q", r, asked)
	}
	check(r, "kept")
	mirror, err := NewOrigin(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r, _ = read(mirror); r.Err != nil {
		t.Errorf("as a mirror: %+v", r)
	}
	check(r, "as a mirror")
	// What has changed is more than the half: all is listed anew, and old changes go.
	delete(s.fails, "since 0")
	for i := range 2100 {
		s.modified[nvdNumber(i)] = s.now
	}
	o, _ = s.publisher(dir)
	if r, asked = read(o); r.Err != nil || !slices.Equal(asked, []string{"since 0", "since 2000"}) {
		t.Errorf("%+v, asked %q", r, asked)
	}
	o, _ = s.publisher(dir)
	if r, asked = read(o); r.Err != nil || slices.ContainsFunc(asked, func(a string) bool { return strings.HasPrefix(a, "since") }) {
		t.Errorf("%+v, asked %q", r, asked)
	}
	check(r, "listed anew")
	s.modified[nvdNumber(4001)] = s.now.AddDate(0, 0, 1)
	want = ""
	if r, _ = read(mirror); r.Err != nil || r.Enrichments != 4002 || len(log.skipped) > 0 {
		t.Errorf("old changes are still there: %+v", r)
	}
}

// TestNVDAPIResumes: an interrupted listing goes on where it was left.
func TestNVDAPIResumes(t *testing.T) {
	s := newNVDServer(t, 4001)
	dir := t.TempDir()
	s.fails["4000"] = http.StatusNotFound
	o, _ := s.publisher(dir)
	if r := run(t.Context(), o, nvdFeed(), Sink{}); r.Err == nil || r.Missing {
		t.Errorf("without the last page: %+v", r)
	}
	s.since()
	delete(s.fails, "4000")
	o, _ = s.publisher(dir)
	if r := run(t.Context(), o, nvdFeed(), Sink{}); r.Err != nil || r.Enrichments != 4001 {
		t.Errorf("%+v", r)
	}
	if asked := s.since(); !slices.Equal(asked, []string{"4000"}) {
		t.Errorf("asked %q", asked)
	}
}

// TestNVDAPINothingKept: without a folder to keep in, all is listed each time; and an API
// that is not there is a failure, not a publisher without data.
func TestNVDAPINothingKept(t *testing.T) {
	s := newNVDServer(t, 2)
	o, _ := s.publisher("")
	if r := run(t.Context(), o, nvdFeed(), Sink{}); r.Err != nil || r.Enrichments != 2 || !slices.Equal(s.since(), []string{"0"}) {
		t.Errorf("%+v", r)
	}
	s.fails["0"] = http.StatusNotFound
	if r := run(t.Context(), o, nvdFeed(), Sink{}); r.Err == nil || r.Missing {
		t.Errorf("%+v", r)
	}
}

// TestNVDAPIDeceives: a listing that ends before its time, or has nothing in it, is none.
func TestNVDAPIDeceives(t *testing.T) {
	for what, doc := range map[string]func(start, n, total int) string{
		"nothing at all": func(int, int, int) string { return nvdDoc("2026-01-01T00:00:00.000") },
		"no total":       func(int, int, int) string { return `{"vulnerabilities":[]}` },
		"it ends early": func(start, _, _ int) string {
			if start > 0 {
				return nvdDoc("2026-01-01T00:00:00.000")
			}
			return ""
		},
		"a smaller total on the way": func(start, _, _ int) string {
			if start == 2000 {
				return nvdDoc("2026-01-01T00:00:00.000", nvdRec("CVE-2024-1"))
			}
			return ""
		},
		"a total without end": func(start, _, _ int) string {
			return `{"timestamp":"2026-01-01T00:00:00.000","totalResults":2000000000,"vulnerabilities":[]}`
		},
	} {
		s := newNVDServer(t, 4001)
		s.doc = doc
		o, _ := s.publisher(t.TempDir())
		if r := run(t.Context(), o, nvdFeed(), Sink{}); r.Err == nil || r.Missing {
			t.Errorf("%s: %+v", what, r)
		}
		if n := len(s.since()); n > 3 {
			t.Errorf("%s: %d pages were asked for", what, n)
		}
	}
}
