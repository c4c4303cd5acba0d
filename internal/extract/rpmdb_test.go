package extract

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// rpmSizes are lengths of blobs around the bounds at which containers store them
// differently.
var rpmSizes = []int{1, 30, 100, 450, 470, 476, 477, 478, 500, 1000, 4030, 4050, 4061, 4062, 4096, 8192, 20_000, 65_500, 65_536, 300_000}

// rpmNoise gives a blob of this length that no other resembles.
func rpmNoise(i, size int) []byte {
	b := make([]byte, size)
	for j := range b {
		b[j] = byte(i*31 + j*7 + j>>8*13)
	}
	return b
}

// rpmCollect gives copies of all blobs of a database, sorted.
func rpmCollect(db []byte) ([][]byte, error) {
	var out [][]byte
	err := rpmBlobs(db, func(b []byte) error {
		out = append(out, bytes.Clone(b))
		return nil
	})
	slices.SortFunc(out, bytes.Compare)
	return out, err
}

// rpmMakeSqlite makes a database with the sqlite3 program.
func rpmMakeSqlite(t *testing.T, page, reserved int, blobs ...[]byte) []byte {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "rpmdb.sqlite")
	var sql strings.Builder
	fmt.Fprintf(&sql, ".filectrl reserve_bytes %d\nPRAGMA page_size=%d;\nVACUUM;\nPRAGMA synchronous=OFF;\nBEGIN;\n", reserved, page)
	for i := range 40 { // more tables than fit one page of the schema
		fmt.Fprintf(&sql, "CREATE TABLE 'Index%d' (key 'TEXT' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL);\n", i)
	}
	sql.WriteString("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);\n")
	for i, b := range blobs {
		fmt.Fprintf(&sql, "INSERT INTO Packages VALUES(%d, x'%x');\n", 1+i*i*1000, b)
	}
	sql.WriteString("COMMIT;\n")
	cmd := exec.Command(imagetest.Tool(t, "sqlite3"), file)
	cmd.Stdin = strings.NewReader(sql.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("running sqlite3: %v\n%s", err, out)
	}
	db, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// Every page size, with and without reserved bytes, with payloads on both sides of
// what fits a page, and trees deeper than one level.
func TestRPMSqlitePages(t *testing.T) {
	for _, c := range []struct{ page, reserved int }{{512, 0}, {512, 32}, {1024, 0}, {4096, 0}, {4096, 16}, {65536, 0}} {
		t.Run(fmt.Sprintf("%d-%d", c.page, c.reserved), func(t *testing.T) {
			var blobs [][]byte
			for i := range 300 {
				blobs = append(blobs, rpmNoise(i, rpmSizes[i%14]+i%5))
			}
			for i, size := range rpmSizes {
				blobs = append(blobs, rpmNoise(i+7, size))
			}
			for size := c.page - 80; size < c.page; size++ {
				blobs = append(blobs, rpmNoise(size, size))
			}
			db := rpmMakeSqlite(t, c.page, c.reserved, blobs...)
			if page := int(binary.BigEndian.Uint16(db[16:])); page != c.page&0xffff|c.page>>16 || int(db[20]) != c.reserved {
				t.Fatalf("sqlite3 made pages of %d bytes, %d reserved", page, db[20])
			}
			got, err := rpmCollect(db)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(blobs, bytes.Compare)
			if !slices.EqualFunc(blobs, got, bytes.Equal) {
				t.Errorf("%d blobs read of %d, or their bytes differ", len(got), len(blobs))
			}
		})
	}
}

