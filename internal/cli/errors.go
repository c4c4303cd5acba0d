package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/plimsoll/plimsoll/internal/image"
)

// The exit codes; see Main.
const (
	exitPass     = 0
	exitFail     = 1
	exitUsage    = 2
	exitUnknown  = 3
	exitNotFound = 4
	// A server, registry or mirror that is required does not answer.
	exitUnreachable = 5
)

// exit is an error that already knows its code. An empty message prints nothing: the
// report has said it.
type exit struct {
	code int
	msg  string
	list []string // lines below the message
}

func (e *exit) Error() string { return e.msg }

func usage(format string, args ...any) error {
	return &exit{code: exitUsage, msg: fmt.Sprintf(format, args...)}
}

// classify maps every error to its exit code and message: the one table.
func classify(err error) (code int, msg string, list []string) {
	var e *exit
	switch {
	case errors.As(err, &e):
		return e.code, e.msg, e.list
	case errors.Is(err, image.ErrDigestMismatch):
		return exitUnknown, err.Error(), nil
	case errors.Is(err, image.ErrNotFound), errors.Is(err, image.ErrAuth), errors.Is(err, fs.ErrNotExist):
		return exitNotFound, err.Error(), nil
	case errors.Is(err, context.Canceled):
		return exitUnknown, "interrupted", nil
	case errors.Is(err, context.DeadlineExceeded):
		return exitUnknown, err.Error() + ": give it more time with --timeout", nil
	}
	return exitUnknown, err.Error(), nil
}
