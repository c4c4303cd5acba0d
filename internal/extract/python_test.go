package extract

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"
)

func TestPythonPackage(t *testing.T) {
	const at = "usr/lib/python3/dist-packages/Foo_Bar-1.0.dist-info/METADATA"
	runLangCases(t, []langCase{
		{name: "plain", path: at, body: "Metadata-Version: 2.1\nName: requests\nVersion: 2.31.0\nLicense: Apache 2.0\n\nName: no\nVersion: 9\n", want: []string{"pypi requests 2.31.0 [Apache 2.0]"}},
		{name: "expression before text", path: at, body: "Name: a\nVersion: 1\nLicense: long\n text\nLicense-Expression: MIT OR X\nLicense: no\n", want: []string{"pypi a 1 [MIT OR X]"}},
		{name: "normalised name", path: at, body: "Name: Zope.Interface__x-.y\r\nVersion: 5.0\r\n\r\n", want: []string{"pypi zope-interface-x-y 5.0"}},
		{name: "epoch and local version", path: at, body: "Name: a\nVersion: 1!2.0+cu118.x\n", want: []string{"pypi a 1!2.0+cu118.x"}},
		{name: "folded lines do not count", path: at, body: "Summary: x\n Name: no\n\tVersion: 9\nName: a\nVersion: 1\n", want: []string{"pypi a 1"}},
		{name: "first of two counts", path: at, body: "Name: a\nVersion: 1\nName: b\nVersion: 2\n", want: []string{"pypi a 1"}},
		{name: "license UNKNOWN", path: at, body: "Name: a\nVersion: 1\nLicense: UNKNOWN\n", want: []string{"pypi a 1"}},
		{name: "from the folder", path: at, body: "Metadata-Version: 2.1\n", want: []string{"pypi foo-bar 1.0"}},
		{name: "egg-info folder", path: "a/x-2.0-py3.9.egg-info/PKG-INFO", body: "Name: x\nVersion: 2.0\n", want: []string{"pypi x 2.0"}},
		{name: "egg-info of a source tree", path: "src/x.egg-info/PKG-INFO", body: "Name: x\nVersion: 2.0\n", want: []string{"pypi x 2.0"}},
		{name: "egg-info file", path: "a/x-2.0.egg-info", body: "Metadata-Version: 1.0\nName: x\n", want: []string{"pypi x 2.0"}},
		{name: "egg-info of another language", path: "usr/lib/chicken/11/srfi-1.egg-info", body: "((version \"0.5\"))\n"},
		{name: "egg folder", path: "a/x-2.0-py3.9.egg/EGG-INFO/PKG-INFO", body: "Name: x\nVersion: 2.0\n", want: []string{"pypi x 2.0"}},
		{name: "left behind by pip", path: "a/~oo-1.0.dist-info/METADATA", body: "Name: foo\nVersion: 1\n"},
		{name: "no name anywhere", path: "src/x.egg-info/PKG-INFO", body: "", err: "no name and version"},
		{name: "NUL", path: at, body: "Name: a\x00b\nVersion: 1\n", unknown: "no usable name"},
		{name: "giant line", path: at, body: "Name: " + strings.Repeat("a", 100_000) + "\nVersion: 1\n", unknown: "no usable name"},
		{name: "vendored by pip", path: "usr/lib/python3/dist-packages/pip/_vendor/vendor.txt", body: "CacheControl==0.13.1  # Make sure to update the license\nrequests==2.31.0\n    certifi==2023.07.22\n", want: []string{"pypi cachecontrol 0.13.1", "pypi requests 2.31.0", "pypi certifi 2023.07.22"}},
		{name: "egg that is no zip", path: "a/x.egg", body: "not a zip", err: "reading a Python egg"},
		{name: "egg without metadata", path: "a/x.egg", body: zipOf("a", "b"), err: "no EGG-INFO"},
		{name: "egg", path: "a/x.egg", body: zipOf("a", "b", "EGG-INFO/PKG-INFO", "Name: x\nVersion: 3.0\n"), want: []string{"pypi x 3.0"}},
		{name: "egg truncated", path: "a/x.egg", body: zipOf("EGG-INFO/PKG-INFO", "Name: x\nVersion: 3.0\n")[:60], err: "reading a Python egg"},
		{name: "egg bomb is read to the bound", path: "a/x.egg", body: zipOf("EGG-INFO/PKG-INFO", "Name: x\nVersion: 3.0\n\n"+strings.Repeat("\n", 20<<20)), want: []string{"pypi x 3.0"}},
		{name: "conda", path: "opt/conda/conda-meta/numpy-1.26.4-py311_0.json", body: `{"build":"py311_0","depends":["python"],"files":["a"],"license":"BSD-3-Clause","name":"numpy","version":"1.26.4"}`, want: []string{"conda numpy 1.26.4 [BSD-3-Clause]"}},
		{name: "conda, version of another type", path: "conda-meta/a-1-0.json", body: `{"name":"a","version":1}`, unknown: "no usable name"},
		{name: "conda, broken", path: "conda-meta/a-1-0.json", body: `{"name":"a"`, err: "the text ends"},
		{name: "conda, other state", path: "conda-meta/state.json", body: `{"env_vars":{}}`},
	})
}

