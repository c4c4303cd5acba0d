package feed

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// maxVEXDepth bounds how deep relationships of products may lead into each other.
const maxVEXDepth = 16

// vexCSAF has the parts of a CSAF 2.0 document that VEX is made of (docs.oasis-open.org/csaf,
// "Profile 5: VEX"). Other profiles that state a product's status are read the same way.
type vexCSAF struct {
	Document struct {
		Publisher struct {
			Name looseString `json:"name"`
		} `json:"publisher"`
		Tracking struct {
			ID      looseString `json:"id"`
			Current looseTime   `json:"current_release_date"`
			Initial looseTime   `json:"initial_release_date"`
		} `json:"tracking"`
	} `json:"document"`
	Tree struct {
		Branches      []vexBranch   `json:"branches"`
		Names         []vexNamed    `json:"full_product_names"`
		Relationships []vexRelation `json:"relationships"`
		Groups        []vexGroup    `json:"product_groups"`
	} `json:"product_tree"`
	Flaws []rawJSON `json:"vulnerabilities"`
}

type vexBranch struct {
	Category looseString `json:"category"`
	Product  *vexNamed   `json:"product"`
	Branches []vexBranch `json:"branches"`
}

type vexNamed struct {
	ID     looseString `json:"product_id"`
	Name   looseString `json:"name"`
	Helper struct {
		PURL   looseString   `json:"purl"`
		PURLs  []looseString `json:"purls"` // CSAF 2.1
		CPE    looseString   `json:"cpe"`
		Hashes []struct {
			File []struct {
				Algorithm looseString `json:"algorithm"`
				Value     looseString `json:"value"`
			} `json:"file_hashes"`
		} `json:"hashes"`
	} `json:"product_identification_helper"`
}

type vexRelation struct {
	Component looseString `json:"product_reference"`
	Platform  looseString `json:"relates_to_product_reference"`
	Product   vexNamed    `json:"full_product_name"`
}

type vexGroup struct {
	ID       looseString   `json:"group_id"`
	Products []looseString `json:"product_ids"`
}

// vexFlaw is one vulnerability with what is said of products.
type vexFlaw struct {
	CVE looseString `json:"cve"`
	IDs []struct {
		Text looseString `json:"text"`
	} `json:"ids"`
	Status struct {
		NotAffected   []looseString `json:"known_not_affected"`
		Affected      []looseString `json:"known_affected"`
		FirstAffected []looseString `json:"first_affected"`
		LastAffected  []looseString `json:"last_affected"`
		Fixed         []looseString `json:"fixed"`
		FirstFixed    []looseString `json:"first_fixed"`
		Investigated  []looseString `json:"under_investigation"`
	} `json:"product_status"`
	Flags        []vexRemark `json:"flags"`
	Threats      []vexRemark `json:"threats"`
	Remediations []vexRemark `json:"remediations"`
}

// vexRemark is a flag, a threat or a remediation: something said of several products.
type vexRemark struct {
	Label    looseString   `json:"label"`
	Category looseString   `json:"category"`
	Details  excerpt       `json:"details"`
	Products []looseString `json:"product_ids"`
	Groups   []looseString `json:"group_ids"`
}

// vexTree finds what a product's ID stands for.
type vexTree struct {
	named     map[looseString]advisory.Component
	relations map[looseString]*vexRelation
	groups    map[looseString][]looseString
}

func (v *vexReader) csaf(data []byte) error {
	if err := crowded(data, maxVEXObjects, maxVEXItems); err != nil {
		return err
	}
	var doc vexCSAF
	if err := decodeJSON(data, &doc); err != nil {
		return err
	}
	t := vexTree{named: map[looseString]advisory.Component{}, relations: map[looseString]*vexRelation{}, groups: map[looseString][]looseString{}}
	for i := range doc.Tree.Branches {
		t.branch(&doc.Tree.Branches[i], false)
	}
	for i := range doc.Tree.Names {
		t.name(&doc.Tree.Names[i], false)
	}
	for i := range doc.Tree.Relationships {
		r := &doc.Tree.Relationships[i]
		t.relations[r.Product.ID] = r
	}
	for _, g := range doc.Tree.Groups {
		t.groups[g.ID] = g.Products
	}
	of := advisory.Statement{
		Author: oneLine(string(doc.Document.Publisher.Name)), Document: oneLine(string(doc.Document.Tracking.ID)),
		Timestamp: doc.Document.Tracking.Current.Time,
	}
	if of.Timestamp.IsZero() {
		of.Timestamp = doc.Document.Tracking.Initial.Time
	}
	for i, raw := range doc.Flaws {
		if err := v.csafFlaw(fmt.Sprintf("vulnerability %d", i+1), raw, &t, of); err != nil {
			return err
		}
	}
	return nil
}

// branch enters the products below b. ranged is set below a range of versions, which
// a package URL without version does not tell.
func (t *vexTree) branch(b *vexBranch, ranged bool) {
	ranged = ranged || b.Category == "product_version_range"
	if b.Product != nil {
		t.name(b.Product, ranged)
	}
	for i := range b.Branches {
		t.branch(&b.Branches[i], ranged)
	}
}

