package advisorydb

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Write puts the snapshot into dir, which is made if need be, and returns its manifest.
//
// Files appear whole, by renaming; shards that are there already and undamaged are left;
// the manifest comes last and replaces an older one. Shards of older snapshots stay,
// so that whoever reads them is not disturbed. Files are not forced to disk: after a power
// cut a shard may be empty, which opening it detects and the next Write repairs.
//
// The snapshot is signed by each of signers. One that is older than what is in force in
// dir replaces it all the same: whoever builds decides.
//
// The builder may be added to and written again afterwards.
func (b *Builder) Write(ctx context.Context, dir string, signers ...Signer) (Manifest, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := os.MkdirAll(filepath.Join(dir, "shards"), 0o755); err != nil {
		return Manifest{}, fmt.Errorf("making the snapshot's folder: %w", err)
	}
	b.renumber()
	jobs, sources := b.packageJobs()
	jobs = append(jobs, b.flawJobs()...)
	if j := b.lifecycleJob(); j != nil {
		jobs = append(jobs, j)
	}
	if len(b.repos) > 0 {
		jobs = append(jobs, b.repositoriesJob())
	}
	if len(b.hub.rows) > 0 {
		jobs = append(jobs, b.hub.vexShard)
	}
	shards := make([]Shard, len(jobs))
	if err := parallel(ctx, len(jobs), func(i int) error {
		shard, file, err := jobs[i]()
		if err != nil {
			return fmt.Errorf("encoding advisory shard %s: %w", shard.Name, err)
		}
		if shard.Kind != KindPackages && shard.Packages == 0 {
			return nil
		}
		sum := sha256.Sum256(file)
		shard.Digest = "sha256:" + hex.EncodeToString(sum[:])
		shard.Size = int64(len(file))
		shards[i] = shard
		if err := putShard(filepath.Join(dir, filepath.FromSlash(shardPath(shard.Digest))), file, sum); err != nil {
			return fmt.Errorf("writing advisory shard %s: %w", shard.Name, err)
		}
		return nil
	}); err != nil {
		return Manifest{}, err
	}
	shards = slices.DeleteFunc(shards, func(s Shard) bool { return s.Digest == "" })
	slices.SortFunc(shards, func(a, b Shard) int { return compareShards(&a, &b) })
	m := Manifest{Schema: SchemaVersion, Created: b.createdAt(sources), Shards: shards, Sources: sources}
	if len(shards) > maxShards || len(sources) > maxSources {
		return Manifest{}, fmt.Errorf("snapshot has %d shards and %d sources, over the limits of %d and %d", len(shards), len(sources), maxShards, maxSources)
	}
	file := m.Bytes()
	// What is written is what a reader gets, or it is not written.
	m, err := ParseManifest(file)
	if err != nil {
		return Manifest{}, fmt.Errorf("checking the manifest to be written: %w", err)
	}
	var signatures []byte
	for _, s := range signers {
		signatures = append(signatures, s.Sign(file)...)
	}
	return m, install(dir, file, signatures, true)
}

// createdAt is the date that was set or, so that equal inputs give equal bytes, the
// newest that the sources show.
func (b *Builder) createdAt(sources []Source) time.Time {
	if !b.date.IsZero() {
		return b.date
	}
	at := time.Unix(0, 0).UTC()
	for _, s := range sources {
		for _, t := range [...]time.Time{s.Fetched, s.Newest} {
			if t.After(at) {
				at = t
			}
		}
	}
	return at
}

// job encodes one shard.
type job func() (Shard, []byte, error)

// packageJobs parts the statements by ecosystem, and completes the sources by what
// their records show.
func (b *Builder) packageJobs() ([]job, []Source) {
	records := slices.SortedFunc(maps.Values(b.records), func(x, y *record) int {
		return cmp.Or(cmp.Compare(x.source, y.source), cmp.Compare(x.id, y.id))
	})
	type part struct {
		records []*record
		entries []entry
	}
	parts := map[string]*part{}
	at := func(ecosystem string) *part {
		p := parts[ecosystem]
		if p == nil {
			p = &part{}
			parts[ecosystem] = p
		}
		return p
	}
	sources := map[string]*Source{}
	for name, s := range b.sources {
		c := *s
		c.Ecosystems = slices.Clone(s.Ecosystems)
		sources[name] = &c
		for _, e := range s.Ecosystems {
			at(e)
		}
	}
	spoken := map[[2]uint32]bool{} // source and ecosystem
	room := map[uint32]int{}       // statements by ecosystem
	for _, r := range records {
		for i := range r.affected {
			room[r.affected[i].ecosystem]++
		}
	}
	own := b.published(records)
	b.tellAliases(own, records)
	for _, r := range records {
		s := sources[b.names.list[r.source]]
		if s == nil {
			s = &Source{Name: b.names.list[r.source]}
			sources[s.Name] = s
		}
		stated := b.sources[s.Name]
		if stated == nil || stated.Records == 0 {
			s.Records++
		}
		if stated == nil || stated.Newest.IsZero() {
			for _, t := range [...]time.Time{r.published, r.modified} {
				if t.After(s.Newest) {
					s.Newest = t
				}
			}
		}
		for i := range r.affected {
			st := &r.affected[i]
			ecosystem := b.names.list[st.ecosystem]
			p := at(ecosystem)
			if k := [2]uint32{r.source, st.ecosystem}; !spoken[k] {
				spoken[k] = true
				s.Ecosystems = append(s.Ecosystems, ecosystem)
			}
			if b.repeated(own, r, st) {
				continue
			}
			if n := len(p.records); n == 0 || p.records[n-1] != r {
				p.records = append(p.records, r)
			}
			if p.entries == nil {
				p.entries = make([]entry, 0, room[st.ecosystem])
			}
			p.entries = append(p.entries, entry{st.name, uint32(len(p.records) - 1), st})
		}
	}
	b.hub.listed(sources, b.sources)
	var jobs []job
	for _, ecosystem := range slices.Sorted(maps.Keys(parts)) {
		p := parts[ecosystem]
		jobs = append(jobs, func() (Shard, []byte, error) {
			s := Shard{Kind: KindPackages, Name: slug(ecosystem), Ecosystem: ecosystem, Records: len(p.records)}
			file, packages, err := packagesShard(&b.names, ecosystem, p.records, p.entries)
			s.Packages = packages
			return s, file, err
		})
	}
	var list []Source
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		s := sources[name]
		slices.Sort(s.Ecosystems)
		s.Ecosystems = slices.Compact(s.Ecosystems)
		list = append(list, *s)
	}
	return jobs, list
}

