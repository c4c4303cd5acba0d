package feed

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// vexBOM has the parts of a CycloneDX document that VEX is made of (cyclonedx.org, JSON
// schema 1.4 to 1.7; ECMA-424).
type vexBOM struct {
	Serial   looseString `json:"serialNumber"`
	Metadata struct {
		Timestamp looseTime  `json:"timestamp"`
		Component *vexPart   `json:"component"`
		Authors   []vexParty `json:"authors"`
		Supplier  vexParty   `json:"supplier"`
		Maker     vexParty   `json:"manufacturer"`
	} `json:"metadata"`
	Components []vexPart `json:"components"`
	Flaws      []rawJSON `json:"vulnerabilities"`
}

type vexParty struct {
	Name looseString `json:"name"`
}

// vexPart is a component of the bill of materials.
type vexPart struct {
	Ref    looseString `json:"bom-ref"`
	Name   looseString `json:"name"`
	PURL   looseString `json:"purl"`
	CPE    looseString `json:"cpe"`
	Hashes []struct {
		Algorithm looseString `json:"alg"`
		Content   looseString `json:"content"`
	} `json:"hashes"`
	Components []vexPart `json:"components"`
}

func (p *vexPart) component() advisory.Component {
	hashes := make([]string, 0, len(p.Hashes))
	for _, h := range p.Hashes {
		hashes = append(hashes, string(h.Algorithm)+":"+string(h.Content))
	}
	return component(string(p.Name), string(p.PURL), []string{string(p.CPE)}, hashes)
}

type vexAnalysed struct {
	ID         looseString `json:"id"`
	References []struct {
		ID looseString `json:"id"`
	} `json:"references"`
	Recommendation excerpt `json:"recommendation"`
	Analysis       struct {
		State         looseString   `json:"state"`
		Justification looseString   `json:"justification"`
		Response      []looseString `json:"response"`
		Detail        excerpt       `json:"detail"`
		First         looseTime     `json:"firstIssued"`
		Last          looseTime     `json:"lastUpdated"`
	} `json:"analysis"`
	Affects []struct {
		Ref      looseString `json:"ref"`
		Versions []struct {
			Version looseString `json:"version"`
			Range   looseString `json:"range"`
			Status  looseString `json:"status"`
		} `json:"versions"`
	} `json:"affects"`
}

// cycloneStates and cycloneReasons give CycloneDX's words in those of VEX. CycloneDX
// is finer: what an attacker would need and does not have is no control, and what
// protects is a mitigation.
var cycloneStates = map[looseString]advisory.Status{
	"resolved": advisory.StatusFixed, "resolved_with_pedigree": advisory.StatusFixed,
	"exploitable": advisory.StatusAffected, "in_triage": advisory.StatusUnderInvestigation,
	"false_positive": advisory.StatusNotAffected, "not_affected": advisory.StatusNotAffected,
}

var cycloneReasons = map[looseString]advisory.Justification{
	"code_not_present": advisory.CodeNotPresent, "code_not_reachable": advisory.CodeNotInExecutePath,
	"requires_configuration": advisory.CodeCannotBeControlled, "requires_dependency": advisory.CodeCannotBeControlled,
	"requires_environment": advisory.CodeCannotBeControlled, "protected_by_compiler": advisory.MitigationsExist,
	"protected_at_runtime": advisory.MitigationsExist, "protected_at_perimeter": advisory.MitigationsExist,
	"protected_by_mitigating_control": advisory.MitigationsExist,
}

// vexParts finds components by their reference.
type vexParts struct {
	whole   advisory.Component // what the document is about; may say nothing
	ref     looseString        // the whole's own
	byRef   map[looseString]advisory.Component
	isWhole bool // the whole has an identifier
}

func (ps *vexParts) enter(all []vexPart) {
	for i := range all {
		if p := &all[i]; p.Ref != "" {
			if _, twice := ps.byRef[p.Ref]; !twice {
				ps.byRef[p.Ref] = p.component()
			}
		}
		ps.enter(all[i].Components)
	}
}

// find gives what a reference leads to, in this document or, by BOM-Link
// ("urn:cdx:serial/version#ref"), in another one, of which only its name is known.
func (ps *vexParts) find(ref looseString) advisory.Component {
	if c, ok := ps.byRef[ref]; ok {
		return c
	}
	name := string(ref)
	if link, ok := strings.CutPrefix(name, "urn:cdx:"); ok {
		if _, at, ok := strings.Cut(link, "#"); ok {
			if plain, err := url.PathUnescape(at); err == nil {
				at = plain
			}
			if c, ok := ps.byRef[looseString(at)]; ok {
				return c
			}
			name = at
		}
	}
	return component(name, "", nil, nil)
}

