package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Choose picks from an index the entries that sel asks for, in their order: every
// image with sel.All, else one. Entries that are no images are given in skipped,
// with a word on what they are. Nested indexes count as images without a platform
// here: [Resolve] reads them first.
//
// Without a platform in sel it is HostPlatform, or the only image there is. Where
// several entries fit, one whose variant was asked for goes before one without a
// variant, and then the first counts. Errors wrap ErrPlatform, listing what there
// is, or ErrNotImage, naming what it is.
func Choose(idx Index, sel Select) (chosen []Descriptor, skipped []Skipped, err error) {
	var images []Descriptor
	for _, d := range idx.Manifests {
		if why := notImage(d); why != "" {
			skipped = append(skipped, skip(d, why))
			continue
		}
		images = append(images, d)
	}
	switch {
	case len(images) == 0 && len(skipped) == 0:
		return nil, nil, fmt.Errorf("the index is empty: %w", ErrNotImage)
	case len(images) == 0:
		return nil, skipped, fmt.Errorf("the index holds no image but %s: %w", words(skipped), ErrNotImage)
	case sel.All:
		return images, skipped, nil
	case sel.Platform == Platform{} && len(images) == 1:
		return images, skipped, nil
	}
	want := sel.Platform.normal()
	if want == (Platform{}) {
		want = HostPlatform()
	}
	best, score := -1, 0
	for i, d := range images {
		if d.Platform != nil {
			if s := want.fit(*d.Platform); s > score {
				best, score = i, s
			}
		}
	}
	if best < 0 {
		var have []string
		for _, d := range images {
			p := Platform{}
			if d.Platform != nil {
				p = *d.Platform
			}
			have = append(have, p.String())
		}
		return nil, skipped, fmt.Errorf("%w %s; there are %s", ErrPlatform, want, listed(have))
	}
	return images[best : best+1], skipped, nil
}

// notImage says by the descriptor alone what an index entry is if it is no image.
func notImage(d Descriptor) string {
	switch {
	case d.IsAttestation():
		return "attestation manifest"
	case d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Arch == "unknown":
		return "entry for unknown/unknown, an attestation or artefact"
	case d.MediaType == mediaArtifactManifest:
		return artifactWords(d.ArtifactType, d.MediaType)
	case mediaKind(d.MediaType) == Schema1Document:
		return "image in Docker schema 1, which is not supported"
	case d.MediaType != "" && mediaKind(d.MediaType) == UnknownDocument:
		return artifactWords(d.ArtifactType, d.MediaType)
	}
	return ""
}

func skip(d Descriptor, why string) Skipped {
	s := Skipped{Digest: d.Digest, Why: why}
	if d.Platform != nil {
		s.Platform = *d.Platform
	}
	return s
}

func words(skipped []Skipped) string {
	var w []string
	for _, s := range skipped {
		w = append(w, s.Why)
	}
	return listed(w)
}

// listed joins words for a message: each once, in order, at most twenty.
func listed(w []string) string {
	var out []string
	for _, s := range w {
		if s = word(s); !slices.Contains(out, s) {
			out = append(out, s)
		}
		if len(out) > 20 {
			out[20] = "…"
			break
		}
	}
	return strings.Join(out, ", ")
}

// fit tells how well have serves one who asks for p: 0 not at all, more is better.
func (p Platform) fit(have Platform) int {
	if p.OS != have.OS || p.Arch != have.Arch || p.OSVersion != "" && p.OSVersion != have.OSVersion {
		return 0
	}
	variant := have.Variant
	if have.Arch == "arm" && variant == "" {
		variant = "v7" // as containerd reads it
	}
	switch {
	case p.Variant == have.Variant:
		return 4
	case p.Variant == variant:
		return 3
	case p.Variant != "":
		return 0
	case p.Arch == "arm" && variant == "v7":
		return 2
	}
	return 1
}

// Blobs is a place that Resolve reads from.
type Blobs struct {
	// Fetch gives a document (index, manifest, config) as a whole; Resolve checks it
	// against its descriptor. It must refuse more than MaxDocument bytes, and gives an
	// error wrapping ErrNotFound for what is not there.
	Fetch func(ctx context.Context, d Descriptor) ([]byte, error)
	// Has tells which manifests are there, for places that may keep only some of an
	// index; nil means all are.
	Has func(d Descriptor) bool
	// Open is Assemble's.
	Open func(Descriptor) func(context.Context) (io.ReadCloser, error)
}

// maxNesting is how deep indexes may lie in one another.
const maxNesting = 4

// maxFetched bounds the nested indexes and the manifests read to learn a platform,
// and maxRead the bytes of all documents.
const (
	maxFetched = 1024
	maxRead    = 256 << 20
)

