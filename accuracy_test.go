package plimsoll_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
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
	snapshot := t.TempDir()
	code, _, stderr := run(t, "advisories", "build", "--from", filepath.Join(corpus, "feeds"), "--out", snapshot,
		"--only", "alpine-secdb,debian-tracker,osv-debian,osv-suse,osv-npm,osv-pypi,osv-maven,amazon-linux-2023,mariner-2.0,cisa-kev,epss")
	if code != 0 {
		t.Fatalf("building the snapshot: exit %d: %s", code, stderr)
	}
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

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
