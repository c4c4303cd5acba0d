package advisorydb

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// The entries of a bundle besides the manifest and the shards: the signatures, and an
// empty one at its end, without which it was cut short.
const (
	signaturesName = "manifest.sig"
	endName        = "end"
)

// Export writes the snapshot in force in dir to a file: a tar archive with the manifest, its
// signatures and the shards, in that order, compressed with zstd if its name ends in
// ".zst". Equal snapshots give equal bytes. With ecosystems named only their shards and
// the shared ones are in it. It gives the number of shards and the bytes of the file.
func Export(ctx context.Context, dir, file string, ecosystems []string) (shards int, size int64, err error) {
	raw, signatures, err := folderRemote(dir).Manifest(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("exporting advisories: %w", err)
	}
	m, err := ParseManifest(raw)
	if err != nil {
		return 0, 0, err
	}
	for _, e := range ecosystems {
		if !slices.ContainsFunc(m.Shards, func(s Shard) bool { return s.Ecosystem == e }) {
			return 0, 0, fmt.Errorf("exporting advisories: the snapshot does not cover %q", e)
		}
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return 0, 0, fmt.Errorf("exporting advisories: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	var w io.Writer = f
	var z *zstd.Encoder
	if strings.HasSuffix(file, ".zst") {
		if z, err = zstd.NewWriter(f, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression)); err != nil {
			return 0, 0, err
		}
		w = z
	}
	t := tar.NewWriter(w)
	put := func(name string, size int64, r io.Reader) error {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: m.Created, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.Copy(t, r)
		return err
	}
	if err = put(manifestName, int64(len(raw)), bytes.NewReader(raw)); err != nil {
		return 0, 0, err
	}
	if len(signatures) > 0 {
		if err = put(signaturesName, int64(len(signatures)), bytes.NewReader(signatures)); err != nil {
			return 0, 0, err
		}
	}
	for _, s := range m.Shards {
		if err = ctx.Err(); err != nil {
			return 0, 0, err
		}
		if len(ecosystems) > 0 && s.Ecosystem != "" && !slices.Contains(ecosystems, s.Ecosystem) {
			continue
		}
		in, oerr := os.Open(filepath.Join(dir, filepath.FromSlash(shardPath(s.Digest))))
		if err = oerr; err != nil {
			return 0, 0, fmt.Errorf("exporting advisories: shard %s is not here: pull with --all first: %w", s.Name, err)
		}
		err = put(shardPath(s.Digest), s.Size, io.LimitReader(in, s.Size))
		in.Close()
		if err != nil {
			return 0, 0, fmt.Errorf("exporting advisory shard %s: %w", s.Name, err)
		}
		shards++
	}
	err = errors.Join(put(endName, 0, strings.NewReader("")), t.Close())
	if z != nil {
		err = errors.Join(err, z.Close())
	}
	if err == nil {
		size, err = f.Seek(0, io.SeekEnd)
	}
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("exporting advisories: %w", err)
	}
	return shards, size, nil
}

// bundle is a file that [Export] wrote, read once from its beginning to its end.
type bundle struct {
	name                 string
	tar                  *tar.Reader
	manifest, signatures []byte
}

// maxBundle bounds what a bundle unpacks to, in bytes.
const maxBundle = 8 << 30

func openBundle(f io.Reader, name string) (*bundle, func(), error) {
	br := bufio.NewReader(f)
	head, _ := br.Peek(4)
	var r io.Reader = br
	closer := func() {}
	if bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) { // RFC 8878, 3.1.1
		z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			return nil, nil, err
		}
		r, closer = z, z.Close
	}
	b := &bundle{name: name, tar: tar.NewReader(io.LimitReader(r, maxBundle))}
	h, err := b.tar.Next()
	if err == nil && (h.Name != manifestName || h.Size > maxManifest) {
		err = errors.New("it does not begin with a manifest")
	}
	if err == nil {
		b.manifest, err = io.ReadAll(b.tar)
	}
	if err != nil {
		closer()
		return nil, nil, fmt.Errorf("this is no export of advisories: %w", err)
	}
	return b, closer, nil
}

// Import makes the snapshot in a file that [Export] wrote the one in force in dir, and
// checks what [Pull] checks. Shards that are neither in the file nor in dir are missing
// until they are pulled.
func Import(ctx context.Context, dir, file string, o PullOptions) (*Pulled, error) {
	fail := func(err error) (*Pulled, error) { return nil, fmt.Errorf("importing %s: %w", file, err) }
	f, err := os.Open(file)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	b, closer, err := openBundle(f, file)
	if err != nil {
		return fail(err)
	}
	defer closer()
	m, err := ParseManifest(b.manifest)
	if err != nil {
		return fail(err)
	}
	byPath := map[string]Shard{}
	for _, s := range m.Shards {
		byPath[shardPath(s.Digest)] = s
	}
	// The signatures come before the shards, so that nothing unproved is written.
	var p *Pulled
	for ended := false; !ended; {
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		h, err := b.tar.Next()
		if err == io.EOF {
			err = errors.New("it was cut short")
		}
		if err != nil {
			return fail(err)
		}
		if h.Name == signaturesName && p == nil && h.Size <= maxSignatureFile {
			if b.signatures, err = io.ReadAll(b.tar); err != nil {
				return fail(err)
			}
			continue
		}
		if p == nil {
			if p, err = admit(dir, m, b.manifest, b.signatures, o); err != nil {
				return fail(err)
			}
		}
		if h.Name == endName {
			ended = true
			continue
		}
		s, ok := byPath[h.Name]
		if !ok || h.Size != s.Size {
			return fail(fmt.Errorf("it holds %.80q, which its manifest does not name", h.Name))
		}
		n, err := keepShard(dir, s, b.tar)
		if err != nil {
			return fail(fmt.Errorf("shard %s: %w", s.Name, err))
		}
		if n > 0 {
			p.Fetched++
			p.Bytes += n
		} else {
			p.Kept++
		}
		delete(byPath, h.Name)
	}
	p.Left = len(byPath)
	if err := install(dir, b.manifest, b.signatures, o.Older); err != nil {
		return fail(err)
	}
	if err := Trust(dir, o.Keys); err != nil {
		return fail(err)
	}
	return p, nil
}
