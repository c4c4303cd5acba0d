package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

const endOfLifeURL = "https://endoflife.date/api/"

// maxEndOfLife bounds a product's file, in bytes; they have some 5,000.
const maxEndOfLife = 4 << 20

// endOfLifeProducts are the products that are asked for: distributions, named by the ID
// of their os-release, and the runtimes that are recognised by signature.
var endOfLifeProducts = []struct {
	key, product string
	// free tells that what the product calls extended support is free for all.
	free bool
}{
	{"almalinux", "almalinux", false},
	{"alpine", "alpine-linux", false},
	{"amzn", "amazon-linux", false},
	{"centos", "centos", false},
	{"debian", "debian", true}, // LTS
	{"mageia", "mageia", false},
	{"ol", "oracle-linux", false},
	{"opensuse-leap", "opensuse", false},
	{"photon", "vmware-photon", false},
	{"rhel", "rhel", false},
	{"rocky", "rocky-linux", false},
	{"sles", "sles", false},
	{"ubuntu", "ubuntu", false},

	{"apache", "apache-http-server", false},
	{"erlang", "erlang", false},
	{"go", "go", false},
	{"haproxy", "haproxy", false},
	{"java", "eclipse-temurin", false}, // as long as any free build
	{"lua", "lua", false},
	{"mariadb", "mariadb", false},
	{"memcached", "memcached", false},
	{"mysql", "mysql", false},
	{"nginx", "nginx", false},
	{"node", "nodejs", false},
	{"openssl", "openssl", false},
	{"perl", "perl", false},
	{"php", "php", false},
	{"postgresql", "postgresql", false},
	{"python", "python", false},
	{"redis", "redis", false},
	{"ruby", "ruby", false},
	{"sqlite", "sqlite", false},
	{"valkey", "valkey", false},
}

// endOfLifeFeed reads the dates that endoflife.date collects, by version 0 of its API
// (endoflife.date/docs/api): a JSON document for each product with its releases.
func endOfLifeFeed() Feed {
	return Feed{
		Name:  "endoflife",
		Home:  "https://endoflife.date/",
		Doc:   "endoflife.date: until when releases of distributions and runtimes are supported; one JSON document for each",
		Every: 7 * 24 * time.Hour,
		Fetch: fetchEndOfLife,
	}
}

func fetchEndOfLife(ctx context.Context, o *Origin, out Sink) error {
	var missing []string
	for _, p := range endOfLifeProducts {
		body, err := o.Open(ctx, endOfLifeURL+p.product+".json")
		if errors.Is(err, ErrNotThere) {
			missing = append(missing, p.product)
			continue
		}
		if err != nil {
			return err
		}
		data, err := readAll(body, maxEndOfLife)
		body.Close()
		if err == nil {
			err = readEndOfLife(data, p.key, p.free, out)
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", p.product, err)
		}
	}
	if len(missing) == len(endOfLifeProducts) {
		return fmt.Errorf("opening the products: %w", ErrNotThere)
	}
	for _, name := range missing {
		out.Quarantine(name, errors.New("the product's file is not there"))
	}
	return nil
}

// endOfLifeCycle is a release of a product. The fields that are not strings are dates,
// or say with true or false whether support has ended, or is still given.
type endOfLifeCycle struct {
	Cycle    looseString `json:"cycle"`
	End      rawJSON     `json:"eol"`
	Extended rawJSON     `json:"extendedSupport"`
	Latest   looseTime   `json:"latestReleaseDate"`
}

// readEndOfLife reads a product's releases.
//
// "eol" is the end of security fixes that come without a contract: of Ubuntu's
// standard support and Red Hat's maintenance phase. Where extended support is free as
// well, its end is the end. That a release is supported and no end is set is kept, as an
// empty date; that it ended on a date nobody knows is of no use and left out.
func readEndOfLife(data []byte, key string, free bool, out Sink) error {
	var cycles []rawJSON
	if err := decodeJSON(data, &cycles); err != nil {
		return err
	}
	if len(cycles) == 0 {
		return errors.New("it lists no releases")
	}
	var newest time.Time
	for i, raw := range cycles {
		var c endOfLifeCycle
		if err := decodeJSON([]byte(raw), &c); err != nil || !isName(string(c.Cycle)) || len(c.Cycle) > 60 {
			out.Quarantine(fmt.Sprintf("%s, release %d", key, i+1), fmt.Errorf("it has no name: %v", err))
			continue
		}
		name := key + " " + string(c.Cycle)
		if c.Latest.After(newest) {
			newest = c.Latest.Time
		}
		end, extended := day(c.End), day(c.Extended)
		switch {
		case end == "" && c.End == "true":
			out.Skip(name, "ended on a date that is not known")
			continue
		case end == "" && c.End != "false":
			out.Quarantine(name, fmt.Errorf("%.40q is not the end of its support", string(c.End)))
			continue
		case free && extended != "":
			end, extended = max(end, extended), ""
		case extended <= end:
			extended = ""
		}
		if err := out.Lifecycle(name, advisory.Lifecycle{End: end, Extended: extended}); err != nil {
			return err
		}
	}
	if !newest.IsZero() {
		out.Dated(newest)
	}
	return nil
}

// day reads a date; "" if the value is none.
func day(v rawJSON) string {
	var s looseString
	v.decode(&s)
	t, err := time.Parse(time.DateOnly, string(s))
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return ""
	}
	return string(s)
}
