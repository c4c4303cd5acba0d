package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/cli"
)

// TestExample runs the first run and looks for what its reader is told to look for.
func TestExample(t *testing.T) {
	var out, stderr bytes.Buffer
	env := cli.Env{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &stderr,
		Getenv: func(string) string { return "" }, Width: func(io.Writer) int { return 0 },
	}
	if err := inFolder(t.TempDir(), env); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), stderr.String())
	}
	text := spaced(out.String())
	for _, want := range []string{
		"$ plimsoll advisories build --from mirror --out advisories\n",
		" shards, ",
		"$ plimsoll scan oci-archive:shop.tar --advisories advisories --as-of 2026-11-24\n",
		"example/shop:1.4",
		"Alpine Linux v3.22 (3.22.0) · linux/amd64 · 3 layers · 18 packages",
		"sudo 1.9.16_p2-r1 apk · layer 2 of 3",
		"critical CVE-2025-32463 → 1.9.17_p1-r0 exploited: ",
		"libcrypto3, libssl3 3.5.0-r0 apk from openssl · layer 1 of 3",
		"high CVE-2025-9230 → 3.5.4-r0 ",
		"minimist 1.2.5 npm · layer 3 of 3 · srv/shop/node_modules/minimist/package.json",
		"critical CVE-2020-14343 → 5.4 ",
		"lodash.template 4.5.0",
		"high CVE-2021-23337 no fix ",
		"jinja2 3.1.2 pypi · layer 3 of 3 · named in opt/reports/requirements.txt",
		"low CVE-2024-58251 → 1.37.0-r20 ",
		"FAIL 3 critical · 4 high · 6 medium · 3 low — 15 with a fix",
		"fail critical 3 vulnerabilities",
		"(exit code 1)",
		"--fail-on none\n(exit code 0)",
		"The example worked.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the output does not say %q", want)
		}
	}
	for _, never := range []string{"musl", "zlib", "requests 2", "UNKNOWN", "\x1b"} {
		if strings.Contains(text, never) {
			t.Errorf("the output says %q", never)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
	if !strings.Contains(stderr.String(), "plimsoll: mirror does not have ") {
		t.Errorf("standard error does not say which publishers the mirror lacks:\n%s", stderr.String())
	}
}

// spaced makes one space of each run of them, so that columns may move.
func spaced(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n") + "\n"
}
