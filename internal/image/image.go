package image

import (
	"context"
	"errors"
	"io"
)

// Image is one image for one platform: an immutable description plus the means
// to read each layer. A source builds it after checking manifest and config
// against their digests; nobody changes it afterwards.
type Image struct {
	// Name is what a person called it: "nginx:1.25", "docker-archive:web.tar".
	Name string
	// Ref is the canonical reference; zero for sources that have none.
	Ref Ref
	// Index is the digest of the index the image was chosen from, if any.
	Index Digest
	// Digest is the manifest's digest; empty for sources without a manifest
	// (the older docker archives, a root file system).
	Digest Digest
	// ID is the config's digest; empty for a root file system.
	ID        Digest
	MediaType string
	Platform  Platform
	Config    Config
	// Annotations of the manifest; may be nil.
	Annotations map[string]string
	// Layers from the base upwards. Empty layers of the history are not in it.
	Layers []Layer
}

// Layer is one change set of an image.
type Layer struct {
	// Digest is that of the blob as stored, usually compressed; equal to DiffID
	// where the source stores layers uncompressed.
	Digest Digest
	// DiffID is the digest of the uncompressed tar, from the config; it may be
	// empty when the config does not list it.
	DiffID    Digest
	MediaType string
	// Size of the blob as stored in bytes; -1 if unknown.
	Size int64
	// CreatedBy is the history entry that made the layer, if one can be aligned.
	CreatedBy string
	// Local tells, for a layer kept in a file on this machine, which bytes hold it,
	// so that unchanged files need not be hashed again. Empty for remote layers; after
	// ReadStream the name of the entry that held the layer.
	Local string
	// Open gives the blob as stored. The stream is verified: at its end it gives an
	// error wrapping ErrDigestMismatch instead of io.EOF if Digest or Size do not
	// hold. It may be called again, also concurrently. The caller closes it. The digest
	// of a packed layer in an older docker archive is not known: there Digest is DiffID,
	// MediaType tells the packing, and only the size is verified (see OpenArchive).
	Open func(context.Context) (io.ReadCloser, error)
}

// Set is what a source holds under one name: usually one image; several for an
// index read with every platform, or an archive that was saved with several.
type Set struct {
	// Source as the user wrote it.
	Source string
	// Index is the digest of the index, if the name led to one.
	Index  Digest
	Images []*Image
	// Skipped lists entries that are not images, so that none is passed over in silence.
	Skipped []Skipped
}

// Skipped is an entry of an index or archive that was not read as an image.
type Skipped struct {
	Digest   Digest
	Platform Platform
	// Why in words: "attestation manifest", "OCI artefact application/vnd.cncf.helm…".
	Why string
}

// Select says which images of a source are wanted.
type Select struct {
	// All asks for every platform of every image. Otherwise Platform is used, and a
	// zero Platform means linux on this machine's architecture, or whatever the one
	// image at hand was built for.
	All      bool
	Platform Platform
	// Name picks one image out of an archive that holds several: a tag, reference
	// name or digest. Empty takes all of them.
	Name string
}

// Sentinels wrapped by sources. The command line maps them to reasons and exit codes.
var (
	// ErrNotFound: the file, repository, tag or blob does not exist.
	ErrNotFound = errors.New("not found")
	// ErrAuth: the registry or daemon refused the credentials.
	ErrAuth = errors.New("authentication refused")
	// ErrNotImage: what is there is no container image; the message names what it is.
	ErrNotImage = errors.New("not a container image")
	// ErrPlatform: the index has no image for the platform asked for.
	ErrPlatform = errors.New("no image for this platform")
	// ErrUnsupported: a format that is refused on purpose, such as Docker schema 1.
	ErrUnsupported = errors.New("unsupported image format")
	// ErrCorrupt: an archive, manifest or config that cannot be read.
	ErrCorrupt = errors.New("cannot be read")
)
