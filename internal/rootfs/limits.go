package rootfs

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"
)

// Limits bound what reading one image may cost. A limit of zero or less is no limit.
type Limits struct {
	// Entries of one layer.
	Entries int
	// Names is the length in bytes of all paths and link targets of one layer, which are
	// held in memory.
	Names int64
	// Path length in bytes, and Depth in folders, of one entry.
	Path, Depth int
	// File is the largest body that is held in memory as a whole, in bytes. Larger
	// files can still be streamed. Memory bounds all bodies held at one time.
	File, Memory int64
	// Total uncompressed bytes of one layer, and bytes that visitors are given of its
	// files, which is more for sparse ones.
	Total int64
	// Ratio of uncompressed to compressed bytes, tested once RatioAfter bytes came out.
	Ratio      int64
	RatioAfter int64
	// Time to read one layer.
	Time time.Duration
}

// DefaultLimits are far above real images and far below what hurts: real layers
// seldom exceed 500,000 entries, 20 GB, or a ratio of 30.
func DefaultLimits() Limits {
	return Limits{
		Entries: 4_000_000, Names: 256 << 20, Path: 4096, Depth: 256,
		File: 64 << 20, Memory: 64 << 20,
		Total: 64 << 30, Ratio: 200, RatioAfter: 1 << 30,
		Time: 15 * time.Minute,
	}
}

// Problem is a part of a layer that was not read.
type Problem struct {
	// Path of the entry, or empty when it is about the layer.
	Path string
	// What in words: which limit was reached and where it stands, or why an entry of a
	// real folder could not be read.
	What string
	// Limit tells that a limit was the cause.
	Limit bool
}

// limitError stops a layer.
type limitError struct{ Problem }

func (e *limitError) Error() string { return e.What }

func exceeded(path, format string, args ...any) error {
	return &limitError{Problem{Path: path, What: fmt.Sprintf(format, args...), Limit: true}}
}

// pool bounds the bodies held in memory by all layers together.
type pool struct {
	sem *semaphore.Weighted
	cap int64
}

func newPool(n int64) *pool {
	if n <= 0 {
		n = 1 << 62
	}
	return &pool{sem: semaphore.NewWeighted(n), cap: n}
}

func (p *pool) get(ctx context.Context, n int64) ([]byte, error) {
	if err := p.sem.Acquire(ctx, min(n, p.cap)); err != nil {
		return nil, err
	}
	return make([]byte, n), nil
}

func (p *pool) put(n int64) { p.sem.Release(min(n, p.cap)) }
