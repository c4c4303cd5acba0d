package report

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/plimsoll/plimsoll/internal/policy"
)

// The form of JUnit's reports that CI systems read (github.com/testmoapp/junitxml).
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	Failure *junitWrong `xml:"failure,omitempty"`
	Error   *junitWrong `xml:"error,omitempty"`
	Out     string      `xml:"system-out,omitempty"`
}

type junitWrong struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// writeJUnit writes a suite for each image, with a test case for each reason of its verdict:
// a rule that fails is a failure, what is unknown an error, and a rule that warns passes
// with its words. The first failure lists the findings. An image without a reason has one
// case, which passes.
func writeJUnit(w io.Writer, d Document, _ Style) error {
	out := junitSuites{Name: "plimsoll"}
	for _, r := range d.Reports() {
		s := junitSuite{Name: Printable(r.Image.Name)}
		for _, why := range r.Verdict.Reasons {
			c := junitCase{Name: Printable(why.Rule), Class: s.Name}
			said := &junitWrong{Message: Printable(why.Detail), Type: Printable(why.Rule)}
			switch why.Action {
			case policy.Fail:
				if s.Failures == 0 {
					said.Text = junitFindings(r)
				}
				c.Failure = said
				s.Failures++
			case policy.Unknown:
				c.Error = said
				s.Errors++
			default:
				c.Out = said.Message
			}
			s.Cases = append(s.Cases, c)
		}
		if len(s.Cases) == 0 {
			s.Cases = []junitCase{{Name: "verdict", Class: s.Name, Out: "pass under the policy " + Printable(r.Verdict.Policy)}}
		}
		s.Tests = len(s.Cases)
		out.Suites = append(out.Suites, s)
		out.Tests, out.Failures, out.Errors = out.Tests+s.Tests, out.Failures+s.Failures, out.Errors+s.Errors
	}
	b := bufio.NewWriter(w)
	b.WriteString(xml.Header)
	e := xml.NewEncoder(b)
	e.Indent("", "  ")
	if err := e.Encode(out); err != nil {
		return err
	}
	b.WriteByte('\n')
	return b.Flush()
}

// maxJUnit is how many findings the text of a failure names.
const maxJUnit = 50

// junitFindings names findings, the worst first.
func junitFindings(r *Report) string {
	var b strings.Builder
	for i := range r.Findings {
		if i == maxJUnit {
			fmt.Fprintf(&b, "and %d more\n", len(r.Findings)-i)
			break
		}
		b.WriteString(findingText(r.Image.Name, &r.Findings[i]) + "\n")
	}
	return b.String()
}
