package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/holdfast-ci/holdfast/proofs"
	"github.com/holdfast-ci/holdfast/runner"
)

// cmdProofs runs the proofs stage on a working tree, or writes its list of promises. A
// folder that is called lock is ./lock.
func cmdProofs(ctx context.Context, e *env, args []string) error {
	if len(args) > 0 && args[0] == "lock" {
		return cmdLock(ctx, e, args[1:])
	}
	return stageCommand(runner.StageProofs)(ctx, e, args)
}

// lockRun is one call of holdfast proofs lock.
type lockRun struct {
	path   string // of the list
	name   string // relative to the checkout, for messages
	check  bool
	update proofs.LockUpdate
}

func cmdLock(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "proofs lock", "[flags] [DIR] [NAME…]")
	var s selection
	s.registerTree(fs)
	all := fs.Bool("all", false, "promise every theorem that holds")
	remove := fs.Bool("remove", false, "take the promises of the named theorems back")
	check := fs.Bool("check", false, "write nothing, say whether the promises hold")
	quiet := fs.Bool("quiet", false, "print no progress")
	if err := parse(fs, args, len(args)); err != nil {
		return err
	}
	// The first argument is DIR if there is such a folder, a theorem otherwise.
	names, at := fs.Args(), ""
	if len(names) > 0 {
		if fi, err := os.Stat(names[0]); err == nil && fi.IsDir() || strings.ContainsRune(names[0], filepath.Separator) {
			at, names = names[0], names[1:]
		}
	}
	const hint = "holdfast proofs lock -h tells the usage"
	switch {
	case *check && (*all || *remove || len(names) > 0):
		return &usageError{"--check looks at the whole list and changes nothing", hint}
	case *remove && *all:
		return &usageError{"--all and --remove contradict each other", hint}
	case *remove && len(names) == 0:
		return &usageError{"no theorem named whose promise to take back", hint}
	}
	cfg, repo, dir, err := s.tree(e, at)
	if err != nil {
		return err
	}
	l := lockRun{name: repo.Proofs.Lock, check: *check, update: proofs.LockUpdate{Add: names, All: *all}}
	l.path = filepath.Join(dir, filepath.FromSlash(l.name))
	if *remove {
		l.update.Add, l.update.Remove = nil, names
	}
	old, err := l.read()
	switch {
	case err != nil:
		return err
	case old == nil && (*check || *remove):
		return &usageError{"there is no " + l.name, "holdfast proofs lock NAME… makes one"}
	case old == nil && !*all && len(names) == 0:
		return &usageError{fmt.Sprintf("there is no %s, and no theorem to promise is named", l.name), "name theorems, or promise every one with --all"}
	}
	res, _, tmp, err := stageRun{cfg: cfg, repo: repo, stage: runner.StageProofs, dir: dir, quiet: *quiet}.execute(ctx, e)
	if err != nil {
		return err
	}
	if err := l.conclude(e, old, res); err != nil {
		return err
	}
	return os.RemoveAll(tmp)
}

// read is the list as it is, nil if there is none.
func (l lockRun) read() ([]byte, error) {
	fi, err := os.Stat(l.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err == nil && !fi.Mode().IsRegular():
		err = fmt.Errorf("%s is not a regular file", l.name)
	}
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(l.path)
	return slices.Clip(append([]byte{}, b...)), err
}

// conclude checks or writes the list by what the proofs stage told.
func (l lockRun) conclude(e *env, old []byte, res runner.Result) error {
	p := res.Proofs
	if p == nil || !p.Complete {
		// An incomplete inventory may lack the very theorem; the stage's reason says why.
		return runner.WithHint(fmt.Errorf("the list of theorems is not complete, so %s is left alone: %s", l.name, res.Reason), "%s", res.Hint)
	}
	if l.check {
		return l.verify(e, old, p)
	}
	text, changes, err := proofs.WriteLock(l.name, old, p, l.update)
	if err != nil {
		fmt.Fprintf(e.stderr, "error: %v\n", err)
		if hint := hintOf(err); hint != "" {
			fmt.Fprintf(e.stderr, "hint: %s\n", hint)
		}
		return &verdictError{runner.Failure}
	}
	for _, c := range changes {
		fmt.Fprintln(e.stdout, c)
	}
	n := len(changes)
	if bytes.Equal(text, old) {
		fmt.Fprintf(e.stdout, "%s is up to date\n", l.name)
		return nil
	}
	if err := writeOut(e, l.path, text); err != nil {
		return err
	}
	if n == 0 {
		fmt.Fprintf(e.stdout, "%s: printed statements or layout brought up to date\n", l.name)
		return nil
	}
	fmt.Fprintf(e.stdout, "%s: %s; review and commit it\n", l.name, plural(n, "change"))
	return nil
}

// verify says whether the promises hold.
func (l lockRun) verify(e *env, old []byte, p *runner.Proofs) error {
	found, err := proofs.CheckLock(l.name, old, p)
	if err != nil {
		return err
	}
	verdict := runner.Success
	for _, d := range found.Drift {
		fmt.Fprintf(e.stdout, "%s:%d: %s %s\n", l.name, d.Line, d.Name, shown(d.Reason))
		if d.Old != "" && d.New != "" {
			fmt.Fprintf(e.stdout, "  was: %s\n  now: %s\n", shown(d.Old), shown(d.New))
		}
		verdict = runner.Worst(verdict, d.Verdict)
	}
	n := len(found.Promised)
	if verdict == runner.Success {
		fmt.Fprintf(e.stdout, "%s: %s\n", l.name, plural(n, "promise holds", "promises hold"))
		return nil
	}
	of := fmt.Sprintf("of %d ", n)
	fmt.Fprintf(e.stdout, "%s: %s not hold\n", l.name, plural(len(found.Drift), of+"does", of+"do"))
	return &verdictError{verdict}
}

// shown is hostile text on one line of a terminal.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
}
