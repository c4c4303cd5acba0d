package image

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// Digest names content by its hash, as "algorithm:hex" (OCI image spec,
// descriptor.md). Plimsoll computes sha256 and also accepts sha512.
// The zero Digest means "none is known".
type Digest string

// Sum returns the sha256 digest of b.
func Sum(b []byte) Digest {
	s := sha256.Sum256(b)
	return Digest("sha256:" + hex.EncodeToString(s[:]))
}

// FromHash returns the digest that h has reached; h must come from [Digest.Hash]
// of the same algorithm or be a sha256 hash.
func FromHash(h hash.Hash) Digest {
	algo := "sha256"
	if h.Size() == sha512.Size {
		algo = "sha512"
	}
	return Digest(algo + ":" + hex.EncodeToString(h.Sum(nil)))
}

// ParseDigest checks s and returns it as a Digest.
func ParseDigest(s string) (Digest, error) {
	d := Digest(s)
	if err := d.Validate(); err != nil {
		return "", err
	}
	return d, nil
}

// Validate reports whether d is a well-formed sha256 or sha512 digest in lower case.
func (d Digest) Validate() error {
	algo, hexa, ok := strings.Cut(string(d), ":")
	if !ok {
		return fmt.Errorf("digest %q has no algorithm: want sha256:<64 hex digits>", string(d))
	}
	var want int
	switch algo {
	case "sha256":
		want = sha256.Size * 2
	case "sha512":
		want = sha512.Size * 2
	default:
		return fmt.Errorf("digest algorithm %q is not supported: want sha256 or sha512", algo)
	}
	if len(hexa) != want {
		return fmt.Errorf("digest %q has %d hex digits, want %d", string(d), len(hexa), want)
	}
	for i := 0; i < len(hexa); i++ {
		if c := hexa[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("digest %q is not lower-case hexadecimal", string(d))
		}
	}
	return nil
}

// Algorithm returns the part before the colon.
func (d Digest) Algorithm() string { a, _, _ := strings.Cut(string(d), ":"); return a }

// Hex returns the part after the colon.
func (d Digest) Hex() string { _, h, _ := strings.Cut(string(d), ":"); return h }

// Short returns the first twelve hex digits, for people.
func (d Digest) Short() string {
	h := d.Hex()
	if len(h) > 12 {
		h = h[:12]
	}
	return h
}

// Hash returns a new hash of d's algorithm; sha256 if d is empty.
func (d Digest) Hash() hash.Hash {
	if d.Algorithm() == "sha512" {
		return sha512.New()
	}
	return sha256.New()
}

// ErrDigestMismatch is wrapped by every error that says content is not what its
// digest promises. It is always a hard failure: nothing is judged.
var ErrDigestMismatch = errors.New("content does not match its digest")

// Verify wraps rc so that the read that would give io.EOF gives an error wrapping
// [ErrDigestMismatch] instead if the bytes seen do not hash to d, or number other
// than size (a negative size is not checked). More than size bytes fail at once.
// The caller closes the result, which closes rc. An empty d checks the size alone.
func Verify(rc io.ReadCloser, d Digest, size int64) io.ReadCloser {
	return &verifier{rc: rc, want: d, size: size, h: d.Hash()}
}

type verifier struct {
	rc   io.ReadCloser
	want Digest
	size int64
	n    int64
	h    hash.Hash
	err  error
}

func (v *verifier) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.rc.Read(p)
	v.n += int64(n)
	if v.want != "" {
		v.h.Write(p[:n])
	}
	if v.size >= 0 && v.n > v.size {
		v.err = fmt.Errorf("%s: more than the %d bytes announced: %w", v.want, v.size, ErrDigestMismatch)
		return n, v.err
	}
	if err == io.EOF {
		err = v.check()
	}
	v.err = err
	return n, err
}

func (v *verifier) check() error {
	if v.size >= 0 && v.n != v.size {
		return fmt.Errorf("%s: %d bytes, %d announced: %w", v.want, v.n, v.size, ErrDigestMismatch)
	}
	if v.want == "" {
		return io.EOF
	}
	if got := FromHash(v.h); got != v.want {
		return fmt.Errorf("%s: content has digest %s: %w", v.want, got, ErrDigestMismatch)
	}
	return io.EOF
}

func (v *verifier) Close() error { return v.rc.Close() }
