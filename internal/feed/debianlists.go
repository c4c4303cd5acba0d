package feed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

const debianListURL = "https://salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data/"

// maxListLine bounds a line of a list, in bytes.
const maxListLine = 1 << 20

// debianAncient are releases from before there were containers, which are left out.
var debianAncient = map[string]bool{"potato": true, "woody": true, "sarge": true, "etch": true}

// debianListsFeed reads the lists of advisories that Debian's security team keeps
// (security-team.debian.org/security_tracker.html, "The DSA list"): of the team itself
// (DSA), of long-term support (DLA), and formerly for testing (DTSA).
func debianListsFeed() Feed {
	return Feed{
		Name:  "debian-advisories",
		Home:  "https://www.debian.org/security/",
		Doc:   "Debian's advisories (DSA, DLA, DTSA) with the versions that they brought, three text files",
		Every: 6 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			for i, list := range []string{"DSA", "DLA", "DTSA"} {
				body, err := o.Open(ctx, debianListURL+list+"/list")
				switch {
				case errors.Is(err, ErrNotThere) && list == "DTSA":
					continue // it has ended long ago
				case errors.Is(err, ErrNotThere) && i > 0:
					return fmt.Errorf("the lists are not whole: %v", err)
				case err != nil:
					return err
				}
				err = readDebianList(ctx, body, list, out)
				body.Close()
				if err != nil {
					return fmt.Errorf("reading the list of %s: %w", list, err)
				}
			}
			return nil
		},
	}
}

// debianEntry is one advisory of a list.
type debianEntry struct {
	advisory.Advisory
	title string
	old   bool // something was left out for its release
	bad   error
}

// readDebianList reads a list:
//
//	[12 Feb 2025] DSA-5864-1 pam-pkcs11 - security update
//		{CVE-2025-24031 CVE-2025-24032}
//		[bookworm] - pam-pkcs11 0.6.12-1+deb12u1
func readDebianList(ctx context.Context, r io.Reader, list string, out Sink) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxListLine)
	var e *debianEntry
	entries := 0
	for lines.Scan() {
		if err := ctx.Err(); err != nil {
			return err
		}
		line := strings.TrimRight(lines.Text(), " \t\r")
		switch text := strings.TrimLeft(line, " \t"); {
		case text == "":
		case len(text) == len(line):
			if err := e.hand(out); err != nil {
				return err
			}
			if e = debianHead(line, list); e == nil {
				if entries == 0 {
					return fmt.Errorf("it begins with %.60q, which is no advisory", line)
				}
				out.Quarantine(line, errors.New("this line is not the head of an advisory"))
				continue
			}
			entries++
		case e == nil:
		default:
			e.line(text)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if entries == 0 {
		return errors.New("it has no advisories")
	}
	return e.hand(out)
}

// debianHead reads "[date] ID package - title"; nil if line is none.
func debianHead(line, list string) *debianEntry {
	date, rest, ok := strings.Cut(line, "] ")
	id, title, _ := strings.Cut(rest, " ")
	number, named := strings.CutPrefix(id, list+"-")
	if !ok || !strings.HasPrefix(date, "[") || !named || !isName(id) || number == "" || number[0] < '0' || number[0] > '9' {
		return nil
	}
	e := &debianEntry{title: title}
	e.ID, e.Summary = id, oneLine(title)
	e.URL = "https://security-tracker.debian.org/tracker/" + id
	e.Published = debianDate(date[1:])
	e.Modified = e.Published
	return e
}

// debianDate reads "12 Feb 2025" and "August 26th, 2005"; zero if s is neither.
func debianDate(s string) time.Time {
	if t, err := time.Parse("2 Jan 2006", s); err == nil {
		return t
	}
	for _, suffix := range [...]string{"st,", "nd,", "rd,", "th,", ","} {
		if before, after, ok := strings.Cut(s, suffix); ok {
			if t, err := time.Parse("January 2 2006", before+after); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

// line reads a line below the head.
func (e *debianEntry) line(text string) {
	switch text[0] {
	case '{':
		for _, id := range strings.Fields(strings.Trim(text, "{}")) {
			if cve := cveOf(id); cve != "" && len(e.Related) < maxAliases {
				e.Related = append(e.Related, cve)
			}
		}
	case '[':
		codename, rest, _ := strings.Cut(text[1:], "]")
		words := strings.Fields(rest)
		release, known := debianReleases[codename]
		switch {
		case debianAncient[codename]:
			e.old = true
		case !known:
			e.bad = fmt.Errorf("there is no number for the codename %.40q", codename)
		case len(words) < 3 || words[0] != "-" || !isName(words[1]):
			e.bad = fmt.Errorf("%.80q is not a package with its version", text)
		default:
			e.fix("Debian:"+release, words[1], words[2])
		}
	}
}

// fix adds what is said of a package: a version that fixes it or a state.
func (e *debianEntry) fix(eco, pkg, v string) {
	af := advisory.Affected{Ecosystem: eco, Package: pkg}
	switch v {
	case "<not-affected>":
		af.State = advisory.StateNotAffected
	case "<end-of-life>":
		af.State = advisory.StateEndOfLife
	case "<unfixed>":
	case "<ignored>":
		af.State = advisory.StateWillNotFix
	case "<no-dsa>", "<postponed>":
		af.State = advisory.StateDeferred
	default:
		if version.Deb.Valid(v) != nil {
			e.bad = fmt.Errorf("package %.60q is fixed in %.60q, which is no version", pkg, v)
			return
		}
		af.Ranges = []version.Interval{{Introduced: "0", Fixed: v}}
	}
	if len(e.Affected) >= 1<<16 {
		e.bad = fmt.Errorf("it has over %d lines", 1<<16)
		return
	}
	e.Affected = append(e.Affected, af)
}

// hand gives the advisory to out. One that names no flaw is about one only if its title
// does not say that it is about something else.
func (e *debianEntry) hand(out Sink) error {
	if e == nil {
		return nil
	}
	if e.bad != nil {
		out.Quarantine(e.ID, e.bad)
	}
	e.Related = sortedUnique(e.Related)
	switch {
	case len(e.Affected) > 0 && (len(e.Related) > 0 || !isUpkeep(e.title)):
		return out.Advisory(e.Advisory)
	case len(e.Affected) > 0:
		out.Skip(e.ID, "names no flaw")
	case e.old:
		out.Skip(e.ID, "a release from before 2009")
	case e.bad == nil:
		out.Skip(e.ID, "affects nothing")
	}
	return nil
}

// isUpkeep tells by its title an advisory that is not about a flaw unless it names one.
func isUpkeep(title string) bool {
	if _, after, ok := strings.Cut(title, " - "); ok {
		title = after
	}
	title = strings.ToLower(title)
	for _, s := range [...]string{
		"regression", "upstream version", "upstream release", "timezone", "bugfix", "bug fix", "end of life", "end-of-life", "database update",
		"version number", "new package", "rebuild", "announcement", "key change",
	} {
		if strings.Contains(title, s) {
			return true
		}
	}
	return title == "update"
}