// Resolve reads what root leads to: a manifest, or an index from which sel chooses,
// nested ones flattened in their order. Every document is checked against its
// digest. Set.Index, Image.Index and Image.Platform are filled in; the caller sets
// Set.Source, Image.Name, Image.Ref and Layer.Local. sel.Name is not looked at.
//
// An error wraps one of the room's sentinels, or is Fetch's own.
func Resolve(ctx context.Context, root Descriptor, sel Select, from Blobs) (*Set, error) {
	r := newResolver(from, new(int64))
	doc, kind, err := r.document(ctx, root)
	if err != nil {
		return nil, err
	}
	set := &Set{}
	if kind != IndexDocument {
		img, what, err := r.image(ctx, root, doc)
		if err != nil {
			return nil, err
		}
		if what != "" {
			return nil, fmt.Errorf("%s is %s: %w", root.Digest, what, ErrNotImage)
		}
		if err := serves(sel, img); err != nil {
			return nil, err
		}
		set.Images = []*Image{img}
		return set, nil
	}
	set.Index = root.Digest
	leaves, err := r.flatten(ctx, doc, root.Digest, 1)
	if err != nil {
		return nil, err
	}
	return set, r.choose(ctx, leaves, sel, set)
}

// serves reports as an error that somebody asked for another platform than that of
// the image at hand.
func serves(sel Select, img *Image) error {
	if sel.All || sel.Platform == (Platform{}) || img.Platform.OS == "" || sel.Platform.normal().fit(img.Platform) > 0 {
		return nil
	}
	return fmt.Errorf("%w %s; the image is for %s", ErrPlatform, sel.Platform.normal(), img.Platform)
}

type resolver struct {
	from    Blobs
	seen    map[Digest]bool // indexes and manifests already listed
	fetched int             // nested documents
	read    *int64          // bytes of documents; several resolvers may share it
}

func newResolver(from Blobs, read *int64) *resolver {
	return &resolver{from: from, seen: map[Digest]bool{}, read: read}
}

func (r *resolver) has(d Descriptor) bool {
	return r.from.Has == nil || len(d.Data) > 0 || r.from.Has(d)
}

// document fetches an index or manifest and tells which it is.
func (r *resolver) document(ctx context.Context, d Descriptor) ([]byte, Document, error) {
	b, err := r.fetch(ctx, d)
	if err != nil {
		return nil, UnknownDocument, err
	}
	switch k := Kind(d.MediaType, b); k {
	case IndexDocument, ManifestDocument:
		return b, k, nil
	case Schema1Document:
		_, err := ParseManifest(b)
		if err == nil {
			err = ErrUnsupported
		}
		return nil, k, fmt.Errorf("%s: %w", d.Digest, err)
	case ArtifactManifest:
		return nil, k, fmt.Errorf("%s is %s: %w", d.Digest, artifactWords(d.ArtifactType, d.MediaType), ErrNotImage)
	}
	return nil, UnknownDocument, fmt.Errorf("%s is neither an image manifest nor an index: %w", d.Digest, ErrNotImage)
}

func (r *resolver) fetch(ctx context.Context, d Descriptor) ([]byte, error) {
	if b, ok, err := d.inline(); ok || err != nil {
		return b, err
	}
	if d.Size > MaxDocument {
		return nil, fmt.Errorf("%s: document of %d bytes, at most %d are read: %w", d.Digest, d.Size, MaxDocument, ErrCorrupt)
	}
	b, err := r.from.Fetch(ctx, d)
	if err != nil {
		return nil, err
	}
	if *r.read += int64(len(b)); *r.read > maxRead {
		return nil, fmt.Errorf("more than %d MiB of indexes, manifests and configs: %w", maxRead>>20, ErrCorrupt)
	}
	return b, d.verify(b)
}

