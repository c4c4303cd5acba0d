package image_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/plimsoll/plimsoll/internal/image"
)

const someDigest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// Practice P4.11: every spelling of one image reaches the same record.
func TestParseRefSpellings(t *testing.T) {
	hub := image.Ref{Registry: "docker.io", Repository: "library/nginx", Tag: "latest"}
	for _, s := range []string{
		"nginx", "nginx:latest", "nginx/", "nginx:latest/", " nginx ",
		"library/nginx", "docker.io/nginx", "docker.io/library/nginx", "docker.io/library/nginx:latest",
		"index.docker.io/nginx", "index.docker.io/library/nginx:latest", "registry-1.docker.io/library/nginx",
		"registry.hub.docker.com/library/nginx", "registry.hub.docker.com/nginx", "Docker.IO/nginx",
		"https://docker.io/library/nginx", "https://index.docker.io/library/nginx/", "HTTPS://docker.io/nginx",
		"http://docker.io/nginx", "docker://nginx", "docker://docker.io/library/nginx:latest",
		"docker.io:443/library/nginx", "https://index.docker.io:443/nginx:latest/", "oci://docker.io/nginx",
	} {
		if r, err := image.ParseRef(s); err != nil || r != hub {
			t.Errorf("ParseRef(%q) = %+v, %v; want %+v", s, r, err, hub)
		}
	}
	own := image.Ref{Registry: "registry.example.com", Repository: "team/app", Tag: "1.2"}
	for _, s := range []string{
		"registry.example.com/team/app:1.2", "registry.example.com:443/team/app:1.2", "REGISTRY.example.com/team/app:1.2",
		"https://registry.example.com/team/app:1.2/", "docker://registry.example.com:443/team/app:1.2",
	} {
		if r, err := image.ParseRef(s); err != nil || r != own {
			t.Errorf("ParseRef(%q) = %+v, %v; want %+v", s, r, err, own)
		}
	}
}

func TestParseRef(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"nginx@" + someDigest, "docker.io/library/nginx@" + someDigest},
		{"nginx:1.25@" + someDigest, "docker.io/library/nginx:1.25@" + someDigest},
		{"example/app", "docker.io/example/app:latest"},
		{"localhost/app", "localhost/app:latest"},
		{"localhost:5000/app:dev", "localhost:5000/app:dev"},
		{"localhost:443/app", "localhost:443/app:latest"},
		{"foo:443/bar", "foo:443/bar:latest"},
		{"10.0.0.1:443/app", "10.0.0.1:443/app:latest"},
		{"127.0.0.1:5000/a/b/c:x", "127.0.0.1:5000/a/b/c:x"},
		{"[::1]:5000/app", "[::1]:5000/app:latest"},
		{"[fd00::1]/app", "[fd00::1]/app:latest"},
		{"registry.example.com:5000/app", "registry.example.com:5000/app:latest"},
		{"registry.example.com/app", "registry.example.com/app:latest"},
		{"registry.example.com:5000", "docker.io/library/registry.example.com:5000"}, // Docker's rule: a name and a tag
		{"quay.io/a/b__c.d-e---f:T_a.g-1", "quay.io/a/b__c.d-e---f:T_a.g-1"},
		{"reg_istry.local/app", "reg_istry.local/app:latest"},
	} {
		r, err := image.ParseRef(tc.in)
		if err != nil || r.String() != tc.want {
			t.Errorf("ParseRef(%q) = %q, %v; want %q", tc.in, r, err, tc.want)
		}
	}
}

