package proofs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

const lockHint = "holdfast proofs lock brings the list up to date, for review"

// readLock reads the promises of a checkout. name is "" for the usual file, which need
// not exist. It is nil, without an error, if there is none.
func readLock(dir, name string) (*lock, error) {
	file := name
	if file == "" {
		file = DefaultLock
	}
	if !filepath.IsLocal(filepath.FromSlash(file)) {
		return nil, fmt.Errorf("list of promises %q lies outside of the checkout", file)
	}
	// The repository must not point us at a file of the machine: links are followed only
	// within the checkout.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	fi, err := root.Stat(filepath.FromSlash(file))
	switch {
	case errors.Is(err, os.ErrNotExist) && name == "":
		return nil, nil
	case errors.Is(err, os.ErrNotExist):
		return nil, runner.WithHint(fmt.Errorf("there is no %s, which proofs.lock of the configuration names", file), "holdfast proofs lock NAME… makes one")
	case err != nil:
		return &lock{file: file}, fmt.Errorf("%s cannot be read: %w", file, plainError(err))
	case !fi.Mode().IsRegular():
		return &lock{file: file}, fmt.Errorf("%s is not a regular file", file)
	}
	f, err := root.Open(filepath.FromSlash(file))
	if err != nil {
		return &lock{file: file}, fmt.Errorf("%s cannot be read: %w", file, plainError(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxLock+1))
	if err != nil {
		return &lock{file: file}, fmt.Errorf("%s cannot be read: %w", file, plainError(err))
	}
	l, err := parseLock(file, b)
	return l, runner.WithHint(err, "correct it by hand, or restore it from git")
}

// plainError is err without the path, which may be long and of the machine.
func plainError(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// CheckLock compares a list of promises, the text of the named file, with an inventory.
// The error says what is wrong with the list, or why the two do not compare; a promise
// that does not hold is an entry of Drift, and no error.
func CheckLock(file string, text []byte, p *runner.Proofs) (runner.Lock, error) {
	l, err := parseLock(file, text)
	if err != nil {
		return runner.Lock{File: file}, runner.WithHint(err, "correct it by hand, or restore it from git")
	}
	return l.check(p)
}

// check compares promises with an inventory. The error says why they do not compare at
// all.
func (l *lock) check(p *runner.Proofs) (runner.Lock, error) {
	out := runner.Lock{File: l.file, Promised: l.names()}
	if len(l.list) == 0 {
		return out, nil
	}
	if len(p.Theorems) == 0 && !p.Complete {
		return out, fmt.Errorf("%s of %s cannot be compared: the theorems are not known", plural(len(l.list), "promise"), l.file)
	}
	if p.Scheme != l.scheme {
		return out, runner.WithHint(fmt.Errorf("the promises of %s cannot be compared: its hashes are of scheme %s, those of the inventory of %s", l.file, l.scheme, orNone(words(p.Scheme))), lockHint)
	}
	rejected := newRejections(p.Replay.Rejected)
	found := make(map[string][]*runner.Theorem, len(l.list))
	for i := range p.Theorems {
		if t := &p.Theorems[i]; l.promises(t.Name) {
			found[t.Name] = append(found[t.Name], t)
		}
	}
	for i := range l.list {
		pr := &l.list[i]
		// Of several private theorems of the name the best one counts.
		var drift *runner.Entry
		for _, t := range found[pr.name] {
			d := pr.drift(t, rejected)
			if d == nil {
				drift = nil
				break
			}
			if drift == nil || slices.Index(gravity, d.Change) > slices.Index(gravity, drift.Change) {
				drift = d
			}
		}
		if len(found[pr.name]) == 0 {
			drift = &runner.Entry{Name: pr.name, Change: runner.Lost, Verdict: runner.Failure, Old: pr.statement, Reason: "is promised and does not exist"}
			if !p.Complete {
				drift.Change, drift.Verdict, drift.Reason = runner.Unchecked, runner.Error, "is promised and was not found; the inventory is not complete"
			}
		}
		if drift != nil {
			drift.File, drift.Line = l.file, pr.line
			out.Drift = append(out.Drift, *drift)
		}
	}
	sortEntries(out.Drift)
	return out, nil
}

// drift says how a theorem differs from what is promised; nil if it does not.
func (pr *promise) drift(t *runner.Theorem, rejected rejections) *runner.Entry {
	var changes []change
	add := func(what string, v runner.Verdict, reason string) { changes = append(changes, change{what, v, reason}) }
	if why, ok := rejected.of(t); ok {
		add(runner.KernelRejected, runner.Failure, "was rejected by the kernel: "+why)
	}
	switch {
	case t.Hash == "" || t.Meaning == "" && pr.meaning != "":
		add(runner.Unchecked, runner.Error, "is promised and cannot be compared: the inventory has no hash of it")
	case t.Hash != pr.hash:
		add(runner.Changed, runner.Failure, "states something else than is promised")
	case t.Meaning != pr.meaning:
		add(runner.Redefined, runner.Failure, "has the promised words, but a definition below them changed")
	}
	var more []string
	for _, a := range t.Axioms {
		if a != sorryAxiom && !slices.Contains(pr.axioms, a) {
			more = append(more, a)
		}
	}
	switch {
	case t.Kind != "theorem":
		add(runner.NewAxiom, runner.Failure, "is an "+t.Kind+" and promised as a theorem")
	case len(more) > 0 && !slices.ContainsFunc(more, func(a string) bool { return !native(a) }):
		add(runner.NewNative, runner.Failure, "rests on native evaluation (axiom "+some(more, 3)+"), which is not promised")
	case len(more) > 0:
		add(runner.NewAxiom, runner.Failure, "rests on "+choose(len(more), "axiom ", "axioms ")+some(more, 3)+", which the promise does not list")
	}
	if t.Sorry() {
		add(runner.NewSorry, runner.Failure, "rests on sorry")
	}
	if t.Verdict == runner.Error {
		add(runner.Unchecked, runner.Error, "is promised and could not be judged: "+t.Reason)
	}
	if len(changes) == 0 {
		return nil
	}
	c := comparison{}
	c.enter(runner.Entry{Name: pr.name}, changes)
	e := c.filed[0].Entry
	if !samePrint(pr.statement, t.Statement) {
		e.Old, e.New = cut(pr.statement, maxStatement), cut(t.Statement, maxStatement)
	}
	return &e
}

// LockUpdate says what to change in a list of promises.
type LockUpdate struct {
	Add    []string // names to promise
	Remove []string // names to promise no longer
	All    bool     // promise every theorem that holds
}

// WriteLock brings a list of promises up to date with an inventory: every promise that
// is in it, and those that u adds, get the statement, the meaning and the axioms of their
// theorem. old is the file as it is, named file in errors, or nil. What changed is told
// in words, a line or more each; old and text are equal if it is empty, but for their
// layout. Nothing is promised that does not hold: then the error names every such
// theorem, and there is no text.
func WriteLock(file string, old []byte, p *runner.Proofs, u LockUpdate) (text []byte, changes []string, err error) {
	l := &lock{file: file, byName: map[string]int{}}
	if old != nil {
		if l, err = parseLock(file, old); err != nil {
			return nil, nil, runner.WithHint(err, "correct %s by hand, or restore it from git", file)
		}
	}
	switch {
	case !p.Complete:
		return nil, nil, runner.WithHint(errors.New("the inventory of theorems is not complete, so nothing can be promised"), "holdfast proofs says what is missing")
	case !schemeText(p.Scheme):
		return nil, nil, errors.New("the inventory has no hashes, so nothing can be promised")
	case l.scheme != "" && l.scheme != p.Scheme:
		changes = append(changes, fmt.Sprintf("hashes: %s → %s", l.scheme, p.Scheme))
	}
	l.scheme = p.Scheme
	byName := make(map[string][]*runner.Theorem, len(p.Theorems))
	for i := range p.Theorems {
		byName[p.Theorems[i].Name] = append(byName[p.Theorems[i].Name], &p.Theorems[i])
	}
	var errs []error
	gone := map[string]bool{}
	for _, n := range u.Remove {
		if !l.promises(n) {
			errs = append(errs, fmt.Errorf("%s is not promised", oneLine(n)))
		} else if !gone[n] {
			gone[n] = true
			changes = append(changes, "promises no longer: "+n)
		}
	}
	l.list = slices.DeleteFunc(l.list, func(pr promise) bool { return gone[pr.name] })
	there := map[string]bool{}
	for i := range l.list {
		pr := &l.list[i]
		there[pr.name] = true
		now, err := promiseOf(pr.name, byName[pr.name])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", file, pr.line, err))
			continue
		}
		changes = append(changes, pr.changed(now)...)
		now.line, now.comments = pr.line, pr.comments
		*pr = now
	}
	add := u.Add
	if u.All {
		add = slices.Clone(add)
		for i := range p.Theorems {
			if t := &p.Theorems[i]; t.Kind == "theorem" && t.Verdict == runner.Success && t.Hash != "" && len(byName[t.Name]) == 1 && nameText(t.Name) {
				add = append(add, t.Name)
			}
		}
	}
	for _, n := range add {
		if there[n] {
			continue
		}
		there[n] = true
		pr, err := promiseOf(n, byName[n])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		changes = append(changes, "promises: "+n)
		l.list = append(l.list, pr)
	}
	if len(l.list) > maxPromises {
		errs = append(errs, fmt.Errorf("more than %d promises", maxPromises))
	}
	if len(errs) > 0 {
		hint := "a theorem must exist and hold to be promised"
		if slices.ContainsFunc(l.list, func(pr promise) bool { return pr.line > 0 && len(byName[pr.name]) == 0 }) {
			hint = "holdfast proofs lock --remove NAME… takes promises back"
		}
		return nil, nil, runner.WithHint(joinSome(errs), "%s", hint)
	}
	text = l.format()
	// The strict reader has the last word on what may be written.
	if _, err := parseLock(file, text); err != nil {
		return nil, nil, fmt.Errorf("cannot be written: %w", err)
	}
	return text, changes, nil
}

// promiseOf makes the promise of the theorem of that name, if it holds.
func promiseOf(name string, ts []*runner.Theorem) (promise, error) {
	if len(ts) == 0 {
		return promise{}, fmt.Errorf("%s does not exist", oneLine(name))
	}
	if len(ts) > 1 {
		return promise{}, fmt.Errorf("%s is the name of %d theorems, first in %s and %s", oneLine(name), len(ts), ts[0].File, ts[1].File)
	}
	switch t := ts[0]; {
	case t.Kind != "theorem":
		return promise{}, fmt.Errorf("%s is an %s", oneLine(name), t.Kind)
	case t.Verdict != runner.Success:
		return promise{}, fmt.Errorf("%s does not hold: it %s", oneLine(name), dash(t.Reason))
	case t.Hash == "":
		return promise{}, fmt.Errorf("%s has no hash of its statement", oneLine(name))
	case !nameText(name):
		return promise{}, fmt.Errorf("the name %q cannot be written", cut(name, 80))
	default:
		axioms := slices.Clone(t.Axioms)
		slices.Sort(axioms)
		statement := make([]string, 0, 4)
		for line := range strings.SplitSeq(strings.TrimSpace(t.Statement), "\n") {
			statement = append(statement, strings.TrimRight(visible(line), " \t"))
		}
		return promise{hash: t.Hash, meaning: t.Meaning, axioms: slices.Compact(axioms), name: name, statement: cut(strings.Join(statement, "\n"), maxStatement)}, nil
	}
}

// changed says in words what is new in a promise.
func (pr *promise) changed(now promise) (list []string) {
	if pr.hash != now.hash {
		s := pr.name + ": the statement changed"
		if !samePrint(pr.statement, now.statement) && pr.statement != "" {
			s += "\n  was: " + oneLine(pr.statement) + "\n  now: " + oneLine(now.statement)
		}
		list = append(list, s)
	} else if pr.meaning != now.meaning {
		list = append(list, pr.name+": a definition below the statement changed")
	}
	if !slices.Equal(pr.axioms, now.axioms) {
		list = append(list, fmt.Sprintf("%s: axioms %s → %s", pr.name, orNone(pr.axioms), orNone(now.axioms)))
	}
	return list
}

// joinSome joins the first of many errors.
func joinSome(errs []error) error {
	if n := len(errs); n > maxLockFault {
		errs = append(slices.Clip(errs[:maxLockFault]), fmt.Errorf("and %d more", n-maxLockFault))
	}
	return errors.Join(errs...)
}
