package plimsoll_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/plimsoll/plimsoll/internal/cli"
	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/report"
)

// run runs the command line in this process and gives what it wrote.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Main(t.Context(), args, cli.Env{
		Stdin: bytes.NewReader(nil), Stdout: &out, Stderr: &errs,
		Getenv: func(string) string { return "" },
		Width:  func(io.Writer) int { return 0 },
	})
	return code, out.String(), errs.String()
}

// TestAccuracy holds what is found on real artefacts, with real advisories, against
// the counts that docs/accuracy.md gives and explains.
func TestAccuracy(t *testing.T) {
	corpus := imagetest.Corpus(t)
	fixture := func(name string) string { return filepath.Join(corpus, "fixtures", name) }
	snapshot := everyFeed(t, corpus)
	// root makes a root file system of one file of the corpus.
	root := func(osRelease, file, at string) string {
		dir := t.TempDir()
		for path, b := range map[string][]byte{"etc/os-release": []byte(osRelease), at: read(t, fixture(file))} {
			if path == "etc/os-release" && osRelease == "" {
				continue
			}
			p := filepath.Join(dir, path)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return "rootfs:" + dir
	}
	debian := "ID=debian\nVERSION_ID=12\n"
	tests := []struct {
		name   string
		source string
		asOf   string
		// findings; distinct flaws; those of them with a fix; package and advisory pairs; advisories
		findings, flaws, fixable, pairs, advisories int
		unknown                                     string
	}{
		{"alpine 3.10", fixture("images/alpine-310.tar.gz"), "2020-01-01", 20, 11, 11, 20, 11, ""},
		{"alpine 3.11", "docker-archive:" + fixture("images/alpine-311.tar.gz"), "2020-01-01", 45, 24, 24, 45, 24, ""},
		{"debian 12.0", root(debian, "dpkg/bookworm-12.0-SYNTHETIC.status", "var/lib/dpkg/status"), "2025-02-20", 113, 57, 21, 113, 57, ""},
		{"debian 12.15", root(debian, "dpkg/bookworm-12.15-minbase.status", "var/lib/dpkg/status"), "2025-02-20", 74, 36, 0, 74, 36, ""},
		{"amazon linux 2023", root("ID=amzn\nVERSION_ID=2023\n", "rpmdb/amazonlinux2023-plain/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite"), "2025-02-20", 117, 70, 70, 75, 49, ""},
		{"mariner 2.0", root("ID=mariner\nVERSION_ID=2.0\n", "rpmdb/cbl-mariner-2.0/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite"), "2025-02-20", 386, 269, 258, 386, 269, ""},
		{"sle 15 sp3", root("ID=sles\nVERSION_ID=15.3\n", "rpmdb/sle15-bci/Packages.db", "usr/lib/sysimage/rpm/Packages.db"), "2022-02-20", 75, 34, 34, 17, 12, ""},
		{"npm lock file", root("", "lockfiles/npm/package-lock.json", "app/package-lock.json"), "2025-02-20", 5, 5, 5, 5, 5, ""},
		{"pip requirements", root("", "lockfiles/pip/requirements.txt", "app/requirements.txt"), "2025-02-20", 16, 16, 16, 16, 16, ""},
		{"ubuntu 18.04", root("ID=ubuntu\nVERSION_ID=18.04\n", "dpkg/ubuntu-18.04-texlive.status", "var/lib/dpkg/status"), "2020-06-01", 630, 180, 0, 630, 180, ""},
		{"bun lock file", root("", "lockfiles/bun/bun.lock", "app/bun.lock"), "2026-08-22", 5, 5, 5, 5, 5, ""},
		{"cargo lock file", root("", "lockfiles/cargo/Cargo.lock", "app/Cargo.lock"), "2026-08-22", 0, 0, 0, 0, 0, ""},
		{"go.mod", root("", "lockfiles/gomod/go.mod", "app/go.mod"), "2026-08-22", 74, 74, 68, 74, 74, ""},
		{"gradle lock file", root("", "lockfiles/gradle/gradle.lockfile", "app/gradle.lockfile"), "2026-08-22", 68, 68, 68, 68, 68, ""},
		{"mix lock file", root("", "lockfiles/mixlock/mix.lock", "app/mix.lock"), "2026-08-22", 6, 6, 6, 6, 6, ""},
		{"nuget lock file", root("", "lockfiles/nuget/packages.lock.json", "app/packages.lock.json"), "2026-08-22", 2, 2, 2, 2, 2, ""},
		{"pipenv lock file", root("", "lockfiles/pipenv/Pipfile.lock", "app/Pipfile.lock"), "2026-08-22", 11, 11, 11, 11, 11, ""},
		{"pnpm lock file", root("", "lockfiles/pnpm/pnpm-lock.yaml", "app/pnpm-lock.yaml"), "2026-08-22", 13, 13, 12, 13, 13, ""},
		{"pom", root("", "lockfiles/pom/pom.xml", "app/pom.xml"), "2026-08-22", 68, 68, 68, 68, 68, ""},
		{"pylock", root("", "lockfiles/pylock/pylock.toml", "app/pylock.toml"), "2026-08-22", 11, 11, 11, 11, 11, ""},
		{"sbt lock file", root("", "lockfiles/sbt/build.sbt.lock", "app/build.sbt.lock"), "2026-08-22", 68, 68, 68, 68, 68, ""},
		{"uv lock file", root("", "lockfiles/uv/uv.lock", "app/uv.lock"), "2026-08-22", 11, 11, 11, 11, 11, ""},
		{"yarn lock file", root("", "lockfiles/yarn/yarn.lock", "app/yarn.lock"), "2026-08-22", 5, 5, 5, 5, 5, ""},
		{"java archive", root("", "jars/trivy-test.jar", "app/app.jar"), "2026-08-22", 1, 1, 1, 1, 1, ""},
		// No advisories for these ecosystems in the mirror: unknown, never clean.
		{"conan lock file", root("", "lockfiles/conan/conan.lock", "app/conan.lock"), "2026-08-22", 0, 0, 0, 0, 0, "analysis_partial"},
		{"pubspec lock file", root("", "lockfiles/pubspec/pubspec.lock", "app/pubspec.lock"), "2026-08-22", 0, 0, 0, 0, 0, "analysis_partial"},
		{"podfile lock file", root("", "lockfiles/cocoapods/Podfile.lock", "app/Podfile.lock"), "2026-08-22", 0, 0, 0, 0, 0, "no_packages_identified"},
		{"java war", root("", "jars/trivy-maven.war", "app/app.war"), "2025-02-20", 21, 21, 21, 21, 21, ""},
		{"alpine 3.10 after its end of life", fixture("images/alpine-310.tar.gz"), "2025-02-20", 20, 11, 11, 20, 11, "distro_eol"},
	}
	cache := t.TempDir()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"scan", tt.source, "--advisories", snapshot, "--as-of", tt.asOf, "-f", "json", "--no-timing", "--cache-dir", cache}
			code, out, stderr := run(t, args...)
			var r report.Report
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("exit %d, %v: %s", code, err, stderr)
			}
			flaws, fixable, pairs, advisories := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
			for _, f := range r.Findings {
				flaws[f.ID] = true
				if f.FixedVersion != "" {
					fixable[f.ID] = true
				}
				pairs[f.Package.Name+" "+f.Package.Arch+" "+f.Advisory] = true
				advisories[f.Advisory] = true
			}
			got := []int{len(r.Findings), len(flaws), len(fixable), len(pairs), len(advisories)}
			want := []int{tt.findings, tt.flaws, tt.fixable, tt.pairs, tt.advisories}
			if !slices.Equal(got, want) {
				t.Errorf("findings, flaws, fixable, pairs, advisories: %v, want %v", got, want)
			}
			var reasons []string
			for _, u := range r.Unknowns {
				reasons = append(reasons, string(u.Reason))
			}
			if tt.unknown == "" && len(reasons) > 0 || tt.unknown != "" && !slices.Contains(reasons, tt.unknown) {
				t.Errorf("unknowns %+v, want %q", r.Unknowns, tt.unknown)
			}
			if _, again, _ := run(t, args...); again != out {
				t.Error("the same scan again gives other bytes")
			}
		})
	}
}

