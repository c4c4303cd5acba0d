package advisorydb_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisorydb"
)

func TestRepositories(t *testing.T) {
	write := func(dir string, swap bool) advisorydb.Manifest {
		b := advisorydb.NewBuilder()
		add := func(id string, cpes ...string) {
			if err := b.Repository(id, cpes); err != nil {
				t.Fatal(err)
			}
		}
		if swap {
			add("rhel-9", "cpe:/o:9")
			add("rhel-8", "cpe:/o:8", "cpe:/a:8")
		} else {
			add("rhel-8", "cpe:/a:8", "cpe:/o:8", "cpe:/a:8")
			add("rhel-9", "cpe:/o:9")
			add("rhel-8", "cpe:/o:8")
		}
		for _, bad := range []string{"", strings.Repeat("x", 5000)} {
			if b.Repository(bad, nil) == nil {
				t.Errorf("took repository %.20q", bad)
			}
		}
		m, err := b.Write(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	dir := t.TempDir()
	m := write(dir, false)
	if d := cmp.Diff(m, write(t.TempDir(), true)); d != "" {
		t.Errorf("another order gives another snapshot: %s", d)
	}
	db, err := advisorydb.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	for id, want := range map[string][]string{"rhel-8": {"cpe:/a:8", "cpe:/o:8"}, "rhel-9": {"cpe:/o:9"}, "rhel": nil} {
		got, ok, err := db.Repository(t.Context(), id)
		if err != nil || ok != (want != nil) || !cmp.Equal(got, want) {
			t.Errorf("%s: %q, %v, %v; want %q", id, got, ok, err, want)
		}
	}
	// A damaged shard is an error and no unknown repository.
	last := m.Shards[len(m.Shards)-1]
	if last.Kind != advisorydb.KindRepositories || last.Packages != 2 {
		t.Fatalf("%+v", last)
	}
	path := filepath.Join(dir, "shards", strings.Replace(last.Digest, ":", "-", 1))
	if err := os.Truncate(path, last.Size-1); err != nil {
		t.Fatal(err)
	}
	other, err := advisorydb.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, ok, err := other.Repository(t.Context(), "rhel-8"); err == nil || ok {
		t.Errorf("a truncated shard: %v, %v", ok, err)
	}
}

func TestNoRepositories(t *testing.T) {
	dir := t.TempDir()
	m, err := advisorydb.NewBuilder().Write(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Shards) != 0 {
		t.Errorf("%d shards", len(m.Shards))
	}
	db, err := advisorydb.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, ok, err := db.Repository(t.Context(), "x"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}
