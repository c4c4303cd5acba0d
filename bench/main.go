// Command bench measures scanning: what it costs beside the floor, which is reading,
// hashing and inflating the same bytes and nothing else, in the same run.
//
//	go run ./bench -advisories DIR      scans with a snapshot
//	go run ./bench -mirror DIR          snapshots: building, size, look-ups, comparing, updates
//
// It builds a large image once, into the user cache folder: Debian with more than 400 packages,
// and layers of npm, Python, Java and Go on top. That needs root on Debian (mmdebstrap,
// npm), or an image of one's own as OCI layout, named by -image.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/klauspost/compress/gzip"

	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/extract"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/match"
	"github.com/plimsoll/plimsoll/internal/rootfs"
	"github.com/plimsoll/plimsoll/internal/scan"
)

// scanGC is the garbage collector's setting in plimsoll scan.
const scanGC = 800

func main() {
	if done, err := child(os.Args[1:]); done {
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	cache := os.TempDir()
	if dir, err := os.UserCacheDir(); err == nil {
		cache = dir
	}
	out := flag.String("out", filepath.Join(cache, "plimsoll-bench"), "folder for the image, binaries and caches")
	img := flag.String("image", "", "OCI layout to scan (default: the one built into -out)")
	adv := flag.String("advisories", "", "advisory snapshot to scan with")
	mirror := flag.String("mirror", "", "mirror of the publishers: measure snapshots of it")
	runs := flag.Int("runs", 3, "runs of each; the median by CPU time is given")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out, *img, *adv, *mirror, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// child does what this program measures of itself in processes of their own.
func child(args []string) (done bool, err error) {
	ctx := context.Background()
	switch {
	case len(args) == 2 && args[0] == "floor":
		return true, floor(ctx, args[1])
	case len(args) == 3 && args[0] == "later":
		return true, later(ctx, args[1], args[2])
	case len(args) > 2 && args[0] == "lookups":
		return true, lookups(ctx, args[1], args[2:])
	case len(args) == 1 && args[0] == "idle":
		return true, nil
	}
	return false, nil
}

func run(ctx context.Context, out, img, adv, mirror string, runs int) error {
	if adv == "" && mirror == "" {
		return fmt.Errorf("name an advisory snapshot with -advisories (plimsoll advisories build --out DIR makes one), or a mirror with -mirror")
	}
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	bin := filepath.Join(out, "plimsoll")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "./cmd/plimsoll")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building plimsoll: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Printf("%s, %d cores, %s\n", cpuModel(), runtime.NumCPU(), runtime.Version())
	if mirror != "" {
		if err := snapshots(ctx, mirror, out, self, bin, runs); err != nil {
			return fmt.Errorf("measuring snapshots: %w", err)
		}
	}
	if adv == "" {
		return nil
	}
	return scans(ctx, out, img, adv, self, bin, runs)
}

// scans measures scans of a large image beside the floor.
func scans(ctx context.Context, out, img, adv, self, bin string, runs int) error {
	if img == "" {
		img = filepath.Join(out, "image")
		if _, err := os.Stat(filepath.Join(img, "index.json")); err != nil {
			if err := buildImage(ctx, out); err != nil {
				return fmt.Errorf("building the image: %w", err)
			}
		}
	}
	cache := filepath.Join(out, "cache")
	scan := []string{bin, "scan", "oci:" + img, "--advisories", adv, "--cache-dir", cache, "-f", "json", "--fail-on", "none"}

	steps := []struct {
		name   string
		runs   int
		forget string // folder that is removed before each run
		args   []string
	}{
		{"floor", runs, "", []string{self, "floor", img}},
		{"cold", runs, cache, scan},
		{"cold, no cache", runs, "", append(slices.Clone(scan), "--no-cache")},
		{"warm, layers known of other images", 5 * runs, filepath.Join(cache, "stacks"), scan},
		{"warm, image known", 5 * runs, "", scan},
	}
	results := map[string]usage{}
	for _, s := range steps {
		var all []usage
		for range s.runs {
			if s.forget != "" {
				os.RemoveAll(s.forget)
			}
			u, err := measure(ctx, s.args)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			all = append(all, u)
		}
		slices.SortFunc(all, func(a, b usage) int { return int(a.cpu - b.cpu) })
		results[s.name] = all[len(all)/2]
	}
	size, err := layersSize(img)
	if err != nil {
		return err
	}
	fmt.Printf("\nimage of %.0f MB compressed\n\n", float64(size)/1e6)
	fmt.Println("| run | CPU s | ÷ floor | wall s | peak memory MB | bytes written |")
	fmt.Println("|---|---|---|---|---|---|")
	base := results["floor"].cpu.Seconds()
	for _, s := range steps {
		u := results[s.name]
		fmt.Printf("| %s | %.3f | %.3f | %.2f | %.0f | %d |\n", s.name, u.cpu.Seconds(), u.cpu.Seconds()/base, u.wall.Seconds(), float64(u.peak)/1e6, u.written)
	}
	opened, took, findings, err := match300(ctx, img, adv, cache)
	if err != nil {
		return fmt.Errorf("matching: %w", err)
	}
	fmt.Printf("\nsnapshot opened in %.2f ms, 300 packages matched in %.2f ms (%d findings, shards mapped anew)\n",
		opened.Seconds()*1000, took.Seconds()*1000, findings)
	return nil
}

// match300 opens the snapshot and matches 300 packages of the image, the distribution's
// first, and gives the median times of 21 times.
func match300(ctx context.Context, img, adv, cache string) (opened, matched time.Duration, findings int, err error) {
	set, err := image.OpenLayout(ctx, img, image.Select{})
	if err != nil {
		return 0, 0, 0, err
	}
	s := scan.New(rootfs.DefaultLimits(), nil)
	if s.Cache, err = scan.OpenCache(cache, extract.SetVersion(s.Extractors)); err != nil {
		return 0, 0, 0, err
	}
	f, err := s.Inspect(ctx, set.Images[0])
	if err != nil {
		return 0, 0, 0, err
	}
	inv := *f.Inventory
	inv.Packages = inv.Packages[:min(300, len(inv.Packages))]
	debug.SetGCPercent(scanGC)
	var opens, matches []time.Duration
	for range 21 {
		begin := time.Now()
		db, err := advisorydb.Open(adv)
		opens = append(opens, time.Since(begin))
		begin = time.Now()
		if err != nil {
			return 0, 0, 0, err
		}
		res, err := match.Match(ctx, &inv, db)
		if err != nil {
			return 0, 0, 0, err
		}
		matches = append(matches, time.Since(begin))
		findings = len(res.Findings)
		db.Close()
	}
	slices.Sort(opens)
	slices.Sort(matches)
	return opens[len(opens)/2], matches[len(matches)/2], findings, nil
}

// floor reads, hashes and inflates every layer and does nothing with it, on all cores.
func floor(ctx context.Context, dir string) error {
	set, err := image.OpenLayout(ctx, dir, image.Select{})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, l := range set.Images[0].Layers {
		g.Go(func() error {
			rc, err := l.Open(ctx) // hashes what it reads
			if err != nil {
				return err
			}
			defer rc.Close()
			z, err := gzip.NewReader(rc)
			if err != nil {
				return err
			}
			_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, z, make([]byte, 256<<10))
			return err
		})
	}
	return g.Wait()
}

func layersSize(dir string) (int64, error) {
	set, err := image.OpenLayout(context.Background(), dir, image.Select{})
	if err != nil {
		return 0, err
	}
	var n int64
	for _, l := range set.Images[0].Layers {
		n += l.Size
	}
	return n, nil
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}
