package extract

import "strings"

// ownable reports whether a file at path, without leading slash, is one that some
// extractor for languages or executables could read. The lists of files that
// package managers keep are reduced to these: of a hundred thousand paths a few
// thousand matter when a language package is looked up in them. It decides by path
// alone, so it is also true for some files that nobody reads.
func ownable(path string) bool {
	i := strings.LastIndexByte(path, '/')
	return ownableAt(path[:max(i, 0)], path[i+1:])
}

// ownableAt is ownable for a path in two parts: dir, with or without slashes around
// it, and the name of the file in it.
func ownableAt(dir, base string) bool {
	switch base {
	case "", "RECORD", "INSTALLER", "WHEEL", "REQUESTED", "LICENSE", "LICENCE", "COPYING", "NOTICE", "README", "Makefile":
		return false
	case "METADATA", "PKG-INFO", "vendor.txt", "vendored.txt", // Python
		"DESCRIPTION", "release", // R, a Java runtime
		"package.json", ".package-lock.json", "installed.json", "MYMETA.json", "META.json":
		return true
	}
	if lockReader(base) != nil {
		return true
	}
	dot := strings.LastIndexByte(base, '.')
	if dot >= 0 {
		switch base[dot+1:] {
		case "jar", "war", "ear", "par", "sar", "kar", "nar", "jmod", "hpi", "jpi", "aar", "lpkg",
			"egg", "whl", "egg-info", "gemspec", "rockspec", "nupkg", "packlist", "app",
			"so", "dylib", "node", "dll", "exe", "DLL", "EXE", "wasm", "spdx":
			return true
		case "json":
			return strings.HasSuffix(base, ".deps.json") || strings.HasSuffix(base, ".runtimeconfig.json") ||
				strings.HasSuffix(base, ".spdx.json") || strings.HasSuffix(base, ".cdx.json") ||
				strings.HasSuffix(strings.TrimSuffix(dir, "/"), "/conda-meta")
		}
		if strings.Contains(base, ".so.") {
			return true
		}
	}
	return ownableExec(strings.Trim(dir, "/"), dot < 0)
}

// ownableExec reports whether executables are expected in dir: programs in folders
// made for them, elsewhere names without extension (plain) outside of the folders
// that hold text and data.
func ownableExec(dir string, plain bool) bool {
	for rest := dir; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		switch part {
		case "bin", "sbin", "libexec", "games":
			return true
		}
	}
	if !plain {
		return false
	}
	top, rest, _ := strings.Cut(dir, "/")
	switch top {
	case "etc", "var", "run", "dev", "proc", "sys", "boot":
		return false
	case "usr":
		top, rest, _ = strings.Cut(rest, "/")
		if top == "local" {
			top, rest, _ = strings.Cut(rest, "/")
		}
		switch top {
		case "", "share", "include", "src":
			return false
		}
	}
	if top == "lib" {
		switch top, _, _ = strings.Cut(rest, "/"); top {
		case ".build-id", "locale", "terminfo", "modules", "firmware":
			return false
		}
	}
	return true
}
