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
}

// complete reports whether the layer was read to its end and verified.
func (f *layerFacts) complete() bool { return f.changes.DiffID != "" && len(f.changes.Problems) == 0 }

// layer gives the facts of one layer, from memory, the cache or the layer itself.
// The error is a hard failure: content that does not match its digest, or an end of
// ctx. Anything else that stops the reading is an Unknown in the facts.
func (s *Scanner) layer(ctx context.Context, l image.Layer) (*layerFacts, error) {
	if l.Digest == "" {
		return s.read(ctx, l)
	}
	v, err, _ := s.flight.Do(string(l.Digest)+string(l.DiffID)+l.Local, func() (any, error) {
		if f := s.known(l); f != nil {
			return f, nil
		}
		if f := s.Cache.get(l); f != nil {
			if err := s.trust(ctx, l); err != nil {
				return nil, err
			}
			return s.remember(f, l.Digest), nil
		}
		f, err := s.read(ctx, l)
		if err != nil {
			return nil, err
		}
		if f.complete() {
			s.Cache.put(f, l.Digest, f.changes.DiffID)
			s.Cache.setVerified(l)
			s.remember(f, l.Digest)
		}
		return f, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*layerFacts), nil
}

// trust makes sure that a local layer whose facts are known still has the bytes its
// digest promises; files that have not changed since are not read again.
func (s *Scanner) trust(ctx context.Context, l image.Layer) error {
	if s.Cache.verified(l) {
		return nil
	}
	rc, err := l.Open(ctx)
	if err != nil {
		return err
	}
	defer rc.Close()
	if _, err := io.Copy(io.Discard, rc); err != nil {
		return fmt.Errorf("verifying layer %s: %w", l.Digest.Short(), err)
	}
	s.Cache.setVerified(l)
	return nil
}

func (s *Scanner) known(l image.Layer) *layerFacts {
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

// read reads the layer itself.
func (s *Scanner) read(ctx context.Context, l image.Layer) (*layerFacts, error) {
	c := newCollector(s.Extractors)
	changes, err := s.Reader.Layer(ctx, l, c.visitors()...)
	name := cmp.Or(string(l.Digest), l.Local, "layer")
	if err == nil {
		err = c.hardLinks(ctx, changes, func(vs ...rootfs.Visitor) error {
			_, err := s.Reader.Layer(ctx, l, vs...)
			return err
		})
	}
	f := c.facts(changes, name)
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
	got        map[site]*inventory.Fragment // nil: visited, nothing of interest
	unknowns   []inventory.Unknown
}

// site is one extractor's visit to one path.
type site struct {
	extractor int
	path      string
}

func newCollector(all []extract.Extractor) *collector {
	return &collector{extractors: all, got: map[site]*inventory.Fragment{}}
}

func (c *collector) visitors() []rootfs.Visitor {
	vs := make([]rootfs.Visitor, len(c.extractors))
	for i := range c.extractors {
		x := &c.extractors[i]
		vs[i] = rootfs.Visitor{Want: x.Want, Visit: func(ctx context.Context, f *rootfs.File) error {
			return c.visit(ctx, i, f, f.Path)
		}}
	}
	return vs
}

// visit runs one extractor and files the result under path. Where a layer names a
// path twice the later visit replaces the earlier.
func (c *collector) visit(ctx context.Context, i int, f *rootfs.File, path string) error {
	x := &c.extractors[i]
	frag, err := run(ctx, x, f)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		if frag == nil {
			frag = &inventory.Fragment{}
		}
		u := inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: path, Detail: x.Name + ": " + err.Error()}
		if errors.Is(err, rootfs.ErrTooLarge) {
			u.Reason = inventory.LimitExceeded
		}
		frag.Unknowns = append(frag.Unknowns, u)
	}
	if frag != nil {
		frag.Extractor, frag.Path = x.Name, path
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got[site{i, path}] = frag
	return nil
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
// Targets that nobody wanted under their own name are read in a second pass.
func (c *collector) hardLinks(ctx context.Context, changes *rootfs.Changes, again func(...rootfs.Visitor) error) error {
	missing := map[string][]site{} // target → who wants it under which name
	for _, e := range changes.Entries {
		if e.Kind != rootfs.Hardlink {
			continue
		}
		target, ok := finalTarget(changes, e)
		if !ok {
			continue // in a layer below, or nowhere: see Scanner.assemble
		}
		for i := range c.extractors {
			x, as := &c.extractors[i], rootfs.Entry{Path: e.Path, Mode: target.Mode, Size: target.Size}
			if !x.Want(as) {
				continue
			}
			frag, visited := c.got[site{i, target.Path}]
			if !visited || frag == nil && x.Named != nil && x.Named(as) {
				missing[target.Path] = append(missing[target.Path], site{i, e.Path})
			} else if frag != nil {
				c.got[site{i, e.Path}] = moved(frag, e.Path)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return again(rootfs.Visitor{
		Want: func(e rootfs.Entry) bool { return missing[e.Path] != nil },
		Visit: func(ctx context.Context, f *rootfs.File) error {
			b, err := f.Bytes()
			for _, s := range missing[f.Path] {
				e := f.Entry
				e.Path = s.path
				if err != nil {
					c.unknowns = append(c.unknowns, inventory.Unknown{Reason: inventory.LimitExceeded, Subject: s.path, Detail: "a hard link: " + err.Error()})
					continue
				}
				if err := c.visit(ctx, s.extractor, rootfs.NewFile(ctx, e, b), s.path); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// finalTarget follows hard links to hard links within one layer.
func finalTarget(c *rootfs.Changes, e rootfs.Entry) (rootfs.Entry, bool) {
	for range 16 {
		t, ok := c.Find(e.Link)
		if !ok {
			return rootfs.Entry{}, false
		}
		if t.Kind != rootfs.Hardlink {
			return t, t.Kind == rootfs.Regular
		}
		e = t
	}
	return rootfs.Entry{}, false
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
	return &c
}

// facts puts the result in order. Fragments of files that the same layer replaced or
// dropped later on are left out.
func (c *collector) facts(changes *rootfs.Changes, layer string) *layerFacts {
	f := &layerFacts{changes: changes, unknowns: c.unknowns}
	for s, frag := range c.got {
		if frag == nil {
			continue
		}
		if e, ok := changes.Find(s.path); ok && (e.Kind == rootfs.Regular || e.Kind == rootfs.Hardlink) {
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
