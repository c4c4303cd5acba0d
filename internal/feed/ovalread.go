package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// Bounds on what one definition and one document may state.
const (
	maxOVALStatements = 1 << 18
	maxOVALDocument   = 16 << 20
)

// ovalDialect says how one publisher writes OVAL.
type ovalDialect struct {
	// about names the document in errors.
	about string
	// bySource: statements are for source packages, which objects name in words.
	bySource bool
	// keepEpoch leaves an epoch of zero where it is written.
	keepEpoch bool
	// rates: a definition's severity is that of its package.
	rates bool
	// identify gives what a definition is about, without statements.
	identify func(d *ovalDefinition) (advisory.Advisory, error)
	// places gives where a clause holds, by the platforms it names, of which there may be
	// none; empty if the feed does not speak for them.
	places func(d *ovalDefinition, platforms []string) []ovalPlace
	// state, if set, says how the publisher stands to a claim, which it may change.
	state func(d *ovalDefinition, c *ovalClause) advisory.State
}

// ovalPlace is an ecosystem and a stream of it.
type ovalPlace struct{ ecosystem, stream string }

// version reads a version, in which some publishers leave a blank.
func (how *ovalDialect) version(v string) string {
	v = strings.ReplaceAll(v, ": ", ":") // "0: 1.2-3"
	if !how.keepEpoch {
		v = strings.TrimPrefix(v, "0:")
	}
	return v
}

// fetchOVAL reads the first of the addresses that is there, as one document.
func fetchOVAL(ctx context.Context, o *Origin, how *ovalDialect, out Sink, addresses ...string) error {
	for i, address := range addresses {
		r, err := openOVAL(ctx, o, address)
		if errors.Is(err, ErrNotThere) && i < len(addresses)-1 {
			continue
		}
		if err != nil {
			return err
		}
		defer r.Close()
		return readOVAL(ctx, r, how, out)
	}
	return ErrNotThere
}

