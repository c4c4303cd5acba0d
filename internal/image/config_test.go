package image_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/image"
)

func TestParseConfig(t *testing.T) {
	got, err := image.ParseConfig([]byte(`{
		"created": "2024-05-06T07:08:09.1Z", "author": "them", "os": "linux", "architecture": "aarch64", "variant": "v8",
		"config": {
			"User": "1000:1000", "Env": ["A=b"], "Entrypoint": "/bin/one", "Cmd": ["x", "y"], "WorkingDir": "/srv",
			"Labels": {"k": "v"}, "ExposedPorts": {"80/tcp": {}, "443/tcp": {}}, "Volumes": null, "StopSignal": "SIGINT",
			"OnBuild": ["RUN true"], "Shell": ["/bin/bash", "-c"], "Healthcheck": {"Test": ["CMD", "true"]}, "ArgsEscaped": true
		},
		"container_config": {"Cmd": "ignored"},
		"rootfs": {"type": "layers", "diff_ids": ["` + someDigest + `"]},
		"history": [{"created_by": "FROM base", "created": "x"}, {"created_by": "ENV A=b", "empty_layer": true}]
	}`))
	want := image.Config{
		Created: "2024-05-06T07:08:09.1Z", Author: "them", Platform: image.Platform{OS: "linux", Arch: "arm64"},
		User: "1000:1000", Env: []string{"A=b"}, Entrypoint: []string{"/bin/one"}, Cmd: []string{"x", "y"}, WorkingDir: "/srv",
		Labels: map[string]string{"k": "v"}, ExposedPorts: []string{"443/tcp", "80/tcp"}, StopSignal: "SIGINT",
		OnBuild: []string{"RUN true"}, Shell: []string{"/bin/bash", "-c"}, HasHealth: true,
		History: []image.History{{Created: "x", CreatedBy: "FROM base"}, {CreatedBy: "ENV A=b", Empty: true}},
		DiffIDs: []image.Digest{someDigest},
	}
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("config (-want +got):\n%s", d)
	}
	if got.CreatedTime().IsZero() || !(image.Config{Created: "yesterday"}).CreatedTime().IsZero() {
		t.Error("CreatedTime takes yesterday for a time, or misses a real one")
	}
}

func TestParseConfigBad(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want error
	}{
		{``, image.ErrCorrupt},
		{`{`, image.ErrCorrupt},
		{`[]`, image.ErrCorrupt},
		{`{}`, image.ErrNotImage},
		{`{"name":"chart","version":"1"}`, image.ErrNotImage},
		{`{"os":"linux","architecture":"amd64"}`, image.ErrNotImage},
		{`{"os":"linux","rootfs":null}`, image.ErrNotImage},
		{`{"os":"linux","rootfs":{"diff_ids":["sha256:zz"]}}`, image.ErrCorrupt},
		{`{"os":"linux","rootfs":{"diff_ids":"` + someDigest + `"}}`, image.ErrCorrupt},
		{`{"os":"linux","rootfs":{},"config":{"Env":{"a":1}}}`, image.ErrCorrupt},
		{strings.Repeat("[", 100000), image.ErrCorrupt},
		{`{"author":"` + strings.Repeat("x", image.MaxDocument) + `"}`, image.ErrCorrupt},
	} {
		if _, err := image.ParseConfig([]byte(tc.in)); !errors.Is(err, tc.want) {
			t.Errorf("ParseConfig(%.60q): %v, want %v", tc.in, err, tc.want)
		}
	}
}

func TestLayerHistory(t *testing.T) {
	c := image.Config{History: []image.History{{CreatedBy: "a"}, {CreatedBy: "b", Empty: true}, {CreatedBy: "c"}}}
	by := func(h []*image.History) (out []string) {
		for _, e := range h {
			if e == nil {
				out = append(out, "?")
			} else {
				out = append(out, e.CreatedBy)
			}
		}
		return out
	}
	for n, want := range map[int][]string{0: nil, 1: {"?"}, 2: {"a", "c"}, 3: {"?", "?", "?"}} {
		if d := cmp.Diff(want, by(c.LayerHistory(n))); d != "" {
			t.Errorf("%d layers (-want +got):\n%s", n, d)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"os":"linux","rootfs":{"diff_ids":["` + someDigest + `"]},"history":[{"empty_layer":true},{}]}`))
	f.Add([]byte(`{"rootfs":{},"config":{"Entrypoint":"x","ExposedPorts":{"1":{}},"Healthcheck":{"Test":["NONE"]}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := image.ParseConfig(b)
		if err != nil {
			if !errors.Is(err, image.ErrCorrupt) && !errors.Is(err, image.ErrNotImage) {
				t.Fatalf("error without a sentinel: %v", err)
			}
			return
		}
		c.CreatedTime()
		if n := len(c.DiffIDs); len(c.LayerHistory(n)) != n {
			t.Fatal("LayerHistory has another length")
		}
	})
}
