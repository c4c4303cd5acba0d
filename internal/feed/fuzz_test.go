package feed

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

func FuzzOSV(f *testing.F) {
	for _, doc := range []string{
		osvDoc("GHSA-1", entry("npm", "x", fixed2, `,"versions":["1.0.0","3\u0022"]`)),
		osvDoc("GHSA-1", entry("npm", "x", `{"introduced":"0"}`, `,"database_specific":{"last_known_affected_version_range":"<= 1.2.0"}`)),
		osvDoc("RHSA-1", entry("Red Hat:enterprise_linux:7::server", "x", fixed2)+","+entry("Red Hat:enterprise_linux:7::client", "x", fixed2)),
		osvDoc("SUSE-SU-1", entry("SUSE:x", "a", fixed2, `,"ecosystem_specific":{"binaries":[{"lib":"2.1-1"}]}`)),
		osvDoc("GO-1", entry("Go", "x", `{"introduced":"0"}`, `,"ecosystem_specific":{"custom_ranges":[{"events":[{"introduced":"1.0.0"},{"fixed":"2.0.0"}]}]}`)),
		osvDoc("CVE-2024-1000", entry("Debian:12", "x", `{"introduced":"0"},{"last_affected":"1"},{"introduced":"3"},{"limit":"4"}`)),
		`{"id":"X-1","details":"` + strings.Repeat(`\u00e9\ud83d\ude00`, 200) + `","affected":[{"package":{"ecosystem":"PyPI","name":"A_b"}}]}`,
	} {
		f.Add([]byte(doc))
	}
	r := osvReader{speaks: []string{"npm", "Red Hat", "SUSE", "Go", "Debian", "PyPI", "Maven"}}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := r.parse("x.json", data, nil)
		if p.adv == nil {
			if p.bad == nil && p.skip == "" {
				t.Error("a record vanished")
			}
			return
		}
		p.adv.Source = "fuzz"
		if err := sound(p.adv); err != "" && !strings.HasPrefix(err, "no order") {
			t.Errorf("%s: %+v", err, p.adv)
		}
	})
}

func FuzzSecdb(f *testing.F) {
	f.Add([]byte(`{"distroversion":"v3.10","packages":[{"pkg":{"name":"x","secfixes":{"1-r0":["CVE-2018-1000 XSA-1","GHSA-1"],"0":["CVE-2018-2000 (no)"]}}}]}`))
	f.Add([]byte(`{"packages":[{"pkg":{"name":"x","secfixes":{"1-r0":null,"1":["CVE_2018-1000-1"]}}},{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		db := newSecdb("Alpine", "https://security.alpinelinux.org/vuln/")
		var log sinkLog
		if err := db.file(bytes.NewReader(data), "v3.10", "main", log.sink()); err != nil {
			return
		}
		if err := db.emit(log.sink()); err != nil {
			t.Fatal(err)
		}
		for i := range log.advisories {
			log.advisories[i].Source = "fuzz"
			if err := sound(&log.advisories[i]); err != "" {
				t.Errorf("%s: %+v", err, log.advisories[i])
			}
		}
	})
}

func FuzzTracker(f *testing.F) {
	f.Add([]byte(`{"x":{"CVE-2024-1000":{"description":"A.","releases":{"bookworm":{"status":"resolved","fixed_version":"1","urgency":"low"},"sid":{"status":"open","nodsa":null}}}}}`))
	f.Add([]byte(`{"x":{"TEMP-1":{"releases":{"trixie":{"status":"undetermined","urgency":"end-of-life"}}}},"x":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var log sinkLog
		if err := readTracker(t.Context(), bytes.NewReader(data), log.sink()); err != nil {
			return
		}
		for i := range log.advisories {
			log.advisories[i].Source = "fuzz"
			if err := sound(&log.advisories[i]); err != "" {
				t.Errorf("%s: %+v", err, log.advisories[i])
			}
		}
	})
}

func FuzzOVAL(f *testing.F) {
	f.Add([]byte(ovalDoc(`<definition id="d"><metadata><reference ref_id="CVE-2024-1000" source="CVE"/></metadata><criteria><criterion test_ref="t"/></criteria></definition>`,
		`<rpminfo_test id="t"><object object_ref="o"/><state state_ref="s"/></rpminfo_test>`, `<rpminfo_object id="o"><name>x</name></rpminfo_object>`,
		`<rpminfo_state id="s"><evr operation="less than">1-1</evr></rpminfo_state>`)))
	f.Add([]byte(updateinfo))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func(Sink) error{
			func(s Sink) error {
				return readOVAL(t.Context(), bytes.NewReader(data), azureDialect("Azure Linux:3"), s)
			},
			func(s Sink) error { return readUpdateinfo(bytes.NewReader(data), "2", "", s) },
		} {
			var log sinkLog
			if err := read(log.sink()); err != nil {
				continue
			}
			for i := range log.advisories {
				log.advisories[i].Source = "fuzz"
				if err := sound(&log.advisories[i]); err != "" {
					t.Errorf("%s: %+v", err, log.advisories[i])
				}
			}
		}
	})
}

