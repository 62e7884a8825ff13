package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// cmdBench measures a working tree. On a terminal it draws what is known so far between
// the windows; elsewhere it prints lines. At the end it prints the tables of the built-in
// harness with their intervals.
func cmdBench(ctx context.Context, e *env, args []string) error {
	fs := flags(e, runner.StageBench, "[flags] [DIR]")
	var s selection
	s.registerTree(fs)
	backend := fs.String("backend", "", "measure on this `BACKEND` instead of the configured one")
	rounds := fs.Int("rounds", 0, "take `N` values of each configuration instead of as many as configured")
	window := fs.Duration("window", 0, "measure each value for `D`, instead of as long as configured")
	explain := fs.Bool("explain", false, "tell how each figure came about")
	var out outputs
	fs.StringVar(&out.json, "json", "", "write the report as JSON to `FILE` (- for standard output)")
	quiet := fs.Bool("quiet", false, "print no progress")
	if err := parse(fs, args, 1); err != nil {
		return err
	}
	cfg, repo, dir, err := s.tree(e, fs.Arg(0))
	if err != nil {
		return err
	}
	own := *repo // the settings are shared
	if *backend != "" {
		own.Bench.Backend = *backend
	}
	if *rounds != 0 {
		own.Bench.Rounds = *rounds
	}
	if *window != 0 {
		own.Bench.Window = *window
	}
	if err := benchConfig(own.Bench).Check(); err != nil {
		return &usageError{err.Error(), hintOf(err)}
	}
	r := stageRun{cfg: cfg, repo: &own, stage: runner.StageBench, dir: dir, out: out, quiet: *quiet, explain: *explain}
	if f, ok := e.stderr.(*os.File); ok && !*quiet && isatty.IsTerminal(f.Fd()) {
		rows, columns := terminalSize(f)
		if v := newBenchView(f, rows, columns, benchConfig(own.Bench).Loads()); v != nil {
			defer v.close()
			r.sink, r.watch = v.event, v.watch
		}
	}
	return runStage(ctx, e, r)
}

// benchTables prints what the built-in harness measured, and how if that is asked for.
func benchTables(w io.Writer, in report.Input, explain bool) error {
	text := report.BenchTables(in)
	if explain {
		if how := report.Explain(in); how != "" {
			text += "\n" + how
		}
	}
	if text == "" {
		return nil
	}
	if len(in.Run.Stages[0].Logs) > 0 {
		text = "\n" + text // below the line that says where they are
	}
	_, err := io.WriteString(w, text)
	return err
}

// left is "about 12 s left", or nothing.
func left(p harness.Progress) string {
	if p.Left < time.Second {
		return ""
	}
	return fmt.Sprintf(", about %s left", p.Left.Round(time.Second))
}
