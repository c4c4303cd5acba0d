package advisorydb

import "slices"

// conversions are feeds that another party makes from a publisher's own database,
// with that database's feed. Where both speak of a flaw in a package, the conversion
// is no second opinion and would only be read in vain: a third of a Debian shard.
// What it says where the publisher is silent (older releases, other packages) stays.
var conversions = map[string]string{
	"debian-oval": "debian-tracker",
	"osv-alpine":  "alpine-secdb",
	"osv-debian":  "debian-tracker",
	"osv-go":      "go-vulndb",
	"osv-red-hat": "redhat-csaf-advisories",
	"osv-suse":    "suse-csaf",
}

// published is what the publishers' own databases speak of.
type published struct {
	own  map[uint32]uint32  // a conversion's source → the publisher's
	said map[[4]uint32]bool // source, ecosystem, package, flaw
}

func (b *Builder) published(records []*record) published {
	p := published{own: map[uint32]uint32{}, said: map[[4]uint32]bool{}}
	publisher := map[uint32]bool{}
	for conversion, own := range conversions {
		from, ok := b.names.numbers[conversion]
		to, also := b.names.numbers[own]
		if ok && also {
			p.own[from] = to
			publisher[to] = true
		}
	}
	for _, r := range records {
		if !publisher[r.source] {
			continue
		}
		for i := range r.affected {
			st := &r.affected[i]
			p.said[[4]uint32{r.source, st.ecosystem, st.name, r.id}] = true
		}
	}
	return p
}

// repeated reports whether a statement of r only converts what the publisher says.
func (p published) repeated(r *record, st *statement) bool {
	source, ok := p.own[r.source]
	if !ok {
		return false
	}
	says := func(id uint32) bool { return p.said[[4]uint32{source, st.ecosystem, st.name, id}] }
	return says(r.id) || len(r.related.list) == 0 && slices.ContainsFunc(r.aliases.list, says)
}
