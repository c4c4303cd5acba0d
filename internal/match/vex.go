package match

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/finding"
	"github.com/plimsoll/plimsoll/internal/inventory"
)

// Hub is a Lookup that holds VEX statements too.
type Hub interface {
	// Statements gives what is said of a product by one of its keys
	// ([advisory.Component.Keys]).
	Statements(ctx context.Context, key string) iter.Seq2[advisory.Statement, error]
}

// Image is what VEX statements may know an image by. Empty fields match nothing.
type Image struct {
	// Repository with its registry, "docker.io/library/nginx"; Tag below it.
	Repository, Tag string
	// Digests of manifest, index and config, "sha256:<hex>".
	Digests []string
	// Arch as in the image's platform, "amd64".
	Arch string
}

// Document is one VEX document that was named.
type Document struct {
	// Source is the file, ID what the document calls itself.
	Source, ID, Author string
	// Statements in it, and how many of them were about something found.
	Statements, Matched int
}

// Unmatched is a statement that was about nothing found, and why.
type Unmatched struct {
	*advisory.Statement
	Why string
}

// The reasons for which a statement is about nothing found.
const (
	noSuchProduct = "the product is not here"
	noSuchFlaw    = "the flaw was not found in the product"
)

// Apply holds VEX statements against the findings of res, which [Match] gave for inv: those
// that the user named in stated, and those of db if it is a [Hub]. What is not affected
// or fixed moves from Findings to Suppressed; other findings keep the statement on them.
//
// A statement is about a finding if it names the flaw by one of its IDs (two different CVEs
// are never one flaw), and if one of its products
//
//   - is the package, in this version and with these qualifiers where it gives them, and
//     names no subcomponents, or
//   - is the image, the distribution (by CPE, for its own packages) or a program or
//     archive that the package is part of, and names no subcomponents or the package among
//     them.
//
// Of several the one with the latest time counts, then one that the user named, then the
// one that leaves the finding standing. A package found in several places is suppressed
// only if it is in each of them.
//
// Statements in stated that were about nothing are in Unmatched; those of a hub are not.
func (res *Result) Apply(ctx context.Context, inv *inventory.Inventory, img Image, db Lookup, stated []advisory.Statement) error {
	v := &vexer{ctx: ctx, inv: inv, img: img, stated: stated, used: make([]bool, len(stated)), cache: map[string]map[string][]*advisory.Statement{}, onPlace: map[spot][]map[string][]*advisory.Statement{}, purls: map[string]advisory.PURL{}, of: map[*inventory.Package]advisory.PURL{}}
	v.hub, _ = db.(Hub)
	if d := inv.Distro; d != nil {
		v.os, _ = advisory.ParseCPE(d.CPE)
	}
	if v.hub == nil && len(stated) == 0 {
		return nil
	}
	v.index(res.Findings)
	kept := res.Findings[:0] // in place: what is read is ahead of what is written
	for i := range res.Findings {
		if err := ctx.Err(); err != nil {
			return err
		}
		f := res.Findings[i]
		s, err := v.counts(&f)
		if err != nil {
			return err
		}
		if s != nil {
			f.VEX = said(s)
		}
		if s != nil && s.Status.Suppresses() {
			res.Suppressed = append(res.Suppressed, f)
		} else {
			kept = append(kept, f)
		}
	}
	res.Findings = kept
	finding.Sort(res.Suppressed)
	v.report(res)
	return nil
}

// vexer applies statements to the findings of one image.
type vexer struct {
	ctx    context.Context
	inv    *inventory.Inventory
	img    Image
	os     advisory.CPE
	hub    Hub
	stated []advisory.Statement
	used   []bool // of stated
	// byFlaw gives the indices of stated by the flaws' names in lower case.
	byFlaw map[string][]int
	// at gives the packages found at a path, but for those of a distribution; main those
	// that the file at a path is. Both know only the paths around findings.
	at, main map[string][]*inventory.Package
	// cache keeps what the hub says under a key, by flaw, and onPlace what it says of a
	// package in a place.
	cache   map[string]map[string][]*advisory.Statement
	onPlace map[spot][]map[string][]*advisory.Statement
	purls   map[string]advisory.PURL // parsed; without type if they could not be
	of      map[*inventory.Package]advisory.PURL
	// base gives the packages by the base of their package URL and of their source's.
	base map[string][]*inventory.Package
}

// spot is a package in a place.
type spot struct {
	p    *inventory.Package
	path string
}

