package extract

import (
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
