package hub_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
)

// holds are kept in memory.
type holds struct {
	mu     sync.Mutex
	known  map[string]map[string]time.Duration // by who
	asked  int
	broken error
}

func (h *holds) Hold(_ context.Context, who, payer string, d time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known[who] == nil {
		h.known[who] = map[string]time.Duration{}
	}
	h.known[who][payer] = d
	return h.broken
}

func (h *holds) Held(_ context.Context, who string) (map[string]time.Duration, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	return maps.Clone(h.known[who]), h.broken
}

// What one process learned about a limit keeps back another one with the same credential,
// and one that is started anew; somebody else's credential and another owner's hour do not.
func TestHoldsAreShared(t *testing.T) {
	f, c, _ := appClient(t)
	f.Grant("other-token-4711", "somebody")
	h := &holds{known: map[string]map[string]time.Duration{}}
	c.Share(h)
	f.Fail(hubtest.Fault{Kind: hubtest.FailPrimary, Path: "acme/pool/branches", Reset: 10 * time.Minute})
	var lim *hub.LimitError
	if err := read(t, c, "acme/pool"); !errors.As(err, &lim) {
		t.Fatal(err)
	}
	again := func() *hub.Client {
		c, err := hub.New(hub.Options{BaseURL: f.URL(), App: &hub.App{ID: "4711", Key: appKey()}})
		if err != nil {
			t.Fatal(err)
		}
		c.Share(h)
		f.Forget()
		return c
	}
	c = again()
	if err := read(t, c, "acme/pool"); !errors.As(err, &lim) || lim.After < 9*time.Minute || len(f.Requests()) != 0 {
		t.Errorf("asked although another process knows better: %v, %q", err, f.Requests())
	}
	if err := read(t, c, "beta/lake"); err != nil {
		t.Errorf("another owner's: %v", err)
	}
	f.Fail(hubtest.Fault{Kind: hubtest.FailSecondary, Path: "beta/lake/branches", RetryAfter: 60})
	if err := read(t, c, "beta/lake"); !errors.As(err, &lim) {
		t.Fatal(err)
	}
	c = again()
	if err := read(t, c, "beta/lake"); !errors.As(err, &lim) || len(f.Requests()) != 0 {
		t.Errorf("a secondary limit: %v, %q", err, f.Requests())
	}
	if h.asked > 4 {
		t.Errorf("asked others %d times", h.asked)
	}
	other, err := hub.New(hub.Options{BaseURL: f.URL(), Token: hub.StaticToken("other-token-4711")})
	if err != nil {
		t.Fatal(err)
	}
	other.Share(h)
	if err := read(t, other, "acme/pool"); errors.As(err, &lim) {
		t.Errorf("another credential: %v", err)
	}
	f.Fail(hubtest.Fault{Kind: hubtest.FailSecondary, RetryAfter: 60})
	if err := read(t, other, "acme/pool"); !errors.As(err, &lim) {
		t.Fatal(err)
	}
	for who := range h.known {
		if strings.Contains(who, "4711") != strings.Contains(who, "app 4711") {
			t.Errorf("%q gives a token away", who)
		}
	}
	// Who cannot be asked is no reason not to go on.
	h = &holds{known: map[string]map[string]time.Duration{}, broken: errors.New("database is locked")}
	if err := read(t, again(), "acme/pool"); err != nil {
		t.Errorf("nobody to ask: %v", err)
	}
}
