package advisory

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPURLSpeaks(t *testing.T) {
	tests := []struct {
		said, of string
		want     bool
	}{
		// Without a version for all, with one for that alone.
		{"pkg:npm/lodash", "pkg:npm/lodash@4.17.20", true},
		{"pkg:npm/lodash@4.17.20", "pkg:npm/lodash@4.17.20", true},
		{"pkg:npm/lodash@4.17.2", "pkg:npm/lodash@4.17.20", false},
		{"pkg:npm/lodash@4.17.20", "pkg:npm/lodash", false},
		{"pkg:npm/lodash", "pkg:npm/lodash.template@4.5.0", false},
		{"pkg:npm/lodash", "pkg:pypi/lodash@1", false},
		// Scopes, written in three ways.
		{"pkg:npm/%40angular/core@1", "pkg:npm/%40angular/core@1", true},
		{"pkg:npm/@angular/core@1", "pkg:npm/%40angular/core@1", true},
		{"pkg:npm/@angular/core", "pkg:npm/%40angular/core@1", true},
		{"pkg:npm/core", "pkg:npm/%40angular/core@1", false},
		// Qualifiers that are given must be equal.
		{"pkg:deb/debian/openssl@3.0.11-1", "pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12", true},
		{"pkg:deb/debian/openssl@3.0.11-1?arch=amd64", "pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12", true},
		{"pkg:deb/debian/openssl@3.0.11-1?arch=arm64", "pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12", false},
		{"pkg:deb/debian/openssl?distro=debian-11", "pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12", false},
		{"pkg:deb/debian/openssl?arch=", "pkg:deb/debian/openssl@3?arch=amd64", true},
		{"pkg:deb/ubuntu/openssl", "pkg:deb/debian/openssl@3", false},
		{"pkg:DEB/debian/openssl?ARCH=amd64", "pkg:deb/debian/openssl@3?arch=amd64", true},
		// Escapes, epochs and the v of Go.
		{"pkg:deb/debian/libstdc++6@1:2+b1", "pkg:deb/debian/libstdc%2B%2B6@1:2%2Bb1", true},
		{"pkg:deb/debian/x@1%3A2", "pkg:deb/debian/x@1:2", true},
		{"pkg:rpm/redhat/openssl@1:3.0.7-1.el9", "pkg:rpm/redhat/openssl@3.0.7-1.el9?arch=x86_64&epoch=1", true},
		{"pkg:rpm/redhat/openssl@3.0.7-1.el9?epoch=1", "pkg:rpm/redhat/openssl@3.0.7-1.el9?arch=x86_64&epoch=1", true},
		{"pkg:rpm/redhat/openssl@2:3.0.7-1.el9", "pkg:rpm/redhat/openssl@3.0.7-1.el9?epoch=1", false},
		{"pkg:rpm/redhat/zlib@0:1.2-1", "pkg:rpm/redhat/zlib@1.2-1", true},
		{"pkg:golang/golang.org/x/net@v0.1.0", "pkg:golang/golang.org/x/net@0.1.0", true},
		{"pkg:golang/stdlib@1.20.3", "pkg:golang/stdlib@v1.20.3", true},
		{"pkg:golang/github.com/burntsushi/toml", "pkg:golang/github.com/BurntSushi/toml@v1.0.0", true},
		// Names by the rules of their type.
		{"pkg:pypi/Zope.Interface", "pkg:pypi/zope-interface@5", true},
		{"pkg:maven/org.a/B", "pkg:maven/org.a/b@1", false},
		{"pkg:rpm/RedHat/ImageMagick", "pkg:rpm/redhat/ImageMagick@1", true},
		// Subpaths.
		{"pkg:golang/a.b/c#x/y", "pkg:golang/a.b/c@1", false},
		{"pkg:golang/a.b/c", "pkg:golang/a.b/c@1#x/y", true},
	}
	for _, tt := range tests {
		said, err := ParsePURL(tt.said)
		if err != nil {
			t.Errorf("%s: %v", tt.said, err)
			continue
		}
		of, err := ParsePURL(tt.of)
		if err != nil {
			t.Errorf("%s: %v", tt.of, err)
			continue
		}
		if got := said.Speaks(of); got != tt.want {
			t.Errorf("%s speaks for %s: %v", tt.said, tt.of, got)
		}
		if tt.want && said.Base() != of.Base() {
			t.Errorf("%s and %s have no key in common", tt.said, tt.of)
		}
	}
}

func TestPURLBad(t *testing.T) {
	for _, s := range []string{
		"", "pkg:", "pkg:npm", "pkg:npm/", "pkg:npm//", "npm/x", "pkg:/x", "pkg:n m/x", "pkg:npm/%", "pkg:npm/%4", "pkg:npm/%zz",
		"pkg:npm/a%1b[2J", "pkg:npm/a\x1b[2J", "pkg:npm/a@%00", "pkg:npm/a?x=%0a", "pkg:npm/%ff", "pkg:npm/a@\u202e1",
		"pkg:npm/" + strings.Repeat("a", maxPURL), "pkg:npm/a?" + strings.Repeat("a=b&", maxQualifiers+1),
	} {
		if p, err := ParsePURL(s); err == nil {
			t.Errorf("%.40q is read as %+v", s, p)
		}
	}
}

