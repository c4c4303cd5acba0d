package feed

import (
	"fmt"
	"net/url"
	"strings"
)

// Bounds on one CSAF document.
const (
	maxCSAFDepth    = 30      // of branches
	maxCSAFProducts = 1 << 20 // products and relationships
	maxCSAFListed   = 1 << 22 // products that statements list, groups taken apart
	maxCSAFChain    = 8       // things that a product is a component of
)

// csafDocument has the fields of a document of the Common Security Advisory Framework
// (docs.oasis-open.org/csaf/csaf/v2.0) that are kept.
type csafDocument struct {
	Document struct {
		Version   looseString `json:"csaf_version"`
		Title     excerpt     `json:"title"`
		Severity  csafText    `json:"aggregate_severity"`
		Publisher struct {
			Namespace looseString `json:"namespace"`
		} `json:"publisher"`
		Tracking struct {
			ID      looseString `json:"id"`
			Initial looseTime   `json:"initial_release_date"`
			Current looseTime   `json:"current_release_date"`
		} `json:"tracking"`
	} `json:"document"`
	Tree            csafTree            `json:"product_tree"`
	Vulnerabilities []csafVulnerability `json:"vulnerabilities"`
}

type csafText struct {
	Text looseString `json:"text"`
}

// csafTree says which products a document speaks of (section 3.2.2).
type csafTree struct {
	Branches []csafBranch  `json:"branches"`
	Names    []csafProduct `json:"full_product_names"`
	Groups   []struct {
		ID       looseString `json:"group_id"`
		Products []string    `json:"product_ids"`
	} `json:"product_groups"`
	Relations []struct {
		Name      csafProduct `json:"full_product_name"`
		Component looseString `json:"product_reference"`
		Of        looseString `json:"relates_to_product_reference"`
	} `json:"relationships"`
}

type csafBranch struct {
	Category looseString  `json:"category"`
	Name     looseString  `json:"name"`
	Branches []csafBranch `json:"branches"`
	Product  *csafProduct `json:"product"`
}

type csafProduct struct {
	ID     looseString `json:"product_id"`
	Name   looseString `json:"name"`
	Helper struct {
		CPE  looseString `json:"cpe"`
		PURL looseString `json:"purl"`
	} `json:"product_identification_helper"`
}

// csafVulnerability is what a document says of one flaw (section 3.2.3).
type csafVulnerability struct {
	CVE         looseString         `json:"cve"`
	Title       excerpt             `json:"title"`
	Released    looseTime           `json:"release_date"`
	Status      map[string][]string `json:"product_status"`
	Remediation []csafWord          `json:"remediations"`
	Threats     []csafWord          `json:"threats"`
	Notes       []struct {
		Category looseString `json:"category"`
		Text     excerpt     `json:"text"`
	} `json:"notes"`
	Scores []struct {
		V2 csafVector `json:"cvss_v2"`
		V3 csafVector `json:"cvss_v3"`
		V4 csafVector `json:"cvss_v4"`
	} `json:"scores"`
}

// csafWord is a remediation or a threat: a word on some products, or on all if it
// names none.
type csafWord struct {
	Category looseString `json:"category"`
	Details  excerpt     `json:"details"`
	Products []string    `json:"product_ids"`
	Groups   []string    `json:"group_ids"`
}

type csafVector struct {
	Vector looseString `json:"vectorString"`
}

// csafThing is a product of a document: a package, a module, a release of an
// operating system, an image.
type csafThing struct {
	name, cpe string
	purl      csafPURL
	arch      string // of the branch it stands on
}

// csafProducts is a product tree, by product and group ID.
type csafProducts struct {
	things map[string]csafThing
	parts  map[string][2]string // a component of something: both by ID
	groups map[string][]string
	listed int // products listed so far, see maxCSAFListed
}

