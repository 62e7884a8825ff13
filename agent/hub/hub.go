// Package hub makes clients for the GitHub API that behave: they go to the base URL as
// given and nowhere else, keep the token out of every error and every foreign host, hold
// back while a rate limit lasts, and bound every answer in time and size.
//
// A [Client] reads only. The one that may post comes from [Client.Writable], which is for
// package publish alone; a request that would change something through any other client is
// refused before it leaves the machine.
//
// What to ask for (package intake) and what to post (package publish) are left to others.
package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// DefaultBaseURL is the API of github.com.
const DefaultBaseURL = "https://api.github.com/"

const (
	defaultTimeout = 30 * time.Second
	// maxBody bounds one answer. A page of 100 pull requests with long bodies and their
	// repositories is about 7 MB.
	maxBody = 32 << 20
)

// Options say how to reach GitHub.
type Options struct {
	BaseURL   string            // of the API, taken as given; "" is DefaultBaseURL
	Token     TokenSource       // nil: anonymous, unless there is an App
	App       *App              // takes the place of Token
	Login     string            // whose credential it is; "" asks GitHub
	UserAgent string            // "" is "holdfast"
	Timeout   time.Duration     // for one request with its answer; 0 is 30 s
	Transport http.RoundTripper // nil: HTTP/2 and the proxies of the environment
}

// Client talks to the API of one GitHub with one token. Safe for concurrent use; package
// publish makes sure that its requests go one after another.
type Client struct {
	api *github.Client
	tr  *transport
	o   Options
	app *apps // nil: a token
	who *identity
}

// identity is whose credential it is, once known.
type identity struct {
	mu    sync.Mutex
	login string
	token string // that was asked with
}

// New returns a client that reads only. The base URL must be https, unless its host is
// this machine itself.
func New(o Options) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	base, err := url.Parse(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("GitHub API base URL: %w", err)
	}
	switch {
	case base.Host == "" || base.Scheme != "https" && base.Scheme != "http":
		return nil, runner.WithHint(fmt.Errorf("GitHub API base URL %q is not an http URL", o.BaseURL),
			"write it as %s or https://HOST/api/v3/", DefaultBaseURL)
	case base.User != nil:
		return nil, runner.WithHint(errors.New("GitHub API base URL holds a user name"),
			"give the token by reference in the [github] table")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("GitHub API base URL %q has a query or a fragment", o.BaseURL)
	case base.Scheme == "http" && !loopback(base.Hostname()):
		return nil, runner.WithHint(fmt.Errorf("GitHub API base URL %q would send the token unencrypted", o.BaseURL),
			"use https")
	}
	if !strings.HasSuffix(base.Path, "/") {
		base.Path += "/"
	}
	if o.Token == nil {
		o.Token = StaticToken("")
	}
	if o.UserAgent == "" {
		o.UserAgent = "holdfast"
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	tr := &transport{base: base, token: o.Token, next: o.Transport, limits: &limits{}, clock: &skewClock{}}
	var app *apps
	if o.App != nil {
		app = newApps(*o.App, o, tr)
		o.Token, tr.token, tr.app = app, app, app
	}
	tr.renew, _ = o.Token.(renewer)
	c := build(o, tr)
	c.app, c.who = app, &identity{}
	return c, nil
}

func build(o Options, tr *transport) *Client {
	hc := &http.Client{Transport: tr, Timeout: o.Timeout, CheckRedirect: tr.checkRedirect}
	api := github.NewClient(hc)
	u := *tr.base
	api.BaseURL, api.UserAgent = &u, o.UserAgent
	return &Client{api: api, tr: tr, o: o}
}

// Writable returns a client that may also post, sharing the rate limits of c. Only package
// publish may call it; a test there holds that.
func (c *Client) Writable() *Client {
	tr := *c.tr
	tr.write = true
	w := build(c.o, &tr)
	w.app, w.who = c.app, c.who
	return w
}

// API gives the go-github services. Its errors are those that [Explain] understands.
func (c *Client) API() *github.Client { return c.api }

// BaseURL is the base URL of the API, with a slash at its end.
func (c *Client) BaseURL() string { return c.tr.base.String() }

// Redact removes the tokens in use from text.
func (c *Client) Redact(ctx context.Context, s string) string {
	if c.app != nil {
		return proc.NewRedactor(c.app.secrets()...).String(s)
	}
	if p, ok := c.o.Token.(*PlacedToken); ok {
		return proc.NewRedactor(p.secrets()...).String(s)
	}
	t, err := c.o.Token.Token(ctx, "")
	if err != nil || t == "" {
		return s
	}
	return proc.NewRedactor(t).String(s)
}

// Skew is by how much GitHub's clock is ahead of this machine's, from the newest answer;
// false before the first.
func (c *Client) Skew() (time.Duration, bool) {
	c.tr.clock.mu.Lock()
	defer c.tr.clock.mu.Unlock()
	return c.tr.clock.seen, c.tr.clock.ok
}

// Hold returns how long requests about a repository are held back because of a rate limit;
// 0 when they are not.
func (c *Client) Hold(now time.Time, repo string) time.Duration {
	if lim := c.tr.limits.hold(now, c.tr.payer(repo)); lim != nil {
		return lim.After
	}
	return 0
}

// Page is one answer to a GET request.
type Page struct {
	NotModified  bool   // the ETag given is still right; Body and Next are empty
	Body         []byte // JSON
	ETag         string // "" if the answer has none
	Next         int    // number of the next page; 0 on the last
	PollInterval time.Duration
	Moved        string // where the answer came from in the end, when GitHub redirected
}

// Get asks for path (relative to the base URL, with its query) unless etag still
// describes it. It sends Cache-Control: max-age=0, so that no cache on the way answers.
func (c *Client) Get(ctx context.Context, path, etag string) (Page, error) {
	req, err := c.api.NewRequest(http.MethodGet, strings.TrimPrefix(path, "/"), nil)
	if err != nil {
		return Page{}, err
	}
	asked := req.URL.Path
	req.Header.Set("Cache-Control", "max-age=0")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := c.api.BareDo(ctx, req)
	if err != nil {
		var r *github.ErrorResponse
		if errors.As(err, &r) && r.Response.StatusCode == http.StatusNotModified {
			if etag == "" {
				return Page{}, fmt.Errorf("GET %s: 304 to a request without an ETag", path)
			}
			return Page{NotModified: true, ETag: etag, Moved: moved(r.Response, asked)}, nil
		}
		return Page{}, Explain(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Page{}, Explain(fmt.Errorf("GET %s: read the answer: %w", path, err))
	}
	if !json.Valid(body) {
		return Page{}, fmt.Errorf("GET %s: the answer is not JSON (%d bytes)", path, len(body))
	}
	return Page{
		Body: body, ETag: resp.Header.Get("ETag"), Next: resp.NextPage,
		PollInterval: seconds(resp.Header.Get("X-Poll-Interval")),
		Moved:        moved(resp.Response, asked),
	}, nil
}

// moved returns the path that answered, when it is not the one that was asked.
func moved(r *http.Response, asked string) string {
	if r.Request == nil || r.Request.URL.Path == asked {
		return ""
	}
	return r.Request.URL.Path
}
