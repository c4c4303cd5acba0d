package extract

import (
	"fmt"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// rustCargoLock reads Cargo.lock (doc.rust-lang.org/cargo). Crates without a source are
// the workspace's own and left out. What was built into an executable is known only
// if it carries an audit section, which is read elsewhere.
func rustCargoLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "cargo", evidence: inventory.Locked}
	var name, version, source string
	done := func() {
		if source != "" {
			l.add("", name, version, false)
		}
		name, version, source = "", "", ""
	}
	known := false
	err := langTOML(b, func(table, key string, v tomlValue) error {
		known = known || table == "package" || table == "" && key == "version"
		switch {
		case key == "":
			done()
		case table != "package":
		case key == "name":
			name, _ = v.str()
		case key == "version":
			version, _ = v.str()
		case key == "source":
			source, _ = v.str()
		}
		return nil
	})
	done()
	if err == nil && !known {
		err = fmt.Errorf("it lists no packages and does not say its version")
	}
	return l.fragment(path), langFailed("Cargo.lock", err)
}
