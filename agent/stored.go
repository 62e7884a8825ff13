package agent

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
)

// judgements are those stored with a run: of its samples and of its build times, nil where
// nothing was judged.
func judgements(rec store.Record) ([]*baseline.Judgement, error) {
	out := make([]*baseline.Judgement, 2)
	for i, text := range [][]byte{rec.Judgement, rec.Builds} {
		if len(text) == 0 {
			continue
		}
		out[i] = new(baseline.Judgement)
		if err := json.Unmarshal(text, out[i]); err != nil {
			return nil, fmt.Errorf("stored judgement of run %d: %w", rec.Run.Number, err)
		}
	}
	return out, nil
}

// stored is the input of a report that was made before.
func (a *app) stored(ctx context.Context, rec store.Record) (report.Input, error) {
	judged, err := judgements(rec)
	if err != nil {
		return report.Input{}, err
	}
	in := report.Input{Run: rec.Run, Judgement: judged[0], Builds: judged[1]}
	repo, err := a.repository(rec.Run.Repo)
	if err != nil { // a stored report can be read after its repository is gone
		in.Bisections, err = a.searched(ctx, &in.Run, nil)
		return in, err
	}
	if _, err := a.explain(ctx, &in, repo); err != nil {
		return report.Input{}, err
	}
	if in.Judgement != nil { // as it is known by now
		if in.Truth, err = a.ledger(ctx, placeOf(&in.Run, repo)); err != nil {
			return report.Input{}, err
		}
	}
	return in, a.previous(ctx, &in, repo)
}

// previous adds the last run before this one for "what changed": of the same branch, or,
// for a pull request or a lone commit, of the branch that is watched.
func (a *app) previous(ctx context.Context, in *report.Input, repo *config.Repository) error {
	branch := in.Run.Branch
	if branch == "" || in.Run.PullRequest != 0 {
		branch = repo.DefaultBranch()
	}
	last, ok, err := a.store.LastRun(ctx, in.Run.Repo, branch, in.Run.Number)
	if err != nil {
		return err
	}
	if ok {
		in.Previous = &last.Run
	}
	return nil
}
