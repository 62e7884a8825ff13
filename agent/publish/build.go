package publish

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// Prefix is the context of the overall commit status; those of the stages are
// "holdfast/STAGE".
const Prefix = "holdfast"

// States of a commit status, as GitHub spells them.
const (
	StatePending = "pending"
	StateSuccess = "success"
	StateFailure = "failure"
	StateError   = "error"
)

// Where a maintenance report goes.
const (
	ReportNone   = "none"
	ReportIssue  = "issue"
	ReportCommit = "commit"
)

// Target says where the messages about one repository go.
type Target struct {
	Repo   string // "owner/name" on GitHub
	URL    string // page of the run, http or https; may be empty
	Report string // ReportNone, ReportIssue or ReportCommit; "" is ReportNone
	Issue  int    // number of the tracking issue; 0: found by its marker, or created
	Title  string // of a tracking issue that is created; "" names the repository
}

// Phases of a run, for Seq: what is said later replaces what was said earlier.
const (
	phaseQueued = iota
	phaseRunning
	phaseStage // a stage has ended, the run goes on
	phaseDone
)

func seq(run *runner.Run, phase int64) int64 { return run.Number*8 + phase }

// Statuses says what is known of a run: one message for each of the stages (those that the
// run asks for, in their order) and one for the run as a whole. Before the run ends, a
// stage without result is pending. Once it has ended nothing is: a stage that gave no
// result is an error that says why. A run without a commit gives nil.
func Statuses(t Target, run *runner.Run, stages []string) []Message {
	if run.Commit.SHA == "" {
		return nil
	}
	var msgs []Message
	for _, name := range stages {
		res := run.Stage(name)
		state, text, phase := stageStatus(run, res)
		m := t.message(run, Prefix+"/"+name, state, text, phase)
		m.Check = check(run, name, res, state, m.Description)
		msgs = append(msgs, m)
	}
	state, text, phase := overall(run, stages)
	m := t.message(run, Prefix, state, text, phase)
	m.Check = check(run, "", nil, state, m.Description)
	if state == StatePending {
		// The one that people look at and branches require comes first: there is a second
		// between two changes.
		return append([]Message{m}, msgs...)
	}
	return append(msgs, m)
}

func (t Target) message(run *runner.Run, context, state, description string, phase int64) Message {
	return Message{
		Key: "status/" + strings.ToLower(t.Repo) + "/" + run.Commit.SHA + "/" + context, Seq: seq(run, phase),
		Kind: KindStatus, Repo: t.Repo, SHA: run.Commit.SHA, Context: context,
		State: state, Description: Description(description), TargetURL: t.URL,
	}
}

// Overrule makes messages come after all that the runs up to a number say, and before what
// the next one says.
func Overrule(msgs []Message, number int64) {
	for i := range msgs {
		msgs[i].Seq = number*8 + 7
	}
}

// ended reports whether nothing more will come of the run.
func ended(run *runner.Run) bool {
	return run.State != runner.StateQueued && run.State != runner.StateRunning
}

// Announced is said of a head that was seen, before it has a run. A run that is queued has
// nothing to add to it: it is not worth a change.
const Announced = "to be examined"

// queued reports whether a message says no more than that.
func (m *Message) queued() bool {
	return m.State == StatePending && m.Seq%8 == phaseQueued
}

func pending(run *runner.Run) (state, text string, phase int64) {
	if run.State == runner.StateQueued {
		if Description(run.Reason) != "" { // something to read
			return StatePending, run.Reason, phaseQueued
		}
		return StatePending, fmt.Sprintf("run %d is queued", run.Number), phaseQueued
	}
	return StatePending, fmt.Sprintf("run %d is in progress", run.Number), phaseRunning
}

func stageStatus(run *runner.Run, res *runner.Result) (state, text string, phase int64) {
	if res == nil {
		if !ended(run) {
			return pending(run)
		}
		return StateError, unfinished(run, "the stage gave no result"), phaseDone
	}
	phase = phaseStage
	if ended(run) {
		phase = phaseDone
	}
	reason := res.Reason
	if res.Verdict == runner.Success && res.Proofs != nil && res.Proofs.Ledger != nil {
		reason = theorems(res.Proofs)
	}
	state, text = conclude(res.Verdict, reason)
	if text == "" {
		text = summary(res)
	}
	return state, text, phase
}

