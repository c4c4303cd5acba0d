package version

import "encoding/binary"

// Key gives bytes that stand for v in comparisons: bytes.Compare of two keys of one
// scheme is what Compare says of their versions. It allocates one slice, which is
// the caller's; keys are some half longer than their versions. It is false where v
// is not valid, or the scheme has no keys: [Deb], [APK] and, for versions with a
// release, [RPM] have. Versions of rpm without a release have none, as no key can
// be equal to every release.
//
// The form of keys is fixed: they may be stored.
func (s Scheme) Key(v string) (key []byte, ok bool) {
	if s != Deb && s != RPM && s != APK || s.check(v) != "" {
		return nil, false
	}
	key = make([]byte, 0, 2*len(v)+8)
	switch s {
	case Deb:
		epoch, upstream, revision := splitDeb(v)
		key = keyNumber(key, epoch)
		key = keyDebPart(key, upstream)
		return keyDebPart(key, revision), true
	case RPM:
		epoch, version, release, has := splitEVR(v)
		if !has {
			return nil, false
		}
		key = keyNumber(key, epoch)
		key = keyRPMPart(key, version)
		return keyRPMPart(key, release), true
	default:
		return keyAPK(key, v), true
	}
}

// keyNumber writes a number so that greater ones sort after: how many digits it
// has, in one byte or, from 255 on, in three, and the digits.
func keyNumber(key []byte, digits string) []byte {
	digits = trimZeros(digits)
	if len(digits) < 0xff {
		key = append(key, byte(len(digits)))
	} else {
		key = binary.BigEndian.AppendUint16(append(key, 0xff), uint16(len(digits))) // MaxLength fits
	}
	return append(key, digits...)
}

// The marks of a key's parts, in order. Characters of a run of non-digits are above
// keyDebEnd, letters below all else.
const (
	keyDebTilde = 1
	keyDebEnd   = 2
	keyDebOther = 0x80
)

// keyDebPart writes runs of non-digits, each with its end, and numbers in turn. It
// ends with the end of a run that is empty; within, only the first run can be.
func keyDebPart(key []byte, s string) []byte {
	for {
		n := 0
		for n < len(s) && !isDigit(s[n]) {
			switch c := s[n]; {
			case c == '~':
				key = append(key, keyDebTilde)
			case isAlpha(c):
				key = append(key, c)
			default:
				key = append(key, keyDebOther|c)
			}
			n++
		}
		key = append(key, keyDebEnd)
		s = s[n:]
		d := digits(s)
		if key = keyNumber(key, s[:d]); s[d:] == "" {
			// Nothing more is the same as an empty run and 0, for ever.
			return append(key, keyDebEnd)
		}
		s = s[d:]
	}
}

// keyRPMPart writes each segment's kind and, of letters and numbers, its text.
func keyRPMPart(key []byte, s string) []byte {
	for {
		s = rpmSegments(s)
		class := rpmClass(s)
		key = append(key, byte(class))
		n := 0
		switch class {
		case rpmEnd:
			return key
		case rpmTilde, rpmCaret:
			n = 1
		case rpmLetters:
			n = letters(s)
			key = append(append(key, s[:n]...), 0)
		case rpmNumber:
			n = digits(s)
			key = keyNumber(key, s[:n])
		}
		s = s[n:]
	}
}

// keyAPK writes each token's place among the kinds and its value. A suffix for a
// prerelease is before every kind; the others are in falling order.
func keyAPK(key []byte, v string) []byte {
	t, rest := apkStart(v)
	for t.kind < apkEnd {
		mark := 0x20 - byte(t.kind)
		switch {
		case t.kind == apkSuffix && t.rank < apkNone:
			key = append(key, t.rank)
		case t.kind == apkSuffix:
			key = append(key, mark, t.rank)
		case t.kind == apkNumber && t.value[0] == '0':
			// A fraction: as text, and before every number that is none.
			key = append(append(append(key, mark, 0), t.value...), 0)
		case t.kind == apkNumber:
			key = keyNumber(append(key, mark, 1), t.value)
		case t.kind == apkHash || t.kind == apkLetter:
			key = append(append(append(key, mark), t.value...), 0)
		default:
			key = keyNumber(append(key, mark), t.value)
		}
		t, rest = apkNext(t.kind, rest)
	}
	return append(key, 0x20-byte(apkEnd))
}
