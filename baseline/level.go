package baseline

import (
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
