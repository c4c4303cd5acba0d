package version

import "testing"

// BenchmarkCompare compares what is near to equal, as matching mostly does.
func BenchmarkCompare(b *testing.B) {
	pairs := map[Scheme][2]string{
		Deb:         {"2.36-9+deb12u4", "2.36-9+deb12u10"},
		RPM:         {"0:1.1.1k-9.el8_7", "1:1.1.1k-12.el8_9"},
		APK:         {"1.1.1d_p1-r0", "1.1.1d_p1-r2"},
		Pacman:      {"1:3.3.1-1", "1:3.3.1-2"},
		SemVer:      {"4.17.20", "4.17.21"},
		SemVerBuild: {"1.2.3+1", "1.2.3+2"},
		Go:          {"v0.0.0-20200622213623-75b288015ac9", "v0.0.0-20201216223049-8b5274cf687f"},
		PEP440:      {"2.31.0rc1", "2.31.0"},
		Maven:       {"2.13.4.1", "2.13.4.2"},
		Gem:         {"7.0.4.rc1", "7.0.4"},
		NuGet:       {"13.0.1-beta2", "13.0.1"},
		Packagist:   {"v5.4.20", "v5.4.21-RC1"},
		CRAN:        {"1.0-9", "1.0-10"},
		Hackage:     {"2.2.3.0", "2.2.3.1"},
		Opam:        {"v0.14.1", "v0.14.2"},
		Conda:       {"1.1.1k", "1.1.1l"},
		Generic:     {"1.0.2k-fips", "1.0.2l"},
		Bitnami:     {"1.25.3-2", "1.25.4"},
	}
	for _, s := range schemes() {
		b.Run(s.String(), func(b *testing.B) {
			p := pairs[s]
			b.ReportAllocs()
			for b.Loop() {
				if c, err := s.Compare(p[0], p[1]); c != -1 || err != nil {
					b.Fatalf("Compare(%q, %q) is %d, %v", p[0], p[1], c, err)
				}
			}
		})
	}
}
