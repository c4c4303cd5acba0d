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
)

// Lookup is the advisory data that matching needs. It is asked by several goroutines at
// once.
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
	m := &matcher{ctx: ctx, inv: inv, db: db, res: &Result{}, cover: map[string]*Coverage{}, used: map[string]bool{}, covered: map[string]bool{}, byKey: map[jobKey]int{}}
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
	if err := m.work(); err != nil {
		return nil, err
	}
	m.finish()
	return m.res, nil
}

type matcher struct {
	ctx     context.Context
	inv     *inventory.Inventory
	db      Lookup
	res     *Result
	rel     release
	osNote  string // why OS packages are not matched, if so
	cover   map[string]*Coverage
	foreign map[string]bool // OS packages that the distribution did not build
	used    map[string]bool // ecosystems looked up
	covered map[string]bool // what the snapshot answered, by ecosystem
	// jobs are what is looked up, and asked which packages it is for.
	jobs  []job
	byKey map[jobKey]int
	asked []asked
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
	m.rel.ecosystems = slices.DeleteFunc(slices.Clone(m.rel.ecosystems), func(e string) bool { return !m.covers(e) })
	if len(m.rel.ecosystems) == 0 {
		unknown(inventory.FeedMissing, subject, "the advisory snapshot holds no data for "+rel.ecosystems[0])
	}
	return nil
}

// covers asks whether the snapshot has data for an ecosystem, once.
func (m *matcher) covers(ecosystem string) bool {
	yes, known := m.covered[ecosystem]
	if !known {
		yes = m.db.Covers(ecosystem)
		m.covered[ecosystem] = yes
	}
	return yes
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
	places = slices.DeleteFunc(places, func(at place) bool { return !m.covers(at.ecosystem) })
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
	m.flaws(p, places, v)
	return nil
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
	m.flaws(p, places, v)
	return nil
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

func (m *matcher) finish() {
	matched := 0
	for _, c := range m.cover {
		m.res.Coverage = append(m.res.Coverage, *c)
		matched += c.Matched
		if !inventory.IsOS(c.Type) && c.Matched < c.Packages && c.Ecosystem != "" && !m.covers(c.Ecosystem) {
			m.res.Unknowns = append(m.res.Unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: c.Ecosystem,
				Detail: fmt.Sprintf("%d packages could not be matched: %s", c.Packages-c.Matched, c.Note)})
		}
	}
	if matched == 0 && len(m.inv.Packages) > 0 && len(m.res.Unknowns) == 0 {
		m.res.Unknowns = append(m.res.Unknowns, inventory.Unknown{Reason: inventory.NoPackagesIdentified, Subject: "image",
			Detail: "packages were found, but none that any advisory source speaks of; this does not mean that nothing is wrong with them"})
	}
	m.res.Ecosystems = slices.Sorted(maps.Keys(m.used))
	slices.SortFunc(m.res.Coverage, func(a, b Coverage) int { return strings.Compare(a.Type, b.Type) })
	inventory.SortUnknowns(m.res.Unknowns)
	m.res.Unknowns = slices.Compact(m.res.Unknowns)
	finding.Sort(m.res.Findings)
}
