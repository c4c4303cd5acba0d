package image_test

import (
	"runtime"
	"testing"

	"github.com/plimsoll/plimsoll/internal/image"
)

func TestParsePlatform(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"linux/amd64", "linux/amd64"},
		{" Linux/X86_64 ", "linux/amd64"},
		{"amd64", "linux/amd64"},
		{"aarch64", "linux/arm64"},
		{"arm64/v8", "linux/arm64"},
		{"linux/arm64/v8", "linux/arm64"},
		{"linux/arm64/8", "linux/arm64"},
		{"linux/arm64/v9", "linux/arm64/v9"},
		{"arm/v7", "linux/arm/v7"},
		{"linux/arm/6", "linux/arm/v6"},
		{"armhf", "linux/arm/v7"},
		{"armel", "linux/arm/v6"},
		{"i686", "linux/386"},
		{"linux/amd64/v1", "linux/amd64"},
		{"linux/amd64/v3", "linux/amd64/v3"},
		{"windows/amd64", "windows/amd64"},
		{"linux", "linux/" + runtime.GOARCH},
		{"linux/newarch", "linux/newarch"},
	} {
		p, err := image.ParsePlatform(tc.in)
		if err != nil || p.String() != tc.want {
			t.Errorf("ParsePlatform(%q) = %s, %v; want %s", tc.in, p, err, tc.want)
		}
		if again, err := image.ParsePlatform(p.String()); err != nil || again != p {
			t.Errorf("ParsePlatform(%q) = %+v, %v; want %+v", p, again, err, p)
		}
	}
	for _, s := range []string{"", "/", "linux/", "/amd64", "a/b/c/d", "linux/amd 64", "linux:amd64", "linux//v7"} {
		if p, err := image.ParsePlatform(s); err == nil {
			t.Errorf("ParsePlatform(%q) = %s, want an error", s, p)
		}
	}
	if s := (image.Platform{}).String(); s != "unknown" {
		t.Errorf("the zero platform is %q", s)
	}
}
