package advisorydb

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// hub gathers VEX statements. It has strings of its own, numbered by their order when
// the shard is written.
type hub struct {
	names   interner
	rows    []vexRow
	tidyAt  int // length of rows at which doubles are dropped
	sources map[string]*Source
}

// vexRow is what is said of one flaw in one product, under one key. What is repeated
// from row to row is one interned string.
type vexRow struct {
	key, context uint32
	when         int64
	parts, flaw  uint32
	product      uint32
}

// Statement takes what a VEX document says. Each product is stored under each of its
// keys (see [advisory.Component.Keys]); products without any cannot be looked up and are
// left out. Times are kept to the second. What is said twice is kept once.
//
// A statement without flaw, source or any product with a key, with a string over 4 KiB
// or a list over its bound is refused whole.
func (b *Builder) Statement(s advisory.Statement) error {
	keys, err := checkStatement(&s)
	if err != nil {
		return fmt.Errorf("adding the statement on %.80q of %.80q: %w", s.Flaw, s.Source, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := &b.hub
	if h.sources == nil {
		h.names, h.sources = newInterner(), map[string]*Source{}
	}
	src := h.sources[s.Source]
	if src == nil {
		src = &Source{Name: strings.Clone(s.Source)}
		h.sources[src.Name] = src
	}
	src.Records++
	if t := seconds(s.Timestamp); t.After(src.Newest) {
		src.Newest = t
	}
	row := vexRow{context: h.names.number(packContext(&s)), flaw: h.names.number(packStrings(append([]string{s.Flaw}, sortedStrings(s.Aliases)...)...))}
	if !s.Timestamp.IsZero() {
		row.when = s.Timestamp.Unix()
	}
	for i, p := range s.Products {
		parts := make([]string, len(p.Subcomponents))
		for j, c := range p.Subcomponents {
			parts[j] = packComponent(c, "")
		}
		row.parts = h.names.number(packStrings(sortedStrings(parts)...))
		for _, k := range keys[i] {
			row.key, row.product = h.names.number(k), h.names.number(packComponent(p.Component, k))
			h.rows = append(h.rows, row)
		}
	}
	if len(h.rows) > max(h.tidyAt, 1024) {
		h.tidy()
		h.tidyAt = 2 * len(h.rows)
	}
	return nil
}

func (h *hub) tidy() {
	slices.SortFunc(h.rows, compareRows)
	h.rows = slices.Compact(h.rows)
}

func compareRows(a, b vexRow) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.context, b.context), cmp.Compare(a.when, b.when),
		cmp.Compare(a.parts, b.parts), cmp.Compare(a.flaw, b.flaw), cmp.Compare(a.product, b.product))
}

// checkStatement gives the keys of each product.
func checkStatement(s *advisory.Statement) ([][]string, error) {
	if s.Flaw == "" || s.Source == "" {
		return nil, fmt.Errorf("it has no flaw or no source")
	}
	if !printable(s.Source) {
		return nil, fmt.Errorf("its source's name cannot be printed")
	}
	if err := checkStrings(s.Flaw, s.Source, s.Document, s.Author, s.Impact, s.Action); err != nil {
		return nil, err
	}
	if err := checkStrings(s.Aliases...); err != nil {
		return nil, err
	}
	if y := s.Timestamp.UTC().Year(); y < 1 || y > 9999 {
		return nil, fmt.Errorf("it is of the year %d", y)
	}
	if len(s.Aliases) > maxIDs || len(s.Products) > maxAffected {
		return nil, fmt.Errorf("it has %d aliases and %d products, over the limits of %d and %d", len(s.Aliases), len(s.Products), maxIDs, maxAffected)
	}
	keys := make([][]string, len(s.Products))
	some := false
	for i, p := range s.Products {
		if len(p.Subcomponents) > maxIDs {
			return nil, fmt.Errorf("a product has %d subcomponents, over the limit of %d", len(p.Subcomponents), maxIDs)
		}
		for _, c := range append(p.Subcomponents[:len(p.Subcomponents):len(p.Subcomponents)], p.Component) {
			if err := checkStrings(packComponent(c, "")); err != nil {
				return nil, err
			}
		}
		keys[i] = p.Keys()
		if err := checkStrings(keys[i]...); err != nil {
			return nil, err
		}
		some = some || len(keys[i]) > 0
	}
	if !some {
		return nil, fmt.Errorf("none of its products can be looked up")
	}
	return keys, nil
}

func sortedStrings(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return slices.Compact(all)
}

func packStrings(all ...string) string {
	var b []byte
	for _, s := range all {
		b = appendString(b, s)
	}
	return string(b)
}

func unpackStrings(s string) []string {
	c := cursor{b: []byte(s)}
	var out []string
	for c.at < len(c.b) && !c.bad {
		out = append(out, string(c.take(c.uvarint())))
	}
	return out
}

func packContext(s *advisory.Statement) string {
	return string([]byte{byte(s.Status), byte(s.Justification)}) + packStrings(s.Source, s.Document, s.Author, s.Impact, s.Action)
}

// packComponent gives a component as one string. One that is a package URL alone is
// that, without the key it is stored under where it begins with it; all else begins
// with a zero byte and has its fields one after the other.
func packComponent(c advisory.Component, key string) string {
	if c.CPE == "" && c.Name == "" && len(c.Hashes) == 0 && strings.HasPrefix(c.PURL, "pkg:") {
		if rest, ok := strings.CutPrefix(c.PURL, key); ok && key != "" && (rest == "" || strings.IndexByte("@?#", rest[0]) >= 0) {
			return rest
		}
		return c.PURL
	}
	return "\x00" + packStrings(append([]string{c.PURL, c.CPE, c.Name}, c.Hashes...)...)
}

// unpackComponent is the reverse of packComponent; of other strings it makes a name.
func unpackComponent(s, key string) advisory.Component {
	switch {
	case s == "" || strings.IndexByte("@?#", s[0]) >= 0:
		return advisory.Component{PURL: key + s}
	case s[0] != 0:
		return advisory.Component{PURL: s}
	}
	f := unpackStrings(s[1:])
	for len(f) < 3 {
		f = append(f, "")
	}
	c := advisory.Component{PURL: f[0], CPE: f[1], Name: f[2]}
	if len(f) > 3 {
		c.Hashes = f[3:]
	}
	return c
}

// listed adds the sources of statements to those that records show.
func (h *hub) listed(sources map[string]*Source, stated map[string]*Source) {
	for name, have := range h.sources {
		s := sources[name]
		if s == nil {
			s = &Source{Name: name}
			sources[name] = s
		}
		if st := stated[name]; st == nil || st.Records == 0 {
			s.Records += have.Records
		}
		if st := stated[name]; (st == nil || st.Newest.IsZero()) && have.Newest.After(s.Newest) {
			s.Newest = have.Newest
		}
	}
}
