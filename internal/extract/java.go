package extract

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/plimsoll/plimsoll/internal/inventory"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// javaArchive reads Java archives and the archives in them: what Maven wrote about
// each (pom.properties), else the manifest's main section, else the file's name.
// Every archive that is recognised carries its SHA-1.
var javaArchive = Extractor{
	Name: "java", Doc: "jar, war, ear and kin, nested: pom.properties, manifest, file name", Version: 1,
	Want: func(e rootfs.Entry) bool {
		return e.Kind == rootfs.Regular && e.Size > 0 && jarExtension(e.Base()) != ""
	},
	Extract: jarExtract,
}

const (
	jarMaxDepth    = 8         // archives within archives
	jarMaxHeld     = 32 << 20  // unpacked inner archives held at one time, together
	jarMaxInner    = 16 << 20  // one of them; larger ones are streamed
	jarMaxAll      = 1_000_000 // entries of all archives in one file
	jarMaxUnpacked = 4 << 30   // bytes unpacked from one file
	jarMaxRatio    = 50        // of unpacked bytes to the file's, beyond jarFree
	jarFree        = 64 << 20
	jarMaxPackages = 100_000  // from one file
	jarMaxManifest = 64 << 10 // of its beginning, where the main section is
	jarMaxPom      = 64 << 10 // bytes of a pom.properties
	jarMaxXML      = 1 << 20  // bytes of a pom.xml
	jarMaxUnknowns = 100
)

// jarExtension gives the extension of a Java archive's name in lower case without the
// dot; "" if it is none.
func jarExtension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 1 || len(name)-i > 5 || len(name)-i < 4 {
		return ""
	}
	switch ext := strings.ToLower(name[i+1:]); ext {
	case "jar", "war", "ear", "par", "jpi", "hpi", "lpkg", "sar", "nar", "kar", "aar", "rar":
		return ext
	}
	return ""
}

func jarExtract(ctx context.Context, f *rootfs.File) (*inventory.Fragment, error) {
	j := &jarScan{ctx: ctx, out: &inventory.Fragment{}}
	j.most = min(jarMaxUnpacked, jarFree+jarMaxRatio*f.Size)
	j.left = j.most
	body, err := f.Bytes()
	switch {
	case errors.Is(err, rootfs.ErrTooLarge):
		err = j.stream(f.Path, 1, f)
	case err == nil:
		err = j.memory(f.Path, 1, body)
	}
	switch ext := jarExtension(f.Base()); {
	case errors.Is(err, errNotZip) && ext != "jar" && ext != "war" && ext != "ear":
		return nil, nil // other formats use the extension as well
	case errors.Is(err, errJarLimit):
		j.unknown(inventory.LimitExceeded, f.Path, err)
	case err != nil:
		if len(j.out.Packages) == 0 && len(j.out.Unknowns) == 0 {
			return nil, fmt.Errorf("reading a Java archive: %w", err)
		}
		return j.out, fmt.Errorf("reading a Java archive: %w", err)
	}
	if len(j.out.Packages) == 0 && len(j.out.Unknowns) == 0 {
		return nil, nil
	}
	return j.out, nil
}

// jarScan goes through one file and the archives in it.
type jarScan struct {
	ctx     context.Context
	out     *inventory.Fragment
	most    int64 // bytes that may be unpacked
	left    int64 // of them
	entries int
	held    int64
	spare   []io.ReadCloser         // decompressors not in use
	bufs    [jarMaxDepth + 1][]byte // for inner archives, by depth
}

// limit makes the error that ends the scan.
func (j *jarScan) limit(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, errJarLimit)...)
}

func (j *jarScan) unknown(reason inventory.Reason, subject string, err error) {
	if len(j.out.Unknowns) < jarMaxUnknowns {
		j.out.Unknowns = append(j.out.Unknowns, inventory.Unknown{Reason: reason, Subject: subject, Detail: "reading a Java archive: " + err.Error()})
	}
}

// jarFound is what one archive says about itself.
type jarFound struct {
	path     string
	depth    int
	poms     []jarPom
	xml      []jarXML
	manifest *jarManifest
}

