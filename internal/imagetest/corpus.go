// Package imagetest makes images, layers and registries for tests. Nothing outside
// tests imports it.
package imagetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Corpus gives the folder of real advisories and images (feeds/ and fixtures/), from
// PLIMSOLL_CORPUS or unpacked from ../shared beside the checkout. Without it the
// test is skipped by name, or fails if PLIMSOLL_NO_SKIP is set.
func Corpus(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("PLIMSOLL_CORPUS"); dir != "" {
		return dir
	}
	_, file, _, _ := runtime.Caller(0)
	unpack := filepath.Join(filepath.Dir(file), "..", "..", "..", "shared", "corpus", "unpack")
	if _, err := os.Stat(unpack); err != nil {
		Skip(t, "the corpus of real advisories and images is not here: set PLIMSOLL_CORPUS to its folder")
	}
	out, err := exec.Command(unpack).Output()
	if err != nil {
		t.Fatalf("unpacking the corpus: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// Tool gives the path of a program that a test needs, or skips the test by name;
// with PLIMSOLL_NO_SKIP set a missing program fails it.
func Tool(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if p := filepath.Join(dir, name); isExecutable(p) {
			return p
		}
	}
	Skip(t, "program "+name+" is not installed")
	return ""
}

func isExecutable(p string) bool {
	st, err := os.Stat(p)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

// Skip skips the test with why, unless PLIMSOLL_NO_SKIP is set: then it fails, so
// that a run meant to be complete cannot pass with tests left out.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("PLIMSOLL_NO_SKIP") != "" {
		t.Fatalf("skips are forbidden here, but: %s", why)
	}
	t.Skip(why)
}
