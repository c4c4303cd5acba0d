package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/plimsoll/plimsoll/internal/policy"
)

// maxAnnotations is how many annotations of one level GitHub shows for a step
// (docs.github.com, "Workflow commands").
const maxAnnotations = 10

// writeGitHub writes workflow commands for GitHub Actions, which become annotations: an error
// or warning for each reason of the verdict, then for the worst findings, as many as are
// shown.
func writeGitHub(w io.Writer, d Document, _ Style) error {
	b := bufio.NewWriter(w)
	left := map[string]int{"error": maxAnnotations, "warning": maxAnnotations, "notice": maxAnnotations}
	say := func(level, title, text string) {
		if left[level]--; left[level] >= 0 {
			fmt.Fprintf(b, "::%s file=Dockerfile,line=1,title=%s::%s\n", level, property(title), data(text))
		}
	}
	for _, r := range d.Reports() {
		for _, why := range r.Verdict.Reasons {
			level := "warning"
			if why.Action != policy.Warn {
				level = "error" // unknown stops the pipeline too
			}
			say(level, "plimsoll "+why.Rule, r.Image.Name+": "+why.Detail)
		}
	}
	for _, r := range d.Reports() {
		for i := range r.Findings {
			f := &r.Findings[i]
			level := "notice"
			switch sarifLevel(f.Severity) {
			case "error":
				level = "error"
			case "warning":
				level = "warning"
			}
			say(level, f.ID+" "+f.Severity, findingText(r.Image.Name, f))
		}
	}
	return b.Flush()
}

// data and property escape what commands would take for their own
// (github.com/actions/toolkit, docs/commands.md).
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(Printable(s))
}

func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(s))
}
