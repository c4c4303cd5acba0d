package extract

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
)

// binSignature tells a runtime by what it says about itself. Only files with one of
// the names are looked at, and a version counts only in the exact surroundings that
// the program's source gives it: a wrong version is worse than none.
type binSignature struct {
	// files are patterns (path.Match) of the file's name.
	files []string
	// name is that of the Bitnami advisories where they have one.
	name string
	// mark is searched; after a "|" it must begin a word. It may end with the version's
	// first digits. read gives the
	// version that stands at b[at:], right after the mark's last byte that is neither
	// digit nor dot; "" if it is none. b reaches binBack bytes before the mark and
	// binAhead after it.
	mark string
	read func(b []byte, at int, file string) string
}

// binSignatures are the runtimes that are recognised.
var binSignatures = []binSignature{
	{[]string{"python[23].*", "libpython[23].*"}, "python", "3.", binPython},
	{[]string{"python[23].*", "libpython[23].*"}, "python", "2.7.", binPython},
	{[]string{"node", "nodejs", "libnode.so*"}, "node", "node.js/v", binPlain(3, "\x00")},
	{[]string{"ruby", "ruby[1-9]*", "libruby*.so*"}, "ruby", "|ruby ", binRuby},
	{[]string{"php", "php[5-9]*", "php-fpm*", "php-cgi*", "libphp*.so*"}, "php", "X-Powered-By: PHP/", binPlain(3, "\x00")},
	{[]string{"perl", "perl5*", "libperl.so*"}, "perl", "|v5.", binPlain(3, "\x00")},
	{[]string{"nginx"}, "nginx", "nginx version: nginx/", binPlain(3, "\x00\n ")},
	{[]string{"nginx", "openresty"}, "openresty", "nginx version: openresty/", binPlain(4, "\x00\n ")},
	{[]string{"httpd", "apache2"}, "apache", "|Apache/2.", binPlain(3, "\x00 ")},
	{[]string{"redis-server", "redis-sentinel", "redis-check-*"}, "redis", "redis_version:", nil},
	{[]string{"valkey-server", "valkey-sentinel", "valkey-check-*"}, "valkey", "valkey_version:", nil},
	{[]string{"memcached"}, "memcached", "|memcached 1.", binPlain(3, "\x00")},
	{[]string{"postgres"}, "postgresql", "postgres (PostgreSQL) ", binPlain(2, "\x00\n ")},
	{[]string{"mysqld"}, "mysql", "/mysql-", binPlain(3, "/")},
	{[]string{"mysqld", "mariadbd"}, "mariadb", "-MariaDB\x00", binBefore},
	{[]string{"haproxy"}, "haproxy", ", released 20", binHAProxy},
	{[]string{"busybox*"}, "busybox", "BusyBox v1.", binPlain(3, "\x00 ")},
	{[]string{"openssl", "libcrypto*", "libssl*.so*"}, "openssl", "OpenSSL ", binOpenSSL},
	{[]string{"openssl", "libcrypto*", "libssl*.so*"}, "libressl", "LibreSSL ", binPlain(3, "\x00")},
	{[]string{"bash"}, "bash", "@(#)Bash version ", binPlain(3, "(")},
	{[]string{"curl"}, "curl", "|curl/", binPlain(3, "\x00")},
	{[]string{"libcurl*.so*"}, "curl", "|libcurl/", binPlain(3, "\x00")},
	{[]string{"libz.so*"}, "zlib", " deflate 1.", binZlib},
	{[]string{"sqlite3", "libsqlite3.so*"}, "sqlite", "\x003.", binPlain(3, "\x00")},
	{[]string{"git"}, "git", "|git/", binPlain(3, "\x00")},
	{[]string{"lua", "lua5*", "liblua*.so*"}, "lua", "$LuaVersion: Lua 5.", binPlain(3, " ")},
	{[]string{"lua", "lua5*", "liblua*.so*"}, "lua", "$Lua: Lua 5.", binPlain(3, " ")},
}

// binSig is one signature being searched in one file.
type binSig struct {
	*binSignature
	file     string
	text     []byte
	word     bool     // text must begin a word
	skip     int      // bytes of text before the version
	marked   bool     // the mark was seen
	versions []string // distinct, at most three
	ids      []string // build IDs
}

// binSigsFor gives the signatures that the file's name calls for.
func binSigsFor(p string) []binSig {
	file := path.Base(p)
	var out []binSig
	for i := range binSignatures {
		for _, pattern := range binSignatures[i].files {
			if pattern[0] != file[0] && pattern[0] != '*' {
				continue
			}
			if ok, _ := path.Match(pattern, file); ok {
				text, word := strings.CutPrefix(binSignatures[i].mark, "|")
				out = append(out, binSig{binSignature: &binSignatures[i], file: file, text: []byte(text), word: word,
					skip: len(strings.TrimRight(text, "0123456789."))})
				break
			}
		}
	}
	return out
}

