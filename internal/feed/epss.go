package feed

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// epssURLs are where the scores are: with their publisher, and where they were until
// 2025, which leads there and is where mirrors have them.
var epssURLs = [...]string{
	"https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",
	"https://epss.cyentia.com/epss_scores-current.csv.gz",
}

// Bounds on the list of scores, which has some 300,000 rows of 30 bytes.
const (
	maxEPSSRow  = 1 << 10
	maxEPSSRows = 8 << 20
)

// epssFeed reads the scores of the Exploit Prediction Scoring System
// (first.org/epss/data_stats): gzip, a line of comment with the date, a line of column
// names, and a row for each CVE.
func epssFeed() Feed {
	return Feed{
		Name:  "epss",
		Home:  "https://www.first.org/epss/",
		Doc:   "scores of the Exploit Prediction Scoring System, one compressed CSV file",
		Every: 24 * time.Hour,
		Fetch: func(ctx context.Context, o *Origin, out Sink) error {
			body, err := o.Open(ctx, epssURLs[0])
			if errors.Is(err, ErrNotThere) {
				body, err = o.Open(ctx, epssURLs[1])
			}
			if err != nil {
				return err
			}
			defer body.Close()
			z, err := gzip.NewReader(body)
			if err != nil {
				return fmt.Errorf("unpacking the scores: %w", err)
			}
			return readEPSS(z, out)
		},
	}
}

func readEPSS(r io.Reader, out Sink) error {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 4<<10), maxEPSSRow)
	date, head, rows := "", false, 0
	for row := 1; in.Scan(); row++ {
		line := strings.TrimRight(in.Text(), "\r")
		switch {
		case row > maxEPSSRows:
			return fmt.Errorf("reading the scores: more than %d rows", maxEPSSRows)
		case strings.HasPrefix(line, "#"):
			for field := range strings.SplitSeq(line[1:], ",") {
				if v, ok := strings.CutPrefix(field, "score_date:"); ok {
					if t := parseTime(v); !t.IsZero() {
						date = t.Format(time.DateOnly)
						out.Dated(t)
					}
				}
			}
			continue
		case !head:
			if line != "cve,epss,percentile" {
				return fmt.Errorf("reading the scores: row %d is not the names of the columns", row)
			}
			head = true
			continue
		case line == "":
			continue
		}
		cve, rest, _ := strings.Cut(line, ",")
		score, percentile, _ := strings.Cut(rest, ",")
		s, ok1 := fraction(score)
		p, ok2 := fraction(percentile)
		if cveOf(cve) != cve || cve == "" || !ok1 || !ok2 {
			out.Quarantine(fmt.Sprintf("row %d", row), fmt.Errorf("%.80q is not a CVE with a score and a percentile", line))
			continue
		}
		e := advisory.Enrichment{EPSS: &advisory.EPSS{Score: s, Percentile: p, Date: date}}
		rows++
		if err := out.Enrichment(cve, e); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("reading the scores: %w", err)
	}
	if rows == 0 {
		return fmt.Errorf("reading the scores: there are none")
	}
	return nil
}

// fraction reads a number from 0 to 1.
func fraction(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && f >= 0 && f <= 1
}
