package agent

import (
	"context"
	"encoding/json"
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

// inUse are, of the baselines of a repository, those of the place that was measured last, for
// each kind and class of machine: an update of the system or another configuration leaves
// older ones behind. A place that was only imported counts as older than any that was measured.
func (a *app) inUse(ctx context.Context, repo string, list []store.Baseline) ([]store.Baseline, error) {
	measured, err := a.store.NewestIn(ctx, repo)
	if err != nil {
		return nil, err
	}
	type group struct{ repo, kind, class string }
	newest := map[group]store.Place{}
	for _, b := range list { // in the order in which they came into being
		g := group{b.Repo, b.Kind, b.Class}
		if old, seen := newest[g]; !seen || measured[b.Place] >= measured[old] {
			newest[g] = b.Place
		}
	}
	return slices.DeleteFunc(slices.Clone(list), func(b store.Baseline) bool { return newest[group{b.Repo, b.Kind, b.Class}] != b.Place }), nil
}

// current is a baseline with what it consists of now.
type current struct {
	store.Baseline
	level baseline.Level
	runs  []store.Point // newest first; Run is negative for values from elsewhere
}

// fill reads what baselines consist of.
func (a *app) fill(ctx context.Context, list []store.Baseline, runs int) ([]current, error) {
	past := map[store.Place][]baseline.Past{}
	out := make([]current, len(list))
	for i, b := range list {
		if _, ok := past[b.Place]; !ok {
			h, err := a.level(ctx, b.Place, runs)
			if err != nil {
				return nil, err
			}
			past[b.Place] = h
		}
		out[i] = current{Baseline: b}
		var values [][]float64
		key := b.Sample.Key()
		for _, r := range slices.Backward(past[b.Place]) {
			if v := r.Values[key]; len(v) > 0 {
				out[i].runs = append(out[i].runs, store.Point{Run: r.Run, Commit: r.Commit, Values: v})
				values = append(values, v)
			}
		}
		out[i].level = baseline.LevelOf(values)
	}
	return out, nil
}

func (s *current) state() string {
	switch {
	case s.Pinned:
		return "pinned"
	case s.Since > 0:
		return fmt.Sprintf("moving, from run %d on", s.Since)
	}
	return "moving"
}

func spread(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return "±" + strings.TrimPrefix(baseline.Percent(math.Expm1(v)), "+")
}

// baselines opens the store of the repository that is meant, for its baselines.
func (s *selection) baselines(ctx context.Context, e *env) (*app, *config.Repository, []store.Baseline, error) {
	a, repo, err := s.read(ctx, e)
	if err != nil {
		return nil, nil, nil, err
	}
	list, err := a.store.Baselines(ctx, repo.Name)
	if err != nil {
		a.close()
		return nil, nil, nil, err
	}
	return a, repo, list, nil
}

func baselineList(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "baseline list", "[flags] [METRIC [key=value …]]")
	var s selection
	s.register(fs, theOnly)
	all := fs.Bool("all", false, "also those of machines, systems and configurations of the past")
	asJSON := fs.Bool("json", false, "print JSON, one baseline a line")
	if err := parse(fs, args, math.MaxInt); err != nil {
		return err
	}
	a, repo, list, err := s.baselines(ctx, e)
	if err != nil {
		return err
	}
	defer a.close()
	if list, err = find(list, fs.Args()); err != nil {
		return err
	}
	hidden := 0
	if !*all {
		used, err := a.inUse(ctx, repo.Name, list)
		if err != nil {
			return err
		}
		hidden, list = len(list)-len(used), used
	}
	rows, err := a.fill(ctx, list, repo.Thresholds.BaselineRuns)
	if err != nil {
		return err
	}
	if *asJSON {
		return baselineJSON(e.stdout, rows)
	}
	if len(rows) == 0 {
		fmt.Fprintf(e.stdout, "no baselines of %s yet: the first run with figures that meets its thresholds makes them\n", report.Line(repo.Name))
		return nil
	}
	slices.SortStableFunc(rows, func(a, b current) int {
		return strings.Compare(a.Kind+"\x00"+a.Class+"\x00"+a.Fingerprint+"\x00"+a.Settings, b.Kind+"\x00"+b.Class+"\x00"+b.Fingerprint+"\x00"+b.Settings)
	})
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	var place store.Place
	for _, r := range rows {
		if r.Place != place {
			if place.Repo != "" {
				fmt.Fprintln(w)
			}
			place = r.Place
			fmt.Fprintf(w, "%s of %s on %s\n", place.Kind, report.Line(place.Repo), machineOf(place))
			fmt.Fprintln(w, "ID\tMETRIC\tLEVEL\tRUNS\tVARY BY\tSTATE")
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%s\n", r.ID, label(r.Baseline), baseline.Format(r.level.Median, r.Sample.Unit), r.level.Runs, spread(r.level.Spread), r.state())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if hidden > 0 {
		fmt.Fprintf(e.stdout, "\n%d more of machines, systems or configurations of the past: --all\n", hidden)
	}
	return nil
}

// baselineJSON writes one object a line; numbers that do not exist are null.
func baselineJSON(w io.Writer, rows []current) error {
	number := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	enc := json.NewEncoder(w)
	for _, r := range rows {
		runs := []int64{}
		for _, p := range r.runs {
			runs = append(runs, p.Run)
		}
		if err := enc.Encode(struct {
			store.Baseline
			Name   string            `json:"name"`
			Unit   string            `json:"unit"`
			Config map[string]string `json:"config"`
			Level  *float64          `json:"level"`
			Spread *float64          `json:"spread"` // standard deviation of ln(median) between runs
			Runs   []int64           `json:"runs"`   // newest first; negative: imported
		}{r.Baseline, r.Sample.Name, r.Sample.Unit, r.Sample.Config, number(r.level.Median), number(r.level.Spread), runs}); err != nil {
			return err
		}
	}
	return nil
}

func baselineShow(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "baseline show", "[flags] METRIC [key=value …] | ID")
	var s selection
	s.register(fs, theOnly)
	n := fs.Int("n", 20, "at most `N` measurements")
	if err := parse(fs, args, math.MaxInt); err != nil {
		return err
	}
	a, repo, list, err := s.baselines(ctx, e)
	if err != nil {
		return err
	}
	defer a.close()
	found, err := one(list, fs.Args(), nil)
	if err != nil {
		return err
	}
	rows, err := a.fill(ctx, found, repo.Thresholds.BaselineRuns)
	if err != nil {
		return err
	}
	r := rows[0]
	out := e.stdout
	fmt.Fprintf(out, "baseline %d: %s\n%s of %s on %s\n", r.ID, label(r.Baseline), r.Kind, report.Line(r.Repo), machineOf(r.Place))
	switch level := fmt.Sprintf("level %s of %s", baseline.Format(r.level.Median, r.Sample.Unit), plural(r.level.Runs, "run")); {
	case r.level.Runs == 0:
		fmt.Fprintf(out, "empty; %s\n\n", r.state())
	case math.IsNaN(r.level.Spread):
		fmt.Fprintf(out, "%s; %s\n\n", level, r.state())
	default:
		fmt.Fprintf(out, "%s, which vary by %s; %s\n\n", level, spread(r.level.Spread), r.state())
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tCOMMIT\tMEDIAN\tROUNDS\tPART OF IT")
	measured, err := a.store.Measured(ctx, r.Baseline, *n)
	if err != nil {
		return err
	}
	part := map[int64]bool{}
	for _, p := range slices.Backward(r.runs) {
		part[p.Run] = true
		if p.Run < 0 {
			fmt.Fprintf(w, "imported\t%s\t%s\t%d\tyes\n", runner.Commit{SHA: p.Commit}.Short(), baseline.Format(baseline.Summarize(p.Values).Median, r.Sample.Unit), len(p.Values))
		}
	}
	for _, p := range measured {
		why := "yes"
		switch {
		case part[p.Run]:
		case r.Pinned:
			why = "no: others are pinned"
		case p.Run < r.Since:
			why = "no: the baseline begins later"
		case !p.Serves:
			why = "no: it missed a threshold, or leaned the wrong way"
		default:
			why = "no: newer ones are enough, or another level"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\n", p.Run, runner.Commit{SHA: p.Commit}.Short(), baseline.Format(baseline.Summarize(p.Values).Median, r.Sample.Unit), len(p.Values), why)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := a.showShifts(ctx, out, r.Baseline); err != nil {
		return err
	}
	log, err := a.store.BaselineLog(ctx, r.ID)
	if err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, x := range log {
		fmt.Fprintf(out, "%s  %s: %s", x.At.Format("2006-01-02 15:04:05Z"), report.Line(x.Who), x.Action)
		if x.Detail != "" {
			fmt.Fprintf(out, ", %s", report.Line(x.Detail))
		}
		fmt.Fprintf(out, " (%s)\n", report.Line(x.Why))
	}
	return nil
}
