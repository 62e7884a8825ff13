package publish_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/publish"
)

// creating are the messages that create something, and how often it is there.
func creating(app bool) map[string]publish.Message {
	out := map[string]publish.Message{"comment by": comment("run 1"), "issue 2": issue("run 1")}
	if app {
		out["check holdfast"] = publish.Statuses(target, finish(run(1)), nil)[0]
	} else {
		commit := commitComment("run 1")
		out["comment by holdfast-bot\n"] = commit
	}
	return out
}

// The agent dies between creating something and recording it, and is started again at once,
// while GitHub's lists do not show it yet. It looks again and again, and what is there is
// taken over, however late it shows within two minutes; it is never created twice.
func TestRestartWithinLag(t *testing.T) {
	for _, app := range []bool{false, true} {
		for object, m := range creating(app) {
			f, g, again := begun(t, app)
			o, c := &outbox{}, newClock()
			o.add(m)
			f.Lag(time.Hour)
			if _, err := publish.Deliver(t.Context(), &mortal{outbox: o, left: 1}, g, c.now, nil); !errors.Is(err, errDied) {
				t.Fatal(err)
			}
			start := c.t
			for looks := 0; ; looks++ {
				o.rows[0].next = time.Time{} // as Recover does
				d := deliver(t, o, again(), c)
				if d.Posted == 1 {
					break
				}
				if d.Waiting != 1 || d.Dropped != 0 || looks > 8 {
					t.Fatalf("%s: %+v", object, d)
				}
				c.t = d.Next
				if c.t.Sub(start) > 70*time.Second {
					f.Lag(0)
				}
			}
			if dump := f.Dump(); strings.Count(dump, object) != 1 || strings.Contains(dump, "issue 3") || o.rows[0].RemoteID == "" || !o.rows[0].begun.IsZero() {
				t.Errorf("%s: not exactly once, or not known:\n%s", object, dump)
			}
			if d := c.t.Sub(start); d > 2*time.Minute {
				t.Errorf("%s: found after %s", object, d)
			}
		}
	}
}

// The same, but the request never arrived: what is not there after two minutes is created,
// and not sooner.
func TestRestartAfterNothing(t *testing.T) {
	for _, app := range []bool{false, true} {
		for object, m := range creating(app) {
			f, g, again := begun(t, app)
			o, c := &outbox{}, newClock()
			o.add(m)
			f.Fail(hubtest.Fault{Kind: hubtest.FailReset, Method: "POST", Times: 2})
			f.Fail(hubtest.Fault{Kind: hubtest.FailReset, Method: "POST", Path: "/check-runs", Times: 1})
			start := c.t
			d := deliver(t, o, g, c)
			for i := 0; d.Posted == 0 && i < 12; i++ {
				if strings.Contains(f.Dump(), object) {
					t.Fatalf("%s: created after %s", object, c.t.Sub(start))
				}
				c.t = d.Next
				d = deliver(t, o, again(), c)
			}
			if n := strings.Count(f.Dump(), object); n != 1 || c.t.Sub(start) < 2*time.Minute || c.t.Sub(start) > 10*time.Minute {
				t.Errorf("%s: there %d times after %s", object, n, c.t.Sub(start))
			}
		}
	}
}

// What GitHub refused was not created: there is nothing to wait for.
func TestRefusedIsNotBegun(t *testing.T) {
	for _, ft := range []hubtest.Fault{
		{Kind: hubtest.FailSecondary, RetryAfter: 5}, {Kind: hubtest.FailPrimary, Code: 429, Reset: 5 * time.Second}, {Kind: hubtest.FailStatus, Code: 401},
	} {
		f, g := start(t)
		o, c := &outbox{}, newClock()
		o.add(comment("run 1"))
		ft.Method = "POST"
		f.Fail(ft)
		d := deliver(t, o, g, c)
		if d.Waiting != 1 || !o.rows[0].begun.IsZero() {
			t.Fatalf("%+v: %+v, begun %s", ft, d, o.rows[0].begun)
		}
		c.t = d.Next
		if d := deliver(t, o, poster(t, f), c); d.Posted != 1 {
			t.Errorf("%+v: %+v", ft, d)
		}
	}
}

