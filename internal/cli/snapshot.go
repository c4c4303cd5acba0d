package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll/internal/advisorydb"
	"github.com/plimsoll/plimsoll/internal/report"
)

// days is a duration in whole days, "90d", or in Go's form.
type days time.Duration

func (d *days) String() string {
	if h := time.Duration(*d); h%(24*time.Hour) == 0 {
		return strconv.Itoa(int(h/(24*time.Hour))) + "d"
	}
	return time.Duration(*d).String()
}

func (d *days) Set(s string) error {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		if v, err := strconv.ParseUint(n, 10, 16); err == nil {
			*d = days(time.Duration(v) * 24 * time.Hour)
			return nil
		}
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("want a number of days such as 90d, or a duration such as 36h")
	}
	*d = days(v)
	return nil
}

func (d *days) Type() string { return "duration" }

// statusDocument is what advisories status says, in JSON.
type statusDocument struct {
	Dir       string         `json:"dir"`
	Digest    string         `json:"digest"`
	Created   time.Time      `json:"created"`
	SignedBy  []string       `json:"signed_by"`
	Remote    string         `json:"remote,omitempty"`
	Records   int            `json:"records"`
	Bytes     int64          `json:"bytes"`
	Parts     int            `json:"parts"`
	Here      int            `json:"parts_here"`
	Snapshots []string       `json:"snapshots"`
	Sources   []statusSource `json:"sources"`
}

type statusSource struct {
	Name        string     `json:"name"`
	Home        string     `json:"home"`
	Fetched     *time.Time `json:"fetched,omitempty"`
	Newest      *time.Time `json:"newest,omitempty"`
	AgeDays     int        `json:"age_days"`
	Stale       bool       `json:"stale"`
	Records     int        `json:"records"`
	Skipped     int        `json:"skipped"`
	Quarantined int        `json:"quarantined"`
	Ecosystems  []string   `json:"ecosystems"`
}

func newStatus(env Env) *cobra.Command {
	var dir, format, asOf string
	var verify bool
	c := &cobra.Command{
		Use:   "status [DIR]",
		Short: "Say what the snapshot holds, how old each source is, and which others are kept",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("one snapshot at a time, but there are %d", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				dir = args[0]
			}
			if format != "table" && format != "json" {
				return usage("--format %s: want table or json", format)
			}
			at, err := parseAsOf(asOf)
			if err != nil {
				return err
			}
			dir := snapshotDir(env, dir)
			o := advisorydb.Options{}
			if asOf != "" {
				o.AsOf = endOf(asOf, at)
			}
			db, err := o.Open(dir)
			if err != nil {
				return err
			}
			defer db.Close()
			if verify {
				if err := db.Verify(c.Context()); err != nil {
					return err
				}
			}
			doc, err := statusOf(dir, db, at)
			if err != nil {
				return err
			}
			if format == "json" {
				return writeJSON(env.Stdout, doc)
			}
			writeStatus(env.Stdout, doc, verify)
			return nil
		},
	}
	dirFlag(c, &dir, "dir", "folder of the snapshot")
	f := c.Flags()
	f.StringVarP(&format, "format", "f", "table", "table or json")
	f.StringVar(&asOf, "as-of", "", "the snapshot in force on a day, and ages against it (default: today, UTC)")
	f.BoolVar(&verify, "verify", false, "read every part and check it against its digest")
	return c
}

