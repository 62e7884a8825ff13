package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/slash"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// refusal is why a command is not done, one line for the one who gave it.
type refusal string

func (r refusal) Error() string { return string(r) }

func refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// commands does what people ask for in comments on pull requests, each once, in the order
// in which they were given. heads are those of the poll just before: what they say of a
// head that moved is needed to know which one was meant. An error leaves what is left for
// the next time; n counts those that were done.
func (a *app) commands(ctx context.Context, repo *config.Repository, p intake.Repository, heads []intake.Head) (n int, err error) {
	if repo.GitHub == "" || !repo.Commands || repo.PullRequests == config.PullRequestsNone || !a.posts() {
		return 0, nil // in a dry run nobody could be told what came of it
	}
	list, done, err := intake.Comments(ctx, a.hub, p, a.store)
	if err != nil {
		return 0, err
	}
	for _, k := range list {
		if k.Bot || !k.Updated.Equal(k.Created) {
			continue // an edit is not what others have read
		}
		if _, ours := publish.ParseMarker(k.Body); ours {
			continue // the agent's own, whoever its token belongs to
		}
		cmd, ok, err := slash.Parse(k.Body)
		if !ok {
			continue
		}
		if known, err := a.store.CommandDone(ctx, repo.Name, k.ID); err != nil || known {
			if err != nil {
				return n, err
			}
			continue
		}
		err = a.command(ctx, repo, p, heads, k, cmd, err)
		if errors.Is(err, errElsewhere) {
			return n, nil // looked at again until it is done
		}
		if err != nil {
			return n, fmt.Errorf("command %d by %s: %w", k.ID, k.Author, err)
		}
		n++
	}
	return n, done(ctx)
}

// errElsewhere says that another machine of the fleet is doing a command.
var errElsewhere = errors.New("another machine is doing it")

// command does one command. It is stored before anything is done, with the commit that it
// is bound to, so that a crash at any point does it once.
func (a *app) command(ctx context.Context, repo *config.Repository, p intake.Repository, heads []intake.Head, k intake.Comment, cmd slash.Command, mistake error) error {
	h, open, err := intake.PullRequest(ctx, a.hub, p, k.Number)
	if err != nil || !open {
		return err // an issue, or closed: nothing to examine, nobody who waits
	}
	var bad *slash.Error
	text := cmd.Text
	if errors.As(mistake, &bad) {
		text = bad.Line
	}
	c, err := a.store.BeginCommand(ctx, store.Command{
		Repo: repo.Name, Comment: k.ID, Pull: k.Number, Author: k.Author, Verb: cmd.Verb, Text: text, SHA: h.SHA,
	})
	if err != nil || c.Done {
		return err
	}
	if c.Elsewhere {
		return errElsewhere
	}
	d := doing{a: a, repo: repo, h: h, c: &c, cmd: cmd}
	switch may, err := intake.MayWrite(ctx, a.hub, repo.GitHub, k.Author); {
	case err != nil:
		return err
	case !may:
		d.stranger = true
		return d.end(ctx, refuse("this takes the permission to write to this repository"))
	}
	if mistake != nil {
		return d.end(ctx, refusal(mistake.Error()))
	}
	if h.SHA != c.SHA || movedHead(heads, h) {
		return d.end(ctx, refuse("the head moved to %s at about that time: give the command again for it", h.SHA[:10]))
	}
	return d.end(ctx, d.do(ctx))
}

// movedHead reports whether the last poll saw the head of a pull request for the first time in
// the place of another: whoever gave a command may have meant that one.
func movedHead(heads []intake.Head, h intake.Head) bool {
	for _, o := range heads {
		if o.PullRequest == h.PullRequest {
			before, _, _ := strings.Cut(o.Before, " ")
			return o.SHA != h.SHA || before != "" && before != h.SHA
		}
	}
	return false
}

