package feed

import (
	"compress/bzip2"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// Bounds on the database of notices, unpacked: bytes, and bytes of one notice. Those on
// the kernel have some millions, as each lists its packages for each processor.
const (
	maxUSN       = 16 << 30
	maxUSNNotice = 64 << 20
)

// ubuntuUSNFeed reads the database of Ubuntu's security notices (usn.ubuntu.com/usn-db):
// by the number of the notice, the flaws and the versions of source packages that fix
// them in each release.
func ubuntuUSNFeed() Feed {
	return Feed{
		Name:  "ubuntu-usn",
		Home:  "https://ubuntu.com/security/notices",
		Doc:   "Ubuntu's security notices, one JSON document",
		Every: 6 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			const address = "https://usn.ubuntu.com/usn-db/database-all.json.bz2"
			f, err := o.OpenAt(ctx, address)
			if err != nil {
				return err
			}
			defer f.Close()
			plain := io.LimitReader(bzip2.NewReader(io.NewSectionReader(f, 0, f.Size())), maxUSN)
			if err := readUSN(ctx, plain, out); err != nil {
				return fmt.Errorf("reading %s: %w", address, err)
			}
			return nil
		},
	}
}

type usnNotice struct {
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	Short    string   `json:"isummary"`
	Time     float64  `json:"timestamp"`
	CVEs     []string `json:"cves"`
	Releases map[string]struct {
		Sources map[string]struct {
			Version string `json:"version"`
		} `json:"sources"`
		Binaries    map[string]usnBinary `json:"binaries"`
		AllBinaries map[string]usnBinary `json:"allbinaries"`
	} `json:"releases"`
}

type usnBinary struct {
	Pocket  looseString `json:"pocket"`
	Source  looseString `json:"source"`
	Version looseString `json:"version"`
}

// readUSN streams the document notice by notice.
func readUSN(ctx context.Context, r io.Reader, out Sink) error {
	ration := &rationed{r: r, left: maxUSNNotice}
	d := jsontext.NewDecoder(ration, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != '{' {
		return fmt.Errorf("it does not begin with an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		if err := ctx.Err(); err != nil {
			return err
		}
		t, err := d.ReadToken()
		if err != nil {
			return err
		}
		key := t.String()
		raw, err := d.ReadValue()
		if err != nil {
			return fmt.Errorf("notice %.40q: %w", key, err)
		}
		ration.left = maxUSNNotice
		var n usnNotice
		if err := decodeJSON(raw, &n); err != nil {
			out.Quarantine(key, fmt.Errorf("reading the notice: %v", err))
			continue
		}
		a, skip, bad := n.advisory(key)
		if bad != nil {
			out.Quarantine(key, bad)
		}
		switch {
		case len(a.Affected) > 0 && skip == "":
			if err := out.Advisory(a); err != nil {
				return err
			}
		case skip != "":
			out.Skip(key, skip)
		case bad == nil:
			out.Skip(key, "affects nothing")
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return fmt.Errorf("there is more after its end: %w", err)
	}
	return nil
}

// rationed reads r until what is left is used up, which is an error.
type rationed struct {
	r    io.Reader
	left int
}

// Read implements io.Reader.
func (m *rationed) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, fmt.Errorf("one value has over %d bytes", maxUSNNotice)
	}
	n, err := m.r.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

// advisory turns a notice into an advisory with a statement for each source package of
// each release. Notices without a flaw are on regressions and the like.
func (n *usnNotice) advisory(key string) (a advisory.Advisory, skip string, bad error) {
	number := strings.TrimPrefix(key, "USN-")
	if !isName(number) || len(number) > 40 || number[0] < '0' || number[0] > '9' {
		return a, "", fmt.Errorf("%.40q is not the number of a notice", key)
	}
	a = advisory.Advisory{ID: "USN-" + number, Summary: oneLine(n.Title), URL: "https://ubuntu.com/security/notices/USN-" + number}
	if n.Time > 0 && n.Time < math.MaxUint32 {
		a.Published = time.Unix(int64(n.Time), 0).UTC()
		a.Modified = a.Published
	}
	for _, id := range n.CVEs {
		if cve := cveOf(id); cve != "" && len(a.Related) < maxAliases {
			a.Related = append(a.Related, cve)
		}
	}
	if a.Related = sortedUnique(a.Related); len(a.Related) == 0 {
		return a, "names no flaw", nil
	}
	for _, codename := range slices.Sorted(maps.Keys(n.Releases)) {
		eco, ok := ubuntuReleases[codename]
		if !ok {
			if !slices.Contains(ubuntuOld, codename) {
				bad = fmt.Errorf("there is no number for the codename %.40q", codename)
			}
			continue
		}
		r := n.Releases[codename]
		pockets := map[string]string{} // by source; newer notices alone name that
		named := false
		for _, list := range []map[string]usnBinary{r.Binaries, r.AllBinaries} {
			for _, b := range list {
				named = named || b.Source != ""
				if s := usnStream(string(b.Pocket)); s != "" {
					pockets[string(b.Source)] = max(pockets[string(b.Source)], s)
					pockets[""] = max(pockets[""], s)
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(r.Sources)) {
			v := r.Sources[name].Version
			if !isName(name) || version.Deb.Valid(v) != nil {
				bad = fmt.Errorf("package %.60q has no version that can be read: %.60q", name, v)
				continue
			}
			stream, known := pockets[name]
			switch {
			case known:
			case strings.Contains(v, "+esm") || strings.Contains(v, "~esm"):
				stream = ubuntuESM
			case !named:
				stream = pockets[""]
			}
			a.Affected = append(a.Affected, advisory.Affected{
				Ecosystem: eco, Package: name, Stream: stream, Ranges: []version.Interval{{Introduced: "0", Fixed: v}},
			})
		}
	}
	return a, "", bad
}

// usnStream gives the stream of a pocket; empty for those of the archive itself.
func usnStream(pocket string) string {
	switch {
	case pocket == "" || pocket == "security" || pocket == "updates" || pocket == "release" || !isName(pocket):
		return ""
	case strings.HasPrefix(pocket, "esm"):
		return ubuntuESM
	}
	return pocket
}
