package rootfs

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// View stacks the changes of an image's layers, the base first, and answers what the
// finished image holds. It follows the OCI image spec (layer.md): a whiteout or an
// opaque folder hides lower layers only, wherever it stands in its own layer; a
// folder replaced by a file or link loses its content; entries below a symbolic
// link land where the link leads. Whiteouts and new folders take effect before the
// files of their layer. A View is not changed once made and may be used by several
// goroutines.
type View struct {
	layers []*Changes
	// hide gives for a path the topmost layer that has anything but a folder there or
	// whites it out. The base layer is left out: it has nothing to hide; so is what
	// hides nothing because no lower layer has anything there.
	hide map[string]int
	// opaque gives for a folder the topmost layer that makes it opaque.
	opaque map[string]int
	// links are symbolic links by path, of the topmost layer that has one there.
	links map[string]link
	// moved are entries that landed elsewhere than their name says, because a folder in
	// it was a link when their layer was applied; "" if what they landed in is gone.
	moved map[place]string
	// landed is moved the other way round.
	landed map[place]string
	// movedBytes bounds them: long links could make more than there is memory.
	movedBytes int
	// linked are hard links to files of lower layers and what they are names of.
	linked map[place]place
	follow resolver
	top    int // index of the last layer
	// placing is the layer that is being stacked: its folders replace lower layers' links.
	placing *Changes
}

type place struct {
	layer int
	path  string
}

type link struct {
	target string
	layer  int
}

const maxMovedBytes = 64 << 20

// NewView stacks layers. They must not be changed afterwards.
func NewView(layers []*Changes) *View {
	v := &View{layers: layers, hide: map[string]int{}, opaque: map[string]int{}, links: map[string]link{}, moved: map[place]string{}, landed: map[place]string{}, linked: map[place]place{}, top: len(layers) - 1}
	v.follow.lookup = v.link
	for i, c := range layers {
		if i == 0 {
			v.base(c)
		} else {
			v.add(i, c)
		}
	}
	return v
}

// Incomplete says what was left undone because the layers' symbolic links ask for
// more than is reasonable; empty if nothing was.
func (v *View) Incomplete() string {
	if v.follow.exhausted() || v.movedBytes > maxMovedBytes {
		return "the symbolic links of the image lead through too many others; they were not all followed"
	}
	return ""
}

func (v *View) base(c *Changes) {
	for cur := c.Entries.from(0); cur.next(); {
		if cur.kind == Symlink {
			v.links[string(cur.path)] = link{target: cur.link}
		}
	}
}

func (v *View) add(i int, c *Changes) {
	aliases := v.hardLinks(i, c)
	v.placing = c
	defer func() { v.placing = nil }()
	r := parentResolver{v: v}
	for _, p := range c.Whiteouts {
		v.hide[r.real(p)] = i
	}
	r.ok = false
	found := map[string]string{}
	// fresh is the last folder in which no lower layer has anything; dir is the last one
	// looked at, and dirFresh whether it is such a folder.
	var fresh, dir string
	var isFresh, dirFresh, known bool
	for cur := c.Entries.from(0); cur.next(); {
		name := bytesString(cur.path)
		p := r.real(name)
		if p != name && cur.kind != Dir {
			v.move(i, strings.Clone(name), p)
		}
		if cur.kind == Symlink {
			found[strings.Clone(p)] = cur.link
		} else if target, ok := aliases[name]; ok {
			found[strings.Clone(p)] = target
		}
		if isFresh && below(p, fresh) {
			continue
		}
		if d := parent(p); !known || d != dir {
			dir, known = strings.Clone(d), true
			dirFresh = !v.anything(i, dir)
			if isFresh = dirFresh; isFresh {
				fresh = dir
			}
		}
		if dirFresh {
			continue
		}
		switch {
		case cur.kind != Dir:
			v.hide[strings.Clone(p)] = i
		case v.isFile(i, p):
			// A folder replaces a file or link; runtimes do not keep a link even if it
			// leads to a folder.
			v.hide[strings.Clone(p)] = i
			r.ok = false
		}
	}
	for _, p := range c.Opaque {
		v.opaque[v.follow.resolve(p)] = i
	}
	// Links of this layer take effect after its own entries are placed: their names are
	// places within the layer already.
	for _, p := range slices.Sorted(maps.Keys(found)) {
		v.links[p] = link{target: found[p], layer: i}
	}
}

func (v *View) move(i int, name, p string) {
	// The same layer may put a file in the place of a folder on the way: before it, the
	// layer could not be applied, so it came after.
	for dir := parent(p); dir != ""; dir = parent(dir) {
		if kind, at, _ := v.layers[i].Entries.holds(dir); at && kind != Dir && kind != Symlink {
			v.moved[place{i, name}] = ""
			return
		}
	}
	if v.movedBytes += len(p) + len(name); v.movedBytes <= maxMovedBytes {
		v.moved[place{i, name}] = p
		v.landed[place{i, p}] = name
	}
}

