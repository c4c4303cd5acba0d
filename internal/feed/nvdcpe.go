package feed

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// nvdConfig is one of the configurations in which a flaw is (NVD's "applicability
// statements"): nodes joined by AND or OR, each of products joined likewise.
type nvdConfig struct {
	Operator looseString `json:"operator"`
	Negate   bool        `json:"negate"`
	Nodes    []nvdNode   `json:"nodes"`
}

type nvdNode struct {
	Operator looseString `json:"operator"`
	Negate   bool        `json:"negate"`
	Matches  []nvdMatch  `json:"cpeMatch"`
}

type nvdMatch struct {
	Vulnerable     bool        `json:"vulnerable"`
	Criteria       string      `json:"criteria"`
	StartIncluding looseString `json:"versionStartIncluding"`
	StartExcluding looseString `json:"versionStartExcluding"`
	EndIncluding   looseString `json:"versionEndIncluding"`
	EndExcluding   looseString `json:"versionEndExcluding"`
}

// Why a configuration that names a runtime is left out.
const (
	nvdTogether = "affected only together with something else"
	nvdPlatform = "affected on another platform"
	nvdNothing  = "names no version"
)

// nvdAffected reads the configurations of a flaw, as far as they name products that
// [advisory.IsNVDProduct] knows.
//
// Configurations are alternatives. One that joins nodes by AND means a product that runs
// on or with another: it counts if all that is asked for beside the product is any
// version of the Linux kernel, which every container runs on. Others cannot be decided
// from an image and are left out; aside says of each why. A CPE name counts if its
// target software is any or Linux.
//
// A start that excludes its version is kept as the least version above it in the order
// of [advisory.EcosystemNVD]. An error tells of the parts that could not be read.
func nvdAffected(raw rawJSON) (affected []advisory.Affected, aside []string, err error) {
	if raw == "" || raw == "null" {
		return nil, nil, nil
	}
	var configs []nvdConfig
	if err := decodeJSON([]byte(raw), &configs); err != nil {
		return nil, nil, fmt.Errorf("reading its configurations: %v", err)
	}
	scheme, _ := version.For(advisory.EcosystemNVD)
	products := map[string]*advisory.Affected{}
	for _, c := range configs {
		for i, node := range c.Nodes {
			alone := !c.Negate && !node.Negate && (node.Operator != "AND" || len(node.Matches) == 1)
			if c.Operator == "AND" {
				for j, other := range c.Nodes {
					alone = alone && (i == j || isLinux(other))
				}
			}
			for _, m := range node.Matches {
				name, ok := readCPE(m.Criteria)
				if !m.Vulnerable || !ok || !advisory.IsNVDProduct(name.product) {
					continue
				}
				why := ""
				switch {
				case !alone:
					why = nvdTogether
				case name.target != "*" && name.target != "-" && name.target != "linux" && name.target != "linux_kernel":
					why = nvdPlatform
				case name.version == "-":
					why = nvdNothing
				}
				if why != "" {
					if !slices.Contains(aside, why) {
						aside = append(aside, why)
					}
					continue
				}
				af := products[name.product]
				if af == nil {
					af = &advisory.Affected{Ecosystem: advisory.EcosystemNVD, Package: name.product}
					products[name.product] = af
				}
				if bad := m.add(af, scheme, name); bad != nil {
					err = cmp.Or(err, bad)
				}
			}
		}
	}
	for _, product := range slices.Sorted(maps.Keys(products)) {
		af := products[product]
		if af.Ranges == nil && af.Versions == nil {
			continue // nothing of it could be read, and that must not mean every version
		}
		af.Ranges = unite(scheme, af.Ranges)
		af.Versions = slices.DeleteFunc(sortedUnique(af.Versions), func(v string) bool {
			return slices.ContainsFunc(af.Ranges, func(iv version.Interval) bool {
				in, err := scheme.Contains(v, iv)
				return err == nil && in
			})
		})
		if len(af.Versions) == 0 {
			af.Versions = nil
		}
		affected = append(affected, *af)
	}
	return affected, aside, err
}

