package feed

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plimsoll/plimsoll/internal/version"
)

// osvRecord has the fields of an OSV record (ossf.github.io/osv-schema, 1.7) that are
// kept. Fields that publishers fill as they like are read leniently: a value of
// another type is as good as none and does not cost the record.
type osvRecord struct {
	ID               string        `json:"id"`
	Modified         looseTime     `json:"modified"`
	Published        looseTime     `json:"published"`
	Withdrawn        looseTime     `json:"withdrawn"`
	Aliases          []string      `json:"aliases"`
	Related          []string      `json:"related"`
	Upstream         []string      `json:"upstream"`
	Summary          looseString   `json:"summary"`
	Details          excerpt       `json:"details"`
	Severity         []osvSeverity `json:"severity"`
	Affected         []osvAffected `json:"affected"`
	References       rawJSON       `json:"references"`
	DatabaseSpecific struct {
		Severity looseString `json:"severity"`
	} `json:"database_specific"`
}

type osvSeverity struct {
	Type  string      `json:"type"`
	Score looseString `json:"score"`
}

type osvAffected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Severity          []osvSeverity `json:"severity"`
	Ranges            []osvRange    `json:"ranges"`
	Versions          rawJSON       `json:"versions"`
	EcosystemSpecific struct {
		Urgency        looseString `json:"urgency"`
		Severity       looseString `json:"severity"`
		UbuntuPriority looseString `json:"ubuntu_priority"`
		Binaries       rawJSON     `json:"binaries"`
		CustomRanges   []osvRange  `json:"custom_ranges"`
	} `json:"ecosystem_specific"`
	DatabaseSpecific struct {
		Severity      looseString `json:"severity"`
		LastKnown     looseString `json:"last_known_affected_version_range"`
		Informational looseString `json:"informational"`
	} `json:"database_specific"`
}

type osvRange struct {
	Type   string     `json:"type"`
	Events []osvEvent `json:"events"`
}

type osvEvent struct {
	Introduced   string `json:"introduced"`
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"`
	Limit        string `json:"limit"`
}

func (e osvEvent) event() version.Event {
	return version.Event{Introduced: e.Introduced, Fixed: e.Fixed, LastAffected: e.LastAffected, Limit: e.Limit}
}

// decodeJSON decodes one document. Doubled names are let pass, the last one counting,
// and invalid UTF-8 is replaced: both occur, and neither is worth losing a record.
func decodeJSON(data []byte, to any) error {
	return json.Unmarshal(data, to, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// looseString is a string, or empty if the document has something else in its place.
type looseString string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (s *looseString) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*s = ""
	if d.PeekKind() != '"' {
		return d.SkipValue()
	}
	t, err := d.ReadToken()
	if err == nil {
		*s = looseString(t.String())
	}
	return err
}

// looseTime is a time as RFC 3339 writes it, or zero if the document has something
// else in its place.
type looseTime struct{ time.Time }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *looseTime) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var s looseString
	if err := s.UnmarshalJSONFrom(d); err != nil {
		return err
	}
	t.Time = parseTime(string(s))
	return nil
}

// parseTime reads the date forms that publishers use, as UTC and to the second; zero
// if s has none of them.
func parseTime(s string) time.Time {
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly, "2006-01-02T15:04:05-0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Truncate(time.Second)
		}
	}
	return time.Time{}
}

// rawJSON is a value as it stands in the document, checked but not decoded; most of
// these are found not to be needed.
type rawJSON string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (r *rawJSON) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err == nil {
		*r = rawJSON(v)
	}
	return err
}

// decode decodes the value; one of another type leaves to as it is.
func (r rawJSON) decode(to any) {
	if r != "" {
		_ = decodeJSON([]byte(r), to) // what is left in to was read before the fault
	}
}

// strings calls yield for each string of an array; what is no string is passed over.
func (r rawJSON) strings(yield func(string) bool) {
	if len(r) < 2 || r[0] != '[' {
		return
	}
	// The value is known to be valid JSON: a string ends at the next quote that no
	// backslash precedes, and what is between strings of an array needs no reading
	// unless it holds quotes of its own.
	depth := 0
	for i := 1; i < len(r); i++ {
		switch r[i] {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '"':
			start, escaped := i+1, false
			for i++; i < len(r) && r[i] != '"'; i++ {
				if r[i] == '\\' {
					escaped = true
					i++
				}
			}
			if i >= len(r) {
				return
			}
			if depth != 0 {
				continue
			}
			s := string(r[start:i])
			if escaped {
				b, err := jsontext.AppendUnquote(nil, `"`+s+`"`)
				if err != nil {
					continue
				}
				s = string(b)
			}
			if !yield(s) {
				return
			}
		}
	}
}

// eachListed calls do for each element of the list that stands under name in a JSON
// object, without holding more than one. What do is given is good until it returns. A
// document without such a list, or one that is cut short, is an error.
func eachListed(r io.Reader, name string, do func(raw []byte) error) error {
	d := jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != '{' {
		return errors.New("it does not begin with an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	found := false
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return err
		}
		if t.String() != name || d.PeekKind() != '[' {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		found = true
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		for d.PeekKind() != ']' {
			v, err := d.ReadValue()
			if err != nil {
				return err
			}
			if err := do(v); err != nil {
				return err
			}
		}
		if _, err := d.ReadToken(); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil { // the object's end
		return err
	}
	switch _, err := d.ReadToken(); {
	case err != io.EOF:
		return fmt.Errorf("there is more after its end: %v", err)
	case !found:
		return fmt.Errorf("it has no list %q", name)
	}
	return nil
}
