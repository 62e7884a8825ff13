package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// PastRun is one earlier run whose benchmarks may serve as a baseline.
type PastRun struct {
	Run     int64
	Commit  runner.Commit
	Samples []runner.Sample
}

// SettingsHash identifies a configuration of the bench stage: backend, device and
// settings. Samples of different configurations are never compared. Settings whose key
// starts with "async-best-depth" are outcomes of the run, not its configuration.
func SettingsHash(b *runner.Bench) string {
	lines := []string{"backend=" + b.Backend, "device=" + b.Device}
	for k, v := range b.Settings {
		if !strings.HasPrefix(k, "async-best-depth") {
			lines = append(lines, fmt.Sprintf("%q=%q", k, v))
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:16])
}

// putBench keeps the samples of a finished run apart from its document, so that reading
// the history does not decode every theorem.
func putBench(ctx context.Context, t tx, run runner.Run, f Final, at int64) error {
	res := run.Stage(runner.StageBench)
	if res == nil || res.Bench == nil || len(res.Bench.Samples) == 0 || run.State != runner.StateDone {
		return nil
	}
	samples, err := json.Marshal(res.Bench.Samples)
	if err != nil {
		return err
	}
	// A success by judgement cannot make up for a stage that could not tell.
	verdict := res.Verdict
	if f.Bench != "" && verdict == runner.Success {
		verdict = f.Bench
	}
	settings := f.Settings
	if settings == "" {
		settings = SettingsHash(res.Bench)
	}
	_, err = t.exec(ctx, `insert into bench (run, repo, class, settings, pull, sha, verdict, ended_at, samples)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		run.Number, run.Repo, run.Machine.Class, settings, int64(run.PullRequest), run.Commit.SHA, string(verdict), at, string(samples))
	return err
}

// History returns the newest runs, newest first, whose benchmarks succeeded on that class
// of machine with that configuration ([SettingsHash]). Pull requests are left out: code
// under review, a stranger's perhaps, must not move the baseline it is judged by.
func (s *Store) History(ctx context.Context, repo, class, settings string, limit int) ([]PastRun, error) {
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
	}, `select bench.run, run.commit_doc, bench.samples from bench join run on run.id = bench.run
		where bench.repo = $1 and bench.class = $2 and bench.settings = $3 and bench.verdict = 'success' and bench.pull = 0
		order by bench.run desc limit $4`, repo, class, settings, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("benchmark history of %s: %w", repo, err)
	}
	return out, nil
}
