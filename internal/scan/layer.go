package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/plimsoll/plimsoll/internal/extract"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// layerFacts is all that is kept of one layer. It is shared and never changed.
type layerFacts struct {
	changes   *rootfs.Changes
	fragments []inventory.Fragment // in order of path and extractor
	unknowns  []inventory.Unknown
	cached    bool
	// partial is set where another reading of the same layer could give more.
	partial bool
}

// complete reports whether the layer was read to its end and verified.
func (f *layerFacts) complete() bool { return f.changes.DiffID != "" && len(f.changes.Problems) == 0 }

// again gives the facts to somebody for whom nothing was read.
func (f *layerFacts) again() *layerFacts {
	c := *f
	c.cached = true
	return &c
}

// layer gives the facts of one layer, from memory, the cache or the layer itself.
// The error is a hard failure: content that does not match its digest, or an end of
// ctx. Anything else that stops the reading is an Unknown in the facts.
func (s *Scanner) layer(ctx context.Context, l image.Layer) (*layerFacts, error) {
	if l.Digest == "" {
		return s.read(ctx, l, true)
	}
	for {
		mine := false
		v, err, _ := s.flight.Do(string(l.Digest)+string(l.DiffID)+l.Local, func() (any, error) {
			mine = true
			return s.load(ctx, l)
		})
		f, _ := v.(*layerFacts)
		switch {
		case mine:
			return f, err
		case err == nil && f.complete():
			return f.again(), nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
		// Who was first may have been told to stop, or has another source for the layer:
		// its failure is not ours.
	}
}

func (s *Scanner) load(ctx context.Context, l image.Layer) (*layerFacts, error) {
	f := s.inMemory(l)
	if f == nil {
		f = s.Cache.get(l)
	}
	if f != nil {
		if ok, err := s.trust(ctx, l); err != nil {
			return nil, err
		} else if ok {
			return s.remember(f, l.Digest).again(), nil
		}
	}
	f, err := s.read(ctx, l, true)
	if err != nil {
		return nil, err
	}
	if f.complete() {
		s.Cache.put(f, l.Digest, f.changes.DiffID)
		s.setVerified(l)
		s.remember(f, l.Digest)
	}
	return f, nil
}

// trust makes sure that a local layer whose facts are known still has the bytes its
// digest promises; files that have not changed since are not read again. It reports
// false for a layer that must be read to tell.
func (s *Scanner) trust(ctx context.Context, l image.Layer) (bool, error) {
	if l.Local == "" || s.verified(l) {
		return true, nil
	}
	if l.Digest == l.DiffID && (strings.HasSuffix(l.MediaType, "gzip") || strings.HasSuffix(l.MediaType, "zstd")) {
		return false, nil // the digest is that of what is packed in it, which Open does not check
	}
	rc, err := l.Open(ctx)
	if err == nil {
		_, err = io.Copy(io.Discard, rc)
		rc.Close()
	}
	switch {
	case err == nil:
		s.setVerified(l)
		return true, nil
	case errors.Is(err, image.ErrDigestMismatch) || ctx.Err() != nil:
		return false, fmt.Errorf("verifying layer %s: %w", l.Digest.Short(), err)
	}
	return false, nil // reading will meet it again, and say so
}

func (s *Scanner) verified(l image.Layer) bool {
	s.mu.Lock()
	here := s.trusted[l.Local] == l.Digest
	s.mu.Unlock()
	return here || s.Cache.verified(l)
}

func (s *Scanner) setVerified(l image.Layer) {
	if l.Local == "" {
		return
	}
	s.mu.Lock()
	if s.trusted == nil {
		s.trusted = map[string]image.Digest{}
	}
	s.trusted[l.Local] = l.Digest
	s.mu.Unlock()
	s.Cache.setVerified(l)
}

func (s *Scanner) inMemory(l image.Layer) *layerFacts {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.memory[l.Digest]; f != nil && (l.DiffID == "" || f.changes.DiffID == l.DiffID) {
		return f
	}
	return nil
}

func (s *Scanner) remember(f *layerFacts, keys ...image.Digest) *layerFacts {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory == nil {
		s.memory = map[image.Digest]*layerFacts{}
	}
	for _, k := range keys {
		s.memory[k] = f
	}
	return f
}

// read reads the layer itself; twice, if it holds hard links whose target is of interest
// under the link's name alone and the layer can be opened again.
func (s *Scanner) read(ctx context.Context, l image.Layer, again bool) (*layerFacts, error) {
	c := newCollector(s.Extractors)
	if !again {
		c.held = map[uint32]held{}
	}
	changes, err := s.Reader.Layer(ctx, l, c.visitors()...)
	name := cmp.Or(string(l.Digest), l.Local, "layer")
	if err == nil {
		missing := c.hardLinks(changes)
		switch {
		case len(missing) == 0:
		case again:
			var second *rootfs.Changes
			if second, err = s.Reader.Layer(ctx, l, c.linked(missing)); second.DiffID == "" {
				changes.Problems = append(changes.Problems, second.Problems...)
			}
		default:
			if err = c.fromHeld(ctx, missing); len(missing) > 0 {
				c.unread(missing)
			}
		}
	}
	f := c.facts(changes, name)
	f.partial = c.partial
	if err != nil {
		if errors.Is(err, image.ErrDigestMismatch) || ctx.Err() != nil {
			return nil, err
		}
		changes.DiffID = ""
		f.unknowns = append(f.unknowns, inventory.Unknown{Reason: inventory.LayerUnreadable, Subject: name, Detail: err.Error()})
	}
	return f, nil
}

// collector runs extractors as visitors and keeps their fragments.
type collector struct {
	extractors []extract.Extractor
	mu         sync.Mutex
	got        map[body]*inventory.Fragment // nil: visited, nothing of interest
	links      map[site]*inventory.Fragment // the same of hard links
	unknowns   []inventory.Unknown
	partial    bool
	given      int             // to hard links, see maxLinked
	held       map[uint32]held // by At; nil if the layer can be read again
	heldSize   int64
}

// body is one extractor's visit to one body, told by its Entry.At.
type body struct {
	extractor int
	at        uint32
}

// site is one extractor's interest in one path.
type site struct {
	extractor int
	path      string
}

func newCollector(all []extract.Extractor) *collector {
	return &collector{extractors: all, got: map[body]*inventory.Fragment{}, links: map[site]*inventory.Fragment{}}
}

func (c *collector) visitors() []rootfs.Visitor {
	vs := make([]rootfs.Visitor, len(c.extractors))
	for i := range c.extractors {
		x := &c.extractors[i]
		vs[i] = rootfs.Visitor{Want: x.Want, Visit: func(ctx context.Context, f *rootfs.File) error {
			c.hold(x, f)
			frag, err := c.visit(ctx, i, f)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.got[body{i, f.At}] = frag
			return err
		}}
	}
	return vs
}

// visit runs one extractor. The error is an end of ctx.
func (c *collector) visit(ctx context.Context, i int, f *rootfs.File) (*inventory.Fragment, error) {
	x := &c.extractors[i]
	frag, err := run(ctx, x, f)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		if frag == nil {
			frag = &inventory.Fragment{}
		}
		u := inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: f.Path, Detail: x.Name + ": " + err.Error()}
		if errors.Is(err, rootfs.ErrTooLarge) {
			u.Reason = inventory.LimitExceeded
		}
		frag.Unknowns = append(frag.Unknowns, u)
	}
	if frag != nil {
		frag.Extractor, frag.Path = x.Name, f.Path
	}
	return frag, nil
}

