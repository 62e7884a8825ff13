package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/agent/bisect"
	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

func cmdBisect(ctx context.Context, e *env, args []string) error {
	if len(args) > 0 && args[0] == "show" {
		return bisectShow(ctx, e, args[1:])
	}
	fs := flags(e, "bisect", "[flags] GOOD [BAD]\n       holdfast bisect show [flags] [NUMBER]")
	var s selection
	s.register(fs, theOnlyOrFolder)
	stage := fs.String("stage", "", "`STAGE` that holds at GOOD and fails at BAD: proofs, checks or bench")
	threshold := fs.String("threshold", "", "instead of a stage: a `THRESHOLD` as in agent.toml")
	probes := fs.Int("probes", 0, "at most `N` examinations (default: bisect.probes)")
	limit := fs.Duration("time", 0, "stop when they took `D` together (default: bisect.time)")
	asJSON := fs.Bool("json", false, "print the result as JSON")
	if err := parse(fs, args, 2); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return &usageError{"no good commit named", "holdfast bisect --stage checks GOOD [BAD]; BAD is the head of the branch by default"}
	}
	q, err := questionOf(*stage, *threshold)
	if err != nil {
		return err
	}
	cfg, repo, err := s.load(e)
	if err != nil {
		return err
	}
	if *probes == 0 {
		*probes = cfg.Bisect.Probes
	}
	if *limit == 0 {
		*limit = cfg.Bisect.Time
	}
	if *probes < 1 || *limit < 0 {
		return &usageError{"a budget below nothing", "at least one examination, and some time"}
	}
	if len(enabled(repo, []string{q.Stage})) == 0 {
		return &usageError{fmt.Sprintf("the %s stage is not enabled for %s", q.Stage, repo.Name), fmt.Sprintf("set %s.enabled = true in agent.toml", q.Stage)}
	}
	bad := "HEAD"
	if repo.Path == "" {
		bad = repo.DefaultBranch()
	}
	if fs.NArg() == 2 {
		bad = fs.Arg(1)
	}
	p := newProgress(e.stderr)
	defer p.close()
	a, err := open(ctx, e, cfg, options{progress: p.event})
	if err != nil {
		return err
	}
	defer a.close()
	// What a killed process left is given up first: its probe is made again.
	if _, err := a.store.Recover(ctx); err != nil {
		return err
	}
	commits, err := rangeOf(ctx, a.x.mirror(repo), fs.Arg(0), bad)
	if err != nil {
		return err
	}
	id, created, err := a.store.CreateBisection(ctx, store.NewBisection{
		Repo: repo.Name, Question: q, Commits: commits, Direct: true, Probes: *probes, Time: *limit,
	})
	if err != nil {
		return err
	}
	if !created {
		p.line("bisect", "taking up bisection %d where it was left", id)
	}
	b, err := a.bisectHere(ctx, repo, id, p)
	if err != nil {
		return err
	}
	v := bisectionView(b)
	if *asJSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(report.BisectionJSON(v)); err != nil {
			return err
		}
	} else {
		fmt.Fprint(e.stdout, report.BisectionText(v))
	}
	if b.Result.Kind != bisect.Found {
		return &verdictError{runner.Error}
	}
	return nil
}

// questionOf reads what to ask of every commit.
func questionOf(stage, threshold string) (bisect.Question, error) {
	switch {
	case stage != "" && threshold != "":
		return bisect.Question{}, &usageError{"--stage and --threshold contradict each other", "a threshold says which stage it is about"}
	case threshold != "":
		t, err := baseline.ParseThreshold(threshold)
		if err != nil {
			return bisect.Question{}, &usageError{err.Error(), hintOf(err)}
		}
		q := bisect.Question{Stage: runner.StageBench, Threshold: t.String()}
		if onBuilds(t) {
			q.Stage = runner.StageProofs
		}
		return q, nil
	case !slices.Contains(runner.Stages, stage):
		return bisect.Question{}, &usageError{fmt.Sprintf("no stage %q", stage), `--stage proofs, checks or bench, or --threshold "METRIC OP VALUE"`}
	}
	return bisect.Question{Stage: stage}, nil
}

// bisectHere goes through a direct bisection in this process.
func (a *app) bisectHere(ctx context.Context, repo *config.Repository, id int64, p *progress) (store.Bisection, error) {
	keep := context.WithoutCancel(ctx)
	for {
		b, run, why, err := a.advance(keep, id)
		switch {
		case errors.Is(err, store.ErrStale) || err == nil && b.Running && run == 0:
			return b, runner.WithHint(fmt.Errorf("bisection %d is being worked on by another process", id), "holdfast bisect show %d tells how far it is", id)
		case err != nil || !b.Running:
			return b, err
		}
		rec, err := a.store.Run(keep, run)
		if err != nil {
			return b, err
		}
		p.line("bisect", "run %d, %s: %s %q", run, why, rec.Run.Commit.Short(), rec.Run.Commit.Subject)
		if err := a.work(ctx, run, b.Question.Stage, 1); err != nil {
			return b, err
		}
		if ctx.Err() != nil {
			if err := a.store.Cancel(keep, run, runner.StateCancelled, reasonOf(ctx)); err != nil {
				return b, err
			}
		}
		if _, err := a.finish(keep, run); err != nil {
			return b, err
		}
		if ctx.Err() != nil {
			return b, runner.WithHint(fmt.Errorf("bisection %d: %s", id, reasonOf(ctx)), "the same command takes it up again")
		}
	}
}

func bisectShow(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "bisect show", "[flags] [NUMBER]")
	var s selection
	s.register(fs, theOnly)
	asJSON := fs.Bool("json", false, "print JSON, one bisection a line")
	if err := parse(fs, args, 1); err != nil {
		return err
	}
	const listsThem = "holdfast bisect show lists them"
	read := s.read
	if fs.NArg() == 1 { // the number tells whose it is
		read = s.readAny
	}
	a, repo, err := read(ctx, e)
	if err != nil {
		return err
	}
	defer a.close()
	var list []store.Bisection
	if fs.NArg() == 1 {
		id, err := numberOf("bisection", fs.Arg(0), listsThem)
		if err != nil {
			return err
		}
		b, err := a.store.Bisection(ctx, id)
		if errors.Is(err, store.ErrNoBisection) {
			return &usageError{fmt.Sprintf("no bisection %d", id), listsThem}
		}
		if err != nil {
			return err
		}
		list = []store.Bisection{b}
	} else {
		if list, err = a.store.BisectionsOf(ctx, repo.Name, 20); err != nil {
			return err
		}
		if len(list) == 0 && !*asJSON {
			fmt.Fprintf(e.stdout, "no bisections of %s\n", report.Line(repo.Name))
		}
	}
	enc := json.NewEncoder(e.stdout)
	for _, b := range list {
		v := bisectionView(b)
		if *asJSON {
			if err := enc.Encode(report.BisectionJSON(v)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprint(e.stdout, report.BisectionText(v))
		if fs.NArg() == 0 {
			continue
		}
		for _, p := range b.Probes {
			fmt.Fprintf(e.stdout, "  run %d, %s: %s %s, %s\n", p.Run, p.Took.Round(time.Second/10), b.Commits[p.At].Short(), orWaiting(p.Outcome), report.Line(p.Reason))
		}
		fmt.Fprintf(e.stdout, "  budget: %d of %d examinations, %s of %s\n", len(b.Probes), b.MaxProbes, b.Spent().Round(time.Second), b.MaxTime)
	}
	return nil
}

func orWaiting(o bisect.Outcome) string {
	if o == "" {
		return "waits or runs"
	}
	return string(o)
}
