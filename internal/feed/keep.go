package feed

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// A keep folder is a mirror of what was fetched, laid out HOST/PATH, with what is known
// about its files in a folder of its own:
//
//	HOST/PATH                   the file as its feed last read it to the end
//	.plimsoll/state/KEY         what is known of it
//	.plimsoll/next/KEY          the same file, fetched later for a feed that has not yet come to its end
//	.plimsoll/next/KEY.state
//	.plimsoll/part/KEY.UNIQUE   the beginning of a file
//	.plimsoll/part/KEY.UNIQUE.state
//	.plimsoll/rows/KEY          what an archive of OSV holds
//
// Nothing in it is locked: files come into place by renaming, and one whose state does
// not fit its bytes is as good as none.
const (
	keepState = ".plimsoll/state/"
	keepNext  = ".plimsoll/next/"
	keepPart  = ".plimsoll/part/"
	keepRows  = ".plimsoll/rows/"
	stateOf   = ".state" // ends the names of states beside files
)

// maxState bounds a file of state.
const maxState = 16 << 10

// keeper is a keep folder.
type keeper struct{ root *os.Root }

// openKeeper opens a keep folder, making it if need be.
func openKeeper(dir string) (*keeper, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	for _, sub := range [...]string{keepState, keepNext, keepPart, keepRows} {
		if err := root.MkdirAll(strings.TrimSuffix(sub, "/"), 0o755); err != nil {
			root.Close()
			return nil, err
		}
	}
	k := &keeper{root}
	k.dropOldParts(time.Now())
	return k, nil
}

// keyOf names a file HOST/PATH in the folders of states.
func keyOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

// kept is what is known of a kept file.
type kept struct {
	// URL it was asked for at; what a server says of its file holds for no other's.
	URL string `json:"url"`
	// ETag and LastModified are the server's validators, as it wrote them.
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"lastModified,omitempty"`
	// Size and SHA256 of the file; of its beginning so far, of a part.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Fetched is when its bytes came; Confirmed when the server last said that they
	// are still the file.
	Fetched   time.Time `json:"fetched"`
	Confirmed time.Time `json:"confirmed"`
	// Absent is set if the server has no such file.
	Absent bool `json:"absent,omitempty"`
	// Total is the size that a part will have, 0 if the server did not say; Dated is
	// when it said so, as it wrote it.
	Total int64  `json:"total,omitempty"`
	Dated string `json:"dated,omitempty"`
	// Rested is set if nobody works on a part.
	Rested bool `json:"rested,omitempty"`
}

// parseState reads a file of state.
func parseState(data []byte) (kept, error) {
	var s kept
	if err := json.Unmarshal(data, &s); err != nil {
		return kept{}, err
	}
	if !isHeader(s.ETag) || !isHeader(s.LastModified) || s.Size < 0 || s.Total < 0 {
		return kept{}, errors.New("not what was written")
	}
	return s, nil
}

// isHeader tells strings that may be sent as the value of a header.
func isHeader(s string) bool {
	return len(s) <= 1024 && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// modified is when the file last changed, by the server's word.
func (s *kept) modified() time.Time { return parseHTTPTime(s.LastModified) }

// state reads a file of state; false if there is none that can be read.
func (k *keeper) state(name string) (kept, bool) {
	data, err := k.read(name, maxState)
	if err != nil {
		return kept{}, false
	}
	s, err := parseState(data)
	return s, err == nil
}

func (k *keeper) read(name string, limit int64) ([]byte, error) {
	f, err := k.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, limit)
}

// putState writes a file of state in one piece.
func (k *keeper) putState(name string, s kept) error {
	data, err := json.Marshal(s, json.Deterministic(true))
	if err != nil {
		return err
	}
	return k.put(name, append(data, '\n'))
}

// put writes a file in one piece.
func (k *keeper) put(name string, data []byte) error {
	tmp := keepPart + "new." + rand.Text()
	err := k.root.WriteFile(tmp, data, 0o644)
	if err == nil {
		err = k.root.Rename(tmp, name)
	}
	if err != nil {
		k.root.Remove(tmp)
		return fmt.Errorf("keeping what was fetched: %w", err)
	}
	return nil
}

// load opens the kept file name that was asked for at url, at its beginning. Its error
// says why there is none; it wraps ErrNotThere if that is what the server said.
func (k *keeper) load(ctx context.Context, name, state, url string, limit int64) (*diskFile, kept, error) {
	s, ok := k.state(state)
	if !ok || s.URL != url {
		return nil, kept{}, errors.New("it is not kept")
	}
	if s.Absent {
		return nil, s, ErrNotThere
	}
	f, err := k.root.Open(name)
	if err != nil {
		return nil, kept{}, errors.New("it is not kept")
	}
	if err := sameFile(ctx, f, s, limit); err != nil {
		f.Close()
		return nil, kept{}, fmt.Errorf("what is kept of it cannot be used: %w", err)
	}
	return &diskFile{File: f, size: s.Size, sum: s.SHA256}, s, nil
}

// sameFile says why f is not the file that s tells of. f is then at its beginning.
func sameFile(ctx context.Context, f *os.File, s kept, limit int64) error {
	st, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !st.Mode().IsRegular() || st.Size() != s.Size || s.Size > limit:
		return errors.New("it is not what was written")
	}
	h := sha256.New()
	if n, err := io.Copy(h, &pausable{ctx, io.LimitReader(f, s.Size)}); err != nil || n != s.Size {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	if hex.EncodeToString(h.Sum(nil)) != s.SHA256 {
		return errors.New("its bytes have changed since")
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// pausable reads until its context ends.
type pausable struct {
	ctx context.Context
	r   io.Reader
}

func (p *pausable) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// settle puts a file that was fetched, or the word that there is none, into its place.
// If that fails, or somebody else has done it, nothing is lost: it was read, and where
// it still is the next one finds it.
func (k *keeper) settle(name string) {
	key := keyOf(name)
	s, ok := k.state(keepNext + key + stateOf)
	if !ok {
		return
	}
	if s.Absent {
		k.root.Remove(name)
		k.root.Remove(keepNext + key)
	} else {
		if k.root.MkdirAll(path.Dir(name), 0o755) != nil {
			return
		}
		// If another has moved the file, its state goes after it.
		if err := k.root.Rename(keepNext+key, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
		if t := s.modified(); !t.IsZero() {
			// As mirrors have it; a file without its date is no worse.
			_ = k.root.Chtimes(name, time.Time{}, t)
		}
	}
	_ = k.root.Rename(keepNext+key+stateOf, keepState+key)
}

// prune removes the kept .json files of a folder that used does not name.
func (k *keeper) prune(folder string, used map[string]struct{}) {
	d, err := k.root.Open(folder)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		if _, ok := used[name]; !ok && strings.HasSuffix(name, ".json") {
			k.root.Remove(folder + "/" + name)
			k.root.Remove(keepState + keyOf(folder+"/"+name))
		}
	}
}