// doing is one command being done.
type doing struct {
	a    *app
	repo *config.Repository
	h    intake.Head // of the pull request, as it is now
	c    *store.Command
	cmd  slash.Command
	more []publish.Message

	stranger bool // who may not give commands
}

// maxRefused is how often one who may not give commands is told so on a pull request: what
// can be changed on GitHub in an hour is for those who may.
const maxRefused = 3

// do does it. A refusal is a [refusal]; any other error is tried again later.
func (d *doing) do(ctx context.Context) error {
	switch d.cmd.Verb {
	case slash.OK:
		return d.ok(ctx)
	case slash.Cancel:
		return d.cancel(ctx)
	case slash.Explain:
		return d.explain(ctx)
	case slash.Accept:
		return d.accept(ctx)
	case slash.Bench:
		if len(d.cmd.Args) == 1 && !slices.ContainsFunc(d.repo.Bench.Programs, func(p config.BenchProgram) bool { return p.Name == d.cmd.Args[0] }) {
			return refuse("no benchmark program is called %s", d.cmd.Args[0])
		}
		if len(d.cmd.Args) == 1 {
			// Rounds of all benchmarks take turns, and a baseline is one of that configuration.
			d.c.Answer = d.cmd.Args[0] + " is measured together with the others: alone it would compare with nothing"
		}
		return d.start(ctx, []string{runner.StageBench}, false)
	case slash.Run:
		if done, err := d.examined(ctx); err != nil || done {
			return err
		}
	}
	return d.start(ctx, runner.Stages, true)
}

// ok lets the commit of a fork run; the next look at the pull request starts it.
func (d *doing) ok(ctx context.Context) error {
	switch {
	case d.cmd.Args[0] != d.h.SHA:
		return refuse("the head is %s now", d.h.SHA)
	case !d.h.Fork:
		return refuse("it is no fork: it runs without")
	case d.repo.PullRequests != config.PullRequestsApproved:
		return refuse("code of forks is not examined here (pull_requests = %q)", d.repo.PullRequests)
	}
	d.c.Answer = "commit " + d.h.SHA[:10] + " may run; a new one needs a new ok"
	return nil
}

func (d *doing) cancel(ctx context.Context) error {
	// A process that was killed in between asks for fewer, never for newer ones.
	runs, err := d.a.store.OpenRuns(ctx, d.repo.Name, d.h.PullRequest, d.c.UpTo)
	if err != nil {
		return err
	}
	if len(runs) == 0 {
		return refuse("nothing runs")
	}
	for _, r := range runs {
		if err := d.a.store.Cancel(ctx, r, runner.StateCancelled, "cancelled by "+d.c.Author); err != nil {
			return err
		}
	}
	return nil
}

// newest is the newest report about the head.
func (d *doing) newest(ctx context.Context) (report.Input, bool, error) {
	recs, err := d.a.store.PullRequestRuns(ctx, d.repo.Name, d.h.PullRequest, d.h.SHA, 0)
	if err != nil || len(recs) == 0 {
		return report.Input{}, false, err
	}
	in, err := d.a.stored(ctx, recs[0])
	return in, err == nil, err
}

// explain shows the whole report, also of what is fine.
func (d *doing) explain(ctx context.Context) error {
	in, ok, err := d.newest(ctx)
	if err != nil {
		return err
	}
	if !ok {
		return refuse("no run of %s has ended yet", d.h.SHA[:10])
	}
	if m, ok := publish.Comment(target(d.repo), &in.Run, report.PullRequest(in, report.View{Asked: true}, commentLimit)); ok {
		m.Seq++ // the same run, and more about it
		d.more = append(d.more, m)
	}
	return nil
}

