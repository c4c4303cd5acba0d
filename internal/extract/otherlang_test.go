package extract

import (
	"strings"
	"testing"
)

func TestRuby(t *testing.T) {
	const at = "usr/local/bundle/specifications/nokogiri-1.13.3-x86_64-linux.gemspec"
	const stub = "# -*- encoding: utf-8 -*-\n# stub: nokogiri 1.13.3 x86_64-linux lib\n"
	runLangCases(t, []langCase{
		{name: "platform is not the version", path: at, body: stub + "\nGem::Specification.new do |s|\n  s.name = \"nokogiri\".freeze\n  s.version = \"1.13.3\"\n  s.platform = \"x86_64-linux\".freeze\n  s.licenses = [\"MIT\".freeze, 'Ruby'.freeze]\n  s.summary = \"s.name = \\\"no\\\"\".freeze\n\n  s.specification_version = 4 if s.respond_to? :specification_version\nend\n", want: []string{"gem nokogiri 1.13.3 [MIT Ruby]"}},
		{name: "default gem", path: "usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec", body: "Gem::Specification.new do |s|\n  s.name = \"json\"\n  s.version = \"2.6.1\".freeze\n  s.license = \"Ruby\"\n", want: []string{"gem json 2.6.1 [Ruby]"}},
		{name: "fork with a security suffix", path: at, body: "s.name = \"a\"\ns.version = \"1.2.3+security.1\"\n", want: []string{"gem a 1.2.3+security.1"}},
		{name: "version object", path: at, body: "s.name = 'a'\ns.version = Gem::Version.new(\"2.0.pre1\")\n", want: []string{"gem a 2.0.pre1"}},
		{name: "stub only", path: at, body: stub, want: []string{"gem nokogiri 1.13.3"}},
		{name: "code", path: at, body: "s.name = \"#{x}\"\ns.version = Foo::VERSION\n", want: []string{"gem nokogiri 1.13.3"}},
		{name: "empty", path: "specifications/net-http2-0.18.gemspec", body: "", want: []string{"gem net-http2 0.18"}},
		{name: "digits in the name", path: "specifications/sha-3-ruby-2.gemspec", body: "", want: []string{"gem sha-3-ruby 2"}},
		{name: "string without end", path: "specifications/a.gemspec", body: "s.name = \"a\ns.version = \"1\n", err: "neither its text nor its name"},
		{name: "NUL", path: at, body: "s.name = \"a\x00\"\ns.version = \"1\"\n", unknown: "no usable name"},
		{name: "Gemfile.lock", path: "app/Gemfile.lock", body: `GIT
  remote: https://h/g.git
  revision: 0123
  specs:
    g (0.1.0)

PATH
  remote: .
  specs:
    own (1.0.0)
      a (>= 1)

GEM
  remote: https://h/
  specs:
    a (1.0.0)
      b (~> 2.0)
    nokogiri (1.13.3)
    nokogiri (1.13.3-x86_64-linux)
    pre (2.0.0.pre.1)

PLATFORMS
  ruby

DEPENDENCIES
  a (= 1.0.0)

BUNDLED WITH
   2.3.7
`, want: []string{"gem g 0.1.0", "gem a 1.0.0", "gem nokogiri 1.13.3", "gem pre 2.0.0.pre.1"}},
		{name: "not bundler's", path: "Gemfile.lock", body: "hello\n", err: "none of bundler's sections"},
	})
}

