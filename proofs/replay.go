package proofs

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// What to do about a second run of the kernel over the compiled modules.
const (
	ReplayAuto    = "auto"    // the default: with the best tool that there is; without one the result says so
	ReplayOff     = "off"     //
	ReplayRequire = "require" // as auto, but a stage that could not do it cannot tell
)

const (
	// replayLimit bounds one run of a checker; the stage's own limit is usually shorter.
	replayLimit = 20 * time.Minute
	// replayBatch is how many modules one run of a foreign checker gets: it loads the
	// imports of each anew, and runs out of memory where there are many.
	replayBatch = 40
	// maxReplayRuns bounds the runs of one replay, and with it the search for a module
	// that makes a checker crash.
	maxReplayRuns = 64
	// maxRejected bounds what a result carries of either kind; verdicts take account of all.
	maxRejected = 200
)

// A replayTool sends the declarations of compiled modules through a kernel.
//
// All of them map .olean files into memory as the files are. A file that a person or a
// program forged byte by byte can therefore do to them what it likes
// (leanprover/lean4#15100): they find declarations that never went through the kernel
// while a module was built, not attacks on the process that looks for them.
type replayTool struct {
	name  string // for people
	id    string // changes whenever the tool does
	batch int    // modules in one run; 0 for no limit
	// drags: a module's name stands for all modules whose names begin with it as well.
	drags bool
	// exact: every declaration that is refused is named, so the others were accepted.
	exact bool
	run   func(ctx context.Context, n int, modules []*module) (replayRound, error)
}

// replayRound is what one run of a tool told. A module that it says nothing about could
// not be told.
type replayRound struct {
	passed   map[string]bool // by key
	rejected []runner.Rejected
	unknown  []runner.Rejected
	rests    []rest
	broken   string // why it did not end as it should; "" if it did
	culprit  string // key of the module at which it broke; "" if not known
	timedOut bool
}

// rest is a declaration that was not replayed because it rests on a faulty one.
type rest struct {
	module, name, on string
}

// replayed is the outcome for a project.
type replayed struct {
	runner.Replay
	exact bool
	rests []rest
}

// replay sends the declarations of modules, which must be up to date, through the kernel
// once more, except for modules whose compiled form, and that of all below it, passed
// before. declared is how many declarations a module has, by key, where that is known.
// The error is that of a cancelled context.
func (e *examination) replay(ctx context.Context, modules []*module, declared map[string]int) (out replayed, err error) {
	if e.cfg.Replay == ReplayOff {
		out.Reason = "switched off by the configuration"
		return out, nil
	}
	start := time.Now()
	defer func() { out.Seconds = time.Since(start).Seconds() }()
	tool, err := e.replayTool(ctx)
	var broken *programError
	switch {
	case errors.As(err, &broken):
		out.Reason = broken.Error()
		return out, nil
	case context.Cause(ctx) != nil:
		return out, context.Cause(ctx)
	case err != nil:
		out.Reason = err.Error()
		return out, nil
	}
	digests, err := e.replayDigests(modules, tool.id)
	if err != nil {
		out.Reason = err.Error()
		return out, nil
	}
	record := e.replayRecord()
	passed, earlier := map[string]bool{}, map[string]bool{}
	var todo []*module
	for _, m := range e.bottomUp(modules) {
		switch {
		case record.has(digests[m.key]) && !e.fromNothing:
			passed[m.key], earlier[m.key] = true, true
		case tool.drags && e.heads(m) && hasNone(declared, m.key):
			passed[m.key] = true // nothing to replay, and its name would stand for many
		default:
			todo = append(todo, m)
		}
	}
	out.Tool, out.exact = tool.name, tool.exact
	if len(todo) > 0 {
		e.ws.Report(runner.StageProofs, "replaying %s through the kernel with %s", plural(len(todo), "module"), tool.name)
		if err := e.replayAll(ctx, tool, todo, passed, &out); err != nil {
			if errors.As(err, &broken) {
				out.Tool, out.Reason = "", broken.Error()
				return out, nil
			}
			return out, err
		}
	}
	for _, list := range [][]runner.Rejected{out.Rejected, out.Unknown} {
		for _, x := range list { // one that passed before may come in with another
			delete(passed, key(x.Module))
		}
	}
	out.Modules = len(passed)
	for k := range earlier {
		if passed[k] {
			out.Reused++
		}
	}
	var good []string
	for _, m := range modules {
		if passed[m.key] {
			good = append(good, digests[m.key])
		}
	}
	record.add(good)
	out.Rejected, out.Unknown = sorted(out.Rejected), sorted(out.Unknown)
	return out, nil
}

func hasNone(declared map[string]int, key string) bool {
	n, known := declared[key]
	return known && n == 0
}

func byModule(a, b runner.Rejected) int {
	return cmp.Or(strings.Compare(a.Module, b.Module), strings.Compare(a.Declaration, b.Declaration))
}

