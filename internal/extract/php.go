package extract

import (
	"context"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// phpInstalled reads vendor/composer/installed.json (getcomposer.org): a list of packages
// (Composer 1), or an object with "packages" and the names of those for development
// (Composer 2). Versions stay as written, with their "v" where they have one.
var phpInstalled = Extractor{
	Name: "php", Doc: "packages installed by Composer", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return strings.HasSuffix(e.Path, "composer/installed.json") && e.Kind == rootfs.Regular
	},
	Extract: func(_ context.Context, f *rootfs.File) (*inventory.Fragment, error) {
		b, err := langBytes(f, langMaxFile)
		if err != nil {
			return nil, err
		}
		r := newLangJSON(b)
		l := langList{typ: "composer", evidence: inventory.Installed}
		if r.isArray() {
			if err = phpPackages(r, &l, false); err == nil {
				err = r.end()
			}
			return l.fragment(f.Path), langFailed("Composer's installed.json", err)
		}
		known := false
		dev := map[string]bool{}
		err = langJSONObject(b, false, func(r *langJSON, key []byte) error {
			switch string(key) {
			case "packages":
				known = true
				return phpPackages(r, &l, false)
			case "dev-package-names":
				return r.array(func() error {
					s, _, err := r.str()
					if len(dev) < langMaxPackages {
						dev[s] = true
					}
					return err
				})
			}
			return nil
		})
		for i := range l.packages {
			p := &l.packages[i]
			name := p.Name
			if p.Namespace != "" {
				name = p.Namespace + "/" + name
			}
			p.Dev = dev[name]
		}
		if err == nil && !known {
			err = fmt.Errorf("it has no packages")
		}
		return l.fragment(f.Path), langFailed("Composer's installed.json", err)
	},
}

// phpLock reads composer.lock.
func phpLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "composer", evidence: inventory.Locked}
	known := false
	err := langJSONObject(b, false, func(r *langJSON, key []byte) error {
		dev := string(key) == "packages-dev"
		if !dev && string(key) != "packages" {
			return nil
		}
		known = true
		return phpPackages(r, &l, dev)
	})
	if err == nil && !known {
		err = fmt.Errorf("it has no packages")
	}
	return l.fragment(path), langFailed("composer.lock", err)
}

func phpPackages(r *langJSON, l *langList, dev bool) error {
	return r.array(func() error {
		var name string
		p := inventory.Package{Type: "composer", Dev: dev}
		err := r.object(func(key []byte) (err error) {
			switch string(key) {
			case "name":
				name, _, err = r.str()
			case "version":
				p.Version, _, err = r.str()
			case "license":
				p.Licenses, err = nodeLicenses(r, nil)
			}
			return err
		})
		if err != nil {
			return err
		}
		var ok bool
		if p.Namespace, p.Name, ok = strings.Cut(name, "/"); !ok {
			p.Namespace, p.Name = "", name
		}
		l.addPackage(p)
		return nil
	})
}
