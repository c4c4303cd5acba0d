package feed

import (
	"context"
	"path"
	"strings"
	"time"
)

// osvTarball is a publisher whose database is a tar archive of OSV records
// (ossf.github.io/osv-schema), in JSON or YAML.
type osvTarball struct {
	name, home, doc, address string
	// folder holds the records, with any number of folders between; files elsewhere
	// belong to who maintains the database. An archive of GitHub has a folder of its own
	// around all.
	folder string
	speaks []string
}

var osvTarballs = []osvTarball{
	{
		name: "pypa", home: "https://github.com/pypa/advisory-database", doc: "PyPA's database of Python packages",
		address: "https://github.com/pypa/advisory-database/archive/refs/heads/main.tar.gz", folder: "vulns", speaks: []string{"PyPI"},
	},
	{
		name: "bitnami-vulndb", home: "https://github.com/bitnami/vulndb", doc: "Bitnami's database of the software it packages",
		address: "https://github.com/bitnami/vulndb/archive/refs/heads/main.tar.gz", folder: "data", speaks: []string{"Bitnami"},
	},
	{
		name: "rconsortium", home: "https://github.com/RConsortium/r-advisory-database", doc: "the R Consortium's database of R packages",
		address: "https://github.com/RConsortium/r-advisory-database/archive/refs/heads/main.tar.gz", folder: "vulns", speaks: []string{"CRAN", "Bioconductor"},
	},
	{
		name: "suse-osv", home: "https://www.suse.com/support/update/", doc: "updates of SUSE and openSUSE as SUSE itself writes them",
		address: "https://ftp.suse.com/pub/projects/security/osv.tar.bz2", speaks: []string{"SUSE", "openSUSE"},
	},
	{
		name: "ubuntu-osv", home: "https://ubuntu.com/security/cves", doc: "flaws and notices of Ubuntu as Canonical itself writes them",
		address: "https://security-metadata.canonical.com/osv/osv-all.tar.xz", speaks: []string{"Ubuntu"},
	},
}

// osvTarFeeds gives a feed for each of osvTarballs.
func osvTarFeeds() []Feed {
	feeds := make([]Feed, len(osvTarballs))
	for i, t := range osvTarballs {
		feeds[i] = Feed{
			Name: t.name, Home: t.home, Doc: t.doc + "; a tar archive of OSV records", Every: 6 * time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				r := osvReader{speaks: t.speaks}
				return fetchRecords(ctx, o, t.address, t.holds, r.parseAny, out)
			},
		}
	}
	return feeds
}

// holds tells the names of records.
func (t osvTarball) holds(name string) bool {
	switch path.Ext(name) {
	case ".json", ".yaml", ".yml":
	default:
		return false
	}
	// The index of SUSE's archive is no record.
	return (t.folder == "" || inFolder(name, t.folder)) && path.Base(name) != "all.json"
}

// inFolder reports whether name is in the folder of that name at the top of an archive
// of GitHub, which has a folder around all.
func inFolder(name, folder string) bool {
	_, rest, _ := strings.Cut(strings.TrimPrefix(name, "./"), "/")
	return strings.HasPrefix(rest, folder+"/")
}

// parseAny is parse of a record in YAML or JSON, by its name.
func (r osvReader) parseAny(name string, data []byte, err error) osvParsed {
	if err == nil && path.Ext(name) != ".json" {
		data, err = yamlJSON(data)
	}
	return r.parse(name, data, err)
}
