package extract

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// swiftPackageResolved reads Package.resolved of Swift's package manager, versions 1
// to 3. A package is known by the place of its repository: the namespace is the host
// and owner, as the package URL specification has it. Pins to a branch or commit have
// no version and are left out.
func swiftPackageResolved(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "swift", evidence: inventory.Locked}
	known := false
	pins := func(r *langJSON) error {
		known = true
		return r.array(func() error {
			var identity, location, version string
			err := r.object(func(key []byte) (err error) {
				switch string(key) {
				case "identity", "package":
					identity, _, err = r.str()
				case "location", "repositoryURL":
					location, _, err = r.str()
				case "state":
					if r.isObject() {
						err = r.object(func(key []byte) (err error) {
							if string(key) == "version" {
								version, _, err = r.str()
							}
							return err
						})
					}
				}
				return err
			})
			if err != nil || version == "" {
				return err
			}
			ns, name := swiftRepository(location)
			if name == "" {
				name = identity
			}
			l.add(ns, name, version, false)
			return nil
		})
	}
	err := langJSONObject(b, false, func(r *langJSON, key []byte) error {
		switch string(key) {
		case "pins":
			return pins(r)
		case "object":
			if !r.isObject() {
				return nil
			}
			return r.object(func(key []byte) error {
				if string(key) == "pins" {
					return pins(r)
				}
				return nil
			})
		}
		return nil
	})
	if err == nil && !known {
		err = fmt.Errorf("it has no pins")
	}
	return l.fragment(path), langFailed("Package.resolved", err)
}

// swiftRepository turns https://github.com/apple/swift-nio.git and
// git@github.com:apple/swift-nio into "github.com/apple" and "swift-nio".
func swiftRepository(s string) (namespace, name string) {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	} else if host, rest, ok := strings.Cut(s, ":"); ok {
		s = host + "/" + rest
	}
	if i := strings.IndexByte(s, '@'); i >= 0 && i < strings.IndexByte(s, '/') {
		s = s[i+1:]
	}
	s = strings.TrimSuffix(strings.Trim(s, "/"), ".git")
	namespace, name, ok := langCutLast(s, "/")
	if !ok {
		return "", ""
	}
	return namespace, name
}

// swiftPodfileLock reads Podfile.lock of CocoaPods: the items below PODS are
// "Name (1.0)" or "Name/Part (1.0)"; parts are given as the pod they belong to.
func swiftPodfileLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "cocoapods", evidence: inventory.Locked}
	section, known := "", false
	err := langYAML(b, func(y yamlLine) error {
		if !y.item && y.depth == 0 {
			section = y.key
			known = known || section == "PODS" || section == "COCOAPODS"
		}
		if section != "PODS" || !y.item || y.depth > 1 {
			return nil
		}
		pod := y.key // with dependencies below it
		if pod == "" {
			pod = y.value
		}
		pod = strings.Trim(pod, `"`)
		name, rest, ok := strings.Cut(pod, " (")
		version, _, closed := strings.Cut(rest, ")")
		if ok && closed {
			name, _, _ = strings.Cut(name, "/")
			l.add("", name, version, false)
		}
		return nil
	})
	if err == nil && !known {
		err = fmt.Errorf("it has no PODS")
	}
	return l.fragment(path), langFailed("Podfile.lock", err)
}

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
