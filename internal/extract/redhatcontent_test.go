package extract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/rootfs"
)

func TestRedHatContent(t *testing.T) {
	for _, c := range []struct {
		path, body string
		want       []string
	}{
		{"root/buildinfo/content_manifests/ubi8-container-8.6-1.json",
			`{"metadata":{"icm_version":1,"image_layer_index":0},"content_sets":["rhel-8-for-x86_64-baseos-rpms","rhel-8-for-x86_64-appstream-rpms"],"image_contents":[{"purl":"pkg:x"}]}`,
			[]string{"rhel-8-for-x86_64-appstream-rpms", "rhel-8-for-x86_64-baseos-rpms"}},
		{"usr/share/buildinfo/content-sets.json", `{"content_sets":["a__8_DOT_6",1,"a__8_DOT_6",""],"from_dnf_hint":true}`, []string{"a__8_DOT_6"}},
		{"usr/share/buildinfo/content_manifests/x.json", `{"content_sets":null}`, nil},
		{"root/buildinfo/labels.json", `{"name":"x","cpe":"cpe:/a:redhat:rhel_eus:9.4::appstream","release":1}`, []string{"cpe:/a:redhat:rhel_eus:9.4::appstream"}},
		{"usr/share/buildinfo/labels.json", `{"cpe":"none"}`, nil},
		{"root/buildinfo/Dockerfile-ubi8-8.6-1", "FROM x\nLABEL com.redhat.component=\"ubi8-container\" \\\n  \"cpe\"=\"cpe:/o:redhat:enterprise_linux:8\" \\\n  notcpe=\"cpe:/o:x:y\"\n",
			[]string{"cpe:/o:redhat:enterprise_linux:8"}},
		{"root/buildinfo/Dockerfile-x", "FROM scratch\n", nil},
	} {
		f := osMust(t, redHatContent, c.path, c.body)
		var got []string
		if f != nil {
			got = f.Repositories
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.path, d)
		}
	}
	for _, path := range []string{"root/buildinfo/content_manifests/a/b.json", "root/buildinfo/x.json", "buildinfo/labels.json",
		"root/buildinfo/content_manifests/x.txt", "root/buildinfo/a/labels.json"} {
		if redHatContent.Want(rootfs.Entry{Path: path, Mode: 0o644, Size: 1}) {
			t.Errorf("wants %s", path)
		}
	}
	many := `{"content_sets":[` + strings.Repeat(`"x",`, maxContentSets) + `"y"]}`
	for name, body := range map[string]string{"cut": `{"content_sets":["a"`, "HTML": "<html>", "list": "[]", "many": many} {
		if _, err := osRun(t, redHatContent, "root/buildinfo/content-sets.json", body); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzRedHatContent(f *testing.F) {
	f.Add("root/buildinfo/content-sets.json", []byte(`{"content_sets":["a",{}]}`))
	f.Add("root/buildinfo/labels.json", []byte(`{"cpe":"cpe:/a:x"}`))
	f.Add("root/buildinfo/Dockerfile-x", []byte("LABEL cpe=cpe:/a:x\n"))
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		if redHatContentKind(path) == 0 {
			t.Skip()
		}
		frag, _ := redHatContent.Extract(t.Context(), rootfs.NewFile(t.Context(), rootfs.Entry{Path: path, Size: int64(len(body))}, body))
		if frag != nil && (len(frag.Repositories) == 0 || len(frag.Repositories) > maxContentSets || len(frag.Packages) > 0) {
			t.Errorf("%+v", frag)
		}
	})
}
