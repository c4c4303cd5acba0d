package match

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/finding"
	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// repositories is what a Lookup may know besides: the products (CPEs) that a
// publisher's repository belongs to, false if it is not known.
type repositories interface {
	Repository(ctx context.Context, id string) (cpes []string, ok bool, err error)
}

// redHat says whose statements are heard on an image of Red Hat's: those for products
// whose repositories its packages came from.
type redHat struct {
	major string // of the release: "8"
	minor int    // -1 if it is not known
	// products are heard, without repository: "enterprise_linux:8", "rhel_eus:8.6";
	// streams are those with the repositories that are in use.
	products, streams map[string]bool
}

// How near a statement is to the package at hand. Of what one record says the nearest
// counts, so that a word on the package itself outweighs one on its source, and one on
// its repository one on the whole product.
const (
	levelRepository = iota // its repository, or no repository is named
	levelOther             // another repository of a product that is heard
	levelProduct           // the product as a whole
	levelBase              // the plain release that an extended one came from
	levels
	levelSource = levels // added where the word is on the source package
)

// extended are the products that are a release of Enterprise Linux held at a minor one.
var extended = []string{"rhel_eus", "rhel_aus", "rhel_tus", "rhel_e4s", "rhel_els"}

// redHat finds out which products are heard, and with them the ecosystems. An image
// whose content sets are not known, or are of layered products alone, is taken to
// have the default repositories; rel.guess says so then.
func (m *matcher) redHat(d *inventory.Distro) error {
	h := &redHat{minor: -1, products: map[string]bool{}, streams: map[string]bool{}}
	var minor string
	h.major, minor, _ = strings.Cut(d.VersionID, ".")
	if n, err := strconv.Atoi(minor); err == nil {
		h.minor = n
	}
	db, _ := m.db.(repositories)
	unknown, based := 0, false
	var fromLabels []string
	for _, id := range m.inv.Repositories {
		if strings.HasPrefix(id, "cpe:/") {
			fromLabels = append(fromLabels, id)
			continue
		}
		cpes, ok, err := contentSet(m.ctx, db, id)
		if err != nil {
			return fmt.Errorf("looking up the repository %s: %w", id, err)
		}
		if !ok {
			unknown++
		}
		for _, cpe := range cpes {
			based = h.hears(cpe) || based
		}
	}
	variant := "enterprise_linux:" + h.major
	for _, cpe := range fromLabels {
		if product := h.productOf(cpe); h.hears(cpe) && !based {
			variant = product
		}
	}
	if based {
		m.rel.guess = ""
	} else {
		repos := []string{"baseos", "appstream"}
		if n, err := strconv.Atoi(h.major); err == nil && n < 8 {
			repos = []string{"server"}
		}
		h.products[variant] = true
		for _, r := range repos {
			h.streams[variant+"::"+r] = true
		}
	}
	if unknown > 0 {
		m.rel.note = fmt.Sprintf("%d of the image's content sets are not known", unknown)
	}
	m.rel.redHat = h
	m.rel.ecosystems = h.ecosystems()
	m.unheldExtended(h)
	return nil
}

// contentSet looks a repository up. One of an extended release may have the minor
// release in its name ("…-eus-rpms__8_DOT_6"), and is known without it too.
func contentSet(ctx context.Context, db repositories, id string) ([]string, bool, error) {
	if db == nil {
		return nil, false, nil
	}
	cpes, ok, err := db.Repository(ctx, id)
	base, minor, has := strings.Cut(id, "__")
	if ok || err != nil || !has {
		return cpes, ok, err
	}
	if cpes, ok, err = db.Repository(ctx, base); !ok || err != nil {
		return nil, false, err
	}
	release := strings.ReplaceAll(minor, "_DOT_", ".")
	kept := slices.DeleteFunc(slices.Clone(cpes), func(cpe string) bool { return !strings.Contains(cpe+":", ":"+release+":") })
	return kept, len(kept) > 0, nil
}

// productOf gives the product of a CPE without its repository.
func (h *redHat) productOf(cpe string) string {
	_, stream, ok := advisory.RedHatProduct(cpe)
	if !ok {
		return ""
	}
	product, _, _ := splitStream(stream)
	return product
}

// hears adds the product of a CPE, and reports whether that is the release itself,
// plain or extended. Repositories of extended support serve several minor releases;
// only the image's own is heard.
func (h *redHat) hears(cpe string) bool {
	_, stream, ok := advisory.RedHatProduct(cpe)
	if !ok || stream == "" {
		return false
	}
	product, prefix, repos := splitStream(stream)
	name, release, _ := strings.Cut(product, ":")
	of, minor, exact := strings.Cut(release, ".")
	if slices.Contains(extended, name) && (of != h.major || exact && h.minor >= 0 && minor != strconv.Itoa(h.minor)) {
		return false
	}
	h.products[product] = true
	for _, r := range repos {
		h.streams[prefix+r] = true
	}
	return of == h.major && (name == "enterprise_linux" || slices.Contains(extended, name))
}

// splitStream parts "enterprise_linux:7::client,server" into the product, the product
// with its colons, and the repositories; there are none in "enterprise_linux:7". Minor
// releases of the plain product are one with it.
func splitStream(stream string) (product, prefix string, repos []string) {
	product, list, has := strings.Cut(stream, "::")
	if name, release, _ := strings.Cut(product, ":"); name == "enterprise_linux" {
		major, _, _ := strings.Cut(release, ".")
		product = name + ":" + major
	}
	if !has {
		return product, product, nil
	}
	prefix = product + "::"
	if at := strings.LastIndexByte(list, ':') + 1; at > 0 {
		prefix, list = prefix+list[:at], list[at:]
	}
	return product, prefix, strings.Split(list, ",")
}

