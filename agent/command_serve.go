package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/schedule"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

func cmdServe(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "serve", "[flags]")
	file := fs.String("config", "", "configuration `FILE` (default agent.toml)")
	post := fs.Bool("post", false, "post statuses and reports on GitHub (default: github.post)")
	level := fs.String("log", "info", "least `LEVEL` that is logged: debug, info, warn, error")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	var least slog.Level
	if err := least.UnmarshalText([]byte(*level)); err != nil {
		return &usageError{fmt.Sprintf("no log level %q", *level), "debug, info, warn or error"}
	}
	cfg, err := loadConfig(e, *file, false)
	if err != nil {
		return err
	}
	release, err := store.Lock(cfg.Agent.State)
	if err != nil {
		return err
	}
	defer release()
	log := logger(e.stderr, least)
	a, err := open(ctx, e, cfg, options{post: *post || cfg.GitHub.Post, log: log})
	if err != nil {
		return err
	}
	defer a.close()
	return a.serve(ctx, e)
}

// logger writes for people on a terminal and JSON everywhere else.
func logger(w io.Writer, least slog.Level) *slog.Logger {
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: least, TimeFormat: time.TimeOnly}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: least}))
}

// serve runs until ctx ends: schedules, polling and the workers of the queue.
func (a *app) serve(ctx context.Context, e *env) error {
	a.log.Info("agent started", "agent", agentName(), "name", a.cfg.Agent.Name, "state", a.cfg.Agent.State,
		"repositories", len(a.cfg.Repositories), "schedules", len(a.cfg.Schedules), "machine", a.machine.Class, "post", a.posts())
	for _, w := range a.machine.Warnings {
		a.log.Warn("machine", "warning", w)
	}
	for i := range a.cfg.Repositories {
		for _, w := range elsewhere(&a.cfg.Repositories[i], a.machine.Class, a.cfg.Agent.Name) {
			a.log.Info("left to other machines", "repo", a.cfg.Repositories[i].Name, "stage", w.stage, "machine", w.want)
		}
	}
	n, err := a.store.Recover(ctx)
	if err != nil {
		return err
	}
	if n > 0 {
		a.log.Info("took up work that an earlier process left", "jobs", n)
	}
	var wg sync.WaitGroup
	inner, stop := context.WithCancel(ctx)
	wg.Go(func() { a.schedules(inner) })
	wg.Go(func() { a.idle(inner) })
	p := newPollers(a.cfg)
	unlisten, err := a.listen(inner, e, p)
	if err != nil {
		stop()
		wg.Wait()
		return err
	}
	for i := range a.cfg.Repositories {
		wg.Go(func() { a.poll(inner, p, &a.cfg.Repositories[i]) })
	}
	err = a.store.Work(ctx, a.handlers(), a.queues())
	stop()
	unlisten()
	wg.Wait()
	a.lastWords(ctx)
	if err != nil && ctx.Err() == nil {
		return err
	}
	a.log.Info("agent stopped")
	return nil
}

// lastWords posts, for a moment, what is ready to be posted when the agent stops: what a
// run came to should not have to wait for the next start.
func (a *app) lastWords(ctx context.Context) {
	if !a.posts() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 8*time.Second)
	defer cancel()
	if err := a.deliver(ctx); err != nil && ctx.Err() == nil {
		a.log.Warn("posting before the end", "error", err)
	}
}

// handlers do what the queue hands out.
func (a *app) handlers() store.Handlers {
	h := store.Handlers{
		Job:    a.work,
		Bisect: a.bisectHandler,
		Waits:  a.waits,
		Report: func(ctx context.Context, run int64) error {
			_, err := a.finish(ctx, run)
			return err
		},
	}
	if a.poster != nil {
		h.Post = a.deliver
	}
	return h
}

// schedules enqueues runs when their ticks are due.
func (a *app) schedules(ctx context.Context) {
	loop := schedule.Loop{Log: a.log, Since: a.since, Fire: a.fire}
	for _, s := range a.cfg.Schedules {
		loop.Entries = append(loop.Entries, schedule.Entry{Name: s.Name, Spec: s.Spec})
	}
	if s := a.cfg.Truth.Spec; s != nil {
		loop.Entries = append(loop.Entries, schedule.Entry{Name: truthEntry, Spec: *s})
	}
	if len(loop.Entries) > 0 {
		_ = loop.Run(ctx) // the cause of ctx, which serve knows
	}
}

// tickRef is where the newest tick of a schedule is recorded, among the marks of heads.
func tickRef(name string) string { return "schedule " + name }

// since implements [schedule.Loop.Since].
func (a *app) since(ctx context.Context, name string, now time.Time) (time.Time, error) {
	mark, err := a.store.HeadMark(ctx, "", tickRef(name))
	if err != nil {
		return time.Time{}, err
	}
	if ms, perr := strconv.ParseInt(mark, 10, 64); perr == nil {
		return time.UnixMilli(ms), nil
	}
	return now, a.store.SetHead(ctx, "", tickRef(name), strconv.FormatInt(now.UnixMilli(), 10))
}

