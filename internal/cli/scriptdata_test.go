package cli_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"charm.land/lipgloss/v2"
	"github.com/rogpeppe/go-internal/testscript"

	img "github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
)

// tb lets imagetest fail a script.
type tb struct {
	testing.TB
	ts *testscript.TestScript
}

func (t tb) Helper()                           {}
func (t tb) Fatal(args ...any)                 { t.ts.Fatalf("%v", args...) }
func (t tb) Fatalf(format string, args ...any) { t.ts.Fatalf(format, args...) }

// hostile replaces words in braces, in file names too, as a script cannot hold them.
var hostile = strings.NewReplacer(
	"{ESC}", "\x1b", "{NL}", "\n", "{BEL}", "\a", "{RLO}", "\u202e", "{ZWSP}", "\u200b", "{CSI}", "\u009b",
	"{BAD}", "\xff", "{BIG}", strings.Repeat(" ", 2<<20))

// image writes images made of folders:
//
//	image FORMAT OUT [-gzip|-zstd] [-swap] [-index NAME] [-attest] [-chart] DIR…
//
// FORMAT is docker, docker-old, oci, oci-archive or blobs. Each folder in DIR is a
// layer, the first by name the base; the files NAME and PLATFORM in DIR say what the
// image is called and for. -swap stores another last layer than the manifest promises,
// -index puts all into one index, -attest adds an attestation and -chart a Helm chart.
func image(ts *testscript.TestScript, _ bool, args []string) {
	t := tb{ts: ts}
	if len(args) < 2 {
		ts.Fatalf("usage: image FORMAT OUT FLAG… DIR…")
	}
	format, out := args[0], ts.MkAbs(args[1])
	var packed imagetest.Compression
	var swap, attest, chart bool
	index := ""
	var built []*imagetest.Built
	for i := 2; i < len(args); i++ {
		switch a := args[i]; a {
		case "-gzip", "-zstd":
			packed = imagetest.Compression(a[1:])
		case "-swap":
			swap = true
		case "-attest":
			attest = true
		case "-chart":
			chart = true
		case "-index":
			i++
			index = args[i]
		default:
			built = append(built, imagetest.Build(t, spec(ts, args[i], packed)))
		}
	}
	if swap {
		b := built[0]
		last := len(b.Layers) - 1
		other := bytes.Clone(b.Layers[last])
		at := bytes.Index(other, []byte(`"name"`)) // same size and form, another content
		copy(other[at:], `"eman"`)
		b.Blobs[img.Sum(b.Layers[last])] = other
		b.Tars[last] = other
	}
	if attest {
		a := &imagetest.Built{Desc: img.Descriptor{Digest: img.Sum(nil)}}
		if len(built) > 0 {
			a = built[0]
		}
		built = append(built, imagetest.Attestation(t, a))
	}
	if chart {
		built = append(built, imagetest.Artifact(t, "", "application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "chart"))
	}
	if index != "" {
		built = []*imagetest.Built{imagetest.Index(t, index, built...)}
	}
	switch format {
	case "docker":
		ts.Check(os.WriteFile(out, imagetest.DockerArchive(t, built...), 0o644))
	case "docker-old":
		ts.Check(os.WriteFile(out, imagetest.OldDockerArchive(t, built...), 0o644))
	case "oci-archive":
		ts.Check(os.WriteFile(out, imagetest.OCIArchive(t, built...), 0o644))
	case "oci":
		for _, e := range imagetest.OCIFiles(t, built...) {
			writeFile(ts, filepath.Join(out, filepath.FromSlash(e.Path)), []byte(e.Body))
		}
	default:
		ts.Fatalf("there is no format %q", format)
	}
}

func writeFile(ts *testscript.TestScript, path string, body []byte) {
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(os.WriteFile(path, body, 0o644))
}

func spec(ts *testscript.TestScript, dir string, packed imagetest.Compression) imagetest.Spec {
	root := ts.MkAbs(dir)
	entries, err := os.ReadDir(root)
	ts.Check(err)
	s := imagetest.Spec{Platform: img.Platform{OS: "linux", Arch: "amd64"}}
	for _, e := range entries {
		if !e.IsDir() {
			text := strings.TrimSpace(ts.ReadFile(filepath.Join(root, e.Name())))
			switch e.Name() {
			case "NAME":
				s.Name = hostile.Replace(text)
			case "PLATFORM":
				s.Platform, err = img.ParsePlatform(text)
				ts.Check(err)
			}
			continue
		}
		var files []imagetest.Entry
		layer := filepath.Join(root, e.Name())
		ts.Check(filepath.WalkDir(layer, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			body, err := os.ReadFile(path)
			name, _ := filepath.Rel(layer, path)
			files = append(files, imagetest.Entry{Path: hostile.Replace(filepath.ToSlash(name)), Body: hostile.Replace(string(body))})
			return err
		}))
		if len(files) == 1 && files[0].Path == "EMPTY" {
			files = nil
		}
		s.Layers = append(s.Layers, imagetest.Layer(files...).With(packed))
	}
	return s
}

// mirror lays advisories out as their publishers serve them. In DIR stand, each if
// wanted: alpine/RELEASE/REPO.json, osv/ECOSYSTEM/ID.json, hub/ACCOUNT/…, kev.json and
// epss.csv.
func mirror(ts *testscript.TestScript, _ bool, args []string) {
	out, from := ts.MkAbs(args[0]), ts.MkAbs(args[1])
	put := func(name string, body []byte) { writeFile(ts, filepath.Join(out, filepath.FromSlash(name)), body) }
	each := func(pattern string, do func(rel string, body []byte)) {
		names, err := filepath.Glob(filepath.Join(from, filepath.FromSlash(pattern)))
		ts.Check(err)
		for _, n := range names {
			body, err := os.ReadFile(n)
			ts.Check(err)
			rel, _ := filepath.Rel(from, n)
			do(filepath.ToSlash(rel), body)
		}
	}
	const alpine = "secdb.alpinelinux.org/"
	var releases []string
	each("alpine/*/*.json", func(rel string, body []byte) {
		rel = strings.TrimPrefix(rel, "alpine/")
		put(alpine+rel, body)
		if dir, _, _ := strings.Cut(rel, "/"); !slices.Contains(releases, dir) {
			releases = append(releases, dir)
		}
	})
	each("alpine/last-update", func(_ string, body []byte) { put(alpine+"last-update", body) })
	if len(releases) > 0 {
		page := ""
		for _, r := range releases {
			page += `<a href="` + r + `/">` + r + "/</a>\n"
		}
		put(alpine+"index.html", []byte(page))
	}
	archives, err := filepath.Glob(filepath.Join(from, "osv", "*"))
	ts.Check(err)
	for _, dir := range archives {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		each("osv/"+filepath.Base(dir)+"/*", func(rel string, body []byte) {
			w, err := z.Create(filepath.Base(rel))
			ts.Check(err)
			_, err = w.Write([]byte(hostile.Replace(string(body))))
			ts.Check(err)
		})
		ts.Check(z.Close())
		put("osv-vulnerabilities.storage.googleapis.com/"+filepath.Base(dir)+"/all.zip", b.Bytes())
	}
	hubs, err := filepath.Glob(filepath.Join(from, "hub", "*"))
	ts.Check(err)
	for _, dir := range hubs {
		put("github.com/"+filepath.Base(dir)+"/vexhub/archive/refs/heads/main.tar.gz", gzipped(ts, hubTar(ts, dir)))
	}
	each("kev.json", func(_ string, body []byte) {
		put("www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json", body)
	})
	each("epss.csv", func(_ string, body []byte) { put("epss.cyentia.com/epss_scores-current.csv.gz", gzipped(ts, body)) })
}

// hubTar packs a folder the way GitHub serves a repository.
func hubTar(ts *testscript.TestScript, dir string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	ts.Check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: "vexhub-main/" + filepath.ToSlash(rel), Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err = w.Write(body)
		return err
	}))
	ts.Check(w.Close())
	return b.Bytes()
}

func gzipped(ts *testscript.TestScript, body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(body)
	ts.Check(err)
	ts.Check(z.Close())
	return b.Bytes()
}

// pack compresses a file with gzip under its own name.
func pack(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), gzipped(ts, []byte(ts.ReadFile(args[0]))), 0o644))
}

// cut leaves the first bytes of a file, or drops the last if the number is negative.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	body := ts.ReadFile(args[0])
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n < 0 {
		n += len(body)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(body[:n]), 0o644))
}

func narrow(ts *testscript.TestScript, _ bool, args []string) {
	width, err := strconv.Atoi(args[1])
	ts.Check(err)
	for i, line := range strings.Split(ts.ReadFile(args[0]), "\n") {
		if w := lipgloss.Width(line); w > width {
			ts.Fatalf("line %d of %s has %d columns: %s", i+1, args[0], w, line)
		}
	}
}