// ecosystems gives those that hold what is said of the products, the plain release
// first: an extended one is spoken of there too.
func (h *redHat) ecosystems() []string {
	out := []string{"Red Hat:" + h.major}
	for p := range h.products {
		if eco, _, ok := advisory.RedHatProduct(p); ok && !slices.Contains(out, eco) {
			out = append(out, eco)
		}
	}
	slices.Sort(out[1:])
	return out
}

// unheldExtended notes an extended release of which the snapshot has nothing: the
// plain one's fixes are no answer for it.
func (m *matcher) unheldExtended(h *redHat) {
	var missing string
	for _, eco := range m.rel.ecosystems {
		name, _, _ := strings.Cut(strings.TrimPrefix(eco, "Red Hat:"), ":")
		switch {
		case !slices.Contains(extended, name):
		case m.db.Covers(eco):
			return
		case missing == "":
			missing = eco
		}
	}
	if missing != "" && !h.products["enterprise_linux:"+h.major] {
		m.res.Unknowns = append(m.res.Unknowns, inventory.Unknown{Reason: inventory.FeedMissing, Subject: missing,
			Detail: "the advisory snapshot holds no data for " + missing})
	}
}

// level tells how near a statement on a product is; false if it is not heard.
//
// Repositories of one product are not held apart strictly: what an image's manifests
// list are the repositories of its lower layers, and layers above may bring packages of
// others. A statement for another repository is heard where the same record has none
// for one that is listed.
//
// On an extended release the plain one's word counts in two cases, if the extended one
// has none: where it is on the product as a whole, without versions; and where its
// fix was made in this minor release or an earlier one, which is what the extended
// release began with.
func (h *redHat) level(p *inventory.Package, a *advisory.Affected) (int, bool) {
	if a.Stream == "" {
		return levelRepository, true
	}
	level, ok := h.nearness(a)
	if p.Module != "" && a.Module == "" && len(a.Ranges) == 0 {
		level = levelBase // a package of that name, but not of the module
	}
	return level, ok
}

func (h *redHat) nearness(a *advisory.Affected) (int, bool) {
	product, prefix, repos := splitStream(a.Stream)
	switch {
	case h.products[product] && len(repos) == 0:
		return levelProduct, true
	case h.products[product]:
		if slices.ContainsFunc(repos, func(r string) bool { return h.streams[prefix+r] }) {
			return levelRepository, true
		}
		return levelOther, true
	case product != "enterprise_linux:"+h.major:
		return 0, false
	case len(a.Ranges) == 0:
		return levelBase, len(repos) == 0
	}
	fixed := minorOf(a.Ranges[len(a.Ranges)-1].Fixed)
	major, minor, _ := strings.Cut(fixed, ".")
	n, err := strconv.Atoi(minor)
	return levelBase, err == nil && major == h.major && n <= h.minor
}

// minorTag finds the minor release a package was built for in its release:
// "26.el9_3.2", "1.module+el8.9.0+1".
var minorTag = regexp.MustCompile(`\.el([0-9]+)_([0-9]+)|\.module[+_]el([0-9]+)\.([0-9]+)`)

func minorOf(v string) string {
	m := minorTag.FindStringSubmatch(v)
	switch {
	case m == nil:
		return ""
	case m[1] != "":
		return m[1] + "." + m[2]
	}
	return m[3] + "." + m[4]
}

// candidate is what one entry of a record says of the package at hand.
type candidate struct {
	finding.Statement
	level int
}

// choose takes the candidates that count: the nearest; of these, where some fix a flaw
// in the minor release the package was built for, those, because a flaw fixed in
// several minor releases has a fix of its own in each, and the later ones' versions are
// above the earlier ones'; and of these one that affects, with the lowest fix.
func choose(scheme version.Scheme, v string, all []candidate) *candidate {
	if len(all) == 1 {
		return &all[0]
	}
	nearest := levels + levelSource
	for _, c := range all {
		nearest = min(nearest, c.level)
	}
	minor, own := minorOf(v), false
	for _, c := range all {
		own = own || minor != "" && c.level == nearest && minorOf(c.Fixed) == minor
	}
	var best *candidate
	for i := range all {
		c := &all[i]
		if c.level != nearest || own && minorOf(c.Fixed) != minor {
			continue
		}
		if best == nil || better(scheme, c.Statement, best.Statement) {
			best = c
		}
	}
	return best
}

// nearestOnly leaves those of a record's statements that are nearest: it may be found
// under a package and its source, and in several ecosystems.
func nearestOnly(stmts []statement) []statement {
	if !slices.ContainsFunc(stmts, func(s statement) bool { return s.level > 0 }) {
		return stmts
	}
	type record struct{ source, id string }
	least := map[record]int{}
	for _, s := range stmts {
		k := record{s.Source, s.Advisory}
		if l, ok := least[k]; !ok || s.level < l {
			least[k] = s.level
		}
	}
	return slices.DeleteFunc(stmts, func(s statement) bool { return s.level > least[record{s.Source, s.Advisory}] })
}
