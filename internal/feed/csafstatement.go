package feed

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// csafPublisher says how one publisher's documents are to be read.
type csafPublisher struct {
	// namespace is the publisher's own, which its documents bear.
	namespace string
	// errata begin the IDs of its updates; a feed of documents on one flaw each has none.
	errata []string
	// fixes are the statuses that name the version which fixes the flaw.
	fixes []string
	// place tells which package of which release a product is; one without a name is
	// nothing that is matched.
	place func(chain []csafThing, fixed bool) csafPackage
	// page gives the address of a flaw or update.
	page func(id string) string
}

// csafPackage is a package of a release. Version is empty where a document speaks of
// all of them.
type csafPackage struct {
	ecosystem, stream     string
	name, version         string
	arch, module          string
	source                bool
	notPackage, malformed bool
}

// csafParsed is what came of one document.
type csafParsed struct {
	name string
	advs []advisory.Advisory
	skip string
	bad  []error
}

// parse reads one document. It never panics, whatever the bytes.
func (pub *csafPublisher) parse(name string, data []byte, err error) csafParsed {
	p := csafParsed{name: strings.TrimSuffix(name[strings.LastIndexByte(name, '/')+1:], ".json")}
	fail := func(format string, args ...any) csafParsed {
		p.advs, p.bad = nil, []error{fmt.Errorf(format, args...)}
		return p
	}
	if err != nil {
		return fail("%v", err)
	}
	var doc csafDocument
	if err := decodeJSON(data, &doc); err != nil {
		return fail("reading the document: %v", err)
	}
	d := &doc.Document
	switch {
	case d.Version != "2.0":
		return fail("this is no CSAF 2.0 document")
	case strings.TrimRight(string(d.Publisher.Namespace), "/") != pub.namespace:
		return fail("it is another publisher's document: %.80q", d.Publisher.Namespace)
	case !isName(string(d.Tracking.ID)):
		return fail("its ID %.60q is not one", d.Tracking.ID)
	case pub.errata != nil && !hasAnyPrefix(string(d.Tracking.ID), pub.errata):
		return fail("its ID %.60q is not one of an update", d.Tracking.ID)
	}
	products, err := doc.Tree.products()
	if err != nil {
		return fail("%v", err)
	}
	r := csafReader{pub: pub, doc: &doc, products: products, places: map[string]csafPackage{}}
	if pub.errata != nil {
		err = r.update()
	} else {
		err = r.flaws()
	}
	if err != nil {
		return fail("%v", err)
	}
	p.advs, p.bad = r.advs, r.bad
	switch {
	case len(p.advs) > 0 || len(p.bad) > 0:
	case len(doc.Vulnerabilities) == 0:
		p.skip = "names no flaw"
	case r.foreign > 0:
		p.skip = "containers and other products"
	default:
		p.skip = "affects nothing"
	}
	return p
}

// csafReader turns one document into advisories.
type csafReader struct {
	pub      *csafPublisher
	doc      *csafDocument
	products *csafProducts
	places   map[string]csafPackage // by product ID, of a fix and of others
	foreign  int                    // products that are no packages
	strange  int                    // products that cannot be understood
	advs     []advisory.Advisory
	bad      []error
}

// update gives one advisory for a document that is about an update: the flaws it
// fixes, and in which version each package has them fixed. That a package lacks one
// of the flaws is not said in it; documents on the flaw do.
func (r *csafReader) update() error {
	d := &r.doc.Document
	id := string(d.Tracking.ID)
	a := advisory.Advisory{
		ID: id, Summary: firstLine(string(d.Title)), Severity: severityOf(string(d.Severity.Text)), URL: r.pub.page(id),
		Published: d.Tracking.Initial.Time, Modified: d.Tracking.Current.Time,
	}
	parts := csafStatements{}
	worst := advisory.SeverityUnknown
	for i := range r.doc.Vulnerabilities {
		v := &r.doc.Vulnerabilities[i]
		if cve := cveOf(string(v.CVE)); cve != "" && len(a.Related) < maxAliases {
			a.Related = append(a.Related, cve)
		}
		for _, t := range v.Threats {
			if t.Category == "impact" {
				worst = max(worst, severityOf(string(t.Details)))
			}
		}
		for _, status := range r.pub.fixes {
			if err := r.products.each(v.Status[status], nil, func(id string) {
				if p, ok := r.place(id, true); ok && p.version != "" {
					parts.add(p, csafOutcome{fixed: p.version})
				}
			}); err != nil {
				return err
			}
		}
	}
	r.complain(id)
	a.Related = sortedUnique(a.Related)
	if a.Severity == advisory.SeverityUnknown {
		a.Severity = worst
	}
	a.Affected = parts.list()
	if len(a.Affected) > 0 && len(a.Related) > 0 {
		r.advs = append(r.advs, a)
	}
	return nil
}

