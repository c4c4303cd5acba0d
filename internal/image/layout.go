package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// maxImages bounds the images of one archive or layout.
const maxImages = 1024

// OpenLayout opens an OCI layout in a folder (OCI image spec, image-layout.md). All
// images in it are read, or those that sel.Name picks: by reference name or by the
// digest of index, manifest or config. From an index sel chooses; so it does from
// images that stand in index.json side by side without a name. Set.Source is dir.
//
// No file outside dir is opened, whatever names and symlinks in it say. Layer.Local
// names device, inode, size and times of the blob's file. Errors are those of
// [OpenArchive].
func OpenLayout(ctx context.Context, dir string, sel Select) (*Set, error) {
	set, err := openLayout(ctx, dir, sel)
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", dir, err)
	}
	return set, nil
}

func openLayout(ctx context.Context, dir string, sel Select) (*Set, error) {
	fi, err := os.Stat(dir)
	if err != nil {
		return nil, pathError(err)
	}
	if !fi.IsDir() {
		return nil, fmt.Errorf("it is not a folder: %w", ErrNotImage)
	}
	f := folder{dir}
	if _, err := f.stat("index.json"); errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("it has no index.json: %w", ErrNotImage)
	}
	cands, _, err := (&layout{ctx: ctx, files: f}).candidates(nil, sel)
	if err != nil {
		return nil, err
	}
	return pick(cands, dir, sel)
}

// candidate is one image of an archive or layout, for as many platforms as it has.
type candidate struct {
	names   []string // that people know it by, the best first
	tagged  bool     // the first is a docker archive's tag, a whole reference
	digests []Digest // that lead to it too
	read    func(sel Select) (*Set, error)
}

// pick reads the images that sel.Name asks for, or all.
func pick(cands []candidate, source string, sel Select) (*Set, error) {
	if sel.Name != "" {
		var names []string
		var found []candidate
		for _, c := range cands {
			if c.answers(sel.Name) {
				found = append(found, c)
			}
			names = append(names, c.names...)
			if len(c.names) == 0 && len(c.digests) > 0 {
				names = append(names, string(c.digests[0]))
			}
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("it holds no image %s; there are: %s: %w", word(sel.Name), listed(names), ErrNotFound)
		}
		cands = found
	}
	out := &Set{Source: source}
	var first error
	for _, c := range cands {
		set, err := c.read(sel)
		if err != nil {
			if len(cands) == 1 {
				return nil, err
			}
			if !passable(err) {
				return nil, fmt.Errorf("image %s: %w", c.name(source), err)
			}
			if first == nil {
				first = fmt.Errorf("image %s: %w", c.name(source), err)
			}
			s := Skipped{Why: "image " + c.name(source) + ": " + err.Error()}
			if len(c.digests) > 0 {
				s.Digest = c.digests[0]
			}
			out.Skipped = append(out.Skipped, s)
			continue
		}
		for _, img := range set.Images {
			img.Name = c.name(source)
		}
		out.Images = append(out.Images, set.Images...)
		out.Skipped = append(out.Skipped, set.Skipped...)
		if len(cands) == 1 {
			out.Index = set.Index
		}
	}
	if len(out.Images) == 0 {
		if first == nil {
			first = fmt.Errorf("it holds no image: %w", ErrNotImage)
		}
		return nil, first
	}
	return out, nil
}

// passable tells the errors of one image among others that do not hide those.
func passable(err error) bool {
	if errors.Is(err, ErrDigestMismatch) || errors.Is(err, ErrCorrupt) {
		return false
	}
	return errors.Is(err, ErrNotImage) || errors.Is(err, ErrPlatform) || errors.Is(err, ErrUnsupported) || errors.Is(err, ErrNotFound)
}

// name is what people are shown: a bare tag, as skopeo writes into layouts, says too
// little without the file it is in.
func (c candidate) name(source string) string {
	if len(c.names) == 0 {
		return source
	}
	if n := c.names[0]; c.tagged || source == "-" || strings.ContainsAny(n, ":/@") {
		return n
	}
	return source + ":" + c.names[0]
}

// answers reports whether want names the image: as written, as another spelling of
// the same reference, by a digest, or by twelve or more digits of one.
func (c candidate) answers(want string) bool {
	if slices.Contains(c.names, want) {
		return true
	}
	if slices.ContainsFunc(c.digests, func(d Digest) bool { return isDigest(want, d) }) {
		return true
	}
	ref, err := ParseRef(want)
	if err != nil {
		return false
	}
	for i, n := range c.names {
		if c.tagged && i == 0 || strings.ContainsAny(n, ":/@") {
			if r, err := ParseRef(n); err == nil && r == ref {
				return true
			}
		}
	}
	return false
}

func isDigest(want string, d Digest) bool {
	h := strings.TrimPrefix(want, "sha256:")
	return want == string(d) || len(h) >= 12 && strings.HasPrefix(d.Hex(), h)
}

