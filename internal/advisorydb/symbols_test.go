package advisorydb

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/plimsoll/plimsoll/internal/advisory"
	"github.com/plimsoll/plimsoll/internal/version"
)

func TestSymbols(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(
			rapid.SampledFrom([]string{"1.2.3-4.el9_2", "1.2.3-4.el9_4.alma.1", "lib", "python3-", "-devel", "\x00\x1f\x7f\x80\xff", "ü", ""}),
			rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		all := rapid.SliceOfN(word, 0, 200).Draw(t, "strings")
		y := learnSymbols(all)
		list := make([][]byte, len(y.list))
		for i, s := range y.list {
			if len(s) < 2 || len(s) > maxSymbol {
				t.Fatalf("%q is no symbol", s)
			}
			list[i] = []byte(s)
		}
		for _, s := range append(all, word.Draw(t, "another")) {
			enc := y.append(nil, s)
			if got, ok := expand(nil, list, enc, math.MaxInt); !ok || string(got) != s || len(enc) > 2*len(s) {
				t.Fatalf("%q is read as %q, %v", s, got, ok)
			}
		}
	})
}

func TestSymbolsSave(t *testing.T) {
	var all []string
	for i := range 4000 {
		all = append(all, fmt.Sprintf("%d.%d-150400.3.%d.1.module_el8.6.0+%d", i%7, i%13, i%31, i))
	}
	y, raw, enc := learnSymbols(all), 0, 0
	for _, s := range all {
		raw += len(s)
		enc += len(y.append(nil, s))
	}
	if enc*3 > raw {
		t.Errorf("%d bytes of versions take %d", raw, enc)
	}
	if y := learnSymbols([]string{"one", "two"}); len(y.list) != 0 {
		t.Errorf("symbols for two words: %q", y.list)
	}
}

func TestExpandDamaged(t *testing.T) {
	list := [][]byte{[]byte("ab")}
	for enc, want := range map[string]string{"x\x00y": "xaby", "\x1f\x00": "\x00", "\x1f": "?", "\x01": "?", "\x80": "?", "\xff": "?"} {
		if got, ok := expand(nil, list, []byte(enc), math.MaxInt); ok != (want != "?") || ok && string(got) != want {
			t.Errorf("%q is read as %q, %v", enc, got, ok)
		}
	}
}

func TestDays(t *testing.T) {
	for _, d := range []int64{-719162, -1, 0, 1, dayEpoch - 1, dayEpoch, dayEpoch + 1, 20000, 2932896} {
		c := cursor{b: appendDay(nil, d)}
		if got := c.day(); got != d || c.bad || len(c.rest()) > 0 {
			t.Errorf("day %d is read as %d", d, got)
		}
	}
	if n := len(appendDay(nil, dayOf(date(2030, 1, 1)))); n != 2 {
		t.Errorf("a day of our time takes %d bytes", n)
	}
	if got := dayTime(dayOf(date(1969, 12, 31).Add(1))); !got.Equal(date(1969, 12, 31)) {
		t.Errorf("the day before the epoch is %v", got)
	}
}

// TestSharedBodies: of packages of which the same is said, one body is kept, and each is
// found however far apart they are.
func TestSharedBodies(t *testing.T) {
	size := func(vary bool) (int64, *DB) {
		b := NewBuilder()
		for i := range 40 {
			a := advisory.Advisory{ID: fmt.Sprintf("RHSA-2024:%d", i), Source: "s", Related: []string{"CVE-2024-1"}}
			for j := range 500 {
				fixed := fmt.Sprint(i, ".1")
				if vary {
					fixed = fmt.Sprint(i, ".", j)
				}
				a.Affected = append(a.Affected, advisory.Affected{Ecosystem: "e", Package: fmt.Sprintf("%c%d", 'a'+j%26, j),
					Ranges: []version.Interval{{Introduced: "0", Fixed: fixed}}})
			}
			if err := b.Add(a); err != nil {
				t.Fatal(err)
			}
		}
		dir := t.TempDir()
		m, err := b.Write(context.Background(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return m.Shards[0].Size, open(t, b, dir)
	}
	same, db := size(false)
	if different, _ := size(true); same*5 > different {
		t.Errorf("%d bytes where all say the same, %d where none do", same, different)
	}
	for j := range 500 {
		got := mustLookup(t, db, "e", fmt.Sprintf("%c%d", 'a'+j%26, j))
		if len(got) != 40 || !strings.HasSuffix(got[7].Affected[0].Ranges[0].Fixed, ".1") {
			t.Fatalf("package %d has %d advisories", j, len(got))
		}
	}
}
