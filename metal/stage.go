package metal

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/metal/gate"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

// Stage is the bench stage. It measures in processes of its own, for which the program
// must call [Child]; one stage at a time, or they disturb each other.
type Stage struct {
	config Config
	watch  func(harness.Progress)
	// settle and patience are how long crash reports are waited for, see crash.Collect.
	settle, patience time.Duration
	// state reads the machine's, and caffeinate is the program that keeps it awake; tests
	// have their own.
	state      func(ctx context.Context, quick bool) machine.State
	caffeinate string
	// Of tests: a fault of the device, how long the process may take to answer, and what
	// measures in its place.
	fault string
	slack time.Duration
	probe func(k harness.Kernel, scenario string) harness.Probe // in place of a process
}

// New makes the stage. A configuration that [Config.Check] rejects makes Run err.
func New(c Config) *Stage {
	s := &Stage{config: c.filled(), settle: crashSettle, patience: crashPatience, state: readState, caffeinate: gate.Caffeinate}
	if c.Backend == BackendMetal {
		s.probe = standIn
	}
	return s
}

// Watch makes the stage tell f how far the built-in harness is, between two windows: what f
// does is not beside what is timed.
func (s *Stage) Watch(f func(harness.Progress)) { s.watch = f }

// Name implements runner.Stage.
func (s *Stage) Name() string { return runner.StageBench }

// Run implements runner.Stage. What was measured is in the result even when the error
// says that something else could not be: one benchmark's failure hides no other's. The
// stage fails only for a program that crashed.
func (s *Stage) Run(ctx context.Context, ws *runner.Workspace) (runner.Result, error) {
	c := s.config
	res := runner.Result{Stage: runner.StageBench}
	if err := c.Check(); err != nil {
		return res, oneLine(err)
	}
	if c.Backend == BackendNone && len(c.Programs) == 0 {
		res.Verdict, res.Reason = runner.Neutral, "no benchmark is configured: backend is none and there are no programs"
		return res, nil
	}
	watch := s.watchCrashes()
	active, release, told, err := awake(ctx, s.caffeinate)
	if err != nil { // a machine that falls asleep shows in the figures, if at all
		res.Warnings = append(res.Warnings, oneLine(err).Error())
	}
	g := s.gate(ws, c, active)
	kept := res.Warnings
	res, err = s.measure(ctx, ws, c, g)
	release()
	res.Warnings = append(kept, res.Warnings...)
	if told != "" {
		res.Bench.Settings["kept awake by"] = told
	}
	settings, observed, unfit := g.Told()
	maps.Copy(res.Bench.Settings, settings)
	maps.Copy(res.Bench.Observed, observed)
	res.Warnings = append(res.Warnings, unfit...)
	if res, ok := changed(res, err); ok {
		return res, nil
	}
	crashes, warnings := watch.findings(ctx, ws)
	return judgeCrashes(res, err, crashes, warnings)
}