// flaws gives an advisory for each flaw of a document.
func (r *csafReader) flaws() error {
	for i := range r.doc.Vulnerabilities {
		v := &r.doc.Vulnerabilities[i]
		cve := cveOf(string(v.CVE))
		if cve == "" || cve != string(v.CVE) {
			r.bad = append(r.bad, fmt.Errorf("flaw %d names no CVE: %.60q", i+1, v.CVE))
			continue
		}
		if err := r.flaw(v, cve); err != nil {
			return err
		}
	}
	return nil
}

func (r *csafReader) flaw(v *csafVulnerability, cve string) error {
	d := &r.doc.Document
	a := advisory.Advisory{
		ID: cve, Summary: v.summary(), URL: r.pub.page(cve),
		Published: v.Released.Time, Modified: d.Tracking.Current.Time, CVSS: v.ratings(),
	}
	if a.Summary == "" && string(d.Title) != cve {
		a.Summary = firstLine(string(d.Title))
	}
	if a.Published.IsZero() {
		a.Published = d.Tracking.Initial.Time
	}
	impact, whole, err := r.impacts(v)
	if err != nil {
		return err
	}
	if a.Severity = whole; a.Severity == advisory.SeverityUnknown && len(r.doc.Vulnerabilities) == 1 {
		a.Severity = severityOf(string(d.Severity.Text))
	}
	unfixed, err := r.unfixed(v)
	if err != nil {
		return err
	}
	parts := csafStatements{}
	add := func(status string, say func(id string, p csafPackage)) {
		if err == nil {
			fixed := slices.Contains(r.pub.fixes, status)
			err = r.products.each(v.Status[status], nil, func(id string) {
				if p, ok := r.place(id, fixed); ok {
					say(id, p)
				}
			})
		}
	}
	severity := func(id string) advisory.Severity {
		if s := impact[id]; s != a.Severity {
			return s
		}
		return advisory.SeverityUnknown
	}
	for _, status := range r.pub.fixes {
		add(status, func(id string, p csafPackage) {
			if p.version != "" {
				parts.add(p, csafOutcome{fixed: p.version, severity: severity(id)})
			}
		})
	}
	for _, status := range [...]string{"known_affected", "first_affected", "last_affected"} {
		add(status, func(id string, p csafPackage) {
			out := csafOutcome{state: unfixed[id], severity: severity(id)}
			// A version that is named here is one that was looked at; earlier ones have the
			// flaw too unless it is said to be the first.
			switch {
			case status == "first_affected":
				out.introduced = p.version
			case p.version != "":
				out.last = p.version
			}
			parts.add(p, out)
		})
	}
	add("under_investigation", func(id string, p csafPackage) {
		parts.add(p, csafOutcome{state: advisory.StateUndetermined, severity: severity(id)})
	})
	add("known_not_affected", func(_ string, p csafPackage) {
		if !p.source || p.version == "" {
			parts.add(p, csafOutcome{state: advisory.StateNotAffected})
		}
	})
	if err != nil {
		return err
	}
	r.complain(cve)
	if a.Affected = parts.list(); len(a.Affected) > 0 {
		r.advs = append(r.advs, a)
	}
	return nil
}

// complain notes the products that could not be understood since the last time.
func (r *csafReader) complain(of string) {
	if r.strange > 0 {
		r.bad = append(r.bad, fmt.Errorf("%s: %d of its products cannot be understood", of, r.strange))
		r.strange = 0
	}
}