func (t *vexTree) name(n *vexNamed, ranged bool) {
	purl := n.Helper.PURL
	if purl == "" && len(n.Helper.PURLs) > 0 {
		purl = n.Helper.PURLs[0]
	}
	var hashes []string
	for _, h := range n.Helper.Hashes {
		for _, f := range h.File {
			hashes = append(hashes, string(f.Algorithm)+":"+string(f.Value))
		}
	}
	c := component(string(n.Name), string(purl), []string{string(n.Helper.CPE)}, hashes)
	if p, err := advisory.ParsePURL(c.PURL); err == nil && ranged && p.Version == "" {
		c = advisory.Component{Name: cmp.Or(oneLine(string(n.Name)), oneLine(string(purl)))}
	}
	t.named[n.ID] = c
}

// component gives what an ID stands for apart from any platform.
func (t *vexTree) component(id looseString) (advisory.Component, error) {
	for range maxVEXDepth {
		r, ok := t.relations[id]
		if !ok {
			c, ok := t.named[id]
			if !ok {
				return c, fmt.Errorf("the product %.80q is not in the product tree", oneLine(string(id)))
			}
			return c, nil
		}
		id = r.Component
	}
	return advisory.Component{}, fmt.Errorf("the relationships of the product %.80q lead in a circle or too deep", oneLine(string(id)))
}

// product gives what an ID stands for: a product, or a component in its platform.
func (t *vexTree) product(id looseString) (advisory.Product, error) {
	c, err := t.component(id)
	if err != nil {
		return advisory.Product{}, err
	}
	r, ok := t.relations[id]
	if !ok {
		return advisory.Product{Component: c}, nil
	}
	// A relationship may relate to another one: the outermost platform counts.
	platform := r.Platform
	for range maxVEXDepth {
		outer, ok := t.relations[platform]
		if !ok {
			break
		}
		platform = outer.Platform
	}
	p, err := t.component(platform)
	return advisory.Product{Component: p, Subcomponents: []advisory.Component{c}}, err
}

// remarks gives the text of remarks by product; the first on a product counts.
func (v *vexReader) remarks(all []vexRemark, t *vexTree, text func(*vexRemark) string) (map[looseString]string, error) {
	out := map[looseString]string{}
	for i := range all {
		r := &all[i]
		s := text(r)
		if s == "" {
			continue
		}
		lists := [][]looseString{r.Products}
		for _, g := range r.Groups {
			lists = append(lists, t.groups[g])
		}
		for _, list := range lists {
			if err := v.spend(len(list)); err != nil {
				return nil, err
			}
			for _, id := range list {
				if _, ok := out[id]; !ok {
					out[id] = s
				}
			}
		}
	}
	return out, nil
}

func (v *vexReader) csafFlaw(where string, raw rawJSON, t *vexTree, of advisory.Statement) error {
	var f vexFlaw
	if err := decodeJSON([]byte(raw), &f); err != nil {
		return v.fault(where, err)
	}
	of.Flaw = flawName(string(f.CVE))
	for _, id := range f.IDs {
		if of.Flaw == "" {
			of.Flaw = flawName(string(id.Text))
		}
		of.Aliases = append(of.Aliases, flawName(string(id.Text)))
	}
	if of.Flaw != "" {
		where += ", " + oneLine(of.Flaw)
	}
	flags, err := v.remarks(f.Flags, t, func(r *vexRemark) string { return justificationOf(string(r.Label)).String() })
	if err != nil {
		return err
	}
	impacts, err := v.remarks(f.Threats, t, func(r *vexRemark) string {
		if r.Category != "impact" {
			return ""
		}
		return oneLine(string(r.Details))
	})
	if err != nil {
		return err
	}
	actions, err := v.remarks(f.Remediations, t, func(r *vexRemark) string { return oneLine(string(r.Details)) })
	if err != nil {
		return err
	}
	stated := false
	for _, list := range [...]struct {
		status advisory.Status
		ids    []looseString
	}{
		{advisory.StatusNotAffected, f.Status.NotAffected},
		{advisory.StatusFixed, slices.Concat(f.Status.Fixed, f.Status.FirstFixed)},
		{advisory.StatusAffected, slices.Concat(f.Status.Affected, f.Status.FirstAffected, f.Status.LastAffected)},
		{advisory.StatusUnderInvestigation, f.Status.Investigated},
	} {
		type why struct{ justification, impact, action string }
		var order []why
		products := map[why][]advisory.Product{}
		for _, id := range list.ids {
			stated = true
			p, err := t.product(id)
			if err != nil {
				if err := v.fault(where, err); err != nil {
					return err
				}
				continue
			}
			var w why
			switch {
			case list.status == advisory.StatusNotAffected:
				w = why{justification: flags[id], impact: impacts[id]}
			case !list.status.Suppresses():
				w = why{action: actions[id]}
			}
			if products[w] == nil {
				order = append(order, w)
			}
			products[w] = append(products[w], p)
		}
		for _, w := range order {
			s := of
			s.Aliases = slices.Clone(of.Aliases)
			s.Status, s.Justification, s.Impact, s.Action = list.status, justificationOf(w.justification), w.impact, w.action
			s.Products = products[w]
			if err := v.hand(where, s); err != nil {
				return err
			}
		}
	}
	if !stated {
		return v.fault(where, errors.New("it states no product's status"))
	}
	return nil
}
