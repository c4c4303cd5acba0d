package feed

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// ubuntuReleases gives the ecosystem of each release by its codename
// (wiki.ubuntu.com/Releases), from the first that was current when there were
// containers. The tracker's "devel" has no number while it is that.
var ubuntuReleases = map[string]string{
	"precise": "Ubuntu:12.04:LTS", "quantal": "Ubuntu:12.10", "raring": "Ubuntu:13.04", "saucy": "Ubuntu:13.10",
	"trusty": "Ubuntu:14.04:LTS", "utopic": "Ubuntu:14.10", "vivid": "Ubuntu:15.04", "wily": "Ubuntu:15.10",
	"xenial": "Ubuntu:16.04:LTS", "yakkety": "Ubuntu:16.10", "zesty": "Ubuntu:17.04", "artful": "Ubuntu:17.10",
	"bionic": "Ubuntu:18.04:LTS", "cosmic": "Ubuntu:18.10", "disco": "Ubuntu:19.04", "eoan": "Ubuntu:19.10",
	"focal": "Ubuntu:20.04:LTS", "groovy": "Ubuntu:20.10", "hirsute": "Ubuntu:21.04", "impish": "Ubuntu:21.10",
	"jammy": "Ubuntu:22.04:LTS", "kinetic": "Ubuntu:22.10", "lunar": "Ubuntu:23.04", "mantic": "Ubuntu:23.10",
	"noble": "Ubuntu:24.04:LTS", "oracular": "Ubuntu:24.10", "plucky": "Ubuntu:25.04", "questing": "Ubuntu:25.10",
	"resolute": "Ubuntu:26.04:LTS",
}

// ubuntuOld are the releases before those, which are left out.
var ubuntuOld = []string{
	"warty", "hoary", "breezy", "dapper", "edgy", "feisty", "gutsy", "hardy", "intrepid", "jaunty", "karmic", "lucid",
	"maverick", "natty", "oneiric",
}

// ubuntuNoRelease are words that stand in the place of a release.
var ubuntuNoRelease = []string{"", "upstream", "devel", "product", "snap"}

// ubuntuESM is the stream of what Ubuntu Pro has beyond the archive of a release, which
// has none. What is fixed there, or in the other streams, is fixed for those alone who
// subscribe to it.
const ubuntuESM = "esm"

// ubuntuPocket maps an ecosystem of Canonical's OSV records to the one of its release
// and a stream: "Ubuntu:Pro:22.04:LTS" is "Ubuntu:22.04:LTS" and "esm",
// "Ubuntu:Pro:FIPS-updates:22.04:LTS" the same and "fips-updates".
func ubuntuPocket(ecosystem string) (eco, stream string) {
	parts := strings.Split(ecosystem, ":")
	at := 1
	for at < len(parts) && (parts[at] == "" || parts[at][0] < '0' || parts[at][0] > '9') {
		at++
	}
	if at == 1 || at == len(parts) {
		return ecosystem, "" // plain, or without a release
	}
	stream = strings.ToLower(strings.Join(parts[1:at], "-"))
	if stream == "pro" {
		stream = ubuntuESM
	}
	return "Ubuntu:" + strings.Join(parts[at:], ":"), strings.TrimPrefix(stream, "pro-")
}

// ubuntuPlaces reads the names of releases in the tracker and in the documents made from
// it, and notes the codenames that there is no number for. It may be used by several
// goroutines at once.
type ubuntuPlaces struct {
	mu      sync.Mutex
	strange map[string]bool
}

// place gives ecosystem and stream of a release: "jammy", "esm-infra/xenial",
// "trusty/esm", "fips-updates/focal". False if it is none that is kept.
func (u *ubuntuPlaces) place(name string) (eco, stream string, ok bool) {
	before, after, two := strings.Cut(name, "/")
	if !two {
		if eco, ok = ubuntuReleases[name]; !ok {
			u.note(name)
		}
		return eco, "", ok
	}
	if after == "esm" { // the older way to write it
		before, after = after, before
	}
	if strings.HasPrefix(before, "esm") {
		before = ubuntuESM // esm-infra, esm-apps, esm-infra-legacy: Pro has all of them
	}
	eco, ok = ubuntuReleases[after]
	return eco, before, ok && isName(before)
}

// note remembers a codename that is not known.
func (u *ubuntuPlaces) note(name string) {
	if slices.Contains(ubuntuOld, name) || slices.Contains(ubuntuNoRelease, name) ||
		len(name) > 40 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "" {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.strange == nil {
		u.strange = map[string]bool{}
	}
	if len(u.strange) < 100 {
		u.strange[name] = true
	}
}

// report tells of the codenames that were noted.
func (u *ubuntuPlaces) report(out Sink) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(u.strange)) {
		out.Quarantine("release "+name, fmt.Errorf("there is no number for the codename %.40q", name))
	}
}
