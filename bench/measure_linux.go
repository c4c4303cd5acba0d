package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what one process took.
type usage struct {
	cpu, wall time.Duration
	peak      int64 // bytes
	written   int64 // bytes given to write calls, but for the report
}

// measure runs a command to its end. What it wrote is read from /proc after it has
// ended and before it is reaped.
func measure(ctx context.Context, args []string) (usage, error) {
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	out, err := c.StdoutPipe()
	if err != nil {
		return usage{}, err
	}
	c.Stderr = os.Stderr
	begin := time.Now()
	if err := c.Start(); err != nil {
		return usage{}, err
	}
	report, err := io.Copy(io.Discard, out)
	if err != nil {
		return usage{}, err
	}
	if err := unix.Waitid(unix.P_PID, c.Process.Pid, &unix.Siginfo{}, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		return usage{}, err
	}
	wall := time.Since(begin)
	wrote := written(c.Process.Pid)
	err = c.Wait()
	if s := c.ProcessState; s.ExitCode() > 3 || s.ExitCode() < 0 || s.ExitCode() == 2 {
		return usage{}, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	ru := c.ProcessState.SysUsage().(*syscall.Rusage)
	return usage{
		cpu:  c.ProcessState.UserTime() + c.ProcessState.SystemTime(),
		wall: wall, peak: ru.Maxrss << 10, written: wrote - report,
	}, nil
}

func written(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "wchar:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			return n
		}
	}
	return -1
}
