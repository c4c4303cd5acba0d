package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/registry"
	"github.com/plimsoll/plimsoll/internal/report"
	"github.com/plimsoll/plimsoll/internal/scan"
)

// source is where an image comes from, as the user named it.
type source struct {
	kind string // one of the keys of schemes, or "registry", "stdin"
	path string // file, folder or reference
	name string // which image of an archive
	text string
}

// schemes are the prefixes a source may have, and whether what follows is a path.
var schemes = map[string]bool{
	"docker-archive": true, "oci-archive": true, "oci": true, "rootfs": true,
	"docker": false, "podman": false, "registry": false,
}

// parseSource tells what kind of source s is. What exists as a file or folder is one;
// all else is a reference to a registry.
func parseSource(s string) (source, error) {
	if s == "-" {
		return source{kind: "stdin", text: "-"}, nil
	}
	if scheme, rest, ok := strings.Cut(s, ":"); ok {
		isPath, known := schemes[scheme]
		if known && !strings.HasPrefix(rest, "//") || known && isPath {
			if rest == "" {
				return source{}, usage("%s names no file or image", s)
			}
			src := source{kind: scheme, path: rest, text: s}
			if isPath {
				src.path, src.name = splitName(rest)
			}
			return src, nil
		}
		if scheme == "sbom" {
			return source{}, usage("%s: reading SBOMs as a source is not supported in this version", s)
		}
	}
	if _, err := os.Stat(s); err == nil {
		place, err := image.Detect(s)
		if err != nil {
			return source{}, err
		}
		return source{kind: string(place), path: s, text: s}, nil
	}
	if looksLikePath(s) {
		return source{}, fmt.Errorf("opening %s: %w: no such file or folder", s, image.ErrNotFound)
	}
	return source{kind: "registry", path: s, text: s}, nil
}

// splitName takes FILE or FILE:NAME apart; a colon in the name of a file that exists
// is part of it.
func splitName(s string) (path, name string) {
	for at := len(s); at > 0; at = strings.LastIndexByte(s[:at], ':') {
		if _, err := os.Lstat(s[:at]); err == nil {
			return s[:at], strings.TrimPrefix(s[at:], ":")
		}
	}
	return s, ""
}

func looksLikePath(s string) bool {
	for _, p := range []string{"/", "./", "../", "~"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	for _, x := range []string{".tar", ".tar.gz", ".tgz", ".tar.zst"} {
		if strings.HasSuffix(s, x) {
			return true
		}
	}
	return s == "." || s == ".."
}

// inspect reads the source and gives the Facts of each image in it.
func inspect(ctx context.Context, s *scan.Scanner, src source, sel image.Select, opt registry.Options, stdin io.Reader) (*image.Set, []*report.Facts, error) {
	if src.name != "" {
		sel.Name = src.name
	}
	switch src.kind {
	case "stdin":
		return s.Stream(ctx, stdin, sel)
	case "rootfs":
		f, err := s.Folder(ctx, src.path)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("opening %s: %w", src.text, image.ErrNotFound)
		}
		if err != nil {
			return nil, nil, err
		}
		return &image.Set{Source: src.text}, []*report.Facts{f}, nil
	case "docker", "podman":
		rc, err := registry.Daemon(ctx, src.kind, src.path)
		if err != nil {
			return nil, nil, err
		}
		defer rc.Close()
		return s.Stream(ctx, rc, sel)
	}
	// An archive that is compressed as a whole cannot be read at any place but the
	// next, so it is read as a stream.
	if place, err := image.Detect(src.path); err == nil && place == image.PackedArchive && src.kind != "registry" {
		f, err := os.Open(src.path)
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		set, facts, err := s.Stream(ctx, f, sel)
		for _, f := range facts {
			if f.Image.Name == "-" {
				f.Image.Name = src.text
			}
		}
		return set, facts, err
	}
	set, err := open(ctx, src, sel, opt)
	if err != nil {
		return nil, nil, err
	}
	var facts []*report.Facts
	for _, img := range set.Images {
		f, err := s.Inspect(ctx, img)
		if err != nil {
			return set, nil, err
		}
		facts = append(facts, f)
	}
	return set, facts, nil
}

func open(ctx context.Context, src source, sel image.Select, opt registry.Options) (*image.Set, error) {
	switch src.kind {
	case "oci":
		return image.OpenLayout(ctx, src.path, sel)
	case "docker-archive":
		return image.OpenDockerArchive(ctx, src.path, sel)
	case "oci-archive":
		return image.OpenOCIArchive(ctx, src.path, sel)
	case string(image.Archive):
		return image.OpenArchive(ctx, src.path, sel)
	}
	ref, err := image.ParseRef(src.path)
	if err != nil {
		return nil, usage("%v", err)
	}
	c, err := registry.New(opt)
	if err != nil {
		return nil, err
	}
	return c.Images(ctx, ref, sel)
}
