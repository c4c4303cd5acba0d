package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/image"
	"github.com/plimsoll/plimsoll/internal/registry"
	"github.com/plimsoll/plimsoll/internal/report"
)

// trustOptions are the flags on what a snapshot must prove.
type trustOptions struct {
	keys     []string
	unsigned bool
	digest   string
	older    bool
}

func (t *trustOptions) flags(c *cobra.Command, env Env) {
	f := c.Flags()
	var keys []string
	if k := env.Getenv(keyVariable); k != "" {
		keys = []string{k}
	}
	f.StringSliceVar(&t.keys, "key", keys, "PEM file with the public keys to trust; they are kept with the snapshot (env "+keyVariable+")")
	f.BoolVar(&t.unsigned, "unsigned", false, "accept a snapshot whose signature nobody can check")
	f.StringVar(&t.digest, "digest", "", "refuse any snapshot but the one with this digest")
	f.BoolVar(&t.older, "allow-older", false, "accept a snapshot older than the one in force")
}

const keyVariable = "PLIMSOLL_ADVISORIES_KEY"

func (t *trustOptions) pull() (advisorydb.PullOptions, error) {
	keys, err := readKeys(t.keys)
	if err != nil {
		return advisorydb.PullOptions{}, err
	}
	return advisorydb.PullOptions{Keys: keys, Unsigned: t.unsigned, Digest: t.digest, Older: t.older}, nil
}

func readKeys(files []string) ([]advisorydb.Key, error) {
	var keys []advisorydb.Key
	for _, f := range files {
		k, err := advisorydb.ReadKeys(f)
		if err != nil {
			return nil, usage("%v", err)
		}
		keys = append(keys, k...)
	}
	return keys, nil
}

func dirFlag(c *cobra.Command, dir *string, name, doing string) {
	c.Flags().StringVar(dir, name, "", doing+" (default: in the cache folder)")
}

// snapshotDir is where the snapshot is unless a flag says otherwise.
func snapshotDir(env Env, dir string) string {
	if dir == "" {
		dir = env.Getenv("PLIMSOLL_ADVISORIES")
	}
	if dir == "" {
		dir = filepath.Join(cacheDir(env), "advisories")
	}
	return dir
}

func newPull(env Env) *cobra.Command {
	var (
		dir, ca         string
		all, insecure   bool
		quiet           bool
		trust           trustOptions
		defaultAddress  = env.Getenv("PLIMSOLL_ADVISORIES_FROM")
		addressVariable = "PLIMSOLL_ADVISORIES_FROM"
	)
	c := &cobra.Command{
		Use:   "pull [REF|URL|DIR]",
		Short: "Bring the snapshot of a registry, web server or folder up to date here",
		Long: `Pull makes the snapshot at REF, URL or DIR the one in force here. Only what changed is
transferred, and only the parts that were used here before; the others come when a
scan first needs them, or all at once with --all. Each part is checked against its
digest, the whole against a signature by a key that is trusted. Without an address
the one of the last pull is asked again.

Whatever goes wrong, the snapshot that was in force stays in force.`,
		Example: `  plimsoll advisories pull registry.example/plimsoll/advisories:latest --key publisher.pem
  plimsoll advisories pull https://mirror.example/advisories --all
  plimsoll advisories pull`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("one address at a time, but there are %d", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			dir := snapshotDir(env, dir)
			address := defaultAddress
			if len(args) == 1 {
				address = args[0]
			} else if r := advisorydb.RemoteOf(dir); r != "" {
				address = r
			}
			if address == "" {
				return usage("from where? for example: plimsoll advisories pull registry.example/plimsoll/advisories:latest, or set %s", addressVariable)
			}
			from, err := advisorydb.NewRemote(address, registry.Options{Insecure: insecure, CAFile: ca})
			if err != nil {
				return usage("%v", err)
			}
			o, err := trust.pull()
			if err != nil {
				return err
			}
			o.All = all
			bar := newProgress(env, quiet)
			bar.start("pulling advisories from " + address)
			p, err := advisorydb.Pull(c.Context(), dir, from, o)
			bar.stop()
			if err != nil {
				return pullFailed(err)
			}
			if !quiet {
				writePulled(env, dir, p)
			}
			return nil
		},
	}
	dirFlag(c, &dir, "out", "folder of snapshots to pull into")
	f := c.Flags()
	f.BoolVar(&all, "all", false, "pull every part, for use without network")
	f.BoolVar(&insecure, "insecure", false, "allow plain HTTP and unverified TLS")
	f.StringVar(&ca, "ca-file", "", "PEM file with certificates to trust besides the system's")
	f.BoolVarP(&quiet, "quiet", "q", false, "print nothing")
	trust.flags(c, env)
	return c
}

