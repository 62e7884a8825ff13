package proofs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// maxChecker bounds what one run of a foreign checker may print: a line for each module
// and one message.
const maxChecker = 4 << 20

// replayTool chooses the best tool that there is: leanchecker of the toolchain, a
// lean4checker made for the very same version, our own program.
func (e *examination) replayTool(ctx context.Context) (*replayTool, error) {
	if file := e.tool.program("leanchecker"); program(file) {
		return e.foreignChecker("leanchecker", file, true)
	}
	if file := e.lean4checker(); file != "" {
		// Before 4.13 it knew no option for progress, and took one module exactly
		// (lean4checker, Main.lean at v4.12.0-rc1 and v4.13.0).
		return e.foreignChecker("lean4checker", file, e.tool.atLeast(4, 13))
	}
	return e.ownReplay(ctx)
}

func program(file string) bool {
	fi, err := os.Stat(file)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

// lean4checker finds one beside a toolchain, or built as a dependency of the project. It
// must say that it is for the version in use: compiled modules of another one are not
// readable to it. A build of an untrusted commit is a program of that commit, and is not
// used.
func (e *examination) lean4checker() string {
	type place struct{ file, version string }
	var places []place
	if e.ws.Trusted {
		dir := filepath.Join(e.dir, ".lake", "packages", "lean4checker")
		places = append(places, place{filepath.Join(dir, ".lake", "build", "bin", "lean4checker"), filepath.Join(dir, "lean-toolchain")})
	}
	for _, dir := range append([]string{e.tool.dir}, e.cfg.Toolchains...) {
		places = append(places, place{filepath.Join(dir, "bin", "lean4checker"), filepath.Join(dir, "lean-toolchain")})
	}
	for _, p := range places {
		if !program(p.file) {
			continue
		}
		b, err := readSmall(p.version)
		if err != nil {
			continue
		}
		if req, err := parseRequest(string(b)); err == nil && req.number != "" && req.number == e.tool.number {
			return p.file
		}
	}
	return ""
}

// foreignChecker is leanchecker or lean4checker, which share their command line and what
// they print (leanprover/lean4 src/LeanChecker.lean, leanprover/lean4checker Main.lean).
// Modules are always named: without a name either takes what it holds for the project.
func (e *examination) foreignChecker(name, file string, batches bool) (*replayTool, error) {
	stamp, err := stampOf(file)
	if err != nil {
		return nil, err
	}
	t := &replayTool{name: name, id: name + " " + stamp, batch: 1}
	if batches {
		t.batch, t.drags = replayBatch, true
	}
	t.run = func(ctx context.Context, n int, modules []*module) (replayRound, error) {
		args := []string{file}
		if batches {
			args = append(args, "-v")
		}
		c := newChecked(modules, batches)
		for _, m := range modules {
			args = append(args, m.name)
		}
		// One that prints without end is stopped, not waited for.
		inner, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		c.flood = func() { cancel(errFlood) }
		exit, err := e.ws.Exec(inner, e.logName("replay", n), proc.Cmd{
			Args: args, Dir: e.dir, OnLine: c.line, LogCap: 4 << 20, Limit: replayLimit,
			// Each thread holds an environment of its own, which fills memory.
			Env: e.environ(e.tool, "LEAN_NUM_THREADS=1", "LEAN_PATH="+strings.Join(e.searchPath(), string(os.PathListSeparator))),
		})
		if err != nil && !errors.Is(err, errFlood) {
			return replayRound{}, err
		}
		return c.round(exit), nil
	}
	return t, nil
}

var errFlood = errors.New("the checker printed too much")

// checked gathers what a foreign checker prints.
type checked struct {
	names   map[string]string // of the modules asked for, by key
	order   []string          // modules it says it replays, by key, in its order
	seen    map[string]bool
	verbose bool
	bad     string   // module in which it found a problem, as printed
	text    []string // what it printed besides, in order; bounded
	bytes   int
	flood   func()
}

// Lines of both checkers, in all their versions.
var (
	replayingForm = regexp.MustCompile(`^replaying (\S.*)$`)
	problemForm   = regexp.MustCompile(`^lean4?checker found a problem in (\S.*)$`)
	whileForm     = regexp.MustCompile(`^while replaying declaration '(.+)':$`)
	namedForms    = []*regexp.Regexp{
		regexp.MustCompile(`^\(kernel\) declaration type mismatch, '([^']+)' has type`),
		regexp.MustCompile(`^\(kernel\) declaration has (?:meta|free )variables '([^']+)'`),
		regexp.MustCompile(`^\(kernel\) type of theorem '([^']+)' is not a proposition`),
		regexp.MustCompile(`^(?:No such|Invalid) (?:constructor|recursor) (\S+)$`),
	}
)

func newChecked(modules []*module, verbose bool) *checked {
	c := &checked{names: map[string]string{}, seen: map[string]bool{}, verbose: verbose}
	for _, m := range modules {
		c.names[m.key] = m.name
	}
	return c
}

// line takes one line of either stream.
func (c *checked) line(line string) {
	if c.bytes += len(line) + 1; c.bytes > maxChecker {
		if c.flood != nil {
			c.flood()
		}
		return
	}
	if m := replayingForm.FindStringSubmatch(line); m != nil {
		if k := key(m[1]); c.names[k] != "" && !c.seen[k] {
			c.seen[k] = true
			c.order = append(c.order, k)
		} else if c.names[k] == "" {
			c.order = append(c.order[:min(len(c.order), 1<<16)], "")
		}
		return
	}
	if m := problemForm.FindStringSubmatch(line); m != nil && c.bad == "" {
		c.bad = m[1]
		return
	}
	if len(c.text) < 40 {
		c.text = append(c.text, cut(line, 1000))
	}
}

// round says what became of the modules.
func (c *checked) round(exit proc.Exit) replayRound {
	r := replayRound{passed: map[string]bool{}, timedOut: exit.TimedOut}
	if exit.OK() && c.bytes <= maxChecker {
		for k := range c.names {
			// With its option for progress it names what it replayed. Not every version
			// had that, and then it took one module and ended with 1 without it.
			r.passed[k] = c.seen[k] || !c.verbose
		}
		if c.bad != "" {
			r.passed, r.broken = map[string]bool{}, "the checker found a problem in "+cut(c.bad, 200)+", and ended as if there were none"
		}
		return r
	}
	// It names a module before or after it is through with it; all but the last are done.
	for i, k := range c.order {
		if k != "" && i+1 < len(c.order) {
			r.passed[k] = true
		}
	}
	if c.bytes > maxChecker {
		r.broken = fmt.Sprintf("the checker printed more than %d MiB", maxChecker>>20)
		return r
	}
	declaration, text, message := c.message()
	bad := c.bad
	if bad == "" && len(c.names) == 1 && message {
		for _, name := range c.names { // asked for one, the oldest do not repeat it
			bad = name
		}
	}
	if exit.Code != 1 || exit.Signal != 0 || exit.TimedOut || exit.Stopped || bad == "" || !message {
		r.broken = ended(exit)
		if r.broken == "" || len(c.text) > 0 && exit.Code == 1 {
			r.broken = join("the checker could not tell", oneLine(strings.Join(c.text, " ")))
		}
		if name, ok := c.names[key(bad)]; ok && bad != "" {
			r.culprit = key(name)
			delete(r.passed, r.culprit)
		}
		return r
	}
	fault := runner.Rejected{Module: cut(bad, 300), Declaration: declaration, Text: text}
	if name, ok := c.names[key(bad)]; ok {
		fault.Module = name
	}
	delete(r.passed, key(bad))
	fault.Text = kernelText(text)
	if refusal(text) {
		r.rejected = append(r.rejected, fault)
	} else {
		r.unknown = append(r.unknown, fault)
	}
	return r
}

// message takes apart what an uncaught exception says; ok is false if there is none.
func (c *checked) message() (declaration, text string, ok bool) {
	i := slices.IndexFunc(c.text, func(s string) bool { return strings.HasPrefix(s, "uncaught exception: ") })
	if i < 0 {
		return "", "", false
	}
	lines := slices.Clone(c.text[i:])
	lines[0] = strings.TrimPrefix(lines[0], "uncaught exception: ")
	if m := whileForm.FindStringSubmatch(lines[0]); m != nil && len(lines) > 1 { // since 4.29
		declaration, lines = m[1], lines[1:]
	}
	for _, form := range namedForms {
		if m := form.FindStringSubmatch(lines[0]); m != nil && declaration == "" {
			declaration = m[1]
		}
	}
	return cut(declaration, 500), oneLine(strings.Join(lines, " ")), true
}

// refusal tells a kernel that refuses from one that gave up, and from a checker that did
// not get as far as to ask it.
func refusal(text string) bool {
	for _, s := range []string{"No such constructor ", "No such recursor ", "Invalid constructor ", "Invalid recursor "} {
		if strings.HasPrefix(text, s) {
			return true
		}
	}
	rest, ok := strings.CutPrefix(text, "(kernel) ")
	if !ok {
		// Before 4.19 one message of the kernel did not say that it is one.
		return strings.HasPrefix(text, "application type mismatch ")
	}
	for _, s := range []string{"deep recursion", "deterministic timeout", "excessive memory", "interrupted", "(interpreter)", "out of memory"} {
		if strings.HasPrefix(rest, s) {
			return false
		}
	}
	return true
}
