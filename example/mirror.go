package main

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const osvHost = "osv-vulnerabilities.storage.googleapis.com"

// layMirror writes advisories/ to dir as the publishers serve it: OSV's records of one
// ecosystem packed into one all.zip, EPSS compressed, the rest as it is.
func layMirror(dir string) error {
	archives := map[string]*bytes.Buffer{}
	writers := map[string]*zip.Writer{}
	err := fs.WalkDir(files, "advisories", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		to := strings.TrimPrefix(name, "advisories/")
		switch {
		case strings.HasPrefix(to, osvHost+"/"):
			archive := path.Dir(to) + "/all.zip"
			if writers[archive] == nil {
				archives[archive] = &bytes.Buffer{}
				writers[archive] = zip.NewWriter(archives[archive])
			}
			w, err := writers[archive].Create(path.Base(to))
			if err != nil {
				return err
			}
			_, err = w.Write(body)
			return err
		case strings.HasSuffix(to, ".csv"):
			to += ".gz"
			if body, err = compress(body); err != nil {
				return err
			}
		}
		return write(dir, to, body)
	})
	if err != nil {
		return err
	}
	for name, w := range writers {
		if err := w.Close(); err != nil {
			return err
		}
		if err := write(dir, name, archives[name].Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func write(dir, name string, body []byte) error {
	to := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, body, 0o644)
}
