package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/holdfast-ci/holdfast/checks"
	"github.com/holdfast-ci/holdfast/report"
)

// words is a flag that may be given several times.
type words []string

func (l *words) String() string { return strings.Join(*l, ", ") }

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
