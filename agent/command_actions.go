package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/event"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/git"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// maxSummary is what a step summary may have, in bytes: above 1,024 KiB the runner refuses
// all of it.
const maxSummary = 1024<<10 - 1024

// step is one step of a workflow of GitHub Actions.
type step struct {
	e *env
	selection
	only   string
	fresh  bool
	post   bool
	head   bool // the configuration of a pull request is its own
	folder string

	out outputs
	in  report.Input
}

func cmdActions(ctx context.Context, e *env, args []string) error {
	s := &step{e: e}
	fs := flags(e, "actions", "[flags]")
	s.register(fs, theOnly)
	fs.StringVar(&s.only, "only", "", "comma-separated `STAGES`: proofs, checks, bench (default: all that are enabled)")
	fs.BoolVar(&s.fresh, "fresh", false, "prove from nothing, and compare with what the cache of earlier builds gives")
	fs.BoolVar(&s.post, "post", false, "post statuses and reports on GitHub, too")
	fs.BoolVar(&s.head, "config-of-head", false, "let a pull request bring its own configuration (default: that of its base)")
	fs.StringVar(&s.folder, "out", "", "`FOLDER` for the reports (default: holdfast in RUNNER_TEMP)")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if s.folder == "" {
		s.folder = filepath.Join(orTemp(s.env("RUNNER_TEMP")), "holdfast")
	}
	resume := s.mute()
	err := s.run(ctx)
	resume()
	return s.tell(err)
}

func orTemp(dir string) string {
	if dir == "" {
		return os.TempDir()
	}
	return dir
}

func (s *step) env(name string) string { return proc.Getenv(s.e.environ, name) }

// mute keeps the runner from taking what is printed for commands of its own until the
// returned function is called: reports quote what strangers wrote.
func (s *step) mute() (resume func()) {
	token := rand.Text()
	fmt.Fprintf(s.e.stdout, "::stop-commands::%s\n", token)
	return func() { fmt.Fprintf(s.e.stdout, "::%s::\n", token) }
}

// tell says what came of the step where a workflow looks: annotations, summary, outputs.
func (s *step) tell(err error) error {
	run := &s.in.Run
	var verdict *verdictError
	if err != nil && !errors.As(err, &verdict) {
		run.Verdict, run.Reason, run.Stages = runner.Error, err.Error(), nil
		if hint := hintOf(err); hint != "" {
			run.Reason += " (" + strings.ReplaceAll(hint, "\n", "; ") + ")"
		}
	}
	body := report.Comment
	if len(run.Stages) == 0 && run.Verdict == runner.Neutral {
		body = func(in report.Input, limit int) string { return report.PullRequest(in, report.View{}, limit) }
	} else {
		fmt.Fprint(s.e.stdout, report.Annotations(s.in))
	}
	outs := []string{
		"verdict", string(run.Verdict), "reason", report.Line(run.Reason), "run", strconv.FormatInt(run.Number, 10),
		"commit", run.Commit.SHA, "base", run.Base.SHA, "folder", s.folder,
	}
	return errors.Join(err, s.summary(body), s.outputs(outs))
}

// summary appends the report to the summary of the step, as much of it as there is room for.
func (s *step) summary(body func(report.Input, int) string) error {
	name := s.env("GITHUB_STEP_SUMMARY")
	if name == "" {
		return nil
	}
	room := int64(maxSummary)
	if fi, err := os.Stat(name); err == nil {
		room -= fi.Size()
	}
	if room < 4096 {
		fmt.Fprintln(s.e.stderr, "warning: the summary of this step is full: the report is in", report.Line(s.folder))
		return nil
	}
	return appendTo(name, body(s.in, int(room))+"\n")
}

// outputs sets outputs of the step, names and values by turns. The end of a value is a word
// that nobody can guess.
func (s *step) outputs(pairs []string) error {
	name := s.env("GITHUB_OUTPUT")
	if name == "" {
		return nil
	}
	end := "holdfast_" + rand.Text()
	var b strings.Builder
	for p := range slices.Chunk(pairs, 2) {
		fmt.Fprintf(&b, "%s<<%s\n%s\n%s\n", p[0], end, p[1], end)
	}
	return appendTo(name, b.String())
}

func appendTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write for the workflow: %w", err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// event reads what the workflow was started by.
func (s *step) event() (event.Event, error) {
	name, file := s.env("GITHUB_EVENT_NAME"), s.env("GITHUB_EVENT_PATH")
	if name == "" || file == "" {
		return event.Event{}, &usageError{"not in a workflow: GITHUB_EVENT_NAME or GITHUB_EVENT_PATH is not set", "holdfast run examines a commit anywhere"}
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return event.Event{}, fmt.Errorf("payload of the event: %w", err)
	}
	return event.Parse(event.Env{Name: name, SHA: s.env("GITHUB_SHA"), Ref: s.env("GITHUB_REF")}, body)
}

// run examines what the event is about. The report is in s.in.
func (s *step) run(ctx context.Context) error {
	ev, err := s.event()
	if err != nil {
		return err
	}
	s.in.Run = runner.Run{
		Repo: s.repo, Commit: runner.Commit{SHA: ev.Commit}, Branch: ev.Branch, PullRequest: ev.PullRequest, Trigger: ev.Name, State: runner.StateDone,
	}
	if ev.Neutral != "" {
		return s.neutral(ev.Neutral)
	}
	want, err := stageNames(s.only)
	if err != nil {
		return err
	}
	cfg, repo, err := s.load(s.e)
	if err != nil {
		return err
	}
	x := &examiner{cfg: cfg, environ: s.e.environ}
	n, warnings, err := s.plan(ctx, x.mirror(repo), repo, ev)
	if err != nil {
		return err
	}
	if cfg, repo, warnings, err = s.settings(ctx, x.mirror(repo), cfg, repo, n, warnings); err != nil {
		return err
	}
	p := newProgress(s.e.stderr)
	defer p.close()
	post := s.post || cfg.GitHub.Post
	a, err := open(ctx, s.e, cfg, options{post: post, progress: p.event})
	if err != nil {
		return err
	}
	defer a.close()
	if !post {
		a.poster = nil // the workflow shows the report
	}
	if c, err := s.policy(ctx, a, repo, ev, n.Base); err != nil || c.mark != "" {
		if err != nil {
			return err
		}
		return s.neutral(c.reason)
	}
	if n.Stages = enabled(repo, want); len(n.Stages) == 0 {
		return &usageError{fmt.Sprintf("no stage is enabled for %s", repo.Name), "set enabled = true in [proofs], [checks] or [bench], or change --only"}
	}
	if _, err := a.store.Recover(ctx); err != nil {
		return err
	}
	n.Repo, n.Fresh = repo.Name, s.fresh
	s.in, err = a.direct(ctx, n, repo, strings.Join(warnings, "; "), p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.folder, 0o755); err != nil {
		return fmt.Errorf("folder for the reports: %w", err)
	}
	in := func(name string) string { return filepath.Join(s.folder, name) }
	s.out = outputs{json: in("report.json"), markdown: in("report.md"), sarif: in("report.sarif"), junit: in("report.xml")}
	if err := s.out.write(s.e, s.in); err != nil {
		return err
	}
	if err := a.deliver(context.WithoutCancel(ctx)); err != nil {
		p.line("post", "warning: %v", err) // the verdict stands without
	}
	return asError(s.in.Run.Verdict)
}

// neutral ends a step that examines nothing, for a reason.
func (s *step) neutral(reason string) error {
	s.in.Run.Verdict, s.in.Run.Reason, s.in.Run.Finished = runner.Neutral, reason, time.Now().UTC()
	fmt.Fprintf(s.e.stdout, "neutral  %s\n", report.Line(reason))
	return nil
}

// deep says what to do about history that is not there.
const deep = "give actions/checkout fetch-depth: 0, so that the commits and their history are there"

