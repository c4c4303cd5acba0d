package extract

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestYAMLPair(t *testing.T) {
	for in, want := range map[string][2]string{
		`a: b`: {"a", "b"}, `a:`: {"a", ""}, `'it''s': "x\"y"`: {"it's", `x"y`}, `"a: b": c`: {"a: b", "c"}, `a:b`: {"", "a:b"}, `"a`: {"", ""},
		`a: b # c`: {"a", "b"}, `a: b#c`: {"a", "b#c"}, `a: &x 1`: {"a", ""}, `a: *x`: {"a", ""}, `a: !!str 1`: {"a", ""}, `a: |`: {"a", ""},
		`"a" b`: {"", "a"}, `'a' : b`: {"a", "b"}, ``: {"", ""}, `a: "b" c`: {"a", "b"}, `a: "open`: {"a", ""},
	} {
		key, value := yamlPair([]byte(in))
		if key != want[0] || value != want[1] {
			t.Errorf("yamlPair(%q) = %q, %q, want %q", in, key, value, want)
		}
	}
}

func TestTOMLStatements(t *testing.T) {
	var got []string
	err := langTOML([]byte("\xef\xbb\xbfa=1 # c\n\nb.'c d' = \"x\\ty\"\r\n[t.\"u.v\"]\nw = '''\nlong'' '''\n[[x]]\ny = { p = 1, q = [\"r\", 's'], } # end\nz = 1979-05-27 07:32:00\nempty = \"\"\n"),
		func(table, key string, v tomlValue) error {
			s, ok := v.str()
			if !ok {
				s = string(v)
			}
			got = append(got, table+"|"+key+"|"+s)
			v.table(func(k string, v tomlValue) {
				got = append(got, " "+k+"="+string(v))
				v.list(func(v tomlValue) { got = append(got, "  "+string(v)) })
			})
			return nil
		})
	want := []string{"|a|1", "|b.c d|x\ty", "t.u.v||", "t.u.v|w|long'' ", "x||", "x|y|{ p = 1, q = [\"r\", 's'], }", " p=1", ` q=["r", 's']`, `  "r"`, "  's'",
		"x|z|1979-05-27 07:32:00", "x|empty|"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	for _, bad := range []string{"[a", "[[a]", "[a]]", "= 1", "a", "a =", "a = \n", "a = \"1\" }", "[]", "\"a", "a.", "a = ''' '", "a = {b = \"}", "a = ]", "a = [1"} {
		if err := langTOML([]byte(bad), func(string, string, tomlValue) error { return nil }); err == nil {
			t.Errorf("%q is read without an error", bad)
		}
	}
}
