package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/feed"
)

// The bounds on what --vex may lead to.
const (
	maxVEXFiles      = 10_000
	maxVEXStatements = 4 << 20
)

// readVEX reads the documents of --vex in the order they are named, those of a folder by
// name. Whatever of them cannot be read is a usage error: a statement that is passed
// over would let something stand or fall that its author spoke of.
func readVEX(env Env, names []string, image string) ([]advisory.Statement, error) {
	var out []advisory.Statement
	read := func(name string, r io.Reader) error {
		err := feed.ReadVEX(r, func(s advisory.Statement) error {
			if len(out) == maxVEXStatements {
				return fmt.Errorf("there are more than %d statements", maxVEXStatements)
			}
			s.Source = name
			out = append(out, s)
			return nil
		}, nil)
		if err != nil {
			return usage("--vex %s: %v", name, err)
		}
		return nil
	}
	stdin, files := false, 0
	for _, name := range names {
		if name == "-" {
			if image == "-" || stdin {
				return nil, usage("--vex -: standard input is read once, and something else is to be read from it")
			}
			stdin = true
			if err := read("standard input", env.Stdin); err != nil {
				return nil, err
			}
			continue
		}
		paths, err := vexFiles(name)
		if err != nil {
			return nil, usage("--vex %s: %v", name, err)
		}
		if files += len(paths); files > maxVEXFiles {
			return nil, usage("--vex %s: there are more than %d documents", name, maxVEXFiles)
		}
		for _, path := range paths {
			f, err := os.Open(path)
			if err != nil {
				return nil, usage("--vex %s: %v", path, plainError(err))
			}
			err = read(path, f)
			f.Close()
			if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// vexFiles gives the file, or the documents in a folder and below it: regular files whose
// names end in .json and do not begin with a dot. Links in it are not followed.
func vexFiles(name string) ([]string, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, plainError(err)
	}
	if !st.IsDir() {
		return []string{name}, nil
	}
	var out []string
	err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != name && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type().IsRegular() && strings.HasSuffix(d.Name(), ".json"):
			if out = append(out, path); len(out) > maxVEXFiles {
				return fmt.Errorf("there are more than %d documents", maxVEXFiles)
			}
		}
		return nil
	})
	if err == nil && len(out) == 0 {
		err = errors.New("the folder holds no file that ends in .json")
	}
	return out, err
}

// plainError leaves out what was done to which path, which the message has already.
func plainError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
