package feed

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

type parser = func(name string, data []byte, err error) osvParsed

// brief says in a line what came of a record.
func brief(p osvParsed) string {
	switch {
	case p.adv != nil:
		line := p.adv.ID
		if len(p.adv.Aliases) > 0 {
			line += "=" + strings.Join(p.adv.Aliases, ",")
		}
		if len(p.adv.Related) > 0 {
			line += " fixes " + strings.Join(p.adv.Related, ",")
		}
		for _, af := range p.adv.Affected {
			line += " | " + af.Ecosystem + " " + af.Package
			if af.Stream != "" {
				line += " (" + af.Stream + ")"
			}
			if af.State != advisory.StateAffected {
				line += " " + af.State.String()
			}
			if s := spelled(af.Ranges); s != "" {
				line += " " + s
			}
		}
		if p.bad != nil {
			line += " | and is bad"
		}
		return line
	case p.skip != "":
		return "skip: " + p.skip
	case p.bad != nil:
		return "bad"
	}
	return "nothing"
}

func rust(advisory, versions string) string {
	return "```toml\n[advisory]\n" + advisory + "\n\n[versions]\n" + versions + "\n```\n\n# A `title`  of it\n\nText.\n"
}

func TestLanguageFeeds(t *testing.T) {
	const rustHead = "id = \"RUSTSEC-2024-0001\"\npackage = \"widget\"\ndate = \"2024-02-03\"\n"
	const rubyHead = "---\ngem: widget\ncve: 2024-1000\nghsa: aaaa-bbbb-cccc\ntitle: A flaw\ndate: 2024-02-03\n"
	const phpHead = "title: A flaw\nlink: https://example.org/x\ncve: CVE-2024-1000\nreference: composer://acme/widget\nbranches:\n"
	const hexHead = "id: GHSA-1\npackage: widget\ntitle: A flaw\nseverity: high\ndisclosure_date: 2024-02-03\nvulnerable_version_ranges:\n"
	haskell := func(affected string) string {
		return "```toml\n[advisory]\nid = \"HSEC-2024-0001\"\naliases = [\"CVE-2024-1000\"]\n" + affected + "\n```\n# A flaw\n"
	}
	ocaml := func(fields string) string { return "```\nid: OSEC-2024-01\n" + fields + "\n```\n\n# A flaw\n" }
	tests := []struct {
		name  string
		parse parser
		file  string
		text  string
		want  string
	}{
		{"rust", parseRustSec, "", rust(rustHead+`aliases = ["CVE-2024-1000", "RUSTSEC-2024-0001"]`, `patched = [">= 1.2.0"]`+"\n"+`unaffected = ["< 1.0.0"]`),
			"RUSTSEC-2024-0001=CVE-2024-1000 | crates.io widget [1.0.0 1.2.0)"},
		{"rust, not fixed", parseRustSec, "", rust(rustHead, "patched = []"), "RUSTSEC-2024-0001 | crates.io widget [0 *)"},
		{"rust, a date that is one", parseRustSec, "", rust("id = \"RUSTSEC-2024-0001\"\npackage = \"widget\"\ndate = 2024-02-03", "patched = []"), "RUSTSEC-2024-0001 | crates.io widget [0 *)"},
		{"rust, unsound", parseRustSec, "", rust(rustHead+`informational = "unsound"`, "patched = []"), "RUSTSEC-2024-0001 | crates.io widget [0 *)"},
		{"rust, unmaintained", parseRustSec, "", rust(rustHead+`informational = "unmaintained"`, "patched = []"), "skip: tells of no flaw"},
		{"rust, withdrawn", parseRustSec, "", rust(rustHead+`withdrawn = "2024-03-01"`, "patched = []"), "skip: withdrawn"},
		{"rust, a range nobody can read", parseRustSec, "", rust(rustHead, `patched = ["newer"]`), "bad"},
		{"rust, another's ID", parseRustSec, "", rust("id = \"CVE-2024-1\"\npackage = \"widget\"", "patched = []"), "bad"},
		{"rust, no package", parseRustSec, "", rust("id = \"RUSTSEC-2024-0001\"", "patched = []"), "bad"},
		{"rust, no data", parseRustSec, "", "# Title\n", "bad"},
		{"rust, data without end", parseRustSec, "", "```toml\n[advisory]\n", "bad"},
		{"rust, wrong types", parseRustSec, "", rust("id = 7\npackage = [\"x\"]", "patched = 3"), "bad"},
		{"rust, deep", parseRustSec, "", rust(rustHead, "patched = "+strings.Repeat("[", 30000)), "bad"},

		{"ruby", parseRubySec, "r/gems/widget/CVE-2024-1000.yml", rubyHead + "unaffected_versions:\n- \"< 2.1.0\"\npatched_versions:\n- \"~> 2.1.3\"\n- \">= 2.2.2\"\n",
			"CVE-2024-1000=GHSA-aaaa-bbbb-cccc | RubyGems widget [2.1.0 2.1.3) [2.2.a 2.2.2)"},
		{"ruby, not fixed", parseRubySec, "", rubyHead, "CVE-2024-1000=GHSA-aaaa-bbbb-cccc | RubyGems widget [0 *)"},
		{"ruby, an old name", parseRubySec, "", "gem: widget\nosvdb: 12345\n", "OSVDB-12345 | RubyGems widget [0 *)"},
		{"ruby, no name", parseRubySec, "", "gem: widget\n", "bad"},
		{"ruby, an interpreter", parseRubySec, "", "engine: ruby\ncve: 2024-1000\n", "bad"},
		{"ruby, a list that is none", parseRubySec, "", rubyHead + "patched_versions: {a: b}\n", "bad"},
		{"ruby, anchors", parseRubySec, "", "gem: &a widget\ncve: *a\n", "bad"},
		{"ruby, no YAML", parseRubySec, "", "gem: [\n", "bad"},

		{"php", parseFriendsOfPHP, "r/acme/widget/CVE-2024-1000.yaml", phpHead + "  2.x:\n    time: 2024-03-01 10:00:00\n    versions: ['>=2.0.0', '<2.3.4']\n  1.x:\n    time: 2024-02-03 10:00:00\n    versions: [<1.2.3]\n",
			"CVE-2024-1000 | Packagist acme/widget [0 1.2.3) [2.0.0 2.3.4)"},
		{"php, branches that touch", parseFriendsOfPHP, "r/acme/widget/x.yaml", phpHead + "  a:\n    versions: ['>=2.0', '<2.1']\n  b:\n    versions: ['>=2.1', '<2.2.1']\n",
			"CVE-2024-1000 | Packagist acme/widget [2.0 2.2.1)"},
		{"php, no CVE", parseFriendsOfPHP, "r/acme/widget/2024-02-03.yaml", "reference: composer://acme/widget\nbranches:\n  a:\n    versions: ['<2']\n", "acme/widget/2024-02-03 | Packagist acme/widget [0 2)"},
		{"php, a branch nobody can read", parseFriendsOfPHP, "r/acme/widget/x.yaml", phpHead + "  a:\n    versions: ['<2']\n  b:\n    versions: ['dev-main']\n", "CVE-2024-1000 | Packagist acme/widget [0 2) | and is bad"},
		{"php, another registry", parseFriendsOfPHP, "r/acme/widget/x.yaml", "reference: pear://acme/widget\nbranches: {}\n", "bad"},
		{"php, nothing", parseFriendsOfPHP, "r/acme/widget/x.yaml", phpHead, "skip: affects no version"},

		{"hex", parseElixir, "", hexHead + "- '>= 3.6.3, <= 3.7.0'\n- '< 1.0.0'\n", "GHSA-1 | Hex widget [0 1.0.0) [3.6.3 3.7.0]"},
		{"hex, no range", parseElixir, "", hexHead, "bad"},

		{"haskell", parseHaskell, "", haskell("[[affected]]\npackage = \"widget\"\n[[affected.versions]]\nintroduced = \"1.0\"\nfixed = \"1.2\"\n[[affected.versions]]\nintroduced = \"2.0\"\n[[affected]]\nghc-component = \"ghc\"\n[[affected.versions]]\nintroduced = \"9.2.1\""),
			"HSEC-2024-0001=CVE-2024-1000 | Hackage widget [1.0 1.2) [2.0 *) | GHC ghc [9.2.1 *)"},
		{"haskell, a bad version", parseHaskell, "", haskell("[[affected]]\npackage = \"widget\"\n[[affected.versions]]\nintroduced = \"one\""), "bad"},
		{"haskell, nothing", parseHaskell, "", haskell(""), "skip: affects nothing"},

		{"ocaml", parseOCaml, "", ocaml("aliases: [ \"CVE-2024-1000\" CVE-2024-2000 ]\npublished: \"2024-02-03T00:00:00Z\"\naffected: \"widget\" {< \"4.14.3\" | (>= \"5\" & < \"5.4.1\")} # text\nevents: [ git \"x\" [ [fixed \"y\"] ] ]"),
			"OSEC-2024-01=CVE-2024-1000,CVE-2024-2000 | opam widget [0 4.14.3) [5 5.4.1)"},
		{"ocaml, several", parseOCaml, "", ocaml("affected: [ \"a\" {>= \"1\" & < \"2\"} \"b\" ]"), "OSEC-2024-01 | opam a [1 2) | opam b"},
		{"ocaml, empty", parseOCaml, "", ocaml("affected: \"a\" {>= \"2\" & < \"1\"}"), "skip: affects nothing"},
		{"ocaml, an open bracket", parseOCaml, "", ocaml("affected: \"a\" {< \"1\""), "bad"},
		{"ocaml, an open text", parseOCaml, "", ocaml("affected: \"a"), "bad"},
		{"ocaml, another formula", parseOCaml, "", ocaml("affected: \"a\" {!= \"1\"}"), "bad"},
		{"ocaml, no field", parseOCaml, "", "```\n\"x\"\n```\n", "bad"},
		{"ocaml, deep", parseOCaml, "", ocaml("affected: \"a\" {" + strings.Repeat("(", 8000) + strings.Repeat(")", 8000) + "}"), "bad"},

		{"node", parseNodeCore, "r/vuln/core/7.json", `{"cve":["CVE-2024-1000"],"vulnerable":"18.x || 20.x","patched":"^18.20.1 || ^20.12.1","severity":"high","affectedEnvironments":["all"]}`,
			"NODEJS-CORE-7=CVE-2024-1000 | generic node [18 18.20.1) [20 20.12.1)"},
		{"node, several flaws", parseNodeCore, "7.json", `{"cve":["CVE-2024-2000","CVE-2024-1000"],"vulnerable":"18.x","patched":">= 18.20.1"}`,
			"NODEJS-CORE-7 fixes CVE-2024-1000,CVE-2024-2000 | generic node [18 18.20.1)"},
		{"node, patched by a bare version", parseNodeCore, "7.json", `{"cve":[],"vulnerable":"15.x","patched":"15.2.1"}`, "NODEJS-CORE-7 | generic node [15 15.2.1)"},
		{"node, on another system", parseNodeCore, "7.json", `{"vulnerable":"15.x","affectedEnvironments":["win32"]}`, "skip: another system"},
		{"node, patched in all", parseNodeCore, "7.json", `{"vulnerable":"15.x","patched":"^15.0.0"}`, "skip: affects no version"},
		{"node, no range", parseNodeCore, "7.json", `{"patched":"^15.0.0"}`, "bad"},
		{"node, no JSON", parseNodeCore, "7.json", `<html>`, "bad"},
	}
	for _, tt := range tests {
		p := tt.parse(tt.file, []byte(tt.text), nil)
		if got := brief(p); got != tt.want {
			t.Errorf("%s: %s (%v), want %s", tt.name, got, p.bad, tt.want)
		}
		if p.adv != nil {
			p.adv.Source = "test"
			if err := sound(p.adv); err != "" {
				t.Errorf("%s: %s", tt.name, err)
			}
		}
		if p := tt.parse("x", nil, errTooLarge); p.bad != errTooLarge && p.bad == nil {
			t.Errorf("%s: an entry that cannot be read is %+v", tt.name, p)
		}
	}
}

