package feed

import (
	"strings"
	"testing"
)

// TestCorpusFacts holds what feeds of archives say against what stands in their files,
// read by hand. Each fact is a part of what is said under an ID.
func TestCorpusFacts(t *testing.T) {
	facts := map[string]map[string][]string{
		"rustsec": {"RUSTSEC-2021-0081": {"RUSTSEC-2021-0081=CVE-2021-38512,GHSA-8928-2fgm-6x9x", "crates.io actix-http [0 2.2.1) [3.0.0-0 3.0.0-beta.9)"}},
		"rubysec": {"CVE-2008-7248": {"CVE-2008-7248=GHSA-8fqx-7pv4-3jwm", "RubyGems actionpack [2.1.0 2.1.3) [2.2.a 2.2.2)"}},
		"friendsofphp": {
			"CVE-2014-5245": {"Packagist symfony/http-kernel [2.0.0 2.3.19) [2.4.0 2.4.9) [2.5.0 2.5.4)", "Packagist symfony/symfony [2.0.0 2.3.19)"},
		},
		"pypa":              {"PYSEC-2024-36": {"PYSEC-2024-36=CVE-2024-0690", "PyPI ansible-core [0 2.14.4) [2.15.0 2.15.9) [2.16.0 2.16.3)"}},
		"bitnami-vulndb":    {"BIT-apache-2026-49975": {"BIT-apache-2026-49975=CVE-2026-49975", "Bitnami apache [2.4.17 2.4.68)"}},
		"rconsortium":       {"RSEC-2023-5": {"fixes CVE-2018-11364,CVE-2018-11365,CVE-2018-5698", "CRAN haven [0.1.0 1.1.1)"}},
		"haskell-hsec":      {"HSEC-2023-0009": {"HSEC-2023-0009=CVE-2017-12976", "Hackage git-annex [0 6.20170818)"}, "HSEC-2024-0003": {"Hackage process [1.0.0.0 1.6.23.0)"}},
		"ocaml-osec":        {"OSEC-2026-17": {"opam mirage-crypto-ec [0.11.3 2.4.0)"}, "OSEC-2026-05": {"opam ocaml [0 4.14.4) [5 5.5.0)"}},
		"elixir-advisories": {"GHSA-pcxq-fjp3-r752": {"Hex ash [3.6.3 3.7.0]"}},
		"nodejs-core":       {"NODEJS-CORE-24": {"NODEJS-CORE-24=CVE-2016-1669", "generic node [4 4.4.6) [5.0.0 5.12.0) [6.0.0 6.2.0)"}, "NODEJS-CORE-69": {"[15.0.0 15.2.1)"}},
		"ubuntu-osv":        {"UBUNTU-CVE-2024-51988": {"UBUNTU-CVE-2024-51988=CVE-2024-51988", "Ubuntu:22.04:LTS rabbitmq-server [0 3.9.27-0ubuntu0.1)"}},
		"ubuntu-usn":        {"USN-4011-1": {"fixes CVE-2016-10745,CVE-2019-10906", "Ubuntu:16.04:LTS jinja2 [0 2.8-1ubuntu0.1)"}, "USN-6342-1": {"Ubuntu:18.04:LTS linux (esm) [0 4.15.0-216.227)"}},
		"ubuntu-vex":        {"CVE-2025-0167": {"Ubuntu:22.04:LTS curl", "Ubuntu:20.04:LTS curl not_affected", "Ubuntu:16.04:LTS curl (esm) not_affected"}},
		"ubuntu-tracker": {
			"CVE-2020-9760":  {"Ubuntu:14.04:LTS weechat end_of_life", "Ubuntu:16.04:LTS weechat", "Ubuntu:19.10 weechat"},
			"CVE-2019-12900": {"Ubuntu:14.04:LTS bzip2 (esm) [0 1.0.6-5ubuntu0.1~esm2)", "Ubuntu:18.04:LTS bzip2 [0 1.0.6-8.1ubuntu0.2)"},
		},
		"suse-osv": {"openSUSE-SU-2016:1623-1": {"fixes CVE-2016-1704", "SUSE:Package Hub 12 chromium [0 51.0.2704.103-85.3)"}},
	}
	for feed, ids := range facts {
		t.Run(feed, func(t *testing.T) {
			t.Parallel()
			var want []string
			for id := range ids {
				want = append(want, id)
			}
			got := said(t, feed, want...)
			for id, parts := range ids {
				for _, part := range parts {
					if !strings.Contains(got[id]+" ", part) {
						t.Errorf("%s does not say %q: %.2000s", id, part, got[id])
					}
				}
			}
		})
	}
}