func statusOf(dir string, db *advisorydb.DB, at time.Time) (statusDocument, error) {
	m := db.Manifest()
	doc := statusDocument{Dir: dir, Digest: db.Digest(), Created: m.Created, Remote: advisorydb.RemoteOf(dir),
		SignedBy: db.SignedBy(), Snapshots: []string{}, Sources: []statusSource{}, Parts: len(m.Shards)}
	if doc.SignedBy == nil {
		doc.SignedBy = []string{}
	}
	for _, s := range m.Shards {
		doc.Bytes += s.Size
		doc.Records += s.Records
		if db.Has(s) {
			doc.Here++
		}
	}
	for _, s := range m.Sources {
		src := statusSource{Name: s.Name, Home: s.Home, Records: s.Records, Skipped: s.Skipped, Quarantined: s.Quarantined, Ecosystems: s.Ecosystems}
		if src.Ecosystems == nil {
			src.Ecosystems = []string{}
		}
		when := s.Newest
		if !s.Newest.IsZero() {
			src.Newest = &s.Newest
		}
		if !s.Fetched.IsZero() {
			src.Fetched, when = &s.Fetched, s.Fetched
		}
		if !when.IsZero() {
			src.AgeDays = max(0, int(at.Sub(when).Hours()/24))
			src.Stale = s.MaxAge > 0 && at.Sub(when) > s.MaxAge
		}
		doc.Sources = append(doc.Sources, src)
	}
	list, err := advisorydb.History(dir)
	if err != nil {
		return doc, err
	}
	for _, s := range list {
		doc.Snapshots = append(doc.Snapshots, s.Name)
	}
	return doc, nil
}

func writeStatus(w io.Writer, doc statusDocument, verified bool) {
	fmt.Fprintf(w, "%s\n", report.Printable(doc.Dir))
	fmt.Fprintf(w, "  snapshot %s of %s\n", doc.Digest, doc.Created.Format(time.DateTime))
	if len(doc.SignedBy) > 0 {
		fmt.Fprintf(w, "  signed by key %s\n", strings.Join(doc.SignedBy, ", "))
	} else {
		fmt.Fprintln(w, "  not signed")
	}
	if doc.Remote != "" {
		fmt.Fprintf(w, "  pulled from %s\n", report.Printable(doc.Remote))
	}
	fmt.Fprintf(w, "  %d advisories in %d parts, %s; %d parts are here", doc.Records, doc.Parts, bytesSaid(doc.Bytes), doc.Here)
	if verified {
		fmt.Fprint(w, ", each checked against its digest")
	}
	fmt.Fprintln(w)
	name := 0
	for _, s := range doc.Sources {
		name = max(name, len(s.Name))
	}
	for _, s := range doc.Sources {
		fmt.Fprintf(w, "  %-*s %8d records", name, report.Printable(s.Name), s.Records)
		if s.Newest != nil || s.Fetched != nil {
			fmt.Fprintf(w, ", %d days old", s.AgeDays)
		}
		if s.Stale {
			fmt.Fprint(w, ", stale")
		}
		if s.Quarantined > 0 {
			fmt.Fprintf(w, ", %d unreadable", s.Quarantined)
		}
		fmt.Fprintln(w)
	}
	if n := len(doc.Snapshots); n > 1 {
		fmt.Fprintf(w, "  %d snapshots are kept, the oldest %s\n", n, doc.Snapshots[0])
	}
}