// place finds the package that a product is, once for each.
func (r *csafReader) place(id string, fixed bool) (csafPackage, bool) {
	key := id
	if fixed {
		key = "\x00" + id
	}
	p, ok := r.places[key]
	if !ok {
		if chain, err := r.products.chain(id); err != nil {
			p.malformed = true
		} else if p = r.pub.place(chain, fixed); p.name != "" {
			scheme, known := version.For(p.ecosystem)
			p.malformed = p.malformed || !known || !isName(p.name) || !isName(p.ecosystem) || len(p.ecosystem) > 200 || len(p.stream) > 200 ||
				p.version != "" && scheme.Valid(p.version) != nil
		} else if !p.malformed {
			p.notPackage = true
		}
		r.places[key] = p
	}
	switch {
	case p.malformed:
		r.strange++
	case p.notPackage:
		r.foreign++
	default:
		return p, true
	}
	return p, false
}

// impacts gives the severity of a flaw in each product, and in those of which nothing
// is said. Where all products that are spoken of have one severity, that is the
// flaw's.
func (r *csafReader) impacts(v *csafVulnerability) (map[string]advisory.Severity, advisory.Severity, error) {
	of := map[string]advisory.Severity{}
	whole := advisory.SeverityUnknown
	seen := map[advisory.Severity]bool{}
	for _, t := range v.Threats {
		word := severityOf(strings.TrimSpace(string(t.Details)))
		if t.Category != "impact" || word == advisory.SeverityUnknown {
			continue
		}
		seen[word] = true
		if len(t.Products)+len(t.Groups) == 0 {
			whole = max(whole, word)
		}
		if err := r.products.each(t.Products, t.Groups, func(id string) { of[id] = max(of[id], word) }); err != nil {
			return nil, whole, err
		}
	}
	if whole == advisory.SeverityUnknown && len(seen) == 1 {
		for word := range seen {
			whole = word
		}
	}
	return of, whole, nil
}

// unfixed gives the publisher's word on products it has no fix for (section 3.2.3.12).
// Of several the one that promises least counts.
func (r *csafReader) unfixed(v *csafVulnerability) (map[string]advisory.State, error) {
	of := map[string]advisory.State{}
	order := [...]advisory.State{advisory.StateAffected, advisory.StateDeferred, advisory.StateWillNotFix, advisory.StateEndOfLife}
	for _, rem := range v.Remediation {
		var state advisory.State
		details := strings.ToLower(strings.TrimSpace(string(rem.Details)))
		switch rem.Category {
		case "no_fix_planned":
			state = advisory.StateWillNotFix
			if strings.HasPrefix(details, "out of support") || strings.HasPrefix(details, "end of life") {
				state = advisory.StateEndOfLife
			}
		case "none_available":
			switch {
			case strings.HasPrefix(details, "fix deferred") || strings.HasPrefix(details, "deferred"):
				state = advisory.StateDeferred
			case strings.HasPrefix(details, "will not fix"):
				state = advisory.StateWillNotFix
			case strings.HasPrefix(details, "out of support"):
				state = advisory.StateEndOfLife
			}
		}
		if state == advisory.StateAffected {
			continue
		}
		if err := r.products.each(rem.Products, rem.Groups, func(id string) {
			if slices.Index(order[:], state) > slices.Index(order[:], of[id]) {
				of[id] = state
			}
		}); err != nil {
			return nil, err
		}
	}
	return of, nil
}

func (v *csafVulnerability) summary() string {
	if s := firstLine(string(v.Title)); s != "" && s != string(v.CVE) {
		return s
	}
	for _, category := range [...]looseString{"summary", "description", "general"} {
		for _, n := range v.Notes {
			if s := firstLine(string(n.Text)); n.Category == category && s != "" {
				return s
			}
		}
	}
	return ""
}

func (v *csafVulnerability) ratings() []advisory.CVSS {
	var out []osvSeverity
	for _, s := range v.Scores {
		for _, vector := range [...]looseString{s.V4.Vector, s.V3.Vector, s.V2.Vector} {
			if vector != "" {
				out = append(out, osvSeverity{Type: "CVSS_V", Score: vector})
			}
		}
	}
	_, list := ratings(nil, out)
	return list
}

