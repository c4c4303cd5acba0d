package feed

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// ovalParts are tests of each kind, named by what they ask for.
const ovalParts = `<tests>
<red:rpmverifyfile_test id="must" check="none satisfy" comment="Red Hat Enterprise Linux must be installed"><red:object object_ref="file"/><red:state state_ref="v8"/></red:rpmverifyfile_test>
<red:rpmverifyfile_test id="rhel8" check="at least one" comment="Red Hat Enterprise Linux 8 is installed"><red:object object_ref="file"/><red:state state_ref="v8"/></red:rpmverifyfile_test>
<rpminfo_test id="ol8" check="at least one" comment="Oracle Linux 8 is installed"><object object_ref="release"/><state state_ref="v8"/></rpminfo_test>
<rpminfo_test id="ol9" check="at least one" comment="x-release is ==9"><object object_ref="release"/><state state_ref="v9"/></rpminfo_test>
<rpminfo_test id="tumbling" comment="Oracle Linux 7 is installed"><object object_ref="release"/><state state_ref="ge"/></rpminfo_test>
<rpminfo_test id="x86" comment="Oracle Linux arch is x86_64"><object object_ref="release"/><state state_ref="x86_64"/></rpminfo_test>
<rpminfo_test id="arm" comment="Oracle Linux arch is aarch64"><object object_ref="release"/><state state_ref="aarch64"/></rpminfo_test>
<rpminfo_test id="key" comment="a is signed with a key"><object object_ref="a"/><state state_ref="key"/></rpminfo_test>
<rpminfo_test id="a2" comment="a is earlier than 0:2-1"><object object_ref="a"/><state state_ref="lt2"/></rpminfo_test>
<rpminfo_test id="a2le" comment="a"><object object_ref="a"/><state state_ref="le2"/></rpminfo_test>
<rpminfo_test id="a1ge" comment="a"><object object_ref="a"/><state state_ref="ge"/></rpminfo_test>
<rpminfo_test id="a1gt" comment="a"><object object_ref="a"/><state state_ref="gt"/></rpminfo_test>
<rpminfo_test id="a1eq" comment="kernel version equals 1"><object object_ref="a"/><state state_ref="eq"/></rpminfo_test>
<rpminfo_test id="a0" comment="a is ==0"><object object_ref="a"/><state state_ref="zero"/></rpminfo_test>
<rpminfo_test id="aAny" comment="a is &gt;0"><object object_ref="a"/><state state_ref="above"/></rpminfo_test>
<rpminfo_test id="aBelow0" comment="a is &lt;0"><object object_ref="a"/><state state_ref="lt0"/></rpminfo_test>
<rpminfo_test id="aIn" check="at least one" comment="a is installed"><object object_ref="a"/></rpminfo_test>
<rpminfo_test id="aOut" check="at least one" check_existence="none_exist" comment="a is not installed"><object object_ref="a"/></rpminfo_test>
<rpminfo_test id="aArches" comment="a"><object object_ref="a"/><state state_ref="arches"/></rpminfo_test>
<rpminfo_test id="aZ" comment="a"><object object_ref="a"/><state state_ref="s390x"/></rpminfo_test>
<rpminfo_test id="aX" comment="a"><object object_ref="a"/><state state_ref="strange"/></rpminfo_test>
<rpminfo_test id="aBad" comment="a"><object object_ref="a"/><state state_ref="bad"/></rpminfo_test>
<rpminfo_test id="aTwo" comment="a" state_operator="OR"><object object_ref="a"/><state state_ref="lt2"/><state state_ref="le2"/></rpminfo_test>
<rpminfo_test id="aOr" comment="a"><object object_ref="a"/><state state_ref="or"/></rpminfo_test>
<rpminfo_test id="aVar" comment="a"><object object_ref="a"/><state state_ref="var"/></rpminfo_test>
<rpminfo_test id="aVars" comment="a"><object object_ref="a"/><state state_ref="vars"/></rpminfo_test>
<rpminfo_test id="aSome" check="some" comment="a"><object object_ref="a"/></rpminfo_test>
<rpminfo_test id="aSet" comment="a"><object object_ref="set"/></rpminfo_test>
<rpminfo_test id="b3" comment="b is earlier than 3-1"><object object_ref="b"/><state state_ref="lt3"/></rpminfo_test>
<rpminfo_test id="cd3" comment="c and d"><object object_ref="cd"/><state state_ref="lt3"/></rpminfo_test>
<rpminfo_test id="noState" comment="a"><object object_ref="a"/><state state_ref="none"/></rpminfo_test>
<rpminfo_test id="noObject" comment="a"><object object_ref="none"/><state state_ref="lt2"/></rpminfo_test>
<rpminfo_test id="noName" comment="a"><object object_ref="noName"/><state state_ref="lt2"/></rpminfo_test>
<ind:textfilecontent54_test id="node" comment="Module nodejs:18 is enabled"><ind:object object_ref="module"/><ind:state state_ref="text"/></ind:textfilecontent54_test>
<ind:textfilecontent54_test id="noModule" comment="Module is enabled"><ind:object object_ref="module"/></ind:textfilecontent54_test>
<ind:textfilecontent54_test id="boot" comment="kernel earlier than 5 is set to boot up on next boot"><ind:object object_ref="grub"/></ind:textfilecontent54_test>
<ind:textfilecontent54_test id="passwd" comment="x"><ind:object object_ref="passwd"/></ind:textfilecontent54_test>
<unix:uname_test id="uname" comment="kernel earlier than 5 is currently running"><unix:object object_ref="uname"/><unix:state state_ref="text"/></unix:uname_test>
<unix:uname_test id="all" comment="Installed architecture is all"><unix:object object_ref="uname"/></unix:uname_test>
<ind:family_test id="family" comment="unix"><ind:object object_ref="none"/></ind:family_test>
<ind:variable_test id="variable" comment="kernel version comparison"><ind:object object_ref="a"/></ind:variable_test>
</tests><objects>
<red:rpmverifyfile_object id="file"><red:name operation="pattern match"/><red:filepath>/etc/redhat-release</red:filepath></red:rpmverifyfile_object>
<rpminfo_object id="release"><name>oraclelinux-release</name></rpminfo_object>
<rpminfo_object id="a"><name>
 a </name></rpminfo_object>
<rpminfo_object id="b"><name>b</name></rpminfo_object>
<rpminfo_object id="cd"><name var_ref="cd" var_check="at least one"/></rpminfo_object>
<rpminfo_object id="set"><set/></rpminfo_object>
<rpminfo_object id="noName"><name/></rpminfo_object>
<ind:textfilecontent54_object id="module"><ind:filepath>/etc/dnf/modules.d/nodejs.module</ind:filepath></ind:textfilecontent54_object>
<ind:textfilecontent54_object id="grub"><ind:filepath>/boot/grub2/grubenv</ind:filepath></ind:textfilecontent54_object>
<ind:textfilecontent54_object id="passwd"><ind:path>/etc</ind:path><ind:filename>passwd</ind:filename></ind:textfilecontent54_object>
<unix:uname_object id="uname"/>
</objects><states>
<rpminfo_state id="v8"><version operation="pattern match">^8</version></rpminfo_state>
<rpminfo_state id="v9"><version operation="equals">9</version></rpminfo_state>
<rpminfo_state id="x86_64"><arch operation="pattern match">x86_64</arch></rpminfo_state>
<rpminfo_state id="aarch64"><arch operation="pattern match">aarch64</arch></rpminfo_state>
<rpminfo_state id="key"><signature_keyid operation="equals">0123456789abcdef</signature_keyid></rpminfo_state>
<rpminfo_state id="lt0"><evr operation="less than">0:0</evr></rpminfo_state>
<rpminfo_state id="lt2"><evr datatype="evr_string" operation="less than">0:2-1</evr></rpminfo_state>
<rpminfo_state id="lt3"><evr datatype="evr_string" operation="less than">1:3-1</evr></rpminfo_state>
<rpminfo_state id="le2"><evr operation="less than or equal">0: 2-1</evr></rpminfo_state>
<rpminfo_state id="ge"><evr operation="greater than or equal">0:1-1</evr></rpminfo_state>
<rpminfo_state id="gt"><evr operation="greater than">0:1-1</evr></rpminfo_state>
<rpminfo_state id="eq"><evr operation="equals">0:1-1</evr></rpminfo_state>
<rpminfo_state id="zero"><version operation="equals">0</version></rpminfo_state>
<rpminfo_state id="above"><evr operation="greater than">0:0-0</evr></rpminfo_state>
<rpminfo_state id="arches"><arch operation="pattern match">aarch64|ppc64le|x86_64</arch><evr operation="less than">0:2-1</evr></rpminfo_state>
<rpminfo_state id="s390x"><arch operation="pattern match">(s390x|ppc64le)</arch><evr operation="less than">0:2-1</evr></rpminfo_state>
<rpminfo_state id="strange"><arch operation="pattern match">x.*</arch><evr operation="less than">0:2-1</evr></rpminfo_state>
<rpminfo_state id="bad"><evr operation="less than">2 1</evr></rpminfo_state>
<rpminfo_state id="or" operator="OR"><version operation="equals">0</version><evr operation="less than">0:2-1</evr></rpminfo_state>
<rpminfo_state id="var"><evr operation="less than" var_ref="v"/></rpminfo_state>
<rpminfo_state id="vars"><evr operation="less than" var_ref="cd"/></rpminfo_state>
<ind:textfilecontent54_state id="text"><ind:text operation="pattern match">x</ind:text></ind:textfilecontent54_state>
</states><variables>
<constant_variable id="cd"><value>c</value><value>d</value></constant_variable>
<constant_variable id="v"><value>0:4-1</value></constant_variable>
<local_variable id="local"><arithmetic/></local_variable>
</variables></oval_definitions>`

