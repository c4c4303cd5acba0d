package feed

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds on parts of files.
const (
	partPoint = 8 << 20         // bytes after which it is noted how far a part has come
	partIdle  = 2 * time.Minute // a part that grew no more for so long is nobody's
	partOld   = 7 * 24 * time.Hour
)

// part is a file under way. What has come of one whose server gave a strong validator
// stays after an interruption, be it that of the whole program, and is gone on with.
type part struct {
	k     *keeper
	f     *os.File
	name  string // in the keep folder
	sum   hash.Hash
	state kept
	noted int64 // Size that the state on disk tells of
	// unpacked is set if the body was compressed on the way; no range fits it then.
	unpacked bool
}

// newPart begins a file.
func (k *keeper) newPart(key string) (*part, error) {
	p := &part{k: k, name: keepPart + key + "." + rand.Text(), sum: sha256.New()}
	var err error
	if p.f, err = k.root.OpenFile(p.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return nil, fmt.Errorf("keeping what is fetched: %w", err)
	}
	return p, nil
}

// claimPart gives a part of the file that url stands for that can be gone on with, or
// nil. It belongs to the caller alone: renaming it succeeds once.
func (k *keeper) claimPart(ctx context.Context, key, url string) *part {
	for _, name := range k.parts() {
		if !strings.HasPrefix(name, key+".") || strings.HasSuffix(name, stateOf) {
			continue
		}
		s, ok := k.state(keepPart + name + stateOf)
		if !ok || s.URL != url || s.ifRange() == "" {
			continue
		}
		if st, err := k.root.Stat(keepPart + name); err != nil || !s.Rested && time.Since(st.ModTime()) < partIdle {
			continue
		}
		p := &part{k: k, name: keepPart + key + "." + rand.Text(), sum: sha256.New(), state: s}
		if k.root.Rename(keepPart+name, p.name) != nil {
			continue
		}
		k.root.Remove(keepPart + name + stateOf)
		p.state.Rested = false
		if p.open(ctx) {
			return p
		}
		p.drop()
	}
	return nil
}

// open tells whether the beginning of the part is what its state says, and makes it
// ready for more.
func (p *part) open(ctx context.Context) bool {
	var err error
	if p.f, err = p.k.root.OpenFile(p.name, os.O_RDWR, 0); err != nil {
		return false
	}
	n, err := io.Copy(p.sum, &pausable{ctx, io.LimitReader(p.f, p.state.Size)})
	return err == nil && n == p.state.Size && n > 0 && p.hex() == p.state.SHA256 &&
		p.f.Truncate(n) == nil && p.note()
}

// parts lists what is in the folder of parts.
func (k *keeper) parts() []string {
	d, err := k.root.Open(strings.TrimSuffix(keepPart, "/"))
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(1 << 16)
	slices.Sort(names)
	return names
}

// dropOldParts removes what nobody came back for.
func (k *keeper) dropOldParts(now time.Time) {
	for _, name := range k.parts() {
		if st, err := k.root.Stat(keepPart + name); err == nil && now.Sub(st.ModTime()) > partOld {
			k.root.Remove(keepPart + name)
		}
	}
}

// begin empties the part and takes over what the server says of the file.
func (p *part) begin(a *answer, url string, now time.Time) error {
	if _, err := p.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := p.f.Truncate(0); err != nil {
		return err
	}
	p.k.root.Remove(p.name + stateOf)
	p.sum.Reset()
	p.noted = 0
	p.unpacked = a.unpacked
	p.state = kept{URL: url, Fetched: now}
	p.state.validate(a, now)
	if n, err := strconv.ParseInt(a.header.Get("Content-Length"), 10, 64); err == nil && n > 0 && !a.unpacked {
		p.state.Total = n
	}
	return nil
}

// goesOn tells whether a is the rest of the part (RFC 9110 §15.3.7).
func (p *part) goesOn(a *answer) bool {
	unit, span, _ := strings.Cut(a.header.Get("Content-Range"), " ")
	span, total, _ := strings.Cut(span, "/")
	first, _, _ := strings.Cut(span, "-")
	if unit != "bytes" || first != strconv.FormatInt(p.state.Size, 10) {
		return false
	}
	if n, err := strconv.ParseInt(total, 10, 64); err == nil && p.state.Total > 0 && n != p.state.Total {
		return false
	}
	tag := a.header.Get("ETag")
	return tag == "" || tag == p.state.ETag
}

// Write adds to the part.
func (p *part) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
	p.sum.Write(b[:n])
	p.state.Size += int64(n)
	if err != nil {
		return n, fmt.Errorf("keeping what is fetched: %w", err)
	}
	if p.state.Size-p.noted >= partPoint && p.resumable() {
		p.note()
	}
	return n, nil
}

// hex gives the SHA-256 of what has come.
func (p *part) hex() string { return hex.EncodeToString(p.sum.Sum(nil)) }

// note writes down how far the part has come.
func (p *part) note() bool {
	p.state.SHA256 = p.hex()
	p.noted = p.state.Size
	return p.k.putState(p.name+stateOf, p.state) == nil
}

func (p *part) resumable() bool { return !p.unpacked && p.state.ifRange() != "" }

// rest leaves the part for whoever comes next, if it can be gone on with, and
// otherwise removes it.
func (p *part) rest() {
	p.state.Rested = true
	if p.state.Size == 0 || !p.resumable() || !p.note() {
		p.drop()
		return
	}
	p.f.Close()
}

// drop removes the part.
func (p *part) drop() {
	if p.f != nil {
		p.f.Close()
	}
	p.k.root.Remove(p.name)
	p.k.root.Remove(p.name + stateOf)
}

// finish makes the part the next file of key and gives it, open.
func (p *part) finish(key string) (*diskFile, kept, error) {
	s := p.state
	s.SHA256 = p.hex()
	s.Total, s.Dated, s.Rested = 0, "", false
	_, err := p.f.Seek(0, io.SeekStart)
	if err == nil {
		err = p.k.root.Rename(p.name, keepNext+key)
	}
	if err == nil {
		p.k.root.Remove(p.name + stateOf)
		err = p.k.putState(keepNext+key+stateOf, s)
	}
	if err != nil {
		p.drop()
		return nil, s, fmt.Errorf("keeping what was fetched: %w", err)
	}
	return &diskFile{File: p.f, size: s.Size, sum: s.SHA256}, s, nil
}

// validate takes over the validators of an answer.
func (s *kept) validate(a *answer, now time.Time) {
	s.ETag, s.LastModified, s.Dated = a.header.Get("ETag"), a.header.Get("Last-Modified"), a.header.Get("Date")
	if !isHeader(s.ETag) {
		s.ETag = ""
	}
	if !isHeader(s.LastModified) || parseHTTPTime(s.LastModified).IsZero() {
		s.LastModified = ""
	}
	s.Confirmed = now
}

// ifRange gives the validator that a part is gone on with (RFC 9110 §13.1.5): a strong
// ETag, or a date of change that lies before the answer's own, so that the file
// cannot have changed again within the second. Empty if there is none.
func (s *kept) ifRange() string {
	switch {
	case s.ETag != "":
		if strings.HasPrefix(s.ETag, `"`) {
			return s.ETag
		}
	case !s.modified().IsZero() && parseHTTPTime(s.Dated).After(s.modified()):
		return s.LastModified
	}
	return ""
}

// parseHTTPTime reads a date of a header; zero if it is none.
func parseHTTPTime(s string) time.Time {
	t, err := http.ParseTime(s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