// theorems says what a ledger comes to where nothing fails: "412 theorems hold, 1 renamed,
// 2 new, no sorry, axioms: standard".
func theorems(p *runner.Proofs) string {
	holds, debts := 0, 0
	var axioms []string
	sorry := "no sorry"
	for i := range p.Theorems {
		t := &p.Theorems[i]
		switch {
		case t.Sorry():
			sorry = "no new sorry"
			debts++
		case t.Verdict != runner.Success:
			debts++
		case t.Kind == "theorem":
			holds++
		}
	}
	text := fmt.Sprintf("%d theorems hold", holds)
	if holds == 1 {
		text = "1 theorem holds"
	}
	l := p.Ledger
	for _, c := range []string{runner.Lost, runner.Changed, runner.Redefined, runner.Unlocked, runner.Renamed, runner.Proved, runner.New} {
		if n := l.Count(c); n > 0 {
			text += fmt.Sprintf(", %d %s", n, c)
		}
	}
	text += ", " + sorry
	if debts > 0 {
		text += fmt.Sprintf(", %d tolerated", debts)
	}
	for _, a := range p.Axioms {
		if a.Kind != runner.AxiomStandard && a.Kind != runner.AxiomSorry {
			axioms = append(axioms, a.Name)
		}
	}
	switch {
	case len(p.Axioms) == 0:
	case len(axioms) == 0:
		text += ", axioms: standard"
	default:
		text += ", axioms: standard and " + strings.Join(axioms, ", ")
	}
	if !p.Authority {
		text += ", checked by a stand-in for Lean"
	}
	return text
}

func overall(run *runner.Run, stages []string) (state, text string, phase int64) {
	if !ended(run) {
		return pending(run)
	}
	if run.State != runner.StateDone {
		return StateError, unfinished(run, "the run did not end"), phaseDone
	}
	state, text = conclude(run.Verdict, run.Reason)
	if text == "" {
		var good, na []string
		for _, s := range stages {
			if r := run.Stage(s); r != nil && r.Verdict == runner.Neutral {
				na = append(na, s)
			} else {
				good = append(good, s)
			}
		}
		text = strings.Join(good, ", ") + " hold"
		if len(na) > 0 {
			text += "; not applicable: " + strings.Join(na, ", ")
		}
	}
	return state, text, phaseDone
}

// unfinished says why a run that has ended has no result.
func unfinished(run *runner.Run, otherwise string) string {
	switch reason := Description(run.Reason); {
	case reason != "":
		return reason
	case run.State == runner.StateSuperseded:
		return runner.ErrSuperseded.Error()
	case run.State == runner.StateCancelled:
		return runner.ErrCancelled.Error()
	}
	return otherwise
}

// conclude maps a verdict to the state of a commit status. GitHub has none for neutral,
// and a pending one would block a merge for ever: it is a success that says so.
func conclude(v runner.Verdict, reason string) (state, text string) {
	reason = Description(reason) // nothing visible is no reason
	switch v {
	case runner.Success:
		return StateSuccess, reason
	case runner.Neutral:
		if reason == "" {
			reason = "no reason given"
		}
		return StateSuccess, "does not apply: " + reason
	case runner.Failure:
		if reason == "" {
			reason = "the change is bad; the report says why"
		}
		return StateFailure, reason
	case runner.Error:
		if reason == "" {
			reason = "no reason given"
		}
		return StateError, "could not tell: " + reason
	}
	return StateError, "could not tell: no verdict"
}

// summary says in figures what a successful stage looked at.
func summary(res *runner.Result) string {
	var parts []string
	add := func(n int, one, many string) {
		if n == 1 {
			parts = append(parts, "1 "+one)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %s", n, many))
		}
	}
	switch {
	case res.Proofs != nil:
		add(len(res.Proofs.Modules), "module", "modules")
		add(len(res.Proofs.Theorems), "theorem", "theorems")
		if !res.Proofs.Authority {
			parts = append(parts, "checked by a stand-in for Lean")
		}
	case res.Checks != nil:
		parts = append(parts, fmt.Sprintf("%d of %d rules pass", res.Checks.Pass, res.Checks.Total()))
		add(res.Checks.Warn, "warning", "warnings")
	case res.Bench != nil:
		add(len(res.Bench.Samples), "metric measured", "metrics measured")
	}
	if len(parts) == 0 {
		return "holds"
	}
	return strings.Join(parts, ", ")
}

