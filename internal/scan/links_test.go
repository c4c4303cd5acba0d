package scan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

func prog(path, body string) imagetest.Entry {
	return imagetest.Entry{Path: path, Body: body, Mode: 0o755}
}

func TestHardLinks(t *testing.T) {
	type layers = [][]imagetest.Entry
	chain := []imagetest.Entry{file("data", "a 1")}
	for i, last := 0, "data"; i < 5; i++ {
		next := fmt.Sprintf("l%d", i)
		chain = append(chain, hard(next, last))
		last = next
	}
	circle := []imagetest.Entry{hard("a.pkg", "b.pkg"), hard("b.pkg", "a.pkg")}
	for name, tc := range map[string]struct {
		layers layers
		want   []string
		again  bool // the layer has to be read twice, so a stream cannot
	}{
		"to a wanted target": {layers: layers{{file("a.pkg", "a 1"), hard("b.pkg", "a.pkg")}},
			want: []string{"a@1 a.pkg!/inner:0 b.pkg!/inner:0"}},
		"to an unwanted target": {layers: layers{{file("data", "a 1"), hard("b.pkg", "data")}},
			want: []string{"a@1 b.pkg!/inner:0"}, again: true},
		"to an unwanted target by two names": {layers: layers{{file("data", "a 1"), hard("b.pkg", "data"), hard("c.pkg", "./data")}},
			want: []string{"a@1 b.pkg!/inner:0 c.pkg!/inner:0"}, again: true},
		"to a target not yet seen": {layers: layers{{hard("a/b.pkg", "z/a.pkg"), file("z/a.pkg", "a 1")}},
			want: []string{"a@1 a/b.pkg!/inner:0 z/a.pkg!/inner:0"}},
		"to nothing of interest": {layers: layers{{file("x.pkg", ""), hard("y.pkg", "x.pkg"), file("a.pkg", "a 1")}},
			want: []string{"a@1 a.pkg!/inner:0"}},
		"not wanted itself": {layers: layers{{file("a.pkg", "a 1"), hard("b", "a.pkg")}},
			want: []string{"a@1 a.pkg!/inner:0"}},
		"a chain": {layers: layers{append(chain, hard("z.pkg", "l4"))},
			want: []string{"a@1 z.pkg!/inner:0"}, again: true},
		"a circle": {layers: layers{append(circle, file("c.pkg", "c 1"))},
			want: []string{"c@1 c.pkg!/inner:0", "? analysis_partial a.pkg: toy: …", "? analysis_partial b.pkg: toy: …"}},
		"named": {layers: layers{{prog("bin/box", "1"), hard("bin/tool", "bin/box"), hard("bin/tool2", "bin/box")}},
			want: []string{"tool@1 bin/tool:0"}},
		"named, and too large to be held": {layers: layers{{prog("bin/box", "1"+strings.Repeat(" ", 5<<20)), hard("bin/tool", "bin/box")}},
			want: []string{"tool@1 bin/tool:0"}, again: true},
		"named as the target": {layers: layers{{prog("bin/tool", "1"), hard("bin/box", "bin/tool")}},
			want: []string{"tool@1 bin/box:0 bin/tool:0"}},
		"to a lower layer": {layers: layers{{file("a.pkg", "a 1")}, {hard("b.pkg", "a.pkg")}},
			want: []string{"a@1 a.pkg!/inner:0 b.pkg!/inner:1"}},
		"to the newest of the lower layers": {layers: layers{{file("a.pkg", "a 1")}, {file("a.pkg", "a 2")}, {hard("b.pkg", "a.pkg")}},
			want: []string{"a@2 a.pkg!/inner:1 b.pkg!/inner:2"}},
		"to a link in a lower layer": {layers: layers{{file("a.pkg", "a 1"), file("c.pkg", "c 1")}, {hard("a.pkg", "c.pkg")}, {hard("b.pkg", "a.pkg")}},
			want: []string{"c@1 c.pkg!/inner:0 a.pkg!/inner:1 b.pkg!/inner:2"}},
		"to a link in its layer to a lower one": {layers: layers{{file("a.pkg", "a 1")}, {hard("b", "a.pkg"), hard("c.pkg", "b")}},
			want: []string{"a@1 a.pkg!/inner:0 c.pkg!/inner:1"}},
		"to a link within a lower layer": {layers: layers{{file("a.pkg", "a 1"), hard("b.pkg", "a.pkg")}, {hard("c.pkg", "b.pkg")}},
			want: []string{"a@1 a.pkg!/inner:0 b.pkg!/inner:0 c.pkg!/inner:1"}},
		"to an unwanted file of a lower layer": {layers: layers{{file("data", "a 1"), file("c.pkg", "c 1")}, {hard("b.pkg", "data")}},
			want: []string{"c@1 c.pkg!/inner:0", "? analysis_partial b.pkg: toy: it is a hard link to data of a lower layer…"}},
		"named, to a lower layer": {layers: layers{{prog("bin/box", "1"), file("c.pkg", "c 1")}, {hard("bin/tool", "bin/box")}},
			want: []string{"c@1 c.pkg!/inner:0", "? analysis_partial bin/tool: namer: …"}},
		"to a file that a layer between removed": {layers: layers{{file("a.pkg", "a 1"), file("c.pkg", "c 1")}, {file(".wh.a.pkg", "")}, {hard("b.pkg", "a.pkg")}},
			want: []string{"c@1 c.pkg!/inner:0", "? analysis_partial b.pkg: toy: it is a hard link to a.pkg, which no layer has"}},
		"to nowhere": {layers: layers{{hard("b.pkg", "a.pkg"), file("c.pkg", "c 1")}},
			want: []string{"c@1 c.pkg!/inner:0", "? analysis_partial b.pkg: toy: it is a hard link to a.pkg, which no layer has"}},
		"to nowhere and removed": {layers: layers{{hard("b.pkg", "a.pkg"), file("c.pkg", "c 1")}, {file(".wh.b.pkg", "")}},
			want: []string{"c@1 c.pkg!/inner:0"}},
		"target removed by a later layer": {layers: layers{{file("a.pkg", "a 1"), hard("b.pkg", "a.pkg")}, {file(".wh.a.pkg", "")}},
			want: []string{"a@1 b.pkg!/inner:0"}},
		"target overwritten by a later layer": {layers: layers{{file("a.pkg", "a 1"), hard("b.pkg", "a.pkg")}, {file("a.pkg", "a 2")}},
			want: []string{"a@1 b.pkg!/inner:0", "a@2 a.pkg!/inner:1"}},
		"lower target removed afterwards": {layers: layers{{file("a.pkg", "a 1")}, {hard("b.pkg", "a.pkg")}, {file(".wh.a.pkg", "")}},
			want: []string{"a@1 b.pkg!/inner:1"}},
		"link removed by a later layer": {layers: layers{{file("a.pkg", "a 1"), hard("b.pkg", "a.pkg")}, {file(".wh.b.pkg", "")}},
			want: []string{"a@1 a.pkg!/inner:0"}},
		"what the target says of itself": {layers: layers{{file("a.pkg", "a 1 note"), hard("b.pkg", "a.pkg")}, {file(".wh.a.pkg", "")}},
			want: []string{"a@1 b.pkg!/inner:0", "? analysis_partial b.pkg: as far as it goes"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := build(t, tc.layers...)
			dir := t.TempDir()
			s := toys(nil)
			s.Cache = newCache(t, dir, s)
			cold := inspect(t, s, b.Image)
			check(t, cold.Inventory, tc.want...)
			s = toys(s.Cache)
			warm := inspect(t, s, b.Image)
			same(t, "from the cache", cold.Inventory, warm.Inventory)
			if warm.Timing.LayersRead != 0 {
				t.Errorf("%d layers were read again", warm.Timing.LayersRead)
			}
			for what, archive := range map[string][]byte{"docker": imagetest.DockerArchive(t, b), "old docker": imagetest.OldDockerArchive(t, b)} {
				inv := streamed(t, toys(nil), archive)[0].Inventory
				if tc.again {
					if !strings.Contains(strings.Join(listed(inv), "\n"), "? analysis_partial") {
						t.Errorf("a stream of %s says nothing of what it could not read: %q", what, listed(inv))
					}
					continue
				}
				check(t, inv, tc.want...)
			}
		})
	}
}

// A hard link is a name for the content, whatever becomes of the name that it was made
// from.
func TestHardLinkKeepsContent(t *testing.T) {
	check(t, inspect(t, toys(nil), build(t, []imagetest.Entry{
		file("a.pkg", "a 1"), hard("b.pkg", "a.pkg"), {Path: "a.pkg", Link: "elsewhere"},
	}).Image).Inventory, "a@1 b.pkg!/inner:0")
}

// What a stream could not read is not taken for the layer's facts later on.
func TestStreamedLinksAreNotCached(t *testing.T) {
	b := build(t, []imagetest.Entry{file("data", "a 1"), hard("b.pkg", "data")})
	s := toys(nil)
	s.Cache = newCache(t, t.TempDir(), s)
	streamed(t, s, imagetest.DockerArchive(t, b))
	check(t, inspect(t, s, b.Image).Inventory, "a@1 b.pkg!/inner:0")
	set, err := image.OpenArchive(t.Context(), imagetest.File(t, "a.tar", imagetest.DockerArchive(t, b)), image.Select{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, inspect(t, toys(s.Cache), set.Images[0]).Inventory, "a@1 b.pkg!/inner:0")
}
