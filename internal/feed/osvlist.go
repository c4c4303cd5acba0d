package feed

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Names in an ecosystem's folder of osv.dev (google.github.io/osv.dev/data): its
// archive, and the list of its records with the time each was last changed. Beside
// them each record lies alone as ID.json.
const (
	osvArchive = "all.zip"
	osvChanges = "modified_id.csv"
)

// Bounds on reading an ecosystem from what has changed since its archive.
const (
	maxOSVList     = 256 << 20
	maxSingles     = 4000               // records fetched one by one, at most
	minSingles     = 32                 // and as many in any case
	bytesSingle    = 32 << 10           // what asking for one is worth, in bytes of the archive
	maxArchiveAge  = 7 * 24 * time.Hour // after which the archive is asked for in any case
	deletedAtOnce  = 16                 // records that may be gone from a list in any case
	deletedPortion = 10                 // and one in so many of the archive's
)

// osvList is the list of an ecosystem's records: a row "TIME,ID" for each.
type osvList struct {
	rows   map[string]time.Time
	newest time.Time
	// partial is set if a row's ID could not be read: a record that is not in rows may
	// be listed all the same.
	partial bool
}

// parseOSVList reads a list. The order of its rows does not matter, and a row whose
// time cannot be read lists its record all the same. A list that does not end with
// the end of a line is cut short.
func parseOSVList(text string) (*osvList, error) {
	l := &osvList{rows: make(map[string]time.Time, strings.Count(text, "\n"))}
	if !strings.HasSuffix(text, "\n") {
		return nil, errors.New("it is cut short")
	}
	for row := range strings.Lines(text) {
		row = strings.TrimRight(row, "\r\n")
		when, id, _ := strings.Cut(row, ",")
		if !isOSVID(id) {
			l.partial = true
			continue
		}
		t := parseTime(when)
		if had, ok := l.rows[id]; !ok || t.After(had) {
			l.rows[id] = t
		}
		if t.After(l.newest) {
			l.newest = t
		}
	}
	if l.newest.IsZero() {
		return nil, errors.New("it lists no record")
	}
	return l, nil
}

// isOSVID tells IDs that can be the names of files.
func isOSVID(id string) bool {
	if id == "" || len(id) > 128 || id[0] == '.' || strings.ContainsAny(id, `/\?,"<>`) {
		return false
	}
	for i := 0; i < len(id); i++ {
		if id[i] < ' ' || id[i] >= 0x7f {
			return false
		}
	}
	return true
}

// folder reads an ecosystem: the archive and, by the list of changes, the records
// beside it that are newer; base is the folder's address.
//
// A record beside the archive counts if it is listed and newer than the archive's. One
// of the archive that is not listed any more is left out, unless the archive is newer
// than the list or the list has lost too much at once to be believed. So an archive
// with a list that it goes with, or with none, stands as it is.
//
// Over the network that takes a folder to keep in, and the archive is fetched if it is
// not kept, is a week old, or too many records have changed since; else the records
// alone.
func (r osvReader) folder(ctx context.Context, o *Origin, base string, read map[string]struct{}, out Sink) error {
	m := osvMerge{r: r, o: o, base: base, read: read, out: out}
	if o.dir == "" && o.keep == nil {
		return r.archive(ctx, o, base+osvArchive, isJSON, read, out)
	}
	var err error
	if m.list, err = m.changes(ctx); err != nil {
		return err
	}
	var f ReaderAtCloser
	if m.list != nil && o.keep != nil {
		if k := m.spared(ctx); k != nil {
			f = k
		}
	}
	if f == nil {
		if f, err = o.OpenAt(ctx, base+osvArchive); err != nil {
			return err
		}
		if m.list != nil && o.keeps() {
			// The list should not be older than the archive.
			if m.list, err = m.changes(ctx); err != nil {
				f.Close()
				return err
			}
		}
	}
	defer f.Close()
	if m.list == nil {
		return eachEntry(ctx, f, isJSON, r.parse, handOn(read, out))
	}
	return m.run(ctx, f)
}

// osvMerge is the reading of one ecosystem.
type osvMerge struct {
	r    osvReader
	o    *Origin
	base string
	read map[string]struct{}
	out  Sink
	list *osvList

	drops  bool                 // the list is believed about what is gone
	newer  bool                 // the archive is newer than the list
	extra  []string             // IDs that are listed and not in the archive, in order
	held   []osvParsed          // records of the archive that are not listed
	has    map[string]time.Time // what the archive holds
	used   map[string]struct{}  // files beside the archive that were used
	asked  int
	budget int
}

