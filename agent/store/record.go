package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// Record is a stored run.
type Record struct {
	// Run is the document given to FinishRun; before that, what is known so far, with the
	// results of the stages that are done.
	Run       runner.Run
	Judgement json.RawMessage // given to FinishRun; nil before
	Builds    json.RawMessage // likewise
	Fresh     bool            // see [NewRun]
	Fork      bool            // likewise
	Reported  bool            // FinishRun was called
	Direct    bool
	Bisection int64     // that the run is a probe of; 0 for none
	Twin      int64     // earlier run of unchanged code that this one repeats; 0 for none
	Open      int       // stages that are not done
	Stages    []string  // that the run asks for, in their order
	Created   time.Time // when the run was enqueued
	// Messages is true when something was put into the outbox about this run, so that what
	// was said to be pending has to be concluded.
	Messages bool
}

// Final is what a run came to.
type Final struct {
	// Run is the final document. State done needs a verdict. Of a run that was ended early
	// the state stays what it is in the store.
	Run       runner.Run
	Judgement json.RawMessage // kept as given; may be nil
	// Serves: the samples of the bench stage may be the baseline of later runs that have
	// the same Settings, a key of the configuration under which they were taken.
	Serves   bool
	Settings string
	// Builds judges the build times of the proofs stage; kept as given, may be nil.
	Builds json.RawMessage
	// Times are build times; TimesServe and TimesSettings are for them what Serves and
	// Settings are for the samples.
	Times         []runner.Sample
	TimesServe    bool
	TimesSettings string
	// NewBaseline and NewTimes say why the figures may be the first of their place: "first
	// measurement", a new system, another machine.
	NewBaseline, NewTimes string
	// Bisections are begun in the same transaction.
	Bisections []NewBisection
	// Truth is what an A/A told about verdicts.
	Truth []Truth
	// Apart: the figures of this run are no part of the history of its repository. They
	// belong to another commit's examination, as those of a bisection do.
	Apart    bool
	Messages []publish.Message // put into the outbox in the same transaction
}

// FinishRun stores the final document of a run, what was judged about it and the messages
// to post, in one transaction. ok is false, and nothing is stored, when that happened
// before or when stages are still open: two reports of one run never both count.
func (s *Store) FinishRun(ctx context.Context, f Final) (ok bool, err error) {
	number := f.Run.Number
	fail := func(err error) (bool, error) { return false, fmt.Errorf("finish run %d: %w", number, err) }
	for _, doc := range []json.RawMessage{f.Judgement, f.Builds} {
		if doc != nil && !json.Valid(doc) {
			return fail(fmt.Errorf("the judgement is not JSON"))
		}
	}
	err = s.db.inTx(ctx, func(t tx) error {
		ok = false
		run := f.Run
		at := now().UnixMilli()
		var state, reason string
		var reported, jobs, direct, started, finished, bisection int64
		found, err := one(ctx, t, []any{&state, &reason, &reported, &jobs, &direct, &started, &finished, &bisection},
			"select state, reason, reported, open_jobs, direct, started_at, finished_at, bisection from run where id = $1", number)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		if reported == 1 || (jobs > 0 && direct == 0) {
			return nil
		}
		if !open(state) {
			run.State = state
			if run.Reason == "" {
				run.Reason = reason
			}
		} else if open(run.State) || run.State == "" {
			run.State = runner.StateDone
		}
		if run.State == runner.StateDone && !run.Verdict.Valid() {
			return fmt.Errorf("%q is not a verdict", run.Verdict)
		}
		if started == 0 {
			started = unixMilli(run.Started)
		}
		if finished == 0 {
			if finished = unixMilli(run.Finished); finished == 0 {
				finished = at
			}
		}
		if run.Finished.IsZero() {
			run.Finished = fromMilli(finished)
		}
		doc, err := json.Marshal(run)
		if err != nil {
			return err
		}
		if direct == 1 {
			if _, err := t.exec(ctx, "update job set state = 'cancelled', ended_at = $2 where run = $1 and state in ('queued', 'running')", number, at); err != nil {
				return err
			}
		}
		// A cancelled head may be examined again: its identity is freed.
		n, err := t.exec(ctx, `update run set reported = 1, open_jobs = 0, state = $2, reason = $3, verdict = $4, doc = $5, judgement = $6, started_at = $7, finished_at = $8, builds = $9,
				ident = case when state in ('queued', 'running') and $2 <> 'done' then ident || ' #' || cast(id as text) else ident end
			where id = $1 and reported = 0`,
			number, run.State, run.Reason, string(run.Verdict), string(doc), string(f.Judgement), started, finished, string(f.Builds))
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		if err := putFigures(ctx, t, run, f, at); err != nil {
			return err
		}
		if err := putTruth(ctx, t, f.Truth, at); err != nil {
			return err
		}
		for _, n := range f.Bisections {
			if _, _, err := createBisection(ctx, t, n); err != nil {
				return fmt.Errorf("begin bisection: %w", err)
			}
		}
		if bisection != 0 && direct == 0 {
			if _, err := t.enqueue(ctx, bisectJob(bisection)); err != nil {
				return err
			}
		}
		if err := putMessages(ctx, t, number, f.Messages, at); err != nil {
			return err
		}
		ok = true
		return nil
	})
	if err != nil {
		return fail(err)
	}
	s.wakePoster()
	return ok, nil
}