// Practice P4, "Bad input", and what else must not become somebody's image.
func TestParseRefBad(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", "empty"},
		{"  ", "empty"},
		{"/", "empty"},
		{"https://", "empty"},
		{"UPPER", "lower case"},
		{"UPPER/app", "lower case"},
		{"docker.io/library/Nginx", "lower case"},
		{"a:b:c", "repository component"},
		{"nginx@sha512:", "0 hex digits"},
		{"nginx@sha256:ABC", "hex digits"},
		{"nginx@" + strings.ToUpper(someDigest), "algorithm"},
		{"nginx@sha256:" + strings.ToUpper(someDigest[7:]), "lower-case hexadecimal"},
		{"nginx@md5:d41d8cd98f00b204e9800998ecf8427e", "not supported"},
		{"nginx@", "no algorithm"},
		{"nginx@" + someDigest + "@" + someDigest, "hex digits"},
		{"@" + someDigest, "missing"},
		{"nginx:", "tag"},
		{"nginx:@" + someDigest, "tag"},
		{"nginx:-x", "tag"},
		{"nginx:" + strings.Repeat("x", 129), "tag"},
		{"example.com/" + strings.Repeat("a", 300), "longer than 255"},
		{strings.Repeat("a", 300), "longer than 255"},
		{strings.Repeat("a/", 600), "longer than 1024"},
		{"ngіnx", "repository component"}, // Cyrillic і
		{"dоcker.io/nginx", "not a host name"},
		{"nginx:lаtest", "tag"},
		{"nginx\x00", "repository component"},
		{"nginx\x1b[31m", "repository component"},
		{"ng inx", "repository component"},
		{"registry.example.com:5000/", "repository is missing"},
		{"https://registry.example.com", "repository is missing"},
		{"https://registry.example.com:5000", "repository is missing"},
		{"localhost/", "repository is missing"},
		{"registry.example.com/:tag", "repository is missing"},
		{"registry.example.com:/app", "port"},
		{"registry.example.com:99999/app", "port"},
		{"registry.example.com:0/app", "port"},
		{"registry.example.com:x/app", "port"},
		{"-bad.example.com/app", "host name"},
		{"a..b/app", "host name"},
		{"[::1/app", "bracket"},
		{"[::1]5000/app", "port"},
		{"[]/app", "IPv6"},
		{"[zz]/app", "IPv6"},
		{"docker.io//nginx", "empty path component"},
		{"a//b", "empty path component"},
		{"../etc/passwd", "host name"},
		{"a/../b", "repository component"},
		{"_a/b", "repository component"},
		{"a..b", "repository component"},
		{someDigest[7:], "ID of an image"},
	} {
		r, err := image.ParseRef(tc.in)
		if err == nil {
			t.Errorf("ParseRef(%q) = %s, want an error", tc.in, r)
			continue
		}
		if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("ParseRef(%q): %q does not say %q", tc.in, err, tc.want)
		}
		if r != (image.Ref{}) {
			t.Errorf("ParseRef(%q) gives %+v along with an error", tc.in, r)
		}
		for _, c := range err.Error() {
			if c < ' ' || c > '~' {
				t.Errorf("ParseRef(%q): the error has the raw character %q", tc.in, c)
			}
		}
	}
}

func TestParseRefRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`(https?://|docker://)?(([a-zA-Z0-9-]{1,8}\.)?[a-z0-9.-]{1,8}(:[0-9]{1,5})?/|localhost/|\[[0-9a-f:]{2,8}\](:[0-9]{2,4})?/)?([a-z0-9]{1,4}[/._-]{0,2}){1,4}(:[A-Za-z0-9_.-]{1,6})?(@sha256:[0-9a-f]{64})?/{0,2}`).Draw(t, "reference")
		roundTrip(t, s)
	})
}

func roundTrip(t interface{ Fatalf(string, ...any) }, s string) {
	r, err := image.ParseRef(s)
	if err != nil {
		return
	}
	again, err := image.ParseRef(r.String())
	if err != nil || again != r {
		t.Fatalf("ParseRef(%q) = %+v, but its canonical spelling %q gives %+v, %v", s, r, r, again, err)
	}
	if r.Name()+"x" == "x" || r.Tag == "" && r.Digest == "" {
		t.Fatalf("ParseRef(%q) = %+v names nothing", s, r)
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"nginx", "localhost:5000/a/b:c@" + someDigest, "[::1]:5000/x", "https://docker.io:443/nginx/", "UPPER/x", "a:b:c", "@", "x@sha512:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { roundTrip(t, s) })
}
