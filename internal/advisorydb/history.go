package advisorydb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The files of a folder of snapshots besides shards/: the manifest in force, every
// manifest that was with its signature, the keys that are trusted, where updates
// come from, and the digest of an older snapshot that was chosen on purpose.
const (
	manifestName = "manifest.json"
	snapshotsDir = "snapshots"
	trustedName  = "trusted.pem"
	remoteName   = "remote"
	pinnedName   = "pinned"
)

// ErrRollback is wrapped by errors about a snapshot that is older than one that was in
// force before.
var ErrRollback = errors.New("the snapshot is older than one that was in force before")

// Snapshot is one that a folder holds.
type Snapshot struct {
	// Name is its file's, without ending: time of making and the beginning of its digest.
	Name    string
	Created time.Time
	// Current is set for the one in force.
	Current bool
}

const stampForm = "20060102T150405Z"

// snapshotName names a manifest's file below snapshots/ so that names sort by time.
func snapshotName(created time.Time, digest string) string {
	return created.UTC().Format(stampForm) + "-" + digest[len("sha256:"):][:16]
}

// History lists the snapshots of a folder, the oldest first.
func History(dir string) ([]Snapshot, error) {
	list, err := history(dir)
	if err != nil {
		return nil, err
	}
	if b, err := readSmall(filepath.Join(dir, manifestName), maxManifest); err == nil {
		if m, err := ParseManifest(b); err == nil {
			current := snapshotName(m.Created, digestOf(b))
			for i := range list {
				list[i].Current = list[i].Name == current
			}
		}
	}
	return list, nil
}

