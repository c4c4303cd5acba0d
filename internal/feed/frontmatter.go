package feed

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// maxFront bounds the data at the head of a record, in bytes; its parser's depth with it.
const maxFront = 64 << 10

// frontMatter takes a record in Markdown apart that begins with a fenced block of data,
// as RustSec's, Haskell's and OCaml's do, and gives the data and the title of the text.
func frontMatter(text []byte) (data []byte, title string, err error) {
	s := strings.TrimLeft(strings.TrimPrefix(string(text), "\ufeff"), " \t\r\n")
	_, s, ok := strings.Cut(s, "```")
	_, s, more := strings.Cut(s, "\n")
	front, rest, ended := strings.Cut(s, "\n```")
	switch {
	case !ok || !more || !ended || !strings.HasPrefix(strings.TrimSpace(string(text)), "```"):
		return nil, "", fmt.Errorf("it does not begin with a block of data")
	case len(front) > maxFront:
		return nil, "", fmt.Errorf("its data has %d bytes, over the limit of %d", len(front), maxFront)
	}
	for line := range strings.SplitSeq(rest, "\n") {
		if heading, ok := strings.CutPrefix(strings.TrimSpace(line), "# "); ok {
			return []byte(front), oneLine(heading), nil
		}
	}
	return []byte(front), "", nil
}

// decodeTOML decodes a document in TOML (toml.io, 1.0).
func decodeTOML(data []byte, to any) error {
	if err := toml.Unmarshal(data, to); err != nil {
		return fmt.Errorf("reading the data: %.200s", oneLine(err.Error()))
	}
	return nil
}
