package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// ErrNotThere is wrapped by the errors of [Origin.Open] and [Origin.OpenAt] when the
// publisher or mirror has no such file.
var ErrNotThere = errors.New("not there")

// Bounds on what an origin may hand over.
const (
	maxBody    = 512 << 20 // bytes of a file that is read as a stream, after Content-Encoding
	maxArchive = 8 << 30   // bytes of a file that is read at random
)

// Origin maps a publisher's address https://HOST/PATH to the publisher itself, to
// BASE/HOST/PATH of a mirror, or to the file DIR/HOST/PATH. It may be used by several
// goroutines at once.
type Origin struct {
	base   *url.URL // of a mirror; nil otherwise
	dir    string   // of a mirror on disk; empty otherwise
	client *http.Client
	// maxBody and maxArchive bound sizes, stall the wait for the next bytes.
	maxBody, maxArchive int64
	stall               time.Duration
	tries               int
	// sleep waits between tries; tests put their own here.
	sleep func(context.Context, time.Duration) error
	hosts *hosts
	keep  *keeper // nil if nothing is kept
	// offline leaves only what is kept.
	offline bool
	// visit is the feed that reads, if it is known.
	visit *visit
}

// NewOrigin gives the publishers themselves for "", a mirror for an http or https
// address, and a mirror on disk for the path of a folder. An address may not hold a
// user name, a query or a fragment.
func NewOrigin(from string) (*Origin, error) {
	o := &Origin{client: newClient(), maxBody: maxBody, maxArchive: maxArchive, stall: time.Minute, tries: 4, sleep: sleep, hosts: &hosts{}}
	switch scheme, _, ok := strings.Cut(from, "://"); {
	case from == "":
	case ok && (scheme == "http" || scheme == "https"):
		u, err := url.Parse(from)
		switch {
		case err != nil:
			return nil, errors.New("the mirror's address cannot be read")
		case u.User != nil:
			return nil, errors.New("a mirror's address may not hold credentials")
		case u.Host == "" || u.RawQuery != "" || u.Fragment != "":
			return nil, fmt.Errorf("the mirror's address %q is not of the form https://host/path", from)
		}
		o.base = u
	case ok:
		return nil, fmt.Errorf("a mirror is an http or https address or a folder, not %q", from)
	default:
		st, err := os.Stat(from)
		if err != nil {
			return nil, fmt.Errorf("opening the mirror: %v", err)
		}
		if !st.IsDir() {
			return nil, fmt.Errorf("opening the mirror: %s is not a folder", from)
		}
		o.dir = from
	}
	return o, nil
}

// Keep makes o keep what it fetches in dir, which is made if need be: from then on a
// server is only asked for what has changed, an interrupted file is gone on with, and a
// feed that cannot be fetched is read as it was last. dir is itself a mirror that
// [NewOrigin] can be given. Several programs may keep in one folder at the same time.
// It is to be called before o is used; an origin on disk keeps nothing.
func (o *Origin) Keep(dir string) error {
	if o.dir != "" {
		return errors.New("what is read from a folder is not kept in another")
	}
	k, err := openKeeper(dir)
	if err != nil {
		return fmt.Errorf("opening the folder to keep what is fetched in: %v", err)
	}
	o.keep = k
	return nil
}

// atPublisher tells whether o reads from the publishers themselves.
func (o *Origin) atPublisher() bool { return o.base == nil && o.dir == "" }

// OnDisk tells whether o reads a folder.
func (o *Origin) OnDisk() bool { return o.dir != "" }

// Kept gives an origin that reads what o keeps and asks nobody; nil if o keeps nothing.
func (o *Origin) Kept() *Origin {
	if o.keep == nil {
		return nil
	}
	kept := *o
	kept.offline = true
	return &kept
}

// keeps tells whether what is fetched is kept, and may be asked for.
func (o *Origin) keeps() bool { return o.keep != nil && !o.offline }

