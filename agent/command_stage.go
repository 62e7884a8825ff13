package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/checks"
	"github.com/holdfast-ci/holdfast/metal"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/git"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

// stageCommand makes the verb that runs the proofs or the checks on a working tree, as it
// is on disk, without a store: for a pre-commit hook.
func stageCommand(stage string) func(context.Context, *env, []string) error {
	return func(ctx context.Context, e *env, args []string) error {
		fs := flags(e, stage, "[flags] [DIR]")
		var s selection
		s.registerTree(fs)
		var out outputs
		fs.StringVar(&out.json, "json", "", "write the report as JSON to `FILE` (- for standard output)")
		quiet := fs.Bool("quiet", false, "print no progress")
		base, changed := "", ""
		fs.StringVar(&base, "base", "", "compare with the merge base with this `REV`, which is examined first")
		if stage == runner.StageChecks {
			fs.StringVar(&changed, "changed", "", "for hooks: rules that judge every file by itself see only files that differ from the merge base with this `REV`")
		}
		out.exchange(fs)
		if err := parse(fs, args, 1); err != nil {
			return err
		}
		if err := out.check(); err != nil {
			return err
		}
		if base != "" && changed != "" {
			return &usageError{"--base and --changed contradict each other", "--base compares everything, --changed looks at little and compares nothing"}
		}
		cfg, repo, dir, err := s.tree(e, fs.Arg(0))
		if err != nil {
			return err
		}
		return runStage(ctx, e, stageRun{cfg: cfg, repo: repo, stage: stage, dir: dir, base: base, changed: changed, out: out, quiet: *quiet})
	}
}

type stageRun struct {
	cfg     *config.Config
	repo    *config.Repository
	stage   string
	dir     string
	base    string // revision to compare with; "" for none
	changed string // revision since which what changed is looked at; "" for all
	out     outputs
	quiet   bool

	// Of the bench stage.
	explain bool                   // tell how each figure came about
	sink    func(runner.Event)     // takes the progress; nil for lines on standard error
	watch   func(harness.Progress) // sees the values of the harness; may be nil
}

func runStage(ctx context.Context, e *env, r stageRun) error {
	res, against, tmp, err := r.execute(ctx, e)
	if err != nil {
		return err
	}
	run := runner.Run{
		Repo: r.repo.Name, Base: against, Trigger: "command", State: runner.StateDone, Agent: agentName(), Worker: r.cfg.Agent.Name,
		Machine: machine.Read(ctx, e.environ),
	}
	run.Started, run.Stages = res.Started, []runner.Result{res}
	in := report.Input{Run: run}
	if r.stage == runner.StageBench {
		in.Judgement, _ = judge(&run.Stages[0], nil, nil, r.repo)
	}
	in.Builds, _ = judgeBuilds(run.Stage(runner.StageProofs), nil, r.repo)
	in.Run = conclude(run)
	if in.Run.Verdict == runner.Success {
		in.Run.Stages[0].Logs = nil // they go with the temporary folder below
	}
	if err := r.out.write(e, in); err != nil {
		return err
	}
	if r.stage == runner.StageBench && r.out.json != "-" {
		if err := benchTables(e.stdout, in, r.explain); err != nil {
			return err
		}
	}
	if in.Run.Verdict == runner.Success {
		os.RemoveAll(tmp)
	}
	return asError(in.Run.Verdict)
}

// execute runs the stage on the working tree, and before that on the commit that it is
// compared with, if any. Its logs stay in the folder tmp, which the caller removes.
func (r stageRun) execute(ctx context.Context, e *env) (res runner.Result, against runner.Commit, tmp string, err error) {
	x := &examiner{cfg: r.cfg, environ: e.environ}
	switch {
	case r.sink != nil:
		x.progress = r.sink
	case !r.quiet:
		p := newProgress(e.stderr)
		defer p.close()
		x.progress = p.event
	}
	st, limit, err := x.stage(r.repo, r.stage, nil)
	if err != nil {
		return res, against, "", err
	}
	if st == nil {
		return res, against, "", &usageError{fmt.Sprintf("the %s stage is not enabled for %s", r.stage, r.repo.Name), fmt.Sprintf("set %s.enabled = true in agent.toml", r.stage)}
	}
	if bench, ok := st.(*metal.Stage); ok && r.watch != nil {
		bench.Watch(r.watch)
	}
	if tmp, err = os.MkdirTemp("", "holdfast-"+r.stage+"-"); err != nil {
		return res, against, "", err
	}
	// Worktree builds stay in the tree itself, where its owner's own builds are.
	ws := &runner.Workspace{
		Dir: r.dir, Scratch: filepath.Join(tmp, "scratch"), Logs: filepath.Join(tmp, "logs"),
		Trusted: true, Progress: x.progress,
	}
	if err := prepare(ws, e.environ); err != nil {
		return res, against, tmp, err
	}
	if r.changed != "" {
		var files []string
		if files, against, err = git.Changed(ctx, e.environ, r.dir, r.changed); err != nil {
			os.RemoveAll(tmp)
			return res, against, "", err
		}
		ws.Base = against
		cfg := checksConfig(r.repo.Checks)
		cfg.Only, cfg.Changed = true, files
		st = checks.New(cfg)
	}
	if r.base == "" {
		res = runner.Execute(ctx, st, ws, limit)
		os.RemoveAll(ws.Scratch)
		return res, against, tmp, nil
	}
	// What is not committed yet is judged by its own rules, and so is its base then.
	var rules map[string][]byte
	if r.stage == runner.StageChecks {
		if rules, err = checks.RuleFilesOf(ctx, r.dir, r.repo.Checks.Rules); err != nil {
			os.RemoveAll(tmp)
			return res, against, "", err
		}
	}
	base, against, warning, limit, err := x.localBase(ctx, st, r.dir, r.base, tmp, limit, rules)
	if err != nil {
		os.RemoveAll(tmp)
		return res, against, "", err
	}
	ws.Base, ws.Earlier, ws.EarlierCommit = against, &base, against
	res = withBase(runner.Execute(ctx, st, ws, limit), base)
	if warning != "" {
		res.Warnings = append(res.Warnings, warning)
	}
	os.RemoveAll(ws.Scratch)
	return res, against, tmp, nil
}

// realDir is an existing folder as an absolute path without links, as tools report it.
func realDir(dir string) (string, error) {
	if dir == "" {
		dir = "."
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	abs, err = filepath.EvalSymlinks(abs)
	if err != nil {
		return "", &usageError{fmt.Sprintf("no folder %s", dir), ""}
	}
	if fi, err := os.Stat(abs); err != nil || !fi.IsDir() {
		return "", &usageError{fmt.Sprintf("%s is not a folder", dir), ""}
	}
	return abs, nil
}
