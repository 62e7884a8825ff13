package runner

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// LimitError says that a stage was stopped because its time was up.
type LimitError struct {
	Stage string
	Limit time.Duration
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s stage stopped after its limit of %s", e.Stage, e.Limit)
}

// Hint tells how to give it more time.
func (e *LimitError) Hint() string { return fmt.Sprintf("raise %s.limit in agent.toml", e.Stage) }

// ErrCancelled is the cause of a context that a person cancelled.
var ErrCancelled = errors.New("cancelled")

// ErrSuperseded is the cause of a context cancelled by a newer head.
var ErrSuperseded = errors.New("superseded by a newer head")

// HintError adds to an error what a person can do about it.
type HintError struct {
	Err  error
	Text string
}

func (e *HintError) Error() string { return e.Err.Error() }
func (e *HintError) Unwrap() error { return e.Err }

// Hint is the advice, one line.
func (e *HintError) Hint() string { return e.Text }

// WithHint wraps err with advice. It returns nil for a nil err.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &HintError{Err: err, Text: fmt.Sprintf(format, args...)}
}

func reason(err error) string {
	if errors.Is(err, context.Canceled) {
		return ErrCancelled.Error()
	}
	return err.Error()
}

func errorsAs[T any](err error) (T, bool) {
	var t T
	ok := errors.As(err, &t)
	return t, ok
}