// isLinux tells whether a node is satisfied by any Linux.
func isLinux(n nvdNode) bool {
	return !n.Negate && (n.Operator != "AND" || len(n.Matches) == 1) && slices.ContainsFunc(n.Matches, func(m nvdMatch) bool {
		return (strings.HasPrefix(m.Criteria, "cpe:2.3:o:linux:linux_kernel:-:") || strings.HasPrefix(m.Criteria, "cpe:2.3:o:linux:linux_kernel:*:")) &&
			m.StartIncluding == "" && m.StartExcluding == "" && m.EndIncluding == "" && m.EndExcluding == ""
	})
}

// add adds the versions that m names to af.
func (m *nvdMatch) add(af *advisory.Affected, scheme version.Scheme, name cpeName) error {
	if name.version != "*" {
		v := name.version
		if name.update != "*" && name.update != "-" {
			v = updated(name.product, v, name.update)
		}
		if err := scheme.Valid(v); err != nil {
			return fmt.Errorf("reading %.120q: %v", m.Criteria, err)
		}
		af.Versions = append(af.Versions, v)
		return nil
	}
	iv := version.Interval{Introduced: cmp.Or(string(m.StartIncluding), "0"), Fixed: string(m.EndExcluding)}
	if iv.Fixed == "" {
		iv.LastAffected = string(m.EndIncluding)
	}
	if m.StartIncluding == "" && m.StartExcluding != "" {
		iv.Introduced = above(string(m.StartExcluding))
	}
	end := cmp.Or(iv.Fixed, iv.LastAffected)
	for _, v := range [...]string{iv.Introduced, end} {
		if v != "" && v != "0" {
			if err := scheme.Valid(v); err != nil {
				return fmt.Errorf("reading the range of %.120q: %v", m.Criteria, err)
			}
		}
	}
	if iv.Introduced != "0" && end != "" {
		if c, _ := scheme.Compare(iv.Introduced, end); c > 0 || c == 0 && iv.Fixed != "" {
			return fmt.Errorf("reading the range of %.120q: it begins at %.60q, after its end %.60q", m.Criteria, iv.Introduced, end)
		}
	}
	af.Ranges = append(af.Ranges, iv)
	return nil
}

// above gives a version that is after v and before every other that is: in the generic
// order a word comes after the end of a version, and a number after a word.
func above(v string) string { return v + "-a" }

// updated joins a version and the update part of a CPE name. Java's are numbered
// within a release, "8" and "update362" for 8.0.362; others name prereleases and
// patches, "3.12.0" and "beta4".
func updated(product, v, update string) string {
	if n, ok := strings.CutPrefix(update, "update"); ok && product == "oracle:openjdk" {
		if n = strings.TrimLeft(n, "_"); isDigits(n) {
			v = strings.TrimSuffix(strings.TrimPrefix(v, "1."), ".0")
			return v + ".0." + n
		}
	}
	return v + "-" + update
}

// cpeName is what is used of a CPE name for an application.
type cpeName struct {
	product         string // VENDOR:PRODUCT
	version, update string
	target          string // the software that it runs on
}

// readCPE reads the formatted string of an application's CPE name (NIST IR 7695,
// section 6.2); false if it is none.
func readCPE(s string) (cpeName, bool) {
	rest, ok := strings.CutPrefix(s, "cpe:2.3:a:")
	if !ok || len(rest) > 1024 {
		return cpeName{}, false
	}
	var parts []string
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '\\' && i+1 < len(rest):
			i++
			b.WriteByte(rest[i])
		case c == ':':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	if parts = append(parts, b.String()); len(parts) != 10 {
		return cpeName{}, false
	}
	return cpeName{parts[0] + ":" + parts[1], parts[2], parts[3], parts[7]}, true
}
