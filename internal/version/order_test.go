package version

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func mustCompare(t interface{ Fatalf(string, ...any) }, s Scheme, a, b string) int {
	c, err := s.Compare(a, b)
	if err != nil {
		t.Fatalf("Compare(%q, %q): %v", a, b, err)
	}
	return c
}

func TestOrderIsAnOrder(t *testing.T) {
	for _, s := range schemes() {
		t.Run(s.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				vs := near(s, 4).Draw(t, "versions")
				for _, a := range vs {
					if c := mustCompare(t, s, a, a); c != 0 {
						t.Fatalf("%q is %d to itself", a, c)
					}
					for _, b := range vs {
						if x, y := mustCompare(t, s, a, b), mustCompare(t, s, b, a); x != -y {
							t.Fatalf("%q to %q is %d, but the other way round %d", a, b, x, y)
						}
						for _, c := range vs {
							transitive(t, "total order", a, b, c, s.order)
							if sameShape(s, a, b, c) {
								transitive(t, "order", a, b, c, func(x, y string) int { return mustCompare(t, s, x, y) })
							}
						}
					}
				}
			})
		})
	}
}

func transitive(t *rapid.T, what, a, b, c string, compare func(a, b string) int) {
	x, y, z := compare(a, b), compare(b, c), compare(a, c)
	if x <= 0 && y <= 0 && (z > 0 || z == 0 && (x < 0 || y < 0)) {
		t.Fatalf("%s: %q to %q is %d, %q to %q is %d, but %q to %q is %d", what, a, b, x, b, c, y, a, c, z)
	}
}

