package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// ErrNoBaseline says that there is no such baseline.
var ErrNoBaseline = errors.New("no such baseline")

// Baseline is what one metric is compared with in one place. It comes into being with the
// first run that serves, and then moves: it is the newest runs that serve, from run Since
// on, and its points. A pinned one is its points alone.
type Baseline struct {
	ID int64 `json:"id"`
	Place
	Metric  string        `json:"metric"` // runner.Sample.Key
	Sample  runner.Sample `json:"-"`      // without values
	Since   int64         `json:"since"`  // 0: from the beginning
	Pinned  bool          `json:"pinned"`
	Created time.Time     `json:"created"`
	Changed time.Time     `json:"changed"`

	points []Point // live ones
}

// Point is one observation of a baseline.
type Point struct {
	Run    int64     `json:"run,omitempty"`    // 0 for a value from elsewhere
	Commit string    `json:"commit,omitempty"` // hash; "" if not known
	At     time.Time `json:"at,omitzero"`
	Source string    `json:"source,omitempty"` // where a value from elsewhere was read: "old.csv:12"
	Serves bool      `json:"serves"`           // false: the run failed or could not be told, and nobody accepted it
	Values []float64 `json:"values"`
}

// has reports whether a run is one of the points.
func (b *Baseline) has(run int64) bool {
	return slices.ContainsFunc(b.points, func(p Point) bool { return p.Run == run })
}

// parts are the points, in no order: values from elsewhere get negative numbers, the newest
// -1.
func (b *Baseline) parts() []part {
	out := make([]part, len(b.points))
	foreign := int64(0)
	for i, p := range slices.Backward(b.points) {
		run := p.Run
		if run == 0 {
			foreign--
			run = foreign
		}
		sample := b.Sample
		sample.Values = p.Values
		out[i] = part{run, runner.Commit{SHA: p.Commit}, sample}
	}
	return out
}

// createBaselines makes the baselines that a run is the first of.
func createBaselines(ctx context.Context, t tx, p Place, samples []runner.Sample, run int64, why string, at int64) error {
	have := map[string]bool{}
	err := t.query(ctx, func(scan func(...any) error) error {
		var key string
		err := scan(&key)
		have[key] = true
		return err
	}, "select metric from baseline where repo = $1 and class = $2 and settings = $3 and fingerprint = $4 and kind = $5", p.args(p.Kind)...)
	if err != nil {
		return err
	}
	for _, sample := range samples {
		if key := cleanText(sample.Key()); have[key] {
			continue
		} else {
			have[key] = true
		}
		if _, err := createBaseline(ctx, t, p, sample, why, fmt.Sprintf("begins with run %d", run), at); err != nil {
			return err
		}
	}
	return nil
}

// agentName is who did what no person did.
const agentName = "holdfast"

func createBaseline(ctx context.Context, t tx, p Place, sample runner.Sample, why, detail string, at int64) (int64, error) {
	id, err := next(ctx, t, "baseline")
	if err != nil {
		return 0, err
	}
	sample.Values = nil
	doc, err := json.Marshal(sample)
	if err != nil {
		return 0, err
	}
	if _, err := t.exec(ctx, `insert into baseline (id, kind, repo, settings, class, fingerprint, metric, sample, since, pinned, created_at, changed_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, $9, $9)`, id, p.Kind, p.Repo, p.Settings, p.Class, p.Fingerprint, sample.Key(), string(doc), at); err != nil {
		return 0, err
	}
	if why == "" {
		why = "first measurement"
	}
	return id, putAudit(ctx, t, Entry{Who: agentName, Action: "create", Subject: baselineSubject(id), Why: why, Detail: detail}, at)
}

// next hands out a number.
func next(ctx context.Context, t tx, of string) (n int64, err error) {
	_, err = one(ctx, t, []any{&n}, `insert into counter (name, value) values ($1, 1)
		on conflict (name) do update set value = counter.value + 1 returning value`, of)
	return n, err
}

const baselineColumns = "id, kind, repo, settings, class, fingerprint, metric, sample, since, pinned, created_at, changed_at"

func scanBaseline(scan func(...any) error) (Baseline, error) {
	var b Baseline
	var sample string
	var pinned, created, changed int64
	if err := scan(&b.ID, &b.Kind, &b.Repo, &b.Settings, &b.Class, &b.Fingerprint, &b.Metric, &sample, &b.Since, &pinned, &created, &changed); err != nil {
		return b, err
	}
	if err := json.Unmarshal([]byte(sample), &b.Sample); err != nil {
		return b, fmt.Errorf("stored sample of baseline %d: %w", b.ID, err)
	}
	b.Pinned, b.Created, b.Changed = pinned == 1, fromMilli(created), fromMilli(changed)
	return b, nil
}