// jarPom is one pom.properties, or one pom.xml that has none beside it.
type jarPom struct {
	dir string // the folder in the archive
	jarCoordinates
}

// jarXML is a pom.xml, read only if it is needed.
type jarXML struct {
	dir   string
	entry jarEntry        // in memory
	read  *jarCoordinates // otherwise
}

// memory reads the archive in b by its directory.
func (j *jarScan) memory(p string, depth int, b []byte) error {
	found := &jarFound{path: p, depth: depth}
	err := jarDirectory(b, func(e *jarEntry) error { return j.entry(found, e) })
	if errors.Is(err, errNotZip) {
		return err
	}
	j.conclude(found, func() string {
		sum := sha1.Sum(b)
		return hex.EncodeToString(sum[:])
	})
	return err
}

// stream reads the archive that r streams by its local headers.
func (j *jarScan) stream(p string, depth int, r io.Reader) error {
	found := &jarFound{path: p, depth: depth}
	h := sha1.New()
	br := bufio.NewReaderSize(io.TeeReader(r, h), 64<<10)
	err := j.jarStream(br, func(e *jarEntry) error { return j.entry(found, e) })
	if errors.Is(err, errNotZip) {
		return err
	}
	complete := false
	if err == nil {
		if _, err = io.Copy(io.Discard, br); err == nil {
			complete = true
		}
	}
	j.conclude(found, func() string {
		if !complete {
			return ""
		}
		return hex.EncodeToString(h.Sum(nil))
	})
	return err
}

// entry looks at one file of an archive. Only an error that ends the whole scan is
// returned; others are noted and the next entry follows.
func (j *jarScan) entry(a *jarFound, e *jarEntry) error {
	if j.entries++; j.entries > jarMaxAll {
		return j.limit("its archives have more than %d entries", jarMaxAll)
	}
	if j.entries&0xfff == 0 && j.ctx.Err() != nil {
		return j.ctx.Err()
	}
	kind := jarKindOf(e.name)
	if kind == jarOther {
		return nil
	}
	if len(e.name) > jarMaxName {
		j.unknown(inventory.LimitExceeded, a.path, fmt.Errorf("the name %.60q… of an entry is longer than %d bytes", e.name, jarMaxName))
		return nil
	}
	name := jarClean(e.name)
	if e.r == nil && e.data == nil {
		j.unknown(inventory.AnalysisPartial, a.path+"!/"+name, errors.New("the entry is not where the directory says"))
		return nil
	}
	err := j.read(a, e, kind, name)
	if err == nil || errors.Is(err, errJarLimit) || j.ctx.Err() != nil {
		return err
	}
	if kind == jarNested {
		if errors.Is(err, errNotZip) && jarExtension(name) != "jar" && jarExtension(name) != "war" && jarExtension(name) != "ear" {
			return nil
		}
		j.unknown(inventory.AnalysisPartial, a.path+"!/"+name, err)
		return nil
	}
	j.unknown(inventory.AnalysisPartial, a.path+"!/"+name, err)
	return nil
}

func (j *jarScan) read(a *jarFound, e *jarEntry, kind jarKind, name string) error {
	if kind == jarNested {
		return j.nested(a, e, name)
	}
	if kind == jarPomXML && e.r == nil {
		if len(a.xml) < jarMaxEntries {
			kept := *e
			kept.name = nil
			a.xml = append(a.xml, jarXML{dir: path.Dir(name), entry: kept})
		}
		return nil
	}
	r, err := j.content(e)
	if err != nil {
		return err
	}
	switch kind {
	case jarManifestFile:
		b, err := io.ReadAll(io.LimitReader(r, jarMaxManifest))
		if m := jarReadManifest(b); m != nil && a.manifest == nil {
			a.manifest = m
		}
		return err
	case jarPomProperties:
		b, err := io.ReadAll(io.LimitReader(r, jarMaxPom))
		if err != nil {
			return err
		}
		if len(a.poms) < jarMaxEntries {
			a.poms = append(a.poms, jarPom{dir: path.Dir(name), jarCoordinates: jarReadProperties(b)})
		}
	case jarPomXML:
		if c, err := jarReadPomXML(io.LimitReader(r, jarMaxXML)); err == nil {
			a.xml = append(a.xml, jarXML{dir: path.Dir(name), read: &c})
		}
	}
	return nil
}

