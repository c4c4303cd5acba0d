package feed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/version"
)

// test gives what a criterion asks for. Which key signed a package is not asked: who
// built it is decided in matching. Which kernel runs is taken as given, and noted.
func (w *ovalWalk) test(ref *ovalRef, negate bool) []ovalClause {
	t, ok := w.doc.tests[ref.Test]
	if !ok {
		return doubtful("its test %.80q is not there", ref.Test)
	}
	comment := ref.Comment
	if comment == "" {
		comment = t.Comment
	}
	switch t.Check {
	case "", "all", "at least one", "only one":
	case "none satisfy":
		negate = !negate
	default:
		return doubtful("its test is checked for %.40q", t.Check)
	}
	kind := strings.TrimSuffix(t.XMLName.Local, "_test")
	obj, isThere := w.doc.objects[t.Object.Ref]
	switch {
	case kind == "family" || kind == "uname" && len(t.States) == 0:
		if negate {
			return doubtful("it asks for another system")
		}
		return []ovalClause{{}}
	case kind == "uname", strings.Contains(comment, " is set to boot up on next boot"):
		return []ovalClause{{kernel: true}}
	case !isThere:
		return doubtful("its object %.80q is not there", t.Object.Ref)
	case obj.Set != nil || obj.Filter != nil:
		return doubtful("its object is a set")
	}
	var state []ovalEntity
	for i, s := range t.States {
		e, ok := w.doc.states[s.Ref]
		switch {
		case !ok:
			return doubtful("its state %.80q is not there", s.Ref)
		case i > 0 && t.StateOperator != "" && t.StateOperator != "AND":
			return doubtful("its states are joined by %.20q", t.StateOperator)
		}
		state = append(slices.Clip(state), e...)
	}
	switch kind {
	case "rpmverifyfile":
		return platform(comment, t.Comment, negate)
	case "rpminfo", "dpkginfo":
		return w.packages(&t, &obj, state, comment, negate)
	case "textfilecontent54":
		return w.text(&t, &obj, state, comment, negate)
	}
	return doubtful("its test is a %.60s", oneLine(t.XMLName.Local))
}

func doubtful(format string, args ...any) []ovalClause {
	return []ovalClause{{doubt: fmt.Sprintf(format, args...)}}
}

// platform asks for a distribution. One that "must be installed" guards against
// systems that have another; it never holds on the publisher's own.
func platform(comment, also string, negate bool) []ovalClause {
	name, ok := installed(comment)
	if !ok {
		name, ok = installed(also)
	}
	switch {
	case negate && strings.HasSuffix(comment, " must be installed"):
		return nil
	case !ok:
		return doubtful("its test for a platform names none")
	case negate:
		return doubtful("it asks for what is not installed")
	}
	return []ovalClause{{platforms: []string{name}}}
}

// text asks for lines of a file: which distribution this is, whether a modularity
// stream is enabled, or, for Ubuntu's images, what is on their list of packages.
func (w *ovalWalk) text(t *ovalTest, obj *ovalObject, state []ovalEntity, comment string, negate bool) []ovalClause {
	file := strings.TrimSpace(obj.Filepath)
	if file == "" {
		file = strings.TrimSuffix(strings.TrimSpace(obj.Path), "/") + "/" + strings.TrimSpace(obj.Filename)
	}
	switch {
	case strings.HasPrefix(file, "/etc/dnf/modules.d/"):
		name, ok := strings.CutPrefix(comment, "Module ")
		name, more := strings.CutSuffix(name, " is enabled")
		if ok = ok && more && isName(name) && strings.Count(name, ":") == 1; !ok || negate {
			return doubtful("its test for a module names none")
		}
		return []ovalClause{{module: name}}
	case file == "./manifest":
		return w.packages(t, obj, state, comment, negate)
	case file == "/etc/debian_version", file == "/etc/lsb-release", strings.HasPrefix(file, "/etc/") && strings.HasSuffix(file, "-release"):
		return platform(comment, t.Comment, negate)
	}
	return doubtful("its test is on the file %.80q", file)
}

