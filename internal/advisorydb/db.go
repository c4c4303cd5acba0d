package advisorydb

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// ErrNotCovered is wrapped by the error of a lookup in an ecosystem that the snapshot
// has no shard for: nothing is known of its packages, which is not the same as nothing
// being held against them.
var ErrNotCovered = errors.New("the advisory snapshot does not cover the ecosystem")

// ErrClosed is returned by lookups in a snapshot that was closed.
var ErrClosed = errors.New("the advisory snapshot is closed")

// DB is an open snapshot. All methods may be called at once from many goroutines.
type DB struct {
	dir      string
	remote   Remote
	manifest Manifest
	digest   string
	slots    []shardSlot // like manifest.Shards
	// users counts the lookups under way, and is negative from Close on: the last one
	// out unmaps.
	users atomic.Int64
}

// shardSlot holds a shard once it was asked for.
type shardSlot struct {
	info *Shard // in the manifest
	open atomic.Pointer[shard]
	mu   sync.Mutex // held while opening
}

const closedBias = 1 << 40

// Open opens the snapshot in force in dir with the zero [Options].
func Open(dir string) (*DB, error) { return Options{}.Open(dir) }

// Open reads the manifest of a snapshot in dir. Shards are opened when they are first
// asked; one that is missing (and not to be had from o.Remote), truncated or damaged
// shows then, in an error that names it. Errors wrap [ErrSchema] for another schema
// version, [ErrSignature] and [ErrRollback].
func (o Options) Open(dir string) (*DB, error) {
	var raw []byte
	var m Manifest
	var digest string
	for try := 1; ; try++ {
		var err error
		if raw, err = o.choose(dir); err != nil {
			return nil, fmt.Errorf("opening advisory snapshot: %w", err)
		}
		// The bytes are read for this alone, and never changed.
		if m, err = parseManifest(raw, unsafe.String(unsafe.SliceData(raw), len(raw))); err == nil {
			digest = digestOf(raw)
			err = o.check(dir, m, raw, digest)
		}
		if errors.Is(err, ErrRollback) && try < 5 {
			continue // another came in force between reading the one and the other
		}
		if err != nil {
			return nil, fmt.Errorf("opening advisory snapshot %s: %w", filepath.Join(dir, manifestName), err)
		}
		break
	}
	db := &DB{
		dir:      dir,
		remote:   o.Remote,
		manifest: m,
		digest:   digest,
		slots:    make([]shardSlot, len(m.Shards)),
	}
	for i := range m.Shards {
		db.slots[i].info = &m.Shards[i]
	}
	return db, nil
}

// packages finds the shard of an ecosystem's packages, and shared one of another kind by its
// name; nil if there is none.
func (db *DB) packages(ecosystem string) *shardSlot {
	if s := db.slot(&Shard{Kind: KindPackages, Ecosystem: ecosystem}); s != nil && s.info.Kind == KindPackages && s.info.Ecosystem == ecosystem {
		return s
	}
	return nil
}

func (db *DB) shared(kind Kind, name string) *shardSlot {
	if s := db.slot(&Shard{Kind: kind, Name: name}); s != nil && s.info.Kind == kind && s.info.Name == name {
		return s
	}
	return nil
}

// slot finds the first shard that is not before one in the manifest's order.
func (db *DB) slot(want *Shard) *shardSlot {
	i := sort.Search(len(db.slots), func(i int) bool { return compareShards(db.slots[i].info, want) >= 0 })
	if i == len(db.slots) {
		return nil
	}
	return &db.slots[i]
}

// Close gives the memory maps back once the lookups under way are done, and does not wait
// for them. Lookups begun later give [ErrClosed]. It may be called again.
func (db *DB) Close() error {
	for {
		n := db.users.Load()
		if n < 0 {
			return nil
		}
		if db.users.CompareAndSwap(n, n-closedBias) {
			if n == 0 {
				return db.unmap()
			}
			return nil
		}
	}
}

func (db *DB) enter() error {
	for {
		n := db.users.Load()
		if n < 0 {
			return ErrClosed
		}
		if db.users.CompareAndSwap(n, n+1) {
			return nil
		}
	}
}

func (db *DB) leave() {
	if db.users.Add(-1) == -closedBias {
		// There is nobody left to tell if the system keeps a map.
		_ = db.unmap()
	}
}

func (db *DB) unmap() error {
	var errs []error
	for i := range db.slots {
		if s := db.slots[i].open.Swap(nil); s != nil {
			errs = append(errs, s.unmap())
		}
	}
	return errors.Join(errs...)
}

