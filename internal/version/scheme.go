package version

import (
	"errors"
	"fmt"
)

// MaxLength is the number of bytes beyond which no string is a version.
const MaxLength = 1024

// ErrInvalid is wrapped by every error that says that a string is not a version in
// its scheme, or that a scheme does not exist.
var ErrInvalid = errors.New("not a valid version")

// Scheme is a way to order versions. The zero Scheme orders nothing: it answers
// every question with an error. Numbers of schemes may change between builds and
// must not be stored.
type Scheme uint8

// The schemes, each with the specification it follows.
const (
	// Deb is the order of dpkg: deb-version(7).
	Deb Scheme = iota + 1
	// RPM is rpmvercmp of rpm 4.15 and later on epoch, version and release, with ~
	// and ^: rpm-version(7). A missing epoch is 0. A release that only one side has
	// is not compared, as in rpm's dependencies.
	RPM
	// APK is the order of apk-tools 3: apk-package(5), "Package version".
	APK
	// Pacman is alpm_pkg_vercmp: vercmp(8). A release that only one side has is not compared.
	Pacman
	// SemVer is Semantic Versioning 2.0.0 (semver.org), read leniently: a leading v,
	// fewer or more than three numbers, and a prerelease without its hyphen
	// ("1.2.3beta", as npm's loose mode) are accepted. Build metadata is ignored.
	SemVer
	// SemVerBuild is SemVer in which build metadata counts, after all else, by the
	// rules of a prerelease; none comes before any. So do Dart's pub_semver and
	// Julia's VersionNumber.
	SemVerBuild
	// Go is SemVer as golang.org/x/mod/semver, with or without the v, and Go
	// toolchain versions (package go/version): "go1.21rc2" is 1.21.0-rc.2.
	Go
	// PEP440 is the order of Python packages: the version specifiers specification
	// of packaging.python.org. Legacy versions are invalid, as they are to pip.
	PEP440
	// Maven is the version order specification of Maven's POM reference, in its
	// newer form in which ".qualifier" equals "-qualifier" and zeros before a
	// qualifier do not count. The older form has circles (1 < 1.foo < 1-alpha < 1).
	Maven
	// Gem is Ruby's Gem::Version. A platform must be cut off before.
	Gem
	// NuGet is SemVer with four numbers and without regard to case: "Package
	// versioning" of learn.microsoft.com/nuget.
	NuGet
	// Packagist is Composer's normal form (VersionParser::normalize) ordered as by
	// PHP's version_compare. Branches ("dev-main") have no order and are invalid.
	Packagist
	// CRAN is R's package_version: numbers apart by dots or hyphens, and of two that
	// begin alike the shorter is less.
	CRAN
	// Hackage is the Ord instance of Cabal's Distribution.Types.Version: numbers
	// apart by dots, and of two that begin alike the shorter is less.
	Hackage
	// Opam is the order of opam's manual, "Version ordering": dpkg's, without epochs.
	Opam
	// Conda is conda.models.version.VersionOrder.
	Conda
	// Generic orders what upstream projects and runtimes write: dotted numbers
	// (trailing zeros do not count), then a tail. Words for prereleases (alpha, beta,
	// rc, …) come before none; other letters and numbers come after none, so 1.0.2 <
	// 1.0.2k < 1.0.2za and 7.1.0 < 7.1.0-62 and 3.12.0b4 < 3.12.0. What follows a
	// plus sign is ignored. No one specifies it.
	Generic
	// Bitnami is Generic without the packaging revision at the end ("-4"), as
	// Bitnami's advisories are on the versions of upstream.
	Bitnami
)

// A comparer is how a Scheme works: check tells why a version is invalid, or gives
// "", and compare orders two valid versions.
type comparer struct {
	name    string
	check   func(v string) string
	compare func(a, b string) int
	// total orders as compare does but is transitive even where compare is not.
	total func(a, b string) int
}

