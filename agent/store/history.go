package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// Whose figures a [Place] is about.
const (
	KindBench = "bench" // samples of the bench stage
	KindBuild = "build" // build times of the proofs stage
)

// Place is where and how figures were measured: those of one place compare, and no others.
type Place struct {
	Kind        string `json:"kind"` // KindBench or KindBuild
	Repo        string `json:"repo"`
	Settings    string `json:"settings"` // key of the configuration
	Class       string `json:"class"`    // runner.Machine.Class
	Fingerprint string `json:"fingerprint"`
}

// table is the one that the runs of the place are in.
func (p Place) table() string {
	if p.Kind == KindBuild {
		return "build"
	}
	return "bench"
}

// args are the place as arguments of a statement, after which come those given.
func (p Place) args(more ...any) []any {
	return append([]any{p.Repo, p.Class, p.Settings, p.Fingerprint}, more...)
}

// PastRun is one earlier run whose figures are part of a baseline. Run is negative for
// values from elsewhere: -1 the newest; several may have one number.
type PastRun struct {
	Run     int64
	Commit  runner.Commit
	Samples []runner.Sample
}

// putFigures keeps the figures of a run apart from its document, so that reading the
// history does not decode every theorem, and sees to it that each has a baseline.
func putFigures(ctx context.Context, t tx, run runner.Run, f Final, at int64) error {
	if run.State != runner.StateDone || f.Apart {
		return nil
	}
	if res := run.Stage(runner.StageBench); res != nil && res.Bench != nil {
		p := Place{KindBench, run.Repo, f.Settings, run.Machine.Class, run.Machine.Fingerprint}
		if err := putSamples(ctx, t, run, p, res.Bench.Samples, f.Serves, f.NewBaseline, at); err != nil {
			return err
		}
	}
	if res := run.Stage(runner.StageProofs); res != nil {
		p := Place{KindBuild, run.Repo, f.TimesSettings, res.Machine.Class, res.Machine.Fingerprint}
		return putSamples(ctx, t, run, p, f.Times, f.TimesServe, f.NewTimes, at)
	}
	return nil
}

