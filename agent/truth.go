package agent

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

// An A/A measures a good commit twice, run after run. Whatever differs between the two is
// noise: it tells how often comparisons and thresholds cry wolf on this machine, and from
// where on a difference can be told at all.

// repeating reports whether a run is half of an A/A.
func repeating(run *runner.Run) bool { return run.Trigger == store.TriggerAA }

// silent reports whether a run says nothing on GitHub and leaves nothing in baselines.
func silent(run *runner.Run) bool { return probing(run) || repeating(run) }

// noise is how much unchanged code varies in a place, by metric.
func (a *app) noise(ctx context.Context, p store.Place) (map[string]baseline.Noise, error) {
	effects, err := a.store.Effects(ctx, p)
	if err != nil {
		return nil, err
	}
	out := make(map[string]baseline.Noise, len(effects))
	for k, list := range effects {
		out[k] = baseline.NoiseOf(list)
	}
	return out, nil
}

// ledger is what is known of the verdicts in a place.
func (a *app) ledger(ctx context.Context, p store.Place) (*report.Truth, error) {
	l, err := a.store.Ledger(ctx, p)
	if err != nil {
		return nil, err
	}
	t := report.Truth(l)
	return &t, nil
}

// placeOf is where the figures of a run's bench stage belong.
func placeOf(run *runner.Run, repo *config.Repository) store.Place {
	return store.Place{
		Kind: store.KindBench, Repo: run.Repo, Settings: benchSettings(repo.Bench),
		Class: run.Machine.Class, Fingerprint: run.Machine.Fingerprint,
	}
}

// here is where benchmarks of a repository that this machine measures now belong.
func (a *app) here(ctx context.Context, repo *config.Repository) store.Place {
	return placeOf(&runner.Run{Repo: repo.Name, Machine: machine.Now(ctx, a.x.environ, a.machine)}, repo)
}

// truths is what a run of unchanged code tells: about each of its thresholds, and, if it is
// the second of an A/A, about comparisons with the first. There is no pair if one of them
// did not measure, or on another machine.
func (a *app) truths(ctx context.Context, run *runner.Run, twin int64, j *baseline.Judgement, p store.Place) (out []store.Truth, err error) {
	say := func(metric, threshold, verdict string, alarm bool, effect float64) {
		out = append(out, store.Truth{
			Kind: store.TruthAA, Run: run.Number, Place: p, Metric: metric, Threshold: threshold, Verdict: verdict, Alarm: alarm, Truth: store.Noise, Effect: effect,
		})
	}
	if j != nil {
		for _, m := range j.Metrics {
			if m.Threshold != "" && (m.Verdict == runner.Success || m.Verdict == runner.Failure) {
				say(m.Key(), m.Threshold, string(m.Verdict), m.Verdict == runner.Failure, 0)
			}
		}
	}
	if twin == 0 {
		return out, nil
	}
	// The result of the first is there before the second begins; its report may not be.
	first, err := a.store.Run(ctx, twin)
	if err != nil {
		return nil, err
	}
	was, is := first.Run.Stage(runner.StageBench), run.Stage(runner.StageBench)
	if was == nil || was.Bench == nil || was.Verdict == runner.Neutral || is == nil || is.Bench == nil ||
		was.Machine.Class != p.Class || was.Machine.Fingerprint != p.Fingerprint || was.Bench.Backend != is.Bench.Backend || was.Bench.Device != is.Bench.Device {
		a.log.Info("an A/A without a pair", "run", run.Number, "twin", twin, "repo", run.Repo)
		return out, nil
	}
	before := baseline.NewPast(twin, first.Run.Commit.SHA, was.Bench.Samples).Values
	now := baseline.NewPast(run.Number, run.Commit.SHA, is.Bench.Samples).Values
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if len(before[key]) == 0 {
			continue
		}
		// Either direction is an alarm, so any will do.
		r := baseline.CompareSides([]baseline.SidePair{{Name: key, Better: runner.HigherIsBetter, Base: before[key], Head: now[key]}}, baseline.SideOptions{})[0]
		effect := math.Log(r.HeadMedian) - math.Log(r.BaseMedian)
		if math.IsNaN(effect) || math.IsInf(effect, 0) {
			continue // no ratio, no noise
		}
		changed := r.Verdict != baseline.Unchanged && r.Verdict != baseline.Inconclusive
		say(key, "", string(r.Verdict), changed, effect)
	}
	return out, nil
}

// truthEntry is the name of the schedule of [truth]; those of [[schedules]] have no blanks
// around them.
const truthEntry = "truth "

// lookForIdle is how often the agent looks whether it has nothing to do.
const lookForIdle = time.Minute

// idle makes an A/A whenever nothing was to do for a while.
func (a *app) idle(ctx context.Context) {
	if a.cfg.Truth.Idle <= 0 {
		return
	}
	var since time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookForIdle):
		}
		var err error
		if since, err = a.lookIdle(ctx, since, time.Now()); err != nil && ctx.Err() == nil {
			a.log.Warn("measure false alarms", "error", err)
		}
	}
}

