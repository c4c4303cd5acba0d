package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

const secdbURL = "https://secdb.alpinelinux.org/"

// Bounds on a database of this form: bytes of a file, and statements in all.
const (
	maxSecdbFile  = 64 << 20
	maxStatements = 8 << 20
)

// alpineFeed reads Alpine's security database (secdb.alpinelinux.org): a file for each
// release and repository, which lists for each source package the flaws that a version
// of it fixed.
func alpineFeed() Feed {
	return Feed{
		Name:  "alpine-secdb",
		Home:  "https://secdb.alpinelinux.org/",
		Doc:   "Alpine's security database, one JSON document for each release and repository",
		Every: 12 * time.Hour,
		Fetch: fetchSecdb,
	}
}

func fetchSecdb(ctx context.Context, o *Origin, out Sink) error {
	index, err := o.Open(ctx, secdbURL)
	if err != nil {
		return err
	}
	page, err := readAll(index, 1<<20)
	index.Close()
	if err != nil {
		return fmt.Errorf("reading the list of releases: %w", err)
	}
	releases := secdbReleases(string(page))
	if len(releases) == 0 {
		return errors.New("reading the list of releases: there are none")
	}
	if b, err := o.Open(ctx, secdbURL+"last-update"); err == nil {
		if data, err := readAll(b, 1<<10); err == nil {
			if t := parseTime(strings.TrimSpace(string(data))); !t.IsZero() {
				out.Dated(t)
			}
		}
		b.Close()
	}
	db := newSecdb("Alpine", "https://security.alpinelinux.org/vuln/")
	for _, release := range releases {
		found := false
		for _, repo := range [...]string{"main", "community"} {
			b, err := o.Open(ctx, secdbURL+release+"/"+repo+".json")
			if errors.Is(err, ErrNotThere) {
				continue // the oldest releases have no community repository
			}
			if err != nil {
				return err
			}
			found = true
			err = db.file(b, release, repo, out)
			b.Close()
			if err != nil {
				return err
			}
		}
		if !found {
			out.Quarantine(release, errors.New("the release is listed, but none of its files is there"))
		}
	}
	return db.emit(out)
}

// secdbReleases lists the folders of releases that a page links to, sorted.
func secdbReleases(page string) []string {
	var out []string
	for _, link := range links(page) {
		name, isDir := strings.CutSuffix(link, "/")
		major, minor, dotted := strings.Cut(strings.TrimPrefix(name, "v"), ".")
		if isDir && (name == "edge" || strings.HasPrefix(name, "v") && dotted && isDigits(major) && isDigits(minor)) && len(name) < 16 {
			out = append(out, name)
		}
	}
	return sortedUnique(out)
}

// secdb gathers statements by flaw, so that one flaw is one advisory however many
// releases and packages it is in.
type secdb struct {
	ecosystem  string // without release
	pages      string // what a flaw's page begins with, before its ID; empty if there are none
	flaws      map[string]*advisory.Advisory
	entries    int // fixes read: an entry for each text beside a version
	statements int
}

func newSecdb(ecosystem, pages string) *secdb {
	return &secdb{ecosystem: ecosystem, pages: pages, flaws: map[string]*advisory.Advisory{}}
}

// file reads one document of a release, or of a distribution without releases.
// Packages that cannot be read go into quarantine.
func (db *secdb) file(r io.Reader, release, repo string, out Sink) error {
	where := strings.TrimPrefix(release+"/"+repo, "/")
	data, err := readAll(r, maxSecdbFile)
	if err != nil {
		return fmt.Errorf("reading %s: %w", where, err)
	}
	var doc struct {
		Release  string `json:"distroversion"`
		Packages []struct {
			Pkg rawJSON `json:"pkg"`
		} `json:"packages"`
	}
	if err := decodeJSON(data, &doc); err != nil {
		return fmt.Errorf("reading %s: %v", where, err)
	}
	if doc.Packages == nil {
		return fmt.Errorf("reading %s: it has no list of packages", where)
	}
	if doc.Release != "" && release != "" && doc.Release != release {
		out.Quarantine(where, fmt.Errorf("the file says it is for release %.40q", doc.Release))
		return nil
	}
	for i := range doc.Packages {
		var pkg struct {
			Name  string              `json:"name"`
			Fixes map[string][]string `json:"secfixes"`
		}
		if err := decodeJSON([]byte(doc.Packages[i].Pkg), &pkg); err != nil || !isName(pkg.Name) {
			out.Quarantine(fmt.Sprintf("%s package %d", where, i+1), fmt.Errorf("not a package with its fixes: %v", err))
			continue
		}
		db.pkg(release, pkg.Name, pkg.Fixes, func(err error) { out.Quarantine(where+" "+pkg.Name, err) })
		if db.statements > maxStatements {
			return fmt.Errorf("reading %s: more than %d statements", where, maxStatements)
		}
	}
	return nil
}

