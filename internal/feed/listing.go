package feed

import "strings"

// links lists the addresses that a server's page of a folder links to, as they stand
// there and in their order. One that is not closed ends the list.
func links(page string) []string {
	var out []string
	for {
		_, rest, ok := strings.Cut(page, `href="`)
		if !ok {
			return out
		}
		var link string
		if link, page, ok = strings.Cut(rest, `"`); !ok {
			return out
		}
		out = append(out, link)
	}
}
