package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// Kinds of trigger. A schedule's trigger is "schedule NAME", that of a probe of a bisection
// TriggerBisection and its number.
const (
	TriggerBisection   = "bisection "
	TriggerAA          = "a/a" // unchanged code, measured again for what verdicts are worth
	TriggerCommand     = "command"
	TriggerPush        = "push"
	TriggerPullRequest = "pull request"
	TriggerRerun       = "re-run"  // somebody asked for it on GitHub
	TriggerComment     = "comment" // a command in a comment on a pull request
)

// NewRun asks for an examination of one commit.
type NewRun struct {
	Repo        string // name in agent.toml
	Branch      string
	PullRequest int // 0 for none
	Commit      runner.Commit
	Base        runner.Commit
	Trigger     string // TriggerPush and TriggerPullRequest exist once for each head
	Stages      []NewJob
	Fresh       bool // prove from nothing: what earlier runs left is compared with, never relied on

	// Schedule and Due name the tick that is claimed with the run; "" for none. A
	// schedule covers several repositories: each has its own claim.
	Schedule string
	Due      time.Time

	Fork bool // the commit is a stranger's

	// Comment is the number of the comment whose command asks for the run, 0 for none. The
	// command ([Store.BeginCommand]) gets one run. Replace: the run takes the place of the
	// open ones of its pull request.
	Comment int64
	Replace bool

	// HeadRef and HeadMark are recorded with the run as [Store.SetHead] does; "" for none.
	HeadRef, HeadMark string

	// Direct: executed by this process, not enqueued. It claims and finishes the jobs
	// itself and calls FinishRun.
	Direct bool

	// Messages, if not nil, returns what is to be posted about the new run ("pending").
	// They are stored with it, in the same transaction; it may be called more than once.
	Messages func(run int64) []publish.Message

	bisection int64 // that the run is a probe of: it waits behind all others
	twin      int64 // run that this one repeats
}

// NewJob is one stage of a new run.
type NewJob struct {
	Stage string
	Queue string        // workers that serve it; ignored for a direct run
	Limit time.Duration // of the stage itself; positive, at most [MaxLimit]
	// Machine is what kind of machine it asks for, in words; "" for any. Queue is then one that
	// only such machines work. Where none of them lives the job waits for Options.Wait and is
	// concluded as an error. Ignored for a direct run.
	Machine string
}

func (n *NewRun) check() error {
	switch {
	case n.Repo == "":
		return errors.New("no repository")
	case n.Commit.SHA == "":
		return errors.New("no commit")
	case n.Trigger == "":
		return errors.New("no trigger")
	case len(n.Stages) == 0:
		return errors.New("no stages: a run that asks nothing cannot be green")
	case n.Schedule != "" && n.Due.IsZero():
		return fmt.Errorf("schedule %s without a due time", n.Schedule)
	}
	seen := map[string]bool{}
	for _, j := range n.Stages {
		if j.Stage == "" || seen[j.Stage] {
			return fmt.Errorf("stage %q is missing or named twice", j.Stage)
		}
		seen[j.Stage] = true
		if j.Limit <= 0 || j.Limit > MaxLimit {
			return fmt.Errorf("limit of stage %s is %s: want more than 0 and at most %s", j.Stage, j.Limit, MaxLimit)
		}
		if !n.Direct {
			if err := checkQueue(j.Queue); err != nil {
				return fmt.Errorf("stage %s: %w", j.Stage, err)
			}
		}
	}
	return nil
}

// head reports whether the run is for the newest head of a branch or pull request: only
// such runs exist once and supersede each other. One that this process executes itself is
// asked for anew each time.
func (n *NewRun) head() bool {
	return !n.Direct && (n.Trigger == TriggerPush || n.Trigger == TriggerPullRequest)
}

// ref names what the heads of a run follow each other on. Quoting keeps a repository or
// branch with odd characters from passing for another.
func (n *NewRun) ref() string {
	if n.PullRequest != 0 {
		return "pull " + strconv.Quote(n.Repo) + " " + strconv.Itoa(n.PullRequest)
	}
	return "branch " + strconv.Quote(n.Repo) + " " + strconv.Quote(n.Branch)
}

