package publish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub"
)

// RetryError says that posting did not work this time. Whether GitHub did what was asked is
// not known; the next Post looks before it acts.
type RetryError struct {
	After time.Duration // wait at least this long; positive
	// All: the cause concerns every message, not just this one (a rate limit, a bad token).
	All bool
	// Payer narrows All to the messages of one owner, in lower case; "" is everybody.
	Payer string
	// Unsent: no attempt was made.
	Unsent bool
	// Keep: it is never given up, and nothing is wrong with the way there.
	Keep bool
	Err  error
}

func (e *RetryError) Error() string {
	return fmt.Sprintf("%v (to be tried again)", e.Err)
}

func (e *RetryError) Unwrap() error { return e.Err }

// PermanentError says that posting this message will never work: the conversation is
// locked, the pull request or the commit is gone, a permission is missing.
type PermanentError struct {
	Err error
}

func (e *PermanentError) Error() string { return e.Err.Error() }
func (e *PermanentError) Unwrap() error { return e.Err }

const (
	shortWait = time.Minute
	// tokenWait is between two attempts with a token that GitHub refused. The message is
	// not given up: a person renews the token.
	tokenWait = 15 * time.Minute
)

// classify turns the error of a request into what Post promises.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var (
		perm *PermanentError
		kept *RetryError
		lim  *hub.LimitError
		st   *hub.StatusError
		redi *hub.RedirectError
		ro   *hub.ReadOnlyError
		busy *busyError
		soon *unsettledError
	)
	explained := hub.Explain(err)
	switch {
	case errors.As(err, &perm):
		return err
	case errors.As(err, &kept):
		return kept
	case errors.As(err, &busy):
		return &RetryError{After: busy.after, All: true, Unsent: true, Err: busy}
	case errors.Is(err, errOvertaken):
		return err
	case errors.As(err, &soon):
		return &RetryError{After: soon.after, Unsent: true, Err: soon}
	case errors.As(explained, &lim):
		return &RetryError{After: lim.After, All: true, Payer: lim.Payer, Err: lim}
	case errors.As(explained, &redi), errors.As(explained, &ro):
		return &PermanentError{Err: explained}
	case errors.As(explained, &st):
		return classifyStatus(st)
	}
	// The connection broke or the answer was cut off: it may have worked.
	return &RetryError{After: shortWait, Err: explained}
}

func classifyStatus(st *hub.StatusError) error {
	switch {
	case st.Code == http.StatusUnauthorized:
		return &RetryError{After: tokenWait, All: true, Err: st}
	case st.Code >= 500, st.Code == http.StatusRequestTimeout, st.Code == http.StatusConflict, st.Code == http.StatusTooEarly:
		return &RetryError{After: max(shortWait, st.After), Err: st}
	}
	return &PermanentError{Err: st}
}

// withdrawn makes it worth trying again to conclude what was said to be pending: who could
// say that and is refused now had a permission that may come back, and a status that is
// pending for ever blocks.
func (p *post) withdrawn(err error) error {
	var perm *PermanentError
	var st *hub.StatusError
	if !errors.As(err, &perm) || !errors.As(perm.Err, &st) || p.m.Kind != KindStatus || p.m.State == StatePending || p.m.RemoteID == "" {
		return err
	}
	if st.Code != http.StatusForbidden && st.Code != http.StatusNotFound {
		return err
	}
	return &RetryError{After: tokenWait, Err: st}
}

// gone reports whether a request failed because the thing is not there (any more).
func gone(err error) bool {
	var st *hub.StatusError
	return errors.As(hub.Explain(err), &st) && (st.Code == http.StatusNotFound || st.Code == http.StatusGone)
}
