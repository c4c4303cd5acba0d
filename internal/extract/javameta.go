package extract

import (
	"errors"
	"io"
	"path"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// jarClassifiers may follow the version in a file's name.
var jarClassifiers = []string{
	"-sources", "-javadoc", "-tests", "-test", "-all", "-shaded", "-uber", "-fat", "-jar-with-dependencies", "-boot",
	"-indy", "-noaop", "-no_aop", "-standalone", "-runner", "-exec", "-bin", "-classes", "-jdk8", "-jdk11", "-jdk17",
	"-linux-x86_64", "-linux-aarch_64", "-linux-x86", "-linux-aarch64", "-linux-ppcle_64", "-linux-s390_64", "-linux-riscv64", "-linux",
	"-osx-x86_64", "-osx-aarch_64", "-windows-x86_64", "-windows-x86", "-win", "-mac", "-macosx-x86_64", "-macosx-arm64",
}

// jarFileName splits "commons-lang3-3.11.jar" into artifact and version: at the first
// hyphen whose rest is a version. Both are empty if there is none.
func jarFileName(name string) (artifact, version string) {
	stem := jarStem(name)
	for cut := true; cut; {
		cut = false
		for _, c := range jarClassifiers {
			if rest, ok := strings.CutSuffix(stem, c); ok && strings.ContainsAny(rest, "0123456789") {
				stem, cut = rest, true
			}
		}
	}
	fallback := 0
	for i := 1; i+1 < len(stem); i++ {
		if stem[i] != '-' || stem[i+1] < '0' || stem[i+1] > '9' {
			continue
		}
		v := stem[i+1:]
		if jarIsVersion(v) {
			return jarClear(stem[:i]), jarClear(v)
		}
		if n, end := binNumbers([]byte(v), 0); fallback == 0 && n >= 2 && end < len(v) && v[end] == '-' {
			fallback = i
		}
	}
	if fallback > 0 {
		return jarClear(stem[:fallback]), jarClear(stem[fallback+1:])
	}
	return "", ""
}

func jarStem(name string) string {
	return strings.TrimSuffix(name, name[max(strings.LastIndexByte(name, '.'), 0):])
}

// jarIsVersion reports whether s is numbers with the qualifiers that releases use:
// "2.9.10.8", "27.0-jre", "4.1.50.Final", "1.0-beta-2", "2.5-20081211", "1.0-SNAPSHOT".
func jarIsVersion(s string) bool {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '.' || r == '-' || r == '_' || r == '+' })
	for i, p := range parts {
		letters := strings.TrimRight(strings.TrimLeft(p, "0123456789"), "0123456789")
		if letters == "" {
			continue
		}
		if i == 0 && p[0] != 'r' && p[0] != 'v' && (p[0] < '0' || p[0] > '9') {
			return false
		}
		switch strings.ToLower(letters) {
		case "a", "b", "m", "r", "v", "rc", "cr", "sp", "pr", "ga", "jre", "java", "jdk", "alpha", "beta", "final", "release",
			"snapshot", "incubating", "android", "milestone", "pre", "preview", "ea", "redhat", "jbossorg", "build", "hotfix",
			"patch", "stable", "dev", "nightly", "sec", "security", "fuse", "cdh", "hadoop", "fips", "lts", "t", "p", "u", "z":
		default:
			return false
		}
	}
	return len(parts) > 0 && s[0] >= '0' && s[0] <= '9'
}

// conclude turns what an archive says into packages: its own and, where others were
// shaded into it, theirs.
func (j *jarScan) conclude(a *jarFound, sum func() string) {
	poms := j.coordinates(a)
	base := path.Base(a.path)
	fileArtifact, fileVersion := jarFileName(base)
	own := jarOwnPom(poms, jarStem(base), fileArtifact, fileVersion)
	var main jarCoordinates
	if own >= 0 {
		main = poms[own].jarCoordinates
	} else {
		main = jarByManifest(a.manifest, base, fileArtifact, fileVersion)
		for _, p := range poms {
			if p.artifact == main.artifact {
				main = jarCoordinates{} // the POM says it better
			}
		}
	}
	if main.artifact != "" && main.version != "" {
		p := inventory.Package{
			Type: "maven", Namespace: main.group, Name: main.artifact, Version: main.version,
			Evidence: inventory.Installed, SHA1: sum(),
		}
		if a.manifest != nil && a.manifest.license != "" {
			p.Licenses = []string{a.manifest.license}
		}
		if a.depth > 1 {
			p.Locations = []inventory.Location{{Path: a.path}}
		}
		j.add(p)
	}
	for i, p := range poms {
		if i == own {
			continue
		}
		j.add(inventory.Package{
			Type: "maven", Namespace: p.group, Name: p.artifact, Version: p.version, Evidence: inventory.Installed,
			Locations: []inventory.Location{{Path: a.path + "!/" + p.dir}},
		})
	}
}

func (j *jarScan) add(p inventory.Package) {
	if len(j.out.Packages) == jarMaxPackages {
		j.unknown(inventory.LimitExceeded, p.Name, errors.New("it holds more packages than are listed"))
	}
	if len(j.out.Packages) < jarMaxPackages {
		j.out.Packages = append(j.out.Packages, p)
	}
}

