package harness_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// script is a device whose probes do what a test says, and that keeps a record.
type script struct {
	opened map[string]int // by scenario
	open   int            // probes that are open now
	most   int
	calls  []string // "ready multi-queue 1", "warm …", "measure LOAD", "close multi-queue 1"
	fail   func(call string) error
	spans  bool
}

func (s *script) Open(_ context.Context, scenario string) (harness.Probe, error) {
	s.opened[scenario]++
	p := &scripted{s: s, name: fmt.Sprintf("%s %d", scenario, s.opened[scenario])}
	if err := s.call("open " + p.name); err != nil {
		return nil, err
	}
	s.open++
	s.most = max(s.most, s.open)
	return p, nil
}

func (s *script) call(what string) error {
	s.calls = append(s.calls, what)
	if s.fail != nil {
		return s.fail(what)
	}
	return nil
}

type scripted struct {
	s      *script
	name   string
	closed bool
}

func (p *scripted) Ready(_ context.Context, loads []harness.Load) (harness.Setup, error) {
	for _, l := range loads {
		if !strings.HasPrefix(p.name, l.Scenario) {
			return harness.Setup{}, fmt.Errorf("%s is asked for %s", p.name, l)
		}
	}
	return harness.Setup{Device: harness.Device{Backend: "script", Text: "a script"}, Procs: 4, Spans: p.s.spans}, p.s.call("ready " + p.name)
}

func (p *scripted) Warm(_ context.Context, l harness.Load, _ time.Duration) (harness.Warmth, error) {
	return harness.Warmth{Settled: true, Windows: 3}, p.s.call("warm " + p.name)
}

func (p *scripted) Measure(_ context.Context, l harness.Load, w time.Duration) (harness.Reading, error) {
	return harness.Reading{Rate: 1000, Ops: 10, Seconds: w.Seconds(), Counts: harness.Counts{Completed: 12}}, p.s.call("measure " + l.String())
}

func (p *scripted) Spans(_ context.Context, l harness.Load, _ time.Duration) (harness.Spans, error) {
	return harness.Spans{Ops: 4, Execution: 1e-5, Busy: 0.5, Parallel: 1}, p.s.call("spans " + l.String())
}

func (p *scripted) Close() error {
	if p.closed {
		return errors.New("closed twice")
	}
	p.closed = true
	p.s.open--
	return p.s.call("close " + p.name)
}

func scenarios() harness.Config {
	c := small()
	c.Rounds, c.Processes, c.Warmup = 6, 3, time.Second
	return c
}

func drive(t *testing.T, c harness.Config, s *script) (*harness.Report, error) {
	t.Helper()
	s.opened = map[string]int{}
	rep, err := harness.Drive(t.Context(), s.Open, c)
	if s.open != 0 {
		t.Errorf("%d probes are left open", s.open)
	}
	return rep, err
}

// TestInterleaving: both processes are open together, one random order runs over the loads
// of both, and both are replaced after as many rounds as they are given.
func TestInterleaving(t *testing.T) {
	s := &script{spans: true}
	c := scenarios()
	rep, err := drive(t, c, s)
	if err != nil {
		t.Fatal(err)
	}
	if s.opened["multi-queue"] != 3 || s.opened["async-pipeline"] != 3 || s.most != 2 {
		t.Errorf("opened %v, at most %d at once", s.opened, s.most)
	}
	var rounds [][]string
	var processes []int
	for _, call := range s.calls {
		what, load, _ := strings.Cut(call, " ")
		switch what {
		case "ready":
			if len(rounds)%2 == 0 && strings.HasPrefix(load, "multi-queue") {
				processes = append(processes, len(rounds))
			}
		case "measure":
			if len(rounds) == 0 || len(rounds[len(rounds)-1]) == rep.Loads {
				rounds = append(rounds, nil)
			}
			rounds[len(rounds)-1] = append(rounds[len(rounds)-1], load)
		}
	}
	if len(rounds) != c.Rounds || !slices.Equal(processes, []int{0, 2, 4}) {
		t.Errorf("%d rounds, processes begin before rounds %v", len(rounds), processes)
	}
	mixed := 0
	for i, r := range rounds {
		if got := slices.Compact(slices.Sorted(slices.Values(r))); len(got) != rep.Loads {
			t.Errorf("round %d measured %v", i+1, r)
		}
		changes := 0
		for k := 1; k < len(r); k++ {
			if strings.HasPrefix(r[k], "multi-queue") != strings.HasPrefix(r[k-1], "multi-queue") {
				changes++
			}
		}
		if changes > 1 {
			mixed++
		}
	}
	if mixed < c.Rounds-1 {
		t.Errorf("only %d of %d rounds go back and forth between the scenarios", mixed, c.Rounds)
	}
	for i, o := range rep.Origins {
		if rep.Samples[i].Derived {
			continue
		}
		if !slices.Equal(o.Rounds, []int{1, 2, 3, 4, 5, 6}) || !slices.Equal(o.Processes, []int{1, 1, 2, 2, 3, 3}) || o.Device == nil || o.Device.Ops != 12 {
			t.Errorf("%s: %+v", o.Sample, o)
		}
	}
}

