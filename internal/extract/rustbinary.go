package extract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// What cargo-auditable leaves in a program: a section named .dep-v0 that holds a JSON
// document compressed with zlib, listing the crates that were linked
// (github.com/rust-secure-code/cargo-auditable, PARSING.md). PE and Mach-O name their
// sections at the file's beginning. ELF does so at the end, when the section itself
// has passed: there whatever looks like the document is kept until the section table
// says that it was one.

const (
	binRustMaxPacked = 1 << 20 // bytes of the section
	binRustMaxJSON   = 8 << 20 // bytes of the document
	binRustMaxFinds  = 4       // documents in one file
	binRustMaxTries  = 1 << 17 // zlib headers looked at in one file
)

var binRustName = []byte(".dep-v0\x00")

// binRust is the state of looking for Rust's data.
type binRust struct {
	finds []binRustFind
	tries int
	z     io.ReadCloser
	named bool   // the section's name was seen
	table []byte // ELF's section table, as far as it has passed
}

type binRustFind struct {
	off, size int64 // compressed
	doc       []byte
	err       error
	large     bool
}

// findRust looks for audit data that begins at window index [from, to).
func (s *binScan) findRust(from, to int) error {
	r := &s.rust
	for _, d := range s.layout.dep {
		if at := d.off - s.base; at >= int64(from) && at < int64(to) && len(r.finds) < binRustMaxFinds {
			r.named = true
			if err := s.rustDocument(int(at), d.size); err != nil {
				return err
			}
		}
	}
	if !s.layout.elf {
		return nil
	}
	table := s.layout.sections
	err := s.ranges([]binSpan{table}, from, to, func(from, to int) error {
		r.table = append(r.table, s.buf[from:to]...)
		return nil
	})
	if err != nil {
		return err
	}
	if i := max(int(max(table.off-s.base, 0))-64<<10, from); i < to && table.size > 0 && !r.named {
		r.named = bytes.Contains(s.buf[i:min(to+len(binRustName), len(s.buf))], binRustName)
	}
	if s.golang.smell {
		return nil
	}
	return s.ranges(s.layout.rodata, from, to, s.rustStreams)
}

// rustStreams looks for a zlib stream of the document that begins at window [from, to).
func (s *binScan) rustStreams(from, to int) error {
	r := &s.rust
	for i := from; i < to && r.tries < binRustMaxTries && len(r.finds) < binRustMaxFinds; i++ {
		j := bytes.IndexByte(s.buf[i:to], 0x78)
		if j < 0 {
			return nil
		}
		i += j
		if i+16 > len(s.buf) {
			continue
		}
		switch s.buf[i+1] {
		case 0x01, 0x5e, 0x9c, 0xda: // the levels of compression
		default:
			continue
		}
		if s.buf[i+2]&6 == 6 {
			continue // no kind of block
		}
		r.tries++
		// The first bytes tell, at the cost of a short inflate that mostly fails at once.
		var start [12]byte
		n, _ := r.inflate(s.buf[i:min(i+4096, len(s.buf))], start[:])
		if !bytes.HasPrefix(start[:n], []byte(`{"packages"`)) && !bytes.HasPrefix(start[:n], []byte(`{"format":`)) {
			continue
		}
		if err := s.rustDocument(i, binRustMaxPacked); err != nil {
			return err
		}
	}
	return nil
}

// inflate reads from the zlib stream in packed until out is full.
func (r *binRust) inflate(packed, out []byte) (int, error) {
	src := bytes.NewReader(packed)
	if r.z == nil {
		z, err := zlib.NewReader(src)
		if err != nil {
			return 0, err
		}
		r.z = z
	} else if err := r.z.(zlib.Resetter).Reset(src, nil); err != nil {
		return 0, err
	}
	return io.ReadFull(r.z, out)
}

// rustDocument keeps the document at window index i, at most size bytes.
func (s *binScan) rustDocument(i int, size int64) error {
	find := binRustFind{off: s.base + int64(i)}
	packed, err := s.take(i, int(min(size, binRustMaxPacked)))
	if err != nil {
		return err
	}
	src := bytes.NewReader(packed)
	z, err := zlib.NewReader(src)
	if err == nil {
		find.doc, err = io.ReadAll(io.LimitReader(z, binRustMaxJSON+1))
	}
	if len(find.doc) > binRustMaxJSON || errors.Is(err, io.ErrUnexpectedEOF) && len(packed) == binRustMaxPacked {
		find.large, find.doc = true, nil
	}
	find.size, find.err = int64(len(packed)-src.Len()), err
	s.rust.finds = append(s.rust.finds, find)
	return nil
}

// section reports whether ELF's section table has a section that begins with the find
// and holds all of it.
func (r *binRust) section(l *binLayout, f binRustFind) bool {
	for t := r.table; l.shentsize >= 40 && len(t) >= l.shentsize; t = t[l.shentsize:] {
		var off, size uint64
		if l.wide {
			off, size = l.order.Uint64(t[24:]), l.order.Uint64(t[32:])
		} else {
			off, size = uint64(l.order.Uint32(t[16:])), uint64(l.order.Uint32(t[20:]))
		}
		if off == uint64(f.off) && size >= uint64(f.size) {
			return true
		}
	}
	return false
}

// report adds what was found to out.
func (r *binRust) report(s *binScan, out *inventory.Fragment) {
	done := false
	for _, f := range r.finds {
		if s.layout.elf && !r.section(&s.layout, f) {
			continue // data that the program carries, not what it is made of
		}
		done = true
		if f.large {
			out.Unknowns = append(out.Unknowns, inventory.Unknown{Reason: inventory.LimitExceeded, Subject: s.path,
				Detail: "its list of Rust crates is larger than may be held"})
			continue
		}
		err := f.err
		if err == nil {
			err = binRustPackages(f.doc, out)
		}
		if err != nil {
			out.Unknowns = append(out.Unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: s.path,
				Detail: "reading its list of Rust crates: " + err.Error()})
		}
	}
	if r.named && !done && !s.golang.smell {
		out.Unknowns = append(out.Unknowns, inventory.Unknown{Reason: inventory.LimitExceeded, Subject: s.path,
			Detail: "it has a list of Rust crates (.dep-v0) that could not be located while reading forward"})
	}
}

// binRustPackages adds the crates of one document: all but those that only took part
// in the build.
func binRustPackages(doc []byte, out *inventory.Fragment) error {
	var list struct {
		Packages []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
			Kind    string `json:"kind"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(doc, &list); err != nil {
		return fmt.Errorf("not the JSON that is expected: %v", err)
	}
	for _, p := range list.Packages {
		if p.Kind == "build" || p.Name == "" {
			continue
		}
		out.Packages = append(out.Packages, inventory.Package{Type: "cargo", Name: p.Name, Version: p.Version, Evidence: inventory.Binary})
	}
	return nil
}
