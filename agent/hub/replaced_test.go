package hub_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
)

// A token that is replaced in its place is used from the first request on that is refused;
// whose it is is asked anew, and the old one is still no text to be seen.
func TestReplacedToken(t *testing.T) {
	f := hubtest.Start(t)
	f.AddRepo("acme/pool", hubtest.SHA("a1"))
	place, broken, fetched := "first-token-4711", error(nil), 0
	f.Grant(place, "one")
	src := hub.NewPlacedToken(place, func(context.Context) (string, error) { fetched++; return place, broken })
	c, err := hub.New(hub.Options{BaseURL: f.URL(), Token: src})
	if err != nil {
		t.Fatal(err)
	}
	who := func(want string) {
		t.Helper()
		if got, err := c.Login(t.Context()); err != nil || got != want {
			t.Errorf("login %q, %v, want %q", got, err, want)
		}
	}
	who("one")
	if err := read(t, c, "acme/pool"); err != nil || fetched != 0 {
		t.Fatal(err, fetched)
	}
	f.Revoke(place)
	f.Grant("second-token-4711", "two")
	var st *hub.StatusError
	for range 5 { // not replaced yet: its place is not asked each time
		if err := read(t, c, "acme/pool"); !errors.As(err, &st) || st.Code != http.StatusUnauthorized {
			t.Errorf("revoked: %v", err)
		}
	}
	if fetched != 1 {
		t.Errorf("fetched %d times", fetched)
	}
	src = hub.NewPlacedToken(place, func(context.Context) (string, error) { return "second-token-4711", nil })
	if c, err = hub.New(hub.Options{BaseURL: f.URL(), Token: src}); err != nil {
		t.Fatal(err)
	}
	if err := read(t, c, "acme/pool"); err != nil {
		t.Errorf("replaced: %v", err)
	}
	who("two")
	if got := c.Redact(t.Context(), "first-token-4711 second-token-4711"); strings.Contains(got, "4711") {
		t.Errorf("redacted: %s", got)
	}
}
