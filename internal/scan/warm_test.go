package scan_test

import (
	"os"
	"testing"

	"github.com/plimsoll/plimsoll/internal/extract"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/rootfs"
	"github.com/plimsoll/plimsoll/internal/scan"
)

func BenchmarkWarm(b *testing.B) {
	set, err := image.OpenLayout(b.Context(), os.Getenv("PLIMSOLL_BENCH_IMAGE"), image.Select{})
	if err != nil {
		b.Fatal(err)
	}
	dir := "/tmp/plims/rootfscache"
	for i := 0; i < 1; i++ {
		s := scan.New(rootfs.DefaultLimits(), nil)
		s.Cache, err = scan.OpenCache(dir, extract.SetVersion(s.Extractors))
		s.Inspect(b.Context(), set.Images[0])
	}
	b.ReportAllocs()
	for b.Loop() {
		s := scan.New(rootfs.DefaultLimits(), nil)
		s.Cache, err = scan.OpenCache(dir, extract.SetVersion(s.Extractors))
		f, err := s.Inspect(b.Context(), set.Images[0])
		if err != nil || f.Timing.LayersRead > 0 {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(f.Inventory.Packages)), "packages")
	}
}
