package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// binaryExtractor reads executables and shared libraries (ELF, PE, Mach-O): the
// modules that the Go linker records, the crates that cargo-auditable records, and
// the version of well-known runtimes (signature.go). A file is read forward once
// through a window of bounded size, whatever its own size is.
var binaryExtractor = Extractor{
	Name: "binary", Doc: "executables: Go build info, Rust audit data, signatures of runtimes", Version: 2,
	Want:    binWant,
	Named:   func(e rootfs.Entry) bool { return len(binSigsFor(e.Path)) > 0 },
	Extract: binExtract,
}

// binMinSize is below any executable that a linker makes with data worth reading.
const binMinSize = 256

func binWant(e rootfs.Entry) bool {
	if e.Kind != rootfs.Regular || e.Size < binMinSize {
		return false
	}
	if e.Mode&0o111 != 0 {
		return true
	}
	name := e.Base()
	if i := strings.Index(name, ".so"); i >= 0 && (len(name) == i+3 || name[i+3] == '.') {
		return true
	}
	for _, suffix := range [...]string{".exe", ".dll", ".dylib", ".EXE", ".DLL"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return strings.HasPrefix(name, "libcrypto") || strings.HasPrefix(name, "libpython")
}

const (
	// binHeld is the size up to which a file is scanned where it lies in memory.
	binHeld = 1 << 20
	// binWindow is how much of a larger file is in memory at once. It stays in the
	// processor's second-level cache, where the bytes just inflated are.
	binWindow = 256 << 10
	// binCapture is the most that the window grows for one find: the module list of
	// the largest known Go programs is below 100 kB, audit data below 50 kB.
	binCapture = 4 << 20
	// binBack and binAhead are the bytes before and after a find that are in the
	// window together with it.
	binBack  = 64
	binAhead = 512
)

func binExtract(ctx context.Context, f *rootfs.File) (*inventory.Fragment, error) {
	s := &binScan{path: f.Path, size: f.Size}
	if f.Size <= binHeld {
		body, err := f.Bytes()
		if err != nil {
			return nil, fmt.Errorf("reading an executable: %w", err)
		}
		if !binMagic(body) {
			return nil, nil
		}
		s.buf, s.eof = body, true
	} else {
		head := make([]byte, 64)
		if _, err := io.ReadFull(f, head); err != nil {
			return nil, fmt.Errorf("reading an executable: %w", err)
		}
		if !binMagic(head) {
			return nil, nil
		}
		s.r, s.buf = f, append(make([]byte, 0, binWindow), head...)
	}
	if err := s.run(ctx); err != nil {
		return s.fragment(), fmt.Errorf("reading an executable: %w", err)
	}
	return s.fragment(), nil
}

// binScan goes through one file.
type binScan struct {
	path string
	size int64

	r    io.Reader // nil when the whole is in buf
	buf  []byte    // the window
	base int64     // offset in the file of buf[0]
	eof  bool      // nothing follows the window

	layout binLayout
	golang binGo
	rust   binRust
	sigs   []binSig
}

// fill reads until the window holds at least want bytes or the file ends.
func (s *binScan) fill(want int) error {
	for len(s.buf) < want && !s.eof {
		if cap(s.buf) < want {
			grown := make([]byte, len(s.buf), max(want, 2*cap(s.buf)))
			copy(grown, s.buf)
			s.buf = grown
		}
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if errors.Is(err, io.EOF) {
			s.eof = true
			if got := s.base + int64(len(s.buf)); got < s.size {
				return fmt.Errorf("it ends after %d of %d bytes: %w", got, s.size, io.ErrUnexpectedEOF)
			}
		} else if err != nil {
			return err
		}
	}
	return nil
}

// take gives up to n bytes from window index i on, reading further if needed; fewer
// only at the file's end. n is at most binCapture. The slice is valid until the next
// call of take or fill.
func (s *binScan) take(i, n int) ([]byte, error) {
	n = min(n, binCapture)
	if err := s.fill(i + n); err != nil {
		return nil, err
	}
	if i > len(s.buf) {
		return nil, nil
	}
	return s.buf[i:min(i+n, len(s.buf))], nil
}

func (s *binScan) run(ctx context.Context) error {
	if err := s.fill(min(binWindow, cap(s.buf))); err != nil {
		return err
	}
	s.layout = binReadLayout(s.buf, s.size)
	s.golang.smell = binGoSmell(s.buf)
	s.sigs = binSigsFor(s.path)
	from := 0
	for {
		to := len(s.buf)
		if !s.eof {
			to -= binAhead
		}
		if err := s.find(from, to); err != nil {
			return err
		}
		if s.eof && to >= len(s.buf) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		keep := max(to-binBack, 0)
		n := copy(s.buf, s.buf[keep:])
		s.buf, s.base = s.buf[:n], s.base+int64(keep)
		from = to - keep
		if err := s.fill(min(n+1, cap(s.buf))); err != nil { // one Read at least
			return err
		}
		if err := s.fill(binWindow); err != nil {
			return err
		}
	}
}

// find looks for everything that begins at window index [from, to).
func (s *binScan) find(from, to int) error {
	if from >= to {
		return nil
	}
	if err := s.findGo(from, to); err != nil {
		return err
	}
	if err := s.findRust(from, to); err != nil {
		return err
	}
	for i := range s.sigs {
		s.sigs[i].find(s.buf, from, to)
	}
	return nil
}

// fragment joins what was found; nil if nothing was.
func (s *binScan) fragment() *inventory.Fragment {
	out := &inventory.Fragment{}
	if s.layout.packed {
		out.Unknowns = append(out.Unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: s.path,
			Detail: "packed executable (UPX), its contents cannot be read"})
	}
	s.golang.report(s, out)
	s.rust.report(s, out)
	for i := range s.sigs {
		s.sigs[i].report(s.path, out)
	}
	if len(out.Packages) == 0 && len(out.Unknowns) == 0 {
		return nil
	}
	return out
}

// ranges calls fn with the parts of window [from, to) that lie in spans, in terms of
// the window.
func (s *binScan) ranges(spans []binSpan, from, to int, fn func(from, to int) error) error {
	for _, r := range spans {
		a, b := max(r.off-s.base, int64(from)), min(r.end()-s.base, int64(to))
		if a < b {
			if err := fn(int(a), int(b)); err != nil {
				return err
			}
		}
	}
	return nil
}
