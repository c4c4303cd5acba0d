package feed

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

// csafDoc makes a document of Red Hat's on products of the tree below.
func csafDoc(id string, vulnerabilities ...string) string {
	return csafDocOf("https://www.redhat.com", id, csafTestTree, vulnerabilities...)
}

func csafDocOf(namespace, id, tree string, vulnerabilities ...string) string {
	return fmt.Sprintf(`{"document":{"category":"csaf_vex","csaf_version":"2.0","title":"a title","publisher":{"namespace":%q},
		"aggregate_severity":{"text":"Important"},"tracking":{"id":%q,"initial_release_date":"2024-01-01T00:00:00Z","current_release_date":"2024-02-01T00:00:00+00:00"}},
		"product_tree":%s,"vulnerabilities":[%s]}`, namespace, id, tree, strings.Join(vulnerabilities, ","))
}

// csafReleases are releases and csafPackages packages; those are components of all of
// the former, by "RELEASE:PACKAGE".
var (
	csafReleases = map[string]string{
		"rhel8": "cpe:/o:redhat:enterprise_linux:8", "base8": "cpe:/o:redhat:enterprise_linux:8::baseos",
		"app8": "cpe:/a:redhat:enterprise_linux:8::appstream", "eus86": "cpe:/o:redhat:rhel_eus:8.6::baseos", "none": "",
	}
	csafPackages = map[string]string{
		"curl-src": "pkg:rpm/redhat/curl?arch=src", "libcurl": "pkg:rpm/redhat/libcurl",
		"curl-1.x86_64":      "pkg:rpm/redhat/curl@7.61.1-30.el8?arch=x86_64",
		"curl-1.aarch64":     "pkg:rpm/redhat/curl@7.61.1-30.el8?arch=aarch64",
		"curl-1.src":         "pkg:rpm/redhat/curl@7.61.1-30.el8?arch=src",
		"curl-2.s390x":       "pkg:rpm/redhat/curl@7.61.1-31.el8?arch=s390x",
		"curl-debuginfo-1.x": "pkg:rpm/redhat/curl-debuginfo@7.61.1-30.el8?arch=x86_64",
		"bind":               "pkg:rpm/redhat/bind@9.11-1.el8?arch=x86_64&epoch=32",
		"python.src":         "pkg:rpm/redhat/python3@3.6-1.el8?arch=src",
		"ruby":               "pkg:rpm/redhat/ruby@2.7.8-1.module%2Bel8.8.0%2B1%2Ba?arch=x86_64&rpmmod=ruby:2.7:8080020:63b34585",
		"node16":             "pkg:rpmmod/redhat/nodejs:16/nodejs",
		"node18":             "pkg:rpm/redhat/nodejs?arch=src&rpmmod=nodejs:18",
		"image":              "pkg:oci/ubi8", "maven": "pkg:maven/org.x/y@1", "jar": "",
		"bad": "pkg:rpm/redhat/bad@-?arch=x86_64",
	}
	csafTestTree = func() string {
		var products, relations []string
		for _, id := range slices.Sorted(maps.Keys(csafReleases)) {
			products = append(products, fmt.Sprintf(`{"category":"product_name","name":%q,"product":{"name":%q,"product_id":%q,"product_identification_helper":{"cpe":%q}}}`, id, id, id, csafReleases[id]))
			for _, pkg := range slices.Sorted(maps.Keys(csafPackages)) {
				relations = append(relations, csafRelation(id+":"+pkg, pkg, id))
			}
		}
		for _, id := range slices.Sorted(maps.Keys(csafPackages)) {
			products = append(products, fmt.Sprintf(`{"category":"product_version","name":%q,"product":{"name":%q,"product_id":%q,"product_identification_helper":{"purl":%q}}}`, id, id, id, csafPackages[id]))
		}
		// A module between package and release, and a component of itself.
		products = append(products, `{"category":"product_version","product":{"name":"m","product_id":"perl-module","product_identification_helper":{"purl":"pkg:rpmmod/redhat/perl@5.30:8060:ad"}}}`,
			`{"category":"product_version","product":{"name":"p","product_id":"perl","product_identification_helper":{"purl":"pkg:rpm/redhat/perl@5.30-1.module+el8?arch=x86_64"}}}`)
		relations = append(relations, csafRelation("app8:perl-module", "perl-module", "app8"), csafRelation("app8:perl-module:perl", "perl", "app8:perl-module"),
			csafRelation("loop", "loop", "loop"), csafRelation("lost", "nothing", "rhel8"))
		return `{"branches":[{"category":"vendor","name":"x","branches":[` + strings.Join(products, ",") + `]}],"relationships":[` + strings.Join(relations, ",") +
			`],"product_groups":[{"group_id":"g","product_ids":["rhel8:curl-src","rhel8:libcurl"]}]}`
	}()
)

