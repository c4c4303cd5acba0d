package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/plimsoll/plimsoll/internal/extract"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/report"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// Scanner reads images. It may be used by several goroutines at once; images that
// share layers read them once. The exported fields are set before first use.
type Scanner struct {
	Reader     *rootfs.Reader
	Extractors []extract.Extractor
	// Cache of layers; nil for none.
	Cache *Cache
	// Workers is how many layers of one image are read at a time; GOMAXPROCS if 0.
	Workers int
	// Progress is told after each layer how many of how many are done; may be nil. It
	// is called from several goroutines, one at a time.
	Progress func(done, total int)

	flight  singleflight.Group
	mu      sync.Mutex
	memory  map[image.Digest]*layerFacts
	trusted map[string]image.Digest // which digest was verified of the bytes that Local names
}

// New makes a Scanner with every extractor, within lim.
func New(lim rootfs.Limits, cache *Cache) *Scanner {
	return &Scanner{Reader: rootfs.NewReader(lim), Extractors: extract.All(), Cache: cache}
}

// Inspect reads what img holds. A layer that cannot be read leaves an unknown in the
// Facts; an error is a hard failure: content that does not match its digest, or an
// end of ctx.
func (s *Scanner) Inspect(ctx context.Context, img *image.Image) (*report.Facts, error) {
	if f := s.known(img); f != nil {
		return f, nil
	}
	return s.inspect(ctx, img, s.layer)
}

// known gives the Facts of an image whose layers were stacked before; nil if there are none.
func (s *Scanner) known(img *image.Image) *report.Facts {
	start := time.Now()
	st := s.stacked(img.Layers)
	if st == nil {
		return nil
	}
	f := &report.Facts{Image: describe(img), Inventory: st.inventory,
		Timing: report.Timing{StartedAt: start.UTC().Format(time.RFC3339), LayersCached: len(img.Layers)}}
	for i, d := range st.diffIDs {
		f.Image.Layers[i].DiffID = d
	}
	if s.Progress != nil {
		s.Progress(len(img.Layers), len(img.Layers))
	}
	f.Timing.Seconds = time.Since(start).Seconds()
	return f
}

