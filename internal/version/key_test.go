package version

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sameKeys fails unless keys order a and b as Compare does.
func sameKeys(t interface{ Fatalf(string, ...any) }, s Scheme, a, b string) (both bool) {
	x, xok := s.Key(a)
	y, yok := s.Key(b)
	if xok && s.Valid(a) != nil || !xok && x != nil {
		t.Fatalf("%s: Key(%q) = %x, %t", s, a, x, xok)
	}
	if !xok || !yok {
		return false
	}
	if got, want := bytes.Compare(x, y), mustCompare(t, s, a, b); got != want {
		t.Fatalf("%s: %q to %q is %d, but by their keys %x and %x %d", s, a, b, want, x, y, got)
	}
	return true
}

func TestKeysOrderLikeCompare(t *testing.T) {
	for _, s := range []Scheme{Deb, RPM, APK} {
		t.Run(s.String(), func(t *testing.T) {
			n := 0
			for _, p := range examplePairs(s, 4000) {
				if sameKeys(t, s, p[0], p[1]) {
					n++
				}
			}
			if n < 500 {
				t.Errorf("only %d pairs have keys", n)
			}
			for _, a := range chains[s] {
				for _, b := range chains[s] {
					sameKeys(t, s, strings.TrimPrefix(a, "=")+map[bool]string{true: "-1"}[s == RPM], strings.TrimPrefix(b, "=")+map[bool]string{true: "-1"}[s == RPM])
				}
			}
			rapid.Check(t, func(t *rapid.T) {
				vs := near(s, 2).Draw(t, "versions")
				sameKeys(t, s, vs[0], vs[1])
			})
		})
	}
}

func TestKeysOfLongNumbers(t *testing.T) {
	for _, s := range []Scheme{Deb, APK} {
		long := strings.Repeat("9", 254)
		for _, b := range []string{long, "1" + long, long + "0", strings.Repeat("9", 900), "0" + long} {
			if !sameKeys(t, s, "1."+long, "1."+b) || !sameKeys(t, s, "1."+strings.Repeat("8", 900), "1."+b) {
				t.Errorf("%s: no key for a number of %d digits", s, len(b))
			}
		}
	}
}

func TestNoKeys(t *testing.T) {
	for _, s := range schemes() {
		_, ok := s.Key("1.0-1")
		if want := s == Deb || s == RPM; ok != want {
			t.Errorf("%s: Key(1.0-1) is %t, want %t", s, ok, want)
		}
	}
	for _, v := range []string{"", "1.0", "-1"} {
		if _, ok := RPM.Key(v); ok {
			t.Errorf("rpm: %q has a key", v)
		}
	}
	if _, ok := Scheme(0).Key("1"); ok {
		t.Error("no scheme has keys")
	}
}

func BenchmarkKey(b *testing.B) {
	for s, v := range map[Scheme]string{Deb: "1:2.36-9+deb12u10", RPM: "1:1.1.1k-12.el8_9", APK: "1.1.1d_p1-r2"} {
		b.Run(s.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = s.Key(v)
			}
		})
	}
}
