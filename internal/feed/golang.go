package feed

import (
	"context"
	"strings"
	"time"
)

// goFeed reads the Go vulnerability database (go.dev/doc/security/vuln/database), whose
// archive holds its records in ID/ in the form of OSV. The standard library and the go
// command are the modules "stdlib" and "toolchain". The packages and symbols that a
// record names are not kept.
func goFeed() Feed {
	return Feed{
		Name:  "go-vulndb",
		Home:  "https://vuln.go.dev",
		Doc:   "the Go vulnerability database, one zip archive of OSV records",
		Every: 12 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			inID := func(name string) bool { return strings.HasPrefix(name, "ID/") && isJSON(name) }
			r := osvReader{speaks: []string{"Go"}}
			return r.archive(ctx, o, "https://vuln.go.dev/vulndb.zip", inID, map[string]struct{}{}, out)
		},
	}
}
