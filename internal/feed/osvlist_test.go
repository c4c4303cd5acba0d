package feed

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const osvNPM = "osv-vulnerabilities.storage.googleapis.com/npm/"

// npm is an ecosystem at its publisher: records by ID, with the day they were changed.
type npm map[string]int

func listDay(n int) string { return fmt.Sprintf("2025-01-%02dT00:00:00Z", n) }

// record gives the record of an ID, as changed on that day; on an odd one it says so.
func record(id string, n int) string {
	return osvDoc(id, entry("npm", fmt.Sprintf("day-%d", n), fixed2), fmt.Sprintf(`"modified":%q,`, listDay(n)))
}

func (e npm) archive(t *testing.T) string {
	files := map[string]string{}
	for id, n := range e {
		files[id+".json"] = record(id, n)
	}
	return archive(t, files)
}

func (e npm) list() string {
	var rows []string
	for id, n := range e {
		rows = append(rows, listDay(n)+","+id+"\n")
	}
	slices.Sort(rows)
	slices.Reverse(rows)
	return strings.Join(rows, "")
}

// publish puts the ecosystem where the publisher does.
func (e npm) publish(t *testing.T, files map[string]string) {
	files[osvNPM+osvArchive] = e.archive(t)
	files[osvNPM+osvChanges] = e.list()
	for id, n := range e {
		files[osvNPM+id+".json"] = record(id, n)
	}
}

// readNPM gives what the feed says: "ID package" for each record, in order.
func readNPM(t *testing.T, o *Origin) ([]string, Result, sinkLog) {
	t.Helper()
	var log sinkLog
	r := run(t.Context(), o, feedNamed(t, "osv-npm"), log.sink())
	var out []string
	for _, a := range log.advisories {
		out = append(out, a.ID+" "+a.Affected[0].Package)
	}
	return out, r, log
}

