package scan

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/plimsoll/plimsoll/internal/image"
)

// Cache keeps what was read from layers, by the layer's digest and the set of
// extractors that read it, and if asked ([Cache.KeepStacks]) what layers hold together.
// Entries are written under a temporary name and renamed,
// so any number of processes may share one folder without a lock; a damaged entry
// is ignored and written anew. Only digests that were verified become keys.
type Cache struct {
	dir string // layers/<extractor set>
	// seen holds marks for local files whose bytes were verified.
	seen string
	// stacks holds what stacked layers hold; empty if that is not kept.
	stacks string
}

// OpenCache uses dir, making it if needed, for facts read by the extractor set that
// version names (extract.SetVersion).
func OpenCache(dir, version string) (*Cache, error) {
	set := sha256.Sum256(fmt.Appendf(nil, "%d;%s", wireVersion, version))
	c := &Cache{dir: filepath.Join(dir, "layers", hex.EncodeToString(set[:8])), seen: filepath.Join(dir, "seen")}
	for _, d := range []string{c.dir, c.seen} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("opening the layer cache: %w", err)
		}
	}
	return c, nil
}

func (c *Cache) file(d image.Digest) string {
	return filepath.Join(c.dir, d.Algorithm()+"-"+d.Hex())
}

// get gives the facts of a layer, or nil if there are none that can be used.
func (c *Cache) get(l image.Layer) *layerFacts {
	if c == nil || l.Digest.Validate() != nil {
		return nil
	}
	body, err := readEntry(c.file(l.Digest))
	if err != nil {
		return nil
	}
	f, err := decodeLayer(body)
	if err != nil || l.DiffID != "" && f.changes.DiffID != l.DiffID {
		return nil
	}
	f.cached = true
	return f
}

// put stores the facts of a layer that was read to its end and verified, under each
// of keys. A cache that cannot be written is no reason to fail a scan.
func (c *Cache) put(f *layerFacts, keys ...image.Digest) {
	if c == nil {
		return
	}
	e := entry(encodeLayer(f))
	done := map[image.Digest]bool{"": true}
	for _, d := range keys {
		if done[d] || d.Validate() != nil {
			continue
		}
		done[d] = true
		writeAtomic(c.file(d), e)
	}
}

// entry puts the checksum before a body.
func entry(body []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, checksum(body)), body...)
}

// readEntry gives the body of an entry that is whole. Strings may share its bytes, which
// are never changed.
func readEntry(name string) (string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	if len(b) < sumSize || binary.LittleEndian.Uint64(b) != checksum(b[sumSize:]) {
		return "", errWire
	}
	return unsafe.String(unsafe.SliceData(b[sumSize:]), len(b)-sumSize), nil
}

// checksum guards an entry against accidents: a full disk, a copy cut short. Whoever may
// write to the cache can do as they like anyway.
func checksum(b []byte) uint64 {
	return uint64(crc32.Checksum(b, castagnoli)) | uint64(len(b))<<32
}

const sumSize = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func writeAtomic(name string, b []byte) {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return
	}
	_, err = tmp.Write(b)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
}

func (c *Cache) mark(l image.Layer) string {
	sum := sha256.Sum256([]byte(l.Local + "\x00" + string(l.Digest)))
	return filepath.Join(c.seen, hex.EncodeToString(sum[:16]))
}

// verified reports whether these very bytes on disk were verified before. A layer
// that is not local has its bytes named by digest alone.
func (c *Cache) verified(l image.Layer) bool {
	if c == nil || l.Local == "" {
		return l.Local == ""
	}
	_, err := os.Stat(c.mark(l))
	return err == nil
}

func (c *Cache) setVerified(l image.Layer) {
	if c != nil && l.Local != "" {
		writeAtomic(c.mark(l), nil)
	}
}