// String names the origin for people: the address or folder, or "the publishers".
func (o *Origin) String() string {
	switch {
	case o.base != nil:
		return o.base.String()
	case o.dir != "":
		return o.dir
	}
	return "the publishers"
}

// Body is an open file of an origin, to be read once as a stream.
type Body struct {
	io.ReadCloser
	// Modified is when the file last changed, by its server's or folder's word; zero if
	// that is not known.
	Modified time.Time
}

// ReaderAtCloser is an open file of an origin, to be read at random.
type ReaderAtCloser interface {
	io.ReaderAt
	io.Closer
	// Size in bytes.
	Size() int64
}

// Open opens the publisher's file at address, which has the form https://HOST/PATH
// with its escapes; a path that ends in a slash is a folder's index. A folder may be
// followed by a query that asks for page N of a list, "?size=100&page=N", or for the
// page that begins with record N, "?startIndex=N"; on a mirror that is the folder's file
// pageN.json or startIndexN.json, however many it holds, and lastMod-startIndexN.json if
// the query lists what has changed, by "lastModStartDate". The body ends in an error,
// never in io.EOF, if it is cut short or goes beyond the bound.
func (o *Origin) Open(ctx context.Context, address string) (*Body, error) {
	host, path, err := locate(address)
	if err != nil {
		return nil, err
	}
	if o.keep != nil {
		f, s, err := o.keptFile(ctx, host, path, true, o.maxBody)
		if err != nil {
			return nil, err
		}
		return &Body{ReadCloser: f, Modified: s.modified()}, nil
	}
	if o.dir == "" {
		a, err := o.stream(ctx, host, path, true, o.maxBody)
		if err != nil {
			return nil, err
		}
		return &Body{ReadCloser: a.body, Modified: a.modified()}, nil
	}
	if isFolder(path) {
		path += "index.html"
	}
	f, _, err := o.file(host, path, o.maxBody)
	if err != nil {
		return nil, err
	}
	b := &Body{ReadCloser: f}
	if st, err := f.Stat(); err == nil {
		b.Modified = st.ModTime().UTC()
	}
	return b, nil
}

