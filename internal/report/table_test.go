package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/finding"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/policy"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"plain name-1.0_p2":        "plain name-1.0_p2",
		"日本語 é ü – …":              "日本語 é ü – …",
		"a\x1b[2Jb":                "a�[2Jb",
		"a\x1b]0;x\ab":             "a�]0;x�b",
		"a\u009b2Jb":               "a�2Jb",
		"two\nlines\tand\rmore":    "two�lines�and�more",
		"del\x7f":                  "del�",
		"rtl\u202eexe.txt\u202c":   "rtl�exe.txt�",
		"isolate\u2066x\u2069":     "isolate�x�",
		"zero\u200bwidth\ufeff":    "zero�width�",
		"soft\u00adhyphen":         "soft�hyphen",
		"line\u2028sep\u2029":      "line�sep�",
		"no\u00a0break":            "no�break",
		"filler\u3164\u115f\u2800": "filler���",
		"tag\U000e0041":            "tag�",
		"bad\xff\xfeutf":           "bad��utf",
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPrintableProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "in")
		out := Printable(in)
		if !utf8.ValidString(out) || strings.ContainsFunc(out, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			t.Fatalf("%q leaves %q", in, out)
		}
		if Printable(out) != out {
			t.Fatalf("%q changes again to %q", out, Printable(out))
		}
		if n := utf8.RuneCountInString(in); utf8.RuneCountInString(out) != n {
			t.Fatalf("%q has %d runes, %q has not", in, n, out)
		}
	})
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 20, []string{"one two three"}},
		{"one two three", 7, []string{"one two", "three"}},
		{"  one \n two ", 20, []string{"one two"}},
		{"srv/very/long/path", 8, []string{"srv/very", "/long/pa", "th"}},
		{"at srv/very/long", 8, []string{"at", "srv/very", "/long"}},
		{"日本語 日本語", 6, []string{"日本語", "日本語"}},
		{"日本語日本語", 5, []string{"日本", "語日", "本語"}},
	} {
		if d := cmp.Diff(tt.want, wrap(tt.text, tt.width)); d != "" {
			t.Errorf("wrap(%q, %d):\n%s", tt.text, tt.width, d)
		}
	}
}

// TestWrapProperties: nothing is lost, and no line is too wide unless one character is.
func TestWrapProperties(t *testing.T) {
	words := rapid.SliceOf(rapid.StringMatching(`[a-z/日本é]{0,12}`))
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(words.Draw(t, "words"), " ")
		width := rapid.IntRange(1, 20).Draw(t, "width")
		lines := wrap(text, width)
		for _, line := range lines {
			if lipgloss.Width(line) > width && utf8.RuneCountInString(line) > 1 {
				t.Fatalf("%q has more than %d columns", line, width)
			}
		}
		if got, want := strings.ReplaceAll(strings.Join(lines, ""), " ", ""), strings.ReplaceAll(text, " ", ""); got != want {
			t.Fatalf("%q became %q", want, got)
		}
	})
}

func TestDistroName(t *testing.T) {
	for _, tt := range []struct{ name, id, version, want string }{
		{"Alpine Linux v3.10", "alpine", "3.10.4", "Alpine Linux v3.10 (3.10.4)"},
		{"Alpine Linux v3.22", "alpine", "3.22", "Alpine Linux v3.22"},
		{"Debian GNU/Linux 12 (bookworm)", "debian", "12", "Debian GNU/Linux 12 (bookworm)"},
		{"Debian GNU/Linux trixie/sid", "debian", "", "Debian GNU/Linux trixie/sid"},
		{"Ubuntu 24.04.1 LTS", "ubuntu", "24.04", "Ubuntu 24.04.1 LTS"},
		{"Wolfi", "wolfi", "20230201", "Wolfi 20230201"},
		{"Red Hat Enterprise Linux 9.4 (Plow)", "rhel", "9.4", "Red Hat Enterprise Linux 9.4 (Plow)"},
		{"Some Linux 17", "some", "7", "Some Linux 17 (7)"},
		{"", "alpine", "3.22.1", "alpine 3.22.1"},
	} {
		if got := distro(&inventory.Distro{ID: tt.id, Name: tt.name, VersionID: tt.version}); got != tt.want {
			t.Errorf("%q %q: %q, want %q", tt.name, tt.version, got, tt.want)
		}
	}
}

