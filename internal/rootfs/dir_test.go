//go:build linux

package rootfs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// put makes a file or, for a final slash, a folder below dir.
func put(t *testing.T, dir, p, body string) {
	t.Helper()
	full := filepath.Join(dir, p)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	if strings.HasSuffix(p, "/") {
		err = os.MkdirAll(full, 0o755)
	} else {
		err = os.WriteFile(full, []byte(body), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// folder reads dir within lim, and fails the test if that takes long.
func folder(t *testing.T, dir string, lim rootfs.Limits, vs ...rootfs.Visitor) (*rootfs.Changes, error) {
	t.Helper()
	type result struct {
		c   *rootfs.Changes
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := rootfs.NewReader(lim).Folder(t.Context(), dir, vs...)
		done <- result{c, err}
	}()
	select {
	case r := <-done:
		return r.c, r.err
	case <-time.After(5 * time.Minute):
		t.Fatal("reading the folder hangs")
		return nil, nil
	}
}

func listing(c *rootfs.Changes) []string {
	out := []string{}
	for e := range c.Entries.All() {
		out = append(out, fmt.Sprintf("%s %d %o %s", e.Path, e.Kind, e.Mode, e.Link))
	}
	slices.Sort(out)
	return out
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "etc/os-release", "ID=x")
	put(t, dir, "empty/", "")
	put(t, dir, "latin\xff/n\xe9", "bytes")
	put(t, dir, "su", "setuid")
	for p, to := range map[string]string{
		"outside": "/etc/passwd", "up": "../../../../../../etc/passwd", "loop": "loop", "etc/back": "..", "dangling": "nowhere",
	} {
		if err := os.Symlink(to, filepath.Join(dir, p)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "su"), 0o755|os.ModeSetuid|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "empty"), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	sock, err := net.Listen("unix", filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	if err := os.Chmod(filepath.Join(dir, "sock"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"dangling 2 777 nowhere", "empty 1 1777 ", "etc 1 755 ", "etc/back 2 777 ..", "etc/os-release 0 644 ",
		"latin\xff 1 755 ", "latin\xff/n\xe9 0 644 ", "loop 2 777 loop", "outside 2 777 /etc/passwd",
		"pipe 4 600 ", "sock 4 600 ", "su 0 6755 ", "up 2 777 ../../../../../../etc/passwd",
	}
	if syscall.Mknod(filepath.Join(dir, "zero"), syscall.S_IFCHR|0o666, 1<<8|5) == nil { // may not be allowed
		os.Chmod(filepath.Join(dir, "zero"), 0o666)
		want = append(want, "zero 4 666 ")
	}
	got := map[string]string{}
	c, err := folder(t, dir, rootfs.DefaultLimits(), bodies(got, all))
	if err != nil || len(c.Problems) > 0 {
		t.Fatal(err, c.Problems)
	}
	if d := cmp.Diff(want, listing(c)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"etc/os-release": "ID=x", "latin\xff/n\xe9": "bytes", "su": "setuid"}, got); d != "" {
		t.Error(d)
	}
}

func TestFolderThatIsNone(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", "x")
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"file", "pipe", "none"} {
		if _, err := folder(t, filepath.Join(dir, p), rootfs.DefaultLimits()); err == nil {
			t.Errorf("%s: no error", p)
		}
	}
}

// TestFolderChangesMeanwhile: the visitor of the first file changes those after it.
func TestFolderChangesMeanwhile(t *testing.T) {
	tests := []struct {
		name   string
		change func(p string) error
		body   string // what is read then
		say    string // or why not
	}{
		{"vanishes", os.Remove, "", "no such file"},
		{"becomes a pipe", func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) }, "", ""},
		{"becomes a folder", func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) }, "", ""},
		{"becomes a link to outside", func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/etc/passwd", p)) }, "", ""},
		{"grows", func(p string) error { return os.WriteFile(p, []byte("long and longer"), 0o600) }, "long and longer", ""},
		{"shrinks", func(p string) error { return os.Truncate(p, 1) }, "b", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "a", "a")
			put(t, dir, "b", "body")
			put(t, dir, "c", "c")
			got := map[string]string{}
			first := rootfs.Visitor{Want: func(e rootfs.Entry) bool { return e.Path == "a" }, Visit: func(context.Context, *rootfs.File) error {
				return tt.change(filepath.Join(dir, "b"))
			}}
			c, err := folder(t, dir, rootfs.DefaultLimits(), first, bodies(got, func(e rootfs.Entry) bool { return e.Path != "a" }))
			if err != nil {
				t.Fatal(err)
			}
			if got["b"] != tt.body || got["c"] != "c" {
				t.Errorf("read %q", got)
			}
			var said []string
			for _, p := range c.Problems {
				said = append(said, p.Path+": "+p.What)
			}
			if tt.say != "" && (len(said) != 1 || !strings.Contains(said[0], "b: ") || !strings.Contains(said[0], tt.say)) {
				t.Errorf("problems %q", said)
			}
		})
	}
}

