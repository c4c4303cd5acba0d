package extract

import (
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// Lock files of JavaScript package managers. Packages from git, a URL or a local
// folder are left out where the file gives no released version for them. All that
// is named is given, also what is for another platform or optional.

// nodeNpmLock reads package-lock.json and npm-shrinkwrap.json
// (docs.npmjs.com/cli/configuring-npm/package-lock-json): versions 2 and 3 have
// "packages" by path, version 1 nested "dependencies"; version 2 has both.
func nodeNpmLock(path string, b []byte) (*inventory.Fragment, error) {
	byPath, nested := langList{typ: "npm", evidence: inventory.Locked}, langList{typ: "npm", evidence: inventory.Locked}
	known := false
	err := langJSONObject(b, false, func(r *langJSON, key []byte) error {
		switch string(key) {
		case "lockfileVersion":
			known = true
		case "packages":
			known = true
			return nodeNpmPackages(r, &byPath)
		case "dependencies":
			known = true
			return nodeNpmNested(r, &nested)
		}
		return nil
	})
	if err == nil && !known {
		err = fmt.Errorf("it has neither packages nor dependencies")
	}
	l := &byPath
	if len(l.packages) == 0 && l.unusable == 0 {
		l = &nested
	}
	return l.fragment(path), langFailed("an npm lock file", err)
}

func nodeNpmPackages(r *langJSON, l *langList) error {
	return r.object(func(key []byte) error {
		_, dir, ok := langCutLast(string(key), "node_modules/")
		if !ok {
			return nil // the root, or a workspace
		}
		name, version, resolved, dev, link := dir, "", "", false, false
		err := r.object(func(key []byte) (err error) {
			switch string(key) {
			case "name": // the real name, if the folder is an alias
				name, _, err = r.str()
			case "version":
				version, _, err = r.str()
			case "resolved":
				resolved, _, err = r.str()
			case "dev":
				dev, err = r.boolean()
			case "link":
				link, err = r.boolean()
			}
			return err
		})
		if !link && (version != "" || err == nil && !strings.HasPrefix(resolved, "git")) {
			nodeLocked(l, name, version, dev)
		}
		return err
	})
}

func nodeNpmNested(r *langJSON, l *langList) error {
	return r.object(func(key []byte) error {
		name, version, dev := string(key), "", false
		err := r.object(func(key []byte) (err error) {
			switch string(key) {
			case "version":
				version, _, err = r.str()
			case "dev":
				dev, err = r.boolean()
			case "dependencies":
				if r.isObject() {
					err = nodeNpmNested(r, l)
				}
			}
			return err
		})
		if real, ok := strings.CutPrefix(version, "npm:"); ok {
			if n, v, ok := nodeDescriptor(real); ok {
				name, version = n, v
			}
		}
		if err == nil || version != "" {
			nodeLocked(l, name, version, dev)
		}
		return err
	})
}

// nodeLocked adds a package unless its version is a place instead: "file:../x",
// "git+ssh://…", "github:a/b", an address.
func nodeLocked(l *langList, name, version string, dev bool) {
	if strings.ContainsAny(version, ":/") {
		return
	}
	ns, name := nodeName(name)
	l.add(ns, name, version, dev)
}

// nodeDescriptor splits "@scope/name@range" at the last "@" that is not the scope's.
func nodeDescriptor(s string) (name, rest string, ok bool) {
	if i := strings.IndexByte(s[min(1, len(s)):], '@'); i >= 0 {
		return s[:i+1], s[i+2:], true
	}
	return s, "", false
}

// nodeYarnLock reads yarn.lock, of yarn 1 (its own notation) and later (YAML). Both
// are blocks: a line with the descriptors that led to the package, then its fields.
func nodeYarnLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "npm", evidence: inventory.Locked}
	var entry struct{ name, version, resolution string }
	blocks := 0
	done := func() {
		name, version, resolution := entry.name, entry.version, entry.resolution
		entry.name, entry.version, entry.resolution = "", "", ""
		if resolution != "" {
			n, how, _ := nodeDescriptor(resolution)
			if nodeLocal(how) {
				return
			}
			name = n
		}
		if name != "" {
			nodeLocked(&l, name, version, false)
		}
	}
	var failed error
	langEachLine(b, func(n int, raw []byte) bool {
		line := strings.TrimLeft(string(raw), " ")
		indent := len(raw) - len(line)
		switch {
		case line == "" || line[0] == '#' || line == ":":
		case indent == 0:
			done()
			header, ok := strings.CutSuffix(strings.TrimRight(line, " "), ":")
			if rest, long := strings.CutPrefix(line, "? "); long {
				header, ok = rest, true // YAML's form of a long key; a line ":" follows
			}
			if !ok {
				failed = fmt.Errorf("line %d: no entry begins like this: %.60q", n, line)
				return false
			}
			blocks++
			entry.name = nodeYarnName(header)
		case indent == 2:
			key, value, ok := strings.Cut(line, " ")
			if !ok {
				break
			}
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.Trim(strings.TrimSuffix(key, ":"), `"`) {
			case "version":
				entry.version = value
			case "resolution":
				entry.resolution = value
			}
		}
		return true
	})
	done()
	if failed == nil && blocks == 0 && !strings.Contains(string(b[:min(len(b), 300)]), "yarn lockfile") {
		failed = fmt.Errorf("it has no entries")
	}
	return l.fragment(path), langFailed("a yarn lock file", failed)
}