// Run returns a stored run. The error is ErrNotFound if there is none of that number.
func (s *Store) Run(ctx context.Context, number int64) (Record, error) {
	rec, err := readRun(ctx, s.db.reader(), number)
	if err != nil {
		return Record{}, fmt.Errorf("read run %d: %w", number, err)
	}
	return rec, nil
}

func readRun(ctx context.Context, q querier, number int64) (Record, error) {
	var rec Record
	var commit, base, verdict, doc, judgement, builds string
	var direct, jobs, reported, created, started, finished, pull, messages, fresh, fork int64
	r := runner.Run{Number: number}
	found, err := one(ctx, q, []any{
		&r.Repo, &r.Branch, &pull, &commit, &base, &r.Trigger, &direct, &r.State, &r.Reason, &verdict, &jobs, &reported,
		&doc, &judgement, &created, &started, &finished, &messages, &fresh, &builds, &rec.Bisection, &fork, &rec.Twin,
	},
		`select repo, branch, pull, commit_doc, base_doc, trigger_by, direct, state, reason, verdict, open_jobs, reported,
			doc, judgement, created_at, started_at, finished_at, case when exists (select 1 from outbox where outbox.run = run.id) then 1 else 0 end, fresh, builds, bisection, fork, twin
		from run where id = $1`, number)
	if err != nil {
		return Record{}, err
	}
	if !found {
		return Record{}, ErrNotFound
	}
	rec.Direct, rec.Reported, rec.Open = direct == 1, reported == 1, int(jobs)
	rec.Created, rec.Messages, rec.Fresh = fromMilli(created), messages == 1, fresh == 1
	rec.Fork = fork == 1
	if judgement != "" {
		rec.Judgement = json.RawMessage(judgement)
	}
	if builds != "" {
		rec.Builds = json.RawMessage(builds)
	}
	err = q.query(ctx, func(scan func(...any) error) error {
		var stage string
		err := scan(&stage)
		rec.Stages = append(rec.Stages, stage)
		return err
	}, "select stage from job where run = $1 order by position", number)
	if err != nil {
		return Record{}, err
	}
	if doc != "" {
		if err := json.Unmarshal([]byte(doc), &rec.Run); err != nil {
			return Record{}, fmt.Errorf("stored document: %w", err)
		}
		rec.Run.Number = number
		return rec, nil
	}
	if err := json.Unmarshal([]byte(commit), &r.Commit); err != nil {
		return Record{}, fmt.Errorf("stored commit: %w", err)
	}
	if err := json.Unmarshal([]byte(base), &r.Base); err != nil {
		return Record{}, fmt.Errorf("stored base: %w", err)
	}
	r.PullRequest, r.Verdict = int(pull), runner.Verdict(verdict)
	r.Started, r.Finished = fromMilli(started), fromMilli(finished)
	err = q.query(ctx, func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		var res runner.Result
		if err := json.Unmarshal([]byte(text), &res); err != nil {
			return fmt.Errorf("stored result: %w", err)
		}
		r.Stages = append(r.Stages, res)
		return nil
	}, "select result from job where run = $1 and state = 'done' order by position", number)
	if err != nil {
		return Record{}, err
	}
	rec.Run = r
	return rec, nil
}