// nested reads an archive that is an entry of another.
func (j *jarScan) nested(a *jarFound, e *jarEntry, name string) error {
	inner, depth := a.path+"!/"+name, a.depth+1
	if depth > jarMaxDepth {
		j.unknown(inventory.LimitExceeded, inner, fmt.Errorf("archives are nested deeper than %d", jarMaxDepth))
		return nil
	}
	if len(inner) > 4*jarMaxName {
		j.unknown(inventory.LimitExceeded, a.path, fmt.Errorf("the path of an inner archive is longer than %d bytes", 4*jarMaxName))
		return nil
	}
	if e.data != nil && e.method == jarMethodNone && !e.encrypted {
		return j.memory(inner, depth, e.data)
	}
	r, err := j.content(e)
	if err != nil {
		return err
	}
	room := min(jarMaxInner, jarMaxHeld-j.held)
	if e.full > room {
		return j.stream(inner, depth, r)
	}
	// The claimed size is believed only as far as the packed size makes it likely.
	guess := min(max(e.full, 0), room, 16*max(e.size, 4<<10))
	buf := j.bufs[depth][:0]
	if int64(cap(buf)) < guess {
		buf = make([]byte, 0, guess+512)
	}
	buf, whole, err := jarFill(buf, r, room)
	j.bufs[depth] = buf
	if err != nil {
		return fmt.Errorf("unpacking it: %w", err)
	}
	n := int64(cap(buf))
	j.held += n
	defer func() {
		if j.held -= n; n > 1<<20 {
			j.bufs[depth] = nil
		}
	}()
	if whole {
		return j.memory(inner, depth, buf)
	}
	return j.stream(inner, depth, io.MultiReader(bytes.NewReader(buf), r))
}

// jarFill appends to buf what r gives, up to limit bytes; whole if that was all.
func jarFill(buf []byte, r io.Reader, limit int64) (_ []byte, whole bool, err error) {
	for {
		if int64(len(buf)) >= limit {
			return buf, false, nil
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):min(int64(cap(buf)), limit)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, true, nil
		}
		if err != nil {
			return buf, false, err
		}
	}
}

// jarKind says what an entry is to us.
type jarKind uint8

const (
	jarOther jarKind = iota
	jarManifestFile
	jarPomProperties
	jarPomXML
	jarNested
)

// jarKindOf decides by the name alone; most entries are classes.
func jarKindOf(name []byte) jarKind {
	if len(name) < 5 {
		return jarOther
	}
	switch name[len(name)-1] {
	case 'r', 'R', 'i', 'I', 'g', 'G': // jar, war, ear, par, sar, nar, kar, aar, rar, jpi, hpi, lpkg
		base := name[bytes.LastIndexByte(name, '/')+1:]
		if jarExtension(string(base[max(0, len(base)-8):])) != "" {
			return jarNested
		}
	case 'F', 'f':
		if len(name) == len("META-INF/MANIFEST.MF") && bytes.EqualFold(name, []byte("META-INF/MANIFEST.MF")) {
			return jarManifestFile
		}
	case 's':
		if bytes.HasSuffix(name, []byte("/pom.properties")) && bytes.Contains(name, []byte("META-INF/maven/")) {
			return jarPomProperties
		}
	case 'l':
		if bytes.HasSuffix(name, []byte("/pom.xml")) && bytes.Contains(name, []byte("META-INF/maven/")) {
			return jarPomXML
		}
	}
	return jarOther
}

// jarClean makes a name fit to stand in a location: relative, without parent folders.
func jarClean(name []byte) string {
	return strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(strings.ToValidUTF8(string(name), "\uFFFD"), "\\", "/")), "/")
}
