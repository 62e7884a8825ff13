package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

// app is what run and serve share: the store, the examiner and the way out.
type app struct {
	cfg     *config.Config
	store   *store.Store
	x       *examiner
	hub     *hub.Client // nil when no repository is on GitHub
	poster  publish.Poster
	machine runner.Machine
	locks   string // folder of the lock that only one stage on this machine holds
	log     *slog.Logger
}

type options struct {
	post     bool
	progress func(runner.Event)
	log      *slog.Logger
	byHand   bool // see [store.Options]
}

// open opens the store and resolves the secrets that the configuration refers to.
func open(ctx context.Context, e *env, cfg *config.Config, o options) (*app, error) {
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(cfg.Agent.State, 0o755); err != nil {
		return nil, runner.WithHint(fmt.Errorf("state folder: %w", err), "set agent.state in %s to a folder that can be written", cfg.File)
	}
	a := &app{cfg: cfg, log: o.log, machine: machine.Read(ctx, e.environ), locks: lockDir()}
	a.x = &examiner{cfg: cfg, environ: e.environ, progress: o.progress}
	if err := a.connect(ctx, o.post, e); err != nil {
		return nil, err
	}
	so, err := storeOptions(ctx, e, cfg)
	if err != nil {
		return nil, err
	}
	so.Log, so.Class, so.ByHand = o.log, a.machine.Class, o.byHand
	if a.store, err = store.Open(ctx, so); err != nil {
		return nil, err
	}
	if a.hub != nil {
		a.hub.Share(a.store)
	}
	a.way(o.post, e)
	return a, nil
}

// connect makes the client that reads GitHub.
func (a *app) connect(ctx context.Context, post bool, e *env) error {
	onGitHub := false
	for _, r := range a.cfg.Repositories {
		onGitHub = onGitHub || r.GitHub != ""
	}
	if !onGitHub {
		if post {
			return &usageError{"told to post, but no repository names its place on GitHub", `set github = "owner/name" in [[repositories]]`}
		}
		return nil
	}
	o, err := credential(ctx, e, a.cfg.GitHub)
	if err != nil {
		return err
	}
	if post && o.Token == nil && o.App == nil {
		return &usageError{"told to post, but neither github.token nor github.app is set", `for example token = "env:GITHUB_TOKEN"`}
	}
	if a.hub, err = hub.New(o); err != nil {
		return fmt.Errorf("github.api: %w", err)
	}
	if o.Token != nil || o.App != nil {
		a.x.token = a.hub.GitToken
	}
	return nil
}

// way makes the way out: GitHub itself when told to post, else a printer.
func (a *app) way(post bool, e *env) {
	switch {
	case a.hub == nil:
	case post:
		a.poster = publish.NewGitHub(a.hub, publish.Options{Lane: a.store, Log: a.log, Fresh: a.cfg.GitHub.Webhook != ""})
	default:
		a.poster = publish.NewDryRun(e.stderr)
	}
}

func (a *app) close() {
	// A store that cannot be closed in time must not keep the process: what it claimed is
	// recovered at the next start.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := a.store.Close(ctx); err != nil {
		a.log.Error("close the store", "error", err)
	}
}

// repository finds the settings under which a stored run is examined.
func (a *app) repository(name string) (*config.Repository, error) {
	if filepath.IsAbs(name) && a.cfg.Repository(name) == nil {
		return pick(a.cfg, name)
	}
	if r := a.cfg.Repository(name); r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("repository %s is not configured any more", name)
}

// queueOf names the queue that serves a stage. Benchmarks have one of their own, which a
// machine works one at a time.
func queueOf(stage string) string {
	if stage == runner.StageBench {
		return "bench"
	}
	return "build"
}

