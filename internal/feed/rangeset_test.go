package feed

import (
	"fmt"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// spelled writes intervals as "[from to)" or "[from to]"; "*" is no end.
func spelled(all []version.Interval) string {
	var out []string
	for _, iv := range all {
		switch {
		case iv.Fixed != "":
			out = append(out, fmt.Sprintf("[%s %s)", iv.Introduced, iv.Fixed))
		case iv.LastAffected != "":
			out = append(out, fmt.Sprintf("[%s %s]", iv.Introduced, iv.LastAffected))
		default:
			out = append(out, fmt.Sprintf("[%s *)", iv.Introduced))
		}
	}
	return strings.Join(out, " ")
}

func TestRangeSyntax(t *testing.T) {
	tests := []struct {
		syntax rangeSyntax
		text   string
		want   string // "" if it cannot be read
	}{
		{cargoSyntax, ">= 1.2.3", "[1.2.3 *)"},
		{cargoSyntax, ">=1.2.3, < 2", "[1.2.3 2)"},
		{cargoSyntax, "< 2.0.0, >= 1.0.0", "[1.0.0 2.0.0)"},
		{cargoSyntax, "^1.2.3", "[1.2.3 2.0.0-0)"},
		{cargoSyntax, "^ 0.2.3", "[0.2.3 0.3.0-0)"},
		{cargoSyntax, "1.2", "[1.2 2.0.0-0)"},
		{cargoSyntax, "^0.0.3", "[0.0.3 0.0.4-0)"},
		{cargoSyntax, "^0.0", "[0.0 0.1.0-0)"},
		{cargoSyntax, "~1.2.3", "[1.2.3 1.3.0-0)"},
		{cargoSyntax, "~1", "[1 2.0.0-0)"},
		{cargoSyntax, "=1.2.3", "[1.2.3 1.2.3]"},
		{cargoSyntax, "> 1.2.3", "[1.2.4-0 *)"},
		{cargoSyntax, "> 1.2", "[1.3.0-0 *)"},
		{cargoSyntax, "<= 1.2", "[0 1.3.0-0)"},
		{cargoSyntax, "> 1.0.0-rc.1", "[1.0.0-rc.1.0 *)"},
		{cargoSyntax, "*", "[0 *)"},
		{cargoSyntax, ">= 2, < 1", "none"},
		{rubySyntax, "~> 2.1.3", "[2.1.3 2.2.a)"},
		{rubySyntax, "~> 2.1.3, >= 2.1.3.1", "[2.1.3.1 2.2.a)"},
		{rubySyntax, "~> 2", "[2 3.a)"},
		{rubySyntax, "~> 1.2.3.rc1", "[1.2.3.rc1 1.3.a)"},
		{rubySyntax, "> 1.0", "[1.0.0.0.0.1 *)"},
		{rubySyntax, "= 1.0", "[1.0 1.0]"},
		{composerSyntax, ">=2.0.0,<2.1.0", "[2.0.0 2.1.0)"},
		{composerSyntax, ">1.0,<=1.2", "[1.0-patch1 1.2]"},
		{composerSyntax, "<2.4.1-p3", "[0 2.4.1-p3)"},
		{hexSyntax, ">= 3.6.3, <= 3.7.0", "[3.6.3 3.7.0]"},
		{nodeSyntax, "8.x || 7.x || 4.x", "[4 5.0.0) [7 9.0.0)"},
		{nodeSyntax, ">=6.0.0 <6.2.0 || 5.x", "[5 6.2.0)"},
		{nodeSyntax, "9.7.x || 10.x", "[9.7 9.8.0) [10 11.0.0)"},
		{nodeSyntax, "<= 10", "[0 11.0.0)"},
		{nodeSyntax, "8.5.0", "[8.5.0 8.5.0]"},
		{cargoSyntax, "", ""},
		{cargoSyntax, ">=", ""},
		{cargoSyntax, "!= 1.0.0", ""},
		{cargoSyntax, ">= x.y", ""},
		{cargoSyntax, "1.0.0 || ", ""},
		{rubySyntax, "^1.0", "[1.0 2.0.0)"},
		{rubySyntax, "~> a", ""},
		{cargoSyntax, ">= 99999999999999999999999999.0.0", "[99999999999999999999999999.0.0 *)"},
		{cargoSyntax, "^99999999999999999999999999.0.0", ""},
		{cargoSyntax, strings.Repeat("1.0.0 || ", 10000) + "1.0.0", ""},
	}
	for _, tt := range tests {
		set, err := tt.syntax.set(tt.text)
		got := spelled(set.intervals())
		if err == nil && got == "" {
			got = "none"
		}
		if err != nil {
			got = ""
		}
		if got != tt.want {
			t.Errorf("%.60q: %q, %v, want %q", tt.text, got, err, tt.want)
		}
	}
}

// TestUnfixed: what is neither patched nor unaffected.
func TestUnfixed(t *testing.T) {
	tests := []struct {
		syntax              rangeSyntax
		patched, unaffected []string
		want                string
	}{
		{cargoSyntax, nil, nil, "[0 *)"},
		{cargoSyntax, []string{">= 1.2.3"}, []string{"< 1.0.0"}, "[1.0.0 1.2.3)"},
		{cargoSyntax, []string{"^2.2.1", ">= 3.0.0-beta.9"}, nil, "[0 2.2.1) [3.0.0-0 3.0.0-beta.9)"},
		{cargoSyntax, nil, []string{"<= 0.9.0"}, "[0.9.1-0 *)"},
		{cargoSyntax, []string{"> 1.0.0"}, nil, "[0 1.0.0]"},
		{cargoSyntax, []string{">= 0"}, nil, ""},
		{rubySyntax, []string{"~> 2.1.3", ">= 2.2.2"}, []string{"< 2.1.0"}, "[2.1.0 2.1.3) [2.2.a 2.2.2)"},
		{rubySyntax, []string{"~> 7.0.8, >= 7.0.8.1", ">= 7.1.3.1"}, nil, "[0 7.0.8.1) [7.1.a 7.1.3.1)"},
	}
	for _, tt := range tests {
		var af advisory.Affected
		ok, err := tt.syntax.unfixed(&af, tt.patched, tt.unaffected)
		if got := spelled(af.Ranges); err != nil || got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q, %q: %q, %v, %v, want %q", tt.patched, tt.unaffected, got, ok, err, tt.want)
		}
	}
	if _, err := cargoSyntax.unfixed(&advisory.Affected{}, make([]string, 1e5), nil); err == nil {
		t.Error("texts without a condition were taken")
	}
	many := make([]string, 1e5)
	for i := range many {
		many[i] = fmt.Sprintf("= 1.0.%d", 2*i)
	}
	if _, err := cargoSyntax.unfixed(&advisory.Affected{}, many, nil); err == nil {
		t.Error("100,000 ranges were taken")
	}
}

