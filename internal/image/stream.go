package image

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
)

const (
	// maxStreamDocuments bounds the JSON that is kept of a stream, in bytes.
	maxStreamDocuments = 64 << 20
	// maxIgnored bounds what is skipped of a stream: an archive may hold other things
	// than images, but not for ever.
	maxIgnored = 64 << 30
)

// ReadStream reads an archive that cannot be read twice, from standard input or a
// daemon, in one forward pass: a docker archive or OCI layout in a tar, which may be
// compressed as a whole with gzip or zstd. Which entries are layers is known only at
// the end, as layers may stand before the manifest; so visit is called for each
// regular file that can be one: a tar, anything compressed with gzip or zstd, or what
// is named layer.tar. It is called in the stream's order, once for each entry, with the
// entry's clean name, its size and its body as stored. It need not read to the end.
// An error of visit ends the reading and is wrapped, unless it was the archive that
// failed; so a visitor that only cannot make sense of a body notes that and returns nil.
//
// A compressed body that is stored under its digest (blobs/sha256/…) is verified: at
// its end an error wrapping ErrDigestMismatch comes instead of io.EOF. An uncompressed
// one is not, because its digest must be the DiffID that the visitor computes: whoever
// ties bodies to layers must check that it is the layer's DiffID.
//
// The Set is that of [OpenArchive], but for its layers: Layer.Local is the name of the
// entry that visit was given for the layer, links followed, or empty if there was
// none; if an archive has a name twice, the later body counts. Layer.Open always
// fails. JSON documents are kept in memory, at most 8 MiB each and 64 MiB together.
// r is read up to the end of the tar. Set.Source is "-", as is the Name of an image
// that has none.
func ReadStream(ctx context.Context, r io.Reader, sel Select, visit func(name string, size int64, body io.Reader) error) (*Set, error) {
	set, err := readStream(ctx, r, sel, visit)
	if err != nil {
		return nil, fmt.Errorf("archive from a stream: %w", err)
	}
	return set, nil
}

func readStream(ctx context.Context, r io.Reader, sel Select, visit func(string, int64, io.Reader) error) (*Set, error) {
	br := bufio.NewReaderSize(&ctxReader{ctx, r}, 256<<10)
	head, err := br.Peek(headSize)
	if len(head) == 0 {
		if err != nil && err != io.EOF {
			return nil, tarError(ctx, 0, err)
		}
		return nil, fmt.Errorf("it is empty: %w", ErrNotImage)
	}
	var plain io.Reader = br
	switch f := sniff(head); f {
	case formGzip, formZstd:
		p, done, err := decompress(br, f)
		if err != nil {
			return nil, err
		}
		defer done()
		plain = bufio.NewReaderSize(p, 256<<10)
	case formTar:
	default:
		return nil, fmt.Errorf("not a tar archive: %w", ErrNotImage)
	}
	s := &stream{visit: visit, visited: map[string]bool{}}
	in := &offsetReader{r: plain}
	if s.index, err = walkTar(ctx, in, in.offset, -1, s.entry); err != nil {
		return nil, err
	}
	return archiveSet(ctx, s, s.index, "-", sel, anyLayout)
}

// stream keeps what is needed of an archive that has gone by.
type stream struct {
	visit     func(string, int64, io.Reader) error
	index     *tarIndex
	visited   map[string]bool
	documents int64
	ignored   int64
	head      [headSize]byte
}

func (s *stream) entry(name string, e *entry, body io.Reader) error {
	head := s.head[:min(e.size, headSize)]
	if _, err := io.ReadFull(body, head); err != nil {
		return err
	}
	e.form = sniff(head)
	delete(s.visited, name)
	switch {
	case (e.form == formJSON || isTable(name)) && e.size <= MaxDocument && e.size <= maxStreamDocuments-s.documents:
		s.documents += e.size
		var err error
		e.body, e.kept, err = readBody(head, body, e.size)
		return err
	case e.form == formTar, e.form == formGzip, e.form == formZstd, path.Base(name) == "layer.tar":
		archive := &errReader{r: body}
		whole := io.MultiReader(bytes.NewReader(head), archive)
		if d := blobDigest(name); d != "" && e.form != formTar {
			whole = Verify(io.NopCloser(whole), d, e.size)
		}
		s.visited[name] = true
		err := s.visit(name, e.size, whole)
		if archive.err != nil {
			return archive.err
		}
		if err != nil {
			return visitError{err}
		}
	}
	n, err := io.Copy(io.Discard, io.LimitReader(body, maxIgnored-s.ignored+1))
	if s.ignored += n; s.ignored > maxIgnored {
		return fmt.Errorf("the archive has more than %d GiB that belong to no image: %w", maxIgnored>>30, ErrCorrupt)
	}
	return err
}

// isTable tells the archive's own tables, which are kept even if they are no JSON, so
// that they are what is complained of.
func isTable(name string) bool {
	return name == "manifest.json" || name == "index.json" || name == "oci-layout"
}

// errReader remembers what was wrong with the archive, which goes before whatever a
// visitor makes of it.
type errReader struct {
	r   io.Reader
	err error
}

func (e *errReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && err != io.EOF {
		e.err = err
	}
	return n, err
}

func (s *stream) stat(name string) (stored, error) {
	e, name, err := s.index.follow(name)
	if err != nil {
		return stored{}, err
	}
	st := stored{size: e.size, form: e.form}
	if s.visited[name] {
		st.local = name
	}
	return st, nil
}

func (s *stream) open(_ context.Context, name string) (io.ReadCloser, error) {
	e, _, err := s.index.follow(name)
	switch {
	case err != nil:
		return nil, err
	case e.kept:
		return io.NopCloser(bytes.NewReader(e.body)), nil
	case e.form == formJSON || isTable(name):
		return nil, fmt.Errorf("%s: the archive has more than %d MiB of JSON: %w", word(name), maxStreamDocuments>>20, ErrCorrupt)
	}
	return nil, fmt.Errorf("%s was already read: it came by in a stream, once: %w", word(name), ErrUnsupported)
}
