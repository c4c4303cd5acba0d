package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/finding"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/policy"
)

// hostile is sample with names that a terminal, a page or a spreadsheet would act upon.
func hostile() *Report {
	r := sample(2)
	for i, name := range []string{"=cmd|' /C calc'!A0", "<script>alert(1)</script>", "a\x1b[2Jb", "x | y `z` [l](javascript:x)", "&amp;\"'", "bad\xff"} {
		r.Packages[i].Name, r.Packages[i].PURL = name, "pkg:npm/"+name
		r.Findings[i].Package = &r.Packages[i]
		r.Findings[i].Title, r.Findings[i].URL = name, "javascript:alert(1)"
	}
	r.Image.Name = "evil\n`<img src=x>`|"
	f := r.Findings[0]
	f.VEX = &finding.VEX{Status: advisory.StatusNotAffected, Source: "hub"}
	r.Suppressed = append(r.Suppressed, f)
	return r
}

func written(t *testing.T, name string, d Document) string {
	t.Helper()
	f, ok := FormatNamed(name)
	if !ok {
		t.Fatalf("there is no format %s", name)
	}
	var a, b bytes.Buffer
	if err := f.Write(&a, d, Style{}); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := f.Write(&b, d, Style{}); err != nil || a.String() != b.String() {
		t.Errorf("%s: written twice it differs: %v", name, err)
	}
	return a.String()
}

// TestFormats: every format writes every kind of document, with nothing in it that acts.
func TestFormats(t *testing.T) {
	empty := &Report{Image: Image{Name: "none", Layers: []Layer{}}, Verdict: Verdict{Value: policy.Unknown, Reasons: []policy.Reason{{Rule: "not_found", Action: policy.Unknown, Detail: "it is not there"}}}}
	for what, d := range map[string]Document{
		"one": {One: sample(3)}, "hostile": {One: hostile()}, "nothing": {One: empty},
		"several": {Many: NewList("index", []*Report{sample(0), hostile()}, nil)}, "none": {Many: NewList("index", nil, nil)},
	} {
		for _, f := range Formats() {
			out := written(t, f.Name, d)
			if !strings.HasSuffix(out, "\n") {
				t.Errorf("%s as %s does not end with the end of a line", what, f.Name)
			}
			if strings.Contains(out, "\x1b") || !utf8.ValidString(out) {
				t.Errorf("%s as %s has a character that acts", what, f.Name)
			}
		}
	}
	none := Document{Many: NewList("index", nil, nil)}
	for name, want := range map[string]string{"junit": `errors="1"`, "github": "::error ", "sarif": `"executionSuccessful": false`, "markdown": "unknown"} {
		if out := written(t, name, none); !strings.Contains(out, want) {
			t.Errorf("of no image %s says %s", name, out)
		}
	}
	if _, ok := FormatNamed("yaml"); ok {
		t.Error("there is a format yaml")
	}
}

func TestCSV(t *testing.T) {
	r := hostile()
	rows, err := csv.NewReader(strings.NewReader(written(t, "csv", Document{One: r}))).ReadAll()
	if err != nil || len(rows) != 1+len(r.Findings)+len(r.Suppressed) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	at := func(row []string, column string) string { return row[slices.Index(csvHeader, column)] }
	if got := at(rows[1], "package"); got != "'=cmd|' /C calc'!A0" {
		t.Errorf("a formula is %q", got)
	}
	for _, row := range rows[1:] {
		if at(row, "severity") == "" || at(row, "vulnerability") == "" || at(row, "image") == "" {
			t.Errorf("%q", row)
		}
		for _, c := range row {
			if c != "" && strings.ContainsRune("=+-@", rune(c[0])) {
				t.Errorf("the cell %q is a formula", c)
			}
		}
	}
	if got := at(rows[len(rows)-1], "suppressed_by"); got != "hub" {
		t.Errorf("suppressed by %q", got)
	}
}

func TestJUnit(t *testing.T) {
	r := hostile()
	r.Verdict.Reasons = append(r.Verdict.Reasons, policy.Reason{Rule: "high", Action: policy.Warn, Detail: "something"})
	var got junitSuites
	if err := xml.Unmarshal([]byte(written(t, "junit", Document{Many: NewList("all", []*Report{r, {Image: Image{Name: "clean"}, Verdict: Verdict{Value: policy.Pass}}}, nil)})), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Suites) != 2 || got.Tests != len(r.Verdict.Reasons)+1 || got.Failures != 1 || got.Errors != 1 {
		t.Fatalf("%+v", got)
	}
	for i, why := range r.Verdict.Reasons {
		c := got.Suites[0].Cases[i]
		if c.Name != why.Rule || (c.Failure != nil) != (why.Action == policy.Fail) || (c.Error != nil) != (why.Action == policy.Unknown) {
			t.Errorf("%+v of %+v", c, why)
		}
	}
	if c := got.Suites[1].Cases; len(c) != 1 || c[0].Failure != nil || c[0].Error != nil {
		t.Errorf("without a reason: %+v", c)
	}
}

