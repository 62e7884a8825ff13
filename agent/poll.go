package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

const (
	// maxLooks is how many repositories are looked at at a time; GitHub asks clients to go
	// one request after another.
	maxLooks = 4
	// rerunFor is how long after its run a head is asked about for a re-run; maxRerun bounds
	// for how many heads of a repository at a time.
	rerunFor = 14 * 24 * time.Hour
	maxRerun = 20
)

// pollers are the loops that look at the repositories, and what wakes them.
type pollers struct {
	wake  map[string]chan struct{} // by name in agent.toml
	slots chan struct{}
}

func newPollers(cfg *config.Config) *pollers {
	p := &pollers{wake: map[string]chan struct{}{}, slots: make(chan struct{}, maxLooks)}
	for _, r := range cfg.Repositories {
		p.wake[r.Name] = make(chan struct{}, 1)
	}
	return p
}

// poll looks at one repository until ctx ends. One that cannot be read costs the others
// nothing.
func (a *app) poll(ctx context.Context, p *pollers, repo *config.Repository) {
	var asked time.Duration
	r := intake.Repository{
		Name: repo.Name, GitHub: repo.GitHub, Branches: repo.Branches, PullRequests: repo.PullRequests,
		Asked: func(d time.Duration) { asked = max(asked, d) },
	}
	if repo.GitHub == "" {
		r.LsRemote = a.x.mirror(repo).Remote.List
	}
	twice := map[string]string{}
	intake.Loop{
		Name: repo.Name, Every: a.cfg.GitHub.Poll, Wake: p.wake[repo.Name], Log: a.log.With("repo", repo.Name),
		Look: func(ctx context.Context) (intake.Seen, error) {
			select {
			case p.slots <- struct{}{}:
				defer func() { <-p.slots }()
			case <-ctx.Done():
				return intake.Seen{}, context.Cause(ctx)
			}
			asked = 0
			seen, err := a.look(ctx, repo, r, twice)
			seen.Asked = asked
			return seen, err
		},
	}.Run(ctx)
}

// look enqueues what is new in a repository.
func (a *app) look(ctx context.Context, repo *config.Repository, r intake.Repository, twice map[string]string) (intake.Seen, error) {
	changed := false
	heads, err := intake.Poll(ctx, a.hub, r, a.store, a.store)
	errs := []error{err}
	var same []intake.Head
	for _, h := range heads {
		settled, err := a.settled(ctx, repo, h)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !h.Changed || settled {
			same = append(same, h)
			continue
		}
		err = a.enqueueHead(ctx, repo, h)
		changed = changed || err == nil // what cannot be fetched is no reason to look more often
		if err != nil && ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("enqueue %s at %.10s: %w", h.Ref(), h.SHA, err))
		}
	}
	if errs[0] == nil {
		errs = append(errs, a.closed(ctx, repo, heads), a.forgotten(ctx, repo, heads))
	}
	n, err := a.commands(ctx, repo, r, heads)
	changed = changed || n > 0 // an ok lets something run at the next look
	errs = append(errs, err)
	if repo.GitHub != "" && a.checks(ctx) {
		again, err := a.rerequested(ctx, repo, same, twice)
		changed = changed || again
		errs = append(errs, err)
	}
	return intake.Seen{Changed: changed, Partly: len(heads) > 0}, errors.Join(errs...)
}

// rerequested runs heads again for which somebody pressed "Re-run" on GitHub. A request
// counts once it was seen by two looks: what GitHub tells right after our own check runs
// were concluded may be a moment old. twice remembers, by SHA, what the last look saw.
func (a *app) rerequested(ctx context.Context, repo *config.Repository, heads []intake.Head, twice map[string]string) (bool, error) {
	self, err := a.hub.Login(ctx)
	if err != nil {
		return false, err
	}
	found := false
	seen := map[string]string{}
	var errs []error
	for _, h := range heads[max(0, len(heads)-maxRerun):] {
		rec, ok, err := a.store.Settled(ctx, repo.Name, h.SHA, time.Now().Add(-rerunFor))
		if err != nil || !ok {
			errs = append(errs, err)
			continue
		}
		mark, err := intake.Rerequested(ctx, a.hub, repo.GitHub, h.SHA, self, a.store)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if mark == "" {
			continue
		}
		if before, err := a.store.HeadMark(ctx, repo.Name, rerunRef(h.SHA)); err != nil || before == mark {
			errs = append(errs, err)
			continue
		}
		seen[h.SHA] = mark
		if twice[h.SHA] == mark {
			found = true
			errs = append(errs, a.rerun(ctx, repo, rec, false, mark))
		}
	}
	clear(twice)
	for sha, mark := range seen {
		twice[sha] = mark
	}
	return found, errors.Join(errs...)
}

