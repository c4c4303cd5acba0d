// Command example does the whole job on a machine that has only Go and no network:
// it builds a small image from the recipe in image/, lays the hand-written advisories
// in advisories/ out as a mirror, and runs the real commands on them.
//
//	go run ./example
//	go run ./example -dir /tmp/shop    # keep the image and the snapshot
//
// It ends with 0 if everything worked, though the image it scans is made to fail.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/plimsoll/plimsoll/internal/cli"
)

//go:embed all:image all:advisories
var files embed.FS

func main() {
	dir := flag.String("dir", "", "folder to work in and leave everything in (default: one that is removed again)")
	flag.Parse()
	if err := inFolder(*dir, cli.System()); err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}

// inFolder runs the example in dir, or in a folder of its own if dir is empty. The
// commands are given short relative names, as a person would.
func inFolder(dir string, env cli.Env) (err error) {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "plimsoll-example-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	was, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Chdir(was)) }()
	return run(env)
}

// asOf is the day against which ages are computed. It is fixed, so that the example
// says the same for ever; without the flag it is today.
const asOf = "2026-11-24"

func run(env cli.Env) error {
	// The caches of this run lie beside everything else, not in the user's own.
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	getenv := env.Getenv
	env.Getenv = func(name string) string {
		switch {
		case name == "XDG_CACHE_HOME":
			return filepath.Join(here, "cache")
		case strings.HasPrefix(name, "PLIMSOLL_"):
			return ""
		}
		return getenv(name)
	}
	if err := buildImage("shop.tar"); err != nil {
		return fmt.Errorf("building the image: %w", err)
	}
	if err := layMirror("mirror"); err != nil {
		return fmt.Errorf("laying out the mirror: %w", err)
	}
	fmt.Fprint(env.Stdout, "shop.tar is an image of three layers, mirror/ what a few publishers of advisories serve.\n\n")
	steps := []struct {
		command string
		code    int // that says the step did its work
	}{
		{"advisories build --from mirror --out advisories", 0},
		{"scan oci-archive:shop.tar --advisories advisories --as-of " + asOf, 1},
		{"scan oci-archive:shop.tar --advisories advisories --as-of " + asOf + " -q --fail-on none", 0},
	}
	for _, s := range steps {
		if code := command(env, s.command); code != s.code {
			return fmt.Errorf("plimsoll %s: exit code %d, but %d was expected", s.command, code, s.code)
		}
	}
	fmt.Fprint(env.Stdout, `The example worked. Its image is out of date on purpose: exit code 1 of the first scan is what stops a
pipeline. The second one is told that nothing may fail, and to be quiet.
`)
	return nil
}

// command prints a command line, runs it as the program itself would, and gives its
// exit code.
func command(env cli.Env, line string) int {
	fmt.Fprintln(env.Stdout, "$ plimsoll "+line)
	code := cli.Main(context.Background(), strings.Fields(line), env)
	fmt.Fprintf(env.Stdout, "(exit code %d)\n\n", code)
	return code
}