// plan finds the commits of an event.
func (s *step) plan(ctx context.Context, m *git.Mirror, repo *config.Repository, ev event.Event) (n store.NewRun, warnings []string, err error) {
	n = store.NewRun{Branch: ev.Branch, PullRequest: ev.PullRequest, Fork: ev.Fork, Direct: true}
	switch ev.Name {
	case "push":
		n.Trigger = store.TriggerPush
	case "pull_request", "pull_request_target":
		n.Trigger = store.TriggerPullRequest
	case "schedule":
		n.Trigger = "schedule workflow"
	default:
		n.Trigger = store.TriggerCommand // with a base it is measured by that one
	}
	if n.Commit, err = m.Resolve(ctx, ev.Commit); err != nil {
		return n, nil, runner.WithHint(err, deep)
	}
	s.in.Run.Commit = n.Commit
	if ev.Base == "" {
		return n, nil, nil
	}
	base, err := m.Resolve(ctx, ev.Base)
	if err == nil {
		n.Base, err = m.MergeBase(ctx, base.SHA, n.Commit.SHA)
	}
	switch {
	case err == nil:
		s.in.Run.Base = n.Base
	case ev.Named:
		return n, nil, runner.WithHint(fmt.Errorf("base of the comparison: %w", err), deep)
	default:
		warnings = append(warnings, fmt.Sprintf("compared with nothing: the head before this push is not to be had (%v)", err))
	}
	return n, warnings, nil
}

// settings replaces the configuration of a pull request by that of its base: a change does
// not choose what it is judged by.
func (s *step) settings(ctx context.Context, m *git.Mirror, cfg *config.Config, repo *config.Repository, n store.NewRun, warnings []string) (*config.Config, *config.Repository, []string, error) {
	keep := func(why string) (*config.Config, *config.Repository, []string, error) {
		if why != "" {
			warnings = append(warnings, "judged by its own configuration: "+why)
		}
		return cfg, repo, warnings, nil
	}
	if s.head || n.Base.SHA == "" || n.Trigger != store.TriggerPullRequest && n.Trigger != store.TriggerCommand {
		return keep("")
	}
	abs, err := filepath.Abs(cfg.File)
	if err != nil {
		return nil, nil, nil, err
	}
	top := treeTop(filepath.Dir(abs))
	name, err := filepath.Rel(top, abs)
	if top == "" || err != nil {
		return keep("") // it is not part of the repository
	}
	name = filepath.ToSlash(name)
	const most = 1 << 20
	files, err := m.Files(ctx, n.Base.SHA, func(p string) bool { return p == name }, most)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("configuration of the base: %w", err)
	}
	text, ok := files[name]
	if !ok {
		return keep(fmt.Sprintf("its base has no %s", name))
	}
	base, err := config.Text(cfg.File, text, s.e.environ)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("configuration of the base %s: %w", n.Base.Short(), err)
	}
	r := base.Repository(repo.Name)
	if r == nil {
		return keep(fmt.Sprintf("that of its base has no repository %s", repo.Name))
	}
	base.Agent.State = cfg.Agent.State // where the mirror is
	return base, r, warnings, nil
}

// policy decides whether a pull request is examined. Whether a fork's workflow runs at all
// was decided on GitHub.
func (s *step) policy(ctx context.Context, a *app, repo *config.Repository, ev event.Event, base runner.Commit) (choice, error) {
	if ev.PullRequest == 0 {
		return choice{}, nil
	}
	h := intake.Head{
		PullRequest: ev.PullRequest, SHA: ev.Commit, Draft: ev.Draft, Labels: ev.Labels,
		Fork: ev.Fork && (repo.PullRequests == config.PullRequestsSameRepository || repo.PullRequests == config.PullRequestsNone),
	}
	c, err := a.choose(ctx, repo, h)
	if err != nil || c.mark != "" {
		return c, err
	}
	return a.touches(ctx, repo, h, base)
}
