package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

const (
	maxConfigBytes = 4 << 20
	// maxHelperBytes bounds what a credential helper may print.
	maxHelperBytes = 64 << 10
	// helperTime is long enough for a helper that asks a cloud for a token.
	helperTime = time.Minute
)

// credential is what is known for one repository; the zero value means anonymous.
type credential struct {
	authn.AuthConfig
	// source says for people where it came from.
	source string
	// note says why a place that should have known credentials gave none.
	note string
}

func (c credential) known() bool { return c.AuthConfig != (authn.AuthConfig{}) }

// secrets lists the strings that must not appear in a message.
func (c credential) secrets() []string {
	s := []string{c.Password, c.IdentityToken, c.RegistryToken, c.Auth}
	if c.Password != "" {
		s = append(s, base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password)))
	}
	return s
}

// keyring finds credentials as Docker, Podman and skopeo do.
type keyring struct {
	fixed credential
	// inline is the content of DOCKER_AUTH_CONFIG.
	inline string
	// files in the order in which they are asked; those that do not exist are passed over.
	files []string
}

// newKeyring fixes the places to look in: credentials given outright; else the config
// folder if one is given; else DOCKER_AUTH_CONFIG, REGISTRY_AUTH_FILE, the Docker
// config and the files of Podman.
func newKeyring(o Options) (*keyring, error) {
	if (o.Username == "") != (o.Password == "") {
		return nil, errors.New("registry credentials: user name and password must be given together")
	}
	if o.Username != "" && o.Token != "" {
		return nil, errors.New("registry credentials: give either user name and password, or a token")
	}
	if o.Username != "" || o.Token != "" {
		return &keyring{fixed: credential{
			AuthConfig: authn.AuthConfig{Username: o.Username, Password: o.Password, RegistryToken: o.Token},
			source:     "the credentials given",
		}}, nil
	}
	if o.ConfigDir != "" {
		return &keyring{files: []string{filepath.Join(o.ConfigDir, "config.json")}}, nil
	}
	k := &keyring{inline: os.Getenv("DOCKER_AUTH_CONFIG")}
	if f := os.Getenv("REGISTRY_AUTH_FILE"); f != "" {
		k.files = append(k.files, f)
	}
	home, _ := os.UserHomeDir()
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		k.files = append(k.files, filepath.Join(dir, "config.json"))
	} else if home != "" {
		k.files = append(k.files, filepath.Join(home, ".docker", "config.json"))
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		k.files = append(k.files, filepath.Join(dir, "containers", "auth.json"))
	}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		k.files = append(k.files, filepath.Join(dir, "containers", "auth.json"))
	} else if home != "" {
		k.files = append(k.files, filepath.Join(home, ".config", "containers", "auth.json"))
	}
	return k, nil
}

// dockerConfig is the part of Docker's config.json and Podman's auth.json that holds
// credentials.
type dockerConfig struct {
	Auths       map[string]dockerAuth `json:"auths"`
	CredHelpers map[string]string     `json:"credHelpers"`
	CredsStore  string                `json:"credsStore"`
}

type dockerAuth struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// find gives the credentials for a repository, the zero credential if there are none.
// A helper that fails does not stop an anonymous try, since most images are public;
// what it said is kept in the note, for the case that the registry refuses.
func (k *keyring) find(ctx context.Context, host, repository string) (credential, error) {
	if k.fixed.known() {
		return k.fixed, nil
	}
	var notes []string
	try := func(source string, data []byte) (credential, error) {
		var conf dockerConfig
		if err := json.Unmarshal(data, &conf); err != nil {
			return credential{}, fmt.Errorf("%s is not valid JSON; correct or remove it", source)
		}
		c, err := conf.find(ctx, host, repository)
		if err != nil {
			return credential{}, fmt.Errorf("%s: %w", source, err)
		}
		if c.note != "" {
			notes = append(notes, source+": "+c.note)
		}
		if c.known() {
			c.source = "credentials from " + source + c.source
		}
		return c, nil
	}
	if k.inline != "" {
		if c, err := try("DOCKER_AUTH_CONFIG", []byte(k.inline)); err != nil || c.known() {
			return c, err
		}
	}
	for _, f := range k.files {
		data, err := readBounded(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return credential{}, fmt.Errorf("reading registry credentials: %v", err)
		}
		if c, err := try(f, data); err != nil || c.known() {
			return c, err
		}
	}
	return credential{note: strings.Join(notes, "; ")}, nil
}

func readBounded(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxConfigBytes {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", path, maxConfigBytes)
	}
	return os.ReadFile(path)
}

