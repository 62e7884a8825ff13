package metal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ci/holdfast/metal/crash"
	"github.com/holdfast-ci/holdfast/runner"
)

const (
	// crashSettle is how long reports may take to be written when nothing says that there
	// should be one, and crashPatience when a child was ended by a signal of a crash.
	crashSettle   = time.Second
	crashPatience = 15 * time.Second
	// maxCrashes is how many reports of one run are kept and told.
	maxCrashes = 10
)

// crashSignals are those for which macOS writes a report.
var crashSignals = []syscall.Signal{
	syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGFPE, syscall.SIGSYS,
}

// crashWatch looks for crash reports about the processes of one run of the stage.
type crashWatch struct {
	watcher          *crash.Watcher
	from             time.Time
	own              string // name of our own program
	settle, patience time.Duration
}

func (s *Stage) watchCrashes() *crashWatch {
	own, _ := os.Executable()
	return &crashWatch{crash.Watch(s.config.CrashReports), time.Now(), filepath.Base(own), s.settle, s.patience}
}

// findings has a finding for each crash of a process of the run, its report attached. A
// crashed program of the repository is a failure. A crash of Holdfast's own process, which
// drives the device, may as well be the driver's or ours: it is an error.
func (w *crashWatch) findings(ctx context.Context, ws *runner.Workspace) (list []runner.Finding, warnings []string) {
	if !w.watcher.Exists() {
		return nil, nil
	}
	run := runOf(ws, w.from)
	run.Self = os.Getpid()
	var base crash.Run // zero: owns nothing
	if ws.Beside != nil {
		base = runOf(ws.Beside, w.from)
	}
	var expect []int
	for _, c := range ws.Children() {
		switch sig := c.Exit.Signal; {
		case slices.Contains(crashSignals, sig):
			expect = append(expect, c.Exit.PID)
		case c.Exit.Code > 128 && slices.Contains(crashSignals, syscall.Signal(c.Exit.Code-128)):
			expect = append(expect, 0) // a child of it, says a shell
		}
	}
	found, unread := w.watcher.Collect(ctx, run, expect, w.settle, w.patience)
	host, _ := os.Hostname()
	for i, f := range found {
		if i == maxCrashes {
			warnings = append(warnings, fmt.Sprintf("%d more crash reports were found", len(found)-i))
			break
		}
		v, of := w.blame(f.Report, run, base)
		text := string(crash.Redact([]byte(of+f.String()), host))
		list = append(list, runner.Finding{Verdict: v, Rule: "crash", Text: text})
		if err := attach(ws, fmt.Sprintf("crash-%d%s", i+1, filepath.Ext(f.File)), crash.Redact(f.Text, host)); err != nil {
			warnings = append(warnings, fmt.Sprintf("the crash report of %s could not be kept: %v", f.Process, err))
		}
	}
	for _, u := range unread {
		list = append(list, runner.Finding{Verdict: runner.Error, Rule: "crash", Text: string(crash.Redact([]byte(
			fmt.Sprintf("crash report %s appeared in the run and could not be read: %v", u.File, u.Err)), host))})
	}
	if len(found) == 0 && len(expect) > 0 {
		warnings = append(warnings, fmt.Sprintf("no crash report appeared within %s for the program that a signal ended", w.patience))
	}
	return list, warnings
}

// runOf is what is known of the processes of one checkout.
func runOf(ws *runner.Workspace, from time.Time) crash.Run {
	run := crash.Run{From: from, Dir: ws.Dir}
	for _, c := range ws.Children() {
		run.PIDs = append(run.PIDs, c.Exit.PID)
		for i, arg := range c.Args {
			if i == 0 || strings.Contains(arg, "/") {
				run.Programs = append(run.Programs, filepath.Base(arg))
			}
		}
	}
	return run
}

// blame says what a crash says of the commit under test. That of a program of the base,
// which was measured in turns with it, says nothing of it; where the two cannot be told
// apart nothing can be said.
func (w *crashWatch) blame(r *crash.Report, head, base crash.Run) (v runner.Verdict, of string) {
	if r.Process == w.own {
		if slices.Contains(base.PIDs, r.PID) { // it measured the base's kernel
			return runner.Neutral, "the base: "
		}
		return runner.Error, ""
	}
	now := time.Now()
	by := func(run crash.Run, dir bool) bool {
		run.Self = 0
		if !dir {
			run.Dir = ""
		}
		return run.Owns(r, now)
	}
	switch {
	case by(head, false):
		return runner.Failure, ""
	case by(base, false), by(base, true) && !by(head, true):
		return runner.Neutral, "the base: "
	case by(base, true):
		return runner.Error, "the base or the head: "
	}
	return runner.Failure, ""
}

// attach keeps a text with the logs of the run.
func attach(ws *runner.Workspace, name string, text []byte) error {
	if ws.Logs == "" {
		return nil
	}
	if err := os.MkdirAll(ws.Logs, 0o755); err != nil {
		return err
	}
	path := filepath.Join(ws.Logs, name)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	ws.AddLog(runner.Log{Name: name, Path: path, Bytes: int64(len(text))})
	return nil
}

// judgeCrashes puts the crashes of a run into its result. The error is that of the run
// without them.
func judgeCrashes(res runner.Result, err error, crashes []runner.Finding, warnings []string) (runner.Result, error) {
	res.Findings = append(crashes, res.Findings...)
	res.Warnings = append(res.Warnings, warnings...)
	is := func(v runner.Verdict) func(runner.Finding) bool {
		return func(f runner.Finding) bool { return f.Verdict == v }
	}
	i := slices.IndexFunc(crashes, is(runner.Failure))
	if i < 0 {
		if i := slices.IndexFunc(crashes, is(runner.Error)); i >= 0 && err == nil && res.Verdict != runner.Failure {
			err = fmt.Errorf("%s", crashes[i].Text)
		}
		return res, err
	}
	res.Verdict, res.Reason = runner.Failure, crashes[i].Text
	if n := len(crashes); n > 1 {
		res.Reason += fmt.Sprintf(" (and %d more crash reports)", n-1)
	}
	return res, nil
}
