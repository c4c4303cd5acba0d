package extract

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/internal/imagetest"
	"github.com/plimsoll/plimsoll/internal/rootfs"
)

// Real programs say the same as their signature.
func TestSignatureReal(t *testing.T) {
	for _, c := range []struct {
		tool, lib string // lib is read instead of the tool, a pattern
		args      []string
		version   string // in the tool's answer
		want      string
	}{
		{"perl", "", []string{"-v"}, `\(v([0-9.]+)\)`, "perl"},
		{"bash", "", []string{"--version"}, `version ([0-9.]+)\(`, "bash"},
		{"openssl", "", []string{"version"}, `OpenSSL ([0-9.]+[a-z]*) `, "openssl"},
		{"openssl", "/usr/lib/*/libcrypto.so.[13]*", []string{"version"}, `OpenSSL ([0-9.]+[a-z]*) `, "openssl"},
		{"git", "", []string{"--version"}, `version ([0-9.]+)`, "git"},
		{"curl", "", []string{"--version"}, `curl ([0-9.]+)`, "curl"},
		{"curl", "/usr/lib/*/libcurl.so.4.*", []string{"--version"}, `libcurl/([0-9.]+)`, "curl"},
		{"node", "", []string{"--version"}, `v([0-9.]+)`, "node"},
	} {
		t.Run(c.tool+c.lib, func(t *testing.T) {
			tool, err := filepath.EvalSymlinks(imagetest.Tool(t, c.tool))
			if err != nil {
				t.Fatal(err)
			}
			binReal(t, tool, c.lib, c.args, c.version, c.want)
		})
	}
	t.Run("python", func(t *testing.T) {
		// The first python3 in PATH may be a script that starts another.
		tool, err := filepath.EvalSymlinks("/usr/bin/python3")
		if err != nil {
			imagetest.Skip(t, "program /usr/bin/python3 is not installed")
		}
		binReal(t, tool, "", []string{"--version"}, `Python ([0-9.]+)`, "python")
	})
}

func binReal(t *testing.T, tool, lib string, args []string, version, want string) {
	out, err := exec.Command(tool, args...).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(version).FindSubmatch(out)
	if m == nil {
		t.Fatalf("%s says %q", tool, out)
	}
	file := tool
	if lib != "" {
		found, _ := filepath.Glob(lib)
		if len(found) == 0 {
			imagetest.Skip(t, "library "+lib+" is not installed")
		}
		file = found[0]
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := binScanBytes(t, file[1:], body)
	if d := cmp.Diff([]string{"generic " + want + " " + string(m[1])}, binNames(got)); d != "" {
		t.Errorf("%s: -want +got:\n%s", file, d)
	}
	// Under another name it is not looked at.
	if got := binScanBytes(t, "opt/other", body); got != nil {
		t.Errorf("as opt/other: %v", binNames(got))
	}
}

// The corpus' Alpine images hold the versions that their package databases state.
func TestSignatureAlpine(t *testing.T) {
	for _, image := range []string{"alpine-310.tar.gz", "alpine-311.tar.gz"} {
		var got, want []string
		binEachFile(t, filepath.Join(imagetest.Corpus(t), "fixtures", "images", image), func(e rootfs.Entry, body []byte) {
			if binWant(e) {
				got = append(got, binNames(binScanBytes(t, e.Path, body))...)
			}
			if e.Path != "lib/apk/db/installed" {
				return
			}
			for _, m := range regexp.MustCompile(`(?m)^P:(busybox|libcrypto1.1|libssl1.1|zlib)\nV:([^-\n]+)-`).FindAllSubmatch(body, -1) {
				name := strings.NewReplacer("libcrypto1.1", "openssl", "libssl1.1", "openssl").Replace(string(m[1]))
				want = append(want, "generic "+name+" "+string(m[2]))
			}
		})
		slices.Sort(got)
		slices.Sort(want)
		if d := cmp.Diff(want, got); d != "" || len(want) != 4 {
			t.Errorf("%s: -want +got:\n%s", image, d)
		}
	}
}

// binEachFile walks the regular files of all layers of a packed docker archive.
func binEachFile(t *testing.T, archive string, fn func(rootfs.Entry, []byte)) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for outer := tar.NewReader(z); ; {
		h, err := outer.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, "/layer.tar") && !strings.HasSuffix(h.Name, ".tar.gz") {
			continue
		}
		var layer io.Reader = outer
		if strings.HasSuffix(h.Name, ".gz") {
			if layer, err = gzip.NewReader(outer); err != nil {
				t.Fatal(err)
			}
		}
		for inner := tar.NewReader(layer); ; {
			h, err := inner.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag != tar.TypeReg {
				continue
			}
			b, err := io.ReadAll(inner)
			if err != nil {
				t.Fatal(err)
			}
			fn(rootfs.Entry{Path: strings.TrimPrefix(h.Name, "./"), Mode: uint32(h.Mode) & 0o7777, Size: h.Size}, b)
		}
	}
}

