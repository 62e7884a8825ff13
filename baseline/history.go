package baseline

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// Reading is what one run measured of a metric.
type Reading struct {
	Run    int64     `json:"run"`
	Commit string    `json:"commit"` // full hash
	At     time.Time `json:"at,omitzero"`
	Median float64   `json:"median"` // finite, in the metric's unit
}

// History is what the runs of one branch measured of one metric in one place, oldest first.
type History struct {
	Metric   runner.Sample // without values
	Readings []Reading
}

// Shift is where a history takes another level, by [ChangePoints].
type Shift struct {
	Index         int     // of First in the readings
	Last, First   Reading // the last of the old level and the first of the new one: what did it lies between
	Before, After float64 // medians of the nearest readings of the two levels, at most 30 each
	Effect, P     float64 // as in [ChangePoint]
	Runs          int     // of the new level, up to the next shift or the end
}

// Histories gathers what runs measured, metric by metric. The zero value is empty.
type Histories struct {
	byKey map[string]*History
}

// Add takes what a run measured. Runs may come in any order; of a metric whose values are
// not all finite, or that has none, the run has no reading.
func (h *Histories) Add(run int64, commit string, at time.Time, samples []runner.Sample) {
	if h.byKey == nil {
		h.byKey = map[string]*History{}
	}
	for _, s := range samples {
		f, bad := finite(s.Values)
		if bad > 0 || len(f) == 0 {
			continue
		}
		m := median(f)
		if math.IsInf(m, 0) {
			continue
		}
		key := s.Key()
		x := h.byKey[key]
		if x == nil {
			x = &History{Metric: s}
			x.Metric.Values = nil
			h.byKey[key] = x
		}
		x.Readings = append(x.Readings, Reading{Run: run, Commit: commit, At: at, Median: m})
	}
}

// All are the histories gathered so far, by name, configuration and unit. Of two readings of
// one run the one that was added first counts.
func (h *Histories) All() []History {
	out := make([]History, 0, len(h.byKey))
	for _, x := range h.byKey {
		slices.SortStableFunc(x.Readings, func(a, b Reading) int { return cmp.Compare(a.Run, b.Run) })
		x.Readings = slices.CompactFunc(x.Readings, func(a, b Reading) bool { return a.Run == b.Run })
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b History) int { return compareSamples(a.Metric, b.Metric) })
	return out
}

// Shifts are the points at which the level changed, oldest first.
func (h *History) Shifts() []Shift {
	values := make([]float64, len(h.Readings))
	for i, r := range h.Readings {
		values[i] = r.Median
	}
	points := ChangePoints(values)
	out := make([]Shift, len(points))
	for i, p := range points {
		lo, hi := 0, len(values)
		if i > 0 {
			lo = points[i-1].Index
		}
		if i+1 < len(points) {
			hi = points[i+1].Index
		}
		out[i] = Shift{
			Index: p.Index, Last: h.Readings[p.Index-1], First: h.Readings[p.Index], Effect: p.Effect, P: p.P, Runs: hi - p.Index,
			Before: middle(values[max(lo, p.Index-nearPoints):p.Index]), After: middle(values[p.Index:min(hi, p.Index+nearPoints)]),
		}
	}
	return out
}

// Around are readings of the two levels of a shift that lie by runs of them further apart, as
// far as the levels go.
func (h *History) Around(s Shift, by int) (last, first Reading) {
	lo, hi := 0, len(h.Readings)
	for _, x := range h.Shifts() {
		if x.Index < s.Index {
			lo = x.Index
		} else if x.Index > s.Index && hi == len(h.Readings) {
			hi = x.Index
		}
	}
	if s.Index < 1 || s.Index >= len(h.Readings) {
		return s.Last, s.First
	}
	return h.Readings[max(lo, s.Index-1-by)], h.Readings[min(hi-1, s.Index+by)]
}

// Levels are the stretches of readings between shifts, each with its first index and its
// median over all of its readings.
func Levels(readings []Reading, shifts []Shift) (starts []int, medians []float64) {
	starts = []int{0}
	for _, s := range shifts {
		starts = append(starts, s.Index)
	}
	for i, from := range starts {
		to := len(readings)
		if i+1 < len(starts) {
			to = starts[i+1]
		}
		values := make([]float64, 0, to-from)
		for _, r := range readings[from:to] {
			values = append(values, r.Median)
		}
		m := math.NaN()
		if len(values) > 0 {
			m = middle(values)
		}
		medians = append(medians, m)
	}
	return starts, medians
}

// Fresh reports whether a shift is news: the new level has so few runs yet that it is still
// being compared with the old one.
func (s *Shift) Fresh() bool { return s.Runs <= nearPoints }

// Worse is 1 if the shift is for the worse, -1 if it is for the better, and 0 if it is not
// known which direction is which.
func (s *Shift) Worse(better string) int {
	up := cmp.Compare(s.After, s.Before)
	switch better {
	case runner.HigherIsBetter:
		return -up
	case runner.LowerIsBetter:
		return up
	}
	return 0
}
