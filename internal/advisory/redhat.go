package advisory

import "strings"

// RedHatProduct gives the product and repository that a CPE of Red Hat's names, as the
// Stream of statements has them ("enterprise_linux:8::appstream"), and the ecosystem
// that holds what is said of it; false if it is no such CPE.
//
// CPEs are taken in the binding of version 2.2, which Red Hat uses
// ("cpe:/a:redhat:enterprise_linux:8::appstream"), or as the part of it after
// "redhat:".
//
// Enterprise Linux itself is "Red Hat:8", by its major release alone: from release 10
// on the CPE names the minor one too. Everything else is an ecosystem of its own,
// "Red Hat:rhel_eus:8.6" or "Red Hat:openshift:4.12": a fix in extended support or in a
// layered product says nothing on a system that does not have it, so the ecosystem of
// the plain release must not hold it.
func RedHatProduct(cpe string) (ecosystem, stream string, ok bool) {
	if rest, is := strings.CutPrefix(cpe, "cpe:/"); is {
		kind, product, _ := strings.Cut(rest, ":redhat:")
		if len(kind) != 1 || product == "" {
			return "", "", false
		}
		cpe = product
	}
	name, rest, _ := strings.Cut(cpe, ":")
	release, _, _ := strings.Cut(rest, ":")
	switch major, _, _ := strings.Cut(release, "."); {
	case release == "":
		return "Red Hat:" + cpe, "", name != ""
	case name == "enterprise_linux" && strings.Trim(major, "0123456789") == "":
		return "Red Hat:" + major, cpe, true
	}
	return "Red Hat:" + name + ":" + release, cpe, true
}
