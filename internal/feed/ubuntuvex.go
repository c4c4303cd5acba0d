package feed

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// ubuntuVEXFeed reads the OpenVEX documents (openvex.dev, specification v0.2.0) that
// Canonical makes of its tracker, one for each flaw.
//
// Of the products of a statement the source packages are read, which name their release.
// A product that is "fixed" is the package as it is now, and not the first that had the
// fix: what to hold older ones against is in the tracker and in the OSV records, and is
// not guessed here. The documents on notices repeat those.
func ubuntuVEXFeed() Feed {
	return Feed{
		Name:  "ubuntu-vex",
		Home:  "https://ubuntu.com/security/vex",
		Doc:   "which packages of Ubuntu have a flaw or do not, as Canonical states it; a tar archive of OpenVEX documents",
		Every: 6 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			onFlaws := func(name string) bool { return strings.Contains(name, "vex/cve/") && isJSON(name) }
			var places ubuntuPlaces
			if err := fetchRecords(ctx, o, "https://security-metadata.canonical.com/vex/vex-all.tar.xz", onFlaws, places.parseVEX, out); err != nil {
				return err
			}
			places.report(out)
			return nil
		},
	}
}

// ubuntuVEX is a document. Older ones hold what is about it in a member of its own.
type ubuntuVEX struct {
	ID       string    `json:"@id"`
	Time     looseTime `json:"timestamp"`
	Metadata struct {
		ID   string    `json:"@id"`
		Time looseTime `json:"timestamp"`
	} `json:"metadata"`
	Statements []struct {
		Vulnerability struct {
			Name        string  `json:"name"`
			Description excerpt `json:"description"`
		} `json:"vulnerability"`
		Time     looseTime   `json:"timestamp"`
		Status   looseString `json:"status"`
		Action   looseString `json:"action_statement"`
		Products []struct {
			ID string `json:"@id"`
		} `json:"products"`
	} `json:"statements"`
}

// parseVEX reads one document. It never panics, whatever the bytes.
func (u *ubuntuPlaces) parseVEX(name string, data []byte, err error) osvParsed {
	p := osvParsed{name: baseName(name)}
	if err != nil {
		p.bad = err
		return p
	}
	var doc ubuntuVEX
	if err := decodeJSON(data, &doc); err != nil {
		p.bad = fmt.Errorf("reading the document: %v", err)
		return p
	}
	a := advisory.Advisory{Modified: doc.Time.Time}
	if a.Modified.IsZero() {
		a.Modified = doc.Metadata.Time.Time
	}
	said := map[[3]string]bool{}
	fixed, wrong := 0, 0
	bad := func(err error) {
		if wrong++; wrong == 1 {
			p.bad = err
		}
	}
	for i := range doc.Statements {
		s := &doc.Statements[i]
		switch id := s.Vulnerability.Name; {
		case id == "" || cveOf(id) != id || a.ID != "" && id != a.ID:
			bad(fmt.Errorf("a statement is on %.60q", id))
			continue
		default:
			a.ID = id
		}
		if a.Summary == "" {
			a.Summary = firstLine(string(s.Vulnerability.Description))
		}
		if a.Published.IsZero() {
			a.Published = s.Time.Time
		}
		var state advisory.State
		switch s.Status {
		case "fixed":
			fixed++
			continue
		case "not_affected":
			state = advisory.StateNotAffected
		case "under_investigation":
			state = advisory.StateUndetermined
		case "affected":
			state = vexAction(string(s.Action))
		default:
			bad(fmt.Errorf("its status %.40q is not known", s.Status))
			continue
		}
		for _, product := range s.Products {
			af, ok, err := u.product(product.ID)
			if err != nil {
				bad(err)
				continue
			}
			// One package of one release is named once for each of its packets.
			key := [3]string{af.Ecosystem, af.Stream, af.Package}
			if !ok || said[key] {
				continue
			}
			said[key] = true
			af.State = state
			a.Affected = append(a.Affected, af)
		}
	}
	if wrong > 1 {
		p.bad = fmt.Errorf("%v (and %d more)", p.bad, wrong-1)
	}
	switch {
	case len(a.Affected) > 0:
		a.URL = "https://ubuntu.com/security/" + a.ID
		p.adv = &a
	case p.bad != nil:
	case fixed > 0:
		p.skip = "fixed, which the tracker dates"
	case doc.ID == "" && doc.Metadata.ID == "":
		p.bad = fmt.Errorf("this is no OpenVEX document")
	default:
		p.skip = "affects nothing"
	}
	return p
}

// vexAction reads the sentence that stands for a state of the tracker.
func vexAction(action string) advisory.State {
	switch {
	case isEnd(action):
		return advisory.StateEndOfLife
	case strings.Contains(action, "decided to not fix"):
		return advisory.StateWillNotFix
	case strings.Contains(action, "deferred") && strings.Contains(action, "fix is deferred"):
		return advisory.StateDeferred
	}
	return advisory.StateAffected
}

// product reads a package URL of a source package
// (pkg:deb/ubuntu/curl@7.81.0-1ubuntu1.20?arch=source&distro=jammy); false for others
// and for releases that are not kept.
func (u *ubuntuPlaces) product(purl string) (af advisory.Affected, ok bool, err error) {
	rest, ok := strings.CutPrefix(purl, "pkg:deb/ubuntu/")
	before, query, _ := strings.Cut(rest, "?")
	if !ok || !strings.Contains(query, "arch=source") {
		return af, false, nil
	}
	name, v, _ := strings.Cut(before, "@")
	q, err := url.ParseQuery(query)
	if err != nil || len(purl) > 4096 {
		return af, false, fmt.Errorf("the product %.80q cannot be read", purl)
	}
	name, nerr := url.PathUnescape(name)
	v, verr := url.PathUnescape(v)
	if nerr != nil || verr != nil || !isName(name) || v != "" && version.Deb.Valid(v) != nil {
		return af, false, fmt.Errorf("the product %.80q has no name or no version", purl)
	}
	eco, stream, ok := u.place(q.Get("distro"))
	return advisory.Affected{Ecosystem: eco, Package: name, Stream: stream}, ok, nil
}