// coordinates gives the archive's POMs, each artifact once. A pom.properties that is
// not filled in is completed by the pom.xml beside it, and that by the folder's name.
func (j *jarScan) coordinates(a *jarFound) []jarPom {
	byDir := map[string]int{}
	poms := a.poms
	for i, p := range poms {
		byDir[p.dir] = i
	}
	for _, x := range a.xml {
		i, has := byDir[x.dir]
		if has && poms[i].complete() {
			continue
		}
		c := x.read
		if c == nil {
			r, err := j.content(&x.entry)
			if err != nil {
				continue
			}
			read, err := jarReadPomXML(io.LimitReader(r, jarMaxXML))
			if err != nil {
				continue
			}
			c = &read
		}
		if !has {
			byDir[x.dir] = len(poms)
			poms = append(poms, jarPom{dir: x.dir, jarCoordinates: *c})
			continue
		}
		p := &poms[i]
		p.group, p.artifact, p.version = jarFirst(p.group, c.group), jarFirst(p.artifact, c.artifact), jarFirst(p.version, c.version)
	}
	seen := map[jarCoordinates]bool{}
	out := poms[:0]
	for _, p := range poms {
		folders := strings.Split(p.dir, "/")
		if n := len(folders); n >= 2 {
			p.group, p.artifact = jarFirst(p.group, jarClear(folders[n-2])), jarFirst(p.artifact, jarClear(folders[n-1]))
		}
		if !p.complete() || seen[p.jarCoordinates] {
			continue
		}
		seen[p.jarCoordinates] = true
		out = append(out, p)
	}
	return out
}

func jarFirst(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// jarOwnPom says which of the POMs is the archive's own: the one that its file's name
// starts with; a single one unless the name says that the archive is something else.
// -1 if none is.
func jarOwnPom(poms []jarPom, stem, fileArtifact, fileVersion string) int {
	own, score := -1, 0
	for i, p := range poms {
		s := 0
		switch {
		case stem == p.artifact || fileArtifact == p.artifact:
			s = 1000 + len(p.artifact)
		case strings.HasPrefix(stem, p.artifact+"-") || strings.HasPrefix(stem, p.artifact+"_"):
			s = len(p.artifact)
		case strings.HasPrefix(stem, p.group+"."+p.artifact):
			s = len(p.artifact)
		}
		if s > 0 && p.version == fileVersion {
			s += 500
		}
		if s > score {
			own, score = i, s
		}
	}
	if own < 0 && len(poms) == 1 && (fileVersion == "" || fileVersion == poms[0].version) {
		return 0
	}
	return own
}

// jarByManifest tells an archive without POM by its manifest and its file's name.
func jarByManifest(m *jarManifest, base, fileArtifact, fileVersion string) jarCoordinates {
	if m == nil {
		m = &jarManifest{}
	}
	if m.title == "Java Runtime Environment" {
		return jarCoordinates{} // the runtime's own; its release file says more
	}
	version := jarFirst(jarVersion(m.pluginVersion), jarFirst(jarVersion(m.version), jarVersion(m.bundleVersion)))
	if fileVersion != "" && (version == "" || jarSameVersion(version, fileVersion)) {
		version = fileVersion // the same, as Maven spells it
	}
	if version == "" {
		return jarCoordinates{}
	}
	stem := jarClear(jarStem(base))
	tail := m.symbolic[strings.LastIndexByte(m.symbolic, '.')+1:]
	artifact := jarClear(jarFirst(m.short, fileArtifact))
	if artifact == "" {
		_, known := jarGroups[stem]
		title := m.title[strings.LastIndexByte(m.title, ':')+1:]
		switch {
		case known || tail != "" && strings.HasSuffix(stem, tail):
			artifact = stem
		case strings.Contains(tail, "-"):
			artifact = jarClear(tail)
		case jarClear(title) != "" && strings.ToLower(title) == title:
			artifact = title
		default:
			artifact = stem
		}
	}
	if real, ok := jarAliases[artifact]; ok {
		return jarCoordinates{real[0], real[1], version}
	}
	return jarCoordinates{jarGroup(m, artifact), artifact, version}
}

// jarVersion gives a version stated in a manifest; "" if it is none.
func jarVersion(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), " ")
	if s = jarClear(s); s == "" || !strings.ContainsAny(s, "0123456789") {
		return ""
	}
	if c := s[0]; c != 'v' && c != 'r' && (c < '0' || c > '9') {
		return ""
	}
	return s
}

// jarSameVersion reports whether the manifest's version is the file's, maybe with a
// build's mark after it or in OSGi's spelling ("27.0.0.jre" for "27.0-jre").
func jarSameVersion(manifest, file string) bool {
	norm := func(s string) string {
		s = strings.NewReplacer("-", ".", "_", ".", "+", ".").Replace(s)
		for strings.Contains(s, ".0.") {
			s = strings.ReplaceAll(s, ".0.", ".")
		}
		return strings.TrimSuffix(s, ".0")
	}
	a, b := norm(manifest), norm(file)
	return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".")
}

// jarGroup gives the group that the evidence supports; "" if none does.
func jarGroup(m *jarManifest, artifact string) string {
	if g := jarClear(m.group); g != "" {
		return g
	}
	if g, ok := jarGroups[artifact]; ok {
		return g
	}
	for _, p := range jarGroupPrefixes {
		if strings.HasPrefix(artifact, p[0]) {
			return p[1]
		}
	}
	// com.fasterxml.jackson.core.jackson-databind; org.apache.commons.lang3 for commons-lang3.
	if i := strings.LastIndexByte(m.symbolic, '.'); i > 0 {
		group, tail := m.symbolic[:i], m.symbolic[i+1:]
		k := strings.LastIndexByte(group, '.')
		if strings.Contains(group, ".") && jarClear(group) != "" && (tail == artifact || group[k+1:]+"-"+tail == artifact) {
			return group
		}
	}
	if v := jarClear(m.vendorID); strings.Contains(v, ".") && v == strings.ToLower(v) {
		return v
	}
	return ""
}