func (t *csafTree) products() (*csafProducts, error) {
	p := &csafProducts{things: map[string]csafThing{}, parts: map[string][2]string{}, groups: map[string][]string{}}
	for i := range t.Branches {
		if err := p.branch(&t.Branches[i], "", 1); err != nil {
			return nil, err
		}
	}
	for i := range t.Names {
		p.add(&t.Names[i], "")
	}
	for i := range t.Relations {
		r := &t.Relations[i]
		p.parts[string(r.Name.ID)] = [2]string{string(r.Component), string(r.Of)}
	}
	for _, g := range t.Groups {
		p.groups[string(g.ID)] = g.Products
	}
	if len(p.things)+len(p.parts) > maxCSAFProducts {
		return nil, fmt.Errorf("it has %d products, over the limit of %d", len(p.things)+len(p.parts), maxCSAFProducts)
	}
	return p, nil
}

func (p *csafProducts) branch(b *csafBranch, arch string, depth int) error {
	if depth > maxCSAFDepth {
		return fmt.Errorf("its product tree is more than %d branches deep", maxCSAFDepth)
	}
	if b.Category == "architecture" {
		arch = string(b.Name)
	}
	if b.Product != nil {
		p.add(b.Product, arch)
	}
	for i := range b.Branches {
		if err := p.branch(&b.Branches[i], arch, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *csafProducts) add(t *csafProduct, arch string) {
	p.things[string(t.ID)] = csafThing{string(t.Name), string(t.Helper.CPE), parsePURL(string(t.Helper.PURL)), arch}
}

// chain gives a product's component first, then what that is a component of, the last
// being the product that people install. Relationships may hold others on both sides.
func (p *csafProducts) chain(id string) ([]csafThing, error) {
	var out []csafThing
	var walk func(id string, depth int) error
	walk = func(id string, depth int) error {
		if depth > maxCSAFChain || len(out) >= maxCSAFChain {
			return fmt.Errorf("product %.80q is a component of too many others", id)
		}
		if part, ok := p.parts[id]; ok {
			if err := walk(part[0], depth+1); err != nil {
				return err
			}
			return walk(part[1], depth+1)
		}
		t, ok := p.things[id]
		if !ok {
			return fmt.Errorf("product %.80q is not in its product tree", id)
		}
		out = append(out, t)
		return nil
	}
	err := walk(id, 0)
	return out, err
}

// each calls yield for each product listed by itself or in a group.
func (p *csafProducts) each(ids, groups []string, yield func(id string)) error {
	for i := -1; i < len(groups); i++ {
		list := ids
		if i >= 0 {
			list = p.groups[groups[i]]
		}
		if p.listed += len(list); p.listed > maxCSAFListed {
			return fmt.Errorf("its statements list over %d products", maxCSAFListed)
		}
		for _, id := range list {
			yield(id)
		}
	}
	return nil
}

// csafPURL is a package URL (github.com/package-url/purl-spec) taken apart.
type csafPURL struct {
	kind, namespace, name, version string
	arch, epoch, module            string
}

// parsePURL gives the zero csafPURL for what is none.
func parsePURL(s string) (p csafPURL) {
	s, ok := strings.CutPrefix(s, "pkg:")
	if !ok || len(s) > 1024 {
		return csafPURL{}
	}
	s, _, _ = strings.Cut(s, "#")
	s, quals, _ := strings.Cut(s, "?")
	s, version, _ := strings.Cut(s, "@")
	parts := strings.Split(strings.Trim(s, "/"), "/")
	if len(parts) < 2 {
		return csafPURL{}
	}
	for i, part := range append(parts, version) {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return csafPURL{}
		}
		switch {
		case i == 0:
			p.kind = strings.ToLower(plain)
		case i == len(parts):
			p.version = plain
		case i == len(parts)-1:
			p.name = plain
		case p.namespace == "":
			p.namespace = plain
		default:
			p.namespace += "/" + plain
		}
	}
	for _, q := range strings.Split(quals, "&") {
		key, value, _ := strings.Cut(q, "=")
		value, err := url.PathUnescape(value)
		if err != nil {
			return csafPURL{}
		}
		switch key {
		case "arch":
			p.arch = value
		case "epoch":
			p.epoch = value
		case "rpmmod":
			p.module = value
		}
	}
	return p
}

// evr is the version of an rpm with its epoch; none is 0, which is left out.
func (p csafPURL) evr() string {
	if p.version == "" || p.epoch == "" || p.epoch == "0" {
		return p.version
	}
	return p.epoch + ":" + p.version
}
