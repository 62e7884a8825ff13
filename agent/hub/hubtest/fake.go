// Package hubtest is a GitHub for tests: an HTTP server that holds state and answers the
// part of the REST API that Holdfast uses, as strictly as the real one or stricter.
//
// It knows repositories with branches, commits and pull requests, commit statuses, issues,
// comments on issues and commits, check runs, Apps with their installations, tokens and
// their permissions. Lists come in pages with
// ETags; answers carry rate limit headers. It refuses what GitHub refuses (a description
// over 140 characters, a body over 65,536, a commit it does not have, a locked
// conversation) and also what GitHub would silently ignore (an unknown field, a missing
// header). [Fault]s make it fail in the ways that matter, before or after the effect.
//
// Every request is recorded in order ([Fake.Requests]) and the state can be printed
// ([Fake.Dump]); both are stable from run to run. [Fake.Script] drives it by text, for
// tests of the whole command.
package hubtest

import (
	"fmt"
	"net/http/httptest"
	"sync"
	"time"
)

// Defaults of a new fake.
const (
	Token = "ghp_holdfastTestToken0123456789abcdef" // may do everything
	Login = "holdfast-bot"                          // whose token it is
)

// Fake is a GitHub that holds state. All methods may be called while it serves.
type Fake struct {
	srv *httptest.Server

	mu       sync.Mutex
	tokens   map[string]*account
	repos    map[string]*Repo // by lower-case "owner/name"
	moved    map[string]string
	nextID   int64
	ticks    int64 // each change advances the clock of the fake by a second
	requests []string
	faults   []*Fault
	limit    int // remaining requests of this hour

	apps          []*app
	installations []*installation
	life          time.Duration // of an installation token
	skew          time.Duration
	trap          *trap
	lag           time.Duration
	replicas      map[int64]time.Time // when what was created is in lists, by id
}

// account is who a token belongs to and what it may do.
type account struct {
	login string
	may   map[string]bool // "statuses", "pull_requests", "issues", "contents"; nil: everything
	in    *installation   // of an App; its permissions count then
	until time.Time       // zero: for good

	scopes, ends string // of a personal token, as GitHub's headers tell them
}

// writes and reads report whether an account has a permission.
func (a *account) writes(permission string) bool {
	if a.in != nil {
		return a.in.may[permission] == "write"
	}
	return a.may == nil || a.may[permission]
}

// New starts a fake with the token [Token] of [Login]. Close it.
func New() *Fake {
	f := &Fake{
		tokens: map[string]*account{Token: {login: Login}},
		repos:  map[string]*Repo{},
		moved:  map[string]string{},
		nextID: 1000,
		limit:  5000,
		life:   lease,
	}
	f.srv = httptest.NewServer(f)
	return f
}

// Start is [New] with Close at the end of the test.
func Start(tb interface{ Cleanup(func()) }) *Fake {
	f := New()
	tb.Cleanup(f.Close)
	return f
}

// Close stops the server. Requests that a fault holds up end.
func (f *Fake) Close() {
	f.srv.CloseClientConnections()
	f.srv.Close()
}

// URL is the base URL of the API, with a slash at its end.
func (f *Fake) URL() string { return f.srv.URL + "/api/v3/" }

// Grant adds a token. may lists what it may write: "statuses", "pull_requests", "issues",
// "contents". Nothing listed means everything, "read" means nothing.
func (f *Fake) Grant(token, login string, may ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &account{login: login}
	for _, m := range may {
		if a.may == nil {
			a.may = map[string]bool{}
		}
		a.may[m] = true
	}
	f.tokens[token] = a
}

// Describe sets what GitHub tells of a personal token: its scopes, if it is a classic one,
// and when it ends, "2026-12-24 10:00:00 UTC" or "".
func (f *Fake) Describe(token, scopes, ends string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens[token].scopes, f.tokens[token].ends = scopes, ends
}

// Revoke makes a token unknown.
func (f *Fake) Revoke(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tokens, token)
}

// Requests lists what was asked since the start or the last [Fake.Forget], one line each:
// method, path with query, the status answered, and for a change its fields in
// alphabetical order, cut short. An answer that never arrived reads "reset".
func (f *Fake) Requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.requests...)
}

// Forget empties the list of requests.
func (f *Fake) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = nil
}

// SetRemaining sets how many requests are left this hour.
func (f *Fake) SetRemaining(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limit = n
}

// Remaining is how many requests are left this hour.
func (f *Fake) Remaining() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.limit
}

// id gives the next number; f.mu is held.
func (f *Fake) id() int64 {
	f.nextID++
	return f.nextID
}

// now is the fake's clock: it moves by one second with each change, so that what it
// prints does not depend on when a test runs; f.mu is held.
func (f *Fake) now() string {
	f.ticks++
	return time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC).Add(time.Duration(f.ticks) * time.Second).Format(time.RFC3339)
}

// SHA makes an object name out of a short text, for readable tests: SHA("a1") is
// "a1a1a1…", 40 digits. The text must be hexadecimal.
func SHA(seed string) string {
	s := ""
	for len(s) < 40 {
		s += seed
	}
	return s[:40]
}

func (f *Fake) repo(slug string) *Repo {
	r := f.repos[fold(slug)]
	if r == nil {
		panic(fmt.Sprintf("hubtest: no repository %q", slug))
	}
	return r
}
