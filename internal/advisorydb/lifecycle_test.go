package advisorydb

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

func TestEndOfLife(t *testing.T) {
	b := NewBuilder()
	db := open(t, b, t.TempDir())
	if e, ok, err := db.EndOfLife(t.Context(), "debian 12"); ok || err != nil {
		t.Errorf("a snapshot that knows none: %+v %v %v", e, ok, err)
	}
	for _, s := range db.Manifest().Shards {
		if s.Kind == KindLifecycle {
			t.Error("a snapshot that knows none has a shard for them")
		}
	}
	want := map[string]advisory.Lifecycle{
		"debian 12":    {End: "2028-06-30"},
		"ubuntu 22.04": {End: "2027-04-01", Extended: "2032-04-09"},
		"photon 5.0":   {},
	}
	for key, e := range want {
		if err := b.EndOfLife(key, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.EndOfLife("debian 12", advisory.Lifecycle{End: "2026-07-11"}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	db = open(t, b, dir)
	for key, want := range want {
		if e, ok, err := db.EndOfLife(t.Context(), key); !ok || err != nil || e != want {
			t.Errorf("%s: %+v %v %v, want %+v", key, e, ok, err, want)
		}
	}
	if e, ok, err := db.EndOfLife(t.Context(), "debian 1"); ok || err != nil {
		t.Errorf("debian 1: %+v %v %v", e, ok, err)
	}
	if err := db.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"no name":      b.EndOfLife("", advisory.Lifecycle{}),
		"long name":    b.EndOfLife(strings.Repeat("x", 300), advisory.Lifecycle{}),
		"a terminal's": b.EndOfLife("debian\x1b 12", advisory.Lifecycle{}),
		"no date":      b.EndOfLife("debian 12", advisory.Lifecycle{End: "soon"}),
		"no end":       b.EndOfLife("debian 12", advisory.Lifecycle{Extended: "2028-6-30"}),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	// Damage ends in an error.
	path := shardFiles(t, dir, db.Manifest())["lifecycle"]
	db.Close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		db, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range want {
			if e, ok, err := db.EndOfLife(t.Context(), key); err == nil && (!ok || e != want) {
				t.Errorf("byte %d changed: %s is %+v %v", i, key, e, ok)
			}
		}
		db.Close()
	}
	if _, _, err := db.EndOfLife(t.Context(), "debian 12"); err == nil {
		t.Error("a closed snapshot answers")
	}
}
