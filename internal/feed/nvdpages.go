package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const nvdPagesURL = "https://services.nvd.nist.gov/rest/json/cves/2.0/"

// How NVD's API is asked (nvd.nist.gov/developers/start-here, …/vulnerabilities).
const (
	nvdPageSize = 2000                 // records of a page, the most it gives
	nvdPause    = 6 * time.Second      // between two requests
	nvdSpan     = 120 * 24 * time.Hour // of changes that it lists, at most
	nvdListAge  = 100 * 24 * time.Hour // after which all is listed anew
	nvdPageAge  = 24 * time.Hour       // until which a page goes on with a listing that was interrupted
	nvdOverlap  = 24 * time.Hour       // by which changes are asked for from before the listing: its clock has no zone
	maxNVDPages = 4096
)

// fetchNVDPages reads the pages of the API. On a mirror those are the files that its
// folder lists, or, without a list, files named as [Origin.Open] names pages: that is
// how a keep folder has them.
//
// At NVD itself all is listed once, if there is a folder to keep it in; from then on
// only what has changed since, until that is so much or so long ago that all is listed
// anew.
func fetchNVDPages(ctx context.Context, o *Origin, out Sink) error {
	p := nvdAPI{nvdReader: nvdReader{seen: map[string]struct{}{}}, o: o, out: out}
	if !o.atPublisher() {
		index, err := o.Open(ctx, nvdPagesURL)
		if err == nil {
			return p.listed(ctx, index)
		}
		if !errors.Is(err, ErrNotThere) {
			return err
		}
		if err := p.changes(ctx, time.Time{}); err != nil && !errors.Is(err, ErrNotThere) {
			return err
		}
		return p.all(ctx, p.open)
	}
	since := p.known(ctx)
	if !since.IsZero() {
		if err := p.changes(ctx, since); err != nil {
			return nvdGone(err)
		}
		return p.all(ctx, func(ctx context.Context, address string) (io.ReadCloser, error) {
			f, _, err := o.atHand(ctx, address, o.maxBody)
			return f, err
		})
	}
	if err := p.all(ctx, p.goOn); err != nil {
		return nvdGone(err)
	}
	p.forget()
	return nil
}

// nvdGone gives err as one that does not say that there is nothing: the API answers 404
// to what it does not like.
func nvdGone(err error) error {
	if errors.Is(err, ErrNotThere) {
		return fmt.Errorf("%v", err)
	}
	return err
}

// nvdAPI is one reading of the API's pages.
type nvdAPI struct {
	nvdReader
	o     *Origin
	out   Sink
	asked bool                // a page was asked for, so the next has to wait
	pages map[string]struct{} // files of the listing of all
}

// nvdPage is the address of the page that begins with record start: of all records, or
// of those that have changed since a time.
func nvdPage(since *time.Time, start int) string {
	query := "resultsPerPage=" + strconv.Itoa(nvdPageSize) + "&startIndex=" + strconv.Itoa(start)
	if since != nil {
		day := func(t time.Time) string { return url.QueryEscape(t.UTC().Format("2006-01-02T15:04:05.000-07:00")) }
		// An end that is to come makes it the same list each time it is asked for.
		query = "lastModStartDate=" + day(*since) + "&lastModEndDate=" + day(since.Add(nvdSpan)) + "&" + query
	}
	return nvdPagesURL + "?" + query
}

// opener opens the page at an address.
type opener func(ctx context.Context, address string) (io.ReadCloser, error)

// open asks for a page, not too soon after another.
func (p *nvdAPI) open(ctx context.Context, address string) (io.ReadCloser, error) {
	if p.asked && p.o.atPublisher() && !p.o.offline {
		if err := p.o.sleep(ctx, nvdPause); err != nil {
			return nil, err
		}
	}
	p.asked = true
	return p.o.Open(ctx, address)
}

// goOn asks for a page that an interrupted listing has not brought lately.
func (p *nvdAPI) goOn(ctx context.Context, address string) (io.ReadCloser, error) {
	host, path, err := locate(address)
	if err != nil || !p.o.keeps() {
		return p.open(ctx, address)
	}
	name := keptName(host, path)
	f, s, next := p.o.latest(ctx, p.o.remote(host, path), name, p.o.maxBody)
	if next && time.Since(s.Fetched) < nvdPageAge {
		p.o.stage(name)
		p.o.visit.read(s.Confirmed)
		return f, nil
	}
	if f != nil {
		f.Close()
	}
	return p.open(ctx, address)
}

// changes reads what has changed since a time. It wraps [ErrNotThere] if there is no
// first page.
func (p *nvdAPI) changes(ctx context.Context, since time.Time) error {
	return p.list(ctx, &since, p.open)
}

// all reads the listing of all records.
func (p *nvdAPI) all(ctx context.Context, open opener) error {
	p.years = true
	p.pages = map[string]struct{}{}
	before := p.records
	if err := p.list(ctx, nil, open); err != nil {
		return err
	}
	return p.some(before)
}

// some refuses pages that brought no record to those that there were before.
func (p *nvdAPI) some(before int) error {
	if p.records == before {
		return errors.New("reading the pages: there are no flaws in them")
	}
	return nil
}

