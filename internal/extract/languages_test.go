package extract

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// langCase is a file and what is read from it.
type langCase struct {
	name string
	path string
	body string
	// want lists packages as "type namespace/name version", with " dev" or the licences
	// in brackets behind.
	want []string
	// unknown and err are parts of the only Unknown's detail and of the error.
	unknown, err string
}

func (c langCase) run(t *testing.T) {
	t.Helper()
	frag, err := langRun(t, c.path, []byte(c.body))
	if c.err == "" && err != nil {
		t.Fatalf("%s: %v", c.path, err)
	}
	if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
		t.Fatalf("%s: error %v, want one with %q", c.path, err, c.err)
	}
	unknown := ""
	if frag != nil && len(frag.Unknowns) > 0 {
		unknown = frag.Unknowns[0].Detail
	}
	if (unknown != "") != (c.unknown != "") || !strings.Contains(unknown, c.unknown) {
		t.Fatalf("%s: unknown %q, want one with %q", c.path, unknown, c.unknown)
	}
	evidence := inventory.Installed
	if lockFile.Want(rootfs.Entry{Path: c.path, Kind: rootfs.Regular}) {
		evidence = inventory.Locked
	}
	if frag != nil {
		for _, p := range frag.Packages {
			if p.Evidence != evidence {
				t.Errorf("%s: %s has the evidence %v, want %v", c.path, p.Name, p.Evidence, evidence)
			}
		}
	}
	if diff := cmp.Diff(c.want, langStrings(frag)); diff != "" {
		t.Fatalf("%s: packages differ (-want +got):\n%s", c.path, diff)
	}
}

// langRun gives the file to the one extractor that wants it; nil if none does.
func langRun(t testing.TB, path string, body []byte) (*inventory.Fragment, error) {
	t.Helper()
	e := rootfs.Entry{Path: path, Kind: rootfs.Regular, Mode: 0o644, Size: int64(len(body))}
	var frag *inventory.Fragment
	var err error
	n := 0
	for _, x := range languages() {
		if x.Want(e) {
			n++
			frag, err = x.Extract(context.Background(), rootfs.NewFile(context.Background(), e, body))
		}
	}
	if n > 1 {
		t.Fatalf("%s is wanted by %d extractors", path, n)
	}
	return frag, err
}

func langStrings(frag *inventory.Fragment) []string {
	if frag == nil {
		return nil
	}
	var out []string
	for _, p := range frag.Packages {
		s := p.Type + " "
		if p.Namespace != "" {
			s += p.Namespace + "/"
		}
		s += p.Name + " " + p.Version
		if p.Dev {
			s += " dev"
		}
		if len(p.Licenses) > 0 {
			s += fmt.Sprintf(" %v", p.Licenses)
		}
		out = append(out, s)
	}
	return out
}

