package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/schedule"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

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
