package proofs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// built is what building the project told.
type built struct {
	log      buildLog
	modules  []runner.Module
	current  []*module // their compiled form is up to date with the commit
	unsure   string    // why the build as a whole could not be told; "" if it could
	warnings []string
}

// build builds every module by name, in one process if the command line has room, and
// has the build tool confirm what is up to date before anything is read from it. If
// everything already is, the confirmation is all that runs.
func (e *examination) build(ctx context.Context) (*built, error) {
	b, err := e.upToDate(ctx)
	if err != nil {
		return nil, err
	}
	var w *wrapper
	if b == nil {
		var warning string
		if w, warning = e.wrap(ctx); warning != "" {
			if cause := context.Cause(ctx); cause != nil {
				return nil, cause
			}
		}
		var ok bool
		b, ok, err = e.construct(ctx, w)
		if err != nil {
			return nil, err
		}
		if !ok && w != nil && !w.failed(e.project.modules) {
			// No Lean failed, so far as we know: perhaps what stands in its place did.
			again, ok, err := e.construct(ctx, nil)
			if err != nil {
				return nil, err
			}
			if b = again; ok {
				warning = "built without a record of each module: the build fails with it"
			}
		}
		if warning != "" {
			b.warnings = append(b.warnings, warning)
		}
	}
	current, failed := map[string]bool{}, map[string]bool{}
	for _, m := range b.current {
		current[m.key] = true
	}
	b.note(e, w, current)
	for _, m := range e.project.modules {
		failed[m.key] = !current[m.key] && b.log.failure(m.key)
	}
	blocked := e.project.blocked(failed)
	reused := 0
	for _, m := range e.project.modules {
		b.modules = append(b.modules, e.judgeModule(b, m, current[m.key], failed[m.key], blocked[m.key]))
		if b.modules[len(b.modules)-1].Reused {
			reused++
		}
	}
	if reused > 0 {
		e.ws.Report(runner.StageProofs, "reused %d of %d modules of an earlier build", reused, len(b.modules))
	}
	return b, nil
}

// upToDate asks whether an earlier build is all that is needed. The answer is nil if not,
// or if nobody knows. What the build tool then printed again counts as the build's.
func (e *examination) upToDate(ctx context.Context) (*built, error) {
	if e.fromNothing || !e.builtBefore() {
		return nil, nil
	}
	parser := &logParser{}
	for i, batch := range batches(e.project.modules) {
		exit, err := e.lake(ctx, e.logName("check", i), parser, batch, nil, "--no-build")
		if err != nil {
			return nil, err
		}
		if cause := context.Cause(ctx); cause != nil && !exit.OK() {
			return nil, cause
		}
		if !exit.OK() {
			return nil, nil
		}
	}
	return &built{log: parser.log, current: e.project.modules}, nil
}

// construct builds, through a wrapper unless that is nil, and confirms. ok is false if
// something failed.
func (e *examination) construct(ctx context.Context, w *wrapper) (b *built, ok bool, err error) {
	b = &built{}
	parser := &logParser{}
	var last proc.Exit
	bad := false
	var flags []string
	if e.fromNothing && e.tool.atLeast(4, 9) {
		flags = []string{"--rehash"} // digests of sources that an earlier build wrote down
	}
	for i, batch := range batches(e.project.modules) {
		exit, err := e.lake(ctx, e.logName("build", i), parser, batch, w, flags...)
		if err != nil {
			return nil, false, err
		}
		if exit.Stopped || exit.TimedOut {
			if cause := context.Cause(ctx); cause != nil {
				return nil, false, e.stopped(cause, w)
			}
			return nil, false, fmt.Errorf("lake build %s", exit)
		}
		if !exit.OK() {
			last, bad = exit, true
		}
	}
	b.log = parser.log
	if bad {
		e.judgeBuild(b, last)
	} else {
		b.current = e.project.modules
	}
	confirmed, err := e.confirm(ctx, b)
	return b, confirmed && !bad, err
}

