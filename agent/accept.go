package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// accept makes what the head measured the new level of a metric: the same change as that of
// holdfast baseline accept, with the same entry in the log.
func (d *doing) accept(ctx context.Context) error {
	recs, err := d.a.store.PullRequestRuns(ctx, d.repo.Name, d.h.PullRequest, d.h.SHA, 0)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(recs, func(r store.Record) bool {
		res := r.Run.Stage(runner.StageBench)
		return res != nil && res.Bench != nil && len(res.Bench.Samples) > 0
	})
	if i < 0 {
		return refuse("no run has measured %s yet", d.h.SHA[:10])
	}
	run := &recs[i].Run
	all, err := d.a.store.Baselines(ctx, d.repo.Name)
	if err != nil {
		return err
	}
	place := store.Place{Kind: store.KindBench, Repo: d.repo.Name, Settings: benchSettings(d.repo.Bench), Class: run.Machine.Class, Fingerprint: run.Machine.Fingerprint}
	here := slices.DeleteFunc(all, func(b store.Baseline) bool { return b.Place != place })
	found, err := find(here, strings.Fields(d.cmd.Metric))
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return refuse("%s", usage.text)
	case err != nil:
		return err
	case len(found) > 1:
		return refuse("%s is %d metrics: name one, with its key=value", d.cmd.Metric, len(found))
	}
	b := found[0]
	why := fmt.Sprintf("%s (comment %d on pull request %d)", d.cmd.Reason, d.c.Comment, d.h.PullRequest)
	log, err := d.a.store.BaselineLog(ctx, b.ID)
	if err != nil {
		return err
	}
	for _, e := range log {
		if e.Why == why {
			d.c.Answer = e.Detail // by a process that was killed then
			return nil
		}
	}
	samples := run.Stage(runner.StageBench).Bench.Samples
	j := slices.IndexFunc(samples, func(s runner.Sample) bool { return s.Key() == b.Sample.Key() })
	if j < 0 {
		return refuse("run %d has not measured it", run.Number)
	}
	// Runs of the branch that come from now on join in.
	since := d.c.UpTo + 1
	c, err := d.a.accepted(ctx, d.repo, b, since, []store.Point{{Run: run.Number, Commit: run.Commit.SHA, At: run.Finished, Values: samples[j].Values}})
	if err != nil {
		return err
	}
	c.Who, c.Why = d.c.Author, why
	if err := d.a.store.ChangeBaselines(ctx, []store.Change{c}); err != nil {
		return err
	}
	d.c.Answer = c.Detail
	return nil
}
