package feed

import (
	"bytes"
	"strings"
	"testing"
)

func FuzzCSAF(f *testing.F) {
	f.Add([]byte(csafDoc("CVE-2024-1000", `{"cve":"CVE-2024-1000","product_status":{"fixed":["base8:curl-1.x86_64","app8:ruby"],"known_affected":["rhel8:node16","rhel8:curl-src"],"known_not_affected":["base8:bind"],
		"under_investigation":["eus86:libcurl"],"first_affected":["app8:bind"]},"remediations":[{"category":"no_fix_planned","details":"Out of support scope","group_ids":["g"]}],
		"threats":[{"category":"impact","details":"Low","product_ids":["rhel8:libcurl"]}],"scores":[{"cvss_v3":{"vectorString":"CVSS:3.1/AV:N"}}]}`)))
	f.Add([]byte(csafDocOf("https://www.suse.com/", "SUSE-SU-2024:1-1", `{"full_product_names":[{"product_id":"s","name":"SUSE Linux Enterprise Server 15"},{"product_id":"k","name":"kernel-default-5-1.1"}],
		"relationships":[`+csafRelation("a", "k", "s")+`,`+csafRelation("b", "a", "b")+`]}`, `{"cve":"CVE-2024-1000","product_status":{"recommended":["a","b"]}}`)))
	pubs := []*csafPublisher{&redHatVEX, &redHatErrata, &suseVEX, &suseErrata}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, pub := range pubs {
			p := pub.parse("x.json", data, nil)
			if len(p.advs) == 0 && len(p.bad) == 0 && p.skip == "" {
				t.Error("a document vanished")
			}
			for i := range p.advs {
				p.advs[i].Source = "fuzz"
				if err := sound(&p.advs[i]); err != "" {
					t.Errorf("%s: %+v", err, p.advs[i])
				}
			}
		}
	})
}

func FuzzRedHatLists(f *testing.F) {
	f.Add([]byte("\"2024/cve-2024-0001.json\",\"2024-08-12T00:00:00+00:00\"\n"), []byte(`{"data":{"a-rpms":{"cpes":["cpe:/o:x:b"]}}}`))
	f.Fuzz(func(t *testing.T, list, repositories []byte) {
		var log sinkLog
		sink := log.sink()
		if docs, err := csafRows(bytes.NewReader(list), "changes.csv", sink); err == nil {
			for _, d := range docs {
				if _, _, err := locate("https://x.example/" + d.path); err != nil || d.at.IsZero() {
					t.Errorf("%+v: %v", d, err)
				}
			}
		}
		sink.Repository = func(id string, cpes []string) error {
			if !isName(id) || len(cpes) == 0 || len(cpes) > maxCPEs {
				t.Errorf("%q: %d CPEs", id, len(cpes))
			}
			return nil
		}
		_ = readRepositories(bytes.NewReader(repositories), sink)
	})
}

func FuzzTarEntries(f *testing.F) {
	f.Add(tarball(f, map[string]string{"a.json": "x", "b.json": strings.Repeat("y", 600)}, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = readTarball(t.Context(), bytes.NewReader(data), isJSON, func(name string, data []byte, err error) int {
			if !isJSON(name) || len(data) > maxTarEntry {
				t.Errorf("%q: %d bytes", name, len(data))
			}
			return len(data)
		}, func(int) error { return nil })
	})
}