// Strings as the programs of several distributions and releases hold them.
func TestSignatures(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"node", "\x00node.js/v20.1.0\x00", "node 20.1.0"},
		{"node", "\x00node.js/v21.0.0-nightly\x00", ""},
		{"node", "https://x/release/v20.1.0/", ""},
		{"python3.11", "\x003.11.2\x00", "python 3.11.2"},
		{"python3.11", "\x003.0.19\x00 \x003.40.1\x00", ""}, // OpenSSL and SQLite linked in
		{"libpython3.6m.so.1.0", "/opt/python/3.6.15\x00", "python 3.6.15"},
		{"libpython3.13.so.1.0", "\x003.13.0rc2\x00", "python 3.13.0rc2"},
		{"libpython3.13.so.1.0", "\x003.13.0+\x00", "python 3.13.0"},
		{"libpython2.7.so.1.0", "\x002.7.18\x00", "python 2.7.18"},
		{"python3.1", "\x003.11.2\x00", ""},
		{"ruby", "\x00ruby 3.1.7p261 (2025-03-26 revision 0a3704f218) [x86_64-linux]\x00", "ruby 3.1.7"},
		{"libruby.so.3.3.0", "\x00ruby 3.3.0 (2023-12-25 revision 5124f9ac75) [x86_64-linux]\x00", "ruby 3.3.0"},
		{"ruby", "\x00ruby 3.4.0dev (2024-01-01)\x00", ""},
		{"php-fpm8.2", "X-Powered-By: PHP/8.2.7\x00", "php 8.2.7"},
		{"perl", "\x00v5.36.0\x00", "perl 5.36.0"},
		{"nginx", "nginx version: nginx/1.25.3\x00", "nginx 1.25.3"},
		{"nginx", "nginx version: nginx/1.25.3 (Ubuntu)\x00", "nginx 1.25.3"},
		{"nginx", "nginx version: openresty/1.21.4.1\x00", "openresty 1.21.4.1"},
		{"httpd", "\x00Apache/2.4.57\x00Apache/2.4\x00Apache/2\x00", "apache 2.4.57"},
		{"apache2", "\x00Apache/2.4.57 (Debian)\x00", "apache 2.4.57"},
		{"redis-server", "\x00redis_version:%s\r\n\x00\x006.2.3\x00\x002.6.0\x00", "redis 6.2.3"},
		{"redis-server", "\x00redis_version:%s\r\n\x00\x007.2.3buildhost-1700000000000000000\x00\x007.0.0\x00\x007.2.3\x00", "redis 7.2.3"},
		{"redis-check-aof", "A7.0.151790282056000000000\x00redis_version:%s\r\n\x007.0.1\x00\x007.0.15\x00\x006.0.0\x00", "redis 7.0.15"},
		{"redis-server", "\x007.2.3\x00", ""}, // some other program of that name
		{"valkey-server", "\x00valkey_version:%s\r\n\x008.0.1\x00\x007.2.4\x008.0.1host-17000000000abcdef01\x00", "valkey 8.0.1"},
		{"memcached", "\x00memcached 1.6.21\x00", "memcached 1.6.21"},
		{"postgres", "\x00postgres (PostgreSQL) 15.3\n\x00", "postgresql 15.3"},
		{"postgres", "\x00postgres (PostgreSQL) 9.6.24\n\x00", "postgresql 9.6.24"},
		{"postgres", "\x00postgres (PostgreSQL) 17devel\n\x00", ""},
		{"mysqld", "/build/mysql-8.0.33/sql/x.cc\x00/build/mysql-8.0.33/sql/y.cc\x00", "mysql 8.0.33"},
		{"mariadbd", "\x0010.6.12-MariaDB\x00", "mariadb 10.6.12"},
		{"mariadbd", "\x005.5.5-10.6.12-MariaDB\x00", "mariadb 10.6.12"},
		{"haproxy", "\x00 version 2.6.12-1+deb12u4, released 2026/10/17\x00", "haproxy 2.6.12"},
		{"busybox", "BusyBox v1.36.1 (2023-05-18 22:34:17 UTC)\x00", "busybox 1.36.1"},
		{"libcrypto.so.3", "\x00OpenSSL 3.0.11 19 Sep 2023\x00", "openssl 3.0.11"},
		{"libcrypto.so.1.1", "\x00OpenSSL 1.1.1k  FIPS 25 Mar 2021\x00", "openssl 1.1.1k"},
		{"libcrypto.so.10", "\x00OpenSSL 1.0.2k-fips  26 Jan 2017\x00", "openssl 1.0.2k"},
		{"libcrypto.so.81.3", "\x00OpenSSL 3.1.4+quic 24 Oct 2023\x00", "openssl 3.1.4"},
		{"libcrypto.so.3", "\x00OpenSSL 3.0.0-beta1 17 Jun 2021\x00", ""},
		{"libcrypto.so.3", "\x00OpenSSL 3.0.0 is required\x00", ""},
		{"libcrypto.so.50", "\x00LibreSSL 3.7.2\x00", "libressl 3.7.2"},
		{"bash", "@(#)Bash version 5.2.15(1) release GNU\x00", "bash 5.2.15"},
		{"curl", "\x00curl/8.4.0\x00", "curl 8.4.0"},
		{"curl", "\x00libcurl/8.4.0\x00", ""},
		{"libcurl.so.4.8.0", "\x00libcurl/8.4.0\x00", "curl 8.4.0"},
		{"libcurl.so.4.8.0", "\x00libcurl/8.5.0-DEV\x00", ""},
		{"libz.so.1.3", " deflate 1.3.1 Copyright 1995-2024 Jean-loup Gailly and Mark Adler \x00", "zlib 1.3.1"},
		{"libz.so.1.3", " deflate 1.3 Copyright 1995-2024 Jean-loup Gailly and Mark Adler \x00", "zlib 1.3"},
		{"libsqlite3.so.0.8.6", "\x003.40.1\x00", "sqlite 3.40.1"},
		{"git", "\xff\xfegit/2.39.5\x00", "git 2.39.5"},
		{"lua5.1", "$Lua: Lua 5.1.5 Copyright (C) 1994-2012 Lua.org, PUC-Rio $\x00", "lua 5.1.5"},
		{"lua", "$LuaVersion: Lua 5.4.6  Copyright (C) 1994-2023 Lua.org, PUC-Rio $\x00", "lua 5.4.6"},
	} {
		got := binNames(binScanBytes(t, "usr/bin/"+c.file, (&binELF{rodata: []byte("some text" + c.text + "and more"), data: make([]byte, 600)}).bytes()))
		want := []string(nil)
		if c.want != "" {
			want = []string{"generic " + c.want}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s with %q: got %v, want %v", c.file, c.text, got, want)
		}
	}
	got := binScanBytes(t, "nginx", (&binELF{rodata: []byte("nginx version: nginx/1.2.3\x00 nginx version: nginx/1.2.4\x00")}).bytes())
	if got == nil || len(got.Packages) != 0 || len(got.Unknowns) != 1 {
		t.Errorf("two versions: %+v", got)
	}
}

