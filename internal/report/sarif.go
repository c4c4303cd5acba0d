package report

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxSARIF is how many results GitHub takes of a run; the worst are kept
// (docs.github.com, "SARIF support for code scanning").
const maxSARIF = 25_000

// SARIF 2.1.0 (docs.oasis-open.org/sarif/sarif/v2.1.0), as far as it is used.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Automation  sarifAutomation   `json:"automationDetails"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
	Properties  map[string]string `json:"properties"`
	ColumnKind  string            `json:"columnKind"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	URI     string      `json:"informationUri"`
	Rules   []sarifRule `json:"rules"`
}

type sarifAutomation struct {
	ID string `json:"id"`
}

type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
}

type sarifNotification struct {
	Level      string          `json:"level"`
	Message    sarifText       `json:"message"`
	Descriptor sarifDescriptor `json:"descriptor"`
}

type sarifDescriptor struct {
	ID string `json:"id"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID         string         `json:"id"`
	Short      sarifText      `json:"shortDescription"`
	Full       sarifText      `json:"fullDescription"`
	HelpURI    string         `json:"helpUri,omitempty"`
	Help       sarifText      `json:"help"`
	Properties sarifRuleProps `json:"properties"`
}

type sarifRuleProps struct {
	Severity string   `json:"security-severity"`
	Tags     []string `json:"tags"`
}

type sarifResult struct {
	Rule         string             `json:"ruleId"`
	Index        int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	Properties   map[string]string  `json:"properties"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	Message  sarifText      `json:"message"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
	Kind string `json:"kind"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Justification string `json:"justification,omitempty"`
}

// writeSARIF writes a run for each image. Findings lie in the Dockerfile, because a
// location must be a file of the repository; where in the image they are is beside it.
func writeSARIF(w io.Writer, d Document, _ Style) error {
	log := sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{}}
	for _, r := range d.Reports() {
		log.Runs = append(log.Runs, sarifOf(r))
	}
	b := bufio.NewWriter(w)
	if err := marshal(b, log); err != nil {
		return err
	}
	b.WriteByte('\n')
	return b.Flush()
}

func sarifOf(r *Report) sarifRun {
	name := Printable(r.Image.Name)
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "Plimsoll", Version: Printable(r.Analyser), URI: "https://github.com/plimsoll/plimsoll", Rules: []sarifRule{}}},
		Automation: sarifAutomation{ID: "plimsoll/" + cmp.Or(Printable(r.Image.Platform), "image") + "/"},
		Results:    []sarifResult{},
		Properties: map[string]string{"image": name, "verdict": string(r.Verdict.Value)},
		ColumnKind: "unicodeCodePoints",
	}
	if d := r.Image.Digest; d != "" {
		run.Properties["digest"] = Printable(string(d))
	}
	did := sarifInvocation{Successful: len(r.Image.Layers) > 0 || len(r.Packages) > 0}
	note := func(level, id, text string) {
		did.Notifications = append(did.Notifications, sarifNotification{Level: level, Message: sarifText{text}, Descriptor: sarifDescriptor{id}})
	}
	for i, u := range r.Unknowns {
		if i == maxSARIFNotes {
			note("warning", "unknown", fmt.Sprintf("and %d more that are unknown", len(r.Unknowns)-i))
			break
		}
		note("warning", Printable(string(u.Reason)), Printable(u.String()))
	}
	rules := map[string]int{}
	left := len(r.Findings) + len(r.Suppressed)
	for _, list := range [...][]Finding{r.Findings, r.Suppressed} {
		for i := range list {
			if len(run.Results) == maxSARIF {
				break
			}
			f := &list[i]
			at, ok := rules[f.ID]
			if !ok {
				at = len(rules)
				rules[f.ID] = at
				run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(f))
			}
			run.Results = append(run.Results, sarifResultOf(name, f, at))
			left--
		}
	}
	if left > 0 {
		note("warning", "truncated", fmt.Sprintf("%d findings are left out, the least severe; the JSON report has them all", left))
	}
	run.Invocations = []sarifInvocation{did}
	return run
}

const maxSARIFNotes = 100

func sarifRuleOf(f *Finding) sarifRule {
	id := Printable(f.ID)
	title := cmp.Or(Printable(f.Title), id)
	r := sarifRule{
		ID: id, Short: sarifText{id}, Full: sarifText{title}, Help: sarifText{title},
		Properties: sarifRuleProps{Severity: sarifScore(f), Tags: []string{"security", string(f.Kind)}},
	}
	if isWebAddress(f.URL) {
		r.HelpURI = f.URL
		r.Help.Text += "\n\n" + f.URL
	}
	return r
}

// isWebAddress tells addresses that may be shown as links.
func isWebAddress(s string) bool {
	return (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) && Printable(s) == s && !strings.ContainsAny(s, " \"<>\\^`{|}")
}

