package advisorydb

import (
	"slices"
	"strings"
)

// conversion is a feed that is made from a publisher's own database, by another party or
// by the publisher in another form. Where both speak of a flaw in a package, the
// conversion is no second opinion and would only be read in vain: a third of a Debian
// shard. What it says where the publisher's own is silent (older releases, other
// packages) stays.
type conversion struct {
	feed, own string
	// prefix begins the IDs of the records that are converted, if not all are: an archive
	// of OSV's also holds GitHub's records, which are an opinion of their own.
	prefix string
}

var conversions = []conversion{
	{feed: "debian-oval", own: "debian-tracker"},
	{feed: "osv-almalinux", own: "almalinux-errata"},
	{feed: "osv-alpine", own: "alpine-secdb"},
	{feed: "osv-chainguard", own: "chainguard-secdb"},
	{feed: "osv-minimos", own: "minimos-secdb"},
	{feed: "osv-photon-os", own: "photon-cve"},
	{feed: "osv-rocky-linux", own: "rocky-apollo"},
	{feed: "osv-wolfi", own: "wolfi-secdb"},
	{feed: "osv-debian", own: "debian-tracker"},
	{feed: "osv-debian", own: "debian-advisories"},
	{feed: "osv-go", own: "go-vulndb"},
	{feed: "osv-ubuntu", own: "ubuntu-tracker"},
	{feed: "osv-ubuntu", own: "ubuntu-osv"},
	{feed: "osv-ubuntu", own: "ubuntu-usn"},
	{feed: "ubuntu-osv", own: "ubuntu-tracker"},
	{feed: "ubuntu-osv", own: "ubuntu-usn"},
	{feed: "ubuntu-vex", own: "ubuntu-tracker"},
	{feed: "ubuntu-vex", own: "ubuntu-osv"},
	{feed: "osv-red-hat", own: "redhat-csaf-advisories"},
	{feed: "osv-suse", own: "suse-csaf"},
	{feed: "osv-suse", own: "suse-osv"},
	{feed: "suse-osv", own: "suse-csaf"},
	{feed: "osv-crates.io", own: "rustsec", prefix: "RUSTSEC-"},
	{feed: "osv-pypi", own: "pypa", prefix: "PYSEC-"},
	{feed: "osv-bitnami", own: "bitnami-vulndb"},
	{feed: "osv-hackage", own: "haskell-hsec", prefix: "HSEC-"},
	{feed: "osv-ghc", own: "haskell-hsec", prefix: "HSEC-"},
	{feed: "osv-opam", own: "ocaml-osec", prefix: "OSEC-"},
	{feed: "osv-cran", own: "rconsortium", prefix: "RSEC-"},
	{feed: "osv-bioconductor", own: "rconsortium", prefix: "RSEC-"},
	{feed: "elixir-advisories", own: "osv-hex"},
}

// published is what the publishers' own databases speak of.
type published struct {
	own  map[uint32][]publisher // by a conversion's source
	said map[saying]bool
}

// publisher is the source that a conversion is made from.
type publisher struct {
	source uint32
	prefix string
}

// saying is that a source speaks of a flaw in a package.
type saying struct{ source, ecosystem, stream, name, flaw uint32 }

func (b *Builder) published(records []*record) published {
	p := published{own: map[uint32][]publisher{}, said: map[saying]bool{}}
	heard := map[uint32]bool{}
	for _, c := range conversions {
		from, ok := b.names.numbers[c.feed]
		to, also := b.names.numbers[c.own]
		if ok && also {
			p.own[from] = append(p.own[from], publisher{to, c.prefix})
			heard[to] = true
		}
	}
	for _, r := range records {
		if !heard[r.source] {
			continue
		}
		for i := range r.affected {
			st := &r.affected[i]
			p.said[saying{r.source, st.ecosystem, st.stream, st.name, r.id}] = true
		}
	}
	return p
}

// repeated reports whether a statement of r only converts what the publisher says. An
// errata record is on what it fixes at once, and repeats only the record of its ID.
func (b *Builder) repeated(p published, r *record, st *statement) bool {
	for _, o := range p.own[r.source] {
		if !strings.HasPrefix(b.names.list[r.id], o.prefix) {
			continue
		}
		says := func(id uint32) bool { return p.said[saying{o.source, st.ecosystem, st.stream, st.name, id}] }
		if says(r.id) || len(r.related.list) == 0 && slices.ContainsFunc(r.aliases.list, says) {
			return true
		}
	}
	return false
}

// tellAliases gives the publishers' records the names that they have by a conversion:
// databases in Alpine's form list a CVE and GitHub's name of it as if they were two
// flaws, and the record that joins them is left out as a conversion. One that joins
// several CVEs is not believed: these are flaws apart.
func (b *Builder) tellAliases(p published, records []*record) {
	for _, r := range records {
		if len(r.related.list) > 0 {
			continue
		}
		for _, o := range p.own[r.source] {
			if strings.HasPrefix(b.names.list[r.id], o.prefix) {
				b.tellAlias(o.source, r)
			}
		}
	}
}

// tellAlias is tellAliases for one record and the source that it converts.
func (b *Builder) tellAlias(source uint32, r *record) {
	var same []*record // the publisher's, on this flaw
	cves := 0
	for _, id := range append([]uint32{r.id}, r.aliases.list...) {
		if own := b.records[recordKey{source, id}]; own != nil {
			same = append(same, own)
			if strings.HasPrefix(b.names.list[id], "CVE-") {
				cves++
			}
		}
	}
	if cves > 1 {
		return
	}
	for _, own := range same {
		for _, other := range same {
			if other != own {
				own.aliases.list = append(own.aliases.list, other.id)
			}
		}
		own.aliases.list = sortedSet(own.aliases.list)
	}
}