// examined tells of a run of the head that there is already, and that rerun makes another.
func (d *doing) examined(ctx context.Context) (bool, error) {
	open, err := d.a.store.OpenRuns(ctx, d.repo.Name, d.h.PullRequest, 0)
	if err != nil {
		return false, err
	}
	for _, r := range open {
		if rec, err := d.a.store.Run(ctx, r); err != nil || rec.Run.Commit.SHA == d.h.SHA && d.c.Run != r {
			d.c.Answer = fmt.Sprintf("run %d of %s is on its way", r, d.h.SHA[:10])
			return true, err
		}
	}
	in, ok, err := d.newest(ctx)
	if err != nil || !ok || d.c.Run != 0 {
		return false, err
	}
	d.c.Answer = fmt.Sprintf("run %d has examined %s: %s; to examine it again, /holdfast rerun", in.Run.Number, d.h.SHA[:10], in.Run.Verdict)
	return true, nil
}

// start enqueues a run of the head. All stages take the place of runs in progress.
func (d *doing) start(ctx context.Context, stages []string, replace bool) error {
	if d.h.Fork && d.repo.PullRequests != config.PullRequestsAll {
		if ok, err := d.a.store.Approved(ctx, d.repo.Name, d.h.PullRequest, d.h.SHA); err != nil || !ok {
			if err != nil {
				return err
			}
			return refuse("it comes from a fork: say /holdfast ok %s first", d.h.SHA)
		}
	}
	n := store.NewRun{
		Repo: d.repo.Name, Branch: d.h.Branch, PullRequest: d.h.PullRequest, Fork: d.h.Fork, Trigger: store.TriggerComment,
		Stages: enabled(d.repo, stages), Comment: d.c.Comment, Replace: replace,
	}
	if len(n.Stages) == 0 {
		return refuse("no such stage is enabled here")
	}
	m := d.a.x.mirror(d.repo)
	if err := m.Fetch(ctx, fmt.Sprintf("refs/pull/%d/head", d.h.PullRequest)); err != nil {
		return err
	}
	var err error
	if n.Commit, err = m.Resolve(ctx, d.h.SHA); err != nil {
		return err
	}
	if d.h.BaseSHA != "" {
		if n.Base, err = m.MergeBase(ctx, d.h.BaseSHA, d.h.SHA); err != nil {
			d.a.log.Info("no base to compare with", "repo", d.repo.Name, "sha", d.h.SHA, "base", d.h.BaseSHA, "error", err)
		}
	}
	n.Messages = d.a.pending(d.repo, n)
	run, _, err := d.a.store.CreateRun(ctx, n)
	if err != nil {
		return err
	}
	d.c.Run = run
	d.a.log.Info("run enqueued", "run", run, "repo", n.Repo, "sha", n.Commit.SHA, "trigger", n.Trigger, "author", d.c.Author)
	return nil
}

// end records what came of the command and says so: a reaction, and a line where there is
// something to say.
func (d *doing) end(ctx context.Context, err error) error {
	var no refusal
	if err != nil && !errors.As(err, &no) {
		return err
	}
	d.c.Accepted = err == nil
	reaction := "eyes"
	if err != nil {
		reaction, d.c.Answer = "confused", string(no)
	}
	t := target(d.repo)
	return d.a.store.EndCommand(ctx, *d.c, func(last []store.Command) []publish.Message {
		refused := 0
		for _, c := range last {
			if c.Author == d.c.Author && !c.Accepted {
				refused++
			}
		}
		if d.stranger && refused > maxRefused {
			return nil
		}
		msgs := append([]publish.Message{publish.Reaction(t, d.c.Comment, reaction)}, d.more...)
		if d.c.Answer == "" {
			return msgs
		}
		const most = 5
		var answers []report.Answer
		for _, c := range slices.Backward(last) {
			if c.Answer != "" && len(answers) < most {
				answers = append(answers, report.Answer{Command: c.Text, Author: c.Author, Accepted: c.Accepted, Text: c.Answer})
			}
		}
		return append(msgs, publish.Answers(t, d.c.Pull, d.c.Comment, report.Answers(answers, commentLimit)))
	})
}