func runLangCases(t *testing.T, cases []langCase) {
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

func TestLanguageExtractors(t *testing.T) {
	seen := map[string]bool{}
	for _, x := range languages() {
		if x.Name == "" || x.Doc == "" || x.Version < 1 || x.Want == nil || x.Extract == nil || seen[x.Name] {
			t.Errorf("extractor %q is not complete or not the only one of its name", x.Name)
		}
		seen[x.Name] = true
	}
	for _, kind := range []rootfs.Kind{rootfs.Dir, rootfs.Symlink, rootfs.Hardlink, rootfs.Device} {
		for _, path := range wantedPaths {
			for _, x := range languages() {
				if x.Want(rootfs.Entry{Path: path, Kind: kind}) {
					t.Errorf("%s wants %s of kind %d, which has no body", x.Name, path, kind)
				}
			}
		}
	}
	for _, path := range wantedPaths {
		n := 0
		for _, x := range languages() {
			if x.Want(rootfs.Entry{Path: path, Kind: rootfs.Regular}) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is wanted by %d extractors, want 1", path, n)
		}
	}
	for _, path := range []string{
		"", "n", "app/mypackage.json", "app/package.json.bak", "conda-meta/history", "xconda-meta/a.json", "app/METADATA",
		"app/PKG-INFO", "app/node_modules/a/package-lock.json", "app/node_modules/.package-lock.json",
		"usr/lib/python3/dist-packages/x/requirements.txt", "var/lib/gems/3.1.0/gems/a-1/Gemfile.lock",
		"go/pkg/mod/golang.org/x/net@v0.1.0/go.mod", "root/.cargo/registry/src/x/a-1/Cargo.lock", "app/vendor/a/b/composer.lock",
		"usr/lib/ruby/gems/a.gemspec", "app/a.gemspec", "app/DESCRIPTION", "app/notes.txt", "app/go.sum", "app/deps.json",
	} {
		for _, x := range languages() {
			if x.Want(rootfs.Entry{Path: path, Kind: rootfs.Regular}) {
				t.Errorf("%s wants %q", x.Name, path)
			}
		}
	}
}

// wantedPaths has a path for each kind of file that is read.
var wantedPaths = []string{
	"package.json", "app/node_modules/a/package.json", "app/package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "a/pnpm-lock.yaml",
	"shrinkwrap.yaml", "bun.lock", "bun.lockb", "deno.lock", "poetry.lock", "uv.lock", "pdm.lock", "pylock.toml", "pylock.dev.toml",
	"Pipfile.lock", "requirements.txt", "requirements-dev.txt", "dev-requirements.txt", "Gemfile.lock", "gems.locked", "composer.lock",
	"packages.lock.json", "project.assets.json", "packages.config", "paket.lock", "Cargo.lock", "go.mod", "gradle.lockfile",
	"buildscript-gradle.lockfile", "pom.xml", "build.sbt.lock", "pubspec.lock", "mix.lock", "rebar.lock", "Package.resolved",
	"Podfile.lock", "conan.lock", "renv.lock", "Manifest.toml", "JuliaManifest.toml", "stack.yaml.lock", "cabal.project.freeze",
	"srv/vendor/app/yarn.lock", "srv/vendor/composer.lock", "vendor/app/Gemfile.lock",
	"usr/lib/python3/dist-packages/a-1.dist-info/METADATA", "a/b-1.egg-info/PKG-INFO", "a/b-1.egg-info", "a/b-1.egg",
	"a/b-1.egg/EGG-INFO/PKG-INFO", "a/pip/_vendor/vendor.txt", "opt/conda/conda-meta/a-1-0.json", "conda-meta/a-1-0.json",
	"usr/share/rubygems/specifications/a-1.gemspec", "usr/lib/ruby/specifications/default/a-1.gemspec",
	"app/vendor/composer/installed.json", "app/a.deps.json", "usr/lib/R/library/base/DESCRIPTION",
	"usr/local/lib/R/site-library/a/DESCRIPTION", "usr/local/lib/luarocks/rocks-5.1/a/1-1/a-1-1.rockspec",
	"root/.opam/default/.opam-switch/packages/a.1/opam", "usr/local/lib/perl5/site_perl/x/.meta/A-1/MYMETA.json",
}

// The lock files of the corpus, by the number of packages in each.
func TestCorpusLockfiles(t *testing.T) {
	dir := filepath.Join(imagetest.Corpus(t), "fixtures", "lockfiles")
	want := map[string]int{
		"bun/bun.lock": 6, "cargo/Cargo.lock": 9, "cocoapods/Podfile.lock": 1, "conan/conan.lock": 7, "gomod/go.mod": 18,
		"gradle/gradle.lockfile": 1, "mixlock/mix.lock": 10, "npm/package-lock.json": 13, "nuget/packages.lock.json": 2,
		"pip/requirements.txt": 7, "pipenv/Pipfile.lock": 1, "pnpm/pnpm-lock.yaml": 2, "pom/pom.xml": 4, "pubspec/pubspec.lock": 2,
		"pylock/pylock.toml": 3, "sbt/build.sbt.lock": 1, "uv/uv.lock": 3, "yarn/yarn.lock": 3,
		"npm/node_modules/z-lock/package.json": 1,
	}
	for name, n := range want {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		frag, err := langRun(t, "app/"+name, b)
		if err != nil || frag == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(frag.Unknowns) > 0 || len(frag.Packages) != n {
			t.Errorf("%s: %d packages, want %d; unknown %v\n%s", name, len(frag.Packages), n, frag.Unknowns, strings.Join(langStrings(frag), "\n"))
		}
	}
}
