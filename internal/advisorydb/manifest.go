package advisorydb

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// SchemaVersion is the version of the manifest and of the shards it names.
const SchemaVersion = 2

// ErrSchema is wrapped by errors about a snapshot of another schema version than
// this program's.
var ErrSchema = errors.New("unknown schema version")

// The bounds of a manifest.
const (
	maxManifest = 16 << 20
	maxShards   = 1 << 16
	maxSources  = 1 << 12
	// maxShard bounds a shard's file, in bytes; offsets in it have 32 bits.
	maxShard = 1 << 30
)

// Kind is what a shard holds.
type Kind string

// The kinds of shards.
const (
	KindPackages Kind = "packages" // statements by package, for one ecosystem
	KindFlaws    Kind = "flaws"    // severity, CVSS, exploitation by flaw
	KindEPSS     Kind = "epss"     // exploit predictions by flaw
	KindText     Kind = "text"     // summaries by flaw
	// KindLifecycle has the ends of support by release; a snapshot that knows none
	// does without.
	KindLifecycle Kind = "lifecycle"
	// KindRepositories has CPEs by repository, if some publisher says what its hold.
	KindRepositories Kind = "repositories"
	// KindVEX has what VEX hubs say by product, if they are heard.
	KindVEX Kind = "vex"
)

// kindNumbers are the kinds as shard headers have them.
var kindNumbers = map[Kind]byte{KindPackages: 1, KindFlaws: 2, KindEPSS: 3, KindText: 4, KindLifecycle: 5, KindRepositories: 6, KindVEX: 7}

// Manifest names everything in a snapshot. Lists are sorted: shards by kind and
// ecosystem, sources by name.
type Manifest struct {
	Schema int
	// Created is the day and time whose knowledge the snapshot holds, by which snapshots
	// are ordered. Seconds, UTC.
	Created time.Time
	Shards  []Shard
	Sources []Source
}

// Shard is one file of a snapshot.
type Shard struct {
	Kind Kind
	// Name is short and unique in the snapshot: "debian-12", "npm", "text-cve-2024".
	Name string
	// Ecosystem in OSV's spelling, "Debian:12"; empty for the shared shards.
	Ecosystem string
	// Digest of the file as "sha256:<hex>"; its path is shards/sha256-<hex>.
	Digest string
	// Size of the file in bytes.
	Size int64
	// Packages counts the distinct package names, or flaws or repositories in the shared
	// shards.
	Packages int
	// Records counts the distinct advisories; 0 in the shared shards.
	Records int
}

// Source is one publisher's part in a snapshot.
type Source struct {
	// Name as in [advisory.Advisory].Source.
	Name string
	// Home is the publisher's page.
	Home string
	// Fetched is when it was read; zero where the builder was not told. Seconds, UTC.
	Fetched time.Time
	// Newest is the time of the newest record. Seconds, UTC.
	Newest time.Time
	// MaxAge is how old the source may be before verdicts cannot rest on it, in seconds; 0
	// for any age.
	MaxAge time.Duration
	// Records that were accepted, Skipped that were left out on purpose, and Quarantined
	// that could not be read.
	Records, Skipped, Quarantined int
	// Ecosystems the source speaks for, sorted, be it that it says nothing now.
	Ecosystems []string
}