func TestPURLImage(t *testing.T) {
	tests := []struct{ purl, repository, bare, digest string }{
		{"pkg:oci/trivy?repository_url=ghcr.io/aquasecurity/trivy", "ghcr.io/aquasecurity/trivy", "ghcr.io/aquasecurity/trivy/trivy", ""},
		{"pkg:oci/trivy?repository_url=index.docker.io%2Faquasec%2Ftrivy", "docker.io/aquasec/trivy", "docker.io/aquasec/trivy/trivy", ""},
		{"pkg:oci/static@sha256%3AAB?repository_url=gcr.io/distroless", "gcr.io/distroless/static", "", "sha256:ab"},
		{"pkg:oci/static@sha256:ab", "", "", "sha256:ab"},
		{"pkg:docker/nginx@1.25", "docker.io/library/nginx", "", ""},
		{"pkg:docker/acme/web@sha256:12?repository_url=gcr.io", "gcr.io/acme/web", "", "sha256:12"},
	}
	for _, tt := range tests {
		p, err := ParsePURL(tt.purl)
		if err != nil {
			t.Fatal(err)
		}
		r, b := p.ImageRepository()
		if r != tt.repository || b != tt.bare || p.ImageDigest() != tt.digest || !p.IsImage() {
			t.Errorf("%s: %q, %q, %q", tt.purl, r, b, p.ImageDigest())
		}
	}
}

func TestCPESpeaks(t *testing.T) {
	tests := []struct {
		said, of string
		want     bool
	}{
		{"cpe:/o:redhat:enterprise_linux:9", "cpe:/o:redhat:enterprise_linux:9::baseos", true},
		{"cpe:/a:redhat:enterprise_linux:9::appstream", "cpe:/o:redhat:enterprise_linux:9::baseos", true},
		{"cpe:/o:redhat:enterprise_linux:8", "cpe:/o:redhat:enterprise_linux:9::baseos", false},
		{"cpe:/o:redhat:enterprise_linux", "cpe:/o:redhat:enterprise_linux:9", true},
		{"cpe:2.3:o:redhat:enterprise_linux:9:*:*:*:*:*:*:*", "cpe:/o:redhat:enterprise_linux:9", true},
		{"cpe:/o:suse:sles:15:sp6", "cpe:/o:suse:sles:15:sp6", true},
		{"cpe:/o:suse:sles:15:sp5", "cpe:/o:suse:sles:15:sp6", false},
		{"cpe:/h:redhat:enterprise_linux:9", "cpe:/o:redhat:enterprise_linux:9", false},
		{`cpe:2.3:a:a\:b:c:1`, "cpe:/a:a%3ab:c:1", true},
	}
	for _, tt := range tests {
		said, err := ParseCPE(tt.said)
		if err != nil {
			t.Fatal(err)
		}
		of, err := ParseCPE(tt.of)
		if err != nil {
			t.Fatal(err)
		}
		if got := said.Speaks(of); got != tt.want {
			t.Errorf("%s speaks for %s: %v", tt.said, tt.of, got)
		}
	}
	for _, s := range []string{"", "cpe:", "cpe:/", "cpe:/o", "cpe:/o:a", "cpe:/x:a:b", "cpe:2.3:o:*:b", "cpe:/o::b", "cpe:/oo:a:b"} {
		if c, err := ParseCPE(s); err == nil {
			t.Errorf("%q is read as %+v", s, c)
		}
	}
}

func TestComponentKeys(t *testing.T) {
	c := Component{PURL: "pkg:oci/Web@sha256:ab?tag=1", CPE: "cpe:/a:acme:web:1", Hashes: []string{"sha1:cd"}}
	want := []string{"cpe:acme:web", "pkg:oci/web", "sha1:cd", "sha256:ab"}
	if d := cmp.Diff(want, c.Keys()); d != "" {
		t.Error(d)
	}
	if k := (Component{Name: "web"}).Keys(); len(k) != 0 {
		t.Errorf("a name alone gives %q", k)
	}
}

func TestVEXWordsRoundTrip(t *testing.T) {
	for s := StatusUnderInvestigation; s <= StatusNotAffected; s++ {
		var back Status
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s {
			t.Errorf("%s is read as %s, %v", s, back, err)
		}
	}
	for j := NoJustification; j <= MitigationsExist; j++ {
		var back Justification
		if err := back.UnmarshalText([]byte(j.String())); err != nil || back != j {
			t.Errorf("%s is read as %s, %v", j, back, err)
		}
	}
	if Status(200).Suppresses() || Status(200).String() != "under_investigation" || Justification(200).String() != "" {
		t.Error("values out of range have no safe name")
	}
}

func FuzzPURL(f *testing.F) {
	for _, s := range []string{"pkg:npm/%40a/b@1?x=y#z", "pkg:rpm/redhat/x@1:2-3?arch=src&epoch=0", "pkg:oci/a@sha256:0?repository_url=a/b", "cpe:/o:a:b:c", `cpe:2.3:a:\::b`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := ParsePURL(s); err == nil {
			if !p.Speaks(p) {
				t.Errorf("%q does not speak for itself: %+v", s, p)
			}
			p.ImageRepository()
		}
		if c, err := ParseCPE(s); err == nil && !c.Speaks(c) {
			t.Errorf("%q does not speak for itself: %+v", s, c)
		}
		_ = (Component{PURL: s, CPE: s}).Keys()
	})
}
