package feed

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// system is what criteria are asked of.
type system struct {
	platform, arch string
	module         bool
	packages       map[string]string // those that are installed
}

// holds answers one of the tests in ovalParts.
func (s *system) holds(test string) bool {
	below := func(name, v string, or bool) bool {
		have, ok := s.packages[name]
		if !ok {
			return false
		}
		c, _ := version.RPM.Compare(have, v)
		return c < 0 || or && c == 0
	}
	_, installed := s.packages["a"]
	switch test {
	case "ol8":
		return s.platform == "Oracle Linux:8"
	case "rhel8":
		return s.platform == "Red Hat:8"
	case "x86":
		return s.arch == "x86_64"
	case "arm":
		return s.arch == "aarch64"
	case "key", "all", "family":
		return true
	case "node":
		return s.module
	case "a2", "aArches":
		return below("a", "2-1", false)
	case "a2le":
		return below("a", "2-1", true)
	case "a1ge":
		return installed && !below("a", "1-1", false)
	case "aIn", "aAny":
		return installed
	case "b3":
		return below("b", "1:3-1", false)
	case "cd3":
		return below("c", "1:3-1", false) || below("d", "1:3-1", false)
	}
	panic(test)
}

// affected reports whether one of the statements is true of the system.
func (s *system) affected(all []advisory.Affected) bool {
	return slices.ContainsFunc(all, func(a advisory.Affected) bool {
		v, installed := s.packages[a.Package]
		if !installed || a.Ecosystem != s.platform || a.Arch != "" && a.Arch != s.arch || a.Module != "" && !s.module {
			return false
		}
		if len(a.Ranges) == 0 {
			return true
		}
		in, err := version.RPM.Contains(v, a.Ranges[0])
		return err == nil && in
	})
}

// tree is criteria: a test, or what is joined.
type tree struct {
	test string
	or   bool
	kids []tree
}

func (t *tree) holds(s *system) bool {
	if t.kids == nil {
		return s.holds(t.test)
	}
	for i := range t.kids {
		if t.kids[i].holds(s) == t.or {
			return t.or
		}
	}
	return !t.or
}

func (t *tree) String() string {
	if t.kids == nil {
		return ref(t.test)
	}
	var b strings.Builder
	for i := range t.kids {
		b.WriteString(t.kids[i].String())
	}
	if t.or {
		return or(b.String())
	}
	return and(b.String())
}

// TestOVALMeaning asks random criteria and the statements made of them of many systems.
// No statement may be true where the criteria do not hold; and where all of them was
// understood, some statement must be true where they do.
func TestOVALMeaning(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	atoms := []string{"ol8", "rhel8", "x86", "arm", "key", "all", "family", "node", "a2", "aArches", "a2le", "a1ge", "aIn", "aAny", "b3", "cd3", "a2", "b3", "cd3", "a2"}
	var grow func(depth int) tree
	grow = func(depth int) tree {
		if depth == 0 || rnd.IntN(3) == 0 {
			return tree{test: atoms[rnd.IntN(len(atoms))]}
		}
		n := tree{or: rnd.IntN(5) < 3}
		for range 1 + rnd.IntN(3) {
			n.kids = append(n.kids, grow(depth-1))
		}
		return n
	}
	var systems []system
	for _, platform := range []string{"Oracle Linux:8", "Red Hat:8"} {
		for _, arch := range []string{"x86_64", "aarch64"} {
			for _, module := range []bool{false, true} {
				for _, a := range []string{"", "0.5-1", "1-1", "1.5-1", "2-1", "3-1"} {
					for _, b := range []string{"", "1:2-1", "1:4-1"} {
						for _, c := range []string{"", "1:2-1", "1:4-1"} {
							s := system{platform, arch, module, map[string]string{}}
							for name, v := range map[string]string{"a": a, "b": b, "d": c} {
								if v != "" {
									s.packages[name] = v
								}
							}
							systems = append(systems, s)
						}
					}
				}
			}
		}
	}
	understood := 0
	for range 1500 {
		platforms := tree{or: true, kids: []tree{{test: "ol8"}, {test: "rhel8"}}}
		root := tree{kids: []tree{platforms, grow(3)}}
		if rnd.IntN(2) == 0 {
			root.kids[0] = tree{test: "ol8"}
		}
		var log sinkLog
		if err := readOVAL(t.Context(), strings.NewReader(ovalOf("d", root.String())), testDialect(), log.sink()); err != nil {
			t.Fatal(err)
		}
		var all []advisory.Affected
		for _, a := range log.advisories {
			all = append(all, a.Affected...)
		}
		whole := len(log.quarantined) == 0
		if whole && len(all) > 0 {
			understood++
		}
		for i := range systems {
			s := &systems[i]
			want, got := root.holds(s), s.affected(all)
			if got && !want || want && !got && whole {
				t.Fatalf("%s\non %+v: criteria %v, statements %v of\n%s", root.String(), *s, want, got, strings.Join(ovalSaid(all), "\n"))
			}
		}
	}
	if understood < 300 {
		t.Errorf("only %d of the criteria were understood whole", understood)
	}
}
