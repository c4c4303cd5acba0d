package scan

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/plimsoll/plimsoll/internal/image"
)

// bigLayer streams a tar of about size bytes that is never there as a whole: noise and
// zeros under the names that readers want, and others.
func bigLayer(size int64, packed bool, noise, zeros []byte) image.Layer {
	return image.Layer{Size: -1, Open: func(context.Context) (io.ReadCloser, error) {
		pr, pw := io.Pipe()
		go func() {
			if !packed {
				pw.CloseWithError(writeBig(pw, size, noise, zeros))
				return
			}
			z, err := gzip.NewWriterLevel(pw, gzip.NoCompression)
			if err == nil {
				err = writeBig(z, size, noise, zeros)
			}
			if err == nil {
				err = z.Close()
			}
			pw.CloseWithError(err)
		}()
		return pr, nil
	}}
}

func writeBig(w io.Writer, size int64, noise, zeros []byte) error {
	tw := tar.NewWriter(w)
	var written int64
	write := func(name string, mode, n int64, head string, block []byte) error {
		written += n
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: n, Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		if _, err := io.WriteString(tw, head); err != nil {
			return err
		}
		for n -= int64(len(head)); n > 0; {
			k := min(n, int64(len(block)))
			if _, err := tw.Write(block[:k]); err != nil {
				return err
			}
			n -= k
		}
		return nil
	}
	for i := 0; written < size; i++ {
		manifest := fmt.Sprintf(`{"name":"p%d","version":"1.0.%d"}`, i, i)
		for _, err := range []error{
			write(fmt.Sprintf("srv/node_modules/p%d/package.json", i), 0o644, int64(len(manifest)), manifest, nil),
			write(fmt.Sprintf("usr/bin/noise%d", i), 0o755, 30<<20, "\x7fELF\x02\x01\x01", noise),
			write(fmt.Sprintf("usr/bin/zeros%d", i), 0o755, 70<<20, "", zeros),
			write(fmt.Sprintf("opt/app%d.jar", i), 0o644, 20<<20, "PK\x03\x04", noise),
			write(fmt.Sprintf("var/data%d", i), 0o644, 80<<20, "", noise),
			write(fmt.Sprintf("usr/lib/libx%d.so", i), 0o644, 10<<20, "\x7fELF\x02\x01\x01", zeros),
		} {
			if err != nil {
				return err
			}
		}
		for j := range 500 {
			if err := write(fmt.Sprintf("usr/share/doc/%d/%d.txt", i, j), 0o644, int64(j), "", noise); err != nil {
				return err
			}
		}
	}
	return tw.Close()
}

// peak runs f and gives the most memory that was in use meanwhile, in bytes.
func peak(f func()) uint64 {
	runtime.GC()
	var top atomic.Uint64
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if use := m.HeapInuse + m.StackInuse; use > top.Load() {
				top.Store(use)
			}
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	<-done
	return top.Load()
}

// Memory does not grow with the image: a layer of 1.5 GB, and several at a time. Bodies in
// memory are bounded over all layers; what is more is garbage not yet collected.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads gigabytes")
	}
	noise, zeros := make([]byte, 4<<20), make([]byte, 4<<20)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	for _, tc := range []struct {
		name   string
		layers int
		size   int64
		packed bool
		most   uint64
	}{
		{"one layer, packed", 1, 1500 << 20, true, 150 << 20},
		{"four layers at a time", 4, 400 << 20, false, 220 << 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			img := &image.Image{Name: "big"}
			for range tc.layers {
				img.Layers = append(img.Layers, bigLayer(tc.size, tc.packed, noise, zeros))
			}
			s := full(nil)
			s.Workers = 4
			var n int
			start := time.Now()
			used := peak(func() { n = len(inspect(t, s, img).Inventory.Packages) })
			took := time.Since(start)
			t.Logf("%d MB in %.1f s, at most %d MB of memory", int64(tc.layers)*tc.size>>20, took.Seconds(), used>>20)
			if n < 2 {
				t.Errorf("%d packages were found", n)
			}
			if used > tc.most {
				t.Errorf("%d MB of memory were in use", used>>20)
			}
			if took > 10*time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	}
}
