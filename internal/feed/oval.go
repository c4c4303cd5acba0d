package feed

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Bounds on one OVAL document, unpacked. A description longer than an element may be
// has not been seen: the longest, changelogs of kernels, have some hundred kilobytes.
const (
	maxOVAL        = 4 << 30  // bytes
	maxOVALElement = 8 << 20  // bytes of one definition, test, object, state or variable
	maxOVALParts   = 4 << 20  // definitions, tests, objects, states, variables and their values together
	maxOVALNodes   = 16 << 20 // criteria and criterions together
	maxOVALNesting = 32       // elements around a part
)

// oval is a document of the Open Vulnerability and Assessment Language, 5.x
// (oval-community-guidelines.readthedocs.io). Its definitions come first and refer to
// what follows by ID, so it is held whole.
type oval struct {
	definitions []ovalDefinition
	byID        map[string]int // place in definitions
	tests       map[string]ovalTest
	objects     map[string]ovalObject
	states      map[string][]ovalEntity
	variables   map[string][]string
	date        time.Time
	work        int // steps taken through criteria
}

// ovalDefinition says by which criteria a system has a flaw or lacks a patch. The
// metadata are those of all publishers; each fills some.
type ovalDefinition struct {
	ID         string   `xml:"id,attr"`
	Class      string   `xml:"class,attr"`
	Deprecated string   `xml:"deprecated,attr"`
	Title      string   `xml:"metadata>title"`
	Platforms  []string `xml:"metadata>affected>platform"`
	References []struct {
		ID     string `xml:"ref_id,attr"`
		URL    string `xml:"ref_url,attr"`
		Source string `xml:"source,attr"`
	} `xml:"metadata>reference"`
	// Microsoft's and Debian's.
	Date       string `xml:"metadata>advisory_date"`
	Severity   string `xml:"metadata>severity"`
	DebianDate string `xml:"metadata>debian>date"`
	Advisory   struct {
		Severity   string    `xml:"severity"`
		Issued     ovalDate  `xml:"issued"`
		Updated    ovalDate  `xml:"updated"`
		Public     string    `xml:"public_date"`
		CVEs       []ovalCVE `xml:"cve"`
		Products   []string  `xml:"affected_cpe_list>cpe"`
		Resolution []struct {
			State      string   `xml:"state,attr"`
			Components []string `xml:"component"`
		} `xml:"affected>resolution"`
	} `xml:"metadata>advisory"`
	Criteria *ovalCriteria `xml:"criteria"`
}

type ovalDate struct {
	Date string `xml:"date,attr"`
}

type ovalCVE struct {
	Text   string `xml:",chardata"`
	CVSS3  string `xml:"cvss3,attr"`
	Vector string `xml:"cvss_vector,attr"`
	Public string `xml:"public,attr"` // "20050804", "20221209:1000"
}

// ovalCriteria joins what it holds by its operator, which is AND if it has none.
type ovalCriteria struct {
	Operator string         `xml:"operator,attr"`
	Negate   string         `xml:"negate,attr"`
	Tests    []ovalRef      `xml:"criterion"`
	Extends  []ovalRef      `xml:"extend_definition"`
	Criteria []ovalCriteria `xml:"criteria"`
}

// ovalRef refers to a test or to another definition.
type ovalRef struct {
	Test       string `xml:"test_ref,attr"`
	Definition string `xml:"definition_ref,attr"`
	Negate     string `xml:"negate,attr"`
	Comment    string `xml:"comment,attr"`
}

// ovalTest holds an object's items against states.
type ovalTest struct {
	XMLName       xml.Name // its kind: "rpminfo_test"
	ID            string   `xml:"id,attr"`
	Comment       string   `xml:"comment,attr"`
	Check         string   `xml:"check,attr"`
	Existence     string   `xml:"check_existence,attr"`
	StateOperator string   `xml:"state_operator,attr"`
	Object        struct {
		Ref string `xml:"object_ref,attr"`
	} `xml:"object"`
	States []struct {
		Ref string `xml:"state_ref,attr"`
	} `xml:"state"`
}

// ovalObject says which packages, or which lines of which file, a test is about.
type ovalObject struct {
	ID       string     `xml:"id,attr"`
	Comment  string     `xml:"comment,attr"`
	Name     ovalEntity `xml:"name"`
	Path     string     `xml:"path"`
	Filename string     `xml:"filename"`
	Filepath string     `xml:"filepath"`
	Pattern  ovalEntity `xml:"pattern"`
	Set      *struct{}  `xml:"set"`
	Filter   *struct{}  `xml:"filter"`
}

// ovalEntity is a value, or the variable that has it, and how to compare with it.
type ovalEntity struct {
	XMLName   xml.Name // in a state: "evr", "arch"
	Operation string   `xml:"operation,attr"`
	Variable  string   `xml:"var_ref,attr"`
	Value     string   `xml:",chardata"`
}

// ovalState holds if all of its entities do.
type ovalState struct {
	ID       string       `xml:"id,attr"`
	Operator string       `xml:"operator,attr"`
	Entities []ovalEntity `xml:",any"`
}

// ovalVariable is a constant that stands for any of its values.
type ovalVariable struct {
	ID     string   `xml:"id,attr"`
	Values []string `xml:"value"`
}

