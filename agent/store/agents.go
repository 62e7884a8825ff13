package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// On one machine the kernel tells who lives, see mark.go. Of a process on another machine
// only the database can tell: each has a row that it changes every 15 s, and one whose row
// stands still for LostAfter is taken for lost. What it had claimed is handed out anew under
// the next attempt number, in one transaction that only one of the others commits; whatever
// the lost one does later under the old number changes nothing, see [Store.Finish].

// errLost is the cause of the context of a job that others have by now.
var errLost = errors.New("this process was taken for lost, and its job given to another")

// Agent is a process that works on the store or has, as far as the database knows.
type Agent struct {
	Owner  string
	Name   string // of its machine
	Class  string
	Queues []string  // that it works
	Since  time.Time // all times by the database's clock
	Seen   time.Time // last heard of
	Lost   time.Time // taken for lost; zero while it lives
	Silent time.Duration
}

// Agents lists who works on the store, those that were lost within a week included, by
// name.
func (s *Store) Agents(ctx context.Context) ([]Agent, error) {
	var out []Agent
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		var a Agent
		var queues string
		var since, seen, lost, at int64
		err := scan(&a.Owner, &a.Name, &a.Class, &queues, &since, &seen, &lost, &at)
		a.Silent = time.Duration(at-seen) * time.Millisecond
		a.Queues, a.Since, a.Seen, a.Lost = strings.Fields(queues), fromMilli(since), fromMilli(seen), fromMilli(lost)
		out = append(out, a)
		return err
	}, "select owner, name, class, queues, since, seen_at, lost_at, "+s.db.clock()+" from agent order by name, since")
	if err != nil {
		return nil, fmt.Errorf("read agents: %w", err)
	}
	return out, nil
}

// alive is a beat. It comes first in every transaction that writes this process's name into
// a row: who has claimed something is watched, also one that was taken for lost before.
func (s *Store) alive(ctx context.Context, t tx) error {
	s.mu.Lock()
	queues := s.queues
	s.mu.Unlock()
	clock := s.db.clock()
	_, err := t.exec(ctx, `insert into agent (owner, name, class, queues, beats, since, seen_at, lost_at) values ($1, $2, $3, $4, 1, `+clock+`, `+clock+`, 0)
		on conflict (owner) do update set queues = excluded.queues, beats = agent.beats + 1, seen_at = excluded.seen_at, lost_at = 0`,
		s.owner, s.name, s.class, queues)
	return err
}

// works reports whether this process works queues.
func (s *Store) works() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queues != ""
}

// join says which queues this process works from now on; nil is none.
func (s *Store) join(ctx context.Context, queues map[string]int) error {
	text := ""
	if queues != nil {
		text = " " + queueReport + " "
	}
	for _, name := range slices.Sorted(maps.Keys(queues)) {
		text += name + " "
	}
	s.mu.Lock()
	s.queues = text
	s.mu.Unlock()
	return s.db.inTx(ctx, func(t tx) error { return s.alive(ctx, t) })
}

// Beat says that this process lives and, if it works queues, takes over from those of
// other machines that do not any more. [Store.Work] calls it every 15 s, and processes
// that only run something do without taking over. now is this machine's time with its
// monotonic reading: only differences count. It returns the owner names of those that were
// taken for lost. Not to be called twice at a time.
func (s *Store) Beat(ctx context.Context, now time.Time) (lost []string, err error) {
	var was int64
	err = s.db.inTx(ctx, func(t tx) error {
		if _, err := one(ctx, t, []any{&was}, "select lost_at from agent where owner = $1", s.owner); err != nil {
			return err
		}
		return s.alive(ctx, t)
	})
	if err != nil {
		return nil, fmt.Errorf("beat: %w", err)
	}
	if was != 0 {
		s.log.Warn("this process was taken for lost: what it worked on was given to others", "at", fromMilli(was))
	}
	s.tellLost(ctx)
	if !s.works() {
		return nil, nil
	}
	beats := map[string]int64{}
	err = s.db.reader().query(ctx, func(scan func(...any) error) error {
		var owner string
		var n int64
		err := scan(&owner, &n)
		beats[owner] = n
		return err
	}, "select owner, beats from agent where lost_at = 0 and owner <> $1", s.owner)
	if err != nil {
		return nil, fmt.Errorf("beat: look for others: %w", err)
	}
	var errs []error
	for _, owner := range s.watch.look(now, beats) {
		if s.marked(owner) {
			continue // it is of this machine, and the kernel knows better
		}
		taken, err := s.takeOverLost(ctx, owner, beats[owner])
		if err != nil {
			errs = append(errs, fmt.Errorf("take over from %s: %w", owner, err))
		} else if taken {
			lost = append(lost, owner)
		}
	}
	if len(lost) > 0 {
		s.wakePoster()
	}
	errs = append(errs, s.unstick(ctx), s.lookForWaits(ctx))
	slices.Sort(lost)
	return lost, errors.Join(errs...)
}

