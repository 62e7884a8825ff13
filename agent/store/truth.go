package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// Kinds of a [Truth].
const (
	TruthAA     = "a/a"    // unchanged code was measured twice
	TruthTriage = "triage" // a person looked
)

// What a verdict turned out to be.
const (
	Real  = "real"
	Noise = "noise"
)

// Truth is one verdict of which it is known what it was worth.
type Truth struct {
	Kind      string // TruthAA or TruthTriage
	Run       int64
	Place     Place  // of the figures; only Repo for a verdict about no figure
	Metric    string // runner.Sample.Key, or the name of a stage
	Threshold string // "" for a comparison of two runs, and for a stage
	Verdict   string // what was said
	Alarm     bool   // it was red
	Truth     string // Real or Noise; that of an A/A is Noise
	Effect    float64
}

func putTruth(ctx context.Context, t tx, list []Truth, at int64) error {
	for _, x := range list {
		id, err := next(ctx, t, "truth")
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `insert into truth (id, kind, run, repo, settings, class, fingerprint, metric, threshold, verdict, alarm, truth, effect, at)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
			on conflict (kind, run, metric, threshold) do update set verdict = excluded.verdict, alarm = excluded.alarm, truth = excluded.truth, at = excluded.at`,
			id, x.Kind, x.Run, x.Place.Repo, x.Place.Settings, x.Place.Class, x.Place.Fingerprint, x.Metric, x.Threshold, x.Verdict, flag(x.Alarm), x.Truth, x.Effect, at); err != nil {
			return err
		}
	}
	return nil
}

// Triage stores what a person says of red verdicts of one run, with an entry in the audit
// log for each.
func (s *Store) Triage(ctx context.Context, list []Truth, who, why string) error {
	if who == "" || why == "" || len(list) == 0 {
		return fmt.Errorf("triage: needs a verdict, an author and a reason")
	}
	err := s.db.inTx(ctx, func(t tx) error {
		at := now().UnixMilli()
		for _, x := range list {
			if x.Kind != TruthTriage || x.Truth != Real && x.Truth != Noise {
				return fmt.Errorf("%q of kind %q is no triage", x.Truth, x.Kind)
			}
			e := Entry{Who: who, Action: triaged(x.Truth), Subject: runSubject(x.Run), Why: why, Detail: x.Metric}
			if x.Threshold != "" {
				e.Detail += ", asked " + x.Threshold
			}
			if err := putAudit(ctx, t, e, at); err != nil {
				return err
			}
		}
		return putTruth(ctx, t, list, at)
	})
	if err != nil {
		return fmt.Errorf("triage: %w", err)
	}
	return nil
}

func runSubject(run int64) string { return "run " + strconv.FormatInt(run, 10) }

// RunLog is what people said of a run, oldest first.
func (s *Store) RunLog(ctx context.Context, run int64) ([]Entry, error) {
	return s.audit(ctx, runSubject(run))
}

// TriageLog is what people said of the runs of a repository, newest first, at most limit
// entries.
func (s *Store) TriageLog(ctx context.Context, repo string, limit int) ([]Entry, error) {
	return s.entries(ctx, `action in ($1, $2) and subject in (select 'run ' || run from truth where repo = $3 and kind = $4) order by id desc limit $5`,
		triaged(Real), triaged(Noise), repo, TruthTriage, int64(limit))
}

// triaged is the action of a triage in the audit log.
func triaged(truth string) string { return "triage " + truth }

// Ledger counts verdicts of which the truth is known.
type Ledger struct {
	Compared, CompareAlarms int // pairs of runs of unchanged code, metric by metric
	Judged, JudgeAlarms     int // thresholds on such runs
	Real, Noise             int // red verdicts that a person confirmed, or dismissed
}

