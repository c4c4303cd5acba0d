package report

import (
	"bufio"
	_ "embed"
	"io"

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
	err := json.MarshalWrite(b, doc, json.Deterministic(true), jsontext.AllowInvalidUTF8(true),
		jsontext.WithIndent("  "), jsonv1.OmitEmptyWithLegacySemantics(true))
	if err != nil {
		return err
	}
	b.WriteByte('\n')
	return b.Flush()
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
