package version

// checkCRAN wants numbers apart by single dots or hyphens; R asks for two at least,
// but advisories give one.
func checkCRAN(v string) string {
	for {
		n := digits(v)
		if n == 0 {
			return "it is not numbers apart by dots or hyphens"
		}
		if v = v[n:]; v == "" {
			return ""
		}
		if v[0] != '.' && v[0] != '-' {
			return "it is not numbers apart by dots or hyphens"
		}
		v = v[1:]
	}
}

func checkHackage(v string) string {
	if !dottedNumbers(v) {
		return "it is not numbers apart by dots"
	}
	return ""
}
