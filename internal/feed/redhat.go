package feed

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

const (
	redHatCSAF         = "https://security.access.redhat.com/data/csaf/v2/"
	redHatRepositories = "https://security.access.redhat.com/data/metrics/repository-to-cpe.json"
)

// Bounds on Red Hat's lists of documents and repositories, in bytes, and on the CPEs
// of one repository.
const (
	maxCSAFList     = 64 << 20
	maxRepositories = 64 << 20
	maxCPEs         = 1 << 10
)

// redHatVEX reads documents on one flaw each, redHatErrata those on updates.
var (
	redHatVEX = csafPublisher{
		namespace: "https://www.redhat.com", fixes: []string{"fixed", "first_fixed"}, place: redHatPackage,
		page: func(id string) string { return "https://access.redhat.com/security/cve/" + id },
	}
	redHatErrata = csafPublisher{
		namespace: "https://www.redhat.com", fixes: []string{"fixed", "first_fixed"}, place: redHatPackage,
		errata: []string{"RHSA-", "RHBA-", "RHEA-"}, page: recordURL,
	}
)

// redHatFeeds reads what Red Hat publishes itself: its documents in the Common Security
// Advisory Framework (redhatproductsecurity.github.io/security-data-guidelines) and the
// products that each of its repositories belongs to.
func redHatFeeds() []Feed {
	home := "https://access.redhat.com/security/data/"
	return []Feed{
		{
			Name: "redhat-csaf-vex", Home: home, Every: 24 * time.Hour,
			Doc: "how each flaw stands in each Red Hat product, CSAF 2.0 documents in a tar archive and those changed since",
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				return fetchRedHat(ctx, o, "vex/", &redHatVEX, out)
			},
		}, {
			Name: "redhat-csaf-advisories", Home: home, Every: 24 * time.Hour,
			Doc: "errata of Red Hat, CSAF 2.0 documents in a tar archive and those changed since",
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				return fetchRedHat(ctx, o, "advisories/", &redHatErrata, out)
			},
		}, {
			Name: "redhat-repositories", Home: home, Every: 24 * time.Hour,
			Doc: "the products that each repository of Red Hat belongs to, one JSON document",
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				b, err := o.Open(ctx, redHatRepositories)
				if err != nil {
					return err
				}
				defer b.Close()
				return readRepositories(b, out)
			},
		},
	}
}

// redHatPackage finds the rpm that a product is. Purls give name, version, epoch and
// processor; the CPE of what it is a component of gives release and repository. Flaws
// without a fix are stated of names alone, those of source packages ("?arch=src") and
// in later documents of binaries too. A module is named by a qualifier, by the module
// that stands between package and product, or in a form of purl of its own
// ("pkg:rpmmod/redhat/nodejs:16/nodejs").
func redHatPackage(chain []csafThing, _ bool) (p csafPackage) {
	if len(chain) < 2 {
		return p
	}
	pkg, product := chain[0].purl, chain[len(chain)-1]
	module := pkg.module
	switch {
	case pkg.kind == "rpm" && pkg.namespace == "redhat":
		p.source = pkg.arch == "src"
	case pkg.kind == "rpmmod" && strings.HasPrefix(pkg.namespace, "redhat/"):
		module, p.source = strings.TrimPrefix(pkg.namespace, "redhat/"), true
	default:
		return p
	}
	for _, between := range chain[1 : len(chain)-1] {
		if m := between.purl; module == "" && m.kind == "rpmmod" {
			module = m.name + ":" + m.version
		}
	}
	if isDebug(pkg.name) {
		return p
	}
	var ok bool
	if p.ecosystem, p.stream, ok = advisory.RedHatProduct(product.cpe); !ok {
		return csafPackage{}
	}
	p.name, p.version, p.module = pkg.name, pkg.evr(), moduleStream(module)
	if !p.source {
		p.arch = pkg.arch
	}
	return p
}

// isDebug tells packages that hold symbols and sources for debuggers and no programs.
func isDebug(name string) bool {
	return strings.HasSuffix(name, "-debuginfo") || strings.HasSuffix(name, "-debugsource")
}

// moduleStream cuts a module's name and stream off the rest of its label.
func moduleStream(label string) string {
	name, rest, ok := strings.Cut(label, ":")
	if !ok {
		return label
	}
	stream, _, _ := strings.Cut(rest, ":")
	return name + ":" + stream
}

// csafListed is a line of a list of documents.
type csafListed struct {
	path string
	at   time.Time
}

var (
	csafPath   = regexp.MustCompile(`^[0-9]{4}/[A-Za-z0-9._-]+\.json$`)
	tarZstName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*\.tar\.zst$`)
	isoDate    = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}`)
)