// Packages made by a test, stored by rpm, read back.
func TestRPMSqliteImport(t *testing.T) {
	var list []byte
	for i := range 300 {
		more := []rpmTag{rpmTagInts(1006, rpmInt32, uint32(i))} // build time
		if i%3 == 0 {
			more = append(more, rpmTagInts(rpmTagEpoch, rpmInt32, uint32(i)))
		}
		if i%5 == 0 {
			more = append(more, rpmTagText(rpmTagModularity, fmt.Sprintf("mod:%d:1:x", i)))
		}
		if i%2 == 0 {
			more = append(more, rpmTagText(1005, strings.Repeat("long description ", i*3)))
		}
		list = append(append(list, 0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0), rpmSimple(fmt.Sprintf("pkg%d", i), more...)...)
	}
	dir := rpmImport(t, list)
	db, err := os.ReadFile(filepath.Join(dir, "rpmdb.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	hs, _ := rpmHeadersOf(t, db)
	if len(hs) != 300 {
		t.Errorf("%d headers, want 300", len(hs))
	}
	if d := cmp.Diff(rpmQuery(t, dir, "sqlite"), rpmLines(hs)); d != "" {
		t.Errorf("rpm (-) against ours (+):\n%s", d)
	}
}

// rpmMakeBdb makes a Berkeley DB with the library itself, through Perl.
func rpmMakeBdb(t *testing.T, order, page int, blobs ...[]byte) []byte {
	t.Helper()
	perl := imagetest.Tool(t, "perl")
	dir := t.TempDir()
	var in []byte
	for _, b := range blobs {
		in = append(binary.BigEndian.AppendUint32(in, uint32(len(b))), b...)
	}
	cmd := exec.Command(perl, "-MDB_File", "-e", `
		my ($file, $order, $page) = @ARGV;
		my $h = DB_File::HASHINFO->new;
		$h->{lorder} = $order; $h->{bsize} = $page;
		my $db = tie my %t, "DB_File", $file, O_RDWR|O_CREAT, 0600, $h or die "making $file: $!";
		binmode STDIN;
		my $pack = $order == 4321 ? "N" : "V";
		my $i = 0;
		$db->put(pack($pack, 0), pack($pack, 9999));
		while (read(STDIN, my $l, 4) == 4) {
			read(STDIN, my $b, unpack("N", $l));
			$db->put(pack($pack, ++$i), $b);
			$db->put(pack($pack, $i + 100000), "x" x 9000);
		}
		# Deleting leaves free pages and gaps behind.
		$db->del(pack($pack, $_ + 100000)) for 1..$i;
		undef $db; untie %t;`, filepath.Join(dir, "Packages"), fmt.Sprint(order), fmt.Sprint(page))
	cmd.Stdin = bytes.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("running perl: %v\n%s", err, out)
	}
	db, err := os.ReadFile(filepath.Join(dir, "Packages"))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestRPMBdbPages(t *testing.T) {
	for _, order := range []int{1234, 4321} {
		for _, page := range []int{512, 4096, 32768} {
			t.Run(fmt.Sprintf("%d-%d", order, page), func(t *testing.T) {
				var blobs [][]byte
				for i := range 200 {
					blobs = append(blobs, rpmNoise(i, rpmSizes[i%18]+i%5))
				}
				db := rpmMakeBdb(t, order, page, blobs...)
				big := binary.BigEndian.Uint32(db[12:]) == bdbHashMagic
				if big != (order == 4321) {
					t.Fatalf("the database has the wrong byte order")
				}
				got, err := rpmCollect(db)
				if err != nil {
					t.Fatal(err)
				}
				slices.SortFunc(blobs, bytes.Compare)
				if !slices.EqualFunc(blobs, got, bytes.Equal) {
					t.Errorf("%d blobs read of %d, or their bytes differ", len(got), len(blobs))
				}
			})
		}
	}
}

// Real headers, put into a Berkeley DB, are what rpm reads there.
func TestRPMBdbAgrees(t *testing.T) {
	var blobs [][]byte
	for _, fix := range rpmFixtures(t) {
		if fix.name == "cbl-mariner-2.0/rpmdb.sqlite" {
			var err error
			if blobs, err = rpmCollect(fix.body); err != nil {
				t.Fatal(err)
			}
		}
	}
	db := rpmMakeBdb(t, 1234, 4096, blobs...)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Packages"), db, 0o600); err != nil {
		t.Fatal(err)
	}
	hs, _ := rpmHeadersOf(t, db)
	if d := cmp.Diff(rpmQuery(t, dir, "bdb_ro"), rpmLines(hs)); d != "" || len(hs) != len(blobs) || len(hs) == 0 {
		t.Errorf("%d headers of %d; rpm (-) against ours (+):\n%s", len(hs), len(blobs), d)
	}
}

func TestRPMNdb(t *testing.T) {
	var blobs [][]byte
	for i, size := range rpmSizes {
		blobs = append(blobs, rpmNoise(i, size))
	}
	db := rpmMakeNdb(blobs...)
	got, err := rpmCollect(db)
	slices.SortFunc(blobs, bytes.Compare)
	if err != nil || !slices.EqualFunc(blobs, got, bytes.Equal) {
		t.Errorf("%d blobs read of %d, error %v", len(got), len(blobs), err)
	}
	le := binary.LittleEndian
	for name, damage := range map[string]func(db []byte) []byte{
		"bit":      func(db []byte) []byte { db[ndbPage+20] ^= 1; return db },
		"cut off":  func(db []byte) []byte { return db[:len(db)-16] },
		"slot":     func(db []byte) []byte { db[ndbHeader] ^= 1; return db },
		"head":     func(db []byte) []byte { db[ndbPage] ^= 1; return db },
		"version":  func(db []byte) []byte { db[4] = 1; return db },
		"slots":    func(db []byte) []byte { le.PutUint32(db[12:], 1<<31); return db },
		"no slots": func(db []byte) []byte { le.PutUint32(db[12:], 0); return db },
		"offset":   func(db []byte) []byte { le.PutUint32(db[ndbHeader+8:], 0xffffffff); return db },
		"length":   func(db []byte) []byte { le.PutUint32(db[ndbHeader+12:], 0xffffffff); return db },
		"in slots": func(db []byte) []byte { le.PutUint32(db[ndbHeader+8:], 1); return db },
	} {
		if got, err := rpmCollect(damage(slices.Clone(db))); err == nil || len(got) >= len(blobs) {
			t.Errorf("%s: %d blobs, error %v", name, len(got), err)
		}
	}
	// All slots name the same large blob: the work must stay bounded by the file.
	one := rpmMakeNdb(rpmNoise(1, 1<<20))
	for i := ndbHeader + ndbSlot; i < ndbPage; i += ndbSlot {
		copy(one[i:], one[ndbHeader:ndbHeader+ndbSlot])
	}
	if got, err := rpmCollect(one); err == nil || len(got) > 1 {
		t.Errorf("overlapping blobs: %d, error %v", len(got), err)
	}
}

// Whatever part of a database is missing or damaged, reading ends in an error and
// not in fewer packages.
func TestRPMCutOff(t *testing.T) {
	for _, fix := range rpmFixtures(t) {
		whole, err := rpmCollect(fix.body)
		if err != nil || len(whole) == 0 {
			continue
		}
		for _, n := range []int{len(fix.body) / 2, len(fix.body) / 4, 8192, 100} {
			if got, err := rpmCollect(fix.body[:n]); err == nil {
				t.Errorf("%s cut to %d bytes: %d of %d packages and no error", fix.name, n, len(got), len(whole))
			}
		}
	}
}

func TestRPMSqliteHostile(t *testing.T) {
	var blobs [][]byte
	for i := range 200 {
		blobs = append(blobs, rpmNoise(i, 600))
	}
	db := rpmMakeSqlite(t, 512, 0, blobs...)
	// Find the interior root page of the table and lead its children in a circle.
	circle := slices.Clone(db)
	found := false
	for p := 512; p < len(circle); p += 512 {
		if circle[p] == 5 {
			found = true
			binary.BigEndian.PutUint32(circle[p+8:], uint32(p/512+1))
		}
	}
	if !found {
		t.Fatal("no interior page in the database")
	}
	if got, err := rpmCollect(circle); err == nil {
		t.Errorf("a circle of pages: %d packages and no error", len(got))
	}
	for name, damage := range map[string]func(db []byte){
		"page size": func(db []byte) { binary.BigEndian.PutUint16(db[16:], 700) },
		"reserved":  func(db []byte) { db[20] = 200 },
		"format":    func(db []byte) { db[19] = 3 },
		"encoding":  func(db []byte) { db[59] = 2 },
		"schema":    func(db []byte) { db[100] = 2 },
		"cells":     func(db []byte) { binary.BigEndian.PutUint16(db[103:], 0xffff) },
	} {
		bad := slices.Clone(db)
		damage(bad)
		if got, err := rpmCollect(bad); err == nil {
			t.Errorf("%s: %d packages and no error", name, len(got))
		}
	}
	other := bytes.ReplaceAll(db, []byte("Packages"), []byte("Wackages"))
	if _, err := rpmCollect(other); err == nil || !strings.Contains(err.Error(), "no table Packages") {
		t.Errorf("a database without packages gives the error %v", err)
	}
}

func TestRPMBdbHostile(t *testing.T) {
	db := rpmMakeBdb(t, 1234, 512, rpmNoise(1, 100), rpmNoise(2, 5000), rpmNoise(3, 9000))
	le := binary.LittleEndian
	overflow := func(db []byte, fn func(page []byte)) {
		for p := 512; p+512 <= len(db); p += 512 {
			if db[p+25] == bdbPageOverflow {
				fn(db[p : p+512])
			}
		}
	}
	for name, damage := range map[string]func(db []byte){
		"page size": func(db []byte) { le.PutUint32(db[20:], 1000) },
		"buckets":   func(db []byte) { le.PutUint32(db[72:], 0xffffffff) },
		"spares":    func(db []byte) { le.PutUint32(db[96:], 0xffffff) },
		"encrypted": func(db []byte) { db[24] = 1 },
		"checksums": func(db []byte) { db[26] |= 1 },
		"circle":    func(db []byte) { overflow(db, func(p []byte) { le.PutUint32(p[16:], le.Uint32(p[8:])) }) },
		"length":    func(db []byte) { overflow(db, func(p []byte) { le.PutUint16(p[22:], 0xffff) }) },
		"short":     func(db []byte) { overflow(db, func(p []byte) { le.PutUint32(p[16:], 0) }) },
		"type":      func(db []byte) { overflow(db, func(p []byte) { p[25] = 9 }) },
		"tree":      func(db []byte) { le.PutUint32(db[12:], bdbBtreeMagic) },
	} {
		bad := slices.Clone(db)
		damage(bad)
		if got, err := rpmCollect(bad); err == nil {
			t.Errorf("%s: %d packages and no error", name, len(got))
		}
	}
}

func TestRPMStops(t *testing.T) {
	enough := errors.New("enough")
	n := 0
	err := rpmBlobs(rpmMakeNdb(rpmSimple("a"), rpmSimple("b")), func([]byte) error { n++; return enough })
	if n != 1 || !errors.Is(err, enough) {
		t.Errorf("called %d times, error %v", n, err)
	}
}

func BenchmarkRPMSqlite(b *testing.B) {
	for _, fix := range rpmFixtures(b) {
		if filepath.Base(fix.file) != "rpmdb.sqlite" || len(fix.body) < 1<<20 {
			continue
		}
		b.Run(filepath.Base(filepath.Dir(fix.file)), func(b *testing.B) {
			b.SetBytes(int64(len(fix.body)))
			b.ReportAllocs()
			for b.Loop() {
				f := rootfs.NewFile(b.Context(), rootfs.Entry{Path: "var/lib/rpm/rpmdb.sqlite"}, fix.body)
				if _, err := rpmDatabase.Extract(b.Context(), f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
