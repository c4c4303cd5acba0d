package extract

import (
	"strings"
	"testing"
)

func TestNodePackage(t *testing.T) {
	const at = "app/node_modules/x/package.json"
	runLangCases(t, []langCase{
		{name: "plain", path: at, body: `{"name":"x","version":"1.2.3","license":"MIT"}`, want: []string{"npm x 1.2.3 [MIT]"}},
		{name: "scoped", path: "app/node_modules/@a/b/package.json", body: `{"version":"1.0.0","name":"@a/b"}`, want: []string{"npm @a/b 1.0.0"}},
		{name: "alias: the real name counts", path: "app/node_modules/alias/package.json", body: `{"name":"real","version":"1.0.0"}`, want: []string{"npm real 1.0.0"}},
		{name: "pnpm store", path: "app/node_modules/.pnpm/@a+b@1.0.0/node_modules/@a/b/package.json", body: `{"name":"@a/b","version":"1.0.0"}`, want: []string{"npm @a/b 1.0.0"}},
		{name: "npm's own", path: "usr/local/lib/node_modules/npm/node_modules/tar/package.json", body: `{"name":"tar","version":"6.0.0"}`, want: []string{"npm tar 6.0.0"}},
		{name: "old license forms", path: at, body: `{"name":"x","version":"1","licenses":[{"type":"MIT","url":"u"},"ISC",3,[["no"]]],"license":{"type":"X"}}`, want: []string{"npm x 1 [MIT ISC X]"}},
		{name: "byte order mark, spaces, v", path: at, body: "\ufeff {\n\t\"name\" : \"x\" , \"version\" : \" v1.2.3 \"\n}\n", want: []string{"npm x 1.2.3"}},
		{name: "nested keys do not count", path: at, body: `{"repository":{"name":"no","version":"9"},"name":"x","version":"1","config":{"version":"8"}}`, want: []string{"npm x 1"}},
		{name: "last key wins, as in JavaScript", path: at, body: `{"name":"a","version":"1","name":"b"}`, want: []string{"npm b 1"}},
		{name: "escapes", path: at, body: `{"n\u0061me":"no","name":"\u0078\/y","version":"1.\u0030"}`, want: []string{"npm x/y 1.0"}},
		{name: "stub", path: "app/node_modules/x/dist/esm/package.json", body: `{"type":"module"}`},
		{name: "stub with a name", path: at, body: `{"name":"x"}`},
		{name: "version is an object", path: at, body: `{"name":"x","version":{}}`, unknown: "not a string"},
		{name: "version is an object, deep inside", path: "app/node_modules/x/y/package.json", body: `{"name":"x","version":{}}`},
		{name: "version is null", path: at, body: `{"name":"x","version":null}`, unknown: "not a string"},
		{name: "name is a list", path: at, body: `{"name":["x"],"version":"1"}`},
		{name: "compiled copy inside", path: "app/node_modules/next/dist/compiled/ws/package.json", body: `{"name":"ws","version":"8.0.0"}`, want: []string{"npm ws 8.0.0"}},
		{name: "fixture inside", path: "app/node_modules/resolve/test/resolver/ws/package.json", body: `{"name":"ws","version":"8.0.0"}`},
		{name: "a package called test", path: "app/node_modules/test/package.json", body: `{"name":"test","version":"3.0.0"}`, want: []string{"npm test 3.0.0"}},
		{name: "broken fixture inside", path: "app/node_modules/resolve/malformed/package.json", body: `{`},
		{name: "tool unpacked by hand", path: "opt/yarn-v1.22.19/package.json", body: `{"name":"yarn","version":"1.22.19","private":false}`, want: []string{"npm yarn 1.22.19"}},
		{name: "private application", path: "app/package.json", body: `{"name":"shop","version":"1.0.0","private":true}`},
		{name: "private inside node_modules", path: at, body: `{"name":"x","version":"1.0.0","private":true}`, want: []string{"npm x 1.0.0"}},
		{name: "extension of an editor", path: "root/.vscode-server/extensions/x/package.json", body: `{"name":"pug","version":"1.0.0","engines":{"vscode":"^1.0.0"}}`},
		{name: "library for such extensions", path: at, body: `{"name":"x","version":"1.0.0","engines":{"vscode":"^1.0.0"}}`, want: []string{"npm x 1.0.0"}},
		{name: "package of a game engine", path: "app/package.json", body: `{"name":"org.x","version":"1.0.0","unity":"2020.1"}`},
		{name: "empty", path: at, body: ``, err: "the text ends"},
		{name: "truncated", path: at, body: `{"name":"x","version":"1.0`, err: "a string does not end"},
		{name: "truncated after a value", path: at, body: `{"name":"x","version":"1.0"`, err: "the text ends"},
		{name: "no object", path: at, body: `["name"]`, err: "'[' where { should be"},
		{name: "NUL", path: at, body: "{\"name\":\x00}", err: "NUL"},
		{name: "text after the end", path: at, body: `{"name":"x","version":"1"}}`, err: "should be"},
		{name: "deep", path: at, body: `{"a":` + strings.Repeat("[", 1<<19), err: "nested deeper"},
		{name: "wrong bracket", path: at, body: `{"a":[}`, err: "should be"},
		{name: "giant name", path: at, body: `{"name":"` + strings.Repeat("x", 9999) + `","version":"1"}`, unknown: "no usable name"},
		{name: "terminal escape in the name", path: at, body: `{"name":"\u001b[31m","version":"1"}`, unknown: "no usable name"},
		{name: "too large", path: at, body: strings.Repeat(" ", nodeMaxPackage+1), err: "larger than may be held"},
	})
}