// sarifScore is what GitHub sorts by: a number of CVSS that agrees with the severity, which
// is the vendor's.
func sarifScore(f *Finding) string {
	from, to := 0.1, 3.9
	switch f.Severity {
	case "critical":
		from, to = 9.0, 10
	case "high":
		from, to = 7.0, 8.9
	case "medium":
		from, to = 4.0, 6.9
	}
	score := (from + to) / 2
	if len(f.CVSS) > 0 {
		score = min(max(f.CVSS[0].Score, from), to)
	}
	return strconv.FormatFloat(score, 'f', 1, 64)
}

func sarifLevel(severity string) string {
	switch severity {
	case "critical", "high":
		return "error"
	case "medium":
		return "warning"
	}
	return "note"
}

func sarifResultOf(image string, f *Finding, rule int) sarifResult {
	where := image
	res := sarifResult{Rule: Printable(f.ID), Index: rule, Level: sarifLevel(f.Severity), Properties: map[string]string{
		"image": image, "severity": f.Severity, "state": f.State,
	}}
	id := string(f.Kind) + "\x00" + f.ID + "\x00" + f.Location.Path
	var logical []sarifLogical
	if p := f.Package; p != nil {
		where += ": " + Printable(p.Name)
		id += "\x00" + p.Type + "\x00" + p.Name
		res.Properties["purl"] = Printable(p.PURL)
		logical = append(logical, sarifLogical{Name: Printable(p.PURL), Kind: "package"})
	}
	if f.FixedVersion != "" {
		res.Properties["fixed_version"] = Printable(f.FixedVersion)
	}
	if f.Location.Path != "" {
		logical = append(logical, sarifLogical{Name: Printable(f.Location.Path), Kind: "path"})
		where += " at " + Printable(f.Location.Path)
	}
	sum := sha256.Sum256([]byte(id))
	res.Fingerprints = map[string]string{"plimsoll/v1": hex.EncodeToString(sum[:16])}
	res.Message = sarifText{findingText(image, f)}
	res.Locations = []sarifLocation{{
		Physical: sarifPhysical{Artifact: sarifArtifact{URI: "Dockerfile"}, Region: sarifRegion{StartLine: 1}},
		Logical:  logical, Message: sarifText{where},
	}}
	if v := f.VEX; v != nil && v.Status.Suppresses() {
		res.Suppressions = []sarifSuppression{{Kind: "external", Justification: Printable(v.Status.String() + ", says " + v.Source)}}
	}
	return res
}

// findingText says a finding in a sentence.
func findingText(image string, f *Finding) string {
	text := f.ID
	if p := f.Package; p != nil {
		text += " in " + p.Name + " " + p.Version
	}
	text += " of " + image + " (" + f.Severity + ")"
	if f.FixedVersion != "" {
		return Printable(text + ", fixed in " + f.FixedVersion)
	}
	return Printable(text + ", " + unfixed(f))
}
