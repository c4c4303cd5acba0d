package advisorydb

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// The bounds of one record; more is refused, for the caller to quarantine.
const (
	maxIDs      = 1 << 16 // aliases, and related
	maxAffected = 1 << 20
	maxSpans    = 1 << 20 // ranges, and versions, of one statement
	maxMaxAge   = 50 * 365 * 24 * time.Hour
)

// Builder gathers what goes into a snapshot. Its methods may be called from several
// goroutines at once, and in any order: the result is the same to the byte. It keeps no
// reference to what it is given. The zero Builder is not usable; see [NewBuilder].
type Builder struct {
	mu      sync.Mutex
	names   interner
	records map[recordKey]*record
	flaws   map[uint32]*flaw
	sources map[string]*Source
	scores  map[string]uint8 // by vector; noScore if it is invalid
	date    time.Time
	// lifecycles by release, repos the CPEs by repository.
	lifecycles map[string]advisory.Lifecycle
	repos      map[uint32][]uint32
	hub        hub
}

const noScore = 255

type recordKey struct{ source, id uint32 }

// record is an advisory with its strings interned.
type record struct {
	source, id       uint32
	aliases, related numberSet
	summary          string
	url              uint32
	severity         advisory.Severity
	cvss             []rating
	published        time.Time
	modified         time.Time
	withdrawn        time.Time
	standing         bool // some copy of the record was not withdrawn
	summaryTime      time.Time
	affected         []statement
	tidyAt           int // length of affected at which doubles are dropped
}

// rating is a CVSS vector with its score in tenths.
type rating struct {
	vector, source uint32
	tenths         uint8
}

// statement is an advisory.Affected with its strings interned. There are millions of
// them, and nearly all have one range and no versions.
type statement struct {
	ecosystem, name, arch, module, stream uint32
	state                                 advisory.State
	severity                              advisory.Severity
	single                                bool // only holds its range
	only                                  [1]interval
	more                                  *spans // if there are several ranges, or versions
}

// spans are what a statement has that is not a single range.
type spans struct {
	ranges   []interval
	versions []uint32 // ascending, each once
}

func (s *statement) ranges() []interval {
	switch {
	case s.more != nil:
		return s.more.ranges
	case s.single:
		return s.only[:]
	}
	return nil
}

func (s *statement) versions() []uint32 {
	if s.more == nil {
		return nil
	}
	return s.more.versions
}

type interval struct{ introduced, fixed, last uint32 }

// NewBuilder returns an empty builder.
func NewBuilder() *Builder {
	return &Builder{
		names:   newInterner(),
		records: map[recordKey]*record{},
		flaws:   map[uint32]*flaw{},
		sources: map[string]*Source{},
		scores:  map[string]uint8{},

		lifecycles: map[string]advisory.Lifecycle{},
		repos:      map[uint32][]uint32{},
	}
}

// Date sets the time whose knowledge the snapshot holds, to the second. Without it the
// newest that the sources show is taken.
func (b *Builder) Date(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.date = seconds(t)
}

