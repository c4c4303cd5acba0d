package advisorydb

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// flaw is what is known about one ID apart from packages, as it is gathered.
type flaw struct {
	summary   string
	summaryBy string
	published time.Time
	cvss      []rating
	words     []word
	exploited *advisory.Exploited
	epss      *advisory.EPSS
	ssvc      *advisory.SSVC
}

// word is a severity in a source's own words.
type word struct {
	source   string
	severity advisory.Severity
}

// Enrich adds what is known about a flaw apart from any package. What advisories say
// that bear the ID, or have it among their aliases, is added by itself.
//
// Enrichments of one ID are united: ratings of all, the earliest publication, for
// Exploited the earliest date of addition, for EPSS and SSVC the latest. Of several
// severities and summaries the tables in precedence.go choose by source: SeveritySource
// names it for both, and the CVSS ratings name their own.
//
// An ID of no or over 4 KiB of bytes, an EPSS outside 0 to 1, and an SSVC with answers
// that are none are refused.
func (b *Builder) Enrich(id string, e advisory.Enrichment) error {
	if id == "" {
		return fmt.Errorf("enriching a flaw without ID")
	}
	if err := checkStrings(id, e.SeveritySource); err != nil {
		return fmt.Errorf("enriching flaw %.80q: %w", id, err)
	}
	if p := e.EPSS; p != nil && (!(p.Score >= 0 && p.Score <= 1) || !(p.Percentile >= 0 && p.Percentile <= 1) || len(p.Date) > 64) {
		return fmt.Errorf("enriching flaw %.80q: its EPSS of %g at percentile %g is not within 0 and 1", id, p.Score, p.Percentile)
	}
	if x := e.Exploited; x != nil && (len(x.Added) > 64 || len(x.Due) > 64) {
		return fmt.Errorf("enriching flaw %.80q: a date of its exploitation is too long", id)
	}
	if v := e.SSVC; v != nil && (!v.Valid() || len(v.Date) > 64) {
		return fmt.Errorf("enriching flaw %.80q: its SSVC of %.20q and %.20q has other answers than there are", id, v.Exploitation, v.TechnicalImpact)
	}
	if y := e.Published.UTC().Year(); y < 1 || y > 9999 {
		return fmt.Errorf("enriching flaw %.80q: it is of the year %d", id, y)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.names.number(id)
	f := b.flaws[n]
	if f == nil {
		f = &flaw{}
		b.flaws[n] = f
	}
	by := b.names.list[b.names.number(e.SeveritySource)]
	f.say(by, min(e.Severity, advisory.SeverityCritical))
	f.summarise(by, cleanSummary(e.Summary))
	f.published = earliest(f.published, seconds(e.Published))
	f.cvss = b.rate(f.cvss, e.CVSS, e.SeveritySource)
	f.exploit(e.Exploited)
	f.predict(e.EPSS)
	f.assess(e.SSVC)
	return nil
}

// Trim drops what was said of flaws that no record added so far names, by its ID or among
// its aliases and related flaws: nothing can ask for it. The national databases know of
// some hundred thousand such flaws, of software that no publisher of packages has.
func (b *Builder) Trim() {
	b.mu.Lock()
	defer b.mu.Unlock()
	named := make(map[uint32]struct{}, len(b.flaws))
	for _, r := range b.records {
		named[r.id] = struct{}{}
		for _, ids := range [...][]uint32{r.aliases.list, r.related.list} {
			for _, id := range ids {
				named[id] = struct{}{}
			}
		}
	}
	for id := range b.flaws {
		if _, ok := named[id]; !ok {
			delete(b.flaws, id)
		}
	}
}

func (f *flaw) say(source string, s advisory.Severity) {
	if w := (word{source, s}); s != advisory.SeverityUnknown && !slices.Contains(f.words, w) {
		f.words = append(f.words, w)
	}
}

func (f *flaw) summarise(source, s string) {
	if s == "" {
		return
	}
	if f.summary == "" || cmp.Or(
		cmp.Compare(rank(summaryOrder, source), rank(summaryOrder, f.summaryBy)),
		cmp.Compare(source, f.summaryBy),
		cmp.Compare(s, f.summary)) < 0 {
		f.summary, f.summaryBy = s, source
	}
}

func (f *flaw) exploit(x *advisory.Exploited) {
	switch {
	case x == nil:
	case f.exploited == nil:
		c := advisory.Exploited{Added: strings.Clone(x.Added), Due: strings.Clone(x.Due), Ransomware: x.Ransomware}
		f.exploited = &c
	default:
		f.exploited.Added = leastSet(f.exploited.Added, x.Added)
		f.exploited.Due = leastSet(f.exploited.Due, x.Due)
		f.exploited.Ransomware = f.exploited.Ransomware || x.Ransomware
	}
}

func leastSet(a, b string) string {
	if a == "" || b != "" && b < a {
		return strings.Clone(b)
	}
	return a
}

func (f *flaw) predict(p *advisory.EPSS) {
	if p == nil {
		return
	}
	if f.epss == nil || cmp.Or(
		cmp.Compare(p.Date, f.epss.Date),
		cmp.Compare(p.Score, f.epss.Score),
		cmp.Compare(p.Percentile, f.epss.Percentile)) > 0 {
		c := *p
		c.Date = strings.Clone(p.Date)
		f.epss = &c
	}
}

func (f *flaw) assess(v *advisory.SSVC) {
	if v == nil {
		return
	}
	if f.ssvc == nil || cmp.Or(cmp.Compare(v.Date, f.ssvc.Date), cmp.Compare(ssvcByte(v), ssvcByte(f.ssvc))) > 0 {
		c := *v
		c.Date = strings.Clone(v.Date)
		f.ssvc = &c
	}
}

// The answers of an SSVC assessment in a byte: the index of its exploitation, and bits.
const (
	ssvcExploitation = 3
	ssvcAutomatable  = 1 << 2
	ssvcTotal        = 1 << 3
)

var ssvcWords = [...]string{"none", "poc", "active", "active"}

func ssvcByte(v *advisory.SSVC) byte {
	b := byte(max(slices.Index(ssvcWords[:], v.Exploitation), 0))
	if v.Automatable {
		b |= ssvcAutomatable
	}
	if v.TechnicalImpact == "total" {
		b |= ssvcTotal
	}
	return b
}

func ssvcOf(b byte) *advisory.SSVC {
	v := &advisory.SSVC{Exploitation: ssvcWords[b&ssvcExploitation], Automatable: b&ssvcAutomatable != 0, TechnicalImpact: "partial"}
	if b&ssvcTotal != 0 {
		v.TechnicalImpact = "total"
	}
	return v
}

// severity chooses a flaw's severity by severityOrder and cvssOrder.
func (f *flaw) severity(in *interner, ranks func(source string) int) (advisory.Severity, string) {
	type claim struct {
		rank     int
		source   string
		form     int // the source's own word first, then by version of CVSS
		severity advisory.Severity
	}
	var best claim
	consider := func(c claim) {
		if c.severity != advisory.SeverityUnknown && (best.severity == advisory.SeverityUnknown || cmp.Or(
			cmp.Compare(c.rank, best.rank), cmp.Compare(c.source, best.source),
			cmp.Compare(c.form, best.form), cmp.Compare(best.severity, c.severity)) < 0) {
			best = c
		}
	}
	for _, w := range f.words {
		consider(claim{ranks(w.source), w.source, 0, w.severity})
	}
	for _, v := range f.cvss {
		vector, source := in.list[v.vector], in.list[v.source]
		form := 1 + slices.Index(cvssOrder, cvssVersion(vector))
		consider(claim{ranks(source), source, form, scoreSeverity(vector, v.tenths)})
	}
	return best.severity, best.source
}

// sortRatings puts ratings in the order in which they count.
func (f *flaw) sortRatings(in *interner, ranks func(source string) int) {
	slices.SortFunc(f.cvss, func(x, y rating) int {
		return cmp.Or(
			cmp.Compare(ranks(in.list[x.source]), ranks(in.list[y.source])),
			cmp.Compare(x.source, y.source),
			cmp.Compare(slices.Index(cvssOrder, cvssVersion(in.list[x.vector])), slices.Index(cvssOrder, cvssVersion(in.list[y.vector]))),
			cmp.Compare(x.vector, y.vector))
	})
}

// gatherFlaws unites explicit enrichments with what the records say. The builder must
// have been renumbered.
//
// An errata record is no flaw: its date and its publisher's word on how severe it is
// are not those of the flaws it fixes, and stand with its statements.
func (b *Builder) gatherFlaws() map[uint32]*flaw {
	all := make(map[uint32]*flaw, len(b.flaws)+len(b.records))
	for id, f := range b.flaws {
		c := *f
		c.cvss, c.words = slices.Clone(f.cvss), slices.Clone(f.words)
		all[id] = &c
	}
	of := func(id uint32) *flaw {
		f := all[id]
		if f == nil {
			f = &flaw{}
			all[id] = f
		}
		return f
	}
	rate := func(f *flaw, r *record) {
		for _, v := range r.cvss {
			if !slices.Contains(f.cvss, v) {
				f.cvss = b.insertRating(f.cvss, v)
			}
		}
	}
	tell := func(id uint32, r *record) {
		f, source := of(id), b.names.list[r.source]
		f.say(source, r.severity)
		f.summarise(source, r.summary)
		f.published = earliest(f.published, r.published)
		rate(f, r)
	}
	for _, r := range b.records {
		if len(r.related.list) > 0 {
			for _, id := range append([]uint32{r.id}, r.aliases.list...) {
				f := of(id)
				f.summarise(b.names.list[r.source], r.summary)
				rate(f, r)
			}
			continue
		}
		tell(r.id, r)
		for _, alias := range r.aliases.list {
			if alias != r.id && alias != 0 {
				tell(alias, r)
			}
		}
	}
	return all
}

// What a flaw has, as bits of its flags.
const (
	flawPublished = 1 << iota
	flawCVSS
	flawExploited
	flawRansomware
	flawSSVC
)

// flawLists are what many flaws of a shard have in common. They are filled in a first
// round over all flaws, which counts uses, and numbered for a second.
type flawLists struct {
	strs, contexts map[string]uint64
	ratings        map[flawRating]uint64
	counting       bool
}

// flawRating is a rating as many flaws have it.
type flawRating struct {
	vector, source string
	tenths         byte
}

func newFlawLists() *flawLists {
	return &flawLists{strs: map[string]uint64{}, contexts: map[string]uint64{}, ratings: map[flawRating]uint64{}, counting: true}
}

func place[K comparable](l *flawLists, in map[K]uint64, k K) uint64 {
	if l.counting {
		in[k]++
	}
	return in[k]
}

func (l *flawLists) str(s string) uint64 { return place(l, l.strs, s) }

// number ends the counting and gives the strings: these are numbered by their order,
// the others by their use.
func (l *flawLists) number() []string {
	for r := range l.ratings {
		l.str(r.vector)
		l.str(r.source)
	}
	l.counting = false
	strs := slices.Sorted(maps.Keys(l.strs))
	for i, s := range strs {
		l.strs[s] = uint64(i)
	}
	l.contexts = byUse(l.contexts, strings.Compare)
	l.ratings = byUse(l.ratings, func(a, b flawRating) int {
		return cmp.Or(strings.Compare(a.vector, b.vector), strings.Compare(a.source, b.source), cmp.Compare(a.tenths, b.tenths))
	})
	return strs
}

func (l *flawLists) rating(r flawRating) []byte {
	b := binary.AppendUvarint([]byte{r.tenths}, l.str(r.vector))
	return binary.AppendUvarint(b, l.str(r.source))
}

// appendFlaw writes what a flaw has but for EPSS and text; nothing if that is nothing.
// Its context is flags, severity and the source of that.
func (f *flaw) appendFlaw(dst []byte, sev advisory.Severity, by string, in *interner, lists *flawLists) []byte {
	var flags byte
	if !f.published.IsZero() {
		flags |= flawPublished
	}
	if len(f.cvss) > 0 {
		flags |= flawCVSS
	}
	if f.exploited != nil {
		flags |= flawExploited
		if f.exploited.Ransomware {
			flags |= flawRansomware
		}
	}
	if f.ssvc != nil {
		flags |= flawSSVC
	}
	if flags == 0 && sev == advisory.SeverityUnknown {
		return dst
	}
	dst = binary.AppendUvarint(dst, place(lists, lists.contexts, string([]byte{flags, byte(sev)})+by))
	if flags&flawPublished != 0 {
		dst = appendDay(dst, dayOf(f.published))
	}
	if flags&flawCVSS != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(f.cvss)))
		for _, v := range f.cvss {
			dst = binary.AppendUvarint(dst, place(lists, lists.ratings, flawRating{in.list[v.vector], in.list[v.source], v.tenths}))
		}
	}
	if flags&flawExploited != 0 {
		dst = binary.AppendUvarint(dst, lists.str(f.exploited.Added))
		dst = binary.AppendUvarint(dst, lists.str(f.exploited.Due))
	}
	if flags&flawSSVC != 0 {
		dst = append(dst, ssvcByte(f.ssvc))
		dst = binary.AppendUvarint(dst, lists.str(f.ssvc.Date))
	}
	return dst
}

