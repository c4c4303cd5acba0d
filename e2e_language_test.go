package plimsoll_test

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/report"
)

// TestNPM scans what a real npm install leaves behind, and holds it against what npm
// itself says is installed.
func TestNPM(t *testing.T) {
	npm := imagetest.Tool(t, "npm")
	tree := cached(t, "npm-is-odd-minimist.tar", func(dir string) {
		put(t, filepath.Join(dir, "package.json"), `{"name":"shop","version":"2.0.0","private":true}`)
		cmd := exec.Command(npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "is-odd@3.0.1", "minimist@0.0.8")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			imagetest.Skip(t, "npm installs nothing here: "+string(out[max(0, len(out)-500):]))
		}
	})
	dir := t.TempDir()
	app := filepath.Join(dir, "srv", "shop")
	if err := os.MkdirAll(app, 0o755); err != nil {
		t.Fatal(err)
	}
	tool(t, app, "tar", "-xf", tree)
	var said struct {
		Dependencies map[string]npmPackage
	}
	if err := json.Unmarshal([]byte(tool(t, app, "npm", "ls", "--all", "--json")), &said); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	installed(want, "srv/shop", said.Dependencies)
	if len(want) != 3 {
		t.Fatalf("npm says that %v is installed, want three packages", want)
	}
	advisories := snapshot(t, "osv-npm")
	image := imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{
		imagetest.Layer(imagetest.Entry{Path: "etc/motd", Body: "hello"}),
		{Tar: []byte(packed(t, dir)), Compression: imagetest.Zstd},
	}})
	for source, layer := range map[string]string{"rootfs:" + dir: "@-1", "oci:" + imagetest.Layout(t, image): "@1"} {
		s := scanImage(t, source, "--advisories", advisories, "--no-cache", "--as-of", "2025-02-20")
		got := s.places(func(p report.Package) bool { return p.Evidence == "installed" && p.Name != "shop" })
		for name, places := range got {
			var at []string
			for _, p := range places { // lock files name them too
				if p, ok := strings.CutSuffix(p, "/package.json"+layer); ok {
					at = append(at, p)
				} else if !strings.HasSuffix(p, "package-lock.json"+layer) {
					t.Errorf("%s: %s is at %s", source, name, p)
				}
			}
			got[name] = at
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: packages (-npm +got):\n%s", source, d)
		}
		found := map[string]bool{}
		for _, f := range s.Findings {
			found[f.ID] = true
			if f.Package.Name != "minimist" || !strings.HasPrefix(f.Location.Path, "srv/shop/") {
				t.Errorf("%s: %s in %s at %s", source, f.ID, f.Package.Name, f.Location.Path)
			}
		}
		if !found["CVE-2020-7598"] || !found["CVE-2021-44906"] {
			t.Errorf("%s: found %v, want the two flaws of minimist 0.0.8", source, found)
		}
	}
}

type npmPackage struct {
	Version      string
	Dependencies map[string]npmPackage
}

// installed notes where npm puts the packages of a tree that needs no second version
// of anything.
func installed(to map[string][]string, root string, deps map[string]npmPackage) {
	for name, p := range deps {
		to["npm "+name+" "+p.Version] = []string{root + "/node_modules/" + name}
		installed(to, root, p.Dependencies)
	}
}

// packed gives the folder as a tar by GNU tar.
func packed(t *testing.T, dir string) string {
	t.Helper()
	return tool(t, dir, "tar", "--owner=0", "--group=0", "-cf", "-", ".")
}

// TestGoProgram scans a program built here, in the layer that brings it: all modules
// that are in it, at their versions, and the standard library.
func TestGoProgram(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "usr", "local", "bin", "plimsoll")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program, "./cmd/plimsoll")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	at := []string{"usr/local/bin/plimsoll@1"}
	// Built from a folder the program itself is "(devel)", which is no version.
	version, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ")
	want := map[string][]string{"golang stdlib " + version: at, "golang " + info.Main.Path + " ": at}
	for _, m := range info.Deps {
		for m.Replace != nil {
			m = m.Replace
		}
		want["golang "+m.Path+" "+m.Version] = at
	}
	if len(want) < 10 {
		t.Fatalf("the program has only %d modules", len(want))
	}
	image := imagetest.Build(t, imagetest.Spec{Layers: []imagetest.LayerSpec{
		imagetest.Layer(imagetest.Entry{Path: "usr/local/bin/plimsoll", Body: "#!/bin/sh\n", Mode: 0o755}),
		{Tar: []byte(packed(t, dir)), Compression: imagetest.Gzip},
	}})
	s := scanImage(t, "oci:"+imagetest.Layout(t, image), "--no-cache")
	if d := cmp.Diff(want, s.places(func(report.Package) bool { return true })); d != "" {
		t.Errorf("packages (-build info +got):\n%s", d)
	}
}
