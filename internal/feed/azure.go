package feed

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

const azureURL = "https://raw.githubusercontent.com/microsoft/AzureLinuxVulnerabilityData/main/"

// maxDefinitions bounds the definitions of one document, and each of the kinds of
// thing they refer to.
const maxDefinitions = 1 << 20

// azureReleases gives the document of each release and the ecosystem it is for.
var azureReleases = []struct{ name, file, ecosystem string }{
	{"mariner-1.0", "cbl-mariner-1.0-oval.xml", "Mariner:1.0"},
	{"mariner-2.0", "cbl-mariner-2.0-oval.xml", "Mariner:2.0"},
	{"azure-linux-3", "azurelinux-3.0-oval.xml", "Azure Linux:3"},
}

// azureFeeds reads Microsoft's OVAL definitions (oval.mitre.org, 5.11) for Azure Linux
// and its forerunner CBL-Mariner, a feed for each release. They name source packages.
func azureFeeds() []Feed {
	feeds := make([]Feed, len(azureReleases))
	for i, r := range azureReleases {
		feeds[i] = Feed{
			Name:  r.name,
			Home:  "https://github.com/microsoft/AzureLinuxVulnerabilityData",
			Doc:   "flaws in " + r.ecosystem + ", one OVAL document",
			Every: 24 * time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				b, err := o.Open(ctx, azureURL+r.file)
				if err != nil {
					return err
				}
				defer b.Close()
				return readOVAL(b, r.ecosystem, out)
			},
		}
	}
	return feeds
}

// ovalDefinition says that a test decides whether a system has a flaw.
type ovalDefinition struct {
	ID         string `xml:"id,attr"`
	Title      string `xml:"metadata>title"`
	References []struct {
		ID     string `xml:"ref_id,attr"`
		Source string `xml:"source,attr"`
	} `xml:"metadata>reference"`
	Date     string `xml:"metadata>advisory_date"`
	Severity string `xml:"metadata>severity"`
	// Criteria beyond a single test are not used by this publisher.
	Criteria struct {
		Operator  string `xml:"operator,attr"`
		Criterion []struct {
			Test string `xml:"test_ref,attr"`
		} `xml:"criterion"`
		Nested []struct{} `xml:"criteria"`
	} `xml:"criteria"`
	Patchable string `xml:"metadata>patchable"`
}

type ovalTest struct {
	ID     string `xml:"id,attr"`
	Object struct {
		Ref string `xml:"object_ref,attr"`
	} `xml:"object"`
	States []struct {
		Ref string `xml:"state_ref,attr"`
	} `xml:"state"`
}

type ovalObject struct {
	ID   string `xml:"id,attr"`
	Name string `xml:"name"`
}

type ovalState struct {
	ID  string `xml:"id,attr"`
	EVR []struct {
		Operation string `xml:"operation,attr"`
		Value     string `xml:",chardata"`
	} `xml:"evr"`
}

// oval is a document's parts, by ID.
type oval struct {
	definitions []ovalDefinition
	tests       map[string]ovalTest
	objects     map[string]ovalObject
	states      map[string]ovalState
	date        time.Time
}

func readOVAL(r io.Reader, ecosystem string, out Sink) error {
	doc, err := parseOVAL(r)
	if err != nil {
		return fmt.Errorf("reading the definitions of %s: %w", ecosystem, err)
	}
	if !doc.date.IsZero() {
		out.Dated(doc.date)
	}
	flaws := map[string]*advisory.Advisory{}
	for i := range doc.definitions {
		d := &doc.definitions[i]
		cve, af, err := doc.statement(d, ecosystem)
		if err != nil {
			out.Quarantine(d.ID, err)
			continue
		}
		a := flaws[cve]
		if a == nil {
			a = &advisory.Advisory{ID: cve, URL: "https://nvd.nist.gov/vuln/detail/" + cve}
			flaws[cve] = a
		}
		if t := parseTime(d.Date); !t.IsZero() {
			if a.Published.IsZero() || t.Before(a.Published) {
				a.Published = t
			}
			if t.After(a.Modified) {
				a.Modified = t
			}
		}
		a.Affected = append(a.Affected, af)
	}
	for _, id := range slices.Sorted(maps.Keys(flaws)) {
		if err := out.Advisory(*flaws[id]); err != nil {
			return err
		}
	}
	return nil
}

func parseOVAL(r io.Reader) (*oval, error) {
	doc := &oval{tests: map[string]ovalTest{}, objects: map[string]ovalObject{}, states: map[string]ovalState{}}
	d := xml.NewDecoder(r)
	root := false
	for {
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		err = nil
		switch start.Name.Local {
		case "oval_definitions":
			root = true
		case "timestamp":
			var s string
			err = d.DecodeElement(&s, &start)
			doc.date = parseTime(strings.TrimSpace(s))
		case "definition":
			var x ovalDefinition
			err = d.DecodeElement(&x, &start)
			doc.definitions = append(doc.definitions, x)
		case "rpminfo_test":
			var x ovalTest
			err = d.DecodeElement(&x, &start)
			doc.tests[x.ID] = x
		case "rpminfo_object":
			var x ovalObject
			err = d.DecodeElement(&x, &start)
			doc.objects[x.ID] = x
		case "rpminfo_state":
			var x ovalState
			err = d.DecodeElement(&x, &start)
			doc.states[x.ID] = x
		}
		if err != nil {
			return nil, err
		}
		if max(len(doc.definitions), len(doc.tests), len(doc.objects), len(doc.states)) > maxDefinitions {
			return nil, fmt.Errorf("more than %d definitions", maxDefinitions)
		}
	}
	if !root {
		return nil, fmt.Errorf("this is no OVAL document")
	}
	return doc, nil
}

// statement follows a definition's test to a package and its affected versions. The
// severity is the publisher's for this package.
func (doc *oval) statement(d *ovalDefinition, ecosystem string) (cve string, af advisory.Affected, err error) {
	for _, r := range d.References {
		if r.Source == "CVE" && cveOf(r.ID) == r.ID {
			cve = r.ID
		}
	}
	switch {
	case cve == "":
		return "", af, fmt.Errorf("it names no CVE")
	case len(d.Criteria.Criterion) != 1 || len(d.Criteria.Nested) > 0:
		return "", af, fmt.Errorf("its criteria are not a single test")
	}
	test := doc.tests[d.Criteria.Criterion[0].Test]
	name := strings.TrimSpace(doc.objects[test.Object.Ref].Name)
	if !isName(name) || len(test.States) != 1 {
		return "", af, fmt.Errorf("its test does not lead to a package and a state")
	}
	state := doc.states[test.States[0].Ref]
	if len(state.EVR) != 1 {
		return "", af, fmt.Errorf("its test does not lead to a version")
	}
	evr := strings.ReplaceAll(strings.TrimSpace(state.EVR[0].Value), ": ", ":") // some are "0: 1.2-3"
	if err := version.RPM.Valid(evr); err != nil {
		return "", af, err
	}
	iv := version.Interval{Introduced: "0"}
	switch op := state.EVR[0].Operation; op {
	case "less than":
		iv.Fixed = evr
	case "less than or equal":
		iv.LastAffected = evr
	default:
		return "", af, fmt.Errorf("its test asks for versions %.40q", op)
	}
	af = advisory.Affected{
		Ecosystem: ecosystem, Package: name, Severity: severityOf(d.Severity),
		Ranges: []version.Interval{iv},
	}
	return cve, af, nil
}