// ovalOf gives a document whose definitions have the given criteria, named by their
// IDs; an ID that begins with "inv" is one of class inventory.
func ovalOf(definitions ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5" xmlns:red="r" xmlns:ind="i" xmlns:unix="u" xmlns:oval="o">` +
		`<generator><oval:timestamp>2024-10-10T12:04:24</oval:timestamp></generator><definitions>`)
	for i := 0; i < len(definitions); i += 2 {
		class := "patch"
		if strings.HasPrefix(definitions[i], "inv") {
			class = "inventory"
		}
		fmt.Fprintf(&b, `<definition class="%s" id="%s"><metadata><title>ELSA-2024-1:  x security update</title><reference source="elsa" ref_id="ELSA-2024-1"/><reference source="CVE" ref_id="CVE-2024-1000"/></metadata>%s</definition>`,
			class, definitions[i], definitions[i+1])
	}
	b.WriteString(`</definitions>` + ovalParts)
	return b.String()
}

// ref makes criterions of tests; "!x" negates x, and "@x" extends definition x.
func ref(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		n, negated := strings.CutPrefix(n, "!")
		negate := ""
		if negated {
			negate = ` negate="true"`
		}
		if d, ok := strings.CutPrefix(n, "@"); ok {
			fmt.Fprintf(&b, `<extend_definition definition_ref="%s"%s comment="Oracle Linux 8 is installed."/>`, d, negate)
		} else {
			fmt.Fprintf(&b, `<criterion test_ref="%s"%s/>`, n, negate)
		}
	}
	return b.String()
}

