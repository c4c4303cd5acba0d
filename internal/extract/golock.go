package extract

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// goModFile reads the requirements of a go.mod (go.dev/ref/mod#go-mod-file), which since
// Go 1.17 lists all modules that a build may use, with replacements applied. A
// replacement by a folder is the application's own. The go and toolchain lines do not
// say what a binary was built with, and are not read. Modules std and cmd are Go's own
// sources.
func goModFile(path string, b []byte) (*inventory.Fragment, error) {
	type replacement struct{ name, version string }
	var requires []replacement
	replaced := map[replacement]replacement{}
	module, block := "", ""
	var failed error
	langEachLine(b, func(n int, raw []byte) bool {
		if i := bytes.Index(raw, []byte("//")); i >= 0 {
			raw = raw[:i]
		}
		words := strings.Fields(string(raw))
		if len(words) == 0 {
			return true
		}
		if words[0] == ")" {
			block = ""
			return true
		}
		verb := block
		if block == "" {
			verb, words = words[0], words[1:]
			if len(words) == 1 && words[0] == "(" {
				block = verb
				return true
			}
		}
		for i, w := range words {
			words[i] = strings.Trim(w, "\"`")
		}
		switch verb {
		case "module":
			if len(words) == 1 {
				module = words[0]
			}
		case "require":
			if len(words) != 2 {
				failed = fmt.Errorf("line %d: a requirement that is not a module and a version", n)
				return false
			}
			requires = append(requires, replacement{words[0], words[1]})
		case "replace":
			left, right, ok := goArrow(words)
			if !ok {
				failed = fmt.Errorf("line %d: a replacement without \"=>\"", n)
				return false
			}
			var from, to replacement
			from.name = left[0]
			if len(left) > 1 {
				from.version = left[1]
			}
			if len(right) > 1 {
				to = replacement{right[0], right[1]}
			}
			replaced[from] = to
		}
		return true
	})
	if module == "std" || module == "cmd" {
		return nil, nil
	}
	if failed == nil && module == "" {
		failed = fmt.Errorf("it names no module")
	}
	l := langList{typ: "golang", evidence: inventory.Locked}
	for _, r := range requires {
		to, ok := replaced[r]
		if !ok {
			to, ok = replaced[replacement{name: r.name}]
		}
		if ok {
			r = to
		}
		if r.name != "" {
			before, name, _ := langCutLast("/"+r.name, "/")
			l.add(strings.TrimPrefix(before, "/"), name, r.version, false)
		}
	}
	return l.fragment(path), langFailed("go.mod", failed)
}

func goArrow(words []string) (left, right []string, ok bool) {
	for i, w := range words {
		if w == "=>" && i > 0 && i+1 < len(words) {
			return words[:i], words[i+1:], true
		}
	}
	return nil, nil, false
}
