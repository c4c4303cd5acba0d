package version

import (
	"strings"

	"pgregory.net/rapid"
)

// schemes are all there are.
func schemes() []Scheme {
	var all []Scheme
	for s := Deb; int(s) < len(comparers); s++ {
		all = append(all, s)
	}
	return all
}

// pieces are what versions of a scheme are made of; near-equal versions come from
// few short pieces.
func pieces(s Scheme) []string {
	common := []string{"0", "1", "2", "10", ".", ".0", ".1", "a", "b"}
	own := map[Scheme][]string{
		Deb:         {"1:", "0:", "-", "~", "+", "-1", "-0", "z", "Z", "00", "01", "+b1", "~rc1", "~~"},
		RPM:         {"1:", "0:", "-1", "-2.el8", "~", "^", "_", "+", "00", "01", "~rc1", "^git1", "Z"},
		APK:         {"-r0", "-r1", "_alpha", "_beta2", "_pre", "_rc", "_rc1", "_cvs", "_svn", "_git", "_hg", "_p", "_p1", "~ab", "~12", ".05", ".00", "01"},
		Pacman:      {"1:", "-1", "-2", "_", "+", "..", "rc", "01", ".a"},
		SemVer:      {"-", "-alpha", "-alpha.1", "-rc.1", ".beta", "+b", "+1", "-0", "v", "01"},
		SemVerBuild: {"-", "-alpha", "-rc.1", "+b", "+1", "+1.0", "+0", "+1.a", "v"},
		Go:          {"-0", "-rc.1", "rc1", "rc2", "beta1", "go", "v", "+incompatible", "-0.20200101000000-abcdefabcdef", "-rc1"},
		PEP440:      {"1!", "a1", "b2", "rc1", ".rc1", "-1", ".post1", "post", ".dev0", ".dev1", "+a", "+1", "+1.a", "c", "_", "v", "R1", "RC2"},
		Maven:       {"-", "-1", "-0", "-alpha", ".alpha", "alpha1", "a1", "-beta-2", "-rc1", "-SNAPSHOT", "-sp", ".Final", "-ga", ".RELEASE", "-jre", ".foo", "-foo", "..", "_"},
		Gem:         {".a", ".rc1", ".pre", "-", ".b.0", ".Z", "00", ".0.0"},
		NuGet:       {"-", "-alpha", "-Alpha", "-rc.1", "-RC.1", "+b", "-0", "v", "01"},
		Packagist:   {"-alpha", "-alpha1", "beta2", "-RC1", ".x", "-dev", "x-dev", "-patch1", "pl2", "p1.2", "-stable", "+b", "v", "2020-01-02"},
		CRAN:        {"-", "-1", "-0", "01"},
		Hackage:     {"01", "00"},
		Opam:        {"-", "~", "+", "_", "-1", "~rc1", "v", "00"},
		Conda:       {"1!", "_", "-", "rc", "dev", "post", "post1", ".dev", "+1", "+a", "*", ".post", "A", "1_"},
		Generic:     {"-", "-1", "_", "k", "za", "rc1", "-rc.1", "b2", "beta", "u3", "-b08", "-SNAPSHOT", ".Final", "-LTS", "p1", "+9", "v", "~"},
		Bitnami:     {"-0", "-1", "-2", "-rc1", "+1"},
	}
	return append(common, own[s]...)
}

// near generates n valid versions that differ in few pieces.
func near(s Scheme, n int) *rapid.Generator[[]string] {
	piece := rapid.SampledFrom(pieces(s))
	return rapid.Custom(func(t *rapid.T) []string {
		parts := rapid.SliceOfN(piece, 1, 6).Draw(t, "pieces")
		out := []string{validFrom(s, parts)}
		for len(out) < n {
			parts = append([]string(nil), parts...)
			at := rapid.IntRange(0, len(parts)-1).Draw(t, "at")
			switch rapid.IntRange(0, 2).Draw(t, "edit") {
			case 0:
				parts[at] = piece.Draw(t, "piece")
			case 1:
				parts = append(parts[:at], parts[min(at+1, len(parts)-1):]...)
			case 2:
				parts = append(parts, piece.Draw(t, "piece"))
			}
			out = append(out, validFrom(s, parts))
		}
		return out
	})
}

// validFrom joins as many pieces as make a valid version, leaving others out.
func validFrom(s Scheme, parts []string) string {
	v := ""
	for _, p := range parts {
		for _, next := range []string{v + p, v + "1" + p, p + v} {
			if s.Valid(next) == nil {
				v = next
				break
			}
		}
	}
	if v == "" {
		return "1"
	}
	return v
}

// sameShape tells whether the order of a scheme promises to be transitive among vs.
func sameShape(s Scheme, vs ...string) bool {
	if s != RPM && s != Pacman {
		return true
	}
	with := 0
	for _, v := range vs {
		if strings.Contains(v, "-") {
			with++
		}
	}
	return with == 0 || with == len(vs)
}