func and(in string) string { return `<criteria operator="AND">` + in + `</criteria>` }
func or(in string) string  { return `<criteria operator="OR">` + in + `</criteria>` }
func not(in string) string { return `<criteria negate="true">` + in + `</criteria>` }

// testDialect speaks for Oracle Linux and, with one ecosystem, for Red Hat's.
func testDialect() *ovalDialect {
	how := oracleDialect()
	how.places = onPlatform(func(p string) string {
		if p == "Red Hat Enterprise Linux 8" {
			return "Red Hat:8"
		}
		return majorOf("Oracle Linux ", "Oracle Linux:", "")(p)
	})
	return how
}

// said writes statements as "ECOSYSTEM|PACKAGE [STATE] [FROM<FIXED] [..LAST] [ARCH] [MODULE]".
func ovalSaid(all []advisory.Affected) []string {
	var out []string
	for _, a := range all {
		s := a.Ecosystem + "|" + a.Package
		if a.State != advisory.StateAffected {
			s += " " + a.State.String()
		}
		for _, iv := range a.Ranges {
			switch {
			case iv.Fixed != "":
				s += " " + iv.Introduced + "<" + iv.Fixed
			case iv.LastAffected != "":
				s += " " + iv.Introduced + ".." + iv.LastAffected
			default:
				s += " " + iv.Introduced + ".."
			}
		}
		for _, w := range [...]string{a.Arch, a.Module, a.Stream} {
			if w != "" {
				s += " " + w
			}
		}
		out = append(out, s)
	}
	return out
}

