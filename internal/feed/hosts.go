package feed

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Bounds on how one server is used, however many feeds read from it.
const (
	maxAtOnce  = 2 // requests under way
	maxFailing = 3 // files in a row that could not be had after all tries
)

// hosts are the servers that an origin has spoken to, by name.
type hosts struct {
	mu    sync.Mutex
	known map[string]*host
}

func (h *hosts) named(name string) *host {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil {
		h.known = map[string]*host{}
	}
	if h.known[name] == nil {
		h.known[name] = &host{name: name, slots: make(chan struct{}, maxAtOnce)}
	}
	return h.known[name]
}

// host is one server: what it asked of us, and how it does.
type host struct {
	name  string
	slots chan struct{}

	mu      sync.Mutex
	until   time.Time // it asked to be left alone until then
	failing int       // files in a row
	last    error
}

// enter waits for a turn to ask. A server that wants to be left alone for long, or
// has failed too often, is not asked at all. waited is a pause that the caller has
// waited out already.
func (h *host) enter(ctx context.Context, sleep func(context.Context, time.Duration) error, waited time.Time) error {
	for {
		h.mu.Lock()
		until, failing, last := h.until, h.failing, h.last
		h.mu.Unlock()
		if failing >= maxFailing {
			return fmt.Errorf("%s is not asked any more after %d files that failed: %v", h.name, failing, last)
		}
		if d := time.Until(until); d > 0 && !until.Equal(waited) {
			if d > maxRetryAfter {
				return fmt.Errorf("%s asks to come back in %v", h.name, d.Round(time.Second))
			}
			if err := sleep(ctx, d); err != nil {
				return err
			}
			waited = until
			continue
		}
		select {
		case h.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		h.mu.Lock()
		same := h.until.Equal(until) && h.failing < maxFailing
		h.mu.Unlock()
		if same {
			return nil
		}
		h.leave() // things have changed while we waited
	}
}

// leave ends a turn.
func (h *host) leave() { <-h.slots }

// pause leaves the server alone for as long as it asks, and gives the end of that.
func (h *host) pause(d time.Duration) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	until := time.Now().Add(d)
	if until.After(h.until) {
		h.until = until
	}
	return until
}

// fails notes that a file could not be had after all tries, answers that the server
// gave a plain answer.
func (h *host) fails(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing++
	h.last = err
}

func (h *host) answers() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failing < maxFailing {
		h.failing = 0
	}
}