// TestRangeSetAgrees: sets answer for a version as their parts do.
func TestRangeSetAgrees(t *testing.T) {
	texts := []string{"< 1.2.0", ">= 1.0.0, < 2.0.0", "^0.3.0", "> 1.5.0", "= 1.5.0", "~1.2.3", "<= 0.0.0", ">= 3.0.0-alpha.1"}
	versions := []string{"0.0.0", "0.0.1", "0.3.0", "0.3.9", "0.4.0", "1.0.0", "1.2.0-rc.1", "1.2.0", "1.2.3", "1.2.9", "1.3.0", "1.5.0", "1.5.1-0", "1.5.1", "2.0.0", "3.0.0-alpha", "3.0.0-alpha.1", "3.0.0"}
	in := func(r rangeSet, v string) bool {
		for _, iv := range r.intervals() {
			if ok, err := r.scheme.Contains(v, iv); err != nil {
				t.Fatal(err)
			} else if ok {
				return true
			}
		}
		return false
	}
	for _, x := range texts {
		for _, y := range texts {
			a, err := cargoSyntax.set(x)
			if err != nil {
				t.Fatal(err)
			}
			b, err := cargoSyntax.set(y)
			if err != nil {
				t.Fatal(err)
			}
			either, err := a.union(b.spans...)
			if err != nil {
				t.Fatal(err)
			}
			both, err := a.meet(b)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range versions {
				inA, inB := in(a, v), in(b, v)
				if in(either, v) != (inA || inB) || in(both, v) != (inA && inB) || in(a.without(), v) == inA {
					t.Errorf("%s of %q and %q", v, x, y)
				}
			}
		}
	}
}

func FuzzRangeSyntax(f *testing.F) {
	for _, s := range []string{">= 1.2.3, < 2", "^0.2.3 || ~1.2", "~> 2.1.3, >= 2.1.3.1", "8.x || <= 10", "> 1.0.0-rc.1", "*", "!= 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, x := range []rangeSyntax{cargoSyntax, nodeSyntax, rubySyntax, composerSyntax, hexSyntax} {
			set, err := x.set(text)
			if err != nil {
				continue
			}
			for _, r := range []rangeSet{set, set.without()} {
				for _, iv := range r.intervals() {
					for _, v := range []string{iv.Introduced, iv.Fixed, iv.LastAffected} {
						if v != "" && v != "0" && x.scheme.Valid(v) != nil {
							t.Errorf("%q gives %q, which is no version", text, v)
						}
					}
				}
			}
		}
	})
}