// flawJobs encodes the shared shards: a flaw is in each for which it has something, and
// a shard without any is not written.
func (b *Builder) flawJobs() []job {
	flaws := b.gatherFlaws()
	ids := slices.Sorted(maps.Keys(flaws))
	in := &b.names
	name := func(id uint32) string { return in.list[id] }
	parts := map[string][]uint32{} // IDs stay sorted
	for _, id := range ids {
		k := bucket(in.list[id])
		parts[k] = append(parts[k], id)
	}
	var jobs []job
	for _, k := range slices.Sorted(maps.Keys(parts)) {
		jobs = append(jobs, func() (Shard, []byte, error) {
			rankOf := ranks()
			return sharedShard(KindFlaws, k, parts[k], name, func(id uint32, lists *flawLists) []byte {
				f := flaws[id]
				f.sortRatings(in, rankOf)
				sev, by := f.severity(in, rankOf)
				return f.appendFlaw(nil, sev, by, in, lists)
			})
		}, func() (Shard, []byte, error) {
			return sharedShard(KindText, k, parts[k], name, func(id uint32, lists *flawLists) []byte {
				if s := flaws[id].summary; s != "" {
					return binary.AppendUvarint(nil, lists.str(s))
				}
				return nil
			})
		})
	}
	return append(jobs, func() (Shard, []byte, error) {
		return sharedShard(KindEPSS, "", ids, name, func(id uint32, lists *flawLists) []byte {
			p := flaws[id].epss
			if p == nil {
				return nil
			}
			b := appendFraction(nil, p.Score)
			b = appendFraction(b, p.Percentile)
			return binary.AppendUvarint(b, lists.str(p.Date))
		})
	})
}

// ranks gives a function that ranks sources of severities and remembers the answers. It
// is for one goroutine.
func ranks() func(source string) int {
	known := map[string]int{}
	return func(source string) int {
		r, ok := known[source]
		if !ok {
			r = rank(severityOrder, source)
			known[source] = r
		}
		return r
	}
}

// sharedShard encodes a shared shard, or the part of it that a bucket names, of ids, which
// are in the order of their names. encode is called twice for each: first to learn the
// lists, then to write by their places; nothing is stored for nil.
func sharedShard[T any](kind Kind, bucket string, ids []T, name func(T) string, encode func(id T, lists *flawLists) []byte) (Shard, []byte, error) {
	lists := newFlawLists()
	for _, id := range ids {
		encode(id, lists)
	}
	strs := lists.number()
	var keys []string
	var bodies [][]byte
	for _, id := range ids {
		if b := encode(id, lists); b != nil {
			keys = append(keys, name(id))
			bodies = append(bodies, b)
		}
	}
	var parts [numSections][]byte
	y := shardSymbols(strs, keys)
	parts[secMeta] = appendMeta("", len(keys), 0, y)
	parts[secStrings] = appendStrings(nil, strs, y)
	parts[secContexts] = appendList(nil, inOrder(lists.contexts, func(s string) []byte { return []byte(s) }))
	parts[secOrigins] = appendList(nil, inOrder(lists.ratings, lists.rating))
	parts[secTable] = appendTable(nil, keys, bodies, y)
	parts[secBloom] = bloomOf(keys)
	file, err := seal(kind, parts)
	return Shard{Kind: kind, Name: strings.TrimSuffix(string(kind)+"-"+bucket, "-"), Packages: len(keys)}, file, err
}

// parallel runs n jobs on all processors until one fails or ctx ends.
func parallel(ctx context.Context, n int, do func(i int) error) error {
	var mu sync.Mutex
	next, failed := 0, error(nil)
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		if failed == nil {
			failed = ctx.Err()
		}
		if failed != nil || next == n {
			return -1
		}
		next++
		return next - 1
	}
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := take(); i >= 0; i = take() {
				if err := do(i); err != nil {
					mu.Lock()
					failed = cmpErr(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return failed
}

func cmpErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// putShard writes a shard unless it is there with the same content.
func putShard(path string, data []byte, sum [sha256.Size]byte) error {
	if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Size() == int64(len(data)) {
		if have, err := fileSum(context.Background(), path); err == nil && have == sum {
			return nil
		}
	}
	return replaceFile(path, data)
}

// replaceFile writes a file under a name of its own and renames it.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(f.Name())))
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// fileSum hashes a file, looking at ctx between pieces.
func fileSum(ctx context.Context, path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if err == io.EOF {
			h.Sum(sum[:0])
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
	}
}

// digestOf gives the digest of bytes as manifests write it.
func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
