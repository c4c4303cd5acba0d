package feed

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// openvexStatement is a statement of OpenVEX (github.com/openvex/spec, 0.2.0). In 0.0.1
// the vulnerability and the products were plain strings, and the subcomponents
// stood beside the products.
type openvexStatement struct {
	Vulnerability openvexFlaw      `json:"vulnerability"`
	Products      []openvexProduct `json:"products"`
	Subcomponents []openvexProduct `json:"subcomponents"`
	Status        looseString      `json:"status"`
	Justification looseString      `json:"justification"`
	Impact        excerpt          `json:"impact_statement"`
	Action        excerpt          `json:"action_statement"`
	Timestamp     looseTime        `json:"timestamp"`
	Updated       looseTime        `json:"last_updated"`
}

type openvexFlaw struct {
	ID      looseString
	Name    looseString
	Aliases []looseString
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (f *openvexFlaw) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '{' {
		return f.Name.UnmarshalJSONFrom(d)
	}
	var o struct {
		ID      looseString   `json:"@id"`
		Name    looseString   `json:"name"`
		Aliases []looseString `json:"aliases"`
	}
	err := json.UnmarshalDecode(d, &o)
	*f = openvexFlaw(o)
	return err
}

func (f *openvexFlaw) name() string {
	if f.Name != "" {
		return flawName(string(f.Name))
	}
	return flawName(string(f.ID))
}

type openvexProduct struct {
	ID          looseString
	Identifiers struct {
		PURL  looseString `json:"purl"`
		CPE22 looseString `json:"cpe22"`
		CPE23 looseString `json:"cpe23"`
	}
	Hashes        map[string]looseString
	Subcomponents []openvexProduct
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *openvexProduct) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		return p.ID.UnmarshalJSONFrom(d)
	}
	var o struct {
		ID          looseString `json:"@id"`
		Identifiers struct {
			PURL  looseString `json:"purl"`
			CPE22 looseString `json:"cpe22"`
			CPE23 looseString `json:"cpe23"`
		} `json:"identifiers"`
		Hashes        map[string]looseString `json:"hashes"`
		Subcomponents []openvexProduct       `json:"subcomponents"`
	}
	err := json.UnmarshalDecode(d, &o)
	*p = openvexProduct(o)
	return err
}

func (p *openvexProduct) component() advisory.Component {
	hashes := make([]string, 0, len(p.Hashes))
	for algorithm, digits := range p.Hashes {
		hashes = append(hashes, algorithm+":"+string(digits))
	}
	return component(string(p.ID), string(p.Identifiers.PURL), []string{string(p.Identifiers.CPE23), string(p.Identifiers.CPE22)}, sortedUnique(hashes))
}

// openvex reads the statements of a document one after the other; what stands beside
// them is in head, with ID and author on one line.
func (v *vexReader) openvex(data []byte, head *vexHead) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		if name.String() != "statements" {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if d.PeekKind() != '[' {
			return fmt.Errorf("its statements are no list")
		}
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		for n := 1; d.PeekKind() != ']'; n++ {
			raw, err := d.ReadValue()
			if err != nil {
				return err
			}
			if err := v.openvexStatement(fmt.Sprintf("statement %d", n), raw, head); err != nil {
				return err
			}
		}
		if _, err := d.ReadToken(); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil && err != io.EOF {
		return err
	}
	return nil
}

func (v *vexReader) openvexStatement(where string, raw []byte, head *vexHead) error {
	var o openvexStatement
	err := crowded(raw, maxVEXStatement, maxVEXStatement)
	if err == nil {
		err = decodeJSON(raw, &o)
	}
	if err != nil {
		return v.fault(where, err)
	}
	status, err := statusOf(string(o.Status))
	if err != nil {
		return v.fault(where, err)
	}
	s := advisory.Statement{
		Flaw: o.Vulnerability.name(), Status: status, Justification: justificationOf(string(o.Justification)),
		Impact: oneLine(string(o.Impact)), Action: oneLine(string(o.Action)),
		Author: string(head.Author), Document: string(head.ID), Timestamp: o.Timestamp.Time,
	}
	if o.Updated.After(s.Timestamp) {
		s.Timestamp = o.Updated.Time
	}
	if s.Timestamp.IsZero() {
		s.Timestamp = head.Timestamp.Time
	}
	for _, a := range o.Vulnerability.Aliases {
		s.Aliases = append(s.Aliases, flawName(string(a)))
	}
	var shared []advisory.Component
	for i := range o.Subcomponents {
		shared = append(shared, o.Subcomponents[i].component())
	}
	for i := range o.Products {
		p := &o.Products[i]
		out := advisory.Product{Component: p.component()}
		for j := range p.Subcomponents {
			out.Subcomponents = append(out.Subcomponents, p.Subcomponents[j].component())
		}
		if err := v.spend(len(shared)); err != nil {
			return err
		}
		out.Subcomponents = append(out.Subcomponents, shared...)
		s.Products = append(s.Products, out)
	}
	return v.hand(where, s)
}
