package extract

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// checkLanguages runs the extractor for path on body and checks what holds for any
// input: the answer is the same twice, and every package can be named.
func checkLanguages(t *testing.T, path string, body []byte) {
	t.Helper()
	before := string(body)
	frag, err := langRun(t, path, body)
	again, err2 := langRun(t, path, body)
	if diff := cmp.Diff(frag, again); diff != "" || (err == nil) != (err2 == nil) {
		t.Fatalf("%s: read twice, the answers differ: %v, %v\n%s", path, err, err2, diff)
	}
	if string(body) != before {
		t.Fatalf("%s: the file's bytes were changed", path)
	}
	if err != nil && (err.Error() == "" || len(err.Error()) > 1000) {
		t.Fatalf("%s: an error of %d bytes", path, len(err.Error()))
	}
	if frag == nil {
		return
	}
	for _, p := range frag.Packages {
		if p.Type == "" || !langWord(p.Name) || !langWord(p.Version) || p.Namespace != "" && !langWord(p.Namespace) {
			t.Fatalf("%s: package %+v", path, p)
		}
		if len(p.Licenses) > langMaxLicenses {
			t.Fatalf("%s: %d licences", path, len(p.Licenses))
		}
	}
	for _, u := range frag.Unknowns {
		if u.Reason == "" || u.Subject != path || u.Detail == "" || len(u.Detail) > 1000 {
			t.Fatalf("%s: unknown %+v", path, u)
		}
	}
}

// Files made to exhaust a reader, given to every reader. None may panic, and none may
// do more than a bounded amount of work for each byte: a reader whose work grows with
// the square of the file would take minutes for one of these, not milliseconds.
func TestHostileLanguageFiles(t *testing.T) {
	const n = 256 << 10
	long := func(s string) string { return strings.Repeat(s, n/len(s)) }
	bodies := map[string]string{
		"nothing":            "",
		"one NUL":            "\x00",
		"NULs":               long("\x00"),
		"spaces":             long(" "),
		"line ends":          long("\n"),
		"lists":              long("["),
		"objects":            long(`{"a":`),
		"lists in an object": `{"packages":` + long("["),
		"dependencies":       long(`{"dependencies":{"a":`),
		"quotes":             long(`"`),
		"apostrophes":        long("'"),
		"backslashes":        `{"` + long(`\`),
		"escaped quotes":     `{"` + long(`\"`),
		"escapes":            `{"name":"` + long(`\u0000`) + `"}`,
		"open string":        `{"name":"` + long("a"),
		"comments":           "{" + long("/**/"),
		"slashes":            "{" + long("/"),
		"TOML list":          "a = " + long("["),
		"TOML tables":        "a = " + long("{a="),
		"TOML header":        "[" + long("a.") + "a]",
		"TOML many headers":  long("[[package]]\n"),
		"TOML long string":   `a = """` + long(`"" `),
		"TOML comments":      "a = [" + long("#\n"),
		"YAML aliases":       "a: &a [x,x]\nb: &b " + long("*a,"),
		"YAML stairs": func() string {
			var b strings.Builder
			for i := 0; b.Len() < n; i++ {
				b.WriteString(strings.Repeat(" ", i) + "a:\n")
			}
			return b.String()
		}(),
		"YAML items":    long("- "),
		"YAML flow":     "packages:\n  a:\n    resolution: {" + long("a,"),
		"colons":        long(":"),
		"at signs":      long("@"),
		"equals":        long("==1\n"),
		"pins":          long("a==1\n"),
		"commas":        long(","),
		"parentheses":   long("("),
		"semicolons":    long("a;"),
		"Erlang":        "[" + long(`{pkg,<<"`),
		"mix":           "%{" + long("{:hex,:"),
		"XML elements":  long("<a>"),
		"XML text":      "<project>" + long("a&amp;"),
		"XML attribute": `<a b="` + long("x"),
		"XML property":  "<project><properties><a>" + long("${a}") + "</a></properties></project>",
		"Ruby strings":  `s.licenses = [` + long(`"a",`),
		"Ruby dots":     long("s.name = "),
		"go.mod":        "module a\nrequire (\n" + long("a v1\n"),
		"replacements":  "module a\n" + long("replace a => b v1\n"),
		"headers":       long("Name: a\n"),
		"invalid UTF-8": long("\xff\xfe"),
		"requires":      `{"requires":[` + long(`"a/1",`),
		"pipenv groups": `{` + long(`"a":{},`),
		"many versions": `{"packages":{` + long(`"node_modules/a":{"version":"1"},`),
		"zip end":       long("PK\x05\x06"),
		"huge zip end":  string(append(make([]byte, 100), []byte("PK\x05\x06\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x00\x00\x00\x00")...)),
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			for _, path := range wantedPaths {
				done := make(chan bool)
				go func() {
					defer close(done)
					checkLanguages(t, path, []byte(body))
				}()
				select {
				case <-done:
				case <-time.After(5 * time.Minute):
					t.Fatalf("%s is still being read after 20 s", path)
				}
			}
		})
	}
}