// chains are versions in ascending order; = stands before one equal to its
// predecessor. They are the traps that each ecosystem is known for.
var chains = map[Scheme][]string{
	Deb: {
		"0~~", "0~", "0", "=0:0", "=0-0", "=00", "1.0~~", "1.0~beta1~svn1245", "1.0~beta1", "1.0", "=1.0-0", "1.0-1~deb12u1", "1.0-1", "=0:1.0-1",
		"1.0-1ubuntu1", "1.0-1+b1", "1.0-1+deb12u1", "1.0-1.1", "1.0-2", "1.0-10", "1.0a", "1.0ab", "1.0z", "1.0+", "1.0+dfsg-1", "1.0-1-1", "1.0.1",
		"1.2.3-4ubuntu5~esm1", "1.2.3-4ubuntu5.1~esm1", "1.2.3-4ubuntu5.1", "1.2.3-4ubuntu5.1+Fips1", "1.2.3-4ubuntu5.2",
		"1.09", "=1.9", "1.10", "1:0", "2:0.1", "10:0",
	},
	RPM: {
		"1.0~~", "1.0~rc1", "1.0~rc1^git1", "1.0", "=0:1.0", "=00:1.0", "1.0^", "1.0^git1", "1.0^git2~1", "1.0^git2", "1.0a", "1.0aa", "1.0b", "1.0.1", "=1_0_1", "=1.0.01", "1.0.10", "1.0.1010",
		"1:0.1", "2:0",
	},
	APK: {
		"1_alpha", "1_alpha0", "1_alpha1-r0", "1_alpha2_p1", "1_beta", "1_pre", "1_rc", "1_rc0", "1_rc1",
		"1", "1-r0", "1-r1", "1-r2", "1-r10", "1~12", "1~12-r5", "1~ab", "1_cvs", "1_svn", "1_git20190101", "1_git20200101", "1_hg", "1_p", "1_p0", "1_p1", "1_p1_p1", "1a", "1a-r1", "1b", "1p1", "1p2",
		"1.0", "1.00", "1.02", "1.05", "1.1", "1.2", "1.5", "1.10", "2",
	},
	Pacman: {
		"1.0a", "1.0alpha", "1.0b", "1.0beta", "1.0p", "1.0pre", "1.0rc", "1.0", "1.0.a", "1.0.1", "1.0..1", "1.1", "=1_1", "=0:1.1", "1:0.1",
	},
	SemVer: {
		"0.0.0-0", "0.0.0", "=0", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.1.0", "1.0.0-alpha.beta", "1.0.0-alpha-1", "1.0.0-beta", "=1.0.0beta",
		"1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "=v1.0.0", "=1.0.0+build.5", "=1.0", "=1", "1.0.1", "1.0.10", "1.9.0", "1.10.0", "1.10.0.1", "99999999999999999999.0.0", "100000000000000000000.0.0",
	},
	SemVerBuild: {
		"1.0.0-rc.1", "1.0.0-rc.1+1", "1.0.0", "1.0.0+0", "1.0.0+1", "1.0.0+1.0", "1.0.0+2", "1.0.0+10", "1.0.0+a", "1.0.1-0",
	},
	Go: {
		"v0.0.0-20180101000000-aaaaaaaaaaaa", "v0.0.0-20200101000000-000000000000", "v0.0.0", "v1.2.3-0.20200101000000-abcdefabcdef", "1.2.3-pre", "v1.2.3-pre.0.20200101000000-abcdefabcdef", "v1.2.3", "=1.2.3",
		"=v1.2.3+incompatible", "=v1.2.3+dirty", "v1.2.4-0.20200101000000-abcdefabcdef", "v1.20.0", "1.21.0-0", "1.21.0-beta.1", "go1.21rc1", "=1.21.0-rc.1", "go1.21rc2", "=go1.21rc2-bigcorp",
		"go1.21.0", "=1.21.0", "=go1.21", "=go1.21.0 X:nocoverageredesign", "=go1.21.0-X:foo", "=go1.21.0 (Red Hat 1.21.0-1.el9)", "go1.21.1", "1.21.10", "v2.0.0-rc1", "v2.0.0+incompatible",
	},
	PEP440: {
		"0.dev1", "1.0.dev0", "=1.dev", "1.0.dev1", "1.0a1.dev1", "1.0a1", "=1.0alpha1", "=1.0-A.1", "1.0a1.post1.dev1", "1.0a1.post1", "1.0a2", "1.0b1", "=1.0_beta_1", "1.0rc1", "=1.0c1", "=1.0pre1", "=1.0.preview-1", "1.0rc2", "1.0", "=1", "=1.0.0", "=v1.0", "=0!1.0",
		"1.0+a", "1.0+a.1", "1.0+b", "1.0+1", "1.0+1.a", "1.0+2", "1.0+10", "1.0.post0.dev1", "1.0.post0", "=1.0.post", "1.0.post1", "=1.0-1", "=1.0r1", "=1.0.rev1", "1.0.post1+local", "1.0.1", "1.1", "1.10", "2012.1", "1!0.1",
	},
	Maven: {
		"1-alpha-1", "=1.0-alpha-1", "=1.0.alpha1", "=1-a1", "=1.0.0ALPHA1", "1-alpha-2", "1-beta", "1-milestone-3", "=1.0.M3", "1-rc", "=1-cr", "1-rc1", "=1.0.0.RC1", "=1.0.0.CR1", "1-SNAPSHOT", "1", "=1.0", "=1.0.0", "=1-ga", "=1.0.0.Final", "=1.0.0.RELEASE", "=1-0",
		"1-sp", "1-sp1", "1-android", "1-jre", "1-m", "1-1", "1-20230101.120000-1", "1.0.1", "1.1-alpha1", "1.1", "1.2.3", "1.10", "1.99999999999999999999", "2.0.0.M1",
	},
	Gem: {
		"0", "=0.0", "0.1", "1.0.a", "=1.a", "1.0.a.1", "1.0.a10", "1.0.b1", "1.0.pre", "1.0.pre.1", "=1-1", "1.0.rc1", "1.0", "=1", "=1.0.0", "1.0.0.1", "1.1.a", "1.1", "1.9", "1.10",
	},
	NuGet: {
		"1.0.0-1", "1.0.0-alpha", "=1.0.0-ALPHA", "1.0.0-alpha.1", "1.0.0-Beta", "1.0.0-rc.1", "1.0", "=1.0.0", "=1.0.0.0", "=1.00.0", "=1.0.0+meta", "1.0.0.1-rc", "1.0.0.1", "1.0.1",
	},
	Packagist: {
		"1.0.0-dev", "1.0.0-alpha", "=1.0.0a", "1.0.0-alpha1-dev", "1.0.0-alpha1", "=1.0-a1", "1.0.0-beta1", "1.0.0-RC1", "=1.0.0rc1", "1.0.0-rc1.1", "1.0.0-RC2", "1.0.0", "=v1", "=1.0.0-stable", "=1.0.0+build", "1.0.0-p1", "=1.0.0-pl1", "=1.0.0-patch1", "1.0.1", "1.2.3", "1.2.3.4",
		"1.x-dev", "2.0.0", "2013-01-02", "=2013.01.02", "2013-01-03",
	},
	CRAN:    {"0", "0.9", "1", "1.0", "=1-0", "=1.00", "1.0-1", "1.0.2", "1.0-10", "1.1"},
	Hackage: {"0.1", "1", "1.0", "=1.00", "1.0.0", "1.0.1", "1.2", "1.10"},
	Opam:    {"0.1~", "0.1", "0.1-1", "0.9", "1.0~rc1", "1.0", "=1.00", "1.0a", "1.0+1", "1.1", "1.10", "v0.9", "v0.10"},
	Conda: {
		"0.4", "=0.4.0", "0.4.1.rc", "=0.4.1.RC", "0.4.1", "0.5a1", "0.5b3", "0.5C1", "0.5", "0.9.6", "0.960923", "1.0", "1.1dev1", "1.1_", "1.1a1", "1.1.0dev1", "=1.1.dev1", "1.1.a1", "1.1.0rc1", "1.1.0", "=1.1", "1.1.0post1", "=1.1.post1", "1.1post1",
		"1996.07.12", "1!0.4.1", "1!3.1.1.6", "2!0.4.1",
	},
	Generic: {
		"1.0.2-dev", "1.0.2-alpha1", "1.0.2-beta1", "=1.0.2b1", "1.0.2-pre1", "1.0.2rc1", "=1.0.2-rc.1", "1.0.2", "=1.0.2.0", "=v1.0.2", "=1.0.2+9-x", "=1.0.2.Final", "=1.0.2-LTS", "1.0.2a", "1.0.2k", "1.0.2k-fips", "1.0.2l", "1.0.2z", "1.0.2za", "1.0.2zh", "1.0.2-1", "1.0.2-62", "1.0.3",
		"1.8.0_292", "1.8.0_392", "1.8.0_392-b08", "8u392", "8u392-b08", "9.2p1", "17.0.9", "=17.0.9+9",
	},
	Bitnami: {"1.2.3-rc1", "=1.2.3-rc1-5", "1.2.3", "=1.2.3-0", "=1.2.3-4", "=1.2.3-104", "1.2.4-0"},
}