func TestPHP(t *testing.T) {
	const at = "app/vendor/composer/installed.json"
	runLangCases(t, []langCase{
		{name: "Composer 2", path: at, body: `{"packages":[{"name":"symfony/http-kernel","version":"v5.4.0","version_normalized":"5.4.0.0","license":["MIT"]},{"name":"a/dev","version":"1.0.0"}],"dev":true,"dev-package-names":["a/dev"]}`, want: []string{"composer symfony/http-kernel v5.4.0 [MIT]", "composer a/dev 1.0.0 dev"}},
		{name: "Composer 2, development first", path: at, body: `{"dev-package-names":["a/dev"],"packages":[{"name":"a/dev","version":"1.0.0"}]}`, want: []string{"composer a/dev 1.0.0 dev"}},
		{name: "Composer 1", path: at, body: `[{"name":"a/b","version":"1.0.0","extra":{"name":"no"}}]`, want: []string{"composer a/b 1.0.0"}},
		{name: "empty Composer 1", path: at, body: `[]`},
		{name: "other JSON", path: at, body: `{}`, err: "no packages"},
		{name: "wrong types", path: at, body: `{"packages":[1]}`, err: "where { should be"},
		{name: "version is an object", path: at, body: `[{"name":"a/b","version":{}}]`, unknown: "1 entries"},
		{name: "truncated", path: at, body: `[{"name":"a/b","version":"1"},{"name`, want: []string{"composer a/b 1"}, err: "does not end"},
		{name: "deep", path: at, body: strings.Repeat(`[`, 1<<20), err: "where { should be"},
		{name: "composer.lock", path: "app/composer.lock", body: `{"packages":[{"name":"a/b","version":"1.0"}],"packages-dev":[{"name":"c/d","version":"dev-main"}],"aliases":[]}`, want: []string{"composer a/b 1.0", "composer c/d dev-main dev"}},
		{name: "composer.lock, other JSON", path: "app/composer.lock", body: `{}`, err: "no packages"},
	})
}

func TestDotnet(t *testing.T) {
	runLangCases(t, []langCase{
		{name: "self-contained", path: "app/app.deps.json", body: `{"runtimeTarget":{"name":".NETCoreApp,Version=v6.0/linux-x64"},"targets":{".NETCoreApp,Version=v6.0/linux-x64":{"app/1.0.0":{}}},
			"libraries":{"app/1.0.0":{"type":"project","serviceable":false,"sha512":""},"Newtonsoft.Json/12.0.3":{"type":"package","sha512":"x"},
			"runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.5":{"type":"runtimepack"},"Own.Reference/1.0.0.0":{"type":"reference"}}}`,
			want: []string{"nuget Newtonsoft.Json 12.0.3", "nuget Microsoft.NETCore.App.Runtime.linux-x64 6.0.5"}},
		{name: "shared runtime", path: "usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.1/Microsoft.NETCore.App.deps.json", body: `{"runtimeTarget":{},"libraries":{"Microsoft.NETCore.App.Runtime.linux-x64/8.0.1":{"type":"package"}}}`,
			want: []string{"nuget Microsoft.NETCore.App.Runtime.linux-x64 8.0.1"}},
		{name: "shared runtime that does not list itself", path: "shared/Microsoft.AspNetCore.App/6.0.1/Microsoft.AspNetCore.App.deps.json", body: `{"runtimeTarget":{},"libraries":{}}`,
			want: []string{"nuget Microsoft.AspNetCore.App 6.0.1"}},
		{name: "another program's list", path: "app/x.deps.json", body: `[{"libraries":{}}]`},
		{name: "another program's", path: "app/x.deps.json", body: `{"a":[1]}`},
		{name: "truncated", path: "app/x.deps.json", body: `{"libraries":{"A/1":{"type":"package"},`, want: []string{"nuget A 1"}, err: "the text ends"},
		{name: "wrong types", path: "app/x.deps.json", body: `{"libraries":{"A/1":"package"}}`, err: "where { should be"},
		{name: "no version", path: "app/x.deps.json", body: `{"libraries":{"A/":{"type":"package"},"B":{"type":"package"},"C":{"type":"project"}}}`, unknown: "2 entries"},
		{name: "packages.lock.json", path: "packages.lock.json", body: `{"version":1,"dependencies":{"net6.0":{"A":{"type":"Direct","resolved":"1.0"},"own":{"type":"Project"}},"net5.0":{"A":{"type":"Transitive","resolved":"1.0"},"A.B":{"type":"CentralTransitive","resolved":"2.0"}}}}`, want: []string{"nuget A 1.0", "nuget A.B 2.0"}},
		{name: "packages.lock.json, other JSON", path: "packages.lock.json", body: `{}`, err: "no dependencies"},
		{name: "project.assets.json", path: "obj/project.assets.json", body: `{"version":3,"libraries":{"A/1.0":{"type":"package"},"own/1.0":{"type":"project"}}}`, want: []string{"nuget A 1.0"}},
		{name: "packages.config", path: "packages.config", body: `<?xml version="1.0" encoding="iso-8859-1"?><packages><package id="A" version="1.0" /><package id="B" version="2" developmentDependency="true"></package></packages>`, want: []string{"nuget A 1.0", "nuget B 2 dev"}},
		{name: "packages.config, broken", path: "packages.config", body: `<packages><package id="A`, err: "packages.config"},
		{name: "packages.config, open", path: "packages.config", body: `<packages><package id="A" version="1"/>`, want: []string{"nuget A 1"}, err: "does not end"},
		{name: "packages.config, no XML", path: "packages.config", body: `hello`, err: "is missing"},
		{name: "paket.lock", path: "paket.lock", body: "STORAGE: NONE\nNUGET\n  remote: https://h\n    A (1.0)\n      B (>= 2)\n    B (2.1) - restriction: x\nGITHUB\n  remote: a/b\n    c.fs (0123)\n", want: []string{"nuget A 1.0", "nuget B 2.1"}},
	})
}