// fetchRedHat reads a folder of Red Hat's documents. archive_latest.txt names an
// archive of all; changes.csv and deletions.csv list when each was last changed or
// taken back. Documents changed on the archive's day or later are read one by one and
// take the place of those in it; so are those that it should have and has not. Without
// an archive all listed are read.
//
// A listed document that is not there is put in quarantine, and the archive's stands.
func fetchRedHat(ctx context.Context, o *Origin, folder string, pub *csafPublisher, out Sink) error {
	base := redHatCSAF + folder
	changed, err := csafList(ctx, o, base+"changes.csv", out)
	if err != nil && !errors.Is(err, ErrNotThere) {
		return err
	}
	noList := err
	gone, err := csafList(ctx, o, base+"deletions.csv", out)
	if err != nil && !errors.Is(err, ErrNotThere) {
		return err
	}
	name, day, err := csafArchive(ctx, o, base)
	if err != nil && (!errors.Is(err, ErrNotThere) || noList != nil) {
		return err
	}
	if len(changed) > 0 {
		out.Dated(slices.MaxFunc(changed, func(a, b csafListed) int { return a.at.Compare(b.at) }).at)
	}
	f := csafFetch{base: base, pub: pub, out: out, have: map[string]bool{}, missing: map[string]bool{}}
	deleted := map[string]time.Time{}
	for _, l := range gone {
		deleted[l.path] = l.at
	}
	var newer []string
	for _, l := range changed {
		if at, ok := deleted[l.path]; ok && !at.After(l.at) {
			delete(deleted, l.path)
		}
		if name == "" || !day.IsZero() && !l.at.Before(day) {
			newer = append(newer, l.path)
		}
	}
	if err := f.singles(ctx, o, newer); err != nil || name == "" {
		return err
	}
	if err := f.archive(ctx, o, base+name, deleted); err != nil {
		return err
	}
	var rest []string
	for _, l := range changed {
		if !f.have[l.path] && !f.missing[l.path] {
			rest = append(rest, l.path)
		}
	}
	return f.singles(ctx, o, rest)
}

// csafArchive gives the name and the day of the archive of all documents; no name if
// there is none, and the zero day if its name has none.
func csafArchive(ctx context.Context, o *Origin, base string) (name string, day time.Time, err error) {
	b, err := fetchSmall(ctx, o, base+"archive_latest.txt")
	if err != nil {
		return "", day, err
	}
	if name = strings.TrimSpace(string(b)); !tarZstName.MatchString(name) {
		return "", day, fmt.Errorf("reading %sarchive_latest.txt: %.80q is not the name of an archive", base, name)
	}
	return name, parseTime(isoDate.FindString(name)), nil
}

// csafList reads a list of documents with their times, sorted by path.
func csafList(ctx context.Context, o *Origin, address string, out Sink) ([]csafListed, error) {
	b, err := o.Open(ctx, address)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return csafRows(b, address, out)
}

// csafRows reads the rows of the list that is at address.
func csafRows(list io.Reader, address string, out Sink) ([]csafListed, error) {
	r := csv.NewReader(&boundedReader{r: list, left: maxCSAFList})
	r.FieldsPerRecord, r.ReuseRecord, r.LazyQuotes = -1, true, true
	var docs []csafListed
	strange := 0
	for {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", address, err)
		}
		if len(row) != 2 || !csafPath.MatchString(row[0]) || !fs.ValidPath(row[0]) || parseTime(row[1]).IsZero() {
			if strange++; strange == 1 {
				out.Quarantine(address, fmt.Errorf("a line is not a document and its time: %.80q", row))
			}
			continue
		}
		docs = append(docs, csafListed{strings.Clone(row[0]), parseTime(row[1])})
		if len(docs) > maxEntries {
			return nil, fmt.Errorf("reading %s: more than %d documents", address, maxEntries)
		}
	}
	if strange > len(docs) {
		return nil, fmt.Errorf("reading %s: this is no list of documents", address)
	}
	slices.SortFunc(docs, func(a, b csafListed) int { return strings.Compare(a.path, b.path) })
	return slices.CompactFunc(docs, func(a, b csafListed) bool { return a.path == b.path }), nil
}

// csafFetch hands on what a publisher's documents say.
type csafFetch struct {
	base    string
	pub     *csafPublisher
	out     Sink
	have    map[string]bool // documents that were handed on, by path
	missing map[string]bool // those that are listed and not there
}

func (f *csafFetch) emit(p csafParsed) error {
	for _, err := range p.bad {
		f.out.Quarantine(p.name, err)
	}
	if p.skip != "" {
		f.out.Skip(p.name, p.skip)
	}
	for _, a := range p.advs {
		if err := f.out.Advisory(a); err != nil {
			return err
		}
	}
	return nil
}

