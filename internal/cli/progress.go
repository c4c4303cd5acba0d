package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll/internal/report"
)

// progress writes one line to standard error that is written over, for work that
// takes longer than a blink, and only on a terminal.
type progress struct {
	w    io.Writer // nil: silent
	mu   sync.Mutex
	text string
	done chan struct{}
	wg   sync.WaitGroup
}

func newProgress(env Env, quiet bool) *progress {
	p := &progress{}
	if !quiet && env.Width(env.Stderr) > 0 && env.Getenv("TERM") != "dumb" {
		p.w = env.Stderr
	}
	return p
}

const (
	progressAfter = 300 * time.Millisecond
	progressEvery = 100 * time.Millisecond
)

func (p *progress) start(text string) {
	if p.w == nil {
		return
	}
	p.text = report.Printable(text)
	p.done = make(chan struct{})
	p.wg.Go(func() {
		begin := time.Now()
		t := time.NewTicker(progressEvery)
		defer t.Stop()
		shown := false
		for {
			select {
			case <-p.done:
				if shown {
					fmt.Fprint(p.w, "\r\x1b[K")
				}
				return
			case <-t.C:
				if d := time.Since(begin); d >= progressAfter {
					shown = true
					p.mu.Lock()
					fmt.Fprintf(p.w, "\r\x1b[K%s %.1fs", p.text, d.Seconds())
					p.mu.Unlock()
				}
			}
		}
	})
}

// say replaces the text.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = report.Printable(text)
}

func (p *progress) layers(done, total int) {
	if p.w == nil {
		return
	}
	const cells = 20
	n := cells * done / max(total, 1)
	p.say(fmt.Sprintf("layers %s%s %d/%d", strings.Repeat("█", n), strings.Repeat("░", cells-n), done, total))
}

func (p *progress) stop() {
	if p.done != nil {
		close(p.done)
		p.wg.Wait()
		p.done = nil
	}
}