// TestRecordWords: what people read of a record.
func TestRecordWords(t *testing.T) {
	day := time.Date(2024, 2, 3, 0, 0, 0, 0, time.UTC)
	p := parseRustSec("", []byte(rust("id = \"RUSTSEC-2024-0001\"\npackage = \"widget\"\ndate = \"2024-02-03\"\ncvss = \"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N\"", "patched = []")), nil)
	want := &advisory.Advisory{
		ID: "RUSTSEC-2024-0001", Summary: "A `title` of it", URL: "https://rustsec.org/advisories/RUSTSEC-2024-0001.html", Published: day, Modified: day,
		CVSS:     []advisory.CVSS{{Vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}},
		Affected: []advisory.Affected{{Ecosystem: "crates.io", Package: "widget", Ranges: []version.Interval{{Introduced: "0"}}}},
	}
	if d := cmp.Diff(want, p.adv); d != "" {
		t.Error(d)
	}
	p = parseRubySec("", []byte("gem: widget\ncve: 2024-1000\ntitle: |\n  A\n  flaw\nurl: \"javascript:alert(1)\"\ndate: 2024-02-03\n"), nil)
	if a := p.adv; a == nil || a.Summary != "A flaw" || a.URL != "https://osv.dev/vulnerability/CVE-2024-1000" || !a.Published.Equal(day) {
		t.Errorf("%+v", p.adv)
	}
}

