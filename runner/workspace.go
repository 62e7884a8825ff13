package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-ci/holdfast/runner/proc"
)

// Workspace is one commit laid out on disk, with the folders a stage may write to.
type Workspace struct {
	Dir     string // checkout; absolute, real path
	Cache   string // outlives the run; private to one repository, trust class and stage
	Scratch string // emptied when the run ends
	Logs    string // one file per child, kept with the run
	Commit  Commit
	Base    Commit
	// Earlier is what the same stage told about the base, or about an earlier commit of the
	// branch; its commit is EarlierCommit. Nil if nothing is known.
	Earlier       *Result
	EarlierCommit Commit
	EarlierRun    int64 // that made it; 0 if it was made for this comparison
	// Rules are the rule files that judge in place of those in Dir, by name; those of RulesOf.
	// Nil means those in Dir.
	Rules   map[string][]byte
	RulesOf Commit
	// Fresh asks for an examination from nothing: what earlier runs left is compared with,
	// never relied on.
	Fresh bool
	// Warm is the cache of trusted runs where Cache is not that one: it may be copied from,
	// never written to. "" if Cache is the trusted one, or if there is none.
	Warm string
	// Trusted is false for code of a fork: nothing it writes may be reused by others.
	Trusted bool
	// Beside is the base laid out beside this commit, for a stage that measures both in turns.
	// Its logs are kept with those of this workspace. Nil if there is none.
	Beside *Workspace
	// Env is the complete environment of children: no secrets of the agent are in it.
	Env []string
	// Progress receives what a person watching should see. May be nil.
	Progress func(Event)

	mu       sync.Mutex
	logs     []Log
	children []Child
	meter    meter
}

// Child is a process that was started for the stage and reaped.
type Child struct {
	Args []string
	Exit proc.Exit // without its output
}

// Event is one line of progress.
type Event struct {
	Stage string
	Text  string // "built 4 of 7 modules", "waiting for the bench lock (held by run 12)"
	Done  bool   // the stage ended with this event
}

// Report sends a line of progress for a stage.
func (w *Workspace) Report(stage, format string, args ...any) {
	if w.Progress != nil {
		w.Progress(Event{Stage: stage, Text: fmt.Sprintf(format, args...)})
	}
}

// Exec runs a child in the workspace: cmd.Dir defaults to the checkout and cmd.Env to
// the workspace's environment. Its output is kept under Logs as name.log. The error is
// nil whenever the child ran and was reaped, whatever its exit code.
func (w *Workspace) Exec(ctx context.Context, name string, cmd proc.Cmd) (proc.Exit, error) {
	if cmd.Dir == "" {
		cmd.Dir = w.Dir
	}
	if cmd.Env == nil {
		cmd.Env = w.Env
	}
	if cmd.Log == "" && w.Logs != "" {
		if err := os.MkdirAll(w.Logs, 0o755); err != nil {
			return proc.Exit{}, err
		}
		cmd.Log = filepath.Join(w.Logs, name+".log")
	}
	done := w.Measure()
	exit, err := proc.Run(ctx, cmd)
	done()
	w.AddChild(cmd.Args, exit)
	if cmd.Log != "" {
		w.AddLog(Log{Name: name, Path: cmd.Log, Bytes: exit.Logged, Dropped: exit.Dropped})
	}
	return exit, err
}

// AddLog records a kept file for the result of the running stage.
func (w *Workspace) AddLog(l Log) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs = append(w.logs, l)
}

// AddChild records a process that was started and reaped without [Workspace.Exec].
func (w *Workspace) AddChild(args []string, exit proc.Exit) {
	if exit.PID == 0 {
		return // it was not started
	}
	exit.Stdout, exit.Stderr = proc.Output{}, proc.Output{}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.children = append(w.children, Child{Args: args, Exit: exit})
}

// Children are the processes of the running stage so far, in the order of their ends.
func (w *Workspace) Children() []Child {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.children)
}

// Measure marks time in which Holdfast itself only waits or measures, until the
// returned function is called. Calls may overlap; overlapping time counts once.
func (w *Workspace) Measure() (done func()) { return w.meter.start() }

// meter adds up the time during which at least one interval is open.
type meter struct {
	mu    sync.Mutex
	open  int
	since time.Time
	total time.Duration
}

func (m *meter) start() func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open == 0 {
		m.since = time.Now()
	}
	m.open++
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.open--
		if m.open == 0 {
			m.total += time.Since(m.since)
		}
	})
}

// take returns the total so far and starts again from nothing.
func (m *meter) take() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.total
	m.total = 0
	if m.open > 0 {
		now := time.Now()
		d += now.Sub(m.since)
		m.since = now
	}
	return d
}

// Execute runs one stage with a time limit and always returns a complete Result: an
// error, a panic, a passed limit and a cancelled context all become verdict Error with
// a reason. limit must be positive.
func Execute(ctx context.Context, st Stage, ws *Workspace, limit time.Duration) (res Result) {
	start := time.Now()
	ws.mu.Lock()
	ws.logs, ws.children = nil, nil
	ws.mu.Unlock()
	ws.meter.take()

	name := st.Name()
	inner, cancel := context.WithTimeoutCause(ctx, limit, &LimitError{Stage: name, Limit: limit})
	defer cancel()
	res, err := run(inner, st, ws)
	if cause := context.Cause(inner); cause != nil && (err != nil || res.Verdict != Failure) {
		// Whatever the stage made of being stopped, it could not finish. It may say where it
		// was.
		if !errors.Is(err, cause) {
			err = cause
		}
	}
	if err != nil {
		res.Verdict, res.Reason = Error, reason(err)
		_, res.TimedOut = errorsAs[*LimitError](err)
		if h, ok := errorsAs[interface{ Hint() string }](err); ok {
			res.Hint = h.Hint()
		}
	}
	if !res.Verdict.Valid() {
		res.Verdict, res.Reason = Error, fmt.Sprintf("the %s stage gave no verdict", name)
	}
	res.Stage = name
	res.Started = start.UTC()
	res.Seconds = time.Since(start).Seconds()
	res.Busy = ws.meter.take().Seconds()
	ws.mu.Lock()
	res.Logs = append(res.Logs, ws.logs...)
	ws.mu.Unlock()
	if b := ws.Beside; b != nil {
		b.mu.Lock()
		for _, l := range b.logs {
			l.Name = "base/" + l.Name
			res.Logs = append(res.Logs, l)
		}
		b.mu.Unlock()
		res.Busy += b.meter.take().Seconds()
	}
	return res
}

// run calls the stage and turns a panic into an error: a bug in one stage must not take
// the results of the others with it.
func run(ctx context.Context, st Stage, ws *Workspace) (res Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("bug in the %s stage: %v", st.Name(), p)
		}
	}()
	return st.Run(ctx, ws)
}