// run keeps a panic of an extractor, which reads attackers' files, from ending the scan.
func run(ctx context.Context, x *extract.Extractor, f *rootfs.File) (frag *inventory.Fragment, err error) {
	defer func() {
		if r := recover(); r != nil {
			frag, err = nil, fmt.Errorf("the reader failed: %v", r)
		}
	}()
	return x.Extract(ctx, f)
}

// hardLinks gives wanted hard links within the layer the fragments of their target.
// Targets that nobody wanted under their own name are returned by their At, with who
// wants them under which.
func (c *collector) hardLinks(changes *rootfs.Changes) (missing map[uint32][]site) {
	missing = map[uint32][]site{}
	for e := range changes.Entries.All() {
		if e.Kind != rootfs.Hardlink {
			continue
		}
		as := rootfs.Entry{Path: e.Path, Mode: e.Mode, Size: e.Size}
		at := e.LinkAt
		if at == 0 {
			// In a layer below, or nowhere (see Scanner.lowerLinks), or later in this layer: no
			// runtime takes that, so it is read if there is nothing else.
			t, ok := changes.Find(e.Link)
			if !ok || t.Kind != rootfs.Regular {
				continue
			}
			as.Mode, as.Size, at = t.Mode, t.Size, t.At
		}
		for i := range c.extractors {
			x := &c.extractors[i]
			if !x.Want(as) {
				continue
			}
			frag, visited := c.got[body{i, at}]
			switch {
			case frag != nil:
				c.links[site{i, e.Path}] = c.moved(frag, e.Path)
			case !visited || x.Named != nil && x.Named(as):
				missing[at] = append(missing[at], site{i, e.Path})
			}
		}
	}
	return missing
}

