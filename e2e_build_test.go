package plimsoll_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/report"
)

// bookworm gives a tar of a real Debian 12 root file system, made by debootstrap from
// Debian's mirror at the first run. What it holds today is not what it held a year ago.
func bookworm(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		imagetest.Skip(t, "debootstrap and buildah are run as root here")
	}
	return cached(t, "bookworm-minbase.tar", func(dir string) {
		cmd := exec.Command(imagetest.Tool(t, "debootstrap"), "--variant=minbase", "bookworm", dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			imagetest.Skip(t, "debootstrap makes no root file system here: "+string(out[max(0, len(out)-500):]))
		}
		for _, unneeded := range []string{
			"var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man",
			"usr/share/zoneinfo", "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/aarch64-linux-gnu/gconv",
		} {
			if err := os.RemoveAll(filepath.Join(dir, unneeded)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// buildah keeps its images in a folder of its own.
type buildah struct {
	t    *testing.T
	root []string
}

func newBuildah(t *testing.T) buildah {
	dir := t.TempDir()
	return buildah{t: t, root: []string{"--storage-driver", "vfs", "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run")}}
}

func (b buildah) run(args ...string) {
	b.t.Helper()
	tool(b.t, "", "buildah", slices.Concat(b.root, args)...)
}

// bud builds the Dockerfile in dir as name.
func (b buildah) bud(name, dir, dockerfile string, args ...string) {
	b.t.Helper()
	put(b.t, filepath.Join(dir, "Dockerfile"), dockerfile)
	b.run(slices.Concat([]string{"bud", "--isolation", "chroot", "--quiet", "--pull-never", "-t", name}, args, []string{dir})...)
}

// layout gives the image as an OCI layout.
func (b buildah) layout(name string) string {
	b.t.Helper()
	dir := filepath.Join(b.t.TempDir(), "layout")
	b.run("push", "--quiet", name, "oci:"+dir+":1")
	return "oci:" + dir
}

// archive gives the image as an archive as docker save writes it.
func (b buildah) archive(name string) string {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "saved.tar")
	b.run("push", "--quiet", name, "docker-archive:"+file+":"+name)
	return "docker-archive:" + file
}

func put(t *testing.T, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
}

// link puts the large file from where a Dockerfile can add it.
func link(t *testing.T, from, to string) {
	t.Helper()
	if os.Link(from, to) != nil {
		tool(t, "", "cp", from, to)
	}
}

func debs(p report.Package) bool   { return p.Type == "deb" }
func nodebs(p report.Package) bool { return p.Type == "pypi" || p.Type == "npm" }

// TestDebian holds the packages of a real Debian against what dpkg itself says is
// installed, as a folder and as an image.
func TestDebian(t *testing.T) {
	base := bookworm(t)
	dir := t.TempDir()
	tool(t, dir, "tar", "--numeric-owner", "-xpf", base)
	said := tool(t, "", "dpkg-query", "--admindir", filepath.Join(dir, "var/lib/dpkg"), "-W", "-f",
		"${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n")
	want := strings.Split(strings.TrimSpace(said), "\n")
	slices.Sort(want)
	advisories := snapshot(t, "debian-tracker,osv-debian")
	scan := func(source string) scanned {
		s := scanImage(t, source, "--advisories", advisories, "--as-of", "2025-02-20", "--no-cache").whole(t)
		var got []string
		for _, p := range s.Packages {
			if debs(p) {
				got = append(got, strings.Join([]string{p.Name, p.Version, p.Arch, p.Source.Name, p.Source.Version}, " "))
			}
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" || len(got) < 50 {
			t.Errorf("%s: %d packages differ from dpkg's (-dpkg +got):\n%s", source, len(got), d)
		}
		if s.Image.OS == nil || s.Image.OS.ID != "debian" || s.Image.OS.VersionID != "12" {
			t.Errorf("%s: distribution %+v", source, s.Image.OS)
		}
		return s
	}
	folder := scan("rootfs:" + dir)
	if len(folder.Findings) == 0 {
		t.Error("no finding at all in a Debian")
	}

	b := newBuildah(t)
	ctx := t.TempDir()
	link(t, base, filepath.Join(ctx, "base.tar"))
	b.bud("localhost/bookworm", ctx, "FROM scratch\nADD base.tar /\n")
	image := scan(b.layout("localhost/bookworm"))
	if image.Summary.Packages != folder.Summary.Packages {
		t.Errorf("%d packages in the image, %d in the folder", image.Summary.Packages, folder.Summary.Packages)
	}
	if d := cmp.Diff(brief(folder), brief(image)); d != "" {
		t.Errorf("findings of folder and image differ (-folder +image):\n%s", d)
	}
}

// brief gives each finding in a line, without where.
func brief(s scanned) []string {
	var out []string
	for _, f := range s.Findings {
		out = append(out, strings.Join([]string{f.ID, f.Package.PURL, f.Severity, f.State, f.FixedVersion}, " "))
	}
	return out
}

const pythonRoot = "usr/lib/python3/dist-packages/"

// TestBuild builds an image whose layers add, delete, overwrite, move and replace what
// lower ones brought, and looks for each package in its layer.
func TestBuild(t *testing.T) {
	base := bookworm(t)
	imagetest.Tool(t, "podman")
	b := newBuildah(t)
	ctx := t.TempDir()
	// Each layer costs a copy of all below it: what no step runs is left out.
	lean := t.TempDir()
	tool(t, lean, "tar", "--numeric-owner", "-xpf", base, "--exclude=./usr/share", "--exclude=perl*", "--exclude=apt",
		"--exclude=systemd", "--exclude=libsystemd*", "--exclude=libgnutls*", "--exclude=libstdc*", "--exclude=libunistring*", "--exclude=libp11*",
		"--exclude=libdb-*", "--exclude=libapt*", "--exclude=libgcrypt*", "--exclude=libmvec*", "--exclude=libcrypto*", "--exclude=libssl*")
	tool(t, lean, "tar", "--numeric-owner", "-cf", filepath.Join(ctx, "base.tar"), ".")
	dist := func(name, version string) {
		put(t, filepath.Join(ctx, "python", name+"-"+version+".dist-info", "METADATA"), "Metadata-Version: 2.1\nName: "+name+"\nVersion: "+version+"\n")
	}
	dist("jinja2", "3.0.0")
	dist("werkzeug", "0.11")
	dist("flask", "2.0.0")
	dist("click", "8.0.0")
	dist("itsdangerous", "2.0.0")
	put(t, filepath.Join(ctx, "app", "node_modules", "minimist", "package.json"), `{"name":"minimist","version":"0.0.8"}`)
	put(t, filepath.Join(ctx, "app", "node_modules", "left-pad", "package.json"), `{"name":"left-pad","version":"1.3.0"}`)
	put(t, filepath.Join(ctx, "new", "node_modules", "minimist", "package.json"), `{"name":"minimist","version":"0.0.8"}`)
	const steps = `FROM scratch
ADD base.tar /
COPY python /` + pythonRoot + `
COPY app /srv/app
RUN rm -r $P/jinja2-3.0.0.dist-info && dpkg --purge --force-remove-essential --force-depends hostname
RUN sed -i s/0.11/3.0.6/ $P/werkzeug-0.11.dist-info/METADATA && chmod 600 $P/flask-2.0.0.dist-info/METADATA
RUN rm -r /srv/app && mkdir /srv/app && mv $P/click-8.0.0.dist-info /srv/ && ln -s /srv/click-8.0.0.dist-info $P
COPY new /srv/app
RUN rm -r $P/itsdangerous-2.0.0.dist-info && echo "a file in its place" > $P/itsdangerous-2.0.0.dist-info
`
	dockerfile := strings.ReplaceAll(steps, "$P", "/"+pythonRoot[:len(pythonRoot)-1])
	b.bud("localhost/app", ctx, dockerfile, "--layers")
	flags := []string{"--advisories", snapshot(t, "debian-tracker,osv-debian,osv-pypi,osv-npm"), "--as-of", "2025-02-20", "--cache-dir", t.TempDir()}
	scan := func(source string) scanned { return scanImage(t, source, flags...) }

	got := scan(b.layout("localhost/app")).whole(t)
	// A copy of a file that only chmod made counts as brought anew.
	want := map[string][]string{
		"pypi werkzeug 3.0.6": {pythonRoot + "werkzeug-0.11.dist-info/METADATA@4"},
		"pypi flask 2.0.0":    {pythonRoot + "flask-2.0.0.dist-info/METADATA@4"},
		"pypi click 8.0.0":    {"srv/click-8.0.0.dist-info/METADATA@5"},
		"npm minimist 0.0.8":  {"srv/app/node_modules/minimist/package.json@6"},
	}
	if d := cmp.Diff(want, got.places(nodebs)); d != "" {
		t.Errorf("packages of languages (-want +got):\n%s", d)
	}
	for name, at := range got.places(debs) {
		if !slices.Equal(at, []string{"var/lib/dpkg/status@0"}) || strings.HasPrefix(name, "deb hostname ") {
			t.Errorf("%s is at %v, want the base", name, at)
		}
	}
	var flawed []string
	for _, f := range got.Findings {
		if !debs(*f.Package) {
			flawed = append(flawed, f.Package.Name+"@"+strconv.Itoa(got.layer(f.Location.Layer)))
		}
	}
	slices.Sort(flawed)
	if flawed = slices.Compact(flawed); !slices.Equal(flawed, []string{"flask@4", "minimist@6"}) {
		t.Errorf("flaws in %v", flawed)
	}
	mustEqual(t, "docker-archive", scan(b.archive("localhost/app")).whole(t), got)

	// In one layer: the same but for the layers.
	b.bud("localhost/squashed", ctx, dockerfile, "--squash")
	squashed := scan(b.layout("localhost/squashed")).whole(t)
	if len(squashed.Image.Layers) != 1 || !slices.Equal(brief(squashed), brief(got)) || squashed.Summary.Packages != got.Summary.Packages {
		t.Errorf("squashed: %d layers, %d packages; findings (-layers +squashed):\n%s",
			len(squashed.Image.Layers), squashed.Summary.Packages, cmp.Diff(brief(got), brief(squashed)))
	}
	mustEqual(t, "squashed docker-archive", scan(b.archive("localhost/squashed")).whole(t), squashed)

	// Without the package database nobody can tell what is left.
	b.bud("localhost/hidden", ctx, "FROM localhost/app\nRUN rm -r /var/lib/dpkg\n", "--layers")
	hidden := scanImage(t, b.layout("localhost/hidden"), append(flags, "--fail-on", "none")...)
	if hidden.code != 3 || !hidden.unknown(inventory.AnalysisPartial) || len(hidden.places(debs)) > 0 || len(hidden.places(nodebs)) != len(want) {
		t.Errorf("deleted database: exit %d, unknowns %v, packages %v", hidden.code, hidden.Unknowns, hidden.places(debs))
	}

	// An upgrade changes the layer of one package alone.
	b.bud("localhost/upgraded", ctx, "FROM localhost/app\nRUN sed -i '/^Package: bash$/,/^$/s/^Version: .*/Version: 99.9-1/' /var/lib/dpkg/status\n", "--layers")
	for name, at := range scan(b.layout("localhost/upgraded")).whole(t).places(debs) {
		want := "var/lib/dpkg/status@0"
		if name == "deb bash 99.9-1" {
			want = "var/lib/dpkg/status@8"
		}
		if !slices.Equal(at, []string{want}) {
			t.Errorf("after the upgrade %s is at %v, want %s", name, at, want)
		}
	}

	// A Podman that works on the same storage gives the same image.
	podman(t, b.root)
	mustEqual(t, "from Podman", scan("podman:localhost/app").whole(t), got)
	if s := scan("podman:localhost/nothing"); s.code != 4 || !s.unknown(inventory.NotFound) {
		t.Errorf("an image that Podman does not have: exit %d, %v", s.code, s.Unknowns)
	}
}

// podman starts its service on the storage that root names, for the scans of this test.
func podman(t *testing.T, root []string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "plimsoll") // a path short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	sock := filepath.Join(dir, "p.sock")
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, imagetest.Tool(t, "podman"), slices.Concat(root,
		[]string{"--cgroup-manager=cgroupfs", "--events-backend=file", "system", "service", "--time=0", "unix://" + sock})...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); cmd.Wait(); os.RemoveAll(dir) })
	t.Setenv("CONTAINER_HOST", "unix://"+sock)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("unix", sock); err == nil {
			c.Close()
			return
		}
	}
	imagetest.Skip(t, "podman does not open its socket here: "+out.String())
}
