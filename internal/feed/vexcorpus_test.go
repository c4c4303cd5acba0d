package feed

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

// TestCorpusVEX reads documents of publishers as a user would name them, and counts
// statements, products and the components in them that have no identifier.
func TestCorpusVEX(t *testing.T) {
	dir := filepath.Join(imagetest.Corpus(t), "feeds")
	type counts struct{ statements, products, unnamed int }
	for path, want := range map[string]counts{
		"security.access.redhat.com/data/csaf/v2/vex/2022/cve-2022-38752.json":        {5, 2416, 31},
		"security.access.redhat.com/data/csaf/v2/vex/2023/cve-2023-38545.json":        {2, 572, 0},
		"security.access.redhat.com/data/csaf/v2/vex/2023/cve-2023-4154.json":         {1, 165, 0},
		"security.access.redhat.com/data/csaf/v2/vex/2023/cve-2023-6212.json":         {2, 333, 0},
		"security.access.redhat.com/data/csaf/v2/advisories/2024/rhsa-2024_0811.json": {3, 495, 0},
		"security-metadata.canonical.com/vex/cve/2016/CVE-2016-20013.json":            {2, 3790, 0},
		"security-metadata.canonical.com/vex/cve/2023/CVE-2023-38545.json":            {3, 618, 0},
	} {
		f, err := os.Open(filepath.Join(dir, filepath.FromSlash(path)))
		if err != nil {
			t.Fatal(err)
		}
		var got counts
		byStatus := map[advisory.Status]int{}
		err = ReadVEX(f, func(s advisory.Statement) error {
			if err := soundStatement(&s); err != "" {
				t.Errorf("%s: %s", path, err)
			}
			got.statements++
			got.products += len(s.Products)
			byStatus[s.Status] += len(s.Products)
			for _, p := range s.Products {
				if p.Name != "" {
					got.unnamed++
				}
				for _, c := range p.Subcomponents {
					if c.Name != "" {
						got.unnamed++
					}
				}
			}
			return nil
		}, nil)
		f.Close()
		if err != nil || got != want {
			t.Errorf("%s: %+v, want %+v, %v, %v", path, got, want, byStatus, err)
		}
	}
}
