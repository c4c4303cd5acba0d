package extract

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// jarCoordinates are Maven's name of an artifact; what is not known is empty.
type jarCoordinates struct{ group, artifact, version string }

// complete reports whether the artifact can be told by them.
func (c jarCoordinates) complete() bool { return c.group != "" && c.artifact != "" && c.version != "" }

// jarClear drops values that were never filled in ("${project.version}") or are no names.
func jarClear(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 256 || strings.ContainsAny(s, "${}@ \t\"<>") {
		return ""
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return ""
		}
	}
	return s
}

// jarReadProperties reads the three keys of a pom.properties (java.util.Properties,
// without its escapes, which coordinates do not need).
func jarReadProperties(b []byte) jarCoordinates {
	var c jarCoordinates
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(line)
		i := bytes.IndexAny(line, "=:")
		if i < 0 || line[0] == '#' || line[0] == '!' {
			continue
		}
		value := jarClear(string(line[i+1:]))
		switch string(bytes.TrimSpace(line[:i])) {
		case "groupId":
			c.group = value
		case "artifactId":
			c.artifact = value
		case "version":
			c.version = value
		}
	}
	return c
}

// jarReadPomXML reads a POM's own coordinates, those it inherits from the parent it
// names, and replaces ${…} by the properties it sets itself. What depends on another
// file stays empty.
func jarReadPomXML(r io.Reader) (jarCoordinates, error) {
	d := xml.NewDecoder(r)
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	values := map[string]string{}
	var stack [4]string
	depth := 0
	var text []byte
	for {
		tok, err := d.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return jarCoordinates{}, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if depth < len(stack) {
				stack[depth] = t.Name.Local
			}
			depth++
			text = text[:0]
			if depth == 1 && t.Name.Local != "project" {
				return jarCoordinates{}, errors.New("not a POM")
			}
		case xml.CharData:
			if depth <= 3 && len(text)+len(t) < 1024 {
				text = append(text, t...)
			}
		case xml.EndElement:
			key := ""
			switch {
			case depth == 2:
				key = "project." + stack[1]
			case depth == 3 && stack[1] == "parent":
				key = "project.parent." + stack[2]
			case depth == 3 && stack[1] == "properties":
				key = stack[2]
			}
			if key != "" && len(values) < 4096 {
				values[key] = strings.TrimSpace(string(text))
			}
			text = text[:0]
			depth--
		}
		if depth < 0 {
			break
		}
	}
	get := func(name string) string {
		v := values["project."+name]
		if v == "" && name != "artifactId" {
			v = values["project.parent."+name]
		}
		return jarClear(jarExpand(v, values))
	}
	return jarCoordinates{get("groupId"), get("artifactId"), get("version")}, nil
}

// jarExpand replaces ${name} by its value, a few times over as values may name others.
func jarExpand(s string, values map[string]string) string {
	for range 4 {
		i := strings.Index(s, "${")
		if i < 0 {
			return s
		}
		n := strings.IndexByte(s[i:], '}')
		if n < 0 {
			return s
		}
		name := s[i+2 : i+n]
		for _, alias := range [...]string{"pom.", ""} {
			if rest, ok := strings.CutPrefix(name, alias); ok && (alias != "" || rest == "version" || rest == "groupId") {
				name = "project." + rest
			}
		}
		v, ok := values[name]
		if !ok || len(v)+len(s) > 1024 {
			if parent, has := values[strings.Replace(name, "project.", "project.parent.", 1)]; !ok && has {
				v = parent
			} else {
				return s
			}
		}
		s = s[:i] + v + s[i+n+1:]
	}
	return s
}

// jarManifest holds the attributes of a manifest's main section that tell what an
// archive is (JAR File Specification; OSGi Core 3.2.1; Jenkins plugins).
type jarManifest struct {
	title, vendorID, version    string // Implementation-
	symbolic, bundleVersion     string // Bundle-
	module                      string // Automatic-Module-Name
	group, short, pluginVersion string // Jenkins
	license                     string
}

// jarReadManifest reads the main section; nil if it says nothing.
func jarReadManifest(b []byte) *jarManifest {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	var m jarManifest
	var key string
	var value []byte
	set := func() {
		v := strings.TrimSpace(string(value))
		if len(v) > 1024 || strings.Contains(v, "${") {
			return
		}
		switch strings.ToLower(key) {
		case "implementation-title":
			m.title = v
		case "implementation-vendor-id":
			m.vendorID = v
		case "implementation-version":
			m.version = v
		case "bundle-symbolicname":
			m.symbolic, _, _ = strings.Cut(v, ";")
		case "bundle-version":
			m.bundleVersion = v
		case "automatic-module-name":
			m.module = v
		case "group-id":
			m.group = v
		case "short-name":
			m.short = v
		case "plugin-version":
			m.pluginVersion = v
		case "bundle-license":
			m.license = v
		}
	}
	for line := range bytes.Lines(b) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break // named sections follow
		}
		if line[0] == ' ' {
			if len(value) < 4096 {
				value = append(value, line[1:]...)
			}
			continue
		}
		set()
		k, v, ok := bytes.Cut(line, []byte(":"))
		if key, value = "", nil; ok {
			key, value = string(k), bytes.Clone(v)
		}
	}
	set()
	if m == (jarManifest{}) {
		return nil
	}
	return &m
}
