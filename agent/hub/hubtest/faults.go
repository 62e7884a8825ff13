package hubtest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Ways to fail.
const (
	FailStatus    = "status"    // answer Code, 500 if 0
	FailReset     = "reset"     // the connection breaks before any answer
	FailTruncated = "truncated" // the answer ends half way
	FailPrimary   = "primary"   // hourly limit: 403 with nothing remaining; Code 429 for that form
	FailSecondary = "secondary" // secondary limit: 403 with its text; Code 429 for that form
	FailSlow      = "slow"      // no answer until the client gives up
	FailEcho      = "echo"      // Code (502 if 0) with the request's Authorization header in the message
	FailHTML      = "html"      // 200 with a page instead of JSON
	FailRedirect  = "redirect"  // Code (302 if 0) to the URL in To
)

// Fault makes requests fail.
type Fault struct {
	Kind   string
	Method string // "" is any
	Path   string // part of the path with its query; "" is any
	Times  int    // how often; 0 is once, negative is always
	Skip   int    // let this many matching requests pass first
	Code   int
	// After lets the request take effect first: the change is made and only its answer is
	// lost. Not for limits and FailSlow.
	After bool
	// RetryAfter is sent in seconds unless 0.
	RetryAfter int
	// Reset is how long until the hourly limit resets; 0 is one hour.
	Reset time.Duration
	To    string
}

// Fail adds a fault. Of several that match, the one added first acts.
func (f *Fake) Fail(ft Fault) {
	if ft.Times == 0 {
		ft.Times = 1
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, &ft)
}

// OnRequest calls do at one of the coming requests, the first is 0: before it takes effect,
// or after, when its answer is about to be sent.
func (f *Fake) OnRequest(n int, after bool, do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trap = &trap{left: n, after: after, do: do}
}

// Fired reports whether that came to pass.
func (f *Fake) Fired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trap != nil && f.trap.left < 0
}

// trap is something that happens at one request.
type trap struct {
	left  int
	after bool
	do    func()
}

// spring counts a request; f.mu is held.
func (t *trap) spring() (hit bool) {
	if t == nil || t.left < 0 {
		return false
	}
	t.left--
	return t.left < 0
}

// Heal removes all faults.
func (f *Fake) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// Lag makes lists come from a replica that is behind: what is created from now on is not in
// them until the fake's clock is d further ([Fake.SetSkew] moves it). 0 ends it.
func (f *Fake) Lag(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lag = d
	if d == 0 {
		f.replicas = nil
	}
}

// replicate notes what a request created; f.mu is held.
func (f *Fake) replicate(r *http.Request, a *answer) {
	if f.lag <= 0 || r.Method != http.MethodPost || a.code != http.StatusCreated {
		return
	}
	if id, ok := identity(a.body); ok {
		if f.replicas == nil {
			f.replicas = map[int64]time.Time{}
		}
		f.replicas[id] = f.wall().Add(f.lag)
	}
}

// unseen reports whether an object of a list has not reached the replica; f.mu is held.
func (f *Fake) unseen(object any) bool {
	id, ok := identity(object)
	return ok && f.wall().Before(f.replicas[id])
}

// identity is the id of an object as it is answered.
func identity(object any) (int64, bool) {
	m, ok := object.(map[string]any)
	if !ok {
		return 0, false
	}
	id, ok := m["id"].(int64)
	return id, ok
}

// fault picks the fault for a request and uses it up; f.mu is held.
func (f *Fake) fault(r *http.Request) *Fault {
	for _, ft := range f.faults {
		if ft.Times == 0 || ft.Method != "" && ft.Method != r.Method || !strings.Contains(r.URL.RequestURI(), ft.Path) {
			continue
		}
		if ft.Skip > 0 {
			ft.Skip--
			continue
		}
		if ft.Times > 0 {
			ft.Times--
		}
		return ft
	}
	return nil
}

// spoil turns the answer of a request into what the fault makes of it. It reports what to
// write down, and whether an answer may be written at all.
func (ft *Fault) spoil(r *http.Request, a *answer) {
	limited := func(message string) {
		code := ft.Code
		if code == 0 {
			code = http.StatusForbidden
		}
		a.fail(code, "%s", message)
		if ft.RetryAfter > 0 {
			a.header.Set("Retry-After", strconv.Itoa(ft.RetryAfter))
		}
	}
	switch ft.Kind {
	case FailStatus:
		code := ft.Code
		if code == 0 {
			code = http.StatusInternalServerError
		}
		a.fail(code, "%s", http.StatusText(code))
		if ft.RetryAfter > 0 {
			a.header.Set("Retry-After", strconv.Itoa(ft.RetryAfter))
		}
	case FailEcho:
		code := ft.Code
		if code == 0 {
			code = http.StatusBadGateway
		}
		a.fail(code, "upstream refused: Authorization: %s", r.Header.Get("Authorization"))
	case FailPrimary:
		limited("API rate limit exceeded for user ID 1.")
		reset := ft.Reset
		if reset == 0 {
			reset = time.Hour
		}
		a.header.Set("X-RateLimit-Remaining", "0")
		a.header.Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(reset).Unix(), 10))
	case FailSecondary:
		limited("You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
		a.value["documentation_url"] = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits"
	case FailHTML:
		a.code, a.raw = http.StatusOK, []byte("<html>Sign in to the hotel network</html>")
		a.header.Set("Content-Type", "text/html")
	case FailRedirect:
		code := ft.Code
		if code == 0 {
			code = http.StatusFound
		}
		a.fail(code, "Moved")
		a.header.Set("Location", ft.To)
	case FailReset, FailTruncated, FailSlow:
		// How the answer is written, see ServeHTTP.
	default:
		panic(fmt.Sprintf("hubtest: no fault of kind %q", ft.Kind))
	}
}
