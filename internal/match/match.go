// Package match holds an inventory against advisories and gives findings.
//
// For each package it asks the lookup for the records on its name, tests the
// installed version with the order of the ecosystem, joins records that speak of
// the same flaw, and lets one source win by a fixed precedence; what the others
// said stays with the finding.
//
// VEX statements are applied to what was found ([Result.Apply]).
//
// What cannot be matched (no distribution, no data, a version nobody can order) is
// given as an unknown or as a line of Coverage: nothing is passed over in silence.
package match

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/finding"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// Lookup is the advisory data that matching needs.
type Lookup interface {
	// Covers reports whether there is data for an ecosystem ("Debian:12", "npm").
	Covers(ecosystem string) bool
	// Lookup gives the records on a package, with Affected reduced to it.
	Lookup(ctx context.Context, ecosystem, name string) iter.Seq2[advisory.Advisory, error]
	// Enrich gives what is known of a flaw by ID; false if nothing is.
	Enrich(ctx context.Context, id string) (advisory.Enrichment, bool, error)
}

// A lifecycler is a Lookup that also knows until when releases are supported: its word
// goes before the table in this room, which is for what it is silent on.
type lifecycler interface {
	// EndOfLife takes the ID of an os-release or the name of a runtime and a release,
	// "debian 12", "python 3.12"; false if nothing is known.
	EndOfLife(ctx context.Context, key string) (advisory.Lifecycle, bool, error)
}

// Result of matching one inventory.
type Result struct {
	// Findings sorted worst first, then by package and ID. They point into the inventory.
	Findings []finding.Finding
	Unknowns []inventory.Unknown
	// Coverage has a line for each package type found.
	Coverage []Coverage
	// Ecosystems whose data was used, sorted.
	Ecosystems []string
	// EOL is the last day of the distribution's support, if known ("2028-06-30").
	EOL string
	// Ends are the last days of support of runtimes that no OS package brought, where the
	// snapshot knows them.
	Ends map[*inventory.Package]string
	// Suppressed are findings that by a VEX statement do not count, sorted like
	// Findings; each has the statement.
	Suppressed []finding.Finding
	// Documents are the VEX documents that were named, and Unmatched those of their
	// statements that were about nothing found here, in the order they were given.
	Documents []Document
	Unmatched []Unmatched
}

// Coverage says for one package type what it was held against.
type Coverage struct {
	Type string `json:"type"`
	// Ecosystem whose advisories were used; empty if there are none to use.
	Ecosystem string `json:"ecosystem,omitempty"`
	Packages  int    `json:"packages"`
	// Matched of them; the others are explained by Note.
	Matched int    `json:"matched"`
	Note    string `json:"note,omitempty"`
}

// Match holds inv against db. The error is that of a broken snapshot or a cancelled
// context; no result may be used with it.
func Match(ctx context.Context, inv *inventory.Inventory, db Lookup) (*Result, error) {
	m := &matcher{ctx: ctx, inv: inv, db: db, res: &Result{}, cover: map[string]*Coverage{}, enriched: map[string]enriched{}, used: map[string]bool{}, memo: map[memoKey][]finding.Finding{}}
	if err := m.release(); err != nil {
		return nil, err
	}
	for i := range inv.Packages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := m.pkg(&inv.Packages[i]); err != nil {
			return nil, err
		}
	}
	m.finish()
	return m.res, nil
}

type matcher struct {
	ctx      context.Context
	inv      *inventory.Inventory
	db       Lookup
	res      *Result
	rel      release
	osNote   string // why OS packages are not matched, if so
	cover    map[string]*Coverage
	foreign  map[string]bool // OS packages that the distribution did not build
	enriched map[string]enriched
	used     map[string]bool // ecosystems looked up
	esm      *bool           // see subscribed
	stmts    []statement
	found    []hit
	// memo keeps what was found for a source package and version: the other packages
	// built from it have the same flaws.
	memo map[memoKey][]finding.Finding
}

type memoKey struct {
	place                 // the first of several
	version, arch, module string
	source                inventory.Source // where it is looked up too
}

type enriched struct {
	advisory.Enrichment
	ok bool
}