// CreateRun stores a run with its jobs and enqueues them, all in one transaction. created
// is false, and run is the number of the run that exists, when the tick was claimed
// before, or when the head has a run that was not cancelled.
//
// A push or pull request also ends the open runs of older heads of the same branch or pull
// request: their queued jobs are dropped, running ones are told with cause
// [runner.ErrSuperseded], and their reports are enqueued. That happens even if the run
// exists, as it does when a branch is set back.
func (s *Store) CreateRun(ctx context.Context, n NewRun) (run int64, created bool, err error) {
	if err := n.check(); err != nil {
		return 0, false, fmt.Errorf("create run: %w", err)
	}
	if n.Direct {
		if err := s.takeMark(); err != nil {
			return 0, false, fmt.Errorf("create run: %w", err)
		}
	}
	var told []jobKey
	err = s.db.inTx(ctx, func(t tx) error {
		run, created, told, err = s.createRun(ctx, t, n)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("create run: %w", err)
	}
	s.tell(told, runner.ErrSuperseded)
	s.wakePoster()
	return run, created, nil
}

// createRun is [Store.CreateRun] inside a transaction. told are the jobs in progress that
// came to their end with it.
func (s *Store) createRun(ctx context.Context, t tx, n NewRun) (run int64, created bool, told []jobKey, err error) {
	commit, err := json.Marshal(n.Commit)
	if err != nil {
		return 0, false, nil, err
	}
	base, err := json.Marshal(n.Base)
	if err != nil {
		return 0, false, nil, err
	}
	at := now().UnixMilli()
	// From here on no other run is created until this transaction ends, on either
	// engine: what is read below stays true.
	number, err := next(ctx, t, "run")
	if err != nil {
		return 0, false, nil, err
	}
	if n.Schedule != "" {
		tick := strconv.Quote(n.Schedule) + " " + strconv.Quote(n.Repo) + " " + strconv.Quote(n.Branch)
		if _, err := one(ctx, t, []any{&run}, "select run from tick where schedule = $1 and due_at = $2", tick, n.Due.UnixMilli()); err != nil {
			return 0, false, nil, err
		}
		if run == 0 {
			if _, err := t.exec(ctx, "insert into tick (schedule, due_at, run) values ($1, $2, $3)", tick, n.Due.UnixMilli(), number); err != nil {
				return 0, false, nil, err
			}
		}
	}
	ident := "#" + strconv.FormatInt(number, 10)
	if n.head() {
		ident = n.ref() + " " + n.Commit.SHA + " " + n.Trigger
		if n.PullRequest != 0 && n.Base.SHA != "" {
			ident += " on " + n.Base.SHA // another base is another comparison
		}
		if _, err := one(ctx, t, []any{&run}, "select id from run where ident = $1", ident); err != nil {
			return 0, false, nil, err
		}
		reason := fmt.Sprintf("superseded by commit %s", n.Commit.Short())
		if told, err = supersede(ctx, t, n.ref(), run, reason, at); err != nil {
			return 0, false, nil, err
		}
	}
	if n.Comment != 0 {
		if _, err := one(ctx, t, []any{&run}, "select run from command where repo = $1 and comment = $2", n.Repo, n.Comment); err != nil {
			return 0, false, nil, err
		}
		if run == 0 {
			if _, err := t.exec(ctx, "update command set run = $3 where repo = $1 and comment = $2", n.Repo, n.Comment, number); err != nil {
				return 0, false, nil, err
			}
		}
		if run == 0 && n.Replace {
			if told, err = supersede(ctx, t, n.ref(), 0, fmt.Sprintf("superseded by run %d, which somebody asked for", number), at); err != nil {
				return 0, false, nil, err
			}
		}
	}
	if n.HeadRef != "" {
		if err := setHead(ctx, t, n.Repo, n.HeadRef, n.HeadMark, at); err != nil {
			return 0, false, nil, err
		}
	}
	if run != 0 {
		_, err := t.exec(ctx, "update counter set value = value - 1 where name = 'run'")
		return run, false, told, err
	}
	run = number
	owner := ""
	if n.Direct {
		owner = s.owner
		if err := s.alive(ctx, t); err != nil {
			return 0, false, nil, err
		}
	}
	if _, err := t.exec(ctx, `insert into run (id, ident, ref, repo, branch, pull, sha, commit_doc, base_doc, trigger_by, direct, owner,
			state, reason, verdict, open_jobs, reported, report_at, doc, judgement, created_at, started_at, finished_at, fresh, bisection, fork, twin)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'queued', '', '', $13, 0, 0, '', '', $14, 0, 0, $15, $16, $17, $18)`,
		run, ident, n.ref(), n.Repo, n.Branch, int64(n.PullRequest), n.Commit.SHA, string(commit), string(base), n.Trigger, flag(n.Direct), owner,
		int64(len(n.Stages)), at, flag(n.Fresh), n.bisection, flag(n.Fork), n.twin); err != nil {
		return 0, false, nil, err
	}
	var ids []int64
	if !n.Direct {
		jobs := make([]river.InsertManyParams, len(n.Stages))
		for i, j := range n.Stages {
			jobs[i] = stageJob(j.Queue, stageArgs{run, j.Stage, 1, j.Limit.Milliseconds()}, n.bisection != 0 || n.Trigger == TriggerAA)
		}
		if ids, err = t.enqueue(ctx, jobs...); err != nil {
			return 0, false, nil, err
		}
	}
	for i, j := range n.Stages {
		var id int64
		var wait int64
		if ids != nil {
			id = ids[i]
		}
		if j.Machine != "" && !n.Direct {
			wait = s.wait.Milliseconds()
		}
		if _, err := t.exec(ctx, `insert into job (run, stage, position, queue, limit_ms, state, attempt, tries, owner, river, queued_at, result, started_at, ended_at, machine, wait_ms, unserved_at)
			values ($1, $2, $3, $4, $5, 'queued', 1, 0, '', $6, $7, '', 0, 0, $8, $9, 0)`,
			run, j.Stage, int64(i), j.Queue, j.Limit.Milliseconds(), id, at, j.Machine, wait); err != nil {
			return 0, false, nil, err
		}
	}
	if n.Messages != nil {
		err = putMessages(ctx, t, run, n.Messages(run), at)
	}
	return run, true, told, err
}

// supersede ends the open runs for heads of ref, except keep.
func supersede(ctx context.Context, t tx, ref string, keep int64, reason string, at int64) ([]jobKey, error) {
	var olds []int64
	err := t.query(ctx, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		olds = append(olds, id)
		return err
	}, `select id from run where ref = $1 and state in ('queued', 'running') and id <> $2 and direct = 0
		and trigger_by in ($3, $4, $5) order by id`, ref, keep, TriggerPush, TriggerPullRequest, TriggerComment)
	if err != nil {
		return nil, err
	}
	var told []jobKey
	for _, id := range olds {
		keys, _, err := endRun(ctx, t, id, runner.StateSuperseded, reason, at)
		if err != nil {
			return nil, err
		}
		told = append(told, keys...)
	}
	return told, nil
}