func TestOtherLocks(t *testing.T) {
	runLangCases(t, []langCase{
		{name: "Cargo.lock", path: "Cargo.lock", body: "version = 3\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"a\",\n]\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+https://h\"\nchecksum = \"x\"\n\n[[package]]\nname = \"g\"\nversion = \"2.0.0+meta\"\nsource = \"git+https://h\"\n\n[metadata]\n\"checksum a 1.0.0 (registry+https://h)\" = \"x\"\n", want: []string{"cargo a 1.0.0", "cargo g 2.0.0+meta"}},
		{name: "Cargo.lock, deep", path: "Cargo.lock", body: "a = " + strings.Repeat("[", 4<<20), err: "nested deeper"},
		{name: "Cargo.lock, other", path: "Cargo.lock", body: "[x]\n", err: "lists no packages"},
		{name: "go.mod", path: "app/go.mod", body: "module example.com/app // m\n\ngo 1.21\ntoolchain go1.22.1\n\nrequire example.com/a v1.0.0\nrequire (\n\t\"golang.org/x/net\" v0.1.0 // indirect\n\tgithub.com/o/r/v2 v2.0.0+incompatible\n\texample.com/gone v1.0.0\n\texample.com/old v1.0.0\n)\nexclude golang.org/x/net v0.0.1\nreplace (\n\texample.com/gone => ./local\n)\nreplace example.com/old v1.0.0 => example.com/fork v1.5.0\nreplace example.com/a v9.9.9 => example.com/no v1.0.0\nretract [v1.0.0, v1.1.0]\n", want: []string{"golang example.com/a v1.0.0", "golang golang.org/x/net v0.1.0", "golang github.com/o/r/v2 v2.0.0+incompatible", "golang example.com/fork v1.5.0"}},
		{name: "go.mod of Go itself", path: "usr/local/go/src/go.mod", body: "module std\n\ngo 1.22\nrequire golang.org/x/net v0.1.0\n"},
		{name: "go.mod, broken", path: "app/go.mod", body: "module a\nrequire b\n", err: "line 2"},
		{name: "go.mod, broken replacement", path: "app/go.mod", body: "module a\nreplace b v1\n", err: "line 2"},
		{name: "go.mod, empty text", path: "app/go.mod", body: "\n", err: "no module"},
		{name: "gradle", path: "gradle.lockfile", body: "# c\norg.a:b:1.0=compileClasspath,testCompileClasspath\norg.junit:junit:4=testCompileClasspath,testRuntimeClasspath\nempty=annotationProcessor\n", want: []string{"maven org.a/b 1.0", "maven org.junit/junit 4 dev"}},
		{name: "gradle, other", path: "gradle.lockfile", body: "hello\n", err: "lines without"},
		{name: "sbt", path: "build.sbt.lock", body: `{"lockVersion":1,"dependencies":[{"org":"o","name":"n","version":"1","artifacts":[{"name":"n.jar"}],"configurations":["compile","test"]},{"org":"o","name":"t","version":"1","configurations":["test"]}]}`, want: []string{"maven o/n 1", "maven o/t 1 dev"}},
		{name: "sbt, other", path: "build.sbt.lock", body: `{}`, err: "no dependencies"},
		{name: "pubspec", path: "pubspec.lock", body: "packages:\n  http:\n    dependency: \"direct main\"\n    description:\n      name: http\n      version: \"9\"\n    source: hosted\n    version: \"0.13.2\"\n  lints:\n    dependency: \"direct dev\"\n    source: hosted\n    version: \"2.0.0\"\n  flutter:\n    source: sdk\n    version: \"0.0.0\"\n  own:\n    source: path\n    version: \"1.0.0\"\nsdks:\n  dart: \">=2.18.0\"\n", want: []string{"pub http 0.13.2", "pub lints 2.0.0 dev"}},
		{name: "pubspec, other", path: "pubspec.lock", body: "a: b\n", err: "no packages"},
		{name: "mix", path: "mix.lock", body: "%{\n  \"app\": {:hex, :package, \"1.2.3\", \"c\", [:mix], [{:dep, \"~> 1.0\", [hex: :dep, repo: \"hexpm\"]}], \"hexpm\", \"x\"},\n  \"g\": {:git, \"https://h\", \"0123\", []},\n  \"q\" => {:hex, :\"quoted\", \"2.0.0\"},\n}\n", want: []string{"hex package 1.2.3", "hex quoted 2.0.0"}},
		{name: "mix, other", path: "mix.lock", body: "hello", err: "does not begin"},
		{name: "mix, broken entry", path: "mix.lock", body: "%{\n  \"a\": {:hex, :a, 1},\n}", unknown: "1 entries"},
		{name: "rebar", path: "rebar.lock", body: "{\"1.2.0\",\n[{<<\"cowboy\">>,{pkg,<<\"cowboy\">>,<<\"2.9.0\">>},0},\n {<<\"alias\">>,\n  {pkg,<<\"real\">>,\n   <<\"1.0\">>},1},\n {<<\"g\">>,{git,\"https://h\",{ref,\"0123\"}},0}]}.\n", want: []string{"hex cowboy 2.9.0", "hex real 1.0"}},
		{name: "rebar, empty", path: "rebar.lock", body: "[].\n"},
		{name: "rebar, other", path: "rebar.lock", body: "hello", err: "does not begin"},
		{name: "Package.resolved 1", path: "Package.resolved", body: `{"object":{"pins":[{"package":"NIO","repositoryURL":"https://github.com/apple/swift-nio.git","state":{"branch":null,"revision":"0","version":"2.41.1"}}]},"version":1}`, want: []string{"swift github.com/apple/swift-nio 2.41.1"}},
		{name: "Package.resolved 2", path: "Package.resolved", body: `{"pins":[{"identity":"a","kind":"remoteSourceControl","location":"git@github.com:o/A","state":{"revision":"0","version":"1.0.0"}},{"identity":"b","location":"https://user@h/o/b/","state":{"revision":"0","branch":"main"}},{"identity":"c","location":"reg","state":{"version":"3"}}],"version":2}`, want: []string{"swift github.com/o/A 1.0.0", "swift c 3"}},
		{name: "Package.resolved, other", path: "Package.resolved", body: `{}`, err: "no pins"},
		{name: "Podfile.lock", path: "Podfile.lock", body: "PODS:\n  - A (1.0)\n  - A/Part (1.0):\n    - B (~> 2)\n  - \"N+zlib (2.1)\"\n  - B (2.5)\n\nDEPENDENCIES:\n  - A (= 1.0)\n\nSPEC REPOS:\n  trunk:\n    - A\n\nCOCOAPODS: 1.12.1\n", want: []string{"cocoapods A 1.0", "cocoapods N+zlib 2.1", "cocoapods B 2.5"}},
		{name: "Podfile.lock, other", path: "Podfile.lock", body: "a: b\n", err: "no PODS"},
		{name: "conan 1", path: "conan.lock", body: `{"graph_lock":{"nodes":{"0":{"ref":"app/1.0","path":"conanfile.txt","requires":["1"]},"1":{"ref":"openssl/1.1.1q#rev","context":"host"},"2":{"ref":"cmake/3.0@_/_","context":"build"},"3":{"pref":"z/1.2@user/stable#r:0#x"}},"revisions_enabled":false},"version":"0.4"}`, want: []string{"conan openssl 1.1.1q", "conan cmake 3.0 dev", "conan user/z 1.2"}},
		{name: "conan 2", path: "conan.lock", body: `{"version":"0.5","requires":["zlib/1.2.11#rev%1675278900.0"],"build_requires":["cmake/3.22.0"],"python_requires":[]}`, want: []string{"conan zlib 1.2.11", "conan cmake 3.22.0 dev"}},
		{name: "conan, other", path: "conan.lock", body: `{}`, err: "no references"},
		{name: "renv", path: "renv.lock", body: `{"R":{"Version":"4.2"},"Packages":{"R6":{"Package":"R6","Version":"2.5.1","Source":"Repository"}}}`, want: []string{"cran R6 2.5.1"}},
		{name: "renv, other sources", path: "renv.lock", body: `{"Packages":{"BSgenome":{"Package":"BSgenome","Version":"1.60.0","Source":"Bioconductor"},"own":{"Package":"own","Version":"1","Source":"Local"}}}`, want: []string{"bioconductor BSgenome 1.60.0"}},
		{name: "renv, other JSON", path: "renv.lock", body: `{}`, err: "no Packages"},
		{name: "R package", path: "usr/lib/R/library/R6/DESCRIPTION", body: "Package: R6\nTitle: x\nVersion: 2.5.1\nLicense: MIT + file LICENSE\nDescription: a\n  Version: 9\n", want: []string{"cran R6 2.5.1 [MIT + file LICENSE]"}},
		{name: "not an R package", path: "srv/library/x/DESCRIPTION", body: "hello\n"},
		{name: "julia 2", path: "Manifest.toml", body: "julia_version = \"1.9.0\"\nmanifest_format = \"2.0\"\n[[deps.A]]\nversion = \"1.0.0\"\nuuid = \"x\"\n[deps.A.deps]\nversion = \"y\"\n[[deps.Base64]]\nuuid = \"x\"\n", want: []string{"julia A 1.0.0"}},
		{name: "julia 1", path: "Manifest.toml", body: "# This file is machine-generated - editing it directly is not advised\n\n[[A]]\nversion = \"1.0.0\"\n", want: []string{"julia A 1.0.0"}},
		{name: "another Manifest.toml", path: "Manifest.toml", body: "[a]\nversion = \"1\"\n"},
		{name: "stack", path: "stack.yaml.lock", body: "packages:\n- completed:\n    hackage: aeson-pretty-2.1.1@sha256:x,123\n    pantry-tree:\n      size: 1\n  original:\n    hackage: aeson-pretty-2.1.1@sha256:x,123\nsnapshots: []\n", want: []string{"hackage aeson-pretty 2.1.1"}},
		{name: "cabal", path: "cabal.project.freeze", body: "active-repositories: h\nconstraints: any.aeson ==2.1,\n             any.base ==4.17,\n             aeson -bytestring\nindex-state: x\n", want: []string{"hackage aeson 2.1", "hackage base 4.17"}},
		{name: "LuaRocks", path: "usr/local/lib/luarocks/rocks-5.1/lua-cjson/2.1.0-1/lua-cjson-2.1.0-1.rockspec", body: "x", want: []string{"luarocks lua-cjson 2.1.0-1"}},
		{name: "opam", path: "root/.opam/default/.opam-switch/packages/dune.3.1.0/opam", body: "x", want: []string{"opam dune 3.1.0"}},
		{name: "opam without version", path: ".opam-switch/packages/dune/opam", body: "x", unknown: "no usable name"},
		{name: "cpanm", path: "usr/lib/perl5/x/.meta/JSON-4.1/MYMETA.json", body: `{"name":"JSON","version":"4.1","license":["perl_5"]}`, want: []string{"cpan JSON 4.1 [perl_5]"}},
	})
}

