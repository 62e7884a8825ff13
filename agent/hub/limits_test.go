package hub

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestLimitOf(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	type header = map[string]string
	for name, c := range map[string]struct {
		code   int
		header header
		body   string
		want   time.Duration // 0: not a limit
	}{
		"permission missing":             {403, nil, `{"message":"Resource not accessible"}`, 0},
		"permission missing, with rest":  {403, header{"X-RateLimit-Remaining": "12"}, `{}`, 0},
		"locked":                         {403, nil, `{"message":"Unable to create comment because issue is locked."}`, 0},
		"not found":                      {404, header{"Retry-After": "7"}, `{}`, 0},
		"server error":                   {503, header{"Retry-After": "7"}, `{}`, 0},
		"retry after":                    {403, header{"Retry-After": "7"}, `{}`, 7 * time.Second},
		"retry after beats reset":        {429, header{"Retry-After": "7", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1772370000"}, `{}`, 7 * time.Second},
		"retry after now":                {429, header{"Retry-After": "0"}, `{}`, time.Second},
		"retry after a date":             {429, header{"Retry-After": "Sun, 01 Mar 2026 12:02:00 GMT"}, `{}`, 2 * time.Minute},
		"retry after nonsense":           {429, header{"Retry-After": "soon"}, `{}`, time.Minute},
		"retry after a year":             {429, header{"Retry-After": "31536000"}, `{}`, mostWait},
		"retry after minus one":          {429, header{"Retry-After": "-1"}, `{}`, time.Minute},
		"primary":                        {403, header{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1772367000"}, `{}`, 10*time.Minute + time.Second},
		"primary as 429":                 {429, header{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1772367000"}, `{}`, 10*time.Minute + time.Second},
		"primary, our clock a day early": {403, header{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1772453400", "Date": "Mon, 02 Mar 2026 12:00:00 GMT"}, `{}`, 10*time.Minute + time.Second},
		"primary, reset in the past":     {403, header{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, `{}`, time.Second},
		"primary, no reset":              {403, header{"X-RateLimit-Remaining": "0"}, `{}`, time.Minute},
		"secondary by its text":          {403, header{"X-RateLimit-Remaining": "4000", "X-RateLimit-Reset": "1772367000"}, `{"message":"You have exceeded a secondary rate limit."}`, time.Minute},
		"secondary by its link":          {403, nil, `{"documentation_url":"https://docs.github.com/x#about-secondary-rate-limits"}`, time.Minute},
		"plain 429":                      {429, nil, `<html>`, time.Minute},
	} {
		resp := &http.Response{StatusCode: c.code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(c.body))}
		for k, v := range c.header {
			resp.Header.Set(k, v)
		}
		got := limitOf(resp, now)
		switch {
		case c.want == 0 && got != nil:
			t.Errorf("%s: limit of %s, want none", name, got.After)
		case c.want != 0 && (got == nil || got.After != c.want):
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
		if b, err := io.ReadAll(resp.Body); c.want == 0 && (err != nil || string(b) != c.body) {
			t.Errorf("%s: the body is %q afterwards, want %q", name, b, c.body)
		}
	}
}

func TestHoldIsNotShortened(t *testing.T) {
	var l limits
	now := time.Now()
	named := func(d time.Duration) *LimitError { return &LimitError{After: d} }
	l.set(now, named(time.Hour), "")
	l.set(now, named(time.Minute), "")
	if got := l.hold(now, ""); got == nil || got.After != time.Hour {
		t.Errorf("hold = %v after a shorter limit, want 1h", got)
	}
	if got := l.hold(now.Add(2*time.Hour), ""); got != nil {
		t.Errorf("hold = %v when it is over, want none", got)
	}
}

// The hour of one installation is its own; a secondary limit is everybody's.
func TestHoldByPayer(t *testing.T) {
	var l limits
	now := time.Now()
	l.set(now, &LimitError{After: time.Hour, primary: true}, "acme")
	if got := l.hold(now, "acme"); got == nil || got.Payer != "acme" || got.After != time.Hour {
		t.Errorf("hold of acme = %+v, want an hour of its own", got)
	}
	if got := l.hold(now, "eve"); got != nil {
		t.Errorf("hold of eve = %v, want none", got)
	}
	l.set(now, &LimitError{After: time.Minute}, "acme")
	if got := l.hold(now, "eve"); got == nil || got.Payer != "" || got.After != time.Minute {
		t.Errorf("hold of eve = %+v after a secondary limit, want a minute for all", got)
	}
}

// A secondary limit that names no time is waited for longer each time, never exactly as
// long as others wait.
func TestUnnamedLimitsGrow(t *testing.T) {
	l := limits{rand: func() float64 { return 0.5 }}
	now := time.Now()
	for _, want := range []time.Duration{66 * time.Second, 132 * time.Second, 264 * time.Second} {
		if got := l.set(now, &LimitError{After: leastWait, unnamed: true}, "").After; got != want {
			t.Errorf("wait of %s, want %s", got, want)
		}
	}
	for range 70 {
		l.set(now, &LimitError{After: leastWait, unnamed: true}, "")
	}
	if got := l.hold(now, "").After; got > mostWait+mostWait/5 {
		t.Errorf("wait of %s", got)
	}
	l.fine()
	if got := l.set(now, &LimitError{After: leastWait, unnamed: true}, "").After; got != 66*time.Second {
		t.Errorf("wait of %s after a good answer, want to start over", got)
	}
}

// An answer that is too long is an error, never a shorter answer.
func TestBounded(t *testing.T) {
	for n, wantErr := range map[int64]bool{4: true, 5: true, 6: false} {
		b := &bounded{ReadCloser: io.NopCloser(strings.NewReader("12345")), left: n}
		got, err := io.ReadAll(b)
		if (err != nil) != wantErr {
			t.Errorf("left %d: read %q, %v", n, got, err)
		}
	}
}
