package baseline

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/runner"
)

func TestHalfway(t *testing.T) {
	s := runner.Sample{Name: "X", Unit: "sec/op", Config: map[string]string{"size": "a b"}}
	for change, want := range map[float64]string{
		0.2: `X size="a b" <= base + 9.54%`, -0.5: `X size="a b" >= base - 29.3%`, 3: `X size="a b" <= base + 100%`,
		0.009: "", 0: "", math.Inf(1): "", math.NaN(): "", -1: "", -2: "",
	} {
		got, ok := Halfway(s, change)
		if got.String() != want || ok != (want != "") {
			t.Errorf("%v: %q, %v, want %q", change, got, ok, want)
		}
	}
	if _, ok := Halfway(runner.Sample{}, 0.2); ok {
		t.Error("a bound for nothing")
	}
	rapid.Check(t, func(t *rapid.T) {
		s := runner.Sample{Name: rapid.String().Draw(t, "name"), Config: map[string]string{rapid.String().Draw(t, "key"): rapid.String().Draw(t, "value")}}
		change := rapid.Float64Range(-0.99, 50).Draw(t, "change")
		bound, ok := Halfway(s, change)
		if !ok {
			return
		}
		back, err := ParseThreshold(bound.String())
		if err != nil || !back.Match(s) || back.String() != bound.String() {
			t.Fatalf("%q reads back as %q: %v", bound, back, err)
		}
		if v := bound.Value / 100; change > 0 && (v <= 0 || v >= change) || change < 0 && (v >= 0 || v <= change) {
			t.Fatalf("%v is not between the levels of a change of %v", v, change)
		}
	})
}

// A step of a fifth under 4 % noise: both levels are told apart nearly always, and none is
// ever taken for the other, where the bound of the threshold that was missed would leave the
// second level open.
func TestHalfwayTells(t *testing.T) {
	s := runner.Sample{Name: "X", Unit: "sec/op"}
	bound, _ := Halfway(s, 0.2)
	rng := rand.New(rand.NewPCG(1, 2))
	values := func(level float64, blocks int) []float64 {
		out := make([]float64, 2*blocks)
		for i := range out {
			out[i] = level * math.Exp(0.04*rng.NormFloat64())
		}
		return out
	}
	const runs, blocks = 300, 12
	for level, bad := range map[float64]bool{100: false, 120: true} {
		told, wrong := 0, 0
		for range runs {
			r := runner.Turns{
				Name: "X", Unit: "sec/op", Looks: []int{3, 6, blocks}, Base: values(100, blocks), Head: values(level, blocks),
				BaseAgain: values(100, blocks), HeadAgain: values(level, blocks),
			}
			switch v, _, _ := bound.inTurns(r, 1); v {
			case runner.Success, runner.Failure:
				told++
				if (v == runner.Failure) != bad {
					wrong++
				}
			}
		}
		if told < runs*9/10 || wrong > 0 {
			t.Errorf("level %v: %d of %d told, %d wrong", level, told, runs, wrong)
		}
	}
}
