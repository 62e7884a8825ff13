package metal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/metal/child"
	"github.com/holdfast-ci/holdfast/metal/cpu"
	"github.com/holdfast-ci/holdfast/metal/gate"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// ChildVerb is the command, which no help lists, with which this program runs itself to
// measure. See package child.
const ChildVerb = "bench-child"

// Child is the life of this process if it was started to measure: ok is true then, and
// code its exit code. A program that runs the stage asks it first of all, as its tests do.
// args are the program's, its name included; own opens its BackendOwn, nil if it has none.
func Child(args []string, own func() (harness.Backend, error)) (code int, ok bool) {
	return childWith(args, func(d described) (harness.Backend, error) {
		if d.Config.Backend == BackendOwn && own != nil {
			return own()
		}
		return open(d)
	})
}

// childWith is Child with other devices, for tests.
func childWith(args []string, open func(described) (harness.Backend, error)) (code int, ok bool) {
	if len(args) != 2 || args[1] != ChildVerb || !child.Started() {
		return 0, false
	}
	return child.Main(func(device json.RawMessage) (harness.Backend, error) {
		var d described
		if err := json.Unmarshal(device, &d); err != nil {
			return nil, fmt.Errorf("read its description: %w", err)
		}
		return open(d)
	}), true
}

// described is what the measuring process is told of its device.
type described struct {
	Config Config // without programs
	Fault  string `json:",omitempty"` // of a test
}

// open makes the backend, in the measuring process.
func open(d described) (harness.Backend, error) {
	switch d.Config.Backend {
	case BackendMetal:
		if _, err := stayActive(); err != nil {
			fmt.Fprintln(os.Stderr, "warning:", err)
		}
		return openMetal()
	case BackendCPU:
		return cpu.Open(cpu.Model{Submit: d.Config.Latency, Execute: d.Config.Execution})
	case BackendOwn:
		return nil, errors.New("this program brings no device along")
	}
	return nil, fmt.Errorf("no backend %q", d.Config.Backend)
}

// device runs the harness on the configured backend, each scenario in a process of its
// own.
func (s *Stage) device(ctx context.Context, ws *runner.Workspace, c Config, g *gate.Gate) (*harness.Report, error) {
	h := c.harness()
	var err error
	if h.Kernel.Source, err = c.kernel(ws.Dir); err != nil {
		return nil, err
	}
	p, err := s.prober(ws, c)
	if err != nil {
		return nil, err
	}
	defer ws.Measure()()
	ws.Report(runner.StageBench, "backend %s: about %s", c.Backend, about(c.Estimate()))
	h.Progress = s.progress(ws)
	h.Conditions = g.Conditions
	rep, err := harness.Drive(ctx, func(ctx context.Context, scenario string) (harness.Probe, error) {
		return p.open(ctx, ws, h.Kernel, scenario)
	}, h)
	p.tell(rep)
	return rep, err
}

// prober starts the processes that measure.
type prober struct {
	s       *Stage
	self    string // this program
	device  json.RawMessage
	env     []string
	removed []string // variables that were not passed on
	hang    time.Duration
	n       int
}

// prober makes one of the configuration, if this system has its backend.
func (s *Stage) prober(ws *runner.Workspace, c Config) (*prober, error) {
	if c.Backend == BackendMetal && noMetal != nil && s.fault == "" {
		return nil, noMetal
	}
	p := &prober{s: s, hang: c.Hang}
	var err error
	if p.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	d := described{Config: c, Fault: s.fault}
	d.Config.Programs = nil
	if p.device, err = json.Marshal(d); err != nil {
		return nil, fmt.Errorf("describe the device: %w", err)
	}
	p.env, p.removed = child.Environment(ws.Env, os.Environ())
	return p, nil
}

// open starts a process for one scenario. It belongs to ws.
func (p *prober) open(ctx context.Context, ws *runner.Workspace, k harness.Kernel, scenario string) (harness.Probe, error) {
	if p.s.probe != nil {
		return p.s.probe(k, scenario), nil
	}
	p.n++
	name := fmt.Sprintf("bench-%s-%d", scenario, p.n)
	cmd := child.Command{
		Name: scenario, Device: p.device, Kernel: k, Hang: p.hang, Slack: p.s.slack,
		Proc: proc.Cmd{Args: []string{p.self, ChildVerb}, Env: p.env, Dir: ws.Scratch},
	}
	if ws.Logs != "" {
		if err := os.MkdirAll(ws.Logs, 0o755); err != nil {
			return nil, err
		}
		cmd.Proc.Log = filepath.Join(ws.Logs, name+".log")
	}
	cmd.Ended = func(e proc.Exit) {
		ws.AddChild(cmd.Proc.Args, e)
		keep(ws, name, cmd.Proc.Log, e)
	}
	return child.Start(ctx, cmd)
}

// tell notes what was done to the environment.
func (p *prober) tell(rep *harness.Report) {
	if rep == nil || len(p.removed) == 0 {
		return
	}
	rep.Settings["environment, not passed on"] = strings.Join(p.removed, " ")
	rep.Warnings = append(rep.Warnings, "variables that change measurements are set for the agent; they were not passed on: "+strings.Join(p.removed, ", "))
}

// keep records the log of a measuring process that said something.
func keep(ws *runner.Workspace, name, path string, e proc.Exit) {
	if path == "" {
		return
	}
	if e.Logged == 0 {
		os.Remove(path)
		return
	}
	ws.AddLog(runner.Log{Name: name, Path: path, Bytes: e.Logged, Dropped: e.Dropped})
}

// hinted adds what a person can do about an operation or a process that did not end.
func hinted(err error) error {
	var hang *harness.HangError
	var deadline *child.DeadlineError
	if errors.As(err, &hang) || errors.As(err, &deadline) {
		return runner.WithHint(err, "a wait inside a driver cannot be cancelled, its process was killed: if the next run hangs too, restart the machine")
	}
	return err
}

// progress reports at every round, and every few seconds within one; always between two
// windows, never beside one.
func (s *Stage) progress(ws *runner.Workspace) func(harness.Progress) {
	last, at := "", time.Now()
	return func(p harness.Progress) {
		if s.watch != nil {
			s.watch(p)
		}
		if p.Doing == harness.Finished || p.Doing == last && time.Since(at) < 5*time.Second {
			return
		}
		last, at = p.Doing, time.Now()
		left := ""
		if p.Left > 0 {
			left = fmt.Sprintf(", about %s left", about(p.Left))
		}
		ws.Report(runner.StageBench, "%s, %s elapsed%s", p.Doing, p.Elapsed.Round(time.Second/10), left)
	}
}

// about rounds an estimate: to a tenth below ten seconds, else to a second.
func about(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(time.Second / 10)
	}
	return d.Round(time.Second)
}
