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
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		got, err := s.Count(ctx, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
		if err != nil || got == n {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d transactions wait, want %d", got, n)
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
