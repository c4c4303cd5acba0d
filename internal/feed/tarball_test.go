package feed

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// tarFile is an entry of a test's archive.
type tarFile struct{ name, data string }

var tarDay = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// tarOf gives a tar archive of files, in that order.
func tarOf(t testing.TB, files ...tarFile) string {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Size: int64(len(f.data)), Mode: 0o644, ModTime: tarDay, Typeflag: tar.TypeReg}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// tarGz is tarOf, packed by gzip.
func tarGz(t testing.TB, files ...tarFile) string {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := io.WriteString(w, tarOf(t, files...)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func tarZst(t testing.TB, files ...tarFile) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(tarOf(t, files...)), nil))
}

// An archive of r/b.json ("two"), r/a.json ("one") and r/c.txt ("three"), as xz and bzip2
// pack it.
const (
	packedXZ  = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4Cf/AIpdADkLyEMNhhA0TUsjlYpzwZ/SZ9BaO/64Yv0nl2x4TO5VAyy2jC6hlv0lUBoM7gMHaRgTXBoow5iFS2V3nIL9ZRDyHiuvnVqiQ+uFJPw0Gwn8MMMPZkN3Ns5x1FE93FvD7XRJAM7ag3p/5GamyXXrJ49wSV5LaekQbWEtmAXPppCUXCclweZkMkEAAAAAAKhnCgEN0cjfAAGmAYBQAAAVl5WwscRn+wIAAAAABFla"
	packedBZ2 = "QlpoOTFBWSZTWZ4qtfUAALh7gMkAAgBAAf+AAGB6UZ7ACBggAJKGSj1GmgGg0eoABFKmTNTajQ9QPKANNLHrIbnxbUCxggpfnn5eLMbmlDFkokIQFbd8nk4MoBxYAalrhJsF465tW9h3jRCEQKl5VwkKlxeCgLRKDTOCsNT30PWP3Kd/T86SZE9HcURD+LuSKcKEhPFVr6g="
)