// Filter selects runs. Zero fields select everything.
type Filter struct {
	Repo        string
	Branch      string
	PullRequest int
	Before      int64 // only runs with a lower number
	Limit       int   // 0: 100
}

// Summary is one line of the history.
type Summary struct {
	Number      int64          `json:"run"`
	Repo        string         `json:"repo"`
	Branch      string         `json:"branch,omitempty"`
	PullRequest int            `json:"pull_request,omitempty"`
	Commit      runner.Commit  `json:"commit"`
	Trigger     string         `json:"trigger"`
	State       string         `json:"state"`
	Verdict     runner.Verdict `json:"verdict,omitempty"`
	Reason      string         `json:"reason,omitempty"`
	Created     time.Time      `json:"created"`
	Started     time.Time      `json:"started,omitzero"`
	Finished    time.Time      `json:"finished,omitzero"`
}

// Runs lists runs, the newest first. "Newest" is the highest number: the clock may have
// gone backwards.
func (s *Store) Runs(ctx context.Context, f Filter) ([]Summary, error) {
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	where := []string{"1 = 1"}
	if f.Repo != "" {
		where = append(where, "repo = "+arg(f.Repo))
	}
	if f.Branch != "" {
		where = append(where, "branch = "+arg(f.Branch))
	}
	if f.PullRequest != 0 {
		where = append(where, "pull = "+arg(int64(f.PullRequest)))
	}
	if f.Before != 0 {
		where = append(where, "id < "+arg(f.Before))
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	var out []Summary
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		var x Summary
		var commit, verdict string
		var pull, created, started, finished int64
		if err := scan(&x.Number, &x.Repo, &x.Branch, &pull, &commit, &x.Trigger, &x.State, &verdict, &x.Reason, &created, &started, &finished); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(commit), &x.Commit); err != nil {
			return fmt.Errorf("stored commit of run %d: %w", x.Number, err)
		}
		x.PullRequest, x.Verdict = int(pull), runner.Verdict(verdict)
		x.Created, x.Started, x.Finished = fromMilli(created), fromMilli(started), fromMilli(finished)
		out = append(out, x)
		return nil
	}, `select id, repo, branch, pull, commit_doc, trigger_by, state, verdict, reason, created_at, started_at, finished_at
		from run where `+strings.Join(where, " and ")+" order by id desc limit "+arg(int64(f.Limit)), args...)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	return out, nil
}

// LastRun returns the last run of a branch that was done and reported before the given
// number (0: any). ok is false if there is none. Pull requests are not of a branch.
func (s *Store) LastRun(ctx context.Context, repo, branch string, before int64) (rec Record, ok bool, err error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	q := s.db.reader()
	var id int64
	ok, err = one(ctx, q, []any{&id}, `select id from run where repo = $1 and branch = $2 and pull = 0 and id < $3 and state = 'done' and reported = 1
		order by id desc limit 1`, repo, branch, before)
	if err == nil && ok {
		rec, err = readRun(ctx, q, id)
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("last run of %s: %w", repo, err)
	}
	return rec, ok, nil
}