func TestNpmLock(t *testing.T) {
	const at = "app/package-lock.json"
	runLangCases(t, []langCase{
		{name: "version 3", path: at, body: `{"name":"app","lockfileVersion":3,"packages":{
			"":{"name":"app","version":"1.0.0"},
			"node_modules/a":{"version":"1.0.0","resolved":"x","license":"MIT"},
			"node_modules/a/node_modules/@s/b":{"version":"2.0.0","dev":true},
			"node_modules/alias":{"name":"real","version":"3.0.0"},
			"node_modules/both":{"version":"1.0.0","devOptional":true},
			"node_modules/ws":{"resolved":"packages/ws","link":true},
			"packages/ws":{"version":"0.1.0"}}}`,
			want: []string{"npm a 1.0.0", "npm @s/b 2.0.0 dev", "npm real 3.0.0", "npm both 1.0.0"}},
		{name: "version 2 has both and counts once", path: "npm-shrinkwrap.json", body: `{"lockfileVersion":2,"dependencies":{"a":{"version":"1.0.0"}},"packages":{"node_modules/a":{"version":"1.0.0"}}}`,
			want: []string{"npm a 1.0.0"}},
		{name: "version 1", path: at, body: `{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","requires":{"c":"^1"},"dependencies":{"c":{"version":"1.5.0","dev":true}}},
			"al":{"version":"npm:@s/real@2.0.0"},"g":{"version":"git+ssh://git@h/x.git#abc"},"f":{"version":"file:../f"},"h":{"version":"github:a/b"}}}`,
			want: []string{"npm c 1.5.0 dev", "npm a 1.0.0", "npm @s/real 2.0.0"}},
		{name: "twice, once for development", path: at, body: `{"packages":{"node_modules/a":{"version":"1","dev":true},"node_modules/b/node_modules/a":{"version":"1"}}}`, want: []string{"npm a 1"}},
		{name: "no version", path: at, body: `{"packages":{"node_modules/a":{"resolved":"x"}}}`, unknown: "1 entries"},
		{name: "no version, from git", path: at, body: `{"packages":{"node_modules/a":{"resolved":"git+ssh://git@h/o/a.git#0123"}}}`},
		{name: "not a lock file", path: at, body: `{"a":1}`, err: "neither packages nor dependencies"},
		{name: "wrong types", path: at, body: `{"packages":[]}`, err: "where { should be"},
		{name: "truncated keeps what was read", path: at, body: `{"packages":{"node_modules/a":{"version":"1.0.0"},"node_mod`, want: []string{"npm a 1.0.0"}, err: "does not end"},
		{name: "deep", path: at, body: strings.Repeat(`{"dependencies":{"a":`, 100_000), err: "nested deeper"},
	})
}