// readFlaw is the reverse of appendFlaw.
func (s *shard) readFlaw(body []byte, e *advisory.Enrichment) error {
	c := cursor{b: body}
	context, err := s.item(&s.context, c.uvarint())
	if err != nil {
		return err
	}
	flags := context.byte()
	e.Severity = advisory.Severity(context.byte())
	e.SeveritySource = string(context.rest())
	if flags&flawPublished != 0 {
		e.Published = dayTime(c.day())
	}
	if flags&flawCVSS != 0 {
		e.CVSS = make([]advisory.CVSS, c.count())
		for i := range e.CVSS {
			rating, err := s.item(&s.origins, c.uvarint())
			if err != nil {
				return err
			}
			v := &e.CVSS[i]
			v.Score = float64(rating.byte()) / 10
			if v.Vector, err = s.string(rating.uvarint()); err != nil {
				return err
			}
			if v.Source, err = s.string(rating.uvarint()); err != nil {
				return err
			}
			c.bad = c.bad || rating.bad
		}
	}
	if flags&flawExploited != 0 {
		e.Exploited = &advisory.Exploited{Ransomware: flags&flawRansomware != 0}
		if e.Exploited.Added, err = s.string(c.uvarint()); err != nil {
			return err
		}
		if e.Exploited.Due, err = s.string(c.uvarint()); err != nil {
			return err
		}
	}
	if flags&flawSSVC != 0 {
		e.SSVC = ssvcOf(c.byte())
		if e.SSVC.Date, err = s.string(c.uvarint()); err != nil {
			return err
		}
	}
	if c.bad || context.bad {
		return damaged("what is known of a flaw is cut short")
	}
	return nil
}

// epssUnit is the fineness of published EPSS figures.
const epssUnit = 1e5

// appendFraction writes a number from 0 to 1: in units where it is a whole number of
// them, else as it is.
func appendFraction(dst []byte, f float64) []byte {
	if n := math.Round(f * epssUnit); n/epssUnit == f && !math.Signbit(f) {
		return binary.AppendUvarint(dst, uint64(n)<<1)
	}
	dst = append(dst, 1)
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
}

func (c *cursor) fraction() float64 {
	v := c.uvarint()
	if v&1 == 0 {
		return float64(v>>1) / epssUnit
	}
	if b := c.take(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}
