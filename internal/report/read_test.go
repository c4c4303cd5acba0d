package report

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// full is a report with something in every place.
func full() *Report {
	r := hostile()
	r.Findings[1].Exploited = &advisory.Exploited{Added: "2026-01-01", Ransomware: true}
	r.Findings[1].EPSS = &advisory.EPSS{Score: 0.5, Percentile: 0.99, Date: "2026-01-02"}
	r.Findings[1].SSVC = &advisory.SSVC{Exploitation: "poc", TechnicalImpact: "total"}
	r.Findings[1].CVSS = []advisory.CVSS{{Vector: "CVSS:3.1/AV:N", Score: 7.5, Source: "nvd"}}
	r.VEX = &VEX{Documents: []VEXDocument{{Source: "a.json"}}, Unmatched: []VEXUnmatched{{Vulnerability: "CVE-1", Products: []string{}}}}
	r.Timing = &Timing{StartedAt: "2026-01-01T00:00:00Z", Seconds: 0.25}
	r.Packages[2].EOL, r.Packages[2].Licenses = "2026-01-01", []string{"MIT"}
	return r
}

// TestRead: what is read is what was written, in every format.
func TestRead(t *testing.T) {
	for what, d := range map[string]Document{
		"sample": {One: sample(3)}, "full": {One: full()}, "several": {Many: NewList("index", []*Report{sample(0), full()}, []Skipped{{Why: "no image"}})},
		"none": {Many: NewList("index", nil, nil)},
	} {
		first := written(t, "json", d)
		got, err := Read(strings.NewReader(first))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if d := cmp.Diff(first, written(t, "json", got)); d != "" {
			t.Errorf("%s (-written +read and written)\n%s", what, d)
		}
		// Bytes that are no UTF-8 were replaced when it was first written.
		again, err := Read(strings.NewReader(written(t, "json", got)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range Formats() {
			if written(t, f.Name, got) != written(t, f.Name, again) {
				t.Errorf("%s as %s differs", what, f.Name)
			}
		}
		if what == "sample" {
			if d := cmp.Diff(written(t, "table", d), written(t, "table", got)); d != "" {
				t.Errorf("the table (-scan +read)\n%s", d)
			}
		}
	}
}

func TestReadRefuses(t *testing.T) {
	good := written(t, "json", Document{One: sample(1)})
	for what, bad := range map[string]string{
		"nothing": "", "no JSON": "<html>", "another document": "{}", "a list": "[]", "null": "null", "a number": "1",
		"another schema": strings.Replace(good, Schema, "plimsoll.report/v2", 1),
		"cut short":      good[:len(good)/2], "more behind it": good + "{}",
		"no verdict":               strings.Replace(good, `"value": "fail"`, `"value": "green"`, 1),
		"a verdict without reason": strings.Replace(good, `"value": "fail"`, `"value": "pass"`, 1),
		"a reason for nothing":     strings.Replace(good, `"action": "fail"`, `"action": "shrug"`, 1),
		"another package":          strings.Replace(good, `"name": "libsystem-part0"`, `"name": "other"`, 1),
		"a state":                  strings.Replace(good, `"findings": [`, `"findings": [{"statements": [{"state": "odd"}]},`, 1),
		"a severity":               strings.Replace(good, `"severity": "high"`, `"severity": "\u001b[2J"`, 1),
		"a state of it":            strings.Replace(good, `"state": "affected"`, `"state": "\u001b[2J"`, 1),
		"a kind":                   strings.Replace(good, `"kind": "vulnerability"`, `"kind": "\u001b[2J"`, 1),
		"a day":                    strings.Replace(good, `"as_of": "2026`, `"as_of": "\u001b[2J`, 1),
		"twice a name":             strings.Replace(good, `"as_of"`, `"as_of": "", "as_of"`, 1),
	} {
		if what != "nothing" && bad == good {
			t.Fatalf("%s: nothing was changed", what)
		}
		if _, err := Read(strings.NewReader(bad)); err == nil || !strings.HasPrefix(err.Error(), "reading a report: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Read(io.MultiReader(strings.NewReader(good[:9]), broken{})); err == nil {
		t.Error("a reader that fails was taken for the end")
	}
	// What a later version adds does not keep this one from reading the rest.
	if _, err := Read(strings.NewReader(strings.Replace(good, `"as_of"`, `"new": {"a": [1]}, "as_of"`, 1))); err != nil {
		t.Errorf("with something new: %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func FuzzRead(f *testing.F) {
	for _, d := range []Document{{One: full()}, {Many: NewList("index", []*Report{sample(0)}, nil)}} {
		var b bytes.Buffer
		format, _ := FormatNamed("json")
		if err := format.Write(&b, d, Style{}); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte(`{"schema":"plimsoll.report/v1","verdict":{"value":"pass"},"findings":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		for _, format := range Formats() {
			var out bytes.Buffer
			if err := format.Write(&out, d, Style{Width: 80}); err != nil || bytes.ContainsAny(out.Bytes(), "\x1b\a\x00") {
				t.Errorf("%s: %v, or a character that acts", format.Name, err)
			}
		}
	})
}