// TestFolderShrinksWhileRead: a file that ends early is a Problem and the rest is read.
func TestFolderShrinksWhileRead(t *testing.T) {
	for _, visitors := range []int{1, 2} {
		dir := t.TempDir()
		put(t, dir, "a", strings.Repeat("a", 2<<20))
		put(t, dir, "c", "c")
		// Want is asked before the file is opened and once more after its size was taken.
		asked := 0
		shrink := rootfs.Visitor{Visit: func(_ context.Context, f *rootfs.File) error { _, err := f.Bytes(); return err }}
		shrink.Want = func(e rootfs.Entry) bool {
			if asked++; e.Path == "a" && asked == 2 {
				os.Truncate(filepath.Join(dir, "a"), 100)
			}
			return e.Path == "a"
		}
		got := map[string]string{}
		vs := []rootfs.Visitor{shrink, bodies(got, func(e rootfs.Entry) bool { return visitors == 2 || e.Path == "c" })}
		c, err := folder(t, dir, rootfs.DefaultLimits(), vs...)
		if err != nil || len(c.Problems) != 1 || c.Problems[0].Path != "a" || !strings.Contains(c.Problems[0].What, "changed while it was read") {
			t.Errorf("%d visitors: %v %+v", visitors, err, c.Problems)
		}
		if got["c"] != "c" {
			t.Errorf("%d visitors: the rest was not read", visitors)
		}
	}
}

func TestFolderLimits(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, strings.Repeat("d/", 40)+"deep", "x")
	for i := range 30 {
		put(t, dir, fmt.Sprintf("many/%d", i), "x")
	}
	put(t, dir, "long/"+strings.Repeat("n", 200), "x")
	put(t, dir, "z", "z")
	tests := []struct {
		name string
		set  func(*rootfs.Limits)
		on   string
		say  string
		read bool // whether what comes later is read all the same
	}{
		{"depth", func(l *rootfs.Limits) { l.Depth = 10 }, "d/d/", "deeper than 10 folders", true},
		{"path", func(l *rootfs.Limits) { l.Path = 100 }, "long/n", "longer than 100 bytes", true},
		{"entries", func(l *rootfs.Limits) { l.Entries = 50 }, "", "more than 50 entries", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lim := rootfs.DefaultLimits()
			tt.set(&lim)
			got := map[string]string{}
			c, err := folder(t, dir, lim, bodies(got, all))
			if err != nil || len(c.Problems) != 1 || !c.Problems[0].Limit ||
				!strings.HasPrefix(c.Problems[0].Path, tt.on) || !strings.Contains(c.Problems[0].What, tt.say) {
				t.Fatalf("%v %+v", err, c.Problems)
			}
			if (got["z"] == "z") != tt.read {
				t.Errorf("read z: %q", got["z"])
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := rootfs.NewReader(rootfs.DefaultLimits()).Folder(ctx, dir, rootfs.Visitor{Want: all, Visit: func(_ context.Context, f *rootfs.File) error {
			cancel()
			_, err := io.ReadAll(f)
			return err
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// TestFolderUnreadable: what may not be read is told; nothing else suffers.
func TestFolderUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("the superuser may read everything: only that it goes on is tested")
	}
	dir := t.TempDir()
	put(t, dir, "closed/f", "x")
	put(t, dir, "f", "x")
	put(t, dir, "z", "z")
	for _, p := range []string{"closed", "f"} {
		if err := os.Chmod(filepath.Join(dir, p), 0); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(filepath.Join(dir, p), 0o700)
	}
	got := map[string]string{}
	c, err := folder(t, dir, rootfs.DefaultLimits(), bodies(got, all))
	if err != nil || got["z"] != "z" {
		t.Fatal(err, got)
	}
	if os.Geteuid() != 0 && (len(c.Problems) != 2 || c.Problems[0].Path != "closed" || c.Problems[1].Path != "f") {
		t.Errorf("%+v", c.Problems)
	}
}

// TestFolderPassesOverTheKernel: /proc and /sys are seen as empty folders, whether
// they are mounted below or are themselves what is to be read.
func TestFolderPassesOverTheKernel(t *testing.T) {
	for _, p := range []string{"/proc", "/sys"} {
		if _, err := os.Stat(p + "/kernel"); err != nil && p == "/sys" {
			continue
		}
		if _, err := os.Stat("/proc/self"); err != nil {
			imagetest.Skip(t, "no /proc on this system")
		}
		c, err := folder(t, p, rootfs.DefaultLimits(), rootfs.Visitor{Want: all, Visit: func(_ context.Context, f *rootfs.File) error {
			return errors.New("read " + f.Path)
		}})
		if err != nil || len(c.Problems) > 0 || c.Entries.Len() > 0 {
			t.Errorf("%s: %v, %d entries, problems %+v", p, err, c.Entries.Len(), c.Problems)
		}
	}
	dir := t.TempDir()
	put(t, dir, "proc/", "")
	put(t, dir, "z", "z")
	if err := syscall.Mount("proc", filepath.Join(dir, "proc"), "proc", 0, ""); err != nil {
		t.Logf("a mounted /proc is not tested: %v", err)
		return
	}
	defer syscall.Unmount(filepath.Join(dir, "proc"), syscall.MNT_DETACH)
	c, err := folder(t, dir, rootfs.DefaultLimits())
	if err != nil || c.Entries.Len() != 2 || len(c.Problems) > 0 {
		t.Errorf("%v, %d entries, problems %+v", err, c.Entries.Len(), c.Problems)
	}
}
