package rootfs

import (
	"path"
	"sort"
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
	// white and opaque give the topmost layer that whites a path out, or makes a folder opaque.
	white, opaque map[string]int
	// links are symbolic links by path, of the topmost layer that has one there.
	links map[string]link
	// moved are entries that landed elsewhere than their name says, because a folder in
	// it was a link when their layer was applied; landed are the places, with the
	// topmost layer that brought something other than a folder there.
	moved  map[place]string
	landed map[string]int
	// top is the layer that is being stacked; those above it do not count yet.
	top int
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
	v := &View{layers: layers, white: map[string]int{}, opaque: map[string]int{}, links: map[string]link{}}
	for i, c := range layers {
		v.top = i
		v.add(i, c)
	}
	return v
}

func (v *View) add(i int, c *Changes) {
	r := parentResolver{v: v}
	for _, p := range c.Whiteouts {
		v.white[r.real(p)] = i
	}
	for _, p := range c.Opaque {
		v.opaque[v.resolve(p)] = i
	}
	// Links of this layer take effect after its own entries are placed: a tar written
	// from a file system names real paths.
	var found []Entry
	r = parentResolver{v: v}
	for j := range c.Entries {
		e := &c.Entries[j]
		p := e.Path
		if len(v.links) > 0 {
			if p = r.real(p); p != e.Path {
				v.move(place{i, e.Path}, p, e.Kind)
			}
		}
		if e.Kind == Symlink {
			found = append(found, Entry{Path: p, Link: e.Link})
		}
	}
	for _, e := range found {
		v.links[e.Path] = link{target: e.Link, layer: i}
	}
}

func (v *View) move(from place, to string, k Kind) {
	if v.moved == nil {
		v.moved, v.landed = map[place]string{}, map[string]int{}
	}
	v.moved[from] = to
	if k != Dir {
		v.landed[to] = from.layer
	}
}

// hides reports whether c has something at p, or something other than a folder at a
// parent of p: whatever was there before is gone then. p is no folder below c. A
// folder that c only implies replaces nothing: a link stays, and is followed.
func (c *Changes) hides(p string) bool {
	for end := 0; end < len(p); {
		if next := strings.IndexByte(p[end:], '/'); next < 0 {
			end = len(p)
		} else {
			end += next
		}
		i := c.search(p[:end], false)
		if i < len(c.Entries) && c.Entries[i].Path == p[:end] {
			if end == len(p) || c.Entries[i].Kind != Dir {
				return true
			}
		} else if j := c.search(p[:end], true); j == len(c.Entries) || !below(c.Entries[j].Path, p[:end]) {
			return false // nothing here, nor below
		}
		end++
	}
	return false
}

// search gives the first entry that is not before p, or before what lies below p.
func (c *Changes) search(p string, inside bool) int {
	return sort.Search(len(c.Entries), func(i int) bool {
		q := c.Entries[i].Path
		if !inside {
			return q >= p
		}
		n := min(len(q), len(p))
		if q[:n] != p[:n] {
			return q[:n] > p[:n]
		}
		return len(q) > len(p) && q[len(p)] >= '/'
	})
}

func below(p, dir string) bool {
	return len(p) > len(dir) && p[len(dir)] == '/' && p[:len(dir)] == dir
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
	if hiddenBy(v.white, p, layer) || len(v.landed) > 0 && hiddenBy(v.landed, p, layer) {
		return false
	}
	for i := len(p) - 1; i > 0 && len(v.opaque) > 0; i-- {
		if p[i] == '/' && v.opaque[p[:i]] > layer {
			return false
		}
	}
	if v.opaque[""] > layer {
		return false
	}
	for i := layer + 1; i <= v.top; i++ {
		if v.layers[i].hides(p) {
			return false
		}
	}
	return true
}

// hiddenBy reports whether m has p or a parent of it in a layer above.
func hiddenBy(m map[string]int, p string, layer int) bool {
	if len(m) == 0 {
		return false
	}
	if m[p] > layer {
		return true
	}
	for i := len(p) - 1; i > 0; i-- {
		if p[i] == '/' && m[p[:i]] > layer {
			return true
		}
	}
	return false
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
