package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
)

// signature says who changes something that is kept, and why.
type signature struct{ author, reason string }

func (s *signature) register(fs *flag.FlagSet) {
	fs.StringVar(&s.reason, "reason", "", "`WHY`, for the log (required)")
	fs.StringVar(&s.author, "author", "", "`WHO` decides it (default: the user at this host)")
}

// check fills in the author and wants a reason.
func (s *signature) check() error {
	if s.reason = strings.TrimSpace(s.reason); s.reason == "" {
		return &usageError{"no reason given", `say why, for those who ask later: --reason "…"`}
	}
	if s.author = strings.TrimSpace(s.author); s.author == "" {
		host, _ := os.Hostname()
		s.author = "somebody@" + host
		if u, err := user.Current(); err == nil && u.Username != "" {
			s.author = u.Username + "@" + host
		}
	}
	return nil
}

// baselineFlags are the flags of verbs that change baselines.
type baselineFlags struct {
	selection
	signature
	all bool
}

func (f *baselineFlags) register(fs *flag.FlagSet) {
	f.selection.register(fs, theOnly)
	f.signature.register(fs)
	fs.BoolVar(&f.all, "all", false, "change every baseline that METRIC matches, on all machines")
}

// change runs a verb that changes baselines: it reads flags and baselines, has each change
// made up, stores them together and says what came of it.
func change(ctx context.Context, e *env, f *baselineFlags, fs *flag.FlagSet, args []string, plan func(a *app, repo *config.Repository, b store.Baseline) (store.Change, error)) error {
	f.register(fs)
	if err := parse(fs, args, math.MaxInt); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	a, repo, list, err := f.baselines(ctx, e)
	if err != nil {
		return err
	}
	defer a.close()
	found, err := one(list, fs.Args(), &f.all)
	if err != nil {
		return err
	}
	var changes []store.Change
	for _, b := range found {
		c, err := plan(a, repo, b)
		if err != nil {
			return fmt.Errorf("baseline %d (%s): %w", b.ID, label(b), err)
		}
		c.Baseline, c.Who, c.Why = b.ID, f.author, f.reason
		changes = append(changes, c)
	}
	err = a.store.ChangeBaselines(ctx, changes)
	if errors.Is(err, store.ErrNoBaseline) {
		return &usageError{err.Error(), "holdfast baseline list lists them"}
	}
	if err != nil {
		return err
	}
	for i, c := range changes {
		fmt.Fprintf(e.stdout, "baseline %d (%s): %s\n", c.Baseline, label(found[i]), report.Line(c.Detail))
	}
	return nil
}

// maxMeasured is how far back a person may look for the run to accept or to pin.
const maxMeasured = 1000

// measuredRuns returns the measurements of a baseline and the index of the one by run.
func measuredRuns(ctx context.Context, a *app, b store.Baseline) (list []store.Point, at func(run int64) (int, error), err error) {
	list, err = a.store.Measured(ctx, b, maxMeasured)
	if err != nil {
		return nil, nil, err
	}
	return list, func(run int64) (int, error) {
		for i, p := range list {
			if p.Run == run {
				return i, nil
			}
		}
		return 0, &usageError{
			fmt.Sprintf("run %d did not measure it on %s", run, machineOf(b.Place)),
			fmt.Sprintf("holdfast baseline show %d lists the runs that did", b.ID),
		}
	}, nil
}

func baselineAccept(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "baseline accept", "[flags] --reason WHY METRIC [key=value …] | ID")
	run := fs.Int64("run", 0, "the new level begins with this `RUN` (default: where the level changed last, or the newest run)")
	var f baselineFlags
	return change(ctx, e, &f, fs, args, func(a *app, repo *config.Repository, b store.Baseline) (store.Change, error) {
		list, at, err := measuredRuns(ctx, a, b)
		if err != nil {
			return store.Change{}, err
		}
		if len(list) == 0 {
			return store.Change{}, &usageError{"no run has measured it", "holdfast run measures"}
		}
		from := len(list) - 1
		measured := make([][]float64, len(list))
		for i, p := range list {
			measured[i] = p.Values
		}
		if start := baseline.LevelStart(measured); start > 0 {
			from = start
		}
		if given(fs, "run") {
			if from, err = at(*run); err != nil {
				return store.Change{}, err
			}
		}
		return a.accepted(ctx, repo, b, list[from].Run, list[from:])
	})
}

