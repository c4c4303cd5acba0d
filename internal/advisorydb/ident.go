package advisorydb

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// Identifiers are most of what a record is made of, and nearly all are a number in a
// frame: "CVE-2024-" 12345, "RHSA-2024:" 1234. The frames, called shapes, are listed
// once in a shard, and an identifier is the number of its shape and its own.

// idShape is the frame of an identifier.
type idShape struct {
	prefix, suffix string
	// style is how the number is written: decimal with at least so many digits, or styleGHSA.
	style uint8
}

const (
	styleGHSA   = 255
	maxIDDigits = 18 // what surely fits a uint64
	// ghsaDigits are the letters of GitHub's identifiers, "GHSA-" and three groups
	// of four (docs.github.com, "About the GitHub Advisory database").
	ghsaDigits = "23456789cfghjmpqrvwx"
)

// splitID finds the number in an identifier: the longest run of digits, the later of
// equals, but not the year. It reports false for one that has none.
func splitID(id string) (idShape, uint64, bool) {
	if n, ok := parseGHSA(id); ok {
		return idShape{prefix: "GHSA-", style: styleGHSA}, n, true
	}
	from, to, yearFrom, yearTo := 0, 0, 0, 0
	for i := 0; i < len(id); {
		if !isDigit(id[i]) {
			i++
			continue
		}
		j := i
		for j < len(id) && isDigit(id[j]) {
			j++
		}
		run := id[i:j]
		switch {
		case yearTo == 0 && len(run) == 4 && (run[:2] == "19" || run[:2] == "20"):
			yearFrom, yearTo = i, j
		case len(run) <= maxIDDigits && len(run) >= to-from:
			from, to = i, j
		}
		i = j
	}
	if to == 0 {
		from, to = yearFrom, yearTo
	}
	if to == 0 {
		return idShape{}, 0, false
	}
	n, err := strconv.ParseUint(id[from:to], 10, 64)
	if err != nil {
		return idShape{}, 0, false
	}
	shape := idShape{prefix: id[:from], suffix: id[to:]}
	if id[from] == '0' {
		shape.style = uint8(to - from)
	}
	return shape, n, true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func parseGHSA(id string) (uint64, bool) {
	if len(id) != 19 || id[:5] != "GHSA-" || id[9] != '-' || id[14] != '-' {
		return 0, false
	}
	var n uint64
	for i := 5; i < len(id); i++ {
		if i == 9 || i == 14 {
			continue
		}
		d := strings.IndexByte(ghsaDigits, id[i])
		if d < 0 {
			return 0, false
		}
		n = n*uint64(len(ghsaDigits)) + uint64(d)
	}
	return n, true
}

// appendNumber writes an identifier's number the way its shape has it.
func appendNumber(dst []byte, style uint8, n uint64) []byte {
	if style == styleGHSA {
		var s [14]byte
		for i := len(s) - 1; i >= 0; i-- {
			if i == 4 || i == 9 {
				s[i] = '-'
				continue
			}
			s[i] = ghsaDigits[n%uint64(len(ghsaDigits))]
			n /= uint64(len(ghsaDigits))
		}
		return append(dst, s[:]...)
	}
	var s [20]byte
	digits := strconv.AppendUint(s[:0], n, 10)
	for i := len(digits); i < int(style) && i <= maxIDDigits; i++ {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

func (f idShape) append(dst []byte) []byte {
	dst = append(dst, f.style)
	dst = appendString(dst, f.prefix)
	return append(dst, f.suffix...)
}

// idChain is the place in a row of identifiers: one with the shape of its
// predecessor is written as the distance from it.
type idChain struct {
	shape, num uint64
}

// appendTo writes the next identifier: shape 0 is one without shape, whose num is
// its place in the strings.
func (ch *idChain) appendTo(dst []byte, shape, num uint64) []byte {
	if shape != 0 && shape == ch.shape {
		dst = binary.AppendUvarint(dst, zigzag(int64(num-ch.num))<<1)
	} else {
		dst = binary.AppendUvarint(dst, shape<<1|1)
		dst = binary.AppendUvarint(dst, num)
	}
	ch.shape, ch.num = shape, num
	return dst
}

func (ch *idChain) read(c *cursor) {
	if v := c.uvarint(); v&1 == 0 {
		ch.num += uint64(unzigzag(v >> 1))
	} else {
		ch.shape, ch.num = v>>1, c.uvarint()
	}
}