// endRun ends a run whose stages are not all done: its open jobs are cancelled and, unless
// a process runs it directly, its report is enqueued. ended is false when there was
// nothing to end.
func endRun(ctx context.Context, t tx, id int64, state, reason string, at int64) (told []jobKey, ended bool, err error) {
	// Jobs before the run, here as everywhere: two transactions never wait for each other.
	var rivers []int64
	err = t.query(ctx, func(scan func(...any) error) error {
		k := jobKey{run: id}
		var attempt, rid int64
		if err := scan(&k.stage, &attempt, &rid); err != nil {
			return err
		}
		k.attempt = int(attempt)
		told = append(told, k)
		if rid != 0 {
			rivers = append(rivers, rid)
		}
		return nil
	}, `update job set state = 'cancelled', ended_at = $2 where run = $1 and state in ('queued', 'running')
		returning stage, attempt, river`, id, at)
	if err != nil {
		return nil, false, err
	}
	var direct int64
	ended, err = one(ctx, t, []any{&direct}, `update run set state = $2, reason = $3, open_jobs = 0, finished_at = $4, ident = ident || ' #' || cast(id as text)
		where id = $1 and state in ('queued', 'running') and (open_jobs > 0 or direct = 1) returning direct`, id, state, reason, at)
	if err != nil || !ended {
		return nil, false, err
	}
	for _, rid := range rivers {
		if err := t.cancel(ctx, rid); err != nil {
			return nil, false, fmt.Errorf("cancel queued job: %w", err)
		}
	}
	if direct == 0 {
		err = enqueueReport(ctx, t, id, at)
	}
	return told, true, err
}

// enqueueReport has a worker conclude a run.
func enqueueReport(ctx context.Context, t tx, run, at int64) error {
	if _, err := t.enqueue(ctx, reportJob(run)); err != nil {
		return err
	}
	_, err := t.exec(ctx, "update run set report_at = $2, owner = '' where id = $1", run, at)
	return err
}

// Cancel ends a run that is not done yet: state is runner.StateCancelled or
// runner.StateSuperseded. Running children are told through their context, with cause
// runner.ErrCancelled or runner.ErrSuperseded; in another process that takes up to two
// seconds. A run whose stages are all done, or that was ended before, is left alone, with
// no error.
func (s *Store) Cancel(ctx context.Context, run int64, state, reason string) error {
	cause := runner.ErrCancelled
	switch state {
	case runner.StateCancelled:
	case runner.StateSuperseded:
		cause = runner.ErrSuperseded
	default:
		return fmt.Errorf("cancel run %d: %q is not a state of cancelled runs", run, state)
	}
	if reason = strings.TrimSpace(reason); reason == "" {
		reason = cause.Error()
	}
	var told []jobKey
	err := s.db.inTx(ctx, func(t tx) error {
		var id int64
		found, err := one(ctx, t, []any{&id}, "select id from run where id = $1", run)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		told, _, err = endRun(ctx, t, run, state, reason, now().UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("cancel run %d: %w", run, err)
	}
	s.tell(told, cause)
	return nil
}

// tell cancels what this process is working on for the given jobs.
func (s *Store) tell(keys []jobKey, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		if cancel := s.running[k]; cancel != nil {
			cancel(cause)
		}
	}
}
