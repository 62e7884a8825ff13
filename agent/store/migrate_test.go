package store_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/agent/store/storetest"
	"github.com/holdfast-ci/holdfast/runner"
)

// A database that version 1 of the tables was written to, by the program of that time,
// opens, keeps its runs, and learns from new ones. Its old runs are no base: nobody noted
// what their proofs may serve as.
func TestMigrateFile(t *testing.T) {
	f, err := os.Open("testdata/version1.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	migrated(t, store.Options{SQLite: file})
}

// The same on both engines, from tables taken back to version 1.
func TestMigrateBoth(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		o := e.New(t)
		s, shut := storetest.Open(t, o, "one")
		for range 2 {
			prove(t, s, runner.Proofs{Complete: true})
		}
		for _, sql := range []string{
			"drop index job_unserved", "alter table job drop column machine", "alter table job drop column wait_ms", "alter table job drop column unserved_at",
			"drop table hold", "alter table command drop column owner",
			"drop table agent", "alter table outbox drop column intent_at",
			"drop table command", "alter table run drop column fork",
			"alter table run drop column twin", "drop table truth",
			"alter table run drop column bisection", "drop table bisection", "drop table probe",
			"drop table delivery", "drop table mutation", "drop table baseline", "drop table point", "drop table audit", "drop index bench_place",
			"alter table bench drop column fingerprint", "alter table bench drop column serves",
			"drop table proof", "drop table build", "alter table run drop column fresh", "alter table run drop column builds",
			"delete from holdfast_schema where version > 1",
		} {
			if err := s.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		shut()
		migrated(t, o)
	})
}

// migrated opens a database of version 1 that holds two runs.
func migrated(t *testing.T, o store.Options) {
	t.Helper()
	s, shut := storetest.Open(t, o, "two")
	ctx := t.Context()
	rec, err := s.Run(ctx, 2)
	if err != nil || rec.Run.Verdict != runner.Success || rec.Run.Stage(runner.StageProofs) == nil || rec.Fresh || rec.Builds != nil {
		t.Fatalf("run 2 is %+v, %v", rec, err)
	}
	if _, ok, err := s.ProofsBefore(ctx, "pool", "main", 0, "", nil); ok || err != nil {
		t.Errorf("an old run is a base: %v, %v", ok, err)
	}
	if _, ok, err := s.FromScratch(ctx, "pool", "main", 0); ok || err != nil {
		t.Errorf("an old run was proved from scratch: %v, %v", ok, err)
	}
	run := prove(t, s, runner.Proofs{Complete: true, Fresh: true})
	if p, ok, err := s.ProofsBefore(ctx, "pool", "main", 0, "", nil); !ok || err != nil || p.Run != run || run != 3 {
		t.Errorf("the base is %+v, %v, %v; want run %d", p, ok, err, run)
	}
	shut()
	s, _ = storetest.Open(t, o, "three") // a second start changes nothing
	if n, err := s.Count(ctx, "select max(version) from holdfast_schema"); n != store.SchemaVersion || err != nil {
		t.Errorf("version %d, %v", n, err)
	}
	if f, ok, err := s.FromScratch(ctx, "pool", "main", 0); !ok || err != nil || f.Run != run {
		t.Errorf("from scratch: %+v, %v, %v", f, ok, err)
	}
}

// prove runs a proofs stage of branch main directly and reports it.
func prove(t *testing.T, s *store.Store, p runner.Proofs) int64 {
	t.Helper()
	ctx := t.Context()
	n := newRun("main", "ccc")
	n.Trigger, n.Direct = store.TriggerCommand, true
	run, _, err := s.CreateRun(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	job, doc, ok, err := s.Claim(ctx, run, runner.StageProofs, 1)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	res := runner.Result{Stage: runner.StageProofs, Verdict: runner.Success, Proofs: &p}
	if _, err := s.Finish(ctx, job, res); err != nil {
		t.Fatal(err)
	}
	doc.Stages, doc.Verdict, doc.State = []runner.Result{res}, runner.Success, runner.StateDone
	if ok, err := s.FinishRun(ctx, store.Final{Run: doc}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	return run
}
