package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// cmdTruth shows what is known of verdicts, and measures more of it.
func cmdTruth(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "truth", "[flags]")
	var s selection
	s.register(fs, theOnly)
	measure := fs.Int("measure", 0, "first measure a good commit twice, `N` times over")
	asJSON := fs.Bool("json", false, "print JSON")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if *measure < 0 || *measure > 1000 {
		return &usageError{fmt.Sprintf("--measure %d", *measure), "from 1 to 1000 A/A comparisons"}
	}
	a, repo, err := s.read(ctx, e)
	if err != nil {
		return err
	}
	defer a.close()
	if *measure > 0 {
		p := newProgress(e.stderr)
		defer p.close()
		a.x.progress = p.event
		if err := a.measureAA(ctx, repo, *measure, p); err != nil {
			return err
		}
	}
	place := a.here(ctx, repo)
	ledger, err := a.ledger(ctx, place)
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(report.TruthJSON(ledger))
	}
	fmt.Fprintf(e.stdout, "%s on %s\n", report.Line(repo.Name), machineOf(place))
	for _, line := range report.TruthLines(*ledger) {
		fmt.Fprintln(e.stdout, line)
	}
	if err := a.printTriage(ctx, e.stdout, repo.Name); err != nil {
		return err
	}
	noise, err := a.noise(ctx, place)
	if err != nil || len(noise) == 0 {
		return err
	}
	list, err := a.store.Baselines(ctx, repo.Name)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.stdout)
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "METRIC\tA/A PAIRS\tRUNS VARY BY\tLEAST THRESHOLD")
	for _, b := range list {
		n, ok := noise[b.Metric]
		if !ok || b.Place != place {
			continue
		}
		least := "needs more pairs"
		if f := n.Floor(); !math.IsNaN(f) {
			least = fmt.Sprintf("baseline ± %.1f%%", 100*f)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", label(b), n.Pairs, spread(n.Spread), least)
	}
	return w.Flush()
}

// printTriage lists what people last said of red verdicts.
func (a *app) printTriage(ctx context.Context, out io.Writer, repo string) error {
	const most = 20
	log, err := a.store.TriageLog(ctx, repo, most)
	if err != nil || len(log) == 0 {
		return err
	}
	fmt.Fprintln(out)
	for _, x := range log {
		fmt.Fprintf(out, "%s  %s: %s, %s: %s (%s)\n", x.At.Format("2006-01-02 15:04:05Z"), report.Line(x.Who), x.Subject, report.Line(x.Detail),
			strings.TrimPrefix(x.Action, "triage "), report.Line(x.Why))
	}
	return nil
}