func FuzzOVALDialects(f *testing.F) {
	f.Add([]byte(ovalOf("inv", and(ref("family")), "d", and(ref("@inv", "@e")+or(ref("ol8", "rhel8"))+or(and(ref("x86", "node", "a2", "key"))+and(ref("aZ", "!b3"))+ref("cd3", "a0", "aIn"))), "e", or(ref("uname", "boot", "must")))))
	f.Add([]byte(ubuntuDoc("was vulnerable but has been fixed (note: '1.2-1ubuntu0.1~esm1').", "is affected and needs fixing.")))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, how := range []*ovalDialect{
			testDialect(), redHatDialect("8"), suseDialect("x"), almaDialect("9"), photonDialect("3"), ubuntuDialect("22.04"), debianDialect("bullseye"),
		} {
			var log sinkLog
			if err := readOVAL(t.Context(), bytes.NewReader(data), how, log.sink()); err != nil {
				continue
			}
			for i := range log.advisories {
				log.advisories[i].Source = "fuzz"
				if err := sound(&log.advisories[i]); err != "" {
					t.Errorf("%s: %+v", err, log.advisories[i])
				}
			}
		}
	})
}

// FuzzOVALCriteria makes criteria of the bytes, which are nested and refer to tests of
// each kind.
func FuzzOVALCriteria(f *testing.F) {
	f.Add([]byte{0, 2, 50, 1, 8, 51, 8, 12, 52, 52, 9})
	f.Add([]byte{1, 60, 50, 19, 20, 52, 0, 51, 40, 41, 3, 52, 33})
	names := []string{
		"must", "rhel8", "ol8", "tumbling", "x86", "arm", "key", "a2", "a2le", "a1ge", "a1gt", "a1eq", "a0", "aAny", "aBelow0", "aIn", "aOut", "aArches", "aZ", "aX",
		"aBad", "aTwo", "aOr", "aVar", "aVars", "aSome", "aSet", "b3", "cd3", "noState", "noObject", "noName", "node", "noModule", "boot", "passwd", "uname", "all",
		"family", "variable", "none", "@inv", "@d", "@e",
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b strings.Builder
		open := 0
		for _, c := range data {
			switch n := int(c & 0x7f); {
			case n < len(names) && c < 0x80:
				b.WriteString(ref(names[n]))
			case n < len(names):
				b.WriteString(ref("!" + names[n]))
			case open > 0 && n%4 == 0:
				b.WriteString(`</criteria>`)
				open--
			default:
				b.WriteString([]string{`<criteria negate="true">`, `<criteria operator="AND">`, `<criteria operator="OR">`, `<criteria operator="OR" negate="true">`}[n%4])
				open++
			}
		}
		doc := ovalOf("inv", and(ref("family")), "d", and(ref("ol8")+b.String()+strings.Repeat(`</criteria>`, open)), "e", or(ref("a2", "@d")))
		var log sinkLog
		if err := readOVAL(t.Context(), strings.NewReader(doc), testDialect(), log.sink()); err != nil {
			t.Fatal(err)
		}
		if len(log.advisories)+len(log.quarantined)+len(log.skipped) == 0 {
			t.Error("the definitions vanished")
		}
		for i := range log.advisories {
			log.advisories[i].Source = "fuzz"
			if err := sound(&log.advisories[i]); err != "" {
				t.Errorf("%s: %+v", err, log.advisories[i])
			}
		}
	})
}

func FuzzEnrichment(f *testing.F) {
	f.Add([]byte("#score_date:2025-08-25\ncve,epss,percentile\nCVE-1999-0001,0.1,0.2\n"))
	f.Add([]byte(`{"vulnerabilities":[{"cveID":"CVE-2025-1000","dateAdded":"2025-08-25"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var log sinkLog
		_ = readEPSS(bytes.NewReader(data), log.sink())
		_ = readKEV(bytes.NewReader(data), log.sink())
		for id, e := range log.enriched {
			if cveOf(id) != id || e.EPSS == nil && e.Exploited == nil {
				t.Errorf("%q: %+v", id, e)
			}
		}
	})
}

func FuzzNVD(f *testing.F) {
	f.Add([]byte(nvdDoc("2025-03-01T00:00:00.123", nvdRec("CVE-2024-1000", nvdConfigs(`{"nodes":[`+nvdNodeOf(cpe("redis:redis:*:*", "*", `"versionStartExcluding":"6.0","versionEndExcluding":"7.0.1"`),
		cpe("python:python:3.12.0:beta4", "-", ""), cpe("oracle:openjdk:8:update362", "*", ""))+`]}`)))))
	f.Add([]byte(nvdDoc("x", nvdRec("CVE-2024-2000", `,"vulnStatus":"Rejected"`), nvdRec("CVE-2024-3000", `,"descriptions":[{"lang":"en","value":"x"}],"metrics":{"cvssMetricV2":[{"source":"s","cvssData":{"vectorString":"AV:N/X:ND"}}],
		"ssvcV203":[{"source":"134c704f-9b21-4f2e-91b3-4a467353bcc0","ssvcData":{"options":[{"exploitation":"none"},{"automatable":"yes"},{"technicalImpact":"total"}]}}]}`))))
	f.Fuzz(func(t *testing.T, data []byte) {
		var log sinkLog
		r := nvdReader{seen: map[string]struct{}{}}
		_ = r.document(t.Context(), bytes.NewReader(data), "doc", log.sink())
		for id, e := range log.enriched {
			checkEnrichment(t, id, e)
		}
		for i := range log.advisories {
			log.advisories[i].Source = "fuzz"
			if err := sound(&log.advisories[i]); err != "" {
				t.Errorf("%s: %+v", err, log.advisories[i])
			}
		}
	})
}

func FuzzCVERecord(f *testing.F) {
	f.Add([]byte(cveRec("CVE-2024-1000", "PUBLISHED", `"cna":{"title":"A","metrics":[{"cvssV3_1":{"vectorString":"CVSS:3.1/AV:N"}},{"other":{"content":{"text":"low"}}}]},`+cveADP)))
	f.Add([]byte(cveRec("CVE-2024-2000", "REJECTED", `"cna":{}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if rec, err := parseCVE(data); err == nil {
			checkEnrichment(t, rec.Meta.ID, rec.enrichment())
		}
	})
}

