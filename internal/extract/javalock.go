package extract

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// javaGradleLock reads gradle.lockfile (docs.gradle.org, dependency locking): lines of
// group:artifact:version=configurations. What only test configurations use is for
// development.
func javaGradleLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "maven", evidence: inventory.Locked}
	known := true
	langEachLine(b, func(_ int, raw []byte) bool {
		line := strings.TrimSpace(string(raw))
		if line == "" || line[0] == '#' {
			return true
		}
		id, configurations, ok := strings.Cut(line, "=")
		known = known && ok
		parts := strings.Split(id, ":")
		if !ok || len(parts) != 3 {
			return true
		}
		dev := configurations != ""
		for c := range strings.SplitSeq(configurations, ",") {
			dev = dev && strings.HasPrefix(strings.TrimSpace(c), "test")
		}
		l.add(parts[0], parts[1], parts[2], dev)
		return true
	})
	if !known {
		return l.fragment(path), fmt.Errorf("reading a gradle lock file: it has lines without \"=\"")
	}
	return l.fragment(path), nil
}

// javaSbtLock reads build.sbt.lock (sbt-dependency-lock).
func javaSbtLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "maven", evidence: inventory.Locked}
	known := false
	err := langJSONObject(b, false, func(r *langJSON, key []byte) error {
		if string(key) != "dependencies" {
			return nil
		}
		known = true
		return r.array(func() error {
			var org, name, version string
			test, other := false, false
			err := r.object(func(key []byte) (err error) {
				switch string(key) {
				case "org":
					org, _, err = r.str()
				case "name":
					name, _, err = r.str()
				case "version":
					version, _, err = r.str()
				case "configurations":
					err = r.array(func() error {
						s, _, err := r.str()
						test = test || s == "test"
						other = other || s != "test"
						return err
					})
				}
				return err
			})
			if err == nil {
				l.add(org, name, version, test && !other)
			}
			return err
		})
	})
	if err == nil && !known {
		err = fmt.Errorf("it has no dependencies")
	}
	return l.fragment(path), langFailed("build.sbt.lock", err)
}

// javaPom reads the dependencies that a pom.xml itself states with a version, given
// literally or by a property of the same file (maven.apache.org/pom.html). Versions
// from a parent or an imported bill of materials are not in the file; such
// dependencies are left out, as are ranges and what is only managed. A pom.xml in an
// image is source left behind: what runs is in the archives.
func javaPom(path string, b []byte) (*inventory.Fragment, error) {
	type dependency struct{ group, artifact, version, scope string }
	var deps []dependency
	var d dependency
	props := map[string]string{}
	var stack []string // the open elements, to a depth that matters
	depth, project := 0, false
	text := ""
	dec := langXML(b)
	var failed error
	for {
		t, err := dec.RawToken()
		if err == io.EOF {
			if depth > 0 {
				failed = fmt.Errorf("the text ends inside <%s>", stack[len(stack)-1])
			}
			break
		}
		if err != nil {
			failed = err
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth++; depth <= 8 {
				stack = append(stack, t.Name.Local)
			}
			project = project || depth == 1 && t.Name.Local == "project"
			text = ""
		case xml.CharData:
			if depth <= 5 && len(text)+len(t) <= langMaxWord {
				text += string(t)
			}
		case xml.EndElement:
			if depth == 0 {
				failed = fmt.Errorf("</%s> closes nothing", t.Name.Local)
			}
			if failed != nil || !project {
				return nil, langFailed("pom.xml", failed)
			}
			value := strings.TrimSpace(text)
			text = ""
			switch {
			case depth == 2:
				if name := stack[1]; name == "version" || name == "groupId" {
					props["project."+name] = value
				}
			case depth == 3 && stack[1] == "parent":
				if name := "project." + stack[2]; props[name] == "" {
					props[name] = value
				}
				props["project.parent."+stack[2]] = value
			case depth == 3 && stack[1] == "properties" && len(props) < 10_000:
				props[stack[2]] = value
			case depth == 3 && stack[1] == "dependencies" && stack[2] == "dependency":
				if len(deps) < langMaxPackages {
					deps = append(deps, d)
				}
				d = dependency{}
			case depth == 4 && stack[1] == "dependencies":
				switch stack[3] {
				case "groupId":
					d.group = value
				case "artifactId":
					d.artifact = value
				case "version":
					d.version = value
				case "scope":
					d.scope = value
				}
			}
			if depth <= 8 {
				stack = stack[:depth-1]
			}
			depth--
		}
	}
	l := langList{typ: "maven", evidence: inventory.Locked}
	for _, d := range deps {
		group, ok := javaProperty(d.group, props)
		version, ok2 := javaProperty(d.version, props)
		artifact, ok3 := javaProperty(d.artifact, props)
		if ok && ok2 && ok3 && version != "" && !strings.ContainsAny(version, "[](),") {
			l.add(group, artifact, version, d.scope == "test")
		}
	}
	return l.fragment(path), langFailed("pom.xml", failed)
}

// javaProperty puts in the values of ${…}; false if one is not known. Values may refer
// to others, a few levels deep.
func javaProperty(s string, props map[string]string) (string, bool) {
	for range 8 {
		before, rest, found := strings.Cut(s, "${")
		if !found {
			return s, true
		}
		name, after, closed := strings.Cut(rest, "}")
		value, ok := props[name]
		if !closed || !ok || len(before)+len(value)+len(after) > langMaxWord {
			return "", false
		}
		s = before + value + after
	}
	return "", false
}
