package metal

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
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
	m := &course{Stage: s, ws: ws, c: c, gate: g}
	res, err = m.run(ctx)
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
