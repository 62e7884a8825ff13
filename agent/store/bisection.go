package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"github.com/holdfast-ci/holdfast/agent/bisect"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// A bisection is the list of its probes. Each probe is a run like any other, made in the
// transaction that notes the probe; whoever reports such a run enqueues, in the transaction
// of the report, the job that decides what comes next. So a bisection goes on wherever and
// whenever its last process was killed.

// ErrNoBisection says that there is no such bisection.
var ErrNoBisection = errors.New("no such bisection")

// NewBisection asks for the first bad commit of a range.
type NewBisection struct {
	Repo     string
	Branch   string // "" if the range is of no branch
	Question bisect.Question
	Commits  []runner.Commit // along first parents, the good end first; at least two
	Origin   int64           // run that found the bad end to be bad; 0 if nobody did
	// Known: Origin is an answer about the bad end, which need not be examined at first.
	Known  bool
	Reason string // what Origin says about the bad end
	Direct bool   // by this process, not by the queue
	Probes int    // budget: at most so many probes
	Time   time.Duration
}

// ident names what is searched for only once: for the queue what is asked since one good
// commit, however often it is found to be bad; by hand the very range.
func (n *NewBisection) ident() string {
	good, bad := n.Commits[0].SHA, n.Commits[len(n.Commits)-1].SHA
	if n.Direct {
		return fmt.Sprintf("hand %q %q %q %s %s", n.Repo, n.Question.Subject(), n.Question.Metric, good, bad)
	}
	return fmt.Sprintf("auto %q %q %q %q %s", n.Repo, n.Branch, n.Question.Subject(), n.Question.Metric, good)
}

func (n *NewBisection) check() error {
	switch {
	case n.Repo == "" || n.Question.Stage == "":
		return errors.New("no repository or no stage")
	case len(n.Commits) < 2:
		return errors.New("a range needs two ends")
	case n.Probes < 1 || n.Time <= 0:
		return errors.New("no budget")
	}
	return nil
}

// Bisection is a stored bisection.
type Bisection struct {
	ID        int64
	Repo      string
	Branch    string
	Question  bisect.Question
	Commits   []runner.Commit
	Origin    int64
	Direct    bool
	MaxProbes int
	MaxTime   time.Duration
	Running   bool
	Result    bisect.Result // once it is not running
	Probes    []Probe
	Created   time.Time
	Finished  time.Time
}

// Probe is one examination of one commit of a bisection.
type Probe struct {
	At      int            // in Commits
	Run     int64          // that examines it
	Outcome bisect.Outcome // "" while the run goes on
	Reason  string
	Took    time.Duration
}

// Told are the probes that have ended, for package bisect.
func (b *Bisection) Told() []bisect.Probe {
	var out []bisect.Probe
	for _, p := range b.Probes {
		if p.Outcome != "" {
			out = append(out, bisect.Probe{At: p.At, Outcome: p.Outcome})
		}
	}
	return out
}

// Spent is the time that the probes took.
func (b *Bisection) Spent() (d time.Duration) {
	for _, p := range b.Probes {
		d += p.Took
	}
	return d
}

