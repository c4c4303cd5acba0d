package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// osvHost serves the archives of osv.dev (google.github.io/osv.dev/data).
const osvHost = "https://osv-vulnerabilities.storage.googleapis.com/"

// osvArchives lists the ecosystems whose archives are read, by the names of their
// folders. An archive holds every record that touches its ecosystem, with all that the
// record says of others; it is heard for its own alone, so that a vendor who names
// somebody else's ecosystem does not speak in it.
//
// Left out are ecosystems that are not packages in images (Android, Linux, OSS-Fuzz,
// GIT, GitHub Actions, VSCode) and rebuilds by vendors of other people's
// distributions (CleanStart, Echo, whose own file is read, Root, TuxCare).
var osvArchives = []string{
	"AlmaLinux", "Alpaquita", "Alpine", "Azure Linux", "BellSoft Hardened Containers", "Bioconductor", "Bitnami",
	"Chainguard", "ConanCenter", "CRAN", "crates.io", "Debian", "GHC", "Go", "Hackage", "Hex", "Julia", "Mageia",
	"Maven", "MinimOS", "npm", "NuGet", "opam", "openEuler", "Packagist", "Photon OS", "Pub", "PyPI", "Red Hat",
	"Rocky Linux", "RubyGems", "SUSE", "SwiftURL", "Ubuntu", "Wolfi",
}

// osvReader turns OSV records of one archive into advisories.
type osvReader struct {
	// speaks lists the ecosystems that are heard, without release.
	speaks []string
}

func osvFeeds() []Feed {
	feeds := make([]Feed, len(osvArchives))
	for i, name := range osvArchives {
		folders := []string{name}
		if name == "SUSE" {
			// SUSE's records speak for both; an archive may hold those alone that touch
			// its ecosystem, so both are read and a record counts once.
			folders = []string{"SUSE", "openSUSE"}
		}
		feeds[i] = Feed{
			Name:  "osv-" + strings.ReplaceAll(strings.ToLower(name), " ", "-"),
			Home:  "https://osv.dev/list?ecosystem=" + url.QueryEscape(name),
			Doc:   "OSV records of " + strings.Join(folders, " and ") + ", one zip archive of JSON",
			Every: time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				r := osvReader{speaks: folders}
				var missing error
				read := map[string]struct{}{}
				for _, folder := range folders {
					err := r.folder(ctx, o, osvHost+url.PathEscape(folder)+"/", read, out)
					if errors.Is(err, ErrNotThere) {
						missing = err
						continue
					}
					if err != nil {
						return err
					}
				}
				if len(read) == 0 {
					return missing
				}
				return nil
			},
		}
	}
	return feeds
}

func isJSON(name string) bool { return strings.HasSuffix(name, ".json") }

// baseName is the last element of an archive's path, without what tells its format.
func baseName(name string) string {
	base := name[strings.LastIndexByte(name, '/')+1:]
	for _, ext := range [...]string{".json", ".yaml", ".yml", ".md"} {
		if cut, ok := strings.CutSuffix(base, ext); ok {
			return cut
		}
	}
	return base
}

// osvParsed is what came of one record: an advisory, a reason to leave it out, or what
// is wrong with it or a part of it.
type osvParsed struct {
	name string
	adv  *advisory.Advisory
	skip string
	bad  error
	// id and modified are the record's own words, if it could be read.
	id       string
	modified time.Time
}

// archive reads a zip archive with a record in each entry that want accepts. Entries
// that are in read already are passed over; the others are added.
func (r osvReader) archive(ctx context.Context, o *Origin, address string, want func(string) bool, read map[string]struct{}, out Sink) error {
	f, err := o.OpenAt(ctx, address)
	if err != nil {
		return err
	}
	defer f.Close()
	return eachEntry(ctx, f, want, r.parse, handOn(read, out))
}

// handOn gives records to out, those alone that are not in read already, and adds them.
func handOn(read map[string]struct{}, out Sink) func(osvParsed) error {
	return func(p osvParsed) error {
		if _, twice := read[p.name]; twice {
			return nil
		}
		read[p.name] = struct{}{}
		return p.hand(out)
	}
}