// A file cut off anywhere gives an error, an Unknown or fewer packages, never a panic
// and never a package that the whole file does not name by another version.
func TestTruncatedLanguageFiles(t *testing.T) {
	for path, body := range map[string]string{
		"package-lock.json":                `{"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1.0.0"},"node_modules/b":{"version":"2.0.0"}}}`,
		"a/vendor/composer/installed.json": `{"packages":[{"name":"a/b","version":"1.0.0"}],"dev-package-names":[]}`,
		"a.deps.json":                      `{"libraries":{"A/1.0.0":{"type":"package"}}}`,
		"conan.lock":                       `{"requires":["a/1.0.0"]}`,
		"conda-meta/a-1.json":              `{"name":"a","version":"1.0.0"}`,
		"node_modules/a/package.json":      `{"name":"a","version":"1.0.0"}`,
		"packages.lock.json":               `{"dependencies":{"x":{"A":{"resolved":"1.0.0"}}}}`,
		"Package.resolved":                 `{"pins":[{"location":"https://h/o/a","state":{"version":"1.0.0"}}]}`,
		"bun.lock":                         `{"lockfileVersion":1,"packages":{"a":["a@1.0.0"]}}`,
	} {
		for i := 1; i < len(body); i++ {
			frag, err := langRun(t, path, []byte(body[:i]))
			if err == nil {
				t.Errorf("%s cut at %d: no error", path, i)
			}
			if frag == nil {
				continue
			}
			for _, p := range frag.Packages {
				if p.Version != "1.0.0" && p.Version != "2.0.0" {
					t.Errorf("%s cut at %d: version %q", path, i, p.Version)
				}
			}
		}
	}
}

func TestLanguageListBounds(t *testing.T) {
	l := langList{typ: "npm", evidence: inventory.Locked}
	var name [8]byte
	for i := range langMaxPackages + 5 {
		binary.BigEndian.PutUint64(name[:], uint64(i))
		l.add("", "a"+strings.ToLower(strings.Map(func(r rune) rune { return 'a' + r%16 }, string(hexOf(name[:])))), "1", false)
	}
	frag := l.fragment("x")
	if len(frag.Packages) != langMaxPackages || len(frag.Unknowns) != 1 || frag.Unknowns[0].Reason != inventory.LimitExceeded {
		t.Errorf("%d packages, unknowns %v", len(frag.Packages), frag.Unknowns)
	}
}

// hexOf spells b with one letter for each half byte.
func hexOf(b []byte) []byte {
	var out []byte
	for _, c := range b {
		out = append(out, c>>4, c&15)
	}
	return out
}

func TestLangUnescape(t *testing.T) {
	for in, want := range map[string]string{
		`a\"b`: `a"b`, `\u0041`: "A", `\ud83d\ude00`: "😀", `\ud83d`: "\ufffd", `\ud83dx`: "\ufffdx", `\ud83d\u0041`: "\ufffdA",
		`\uZZZZ`: `\uZZZZ`, `\u00`: `\u00`, `\x`: `\x`, `a\`: `a\`, `\U0001F600`: "😀", `\n\t\/\\`: "\n\t/\\", `\Uffffffff`: "\ufffd",
	} {
		if got := string(langUnescape([]byte(in))); got != want {
			t.Errorf("langUnescape(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzNode(f *testing.F) {
	for _, s := range []string{
		`{"name":"@a/b","version":"1.0.0","license":{"type":"MIT"}}`, `{"name":"x","version":{}}`, "\ufeff{}", `{"a":[{"b":[]}],"name":"\u0041"}`,
		`{"licenses":["MIT",{"type":"ISC"},[[]]],"private":true}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkLanguages(t, "app/node_modules/a/package.json", b)
		checkLanguages(t, "app/package.json", b)
	})
}

func FuzzPython(f *testing.F) {
	f.Add(uint8(0), []byte("Metadata-Version: 2.1\nName: a\nVersion: 1\nLicense-Expression: MIT\n\nText"))
	f.Add(uint8(1), []byte("Name: a_b\r\nVersion: 1!2+x\r\n"))
	f.Add(uint8(2), []byte(zipOf("EGG-INFO/PKG-INFO", "Name: a\nVersion: 1\n")))
	f.Add(uint8(3), []byte("a==1 # c\n  b==2 \\\n --hash=x\n"))
	f.Add(uint8(4), []byte(`{"name":"a","version":"1","license":"MIT"}`))
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		paths := []string{"x/a-1.dist-info/METADATA", "x/a-1.egg-info", "x/a-1.egg", "x/pip/_vendor/vendor.txt", "conda-meta/a-1-0.json"}
		checkLanguages(t, paths[int(kind)%len(paths)], b)
	})
}

