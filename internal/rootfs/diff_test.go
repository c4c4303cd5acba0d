package rootfs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

// stacks is how many random images the differential test unpacks; those that the
// reference refuses do not count as compared.
const stacks = 64

// TestAgainstUmoci stacks random layers and holds the View against what umoci, an
// implementation of the OCI image spec by other people, unpacks: the same regular
// files with the same content at the same real paths.
//
// Left out, since the order of entries within one tar would decide, and tars written
// from a file system never have it: an entry below a link that the same layer makes,
// a whiteout of a link below which the same layer has entries, and a folder named
// after its own content or after a whiteout in it. Where one layer names one file in two ways, by a link and by
// its real path, the View says that both are there and umoci has the later one.
func TestAgainstUmoci(t *testing.T) {
	umoci := imagetest.Tool(t, "umoci")
	compared := make(chan bool, stacks)
	t.Run("stacks", func(t *testing.T) {
		for seed := range uint64(stacks) {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				t.Parallel()
				var layers [][]imagetest.Entry
				var want map[string]string
				err := errors.New("not tried")
				for try := uint64(0); err != nil; try++ {
					if try == 6 {
						compared <- false
						t.Logf("umoci refuses all: %v", err)
						return
					}
					layers = randomStack(seed, try)
					want, err = unpack(t, umoci, layers)
				}
				compared <- true
				if diff := differences(want, viewed(t, layers)); diff != nil {
					t.Errorf("seed %d:\n%s\nlayers:\n%s", seed, strings.Join(diff, "\n"), describeStack(layers))
				}
			})
		}
	})
	close(compared)
	n := 0
	for ok := range compared {
		if ok {
			n++
		}
	}
	if t.Logf("compared %d of %d stacks", n, stacks); n < stacks*3/4 {
		t.Errorf("umoci refused %d of %d stacks: the generator has lost its use", stacks-n, stacks)
	}
}

// unpack gives the regular files that umoci makes of the layers: content by path.
func unpack(t *testing.T, umoci string, layers [][]imagetest.Entry) (map[string]string, error) {
	t.Helper()
	spec := imagetest.Spec{Name: "x"}
	for _, l := range layers {
		spec.Layers = append(spec.Layers, imagetest.Layer(l...))
	}
	dir := imagetest.Layout(t, imagetest.Build(t, spec))
	bundle := filepath.Join(t.TempDir(), "bundle")
	args := []string{"unpack", "--image", dir + ":x", bundle}
	if os.Geteuid() != 0 {
		args = slices.Insert(args, 1, "--rootless")
	}
	if out, err := exec.CommandContext(t.Context(), umoci, args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	got := map[string]string{}
	root := os.DirFS(filepath.Join(bundle, "rootfs"))
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var b []byte
			b, err = fs.ReadFile(root, p)
			got[p] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, nil
}

// viewed gives the same as this package sees it: all content that is said to be
// visible at a path, which is more than one only as told at TestAgainstUmoci.
func viewed(t *testing.T, layers [][]imagetest.Entry) map[string][]string {
	t.Helper()
	var changes []*Changes
	var bodies []map[uint32]string // by number of the tar's header
	for _, l := range layers {
		blob := imagetest.Tar(t, l...)
		body := map[uint32]string{}
		c, err := NewReader(DefaultLimits()).Layer(t.Context(), image.Layer{Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(blob)), nil
		}}, Visitor{Want: func(Entry) bool { return true }, Visit: func(_ context.Context, f *File) error {
			b, err := f.Bytes()
			body[f.At] = string(b)
			return err
		}})
		if err != nil || len(c.Problems) > 0 {
			t.Fatal(err, c.Problems)
		}
		changes, bodies = append(changes, c), append(bodies, body)
	}
	v := NewView(changes)
	got := map[string][]string{}
	for i, c := range changes {
		for e := range c.Entries.All() {
			if e.Kind != Regular && e.Kind != Hardlink || !v.Visible(i, e.Path) {
				continue
			}
			at := e.Path
			if to, ok := v.moved[place{i, at}]; ok {
				at = to
			}
			layer := i
			if e.Kind == Hardlink && e.LinkAt == 0 {
				of, p, ok := v.Linked(i, e.Path)
				target, found := changes[max(of, 0)].Find(p)
				if !ok || !found {
					t.Fatalf("layer %d: what %s is another name of is lost: %d %s", i, e.Path, of, p)
				}
				layer, e = of, target
			}
			n := e.At
			if e.Kind == Hardlink {
				n = e.LinkAt
			}
			body, ok := bodies[layer][n]
			if !ok {
				t.Fatalf("layer %d: the content of %s (%+v) is lost", i, e.Path, e)
			}
			got[at] = append(got[at], body)
		}
	}
	return got
}

