package feed

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

const ubuntuTrackerURL = "https://git.launchpad.net/ubuntu-cve-tracker/snapshot/ubuntu-cve-tracker-master.tar.gz"

// Bounds on one file of the tracker.
const (
	maxTrackerFile  = 4 << 20
	maxTrackerLines = 1 << 18
)

// ubuntuTrackerFeed reads the files that the Ubuntu security team works in, one for each
// flaw (git.launchpad.net/ubuntu-cve-tracker, README): what is done about it in each
// package of each release.
func ubuntuTrackerFeed() Feed {
	return Feed{
		Name:  "ubuntu-tracker",
		Home:  "https://ubuntu.com/security/cves",
		Doc:   "the Ubuntu security team's tracker, which states each flaw for each release; a tar archive of text files",
		Every: 6 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			var places ubuntuPlaces
			if err := fetchRecords(ctx, o, ubuntuTrackerURL, isTrackerFile, places.parseFile, out); err != nil {
				return err
			}
			places.report(out)
			return nil
		},
	}
}

// isTrackerFile tells the files on flaws from templates and from those who maintain them.
func isTrackerFile(name string) bool {
	if !strings.HasPrefix(path.Base(name), "CVE-") {
		return false
	}
	switch path.Base(path.Dir(name)) {
	case "active", "retired", "ignored":
		return true
	}
	return false
}

// ubuntuFile is what is gathered of a file before the statements are made.
type ubuntuFile struct {
	id, description string
	published       time.Time
	priority        advisory.Severity
	priorities      map[string]advisory.Severity // by package, or package_place
	cvss            []advisory.CVSS
	states          [][3]string // place, package, state
}

// parseFile reads the file of one flaw. It never panics, whatever the bytes.
func (u *ubuntuPlaces) parseFile(name string, data []byte, err error) osvParsed {
	p := osvParsed{name: baseName(name)}
	if err == nil && len(data) > maxTrackerFile {
		err = fmt.Errorf("it has %d bytes, over the limit of %d", len(data), maxTrackerFile)
	}
	if err != nil {
		p.bad = err
		return p
	}
	f := ubuntuFile{priorities: map[string]advisory.Severity{}}
	if p.bad = f.read(data); p.bad != nil {
		return p
	}
	if strings.HasPrefix(f.id, "CVE-") && strings.Contains(f.id, "-NNN") {
		p.skip = "has no CVE yet"
		return p
	}
	if f.id == "" || cveOf(f.id) != f.id {
		p.bad = fmt.Errorf("its candidate %.60q is no CVE", f.id)
		return p
	}
	a := advisory.Advisory{
		ID: f.id, Summary: oneLine(f.description), Severity: f.priority, CVSS: f.cvss,
		Published: f.published, Modified: f.published, URL: "https://ubuntu.com/security/" + f.id,
	}
	wrong := 0
	for _, s := range f.states {
		af, ok, err := f.statement(u, s[0], s[1], s[2])
		switch {
		case err != nil:
			if wrong++; wrong == 1 {
				p.bad = fmt.Errorf("package %.80q in %.40q: %v", s[1], s[0], err)
			}
		case ok:
			a.Affected = append(a.Affected, af)
		}
	}
	if wrong > 1 {
		p.bad = fmt.Errorf("%v (and %d more)", p.bad, wrong-1)
	}
	switch {
	case len(a.Affected) > 0:
		p.adv = &a
	case p.bad == nil:
		p.skip = "affects nothing"
	}
	return p
}

