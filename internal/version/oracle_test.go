package version

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/semver"

	"github.com/plimsoll/plimsoll/internal/imagetest"
)

// examplePairs gives n pairs of near-equal versions, the same ones in every run.
func examplePairs(s Scheme, n int) [][2]string {
	gen := near(s, 2)
	pairs := make([][2]string, n)
	for i := range pairs {
		vs := gen.Example(i)
		pairs[i] = [2]string{vs[0], vs[1]}
	}
	return pairs
}

// chainPairs gives the neighbours in the table of traps.
func chainPairs(s Scheme) [][2]string {
	var pairs [][2]string
	for i, v := range chains[s][1:] {
		pairs = append(pairs, [2]string{strings.TrimPrefix(chains[s][i], "="), strings.TrimPrefix(v, "=")})
	}
	return pairs
}

func TestDebAgainstDpkg(t *testing.T) {
	dpkg := imagetest.Tool(t, "dpkg")
	pairs := append(examplePairs(Deb, 600), chainPairs(Deb)...)
	// dpkg compares one pair a run; a few runs go at once.
	var wg sync.WaitGroup
	work := make(chan [2]string)
	for range 4 {
		wg.Go(func() {
			for p := range work {
				want, err := askDpkg(dpkg, p[0], p[1])
				if err != nil {
					t.Error(err)
				} else if got := mustCompare(t, Deb, p[0], p[1]); got != want {
					t.Errorf("Compare(%q, %q) is %d, but dpkg says %d", p[0], p[1], got, want)
				}
			}
		})
	}
	for _, p := range pairs {
		work <- p
	}
	close(work)
	wg.Wait()
}

func askDpkg(dpkg, a, b string) (int, error) {
	for relation, want := range map[string]int{"lt": -1, "eq": 0, "gt": 1} {
		err := exec.Command(dpkg, "--compare-versions", a, relation, b).Run()
		var exit *exec.ExitError
		switch {
		case err == nil:
			return want, nil
		case !errors.As(err, &exit) || exit.ExitCode() != 1:
			return 0, fmt.Errorf("dpkg --compare-versions %q %s %q: %v", a, relation, b, err)
		}
	}
	return 0, fmt.Errorf("dpkg gives no order between %q and %q", a, b)
}

func TestDebValidityAgainstDpkg(t *testing.T) {
	dpkg := imagetest.Tool(t, "dpkg")
	for _, v := range []string{"a:1", ":1", "1:", "1.0-", "-1", "3000000000:1", "1 0", "1.0", "1:1.0-1", "2147483647:1", "1:1:1-1", "x1"} {
		var stderr bytes.Buffer
		cmd := exec.Command(dpkg, "--compare-versions", v, "eq", v)
		cmd.Stderr = &stderr
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		_ = cmd.Run()
		refused := strings.Contains(stderr.String(), "error:")
		if err := Deb.Valid(v); (err != nil) != refused {
			t.Errorf("Valid(%q) = %v, but dpkg says %q", v, err, stderr.String())
		}
	}
}

func TestRPMAgainstRPM(t *testing.T) {
	rpm := imagetest.Tool(t, "rpm")
	var pairs [][2]string
	for _, p := range append(examplePairs(RPM, 6000), chainPairs(RPM)...) {
		// rpm.vercmp sorts a missing release first; that order is tested as the total one.
		if !strings.ContainsAny(p[0]+p[1], "%{}'\"") {
			pairs = append(pairs, p)
		}
	}
	var in bytes.Buffer
	for _, p := range pairs {
		fmt.Fprintf(&in, "%s %s\n", p[0], p[1])
	}
	file := filepath.Join(t.TempDir(), "pairs")
	if err := os.WriteFile(file, in.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	// Lua's own classes are out, as rpm expands % first.
	script := fmt.Sprintf(`%%{lua: for l in io.lines("%s") do local a, b = l:match("([^ ]+) ([^ ]+)"); print(rpm.vercmp(a, b), "\n") end}`, file)
	out, err := exec.Command(rpm, "--eval", script).CombinedOutput()
	if err != nil {
		t.Fatalf("rpm --eval: %v: %s", err, out)
	}
	answers := strings.Fields(string(out))
	if len(answers) != len(pairs) {
		t.Fatalf("%d pairs, but rpm gave %d answers: %.200s", len(pairs), len(answers), out)
	}
	for i, p := range pairs {
		want, err := strconv.Atoi(answers[i])
		if err != nil {
			t.Fatalf("rpm says %q", answers[i])
		}
		if got := RPM.order(p[0], p[1]); got != want {
			t.Errorf("%q to %q is %d, but rpm says %d", p[0], p[1], got, want)
		}
		if sameShape(RPM, p[0], p[1]) && mustCompare(t, RPM, p[0], p[1]) != want {
			t.Errorf("Compare(%q, %q) is not %d, as rpm says", p[0], p[1], want)
		}
	}
}

// TestGoAgainstModules compares module versions with the go command's own order.
func TestGoAgainstModules(t *testing.T) {
	n := 0
	for _, p := range append(examplePairs(Go, 6000), chainPairs(Go)...) {
		a, b := "v"+strings.TrimPrefix(p[0], "v"), "v"+strings.TrimPrefix(p[1], "v")
		if !semver.IsValid(a) || !semver.IsValid(b) {
			continue
		}
		n++
		if got, want := mustCompare(t, Go, p[0], p[1]), semver.Compare(a, b); got != want {
			t.Errorf("Compare(%q, %q) is %d, but the go command says %d", p[0], p[1], got, want)
		}
	}
	if n < 500 {
		t.Errorf("only %d pairs are module versions", n)
	}
}
