package report

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/image"
)

// OpenVEX 0.2.0 (github.com/openvex/spec, OPENVEX-SPEC.md).
type openVEX struct {
	Context    string             `json:"@context"`
	ID         string             `json:"@id"`
	Author     string             `json:"author"`
	Role       string             `json:"role"`
	Timestamp  string             `json:"timestamp"`
	Version    int                `json:"version"`
	Tooling    string             `json:"tooling"`
	Statements []openVEXStatement `json:"statements"`
}

type openVEXStatement struct {
	Vulnerability openVEXFlaw      `json:"vulnerability"`
	Products      []openVEXProduct `json:"products"`
	Status        string           `json:"status"`
	Notes         string           `json:"status_notes,omitempty"`
	Justification string           `json:"justification,omitempty"`
	Impact        string           `json:"impact_statement,omitempty"`
	Action        string           `json:"action_statement,omitempty"`
}

type openVEXFlaw struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases,omitempty"`
}

type openVEXProduct struct {
	ID            string        `json:"@id"`
	Subcomponents []openVEXPart `json:"subcomponents,omitempty"`
}

type openVEXPart struct {
	ID string `json:"@id"`
}

// writeOpenVEX writes a document that says of each flaw which packages of the image it
// affects and what to do, and repeats what other documents said of those that are
// suppressed. It is a beginning for whoever looks into them, who are its authors then.
func writeOpenVEX(w io.Writer, d Document, _ Style) error {
	doc := openVEX{
		Context: "https://openvex.dev/ns/v0.2.0", Author: "Plimsoll", Role: "Scanner", Version: 1, Tooling: "https://github.com/plimsoll/plimsoll",
		Timestamp: "1970-01-01T00:00:00Z", Statements: []openVEXStatement{},
	}
	var named strings.Builder // what the document is of
	for _, r := range d.Reports() {
		if r.AsOf != "" {
			doc.Timestamp = r.AsOf + "T00:00:00Z"
		}
		named.WriteString(r.Image.Name + "\x00" + string(r.Image.Digest) + "\x00" + r.AsOf + "\x00")
		if r.Snapshot != nil {
			named.WriteString(r.Snapshot.Digest)
		}
		at := map[openVEXKey]int{}
		for _, list := range [...][]Finding{r.Findings, r.Suppressed} {
			for i := range list {
				doc.add(r, &list[i], at)
			}
		}
	}
	sum := sha256.Sum256([]byte(named.String()))
	doc.ID = "https://github.com/plimsoll/plimsoll/vex/" + hex.EncodeToString(sum[:16])
	b := bufio.NewWriter(w)
	if err := marshal(b, doc); err != nil {
		return err
	}
	b.WriteByte('\n')
	return b.Flush()
}

// openVEXKey is what statements on several packages have in common to be one.
type openVEXKey struct{ flaw, status, justification, text, product string }

func (doc *openVEX) add(r *Report, f *Finding, at map[openVEXKey]int) {
	if f.Package == nil {
		return
	}
	s := openVEXStatement{Vulnerability: openVEXFlaw{Name: Printable(f.ID)}, Status: "affected"}
	for _, a := range f.Aliases {
		s.Vulnerability.Aliases = append(s.Vulnerability.Aliases, Printable(a))
	}
	if v := f.VEX; v != nil {
		s.Status, s.Action = v.Status.String(), Printable(v.Action)
		s.Notes = Printable("as " + cmp.Or(v.Author, v.Source) + " says")
		// Why something is not affected is said by one of the two, and not by both.
		switch {
		case v.Status != advisory.StatusNotAffected:
		case v.Justification != advisory.NoJustification:
			s.Justification = v.Justification.String()
		default:
			s.Impact = cmp.Or(Printable(v.Impact), s.Notes)
		}
	}
	if s.Status == "affected" && s.Action == "" {
		s.Action = "no fixed version is known: " + unfixed(f)
		if f.FixedVersion != "" {
			s.Action = "update to " + Printable(f.FixedVersion)
		}
	}
	part, product := Printable(f.Package.PURL), imagePURL(&r.Image)
	k := openVEXKey{s.Vulnerability.Name, s.Status, s.Justification, s.Impact + "\x00" + s.Action + "\x00" + s.Notes, cmp.Or(product, part)}
	i, ok := at[k]
	if !ok {
		i = len(doc.Statements)
		at[k] = i
		s.Products = []openVEXProduct{{ID: k.product}}
		doc.Statements = append(doc.Statements, s)
	}
	p := &doc.Statements[i].Products[0]
	if product != "" && !slices.Contains(p.Subcomponents, openVEXPart{part}) {
		p.Subcomponents = append(p.Subcomponents, openVEXPart{part})
	}
}

// imagePURL is the package URL of an image by its digest (package-url/purl-spec, type
// oci); empty if it has none.
func imagePURL(img *Image) string {
	if img.Digest == "" {
		return ""
	}
	name, at := "image", ""
	for _, s := range [...]string{img.Reference, img.Name} {
		if r, err := image.ParseRef(s); err == nil {
			name, at = path.Base(r.Repository), r.Registry+"/"+r.Repository
			break
		}
	}
	q := ""
	if _, arch, ok := strings.Cut(img.Platform, "/"); ok {
		arch, _, _ = strings.Cut(arch, "/")
		q = "arch=" + url.QueryEscape(arch)
	}
	if at != "" {
		if q != "" {
			q += "&"
		}
		q += "repository_url=" + url.QueryEscape(at)
	}
	if q != "" {
		q = "?" + q
	}
	return "pkg:oci/" + name + "@" + url.QueryEscape(string(img.Digest)) + q
}