func TestOSVListInFolder(t *testing.T) {
	big := npm{}
	for i := range 200 {
		big[fmt.Sprintf("X-%03d", i)] = 1
	}
	half := maps.Clone(big)
	maps.DeleteFunc(half, func(id string, _ int) bool { return id < "X-100" })
	all := func(e npm) []string {
		var out []string
		for _, id := range slices.Sorted(maps.Keys(e)) {
			out = append(out, fmt.Sprintf("%s day-%d", id, e[id]))
		}
		return out
	}
	for _, c := range []struct {
		name        string
		archive     npm
		list        string
		singles     map[string]string
		want        []string
		skipped     []string
		quarantined []string
	}{
		{name: "no list", archive: npm{"A-1": 1, "B-1": 2}, singles: map[string]string{"A-1": record("A-1", 3)}, want: []string{"A-1 day-1", "B-1 day-2"}},
		{name: "as the archive", archive: npm{"A-1": 1, "B-1": 2}, list: npm{"A-1": 1, "B-1": 2}.list(), want: []string{"A-1 day-1", "B-1 day-2"}},
		{
			name: "newer, new and deleted", archive: npm{"A-1": 1, "B-1": 2, "C-1": 2}, list: npm{"A-1": 3, "C-1": 2, "A-1-2": 3, "D-1": 3}.list(),
			singles: map[string]string{"A-1": record("A-1", 3), "A-1-2": record("A-1-2", 3), "D-1": record("D-1", 3), "E-1": record("E-1", 3)},
			want:    []string{"A-1-2 day-3", "A-1 day-3", "C-1 day-2", "D-1 day-3"}, skipped: []string{"B-1: no longer listed"},
		},
		{
			name: "the single is newer than its row", archive: npm{"A-1": 1}, list: npm{"A-1": 2}.list(),
			singles: map[string]string{"A-1": record("A-1", 3)}, want: []string{"A-1 day-3"},
		},
		{
			name: "the single is older than the archive", archive: npm{"A-1": 2}, list: npm{"A-1": 3}.list(),
			singles: map[string]string{"A-1": record("A-1", 1)}, want: []string{"A-1 day-2"},
		},
		{
			name: "a mirror that has the list alone", archive: npm{"A-1": 1, "B-1": 2}, list: npm{"A-1": 3, "B-1": 2, "C-1": 3}.list(),
			want: []string{"A-1 day-1", "B-1 day-2"}, quarantined: []string{"C-1"},
		},
		{
			name: "withdrawn since", archive: npm{"A-1": 1, "B-1": 1}, list: npm{"A-1": 3, "B-1": 1}.list(),
			singles: map[string]string{"A-1": strings.Replace(record("A-1", 3), `"modified"`, `"withdrawn":"2025-01-03T00:00:00Z","modified"`, 1)},
			want:    []string{"B-1 day-1"}, skipped: []string{"A-1: withdrawn"},
		},
		{name: "an archive newer than the list", archive: npm{"A-1": 1, "B-1": 2, "C-1": 4}, list: npm{"A-1": 1, "C-1": 3}.list(), want: []string{"A-1 day-1", "C-1 day-4", "B-1 day-2"}},
		{name: "an archive with a record newer than the list", archive: npm{"A-1": 1, "B-1": 4}, list: npm{"A-1": 1}.list(), want: []string{"A-1 day-1", "B-1 day-4"}},
		{name: "half of the records gone", archive: big, list: half.list(), want: all(big), quarantined: []string{osvChanges}},
		{name: "a list cut short", archive: npm{"A-1": 1, "B-1": 2}, list: strings.TrimSuffix(npm{"A-1": 1}.list(), "\n"), want: []string{"A-1 day-1", "B-1 day-2"}, quarantined: []string{osvChanges}},
		{name: "a row that cannot be read", archive: npm{"A-1": 1, "B-1": 2}, list: npm{"A-1": 2}.list() + "C-1\n", want: []string{"A-1 day-1", "B-1 day-2"}, quarantined: []string{osvChanges}},
		{name: "a row without a time", archive: npm{"A-1": 1, "B-1": 1}, list: npm{"A-1": 2}.list() + "1-01-01T00:00:00Z,B-1\n", want: []string{"A-1 day-1", "B-1 day-1"}},
		{name: "no list at all", archive: npm{"A-1": 1}, list: "<html>\n<body>\n", want: []string{"A-1 day-1"}, quarantined: []string{osvChanges}},
		{
			name: "singles that cannot be read, or are others", archive: npm{"A-1": 1, "B-1": 1}, list: npm{"A-1": 2, "B-1": 2, "C-1": 2}.list(),
			singles: map[string]string{"A-1": "{", "B-1": record("A-1", 2), "C-1": record("A-1", 2)},
			want:    []string{"A-1 day-1", "B-1 day-1"}, quarantined: []string{"A-1", "B-1", "C-1"},
		},
		{name: "a row that leads elsewhere", archive: npm{"A-1": 1}, list: npm{"A-1": 1}.list() + listDay(2) + ",../../x\n", want: []string{"A-1 day-1"}, quarantined: []string{osvChanges}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{osvNPM + osvArchive: c.archive.archive(t)}
			if c.list != "" {
				files[osvNPM+osvChanges] = c.list
			}
			for id, data := range c.singles {
				files[osvNPM+id+".json"] = data
			}
			got, r, log := readNPM(t, folder(t, files))
			if r.Err != nil || !slices.Equal(got, c.want) || !slices.Equal(log.skipped, c.skipped) || !slices.Equal(log.quarantined, c.quarantined) {
				t.Errorf("%v: %q, skipped %q, quarantined %q", r.Err, got, log.skipped, log.quarantined)
			}
		})
	}
}