// get opens the shard if nobody has yet, and fetches it if it is not there. A failure
// is not kept, so that a shard fetched later is found.
func (db *DB) get(ctx context.Context, slot *shardSlot) (*shard, error) {
	if s := slot.open.Load(); s != nil {
		return s, nil
	}
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if s := slot.open.Load(); s != nil {
		return s, nil
	}
	if db.remote != nil {
		if _, err := fetchShard(ctx, db.remote, db.dir, *slot.info); err != nil {
			return nil, err
		}
	}
	s, err := openShard(db.dir, *slot.info)
	if err != nil {
		return nil, err
	}
	slot.open.Store(s)
	return s, nil
}

// Manifest gives what the snapshot consists of. Its lists must not be changed.
func (db *DB) Manifest() Manifest { return db.manifest }

// Digest gives the digest of the manifest, "sha256:<hex>", by which the snapshot is known.
func (db *DB) Digest() string { return db.digest }

// Has tells whether a shard's file is in the folder; one that is not is fetched when it
// is first asked, if there is a remote.
func (db *DB) Has(s Shard) bool { return hasShard(db.dir, s) }

// SignedBy lists the IDs of the keys that the snapshot is said to be signed by. They
// were checked by Open if keys are trusted, and are a mere claim if not.
func (db *DB) SignedBy() []string {
	sig, err := readSmall(filepath.Join(db.dir, snapshotsDir, snapshotName(db.manifest.Created, db.digest)+".sig"), maxSignatureFile)
	if err != nil {
		return nil
	}
	return SignedBy(sig)
}

// Covers tells whether some source speaks for the ecosystem, "Debian:12".
func (db *DB) Covers(ecosystem string) bool {
	return db.packages(ecosystem) != nil
}

// Ecosystems lists those that are covered, sorted.
func (db *DB) Ecosystems() []string {
	out := make([]string, 0, len(db.slots))
	for _, s := range db.manifest.Shards {
		if s.Kind == KindPackages {
			out = append(out, s.Ecosystem)
		}
	}
	slices.Sort(out)
	return out
}

// Lookup gives what is held against a package, in any of the spellings that
// [advisory.Name] makes one, ordered by source and ID, each advisory with
// Affected reduced to that package and without Summary, which [DB.Enrich] gives. What
// is yielded belongs to the caller.
//
// A shard that is missing or damaged, an ecosystem that is not covered ([ErrNotCovered])
// and the end of ctx are yielded as an error, which is always the last thing.
func (db *DB) Lookup(ctx context.Context, ecosystem, name string) iter.Seq2[advisory.Advisory, error] {
	return db.lookup(ctx, ecosystem, name, nil)
}

// lookup is Lookup after readying the reader, if ready is set.
func (db *DB) lookup(ctx context.Context, ecosystem, name string, ready func(*reader) error) iter.Seq2[advisory.Advisory, error] {
	name = advisory.Name(ecosystem, name)
	slot := db.packages(ecosystem)
	if slot == nil {
		return func(yield func(advisory.Advisory, error) bool) {
			err := db.enter()
			if err == nil {
				db.leave()
				err = fmt.Errorf("looking up %.80q: %w %q", name, ErrNotCovered, ecosystem)
			}
			yield(advisory.Advisory{}, err)
		}
	}
	return func(yield func(advisory.Advisory, error) bool) {
		if err := db.enter(); err != nil {
			yield(advisory.Advisory{}, err)
			return
		}
		defer db.leave()
		s, err := db.get(ctx, slot)
		if err != nil {
			yield(advisory.Advisory{}, err)
			return
		}
		var r *reader
		if err := guard(func() error {
			body, ok, err := s.find(name)
			if ok && err == nil {
				r, err = newReader(s, body)
			}
			if r != nil && err == nil && ready != nil {
				err = ready(r)
			}
			return err
		}); err != nil {
			yield(advisory.Advisory{}, s.wrap(err))
			return
		}
		if r == nil {
			return
		}
		defer r.release()
		for r.left > 0 {
			if err := ctx.Err(); err != nil {
				yield(advisory.Advisory{}, fmt.Errorf("looking up %.80q in %s: %w", name, ecosystem, err))
				return
			}
			if err := guard(func() error { return r.next(ecosystem, name) }); err != nil {
				yield(advisory.Advisory{}, s.wrap(err))
				return
			}
			if !yield(r.a, nil) {
				return
			}
		}
	}
}