func TestYarnLock(t *testing.T) {
	const at = "app/yarn.lock"
	runLangCases(t, []langCase{
		{name: "version 1", path: at, body: `# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.
# yarn lockfile v1


"@babel/core@^7.0.0", "@babel/core@^7.1.0":
  version "7.1.2"
  resolved "https://h/x.tgz#abc"
  dependencies:
    version "9.9.9"

alias@npm:real@^1.0.0:
  version "1.0.0"

"local@file:./local":
  version "0.0.1"

lodash@^4:
  version "4.17.21"

any:
  version "1.0.2"
`, want: []string{"npm @babel/core 7.1.2", "npm real 1.0.0", "npm lodash 4.17.21", "npm any 1.0.2"}},
		{name: "berry", path: at, body: `# This file is generated by running "yarn install" inside your project.

__metadata:
  version: 8
  cacheKey: 10c0

"@babel/core@npm:^7.0.0, @babel/core@npm:^7.1.0":
  version: 7.1.2
  resolution: "@babel/core@npm:7.1.2"
  dependencies:
    version: "npm:^9"
  languageName: node
  linkType: hard

"alias@npm:real@^1.0.0":
  version: 1.0.0
  resolution: "real@npm:1.0.0"

"app@workspace:.":
  version: 0.0.0-use.local
  resolution: "app@workspace:."

"typescript@patch:typescript@npm%3A^4#optional!builtin<compat/typescript>":
  version: 4.9.5
  resolution: "typescript@patch:typescript@npm%3A4.9.5#optional!builtin<compat/typescript>::version=4.9.5&hash=a"

"typescript@npm:^4":
  version: 4.9.5
  resolution: "typescript@npm:4.9.5"

"g@ssh://git@h:o/g.git":
  version: 3.0.0
  resolution: "g@ssh://git@h:o/g.git#commit=0123"

? "long@npm:^1, long@npm:^2"
:
  version: 2.0.0
  resolution: "long@npm:2.0.0"
`, want: []string{"npm @babel/core 7.1.2", "npm real 1.0.0", "npm typescript 4.9.5", "npm g 3.0.0", "npm long 2.0.0"}},
		{name: "empty project", path: at, body: "# yarn lockfile v1\n\n\n"},
		{name: "merge conflict", path: at, body: "# yarn lockfile v1\n<<<<<<< HEAD\n", err: "no entry begins like this"},
		{name: "nothing", path: at, body: "# hello\n", err: "no entries"},
		{name: "no version", path: at, body: "a@^1:\n  resolved \"x\"\n", unknown: "1 entries"},
		{name: "NUL in the version", path: at, body: "a@^1:\n  version \"1\x00\"\n", unknown: "1 entries"},
	})
}