// nodeYarnName is the name in the first descriptor of a block; "" for a block that is
// no package or a local one.
func nodeYarnName(header string) string {
	first, _, _ := strings.Cut(header, ",")
	name, how, ok := nodeDescriptor(strings.Trim(strings.TrimSpace(first), `"`))
	if !ok {
		return strings.TrimPrefix(name, "__metadata") // a name alone asks for any version
	}
	if real, ok := strings.CutPrefix(how, "npm:"); ok {
		if n, _, ok := nodeDescriptor(real); ok {
			return n
		}
	}
	if nodeLocal(how) {
		return ""
	}
	return name
}

// nodeLocal reports whether a range of yarn's means a folder of the application.
func nodeLocal(how string) bool {
	for _, local := range []string{"file:", "link:", "portal:", "workspace:"} {
		if strings.HasPrefix(how, local) {
			return true
		}
	}
	return false
}

// nodePnpmLock reads pnpm-lock.yaml and its elder shrinkwrap.yaml. The keys below
// "packages" are /name/1.0.0_peers (5 and before), /name@1.0.0(peers) (6) or
// name@1.0.0 (9); packages from elsewhere say their name and version in fields.
func nodePnpmLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "npm", evidence: inventory.Locked}
	var id, name, version string
	var dev, local bool
	done := func() {
		if id != "" && !local {
			n, v := nodePnpmID(id)
			if name != "" {
				n = name
			}
			if version != "" {
				v = version
			}
			if n == "" || version == "" && (v == "" || v[0] < '0' || v[0] > '9') && !strings.ContainsAny(v, ":/") {
				n, v = id, "" // no key of pnpm's
			}
			nodeLocked(&l, n, v, dev)
		}
		id, name, version, dev, local = "", "", "", false, false
	}
	section, known := "", false
	err := langYAML(b, func(y yamlLine) error {
		switch {
		case y.depth == 0:
			done()
			section = y.key
			known = known || section == "lockfileVersion" || section == "shrinkwrapVersion"
		case section != "packages":
		case y.depth == 1:
			done()
			id = y.key
			local = strings.HasPrefix(id, "file:") || strings.HasPrefix(id, "link:") || strings.Contains(id, "@file:") || strings.Contains(id, "@link:")
		case y.depth == 2:
			switch y.key {
			case "name":
				name = y.value
			case "version":
				version = y.value
			case "dev":
				dev = y.value == "true"
			case "resolution":
				if t, _ := yamlFlow(y.value, "type"); t == "directory" {
					local = true
				}
			}
		}
		return nil
	})
	done()
	if err == nil && !known {
		err = fmt.Errorf("it does not say its version")
	}
	return l.fragment(path), langFailed("a pnpm lock file", err)
}