func TestOSVIncremental(t *testing.T) {
	dir := t.TempDir()
	e := npm{}
	for i := range 100 {
		e[fmt.Sprintf("X-%03d", i)] = 1
	}
	p := newPublisher(t, map[string]string{})
	e.publish(t, p.files)
	steps := []struct {
		name   string
		change func()
		asked  []string // apart from the list
	}{
		{"first", func() {}, []string{"200 all.zip", "304 modified_id.csv"}},
		{"unchanged", func() {}, nil},
		{
			"changed, new and deleted", func() { e["X-005"] = 2; e["Y-001"] = 2; delete(e, "X-010") },
			[]string{"200 X-005.json", "200 Y-001.json"},
		},
		{"unchanged again", func() {}, nil},
		{"changed again", func() { e["X-005"] = 3 }, []string{"200 X-005.json"}},
		{"listed with an old date", func() { e["Z-001"] = 1 }, []string{"200 Z-001.json"}},
		{
			"many", func() {
				for i := range minSingles {
					e[fmt.Sprintf("X-%03d", 20+i)] = 4
				}
			}, []string{"200 all.zip", "304 modified_id.csv"},
		},
		{"unchanged after that", func() {}, nil},
	}
	for i, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			s.change()
			p.set(func(p *publisher) { p.files = map[string]string{}; e.publish(t, p.files) })
			got, r, log := readNPM(t, p.keeping(t, dir))
			if r.Err != nil || r.Stale != nil || len(log.quarantined) > 0 || time.Since(r.Fetched) > time.Minute {
				t.Fatalf("%+v, quarantined %q", r, log.quarantined)
			}
			var want []string
			for _, id := range slices.Sorted(maps.Keys(e)) {
				want = append(want, fmt.Sprintf("%s day-%d", id, e[id]))
			}
			if !slices.Equal(got, want) {
				t.Errorf("read %q", got)
			}
			asked, sent := p.since()
			var wanted []string
			for _, a := range s.asked {
				status, name, _ := strings.Cut(a, " ")
				wanted = append(wanted, status+" "+osvNPM+name)
			}
			if len(s.asked) == 0 && i > 0 {
				if wanted = []string{"304 " + osvNPM + osvChanges}; sent != 0 {
					t.Errorf("%d bytes sent", sent)
				}
			} else {
				wanted = append(wanted, "200 "+osvNPM+osvChanges)
			}
			slices.Sort(wanted)
			if !slices.Equal(asked, wanted) {
				t.Errorf("asked %q, want %q", asked, wanted)
			}
			// What is kept is a mirror that says the same.
			o, err := NewOrigin(dir)
			if err != nil {
				t.Fatal(err)
			}
			if again, r, _ := readNPM(t, o); r.Err != nil || !slices.Equal(again, got) {
				t.Errorf("as a mirror: %v, %q", r.Err, again)
			}
			if again, r, _ := readNPM(t, p.keeping(t, dir).Kept()); r.Err != nil || !slices.Equal(again, got) {
				t.Errorf("as kept: %v, %q", r.Err, again)
			}
		})
	}
	// Records beside an archive that has them are gone.
	for name := range mirrored(t, dir) {
		if name != osvNPM+osvArchive && name != osvNPM+osvChanges {
			t.Errorf("%s is still kept", name)
		}
	}
	// After a week the archive is asked for in any case, and damage to it is found.
	o := p.keeping(t, dir)
	state := keepState + keyOf(osvNPM+osvArchive)
	s, ok := o.keep.state(state)
	if !ok {
		t.Fatal("no state")
	}
	s.Confirmed = s.Confirmed.Add(-maxArchiveAge - time.Hour)
	if err := o.keep.putState(state, s); err != nil {
		t.Fatal(err)
	}
	readNPM(t, o)
	if asked, sent := p.since(); sent != 0 || !slices.Contains(asked, "304 "+osvNPM+osvArchive) {
		t.Errorf("asked %q, %d bytes sent", asked, sent)
	}
}

// A record that cannot be had breaks the feed off; it is then read as it was kept.
func TestOSVIncrementalBroken(t *testing.T) {
	dir := t.TempDir()
	e := npm{"A-1": 1, "B-1": 1}
	p := newPublisher(t, map[string]string{})
	e.publish(t, p.files)
	before, first, _ := readNPM(t, p.keeping(t, dir))
	e["B-1"], e["C-1"] = 2, 2
	p.set(func(p *publisher) { e.publish(t, p.files); p.cut[osvNPM+"C-1.json"] = 0 })
	o := p.keeping(t, dir)
	broken := time.Now()
	if _, r, _ := readNPM(t, o); r.Err == nil {
		t.Errorf("%+v", r)
	}
	got, r, _ := readNPM(t, o.Kept())
	if r.Err != nil || !slices.Equal(got, before) || r.Fetched.Sub(first.Fetched) < 0 || !r.Fetched.Before(broken) {
		t.Errorf("as kept: %v, %q, %v", r.Err, got, r.Fetched)
	}
	p.set(func(p *publisher) { p.cut = map[string]int{} })
	p.since()
	got, r, _ = readNPM(t, p.keeping(t, dir))
	asked, _ := p.since()
	if r.Err != nil || !slices.Equal(got, []string{"A-1 day-1", "B-1 day-2", "C-1 day-2"}) || !slices.Equal(asked, []string{"200 " + osvNPM + "C-1.json", "304 " + osvNPM + osvChanges}) {
		t.Errorf("%v, %q, asked %q", r.Err, got, asked)
	}
}

