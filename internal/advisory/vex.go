package advisory

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Statement is what one party says of one flaw in some products (Vulnerability
// Exploitability eXchange; CISA, "Minimum Requirements for VEX", 2023).
type Statement struct {
	// Flaw is the ID its author knows the flaw by, Aliases its other names.
	Flaw    string
	Aliases []string
	// Products it speaks of; at least one.
	Products []Product
	Status   Status
	// Justification says why a product is not affected, in one of the words there are
	// for it, Impact the same in the author's own, on one line.
	Justification Justification
	Impact        string
	// Action says on one line what to do about it.
	Action    string
	Author    string
	Timestamp time.Time
	// Source is the feed or the file it came from, Document the ID of the document.
	Source   string
	Document string
}

// Product is what a statement is about: the component itself or, if there are
// subcomponents, those of them that are in it.
type Product struct {
	Component
	Subcomponents []Component
}

// Component names software by one or several identifiers, any of which is enough.
type Component struct {
	// PURL is a package URL as it stands in the document; see [ParsePURL].
	PURL string
	// CPE in its 2.2 or 2.3 form; see [ParseCPE].
	CPE string
	// Hashes as "sha256:<hex>", of the file or, for an image, its digest; sorted.
	Hashes []string
	// Name is what the document calls it, if none of the others is there. Nothing can be
	// held against it, but it says what was meant.
	Name string
}

// String gives the component's first identifier.
func (c Component) String() string {
	switch {
	case c.PURL != "":
		return c.PURL
	case c.CPE != "":
		return c.CPE
	case len(c.Hashes) > 0:
		return c.Hashes[0]
	}
	return c.Name
}

// Compare orders components.
func (c Component) Compare(d Component) int {
	if n := strings.Compare(c.PURL, d.PURL); n != 0 {
		return n
	}
	if n := strings.Compare(c.CPE, d.CPE); n != 0 {
		return n
	}
	if n := slices.Compare(c.Hashes, d.Hashes); n != 0 {
		return n
	}
	return strings.Compare(c.Name, d.Name)
}

// Keys gives the names under which statements on c are stored: the package URL without
// version and qualifiers, the hashes, and the product of the CPE. Whatever speaks for
// a thing shares a key with it.
func (c Component) Keys() []string {
	var keys []string
	if p, err := ParsePURL(c.PURL); err == nil {
		keys = append(keys, p.Base())
		// An image is known by its digest, whatever its name.
		if d := p.ImageDigest(); d != "" {
			keys = append(keys, d)
		}
	}
	if p, err := ParseCPE(c.CPE); err == nil {
		keys = append(keys, p.Base())
	}
	keys = append(keys, c.Hashes...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Status is how a product stands to a flaw by a statement.
type Status uint8

// The statuses. StatusNotAffected and StatusFixed mean that a flaw does not count.
const (
	StatusUnderInvestigation Status = iota
	StatusAffected
	StatusFixed
	StatusNotAffected
)

var statusNames = [...]string{"under_investigation", "affected", "fixed", "not_affected"}

// Suppresses tells whether the flaw does not count.
func (s Status) Suppresses() bool { return s == StatusFixed || s == StatusNotAffected }

// String gives the name used in OpenVEX and in reports.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return statusNames[StatusUnderInvestigation]
}

// MarshalText writes the name used in reports.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name used in reports.
func (s *Status) UnmarshalText(b []byte) error {
	i := slices.Index(statusNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("status %.60q is none of %s", b, strings.Join(statusNames[:], ", "))
	}
	*s = Status(i)
	return nil
}

// Justification is why a product is not affected (CISA, "Vulnerability Exploitability
// eXchange (VEX) – Status Justifications", 2022).
type Justification uint8

// The justifications; the zero one says that none was given.
const (
	NoJustification Justification = iota
	ComponentNotPresent
	CodeNotPresent
	CodeNotInExecutePath
	CodeCannotBeControlled
	MitigationsExist
)

var justificationNames = [...]string{
	"", "component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
	"vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist",
}

// String gives the word that OpenVEX and CSAF use; empty if there is none.
func (j Justification) String() string {
	if int(j) < len(justificationNames) {
		return justificationNames[j]
	}
	return ""
}

// MarshalText writes the word.
func (j Justification) MarshalText() ([]byte, error) { return []byte(j.String()), nil }

// UnmarshalText reads the word.
func (j *Justification) UnmarshalText(b []byte) error {
	i := slices.Index(justificationNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("justification %.60q is none of %s", b, strings.Join(justificationNames[1:], ", "))
	}
	*j = Justification(i)
	return nil
}
