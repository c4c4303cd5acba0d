package advisorydb

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

func purl(s string) advisory.Component { return advisory.Component{PURL: s} }

// smallStatements use every part of the form.
func smallStatements() []advisory.Statement {
	var out []advisory.Statement
	for i := range 12 {
		s := advisory.Statement{
			Flaw: fmt.Sprintf("CVE-2024-%d", 1000+i%4), Aliases: []string{"GHSA-2345-6789-cfgh", "x"}, Source: "vex-hub-a", Document: "https://a.example/d" + fmt.Sprint(i%2),
			Author: "A", Timestamp: date(2024, 1, 1+i%3).Add(time.Duration(i%2) * time.Second), Status: advisory.StatusNotAffected, Justification: advisory.CodeNotPresent, Impact: "No.",
			Products: []advisory.Product{
				{Component: purl(fmt.Sprintf("pkg:golang/a.example/web@v1.%d", i/4)), Subcomponents: []advisory.Component{purl("pkg:golang/stdlib@v1.20.3"), purl("pkg:golang/b.example/x")}},
				{Component: purl("pkg:golang/A.example/web")},
			},
		}
		out = append(out, s)
	}
	return append(out, advisory.Statement{Flaw: "BUG", Source: "vex-hub-b", Status: advisory.StatusAffected, Action: "Update.", Products: []advisory.Product{
		{Component: advisory.Component{PURL: "pkg:oci/web@sha256:ab?repository_url=a.example/web", CPE: "cpe:/a:acme:web:1", Hashes: []string{"sha1:cd"}}, Subcomponents: []advisory.Component{{Name: "thing"}, {CPE: "cpe:/a:acme:part"}}},
		{Component: advisory.Component{Name: "no key"}},
	}})
}

func statements(t testing.TB, db *DB, key string) []advisory.Statement {
	t.Helper()
	var out []advisory.Statement
	for s, err := range db.Statements(context.Background(), key) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// flat lists statements one product each, so that how they were grouped does not show.
func flat(all []advisory.Statement) []string {
	var out []string
	for _, s := range all {
		ps := s.Products
		for _, p := range ps {
			s.Products = []advisory.Product{p}
			out = append(out, fmt.Sprintf("%+v", s))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestStatements(t *testing.T) {
	all := smallStatements()
	var files [][]byte
	for round := range 3 {
		b := NewBuilder()
		for _, i := range rand.New(rand.NewPCG(1, uint64(round))).Perm(len(all)) {
			for range 1 + round {
				if err := b.Statement(all[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		dir := t.TempDir()
		m, err := b.Write(context.Background(), dir)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(m.Shards, func(s Shard) bool { return s.Kind == KindVEX })
		if at < 0 || m.Shards[at].Name != "vex" || m.Shards[at].Packages != 5 {
			t.Fatalf("%+v", m.Shards)
		}
		file, err := os.ReadFile(filepath.Join(dir, shardPath(m.Shards[at].Digest)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		if !bytes.Equal(file, files[0]) {
			t.Error("the order in which statements are added, or adding them twice, shows")
		}
		if len(m.Sources) != 2 || m.Sources[0].Name != "vex-hub-a" || m.Sources[1].Records != 1+round {
			t.Errorf("%+v", m.Sources)
		}
		db, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		want := slices.Clone(all[:12])
		if d := cmp.Diff(flat(want), flat(statements(t, db, "pkg:golang/a.example/web"))); d != "" {
			t.Error(d)
		}
		image := all[12]
		image.Products = image.Products[:1]
		image.Products[0].Subcomponents = []advisory.Component{{CPE: "cpe:/a:acme:part"}, {Name: "thing"}}
		for _, key := range []string{"pkg:oci/web", "sha256:ab", "cpe:acme:web", "sha1:cd"} {
			if d := cmp.Diff(flat([]advisory.Statement{image}), flat(statements(t, db, key))); d != "" {
				t.Errorf("%s: %s", key, d)
			}
		}
		if got := statements(t, db, "pkg:golang/stdlib"); len(got) > 0 {
			t.Errorf("%+v", got)
		}
		if err := db.Verify(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// A builder without statements makes the snapshot it always made.
func TestNoStatements(t *testing.T) {
	dir := t.TempDir()
	m, err := NewBuilder().Write(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(m.Shards, func(s Shard) bool { return s.Kind == KindVEX }) {
		t.Error("there is a shard of statements")
	}
	db, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := statements(t, db, "pkg:npm/x"); len(got) > 0 {
		t.Error(got)
	}
	db.Close()
	for _, err := range db.Statements(t.Context(), "pkg:npm/x") {
		if err != ErrClosed {
			t.Error(err)
		}
	}
}

func TestStatementRefused(t *testing.T) {
	ok := func(f func(*advisory.Statement)) advisory.Statement {
		s := advisory.Statement{Flaw: "CVE-2024-1", Source: "hub", Products: []advisory.Product{{Component: purl("pkg:npm/x")}}}
		f(&s)
		return s
	}
	long := strings.Repeat("x", maxString+1)
	for name, s := range map[string]advisory.Statement{
		"no flaw":         ok(func(s *advisory.Statement) { s.Flaw = "" }),
		"no source":       ok(func(s *advisory.Statement) { s.Source = "" }),
		"an escape":       ok(func(s *advisory.Statement) { s.Source = "\x1b" }),
		"no product":      ok(func(s *advisory.Statement) { s.Products = nil }),
		"no key":          ok(func(s *advisory.Statement) { s.Products[0].Component = advisory.Component{Name: "x"} }),
		"a long author":   ok(func(s *advisory.Statement) { s.Author = long }),
		"a long part":     ok(func(s *advisory.Statement) { s.Products[0].Subcomponents = []advisory.Component{{Name: long}} }),
		"a year":          ok(func(s *advisory.Statement) { s.Timestamp = date(12345, 1, 1) }),
		"many subcomp.":   ok(func(s *advisory.Statement) { s.Products[0].Subcomponents = make([]advisory.Component, maxIDs+1) }),
		"many products":   ok(func(s *advisory.Statement) { s.Products = make([]advisory.Product, maxAffected+1) }),
		"a long identity": ok(func(s *advisory.Statement) { s.Products[0].Component = purl("pkg:npm/" + long) }),
	} {
		if err := NewBuilder().Statement(s); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