// Who is not given the message any more changes nothing, however far it has come.
func TestOvertakenWhilePosting(t *testing.T) {
	for _, m := range []publish.Message{comment("run 1"), status("success", "x"), issue("run 1")} {
		f, g := start(t)
		o, c := &outbox{}, newClock()
		o.add(m)
		p := &hook{Poster: g, before: func() { o.rows[0].Seq++ }}
		if d := deliver(t, o, once(p), c); d.Posted != 0 || d.Dropped != 0 || d.Waiting != 0 {
			t.Errorf("%s: %+v", m.Kind, d)
		}
		for _, r := range f.Requests() {
			if !strings.HasPrefix(r, "GET ") {
				t.Errorf("%s: %s", m.Kind, r)
			}
		}
	}
}

// once posts the first message only.
func once(p publish.Poster) publish.Poster { return &first{Poster: p} }

type first struct {
	publish.Poster
	done bool
}

func (f *first) Post(ctx context.Context, m publish.Message) (string, error) {
	if f.done {
		return "", &publish.RetryError{Unsent: true, After: time.Hour, Err: errors.New("one is enough")}
	}
	f.done = true
	return f.Poster.Post(ctx, m)
}

func begun(t *testing.T, app bool) (f *hubtest.Fake, g *publish.GitHub, again func() *publish.GitHub) {
	if app {
		f, _ := startApp(t)
		return f, appPoster(t, f), func() *publish.GitHub { return appPoster(t, f) }
	}
	f, g = start(t)
	return f, g, func() *publish.GitHub { return poster(t, f) }
}