// release finds out which advisories speak for the distribution.
func (m *matcher) release() error {
	hasOS := slices.ContainsFunc(m.inv.Packages, func(p inventory.Package) bool { return inventory.IsOS(p.Type) })
	d := m.inv.Distro
	unknown := func(r inventory.Reason, subject, detail string) {
		m.osNote = detail
		m.res.Unknowns = append(m.res.Unknowns, inventory.Unknown{Reason: r, Subject: subject, Detail: detail})
	}
	switch {
	case d == nil && hasOS:
		unknown(inventory.DistroUnsupported, "os-release", "no file says which distribution this is, so its packages cannot be matched")
		return nil
	case d == nil:
		return nil
	}
	subject := strings.TrimSpace(d.ID + " " + d.VersionID)
	rel, ok := releaseOf(d)
	if !ok {
		unknown(inventory.DistroUnsupported, subject, "there is no advisory source for this distribution release")
		return nil
	}
	m.rel = rel
	end, err := endOfLife(m.ctx, m.db, rel.lives)
	if err != nil {
		return fmt.Errorf("looking up the end of %s: %w", subject, err)
	}
	m.res.EOL = end
	if strings.HasPrefix(rel.ecosystems[0], "Red Hat:") {
		if err := m.redHat(d); err != nil {
			return err
		}
	}
	m.rel.ecosystems = slices.DeleteFunc(slices.Clone(m.rel.ecosystems), func(e string) bool { return !m.db.Covers(e) })
	if len(m.rel.ecosystems) == 0 {
		unknown(inventory.FeedMissing, subject, "the advisory snapshot holds no data for "+rel.ecosystems[0])
	}
	return nil
}

func (m *matcher) coverage(p *inventory.Package, ecosystem string) *Coverage {
	c := m.cover[p.Type]
	if c == nil {
		c = &Coverage{Type: p.Type, Ecosystem: ecosystem}
		m.cover[p.Type] = c
	}
	c.Packages++
	return c
}

func (m *matcher) pkg(p *inventory.Package) error {
	if inventory.IsOS(p.Type) {
		return m.osPackage(p)
	}
	if err := m.supported(p); err != nil {
		return err
	}
	lang, ok := languages[p.Type]
	if !ok {
		m.coverage(p, "").Note = "no public advisory source is read for this type"
		return nil
	}
	c := m.coverage(p, lang.ecosystem)
	if p.OwnedBy != "" && m.osNote == "" && !m.isForeign(p.OwnedBy) {
		c.Matched++ // by way of the OS package
		return nil
	}
	name, v := lang.name(p), lang.version(p)
	places := []place{{lang.ecosystem, name}}
	if p.Type == "generic" {
		places = append(places, place{"generic", name}) // a project's own list
		places = append(places, nvdPlaces(p)...)
	}
	places = slices.DeleteFunc(places, func(at place) bool { return !m.db.Covers(at.ecosystem) })
	if len(places) == 0 {
		c.Note = "the advisory snapshot holds no data for " + lang.ecosystem
		return nil
	}
	if name == "" || v == "" {
		c.Note = "packages without group or version are listed only"
		return nil
	}
	if p.Type == "generic" {
		c.Ecosystem = places[0].ecosystem
		// These advisories are for what one distributor packs, or for some products: no
		// record at all on a name means that nobody watches it, not that nothing is
		// wrong with it.
		watched := false
		for _, at := range places {
			any, err := m.watched(at)
			if err != nil {
				return err
			}
			watched = watched || any
		}
		if !watched {
			c.Note = "programs that no advisory source names are listed only"
			return nil
		}
	}
	c.Matched++
	return m.flaws(p, places, v)
}

// place is a name in an ecosystem, where records on a package are.
type place struct{ ecosystem, name string }

// watched reports whether there is any record at a place.
func (m *matcher) watched(at place) (bool, error) {
	for _, err := range m.db.Lookup(m.ctx, at.ecosystem, at.name) {
		if err != nil {
			return false, fmt.Errorf("looking up %s in %s: %w", at.name, at.ecosystem, err)
		}
		return true, nil
	}
	return false, nil
}

