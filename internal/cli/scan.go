package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/extract"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/policy"
	"github.com/plimsoll/plimsoll/internal/registry"
	"github.com/plimsoll/plimsoll/internal/report"
	"github.com/plimsoll/plimsoll/internal/rootfs"
	"github.com/plimsoll/plimsoll/internal/scan"
)

// scanOptions are the flags of scan, resolved.
type scanOptions struct {
	advisories string
	formats    []string
	files      []string
	failOn     string
	asOf       string
	platform   string
	name       string
	cacheDir   string
	noCache    bool
	quiet      bool
	noTiming   bool
	insecure   bool
	caFile     string
	maxAge     days
	keys       []string
	unsigned   bool
	timeout    time.Duration
	vex        []string
	suppressed bool
}

func newScan(env Env) *cobra.Command {
	var o scanOptions
	c := &cobra.Command{
		Use:   "scan SOURCE",
		Short: "Say what is inside an image, what is known against it, and whether it may pass",
		Long: `Scan reads an image once, lists what is installed in it, holds that against the
advisory snapshot and gives a verdict.

SOURCE is a reference to a registry, or one of
  docker-archive:FILE[:NAME]   an archive of docker save, plain or gzip
  oci-archive:FILE[:NAME]      an OCI layout in a tar file
  oci:DIR[:NAME]               an OCI layout in a folder
  rootfs:DIR                   an unpacked root file system
  docker:REF, podman:REF       an image in the local daemon
  -                            an archive on standard input
A file or folder named without a prefix is recognised.`,
		Example: `  plimsoll scan alpine:3.20
  plimsoll scan docker-archive:web.tar --fail-on high,fixable
  docker save web | plimsoll scan - -f json -q`,
		Args: one("image", "plimsoll scan alpine:3.20"),
		RunE: func(c *cobra.Command, args []string) error { return runScan(c.Context(), env, o, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&o.advisories, "advisories", env.Getenv("PLIMSOLL_ADVISORIES"), "folder of the advisory snapshot, used whatever its age; or the registry reference or URL of one (default: the one built or pulled last, in the cache folder)")
	f.StringArrayVarP(&o.formats, "format", "f", nil, formatHelp()+"; may be repeated (default: table)")
	f.StringArrayVarP(&o.files, "output", "o", nil, "write the report to this FILE, or FORMAT=FILE, instead of standard output; may be repeated")
	f.StringVar(&o.failOn, "fail-on", "", "SEVERITY[,fixable] from which on findings fail, or none (default: critical, and high with a fix)")
	f.StringVar(&o.asOf, "as-of", "", "day against which ages are computed, YYYY-MM-DD or RFC 3339 (default: today, UTC)")
	f.StringVar(&o.platform, "platform", "", "os/arch[/variant] to choose from an index, or all (default: linux on this machine's architecture)")
	f.StringVar(&o.name, "image", "", "which image of an archive with several: a tag, name or digest")
	f.StringVar(&o.cacheDir, "cache-dir", env.Getenv("PLIMSOLL_CACHE_DIR"), "folder for what was read from layers and for snapshots")
	f.BoolVar(&o.noCache, "no-cache", false, "neither read nor write the layer cache")
	f.StringArrayVar(&o.vex, "vex", nil, "file or folder of VEX documents (OpenVEX, CSAF, CycloneDX), or - for standard input; may be repeated")
	f.BoolVar(&o.suppressed, "show-suppressed", false, "list in the table what VEX statements suppress")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no report on standard output unless a format is named, no progress")
	f.BoolVar(&o.noTiming, "no-timing", false, "leave the timing out of the report: equal inputs give equal bytes")
	f.BoolVar(&o.insecure, "insecure", false, "allow plain HTTP and unverified TLS to the registry")
	f.StringVar(&o.caFile, "ca-file", "", "PEM file with certificates to trust besides the system's")
	f.Var(&o.maxAge, "max-feed-age", "how old a source of the default snapshot may be, such as 5d (default: what the snapshot says for each)")
	f.StringSliceVar(&o.keys, "advisories-key", nil, "PEM file with keys by one of which the snapshot must be signed (env "+keyVariable+")")
	f.BoolVar(&o.unsigned, "advisories-unsigned", false, "with a reference or URL as --advisories: accept what nobody can check")
	f.DurationVar(&o.timeout, "timeout", 30*time.Minute, "give up after this time")
	return c
}

func runScan(ctx context.Context, env Env, o scanOptions, arg string) error {
	outs, err := outputs(o.formats, o.files, o.quiet)
	if err != nil {
		return err
	}
	pol := policy.Default()
	if o.failOn != "" {
		var err error
		if pol, err = policy.FailOn(o.failOn); err != nil {
			return usage("%v", err)
		}
	}
	asOf, err := parseAsOf(o.asOf)
	if err != nil {
		return err
	}
	sel := image.Select{Name: o.name}
	if o.platform == "all" {
		sel.All = true
	} else if o.platform != "" {
		if sel.Platform, err = image.ParsePlatform(o.platform); err != nil {
			return usage("--%v", err)
		}
	}
	vex, err := readVEX(env, o.vex, arg)
	if err != nil {
		return err
	}
	src, ierr := parseSource(arg)
	var ex *exit
	if errors.As(ierr, &ex) {
		return ierr
	}
	if o.cacheDir == "" {
		o.cacheDir = cacheDir(env)
	}
	if k := env.Getenv(keyVariable); k != "" && len(o.keys) == 0 {
		o.keys = []string{k}
	}
	db, age, err := openSnapshot(ctx, env, o, asOf)
	if err != nil {
		return err
	}
	if db != nil {
		defer db.Close()
	}
	reading := ctx // judging is not cut off: it says what the time was not enough for
	if o.timeout > 0 {
		var cancel context.CancelFunc
		reading, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}

	// The garbage collector works harder rather than let memory grow: the bound is a
	// promise, and bodies of files that are held in memory are bounded apart.
	if env.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
		debug.SetGCPercent(gcPercent)
	}
	s := scan.New(rootfs.DefaultLimits(), nil)
	if !o.noCache {
		if s.Cache, err = scan.OpenCache(o.cacheDir, extract.SetVersion(s.Extractors)); err != nil {
			say(env, fmt.Sprintf("going on without the cache: %v", err))
			s.Cache = nil
		} else if b := build(); b != "" {
			s.Cache.KeepStacks(b)
		}
	}
	bar := newProgress(env, o.quiet)
	s.Progress = bar.layers
	var set *image.Set
	var facts []*report.Facts
	if ierr == nil {
		bar.start("reading " + arg)
		set, facts, ierr = inspect(reading, s, src, sel, registry.Options{Insecure: o.insecure, CAFile: o.caFile}, env.Stdin)
		bar.stop()
	}
	if errors.As(ierr, &ex) {
		return ierr
	}
	if ierr != nil {
		// The report says what is unknown and why; standard error and the exit code say it too.
		facts, set = []*report.Facts{scan.Failed(arg, ierr)}, nil
	}
	j := scan.Judge{Policy: pol, AsOf: asOf, AnyFeedAge: age.any, MaxFeedAge: age.max, Analyser: Version(), Timing: !o.noTiming}
	var reports []*report.Report
	for _, f := range facts {
		a, err := scan.Assess(ctx, f, db, vex...)
		if err != nil {
			return err
		}
		reports = append(reports, j.Report(a))
	}
	doc := join(arg, set, reports, sel)
	if err := writeAll(env, outs, doc, o.suppressed); err != nil {
		return err
	}
	if ierr != nil {
		return ierr
	}
	switch doc.Verdict().Value {
	case policy.Fail:
		return &exit{code: exitFail}
	case policy.Unknown:
		return &exit{code: exitUnknown}
	}
	return nil
}

// softMemory is where the garbage collector starts to work harder, in bytes.
const softMemory = 110 << 20

// gcPercent lets a short run with little in memory do without collecting most of the time.
const gcPercent = 800

func join(arg string, set *image.Set, reports []*report.Report, sel image.Select) report.Document {
	var skipped []report.Skipped
	if set != nil {
		for _, k := range set.Skipped {
			s := report.Skipped{Digest: k.Digest, Why: k.Why}
			if k.Platform != (image.Platform{}) {
				s.Platform = k.Platform.String()
			}
			skipped = append(skipped, s)
		}
	}
	if len(reports) == 1 && !sel.All {
		reports[0].Image.Skipped = skipped
		return report.Document{One: reports[0]}
	}
	l := report.NewList(arg, reports, skipped)
	if set != nil {
		l.Index = string(set.Index)
	}
	return report.Document{Many: l}
}

func parseAsOf(s string) (time.Time, error) {
	if s == "" {
		return time.Now().UTC().Truncate(24 * time.Hour), nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	return time.Time{}, usage("--as-of %s: want a day such as 2027-01-15, or an RFC 3339 time", s)
}

// cacheDir is where facts of layers and snapshots are kept.
func cacheDir(env Env) string {
	if d := env.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "plimsoll")
	}
	if d, err := os.UserCacheDir(); err == nil {
		return filepath.Join(d, "plimsoll")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("plimsoll-%d", os.Getuid()))
}

