package advisorydb

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// The form of a statement in a byte. The low four bits are the form of its only range, or 0
// where it has none or several.
const (
	startNone     = 0      // Introduced is empty
	startZero     = 1      // Introduced is "0"
	startString   = 2      // Introduced follows
	endNone       = 0 << 2 // neither Fixed nor LastAffected
	endFixed      = 1 << 2 // Fixed follows
	endLast       = 2 << 2 // LastAffected follows
	endBoth       = 3 << 2 // Fixed and LastAffected follow
	rangeMask     = 0x0f
	oneRange      = 1 << 4
	manyRanges    = 1 << 5 // their number follows, and the form of each goes before it
	hasVersions   = 1 << 6 // their number and the versions follow
	sameContext   = 1 << 7 // that of the package's statement before; else it follows
	usualForm     = byte(sameContext | oneRange | startZero | endFixed)
	maxAdvisoryMB = 64 // bound of one decoded advisory's strings
)

// What a record has, as bits of its flags, which stand in its origin.
const (
	recPublished = 1 << iota
	recModified
	recWithdrawn
	recAliases
	recRelated
	recCVSS
	recURL    // a URL that is not made from the ID
	recFramed // a URL that is the ID between a beginning and an end
)

// Days are counted from the first of 1990, so that a day of our time takes two bytes.
const (
	day      = 24 * 60 * 60
	dayEpoch = 7305
)

// dayOf gives the day of a time by UTC.
func dayOf(t time.Time) int64 {
	s := t.Unix()
	if s%day < 0 {
		return s/day - 1
	}
	return s / day
}

// appendDay writes a day; those before the count are led by nought.
func appendDay(dst []byte, d int64) []byte {
	if d < dayEpoch {
		return binary.AppendUvarint(append(dst, 0), uint64(dayEpoch-d))
	}
	return binary.AppendUvarint(dst, uint64(d-dayEpoch)+1)
}

func (c *cursor) day() int64 {
	if v := c.uvarint(); v != 0 {
		return int64(v-1) + dayEpoch
	}
	return dayEpoch - int64(c.uvarint())
}

func dayTime(d int64) time.Time { return time.Unix(d*day, 0).UTC() }

// reader decodes what a shard says of one package. The strings of an advisory are
// gathered in one buffer and cut from one allocation; lists of several advisories are
// carved from one.
type reader struct {
	s    *shard
	c    cursor
	left int // records to come
	// picks are the records to give, in order; nil for all.
	picks []recordAt

	record, str, ctx uint64
	head             byte // form of the last statement

	group     cursor // of records, behind the last one read
	groupNext uint64 // the record that group goes on with; 0 if none
	own       idChain
	shape     listItem
	origins   listItem
	contexts  listItem

	a      advisory.Advisory
	text   []byte
	slots  []slot
	source slot // of the record, for ratings by the same
	err    error

	affected []advisory.Affected
	ranges   []version.Interval
	ratings  []advisory.CVSS

	versions versionScratch // see only
}

// readers are kept for the room that they have made: an image takes hundreds.
var readers = sync.Pool{New: func() any {
	return &reader{text: make([]byte, 0, 384), slots: make([]slot, 0, 12)}
}}

// release gives r back. It keeps nothing of the shard, whose bytes may go.
func (r *reader) release() {
	clear(r.slots[:cap(r.slots)])
	v := r.versions
	clear(v.met)
	*r = reader{text: r.text[:0], slots: r.slots[:0], versions: versionScratch{all: v.all[:0], names: v.names[:0], met: v.met}}
	if cap(r.text) <= 64<<10 {
		readers.Put(r)
	}
}

// slot is a string field waiting for its bytes in text.
type slot struct {
	to       *string
	from, at int
}

// listItem keeps the item of a list that was asked for last.
type listItem struct {
	i    uint64
	item cursor
	held bool
}

func (l *listItem) get(s *shard, g *group, i uint64) (cursor, error) {
	if !l.held || l.i != i {
		c, err := s.item(g, i)
		if err != nil {
			return c, err
		}
		*l = listItem{i, c, true}
	}
	return l.item, nil
}

// carve takes n things from a slab, which is made anew, for about want of them, when it
// has too few.
func carve[T any](slab *[]T, n, want int) []T {
	if n > len(*slab) {
		*slab = make([]T, max(n, min(want, 16)))
	}
	v := (*slab)[:n:n]
	*slab = (*slab)[n:]
	return v
}

// newReader gives a reader, to be released when what it gave is not needed any more.
func newReader(s *shard, body []byte) (*reader, error) {
	r := readers.Get().(*reader)
	r.s, r.c, r.head = s, cursor{b: body}, usualForm
	r.left = r.c.count()
	if r.c.bad {
		return nil, damaged("a package's statements are cut short")
	}
	return r, nil
}

