package advisorydb

import (
	"math"
	"strings"

	gocvss20 "github.com/pandatix/go-cvss/20"
	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// maxVector bounds a CVSS vector, in bytes; a full one of version 4 has about 200.
const maxVector = 256

// maxRatings bounds the ratings of one record or flaw; more are left out.
const maxRatings = 16

// cvssVersion tells which version of CVSS (first.org/cvss) a vector is of: 40, 31, 30 or
// 20; version 2 has no label, and is sometimes put in brackets.
func cvssVersion(vector string) int {
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		return 40
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		return 31
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		return 30
	}
	return 20
}

// score computes a vector's base score in tenths, and reports false if it is not valid.
func score(vector string) (tenths uint8, ok bool) {
	if len(vector) > maxVector {
		return 0, false
	}
	var f float64
	switch cvssVersion(vector) {
	case 40:
		v, err := gocvss40.ParseVector(vector)
		if err != nil {
			return 0, false
		}
		f = v.Score()
	case 31:
		v, err := gocvss31.ParseVector(vector)
		if err != nil {
			return 0, false
		}
		f = v.BaseScore()
	case 30:
		v, err := gocvss30.ParseVector(vector)
		if err != nil {
			return 0, false
		}
		f = v.BaseScore()
	default:
		v, err := gocvss20.ParseVector(strings.Trim(vector, "()"))
		if err != nil {
			return 0, false
		}
		f = v.BaseScore()
	}
	if !(f >= 0 && f <= 10) {
		return 0, false
	}
	return uint8(math.Round(f * 10)), true
}

// scoreSeverity puts a score into words as its version does: version 2 by the bands
// of the United States' national database, 3 and 4 by their specifications. A score of
// nought says there is no impact, which has no word here.
func scoreSeverity(vector string, tenths uint8) advisory.Severity {
	switch {
	case cvssVersion(vector) == 20 && tenths >= 70:
		return advisory.SeverityHigh
	case tenths >= 90:
		return advisory.SeverityCritical
	case tenths >= 70:
		return advisory.SeverityHigh
	case tenths >= 40:
		return advisory.SeverityMedium
	case tenths > 0:
		return advisory.SeverityLow
	}
	return advisory.SeverityUnknown
}