func TestKnownTraps(t *testing.T) {
	for _, s := range schemes() {
		chain := slices.Clone(chains[s])
		if len(chain) == 0 {
			t.Errorf("%s has no table of traps", s)
		}
		// place counts the strict steps up to each version.
		place := make([]int, len(chain))
		for i, v := range chain {
			if i > 0 {
				place[i] = place[i-1] + 1
			}
			if rest, ok := strings.CutPrefix(v, "="); ok {
				chain[i], place[i] = rest, place[i-1]
			}
		}
		for i, a := range chain {
			for j, b := range chain {
				got, err := s.Compare(a, b)
				if err != nil {
					t.Errorf("%s: Compare(%q, %q): %v", s, a, b, err)
				} else if want := sign(place[i] - place[j]); got != want {
					t.Errorf("%s: Compare(%q, %q) is %d, want %d", s, a, b, got, want)
				}
				less, err := s.Less(a, b)
				if want := place[i] < place[j]; err == nil && less != want {
					t.Errorf("%s: Less(%q, %q) is %t", s, a, b, less)
				}
			}
		}
	}
}

func TestMissingReleaseIsNotCompared(t *testing.T) {
	for _, s := range []Scheme{RPM, Pacman} {
		for _, v := range []string{"1.0-1", "1.0-2.el8", "0:1.0-3"} {
			if c := mustCompare(t, s, "1.0", v); c != 0 {
				t.Errorf("%s: 1.0 to %s is %d, want 0", s, v, c)
			}
		}
		if c := mustCompare(t, s, "1.0-9", "1.1"); c != -1 {
			t.Errorf("%s: 1.0-9 to 1.1 is %d, want -1", s, c)
		}
	}
}

