// Package agent is the Holdfast command: it reads the configuration, wires the stages,
// the store, the schedule, intake and publishing together, and turns what comes of it
// into output and an exit code.
//
// Its sub-packages hold one part each: config (agent.toml), schedule (cron in wall-clock
// time), intake (new heads), store (state and queue), hub (the GitHub client), publish
// (the only place that posts). Examining a commit is package runner's and the stages',
// judging package baseline's, rendering package report's.
package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/metal"
	"github.com/holdfast-ci/holdfast/proofs"
	"github.com/holdfast-ci/holdfast/runner"
)

// Version is set by the linker for releases.
var Version = "dev"

// Exit codes of the command.
const (
	ExitSuccess = 0 // success or neutral
	ExitFailure = 1 // the change is bad
	ExitUsage   = 2 // wrong call or configuration
	ExitError   = 3 // could not tell
)

// env is what a command may use of the world.
type env struct {
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	environ []string
}

// command is one verb.
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, e *env, args []string) error
}

// commands is the table of verbs, in the order of the help text. It is a function since
// the help command lists it.
func commands() []command {
	return []command{
		{name: "run", summary: "examine one commit and print a report", run: cmdRun},
		{name: "proofs", summary: "build and inventory the proofs of a working tree", run: cmdProofs},
		{name: "checks", summary: "judge the structural rules of a working tree", run: cmdChecks},
		{name: "bench", summary: "measure throughput", run: cmdBench},
		{name: "serve", summary: "watch repositories: schedules, polling, queue, posting", run: cmdServe},
		{name: "doctor", summary: "tell what works, what does not, and what to do about it", run: cmdDoctor},
		{name: "history", summary: "list stored runs, newest first", run: cmdHistory},
		{name: "report", summary: "print the report of a stored run", run: cmdReport},
		{name: "dashboard", summary: "show runs, histories and changes of level in a browser", run: cmdDashboard},
		{name: "triage", summary: "say whether a red verdict was real or noise", run: cmdTriage},
		{name: "truth", summary: "how often verdicts were false, and what can be told at all", run: cmdTruth},
		{name: "bisect", summary: "find the first bad commit of a range", run: cmdBisect},
		{name: "baseline", summary: "what is compared with: list, show, accept, pin, reset, import", run: cmdBaseline},
		{name: "compare", summary: "compare two files of benchmark results", run: cmdCompare},
		{name: "detect", summary: "find the change points of stored series", run: cmdDetect},
		{name: "actions", summary: "be a step of a workflow of GitHub Actions", run: cmdActions},
		{name: "launchd", summary: "run the agent under launchd", run: serviceCommand("launchd")},
		{name: "systemd", summary: "run the agent as a systemd user unit", run: serviceCommand("systemd")},
		{name: "config", summary: "check agent.toml and say what it means", run: cmdConfig},
		{name: "version", summary: "print the version", run: cmdVersion},
	}
}

// Main runs the command line args (without the program's name) and returns the exit code.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	// Put in the place of bin/lean, it does what that does.
	if code, ok := proofs.Wrapped(os.Args, os.Environ()); ok {
		return code
	}
	if code, ok := metal.Child(os.Args, nil); ok {
		return code
	}
	// The first signal asks every child to stop and records the run as cancelled; a second
	// one ends the process in the ordinary way.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		select {
		case <-signals:
			signal.Stop(signals)
			cancel(runner.ErrCancelled)
		case <-ctx.Done():
		}
	}()
	e := &env{stdin: stdin, stdout: stdout, stderr: stderr, environ: os.Environ()}
	return exitCode(stderr, dispatch(ctx, e, args))
}

func dispatch(ctx context.Context, e *env, args []string) error {
	if len(args) == 0 {
		usage(e.stderr)
		return errUsage
	}
	name := args[0]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(args) == 1 || args[1] == "help" || strings.HasPrefix(args[1], "-") {
			usage(e.stdout)
			return nil
		}
		name, args = args[1], append(slices.Clone(args[1:]), "-h")
	case "-version", "--version":
		name = "version"
	}
	table := commands()
	i := slices.IndexFunc(table, func(c command) bool { return c.name == name })
	if i < 0 {
		return &usageError{fmt.Sprintf("unknown command %q", name), "holdfast help lists the commands"}
	}
	return table[i].run(ctx, e, args[1:])
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Holdfast keeps proofs, structural invariants and throughput from regressing.\n\nusage: holdfast COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nholdfast COMMAND -h tells the flags of a command.\n"+
		"Exit codes: 0 success, 1 failure, 2 usage or configuration, 3 could not tell.\n")
}

// verdictError ends a command with the exit code of a verdict; the report is printed
// already.
type verdictError struct{ verdict runner.Verdict }

func (e *verdictError) Error() string { return string(e.verdict) }

// asError is nil for a verdict that is no reason to stop a script.
func asError(v runner.Verdict) error {
	if v == runner.Success || v == runner.Neutral {
		return nil
	}
	return &verdictError{v}
}

// usageError is a wrong call.
type usageError struct{ text, hint string }

func (e *usageError) Error() string { return e.text }
func (e *usageError) Hint() string  { return e.hint }

// hintOf is the advice that an error carries, "" if none.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// errUsage ends a command whose usage text is printed already.
var errUsage = errors.New("usage")

// exitCode prints what an error says, once, and maps it to an exit code.
func exitCode(stderr io.Writer, err error) int {
	var verdict *verdictError
	var wrongCall *usageError
	var problems *config.Errors
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return ExitSuccess
	case errors.Is(err, errUsage):
		return ExitUsage
	case errors.As(err, &verdict):
		if verdict.verdict == runner.Failure {
			return ExitFailure
		}
		return ExitError
	case errors.As(err, &problems):
		fmt.Fprintf(stderr, "%v\n", err)
		return ExitUsage
	}
	fmt.Fprintf(stderr, "error: %v\n", err)
	if hint := hintOf(err); hint != "" {
		for line := range strings.SplitSeq(hint, "\n") {
			fmt.Fprintf(stderr, "hint: %s\n", line)
		}
	}
	if errors.As(err, &wrongCall) {
		return ExitUsage
	}
	return ExitError
}

func cmdVersion(_ context.Context, e *env, args []string) error {
	if err := parse(flags(e, "version", ""), args, 0); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, agentName())
	return nil
}

// agentName is "holdfast VERSION", as it stands in reports.
func agentName() string {
	v := Version
	if info, ok := debug.ReadBuildInfo(); ok && v == "dev" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += "-" + s.Value[:min(10, len(s.Value))]
			}
		}
	}
	return "holdfast " + v
}
