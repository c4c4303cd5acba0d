// Package cli is the command line: it turns flags and environment into plain structs,
// wires the rooms for one run, and maps errors to exit codes.
//
// Rules of the terminal: standard output carries the report and nothing else;
// everything said to the person goes to standard error, in lower case with the
// prefix "plimsoll:"; colour and progress only where the stream is a terminal and
// NO_COLOR is not set; every refusal says what to do instead.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/plimsoll/plimsoll/internal/report"
)

// Env is everything a run takes from the process it runs in, so that tests can run
// the whole program in theirs.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Getenv looks up an environment variable; "" if it is not set.
	Getenv func(string) string
	// Width gives the columns of the terminal that w is, or 0 if it is none.
	Width func(w io.Writer) int
}

// System is the Env of this process.
func System() Env {
	return Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Width: width}
}

func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// Main runs the command line args (without the program's name) and gives the exit code:
// 0 pass or warn, 1 policy failed, 2 usage or configuration, 3 verdict unknown or
// analysis error, 4 input not found or authentication refused, 5 server unreachable.
func Main(ctx context.Context, args []string, env Env) int {
	root := newRoot(env)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitPass
	}
	code, msg, list := classify(err)
	if msg != "" {
		say(env, msg)
	}
	for _, line := range list {
		fmt.Fprintln(env.Stderr, "  "+report.Printable(line))
	}
	return code
}

// say tells the person something, on one line: names in it may come from an image.
func say(env Env, msg string) {
	fmt.Fprintln(env.Stderr, "plimsoll: "+report.Printable(msg))
}

func newRoot(env Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "plimsoll",
		Short: "Scan container images and give one verdict everywhere",
		Long: `Plimsoll says what is inside a container image, what is known against it, and
whether it may pass.

Exit codes: 0 pass or warn · 1 policy failed · 2 usage or configuration error ·
3 verdict unknown or analysis error · 4 input not found or authentication refused ·
5 server unreachable while required`,
		Version:       Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          subcommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetIn(env.Stdin)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%v: see %s --help", err, c.CommandPath())
	})
	root.SetVersionTemplate("plimsoll {{.Version}}\n")
	root.AddCommand(newScan(env), newConvert(env), newAdvisories(env), newVersion(env))
	return root
}

func newVersion(env Env) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: none,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(env.Stdout, "plimsoll "+Version())
			return err
		},
	}
}

// Version is the module's version from the build, or the commit it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v != "" && v != "(devel)" {
		return v
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	if commit == "" {
		return "devel"
	}
	return "devel-" + commit + dirty
}

// subcommand refuses what is not the name of a command below c.
func subcommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("there is no command %q: see %s --help", args[0], c.CommandPath())
	}
	return nil
}

// none wants no argument.
func none(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes flags only, but there is %q: see %s --help", c.CommandPath(), args[0], c.CommandPath())
	}
	return nil
}

// one wants exactly one argument, called name in the refusal.
func one(name, example string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usage("which %s? for example: %s", name, example)
		case len(args) > 1:
			return usage("one %s at a time, but there are %d: %s", name, len(args), strings.Join(args, " "))
		}
		return nil
	}
}

// build names this build of the program and no other: builds that are not of a release
// have the version of another, but not the file. It is empty if there is no telling.
func build() string {
	name, err := os.Executable()
	if err != nil {
		return ""
	}
	st, err := os.Stat(name)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s %d %d", Version(), st.Size(), st.ModTime().UnixNano())
}
