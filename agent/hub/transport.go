package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
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
	clock  *skewClock
	app    *apps   // nil for a token
	renew  renewer // of a token that is refused; nil for one that stays
	write  bool
	// exchange: the client by which an App gets its tokens, which changes nothing on GitHub.
	exchange bool
}

// renewer is a TokenSource that may have another token when one is refused.
type renewer interface {
	refused(ctx context.Context, token string) bool
}

// RoundTrip does one request.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.allowed(req); err != nil {
		closeBody(req)
		return nil, err
	}
	repo := t.repository(req)
	t.heed(req.Context(), time.Now())
	if lim := t.limits.hold(time.Now(), t.payer(repo)); lim != nil {
		closeBody(req)
		return nil, lim
	}
	token, err := t.token.Token(req.Context(), repo)
	if err != nil {
		closeBody(req)
		return nil, fmt.Errorf("get a GitHub token: %w", err)
	}
	resp, err := t.send(req, token)
	switch {
	case err != nil:
		return t.receive(resp, err, token, repo)
	case resp.StatusCode == http.StatusUnauthorized && t.renew != nil && t.renew.refused(req.Context(), token):
		// Revoked, or it ended while the machine slept.
	case resp.StatusCode == http.StatusNotFound && t.app != nil && repo != "" && t.app.elsewhere(req.Context(), repo):
	default:
		return t.receive(resp, err, token, repo)
	}
	// Nothing was done, so even a POST may be sent once more.
	again, ok := rewind(req)
	if !ok {
		return t.receive(resp, err, token, repo)
	}
	resp.Body.Close()
	if token, err = t.token.Token(req.Context(), repo); err != nil {
		return nil, fmt.Errorf("renew a GitHub token: %w", err)
	}
	resp, err = t.send(again, token)
	return t.receive(resp, err, token, repo)
}

// allowed refuses what this client must not send.
func (t *transport) allowed(req *http.Request) error {
	switch reads := req.Method == http.MethodGet || req.Method == http.MethodHead; {
	case t.exchange && !reads && !strings.HasSuffix(req.URL.Path, "/access_tokens"),
		!t.exchange && !t.write && !reads:
		return &ReadOnlyError{Method: req.Method, Path: req.URL.Path}
	case !t.home(req.URL):
		return &RedirectError{Method: req.Method, To: req.URL.Host, Why: "is another host"}
	}
	return nil
}

// repository tells which repository a request is about, "" if none. After a redirect, to
// /repositories/NUMBER, it is the one that was asked for.
func (t *transport) repository(req *http.Request) string {
	if repo, ok := req.Context().Value(asRepo{}).(string); ok {
		return repo
	}
	for req.Response != nil && req.Response.Request != nil {
		req = req.Response.Request
	}
	rest, ok := strings.CutPrefix(req.URL.Path, t.base.Path+"repos/")
	part := strings.SplitN(rest, "/", 3)
	if !ok || len(part) < 2 {
		return ""
	}
	return part[0] + "/" + part[1]
}

// payer is whose hourly limit a request counts for: each installation of an App has one of
// its own, and installations go by owner.
func (t *transport) payer(repo string) string {
	if t.app == nil {
		return ""
	}
	owner, _, _ := strings.Cut(repo, "/")
	return strings.ToLower(owner)
}

func (t *transport) send(req *http.Request, token string) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Del("Authorization")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	sent := time.Now()
	resp, err := t.next.RoundTrip(req)
	if err == nil {
		resp.Request = req
		t.clock.learn(resp.Header, sent, time.Now())
	}
	return resp, err
}

// receive makes an answer harmless and remembers the limits it tells of.
func (t *transport) receive(resp *http.Response, err error, token, repo string) (*http.Response, error) {
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
			lim = t.limits.set(now, lim, t.payer(repo))
			t.tell(resp.Request.Context(), lim)
			return nil, lim
		}
	} else {
		t.limits.fine()
		if wait, ok := exhausted(resp.Header, now); ok {
			// This answer is good, but the next one would be refused.
			t.tell(resp.Request.Context(), t.limits.set(now, &LimitError{After: wait, primary: true}, t.payer(repo)))
		}
	}
	// Hold-back is ours. go-github's own trusts this machine's clock against GitHub's.
	resp.Header.Del("X-RateLimit-Reset")
	return resp, nil
}

// rewind makes a request that can be sent after its first try; false if its body cannot.
func rewind(req *http.Request) (*http.Request, bool) {
	again := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return again, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	again.Body = body
	return again, true
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