// hand gives what came of a record to out.
func (p osvParsed) hand(out Sink) error {
	if p.bad != nil {
		out.Quarantine(p.name, p.bad)
	}
	if p.skip != "" {
		out.Skip(p.name, p.skip)
	}
	if p.adv == nil {
		return nil
	}
	return out.Advisory(*p.adv)
}

// parse reads one record. It never panics, whatever the bytes.
func (r osvReader) parse(name string, data []byte, err error) osvParsed {
	p := osvParsed{name: baseName(name)}
	if err != nil {
		p.bad = err
		return p
	}
	var rec osvRecord
	if err := decodeJSON(data, &rec); err != nil {
		p.bad = fmt.Errorf("reading the record: %v", err)
		return p
	}
	p.id, p.modified = rec.ID, rec.Modified.Time
	switch {
	case !isName(rec.ID):
		p.bad = fmt.Errorf("its ID %.60q is not one", rec.ID)
	case !rec.Withdrawn.IsZero():
		p.skip = "withdrawn"
	case strings.HasPrefix(rec.ID, "LSN-"):
		p.skip = "a live patch of a kernel"
	default:
		p.adv, p.skip, p.bad = r.normalise(&rec)
	}
	return p
}

// normalise turns a record into an advisory. bad says what parts of it could not be
// understood; the advisory is nil if nothing is left, and skip then says why if that
// is no fault.
func (r osvReader) normalise(rec *osvRecord) (adv *advisory.Advisory, skip string, bad error) {
	a := advisory.Advisory{
		ID: rec.ID, Summary: oneLine(string(rec.Summary)), URL: recordURL(rec.ID),
		Published: rec.Published.Time, Modified: rec.Modified.Time,
	}
	if a.Summary == "" {
		a.Summary = firstLine(string(rec.Details))
	}
	a.Aliases, a.Related = flawIDs(rec)
	if len(a.Related) == 0 && isMaintenance(rec.ID) {
		return nil, "names no flaw", nil
	}
	a.Severity, a.CVSS = ratings(nil, rec.Severity)
	a.Severity = max(a.Severity, severityOf(string(rec.DatabaseSpecific.Severity)))
	if a.Severity == advisory.SeverityUnknown {
		a.Severity = severityStated(rec)
	}
	parts := statements{one: map[statementKey]int{}}
	foreign, commits, none, hints := 0, 0, 0, 0
	var wrong []error
	for i := range rec.Affected {
		part := &rec.Affected[i]
		family, _, _ := strings.Cut(part.Package.Ecosystem, ":")
		switch {
		case part.Package.Name == "":
			commits++
			continue
		case !slices.Contains(r.speaks, family):
			foreign++
			continue
		case !isFlaw(string(part.DatabaseSpecific.Informational)):
			hints++
			continue
		}
		n, err := parts.add(part, family, &a)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("package %.80q: %v", part.Package.Name, err))
		}
		switch {
		case err != nil:
		case n < 0:
			commits++
		case n == 0:
			none++
		}
	}
	if len(wrong) > 0 {
		bad = wrong[0]
		if len(wrong) > 1 {
			bad = fmt.Errorf("%v (and %d more)", bad, len(wrong)-1)
		}
	}
	a.Affected = parts.list
	switch {
	case len(a.Affected) > 0:
		return &a, "", bad
	case bad != nil:
		return nil, "", bad
	case len(rec.Affected) == 0:
		return nil, "affects nothing", nil
	case foreign > 0:
		return nil, "another ecosystem", nil
	case hints > 0:
		return nil, "tells of no flaw", nil
	case none > 0:
		return nil, "affects no version", nil
	default:
		return nil, "commits only", nil
	}
}

// statementKey tells statements of one record with one interval apart.
type statementKey struct {
	ecosystem, name string
	state           advisory.State
	severity        advisory.Severity
	interval        version.Interval
}

// statements gathers the statements of one record, each once.
type statements struct {
	list []advisory.Affected
	one  map[statementKey]int // place in list, of those with one interval
	done map[string]struct{}  // lists of binary packages that were read
}

