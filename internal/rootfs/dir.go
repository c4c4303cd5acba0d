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
// links are noted and never followed, and nothing outside dir is opened. Other file
// systems mounted in it are entered, but for those in which the kernel only shows
// its own state (proc, sys and the like): they hold no files of an image, and reading
// some of them blocks; dir itself may be one. Entries that cannot be read become Problems.
func (r *Reader) Folder(ctx context.Context, dir string, vs ...Visitor) (*Changes, error) {
	if r.lim.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.lim.Time,
			exceeded("", "reading the folder took longer than %v", r.lim.Time))
		defer cancel()
	}
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return &Changes{}, fmt.Errorf("opening the root file system: %s is not a folder", dir) // a pipe would wait for a writer
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &Changes{}, fmt.Errorf("opening the root file system: %w", err)
	}
	defer root.Close()
	w := newWalk(ctx, r, vs)
	w.may = func(given int64) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.lim.Total > 0 && given > r.lim.Total {
			return exceeded("", "more than %d bytes of files were read", r.lim.Total)
		}
		return nil
	}
	if !ofKernel(root) {
		err = w.folder(root, "", device(root))
	}
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

// folder reads one folder, whose path is dir, and all below it. dev is the device it
// is on.
func (w *walk) folder(root *os.Root, dir string, dev uint64) error {
	names, err := w.names(root)
	if names == nil && err != nil {
		w.problem(dir, "reading the folder: "+plain(err))
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		p := name
		if dir != "" {
			p = dir + "/" + name
		}
		if err := w.count(len(p)); err != nil {
			return err
		}
		if w.lim.Path > 0 && len(p) > w.lim.Path || w.lim.Depth > 0 && strings.Count(p, "/") >= w.lim.Depth {
			w.over(p[:min(len(p), 200)], fmt.Sprintf("a path is longer than %d bytes or deeper than %d folders", w.lim.Path, w.lim.Depth))
			continue
		}
		info, err := root.Lstat(name)
		if err != nil {
			w.problem(p, "reading the entry: "+plain(err))
			continue
		}
		if err := w.real(root, name, p, info, dev); err != nil {
			return err
		}
	}
	return nil
}

// names lists a folder in order. No names but an error: it could not be read.
func (w *walk) names(root *os.Root) ([]string, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names := []string{}
	for {
		some, err := f.Readdirnames(4096)
		names = append(names, some...)
		if err == io.EOF {
			slices.Sort(names)
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		if w.lim.Entries > 0 && w.n+len(names) > w.lim.Entries {
			return names, exceeded("", "the folder has more than %d entries", w.lim.Entries)
		}
		if w.ctx.Err() != nil {
			return names, context.Cause(w.ctx)
		}
	}
}

// real takes in one entry of a real folder.
func (w *walk) real(root *os.Root, name, p string, info fs.FileInfo, dev uint64) error {
	e := Entry{Path: p, Mode: uint32(info.Mode().Perm()), At: uint32(w.n)}
	if info.Mode()&fs.ModeSetuid != 0 {
		e.Mode |= 0o4000
	}
	if info.Mode()&fs.ModeSetgid != 0 {
		e.Mode |= 0o2000
	}
	if info.Mode()&fs.ModeSticky != 0 {
		e.Mode |= 0o1000
	}
	var on uint64
	e.UID, e.GID, on = owner(info)
	switch info.Mode().Type() {
	case fs.ModeDir:
		e.Kind = Dir
		w.list.add(&e)
		sub, err := root.OpenRoot(name)
		if err != nil {
			w.problem(p, "opening the folder: "+plain(err))
			return nil
		}
		defer sub.Close()
		if on != dev && ofKernel(sub) {
			return nil
		}
		return w.folder(sub, p, on)
	case 0:
		e.Kind, e.Size = Regular, info.Size()
	case fs.ModeSymlink:
		e.Kind = Symlink
		var err error
		if e.Link, err = root.Readlink(name); err != nil {
			w.problem(p, "reading the link: "+plain(err))
			return nil
		}
	default:
		e.Kind = Device
	}
	w.list.add(&e)
	if e.Kind != Regular || !slices.ContainsFunc(w.visitors, func(v Visitor) bool { return v.Want(e) }) {
		return nil
	}
	// O_NONBLOCK: should the file have become a pipe meanwhile, opening it must not hang.
	f, err := root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		w.problem(p, "opening the file: "+plain(err))
		return nil
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil || !os.SameFile(info, before) {
		w.problem(p, "the file changed while it was read")
		return nil
	}
	e.Size = before.Size()
	err = w.visit(e, io.LimitReader(f, e.Size))
	if w.stop != nil {
		return err
	}
	if after, serr := f.Stat(); serr != nil || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		w.problem(p, "the file changed while it was read")
		return nil // which may be why the visitor failed
	}
	return err
}

// plain gives the reason of a file error without the path, which is stated apart.
func plain(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