func differences(want map[string]string, got map[string][]string) []string {
	var diff []string
	for p, b := range want {
		switch all := got[p]; {
		case len(all) == 0:
			diff = append(diff, fmt.Sprintf("%s: %q is not seen", p, b))
		case !slices.Contains(all, b):
			diff = append(diff, fmt.Sprintf("%s: %q seen as %q", p, b, all))
		case slices.ContainsFunc(all, func(s string) bool { return layerPart(s) != layerPart(b) }):
			diff = append(diff, fmt.Sprintf("%s: %q seen together with what it hides: %q", p, b, all))
		}
	}
	for p, all := range got {
		if _, ok := want[p]; !ok {
			diff = append(diff, fmt.Sprintf("%s: seen as %q, but is not there", p, all))
		}
	}
	slices.Sort(diff)
	return diff
}

// layerPart is the part of a generated body that tells its layer.
func layerPart(body string) string { l, _, _ := strings.Cut(body, "."); return l }

func describeStack(layers [][]imagetest.Entry) string {
	var b strings.Builder
	for i, l := range layers {
		fmt.Fprintf(&b, "%d:", i)
		for _, e := range l {
			switch e.Kind {
			case tar.TypeSymlink:
				fmt.Fprintf(&b, " %s>%s", e.Path, e.Link)
			case tar.TypeLink:
				fmt.Fprintf(&b, " %s=%s", e.Path, e.Link)
			default:
				b.WriteString(" " + e.Path)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// generator makes random layers over few names, so that they meet often.
type generator struct {
	*rand.Rand
	linked map[string]bool // has been a link in some layer so far
	// last is what a path was made last, as far as names tell: the reference refuses
	// entries below files, so they must become folders first.
	last map[string]byte
}

func randomStack(seed, try uint64) [][]imagetest.Entry {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, try)), linked: map[string]bool{}, last: map[string]byte{}}
	layers := make([][]imagetest.Entry, 2+g.IntN(5))
	for i := range layers {
		layers[i] = g.layer(i)
	}
	return layers
}

func (g *generator) path() string {
	parts := make([]string, 1+g.IntN(3))
	for i := range parts {
		parts[i] = string("abcd"[g.IntN(4)])
	}
	return strings.Join(parts, "/")
}

// spelled gives p in one of the ways tars are written in.
func (g *generator) spelled(p string) string {
	switch g.IntN(8) {
	case 0:
		return "./" + p
	case 1:
		return "/" + p
	case 2:
		return strings.ReplaceAll(p, "/", "//")
	case 3:
		return "zz/../" + p
	case 4:
		return "../" + strings.ReplaceAll(p, "/", "/./")
	}
	return p
}

func (g *generator) target() string {
	switch g.IntN(5) {
	case 0:
		return "/" + g.path()
	case 1:
		return "../" + g.path()
	case 2:
		return "../../../../" + g.path()
	case 3:
		return "nowhere"
	}
	return g.path()
}

// layer makes one layer; what it keeps to is told at TestAgainstUmoci.
func (g *generator) layer(i int) []imagetest.Entry {
	var (
		entries []imagetest.Entry
		kinds   = map[string]byte{} // of the paths this layer has so far
		fixed   = map[string]bool{} // targets of hard links: must stay
		passed  bool                // an entry led through a link
	)
	for n := range 3 + g.IntN(9) {
		p := g.path()
		below := slices.ContainsFunc(ancestors(p), func(a string) bool {
			k, ok := kinds[a]
			return ok && k != tar.TypeDir && k != tar.TypeSymlink
		})
		through := slices.ContainsFunc(ancestors(p), func(a string) bool { return g.linked[a] })
		if passed && g.linked[p] {
			continue // see TestAgainstUmoci
		}
		kept := slices.ContainsFunc(slices.Sorted(maps.Keys(fixed)), func(f string) bool { return f == p || strings.HasPrefix(f, p+"/") })
		if below || kept {
			continue
		}
		for _, a := range ancestors(p) {
			if k, ok := g.last[a]; ok && k != tar.TypeDir && (k != tar.TypeSymlink || g.IntN(2) == 0) && kinds[a] == 0 && !passed && !has(kinds, a) {
				entries = append(entries, imagetest.Entry{Path: g.spelled(a) + "/", Kind: tar.TypeDir})
				kinds[a], g.last[a] = tar.TypeDir, tar.TypeDir
			}
		}
		e := imagetest.Entry{Path: g.spelled(p)}
		switch k := g.IntN(10); {
		case k < 4:
			e.Kind, e.Body = tar.TypeReg, fmt.Sprintf("layer %d. entry %d", i, n)
		case k < 6:
			if has(kinds, p) && kinds[p] != tar.TypeDir {
				continue
			}
			e.Kind, e.Path = tar.TypeDir, e.Path+"/"
		case k < 8:
			e.Kind, e.Link = tar.TypeSymlink, g.target()
			g.linked[p] = true
		case k < 9:
			files := g.files()
			if len(files) == 0 {
				continue
			}
			to := files[g.IntN(len(files))] // of this layer or one below
			if to == p || strings.HasPrefix(to, p+"/") {
				continue
			}
			e.Kind, e.Link = tar.TypeLink, to
			fixed[to] = true
		default:
			continue
		}
		if e.Kind != tar.TypeDir {
			forget(kinds, p)
			forget(g.last, p)
		}
		kinds[p], g.last[p] = e.Kind, e.Kind
		passed = passed || through
		entries = append(entries, e)
	}
	if i == 0 {
		return entries
	}
	for range g.IntN(4) {
		dir, at := g.path(), g.IntN(len(entries)+1)
		name := dir + "/.wh..wh..opq"
		if g.IntN(3) > 0 {
			parent, base := filepath.Split(dir)
			name = parent + ".wh." + base
			if has(kinds, dir) || g.linked[dir] {
				at = 0
			}
		}
		if slices.ContainsFunc(append(ancestors(dir), dir), func(a string) bool { k, ok := kinds[a]; return ok && k != tar.TypeDir }) && strings.HasSuffix(name, "opq") {
			continue
		}
		// Folders come before what is said of their content.
		inside := ancestors(dir)
		if strings.HasSuffix(name, "opq") {
			inside = append(inside, dir)
		}
		if slices.ContainsFunc(inside, func(a string) bool { return g.linked[a] }) {
			if at == 0 {
				continue
			}
			at = len(entries)
		}
		entries = slices.Insert(entries, at, imagetest.Entry{Path: name, Kind: tar.TypeReg})
	}
	return entries
}

// files are the paths that are regular files or other names of them, as far as names tell.
func (g *generator) files() []string {
	var out []string
	for p, k := range g.last {
		if k == tar.TypeReg || k == tar.TypeLink {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// has reports whether anything lies below p.
func has(kinds map[string]byte, p string) bool {
	for q := range kinds {
		if strings.HasPrefix(q, p+"/") {
			return true
		}
	}
	return false
}

// forget drops what lies below p.
func forget(kinds map[string]byte, p string) {
	maps.DeleteFunc(kinds, func(q string, _ byte) bool { return strings.HasPrefix(q, p+"/") })
}

// ancestors are the folders of p, the innermost last.
func ancestors(p string) []string {
	var out []string
	for i := range len(p) {
		if p[i] == '/' {
			out = append(out, p[:i])
		}
	}
	return out
}