// rerunRef is where the last request to run a commit again is recorded, among the marks of
// heads.
func rerunRef(sha string) string { return "rerun " + sha }

// rerun examines the commit of a run again.
func (a *app) rerun(ctx context.Context, repo *config.Repository, rec store.Record, fresh bool, mark string) error {
	n := store.NewRun{
		Repo: repo.Name, Branch: rec.Run.Branch, PullRequest: rec.Run.PullRequest, Commit: rec.Run.Commit, Base: rec.Run.Base,
		Trigger: store.TriggerRerun, Stages: enabled(repo, runner.Stages), HeadRef: rerunRef(rec.Run.Commit.SHA), HeadMark: mark, Fresh: fresh,
		Fork: rec.Fork,
	}
	if len(n.Stages) == 0 {
		return nil
	}
	return a.enqueue(ctx, repo, n)
}

// listen receives webhooks until ctx ends.
func (a *app) listen(ctx context.Context, e *env, p *pollers) (wait func(), err error) {
	g := a.cfg.GitHub
	if g.Webhook == "" {
		return func() {}, nil
	}
	secret, err := g.WebhookSecret.Resolve(ctx, e.environ)
	if err != nil {
		return nil, fmt.Errorf("github.webhook_secret: %w", err)
	}
	if len(secret) < 16 {
		return nil, runner.WithHint(errors.New("github.webhook_secret is shorter than 16 characters"), "make one with: openssl rand -hex 32")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", g.Webhook)
	if err != nil {
		return nil, fmt.Errorf("github.webhook: %w", err)
	}
	srv := intake.NewHook(intake.Hook{
		Secret: []byte(secret), Once: a.store.Once, Forget: a.store.Forget, Log: a.log,
		Handle: func(ctx context.Context, ev intake.Event) error { return a.hooked(ctx, p, ev) },
	}).Server()
	a.log.Info("webhooks are received", "address", l.Addr().String())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // ends with Shutdown
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
		<-done
	}, nil
}

// hooked does what a webhook asks for: it wakes the loop of its repository, which finds
// out what there is to do. Only a pressed button is not to be found there.
func (a *app) hooked(ctx context.Context, p *pollers, ev intake.Event) error {
	for i := range a.cfg.Repositories {
		repo := &a.cfg.Repositories[i]
		if repo.GitHub == "" || !strings.EqualFold(repo.GitHub, ev.Repo) {
			continue
		}
		if err := a.pressed(ctx, repo, ev); err != nil {
			return err
		}
		select {
		case p.wake[repo.Name] <- struct{}{}:
		default: // it is about to look
		}
	}
	return nil
}

// pressed handles the buttons of a check run. GitHub shows them to people who may write to
// the repository, and only those.
func (a *app) pressed(ctx context.Context, repo *config.Repository, ev intake.Event) error {
	again := (ev.Kind == "check_run" || ev.Kind == "check_suite") && ev.Action == "rerequested"
	button := ev.Kind == "check_run" && ev.Action == "requested_action"
	if ev.SHA == "" || !again && !button {
		return nil
	}
	rec, ok, err := a.store.Settled(ctx, repo.Name, ev.SHA, time.Now().Add(-rerunFor))
	if err != nil || !ok {
		return err // it is being examined, or was never
	}
	return a.rerun(ctx, repo, rec, ev.Identifier == publish.FreshButton, "webhook "+ev.Delivery)
}