// sample makes a report with wide characters, long names, many packages of one
// source, and more unknowns than are listed.
func sample(unknowns int) *Report {
	inv := &inventory.Inventory{Distro: &inventory.Distro{ID: "alpine", VersionID: "3.22.1", Name: "Alpine Linux v3.22"}}
	add := func(p inventory.Package, path string, layer int) {
		p.Locations = []inventory.Location{{Path: path, Layer: layer}}
		inv.Packages = append(inv.Packages, p)
	}
	for i := range 9 {
		add(inventory.Package{Name: fmt.Sprintf("libsystem-part%d", i), Version: "1.2.3-r4", Type: "apk", Source: inventory.Source{Name: "system", Version: "1.2.3-r4"}}, "lib/apk/db/installed", 0)
	}
	add(inventory.Package{Name: "日本語パッケージ", Version: "1.0.0", Type: "npm"}, "srv/日本語/node_modules/日本語パッケージ/package.json", 1)
	add(inventory.Package{Name: strings.Repeat("long", 40), Version: strings.Repeat("9.", 30) + "9", Type: "pypi", Evidence: inventory.Locked}, "opt/requirements.txt", 1)
	var fs []finding.Finding
	for i := range inv.Packages {
		p := &inv.Packages[i]
		fs = append(fs, finding.Finding{Kind: finding.Vulnerability, ID: "CVE-2025-1", Severity: advisory.SeverityHigh, Package: p, FixedVersion: "1.2.3-r5", Title: strings.Repeat("a long title 題名 ", 9), Location: finding.Location{Path: p.Locations[0].Path, Layer: p.Locations[0].Layer}})
		fs = append(fs, finding.Finding{Kind: finding.Vulnerability, ID: "GHSA-aaaa-bbbb-cccc", Severity: advisory.SeverityMedium, Package: p, State: advisory.StateWillNotFix, Title: "短い"})
	}
	fs[18].Exploited = &advisory.Exploited{Added: "2026-01-01"}
	finding.Sort(fs)
	var us []inventory.Unknown
	for i := range unknowns {
		us = append(us, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: fmt.Sprintf("srv/app/%03d/%s.json", i, strings.Repeat("x", 50)), Detail: "the file ends in the middle of a string"})
	}
	facts := &Facts{Image: Image{Name: "example/サンプル:1", Platform: "linux/amd64", Layers: []Layer{{Digest: "sha256:a"}, {Digest: "sha256:b"}}}, Inventory: inv}
	s := policy.Subject{Findings: fs, Unknowns: us}
	return New(Input{Facts: facts, Findings: fs, Unknowns: us, Verdict: policy.Default().Evaluate(s), AsOf: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC),
		Coverage: []Coverage{{Type: "apk", Packages: 9, Matched: 9}, {Type: "npm", Packages: 3, Matched: 2, Note: "packages without group or version are listed only"}},
		Snapshot: &Snapshot{Sources: []Source{{Name: "alpine-secdb", Newest: "2026-11-20", AgeDays: 4}, {Name: "osv-npm", AgeDays: 0}}}})
}