func TestPnpmLock(t *testing.T) {
	const at = "app/pnpm-lock.yaml"
	runLangCases(t, []langCase{
		{name: "5", path: at, body: `lockfileVersion: 5.4

specifiers:
  a: ^1.0.0

packages:

  /@babel/core/7.1.0_react@17.0.0:
    resolution: {integrity: sha512-x}
    dev: true

  /lodash/4.17.21:
    resolution: {integrity: sha512-x}
    dependencies:
      version: 1.0.0
    dev: false

  github.com/a/b/0123:
    resolution: {tarball: https://codeload.github.com/a/b/tar.gz/0123}
    name: b
    version: 1.0.0

  registry.example.com/c/2.0.0:
    resolution: {integrity: sha512-x}

  file:../local:
    resolution: {directory: ../local, type: directory}
    name: local
    version: 1.0.0
`, want: []string{"npm @babel/core 7.1.0 dev", "npm lodash 4.17.21", "npm b 1.0.0", "npm c 2.0.0"}},
		{name: "6", path: at, body: `lockfileVersion: '6.0'
packages:

  /@babel/core@7.1.0(react@17.0.0)(x@1.0.0):
    resolution: {integrity: sha512-x}
    dev: true

  '/lodash@4.17.21':
    resolution: {integrity: sha512-x}
    dev: false
`, want: []string{"npm @babel/core 7.1.0 dev", "npm lodash 4.17.21"}},
		{name: "9", path: at, body: `lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      lodash:
        specifier: ^4
        version: 4.17.21

packages:

  '@babel/core@7.1.0':
    resolution: {integrity: sha512-x}
    engines: {node: '>=6.9.0'}

  b@https://codeload.github.com/a/b/tar.gz/0123:
    resolution: {tarball: https://codeload.github.com/a/b/tar.gz/0123}
    version: 1.0.0

  local@file:../local:
    resolution: {directory: ../local, type: directory}

  lodash@4.17.21:
    resolution: {integrity: sha512-x}

snapshots:

  '@babel/core@7.1.0(react@17.0.0)':
    dependencies:
      lodash: 4.17.21
`, want: []string{"npm @babel/core 7.1.0", "npm b 1.0.0", "npm lodash 4.17.21"}},
		{name: "alias bomb stays text", path: at, body: "lockfileVersion: '6.0'\na: &a [x,x]\nb: &b [*a,*a]\npackages:\n  /a@1.0.0:\n    version: *b\n", want: []string{"npm a 1.0.0"}},
		{name: "no version", path: at, body: "packages:\n  /a@1.0.0:\n", want: []string{"npm a 1.0.0"}, err: "does not say its version"},
		{name: "keys that are none", path: at, body: "lockfileVersion: 5.4\npackages:\n  /foo/bar:\n  what:\n", unknown: `2 entries have no usable name and version: the first is "/foo/bar"`},
		{name: "flow style", path: at, body: `{"lockfileVersion":"6.0"}`, err: "does not say its version"},
	})
}

func TestOtherNodeLocks(t *testing.T) {
	runLangCases(t, []langCase{
		{name: "bun", path: "app/bun.lock", body: `{
  // comment, and a comma too many below
  "lockfileVersion": 1,
  "workspaces": {"": {"name": "app",}},
  "packages": {
    "a": ["a@1.0.0", "", {"dependencies": {"b": "^1",},}, "sha512-x"],
    "al": ["@s/real@2.0.0", "", {}, "sha512-x"],
    "w": ["w@workspace:packages/w"],
    "g": ["g@github:a/b#0123", {}, "x"], /* end */
  },
}`, want: []string{"npm a 1.0.0", "npm @s/real 2.0.0"}},
		{name: "bun, other types", path: "app/bun.lock", body: `{"lockfileVersion":1,"packages":{"a":[1],"b":[],"c":["c@1"]}}`, want: []string{"npm c 1"}, unknown: "2 entries"},
		{name: "bun without version", path: "app/bun.lock", body: `{}`, err: "does not say its version"},
		{name: "bun, endless comment", path: "app/bun.lock", body: `{/*`, err: "should be"},
		{name: "bun binary", path: "app/bun.lockb", body: "#!/usr/bin/env bun\nbun-lockfile-format-v0\n", unknown: "binary lock file"},
		{name: "deno", path: "app/deno.lock", body: `{"version":"4","npm":{"a@1.0.0":{},"@s/b@2.0.0_c@1.0.0":{}}}`, want: []string{"npm a 1.0.0", "npm @s/b 2.0.0"}},
		{name: "deno 3", path: "app/deno.lock", body: `{"version":"3","packages":{"specifiers":{},"npm":{"a@1.0.0":{}}}}`, want: []string{"npm a 1.0.0"}},
	})
}