// Ledger counts what is known of the verdicts in a place, and of what people said about the
// repository as a whole.
func (s *Store) Ledger(ctx context.Context, p Place) (l Ledger, err error) {
	q := s.db.reader()
	count := func(dest []any, sql string, args ...any) error {
		_, err := one(ctx, q, dest, sql, args...)
		return err
	}
	var compared, compareAlarms, judged, judgeAlarms, real, noise int64
	const sums = "select count(*), coalesce(sum(alarm), 0) from truth where repo = $1 and class = $2 and settings = $3 and fingerprint = $4 and kind = $5 and threshold "
	if err = count([]any{&compared, &compareAlarms}, sums+"= ''", p.args(TruthAA)...); err == nil {
		err = count([]any{&judged, &judgeAlarms}, sums+"<> ''", p.args(TruthAA)...)
	}
	if err == nil {
		err = count([]any{&real, &noise}, `select coalesce(sum(case when truth = $3 then 1 else 0 end), 0), coalesce(sum(case when truth = $4 then 1 else 0 end), 0)
			from truth where repo = $1 and kind = $2`, p.Repo, TruthTriage, Real, Noise)
	}
	if err != nil {
		return Ledger{}, fmt.Errorf("truth ledger of %s: %w", p.Repo, err)
	}
	return Ledger{int(compared), int(compareAlarms), int(judged), int(judgeAlarms), int(real), int(noise)}, nil
}

// maxPairs is how many A/A pairs of a metric tell its noise.
const maxPairs = 100

// Effects returns by metric how far the two runs of each A/A pair in a place lay apart, as
// ln of the ratio of their medians; the newest 100 pairs.
func (s *Store) Effects(ctx context.Context, p Place) (map[string][]float64, error) {
	out := map[string][]float64{}
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		var metric string
		var effect float64
		if err := scan(&metric, &effect); err != nil {
			return err
		}
		if len(out[metric]) < maxPairs {
			out[metric] = append(out[metric], effect)
		}
		return nil
	}, `select metric, effect from truth where repo = $1 and class = $2 and settings = $3 and fingerprint = $4 and kind = $5 and threshold = ''
		order by id desc`, p.args(TruthAA)...)
	if err != nil {
		return nil, fmt.Errorf("noise of %s: %w", p.Repo, err)
	}
	return out, nil
}

// LastServing returns the newest run of a place that serves and belongs to the branch, and
// its commit. ok is false if there is none.
func (s *Store) LastServing(ctx context.Context, p Place, branch string) (run int64, c runner.Commit, ok bool, err error) {
	var sha string
	ok, err = one(ctx, s.db.reader(), []any{&run, &sha}, `select h.run, h.sha from `+p.table()+` h join run on run.id = h.run
		where h.repo = $1 and h.class = $2 and h.settings = $3 and h.fingerprint = $4 and h.pull = 0 and h.serves = 1 and run.branch = $5
		order by h.run desc limit 1`, p.args(branch)...)
	if err == nil && ok {
		var rec Record
		if rec, err = readRun(ctx, s.db.reader(), run); err == nil {
			c = rec.Run.Commit
		}
	}
	if err != nil {
		return 0, runner.Commit{}, false, fmt.Errorf("last good figures of %s: %w", p.Repo, err)
	}
	return run, c, ok, nil
}

// LastAA is when the last A/A of a repository was asked for; the zero time for never.
func (s *Store) LastAA(ctx context.Context, repo string) (time.Time, error) {
	var at int64
	_, err := one(ctx, s.db.reader(), []any{&at}, "select created_at from run where repo = $1 and trigger_by = $2 order by id desc limit 1", repo, TriggerAA)
	if err != nil {
		return time.Time{}, fmt.Errorf("last A/A of %s: %w", repo, err)
	}
	return fromMilli(at), nil
}

// Busy reports whether anything waits or is being worked on.
func (s *Store) Busy(ctx context.Context) (bool, error) {
	var id int64
	busy, err := one(ctx, s.db.reader(), []any{&id}, "select id from run where reported = 0 limit 1")
	if err != nil {
		return false, fmt.Errorf("look for open runs: %w", err)
	}
	return busy, nil
}

// CreateAA makes the two runs of an A/A: n, without its trigger, and its twin. made is
// false, and nothing is done, when schedule and due name a tick that was claimed before.
func (s *Store) CreateAA(ctx context.Context, n NewRun) (first, second int64, made bool, err error) {
	n.Trigger = TriggerAA
	if err := n.check(); err != nil {
		return 0, 0, false, fmt.Errorf("create A/A: %w", err)
	}
	err = s.db.inTx(ctx, func(t tx) error {
		if first, made, _, err = s.createRun(ctx, t, n); err != nil || !made {
			return err
		}
		twin := n
		twin.Schedule, twin.Due, twin.twin = "", time.Time{}, first
		second, _, _, err = s.createRun(ctx, t, twin)
		return err
	})
	if err != nil {
		return 0, 0, false, fmt.Errorf("create A/A: %w", err)
	}
	return first, second, made, nil
}