func TestInvalid(t *testing.T) {
	long := "1" + strings.Repeat(".1", MaxLength/2)
	tests := map[Scheme][]string{
		0:           {"1"},
		200:         {"1"},
		Deb:         {"<unfixed>", "a:1", ":1", "1:", "1.0-", "1:-1", "-1", "3000000000:1", "1_0", "1 0", "1.0é"},
		RPM:         {"-1", "1-", "1:", "1:-1", "1 0", "1.0é", "<unfixed>", "(none)"},
		APK:         {"a", "1.", "1..0", "1.2.", "1_foo", "1_", "1-r", "1-1", "1-r1-r2", "1ab", "1A", "v1", "1~", "1~xyz", "1-r1_p1", "1_rc1a"},
		Pacman:      {"1-", "-1", "1.", "1._-1", "1 0"},
		SemVer:      {"latest", "v", "1.", "1..2", ".1", "1.x", "1.2.3-", "1.2.3-a..b", "1.2.3+", "1.2.3+a..b", "^1.2", ">=1", "1.2.3 ", "*", "1.2.3-é"},
		SemVerBuild: {"main", "1.0.0+"},
		Go:          {"(devel)", "devel", "devel go1.22-abcdef", "go", "gov1", "go1.", "go1.21rc1x", "v", "master", ""},
		PEP440:      {"1.0-foo", "a", "1.0..1", "1.0+", "1.0+a..b", "1!", "!1", "2004d", "1.0 ", "1.0a1b2", "1.0.dev1.post1", "==1.0"},
		Maven:       {"${project.version}", "[1.0,2.0)", "unspecified", "LATEST", "1 0", "1.0é"},
		Gem:         {"a", "1a", "1..0", "1.", "1.0_1", "1.0+1"},
		NuGet:       {"1.2.3.4.5", "1.*", "[1.0]", "1.0-", "x"},
		Packagist:   {"dev-main", "1.2.3-foo", "1.2.3.4.5", "v", "~1.2", "1.0 as 2.0", "@dev", "1.0.0-beta.x"},
		CRAN:        {"a", "1.", "1..2", "1a", "-1"},
		Hackage:     {"1-0", "1.", "1.0-foo"},
		Opam:        {"1:0", "1 0", "1/0"},
		Conda:       {"1..0", "!1", "a!1", "1+", "1-0_1", "1.0=py3", "1.0 "},
		Generic:     {"nightly", "1..2", "1.", "v", "1/2", "1.2.3 (build 4)"},
		Bitnami:     {"latest", "-1"},
	}
	for s, vs := range tests {
		for _, v := range append(vs, "", long, "1\x00", "1\n2", "1\x1b[31m") {
			if err := s.Valid(v); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: Valid(%.40q) = %v, want ErrInvalid", s, v, err)
			}
			if c, err := s.Compare(v, "1"); c != 0 || !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: Compare(%.40q, 1) = %d, %v", s, v, c, err)
			}
			if c, err := s.Compare("1", v); c != 0 || !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: Compare(1, %.40q) = %d, %v", s, v, c, err)
			}
			if in, err := s.Contains(v, Interval{}); in || err == nil {
				t.Errorf("%s: Contains(%.40q, all) = %t, %v", s, v, in, err)
			}
		}
		if err := s.Valid(long[:21]); int(s) < len(comparers) && s > 0 && s != NuGet && s != Packagist && err != nil {
			t.Errorf("%s: Valid(%q) = %v", s, long[:21], err)
		}
	}
	for _, s := range schemes() {
		if len(tests[s]) == 0 {
			t.Errorf("%s has no invalid versions in the table", s)
		}
	}
}

func TestErrorMessagesAreShort(t *testing.T) {
	if got := Deb.Valid(strings.Repeat("<", 1<<20)).Error(); len(got) > 500 {
		t.Errorf("a message of %d bytes", len(got))
	}
}

func TestContains(t *testing.T) {
	tests := []struct {
		s    Scheme
		v    string
		iv   Interval
		want bool
	}{
		{Deb, "1.0-1", Interval{}, true},
		{Deb, "0~", Interval{Introduced: "0"}, true},
		{Deb, "1.0-1", Interval{Introduced: "0", Fixed: "1.0-2"}, true},
		{Deb, "1.0-2", Interval{Introduced: "0", Fixed: "1.0-2"}, false},
		{Deb, "1.0-2", Interval{LastAffected: "1.0-2"}, true},
		{Deb, "1.0-2+b1", Interval{LastAffected: "1.0-2"}, false},
		{Deb, "1.0-2", Interval{Fixed: "1.0-2", LastAffected: "9"}, false},
		{Deb, "1:0.1-1", Interval{Fixed: "2.0"}, false},
		{RPM, "1.0-1", Interval{LastAffected: "1.0"}, true},
		{RPM, "1.0-1", Interval{Fixed: "1.0"}, false},
		{RPM, "1.0-1.el8", Interval{Fixed: "0:1.0-2.el8"}, true},
		{RPM, "1:1.0-1.el8", Interval{Fixed: "1.0-2.el8"}, false},
		{RPM, "9.0-3.el8_4", Interval{Fixed: "9.0-3.el8_4.1"}, true},
		{APK, "1.1.1d-r0", Interval{Fixed: "1.1.1d-r1"}, true},
		{APK, "1.1.1d-r1", Interval{Fixed: "1.1.1d-r1"}, false},
		{APK, "1.0-r0", Interval{Fixed: "0"}, false},
		{SemVer, "1.0.0-rc.1", Interval{Introduced: "1.0.0"}, false},
		{SemVer, "1.5.0", Interval{Introduced: "1.0.0", Fixed: "2.0.0"}, true},
		{Go, "go1.20.5", Interval{Introduced: "1.20.0-0", Fixed: "1.20.6"}, true},
		{PEP440, "1.0+local", Interval{Introduced: "0", LastAffected: "1.0"}, false},
		{Generic, "1.0.2k", Interval{Introduced: "1.0.2", Fixed: "1.0.2l"}, true},
		{Generic, "3.12.0b4", Interval{Introduced: "3.12.0"}, false},
		{Bitnami, "1.2.3-4", Interval{Fixed: "1.2.3"}, false},
		{Bitnami, "1.2.3-4", Interval{LastAffected: "1.2.3"}, true},
	}
	for _, test := range tests {
		got, err := test.s.Contains(test.v, test.iv)
		if err != nil || got != test.want {
			t.Errorf("%s: Contains(%q, %+v) = %t, %v, want %t", test.s, test.v, test.iv, got, err, test.want)
		}
	}
	for _, iv := range []Interval{{Introduced: "<x>"}, {Fixed: "<x>"}, {LastAffected: "<x>"}} {
		if in, err := Deb.Contains("1", iv); in || !errors.Is(err, ErrInvalid) {
			t.Errorf("Contains(1, %+v) = %t, %v, want an error", iv, in, err)
		}
	}
}

