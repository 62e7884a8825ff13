package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// Locks are flock(2) on a file: the kernel lets go of them when the process dies, however
// it dies. The text in the file (process, host) is for people; only the lock counts. Not
// for network file systems.

// ErrLocked says that another process holds a lock; the error's text names it.
var ErrLocked = errors.New("locked")

// Lock claims a state folder for one agent. The error is ErrLocked, naming the holder,
// when another process has it.
func Lock(dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "agent.lock")
	f, err := tryLock(path, "")
	if errors.Is(err, ErrLocked) {
		return nil, runner.WithHint(fmt.Errorf("state folder %s is in use by another agent (%s): %w", dir, holder(path), ErrLocked),
			"stop that agent, or give this one a folder of its own (agent.state in agent.toml)")
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

// MachineLock waits until this process has the machine to itself: one stage at a time,
// whatever agent, queue or command started it, since a build next door is noise in a
// benchmark. dir must be the same for all of them.
// waiting, if not nil, is told who holds the lock: once before the wait and again whenever
// the holder changes. what goes into the lock file for others to read ("run 12").
func MachineLock(ctx context.Context, dir, what string, waiting func(holder string)) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return waitLock(ctx, filepath.Join(dir, "machine.lock"), what, waiting)
}

func waitLock(ctx context.Context, path, what string, waiting func(holder string)) (func(), error) {
	var told string
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		f, err := tryLock(path, what)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, ErrLocked) {
			return nil, err
		}
		if h := holder(path); waiting != nil && h != told {
			told = h
			waiting(h)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// tryLock returns the locked file, or ErrLocked. Closing it unlocks.
func tryLock(path, what string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		if err := flock(f); err != nil {
			_ = f.Close()
			return nil, err
		}
		// Whoever held the lock before may have removed the file: then this is a lock on
		// nothing.
		if !same(f, path) {
			_ = f.Close()
			continue
		}
		host, _ := os.Hostname()
		text := fmt.Sprintf("process %d on %s", os.Getpid(), host)
		if what != "" {
			text += ", " + what
		}
		// The text is a courtesy; a full disk must not cost the lock.
		_ = f.Truncate(0)
		_, _ = f.WriteAt([]byte(text+"\n"), 0)
		return f, nil
	}
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrLocked
		default:
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

func same(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// holder reads who holds a lock, in words.
func holder(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "not known"
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 200))
	text, _, _ := strings.Cut(string(b), "\n")
	if text == "" {
		return "not known"
	}
	return text
}
