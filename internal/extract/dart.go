package extract

import (
	"fmt"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// dartPubspecLock reads pubspec.lock (dart.dev). Parts of the SDK and packages from a
// folder have no published version and are left out.
func dartPubspecLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "pub", evidence: inventory.Locked}
	var name, version, kind, source string
	done := func() {
		if name != "" && source != "sdk" && source != "path" {
			l.add("", name, version, kind == "direct dev")
		}
		name, version, kind, source = "", "", "", ""
	}
	section, known := "", false
	err := langYAML(b, func(y yamlLine) error {
		switch {
		case y.depth == 0:
			done()
			section = y.key
			known = known || section == "packages" || section == "sdks"
		case section != "packages":
		case y.depth == 1:
			done()
			name = y.key
		case y.depth == 2:
			switch y.key {
			case "version":
				version = y.value
			case "dependency":
				kind = y.value
			case "source":
				source = y.value
			}
		}
		return nil
	})
	done()
	if err == nil && !known {
		err = fmt.Errorf("it has no packages")
	}
	return l.fragment(path), langFailed("pubspec.lock", err)
}