func TestComparingAllocatesNothing(t *testing.T) {
	for _, s := range schemes() {
		chain := chains[s]
		if n := testing.AllocsPerRun(10, func() {
			for i := range chain {
				for j := range chain {
					_ = s.check(chain[i]) == "" && s.check(chain[j]) == "" && s.order(chain[i], chain[j]) == 0
				}
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", s, n)
		}
		a, b := strings.TrimPrefix(chain[0], "="), strings.TrimPrefix(chain[len(chain)-1], "=")
		if n := testing.AllocsPerRun(10, func() { _, _ = s.Compare(a, b) }); n != 0 {
			t.Errorf("%s: Compare(%q, %q) makes %v allocations", s, a, b, n)
		}
	}
}

// TestHostileIsCheap compares long strings made to be slow where anything is read
// again and again.
func TestHostileIsCheap(t *testing.T) {
	start := time.Now()
	n := 0
	for _, s := range schemes() {
		for _, unit := range append(pieces(s), ".0", "-0", "a.", "0a", "a0", ".0.final", "0.", "--", "_p") {
			long := "1" + strings.Repeat(unit, (MaxLength-8)/len(unit))
			for _, end := range []string{"", "1", ".1", "a", "-r1"} {
				a, b := long+end, long
				_, _ = s.Compare(a, b)
				_, _ = s.Compare(b, a)
				n += 2
			}
		}
	}
	if d := time.Since(start); d > time.Duration(n)*100*time.Millisecond {
		t.Errorf("%d comparisons took %v", n, d)
	}
}

// TestEveryShortString takes all strings of up to four characters that are versions
// and holds their sorted list to be one order: whatever two are taken, they compare
// as their places say.
func TestEveryShortString(t *testing.T) {
	const characters = "01ar.-_~+:!^*"
	short := []string{""}
	for from, n := 0, 1; n <= 4; n++ {
		to := len(short)
		for _, s := range short[from:to] {
			for i := range len(characters) {
				short = append(short, s+characters[i:i+1])
			}
		}
		from = to
	}
	for _, s := range schemes() {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			var vs []string
			for _, v := range short {
				if s.Valid(v) == nil {
					vs = append(vs, v)
				}
			}
			slices.SortStableFunc(vs, s.order)
			// place is the same for versions that are equal to their neighbours.
			place := make([]int, len(vs))
			for i := 1; i < len(vs); i++ {
				place[i] = place[i-1] - s.order(vs[i-1], vs[i])
			}
			step := 1 + len(vs)/150
			for i := range vs {
				for j := i % step; j < len(vs); j += step {
					if got, want := s.order(vs[i], vs[j]), sign(place[i]-place[j]); got != want {
						t.Fatalf("%q to %q is %d, but by their places %d", vs[i], vs[j], got, want)
					}
					sameKeys(t, s, vs[i], vs[j])
				}
			}
			if len(vs) < 20 {
				t.Errorf("only %d strings are versions", len(vs))
			}
			t.Logf("%d versions in %d places", len(vs), place[len(place)-1]+1)
		})
	}
}