func csafRelation(id, component, of string) string {
	return fmt.Sprintf(`{"category":"default_component_of","full_product_name":{"name":"n","product_id":%q},"product_reference":%q,"relates_to_product_reference":%q}`, id, component, of)
}

// said gives the statements of advisories in short.
func csafSaid(p csafParsed) (out []string) {
	for _, a := range p.advs {
		for _, af := range a.Affected {
			s := a.ID + " " + af.Ecosystem + "|" + af.Package + " " + af.State.String()
			for _, iv := range af.Ranges {
				if iv.Introduced != "0" {
					s += " " + iv.Introduced
				}
				s += " <" + iv.Fixed
				if iv.LastAffected != "" {
					s += "=" + iv.LastAffected
				}
			}
			for _, x := range []struct{ k, v string }{{" arch:", af.Arch}, {" module:", af.Module}, {" stream:", af.Stream}} {
				if x.v != "" {
					s += x.k + x.v
				}
			}
			if af.Severity != advisory.SeverityUnknown {
				s += " " + af.Severity.String()
			}
			out = append(out, s)
		}
	}
	return out
}

func TestCSAF(t *testing.T) {
	flaw := func(rest string) string { return csafDoc("CVE-2024-1000", `{"cve":"CVE-2024-1000",`+rest+`}`) }
	status := func(word string, ids ...string) string {
		b, _ := json.Marshal(map[string][]string{word: ids})
		return `"product_status":` + string(b)
	}
	tests := []struct {
		name, doc string
		want      []string
		skip, bad string
	}{
		{name: "fixed in binaries, processors and repositories joined", doc: flaw(status("fixed", "base8:curl-1.x86_64", "base8:curl-1.aarch64", "base8:curl-1.src", "app8:curl-1.x86_64", "base8:curl-debuginfo-1.x")),
			want: []string{"CVE-2024-1000 Red Hat:8|curl affected <7.61.1-30.el8 stream:enterprise_linux:8::appstream,baseos"}},
		{name: "different versions for different processors", doc: flaw(status("fixed", "base8:curl-1.x86_64", "base8:curl-2.s390x")),
			want: []string{"CVE-2024-1000 Red Hat:8|curl affected <7.61.1-31.el8 arch:s390x stream:enterprise_linux:8::baseos", "CVE-2024-1000 Red Hat:8|curl affected <7.61.1-30.el8 arch:x86_64 stream:enterprise_linux:8::baseos"}},
		{name: "one processor in two releases of the package", doc: flaw(status("fixed", "base8:curl-1.x86_64", "base8:curl-1.aarch64", "base8:curl-2.s390x") + `,` + `"x":1`),
			want: []string{"CVE-2024-1000 Red Hat:8|curl affected <7.61.1-30.el8 arch:aarch64 stream:enterprise_linux:8::baseos", "CVE-2024-1000 Red Hat:8|curl affected <7.61.1-31.el8 arch:s390x stream:enterprise_linux:8::baseos", "CVE-2024-1000 Red Hat:8|curl affected <7.61.1-30.el8 arch:x86_64 stream:enterprise_linux:8::baseos"}},
		{name: "a fix that names its source alone", doc: flaw(status("fixed", "base8:python.src", "base8:curl-1.x86_64")),
			want: []string{"CVE-2024-1000 Red Hat:8|curl affected <7.61.1-30.el8 stream:enterprise_linux:8::baseos", "CVE-2024-1000 Red Hat:8|python3 affected <3.6-1.el8 arch:src stream:enterprise_linux:8::baseos"}},
		{name: "epoch", doc: flaw(status("fixed", "base8:bind")), want: []string{"CVE-2024-1000 Red Hat:8|bind affected <32:9.11-1.el8 stream:enterprise_linux:8::baseos"}},
		{name: "extended support is an ecosystem of its own", doc: flaw(status("fixed", "eus86:bind")), want: []string{"CVE-2024-1000 Red Hat:rhel_eus:8.6|bind affected <32:9.11-1.el8 stream:rhel_eus:8.6::baseos"}},
		{name: "modules", doc: flaw(`"product_status":{"fixed":["app8:ruby","app8:perl-module:perl"],"known_affected":["rhel8:node16","rhel8:node18"]}`),
			want: []string{"CVE-2024-1000 Red Hat:8|nodejs affected arch:src module:nodejs:16 stream:enterprise_linux:8", "CVE-2024-1000 Red Hat:8|nodejs affected arch:src module:nodejs:18 stream:enterprise_linux:8",
				"CVE-2024-1000 Red Hat:8|perl affected <5.30-1.module+el8 module:perl:5.30 stream:enterprise_linux:8::appstream", "CVE-2024-1000 Red Hat:8|ruby affected <2.7.8-1.module+el8.8.0+1+a module:ruby:2.7 stream:enterprise_linux:8::appstream"}},
		{name: "states", doc: flaw(`"product_status":{"known_affected":["rhel8:curl-src","rhel8:libcurl","rhel8:node16","rhel8:node18"],"known_not_affected":["eus86:curl-src"],"under_investigation":["eus86:libcurl"]},
			"remediations":[{"category":"no_fix_planned","details":"Will not fix","product_ids":["rhel8:curl-src"]},{"category":"none_available","details":"Fix deferred","product_ids":["rhel8:libcurl"]},
			{"category":"no_fix_planned","details":"Out of support scope","product_ids":["rhel8:node16"]},{"category":"none_available","details":"Affected","product_ids":["rhel8:node18"]},{"category":"workaround","details":"x","product_ids":["rhel8:node18"]}]`),
			want: []string{"CVE-2024-1000 Red Hat:8|curl will_not_fix arch:src stream:enterprise_linux:8", "CVE-2024-1000 Red Hat:8|libcurl deferred stream:enterprise_linux:8",
				"CVE-2024-1000 Red Hat:8|nodejs end_of_life arch:src module:nodejs:16 stream:enterprise_linux:8", "CVE-2024-1000 Red Hat:8|nodejs affected arch:src module:nodejs:18 stream:enterprise_linux:8",
				"CVE-2024-1000 Red Hat:rhel_eus:8.6|curl not_affected arch:src stream:rhel_eus:8.6::baseos", "CVE-2024-1000 Red Hat:rhel_eus:8.6|libcurl undetermined stream:rhel_eus:8.6::baseos"}},
		{name: "a group of products, and the worse of two words", doc: flaw(status("known_affected", "rhel8:curl-src", "rhel8:libcurl") + `,"remediations":[{"category":"no_fix_planned","details":"x","group_ids":["g","h"]},{"category":"no_fix_planned","details":"Out of support scope","product_ids":["rhel8:libcurl"]}]`),
			want: []string{"CVE-2024-1000 Red Hat:8|curl will_not_fix arch:src stream:enterprise_linux:8", "CVE-2024-1000 Red Hat:8|libcurl end_of_life stream:enterprise_linux:8"}},
		{name: "a version that was looked at", doc: flaw(`"product_status":{"known_affected":["base8:bind"],"first_affected":["app8:bind"]}`),
			want: []string{"CVE-2024-1000 Red Hat:8|bind affected <=32:9.11-1.el8 stream:enterprise_linux:8::baseos", "CVE-2024-1000 Red Hat:8|bind affected 32:9.11-1.el8 < stream:enterprise_linux:8::appstream"}},
		{name: "severity of one product", doc: flaw(status("known_affected", "rhel8:curl-src", "rhel8:libcurl") + `,"threats":[{"category":"impact","details":"Moderate"},{"category":"impact","details":"Low","product_ids":["rhel8:libcurl"]}]`),
			want: []string{"CVE-2024-1000 Red Hat:8|curl affected arch:src stream:enterprise_linux:8", "CVE-2024-1000 Red Hat:8|libcurl affected stream:enterprise_linux:8 low"}},
		{name: "containers and other products", doc: flaw(status("known_affected", "rhel8:image", "rhel8:maven", "rhel8:jar", "none:libcurl", "rhel8")), skip: "containers and other products"},
		{name: "no flaw", doc: csafDoc("CVE-2024-1000"), skip: "names no flaw"},
		{name: "nothing said", doc: flaw(`"product_status":{}`), skip: "affects nothing"},
		{name: "products that are not there", doc: flaw(status("fixed", "base8:bind", "nowhere", "loop", "lost", "base8:bad")),
			want: []string{"CVE-2024-1000 Red Hat:8|bind affected <32:9.11-1.el8 stream:enterprise_linux:8::baseos"}, bad: "4 of its products cannot be understood"},
		{name: "no CVE", doc: csafDoc("CVE-2024-1000", `{"cve":"x CVE-2024-1000"}`), bad: "flaw 1 names no CVE"},
		{name: "another publisher", doc: csafDocOf("https://www.redhat.com.example", "CVE-2024-1000", "{}"), bad: "another publisher's"},
		{name: "another version", doc: strings.Replace(csafDoc("CVE-2024-1000"), `"2.0"`, `"1.2"`, 1), bad: "no CSAF 2.0"},
		{name: "HTML", doc: "<html></html>", bad: "reading the document"},
		{name: "cut", doc: flaw(status("fixed", "base8:bind"))[:900], bad: "reading the document"},
		{name: "wrong types", doc: `{"document":{"csaf_version":2,"tracking":[]}}`, bad: "reading the document"},
		{name: "a list", doc: `[]`, bad: "reading the document"},
		{name: "deep", doc: csafDocOf("https://www.redhat.com", "CVE-2024-1000", `{"branches":[`+strings.Repeat(`{"branches":[`, 4000)+strings.Repeat(`]}`, 4000)+`]}`), bad: "branches deep"},
		{name: "groups upon groups", doc: csafDocOf("https://www.redhat.com", "CVE-2024-1000", `{"product_groups":[{"group_id":"g","product_ids":[`+strings.Repeat(`"a",`, 9999)+`"a"]}]}`,
			`{"cve":"CVE-2024-1000","remediations":[{"category":"no_fix_planned","group_ids":[`+strings.Repeat(`"g",`, 9999)+`"g"]}]}`), bad: "list over"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := redHatVEX.parse("2024/cve-2024-1000.json", []byte(tt.doc), nil)
			if d := cmp.Diff(tt.want, csafSaid(p)); d != "" {
				t.Error(d)
			}
			if p.skip != tt.skip {
				t.Errorf("skipped %q, want %q", p.skip, tt.skip)
			}
			if got := errors.Join(p.bad...); (got != nil) != (tt.bad != "") || got != nil && !strings.Contains(got.Error(), tt.bad) {
				t.Errorf("quarantined: %v, want %q", got, tt.bad)
			}
		})
	}
}

