package main

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// debian are the packages whose dependencies make the base more than 400 packages.
const debian = "python3,python3-pip,python3-django,nodejs,npm,maven,git,curl,nginx-light"

// npm are top-level packages whose dependencies make a tree of some thousand.
var npm = []string{"express@4", "webpack@5", "jest@29", "eslint@8", "react@18", "react-dom@18", "@angular/core@17", "typescript@5", "lodash@4", "aws-sdk@2", "next@14"}

// goTools are programs built from public modules.
var goTools = []string{
	"github.com/google/go-containerregistry/cmd/crane@v0.22.0",
	"honnef.co/go/tools/cmd/staticcheck@v0.8.2",
	"golang.org/x/tools/gopls@v0.23.0",
}

// buildImage makes the image in out/image from what package managers install.
func buildImage(ctx context.Context, out string) error {
	work := filepath.Join(out, "work")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	base := filepath.Join(work, "base.tar")
	if _, err := os.Stat(base); err != nil {
		part := filepath.Join(work, "part.tar") // mmdebstrap goes by the ending
		if err := sh(ctx, work, nil, "mmdebstrap", "--variant=minbase", "--include="+debian, "bookworm", part); err != nil {
			return err
		}
		if err := os.Rename(part, base); err != nil {
			return err
		}
	}
	js := filepath.Join(work, "js")
	if err := os.MkdirAll(js, 0o755); err != nil {
		return err
	}
	if err := sh(ctx, js, nil, "npm", append([]string{"install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", js}, npm...)...); err != nil {
		return err
	}
	gobin := filepath.Join(work, "gobin")
	for _, t := range goTools {
		if err := sh(ctx, work, []string{"GOBIN=" + gobin, "CGO_ENABLED=0", "GOFLAGS="}, "go", "install", t); err != nil {
			return err
		}
	}
	// Java and Python trees that no package owns: copies of what Debian installed.
	copies := filepath.Join(work, "copies")
	if err := os.MkdirAll(copies, 0o755); err != nil {
		return err
	}
	if err := sh(ctx, copies, nil, "tar", "-xf", base, "--wildcards", "./usr/share/java/*.jar", "./usr/share/maven-repo", "./usr/lib/python3/dist-packages"); err != nil {
		return err
	}
	w, err := newLayout(filepath.Join(out, "image"))
	if err != nil {
		return err
	}
	for _, l := range []func(io.Writer) error{
		func(to io.Writer) error { return copyFile(to, base) },
		func(to io.Writer) error { return tarDir(to, js, "opt/app") },
		func(to io.Writer) error { return tarDir(to, gobin, "usr/local/bin") },
		func(to io.Writer) error { return tarDir(to, filepath.Join(copies, "usr/share"), "opt/java") },
		func(to io.Writer) error { return tarDir(to, filepath.Join(copies, "usr/lib/python3"), "opt/venv") },
	} {
		if err := w.layer(l); err != nil {
			return err
		}
	}
	return w.close()
}

func sh(ctx context.Context, dir string, env []string, name string, args ...string) error {
	fmt.Fprintln(os.Stderr, "+", name, strings.Join(args, " "))
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Env, c.Stdout, c.Stderr = dir, append(os.Environ(), env...), os.Stderr, os.Stderr
	return c.Run()
}

func copyFile(to io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, f)
	return err
}

// tarDir writes the files below dir under prefix, in order, with fixed times.
func tarDir(to io.Writer, dir, prefix string) error {
	w := tar.NewWriter(to)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		info, err := d.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode().Type() == fs.ModeSymlink {
			if link, err = os.Readlink(p); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		h.Name = filepath.ToSlash(filepath.Join(prefix, rel))
		if d.IsDir() {
			h.Name += "/"
		}
		h.ModTime, h.AccessTime, h.ChangeTime = time.Unix(0, 0), time.Time{}, time.Time{}
		if err := w.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		return copyFile(w, p)
	})
	if err != nil {
		return err
	}
	return w.Close()
}

// layout writes an OCI layout of one image.
type layout struct {
	dir     string
	layers  []map[string]any
	diffIDs []string
}

func newLayout(dir string) (*layout, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	return &layout{dir: dir}, os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o755)
}

func (l *layout) layer(write func(io.Writer) error) error {
	f, err := os.CreateTemp(l.dir, "layer")
	if err != nil {
		return err
	}
	defer f.Close()
	blob, plain := sha256.New(), sha256.New()
	z := gzip.NewWriter(io.MultiWriter(f, blob))
	if err := write(io.MultiWriter(z, plain)); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	d := hex.EncodeToString(blob.Sum(nil))
	l.layers = append(l.layers, map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + d, "size": st.Size()})
	l.diffIDs = append(l.diffIDs, "sha256:"+hex.EncodeToString(plain.Sum(nil)))
	return os.Rename(f.Name(), filepath.Join(l.dir, "blobs/sha256", d))
}

func (l *layout) json(mediaType string, v any) (map[string]any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	d := hex.EncodeToString(sum[:])
	return map[string]any{"mediaType": mediaType, "digest": "sha256:" + d, "size": len(b)},
		os.WriteFile(filepath.Join(l.dir, "blobs/sha256", d), b, 0o644)
}

func (l *layout) close() error {
	config, err := l.json("application/vnd.oci.image.config.v1+json", map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": l.diffIDs},
	})
	if err != nil {
		return err
	}
	manifest, err := l.json("application/vnd.oci.image.manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": l.layers,
	})
	if err != nil {
		return err
	}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []any{manifest}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.dir, "index.json"), index, 0o644)
}
