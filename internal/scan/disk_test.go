package scan

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

// Nothing of what is in an image is written to disk but the facts in the cache: no
// body of any file, not even in part, and no temporary file that is left.
func TestNothingWritten(t *testing.T) {
	const canary = "CANARY-7f3a9c51"
	work, cache := t.TempDir(), t.TempDir()
	for _, v := range []string{"TMPDIR", "TMP", "TEMP", "HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"} {
		t.Setenv(v, work)
	}
	t.Chdir(work)
	long := strings.Repeat(canary+"\n", 200_000) // larger than any buffer
	b := build(t, []imagetest.Entry{
		file("etc/os-release", "ID=alpine\nVERSION_ID=3.20\nBUILD_ID="+canary+"\n"),
		file("lib/apk/db/installed", "P:musl\nV:1.2.5-r0\nT:"+canary+"\nC:"+canary+"\n\n"),
		file("etc/shadow", "root:"+canary+":1::::::\n"),
		file("var/log/long", long),
		{Path: "usr/bin/prog", Body: "\x7fELF\x02\x01\x01" + long, Mode: 0o755},
		file("srv/node_modules/x/package.json", `{"name":"x","version":"1.0.0","description":"`+canary+`","scripts":{"x":"`+canary+`"}}`),
		file("srv/node_modules/y/package.json", `{"name":"y","version":"`), // broken
		file("opt/a.jar", "PK\x03\x04"+long),
		file("data", `{"name":"z","version":"1.0.0","x":"`+canary+`"}`),
		hard("srv/node_modules/z/package.json", "data"),
	}, []imagetest.Entry{file("run/secrets/token", canary), file("etc/.wh.shadow", canary)})
	path := imagetest.File(t, "a.tar", imagetest.DockerArchive(t, b))
	set, err := image.OpenArchive(t.Context(), path, image.Select{})
	if err != nil {
		t.Fatal(err)
	}
	s := full(nil)
	s.Cache = newCache(t, cache, s)
	first := inspect(t, s, set.Images[0])
	if n := len(first.Inventory.Packages); n != 3 {
		t.Errorf("%q", listed(first.Inventory))
	}
	inspect(t, full(s.Cache), set.Images[0])
	archive, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	streamed(t, full(newCache(t, filepath.Join(cache, "streamed"), s)), archive)
	streamed(t, full(nil), imagetest.Compress(t, archive, imagetest.Gzip))

	if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	seen := 0
	err = filepath.WalkDir(cache, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		body, err := os.ReadFile(p)
		if strings.Contains(p, canary) || bytes.Contains(body, []byte(canary)) {
			t.Errorf("%s holds what was in a file", p)
		}
		if bytes.Contains(body, []byte("srv/node_modules/x")) {
			seen++
		}
		return err
	})
	if err != nil || seen == 0 {
		t.Errorf("%d entries of the cache were seen, %v", seen, err)
	}
}
