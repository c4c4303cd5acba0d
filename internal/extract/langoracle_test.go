package extract

import (
	"bytes"
	"context"
	"io"
	"log"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/language/cpp/conanlock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/dart/pubspec"
	"github.com/google/osv-scalibr/extractor/filesystem/language/dotnet/packageslockjson"
	"github.com/google/osv-scalibr/extractor/filesystem/language/elixir/mixlock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/golang/gomod"
	"github.com/google/osv-scalibr/extractor/filesystem/language/java/gradlelockfile"
	"github.com/google/osv-scalibr/extractor/filesystem/language/javascript/bunlock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/javascript/packagejson"
	"github.com/google/osv-scalibr/extractor/filesystem/language/javascript/packagelockjson"
	"github.com/google/osv-scalibr/extractor/filesystem/language/javascript/pnpmlock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/javascript/yarnlock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/pipfilelock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/pylock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/requirements"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/uvlock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/rust/cargolock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/swift/podfilelock"
	scalibrlog "github.com/google/osv-scalibr/log"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/inventory"
)

// The osv-scalibr library reads the same lock files. Its readers are not used in the
// program: each brings readers of disk images and 7 MB with it, and some end the
// process on a hostile file (a Cargo.lock of nested brackets overflows the stack, one
// with a long dotted header takes all memory). As a second opinion on well-formed
// files it serves here. What it sees more is listed with the reason.
func TestLockfilesAgainstScalibr(t *testing.T) {
	log.SetOutput(io.Discard)
	scalibrlog.SetLogger(&scalibrlog.DefaultLogger{})
	oracle := map[string]func(*cpb.PluginConfig) (filesystem.Extractor, error){
		"bun.lock": bunlock.New, "Cargo.lock": cargolock.New, "Podfile.lock": podfilelock.New, "conan.lock": conanlock.New,
		"go.mod": gomod.New, "gradle.lockfile": gradlelockfile.New, "mix.lock": mixlock.New, "package-lock.json": packagelockjson.New,
		"packages.lock.json": packageslockjson.New, "requirements.txt": requirements.New, "Pipfile.lock": pipfilelock.New,
		"pnpm-lock.yaml": pnpmlock.New, "pubspec.lock": pubspec.New, "pylock.toml": pylock.New, "uv.lock": uvlock.New,
		"yarn.lock": yarnlock.New, "package.json": packagejson.New,
	}
	more := map[string][]string{
		"Cargo.lock": {"cargo app 0.1.0"},    // the workspace's own crate
		"go.mod":     {"golang stdlib 1.17"}, // the language version is no toolchain
	}
	dir := filepath.Join(imagetest.Corpus(t), "fixtures", "lockfiles")
	compared := 0
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		newReader := oracle[filepath.Base(name)]
		if err != nil || newReader == nil {
			return err
		}
		body, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		frag, err := langRun(t, filepath.ToSlash(rel), body)
		if err != nil || frag == nil {
			t.Errorf("%s: %v", rel, err)
			return nil
		}
		var got []string
		for _, p := range frag.Packages {
			got = append(got, oracleString(p))
		}
		x, err := newReader(&cpb.PluginConfig{})
		if err != nil {
			t.Fatal(err)
		}
		fsys := fstest.MapFS{rel: {Data: body}}
		info, err := fsys.Stat(rel)
		if err != nil {
			t.Fatal(err)
		}
		inv, err := x.Extract(context.Background(), &filesystem.ScanInput{FS: fsys, Path: rel, Root: "", Info: info, Reader: bytes.NewReader(body)})
		if err != nil {
			t.Errorf("%s: scalibr: %v", rel, err)
			return nil
		}
		var want []string
		for _, p := range inv.Packages {
			u := p.PURL()
			want = append(want, strings.TrimSpace(u.Type+" "+strings.TrimPrefix(path.Join(u.Namespace, u.Name), "/"))+" "+strings.TrimPrefix(u.Version, "v"))
		}
		got = append(got, more[filepath.Base(name)]...)
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(slices.Compact(want), slices.Compact(got)); diff != "" {
			t.Errorf("%s: (-scalibr +plimsoll)\n%s", rel, diff)
		}
		compared++
		return nil
	})
	if err != nil || compared < 17 {
		t.Errorf("%d files compared: %v", compared, err)
	}
}

func oracleString(p inventory.Package) string {
	return strings.TrimSpace(p.Type+" "+path.Join(p.Namespace, p.Name)) + " " + strings.TrimPrefix(p.Version, "v")
}
