package checks

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// row is a judged rule before its evidence is cut.
type row struct {
	runner.Rule
	cut     int    // places that are not even in Evidence
	lacks   []lack // violations at no place; then Evidence only shows them
	whole   string // fingerprint of a violation that shows nothing at all
	expired bool   // an acknowledgement of it is over
}

// missing judges a rule that found nothing to look at.
func (c *compiled) missing(r row, reason string) row { return c.decide(r, reason, c.OnMissing) }

// decide judges by a policy for what is missing.
func (c *compiled) decide(r row, reason, policy string) row {
	r.Reason = reason
	switch policy {
	case "skip":
		r.Outcome = runner.Skip
	case "fail":
		r.Outcome = c.violated()
		r.lack("missing", 1)
	default:
		r.Outcome = runner.RuleError
		r.Reason += " (on_missing says what that means)"
	}
	return r
}

func (c *compiled) newRow(files int) row {
	return row{Rule: runner.Rule{ID: c.ID, Title: c.Title, Source: c.Source, Doc: c.Doc, Files: files}}
}

func (r *row) addUnread(bad []tally) {
	if r.Reason != "" {
		r.Reason += "; "
	}
	r.Reason += fmt.Sprintf("%s: %v", bad[0].file, bad[0].err)
	if len(bad) > 1 {
		r.Reason += fmt.Sprintf(" (and %s more could not be judged)", plural(len(bad)-1, "file"))
	}
	for _, t := range bad {
		e := runner.Evidence{File: t.file, Line: 1, Column: 1, Note: t.err.Error()}
		var pe *placeError
		if errors.As(t.err, &pe) {
			e.Line, e.Column, e.Text, e.Note = pe.line, max(1, pe.column), t.shown, pe.text
		}
		r.Evidence = append(r.Evidence, e)
	}
}

// finish cuts the evidence to what is shown and says how much is not.
func (r row) finish() runner.Rule {
	limit := maxEvidence
	if r.Outcome == runner.Pass {
		limit = maxPassing
	}
	if more := len(r.Evidence) - limit; more > 0 {
		r.Evidence = r.Evidence[:limit:limit]
		r.cut += more
	}
	if r.cut > 0 {
		r.Reason += fmt.Sprintf(" (%s more not listed)", plural(r.cut, "place"))
	}
	if r.Title == "" {
		r.Title = r.ID
	}
	return r.Rule
}

func plural(n int, word string) string {
	switch {
	case n == 1:
		return "1 " + word
	case strings.HasSuffix(word, "ch"):
		return fmt.Sprintf("%d %ses", n, word)
	case strings.HasSuffix(word, "dy"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(word, "y"))
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// short quotes a pattern for a message.
func short(s string) string {
	if r := []rune(s); len(r) > 80 {
		s = string(r[:79]) + "…"
	}
	return "'" + s + "'"
}
