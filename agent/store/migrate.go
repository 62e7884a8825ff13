package store

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/riverqueue/river/rivermigrate"

	"github.com/holdfast-ci/holdfast/runner"
)

//go:embed schema.sql
var schema string

//go:embed schema2.sql
var schema2 string

//go:embed schema3.sql
var schema3 string

//go:embed schema4.sql
var schema4 string

//go:embed schema5.sql
var schema5 string

//go:embed schema6.sql
var schema6 string

//go:embed schema7.sql
var schema7 string

//go:embed schema8.sql
var schema8 string

//go:embed schema9.sql
var schema9 string

//go:embed schema10.sql
var schema10 string

//go:embed schema11.sql
var schema11 string

//go:embed schema12.sql
var schema12 string

// schemas are the steps from one version of Holdfast's own tables to the next; the first
// makes version 1. What has shipped is never edited.
func schemas() []string {
	return []string{schema, schema2, schema3, schema4, schema5, schema6, schema7, schema8, schema9, schema10, schema11, schema12}
}

// schemaVersion is the version of the tables that this program writes.
var schemaVersion = int64(len(schemas()))

// ErrNewer says that a newer Holdfast has changed the tables: this one must not write to
// them.
var ErrNewer = errors.New("the database was written by a newer Holdfast")

func newer(what, have string, know int64) error {
	return runner.WithHint(fmt.Errorf("%w: %s are at %s, this program knows version %d", ErrNewer, what, have, know),
		"use that version again, or give this one a state of its own (engine.sqlite in agent.toml)")
}

// migrateRiver brings River's tables up to date, then calls own.
func migrateRiver[T any](ctx context.Context, m *rivermigrate.Migrator[T], own func(context.Context) error) error {
	all := m.AllVersions()
	have, err := m.ExistingVersions(ctx)
	if err != nil {
		// River has no other way to say that it meets a version it does not know.
		if strings.Contains(err.Error(), "not found in migrator bundle") {
			return newer("River's tables", fmt.Sprintf("an unknown version (%v)", err), int64(last(all)))
		}
		return err
	}
	if last(have) < last(all) {
		if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("create River's tables: %w", err)
		}
	}
	return own(ctx)
}

func last(ms []rivermigrate.Migration) int {
	v := 0
	for _, m := range ms {
		v = max(v, m.Version)
	}
	return v
}

// migrate brings Holdfast's own tables to schemaVersion, from any earlier one or from
// nothing; all or none.
func (s *Store) migrate(ctx context.Context) error {
	return s.db.inTx(ctx, func(t tx) error {
		if _, err := t.exec(ctx, "create table if not exists holdfast_schema (version bigint primary key)"); err != nil {
			return err
		}
		var have int64
		if _, err := one(ctx, t, []any{&have}, "select coalesce(max(version), 0) from holdfast_schema"); err != nil {
			return err
		}
		if have > schemaVersion {
			return newer("its tables", fmt.Sprintf("version %d", have), schemaVersion)
		}
		for v, text := range schemas() {
			if int64(v) < have {
				continue
			}
			for _, stmt := range statements(text) {
				if _, err := t.exec(ctx, stmt); err != nil {
					return fmt.Errorf("tables of version %d: %w", v+1, err)
				}
			}
			if _, err := t.exec(ctx, "insert into holdfast_schema (version) values ($1)", int64(v+1)); err != nil {
				return err
			}
		}
		return nil
	})
}

// statements splits the schema: comments go, no statement holds a semicolon of its own.
func statements(text string) []string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		code, _, _ := strings.Cut(line, "--")
		b.WriteString(strings.TrimRight(code, " \n") + "\n")
	}
	var out []string
	for _, stmt := range strings.Split(b.String(), ";") {
		if stmt = strings.TrimSpace(stmt); stmt != "" {
			out = append(out, stmt)
		}
	}
	return out
}
