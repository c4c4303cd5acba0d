package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/finding"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/policy"
)

// maxDocument bounds a document that is read, in bytes: a million findings take less.
const maxDocument = 3 << 30

// Read reads a document that [JSON] wrote. Written again it has the same bytes. Members
// that this program does not know are passed over; a document of another schema, one
// that is cut short, and verdicts that there are none of are refused.
func Read(r io.Reader) (Document, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return Document{}, fmt.Errorf("reading a report: %w", err)
	}
	if len(b) > maxDocument {
		return Document{}, fmt.Errorf("reading a report: it has over %d bytes", int64(maxDocument))
	}
	d, err := read(b)
	if err != nil {
		return Document{}, fmt.Errorf("reading a report: %w", err)
	}
	return d, nil
}

func read(b []byte) (Document, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	allow := jsontext.AllowDuplicateNames(false)
	if err := json.Unmarshal(b, &head, allow); err != nil {
		return Document{}, fmt.Errorf("it is no JSON document of plimsoll scan: %w", err)
	}
	switch head.Schema {
	case Schema:
		var r Report
		if err := json.Unmarshal(b, &r, allow); err != nil {
			return Document{}, err
		}
		return Document{One: &r}, r.complete()
	case ListSchema:
		var l List
		if err := json.Unmarshal(b, &l, allow); err != nil {
			return Document{}, err
		}
		l.Reports, l.Skipped = some(l.Reports), some(l.Skipped)
		for i, r := range l.Reports {
			if r == nil {
				return Document{}, fmt.Errorf("report %d is none", i+1)
			}
			if err := r.complete(); err != nil {
				return Document{}, fmt.Errorf("report %d: %w", i+1, err)
			}
		}
		return Document{Many: &l}, l.Verdict.complete()
	}
	return Document{}, fmt.Errorf("its schema is %.80q, this program reads %s and %s", head.Schema, Schema, ListSchema)
}

// some gives an empty list in place of none, as New does.
func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// complete makes what was read as New makes it: lists are never nil, and findings point to
// the packages of the list.
func (r *Report) complete() error {
	if !isDay(r.AsOf) {
		return fmt.Errorf("its day %.40q is none", r.AsOf)
	}
	r.Image.Layers, r.Packages, r.Findings, r.Suppressed = some(r.Image.Layers), some(r.Packages), some(r.Findings), some(r.Suppressed)
	r.Unknowns, r.Coverage = some(r.Unknowns), some(r.Coverage)
	if r.Snapshot != nil {
		r.Snapshot.Sources = some(r.Snapshot.Sources)
	}
	if r.VEX != nil {
		r.VEX.Documents, r.VEX.Unmatched = some(r.VEX.Documents), some(r.VEX.Unmatched)
		for i := range r.VEX.Unmatched {
			r.VEX.Unmatched[i].Products = some(r.VEX.Unmatched[i].Products)
		}
	}
	if r.Summary.Findings == nil {
		r.Summary.Findings = map[string]int{}
	}
	at := make(map[string]*Package, len(r.Packages))
	for i := range r.Packages {
		p := &r.Packages[i]
		p.Locations = some(p.Locations)
		at[p.key()] = p
	}
	for _, list := range [...][]Finding{r.Findings, r.Suppressed} {
		for i := range list {
			f := &list[i]
			f.Aliases = some(f.Aliases)
			if err := f.words(); err != nil {
				return fmt.Errorf("finding %d: %w", i+1, err)
			}
			if f.Package == nil {
				continue
			}
			f.Package.Locations = some(f.Package.Locations)
			p := at[f.Package.key()]
			if p == nil {
				return fmt.Errorf("finding %d is on the package %.80q, which is not in the list", i+1, f.Package.PURL)
			}
			f.Package = p
		}
	}
	return r.Verdict.complete()
}

// words refuses what a finding cannot say: formats write these words as they are.
func (f *Finding) words() error {
	var state advisory.State
	_, known := policy.ParseSeverity(f.Severity)
	switch {
	case !known:
		return fmt.Errorf("its severity %.40q is none", f.Severity)
	case state.UnmarshalText([]byte(f.State)) != nil:
		return fmt.Errorf("its state %.40q is none", f.State)
	case !slices.Contains([]finding.Kind{finding.Vulnerability, finding.Misconfiguration, finding.Secret}, f.Kind):
		return fmt.Errorf("its kind %.40q is none", string(f.Kind))
	case !isDay(f.Published):
		return fmt.Errorf("the day of its publication %.40q is none", f.Published)
	}
	return nil
}

// isDay tells days, or that none is named.
func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return s == "" || err == nil
}

// key tells packages apart by all that there is of them.
func (p *Package) key() string {
	var b strings.Builder
	add := func(parts ...string) {
		for _, s := range parts {
			b.WriteString(strconv.Itoa(len(s)))
			b.WriteByte(':')
			b.WriteString(s)
		}
	}
	src := inventory.Source{}
	if p.Source != nil {
		src = *p.Source
	}
	add(p.Name, p.Version, p.PURL, p.Type, p.Arch, src.Name, src.Version, p.Module, p.Evidence, strconv.FormatBool(p.Dev), p.OwnedBy, p.SHA1, p.State, p.EOL)
	add(p.Licenses...)
	for _, l := range p.Locations {
		add(l.Path, string(l.Layer), strconv.Itoa(l.Line))
	}
	return b.String()
}

func (v *Verdict) complete() error {
	v.Reasons = some(v.Reasons)
	known := []policy.Value{policy.Pass, policy.Warn, policy.Unknown, policy.Fail}
	if !slices.Contains(known, v.Value) {
		return fmt.Errorf("its verdict %.40q is none", string(v.Value))
	}
	worst := policy.Pass
	for _, why := range v.Reasons {
		if !slices.Contains(known, why.Action) {
			return fmt.Errorf("the reason %.40q leads to %.40q, which is no verdict", why.Rule, string(why.Action))
		}
		worst = policy.Worse(worst, why.Action)
	}
	if worst != v.Value {
		return errors.New("its verdict is not that of its reasons")
	}
	return nil
}
