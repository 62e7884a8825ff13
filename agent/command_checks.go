package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/holdfast-ci/holdfast/checks"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// cmdChecks runs the checks stage on a working tree, or does something with its rules. A
// folder that is called explain, test or new is ./explain and so on.
func cmdChecks(ctx context.Context, e *env, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "explain":
			return cmdExplain(ctx, e, args[1:])
		case "test":
			return cmdTestRules(ctx, e, args[1:])
		case "new":
			return cmdNewRule(ctx, e, args[1:])
		}
	}
	return stageCommand(runner.StageChecks)(ctx, e, args)
}

func cmdExplain(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "checks explain", "[flags] ID [DIR]")
	var s selection
	s.registerTree(fs)
	if err := parse(fs, args, 2); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return &usageError{"no rule named", "holdfast checks explain ID; holdfast checks --json - lists the rules"}
	}
	_, repo, dir, err := s.tree(e, fs.Arg(1))
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "holdfast-explain-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	ws := &runner.Workspace{Dir: dir, Scratch: filepath.Join(tmp, "scratch"), Logs: filepath.Join(tmp, "logs"), Trusted: true}
	if err := prepare(ws, e.environ); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, repo.Checks.Limit)
	defer cancel()
	x, err := checks.New(checksConfig(repo.Checks)).Explain(ctx, ws, fs.Arg(0))
	var none *checks.ErrNoRule
	if errors.As(err, &none) {
		return &usageError{report.Line(err.Error()), report.Line(none.Hint())}
	}
	if err != nil {
		return ruleMistakes(err)
	}
	explain(e.stdout, x)
	switch x.Result.Outcome {
	case runner.Fail:
		return &verdictError{runner.Failure}
	case runner.Pass, runner.Warn, runner.Skip:
		return nil
	}
	return &verdictError{runner.Error}
}

// maxListed is how many files or functions an explanation lists.
const maxListed = 20

func explain(w io.Writer, x *checks.Explanation) {
	r, line := &x.Result, report.Line
	fmt.Fprintf(w, "%s  %s\n", line(r.ID), line(r.Title))
	if r.Source != "" {
		fmt.Fprintf(w, "written in %s\n", line(r.Source))
	}
	for para := range strings.SplitSeq(strings.TrimSpace(r.Doc), "\n") {
		if strings.TrimSpace(para) != "" {
			fmt.Fprintf(w, "  %s\n", line(para))
		}
	}
	if x.Program {
		fmt.Fprintln(w, "a result of a program: only the program knows what it looked at")
	} else {
		fmt.Fprintf(w, "\nkind %s", line(x.Rule.Kind))
		if x.Scopes != nil {
			fmt.Fprintf(w, " in %s", line(x.Rule.In.String()))
		}
		fmt.Fprintln(w)
		for _, s := range x.Rule.Settings() {
			fmt.Fprintf(w, "  %s\n", line(s))
		}
		fmt.Fprintf(w, "\nfiles (%d) of %s\n", len(x.Files), line(strings.Join(x.Rule.Files, ", ")))
		for _, f := range x.Files[:min(len(x.Files), maxListed)] {
			fmt.Fprintf(w, "  %s\n", line(f))
		}
		more(w, len(x.Files))
		if x.Scopes != nil {
			fmt.Fprintf(w, "scopes (%d)\n", len(x.Scopes))
			for _, s := range x.Scopes[:min(len(x.Scopes), maxListed)] {
				fmt.Fprintf(w, "  %s:%d: %s\n", line(s.File), s.Line, line(s.Text))
			}
			more(w, len(x.Scopes))
		}
	}
	fmt.Fprintf(w, "\n%s: %s\n", strings.ToUpper(line(r.Outcome)), line(r.Reason))
	if r.Ack != nil {
		fmt.Fprintf(w, "acknowledged by %s until %s: %s\n", line(r.Ack.Owner), line(r.Ack.Until), line(r.Ack.Reason))
	}
	for i := range r.Evidence {
		v := &r.Evidence[i]
		fmt.Fprintf(w, "%s:%d:%d", line(v.File), v.Line, v.Column)
		if v.Note != "" {
			fmt.Fprintf(w, ": %s", line(v.Note))
		}
		fmt.Fprintf(w, "\n%s", report.Frame(v))
	}
	if x.Cut > 0 {
		fmt.Fprintf(w, "and %d more\n", x.Cut)
	}
}

func more(w io.Writer, n int) {
	if n > maxListed {
		fmt.Fprintf(w, "  and %d more\n", n-maxListed)
	}
}

// ruleMistakes makes mistakes of rule files one error that names all of them.
func ruleMistakes(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	hint := "mend the rule files first"
	var texts []string
	for _, one := range joined.Unwrap() {
		texts = append(texts, report.Line(one.Error()))
		if h := hintOf(one); h != "" && len(texts) == 1 {
			hint = report.Line(h)
		}
	}
	return &usageError{strings.Join(texts, "\n"), hint}
}

func cmdTestRules(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "checks test", "[flags] [DIR]")
	var s selection
	s.registerTree(fs)
	strict := fs.Bool("strict", false, "a rule without good or without bad fixtures is a failure")
	if err := parse(fs, args, 1); err != nil {
		return err
	}
	_, repo, dir, err := s.tree(e, fs.Arg(0))
	if err != nil {
		return err
	}
	list, strays, err := checks.New(checksConfig(repo.Checks)).Test(ctx, dir)
	if err != nil {
		return ruleMistakes(err)
	}
	if len(list) == 0 {
		fmt.Fprintln(e.stdout, "there are no rules")
		return &verdictError{runner.Error}
	}
	verdict := runner.Success
	ok, wrong, missing := 0, 0, 0
	for _, f := range list {
		id := report.Line(f.ID)
		switch {
		case len(f.Wrong) > 0:
			wrong++
			for _, text := range f.Wrong {
				fmt.Fprintf(e.stdout, "FAIL     %s: %s\n", id, report.Line(path.Join(f.Dir, text)))
			}
		case len(f.Missing) > 0:
			missing++
		default:
			ok++
			if f.Dir != "" {
				fmt.Fprintf(e.stdout, "ok       %s: %d good, %d bad\n", id, f.Good, f.Bad)
			}
		}
		if len(f.Missing) > 0 {
			fmt.Fprintf(e.stdout, "missing  %s: nothing %s in %s\n", id, strings.Join(f.Missing, " and nothing "), report.Line(f.Dir))
		}
	}
	for _, s := range strays {
		fmt.Fprintf(e.stdout, "FAIL     %s: fixtures of no rule\n", report.Line(s))
	}
	fmt.Fprintf(e.stdout, "%d rules: %d as they should be, %d wrong, %d without both kinds of fixtures\n", len(list), ok, wrong, missing)
	if wrong > 0 || len(strays) > 0 || *strict && missing > 0 {
		verdict = runner.Failure
	}
	return asError(verdict)
}