// list reads page after page of a list, until it has as many records as any of them says.
func (p *nvdAPI) list(ctx context.Context, since *time.Time, open opener) error {
	before, total := p.records, 0
	for start := 0; start == 0 || start < total; start += nvdPageSize {
		if start/nvdPageSize >= maxNVDPages {
			return fmt.Errorf("reading the pages: there are more than %d", maxNVDPages)
		}
		had := p.records
		address := nvdPage(since, start)
		body, err := open(ctx, address)
		if errors.Is(err, ErrNotThere) && start > 0 {
			return fmt.Errorf("reading the pages: that of record %d of %d is not there", start+1, total)
		}
		if err != nil {
			return err
		}
		name := nvdPageFile(address)
		err = p.document(ctx, body, name, p.out)
		body.Close()
		if err != nil {
			return err
		}
		if total = max(total, p.said); p.records == had && start < total {
			return fmt.Errorf("reading the pages: that of record %d of %d is empty", start+1, total)
		}
		if since == nil {
			p.pages[name] = struct{}{}
		}
	}
	if n := p.records - before; n < total {
		return fmt.Errorf("reading the pages: they hold %d of %d flaws", n, total)
	}
	return nil
}

// nvdPageFile names the file that a page is on a mirror.
func nvdPageFile(address string) string {
	_, path, err := locate(address)
	if err != nil {
		return address
	}
	path, _, _ = strings.Cut(path, "?")
	return path[strings.LastIndexByte(path, '/')+1:]
}

// known gives the time since which changes are to be read, by the dates of the pages of
// all that are kept; zero if they are not all there, or not worth it any more.
func (p *nvdAPI) known(ctx context.Context) time.Time {
	if p.o.keep == nil {
		return time.Time{}
	}
	var since time.Time
	total := 0
	for start := 0; start == 0 || start < total; start += nvdPageSize {
		n, dated := p.kept(ctx, nvdPage(nil, start))
		if dated.IsZero() {
			return time.Time{}
		}
		total = max(total, n)
		if since.IsZero() || dated.Before(since) {
			since = dated
		}
	}
	since = since.Add(-nvdOverlap).Truncate(time.Second)
	if p.o.offline {
		return since
	}
	if n, _ := p.kept(ctx, nvdPage(&since, 0)); n > total/2 || time.Since(since) > nvdListAge {
		return time.Time{}
	}
	return since
}

// kept gives what a kept page says of itself: how many records its list has, and its
// date. The date is zero if the page is not there.
func (p *nvdAPI) kept(ctx context.Context, address string) (total int, dated time.Time) {
	f, _, err := p.o.atHand(ctx, address, p.o.maxBody)
	if err != nil {
		return 0, time.Time{}
	}
	defer f.Close()
	var at looseTime
	d := jsontext.NewDecoder(io.LimitReader(f, 64<<10), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := d.ReadToken(); err != nil {
		return 0, time.Time{}
	}
	for d.PeekKind() == '"' {
		key, err := d.ReadToken()
		if err != nil {
			break
		}
		name := key.String()
		if name == "vulnerabilities" {
			break
		}
		v, err := d.ReadValue()
		if err != nil {
			break
		}
		switch name {
		case "timestamp":
			_ = decodeJSON(v, &at) // no date, if it is none
		case "totalResults":
			_ = decodeJSON(v, &total)
		}
	}
	return total, at.Time
}

// forget removes kept pages that do not belong to the listing of all that was read, when
// the feed has come to its end: they list changes since an older one.
func (p *nvdAPI) forget() {
	if !p.o.keeps() || p.o.visit == nil {
		return
	}
	p.o.then(func() {
		if host, path, err := locate(nvdPagesURL); err == nil {
			p.o.keep.prune(host+"/"+strings.TrimSuffix(path, "/"), p.pages)
		}
	})
}

// listed reads the files of a mirror that its folder's page links to and that end in
// .json, in the order of their names.
func (p *nvdAPI) listed(ctx context.Context, index io.ReadCloser) error {
	page, err := readAll(index, 1<<20)
	index.Close()
	if err != nil {
		return fmt.Errorf("reading the list of pages: %w", err)
	}
	names := nvdPages(string(page))
	if len(names) == 0 || len(names) > maxNVDPages {
		return fmt.Errorf("reading the list of pages: there are %d, not 1 to %d", len(names), maxNVDPages)
	}
	p.years = true
	for _, name := range names {
		body, err := p.o.Open(ctx, nvdPagesURL+name)
		if err != nil {
			return err
		}
		err = p.document(ctx, body, name, p.out)
		body.Close()
		if err != nil {
			return err
		}
	}
	if p.records < p.total {
		return fmt.Errorf("reading the pages: they hold %d of %d flaws", p.records, p.total)
	}
	return p.some(0)
}

// nvdPages lists the JSON files that a page links to, sorted.
func nvdPages(page string) []string {
	var out []string
	for _, link := range links(page) {
		if isJSON(link) && len(link) < 100 && !strings.ContainsAny(link, "/\\?#%&:") && link[0] != '.' {
			out = append(out, link)
		}
	}
	return sortedUnique(out)
}
