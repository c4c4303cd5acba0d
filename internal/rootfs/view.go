package rootfs

import (
	"path"
	"strings"
)

// View stacks the changes of an image's layers, the base first, and answers what the
// finished image holds. It follows the OCI image spec (layer.md): a whiteout or an
// opaque folder hides lower layers only, wherever it stands in its own layer; a
// folder replaced by a file or link loses its content; entries below a symbolic
// link land where the link leads. A View is not changed once made and may be used
// by several goroutines.
type View struct {
	layers []*Changes
	// hide gives for a path the topmost layer that has anything but a folder there or
	// whites it out. The base layer is left out: it has nothing to hide.
	hide map[string]int
	// opaque gives for a folder the topmost layer that makes it opaque.
	opaque map[string]int
	// links are symbolic links by path, of the topmost layer that has one there.
	links map[string]link
	// moved are entries that landed elsewhere than their name says, because a folder in
	// it was a link when their layer was applied.
	moved map[place]string
}

type place struct {
	layer int
	path  string
}

type link struct {
	target string
	layer  int
}

// maxHops bounds the symbolic links followed for one path, as Linux does (path_resolution(7)).
const maxHops = 40

// NewView stacks layers. They must not be changed afterwards.
func NewView(layers []*Changes) *View {
	v := &View{layers: layers, hide: map[string]int{}, opaque: map[string]int{}, links: map[string]link{}}
	n := 0
	for _, c := range layers[min(1, len(layers)):] {
		n += len(c.Entries) + len(c.Whiteouts)
	}
	v.hide = make(map[string]int, n)
	for i, c := range layers {
		v.add(i, c)
	}
	return v
}

func (v *View) add(i int, c *Changes) {
	r := parentResolver{v: v}
	if i > 0 {
		for _, p := range c.Whiteouts {
			v.hide[r.real(p)] = i
		}
		for _, p := range c.Opaque {
			v.opaque[v.resolve(p)] = i
		}
	}
	// Links of this layer take effect after its own entries are placed: a tar written
	// from a file system names real paths.
	var found []Entry
	for _, e := range c.Entries {
		if i == 0 {
			if e.Kind == Symlink {
				found = append(found, e)
			}
			continue
		}
		p := r.real(e.Path)
		if p != e.Path {
			if v.moved == nil {
				v.moved = map[place]string{}
			}
			v.moved[place{i, e.Path}] = p
		}
		switch {
		case e.Kind != Dir:
			v.hide[p] = i
			if e.Kind == Symlink {
				found = append(found, Entry{Path: p, Link: e.Link})
			}
		case v.isFile(p):
			// A folder replaces a file or link; runtimes do not keep a link even if it
			// leads to a folder.
			v.hide[p] = i
			r.ok = false
		}
	}
	for _, e := range found {
		v.links[e.Path] = link{target: e.Link, layer: i}
	}
}

// isFile reports whether the layers stacked so far have something other than a folder at p.
func (v *View) isFile(p string) bool {
	if l, ok := v.links[p]; ok && v.visibleAt(l.layer, p) {
		return true
	}
	if _, ok := v.hide[p]; ok {
		return true
	}
	e, ok := v.layers[0].Find(p)
	return ok && e.Kind != Dir
}

// parentResolver remembers the last folder, since entries come sorted.
type parentResolver struct {
	v       *View
	dir, to string
	ok      bool
}

func (r *parentResolver) real(p string) string {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return p
	}
	if dir := p[:i]; !r.ok || dir != r.dir {
		r.dir, r.to, r.ok = dir, r.v.resolve(dir), true
	}
	if r.to == r.dir {
		return p
	}
	return join(r.to, p[i+1:])
}

// Visible reports whether the file that layer has at path is the one an application
// sees in the finished image.
func (v *View) Visible(layer int, p string) bool {
	if to, ok := v.moved[place{layer, p}]; ok {
		p = to
	}
	return v.visibleAt(layer, p)
}

func (v *View) visibleAt(layer int, p string) bool {
	if h, ok := v.hide[p]; ok && h > layer {
		return false
	}
	for i := len(p) - 1; i > 0; i-- {
		if p[i] != '/' {
			continue
		}
		dir := p[:i]
		if h, ok := v.hide[dir]; ok && h > layer {
			return false
		}
		if o, ok := v.opaque[dir]; ok && o > layer {
			return false
		}
	}
	o, ok := v.opaque[""]
	return !ok || o <= layer
}

// Layer gives the topmost layer that brings something other than a folder to path in
// the finished image; false if nothing is there.
func (v *View) Layer(p string) (int, bool) {
	p = v.parents(p)
	for i := len(v.layers) - 1; i >= 0; i-- {
		if e, ok := v.layers[i].Find(p); ok && e.Kind != Dir {
			return i, v.visibleAt(i, p)
		}
	}
	return 0, false
}

// Resolve follows symbolic links, in parents and at the end, within the image and
// never out of it. A loop gives the path reached when patience ended.
func (v *View) Resolve(p string) string { return v.resolve(Clean(p)) }

// parents resolves the folders of p but not its last element.
func (v *View) parents(p string) string {
	i := strings.LastIndexByte(p, '/')
	if i < 0 || len(v.links) == 0 {
		return p
	}
	dir := v.resolve(p[:i])
	if dir == p[:i] {
		return p
	}
	return join(dir, p[i+1:])
}

func (v *View) resolve(p string) string {
	if len(v.links) == 0 {
		return p
	}
	hops := 0
	for at := 0; at < len(p); {
		end := strings.IndexByte(p[at:], '/')
		if end < 0 {
			end = len(p)
		} else {
			end += at
		}
		l, ok := v.links[p[:end]]
		if !ok || !v.visibleAt(l.layer, p[:end]) {
			at = end + 1
			continue
		}
		if hops++; hops > maxHops {
			return p
		}
		rest := ""
		if end < len(p) {
			rest = p[end:]
		}
		if strings.HasPrefix(l.target, "/") {
			p = Clean(l.target + rest)
		} else {
			p = Clean(path.Join("/", path.Dir("/"+p[:end]), l.target) + rest)
		}
		at = 0
	}
	return p
}
