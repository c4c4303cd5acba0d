package extract

import (
	"context"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// lockFile reads the lock files of all package managers: what an application was
// resolved to. The files themselves may be absent or differ, so the packages are
// marked as Locked.
//
// Lock files inside installed packages are left alone: they say what their authors
// developed with, and package managers do not read them.
var lockFile = Extractor{
	Name: "lockfile", Doc: "lock files of language package managers", Version: 1,
	Want: func(e rootfs.Entry) bool {
		if n := len(e.Path); n < 6 || e.Kind != rootfs.Regular || !lockEnding(e.Path[n-2], e.Path[n-1]) {
			return false
		}
		return lockReader(e.Base()) != nil && !lockInPackage(e.Path)
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		b, err := langBytes(f, langMaxFile)
		if err != nil {
			return nil, err
		}
		read := lockReader(f.Base())
		if read == nil || len(b) == 0 {
			return nil, nil
		}
		return read(f.Path, b)
	},
}

// lockEnding reports whether a name that lockReader knows may end in these two bytes:
// nearly all entries of a layer are told apart by them.
func lockEnding(a, b byte) bool {
	switch b {
	case 'k': // lock
		return a == 'c'
	case 'n': // json
		return a == 'o'
	case 'l': // yaml, toml, xml
		return a == 'm'
	case 't': // txt
		return a == 'x'
	case 'b': // lockb
		return a == 'k'
	case 'd': // locked, resolved, mod
		return a == 'e' || a == 'o'
	case 'g': // config
		return a == 'i'
	case 'e': // lockfile, freeze
		return a == 'l' || a == 'z'
	}
	return false
}

// lockReader gives the reader for a file of this base name, nil if there is none.
func lockReader(base string) func(path string, b []byte) (*inventory.Fragment, error) {
	switch base {
	case "package-lock.json", "npm-shrinkwrap.json":
		return nodeNpmLock
	case "yarn.lock":
		return nodeYarnLock
	case "pnpm-lock.yaml", "shrinkwrap.yaml":
		return nodePnpmLock
	case "bun.lock":
		return nodeBunLock
	case "bun.lockb":
		return nodeBunBinary
	case "deno.lock":
		return nodeDenoLock
	case "poetry.lock", "uv.lock", "pdm.lock", "pylock.toml":
		return pythonTomlLock
	case "Pipfile.lock":
		return pythonPipfileLock
	case "Gemfile.lock", "gems.locked":
		return rubyGemfileLock
	case "composer.lock":
		return phpLock
	case "packages.lock.json":
		return dotnetPackagesLock
	case "project.assets.json":
		return dotnetAssets
	case "packages.config":
		return dotnetPackagesConfig
	case "paket.lock":
		return dotnetPaketLock
	case "Cargo.lock":
		return rustCargoLock
	case "go.mod":
		return goModFile
	case "gradle.lockfile", "buildscript-gradle.lockfile":
		return javaGradleLock
	case "pom.xml":
		return javaPom
	case "build.sbt.lock":
		return javaSbtLock
	case "pubspec.lock":
		return dartPubspecLock
	case "mix.lock":
		return hexMixLock
	case "rebar.lock":
		return hexRebarLock
	case "Package.resolved":
		return swiftPackageResolved
	case "Podfile.lock":
		return swiftPodfileLock
	case "conan.lock":
		return cppConanLock
	case "renv.lock":
		return rEnvLock
	case "Manifest.toml", "JuliaManifest.toml":
		return juliaManifest
	case "stack.yaml.lock":
		return haskellStackLock
	case "cabal.project.freeze":
		return haskellCabalFreeze
	}
	switch {
	case strings.HasSuffix(base, ".txt"):
		if strings.HasPrefix(base, "requirements") || strings.HasSuffix(base, "requirements.txt") {
			return pythonRequirements
		}
	case strings.HasPrefix(base, "pylock.") && strings.HasSuffix(base, ".toml"):
		return pythonTomlLock
	}
	return nil
}

// lockInPackage reports whether path lies inside an installed package or a package
// manager's cache of sources.
func lockInPackage(path string) bool {
	for _, dir := range []string{"node_modules/", "site-packages/", "dist-packages/", "/gems/", "pkg/mod/",
		".cargo/registry/", ".cargo/git/", "cargo/registry/", "cargo/git/", "/testdata/", "META-INF/maven/"} {
		if strings.Contains(path, dir) {
			return true
		}
	}
	if before, rest, ok := langCutLast(path, "vendor/"); ok && (before == "" || strings.HasSuffix(before, "/")) {
		// vendor/NAME/PACKAGE/composer.lock, but not vendor/composer.lock of an application in "vendor".
		return strings.HasSuffix(rest, "/composer.lock") && strings.Count(rest, "/") == 2
	}
	return false
}