// flatten lists the manifests of an index and of those within it.
func (r *resolver) flatten(ctx context.Context, doc []byte, at Digest, depth int) ([]Descriptor, error) {
	x, err := ParseIndex(doc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return r.flattenList(ctx, x.Manifests, depth)
}

func (r *resolver) flattenList(ctx context.Context, list []Descriptor, depth int) ([]Descriptor, error) {
	var out []Descriptor
	for _, d := range list {
		if r.seen[d.Digest] {
			continue
		}
		r.seen[d.Digest] = true
		if len(r.seen) > maxManifests {
			return nil, fmt.Errorf("nested indexes have more than %d entries: %w", maxManifests, ErrCorrupt)
		}
		if mediaKind(d.MediaType) != IndexDocument || d.IsAttestation() || !r.has(d) {
			out = append(out, d)
			continue
		}
		if depth >= maxNesting {
			return nil, fmt.Errorf("indexes are nested more than %d deep: %w", maxNesting, ErrCorrupt)
		}
		if r.fetched++; r.fetched > maxFetched {
			return nil, fmt.Errorf("more than %d nested documents: %w", maxFetched, ErrCorrupt)
		}
		b, err := r.fetch(ctx, d)
		if err != nil {
			return nil, err
		}
		in, err := r.flatten(ctx, b, d.Digest, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, in...)
	}
	return out, nil
}

// choose adds to set the images among leaves that sel asks for.
func (r *resolver) choose(ctx context.Context, leaves []Descriptor, sel Select, set *Set) error {
	before := len(set.Images)
	var list []Descriptor
	var absent []Descriptor
	for _, d := range leaves {
		if notImage(d) == "" && !r.has(d) {
			absent = append(absent, d)
			set.Skipped = append(set.Skipped, skip(d, "manifest "+d.Digest.Short()+" that is listed but not kept here"))
			continue
		}
		list = append(list, d)
	}
	list, err := r.platforms(ctx, list, sel, set)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		if len(absent) > 0 {
			return fmt.Errorf("manifest %s is listed but not there: %w", absent[0].Digest, ErrNotFound)
		}
		if len(set.Skipped) > 0 {
			return fmt.Errorf("the index holds no image but %s: %w", words(set.Skipped), ErrNotImage)
		}
	}
	chosen, skipped, err := Choose(Index{Manifests: list}, sel)
	set.Skipped = append(set.Skipped, skipped...)
	if err != nil {
		return err
	}
	for _, d := range chosen {
		doc, kind, err := r.document(ctx, d)
		var img *Image
		var what string
		switch {
		case err != nil:
			what, err = r.refused(sel, err)
		case kind == IndexDocument:
			what = "index that its entry calls a manifest"
		default:
			img, what, err = r.image(ctx, d, doc)
			if err != nil {
				what, err = r.refused(sel, err)
			}
		}
		if err != nil {
			return err
		}
		if what != "" {
			set.Skipped = append(set.Skipped, skip(d, what))
			continue
		}
		img.Index = set.Index
		set.Images = append(set.Images, img)
	}
	if len(set.Images) == before {
		return fmt.Errorf("no container image but %s: %w", words(set.Skipped), ErrNotImage)
	}
	return nil
}

// refused turns the error of one image among all into a word: what is there but is
// not an image does not hide the others. Anything worse stays an error.
func (r *resolver) refused(sel Select, err error) (string, error) {
	if sel.All && passable(err) {
		return err.Error(), nil
	}
	return "", err
}

// platforms fills in what entries without a platform are for, from their configs,
// where the choice depends on it.
func (r *resolver) platforms(ctx context.Context, list []Descriptor, sel Select, set *Set) ([]Descriptor, error) {
	n := 0
	for _, d := range list {
		if notImage(d) == "" {
			n++
		}
	}
	if sel.All || n == 0 || n == 1 && sel.Platform == (Platform{}) {
		return list, nil
	}
	return r.fillPlatforms(ctx, list, set)
}

func (r *resolver) fillPlatforms(ctx context.Context, list []Descriptor, set *Set) ([]Descriptor, error) {
	out := make([]Descriptor, 0, len(list))
	for _, d := range list {
		if notImage(d) != "" || d.Platform != nil && d.Platform.OS != "" {
			out = append(out, d)
			continue
		}
		if r.fetched++; r.fetched > maxFetched {
			return nil, fmt.Errorf("more than %d nested documents: %w", maxFetched, ErrCorrupt)
		}
		doc, _, err := r.document(ctx, d)
		if err != nil {
			return nil, err
		}
		m, err := ParseManifest(doc)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Digest, err)
		}
		if what := m.Artifact(); what != "" {
			set.Skipped = append(set.Skipped, skip(d, what))
			continue
		}
		b, err := r.fetch(ctx, m.Config)
		if err != nil {
			return nil, err
		}
		cfg, err := ParseConfig(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Digest, err)
		}
		d.Platform = &cfg.Platform
		out = append(out, d)
	}
	return out, nil
}

// image reads one image; what says what it is if it is none.
func (r *resolver) image(ctx context.Context, d Descriptor, doc []byte) (img *Image, what string, err error) {
	m, err := ParseManifest(doc)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", d.Digest, err)
	}
	m.Digest = d.Digest // sha512 stays what it was
	if what := m.Artifact(); what != "" {
		return nil, what, nil
	}
	if m.MediaType == "" {
		m.MediaType = d.MediaType
	}
	config, err := r.fetch(ctx, m.Config)
	if errors.Is(err, ErrNotFound) {
		return nil, "", fmt.Errorf("image config: %w: %w", err, ErrCorrupt)
	} else if err != nil {
		return nil, "", fmt.Errorf("image config: %w", err)
	}
	img, err = Assemble(m, config, r.from.Open)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", d.Digest, err)
	}
	if d.Platform != nil && d.Platform.OS != "" {
		img.Platform = *d.Platform // what the index promised goes before what the builder noted
	}
	return img, "", nil
}
