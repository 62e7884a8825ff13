package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/holdfast-ci/holdfast/runner"
)

// PastResult is what a stage of an earlier run told.
type PastResult struct {
	Run    int64
	Commit runner.Commit
	Result runner.Result // its Proofs, or Checks, is never nil
}

// putProof notes what a result of the proofs stage may serve as. It is called with the
// result, not with the report: a later run need not wait for the benchmarks of this one.
func putProof(ctx context.Context, t tx, run int64, res runner.Result, at int64) error {
	if res.Stage != runner.StageProofs || res.Proofs == nil {
		return nil
	}
	p := res.Proofs
	_, err := t.exec(ctx, `insert into proof (run, repo, branch, pull, sha, dirs, complete, fresh, authority, verdict, ended_at)
		select id, repo, branch, pull, sha, cast($2 as text), cast($3 as bigint), cast($4 as bigint), cast($5 as bigint), cast($6 as text), cast($7 as bigint)
		from run where id = $1`,
		run, dirsKey(p.Dirs), flag(p.Complete), flag(p.Fresh), flag(p.Authority), string(res.Verdict), at)
	return err
}

// dirsKey names a set of project folders in their order. Inventories of other folders do
// not compare: what one of them lacks was not lost.
func dirsKey(dirs []string) string {
	if len(dirs) == 0 {
		return "[]"
	}
	text, err := json.Marshal(dirs)
	if err != nil {
		panic(err) // strings only
	}
	return cleanText(string(text))
}

// ProofsOf returns the newest complete inventory of a commit, taken over those project
// folders. Runs of pull requests are left out: what a stranger's code made of its
// examination is never the base of another. ok is false if there is none.
func (s *Store) ProofsOf(ctx context.Context, repo, sha string, dirs []string) (p PastResult, ok bool, err error) {
	p, ok, err = s.pastProofs(ctx, "sha = $3", repo, dirs, sha)
	if err != nil {
		return PastResult{}, false, fmt.Errorf("proofs of %.10s in %s: %w", sha, repo, err)
	}
	return p, ok, nil
}

// ProofsBefore returns the newest complete inventory of a branch, taken over those project
// folders by a run with a lower number (0: any) of another commit than sha: a second
// examination of one commit is compared with what the first was compared with. Runs of
// pull requests are left out.
func (s *Store) ProofsBefore(ctx context.Context, repo, branch string, before int64, sha string, dirs []string) (p PastResult, ok bool, err error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	p, ok, err = s.pastProofs(ctx, "branch = $3 and run < $4 and sha <> $5", repo, dirs, branch, before, sha)
	if err != nil {
		return PastResult{}, false, fmt.Errorf("proofs of branch %s of %s: %w", branch, repo, err)
	}
	return p, ok, nil
}

func (s *Store) pastProofs(ctx context.Context, where, repo string, dirs []string, args ...any) (p PastResult, ok bool, err error) {
	q := s.db.reader()
	ok, err = one(ctx, q, []any{&p.Run}, "select run from proof where repo = $1 and dirs = $2 and pull = 0 and complete = 1 and "+where+" order by run desc limit 1",
		append([]any{repo, dirsKey(dirs)}, args...)...)
	if err != nil || !ok {
		return p, false, err
	}
	if ok, err = s.result(ctx, &p, runner.StageProofs); err != nil || !ok {
		return p, false, err
	}
	return p, p.Result.Proofs != nil, nil
}

// result fills in the commit of a run and what a stage of it told.
func (s *Store) result(ctx context.Context, p *PastResult, stage string) (ok bool, err error) {
	var commit, result string
	ok, err = one(ctx, s.db.reader(), []any{&commit, &result}, `select run.commit_doc, job.result from run join job on job.run = run.id
		where run.id = $1 and job.stage = $2`, p.Run, stage)
	if err != nil || !ok {
		return false, err
	}
	if err := json.Unmarshal([]byte(commit), &p.Commit); err != nil {
		return false, fmt.Errorf("stored commit of run %d: %w", p.Run, err)
	}
	if err := json.Unmarshal([]byte(result), &p.Result); err != nil {
		return false, fmt.Errorf("stored result of run %d: %w", p.Run, err)
	}
	return true, nil
}

// FromScratch returns the last commit of a branch that was built from nothing and held, by
// a run of at most that number (0: any). Neutral counts: it is what tolerated old debt
// leaves. ok is false if there is none.
func (s *Store) FromScratch(ctx context.Context, repo, branch string, upTo int64) (f runner.FromScratch, ok bool, err error) {
	if upTo == 0 {
		upTo = 1<<63 - 1
	}
	var commit string
	var ended int64
	ok, err = one(ctx, s.db.reader(), []any{&f.Run, &commit, &ended}, `select proof.run, run.commit_doc, proof.ended_at
		from proof join run on run.id = proof.run
		where proof.repo = $1 and proof.branch = $2 and proof.pull = 0 and proof.complete = 1 and proof.fresh = 1
			and proof.verdict in ($3, $4) and proof.run <= $5 order by proof.run desc limit 1`,
		repo, branch, string(runner.Success), string(runner.Neutral), upTo)
	if err == nil && ok {
		err = json.Unmarshal([]byte(commit), &f.Commit)
	}
	if err != nil {
		return runner.FromScratch{}, false, fmt.Errorf("last proof from scratch of branch %s of %s: %w", branch, repo, err)
	}
	f.Time = fromMilli(ended).Format("2006-01-02T15:04:05Z")
	return f, ok, nil
}
