package rootfs_test

import (
	"archive/tar"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// stack reads layers given as lists of entries: "path", "path/" for a folder,
// "path>target" for a symbolic link, "path=target" for a hard link.
func stack(t *testing.T, layers ...string) *rootfs.View {
	t.Helper()
	var changes []*rootfs.Changes
	for _, l := range layers {
		var es []imagetest.Entry
		for _, s := range strings.Fields(l) {
			e := imagetest.Entry{Path: s, Body: "x"}
			if p, to, ok := strings.Cut(s, ">"); ok {
				e = imagetest.Entry{Path: p, Link: to, Kind: tar.TypeSymlink}
			} else if p, to, ok := strings.Cut(s, "="); ok {
				e = imagetest.Entry{Path: p, Link: to, Kind: tar.TypeLink}
			} else if strings.HasSuffix(s, "/") {
				e = imagetest.Entry{Path: s, Kind: tar.TypeDir}
			}
			es = append(es, e)
		}
		c, err := rootfs.NewReader(rootfs.DefaultLimits()).Layer(t.Context(), layerOf(imagetest.Tar(t, es...), ""))
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, c)
	}
	return rootfs.NewView(changes)
}

func TestVisible(t *testing.T) {
	tests := []struct {
		name   string
		layers []string
		layer  int
		path   string
		want   bool
	}{
		{"alone", []string{"a/f"}, 0, "a/f", true},
		{"overwritten", []string{"f", "f"}, 0, "f", false},
		{"overwriting", []string{"f", "f"}, 1, "f", true},
		{"whited out", []string{"a/f", "a/.wh.f"}, 0, "a/f", false},
		{"folder whited out", []string{"a/b/f", ".wh.a"}, 0, "a/b/f", false},
		{"whiteout and re-added in one layer", []string{"f", ".wh.f f"}, 1, "f", true},
		{"whiteout and re-added above, old one", []string{"f", ".wh.f", "f"}, 0, "f", false},
		{"whiteout and re-added above, new one", []string{"f", ".wh.f", "f"}, 2, "f", true},
		{"whiteout of nothing", []string{"f", ".wh.g"}, 0, "f", true},
		{"opaque hides lower", []string{"d/f", "d/.wh..wh..opq"}, 0, "d/f", false},
		{"opaque hides deep", []string{"d/e/f", "d/.wh..wh..opq"}, 0, "d/e/f", false},
		{"opaque leaves its own layer, before it", []string{"d/x", "d/a d/.wh..wh..opq"}, 1, "d/a", true},
		{"opaque leaves its own layer, after it", []string{"d/x", "d/.wh..wh..opq d/z"}, 1, "d/z", true},
		{"opaque leaves upper", []string{"d/.wh..wh..opq", "d/f"}, 1, "d/f", true},
		{"opaque does not hide the neighbour", []string{"dd/f", "d/.wh..wh..opq"}, 0, "dd/f", true},
		{"opaque root", []string{"f", ".wh..wh..opq"}, 0, "f", false},
		{"folder becomes file", []string{"d/f", "d"}, 0, "d/f", false},
		{"file becomes folder", []string{"d", "d/ d/f"}, 0, "d", false},
		{"file becomes folder, its content", []string{"d", "d/ d/f"}, 1, "d/f", true},
		{"folder again keeps content", []string{"d/ d/f", "d/"}, 0, "d/f", true},
		{"link replaces folder", []string{"d/f e/g", "d>e"}, 0, "d/f", false},
		{"link replaces folder, the other stays", []string{"d/f e/g", "d>e"}, 0, "e/g", true},
		{"whiteout through a linked parent", []string{"usr/lib/f lib>usr/lib", "lib/.wh.f"}, 0, "usr/lib/f", false},
		{"overwritten through a linked parent", []string{"usr/lib/f lib>usr/lib", "lib/f"}, 0, "usr/lib/f", false},
		{"landed through a linked parent", []string{"usr/lib/f lib>usr/lib", "lib/f"}, 1, "lib/f", true},
		{"landed through a link, hidden at the real place", []string{"usr/lib/ lib>usr/lib", "lib/f", "usr/lib/.wh.f"}, 1, "lib/f", false},
		{"link whited out before, so no link", []string{"usr/lib/f lib>usr/lib", ".wh.lib", "lib/f"}, 0, "usr/lib/f", true},
		{"folder replaces link", []string{"usr/lib/f lib>usr/lib", "lib/ lib/f"}, 0, "usr/lib/f", true},
		{"opaque through a link", []string{"usr/lib/f lib>/usr/lib", "lib/.wh..wh..opq"}, 0, "usr/lib/f", false},
		{"file in between empties a folder", []string{"d/f", "d d/"}, 0, "d/f", false},
		{"file in between leaves what follows it", []string{"d/f", "d d/ d/g"}, 1, "d/g", true},
		{"link in between empties a folder", []string{"d/f e/g", "d>e d/"}, 0, "d/f", false},
		{"folder once more keeps what came after a whiteout", []string{"d/f", ".wh.d", "d/ d/g", "d/"}, 2, "d/g", true},
		{"folder once more keeps what came after a file", []string{"d", "d/ d/g", "d/"}, 1, "d/g", true},
		{"folder through a link replaces a file", []string{"e/f l>e", "l/f/"}, 0, "e/f", false},
		{"repeated layer", []string{"f", ".wh.f", "f", "g"}, 2, "f", true},
	}
	for _, tt := range tests {
		if got := stack(t, tt.layers...).Visible(tt.layer, tt.path); got != tt.want {
			t.Errorf("%s: %v: Visible(%d, %s) = %v", tt.name, tt.layers, tt.layer, tt.path, got)
		}
	}
}