// nodePnpmID takes name and version out of a key; version is "" or holds a slash or
// colon if the key is a place.
func nodePnpmID(id string) (name, version string) {
	id, _, _ = strings.Cut(id, "(")
	rooted := strings.HasPrefix(id, "/")
	id = strings.TrimPrefix(id, "/")
	if name, version, ok := nodeDescriptor(id); ok && (!strings.Contains(name, "/") || nodeScoped(name)) {
		return name, version
	}
	if !rooted { // registry.example.org/name/1.0.0: a registry other than the default one
		host, rest, ok := strings.Cut(id, "/")
		if !ok || !strings.Contains(host, ".") || nodeForge(host) {
			return "", ""
		}
		id = rest
	}
	parts := strings.Split(id, "/")
	n := 1
	if strings.HasPrefix(id, "@") {
		n = 2
	}
	if len(parts) <= n {
		return "", ""
	}
	version, _, _ = strings.Cut(parts[n], "_")
	return strings.Join(parts[:n], "/"), version
}

// nodeScoped reports whether name is "@scope/name" with nothing more.
func nodeScoped(name string) bool {
	return strings.HasPrefix(name, "@") && strings.Count(name, "/") == 1
}

// nodeForge reports whether keys beginning with host name a git commit.
func nodeForge(host string) bool {
	return host == "github.com" || host == "gitlab.com" || host == "bitbucket.org" || host == "codeload.github.com"
}

// nodeBunLock reads bun.lock (JSON with comments): each value below "packages" is a
// list that begins with "name@version".
func nodeBunLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "npm", evidence: inventory.Locked}
	known := false
	err := langJSONObject(b, true, func(r *langJSON, key []byte) error {
		if string(key) != "packages" {
			known = known || string(key) == "lockfileVersion"
			return nil
		}
		return r.object(func(key []byte) error {
			id, first := string(key), true
			err := r.array(func() error {
				if !first {
					return nil
				}
				first = false
				s, _, err := r.str()
				if name, version, ok := nodeDescriptor(s); ok {
					id = ""
					nodeLocked(&l, name, version, false)
				}
				return err
			})
			if id != "" {
				l.add("", id, "", false)
			}
			return err
		})
	})
	if err == nil && !known {
		err = fmt.Errorf("it does not say its version")
	}
	return l.fragment(path), langFailed("a bun lock file", err)
}

// nodeBunBinary says that a bun.lockb, whose format is bun's own memory, is not read.
func nodeBunBinary(path string, _ []byte) (*inventory.Fragment, error) {
	return langUnknown(path, "bun's binary lock file is not read; bun 1.2 and later write bun.lock instead"), nil
}

// nodeDenoLock reads the npm packages of deno.lock (docs.deno.com, versions 3 to 5).
func nodeDenoLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "npm", evidence: inventory.Locked}
	npm := func(r *langJSON) error {
		return r.object(func(key []byte) error {
			if name, version, ok := nodeDescriptor(string(key)); ok {
				version, _, _ = strings.Cut(version, "_")
				nodeLocked(&l, name, version, false)
			}
			return nil
		})
	}
	err := langJSONObject(b, false, func(r *langJSON, key []byte) error {
		switch {
		case string(key) == "npm" && r.isObject():
			return npm(r)
		case string(key) == "packages" && r.isObject():
			return r.object(func(key []byte) error {
				if string(key) == "npm" && r.isObject() {
					return npm(r)
				}
				return nil
			})
		}
		return nil
	})
	return l.fragment(path), langFailed("a deno lock file", err)
}