// unstick hands out anew what River gave to a worker that never took it. A worker takes a job
// within milliseconds; one that was killed in just these leaves no name in any row, and
// River would wait for two days. Who is only slow finds that the job has a new number. A
// report is the same whoever makes it.
func (s *Store) unstick(ctx context.Context) error {
	stuck := map[jobKey]bool{}
	q := s.db.reader()
	err := q.query(ctx, func(scan func(...any) error) error {
		var k jobKey
		var attempt int64
		err := scan(&k.run, &k.stage, &attempt)
		k.attempt = int(attempt)
		stuck[k] = true
		return err
	}, `select job.run, job.stage, job.attempt from job join river_job on river_job.id = job.river
		where job.owner = '' and job.state = 'queued' and river_job.state = 'running'`)
	if err != nil {
		return fmt.Errorf("look for jobs that nobody took: %w", err)
	}
	// None waits for a worker, and none has a worker: then what is not reported is lost.
	err = q.query(ctx, func(scan func(...any) error) error {
		var k jobKey
		err := scan(&k.run)
		stuck[k] = true
		return err
	}, `select id from run where owner = '' and reported = 0 and open_jobs = 0 and direct = 0
		and not exists (select 1 from river_job where kind = 'holdfast_report' and state in ('available', 'pending', 'retryable', 'scheduled'))`)
	if err != nil {
		return fmt.Errorf("look for reports that nobody makes: %w", err)
	}
	before := s.stuck
	s.stuck = stuck
	var errs []error
	for k := range stuck {
		if !before[k] {
			continue // a moment later it may be taken
		}
		s.log.Warn("nobody took a job from the queue: handing it out anew", "run", k.run, "task", k.stage, "attempt", k.attempt)
		if k.stage == "" {
			errs = append(errs, s.db.inTx(ctx, func(t tx) error { return enqueueReport(ctx, t, k.run, now().UnixMilli()) }))
		} else {
			errs = append(errs, s.tryRequeue(ctx, k, runner.StateQueued, false, nil))
		}
	}
	return errors.Join(errs...)
}

// beats calls Beat until ctx ends.
func (s *Store) beats(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			limited, cancel := context.WithTimeout(ctx, beatEvery)
			if err := s.pulse(limited, now); err != nil && ctx.Err() == nil {
				s.log.Warn("telling that this process lives", "err", err)
			}
			cancel()
		}
	}
}

// pulse is what a process does every 15 s: it says that it lives and, if it works, takes
// over from those that do not, of other machines and of this one.
func (s *Store) pulse(ctx context.Context, now time.Time) error {
	_, err := s.Beat(ctx, now)
	if err == nil && s.works() {
		_, err = s.Recover(ctx)
	}
	return err
}

// tellLost ends the jobs of this process that are not its own any more.
func (s *Store) tellLost(ctx context.Context) {
	s.mu.Lock()
	var keys []jobKey
	for k := range s.running {
		keys = append(keys, k)
	}
	s.mu.Unlock()
	for _, k := range keys {
		state, err := s.state(ctx, k)
		if err == nil && state == "" { // handed out anew: the attempt does not exist any more
			s.tell([]jobKey{k}, errLost)
		}
	}
}

// lostError is why a job of a lost machine is handed out anew or concluded.
type lostError struct {
	name string
	seen time.Time
}

func (e *lostError) Error() string {
	return fmt.Sprintf("the machine %s was lost, last heard of at %s", e.name, e.seen.Format("2006-01-02 15:04:05 UTC"))
}

