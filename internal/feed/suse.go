package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

const suseFolder = "https://ftp.suse.com/pub/projects/security/"

// suseVEX reads documents on one flaw each, suseErrata those on updates. Of the
// versions that have a fix SUSE says that it recommends them.
var (
	suseVEX = csafPublisher{
		namespace: "https://www.suse.com", fixes: []string{"recommended", "fixed", "first_fixed"}, place: susePackage,
		page: func(id string) string { return "https://www.suse.com/security/cve/" + id + ".html" },
	}
	suseErrata = csafPublisher{
		namespace: "https://www.suse.com", fixes: []string{"recommended", "fixed", "first_fixed"}, place: susePackage,
		errata: []string{"SUSE-", "openSUSE-"}, page: susePage,
	}
)

// suseFeeds reads SUSE's documents in the Common Security Advisory Framework
// (www.suse.com/support/security/csaf), which its server has as one archive each.
func suseFeeds() []Feed {
	feed := func(name, file, doc string, pub *csafPublisher) Feed {
		return Feed{
			Name: name, Home: "https://www.suse.com/support/security/csaf/", Doc: doc, Every: 24 * time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				return fetchSUSE(ctx, o, suseFolder+file, pub, out)
			},
		}
	}
	return []Feed{
		feed("suse-csaf-vex", "csaf-vex.tar.bz2", "how each flaw stands in each SUSE and openSUSE product, CSAF 2.0 documents in one tar archive", &suseVEX),
		feed("suse-csaf", "csaf.tar.bz2", "updates of SUSE and openSUSE, CSAF 2.0 documents in one tar archive", &suseErrata),
	}
}

func fetchSUSE(ctx context.Context, o *Origin, address string, pub *csafPublisher, out Sink) error {
	a, err := o.OpenAt(ctx, address)
	if err != nil {
		return err
	}
	defer a.Close()
	f := csafFetch{pub: pub, out: out}
	read := 0
	_, err = readTarball(ctx, io.NewSectionReader(a, 0, a.Size()), isJSON, pub.parse, func(p csafParsed) error {
		read++
		return f.emit(p)
	})
	if err == nil && read == 0 {
		err = errors.New("there is no document in it")
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", address, err)
	}
	return nil
}

// suseRelease tells releases of rpm as SUSE's build service makes them from the ends of
// names ("-32bit", "-devel").
var suseRelease = regexp.MustCompile(`^(?:bp|lp)?[0-9]+(?:\.[0-9a-z]+)*$`)

// susePackage finds the rpm that a product is. Its name has version and release after
// the name, and the processor if it stands on a branch of one; without a fix it is often
// the name alone. The name of what it is a component of is the ecosystem's.
func susePackage(chain []csafThing, fixed bool) (p csafPackage) {
	if len(chain) < 2 {
		return p
	}
	pkg, product := chain[0], chain[len(chain)-1].name
	switch {
	case strings.HasPrefix(product, "Image ") || strings.HasPrefix(product, "Container "):
		return p
	case strings.HasPrefix(product, "openSUSE "):
		p.ecosystem = "openSUSE:" + strings.TrimPrefix(product, "openSUSE ")
	case product != "":
		p.ecosystem = "SUSE:" + strings.TrimPrefix(product, "SUSE ")
	}
	p.name, p.arch = pkg.name, pkg.arch
	if pkg.purl.kind == "rpm" {
		p.name, p.version, p.source = pkg.purl.name, pkg.purl.evr(), pkg.purl.arch == "src"
		if pkg.purl.arch != "" {
			p.arch = pkg.purl.arch
		}
	} else {
		if p.arch != "" {
			p.name = strings.TrimSuffix(p.name, "."+p.arch)
		}
		p.name, p.version = splitNVR(p.name, fixed)
	}
	switch p.arch {
	case "src", "nosrc":
		p.source, p.arch = true, ""
	}
	if isDebug(p.name) {
		return csafPackage{}
	}
	// A fix without version cannot be understood.
	p.malformed = fixed && p.version == ""
	return p
}

// splitNVR parts name, version and release of an rpm. Where there need be no version,
// what follows the name must look like one.
func splitNVR(s string, must bool) (name, evr string) {
	r := strings.LastIndexByte(s, '-')
	if r <= 0 {
		return s, ""
	}
	v := strings.LastIndexByte(s[:r], '-')
	if v <= 0 || v+1 == r || r+1 == len(s) {
		return s, ""
	}
	if !must && (s[v+1] < '0' || s[v+1] > '9' || !suseRelease.MatchString(s[r+1:]) || s[r+1:] == "32bit" || s[r+1:] == "64bit") {
		return s, ""
	}
	return s[:v], s[v+1:]
}

// suseUpdate takes the ID of an update apart ("SUSE-SU-2024:1234-1").
var suseUpdate = regexp.MustCompile(`^(SUSE-[A-Z]U)-([0-9]{4}):([0-9]+-[0-9]+)$`)

// susePage gives the page of an update; empty for those of openSUSE and of the time
// before there were pages.
func susePage(id string) string {
	m := suseUpdate.FindStringSubmatch(id)
	if m == nil {
		return ""
	}
	return "https://www.suse.com/support/update/announcement/" + m[2] + "/" + strings.ToLower(m[1]) + "-" + m[2] + m[3] + "/"
}
