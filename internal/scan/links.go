package scan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/extract"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// lowerLinks gives wanted hard links to files of lower layers the fragments that were
// read there. What was not read there, because nobody wanted the file under its own
// name, is unknown: file systems copy a file up before they link it, so only layers
// made by hand have such links, and lower layers are not read again for them.
func (s *Scanner) lowerLinks(view *rootfs.View, layers []*layerFacts) (out []inventory.Fragment, unknowns []inventory.Unknown) {
	given := 0
	for i, l := range layers {
		for e := range l.changes.Entries.Lower() {
			if !view.Visible(i, e.Path) {
				continue
			}
			as := rootfs.Entry{Path: e.Path, Mode: e.Mode, Size: 1 << 20} // any size that is neither small nor large
			at, path, found := view.Linked(i, e.Path)
			var t rootfs.Entry
			if found {
				if t, _ = layers[at].changes.Find(path); t.Kind != rootfs.Regular && t.Kind != rootfs.Hardlink {
					continue
				}
				as.Mode, as.Size = t.Mode, t.Size
			} else if t, ok := l.changes.Find(e.Link); ok && t.Kind == rootfs.Regular {
				continue // later in its own layer: see collector.hardLinks
			}
			for k := range s.Extractors {
				x := &s.Extractors[k]
				if !x.Want(as) {
					continue
				}
				if !found {
					unknowns = append(unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: e.Path,
						Detail: x.Name + ": it is a hard link to " + e.Link + ", which no layer has"})
					continue
				}
				under := t
				under.Kind = rootfs.Regular
				if f := layers[at].fragment(t.Path, x.Name); f != nil {
					if given += len(f.Packages) + len(f.Unknowns); given > maxLinked {
						unknowns = append(unknowns, inventory.Unknown{Reason: inventory.LimitExceeded, Subject: e.Path,
							Detail: fmt.Sprintf("hard links to lower layers lead to more than %d packages", maxLinked)})
						return out, unknowns
					}
					m := moved(f, e.Path)
					m.Layer = i
					out = append(out, *m)
				} else if !x.Want(under) || named(x, as) {
					unknowns = append(unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: e.Path,
						Detail: x.Name + ": it is a hard link to " + t.Path + " of a lower layer, which was not read under this name"})
				}
			}
		}
	}
	return out, unknowns
}

func named(x *extract.Extractor, e rootfs.Entry) bool { return x.Named != nil && x.Named(e) }

// fragment gives what one extractor found in one file, or nil.
func (f *layerFacts) fragment(path, extractor string) *inventory.Fragment {
	i, _ := slices.BinarySearchFunc(f.fragments, path, func(x inventory.Fragment, p string) int { return strings.Compare(x.Path, p) })
	for ; i < len(f.fragments) && f.fragments[i].Path == path; i++ {
		if f.fragments[i].Extractor == extractor {
			return &f.fragments[i]
		}
	}
	return nil
}
