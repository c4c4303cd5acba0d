package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/plimsoll/plimsoll/internal/image"
)

// freshBytes is the progress after which a broken transfer may be taken up again as
// often as at its beginning.
const freshBytes = 1 << 20

// open gives the bytes of a blob as stored, not yet checked against its digest. The
// first request is made at once, so that a blob that is missing is known before
// anything is read. size is that of the descriptor.
func (r *repo) open(ctx context.Context, d image.Digest, size int64) (io.ReadCloser, error) {
	b := &blob{ctx: ctx, repo: r, digest: d, size: size}
	// The line below repeats requests that got no answer, but not those whose first
	// answer was cut short; those are met by Read.
	if err := b.connect(); err != nil {
		return nil, r.fail("reading blob "+string(d)+" of "+r.name, err)
	}
	return b, nil
}

// blob reads one blob, over as many connections as it takes. It lives as long as the
// reading of it, which is why it may hold a context.
type blob struct {
	ctx    context.Context
	repo   *repo
	digest image.Digest
	size   int64
	body   io.ReadCloser // nil between two connections
	off    int64         // bytes given to the reader so far
	since  int64         // off when breaks was last zero
	breaks int           // connections lost since then
	// pending is what the last read of the connection said beside giving bytes.
	pending error
	err     error // final
}

// Read gives the next bytes. A connection that breaks, falls silent or ends early is
// replaced by another that starts where it stopped.
func (b *blob) Read(p []byte) (int, error) {
	for {
		if b.err != nil {
			return 0, b.err
		}
		err := b.pending
		if b.pending = nil; err == nil {
			var n int
			n, err = b.step(p)
			b.off += int64(n)
			if b.off-b.since >= freshBytes {
				b.since, b.breaks = b.off, 0
			}
			if n > 0 || err == nil {
				b.pending = err
				return n, nil
			}
		}
		switch {
		case err == io.EOF && b.off >= b.size, b.off == b.size && b.ctx.Err() == nil:
			b.err = io.EOF
		case err == io.EOF:
			b.err = b.lost(io.ErrUnexpectedEOF)
		default:
			b.err = b.lost(err)
		}
	}
}

// step reads once, from a new connection if there is none.
func (b *blob) step(p []byte) (int, error) {
	if b.body == nil {
		if err := b.connect(); err != nil {
			return 0, err
		}
	}
	n, err := b.body.Read(p)
	if err != nil {
		b.body.Close()
		b.body = nil
	}
	return n, err
}

// lost decides whether to go on after err: nil means try again, after a pause.
func (b *blob) lost(err error) error {
	doing := fmt.Sprintf("reading blob %s of %s, at byte %d of %d", b.digest, b.repo.name, b.off, b.size)
	if b.ctx.Err() != nil {
		return b.repo.fail(doing, b.ctx.Err())
	}
	b.breaks++
	var st *status
	if errors.As(err, &st) || errors.Is(err, errHTML) || b.breaks >= b.repo.c.line.tries {
		// An answer is final here: the line below has asked often enough.
		return b.repo.fail(doing, err)
	}
	if err := sleep(b.ctx, b.repo.c.line.grow(b.breaks)); err != nil {
		return b.repo.fail(doing, err)
	}
	return nil
}

// connect asks for the blob from off onwards (RFC 9110, 14.2). A registry that sends
// all of it again has the bytes known already thrown away; were they different this
// time, the digest of the whole does not hold.
func (b *blob) connect() error {
	resp, err := b.request(b.off)
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusPartialContent && !startsAt(resp.Header.Get("Content-Range"), b.off) ||
		resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && b.off > 0 {
		drain(resp.Body)
		if resp, err = b.request(0); err != nil {
			return err
		}
	}
	switch {
	case resp.StatusCode == http.StatusPartialContent && startsAt(resp.Header.Get("Content-Range"), b.off):
	case resp.StatusCode == http.StatusOK:
		if err := notHTML(resp); err != nil {
			resp.Body.Close()
			return err
		}
		if b.off > 0 {
			if _, err := io.CopyN(io.Discard, resp.Body, b.off); err != nil {
				resp.Body.Close()
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return err
			}
		}
	default:
		return readStatus(resp)
	}
	b.body = resp.Body
	return nil
}

func (b *blob) request(off int64) (*http.Response, error) {
	req, err := b.repo.get(b.ctx, "blobs/"+string(b.digest))
	if err != nil {
		return nil, err
	}
	if off > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(off, 10)+"-")
	}
	return b.repo.http.Do(req)
}

// startsAt reports whether a Content-Range begins at off.
func startsAt(contentRange string, off int64) bool {
	rest, ok := strings.CutPrefix(contentRange, "bytes ")
	from, _, ok2 := strings.Cut(rest, "-")
	n, err := strconv.ParseInt(strings.TrimSpace(from), 10, 64)
	return ok && ok2 && err == nil && n == off
}

// Close ends the transfer.
func (b *blob) Close() error {
	b.err = errClosed
	if b.body == nil {
		return nil
	}
	err := b.body.Close()
	b.body = nil
	return err
}

var errClosed = errors.New("read of a closed blob")
