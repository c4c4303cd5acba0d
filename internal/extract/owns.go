package extract

import "strings"

// ownable reports whether a file at path, without leading slash, is one that some
// extractor for languages or executables could read. The lists of files that
// package managers keep are reduced to these: of a hundred thousand paths a few
// thousand matter when a language package is looked up in them. It decides by path
// alone, so it is also true for some files that nobody reads.
func ownable(path string) bool {
	i := strings.LastIndexByte(path, '/')
	return ownableDir(path[:max(i, 0)]).file(path[i+1:])
}

// ownDir is what a folder says of the files in it.
type ownDir struct {
	all   bool // made for programs
	plain bool // may hold programs, whose names have no extension
	conda bool
}

// ownableDir judges a folder, given with or without slashes around it.
func ownableDir(dir string) ownDir {
	dir = strings.Trim(dir, "/")
	d := ownDir{plain: true}
	last := ""
	for rest := dir; rest != ""; {
		last, rest, _ = strings.Cut(rest, "/")
		switch last {
		case "bin", "sbin", "libexec", "games":
			d.all = true
		}
	}
	d.conda = last == "conda-meta"
	// Folders that hold text and data.
	top, rest, _ := strings.Cut(dir, "/")
	switch top {
	case "etc", "var", "run", "dev", "proc", "sys", "boot":
		d.plain = false
	case "usr":
		top, rest, _ = strings.Cut(rest, "/")
		if top == "local" {
			top, rest, _ = strings.Cut(rest, "/")
		}
		switch top {
		case "", "share", "include", "src":
			d.plain = false
		}
	}
	if top == "lib" {
		switch top, _, _ = strings.Cut(rest, "/"); top {
		case ".build-id", "locale", "terminfo", "modules", "firmware":
			d.plain = false
		}
	}
	return d
}

// file reports whether a file of this name in the folder is ownable.
func (d ownDir) file(base string) bool {
	switch base {
	case "", "RECORD", "INSTALLER", "WHEEL", "REQUESTED", "LICENSE", "LICENCE", "COPYING", "NOTICE", "README", "Makefile":
		return false
	case "METADATA", "PKG-INFO", "vendor.txt", "vendored.txt", // Python
		"DESCRIPTION", "release", // R, a Java runtime
		"package.json", ".package-lock.json", "installed.json", "MYMETA.json", "META.json":
		return true
	}
	if strings.IndexByte(base, '/') >= 0 {
		return false // no name
	}
	if lockReader(base) != nil {
		return true
	}
	dot := strings.LastIndexByte(base, '.')
	if dot < 0 {
		return d.all || d.plain
	}
	switch base[dot+1:] {
	case "jar", "war", "ear", "par", "sar", "kar", "nar", "jmod", "hpi", "jpi", "aar", "lpkg",
		"egg", "whl", "egg-info", "gemspec", "rockspec", "nupkg", "packlist", "app",
		"so", "dylib", "node", "dll", "exe", "DLL", "EXE", "wasm", "spdx":
		return true
	case "json":
		return d.all || d.conda || strings.HasSuffix(base, ".deps.json") || strings.HasSuffix(base, ".runtimeconfig.json") ||
			strings.HasSuffix(base, ".spdx.json") || strings.HasSuffix(base, ".cdx.json")
	}
	return d.all || strings.Contains(base, ".so.")
}