func history(dir string) ([]Snapshot, error) {
	entries, err := os.ReadDir(filepath.Join(dir, snapshotsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the snapshots of %s: %w", dir, err)
	}
	var out []Snapshot
	for _, e := range entries { // sorted by name
		name, ok := strings.CutSuffix(e.Name(), ".json")
		stamp, _, dash := strings.Cut(name, "-")
		if t, err := time.Parse(stampForm, stamp); ok && dash && err == nil {
			out = append(out, Snapshot{Name: name, Created: t})
		}
	}
	return out, nil
}

// Options say which snapshot of a folder is opened, and what it must prove. The zero
// Options open the one in force.
type Options struct {
	// AsOf opens the snapshot that was in force then: the latest one made until that
	// moment. If none is so old the oldest there is. Zero opens the one in force now.
	AsOf time.Time
	// Digest opens the one with that digest or, of at least twelve digits, beginning.
	Digest string
	// Keys are trusted besides those in the folder's own file. With any, the snapshot
	// must bear a signature by one.
	Keys []Key
	// Remote is where shards are fetched from that are not there yet; nil for nowhere.
	Remote Remote
}

// choose reads the manifest that o asks for.
func (o Options) choose(dir string) ([]byte, error) {
	if o.AsOf.IsZero() && o.Digest == "" {
		return readSmall(filepath.Join(dir, manifestName), maxManifest)
	}
	list, err := history(dir)
	if err != nil {
		return nil, err
	}
	name := ""
	if o.Digest != "" {
		want := strings.TrimPrefix(o.Digest, "sha256:")
		i := slices.IndexFunc(list, func(s Snapshot) bool {
			_, part, _ := strings.Cut(s.Name, "-")
			return len(want) >= 12 && strings.HasPrefix(part, want[:min(len(want), 16)])
		})
		if i < 0 {
			return nil, fmt.Errorf("%s holds no snapshot %s: %w", dir, o.Digest, fs.ErrNotExist)
		}
		name = list[i].Name
	} else if len(list) > 0 {
		name = list[0].Name
		for _, s := range list {
			if !s.Created.After(o.AsOf) {
				name = s.Name
			}
		}
	}
	if name == "" { // without history, the only one there is
		return readSmall(filepath.Join(dir, manifestName), maxManifest)
	}
	manifest, err := readSmall(filepath.Join(dir, snapshotsDir, name+".json"), maxManifest)
	if err == nil && o.Digest != "" && !strings.HasPrefix(strings.TrimPrefix(digestOf(manifest), "sha256:"), strings.TrimPrefix(o.Digest, "sha256:")) {
		return nil, fmt.Errorf("%s holds no snapshot %s: %w", dir, o.Digest, fs.ErrNotExist)
	}
	return manifest, err
}

// check holds a manifest that is about to be used against the folder's keys and history.
func (o Options) check(dir string, m Manifest, raw []byte, digest string) error {
	keys := o.Keys
	trusted, err := ReadKeys(filepath.Join(dir, trustedName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	name := snapshotName(m.Created, digest)
	if keys = append(keys[:len(keys):len(keys)], trusted...); len(keys) > 0 {
		sig, err := readSmall(filepath.Join(dir, snapshotsDir, name+".sig"), maxSignatureFile)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, err := Verify(raw, sig, keys); err != nil {
			return err
		}
	}
	if !o.AsOf.IsZero() || o.Digest != "" {
		return nil // an older one is asked for
	}
	list, err := history(dir)
	if err != nil || len(list) == 0 || !m.Created.Before(list[len(list)-1].Created) {
		return err
	}
	if pinned, err := readSmall(filepath.Join(dir, pinnedName), 256); err == nil && strings.TrimSpace(string(pinned)) == digest {
		return nil
	}
	return fmt.Errorf("%w: it is of %s, and there was one of %s; to go back on purpose, pull or build it with --allow-older", ErrRollback,
		m.Created.Format(time.RFC3339), list[len(list)-1].Created.Format(time.RFC3339))
}

// install makes a manifest, whose shards are in place, the one in force. An older one
// than was in force before is refused unless that is asked for. The manifest comes last,
// and readers that opened another go on with that.
func install(dir string, raw, signatures []byte, older bool) error {
	m, err := ParseManifest(raw)
	if err != nil {
		return err
	}
	list, err := history(dir)
	if err != nil {
		return err
	}
	back := len(list) > 0 && m.Created.Before(list[len(list)-1].Created)
	if back && !older {
		return fmt.Errorf("%w: it is of %s, and there is one of %s", ErrRollback,
			m.Created.Format(time.RFC3339), list[len(list)-1].Created.Format(time.RFC3339))
	}
	if err := os.MkdirAll(filepath.Join(dir, snapshotsDir), 0o755); err != nil {
		return fmt.Errorf("making the snapshot's folder: %w", err)
	}
	name := filepath.Join(dir, snapshotsDir, snapshotName(m.Created, digestOf(raw)))
	put := func(path string, data []byte) {
		if err == nil && len(data) > 0 {
			err = replaceFile(path, data)
		}
	}
	put(name+".sig", signatures)
	if back {
		put(filepath.Join(dir, pinnedName), []byte(digestOf(raw)+"\n"))
	}
	// The history comes last: a reader that finds it newer than the manifest it has read
	// will find the newer manifest as well.
	put(filepath.Join(dir, manifestName), raw)
	put(name+".json", raw)
	if err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return nil
}

// settled is how old a shard must be before it counts as left over: another process may
// have written it for a manifest that is about to come.
const settled = time.Hour

// Prune takes away the snapshots made before a time, but never the one in force, and the
// shards that no other needs. It gives how many of each went, and their bytes.
// Whoever has them open goes on reading them where the system allows that.
func Prune(ctx context.Context, dir string, before time.Time) (snapshots, shards int, bytes int64, err error) {
	list, err := History(dir)
	if err != nil {
		return 0, 0, 0, err
	}
	needed := map[string]bool{}
	keep := func(path string) error {
		b, err := readSmall(path, maxManifest)
		if err != nil {
			return err
		}
		m, err := ParseManifest(b)
		if errors.Is(err, ErrSchema) {
			return nil // nobody here can read what it names
		}
		for _, s := range m.Shards {
			needed[filepath.Base(shardPath(s.Digest))] = true
		}
		return err
	}
	if err := keep(filepath.Join(dir, manifestName)); err != nil {
		return 0, 0, 0, fmt.Errorf("pruning the snapshots of %s: %w", dir, err)
	}
	for _, s := range list {
		path := filepath.Join(dir, snapshotsDir, s.Name)
		if s.Current || !s.Created.Before(before) {
			if err := keep(path + ".json"); err != nil {
				return snapshots, shards, bytes, fmt.Errorf("pruning the snapshots of %s: %w", dir, err)
			}
			continue
		}
		if err := os.Remove(path + ".json"); err != nil {
			return snapshots, shards, bytes, err
		}
		os.Remove(path + ".sig")
		snapshots++
	}
	entries, err := os.ReadDir(filepath.Join(dir, "shards"))
	if err != nil {
		return snapshots, shards, bytes, err
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return snapshots, shards, bytes, ctx.Err()
		}
		st, err := e.Info()
		if err != nil || needed[e.Name()] || !st.Mode().IsRegular() || time.Since(st.ModTime()) < settled {
			continue
		}
		if os.Remove(filepath.Join(dir, "shards", e.Name())) == nil {
			shards++
			bytes += st.Size()
		}
	}
	return snapshots, shards, bytes, nil
}