func unbase64(t testing.TB, s string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tarNames reads an archive and gives "name=data" of its JSON entries.
func tarNames(ctx context.Context, archive string) (got []string, newest time.Time, err error) {
	newest, err = readTarball(ctx, strings.NewReader(archive), isJSON,
		func(name string, data []byte, err error) string {
			if err != nil {
				return name + ": " + err.Error()
			}
			return name + "=" + string(data)
		},
		func(s string) error { got = append(got, s); return nil })
	return got, newest, err
}

func TestTarball(t *testing.T) {
	files := []tarFile{{"r/", ""}, {"r/b.json", "two"}, {"r/a.json", "one"}, {"r/c.txt", "three"}}
	want := []string{"r/b.json=two", "r/a.json=one"}
	for name, archive := range map[string]string{
		"plain": tarOf(t, files...), "gzip": tarGz(t, files...), "zstd": tarZst(t, files...),
		"xz": unbase64(t, packedXZ), "bzip2": unbase64(t, packedBZ2),
	} {
		t.Run(name, func(t *testing.T) {
			got, newest, err := tarNames(t.Context(), archive)
			if err != nil || !slices.Equal(got, want) || !newest.Equal(tarDay) {
				t.Errorf("%q of %v, %v", got, newest, err)
			}
			// Wherever it is cut, the archive is not taken for whole.
			for n := 0; n < len(archive); n += 1 + n/40 {
				if name == "plain" && n >= len(archive)-512 {
					break // one block of zeros is there
				}
				if _, _, err := tarNames(t.Context(), archive[:n]); err == nil {
					t.Errorf("cut to %d of %d bytes, it was taken for whole", n, len(archive))
				}
			}
		})
	}
}

func TestTarballOrder(t *testing.T) {
	var files []tarFile
	var want []string
	for i := range 5000 {
		f := tarFile{fmt.Sprintf("r/%d.json", i*7919%5000), fmt.Sprint(i)}
		files = append(files, f)
		want = append(want, f.name+"="+f.data)
	}
	archive := tarGz(t, files...)
	got, _, err := tarNames(t.Context(), archive)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := tarNames(ctx, archive); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	boom := errors.New("boom")
	if _, err := readTarball(t.Context(), strings.NewReader(archive), isJSON,
		func(string, []byte, error) int { return 0 }, func(int) error { return boom }); err != boom {
		t.Errorf("the error of emit is lost: %v", err)
	}
}

func TestTarballBounds(t *testing.T) {
	// An entry that is too large costs that entry.
	archive := tarZst(t, tarFile{"r/a.json", strings.Repeat("x", maxTarEntry+1)}, tarFile{"r/b.json", "two"})
	got, _, err := tarNames(t.Context(), archive)
	if err != nil || len(got) != 2 || !strings.Contains(got[0], "over the limit") || got[1] != "r/b.json=two" {
		t.Errorf("%d entries, %v", len(got), err)
	}
	for name, archive := range map[string]string{
		"nothing": "", "a page": "<!DOCTYPE html><html><body>Sign in</body></html>" + strings.Repeat(" ", 400),
		"a page in gzip": gzipped(t, "<html></html>"), "zeros behind": gzipped(t, tarOf(t, tarFile{"r/a.json", "x"})+strings.Repeat("\x00", 2<<20)),
		"a damaged sum": func() string { s := []byte(tarGz(t, tarFile{"r/a.json", "one"})); s[len(s)-6] ^= 1; return string(s) }(),
		"a claim":       tarOf(t, tarFile{"r/a.json", strings.Repeat("x", 4096)})[:1024+512],
	} {
		if _, _, err := tarNames(t.Context(), archive); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestTarballFeed: what a feed reads from an archive that ends early is not the feed.
func TestTarballFeed(t *testing.T) {
	const address = "github.com/RConsortium/r-advisory-database/archive/refs/heads/main.tar.gz"
	record := "id: RSEC-2024-1\nsummary: A flaw\nmodified: \"2024-05-06T00:00:00Z\"\naffected:\n- package:\n    name: readr\n    ecosystem: CRAN\n" +
		"  ranges:\n  - type: ECOSYSTEM\n    events:\n    - introduced: 0.1\n    - fixed: 1.10\n"
	archive := tarGz(t, tarFile{"r-main/vulns/readr/RSEC-2024-1.yaml", record}, tarFile{"r-main/vulns/readr/RSEC-2024-2.yaml", "{"}, tarFile{"r-main/other/x.yaml", "x"})
	f := feedNamed(t, "rconsortium")
	var log sinkLog
	r := run(t.Context(), folder(t, map[string]string{address: archive}), f, log.sink())
	if r.Err != nil || r.Records != 1 || r.Quarantined != 1 || !r.Newest.Equal(tarDay) {
		t.Fatalf("%+v", r)
	}
	a := log.advisories[0]
	if a.ID != "RSEC-2024-1" || len(a.Affected) != 1 || a.Affected[0].Ranges[0].Fixed != "1.10" || a.Affected[0].Ranges[0].Introduced != "0.1" {
		t.Errorf("%+v", a)
	}
	if r := run(t.Context(), folder(t, map[string]string{address: archive[:len(archive)-10]}), f, Sink{}); r.Err == nil {
		t.Errorf("cut short: %+v", r)
	}
	if r := run(t.Context(), folder(t, map[string]string{address: "<html>"}), f, Sink{}); r.Err == nil || r.Missing {
		t.Errorf("a page: %+v", r)
	}
	if r := run(t.Context(), folder(t, nil), f, Sink{}); r.Err != nil || !r.Missing {
		t.Errorf("nothing there: %+v", r)
	}
}

func FuzzTarball(f *testing.F) {
	files := []tarFile{{"r/a.json", "one"}, {"r/b.json", "two"}}
	f.Add([]byte(tarOf(f, files...)))
	f.Add([]byte(tarGz(f, files...)))
	f.Add([]byte(tarZst(f, files...)))
	f.Add([]byte(unbase64(f, packedXZ)))
	f.Add([]byte(unbase64(f, packedBZ2)))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, _, err := tarNames(t.Context(), string(data))
		again, _, err2 := tarNames(t.Context(), string(data))
		if !slices.Equal(first, again) || (err == nil) != (err2 == nil) {
			t.Errorf("read twice it differs: %q, %v and %q, %v", first, err, again, err2)
		}
	})
}
