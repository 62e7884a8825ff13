package publish

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// check says for a check run what state says for a commit status. res is the result of its
// stage, nil while there is none and for the run as a whole.
func check(run *runner.Run, stage string, res *runner.Result, state, description string) *Check {
	c := &Check{Run: strconv.FormatInt(run.Number, 10), Title: description, Started: run.Started}
	if state == StatePending {
		c.Status = checkInProgress
		if run.State == runner.StateQueued {
			c.Status = checkQueued
		}
		c.Summary = "Run " + c.Run + " of Holdfast."
		return c
	}
	v, timedOut := run.Verdict, false
	if stage != "" {
		v = runner.Error
		if res != nil {
			v, timedOut = res.Verdict, res.TimedOut
			c.Started = res.Started
			c.Completed = res.Started.Add(time.Duration(res.Seconds * float64(time.Second)))
		}
	} else {
		c.Completed = run.Finished
		timedOut = onlyTimedOut(run)
	}
	c.Status, c.Conclusion = checkCompleted, concludeCheck(run, v, timedOut)
	c.Summary = fmt.Sprintf("Run %s of Holdfast: **%s**.", c.Run, word(v, c.Conclusion))
	if res != nil && res.Hint != "" {
		c.Summary += "\n\n" + fenced(res.Hint)
	}
	return c
}

// word says a verdict where the conclusion has another name.
func word(v runner.Verdict, conclusion string) string {
	if conclusion == ConcludeActionRequired {
		return "could not tell"
	}
	if conclusion == ConcludeTimedOut {
		return "could not tell: time was up"
	}
	if conclusion == ConcludeCancelled {
		return "cancelled"
	}
	return string(v)
}

// onlyTimedOut reports whether a passed limit is all that keeps the run from a verdict.
func onlyTimedOut(run *runner.Run) bool {
	n := 0
	for _, s := range run.Stages {
		if s.Verdict != runner.Error {
			continue
		}
		if !s.TimedOut {
			return false
		}
		n++
	}
	return n > 0
}

// fenced writes foreign text so that nothing in it is Markdown.
func fenced(s string) string {
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	return fence + "text\n" + strings.TrimRight(s, "\n") + "\n" + fence
}

// Running makes the message that a stage is at work, or, for the stage "", the run; lines are what it said last, the
// newest at the end. It may be sent as often as one likes: it is [Message.Live].
func Running(t Target, run *runner.Run, stage string, since time.Time, lines []string) (Message, bool) {
	if run.Commit.SHA == "" {
		return Message{}, false
	}
	now := *run
	now.State = runner.StateRunning
	state, text, phase := pending(&now)
	where := Prefix
	if stage != "" {
		where += "/" + stage
	}
	m := t.message(&now, where, state, text, phase)
	m.Live = true
	m.Check = check(&now, stage, nil, state, text)
	if m.Check.Started.IsZero() || stage != "" {
		m.Check.Started = since
	}
	if len(lines) > 0 {
		m.Check.Title = clip(Description(lines[len(lines)-1]), maxTitle)
		m.Check.Summary += "\n\n" + fenced(strings.Join(lines, "\n"))
	}
	return m, true
}

// Waiting says why a stage that is queued does not begin, or, with the text "", that nothing
// keeps it any more; running: that it has begun.
func Waiting(t Target, run *runner.Run, stage, text string, running bool) []Message {
	if run.Commit.SHA == "" {
		return nil
	}
	var msgs []Message
	for _, where := range []string{"", stage} {
		now := *run
		now.Reason = ""
		if running {
			now.State = runner.StateRunning
		} else if where != "" {
			now.State = runner.StateQueued
		}
		state, said, _ := pending(&now)
		name := Prefix
		switch {
		case where == "" && text != "":
			said = stage + " " + text
		case where != "":
			name += "/" + where
			if text != "" {
				said = text
			}
		}
		// Of what is said of a run in progress the last word counts.
		m := t.message(&now, name, state, said, phaseRunning)
		m.Check = check(&now, where, nil, state, m.Description)
		msgs = append(msgs, m)
	}
	return msgs
}

// Ended makes the message about a stage that has ended while its run goes on, as far as
// its result cannot get better any more: a failure and an error stay what they are, and so
// does what final tells. Of anything else is only told that the stage is done.
func Ended(t Target, run *runner.Run, res *runner.Result, final bool) (Message, bool) {
	if run.Commit.SHA == "" {
		return Message{}, false
	}
	now := *run
	now.State = runner.StateRunning
	if final || res.Verdict == runner.Failure || res.Verdict == runner.Error {
		state, text, phase := stageStatus(&now, res)
		m := t.message(&now, Prefix+"/"+res.Stage, state, text, phase)
		m.Check = check(&now, res.Stage, res, state, text)
		return m, true
	}
	state, _, _ := pending(&now)
	m := t.message(&now, Prefix+"/"+res.Stage, state, "done, to be judged with the run", phaseStage)
	m.Live = true
	m.Check = check(&now, res.Stage, nil, state, m.Description)
	m.Check.Started = res.Started
	return m, true
}
