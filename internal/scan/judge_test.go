package scan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/match"
	"github.com/plimsoll/plimsoll/internal/policy"
	"github.com/plimsoll/plimsoll/internal/report"
	"github.com/plimsoll/plimsoll/internal/version"
)

var fetched = time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)

// snapshot says that npm's x is flawed below 1.5.0, critically.
func snapshot(t *testing.T) *advisorydb.DB {
	t.Helper()
	b := advisorydb.NewBuilder()
	err := b.Add(advisory.Advisory{ID: "CVE-2024-1", Source: "osv-npm", Severity: advisory.SeverityCritical, Affected: []advisory.Affected{
		{Ecosystem: "npm", Package: "x", Ranges: []version.Interval{{Introduced: "0", Fixed: "1.5.0"}}}}})
	if err == nil {
		err = b.Source(advisorydb.Source{Name: "osv-npm", Fetched: fetched, Ecosystems: []string{"npm"}})
	}
	if err == nil {
		err = b.Source(advisorydb.Source{Name: "osv-pypi", Fetched: fetched.AddDate(-1, 0, 0), Ecosystems: []string{"PyPI"}})
	}
	dir := t.TempDir()
	if err == nil {
		_, err = b.Write(t.Context(), dir)
	}
	var db *advisorydb.DB
	if err == nil {
		db, err = advisorydb.Open(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func facts(pkgs ...inventory.Package) *report.Facts {
	for i := range pkgs {
		pkgs[i].Locations = []inventory.Location{{Path: "p", Layer: 0}}
	}
	return &report.Facts{Image: report.Image{Name: "a", Layers: []report.Layer{{Digest: image.Sum(nil)}}}, Inventory: &inventory.Inventory{Packages: pkgs}}
}

func assess(t *testing.T, f *report.Facts, db *advisorydb.DB) *Assessment {
	t.Helper()
	a, err := Assess(t.Context(), f, db)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func judge() Judge {
	return Judge{Policy: policy.Default(), AsOf: fetched.AddDate(0, 0, 3), MaxFeedAge: 7 * 24 * time.Hour, Analyser: "test"}
}

func document(t *testing.T, r *report.Report) string {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAssessWithoutSnapshot(t *testing.T) {
	a := assess(t, facts(inventory.Package{Type: "npm", Name: "x", Version: "1.0.0"}), nil)
	r := judge().Report(a)
	if r.Verdict.Value != policy.Unknown || r.Snapshot != nil || len(r.Findings) != 0 || len(r.Unknowns) != 1 || r.Unknowns[0].Reason != inventory.FeedMissing {
		t.Errorf("%s", document(t, r))
	}
}

func TestJudge(t *testing.T) {
	db := snapshot(t)
	x := func(v string) inventory.Package { return inventory.Package{Type: "npm", Name: "x", Version: v} }
	unreadable := facts(x("2.0.0"))
	unreadable.Inventory.Unknowns = []inventory.Unknown{{Reason: inventory.LayerUnreadable, Subject: "l", Detail: "d"}}
	late := judge()
	late.AsOf = fetched.AddDate(0, 0, 8)
	anyAge := late
	anyAge.AnyFeedAge = true
	for name, tc := range map[string]struct {
		facts   *report.Facts
		judge   Judge
		want    policy.Value
		sources string
		reason  string
	}{
		"flawed":                 {facts(x("1.4.9")), judge(), policy.Fail, "osv-npm 2024-06-01 3", "critical"},
		"fixed":                  {facts(x("1.5.0")), judge(), policy.Pass, "osv-npm 2024-06-01 3", ""},
		"fixed but unread":       {unreadable, judge(), policy.Unknown, "osv-npm 2024-06-01 3", "layer_unreadable"},
		"fixed but long ago":     {facts(x("1.5.0")), late, policy.Unknown, "osv-npm 2024-06-01 8", "feed_stale"},
		"flawed and long ago":    {facts(x("1.0.0")), late, policy.Fail, "osv-npm 2024-06-01 8", "critical"},
		"long ago, which may be": {facts(x("1.5.0")), anyAge, policy.Pass, "osv-npm 2024-06-01 8", ""},
		"before it was fetched":  {facts(x("1.5.0")), Judge{Policy: policy.Default(), AsOf: fetched.AddDate(0, 0, -1), MaxFeedAge: time.Hour}, policy.Pass, "osv-npm 2024-06-01 0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := document(t, tc.judge.Report(assess(t, tc.facts, db)))
			a := assess(t, tc.facts, db)
			r := tc.judge.Report(a)
			if again := document(t, tc.judge.Report(a)); again != before || document(t, r) != before {
				t.Errorf("judged again it says\n%s\nbefore\n%s", again, before)
			}
			sources := ""
			for _, s := range r.Snapshot.Sources {
				sources += fmt.Sprintf("%s %s %d", s.Name, s.Newest, s.AgeDays)
			}
			if r.Verdict.Value != tc.want || sources != tc.sources || r.Snapshot.Digest != db.Digest() {
				t.Errorf("%s, sources %q of %s", r.Verdict.Value, sources, r.Snapshot.Digest)
			}
			if len(r.Verdict.Reasons) > 0 != (tc.reason != "") || tc.reason != "" && r.Verdict.Reasons[0].Rule != tc.reason {
				t.Errorf("reasons are %+v", r.Verdict.Reasons)
			}
			if r.Timing != nil {
				t.Error("timing is told unasked")
			}
		})
	}
}

// Assessing changes nothing of the facts, so they may be assessed again.
func TestAssessTwice(t *testing.T) {
	db := snapshot(t)
	f := inspect(t, full(nil), cacheImage(t).Image)
	unknowns := bytes.Clone([]byte(fmt.Sprint(f.Inventory.Unknowns)))
	first := assess(t, f, db)
	second := assess(t, f, db)
	if d := cmp.Diff(first.Result, second.Result); d != "" {
		t.Errorf("(-first +second):\n%s", d)
	}
	if len(first.Findings) != 1 || first.Findings[0].ID != "CVE-2024-1" {
		t.Errorf("findings are %+v", first.Findings)
	}
	j := judge()
	j.Timing = true
	r := j.Report(first)
	if r.Timing == nil || r.Timing.Seconds < f.Timing.Seconds || r.Timing.LayersRead != f.Timing.LayersRead {
		t.Errorf("timing is %+v, was %+v", r.Timing, f.Timing)
	}
	if got := fmt.Sprint(f.Inventory.Unknowns); got != string(unknowns) {
		t.Errorf("the facts' unknowns became %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a, err := Assess(ctx, f, db); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", a, err)
	}
}

func TestFailed(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want inventory.Reason
	}{
		{image.ErrAuth, inventory.AuthFailed},
		{image.ErrNotFound, inventory.NotFound},
		{fs.ErrNotExist, inventory.NotFound},
		{image.ErrPlatform, inventory.PlatformMissing},
		{image.ErrNotImage, inventory.NoPackagesIdentified},
		{context.DeadlineExceeded, inventory.Timeout},
		{image.ErrCorrupt, inventory.LayerUnreadable},
		{image.ErrUnsupported, inventory.LayerUnreadable},
		{image.ErrDigestMismatch, inventory.LayerUnreadable},
		{context.Canceled, inventory.LayerUnreadable},
		{errLine, inventory.LayerUnreadable},
	} {
		err := fmt.Errorf("pulling example/app:1: %w", tc.err)
		f := Failed("example/app:1", err)
		want := []inventory.Unknown{{Reason: tc.want, Subject: "example/app:1", Detail: err.Error()}}
		if d := cmp.Diff(want, f.Inventory.Unknowns); d != "" || f.Image.Name != "example/app:1" {
			t.Errorf("%v: image %q (-want +got):\n%s", tc.err, f.Image.Name, d)
		}
		j := judge()
		j.Timing = true
		if r := j.Report(assess(t, f, nil)); r.Verdict.Value != policy.Unknown || r.Timing != nil {
			t.Errorf("%v: %s, timing %v", tc.err, r.Verdict.Value, r.Timing)
		}
	}
}

func TestVEXImage(t *testing.T) {
	d, id := image.Sum([]byte("a")), image.Sum([]byte("b"))
	for _, tt := range []struct {
		image report.Image
		want  match.Image
	}{
		{report.Image{Name: "nginx:1.25", Reference: "docker.io/library/nginx@" + string(d), Digest: d, ID: id, Platform: "linux/arm64/v8"},
			match.Image{Repository: "docker.io/library/nginx", Tag: "1.25", Digests: []string{string(d), string(id)}, Arch: "arm64"}},
		{report.Image{Name: "nginx", Reference: "docker.io/library/nginx:latest@" + string(d)}, match.Image{Repository: "docker.io/library/nginx", Tag: "latest"}},
		{report.Image{Name: "example/web:1", ID: id}, match.Image{Repository: "docker.io/example/web", Tag: "1", Digests: []string{string(id)}}},
		{report.Image{Name: "web.tar"}, match.Image{}},
		{report.Image{Name: "images/nginx"}, match.Image{}},
		{report.Image{Name: "rootfs:/srv/x"}, match.Image{}},
		{report.Image{Name: ""}, match.Image{}},
	} {
		if d := cmp.Diff(tt.want, vexImage(&tt.image)); d != "" {
			t.Errorf("%s: %s", tt.image.Name, d)
		}
	}
}
