package feed

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// The bounds of one VEX document.
const (
	maxVEX = 256 << 20 // bytes
	// maxVEXProducts bounds the products and subcomponents that the statements of a
	// document name together, after groups are written out.
	maxVEXProducts = 4 << 20
	// Objects and list items of a document that is decoded in one piece, and list items of
	// one statement: few bytes of JSON can become many in memory.
	maxVEXObjects   = 2 << 20
	maxVEXItems     = 16 << 20
	maxVEXStatement = 1 << 20
)

// crowded refuses JSON that may hold more objects or list items than are allowed.
func crowded(data []byte, objects, items int) error {
	if n := bytes.Count(data, []byte("{")); n > objects {
		return fmt.Errorf("it has some %d objects, over the limit of %d", n, objects)
	}
	if n := bytes.Count(data, []byte(",")); n > items {
		return fmt.Errorf("it has some %d items, over the limit of %d", n, items)
	}
	return nil
}

// ReadVEX reads a document of VEX statements and hands each to emit, which ends the
// reading with its error. The form is recognised: OpenVEX (openvex.dev, 0.0.1 to 0.2.0),
// CSAF 2.0 (OASIS, "VEX profile"), CycloneDX 1.4 to 1.7 in JSON (vulnerabilities with an
// analysis).
//
// bad is told of a statement that cannot be understood, and the others are read. With a
// nil bad such a statement is the error of the document. A document that makes no
// statement at all is an error too. Source is left to the caller.
//
// Nothing is guessed: a component whose identifiers cannot be read stays in its
// statement by name, where nothing matches it, so that a statement on a part never
// becomes one on the whole.
func ReadVEX(r io.Reader, emit func(advisory.Statement) error, bad func(where string, err error)) error {
	data, err := readAll(r, maxVEX)
	if err != nil {
		return fmt.Errorf("reading the VEX document: %w", err)
	}
	return readVEX(data, emit, bad)
}

func readVEX(data []byte, emit func(advisory.Statement) error, bad func(where string, err error)) error {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if t := bytes.TrimLeft(data, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		what := "no JSON object"
		if len(t) > 0 && t[0] == '<' {
			what = "HTML or XML, not JSON"
		}
		return fmt.Errorf("reading the VEX document: it is %s", what)
	}
	var head vexHead
	if err := decodeJSON(data, &head); err != nil {
		return fmt.Errorf("reading the VEX document: %v", err)
	}
	v := &vexReader{emit: emit, bad: bad, left: maxVEXProducts}
	var err error
	switch {
	case head.BOMFormat == "CycloneDX":
		err = v.cyclonedx(data)
	case head.CSAF.there && head.Vulnerabilities.there:
		err = v.csaf(data)
	case head.Statements.there:
		head.Author, head.ID = looseString(oneLine(string(head.Author))), looseString(oneLine(string(head.ID)))
		err = v.openvex(data, &head)
	default:
		return errors.New("reading the VEX document: it is neither OpenVEX, CSAF with vulnerabilities, nor CycloneDX")
	}
	if err == nil && v.seen == 0 {
		err = errors.New("it makes no VEX statement")
	}
	if err != nil && !v.refused {
		return fmt.Errorf("reading the VEX document: %w", err)
	}
	return err
}

// vexHead is what tells the forms apart, and what OpenVEX says of the whole document.
type vexHead struct {
	ID              looseString `json:"@id"`
	Author          looseString `json:"author"`
	Timestamp       looseTime   `json:"timestamp"`
	Statements      present     `json:"statements"`
	CSAF            present     `json:"document"`
	Vulnerabilities present     `json:"vulnerabilities"`
	BOMFormat       looseString `json:"bomFormat"`
}

// present tells whether a document has a value, which is passed over.
type present struct{ there bool }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *present) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	p.there = d.PeekKind() != 'n'
	return d.SkipValue()
}

// vexReader turns one document into statements.
type vexReader struct {
	emit    func(advisory.Statement) error
	bad     func(where string, err error)
	left    int // products that may still be named
	seen    int // statements, good and bad
	refused bool
}

