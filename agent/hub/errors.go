package hub

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
)

// LimitError is a rate limit, primary or secondary, or the hold-back after one.
type LimitError struct {
	After  time.Duration // wait at least this long; positive
	Reason string
	// Payer is the owner, in lower case, whose requests alone are affected: the hour of one
	// installation is used up. "" if all requests with the credential are.
	Payer string

	primary bool // the hourly limit
	unnamed bool // GitHub named no time
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s; next request in %s", e.Reason, e.After.Round(time.Second))
}

// StatusError is an answer of GitHub other than success. Its texts hold no token.
type StatusError struct {
	Method  string
	Path    string
	Code    int    // HTTP status
	Message string // GitHub's, one line; may be empty
	// Needs is what GitHub says the token would have to be allowed, from
	// X-Accepted-GitHub-Permissions; "" if it does not say.
	Needs string
	After time.Duration // Retry-After; 0 if GitHub does not say
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s %s: %d %s", e.Method, e.Path, e.Code, http.StatusText(e.Code))
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Needs != "" {
		s += " (needs " + e.Needs + ")"
	}
	return s
}

// Hint says what a person can do about it, "" if nothing comes to mind.
func (e *StatusError) Hint() string {
	switch e.Code {
	case http.StatusUnauthorized:
		return "the GitHub token is missing, wrong or expired: renew it where [github] of agent.toml refers to"
	case http.StatusForbidden:
		if e.Needs != "" {
			return "give the token the permission " + e.Needs
		}
		return "the token lacks a permission, or the conversation is locked"
	case http.StatusNotFound:
		return "there is no such thing, or the token may not see it (GitHub answers 404 for both)"
	case http.StatusGone:
		return "it was deleted, or issues are switched off for this repository"
	}
	return ""
}

// RedirectError is a redirect that is not followed: it leaves the host that the token is
// for, or would turn a POST into something else.
type RedirectError struct {
	Method, To, Why string
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("GitHub redirects a %s to %s, which %s", e.Method, e.To, e.Why)
}

// Hint tells what to change.
func (e *RedirectError) Hint() string {
	return "the repository may have moved, or the API base URL is not the final one: write the new name into agent.toml"
}

// ReadOnlyError is an attempt to change something through a client that only reads.
type ReadOnlyError struct{ Method, Path string }

func (e *ReadOnlyError) Error() string {
	return fmt.Sprintf("%s %s refused: this client reads only", e.Method, e.Path)
}

// Explain turns an error of a request into one of this package, or into a plain one; it
// keeps a context's error recognizable. nil stays nil.
func Explain(err error) error {
	var (
		lim  *LimitError
		redi *RedirectError
		ro   *ReadOnlyError
		resp *github.ErrorResponse
		rate *github.RateLimitError
		sec  *github.AbuseRateLimitError
		acc  *github.AcceptedError
		two  *github.TwoFactorAuthError
		u    *url.Error
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &lim):
		return lim
	case errors.As(err, &redi):
		return redi
	case errors.As(err, &ro):
		return ro
	case errors.As(err, &two):
		return statusError((*github.ErrorResponse)(two))
	case errors.As(err, &resp):
		return statusError(resp)
	// The transport catches limits first; these two are for a go-github that finds more.
	case errors.As(err, &rate):
		return &LimitError{After: leastWait, Reason: "GitHub's hourly rate limit is used up"}
	case errors.As(err, &sec):
		return &LimitError{After: leastWait, Reason: "GitHub's secondary rate limit is reached"}
	case errors.As(err, &acc):
		return errors.New("GitHub accepted the request but has no answer yet")
	case errors.As(err, &u):
		return fmt.Errorf("%s %s: %w", strings.ToUpper(u.Op), pathOf(u.URL), u.Err)
	}
	return err
}

func statusError(r *github.ErrorResponse) *StatusError {
	e := &StatusError{Message: oneLine(r.Message)}
	for _, d := range r.Errors {
		// GitHub puts the useful half of a 422 here.
		if t := oneLine(strings.TrimSpace(d.Message)); t != "" {
			e.Message += "; " + t
		} else if d.Field != "" {
			e.Message += "; " + oneLine(d.Field+" "+d.Code)
		}
	}
	e.Message = strings.TrimPrefix(e.Message, "; ")
	if r.Response != nil {
		e.Code = r.Response.StatusCode
		e.After = clamp(seconds(r.Response.Header.Get("Retry-After")), 0)
		e.Needs = oneLine(r.Response.Header.Get("X-Accepted-GitHub-Permissions"))
		if q := r.Response.Request; q != nil {
			e.Method, e.Path = q.Method, q.URL.Path
		}
	}
	return e
}

// pathOf drops host and query from a URL in an error text.
func pathOf(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "?"
	}
	return u.Path
}

// oneLine makes foreign text fit for a log line.
func oneLine(s string) string {
	s = strings.ToValidUTF8(s, "?")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300]) + "…"
	}
	return s
}