// accepted makes the change by which points are the new level of a baseline, together with
// what runs from since on measure.
func (a *app) accepted(ctx context.Context, repo *config.Repository, b store.Baseline, since int64, points []store.Point) (store.Change, error) {
	c := store.Change{Baseline: b.ID, Action: store.ActionAccept, Since: since}
	var values [][]float64
	for _, p := range points {
		values = append(values, p.Values)
		if !p.Serves {
			c.Points = append(c.Points, p)
		}
	}
	was, err := a.fill(ctx, []store.Baseline{b}, repo.Thresholds.BaselineRuns)
	if err != nil {
		return c, err
	}
	level := baseline.LevelOf(values)
	c.Detail = fmt.Sprintf("accepted from run %d on: %s of %s", c.Since, baseline.Format(level.Median, b.Sample.Unit), plural(level.Runs, "run"))
	if old := was[0].level; old.Runs > 0 {
		c.Detail += fmt.Sprintf(", %s against %s of %s before", baseline.Percent(level.Median/old.Median-1), baseline.Format(old.Median, b.Sample.Unit), plural(old.Runs, "run"))
	}
	return c, nil
}

func baselinePin(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "baseline pin", "[flags] --reason WHY METRIC [key=value …] | ID")
	which := fs.String("run", "", "comma-separated `RUNS` (default: those that it consists of now)")
	off := fs.Bool("off", false, "let it move again")
	var f baselineFlags
	return change(ctx, e, &f, fs, args, func(a *app, repo *config.Repository, b store.Baseline) (store.Change, error) {
		switch {
		case *off && *which != "":
			return store.Change{}, &usageError{"--off and --run contradict each other", "pin runs, or let it move"}
		case *off && !b.Pinned:
			return store.Change{}, &usageError{"it is not pinned", ""}
		case *off:
			return store.Change{Action: store.ActionUnpin, Detail: "moves again with the newest runs"}, nil
		}
		c := store.Change{Action: store.ActionPin}
		var values [][]float64
		if *which != "" {
			list, at, err := measuredRuns(ctx, a, b)
			if err != nil {
				return c, err
			}
			for text := range strings.SplitSeq(*which, ",") {
				run, err := numberOf("run", strings.TrimSpace(text), "for example --run 12,13,15")
				if err != nil {
					return c, err
				}
				i, err := at(run)
				if err != nil {
					return c, err
				}
				if slices.ContainsFunc(c.Points, func(p store.Point) bool { return p.Run == run }) {
					return c, &usageError{fmt.Sprintf("run %d is named twice", run), "a run counts once: it would seem to vary less than it does"}
				}
				c.Points, values = append(c.Points, list[i]), append(values, list[i].Values)
			}
		} else {
			now, err := a.fill(ctx, []store.Baseline{b}, repo.Thresholds.BaselineRuns)
			if err != nil {
				return c, err
			}
			for _, p := range now[0].runs {
				p.Run = max(0, p.Run)
				c.Points, values = append(c.Points, p), append(values, p.Values)
			}
			if len(c.Points) == 0 {
				return c, &usageError{"it has no runs to pin", "name some with --run"}
			}
		}
		level := baseline.LevelOf(values)
		c.Detail = fmt.Sprintf("pinned to %s, level %s", plural(level.Runs, "run"), baseline.Format(level.Median, b.Sample.Unit))
		return c, nil
	})
}

func baselineReset(ctx context.Context, e *env, args []string) error {
	fs := flags(e, "baseline reset", "[flags] --reason WHY METRIC [key=value …] | ID")
	var f baselineFlags
	return change(ctx, e, &f, fs, args, func(*app, *config.Repository, store.Baseline) (store.Change, error) {
		return store.Change{Action: store.ActionReset, Detail: "reset: it grows anew with the next run"}, nil
	})
}