// csafOutcome is what is said of a package.
type csafOutcome struct {
	state                   advisory.State
	severity                advisory.Severity
	introduced, fixed, last string
}

// csafStatements gathers what a record says, by package and outcome: the processors
// it says it of.
type csafStatements map[csafPackage]map[csafOutcome]map[string]bool

func (s csafStatements) add(p csafPackage, out csafOutcome) {
	key := csafPackage{ecosystem: p.ecosystem, stream: p.stream, name: p.name, module: p.module, source: p.source}
	if s[key] == nil {
		s[key] = map[csafOutcome]map[string]bool{}
	}
	if s[key][out] == nil {
		s[key][out] = map[string]bool{}
	}
	s[key][out][p.arch] = true
}

// list gives the statements in order. Builds for several processors are one where the
// same is said of them; streams of one product that say the same are joined. A source
// package's fix is left out where those of its binaries are there.
func (s csafStatements) list() []advisory.Affected {
	built := map[[2]string]bool{} // ecosystem and fix, of binaries
	for key, outcomes := range s {
		for out := range outcomes {
			if !key.source && out.fixed != "" {
				built[[2]string{key.ecosystem, out.fixed}] = true
			}
		}
	}
	var all []advisory.Affected
	for key, outcomes := range s {
		apart := partedByArch(outcomes)
		ranged := slices.ContainsFunc(slices.Collect(maps.Keys(outcomes)), func(o csafOutcome) bool { return o.fixed != "" || o.last != "" })
		for out, arches := range outcomes {
			if key.source && out.fixed != "" && built[[2]string{key.ecosystem, out.fixed}] ||
				out.state == advisory.StateNotAffected && ranged && !apart {
				continue
			}
			af := advisory.Affected{
				Ecosystem: key.ecosystem, Package: key.name, Module: key.module, Stream: key.stream,
				State: out.state, Severity: out.severity,
			}
			if out.fixed != "" || out.last != "" || out.introduced != "" {
				af.Ranges = []version.Interval{{Introduced: cmp.Or(out.introduced, "0"), Fixed: out.fixed, LastAffected: out.last}}
			}
			switch {
			case key.source:
				af.Arch = advisory.ArchSource
				all = append(all, af)
			case apart:
				for arch := range arches {
					af.Arch = arch
					all = append(all, af)
				}
			default:
				all = append(all, af)
			}
		}
	}
	slices.SortFunc(all, compareAffected)
	return joinAffected(all)
}

// partedByArch tells whether different things are said of different processors, each
// of which is spoken of once.
func partedByArch(outcomes map[csafOutcome]map[string]bool) bool {
	if len(outcomes) < 2 {
		return false
	}
	seen := map[string]bool{}
	for _, arches := range outcomes {
		for a := range arches {
			if a == "" || a == "noarch" || seen[a] {
				return false
			}
			seen[a] = true
		}
	}
	return true
}

// compareAffected orders statements so that those which differ in their stream alone
// lie together.
func compareAffected(a, b advisory.Affected) int {
	var x, y version.Interval
	if len(a.Ranges) > 0 {
		x = a.Ranges[0]
	}
	if len(b.Ranges) > 0 {
		y = b.Ranges[0]
	}
	return cmp.Or(
		strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Package, b.Package), strings.Compare(a.Module, b.Module),
		strings.Compare(a.Arch, b.Arch), cmp.Compare(a.State, b.State), cmp.Compare(a.Severity, b.Severity),
		strings.Compare(x.Introduced, y.Introduced), strings.Compare(x.Fixed, y.Fixed), strings.Compare(x.LastAffected, y.LastAffected),
		strings.Compare(a.Stream, b.Stream))
}

// joinAffected makes one of neighbours that say the same of streams of one product.
func joinAffected(all []advisory.Affected) []advisory.Affected {
	out := all[:0]
	for _, af := range all {
		if n := len(out); n > 0 {
			same := af
			same.Stream = out[n-1].Stream
			if compareAffected(out[n-1], same) == 0 {
				if joined, ok := joinStreams(out[n-1].Stream, af.Stream); ok {
					out[n-1].Stream = joined
					continue
				}
			}
		}
		out = append(out, af)
	}
	return out
}