// cyclonedx reads the vulnerabilities that have an analysis. If the document says what
// the whole is that its components are in, and identifies it, statements are about
// components in it; else about the components wherever they are.
func (v *vexReader) cyclonedx(data []byte) error {
	if err := crowded(data, maxVEXObjects, maxVEXItems); err != nil {
		return err
	}
	var doc vexBOM
	if err := decodeJSON(data, &doc); err != nil {
		return err
	}
	ps := vexParts{byRef: map[looseString]advisory.Component{}}
	if c := doc.Metadata.Component; c != nil {
		ps.whole, ps.ref = c.component(), c.Ref
		ps.isWhole = ps.whole.Name == ""
		ps.enter([]vexPart{*c})
	}
	ps.enter(doc.Components)
	of := advisory.Statement{Document: oneLine(string(doc.Serial)), Timestamp: doc.Metadata.Timestamp.Time}
	names := []vexParty{doc.Metadata.Supplier, doc.Metadata.Maker}
	for _, p := range append(doc.Metadata.Authors, names...) {
		of.Author = cmp.Or(of.Author, oneLine(string(p.Name)))
	}
	for i, raw := range doc.Flaws {
		if err := v.cycloneFlaw(fmt.Sprintf("vulnerability %d", i+1), raw, &ps, of); err != nil {
			return err
		}
	}
	return nil
}

func (v *vexReader) cycloneFlaw(where string, raw rawJSON, ps *vexParts, of advisory.Statement) error {
	var f vexAnalysed
	if err := decodeJSON([]byte(raw), &f); err != nil {
		return v.fault(where, err)
	}
	if f.Analysis.State == "" {
		return nil // reported, and nothing said of it
	}
	s := of
	var ok bool
	if s.Status, ok = cycloneStates[f.Analysis.State]; !ok {
		return v.fault(where, fmt.Errorf("the state %.60q is not known", oneLine(string(f.Analysis.State))))
	}
	s.Flaw = flawName(string(f.ID))
	for _, r := range f.References {
		s.Aliases = append(s.Aliases, flawName(string(r.ID)))
	}
	s.Timestamp = cmp.Or(f.Analysis.Last, f.Analysis.First, looseTime{of.Timestamp}).Time
	if s.Status == advisory.StatusNotAffected {
		s.Justification = cycloneReasons[f.Analysis.Justification]
	}
	s.Impact, s.Action = oneLine(string(f.Analysis.Detail)), oneLine(string(f.Recommendation))
	if s.Action == "" {
		words := make([]string, 0, len(f.Analysis.Response))
		for _, r := range f.Analysis.Response {
			words = append(words, strings.ReplaceAll(string(r), "_", " "))
		}
		s.Action = oneLine(strings.Join(words, ", "))
	}
	for _, a := range f.Affects {
		c := ps.find(a.Ref)
		parts := []advisory.Component{c}
		if len(a.Versions) > 0 {
			parts = parts[:0]
			for _, w := range a.Versions {
				// What the version is said to be must agree with the analysis.
				if w.Status == "unknown" || s.Status.Suppresses() && w.Status == "affected" || !s.Status.Suppresses() && w.Status == "unaffected" {
					continue
				}
				parts = append(parts, versioned(c, string(w.Version)))
			}
		}
		for _, c := range parts {
			if ps.isWhole && a.Ref != ps.ref {
				s.Products = append(s.Products, advisory.Product{Component: ps.whole, Subcomponents: []advisory.Component{c}})
			} else {
				s.Products = append(s.Products, advisory.Product{Component: c})
			}
		}
	}
	if len(f.Affects) == 0 && ps.isWhole {
		s.Products = []advisory.Product{{Component: ps.whole}}
	}
	return v.hand(where, s)
}

// versioned gives a component in one version. A range of versions (an empty version
// here) cannot be told in a package URL; what is left of the component is its name.
func versioned(c advisory.Component, version string) advisory.Component {
	p, err := advisory.ParsePURL(c.PURL)
	switch {
	case err == nil && version != "" && p.Version == "":
		base, rest := c.PURL, ""
		if i := strings.IndexAny(base, "?#"); i >= 0 {
			base, rest = base[:i], base[i:]
		}
		return component("", base+"@"+url.QueryEscape(version)+rest, nil, nil)
	case err == nil && version != "":
		if q, err := advisory.ParsePURL("pkg:" + p.Type + "/x@" + url.QueryEscape(version)); err == nil && q.Version == p.Version {
			return c
		}
	}
	return advisory.Component{Name: oneLine(strings.TrimSpace(c.String() + " " + version))}
}
