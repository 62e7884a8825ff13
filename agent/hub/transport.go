package hub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast-ci/holdfast/runner/proc"
)

// transport adds the token, keeps to the base URL, bounds answers, and turns rate limits
// into a [LimitError] before go-github sees them: that library reads a 429 as any other
// error, and after a secondary limit without Retry-After it blocks itself until the hourly
// reset.
type transport struct {
	base   *url.URL
	token  TokenSource
	next   http.RoundTripper
	limits *limits
	write  bool
}

// RoundTrip does one request.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.write && req.Method != http.MethodGet && req.Method != http.MethodHead {
		closeBody(req)
		return nil, &ReadOnlyError{Method: req.Method, Path: req.URL.Path}
	}
	if !t.home(req.URL) {
		closeBody(req)
		return nil, &RedirectError{Method: req.Method, To: req.URL.Host, Why: "is another host"}
	}
	if wait := t.limits.hold(time.Now()); wait > 0 {
		closeBody(req)
		return nil, &LimitError{After: wait, Reason: "still held back by the rate limit"}
	}
	token, err := t.token.Token(req.Context())
	if err != nil {
		closeBody(req)
		return nil, fmt.Errorf("get a GitHub token: %w", err)
	}
	req = req.Clone(req.Context())
	req.Header.Del("Authorization")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, redacted(err, token)
	}
	resp.Body = &bounded{ReadCloser: resp.Body, left: maxBody + 1}
	if loc := resp.Header.Get("Location"); loc != "" && token != "" {
		// net/http quotes a location that it cannot read.
		resp.Header.Set("Location", proc.NewRedactor(token).String(loc))
	}
	now := time.Now()
	if resp.StatusCode >= 400 {
		if err := cleanBody(resp, token); err != nil {
			return nil, err
		}
		if lim := limitOf(resp, now); lim != nil {
			resp.Body.Close()
			t.limits.set(now, lim.After)
			return nil, lim
		}
	} else if wait, ok := exhausted(resp.Header, now); ok {
		// This answer is good, but the next one would be refused.
		t.limits.set(now, wait)
	}
	// Hold-back is ours. go-github's own trusts this machine's clock against GitHub's.
	resp.Header.Del("X-RateLimit-Reset")
	return resp, nil
}

// home reports whether u lies on the host of the base URL.
func (t *transport) home(u *url.URL) bool {
	return u.Scheme == t.base.Scheme && u.Host == t.base.Host
}

// checkRedirect follows a redirect on the same host, when the method stays what it was.
// net/http turns a POST that is answered 301, 302 or 303 into a GET, whose answer would
// read like success.
func (t *transport) checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case !t.home(req.URL):
		return &RedirectError{Method: first.Method, To: req.URL.Host, Why: "is another host"}
	case req.Method != first.Method:
		return &RedirectError{Method: first.Method, To: req.URL.Path, Why: "would not be a " + first.Method}
	case len(via) > 3:
		return &RedirectError{Method: first.Method, To: req.URL.Path, Why: "is one redirect too many"}
	}
	return nil
}

// cleanBody reads the body of an error, takes the token out of it (proxies like to echo
// requests) and puts it back.
func cleanBody(resp *http.Response, token string) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	resp.Body.Close()
	if err != nil && len(b) == 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if token != "" {
		b = []byte(proc.NewRedactor(token).String(string(b)))
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return nil
}

// redacted keeps err as it is, unless its text holds the token.
func redacted(err error, token string) error {
	if token == "" {
		return err
	}
	if s := proc.NewRedactor(token).String(err.Error()); s != err.Error() {
		return errors.New(s)
	}
	return err
}

// bounded fails a body that is longer than allowed: cut off silently, it would be a
// shorter list.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", maxBody)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// loopback reports whether host is this machine by name or address.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
