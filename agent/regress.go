package agent

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/bisect"
	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/owners"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/git"
)

const (
	// lookBack is how many earlier runs of a branch are looked at for the last good one.
	lookBack = 50
	// maxBetween is how many commits between good and bad are listed.
	maxBetween = 100
)

// watched reports whether a run tells the state of a branch: not one that a person asked
// for, which may be of any commit.
func watched(run *runner.Run) bool {
	return run.PullRequest == 0 && run.Branch != "" && run.State == runner.StateDone &&
		ofBranch(run.Trigger)
}

// ofBranch reports whether a trigger examines the head of a branch.
func ofBranch(trigger string) bool {
	return trigger == store.TriggerPush || trigger == store.TriggerRerun || scheduled(trigger)
}

func scheduled(trigger string) bool { return strings.HasPrefix(trigger, "schedule ") }

// regressions makes the issues about what regressed on a branch: one is opened for what a
// stage lost, kept up to date while any of it is missing, and closed when all of it is whole
// again. A benchmark has to fail twice in a row. What could not be told changes nothing.
func (a *app) regressions(ctx context.Context, repo *config.Repository, in report.Input) ([]publish.Message, error) {
	run := &in.Run
	if a.poster == nil || repo.GitHub == "" || repo.Report != config.ReportIssue || !watched(run) {
		return nil, nil
	}
	told, err := a.store.Verdicts(ctx, run.Repo, run.Branch, run.Number, lookBack)
	if err != nil {
		return nil, err
	}
	told = slices.DeleteFunc(told, func(t store.Told) bool { return !ofBranch(t.Trigger) })
	var msgs []publish.Message
	for i := range run.Stages {
		res := &run.Stages[i]
		if res.Verdict != runner.Failure && res.Verdict != runner.Success {
			continue
		}
		prefix := fmt.Sprintf("regression/%s/%s/%s/%s/", strings.ToLower(repo.GitHub), url.PathEscape(run.Repo), url.PathEscape(run.Branch), res.Stage)
		said, err := a.store.Said(ctx, prefix)
		if err != nil {
			return nil, err
		}
		post := func(key string, r report.Regression, harm []string) {
			m := publish.Regression(target(repo), run, key, report.RegressionTitle(r, run.Repo), r.Issue(commentLimit), r.Fixed)
			m.Harm = harm
			msgs = append(msgs, m)
		}
		known := map[string]bool{}
		for _, m := range said {
			if m.Close {
				continue
			}
			left := slices.DeleteFunc(slices.Clone(m.Harm), func(h string) bool { return whole(h, res, in.Judgement) })
			for _, h := range m.Harm {
				known[h] = true
			}
			first, err := strconv.ParseInt(strings.TrimPrefix(m.Key, prefix), 10, 64)
			if err != nil {
				continue
			}
			r, err := a.regression(ctx, repo, in, res, first)
			if err != nil {
				return nil, err
			}
			r.Fixed, r.Left = len(left) == 0, plainHarms(left)
			post(m.Key, r, m.Harm)
		}
		fresh := slices.DeleteFunc(harms(res, in.Judgement, a.meaningAt(ctx, repo, res)), func(h string) bool { return known[h] })
		failed, good := streak(told, res.Stage)
		if len(fresh) == 0 || baseOf(res).SHA == "" && good == nil || res.Stage == runner.StageBench && len(failed) == 0 {
			continue
		}
		first := run.Number
		if n := len(failed); n > 0 && baseOf(res).SHA == "" {
			first = failed[n-1].Run
		}
		r, err := a.regression(ctx, repo, in, res, first)
		if err != nil {
			return nil, err
		}
		post(prefix+fmt.Sprint(first), r, fresh)
	}
	return msgs, nil
}

// baseOf is the commit that a result was compared with: what it lost, that one had.
func baseOf(res *runner.Result) runner.Commit {
	switch {
	case res.Proofs != nil && res.Proofs.Ledger != nil:
		return res.Proofs.Ledger.Base
	case res.Checks != nil:
		return res.Checks.Base
	}
	return runner.Commit{}
}

// meaningAt tells what a theorem meant at the base of a result.
func (a *app) meaningAt(ctx context.Context, repo *config.Repository, res *runner.Result) func(string) string {
	var past store.PastResult
	asked := false
	return func(name string) string {
		if !asked {
			asked = true
			past, _, _ = a.store.ProofsOf(ctx, repo.Name, baseOf(res).SHA, repo.Proofs.Dirs)
		}
		if past.Result.Proofs == nil {
			return ""
		}
		for i := range past.Result.Proofs.Theorems {
			if t := &past.Result.Proofs.Theorems[i]; t.Name == name {
				return t.Meaning
			}
		}
		return ""
	}
}

// plainHarms names harms for people.
func plainHarms(list []string) []string {
	var out []string
	for _, h := range list {
		parts := strings.Split(h, "\x1f")
		if parts[0] == harmTheorem {
			parts = parts[:2] // nobody reads a hash
		}
		out = append(out, strings.Join(parts, " "))
	}
	return out
}

// streak finds the runs since a stage was good, newest first, in which it failed, and the
// last one in which it was good, nil if there is none. Runs that could not tell do not
// count.
func streak(told []store.Told, stage string) (failed []store.Told, good *store.Told) {
	for i := range told {
		switch told[i].Stages[stage] {
		case runner.Failure:
			failed = append(failed, told[i])
		case runner.Success:
			return failed, &told[i]
		}
	}
	return failed, nil
}