// TestGitHub: each line is one command, and no level has more than are shown.
func TestGitHub(t *testing.T) {
	r := hostile()
	r.Findings[3].Package.Name = "::error file=x::y\n::stop-commands::z"
	out := written(t, "github", Document{One: r})
	n := map[string]int{}
	for line := range strings.Lines(out) {
		level, rest, ok := strings.Cut(strings.TrimPrefix(line, "::"), " file=Dockerfile,line=1,title=")
		if title, _, sep := strings.Cut(rest, "::"); !ok || !sep || strings.ContainsAny(title, ":,\n") {
			t.Errorf("%q is not one command", line)
		}
		n[level]++
	}
	if n["error"] != maxAnnotations || n["warning"] != maxAnnotations || len(n) != 2 {
		t.Errorf("%v", n)
	}
	if !strings.HasPrefix(out, "::error file=Dockerfile,line=1,title=plimsoll high-fixable::") {
		t.Errorf("it begins with %.80q", out)
	}
}

func TestSARIF(t *testing.T) {
	r := hostile()
	var log sarifLog
	if err := json.Unmarshal([]byte(written(t, "sarif", Document{One: r})), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || len(log.Runs) != 1 || len(run.Results) != len(r.Findings)+len(r.Suppressed) || !run.Invocations[0].Successful {
		t.Fatalf("%d results, %+v", len(run.Results), run.Invocations)
	}
	if n := len(run.Invocations[0].Notifications); n != len(r.Unknowns) {
		t.Errorf("%d notifications of %d unknowns", n, len(r.Unknowns))
	}
	suppressed := 0
	for _, res := range run.Results {
		if run.Tool.Driver.Rules[res.Index].ID != res.Rule {
			t.Errorf("%s has the rule %s", res.Rule, run.Tool.Driver.Rules[res.Index].ID)
		}
		if res.Locations[0].Physical.Artifact.URI != "Dockerfile" || res.Locations[0].Physical.Region.StartLine != 1 || len(res.Fingerprints) != 1 {
			t.Errorf("%+v", res)
		}
		suppressed += len(res.Suppressions)
	}
	if suppressed != 1 {
		t.Errorf("%d suppressed", suppressed)
	}
	for _, rule := range run.Tool.Driver.Rules {
		if strings.Contains(rule.HelpURI, "javascript") {
			t.Errorf("the help of %s is at %s", rule.ID, rule.HelpURI)
		}
	}
	// A fingerprint knows neither tag nor digest nor version.
	again := hostile()
	again.Image.Name, again.Image.Digest = "evil:2", "sha256:1"
	for i := range again.Packages {
		again.Packages[i].Version += ".1"
	}
	for i, res := range sarifOf(again).Results {
		if res.Fingerprints["plimsoll/v1"] != run.Results[i].Fingerprints["plimsoll/v1"] {
			t.Errorf("%s has another fingerprint", res.Rule)
		}
	}
	// Two findings of one run do not share one.
	seen := map[string]string{}
	for _, res := range sarifOf(sample(0)).Results {
		f := res.Fingerprints["plimsoll/v1"]
		if was, ok := seen[f]; ok {
			t.Errorf("%q and %q have the same fingerprint", was, res.Message.Text)
		}
		seen[f] = res.Message.Text
	}
}

// TestSARIFBounds: GitHub refuses more results than it takes; the worst stay.
func TestSARIFBounds(t *testing.T) {
	r := sample(maxSARIFNotes + 5)
	one := r.Findings[0]
	for i := range maxSARIF {
		one.ID = fmt.Sprintf("CVE-2025-%d", 10000+i)
		r.Findings = append(r.Findings, one)
	}
	run := sarifOf(r)
	notes := run.Invocations[0].Notifications
	if len(run.Results) != maxSARIF || run.Results[0].Rule != r.Findings[0].ID || len(notes) != maxSARIFNotes+2 || notes[len(notes)-1].Descriptor.ID != "truncated" {
		t.Errorf("%d results, %d notes, the last %+v", len(run.Results), len(notes), notes[len(notes)-1])
	}
}

func TestSARIFScore(t *testing.T) {
	for _, tt := range []struct {
		severity string
		score    float64
		want     string
	}{
		{"critical", 0, "9.5"}, {"critical", 7.5, "9.0"}, {"high", 9.8, "8.9"}, {"high", 7.5, "7.5"}, {"medium", 5, "5.0"}, {"low", 0, "2.0"}, {"unknown", 9, "3.9"},
	} {
		f := Finding{Severity: tt.severity}
		if tt.score > 0 {
			f.CVSS = []advisory.CVSS{{Score: tt.score}}
		}
		if got := sarifScore(&f); got != tt.want {
			t.Errorf("%s with %g: %s, want %s", tt.severity, tt.score, got, tt.want)
		}
	}
}

// TestHTML parses the page as a browser does: no element and no attribute but those of the
// template, and no address but of the web.
func TestHTML(t *testing.T) {
	out := written(t, "html", Document{Many: NewList("all", []*Report{hostile(), sample(1)}, nil)})
	z := html.NewTokenizer(strings.NewReader(out))
	found := map[string]int{}
	for z.Next() != html.ErrorToken {
		tok := z.Token()
		if tok.Type != html.StartTagToken {
			continue
		}
		found[tok.Data]++
		for _, a := range tok.Attr {
			if strings.HasPrefix(a.Key, "on") || strings.Contains(a.Val, "javascript") || !slices.Contains([]string{"class", "lang", "charset", "content", "http-equiv", "name", "href", "rel"}, a.Key) {
				t.Errorf("<%s %s=%q>", tok.Data, a.Key, a.Val)
			}
		}
	}
	if z.Err() != io.EOF || found["script"]+found["img"] > 0 || found["section"] != 2 || found["table"] != 5 {
		t.Errorf("%v, %v", z.Err(), found)
	}
	if !strings.Contains(out, "default-src &#39;none&#39;") && !strings.Contains(out, "default-src 'none'") {
		t.Error("it has no policy against scripts")
	}
}

// TestOpenVEX: a statement for each flaw and what there is to do, by the rules of the
// specification for each status.
func TestOpenVEX(t *testing.T) {
	r := sample(0)
	r.Image.Digest, r.Image.Name = "sha256:"+image.Digest(strings.Repeat("0", 64)), "registry.example/team/app:1"
	for i, v := range []finding.VEX{
		{Status: advisory.StatusNotAffected, Source: "hub", Impact: "it is never called", Justification: 1},
		{Status: advisory.StatusNotAffected, Source: "hub"}, {Status: advisory.StatusFixed, Source: "hub"},
	} {
		f := r.Findings[i]
		f.VEX = &v
		r.Suppressed = append(r.Suppressed, f)
	}
	r.Findings = append(r.Findings, r.Findings[0]) // twice the same
	var doc openVEX
	if err := json.Unmarshal([]byte(written(t, "openvex", Document{One: r})), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Statements) != 5 || doc.Timestamp != "2026-11-24T00:00:00Z" {
		t.Fatalf("%d statements of %s", len(doc.Statements), doc.Timestamp)
	}
	for _, s := range doc.Statements {
		switch {
		case s.Status == "affected" && (s.Action == "" || s.Impact+s.Justification != ""), s.Status == "not_affected" && (s.Impact == "") == (s.Justification == ""):
			t.Errorf("%+v", s)
		case len(s.Products) != 1 || s.Products[0].ID != "pkg:oci/app@sha256%3A"+strings.Repeat("0", 64)+"?arch=amd64&repository_url=registry.example%2Fteam%2Fapp":
			t.Errorf("%+v", s.Products)
		}
		seen := map[openVEXPart]bool{}
		for _, p := range s.Products[0].Subcomponents {
			if seen[p] || !strings.HasPrefix(p.ID, "pkg:") {
				t.Errorf("%s twice, or none", p.ID)
			}
			seen[p] = true
		}
	}
	if got := doc.Statements[0].Action; got != "update to 1.2.3-r5" {
		t.Errorf("what to do is %q", got)
	}
}

var codeSpan = regexp.MustCompile("`[^`\n]*`")

func TestMarkdown(t *testing.T) {
	out := written(t, "markdown", Document{One: hostile()})
	// In a span of code nothing acts.
	plain := codeSpan.ReplaceAllString(out, "")
	for _, bad := range []string{"<", "](javascript", "`"} {
		if strings.Contains(plain, bad) {
			t.Errorf("it has %s:\n%s", bad, plain)
		}
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "| ") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 6 {
			t.Errorf("a row of the table has other columns: %s", line)
		}
	}
	r := sample(0)
	for range maxMarkdown {
		r.Findings = append(r.Findings, r.Findings[0])
	}
	if out := written(t, "markdown", Document{One: r}); !strings.Contains(out, "more findings") || strings.Count(out, "\n| ") > maxMarkdown+2 {
		t.Error("a long table is not cut")
	}
}