// pullFailed gives a failure to bring a snapshot here its exit code and a way out.
func pullFailed(err error) error {
	switch {
	case errors.Is(err, advisorydb.ErrSignature):
		return &exit{code: exitUnknown, msg: err.Error() + "; name the publisher's public key with --key, or accept what nobody can check with --unsigned"}
	case errors.Is(err, advisorydb.ErrRollback):
		return &exit{code: exitUnknown, msg: err.Error() + "; to go back on purpose use --allow-older"}
	case errors.Is(err, advisorydb.ErrSchema), errors.Is(err, image.ErrDigestMismatch):
		return &exit{code: exitUnknown, msg: err.Error()}
	case errors.Is(err, image.ErrNotFound), errors.Is(err, image.ErrAuth), errors.Is(err, os.ErrNotExist):
		return err
	case errors.Is(err, context.Canceled):
		return err
	}
	return &exit{code: exitUnreachable, msg: err.Error()}
}

func writePulled(env Env, dir string, p *advisorydb.Pulled) {
	w := env.Stdout
	fmt.Fprintf(w, "%s\n", report.Printable(dir))
	state := "was in force already"
	if p.New {
		state = "is now in force"
	}
	fmt.Fprintf(w, "  snapshot %s of %s %s\n", p.Digest, p.Manifest.Created.Format(time.DateTime), state)
	fmt.Fprintf(w, "  %d parts fetched, %s; %d were here", p.Fetched, bytesSaid(p.Bytes), p.Kept)
	if p.Left > 0 {
		fmt.Fprintf(w, "; %d come when they are needed", p.Left)
	}
	fmt.Fprintln(w)
	if p.Key != (advisorydb.Key{}) {
		fmt.Fprintf(w, "  signed by key %s\n", p.Key.ID())
	} else {
		fmt.Fprintln(w, "  not checked against any signature")
	}
}

// snapshotAnd wants one argument, or the snapshot's folder before it.
func snapshotAnd(name, example string) cobra.PositionalArgs {
	want := one(name, example)
	return func(c *cobra.Command, args []string) error {
		if len(args) == 2 {
			return nil
		}
		return want(c, args)
	}
}

// leading takes the folder off the arguments, if it is there.
func leading(dir string, args []string) (string, []string) {
	if len(args) == 2 {
		return args[0], args[1:]
	}
	return dir, args
}

func newPush(env Env) *cobra.Command {
	var (
		dir, ca  string
		insecure bool
		quiet    bool
	)
	c := &cobra.Command{
		Use:   "push [DIR] REF",
		Short: "Publish the snapshot as an artifact at an OCI registry",
		Long: `Push writes the snapshot in force to a registry, one layer for each part. Parts that
the registry has are not sent again. The folder itself, behind any web server, can be
pulled from just as well.`,
		Example: `  plimsoll advisories push registry.example/plimsoll/advisories:latest`,
		Args:    snapshotAnd("artifact", "plimsoll advisories push registry.example/plimsoll/advisories:latest"),
		RunE: func(c *cobra.Command, args []string) error {
			dir, args := leading(dir, args)
			ref, err := image.ParseRef(args[0])
			if err != nil {
				return usage("%v", err)
			}
			client, err := registry.New(registry.Options{Insecure: insecure, CAFile: ca})
			if err != nil {
				return usage("%v", err)
			}
			bar := newProgress(env, quiet)
			bar.start("pushing advisories to " + ref.String())
			done, err := advisorydb.Push(c.Context(), snapshotDir(env, dir), ref, client)
			bar.stop()
			if err != nil {
				return err
			}
			if !quiet {
				fmt.Fprintf(env.Stdout, "%s@%s\n  %d parts sent, %s; %d were there\n", report.Printable(ref.String()), done.Digest, done.Sent, bytesSaid(done.Bytes), done.Known)
			}
			return nil
		},
	}
	dirFlag(c, &dir, "dir", "folder of the snapshot")
	f := c.Flags()
	f.BoolVar(&insecure, "insecure", false, "allow plain HTTP and unverified TLS")
	f.StringVar(&ca, "ca-file", "", "PEM file with certificates to trust besides the system's")
	f.BoolVarP(&quiet, "quiet", "q", false, "print nothing")
	return c
}