// OpenAt opens the publisher's file at address for reading at random, as a zip archive
// needs it. A file on disk is read where it lies; one over HTTP is first written
// whole to the folder of kept files, or to a temporary file, which Close removes.
func (o *Origin) OpenAt(ctx context.Context, address string) (ReaderAtCloser, error) {
	host, path, err := locate(address)
	if err != nil {
		return nil, err
	}
	if o.dir != "" {
		f, size, err := o.file(host, path, o.maxArchive)
		if err != nil {
			return nil, err
		}
		return &diskFile{File: f, size: size}, nil
	}
	if o.keep != nil {
		f, _, err := o.keptFile(ctx, host, path, false, o.maxArchive)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	// A body that is cut is fetched again from its beginning.
	for try := 1; ; try++ {
		f, err := o.spool(ctx, host, path)
		if err == nil || try >= o.tries || ctx.Err() != nil || !errors.Is(err, errCut) {
			return f, err
		}
		if err := o.sleep(ctx, backoff(try)); err != nil {
			return nil, err
		}
	}
}

// stream asks for a file that is not kept. A folder's index may stand at a mirror by
// its name.
func (o *Origin) stream(ctx context.Context, host, path string, encoded bool, limit int64) (*answer, error) {
	q := ask{at: o.remote(host, path), encoded: encoded, limit: limit, whole: !encoded}
	a, err := o.get(ctx, q)
	if errors.Is(err, ErrNotThere) && o.base != nil && isFolder(path) {
		q.at = o.remote(host, path+"index.html")
		a, err = o.get(ctx, q)
	}
	if err == nil {
		o.visit.read(time.Now())
	}
	return a, err
}

// spool writes a body to a temporary file that has no name left where the system
// allows that.
func (o *Origin) spool(ctx context.Context, host, path string) (ReaderAtCloser, error) {
	a, err := o.stream(ctx, host, path, false, o.maxArchive)
	if err != nil {
		return nil, err
	}
	defer a.body.Close()
	f, err := os.CreateTemp("", "plimsoll-feed-*")
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %v", err)
	}
	d := &diskFile{File: f}
	if os.Remove(f.Name()) != nil {
		d.remove = f.Name()
	}
	if d.size, err = io.Copy(f, a.body); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// diskFile is a file whose size was looked up when it was opened.
type diskFile struct {
	*os.File
	size   int64
	remove string // name to remove on Close, if it still has one
	sum    string // SHA-256 of a kept file
}

// Size in bytes.
func (d *diskFile) Size() int64 { return d.size }

// Close closes the file and removes it if it is a temporary one.
func (d *diskFile) Close() error {
	err := d.File.Close()
	if d.remove != "" {
		os.Remove(d.remove)
	}
	return err
}

// pageQuery is a query that asks for one page of a list.
var pageQuery = regexp.MustCompile(`^(?:[a-zA-Z_]+=(?:[a-zA-Z0-9_.-]|%3A|%2B)+&)*(?:(page)=([1-9][0-9]{0,8})|(startIndex)=(0|[1-9][0-9]{0,8}))$`)

// locate takes an address of the form https://HOST/PATH or https://HOST/PATH/?QUERY
// apart. The path has no leading slash and no element that leads elsewhere; of a page
// of a list it is that of the file it is on a mirror, with the query behind it.
func locate(address string) (host, path string, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Host == "" ||
		strings.ContainsAny(u.Host, `:/\`) || strings.HasPrefix(u.Host, ".") {
		return "", "", fmt.Errorf("%.200q is not the address of a publisher's file", address)
	}
	path = strings.TrimPrefix(u.Path, "/")
	if path != "" && (strings.ContainsAny(path, "\\\x00?") || !fs.ValidPath(strings.TrimSuffix(path, "/"))) {
		return "", "", fmt.Errorf("%.200q is not the address of a publisher's file", address)
	}
	if u.RawQuery == "" {
		return u.Host, path, nil
	}
	page := pageQuery.FindStringSubmatch(u.RawQuery)
	if page == nil || !isFolder(path) {
		return "", "", fmt.Errorf("%.200q is not the address of a publisher's file", address)
	}
	name := page[1] + page[2] + page[3] + page[4] + ".json"
	if strings.Contains(u.RawQuery, "lastModStartDate=") {
		name = "lastMod-" + name
	}
	return u.Host, path + name + "?" + u.RawQuery, nil
}

func isFolder(path string) bool { return path == "" || strings.HasSuffix(path, "/") }

// remote is where a file is on the network.
func (o *Origin) remote(host, path string) *url.URL {
	path, query, _ := strings.Cut(path, "?")
	if o.base == nil {
		if query != "" {
			path = path[:strings.LastIndexByte(path, '/')+1]
		}
		return &url.URL{Scheme: "https", Host: host, Path: "/" + path, RawQuery: query}
	}
	u := *o.base
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + host + "/" + path
	u.RawPath = ""
	return &u
}

// file opens a regular file of a mirror on disk. Links that lead out of the folder
// are not followed.
func (o *Origin) file(host, path string, limit int64) (*os.File, int64, error) {
	path, _, _ = strings.Cut(path, "?")
	name := host + "/" + path
	f, err := os.OpenInRoot(o.dir, filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("opening %s: %w", name, ErrNotThere)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("opening %s: %v", name, err)
	}
	st, err := f.Stat()
	switch {
	case err != nil:
		err = fmt.Errorf("opening %s: %v", name, err)
	case !st.Mode().IsRegular():
		err = fmt.Errorf("opening %s: not a regular file", name)
	case st.Size() > limit:
		err = fmt.Errorf("opening %s: %d bytes are more than the %d allowed", name, st.Size(), limit)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}
