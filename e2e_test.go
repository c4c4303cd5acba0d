package plimsoll_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/report"
)

// snapshot builds a snapshot of these feeds of the corpus.
func snapshot(t *testing.T, feeds string) string {
	t.Helper()
	dir := t.TempDir()
	code, _, stderr := run(t, "advisories", "build", "--from", filepath.Join(imagetest.Corpus(t), "feeds"), "--out", dir, "--only", feeds)
	if code != 0 {
		t.Fatalf("building the snapshot: exit %d: %s", code, stderr)
	}
	return dir
}

// scanned is what one scan gave.
type scanned struct {
	*report.Report
	code   int
	stderr string
}

// scanImage scans with the report as JSON; args follow the source.
func scanImage(t *testing.T, source string, args ...string) scanned {
	t.Helper()
	code, out, stderr := run(t, slices.Concat([]string{"scan", source, "-f", "json"}, args)...)
	s := scanned{code: code, stderr: stderr, Report: &report.Report{}}
	if err := json.Unmarshal([]byte(out), s.Report); err != nil {
		t.Fatalf("scanning %s: exit %d, %v: %s", source, code, err, stderr)
	}
	if s.Schema != report.Schema {
		t.Fatalf("scanning %s: a document of schema %s", source, s.Schema)
	}
	return s
}

// whole gives s, which must have read everything.
func (s scanned) whole(t *testing.T) scanned {
	t.Helper()
	if len(s.Unknowns) > 0 || s.code > 1 {
		t.Fatalf("scanning %s: exit %d, unknowns %v: %s", s.Image.Name, s.code, s.Unknowns, s.stderr)
	}
	return s
}

// unknown reports whether something is unknown for this reason.
func (s scanned) unknown(why inventory.Reason) bool {
	return slices.ContainsFunc(s.Unknowns, func(u inventory.Unknown) bool { return u.Reason == why })
}

// layer gives the number of a layer by its digest, -1 for none.
func (s scanned) layer(d image.Digest) int {
	return slices.IndexFunc(s.Image.Layers, func(l report.Layer) bool { return l.Digest == d })
}

// places says of each package that keep takes where it was found: "type name version"
// to "path@layer", layers being counted from the base.
func (s scanned) places(keep func(report.Package) bool) map[string][]string {
	out := map[string][]string{}
	for _, p := range s.Packages {
		if !keep(p) {
			continue
		}
		key := p.Type + " " + p.Name + " " + p.Version
		for _, l := range p.Locations {
			out[key] = append(out[key], l.Path+"@"+strconv.Itoa(s.layer(l.Layer)))
		}
		slices.Sort(out[key])
	}
	return out
}

// same gives packages and findings without what depends on how layers are stored:
// digests of layers become their numbers.
func (s scanned) same() *report.Report {
	r := &report.Report{Packages: slices.Clone(s.Packages), Findings: slices.Clone(s.Findings), Summary: s.Summary, Coverage: s.Coverage}
	number := func(l report.Location) report.Location {
		l.Layer = image.Digest(strconv.Itoa(s.layer(l.Layer)))
		return l
	}
	locate := func(p *report.Package) {
		p.Locations = slices.Clone(p.Locations)
		for i, l := range p.Locations {
			p.Locations[i] = number(l)
		}
	}
	for i := range r.Packages {
		locate(&r.Packages[i])
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Location = number(f.Location)
		if f.Package != nil {
			p := *f.Package
			locate(&p)
			f.Package = &p
		}
	}
	return r
}

// mustEqual compares packages and findings of two scans of the same content.
func mustEqual(t *testing.T, what string, got, want scanned) {
	t.Helper()
	if d := cmp.Diff(want.same(), got.same()); d != "" {
		t.Errorf("%s: the scan differs (-want +got):\n%s", what, d)
	}
}

// tool runs a program of the system to its end and gives its output.
func tool(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(imagetest.Tool(t, name), args...)
	cmd.Dir = dir
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s%s", name, strings.Join(args, " "), err, out, said.String())
	}
	return string(out)
}

// cached gives the tar NAME in the user's cache folder, which fill makes from a new
// folder if it is not there. What it costs to make (a download, minutes) is paid once.
func cached(t *testing.T, name string, fill func(dir string)) string {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	base = filepath.Join(base, "plimsoll-tests")
	if err := os.MkdirAll(base, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(base, name)
	if _, err := os.Stat(file); err == nil {
		return file
	}
	dir := t.TempDir()
	fill(dir)
	made := filepath.Join(base, "."+filepath.Base(dir)+"-"+name)
	defer os.Remove(made)
	tool(t, dir, "tar", "--numeric-owner", "-cf", made, ".")
	if err := os.Rename(made, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// between puts a proxy before the server at addr and gives the proxy's address; act
// decides about each request.
func between(t *testing.T, addr string, act func(w http.ResponseWriter, r *http.Request, next http.Handler)) string {
	t.Helper()
	next := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: addr}) }, ErrorLog: quiet()}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { act(w, r, next) }))
	s.Config.ErrorLog = quiet()
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}
