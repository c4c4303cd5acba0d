package report

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/policy"
)

// JSON writes a *Report or *List to w, indented, with a final newline. Equal documents
// give equal bytes. Strings that are no valid UTF-8 have the bad bytes replaced.
func JSON(w io.Writer, doc any) error {
	b := bufio.NewWriterSize(w, 64<<10)
	r, ok := doc.(*Report)
	if !ok || len(r.Packages) == 0 {
		if err := marshal(b, doc); err != nil {
			return err
		}
		b.WriteByte('\n')
		return b.Flush()
	}
	// Packages are nine tenths of most documents. They are written by hand, which takes a
	// quarter of the time, into the place of an empty list.
	rest := *r
	rest.Packages = []Package{}
	into := &spliced{w: b, packages: r.Packages}
	if err := marshal(into, &rest); err != nil {
		return err
	}
	if len(into.packages) > 0 {
		return errors.New("the report has no place for its packages")
	}
	b.WriteByte('\n')
	return b.Flush()
}

// spliced passes a report on and puts packages into the empty list of them.
type spliced struct {
	w        *bufio.Writer
	packages []Package // nil once they are written
	held     []byte    // what came before them, until their place is found
}

const packagesPlace = "\n  \"packages\": []"

func (s *spliced) Write(p []byte) (int, error) {
	if s.packages == nil {
		return s.w.Write(p)
	}
	s.held = append(s.held, p...)
	i := bytes.Index(s.held, []byte(packagesPlace))
	if i < 0 {
		return len(p), nil
	}
	i += len(packagesPlace) - 1
	s.w.Write(s.held[:i])
	var line []byte
	for k := range s.packages {
		if line = line[:0]; k > 0 {
			line = append(line, ',')
		}
		line = appendPackage(line, &s.packages[k])
		s.w.Write(line)
	}
	s.w.WriteString("\n  ")
	_, err := s.w.Write(s.held[i:])
	s.packages, s.held = nil, nil
	return len(p), err
}

func marshal(w io.Writer, doc any) error {
	return json.MarshalWrite(w, doc, json.Deterministic(true), jsontext.AllowInvalidUTF8(true),
		jsontext.WithIndent("  "), jsonv1.OmitEmptyWithLegacySemantics(true))
}

// appendPackage writes an element of the list of packages, as marshal does.
func appendPackage(b []byte, p *Package) []byte {
	b = append(b, "\n    {"...)
	first := true
	field := func(key, v string, always bool) {
		if v == "" && !always {
			return
		}
		b = appendKey(b, "\n      ", key, first)
		b, first = appendString(b, v), false
	}
	field("name", p.Name, true)
	field("version", p.Version, true)
	field("purl", p.PURL, true)
	field("type", p.Type, true)
	field("arch", p.Arch, false)
	if p.Source != nil {
		b = append(b, ",\n      \"source\": {\n        \"name\": "...)
		b = appendString(b, p.Source.Name)
		b = append(b, ",\n        \"version\": "...)
		b = appendString(b, p.Source.Version)
		b = append(b, "\n      }"...)
	}
	field("module", p.Module, false)
	if len(p.Licenses) > 0 {
		b = append(b, ",\n      \"licenses\": ["...)
		for i, l := range p.Licenses {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, "\n        "...)
			b = appendString(b, l)
		}
		b = append(b, "\n      ]"...)
	}
	field("evidence", p.Evidence, true)
	if p.Dev {
		b = append(b, ",\n      \"dev\": true"...)
	}
	field("owned_by", p.OwnedBy, false)
	field("sha1", p.SHA1, false)
	field("state", p.State, false)
	field("end_of_life", p.EOL, false)
	b = append(b, ",\n      \"locations\": ["...)
	for i := range p.Locations {
		l := &p.Locations[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, "\n        {\n          \"path\": "...)
		b = appendString(b, l.Path)
		if l.Layer != "" {
			b = append(b, ",\n          \"layer\": "...)
			b = appendString(b, string(l.Layer))
		}
		if l.Line != 0 {
			b = append(b, ",\n          \"line\": "...)
			b = strconv.AppendInt(b, int64(l.Line), 10)
		}
		b = append(b, "\n        }"...)
	}
	if len(p.Locations) > 0 {
		b = append(b, "\n      "...)
	}
	return append(b, "]\n    }"...)
}

func appendKey(b []byte, indent, key string, first bool) []byte {
	if !first {
		b = append(b, ',')
	}
	b = append(append(b, indent...), '"')
	return append(append(b, key...), "\": "...)
}

// appendString quotes s; bytes that are no UTF-8 are replaced.
func appendString(b []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		return append(append(append(b, '"'), s...), '"')
	}
	b, _ = jsontext.AppendQuote(b, s) // the error is about bad UTF-8 alone
	return b
}

// JSONSchema is the published schema (JSON Schema 2020-12) of both documents.
//
//go:embed report.schema.json
var JSONSchema []byte

// NewList joins the reports of one source; its verdict is the worst of theirs.
func NewList(source string, reports []*Report, skipped []Skipped) *List {
	l := &List{Schema: ListSchema, Source: source, Reports: reports, Skipped: skipped,
		Verdict: Verdict{Value: policy.Pass, Reasons: []policy.Reason{}}}
	if l.Reports == nil {
		l.Reports = []*Report{}
	}
	if l.Skipped == nil {
		l.Skipped = []Skipped{}
	}
	if len(reports) == 0 {
		l.Verdict.Value = policy.Unknown
		l.Verdict.Reasons = append(l.Verdict.Reasons, policy.Reason{Rule: string(inventory.NoPackagesIdentified), Action: policy.Unknown, Detail: "there is no image"})
	}
	for _, r := range reports {
		l.Verdict.Policy = r.Verdict.Policy
		if policy.Worse(l.Verdict.Value, r.Verdict.Value) != l.Verdict.Value {
			l.Verdict.Value = r.Verdict.Value
		}
	}
	for _, r := range reports {
		if r.Verdict.Value == l.Verdict.Value && l.Verdict.Value != policy.Pass {
			l.Verdict.Reasons = append(l.Verdict.Reasons, r.Verdict.Reasons...)
			break
		}
	}
	return l
}