// packages asks for packages and their versions. A test on the package that makes a
// distribution, without a range of its versions, asks for that distribution.
func (w *ovalWalk) packages(t *ovalTest, obj *ovalObject, state []ovalEntity, comment string, negate bool) []ovalClause {
	names, why := w.names(obj)
	if why != "" {
		return doubtful("%s", why)
	}
	release := strings.HasSuffix(names[0], "-release")
	c := ovalClause{claim: claimInstalled, comment: comment}
	signed := false
	for _, e := range state {
		value := strings.TrimSpace(e.Value)
		if e.Variable != "" {
			all := w.doc.variables[e.Variable]
			if len(all) != 1 {
				return doubtful("its state's variable %.80q has %d values", e.Variable, len(all))
			}
			value = strings.TrimSpace(all[0])
		}
		switch kind := e.XMLName.Local; {
		case kind == "signature_keyid":
			signed = true
		case kind == "arch":
			arches := architectures(value)
			if arches == nil || negate {
				return doubtful("its test asks for the architecture %.60q", value)
			}
			c.arches = arches
		case release && (kind == "version" || kind == "name" || kind == "release" || kind == "evr" && !strings.HasPrefix(e.Operation, "less ")):
			return platform(comment, t.Comment, negate)
		case c.claim != claimInstalled:
			return doubtful("its test asks for two versions")
		case kind == "evr" || kind == "subexpression" || kind == "version" && isZero(value):
			var why string
			if c.claim, c.iv, why = claimOf(e.Operation, w.how.version(value)); why != "" {
				return doubtful("%s", why)
			}
		default:
			return doubtful("its test asks for %.40q", kind+" "+e.Operation)
		}
	}
	switch {
	case c.claim != claimInstalled:
	case signed && negate:
		return doubtful("it asks for a package that somebody else signed")
	case signed:
		return []ovalClause{{}}
	case release && c.arches != nil:
		return []ovalClause{{arches: c.arches}}
	case release:
		return platform(comment, t.Comment, negate)
	}
	switch t.Existence {
	case "", "at_least_one_exists", "all_exist", "only_one_exists":
	case "none_exist":
		if c.claim != claimInstalled {
			return doubtful("it asks for a version that does not exist")
		}
		c.claim = claimAbsent
	default:
		return doubtful("its test is of the existence %.40q", t.Existence)
	}
	if negate && !c.negate() {
		return doubtful("it asks for other versions than it can say")
	}
	if c.claim == claimRange && c.iv.Introduced == "0" && isZero(c.iv.Fixed) {
		return nil // no version is lower
	}
	if negate && len(names) > 1 {
		return doubtful("it asks that none of several packages is so")
	}
	out := make([]ovalClause, len(names))
	for i, name := range names {
		out[i] = c
		out[i].pkg = name
	}
	return out
}

// names gives the packages an object is for. Where advisories are for source packages
// the objects list binaries, and the source is named in words.
func (w *ovalWalk) names(obj *ovalObject) ([]string, string) {
	if w.how.bySource {
		_, rest, _ := strings.Cut(obj.Comment, "'")
		name, rest, ok := strings.Cut(rest, "'")
		if !ok || !isName(name) || !strings.HasPrefix(rest, " package") {
			return nil, "its object names no source package"
		}
		return []string{name}, ""
	}
	names := []string{obj.Name.Value}
	if ref := obj.Name.Variable; ref != "" {
		names = w.doc.variables[ref]
	}
	if op := obj.Name.Operation; len(names) == 0 || op != "" && op != "equals" {
		return nil, "its object does not list its packages"
	}
	for i := range names {
		if names[i] = strings.TrimSpace(names[i]); !isName(names[i]) {
			return nil, "its object does not lead to a package"
		}
	}
	return names, ""
}

// claimOf turns a comparison of versions into what it asks for. That a version is
// above zero is how SUSE says that all are affected, and that it is zero that none is.
func claimOf(op, v string) (claim ovalClaim, iv version.Interval, why string) {
	switch {
	case op == "less than":
		return claimRange, version.Interval{Introduced: "0", Fixed: v}, ""
	case op == "less than or equal":
		return claimRange, version.Interval{Introduced: "0", LastAffected: v}, ""
	case isZero(v) && (op == "greater than" || op == "greater than or equal"):
		return claimInstalled, iv, ""
	case isZero(v) && (op == "equals" || op == ""):
		return claimUnaffected, iv, ""
	case op == "greater than or equal":
		return claimRange, version.Interval{Introduced: v}, ""
	}
	return claimNone, iv, fmt.Sprintf("its test asks for versions %.40q", op)
}

// negate turns a claim around; false if that cannot be said.
func (c *ovalClause) negate() bool {
	switch {
	case c.claim == claimInstalled:
		c.claim = claimAbsent
	case c.claim == claimAbsent:
		c.claim = claimInstalled
	case c.claim == claimRange && c.iv.Introduced == "0" && c.iv.Fixed != "":
		c.iv = version.Interval{Introduced: c.iv.Fixed}
	case c.claim == claimRange && c.iv.Fixed == "" && c.iv.LastAffected == "":
		c.iv = version.Interval{Introduced: "0", Fixed: c.iv.Introduced}
	default:
		return false
	}
	return true
}

// isZero tells the version that stands for none.
func isZero(v string) bool {
	v = strings.TrimPrefix(v, "0:")
	return v == "0" || v == "0-0"
}

// architectures reads a pattern that is a choice of names; nil if it is another.
func architectures(pattern string) []string {
	const enough = 32
	all := strings.SplitN(strings.Trim(pattern, "^$()"), "|", enough)
	for _, a := range all {
		if a == "" || len(a) > 20 || strings.Trim(a, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return nil
		}
	}
	return all
}

// processors gives the architectures that a statement is to be limited to; nil for all.
// A package that is listed for the most common processor and for another was built for
// all that the release has.
func processors(arches []string) []string {
	common, other := false, false
	for _, a := range arches {
		switch a {
		case "noarch", "all", "any":
			return nil
		case "x86_64", "amd64":
			common = true
		default:
			other = true
		}
	}
	if common && other {
		return nil
	}
	return arches
}