// zipOf makes a zip of pairs of names and contents.
func zipOf(pairs ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		f, err := w.Create(pairs[i])
		if err != nil {
			panic(err)
		}
		f.Write([]byte(pairs[i+1]))
	}
	w.Close()
	return b.String()
}

func TestPythonName(t *testing.T) {
	for in, want := range map[string]string{
		"requests": "requests", "Flask": "flask", "zope.interface": "zope-interface", "a_-_b": "a-b", "a--b": "a-b", "A": "a", " x ": "x", "": "",
	} {
		if got := pythonName(in); got != want {
			t.Errorf("pythonName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPythonLocks(t *testing.T) {
	runLangCases(t, []langCase{
		{name: "poetry 1", path: "poetry.lock", body: `[[package]]
name = "Requests"
version = "2.31.0"
description = "uses = and [brackets] # in text"
category = "main"
optional = false
files = [
    {file = "requests-2.31.0-py3-none-any.whl", hash = "sha256:x"}, # a comment with "]"
]

[package.dependencies]
name = "no"
version = ">=1"

[[package]]
name = "pytest"
version = "7.0.0"
category = "dev"

[[package]]
name = "own"
version = "0.1.0"

[package.source]
type = "directory"
url = "../own"

[metadata]
lock-version = "2.0"
`, want: []string{"pypi requests 2.31.0", "pypi pytest 7.0.0 dev"}},
		{name: "poetry 2", path: "poetry.lock", body: "[[package]]\nname = \"a\"\nversion = \"1\"\ngroups = [\"main\", \"dev\"]\n[[package]]\nname = 'b'\nversion = '''2'''\ngroups = [\"dev\"]\n", want: []string{"pypi a 1", "pypi b 2 dev"}},
		{name: "uv", path: "uv.lock", body: `version = 1
[[package]]
name = "a"
version = "1.0"
source = { registry = "https://h/simple" }

[[package]]
name = "app"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "a", marker = "python_version < '3.12'" },
]

[package.metadata]
requires-dist = [{ name = "a" }]

[[package]]
name = "dynamic"
source = { editable = "." }

[[package]]
name = "g"
version = "2.0"
source = { git = "https://h/g?rev=1" }
`, want: []string{"pypi a 1.0", "pypi g 2.0"}},
		{name: "pdm", path: "pdm.lock", body: "[metadata]\ngroups = [\"default\", \"dev\"]\n[[package]]\nname = \"a\"\nversion = \"1\"\ngroups = [\"dev\"]\n[[package]]\nname = \"b\"\nversion = \"1\"\ngroups = [\"default\"]\n[[package]]\nname=\"own\"\nversion=\"1\"\npath=\"./own\"\n", want: []string{"pypi a 1 dev", "pypi b 1"}},
		{name: "pylock", path: "pylock.toml", body: "lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nversion = \"1\"\n[[packages.wheels]]\nname = \"a-1.whl\"\n[[packages]]\nname = \"v\"\n[packages.vcs]\nurl = \"x\"\n[[packages]]\nname = \"own\"\nversion = \"2\"\n[packages.directory]\npath = \".\"\n", want: []string{"pypi a 1"}},
		{name: "dotted and quoted keys", path: "poetry.lock", body: "[[ \"package\" ]]\n\"name\" = \"a\\u0062\"\r\nversion= \"1\" # c\npackage . version = \"9\"\n", want: []string{"pypi ab 1"}},
		{name: "long strings", path: "poetry.lock", body: "[[package]]\ndescription = \"\"\"\n[[package]]\nname = \"no\" \\\"\"\" \"\"\"\nname = \"a\"\nversion = \"1\"\n", want: []string{"pypi a 1"}},
		{name: "empty project", path: "poetry.lock", body: "package = []\n\n[metadata]\nlock-version = \"2.0\"\n"},
		{name: "other toml", path: "uv.lock", body: "[a]\nb = 1\n", err: "lists no packages"},
		{name: "no toml", path: "uv.lock", body: "version = 1\nhello\n", err: "line 2: a key without '='"},
		{name: "string without end", path: "uv.lock", body: "[[package]]\nname = \"a\n", err: "does not end"},
		{name: "deep", path: "uv.lock", body: "version = 1\na = " + strings.Repeat("[", 1<<20), err: "nested deeper"},
		{name: "deep header", path: "uv.lock", body: "[" + strings.Repeat("a.", 1<<20) + "a]", err: "longer than"},
		{name: "bracket left open", path: "uv.lock", body: "version = 1\na = [1,\n2", err: "not closed"},
		{name: "wrong types", path: "poetry.lock", body: "[[package]]\nname = 1\nversion = [\"1\"]\ngroups = \"dev\"\n"},
		{name: "NUL", path: "poetry.lock", body: "[[package]]\nname = \"a\x00\"\nversion = \"1\"\n", unknown: "1 entries"},
		{name: "pipenv", path: "Pipfile.lock", body: `{"_meta":{"sources":[{"name":"pypi"}]},"default":{"Flask":{"version":"==2.0"},"own":{"path":".","editable":true},"g":{"git":"x","ref":"y"}},"develop":{"a":{"version":"==1"}},"docs":{"b":{"version":"==2"}}}`, want: []string{"pypi flask 2.0", "pypi a 1 dev", "pypi b 2"}},
		{name: "pipenv, other JSON", path: "Pipfile.lock", body: `{}`, err: "neither default nor develop"},
	})
}

func TestPythonRequirements(t *testing.T) {
	const pins = `# a comment
-r other.txt
--index-url https://h/simple
-e git+https://h/x.git#egg=x
Flask==2.0.0  # why
a [security,b] == 1.0 ; python_version < "3.8"
b===1.0+local
c>=1.0
d==1.*
e~=1.0
f==1.0,!=1.1
g>1,==2.0
h @ https://h/h.whl
i==1!2.0 \
    --hash=sha256:x \
    --hash=sha256:y==3
j==1.0 --hash=sha256:z
o==1.0 -C bar
k
{{ l }}==1
m==${VERSION}
./local.whl
n (==3.0)
`
	want := []string{"pypi flask 2.0.0", "pypi a 1.0", "pypi b 1.0+local", "pypi f 1.0", "pypi g 2.0", "pypi i 1!2.0", "pypi j 1.0", "pypi o 1.0", "pypi n 3.0"}
	runLangCases(t, []langCase{
		{name: "pins", path: "app/requirements.txt", body: pins, want: want},
		{name: "for development", path: "app/requirements-dev.txt", body: "a==1\n", want: []string{"pypi a 1 dev"}},
		{name: "UTF-16", path: "app/requirements.txt", body: "\xff\xfea\x00=\x00=\x001\x00\n\x00\x00", want: []string{"pypi a 1"}},
		{name: "UTF-16, big end", path: "app/requirements.txt", body: "\xfe\xff\x00a\x00=\x00=\x001", want: []string{"pypi a 1"}},
		{name: "nothing pinned", path: "app/requirements.txt", body: "a\nb>1\n"},
		{name: "binary", path: "app/requirements.txt", body: "\x00\x01==\x00\n==1\n[x]==1\n"},
	})
}
