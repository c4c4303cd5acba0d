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
)

// exit is an error that already knows its code. An empty message prints nothing: the
// report has said it.
type exit struct {
	code int
	msg  string
}

func (e *exit) Error() string { return e.msg }

func usage(format string, args ...any) error {
	return &exit{exitUsage, fmt.Sprintf(format, args...)}
}

// classify maps every error to its exit code and message: the one table.
func classify(err error) (code int, msg string) {
	var e *exit
	switch {
	case errors.As(err, &e):
		return e.code, e.msg
	case errors.Is(err, image.ErrDigestMismatch):
		return exitUnknown, err.Error()
	case errors.Is(err, image.ErrNotFound), errors.Is(err, image.ErrAuth), errors.Is(err, fs.ErrNotExist):
		return exitNotFound, err.Error()
	case errors.Is(err, context.Canceled):
		return exitUnknown, "interrupted"
	}
	return exitUnknown, err.Error()
}