// TestCSAFRecord: what a record says besides its statements.
func TestCSAFRecord(t *testing.T) {
	vulnerability := func(cve string) string {
		return `{"cve":"` + cve + `","title":"a: flaw","release_date":"2023-12-01T00:00:00Z","product_status":{"fixed":["base8:bind"],"known_not_affected":["base8:curl-1.x86_64"]},
			"scores":[{"cvss_v3":{"vectorString":"CVSS:3.1/AV:N"},"cvss_v2":{"vectorString":"AV:N"}}],"threats":[{"category":"impact","details":"Low"}]}`
	}
	day := func(s string) (a advisory.Advisory) { a.Modified = parseTime(s); return a }
	p := redHatVEX.parse("x.json", []byte(csafDoc("CVE-2024-1000", vulnerability("CVE-2024-1000"))), nil)
	want := advisory.Advisory{ID: "CVE-2024-1000", Summary: "a: flaw", Severity: advisory.SeverityLow, URL: "https://access.redhat.com/security/cve/CVE-2024-1000",
		CVSS: []advisory.CVSS{{Vector: "CVSS:3.1/AV:N"}, {Vector: "AV:N"}}, Published: day("2023-12-01").Modified, Modified: day("2024-02-01").Modified}
	got := p.advs[0]
	got.Affected = nil
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// An update is one record of all its flaws, and says nothing of what has none.
	p = redHatErrata.parse("x.json", []byte(csafDoc("RHSA-2024:1", vulnerability("CVE-2024-1001"), vulnerability("CVE-2024-1000"))), nil)
	want = advisory.Advisory{ID: "RHSA-2024:1", Summary: "a title", Severity: advisory.SeverityHigh, URL: "https://access.redhat.com/errata/RHSA-2024:1",
		Related: []string{"CVE-2024-1000", "CVE-2024-1001"}, Published: day("2024-01-01").Modified, Modified: day("2024-02-01").Modified}
	if d := cmp.Diff([]string{"RHSA-2024:1 Red Hat:8|bind affected <32:9.11-1.el8 stream:enterprise_linux:8::baseos"}, csafSaid(p)); d != "" {
		t.Error(d)
	}
	got = p.advs[0]
	got.Affected = nil
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if p := redHatErrata.parse("x.json", []byte(csafDoc("CVE-2024-1000", vulnerability("CVE-2024-1000"))), nil); len(p.bad) != 1 || p.advs != nil {
		t.Errorf("a document on a flaw among updates: %+v", p)
	}
}