// Add takes one record of a publisher. Records of the same Source and ID are one: their
// statements, aliases, related flaws and ratings are united, the worst severity, the
// earliest publication, the latest change, and the summary of the latest copy are kept,
// and it counts as withdrawn only if every copy is.
//
// Lists are sets: a lookup gives Aliases, Related and Versions sorted bytewise and
// without doubles; Ranges stay as they are. A lookup gives times by their day. Scores
// are computed from the CVSS vectors; ratings with an invalid vector are left out.
//
// An advisory without ID or Source, with an ecosystem of no or unprintable characters,
// with a string over 4 KiB or a list over its bound is refused whole.
func (b *Builder) Add(a advisory.Advisory) error {
	if err := check(&a); err != nil {
		return fmt.Errorf("adding advisory %.80q of %.80q: %w", a.ID, a.Source, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := recordKey{b.names.number(a.Source), b.names.number(a.ID)}
	r := b.records[key]
	if r == nil {
		r = &record{source: key.source, id: key.id}
		b.records[key] = r
	}
	b.mergeRecord(r, &a)
	r.affected = grown(r.affected, len(a.Affected))
	for i := range a.Affected {
		r.affected = append(r.affected, b.statement(&a.Affected[i]))
	}
	// Publishers that repeat themselves must not cost more than they say.
	if len(r.affected) > max(r.tidyAt, 64) {
		r.affected = tidyStatements(r.affected)
		r.tidyAt = 2 * len(r.affected)
	}
	return nil
}

// grown makes room for n more, and no more than that the first time: most records come
// but once.
func grown[T any](all []T, n int) []T {
	if len(all) == 0 {
		return make([]T, 0, n)
	}
	return slices.Grow(all, n)
}

func check(a *advisory.Advisory) error {
	if a.ID == "" || a.Source == "" {
		return fmt.Errorf("it has no ID or no source")
	}
	if err := checkStrings(a.ID, a.Source, a.URL); err != nil {
		return err
	}
	if !printable(a.Source) {
		return fmt.Errorf("its source's name cannot be printed")
	}
	if len(a.Aliases) > maxIDs || len(a.Related) > maxIDs || len(a.Affected) > maxAffected {
		return fmt.Errorf("it has %d aliases, %d related flaws and %d statements, over the limits of %d, %d and %d",
			len(a.Aliases), len(a.Related), len(a.Affected), maxIDs, maxIDs, maxAffected)
	}
	if err := checkStrings(a.Aliases...); err != nil {
		return err
	}
	if err := checkStrings(a.Related...); err != nil {
		return err
	}
	for _, t := range [...]time.Time{a.Published, a.Modified, a.Withdrawn} {
		if y := t.UTC().Year(); y < 1 || y > 9999 {
			return fmt.Errorf("it is of the year %d", y)
		}
	}
	for i := range a.Affected {
		f := &a.Affected[i]
		if err := checkEcosystem(f.Ecosystem); err != nil {
			return err
		}
		if err := checkStrings(f.Package, f.Arch, f.Module, f.Stream); err != nil {
			return err
		}
		if len(f.Ranges) > maxSpans || len(f.Versions) > maxSpans {
			return fmt.Errorf("a statement has %d ranges and %d versions, over the limit of %d", len(f.Ranges), len(f.Versions), maxSpans)
		}
		for _, v := range f.Ranges {
			if err := checkStrings(v.Introduced, v.Fixed, v.LastAffected); err != nil {
				return err
			}
		}
		if err := checkStrings(f.Versions...); err != nil {
			return err
		}
	}
	return nil
}

func checkStrings(all ...string) error {
	for _, s := range all {
		if len(s) > maxString {
			return fmt.Errorf("a string of %d bytes is over the limit of %d: %.60q…", len(s), maxString, s)
		}
	}
	return nil
}

func (b *Builder) mergeRecord(r *record, a *advisory.Advisory) {
	b.union(&r.aliases, a.Aliases)
	b.union(&r.related, a.Related)
	r.severity = max(r.severity, min(a.Severity, advisory.SeverityCritical))
	published, modified, withdrawn := seconds(a.Published), seconds(a.Modified), seconds(a.Withdrawn)
	r.published = earliest(r.published, published)
	r.withdrawn = earliest(r.withdrawn, withdrawn)
	r.standing = r.standing || withdrawn.IsZero()
	if url := a.URL; url != "" && (r.url == 0 || url < b.names.list[r.url]) {
		r.url = b.names.number(url)
	}
	if s := cleanSummary(a.Summary); s != "" {
		if c := modified.Compare(r.summaryTime); r.summary == "" || c > 0 || c == 0 && s < r.summary {
			r.summary, r.summaryTime = s, modified
		}
	}
	if modified.After(r.modified) {
		r.modified = modified
	}
	r.cvss = b.rate(r.cvss, a.CVSS, a.Source)
}

// rate adds the valid ratings in more to those in have.
func (b *Builder) rate(have []rating, more []advisory.CVSS, source string) []rating {
	for _, v := range more {
		tenths, known := b.scores[v.Vector]
		if !known {
			var ok bool
			if tenths, ok = score(v.Vector); !ok {
				tenths = noScore
			}
			if len(v.Vector) <= maxVector {
				b.scores[strings.Clone(v.Vector)] = tenths
			}
		}
		by := v.Source
		if by == "" {
			by = source
		}
		if tenths == noScore || len(by) > maxString {
			continue
		}
		r := rating{vector: b.names.number(v.Vector), source: b.names.number(by), tenths: tenths}
		if !slices.Contains(have, r) {
			have = b.insertRating(have, r)
		}
	}
	return have
}

// insertRating keeps ratings sorted by vector and source and to their bound; the
// last go first, so that which are left does not hang on the order they came in.
func (b *Builder) insertRating(have []rating, r rating) []rating {
	i, _ := slices.BinarySearchFunc(have, r, func(x, y rating) int {
		if c := strings.Compare(b.names.list[x.vector], b.names.list[y.vector]); c != 0 {
			return c
		}
		return strings.Compare(b.names.list[x.source], b.names.list[y.source])
	})
	have = slices.Insert(have, i, r)
	return have[:min(len(have), maxRatings)]
}

// numberSet is a set of interned strings. Doubles are dropped whenever it has doubled.
type numberSet struct {
	list   []uint32
	tidyAt int
}

func (b *Builder) union(set *numberSet, more []string) {
	for _, s := range more {
		n := b.names.number(s)
		if len(set.list) <= 16 && slices.Contains(set.list, n) {
			continue
		}
		set.list = append(set.list, n)
		if len(set.list) > max(set.tidyAt, 16) {
			set.list = sortedSet(set.list)
			set.tidyAt = 2 * len(set.list)
		}
	}
}

func (b *Builder) statement(f *advisory.Affected) statement {
	s := statement{
		ecosystem: b.names.number(f.Ecosystem),
		name:      b.names.number(advisory.Name(f.Ecosystem, f.Package)),
		arch:      b.names.number(f.Arch),
		module:    b.names.number(f.Module),
		stream:    b.names.number(f.Stream),
		state:     f.State,
		severity:  min(f.Severity, advisory.SeverityCritical),
	}
	in := func(v version.Interval) interval {
		return interval{b.names.number(v.Introduced), b.names.number(v.Fixed), b.names.number(v.LastAffected)}
	}
	if len(f.Versions) == 0 && len(f.Ranges) <= 1 {
		if len(f.Ranges) == 1 {
			s.single, s.only[0] = true, in(f.Ranges[0])
		}
		return s
	}
	s.more = &spans{ranges: make([]interval, len(f.Ranges)), versions: make([]uint32, len(f.Versions))}
	for i, v := range f.Ranges {
		s.more.ranges[i] = in(v)
	}
	for i, v := range f.Versions {
		s.more.versions[i] = b.names.number(v)
	}
	slices.Sort(s.more.versions)
	s.more.versions = slices.Clip(slices.Compact(s.more.versions))
	return s
}

// Source states a publisher's part: what of it was read, and for which ecosystems it
// speaks even if it has nothing against any package in them now. Several calls
// with one name add up: counts are summed, ecosystems united, the oldest fetch, the
// newest record and the shortest age kept. Where Records or Newest is zero,
// the records added are counted, or their newest taken. A source that was never
// stated but has records is listed with what they show.
func (b *Builder) Source(s Source) error {
	if s.Name == "" || len(s.Name) > maxString || !printable(s.Name) || len(s.Home) > maxString || !printable(s.Home) {
		return fmt.Errorf("source %.80q (%.80q): name or home is missing, too long or cannot be printed", s.Name, s.Home)
	}
	if s.Records < 0 || s.Skipped < 0 || s.Quarantined < 0 {
		return fmt.Errorf("source %q has a negative count", s.Name)
	}
	if s.MaxAge < 0 || s.MaxAge > maxMaxAge {
		return fmt.Errorf("source %q may be %v old, which is not between nothing and %v", s.Name, s.MaxAge, maxMaxAge)
	}
	for _, e := range s.Ecosystems {
		if err := checkEcosystem(e); err != nil {
			return fmt.Errorf("source %q: %w", s.Name, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	have := b.sources[s.Name]
	if have == nil {
		have = &Source{Name: strings.Clone(s.Name)}
		b.sources[have.Name] = have
	}
	if s.Home != "" && (have.Home == "" || s.Home < have.Home) {
		have.Home = strings.Clone(s.Home)
	}
	have.Fetched = earliest(have.Fetched, seconds(s.Fetched))
	if t := seconds(s.Newest); t.After(have.Newest) {
		have.Newest = t
	}
	have.Records += s.Records
	have.Skipped += s.Skipped
	have.Quarantined += s.Quarantined
	if age := s.MaxAge.Truncate(time.Second); age > 0 && (have.MaxAge == 0 || age < have.MaxAge) {
		have.MaxAge = age
	}
	for _, e := range s.Ecosystems {
		have.Ecosystems = append(have.Ecosystems, strings.Clone(e))
	}
	slices.Sort(have.Ecosystems)
	have.Ecosystems = slices.Compact(have.Ecosystems)
	return nil
}

// seconds drops what is finer than a second; the zero time stays.
func seconds(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.Unix(t.Unix(), 0).UTC()
}

// earliest gives the earlier of two times that are not zero.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