// spend counts n products; an error ends the document.
func (v *vexReader) spend(n int) error {
	if v.left -= n; v.left < 0 {
		return fmt.Errorf("its statements name more than %d products", maxVEXProducts)
	}
	return nil
}

// fault tells of a statement that cannot be understood.
func (v *vexReader) fault(where string, err error) error {
	v.seen++
	if v.bad == nil {
		return fmt.Errorf("%s: %w", oneLine(where), err)
	}
	v.bad(where, err)
	return nil
}

// hand checks a statement and hands it on.
func (v *vexReader) hand(where string, s advisory.Statement) error {
	switch {
	case !isName(s.Flaw):
		return v.fault(where, errors.New("it names no vulnerability"))
	case len(s.Products) == 0:
		return v.fault(where, fmt.Errorf("it names no product that %s is about", oneLine(s.Flaw)))
	}
	n := len(s.Products)
	for i := range s.Products {
		n += len(s.Products[i].Subcomponents)
	}
	if err := v.spend(n); err != nil {
		return err
	}
	s.Aliases = slices.DeleteFunc(s.Aliases, func(a string) bool { return a == s.Flaw || !isName(a) })
	if s.Aliases = sortedUnique(s.Aliases); len(s.Aliases) > maxAliases {
		s.Aliases = s.Aliases[:maxAliases]
	}
	v.seen++
	if err := v.emit(s); err != nil {
		v.refused = true
		return err
	}
	return nil
}

// component makes a component of the identifiers a document gives; name is what it
// calls it.
func component(name, purl string, cpes []string, hashes []string) advisory.Component {
	var c advisory.Component
	for _, s := range []string{purl, name} {
		if c.PURL != "" || !strings.HasPrefix(s, "pkg:") {
			continue
		}
		if _, err := advisory.ParsePURL(s); err == nil {
			c.PURL = s
		}
	}
	for _, s := range append(cpes, name) {
		if c.CPE != "" || !isName(s) || !strings.HasPrefix(s, "cpe:") {
			continue
		}
		if _, err := advisory.ParseCPE(s); err == nil {
			c.CPE = s
		}
	}
	for _, h := range append(hashes, name) {
		if algorithm, digits, ok := strings.Cut(h, ":"); ok {
			if h := hashOf(algorithm, digits); h != "" && len(c.Hashes) < maxHashes {
				c.Hashes = append(c.Hashes, h)
			}
		}
	}
	c.Hashes = sortedUnique(c.Hashes)
	if c.PURL == "" && c.CPE == "" && len(c.Hashes) == 0 {
		c.Name = cmp.Or(oneLine(name), oneLine(purl), "something without a name")
	}
	return c
}

const maxHashes = 16

// hashOf gives a hash as "sha256:<hex>", whichever way its algorithm is written; empty
// if it is none that is known.
func hashOf(algorithm, digits string) string {
	algorithm = strings.ReplaceAll(strings.ToLower(algorithm), "-", "")
	size, ok := map[string]int{"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128}[algorithm]
	digits = strings.ToLower(digits)
	if !ok || len(digits) != size || strings.Trim(digits, "0123456789abcdef") != "" {
		return ""
	}
	return algorithm + ":" + digits
}

// statusOf reads a status, and justificationOf a justification that may be wanting or
// unknown.
func statusOf(word string) (s advisory.Status, err error) {
	return s, s.UnmarshalText([]byte(word))
}

func justificationOf(word string) (j advisory.Justification) {
	_ = j.UnmarshalText([]byte(word)) // a word that is not known is none
	return j
}

// flawName gives the name in an address of a flaw's page
// ("https://nvd.nist.gov/vuln/detail/CVE-2024-1") or the name itself.
func flawName(s string) string {
	s = strings.TrimRight(strings.TrimSpace(s), "/")
	if strings.Contains(s, "://") {
		s = s[strings.LastIndexByte(s, '/')+1:]
	}
	return s
}
