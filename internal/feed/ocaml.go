package feed

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// Bounds on the data of one record: tokens, and brackets within each other.
const (
	maxOpamTokens = 1 << 14
	maxOpamDepth  = 32
)

// ocamlFeed reads the database of OCaml's security team (github.com/ocaml/security-advisories,
// FORMAT.md): Markdown that begins with fields in the syntax of opam files
// (opam.ocaml.org/doc/Manual.html).
func ocamlFeed() Feed {
	return Feed{
		Name:  "ocaml-osec",
		Home:  "https://github.com/ocaml/security-advisories",
		Doc:   "OCaml's database of opam packages, a tar archive of Markdown with opam fields",
		Every: 24 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			records := func(name string) bool {
				return inFolder(name, "advisories") && strings.HasPrefix(path.Base(name), "OSEC-") && path.Ext(name) == ".md"
			}
			return fetchRecords(ctx, o, "https://github.com/ocaml/security-advisories/archive/refs/heads/main.tar.gz", records,
				parseOCaml, out)
		},
	}
}

// parseOCaml reads one record. It never panics, whatever the bytes.
func parseOCaml(name string, data []byte, err error) osvParsed {
	p := osvParsed{name: baseName(name)}
	var front []byte
	var title string
	var fields map[string][]opamToken
	if err == nil {
		front, title, err = frontMatter(data)
	}
	if err == nil {
		fields, err = opamFields(string(front))
	}
	words := func(field string) (out []string) {
		for _, t := range fields[field] {
			if t.kind != '[' && t.kind != ']' {
				out = append(out, t.text)
			}
		}
		return out
	}
	id := strings.Join(words("id"), "")
	if err == nil && (!isName(id) || !strings.HasPrefix(id, "OSEC-")) {
		err = fmt.Errorf("its ID %.60q is not one", id)
	}
	if err != nil {
		p.bad = err
		return p
	}
	if len(fields["withdrawn"]) > 0 {
		p.skip = "withdrawn"
		return p
	}
	a := advisory.Advisory{
		ID: id, Summary: title, URL: "https://osv.dev/vulnerability/" + id, Aliases: aliasesOf(id, words("aliases")),
		Published: parseTime(strings.Join(words("published"), "")), Modified: parseTime(strings.Join(words("modified"), "")),
	}
	_, a.CVSS = ratings(nil, []osvSeverity{{Type: "CVSS_V3", Score: looseString(strings.Join(words("severity"), ""))}})
	a.Affected, p.bad = opamAffected(fields["affected"])
	switch {
	case len(a.Affected) > 0:
		p.adv = &a
	case p.bad == nil:
		p.skip = "affects nothing"
	}
	return p
}

// opamToken is a string (kind '"'), a word ('a') or a sign, by its first character.
type opamToken struct {
	kind byte
	text string
}

// opamFields takes fields apart, "name: value" one after the other.
func opamFields(s string) (map[string][]opamToken, error) {
	var all []opamToken
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '#':
			for i < len(s) && s[i] != '\n' {
				i++
			}
		case c == '"':
			var text []byte
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' && i+1 < len(s) {
					i++
				}
				text = append(text, s[i])
			}
			if i == len(s) {
				return nil, fmt.Errorf("a text does not end")
			}
			i++
			all = append(all, opamToken{'"', string(text)})
		case strings.IndexByte("<>=!", c) >= 0:
			n := 1
			if i+1 < len(s) && s[i+1] == '=' {
				n = 2
			}
			all = append(all, opamToken{'<', s[i : i+n]})
			i += n
		case strings.IndexByte("[]{}()&|:", c) >= 0:
			all = append(all, opamToken{c, s[i : i+1]})
			i++
		default:
			from := i
			for i < len(s) && strings.IndexByte(" \t\r\n\"<>=![]{}()&|:#", s[i]) < 0 {
				i++
			}
			all = append(all, opamToken{'a', s[from:i]})
		}
		if len(all) > maxOpamTokens {
			return nil, fmt.Errorf("it has over %d words", maxOpamTokens)
		}
	}
	fields := map[string][]opamToken{}
	name, depth := "", 0
	for i := 0; i < len(all); i++ {
		if depth == 0 && all[i].kind == 'a' && i+1 < len(all) && all[i+1].kind == ':' {
			name = all[i].text
			i++
			continue
		}
		switch all[i].kind {
		case '[', '{', '(':
			depth++
		case ']', '}', ')':
			depth--
		}
		if name == "" || depth < 0 {
			return nil, fmt.Errorf("%.60q stands in no field", all[i].text)
		}
		fields[name] = append(fields[name], all[i])
	}
	if depth != 0 {
		return nil, fmt.Errorf("a bracket is not closed")
	}
	return fields, nil
}

