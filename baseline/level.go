package baseline

import (
	"cmp"
	"math"
	"slices"
)

// Level is where earlier runs put a metric.
type Level struct {
	Runs   int     // that have a finite value
	Median float64 // of the runs' medians; NaN without a run
	// Spread is the standard deviation of ln(median) between runs, the noise that
	// [Compare] reckons with. NaN with fewer than three runs, or values that are not
	// above 0.
	Spread float64
}

// LevelOf summarises earlier runs, one list of rounds each. Runs with a value that is not
// finite, and empty ones, are left out, as [Judge] does.
func LevelOf(earlier [][]float64) Level {
	l := Level{Median: math.NaN(), Spread: math.NaN()}
	var medians, logs []float64
	for _, e := range earlier {
		f, bad := finite(e)
		if bad > 0 || len(f) == 0 {
			continue
		}
		m := median(f)
		medians, logs = append(medians, m), append(logs, math.Log(m))
	}
	if l.Runs = len(medians); l.Runs == 0 {
		return l
	}
	slices.Sort(medians)
	l.Median = median(medians)
	if l.Runs >= betweenRuns && medians[0] > 0 {
		_, l.Spread = meanSD(logs)
	}
	return l
}

// LevelStart is the index of the first run of the newest level of earlier runs, oldest
// first, by [ChangePoints] on their medians; 0 if they have one level.
func LevelStart(earlier [][]float64) int {
	medians := make([]float64, len(earlier))
	for i, e := range earlier {
		medians[i] = math.NaN()
		if f, bad := finite(e); bad == 0 && len(f) > 0 {
			medians[i] = median(f)
		}
	}
	points := ChangePoints(medians)
	if len(points) == 0 {
		return 0
	}
	return points[len(points)-1].Index
}

// OneLevel takes from a history what belongs to the newest level of each metric, at most
// keep runs of it: a baseline that mixes two levels would take the step between them for
// noise, and miss one of its size. Nothing is changed in place.
func OneLevel(history []Past, keep int) []Past {
	history = slices.Clone(history)
	slices.SortStableFunc(history, func(a, b Past) int { return cmp.Compare(a.Run, b.Run) })
	at := map[string][]int{}
	for i, p := range history {
		for k := range p.Values {
			at[k] = append(at[k], i)
		}
	}
	out := make([]Past, len(history))
	for i, p := range history {
		out[i] = Past{Run: p.Run, Commit: p.Commit, Values: map[string][]float64{}}
	}
	for k, list := range at {
		values := make([][]float64, len(list))
		for i, x := range list {
			values[i] = history[x].Values[k]
		}
		for _, x := range list[max(LevelStart(values), len(list)-keep):] {
			out[x].Values[k] = history[x].Values[k]
		}
	}
	return slices.DeleteFunc(out, func(p Past) bool { return len(p.Values) == 0 })
}
