package extract

import (
	"context"
	"fmt"
	"testing"

	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// BenchmarkLanguagesWant asks all extractors about 100,000 entries per operation.
func BenchmarkLanguagesWant(b *testing.B) {
	all := languages()
	entries := make([]rootfs.Entry, 0, 100_000)
	forms := []string{"usr/lib/x86_64-linux-gnu/lib%d.so.1", "app/node_modules/p%d/lib/index.js", "app/node_modules/p%d/package.json",
		"usr/lib/python3/dist-packages/m%d/__init__.py", "usr/share/doc/p%d/copyright", "usr/lib/python3/dist-packages/m%d/data.json",
		"usr/share/zoneinfo/Z%d/Berlin", "app/node_modules/p%d/README.md", "app/node_modules/p%d/dist/index.d.ts", "usr/share/locale/l%d/LC_MESSAGES/x.mo"}
	for i := range cap(entries) {
		entries = append(entries, rootfs.Entry{Path: fmt.Sprintf(forms[i%len(forms)], i), Kind: rootfs.Regular, Mode: 0o644, Size: 1000})
	}
	wanted := 0
	b.ReportAllocs()
	for b.Loop() {
		wanted = 0
		for i := range entries {
			for j := range all {
				if all[j].Want(entries[i]) {
					wanted++
				}
			}
		}
	}
	if wanted != 10_000 {
		b.Fatalf("%d entries are wanted", wanted)
	}
}

// BenchmarkNodePackages reads 20,000 package.json files per operation.
func BenchmarkNodePackages(b *testing.B) {
	body := []byte(`{
  "name": "@scope/package", "version": "1.2.3", "description": "A package for benchmarks with \"quotes\" in its description",
  "main": "index.js", "types": "index.d.ts", "scripts": {"test": "mocha test/*.js", "lint": "eslint ."},
  "repository": {"type": "git", "url": "https://example.com/x.git"}, "keywords": ["lock", "bench", "mark"],
  "author": "Somebody", "license": "MIT", "bugs": {"url": "https://example.com/x/issues"}, "homepage": "https://example.com",
  "dependencies": {"a": "^1.0.0", "b": "^2.0.0", "c": "~3.1.0"}, "devDependencies": {"clone": "^1.0.2", "mocha": "^2.2.5", "x": "*"},
  "exports": {".": {"import": "./index.mjs", "require": "./index.js"}, "./package.json": "./package.json"}, "engines": {"node": ">=14"}
}`)
	ctx := context.Background()
	e := rootfs.Entry{Path: "app/node_modules/@scope/package/package.json", Kind: rootfs.Regular}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)) * 20_000)
	for b.Loop() {
		for range 20_000 {
			if frag, err := nodePackage.Extract(ctx, rootfs.NewFile(ctx, e, body)); err != nil || len(frag.Packages) != 1 {
				b.Fatal(frag, err)
			}
		}
	}
}
