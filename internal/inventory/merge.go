package inventory

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
)

// Merge puts the fragments of an image's layers together into what the finished
// image holds. It keeps nothing of fragments and may be given them in any order:
// the result is the same. Rules:
//
//   - A fragment counts only if its file is visible in the finished image.
//   - A package in a database belongs to the layer from which on it was there with
//     this version, not to the layer that last rewrote the database.
//   - A language package is OwnedBy an OS package that claims its file, unless a
//     later layer brought the file anew.
//   - Equal packages are one, with all their locations.
//   - A package database that a later layer deletes leaves an Unknown.
func Merge(v View, fragments []Fragment) *Inventory {
	m := merger{view: v, inv: &Inventory{}, owners: map[string]owner{}, wanted: map[string]bool{}, seed: maphash.MakeSeed()}
	fs := make([]*Fragment, len(fragments))
	n := 0
	for i := range fragments {
		fs[i] = &fragments[i]
		n += len(fs[i].Packages)
	}
	m.inv.Packages, m.at = make([]Package, 0, n), make(map[uint64]int, n)
	m.slab = make([]Location, n)
	slices.SortStableFunc(fs, func(a, b *Fragment) int {
		return cmp.Or(cmp.Compare(a.Layer, b.Layer), strings.Compare(a.Path, b.Path), strings.Compare(a.Extractor, b.Extractor))
	})
	seen := make([]*Fragment, 0, len(fs))
	databases := map[string][]*Fragment{}
	for _, f := range fs {
		visible := v.Visible(f.Layer, f.Path)
		if visible {
			m.inv.Unknowns = append(m.inv.Unknowns, f.Unknowns...)
			m.inv.Repositories = append(m.inv.Repositories, f.Repositories...)
		}
		if f.Database {
			k := f.Extractor + "\x00" + v.Resolve(f.Path)
			databases[k] = append(databases[k], f)
		} else if visible {
			seen = append(seen, f)
		}
	}
	m.distro(seen)
	m.candidates(seen)
	for _, k := range slices.Sorted(maps.Keys(databases)) {
		m.database(databases[k])
	}
	// Owners that are files of their own (dpkg's lists) before what they may own.
	for _, f := range seen {
		for _, o := range f.Owns {
			m.own(o, f.Layer)
		}
	}
	for k, f := range seen {
		for i := range f.Packages {
			m.add(&f.Packages[i], f, m.real[k], f.Layer)
		}
	}
	m.finish()
	return m.inv
}

// candidates notes the names of files that could turn out to be owned, so that the many
// other files of OS packages need no look.
func (m *merger) candidates(fs []*Fragment) {
	m.real = make([]string, len(fs))
	for i, f := range fs {
		if len(f.Packages) > 0 && !IsOS(f.Packages[0].Type) {
			m.real[i] = m.view.Resolve(f.Path)
			m.wanted[base(f.Path)] = true
			m.wanted[base(m.real[i])] = true
		}
	}
}