// opamAffected reads packages with the versions that are affected: "name" {< "1.2"}, one
// or a list.
func opamAffected(t []opamToken) (out []advisory.Affected, bad error) {
	for i := 0; i < len(t); i++ {
		switch t[i].kind {
		case '[', ']':
			continue
		case '"':
		default:
			return out, fmt.Errorf("%.60q stands where a package should be", t[i].text)
		}
		af := advisory.Affected{Ecosystem: "opam", Package: t[i].text}
		if !isName(af.Package) {
			return out, fmt.Errorf("its package %.60q is not one", af.Package)
		}
		if i+1 == len(t) || t[i+1].kind != '{' {
			out = append(out, af) // every version
			continue
		}
		f := opamFilter{t: t, at: i + 2}
		set, err := f.either(0)
		if err == nil && f.next().kind != '}' {
			err = fmt.Errorf("its versions do not end")
		}
		if err != nil {
			return out, fmt.Errorf("package %.60q: %v", af.Package, err)
		}
		i = f.at - 1
		if af.Ranges = set.intervals(); len(af.Ranges) > 0 {
			out = append(out, af)
		}
	}
	return out, nil
}

// opamFilter reads a formula over versions: | binds less than &.
type opamFilter struct {
	t  []opamToken
	at int
}

func (f *opamFilter) next() opamToken {
	if f.at >= len(f.t) {
		return opamToken{}
	}
	f.at++
	return f.t[f.at-1]
}

func (f *opamFilter) sign(kind byte) bool {
	if f.at < len(f.t) && f.t[f.at].kind == kind {
		f.at++
		return true
	}
	return false
}

func (f *opamFilter) either(depth int) (rangeSet, error) {
	set, err := f.both(depth)
	for err == nil && f.sign('|') {
		var more rangeSet
		if more, err = f.both(depth); err == nil {
			set, err = set.union(more.spans...)
		}
	}
	return set, err
}

func (f *opamFilter) both(depth int) (rangeSet, error) {
	set, err := f.one(depth)
	for err == nil && f.sign('&') {
		var more rangeSet
		if more, err = f.one(depth); err == nil {
			set, err = set.meet(more)
		}
	}
	return set, err
}

func (f *opamFilter) one(depth int) (rangeSet, error) {
	set := rangeSet{scheme: version.Opam}
	if depth > maxOpamDepth {
		return set, fmt.Errorf("nested deeper than %d", maxOpamDepth)
	}
	if f.sign('(') {
		set, err := f.either(depth + 1)
		if err == nil && !f.sign(')') {
			err = fmt.Errorf("a bracket is not closed")
		}
		return set, err
	}
	op, v := f.next(), f.next()
	if op.kind != '<' || v.kind != '"' || op.text == "!=" {
		return set, fmt.Errorf("the condition %.60q cannot be read", op.text+" "+v.text)
	}
	s, err := rangeSyntax{scheme: version.Opam}.condition(op.text, v.text)
	if err != nil {
		return set, err
	}
	return set.union(s)
}
