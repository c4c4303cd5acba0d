// Package inventory holds the words for what is inside an image: packages and
// where they lie, the distribution, and what could not be read; the [Fragment]
// that an extractor gives for one file; and [Merge], the only merging in the program.
package inventory

import (
	"strings"

	"github.com/plimsoll/plimsoll/internal/image"
)

// Package is one installed, locked or recognised piece of software.
type Package struct {
	// Name as its ecosystem writes it, without namespace: "openssl", "core" for
	// npm's @angular/core, "guava" for com.google.guava:guava.
	Name    string
	Version string
	// Type and Namespace are those of the package URL specification: "deb", "npm",
	// "maven"; "debian", "@angular", "com.google.guava".
	Type      string
	Namespace string
	// Source is the package this one was built from, for OS packages; Version is
	// set even if it equals the package's own.
	Source Source
	Arch   string
	// Module is the modularity stream of an rpm ("nodejs:18").
	Module string
	// Vendor is who built an OS package, where the database says so.
	Vendor string
	// Licenses as stated by the package; not normalised.
	Licenses []string
	// Evidence says how the package was found.
	Evidence Evidence
	// Dev is set when a lock file marks it as needed for development only.
	Dev bool
	// Main is set for the program itself, of which the other packages found in the same
	// file are parts (the main module of a Go program). Merge hands it on to the
	// location, as one module may be a program here and a part of another there.
	Main bool
	// SHA1 of the archive it was found in (Java), for later identification.
	SHA1 string
	// Broken is the state of an OS package that is neither installed nor removed ("half-installed").
	Broken string

	// The rest is filled in by Merge.

	// Locations where it was found, sorted; at least one.
	Locations []Location
	// OwnedBy is the OS package whose files these are. Owned language packages get
	// their distribution's fixes and are not matched a second time.
	OwnedBy string
}

// FullName is the name people of the ecosystem use, with its namespace:
// "@angular/core", "com.google.guava:guava", "golang.org/x/net"; for OS packages the
// plain name.
func (p *Package) FullName() string {
	switch {
	case p.Namespace == "" || IsOS(p.Type):
		return p.Name
	case p.Type == "maven":
		return p.Namespace + ":" + p.Name
	}
	return p.Namespace + "/" + p.Name
}

// Source names the source package of an OS package.
type Source struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Evidence says how a package was found.
type Evidence uint8

// The kinds of evidence. When one package is found twice, the lower one wins.
const (
	// Installed: a package manager's record of an installation, or the package's own
	// metadata beside its files.
	Installed Evidence = iota
	// Binary: recognised inside an executable (build info, embedded list, signature).
	Binary
	// Locked: named by a lock file; the files themselves may not be there.
	Locked
)

var evidenceNames = [...]string{"installed", "binary", "lockfile"}

// String gives the name used in reports.
func (e Evidence) String() string { return evidenceNames[min(int(e), len(evidenceNames)-1)] }

// Location is where a package was found.
type Location struct {
	// Path in the image, without leading slash; for an archive inside a file,
	// "app.war!/WEB-INF/lib/x.jar".
	Path string
	// Layer is the index of the layer that brought it; -1 if unknown.
	Layer int
	// Main is set where the package is the program that the file is.
	Main bool
}

// Distro is what os-release(5) says.
type Distro struct {
	ID        string   `json:"id"`
	VersionID string   `json:"version_id,omitempty"`
	Name      string   `json:"name,omitempty"`
	Codename  string   `json:"codename,omitempty"`
	IDLike    []string `json:"id_like,omitempty"`
	CPE       string   `json:"cpe,omitempty"`
}

// Reason says why something is unknown; the list is closed and is part of every
// published document.
type Reason string

// The reasons.
const (
	FeedStale            Reason = "feed_stale"
	FeedMissing          Reason = "feed_missing_for_distro"
	DistroUnsupported    Reason = "distro_unsupported"
	DistroEOL            Reason = "distro_eol"
	NoPackagesIdentified Reason = "no_packages_identified"
	LayerUnreadable      Reason = "layer_unreadable"
	LimitExceeded        Reason = "limit_exceeded"
	AuthFailed           Reason = "auth_failed"
	NotFound             Reason = "not_found"
	Timeout              Reason = "timeout"
	PlatformMissing      Reason = "platform_missing"
	AnalysisPartial      Reason = "analysis_partial"
)

// Unknown is something that could not be read, recognised or matched. A result with
// one is never a pass.
type Unknown struct {
	Reason Reason `json:"reason"`
	// Subject is what it is about: a path, a layer, an ecosystem.
	Subject string `json:"subject"`
	// Detail says in words what was being done and what went wrong.
	Detail string `json:"detail"`
}

// String gives subject and detail for people.
func (u Unknown) String() string {
	if u.Subject == "" || strings.Contains(u.Detail, u.Subject) {
		return u.Detail
	}
	return u.Subject + ": " + u.Detail
}

// Fragment is what one extractor read from one file of one layer. It is a pure
// function of the file and is cached with its layer.
type Fragment struct {
	// Extractor names the one that made it.
	Extractor string
	// Path of the file, without leading slash.
	Path string
	// Layer is the index of the layer, set when an image's layers are put together.
	Layer int
	// Database is set when the file lists all packages of a manager (dpkg's status,
	// apk's installed, an rpm database), so that later copies of the same path
	// replace it and a package's layer is the one in which it first appears unchanged.
	Database bool
	Packages []Package
	// Distro is set by os-release files.
	Distro *Distro
	// Repositories that the file says packages were taken from, sorted; those that begin
	// with "cpe:/" are products that stand for theirs.
	Repositories []string
	// Owns are files that OS packages say are theirs, reduced to paths some extractor
	// wants; used to find language packages that an OS package brought.
	Owns []Owner
	// Unknowns found while reading; the fragment may be partial.
	Unknowns []Unknown
}

// Owner lists files of one OS package. Paths have no leading slash.
type Owner struct {
	Package string
	Paths   []string
}

// View answers questions about the stacked layers of an image. Layers are indices
// from the base upwards.
type View interface {
	// Visible reports whether the file that layer brought at path is the one an
	// application would see in the finished image.
	Visible(layer int, path string) bool
	// Layer gives the topmost layer that has path in the finished image; false if it
	// is not there.
	Layer(path string) (int, bool)
	// Resolve follows symbolic links in the finished image, also in parent folders,
	// and gives the real path, within the image; the path itself if there are none.
	Resolve(path string) string
}

// Inventory is what an image holds.
type Inventory struct {
	// Distro is nil when no os-release file is there.
	Distro *Distro
	// Packages sorted by type, namespace, name, version; equal ones are joined.
	Packages []Package
	// Repositories that packages were taken from, as far as files of the image say so,
	// sorted; those that begin with "cpe:/" are products that stand for theirs. A file
	// speaks of its own layer and those below, so these need not be all.
	Repositories []string
	Unknowns     []Unknown
	// Layers gives each layer's digest, for printing locations.
	Layers []image.Digest
}