// kernels are sources whose packages in a container run no kernel code: a container
// uses its host's kernel.
func isKernel(source string) bool {
	return source == "linux" || source == "kernel" || strings.HasPrefix(source, "linux-") && !strings.HasPrefix(source, "linux-pam") ||
		strings.HasPrefix(source, "kernel-") && source != "kernel-install"
}

func (m *matcher) osPackage(p *inventory.Package) error {
	eco := ""
	if len(m.rel.ecosystems) > 0 {
		eco = m.rel.ecosystems[0]
	}
	c := m.coverage(p, eco)
	note := func(s string) {
		if c.Note == "" {
			c.Note = s
		} else if !strings.Contains(c.Note, s) {
			c.Note += "; " + s
		}
	}
	if m.osNote != "" {
		note(m.osNote)
		return nil
	}
	if m.rel.guess != "" {
		note("assumed: " + m.rel.guess)
	}
	if m.rel.note != "" {
		note(m.rel.note)
	}
	switch {
	case isKernel(p.Source.Name):
		note("kernel packages are not matched: a container runs its host's kernel")
		return nil
	case isForeignBuild(p):
		note("packages from third-party repositories are not matched by name")
		return nil
	}
	c.Matched++
	name, v := p.Name, p.Version
	if m.rel.bySource && p.Source.Name != "" {
		name, v = p.Source.Name, p.Source.Version
		if p.Type == "rpm" && v == "" {
			v = p.Version
		}
	}
	places := make([]place, len(m.rel.ecosystems))
	for i, eco := range m.rel.ecosystems {
		places[i] = place{eco, name}
	}
	return m.flaws(p, places, v)
}

// isForeignBuild tells packages that carry a distribution's package name but are
// built and versioned by somebody else, by the marks they leave in the version.
func isForeignBuild(p *inventory.Package) bool {
	if p.Type != "deb" {
		return false
	}
	v := strings.ToLower(p.Version)
	for _, mark := range []string{"nodesource", "pgdg", "~ppa", "+ppa", "sury.org", "~docker", "percona", "+maria~"} {
		if strings.Contains(v, mark) {
			return true
		}
	}
	return false
}