// lookIdle is one look: since is when the agent was first seen idle, the zero time if it was
// not. It returns the new one.
func (a *app) lookIdle(ctx context.Context, since, now time.Time) (time.Time, error) {
	busy, err := a.store.Busy(ctx)
	switch {
	case err != nil || busy:
		return time.Time{}, err
	case since.IsZero():
		return now, nil
	case now.Sub(since) < a.cfg.Truth.Idle:
		return since, nil
	}
	for i := range a.cfg.Repositories {
		repo := &a.cfg.Repositories[i]
		last, err := a.store.LastAA(ctx, repo.Name)
		if err != nil {
			return since, err
		}
		if now.Sub(last) < a.cfg.Truth.Every {
			continue
		}
		if made, err := a.enqueueAA(ctx, repo, time.Time{}); err != nil || made {
			return time.Time{}, err // one at a time
		}
	}
	return since, nil
}

// enqueueAA asks for an A/A of the newest good commit that this machine has measured. due
// names the tick that it belongs to, if it was scheduled. made is false if there is no such
// commit.
func (a *app) enqueueAA(ctx context.Context, repo *config.Repository, due time.Time) (made bool, err error) {
	n, ok, err := a.newAA(ctx, repo)
	if err != nil || !ok {
		return false, err
	}
	if !due.IsZero() {
		n.Schedule, n.Due = truthEntry, due
	}
	first, second, made, err := a.store.CreateAA(ctx, n)
	if err == nil && made {
		a.log.Info("A/A enqueued", "run", first, "twin", second, "repo", repo.Name, "sha", n.Commit.SHA)
	}
	return made, err
}

func (a *app) newAA(ctx context.Context, repo *config.Repository) (n store.NewRun, ok bool, err error) {
	stages := enabled(repo, []string{runner.StageBench})
	if len(stages) == 0 {
		return n, false, nil
	}
	p := a.here(ctx, repo)
	_, commit, ok, err := a.store.LastServing(ctx, p, repo.DefaultBranch())
	return store.NewRun{Repo: repo.Name, Commit: commit, Stages: stages}, ok, err
}

// fireTruth is the tick of [truth]: an A/A of each repository.
func (a *app) fireTruth(ctx context.Context, due time.Time) error {
	for i := range a.cfg.Repositories {
		if _, err := a.enqueueAA(ctx, &a.cfg.Repositories[i], due); err != nil {
			return fmt.Errorf("%s: %w", a.cfg.Repositories[i].Name, err)
		}
	}
	return nil
}

// belowNoise lists the thresholds of a configuration that are below what was measured of
// the noise on this machine, each with its place in the file and advice. note says why they
// could not be held against anything although there may be measurements.
func belowNoise(ctx context.Context, e *env, cfg *config.Config) (refused []string, note string) {
	if cfg.Engine.Postgres.IsZero() {
		if _, err := os.Stat(cfg.Engine.SQLite); err != nil {
			return nil, "" // nothing was measured yet
		}
	}
	quiet := *cfg
	quiet.GitHub.Token = config.Secret{} // not needed to read the store
	a, err := open(ctx, e, &quiet, options{})
	if err != nil {
		return nil, fmt.Sprintf("thresholds were not held against the measured noise: %v", err)
	}
	defer a.close()
	text, _ := os.ReadFile(cfg.File)
	seen := map[string]bool{}
	for i := range cfg.Repositories {
		repo := &cfg.Repositories[i]
		list, err := a.refused(ctx, repo)
		if err != nil {
			return nil, fmt.Sprintf("thresholds were not held against the measured noise: %v", err)
		}
		for _, r := range list {
			at := cfg.File
			if line := lineOf(string(text), r.threshold); line > 0 {
				at = fmt.Sprintf("%s:%d", at, line)
			}
			line := fmt.Sprintf("%s: %s, on %s of %s: %s", at, r.threshold, r.metric, repo.Name, r.advice)
			if !seen[line] {
				seen[line] = true
				refused = append(refused, line)
			}
		}
	}
	return refused, ""
}

// belowFloor is a threshold that asks for less than the noise of a benchmark allows.
type belowFloor struct {
	threshold baseline.Threshold
	metric    string
	advice    string
}

// refused are the thresholds of a repository that are below the noise of a benchmark here.
func (a *app) refused(ctx context.Context, repo *config.Repository) ([]belowFloor, error) {
	place := a.here(ctx, repo)
	noise, err := a.noise(ctx, place)
	if err != nil || len(noise) == 0 {
		return nil, err
	}
	list, err := a.store.Baselines(ctx, repo.Name)
	if err != nil {
		return nil, err
	}
	var out []belowFloor
	for _, t := range repo.Thresholds.Require {
		for _, b := range list {
			if b.Place != place || !t.Match(b.Sample) {
				continue
			}
			if advice, refused := noise[b.Metric].Refuses(t); refused {
				out = append(out, belowFloor{t, label(b), advice})
			}
		}
	}
	return out, nil
}

// quoted is a string of TOML on one line.
var quoted = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"|'([^']*)'`)

// lineOf is the line of a configuration file that has a threshold, 0 if it is not found.
func lineOf(text string, t baseline.Threshold) int {
	n := 0
	for line := range strings.Lines(text) {
		n++
		for _, m := range quoted.FindAllStringSubmatch(line, -1) {
			s := m[2]
			if m[1] != "" {
				s, _ = strconv.Unquote(m[0])
			}
			if got, err := baseline.ParseThreshold(s); err == nil && got.String() == t.String() {
				return n
			}
		}
	}
	return 0
}
