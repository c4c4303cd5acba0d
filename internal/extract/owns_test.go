package extract

import (
	"testing"

	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// ownablePaths are files that OS packages bring and that some extractor reads.
var ownablePaths = []string{
	"usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA",
	"usr/lib/python3/dist-packages/PyYAML-6.0.egg-info/PKG-INFO",
	"usr/lib/python3/dist-packages/six-1.16.0.egg-info",
	"usr/lib/python3/dist-packages/pip/_vendor/vendor.txt",
	"usr/share/python-wheels/pip-23.0.1-py3-none-any.whl",
	"usr/lib/node_modules/npm/package.json",
	"usr/share/nodejs/@types/node/package.json",
	"usr/share/rubygems-integration/all/specifications/rake-13.0.6.gemspec",
	"usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec",
	"usr/share/java/commons-lang3.jar",
	"usr/lib/jvm/java-17-openjdk-amd64/release",
	"usr/lib/jvm/java-17-openjdk-amd64/bin/java",
	"usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so",
	"usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.1/Microsoft.NETCore.App.deps.json",
	"usr/share/php/Composer/vendor/composer/installed.json",
	"usr/lib/x86_64-linux-gnu/libcrypto.so.3",
	"usr/lib/libpython3.11.so.1.0",
	"lib/libcrypto.so.3",
	"bin/busybox",
	"usr/bin/python3.11",
	"usr/sbin/nginx",
	"usr/lib/postgresql/15/bin/postgres",
	"usr/libexec/git-core/git-lfs",
	"usr/lib/git-core/git-lfs",
	"usr/local/lib/docker/cli-plugins/docker-compose",
	"opt/app/server",
	"usr/lib/R/library/MASS/DESCRIPTION",
	"usr/lib/erlang/lib/stdlib-4.2/ebin/stdlib.app",
	"opt/conda/conda-meta/zlib-1.2.13-h4.json",
	"usr/share/lua/luarocks/rocks-5.1/lpeg/1.0-1/lpeg-1.0-1.rockspec",
	"usr/share/app/Gemfile.lock",
	"usr/share/app/requirements.txt",
	"usr/share/cargo/Cargo.lock",
	"server",
}

func TestOwnable(t *testing.T) {
	for _, p := range ownablePaths {
		if !ownable(p) {
			t.Errorf("%s: not ownable", p)
		}
	}
	for _, p := range []string{
		"", "usr/share/doc/bash/copyright", "etc/passwd", "usr/include/stdio.h", "usr/include/c++/12/vector",
		"usr/lib/python3/dist-packages/six.py", "usr/share/man/man1/ls.1.gz", "usr/share/zoneinfo/Europe/Oslo",
		"usr/lib/locale/C.utf8/LC_CTYPE", "usr/lib/.build-id/ab/cdef", "var/lib/dpkg/info/bash.md5sums",
		"usr/share/common-licenses/GPL-3", "lib/modules/6.1/kernel/fs/ext4.ko", "usr/share/perl/5.36/strict.pm",
	} {
		if ownable(p) {
			t.Errorf("%s: ownable", p)
		}
	}
}

// Whatever a language extractor wants of the paths above and of the folders around
// them must be ownable, or packages that an OS package brought are told twice.
func TestOwnableCoversExtractors(t *testing.T) {
	bases := map[string]bool{"README": true}
	for _, p := range ownablePaths {
		bases[rootfs.Entry{Path: p}.Base()] = true
	}
	for _, b := range []string{"yarn.lock", "pnpm-lock.yaml", "poetry.lock", "pom.xml", "go.mod", "packages.config", "mix.lock",
		"Podfile.lock", "conan.lock", "Manifest.toml", "stack.yaml.lock", "opam", "MYMETA.json", "a.ear", "a.war", "a.dll"} {
		bases[b] = true
	}
	for _, x := range All() {
		switch x.Name {
		case "dpkg", "dpkg-files", "dpkg-updates", "chisel", "apk", "rpm", "rpm-journal", "rpm-manifest", "os-release",
			"os-release-fallback", "pacman", "pacman-files", "portage":
			continue
		}
		for _, p := range ownablePaths {
			dir := rootfs.Entry{Path: p}.Dir()
			for b := range bases {
				e := rootfs.Entry{Path: dir + "/" + b, Mode: 0o644, Size: 4096}
				if x.Want(e) && !ownable(e.Path) {
					t.Errorf("%s is wanted by %s but not ownable", e.Path, x.Name)
				}
			}
		}
	}
}

func BenchmarkOwnable(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ownable("usr/lib/python3/dist-packages/setuptools/_distutils/command/build_ext.py")
		ownable("usr/share/doc/libpython3.11-minimal/copyright")
	}
}