// openOVAL opens a document of o and unpacks it as its name says.
func openOVAL(ctx context.Context, o *Origin, address string) (io.ReadCloser, error) {
	b, err := o.Open(ctx, address)
	if err != nil {
		return nil, err
	}
	var r io.Reader = b
	switch {
	case strings.HasSuffix(address, ".gz"):
		if r, err = gzip.NewReader(b); err != nil {
			b.Close()
			return nil, fmt.Errorf("unpacking %s: %w", address, err)
		}
	case strings.HasSuffix(address, ".bz2"):
		r = bzip2.NewReader(b)
	}
	return struct {
		io.Reader
		io.Closer
	}{r, b}, nil
}

// ovalReader ends in an error where a document or one of its elements is longer
// than it may be.
type ovalReader struct {
	r             io.Reader
	left, element int64
}

func (b *ovalReader) Read(p []byte) (int, error) {
	switch {
	case b.left <= 0:
		return 0, fmt.Errorf("it has over %d bytes", int64(maxOVAL))
	case b.element <= 0:
		return 0, fmt.Errorf("an element has over %d bytes", maxOVALElement)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left, b.element)])
	b.left -= int64(n)
	b.element -= int64(n)
	return n, err
}

var errOVALParts = fmt.Errorf("it has over %d definitions, tests, objects and states", maxOVALParts)

// parseOVAL reads a document whole.
func parseOVAL(r io.Reader) (*oval, error) {
	doc := &oval{
		byID: map[string]int{}, tests: map[string]ovalTest{}, objects: map[string]ovalObject{},
		states: map[string][]ovalEntity{}, variables: map[string][]string{},
	}
	words := map[string]string{} // a document repeats itself
	once := func(s *string) {
		if w, ok := words[*s]; ok {
			*s = w
			return
		}
		words[*s] = *s
	}
	bound := &ovalReader{r: bufio.NewReaderSize(r, 1<<16), left: maxOVAL}
	d := xml.NewDecoder(bound)
	depth, parts, nodes := 0, 0, 0
	root := false
	for {
		bound.element = maxOVALElement
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			if _, ok := t.(xml.EndElement); ok {
				depth--
			}
			continue
		}
		kind := start.Name.Local
		if depth == 0 {
			if kind != "oval_definitions" || root {
				return nil, errors.New("this is no OVAL document")
			}
			root = true
		}
		if depth++; depth > maxOVALNesting {
			return nil, fmt.Errorf("its elements are nested over %d deep", maxOVALNesting)
		}
		var part any
		switch {
		case kind == "timestamp":
			part = new(string)
		case kind == "definition":
			part = new(ovalDefinition)
		case strings.HasSuffix(kind, "_test"):
			part = new(ovalTest)
		case strings.HasSuffix(kind, "_object"):
			part = new(ovalObject)
		case strings.HasSuffix(kind, "_state"):
			part = new(ovalState)
		case kind == "constant_variable":
			part = new(ovalVariable)
		default:
			continue
		}
		if err := d.DecodeElement(part, &start); err != nil {
			return nil, err
		}
		depth--
		parts++
		switch x := part.(type) {
		case *string:
			doc.date = parseTime(strings.TrimSpace(*x))
		case *ovalDefinition:
			nodes += x.Criteria.trim(once)
			if _, twice := doc.byID[x.ID]; !twice {
				doc.byID[x.ID] = len(doc.definitions)
			}
			doc.definitions = append(doc.definitions, *x)
		case *ovalTest:
			once(&x.ID)
			once(&x.Comment)
			once(&x.Object.Ref)
			for i := range x.States {
				once(&x.States[i].Ref)
			}
			doc.tests[x.ID] = *x
		case *ovalObject:
			once(&x.ID)
			doc.objects[x.ID] = *x
		case *ovalState:
			if x.Operator != "" && x.Operator != "AND" && len(x.Entities) > 1 {
				x.Entities = []ovalEntity{{Operation: "joined by " + x.Operator}}
			}
			once(&x.ID)
			doc.states[x.ID] = x.Entities
			parts += len(x.Entities)
		case *ovalVariable:
			once(&x.ID)
			doc.variables[x.ID] = x.Values
			parts += len(x.Values)
		}
		if parts > maxOVALParts {
			return nil, errOVALParts
		}
		if nodes > maxOVALNodes {
			return nil, fmt.Errorf("its definitions have over %d criteria", maxOVALNodes)
		}
	}
	if !root {
		return nil, errors.New("this is no OVAL document")
	}
	return doc, nil
}

// trim keeps each string once and counts the nodes. What is nested deeper than it may
// be is left for the definition's own reading to refuse.
func (c *ovalCriteria) trim(once func(*string)) int {
	if c == nil {
		return 0
	}
	n := 1 + len(c.Tests) + len(c.Extends)
	for _, refs := range [...][]ovalRef{c.Tests, c.Extends} {
		for i := range refs {
			once(&refs[i].Test)
			once(&refs[i].Definition)
			once(&refs[i].Comment)
		}
	}
	for i := range c.Criteria {
		n += c.Criteria[i].trim(once)
	}
	return n
}
