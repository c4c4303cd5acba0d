package version

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/osv-scalibr/semantic"
)

// reference names the ecosystem by which the reference comparer orders a scheme,
// for those that it knows.
var reference = map[Scheme]string{
	Deb: "Debian", RPM: "Red Hat", APK: "Alpine", SemVer: "npm", SemVerBuild: "Pub", Go: "Go", PEP440: "PyPI",
	Maven: "Maven", Gem: "RubyGems", NuGet: "NuGet", Packagist: "Packagist", CRAN: "CRAN", Hackage: "Hackage",
}

// known says why the reference comparer is known to order a and b otherwise than
// their ecosystem does, or gives "".
func known(s Scheme, a, b string) string {
	both := a + " " + b
	switch s {
	case RPM:
		if !sameShape(RPM, a, b) {
			return "a missing release is less there, and not compared here"
		}
		if strings.Count(a, "-") > 1 || strings.Count(b, "-") > 1 {
			return "a release is cut off at the first hyphen there, by rpm at the last"
		}
	case APK:
		switch {
		case strings.Contains(both, "~"):
			return "commit hashes are not compared there"
		case strings.Contains(a, "-r") != strings.Contains(b, "-r"):
			return "a missing revision is -r0 there; apk-tools puts none before -r0"
		case apkBareSuffix(a) || apkBareSuffix(b):
			return "a suffix without a number has the number 0 there; apk-tools puts it before"
		case apkShape(a) != apkShape(b):
			return "1.0 equals 1 there; apk-tools puts the longer one after"
		case apkLetterNumber(a) || apkLetterNumber(b):
			return "what follows a letter and a number is not compared there"
		}
	case SemVer, Go, SemVerBuild, NuGet:
		switch {
		case s == Go && strings.Contains(both, "go"):
			return "toolchain versions are not known there"
		case s == Go && (looseGo(a) || looseGo(b)):
			return "rc1 without a hyphen is the toolchain's form here"
		case s != NuGet && (numberCount(a) > 3 || numberCount(b) > 3):
			return "a fourth number is a prerelease there"
		case s == SemVerBuild && strings.Contains(both, "+"):
			return "build metadata is compared as text there, by identifiers in Dart and Julia"
		case strings.Contains(both, "--") || strings.Contains(both, ".-"):
			return "-1 is a negative number there; it is a word to the specification"
		}
	case Maven:
		if mavenDotWord(a) || mavenDotWord(b) {
			return "the older specification is followed there, in which .x is not -x"
		}
	case Gem:
		if strings.Contains(both, "-") {
			return "a hyphen is text there, and .pre. in RubyGems"
		}
		if strings.Contains(both, "00") {
			return "00 before a word is kept there"
		}
	case Packagist:
		switch {
		case numberCount(a) != numberCount(b):
			return "versions are not normalised there: 1.0 is before 1.0.0"
		case strings.Contains(both, "2020-01-02"):
			return "dates are not normalised there"
		case strings.ContainsAny(both, "xX+*"):
			return "x and build metadata are words there"
		case strings.Contains(both, "stable"):
			return "stable is an unknown word there, which is least"
		case strings.ToLower(both) != both:
			return "only RC may be in capitals there"
		}
		pa, _ := parseComposer(a)
		pb, _ := parseComposer(b)
		if pa.dev != pb.dev || pa.patch != pb.patch {
			return "the order of a modifier's end depends there on what follows"
		}
	}
	return ""
}

func apkBareSuffix(v string) bool {
	t, rest := apkStart(v)
	for t.kind < apkEnd {
		last := t.kind
		t, rest = apkNext(t.kind, rest)
		if last == apkSuffix && t.kind != apkSuffixNo {
			return true
		}
	}
	return false
}

func apkLetterNumber(v string) bool {
	t, rest := apkStart(v)
	for t.kind < apkEnd {
		if t, rest = apkNext(t.kind, rest); t.kind == apkLetterNo {
			return true
		}
	}
	return false
}

// apkShape counts the numbers at the beginning, but for zeros at their end.
func apkShape(v string) int {
	end := 0
	for end < len(v) && (isDigit(v[end]) || v[end] == '.') {
		end++
	}
	return strings.Count(v[:end], ".") - strings.Count(strings.TrimRight(v[:end], ".0"), ".")
}

func looseGo(v string) bool { _, _, loose := splitGo(v); return loose }

func numberCount(v string) int {
	numbers, _, _, _ := splitSemVer(v)
	return strings.Count(numbers, ".") + 1
}

// mavenDotWord tells whether a dot, or zeros after one, stand before a word.
func mavenDotWord(v string) bool {
	for i := 1; i < len(v); i++ {
		if v[i-1] == '.' && !isDigit(v[i]) {
			return true
		}
	}
	return false
}

// against compares pairs with the reference comparer.
func against(t *testing.T, s Scheme, pairs [][2]string) (compared int) {
	t.Helper()
	failures := 0
	for _, p := range pairs {
		a, b := p[0], p[1]
		if s.Valid(a) != nil || s.Valid(b) != nil || known(s, a, b) != "" {
			continue
		}
		v, err := semantic.Parse(a, reference[s])
		if err != nil {
			t.Errorf("%s: %q is valid here, but there: %v", s, a, err)
			continue
		}
		want, err := v.CompareStr(b)
		if err != nil {
			t.Errorf("%s: %q is valid here, but there: %v", s, b, err)
			continue
		}
		compared++
		if got := mustCompare(t, s, a, b); got != sign(want) {
			if failures++; failures > 20 {
				t.Fatalf("%s: and more", s)
			}
			t.Errorf("%s: Compare(%q, %q) is %d, but the reference says %d", s, a, b, got, want)
		}
	}
	return compared
}

func TestAgainstReference(t *testing.T) {
	for _, s := range schemes() {
		if reference[s] == "" {
			continue
		}
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			if n := against(t, s, append(examplePairs(s, 3000), chainPairs(s)...)); n < 500 {
				t.Errorf("only %d of the generated pairs were compared", n)
			}
		})
	}
}

// neighbours gives pairs of versions next to each other in order, where comparers
// err, and pairs from all over.
func neighbours(s Scheme, versions []string) [][2]string {
	var vs []string
	for _, v := range versions {
		if s.Valid(v) == nil {
			vs = append(vs, v)
		}
	}
	slices.Sort(vs)
	vs = slices.Compact(vs)
	slices.SortStableFunc(vs, s.order)
	var pairs [][2]string
	for i := range vs {
		pairs = append(pairs, [2]string{vs[i], vs[(i+1)%len(vs)]}, [2]string{vs[i], vs[(i*7919+13)%len(vs)]})
	}
	return pairs
}
