package advisorydb

import (
	"strconv"
	"strings"
)

// bucketed are the kinds of shared shards that are parted by [bucket]; the others are one
// file each.
func bucketed(k Kind) bool { return k == KindFlaws || k == KindText }

// families names whose identifiers begin how. What one publisher brings out on one day
// lies in few buckets, so that an update moves few bytes.
var families = []struct{ prefix, name string }{
	{"RHSA-", "red-hat"}, {"RHBA-", "red-hat"}, {"RHEA-", "red-hat"},
	{"SUSE-", "suse"}, {"openSUSE-", "suse"},
	{"ALSA-", "almalinux"}, {"ALBA-", "almalinux"}, {"ALEA-", "almalinux"},
	{"RLSA-", "rocky-linux"}, {"RLBA-", "rocky-linux"}, {"RXSA-", "rocky-linux"},
	{"ELSA-", "oracle-linux"}, {"ELBA-", "oracle-linux"},
	{"ALAS", "amazon-linux"}, {"USN-", "ubuntu"}, {"UBUNTU-", "ubuntu"},
	{"DSA-", "debian"}, {"DLA-", "debian"}, {"DTSA-", "debian"},
	{"GHSA-", "github"}, {"GO-", "go"}, {"PYSEC-", "pypi"}, {"RUSTSEC-", "crates-io"}, {"BIT-", "bitnami"},
}

// The years before which buckets are not parted further.
const (
	firstCVEYear    = 2010
	firstErrataYear = 2020
)

// bucket names the part of a shared shard that an identifier is in: its publisher and,
// where the identifier has one, its year.
func bucket(id string) string {
	if rest, ok := strings.CutPrefix(id, "CVE-"); ok {
		return "cve-" + yearFrom(rest, firstCVEYear)
	}
	for _, f := range families {
		rest, ok := strings.CutPrefix(id, f.prefix)
		if !ok {
			continue
		}
		if i := strings.Index(rest, "20"); i >= 0 && (i == 0 || !isDigit(rest[i-1])) && f.name != "github" && f.name != "bitnami" {
			return f.name + "-" + yearFrom(rest[i:], firstErrataYear)
		}
		return f.name
	}
	return "other"
}

// yearFrom reads the year that s begins with, and gives it or the last one before first.
func yearFrom(s string, first int) string {
	if len(s) < 4 || len(s) > 4 && isDigit(s[4]) {
		return strconv.Itoa(first - 1)
	}
	y, err := strconv.Atoi(s[:4])
	if err != nil || y < first || y > 2099 {
		y = first - 1
	}
	return strconv.Itoa(y)
}

// sharedName tells whether a shared shard of a kind may have a name: the kind's own, or
// for one that is parted with its bucket.
func sharedName(k Kind, name string) bool {
	if !bucketed(k) {
		return name == string(k)
	}
	rest, ok := strings.CutPrefix(name, string(k)+"-")
	return ok && rest != "" && len(rest) <= 64 && lowered(rest) == rest
}
