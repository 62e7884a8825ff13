package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"

	"github.com/holdfast-ci/holdfast/agent/store"
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
			log := a.log.With("repo", a.cfg.Repositories[i].Name, "stage", w.stage, "machine", w.want)
			if a.cfg.Engine.Postgres.IsZero() {
				log.Warn("this machine is not the one that is asked for, and no other shares its database")
			} else {
				log.Info("left to other machines")
			}
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
