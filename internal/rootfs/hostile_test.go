package rootfs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// header makes a ustar header by hand, for what archive/tar refuses to write. A size
// over 8 GiB, or below zero, is written in base 256.
func header(name string, typ byte, size int64, more ...func([]byte)) []byte {
	h := make([]byte, 512)
	copy(h[:100], name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[136:], "00000000000\x00")
	number(h[124:136], size)
	h[156] = typ
	copy(h[257:], "ustar\x0000")
	for _, f := range more {
		f(h)
	}
	return checksum(h)
}

func number(field []byte, n int64) {
	if n >= 0 && n < 1<<33 {
		copy(field, fmt.Sprintf("%011o\x00", n))
		return
	}
	for i := len(field) - 1; i >= 0; i-- {
		field[i] = byte(n)
		n >>= 8
	}
	field[0] |= 0x80
}

func checksum(h []byte) []byte {
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// blocks pads b to whole blocks.
func blocks(b []byte) []byte { return append(b, make([]byte, (512-len(b)%512)%512)...) }

// pax makes an extended header of key, value pairs.
func pax(typ byte, records ...string) []byte {
	var b []byte
	for i := 0; i < len(records); i += 2 {
		rec := fmt.Sprintf(" %s=%s\n", records[i], records[i+1])
		n := len(rec) + 1
		for len(fmt.Sprint(n))+len(rec) != n {
			n++
		}
		b = append(b, fmt.Sprint(n)+rec...)
	}
	return slices.Concat(header("pax", typ, int64(len(b))), blocks(b))
}

// gnuLong makes a GNU header that holds the next entry's name ('L') or link ('K').
func gnuLong(typ byte, name string) []byte {
	b := []byte(name + "\x00")
	return slices.Concat(header("././@LongLink", typ, int64(len(b)), gnu), blocks(b))
}

func gnu(h []byte) { copy(h[257:], "ustar  \x00") }

// sparse entries of one byte and a hole up to size, as GNU tar writes them.
func sparsePAX(name string, size int64) []byte {
	body := append(blocks([]byte("1\n0\n1\n")), 'x')
	return slices.Concat(
		pax('x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", name, "GNU.sparse.realsize", fmt.Sprint(size)),
		header("GNUSparseFile.0/"+name, '0', int64(len(body))), blocks(body))
}

func sparseGNU(name string, size int64) []byte {
	return slices.Concat(header(name, 'S', 1, gnu, func(h []byte) {
		number(h[386:398], 0)
		number(h[398:410], 1)
		number(h[483:495], size)
	}), blocks([]byte("x")))
}

func end() []byte { return make([]byte, 1024) }

func file(name, body string) []byte {
	return slices.Concat(header(name, '0', int64(len(body))), blocks([]byte(body)))
}

// read reads a layer as a whole with a visitor that streams every file, and fails the
// test if that takes long.
func read(t *testing.T, lim rootfs.Limits, blob []byte, vs ...rootfs.Visitor) (*rootfs.Changes, error) {
	t.Helper()
	return readFrom(t, lim, layerOf(blob, ""), vs...)
}

func readFrom(t *testing.T, lim rootfs.Limits, l image.Layer, vs ...rootfs.Visitor) (*rootfs.Changes, error) {
	t.Helper()
	type result struct {
		c   *rootfs.Changes
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := rootfs.NewReader(lim).Layer(t.Context(), l, vs...)
		done <- result{c, err}
	}()
	select {
	case r := <-done:
		return r.c, r.err
	case <-time.After(5 * time.Minute):
		t.Fatal("reading the layer hangs")
		return nil, nil
	}
}

// streamer reads bodies in pieces and counts the bytes.
func streamer(n *int64) rootfs.Visitor {
	return rootfs.Visitor{Want: all, Visit: func(_ context.Context, f *rootfs.File) error {
		m, err := io.Copy(io.Discard, io.LimitReader(f, 1<<62))
		*n += m
		return err
	}}
}

// TestHostileTars: what cannot be read is an error or a Problem, and the rest is found.
func TestHostileTars(t *testing.T) {
	after := slices.Concat(file("after", "z"), end())
	good := []string{"after"}
	tests := []struct {
		name string
		tar  []byte
		err  string   // the layer ends in this error
		say  string   // or with this Problem
		want []string // or fine; paths found either way, nil for any
	}{
		{"garbage", bytes.Repeat([]byte("no tar "), 200), "tar header 1", "", nil},
		{"wrong checksum", slices.Concat(file("a", "a")[:100], []byte("9"), file("a", "a")[101:], after), "tar header 1", "", nil},
		{"negative size", slices.Concat(header("a", '0', -1), after), "tar header 1", "", nil},
		{"very negative size", slices.Concat(header("a", '0', -1<<62), after), "tar header 1", "", nil},
		{"size beyond the end", slices.Concat(header("a", '0', 1<<50), after), "unexpected EOF", "", nil},
		{"largest size", slices.Concat(header("a", '0', 1<<63-1), after), "", "", nil},
		{"PAX size beyond the end", slices.Concat(pax('x', "size", "1152921504606846976"), file("a", "a"), after), "unexpected EOF", "", nil},
		{"PAX size negative", slices.Concat(pax('x', "size", "-1"), file("a", "a"), after), "tar header 1", "", nil},
		{"PAX size no number", slices.Concat(pax('x', "size", "many"), file("a", "a"), after), "tar header 1", "", nil},
		{"PAX size true", slices.Concat(pax('x', "size", "3"), header("a", '0', 0), blocks([]byte("abc")), after), "", "", []string{"a", "after"}},
		{"PAX record longer than its header", slices.Concat(header("pax", 'x', 20), blocks([]byte("99999999 path=a\n")), file("a", "a"), after), "tar header 1", "", nil},
		{"PAX header without an entry", slices.Concat(file("after", "z"), pax('x', "path", "b"), end()), "", "", good},
		{"PAX header cut short", pax('x', "path", "b")[:516], "EOF", "", nil},
		{"PAX name over the limit", slices.Concat(pax('x', "path", strings.Repeat("n", 100_000)), file("a", "a"), after), "", "a path is longer than", good},
		{"PAX name beyond all", slices.Concat(pax('x', "path", strings.Repeat("n", 3<<20)), file("a", "a"), after), "tar header 1", "", nil},
		{"PAX link over the limit", slices.Concat(pax('x', "linkpath", strings.Repeat("n", 100_000)), header("a", '2', 0), after), "", "a path is longer than", good},
		{"GNU name over the limit", slices.Concat(gnuLong('L', strings.Repeat("n", 100_000)), file("a", "a"), after), "", "a path is longer than", good},
		{"GNU name beyond all", slices.Concat(gnuLong('L', strings.Repeat("n", 3<<20)), file("a", "a"), after), "tar header 1", "", nil},
		{"GNU name of a lying size", slices.Concat(header("././@LongLink", 'L', 1<<40, gnu), after), "tar header 1", "", nil},
		{"GNU link over the limit", slices.Concat(gnuLong('K', strings.Repeat("n", 100_000)), header("a", '2', 0), after), "", "a path is longer than", good},
		{"NUL in a PAX name", slices.Concat(pax('x', "path", "a\x00b"), file("a", "a"), after), "tar header 1", "", nil},
		{"NUL in a GNU name", slices.Concat(gnuLong('L', "b\x00c"), file("a", "a"), after), "", "", []string{"after", "b"}},
		{"NUL in a name", slices.Concat(file("a\x00b", "a"), after), "", "", []string{"a", "after"}},
		{"no name", slices.Concat(file("", "a"), after), "", "", good},
		{"global PAX header does not rename", slices.Concat(pax('g', "path", "evil"), file("a", "a"), after), "", "", []string{"a", "after"}},
		{"case", slices.Concat(file("Lib/f", "1"), file("lib/f", "2"), file("LIB/F", "3"), after), "", "", []string{"LIB/F", "Lib/f", "after", "lib/f"}},
		{"tar within", slices.Concat(file("inner.tar", string(slices.Concat(file("hidden", "h"), end()))), after), "", "", []string{"after", "inner.tar"}},
		{"cut in a body", file("a", strings.Repeat("a", 2000))[:1000], "EOF", "", nil},
		{"no end", file("after", "z"), "", "", good},
		{"entries after the end", slices.Concat(file("after", "z"), end(), file("hidden", "h"), end()), "", "", good},
		{"link with a body", slices.Concat(header("a", '2', 512), make([]byte, 512), after), "", "", nil},
		{"folder with a body", slices.Concat(header("d", '5', 1<<40), after), "", "", nil},
		{"sparse, no map", slices.Concat(pax('x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "9"), header("a", '0', 0), after), "EOF", "", nil},
		{"sparse, map of a million parts", slices.Concat(pax('x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "9"), file("a", strings.Repeat("1000000000\n", 200)), after), "tar header 1", "", nil},
		{"sparse of negative size", slices.Concat(sparsePAX("a", -5), after), "tar header 1", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var n int64
			c, err := read(t, rootfs.DefaultLimits(), tt.tar, streamer(&n))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil && tt.want != nil {
				t.Fatal(err)
			}
			if said := fmt.Sprint(c.Problems); !strings.Contains(said, tt.say) || tt.say == "" && len(c.Problems) > 0 {
				t.Errorf("problems %s, want %q", said, tt.say)
			}
			var got []string
			for e := range c.Entries.All() {
				got = append(got, e.Path)
			}
			slices.Sort(got)
			if d := cmp.Diff(tt.want, got); tt.want != nil && d != "" {
				t.Error(d)
			}
		})
	}
}

// TestSparse: a hole costs nobody anything unless it is read, and then it counts.
func TestSparse(t *testing.T) {
	const tb = 1 << 40
	for _, kind := range []struct {
		name string
		make func(string, int64) []byte
	}{{"PAX", sparsePAX}, {"GNU", sparseGNU}} {
		t.Run(kind.name, func(t *testing.T) {
			small := slices.Concat(kind.make("hole", 1000), file("after", "z"), end())
			got := map[string]string{}
			if _, err := read(t, rootfs.DefaultLimits(), small, bodies(got, all)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(map[string]string{"hole": "x" + strings.Repeat("\x00", 999), "after": "z"}, got); d != "" {
				t.Error(d)
			}

			large := slices.Concat(kind.make("hole", tb), file("after", "z"), end())
			clear(got)
			c, err := read(t, rootfs.DefaultLimits(), large, bodies(got, func(e rootfs.Entry) bool { return e.Path == "after" }))
			if err != nil || len(c.Problems) > 0 || got["after"] != "z" {
				t.Errorf("unwanted: %v %+v %q", err, c.Problems, got)
			}
			if e, _ := c.Find("hole"); e.Size != tb {
				t.Errorf("size %d", e.Size)
			}
			whole := rootfs.Visitor{Want: all, Visit: func(_ context.Context, f *rootfs.File) error {
				if _, err := f.Bytes(); f.Path == "hole" && !errors.Is(err, rootfs.ErrTooLarge) {
					t.Errorf("Bytes of %s: %v", f.Path, err)
				}
				return nil
			}}
			if _, err := read(t, rootfs.DefaultLimits(), large, whole); err != nil {
				t.Error(err)
			}
			lim := rootfs.DefaultLimits()
			lim.Total = 64 << 20
			for visitors := 1; visitors <= 2; visitors++ {
				var a, b int64
				c, err := read(t, lim, large, []rootfs.Visitor{streamer(&a), streamer(&b)}[:visitors]...)
				if err != nil || len(c.Problems) != 1 || !c.Problems[0].Limit {
					t.Errorf("streamed to %d: %v %+v", visitors, err, c.Problems)
				}
				if a > 2*lim.Total {
					t.Errorf("streamed to %d: %d bytes were read", visitors, a)
				}
			}
			// The ratio bounds it too, whatever the total.
			lim = rootfs.DefaultLimits()
			lim.Total, lim.RatioAfter = 0, 64<<20
			var n int64
			if c, err := read(t, lim, large, streamer(&n)); err != nil || len(c.Problems) != 1 || !c.Problems[0].Limit {
				t.Errorf("ratio: %v %+v, %d bytes read", err, c.Problems, n)
			}
			// Many holes that each fit into memory.
			lim = rootfs.DefaultLimits()
			lim.Total = 256 << 20
			many := slices.Concat(bytes.Repeat(kind.make("hole", 32<<20), 40), end())
			held := rootfs.Visitor{Want: all, Visit: func(_ context.Context, f *rootfs.File) error {
				b, err := f.Bytes()
				n += int64(len(b))
				return err
			}}
			n = 0
			if c, err := read(t, lim, many, held); err != nil || len(c.Problems) != 1 || n > 2*lim.Total {
				t.Errorf("many: %v %+v, %d bytes read", err, c.Problems, n)
			}
		})
	}
}

// TestHostileCompression: each ends in an error or Problem, soon.
func TestHostileCompression(t *testing.T) {
	plain := slices.Concat(file("a", strings.Repeat("some text ", 300)), end())
	zst, gz := imagetest.Compress(t, plain, imagetest.Zstd), imagetest.Compress(t, plain, imagetest.Gzip)
	skip := []byte{0x5a, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 's', 'k', 'i', 'p'}
	tests := []struct {
		name string
		blob []byte
		ok   bool
	}{
		{"empty", nil, true}, // an empty tar is one with nothing in it
		{"gzip magic alone", []byte{0x1f, 0x8b}, false},
		{"gzip of an unknown method", slices.Concat([]byte{0x1f, 0x8b, 7}, gz[3:]), false},
		{"gzip with a name without end", slices.Concat([]byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255}, bytes.Repeat([]byte("n"), 1<<20)), false},
		{"gzip with an extra field that is not there", []byte{0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 255, 255}, false},
		{"gzip with wrong checksum", slices.Concat(gz[:len(gz)-8], []byte{1, 2, 3, 4}, gz[len(gz)-4:]), false},
		{"gzip, then garbage", slices.Concat(gz, []byte("garbage")), false},
		{"gzip, then gzip of nothing", slices.Concat(gz, imagetest.Compress(t, nil, imagetest.Gzip)), true},
		{"zstd magic alone", zst[:4], false},
		{"zstd with a window of 3.75 TiB", []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 1, 0, 0}, false},
		{"zstd with a window of 1 GiB", []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 20 << 3, 1, 0, 0}, false},
		{"zstd that says it holds 2^63 bytes", slices.Concat([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0}, []byte{0, 0, 0, 0, 0, 0, 0, 0x80}, []byte{1, 0, 0}), false},
		{"zstd with a dictionary", []byte{0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 1, 1, 0, 0}, false},
		{"zstd, then garbage", slices.Concat(zst, []byte("garbage")), false},
		{"zstd after a frame to skip", slices.Concat(skip, zst), true},
		{"zstd in two frames", slices.Concat(imagetest.Compress(t, plain[:700], imagetest.Zstd), skip, imagetest.Compress(t, plain[700:], imagetest.Zstd)), true},
		{"zstd frame to skip of 4 GiB", []byte{0x50, 0x2a, 0x4d, 0x18, 255, 255, 255, 255, 0}, false},
		{"zstd in gzip", imagetest.Compress(t, zst, imagetest.Gzip), false},
		{"bzip2", []byte("BZh91AY&SY"), false},
		{"xz", []byte{0xfd, '7', 'z', 'X', 'Z', 0}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var n int64
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			c, err := read(t, rootfs.DefaultLimits(), tt.blob, streamer(&n))
			runtime.ReadMemStats(&after)
			if got := err == nil && len(c.Problems) == 0; got != tt.ok {
				t.Errorf("error %v, problems %v", err, c.Problems)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 64<<20 {
				t.Errorf("%d MiB were allocated for a blob of %d bytes", got>>20, len(tt.blob))
			}
		})
	}
	for name, blob := range map[string][]byte{"gzip": gz, "zstd": zst} {
		for n := 4; n < len(blob); n++ {
			// No digest: what is told is that the stream ends early.
			l := image.Layer{Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(blob[:n])), nil }}
			if c, err := readFrom(t, rootfs.DefaultLimits(), l); err == nil && len(c.Problems) == 0 {
				t.Errorf("%s cut after %d of %d bytes: no error", name, n, len(blob))
			}
		}
	}
}

// TestBombs: small blobs of much content end in a Problem long before all is read.
func TestBombs(t *testing.T) {
	zero := func(c imagetest.Compression, times int) []byte {
		one := imagetest.Compress(t, make([]byte, 16<<20), c)
		return slices.Concat(imagetest.Compress(t, header("zero", '0', 1<<60), c), bytes.Repeat(one, times))
	}
	lim := rootfs.DefaultLimits()
	lim.RatioAfter = 64 << 20
	for _, c := range []imagetest.Compression{imagetest.Gzip, imagetest.Zstd} {
		t.Run(string(c), func(t *testing.T) {
			blob := zero(c, 64) // 1 GiB
			var n int64
			ch, err := read(t, lim, blob, streamer(&n))
			if err != nil || len(ch.Problems) != 1 || !strings.Contains(ch.Problems[0].What, "times its size") {
				t.Errorf("%v %+v", err, ch.Problems)
			}
			if n > 200<<20 {
				t.Errorf("%d MiB were read", n>>20)
			}
		})
	}
}

// tiny is a tar of n empty files, made while it is read.
type tiny struct {
	n, i int
	rest []byte
	head []byte
}

func (r *tiny) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.i == r.n {
			return 0, io.EOF
		}
		copy(r.head, fmt.Appendf(nil, "%04d/some-folder-%03d/file-%09d.js", r.i%10_000, r.i%1000, r.i))
		r.rest = checksum(r.head)
		r.i++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestMillionEntries(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	l := image.Layer{Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(&tiny{n: n, head: header("", '0', 0)}), nil
	}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	c, err := readFrom(t, rootfs.DefaultLimits(), l)
	if err != nil || len(c.Problems) > 0 || c.Entries.Len() != n {
		t.Fatalf("%v, %+v, %d entries", err, c.Problems, c.Entries.Len())
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	t.Logf("%d entries: %v, %d MiB allocated", n, took, (after.TotalAlloc-before.TotalAlloc)>>20)
	if got := (after.TotalAlloc - before.TotalAlloc) / uint64(n); got > 2000 && !raceDetector {
		t.Errorf("%d bytes were allocated for each entry", got)
	}
	start = time.Now()
	v := rootfs.NewView([]*rootfs.Changes{c, c, c})
	for e := range c.Entries.All() {
		if v.Visible(0, e.Path) || !v.Visible(2, e.Path) {
			t.Fatalf("%s: the topmost of three is the one that is seen", e.Path)
		}
	}
	t.Logf("asking a View for each: %v", time.Since(start))
}

// TestEndlessHeaders: headers that bring no entry are bounded as well.
func TestEndlessHeaders(t *testing.T) {
	lim := rootfs.DefaultLimits()
	lim.Total = 32 << 20
	for name, h := range map[string][]byte{
		"global":  pax('g', "comment", "x"),
		"PAX":     pax('x', "comment", "x"),
		"GNU":     gnuLong('L', "x"),
		"unknown": header("x", 'V', 0),
	} {
		l := image.Layer{Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(&repeat{b: h}), nil
		}}
		c, err := readFrom(t, lim, l)
		if err != nil || len(c.Problems) == 0 || !c.Problems[len(c.Problems)-1].Limit {
			t.Errorf("%s: %v %+v", name, err, c.Problems)
		}
	}
}

// repeat gives b again and again, without end.
type repeat struct {
	b []byte
	i int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.b[r.i:])
	r.i = (r.i + n) % len(r.b)
	return n, nil
}