func (v *vexer) index(findings []finding.Finding) {
	v.byFlaw = map[string][]int{}
	for i := range v.stated {
		for _, id := range names(&v.stated[i]) {
			v.byFlaw[id] = append(v.byFlaw[id], i)
		}
	}
	v.at, v.main = map[string][]*inventory.Package{}, map[string][]*inventory.Package{}
	programs, around := map[string]bool{}, map[string]bool{}
	var last *inventory.Package
	for i := range findings {
		p := findings[i].Package
		if p == nil || p == last || inventory.IsOS(p.Type) {
			continue
		}
		last = p
		for _, l := range p.Locations {
			programs[l.Path] = true
			for path := range outer(p.Type, l.Path) {
				around[path] = true
			}
		}
	}
	if len(programs) == 0 {
		return
	}
	for i := range v.inv.Packages {
		p := &v.inv.Packages[i]
		if inventory.IsOS(p.Type) {
			continue
		}
		for _, l := range p.Locations {
			switch {
			case l.Main:
				if programs[l.Path] {
					v.main[l.Path] = append(v.main[l.Path], p)
				}
			case around[l.Path] && (p.Type == "maven" || p.Type == "npm"):
				v.at[l.Path] = append(v.at[l.Path], p)
			}
		}
	}
}

// names gives a flaw's names in lower case, each once.
func names(s *advisory.Statement) []string {
	out := make([]string, 0, 1+len(s.Aliases))
	for _, id := range append([]string{s.Flaw}, s.Aliases...) {
		if id = strings.ToLower(id); !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// sameFlaw tells whether a statement is on the flaw of f. Other names join records that
// are about several flaws too (errata), so where both sides name a CVE one must be the same.
func sameFlaw(s *advisory.Statement, f *finding.Finding) bool {
	var some, cve, ours, theirs bool
	said := names(s)
	for _, id := range append([]string{f.ID}, f.Aliases...) {
		id = strings.ToLower(id)
		is := strings.HasPrefix(id, "cve-")
		ours = ours || is
		if slices.Contains(said, id) {
			some, cve = true, cve || is
		}
	}
	for _, id := range said {
		theirs = theirs || strings.HasPrefix(id, "cve-")
	}
	return some && (cve || !ours || !theirs)
}

// applicable is a statement that may be about a finding.
type applicable struct {
	*advisory.Statement
	stated int // index of one that the user named; -1 for a hub's
}

// counts gives the statement that counts for f; nil if there is none.
func (v *vexer) counts(f *finding.Finding) (*advisory.Statement, error) {
	p := f.Package
	if p == nil {
		return nil, nil
	}
	var all []applicable
	seen := map[int]bool{}
	for _, id := range append([]string{f.ID}, f.Aliases...) {
		for _, i := range v.byFlaw[strings.ToLower(id)] {
			if !seen[i] && sameFlaw(&v.stated[i], f) {
				seen[i] = true
				all = append(all, applicable{&v.stated[i], i})
			}
		}
	}
	var first *applicable
	for n, loc := range p.Locations {
		wholes := v.wholes(p, loc)
		here := all
		if v.hub != nil {
			var err error
			if here, err = v.heard(all, f, loc.Path, wholes); err != nil {
				return nil, err
			}
		}
		var best *applicable
		for i := range here {
			c := &here[i]
			if !v.speaks(c.Statement, p, wholes) {
				continue
			}
			if c.stated >= 0 {
				v.used[c.stated] = true
			}
			if best == nil || before(c, best) {
				best = c
			}
		}
		if best == nil || !best.Status.Suppresses() {
			// In one place it stands, and so it does. The others are looked at only for which
			// statements are about something.
			for _, other := range p.Locations[n+1:] {
				v.mark(all, p, v.wholes(p, other))
			}
			if best == nil {
				return nil, nil
			}
			return best.Statement, nil
		}
		if first == nil {
			first = best
		}
	}
	if first == nil {
		return nil, nil
	}
	return first.Statement, nil
}

// mark notes which of the user's statements are about p.
func (v *vexer) mark(all []applicable, p *inventory.Package, wholes []*inventory.Package) {
	for _, c := range all {
		if c.stated >= 0 && !v.used[c.stated] && v.speaks(c.Statement, p, wholes) {
			v.used[c.stated] = true
		}
	}
}

// before tells whether a counts before b.
func before(a, b *applicable) bool {
	n := cmp.Or(
		b.Timestamp.Compare(a.Timestamp),
		cmp.Compare(hubLast(a), hubLast(b)),
		cmp.Compare(a.Status, b.Status), // what leaves a finding standing is smaller
		strings.Compare(a.Source, b.Source), strings.Compare(a.Document, b.Document),
		cmp.Compare(a.Justification, b.Justification), strings.Compare(a.Impact, b.Impact), strings.Compare(a.Action, b.Action),
		strings.Compare(a.Author, b.Author), strings.Compare(a.Flaw, b.Flaw))
	return n < 0
}

func hubLast(c *applicable) int {
	if c.stated < 0 {
		return 1
	}
	return 0
}

// heard adds what the hub says on f, of the package, the image or what it is part of.
func (v *vexer) heard(all []applicable, f *finding.Finding, path string, wholes []*inventory.Package) ([]applicable, error) {
	on, err := v.hears(f.Package, path, wholes)
	if err != nil || len(on) == 0 {
		return all, err
	}
	all = all[:len(all):len(all)]
	seen := map[*advisory.Statement]bool{}
	for _, said := range on {
		for _, id := range append([]string{f.ID}, f.Aliases...) {
			for _, s := range said[strings.ToLower(id)] {
				if !seen[s] && sameFlaw(s, f) {
					seen[s] = true
					all = append(all, applicable{s, -1})
				}
			}
		}
	}
	return all, nil
}

// hears gives what the hub says, by flaw, of a package in a place, the image or what the
// package is part of there.
func (v *vexer) hears(p *inventory.Package, path string, wholes []*inventory.Package) ([]map[string][]*advisory.Statement, error) {
	on, known := v.onPlace[spot{p, path}]
	if known {
		return on, nil
	}
	keys := append([]string{}, v.img.Digests...)
	if r := v.img.Repository; r != "" {
		name := r[strings.LastIndexByte(r, '/')+1:]
		keys = append(keys, "pkg:oci/"+name)
		if _, path, ok := strings.Cut(r, "/"); ok {
			keys = append(keys, "pkg:docker/"+path, "pkg:docker/"+name)
		}
	}
	if v.os.Product != "" {
		keys = append(keys, v.os.Base())
	}
	for _, p := range append([]*inventory.Package{p}, wholes...) {
		keys = append(keys, v.purl(p).Base())
		if src, ok := v.sourcePURL(p); ok {
			keys = append(keys, src.Base())
		}
		if p.SHA1 != "" {
			keys = append(keys, "sha1:"+p.SHA1)
		}
	}
	for _, key := range sortedSet(keys) {
		said, err := v.under(key)
		if err != nil {
			return nil, err
		}
		if said != nil {
			on = append(on, said)
		}
	}
	v.onPlace[spot{p, path}] = on
	return on, nil
}

func sortedSet(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}

// under gives what the hub says under a key, by flaw.
func (v *vexer) under(key string) (map[string][]*advisory.Statement, error) {
	if said, ok := v.cache[key]; ok {
		return said, nil
	}
	var said map[string][]*advisory.Statement
	for s, err := range v.hub.Statements(v.ctx, key) {
		if err != nil {
			return nil, fmt.Errorf("looking up VEX statements on %.80q: %w", key, err)
		}
		if said == nil {
			said = map[string][]*advisory.Statement{}
		}
		for _, id := range names(&s) {
			said[id] = append(said[id], &s)
		}
	}
	v.cache[key] = said
	return said, nil
}

// said is what a finding keeps of a statement.
func said(s *advisory.Statement) *finding.VEX {
	v := &finding.VEX{Status: s.Status, Justification: s.Justification, Impact: s.Impact, Action: s.Action, Source: s.Source, Document: s.Document, Author: s.Author}
	if !s.Timestamp.IsZero() {
		v.Timestamp = s.Timestamp.UTC().Format(time.RFC3339)
	}
	return v
}

// report says which of the user's statements were about something, and why the others
// were not.
func (v *vexer) report(res *Result) {
	at := map[[3]string]int{}
	for i := range v.stated {
		s := &v.stated[i]
		k := [3]string{s.Source, s.Document, s.Author}
		n, ok := at[k]
		if !ok {
			n = len(res.Documents)
			at[k] = n
			res.Documents = append(res.Documents, Document{Source: s.Source, ID: s.Document, Author: s.Author})
		}
		res.Documents[n].Statements++
		if v.used[i] {
			res.Documents[n].Matched++
			continue
		}
		why := noSuchProduct
		if v.here(s) {
			why = noSuchFlaw
		}
		res.Unmatched = append(res.Unmatched, Unmatched{s, why})
	}
}

// here tells whether any of a statement's products is the image, its distribution or a
// package in it.
func (v *vexer) here(s *advisory.Statement) bool {
	if v.base == nil {
		v.base = map[string][]*inventory.Package{}
		for i := range v.inv.Packages {
			p := &v.inv.Packages[i]
			v.base[v.purl(p).Base()] = append(v.base[v.purl(p).Base()], p)
			if src, ok := v.sourcePURL(p); ok && src.Base() != v.purl(p).Base() {
				v.base[src.Base()] = append(v.base[src.Base()], p)
			}
			if p.SHA1 != "" {
				v.base["sha1:"+p.SHA1] = append(v.base["sha1:"+p.SHA1], p)
			}
		}
	}
	for i := range s.Products {
		c := s.Products[i].Component
		if v.isImage(c) {
			return true
		}
		if said, err := advisory.ParseCPE(c.CPE); err == nil && v.os.Product != "" && said.Speaks(v.os) {
			return true
		}
		for _, key := range c.Keys() {
			if slices.ContainsFunc(v.base[key], func(p *inventory.Package) bool { return v.is(c, p) }) {
				return true
			}
		}
	}
	return false
}
