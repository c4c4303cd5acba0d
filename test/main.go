// Command test passes all tests of the project. It needs nothing but Go: on Debian as
// root it installs the packages that tests against real programs use; elsewhere it
// names what is missing, and those tests are skipped by name.
//
//	go run ./test              all tests
//	go run ./test -ci          the same with nothing skipped, the race detector, the
//	                           linter, and each fuzz target for a short while
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// programs are what tests use besides Go, with the Debian package that brings each.
var programs = map[string]string{
	"/usr/bin/python3": "python3",
	"bash":             "bash",
	"buildah":          "buildah",
	"cpan":             "perl", // with its modules
	"curl":             "curl",
	"debootstrap":      "debootstrap",
	"docker-registry":  "docker-registry",
	"dockerd":          "docker.io",
	"dpkg":             "dpkg",
	"gcc":              "gcc",
	"git":              "git",
	"node":             "nodejs",
	"npm":              "npm",
	"openssl":          "openssl",
	"podman":           "podman",
	"rpm":              "rpm",
	"skopeo":           "skopeo",
	"sqlite3":          "sqlite3",
	"umoci":            "umoci",
	"zstd":             "zstd",
}

func main() {
	ci := flag.Bool("ci", false, "skip nothing, detect races, lint, fuzz each target for a while")
	fuzz := flag.Duration("fuzz", 0, "fuzz each target this long (with -ci: 5s)")
	run := flag.String("run", "", "only tests whose name matches, as for go test")
	flag.Parse()
	if *ci && *fuzz == 0 {
		*fuzz = 5 * time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := all(ctx, *ci, *fuzz, *run); err != nil {
		fmt.Fprintln(os.Stderr, "test:", err)
		stop()
		os.Exit(1)
	}
}

func all(ctx context.Context, ci bool, fuzz time.Duration, run string) error {
	missing := setUp(ctx)
	if ci && len(missing) > 0 {
		return fmt.Errorf("these programs are missing and nothing may be skipped: %s", strings.Join(missing, ", "))
	}
	env := os.Environ()
	if ci {
		env = append(env, "PLIMSOLL_NO_SKIP=1")
	}
	if err := formatted(ctx); err != nil {
		return err
	}
	if err := step(ctx, env, "go", "vet", "./..."); err != nil {
		return err
	}
	args := []string{"test", "-timeout", "30m"}
	if ci && !slices.Contains(missing, "gcc") {
		args = append(args, "-race")
		env = append(env, "CGO_ENABLED=1")
	}
	if run != "" {
		args = append(args, "-run", run)
	}
	if ci {
		args = append(args, "-count=1")
	}
	if err := step(ctx, env, "go", append(args, "./...")...); err != nil {
		return err
	}
	if ci {
		if err := step(ctx, env, "go", "tool", "-modfile=tools/go.mod", "golangci-lint", "run", "--timeout=20m", "./..."); err != nil {
			return err
		}
	}
	if fuzz > 0 {
		return fuzzAll(ctx, env, fuzz)
	}
	return nil
}

// setUp installs what is missing if it can and gives what still is.
func setUp(ctx context.Context) []string {
	missing, packages := look()
	if len(packages) > 0 && os.Getuid() == 0 && exists("/etc/debian_version") {
		fmt.Println("installing", strings.Join(packages, " "))
		env := append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		err := step(ctx, env, "apt-get", "-qq", "update")
		if err == nil {
			err = step(ctx, env, "apt-get", append([]string{"-qq", "install", "-y", "--no-install-recommends"}, packages...)...)
		}
		if err != nil {
			fmt.Println(" ", err)
		}
		missing, packages = look()
	}
	for i, p := range missing {
		fmt.Printf("%s is not installed (Debian package %s): tests that use it are skipped\n", p, packages[i])
	}
	return missing
}

func look() (missing, packages []string) {
	for p := range programs {
		if _, err := exec.LookPath(p); err != nil && !exists("/usr/sbin/"+p) {
			missing = append(missing, p)
		}
	}
	slices.Sort(missing)
	for _, p := range missing {
		packages = append(packages, programs[p])
	}
	return missing, packages
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func formatted(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "gofmt", "-l", "bench", "cmd", "example", "internal", "test").Output()
	if err != nil {
		return fmt.Errorf("gofmt: %w", err)
	}
	if len(out) > 0 {
		return fmt.Errorf("these files are not formatted: run gofmt -w on\n%s", out)
	}
	return nil
}

func step(ctx context.Context, env []string, name string, args ...string) error {
	fmt.Println("+", name, strings.Join(args, " "))
	begin := time.Now()
	c := exec.CommandContext(ctx, name, args...)
	c.Env, c.Stdout, c.Stderr = env, os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, args[0], err)
	}
	fmt.Printf("  %.0fs\n", time.Since(begin).Seconds())
	return nil
}

var fuzzFunc = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// fuzzAll runs every fuzz target for a while, one after the other.
func fuzzAll(ctx context.Context, env []string, d time.Duration) error {
	targets := map[string][]string{}
	err := filepath.WalkDir("internal", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range fuzzFunc.FindAllSubmatch(b, -1) {
			dir := "./" + filepath.ToSlash(filepath.Dir(path))
			targets[dir] = append(targets[dir], string(m[1]))
		}
		return err
	})
	if err != nil {
		return err
	}
	dirs := make([]string, 0, len(targets))
	for d := range targets {
		dirs = append(dirs, d)
	}
	slices.Sort(dirs)
	var failed []error // each is told, so that one run shows them all
	for _, dir := range dirs {
		for _, f := range targets[dir] {
			if err := fuzzOne(ctx, env, dir, f, d); err != nil {
				failed = append(failed, err)
			}
		}
	}
	return errors.Join(failed...)
}

func fuzzOne(ctx context.Context, env []string, dir, name string, d time.Duration) error {
	fuzz := func() ([]byte, error) {
		c := exec.CommandContext(ctx, "go", "test", "-run=^$", "-fuzz=^"+name+"$", "-fuzztime="+d.String(), "-fuzzminimizetime=10x", "-parallel=2", dir)
		c.Env = env
		return c.CombinedOutput()
	}
	out, err := fuzz()
	if err != nil && bytes.Contains(out, []byte("    context deadline exceeded\n")) && !bytes.Contains(out, []byte("Failing input")) {
		// On a busy machine Go's fuzzer takes its own end for a failure (go.dev/issue/75804):
		// an input that fails or hangs is named, and fails again.
		out, err = fuzz()
	}
	last := ""
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		if strings.HasPrefix(s.Text(), "fuzz: elapsed") {
			last = s.Text()
		}
	}
	fmt.Printf("+ fuzz %s %s: %s\n", dir, name, last)
	if err != nil {
		return fmt.Errorf("fuzzing %s in %s: %w\n%s", name, dir, err, out)
	}
	return nil
}