// Comment is the one comment on the pull request of a run; false if the run has none. body
// is Markdown in which foreign text is escaped already.
func Comment(t Target, run *runner.Run, body string) (Message, bool) {
	if run.PullRequest <= 0 {
		return Message{}, false
	}
	return Message{
		Key: fmt.Sprintf("comment/%s/%d", strings.ToLower(t.Repo), run.PullRequest), Seq: seq(run, phaseOf(run)),
		Kind: KindComment, Repo: t.Repo, SHA: run.Commit.SHA, Number: run.PullRequest, Body: body,
	}, true
}

// Maintenance is the maintenance report of a run, where the target wants it: the body of
// the tracking issue (a comment on it, if the issue is someone else's), or a comment on
// the commit. False if it wants none.
func Maintenance(t Target, run *runner.Run, body string) (Message, bool) {
	m := Message{Seq: seq(run, phaseOf(run)), Repo: t.Repo, SHA: run.Commit.SHA, Body: body}
	switch {
	case t.Report == ReportIssue:
		m.Kind, m.Number, m.Title = KindIssue, t.Issue, t.Title
		if m.Title == "" {
			m.Title = "Holdfast: maintenance report for " + run.Repo
		}
		m.Title = Description(m.Title)
		m.Key = IssueKey(t, run.Repo)
		return m, true
	case t.Report == ReportCommit && run.Commit.SHA != "":
		m.Kind = KindCommitComment
		m.Key = fmt.Sprintf("commit/%s/%s", strings.ToLower(t.Repo), run.Commit.SHA)
		return m, true
	}
	return Message{}, false
}

func phaseOf(run *runner.Run) int64 {
	if ended(run) {
		return phaseDone
	}
	return int64(slices.Index([]string{runner.StateQueued, runner.StateRunning}, run.State))
}

// IssueKey is the key of the messages that keep the tracking issue of a repository.
func IssueKey(t Target, repo string) string {
	return fmt.Sprintf("issue/%s/%s", strings.ToLower(t.Repo), repo)
}

// Note is a comment of its own on the tracking issue, one for each run.
func Note(t Target, run *runner.Run, body string) Message {
	return Message{
		Key: fmt.Sprintf("note/%s/%s/%d", strings.ToLower(t.Repo), run.Repo, run.Number), Seq: seq(run, phaseOf(run)),
		Kind: KindNote, Repo: t.Repo, SHA: run.Commit.SHA, Number: t.Issue, On: IssueKey(t, run.Repo), Body: body,
	}
}

// Culprit is a comment of its own on the tracking issue about what a bisection found.
func Culprit(t Target, repo string, bisection int64, commit runner.Commit, body string) Message {
	return Message{
		Key: fmt.Sprintf("note/%s/%s/bisection/%d", strings.ToLower(t.Repo), repo, bisection), Seq: 1,
		Kind: KindNote, Repo: t.Repo, SHA: commit.SHA, Number: t.Issue, On: IssueKey(t, repo), Body: body,
	}
}

// Regression is an issue about something that a branch lost: opened with the first message
// of a key, kept up to date by later ones, closed by the one that says it is fixed.
func Regression(t Target, run *runner.Run, key, title, body string, fixed bool) Message {
	return Message{
		Key: key, Seq: seq(run, phaseOf(run)), Kind: KindIssue, Repo: t.Repo, SHA: run.Commit.SHA, Title: Description(title),
		Body: body, Close: fixed, IfExists: fixed,
	}
}

// Reaction is a reaction to the comment that gave a command.
func Reaction(t Target, comment int64, content string) Message {
	return Message{
		Key: fmt.Sprintf("reaction/%s/%d/%s", strings.ToLower(t.Repo), comment, content), Kind: KindReaction, Repo: t.Repo,
		Comment: comment, Content: content,
	}
}

// Answers is the one comment on a pull request that answers commands; seq grows with each
// command.
func Answers(t Target, pull int, seq int64, body string) Message {
	return Message{
		Key: fmt.Sprintf("answers/%s/%d", strings.ToLower(t.Repo), pull), Seq: seq, Kind: KindComment, Repo: t.Repo, Number: pull, Body: body,
	}
}
