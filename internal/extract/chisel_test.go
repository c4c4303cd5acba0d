package extract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

const chiselPath = "var/lib/chisel/manifest.wall"

func chiselPack(t testing.TB, text string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(text), nil))
}

func TestChisel(t *testing.T) {
	text := `{"jsonwall":"1.0","schema":"1.0","count":9}
{"kind":"content","slice":"libssl3_libs","path":"/usr/lib/x86_64-linux-gnu/libssl.so.3"}
{"kind":"package","name":"libssl3","version":"3.0.2-0ubuntu1.18","sha256":"00","arch":"amd64"}
{"kind":"package","name":"openssl","version":"3.0.2-0ubuntu1.18","sha256":"00","arch":"amd64"}
{"kind":"package","name":"broken"}
{"kind":"path","path":"/usr/bin/","mode":"0755"}
{"kind":"path","path":"/usr/bin/openssl","mode":"0755","slices":["openssl_bins","openssl_all"],"sha256":"00","size":9}
{"kind":"path","path":"/usr/lib/x86_64-linux-gnu/libssl.so.3","mode":"0644","slices":["libssl3_libs"],"sha256":"00","size":9}
{"kind":"path","path":"/usr/share/doc/openssl/copyright","mode":"0644","slices":["openssl_copyright"],"size":9}
{"kind":"slice","name":"libssl3_libs"}
`
	got := osMust(t, chiselManifest, chiselPath, chiselPack(t, text))
	src := func(n string) inventory.Source { return inventory.Source{Name: n, Version: "3.0.2-0ubuntu1.18"} }
	want := &inventory.Fragment{Database: true, Packages: []inventory.Package{
		{Name: "libssl3", Version: "3.0.2-0ubuntu1.18", Type: "deb", Arch: "amd64", Source: src("libssl3")},
		{Name: "openssl", Version: "3.0.2-0ubuntu1.18", Type: "deb", Arch: "amd64", Source: src("openssl")},
	}, Owns: []inventory.Owner{
		{Package: "openssl", Paths: []string{"usr/bin/openssl"}},
		{Package: "libssl3", Paths: []string{"usr/lib/x86_64-linux-gnu/libssl.so.3"}},
	}, Unknowns: []inventory.Unknown{{Reason: inventory.AnalysisPartial, Subject: chiselPath, Detail: `package "broken" with version "" is not complete`}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestChiselUnreadable(t *testing.T) {
	head := `{"jsonwall":"1.0","schema":"1.0","count":1}` + "\n"
	pkg := `{"kind":"package","name":"a","version":"1"}` + "\n"
	good := chiselPack(t, head+pkg+strings.Repeat(`{"kind":"slice","name":"a_b"}`+"\n", 1000))
	for name, body := range map[string]string{
		"not compressed": head + pkg,
		"nothing":        chiselPack(t, ""),
		"no package":     chiselPack(t, head),
		"other schema":   chiselPack(t, `{"jsonwall":"1.0","schema":"2.0"}`+"\n"+pkg),
		"no header":      chiselPack(t, pkg),
		"not JSON":       chiselPack(t, "wall\n"),
		"long line":      chiselPack(t, head+pkg+strings.Repeat("x", maxChiselLine+1)),
		"cut off":        good[:len(good)-3],
		"bomb":           chiselPack(t, head+pkg+strings.Repeat("\n", maxChisel)),
	} {
		if f, err := osRun(t, chiselManifest, chiselPath, body); err == nil {
			t.Errorf("%s: read as %+v", name, f)
		}
	}
}
