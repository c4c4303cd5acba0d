package match

import (
	"context"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// release says how a distribution's packages are matched.
type release struct {
	// ecosystems whose shards speak for the release, the main one first. A package is
	// looked up in each.
	ecosystems []string
	// bySource: advisories name source packages and their versions.
	bySource bool
	// guess says, if the choice of ecosystems rests on an assumption, which.
	guess string
	// lives are the names under which the end of the release's support is looked up, the
	// better first; none if it rolls.
	lives []string
	// redHat is set if statements are for products and their repositories; a source
	// package is then looked up besides its binary ones.
	redHat *redHat
	// note is to be said of the packages.
	note string
}

// releaseOf gives the advisories' names for d, in OSV's spelling
// (ossf.github.io/osv-schema, "Defined ecosystems"); false if the distribution is
// not one that can be matched.
func releaseOf(d *inventory.Distro) (release, bool) {
	id, ver := strings.ToLower(d.ID), d.VersionID
	major, _, _ := strings.Cut(ver, ".")
	r := release{lives: []string{id + " " + ver, id + " " + major}}
	one := func(bySource bool, eco string) (release, bool) {
		r.ecosystems, r.bySource = []string{eco}, bySource
		return r, true
	}
	switch id {
	case "debian":
		if major == "" {
			major = debianCodenames[d.Codename]
		}
		if major == "" {
			return r, false
		}
		r.lives = []string{"debian " + major}
		return one(true, "Debian:"+major)
	case "ubuntu":
		if len(ver) < 5 {
			return r, false
		}
		r.lives = []string{"ubuntu " + ver[:5]}
		eco := "Ubuntu:" + ver[:5]
		if (ver[1]-'0')%2 == 0 && ver[2:5] == ".04" {
			eco += ":LTS"
		}
		return one(true, eco)
	case "alpine":
		v := majorMinor(ver)
		if v == "" || strings.Contains(ver, "_") {
			r.lives = nil
			return one(true, "Alpine:edge")
		}
		r.lives = []string{"alpine " + v}
		return one(true, "Alpine:v"+v)
	case "wolfi":
		return one(true, "Wolfi")
	case "chainguard":
		return one(true, "Chainguard")
	case "minimos":
		return one(true, "MinimOS")
	case "echo":
		return one(true, "Echo")
	case "almalinux":
		return one(false, "AlmaLinux:"+major)
	case "rocky":
		return one(true, "Rocky Linux:"+major)
	case "rhel", "redhat":
		r.lives = []string{"rhel " + major}
		r.guess = "the default repositories of the release"
		return one(false, "Red Hat:"+major)
	case "centos":
		if strings.Contains(strings.ToLower(d.Name), "stream") {
			return r, false
		}
		r.guess = "Red Hat's advisories of the same release"
		return one(false, "Red Hat:"+major)
	case "ol":
		return one(false, "Oracle Linux:"+major)
	case "amzn":
		return one(false, "Amazon Linux:"+ver)
	case "mariner":
		return one(true, "Mariner:"+majorMinor(ver))
	case "azurelinux":
		return one(true, "Azure Linux:"+major)
	case "photon":
		return one(false, "Photon OS:"+majorMinor(ver))
	case "openeuler":
		return one(false, "openEuler:"+ver)
	case "mageia":
		return one(false, "Mageia:"+major)
	case "arch", "archlinux":
		return one(false, "Arch Linux")
	case "opensuse-leap":
		return one(false, "openSUSE:Leap "+ver)
	case "opensuse-tumbleweed":
		return one(false, "openSUSE:Tumbleweed")
	case "opensuse-leap-micro":
		return one(false, "openSUSE:Leap Micro "+ver)
	case "suse-microos", "sle-micro":
		return one(false, "SUSE:Linux Enterprise Micro "+ver)
	case "sl-micro":
		return one(false, "SUSE:Linux Micro "+ver)
	case "sles", "sled", "sles_sap", "sle_hpc", "suse":
		r.ecosystems = suse(ver)
		r.lives = []string{"sles " + ver}
		if major == ver {
			r.lives = append(r.lives, "sles "+ver+".0")
		}
		r.guess = "the server product and the modules of its service pack, without long-term support"
		return r, true
	}
	return r, false
}

// suse lists the products and modules a SUSE Linux Enterprise release is made of.
func suse(ver string) []string {
	major, sp, _ := strings.Cut(ver, ".")
	if n, err := strconv.Atoi(major); err == nil && n >= 16 {
		return []string{"SUSE:Linux Enterprise Server " + ver} // without modules
	}
	v := major
	if sp != "" && sp != "0" {
		v += " SP" + sp
	}
	out := []string{"SUSE:Linux Enterprise Server " + v}
	for _, m := range []string{
		"Basesystem", "Server Applications", "Development Tools", "Containers", "Python 3", "Python 2", "Legacy",
		"Web and Scripting", "Public Cloud", "Desktop Applications", "SAP Applications", "Transactional Server",
		"Certifications", "HPC", "Package Hub",
	} {
		out = append(out, "SUSE:Linux Enterprise Module for "+m+" "+v)
	}
	return out
}

func majorMinor(v string) string {
	p := strings.SplitN(v, ".", 3)
	if len(p) < 2 {
		return ""
	}
	return p[0] + "." + p[1]
}

// debianCodenames serve testing and unstable, whose os-release has no VERSION_ID.
var debianCodenames = map[string]string{
	"bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14", "duke": "15", "sid": "sid",
}

// endOfLife gives the last day on which a release gets free fixes, by its first name that
// is known: by the snapshot, which may know as well that no end is set, else by the
// table below. It is empty if nothing is known.
func endOfLife(ctx context.Context, db Lookup, names []string) (string, error) {
	if from, ok := db.(lifecycler); ok {
		for _, name := range names {
			if e, known, err := from.EndOfLife(ctx, name); known || err != nil {
				return e.End, err
			}
		}
	}
	for _, name := range names {
		if end := eol[name]; end != "" {
			return end, nil
		}
	}
	return "", nil
}

// eol gives the last day of free security support by the distribution itself, by
// os-release ID and release. Facts as the distributions publish them.
var eol = map[string]string{
	"alpine 3.2": "2017-05-01", "alpine 3.3": "2017-11-01", "alpine 3.4": "2018-05-01", "alpine 3.5": "2018-11-01",
	"alpine 3.6": "2019-05-01", "alpine 3.7": "2019-11-01", "alpine 3.8": "2020-05-01", "alpine 3.9": "2020-11-01",
	"alpine 3.10": "2021-05-01", "alpine 3.11": "2021-11-01", "alpine 3.12": "2022-05-01", "alpine 3.13": "2022-11-01",
	"alpine 3.14": "2023-05-01", "alpine 3.15": "2023-11-01", "alpine 3.16": "2024-05-23", "alpine 3.17": "2024-11-22",
	"alpine 3.18": "2025-05-09", "alpine 3.19": "2025-11-01", "alpine 3.20": "2026-04-01", "alpine 3.21": "2026-11-01",
	"alpine 3.22": "2027-05-01",
	"debian 7":    "2018-05-31", "debian 8": "2020-06-30", "debian 9": "2022-06-30", "debian 10": "2024-06-30",
	"debian 11": "2026-08-31", "debian 12": "2028-06-30", "debian 13": "2030-06-30",
	"ubuntu 14.04": "2019-04-25", "ubuntu 16.04": "2021-04-30", "ubuntu 18.04": "2023-05-31", "ubuntu 20.04": "2025-05-31",
	"ubuntu 22.04": "2027-04-01", "ubuntu 24.04": "2029-05-31", "ubuntu 21.04": "2022-01-20", "ubuntu 21.10": "2022-07-14",
	"ubuntu 22.10": "2023-07-20", "ubuntu 23.04": "2024-01-25", "ubuntu 23.10": "2024-07-11", "ubuntu 24.10": "2025-07-10",
	"ubuntu 25.04": "2026-01-15",
	"rhel 5":       "2017-03-31", "rhel 6": "2020-11-30", "rhel 7": "2024-06-30", "rhel 8": "2029-05-31", "rhel 9": "2032-05-31",
	"centos 5": "2017-03-31", "centos 6": "2020-11-30", "centos 7": "2024-06-30", "centos 8": "2021-12-31",
	"almalinux 8": "2029-03-01", "almalinux 9": "2032-05-31", "rocky 8": "2029-05-31", "rocky 9": "2032-05-31",
	"amzn 1": "2023-12-31", "amzn 2018.03": "2023-12-31", "amzn 2": "2026-06-30", "amzn 2023": "2029-06-30",
	"sles 12.5": "2024-10-31", "sles 15.1": "2021-01-31", "sles 15.2": "2021-12-31", "sles 15.3": "2022-12-31",
	"sles 15.4": "2023-12-31", "sles 15.5": "2024-12-31", "sles 15.6": "2025-12-31", "sles 15.7": "2031-07-31",
	"opensuse-leap 15.3": "2022-12-31", "opensuse-leap 15.4": "2023-12-07", "opensuse-leap 15.5": "2024-12-31",
	"opensuse-leap 15.6": "2026-04-30",
	"mariner 1.0":        "2023-07-31", "mariner 2.0": "2025-07-31",
	"photon 1.0": "2022-02-28", "photon 2.0": "2022-12-31", "photon 3.0": "2024-03-01",
}