// changes reads the list; nil if there is none, or none that can be read.
func (m *osvMerge) changes(ctx context.Context) (*osvList, error) {
	b, err := m.o.Open(ctx, m.base+osvChanges)
	if errors.Is(err, ErrNotThere) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer b.Close()
	data, err := readAll(b, maxOSVList)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", osvChanges, err)
	}
	l, err := parseOSVList(string(data))
	if err != nil {
		m.out.Quarantine(osvChanges, err)
		return nil, nil //nolint:nilerr // the archive is read without it
	}
	return l, nil
}

// spared gives the kept archive if it and few enough records of the list are all
// there is to know, or nil.
func (m *osvMerge) spared(ctx context.Context) *diskFile {
	f, s, err := m.o.atHand(ctx, m.base+osvArchive, m.o.maxArchive)
	if err != nil {
		return nil
	}
	has, sum := m.o.rows(m.base)
	changed, gone := 0, 0
	for id, t := range m.list.rows {
		if had, ok := has[id]; !ok || t.After(had) {
			changed++
		}
	}
	for id := range has {
		if _, ok := m.list.rows[id]; !ok {
			gone++
		}
	}
	if sum != f.sum || time.Since(s.Confirmed) > maxArchiveAge || changed > singles(f.size) || !believed(gone, len(has)) {
		f.Close()
		return nil
	}
	return f
}

// singles is how many records may be fetched one by one in place of an archive.
func singles(archive int64) int {
	return int(min(max(archive/bytesSingle, minSingles), maxSingles))
}

// believed tells whether gone of all records may have been taken from a list.
func believed(gone, all int) bool { return gone <= max(deletedAtOnce, all/deletedPortion) }

// run reads the archive and the list together, in the order of the records' names.
func (m *osvMerge) run(ctx context.Context, f ReaderAtCloser) error {
	z, err := zip.NewReader(f, f.Size())
	if err != nil {
		return fmt.Errorf("reading the archive's directory: %v", err)
	}
	m.has = make(map[string]time.Time, len(z.File))
	for _, e := range z.File {
		if id, ok := strings.CutSuffix(e.Name, ".json"); ok {
			m.has[id] = time.Time{}
		}
	}
	m.used = map[string]struct{}{}
	m.budget = singles(f.Size())
	gone := 0
	for id := range m.has {
		if _, ok := m.list.rows[id]; !ok {
			gone++
		}
	}
	m.drops = !m.list.partial && believed(gone, len(m.has))
	switch {
	case m.list.partial:
		m.out.Quarantine(osvChanges, errors.New("a row of it cannot be read"))
	case !m.drops:
		m.out.Quarantine(osvChanges, fmt.Errorf("it does not list %d of the archive's %d records, which is more than it is believed", gone, len(m.has)))
	}
	for id := range m.list.rows {
		if _, ok := m.has[id]; !ok {
			m.extra = append(m.extra, id)
		}
	}
	slices.SortFunc(m.extra, func(a, b string) int { return strings.Compare(a+".json", b+".json") })
	if err := eachEntry(ctx, f, isJSON, m.r.parse, func(p osvParsed) error { return m.entry(ctx, p) }); err != nil {
		return err
	}
	if err := m.extras(ctx, ""); err != nil {
		return err
	}
	for i := range m.held {
		p := &m.held[i]
		if !m.newer {
			p = &osvParsed{name: p.name, skip: "no longer listed"}
		}
		if err := handOn(m.read, m.out)(*p); err != nil {
			return err
		}
	}
	m.learn(f)
	return nil
}

// entry takes a record of the archive.
func (m *osvMerge) entry(ctx context.Context, p osvParsed) error {
	if err := m.extras(ctx, p.name); err != nil {
		return err
	}
	m.has[p.name] = p.modified
	row, listed := m.list.rows[p.name]
	switch {
	case !listed:
		m.newer = m.newer || p.modified.After(m.list.newest)
		if m.drops {
			m.held = append(m.held, p)
			return nil
		}
	case p.modified.After(row):
		m.newer = true
	case row.After(p.modified):
		s, err := m.single(ctx, p.name, row)
		if err != nil {
			return err
		}
		switch {
		case s == nil:
		case s.adv == nil && s.bad != nil && p.bad == nil:
			m.out.Quarantine(p.name, s.bad)
		case s.modified.After(p.modified) || p.bad != nil:
			p = *s
		}
	}
	return handOn(m.read, m.out)(p)
}

