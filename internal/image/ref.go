package image

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Ref is a canonical image reference. Two spellings of one image give equal Refs:
// "nginx", "docker.io/nginx" and "index.docker.io/library/nginx:latest" all name
// docker.io, library/nginx, latest.
type Ref struct {
	// Registry is host or host:port, in lower case; Docker Hub is "docker.io".
	Registry string
	// Repository is the path below it.
	Repository string
	// Tag is empty when the reference has only a digest.
	Tag string
	// Digest is empty when the reference has only a tag.
	Digest Digest
}

const defaultRegistry = "docker.io"

// component is a path component of a repository (distribution/reference grammar).
var component = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$`)

// ParseRef reads a reference as Docker does (distribution/reference grammar): a
// missing registry is docker.io, a missing namespace there is library, and a
// missing tag is latest unless a digest is given. A leading http(s)://, docker:// or
// oci://, trailing slashes, and HTTPS's own port 443 are forgiven, so that one image
// has one Ref: r equals ParseRef(r.String()).
func ParseRef(s string) (Ref, error) {
	orig := s
	bad := func(why string) (Ref, error) {
		shown := orig
		if len(shown) > 120 {
			shown = shown[:120] + "..."
		}
		return Ref{}, fmt.Errorf("image reference %+q: %s", shown, why)
	}
	s = strings.TrimSpace(s)
	if len(s) > 1024 {
		return bad("it is longer than 1024 characters")
	}
	var address bool // it was written as an address, so a host alone is no repository
	for _, scheme := range []string{"docker://", "https://", "http://", "oci://"} {
		if len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			s, address = s[len(scheme):], true
			break
		}
	}
	if t := strings.TrimRight(s, "/"); t != s {
		s, address = t, true
	}
	if s == "" {
		return bad("it is empty")
	}
	var r Ref
	if name, dig, ok := strings.Cut(s, "@"); ok {
		d, err := ParseDigest(dig)
		if err != nil {
			return bad(err.Error())
		}
		r.Digest, s = d, name
	}
	first, rest, hasSlash := strings.Cut(s, "/")
	switch {
	case hasSlash && isHost(first):
		r.Registry, s = canonicalHost(first), rest
	case !hasSlash && address && isAddress(first):
		return bad("the repository is missing")
	default:
		r.Registry = defaultRegistry
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		r.Tag, s = s[i+1:], s[:i]
		if !validTag(r.Tag) {
			return bad(fmt.Sprintf("tag %+q: want up to 128 letters, digits, '_', '.', '-', not starting with '.' or '-'", r.Tag))
		}
	}
	s = strings.TrimRight(s, "/")
	if err := validHost(r.Registry); err != nil {
		return bad(err.Error())
	}
	if r.Registry == defaultRegistry && !strings.Contains(s, "/") {
		if len(s) == 64 && Digest("sha256:"+s).Validate() == nil {
			return bad("it is the ID of an image, not a name; with sha256: before it, it could be a digest after a name and @")
		}
		if s != "" {
			s = "library/" + s
		}
	}
	if why := badRepository(s); why != "" {
		return bad(why)
	}
	r.Repository = s
	if r.Tag == "" && r.Digest == "" {
		r.Tag = "latest"
	}
	return r, nil
}

// isHost tells a registry host from the first path component, by Docker's rule.
// Docker also takes a component with an upper-case letter for a host; here that is an
// error, since in lower case it would name a repository of Docker Hub.
func isHost(s string) bool {
	return strings.ContainsAny(s, ".:") || s == "localhost" || strings.HasPrefix(s, "[")
}

// isAddress reports whether s, which has no slash, can only be a host: "localhost",
// "example.com", "example.com:5000"; "nginx:1.25" is none.
func isAddress(s string) bool {
	host, port, _ := strings.Cut(s, ":")
	return strings.HasPrefix(s, "[") || strings.Trim(port, "0123456789") == "" &&
		(host == "localhost" || strings.Contains(host, "."))
}

// canonicalHost gives the one spelling of a registry: lower case, Docker Hub's many
// names as docker.io, and without port 443 where what is left is still a host name.
func canonicalHost(h string) string {
	h = strings.ToLower(h)
	if name, ok := strings.CutSuffix(h, ":443"); ok && strings.Contains(name, ".") && strings.ContainsAny(name, "abcdefghijklmnopqrstuvwxyz") && name[0] != '[' {
		h = name
	}
	switch h {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "registry.docker.io":
		return defaultRegistry
	}
	return h
}

func validHost(h string) error {
	if len(h) > 255 {
		return fmt.Errorf("registry is longer than 255 characters")
	}
	var host, port string
	var hasPort bool
	if strings.HasPrefix(h, "[") {
		end := strings.IndexByte(h, ']')
		if end < 0 {
			return fmt.Errorf("registry %+q: bracket is not closed", h)
		}
		host = h[1:end]
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() || a.Zone() != "" {
			return fmt.Errorf("registry %+q is not an IPv6 address", h)
		}
		after := h[end+1:]
		if port, hasPort = strings.CutPrefix(after, ":"); after != "" && !hasPort {
			return fmt.Errorf("registry %+q: want a port after the bracket", h)
		}
	} else {
		host, port, hasPort = strings.Cut(h, ":")
		for _, label := range strings.Split(host, ".") {
			if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
				return fmt.Errorf("registry %+q is not a host name", h)
			}
			for _, c := range label {
				if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
					return fmt.Errorf("registry %+q is not a host name", h)
				}
			}
		}
	}
	if hasPort {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return fmt.Errorf("registry %+q: port is not a number from 1 to 65535", h)
		}
	}
	return nil
}

func validTag(t string) bool {
	if t == "" || len(t) > 128 || t[0] == '.' || t[0] == '-' {
		return false
	}
	for _, c := range t {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func badRepository(s string) string {
	if s == "" {
		return "the repository is missing"
	}
	if len(s) > 255 {
		return "the repository is longer than 255 characters"
	}
	for _, part := range strings.Split(s, "/") {
		switch {
		case part == "":
			return "the repository has an empty path component"
		case part != strings.ToLower(part):
			return "the repository must be lower case"
		case !component.MatchString(part):
			return fmt.Sprintf("repository component %+q: want lower-case letters and digits, separated by one of . _ __ or dashes", part)
		}
	}
	return ""
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// Name is registry/repository, without tag and digest: the identity that scopes and
// exceptions use.
func (r Ref) Name() string {
	if r.IsZero() {
		return ""
	}
	return r.Registry + "/" + r.Repository
}

// String is the canonical spelling: registry/repository[:tag][@digest].
func (r Ref) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + string(r.Digest)
	}
	return s
}