// Every signature is found wherever the window ends.
func TestSignatureWindows(t *testing.T) {
	text := []byte("\x00OpenSSL 3.0.11 19 Sep 2023\x00")
	for d := -40; d < 10; d++ {
		for _, edge := range []int{binWindow, binWindow - binAhead} {
			rodata := make([]byte, edge-binELFRodata+d)
			e := &binELF{rodata: append(append(rodata, text...), make([]byte, 2<<20)...)}
			if got := binNames(binScanBytes(t, "libcrypto.so.3", e.bytes())); !slices.Equal(got, []string{"generic openssl 3.0.11"}) {
				t.Fatalf("at %d%+d: %v", edge, d, got)
			}
		}
	}
}

func TestRuntimeRelease(t *testing.T) {
	for _, c := range []struct{ path, text, want, fails string }{
		{"usr/lib/jvm/java-17/release", "IMPLEMENTOR=\"Debian\"\nJAVA_VERSION=\"17.0.15\"\n", "generic java 17.0.15", ""},
		{"opt/jdk8/release", "JAVA_VERSION=\"1.8.0_352\"\r\nOS_NAME=\"Linux\"\r\n", "generic java 8.0.352", ""},
		{"opt/jdk7/release", "JAVA_VERSION=\"1.7.0_07\"\n", "generic java 7.0.7", ""},
		{"opt/jdk/release", "JAVA_VERSION=\"21\"\n", "generic java 21", ""},
		{"opt/jdk/release", "JAVA_VERSION=\"25-ea\"\n", "generic java 25", ""},
		{"opt/jdk/release", "JAVA_VERSION=\"x\"\n", "", "is no version"},
		{"opt/other/release", "1.2.3\n", "", ""},
		{"usr/lib/erlang/releases/25/OTP_VERSION", "25.2.3\n", "generic erlang 25.2.3", ""},
		{"usr/lib/erlang/releases/25/OTP_VERSION", "25.2.3**\n", "generic erlang 25.2.3", ""},
		{"usr/lib/erlang/releases/25/OTP_VERSION", "unknown\n", "", "is no version"},
	} {
		f := rootfs.NewFile(t.Context(), rootfs.Entry{Path: c.path}, []byte(c.text))
		if !runtimeRelease.Want(f.Entry) {
			t.Errorf("%s is not wanted", c.path)
		}
		out, err := runtimeRelease.Extract(t.Context(), f)
		if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s %q: error %v", c.path, c.text, err)
		}
		if got := strings.Join(binNames(out), ";"); got != c.want {
			t.Errorf("%s %q: got %s, want %s", c.path, c.text, got, c.want)
		}
	}
	for _, p := range []string{"release", "etc/os-release", "OTP_VERSION", "usr/share/OTP_VERSION"} {
		if runtimeRelease.Want(rootfs.Entry{Path: p, Size: 10}) {
			t.Errorf("%s is wanted", p)
		}
	}
}

func FuzzSignature(f *testing.F) {
	for i := range binSignatures {
		f.Add(strings.Trim(binSignatures[i].files[0], "*"), []byte("\x00"+strings.TrimPrefix(binSignatures[i].mark, "|")+"1.2.3\x00 19 Sep 2023"))
	}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		if name == "" {
			return
		}
		for _, x := range binSigsFor(name) {
			x.find(text, 0, len(text))
			for _, v := range x.versions {
				if len(v) > 40 || v[0] < '0' || v[0] > '9' || !bytes.Contains(text, []byte(strings.SplitN(v, "rc", 2)[0])) {
					t.Errorf("%s: version %q of %q", x.name, v, text)
				}
			}
		}
	})
}