// Bytes gives the one canonical form (RFC 8785) of a manifest, whose SHA-256 is the
// digest of the snapshot.
func (m Manifest) Bytes() []byte {
	place := make(map[string][]int)
	for i, s := range m.Sources {
		for _, e := range s.Ecosystems {
			place[e] = append(place[e], i)
		}
	}
	b := appendTime([]byte{'{'}, `"created":`, m.Created)
	b = fmt.Appendf(b, `"schema":%d,"shards":[`, m.Schema)
	for i, s := range m.Shards {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"digest":`...)
		b = appendQuoted(b, s.Digest)
		if s.Ecosystem != "" {
			b = append(b, `,"ecosystem":`...)
			b = appendQuoted(b, s.Ecosystem)
		}
		b = append(b, `,"kind":`...)
		b = appendQuoted(b, string(s.Kind))
		b = append(b, `,"name":`...)
		b = appendQuoted(b, s.Name)
		b = appendField(b, `,"packages":`, int64(s.Packages))
		b = appendField(b, `,"records":`, int64(s.Records))
		b = appendField(b, `,"size":`, s.Size)
		b = append(b, `,"sources":[`...)
		for j, p := range place[s.Ecosystem] {
			if j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(p), 10)
		}
		b = append(b, "]}"...)
	}
	b = append(b, `],"sources":[`...)
	for i, s := range m.Sources {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		b = appendTime(b, `"fetched":`, s.Fetched)
		b = append(b, `"home":`...)
		b = appendQuoted(b, s.Home)
		b = appendField(b, `,"max_age":`, int64(s.MaxAge/time.Second))
		b = append(b, `,"name":`...)
		b = appendQuoted(b, s.Name)
		b = appendTime(append(b, ','), `"newest":`, s.Newest)
		b = appendField(b, `"quarantined":`, int64(s.Quarantined))
		b = appendField(b, `,"records":`, int64(s.Records))
		b = appendField(b, `,"skipped":`, int64(s.Skipped))
		b = append(b, '}')
	}
	return append(b, "]}\n"...)
}

func appendField(b []byte, key string, n int64) []byte {
	return strconv.AppendInt(append(b, key...), n, 10)
}

func appendTime(b []byte, key string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(append(b, key...), '"')
	return append(t.UTC().AppendFormat(b, time.RFC3339), `",`...)
}

// appendQuoted writes a printable string; nothing but quotes and backslashes needs escaping then.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

var schemaField = regexp.MustCompile(`[{,]"schema":([0-9]{1,9})[,}]`)

// foreignSchema gives an error if what stands near the beginning of a manifest is
// another schema version, whose form may be any other.
func foreignSchema(b []byte) error {
	if m := schemaField.FindSubmatch(b[:min(len(b), 512)]); m != nil {
		if n, _ := strconv.Atoi(string(m[1])); n != SchemaVersion {
			return fmt.Errorf("%w %d: this program reads version %d; build or pull the snapshot anew, or use the program that wrote it",
				ErrSchema, n, SchemaVersion)
		}
	}
	return nil
}

// ParseManifest reads a manifest. Only the canonical form is accepted, so that equal
// snapshots have equal digests: keys in order, no blanks, nothing unknown. A schema
// version other than [SchemaVersion] gives an error that wraps [ErrSchema].
func ParseManifest(b []byte) (Manifest, error) {
	if len(b) > maxManifest {
		return Manifest{}, fmt.Errorf("manifest of %d bytes is over the limit of %d", len(b), maxManifest)
	}
	return parseManifest(b, string(b))
}

// parseManifest is ParseManifest with the same bytes as a string, of which it keeps parts.
func parseManifest(b []byte, s string) (Manifest, error) {
	p := manifestParser{b: b, s: s}
	m := p.manifest()
	if p.err != nil {
		return Manifest{}, p.err
	}
	return m, nil
}

type manifestParser struct {
	b   []byte
	s   string // the same; what is read from it are parts of this one string
	at  int
	err error
	// sources is where the lists of sources of shards lie, one behind the other.
	sources []int
}

func (p *manifestParser) manifest() Manifest {
	var m Manifest
	if p.err = foreignSchema(p.b); p.err != nil {
		return m
	}
	p.want("{")
	m.Created = p.time(`"created":`)
	p.want(`"schema":`)
	m.Schema = int(p.number())
	if p.err == nil && m.Created.IsZero() {
		p.fail("no time of its making")
	}
	n := min(strings.Count(p.s, `{"digest":`), maxShards) // room for all at once
	m.Shards = make([]Shard, 0, n)
	speakers := make([][]int, 0, n) // by shard: the sources that speak for it
	p.sources = make([]int, 0, 2*n)
	p.list(`,"shards":[`, maxShards, func() {
		s, from := p.shard()
		if n := len(m.Shards); n > 0 && compareShards(&m.Shards[n-1], &s) >= 0 {
			p.fail("shards that are not in order")
		}
		m.Shards, speakers = append(m.Shards, s), append(speakers, from)
	})
	p.list(`,"sources":[`, maxSources, func() {
		s := p.source()
		if n := len(m.Sources); n > 0 && m.Sources[n-1].Name >= s.Name {
			p.fail("sources that are not in order")
		}
		m.Sources = append(m.Sources, s)
	})
	p.want("}\n")
	if p.err == nil && p.at != len(p.b) {
		p.fail("bytes after its end")
	}
	for i, from := range speakers {
		for _, j := range from {
			if j >= len(m.Sources) {
				p.fail("a shard of a source that is not there")
				break
			}
			m.Sources[j].Ecosystems = append(m.Sources[j].Ecosystems, m.Shards[i].Ecosystem)
		}
	}
	return m
}

func (p *manifestParser) shard() (Shard, []int) {
	var s Shard
	p.want(`{"digest":`)
	s.Digest = p.digest()
	if p.try(`,"ecosystem":`) {
		s.Ecosystem = p.text()
	}
	p.want(`,"kind":`)
	s.Kind = Kind(p.text())
	p.want(`,"name":`)
	s.Name = p.text()
	p.want(`,"packages":`)
	s.Packages = int(p.number())
	p.want(`,"records":`)
	s.Records = int(p.number())
	p.want(`,"size":`)
	s.Size = p.number()
	start := len(p.sources)
	p.list(`,"sources":[`, maxSources, func() {
		n := p.number()
		if len(p.sources) > start && int64(p.sources[len(p.sources)-1]) >= n {
			p.fail("sources of a shard that are not in order")
		}
		p.sources = append(p.sources, int(n))
	})
	from := p.sources[start:len(p.sources):len(p.sources)]
	p.want("}")
	switch _, known := kindNumbers[s.Kind]; {
	case p.err != nil:
	case !known:
		p.fail("a shard of unknown kind " + strconv.Quote(string(s.Kind)))
	case s.Size < headerSize || s.Size > maxShard:
		p.fail("a shard of impossible size")
	case s.Kind == KindPackages && (len(s.Ecosystem) > maxEcosystem || s.Ecosystem == "" || s.Name == ""):
		p.fail("a shard without ecosystem or name")
	case s.Kind != KindPackages && (s.Ecosystem != "" || !sharedName(s.Kind, s.Name) || len(from) > 0):
		p.fail("a shared shard with an ecosystem, a name or sources of its own")
	}
	return s, from
}

func (p *manifestParser) source() Source {
	var s Source
	p.want("{")
	s.Fetched = p.time(`"fetched":`)
	p.want(`"home":`)
	s.Home = p.text()
	p.want(`,"max_age":`)
	s.MaxAge = time.Duration(p.number()) * time.Second
	p.want(`,"name":`)
	s.Name = p.text()
	p.want(",")
	s.Newest = p.time(`"newest":`)
	p.want(`"quarantined":`)
	s.Quarantined = int(p.number())
	p.want(`,"records":`)
	s.Records = int(p.number())
	p.want(`,"skipped":`)
	s.Skipped = int(p.number())
	p.want("}")
	if p.err == nil && s.Name == "" {
		p.fail("a source without a name")
	}
	return s
}

func (p *manifestParser) time(key string) time.Time {
	if !p.try(key) {
		return time.Time{}
	}
	s := p.text()
	t, err := time.Parse(time.RFC3339, s)
	if p.err == nil && (err != nil || t.IsZero() || t.UTC().Format(time.RFC3339) != s) {
		p.fail("a time that is none: " + strconv.Quote(s))
	}
	p.want(",")
	return t.UTC()
}

// list reads what stands between a key with its bracket and the closing one.
func (p *manifestParser) list(key string, limit int, item func()) {
	p.want(key)
	for n := 0; p.err == nil; n++ {
		if p.try("]") {
			return
		}
		if n == limit {
			p.fail("more than " + strconv.Itoa(limit) + " entries in a list")
			return
		}
		if n > 0 {
			p.want(",")
		}
		item()
	}
}

func (p *manifestParser) try(s string) bool {
	if p.err != nil || !strings.HasPrefix(p.s[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

func (p *manifestParser) want(s string) {
	if p.err == nil && !p.try(s) {
		p.fail("something other than " + strconv.Quote(s))
	}
}

// number reads a whole number without sign and superfluous zeros.
func (p *manifestParser) number() int64 {
	from, n := p.at, int64(0)
	for p.at < len(p.b) && isDigit(p.b[p.at]) && n <= math.MaxInt32 {
		n = n*10 + int64(p.b[p.at]-'0')
		p.at++
	}
	if p.at == from || n > math.MaxInt32 || p.b[from] == '0' && p.at > from+1 {
		p.fail("no whole number up to 2147483647")
	}
	return n
}

func (p *manifestParser) text() string {
	if p.err != nil || !p.try(`"`) {
		p.fail("no string")
		return ""
	}
	rest := p.s[p.at:]
	end := strings.IndexByte(rest, '"')
	if end < 0 {
		p.fail("a string without end")
		return ""
	}
	if strings.IndexByte(rest[:end], '\\') >= 0 {
		return p.escaped()
	}
	if !printable(rest[:end]) {
		p.fail("a string that cannot be printed")
	}
	p.at += end + 1
	return rest[:end]
}

// escaped reads the rest of a string that has escapes: of quotes and backslashes alone.
func (p *manifestParser) escaped() string {
	for i := p.at; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			s := unescape.Replace(p.s[p.at:i])
			if !printable(s) {
				p.fail("a string that cannot be printed")
			}
			p.at = i + 1
			return s
		case c == '\\' && i+1 < len(p.s) && (p.s[i+1] == '"' || p.s[i+1] == '\\'):
			i++
		case c == '\\':
			p.fail("a string with an escape that need not be")
			return ""
		}
	}
	p.fail("a string without end")
	return ""
}

// digest reads a digest in its quotes.
func (p *manifestParser) digest() string {
	const size = len(`"sha256:"`) + 64
	if p.err != nil || len(p.s)-p.at < size || p.s[p.at] != '"' || p.s[p.at+size-1] != '"' || !validDigest(p.s[p.at+1:p.at+size-1]) {
		p.fail("a digest that is none")
		return ""
	}
	p.at += size
	return p.s[p.at-size+1 : p.at-1]
}

var unescape = strings.NewReplacer(`\"`, `"`, `\\`, `\`)

func (p *manifestParser) fail(has string) {
	if p.err == nil {
		p.err = fmt.Errorf("manifest is not in its canonical form: it has %s at byte %d", has, p.at)
	}
}

// compareShards orders shards by kind, then by ecosystem, then by name.
func compareShards(a, b *Shard) int {
	if a.Kind != b.Kind {
		return cmp.Compare(kindNumbers[a.Kind], kindNumbers[b.Kind])
	}
	return cmp.Or(strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Name, b.Name))
}

func validDigest(d string) bool {
	const prefix = "sha256:"
	if len(d) != len(prefix)+64 || d[:len(prefix)] != prefix {
		return false
	}
	bad := byte(0)
	for i := len(prefix); i < len(d); i++ {
		bad |= notHex[d[i]]
	}
	return bad == 0
}

// notHex is 0 for the digits of a digest. A manifest has a digest for each of a thousand
// shards, so they are held against a table.
var notHex = func() (t [256]byte) {
	for c := range t {
		if !strings.ContainsRune("0123456789abcdef", rune(c)) {
			t[c] = 1
		}
	}
	return t
}()

// shardPath gives the path of a shard below the snapshot's folder.
func shardPath(digest string) string { return "shards/sha256-" + digest[len("sha256:"):] }
