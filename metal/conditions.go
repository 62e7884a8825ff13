package metal

import (
	"context"
	"errors"
	"os"
	"runtime"

	"github.com/holdfast-ci/holdfast/metal/gate"
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
func (s *Stage) gate(ws *runner.Workspace, c Config, a *activity) *gate.Gate {
	g := &gate.Gate{
		Read:     s.state,
		Cores:    runtime.NumCPU(),
		Enforced: c.Conditions == ConditionsRequire || c.Conditions == ConditionsAuto && c.Backend == BackendMetal,
		Waiting:  func(why string) { ws.Report(runner.StageBench, "waiting for the machine to calm down: %s", why) },
	}
	if a != nil {
		g.Inside = a.hot
	}
	return g
}

// state reads the machine's.
func readState(ctx context.Context, quick bool) machine.State {
	return machine.ReadState(ctx, os.Environ(), quick)
}

// activity is work of this process for which the system holds off App Nap and sleep.
type activity struct {
	hot func() string // why the machine is too hot by its own sense of it, "" if it is not
	end func()
}

// awake keeps the machine awake and this process out of App Nap until release. Both end
// with the process, however that ends. a is nil on a system without activities.
func awake(ctx context.Context, program string) (a *activity, release func(), told string, err error) {
	caffeinate, told, err := gate.Awake(ctx, program)
	a, active := stayActive()
	if a == nil || active != nil {
		return a, caffeinate, told, errors.Join(err, active)
	}
	if told != "" {
		told += ", "
	}
	return a, func() { a.end(); caffeinate() }, told + "an activity of the system", err
}

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
