package checks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// Folders of fixtures, beside a rule file without its ".toml": of the rule ST.001 in
// holdfast.rules.toml
//
//	holdfast.rules/ST.001/good/*    must pass
//	holdfast.rules/ST.001/bad/*     must be a violation
//
// A file there is judged alone, whatever the rule's files say; a folder is a small
// checkout, and files and exclude hold in it.
const (
	fixturesGood = "good"
	fixturesBad  = "bad"
)

// FixtureDir is the folder with the fixtures of a rule, relative to the checkout. ruleFile
// is the file that the rule is written in; agent.toml's rules have theirs beside
// [DefaultRuleFile]. It is "" for an id that cannot be the name of a folder there.
func FixtureDir(ruleFile, id string) string {
	if !filepath.IsLocal(filepath.FromSlash(id)) || path.Clean(id) != id || id == "." {
		return ""
	}
	if path.Ext(ruleFile) != ".toml" || path.Base(ruleFile) == "agent.toml" {
		ruleFile = DefaultRuleFile
	}
	return path.Join(strings.TrimSuffix(ruleFile, ".toml"), id)
}

// hideFixtures takes the fixtures of rules out of the files of a checkout: what is bad on
// purpose is no violation. Nothing else in those folders is hidden.
func (t *tree) hideFixtures(rules []*compiled) {
	var hidden []string
	for _, c := range rules {
		file, _ := splitSource(c.Source)
		if dir := FixtureDir(file, strings.TrimSuffix(c.ID, onHead)); dir != "" && !ofPack(c.Source) {
			hidden = append(hidden, path.Join(dir, fixturesGood)+"/", path.Join(dir, fixturesBad)+"/")
		}
	}
	t.files = slices.DeleteFunc(t.files, func(f string) bool {
		return slices.ContainsFunc(hidden, func(dir string) bool { return strings.HasPrefix(f, dir) })
	})
}

// Fixtures is what the fixtures of one rule told.
type Fixtures struct {
	ID        string
	Dir       string // of the fixtures, relative to the checkout; "" for a kind that has none
	Good, Bad int    // fixtures that did what they should
	Wrong     []string
	Missing   []string // "good", "bad": there is none
}

// Test judges every rule on its fixtures, in the order of the rules. strays are fixtures
// of no rule. The error is for rule files with mistakes and for what cannot be read.
func (s *Stage) Test(ctx context.Context, dir string) (list []Fixtures, strays []string, err error) {
	t, set, err := s.open(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	defer t.root.Close()
	dirs := map[string]bool{}
	for _, c := range set.rules {
		f := Fixtures{ID: c.ID}
		switch {
		case c.Kind == "aggregate", c.Kind == "info": // they look at no source
		case ofPack(c.Source): // tested with this program
		default:
			file, _ := splitSource(c.Source)
			if f.Dir = FixtureDir(file, c.ID); f.Dir != "" {
				dirs[f.Dir] = true
			}
			if err := f.run(ctx, t, c); err != nil {
				return nil, nil, err
			}
		}
		list = append(list, f)
	}
	strays, err = t.strays(dirs)
	return list, strays, err
}

// run judges the fixtures of one rule.
func (f *Fixtures) run(ctx context.Context, t *tree, c *compiled) error {
	if f.Dir == "" {
		f.Wrong = append(f.Wrong, "its id cannot be the name of a folder")
		return nil
	}
	for _, side := range []string{fixturesGood, fixturesBad} {
		n := 0
		entries, err := t.folder(path.Join(f.Dir, side))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("fixtures of %s: %w", c.ID, plain(err))
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				continue
			}
			n++
			why, err := t.fixture(ctx, c, path.Join(f.Dir, side), e, side == fixturesGood)
			switch {
			case err != nil:
				return err
			case why != "":
				f.Wrong = append(f.Wrong, path.Join(side, e.Name())+" "+why)
			case side == fixturesGood:
				f.Good++
			default:
				f.Bad++
			}
		}
		if n == 0 {
			f.Missing = append(f.Missing, side)
		}
	}
	return nil
}

func (t *tree) folder(name string) ([]fs.DirEntry, error) {
	d, err := t.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// fixture judges one fixture. It returns why it does not do what it should, "" if it does.
func (t *tree) fixture(ctx context.Context, c *compiled, dir string, e fs.DirEntry, good bool) (string, error) {
	at := dir
	if e.IsDir() {
		at = path.Join(dir, e.Name())
	}
	root, err := t.root.OpenRoot(at)
	if err != nil {
		return "", fmt.Errorf("fixture %s: %w", at, plain(err))
	}
	defer root.Close()
	sub := &tree{root: root}
	one := *c
	if e.IsDir() {
		if err := sub.list(ctx, false); err != nil {
			return "", err
		}
	} else {
		if c.Kind == KindExists {
			return "is a file: kind exists looks at names, so its fixtures are folders", nil
		}
		any, err := parseGlob("**/*")
		if err != nil {
			return "", err
		}
		sub.files, one.files, one.exclude = []string{e.Name()}, []*glob{any}, nil
	}
	rows, err := judgeAll(ctx, sub, []*compiled{&one}, nil)
	if err != nil {
		return "", err
	}
	r := rows[0]
	switch violation := r.Outcome == runner.Fail || r.Outcome == runner.Warn; {
	case good && r.Outcome == runner.Pass, !good && violation:
		return "", nil
	case r.Outcome == runner.RuleError, r.Outcome == runner.Skip:
		return fmt.Sprintf("could not be told (%s): %s", r.Outcome, r.Reason), nil
	case good:
		why := "is a violation: " + r.Reason
		if len(r.Evidence) > 0 {
			why += fmt.Sprintf(" (line %d)", r.Evidence[0].Line)
		}
		return why, nil
	default:
		return "passes: " + r.Reason, nil
	}
}

// strays are folders of fixtures that belong to no rule: the rule was renamed or removed.
func (t *tree) strays(dirs map[string]bool) ([]string, error) {
	var out []string
	roots := map[string]bool{}
	for d := range dirs {
		roots[path.Dir(d)] = true
	}
	for root := range roots {
		entries, err := t.folder(root)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("fixtures in %s: %w", root, plain(err))
		}
		for _, e := range entries {
			name := path.Join(root, e.Name())
			if !e.IsDir() || dirs[name] || slices.ContainsFunc(keys(dirs), func(d string) bool { return strings.HasPrefix(d, name+"/") }) {
				continue
			}
			for _, side := range []string{fixturesGood, fixturesBad} {
				if fi, err := t.root.Stat(path.Join(name, side)); err == nil && fi.IsDir() {
					out = append(out, name)
					break
				}
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

func keys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}
