package version

import (
	"archive/zip"
	"bufio"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/imagetest"
)

// realVersions gives what is installed in the fixtures and named by the feeds, by scheme.
func realVersions(t *testing.T) map[Scheme][]string {
	t.Helper()
	dir := imagetest.Corpus(t)
	all := map[Scheme][]string{}
	add := func(s Scheme, vs ...string) { all[s] = append(all[s], vs...) }
	for _, status := range []string{"bookworm-12.0-SYNTHETIC", "bookworm-12.15-minbase", "postgresql", "ubuntu-18.04-texlive"} {
		add(Deb, fields(t, filepath.Join(dir, "fixtures/dpkg", status+".status"), "Version: ")...)
	}
	add(APK, fields(t, filepath.Join(dir, "fixtures/apk/syft-multiple/lib/apk/db/installed"), "V:")...)
	for _, root := range []string{"secdb.alpinelinux.org", "packages.mini.dev"} {
		err := filepath.WalkDir(filepath.Join(dir, "feeds", root), func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".json") {
				add(APK, secfixes(t, path)...)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	archives, err := filepath.Glob(filepath.Join(dir, "feeds/osv-vulnerabilities.storage.googleapis.com/*/all.zip"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("no OSV archives: %v", err)
	}
	for _, name := range archives {
		for s, vs := range osvVersions(t, name) {
			add(s, vs...)
		}
	}
	return all
}

// fields gives what follows prefix on the lines of a file.
func fields(t *testing.T, path, prefix string) (values []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			values = append(values, v)
		}
	}
	return values
}

// secfixes gives the fixed versions in a file of an apk security database.
func secfixes(t *testing.T, path string) (versions []string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var db struct {
		Packages []struct {
			Pkg struct {
				Secfixes map[string]any `json:"secfixes"`
			} `json:"pkg"`
		} `json:"packages"`
	}
	if json.Unmarshal(data, &db) != nil {
		return nil // not all files beside a database are databases
	}
	for _, p := range db.Packages {
		for v := range p.Pkg.Secfixes {
			versions = append(versions, v)
		}
	}
	return versions
}

// osvVersions gives the ends of ranges in some records from all over an archive.
func osvVersions(t *testing.T, path string) map[Scheme][]string {
	t.Helper()
	r, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := map[Scheme][]string{}
	for i := 0; i < len(r.File); i += 1 + len(r.File)/1500 {
		var record struct {
			Affected []struct {
				Package struct{ Ecosystem string }
				Ranges  []struct {
					Type   string
					Events []map[string]string
				}
			}
		}
		f, err := r.File[i].Open()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewDecoder(f).Decode(&record); err != nil {
			t.Fatalf("%s: %v", r.File[i].Name, err)
		}
		f.Close()
		for _, a := range record.Affected {
			s, ok := For(a.Package.Ecosystem)
			if !ok && a.Package.Ecosystem != "" {
				t.Errorf("%s: no order for %q", r.File[i].Name, a.Package.Ecosystem)
			}
			for _, ranges := range a.Ranges {
				for _, event := range ranges.Events {
					for _, v := range event {
						if ok && ranges.Type != "GIT" {
							all[s] = append(all[s], v)
						}
					}
				}
			}
		}
	}
	return all
}

// TestRealVersions holds every scheme to the versions in use: nearly all are valid,
// and the reference comparer orders them the same but for known reasons.
func TestRealVersions(t *testing.T) {
	all := realVersions(t)
	for _, s := range []Scheme{Deb, RPM, APK, SemVer, Go, PEP440, Maven, NuGet, Packagist, Bitnami} {
		vs := all[s]
		invalid := 0
		for _, v := range vs {
			if err := s.Valid(v); err != nil {
				invalid++
			}
		}
		if len(vs) < 200 || invalid*200 > len(vs) {
			t.Errorf("%s: %d of %d real versions are invalid", s, invalid, len(vs))
		}
		pairs := neighbours(s, vs)
		n := 0
		if reference[s] != "" {
			n = against(t, s, pairs)
			if n*2 < len(pairs) {
				t.Errorf("%s: only %d of %d pairs were compared", s, n, len(pairs))
			}
		}
		for _, p := range pairs {
			sameKeys(t, s, p[0], p[1])
		}
		t.Logf("%s: %d versions, %d invalid, %d of %d pairs compared", s, len(vs), invalid, n, len(pairs))
	}
}