// program builds the program without the race detector, for what would take minutes
// with it and for tests of several processes.
func program(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "plimsoll")
	c := exec.Command("go", "build", "-o", bin, "./cmd/plimsoll")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return bin
}

// build runs bin to build a snapshot of feeds of the corpus.
func build(t *testing.T, bin, corpus, out string, args ...string) {
	t.Helper()
	c := exec.Command(bin, append([]string{"advisories", "build", "-q", "--from", filepath.Join(corpus, "feeds"), "--out", out}, args...)...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("building the snapshot: %v\n%s", err, out)
	}
}

// everyFeed builds the snapshot of all feeds of the corpus.
func everyFeed(t *testing.T, corpus string) string {
	t.Helper()
	snapshot := filepath.Join(t.TempDir(), "advisories")
	build(t, program(t), corpus, snapshot)
	return snapshot
}

// TestManyProcesses scans from 64 processes that share a cache and a snapshot, while
// others update the snapshot without pause.
func TestManyProcesses(t *testing.T) {
	corpus, bin := imagetest.Corpus(t), program(t)
	dir, cache := filepath.Join(t.TempDir(), "advisories"), t.TempDir()
	on := func(day int) {
		build(t, bin, corpus, dir, "--only", "alpine-secdb", "--date", fmt.Sprintf("2026-01-%02d", day))
	}
	on(1)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			var out, errs bytes.Buffer
			c := exec.Command(bin, "scan", filepath.Join(corpus, "fixtures/images/alpine-310.tar.gz"), "--advisories", dir, "--cache-dir", cache, "-f", "json", "--no-timing", "--fail-on", "none")
			c.Stdout, c.Stderr = &out, &errs
			_ = c.Run() // unknown, as its support has ended
			var r report.Report
			if err := json.Unmarshal(out.Bytes(), &r); err != nil || len(r.Findings) != 20 || c.ProcessState.ExitCode() != 3 || errs.Len() > 0 {
				t.Errorf("exit %d, %d findings, %v: %s", c.ProcessState.ExitCode(), len(r.Findings), err, errs.String())
			}
		})
	}
	for day := range 5 {
		on(2 + day)
	}
	wg.Wait()
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
