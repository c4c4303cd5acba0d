package inventory

import (
	"cmp"
	"fmt"
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
	m := merger{view: v, inv: &Inventory{}, owners: map[string]owner{}, wanted: map[string]bool{}, at: map[identity]int{}}
	fs := slices.Clone(fragments)
	slices.SortStableFunc(fs, func(a, b Fragment) int {
		return cmp.Or(cmp.Compare(a.Layer, b.Layer), strings.Compare(a.Path, b.Path), strings.Compare(a.Extractor, b.Extractor))
	})
	var seen []Fragment
	databases := map[string][]Fragment{}
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
	for _, f := range seen {
		for _, p := range f.Packages {
			m.add(p, f, f.Layer)
		}
	}
	m.finish()
	return m.inv
}

// candidates notes the names of files that could turn out to be owned, so that the many
// other files of OS packages need no look.
func (m *merger) candidates(fs []Fragment) {
	for _, f := range fs {
		if len(f.Packages) > 0 && !IsOS(f.Packages[0].Type) {
			m.wanted[base(f.Path)] = true
			m.wanted[base(m.view.Resolve(f.Path))] = true
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
	at     map[identity]int // index in inv.Packages
}

// distroPaths are the files that name the distribution, the most trusted first
// (os-release(5) for the first two).
var distroPaths = []string{
	"etc/os-release", "usr/lib/os-release", "etc/lsb-release",
	"etc/alpine-release", "etc/system-release", "etc/redhat-release", "etc/centos-release",
	"etc/debian_version", "etc/apk/repositories",
}

func (m *merger) distro(fs []Fragment) {
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
func (m *merger) database(copies []Fragment) {
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
		for _, p := range c.Packages {
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
	for _, p := range top.Packages {
		l := since[p.Name+"\x00"+p.Version+"\x00"+p.Arch]
		layer[p.Name] = l
		m.add(p, top, l)
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

func (m *merger) add(p Package, f Fragment, layer int) {
	if len(p.Locations) == 0 {
		p.Locations = []Location{{Path: f.Path}}
	} else {
		p.Locations = slices.Clone(p.Locations)
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
		if o, ok := m.owners[m.view.Resolve(outer)]; ok && layer <= o.layer {
			p.OwnedBy = o.pkg
		}
	}
	k := identity{p.Type, p.Namespace, p.Name, p.Version, p.Arch, p.Module, p.OwnedBy, p.Source}
	i, ok := m.at[k]
	if !ok {
		m.at[k] = len(m.inv.Packages)
		m.inv.Packages = append(m.inv.Packages, p)
		return
	}
	old := &m.inv.Packages[i]
	old.Locations = append(old.Locations, p.Locations...)
	old.Licenses = append(slices.Clone(old.Licenses), p.Licenses...)
	old.Evidence = min(old.Evidence, p.Evidence)
	old.Dev = old.Dev && p.Dev
	if old.SHA1 == "" {
		old.SHA1 = p.SHA1
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

// sort puts packages in their published order. They are large, so it moves each once.
func (m *merger) sort() {
	ps := m.inv.Packages
	order := make([]*Package, len(ps))
	for i := range ps {
		order[i] = &ps[i]
	}
	slices.SortFunc(order, func(a, b *Package) int {
		return cmp.Or(
			strings.Compare(a.Type, b.Type), strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version),
			strings.Compare(a.Arch, b.Arch), strings.Compare(a.OwnedBy, b.OwnedBy),
			strings.Compare(a.Source.Name, b.Source.Name), strings.Compare(a.Source.Version, b.Source.Version),
			strings.Compare(a.Module, b.Module))
	})
	if len(ps) == 0 {
		return
	}
	sorted := make([]Package, 0, len(ps))
	for _, p := range order {
		sorted = append(sorted, *p)
	}
	m.inv.Packages = sorted
}

// SortUnknowns puts unknowns in their published order.
func SortUnknowns(u []Unknown) {
	slices.SortFunc(u, func(a, b Unknown) int {
		return cmp.Or(strings.Compare(string(a.Reason), string(b.Reason)), strings.Compare(a.Subject, b.Subject), strings.Compare(a.Detail, b.Detail))
	})
}
