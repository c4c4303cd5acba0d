package feed

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

const redHatOVALURL = "https://security.access.redhat.com/data/oval/v2/"

// redHatOVALReleases are the major releases of Enterprise Linux with documents.
var redHatOVALReleases = []string{"5", "6", "7", "8", "9", "10"}

// redHatDocument matches the documents of Enterprise Linux and of its extended support:
// RHEL8/rhel-8-including-unpatched.oval.xml.bz2, RHEL8/rhel-8.6-eus.oval.xml.bz2. Layered
// products lie beside them.
var redHatDocument = regexp.MustCompile(`^RHEL(\d+)/(rhel-\d+(?:\.\d+)?(?:-[a-z0-9]+)*?)(-including-unpatched)?\.oval\.xml\.bz2$`)

// redHatOVALFeeds reads Red Hat's OVAL v2, a feed for each major release: errata, flaws
// that are not fixed and components that are not affected.
func redHatOVALFeeds() []Feed {
	feeds := make([]Feed, len(redHatOVALReleases))
	for i, release := range redHatOVALReleases {
		feeds[i] = Feed{
			Name:  "red-hat-oval-" + release,
			Home:  "https://www.redhat.com/security/data/oval/v2/",
			Doc:   "errata, unfixed flaws and unaffected components of Red Hat Enterprise Linux " + release + ", an OVAL document for each stream",
			Every: 24 * time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error { return fetchRedHatOVAL(ctx, o, release, out) },
		}
	}
	return feeds
}

func fetchRedHatOVAL(ctx context.Context, o *Origin, release string, out Sink) error {
	list, err := fetchSmall(ctx, o, redHatOVALURL+"PULP_MANIFEST")
	how := redHatDialect(release)
	if errors.Is(err, ErrNotThere) {
		// A mirror of the main documents alone.
		main := redHatOVALURL + "RHEL" + release + "/rhel-" + release
		return fetchOVAL(ctx, o, how, out, main+"-including-unpatched.oval.xml.bz2", main+".oval.xml.bz2")
	}
	if err != nil {
		return err
	}
	files := redHatDocuments(string(list), release)
	if len(files) == 0 {
		return fmt.Errorf("the list has no document of this release: %w", ErrNotThere)
	}
	for _, file := range files {
		if err := fetchOVAL(ctx, o, how, out, redHatOVALURL+file); errors.Is(err, ErrNotThere) {
			return fmt.Errorf("%s is listed, but not there", file)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// redHatDocuments picks those of a release from PULP_MANIFEST, whose lines are name, hash
// and size. Where one comes with unpatched flaws, it holds the other.
func redHatDocuments(manifest, release string) []string {
	best := map[string]string{}
	for line := range strings.Lines(manifest) {
		file, _, _ := strings.Cut(strings.TrimSpace(line), ",")
		m := redHatDocument.FindStringSubmatch(file)
		if m == nil || m[1] != release || len(best) >= 1000 {
			continue
		}
		if m[3] != "" || best[m[2]] == "" {
			best[m[2]] = file
		}
	}
	var out []string
	for _, file := range best {
		out = append(out, file)
	}
	slices.Sort(out)
	return out
}

func redHatDialect(release string) *ovalDialect {
	return &ovalDialect{
		about:    "Red Hat Enterprise Linux " + release,
		identify: redHatIdentify,
		places: func(d *ovalDefinition, platforms []string) []ovalPlace {
			if len(platforms) > 0 && !slices.ContainsFunc(platforms, func(p string) bool { return strings.HasPrefix(p, "Red Hat Enterprise Linux") }) {
				return nil // Red Hat CoreOS
			}
			return redHatPlaces(d, release)
		},
		state: redHatState,
	}
}

func redHatIdentify(d *ovalDefinition) (advisory.Advisory, error) {
	if a, err := d.erratum("RHSA", "RHBA", "RHEA"); err == nil {
		return a, nil
	}
	a, err := d.flaw("https://access.redhat.com/security/cve/")
	if err != nil {
		return a, err
	}
	// "Unaffected components for: CVE-2002-0059 zlib: Double free in inflateEnd (moderate)"
	_, title, _ := strings.Cut(d.Title, a.ID)
	if at := strings.LastIndex(title, " ("); at >= 0 && severityOf(strings.Trim(title[at:], " ()")) != advisory.SeverityUnknown {
		title = title[:at]
	}
	a.Summary = oneLine(title)
	return a, nil
}

// redHatPlaces reads the products of a definition, "cpe:/a:redhat:enterprise_linux:9::crb",
// of Enterprise Linux and its extended support. Which repositories a stream has is joined
// as in the records of OSV.
func redHatPlaces(d *ovalDefinition, release string) []ovalPlace {
	var products []string
	for _, cpe := range d.Advisory.Products {
		_, product, ok := strings.Cut(strings.TrimSpace(cpe), ":redhat:")
		name, rest, _ := strings.Cut(product, ":")
		number, _, _ := strings.Cut(rest, ":")
		major, _, _ := strings.Cut(number, ".")
		if ok && isName(product) && (name == "enterprise_linux" || strings.HasPrefix(name, "rhel_")) && major == release {
			products = append(products, product)
		}
	}
	if len(products) == 0 {
		if len(d.Advisory.Products) > 0 {
			return nil
		}
		return []ovalPlace{{ecosystem: "Red Hat:" + release}}
	}
	var out []ovalPlace
	for _, product := range sortedUnique(products) {
		eco, stream := redHatProduct("Red Hat:" + product)
		if n := len(out); n > 0 && out[n-1].ecosystem == eco {
			have := out[n-1].stream
			if !strings.Contains(have, "::") {
				out[n-1].stream = stream // of the whole, without a repository
				continue
			}
			if joined, ok := joinStreams(have, stream); ok {
				out[n-1].stream = joined
				continue
			}
		}
		out = append(out, ovalPlace{eco, stream})
	}
	return out
}

// redHatState gives the state of a flaw that is not fixed. States are for components,
// which are sources, and tests for the packages made of them: with several states
// that of the component counts whose name the package's begins with.
func redHatState(d *ovalDefinition, c *ovalClause) advisory.State {
	if c.claim != claimInstalled {
		return advisory.StateAffected
	}
	word, best := "", -1
	same := true
	for i, r := range d.Advisory.Resolution {
		same = same && r.State == d.Advisory.Resolution[0].State
		for _, component := range d.Advisory.Resolution[i].Components {
			name := component[strings.LastIndexByte(component, '/')+1:] // "nodejs:16/nodejs"
			if strings.HasPrefix(c.pkg, name) && len(name) > best {
				word, best = r.State, len(name)
			}
		}
	}
	if same && len(d.Advisory.Resolution) > 0 {
		word = d.Advisory.Resolution[0].State
	}
	switch word {
	case "Will not fix":
		return advisory.StateWillNotFix
	case "Fix deferred":
		return advisory.StateDeferred
	case "Out of support scope":
		return advisory.StateEndOfLife
	case "Under investigation":
		return advisory.StateUndetermined
	}
	return advisory.StateAffected
}