// TestOneScenarioFails: at any point, and the other is measured completely.
func TestOneScenarioFails(t *testing.T) {
	boom := errors.New("device lost")
	for _, at := range []string{
		"open multi-queue 1", "ready multi-queue 1", "warm multi-queue 1", "measure multi-queue queue=shared threads=4",
		"open multi-queue 2", "ready multi-queue 3", "spans multi-queue queue=shared threads=1",
	} {
		s := &script{spans: true}
		s.fail = func(call string) error {
			if call == at {
				return boom
			}
			return nil
		}
		rep, err := drive(t, scenarios(), s)
		if !errors.Is(err, boom) {
			t.Errorf("%s: error %v", at, err)
		}
		if len(rep.Samples) == 0 {
			t.Errorf("%s: no samples of the other scenario", at)
		}
		for _, x := range rep.Samples {
			if !strings.HasPrefix(x.Name, "async") || len(x.Values) != 6 {
				t.Errorf("%s: %s has %d values", at, x.Key(), len(x.Values))
			}
		}
		for i, call := range s.calls {
			if call == at && slices.ContainsFunc(s.calls[i+1:], func(later string) bool { return strings.Contains(later, "measure multi-queue") }) {
				t.Errorf("%s: it is measured on", at)
			}
		}
	}
}

// TestBothScenariosFail: both are told, and there is no sample.
func TestBothScenariosFail(t *testing.T) {
	s := &script{fail: func(call string) error {
		if strings.HasPrefix(call, "ready") {
			return fmt.Errorf("cannot %s", call)
		}
		return nil
	}}
	rep, err := drive(t, scenarios(), s)
	if err == nil || !strings.Contains(err.Error(), "ready multi-queue 1") || !strings.Contains(err.Error(), "ready async-pipeline 1") || len(rep.Samples) > 0 {
		t.Errorf("error %v, %d samples", err, len(rep.Samples))
	}
}

// TestOddDeviceTimes: times that cannot be true are not believed; what was measured stands.
func TestOddDeviceTimes(t *testing.T) {
	s := &script{spans: true, fail: func(call string) error {
		if strings.HasPrefix(call, "spans") {
			return &harness.SpanError{Text: "an operation is said to have run from 2 to 1 s"}
		}
		return nil
	}}
	rep, err := drive(t, scenarios(), s)
	if err != nil || len(rep.Samples) == 0 || !strings.Contains(strings.Join(rep.Warnings, "\n"), "not believed") {
		t.Errorf("error %v, %d samples, warnings %q", err, len(rep.Samples), rep.Warnings)
	}
	for _, o := range rep.Origins {
		if o.Device != nil {
			t.Errorf("%s has device times", o.Sample)
		}
	}
}

// TestCancelWhileOpening: nothing is opened after the end.
func TestCancelWhileOpening(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &script{opened: map[string]int{}}
	s.fail = func(call string) error {
		if call == "warm multi-queue 1" {
			cancel()
			return context.Canceled
		}
		return nil
	}
	rep, err := harness.Drive(ctx, s.Open, scenarios())
	if !errors.Is(err, context.Canceled) || len(rep.Samples) > 0 || s.open != 0 || s.opened["async-pipeline"] != 0 {
		t.Errorf("error %v, %d samples, %d open, opened %v", err, len(rep.Samples), s.open, s.opened)
	}
}