func draw(t *testing.T, r *Report, s Style) string {
	t.Helper()
	var b bytes.Buffer
	if err := Table(&b, r, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestTableWidths: no line is wider than the terminal, columns stand under one
// another whatever the characters, and what to do is never cut.
func TestTableWidths(t *testing.T) {
	r := sample(3)
	for _, width := range []int{20, 40, 60, 80, 120, 200} {
		for _, color := range []bool{false, true} {
			out := draw(t, r, Style{Width: width, Color: color})
			for line := range strings.Lines(out) {
				if w := lipgloss.Width(strings.TrimSuffix(line, "\n")); w > width {
					t.Errorf("width %d: %d columns: %s", width, w, line)
				}
			}
			if n := strings.Count(out, "→ 1.2.3-r5"); n != 3 {
				t.Errorf("width %d: the fixed version is shown %d times, want 3:\n%s", width, n, out)
			}
			if !strings.Contains(out, "exploited") || !strings.Contains(out, "will not fix") {
				t.Errorf("width %d: what is exploited, or will not be fixed, is not shown:\n%s", width, out)
			}
			if color != strings.Contains(out, "\x1b[") {
				t.Errorf("width %d: colour is %v:\n%q", width, color, out)
			}
		}
		if width < 60 {
			continue
		}
		at := map[int]int{}
		for line := range strings.Lines(draw(t, r, Style{Width: width})) {
			for _, id := range []string{"CVE-2025-1 ", "GHSA-aaaa-bbbb-cccc "} {
				if i := strings.Index(line, id); i >= 0 {
					rest := line[i+len(id):]
					at[lipgloss.Width(line[:i])]++
					at[-lipgloss.Width(line[:len(line)-len(strings.TrimLeft(rest, " "))])]++
				}
			}
		}
		if len(at) != 2 {
			t.Errorf("width %d: IDs and what to do begin at columns %v", width, at)
		}
	}
}

func TestTableGroupsOneSource(t *testing.T) {
	out := draw(t, sample(0), Style{})
	var names []string
	for i := range 9 {
		names = append(names, fmt.Sprintf("libsystem-part%d", i))
	}
	if want := "  " + strings.Join(names, ", ") + "  1.2.3-r4  apk from system · layer 1 of 2\n"; strings.Count(out, want) != 1 {
		t.Errorf("not one block for the packages of one source:\n%s", out)
	}
	if !strings.Contains(out, "11 high · 11 medium — 11 with a fix") {
		t.Errorf("each package's findings count:\n%s", out)
	}
	if !strings.Contains(draw(t, sample(0), Style{Width: 80}), "libsystem-part0, libsystem-part1, libsystem-part2, 6 more  1.2.3-r4\n") {
		t.Errorf("names are not shortened to the width:\n%s", draw(t, sample(0), Style{Width: 80}))
	}
	if i, j := strings.Index(out, "日本語パッケージ"), strings.Index(out, "libsystem"); i < 0 || i > j {
		t.Errorf("what is exploited does not come first:\n%s", out)
	}
}

// TestTableDoesNotGroup: packages of one source whose findings differ stand apart.
func TestTableDoesNotGroup(t *testing.T) {
	r := sample(0)
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Package.Name == "libsystem-part4" && f.FixedVersion != "" {
			f.FixedVersion = "2.0"
		}
	}
	out := draw(t, r, Style{})
	if !strings.Contains(out, "\n  libsystem-part4  1.2.3-r4") || !strings.Contains(out, "→ 2.0") || strings.Contains(out, "part3, libsystem-part4") {
		t.Errorf("a package with other findings is lost:\n%s", out)
	}
}

func TestTableUnknowns(t *testing.T) {
	for _, tt := range []struct {
		n       int
		section bool
		more    string
	}{
		{1, false, ""}, // the verdict's reason says all
		{2, true, "(and 1 more above)"},
		{25, true, "and 5 more: see -f json"},
	} {
		out := draw(t, sample(tt.n), Style{})
		if got := strings.Contains(out, "Unknown  what could not be read"); got != tt.section {
			t.Errorf("%d unknowns: listed by themselves: %v\n%s", tt.n, got, out)
		}
		if !strings.Contains(out, tt.more) || !strings.Contains(out, "srv/app/000/") {
			t.Errorf("%d unknowns: %q is not said\n%s", tt.n, tt.more, out)
		}
	}
}

func TestTotal(t *testing.T) {
	snap := &Snapshot{}
	one := []Package{{}, {}}
	for _, tt := range []struct {
		r    Report
		want string
	}{
		{Report{}, "nothing was found that can be judged"},
		{Report{Packages: one}, "2 packages, held against nothing"},
		{Report{Packages: one, Snapshot: snap, Coverage: []Coverage{{Packages: 2, Matched: 2}}}, "no findings in 2 packages"},
		{Report{Packages: one, Snapshot: snap, Coverage: []Coverage{{Packages: 2, Matched: 1}}}, "no findings, but only 1 of 2 packages matched"},
		{Report{Findings: make([]Finding, 3), Summary: Summary{Findings: map[string]int{"low": 2, "unknown": 1}}}, "2 low · 1 not rated — none with a fix"},
	} {
		if got := total(&tt.r); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestTableListAndSkipped(t *testing.T) {
	var skipped []Skipped
	for range 22 {
		skipped = append(skipped, Skipped{Digest: "sha256:" + "c", Platform: "unknown/unknown", Why: "attestation\x1b[2J manifest"})
	}
	l := NewList("oci:x\x1b[2J", []*Report{sample(0)}, skipped)
	var b bytes.Buffer
	if err := TableList(&b, l, Style{}); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	if strings.Contains(out, "\x1b") {
		t.Errorf("an escape is left in %q", out)
	}
	for _, want := range []string{"FAIL  oci:x�[2J: 1 image\n", "and 2 more entries that are no images"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// TestJSONDeterministic: equal documents give equal bytes, and bytes that are no text
// do not break the encoding.
func TestJSONDeterministic(t *testing.T) {
	r := sample(2)
	r.Image.Name = "bad\xff\x1bname<&>"
	var a, b bytes.Buffer
	if err := JSON(&a, r); err != nil {
		t.Fatal(err)
	}
	if err := JSON(&b, r); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) || !bytes.HasSuffix(a.Bytes(), []byte("}\n")) {
		t.Error("two encodings differ, or have no final newline")
	}
	if !utf8.Valid(a.Bytes()) || bytes.ContainsRune(a.Bytes(), 0x1b) || !bytes.Contains(a.Bytes(), []byte("name<&>")) {
		t.Errorf("the name is written as %.60q", a.Bytes())
	}
}
