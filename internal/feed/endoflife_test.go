package feed

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

func TestEndOfLife(t *testing.T) {
	debian := `[{"cycle":"13","eol":"2028-08-09","extendedSupport":"2030-06-30","latestReleaseDate":"2026-07-11"},{"cycle":"5","eol":"2012-02-06","extendedSupport":"2012-02-06","latestReleaseDate":"2012-03-10"}]`
	ubuntu := `[{"cycle":"22.04","lts":true,"support":"2024-09-30","eol":"2027-04-01","extendedSupport":"2032-04-09","latestReleaseDate":"2025-01-01"}]`
	node := `[{"cycle":"26","eol":false,"extendedSupport":true},{"cycle":"3","eol":true},{"cycle":"4","eol":"soon"},{"cycle":7,"eol":false},"x",{"cycle":"6","eol":"2019-04-30","extendedSupport":false}]`
	api := "endoflife.date/api/"
	var log sinkLog
	r := run(t.Context(), folder(t, map[string]string{api + "debian.json": debian, api + "ubuntu.json": ubuntu, api + "nodejs.json": node, api + "all.json": "[]"}), endOfLifeFeed(), log.sink())
	if r.Err != nil || r.Missing || r.Newest.Format("2006-01-02") != "2026-07-11" || r.Enrichments != 5 {
		t.Errorf("%+v", r)
	}
	want := map[string]advisory.Lifecycle{
		"debian 13":    {End: "2030-06-30"}, // long-term support is free
		"debian 5":     {End: "2012-02-06"},
		"ubuntu 22.04": {End: "2027-04-01", Extended: "2032-04-09"},
		"node 26":      {},
		"node 6":       {End: "2019-04-30"},
	}
	if d := cmp.Diff(want, log.lives); d != "" {
		t.Error(d)
	}
	if want := []string{"node 3: ended on a date that is not known"}; !slices.Equal(log.skipped, want) {
		t.Errorf("skipped %q", log.skipped)
	}
	// Besides those that cannot be read, every product that is not there is told of.
	if want := len(endOfLifeProducts) - 3 + 3; len(log.quarantined) != want {
		t.Errorf("quarantined %d, want %d: %q", len(log.quarantined), want, log.quarantined)
	}
	for _, bad := range []string{"", "<html>", "{}", "[]", `[{"cycle":"1"`, strings.Repeat("[", 1<<16)} {
		if r := run(t.Context(), folder(t, map[string]string{api + "debian.json": bad}), endOfLifeFeed(), Sink{}); r.Err == nil || r.Missing {
			t.Errorf("%.20q: %+v", bad, r)
		}
	}
}

// TestCorpusEndOfLife: the dates of releases that everybody knows.
func TestCorpusEndOfLife(t *testing.T) {
	var log sinkLog
	if r := run(t.Context(), corpus(t), endOfLifeFeed(), log.sink()); r.Err != nil {
		t.Fatal(r.Err)
	}
	for key, want := range map[string]advisory.Lifecycle{
		"debian 11": {End: "2026-08-31"}, "debian 12": {End: "2028-06-30"}, "alpine 3.18": {End: "2025-05-09"},
		"ubuntu 20.04": {End: "2025-05-31", Extended: "2030-04-02"}, "rhel 7": {End: "2024-06-30", Extended: "2029-05-31"},
		"sles 15.5": {End: "2024-12-31", Extended: "2027-12-31"}, "centos 8": {End: "2021-12-31"}, "photon 5.0": {},
		"opensuse-leap 15.5": {End: "2024-12-31"}, "python 3.8": {End: "2024-10-07"}, "openssl 1.1.1": {End: "2023-09-11"}, "java 8": {End: "2030-12-31"},
	} {
		if got, ok := log.lives[key]; !ok || got != want {
			t.Errorf("%s: %+v %v, want %+v", key, got, ok, want)
		}
	}
}
