package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/plimsoll/plimsoll/internal/cli"
	"github.com/plimsoll/plimsoll/internal/report"
)

var update = flag.Bool("update", false, "rewrite the expected outputs in testdata/script")

// TestScripts runs the scripts in testdata/script against the whole program, in this
// process. Besides testscript's own commands they have
//
//	plimsoll ARG… [<FILE]        run the program; it must end with exit code 0
//	exits CODE ARG… [<FILE]      run the program; it must end with CODE
//	image FORMAT OUT FLAG… DIR…  write images; see image in scriptdata_test.go
//	mirror OUT DIR               lay DIR out as a mirror of the publishers
//	serve DIR                    serve DIR by HTTP; its address is in $MIRROR
//	refuse STATUS                a server that answers all with STATUS; its host is in $HOST
//	json FILE PATH VALUE         the value at PATH ("a.0.b") of FILE; "len" is a length
//	pick FILE PATH OUT           write what is at PATH to OUT
//	valid FILE                   FILE holds to the published schema
//	plain FILE                   nothing in FILE acts upon a terminal
//	narrow FILE WIDTH            no line of FILE is wider than WIDTH columns
//	pack FILE, cut FILE BYTES    compress a file with gzip; cut it to its first bytes
//
// WIDTH is the width of the terminal that the program believes to write to. All of
// testdata/shared lies in the working folder.
func TestScripts(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	testdata, err := filepath.Abs("testdata") // the working folder changes
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join(testdata, "script"), UpdateScripts: *update, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, "XDG_CACHE_HOME="+filepath.Join(env.WorkDir, ".cache"))
			return os.CopyFS(env.WorkDir, os.DirFS(filepath.Join(testdata, "shared")))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"plimsoll": func(ts *testscript.TestScript, neg bool, args []string) { program(ts, "0", args) },
			"exits":    func(ts *testscript.TestScript, neg bool, args []string) { program(ts, args[0], args[1:]) },
			"image":    image, "mirror": mirror, "pack": pack, "cut": cut,
			"serve": serve, "refuse": refuse, "json": jsonAt, "pick": pick, "valid": valid, "plain": plain, "narrow": narrow,
		},
	})
}

// cwd is held while a script runs the program, because the working folder belongs to
// the whole process.
var cwd sync.Mutex

func program(ts *testscript.TestScript, want string, args []string) {
	code, err := strconv.Atoi(want)
	ts.Check(err)
	stdin := io.Reader(strings.NewReader(""))
	if n := len(args) - 1; n >= 0 && strings.HasPrefix(args[n], "<") {
		f, err := os.Open(ts.MkAbs(args[n][1:]))
		ts.Check(err)
		defer f.Close()
		stdin, args = f, args[:n]
	}
	env := cli.Env{
		Stdin: stdin, Stdout: ts.Stdout(), Stderr: ts.Stderr(), Getenv: ts.Getenv,
		Width: func(io.Writer) int { n, _ := strconv.Atoi(ts.Getenv("WIDTH")); return n },
	}
	got := in(ts, func() int { return cli.Main(context.Background(), args, env) })
	if got != code {
		ts.Fatalf("exit code %d, want %d", got, code)
	}
}

// in runs f in the script's working folder.
func in(ts *testscript.TestScript, f func() int) int {
	cwd.Lock()
	defer cwd.Unlock()
	was, err := os.Getwd()
	ts.Check(err)
	ts.Check(os.Chdir(ts.MkAbs(".")))
	defer os.Chdir(was)
	return f()
}

func serve(ts *testscript.TestScript, _ bool, args []string) {
	s := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	ts.Defer(s.Close)
	ts.Setenv("MIRROR", s.URL)
}

func refuse(ts *testscript.TestScript, _ bool, args []string) {
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if code == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		}
		w.WriteHeader(code)
	}))
	ts.Defer(s.Close)
	ts.Setenv("HOST", strings.TrimPrefix(s.URL, "http://"))
}

// at gives the value at path of a JSON document.
func at(ts *testscript.TestScript, file, path string) any {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(file)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		ts.Fatalf("%s is no JSON: %v", file, err)
	}
	for _, key := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			if key == "len" {
				v = json.Number(strconv.Itoa(len(x)))
				continue
			}
			got, ok := x[key]
			if !ok {
				ts.Fatalf("%s: there is no %q at %s", file, key, path)
			}
			v = got
		case []any:
			if key == "len" {
				v = json.Number(strconv.Itoa(len(x)))
				continue
			}
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(x) {
				ts.Fatalf("%s: there is no %q in the %d items at %s", file, key, len(x), path)
			}
			v = x[i]
		default:
			ts.Fatalf("%s: %q at %s is %v", file, key, path, v)
		}
	}
	return v
}

func jsonAt(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH VALUE")
	}
	if got := fmt.Sprint(at(ts, args[0], args[1])); (got == args[2]) == neg {
		ts.Fatalf("%s: %s is %q", args[0], args[1], got)
	}
}

func pick(ts *testscript.TestScript, _ bool, args []string) {
	b, err := json.MarshalIndent(at(ts, args[0], args[1]), "", " ")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), append(b, '\n'), 0o644))
}

func valid(ts *testscript.TestScript, neg bool, args []string) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(report.JSONSchema))
	ts.Check(err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	// A relative name would hang on the working folder, which other scripts change.
	ts.Check(c.AddResource("urn:plimsoll:report", doc))
	schema, err := c.Compile("urn:plimsoll:report")
	ts.Check(err)
	got, err := jsonschema.UnmarshalJSON(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	if err := schema.Validate(got); (err != nil) != neg {
		ts.Fatalf("%s against the schema: %v", args[0], err)
	}
}

// plain looks for what Printable must have replaced.
func plain(ts *testscript.TestScript, _ bool, args []string) {
	for i, line := range strings.Split(ts.ReadFile(args[0]), "\n") {
		if strings.ContainsFunc(line, func(r rune) bool {
			return r < ' ' || 0x7f <= r && r < 0xa0 || 0x200b <= r && r <= 0x200f || 0x2028 <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069
		}) {
			ts.Fatalf("line %d of %s is not plain: %q", i+1, args[0], line)
		}
	}
}
