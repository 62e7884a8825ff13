package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/agent/store/storetest"
	"github.com/holdfast-ci/holdfast/runner"
)

// On Postgres transactions run beside each other, and what one has read another may have
// changed. Here the moments are held in which that matters.

func postgres(t *testing.T) storetest.Engine {
	t.Helper()
	s, err := server()
	if err != nil {
		if errors.Is(err, storetest.ErrNoPostgres) && os.Getenv("CI") != "true" {
			t.Skip("not run on Postgres:", err)
		}
		t.Fatal(err)
	}
	return s.Engine()
}

// blocked waits until so many transactions wait for a lock.
func blocked(ctx context.Context, s *store.Store, n int64) error {
	return until(fmt.Sprintf("%d transactions wait for a lock", n), func() (bool, error) {
		got, err := s.Count(ctx, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
		return got == n, err
	})
}

// until polls what another process or the database brings about. It gives up after so long
// that a busy machine gets there, too.
func until(what string, holds func() (bool, error)) error {
	end := time.NewTimer(3 * time.Minute)
	defer end.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := holds(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-end.C:
			return fmt.Errorf("in vain until %s", what)
		}
	}
}

// While a machine takes what is due, a newer message of the same key is stored. It is not
// taken for the older one: kept from everybody for five minutes, it would leave a status
// pending for that long.
func TestNewerMessageWhileTaken(t *testing.T) {
	f := newFleet(t, postgres(t))
	a, b := f.machine("a", "M1"), f.machine("b", "M1")
	ctx := t.Context()
	put := func(s *store.Store, seq int64) error {
		return s.PutMessages(ctx, 0, publish.Message{Key: "k", Seq: seq, State: fmt.Sprint("state ", seq)})
	}
	if err := put(a, 1); err != nil {
		t.Fatal(err)
	}
	stored, taken := make(chan error, 1), make(chan error, 1)
	var first []publish.Item
	// Both wait for one row, one after the other.
	err := a.Within(ctx, "update outbox set tries = tries where ident = 'k'", func() error {
		go func() { stored <- put(b, 2) }()
		err := blocked(ctx, a, 1)
		go func() {
			var err error
			first, err = a.Pending(ctx, time.Now())
			taken <- err
		}()
		return errors.Join(err, blocked(ctx, a, 2))
	})
	if err := errors.Join(err, <-stored, <-taken); err != nil {
		t.Fatal(err)
	}
	again, err := a.Pending(ctx, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	states := ""
	for _, it := range append(first, again...) {
		if ok, err := a.Current(ctx, it); err != nil {
			t.Fatal(err)
		} else if ok {
			states += it.State + "; "
		}
	}
	if states != "state 2; " {
		t.Errorf("what may be posted now: %q", states)
	}
}

// What two people do to one baseline at the same time is done in an order: importing old values
// does not undo that it was pinned meanwhile.
func TestBaselineChangesInOrder(t *testing.T) {
	f := newFleet(t, postgres(t))
	a, b := f.machine("a", "M1"), f.machine("b", "M1")
	ctx := t.Context()
	place := store.Place{Kind: store.KindBench, Repo: "pool", Settings: "s", Class: "M1", Fingerprint: "f"}
	point := func(v float64) []store.Point {
		return []store.Point{{Commit: "aaa", At: time.UnixMilli(int64(v)), Source: "old.csv:1", Values: []float64{v}}}
	}
	if _, err := a.ImportBaselines(ctx, place, []store.Import{{Sample: runner.Sample{Name: "x"}, Points: point(1)}}, "ada", "old values", ""); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	change := func(s *store.Store, action string, v float64) {
		done <- s.ChangeBaselines(ctx, []store.Change{{Baseline: 1, Action: action, Points: point(v), Who: "ada", Why: "so"}})
	}
	err := a.Within(ctx, "update baseline set since = since where id = 1", func() error {
		go change(a, store.ActionPin, 2)
		err := blocked(ctx, a, 1)
		go change(b, store.ActionImport, 3)
		return errors.Join(err, blocked(ctx, a, 2))
	})
	if err := errors.Join(err, <-done, <-done); err != nil {
		t.Fatal(err)
	}
	list, err := a.Baselines(ctx, "pool")
	if err != nil || len(list) != 1 || !list[0].Pinned {
		t.Errorf("baselines %+v, %v", list, err)
	}
}

// Two machines answer commands on one pull request at the same time. The comment has both
// answers, whoever is last.
func TestAnswersAtTheSameTime(t *testing.T) {
	f := newFleet(t, postgres(t))
	a, b := f.machine("a", "M1"), f.machine("b", "M1")
	ctx := t.Context()
	var cmds []store.Command
	for i, s := range []*store.Store{a, b} {
		c, err := s.BeginCommand(ctx, store.Command{Repo: "pool", Comment: int64(i + 1), Pull: 7, Verb: "run"})
		if err != nil {
			t.Fatal(err)
		}
		c.Answer = fmt.Sprint("answer ", i+1)
		cmds = append(cmds, c)
	}
	end := func(s *store.Store, c store.Command, first func()) error {
		return s.EndCommand(ctx, c, func(last []store.Command) []publish.Message {
			first()
			text := ""
			for _, c := range last {
				text += c.Answer + "; "
			}
			return []publish.Message{{Key: "answers", Body: text}}
		})
	}
	done := make(chan error, 1)
	waited := make(chan error, 1)
	err := end(a, cmds[0], func() {
		ended := make(chan error, 1)
		go func() { ended <- end(b, cmds[1], func() {}) }()
		limited, cancel := context.WithCancel(ctx)
		defer cancel()
		blocks := make(chan error, 1)
		go func() { blocks <- blocked(limited, b, 1) }()
		select {
		case err := <-ended:
			waited <- nil
			done <- err
		case err := <-blocks:
			waited <- err
			go func() { done <- <-ended }()
		}
	})
	if err := errors.Join(err, <-waited, <-done); err != nil {
		t.Fatal(err)
	}
	items, err := a.Pending(ctx, time.Now())
	if err != nil || len(items) != 1 || items[0].Body != "answer 1; answer 2; " {
		t.Errorf("the comment: %+v, %v", items, err)
	}
}
