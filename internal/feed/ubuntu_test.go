package feed

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// TestUbuntuSamples reads the records of Ubuntu's export that are in the corpus.
func TestUbuntuSamples(t *testing.T) {
	o := corpus(t)
	for path, want := range map[string]struct {
		skip      string
		alias     string
		ecosystem string
	}{
		"2013/UBUNTU-CVE-2013-2208":  {skip: "withdrawn"},
		"2016/UBUNTU-CVE-2016-20013": {alias: "CVE-2016-20013", ecosystem: "Ubuntu:22.04:LTS"},
		"2020/UBUNTU-CVE-2020-36325": {skip: "withdrawn"},
		"2021/UBUNTU-CVE-2021-3782":  {alias: "CVE-2021-3782", ecosystem: "Ubuntu:22.04:LTS"},
	} {
		b, err := o.Open(t.Context(), "https://security-metadata.canonical.com/osv/cve/"+path+".json")
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(b)
		b.Close()
		if err != nil {
			t.Fatal(err)
		}
		p := osvReader{speaks: []string{"Ubuntu"}}.parse(path+".json", data, nil)
		if p.bad != nil || p.skip != want.skip || (p.adv == nil) != (want.skip != "") {
			t.Errorf("%s: skip %q, bad %v", path, p.skip, p.bad)
			continue
		}
		if p.adv == nil {
			continue
		}
		if !slices.Contains(p.adv.Aliases, want.alias) || p.adv.Related != nil {
			t.Errorf("%s: aliases %q, related %q", path, p.adv.Aliases, p.adv.Related)
		}
		found := false
		for _, af := range p.adv.Affected {
			found = found || af.Ecosystem == want.ecosystem
			if !strings.HasPrefix(af.Ecosystem, "Ubuntu:") {
				t.Errorf("%s speaks for %s", path, af.Ecosystem)
			}
		}
		if !found {
			t.Errorf("%s does not speak for %s", path, want.ecosystem)
		}
	}
}
