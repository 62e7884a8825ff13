package hub

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// leastWait is for a limit that names no time.
	leastWait = time.Minute
	// mostWait bounds what an answer can make us wait: the primary limit resets hourly.
	mostWait = 65 * time.Minute
)

// limits remembers until when requests are held back: all of them after a secondary limit,
// which watches what an actor does altogether, and after a primary one those of the
// installation whose hour is used up.
type limits struct {
	mu     sync.Mutex
	until  map[string]time.Time // by payer; everybody is for all
	streak int                  // secondary limits since the last good answer
	rand   func() float64       // in [0, 1); nil is math/rand
	share  Holds                // nil: nobody else is told
	asked  time.Time            // when share was asked last
}

const everybody = "*"

// hold tells that requests of a payer are held back, and for how long; nil if they are not.
// The deadline came from time.Now, so it is measured on the monotonic clock and a wall
// clock set back does not extend it.
func (l *limits) hold(now time.Time, payer string) *LimitError {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, one := l.until[everybody].Sub(now), l.until[payer].Sub(now)
	switch {
	case all > 0 && all >= one:
		return &LimitError{After: all, Reason: "still held back by the rate limit"}
	case one > 0:
		return &LimitError{After: one, Reason: "still held back by the rate limit", Payer: payer, primary: true}
	}
	return nil
}

// set remembers a limit and returns it as it holds for the caller. One that names no time
// is taken for a minute, twice that when another follows, and so on, with up to a fifth
// more: agents that were stopped together must not come back together.
func (l *limits) set(now time.Time, lim *LimitError, payer string) *LimitError {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := *lim
	if lim.primary {
		out.Payer = payer
	} else {
		if lim.unnamed {
			out.After = min(leastWait<<min(l.streak, 6), mostWait)
			out.After += time.Duration(l.chance() * float64(out.After) / 5)
		}
		l.streak++
		payer = everybody
	}
	l.atLeast(payer, now.Add(out.After))
	return &out
}

// atLeast holds a payer back until a time, or for longer; l.mu is held.
func (l *limits) atLeast(payer string, until time.Time) {
	if l.until == nil {
		l.until = map[string]time.Time{}
	}
	if until.After(l.until[payer]) {
		l.until[payer] = until
	}
}

// fine notes a good answer.
func (l *limits) fine() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streak = 0
}

func (l *limits) chance() float64 {
	if l.rand != nil {
		return l.rand()
	}
	return rand.Float64()
}

// limitOf reads a rate limit out of an answer, nil if it is not one. Either limit comes as
// 403 or as 429. A 403 is one only if a header or the text says so; otherwise it is a
// missing permission. The wait follows GitHub's order: Retry-After, else the reset time if
// nothing remains, else at least a minute. The body of resp can be read again afterwards.
func limitOf(resp *http.Response, now time.Time) *LimitError {
	h := resp.Header
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
	case http.StatusForbidden:
		if h.Get("Retry-After") == "" && h.Get("X-RateLimit-Remaining") != "0" && !saysLimit(resp) {
			return nil
		}
	default:
		return nil
	}
	if v := h.Get("Retry-After"); v != "" {
		wait, ok := retryAfter(v, clock(h, now))
		if !ok {
			wait = leastWait
		}
		return &LimitError{After: clamp(wait, time.Second), Reason: "GitHub asks to retry later"}
	}
	if wait, ok := exhausted(h, now); ok {
		return &LimitError{After: wait, Reason: "GitHub's hourly rate limit is used up", primary: true}
	}
	return &LimitError{After: leastWait, Reason: "GitHub's secondary rate limit is reached", unnamed: true}
}

// exhausted reads X-RateLimit-Remaining: 0 and how long it lasts.
func exhausted(h http.Header, now time.Time) (time.Duration, bool) {
	if h.Get("X-RateLimit-Remaining") != "0" {
		return 0, false
	}
	reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil {
		return leastWait, true
	}
	// A second more, since both clocks cut off fractions.
	return clamp(time.Unix(reset, 0).Sub(clock(h, now))+time.Second, time.Second), true
}

// clock is GitHub's clock as far as the answer tells it: its reset times are by that one,
// and ours may be wrong by a day.
func clock(h http.Header, now time.Time) time.Time {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t
	}
	return now
}

// retryAfter reads both forms of the header, seconds and a date.
func retryAfter(v string, now time.Time) (time.Duration, bool) {
	if d := seconds(v); d > 0 || v == "0" {
		return d, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return t.Sub(now), true
	}
	return 0, false
}

func seconds(v string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

func clamp(d, least time.Duration) time.Duration { return min(max(d, least), mostWait) }

// saysLimit looks for the words of a secondary limit.
func saysLimit(resp *http.Response) bool {
	b, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(strings.NewReader(string(b)))
	if err != nil {
		return false
	}
	var m struct {
		Message string `json:"message"`
		URL     string `json:"documentation_url"`
	}
	_ = json.Unmarshal(b, &m) // not JSON: no words found
	text := strings.ToLower(m.Message + " " + m.URL)
	return strings.Contains(text, "secondary rate limit") || strings.Contains(text, "secondary-rate-limits") ||
		strings.Contains(text, "abuse-rate-limits") || strings.Contains(text, "abuse detection") ||
		strings.Contains(text, "api rate limit exceeded")
}