// openSnapshot opens the snapshot named, or the default one if it is there; without
// any the scan goes on and everything it finds is unknown. With --as-of it is the one that
// was in force then, if it is kept.
func openSnapshot(ctx context.Context, env Env, o scanOptions, asOf time.Time) (*advisorydb.DB, feedAge, error) {
	var open advisorydb.Options
	if o.asOf != "" {
		open.AsOf = endOf(o.asOf, asOf)
	}
	var err error
	if open.Keys, err = readKeys(o.keys); err != nil {
		return nil, feedAge{}, err
	}
	dir := o.advisories
	reach := registry.Options{Insecure: o.insecure, CAFile: o.caFile}
	switch st, err := os.Stat(cmp.Or(dir, ".")); {
	case dir == "":
		dir = filepath.Join(o.cacheDir, "advisories")
	case err == nil && st.IsDir():
	case !elsewhere(dir):
		return nil, feedAge{}, &exit{code: exitNotFound, msg: fmt.Sprintf("--advisories %s: this is no folder with a snapshot", dir)}
	default:
		if dir, err = refresh(ctx, env, o, open.Keys, reach); err != nil {
			return nil, feedAge{}, err
		}
		o.advisories = "" // its age counts
	}
	if address := advisorydb.RemoteOf(dir); address != "" {
		if open.Remote, err = advisorydb.NewRemote(address, reach); err != nil {
			return nil, feedAge{}, err
		}
	}
	db, err := open.Open(dir)
	if o.advisories == "" && errors.Is(err, os.ErrNotExist) {
		return nil, feedAge{}, nil
	}
	if err != nil {
		if errors.Is(err, advisorydb.ErrSignature) {
			err = fmt.Errorf("%w; build it with --sign-key, or pull or import it from who signs it", err)
		}
		return nil, feedAge{}, err
	}
	return db, feedAge{any: o.advisories != "", max: time.Duration(o.maxAge)}, nil
}

