package advisorydb

import (
	"cmp"
	"slices"
)

// renumber gives every interned string the number of its place in bytewise order, so
// that sorting by number sorts by string whatever order things were added in.
func (b *Builder) renumber() {
	to := b.names.sort()
	each := func(all []uint32) {
		for i, n := range all {
			all[i] = to[n]
		}
	}
	records := make(map[recordKey]*record, len(b.records))
	for _, r := range b.records {
		r.source, r.id, r.url = to[r.source], to[r.id], to[r.url]
		each(r.aliases.list)
		each(r.related.list)
		r.aliases.list, r.related.list = sortedSet(r.aliases.list), sortedSet(r.related.list)
		renumberRatings(r.cvss, to)
		for i := range r.affected {
			s := &r.affected[i]
			s.ecosystem, s.name, s.arch, s.module, s.stream = to[s.ecosystem], to[s.name], to[s.arch], to[s.module], to[s.stream]
			for j, v := range s.ranges() {
				s.ranges()[j] = interval{to[v.introduced], to[v.fixed], to[v.last]}
			}
			each(s.versions())
			slices.Sort(s.versions())
		}
		r.affected = tidyStatements(r.affected)
		records[recordKey{r.source, r.id}] = r
	}
	b.records = records
	flaws := make(map[uint32]*flaw, len(b.flaws))
	for id, f := range b.flaws {
		renumberRatings(f.cvss, to)
		flaws[to[id]] = f
	}
	b.flaws = flaws
	repos := make(map[uint32][]uint32, len(b.repos))
	for id, cpes := range b.repos {
		each(cpes)
		repos[to[id]] = sortedSet(cpes)
	}
	b.repos = repos
}

func renumberRatings(all []rating, to []uint32) {
	for i, v := range all {
		all[i].vector, all[i].source = to[v.vector], to[v.source]
	}
}

func sortedSet(all []uint32) []uint32 {
	slices.Sort(all)
	return slices.Compact(all)
}

// tidyStatements sorts statements and drops doubles.
func tidyStatements(all []statement) []statement {
	slices.SortFunc(all, func(a, b statement) int { return compareStatements(&a, &b) })
	return slices.CompactFunc(all, func(a, b statement) bool { return compareStatements(&a, &b) == 0 })
}

func compareStatements(a, b *statement) int {
	if c := cmp.Or(
		cmp.Compare(a.ecosystem, b.ecosystem),
		cmp.Compare(a.name, b.name),
		cmp.Compare(a.stream, b.stream),
		cmp.Compare(a.module, b.module),
		cmp.Compare(a.arch, b.arch),
		cmp.Compare(a.state, b.state),
		cmp.Compare(a.severity, b.severity),
	); c != 0 {
		return c
	}
	if c := slices.CompareFunc(a.ranges(), b.ranges(), func(x, y interval) int {
		return cmp.Or(cmp.Compare(x.introduced, y.introduced), cmp.Compare(x.fixed, y.fixed), cmp.Compare(x.last, y.last))
	}); c != 0 {
		return c
	}
	return slices.Compare(a.versions(), b.versions())
}