// TestCSAFOrder: in which order a document lists its products does not matter.
func TestCSAFOrder(t *testing.T) {
	ids := []string{"base8:curl-1.x86_64", "base8:curl-1.aarch64", "app8:curl-1.x86_64", "base8:bind", "app8:bind", "eus86:bind", "app8:ruby", "base8:python.src", "base8:curl-2.s390x"}
	other := []string{"rhel8:curl-src", "rhel8:libcurl", "rhel8:node16", "rhel8:node18"}
	rng := rand.New(rand.NewPCG(1, 2))
	var want csafParsed
	for i := range 50 {
		rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		rng.Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
		fixed, _ := json.Marshal(ids)
		affected, _ := json.Marshal(other)
		p := redHatVEX.parse("x.json", []byte(csafDoc("CVE-2024-1000", fmt.Sprintf(`{"cve":"CVE-2024-1000","product_status":{"fixed":%s,"known_affected":%s}}`, fixed, affected))), nil)
		if i == 0 {
			want = p
		} else if d := cmp.Diff(want.advs, p.advs); d != "" {
			t.Fatal(d)
		}
	}
}

func TestSUSE(t *testing.T) {
	products := `{"branches":[{"category":"vendor","branches":[
		{"category":"architecture","name":"x86_64","branches":[{"category":"product_version","product":{"name":"bind-9.9.4P2-0.6.1.x86_64","product_id":"b"}}]},
		{"category":"product_family","name":"f","branches":[
			{"category":"product_version","product":{"name":"libopenssl-1_1-devel","product_id":"o"}},
			{"category":"product_version","product":{"name":"libdcerpc-binding0-32bit","product_id":"l32"}},
			{"category":"product_version","product":{"name":"kernel-default-5.14.21-150400.24.1","product_id":"k"}},
			{"category":"product_version","product":{"name":"chromium-51.0-bp155.2.3.1","product_id":"c"}},
			{"category":"product_version","product":{"name":"noversion","product_id":"n"}}]},
		{"category":"product_name","product":{"name":"SUSE Linux Enterprise Server 15 SP4","product_id":"sles"}},
		{"category":"product_name","product":{"name":"openSUSE Leap 15.4","product_id":"leap"}},
		{"category":"product_name","product":{"name":"Image SLES15-SP4-BYOS","product_id":"image"}}]}],"relationships":[` +
		strings.Join([]string{csafRelation("sles:b", "b", "sles"), csafRelation("leap:b", "b", "leap"), csafRelation("image:b", "b", "image"), csafRelation("sles:o", "o", "sles"),
			csafRelation("sles:l32", "l32", "sles"), csafRelation("sles:k", "k", "sles"), csafRelation("leap:c", "c", "leap"), csafRelation("leap:n", "n", "leap")}, ",") + `]}`
	doc := func(id, rest string) []byte {
		return []byte(csafDocOf("https://www.suse.com/", id, products, `{"cve":"CVE-2024-1000","title":"CVE-2024-1000","notes":[{"category":"general","text":"A flaw."}],`+rest+`}`))
	}
	p := suseVEX.parse("x.json", doc("CVE-2024-1000", `"product_status":{"recommended":["sles:b","leap:b","image:b","leap:c","leap:n"],"known_affected":["sles:o","sles:k"],"known_not_affected":["sles:l32"]}`), nil)
	want := []string{
		"CVE-2024-1000 SUSE:Linux Enterprise Server 15 SP4|bind affected <9.9.4P2-0.6.1",
		"CVE-2024-1000 SUSE:Linux Enterprise Server 15 SP4|kernel-default affected <=5.14.21-150400.24.1",
		"CVE-2024-1000 SUSE:Linux Enterprise Server 15 SP4|libdcerpc-binding0-32bit not_affected",
		"CVE-2024-1000 SUSE:Linux Enterprise Server 15 SP4|libopenssl-1_1-devel affected",
		"CVE-2024-1000 openSUSE:Leap 15.4|bind affected <9.9.4P2-0.6.1",
		"CVE-2024-1000 openSUSE:Leap 15.4|chromium affected <51.0-bp155.2.3.1",
	}
	if d := cmp.Diff(want, csafSaid(p)); d != "" {
		t.Error(d)
	}
	if len(p.bad) != 1 || p.advs[0].Summary != "A flaw." || p.advs[0].URL != "https://www.suse.com/security/cve/CVE-2024-1000.html" {
		t.Errorf("%v, %+v", p.bad, p.advs[0])
	}
	p = suseErrata.parse("x.json", doc("SUSE-SU-2024:12-1", `"product_status":{"recommended":["sles:b"]}`), nil)
	if len(p.advs) != 1 || p.advs[0].URL != "https://www.suse.com/support/update/announcement/2024/suse-su-202412-1/" || !slices.Equal(p.advs[0].Related, []string{"CVE-2024-1000"}) {
		t.Errorf("%+v", p)
	}
}

