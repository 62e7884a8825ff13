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