func (m *matcher) isForeign(name string) bool {
	if m.foreign == nil {
		m.foreign = map[string]bool{}
		for i := range m.inv.Packages {
			if p := &m.inv.Packages[i]; inventory.IsOS(p.Type) && isForeignBuild(p) {
				m.foreign[p.Name] = true
			}
		}
	}
	return m.foreign[name]
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

// flaws collects what all records say of one package and turns it into findings.
func (m *matcher) flaws(p *inventory.Package, places []place, v string) error {
	key := memoKey{place: places[0], version: v, arch: p.Arch, module: p.Module}
	if m.bySourceToo(p) {
		key.source = p.Source
	}
	found, ok := m.memo[key]
	if !ok {
		var err error
		if found, err = m.find(p, places, v); err != nil {
			return err
		}
		m.memo[key] = found
	}
	if len(found) > 0 {
		m.found = append(m.found, hit{p, found})
	}
	return nil
}

// hit is a package and what was found for its source and version.
type hit struct {
	p     *inventory.Package
	found []finding.Finding
}

// findings makes a finding of each flaw in each package.
func (m *matcher) findings() {
	n := 0
	for _, h := range m.found {
		n += len(h.found)
	}
	if n == 0 {
		return
	}
	m.res.Findings = make([]finding.Finding, 0, n)
	for _, h := range m.found {
		for _, f := range h.found {
			f.Package = h.p
			f.Location = finding.Location{Path: h.p.Locations[0].Path, Layer: h.p.Locations[0].Layer}
			m.res.Findings = append(m.res.Findings, f)
		}
	}
}

// bySourceToo tells packages whose sources are looked up besides themselves.
func (m *matcher) bySourceToo(p *inventory.Package) bool {
	return m.rel.redHat != nil && p.Type == "rpm" && p.Source.Name != ""
}

// find gives the flaws of version v of what is known at places; p tells architecture and
// module.
func (m *matcher) find(p *inventory.Package, places []place, v string) ([]finding.Finding, error) {
	m.stmts = m.stmts[:0]
	may := false
	for _, at := range places {
		scheme, ok := version.For(at.ecosystem)
		if !ok {
			return nil, fmt.Errorf("matching %s: no version order is known for %s", at.name, at.ecosystem)
		}
		m.used[at.ecosystem] = true
		if err := scheme.Valid(v); err != nil {
			m.res.Unknowns = append(m.res.Unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: p.Type + " " + at.name,
				Detail: fmt.Sprintf("its version %q cannot be ordered: %v", v, err)})
			return nil, nil
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
		for rec, err := range m.db.Lookup(m.ctx, eco, name) {
			if err != nil {
				return nil, fmt.Errorf("looking up %s in %s: %w", name, eco, err)
			}
			m.record(p, scheme, eco, v, rec, false)
		}
		if !m.bySourceToo(p) || scheme.Valid(p.Source.Version) != nil {
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
// package whether any of it may affect a version.
type prefilter interface {
	MayAffect(ctx context.Context, ecosystem, name, v string) (bool, error)
}

// mayAffect is true unless it is sure that nothing that is said of the package, or of
// its source where that is looked up too, affects it.
func (m *matcher) mayAffect(p *inventory.Package, at place, v string) (bool, error) {
	db, ok := m.db.(prefilter)
	if !ok {
		return true, nil
	}
	may, err := db.MayAffect(m.ctx, at.ecosystem, at.name, v)
	if may || err != nil || !m.bySourceToo(p) {
		return may, err
	}
	return db.MayAffect(m.ctx, at.ecosystem, p.Source.Name, p.Source.Version)
}

// record adds what rec says of version v of the package, or of its source.
func (m *matcher) record(p *inventory.Package, scheme version.Scheme, eco, v string, rec advisory.Advisory, source bool) {
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
func (m *matcher) subscribed() bool {
	if m.esm == nil {
		some := slices.ContainsFunc(m.inv.Packages, func(p inventory.Package) bool { return p.Type == "deb" && isESM(p.Version) })
		m.esm = &some
	}
	return *m.esm
}

func isModular(v string) bool {
	return strings.Contains(v, ".module+") || strings.Contains(v, ".module_")
}

// affects tests v against one entry and gives the version that fixes it.
func (m *matcher) affects(p *inventory.Package, scheme version.Scheme, v string, a *advisory.Affected) (bool, string) {
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
			m.res.Unknowns = append(m.res.Unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: p.Type + " " + p.Name,
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

func (m *matcher) enrich(id string) (enriched, error) {
	if e, ok := m.enriched[id]; ok {
		return e, nil
	}
	e, ok, err := m.db.Enrich(m.ctx, id)
	if err != nil {
		return enriched{}, fmt.Errorf("looking up %s: %w", id, err)
	}
	m.enriched[id] = enriched{e, ok}
	return m.enriched[id], nil
}

func (m *matcher) finish() {
	matched := 0
	for _, c := range m.cover {
		m.res.Coverage = append(m.res.Coverage, *c)
		matched += c.Matched
		if !inventory.IsOS(c.Type) && c.Matched < c.Packages && c.Ecosystem != "" && !m.db.Covers(c.Ecosystem) {
			m.res.Unknowns = append(m.res.Unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: c.Ecosystem,
				Detail: fmt.Sprintf("%d packages could not be matched: %s", c.Packages-c.Matched, c.Note)})
		}
	}
	if matched == 0 && len(m.inv.Packages) > 0 && len(m.res.Unknowns) == 0 {
		m.res.Unknowns = append(m.res.Unknowns, inventory.Unknown{Reason: inventory.NoPackagesIdentified, Subject: "image",
			Detail: "packages were found, but none that any advisory source speaks of; this does not mean that nothing is wrong with them"})
	}
	m.findings()
	m.res.Ecosystems = slices.Sorted(maps.Keys(m.used))
	slices.SortFunc(m.res.Coverage, func(a, b Coverage) int { return strings.Compare(a.Type, b.Type) })
	inventory.SortUnknowns(m.res.Unknowns)
	m.res.Unknowns = slices.Compact(m.res.Unknowns)
	finding.Sort(m.res.Findings)
}