// inspect is Inspect with the facts of each layer from get.
func (s *Scanner) inspect(ctx context.Context, img *image.Image, get func(context.Context, image.Layer) (*layerFacts, error)) (*report.Facts, error) {
	start := time.Now()
	f := &report.Facts{Image: describe(img), Timing: report.Timing{StartedAt: start.UTC().Format(time.RFC3339)}}
	layers := make([]*layerFacts, len(img.Layers))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, cmp.Or(s.Workers, runtime.GOMAXPROCS(0))))
	var mu sync.Mutex
	done := 0
	for i, l := range img.Layers {
		g.Go(func() error {
			lf, err := get(gctx, l)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			layers[i] = lf
			if lf.cached {
				f.Timing.LayersCached++
			} else {
				f.Timing.LayersRead++
				f.Timing.BytesRead += max(l.Size, 0)
			}
			if done++; s.Progress != nil {
				s.Progress(done, len(layers))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("inspecting %s: %w", img.Name, err)
	}
	for i, l := range layers {
		if d := l.changes.DiffID; d != "" && f.Image.Layers[i].DiffID == "" {
			f.Image.Layers[i].DiffID = d
		}
	}
	f.Inventory = s.assemble(layers, img.Layers)
	s.keepStack(img.Layers, layers, f.Inventory)
	f.Timing.Seconds = time.Since(start).Seconds()
	return f, nil
}

// Folder reads a root file system unpacked at dir.
func (s *Scanner) Folder(ctx context.Context, dir string) (*report.Facts, error) {
	start := time.Now()
	c := newCollector(s.Extractors)
	changes, err := s.Reader.Folder(ctx, dir, c.visitors()...)
	if err != nil {
		return nil, err
	}
	f := &report.Facts{Image: report.Image{Name: "rootfs:" + filepath.Clean(dir)},
		Timing: report.Timing{StartedAt: start.UTC().Format(time.RFC3339)}}
	f.Inventory = s.assemble([]*layerFacts{c.facts(changes, dir)}, nil)
	f.Timing.Seconds = time.Since(start).Seconds()
	return f, nil
}

// Stream reads a docker-archive or oci-archive from r in one forward pass, without
// keeping a copy, and gives the Facts of each image selected.
func (s *Scanner) Stream(ctx context.Context, r io.Reader, sel image.Select) (*image.Set, []*report.Facts, error) {
	byEntry := map[string]streamedLayer{}
	set, err := image.ReadStream(ctx, r, sel, func(name string, size int64, body io.Reader) error {
		var algorithm image.Digest
		if strings.HasPrefix(name, "blobs/sha512/") {
			algorithm = "sha512:"
		}
		h := algorithm.Hash()
		l := image.Layer{Local: name, Size: size, Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.TeeReader(body, h)), nil
		}}
		lf, err := s.read(ctx, l, false)
		if err != nil {
			return err
		}
		at := streamedLayer{layerFacts: lf, digest: image.FromHash(h)}
		byEntry[name] = at
		if lf.complete() && !lf.partial {
			s.Cache.put(lf, at.digest, lf.changes.DiffID)
			s.remember(lf, at.digest, lf.changes.DiffID)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	var out []*report.Facts
	for _, img := range set.Images {
		f, err := s.inspect(ctx, img, func(_ context.Context, l image.Layer) (*layerFacts, error) {
			return s.streamed(l, byEntry[l.Local])
		})
		if err != nil {
			return nil, nil, err
		}
		out = append(out, f)
	}
	return set, out, nil
}

// streamedLayer is what went by under a name, and its digest as stored.
type streamedLayer struct {
	*layerFacts
	digest image.Digest
}

// streamed ties a layer of the manifest to the body that stood under its name, which
// was hashed as it went by. In the older docker layout a layer's digest is its diffID.
func (s *Scanner) streamed(l image.Layer, at streamedLayer) (*layerFacts, error) {
	switch {
	case at.layerFacts == nil:
		return &layerFacts{changes: &rootfs.Changes{}, unknowns: []inventory.Unknown{{Reason: inventory.LayerUnreadable,
			Subject: string(l.Digest), Detail: "the archive does not hold this layer"}}}, nil
	case !at.complete():
		return at.layerFacts, nil
	}
	if diffID := at.changes.DiffID; (l.Digest == at.digest || l.Digest == diffID) && (l.DiffID == "" || l.DiffID == diffID) {
		return at.layerFacts, nil
	}
	return nil, fmt.Errorf("layer %s: %s in the archive has other content: %w", l.Digest.Short(), l.Local, image.ErrDigestMismatch)
}

// assemble stacks layers and merges what they hold.
func (s *Scanner) assemble(layers []*layerFacts, of []image.Layer) *inventory.Inventory {
	changes := make([]*rootfs.Changes, len(layers))
	n := 0
	for i, l := range layers {
		changes[i] = l.changes
		n += len(l.fragments)
	}
	view := rootfs.NewView(changes)
	fragments := make([]inventory.Fragment, 0, n)
	var unknowns []inventory.Unknown
	for i, l := range layers {
		for _, f := range l.fragments {
			f.Layer = i
			fragments = append(fragments, f)
		}
		unknowns = append(unknowns, l.unknowns...)
	}
	linked, unread := s.lowerLinks(view, layers)
	fragments, unknowns = append(fragments, linked...), append(unknowns, unread...)
	inv := inventory.Merge(view, fragments)
	inv.Unknowns = append(inv.Unknowns, unknowns...)
	for _, l := range of {
		inv.Layers = append(inv.Layers, l.Digest)
	}
	if len(inv.Packages) == 0 {
		inv.Unknowns = append(inv.Unknowns, inventory.Unknown{Reason: inventory.NoPackagesIdentified, Subject: "image",
			Detail: "nothing was found that could be judged; this does not mean that nothing is there"})
	}
	inventory.SortUnknowns(inv.Unknowns)
	inv.Unknowns = slices.Compact(inv.Unknowns)
	return inv
}

// describe gives the facts of the manifest and config that are published.
func describe(img *image.Image) report.Image {
	out := report.Image{
		Name: img.Name, Digest: img.Digest, ID: img.ID, Index: img.Index, Created: img.Config.Created,
		Layers: make([]report.Layer, len(img.Layers)),
	}
	if !img.Ref.IsZero() {
		out.Reference = img.Ref.String()
	}
	if img.Platform != (image.Platform{}) {
		out.Platform = img.Platform.String()
	}
	for i, l := range img.Layers {
		out.Layers[i] = report.Layer{Digest: l.Digest, DiffID: l.DiffID, Size: l.Size}
	}
	return out
}

// Failed makes the Facts of an image that could not be inspected at all: they hold
// nothing but why. An error of which nothing can be said but that it happened gives
// the reason layer_unreadable.
func Failed(name string, err error) *report.Facts {
	u := inventory.Unknown{Reason: inventory.LayerUnreadable, Subject: name, Detail: err.Error()}
	switch {
	case errors.Is(err, image.ErrAuth):
		u.Reason = inventory.AuthFailed
	case errors.Is(err, image.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		u.Reason = inventory.NotFound
	case errors.Is(err, image.ErrPlatform):
		u.Reason = inventory.PlatformMissing
	case errors.Is(err, image.ErrNotImage):
		u.Reason = inventory.NoPackagesIdentified
	case errors.Is(err, context.DeadlineExceeded):
		u.Reason = inventory.Timeout
	}
	return &report.Facts{Image: report.Image{Name: name}, Inventory: &inventory.Inventory{Unknowns: []inventory.Unknown{u}}}
}
