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
	// Format says what it prints: "lines" (default) is [PASS] id: message, "json" results
	// as JSON, "sarif" a log of SARIF 2.1.0, "clang" the diagnostics of a compiler.
	Format string
	// Expect lists warning groups ("-Wthread-safety-analysis") that pass if the compiler
	// is silent about them. For format clang only.
	Expect []string
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
	switch p.Format {
	case "", "lines":
		cs, err = parseLines(string(out.text) + "\n" + exit.Stderr.String())
	case "json":
		cs, err = parseJSON(out.text)
	case "sarif":
		cs, err = parseSARIF(out.text)
	case "clang":
		var text clangText
		text, err = parseClang(string(out.text))
		cs = text.results(p.Expect, exit.OK() && err == nil && !out.over)
	default:
		err = fmt.Errorf("unknown format %q", p.Format)
	}
	rows := p.rows(cs, ws.Dir, t)
	var wrong []string
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	if out.over {
		wrong = append(wrong, fmt.Sprintf("it printed more than %d MiB", maxOutput>>20))
	}
	if why := p.disagreement(exit, cs, rows); why != "" {
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
	cmd := proc.Cmd{Args: p.Command, Dir: dir, Limit: limit, Stdout: out}
	if p.Format == "clang" { // compilers speak on standard error, build tools on both
		cmd.Stdout = nil
		cmd.OnLine = func(line string) { out.Write([]byte(line + "\n")) }
	}
	name := strings.Map(func(r rune) rune {
		if r == '/' || r < ' ' {
			return '-'
		}
		return r
	}, p.Name)
	exit, err := ws.Exec(ctx, "checks-"+name, cmd)
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
// tell the same. Programs that print lines or JSON end with 0 if and only if nothing
// failed; a compiler if and only if there was no error; a tool that writes SARIF may end
// with 0 whatever it found, but not with another code if it found nothing.
func (p Program) disagreement(exit proc.Exit, cs []check, rows []row) string {
	judged, failed, found := 0, 0, 0
	for _, r := range rows {
		if r.Outcome != runner.Skip {
			judged++
		}
		if r.Outcome == runner.Fail || r.Outcome == runner.RuleError {
			failed++
		}
		if r.Outcome != runner.Pass {
			found++
		}
	}
	if p.Format == "clang" { // groups that could not be told are no errors of the compiler
		failed = 0
		for _, c := range cs {
			if c.outcome == runner.Fail || c.id == compileID && c.outcome == runner.RuleError {
				failed++
			}
		}
	}
	switch {
	case exit.TimedOut, exit.Stopped, exit.Signal != 0:
		return "it was " + exit.String() + ", so there may be more results"
	case judged == 0 && p.Format == "clang" && exit.OK() && len(p.Expect) == 0:
		return "it printed no diagnostic, and expect names no group that passes by that"
	case judged == 0 && exit.OK():
		return "it printed no check result"
	case judged == 0:
		return "it printed no check result and ended with " + exit.String()
	case p.Format == "sarif" && exit.OK():
	case p.Format == "sarif" && found > 0:
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
		for k, at := range append([]spot{c.spot}, c.also...) {
			file := p.place(t, dir, at.file)
			switch {
			case at.file == "":
			case file == "" || at.line == 0:
				if k == 0 && c.outcome != runner.Pass && !strings.Contains(r.Reason, at.file) {
					r.Reason = strings.TrimPrefix(r.Reason+" ("+cut(at.file, 200)+")", " ")
				}
			default:
				r.Evidence = append(r.Evidence, runner.Evidence{File: file, Line: at.line, Column: max(1, at.column), Text: text(file, at.line)})
			}
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

// place turns a path that the program printed into one relative to the checkout, "" if it
// is not inside. Programs that run in a folder of their own print paths relative to it, or
// to the checkout: what is there decides, the program's folder first.
func (p Program) place(t *tree, dir, name string) string {
	if p.Dir != "" && name != "" && !filepath.IsAbs(name) {
		if own := path.Join(filepath.ToSlash(p.Dir), filepath.ToSlash(name)); filepath.IsLocal(own) {
			if _, err := t.root.Stat(own); err == nil {
				return own
			}
		}
	}
	return inside(dir, name)
}

// inside turns a path that a program printed into one relative to the checkout, "" if it
// is not inside.
func inside(dir, name string) string {
	if name == "" {
		return ""
	}
	if filepath.IsAbs(name) {
		rel, err := filepath.Rel(dir, name)
		if real, lerr := filepath.EvalSymlinks(dir); lerr == nil && real != dir && (err != nil || !filepath.IsLocal(rel)) {
			rel, err = filepath.Rel(real, name) // compilers may print the real path
		}
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
