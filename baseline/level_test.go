package baseline

import (
	"math"
	"testing"
)

func TestLevelOf(t *testing.T) {
	l := LevelOf([][]float64{{1, 3}, {4}, {math.Inf(1)}, nil, {2, 2, 9}})
	if l.Runs != 3 || l.Median != 2 || math.Abs(l.Spread-math.Log(2)/math.Sqrt(3)) > 1e-12 {
		t.Errorf("%+v", l)
	}
	for _, c := range [][][]float64{nil, {{1}, {2}}, {{-1}, {1}, {2}}, {{0}, {1}, {2}}} {
		if l := LevelOf(c); !math.IsNaN(l.Spread) || l.Runs != len(c) || math.IsNaN(l.Median) != (len(c) == 0) {
			t.Errorf("%v: %+v", c, l)
		}
	}
}

// A level that is over is no part of the baseline; a metric without a step keeps its newest
// runs, and what came before the step in one of them stays in the other.
func TestOneLevel(t *testing.T) {
	var history []Past
	for run := range 40 {
		p := Past{Run: int64(run + 1), Commit: "c", Values: map[string][]float64{}}
		noise := 1 + 0.01*math.Sin(float64(run*run))
		p.Values["flat"] = []float64{100 * noise}
		p.Values["step"] = []float64{100 * noise, 100 * noise, 101 * noise}
		if run >= 28 {
			p.Values["step"][0], p.Values["step"][1] = 130*noise, 130*noise
		}
		p.Values["twice"] = []float64{[]float64{100, 130, 90}[min(run/13, 2)] * noise}
		if run == 5 {
			p.Values["rare"] = []float64{1}
		}
		history = append([]Past{p}, history...) // newest first, as stored
	}
	count, first := map[string]int{}, map[string]int64{}
	last := int64(0)
	for _, p := range OneLevel(history, 20) {
		if p.Run <= last || len(p.Values) == 0 || p.Commit != "c" {
			t.Errorf("%+v after run %d", p, last)
		}
		last = p.Run
		for k := range p.Values {
			if count[k]++; count[k] == 1 {
				first[k] = p.Run
			}
		}
	}
	if count["flat"] != 20 || count["step"] != 12 || first["step"] != 29 || count["twice"] != 14 || first["twice"] != 27 || count["rare"] != 1 || last != 40 {
		t.Errorf("kept %v, from %v", count, first)
	}
	if len(history) != 40 || len(history[39].Values) != 3 || len(history[0].Values["step"]) != 3 {
		t.Error("the history was changed")
	}
}
