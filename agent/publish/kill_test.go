package publish_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
)

// TestMain is also the process that is killed: it delivers the outbox of a store, once.
func TestMain(m *testing.M) {
	if db := os.Getenv("HOLDFAST_TEST_DELIVER"); db != "" {
		if err := deliverOnce(db, os.Getenv("HOLDFAST_TEST_API"), os.Getenv("HOLDFAST_TEST_KEY")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func deliverOnce(db, api, key string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o := hub.Options{BaseURL: api, Token: hub.StaticToken(hubtest.Token)}
	if key != "" {
		k, err := hub.ParseKey([]byte(key))
		if err != nil {
			return err
		}
		o.App = &hub.App{ID: "4711", Key: k}
	}
	c, err := hub.New(o)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, store.Options{SQLite: db})
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	if _, err := s.Recover(ctx); err != nil {
		return err
	}
	later, err := time.ParseDuration(os.Getenv("HOLDFAST_TEST_LATER"))
	if err != nil {
		return err
	}
	now := func() time.Time { return time.Now().Add(later) }
	d, err := publish.Deliver(ctx, s, publish.NewGitHub(c, publish.Options{Gap: -1}), now, nil)
	if err == nil && (d.Waiting > 0 || d.Dropped > 0) {
		err = fmt.Errorf("delivery %+v", d)
	}
	return err
}

// The agent is killed with SIGKILL at each request of posting a whole run, before it takes
// effect and after, and started again until all is posted: at once, while GitHub's lists do
// not show yet what was done, and three minutes later. Each object is there exactly
// once, none is missing, none is pending. With commit statuses and with check runs. With
// HOLDFAST_KILLS=N all of that is done again until the agent was killed N times.
func TestKilledAtEachRequest(t *testing.T) {
	least, _ := strconv.Atoi(os.Getenv("HOLDFAST_KILLS"))
	step := 1
	if testing.Short() { // some of the requests; with the race detector each process takes a second to start
		step = 6
	}
	kills := 0
	for kills == 0 || kills < least {
		for _, app := range []bool{false, true} {
			before := kills
			for n := 0; ; n += step {
				killed := killAt(t, app, n, false) + killAt(t, app, n, true)
				if killed == 0 {
					break
				}
				kills += killed
			}
			if kills-before < 20/step {
				t.Fatalf("App %v: only %d kills", app, kills-before)
			}
		}
	}
	t.Logf("killed %d times", kills)
}

// age makes what was begun older, as the database's clock has it.
func age(t *testing.T, db string, d time.Duration) {
	t.Helper()
	c, err := sql.Open("sqlite", db)
	if err == nil {
		_, err = c.ExecContext(t.Context(), "update outbox set intent_at = intent_at - ? where intent_at > 0", d.Milliseconds())
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// killAt kills the process at its request number n and reports whether it came that far.
func killAt(t *testing.T, app bool, n int, after bool) int {
	t.Helper()
	f, _ := startApp(t)
	defer f.Close()
	db := filepath.Join(t.TempDir(), "holdfast.db")
	s, err := store.Open(t.Context(), store.Options{SQLite: db})
	if err != nil {
		t.Fatal(err)
	}
	put := func(msgs []publish.Message) {
		if err := s.PutMessages(t.Context(), 1, msgs...); err != nil {
			t.Fatal(err)
		}
	}
	key := ""
	msgs := all(finish(run(1)), "# Run 1")
	if app {
		key = appPEM()
		msgs = append(annotated(1, 120), msgs[4:]...)
	}
	// What was said before the kill, so that there is something to edit and to conclude.
	put(publish.Statuses(target, queued(1), []string{"proofs", "checks"}))
	deliverer := func(later time.Duration) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "HOLDFAST_TEST_DELIVER="+db, "HOLDFAST_TEST_API="+f.URL(), "HOLDFAST_TEST_KEY="+key, "HOLDFAST_TEST_LATER="+later.String())
		return cmd
	}
	child := func(later time.Duration) error {
		out, err := deliverer(later).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	g := poster(t, f)
	if app {
		g = appPoster(t, f)
	}
	if _, err := publish.Deliver(t.Context(), s, g, time.Now, nil); err != nil {
		t.Fatal(err)
	}
	put(msgs)
	_ = s.Close(t.Context())

	if after {
		f.Lag(time.Hour)
	}
	cmd := deliverer(0)
	started := make(chan struct{})
	f.OnRequest(n, after, func() {
		<-started // only then is Process set
		_ = cmd.Process.Kill()
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	_ = cmd.Wait()
	killed := 0
	if f.Fired() {
		killed = 1
	}
	if after {
		_ = child(0) // may have to wait
		f.Lag(0)
	}
	for i := range 3 {
		age(t, db, 3*time.Minute)
		if err = child(time.Duration(i+1) * 3 * time.Minute); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("App %v, request %d, after %v: %v", app, n, after, err)
	}
	dump := f.Dump()
	want := []string{"comment by holdfast", "  issue 2 open"}
	if app {
		want = append(want, "check holdfast failure", "check holdfast/proofs success", "check holdfast/checks failure", "check holdfast/bench neutral", "120 annotations")
	} else {
		want = append(want, "status holdfast failure", "status holdfast/proofs success", "status holdfast/checks failure", "status holdfast/bench success")
	}
	for _, w := range want {
		if strings.Count(dump, w) != 1 {
			t.Errorf("App %v, request %d, after %v: %d times %q in\n%s", app, n, after, strings.Count(dump, w), w, dump)
		}
	}
	if strings.Contains(dump, "pending") || strings.Contains(dump, "issue 3") || app && strings.Count(dump, "(1 in all, 0 open") != 4 || !app && !after && strings.Contains(dump, "(3 in all") {
		t.Errorf("App %v, request %d, after %v:\n%s", app, n, after, dump)
	}
	return killed
}
