package feed

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// redHatBzip2 is a document with one erratum, RHSA-2024:1, for Enterprise Linux 8, its
// extended support and another product.
const redHatBzip2 = "" +
	"QlpoOTFBWSZTWedyXsIAAGgfgFBj91cqRB0Av/ff4EAB6qXFQJJBJPU2mp6Yoe1PVNPSA9Mo2o0CU0IRpTT1MmIGgNADQBgNGQ0GEA0A00AAJJJok2SfkMVN" +
	"pqZDRkAG1N1zfr7MdHj1DW/nPhTHfb0phk+iaFZ1lKTV1jp13ItXkMyEMaid8nTkCodimDc8KZaAtUoiKw3BKMkRNw1/jNY7yraFAYZJnWFBTzZ6ex2sjBir" +
	"k5hmz3JHX7vd3S6Pvjtv040/q3tvweXpEJsCtcXTItFy2PcRohFLNbDQ0WVkBs1xzLTFXlSJlzmcFy1ezJ3uzfxgQPrE2uRUcIikHI3CpHkNL0VorRwMYg0g" +
	"bdQzm4misPLEl/oWbDi/YcOUTFXinD9AyGHGIKgsPja80NdatHbS4tWYyIMoDDEuwnOaNYxMYVwqV2UumjG5jYZBOwiKIr1VqYTLAqHKInjjMWBiNGsygisk" +
	"SlMTzMSJm4VBpBwdsChyDY2XK81A2zxGwuItbQobL0BAxQUHFqf/kEXqJ2lg9lJak4fBmZO2JnoMoInYaUnQ+ptZjeZOMtVQkmzqqWiTRdaDXdiZQk5QcB2I" +
	"Ltk0GRllk6etEw8OQYYJQaC92cc5xDl823a9KX+LuSKcKEhzuS9hAA=="

func readDoc(t *testing.T, how *ovalDialect, doc string) *sinkLog {
	t.Helper()
	var log sinkLog
	if err := readOVAL(t.Context(), strings.NewReader(doc), how, log.sink()); err != nil {
		t.Fatal(err)
	}
	return &log
}