// sorted drops what is there twice.
func sorted(list []runner.Rejected) []runner.Rejected {
	slices.SortStableFunc(list, byModule)
	return slices.CompactFunc(list, func(a, b runner.Rejected) bool { return byModule(a, b) == 0 })
}

// replayAll runs the tool until every module is told about, or cannot be: a module that
// is refused, or that brings the tool down, does not hide the others.
func (e *examination) replayAll(ctx context.Context, tool *replayTool, todo []*module, passed map[string]bool, out *replayed) error {
	size := tool.batch
	if size == 0 {
		size = len(todo)
	}
	var queue [][]*module
	for b := range slices.Chunk(todo, size) {
		queue = append(queue, b)
	}
	giveUp := func(list []*module, why string) {
		for _, m := range list {
			out.Unknown = append(out.Unknown, runner.Rejected{Module: m.name, Text: why})
		}
	}
	inRun := map[string]int{}
	for runs := 0; len(queue) > 0; runs++ {
		batch := queue[0]
		queue = queue[1:]
		if runs == maxReplayRuns {
			giveUp(batch, "not replayed: too many runs of the checker went wrong before")
			runs--
			continue
		}
		for _, m := range batch {
			inRun[m.key] = runs
		}
		r, err := tool.run(ctx, runs, batch)
		if err != nil {
			return err
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		told := map[string]bool{}
		for _, list := range [][]runner.Rejected{r.rejected, r.unknown} {
			for _, x := range list {
				told[key(x.Module)] = true
			}
		}
		for _, x := range r.rests {
			told[key(x.module)] = true
		}
		out.Rejected = append(out.Rejected, r.rejected...)
		out.Unknown = append(out.Unknown, r.unknown...)
		out.rests = append(out.rests, r.rests...)
		var left []*module
		for _, m := range batch {
			switch {
			case told[m.key]:
			case r.passed[m.key]:
				passed[m.key] = true
			case tool.drags && slices.ContainsFunc(slices.Concat(r.rejected, r.unknown), func(x runner.Rejected) bool { return within(key(x.Module), m.key) }):
				giveUp([]*module{m}, "cannot be replayed apart from the modules whose names begin with its own, and one of them could not be accepted")
			default:
				left = append(left, m)
			}
		}
		why := r.broken
		if why == "" {
			why = "the checker does not say that it replayed the module"
		}
		i := slices.IndexFunc(left, func(m *module) bool { return m.key == r.culprit })
		switch {
		case len(left) == 0:
		case len(left) < len(batch) && !r.timedOut && i < 0:
			queue = append(queue, left)
		case len(left) == 1 || r.timedOut && i < 0:
			giveUp(left, why)
		case i >= 0:
			giveUp(left[i:i+1], why)
			if left = slices.Delete(left, i, i+1); len(left) > 0 {
				queue = append(queue, left)
			}
		default:
			queue = append(queue, left[:len(left)/2], left[len(left)/2:])
		}
	}
	if tool.exact {
		e.apart(inRun, passed, out)
	}
	return nil
}

// apart takes back that a module passed if it was not in the same run as a faulty one
// below it: there the faults came in as facts, and what rests on them was not told.
func (e *examination) apart(inRun map[string]int, passed map[string]bool, out *replayed) {
	bad := map[string]bool{}
	for _, x := range slices.Concat(out.Rejected, out.Unknown) {
		bad[key(x.Module)] = true
	}
	if len(bad) == 0 {
		return
	}
	below := map[string]map[string]bool{} // faulty modules below each
	for _, m := range e.bottomUp(e.project.modules) {
		all := map[string]bool{}
		for _, i := range m.imports {
			if bad[i] {
				all[i] = true
			}
			for k := range below[i] {
				all[k] = true
			}
		}
		below[m.key] = all
		run, ran := inRun[m.key]
		if !ran || !passed[m.key] {
			continue
		}
		for k := range all {
			if inRun[k] != run {
				delete(passed, m.key)
				out.Unknown = append(out.Unknown, runner.Rejected{Module: m.name, Text: "replayed apart from a module below it that could not be accepted"})
				break
			}
		}
	}
}

// heads reports whether another module's name begins with the name of m.
func (e *examination) heads(m *module) bool {
	return slices.ContainsFunc(e.project.modules, func(o *module) bool { return o != m && within(o.key, m.key) })
}

// bottomUp sorts modules so that each comes after those of them that it imports, however
// indirectly.
func (e *examination) bottomUp(modules []*module) []*module {
	wanted := map[string]bool{}
	for _, m := range modules {
		wanted[m.key] = true
	}
	var out []*module
	seen := map[string]bool{}
	var add func(m *module)
	add = func(m *module) {
		if m == nil || seen[m.key] {
			return
		}
		seen[m.key] = true
		for _, i := range m.imports {
			add(e.project.byKey[i])
		}
		if wanted[m.key] {
			out = append(out, m)
		}
	}
	for _, m := range modules {
		add(m)
	}
	return out
}
