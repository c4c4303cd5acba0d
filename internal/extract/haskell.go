package extract

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// haskellStackLock reads stack.yaml.lock: "hackage: name-1.2.3@sha256:…".
func haskellStackLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "hackage", evidence: inventory.Locked}
	known := false
	err := langYAML(b, func(y yamlLine) error {
		known = known || y.key == "packages" || y.key == "snapshots"
		if y.key != "hackage" {
			return nil
		}
		id, _, _ := strings.Cut(y.value, "@")
		name, version, _ := langCutLast(id, "-")
		l.add("", name, version, false)
		return nil
	})
	if err == nil && !known {
		err = fmt.Errorf("it has no packages")
	}
	return l.fragment(path), langFailed("stack.yaml.lock", err)
}

// haskellCabalFreeze reads cabal.project.freeze: "any.NAME ==VERSION" constraints.
func haskellCabalFreeze(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "hackage", evidence: inventory.Locked}
	for c := range bytes.SplitSeq(b, []byte{','}) {
		for _, line := range bytes.Split(c, []byte{'\n'}) {
			text := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(string(line)), "constraints:"))
			name, version, ok := strings.Cut(text, "==")
			if ok && !strings.HasPrefix(text, "--") {
				l.add("", strings.TrimPrefix(strings.TrimSpace(name), "any."), strings.TrimSpace(version), false)
			}
		}
	}
	return l.fragment(path), nil
}