func TestResolve(t *testing.T) {
	v := stack(t,
		"usr/bin/python3.11 usr/bin/python3>python3.11 bin>usr/bin etc/os-release>../usr/lib/os-release abs>/usr/lib "+
			"loop>loop a>b b>a deep>../../../../etc up/x>../../../../usr/bin gone>usr",
		".wh.gone new>abs")
	for path, want := range map[string]string{
		"bin/python3":        "usr/bin/python3.11",
		"etc/os-release":     "usr/lib/os-release",
		"abs/os-release":     "usr/lib/os-release",
		"deep/passwd":        "etc/passwd",
		"up/x/python3":       "usr/bin/python3.11",
		"plain/file":         "plain/file",
		"gone/bin":           "gone/bin",
		"new/os-release":     "usr/lib/os-release",
		"bin/../etc/../bin":  "usr/bin",
		"../../etc/passwd":   "etc/passwd",
		"usr/bin/python3/no": "usr/bin/python3.11/no",
	} {
		if got := v.Resolve(path); got != want {
			t.Errorf("Resolve(%s) = %s, want %s", path, got, want)
		}
	}
	for _, loop := range []string{"loop", "a/x", "b"} {
		v.Resolve(loop) // ends
	}
}

func TestLayerOfPath(t *testing.T) {
	v := stack(t, "f g d/h", "f .wh.g", "e/ e/i")
	for path, want := range map[string]int{"f": 1, "d/h": 0, "e/i": 2, "g": -1, "none": -1, "d": -1} {
		got, ok := v.Layer(path)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("Layer(%s) = %d, want %d", path, got, want)
		}
	}
}

// TestViewLinksAmongFolders: of folders that stand side by side only those that are links
// lead elsewhere, whatever was placed before them.
func TestViewLinksAmongFolders(t *testing.T) {
	v := stack(t, "t/ a/a/ a/bc/ a/b>../t a/c/d>../../t", "a/a/b/x a/a/x a/b/c/y a/b/z a/bc/w a/c/c/u a/c/d/v a/c/e/v b/x")
	got := map[string]string{}
	for _, m := range v.Moved() {
		got[m[0]] = m[1]
	}
	want := map[string]string{"a/b/c/y": "t/c/y", "a/b/z": "t/z", "a/c/d/v": "t/v"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