// CreateBisection stores a bisection and has the queue begin with it, unless it is direct.
// created is false, and id is that of the one that exists, if the same was asked before (of
// a direct one: and did not come to its end).
func (s *Store) CreateBisection(ctx context.Context, n NewBisection) (id int64, created bool, err error) {
	err = s.db.inTx(ctx, func(t tx) error {
		id, created, err = createBisection(ctx, t, n)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("create bisection: %w", err)
	}
	return id, created, nil
}

func createBisection(ctx context.Context, t tx, n NewBisection) (id int64, created bool, err error) {
	if err := n.check(); err != nil {
		return 0, false, err
	}
	if found, err := one(ctx, t, []any{&id}, "select id from bisection where ident = $1", n.ident()); err != nil || found {
		return id, false, err
	}
	question, err := json.Marshal(n.Question)
	if err != nil {
		return 0, false, err
	}
	commits, err := json.Marshal(n.Commits)
	if err != nil {
		return 0, false, err
	}
	if id, err = next(ctx, t, "bisection"); err != nil {
		return 0, false, err
	}
	at := now().UnixMilli()
	if _, err := t.exec(ctx, `insert into bisection (id, ident, repo, branch, question, commits, origin, direct, max_probes, max_ms, state, result, created_at, finished_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'running', '', $11, 0)`,
		id, n.ident(), n.Repo, n.Branch, string(question), string(commits), n.Origin, flag(n.Direct), int64(n.Probes), n.Time.Milliseconds(), at); err != nil {
		return 0, false, err
	}
	if n.Known {
		if err := putProbe(ctx, t, id, 0, Probe{At: len(n.Commits) - 1, Run: n.Origin, Outcome: bisect.Bad, Reason: n.Reason}); err != nil {
			return 0, false, err
		}
	}
	if !n.Direct {
		if _, err := t.enqueue(ctx, bisectJob(id)); err != nil {
			return 0, false, err
		}
	}
	return id, true, nil
}

func putProbe(ctx context.Context, t tx, id int64, seq int, p Probe) error {
	_, err := t.exec(ctx, "insert into probe (bisection, seq, position, run, outcome, reason, took_ms) values ($1, $2, $3, $4, $5, $6, $7)",
		id, int64(seq), int64(p.At), p.Run, string(p.Outcome), p.Reason, p.Took.Milliseconds())
	return err
}

// CreateProbe makes the run of the next probe of a bisection: n without its trigger. The
// error is ErrStale, and nothing is made, if the bisection has ended or has not just seq
// probes: another process went on with it.
func (s *Store) CreateProbe(ctx context.Context, id int64, seq, at int, n NewRun) (run int64, err error) {
	n.Trigger, n.bisection = TriggerBisection+strconv.FormatInt(id, 10), id
	if err := n.check(); err != nil {
		return 0, fmt.Errorf("create probe: %w", err)
	}
	if n.Direct {
		if err := s.takeMark(); err != nil {
			return 0, fmt.Errorf("create probe: %w", err)
		}
	}
	err = s.db.inTx(ctx, func(t tx) error {
		// The counter's row comes first, as it does for every run: two processes never wait
		// for each other.
		number, _, _, err := s.createRun(ctx, t, n)
		if err != nil {
			return err
		}
		run = number
		var have int64
		open, err := one(ctx, t, []any{&have}, `select (select count(*) from probe where bisection = $1) from bisection where id = $1 and state = 'running'`, id)
		if err != nil {
			return err
		}
		if !open || have != int64(seq) {
			return ErrStale
		}
		return putProbe(ctx, t, id, seq, Probe{At: at, Run: run})
	})
	if err != nil {
		return 0, fmt.Errorf("create probe of bisection %d: %w", id, err)
	}
	return run, nil
}

// AnswerProbe notes what the run of a probe told. A probe that is answered stays as it is.
func (s *Store) AnswerProbe(ctx context.Context, id int64, seq int, outcome bisect.Outcome, reason string, took time.Duration) error {
	err := s.db.inTx(ctx, func(t tx) error {
		_, err := t.exec(ctx, "update probe set outcome = $3, reason = $4, took_ms = $5 where bisection = $1 and seq = $2 and outcome = ''",
			id, int64(seq), string(outcome), reason, took.Milliseconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("answer probe of bisection %d: %w", id, err)
	}
	return nil
}

// FinishBisection stores what a bisection came to, and the messages about it. ok is false,
// and nothing is stored, if it had ended before.
func (s *Store) FinishBisection(ctx context.Context, id int64, r bisect.Result, ms ...publish.Message) (ok bool, err error) {
	doc, err := json.Marshal(r)
	if err != nil {
		return false, fmt.Errorf("finish bisection: %w", err)
	}
	err = s.db.inTx(ctx, func(t tx) error {
		at := now().UnixMilli()
		n, err := t.exec(ctx, `update bisection set state = 'done', result = $2, finished_at = $3,
				ident = case when direct = 1 then ident || ' #' || cast(id as text) else ident end
			where id = $1 and state = 'running'`, id, string(doc), at)
		if ok = n > 0; err != nil || !ok {
			return err
		}
		return putMessages(ctx, t, 0, ms, at)
	})
	if err != nil {
		return false, fmt.Errorf("finish bisection %d: %w", id, err)
	}
	s.wakePoster()
	return ok, nil
}

// Bisection returns a stored bisection. The error is ErrNoBisection if there is none of that
// number.
func (s *Store) Bisection(ctx context.Context, id int64) (Bisection, error) {
	list, err := s.bisections(ctx, "id = $1", id)
	if err == nil && len(list) == 0 {
		err = ErrNoBisection
	}
	if err != nil {
		return Bisection{}, fmt.Errorf("read bisection %d: %w", id, err)
	}
	return list[0], nil
}

// Bisections lists those of a branch of a repository, the newest first, at most limit.
func (s *Store) Bisections(ctx context.Context, repo, branch string, limit int) ([]Bisection, error) {
	list, err := s.bisections(ctx, "repo = $1 and branch = $2 order by id desc limit "+strconv.Itoa(limit), repo, branch)
	if err != nil {
		return nil, fmt.Errorf("list bisections of %s: %w", repo, err)
	}
	return list, nil
}

// BisectionsOf lists those of a repository, the newest first, at most limit.
func (s *Store) BisectionsOf(ctx context.Context, repo string, limit int) ([]Bisection, error) {
	list, err := s.bisections(ctx, "repo = $1 order by id desc limit "+strconv.Itoa(limit), repo)
	if err != nil {
		return nil, fmt.Errorf("list bisections of %s: %w", repo, err)
	}
	return list, nil
}

func (s *Store) bisections(ctx context.Context, where string, args ...any) ([]Bisection, error) {
	q := s.db.reader()
	var out []Bisection
	err := q.query(ctx, func(scan func(...any) error) error {
		var b Bisection
		var question, commits, state, result string
		var direct, probes, ms, created, finished int64
		if err := scan(&b.ID, &b.Repo, &b.Branch, &question, &commits, &b.Origin, &direct, &probes, &ms, &state, &result, &created, &finished); err != nil {
			return err
		}
		b.Direct, b.MaxProbes, b.MaxTime, b.Running = direct == 1, int(probes), time.Duration(ms)*time.Millisecond, state == "running"
		b.Created, b.Finished = fromMilli(created), fromMilli(finished)
		for _, x := range []struct {
			text string
			into any
		}{{question, &b.Question}, {commits, &b.Commits}, {result, &b.Result}} {
			if x.text == "" {
				continue
			}
			if err := json.Unmarshal([]byte(x.text), x.into); err != nil {
				return fmt.Errorf("stored bisection %d: %w", b.ID, err)
			}
		}
		out = append(out, b)
		return nil
	}, `select id, repo, branch, question, commits, origin, direct, max_probes, max_ms, state, result, created_at, finished_at from bisection where `+where, args...)
	if err != nil {
		return nil, err
	}
	for i := range out {
		b := &out[i]
		err := q.query(ctx, func(scan func(...any) error) error {
			var p Probe
			var at, ms int64
			var outcome string
			if err := scan(&at, &p.Run, &outcome, &p.Reason, &ms); err != nil {
				return err
			}
			p.At, p.Outcome, p.Took = int(at), bisect.Outcome(outcome), time.Duration(ms)*time.Millisecond
			b.Probes = append(b.Probes, p)
			return nil
		}, "select position, run, outcome, reason, took_ms from probe where bisection = $1 order by seq", b.ID)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// takeUpBisections has the queue look at every bisection that is not direct and has not
// ended, for those whose job was lost with a process.
func takeUpBisections(ctx context.Context, t tx) error {
	var ids []int64
	err := t.query(ctx, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		ids = append(ids, id)
		return err
	}, "select id from bisection where state = 'running' and direct = 0 order by id")
	if err != nil || len(ids) == 0 {
		return err
	}
	jobs := make([]river.InsertManyParams, len(ids))
	for i, id := range ids {
		jobs[i] = bisectJob(id)
	}
	_, err = t.enqueue(ctx, jobs...)
	return err
}

type bisectWorker struct {
	river.WorkerDefaults[bisectArgs]
	s      *Store
	handle func(ctx context.Context, id int64) error
}

func (w *bisectWorker) Timeout(*river.Job[bisectArgs]) time.Duration { return reportLimit }

func (w *bisectWorker) NextRetry(j *river.Job[bisectArgs]) time.Time { return retryAt(j.Attempt) }

func (w *bisectWorker) Work(ctx context.Context, j *river.Job[bisectArgs]) error {
	if w.handle == nil {
		return errors.New("this process does not bisect")
	}
	err := protect(func() error { return w.handle(ctx, j.Args.Bisection) })
	if errors.Is(err, ErrStale) {
		return nil // another process went on with it
	}
	if err != nil && ctx.Err() == nil {
		w.s.log.Error("bisect", "bisection", j.Args.Bisection, "attempt", j.Attempt, "err", err)
	}
	return err
}
