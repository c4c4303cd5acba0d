package extract

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// runtimeRelease reads the files in which language runtimes state their version: the
// "release" file of a JDK or JRE (JEP 223, and java.base's GensrcMisc makefile) and
// OTP_VERSION of Erlang.
var runtimeRelease = Extractor{
	Name: "runtime", Doc: "release of a Java runtime, OTP_VERSION", Version: 1,
	Want: func(e rootfs.Entry) bool {
		if e.Kind != rootfs.Regular || e.Size == 0 {
			return false
		}
		switch e.Base() {
		case "release":
			return e.Size <= binMaxRelease && e.Path != "release"
		case "OTP_VERSION":
			return e.Size <= 64 && strings.Contains(e.Path, "/releases/")
		}
		return false
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		b, err := f.Bytes()
		if err != nil {
			return nil, fmt.Errorf("reading a runtime's release file: %w", err)
		}
		p := inventory.Package{Type: "generic", Evidence: inventory.Installed}
		if f.Base() == "OTP_VERSION" {
			p.Name, p.Version = "erlang", string(bytes.TrimSuffix(bytes.TrimSpace(b), []byte("**")))
			if n, end := binNumbers([]byte(p.Version), 0); n < 2 || end != len(p.Version) {
				return nil, fmt.Errorf("reading OTP_VERSION: %.40q is no version", p.Version)
			}
		} else {
			keys := binRelease(b)
			if keys["JAVA_VERSION"] == "" {
				return nil, nil // some other file of this name
			}
			p.Name, p.Version, p.Vendor = "java", binJavaVersion(keys["JAVA_VERSION"]), keys["IMPLEMENTOR"]
			if p.Version == "" {
				return nil, fmt.Errorf("reading a Java release file: %.40q is no version", keys["JAVA_VERSION"])
			}
		}
		return &inventory.Fragment{Packages: []inventory.Package{p}}, nil
	},
}

// binMaxRelease is above the size of every release file; it lists modules and sources.
const binMaxRelease = 64 << 10

// binRelease reads KEY="value" lines; it keeps the keys that are used.
func binRelease(b []byte) map[string]string {
	out := map[string]string{}
	for line := range bytes.Lines(b) {
		key, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte("="))
		if !ok {
			continue
		}
		switch k := string(key); k {
		case "JAVA_VERSION", "IMPLEMENTOR":
			out[k] = string(bytes.Trim(value, `"'`))
		}
	}
	return out
}

// binJavaVersion gives the version as advisories order it: "17.0.15" as it is, and
// "1.8.0_352" as 8.0.352, the update being the third number. "" if it is neither.
func binJavaVersion(s string) string {
	s, _, _ = strings.Cut(s, "-")
	if rest, ok := strings.CutPrefix(s, "1."); ok {
		s = strings.Replace(rest, "_", ".", 1)
		major, more, _ := strings.Cut(s, ".")
		if minor, update, has := strings.Cut(more, "."); has {
			s = major + "." + minor + "." + strings.TrimLeft(update[:max(len(update)-1, 0)], "0") + update[max(len(update)-1, 0):]
		}
	}
	if n, end := binNumbers([]byte(s), 0); n == 0 || end != len(s) {
		return ""
	}
	return s
}