// next decodes the next record with the package's statements in it into r.a.
func (r *reader) next(ecosystem, name string) error {
	if r.picks != nil {
		p := &r.picks[len(r.picks)-r.left]
		r.c.at, r.record, r.str, r.ctx, r.head = p.at, p.record, p.str, p.ctx, p.head
	}
	r.a = advisory.Advisory{}
	r.text, r.slots = r.text[:0], r.slots[:0]
	head := r.c.uvarint()
	r.record += uint64(unzigzag(head >> 2))
	n := 1
	if head&2 != 0 {
		n = r.c.count()
	}
	r.c.take(groupSum)
	if r.c.bad {
		return damaged("a package's statements are cut short")
	}
	if err := r.readRecord(&r.a, r.record); err != nil {
		return err
	}
	r.a.Affected = carve(&r.affected, n, r.left)
	for i := range r.a.Affected {
		f := &r.a.Affected[i]
		f.Ecosystem, f.Package = ecosystem, name
		if head&1 == 0 {
			r.head = r.c.byte()
			if r.head&sameContext == 0 {
				r.ctx = r.c.uvarint()
			}
		}
		r.statement(f, r.head)
		r.head |= sameContext
		if r.c.bad && r.err == nil {
			r.err = damaged("a statement is cut short")
		}
		if r.err != nil {
			return r.err
		}
	}
	r.left--
	r.cut()
	return r.err
}

// cut gives the string fields their bytes.
func (r *reader) cut() {
	all := string(r.text)
	for _, s := range r.slots {
		*s.to = all[s.from:s.at]
	}
}

func (r *reader) statement(f *advisory.Affected, head byte) {
	r.context(f)
	switch {
	case head&oneRange != 0:
		f.Ranges = carve(&r.ranges, 1, r.left)
		r.interval(&f.Ranges[0], head)
	case head&manyRanges != 0:
		f.Ranges = make([]version.Interval, r.c.count())
		for i := range f.Ranges {
			r.interval(&f.Ranges[i], r.c.byte())
		}
	}
	if head&hasVersions != 0 {
		f.Versions = make([]string, r.c.count())
		for i := range f.Versions {
			r.nearString(&f.Versions[i])
		}
	}
}

func (r *reader) context(f *advisory.Affected) {
	c, err := r.contexts.get(r.s, &r.s.context, r.ctx)
	if err != nil {
		r.fail(err)
		return
	}
	f.State, f.Severity = advisory.State(c.byte()), advisory.Severity(c.byte())
	r.inline(&f.Arch, c.take(c.uvarint()))
	r.inline(&f.Module, c.take(c.uvarint()))
	r.inline(&f.Stream, c.rest())
	if c.bad {
		r.fail(damaged("a statement's context is cut short"))
	}
}

func (r *reader) interval(v *version.Interval, form byte) {
	switch form & 3 {
	case startZero:
		v.Introduced = "0"
	case startString:
		r.nearString(&v.Introduced)
	}
	end := form & (3 << 2)
	if end&endFixed != 0 {
		r.nearString(&v.Fixed)
	}
	if end&endLast != 0 {
		r.nearString(&v.LastAffected)
	}
}

// nearString reads a string by its distance from the last one read for the package.
func (r *reader) nearString(to *string) {
	r.str += uint64(unzigzag(r.c.uvarint()))
	r.farString(to, r.str)
}

func (r *reader) farString(to *string, i uint64) {
	if r.err != nil || r.c.bad {
		return
	}
	from := len(r.text)
	text, err := r.s.appendString(r.text, i)
	if err != nil {
		r.fail(err)
		return
	}
	r.text = text
	r.put(to, from)
}

func (r *reader) inline(to *string, b []byte) {
	if len(b) == 0 || r.err != nil {
		return
	}
	from := len(r.text)
	r.text = append(r.text, b...)
	r.put(to, from)
}