// linked reads the targets that hardLinks missed under the names of their links.
func (c *collector) linked(missing map[uint32][]site) rootfs.Visitor {
	return rootfs.Visitor{
		Want: func(e rootfs.Entry) bool { return missing[e.At] != nil },
		Visit: func(ctx context.Context, f *rootfs.File) error {
			b, err := f.Bytes()
			if err != nil && !errors.Is(err, rootfs.ErrTooLarge) {
				return err
			}
			read := map[int]*inventory.Fragment{} // what each extractor gave under the first name
			for _, s := range missing[f.At] {
				x := &c.extractors[s.extractor]
				e := f.Entry
				e.Path = s.path
				frag, done := read[s.extractor]
				switch {
				case err != nil:
					c.unknowns = append(c.unknowns, inventory.Unknown{Reason: inventory.LimitExceeded, Subject: s.path, Detail: "a hard link: " + err.Error()})
					continue
				case done && (x.Named == nil || !x.Named(e)):
					if frag != nil {
						frag = c.moved(frag, s.path)
					}
				default:
					var verr error
					if frag, verr = c.visit(ctx, s.extractor, rootfs.NewFile(ctx, e, b)); verr != nil {
						return verr
					}
					read[s.extractor] = frag
				}
				c.links[s] = frag
			}
			return nil
		},
	}
}

// held is a body kept until its layer ends, with its entry.
type held struct {
	entry rootfs.Entry
	body  []byte
}

// The bodies held of a layer that goes by once: programs that may turn out to have
// another name, as busybox has, whose layer calls it by that of its first applet.
const (
	maxHeld    = 4 << 20
	maxHeldAll = 32 << 20
)

// hold keeps f's body if what is in it may depend on a name that comes later.
func (c *collector) hold(x *extract.Extractor, f *rootfs.File) {
	if c.held == nil || x.Named == nil || f.Size > maxHeld {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.held[f.At]; ok || c.heldSize+f.Size > maxHeldAll {
		return
	}
	if b, err := f.Bytes(); err == nil { // if not, the extractor meets the same error
		c.held[f.At] = held{f.Entry, slices.Clone(b)}
		c.heldSize += f.Size
	}
}

// fromHeld reads what it can of missing from bodies held, and takes that out of it.
func (c *collector) fromHeld(ctx context.Context, missing map[uint32][]site) error {
	v := c.linked(missing)
	for at := range missing {
		h, ok := c.held[at]
		if !ok {
			continue
		}
		if err := v.Visit(ctx, rootfs.NewFile(ctx, h.entry, h.body)); err != nil {
			return err
		}
		delete(missing, at)
	}
	return nil
}

// unread notes the hard links that could not be read because their layer goes by once.
func (c *collector) unread(missing map[uint32][]site) {
	c.partial = true
	for _, sites := range missing {
		for _, s := range sites {
			c.unknowns = append(c.unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: s.path,
				Detail: c.extractors[s.extractor].Name + ": it is a hard link to a file that had gone by in the stream before; read the archive from a file"})
		}
	}
}

// maxLinked bounds the packages that hard links within one layer may give a second
// time: a small layer could have a million names for a file with a million packages.
const maxLinked = 1 << 20

// moved is moved within maxLinked.
func (c *collector) moved(frag *inventory.Fragment, path string) *inventory.Fragment {
	if c.given += len(frag.Packages) + len(frag.Unknowns); c.given <= maxLinked {
		return moved(frag, path)
	}
	c.unknowns = append(c.unknowns, inventory.Unknown{Reason: inventory.LimitExceeded, Subject: path,
		Detail: fmt.Sprintf("the layer's hard links lead to more than %d packages", maxLinked)})
	return nil
}

// moved gives frag under another path.
func moved(frag *inventory.Fragment, path string) *inventory.Fragment {
	c := *frag
	c.Path = path
	c.Packages = slices.Clone(frag.Packages)
	for i := range c.Packages {
		locs := slices.Clone(c.Packages[i].Locations)
		for j := range locs {
			locs[j].Path = path + strings.TrimPrefix(locs[j].Path, frag.Path)
		}
		c.Packages[i].Locations = locs
	}
	c.Unknowns = slices.Clone(frag.Unknowns)
	for i := range c.Unknowns {
		if c.Unknowns[i].Subject == frag.Path {
			c.Unknowns[i].Subject = path
		}
	}
	return &c
}

// facts puts the result in order. Fragments of files that the same layer replaced or
// dropped later on are left out.
func (c *collector) facts(changes *rootfs.Changes, layer string) *layerFacts {
	f := &layerFacts{changes: changes, unknowns: c.unknowns}
	for b, frag := range c.got {
		if frag == nil {
			continue
		}
		if e, ok := changes.Find(frag.Path); ok && e.At == b.at {
			f.fragments = append(f.fragments, *frag)
		}
	}
	for s, frag := range c.links {
		if frag == nil {
			continue
		}
		if e, ok := changes.Find(s.path); ok && e.Kind == rootfs.Hardlink {
			f.fragments = append(f.fragments, *frag)
		}
	}
	slices.SortFunc(f.fragments, func(a, b inventory.Fragment) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Extractor, b.Extractor))
	})
	for _, p := range changes.Problems {
		u := inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: cmp.Or(p.Path, layer), Detail: p.What}
		if p.Limit {
			u.Reason = inventory.LimitExceeded
		}
		f.unknowns = append(f.unknowns, u)
	}
	return f
}