// find looks for marks that begin at b[from:to].
func (x *binSig) find(b []byte, from, to int) {
	if x.read == nil {
		x.findAny(b, from, to)
		return
	}
	for i := from; i < to; i++ {
		j := bytes.Index(b[i:min(to+len(x.text)-1, len(b))], x.text)
		if j < 0 {
			return
		}
		if i += j; x.word && i > 0 && binWordByte(b[i-1]) {
			continue
		}
		x.add(x.read(b, i+x.skip, x.file))
	}
}

// binWordByte reports whether c before a mark makes it a part of something longer.
func binWordByte(c byte) bool {
	return c == '.' || c == '/' || c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// findAny takes strings that are nothing but a version of three numbers: Redis and its
// kin print theirs with %s, so that no text stands beside it. There are others, of
// commands and formats. Which one is the program's is told by its build ID: version,
// time or host and time of the build, one digit and eight of a commit, unseparated
// (release.c).
func (x *binSig) findAny(b []byte, from, to int) {
	x.marked = x.marked || bytes.Contains(b[from:min(to+len(x.text)-1, len(b))], x.text)
	for i := from; i < to; i++ {
		j := bytes.IndexByte(b[i:to], '.')
		if j < 0 {
			return
		}
		if i += j; i < 2 || b[i-1] < '4' || b[i-1] > '9' || len(x.versions) > 64 {
			continue
		}
		if b[i-2] == 0 {
			if v := binNumber(b, i-1, 3, "\x00"); v != "" && !slices.Contains(x.versions, v) {
				x.versions = append(x.versions, v)
			}
		}
		if n := bytes.IndexByte(b[i:min(i+128, len(b))], 0); n > 20 && len(x.ids) < 16 && binCommit(b[i+n-9:i+n]) {
			x.ids = append(x.ids, string(b[i-1:i+n]))
		}
	}
}

// binCommit reports whether b is the end of a build ID: a digit, eight of a commit.
func binCommit(b []byte) bool {
	for _, c := range b[1:] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return b[0] == '0' || b[0] == '1'
}

// settle reduces the versions of findAny to the program's own.
func (x *binSig) settle() {
	if !x.marked {
		x.versions = nil
		return
	}
	own := ""
	for _, v := range x.versions {
		for _, id := range x.ids {
			if strings.HasPrefix(id, v) && len(v) > len(own) {
				own = v
			}
		}
	}
	if own != "" {
		x.versions = []string{own}
	}
	x.versions = x.versions[:min(len(x.versions), 3)]
}

func (x *binSig) add(v string) {
	if v == "" || len(x.versions) > 2 {
		return
	}
	if !slices.Contains(x.versions, v) {
		x.versions = append(x.versions, v)
	}
}

// report adds the runtime, if the file names one version of it and no other.
func (x *binSig) report(p string, out *inventory.Fragment) {
	if x.read == nil {
		x.settle()
	}
	switch len(x.versions) {
	case 0:
	case 1:
		for _, have := range out.Packages {
			if have.Type == "generic" && have.Name == x.name {
				return
			}
		}
		out.Packages = append(out.Packages, inventory.Package{Type: "generic", Name: x.name, Version: x.versions[0], Evidence: inventory.Binary})
	default:
		out.Unknowns = append(out.Unknowns, inventory.Unknown{Reason: inventory.AnalysisPartial, Subject: p,
			Detail: "it looks like " + x.name + ", but says several versions: " + strings.Join(x.versions, ", ")})
	}
}

// binNumbers reads numbers separated by dots at b[at:] and says how many there are and
// where they end. A number has at most five digits.
func binNumbers(b []byte, at int) (count, end int) {
	for i := at; ; i++ {
		n := 0
		for i+n < len(b) && b[i+n] >= '0' && b[i+n] <= '9' {
			n++
		}
		if n == 0 || n > 5 {
			return 0, at
		}
		count, i = count+1, i+n
		if i >= len(b) || b[i] != '.' || count > 4 {
			return count, i
		}
	}
}

// binNumber gives the version of count numbers at b[at:] that is followed by one of
// the bytes in after.
func binNumber(b []byte, at, count int, after string) string {
	n, end := binNumbers(b, at)
	if n != count || end >= len(b) || strings.IndexByte(after, b[end]) < 0 {
		return ""
	}
	return string(b[at:end])
}

// binPlain reads a version of count numbers, or for count 2 also of three, followed by
// one of the bytes in after.
func binPlain(count int, after string) func([]byte, int, string) string {
	return func(b []byte, at int, _ string) string {
		v := binNumber(b, at, count, after)
		if v == "" && count == 2 {
			v = binNumber(b, at, 3, after)
		}
		return v
	}
}

// binPython reads PY_VERSION (Include/patchlevel.h), a string of its own, which
// linkers join with the end of a path like "/opt/python/3.12.1". Other libraries linked
// in have such strings too, so the file's name must agree.
func binPython(b []byte, at int, file string) string {
	n, end := binNumbers(b, at)
	if n != 3 || at == 0 || b[at-1] != 0 && b[at-1] != '/' && b[at-1] != '-' {
		return ""
	}
	v := string(b[at:end])
	for _, pre := range [...]string{"rc", "a", "b"} {
		if rest, ok := bytes.CutPrefix(b[end:], []byte(pre)); ok {
			if n, e := binNumbers(rest, 0); n == 1 {
				v, end = v+pre+string(rest[:e]), end+len(pre)+e
			}
		}
	}
	if end < len(b) && b[end] == '+' { // a build from the branch after the release
		end++
	}
	if end >= len(b) || b[end] != 0 {
		return ""
	}
	name := file[strings.Index(file, "python")+len("python"):]
	short := v[:strings.LastIndexByte(v, '.')]
	if rest, ok := strings.CutPrefix(name, short); !ok || rest != "" && rest[0] >= '0' && rest[0] <= '9' {
		return ""
	}
	return v
}

// binRuby reads "3.1.7p261 (2025-03-26 …" or "3.3.0 (2023-12-25 …" (version.c).
func binRuby(b []byte, at int, _ string) string {
	n, end := binNumbers(b, at)
	if n != 3 {
		return ""
	}
	v := string(b[at:end])
	if end < len(b) && b[end] == 'p' {
		if n, e := binNumbers(b, end+1); n == 1 {
			end = e
		}
	}
	if !bytes.HasPrefix(b[end:], []byte(" (20")) {
		return ""
	}
	return v
}

// binBefore reads a version of three numbers that ends where the mark, "-MariaDB",
// begins. "5.5.5-" may stand before it, for old clients.
func binBefore(b []byte, at int, _ string) string {
	end := at - len("-MariaDB\x00")
	start := end
	for start > 0 && start > end-24 && (b[start-1] == '.' || b[start-1] >= '0' && b[start-1] <= '9') {
		start--
	}
	if end <= 0 || start == 0 || b[start-1] != 0 && b[start-1] != '-' {
		return ""
	}
	return binNumber(b, start, 3, "-")
}

// binHAProxy reads " version 2.6.12-1+deb12u4, released 2026/10/17" from its end.
func binHAProxy(b []byte, at int, _ string) string {
	line := b[max(at-binBack, 0):at]
	line = line[bytes.LastIndexByte(line, 0)+1:]
	i := bytes.LastIndex(line, []byte(" version "))
	if i < 0 {
		return ""
	}
	return binNumber(line, i+len(" version "), 3, "-,")
}

// binOpenSSL reads OPENSSL_VERSION_TEXT: "3.0.19 27 Jan 2026", "1.1.1k  FIPS 25 Mar 2021",
// "1.0.2k-fips  26 Jan 2017", "3.1.4+quic 24 Oct 2023". The letter is part of the
// version; pre-releases are not recognised.
func binOpenSSL(b []byte, at int, _ string) string {
	n, end := binNumbers(b, at)
	if n != 3 {
		return ""
	}
	for end < len(b) && b[end] >= 'a' && b[end] <= 'z' && end < at+16 {
		end++ // 0.9.8zh, 1.1.1k
	}
	v, rest := string(b[at:end]), b[end:min(end+40, len(b))]
	for _, mark := range [...]string{"-fips", "+quic"} {
		rest = bytes.TrimPrefix(rest, []byte(mark))
	}
	if len(rest) == 0 || rest[0] != ' ' {
		return ""
	}
	rest = bytes.TrimLeft(rest, " ")
	rest = bytes.TrimLeft(bytes.TrimPrefix(rest, []byte("FIPS ")), " ")
	day, end := binNumbers(rest, 0)
	if day != 1 || end > 2 || len(rest) < end+9 || rest[end] != ' ' || rest[end+4] != ' ' {
		return ""
	}
	if !bytes.Contains([]byte("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"), rest[end+1:end+4]) {
		return ""
	}
	return v
}

// binZlib reads " deflate 1.2.13 Copyright" (deflate.c); versions have three or four
// numbers.
func binZlib(b []byte, at int, _ string) string {
	n, end := binNumbers(b, at)
	if n < 2 || n > 4 || !bytes.HasPrefix(b[end:], []byte(" Copyright")) {
		return ""
	}
	return string(b[at:end])
}
