package rootfs

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// walk goes through one tar or folder.
type walk struct {
	ctx      context.Context
	lim      Limits
	pool     *pool
	visitors []Visitor
	list     list
	white    []string
	opaque   []string
	problems []Problem
	n        int
	buf      []byte
	// given counts the bytes of bodies that visitors read, may tells whether they have
	// become too many, and stop is what it said.
	given int64
	may   func(given int64) error
	stop  error

	// links are the symbolic links that the layer has brought so far: what follows
	// below one lands where it leads. holding are the folders with such links in them
	// and the At of the latest entry that was no folder and took their place.
	links   map[string]newLink
	holding map[string]uint32
	follow  resolver
	lastDir string // the folder resolved last, and where it leads
	lastTo  string
}

type newLink struct {
	target string
	at     uint32
}

func newWalk(ctx context.Context, r *Reader, vs []Visitor) *walk {
	w := &walk{ctx: ctx, lim: r.lim, pool: r.pool, visitors: vs, links: map[string]newLink{}, holding: map[string]uint32{}}
	w.follow.lookup = w.link
	return w
}

func (w *walk) scratch(n int) []byte {
	if cap(w.buf) < n {
		w.buf = make([]byte, max(n, 64<<10))
	}
	return w.buf[:n]
}

func (w *walk) tar(r io.Reader) error {
	tr := tar.NewReader(bufio.NewReaderSize(r, 128<<10))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("tar header %d: %w", w.n+1, err)
		}
		if err := w.count(len(h.Name) + len(h.Linkname)); err != nil {
			return err
		}
		e, ok := w.entry(h)
		if !ok {
			continue
		}
		w.add(e)
		if e.Kind != Regular {
			continue
		}
		if err := w.visit(e, tr); err != nil {
			return err
		}
	}
}

// count takes in one more header with so many bytes of names.
func (w *walk) count(names int) error {
	if w.n++; w.lim.Entries > 0 && w.n > w.lim.Entries || w.n > maxAt {
		return exceeded("", "the layer has more than %d entries", w.n-1)
	}
	if w.list.names += int64(names); w.lim.Names > 0 && w.list.names > w.lim.Names || w.list.names > maxNames {
		return exceeded("", "the names of the layer's entries are longer than %d bytes", w.list.names-int64(names))
	}
	if w.follow.exhausted() {
		return exceeded("", "following the layer's symbolic links takes too long")
	}
	return nil
}

// place gives the clean name p as it is within the layer: its folder's links followed.
func (w *walk) place(p string) string {
	if len(w.links) == 0 {
		return p
	}
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return p
	}
	if dir := p[:i]; dir != w.lastDir || w.lastTo == "" {
		w.lastDir, w.lastTo = dir, w.follow.resolve(dir)
	}
	if w.lastTo == w.lastDir {
		return p
	}
	return join(w.lastTo, p[i+1:])
}

// link gives the target of a link that the layer has brought to p and that is still there.
func (w *walk) link(p string) (string, bool) {
	l, ok := w.links[p]
	if !ok {
		return "", false
	}
	for dir := parent(p); dir != ""; dir = parent(dir) {
		w.follow.spent.Add(int64(len(dir) + 16))
		if w.holding[dir] > l.at {
			return "", false
		}
	}
	return l.target, true
}

// track keeps links and holding up to date.
func (w *walk) track(e *Entry) {
	if e.Kind != Symlink && len(w.links) == 0 {
		return
	}
	if e.Kind != Dir {
		if _, ok := w.holding[e.Path]; ok {
			w.holding[e.Path] = e.At
			w.lastTo = ""
		}
	}
	if e.Kind == Symlink {
		w.links[e.Path] = newLink{e.Link, e.At}
		for dir := parent(e.Path); dir != ""; dir = parent(dir) {
			if _, ok := w.holding[dir]; ok {
				break
			}
			w.holding[dir] = 0
		}
		w.lastTo = ""
	} else if _, ok := w.links[e.Path]; ok {
		delete(w.links, e.Path)
		w.lastTo = ""
	}
}

// entry cleans one header; false for those that are no files: whiteouts, which are
// noted, and entries over a limit, which are noted too.
func (w *walk) entry(h *tar.Header) (Entry, bool) {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return Entry{}, false
	}
	if w.lim.Path > 0 && (len(h.Name) > w.lim.Path || len(h.Linkname) > w.lim.Path) {
		w.over(h.Name[:min(len(h.Name), 200)]+"…", fmt.Sprintf("a path is longer than %d bytes", w.lim.Path))
		return Entry{}, false
	}
	p := w.place(Clean(h.Name))
	if w.lim.Depth > 0 && strings.Count(p, "/") >= w.lim.Depth {
		w.over(p, fmt.Sprintf("a path is deeper than %d folders", w.lim.Depth))
		return Entry{}, false
	}
	dir, base := path.Split(p)
	if strings.HasPrefix(base, ".wh.") && base != ".wh." {
		w.whiteout(p, strings.TrimSuffix(dir, "/"), base[len(".wh."):])
		return Entry{}, false
	}
	e := Entry{Path: p, Mode: uint32(h.Mode) & 0o7777, UID: h.Uid, GID: h.Gid, At: uint32(w.n)}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		e.Kind, e.Size = Regular, h.Size
	case tar.TypeDir:
		e.Kind = Dir
	case tar.TypeSymlink:
		e.Kind, e.Link = Symlink, h.Linkname
	case tar.TypeLink:
		e.Kind, e.Link = Hardlink, w.place(Clean(h.Linkname))
		if target, ok := w.link(e.Link); ok {
			e.Kind, e.Link = Symlink, target
		}
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		e.Kind = Device
	default:
		w.problem(p, fmt.Sprintf("an entry of the unknown type %q was not read", h.Typeflag))
		return Entry{}, false
	}
	// The root is a folder, whatever is said of it (runtimes skip such entries).
	return e, p != "" || e.Kind == Dir
}

// whiteout notes .wh.name in dir.
func (w *walk) whiteout(p, dir, name string) {
	switch {
	case name == ".wh..opq":
		// The folder itself may be a link.
		w.opaque = append(w.opaque, w.follow.resolve(dir))
	case strings.HasPrefix(name, ".wh."): // metadata of the aufs driver
	case name == "." || name == "..":
		w.problem(p, "a whiteout that names no file was not applied")
	default:
		w.white = append(w.white, join(dir, name))
	}
}

// maxProblems bounds what is noted of one layer; the first are enough to say why.
const maxProblems = 100

func (w *walk) problem(p, what string) { w.note(Problem{Path: p, What: what}) }
func (w *walk) over(p, what string)    { w.note(Problem{Path: p, What: what, Limit: true}) }

func (w *walk) note(p Problem) {
	if len(w.problems) < maxProblems {
		w.problems = append(w.problems, p)
	}
}

func (w *walk) add(e Entry) {
	w.track(&e)
	w.list.add(&e)
}

// changes gives what the walk has found, in order.
func (w *walk) changes() *Changes {
	c := &Changes{Entries: w.list.entries(), Problems: w.problems}
	w.white = append(w.white, w.list.replaced...)
	slices.Sort(w.white)
	slices.Sort(w.opaque)
	c.Whiteouts, c.Opaque = slices.Compact(w.white), slices.Compact(w.opaque)
	return c
}