// work claims one job and examines it. A job that is not there to be claimed (any more) is
// no error, and the result of one that was cancelled or handed out anew is dropped.
func (a *app) work(ctx context.Context, run int64, stage string, attempt int) error {
	claimed, doc, ok, err := a.store.Claim(ctx, run, stage, attempt)
	if err != nil || !ok {
		return err
	}
	log := a.log.With("run", run, "repo", doc.Repo, "sha", doc.Commit.SHA, "stage", stage)
	log.Info("stage started", "attempt", attempt)
	repo, err := a.repository(doc.Repo)
	if err == nil && probing(&doc) {
		repo, err = a.probed(ctx, repo, &doc)
	}
	watch := a.follow(context.WithoutCancel(ctx), repo, &doc, stage)
	if err == nil {
		err = a.have(ctx, repo, &doc)
	}
	var res runner.Result
	if err == nil {
		j := job{
			progress: func(ev runner.Event) { watch.event(context.WithoutCancel(ctx), ev) },
			run:      run, repo: repo, stage: stage, commit: doc.Commit, base: doc.Base, fresh: claimed.Fresh,
			trusted: doc.PullRequest == 0 || !claimed.Fork,
		}
		switch stage {
		case runner.StageProofs:
			j.against, err = a.againstProofs(ctx, repo, &doc)
		case runner.StageChecks:
			j.against, err = a.againstChecks(ctx, repo, &doc)
		case runner.StageBench:
			j.against = againstBench(repo, &doc)
			j.past = func() []baseline.Past { return a.past(context.WithoutCancel(ctx), repo, doc.Repo) }
		}
		if err == nil {
			res, err = a.examineLocked(ctx, j)
		}
	}
	if err != nil {
		res = unable(stage, err)
	}
	if errors.Is(context.Cause(ctx), store.ErrStopping) {
		return store.ErrStopping // the job goes back to the queue
	}
	if a.x.progress != nil {
		a.x.progress(runner.Event{Stage: stage, Text: fmt.Sprintf("%s: %s (%.1f s)", res.Verdict, res.Reason, res.Seconds), Done: true})
	}
	log.Info("stage ended", "verdict", res.Verdict, "reason", res.Reason, "seconds", res.Seconds)
	res.Machine = machine.Now(context.WithoutCancel(ctx), os.Environ(), a.machine)
	watch.close()
	_, err = a.store.Finish(context.WithoutCancel(ctx), claimed, res, a.ended(repo, &doc, &res)...)
	if errors.Is(err, store.ErrStale) {
		log.Info("result dropped", "why", err)
		return nil
	}
	return err
}

// examineLocked examines a job when it has the machine to itself: a proof build next door
// would be noise in a benchmark, so builds wait for benchmarks and benchmarks for builds.
func (a *app) examineLocked(ctx context.Context, j job) (runner.Result, error) {
	release, err := store.MachineLock(ctx, a.locks, fmt.Sprintf("%s of run %d of %s", j.stage, j.run, j.repo.Name), func(holder string) {
		if a.x.progress != nil {
			a.x.progress(runner.Event{Stage: j.stage, Text: "waiting for the machine, which is in use: " + holder})
		}
	})
	if err != nil {
		return runner.Result{}, err
	}
	defer release()
	return a.x.examine(ctx, j), nil
}

// lockDir is shared by all agents and commands of one user on a machine.
func lockDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("holdfast-%d", os.Getuid()))
}

