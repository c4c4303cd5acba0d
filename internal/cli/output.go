package cli

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/report"
)

// output is a format and where the document goes in it; standard output for no file.
type output struct {
	report.Format
	file string
}

// formatHelp lists the formats.
func formatHelp() string {
	var names []string
	for _, f := range report.Formats() {
		names = append(names, f.Name)
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// outputs reads --format and --output: a file named FORMAT=FILE is for that format, one
// without is for the only format that has none. What has no file goes to standard output.
func outputs(formats, files []string, quiet bool) ([]output, error) {
	var out []output
	named := func(name string) (int, error) {
		f, ok := report.FormatNamed(name)
		if !ok {
			return 0, usage("--format %s: want %s", name, formatHelp())
		}
		if i := slices.IndexFunc(out, func(o output) bool { return o.Name == name }); i >= 0 {
			return i, nil
		}
		out = append(out, output{Format: f})
		return len(out) - 1, nil
	}
	for _, name := range formats {
		if _, err := named(name); err != nil {
			return nil, err
		}
	}
	plain := ""
	for _, file := range files {
		name, path, ok := strings.Cut(file, "=")
		if _, known := report.FormatNamed(name); !ok || !known {
			if plain != "" {
				return nil, usage("--output %s: there is a file without a format already: write FORMAT=FILE", file)
			}
			plain = file
			continue
		}
		i, err := named(name)
		switch {
		case err != nil:
			return nil, err
		case path == "" || out[i].file != "" || slices.ContainsFunc(out, func(o output) bool { return o.file == path }):
			return nil, usage("--output %s: want one file for each format", file)
		}
		out[i].file = path
	}
	if len(out) == 0 && !(quiet && plain == "") {
		if _, err := named("table"); err != nil {
			return nil, err
		}
	}
	open := slices.DeleteFunc(slices.Clone(out), func(o output) bool { return o.file != "" })
	switch {
	case plain != "" && (len(open) != 1 || slices.ContainsFunc(out, func(o output) bool { return o.file == plain })):
		return nil, usage("--output %s: for which format? Write FORMAT=FILE", plain)
	case plain != "":
		out[slices.IndexFunc(out, func(o output) bool { return o.file == "" })].file = plain
	case len(open) > 1:
		return nil, usage("--format %s and %s: only one can go to standard output; name files with --output FORMAT=FILE", open[0].Name, open[1].Name)
	}
	return out, nil
}

// writeAll writes d to every output.
func writeAll(env Env, outs []output, d report.Document, suppressed bool) error {
	for _, o := range outs {
		if err := writeOne(env, o, d, suppressed); err != nil {
			return err
		}
		if summary := env.Getenv("GITHUB_STEP_SUMMARY"); o.Name == "github" && summary != "" {
			if err := appendSummary(summary, d); err != nil {
				return fmt.Errorf("adding to the summary of the job: %w", err)
			}
		}
	}
	return nil
}

// appendSummary adds the document to the summary of a job of GitHub Actions, to which other
// steps add theirs.
func appendSummary(file string, d report.Document) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	markdown, _ := report.FormatNamed("markdown")
	return cmp.Or(markdown.Write(f, d, report.Style{}), f.Close())
}

func writeOne(env Env, o output, d report.Document, suppressed bool) (err error) {
	w := env.Stdout
	style := report.Style{ShowSuppressed: suppressed}
	if o.file == "" {
		style.Width = env.Width(env.Stdout)
		style.Color = style.Width > 0 && env.Getenv("NO_COLOR") == "" && env.Getenv("TERM") != "dumb"
	} else {
		f, err := os.Create(o.file)
		if err != nil {
			return &exit{code: exitUsage, msg: fmt.Sprintf("writing the report: %v", err)}
		}
		defer func() { err = cmp.Or(err, f.Close()) }()
		w = f
	}
	b := bufio.NewWriter(w)
	if err := cmp.Or(o.Write(b, d, style), b.Flush()); err != nil {
		return fmt.Errorf("writing the report as %s: %w", o.Name, err)
	}
	return nil
}