func writeJSON(w io.Writer, doc any) error {
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// diffDocument is what advisories diff says, in JSON.
type diffDocument struct {
	From    string                    `json:"from"`
	To      string                    `json:"to"`
	Records []advisorydb.RecordChange `json:"records"`
	Flaws   []advisorydb.FlawChange   `json:"flaws"`
}

func newDiff(env Env) *cobra.Command {
	var dir, format string
	c := &cobra.Command{
		Use:   "diff FROM TO",
		Short: "List the records that differ between two snapshots, and the packages they touch",
		Long: `Diff compares two snapshots. Each is a folder, or of those kept in one folder (--dir) a
day (the one in force then) or a digest. Parts that are equal are not read.`,
		Example: `  plimsoll advisories diff 2026-11-01 2026-11-25
  plimsoll advisories diff ./before ./after -f json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage("two snapshots are compared, and %d are named: plimsoll advisories diff 2026-11-01 2026-11-25", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if format != "table" && format != "json" {
				return usage("--format %s: want table or json", format)
			}
			dir := snapshotDir(env, dir)
			from, err := openNamed(dir, args[0])
			if err != nil {
				return err
			}
			defer from.Close()
			to, err := openNamed(dir, args[1])
			if err != nil {
				return err
			}
			defer to.Close()
			doc := diffDocument{From: from.Digest(), To: to.Digest(), Records: []advisorydb.RecordChange{}, Flaws: []advisorydb.FlawChange{}}
			for r, err := range advisorydb.Diff(c.Context(), from, to) {
				if err != nil {
					return err
				}
				doc.Records = append(doc.Records, r)
			}
			for f, err := range advisorydb.DiffFlaws(c.Context(), from, to) {
				if err != nil {
					return err
				}
				doc.Flaws = append(doc.Flaws, f)
			}
			if format == "json" {
				return writeJSON(env.Stdout, doc)
			}
			writeDiff(env.Stdout, doc)
			return nil
		},
	}
	dirFlag(c, &dir, "dir", "folder in which days and digests are looked for")
	c.Flags().StringVarP(&format, "format", "f", "table", "table or json")
	return c
}

// openNamed opens a folder's snapshot, or the one of dir that a day or digest names.
func openNamed(dir, name string) (*advisorydb.DB, error) {
	if st, err := os.Stat(filepath.Join(name, "manifest.json")); err == nil && st.Mode().IsRegular() {
		return advisorydb.Open(name)
	}
	if t, err := parseAsOf(name); err == nil && name != "" {
		return advisorydb.Options{AsOf: endOf(name, t)}.Open(dir)
	}
	if strings.HasPrefix(name, "sha256:") {
		return advisorydb.Options{Digest: name}.Open(dir)
	}
	return nil, usage("%s is no folder with a snapshot, no day such as 2026-11-01 and no digest", name)
}

func writeDiff(w io.Writer, doc diffDocument) {
	ecosystem, packages := "", 0
	last := [2]string{}
	for _, r := range doc.Records {
		if r.Ecosystem != ecosystem {
			ecosystem = r.Ecosystem
			fmt.Fprintf(w, "%s\n", report.Printable(ecosystem))
		}
		if at := [2]string{r.Ecosystem, r.Package}; at != last {
			last = at
			packages++
		}
		fmt.Fprintf(w, "  %s %s  %s (%s)\n", sign(r.Change), report.Printable(r.Package), report.Printable(r.ID), report.Printable(r.Source))
	}
	if len(doc.Flaws) > 0 {
		fmt.Fprintln(w, "severity, rating or exploitation")
		for i, f := range doc.Flaws {
			if i == 200 {
				fmt.Fprintf(w, "  and %d more: see -f json\n", len(doc.Flaws)-i)
				break
			}
			fmt.Fprintf(w, "  %s %s\n", sign(f.Change), report.Printable(f.ID))
		}
	}
	verb := "differ"
	if len(doc.Records) == 1 {
		verb = "differs"
	}
	fmt.Fprintf(w, "%s of %s %s, and what is known of %s\n", plural(len(doc.Records), "record"), plural(packages, "package"), verb, plural(len(doc.Flaws), "flaw"))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func sign(c advisorydb.Change) string {
	switch c {
	case advisorydb.Added:
		return "+"
	case advisorydb.Removed:
		return "-"
	}
	return "~"
}

func newPrune(env Env) *cobra.Command {
	var dir string
	keep := days(90 * 24 * time.Hour)
	c := &cobra.Command{
		Use:     "prune",
		Short:   "Take away snapshots that are older than need be",
		Example: `  plimsoll advisories prune --keep 30d`,
		Args:    none,
		RunE: func(c *cobra.Command, _ []string) error {
			snapshots, parts, bytes, err := advisorydb.Prune(c.Context(), snapshotDir(env, dir), time.Now().Add(-time.Duration(keep)))
			if err != nil {
				return err
			}
			fmt.Fprintf(env.Stdout, "%s and %s, %s, are gone\n", plural(snapshots, "snapshot"), plural(parts, "part"), bytesSaid(bytes))
			return nil
		},
	}
	dirFlag(c, &dir, "dir", "folder of the snapshots")
	c.Flags().Var(&keep, "keep", "how long snapshots are kept")
	return c
}

// endOf gives the last moment of the day that s names, or the moment itself.
func endOf(s string, t time.Time) time.Time {
	if len(s) == len(time.DateOnly) {
		return t.Add(24*time.Hour - time.Second)
	}
	return t
}