// stopped adds to a passed limit what was being built, if that is known.
func (e *examination) stopped(cause error, w *wrapper) error {
	var limit *runner.LimitError
	if w == nil || !errors.As(cause, &limit) {
		return cause
	}
	list := w.underway(e.project.modules)
	if len(list) == 0 {
		return cause
	}
	return fmt.Errorf("%w while building %s", cause, some(list, 3))
}

// confirm asks the build tool, which builds nothing this time, whether the modules that
// seem to be built are. If not, b.current is empty afterwards.
func (e *examination) confirm(ctx context.Context, b *built) (bool, error) {
	for i, batch := range batches(b.current) {
		exit, err := e.lake(ctx, e.logName("confirm", i), &logParser{}, batch, nil, "--no-build")
		if err != nil {
			return false, err
		}
		if exit.OK() {
			continue
		}
		if cause := context.Cause(ctx); cause != nil {
			return false, cause
		}
		b.current = nil
		if b.unsure == "" {
			b.unsure = fmt.Sprintf("lake build --no-build does not confirm the build (%s): %s", exit, firstLine(exit.Stderr.String()+"\n"+exit.Stdout.LastLine()))
		}
		return false, nil
	}
	return true, nil
}

func (e *examination) logName(step string, i int) string {
	if i == 0 {
		return e.log + "-" + step
	}
	return e.log + "-" + step + "-" + strconv.Itoa(i+1)
}

// lake runs `lake build` for some modules, through a wrapper unless that is nil, and feeds
// what it prints to the parser.
func (e *examination) lake(ctx context.Context, name string, parser *logParser, modules []*module, w *wrapper, flags ...string) (proc.Exit, error) {
	args := append([]string{e.tool.program("lake"), "build"}, flags...)
	if e.tool.atLeast(4, 9) { // before, an unknown option; without a terminal there was no colour either
		args = append(args, "--no-ansi")
	}
	names := map[string]string{}
	for _, m := range modules {
		args = append(args, "+"+m.name)
		names[m.key] = m.name
	}
	quiet := slices.Contains(flags, "--no-build")
	seen := map[string]bool{}
	if !quiet {
		e.ws.Report(runner.StageProofs, "building %s", plural(len(e.project.modules), "module"))
		parser.progress = func(u *unit) {
			n, ok := names[u.caption]
			if !ok || seen[u.caption] {
				return
			}
			seen[u.caption] = true
			switch {
			case u.failed:
				e.ws.Report(runner.StageProofs, "%s does not build (%d of %d)", n, len(seen), len(e.project.modules))
			case !u.replayed:
				e.ws.Report(runner.StageProofs, "built %d of %d modules, now %s", len(seen), len(e.project.modules), n)
			}
		}
	}
	lines := &lineWriter{emit: parser.line}
	exit, err := e.ws.Exec(ctx, name, proc.Cmd{Args: args, Dir: e.dir, Env: e.environ(e.tool, w.env()...), Stdout: lines})
	lines.close()
	if err != nil {
		return exit, fmt.Errorf("run lake build: %w", err)
	}
	// Versions before 4.9 print messages to standard error, newer ones configuration errors.
	for line := range strings.SplitSeq(exit.Stderr.String(), "\n") {
		parser.line(line)
	}
	return exit, nil
}

// atLeast compares the version; one that is not a number counts as new.
func (t *toolchain) atLeast(major, minor int) bool {
	a, rest, ok := strings.Cut(t.number, ".")
	b, _, _ := strings.Cut(rest, ".")
	x, err1 := strconv.Atoi(a)
	y, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil {
		return true
	}
	return x > major || x == major && y >= minor
}

// batches splits modules so that a command line stays well below what systems allow
// (1 MiB on macOS).
func batches(modules []*module) [][]*module {
	const room = 200 << 10
	var out [][]*module
	size := room
	for _, m := range modules {
		if size += len(m.name) + 10; size > room {
			out = append(out, nil)
			size = len(m.name) + 10
		}
		out[len(out)-1] = append(out[len(out)-1], m)
	}
	return out
}

// failure reports whether a unit failed, by its own lines or by the list at the end.
func (l *buildLog) failure(key string) bool {
	if u := l.units[key]; u != nil && u.failed {
		return true
	}
	for _, f := range l.failures {
		if f == key {
			return true
		}
	}
	return false
}
