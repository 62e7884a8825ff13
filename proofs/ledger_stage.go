package proofs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// debtMark starts the remark behind a fault that was there at the base.
const debtMark = " (old debt: "

// settlement is what promises and the comparison with the base make of a result.
type settlement struct {
	bad    []string // why the commit fails, in words
	worse  []string // the same, for what the verdicts of theorems say as a rule
	unsure []string // what could not be told
	warned []string
	hint   string
}

// settle compares a result with the promises of the checkout and with the base, before
// its verdict is made: old debt is no fault of a theorem any more then. Fold brings the
// rest into the verdict.
func (s *Stage) settle(res *runner.Result, outcomes []outcome, ws *runner.Workspace) (st settlement) {
	p := res.Proofs
	known := len(p.Modules) > 0 || len(p.Theorems) > 0
	l, err := readLock(ws.Dir, s.cfg.Lock)
	switch {
	case err != nil:
		st.lockFault(res, l, err)
	case l != nil && known:
		found, err := l.check(p)
		p.Lock = &found
		if err != nil {
			st.unsure, st.hint = append(st.unsure, err.Error()), hintText(err)
		}
		st.drift(res)
	case l != nil:
		p.Lock = &runner.Lock{File: l.file, Promised: l.names()}
	}

	base := ws.EarlierCommit
	if base.SHA == "" {
		base = ws.Base
	}
	switch e := ws.Earlier; {
	case e == nil && (ws.Base.SHA == "" || ws.Base.SHA == ws.Commit.SHA):
		return st // nothing to compare with, and no claim
	case !known: // and the stage says why
		return st
	case e == nil:
		st.unsure = append(st.unsure, fmt.Sprintf("not compared with %s: nothing is known of its theorems", at10(base)))
		return st
	case e.Proofs == nil, e.Verdict == runner.Error && len(e.Proofs.Theorems) == 0 && len(e.Proofs.Modules) == 0:
		why := e.Reason
		if why == "" {
			why = "its proofs were not examined"
		}
		st.unsure = append(st.unsure, fmt.Sprintf("not compared with %s: %s", at10(base), oneLine(why)))
		return st
	}
	pol := policy{warn: s.cfg.Changes == ChangesWarn, sorryWarn: s.cfg.Sorry == SorryWarn, allowed: s.cfg.AllowedAxioms, broken: err != nil}
	if err == nil {
		pol.lock = l
	}
	pol.partial = len(outcomes) < len(s.cfg.Dirs) || slices.ContainsFunc(outcomes, func(o outcome) bool { return len(o.modules) == 0 || o.inventory == "" })
	c := compare(ws.Earlier.Proofs, p, pol)
	c.ledger.Base, c.ledger.Run = base, ws.EarlierRun
	p.Ledger = &c.ledger
	if s.cfg.Ratchet {
		c.forgive(res, outcomes, ws.Earlier.Findings, at10(base))
	}
	st.tell(res, c, ws, at10(base))
	return st
}

// lockFault reports promises that cannot be read.
func (st *settlement) lockFault(res *runner.Result, l *lock, err error) {
	st.unsure, st.hint = append(st.unsure, "the list of promised theorems cannot be read: "+oneLine(err.Error())), hintText(err)
	if l == nil {
		return
	}
	res.Proofs.Lock = &runner.Lock{File: l.file}
	for _, e := range unjoin(err) {
		f := runner.Finding{Verdict: runner.Error, Rule: "lock", File: l.file, Line: 1, Text: e.Error()}
		var se *SyntaxError
		if errors.As(e, &se) {
			f.Line, f.Column, f.Text = se.Line, se.Column, se.Msg
		}
		res.Findings = append(res.Findings, f)
	}
}

// unjoin is the list of errors that were joined.
func unjoin(err error) []error {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		return many.Unwrap()
	}
	return []error{err}
}