func TestOVALCriteria(t *testing.T) {
	deep := ref("ol8", "a2")
	for range maxOVALDepth + 2 {
		deep = and(deep)
	}
	tests := []struct {
		name, criteria string
		want           []string
		bad            string // part of the reason for quarantine
		skip           string
	}{
		{"a package on a platform", and(ref("ol8", "a2", "key")), []string{"Oracle Linux:8|a 0<2-1"}, "", ""},
		{"AND without an operator", `<criteria>` + ref("ol8", "a2") + `</criteria>`, []string{"Oracle Linux:8|a 0<2-1"}, "", ""},
		{"guarded by its platform", or(ref("must") + and(ref("rhel8")+or(and(ref("a2", "key"))+and(ref("b3"))))),
			[]string{"Red Hat:8|a 0<2-1", "Red Hat:8|b 0<1:3-1"}, "", ""},
		{"one platform of several", and(or(ref("ol8", "rhel8")) + or(ref("a2", "b3"))),
			[]string{"Oracle Linux:8|a 0<2-1", "Red Hat:8|a 0<2-1", "Oracle Linux:8|b 0<1:3-1", "Red Hat:8|b 0<1:3-1"}, "", ""},
		{"a platform's version is above", and(ref("tumbling", "a2")), []string{"Oracle Linux:7|a 0<2-1"}, "", ""},
		{"the criterion names the platform", and(`<criterion test_ref="ol9" comment="Oracle Linux 9 is installed"/>` + ref("a2")), []string{"Oracle Linux:9|a 0<2-1"}, "", ""},
		{"both processors", and(ref("ol8") + or(and(ref("x86")+or(and(ref("a2", "key"))))+and(ref("arm")+or(and(ref("a2", "key")))))),
			[]string{"Oracle Linux:8|a 0<2-1"}, "", ""},
		{"another version for each processor", and(ref("ol8") + or(and(ref("x86", "a2"))+and(ref("arm", "a2le")))),
			[]string{"Oracle Linux:8|a 0<2-1 x86_64", "Oracle Linux:8|a 0..2-1 aarch64"}, "", ""},
		{"processors of the package", and(ref("ol8", "aArches")), []string{"Oracle Linux:8|a 0<2-1"}, "", ""},
		{"rare processors", and(ref("ol8", "aZ")), []string{"Oracle Linux:8|a 0<2-1 s390x", "Oracle Linux:8|a 0<2-1 ppc64le"}, "", ""},
		{"processors that do not meet", and(ref("ol8", "x86", "aZ")), nil, "two architectures", ""},
		{"a module", and(ref("ol8") + or(and(ref("node")+or(ref("a2", "b3"))))), []string{"Oracle Linux:8|a 0<2-1 nodejs:18", "Oracle Linux:8|b 0<1:3-1 nodejs:18"}, "", ""},
		{"several names", and(ref("ol8", "cd3")), []string{"Oracle Linux:8|c 0<1:3-1", "Oracle Linux:8|d 0<1:3-1"}, "", ""},
		{"the version is a variable", and(ref("ol8", "aVar")), []string{"Oracle Linux:8|a 0<4-1"}, "", ""},
		{"not fixed", and(ref("ol8", "aIn", "key")), []string{"Oracle Linux:8|a"}, "", ""},
		{"not fixed, by any version", and(ref("ol8", "aAny")), []string{"Oracle Linux:8|a"}, "", ""},
		{"not affected, by no version", and(ref("ol8", "a0")), []string{"Oracle Linux:8|a not_affected"}, "", ""},
		{"not affected, installed and not", and(ref("ol8") + or(and(ref("aIn", "aOut")))), []string{"Oracle Linux:8|a not_affected"}, "", ""},
		{"below no version", and(ref("ol8", "aBelow0")), nil, "", "affects no version"},
		{"from a version on", and(ref("ol8", "a1ge")), []string{"Oracle Linux:8|a 1-1.."}, "", ""},
		{"from a version to another", and(ref("ol8", "a1ge", "a2")), []string{"Oracle Linux:8|a 1-1<2-1"}, "", ""},
		{"installed, and to a version", and(ref("ol8", "aIn", "a2le", "aIn")), []string{"Oracle Linux:8|a 0..2-1"}, "", ""},
		{"not from a version on", and(ref("ol8", "!a1ge")), []string{"Oracle Linux:8|a 0<1-1"}, "", ""},
		{"not below a version", and(ref("ol8", "!a2")), []string{"Oracle Linux:8|a 2-1.."}, "", ""},
		{"neither of two", and(ref("ol8", "aIn") + not(ref("!a2", "!b3"))),
			[]string{"Oracle Linux:8|a 0<2-1"}, "two packages", ""},
		{"not uninstalled", and(ref("ol8") + not(ref("aOut"))), []string{"Oracle Linux:8|a"}, "", ""},
		{"a running kernel", and(ref("ol8") + or(ref("uname", "boot")) + or(ref("a2"))), []string{"Oracle Linux:8|a 0<2-1"}, "", ""},
		{"a live patch", and(ref("ol8") + or(and(or(ref("uname", "boot"))+and(ref("a1eq", "key")+or(ref("aOut", "a2")))))), nil, "", "a running kernel"},
		{"what always holds", and(ref("ol8", "all", "family", "a2")), []string{"Oracle Linux:8|a 0<2-1"}, "", ""},
		{"another product", and(ref("a2") + `<criterion test_ref="ol8" comment="Red Hat CoreOS 4 is installed"/>`), nil, "", "another product"},
		{"no platform", and(ref("a2")), nil, "", "another product"},
		{"an inventory", and(ref("@inv", "a2")), []string{"Oracle Linux:8|a 0<2-1"}, "", ""},
		{"another definition", and(ref("@other", "a2")), []string{"Oracle Linux:8|a 0<2-1"}, "", ""},
		{"what is understood of it", and(ref("ol8") + or(ref("a2", "a1gt", "b3"))), []string{"Oracle Linux:8|a 0<2-1", "Oracle Linux:8|b 0<1:3-1"}, `"greater than"`, ""},
		{"a variable that is not a version", and(ref("ol8", "aVars")), nil, "2 values", ""},
		{"no version", and(ref("ol8", "aBad")), nil, "package a", ""},
		{"one version", and(ref("ol8", "a1eq")), nil, `"equals"`, ""},
		{"two platforms", and(ref("ol8", "rhel8", "a2")), nil, "two platforms", ""},
		{"two ranges", and(ref("ol8", "a2", "a2le")), nil, "two ranges", ""},
		{"what cannot be", and(ref("ol8", "a0", "a2")), nil, "cannot be at once", ""},
		{"no package", and(ref("ol8", "key")), nil, "no package", ""},
		{"an absent package", and(ref("ol8", "aOut")), nil, "not there", ""},
		{"another platform's absence", and(ref("!ol8", "a2")), nil, "not installed", ""},
		{"states by OR", and(ref("ol8", "aTwo")), nil, "joined by", ""},
		{"entities by OR", and(ref("ol8", "aOr")), nil, "joined by", ""},
		{"criteria by XOR", `<criteria operator="XOR">` + ref("ol8", "a2") + `</criteria>`, nil, "joined by", ""},
		{"a strange check", and(ref("ol8", "aSome")), nil, `"some"`, ""},
		{"a set", and(ref("ol8", "aSet")), nil, "a set", ""},
		{"a strange pattern", and(ref("ol8", "aX")), nil, "architecture", ""},
		{"a nameless module", and(ref("ol8", "noModule", "a2")), nil, "module", ""},
		{"another file", and(ref("ol8", "passwd", "a2")), nil, "/etc/passwd", ""},
		{"another kind of test", and(ref("ol8", "variable", "a2")), nil, "variable_test", ""},
		{"no such test", and(ref("ol8", "none")), nil, "test", ""},
		{"no such state", and(ref("ol8", "noState")), nil, "state", ""},
		{"no such object", and(ref("ol8", "noObject")), nil, "object", ""},
		{"no name", and(ref("ol8", "noName")), nil, "package", ""},
		{"no such definition", and(ref("@none", "a2")), nil, "not there", ""},
		{"empty criteria", and(""), nil, "empty", ""},
		{"no criteria", "", nil, "no criteria", ""},
		{"too deep", deep, nil, "nested", ""},
		{"itself", and(ref("ol8", "@d")), nil, "itself", ""},
		{"itself by way of another", and(ref("ol8", "@loop", "a2")), nil, "itself", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log sinkLog
			var reason error
			sink := log.sink()
			sink.Quarantine = func(record string, err error) {
				if record == "d" {
					reason = err
				}
			}
			sink.Skip = func(record, why string) {
				if record == "d" {
					log.skipped = append(log.skipped, why)
				}
			}
			doc := ovalOf("d", tt.criteria, "inv", and(ref("family")), "other", and(ref("ol8", "key")), "loop", and(ref("@back")), "back", or(ref("@d")))
			how := testDialect()
			keep := how.identify
			how.identify = func(d *ovalDefinition) (advisory.Advisory, error) {
				a, err := keep(d)
				a.ID += "-" + d.ID
				return a, err
			}
			if err := readOVAL(t.Context(), strings.NewReader(doc), how, sink); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range log.advisories {
				if a.ID == "ELSA-2024-1-d" {
					got = ovalSaid(a.Affected)
					if !slices.Equal(a.Related, []string{"CVE-2024-1000"}) || a.Summary != "x security update" {
						t.Errorf("%+v", a)
					}
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if (reason != nil) != (tt.bad != "") || reason != nil && !strings.Contains(reason.Error(), tt.bad) {
				t.Errorf("quarantined for %v, want %q", reason, tt.bad)
			}
			if skip := strings.Join(log.skipped, " "); skip != tt.skip {
				t.Errorf("skipped for %q, want %q", skip, tt.skip)
			}
		})
	}
}

// TestOVALBounds: hostile documents end in a clear error or quarantine, soon.
func TestOVALBounds(t *testing.T) {
	many := strings.Repeat(ref("a2"), 60_000)
	var chain []string
	for i := range 30 { // each doubles the one before
		chain = append(chain, fmt.Sprintf("d%d", i), or(ref(fmt.Sprintf("@d%d", i+1), fmt.Sprintf("@d%d", i+1))))
	}
	chain = append(chain, "d30", and(ref("ol8", "a2")))
	quarantine := map[string]struct {
		doc, why string
	}{
		"many ways":         {ovalOf("d", and(ref("ol8")+or(ref("cd3", "a2", "b3"))+or(many))), "ways"},
		"many ways at once": {ovalOf("d", and(or(strings.Repeat(ref("a2"), 40_000))+or(strings.Repeat(ref("b3"), 40_000)))), "ways"},
		"much to do":        {ovalOf("d", and(or(strings.Repeat(ref("a2"), 30_000))+strings.Repeat(and(ref("key")), 1000))), "come to"},
		"doubling":          {ovalOf(chain...), "come to"},
		"very deep":         {ovalOf("d", strings.Repeat("<criteria>", 5000)+ref("a2")+strings.Repeat("</criteria>", 5000)), "nested"},
	}
	for name, tt := range quarantine {
		var log sinkLog
		var reasons []string
		sink := log.sink()
		sink.Quarantine = func(_ string, err error) { reasons = append(reasons, err.Error()) }
		if err := readOVAL(t.Context(), strings.NewReader(tt.doc), testDialect(), sink); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if len(reasons) == 0 || !strings.Contains(reasons[0], tt.why) {
			t.Errorf("%s: quarantined for %.200q", name, reasons)
		}
	}
	// 10^5 statements on one definition are many, but may be.
	var log sinkLog
	if err := readOVAL(t.Context(), strings.NewReader(ovalOf("d", and(ref("ol8")+or(many)))), testDialect(), log.sink()); err != nil {
		t.Fatal(err)
	}
	if len(log.advisories) != 1 || len(log.advisories[0].Affected) != 1 {
		t.Errorf("60,000 tests of one package gave %d advisories", len(log.advisories))
	}

	whole := ovalOf("d", and(ref("ol8", "a2")))
	laughs := `<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>` + strings.Replace(whole, "ELSA-2024-1:", "&b;", 1)
	for name, doc := range map[string]string{
		"nothing": "", "HTML": "<html><body>gone</body></html>", "another root": "<updates></updates>", "two roots": whole + "<oval_definitions/>",
		"cut short": whole[:len(whole)-40], "not XML": "{}", "a billion laughs": laughs, "an unknown encoding": `<?xml version="1.0" encoding="x"?><oval_definitions/>`,
		"deep elements":      "<oval_definitions>" + strings.Repeat("<x>", 10_000),
		"very deep criteria": ovalOf("d", strings.Repeat("<criteria>", 20_000)+strings.Repeat("</criteria>", 20_000)),
	} {
		log = sinkLog{}
		if err := readOVAL(t.Context(), strings.NewReader(doc), testDialect(), log.sink()); err == nil || len(log.advisories) > 0 {
			t.Errorf("%s: %v, %d advisories", name, err, len(log.advisories))
		}
	}
	long := io.MultiReader(strings.NewReader(`<oval_definitions><definitions><definition id="`), endless{})
	if err := readOVAL(t.Context(), long, testDialect(), log.sink()); err == nil || !strings.Contains(err.Error(), "element") {
		t.Errorf("an endless element: %v", err)
	}
}

// endless gives the same letter for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