// find asks in Docker's order: the helper for this registry, the general helper, the
// entries in the file.
func (d *dockerConfig) find(ctx context.Context, host, repository string) (credential, error) {
	names := hostNames(host)
	helper := d.CredsStore
	for _, n := range names {
		if h, ok := d.CredHelpers[n]; ok {
			helper = h
			break
		}
	}
	var note string
	if helper != "" {
		c, err := runHelper(ctx, helper, names[0])
		if ctx.Err() != nil {
			return credential{}, ctx.Err()
		}
		if err != nil {
			note = err.Error()
		}
		if c.known() {
			return c, nil
		}
	}
	if a, key, ok := d.entry(names, repository); ok {
		c, err := a.credential()
		if err != nil {
			return credential{}, fmt.Errorf("entry %q: %v", clean(key, 200), err)
		}
		if c.known() {
			return c, nil
		}
	}
	return credential{note: note}, nil
}

// hostNames gives the names under which a registry is kept, first the one that
// helpers are asked for. Docker Hub has several for old times' sake.
func hostNames(host string) []string {
	if host == "docker.io" {
		return []string{"https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"}
	}
	return []string{host}
}

// entry finds the most particular entry: Podman keeps them by repository or namespace
// too. Keys may be written as URLs.
func (d *dockerConfig) entry(names []string, repository string) (dockerAuth, string, bool) {
	for path := repository; ; {
		for _, n := range names {
			key := n
			if path != "" {
				key += "/" + path
			}
			if a, ok := d.Auths[key]; ok {
				return a, key, true
			}
		}
		if path == "" {
			break
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
	// Old Docker wrote https://host, https://host/v1/ and the like. The shortest such
	// key is taken, so that the choice does not hang on the order of a map.
	var found string
	for key := range d.Auths {
		_, rest, isURL := strings.Cut(key, "://")
		if !isURL {
			continue
		}
		h, _, _ := strings.Cut(rest, "/")
		for _, n := range names {
			if h == n && (found == "" || len(key) < len(found) || len(key) == len(found) && key < found) {
				found = key
			}
		}
	}
	a, ok := d.Auths[found]
	return a, found, ok
}

// credential decodes an entry. Errors do not repeat what is in it.
func (a dockerAuth) credential() (credential, error) {
	c := authn.AuthConfig{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}
	if a.Auth != "" {
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(a.Auth), "="))
		if err != nil {
			return credential{}, errors.New("its auth field is not base64")
		}
		user, pass, ok := strings.Cut(string(raw), ":")
		if !ok || user == "" {
			return credential{}, errors.New("its auth field is not the base64 of user:password")
		}
		c.Username, c.Password = user, strings.TrimRight(pass, "\x00")
	}
	if c.IdentityToken != "" {
		// The user name beside an identity token is a placeholder.
		c.Username, c.Password = "", ""
	}
	if c.Username == "" && c.IdentityToken == "" && c.RegistryToken == "" {
		return credential{}, nil
	}
	return credential{AuthConfig: c}, nil
}

// runHelper asks docker-credential-NAME, by the protocol of docker-credential-helpers:
// the server on standard input, a JSON object with Username and Secret on standard
// output. A helper that knows nothing gives the zero credential. Errors carry nothing
// of what the helper printed, which may be a secret.
func runHelper(ctx context.Context, name, server string) (credential, error) {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return credential{}, fmt.Errorf("credential helper %q: not a program name", clean(name, 100))
		}
	}
	program := "docker-credential-" + name
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "get")
	cmd.WaitDelay = 2 * time.Second
	cmd.Stdin = strings.NewReader(server)
	out := &boundedBuffer{limit: maxHelperBytes}
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		if strings.Contains(string(out.b), "credentials not found") {
			return credential{}, nil
		}
		if errors.Is(err, exec.ErrNotFound) {
			return credential{}, fmt.Errorf("credential helper %s is not installed", program)
		}
		return credential{}, fmt.Errorf("credential helper %s failed: %v", program, err)
	}
	var got struct{ Username, Secret string }
	if err := json.Unmarshal(out.b, &got); err != nil {
		return credential{}, fmt.Errorf("credential helper %s did not answer with a JSON object", program)
	}
	from := " through " + program
	switch {
	case got.Secret == "":
		return credential{}, nil
	case got.Username == "<token>":
		return credential{AuthConfig: authn.AuthConfig{IdentityToken: got.Secret}, source: from}, nil
	}
	return credential{AuthConfig: authn.AuthConfig{Username: got.Username, Password: got.Secret}, source: from}, nil
}

// boundedBuffer fails the writer that goes beyond its limit. It has no other method of
// bytes.Buffer, so that nothing is read into it by another way.
type boundedBuffer struct {
	b     []byte
	limit int
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if len(b.b)+len(p) > b.limit {
		return 0, errors.New("too much output")
	}
	b.b = append(b.b, p...)
	return len(p), nil
}
