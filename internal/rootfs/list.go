package rootfs

import (
	"encoding/binary"
	"slices"
	"strings"
)

const (
	// maxAt and maxNames are what the numbers below can hold, whatever Limits say.
	maxAt    = 1<<31 - 1
	maxNames = 1 << 30
	// chunkSize of the memory that names are kept in.
	chunkSize = 1 << 20
)

// list keeps the entries of a layer as they come, and puts them in order at the end.
// There may be millions, so it holds no pointers to them.
type list struct {
	names  int64 // bytes of names so far, for Limits
	recs   []rec
	chunks [][]byte
	links  []rec // those of recs that are hard links
	// replaced are folders whose place something else had in the same layer for a while:
	// that removed what the layers below have there. Set by entries.
	replaced []string
}

// rec is one entry: the uvarint length of its path, the path and its tail stand in a
// chunk, from pos to end.
type rec struct {
	chunk, pos, end uint32
	at              uint32
}

func (l *list) add(e *Entry) {
	need := len(e.Path) + len(e.Link) + 8*binary.MaxVarintLen64
	if n := len(l.chunks); n == 0 || cap(l.chunks[n-1])-len(l.chunks[n-1]) < need {
		size := chunkSize
		if n == 0 {
			size = chunkSize / 16 // most layers are small
		}
		l.chunks = append(l.chunks, make([]byte, 0, max(size, need)))
	}
	i := len(l.chunks) - 1
	b := l.chunks[i]
	pos := len(b)
	b = binary.AppendUvarint(b, uint64(len(e.Path)))
	b = append(b, e.Path...)
	b = tail(b, e)
	l.chunks[i] = b
	r := rec{uint32(i), uint32(pos), uint32(len(b)), e.At}
	l.recs = append(l.recs, r)
	if e.Kind == Hardlink {
		l.links = append(l.links, r)
	}
}

func (l *list) split(r rec) (path string, tail []byte) {
	b := l.chunks[r.chunk][r.pos:r.end]
	n, used := binary.Uvarint(b)
	return bytesString(b[used : used+int(n)]), b[used+int(n):]
}

func (l *list) kind(r rec) Kind {
	_, t := l.split(r)
	return Kind(t[0])
}

// entries sorts and gives the entries that are left when all was applied in the order
// of the tar: the last of each path, and nothing that lay in a folder before the
// layer itself put something else in its place. The list must not be used afterwards.
func (l *list) entries() Entries {
	slices.SortFunc(l.recs, func(a, b rec) int {
		p, _ := l.split(a)
		q, _ := l.split(b)
		if c := ComparePaths(p, q); c != 0 {
			return c
		}
		return int(a.at) - int(b.at)
	})
	hard := l.bind()
	var b entriesBuilder
	b.at = make([]uint32, 0, len(l.recs))
	// open are the folders that the current path lies in, with the At before which
	// what they hold was removed.
	type folder struct {
		path string
		cut  uint32
	}
	var open []folder
	for i := 0; i < len(l.recs); {
		path, _ := l.split(l.recs[i])
		for len(open) > 0 && !below(path, open[len(open)-1].path) {
			open = open[:len(open)-1]
		}
		var cut uint32
		if len(open) > 0 {
			cut = open[len(open)-1].cut
		}
		last := -1
		under := cut
		for ; i < len(l.recs); i++ {
			r := l.recs[i]
			if p, _ := l.split(r); p != path {
				break
			}
			if r.at < cut {
				continue
			}
			last = i
			if l.kind(r) != Dir {
				under = r.at
			}
		}
		if under > 0 {
			open = append(open, folder{path, under})
		}
		if last < 0 {
			continue
		}
		r := l.recs[last]
		_, t := l.split(r)
		if under > cut && l.kind(r) == Dir {
			l.replaced = append(l.replaced, strings.Clone(path))
		}
		if h := find(hard, r.at); h != nil {
			t = tail(nil, h)
			if h.Kind == Hardlink && h.LinkAt == 0 {
				b.lower++
			}
		}
		b.add(path, r.at, t)
	}
	l.recs, l.chunks = nil, nil
	return b.entries()
}

func (l *list) entry(r rec) Entry {
	p, t := l.split(r)
	var c cursor
	c.attributes(bytesString(t))
	e := c.entry()
	e.Path, e.At = p, r.at
	return e
}

// bind finds what each hard link is another name of: the entry that was at its target
// when the link was made. It goes in the order of the tar, so that a link to a link is
// bound to what that one is, and gives the links in this order.
func (l *list) bind() []Entry {
	hard := make([]Entry, len(l.links))
	for i, r := range l.links {
		e := l.entry(r)
		hard[i] = e
		at, _ := slices.BinarySearchFunc(l.recs, e, func(r rec, e Entry) int {
			p, _ := l.split(r)
			if c := ComparePaths(p, e.Link); c != 0 {
				return c
			}
			return int(r.at) - int(e.At)
		})
		if at == 0 {
			continue
		}
		t := l.entry(l.recs[at-1])
		if t.Path != e.Link {
			continue
		}
		if h := find(hard[:i], t.At); h != nil {
			t = *h
		}
		switch t.Kind {
		case Regular:
			hard[i].LinkAt, hard[i].Size, hard[i].Mode = t.At, t.Size, t.Mode
		case Hardlink: // to a layer below, or by way of others
			hard[i].Link, hard[i].LinkAt, hard[i].Size, hard[i].Mode = t.Link, t.LinkAt, t.Size, t.Mode
		case Symlink, Device:
			hard[i].Kind, hard[i].Link = t.Kind, t.Link
		}
	}
	return hard
}

func find(hard []Entry, at uint32) *Entry {
	i, ok := slices.BinarySearchFunc(hard, at, func(e Entry, at uint32) int { return int(e.At) - int(at) })
	if !ok {
		return nil
	}
	return &hard[i]
}
