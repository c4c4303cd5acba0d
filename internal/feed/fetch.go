package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// visit is one feed's reading from an origin over the network. The methods of a nil
// visit do nothing.
type visit struct {
	mu     sync.Mutex
	oldest time.Time
	stale  error
	staged []string // files of the keep folder that come into place when the feed is done
	after  []func()
}

// visiting gives an origin like o for one feed. On disk there is nothing to note.
func (o *Origin) visiting() *Origin {
	if o.dir != "" {
		return o
	}
	v := *o
	v.visit = &visit{}
	return &v
}

// read notes when a file that the feed reads was last known to be the publisher's.
func (v *visit) read(t time.Time) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.oldest.IsZero() || t.Before(v.oldest) {
		v.oldest = t
	}
}

// fails notes that a file could not be had, and is read as it was kept.
func (v *visit) fails(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stale == nil {
		v.stale = err
	}
}

// result gives the oldest time that was noted, and the first failure.
func (v *visit) result() (time.Time, error) {
	if v == nil {
		return time.Time{}, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.oldest, v.stale
}

// stage puts a fetched file into place when the feed has come to its end, at once if
// the feed is not known. So the files in place are always such as go together.
func (o *Origin) stage(name string) {
	if o.visit == nil {
		o.keep.settle(name)
		return
	}
	o.visit.mu.Lock()
	defer o.visit.mu.Unlock()
	o.visit.staged = append(o.visit.staged, name)
}

// then has f called when the feed has come to its end.
func (o *Origin) then(f func()) {
	o.visit.mu.Lock()
	defer o.visit.mu.Unlock()
	o.visit.after = append(o.visit.after, f)
}

// done ends a visit whose feed came to its end.
func (o *Origin) done() {
	if o.visit == nil || o.keep == nil {
		return
	}
	for _, name := range o.visit.staged {
		o.keep.settle(name)
	}
	for _, f := range o.visit.after {
		f()
	}
}

// keptFile gives a file of the keep folder after asking for it; if that fails and a
// feed is told of it, the file as it was kept when the feed last came to its end. From
// then on the feed is given kept files where there are some: the older one of two
// files may name what the newer one no longer does.
func (o *Origin) keptFile(ctx context.Context, host, path string, encoded bool, limit int64) (*diskFile, kept, error) {
	name := keptName(host, path)
	last := func() (*diskFile, kept, error) {
		var f *diskFile
		var s kept
		var err error
		for _, u := range o.remotes(host, path) {
			if f, s, err = o.keep.load(ctx, name, keepState+keyOf(name), u.String(), limit); err == nil || errors.Is(err, ErrNotThere) {
				o.visit.read(s.Confirmed)
				break
			}
		}
		if err != nil {
			err = fmt.Errorf("opening %s: %w", name, err)
		}
		return f, s, err
	}
	if o.offline {
		return last()
	}
	if _, stale := o.visit.result(); stale != nil {
		if f, s, err := last(); err == nil || errors.Is(err, ErrNotThere) {
			return f, s, err
		}
	}
	var f *diskFile
	var s kept
	var err error
	for _, u := range o.remotes(host, path) {
		if f, s, err = o.fetch(ctx, u, name, encoded, limit); !errors.Is(err, ErrNotThere) {
			break
		}
	}
	switch {
	case err == nil:
		o.visit.read(s.Confirmed)
		return f, s, nil
	case errors.Is(err, ErrNotThere):
		absent := kept{URL: o.remote(host, path).String(), Absent: true, Confirmed: time.Now().UTC()}
		if perr := o.keep.putState(keepNext+keyOf(name)+stateOf, absent); perr != nil {
			return nil, absent, perr
		}
		o.visit.read(absent.Confirmed)
		o.stage(name)
		return nil, absent, err
	case ctx.Err() != nil || o.visit == nil:
		return nil, s, err
	}
	f, s, lerr := last()
	if lerr != nil && !errors.Is(lerr, ErrNotThere) {
		return nil, s, err
	}
	o.visit.fails(err)
	return f, s, lerr
}

// keptName is where a file stands in a mirror on disk.
func keptName(host, path string) string {
	path, _, _ = strings.Cut(path, "?")
	if isFolder(path) {
		path += "index.html"
	}
	return host + "/" + path
}

// remotes lists where a file may be on the network: a folder's index may stand at a
// mirror by its name.
func (o *Origin) remotes(host, path string) []*url.URL {
	all := []*url.URL{o.remote(host, path)}
	if o.base != nil && isFolder(path) {
		all = append(all, o.remote(host, path+"index.html"))
	}
	return all
}

// latest gives the newest version of a file that was fetched, be it that its feed has
// not come to its end since. next tells that it is not in its place yet. nil if there
// is none.
func (o *Origin) latest(ctx context.Context, u *url.URL, name string, limit int64) (f *diskFile, s kept, next bool) {
	key := keyOf(name)
	if !o.offline {
		if f, s, err := o.keep.load(ctx, keepNext+key, keepNext+key+stateOf, u.String(), limit); err == nil {
			return f, s, true
		}
	}
	f, s, err := o.keep.load(ctx, name, keepState+key, u.String(), limit)
	if err != nil {
		return nil, kept{}, false
	}
	return f, s, false
}

// fetch asks for a file, going on with what has come of it before.
func (o *Origin) fetch(ctx context.Context, u *url.URL, name string, encoded bool, limit int64) (*diskFile, kept, error) {
	have, s, next := o.latest(ctx, u, name, limit)
	for try := 1; ; try++ {
		// What was cut can be gone on with only if it is not compressed on the way.
		f, got, err := o.fetchOnce(ctx, u, name, encoded && try == 1, limit, have, s)
		switch {
		case err == nil && f == nil: // have is still the file
			where := keepState + keyOf(name)
			if next {
				where = keepNext + keyOf(name) + stateOf
			}
			if err := o.keep.putState(where, got); err != nil {
				have.Close()
				return nil, got, err
			}
			if next {
				o.stage(name)
			}
			return have, got, nil
		case err == nil:
			if have != nil {
				have.Close()
			}
			o.stage(name)
			return f, got, nil
		}
		if try < o.tries && ctx.Err() == nil && errors.Is(err, errCut) {
			if serr := o.sleep(ctx, backoff(try)); serr == nil {
				continue
			}
		}
		if have != nil {
			have.Close()
		}
		return nil, kept{}, err
	}
}

// fetchOnce asks once for a file of which have, which s tells of, is there already. It
// gives no file if that is still the one. Its error wraps errCut if there is more to
// be had.
func (o *Origin) fetchOnce(ctx context.Context, u *url.URL, name string, encoded bool, limit int64, have *diskFile, s kept) (*diskFile, kept, error) {
	key := keyOf(name)
	q := ask{at: u, encoded: encoded, limit: limit, whole: true, when: http.Header{}}
	if have != nil && s.ETag != "" {
		q.when.Set("If-None-Match", s.ETag)
	}
	if have != nil && s.LastModified != "" {
		q.when.Set("If-Modified-Since", s.LastModified)
	}
	p := o.keep.claimPart(ctx, key, u.String())
	if p != nil {
		q.encoded = false
		q.when.Set("Range", fmt.Sprintf("bytes=%d-", p.state.Size))
		q.when.Set("If-Range", p.state.ifRange())
	}
	a, err := o.get(ctx, q)
	now := time.Now().UTC()
	if err != nil {
		if p != nil {
			p.rest()
		}
		return nil, s, err
	}
	if a.body != nil {
		defer a.body.Close()
	}
	switch {
	case a.status == http.StatusNotModified && have != nil:
		if p != nil {
			p.drop()
		}
		s.Confirmed = now
		return nil, s, nil
	case a.status == http.StatusPartialContent && p != nil && p.goesOn(a):
		p.state.Confirmed = now
	case a.status == http.StatusOK:
		if p == nil {
			if p, err = o.keep.newPart(key); err != nil {
				return nil, s, err
			}
		}
		if err := p.begin(a, u.String(), now); err != nil {
			p.drop()
			return nil, s, err
		}
	case p != nil:
		p.drop()
		return nil, s, fmt.Errorf("asking for %s: %w: the server does not go on where it was left", u, errCut)
	default:
		return nil, s, fmt.Errorf("asking for %s: the server answers with status %d to what was not asked", u, a.status)
	}
	if err := p.receive(a.body, u, limit); err != nil {
		if errors.Is(err, errCut) {
			p.rest()
		} else {
			p.drop()
		}
		return nil, s, err
	}
	if have != nil && p.hex() == have.sum {
		s.validate(a, now)
		s.Dated = ""
		p.drop()
		return nil, s, nil
	}
	return p.finish(key)
}

// receive reads a body to its end into the part.
func (p *part) receive(body io.Reader, u *url.URL, limit int64) error {
	if p.state.Size == 0 {
		head := make([]byte, 1024)
		n, err := io.ReadFull(body, head)
		if isPage(head[:n]) && !namesPage(u.Path) {
			return fmt.Errorf("asking for %s: the server answers with a web page", u)
		}
		if _, werr := p.Write(head[:n]); werr != nil {
			return werr
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return p.complete(u)
		}
		if err != nil {
			return err
		}
	}
	if _, err := io.CopyBuffer(p, io.LimitReader(body, limit-p.state.Size+1), make([]byte, 128<<10)); err != nil {
		return err
	}
	if p.state.Size > limit {
		return fmt.Errorf("reading %s: more than the %d bytes allowed", u, limit)
	}
	return p.complete(u)
}

func (p *part) complete(u *url.URL) error {
	if p.state.Total > 0 && p.state.Size < p.state.Total {
		return fmt.Errorf("reading %s: %w: %d bytes of %d", u, errCut, p.state.Size, p.state.Total)
	}
	return nil
}

// namesPage tells addresses at which a web page is no surprise.
func namesPage(path string) bool {
	return isFolder(path) || strings.HasSuffix(path, ".html") || strings.HasSuffix(path, ".htm")
}

// isPage tells the beginning of a web page, which some servers send in place of a file
// that they do not have, as if it were that.
func isPage(head []byte) bool {
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	for {
		head = bytes.TrimLeft(head, " \t\r\n\f")
		var end string
		switch {
		case bytes.HasPrefix(head, []byte("<?xml")):
			end = "?>"
		case bytes.HasPrefix(head, []byte("<!--")):
			end = "-->"
		default:
			for _, tag := range [...]string{"<!doctype html", "<html"} {
				if len(head) >= len(tag) && strings.EqualFold(string(head[:len(tag)]), tag) {
					return true
				}
			}
			return false
		}
		_, rest, ok := bytes.Cut(head, []byte(end))
		if !ok {
			return false
		}
		head = rest
	}
}

// atHand opens what there is of the file at address without asking for it: the file
// of a folder, or of the keep folder. It is for files that something else vouches
// for. It wraps ErrNotThere if there is nothing.
func (o *Origin) atHand(ctx context.Context, address string, limit int64) (*diskFile, kept, error) {
	host, path, err := locate(address)
	if err != nil {
		return nil, kept{}, err
	}
	if o.keep == nil {
		f, size, err := o.file(host, path, limit)
		if err != nil {
			return nil, kept{}, err
		}
		return &diskFile{File: f, size: size}, kept{}, nil
	}
	name := keptName(host, path)
	f, s, next := o.latest(ctx, o.remote(host, path), name, limit)
	if f == nil {
		return nil, s, fmt.Errorf("opening %s: %w", name, ErrNotThere)
	}
	if next {
		o.stage(name)
	}
	return f, s, nil
}
