package extract

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// Bounds on a file of Red Hat's build system and on what it names. A manifest lists the
// image's packages too; the largest have some hundred kB and 20 repositories.
const (
	maxContentManifest = 16 << 20
	maxContentSets     = 1 << 12
)

// redHatContent reads which repositories ("content sets") a Red Hat image was built
// from: the manifest each build leaves beside those of its bases (atomic-reactor's
// content_manifests), the newer file that stands for all, and the product (a CPE) that
// an image's labels name, which are kept as JSON or in a copy of its Dockerfile. UBI has
// had no manifests since 9.5.
var redHatContent = Extractor{
	Name: "redhat-content", Doc: "the repositories of a Red Hat image: content manifests and labels of its build", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return e.Kind == rootfs.Regular && e.Size > 0 && redHatContentKind(e.Path) != 0
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		if f.Size > maxContentManifest {
			return nil, fmt.Errorf("reading the image's repositories: %d bytes, more than %d", f.Size, maxContentManifest)
		}
		body, err := f.Bytes()
		if err != nil {
			return nil, fmt.Errorf("reading the image's repositories: %w", err)
		}
		var ids []string
		switch redHatContentKind(f.Path) {
		case 'c':
			ids, err = contentSets(body)
		case 'l':
			ids, err = labelCPE(body)
		case 'd':
			for _, m := range dockerfileCPE.FindAllSubmatch(body, maxContentSets) {
				ids = append(ids, string(m[1]))
			}
		}
		if err != nil {
			err = fmt.Errorf("reading the image's repositories: %w", err)
		}
		ids = slices.DeleteFunc(ids, func(s string) bool { return s == "" || !osReleasePlain(s) })
		slices.Sort(ids)
		ids = slices.Compact(ids)
		if len(ids) == 0 {
			return nil, err
		}
		return &inventory.Fragment{Repositories: ids}, err
	},
}

// redHatContentKind tells content manifests ('c'), labels ('l') and Dockerfiles ('d') by
// their paths; 0 for other files.
func redHatContentKind(path string) byte {
	rest, ok := strings.CutPrefix(path, "root/buildinfo/")
	if !ok {
		if rest, ok = strings.CutPrefix(path, "usr/share/buildinfo/"); !ok {
			return 0
		}
	}
	name, manifest := strings.CutPrefix(rest, "content_manifests/")
	switch {
	case strings.Contains(name, "/"):
	case manifest && strings.HasSuffix(name, ".json"), rest == "content-sets.json":
		return 'c'
	case rest == "labels.json":
		return 'l'
	case strings.HasPrefix(rest, "Dockerfile-"):
		return 'd'
	}
	return 0
}

// dockerfileCPE finds the label "cpe" in a Dockerfile.
var dockerfileCPE = regexp.MustCompile(`(?m)(?:^|[\s"])cpe"?="?(cpe:/[^\s"\\]+)`)

// contentSets reads the list of that name.
func contentSets(body []byte) (ids []string, err error) {
	r := newLangJSON(body)
	err = r.object(func(key []byte) error {
		if string(key) != "content_sets" || r.peek() != '[' {
			return nil
		}
		return r.array(func() error {
			s, ok, err := r.str()
			if !ok {
				return err
			}
			if len(ids) >= maxContentSets {
				return fmt.Errorf("more than %d content sets", maxContentSets)
			}
			ids = append(ids, s)
			return nil
		})
	})
	return ids, err
}

// labelCPE reads the CPE off an object of labels.
func labelCPE(body []byte) (ids []string, err error) {
	r := newLangJSON(body)
	err = r.object(func(key []byte) error {
		if string(key) != "cpe" {
			return nil
		}
		s, ok, err := r.str()
		if ok && strings.HasPrefix(s, "cpe:/") {
			ids = []string{s}
		}
		return err
	})
	return ids, err
}