func putSamples(ctx context.Context, t tx, run runner.Run, p Place, samples []runner.Sample, serves bool, why string, at int64) error {
	if len(samples) == 0 {
		return nil
	}
	text, err := json.Marshal(samples)
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, `insert into `+p.table()+` (run, repo, class, settings, fingerprint, pull, sha, ended_at, samples, serves)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		run.Number, run.Repo, p.Class, p.Settings, p.Fingerprint, int64(run.PullRequest), run.Commit.SHA, at, string(text), flag(serves)); err != nil {
		return err
	}
	if !serves || run.PullRequest != 0 {
		return nil
	}
	return createBaselines(ctx, t, p, samples, run.Number, why, at)
}

// History returns what the baselines of a place consist of, run by run and the newest
// first, at most limit values of each metric: the runs that may serve ([Final]), as far as
// nobody changed that (see [Store.ChangeBaselines]). Pull requests are left out: code under
// review, a stranger's perhaps, must not move the baseline it is judged by.
func (s *Store) History(ctx context.Context, p Place, limit int) ([]PastRun, error) {
	out, err := s.past(ctx, p, limit)
	if err != nil {
		return nil, fmt.Errorf("%s history of %s: %w", p.Kind, p.Repo, err)
	}
	return out, nil
}

// part is one sample of a past run.
type part struct {
	run    int64
	commit runner.Commit
	sample runner.Sample
}

func (s *Store) past(ctx context.Context, p Place, limit int) ([]PastRun, error) {
	changed, err := s.changed(ctx, p)
	if err != nil {
		return nil, err
	}
	byMetric := map[string][]part{}
	err = s.rows(ctx, p, "serves = 1", limit, func(r row) {
		for _, sample := range r.samples {
			key := cleanText(sample.Key())
			if b := changed[key]; b != nil && (b.Pinned || r.run < b.Since || b.has(r.run)) {
				continue
			}
			byMetric[key] = append(byMetric[key], part{r.run, r.commit, sample})
		}
	})
	if err != nil {
		return nil, err
	}
	for key, b := range changed {
		list := append(byMetric[key], b.parts()...)
		slices.SortStableFunc(list, func(a, b part) int { return -cmp.Compare(a.run, b.run) })
		byMetric[key] = list[:min(len(list), limit)]
	}
	// Values from elsewhere have numbers of their own in each metric: what shares one need
	// not share a commit.
	type origin struct {
		run int64
		sha string
	}
	byRun := map[origin]*PastRun{}
	var out []*PastRun
	for _, list := range byMetric {
		for _, x := range list {
			at := origin{x.run, x.commit.SHA}
			r := byRun[at]
			if r == nil {
				r = &PastRun{Run: x.run, Commit: x.commit}
				byRun[at], out = r, append(out, r)
			}
			r.Samples = append(r.Samples, x.sample)
		}
	}
	slices.SortFunc(out, func(a, b *PastRun) int {
		return cmp.Or(-cmp.Compare(a.Run, b.Run), cmp.Compare(a.Commit.SHA, b.Commit.SHA))
	})
	runs := make([]PastRun, len(out))
	for i, r := range out {
		slices.SortFunc(r.Samples, func(a, b runner.Sample) int { return cmp.Compare(a.Key(), b.Key()) })
		runs[i] = *r
	}
	return runs, nil
}

// row is one run of a place as stored.
type row struct {
	run     int64
	commit  runner.Commit
	serves  bool
	at      time.Time
	samples []runner.Sample
}

// rows reads the newest runs of a place, the newest first; where restricts them.
// More are the arguments $6 and further of it.
func (s *Store) rows(ctx context.Context, p Place, where string, limit int, each func(row), more ...any) error {
	return s.db.reader().query(ctx, func(scan func(...any) error) error {
		var r row
		var commit, samples string
		var serves, at int64
		if err := scan(&r.run, &commit, &serves, &at, &samples); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(commit), &r.commit); err != nil {
			return fmt.Errorf("stored commit of run %d: %w", r.run, err)
		}
		if err := json.Unmarshal([]byte(samples), &r.samples); err != nil {
			return fmt.Errorf("stored samples of run %d: %w", r.run, err)
		}
		r.serves, r.at = serves == 1, fromMilli(at)
		each(r)
		return nil
	}, `select h.run, run.commit_doc, h.serves, h.ended_at, h.samples from `+p.table()+` h join run on run.id = h.run
		where h.repo = $1 and h.class = $2 and h.settings = $3 and h.fingerprint = $4 and h.pull = 0 and `+where+`
		order by h.run desc limit $5`, p.args(append([]any{int64(limit)}, more...)...)...)
}

// HistoryRuns is the longest history that is looked at for changes of level. It bounds the
// cost of a report: 2,000 runs of 40 benchmarks with ten rounds take 0.6 s (BenchmarkHistories).
const HistoryRuns = 2000

// Histories returns what the runs of a branch before a run (0: all) measured in a place,
// metric by metric, also those that do not serve: the newest HistoryRuns of them.
func (s *Store) Histories(ctx context.Context, p Place, branch string, before int64) (*baseline.Histories, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	var out baseline.Histories
	err := s.rows(ctx, p, "run.branch = $6 and h.run < $7", HistoryRuns, func(r row) {
		out.Add(r.run, r.commit.SHA, r.at, r.samples)
	}, branch, before)
	if err != nil {
		return nil, fmt.Errorf("%s history of %s: %w", p.Kind, p.Repo, err)
	}
	return &out, nil
}

// LastPlace returns the place of the newest run of a repository that has figures of the
// kind and serves. ok is false if there is none.
func (s *Store) LastPlace(ctx context.Context, kind, repo string) (p Place, run int64, ok bool, err error) {
	p = Place{Kind: kind, Repo: repo}
	ok, err = one(ctx, s.db.reader(), []any{&p.Settings, &p.Class, &p.Fingerprint, &run},
		"select settings, class, fingerprint, run from "+p.table()+" where repo = $1 and pull = 0 and serves = 1 order by run desc limit 1", repo)
	if err != nil {
		return Place{}, 0, false, fmt.Errorf("last figures of %s: %w", repo, err)
	}
	return p, run, ok, nil
}

// NewestIn tells for each place in which a repository was measured the newest run that did,
// whatever came of it.
func (s *Store) NewestIn(ctx context.Context, repo string) (map[Place]int64, error) {
	out := map[Place]int64{}
	for _, kind := range []string{KindBench, KindBuild} {
		err := s.db.reader().query(ctx, func(scan func(...any) error) error {
			p := Place{Kind: kind, Repo: repo}
			var run int64
			err := scan(&p.Class, &p.Settings, &p.Fingerprint, &run)
			out[p] = run
			return err
		}, "select class, settings, fingerprint, max(run) from "+Place{Kind: kind}.table()+" where repo = $1 group by class, settings, fingerprint", repo)
		if err != nil {
			return nil, fmt.Errorf("places of %s: %w", repo, err)
		}
	}
	return out, nil
}