func TestJavaPom(t *testing.T) {
	const head = `<?xml version="1.0" encoding="ISO-8859-1"?><!-- c --><project xmlns="x"><parent><groupId>g.parent</groupId><version>7</version></parent><artifactId>app</artifactId>`
	runLangCases(t, []langCase{
		{name: "literal and properties", path: "app/pom.xml", body: head + `<properties><v>1.<!-- x -->2</v><w>${v}.3</w><loop>${loop}</loop></properties>
			<dependencyManagement><dependencies><dependency><groupId>no</groupId><artifactId>no</artifactId><version>1</version></dependency></dependencies></dependencyManagement>
			<dependencies>
			<dependency><groupId>a</groupId><artifactId>b</artifactId><version> 1.0 </version><exclusions><exclusion><groupId>x</groupId></exclusion></exclusions></dependency>
			<dependency><groupId>${project.groupId}</groupId><artifactId>own</artifactId><version>${project.version}</version></dependency>
			<dependency><groupId>a</groupId><artifactId>c</artifactId><version>${w}</version><scope>test</scope></dependency>
			<dependency><groupId>a</groupId><artifactId>managed</artifactId></dependency>
			<dependency><groupId>a</groupId><artifactId>unknown</artifactId><version>${spring.version}</version></dependency>
			<dependency><groupId>a</groupId><artifactId>loop</artifactId><version>${loop}</version></dependency>
			<dependency><groupId>a</groupId><artifactId>range</artifactId><version>[1,2)</version></dependency>
			</dependencies><build><plugins><plugin><version>9</version><dependencies><dependency><groupId>p</groupId><artifactId>p</artifactId><version>1</version></dependency></dependencies></plugin></plugins></build></project>`,
			want: []string{"maven a/b 1.0", "maven g.parent/own 7", "maven a/c 1.2.3 dev"}},
		{name: "another document", path: "app/pom.xml", body: `<a><dependencies/></a>`},
		{name: "truncated", path: "app/pom.xml", body: `<project><dependencies><dependency><groupId>a</groupId><artifactId>b</artifactId><version>1</version></dependency>`, want: []string{"maven a/b 1"}, err: "the text ends inside <dependencies>"},
		{name: "no XML", path: "app/pom.xml", body: `<project><a`, err: "pom.xml"},
		{name: "closes too much", path: "app/pom.xml", body: `</project>`, err: "closes nothing"},
		{name: "deep", path: "app/pom.xml", body: "<project>" + strings.Repeat("<a>", 1<<20), err: "the text ends"},
		{name: "properties that grow", path: "app/pom.xml", body: `<project><properties><a>${b}${b}${b}</a><b>` + strings.Repeat("x", 500) + `</b></properties><dependencies><dependency><groupId>a</groupId><artifactId>b</artifactId><version>${a}</version></dependency></dependencies></project>`},
		{name: "entities are not expanded", path: "app/pom.xml", body: `<!DOCTYPE p [<!ENTITY a "aaa">]><project><a>&a;</a></project>`, err: "entity"},
	})
}
