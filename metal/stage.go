package metal

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/metal/cpu"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
)

// Stage is the bench stage. It changes GOMAXPROCS of the process while it measures: run
// one at a time.
type Stage struct {
	config Config
	// open makes the backend; tests put faulty ones here.
	open func(Config) (harness.Backend, error)
	// settle and patience are how long crash reports are waited for, see crash.Collect.
	settle, patience time.Duration
}

// New makes the stage. A configuration that [Config.Check] rejects makes Run err.
func New(c Config) *Stage {
	return &Stage{config: c.filled(), open: open, settle: crashSettle, patience: crashPatience}
}

func open(c Config) (harness.Backend, error) {
	return cpu.Open(cpu.Model{Submit: c.Latency, Execute: c.Execution})
}

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
	res, err := s.measure(ctx, ws, c)
	crashes, warnings := watch.findings(ctx, ws)
	return judgeCrashes(res, err, crashes, warnings)
}

// measure takes all measurements.
func (s *Stage) measure(ctx context.Context, ws *runner.Workspace, c Config) (runner.Result, error) {
	res := runner.Result{Stage: runner.StageBench}
	bench := &runner.Bench{Settings: map[string]string{}}
	res.Bench = bench
	var errs []error
	var told []string
	fail := func(err error) {
		errs = append(errs, err)
		res.Findings = append(res.Findings, runner.Finding{Verdict: runner.Error, Rule: runner.StageBench, Text: err.Error()})
	}

	if c.Seed == 0 {
		c.Seed = seed(ws.Commit.SHA)
	}
	if c.Backend != BackendNone {
		rep, err := s.device(ctx, ws, c)
		if rep != nil {
			bench.Backend, bench.Device = rep.Device.Backend, rep.Device.Text
			bench.Settings, bench.Samples = rep.Settings, rep.Samples
			res.Warnings = append(res.Warnings, rep.Warnings...)
			told = append(told, fmt.Sprintf("measured %d configurations in %d rounds on %s", rep.Loads, c.Rounds, rep.Device.Text))
		}
		if err != nil {
			fail(err)
		}
	}
	for _, p := range runPrograms(ctx, ws, c.Programs, c.Seed) {
		if ctx.Err() != nil {
			break
		}
		bench.Settings["program "+p.Name] = fmt.Sprintf("%d rounds, format %s", p.Rounds, p.Format)
		res.Warnings = append(res.Warnings, p.collected.warnings...)
		if p.err != nil {
			fail(p.err)
			continue
		}
		bench.Samples = append(bench.Samples, p.collected.samples...)
		told = append(told, fmt.Sprintf("%s gave %d samples in %d rounds", p.Name, len(p.collected.samples), p.Rounds))
	}
	switch {
	case ctx.Err() != nil:
		return res, context.Cause(ctx)
	case len(errs) == 1:
		return res, errs[0]
	case len(errs) > 1:
		return res, &partialError{errs}
	case len(bench.Samples) == 0:
		return res, errors.New("nothing was measured")
	}
	res.Verdict, res.Reason = runner.Success, strings.Join(told, "; ")
	return res, nil
}

// device runs the harness on the configured backend.
func (s *Stage) device(ctx context.Context, ws *runner.Workspace, c Config) (*harness.Report, error) {
	defer ws.Measure()()
	b, err := s.open(c)
	if err != nil {
		return nil, fmt.Errorf("open backend %s: %w", c.Backend, err)
	}
	defer b.Close()
	h := c.harness()
	ws.Report(runner.StageBench, "%s: about %s", b.Device().Text, c.Estimate().Round(time.Second))
	last, at := 0, time.Now()
	h.Progress = func(p harness.Progress) {
		if p.Round == last && time.Since(at) < 5*time.Second {
			return
		}
		last, at = p.Round, time.Now()
		ws.Report(runner.StageBench, "round %d of %d, %s elapsed, about %s left",
			p.Round, p.Rounds, p.Elapsed.Round(time.Second/10), p.Left.Round(time.Second/10))
	}
	rep, err := harness.Run(ctx, b, h)
	var hang *harness.HangError
	if errors.As(err, &hang) {
		err = runner.WithHint(err, "a wait inside a driver cannot be cancelled: if the next run hangs too, restart the machine")
	}
	return rep, err
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
