package feed

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	nvdURL = "https://nvd.nist.gov/feeds/json/cve/2.0/nvdcve-2.0-"
	// nvdFirst is the year whose file holds the flaws of that year and all before.
	nvdFirst = 2002
)

// Bounds on the files of NVD: bytes of one, unpacked, and bytes of one record.
const (
	maxNVD       = 4 << 30
	maxNVDRecord = 64 << 20
)

// nvdFeed reads the National Vulnerability Database in its form 2.0
// (nvd.nist.gov/vuln/data-feeds; csrc.nist.gov/schema/nvd/api/2.0/cve_api_json_2.0.schema):
// a file for each year and two of what changed lately, or, where there is none of those,
// the pages of its API.
//
// What it says of a flaw as such becomes an enrichment. Of the versions it lists, only
// those of a few runtimes are kept: see nvdAffected.
func nvdFeed() Feed {
	return Feed{
		Name:  "nvd",
		Home:  "https://nvd.nist.gov/",
		Doc:   "the National Vulnerability Database: ratings and summaries of CVEs, versions of runtimes; JSON by year or pages of the API",
		Every: 2 * time.Hour,
		Fetch: fetchNVD,
	}
}

func fetchNVD(ctx context.Context, o *Origin, out Sink) error {
	r := nvdReader{seen: map[string]struct{}{}}
	found := false
	file := func(part string) (bool, error) {
		there, err := r.file(ctx, o, part, out)
		found = found || there
		return there, err
	}
	// What changed lately is written anew every two hours, the years once a day: the
	// copy that is read first counts.
	for _, part := range [...]string{"modified", "recent"} {
		if _, err := file(part); err != nil {
			return err
		}
	}
	r.years = true
	var gaps []string
	for year, last := nvdFirst, time.Now().Year()+1; year <= last; year++ {
		part := fmt.Sprint(year)
		there, err := file(part)
		if err != nil {
			return err
		}
		if !there {
			gaps = append(gaps, part)
		}
	}
	if !found {
		return fetchNVDPages(ctx, o, out)
	}
	// By the dates in the files it is known which years there must be. That of the
	// newest may be to come.
	for _, year := range gaps {
		if !r.newest.IsZero() && year < r.newest.Format("2006") {
			out.Quarantine("nvdcve-2.0-"+year+".json.gz", errors.New("the file of this year is not there"))
		}
	}
	return nil
}

// nvdReader reads documents of NVD one after the other.
type nvdReader struct {
	// seen are the flaws in what changed lately, years tells that this has been read.
	seen  map[string]struct{}
	years bool
	// newest is the latest date of a document; records counts what was in them. said is
	// how many the last page of the API says there are, total how many the newest says.
	newest  time.Time
	records int
	said    int
	total   int
}

// file reads the file of a year, or of what changed; false if it is not there.
func (r *nvdReader) file(ctx context.Context, o *Origin, part string, out Sink) (bool, error) {
	name := "nvdcve-2.0-" + part + ".json.gz"
	want := nvdSum(ctx, o, part)
	body, err := o.Open(ctx, nvdURL+part+".json.gz")
	if errors.Is(err, ErrNotThere) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer body.Close()
	z, err := gzip.NewReader(body)
	if err != nil {
		return false, fmt.Errorf("unpacking %s: %w", name, err)
	}
	sum := sha256.New()
	in := io.TeeReader(z, sum)
	if err := r.document(ctx, in, name, out); err != nil {
		return false, err
	}
	// What follows the document counts for its sum and for that of gzip.
	if n, err := io.Copy(io.Discard, io.LimitReader(in, 1<<20)); err != nil || n == 1<<20 {
		return false, fmt.Errorf("unpacking %s: it does not end well: %v", name, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); want != "" && !strings.EqualFold(got, want) {
		// Either of the two may just have been replaced, so this is no fault of the records.
		out.Quarantine(name, errors.New("it is not the file that its .meta describes"))
	}
	return true, nil
}

// nvdSum gives the SHA-256 of a file, unpacked, by the .meta file beside it; empty if
// that is not there or says nothing.
func nvdSum(ctx context.Context, o *Origin, part string) string {
	body, err := o.Open(ctx, nvdURL+part+".meta")
	if err != nil {
		return ""
	}
	defer body.Close()
	in := bufio.NewScanner(io.LimitReader(body, 4<<10))
	for in.Scan() {
		if v, ok := strings.CutPrefix(in.Text(), "sha256:"); ok {
			if v = strings.TrimSpace(v); len(v) == 2*sha256.Size {
				return v
			}
		}
	}
	return ""
}

// document streams one document. A record that cannot be read goes into quarantine.
func (r *nvdReader) document(ctx context.Context, in io.Reader, name string, out Sink) error {
	fail := func(err error) error { return fmt.Errorf("reading %s: %w", name, err) }
	m := &meter{r: in, total: maxNVD}
	m.reset()
	d := jsontext.NewDecoder(m, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if k := d.PeekKind(); k != '{' {
		return fail(errors.New("it does not begin with an object"))
	}
	if _, err := d.ReadToken(); err != nil {
		return fail(err)
	}
	list := false
	var dated looseTime
	total := 0
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return fail(err)
		}
		switch key := t.String(); {
		case key == "vulnerabilities" && d.PeekKind() == '[':
			list = true
			if err := r.list(ctx, d, m, name, out); err != nil {
				return err
			}
		case key == "timestamp":
			v, err := d.ReadValue()
			if err != nil {
				return fail(err)
			}
			_ = decodeJSON(v, &dated) // no date, if it is none
		case key == "totalResults":
			v, err := d.ReadValue()
			if err != nil {
				return fail(err)
			}
			_ = decodeJSON(v, &total)
		default:
			if err := d.SkipValue(); err != nil {
				return fail(err)
			}
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return fail(err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return fail(errors.New("there is more after its end"))
	}
	if !list {
		return fail(errors.New("it has no list of flaws"))
	}
	r.said = total
	if !dated.Before(r.newest) {
		r.newest, r.total = dated.Time, total
	}
	if !dated.IsZero() {
		out.Dated(dated.Time)
	}
	return nil
}

func (r *nvdReader) list(ctx context.Context, d *jsontext.Decoder, m *meter, name string, out Sink) error {
	if _, err := d.ReadToken(); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	for n := 1; d.PeekKind() != ']'; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		m.reset()
		raw, err := d.ReadValue()
		if err != nil {
			return fmt.Errorf("reading %s: record %d: %w", name, n, err)
		}
		r.records++
		var item struct {
			CVE nvdFlaw `json:"cve"`
		}
		if err := decodeJSON(raw, &item); err != nil {
			out.Quarantine(fmt.Sprintf("%s, record %d", name, n), err)
			continue
		}
		if err := r.flaw(&item.CVE, fmt.Sprintf("%s, record %d", name, n), out); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// meter bounds what is read: in all, and between two calls of reset.
type meter struct {
	r           io.Reader
	total, left int64
}

func (m *meter) reset() { m.left = maxNVDRecord }

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 || m.total <= 0 {
		return 0, fmt.Errorf("a record has over %d bytes, or the whole over %d", maxNVDRecord, int64(maxNVD))
	}
	n, err := m.r.Read(p[:min(int64(len(p)), m.left, m.total)])
	m.left, m.total = m.left-int64(n), m.total-int64(n)
	return n, err
}
