package advisory

import "testing"

func TestName(t *testing.T) {
	tests := []struct{ eco, in, want string }{
		{"PyPI", "Django", "django"},
		{"PyPI", "zope.interface", "zope-interface"},
		{"PyPI", "a-_.B", "a-b"},
		{"PyPI", "trailing_", "trailing-"},
		{"PyPI", "jinja2", "jinja2"},
		{"NuGet", "Newtonsoft.Json", "newtonsoft.json"},
		{"Packagist", "Symfony/HTTP-Kernel", "symfony/http-kernel"},
		{"npm", "JSONStream", "JSONStream"},
		{"Debian:12", "libX11", "libX11"},
		{"Go", "github.com/BurntSushi/toml", "github.com/BurntSushi/toml"},
	}
	for _, tt := range tests {
		if got := Name(tt.eco, tt.in); got != tt.want {
			t.Errorf("Name(%s, %s) = %s, want %s", tt.eco, tt.in, got, tt.want)
		}
	}
}

func TestWordsRoundTrip(t *testing.T) {
	for s := SeverityUnknown; s <= SeverityCritical; s++ {
		var back Severity
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s {
			t.Errorf("%s is read as %s, %v", s, back, err)
		}
		if s.String() == "" || s > 0 && s.String() == SeverityUnknown.String() {
			t.Errorf("severity %d has no name of its own", s)
		}
	}
	seen := map[string]bool{}
	for s := StateAffected; s <= StateEndOfLife; s++ {
		var back State
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s {
			t.Errorf("%s is read as %s, %v", s, back, err)
		}
		if seen[s.String()] {
			t.Errorf("state %d is called %s like another", s, s)
		}
		seen[s.String()] = true
	}
	if Severity(200).String() != "unknown" || State(200).String() != "affected" {
		t.Error("values out of range have no safe name")
	}
}