func newExport(env Env) *cobra.Command {
	var dir string
	var only []string
	c := &cobra.Command{
		Use:   "export [DIR] FILE",
		Short: "Write the snapshot to one file, for sites without a network",
		Long: `Export writes the snapshot in force with its signature to FILE, a tar archive; if the
name ends in .zst it is compressed. Import reads it, and checks what pull checks.`,
		Example: `  plimsoll advisories export advisories.tar.zst
  plimsoll advisories export debian.tar --only Debian:12,npm`,
		Args: snapshotAnd("file", "plimsoll advisories export advisories.tar.zst"),
		RunE: func(c *cobra.Command, args []string) error {
			dir, args := leading(dir, args)
			n, size, err := advisorydb.Export(c.Context(), snapshotDir(env, dir), args[0], only)
			if err != nil {
				return err
			}
			fmt.Fprintf(env.Stdout, "%s\n  %d parts, %s\n", report.Printable(args[0]), n, bytesSaid(size))
			return nil
		},
	}
	dirFlag(c, &dir, "dir", "folder of the snapshot")
	c.Flags().StringSliceVar(&only, "only", nil, "ecosystems to take, separated by commas (default: all)")
	return c
}

func newImport(env Env) *cobra.Command {
	var dir string
	var trust trustOptions
	c := &cobra.Command{
		Use:     "import FILE",
		Short:   "Make the snapshot in a file the one in force here",
		Example: `  plimsoll advisories import advisories.tar.zst --key publisher.pem`,
		Args:    one("file", "plimsoll advisories import advisories.tar.zst"),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := trust.pull()
			if err != nil {
				return err
			}
			dir := snapshotDir(env, dir)
			p, err := advisorydb.Import(c.Context(), dir, args[0], o)
			if err != nil {
				return pullFailed(err)
			}
			writePulled(env, dir, p)
			return nil
		},
	}
	dirFlag(c, &dir, "out", "folder of snapshots to import into")
	trust.flags(c, env)
	return c
}

func newKeygen(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make a key to sign snapshots with",
		Long: `Keygen writes a new Ed25519 key to FILE, readable by its owner only, and its public half
to FILE.pub, which is what pull and import take as --key. Any other tool that writes
PKCS #8 will do as well: openssl genpkey -algorithm ed25519.`,
		Example: `  plimsoll advisories keygen publisher.key
  plimsoll advisories build --sign-key publisher.key`,
		Args: one("file", "plimsoll advisories keygen publisher.key"),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := advisorydb.NewSigner()
			if err != nil {
				return err
			}
			// An existing key is never overwritten: what it signed could not be trusted any more.
			if err := writeNew(args[0], s.PEM(), 0o600); err != nil {
				return usage("%v", err)
			}
			if err := writeNew(args[0]+".pub", s.Key().PEM(), 0o644); err != nil {
				return usage("%v", err)
			}
			fmt.Fprintf(env.Stdout, "key %s\n  %s     keep it secret\n  %s.pub what others trust\n", s.Key().ID(), report.Printable(args[0]), report.Printable(args[0]))
			return nil
		},
	}
}

func writeNew(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