// measure takes all measurements.
func (s *Stage) measure(ctx context.Context, ws *runner.Workspace, c Config, g *gate.Gate) (runner.Result, error) {
	begin := time.Now()
	res := runner.Result{Stage: runner.StageBench}
	bench := &runner.Bench{Settings: map[string]string{}, Observed: map[string]string{}, Confirms: c.Next != nil}
	res.Bench = bench
	var errs []error
	var told []string
	var guilty *guiltyError
	fail := func(err error) {
		errs = append(errs, err)
		v := runner.Error
		if errors.As(err, &guilty) {
			v = runner.Failure
		}
		res.Findings = append(res.Findings, runner.Finding{Verdict: v, Rule: runner.StageBench, Text: err.Error()})
	}

	if c.Seed == 0 {
		c.Seed = seed(ws.Commit.SHA)
	}
	if ws.Beside != nil {
		bench.Base = ws.Beside.Commit.SHA
	}
	measure := s.alone
	if ws.Beside != nil {
		measure = s.beside
	}
	got := measure(ctx, ws, c, g)
	bench.Turns, bench.Untold, bench.New, bench.Unaffected = got.turns, got.untold, got.fresh, got.unaffected
	res.Warnings = append(res.Warnings, got.warnings...)
	if rep := got.device; rep != nil {
		bench.Backend, bench.Device = rep.Device.Backend, rep.Device.Text
		bench.Settings, bench.Observed, bench.Samples, bench.Origins = rep.Settings, rep.Observed, rep.Samples, rep.Origins
		res.Warnings = append(res.Warnings, rep.Warnings...)
		told = append(told, fmt.Sprintf("measured %d configurations in %d rounds on %s", rep.Loads, rep.Rounds, rep.Device.Text))
	}
	if several, ok := got.err.(interface{ Unwrap() []error }); ok {
		for _, err := range several.Unwrap() {
			fail(hinted(err))
		}
	} else if got.err != nil {
		fail(hinted(got.err))
	}
	runs := got.runs
	for _, name := range slices.Sorted(maps.Keys(got.fresh)) {
		told = append(told, fmt.Sprintf("%s is new: %s", name, got.fresh[name]))
	}
	for _, u := range bench.Unaffected {
		told = append(told, fmt.Sprintf("%s is unaffected and was not run (%s)", u.Program, u.Reason))
	}
	for _, p := range runs {
		if ctx.Err() != nil {
			break
		}
		rounds := max(p.Rounds, p.count)
		bench.Settings["program "+p.Name] = fmt.Sprintf("%d rounds, format %s", rounds, p.Format)
		res.Warnings = append(res.Warnings, p.collected.warnings...)
		if p.err != nil {
			fail(p.err)
			continue
		}
		bench.Samples = append(bench.Samples, p.collected.samples...)
		told = append(told, fmt.Sprintf("%s gave %d samples in %d rounds", p.Name, len(p.collected.samples), rounds))
	}
	once := func() time.Duration { return time.Since(begin) - got.base }
	if c.Next != nil && len(errs) == 0 {
		warnings, err := s.more(ctx, ws, c, bench, runs, g, once())
		res.Warnings = append(res.Warnings, warnings...)
		if err != nil {
			fail(hinted(err))
		}
	}
	if c.Next != nil && ctx.Err() == nil {
		warnings, broken := s.again(ctx, ws, c, bench, runs, g, once())
		res.Warnings = append(res.Warnings, warnings...)
		for _, err := range broken {
			fail(hinted(err))
		}
	}
	switch {
	case ctx.Err() != nil:
		return res, context.Cause(ctx)
	case guilty != nil:
		res.Verdict, res.Reason = runner.Failure, guilty.Error()
		return res, nil
	case len(errs) == 1:
		return res, errs[0]
	case len(errs) > 1:
		return res, &partialError{errs}
	case len(bench.Samples) == 0 && len(bench.Unaffected) > 0:
		res.Verdict, res.Reason = runner.Neutral, strings.Join(told, "; ")
		return res, nil
	case len(bench.Samples) == 0:
		return res, errors.New("nothing was measured")
	}
	res.Verdict, res.Reason = runner.Success, strings.Join(told, "; ")
	return res, nil
}

// seed derives the random order from the commit, so that a run can be repeated.
func seed(sha string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(sha))
	return h.Sum64()
}

// partialError says that several benchmarks could not be measured.
type partialError struct{ errs []error }

func (e *partialError) Error() string {
	var s []string
	for _, err := range e.errs {
		s = append(s, err.Error())
	}
	return fmt.Sprintf("%d benchmarks could not be measured: %s", len(s), strings.Join(s, "; "))
}

func (e *partialError) Unwrap() []error { return e.errs }

// oneLine joins the lines of a joined error, since a reason is one sentence.
func oneLine(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		if list := j.Unwrap(); len(list) == 1 {
			return list[0]
		} else if len(list) > 1 {
			var s []string
			for _, e := range list {
				s = append(s, e.Error())
			}
			return fmt.Errorf("%s", strings.Join(s, "; "))
		}
	}
	return err
}