// layout reads an OCI layout, in a folder or in an archive. It lives for one call.
type layout struct {
	ctx   context.Context
	files files
	read  int64 // bytes of documents so far
}

func (l *layout) resolver() *resolver { return newResolver(l.blobs(), &l.read) }

func blobName(d Digest) string { return "blobs/" + d.Algorithm() + "/" + d.Hex() }

func (l *layout) blobs() Blobs {
	return Blobs{
		Fetch: func(ctx context.Context, d Descriptor) ([]byte, error) {
			b, err := readDocument(ctx, l.files, blobName(d.Digest))
			if errors.Is(err, ErrNotFound) {
				err = fmt.Errorf("blob %s is not there: %w", d.Digest, ErrNotFound)
			}
			return b, err
		},
		Has: func(d Descriptor) bool {
			_, err := l.files.stat(blobName(d.Digest))
			return !errors.Is(err, ErrNotFound)
		},
		Open: func(d Descriptor) func(context.Context) (io.ReadCloser, error) {
			return func(ctx context.Context) (io.ReadCloser, error) {
				rc, err := l.files.open(ctx, blobName(d.Digest))
				if err != nil {
					return nil, fmt.Errorf("layer %s: %w", d.Digest, err)
				}
				return rc, nil
			}
		},
	}
}

// candidates gives the images of index.json. Those of saved, the images of a docker
// archive that is both, lend their tags to them; rest are the ones that index.json
// does not lead to: docker save leaves out there what was saved without a name.
func (l *layout) candidates(saved []dockerEntry, sel Select) (cands []candidate, rest []dockerEntry, err error) {
	if err := l.checkVersion(); err != nil {
		return nil, nil, err
	}
	b, err := readDocument(l.ctx, l.files, "index.json")
	if err != nil {
		return nil, nil, err
	}
	idx, err := ParseIndex(b)
	if err != nil {
		return nil, nil, fmt.Errorf("index.json: %w", err)
	}
	if len(idx.Manifests) == 0 && len(saved) == 0 {
		return nil, nil, fmt.Errorf("index.json is empty: %w", ErrNotImage)
	}
	tops := l.merge(idx.Manifests)
	if len(tops) > maxImages {
		return nil, nil, fmt.Errorf("index.json lists %d images, at most %d are read: %w", len(tops), maxImages, ErrCorrupt)
	}
	if len(saved) > 0 || sel.Name != "" {
		if err := l.learn(tops); err != nil {
			return nil, nil, err
		}
	}
	for _, e := range saved {
		known := false
		for i := range tops {
			if slices.Contains(tops[i].ids, e.configDigest()) {
				tops[i].tagged = tops[i].tagged || len(e.RepoTags) > 0
				tops[i].names = addNew(e.RepoTags, tops[i].names)
				known = true
			}
		}
		if !known {
			rest = append(rest, e)
		}
	}
	groups, err := l.group(tops)
	if err != nil {
		return nil, nil, err
	}
	for _, g := range groups {
		// One platform of several may be picked by its own digest.
		for i, d := range g.leaves {
			if sel.Name != "" && (isDigest(sel.Name, d.Digest) || isDigest(sel.Name, g.ids[i])) {
				one := &group{names: g.names, tagged: g.tagged, tops: []Descriptor{d}, digests: []Digest{d.Digest, g.ids[i]}}
				return []candidate{one.candidate(l)}, nil, nil
			}
		}
		cands = append(cands, g.candidate(l))
	}
	return cands, rest, nil
}

func (l *layout) checkVersion() error {
	b, err := readDocument(l.ctx, l.files, "oci-layout")
	if errors.Is(err, ErrNotFound) {
		return nil // some writers leave it out
	} else if err != nil {
		return err
	}
	var v struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return fmt.Errorf("oci-layout is not readable (%v): %w", err, ErrCorrupt)
	}
	if v.Version != "" && !strings.HasPrefix(v.Version, "1.") {
		return fmt.Errorf("OCI layout version %s, only 1 is known: %w", word(v.Version), ErrUnsupported)
	}
	return nil
}

// top is an entry of index.json.
type top struct {
	Descriptor
	names  []string
	tagged bool
	leaves []Descriptor // manifests that it leads to, if learnt
	ids    []Digest     // of their configs, if learnt
}

// merge gives the entries of index.json, those of one digest as one with all names.
func (l *layout) merge(list []Descriptor) []top {
	var out []top
	at := map[Digest]int{}
	for _, d := range list {
		var names []string
		for _, key := range []string{"io.containerd.image.name", "org.opencontainers.image.ref.name"} {
			if n := d.Annotations[key]; n != "" {
				names = append(names, n)
			}
		}
		if i, ok := at[d.Digest]; ok {
			out[i].names = addNew(out[i].names, names)
			continue
		}
		at[d.Digest] = len(out)
		out = append(out, top{Descriptor: d, names: names})
	}
	return out
}

