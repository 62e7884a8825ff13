package publish_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
)

// The outbox that the agent uses, on real SQLite: a whole run is posted, an out-of-date
// message changes nothing, a limit loses nothing, and what was given up is kept.
func TestRealOutbox(t *testing.T) {
	f, g := start(t)
	s, err := store.Open(t.Context(), store.Options{SQLite: filepath.Join(t.TempDir(), "holdfast.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	c := &clock{time.Now()}
	put := func(msgs ...publish.Message) {
		t.Helper()
		if err := s.PutMessages(t.Context(), 1, msgs...); err != nil {
			t.Fatal(err)
		}
	}
	do := func(p publish.Poster) publish.Delivery {
		t.Helper()
		d, err := publish.Deliver(t.Context(), s, p, c.now, nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}

	put(all(run(1), "")...)
	if d := do(g); d.Posted != 4 {
		t.Errorf("while running: %+v", d)
	}
	put(all(finish(run(1)), "# Run 1")...)
	f.Fail(hubtest.Fault{Kind: hubtest.FailSecondary, Method: "POST", Skip: 2})
	if d := do(g); d.Posted != 2 || d.Waiting != 4 {
		t.Errorf("limited: %+v", d)
	}
	put(all(run(1), "")...) // out of date
	c.t = c.t.Add(6 * time.Minute)
	if d := do(poster(t, f)); d.Posted != 4 || d.Waiting != 0 {
		t.Errorf("after the limit: %+v", d)
	}
	if got := f.Dump(); got != finalState {
		t.Errorf("state:\n%s\nwant:\n%s", got, finalState)
	}

	// Edited in place by the number that was stored: no search.
	f.Forget()
	put(all(finish(run(2)), "# Run 2")[4:]...)
	do(poster(t, f))
	wantRequests(t, f, get+"issues/comments/", edit+"issues/comments/", get+"issues/2 200", edit+"issues/2 200")

	f.Lock(slug, 1)
	put(all(finish(run(3)), "# Run 3")[4])
	if d := do(poster(t, f)); d.Dropped != 1 {
		t.Errorf("locked: %+v", d)
	}
	if pending, failed, _, err := s.Unposted(t.Context()); err != nil || pending != 0 || len(failed) != 1 {
		t.Errorf("%d pending, given up %+v, %v", pending, failed, err)
	}
}
