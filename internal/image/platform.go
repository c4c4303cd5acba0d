package image

import (
	"fmt"
	"runtime"
	"strings"
)

// Platform says what an image runs on, with Go's names (OCI image spec, image-index.md).
type Platform struct {
	OS        string `json:"os,omitempty"`
	Arch      string `json:"architecture,omitempty"`
	Variant   string `json:"variant,omitempty"`
	OSVersion string `json:"os.version,omitempty"`
}

// ParsePlatform reads os/arch[/variant], arch[/variant] for linux, or os for this
// machine's architecture. Names are not held against a list: new ones keep coming.
func ParsePlatform(s string) (Platform, error) {
	p := strings.Split(strings.ToLower(strings.TrimSpace(s)), "/")
	for _, part := range p {
		if part == "" || strings.ContainsAny(part, " \t:@") {
			return Platform{}, fmt.Errorf("platform %q: want os/arch or os/arch/variant, for example linux/arm64", s)
		}
	}
	var out Platform
	switch {
	case len(p) == 1 && isOS(p[0]):
		out = Platform{OS: p[0], Arch: runtime.GOARCH}
	case len(p) == 1:
		out = Platform{OS: "linux", Arch: p[0]}
	case len(p) == 2 && isArch(p[0]):
		out = Platform{OS: "linux", Arch: p[0], Variant: p[1]}
	case len(p) == 2:
		out = Platform{OS: p[0], Arch: p[1]}
	case len(p) == 3:
		out = Platform{OS: p[0], Arch: p[1], Variant: p[2]}
	default:
		return Platform{}, fmt.Errorf("platform %q: want os/arch or os/arch/variant, for example linux/arm64", s)
	}
	return out.normal(), nil
}

func isOS(s string) bool {
	switch s {
	case "linux", "windows", "darwin", "macos", "freebsd", "netbsd", "openbsd", "solaris", "wasip1", "wasi":
		return true
	}
	return false
}

func isArch(s string) bool {
	switch s {
	case "amd64", "x86_64", "x86-64", "386", "i386", "i686", "arm", "armhf", "armel", "arm64", "aarch64", "ppc64le", "s390x", "riscv64", "mips64le", "loong64":
		return true
	}
	return false
}

// normal applies the usual synonyms: x86_64 is amd64, aarch64 and arm64/v8 are arm64,
// armhf is arm/v7, and so on (containerd, platforms).
func (p Platform) normal() Platform {
	p.OS, p.Arch, p.Variant = strings.ToLower(p.OS), strings.ToLower(p.Arch), strings.ToLower(p.Variant)
	if p.OS == "macos" {
		p.OS = "darwin"
	}
	switch p.Arch {
	case "x86_64", "x86-64":
		p.Arch = "amd64"
	case "i386", "i486", "i586", "i686":
		p.Arch = "386"
	case "aarch64":
		p.Arch = "arm64"
	case "armhf":
		p.Arch, p.Variant = "arm", "v7"
	case "armel":
		p.Arch, p.Variant = "arm", "v6"
	}
	if len(p.Variant) == 1 && p.Variant >= "1" && p.Variant <= "9" {
		p.Variant = "v" + p.Variant
	}
	if p.Arch == "arm64" && p.Variant == "v8" || p.Arch == "amd64" && p.Variant == "v1" {
		p.Variant = ""
	}
	return p
}

// String gives os/arch[/variant], or "unknown".
func (p Platform) String() string {
	if p.OS == "" && p.Arch == "" {
		return "unknown"
	}
	s := p.OS + "/" + p.Arch
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// HostPlatform is linux on this machine's architecture: containers run on linux
// even where the client does not.
func HostPlatform() Platform { return Platform{OS: "linux", Arch: runtime.GOARCH} }