func addNew(have, more []string) []string {
	have = slices.Clone(have)
	for _, s := range more {
		if !slices.Contains(have, s) {
			have = append(have, s)
		}
	}
	return have
}

// learn finds which manifests and configs each entry leads to, as far as they are
// readable: what is wrong with one is said when it is read as an image.
func (l *layout) learn(tops []top) error {
	for i := range tops {
		t := &tops[i]
		r := l.resolver()
		leaves, err := r.flattenList(l.ctx, []Descriptor{t.Descriptor}, 0)
		if errors.Is(err, ErrDigestMismatch) {
			return err
		}
		for _, d := range leaves {
			if notImage(d) != "" || !r.from.Has(d) {
				continue
			}
			doc, err := r.fetch(l.ctx, d)
			if errors.Is(err, ErrDigestMismatch) || l.read > maxRead {
				return err
			} else if err != nil {
				continue
			}
			if m, err := ParseManifest(doc); err == nil {
				t.leaves = append(t.leaves, d)
				t.ids = append(t.ids, m.Config.Digest)
			}
		}
	}
	return nil
}

// group is one image: an index, or manifests of several platforms side by side.
type group struct {
	names   []string
	tagged  bool
	tops    []Descriptor
	leaves  []Descriptor // as learnt, with
	ids     []Digest     // their configs
	digests []Digest
	skipped []Skipped
}

func (g *group) add(t top) {
	g.tops = append(g.tops, t.Descriptor)
	g.tagged = g.tagged || len(g.names) == 0 && t.tagged
	g.names = addNew(g.names, t.names)
	g.leaves = append(g.leaves, t.leaves...)
	g.ids = append(g.ids, t.ids...)
	g.digests = append(g.digests, t.Digest)
}

// group puts together what is one image. An entry with a name of its own is one;
// entries of the same name are one, for several platforms; of those without a name
// each index is one, and manifests are one as long as their platforms differ.
func (l *layout) group(tops []top) ([]*group, error) {
	var out []*group
	named := map[string]*group{}
	var bare []top
	var bareAt int
	for _, t := range tops {
		switch {
		case len(t.names) > 0:
			g := named[t.names[0]]
			if g == nil {
				g = &group{}
				named[t.names[0]] = g
				out = append(out, g)
			}
			g.add(t)
		case mediaKind(t.MediaType) == IndexDocument:
			g := &group{}
			g.add(t)
			out = append(out, g)
		default:
			if len(bare) == 0 {
				bareAt = len(out)
			}
			bare = append(bare, t)
		}
	}
	sets, err := l.groupBare(bare)
	return slices.Insert(out, bareAt, sets...), err
}

// groupBare puts the manifests without a name into as few groups as have no platform
// twice. What is no image, or is not there, goes with the first.
func (l *layout) groupBare(bare []top) ([]*group, error) {
	if len(bare) == 0 {
		return nil, nil
	}
	sets := []*group{{}}
	r := l.resolver()
	count := map[Platform]int{}
	for _, t := range bare {
		n := 0
		if len(bare) > 1 && notImage(t.Descriptor) == "" && r.has(t.Descriptor) {
			rest := &Set{}
			list, err := r.fillPlatforms(l.ctx, []Descriptor{t.Descriptor}, rest)
			if err != nil {
				return nil, err
			}
			sets[0].skipped = append(sets[0].skipped, rest.Skipped...)
			if len(list) == 0 {
				continue
			}
			t.Descriptor = list[0]
			n = count[*t.Platform]
			count[*t.Platform]++
		}
		if n == len(sets) {
			sets = append(sets, &group{})
		}
		sets[n].add(t)
	}
	return sets, nil
}

func (g *group) candidate(l *layout) candidate {
	return candidate{names: g.names, tagged: g.tagged, digests: g.digests, read: func(sel Select) (*Set, error) {
		r := l.resolver()
		set := &Set{Skipped: g.skipped}
		if len(g.tops) == 1 && mediaKind(g.tops[0].MediaType) == IndexDocument {
			set.Index = g.tops[0].Digest
			if !r.has(g.tops[0]) {
				return nil, fmt.Errorf("index %s is listed but not there: %w", set.Index, ErrNotFound)
			}
		}
		leaves, err := r.flattenList(l.ctx, g.tops, 0)
		if err != nil {
			return nil, err
		}
		if err := r.choose(l.ctx, leaves, sel, set); err != nil {
			return nil, err
		}
		for _, img := range set.Images {
			for i := range img.Layers {
				if st, err := l.files.stat(blobName(img.Layers[i].Digest)); err == nil {
					img.Layers[i].Local = st.local
				}
			}
		}
		return set, nil
	}}
}