// measureAA makes A/A comparisons in this process.
func (a *app) measureAA(ctx context.Context, repo *config.Repository, times int, p *progress) error {
	if _, err := a.store.Recover(ctx); err != nil {
		return err
	}
	for range times {
		n, ok, err := a.newAA(ctx, repo)
		if err != nil {
			return err
		}
		if !ok {
			return runner.WithHint(errors.New("no commit to measure twice"), "it takes a run of branch %s with benchmarks that meets its thresholds, on this machine: holdfast run", repo.DefaultBranch())
		}
		n.Direct = true
		keep := context.WithoutCancel(ctx)
		first, second, _, err := a.store.CreateAA(keep, n)
		if err != nil {
			return err
		}
		for _, run := range []int64{first, second} {
			if ctx.Err() == nil {
				p.line("truth", "run %d: %s %q, unchanged", run, n.Commit.Short(), n.Commit.Subject)
				if err := a.work(ctx, run, runner.StageBench, 1); err != nil {
					return err
				}
			}
			if ctx.Err() != nil {
				if err := a.store.Cancel(keep, run, runner.StateCancelled, reasonOf(ctx)); err != nil {
					return err
				}
			}
			if _, err := a.finish(keep, run); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// cmdTriage keeps what a person says of a red verdict.
func cmdTriage(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "triage", "RUN METRIC [key=value …] real|noise --reason WHY")
	var s selection
	s.register(fs, "")
	var by signature
	by.register(fs)
	if err := parse(fs, args, math.MaxInt); err != nil {
		return err
	}
	const usage = `holdfast triage 12 "async-gain mode=single" noise --reason "the display was on"`
	n := fs.NArg()
	if n < 3 {
		return &usageError{"triage: want the number of a run, a metric or a stage, and real or noise", usage}
	}
	number, err := numberOf("run", fs.Arg(0), listsRuns)
	if err != nil {
		return err
	}
	truth := fs.Arg(n - 1)
	if truth != store.Real && truth != store.Noise {
		return &usageError{fmt.Sprintf("%q is neither real nor noise", truth), usage}
	}
	if err := by.check(); err != nil {
		return err
	}
	a, _, err := s.readAny(ctx, e)
	if err != nil {
		return err
	}
	defer a.close()
	rec, err := a.store.Run(ctx, number)
	if errors.Is(err, store.ErrNotFound) {
		return &usageError{fmt.Sprintf("no run %d", number), listsRuns}
	}
	if err != nil {
		return err
	}
	list, err := a.reds(rec, strings.Join(fs.Args()[1:n-1], " "))
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Kind, list[i].Truth = store.TruthTriage, truth
	}
	if err := a.store.Triage(ctx, list, by.author, by.reason); err != nil {
		return err
	}
	for _, x := range list {
		what := x.Metric
		if x.Threshold != "" {
			what = x.Threshold
		}
		fmt.Fprintf(e.stdout, "run %d, %s: %s (%s)\n", number, report.Line(what), truth, report.Line(by.reason))
	}
	return nil
}

// reds are the red verdicts of a run that a name means: a stage, or a metric as a threshold
// has it. Benchmarks are red for the thresholds that they miss, so the stage means all of
// them: it is no further verdict.
func (a *app) reds(rec store.Record, name string) ([]store.Truth, error) {
	run := &rec.Run
	judged, err := judgements(rec)
	if err != nil {
		return nil, err
	}
	match := func(runner.Sample) bool { return true }
	if slices.Contains(runner.Stages, name) {
		res := run.Stage(name)
		if res == nil || res.Verdict != runner.Failure {
			return nil, notRed(run.Number, name, res == nil)
		}
		missed := func(m baseline.Metric) bool { return m.Verdict == runner.Failure }
		if name != runner.StageBench || judged[0] == nil || !slices.ContainsFunc(judged[0].Metrics, missed) {
			return []store.Truth{{Run: run.Number, Place: store.Place{Repo: run.Repo}, Metric: name, Verdict: string(res.Verdict), Alarm: true}}, nil
		}
		judged = judged[:1]
	} else {
		t, err := baseline.ParseMetric(name)
		if err != nil {
			return nil, &usageError{strings.TrimPrefix(err.Error(), "threshold "), "name a stage, or a metric as in a threshold"}
		}
		match = t.Match
	}
	var out []store.Truth
	seen := false
	for i, j := range judged {
		if j == nil {
			continue
		}
		for _, m := range j.Metrics {
			if !match(runner.Sample{Name: m.Name, Unit: m.Unit, Config: m.Config}) {
				continue
			}
			if seen = true; m.Verdict != runner.Failure {
				continue
			}
			// Which configuration it was measured under is not kept with a run; what people
			// say counts for the repository as a whole.
			p := store.Place{Kind: []string{store.KindBench, store.KindBuild}[i], Repo: run.Repo, Class: run.Machine.Class, Fingerprint: run.Machine.Fingerprint}
			out = append(out, store.Truth{Run: run.Number, Place: p, Metric: m.Key(), Threshold: m.Threshold, Verdict: string(m.Verdict), Alarm: true})
		}
	}
	if len(out) == 0 {
		return nil, notRed(run.Number, name, !seen)
	}
	return out, nil
}

func notRed(run int64, name string, unknown bool) error {
	if unknown {
		return &usageError{fmt.Sprintf("run %d has no verdict on %s", run, name), fmt.Sprintf("holdfast report %d tells which it has; name a stage, or a metric as in a threshold", run)}
	}
	return &usageError{fmt.Sprintf("%s is not red in run %d", name, run), "only what is red can be confirmed or dismissed"}
}
