// Package storetest holds what tests of the store need: fresh databases of both kinds, a
// throwaway Postgres server among them, and the conformance suite that both must pass.
package storetest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/store"
)

// Engine makes databases of one kind.
type Engine struct {
	Name string
	// New returns options for a fresh, empty database, without an owner. The database goes
	// with the test.
	New func(tb testing.TB) store.Options
}

// SQLite makes a file for each test. The folder's name holds what a data source name
// might trip over.
func SQLite() Engine {
	return Engine{"sqlite", func(tb testing.TB) store.Options {
		return store.Options{SQLite: filepath.Join(tb.TempDir(), "a 100% ?&#x", "state.db")}
	}}
}

// Open opens a database for one owner, until the test ends or the returned function is
// called.
func Open(tb testing.TB, o store.Options, owner string) (s *store.Store, shut func()) {
	tb.Helper()
	o.Owner = owner
	s, err := store.Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	open := true
	shut = func() {
		if open {
			open = false
			if err := s.Close(context.Background()); err != nil {
				tb.Error(err)
			}
		}
	}
	tb.Cleanup(shut)
	return s, shut
}