// add adds what part says and gives the number of statements that is; -1 if it speaks
// of commits alone. With an error it has added what could be understood.
func (s *statements) add(part *osvAffected, family string, a *advisory.Advisory) (int, error) {
	if !isName(part.Package.Ecosystem) || !isName(part.Package.Name) {
		return 0, fmt.Errorf("the name or its ecosystem %.60q is not one", part.Package.Ecosystem)
	}
	af := advisory.Affected{Ecosystem: part.Package.Ecosystem, Package: packageName(family, part.Package.Name)}
	if family == "Red Hat" {
		af.Ecosystem, af.Stream = redHatProduct(af.Ecosystem)
	}
	if family == "Ubuntu" {
		af.Ecosystem, af.Stream = ubuntuPocket(af.Ecosystem)
	}
	af.Severity, a.CVSS = ratings(a.CVSS, part.Severity)
	for _, word := range [...]looseString{part.DatabaseSpecific.Severity, part.EcosystemSpecific.Severity, part.EcosystemSpecific.UbuntuPriority} {
		af.Severity = max(af.Severity, severityOf(string(word)))
	}
	n, err := spans(&af, part)
	if n <= 0 {
		return n, err
	}
	if family == "Debian" {
		debianUrgency(&af, string(part.EcosystemSpecific.Urgency))
	}
	if family == "SUSE" || family == "openSUSE" {
		if n, berr := s.binaries(af, part.EcosystemSpecific.Binaries); n > 0 || berr != nil {
			return n, cmp.Or(berr, err)
		}
	}
	s.put(af)
	return 1, err
}

// put adds a statement unless it is there already. One that differs in its stream
// alone is joined to it.
func (s *statements) put(af advisory.Affected) {
	if len(af.Ranges) != 1 || len(af.Versions) > 0 {
		s.list = append(s.list, af)
		return
	}
	key := statementKey{af.Ecosystem, af.Package, af.State, af.Severity, af.Ranges[0]}
	if at, ok := s.one[key]; ok {
		if joined, ok := joinStreams(s.list[at].Stream, af.Stream); ok {
			s.list[at].Stream = joined
			return
		}
	}
	s.one[key] = len(s.list)
	s.list = append(s.list, af)
}

// binaries adds a statement for each binary package of a SUSE record, which are built
// of source packages of other names and versions. 0 if there are none.
func (s *statements) binaries(af advisory.Affected, raw rawJSON) (int, error) {
	if len(raw) < 4 || len(af.Ranges) != 1 || af.Ranges[0].Fixed == "" {
		return 0, nil
	}
	// The sources of one update often repeat the same list.
	same := af.Ecosystem + "\x00" + string(raw)
	if _, ok := s.done[same]; ok {
		return 1, nil
	}
	if s.done == nil {
		s.done = map[string]struct{}{}
	}
	s.done[same] = struct{}{}
	var lists []stringPairs
	raw.decode(&lists)
	n := 0
	scheme, ok := version.For(af.Ecosystem)
	for _, list := range lists {
		for _, p := range list {
			if !isName(p[0]) || !ok || scheme.Valid(p[1]) != nil {
				return n, fmt.Errorf("its binary %.60q has no version that can be read: %.60q", p[0], p[1])
			}
			b := af
			b.Package = p[0]
			b.Ranges = []version.Interval{{Introduced: af.Ranges[0].Introduced, Fixed: p[1]}}
			s.put(b)
			n++
		}
	}
	return n, nil
}

// packageName gives a package's name as inventories have it. Python's names are
// normalised (PEP 503); those of other ecosystems stand as they are published.
func packageName(family, name string) string {
	if family != "PyPI" {
		return name
	}
	out := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '_' || c == '.' || c == '-':
			if n := len(out); n > 0 && out[n-1] != '-' {
				out = append(out, '-')
			}
		case 'A' <= c && c <= 'Z':
			out = append(out, c|0x20)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// isName tells strings that can be names: neither empty nor long, and nothing in them
// that could steer a terminal.
func isName(s string) bool {
	if s == "" || len(s) > 512 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