// Enrich gives what is known of a flaw apart from any package, by any of its IDs:
// CVE-…, GHSA-…, or an advisory's own; of an errata record, which is no flaw, its
// summary and ratings. It reports false if nothing is known of it.
// What is returned belongs to the caller.
func (db *DB) Enrich(ctx context.Context, id string) (advisory.Enrichment, bool, error) {
	var e advisory.Enrichment
	if err := db.enter(); err != nil {
		return e, false, err
	}
	defer db.leave()
	found := false
	part := bucket(id)
	for _, kind := range [...]Kind{KindFlaws, KindEPSS, KindText} {
		name := string(kind)
		if bucketed(kind) {
			name += "-" + part
		}
		slot := db.shared(kind, name)
		if slot == nil {
			continue
		}
		s, err := db.get(ctx, slot)
		if err != nil {
			return advisory.Enrichment{}, false, err
		}
		err = guard(func() error {
			body, ok, err := s.find(id)
			if err != nil || !ok {
				return err
			}
			found = true
			return s.enrich(body, &e)
		})
		if err != nil {
			return advisory.Enrichment{}, false, s.wrap(err)
		}
	}
	return e, found, nil
}

// Statements gives what VEX hubs say of a product by one of its keys (see
// [advisory.Component.Keys]): a package URL without version and qualifiers, a digest.
// Whether a statement holds for a version is for the caller to see. The order is fixed;
// lists that statements have in common are shared and must not be changed.
//
// A shard that is missing or damaged is yielded as an error, which is always the last
// thing. A snapshot without statements yields nothing.
func (db *DB) Statements(ctx context.Context, key string) iter.Seq2[advisory.Statement, error] {
	return func(yield func(advisory.Statement, error) bool) {
		if err := db.enter(); err != nil {
			yield(advisory.Statement{}, err)
			return
		}
		defer db.leave()
		slot := db.shared(KindVEX, string(KindVEX))
		if slot == nil {
			return
		}
		s, err := db.get(ctx, slot)
		if err != nil {
			yield(advisory.Statement{}, err)
			return
		}
		var r *vexReader
		if err := guard(func() error {
			body, ok, err := s.find(key)
			if ok && err == nil {
				r, err = newVEXReader(s, key, body)
			}
			return err
		}); err != nil {
			yield(advisory.Statement{}, s.wrap(err))
			return
		}
		for r != nil && r.left > 0 {
			var said []advisory.Statement
			if err := guard(func() (err error) { said, err = r.next(); return err }); err != nil {
				yield(advisory.Statement{}, s.wrap(err))
				return
			}
			for i := range said {
				if !yield(said[i], nil) {
					return
				}
			}
		}
	}
}

func (s *shard) enrich(body []byte, e *advisory.Enrichment) (err error) {
	c := cursor{b: body}
	switch s.info.Kind {
	case KindFlaws:
		return s.readFlaw(body, e)
	case KindEPSS:
		e.EPSS = &advisory.EPSS{Score: c.fraction(), Percentile: c.fraction()}
		e.EPSS.Date, err = s.string(c.uvarint())
	case KindText:
		e.Summary, err = s.string(c.uvarint())
	}
	if c.bad {
		return damaged("an entry is cut short")
	}
	return err
}

// Verify reads every shard whole and checks it against the digest in the manifest. It
// gives an error for each shard that is missing or differs, or the end of ctx.
func (db *DB) Verify(ctx context.Context) error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	var errs []error
	for _, s := range db.manifest.Shards {
		if s.Kind == KindPackages && s.Name != slug(s.Ecosystem) {
			errs = append(errs, fmt.Errorf("advisory snapshot names the shard of %s %q instead of %q", s.Ecosystem, s.Name, slug(s.Ecosystem)))
		}
	}
	for i := range db.slots {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("verifying advisory snapshot: %w", err)
		}
		errs = append(errs, db.verifyShard(ctx, &db.slots[i]))
	}
	return errors.Join(errs...)
}

func (db *DB) verifyShard(ctx context.Context, slot *shardSlot) error {
	s, err := db.get(ctx, slot) // its size and its frame
	if err != nil {
		return err
	}
	sum, err := fileSum(ctx, filepath.Join(db.dir, filepath.FromSlash(shardPath(s.info.Digest))))
	if err != nil {
		return s.errorf("cannot be verified: %w", plainPathError(err))
	}
	if got := "sha256:" + hex.EncodeToString(sum[:]); got != s.info.Digest {
		return s.errorf("has the digest %s: it was damaged or changed", got)
	}
	return nil
}
