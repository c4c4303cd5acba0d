package scan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// The cache's own format: unsigned varints and length-prefixed strings, paths
// written as what they share with the one before. It is read by no other program,
// and any change to it raises wireVersion.
const wireVersion = 5

type encoder struct {
	b    []byte
	last string
}

func (e *encoder) num(n uint64) { e.b = binary.AppendUvarint(e.b, n) }

func (e *encoder) str(s string) {
	e.num(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) strs(ss []string) {
	e.num(uint64(len(ss)))
	for _, s := range ss {
		e.str(s)
	}
}

func (e *encoder) bit(v bool) {
	if v {
		e.num(1)
	} else {
		e.num(0)
	}
}

// path writes s as the length it shares with the last path and the rest.
func (e *encoder) path(s string) {
	n := 0
	for n < len(s) && n < len(e.last) && s[n] == e.last[n] {
		n++
	}
	e.num(uint64(n))
	e.str(s[n:])
	e.last = s
}

func (e *encoder) paths(ss []string) {
	e.num(uint64(len(ss)))
	for _, s := range ss {
		e.path(s)
	}
}

func encodeLayer(f *layerFacts) []byte {
	e := &encoder{}
	c := f.changes
	e.str(string(c.DiffID))
	e.num(uint64(c.Size))
	e.b = c.Entries.AppendBinary(e.b)
	e.paths(c.Whiteouts)
	e.paths(c.Opaque)
	e.num(uint64(len(f.fragments)))
	for i := range f.fragments {
		e.fragment(&f.fragments[i])
	}
	e.unknowns(f.unknowns)
	return e.b
}

func (e *encoder) unknowns(us []inventory.Unknown) {
	e.num(uint64(len(us)))
	for _, u := range us {
		e.str(string(u.Reason))
		e.str(u.Subject)
		e.str(u.Detail)
	}
}

func (e *encoder) fragment(f *inventory.Fragment) {
	e.str(f.Extractor)
	e.path(f.Path)
	e.bit(f.Database)
	e.num(uint64(len(f.Packages)))
	for i := range f.Packages {
		p := &f.Packages[i]
		e.pkg(p)
		e.bit(p.Main)
		e.num(uint64(len(p.Locations)))
		for _, l := range p.Locations {
			e.str(l.Path)
		}
	}
	e.distro(f.Distro)
	e.strs(f.Repositories)
	e.num(uint64(len(f.Owns)))
	for _, o := range f.Owns {
		e.str(o.Package)
		e.paths(o.Paths)
	}
	e.unknowns(f.Unknowns)
}

// pkg writes a package but for its places.
func (e *encoder) pkg(p *inventory.Package) {
	for _, s := range [...]string{p.Name, p.Version, p.Type, p.Namespace, p.Source.Name, p.Source.Version, p.Arch, p.Module, p.Vendor, p.SHA1, p.Broken} {
		e.str(s)
	}
	e.strs(p.Licenses)
	e.num(uint64(p.Evidence))
	e.bit(p.Dev)
}

func (e *encoder) distro(d *inventory.Distro) {
	e.bit(d != nil)
	if d == nil {
		return
	}
	for _, s := range [...]string{d.ID, d.VersionID, d.Name, d.Codename, d.CPE} {
		e.str(s)
	}
	e.strs(d.IDLike)
}

var errWire = errors.New("malformed cache entry")

// decoder reads what encoder wrote. Strings share the memory of s. After an error all
// reads give zero values; err is asked once at the end.
type decoder struct {
	s     string
	last  string
	arena []byte // paths are put together in here, many to an allocation
	// unfold is how many bytes of paths may still be put together. Real paths share
	// less than nine tenths with the one before.
	unfold int
	err    error
}

func (d *decoder) num() uint64 {
	var n uint64
	for i := 0; i < len(d.s) && i < 10; i++ {
		c := d.s[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.s = d.s[i+1:]
			return n
		}
	}
	d.fail()
	return 0
}

func (d *decoder) fail() {
	d.err = errWire
	d.s = ""
}

// count reads the length of a list whose items take at least one byte each, so that
// no length makes us allocate more than the entry's own size allows.
func (d *decoder) count() int {
	n := d.num()
	if n > uint64(len(d.s)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) str() string {
	n := d.count()
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

func (d *decoder) strs() []string {
	n := d.count()
	if n == 0 {
		return nil
	}
	out := make([]string, n)
	for i := range out {
		out[i] = d.str()
	}
	return out
}

func (d *decoder) path() string {
	n := d.num()
	rest := d.str()
	if n > uint64(len(d.last)) {
		d.fail()
		return ""
	}
	if n == 0 {
		d.last = rest
		return rest
	}
	need := int(n) + len(rest)
	if d.unfold -= need; d.unfold < 0 {
		d.fail()
		return ""
	}
	if cap(d.arena)-len(d.arena) < need {
		d.arena = make([]byte, 0, max(need, 64<<10))
	}
	at := len(d.arena)
	d.arena = append(append(d.arena, d.last[:n]...), rest...)
	// What is in the arena is never written again.
	d.last = unsafe.String(unsafe.SliceData(d.arena[at:]), need)
	return d.last
}

func (d *decoder) paths() []string {
	n := d.count()
	if n == 0 {
		return nil
	}
	out := make([]string, n)
	for i := range out {
		out[i] = d.path()
	}
	return out
}

func decodeLayer(s string) (*layerFacts, error) {
	d := &decoder{s: s, unfold: 1<<20 + 64*len(s)}
	c := &rootfs.Changes{DiffID: image.Digest(d.str()), Size: int64(d.num())}
	var ok bool
	if c.Entries, d.s, ok = rootfs.ReadEntries(d.s); !ok {
		d.fail()
	}
	c.Whiteouts, c.Opaque = d.paths(), d.paths()
	f := &layerFacts{changes: c, fragments: make([]inventory.Fragment, d.count())}
	for i := range f.fragments {
		if d.fragment(&f.fragments[i]); d.err != nil {
			break
		}
	}
	f.unknowns = d.unknowns()
	if d.err == nil && d.s != "" {
		d.err = errWire
	}
	if d.err != nil {
		return nil, fmt.Errorf("reading the cached facts of a layer: %w", d.err)
	}
	return f, nil
}

func (d *decoder) unknowns() []inventory.Unknown {
	n := d.count()
	if n == 0 {
		return nil
	}
	out := make([]inventory.Unknown, n)
	for i := range out {
		out[i] = inventory.Unknown{Reason: inventory.Reason(d.str()), Subject: d.str(), Detail: d.str()}
	}
	return out
}

func (d *decoder) fragment(f *inventory.Fragment) {
	f.Extractor, f.Path, f.Database = d.str(), d.path(), d.num() == 1
	if n := d.count(); n > 0 {
		f.Packages = make([]inventory.Package, n)
	}
	for i := range f.Packages {
		p := &f.Packages[i]
		d.pkg(p)
		p.Main = d.num() == 1
		if n := d.count(); n > 0 {
			p.Locations = make([]inventory.Location, n)
		}
		for j := range p.Locations {
			p.Locations[j].Path = d.str()
		}
		if d.err != nil {
			return
		}
	}
	f.Distro = d.distro()
	f.Repositories = d.strs()
	if n := d.count(); n > 0 {
		f.Owns = make([]inventory.Owner, n)
	}
	for i := range f.Owns {
		f.Owns[i] = inventory.Owner{Package: d.str(), Paths: d.paths()}
	}
	f.Unknowns = d.unknowns()
}

func (d *decoder) pkg(p *inventory.Package) {
	for _, s := range [...]*string{&p.Name, &p.Version, &p.Type, &p.Namespace, &p.Source.Name, &p.Source.Version, &p.Arch, &p.Module, &p.Vendor, &p.SHA1, &p.Broken} {
		*s = d.str()
	}
	p.Licenses = d.strs()
	p.Evidence = inventory.Evidence(d.num())
	p.Dev = d.num() == 1
}

func (d *decoder) distro() *inventory.Distro {
	if d.num() != 1 {
		return nil
	}
	o := &inventory.Distro{}
	for _, s := range [...]*string{&o.ID, &o.VersionID, &o.Name, &o.Codename, &o.CPE} {
		*s = d.str()
	}
	o.IDLike = d.strs()
	return o
}
