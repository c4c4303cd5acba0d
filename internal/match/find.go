package match

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/finding"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// flaws has the flaws of version v of p looked for at places. They are what they are for
// the other packages built from the same source, so each is looked for once.
func (m *matcher) flaws(p *inventory.Package, places []place, v string) {
	key := jobKey{place: places[0], version: v, arch: p.Arch, module: p.Module}
	if m.rel.bySourceToo(p) {
		key.source = p.Source
	}
	i, ok := m.byKey[key]
	if !ok {
		i = len(m.jobs)
		m.byKey[key] = i
		m.jobs = append(m.jobs, job{p: p, places: places, v: v})
	}
	m.asked = append(m.asked, asked{p, i})
}

// job is a version to look up, and what became of it.
type job struct {
	p      *inventory.Package // tells architecture and module
	places []place
	v      string
	found  []finding.Finding // without package and place
}

type jobKey struct {
	place                 // the first of several
	version, arch, module string
	source                inventory.Source // where it is looked up too
}

// asked is a package and the job that is about it.
type asked struct {
	p   *inventory.Package
	job int
}

// work does the jobs on all processors.
func (m *matcher) work() error {
	// Starting a worker is worth some ten jobs.
	workers := min(runtime.GOMAXPROCS(0), (len(m.jobs)+9)/10)
	esm := sync.OnceValue(func() bool { return subscribed(m.inv) })
	all := flawCache{known: map[string]enriched{}}
	finders := make([]*finder, workers)
	var next atomic.Int64
	g, ctx := errgroup.WithContext(m.ctx)
	for i := range finders {
		f := &finder{ctx: ctx, db: m.db, rel: &m.rel, subscribed: esm, enriched: &all, used: map[string]bool{}}
		finders[i] = f
		g.Go(func() error {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(m.jobs) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				j := &m.jobs[n]
				var err error
				if j.found, err = f.find(j.p, j.places, j.v); err != nil {
					return err
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		if m.ctx.Err() != nil {
			return m.ctx.Err()
		}
		return err
	}
	for _, f := range finders {
		m.res.Unknowns = append(m.res.Unknowns, f.unknowns...)
		maps.Copy(m.used, f.used)
	}
	m.findings()
	return nil
}

// findings makes a finding of each flaw in each package.
func (m *matcher) findings() {
	n := 0
	for _, a := range m.asked {
		n += len(m.jobs[a.job].found)
	}
	if n == 0 {
		return
	}
	m.res.Findings = make([]finding.Finding, 0, n)
	for _, a := range m.asked {
		for _, f := range m.jobs[a.job].found {
			f.Package = a.p
			f.Location = finding.Location{Path: a.p.Locations[0].Path, Layer: a.p.Locations[0].Layer}
			m.res.Findings = append(m.res.Findings, f)
		}
	}
}

// finder looks versions up, one at a time.
type finder struct {
	ctx        context.Context
	db         Lookup
	rel        *release
	subscribed func() bool // see the function of that name
	enriched   *flawCache
	stmts      []statement
	unknowns   []inventory.Unknown
	used       map[string]bool // ecosystems looked up
}

// flawCache keeps what is known of flaws, for all finders of a match.
type flawCache struct {
	mu    sync.Mutex
	known map[string]enriched
}

type enriched struct {
	advisory.Enrichment
	ok bool
}

func (m *finder) enrich(id string) (enriched, error) {
	m.enriched.mu.Lock()
	e, ok := m.enriched.known[id]
	m.enriched.mu.Unlock()
	if ok {
		return e, nil
	}
	// Two may look the same up at once: it is the same then.
	var err error
	if e.Enrichment, e.ok, err = m.db.Enrich(m.ctx, id); err != nil {
		return enriched{}, fmt.Errorf("looking up %s: %w", id, err)
	}
	m.enriched.mu.Lock()
	m.enriched.known[id] = e
	m.enriched.mu.Unlock()
	return e, nil
}

// statement is what one record says of one flaw in the package at hand.
type statement struct {
	finding.Statement
	rec   advisory.Advisory
	flaw  string   // the flaw's ID as this record gives it
	alias []string // its other IDs
	rank  int      // of the source: lower wins
	level int      // how near it is: see levelRepository
}

// bySourceToo tells packages whose sources are looked up besides themselves.
func (r *release) bySourceToo(p *inventory.Package) bool {
	return r.redHat != nil && p.Type == "rpm" && p.Source.Name != ""
}

// find gives the flaws of version v of what is known at places; p tells architecture and
// module.
func (m *finder) find(p *inventory.Package, places []place, v string) ([]finding.Finding, error) {
	m.stmts = m.stmts[:0]
	quick, ok := m.db.(prefilter)
	quickly := ok && len(places) == 1 && !m.rel.bySourceToo(p)
	may := quickly
	for _, at := range places {
		scheme, ok := version.For(at.ecosystem)
		if !ok {
			return nil, fmt.Errorf("matching %s: no version order is known for %s", at.name, at.ecosystem)
		}
		m.used[at.ecosystem] = true
		if err := scheme.Valid(v); err != nil {
			m.unknowns = append(m.unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: p.Type + " " + at.name,
				Detail: fmt.Sprintf("its version %q cannot be ordered: %v", v, err)})
			return nil, nil
		}
		if quickly {
			break
		}
		yes, err := m.mayAffect(p, at, v)
		if err != nil {
			return nil, fmt.Errorf("looking up %s in %s: %w", at.name, at.ecosystem, err)
		}
		may = may || yes
	}
	if !may {
		return nil, nil
	}
	for _, at := range places {
		eco, name := at.ecosystem, at.name
		scheme, _ := version.For(eco)
		records := m.db.Lookup(m.ctx, eco, name)
		if quickly {
			records = quick.LookupVersion(m.ctx, eco, name, v)
		}
		for rec, err := range records {
			if err != nil {
				return nil, fmt.Errorf("looking up %s in %s: %w", name, eco, err)
			}
			m.record(p, scheme, eco, v, rec, false)
		}
		if !m.rel.bySourceToo(p) || scheme.Valid(p.Source.Version) != nil {
			continue
		}
		for rec, err := range m.db.Lookup(m.ctx, eco, p.Source.Name) {
			if err != nil {
				return nil, fmt.Errorf("looking up %s in %s: %w", p.Source.Name, eco, err)
			}
			m.record(p, scheme, eco, p.Source.Version, rec, true)
		}
	}
	m.stmts = nearestOnly(m.stmts)
	var out []finding.Finding
	for _, g := range group(relevant(m.stmts)) {
		f, affected, err := m.judge(g)
		if err != nil {
			return nil, err
		}
		if affected {
			out = append(out, f)
		}
	}
	return out, nil
}

// prefilter is what a Lookup may do besides: tell without reading what is held against a
// package what of it matters to a version.
type prefilter interface {
	// MayAffect is false if nothing may affect the version.
	MayAffect(ctx context.Context, ecosystem, name, v string) (bool, error)
	// LookupVersion is Lookup without the records that do not matter to a version: none of
	// their statements may affect it, nor do they share a flaw with one that does.
	LookupVersion(ctx context.Context, ecosystem, name, v string) iter.Seq2[advisory.Advisory, error]
}

// mayAffect is true unless it is sure that nothing that is said of the package, or of
// its source where that is looked up too, affects it.
func (m *finder) mayAffect(p *inventory.Package, at place, v string) (bool, error) {
	db, ok := m.db.(prefilter)
	if !ok {
		return true, nil
	}
	may, err := db.MayAffect(m.ctx, at.ecosystem, at.name, v)
	if may || err != nil || !m.rel.bySourceToo(p) {
		return may, err
	}
	return db.MayAffect(m.ctx, at.ecosystem, p.Source.Name, p.Source.Version)
}

// record adds what rec says of version v of the package, or of its source.
func (m *finder) record(p *inventory.Package, scheme version.Scheme, eco, v string, rec advisory.Advisory, source bool) {
	var all []candidate
	for i := range rec.Affected {
		a := &rec.Affected[i]
		level := levelRepository
		if h := m.rel.redHat; h != nil && p.Type == "rpm" {
			var ok bool
			if level, ok = h.level(p, a); !ok {
				continue
			}
		}
		switch {
		case (a.Arch == advisory.ArchSource) != source:
			continue
		case source:
			level += levelSource
		case a.Arch != "" && p.Arch != "" && a.Arch != p.Arch && a.Arch != "noarch" && p.Arch != "noarch":
			continue
		}
		if a.Module != "" && a.Module != p.Module {
			continue
		}
		s := finding.Statement{Source: rec.Source, Advisory: rec.ID, State: a.State, Severity: max(a.Severity, rec.Severity)}
		if a.Severity != advisory.SeverityUnknown {
			s.Severity = a.Severity
		}
		s.Affects, s.Fixed = m.affects(p, scheme, v, a)
		if !sameStream(p, v, s.Fixed) {
			continue
		}
		if s.Affects && isESM(s.Fixed) && !m.subscribed() {
			// The release as it is gets no fix.
			if s.Fixed = ""; s.State == advisory.StateAffected {
				s.State = advisory.StateWillNotFix
			}
		}
		all = append(all, candidate{s, level})
	}
	best := choose(scheme, v, all)
	if best == nil {
		return
	}
	rank, _ := Precedence(eco, &rec)
	add := func(flaw string, alias []string) {
		m.stmts = append(m.stmts, statement{Statement: best.Statement, rec: rec, flaw: flaw, alias: alias, rank: rank, level: best.level})
	}
	if len(rec.Related) == 0 {
		add(rec.ID, rec.Aliases)
		return
	}
	for _, cve := range rec.Related {
		add(cve, nil)
	}
}

// better decides between two entries of one record for the same package: one that
// affects outweighs, then the lower fixed version, as the nearer way out.
func better(scheme version.Scheme, a, b finding.Statement) bool {
	if a.Affects != b.Affects {
		return a.Affects
	}
	if a.Fixed == "" || b.Fixed == "" {
		return a.Fixed != "" && b.Fixed == ""
	}
	c, err := scheme.Compare(a.Fixed, b.Fixed)
	return err == nil && c < 0
}

// sameStream keeps fixes of one stream of builds from being held against another:
// of a modularity stream (without labels, a modular build is told by ".module" in its
// release), of Oracle's builds for Ksplice, which have an epoch of their own, and of
// builds certified by FIPS 140.
func sameStream(p *inventory.Package, v, fixed string) bool {
	switch {
	case fixed == "":
		return true
	case p.Type == "rpm":
		return isModular(v) == isModular(fixed) && isFIPS(v) == isFIPS(fixed) && strings.Contains(v, ".ksplice") == strings.Contains(fixed, ".ksplice")
	case p.Type == "deb" && isFIPS(v):
		// Ubuntu's "1-1ubuntu1.2+Fips1" is built of 1-1ubuntu1.2, and "1-1ubuntu1.fips.2"
		// counts for itself.
		return isFIPS(fixed) || strings.Contains(strings.ToLower(v), "+fips")
	case p.Type == "deb":
		return !isFIPS(fixed)
	}
	return true
}

func isFIPS(v string) bool { return strings.Contains(strings.ToLower(v), "fips") }

// isESM tells Ubuntu's builds for subscribers (ubuntu.com/security/esm).
func isESM(v string) bool { return strings.Contains(v, "+esm") || strings.Contains(v, "~esm") }

// subscribed reports whether some package came from Ubuntu's archive for subscribers, so
// that what is fixed there is fixed for this image.
func subscribed(inv *inventory.Inventory) bool {
	return slices.ContainsFunc(inv.Packages, func(p inventory.Package) bool { return p.Type == "deb" && isESM(p.Version) })
}

func isModular(v string) bool {
	return strings.Contains(v, ".module+") || strings.Contains(v, ".module_")
}

// affects tests v against one entry and gives the version that fixes it.
func (m *finder) affects(p *inventory.Package, scheme version.Scheme, v string, a *advisory.Affected) (bool, string) {
	if a.State == advisory.StateNotAffected {
		return false, ""
	}
	if len(a.Ranges) == 0 && len(a.Versions) == 0 {
		return true, ""
	}
	fixed := ""
	for _, iv := range a.Ranges {
		in, err := scheme.Contains(v, iv)
		if err != nil {
			m.unknowns = append(m.unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: p.Type + " " + p.Name,
				Detail: fmt.Sprintf("a version range of an advisory cannot be read: %v", err)})
			continue
		}
		if in {
			return true, iv.Fixed
		}
		if iv.Fixed != "" {
			fixed = iv.Fixed
		}
	}
	for _, w := range a.Versions {
		if w == v {
			return true, fixedAfter(scheme, v, a.Ranges)
		}
		if c, err := scheme.Compare(w, v); err == nil && c == 0 {
			return true, fixedAfter(scheme, v, a.Ranges)
		}
	}
	return false, fixed
}

// fixedAfter gives the lowest fixed version above v.
func fixedAfter(scheme version.Scheme, v string, ivs []version.Interval) string {
	best := ""
	for _, iv := range ivs {
		if iv.Fixed == "" {
			continue
		}
		if c, err := scheme.Compare(iv.Fixed, v); err != nil || c <= 0 {
			continue
		}
		if best == "" {
			best = iv.Fixed
		} else if c, err := scheme.Compare(iv.Fixed, best); err == nil && c < 0 {
			best = iv.Fixed
		}
	}
	return best
}