// Baselines lists the baselines of a repository, or of all for "", in the order in which
// they came into being.
func (s *Store) Baselines(ctx context.Context, repo string) ([]Baseline, error) {
	where, args := "1 = 1", []any{}
	if repo != "" {
		where, args = "repo = $1", []any{repo}
	}
	var out []Baseline
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		b, err := scanBaseline(scan)
		out = append(out, b)
		return err
	}, "select "+baselineColumns+" from baseline where "+where+" order by id", args...)
	if err != nil {
		return nil, fmt.Errorf("list baselines: %w", err)
	}
	return out, nil
}

// changed reads the baselines of a place that are not simply the newest runs, by metric.
func (s *Store) changed(ctx context.Context, p Place) (map[string]*Baseline, error) {
	q := s.db.reader()
	out, byID := map[string]*Baseline{}, map[int64]*Baseline{}
	err := q.query(ctx, func(scan func(...any) error) error {
		b, err := scanBaseline(scan)
		out[b.Metric], byID[b.ID] = &b, &b
		return err
	}, "select "+baselineColumns+` from baseline where repo = $1 and class = $2 and settings = $3 and fingerprint = $4 and kind = $5
		and (since > 0 or pinned = 1 or exists (select 1 from point where point.baseline = baseline.id and point.live = 1))`, p.args(p.Kind)...)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	err = q.query(ctx, func(scan func(...any) error) error {
		var id int64
		x, err := scanPoint(scan, &id)
		if b := byID[id]; b != nil && err == nil {
			b.points = append(b.points, x)
		}
		return err
	}, `select point.run, point.sha, point.at, point.source, point.vals, point.baseline from point join baseline on baseline.id = point.baseline
		where repo = $1 and class = $2 and settings = $3 and fingerprint = $4 and kind = $5 and live = 1 order by point.at, point.id`, p.args(p.Kind)...)
	return out, err
}

func scanPoint(scan func(...any) error, more ...any) (Point, error) {
	var x Point
	var at int64
	var values string
	if err := scan(append([]any{&x.Run, &x.Commit, &at, &x.Source, &values}, more...)...); err != nil {
		return x, err
	}
	x.At, x.Serves = fromMilli(at), true
	if err := json.Unmarshal([]byte(values), &x.Values); err != nil {
		return x, fmt.Errorf("stored values of a baseline: %w", err)
	}
	return x, nil
}