// takeOverLost takes over from a process whose row stood still at a number of beats. It
// does nothing if the process has beaten since, or if somebody else was faster.
func (s *Store) takeOverLost(ctx context.Context, owner string, beats int64) (taken bool, err error) {
	var lost lostError
	var n int
	err = s.db.inTx(ctx, func(t tx) error {
		var seen int64
		taken, err = one(ctx, t, []any{&lost.name, &seen}, "update agent set lost_at = "+s.db.clock()+` where owner = $1 and lost_at = 0 and beats = $2
			returning name, seen_at`, owner, beats)
		if err != nil || !taken {
			return err
		}
		lost.seen = fromMilli(seen)
		if n, err = s.takeOver(ctx, t, owner, &lost); err != nil {
			return err
		}
		if err := takeUpBisections(ctx, t); err != nil {
			return err
		}
		_, err = t.exec(ctx, "delete from agent where lost_at > 0 and lost_at < "+s.db.clock()+" - $1", (7 * 24 * time.Hour).Milliseconds())
		return err
	})
	if err == nil && taken {
		s.log.Warn("a machine was lost: took over what it had claimed", "machine", lost.name, "owner", owner, "heard", lost.seen, "count", n)
	}
	return taken, err
}

// served reports whether somebody who lives works a queue, on a machine of a class ("":
// of any).
func served(ctx context.Context, q querier, queue, class string) (bool, error) {
	var n int64
	return one(ctx, q, []any{&n}, "select 1 from agent where lost_at = 0 and replace(queues, $1, '') <> queues and (class = $2 or $2 = '') limit 1", " "+queue+" ", class)
}

// othersFree reports whether another machine, which has nothing to do, could do a job. A
// machine does one stage at a time, so that a busy one would keep the job waiting.
func (s *Store) othersFree(ctx context.Context, k jobKey) (bool, error) {
	if s.db.alone() {
		return false, nil
	}
	var n int64
	return one(ctx, s.db.reader(), []any{&n}, `select 1 from job join agent on replace(agent.queues, ' ' || job.queue || ' ', '') <> agent.queues
		where job.run = $1 and job.stage = $2 and agent.lost_at = 0 and agent.owner <> $3
		and not exists (select 1 from job other where other.owner = agent.owner and other.state = 'running') limit 1`, k.run, k.stage, s.owner)
}

// conclude ends one attempt of which something is true as an error, under the next number.
func (s *Store) conclude(ctx context.Context, t tx, k jobKey, where, reason, hint string) error {
	n, err := t.exec(ctx, `update job set state = 'running', owner = $4, attempt = attempt + 1, tries = tries + 1
		where run = $1 and stage = $2 and attempt = $3 and `+where, k.run, k.stage, int64(k.attempt), s.owner)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrStale
	}
	_, err = finish(ctx, t, k.run, k.stage, k.attempt+1, s.owner, runner.Result{Verdict: runner.Error, Reason: reason, Hint: hint})
	return err
}

// lose hands the job of a lost machine out anew or, if no other can do it, concludes it. One
// that asks for a machine waits for it, as it did when it was new: the lost one may come back.
func (s *Store) lose(ctx context.Context, t tx, k jobKey, owner string, why error) error {
	var queue, class string
	var twin, wait int64
	if _, err := one(ctx, t, []any{&queue, &twin, &wait}, "select job.queue, run.twin, job.wait_ms from job join run on run.id = job.run where job.run = $1 and job.stage = $2", k.run, k.stage); err != nil {
		return err
	}
	where := "works its queue"
	if twin != 0 { // what is measured is compared with what this class of machine measured
		if _, err := one(ctx, t, []any{&class}, "select class from agent where owner = $1", owner); err != nil {
			return err
		}
		where = "of its class lives"
	}
	ok, err := served(ctx, t, queue, class)
	if err != nil {
		return err
	}
	if !ok && (wait == 0 || twin != 0) {
		return s.conclude(ctx, t, k, "state = 'running'", fmt.Sprintf("%v; no other machine %s", why, where), "start the agent again, and ask for the run anew")
	}
	return s.requeue(ctx, t, k, runner.StateRunning, true, why)
}
