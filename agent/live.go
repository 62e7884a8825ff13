package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

const (
	// liveEvery is how often a check run tells of progress: each time costs one of the 500
	// changes of an hour.
	liveEvery = time.Minute
	// liveFirst is sooner: until then nobody knows whether it waits for the machine.
	liveFirst = 10 * time.Second
	// liveLines is how many of the newest lines it shows.
	liveLines = 12
)

// checks reports whether what is said of commits may become check runs, which have room
// for more than a commit status.
func (a *app) checks(ctx context.Context) bool {
	if !a.posts() {
		return false
	}
	kind := a.hub.Kind(ctx)
	return kind == hub.AppKey || kind == hub.Installation
}

// live keeps the check run of a stage at work up to date.
type live struct {
	put   func(context.Context, []string)
	start time.Time

	mu    sync.Mutex
	lines []string
	last  time.Time
	busy  sync.WaitGroup
}

// follow says that a stage is at work and returns a sink for its progress; it is nil where
// nobody would see it.
func (a *app) follow(ctx context.Context, repo *config.Repository, run *runner.Run, stage string) *live {
	if repo == nil || repo.GitHub == "" || silent(run) || !a.checks(ctx) {
		return nil
	}
	now := *run
	l := &live{start: time.Now(), last: time.Now().Add(liveFirst - liveEvery)}
	l.put = func(ctx context.Context, lines []string) {
		var msgs []publish.Message
		for _, s := range []string{stage, ""} {
			shown := lines
			if s == "" {
				shown = nil
			}
			if m, ok := publish.Running(target(repo), &now, s, l.start, shown); ok {
				msgs = append(msgs, m)
			}
		}
		if err := a.store.PutMessages(ctx, now.Number, msgs...); err != nil && ctx.Err() == nil {
			a.log.Warn("tell of progress", "run", now.Number, "stage", stage, "error", err)
		}
	}
	l.put(ctx, nil)
	return l
}

// event notes a line of progress and, once in a while, sends what was noted. It does not
// wait: what it is called from is being measured.
func (l *live) event(ctx context.Context, e runner.Event) {
	if l == nil || e.Done {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf("%7.1fs  %s", time.Since(l.start).Seconds(), report.Line(e.Text)))
	if n := len(l.lines) - liveLines; n > 0 {
		l.lines = append(l.lines[:0], l.lines[n:]...)
	}
	if time.Since(l.last) < liveEvery {
		return
	}
	l.last = time.Now()
	lines := append([]string(nil), l.lines...)
	l.busy.Go(func() { l.put(ctx, lines) })
}

// close waits for what is being sent.
func (l *live) close() {
	if l != nil {
		l.busy.Wait()
	}
}

// ended is what is said in the transaction that stores the result of a stage.
func (a *app) ended(repo *config.Repository, run *runner.Run, res *runner.Result) []publish.Message {
	if repo == nil || repo.GitHub == "" || silent(run) || !a.posts() {
		return nil
	}
	// Only benchmarks and build times are judged later, against history.
	m, ok := publish.Ended(target(repo), run, res, res.Stage == runner.StageChecks)
	if !ok || m.Live && !a.checks(context.Background()) {
		return nil
	}
	return []publish.Message{m}
}

// detail gives the check runs of a run that has ended what a reader wants to see: the
// whole report, of each stage its part, and annotations of what has to be looked at.
func detail(msgs []publish.Message, in report.Input) {
	for i := range msgs {
		m := &msgs[i]
		if m.Check == nil || m.Check.Conclusion == "" {
			continue
		}
		part := in
		if m.Context != publish.Prefix {
			part.Run.Stages = nil
			for _, s := range in.Run.Stages {
				if publish.Prefix+"/"+s.Stage == m.Context {
					part.Run.Stages = append(part.Run.Stages, s)
				}
			}
			if len(part.Run.Stages) == 0 {
				continue // nothing came of it, and the title says why
			}
			if part.Run.Stages[0].Stage != runner.StageBench {
				part.Judgement = nil
			}
			if part.Run.Stages[0].Stage != runner.StageProofs {
				part.Builds = nil
			}
			part.Run.Verdict, part.Run.Reason = part.Run.Stages[0].Verdict, part.Run.Stages[0].Reason
			// Where several check runs have the same annotation GitHub shows it several times.
			m.Check.Annotations = notes(part)
		}
		m.Check.Text = report.Comment(part, commentLimit)
	}
}

// notes are the annotations of a report: what fails first.
func notes(in report.Input) []publish.Annotation {
	var out []publish.Annotation
	for _, n := range report.Notices(in) {
		f := n.Finding
		if f.File == "" {
			continue // in the text
		}
		a := publish.Annotation{Path: f.File, Line: f.Line, EndLine: f.EndLine, Level: n.Level, Title: n.Title(), Message: n.Message()}
		if f.EndLine == 0 || f.EndLine == f.Line {
			a.StartColumn, a.EndColumn = f.Column, f.EndColumn
		}
		out = append(out, a)
	}
	return out
}