// finish judges a run whose stages are done, stores its report with the messages to post,
// and returns what the report is rendered from. It may be called again after a crash.
func (a *app) finish(ctx context.Context, number int64, warnings ...string) (report.Input, error) {
	rec, err := a.store.Run(ctx, number)
	if err != nil {
		return report.Input{}, err
	}
	if rec.Reported {
		return a.stored(ctx, rec)
	}
	run := rec.Run
	run.Agent, run.Worker, run.Machine = agentName(), a.cfg.Agent.Name, measuredOn(&run, a.machine)
	for _, w := range warnings {
		if w != "" {
			run.Warnings = append(run.Warnings, w)
		}
	}
	repo, err := a.repository(run.Repo)
	if err != nil {
		// It was taken out of agent.toml in the middle of the run. What was said about the run
		// has to be concluded all the same.
		if repo, err = a.gone(ctx, &run); err != nil {
			return report.Input{}, err
		}
	}
	final := store.Final{Settings: benchSettings(repo.Bench)}
	if rec.Bisection != 0 {
		b, err := a.store.Bisection(ctx, rec.Bisection)
		if err != nil {
			return report.Input{}, err
		}
		if repo, err = asked(repo, b.Question); err != nil {
			return report.Input{}, err
		}
	}
	final.Apart = silent(&run)
	var j *baseline.Judgement
	var truth *report.Truth
	if res := run.Stage(runner.StageBench); res != nil && res.Bench != nil && res.Verdict != runner.Neutral {
		place := placeOf(&run, repo)
		history, note, err := a.history(ctx, place, repo)
		if err != nil {
			return report.Input{}, err
		}
		final.NewBaseline = note
		noise, err := a.noise(ctx, place)
		if err != nil {
			return report.Input{}, err
		}
		j, final.Serves = judge(res, history, noise, repo)
		if note != "" {
			res.Warnings = append(res.Warnings, "new baseline: "+note)
		}
		if final.Judgement, err = json.Marshal(j); err != nil {
			return report.Input{}, err
		}
		if repeating(&run) {
			if final.Truth, err = a.truths(ctx, &run, rec.Twin, j, place); err != nil {
				return report.Input{}, err
			}
		}
		if truth, err = a.ledger(ctx, place); err != nil {
			return report.Input{}, err
		}
	}
	if err := a.fromScratch(ctx, &run, repo); err != nil {
		return report.Input{}, err
	}
	builds, err := a.times(ctx, &run, repo, &final)
	if err != nil {
		return report.Input{}, err
	}
	if run.State == runner.StateRunning || run.State == runner.StateQueued {
		run.State = runner.StateDone
	}
	if final.Bisections, err = a.searches(ctx, &run, []*baseline.Judgement{j, builds}, repo); err != nil {
		return report.Input{}, err
	}
	run = conclude(run)
	in := report.Input{Run: run, Judgement: j, Builds: builds, Truth: truth}
	ends, err := a.explain(ctx, &in, repo)
	if err != nil {
		return report.Input{}, err
	}
	steps, err := a.steps(ctx, &run, repo, in.Shifts, ends)
	if err != nil {
		return report.Input{}, err
	}
	final.Bisections = append(final.Bisections, steps...)
	if err := a.previous(ctx, &in, repo); err != nil {
		return report.Input{}, err
	}
	final.Run, final.Messages = run, a.concluded(ctx, repo, in, rec.Messages, rec.Stages)
	for _, more := range []func(context.Context, *config.Repository, report.Input) ([]publish.Message, error){a.turned, a.regressions} {
		msgs, err := more(ctx, repo, in)
		if err != nil {
			return report.Input{}, err
		}
		final.Messages = append(final.Messages, msgs...)
	}
	if _, err := a.store.FinishRun(ctx, final); err != nil {
		return report.Input{}, err
	}
	a.log.Info("run ended", "run", number, "repo", run.Repo, "sha", run.Commit.SHA, "verdict", run.Verdict, "reason", run.Reason)
	return in, nil
}

// gone are settings for a repository that is not configured any more: none, but for its
// place on GitHub, as far as something was said there.
func (a *app) gone(ctx context.Context, run *runner.Run) (*config.Repository, error) {
	place, err := a.store.Place(ctx, run.Number)
	if err != nil {
		return nil, err
	}
	run.Warnings = append(run.Warnings, "the repository is not configured any more")
	return &config.Repository{
		Name: run.Repo, GitHub: place, Branches: []string{run.Branch}, PullRequests: config.PullRequestsNone,
		Report: config.ReportNone, Comment: config.CommentNever,
	}, nil
}

// measuredOn is the machine that a run's figures belong to: the one that ran the
// benchmarks, else the one that ran the last stage. In a fleet the report may be made
// elsewhere.
func measuredOn(run *runner.Run, here runner.Machine) runner.Machine {
	if res := run.Stage(runner.StageBench); res != nil && res.Machine.Class != "" {
		return res.Machine
	}
	for _, res := range slices.Backward(run.Stages) {
		if res.Machine.Class != "" {
			return res.Machine
		}
	}
	return here
}

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

// deliver drains the outbox until nothing is due.
func (a *app) deliver(ctx context.Context) error {
	if a.poster == nil {
		return nil
	}
	_, err := publish.Deliver(ctx, a.store, a.poster, time.Now, a.log)
	return err
}

// posts reports whether what is said goes to GitHub.
func (a *app) posts() bool {
	_, ok := a.poster.(*publish.GitHub)
	return ok
}
