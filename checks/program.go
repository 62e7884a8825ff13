package checks

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// Program is a check program of the watched repository. Every id that it prints becomes
// a rule whose Source is the program's name.
type Program struct {
	Name    string        // unique; names its log and its rules
	Command []string      // program and arguments; with a slash, relative to Dir
	Dir     string        // relative to the checkout; "" is the checkout itself
	Limit   time.Duration // wall time; 0 means 5 minutes
	Format  string        // "lines" (default): [PASS] id: message; "json": results as JSON on standard output
}

const (
	defaultLimit = 5 * time.Minute
	// maxOutput bounds what is kept of a program's standard output.
	maxOutput = 32 << 20
)

// capture keeps the start of a stream and notes whether there was more.
type capture struct {
	text []byte
	over bool
}

func (c *capture) Write(p []byte) (int, error) {
	if room := maxOutput - len(c.text); room < len(p) {
		c.text, c.over = append(c.text, p[:room]...), true
	} else {
		c.text = append(c.text, p...)
	}
	return len(p), nil
}

// run runs the program and returns its results as rows. What cannot be trusted about
// them is a row of its own, with outcome error and the program's name as id.
func (p Program) run(ctx context.Context, ws *runner.Workspace, t *tree) []row {
	exit, out, err := p.exec(ctx, ws)
	if err != nil {
		return []row{p.errorRow(relative(err.Error(), ws.Dir))}
	}
	var cs []check
	if p.Format == "json" {
		cs, err = parseJSON(out.text)
	} else {
		cs, err = parseLines(string(out.text) + "\n" + exit.Stderr.String())
	}
	rows := p.rows(cs, ws.Dir, t)
	var wrong []string
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	if out.over {
		wrong = append(wrong, fmt.Sprintf("it printed more than %d MiB", maxOutput>>20))
	}
	if why := disagreement(exit, rows); why != "" {
		if last := cut(uncoloured(exit.Stderr.LastLine()), 200); last != "" && !exit.OK() {
			why += ": " + last
		}
		wrong = append(wrong, why)
	}
	if len(wrong) > 0 {
		rows = append(rows, p.errorRow(strings.Join(wrong, "; ")))
	}
	return rows
}

func (p Program) exec(ctx context.Context, ws *runner.Workspace) (proc.Exit, *capture, error) {
	if len(p.Command) == 0 {
		return proc.Exit{}, nil, errors.New("no command is configured")
	}
	dir := ws.Dir
	if p.Dir != "" {
		if !filepath.IsLocal(p.Dir) {
			return proc.Exit{}, nil, fmt.Errorf("its folder %s is outside of the checkout", p.Dir)
		}
		dir = filepath.Join(ws.Dir, p.Dir)
		if real, err := filepath.EvalSymlinks(dir); err != nil {
			return proc.Exit{}, nil, fmt.Errorf("its folder %s: %w", p.Dir, plain(err))
		} else if !within(ws.Dir, real) {
			return proc.Exit{}, nil, fmt.Errorf("its folder %s is outside of the checkout", p.Dir)
		}
	}
	limit := p.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	out := &capture{}
	name := strings.Map(func(r rune) rune {
		if r == '/' || r < ' ' {
			return '-'
		}
		return r
	}, p.Name)
	exit, err := ws.Exec(ctx, "checks-"+name, proc.Cmd{Args: p.Command, Dir: dir, Limit: limit, Stdout: out})
	return exit, out, err
}

// within reports whether path lies in dir. Both are absolute; links in dir are followed.
func within(dir, path string) bool {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// disagreement compares how the program ended with what it printed. It is "" if both
// tell the same.
func disagreement(exit proc.Exit, rows []row) string {
	judged, failed := 0, 0
	for _, r := range rows {
		if r.Outcome != runner.Skip {
			judged++
		}
		if r.Outcome == runner.Fail || r.Outcome == runner.RuleError {
			failed++
		}
	}
	switch {
	case exit.TimedOut, exit.Stopped, exit.Signal != 0:
		return "it was " + exit.String() + ", so there may be more results"
	case judged == 0 && exit.OK():
		return "it printed no check result"
	case judged == 0:
		return "it printed no check result and ended with " + exit.String()
	case exit.OK() && failed > 0:
		return fmt.Sprintf("it ended with exit code 0 although %s failed", plural(failed, "check"))
	case !exit.OK() && failed == 0:
		return "it ended with " + exit.String() + " although no check failed"
	}
	return ""
}

func (p Program) errorRow(reason string) row {
	return row{Rule: runner.Rule{ID: p.Name, Title: "program " + p.Name, Outcome: runner.RuleError, Reason: reason, Source: p.Name}}
}

// severity orders outcomes by what a reader must hear first.
func severity(outcome string) int {
	switch outcome {
	case runner.Fail:
		return 5
	case runner.RuleError:
		return 4
	case runner.Warn:
		return 3
	case runner.Pass:
		return 2
	}
	return 1
}

// rows makes one row an id, in the order in which ids first appear. An id that is printed
// several times has its worst outcome.
func (p Program) rows(cs []check, dir string, t *tree) []row {
	var rows []row
	var times []map[string]int
	index := map[string]int{}
	text := t.lines()
	for _, c := range cs {
		// The folder of this run would make two equal results look different.
		c.id, c.message = relative(c.id, dir), relative(c.message, dir)
		i, ok := index[c.id]
		if !ok {
			i = len(rows)
			index[c.id] = i
			rows = append(rows, row{Rule: runner.Rule{ID: c.id, Title: c.id, Outcome: c.outcome, Reason: c.message, Source: p.Name}})
			times = append(times, map[string]int{})
		}
		r := &rows[i]
		times[i][c.outcome]++
		if severity(c.outcome) > severity(r.Outcome) {
			r.Outcome, r.Reason = c.outcome, c.message
		}
		file := inside(dir, c.file)
		switch {
		case c.file == "":
		case file == "" || c.line == 0:
			if c.outcome != runner.Pass && !strings.Contains(r.Reason, c.file) {
				r.Reason = strings.TrimPrefix(r.Reason+" ("+cut(c.file, 200)+")", " ")
			}
		default:
			r.Evidence = append(r.Evidence, runner.Evidence{File: file, Line: c.line, Column: max(1, c.column), Text: text(file, c.line)})
		}
	}
	for i := range rows {
		n := 0
		for _, k := range times[i] {
			n += k
		}
		if n > 1 {
			var parts []string
			for _, o := range []string{runner.Fail, runner.RuleError, runner.Warn, runner.Pass, runner.Skip} {
				if k := times[i][o]; k > 0 {
					parts = append(parts, fmt.Sprintf("%d %s", k, o))
				}
			}
			rows[i].Reason = strings.TrimSuffix(fmt.Sprintf("%d results (%s): %s", n, strings.Join(parts, ", "), rows[i].Reason), ": ")
		}
		if rows[i].Reason == "" {
			rows[i].Reason = "as the program says"
		}
	}
	return rows
}

// relative takes the checkout's folder out of paths in a text.
func relative(s, dir string) string {
	return strings.ReplaceAll(s, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator), "")
}

// inside turns a path that a program printed into one relative to the checkout, "" if it
// is not inside.
func inside(dir, name string) string {
	if name == "" {
		return ""
	}
	if filepath.IsAbs(name) {
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return ""
		}
		name = rel
	}
	name = path.Clean(filepath.ToSlash(name))
	if !filepath.IsLocal(name) {
		return ""
	}
	return name
}
