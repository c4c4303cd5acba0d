package image_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/plimsoll/plimsoll/internal/image"
)

func TestDigestValidate(t *testing.T) {
	for _, tc := range []struct {
		in string
		ok bool
	}{
		{someDigest, true},
		{"sha512:" + strings.Repeat("ab", 64), true},
		{"", false},
		{"sha256", false},
		{"sha256:", false},
		{"sha256:" + strings.Repeat("g", 64), false},
		{"sha256:" + strings.Repeat("A", 64), false},
		{"sha256:" + strings.Repeat("a", 63), false},
		{"sha256:" + strings.Repeat("a", 65), false},
		{"sha256:" + strings.Repeat("a", 63) + "/", false},
		{"sha384:" + strings.Repeat("a", 96), false},
		{"SHA256:" + strings.Repeat("a", 64), false},
		{"sha256:../../../../etc/passwd" + strings.Repeat("a", 41), false},
	} {
		d, err := image.ParseDigest(tc.in)
		if (err == nil) != tc.ok {
			t.Errorf("ParseDigest(%q): %v", tc.in, err)
		}
		if tc.ok && (string(d) != tc.in || d.Algorithm()+":"+d.Hex() != tc.in || len(d.Short()) != 12) {
			t.Errorf("ParseDigest(%q) = %q, %q, %q, %q", tc.in, d, d.Algorithm(), d.Hex(), d.Short())
		}
	}
}

func TestVerify(t *testing.T) {
	body := []byte("what is in the blob")
	h512 := image.Digest("sha512:").Hash()
	h512.Write(body)
	size := int64(len(body))
	for _, tc := range []struct {
		name   string
		digest image.Digest
		size   int64
		bad    string
	}{
		{"right", image.Sum(body), size, ""},
		{"right sha512", image.FromHash(h512), size, ""},
		{"size unknown", image.Sum(body), -1, ""},
		{"digest unknown", "", size, ""},
		{"wrong digest", image.Sum([]byte("x")), size, "content has digest"},
		{"short", image.Sum(body), size + 1, "19 bytes, 20 announced"},
		{"long", image.Sum(body), size - 1, "more than the 18 bytes"},
		{"digest unknown, short", "", size + 1, "20 announced"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{"whole": bytes.NewReader(body), "by byte": iotest.OneByteReader(bytes.NewReader(body)), "error with data": iotest.DataErrReader(bytes.NewReader(body))} {
				v := image.Verify(io.NopCloser(r), tc.digest, tc.size)
				got, err := io.ReadAll(v)
				if tc.bad == "" {
					if err != nil || !bytes.Equal(got, body) {
						t.Errorf("%s: %q, %v", name, got, err)
					}
					continue
				}
				if !errors.Is(err, image.ErrDigestMismatch) || !strings.Contains(err.Error(), tc.bad) {
					t.Errorf("%s: error is %v, want a mismatch saying %q", name, err, tc.bad)
				}
				if n, again := v.Read(make([]byte, 1)); n != 0 || again != err {
					t.Errorf("%s: after the error Read gives %d, %v", name, n, again)
				}
			}
		})
	}
	broken := errors.New("the line is dead")
	if _, err := io.ReadAll(image.Verify(io.NopCloser(iotest.ErrReader(broken)), image.Sum(nil), 0)); !errors.Is(err, broken) {
		t.Errorf("a reader's own error became %v", err)
	}
}