// The token is revoked while there is something to post: that is said once in a quarter of
// an hour, nothing is lost, and with a new token in its place everything is posted, once.
func TestRevokedToken(t *testing.T) {
	f, _ := start(t)
	place := hubtest.Token
	client, err := hub.New(hub.Options{BaseURL: f.URL(), Token: hub.NewPlacedToken(place, func(context.Context) (string, error) { return place, nil })})
	if err != nil {
		t.Fatal(err)
	}
	g := publish.NewGitHub(client, publish.Options{Gap: -1})
	o, c := &outbox{}, newClock()
	o.add(all(run(1), "")...)
	deliver(t, o, g, c)
	o.add(all(finish(run(1)), "# Run 1")...)
	f.Revoke(hubtest.Token)
	for range 3 {
		f.Forget()
		var log bytes.Buffer
		d, err := publish.Deliver(t.Context(), o, g, c.now, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil || d.Waiting != 6 || d.Dropped != 0 || d.Next.Sub(c.t) != 15*time.Minute {
			t.Fatalf("revoked: %+v, %v", d, err)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || len(f.Requests()) != 1 || strings.Contains(log.String(), hubtest.Token) {
			t.Errorf("%d requests, and said %d times:\n%s", len(f.Requests()), n, log.String())
		}
		c.t = d.Next
	}
	if place != hubtest.Token {
		t.Fatal("not the token any more")
	}
	place = "another-token-of-the-same-user"
	f.Grant(place, hubtest.Login)
	client, err = hub.New(hub.Options{BaseURL: f.URL(), Token: hub.NewPlacedToken(hubtest.Token, func(context.Context) (string, error) { return place, nil })})
	if err != nil {
		t.Fatal(err)
	}
	if d := deliver(t, o, publish.NewGitHub(client, publish.Options{Gap: -1}), c); d.Posted != 6 {
		t.Errorf("replaced: %+v", d)
	}
	if got := f.Dump(); got != finalState {
		t.Errorf("state:\n%s\nwant:\n%s", got, finalState)
	}
}

// The repository is moved, also to another owner, while its old name is in agent.toml:
// everything is read and posted there, once.
func TestMovedRepository(t *testing.T) {
	for _, to := range []string{"acme/basin", "beta/basin"} {
		for _, app := range []bool{false, true} {
			f, g, _ := begun(t, app)
			if app {
				f.Install("holdfast", "beta", []string{"checks=write", "statuses=write", "pull_requests=write", "issues=write", "contents=read"})
			}
			o, c := &outbox{}, newClock()
			o.add(all(run(1), "")...)
			deliver(t, o, g, c)
			o.add(comment("# Run 0"))
			deliver(t, o, g, c)
			f.Move(slug, to)
			o.add(all(finish(run(1)), "# Run 1")...)
			if d := deliver(t, o, g, c); d.Posted != 6 {
				t.Errorf("to %s, App %v: %+v\n%s\n%s", to, app, d, o.reasons(), strings.Join(f.Requests(), "\n"))
			}
			dump := f.Dump()
			if strings.Contains(dump, "pending") || strings.Count(dump, "comment by") != 1 || strings.Count(dump, "  issue ") != 1 || !strings.Contains(dump, "repository "+to) ||
				app && strings.Count(dump, "(1 in all, 0 open") != 4 {
				t.Errorf("to %s, App %v:\n%s", to, app, dump)
			}
		}
	}
}

// An answer that takes longer than anybody waits: it was done, or it was not.
func TestSlowAnswers(t *testing.T) {
	for _, after := range []bool{false, true} {
		for _, m := range []publish.Message{status("success", "x"), comment("run 1"), issue("run 1")} {
			f, _ := start(t)
			client, err := hub.New(hub.Options{BaseURL: f.URL(), Token: hub.StaticToken(hubtest.Token), Timeout: 300 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			o, c := &outbox{}, newClock()
			o.add(m)
			f.Fail(hubtest.Fault{Kind: hubtest.FailSlow, Method: "POST", After: after})
			f.Lag(70 * time.Second)
			start := c.t
			for range 10 {
				d := deliver(t, o, publish.NewGitHub(client, publish.Options{Gap: -1}), c)
				if d.Posted == 1 {
					break
				}
				c.t = d.Next
				f.SetSkew(c.t.Sub(start))
			}
			dump := f.Dump()
			if n := strings.Count(dump, "comment by") + strings.Count(dump, "  issue ") + strings.Count(dump, "status holdfast"); n != 1 || o.rows[0].state != "posted" {
				t.Errorf("%s, after %v: there %d times\n%s", m.Kind, after, n, dump)
			}
		}
	}
}

// The permission to post commit statuses, or the repository itself, is withdrawn in the
// middle of a run: what was said to be pending is concluded when it is back. What was never
// possible is given up at once.
func TestStatusesWithdrawn(t *testing.T) {
	for name, withdraw := range map[string]func(f *hubtest.Fake){
		"permission": func(f *hubtest.Fake) { f.Revoke(hubtest.Token); f.Grant(hubtest.Token, hubtest.Login, "issues") },
		"access": func(f *hubtest.Fake) {
			f.Fail(hubtest.Fault{Kind: hubtest.FailStatus, Code: 404, Path: "/repos/acme/pool", Times: -1})
		},
	} {
		f, g := start(t)
		o, c := &outbox{}, newClock()
		o.add(publish.Statuses(target, run(1), []string{"checks"})...)
		deliver(t, o, g, c)
		withdraw(f)
		o.add(publish.Statuses(target, finish(run(1)), []string{"checks", "bench"})...)
		if d := deliver(t, o, g, c); d.Waiting != 2 || d.Dropped != 1 {
			t.Errorf("%s: %+v\n%s", name, d, o.reasons())
		}
		for range 50 { // two days
			c.t = c.t.Add(time.Hour + 15*time.Minute)
			if d := deliver(t, o, g, c); d.Waiting != 2 || d.Dropped != 0 {
				t.Fatalf("%s: %+v", name, d)
			}
		}
		f.Heal()
		f.Revoke(hubtest.Token)
		f.Grant(hubtest.Token, hubtest.Login)
		c.t = c.t.Add(2 * time.Hour)
		if d := deliver(t, o, poster(t, f), c); d.Posted != 2 || strings.Contains(f.Dump(), "pending") {
			t.Errorf("%s: %+v\n%s", name, d, f.Dump())
		}
	}
}
