package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// vexHubs are repositories of VEX documents by the accounts that keep them at GitHub.
// Those that say they are for their own builds alone are not heard on a Go module of no
// stated version: it may be anybody's build.
var vexHubs = []struct {
	account string
	own     bool
}{{"aquasecurity", false}, {"rancher", true}}

// vexHubFeeds reads hubs laid out by the VEX Repository Specification 0.1
// (github.com/aquasecurity/vex-repo-spec): an archive whose index.json maps package URLs
// to documents.
func vexHubFeeds() []Feed {
	feeds := make([]Feed, len(vexHubs))
	for i, hub := range vexHubs {
		account := hub.account
		feeds[i] = Feed{
			Name:  "vex-hub-" + account,
			Home:  "https://github.com/" + account + "/vexhub",
			Doc:   "a VEX hub: documents of OpenVEX and CSAF by package, one tar archive",
			Every: 24 * time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				f, err := o.OpenAt(ctx, "https://github.com/"+account+"/vexhub/archive/refs/heads/main.tar.gz")
				if err != nil {
					return err
				}
				defer f.Close()
				return readVEXHub(ctx, f, hub.own, out)
			},
		}
	}
	return feeds
}

// readVEXHub reads the archive twice, for the index may stand behind the documents.
func readVEXHub(ctx context.Context, f ReaderAtCloser, own bool, out Sink) error {
	var index map[string][]string
	err := eachHubFile(ctx, f, func(name string) bool { return name == "index.json" }, func(_ string, data []byte) (err error) {
		index, err = readHubIndex(data, out)
		return err
	})
	if err == nil && index == nil {
		err = errors.New("it has no index.json")
	}
	if err != nil {
		return fmt.Errorf("reading the hub's archive: %w", err)
	}
	read := map[string]bool{}
	want := func(name string) bool { return index[name] != nil }
	err = eachHubFile(ctx, f, want, func(name string, data []byte) error {
		if read[name] {
			return nil // a second file of this name is not heard
		}
		read[name] = true
		return readHubDocument(name, data, index[name], own, out)
	})
	if err != nil {
		return fmt.Errorf("reading the hub's archive: %w", err)
	}
	left := make([]string, 0, len(index))
	for name := range index {
		if !read[name] {
			left = append(left, name)
		}
	}
	slices.Sort(left)
	for _, name := range left {
		out.Quarantine(name, errors.New("the index names it, but it is not in the archive"))
	}
	return nil
}

// readHubIndex gives the package URLs that each document may speak for.
func readHubIndex(data []byte, out Sink) (map[string][]string, error) {
	var doc struct {
		Updated  looseTime `json:"updated_at"`
		Packages []struct {
			ID       looseString `json:"id"`
			Location looseString `json:"location"`
		} `json:"packages"`
	}
	if err := decodeJSON(data, &doc); err != nil {
		return nil, fmt.Errorf("reading index.json: %v", err)
	}
	if doc.Packages == nil {
		return nil, errors.New("reading index.json: it has no list of packages")
	}
	if !doc.Updated.IsZero() {
		out.Dated(doc.Updated.Time)
	}
	index := make(map[string][]string, len(doc.Packages))
	for _, p := range doc.Packages {
		if _, err := advisory.ParsePURL(string(p.ID)); err != nil || p.Location == "" {
			out.Quarantine("index.json "+string(p.ID), fmt.Errorf("not a package with its document: %v", err))
			continue
		}
		at := strings.TrimPrefix(string(p.Location), "./")
		index[at] = append(index[at], string(p.ID))
	}
	return index, nil
}

// readHubDocument hands on what a document says of the packages it stands under. What
// it says of others is left out: the index is how a hub divides who speaks for what.
func readHubDocument(name string, data []byte, ids []string, own bool, out Sink) error {
	var may []advisory.PURL
	for _, id := range ids {
		if p, err := advisory.ParsePURL(id); err == nil {
			may = append(may, p)
		}
	}
	failed := error(nil)
	err := readVEX(data, func(s advisory.Statement) error {
		named := len(s.Products)
		s.Products = slices.DeleteFunc(s.Products, func(p advisory.Product) bool { return !hubHears(may, p.Component, own) })
		where := name + " " + s.Flaw
		switch {
		case len(s.Products) == 0:
			out.Skip(where, "another product")
			return nil
		case len(s.Products) < named:
			out.Skip(where, "another product besides")
		}
		// A product none of whose parts can be identified says nothing.
		s.Products = slices.DeleteFunc(s.Products, func(p advisory.Product) bool {
			return len(p.Subcomponents) > 0 && !slices.ContainsFunc(p.Subcomponents, func(c advisory.Component) bool { return c.Name == "" })
		})
		if len(s.Products) == 0 {
			out.Quarantine(where, errors.New("no part of the product is named by an identifier"))
			return nil
		}
		failed = out.Statement(s)
		return failed
	}, func(where string, err error) { out.Quarantine(name+", "+where, err) })
	if failed != nil {
		return failed
	}
	if err != nil {
		out.Quarantine(name, err)
	}
	return nil
}

// hubHears tells whether a product is one of those that a document stands under. An
// image is told by its repository or its digest, never by its name alone; and the
// path of a Go module that does not begin with a server's name is anybody's.
func hubHears(may []advisory.PURL, c advisory.Component, own bool) bool {
	p, err := advisory.ParsePURL(c.PURL)
	if err != nil {
		return false
	}
	switch {
	case p.Type == "golang":
		first, _, _ := strings.Cut(strings.TrimPrefix(p.Base(), "pkg:golang/"), "/")
		if !strings.Contains(first, ".") || own && p.Version == "" {
			return false
		}
	case p.IsImage():
		repository, _ := p.ImageRepository()
		if repository == "" {
			return false
		}
		return slices.ContainsFunc(may, func(m advisory.PURL) bool {
			of, _ := m.ImageRepository()
			return m.Base() == p.Base() && of == repository
		})
	}
	return slices.ContainsFunc(may, func(m advisory.PURL) bool { return m.Base() == p.Base() })
}

// eachHubFile hands the files of an archive that want accepts to do. Names are without
// the folder that all lie in.
func eachHubFile(ctx context.Context, f ReaderAtCloser, want func(name string) bool, do func(name string, data []byte) error) error {
	inside := func(name string) string {
		_, name, _ = strings.Cut(strings.TrimPrefix(name, "./"), "/")
		return name
	}
	return eachFile(ctx, io.NewSectionReader(f, 0, f.Size()), func(name string) bool { return want(inside(name)) },
		func(name string, data []byte, err error) error {
			if err != nil {
				return fmt.Errorf("%.200q: %w", inside(name), err)
			}
			return do(inside(name), data)
		})
}
