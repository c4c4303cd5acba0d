package extract

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// hexMixLock reads Elixir's mix.lock: one line per dependency,
//
//	"app": {:hex, :package, "1.2.3", "checksum", …},
//
// where the package may have another name than the application. Dependencies from git
// have no version.
func hexMixLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "hex", evidence: inventory.Locked}
	known := false
	langEachLine(b, func(_ int, line []byte) bool {
		known = known || bytes.HasPrefix(line, []byte("%{"))
		_, rest, ok := bytes.Cut(line, []byte("{:hex,"))
		if !ok {
			return true
		}
		rest = bytes.TrimLeft(rest, " ")
		if !bytes.HasPrefix(rest, []byte(":")) {
			return true
		}
		name, rest, ok := bytes.Cut(rest[1:], []byte(","))
		if !ok {
			return true
		}
		version, _, _ := rubyString(bytes.TrimLeft(rest, " "))
		l.add("", strings.Trim(string(name), `"`), version, false)
		return true
	})
	if !known {
		return l.fragment(path), fmt.Errorf("reading mix.lock: it does not begin with %%{")
	}
	return l.fragment(path), nil
}

// hexRebarLock reads Erlang's rebar.lock: terms like
//
//	{<<"cowboy">>,{pkg,<<"cowboy">>,<<"2.9.0">>},0}
//
// which may be broken over lines.
func hexRebarLock(path string, b []byte) (*inventory.Fragment, error) {
	l := langList{typ: "hex", evidence: inventory.Locked}
	for rest := b; ; {
		_, after, ok := bytes.Cut(rest, []byte("{pkg,"))
		if !ok {
			break
		}
		rest = after
		name, after, ok := hexBinary(after)
		if !ok {
			continue
		}
		version, after, ok := hexBinary(bytes.TrimPrefix(bytes.TrimLeft(after, " \r\n\t"), []byte(",")))
		if ok {
			l.add("", name, version, false)
			rest = after
		}
	}
	if start := bytes.TrimLeft(b, " \r\n\t"); len(start) > 0 && start[0] != '[' && start[0] != '{' && start[0] != '%' {
		return l.fragment(path), fmt.Errorf("reading rebar.lock: it does not begin with an Erlang term")
	}
	return l.fragment(path), nil
}

// hexBinary reads <<"text">> after space.
func hexBinary(b []byte) (s string, rest []byte, ok bool) {
	b, ok = bytes.CutPrefix(bytes.TrimLeft(b, " \r\n\t"), []byte(`<<"`))
	if !ok {
		return "", b, false
	}
	end := bytes.Index(b[:min(len(b), langMaxWord)], []byte(`">>`))
	if end < 0 {
		return "", b, false
	}
	return string(b[:end]), b[end+3:], true
}