// fire implements [schedule.Loop.Fire]: a run for each repository of the schedule. The
// store lets each (schedule, repository, tick) through once.
func (a *app) fire(ctx context.Context, name string, due time.Time) error {
	if name == truthEntry {
		if err := a.fireTruth(ctx, due); err != nil {
			return err
		}
		return a.store.SetHead(ctx, "", tickRef(name), strconv.FormatInt(due.UnixMilli(), 10))
	}
	var s *config.Schedule
	for i := range a.cfg.Schedules {
		if a.cfg.Schedules[i].Name == name {
			s = &a.cfg.Schedules[i]
		}
	}
	var errs []error
	for i := range a.cfg.Repositories {
		repo := &a.cfg.Repositories[i]
		if !covers(s, repo.Name) {
			continue
		}
		if err := a.enqueueTick(ctx, s, repo, due); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", repo.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err // offered again: what was created stays claimed
	}
	return a.store.SetHead(ctx, "", tickRef(name), strconv.FormatInt(due.UnixMilli(), 10))
}

func covers(s *config.Schedule, repo string) bool {
	if len(s.Repositories) == 0 {
		return true
	}
	for _, r := range s.Repositories {
		if r == repo {
			return true
		}
	}
	return false
}

func (a *app) enqueueTick(ctx context.Context, s *config.Schedule, repo *config.Repository, due time.Time) error {
	want := s.Stages
	if len(want) == 0 {
		want = runner.Stages
	}
	stages := enabled(repo, want)
	if len(stages) == 0 {
		a.log.Warn("a schedule asks a repository for no stage that it has", "schedule", s.Name, "repo", repo.Name)
		return nil
	}
	branch := s.Branch
	if branch == "" {
		branch = repo.DefaultBranch()
	}
	commit, err := a.x.mirror(repo).Resolve(ctx, "refs/heads/"+branch)
	if err != nil {
		return err
	}
	n := store.NewRun{
		Repo: repo.Name, Branch: branch, Commit: commit, Trigger: "schedule " + s.Name, Stages: stages, Schedule: s.Name, Due: due,
		Fresh: s.Fresh,
	}
	return a.enqueue(ctx, repo, n)
}

// enqueue creates a run for the workers and says so.
func (a *app) enqueue(ctx context.Context, repo *config.Repository, n store.NewRun) error {
	n.Messages = a.pending(repo, n)
	run, created, err := a.store.CreateRun(ctx, n)
	if err != nil {
		return err
	}
	if created {
		a.log.Info("run enqueued", "run", run, "repo", n.Repo, "sha", n.Commit.SHA, "trigger", n.Trigger)
	}
	return nil
}

func (a *app) enqueueHead(ctx context.Context, repo *config.Repository, h intake.Head) error {
	n := store.NewRun{
		Repo: repo.Name, Branch: h.Branch, PullRequest: h.PullRequest, Trigger: store.TriggerPush,
		Stages: enabled(repo, runner.Stages), HeadRef: h.Ref(), HeadMark: h.Mark(),
	}
	if len(n.Stages) == 0 {
		return a.store.SetHead(ctx, repo.Name, h.Ref(), h.Mark())
	}
	if h.PullRequest != 0 {
		c, err := a.choose(ctx, repo, h)
		if err != nil {
			return err
		}
		if c.mark != "" {
			return a.setAside(ctx, repo, h, c)
		}
		n.Trigger, n.Fork = store.TriggerPullRequest, h.Fork
	}
	done, err := a.announce(ctx, repo, h, n.Stages)
	if err != nil {
		return err
	}
	return done(a.enqueueFetched(ctx, repo, h, n))
}

// enqueueFetched fetches a head that is to be examined and creates its run.
func (a *app) enqueueFetched(ctx context.Context, repo *config.Repository, h intake.Head, n store.NewRun) error {
	m := a.x.mirror(repo)
	base := h.Before
	if h.PullRequest != 0 {
		base = h.BaseSHA
		if err := m.Fetch(ctx, fmt.Sprintf("refs/pull/%d/head", h.PullRequest)); err != nil {
			return err
		}
	}
	var err error
	if n.Commit, err = m.Resolve(ctx, h.SHA); err != nil {
		return err
	}
	if base != "" {
		b, err := m.MergeBase(ctx, base, h.SHA)
		if err != nil {
			// The old head of a force-pushed branch may be gone: then there is nothing to
			// compare with, and the run says so by having no base.
			a.log.Info("no base to compare with", "repo", repo.Name, "sha", h.SHA, "base", base, "error", err)
		}
		n.Base = b
	}
	if h.PullRequest != 0 {
		if c, err := a.touches(ctx, repo, h, n.Base); err != nil || c.mark != "" {
			if err != nil {
				return err
			}
			return a.setAside(ctx, repo, h, c)
		}
	}
	return a.enqueue(ctx, repo, n)
}