var comparers = [...]comparer{
	0:           {"no scheme", func(string) string { return "there is no order for it" }, func(_, _ string) int { return 0 }, nil},
	Deb:         {"deb", checkDeb, compareDeb, nil},
	RPM:         {"rpm", checkRPM, compareRPM, totalRPM},
	APK:         {"apk", checkAPK, compareAPK, nil},
	Pacman:      {"pacman", checkPacman, comparePacman, totalPacman},
	SemVer:      {"semver", checkSemVer, compareSemVer, nil},
	SemVerBuild: {"semver with build", checkSemVer, compareSemVerBuild, nil},
	Go:          {"go", checkGo, compareGo, nil},
	PEP440:      {"pep440", checkPEP440, comparePEP440, nil},
	Maven:       {"maven", checkMaven, compareMaven, nil},
	Gem:         {"gem", checkGem, compareGem, nil},
	NuGet:       {"nuget", checkNuGet, compareNuGet, nil},
	Packagist:   {"packagist", checkPackagist, comparePackagist, nil},
	CRAN:        {"cran", checkCRAN, compareDotted, nil},
	Hackage:     {"hackage", checkHackage, compareDotted, nil},
	Opam:        {"opam", checkOpam, compareOpam, nil},
	Conda:       {"conda", checkConda, compareConda, nil},
	Generic:     {"generic", checkGeneric, compareGeneric, nil},
	Bitnami:     {"bitnami", checkBitnami, compareBitnami, nil},
}

func (s Scheme) comparer() *comparer {
	if int(s) < len(comparers) {
		return &comparers[s]
	}
	return &comparers[0]
}

// String gives a lower-case name for messages.
func (s Scheme) String() string { return s.comparer().name }

// Valid says why v is not a version in this scheme; the error wraps [ErrInvalid].
// It is nil exactly if Compare(v, v) gives no error.
func (s Scheme) Valid(v string) error {
	if why := s.check(v); why != "" {
		return fmt.Errorf("reading version %.80q as %s: %w: %s", v, s, ErrInvalid, why)
	}
	return nil
}

func (s Scheme) check(v string) string {
	switch {
	case v == "":
		return "it is empty"
	case len(v) > MaxLength:
		return "it is too long"
	}
	return s.comparer().check(v)
}

// Compare gives -1, 0 or +1 as a is before, equal to or after b. An error, which
// wraps [ErrInvalid], says that one of them is not a version in this scheme; the
// order is then 0 and means nothing.
func (s Scheme) Compare(a, b string) (int, error) {
	if s.check(a) != "" {
		return 0, s.Valid(a)
	}
	if s.check(b) != "" {
		return 0, s.Valid(b)
	}
	if a == b {
		return 0, nil
	}
	return s.comparer().compare(a, b), nil
}

// CompareValid is Compare for two versions that [Scheme.Valid] has no error for; with
// others it may panic. It spares reading them once more where one is compared with many.
func (s Scheme) CompareValid(a, b string) int {
	if a == b {
		return 0
	}
	return s.comparer().compare(a, b)
}

// Less tells whether a is before b, with the errors of Compare.
func (s Scheme) Less(a, b string) (bool, error) {
	c, err := s.Compare(a, b)
	return c < 0, err
}

// Contains tells whether v is in iv. An error wraps [ErrInvalid] and says that v or
// an end of iv that had to be compared with it is not a version; the answer is then
// false and means nothing.
func (s Scheme) Contains(v string, iv Interval) (bool, error) {
	if err := s.Valid(v); err != nil {
		return false, err
	}
	if iv.Introduced != "" && iv.Introduced != "0" {
		c, err := s.Compare(v, iv.Introduced)
		if err != nil || c < 0 {
			return false, err
		}
	}
	switch {
	case iv.Fixed != "":
		c, err := s.Compare(v, iv.Fixed)
		return err == nil && c < 0, err
	case iv.LastAffected != "":
		c, err := s.Compare(v, iv.LastAffected)
		return err == nil && c <= 0, err
	}
	return true, nil
}

// order is for sorting valid versions: transitive for every scheme.
func (s Scheme) order(a, b string) int {
	c := s.comparer()
	if c.total != nil {
		return c.total(a, b)
	}
	return c.compare(a, b)
}

// Ranked tells whether v has one place in the order of all versions of the scheme, so
// that numbers can stand for versions in comparisons. It is false for what is not valid,
// and for versions of rpm without a release, which equal those with any.
func (s Scheme) Ranked(v string) bool {
	if s.check(v) != "" {
		return false
	}
	if s == RPM {
		_, _, _, has := splitEVR(v)
		return has
	}
	return s.comparer().total == nil
}