// hardLinks finds what the hard links of layer i to lower layers are names of, before
// the layer itself takes effect. Those of symbolic links are given with the target.
func (v *View) hardLinks(i int, c *Changes) map[string]string {
	if c.Entries.lower == 0 {
		return nil
	}
	aliases := map[string]string{}
	for cur := c.Entries.from(0); cur.next(); {
		if cur.kind != Hardlink || cur.linkAt != 0 {
			continue
		}
		p := v.parents(cur.link)
		j, name, ok := v.file(i, p)
		if !ok {
			continue
		}
		if target, ok := v.link(p); ok {
			aliases[string(cur.path)] = target
		}
		to := place{j, name}
		if further, ok := v.linked[to]; ok {
			to = further
		}
		v.linked[place{i, string(cur.path)}] = to
	}
	return aliases
}

// file gives the layer below i that has something other than a folder at the real
// path p which is visible so far, and its name there.
func (v *View) file(i int, p string) (layer int, name string, ok bool) {
	for j := i - 1; j >= 0; j-- {
		if from, ok := v.landed[place{j, p}]; ok && v.visibleAt(j, p) {
			return j, from, true
		}
		if kind, at, _ := v.layers[j].Entries.holds(p); at && kind != Dir {
			if _, elsewhere := v.moved[place{j, p}]; !elsewhere && v.visibleAt(j, p) {
				return j, p, true
			}
		}
	}
	return 0, "", false
}

// anything reports whether a layer below i may have something at or below p.
func (v *View) anything(i int, p string) bool {
	if len(v.moved) > 0 {
		return true
	}
	for _, c := range v.layers[:i] {
		if _, _, any := c.Entries.holds(p); any {
			return true
		}
	}
	return false
}

// isFile reports whether the layers below i have something other than a folder at p.
func (v *View) isFile(i int, p string) bool {
	_, _, ok := v.file(i, p)
	return ok
}

// parentResolver remembers the last folder, since entries come sorted.
type parentResolver struct {
	v       *View
	dir, to string
	ok      bool
}

func (r *parentResolver) real(p string) string {
	i := strings.LastIndexByte(p, '/')
	if i < 0 || len(r.v.links) == 0 {
		return p
	}
	if dir := p[:i]; !r.ok || dir != r.dir {
		// No link was on the way to the last folder, so there is none on the part of it that
		// leads to this one.
		known := 0
		if r.ok && r.to == r.dir {
			known = sharedFolders(r.dir, dir)
		}
		r.dir = strings.Clone(dir)
		r.to, r.ok = r.v.follow.resolveFrom(r.dir, known), true
	}
	if r.to == r.dir {
		return p
	}
	return join(r.to, p[i+1:])
}

// sharedFolders gives how many bytes the folders take that two paths begin with, with the
// slash behind them if b goes on.
func sharedFolders(a, b string) int {
	for at := len(a); at > 0; at = strings.LastIndexByte(a[:at], '/') {
		if len(b) > at && b[at] == '/' && b[:at] == a[:at] {
			return at + 1
		}
		if b == a[:at] {
			return at
		}
	}
	return 0
}

// Visible reports whether the file that layer has at path is the one an application
// sees in the finished image.
func (v *View) Visible(layer int, p string) bool {
	if len(v.moved) > 0 {
		if to, ok := v.moved[place{layer, p}]; ok {
			if to == "" {
				return false
			}
			p = to
		}
	}
	return v.visibleAt(layer, p)
}

func (v *View) visibleAt(layer int, p string) bool {
	if layer == v.top {
		return true
	}
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
		if len(v.opaque) > 0 {
			if o, ok := v.opaque[dir]; ok && o > layer {
				return false
			}
		}
	}
	o, ok := v.opaque[""]
	return !ok || o <= layer
}

// Moved gives the entries that landed elsewhere than their name says, because a folder
// in it was a link of a lower layer: layer, name and real path, in no order.
func (v *View) Moved() iter.Seq2[int, [2]string] {
	return func(yield func(int, [2]string) bool) {
		for at, to := range v.moved {
			if to != "" && !yield(at.layer, [2]string{at.path, to}) {
				return
			}
		}
	}
}

// Layer gives the topmost layer that brings something other than a folder to path in
// the finished image; false if nothing is there.
func (v *View) Layer(p string) (int, bool) {
	layer, _, ok := v.file(len(v.layers), v.parents(p))
	return layer, ok
}

// Linked gives what a hard link that layer has at path, to a file of a lower layer, is
// another name of: the layer that brought the file and its path there. The path may
// itself be a hard link, to a file of its own layer. False if there was no such file.
func (v *View) Linked(layer int, p string) (of int, path string, ok bool) {
	to, ok := v.linked[place{layer, p}]
	return to.layer, to.path, ok
}

// Resolve follows symbolic links, in parents and at the end, within the image and
// never out of it. A loop gives the path reached when patience ended.
func (v *View) Resolve(p string) string { return v.follow.resolve(Clean(p)) }

// parents resolves the folders of p but not its last element.
func (v *View) parents(p string) string {
	i := strings.LastIndexByte(p, '/')
	if i < 0 || len(v.links) == 0 {
		return p
	}
	dir := v.follow.resolve(p[:i])
	if dir == p[:i] {
		return p
	}
	return join(dir, p[i+1:])
}

// link gives the target of a symbolic link that is in effect at p.
func (v *View) link(p string) (string, bool) {
	l, ok := v.links[p]
	if !ok || !v.visibleAt(l.layer, p) {
		return "", false
	}
	if v.placing != nil {
		if kind, at, _ := v.placing.Entries.holds(p); at && kind == Dir {
			return "", false
		}
	}
	return l.target, true
}
