package extract

import (
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// cppConanLock reads conan.lock (docs.conan.io): a graph of nodes in Conan 1, lists of
// references in Conan 2. A node with a path is the project itself.
func cppConanLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "conan", evidence: inventory.Locked}
	known := false
	list := func(r *langJSON, dev bool) error {
		known = true
		if !r.isArray() {
			return nil
		}
		return r.array(func() error {
			s, ok, err := r.str()
			if ok {
				cppReference(&l, s, dev)
			}
			return err
		})
	}
	nodes := func(r *langJSON) error {
		known = true
		return r.object(func([]byte) error {
			ref, own, dev := "", false, false
			err := r.object(func(key []byte) (err error) {
				switch string(key) {
				case "ref", "pref":
					if s, ok, e := r.str(); ok && ref == "" {
						ref, err = s, e
					} else {
						err = e
					}
				case "path":
					own = true
				case "context":
					var s string
					s, _, err = r.str()
					dev = s == "build"
				}
				return err
			})
			if err == nil && ref != "" && !own {
				cppReference(&l, ref, dev)
			}
			return err
		})
	}
	err := langJSONObject(b, false, func(r *langJSON, key []byte) error {
		switch string(key) {
		case "requires":
			return list(r, false)
		case "build_requires", "python_requires":
			return list(r, true)
		case "graph_lock":
			if !r.isObject() {
				return nil
			}
			return r.object(func(key []byte) error {
				if string(key) == "nodes" {
					return nodes(r)
				}
				return nil
			})
		}
		return nil
	})
	if err == nil && !known {
		err = fmt.Errorf("it has no references")
	}
	return l.fragment(path), langFailed("conan.lock", err)
}

// cppReference adds name/version@user/channel#revision%time. A reference without a
// version is the project itself.
func cppReference(l *langList, ref string, dev bool) {
	ref, _, _ = strings.Cut(ref, "#")
	ref, _, _ = strings.Cut(ref, "%")
	ref, origin, _ := strings.Cut(ref, "@")
	name, version, ok := strings.Cut(ref, "/")
	if !ok || version == "" {
		return
	}
	user, _, _ := strings.Cut(origin, "/")
	if user == "_" {
		user = ""
	}
	l.add(user, name, version, dev)
}
