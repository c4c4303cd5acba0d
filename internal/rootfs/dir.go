package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Folder reads a root file system unpacked at dir as if it were one layer. Symbolic
// links are noted and never followed, other file systems are entered, and nothing
// outside dir is opened. Entries that cannot be read become Problems.
func (r *Reader) Folder(ctx context.Context, dir string, vs ...Visitor) (*Changes, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &Changes{}, fmt.Errorf("opening the root file system: %w", err)
	}
	defer root.Close()
	w := &walk{ctx: ctx, lim: r.lim, pool: r.pool, visitors: vs, seen: map[string]int{}}
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if cerr := ctx.Err(); cerr != nil {
			return cerr
		}
		if err != nil {
			w.problem(p, "reading the folder: "+plain(err))
			return nil
		}
		if p == "." {
			return nil
		}
		if w.n++; r.lim.Entries > 0 && w.n > r.lim.Entries {
			return exceeded("", "the folder has more than %d entries", r.lim.Entries)
		}
		if r.lim.Path > 0 && len(p) > r.lim.Path || r.lim.Depth > 0 && strings.Count(p, "/") >= r.lim.Depth {
			w.over(p[:min(len(p), 200)], fmt.Sprintf("a path is longer than %d bytes or deeper than %d folders", r.lim.Path, r.lim.Depth))
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return w.real(root, p, d)
	})
	c := w.changes()
	var lim *limitError
	if errors.As(err, &lim) {
		c.Problems = append(c.Problems, lim.Problem)
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("reading the root file system: %w", err)
	}
	return c, nil
}

// real takes in one entry of a real folder.
func (w *walk) real(root *os.Root, p string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		w.problem(p, "reading the entry: "+plain(err))
		return nil
	}
	e := Entry{Path: p, Mode: uint32(info.Mode().Perm())}
	for bit, mode := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if info.Mode()&mode != 0 {
			e.Mode |= bit
		}
	}
	e.UID, e.GID = owner(info)
	switch info.Mode().Type() {
	case fs.ModeDir:
		e.Kind = Dir
	case 0:
		e.Kind, e.Size = Regular, info.Size()
	case fs.ModeSymlink:
		e.Kind = Symlink
		if e.Link, err = root.Readlink(p); err != nil {
			w.problem(p, "reading the link: "+plain(err))
			return nil
		}
	default:
		e.Kind = Device
	}
	w.add(e)
	if e.Kind != Regular || !slices.ContainsFunc(w.visitors, func(v Visitor) bool { return v.Want(e) }) {
		return nil
	}
	// O_NONBLOCK: should the file have become a pipe meanwhile, opening it must not hang.
	f, err := root.OpenFile(p, os.O_RDONLY|nonblock, 0)
	if err != nil {
		w.problem(p, "opening the file: "+plain(err))
		return nil
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		w.problem(p, "the file changed while it was read")
		return nil
	} else {
		e.Size = st.Size()
	}
	return w.visit(e, io.LimitReader(f, e.Size))
}

// plain gives the reason of a file error without the path, which is stated apart.
func plain(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
