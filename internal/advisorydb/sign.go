package advisorydb

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// ErrSignature is wrapped by errors about a snapshot that bears no valid signature of a
// key that is trusted.
var ErrSignature = errors.New("no valid signature by a trusted key")

// manifestType is the media type of a manifest: at registries, and as the payload type
// of its signatures.
const manifestType = "application/vnd.plimsoll.advisories.manifest.v2+json"

// The bounds of signatures and of files with keys.
const (
	maxSignatures    = 16
	maxSignatureFile = 16 << 10
	maxKeyFile       = 64 << 10
)

// Key is a public key that snapshots may be signed by (Ed25519, RFC 8032).
type Key struct{ public string } // the bytes of an ed25519.PublicKey

// ID is short for people and files: the beginning of the SHA-256 of the key's bytes.
func (k Key) ID() string {
	sum := sha256.Sum256([]byte(k.public))
	return hex.EncodeToString(sum[:8])
}

// PEM gives the key as a PKIX "PUBLIC KEY" block (RFC 7468).
func (k Key) PEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(k.public))
	if err != nil {
		panic(err) // an Ed25519 key can always be written
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// Signer is a private key.
type Signer struct{ private ed25519.PrivateKey }

// Key gives the public half.
func (s Signer) Key() Key { return Key{string(s.private.Public().(ed25519.PublicKey))} }

// PEM gives the key as a PKCS #8 "PRIVATE KEY" block, which is a secret.
func (s Signer) PEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(s.private)
	if err != nil {
		panic(err) // an Ed25519 key can always be written
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// NewSigner makes a new key.
func NewSigner() (Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return Signer{private}, err
}

// ReadSigner reads a private key from a PEM file (PKCS #8), such as
// "openssl genpkey -algorithm ed25519" writes.
func ReadSigner(path string) (Signer, error) {
	b, err := readSmall(path, maxKeyFile)
	if err != nil {
		return Signer{}, fmt.Errorf("reading the signing key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return Signer{}, fmt.Errorf("reading the signing key: %s holds no PEM block \"PRIVATE KEY\"", path)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := k.(ed25519.PrivateKey)
	if err != nil || !ok {
		return Signer{}, fmt.Errorf("reading the signing key: %s holds no Ed25519 key", path)
	}
	return Signer{private}, nil
}

// ReadKeys reads public keys from a PEM file; there may be several, for a time in which
// one replaces another.
func ReadKeys(path string) ([]Key, error) {
	b, err := readSmall(path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading trusted keys: %w", err)
	}
	var keys []Key
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("reading trusted keys: %s holds a PEM block %q, not a \"PUBLIC KEY\"", path, block.Type)
		}
		k, err := x509.ParsePKIXPublicKey(block.Bytes)
		public, ok := k.(ed25519.PublicKey)
		if err != nil || !ok {
			return nil, fmt.Errorf("reading trusted keys: %s holds a key that is not Ed25519", path)
		}
		keys = append(keys, Key{string(public)})
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("reading trusted keys: %s holds no PEM block \"PUBLIC KEY\"", path)
	}
	return keys, nil
}

// readSmall reads a regular file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > limit {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", path, limit)
	}
	return os.ReadFile(path)
}

// Sign gives the signature of a manifest's bytes in the form that is kept beside it: a
// line with the algorithm, the key's ID and the signature in base64. What is signed is
// the pre-authentication encoding of DSSE 1.0 (github.com/secure-systems-lab/dsse), so
// that a signature made for something else can never pass for one of a snapshot.
func (s Signer) Sign(manifest []byte) []byte {
	sig := ed25519.Sign(s.private, encoding(manifest))
	return fmt.Appendf(nil, "ed25519 %s %s\n", s.Key().ID(), base64.StdEncoding.EncodeToString(sig))
}

func encoding(manifest []byte) []byte {
	b := fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(manifestType), manifestType, len(manifest))
	return append(b, manifest...)
}

// Verify gives the one of keys that signed the manifest. The error wraps [ErrSignature] and
// says what is there instead.
func Verify(manifest, signatures []byte, keys []Key) (Key, error) {
	if len(bytes.TrimSpace(signatures)) == 0 {
		return Key{}, fmt.Errorf("%w: it is not signed", ErrSignature)
	}
	signed := signatureLines(signatures)
	for _, k := range keys {
		for _, s := range signed {
			if s.key == k.ID() && len(s.sig) == ed25519.SignatureSize && ed25519.Verify(ed25519.PublicKey(k.public), encoding(manifest), s.sig) {
				return k, nil
			}
		}
	}
	var have, want []string
	for _, s := range signed {
		have = append(have, s.key)
	}
	for _, k := range keys {
		want = append(want, k.ID())
	}
	if slices.ContainsFunc(have, func(id string) bool { return slices.Contains(want, id) }) {
		return Key{}, fmt.Errorf("%w: the signature by key %s does not fit the manifest, which was changed or damaged", ErrSignature, strings.Join(want, ", "))
	}
	return Key{}, fmt.Errorf("%w: it is signed by key %s, and trusted is %s", ErrSignature, orNone(have), orNone(want))
}

// SignedBy lists the IDs of the keys that signatures are said to be by. Nothing is checked.
func SignedBy(signatures []byte) []string {
	var out []string
	for _, s := range signatureLines(signatures) {
		out = append(out, s.key)
	}
	return out
}

type signature struct {
	key string
	sig []byte
}

func signatureLines(b []byte) []signature {
	var out []signature
	for line := range strings.Lines(string(b[:min(len(b), maxSignatureFile)])) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] != "ed25519" || len(f[1]) != 16 || len(out) == maxSignatures {
			continue
		}
		if _, err := hex.DecodeString(f[1]); err != nil {
			continue
		}
		if sig, err := base64.StdEncoding.DecodeString(f[2]); err == nil {
			out = append(out, signature{f[1], sig})
		}
	}
	return out
}

func orNone(s []string) string {
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ", ")
}