func TestYAML(t *testing.T) {
	got, err := yamlJSON([]byte("a: 1.10\nb: 2024-02-03\nc: [yes, ~, 'x\"', {d: |\n  text\n  }]\n"))
	if err == nil {
		t.Errorf("a block in a flow was taken: %s", got)
	}
	got, err = yamlJSON([]byte("a: 1.10\nb: 2024-02-03\nc: [yes, ~, 'x\"', {d: 0x10}]\ne: |\n  text\n"))
	if want := `{"a":"1.10","b":"2024-02-03","c":["yes",null,"x\"",{"d":"0x10"}],"e":"text\n"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+", ", 8) + "x]\n"
	}
	for name, doc := range map[string]string{
		"nothing": "", "a bomb": bomb, "an alias": "a: &x 1\nb: *x\n", "merged": "a: &x {b: c}\nd:\n  <<: *x\n", "deep": strings.Repeat("[", 5000),
		"deep blocks": strings.Repeat("- ", 5000) + "x", "large": strings.Repeat("x", maxYAML+1), "a key that is a list": "? [a]\n: b\n", "bytes": "a: \xff\xfe\n",
	} {
		if got, err := yamlJSON([]byte(doc)); err == nil {
			t.Errorf("%s was taken: %.80s", name, got)
		}
	}
}

func FuzzYAML(f *testing.F) {
	f.Add([]byte("a: 1.10\nb: [x, {c: d}]\ne: |\n  text\n"))
	f.Add([]byte("gem: widget\ncve: 2024-1000\npatched_versions:\n- \"~> 2.1.3\"\n"))
	f.Add([]byte("reference: composer://acme/widget\nbranches:\n  a:\n    versions: ['>=2.0', '<2.1']\n"))
	f.Add([]byte("id: GHSA-1\npackage: widget\nvulnerable_version_ranges:\n- '>= 3.6.3, <= 3.7.0'\n"))
	f.Add([]byte("id: PYSEC-1\naffected:\n- package: {name: x, ecosystem: PyPI}\n  versions: ['1']\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []parser{parseRubySec, parseFriendsOfPHP, parseElixir, osvReader{speaks: []string{"PyPI", "CRAN"}}.parseAny} {
			checkParsed(t, parse("r/a/b/x.yaml", slices.Clone(data), nil))
		}
	})
}

func FuzzFrontMatter(f *testing.F) {
	f.Add([]byte(rust("id = \"RUSTSEC-2024-0001\"\npackage = \"widget\"", "patched = [\"^1.0\"]")))
	f.Add([]byte("```toml\n[advisory]\nid = \"HSEC-2024-0001\"\n[[affected]]\npackage = \"x\"\n[[affected.versions]]\nintroduced = \"1\"\n```\n"))
	f.Add([]byte("```\nid: OSEC-2024-01\naffected: \"widget\" {< \"4.14.3\" | (>= \"5\" & < \"5.4.1\")}\n```\n# x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []parser{parseRustSec, parseHaskell, parseOCaml} {
			checkParsed(t, parse("x.md", data, nil))
		}
	})
}

func FuzzNodeCore(f *testing.F) {
	f.Add([]byte(`{"cve":["CVE-2024-1000"],"vulnerable":"18.x || 20.x","patched":"^18.20.1"}`))
	f.Fuzz(func(t *testing.T, data []byte) { checkParsed(t, parseNodeCore("7.json", data, nil)) })
}

// checkParsed: nothing vanishes, and what is handed on is sound.
func checkParsed(t *testing.T, p osvParsed) {
	t.Helper()
	if p.adv == nil {
		if p.bad == nil && p.skip == "" {
			t.Error("a record vanished")
		}
		return
	}
	p.adv.Source = "fuzz"
	if err := sound(p.adv); err != "" {
		t.Errorf("%s: %+v", err, p.adv)
	}
}