// read goes through the lines: "Field: value", and more of the value in lines that begin
// with a blank.
func (f *ubuntuFile) read(data []byte) error {
	field, lines := "", 0
	for len(data) > 0 {
		var raw []byte
		raw, data, _ = bytes.Cut(data, []byte("\n"))
		if lines++; lines > maxTrackerLines {
			return fmt.Errorf("it has over %d lines", maxTrackerLines)
		}
		line := strings.TrimRight(string(raw), " \t\r")
		switch {
		case line == "" || line[0] == '#' || strings.HasPrefix(line, "--"):
			continue
		case line[0] == ' ' || line[0] == '\t':
			f.more(field, strings.TrimSpace(line))
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			field = ""
			continue
		}
		field, value = name, strings.TrimSpace(value)
		if value == "" {
			continue
		}
		first, _, _ := strings.Cut(value, " ")
		switch place, pkg, isState := strings.Cut(name, "_"); {
		case name == "Candidate":
			f.id = value
		case name == "PublicDate":
			f.published = parseTime(strings.TrimSuffix(value, " UTC"))
		case name == "Description":
			f.description = value
		case name == "Priority":
			f.priority = severityOf(first)
		case place == "Priority":
			f.priorities[pkg] = severityOf(first)
		case place == "Tags" || place == "Patches" || place == "Assigned-to" || !isState:
		default:
			f.states = append(f.states, [3]string{place, pkg, value})
		}
	}
	return nil
}

// more takes a further line of a field.
func (f *ubuntuFile) more(field, text string) {
	switch field {
	case "Description":
		if len(f.description) < 2*maxSummary {
			f.description += " " + text
		}
	case "CVSS":
		// "nvd: CVSS:3.1/AV:N/… [9.8 CRITICAL]"
		_, vector, _ := strings.Cut(text, " ")
		vector, _, _ = strings.Cut(strings.TrimSpace(vector), " ")
		_, f.cvss = ratings(f.cvss, []osvSeverity{{Type: "CVSS_V3", Score: looseString(vector)}})
	}
}

// statement reads what is said of a package in a release; false if that says nothing of
// a release that is kept.
//
// "needs-triage" is not known yet, "pending" is fixed in a version that is not out, and
// "ignored" left as it is, for the reason in parentheses: often that the release is no
// longer supported. A package that does not exist there is DNE.
func (f *ubuntuFile) statement(u *ubuntuPlaces, place, pkg, value string) (af advisory.Affected, ok bool, err error) {
	eco, stream, ok := u.place(place)
	state, note, _ := strings.Cut(value, " ")
	if !ok || state == "DNE" {
		return af, false, nil
	}
	note = strings.Trim(note, " ()[]") // of which one or another is missing at times
	if !isName(pkg) {
		return af, false, fmt.Errorf("its name is none")
	}
	af = advisory.Affected{Ecosystem: eco, Package: pkg, Stream: stream, Severity: f.priorities[pkg]}
	if s, own := f.priorities[pkg+"_"+place]; own {
		af.Severity = s
	}
	switch state {
	case "released":
		if version.Deb.Valid(note) != nil {
			return af, false, fmt.Errorf("it is released in %.60q, which is no version", note)
		}
		af.Ranges = []version.Interval{{Introduced: "0", Fixed: note}}
		return af, true, nil
	case "not-affected":
		// It stands against what others say of a package. Of the releases between those
		// with long support nobody else speaks, and they are many.
		af.State = advisory.StateNotAffected
		return af, stream != "" || strings.HasSuffix(eco, ":LTS"), nil
	case "needed", "pending", "active":
	case "needs-triage":
		af.State = advisory.StateUndetermined
	case "deferred":
		af.State = advisory.StateDeferred
	case "ignored":
		af.State = advisory.StateWillNotFix
		if slices.Contains([]string{"code-not-compiled", "code not compiled", "code-not-present"}, note) {
			af.State = advisory.StateNotAffected
		}
	default:
		return af, false, fmt.Errorf("its state %.40q is not known", value)
	}
	if isEnd(note) {
		af.State = advisory.StateEndOfLife
	}
	return af, true, nil
}

// isEnd tells a note that support has ended.
func isEnd(note string) bool {
	note = strings.ToLower(note)
	return slices.ContainsFunc([]string{"end-of-life", "end of life", "standard support", "no longer supported"},
		func(s string) bool { return strings.Contains(note, s) })
}