// FuzzLockfiles gives the bytes to the reader that the number chooses.
func FuzzLockfiles(f *testing.F) {
	var paths []string
	for _, p := range wantedPaths {
		if lockFile.Want(rootfs.Entry{Path: p, Kind: rootfs.Regular}) {
			paths = append(paths, p)
		}
	}
	seeds := map[string]string{
		"app/package-lock.json": `{"packages":{"node_modules/a":{"version":"1","dev":true}},"dependencies":{"b":{"version":"npm:c@1","dependencies":{"d":{"version":"2"}}}}}`,
		"yarn.lock":             "# yarn lockfile v1\n\"@a/b@^1\", c@npm:d@1:\n  version \"1\"\n  resolution: \"e@npm:1\"\n",
		"a/pnpm-lock.yaml":      "lockfileVersion: 5\npackages:\n  /@a/b/1.0.0_c@1:\n    dev: true\n  'd@1(e@2)':\n    resolution: {type: directory}\n",
		"bun.lock":              `{"lockfileVersion":1,/**/"packages":{"a":["a@1",],},}`,
		"deno.lock":             `{"npm":{"a@1_b@2":{}}}`,
		"poetry.lock":           "[[package]]\nname = \"a\"\nversion = '''1'''\ngroups = [\"dev\"]\nsource = { virtual = \".\" }\n[package.source]\ntype = \"directory\"\n",
		"Pipfile.lock":          `{"default":{"a":{"version":"==1"}},"develop":{}}`,
		"requirements.txt":      "a[x]==1;y\nb==1,!=2 --hash=z\n",
		"Gemfile.lock":          "GEM\n  specs:\n    a (1-x86)\n",
		"composer.lock":         `{"packages":[{"name":"a/b","version":"1","license":["MIT"]}],"packages-dev":[]}`,
		"packages.lock.json":    `{"dependencies":{"n":{"A":{"type":"Direct","resolved":"1"}}}}`,
		"packages.config":       `<packages><package id="a" version="1"/></packages>`,
		"paket.lock":            "NUGET\n  remote: x\n    A (1)\n",
		"Cargo.lock":            "version = 3\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = \"x\"\n",
		"go.mod":                "module a\nrequire (\n b v1\n)\nreplace b => c v2\n",
		"gradle.lockfile":       "a:b:1=c,test\nempty=\n",
		"pom.xml":               "<project><properties><a>1</a></properties><dependencies><dependency><groupId>g</groupId><artifactId>a</artifactId><version>${a}</version></dependency></dependencies></project>",
		"build.sbt.lock":        `{"dependencies":[{"org":"a","name":"b","version":"1","configurations":["test"]}]}`,
		"pubspec.lock":          "packages:\n  a:\n    dependency: \"direct dev\"\n    source: hosted\n    version: \"1\"\n",
		"mix.lock":              "%{\n \"a\": {:hex, :a, \"1\", \"x\"},\n}",
		"rebar.lock":            `[{<<"a">>,{pkg,<<"a">>,<<"1">>},0}].`,
		"Package.resolved":      `{"object":{"pins":[{"repositoryURL":"git@h:o/r.git","state":{"version":"1"}}]}}`,
		"Podfile.lock":          "PODS:\n  - A/B (1):\n    - C\n",
		"conan.lock":            `{"graph_lock":{"nodes":{"1":{"ref":"a/1@u/c#r"}}},"requires":["b/2%3"]}`,
		"renv.lock":             `{"Packages":{"a":{"Version":"1"}}}`,
		"Manifest.toml":         "manifest_format = \"2.0\"\n[[deps.A]]\nversion = \"1\"\n",
		"stack.yaml.lock":       "packages:\n- completed:\n    hackage: a-1@x\n",
		"cabal.project.freeze":  "constraints: any.a ==1,\n b ==2\n",
	}
	for i, p := range paths {
		if s, ok := seeds[p]; ok {
			f.Add(uint8(i), []byte(s))
			delete(seeds, p)
		}
	}
	if len(seeds) > 0 {
		f.Fatalf("seeds for paths that nothing wants: %v", seeds)
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		checkLanguages(t, paths[int(which)%len(paths)], b)
	})
}

func FuzzGemspec(f *testing.F) {
	f.Add([]byte("# stub: a 1 ruby lib\ns.name = \"a\".freeze\ns.version = Gem::Version.new('1')\ns.licenses = [\"MIT\".freeze, 'X']\n"))
	f.Fuzz(func(t *testing.T, b []byte) { checkLanguages(t, "x/specifications/a-1.gemspec", b) })
}

func FuzzDeps(f *testing.F) {
	f.Add([]byte(`{"runtimeTarget":{},"libraries":{"A/1":{"type":"package"},"runtimepack.B/2":{"type":"runtimepack"}}}`))
	f.Add([]byte(`[{"name":"a/b","version":"1"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		checkLanguages(t, "shared/A/1/A.deps.json", b)
		checkLanguages(t, "vendor/composer/installed.json", b)
	})
}