// A publisher without a list, and one whose list is a page, still gives its archive.
func TestOSVWithoutList(t *testing.T) {
	for _, list := range []string{"", "no list\n"} {
		dir := t.TempDir()
		p := newPublisher(t, map[string]string{osvNPM + osvArchive: npm{"A-1": 1}.archive(t)})
		if list != "" {
			p.files[osvNPM+osvChanges] = list
		}
		for range 2 {
			if got, r, _ := readNPM(t, p.keeping(t, dir)); r.Err != nil || !slices.Equal(got, []string{"A-1 day-1"}) {
				t.Errorf("%+v, %q", r, got)
			}
		}
		if asked, _ := p.since(); !slices.Contains(asked, "304 "+osvNPM+osvArchive) {
			t.Errorf("asked %q", asked)
		}
	}
}

func TestParseOSVList(t *testing.T) {
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, "2025-01-%02dT01:02:03.%06dZ,X-%d\r\n", 1+i%28, i, i)
	}
	l, err := parseOSVList(b.String())
	if err != nil || len(l.rows) != 100_000 || l.partial || !l.newest.Equal(time.Date(2025, 1, 28, 1, 2, 3, 0, time.UTC)) {
		t.Errorf("%v, %d rows, newest %v", err, len(l.rows), l.newest)
	}
	l, err = parseOSVList("2025-01-01T00:00:00Z,A\n2025-01-03T00:00:00Z,A\n2025-01-02T00:00:00Z,A\n")
	if err != nil || len(l.rows) != 1 || l.rows["A"].Day() != 3 {
		t.Errorf("%v, %v", err, l)
	}
	// An ID that a publisher's tool once made.
	l, err = parseOSVList("2014-10-24T22:07:03Z,X-403 Forbidden-1\n")
	if err != nil || l.partial || len(l.rows) != 1 {
		t.Errorf("%v, %v", err, l)
	}
	for _, bad := range []string{"", "\n", "x", "2025-01-01T00:00:00Z,A", "<!doctype html>\n", "A,2025-01-01T00:00:00Z\n"} {
		if _, err := parseOSVList(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, row := range []string{"x", "2025-01-01T00:00:00Z,", "2025-01-01T00:00:00Z,a/b", "2025-01-01T00:00:00Z,..", "2025-01-01T00:00:00Z,a,b", "2025-01-01T00:00:00Z,a?b", ",", ""} {
		if l, err := parseOSVList("2025-01-01T00:00:00Z,A\n" + row + "\n"); err != nil || !l.partial || len(l.rows) != 1 {
			t.Errorf("%q: %v, %+v", row, err, l)
		}
	}
}

func FuzzOSVList(f *testing.F) {
	f.Add("2025-02-14T12:00:00Z,GHSA-1\n2025-02-13T12:00:00.123456Z,GHSA-2\r\n")
	f.Add("x,y\n2025-02-14,../x\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseOSVList(text)
		if err != nil {
			return
		}
		if len(l.rows) == 0 || len(l.rows) > strings.Count(text, "\n") {
			t.Errorf("%d rows of %q", len(l.rows), text)
		}
		for id, when := range l.rows {
			if _, _, err := locate("https://a.example/" + url.PathEscape(id+".json")); err != nil || when.After(l.newest) {
				t.Errorf("%q %v, %v", id, when, err)
			}
		}
	})
}