// extras takes the records beside the archive whose names come before next; all that
// are left, for "".
func (m *osvMerge) extras(ctx context.Context, next string) error {
	for len(m.extra) > 0 && (next == "" || m.extra[0]+".json" < next+".json") {
		id := m.extra[0]
		m.extra = m.extra[1:]
		s, err := m.single(ctx, id, m.list.rows[id])
		if err != nil {
			return err
		}
		if s == nil {
			s = &osvParsed{name: id, bad: errors.New("it is listed, and neither in the archive nor beside it")}
		}
		if err := handOn(m.read, m.out)(*s); err != nil {
			return err
		}
	}
	return nil
}

// single gives the record beside the archive, or nil. It is asked for only if there is
// none at hand that is as new as the list says.
func (m *osvMerge) single(ctx context.Context, id string, row time.Time) (*osvParsed, error) {
	name := id + ".json"
	p := m.beside(ctx, id)
	switch {
	case p != nil && (!m.o.keeps() || !p.modified.Before(row)):
		m.used[name] = struct{}{}
		return p, nil
	case !m.o.keeps() || m.asked >= m.budget:
		return nil, nil
	}
	m.asked++
	b, err := m.o.Open(ctx, m.base+url.PathEscape(name))
	if errors.Is(err, ErrNotThere) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer b.Close()
	m.used[name] = struct{}{}
	return m.parse(id, b), nil
}

// beside gives the record that is at hand beside the archive; nil if there is none.
func (m *osvMerge) beside(ctx context.Context, id string) *osvParsed {
	f, _, err := m.o.atHand(ctx, m.base+url.PathEscape(id+".json"), maxEntry)
	if errors.Is(err, ErrNotThere) {
		return nil
	}
	if err != nil {
		return &osvParsed{name: id, bad: err}
	}
	defer f.Close()
	return m.parse(id, f)
}

// parse reads the record beside the archive.
func (m *osvMerge) parse(id string, r io.Reader) *osvParsed {
	data, err := readAll(r, maxEntry)
	p := m.r.parse(id+".json", data, err)
	if p.id != id && p.bad == nil {
		p = osvParsed{name: id, bad: fmt.Errorf("the record is %.60q", p.id)}
	}
	return &p
}

// learn notes what the archive holds, for the next reading to know what has changed,
// and removes records beside an older archive that are of no use with this one.
func (m *osvMerge) learn(f ReaderAtCloser) {
	d, ok := f.(*diskFile)
	if !ok || !m.o.keeps() || m.o.visit == nil {
		return
	}
	if _, sum := m.o.rows(m.base); sum == d.sum {
		return
	}
	m.o.then(func() {
		_ = m.o.putRows(m.base, d.sum, m.has)
		if host, path, err := locate(m.base); err == nil {
			m.o.keep.prune(host+"/"+strings.TrimSuffix(path, "/"), m.used)
		}
	})
}

// rows gives what the archive of the folder at base held whose SHA-256 sum is.
func (o *Origin) rows(base string) (has map[string]time.Time, sum string) {
	data, err := o.keep.read(keepRows+keyOf(base), maxOSVList)
	if err != nil {
		return nil, ""
	}
	sum, text, _ := strings.Cut(string(data), "\n")
	has = map[string]time.Time{}
	for row := range strings.Lines(text) {
		when, id, ok := strings.Cut(strings.TrimSuffix(row, "\n"), ",")
		if !ok || !isOSVID(id) {
			return nil, ""
		}
		has[id] = parseTime(when)
	}
	return has, sum
}

// putRows writes down what an archive holds, for rows.
func (o *Origin) putRows(base, sum string, has map[string]time.Time) error {
	var b strings.Builder
	b.WriteString(sum + "\n")
	for _, id := range slices.Sorted(maps.Keys(has)) {
		if isOSVID(id) {
			b.WriteString(has[id].Format(time.RFC3339) + "," + id + "\n")
		}
	}
	return o.keep.put(keepRows+keyOf(base), []byte(b.String()))
}