// readOVAL reads a document and hands on an advisory for each ID in it, in their
// order. Definitions that say nothing are skipped, and what is not understood of one
// goes into quarantine, with the first reason.
func readOVAL(ctx context.Context, r io.Reader, how *ovalDialect, out Sink) error {
	doc, err := parseOVAL(r)
	if err != nil {
		return fmt.Errorf("reading the definitions of %s: %w", how.about, err)
	}
	if !doc.date.IsZero() {
		out.Dated(doc.date)
	}
	all := map[string]*advisory.Advisory{}
	total := 0
	for i := range doc.definitions {
		d := &doc.definitions[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.Class == "inventory" {
			continue // for other definitions to extend
		}
		if doc.work > maxOVALWork {
			return fmt.Errorf("reading the definitions of %s: their criteria come to over %d", how.about, maxOVALWork)
		}
		a, skip, err := doc.advisory(d, how)
		if err != nil {
			out.Quarantine(d.ID, err)
		} else if skip != "" {
			out.Skip(d.ID, skip)
		}
		if len(a.Affected) == 0 {
			continue
		}
		if total += len(a.Affected); total > maxOVALDocument {
			return fmt.Errorf("reading the definitions of %s: more than %d statements", how.about, maxOVALDocument)
		}
		have := all[a.ID]
		switch {
		case have == nil:
			all[a.ID] = &a
		case !slices.Equal(have.Related, a.Related):
			out.Quarantine(d.ID, fmt.Errorf("there is another definition of %.80s, which fixes other flaws", a.ID))
		default:
			joinDefinitions(have, &a)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if err := out.Advisory(*all[id]); err != nil {
			return err
		}
	}
	return nil
}

// joinDefinitions adds to have what another definition says of the same.
func joinDefinitions(have, more *advisory.Advisory) {
	have.Affected = append(have.Affected, more.Affected...)
	have.Severity = max(have.Severity, more.Severity)
	if !more.Published.IsZero() && (have.Published.IsZero() || more.Published.Before(have.Published)) {
		have.Published = more.Published
	}
	if more.Modified.After(have.Modified) {
		have.Modified = more.Modified
	}
	for _, v := range more.CVSS {
		if len(have.CVSS) < 16 && !slices.Contains(have.CVSS, v) {
			have.CVSS = append(have.CVSS, v)
		}
	}
	if have.Summary == "" {
		have.Summary = more.Summary
	}
}

// advisory turns a definition into an advisory, which has no statements if there is
// a reason to skip it. With an error it holds what could be understood.
func (doc *oval) advisory(d *ovalDefinition, how *ovalDialect) (a advisory.Advisory, skip string, err error) {
	switch d.Class {
	case "patch", "vulnerability", "":
	default:
		return a, "no flaw", nil
	}
	if d.Deprecated == "true" {
		return a, "withdrawn", nil
	}
	if a, err = how.identify(d); err != nil {
		return advisory.Advisory{}, "", err
	}
	if (isErrata(a.ID) || isMaintenance(a.ID)) && len(a.Related) == 0 {
		return a, "names no flaw", nil
	}
	a.Published, a.Modified = d.dates()
	a.Severity = max(severityOf(d.Severity), severityOf(d.Advisory.Severity))
	clauses, err := doc.clauses(d, how)
	if err != nil {
		return a, "", err
	}
	s := ovalStatements{how: how, at: map[ovalKey]int{}}
	if how.rates {
		s.severity, a.Severity = a.Severity, advisory.SeverityUnknown
	}
	for i := range clauses {
		if err := s.add(d, &clauses[i]); err != nil {
			return advisory.Advisory{}, "", err
		}
	}
	a.Affected = s.finish()
	switch {
	case s.bad != nil:
		return a, "", s.bad
	case len(a.Affected) > 0:
		return a, "", nil
	case s.kernel:
		return a, "a running kernel", nil
	case s.foreign:
		return a, "another product", nil
	}
	return a, "affects no version", nil
}

// dates gives when a definition was brought out and when it last changed.
func (d *ovalDefinition) dates() (published, modified time.Time) {
	for _, s := range [...]string{d.Advisory.Issued.Date, d.Advisory.Public, d.DebianDate, d.Date} {
		if published.IsZero() {
			published = parseTime(strings.TrimSuffix(strings.TrimSpace(s), " UTC"))
		}
	}
	if cves := d.Advisory.CVEs; published.IsZero() && len(cves) > 0 {
		day, _, _ := strings.Cut(cves[0].Public, ":")
		if t, err := time.Parse("20060102", day); err == nil {
			published = t
		}
	}
	if modified = parseTime(strings.TrimSpace(d.Advisory.Updated.Date)); modified.IsZero() {
		modified = published
	}
	return published, modified
}

// ovalStatements gathers the statements of one definition, each once.
type ovalStatements struct {
	how      *ovalDialect
	severity advisory.Severity // of each
	list     []ovalStatement
	at       map[ovalKey]int // place in list
	bad      error           // why the first clause that is not understood is not
	kernel   bool            // some clause is on a kernel alone
	foreign  bool            // some clause is on a product that is not heard
}

type ovalKey struct {
	place       ovalPlace
	pkg, module string
	state       advisory.State
	iv          version.Interval
}

// ovalStatement is a statement and the architectures it is for; all if nil.
type ovalStatement struct {
	ovalKey
	arches []string
}

// add adds what a clause says. The error is one of the whole definition.
func (s *ovalStatements) add(d *ovalDefinition, c *ovalClause) error {
	reject := func(format string, args ...any) error {
		if s.bad == nil {
			s.bad = fmt.Errorf(format, args...)
		}
		return nil
	}
	switch {
	case c.doubt != "" && c.kernel:
		s.kernel = true
		return nil
	case c.doubt != "":
		return reject("%s", c.doubt)
	}
	places := s.how.places(d, c.platforms)
	if len(places) == 0 {
		s.foreign = true
		return nil
	}
	key := ovalKey{pkg: c.pkg, module: c.module}
	if s.how.state != nil {
		key.state = s.how.state(d, c)
	}
	switch c.claim {
	case claimNone:
		return reject("it asks for no package")
	case claimAbsent:
		return reject("it asks for a package that is not there")
	case claimUnaffected:
		key.state = advisory.StateNotAffected
	case claimRange:
		key.iv = c.iv
	}
	for _, key.place = range places {
		scheme, ok := version.For(key.place.ecosystem)
		if !ok {
			return reject("no order of versions is known for %.80s", key.place.ecosystem)
		}
		for _, v := range [...]string{key.iv.Introduced, key.iv.Fixed, key.iv.LastAffected} {
			if v == "" || v == "0" {
				continue
			}
			if err := scheme.Valid(v); err != nil {
				return reject("package %.80s: %v", key.pkg, err)
			}
		}
		if key.place.stream == "" {
			key.place.stream = buildStream(key.iv.Fixed)
		}
		i, ok := s.at[key]
		if !ok {
			if len(s.list) >= maxOVALStatements {
				return fmt.Errorf("it makes over %d statements", maxOVALStatements)
			}
			i = len(s.list)
			s.at[key] = i
			s.list = append(s.list, ovalStatement{key, c.arches})
			continue
		}
		have := &s.list[i]
		switch {
		case have.arches == nil:
		case c.arches == nil:
			have.arches = nil
		default:
			have.arches = sortedUnique(slices.Concat(have.arches, c.arches))
		}
	}
	return nil
}

func (s *ovalStatements) finish() []advisory.Affected {
	out := make([]advisory.Affected, 0, len(s.list))
	for i := range s.list {
		st := &s.list[i]
		af := advisory.Affected{
			Ecosystem: st.place.ecosystem, Package: st.pkg, State: st.state, Severity: s.severity,
			Module: st.module, Stream: st.place.stream,
		}
		if st.iv != (version.Interval{}) {
			af.Ranges = []version.Interval{st.iv}
		}
		arches := processors(st.arches)
		if len(arches) == 0 {
			out = append(out, af)
		}
		for _, arch := range arches {
			af.Arch = arch
			out = append(out, af)
		}
	}
	return out
}

// buildStream names builds that are made beside the ordinary ones, and whose versions
// say nothing on those: Oracle's for Ksplice and those certified by FIPS 140, and
// Ubuntu's for subscribers (ESM).
func buildStream(fixed string) string {
	switch v := strings.ToLower(fixed); {
	case strings.Contains(v, ".ksplice"):
		return "ksplice"
	case strings.Contains(v, "fips"):
		return "fips"
	case strings.Contains(v, "+esm"), strings.Contains(v, "~esm"):
		return "esm"
	}
	return ""
}

// cveIn gives the CVE that a reference ends in: "Mitre CVE-2010-2322",
// "CVE:00001:CVE-2016-8637".
func cveIn(ref string) string {
	ref = strings.TrimSpace(ref)
	if at := strings.LastIndexAny(ref, " :"); at >= 0 {
		ref = ref[at+1:]
	}
	if cveOf(ref) != ref {
		return ""
	}
	return ref
}

// cves gives the flaws a definition names, sorted.
func (d *ovalDefinition) cves() []string {
	var out []string
	add := func(s string) {
		if cve := cveIn(s); cve != "" && len(out) < maxAliases {
			out = append(out, cve)
		}
	}
	for _, r := range d.References {
		if strings.EqualFold(r.Source, "CVE") {
			add(r.ID)
		}
	}
	for _, c := range d.Advisory.CVEs {
		add(c.Text)
	}
	return sortedUnique(out)
}

// flaw identifies a definition that is about one CVE, whose page is at url and the ID.
func (d *ovalDefinition) flaw(url string) (advisory.Advisory, error) {
	cves := d.cves()
	switch len(cves) {
	case 0:
		return advisory.Advisory{}, errors.New("it names no CVE")
	case 1:
	default:
		return advisory.Advisory{}, fmt.Errorf("it names %d flaws as one", len(cves))
	}
	a := advisory.Advisory{ID: cves[0], URL: url + cves[0]}
	for _, c := range d.Advisory.CVEs {
		for _, v := range [...]string{c.CVSS3, c.Vector} {
			// Some put the score before it: "7.0/CVSS:3.1/AV:L/…".
			if at := strings.Index(v, "CVSS:"); at >= 0 && at < 8 && len(v) <= 256 && isName(v) && len(a.CVSS) == 0 {
				a.CVSS = []advisory.CVSS{{Vector: v[at:]}}
			}
		}
	}
	return a, nil
}

// erratum identifies a definition that is about an update, by the reference with one of
// the sources. The CVEs are what it fixes.
func (d *ovalDefinition) erratum(sources ...string) (advisory.Advisory, error) {
	for _, r := range d.References {
		id := strings.TrimSpace(r.ID)
		if !slices.ContainsFunc(sources, func(s string) bool { return strings.EqualFold(s, r.Source) }) || !isErrata(id) || !isName(id) {
			continue
		}
		a := advisory.Advisory{ID: id, Related: d.cves(), URL: recordURL(id)}
		if strings.HasPrefix(r.URL, "https://") && isName(r.URL) {
			a.URL = r.URL
		}
		title := strings.TrimSpace(d.Title)
		if rest, ok := strings.CutPrefix(title, id); ok {
			title = strings.TrimLeft(rest, ": -")
		}
		a.Summary = oneLine(title)
		return a, nil
	}
	return advisory.Advisory{}, fmt.Errorf("it has no reference to an update (%s)", strings.Join(sources, ", "))
}

// onPlatform gives places by the names of platforms: those a clause asks for or, where
// it asks for none, those that the definition is for.
func onPlatform(ecosystem func(platform string) string) func(*ovalDefinition, []string) []ovalPlace {
	return func(d *ovalDefinition, platforms []string) []ovalPlace {
		if len(platforms) == 0 {
			platforms = d.Platforms
		}
		var out []ovalPlace
		for _, p := range platforms {
			if e := ecosystem(strings.TrimSpace(p)); e != "" && !slices.Contains(out, ovalPlace{ecosystem: e}) {
				out = append(out, ovalPlace{ecosystem: e})
			}
		}
		return out
	}
}