func base(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

type owner struct {
	pkg   string
	layer int
}

// identity is what makes two packages one.
type identity struct {
	typ, namespace, name, version, arch, module, owner string
	source                                             Source
}

type merger struct {
	view   View
	inv    *Inventory
	owners map[string]owner // real path → who owns it
	wanted map[string]bool  // names of files that may be owned
	real   []string         // where the files of the visible fragments are, if they may be owned
	// at has the index in inv.Packages of the last package whose identity has a hash, and
	// same that of the one before with the same hash, or -1.
	at   map[uint64]int
	same []int32
	seed maphash.Seed
	slab []Location // room for the packages' locations
}

// distroPaths are the files that name the distribution, the most trusted first
// (os-release(5) for the first two).
var distroPaths = []string{
	"etc/os-release", "usr/lib/os-release", "etc/lsb-release",
	"etc/alpine-release", "etc/system-release", "etc/redhat-release", "etc/centos-release",
	"etc/debian_version", "etc/apk/repositories",
}

func (m *merger) distro(fs []*Fragment) {
	best := -1
	for _, f := range fs {
		if f.Distro == nil || f.Distro.ID == "" {
			continue
		}
		rank := slices.Index(distroPaths, f.Path)
		if rank < 0 && m.view.Resolve("etc/os-release") == f.Path {
			rank = 0
		}
		if rank < 0 {
			rank = len(distroPaths)
		}
		if best < 0 || rank < best {
			best, m.inv.Distro = rank, f.Distro
		}
	}
}

// database takes the copies of one package database, lowest layer first.
func (m *merger) database(copies []*Fragment) {
	top := copies[len(copies)-1]
	if !m.view.Visible(top.Layer, top.Path) {
		if len(top.Packages) > 0 {
			m.inv.Unknowns = append(m.inv.Unknowns, Unknown{Reason: AnalysisPartial, Subject: top.Path,
				Detail: fmt.Sprintf("the package database with %d packages was deleted by a later layer; what is left of them cannot be told", len(top.Packages))})
		}
		return
	}
	since := map[string]int{}
	for _, c := range copies {
		now := make(map[string]int, len(c.Packages))
		for i := range c.Packages {
			p := &c.Packages[i]
			k := p.Name + "\x00" + p.Version + "\x00" + p.Arch
			if l, ok := since[k]; ok {
				now[k] = l
			} else {
				now[k] = c.Layer
			}
		}
		since = now
	}
	layer := make(map[string]int, len(top.Packages))
	for i := range top.Packages {
		p := &top.Packages[i]
		l := since[p.Name+"\x00"+p.Version+"\x00"+p.Arch]
		layer[p.Name] = l
		m.add(p, top, "", l)
	}
	for _, o := range top.Owns {
		m.own(o, layer[o.Package])
	}
}

func (m *merger) own(o Owner, layer int) {
	for _, p := range o.Paths {
		if !m.wanted[base(p)] {
			continue
		}
		real := m.view.Resolve(p)
		if old, ok := m.owners[real]; !ok || layer > old.layer {
			m.owners[real] = owner{o.Package, layer}
		}
	}
}

// IsOS reports whether packages of this type are a distribution's: their managers own
// files, and their distribution publishes what is wrong with them.
func IsOS(typ string) bool {
	switch typ {
	case "deb", "apk", "rpm", "alpm", "opkg", "ebuild":
		return true
	}
	return false
}

// add takes a package of a fragment, whose file is at real if that is known.
func (m *merger) add(from *Package, f *Fragment, real string, layer int) {
	p := *from
	if n := max(1, len(p.Locations)); n > len(m.slab) {
		m.slab = make([]Location, n)
	}
	if len(p.Locations) == 0 {
		m.slab[0] = Location{Path: f.Path}
		p.Locations, m.slab = m.slab[:1:1], m.slab[1:]
	} else {
		n := copy(m.slab, p.Locations)
		p.Locations, m.slab = m.slab[:n:n], m.slab[n:]
	}
	for i := range p.Locations {
		p.Locations[i].Layer, p.Locations[i].Main = layer, p.Main
	}
	p.Main = false
	if IsOS(p.Type) {
		if p.Namespace == "" && m.inv.Distro != nil {
			p.Namespace = namespace(m.inv.Distro.ID)
		}
	} else if len(m.owners) > 0 {
		outer, _, _ := strings.Cut(p.Locations[0].Path, "!/")
		if outer != f.Path || real == "" {
			real = m.view.Resolve(outer)
		}
		if o, ok := m.owners[real]; ok && layer <= o.layer {
			p.OwnedBy = o.pkg
		}
	}
	k := p.identity()
	h := maphash.Comparable(m.seed, k)
	last, ok := m.at[h]
	if !ok {
		last = -1
	}
	for i := last; i >= 0; i = int(m.same[i]) {
		if old := &m.inv.Packages[i]; old.identity() == k {
			old.join(&p)
			return
		}
	}
	m.at[h] = len(m.inv.Packages)
	m.same = append(m.same, int32(last))
	m.inv.Packages = append(m.inv.Packages, p)
}

func (p *Package) identity() identity {
	return identity{p.Type, p.Namespace, p.Name, p.Version, p.Arch, p.Module, p.OwnedBy, p.Source}
}

// join adds what was found of the same package in another place.
func (p *Package) join(q *Package) {
	p.Locations = append(p.Locations, q.Locations...)
	p.Licenses = append(slices.Clone(p.Licenses), q.Licenses...)
	p.Evidence = min(p.Evidence, q.Evidence)
	p.Dev = p.Dev && q.Dev
	if p.SHA1 == "" {
		p.SHA1 = q.SHA1
	}
}

// namespace is what package URLs call a distribution.
func namespace(id string) string {
	switch id {
	case "rhel":
		return "redhat"
	case "amzn":
		return "amazon"
	case "ol":
		return "oracle"
	case "sles", "sled", "sle-micro", "suse", "sle_hpc":
		return "suse"
	case "opensuse-leap", "opensuse-tumbleweed":
		return "opensuse"
	}
	return id
}

func (m *merger) finish() {
	for i := range m.inv.Packages {
		p := &m.inv.Packages[i]
		slices.SortFunc(p.Locations, func(a, b Location) int {
			return cmp.Or(cmp.Compare(a.Layer, b.Layer), strings.Compare(a.Path, b.Path), mainFirst(a, b))
		})
		p.Locations = slices.CompactFunc(p.Locations, func(a, b Location) bool { return a.Layer == b.Layer && a.Path == b.Path })
		if len(p.Licenses) > 1 {
			slices.Sort(p.Licenses)
			p.Licenses = slices.Compact(p.Licenses)
		}
	}
	m.sort()
	slices.Sort(m.inv.Repositories)
	m.inv.Repositories = slices.Compact(m.inv.Repositories)
	SortUnknowns(m.inv.Unknowns)
	m.inv.Unknowns = slices.Compact(m.inv.Unknowns)
}

func mainFirst(a, b Location) int {
	switch {
	case a.Main == b.Main:
		return 0
	case a.Main:
		return -1
	}
	return 1
}

// sort puts packages in their published order.
func (m *merger) sort() {
	SortLarge(m.inv.Packages, func(a, b *Package) int {
		if c := strings.Compare(a.Type, b.Type); c != 0 {
			return c
		}
		if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
			return c
		}
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return cmp.Or(
			strings.Compare(a.Version, b.Version), strings.Compare(a.Arch, b.Arch), strings.Compare(a.OwnedBy, b.OwnedBy),
			strings.Compare(a.Source.Name, b.Source.Name), strings.Compare(a.Source.Version, b.Source.Version),
			strings.Compare(a.Module, b.Module))
	})
}

// SortLarge sorts all as [slices.SortFunc] does, but moves each element once: for those that
// are hundreds of bytes. Equal ones may change places.
func SortLarge[T any](all []T, compare func(a, b *T) int) {
	order := make([]int32, len(all))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int { return compare(&all[i], &all[j]) })
	// Each cycle is gone round once; places that are done hold themselves.
	for start := range order {
		if int(order[start]) == start {
			continue
		}
		first, i := all[start], start
		for {
			from := int(order[i])
			order[i] = int32(i)
			if from == start {
				all[i] = first
				break
			}
			all[i] = all[from]
			i = from
		}
	}
}

// SortUnknowns puts unknowns in their published order.
func SortUnknowns(u []Unknown) {
	slices.SortFunc(u, func(a, b Unknown) int {
		return cmp.Or(strings.Compare(string(a.Reason), string(b.Reason)), strings.Compare(a.Subject, b.Subject), strings.Compare(a.Detail, b.Detail))
	})
}
