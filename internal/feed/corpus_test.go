package feed

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/version"
)

func corpus(t testing.TB) *Origin {
	t.Helper()
	o, err := NewOrigin(filepath.Join(imagetest.Corpus(t), "feeds"))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestCorpus reads every feed of the corpus and states what comes of it. Records,
// skipped and quarantined records add up to what is in the archives: 43,945 for
// Debian, 4,291 for Go.
func TestCorpus(t *testing.T) {
	type counts struct{ records, statements, enrichments, skipped, quarantined int } // statements: of advisories, or of VEX
	want := map[string]counts{
		"alpine-secdb":         {7702, 84954, 0, 0, 38},
		"debian-tracker":       {33844, 100051, 0, 0, 0},
		"go-vulndb":            {4274, 6093, 0, 17, 0},
		"cisa-kev":             {0, 0, 1404, 0, 0},
		"epss":                 {0, 0, 29, 0, 0},
		"osv-almalinux":        {4440, 59899, 0, 1197, 0},
		"osv-bitnami":          {7443, 7443, 0, 0, 1},
		"osv-debian":           {43945, 111922, 0, 0, 0},
		"osv-go":               {4274, 6093, 0, 17, 0},
		"osv-hex":              {101, 105, 0, 50, 0},
		"osv-maven":            {5305, 8510, 0, 0, 0},
		"osv-npm":              {3792, 4655, 0, 0, 0},
		"osv-nuget":            {685, 2445, 0, 0, 0},
		"osv-packagist":        {4344, 8353, 0, 0, 5},
		"osv-pypi":             {6110, 10744, 0, 10, 8},
		"osv-red-hat":          {15175, 296569, 0, 0, 0},
		"osv-rocky-linux":      {1491, 5474, 0, 0, 0},
		"osv-suse":             {22025, 442887, 0, 1163, 0},
		"amazon-linux-2018.03": {1811, 17420, 0, 0, 0},
		"amazon-linux-2":       {1762, 16571, 0, 0, 0},
		"amazon-linux-2022":    {277, 3830, 0, 0, 0},
		"amazon-linux-2023":    {854, 9556, 0, 0, 0},
		"mariner-1.0":          {2149, 2252, 0, 0, 0},
		"mariner-2.0":          {2185, 2436, 0, 0, 0},
		"azure-linux-3":        {1005, 1222, 0, 0, 0},
		"red-hat-oval-9":       {4, 7, 0, 0, 0},
		"oracle-linux-oval":    {2, 9, 0, 0, 0},
		"suse-oval":            {3, 33, 0, 2, 6}, // samples that are cut within their tests
		"opensuse-oval":        {5, 17, 0, 1, 0},
		"almalinux-oval-9":     {2, 9, 0, 0, 0},
		"photon-oval-1.0":      {1, 2, 0, 0, 0},
		"photon-oval-3.0":      {222, 778, 0, 0, 0},
		"photon-oval-5.0":      {1, 2, 0, 0, 0},
		"ubuntu-oval-22.04":    {1, 2, 0, 0, 0},
		"debian-oval":          {3, 3, 0, 1, 0},
		// Nine flaws, two of them twice; of 22 years there is no file.
		"nvd":               {0, 0, 7, 2, 22},
		"cve-list":          {0, 0, 4, 0, 0},
		"cisa-vulnrichment": {0, 0, 10189, 17, 0},
		"endoflife":         {0, 0, 499, 3, 0},

		// Short samples of Red Hat and SUSE: four documents that are listed are not there.
		"redhat-csaf-vex":        {4, 273, 0, 1, 1},
		"redhat-csaf-advisories": {4, 176, 0, 1, 2},
		"redhat-repositories":    {0, 0, 3027, 5537, 0},
		"suse-csaf-vex":          {1, 1185, 0, 1, 0},
		"suse-csaf":              {3, 163, 0, 0, 0},
		"vex-hub-aquasecurity":   {0, 15302, 0, 21, 0},
		"vex-hub-rancher":        {0, 215602, 0, 81042, 16}, // on modules of no version it is not heard
		"pypa":                   {2649, 2649, 0, 10, 2},
		"bitnami-vulndb":         {7443, 7443, 0, 0, 1},
		"rconsortium":            {14, 14, 0, 0, 0},
		"suse-osv":               {3, 231, 0, 1, 0},
		"ubuntu-osv":             {2, 7, 0, 1, 0},
		"ubuntu-tracker":         {24396, 244974, 0, 8534, 4},
		"ubuntu-vex":             {1, 7, 0, 1, 0},
		"ubuntu-usn":             {3, 14, 0, 0, 0},
		"debian-advisories":      {8308, 9509, 0, 2027, 0},
		"rustsec":                {928, 928, 0, 277, 0},
		"rubysec":                {1232, 1232, 0, 2, 0},
		"friendsofphp":           {1592, 1592, 0, 0, 0},
		"haskell-hsec":           {35, 44, 0, 0, 0},
		"ocaml-osec":             {26, 26, 0, 0, 0},
		"elixir-advisories":      {108, 108, 0, 0, 0},
		"nodejs-core":            {162, 162, 0, 9, 0},
		"minimos-secdb":          {20, 20, 0, 0, 0},
		"almalinux-errata":       {1, 7, 0, 1, 2},
		"rocky-apollo":           {1, 2, 0, 1, 0},
		"photon-cve":             {6, 10, 0, 0, 1},
		"arch-linux":             {2, 2, 0, 0, 0},
		"echo":                   {3, 4, 0, 0, 0},
	}
	var mu sync.Mutex
	statements := map[string]int{}
	results := Run(t.Context(), corpus(t), All(), func(f Feed) Sink {
		n := 0
		return Sink{
			Advisory: func(a advisory.Advisory) error {
				if err := sound(&a); err != "" {
					t.Errorf("%s %s: %s", f.Name, a.ID, err)
				}
				n += len(a.Affected)
				mu.Lock()
				statements[f.Name] = n
				mu.Unlock()
				return nil
			},
			Statement: func(s advisory.Statement) error {
				if err := soundStatement(&s); err != "" || s.Source != f.Name {
					t.Errorf("%s %s: %s", f.Name, s.Flaw, err)
				}
				return nil
			},
			Quarantine: func(record string, err error) { t.Logf("%s: quarantined %s: %v", f.Name, record, err) },
		}
	})
	for _, r := range results {
		if r.Err != nil {
			t.Error(r.Err)
			continue
		}
		w, there := want[r.Name]
		if r.Missing == there {
			t.Errorf("%s: missing %v", r.Name, r.Missing)
		}
		if got := (counts{r.Records, statements[r.Name] + r.Statements, r.Enrichments, r.Skipped, r.Quarantined}); got != w {
			t.Errorf("%s: %+v, want %+v", r.Name, got, w)
		}
		for _, e := range r.Ecosystems {
			if strings.HasPrefix(e, "Alpine") && r.Name != "alpine-secdb" {
				t.Errorf("%s speaks for %s", r.Name, e)
			}
		}
		if there && r.Newest.IsZero() {
			t.Errorf("%s bears no date", r.Name)
		}
	}
}

// sound says what is wrong with an advisory that a feed handed on.
func sound(a *advisory.Advisory) string {
	switch {
	case a.Source == "" || !isName(a.ID) || len(a.Affected) == 0:
		return "not complete"
	case len(a.Summary) > maxSummary || a.Summary != oneLine(a.Summary):
		return "its summary is not one line"
	case !slices.IsSorted(a.Aliases) || !slices.IsSorted(a.Related) || slices.Contains(a.Aliases, a.ID):
		return "its names are not in order"
	case !a.Withdrawn.IsZero():
		return "withdrawn"
	}
	for i := range a.Affected {
		af := &a.Affected[i]
		scheme, ok := version.For(af.Ecosystem)
		if !ok || !isName(af.Package) {
			return "no order of versions for " + af.Ecosystem
		}
		for j, iv := range af.Ranges {
			for _, v := range []string{iv.Introduced, iv.Fixed, iv.LastAffected} {
				if v != "" && v != "0" && scheme.Valid(v) != nil {
					return "a version cannot be read: " + v
				}
			}
			if iv.Fixed != "" && iv.LastAffected != "" {
				return "an interval ends twice"
			}
			if j > 0 {
				if c, err := scheme.Compare(af.Ranges[j-1].Introduced, iv.Introduced); err == nil && c > 0 && af.Ranges[j-1].Introduced != "0" {
					return "intervals are not in order"
				}
			}
		}
	}
	return ""
}

// TestCorpusSecdb counts the fixes in Alpine's database.
func TestCorpusSecdb(t *testing.T) {
	o := corpus(t)
	db := newSecdb("Alpine", "https://security.alpinelinux.org/vuln/")
	for _, release := range []string{
		"edge", "v3.2", "v3.3", "v3.4", "v3.5", "v3.6", "v3.7", "v3.8", "v3.9", "v3.10", "v3.11", "v3.12", "v3.13", "v3.14",
		"v3.15", "v3.16", "v3.17", "v3.18", "v3.19", "v3.20", "v3.21",
	} {
		for _, repo := range []string{"main", "community"} {
			b, err := o.Open(t.Context(), secdbURL+release+"/"+repo+".json")
			if err != nil && release == "v3.2" {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := db.file(b, release, repo, (&sinkLog{}).sink()); err != nil {
				t.Fatal(err)
			}
			b.Close()
		}
	}
	if db.entries != 85277 {
		t.Errorf("%d fixes, want 85277", db.entries)
	}
}

// BenchmarkCorpus reads every feed of the corpus, some 700 MB.
func BenchmarkCorpus(b *testing.B) {
	o := corpus(b)
	for b.Loop() {
		for _, r := range Run(b.Context(), o, All(), func(Feed) Sink { return Sink{} }) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}
}
