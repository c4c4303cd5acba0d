package match

import (
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// supported notes until when the project of a runtime supports its release, if the
// snapshot knows. What an OS package brought its distribution supports.
func (m *matcher) supported(p *inventory.Package) error {
	var name, v string
	switch {
	case p.OwnedBy != "" && !m.isForeign(p.OwnedBy):
		return nil
	case p.Type == "generic":
		name, v = bitnami(p), p.Version
	case p.Type == "golang" && p.Namespace == "" && p.Name == "stdlib":
		name, v = "go", goVersion(p)
	default:
		return nil
	}
	end, err := m.runtimeEnd(name, v)
	if err != nil {
		return fmt.Errorf("looking up the end of %s %s: %w", name, v, err)
	}
	if end != "" {
		if m.res.Ends == nil {
			m.res.Ends = map[*inventory.Package]string{}
		}
		m.res.Ends[p] = end
	}
	return nil
}

// runtimeEnd gives the last day of support of the release that v is of: "3.12.4" is of
// "3.12", and "1.1.1w" of "1.1.1".
func (m *matcher) runtimeEnd(name, v string) (string, error) {
	from, ok := m.db.(lifecycler)
	if !ok {
		return "", nil
	}
	if i := strings.IndexFunc(v, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }); i >= 0 {
		v = v[:i]
	}
	for v = strings.Trim(v, "."); v != ""; {
		e, known, err := from.EndOfLife(m.ctx, name+" "+v)
		if known || err != nil {
			return e.End, err
		}
		v = v[:max(0, strings.LastIndexByte(v, '.'))]
	}
	return "", nil
}
