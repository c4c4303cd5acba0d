package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll/internal/report"
)

func newConvert(env Env) *cobra.Command {
	var formats, files []string
	var suppressed bool
	c := &cobra.Command{
		Use:   "convert FILE",
		Short: "Write a saved JSON report in other formats",
		Long: `Convert reads a report that scan wrote as JSON, or - for standard input, and writes it
in other formats. Nothing is scanned or judged again; the exit code does not tell the verdict.`,
		Example: `  plimsoll scan alpine:3.20 -f json -o report.json
  plimsoll convert report.json -f sarif -o sarif=report.sarif -o html=report.html`,
		Args: one("report", "plimsoll convert report.json -f sarif"),
		RunE: func(_ *cobra.Command, args []string) error {
			outs, err := outputs(formats, files, false)
			if err != nil {
				return err
			}
			d, err := readReport(env, args[0])
			if err != nil {
				return err
			}
			return writeAll(env, outs, d, suppressed)
		},
	}
	f := c.Flags()
	f.StringArrayVarP(&formats, "format", "f", nil, formatHelp()+"; may be repeated (default: table)")
	f.StringArrayVarP(&files, "output", "o", nil, "write the report to this FILE, or FORMAT=FILE, instead of standard output; may be repeated")
	f.BoolVar(&suppressed, "show-suppressed", false, "list in the table what VEX statements suppress")
	return c
}

func readReport(env Env, name string) (report.Document, error) {
	in := env.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			code := exitUsage
			if errors.Is(err, fs.ErrNotExist) {
				code = exitNotFound
			}
			return report.Document{}, &exit{code: code, msg: err.Error()}
		}
		defer f.Close()
		in = io.Reader(f)
	}
	d, err := report.Read(in)
	if err != nil {
		return report.Document{}, &exit{code: exitUsage, msg: err.Error() + "; it must be what plimsoll scan -f json wrote"}
	}
	return d, nil
}
