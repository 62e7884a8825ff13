package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

func cmdRun(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "run", "[flags]")
	var s selection
	s.register(fs, theOnlyOrFolder)
	rev := fs.String("commit", "", "`REV` to examine: hash, branch or tag (default: the head of the repository's branch)")
	base := fs.String("base", "", "compare with the merge base with this `REV`")
	fresh := fs.Bool("fresh", false, "prove from nothing, and compare with what the cache of earlier builds gives")
	only := fs.String("only", "", "comma-separated `STAGES`: proofs, checks, bench (default: all that are enabled)")
	var out outputs
	fs.StringVar(&out.json, "json", "", "write the report as JSON to `FILE` (- for standard output)")
	fs.StringVar(&out.markdown, "markdown", "", "write the report as Markdown to `FILE` (- for standard output)")
	out.exchange(fs)
	post := fs.Bool("post", false, "post statuses and reports on GitHub (default: github.post)")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if err := out.check(); err != nil {
		return err
	}
	want, err := stageNames(*only)
	if err != nil {
		return err
	}
	cfg, repo, err := s.load(e)
	if err != nil {
		return err
	}
	if *rev == "" {
		*rev = "HEAD"
		if repo.Path == "" {
			*rev = repo.DefaultBranch()
		}
	}
	stages := enabled(repo, want)
	if len(stages) == 0 {
		return &usageError{fmt.Sprintf("no stage is enabled for %s", repo.Name), "set enabled = true in [proofs], [checks] or [bench], or change --only"}
	}
	p := newProgress(e.stderr)
	defer p.close()
	a, err := open(ctx, e, cfg, options{post: *post || cfg.GitHub.Post, progress: p.event})
	if err != nil {
		return err
	}
	defer a.close()
	// A run whose process was killed must not look as if it went on for ever.
	if _, err := a.store.Recover(ctx); err != nil {
		return err
	}

	p.line("run", "resolving %s in %s", *rev, repo.Name)
	commit, against, warning, err := resolve(ctx, a.x.mirror(repo), *rev, *base)
	if err != nil {
		return err
	}
	in, err := a.direct(ctx, store.NewRun{
		Repo: repo.Name, Branch: branchOf(repo, *rev), Commit: commit, Base: against, Trigger: store.TriggerCommand,
		Stages: stages, Fresh: *fresh, Direct: true,
	}, repo, warning, p)
	if err != nil {
		return err
	}
	if err := out.write(e, in); err != nil {
		return err
	}
	// Posting outlives Ctrl-C by a little: what was said to be pending is concluded.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	if err := a.deliver(last); err != nil {
		return err
	}
	return asError(in.Run.Verdict)
}

// branchOf tells the branch that a run counts for: the one that rev names, else the one
// that is watched.
func branchOf(repo *config.Repository, rev string) string {
	if rev != "HEAD" && repo.MatchBranch(rev) {
		return rev
	}
	if rev == "HEAD" {
		return repo.DefaultBranch()
	}
	return ""
}

// enabled lists the wanted stages that the repository has, ready for the store.
func enabled(repo *config.Repository, want []string) []store.NewJob {
	var jobs []store.NewJob
	for _, name := range want {
		var on bool
		var limit time.Duration
		switch name {
		case runner.StageProofs:
			on, limit = repo.Proofs.Enabled, repo.Proofs.Limit
		case runner.StageChecks:
			on, limit = repo.Checks.Enabled, repo.Checks.Limit
		case runner.StageBench:
			on, limit = repo.Bench.Enabled, repo.Bench.Limit
		}
		if on {
			want := repo.Machine(name)
			jobs = append(jobs, store.NewJob{Stage: name, Queue: queueFor(name, want), Limit: limit, Machine: want})
		}
	}
	return jobs
}

// direct creates a run and executes its jobs in this process, one after the other.
func (a *app) direct(ctx context.Context, n store.NewRun, repo *config.Repository, warning string, p *progress) (report.Input, error) {
	n.Messages = a.pending(repo, n)
	// From here on Ctrl-C is recorded, not obeyed by the store.
	keep := context.WithoutCancel(ctx)
	number, _, err := a.store.CreateRun(keep, n)
	if err != nil {
		return report.Input{}, err
	}
	p.line("run", "run %d: %s at %s %q", number, repo.Name, n.Commit.Short(), n.Commit.Subject)
	if n.Messages != nil {
		first, cancel := context.WithTimeout(ctx, time.Minute) // others may wait, too
		err := a.deliver(first)
		cancel()
		if err != nil {
			p.line("run", "warning: %v", err)
		}
	}
	for _, j := range n.Stages {
		if ctx.Err() != nil {
			break
		}
		if err := a.work(ctx, number, j.Stage, 1); err != nil {
			return report.Input{}, err
		}
	}
	if ctx.Err() != nil {
		if err := a.store.Cancel(keep, number, runner.StateCancelled, reasonOf(ctx)); err != nil {
			return report.Input{}, err
		}
	}
	return a.finish(keep, number, warning)
}

func reasonOf(ctx context.Context) string {
	if err := context.Cause(ctx); err != nil {
		return err.Error()
	}
	return ""
}

// stageNames reads a list as given to --only.
func stageNames(list string) ([]string, error) {
	if list == "" {
		return runner.Stages, nil
	}
	want := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(runner.Stages, name) {
			return nil, &usageError{fmt.Sprintf("no stage %q", name), "the stages are " + strings.Join(runner.Stages, ", ")}
		}
		want[name] = true
	}
	return slices.DeleteFunc(slices.Clone(runner.Stages), func(name string) bool { return !want[name] }), nil
}
