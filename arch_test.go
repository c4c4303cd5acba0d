package plimsoll_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms is the plan: each room under internal/ and the rooms it may import. A room
// may only import rooms that stand above it here, so there is no circle. The files are
// read directly: a test that asked the go command would be answered from the test cache.
var rooms = []struct {
	name string
	may  string // names, or "*" for all above
}{
	// words: no network
	{"version", ""},
	{"image", ""},
	{"advisory", "version"},
	{"inventory", "image version"},
	{"finding", "inventory advisory"},
	{"policy", "finding image inventory advisory"},
	// workshop
	{"registry", "image"},
	{"rootfs", "image"},
	{"extract", "inventory rootfs version"},
	{"feed", "advisory version"},
	{"advisorydb", "advisory image registry version"},
	{"match", "advisory finding inventory version"},
	{"report", "finding image inventory policy advisory"},
	{"scan", "*"},
	// house
	{"cli", "*"},
	// tests only
	{"imagetest", "image"},
}

const module = "github.com/plimsoll/plimsoll"

func TestPlan(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir("internal", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "testdata" {
				return fs.SkipDir
			}
			if strings.Count(filepath.ToSlash(path), "/") > 1 {
				t.Errorf("%s: rooms are one level deep", path)
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		room := filepath.Base(filepath.Dir(path))
		seen[room] = true
		checkImports(t, path, room)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room := range seen {
		if index(room) < 0 {
			t.Errorf("internal/%s is not in the plan: give it a row in arch_test.go and ARCHITECTURE.md", room)
		}
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "types", "base", "lib", "manager"}, room) {
			t.Errorf("internal/%s: the name says nothing of what is in it", room)
		}
	}
	for _, r := range rooms {
		if !seen[r.name] {
			t.Errorf("the plan has a room %q that does not exist", r.name)
		}
	}
}

func index(room string) int {
	for i, r := range rooms {
		if r.name == room {
			return i
		}
	}
	return -1
}

func checkImports(t *testing.T, path, room string) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	isTest := strings.HasSuffix(path, "_test.go") || room == "imagetest"
	for _, spec := range f.Imports {
		imp, _ := strconv.Unquote(spec.Path.Value)
		if strings.HasPrefix(imp, "github.com/stretchr/testify") || strings.Contains(imp, "gomock") {
			t.Errorf("%s imports %s: tests here use testing and cmp", path, imp)
		}
		other, ok := strings.CutPrefix(imp, module+"/internal/")
		if !ok || other == room {
			continue
		}
		if isTest {
			continue // tests may reach for what they need to make real inputs
		}
		if !allowed(room, other) {
			t.Errorf("%s imports %s: room %s may not; see the plan in arch_test.go", path, other, room)
		}
	}
}

func allowed(room, other string) bool {
	i, j := index(room), index(other)
	if i < 0 || j < 0 || j >= i || other == "imagetest" {
		return false
	}
	may := rooms[i].may
	return may == "*" || slices.Contains(strings.Fields(may), other)
}

// TestNoInit keeps registration by side effect out: lists are written down.
func TestNoInit(t *testing.T) {
	filepath.WalkDir("internal", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(b), "\nfunc init() {") {
			t.Errorf("%s has an init function", path)
		}
		return nil
	})
}

// TestDependenciesAreExplained wants a line in docs/dependencies.md for each direct module.
func TestDependenciesAreExplained(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		f := strings.Fields(line)
		if len(f) < 2 || strings.Contains(line, "// indirect") || !strings.Contains(f[0], ".") || !strings.HasPrefix(f[1], "v") {
			continue
		}
		if !strings.Contains(string(doc), "`"+f[0]+"`") {
			t.Errorf("docs/dependencies.md does not say why %s is used", f[0])
		}
	}
}