// Measured returns what was measured of a baseline's metric in its place by runs, oldest
// first, at most limit of the newest: also by runs that do not serve.
func (s *Store) Measured(ctx context.Context, b Baseline, limit int) ([]Point, error) {
	var out []Point
	err := s.rows(ctx, b.Place, "1 = 1", limit, func(r row) {
		for _, sample := range r.samples {
			if cleanText(sample.Key()) == b.Metric {
				out = append(out, Point{Run: r.run, Commit: r.commit.SHA, At: r.at, Serves: r.serves, Values: sample.Values})
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("figures of baseline %d: %w", b.ID, err)
	}
	slices.Reverse(out)
	return out, nil
}

// Actions of a [Change].
const (
	ActionAccept = "accept" // the runs from Since on are the new level; Points are those that would not serve
	ActionPin    = "pin"    // Points alone, until unpinned
	ActionUnpin  = "unpin"  // the newest runs again
	ActionReset  = "reset"  // nothing measured so far counts any more
	ActionImport = "import" // Points, beside what there is
)

// Change is what a person does to a baseline.
type Change struct {
	Baseline int64
	Action   string
	Since    int64
	Points   []Point
	Who, Why string
	Detail   string // what it comes to, in words
}

// ChangeBaselines makes all of the changes, or none, and writes each into the audit log in
// the same transaction. The error is ErrNoBaseline if there is none of that number.
func (s *Store) ChangeBaselines(ctx context.Context, changes []Change) error {
	err := s.db.inTx(ctx, func(t tx) error {
		at := now().UnixMilli()
		for _, c := range changes {
			if err := changeBaseline(ctx, t, c, at); err != nil {
				return fmt.Errorf("baseline %d: %w", c.Baseline, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("change baselines: %w", err)
	}
	return nil
}

func changeBaseline(ctx context.Context, t tx, c Change, at int64) error {
	if c.Who == "" || c.Why == "" {
		return errors.New("a change needs an author and a reason")
	}
	var since, pinned int64
	// Changing the row before reading it makes others wait: what they did is not undone.
	found, err := one(ctx, t, []any{&since, &pinned}, "update baseline set changed_at = $2 where id = $1 returning since, pinned", c.Baseline, at)
	if err != nil {
		return err
	}
	if !found {
		return ErrNoBaseline
	}
	drop := "1 = 1"
	switch c.Action {
	case ActionAccept:
		since, pinned = c.Since, 0
	case ActionPin:
		pinned = 1
		if len(c.Points) == 0 {
			return errors.New("nothing to pin")
		}
	case ActionUnpin:
		if pinned == 0 {
			return errors.New("it is not pinned")
		}
		pinned = 0
	case ActionReset:
		var last int64
		if _, err := one(ctx, t, []any{&last}, "select value from counter where name = 'run'"); err != nil {
			return err
		}
		since, pinned = last+1, 0
	case ActionImport:
		drop = ""
	default:
		return fmt.Errorf("no action %q", c.Action)
	}
	if drop != "" {
		if _, err := t.exec(ctx, "update point set live = 0 where baseline = $1 and live = 1", c.Baseline); err != nil {
			return err
		}
	}
	if _, err := t.exec(ctx, "update baseline set since = $2, pinned = $3 where id = $1", c.Baseline, since, pinned); err != nil {
		return err
	}
	points := c.Points
	if c.Action == ActionImport {
		if points, err = newPoints(ctx, t, c.Baseline, points); err != nil {
			return err
		}
	}
	if err := putPoints(ctx, t, c.Baseline, points); err != nil {
		return err
	}
	return putAudit(ctx, t, Entry{Who: c.Who, Action: c.Action, Subject: baselineSubject(c.Baseline), Why: c.Why, Detail: c.Detail}, at)
}

// newPoints leaves out what was imported before, so that a file can be imported again.
func newPoints(ctx context.Context, t tx, baseline int64, points []Point) ([]Point, error) {
	key := func(p Point) string { return fmt.Sprint(p.At.UnixMilli(), p.Commit, p.Values) }
	have := map[string]bool{}
	err := t.query(ctx, func(scan func(...any) error) error {
		p, err := scanPoint(scan)
		have[key(p)] = true
		return err
	}, "select run, sha, at, source, vals from point where baseline = $1 and live = 1 and run = 0", baseline)
	return slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return have[key(p)] }), err
}

func putPoints(ctx context.Context, t tx, baseline int64, points []Point) error {
	for _, p := range points {
		values, err := json.Marshal(p.Values)
		if err != nil {
			return err
		}
		id, err := next(ctx, t, "point")
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, "insert into point (id, baseline, run, sha, at, source, live, vals) values ($1, $2, $3, $4, $5, $6, 1, $7)",
			id, baseline, p.Run, p.Commit, unixMilli(p.At), p.Source, string(values)); err != nil {
			return err
		}
	}
	return nil
}

// Import is values of one metric from elsewhere.
type Import struct {
	Sample runner.Sample // without values
	Points []Point       // oldest first; Source is set
}

// ImportBaselines adds values from elsewhere to the baselines of a place, and makes those
// that are missing; all or none. They count as older than any run. created is how many
// baselines were made.
func (s *Store) ImportBaselines(ctx context.Context, p Place, list []Import, who, why, detail string) (created int, err error) {
	if who == "" || why == "" {
		return 0, errors.New("import baselines: an import needs an author and a reason")
	}
	err = s.db.inTx(ctx, func(t tx) error {
		created = 0
		at := now().UnixMilli()
		for _, x := range list {
			var id int64
			found, err := one(ctx, t, []any{&id}, `select id from baseline where repo = $1 and class = $2 and settings = $3 and fingerprint = $4
				and kind = $5 and metric = $6`, p.args(p.Kind, x.Sample.Key())...)
			if err != nil {
				return err
			}
			if !found {
				created++
				if id, err = createBaseline(ctx, t, p, x.Sample, "values from elsewhere", detail, at); err != nil {
					return err
				}
			}
			c := Change{Baseline: id, Action: ActionImport, Points: x.Points, Who: who, Why: why, Detail: detail}
			if err := changeBaseline(ctx, t, c, at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("import baselines: %w", err)
	}
	return created, nil
}

func baselineSubject(id int64) string { return "baseline " + strconv.FormatInt(id, 10) }

// BaselineLog is what was done to a baseline, oldest first.
func (s *Store) BaselineLog(ctx context.Context, id int64) ([]Entry, error) {
	return s.audit(ctx, baselineSubject(id))
}
