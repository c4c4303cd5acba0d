package extract

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// chiselManifest reads what Canonical's chisel leaves in an Ubuntu image cut from
// slices of packages: zstd-compressed lines of JSON, sorted, the first of which
// names the form ("jsonwall" 1.0, schema 1.0; documentation.ubuntu.com/chisel).
// Source packages are not recorded there; each package stands for its own.
var chiselManifest = Extractor{
	Name: "chisel", Doc: "chisel manifest.wall", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return e.Kind == rootfs.Regular && (e.Path == "var/lib/chisel/manifest.wall" ||
			strings.HasSuffix(e.Path, "/chisel/manifest.wall"))
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("decompressing the manifest: %v", err)
		}
		defer z.Close()
		d := newOSDraft(f.Path, true)
		err = chiselRead(d, z)
		if err != nil && len(d.Packages) == 0 {
			return nil, err
		}
		return d.fragment(), err
	},
}

// Bounds on a manifest: its uncompressed size and its longest line. A real one has
// some 100 bytes for each file of a small image.
const (
	maxChisel     = 64 << 20
	maxChiselLine = 256 << 10
)

type chiselLine struct {
	Jsonwall string   `json:"jsonwall"`
	Schema   string   `json:"schema"`
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	Arch     string   `json:"arch"`
	Path     string   `json:"path"`
	Link     string   `json:"link"`
	Slices   []string `json:"slices"`
}

func chiselRead(d *osDraft, r io.Reader) error {
	limited := &io.LimitedReader{R: r, N: maxChisel}
	sc := bufio.NewScanner(limited)
	sc.Buffer(make([]byte, 16<<10), maxChiselLine)
	if !sc.Scan() {
		return errors.Join(errors.New("the chisel manifest is empty"), sc.Err())
	}
	var head chiselLine
	if err := json.Unmarshal(sc.Bytes(), &head); err != nil {
		return fmt.Errorf("reading the first line of the chisel manifest: %v", err)
	}
	if !strings.HasPrefix(head.Jsonwall, "1.") || !strings.HasPrefix(head.Schema, "1.") {
		return fmt.Errorf("the chisel manifest has the unknown form %.40q, schema %.40q", head.Jsonwall, head.Schema)
	}
	owns := map[string]int{} // package → index in d.Owns
	for sc.Scan() {
		b := bytes.TrimSpace(sc.Bytes())
		if len(b) == 0 || bytes.HasPrefix(b, []byte(`{"kind":"content"`)) || bytes.HasPrefix(b, []byte(`{"kind":"slice"`)) {
			continue
		}
		var l chiselLine
		if err := json.Unmarshal(b, &l); err != nil {
			d.note("reading a line of the chisel manifest: %v", err)
			continue
		}
		switch l.Kind {
		case "package":
			if l.Name == "" || l.Version == "" {
				d.note("package %.100q with version %.100q is not complete", l.Name, l.Version)
			} else if !d.add(inventory.Package{Name: l.Name, Version: l.Version, Type: "deb", Arch: l.Arch,
				Source: inventory.Source{Name: l.Name, Version: l.Version}}) {
				return nil
			}
		case "path":
			path := d.pathOf(nil, strings.TrimPrefix(l.Path, "/"))
			if l.Link != "" {
				continue
			}
			last := ""
			for _, s := range l.Slices {
				// A slice is named PACKAGE_SLICE, and no package has an underscore.
				pkg, _, _ := strings.Cut(s, "_")
				if pkg == last || pkg == "" || len(pkg) > maxOSName || len(path) == 0 {
					continue
				}
				last = pkg
				i, ok := owns[pkg]
				if !ok {
					i = len(d.Owns)
					owns[pkg] = i
					d.Owns = append(d.Owns, inventory.Owner{Package: pkg})
				}
				d.Owns[i].Paths = append(d.Owns[i].Paths, path...)
			}
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("reading the chisel manifest: %v", err)
	}
	if limited.N <= 0 {
		return fmt.Errorf("the chisel manifest has more than %d bytes", maxChisel)
	}
	if len(d.Packages) == 0 {
		return errors.New("the chisel manifest names no package")
	}
	return nil
}
