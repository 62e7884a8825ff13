package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

func cmdHistory(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "history", "[flags]")
	var s selection
	s.register(fs, "only runs of this repository `NAME`")
	branch := fs.String("branch", "", "only runs of this `BRANCH`")
	limit := fs.Int("n", 20, "at most `N` runs")
	asJSON := fs.Bool("json", false, "print JSON, one run a line")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if *limit < 1 {
		return &usageError{fmt.Sprintf("-n %d", *limit), "at least 1"}
	}
	a, repo, err := s.readAny(ctx, e)
	if err != nil {
		return err
	}
	defer a.close()
	filter := store.Filter{Branch: *branch, Limit: *limit}
	if repo != nil {
		filter.Repo = repo.Name
	}
	runs, err := a.store.Runs(ctx, filter)
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(e.stdout)
		for _, r := range runs {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	if len(runs) == 0 {
		fmt.Fprintln(e.stdout, "no runs")
		return nil
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tSTARTED (UTC)\tREPOSITORY\tCOMMIT\tTRIGGER\tVERDICT\tTOOK\tREASON")
	for _, r := range runs {
		what := string(r.Verdict)
		if r.State != runner.StateDone {
			what = r.State
		}
		began := r.Started
		if began.IsZero() {
			began = r.Created
		}
		took := ""
		if !r.Finished.IsZero() && !r.Started.IsZero() {
			took = r.Finished.Sub(r.Started).Round(time.Second / 10).String()
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Number, began.UTC().Format("2006-01-02 15:04:05"),
			report.Line(r.Repo), r.Commit.Short(), report.Line(r.Trigger), what, took, clip(report.Line(r.Reason), 80))
	}
	return w.Flush()
}

// clip shortens one line of text to n characters.
func clip(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func cmdReport(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "report", "[flags] RUN")
	var s selection
	s.register(fs, "")
	format := fs.String("format", "text", "`FORMAT`: text, md, json, sarif, junit or annotations")
	if err := parse(fs, args, 1); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return &usageError{"no run named", listsRuns}
	}
	number, err := numberOf("run", fs.Arg(0), listsRuns)
	if err != nil {
		return err
	}
	var out outputs
	switch *format {
	case "text":
	case "md", "markdown":
		out.markdown = "-"
	case "json":
		out.json = "-"
	case "sarif":
		out.sarif = "-"
	case "junit":
		out.junit = "-"
	case "annotations":
		out.annotations, out.quietText = true, true
	default:
		return &usageError{fmt.Sprintf("no format %q", *format), "text, md, json, sarif, junit or annotations"}
	}
	a, _, err := s.readAny(ctx, e)
	if err != nil {
		return err
	}
	defer a.close()
	rec, err := a.store.Run(ctx, number)
	if errors.Is(err, store.ErrNotFound) {
		return runner.WithHint(fmt.Errorf("no run %d", number), listsRuns)
	}
	if err != nil {
		return err
	}
	in, err := a.stored(ctx, rec)
	if err != nil {
		return err
	}
	return out.write(e, in)
}

func cmdConfig(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "config", "[flags]")
	file := fs.String("config", "", "configuration `FILE` (default agent.toml)")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	cfg, err := loadConfig(e, *file, false)
	if err != nil {
		return err
	}
	refused, note := belowNoise(ctx, e, cfg)
	if len(refused) > 0 {
		return &usageError{strings.Join(refused, "\n"), "holdfast truth tells what each benchmark allows"}
	}
	w := e.stdout
	fmt.Fprintf(w, "%s is sound\n\nagent %s, state in %s\n", cfg.File, cfg.Agent.Name, cfg.Agent.State)
	if cfg.Engine.Postgres.IsZero() {
		fmt.Fprintf(w, "store: SQLite, %s\n", cfg.Engine.SQLite)
	} else {
		fmt.Fprintf(w, "store: Postgres, %s\n", cfg.Engine.Postgres)
	}
	posts := "dry run: nothing is posted"
	if cfg.GitHub.Post {
		posts = "posts on GitHub"
	}
	fmt.Fprintf(w, "github: %s, polled every %s; %s\n", cfg.GitHub.API, cfg.GitHub.Poll, posts)
	for i := range cfg.Repositories {
		r := &cfg.Repositories[i]
		var stages []string
		for _, j := range enabled(r, runner.Stages) {
			stages = append(stages, j.Stage)
		}
		from := r.URL
		if r.Path != "" {
			from = r.Path
		}
		fmt.Fprintf(w, "repository %s: %s, branches %s, stages %s, %s\n",
			r.Name, from, strings.Join(r.Branches, " "), strings.Join(stages, " "), plural(len(r.Thresholds.Require), "threshold"))
	}
	for _, s := range cfg.Schedules {
		fmt.Fprintf(w, "schedule %s: %s %s, next %s\n", s.Name, s.Cron, s.Spec.Location(), s.Spec.Next(time.Now()).Format("2006-01-02 15:04 MST"))
	}
	if note != "" {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	return nil
}