func hintText(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// drift reports promises that do not hold.
func (st *settlement) drift(res *runner.Result) {
	l := res.Proofs.Lock
	var failed, unknown []runner.Entry
	for _, e := range l.Drift {
		if e.Verdict == runner.Failure {
			failed = append(failed, e)
		} else {
			unknown = append(unknown, e)
		}
		if len(failed)+len(unknown) <= maxFindings {
			res.Findings = append(res.Findings, runner.Finding{Verdict: e.Verdict, Rule: "lock", File: e.File, Line: e.Line, Column: 1, Text: e.Name + " " + e.Reason})
		}
	}
	if len(failed) > 0 {
		st.bad = append(st.bad, fmt.Sprintf("drift from %s: %s", l.File, first(failed, "%d promises do not hold, first ")))
		st.hint = "if the change is meant: " + lockHint
	}
	if len(unknown) > 0 {
		st.unsure = append(st.unsure, fmt.Sprintf("%s: %s", l.File, first(unknown, "%d promises could not be checked, first ")))
	}
}

// first words a list of entries by the first of them.
func first(list []runner.Entry, many string) string {
	e := list[0]
	s := ""
	if len(list) > 1 {
		s = fmt.Sprintf(many, len(list))
	}
	return s + e.Name + " " + e.Reason + where(e)
}

// where is the place of an entry in brackets.
func where(e runner.Entry) string {
	switch {
	case e.File == "":
		return ""
	case e.Line == 0:
		return " (" + e.File + ")"
	}
	return fmt.Sprintf(" (%s:%d)", e.File, e.Line)
}

func at10(c runner.Commit) string {
	if c.SHA == "" {
		return "the base"
	}
	return c.Short()
}

// forgive turns the faults that were there at the base into old debt: of theorems, and of
// other declarations if no fault of the whole project is new. The findings that report
// them turn with them.
func (c *comparison) forgive(res *runner.Result, outcomes []outcome, before []runner.Finding, base string) {
	remark := func(kind string) string {
		if kind == "axiom" {
			return debtMark + "it was at " + base + ")"
		}
		return debtMark + "it did at " + base + ")"
	}
	type place struct {
		file string
		line int
		text string
	}
	mine := map[place]string{} // findings of theorems, and their remark if they are old
	for i := range c.head.Theorems {
		t := &c.head.Theorems[i]
		if t.Verdict != runner.Failure {
			continue
		}
		at := place{t.File, t.Line, t.Name + " " + t.Reason}
		mine[at] = ""
		if c.debt[i] {
			mine[at] = remark(t.Kind)
			t.Verdict, t.Reason = runner.Neutral, t.Reason+mine[at]
		}
	}
	old := map[string]bool{}
	for i := range before {
		if f := &before[i]; f.Rule == "sorry" || f.Rule == "axiom" {
			text, _, _ := strings.Cut(f.Text, debtMark)
			old[text] = true
		}
	}
	news := false
	forgiven := map[string]bool{}
	for i := range res.Findings {
		f := &res.Findings[i]
		if f.Verdict != runner.Failure || f.Rule != "sorry" && f.Rule != "axiom" {
			continue
		}
		mark, ok := mine[place{f.File, f.Line, f.Text}]
		if !ok && old[f.Text] {
			mark = remark("")
			forgiven[f.Text] = true
		}
		if mark == "" {
			news = true
			continue
		}
		f.Verdict, f.Text = runner.Neutral, f.Text+mark
	}
	for i := range outcomes {
		outcomes[i].broken = slices.DeleteFunc(outcomes[i].broken, func(s string) bool {
			// What comes in through another declaration is as old as that one.
			if forgiven[s] || !news && strings.Contains(s, viaWord) {
				res.Warnings = append(res.Warnings, s+remark(""))
				return true
			}
			return false
		})
	}
}

// tell puts what a ledger says into words and findings.
func (st *settlement) tell(res *runner.Result, c *comparison, ws *runner.Workspace, base string) {
	groups := map[runner.Verdict]map[string][]runner.Entry{runner.Failure: {}, runner.Error: {}, runner.Neutral: {}}
	lines := map[string]int{}
	findings := 0
	var unlocked []string
	for _, f := range c.filed {
		e := f.Entry
		groups[e.Verdict][f.cause] = append(groups[e.Verdict][f.cause], e)
		if f.cause != runner.Unlocked && slices.Contains(e.Also, runner.Unlocked) {
			unlocked = append(unlocked, e.Name)
		}
		if e.Verdict == runner.Failure && (f.cause == runner.Lost || f.cause == runner.Changed || f.cause == runner.Redefined) {
			if findings++; findings <= maxFindings {
				res.Findings = append(res.Findings, ledgerFinding(e, ws.Dir, lines))
			}
		}
	}
	for _, e := range c.ledger.Modules {
		if e.Change == runner.Unreached && e.Verdict == runner.Failure {
			groups[runner.Failure][runner.Unreached] = append(groups[runner.Failure][runner.Unreached], e)
			res.Findings = append(res.Findings, ledgerFinding(e, ws.Dir, lines))
		}
	}
	for _, change := range gravity {
		if list := groups[runner.Failure][change]; len(list) > 0 {
			switch change {
			case runner.Lost, runner.Changed, runner.Redefined, runner.Unreached:
				st.bad = append(st.bad, counted(change, list))
			default:
				st.worse = append(st.worse, first(list, fmt.Sprintf("%%d theorems are %s, first ", change)))
			}
		}
		if list := groups[runner.Error][change]; len(list) > 0 {
			st.unsure = append(st.unsure, fmt.Sprintf("%s not be compared with %s, first %s %s", choose(len(list), "1 theorem could", fmt.Sprintf("%d theorems could", len(list))), base, list[0].Name, list[0].Reason))
		}
		if list := groups[runner.Neutral][change]; len(list) > 0 {
			switch change {
			case runner.Lost, runner.Changed, runner.Redefined:
				if list = slices.DeleteFunc(list, func(e runner.Entry) bool { return strings.HasPrefix(e.Reason, "is gone; it was an axiom") }); len(list) > 0 {
					st.warned = append(st.warned, counted(change, list)+", which fails nothing here")
				}
			case runner.Unchecked:
				st.warned = append(st.warned, fmt.Sprintf("%s not be compared with %s, first %s %s", choose(len(list), "1 theorem could", fmt.Sprintf("%d theorems could", len(list))), base, list[0].Name, list[0].Reason))
			}
		}
	}
	for _, list := range groups {
		for _, e := range list[runner.Unlocked] {
			unlocked = append(unlocked, e.Name)
		}
	}
	if len(unlocked) > 0 {
		slices.Sort(unlocked)
		st.warned = append(st.warned, fmt.Sprintf("promised at %s and not any more: %s", base, some(unlocked, 5)))
	}
	if c.likened > 0 {
		st.warned = append(st.warned, fmt.Sprintf("the toolchain changed, and the kernel terms of %s with it: look at them", plural(c.likened, "statement")))
	}
}

// counted words what became of theorems or modules.
func counted(change string, list []runner.Entry) string {
	n, e := len(list), list[0]
	one, many := "", ""
	switch change {
	case runner.Lost:
		one, many = "theorem %s is lost", "%d theorems are lost"
	case runner.Changed:
		one, many = "theorem %s changed its statement", "%d theorems changed their statement"
	case runner.Redefined:
		one, many = "a definition below theorem %s changed", "definitions below %d theorems changed"
	case runner.Unreached:
		one, many = "module %s is not imported any more", "%d modules are not imported any more"
	}
	place := where(e)
	if change == runner.Lost && place != "" {
		place = " (it was in " + place[2:]
	}
	if n == 1 {
		return fmt.Sprintf(one, e.Name) + place
	}
	return fmt.Sprintf(many, n) + ", first " + e.Name + place
}

// ledgerFinding puts an entry on its line. What is lost has one only if its file is still
// there and as long.
func ledgerFinding(e runner.Entry, dir string, lines map[string]int) runner.Finding {
	f := runner.Finding{Verdict: e.Verdict, Rule: "ledger", File: e.File, Line: e.Line, Column: 1, Text: e.Name + " " + e.Reason}
	if e.Change != runner.Lost {
		return f
	}
	n, ok := lines[e.File]
	if !ok {
		n = -1
		if name := filepath.FromSlash(e.File); filepath.IsLocal(name) {
			if fi, err := os.Lstat(filepath.Join(dir, name)); err == nil && fi.Mode().IsRegular() {
				if b, err := readSmall(filepath.Join(dir, name)); err == nil {
					n = 1 + strings.Count(strings.TrimSuffix(string(b), "\n"), "\n")
				}
			}
		}
		lines[e.File] = n
	}
	if n < 0 {
		f.File, f.Line, f.Column = "", 0, 0
	} else {
		f.Line = min(f.Line, n)
	}
	return f
}

// fold brings what was settled into a result that has its verdict from the modules and
// theorems alone. It never makes a verdict better.
func (st settlement) fold(res *runner.Result) {
	res.Warnings = append(res.Warnings, st.warned...)
	if res.Verdict != runner.Failure {
		st.bad = append(st.bad, st.worse...)
	}
	verdict := res.Verdict
	if len(st.bad) > 0 {
		verdict = runner.Worst(verdict, runner.Failure)
	}
	if len(st.unsure) > 0 {
		verdict = runner.Worst(verdict, runner.Error)
	}
	if len(st.bad)+len(st.unsure) == 0 {
		return
	}
	said := []string{res.Reason}
	if res.Verdict == runner.Failure {
		said = append(append(said, st.bad...), st.unsure...)
	} else if res.Verdict == runner.Error && len(st.bad) == 0 {
		said = append(said, st.unsure...)
	} else {
		said = append(append(slices.Clone(st.bad), st.unsure...), said...)
	}
	res.Verdict = verdict
	res.Reason = strings.Join(slices.DeleteFunc(said, func(s string) bool { return s == "" }), "; ")
	if res.Hint == "" {
		res.Hint = st.hint
	}
}
