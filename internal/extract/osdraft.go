package extract

import (
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// Bounds on what one file of a package manager may bring. The largest real
// installations have some 10,000 packages and names of some 100 bytes.
const (
	maxOSPackages = 200_000
	maxOSName     = 1024
	maxOSText     = 16 << 10
	maxOSNotes    = 20
	// maxOSPath bounds one path that a package owns, maxOSPaths the bytes of all of
	// them: a list may name a long folder once and many files in it.
	maxOSPath  = 4096
	maxOSPaths = 32 << 20
)

// osDraft is a fragment in the making, kept within bounds. What is left out is
// noted as an Unknown.
type osDraft struct {
	inventory.Fragment
	subject string
	notes   int
	full    bool
	paths   int // bytes of paths kept
	// The folder that pathOf last judged: lists name the files of one in a row.
	dir   string
	class ownDir
}

// newOSDraft starts the fragment of the file at path.
func newOSDraft(path string, database bool) *osDraft {
	return &osDraft{Fragment: inventory.Fragment{Database: database}, subject: path}
}

// add takes a package, unless there are too many; false then. A package with
// overlong names is noted and left out.
func (d *osDraft) add(p inventory.Package) bool {
	if len(d.Packages) >= maxOSPackages {
		if !d.full {
			d.full = true
			d.Unknowns = append(d.Unknowns, inventory.Unknown{Reason: inventory.LimitExceeded, Subject: d.subject,
				Detail: fmt.Sprintf("reading packages: more than %d", maxOSPackages)})
		}
		return false
	}
	if len(p.Name) > maxOSName || len(p.Version) > maxOSName || len(p.Source.Name) > maxOSName ||
		len(p.Source.Version) > maxOSName || len(p.Arch) > maxOSName || len(p.Module) > maxOSName {
		d.note("package %.40q has a name or version of more than %d bytes", p.Name, maxOSName)
		return true
	}
	if len(p.Vendor) > maxOSText {
		p.Vendor = ""
	}
	for _, l := range p.Licenses {
		if len(l) > maxOSText {
			d.note("package %.40q states a licence of %d bytes", p.Name, len(l))
			p.Licenses = nil
			break
		}
	}
	d.Packages = append(d.Packages, p)
	return true
}

// note records that a part could not be read. After some, only one more: they are
// a sign of a file that is not what it claims to be.
func (d *osDraft) note(format string, args ...any) {
	d.notes++
	if d.notes > maxOSNotes+1 {
		return
	}
	detail := fmt.Sprintf(format, args...)
	if d.notes == maxOSNotes+1 {
		detail = "more records could not be read; only the first are named"
	}
	d.Unknowns = append(d.Unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: d.subject, Detail: detail})
}

// path appends the path of a file, given as a folder and a name in it, to paths if
// it is ownable and there is room. The folder has a slash at its end, or is empty.
func (d *osDraft) path(paths []string, class ownDir, dir, base string) []string {
	if !class.file(base) || len(dir)+len(base) > maxOSPath || d.paths > maxOSPaths {
		return paths
	}
	if d.paths += len(dir) + len(base) + 16; d.paths > maxOSPaths {
		d.Unknowns = append(d.Unknowns, inventory.Unknown{Reason: inventory.LimitExceeded, Subject: d.subject,
			Detail: fmt.Sprintf("reading what files packages own: more than %d bytes of paths", maxOSPaths)})
		return paths
	}
	if dir == "" {
		return append(paths, strings.Clone(base))
	}
	return append(paths, dir+base)
}

// pathOf is path for a whole path, without leading slash.
func (d *osDraft) pathOf(paths []string, path string) []string {
	i := strings.LastIndexByte(path, '/') + 1
	if path[:i] != d.dir || i == 0 {
		d.dir, d.class = path[:i], ownableDir(path[:i])
	}
	return d.path(paths, d.class, path[:i], path[i:])
}

// own records that files belong to the package.
func (d *osDraft) own(pkg string, paths []string) {
	if len(paths) > 0 && pkg != "" && len(pkg) <= maxOSName {
		d.Owns = append(d.Owns, inventory.Owner{Package: pkg, Paths: paths})
	}
}

// fragment gives the result, nil if there is nothing in it. A database without
// packages is noted: it may have been emptied to hide them.
func (d *osDraft) fragment() *inventory.Fragment {
	if len(d.Packages) == 0 && len(d.Owns) == 0 && len(d.Unknowns) == 0 && d.Distro == nil {
		if !d.Database {
			return nil
		}
		d.note("the package database names no installed package: it was emptied, or never used")
	}
	return &d.Fragment
}

// osLine cuts the first line off s, without its line end.
func osLine(s string) (line, rest string) {
	i := strings.IndexByte(s, '\n')
	if i < 0 {
		return strings.TrimSuffix(s, "\r"), ""
	}
	return strings.TrimSuffix(s[:i], "\r"), s[i+1:]
}
