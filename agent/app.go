package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

// app is what commands share that use the store: it, the examiner and the way out.
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

// lockDir is shared by all agents and commands of one user on a machine.
func lockDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("holdfast-%d", os.Getuid()))
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