// singles reads documents one by one, a few at a time, and hands them on in order.
func (f *csafFetch) singles(ctx context.Context, o *Origin, paths []string) error {
	type got struct {
		parsed csafParsed
		err    error
	}
	const atOnce = 4
	for part := range slices.Chunk(paths, atOnce) {
		results := make([]got, len(part))
		var wg sync.WaitGroup
		for i, path := range part {
			wg.Go(func() {
				b, err := o.Open(ctx, f.base+path)
				if err != nil {
					results[i].err = err
					return
				}
				defer b.Close()
				data, err := readAll(b, maxEntry)
				if err != nil {
					err = fmt.Errorf("reading the document: %w", err)
				}
				results[i].parsed = f.pub.parse(path, data, err)
			})
		}
		wg.Wait()
		for i, path := range part {
			switch err := results[i].err; {
			case errors.Is(err, ErrNotThere):
				f.missing[path] = true
				f.out.Quarantine(path, fmt.Errorf("the document is listed and not there"))
			case err != nil:
				return err
			default:
				f.have[path] = true
				if err := f.emit(results[i].parsed); err != nil {
					return err
				}
			}
		}
	}
	return ctx.Err()
}

// archive reads the documents of an archive but for those that are here already or
// were taken back.
func (f *csafFetch) archive(ctx context.Context, o *Origin, address string, deleted map[string]time.Time) error {
	a, err := o.OpenAt(ctx, address)
	if errors.Is(err, ErrNotThere) {
		return fmt.Errorf("the folder is not whole: %v", err)
	}
	if err != nil {
		return err
	}
	defer a.Close()
	read := 0
	before := maps.Clone(f.have)
	_, err = readTarball(ctx, io.NewSectionReader(a, 0, a.Size()), isJSON, func(name string, data []byte, err error) csafParsed {
		path := csafPathOf(name)
		if before[path] {
			return csafParsed{}
		}
		if _, ok := deleted[path]; ok {
			return csafParsed{name: path, skip: "taken back"}
		}
		p := f.pub.parse(name, data, err)
		p.name = path
		return p
	}, func(p csafParsed) error {
		read++
		if p.name == "" {
			return nil
		}
		f.have[p.name] = true
		return f.emit(p)
	})
	if err == nil && read == 0 {
		err = errors.New("there is no document in it")
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", address, err)
	}
	return nil
}

// csafPathOf gives the last two elements of an archive's name for a document, which
// are its path in the publisher's folder.
func csafPathOf(name string) string {
	at := strings.LastIndexByte(name, '/')
	return name[strings.LastIndexByte(name[:max(at, 0)], '/')+1:]
}

// readRepositories reads which products each repository belongs to. Repositories of
// sources and of debuggers' symbols are left out: nothing is installed from them.
func readRepositories(r io.Reader, out Sink) error {
	data, err := readAll(r, maxRepositories)
	if err != nil {
		return fmt.Errorf("reading the repositories: %w", err)
	}
	var doc struct {
		Updated looseTime          `json:"last_updated"`
		Data    map[string]rawJSON `json:"data"`
	}
	if err := decodeJSON(data, &doc); err != nil {
		return fmt.Errorf("reading the repositories: %v", err)
	}
	if len(doc.Data) == 0 {
		return errors.New("reading the repositories: there are none")
	}
	if !doc.Updated.IsZero() {
		out.Dated(doc.Updated.Time)
	}
	ids := make([]string, 0, len(doc.Data))
	for id := range doc.Data {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		var repo struct {
			CPEs []string `json:"cpes"`
		}
		err := decodeJSON([]byte(doc.Data[id]), &repo)
		switch {
		case err != nil:
		case !isName(id):
			err = errors.New("its name is not one")
		case len(repo.CPEs) > maxCPEs:
			err = fmt.Errorf("it has %d CPEs, over the limit of %d", len(repo.CPEs), maxCPEs)
		case slices.ContainsFunc(repo.CPEs, func(s string) bool { return !isName(s) || !strings.HasPrefix(s, "cpe:") }):
			err = errors.New("one of its CPEs is none")
		}
		if err != nil {
			out.Quarantine(id, fmt.Errorf("reading the repository: %v", err))
			continue
		}
		if kind, _, _ := strings.Cut(id, "__"); strings.HasSuffix(kind, "-source-rpms") || strings.HasSuffix(kind, "-debug-rpms") {
			out.Skip(id, "sources or symbols")
			continue
		}
		if len(repo.CPEs) == 0 {
			out.Skip(id, "names no product")
			continue
		}
		if err := out.Repository(id, sortedUnique(repo.CPEs)); err != nil {
			return err
		}
	}
	return nil
}

// boundedReader ends in an error, and not in io.EOF, where there is more than allowed.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errors.New("it is longer than is allowed")
	}
	return n, err
}
