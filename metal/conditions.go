package metal

import (
	"context"
	"errors"
	"os"
	"runtime"

	"github.com/holdfast-ci/holdfast/metal/gate"
	"github.com/holdfast-ci/holdfast/metal/objc"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

// What conditions do, see Config.Conditions.
const (
	ConditionsAuto    = "auto"
	ConditionsRequire = "require"
	ConditionsTell    = "tell"
)

// gate makes the conditions of one run. Where they are required, a program's sense of the
// machine's heat is asked within windows, too.
func (s *Stage) gate(ws *runner.Workspace, c Config, apple *objc.Process) *gate.Gate {
	g := &gate.Gate{
		Read:     s.state,
		Cores:    runtime.NumCPU(),
		Enforced: c.Conditions == ConditionsRequire || c.Conditions == ConditionsAuto && c.Backend == BackendMetal,
		Waiting:  func(why string) { ws.Report(runner.StageBench, "waiting for the machine to calm down: %s", why) },
	}
	if apple != nil {
		g.Inside = func() string {
			if t := apple.ThermalState(); t > objc.Nominal {
				return "the system's thermal state is " + t.String()
			}
			return ""
		}
	}
	return g
}

// state reads the machine's.
func readState(ctx context.Context, quick bool) machine.State {
	return machine.ReadState(ctx, os.Environ(), quick)
}

// awake keeps the machine awake and this process out of App Nap until release. Both end
// with the process, however that ends. apple is nil on other systems.
func awake(ctx context.Context, program string) (apple *objc.Process, release func(), told string, err error) {
	caffeinate, told, err := gate.Awake(ctx, program)
	apple, a, active := stayActive()
	if a == nil {
		return apple, caffeinate, told, errors.Join(err, active)
	}
	if told != "" {
		told += ", "
	}
	return apple, func() { a.End(); caffeinate() }, told + "an activity of the system", err
}

// stayActive begins an activity of this process. All results are nil on a system without
// them.
func stayActive() (*objc.Process, *objc.Activity, error) {
	rt, err := objc.Open(objc.System())
	if errors.Is(err, objc.ErrNoRuntime) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := rt.Process()
	if err != nil {
		return nil, nil, err
	}
	a, err := p.BeginActivity(activity, "Holdfast measures throughput")
	return p, a, err
}

// activity is what the system is told that we do: work that a person waits for, whose
// timing matters, and through which the machine must not fall asleep.
const activity = objc.UserInitiated | objc.LatencyCritical | objc.IdleSystemSleepDisabled | objc.IdleDisplaySleepDisabled

// changed is the verdict on a machine that is not the one that the run began on.
func changed(res runner.Result, err error) (runner.Result, bool) {
	var c *gate.ChangedError
	if !errors.As(err, &c) {
		return res, false
	}
	res.Bench.Samples, res.Bench.Origins, res.Findings = nil, nil, nil
	res.Verdict, res.Reason = runner.Neutral, c.Error()
	return res, true
}
