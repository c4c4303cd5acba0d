// Package extract knows how each ecosystem records what is installed: package
// databases of distributions, package metadata and lock files of languages, and
// what compilers leave in executables.
//
// An [Extractor] is data: a name, a version, a test on an entry and a pure function
// of one file. [All] lists them; nothing registers itself. One file per family.
//
// The room joins nothing: what spans files (ownership, replaced databases, hidden
// files) is put together by inventory.Merge from the fragments.
package extract

import (
	"context"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// Extractor reads one kind of file.
type Extractor struct {
	// Name is short and stable: "dpkg", "npm-lock". It is part of cached results.
	Name string
	// Doc says in one line what is read.
	Doc string
	// Version is raised whenever the same file would give another fragment, so that
	// results cached before are not used.
	Version int
	// Want tests path, kind, mode and size only. It must be cheap: it is asked for
	// every entry of every layer.
	Want func(rootfs.Entry) bool
	// Named reports, of a wanted entry, that its name decides what is found in it, so
	// that a hard link must be read under its own name even if its content was read
	// under another and gave nothing. Nil if the name decides no more than Want.
	Named func(rootfs.Entry) bool
	// Extract reads one wanted file. It returns a nil fragment when the file turns out
	// to hold nothing of interest. An error means the file could not be read as
	// what it claims to be; together with a fragment, that a part was. Extract is
	// called from several goroutines at once, for different files. It sets neither
	// Extractor, Path nor Layer of the fragment.
	Extract func(context.Context, *rootfs.File) (*inventory.Fragment, error)
}

// SetVersion names the set of extractors: it changes when one is added, removed or
// raises its Version, and is part of every cache key.
func SetVersion(all []Extractor) string {
	var b strings.Builder
	for _, x := range all {
		b.WriteString(x.Name + "@" + strconv.Itoa(x.Version) + ";")
	}
	return b.String()
}
