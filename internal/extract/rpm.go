package extract

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// rpmDatabase reads rpm's databases in their three forms. Each holds one header for
// each package (rpmheader.go); they differ in the container around it.
var rpmDatabase = Extractor{
	Name: "rpm", Doc: "rpm databases: SQLite, NDB, Berkeley DB", Version: 1,
	Want: func(e rootfs.Entry) bool {
		if e.Kind != rootfs.Regular {
			return false
		}
		switch rpmFileName(e.Path) {
		case "rpmdb.sqlite", "Packages.db", "Packages":
			return true
		}
		return false
	},
	Extract: func(ctx context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		db, err := f.Bytes()
		if err != nil {
			return nil, fmt.Errorf("reading the package database: %w", err)
		}
		d := newOSDraft(f.Path, true)
		seen := 0
		err = rpmBlobs(db, func(blob []byte) error {
			seen++
			if err := ctx.Err(); err != nil {
				return err
			}
			h, err := rpmParse(blob)
			if err != nil {
				d.note("reading an rpm header: %v", err)
				return nil
			}
			h.addTo(d)
			if d.full {
				return errRPMStop
			}
			return nil
		})
		if errors.Is(err, errRPMStop) {
			err = nil
		}
		if err == nil && seen == 0 {
			err = errors.New("the rpm database holds no packages: it was emptied, or never used")
		}
		if err != nil && len(d.Packages) == 0 {
			return nil, err
		}
		return d.fragment(), err
	},
}

// errRPMStop ends a walk before its end.
var errRPMStop = errors.New("enough packages")

// rpmFileName gives the name of a file that lies right in a folder where rpm keeps
// its database; "" for any other.
func rpmFileName(path string) string {
	for _, dir := range [...]string{"var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/"} {
		if name, ok := strings.CutPrefix(path, dir); ok && !strings.Contains(name, "/") {
			return name
		}
	}
	return ""
}

// rpmBlobs gives each package header of a database to fn, until fn fails. A blob is
// valid only during the call. The form is told by content: file names lie.
func rpmBlobs(db []byte, fn func(blob []byte) error) error {
	switch {
	case len(db) == 0:
		return errors.New("the rpm database is empty")
	case strings.HasPrefix(string(db[:min(len(db), 16)]), sqliteMagic):
		return rpmSqlite(db, fn)
	case strings.HasPrefix(string(db[:min(len(db), 4)]), ndbMagic):
		return rpmNdb(db, fn)
	default:
		return rpmBdb(db, fn)
	}
}

// rpmJournal notices changes that SQLite had not yet merged into the database: a
// write-ahead log, or the journal of a transaction that was cut off. They cannot
// be read without the database, which is another file.
var rpmJournal = Extractor{
	Name: "rpm-journal", Doc: "write-ahead log of an rpm database", Version: 1,
	Want: func(e rootfs.Entry) bool {
		if e.Kind != rootfs.Regular || e.Size == 0 {
			return false
		}
		name := rpmFileName(e.Path)
		return name == "rpmdb.sqlite-wal" || name == "rpmdb.sqlite-journal"
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		what := "the write-ahead log of the rpm database was not merged into it"
		if strings.HasSuffix(f.Path, "-journal") {
			var head [8]byte
			if n, _ := f.Read(head[:]); n < len(head) || head == [8]byte{} {
				return nil, nil // a journal whose transaction came to its end
			}
			what = "a transaction on the rpm database was cut off"
		}
		return &inventory.Fragment{Unknowns: []inventory.Unknown{{Reason: inventory.AnalysisPartial, Subject: f.Path,
			Detail: fmt.Sprintf("%s (%d bytes): packages changed last may be missing or wrong", what, f.Size)}}}, nil
	},
}

// rpmManifest reads the list that distroless images of Azure Linux and CBL-Mariner
// carry instead of a database: rpm -qa with ten fields, separated by tabs: name,
// version-release, install and build time, vendor, epoch, size, architecture,
// epoch as a number, source rpm. The container-manifest-1 beside it names the same
// packages with less.
var rpmManifest = Extractor{
	Name: "rpm-manifest", Doc: "rpm manifests of distroless images", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return e.Kind == rootfs.Regular && e.Path == "var/lib/rpmmanifest/container-manifest-2"
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		body, err := f.Bytes()
		if err != nil {
			return nil, fmt.Errorf("reading the rpm manifest: %w", err)
		}
		d := newOSDraft(f.Path, true)
		for s := string(body); s != "" && !d.full; {
			var line string
			if line, s = osLine(s); strings.TrimSpace(line) == "" {
				continue
			}
			fields := strings.SplitN(line, "\t", 12)
			if len(fields) < 10 {
				d.note("a line of the rpm manifest has %d fields, not 10: %.100q", len(fields), line)
				continue
			}
			for i := range fields {
				if fields[i] = strings.Clone(fields[i]); fields[i] == "(none)" {
					fields[i] = ""
				}
			}
			h := rpmHeader{name: fields[0], vendor: fields[4], arch: fields[7], source: fields[9]}
			h.version, h.release, _ = strings.Cut(fields[1], "-")
			if h.epoch = fields[5]; h.epoch == "" {
				h.epoch = fields[8]
			}
			h.addTo(d)
		}
		if len(d.Packages) == 0 {
			return nil, errors.New("the rpm manifest names no package")
		}
		return d.fragment(), nil
	},
}
