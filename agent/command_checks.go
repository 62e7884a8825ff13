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

// words is a flag that may be given several times.
type words []string

func (l *words) String() string     { return strings.Join(*l, ", ") }
func (l *words) Set(s string) error { *l = append(*l, s); return nil }

// count is a flag whose absence means something.
type count struct{ n *int }

func (c *count) String() string {
	if c.n == nil {
		return ""
	}
	return fmt.Sprint(*c.n)
}

func (c *count) Set(s string) error {
	var n int
	if _, err := fmt.Sscanf(s, "%d", &n); err != nil || fmt.Sprint(n) != s {
		return fmt.Errorf("%q is not a number", s)
	}
	c.n = &n
	return nil
}

func cmdNewRule(_ context.Context, e *env, args []string) error {
	fs := flags(e, "checks new", "[flags] ID [DIR]")
	var r checks.Rule
	var files, exclude, patterns, tokens words
	var least, most count
	file := fs.String("file", checks.DefaultRuleFile, "rule `FILE`, relative to DIR; made if there is none")
	fs.StringVar(&r.Kind, "kind", checks.KindAbsent, "`KIND` of the rule: what it asks for")
	fs.StringVar(&r.Title, "title", "", "what holds, in one sentence: a `TEXT`")
	fs.StringVar(&r.Doc, "doc", "", "why the rule is there, and what to do about a violation: a `TEXT`")
	fs.Var(&files, "files", "`GLOB` of files; may be given several times")
	fs.Var(&exclude, "exclude", "`GLOB` of files that are left out; may be given several times")
	fs.Var(&patterns, "pattern", "`REGEXP`; may be given several times")
	fs.Var(&tokens, "tokens", "`CODE` to look for, blanks and comments do not count; may be given several times")
	fs.StringVar(&r.In.Function, "in", "", "only in the body of this `FUNCTION`")
	fs.StringVar(&r.Severity, "severity", "", "`SEVERITY` of a violation, fail (default) or warn")
	fs.Var(&least, "min", "at least `N` matches, or files")
	fs.Var(&most, "max", "at most `N` matches, or files")
	if err := parse(fs, args, 2); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return &usageError{"a rule needs an id", `for example: holdfast checks new --files "src/**/*.mm" --pattern '\bwaitUntilCompleted\b' ST.001`}
	}
	dir, err := realDir(fs.Arg(1))
	if err != nil {
		return err
	}
	r.ID, r.Files, r.Exclude, r.Tokens, r.Min, r.Max = fs.Arg(0), files, exclude, checks.Strings(tokens), least.n, most.n
	if len(patterns) == 1 {
		r.Pattern = patterns[0]
	} else {
		r.Patterns = patterns
	}
	text, err := checks.Skeleton(r)
	if err != nil {
		return ruleMistakes(err)
	}
	if !filepath.IsLocal(*file) || path.Ext(*file) != ".toml" {
		return &usageError{fmt.Sprintf("--file %s", *file), "a .toml file inside DIR"}
	}
	return writeRule(e, dir, filepath.ToSlash(*file), r, text)
}

// writeRule adds a rule to a rule file and makes first fixtures, or changes nothing: what
// is there already is never written over.
func writeRule(e *env, dir, file string, r checks.Rule, text string) error {
	name := filepath.Join(dir, filepath.FromSlash(file))
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(old) > 0 {
		set, err := checks.Load(file, old)
		if err != nil {
			return ruleMistakes(err)
		}
		for _, have := range set.Rules {
			if have.ID == r.ID {
				return &usageError{fmt.Sprintf("the rule %s is there already, at %s", r.ID, have.Source), "give the new one another id"}
			}
		}
		text = strings.TrimRight(string(old), "\n") + "\n\n" + text
	}
	fixtures := checks.FixtureDir(file, r.ID)
	if fixtures == "" {
		return &usageError{fmt.Sprintf("the id %s cannot be the name of a folder", r.ID), "letters, digits, dots and dashes are good ids"}
	}
	if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(fixtures))); err == nil {
		return &usageError{fmt.Sprintf("the folder %s is there already", fixtures), "move it away: it would be tested with the new rule"}
	}
	if _, err := checks.Load(file, []byte(text)); err != nil {
		return ruleMistakes(err)
	}
	made := []string{file}
	for _, side := range []string{"good", "bad"} {
		at := path.Join(fixtures, side)
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(at)), 0o755); err != nil {
			return err
		}
		example, content := checks.Example(r, side == "good")
		at = path.Join(at, example)
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(at)), []byte(content), 0o644); err != nil {
			return err
		}
		made = append(made, at)
	}
	if err := writeOut(e, name, []byte(text)); err != nil {
		return err
	}
	for _, m := range made {
		fmt.Fprintf(e.stdout, "wrote %s\n", report.Line(m))
	}
	fmt.Fprintln(e.stdout, "next: write the two fixtures, then holdfast checks test")
	return nil
}
