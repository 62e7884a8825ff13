package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/holdfast-ci/holdfast/runner"
)

// PastRun is one earlier run whose benchmarks may serve as a baseline.
type PastRun struct {
	Run     int64
	Commit  runner.Commit
	Samples []runner.Sample
}

// putBench keeps the samples that may serve as a baseline apart from its document, so that reading
// the history does not decode every theorem.
func putBench(ctx context.Context, t tx, run runner.Run, f Final, at int64) error {
	res := run.Stage(runner.StageBench)
	if !f.Serves || res == nil || res.Bench == nil || len(res.Bench.Samples) == 0 || run.State != runner.StateDone {
		return nil
	}
	samples, err := json.Marshal(res.Bench.Samples)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `insert into bench (run, repo, class, settings, pull, sha, ended_at, samples)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		run.Number, run.Repo, run.Machine.Class, f.Settings, int64(run.PullRequest), run.Commit.SHA, at, string(samples))
	return err
}

// putTimes keeps the build times that may serve as a baseline.
func putTimes(ctx context.Context, t tx, run runner.Run, f Final, at int64) error {
	res := run.Stage(runner.StageProofs)
	if len(f.Times) == 0 || res == nil || run.State != runner.StateDone {
		return nil
	}
	samples, err := json.Marshal(f.Times)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `insert into build (run, repo, class, settings, pull, sha, ended_at, samples)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		run.Number, run.Repo, res.Machine.Class, f.TimesSettings, int64(run.PullRequest), run.Commit.SHA, at, string(samples))
	return err
}

// History returns the newest runs, newest first, whose benchmarks may serve as a baseline
// ([Final]) on that class of machine and under that configuration. Pull requests are left out: code
// under review, a stranger's perhaps, must not move the baseline it is judged by.
func (s *Store) History(ctx context.Context, repo, class, settings string, limit int) ([]PastRun, error) {
	out, err := s.history(ctx, "bench", repo, class, settings, limit)
	if err != nil {
		return nil, fmt.Errorf("benchmark history of %s: %w", repo, err)
	}
	return out, nil
}

// BuildTimes is [Store.History] for the build times of the proofs stage.
func (s *Store) BuildTimes(ctx context.Context, repo, class, settings string, limit int) ([]PastRun, error) {
	out, err := s.history(ctx, "build", repo, class, settings, limit)
	if err != nil {
		return nil, fmt.Errorf("build times of %s: %w", repo, err)
	}
	return out, nil
}

// history reads one of the two tables of samples.
func (s *Store) history(ctx context.Context, table, repo, class, settings string, limit int) ([]PastRun, error) {
	var out []PastRun
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		var p PastRun
		var commit, samples string
		if err := scan(&p.Run, &commit, &samples); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(commit), &p.Commit); err != nil {
			return fmt.Errorf("stored commit of run %d: %w", p.Run, err)
		}
		if err := json.Unmarshal([]byte(samples), &p.Samples); err != nil {
			return fmt.Errorf("stored samples of run %d: %w", p.Run, err)
		}
		out = append(out, p)
		return nil
	}, `select h.run, run.commit_doc, h.samples from `+table+` h join run on run.id = h.run
		where h.repo = $1 and h.class = $2 and h.settings = $3 and h.pull = 0
		order by h.run desc limit $4`, repo, class, settings, int64(limit))
	return out, err
}