func TestRedHatOVAL(t *testing.T) {
	def := func(id, refs, title, more, criteria string) string {
		return `<definition class="vulnerability" id="` + id + `"><metadata><title>` + title + `</title>` + refs + `<advisory from="x"><severity>Important</severity>
		<updated date="2024-02-01"/><cve cvss3="7.0/CVSS:3.1/AV:L/AC:H/PR:N/UI:R/S:U/C:H/I:H/A:H" public="20240101:1000">CVE-2024-1000</cve>` + more +
			`</advisory></metadata>` + or(ref("must")+and(ref("rhel8")+criteria)) + `</definition>`
	}
	cve := `<reference source="CVE" ref_id="CVE-2024-1000"/>`
	states := `<affected><resolution state="Will not fix"><component>nodejs:18/a</component></resolution><resolution state="Fix deferred"><component>b</component></resolution>` +
		`<resolution state="Out of support scope"><component>bc</component></resolution></affected>`
	doc := `<oval_definitions xmlns:red="r" xmlns:ind="i" xmlns:unix="u"><definitions>` +
		def("d1", cve, "CVE-2024-1000 a: a flaw (important)", states, or(and(ref("node", "aIn", "key"))+and(ref("bIn")))) +
		def("d2", cve, "Unaffected components for: CVE-2024-1000 a: a flaw (important)", "", or(and(ref("cIn", "cOut")))) +
		def("d3", `<reference source="RHSA" ref_id="RHSA-2024:1"/>`+cve, "RHSA-2024:1: a security update (Important)", "", ref("a2")) +
		def("d4", `<reference source="RHBA" ref_id="RHBA-2024:1"/>`, "RHBA-2024:1: a bug fix", "", ref("a2")) +
		def("d5", cve, "CVE-2024-1000 x", `<affected_cpe_list><cpe>cpe:/a:redhat:openshift:4.12::el8</cpe></affected_cpe_list>`, ref("a2")) +
		`</definitions>` + strings.Replace(strings.Replace(ovalParts, "<tests>", `<tests><rpminfo_test id="bIn"><object object_ref="b"/></rpminfo_test>
		<rpminfo_test id="cIn"><object object_ref="c"/></rpminfo_test><rpminfo_test id="cOut" check_existence="none_exist"><object object_ref="c"/></rpminfo_test>`, 1),
		"<objects>", `<objects><rpminfo_object id="c"><name>c</name></rpminfo_object>`, 1)
	// d4 names a flaw by its cve element alone.
	log := readDoc(t, redHatDialect("8"), doc)
	got := map[string][]string{}
	for _, a := range log.advisories {
		got[a.ID] = ovalSaid(a.Affected)
		if a.ID == "CVE-2024-1000" && (a.Summary != "a: a flaw" || a.Published.Year() != 2024 || a.Modified.Month() != 2 || a.Severity != advisory.SeverityHigh ||
			len(a.CVSS) != 1 || a.CVSS[0].Vector != "CVSS:3.1/AV:L/AC:H/PR:N/UI:R/S:U/C:H/I:H/A:H") {
			t.Errorf("%+v", a)
		}
	}
	want := map[string][]string{
		"CVE-2024-1000": {"Red Hat:8|a will_not_fix nodejs:18", "Red Hat:8|b deferred", "Red Hat:8|c not_affected"},
		"RHSA-2024:1":   {"Red Hat:8|a 0<2-1"},
		"RHBA-2024:1":   {"Red Hat:8|a 0<2-1"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !slices.Equal(log.skipped, []string{"d5: another product"}) || len(log.quarantined) > 0 {
		t.Errorf("skipped %q, quarantined %q", log.skipped, log.quarantined)
	}
}

func TestRedHatOVALFeed(t *testing.T) {
	dir := "security.access.redhat.com/data/oval/v2/"
	doc := unbase64(t, redHatBzip2)
	manifest := "feed.json,0,1\nRHEL8/rhel-8.oval.xml.bz2,0,1\nRHEL8/rhel-8-including-unpatched.oval.xml.bz2,0,1\nRHEL8/rhel-8.6-eus.oval.xml.bz2,0,1\n" +
		"RHEL8/openshift-4.12.oval.xml.bz2,0,1\nRHEL9/rhel-9.oval.xml.bz2,0,1\nRHEL8/../x.oval.xml.bz2,0,1\n"
	if d := cmp.Diff([]string{"RHEL8/rhel-8-including-unpatched.oval.xml.bz2", "RHEL8/rhel-8.6-eus.oval.xml.bz2"}, redHatDocuments(manifest, "8")); d != "" {
		t.Error(d)
	}
	files := map[string]string{
		dir + "PULP_MANIFEST": manifest,
		dir + "RHEL8/rhel-8-including-unpatched.oval.xml.bz2": doc,
		dir + "RHEL8/rhel-8.6-eus.oval.xml.bz2":               doc,
	}
	var log sinkLog
	r := run(t.Context(), folder(t, files), feedNamed(t, "red-hat-oval-8"), log.sink())
	if r.Err != nil || r.Records != 2 || !slices.Equal(r.Ecosystems, []string{"Red Hat:8", "Red Hat:rhel_eus:8.6"}) || r.Newest.Year() != 2024 {
		t.Errorf("%+v", r)
	}
	if d := cmp.Diff([]string{"Red Hat:8|x 0<2-1.el8 enterprise_linux:8::baseos,crb", "Red Hat:rhel_eus:8.6|x 0<2-1.el8 rhel_eus:8.6::baseos"}, ovalSaid(log.advisories[0].Affected)); d != "" {
		t.Error(d)
	}
	if r := run(t.Context(), folder(t, files), feedNamed(t, "red-hat-oval-9"), Sink{}); r.Err == nil || r.Missing {
		t.Errorf("listed, but not there: %+v", r)
	}
	if r := run(t.Context(), folder(t, files), feedNamed(t, "red-hat-oval-10"), Sink{}); r.Err != nil || !r.Missing {
		t.Errorf("not listed: %+v", r)
	}
	delete(files, dir+"PULP_MANIFEST")
	if r := run(t.Context(), folder(t, files), feedNamed(t, "red-hat-oval-8"), Sink{}); r.Err != nil || r.Records != 1 {
		t.Errorf("without a list: %+v", r)
	}
	for name, bad := range map[string]string{"cut short": doc[:len(doc)/2], "HTML": "<html>moved</html>", "empty": ""} {
		files[dir+"RHEL8/rhel-8-including-unpatched.oval.xml.bz2"] = bad
		if r := run(t.Context(), folder(t, files), feedNamed(t, "red-hat-oval-8"), Sink{}); r.Err == nil || r.Missing || r.Records > 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestOracleOVAL(t *testing.T) {
	doc := strings.ReplaceAll(strings.ReplaceAll(ovalOf("d", and(ref("ol8")+or(ref("a2", "b3")))), "0:2-1<", "2:2-1.ksplice1.el8<"), "1:3-1<", "10:3-1.el8_fips<")
	log := readDoc(t, oracleDialect(), doc)
	if len(log.advisories) != 1 {
		t.Fatalf("%+v", log)
	}
	if d := cmp.Diff([]string{"Oracle Linux:8|a 0<2:2-1.ksplice1.el8 ksplice", "Oracle Linux:8|b 0<10:3-1.el8_fips fips"}, ovalSaid(log.advisories[0].Affected)); d != "" {
		t.Error(d)
	}
	log = readDoc(t, oracleDialect(), strings.ReplaceAll(ovalOf("d", and(ref("ol8", "a2")), "e", and(ref("ol8", "b3"))), `id="e"><metadata><title>ELSA-2024-1:  x security update</title><reference source="elsa" ref_id="ELSA-2024-1"/><reference source="CVE" ref_id="CVE-2024-1000"/>`,
		`id="e"><metadata><reference source="elsa" ref_id="ELSA-2024-1"/><reference source="CVE" ref_id="CVE-2024-2000"/>`))
	if len(log.advisories) != 1 || !slices.Equal(log.quarantined, []string{"e"}) {
		t.Errorf("two definitions of one update on different flaws: %+v", log)
	}
	log = readDoc(t, oracleDialect(), strings.NewReplacer(`ref_id="ELSA-2024-1"`, `ref_id="ELBA-2024-1"`, `source="CVE"`, `source="x"`).Replace(ovalOf("d", and(ref("ol8", "a2")))))
	if len(log.advisories) != 0 || !slices.Equal(log.skipped, []string{"d: names no flaw"}) {
		t.Errorf("a bug fix: %+v", log)
	}
	log = readDoc(t, oracleDialect(), strings.Replace(ovalOf("d", and(ref("ol8", "a2"))), `source="elsa"`, `source="y"`, 1))
	if len(log.advisories) != 0 || !slices.Equal(log.quarantined, []string{"d"}) {
		t.Errorf("without an update: %+v", log)
	}
}

func TestSUSEOVAL(t *testing.T) {
	page := `<a href="../">.</a><a href="suse.linux.enterprise.15.xml">x</a><a href="suse.linux.enterprise.15.xml.gz">x</a><a href="suse.linux.enterprise.15-affected.xml.gz">x</a>
	<a href="suse.linux.enterprise.15-patch.xml.gz">x</a><a href="suse.linux.enterprise.15-sp4.xml.gz">x</a><a href="suse.linux.enterprise.server.15.xml.gz">x</a>
	<a href="suse.linux.enterprise.server.11.xml">x</a><a href="suse.manager.4.3.xml.gz">x</a><a href="org.opensuse.CVE-2008-5679.xml.gz">x</a><a href="suse.linux.micro.6.xml.bz2">x</a>
	<a href="opensuse.tumbleweed-affected.xml">x</a><a href="opensuse.tumbleweed.xml.gz">x</a><a href="opensuse.leap.15.6.xml.gz">x</a><a href="opensuse.leap.15.7.xml.gz">x</a><a href="unclosed`
	want := [][]string{
		{suseOVALURL + "suse.linux.enterprise.15-affected.xml.gz", suseOVALURL + "suse.linux.enterprise.15.xml.gz", suseOVALURL + "suse.linux.enterprise.15.xml"},
		{suseOVALURL + "suse.linux.enterprise.server.11.xml"},
		{suseOVALURL + "suse.linux.micro.6.xml.bz2"},
	}
	if d := cmp.Diff(want, suseDocuments(page, suseProduct)); d != "" {
		t.Error(d)
	}
	for platform, want := range map[string]string{
		"SUSE Linux Enterprise Server 15 SP4": "SUSE:Linux Enterprise Server 15 SP4", "SUSE Linux Enterprise Server 16.0": "SUSE:Linux Enterprise Server 16.0",
		"SUSE Linux Enterprise Server 12 SP4-LTSS": "SUSE:Linux Enterprise Server 12 SP4-LTSS", "SUSE Linux Enterprise Micro 5.5": "SUSE:Linux Enterprise Micro 5.5",
		"SUSE Linux Enterprise Module for Python 3 15 SP4": "SUSE:Linux Enterprise Module for Python 3 15 SP4", "SUSE Linux Micro 6.0": "SUSE:Linux Micro 6.0",
		"openSUSE Leap 15.2": "openSUSE:Leap 15.2", "openSUSE Tumbleweed": "openSUSE:Tumbleweed", "openSUSE 12.1 Update": "openSUSE:12.1", "openSUSE Leap Micro 5.2": "openSUSE:Leap Micro 5.2",
		"SUSE Manager Server 4.3": "", "SUSE Linux Enterprise Desktop 15 SP4": "", "SUSE Linux Enterprise Server for SAP Applications 15": "", "core9": "", "": "",
	} {
		if got := susePlatform(platform); got != want {
			t.Errorf("%q is %q, want %q", platform, got, want)
		}
	}
	doc := strings.NewReplacer("Oracle Linux 8", "openSUSE Leap 15.6", `ref_id="CVE-2024-1000"`, `ref_id="Mitre CVE-2024-1000"`).Replace(
		ovalOf("d", and(ref("ol8")+or(ref("a0", "b3")))))
	dir := "ftp.suse.com/pub/projects/security/oval/"
	files := map[string]string{
		dir + "index.html": page, dir + "opensuse.leap.15.6.xml.gz": gzipped(t, doc),
		dir + "opensuse.tumbleweed.xml.gz": gzipped(t, strings.ReplaceAll(doc, "openSUSE Leap 15.6", "openSUSE Tumbleweed")),
	}
	var log sinkLog
	r := run(t.Context(), folder(t, files), feedNamed(t, "opensuse-oval"), log.sink())
	if r.Err != nil || r.Records != 2 || !slices.Equal(log.quarantined, []string{suseOVALURL + "opensuse.leap.15.7.xml.gz"}) {
		t.Errorf("%+v, quarantined %q", r, log.quarantined)
	}
	for i, eco := range []string{"openSUSE:Leap 15.6", "openSUSE:Tumbleweed"} {
		if d := cmp.Diff([]string{eco + "|a not_affected", eco + "|b 0<1:3-1"}, ovalSaid(log.advisories[i].Affected)); d != "" || log.advisories[i].ID != "CVE-2024-1000" {
			t.Errorf("%+v\n%s", log.advisories[i], d)
		}
	}
	files[dir+"opensuse.leap.15.6.xml.gz"] = gzipped(t, doc)[:200]
	if r := run(t.Context(), folder(t, files), feedNamed(t, "opensuse-oval"), Sink{}); r.Err == nil {
		t.Error("an archive that is cut short was taken")
	}
	if r := run(t.Context(), folder(t, map[string]string{dir + "index.html": "<html></html>"}), feedNamed(t, "suse-oval"), Sink{}); r.Err == nil || r.Missing {
		t.Errorf("an empty list: %+v", r)
	}
}

// ubuntuDoc states a source package's status by Canonical's words.
func ubuntuDoc(words ...string) string {
	var crit, tests, objects, states, vars strings.Builder
	for i, w := range words {
		id := string(rune('a' + i))
		negate, ver := "", ""
		if strings.Contains(w, "related to the CVE in some way and has") {
			negate = ` negate="true"`
		}
		if _, v, ok := strings.Cut(w, "(note: '"); ok {
			ver, _, _ = strings.Cut(v, "'")
		}
		crit.WriteString(`<criterion test_ref="t` + id + `"` + negate + ` comment="` + id + ` package in jammy ` + w + `"/>`)
		tests.WriteString(`<linux-def:dpkginfo_test id="t` + id + `" check="at least one" check_existence="at_least_one_exists" comment="Does the '` + id + `' package exist?"><linux-def:object object_ref="o` + id + `"/>`)
		if ver != "" {
			tests.WriteString(`<linux-def:state state_ref="s` + id + `"/>`)
			states.WriteString(`<linux-def:dpkginfo_state id="s` + id + `"><linux-def:evr datatype="debian_evr_string" operation="less than">0:` + ver + `</linux-def:evr></linux-def:dpkginfo_state>`)
		}
		tests.WriteString(`</linux-def:dpkginfo_test>`)
		objects.WriteString(`<linux-def:dpkginfo_object id="o` + id + `" comment="The '` + id + `' package binaries"><linux-def:name var_ref="v` + id + `" var_check="at least one"/></linux-def:dpkginfo_object>`)
		vars.WriteString(`<constant_variable id="v` + id + `"><value>lib` + id + `1</value><value>` + id + `-bin</value></constant_variable>`)
	}
	return `<oval_definitions xmlns:linux-def="l" xmlns:ind-def="i" xmlns:unix-def="u"><generator><timestamp>2024-10-10T00:44:14</timestamp></generator><definitions>
	<definition class="inventory" id="inv"><metadata><title>Check that Ubuntu 22.04 LTS (jammy) is installed.</title></metadata><criteria><criterion test_ref="fam"/></criteria></definition>
	<definition class="vulnerability" id="d"><metadata><title>CVE-2024-1000 on Ubuntu 22.04 LTS (jammy) - low</title><affected><platform>Ubuntu 22.04 LTS</platform></affected>
	<reference source="CVE" ref_id="CVE-2024-1000"/><advisory><severity>Low</severity><public_date>2024-01-18 15:00:00 UTC</public_date>
	<cve cvss_vector="CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:H/A:N">CVE-2024-1000</cve></advisory></metadata>
	<criteria><extend_definition definition_ref="inv" comment="Ubuntu 22.04 LTS (jammy) is installed." applicability_check="true"/><criteria operator="OR">` + crit.String() + `
	<criteria operator="AND"><criterion test_ref="uname" comment="Is kernel 'linux' running?"/><criterion test_ref="kernel" comment="'linux' kernel in jammy was vulnerable but has been fixed (note: '5-1')."/></criteria>
	</criteria></criteria></definition></definitions>
	<tests><unix-def:uname_test id="uname"><unix-def:object object_ref="x"/><unix-def:state state_ref="x"/></unix-def:uname_test><ind-def:variable_test id="kernel"><ind-def:object object_ref="x"/></ind-def:variable_test>` +
		tests.String() + `</tests><objects><ind-def:variable_object id="x"/>` + objects.String() + `</objects><states>` + states.String() + `</states><variables>` + vars.String() + `</variables></oval_definitions>`
}

func TestUbuntuOVAL(t *testing.T) {
	log := readDoc(t, ubuntuDialect("22.04"), ubuntuDoc(
		"was vulnerable but has been fixed (note: '1.2-1ubuntu1').",
		"is affected and needs fixing.",
		"is affected and may need fixing.",
		"is affected, but a decision has been made to defer addressing it (note: '2024').",
		"while related to the CVE in some way, a decision has been made to ignore this issue.",
		"is related to the CVE in some way and has been fixed.",
		"was vulnerable but has been fixed (note: '1.2-1ubuntu0.1~esm1').",
		"was vulnerable and has been fixed, but no release version available for it.",
		"is affected. An update containing the fix has been completed and is pending publication (note: '2-1').",
		"was vulnerable but has been fixed (note: '1.1-1ubuntu1.fips.2').",
	))
	// A note that is no version comes with a test on its presence alone; ubuntuDoc makes it
	// a version all the same, so d states one.
	if len(log.advisories) != 1 || len(log.quarantined) > 0 {
		t.Fatalf("%+v", log)
	}
	a := log.advisories[0]
	want := []string{
		"Ubuntu:22.04:LTS|a 0<1.2-1ubuntu1", "Ubuntu:22.04:LTS|b", "Ubuntu:22.04:LTS|c undetermined", "Ubuntu:22.04:LTS|d deferred 0<2024",
		"Ubuntu:22.04:LTS|e will_not_fix", "Ubuntu:22.04:LTS|f not_affected", "Ubuntu:22.04:LTS|g 0<1.2-1ubuntu0.1~esm1 esm",
		"Ubuntu:22.04:LTS|h undetermined", "Ubuntu:22.04:LTS|i 0<2-1", "Ubuntu:22.04:LTS|j 0<1.1-1ubuntu1.fips.2 fips",
	}
	if d := cmp.Diff(want, ovalSaid(a.Affected)); d != "" {
		t.Error(d)
	}
	if a.ID != "CVE-2024-1000" || a.Severity != advisory.SeverityLow || a.Published.Hour() != 15 || len(a.CVSS) != 1 || a.URL != "https://ubuntu.com/security/CVE-2024-1000" {
		t.Errorf("%+v", a)
	}
	if log := readDoc(t, ubuntuDialect("20.04"), ubuntuDoc("is affected and needs fixing.")); len(log.advisories) != 0 {
		t.Errorf("another release: %+v", log.advisories)
	}
	if log := readDoc(t, ubuntuDialect("22.04"), strings.Replace(ubuntuDoc("is affected and needs fixing."), "The 'a' package binaries", "binaries", 1)); !slices.Equal(log.quarantined, []string{"d"}) {
		t.Errorf("without a source package: %+v", log)
	}
}

func TestDebianOVAL(t *testing.T) {
	doc := strings.NewReplacer("Oracle Linux 8", "Debian 11", "rpminfo", "dpkginfo", "oraclelinux-release", "debian-release").Replace(
		ovalOf("d", and(ref("ol8")+or(and(ref("all", "a2")))), "e", and(ref("ol8", "all", "aBelow0"))))
	log := readDoc(t, debianDialect("bullseye"), strings.Replace(doc, "ELSA-2024-1:  x security update", "DSA-1-1 x", 1))
	if len(log.advisories) != 1 || log.advisories[0].ID != "DSA-1-1" || !slices.Equal(ovalSaid(log.advisories[0].Affected), []string{"Debian:11|a 0<2-1"}) {
		t.Errorf("%+v", log)
	}
	if !slices.Equal(log.quarantined, []string{"e"}) { // its title names no advisory
		t.Errorf("quarantined %q", log.quarantined)
	}
	log = readDoc(t, debianDialect("bullseye"), strings.ReplaceAll(doc, `class="patch"`, `class="vulnerability"`))
	if len(log.advisories) != 1 || log.advisories[0].ID != "CVE-2024-1000" || log.advisories[0].Related != nil || !slices.Equal(log.skipped, []string{"e: affects no version"}) {
		t.Errorf("%+v", log)
	}
}

func TestOVALClasses(t *testing.T) {
	doc := ovalOf("d", and(ref("ol8", "a2")))
	if log := readDoc(t, oracleDialect(), strings.Replace(doc, `class="patch"`, `class="compliance"`, 1)); !slices.Equal(log.skipped, []string{"d: no flaw"}) || len(log.advisories) > 0 {
		t.Errorf("%+v", log)
	}
	if log := readDoc(t, oracleDialect(), strings.Replace(doc, `class="patch"`, `class="patch" deprecated="true"`, 1)); !slices.Equal(log.skipped, []string{"d: withdrawn"}) || len(log.advisories) > 0 {
		t.Errorf("%+v", log)
	}
	stop := errors.New("stop")
	if err := readOVAL(t.Context(), strings.NewReader(doc), oracleDialect(), Sink{Advisory: func(advisory.Advisory) error { return stop }, Dated: (&sinkLog{}).sink().Dated}); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// TestCorpusOVAL checks facts of the corpus that were read by hand.
func TestCorpusOVAL(t *testing.T) {
	o := corpus(t)
	facts := map[string]map[string][]string{
		"red-hat-oval-9": {
			"CVE-2005-2541":  {"Red Hat:9|tar will_not_fix"},
			"CVE-2002-0059":  {"Red Hat:9|zlib-static not_affected", "Red Hat:9|zlib-debugsource not_affected", "Red Hat:9|zlib not_affected", "Red Hat:9|zlib-devel not_affected"},
			"RHSA-2022:4765": {"Red Hat:9|firefox 0<91.9.1-1.el9_0"},
		},
		"oracle-linux-oval": {"ELSA-2023-12342": {"Oracle Linux:8|hivex 0<1.3.18-21.module+el8.7.0+21037+8ee66348 aarch64 virt:kvm_utils"}},
		"opensuse-oval": {
			"CVE-2010-2322": {"openSUSE:Leap 15.2|fastjar 0<0.98-lp152.4.3.1"},
			"CVE-2012-5252": {"openSUSE:12.1|flash-player 0<11.2.202.243-30.1", "openSUSE:12.1|flash-player-gnome 0<11.2.202.243-30.1", "openSUSE:12.1|flash-player-kde4 0<11.2.202.243-30.1"},
		},
		"suse-oval": {"CVE-1999-0077": {
			"SUSE:Linux Enterprise Micro 5.0|kernel-default not_affected", "SUSE:Linux Enterprise Micro 5.3|kernel-default not_affected", "SUSE:Linux Enterprise Micro 5.4|kernel-default not_affected",
			"SUSE:Linux Enterprise Micro 5.1|kernel-default not_affected", "SUSE:Linux Enterprise Micro 5.2|kernel-default not_affected",
			"SUSE:Linux Enterprise Micro 5.1|kernel-rt not_affected", "SUSE:Linux Enterprise Micro 5.2|kernel-rt not_affected",
		}},
		"almalinux-oval-9":  {"ALSA-2022:7071": {"AlmaLinux:9|firefox 0<102.4.0-1.el9_0.alma"}},
		"photon-oval-3.0":   {"PHSA-2020:00001": {"Photon OS:3.0|sqlite 0<3.27.2-5.ph3", "Photon OS:3.0|sqlite-devel 0<3.27.2-5.ph3", "Photon OS:3.0|sqlite-libs 0<3.27.2-5.ph3"}},
		"ubuntu-oval-22.04": {"CVE-2023-48795": {"Ubuntu:22.04:LTS|openssh 0<1:8.9p1-3ubuntu0.5", "Ubuntu:22.04:LTS|libssh 0<0.9.6-2ubuntu0.22.04.2"}},
		"debian-oval":       {"DSA-5179-1": {"Debian:11|php7.4 0<7.4.30-1+deb11u1"}, "CVE-2016-5405": {"Debian:11|389-ds-base 0<1.3.5.15-1"}},
	}
	for name, want := range facts {
		got := map[string][]string{}
		r := run(t.Context(), o, feedNamed(t, name), Sink{Advisory: func(a advisory.Advisory) error {
			if _, ok := want[a.ID]; ok {
				for i := range a.Affected {
					if name == "red-hat-oval-9" && !strings.HasPrefix(a.Affected[i].Stream, "enterprise_linux:9::appstream,baseos,crb,") {
						t.Errorf("%s: stream %q", a.ID, a.Affected[i].Stream)
					}
					if name == "red-hat-oval-9" {
						a.Affected[i].Stream = ""
					}
				}
				got[a.ID] = append(got[a.ID], ovalSaid(a.Affected)...)
			}
			return nil
		}})
		if r.Err != nil || r.Missing {
			t.Errorf("%+v", r)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
