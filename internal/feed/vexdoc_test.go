package feed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

func purl(s string) advisory.Component { return advisory.Component{PURL: s} }

func on(product advisory.Component, parts ...advisory.Component) advisory.Product {
	return advisory.Product{Component: product, Subcomponents: parts}
}

func at(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

// said reads a document strictly.
func vexSaid(t *testing.T, doc string) ([]advisory.Statement, error) {
	t.Helper()
	var out []advisory.Statement
	err := ReadVEX(strings.NewReader(doc), func(s advisory.Statement) error { out = append(out, s); return nil }, nil)
	return out, err
}

const openvexDoc = `{
	"statements": [
		{"vulnerability": {"@id": "https://nvd.nist.gov/vuln/detail/CVE-2024-1000", "name": "CVE-2024-1000", "aliases": ["GHSA-2345-6789-cfgh", "CVE-2024-1000", 7]},
		 "products": [{"@id": "pkg:oci/web@sha256:aa?repository_url=a.example/web", "subcomponents": [{"@id": "pkg:npm/left"}, {"@id": "thing", "identifiers": {"purl": "pkg:npm/right@1"}}]}],
		 "status": "not_affected", "justification": "vulnerable_code_not_present", "impact_statement": "Not \u001b[31mbuilt\n in.", "timestamp": "2024-02-01T00:00:00Z", "last_updated": "2024-03-01T00:00:00Z"},
		{"vulnerability": {"@id": "https://a.example/CVE-2024-2000/"}, "status": "affected", "action_statement": "Update.",
		 "products": [{"@id": "https://a.example/web", "identifiers": {"cpe23": "cpe:2.3:a:acme:web:1:*:*:*:*:*:*:*"}, "hashes": {"sha-256": "` + hex64 + `", "blake2b-256": "00"}}]},
		{"vulnerability": {"name": "CVE-2024-3000"}, "status": "under_investigation", "justification": "so it is said", "products": [{"@id": "Our web"}]}
	],
	"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://a.example/vex-1", "author": "Acme \u202eevil", "timestamp": "2024-01-01T00:00:00Z", "version": 1
}`

const hex64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestOpenVEX(t *testing.T) {
	got, err := vexSaid(t, openvexDoc)
	if err != nil {
		t.Fatal(err)
	}
	want := []advisory.Statement{
		{Flaw: "CVE-2024-1000", Aliases: []string{"GHSA-2345-6789-cfgh"}, Status: advisory.StatusNotAffected, Justification: advisory.CodeNotPresent,
			Impact: "Not [31mbuilt in.", Timestamp: at(2024, 3, 1), Author: "Acme evil", Document: "https://a.example/vex-1",
			Products: []advisory.Product{on(purl("pkg:oci/web@sha256:aa?repository_url=a.example/web"), purl("pkg:npm/left"), purl("pkg:npm/right@1"))}},
		{Flaw: "CVE-2024-2000", Status: advisory.StatusAffected, Action: "Update.", Timestamp: at(2024, 1, 1), Author: "Acme evil", Document: "https://a.example/vex-1",
			Products: []advisory.Product{on(advisory.Component{CPE: "cpe:2.3:a:acme:web:1:*:*:*:*:*:*:*", Hashes: []string{"sha256:" + hex64}})}},
		{Flaw: "CVE-2024-3000", Status: advisory.StatusUnderInvestigation, Timestamp: at(2024, 1, 1), Author: "Acme evil", Document: "https://a.example/vex-1",
			Products: []advisory.Product{on(advisory.Component{Name: "Our web"})}},
	}
	if d := cmp.Diff(want, clean(got)); d != "" {
		t.Error(d)
	}
}

// clean makes empty lists nil.
func clean(all []advisory.Statement) []advisory.Statement {
	for i := range all {
		s := &all[i]
		if len(s.Aliases) == 0 {
			s.Aliases = nil
		}
		for j := range s.Products {
			p := &s.Products[j]
			if len(p.Subcomponents) == 0 {
				p.Subcomponents = nil
			}
			for k := range p.Subcomponents {
				if len(p.Subcomponents[k].Hashes) == 0 {
					p.Subcomponents[k].Hashes = nil
				}
			}
			if len(p.Hashes) == 0 {
				p.Hashes = nil
			}
		}
	}
	return all
}

// The form before 0.2.0 had strings, and the subcomponents beside the products.
func TestOpenVEXOld(t *testing.T) {
	got, err := vexSaid(t, `{"@context": "https://openvex.dev/ns", "@id": "x", "author": "A", "timestamp": "2023-01-08T18:02:03.6-06:00", "statements": [
		{"vulnerability": "CVE-2023-1000", "products": ["pkg:apk/wolfi/git@2.39.0-r1?arch=armv7", "pkg:oci/web"], "subcomponents": ["pkg:apk/wolfi/pcre"], "status": "fixed"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []advisory.Statement{{Flaw: "CVE-2023-1000", Status: advisory.StatusFixed, Author: "A", Document: "x", Timestamp: time.Date(2023, 1, 9, 0, 2, 3, 0, time.UTC),
		Products: []advisory.Product{on(purl("pkg:apk/wolfi/git@2.39.0-r1?arch=armv7"), purl("pkg:apk/wolfi/pcre")), on(purl("pkg:oci/web"), purl("pkg:apk/wolfi/pcre"))}}}
	if d := cmp.Diff(want, clean(got)); d != "" {
		t.Error(d)
	}
}

const csafVEXDoc = `{
	"document": {"category": "csaf_vex", "csaf_version": "2.0", "publisher": {"name": "Acme"}, "tracking": {"id": "ACME-1", "current_release_date": "2024-05-01T00:00:00Z", "initial_release_date": "2020-01-01T00:00:00Z"}},
	"product_tree": {
		"branches": [{"category": "vendor", "name": "Acme", "branches": [
			{"category": "product_name", "name": "OS 9", "product": {"product_id": "os9", "name": "OS 9", "product_identification_helper": {"cpe": "cpe:/o:acme:os:9"}}},
			{"category": "product_version", "name": "openssl-1", "product": {"product_id": "ssl1", "name": "openssl", "product_identification_helper": {"purl": "pkg:rpm/acme/openssl@1:3-1?arch=src"}}},
			{"category": "product_version", "name": "zlib", "product": {"product_id": "zlib", "name": "zlib", "product_identification_helper": {"purl": "pkg:rpm/acme/zlib"}}},
			{"category": "product_name", "name": "web", "branches": [{"category": "product_version_range", "name": "vers:npm/<2", "product": {"product_id": "range", "name": "web below 2", "product_identification_helper": {"purl": "pkg:npm/web"}}}]}
		]}],
		"full_product_names": [{"product_id": "img", "name": "Image", "product_identification_helper": {"hashes": [{"filename": "x", "file_hashes": [{"algorithm": "sha256", "value": "` + hex64 + `"}]}]}}],
		"relationships": [
			{"category": "default_component_of", "product_reference": "ssl1", "relates_to_product_reference": "os9", "full_product_name": {"product_id": "os9:ssl1", "name": "openssl of OS 9"}},
			{"category": "default_component_of", "product_reference": "zlib", "relates_to_product_reference": "os9", "full_product_name": {"product_id": "os9:zlib", "name": "zlib of OS 9"}},
			{"category": "installed_on", "product_reference": "zlib", "relates_to_product_reference": "os9:ssl1", "full_product_name": {"product_id": "deep", "name": "zlib in openssl of OS 9"}},
			{"category": "installed_on", "product_reference": "loop2", "relates_to_product_reference": "os9", "full_product_name": {"product_id": "loop1", "name": "1"}},
			{"category": "installed_on", "product_reference": "loop1", "relates_to_product_reference": "loop2", "full_product_name": {"product_id": "loop2", "name": "2"}}
		],
		"product_groups": [{"group_id": "g", "product_ids": ["os9:zlib", "img"]}]
	},
	"vulnerabilities": [
		{"cve": "CVE-2024-1000", "ids": [{"system_name": "bug", "text": "BUG-7"}],
		 "product_status": {"known_not_affected": ["os9:ssl1", "os9:zlib", "img"], "fixed": ["os9:ssl1"], "known_affected": ["range"], "under_investigation": ["deep"]},
		 "flags": [{"label": "component_not_present", "group_ids": ["g"]}], "threats": [{"category": "impact", "details": "Not\nthere.", "product_ids": ["os9:ssl1"]}, {"category": "exploit_status", "details": "no", "product_ids": ["img"]}],
		 "remediations": [{"category": "vendor_fix", "details": "Update.", "product_ids": ["range"]}]}
	]
}`

func TestCSAFVEX(t *testing.T) {
	got, err := vexSaid(t, csafVEXDoc)
	if err != nil {
		t.Fatal(err)
	}
	os9 := advisory.Component{CPE: "cpe:/o:acme:os:9"}
	ssl := purl("pkg:rpm/acme/openssl@1:3-1?arch=src")
	say := func(s advisory.Status, w func(*advisory.Statement), ps ...advisory.Product) advisory.Statement {
		out := advisory.Statement{Flaw: "CVE-2024-1000", Aliases: []string{"BUG-7"}, Author: "Acme", Document: "ACME-1", Timestamp: at(2024, 5, 1), Status: s, Products: ps}
		if w != nil {
			w(&out)
		}
		return out
	}
	want := []advisory.Statement{
		say(advisory.StatusNotAffected, func(s *advisory.Statement) { s.Impact = "Not there." }, on(os9, ssl)),
		say(advisory.StatusNotAffected, func(s *advisory.Statement) { s.Justification = advisory.ComponentNotPresent },
			on(os9, purl("pkg:rpm/acme/zlib")), on(advisory.Component{Hashes: []string{"sha256:" + hex64}})),
		say(advisory.StatusFixed, nil, on(os9, ssl)),
		say(advisory.StatusAffected, func(s *advisory.Statement) { s.Action = "Update." }, on(advisory.Component{Name: "web below 2"})),
		say(advisory.StatusUnderInvestigation, nil, on(os9, purl("pkg:rpm/acme/zlib"))),
	}
	if d := cmp.Diff(want, clean(got)); d != "" {
		t.Error(d)
	}
	for _, id := range []string{"loop1", "loop2", "nowhere"} {
		_, err := vexSaid(t, strings.Replace(csafVEXDoc, `["range"], "under`, `["`+id+`"], "under`, 1))
		if err == nil || !strings.Contains(err.Error(), "CVE-2024-1000") {
			t.Errorf("%s: %v", id, err)
		}
	}
}

const cycloneDoc = `{
	"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:1", "metadata": {"timestamp": "2024-06-01T00:00:00Z", "supplier": {"name": "Acme"}%s},
	"components": [{"bom-ref": "a", "name": "left", "purl": "pkg:npm/left@1", "components": [{"bom-ref": "b", "name": "right", "purl": "pkg:npm/right?x=y"}]}, {"name": "no ref"}],
	"vulnerabilities": [
		{"id": "CVE-2024-1000", "references": [{"id": "GHSA-2345-6789-cfgh"}], "analysis": {"state": "not_affected", "justification": "code_not_reachable", "detail": "Never called.", "response": ["will_not_fix", "update"], "lastUpdated": "2024-07-01T00:00:00Z"}, "affects": [{"ref": "a"}, {"ref": "urn:cdx:2/1#pkg:npm/far%%401"}]},
		{"id": "CVE-2024-2000", "analysis": {"state": "resolved"}, "affects": [{"ref": "b", "versions": [{"version": "2+x"}, {"version": "3", "status": "unaffected"}, {"range": "vers:npm/>4", "status": "unaffected"}, {"version": "5", "status": "affected"}]}]},
		{"id": "CVE-2024-3000"}
	]
}`

func TestCycloneDXVEX(t *testing.T) {
	parts := []advisory.Component{purl("pkg:npm/left@1"), purl("pkg:npm/far@1"), purl("pkg:npm/right@2%2Bx?x=y"), purl("pkg:npm/right@3?x=y"), {Name: "pkg:npm/right?x=y"}}
	want := func(whole *advisory.Component) []advisory.Statement {
		var ps []advisory.Product
		for _, c := range parts {
			if whole != nil {
				ps = append(ps, on(*whole, c))
			} else {
				ps = append(ps, on(c))
			}
		}
		return []advisory.Statement{
			{Flaw: "CVE-2024-1000", Aliases: []string{"GHSA-2345-6789-cfgh"}, Status: advisory.StatusNotAffected, Justification: advisory.CodeNotInExecutePath,
				Impact: "Never called.", Action: "will not fix, update", Author: "Acme", Document: "urn:uuid:1", Timestamp: at(2024, 7, 1), Products: ps[:2]},
			{Flaw: "CVE-2024-2000", Status: advisory.StatusFixed, Author: "Acme", Document: "urn:uuid:1", Timestamp: at(2024, 6, 1), Products: ps[2:]},
		}
	}
	image := purl("pkg:oci/web@sha256:aa")
	for _, c := range []struct {
		meta  string
		whole *advisory.Component
	}{
		{"", nil},
		{`, "component": {"type": "application", "name": "web", "bom-ref": "w"}`, nil},
		{`, "component": {"type": "container", "name": "web", "purl": "pkg:oci/web@sha256:aa", "bom-ref": "w"}`, &image},
	} {
		got, err := vexSaid(t, fmt.Sprintf(cycloneDoc, c.meta))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want(c.whole), clean(got)); d != "" {
			t.Errorf("%s: %s", c.meta, d)
		}
	}
	got, err := vexSaid(t, `{"bomFormat":"CycloneDX","metadata":{"component":{"bom-ref":"w","purl":"pkg:npm/web@1"}},"vulnerabilities":[{"id":"CVE-2024-1","analysis":{"state":"exploitable"},"affects":[{"ref":"w"}]},{"id":"CVE-2024-2","analysis":{"state":"in_triage"}}]}`)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	for _, s := range got {
		if d := cmp.Diff([]advisory.Product{on(purl("pkg:npm/web@1"))}, clean([]advisory.Statement{s})[0].Products); d != "" {
			t.Error(d)
		}
	}
}

func TestVEXBad(t *testing.T) {
	statement := func(s string) string { return `{"@context":"https://openvex.dev/ns","statements":[` + s + `]}` }
	for name, c := range map[string]struct{ doc, want string }{
		"empty":           {"", "no JSON object"},
		"HTML":            {"<!DOCTYPE html><html></html>", "HTML"},
		"a list":          {`[{"statements":[]}]`, "no JSON object"},
		"another thing":   {`{"name":"x"}`, "neither OpenVEX"},
		"truncated":       {openvexDoc[:900], "unexpected EOF"},
		"more after it":   {openvexDoc + "{}", "after top-level"},
		"no statements":   {statement(""), "no VEX statement"},
		"null":            {`{"statements":null}`, "neither"},
		"no list":         {`{"statements":{"a":1}}`, "no list"},
		"a number":        {statement("7"), "statement 1"},
		"a status":        {statement(`{"vulnerability":"CVE-2024-1","products":["pkg:npm/x"],"status":"harmless"}`), "harmless"},
		"an escape":       {statement(`{"vulnerability":"CVE-2024-1\u001b[2J","products":["pkg:npm/x"],"status":"fixed"}`), "no vulnerability"},
		"no flaw":         {statement(`{"products":["pkg:npm/x"],"status":"fixed"}`), "no vulnerability"},
		"no products":     {statement(`{"vulnerability":"CVE-2024-1","status":"fixed"}`), "no product"},
		"products of 7":   {statement(`{"vulnerability":"CVE-2024-1","products":7,"status":"fixed"}`), "statement 1"},
		"a product of 7":  {statement(`{"vulnerability":"CVE-2024-1","products":[7],"status":"fixed"}`), "statement 1"},
		"deep":            {statement(strings.Repeat("[", 20000)), "depth"},
		"deep tree":       {`{"document":{},"vulnerabilities":[],"product_tree":{"branches":` + strings.Repeat(`[{"branches":`, 20000), "depth"},
		"CSAF and no ID":  {`{"document":{},"vulnerabilities":[{"product_status":{"fixed":["a"]}}]}`, "not in the product tree"},
		"CSAF of numbers": {`{"document":{},"product_tree":7,"vulnerabilities":[7]}`, "product_tree"},
		"CSAF of nothing": {`{"document":{},"vulnerabilities":[{"cve":"CVE-2024-1"}]}`, "no product's status"},
		"CSAF advisory":   {`{"document":{},"vulnerabilities":[]}`, "no VEX statement"},
		"plain SBOM":      {`{"bomFormat":"CycloneDX","components":[]}`, "no VEX statement"},
		"a state":         {`{"bomFormat":"CycloneDX","vulnerabilities":[{"id":"CVE-2024-1","analysis":{"state":"fine"}}]}`, "fine"},
		"no ref":          {`{"bomFormat":"CycloneDX","vulnerabilities":[{"id":"CVE-2024-1","analysis":{"state":"resolved"}}]}`, "no product"},
		"crowded":         {`{"bomFormat":"CycloneDX","components":[` + strings.Repeat("{},", maxVEXObjects+1) + `{}]}`, "objects"},
		"crowded too":     {statement(`{"products":[` + strings.Repeat(`"",`, maxVEXStatement+1) + `""]}`), "items"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := vexSaid(t, c.doc)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%d statements, %v", len(got), err)
			}
		})
	}
}

// In a feed a statement that cannot be read leaves the others.
func TestVEXLenient(t *testing.T) {
	var got, bad []string
	doc := `{"statements":[{"vulnerability":"CVE-2024-1","products":["pkg:npm/x"],"status":"fixed"},{},{"vulnerability":"CVE-2024-2","products":["pkg:npm/x"],"status":"affected"}]}`
	err := ReadVEX(strings.NewReader(doc), func(s advisory.Statement) error { got = append(got, s.Flaw); return nil },
		func(where string, err error) { bad = append(bad, where) })
	if err != nil || !slices.Equal(got, []string{"CVE-2024-1", "CVE-2024-2"}) || !slices.Equal(bad, []string{"statement 2"}) {
		t.Errorf("%q, bad %q, %v", got, bad, err)
	}
	boom := errors.New("boom")
	if err := ReadVEX(strings.NewReader(doc), func(advisory.Statement) error { return boom }, nil); err != boom {
		t.Error(err)
	}
}

// Groups of products must not be written out without end.
func TestVEXManyProducts(t *testing.T) {
	var ids, tree []string
	for i := range 100_000 {
		ids = append(ids, fmt.Sprintf(`"p%d"`, i))
		tree = append(tree, fmt.Sprintf(`{"product_id":"p%d","name":"pkg:npm/p%d"}`, i, i))
	}
	csaf := func(flags int) string {
		return `{"document":{},"product_tree":{"full_product_names":[` + strings.Join(tree, ",") + `],"product_groups":[{"group_id":"g","product_ids":[` + strings.Join(ids, ",") + `]}]},
			"vulnerabilities":[{"cve":"CVE-2024-1","product_status":{"fixed":[` + strings.Join(ids, ",") + `]},"flags":[` +
			strings.TrimSuffix(strings.Repeat(`{"label":"component_not_present","group_ids":["g"]},`, flags), ",") + `]}]}`
	}
	got, err := vexSaid(t, csaf(2))
	if err != nil || len(got) != 1 || len(got[0].Products) != 100_000 {
		t.Errorf("%d statements, %v", len(got), err)
	}
	if _, err := vexSaid(t, csaf(10_000)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
	got, err = vexSaid(t, `{"statements":[{"vulnerability":"CVE-2024-1","status":"fixed","products":[`+strings.ReplaceAll(strings.Join(ids, ","), `"p`, `"pkg:npm/p`)+`]}]}`)
	if err != nil || len(got) != 1 || len(got[0].Products) != 100_000 {
		t.Errorf("%d statements, %v", len(got), err)
	}
}

func FuzzVEX(f *testing.F) {
	f.Add([]byte(openvexDoc))
	f.Add([]byte(csafVEXDoc))
	f.Add([]byte(fmt.Sprintf(cycloneDoc, `, "component": {"name": "web", "purl": "pkg:oci/web@sha256:aa", "bom-ref": "w"}`)))
	f.Add([]byte(`{"statements":[{"vulnerability":"CVE-2023-1000","products":["pkg:oci/web"],"subcomponents":["x"],"status":"fixed"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		bad := 0
		_ = readVEX(data, func(s advisory.Statement) error {
			if err := soundStatement(&s); err != "" {
				t.Errorf("%s: %+v", err, s)
			}
			return nil
		}, func(string, error) { bad++ })
		if err := readVEX(data, func(advisory.Statement) error { return nil }, nil); err == nil && bad > 0 {
			t.Error("a bad statement is no error")
		}
	})
}

// soundStatement says what is wrong with a statement that was handed on.
func soundStatement(s *advisory.Statement) string {
	switch {
	case !isName(s.Flaw) || len(s.Products) == 0:
		return "not complete"
	case !slices.IsSorted(s.Aliases) || slices.Contains(s.Aliases, s.Flaw):
		return "its names are not in order"
	}
	for _, line := range []string{s.Author, s.Document, s.Impact, s.Action} {
		if line != oneLine(line) {
			return "a text is not one line"
		}
	}
	for _, p := range s.Products {
		for _, c := range append(p.Subcomponents, p.Component) {
			_, perr := advisory.ParsePURL(c.PURL)
			_, cerr := advisory.ParseCPE(c.CPE)
			switch {
			case c.PURL != "" && perr != nil, c.CPE != "" && cerr != nil, c.Name != oneLine(c.Name):
				return "a component cannot be read"
			case c.Name != "" && (c.PURL != "" || c.CPE != "" || len(c.Hashes) > 0):
				return "a component has a name besides its identifiers"
			}
		}
	}
	return ""
}