// tarball packs files, in the order of their names, and leaves out as many bytes at
// its end.
func tarball(t testing.TB, files map[string]string, without int) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()[:buf.Len()-without]
}

func zst(t testing.TB, b []byte) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return string(w.EncodeAll(b, nil))
}

func TestRedHatFetch(t *testing.T) {
	const dir = "security.access.redhat.com/data/csaf/v2/vex/"
	doc := func(cve, title string) string {
		return csafDoc(cve, `{"cve":"`+cve+`","title":"`+title+`","product_status":{"fixed":["base8:bind"]}}`)
	}
	archived := zst(t, tarball(t, map[string]string{
		"x/2024/cve-2024-0001.json": doc("CVE-2024-0001", "old"), "x/2024/cve-2024-0002.json": doc("CVE-2024-0002", "old"),
		"x/2024/cve-2024-0003.json": doc("CVE-2024-0003", "old"), "x/2024/cve-2024-0004.json": "<html>", "x/README": "x",
	}, 0))
	lists := map[string]string{
		dir + "archive_latest.txt": "csaf_vex_2024-08-11.tar.zst\n", dir + "csaf_vex_2024-08-11.tar.zst": archived,
		dir + "changes.csv": "\"2024/cve-2024-0001.json\",\"2024-08-12T00:00:00+00:00\"\n\"2024/cve-2024-0003.json\",\"2024-08-11T00:00:00+00:00\"\n" +
			"\"2024/cve-2024-0002.json\",\"2024-08-01T00:00:00+00:00\"\n\"2024/cve-2024-0005.json\",\"2024-01-01T00:00:00+00:00\"\n",
		dir + "2024/cve-2024-0001.json": doc("CVE-2024-0001", "new"), dir + "2024/cve-2024-0005.json": doc("CVE-2024-0005", "new"),
	}
	with := func(change ...string) map[string]string {
		out := maps.Clone(lists)
		for i := 0; i < len(change); i += 2 {
			if out[dir+change[i]] = change[i+1]; change[i+1] == "" {
				delete(out, dir+change[i])
			}
		}
		return out
	}
	tests := []struct {
		name                       string
		files                      map[string]string
		want, quarantined, skipped []string
		err                        string
	}{
		{name: "archive and what changed since", files: lists,
			want:        []string{"CVE-2024-0001 new", "CVE-2024-0002 old", "CVE-2024-0003 old", "CVE-2024-0005 new"},
			quarantined: []string{"2024/cve-2024-0003.json", "2024/cve-2024-0004.json"}},
		{name: "taken back", files: with("deletions.csv", "\"2024/cve-2024-0002.json\",\"2024-08-12T00:00:00+00:00\"\n\"2024/cve-2024-0001.json\",\"2024-08-02T00:00:00+00:00\"\n"),
			want:        []string{"CVE-2024-0001 new", "CVE-2024-0003 old", "CVE-2024-0005 new"},
			quarantined: []string{"2024/cve-2024-0003.json", "2024/cve-2024-0004.json"}, skipped: []string{"2024/cve-2024-0002.json: taken back"}},
		{name: "no archive", files: with("archive_latest.txt", ""), want: []string{"CVE-2024-0001 new", "CVE-2024-0005 new"},
			quarantined: []string{"2024/cve-2024-0002.json", "2024/cve-2024-0003.json"}},
		{name: "no list", files: with("changes.csv", ""), want: []string{"CVE-2024-0001 old", "CVE-2024-0002 old", "CVE-2024-0003 old"}, quarantined: []string{"2024/cve-2024-0004.json"}},
		{name: "an archive without day", files: with("archive_latest.txt", "all.tar.zst", "all.tar.zst", archived),
			want: []string{"CVE-2024-0001 old", "CVE-2024-0002 old", "CVE-2024-0003 old", "CVE-2024-0005 new"}, quarantined: []string{"2024/cve-2024-0004.json"}},
		{name: "nothing", files: map[string]string{"x/y": ""}, err: "not there"},
		{name: "no archive of that name", files: with("csaf_vex_2024-08-11.tar.zst", ""), err: "not whole"},
		{name: "HTML in the place of the archive's name", files: with("archive_latest.txt", "<html>../../x"), err: "not the name of an archive"},
		{name: "HTML in the place of the list", files: with("changes.csv", "<html>\n<body>\n</body>\n"), err: "no list of documents"},
		{name: "HTML in the place of the archive", files: with("csaf_vex_2024-08-11.tar.zst", "<html>"), err: "reading"},
		{name: "an archive that is cut", files: with("csaf_vex_2024-08-11.tar.zst", archived[:len(archived)-20]), err: "unexpected EOF"},
		{name: "a tar archive that is cut between entries", files: with("csaf_vex_2024-08-11.tar.zst", zst(t, tarball(t, map[string]string{"2024/a.json": doc("CVE-2024-0001", "x")}, 1024))), err: "unexpected EOF"},
		{name: "an archive of nothing", files: with("csaf_vex_2024-08-11.tar.zst", zst(t, tarball(t, nil, 0))), err: "no document"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log sinkLog
			err := feedNamed(t, "redhat-csaf-vex").Fetch(t.Context(), folder(t, tt.files), log.sink())
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if err != nil {
				return
			}
			var got []string
			for _, a := range log.advisories {
				got = append(got, a.ID+" "+a.Summary)
			}
			slices.Sort(got)
			slices.Sort(log.quarantined)
			if d := cmp.Diff([][]string{tt.want, tt.quarantined, tt.skipped}, [][]string{got, log.quarantined, log.skipped}); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTarEntries(t *testing.T) {
	files := map[string]string{}
	for i := range 500 {
		files[fmt.Sprintf("%03d.json", i)] = strings.Repeat("x", 20<<10)
	}
	read := func(ctx context.Context, b []byte, stop int) (names []string, err error) {
		_, err = readTarball(ctx, bytes.NewReader(b), isJSON, func(name string, data []byte, err error) string {
			if len(data) != 20<<10 || err != nil {
				t.Errorf("%s: %d bytes, %v", name, len(data), err)
			}
			return name
		}, func(name string) error {
			if names = append(names, name); len(names) == stop {
				return errors.New("enough")
			}
			return nil
		})
		return names, err
	}
	b := tarball(t, files, 0)
	if names, err := read(t.Context(), b, 0); err != nil || len(names) != 500 || !slices.IsSorted(names) {
		t.Errorf("%d entries, %v", len(names), err)
	}
	if names, err := read(t.Context(), b[:len(b)/2], 0); err == nil || len(names) == 0 {
		t.Errorf("half an archive: %d entries, %v", len(names), err)
	}
	if names, err := read(t.Context(), b, 7); err == nil || len(names) != 7 {
		t.Errorf("stopped: %d entries, %v", len(names), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := read(ctx, b, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestRepositories(t *testing.T) {
	got := map[string][]string{}
	var log sinkLog
	sink := log.sink()
	sink.Repository = func(id string, cpes []string) error { got[id] = cpes; return nil }
	err := readRepositories(strings.NewReader(`{"last_updated":"2024-01-01T00:00:00Z","data":{"a-rpms":{"cpes":["cpe:/o:x:b","cpe:/a:x:a","cpe:/o:x:b"],"repo_relative_urls":[1]},
		"a-source-rpms":{"cpes":["cpe:/a:x"]},"a-debug-rpms__8_DOT_1":{"cpes":["cpe:/a:x"]},"b":{"cpes":[]},"c":{"cpes":"x"},"d":{"cpes":["x"]},"":{"cpes":["cpe:/a:x"]}}}`), sink)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string][]string{"a-rpms": {"cpe:/a:x:a", "cpe:/o:x:b"}}, got); d != "" {
		t.Error(d)
	}
	if len(log.quarantined) != 3 || len(log.skipped) != 3 || len(log.dated) != 1 {
		t.Errorf("%q, %q", log.quarantined, log.skipped)
	}
	for _, bad := range []string{"<html>", "{}", `{"data":[]}`, `{"data":{"a":{"cpes":["cpe:/a:x"]`} {
		if readRepositories(strings.NewReader(bad), sink) == nil {
			t.Errorf("%s is no list of repositories", bad)
		}
	}
}

// TestCorpusCSAF holds single documents of Red Hat's against what was read off them by
// hand.
func TestCorpusCSAF(t *testing.T) {
	dir := filepath.Join(imagetest.Corpus(t), "feeds/security.access.redhat.com/data/csaf/v2")
	for file, want := range map[string]struct {
		statements int
		some       []string
	}{
		"advisories/2023/rhsa-2023_3821.json":  {31, []string{"RHSA-2023:3821 Red Hat:8|ruby affected <2.7.8-139.module+el8.8.0+18745+f1bef313 module:ruby:2.7 stream:enterprise_linux:8::appstream"}},
		"advisories/2024/rhsa-2024_6163.json":  {1, []string{"RHSA-2024:6163 Red Hat:9|python3.9 affected <3.9.18-3.el9_4.5 arch:src stream:enterprise_linux:9::appstream,baseos,crb"}},
		"advisories/2025/rhsa-2025_23414.json": {4, []string{"RHSA-2025:23414 Red Hat:rhel_els:6|bind affected <32:9.8.2-0.68.rc1.el6_10.17 stream:rhel_els:6"}},
		"vex/2023/cve-2023-38545.json": {146, []string{
			"CVE-2023-38545 Red Hat:9|libcurl affected <7.76.1-23.el9_2.4 stream:enterprise_linux:9::appstream,baseos",
			"CVE-2023-38545 Red Hat:9|libcurl affected <7.76.1-26.el9_3.2 stream:enterprise_linux:9::appstream,baseos",
			"CVE-2023-38545 Red Hat:rhel_eus:9.0|libcurl affected <7.76.1-14.el9_0.9 stream:rhel_eus:9.0::appstream,baseos",
			"CVE-2023-38545 Red Hat:8|libcurl not_affected stream:enterprise_linux:8",
			"CVE-2023-38545 Red Hat:8|curl not_affected arch:src stream:enterprise_linux:8",
		}},
		"vex/2023/cve-2023-4154.json":  {165, []string{"CVE-2023-4154 Red Hat:6|libsmbclient not_affected stream:enterprise_linux:6"}},
		"vex/2023/cve-2023-6212.json":  {32, []string{"CVE-2023-6212 Red Hat:6|firefox end_of_life arch:src stream:enterprise_linux:6"}},
		"vex/2022/cve-2022-38752.json": {1029, []string{"CVE-2022-38752 Red Hat:jboss_enterprise_application_platform:7.4|eap7-snakeyaml affected <1.33.0-2.SP1_redhat_00001.1.el7eap stream:jboss_enterprise_application_platform:7.4::el7"}},
	} {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		pub := &redHatVEX
		if strings.HasPrefix(file, "advisories") {
			pub = &redHatErrata
		}
		p := pub.parse(file, data, nil)
		got := csafSaid(p)
		if len(p.bad) > 0 || len(got) != want.statements {
			t.Errorf("%s: %d statements, want %d; %v", file, len(got), want.statements, p.bad)
		}
		for _, s := range want.some {
			if !slices.Contains(got, s) {
				t.Errorf("%s does not say %s, but\n%s", file, s, strings.Join(got[:min(len(got), 10)], "\n"))
			}
		}
		for i := range p.advs {
			p.advs[i].Source = "x"
			if err := sound(&p.advs[i]); err != "" {
				t.Errorf("%s: %s", file, err)
			}
		}
	}
}