func FuzzEachFile(f *testing.F) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: "CVE-2024-1000.json", Size: 2, Typeflag: tar.TypeReg}); err != nil {
		f.Fatal(err)
	}
	_, _ = w.Write([]byte("{}"))
	w.Close()
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		var z bytes.Buffer
		w, _ := gzip.NewWriterLevel(&z, gzip.NoCompression)
		_, _ = w.Write(data)
		w.Close()
		_ = eachFile(t.Context(), &z, isCVEFile, func(name string, body []byte, err error) error {
			if err == nil && len(body) > len(data) && len(body) > 1<<20 {
				t.Errorf("%q: %d bytes of %d", name, len(body), len(data))
			}
			return nil
		})
	})
}

func FuzzEndOfLife(f *testing.F) {
	f.Add([]byte(`[{"cycle":"13","eol":"2028-08-09","extendedSupport":"2030-06-30","latestReleaseDate":"2026-07-11"},{"cycle":"1","eol":true},{"cycle":"2","eol":false}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, free := range []bool{true, false} {
			var log sinkLog
			_ = readEndOfLife(data, "x", free, log.sink())
			for key, e := range log.lives {
				if !strings.HasPrefix(key, "x ") || e.End != "" && parseTime(e.End).IsZero() || e.Extended != "" && e.Extended <= e.End {
					t.Errorf("%q: %+v", key, e)
				}
			}
		}
	})
}

// checkEnrichment says what is wrong with one that a feed handed on.
func checkEnrichment(t *testing.T, id string, e advisory.Enrichment) {
	t.Helper()
	if cveOf(id) != id || len(e.Summary) > maxSummary || e.Summary != oneLine(e.Summary) || len(e.CVSS) > 16 || e.SSVC != nil && !e.SSVC.Valid() {
		t.Errorf("%q: %+v", id, e)
	}
	for _, c := range e.CVSS {
		if !isName(c.Vector) || !isName(c.Source) || len(c.Vector) > 256 {
			t.Errorf("%q: %+v", id, c)
		}
	}
}

func FuzzErrata(f *testing.F) {
	f.Add([]byte(almaDoc))
	f.Add([]byte(rockyPages))
	f.Add([]byte(archDoc))
	f.Add([]byte(photonDoc))
	f.Add([]byte(`{"curl":{"CVE-2024-1000":{"fixed_version":"1:8-1"},"CVE-2024-2000":{"fixed_version":"0"},"TEMP-1":{}}}`))
	f.Add([]byte(`{"packages":[{"pkg":{"name":"app","secfixes":{"1-r0":["CVE-2024-1000","GHSA-1"],"0":["CVE-2024-2000"]}}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for i, read := range []func(Sink) error{
			func(s Sink) error { return readAlma(t.Context(), bytes.NewReader(data), "9", s) },
			func(s Sink) error {
				_, err := readRocky(data, 1, map[string]struct{}{}, s)
				return err
			},
			func(s Sink) error { return readArch(bytes.NewReader(data), s) },
			func(s Sink) error { return readEcho(bytes.NewReader(data), s) },
			func(s Sink) error {
				flaws := map[string]*advisory.Advisory{}
				err := readPhoton(bytes.NewReader(data), "5.0", flaws, s)
				for _, a := range flaws {
					_ = s.Advisory(*a)
				}
				return err
			},
			func(s Sink) error {
				db := newSecdb("Wolfi", "")
				if err := db.file(bytes.NewReader(data), "", "Wolfi", s); err != nil {
					return err
				}
				return db.emit(s)
			},
		} {
			var log sinkLog
			_ = read(log.sink())
			for j := range log.advisories {
				log.advisories[j].Source = "fuzz"
				if err := sound(&log.advisories[j]); err != "" {
					t.Errorf("reader %d: %s: %+v", i, err, log.advisories[j])
				}
			}
		}
	})
}
