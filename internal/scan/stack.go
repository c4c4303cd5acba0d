package scan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/inventory"
)

// Besides the facts of layers the cache keeps what became of them when they were stacked,
// by the layers' digests in their order. It depends on how this program stacks and
// merges, so it is kept for one build of it alone.

// oldStacks is after what time without use what another build kept is removed.
const oldStacks = 30 * 24 * time.Hour

// KeepStacks makes c keep what stacked layers hold, for the build of the program that
// program names, which must not be the name of another. It is called before c is used. A
// folder that cannot be written to keeps nothing.
func (c *Cache) KeepStacks(program string) {
	set := sha256.Sum256([]byte(c.dir + "\x00" + program))
	all := filepath.Join(filepath.Dir(c.seen), "stacks")
	dir := filepath.Join(all, hex.EncodeToString(set[:8]))
	_ = os.MkdirAll(all, 0o700) // if not, the next fails
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil: // this build is new here
		removeOld(all, time.Now().Add(-oldStacks))
	case !errors.Is(err, fs.ErrExist):
		return
	}
	c.stacks = dir
}

// removeOld removes the folders in dir in which nothing was written since.
func removeOld(dir string, since time.Time) {
	builds, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, b := range builds {
		if st, err := b.Info(); err == nil && st.IsDir() && st.ModTime().Before(since) {
			_ = os.RemoveAll(filepath.Join(dir, b.Name())) // the next build tries again
		}
	}
}

// stackFile names the entry of a stack; empty if nothing is kept for it: without its
// digest a layer may be any.
func (c *Cache) stackFile(layers []image.Layer) string {
	if c == nil || c.stacks == "" || len(layers) == 0 {
		return ""
	}
	h := sha256.New()
	for _, l := range layers {
		if l.Digest.Validate() != nil {
			return ""
		}
		fmt.Fprintf(h, "%s %s\n", l.Digest, l.DiffID)
	}
	return filepath.Join(c.stacks, "sha256-"+hex.EncodeToString(h.Sum(nil)))
}

// stack is what stacked layers hold.
type stack struct {
	diffIDs   []image.Digest
	inventory *inventory.Inventory
}

// stacked gives what is known of a stack of layers whose bytes were verified; nil if it has
// to be put together.
func (s *Scanner) stacked(layers []image.Layer) *stack {
	name := s.Cache.stackFile(layers)
	if name == "" {
		return nil
	}
	for _, l := range layers {
		if l.Local != "" && !s.verified(l) {
			return nil
		}
	}
	body, err := readEntry(name)
	if err != nil {
		return nil
	}
	st, err := decodeStack(body)
	if err != nil || len(st.diffIDs) != len(layers) {
		return nil
	}
	for _, l := range layers {
		st.inventory.Layers = append(st.inventory.Layers, l.Digest)
	}
	return st
}

// keepStack keeps what layers hold, if each was read to its end.
func (s *Scanner) keepStack(layers []image.Layer, facts []*layerFacts, inv *inventory.Inventory) {
	name := s.Cache.stackFile(layers)
	if name == "" {
		return
	}
	st := stack{inventory: inv}
	for _, f := range facts {
		if !f.complete() || f.partial {
			return
		}
		st.diffIDs = append(st.diffIDs, f.changes.DiffID)
	}
	writeAtomic(name, entry(encodeStack(&st)))
}

func encodeStack(st *stack) []byte {
	e := &encoder{}
	e.num(uint64(len(st.diffIDs)))
	for _, d := range st.diffIDs {
		e.str(string(d))
	}
	inv := st.inventory
	e.distro(inv.Distro)
	e.strs(inv.Repositories)
	e.unknowns(inv.Unknowns)
	locations := 0
	for i := range inv.Packages {
		locations += len(inv.Packages[i].Locations)
	}
	e.num(uint64(locations))
	e.num(uint64(len(inv.Packages)))
	for i := range inv.Packages {
		p := &inv.Packages[i]
		e.pkg(p)
		e.str(p.OwnedBy)
		e.num(uint64(len(p.Locations)))
		for _, l := range p.Locations {
			e.str(l.Path)
			e.num(uint64(l.Layer + 1)) // -1 is none
			e.bit(l.Main)
		}
	}
	return e.b
}

func decodeStack(s string) (*stack, error) {
	d := &decoder{s: s}
	st := &stack{diffIDs: make([]image.Digest, d.count()), inventory: &inventory.Inventory{}}
	for i := range st.diffIDs {
		st.diffIDs[i] = image.Digest(d.str())
	}
	inv := st.inventory
	inv.Distro = d.distro()
	inv.Repositories = d.strs()
	inv.Unknowns = d.unknowns()
	room := make([]inventory.Location, d.count())
	if n := d.count(); n > 0 {
		inv.Packages = make([]inventory.Package, n)
	}
	for i := range inv.Packages {
		p := &inv.Packages[i]
		d.pkg(p)
		p.OwnedBy = d.str()
		n := d.count()
		if n > len(room) {
			d.fail()
		}
		if d.err != nil {
			break
		}
		if n > 0 {
			p.Locations, room = room[:n:n], room[n:]
		}
		for j := range p.Locations {
			p.Locations[j] = inventory.Location{Path: d.str(), Layer: int(d.num()) - 1, Main: d.num() == 1}
		}
	}
	if d.err == nil && d.s != "" {
		d.fail()
	}
	if d.err != nil {
		return nil, fmt.Errorf("reading what is cached of stacked layers: %w", d.err)
	}
	return st, nil
}
