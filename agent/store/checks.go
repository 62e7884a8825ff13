package store

import (
	"context"
	"fmt"

	"github.com/holdfast-ci/holdfast/runner"
)

// maxPast is how many results are looked at for one with a detail: those before it were
// stopped.
const maxPast = 10

// ChecksOf returns the newest result of the checks stage of a commit that has a detail.
// Runs of pull requests are left out: what a stranger's code made of its examination is
// never the base of another. ok is false if there is none.
func (s *Store) ChecksOf(ctx context.Context, repo, sha string) (p PastResult, ok bool, err error) {
	p, ok, err = s.pastChecks(ctx, "run.sha = $4", repo, sha)
	if err != nil {
		return PastResult{}, false, fmt.Errorf("checks of %.10s in %s: %w", sha, repo, err)
	}
	return p, ok, nil
}

// ChecksBefore returns the newest such result of a branch, by a run with a lower number (0:
// any) of another commit than sha.
func (s *Store) ChecksBefore(ctx context.Context, repo, branch string, before int64, sha string) (p PastResult, ok bool, err error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	p, ok, err = s.pastChecks(ctx, "run.branch = $4 and run.id < $5 and run.sha <> $6", repo, branch, before, sha)
	if err != nil {
		return PastResult{}, false, fmt.Errorf("checks of branch %s of %s: %w", branch, repo, err)
	}
	return p, ok, nil
}

func (s *Store) pastChecks(ctx context.Context, where, repo string, args ...any) (p PastResult, ok bool, err error) {
	below := int64(1<<63 - 1)
	for range maxPast {
		p = PastResult{}
		ok, err = one(ctx, s.db.reader(), []any{&p.Run}, `select run.id from run join job on job.run = run.id
			where run.repo = $1 and job.stage = $2 and run.id < $3 and run.pull = 0 and job.state = 'done' and `+where+` order by run.id desc limit 1`,
			append([]any{repo, runner.StageChecks, below}, args...)...)
		if err != nil || !ok {
			return p, false, err
		}
		if ok, err = s.result(ctx, &p, runner.StageChecks); err != nil {
			return p, false, err
		}
		if ok && p.Result.Checks != nil {
			return p, true, nil
		}
		below = p.Run
	}
	return PastResult{}, false, nil
}
