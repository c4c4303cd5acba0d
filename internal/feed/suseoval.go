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

const suseOVALURL = "https://ftp.suse.com/pub/projects/security/oval/"

// The documents that are read, by what their names begin with. A product has up to
// three: NAME lists fixed packages, NAME-affected also those that are not fixed and not
// affected, and NAME-patch the same fixes by update. Documents on one service pack repeat
// part of that of the whole release. Products that are no system of their own (Manager,
// Storage, OpenStack) are left out.
var (
	suseProduct     = regexp.MustCompile(`^(suse\.linux\.enterprise\.(server\.|micro\.)?\d+|suse\.linux\.micro\.\d+)$`)
	opensuseProduct = regexp.MustCompile(`^opensuse\.(\d+\.\d+|leap\.\d+\.\d+|leap\.micro\.\d+\.\d+|tumbleweed)$`)
	// suseHeard are the platforms whose packages are in images, by the names that
	// match/distro.go looks for, and their long-term support.
	suseHeard     = regexp.MustCompile(`^Linux (Enterprise (Server|Micro|Module for [A-Za-z0-9 ]+)|Micro) \d+(\.\d+)?( SP\d+)?(-LTSS)?$`)
	opensuseHeard = regexp.MustCompile(`^(\d+\.\d+|Leap (Micro )?\d+\.\d+|Tumbleweed)$`)
)

// suseOVALFeeds reads SUSE's definitions, which are by flaw.
func suseOVALFeeds() []Feed {
	feed := func(name, about string, product *regexp.Regexp) Feed {
		return Feed{
			Name:  name,
			Home:  "https://www.suse.com/support/security/oval/",
			Doc:   "flaws in " + about + ", an OVAL document for each release",
			Every: 24 * time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				return fetchSUSEOVAL(ctx, o, about, product, out)
			},
		}
	}
	return []Feed{
		feed("suse-oval", "SUSE Linux Enterprise", suseProduct),
		feed("opensuse-oval", "openSUSE", opensuseProduct),
	}
}

func fetchSUSEOVAL(ctx context.Context, o *Origin, about string, product *regexp.Regexp, out Sink) error {
	index, err := o.Open(ctx, suseOVALURL)
	if err != nil {
		return err
	}
	page, err := readAll(index, 4<<20)
	index.Close()
	if err != nil {
		return fmt.Errorf("reading the list of documents: %w", err)
	}
	choices := suseDocuments(string(page), product)
	if len(choices) == 0 {
		return errors.New("reading the list of documents: there are none")
	}
	for _, addresses := range choices {
		err := fetchOVAL(ctx, o, suseDialect(about), out, addresses...)
		if errors.Is(err, ErrNotThere) {
			out.Quarantine(addresses[0], errors.New("the document is listed, but not there"))
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// suseDocuments gives for each product that a page links to its addresses, the one
// that says most and is packed best first.
func suseDocuments(page string, product *regexp.Regexp) [][]string {
	listed := map[string]bool{}
	var names []string
	for _, link := range links(page) {
		listed[link] = true
		base, ok := strings.CutSuffix(strings.TrimSuffix(strings.TrimSuffix(link, ".gz"), ".bz2"), ".xml")
		if base = strings.TrimSuffix(base, "-affected"); ok && len(base) < 64 && product.MatchString(base) {
			names = append(names, base)
		}
	}
	names = sortedUnique(names)
	var out [][]string
	for _, name := range names {
		// The release as a whole has what its server has.
		if whole := strings.Replace(name, ".server.", ".", 1); whole != name && slices.Contains(names, whole) {
			continue
		}
		var addresses []string
		for _, kind := range [...]string{"-affected", ""} {
			for _, pack := range [...]string{".gz", ".bz2", ""} {
				if file := name + kind + ".xml" + pack; listed[file] {
					addresses = append(addresses, suseOVALURL+file)
				}
			}
		}
		out = append(out, addresses)
	}
	return out
}

func suseDialect(about string) *ovalDialect {
	return &ovalDialect{
		about: about,
		identify: func(d *ovalDefinition) (advisory.Advisory, error) {
			return d.flaw("https://www.suse.com/security/cve/")
		},
		places: onPlatform(susePlatform),
	}
}

// susePlatform gives the ecosystem of a product's name, as OSV has it.
func susePlatform(platform string) string {
	if name, ok := strings.CutPrefix(platform, "SUSE "); ok && suseHeard.MatchString(name) && len(name) < 128 {
		return "SUSE:" + name
	}
	if name, ok := strings.CutPrefix(strings.TrimSuffix(platform, " Update"), "openSUSE "); ok && opensuseHeard.MatchString(name) {
		return "openSUSE:" + name
	}
	return ""
}
