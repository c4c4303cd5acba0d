package feed

import (
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

// Bounds on a repository's updateinfo, unpacked: bytes and packages of one update.
const (
	maxUpdateinfo     = 512 << 20
	maxUpdatePackages = 1 << 16
)

// amazonRepo is one repository of Amazon Linux, by its list of mirrors.
type amazonRepo struct {
	mirrors string
	// extra names the topic of Amazon Linux 2's extras, whose packages replace those of
	// the core repository on systems that enable it.
	extra string
}

// amazonReleases lists the repositories of each release by VERSION_ID of its
// os-release. One processor's list serves: updateinfo names the packages of all.
var amazonReleases = []struct {
	release string
	repos   []amazonRepo
}{
	{"2018.03", []amazonRepo{{mirrors: "https://repo.us-west-2.amazonaws.com/2018.03/updates/x86_64/mirror.list"}}},
	{"2", append([]amazonRepo{{mirrors: "https://cdn.amazonlinux.com/2/core/latest/x86_64/mirror.list"}}, amazonExtras(
		"docker", "ecs", "firefox", "kernel-5.10", "kernel-5.15", "kernel-5.4", "livepatch", "mariadb10.5", "nginx1", "php8.1",
		"php8.2", "postgresql12", "postgresql13", "postgresql14", "python3.8", "redis6", "ruby3.0", "squid4", "tomcat8.5",
		"tomcat9",
	)...)},
	{"2022", []amazonRepo{{mirrors: "https://cdn.amazonlinux.com/al2022/core/mirrors/latest/x86_64/mirror.list"}}},
	{"2023", []amazonRepo{
		{mirrors: "https://cdn.amazonlinux.com/al2023/core/mirrors/latest/x86_64/mirror.list"},
		{mirrors: "https://cdn.amazonlinux.com/al2023/kernel-livepatch/mirrors/latest/x86_64/mirror.list"},
	}},
}

func amazonExtras(topics ...string) []amazonRepo {
	out := make([]amazonRepo, len(topics))
	for i, t := range topics {
		out[i] = amazonRepo{mirrors: "https://cdn.amazonlinux.com/2/extras/" + t + "/latest/x86_64/mirror.list", extra: t}
	}
	return out
}

// amazonFeeds reads the errata of Amazon Linux (alas.aws.amazon.com) from the updateinfo
// of its repositories, a feed for each release.
func amazonFeeds() []Feed {
	feeds := make([]Feed, len(amazonReleases))
	for i, r := range amazonReleases {
		feeds[i] = Feed{
			Name:  "amazon-linux-" + r.release,
			Home:  "https://alas.aws.amazon.com/",
			Doc:   "errata of Amazon Linux " + r.release + ", the updateinfo of its repositories",
			Every: 12 * time.Hour,
			Fetch: func(ctx context.Context, o *Origin, out Sink) error {
				for i, repo := range r.repos {
					list, err := fetchSmall(ctx, o, repo.mirrors)
					switch {
					case errors.Is(err, ErrNotThere) && repo.extra != "":
						continue // which extras there are changes
					case errors.Is(err, ErrNotThere) && i > 0:
						out.Quarantine(repo.mirrors, err)
						continue
					case err != nil:
						return err
					}
					if err := fetchAmazon(ctx, o, r.release, repo, list, out); errors.Is(err, ErrNotThere) {
						return fmt.Errorf("the repository is not whole: %v", err)
					} else if err != nil {
						return err
					}
				}
				return nil
			},
		}
	}
	return feeds
}

// fetchAmazon reads a repository by its list of mirrors. What the list names must be
// there.
func fetchAmazon(ctx context.Context, o *Origin, release string, repo amazonRepo, list []byte, out Sink) error {
	line, _, _ := strings.Cut(strings.TrimSpace(string(list)), "\n")
	base, err := amazonBase(strings.TrimSpace(line))
	if err != nil {
		return fmt.Errorf("reading the list of mirrors %s: %v", repo.mirrors, err)
	}
	md, err := fetchSmall(ctx, o, base+"/repodata/repomd.xml")
	if err != nil {
		return err
	}
	var repomd struct {
		Data []struct {
			Type     string `xml:"type,attr"`
			Location struct {
				Href string `xml:"href,attr"`
			} `xml:"location"`
		} `xml:"data"`
	}
	if err := xml.Unmarshal(md, &repomd); err != nil {
		return fmt.Errorf("reading %s: %v", base+"/repodata/repomd.xml", err)
	}
	for _, d := range repomd.Data {
		if d.Type != "updateinfo" {
			continue
		}
		b, err := o.Open(ctx, base+"/"+d.Location.Href)
		if err != nil {
			return err
		}
		defer b.Close()
		z, err := gzip.NewReader(b)
		if err != nil {
			return fmt.Errorf("unpacking %s: %w", d.Location.Href, err)
		}
		return readUpdateinfo(io.LimitReader(z, maxUpdateinfo), release, repo.extra, out)
	}
	return nil // a repository without errata
}

// amazonBase checks where a list of mirrors points to: a server of Amazon's, and by
// https even if it says http.
func amazonBase(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" ||
		!strings.HasSuffix(u.Host, ".amazonaws.com") && !strings.HasSuffix(u.Host, ".amazonlinux.com") {
		return "", fmt.Errorf("%.200q is not one of Amazon's servers", address)
	}
	return "https://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

func fetchSmall(ctx context.Context, o *Origin, address string) ([]byte, error) {
	b, err := o.Open(ctx, address)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	data, err := readAll(b, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", address, err)
	}
	return data, nil
}

// amazonUpdate is one <update>.
type amazonUpdate struct {
	ID     string `xml:"id"`
	Title  string `xml:"title"`
	Issued struct {
		Date string `xml:"date,attr"`
	} `xml:"issued"`
	Updated struct {
		Date string `xml:"date,attr"`
	} `xml:"updated"`
	Severity   string `xml:"severity"`
	References []struct {
		ID   string `xml:"id,attr"`
		Type string `xml:"type,attr"`
	} `xml:"references>reference"`
	Packages []struct {
		Name    string `xml:"name,attr"`
		Epoch   string `xml:"epoch,attr"`
		Version string `xml:"version,attr"`
		Release string `xml:"release,attr"`
	} `xml:"pkglist>collection>package"`
}

func readUpdateinfo(r io.Reader, release, extra string, out Sink) error {
	d := xml.NewDecoder(r)
	d.Strict = false
	any := false
	for {
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the updates of Amazon Linux %s: %w", release, err)
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		if start.Name.Local != "update" {
			any = any || start.Name.Local == "updates"
			continue
		}
		var u amazonUpdate
		if err := d.DecodeElement(&u, &start); err != nil {
			return fmt.Errorf("reading the updates of Amazon Linux %s: %w", release, err)
		}
		a, err := u.advisory(release, extra)
		if err != nil {
			out.Quarantine(u.ID, err)
		}
		switch {
		case len(a.Affected) > 0:
			if err := out.Advisory(a); err != nil {
				return err
			}
		case err == nil:
			out.Skip(u.ID, "affects nothing")
		}
	}
	if !any {
		return fmt.Errorf("reading the updates of Amazon Linux %s: this is no updateinfo", release)
	}
	return nil
}

// advisory turns an update into an advisory with a statement for each binary package.
// Builds for several processors are one, as they have one version.
//
// An extra's packages are in the ecosystem "Amazon Linux:2:TOPIC", as their versions
// say nothing on a system that has the core repository's package of that name.
func (u *amazonUpdate) advisory(release, extra string) (advisory.Advisory, error) {
	a := advisory.Advisory{
		ID: u.ID, Summary: oneLine(u.Title), Severity: severityOf(u.Severity),
		Published: parseTime(u.Issued.Date), Modified: parseTime(u.Updated.Date), URL: amazonPage(release, u.ID),
	}
	if !isName(u.ID) {
		return a, fmt.Errorf("its ID %.60q is not one", u.ID)
	}
	if a.Modified.IsZero() {
		a.Modified = a.Published
	}
	for _, r := range u.References {
		if cve := cveOf(r.ID); cve != "" && len(a.Related) < maxAliases {
			a.Related = append(a.Related, cve)
		}
	}
	a.Related = sortedUnique(a.Related)
	ecosystem := "Amazon Linux:" + release
	if extra != "" {
		ecosystem += ":" + extra
	}
	if len(u.Packages) > maxUpdatePackages {
		return a, fmt.Errorf("it has %d packages, over the limit of %d", len(u.Packages), maxUpdatePackages)
	}
	seen := map[[2]string]struct{}{}
	var bad error
	for _, p := range u.Packages {
		evr := p.Version + "-" + p.Release
		if p.Epoch != "" && p.Epoch != "0" {
			evr = p.Epoch + ":" + evr
		}
		if !isName(p.Name) || p.Version == "" || p.Release == "" || version.RPM.Valid(evr) != nil {
			bad = fmt.Errorf("package %.60q has no version that can be read: %.60q", p.Name, evr)
			continue
		}
		key := [2]string{p.Name, evr}
		if _, ok := seen[key]; ok {
			continue
		}
		seen[key] = struct{}{}
		a.Affected = append(a.Affected, advisory.Affected{
			Ecosystem: ecosystem, Package: p.Name, Stream: extra,
			Ranges: []version.Interval{{Introduced: "0", Fixed: evr}},
		})
	}
	slices.SortFunc(a.Affected, func(x, y advisory.Affected) int {
		if c := strings.Compare(x.Package, y.Package); c != 0 {
			return c
		}
		return strings.Compare(x.Ranges[0].Fixed, y.Ranges[0].Fixed)
	})
	return a, bad
}

func amazonPage(release, id string) string {
	switch release {
	case "2018.03":
		return "https://alas.aws.amazon.com/" + id + ".html"
	case "2":
		return "https://alas.aws.amazon.com/AL2/" + id + ".html"
	}
	return "https://alas.aws.amazon.com/AL" + release + "/" + strings.Replace(id, "ALAS"+release+"-", "ALAS-", 1) + ".html"
}