// elsewhere tells the address of a snapshot from the path of a folder: it has a scheme,
// or begins with the name of a host.
func elsewhere(s string) bool {
	if strings.Contains(s, "://") {
		return true
	}
	host, path, ok := strings.Cut(s, "/")
	return ok && path != "" && !strings.HasPrefix(host, ".") && (strings.ContainsAny(host, ".:") || host == "localhost")
}

// feedAge is how old a source of the snapshot may be.
type feedAge struct {
	any bool          // it was named: whatever its age
	max time.Duration // for all sources; 0 for what each source allows
}

// refresh brings the copy of a snapshot that lies elsewhere up to date, and gives its
// folder. When that cannot be reached the last copy serves, with its age.
func refresh(ctx context.Context, env Env, o scanOptions, keys []advisorydb.Key, reach registry.Options) (string, error) {
	from, err := advisorydb.NewRemote(o.advisories, reach)
	if err != nil {
		return "", usage("--advisories: %v", err)
	}
	dir := filepath.Join(o.cacheDir, "advisories-"+image.Sum([]byte(from.String())).Hex()[:12])
	_, err = advisorydb.Pull(ctx, dir, from, advisorydb.PullOptions{Keys: keys, Unsigned: o.unsigned})
	if err == nil {
		return dir, nil
	}
	failed := pullFailed(err)
	var ex *exit
	if _, serr := os.Stat(filepath.Join(dir, "manifest.json")); serr != nil || !errors.As(failed, &ex) || ex.code != exitUnreachable {
		return "", failed
	}
	say(env, fmt.Sprintf("going on with the advisories that are here: %v", err))
	return dir, nil
}
