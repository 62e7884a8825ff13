// Package storetest holds what tests of the store need: fresh databases of both kinds, a
// throwaway Postgres server among them, and the conformance suite that both must pass.
package storetest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/store"
)

// Engine makes databases of one kind.
type Engine struct {
	Name string
	// New returns options for a fresh database with tables and without an owner. The
	// database goes with the test.
	New func(tb testing.TB) store.Options
	// Empty is New without tables.
	Empty func(tb testing.TB) store.Options
}

// SQLite makes a file for each test. The folder's name holds what a data source name
// might trip over.
func SQLite() Engine {
	empty := func(tb testing.TB) store.Options {
		return store.Options{SQLite: filepath.Join(tb.TempDir(), "a 100% ?&#x", "state.db")}
	}
	return Engine{Name: "sqlite", Empty: empty, New: func(tb testing.TB) store.Options {
		o := empty(tb)
		file, err := template()
		if err == nil {
			err = os.Mkdir(filepath.Dir(o.SQLite), 0o755)
		}
		if err == nil {
			err = os.WriteFile(o.SQLite, file, 0o644)
		}
		if err != nil {
			tb.Fatal(err)
		}
		return o
	}}
}

// template is a SQLite file with tables: to copy it is a hundred times faster than to make
// another.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "holdfast-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	o := store.Options{SQLite: filepath.Join(dir, "state.db")}
	s, err := store.Open(context.Background(), o)
	if err != nil {
		return nil, err
	}
	if err := s.Close(context.Background()); err != nil {
		return nil, err
	}
	return os.ReadFile(o.SQLite)
})

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