// pkg adds what is said of one package.
//
// Version "0" says that the package never had the flaw; a version beside it counts
// more. Of several versions that fix one flaw the last counts: a flaw is listed again
// when the first fix was not enough, and of a list that is merely doubled the fix that
// people need may be one release early.
func (db *secdb) pkg(release, name string, fixes map[string][]string, bad func(error)) {
	type flaw struct {
		fixed   string
		aliases []string
	}
	flaws := map[string]flaw{}
	for _, v := range slices.Sorted(maps.Keys(fixes)) {
		db.entries += len(fixes[v])
		if v != "0" && version.APK.Valid(v) != nil {
			bad(fmt.Errorf("%.60q, which fixes %d flaws, is no version", v, len(fixes[v])))
			continue
		}
		for _, text := range fixes[v] {
			ids, aliases := secdbIDs(text)
			if len(ids) == 0 {
				bad(fmt.Errorf("%.80q names no flaw", text))
			}
			for _, id := range ids {
				f, known := flaws[id]
				if !known || f.fixed == "0" {
					f.fixed = v
				} else if c, err := version.APK.Compare(v, f.fixed); v != "0" && err == nil && c > 0 {
					f.fixed = v
				}
				f.aliases = append(f.aliases, aliases...)
				flaws[id] = f
			}
		}
	}
	for id, f := range flaws {
		a := db.flaws[id]
		if a == nil {
			a = &advisory.Advisory{ID: id}
			if db.pages != "" {
				a.URL = db.pages + id
			}
			db.flaws[id] = a
		}
		if len(f.aliases) > 0 && len(a.Aliases) < maxAliases {
			a.Aliases = sortedUnique(append(a.Aliases, f.aliases...))
		}
		af := advisory.Affected{Ecosystem: db.ecosystem, Package: name, State: advisory.StateNotAffected}
		if release != "" {
			af.Ecosystem += ":" + release
		}
		if f.fixed != "0" {
			af.State = advisory.StateAffected
			af.Ranges = []version.Interval{{Introduced: "0", Fixed: f.fixed}}
		}
		a.Affected = append(a.Affected, af)
		db.statements++
	}
}

// emit hands on the advisories in the order of their IDs.
func (db *secdb) emit(out Sink) error {
	for _, id := range slices.Sorted(maps.Keys(db.flaws)) {
		a := db.flaws[id]
		slices.SortStableFunc(a.Affected, func(x, y advisory.Affected) int {
			if c := strings.Compare(x.Ecosystem, y.Ecosystem); c != 0 {
				return c
			}
			return strings.Compare(x.Package, y.Package)
		})
		if err := out.Advisory(*a); err != nil {
			return err
		}
	}
	return nil
}

// secdbIDs reads what stands for a flaw: mostly one CVE, but also several, one with the
// name another publisher gave it ("CVE-2017-2615 XSA-208"), a name alone ("XSA-207"),
// or one with a remark ("CVE-2018-16451 (SMB)").
//
// Each CVE is a flaw. Names beside a CVE are dropped, as one XSA covers several CVEs,
// except that GitHub's name for a single CVE is its alias. Without a CVE each name is
// a flaw of its own.
func secdbIDs(text string) (ids, aliases []string) {
	if len(text) > 1024 {
		return nil, nil
	}
	text, _, _ = strings.Cut(text, "(")
	var names []string
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\t' }) {
		if cve := leadingCVE(word); cve != "" {
			ids = append(ids, cve)
		} else if isFlawName(word) {
			names = append(names, word)
		}
	}
	ids = sortedUnique(ids)
	switch {
	case len(ids) == 0:
		return sortedUnique(names), nil
	case len(ids) == 1:
		for _, n := range names {
			if strings.HasPrefix(n, "GHSA-") {
				aliases = append(aliases, n)
			}
		}
	}
	return ids, aliases
}

// leadingCVE gives the CVE a word begins with, which may be written with an underscore
// and followed by something else ("CVE_2019-2426", "CVE-2021-35940.patch").
func leadingCVE(word string) string {
	if len(word) < len("CVE-2000-0000") || word[:3] != "CVE" || word[3] != '-' && word[3] != '_' || word[8] != '-' || !isDigits(word[4:8]) {
		return ""
	}
	end := 9
	for end < len(word) && '0' <= word[end] && word[end] <= '9' {
		end++
	}
	if end < 13 || end > 28 {
		return ""
	}
	return "CVE-" + word[4:end]
}

// isFlawName tells words that are some publisher's name for a flaw: letters first,
// digits, and a hyphen.
func isFlawName(word string) bool {
	if len(word) > 64 || strings.HasPrefix(word, "CVE") {
		return false
	}
	digit, hyphen := false, false
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case '0' <= c && c <= '9':
			digit = true
		case c == '-':
			hyphen = true
		case !('a' <= c|0x20 && c|0x20 <= 'z'):
			return false
		}
		if i == 0 && (digit || hyphen) {
			return false
		}
	}
	return digit && hyphen
}
