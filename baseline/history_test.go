package baseline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/runner"
)

// stepped is a history with 2 % noise whose level changes by the given factors at the given
// indices.
func stepped(n int, at []int, by []float64) History {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	h := History{Metric: runner.Sample{Name: "X", Unit: "sec/op", Better: runner.LowerIsBetter}}
	level := 100.0
	for i := range n {
		if k := slices.Index(at, i); k >= 0 {
			level *= by[k]
		}
		h.Readings = append(h.Readings, Reading{Run: int64(10 + 3*i), Commit: fmt.Sprintf("%040x", i), Median: level * math.Exp(0.02*rng.NormFloat64())})
	}
	return h
}

func TestShifts(t *testing.T) {
	h := stepped(120, []int{50, 90}, []float64{1.2, 0.8})
	got := h.Shifts()
	if len(got) != 2 {
		t.Fatalf("%d shifts, want 2: %+v", len(got), got)
	}
	up, down := got[0], got[1]
	if up.Index != 50 || up.Last != h.Readings[49] || up.First != h.Readings[50] || up.Runs != 40 || up.Worse(runner.LowerIsBetter) != 1 || up.Worse("") != 0 || up.Fresh() {
		t.Errorf("up: %+v", up)
	}
	if math.Abs(up.Before-100) > 2 || math.Abs(up.After-120) > 2 || math.Abs(up.Effect-0.2) > 0.03 || up.P > 0.001 {
		t.Errorf("up: %+v", up)
	}
	if down.Index != 90 || down.Runs != 30 || down.Worse(runner.LowerIsBetter) != -1 || down.Worse(runner.HigherIsBetter) != 1 || !down.Fresh() {
		t.Errorf("down: %+v", down)
	}
	starts, medians := Levels(h.Readings, got)
	if !slices.Equal(starts, []int{0, 50, 90}) || math.Abs(medians[2]-96) > 2 {
		t.Errorf("levels %v %v", starts, medians)
	}
	quiet := stepped(200, nil, nil)
	if s := quiet.Shifts(); len(s) != 0 {
		t.Errorf("a quiet history has shifts %+v", s)
	}
	if s := new(History).Shifts(); len(s) != 0 {
		t.Errorf("nothing has shifts %+v", s)
	}
}

// Whatever runs give in whatever order, every reading is finite and in the order of runs,
// and every shift lies between two of them.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all Histories
		for range rapid.IntRange(0, 60).Draw(t, "runs") {
			var samples []runner.Sample
			for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b2", "b10"}), 0, 3).Draw(t, "names") {
				samples = append(samples, runner.Sample{Name: name, Unit: "x", Values: rapid.SliceOfN(rapid.Float64(), 0, 3).Draw(t, "values")})
			}
			all.Add(rapid.Int64Range(1, 80).Draw(t, "run"), "c", time.Time{}, samples)
		}
		list := all.All()
		if !slices.IsSortedFunc(list, func(a, b History) int { return compareSamples(a.Metric, b.Metric) }) {
			t.Fatal("not sorted")
		}
		for _, h := range list {
			if h.Metric.Values != nil || len(h.Readings) == 0 {
				t.Fatalf("%+v", h)
			}
			for i, r := range h.Readings {
				if math.IsNaN(r.Median) || math.IsInf(r.Median, 0) || i > 0 && h.Readings[i-1].Run >= r.Run {
					t.Fatalf("reading %d: %+v", i, h.Readings)
				}
			}
			shifts := h.Shifts()
			left := len(h.Readings)
			for i := len(shifts) - 1; i >= 0; i-- {
				s := shifts[i]
				if s.Index < 1 || s.First != h.Readings[s.Index] || s.Last != h.Readings[s.Index-1] || s.Runs != left-s.Index {
					t.Fatalf("shift %d: %+v", i, shifts)
				}
				left = s.Index
			}
		}
	})
}

// BenchmarkShifts is the history of one metric at the longest that is looked at.
func BenchmarkShifts(b *testing.B) {
	h := stepped(2000, []int{400, 800, 1500}, []float64{1.1, 0.8, 1.05})
	b.ReportAllocs()
	for b.Loop() {
		if len(h.Shifts()) != 3 {
			b.Fatal(len(h.Shifts()))
		}
	}
}