// regression gathers what is known of what a stage lost, first seen by the run of that
// number.
func (a *app) regression(ctx context.Context, repo *config.Repository, in report.Input, now *runner.Result, first int64) (report.Regression, error) {
	run := &in.Run
	r := report.Regression{Stage: now.Stage, Branch: run.Branch, First: run.Commit, FirstRun: first, Now: in}
	search, err := a.searchFrom(ctx, in, now.Stage, first)
	if err != nil {
		return r, err
	}
	var suspects []runner.Commit // what the search left of the commits between
	switch search.Kind {
	case bisect.Found:
		if search.Confirmed {
			r.Culprit = search.Suspects[0]
		}
	case bisect.Several:
		if search.Confirmed {
			suspects = search.Suspects
		}
	case bisect.Budget:
		suspects = search.Suspects
	}
	seen := now
	if first != run.Number {
		rec, err := a.store.Run(ctx, first)
		if err != nil {
			return r, err
		}
		r.First = rec.Run.Commit
		if seen = rec.Run.Stage(now.Stage); seen == nil {
			seen = now
		}
	}
	if r.Good = baseOf(seen); r.Good.SHA == "" {
		told, err := a.store.Verdicts(ctx, run.Repo, run.Branch, first, lookBack)
		if err != nil {
			return r, err
		}
		if _, good := streak(told, now.Stage); good != nil {
			r.Good, r.GoodRun = good.Commit, good.Run
		}
	}
	if r.Good.SHA == "" {
		r.Unknown = fmt.Sprintf("no good run among the last %d", lookBack)
		return r, nil
	}
	m := a.x.mirror(repo)
	_ = a.have(ctx, repo, run) // what is missing is said by what follows
	if r.Between, r.Unknown = between(ctx, m, r.Good.SHA, r.First.SHA); len(suspects) > 0 {
		r.Between, r.Unknown = suspects, ""
	}
	r.Owners = ownersOf(ctx, m, r.First.SHA, files(seen))
	r.Seen = *seen
	return r, nil
}

// searchFrom is the search that a run of the branch began for a stage, the zero value if there
// is none. What is good again has one, too, which no report tells of any more.
func (a *app) searchFrom(ctx context.Context, in report.Input, stage string, run int64) (report.Bisection, error) {
	for _, b := range in.Bisections {
		if b.Stage == stage && b.Origin == run && !b.Moved {
			return b, nil
		}
	}
	list, err := a.store.Bisections(ctx, in.Run.Repo, in.Run.Branch, newestBisections)
	if err != nil {
		return report.Bisection{}, err
	}
	for _, b := range list {
		if b.Question.Stage == stage && b.Origin == run && b.Question.About != bisect.LevelShift {
			return bisectionView(b), nil
		}
	}
	return report.Bisection{}, nil
}

// between lists the commits after good up to bad.
func between(ctx context.Context, m *git.Mirror, good, bad string) (list []runner.Commit, unknown string) {
	if good == bad {
		return nil, "the same commit was good before: what changed is not in the repository"
	}
	base, err := m.MergeBase(ctx, good, bad)
	switch {
	case errors.Is(err, git.ErrNoMergeBase) || err == nil && base.SHA != good:
		return nil, "the branch was set to another history in between"
	case err != nil:
		return nil, err.Error()
	}
	if list, err = m.Log(ctx, good, bad, maxBetween+1); err != nil {
		return nil, err.Error()
	}
	if len(list) > maxBetween {
		return nil, fmt.Sprintf("there are more than %d commits in between", maxBetween)
	}
	return list, ""
}

// files are those in which a stage found what fails.
func files(res *runner.Result) []string {
	var out []string
	add := func(v runner.Verdict, file string) {
		if (v == runner.Failure || v == runner.Error) && file != "" && !slices.Contains(out, file) && len(out) < 1000 {
			out = append(out, file)
		}
	}
	for _, f := range res.Findings {
		add(f.Verdict, f.File)
	}
	if res.Proofs != nil && res.Proofs.Ledger != nil {
		for _, e := range res.Proofs.Ledger.Entries {
			add(e.Verdict, e.File)
		}
	}
	return out
}

// ownersOf says who looks after files, by the CODEOWNERS file of a commit; nobody if there
// is none or it cannot be read.
func ownersOf(ctx context.Context, m *git.Mirror, sha string, files []string) []string {
	if len(files) == 0 {
		return nil
	}
	found, err := m.Files(ctx, sha, func(p string) bool { return slices.Contains(owners.Places, p) }, owners.MaxSize)
	if err != nil {
		return nil
	}
	var out []string
	for _, place := range owners.Places {
		text, ok := found[place]
		if !ok {
			continue
		}
		f := owners.Parse(text)
		for _, file := range files {
			for _, who := range f.Of(file) {
				if !slices.Contains(out, who) {
					out = append(out, who)
				}
			}
		}
		break
	}
	return out
}

// turned makes the comment on the tracking issue that says which verdicts are others than
// those it told before: a changed body alone notifies nobody.
func (a *app) turned(ctx context.Context, repo *config.Repository, in report.Input) ([]publish.Message, error) {
	run := &in.Run
	if a.poster == nil || repo.GitHub == "" || repo.Report != config.ReportIssue || !scheduled(run.Trigger) || run.State != runner.StateDone {
		return nil, nil
	}
	told, err := a.store.Verdicts(ctx, run.Repo, run.Branch, run.Number, lookBack)
	if err != nil {
		return nil, err
	}
	var turns []report.Turn
	for i := range run.Stages {
		now := &run.Stages[i]
		for _, t := range told {
			before, ran := t.Stages[now.Stage]
			if !ran || !scheduled(t.Trigger) {
				continue
			}
			if before != now.Verdict {
				turns = append(turns, report.Turn{Stage: now.Stage, Before: before, After: now.Verdict})
			}
			break
		}
	}
	if len(turns) == 0 {
		return nil, nil
	}
	return []publish.Message{publish.Note(target(repo), run, report.Turned(in, turns))}, nil
}