func (r *reader) put(to *string, from int) {
	r.slots = append(r.slots, slot{to, from, len(r.text)})
	if len(r.text) > maxAdvisoryMB<<20 {
		r.fail(damaged("an advisory's strings are over the limit"))
	}
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// seek goes to record i and gives the number of its origin and what it has besides.
func (r *reader) seek(i uint64) (origin uint64, rec cursor, err error) {
	// Records mostly follow each other; then there is nothing to go through again.
	n := uint64(1)
	if r.groupNext == 0 || i != r.groupNext || i%recordGroup == 0 {
		group, before, err := r.s.members(&r.s.records, i)
		if err != nil {
			return 0, rec, err
		}
		r.group, r.own, n = cursor{b: group}, idChain{}, before+1
	}
	for range n {
		r.own.read(&r.group) // the IDs of a group are a chain over its records
		origin, rec = r.group.uvarint(), cursor{}
		if origin&1 != 0 {
			rec.b = r.group.take(r.group.uvarint())
		}
		if r.group.bad {
			return 0, rec, damaged("a record is cut short")
		}
	}
	r.groupNext = i + 1
	return origin >> 1, rec, nil
}

// names gives the names of record i: its own, its aliases and the flaws it is on.
func (r *reader) names(i uint64, each func(idChain)) error {
	origin, rec, err := r.seek(i)
	if err != nil {
		return err
	}
	each(r.own)
	c, err := r.origins.get(r.s, &r.s.origins, origin)
	if err != nil {
		return err
	}
	c.byte() // severity
	flags := c.byte()
	for _, flag := range [...]byte{recPublished, recModified, recWithdrawn} {
		switch {
		case flags&flag == 0:
		case flag == recModified && flags&recPublished != 0:
			rec.uvarint()
		default:
			rec.day()
		}
	}
	for _, flag := range [...]byte{recAliases, recRelated} {
		if flags&flag == 0 {
			continue
		}
		var ch idChain
		for range rec.count() {
			ch.read(&rec)
			each(ch)
		}
	}
	if rec.bad || c.bad {
		return damaged("a record is cut short")
	}
	return nil
}

// readRecord decodes what a record says apart from its statements.
func (r *reader) readRecord(a *advisory.Advisory, i uint64) error {
	origin, rec, err := r.seek(i)
	if err != nil {
		return err
	}
	idFrom := len(r.text)
	r.ident(&a.ID, r.own)
	idTo := len(r.text)
	flags := r.origin(a, origin, idFrom, idTo)
	from := int64(0)
	if flags&recPublished != 0 {
		from = rec.day()
		a.Published = dayTime(from)
	}
	if flags&recModified != 0 {
		if flags&recPublished != 0 {
			a.Modified = dayTime(from + unzigzag(rec.uvarint()))
		} else {
			a.Modified = dayTime(rec.day())
		}
	}
	if flags&recWithdrawn != 0 {
		a.Withdrawn = dayTime(rec.day())
	}
	if flags&recAliases != 0 {
		a.Aliases = r.idents(&rec)
	}
	if flags&recRelated != 0 {
		a.Related = r.idents(&rec)
	}
	if flags&recCVSS != 0 {
		a.CVSS = carve(&r.ratings, rec.count(), r.left)
		for i := range a.CVSS {
			v := &a.CVSS[i]
			ref := rec.uvarint()
			v.Score = float64(rec.byte()) / 10
			r.farString(&v.Vector, ref>>1)
			if ref&1 != 0 {
				r.farString(&v.Source, rec.uvarint())
			} else {
				r.slots = append(r.slots, slot{&v.Source, r.source.from, r.source.at})
			}
		}
	}
	if flags&recURL != 0 {
		r.farString(&a.URL, rec.uvarint())
	}
	if rec.bad {
		return damaged("a record is cut short")
	}
	return r.err
}

func (r *reader) idents(c *cursor) []string {
	out := make([]string, c.count())
	var ch idChain
	for i := range out {
		ch.read(c)
		r.ident(&out[i], ch)
	}
	return out
}

// ident puts together an identifier from its shape and number.
func (r *reader) ident(to *string, id idChain) {
	if id.shape == 0 {
		r.farString(to, id.num)
		return
	}
	if r.err != nil {
		return
	}
	c, err := r.shape.get(r.s, &r.s.shapes, id.shape-1)
	if err != nil {
		r.fail(err)
		return
	}
	style := c.byte()
	prefix := c.take(c.uvarint())
	if c.bad {
		r.fail(damaged("the shape of an identifier is cut short"))
		return
	}
	from := len(r.text)
	r.text = append(r.text, prefix...)
	r.text = appendNumber(r.text, style, id.num)
	r.text = append(r.text, c.rest()...)
	r.put(to, from)
}

// origin fills in what many records have in common and gives the flags.
func (r *reader) origin(a *advisory.Advisory, i uint64, idFrom, idTo int) byte {
	c, err := r.origins.get(r.s, &r.s.origins, i)
	if err != nil {
		r.fail(err)
		return 0
	}
	a.Severity = advisory.Severity(c.byte())
	flags := c.byte()
	r.source.from = len(r.text)
	r.inline(&a.Source, c.take(c.uvarint()))
	r.source.at = len(r.text)
	if flags&recFramed != 0 && idTo <= len(r.text) {
		from := len(r.text)
		r.text = append(r.text, c.take(c.uvarint())...)
		r.text = append(r.text, r.text[idFrom:idTo]...)
		r.text = append(r.text, c.rest()...)
		r.put(&a.URL, from)
	}
	if c.bad {
		r.fail(damaged("the origin of a record is cut short"))
	}
	return flags
}
