package match

import (
	"iter"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/inventory"
)

// wholes gives what p is part of where it was found: the program that the file is (Go), the
// archives around it (Java), the package in whose node_modules it lies (npm).
func (v *vexer) wholes(p *inventory.Package, loc inventory.Location) []*inventory.Package {
	var out []*inventory.Package
	add := func(all []*inventory.Package) {
		for _, w := range all {
			if w != p {
				out = append(out, w)
			}
		}
	}
	add(v.main[loc.Path])
	for path := range outer(p.Type, loc.Path) {
		add(v.at[path])
	}
	return out
}

// outer gives the paths of what a package of a type that lies at path is part of, from the
// inside out.
func outer(typ, path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		switch typ {
		case "maven":
			for at := strings.LastIndex(path, "!/"); at > 0; at = strings.LastIndex(path[:at], "!/") {
				if !yield(path[:at]) {
					return
				}
			}
		case "npm":
			const dir = "node_modules/"
			for at := strings.LastIndex(path, dir); at >= 0; at = strings.LastIndex(path[:at], dir) {
				if !yield(path[:at] + "package.json") {
					return
				}
			}
		}
	}
}

// speaks tells whether one of the statement's products is p, or a whole with p in it.
func (v *vexer) speaks(s *advisory.Statement, p *inventory.Package, wholes []*inventory.Package) bool {
	for i := range s.Products {
		product := &s.Products[i]
		if len(product.Subcomponents) == 0 && v.is(product.Component, p) {
			return true
		}
		if !v.isImage(product.Component) && !v.isSystem(product.Component, p) &&
			!slices.ContainsFunc(wholes, func(w *inventory.Package) bool { return v.is(product.Component, w) }) {
			continue
		}
		if len(product.Subcomponents) == 0 || slices.ContainsFunc(product.Subcomponents, func(c advisory.Component) bool { return v.is(c, p) }) {
			return true
		}
	}
	return false
}

// is tells whether a component is a package.
func (v *vexer) is(c advisory.Component, p *inventory.Package) bool {
	if p.SHA1 != "" && slices.Contains(c.Hashes, "sha1:"+p.SHA1) {
		return true
	}
	said, ok := v.parse(c.PURL)
	if !ok {
		return false
	}
	if inventory.IsOS(p.Type) && v.inv.Distro != nil {
		// The release may be called by its codename.
		if d := said.Qualifier("distro"); d != "" && d == v.inv.Distro.Codename {
			said = said.Without("distro")
		}
	}
	if said.Qualifier("arch") == "source" {
		src, ok := v.sourcePURL(p)
		return ok && said.Speaks(src)
	}
	return said.Speaks(v.purl(p))
}

// sourcePURL names the source package that an OS package was built from.
func (v *vexer) sourcePURL(p *inventory.Package) (advisory.PURL, bool) {
	if p.Source.Name == "" || p.Type != "deb" && p.Type != "rpm" {
		return advisory.PURL{}, false
	}
	src := inventory.Package{Type: p.Type, Namespace: p.Namespace, Name: p.Source.Name, Version: p.Source.Version, Arch: "source", Module: p.Module}
	if src.Version == "" {
		src.Version = p.Version
	}
	return v.parse(src.PURL(v.inv.Distro))
}

func (v *vexer) purl(p *inventory.Package) advisory.PURL {
	out, ok := v.of[p]
	if !ok {
		out, _ = advisory.ParsePURL(p.PURL(v.inv.Distro))
		v.of[p] = out
	}
	return out
}

// parse reads a package URL, each once.
func (v *vexer) parse(s string) (advisory.PURL, bool) {
	if p, ok := v.purls[s]; ok {
		return p, p.Type != ""
	}
	p, err := advisory.ParsePURL(s)
	v.purls[s] = p
	return p, err == nil
}

// isImage tells whether a component is the image: by a digest, or by repository and,
// where given, tag and architecture.
func (v *vexer) isImage(c advisory.Component) bool {
	if slices.ContainsFunc(c.Hashes, func(h string) bool { return slices.Contains(v.img.Digests, h) }) {
		return true
	}
	p, ok := v.parse(c.PURL)
	if !ok || !p.IsImage() {
		return false
	}
	if d := p.ImageDigest(); d != "" {
		return slices.Contains(v.img.Digests, d)
	}
	if v.img.Repository == "" {
		return false
	}
	tag := p.Qualifier("tag")
	if p.Version != "" {
		tag = p.Version
	}
	if tag != "" && tag != v.img.Tag {
		return false
	}
	if a := p.Qualifier("arch"); a != "" && a != v.img.Arch {
		return false
	}
	repository, other := p.ImageRepository()
	if repository == "" {
		return strings.EqualFold(p.Name, v.img.Repository[strings.LastIndexByte(v.img.Repository, '/')+1:])
	}
	return repository == v.img.Repository || other != "" && other == v.img.Repository
}

// isSystem tells whether a component is the distribution that p is a package of.
func (v *vexer) isSystem(c advisory.Component, p *inventory.Package) bool {
	if c.CPE == "" || v.os.Product == "" || !inventory.IsOS(p.Type) || isForeignBuild(p) {
		return false
	}
	said, err := advisory.ParseCPE(c.CPE)
	return err == nil && said.Speaks(v.os)
}
