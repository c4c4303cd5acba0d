package feed

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/internal/imagetest"
)

func TestAdhoc(t *testing.T) {
	dir := filepath.Join(imagetest.Corpus(t), "feeds")
	o, err := NewOrigin(dir)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	why := map[string]map[string]int{}
	start := time.Now()
	res := Run(context.Background(), o, All(), func(f Feed) Sink {
		n := 0
		m := map[string]int{}
		why[f.Name] = m
		_ = &mu
		return Sink{
			Quarantine: func(r string, err error) {
				if n++; n < 8 {
					t.Log(f.Name, r, err)
				}
			},
			Skip: func(r, w string) { m[w]++ },
		}
	})
	t.Log(time.Since(start))
	for _, r := range res {
		if r.Missing {
			continue
		}
		t.Log(r.Name, r.Records, r.Enrichments, "q", r.Quarantined, "s", r.Skipped, r.Newest, len(r.Ecosystems), r.Err, why[r.Name])
	}
}
